"""Editions of the chapters in plain Markdown: whole, numbered as the site, with nothing of MyST."""

import builtins
import re
import symtable
from pathlib import Path
from types import SimpleNamespace

import nbformat
import pytest
import yaml
from docutils import nodes
from docutils.utils import new_document
from nbformat import NotebookNode
from PIL import Image

import editions
import publishing

ROOT = Path(__file__).parents[2]

CHAPTERS = editions.chapters()
every = pytest.mark.parametrize("chapter", CHAPTERS)
of_each_kind = pytest.mark.parametrize("kind", editions.EDITIONS)


def markdown(notebook: NotebookNode) -> str:
    return editions.prose(notebook)


def code(notebook: NotebookNode) -> str:
    return "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "code")


def test_all_chapters_have_editions() -> None:
    assert sorted(path.stem for path in (ROOT / "book").glob("[0-9]*.ipynb")) == sorted(CHAPTERS)


@of_each_kind
@every
def test_nothing_of_myst_is_left(chapter: str, kind: str) -> None:
    notebook = editions.edition(chapter, kind)
    text = markdown(notebook)
    assert not re.search(r"^ *> *(:{3,}|`{3,}\{)|^ *(:{3,}|`{3,}\{)", text, re.MULTILINE)
    assert not re.search(r"\{[\w:]+\}`", text)
    assert not re.search(r"\$\$ ?\([\w-]+\)", text)
    assert text.count("<details>") == text.count("</details>")
    assert "## Take-away" in text
    assert "## References" in text


@every
def test_quotations_keep_formulas_on_one_line(chapter: str) -> None:
    for line in markdown(editions.edition(chapter, "plain")).splitlines():
        if line.startswith(">"):
            assert line.count("$$") % 2 == 0, line


@every
def test_code_is_that_of_the_chapter(chapter: str) -> None:
    source = nbformat.read(ROOT / "book" / f"{chapter}.ipynb", 4)
    for kind in ("plain", "solutions"):
        assert code(editions.edition(chapter, kind)) == code(source)


@every
@of_each_kind
def test_quizzes_hide_their_source(chapter: str, kind: str) -> None:
    cells = editions.edition(chapter, kind).cells
    quizzes = [c for c in cells if c.cell_type == "code" and c.source.startswith("quiz(")]
    assert len(quizzes) >= 3
    assert all(cell.metadata["jupyter"]["source_hidden"] for cell in quizzes)


@every
def test_solutions_are_folded_in_place_or_gone(chapter: str) -> None:
    source = nbformat.read(ROOT / "book" / f"{chapter}.ipynb", 4)
    texts = {kind: markdown(editions.edition(chapter, kind)) for kind in editions.EDITIONS}
    solutions = [
        m for m in editions.DIRECTIVE.finditer(markdown(source)) if m["name"] == "solution"
    ]
    assert len(solutions) >= 3
    assert texts["plain"].count("<summary>Solution to exercise") == len(solutions)
    assert texts["solutions"].count("> **Solution to exercise") == len(solutions)
    for solution in solutions:
        words = max(re.findall(r"[A-Za-z ,]{20,}", solution["body"]), key=len).strip()
        assert words in texts["plain"]
        assert words in texts["solutions"]
        assert words not in texts["student"]


@every
def test_students_have_room_and_all_names(chapter: str) -> None:
    notebook = editions.edition(chapter, "student")
    rooms = re.findall(r"^# Exercise \d+\.\d+: your work$", code(notebook), re.MULTILINE)
    assert len(rooms) == markdown(notebook).count("> **Exercise ")
    assert "## Quiz" in markdown(notebook)
    table = symtable.symtable(code(notebook), chapter, "exec")
    known = set(dir(builtins))
    missing = {
        symbol.get_name()
        for symbol in table.get_symbols()
        if symbol.is_referenced()
        and not (symbol.is_assigned() or symbol.is_imported() or symbol.is_namespace())
    }
    assert not missing - known


def test_what_is_published_installs_its_package_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PUBLISH_REPOSITORY", "someone/course")
    monkeypatch.setenv("PUBLISH_COMMIT", "0123abc")
    notebook = editions.edition(CHAPTERS[0], "plain", publishing.package())
    first = next(cell for cell in notebook.cells if cell.cell_type == "code")
    address = "git+https://github.com/someone/course@0123abc"
    assert f'%pip install --quiet "freeze-and-chaos[explorers] @ {address}"' in first.source
    assert publishing.site() == "https://someone.github.io/course/"
    monkeypatch.setenv("PUBLISH_REPOSITORY", "Someone/someone.github.io")
    assert publishing.site() == "https://someone.github.io/"


def test_the_branch_that_is_launched(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PUBLISH_REPOSITORY", "someone/course")
    monkeypatch.setenv("PUBLISH_COMMIT", "0123abc")
    publishing.write_branch(tmp_path)
    assert {path.stem for path in tmp_path.glob("*.ipynb")} == set(CHAPTERS)
    environment = yaml.safe_load((tmp_path / "environment.yml").read_text())
    *locked, package = environment["dependencies"][-1]["pip"]
    assert package == publishing.package()
    assert all("==" in version for version in locked)
    assert "https://someone.github.io/course/" in (tmp_path / "README.md").read_text()
    monkeypatch.delenv("PUBLISH_REPOSITORY")
    with pytest.raises(ValueError, match="`PUBLISH_REPOSITORY` must name the repository"):
        publishing.write_branch(tmp_path)


def test_a_site_without_an_address_is_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PUBLISH_REPOSITORY", raising=False)
    assert publishing.site() == publishing.package() == ""
    assert "%pip" not in code(editions.edition(CHAPTERS[0], "plain", publishing.package()))
    monkeypatch.setenv("PUBLISH_REPOSITORY", "no slash")
    with pytest.raises(ValueError, match="must be owner/name; got 'no slash'"):
        publishing.site()


def test_unknown_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="one of plain, solutions, student; got 'teacher'"):
        editions.edition(CHAPTERS[0], "teacher")


def test_a_page_is_previewed_by_its_first_figure_that_is_no_strip_of_thumbnails(
    tmp_path: Path,
) -> None:
    sizes = {"strip.png": (1124, 266), "plot.png": (1116, 836)}
    page = new_document("chapter")
    page += nodes.image(uri="_images/drawing.svg", alt="what has no figure shows")
    for name, size in sizes.items():
        page += nodes.image(uri=f"_images/{name}.svg", preview=name, alt=f"what {name} shows")
        Image.new("RGB", size).save(tmp_path / name)
    builder = SimpleNamespace(imagedir="_images", images={})
    context = {"meta": None}
    env = SimpleNamespace(images={name: (set(), name) for name in sizes})
    app = SimpleNamespace(srcdir=tmp_path, builder=builder, env=env)
    publishing.describe(app, "chapter", "page.html", context, page)
    assert builder.images == {"plot.png": "plot.png"}  # it is copied, too
    assert context["meta"]["og:image"] == "_images/plot.png"
    assert context["meta"]["og:image:alt"] == "what plot.png shows"


def test_a_reference_may_have_words_of_its_own() -> None:
    """To a place in the text, which has no number; the mark of the place is not shown."""
    here, other = "03_freeze_and_chaos", "04_trainability_and_generalization"
    place = "(somewhere)=\n\nSee {ref}`the staircase <right-angle>`."
    assert editions.plain(place, "plain", here, {}) == "See the staircase."
    assert editions.plain(place, "plain", other, {}) == f"See [the staircase]({here}.ipynb)."
    exercise = "{ref}`this <ex-two-eigenvalues>`, {ref}`ex-two-eigenvalues`"
    assert editions.plain(exercise, "plain", other, {}) == "this, Exercise 4.1"
    with pytest.raises(ValueError, match="has no name; write"):
        editions.plain("{ref}`right-angle`", "plain", here, {})
