"""Figures for other people's slides: every chapter's, in two forms, with their licence in them."""

from pathlib import Path
from xml.etree import ElementTree

import pytest
from nbformat import v4
from PIL import Image

import handout

PNG = (  # a pixel
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9Q"
    "DwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
SVG = '<svg xmlns="http://www.w3.org/2000/svg"{}>{}<g/></svg>'


@pytest.mark.parametrize("inside", ["", "<metadata><x/></metadata>"])
def test_a_figure_says_whose_it_is(tmp_path: Path, inside: str) -> None:
    cell = v4.new_code_cell("f()", metadata={"mystnb": {"image": {"alt": "A dot."}}})
    written = v4.new_notebook(cells=[v4.new_markdown_cell("# A < B"), cell])
    forms = {"image/svg+xml": SVG.format(' width="1"', inside), "image/png": PNG}
    table = v4.new_output("display_data", data={"text/plain": "1"})
    drawn = v4.new_output("display_data", data=forms)
    done = v4.new_notebook(cells=[v4.new_code_cell("f()", outputs=[table, drawn])])
    (found,) = handout.figures(written, done)
    assert found.seen == "A dot."
    words = handout.line("A < B")
    made = handout.signed(found, words)
    root = ElementTree.fromstring(made.svg)
    assert [part.text for part in root if part.tag.endswith("metadata")] == [words]
    assert root.get("width") == "1"
    (tmp_path / "a.png").write_bytes(made.png)
    with Image.open(tmp_path / "a.png") as image:
        assert image.size == (1, 1)
        assert image.info["Copyright"] == words
    assert "CC BY 4.0" in words
