"""What the boxes at the head of the chapters say, put together for teachers.

The directive `{course-map}` shows a table of the chapters with their minutes and what each builds
on, and a drawing of the same; `{course-objectives}` lists what a reader is able to do after each.
A chapter's box is the one home of all of it.
"""

import re
from dataclasses import dataclass
from html import escape

import nbformat
from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

import editions

BOX = re.compile(r":{3}\{admonition\} Before you start\n(.*?)\n:{3}", re.DOTALL)
POINT = re.compile(r"^- \*\*(?P<head>[^*]+)\*\*:? (?P<text>.+)$", re.MULTILINE)
MINUTES = re.compile(r"(\d+) minutes(?:, (\d+) without the proofs)?")
ROW, LEFT, WIDTH = 30, 120, 440


@dataclass(frozen=True)
class Chapter:
    """What the box of a chapter says.

    Attributes:
        name: of the notebook.
        title: its heading.
        objective: what a reader will be able to do.
        minutes: to read and run it.
        brief: minutes without the proofs.
        needs: names of the chapters that it builds on.
        skip: who can leave it out.
    """

    name: str
    title: str
    objective: str
    minutes: int
    brief: int
    needs: tuple[str, ...]
    skip: str


def read(name: str) -> Chapter:
    """Return what the box of a chapter says.

    Raises:
        ValueError: no box, or one that says less.
    """
    text = editions.prose(
        nbformat.read(editions.BOOK / f"{name}.ipynb", editions.FORMAT)
    )
    box = BOX.search(text)
    points = {
        point["head"]: point["text"] for point in POINT.finditer(box[1] if box else "")
    }
    time = MINUTES.search(points.get("Time", ""))
    if not time:
        raise ValueError(
            f"{name}: its box must say the time: '60 minutes, 30 without the proofs'"
        )
    whole, brief = int(time[1]), int(time[2] or time[1])
    needs = tuple(re.findall(r"\{doc\}`(\w+)`", points["You need"]))
    return Chapter(
        name,
        editions.title(text),
        points["You will be able to"],
        whole,
        brief,
        needs,
        points["Skip it if"],
    )


def table(chapters: list[Chapter]) -> list[str]:
    """Return the lines of a table: chapter, minutes, what it builds on."""
    numbers = {chapter.name: str(int(chapter.name[:2])) for chapter in chapters}
    lines = [
        "| no. | chapter | minutes | without proofs | builds on |",
        "|--:|---|--:|--:|---|",
    ]
    lines += [
        f"| {numbers[c.name]} | {{doc}}`{c.name}` | {c.minutes} | {c.brief} "
        f"| {', '.join(numbers[need] for need in c.needs) or '–'} |"
        for c in chapters
    ]
    whole, brief = sum(c.minutes for c in chapters), sum(c.brief for c in chapters)
    return [*lines, f"| | **all** | **{whole}** | **{brief}** | |"]


def drawing(chapters: list[Chapter]) -> str:
    """Return an SVG: the chapters below one another, an arc from each to those that need it."""
    place = {chapter.name: ROW * (i + 0.5) for i, chapter in enumerate(chapters)}
    arcs, titles = [], []
    for chapter in chapters:
        y = place[chapter.name]
        for need in chapter.needs:
            start = place[need]
            reach = LEFT - 12 - 0.28 * (y - start) - 8
            arcs.append(
                f'<path d="M{LEFT - 12} {start:.0f} C{reach:.0f} {start:.0f} '
                f'{reach:.0f} {y:.0f} {LEFT - 12} {y:.0f}"/>'
            )
        titles.append(
            f'<circle cx="{LEFT - 8}" cy="{y:.0f}" r="4"/>'
            f'<text x="{LEFT + 6}" y="{y + 5:.0f}">'
            f"{int(chapter.name[:2])} {escape(chapter.title)}</text>"
        )
    alt = (
        "The chapters from first to last, with an arc from each to those that build on it: "
        "the table above says the same."
    )
    return (
        f'<svg class="fc-course-map" role="img" viewBox="0 0 {WIDTH} {ROW * len(chapters)}">'
        f"<title>{alt}</title>{''.join(arcs)}{''.join(titles)}</svg>"
    )


class CourseMap(SphinxDirective):
    def run(self) -> list[nodes.Node]:
        chapters = [read(name) for name in editions.chapters()]
        for chapter in chapters:
            self.env.note_dependency(f"{chapter.name}.ipynb")
        found = nodes.container()
        self.state.nested_parse(StringList(table(chapters), "course-map"), 0, found)
        return [*found.children, nodes.raw("", drawing(chapters), format="html")]


class CourseObjectives(SphinxDirective):
    def run(self) -> list[nodes.Node]:
        lines = []
        for name in editions.chapters():
            chapter = read(name)
            self.env.note_dependency(f"{name}.ipynb")
            lines += [
                f"{{doc}}`{name}`",
                f": {chapter.objective}",
                "",
                f"  *Can be skipped by those who* {chapter.skip.removeprefix('you ')}",
                "",
            ]
        found = nodes.container()
        self.state.nested_parse(StringList(lines, "course-objectives"), 0, found)
        return found.children


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_directive("course-map", CourseMap)
    app.add_directive("course-objectives", CourseObjectives)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
