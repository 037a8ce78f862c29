"""Put back the graded cells that a notebook lost, wherever and however many they were.

nbgrader finds the place of one by the cell before it, which may be gone too, and stumbles over the
marks of cells that are there twice or come from elsewhere. Where students have numbers of their
own, what is put back is each student's own.
"""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import nbformat
from nbformat import NotebookNode
from nbgrader.api import Gradebook
from nbgrader.preprocessors import OverwriteCells
from traitlets import Unicode

import roster


class Restore(OverwriteCells):  # type: ignore[misc] # nbgrader has no types
    """nbgrader's `OverwriteCells`, which is set up by the same options."""

    students = Unicode(help="Folder of the students' own notebooks, if there is one.").tag(
        config=True
    )

    def preprocess(
        self, notebook: NotebookNode, resources: dict[str, Any]
    ) -> tuple[NotebookNode, dict[str, Any]]:
        """Return the notebook with its locked cells as they were handed out, and hidden tests.

        Raises:
            LookupError: students have numbers of their own, but this one is not among them.
        """
        about = resources["nbgrader"]
        self.own = self._own(about) if Path(self.students).is_dir() else {}
        with Gradebook(about["db_url"]) as gradebook:
            known = gradebook.find_notebook(about["notebook"], about["assignment"])
            _mark_again(notebook.cells, known)
        return super().preprocess(notebook, resources)

    def _own(self, marks: dict[str, str]) -> dict[str, NotebookNode]:
        student, name = roster.composed(marks["student"]), marks["notebook"]
        file = Path(self.students, student, marks["assignment"], f"{name}.ipynb")
        if not file.exists():
            raise LookupError(
                f"{student!r} is not on the roster, so nobody knows which numbers are right. "
                "Rename the folder in submitted/, or add the student: "
                "make assignments SEED=... ROSTER=..."
            )
        cells = nbformat.read(file, as_version=4).cells
        return {found: cell for cell in cells if (found := _name(cell))}

    def preprocess_cell(
        self, cell: NotebookNode, resources: dict[str, Any], index: int
    ) -> tuple[NotebookNode, dict[str, Any]]:
        """Return the cell with the mark and, if it is locked, the text that it had."""
        cell, resources = super().preprocess_cell(cell, resources, index)
        if own := self.own.get(_name(cell) or ""):
            cell.metadata.nbgrader["checksum"] = own.metadata.nbgrader["checksum"]
            if own.metadata.nbgrader["locked"]:
                cell.source = own.source
        return cell, resources

    def add_missing_grade_cells(
        self, notebook: NotebookNode, resources: dict[str, Any]
    ) -> tuple[NotebookNode, dict[str, Any]]:
        """Return the notebook with every graded cell, each behind all that came before it."""
        known = self.gradebook.find_notebook(self.notebook_id, self.assignment_id)
        sources = {cell.name: cell for cell in known.source_cells}
        most = {cell.name: cell.max_score for cell in known.grade_cells}
        answers = {cell.name for cell in known.solution_cells}
        earlier: set[str | None] = set()
        for name, source in sources.items():
            if name in most and name not in map(_name, notebook.cells):
                self.log.warning("Graded cell %s was missing and is put back", name)
                places = [i for i, cell in enumerate(notebook.cells) if _name(cell) in earlier]
                source = _own_source(self.own[name]) if self.own else source
                cell = self.missing_cell_transform(source, most[name], is_solution=name in answers)
                notebook.cells.insert(max(places, default=-1) + 1, cell)
            earlier.add(name)
        return notebook, resources


def _own_source(cell: NotebookNode) -> SimpleNamespace:
    """What nbgrader's gradebook says of a cell, said of a student's own."""
    mark = cell.metadata.nbgrader
    return SimpleNamespace(
        name=mark["grade_id"],
        cell_type=cell.cell_type,
        locked=mark["locked"],
        checksum=mark["checksum"],
        source=cell.source,
    )


def _mark_again(cells: list[NotebookNode], known: Any) -> None:
    """Give cells the marks that they had: of two with one name the last; other marks go."""
    sources = {cell.name: cell for cell in known.source_cells}
    points = {cell.name: cell.max_score for cell in known.grade_cells}
    answers = {cell.name for cell in known.solution_cells}
    for cell in reversed(cells):
        source = sources.pop(_name(cell), None)
        if source is None:
            cell.metadata.pop("nbgrader", None)
            continue
        graded = {"points": points[source.name]} if source.name in points else {}
        cell.metadata["nbgrader"] = NotebookNode(
            grade_id=source.name,
            schema_version=3,
            cell_type=source.cell_type,
            locked=source.locked,
            checksum=source.checksum,
            grade=bool(graded),
            solution=source.name in answers,
            task=False,
            **graded,
        )


def _name(cell: NotebookNode) -> str | None:
    mark = cell.metadata.get("nbgrader")
    name = mark.get("grade_id") if isinstance(mark, dict) else None
    return name if isinstance(name, str) else None
