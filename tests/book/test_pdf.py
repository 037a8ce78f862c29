"""The PDF, as far as it can be looked at without LaTeX."""

from types import SimpleNamespace

import pytest
from docutils import nodes

import pdf


@pytest.mark.parametrize(
    ("builder", "page", "left"),
    [("latex", "index", 1), ("html", "index", 2), ("latex", "other", 2)],
)
def test_sections_of_the_first_page_are_no_chapters(builder: str, page: str, left: int) -> None:
    text = nodes.paragraph("", "text")
    inner = nodes.section("", nodes.title("", "What you will learn"), text)
    document = nodes.section("", nodes.title("", "Course"), inner)
    app = SimpleNamespace(
        builder=SimpleNamespace(format=builder),
        env=SimpleNamespace(docname=page),
        config=SimpleNamespace(root_doc="index"),
    )
    pdf.unnumber_first_page(app, document)
    assert len(list(document.findall(nodes.section))) == left
    assert document.astext().split("\n\n") == ["Course", "What you will learn", "text"]
    assert len(list(document.findall(nodes.rubric))) == 2 - left
