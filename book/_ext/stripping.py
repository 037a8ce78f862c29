"""Take out of the chapters what running them leaves, as they lie in git: `make strip`.

A cell with the tag `nbval-check-output` keeps its output, which `nbval` compares.
"""

from pathlib import Path

import nbformat
from nbformat import NotebookNode

BOOK = Path(__file__).parents[1]


def stripped(notebook: NotebookNode) -> NotebookNode:
    """Return a notebook without outputs that are not checked, times, and states of widgets."""
    for cell in notebook.cells:
        for name in ("execution", "collapsed", "scrolled"):
            cell.metadata.pop(name, None)
        if cell.cell_type == "code" and "nbval-check-output" not in cell.metadata.get(
            "tags", ()
        ):
            cell.outputs, cell.execution_count = [], None
    notebook.metadata.pop("widgets", None)
    notebook.metadata["language_info"] = {"name": "python"}
    return notebook


if __name__ == "__main__":
    for path in sorted(BOOK.glob("[0-9]*.ipynb")):
        nbformat.write(stripped(nbformat.read(path, as_version=4)), path)
    print(f"strip: {BOOK}/*.ipynb")
