"""The teachers' pages: sums that have to come out, and first steps that run."""

import ast
import re
from pathlib import Path

import pytest

import editions
import exams
from exams import papers

BOOK = Path(__file__).parents[2] / "book"
LESSONS = re.split(r"^\(plan-\d+\)=$", (BOOK / "teach_lessons.md").read_text(), flags=re.M)[1:]
STEPS = re.findall(r"```python\n(.*?)```", (BOOK / "teach_projects.md").read_text(), re.DOTALL)
QUICK = 2, 7, 9  # numbers of briefs, from 0: the others draw and train networks


def rows(text: str) -> list[list[str]]:
    """Cells of the lines of a table, without its head."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return [row for row in cells[1:] if not set("".join(row)) <= set("-: ")]


@pytest.mark.parametrize("number", range(13))
def test_a_lesson_has_ninety_minutes(number: int) -> None:
    lesson, chapter = LESSONS[number], editions.chapters()[number]
    assert f"## {number + 1} · {editions.book().titles[chapter]}" in lesson
    assert sum(int(row[0]) for row in rows(lesson)) == 90
    assert "**Board.**" in lesson or number == 12  # the last chapter has no proof
    assert "**Vote**" in lesson
    assert "*May be cut*: " in lesson


def test_weights_add_up() -> None:
    text = (BOOK / "teach_assessment.md").read_text()
    table = rows(re.split(r"^## ", text, flags=re.M)[2])
    weights = [[int(re.sub(r"\D", "", cell) or 0) for cell in row[1:]] for row in table]
    assert [sum(column) for column in zip(*weights[:-1], strict=True)] == weights[-1] == [100] * 3


def test_contact_hours_are_two_classes_a_week() -> None:
    text = (BOOK / "instructor.md").read_text()
    for weeks, word in ((4, "Four"), (8, "Eight"), (14, "Fourteen")):
        assert re.search(rf"\*\*{word} weeks\*\*.*, {2 * weeks * 90 // 60} contact hours", text)


def test_exams_have_the_points_that_the_page_says() -> None:
    text = " ".join((BOOK / "teach_assessment.md").read_text().split())
    said = re.search(r"Each has (\d+) points for numbers and (\d+) for sentences", text)
    assert said
    for paper in papers.PAPERS:
        numbers = sum(exams.BANK[name].minutes for name in paper.numbers)
        assert (numbers, sum(essay.points for essay in paper.essays)) == tuple(
            map(int, said.groups())
        )


@pytest.mark.parametrize("number", range(10))
def test_a_project_begins_with_what_runs(number: int) -> None:
    """The slow ones are read: every name that is imported is there."""
    step = STEPS[number]
    if number in QUICK:
        exec(step, {})
    else:
        tree = ast.parse(step)
        lines = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
        known: dict = {}
        exec("\n".join(map(ast.unparse, lines)), known)
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                owner = known.get(node.value.id)
                assert owner is None or hasattr(owner, node.attr), ast.unparse(node)


def test_ten_projects_say_what_a_brief_says() -> None:
    text = (BOOK / "teach_projects.md").read_text()
    briefs = re.split(r"^## \d+ · ", text.partition("## Rubric")[0], flags=re.M)[1:]
    assert len(briefs) == len(STEPS) == 10
    for brief in briefs:
        for what in (
            "**Question.**",
            "**Data.**",
            "**Hours.**",
            "**First step.**",
            "**Done** when",
        ):
            assert what in brief
