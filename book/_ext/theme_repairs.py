"""Repair the theme's pages: scripts that come twice, markup, punctuation behind formulas, folds."""

import re
from html import escape
from pathlib import Path
from typing import Any

from docutils import nodes
from myst_nb.sphinx_ import HideCodeCellNode
from sphinx.application import Sphinx
from sphinx.transforms.post_transforms import SphinxPostTransform

MARKUP = {
    # 1.5 MB that draw icons which the stylesheet has too.
    r'<script defer src="[^"]*/fontawesome\.js[^"]*"></script>\n?': "",
    # Of a figure's two forms, the one that the theme hides is not loaded.
    r'<img(?=[^>]* class="[^"]*only-(?:light|dark))': '<img loading="lazy"',
    # The list of references is no ARIA list: its entries are not list items.
    r' role="list"(?= class="citation-list")': "",
    r' role="doc-biblioentry"': "",
    # The title beside the logo lies in no landmark.
    r'<div id="pst-primary-sidebar"': r'\g<0> role="region" aria-label="Course"',
    # A label that hides what the button says: "Search Ctrl+K", "Light".
    r'(?<=search-button-field)([^>]*) aria-label="Search"': r"\1",
    r'(<summary) aria-label="Toggle hidden content"': r"\1",
    r'(<i class="theme-switch[^>]*) title="[^"]*"': r"\1",
    # A comma or a full stop behind a formula would begin a line.
    r'(<span class="math notranslate nohighlight">[^<]*</span>[,.;:!?)]+)': (
        r'<span class="fc-tied">\1</span>'
    ),
}


class OneFold(SphinxPostTransform):
    """Put the cells of a section with the tag `checks`, and what stands between, into one fold."""

    default_priority = 198  # before MyST-NB folds each
    formats = ("html",)

    def run(self, **options: Any) -> None:
        for section in self.document.findall(nodes.section):
            checks = [
                part for part in section if "tag_checks" in part.get("classes", ())
            ]
            if not checks:
                continue
            for cell in checks:
                del cell["hide_mode"]
            start, end = section.index(checks[0]), section.index(checks[-1]) + 1
            prompts = {
                f"prompt_{do}": f"{do.title()} the checks" for do in ("show", "hide")
            }
            inside = section[start:end]
            fold = HideCodeCellNode("", *inside, classes=["above-input"], **prompts)
            section[start:end] = [nodes.container("", fold, classes=["cell"])]


def drop_scripts(
    app: Sphinx,
    page: str,
    template: str,
    context: dict[str, Any],
    doctree: nodes.document | None,
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
    context["css_files"] = [
        css for css in context["css_files"] if "thebe" not in css.filename
    ]
    if doctree is None:
        kind = {"genindex": "Index", "search": "Search"}[page]
        description = escape(f"{kind} of the course {app.config.project}")
        context["metatags"] = f'<meta name="description" content="{description}" />'


def repair_markup(app: Sphinx, exception: Exception | None) -> None:
    for page in Path(app.outdir).glob("*.html") if exception is None else ():
        text = page.read_text()
        for broken, repaired in MARKUP.items():
            text = re.sub(broken, repaired, text)
        page.write_text(text)


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_post_transform(OneFold)
    app.connect("html-page-context", drop_scripts, priority=900)
    app.connect("build-finished", repair_markup)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
