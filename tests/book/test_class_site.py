"""The site for a class asks, and does not answer."""

from types import SimpleNamespace

import pytest
from docutils import nodes
from docutils.utils import new_document
from sphinx_exercise.nodes import exercise_node

import class_site
import editions
from freezechaos.course import Question, quiz

CHAPTER = editions.chapters()[2]


@pytest.fixture
def chapter() -> nodes.document:
    """A chapter: text, exercises with a solution in code between them, and a quiz."""
    document = new_document("chapter")
    for title in ("Freeze", "Exercises", "Quiz"):
        section = nodes.section("", nodes.title("", title))
        section += [exercise_node("", nodes.paragraph("", "How deep?"))]
        section += [nodes.container("", nodes.literal_block("", f"{title} = 7"))]
        document += section
    return document


@pytest.mark.parametrize(("solutions", "shown"), [("0", False), ("", True)])
def test_of_exercises_their_statements_stay(
    monkeypatch: pytest.MonkeyPatch, chapter: nodes.document, solutions: str, shown: bool
) -> None:
    monkeypatch.setenv("FREEZECHAOS_SOLUTIONS", solutions)
    config = SimpleNamespace(hide_solutions=None)
    class_site.hide_solutions(SimpleNamespace(), config)
    assert config.hide_solutions is not shown
    class_site.keep_statements(SimpleNamespace(env=SimpleNamespace(docname=CHAPTER)), chapter)
    text = chapter.astext()
    assert text.count("How deep?") == 3
    assert ("Exercises = 7" in text) == shown
    assert "Freeze = 7" in text


def test_of_quizzes_the_questions_stay() -> None:
    two = [
        Question(f"Is {n} even?", {"yes": f"Why {n}.", "no": "Why not."}, answer="yes")
        for n in (2, 4)
    ]
    page = f"<main>{quiz(*two)._repr_html_()}<div aria-live='polite'>other</div></main>"
    body = class_site.without_answers(page).partition("</style>")[2]  # which names the classes
    assert body.count("<fieldset>") == body.count("</fieldset>") == 2
    assert body.count('type="radio"') == 4
    assert "other" in body
    for said in ("Why 2.", "Why 4.", "Why not.", "Right.", "Not quite."):
        assert said in page
        assert said not in body


@pytest.mark.parametrize("name", editions.chapters())
def test_what_is_downloaded_has_no_quiz(name: str) -> None:
    whole = editions.edition(name, "student")
    sources = [cell.source for cell in whole.cells]
    left = "\n".join(cell.source for cell in class_site.without_quiz(whole).cells)
    assert any("answer=" in source for source in sources)
    assert "answer=" not in left
    assert "## Quiz" not in left
    assert "## Take-away" in left
