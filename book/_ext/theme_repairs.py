"""Repair the theme's pages: scripts that come twice, and what axe-core finds in its markup."""

from typing import Any

from docutils import nodes
from sphinx.application import Sphinx


def drop_scripts(
    app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: nodes.document | None
) -> None:
    """Leave out thebe, which runs code on a server elsewhere, and inline scripts set twice."""
    seen: set[str] = set()
    kept = []
    for script in context["script_files"]:
        body = getattr(script, "attributes", {}).get("body", "")
        if "thebe" in f"{script.filename}{body}".lower() or body in seen:
            continue
        seen |= {body} - {""}
        kept.append(script)
    context["script_files"] = kept
    context["css_files"] = [css for css in context["css_files"] if "thebe" not in css.filename]


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("html-page-context", drop_scripts, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
