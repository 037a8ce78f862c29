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
        self.own = self._own(resources["nbgrader"]) if Path(self.students).is_dir() else {}
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
        return {name: cell for cell in cells if (name := _name(cell))}

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
        for cell in notebook.cells:
            if "nbgrader" in cell.metadata and not _name(cell):  # a copy, or of another set
                del cell.metadata["nbgrader"]
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


def _name(cell: NotebookNode) -> str | None:
    name: str | None = cell.metadata.get("nbgrader", {}).get("grade_id")
    return name
