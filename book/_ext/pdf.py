"""The PDF counts the chapters as the site does: the sections of the first page are none."""

from docutils import nodes
from sphinx.application import Sphinx


def unnumber_first_page(app: Sphinx, doctree: nodes.document) -> None:
    """Make headings of sections, which LaTeX would take for chapters 1, 2, ..."""
    if app.builder.format != "latex" or app.env.docname != app.config.root_doc:
        return
    for page in doctree.findall(nodes.section):
        for section in [
            child for child in page.children if isinstance(child, nodes.section)
        ]:
            title, *rest = section.children
            section.replace_self([nodes.rubric("", "", *title.children), *rest])


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("doctree-read", unnumber_first_page)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
