"""Put back the graded cells that a notebook lost, wherever and however many they were.

nbgrader finds the place of one by the cell before it, which may be gone too, and stumbles over the
marks of cells that are there twice or come from elsewhere.
"""

from typing import Any

from nbformat import NotebookNode
from nbgrader.preprocessors import OverwriteCells


class Restore(OverwriteCells):  # type: ignore[misc] # nbgrader has no types
    """nbgrader's `OverwriteCells`, which is set up by the same options."""

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
                cell = self.missing_cell_transform(source, most[name], is_solution=name in answers)
                notebook.cells.insert(max(places, default=-1) + 1, cell)
            earlier.add(name)
        return notebook, resources


def _name(cell: NotebookNode) -> str | None:
    name: str | None = cell.metadata.get("nbgrader", {}).get("grade_id")
    return name
