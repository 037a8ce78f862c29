"""Slides of every chapter: its figures, its explorers with their questions, its take-away.

They are made from the built pages, whose pictures, widget states and scripts they share, and lie
beside them in `slides/`. The directive `{slide-list}` links to all of them.
"""

import json
from collections.abc import Iterator
from pathlib import Path

from bs4 import BeautifulSoup, Tag
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

import editions

VIEW = "application/vnd.jupyter.widget-view+json"
STATE = "application/vnd.jupyter.widget-state+json"
STYLE, TURNING = (Path(__file__).with_suffix(end) for end in (".css", ".js"))
KEYS = (
    '<p class="keys">Arrow keys turn the slides. On a slider they move it: there Page Up and Page '
    "Down turn, and Escape lets go of it.</p>"
)
PAGE = """<!DOCTYPE html>
<html lang="en" data-theme="light">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="description" content="Slides of the chapter {title}: figures, explorers and their questions.">
<title>{title} — slides</title>
<link rel="icon" href="../_static/favicon.svg">
<link rel="stylesheet" href="../_static/palette.css">
<link rel="stylesheet" href="../_static/predict.css">
<style>{style}</style>
<script>{turning}</script>
{scripts}
</head>
<body><main>
{slides}
</main></body>
</html>
"""


def slides(page: BeautifulSoup, name: str) -> Iterator[str]:
    """Yield the slides of a chapter's page as HTML."""
    article = page.select_one("article.bd-article")
    assert article, name
    title = heading(article)
    yield slide(
        "title", title, f'<p><a href="../{name}.html">The chapter</a></p>{KEYS}', 1
    )
    shown = anywidgets(page)
    for cell in article.select("div.cell"):
        figures = [
            part
            for output in cell.select(".cell_output")
            for part in output.select(f'img, script[type="{VIEW}"]')
            if part.name == "img" or json.loads(part.get_text())["model_id"] in shown
        ]
        if not figures:
            continue
        section = cell.find_parent("section")
        topic = heading(section) if section else title
        before = cell.find_previous_sibling()
        if before and "predict" in (before.get("class") or []):
            yield slide("question", topic, before.decode_contents())
        elif before and before.name == "p":
            figures = [before, *figures]
        yield slide("figure", topic, "".join(map(str, figures)))
    ending = article.select_one("section#take-away")
    if ending and (points := ending.select_one("ul")):
        yield slide("take-away", "Take-away", str(points))


def heading(section: Tag) -> str:
    """Return the HTML of a section's heading, without the link to itself."""
    found = section.select_one("h1, h2, h3")
    assert found, section
    copied = BeautifulSoup(found.decode_contents(), "html.parser")
    for link in copied.select("a.headerlink"):
        link.decompose()
    return copied.decode_contents()


def anywidgets(page: BeautifulSoup) -> set[str]:
    """Return the widgets that move without a kernel."""
    states = [
        json.loads(script.get_text())["state"]
        for script in page.select(f'script[type="{STATE}"]')
    ]
    return {
        model
        for state in states
        for model, entry in state.items()
        if entry["model_module"] == "anywidget"
    }


def slide(kind: str, head: str, body: str, level: int = 2) -> str:
    return f'<section class="{kind}"><h{level}>{head}</h{level}>\n{body}\n</section>'


def scripts(page: BeautifulSoup) -> Iterator[str]:
    """Yield what draws formulas and explorers, and asks for predictions."""
    for script in page.select("script"):
        source = str(script.get("src", ""))
        if (
            "mathjax" in source
            or "widget_host" in source
            or "predict" in source
            or script.get("type") == STATE
            or script.get_text().startswith("window.MathJax")
        ):
            yield str(script)


def write(app: Sphinx, exception: Exception | None) -> None:
    if exception is not None or app.builder.format != "html":
        return
    folder = Path(app.outdir) / "slides"
    folder.mkdir(exist_ok=True)
    for name in editions.chapters():
        text = (Path(app.outdir) / f"{name}.html").read_text()
        page = BeautifulSoup(text, "html.parser")
        made = PAGE.format(
            style=STYLE.read_text(),
            turning=TURNING.read_text(),
            title=editions.book().titles[name],
            scripts="\n".join(scripts(page)),
            slides="\n".join(slides(page, name)),
        )
        (folder / f"{name}.html").write_text(relocated(made, name))


def relocated(text: str, name: str) -> str:
    """Return a page's HTML with its addresses as they are from one folder further down."""
    page = BeautifulSoup(text, "html.parser")
    for key in ("src", "href"):
        for tag in page.select(f"[{key}]"):
            address = str(tag[key])
            if address.startswith("#"):
                tag[key] = f"../{name}.html{address}"
            elif ":" not in address and not address.startswith("../"):
                tag[key] = f"../{address}"
    return str(page)


class SlideList(SphinxDirective):
    def run(self) -> list[nodes.Node]:
        items = "".join(
            f'<li><a href="slides/{name}.html">{editions.book().titles[name]}</a></li>'
            for name in editions.chapters()
        )
        return [nodes.raw("", f"<ol>{items}</ol>", format="html")]


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_directive("slide-list", SlideList)
    app.connect("build-finished", write, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
