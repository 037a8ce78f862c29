"""Words of the glossary explain themselves where a chapter first says them.

The first time that a chapter says a word of `book/glossary.md`, in a sentence and not in a heading,
a link or a formula, it becomes a link to the glossary, with the definition beside it, hidden. So in
the chapter that the glossary names, and after it: what comes before may mean something else by it.
`book/_static/glossary.js` shows it: on hover, on focus and on touch, until Escape. Without a script
the link leads to the same words.
"""

import re
from functools import cache
from html import escape
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.writers.html5 import HTML5Translator

import editions

PAGE = "glossary"
BLOCK = re.compile(r"```\{glossary\}\n(.*?)^```", re.DOTALL | re.MULTILINE)
ENTRY = re.compile(r"^(\S.*)\n((?: {2}.*\n)+)", re.MULTILINE)
CHAPTER = re.compile(r"\{doc\}`(\w+)`")
POINTER = re.compile(r" See \{doc\}[^.]*\.")
INLINE = re.compile(r"\$(?P<math>[^$]+)\$|\*(?P<emphasis>[^*]+)\*|`(?P<code>[^`]+)`")


class Word(nodes.inline):  # type: ignore[misc]
    """A word with its definition: attributes `page`, `target` and `definition`.

    And `label`, where what stands in it is no text but a formula.
    """


def definitions(chapter: str) -> dict[str, str]:
    """Return the definitions of the words that a chapter may say, as HTML without links."""
    return {
        word: plain(text) for word, text in entries().items() if since(text) <= chapter
    }


@cache
def entries() -> dict[str, str]:
    """Return the definitions by their words, as they stand in the glossary."""
    block = BLOCK.search((editions.BOOK / f"{PAGE}.md").read_text())
    assert block, "the glossary has no entries"
    return {word: text.strip() for word, text in ENTRY.findall(block[1])}


def since(definition: str) -> str:
    """Return the chapter that a definition names first, or nothing, which comes before all."""
    named = CHAPTER.search(definition)
    return named[1] if named else ""


def plain(definition: str) -> str:
    """Return what a word is as HTML: formulas and emphasis stay, roles are read out."""

    def said(found: re.Match[str]) -> str:
        name, target = found["name"], found["target"]
        if name == "doc":
            return editions.book().titles[target]
        if name == "cite":
            return (
                f"({editions.author_year(editions.book().references[target], False)})"
            )
        return target.partition(" <")[0]

    def marked(found: re.Match[str]) -> str:
        if found["math"]:
            return f'<span class="math notranslate nohighlight">\\({found["math"]}\\)</span>'
        if found["code"]:
            return f"<code>{found['code']}</code>"
        return f"<em>{found['emphasis']}</em>"

    text = editions.ROLE.sub(said, POINTER.sub("", f" {definition}"))
    return INLINE.sub(marked, escape(text.strip(), quote=False))


def pattern(words: list[str]) -> re.Pattern[str]:
    """Return what finds any of the words, also in the plural or with a capital; longest first."""
    spelled = (
        f"[{word[0].upper()}{word[0]}]{re.escape(word[1:])}s?"
        for word in sorted(words, key=len, reverse=True)
    )
    return re.compile(rf"(?<![\w-])(?:{'|'.join(spelled)})(?![\w-])")


def sentence(node: nodes.Node) -> bool:
    """Whether a node stands in a text where a link may be: an option of a prediction is a button."""
    if not isinstance(node.parent, nodes.paragraph):
        return False
    around = node.parent.parent
    box = around.parent.parent if isinstance(around, nodes.list_item) else around
    return "predict" not in box.get("classes", ()) or box is around


class FirstMentions(SphinxPostTransform):
    """Put a `Word` where a chapter first says a word of the glossary."""

    default_priority = 500
    formats = ("html",)

    def run(self, **options: Any) -> None:
        if self.env.docname not in editions.chapters():
            return
        left = definitions(self.env.docname)
        for text in list(self.document.findall(nodes.Text)):
            parts = list(self.parts(text, left)) if sentence(text) else []
            if len(parts) > 1:
                text.parent.replace(text, parts)

    def parts(self, text: nodes.Text, left: dict[str, str]) -> Any:
        """Yield the text in parts; words that were found are no longer `left`."""
        rest = str(text)
        while left and (found := pattern(list(left)).search(rest)):
            entry = self.entry(found[0], left)
            target = self.env.domains["std"].objects["term", entry][1]
            yield nodes.Text(rest[: found.start()])
            yield Word(
                "", found[0], page=PAGE, target=target, definition=left.pop(entry)
            )
            rest = rest[found.end() :]
        yield nodes.Text(rest)

    @staticmethod
    def entry(said: str, left: dict[str, str]) -> str:
        return max((word for word in left if pattern([word]).fullmatch(said)), key=len)


def visit(self: HTML5Translator, node: Word) -> None:
    name = f"explained-{node['target']}"
    label = f' aria-label="{escape(node["label"])}"' if "label" in node else ""
    self.body.append(
        f'<a class="fc-word" href="{node["page"]}.html#{node["target"]}"{label} '
        f'aria-describedby="{name}">'
    )


def depart(self: HTML5Translator, node: Word) -> None:
    name = f"explained-{node['target']}"
    self.body.append(
        f'</a><span class="fc-explained" role="tooltip" id="{name}" hidden>'
        f"{node['definition']}</span>"
    )


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_node(Word, html=(visit, depart))
    app.add_post_transform(FirstMentions)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
