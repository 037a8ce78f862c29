"""Slides of every chapter: definitions, theorems, proof ideas, equations, figures, explorers.

They are made from the built pages, whose pictures, widget states and scripts they share, and lie
beside them in `slides/`. What the chapter says between two of them becomes the notes of the first.
The directive `{slide-list}` links to all of them.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
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
    "Down turn, and Escape lets go of it. <kbd>s</kbd> opens the speaker's notes in a window of "
    "their own, <kbd>n</kbd> shows them here. On a question, type the votes beside the options.</p>"
)
ARGUMENT = re.compile(r"(Why|Proof|Sketch|Derivation)\b")
SENTENCE = re.compile(r"(?<=[.?!])\s+(?=[A-Z<\\])")
LEAD, CROWDED = (
    240,
    700,
)  # characters: of what leads to a figure, and of a slide of equations
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


@dataclass
class Slide:
    """A slide: its kind is the class that the style sheet knows."""

    kind: str
    head: str
    body: list[str]
    notes: list[str] = field(default_factory=list)

    def html(self) -> str:
        level = 1 if self.kind == "title" else 2
        body = "".join(self.body)
        if self.kind in ("statement", "idea", "equation", "source", "table"):
            body = f'<div class="said">{body}</div>'
        notes = "".join(self.notes)
        aside = f'<aside class="notes" hidden>{notes}</aside>' if notes else ""
        return (
            f'<section class="{self.kind}"><h{level}>{self.head}</h{level}>\n{body}\n{aside}'
            "</section>"
        )


def slides(page: BeautifulSoup, name: str) -> list[Slide]:
    """Return the slides of a chapter's page."""
    article = page.select_one("article.bd-article")
    assert article, name
    for link in article.select("a.headerlink"):
        link.decompose()
    shown = anywidgets(page)
    made = [
        Slide(
            "title",
            heading(article),
            [f'<p><a href="../{name}.html">The chapter</a></p>', KEYS],
        )
    ]
    waiting: list[Tag] = []  # paragraphs that may lead to what comes next
    for block in blocks(article):
        kind = kind_of(block, shown)
        if kind == "text":
            waiting.append(block)
            continue
        add(made, kind, block, waiting, shown)
        waiting = []
    made[-1].notes += map(str, waiting)
    if (ending := article.select_one("section#take-away")) and (
        points := ending.select_one("ul")
    ):
        made.append(Slide("take-away", "Take-away", [str(points)]))
    return made


def blocks(article: Tag) -> Iterator[Tag]:
    """Yield what stands in the sections of a chapter; of the last ones, cells and boxes."""
    for section in article.select("section[id]"):
        if section.find_parent("div", class_="admonition") or section.find_parent(
            "details"
        ):
            continue
        if section["id"] == "proof-content":
            continue
        brief = section["id"] in ("exercises", "quiz", "take-away")
        for block in section.find_all(True, recursive=False):
            apart = is_cell(block) or "admonition" in block.get_attribute_list("class")
            if block.name not in ("section", "h1", "h2", "h3") and (apart or not brief):
                yield block


def is_cell(block: Tag) -> bool:
    return "cell" in block.get_attribute_list("class")


def kind_of(block: Tag, shown: set[str]) -> str:
    """Return the kind of slide that a block makes: "text" waits, "none" makes none."""
    classes = block.get_attribute_list("class")
    if is_cell(block):
        return "figure" if figures(block, shown) else "none"
    for kind, sign in (
        ("statement", "proof"),
        ("question", "predict"),
        ("equation", "math"),
    ):
        if sign in classes:
            return kind
    if block.name == "table" or block.select_one("table"):
        return "table"
    if "admonition" in classes:
        return "none" if {"exercise", "solution"} & set(classes) else "box"
    if block.name == "details":
        return "proof"
    if block.name == "p" and (word := block.find()) and ARGUMENT.match(word.get_text()):
        return "idea" if block.get_text().startswith(word.get_text()) else "text"
    return "text" if block.name in ("p", "ul", "ol") else "none"


def add(
    made: list[Slide], kind: str, block: Tag, waiting: list[Tag], shown: set[str]
) -> None:
    """Add a block to the slides: one more of them, or more on the last one."""
    last, topic = made[-1], topic_of(block)
    if kind == "none":
        last.notes += map(str, waiting)
    elif kind == "proof":
        last.notes += [*map(str, waiting), untitled(block)]
    elif kind == "box":
        last.notes += map(str, waiting)
        if made[1:]:
            made.append(Slide("source", title_of(block), [untitled(block)]))
        else:  # the box at the head of the chapter
            last.notes.append(untitled(block))
    elif kind == "statement":
        last.notes += map(str, waiting)
        made.append(Slide(kind, title_of(block), [untitled(block)]))
    elif kind == "idea" and last.kind == "statement" and goes_on(last, block, waiting):
        last.body += [*map(str, waiting), str(block)]
    elif kind == "idea":
        last.notes += map(str, waiting)
        made.append(Slide(kind, topic, [str(block)]))
    elif kind == "question":
        last.notes += map(str, waiting)
        made.append(Slide(kind, topic, [block.decode_contents()]))
    elif kind == "equation" and goes_on(last, block, waiting):
        last.body += [*map(str, waiting), str(block)]
    else:
        asked = kind == "figure" and last.kind == "question" and not waiting
        lead = waiting.pop() if waiting and not asked else None
        last.notes += map(str, waiting)
        body = figures(block, shown) if kind == "figure" else [str(block)]
        made.append(Slide(kind, topic, [*([short(lead)] if lead else []), *body]))
        if lead and short(lead) != str(lead):
            made[-1].notes.append(str(lead))


def goes_on(last: Slide, block: Tag, waiting: list[Tag]) -> bool:
    """Whether a slide of mathematics goes on: little stands between, and there is room for both."""
    argued = last.kind == "statement" and (len(last.body) > 1 or block.name == "p")
    if not (argued or last.kind in ("equation", "idea")) or len(waiting) > 1:
        return False
    text = "".join([*last.body, *map(str, waiting)])
    written = len(BeautifulSoup(text, "html.parser").get_text())
    return written + len(block.get_text()) < CROWDED


def short(lead: Tag) -> str:
    """Return a paragraph, or the last sentences of a long one, where no tag is cut in two."""
    if len(lead.get_text()) <= LEAD or lead.name != "p":
        return str(lead)
    sentences = SENTENCE.split(lead.decode_contents())
    kept = sentences.pop()
    while sentences and (not whole(kept) or len(sentences[-1]) + len(kept) < LEAD):
        kept = f"{sentences.pop()} {kept}"
    return f"<p>{kept}</p>"


def whole(text: str) -> bool:
    tags = re.findall(r"<(/?)\w", text)
    return tags.count("") == tags.count("/")


def figures(cell: Tag, shown: set[str]) -> list[str]:
    """Return the pictures and live widgets that a cell puts out."""
    return [
        str(part)
        for output in cell.select(".cell_output")
        for part in output.select(f'img, script[type="{VIEW}"]')
        if part.name == "img" or json.loads(part.get_text())["model_id"] in shown
    ]


def topic_of(block: Tag) -> str:
    section = block.find_parent("section")
    assert section
    return heading(section)


def title_of(block: Tag) -> str:
    """Return the title of an admonition: "Theorem 3.1 (Freeze [JGGH])"."""
    title = block.select_one(".admonition-title")
    assert title, block
    return title.decode_contents()


def untitled(block: Tag) -> str:
    """Return the HTML of an admonition without its title and what folds."""
    copied = BeautifulSoup(block.decode_contents(), "html.parser")
    for part in copied.select(".admonition-title, summary, details"):
        part.decompose()
    for section in copied.select("section"):  # a slide is the only section of its own
        section.unwrap()
    return str(copied)


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
            slides="\n".join(slide.html() for slide in slides(page, name)),
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
