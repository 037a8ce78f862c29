"""The site for a class: `make book SOLUTIONS=0` leaves out solutions and the answers of quizzes.

Of a chapter's exercises their statements stay, of its quiz the questions, and what can be downloaded
is the students' edition without a quiz. Predictions keep their answers, for a chapter goes on from
them. The repository has all of it: who looks there finds it.
"""

import os
import re
from pathlib import Path

import nbformat
from docutils import nodes
from nbformat import NotebookNode
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx_exercise.nodes import exercise_enumerable_node, exercise_node

import editions

KEPT = (nodes.title, nodes.target, exercise_node, exercise_enumerable_node)
ANSWERS = re.compile(
    r'<div aria-live="polite"><p class="fc-(?:right|wrong)">.*?</div>(?=</fieldset>)',
    re.DOTALL,
)


def wanted() -> bool:
    """Whether the site is to have no solutions."""
    return os.environ.get("FREEZECHAOS_SOLUTIONS") == "0"


def hide_solutions(app: Sphinx, config: Config) -> None:
    config.hide_solutions = wanted()


def keep_statements(app: Sphinx, doctree: nodes.document) -> None:
    """Leave out what stands between the exercises: solutions checked in code, and their results."""
    if not wanted() or app.env.docname not in editions.chapters():
        return
    for section in doctree.findall(nodes.section):
        title = section.next_node(nodes.title)
        if title is not None and title.astext() == "Exercises":
            section.children = [
                part for part in section.children if isinstance(part, KEPT)
            ]


def without_answers(page: str) -> str:
    """Return a page whose quizzes only ask."""
    return ANSWERS.sub("", page)


def without_quiz(notebook: NotebookNode) -> NotebookNode:
    """Return a notebook without its quiz, whose code has the answers."""
    kept, inside = [], False
    for cell in notebook.cells:
        if cell.cell_type == "markdown" and cell.source.startswith("## "):
            inside = cell.source.startswith("## Quiz")
        if not inside:
            kept.append(cell)
    notebook.cells = kept
    return notebook


def finish(app: Sphinx, exception: Exception | None) -> None:
    """Take the answers out of what was written; last, after slides and notebooks."""
    if exception or not wanted() or app.builder.format != "html":
        return
    folder = Path(app.outdir)
    for page in folder.rglob("*.html"):
        page.write_text(without_answers(page.read_text()))
    for chapter in editions.chapters():
        notebook = without_quiz(editions.edition(chapter, "student"))
        nbformat.write(notebook, folder / "_sources" / f"{chapter}.ipynb")


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("config-inited", hide_solutions)
    app.connect("doctree-read", keep_statements)
    app.connect("build-finished", finish, priority=990)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
