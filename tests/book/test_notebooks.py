"""Every chapter has the form that the course asks of it; `make book` runs it, asserts and all."""

import ast
import re
from itertools import pairwise
from pathlib import Path

import nbformat
import pytest
from nbformat import NotebookNode

import stripping

ROOT = Path(__file__).parents[2]
CHAPTERS = sorted((ROOT / "book").glob("[0-9]*.ipynb"))
LONGEST_CELL = 15
FORBIDDEN = {
    r"sys\.path": "the package is installed",
    r"random\.seed\(": "keys are explicit",
    r"^\s*[%!]": "plain Python runs everywhere",
    r"jax\.config": "no global switches",
    r"rcParams": "the style is freezechaos.plotting's",
}

chapters = pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)


def read(path: Path) -> NotebookNode:
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    return notebook


def code_cells(path: Path) -> list[NotebookNode]:
    cells = [cell for cell in read(path).cells if cell.cell_type == "code"]
    assert cells
    return cells


def prose(path: Path) -> str:
    return "\n\n".join(cell.source for cell in read(path).cells if cell.cell_type == "markdown")


@chapters
def test_kernel_is_python3(path: Path) -> None:
    assert read(path).metadata.kernelspec.name == "python3"


@chapters
def test_outputs_are_those_that_are_checked(path: Path) -> None:
    """Short lines that nbval compares, where `nbval-check-output` asks for it; no others."""
    for cell in code_cells(path):
        if "nbval-check-output" in cell.metadata.get("tags", ()):
            assert cell.execution_count  # else nbval takes it for one that was never run
            (output,) = cell.outputs
            assert output.name == "stdout"
            assert len(output.text.splitlines()) <= 12
        else:
            assert cell.execution_count is None
            assert not cell.outputs


@chapters
def test_stripping_takes_what_a_run_leaves_and_nothing_else(path: Path) -> None:
    notebook = read(path)
    assert stripping.stripped(read(path)) == notebook
    ran = read(path)
    for count, cell in enumerate(ran.cells, start=1):
        if cell.cell_type == "code" and not cell.outputs:
            cell.execution_count = count
            cell.outputs = [nbformat.v4.new_output("stream", text="1")]
            cell.metadata["execution"] = {"iopub.execute_input": "2027-01-01T00:00:00Z"}
    ran.metadata["widgets"] = {}
    ran.metadata["language_info"]["version"] = "3.11.7"
    assert stripping.stripped(ran) == notebook


@chapters
def test_cells_are_short(path: Path) -> None:
    for cell in code_cells(path):
        assert 0 < len(cell.source.splitlines()) <= LONGEST_CELL, cell.source


@chapters
def test_prose_stands_before_and_after_code(path: Path) -> None:
    kinds = [cell.cell_type for cell in read(path).cells]
    assert kinds[0] == kinds[-1] == "markdown"
    assert ("code", "code") not in set(pairwise(kinds))


@chapters
def test_chapter_asserts_what_it_claims(path: Path) -> None:
    trees = [ast.parse(cell.source) for cell in code_cells(path)]
    asserts = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Assert)]
    assert len(asserts) >= 3


@chapters
@pytest.mark.parametrize("pattern", FORBIDDEN)
def test_nothing_that_belongs_elsewhere(path: Path, pattern: str) -> None:
    for cell in code_cells(path):
        assert not re.search(pattern, cell.source, re.MULTILINE), FORBIDDEN[pattern]


@chapters
def test_reader_predicts_and_practises(path: Path) -> None:
    text = prose(path)
    assert ":class: predict" in text
    exercises = set(re.findall(r"{exercise}.*\n:label: (\S+)", text))
    solutions = set(re.findall(r"{solution} (\S+)", text))
    assert 3 <= len(exercises) <= 5
    assert solutions == exercises
