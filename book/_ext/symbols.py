"""Symbols lead to the page of notation where they first appear.

`book/notation.md` says in its last column in which chapter a symbol gets its meaning. There its
first appearance, alone in a formula of the text, becomes a link to its line, with what it is beside
it, as a word of the glossary has (glossary_words.py).
"""

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms.post_transforms import SphinxPostTransform

import editions
from glossary_words import Word, plain, sentence

PAGE = "notation"
ROW = re.compile(
    r"^\| (?P<symbols>.+?) \|.*?\| (?P<meaning>[^|]+) \| (?P<chapter>\d+)–? \|$", re.M
)
UNSAID = re.compile(r"[\\{}]")  # of a formula's TeX, by who reads it aloud
FORMULA = re.compile(r"\$([^$]+)\$")


@cache
def lines() -> list[tuple[list[str], str, int]]:
    """Return of every line of the table the symbols in TeX, what they are, and their chapter."""
    text = (editions.BOOK / f"{PAGE}.md").read_text()
    return [
        (list(symbols(row["symbols"])), row["meaning"], int(row["chapter"]))
        for row in ROW.finditer(text)
    ]


def symbols(cell: str) -> Iterator[str]:
    """Yield the symbols of a cell: of "$a = b, c$", a and c.

    None where a word in brackets says which of several meanings this is: the text says so itself.
    """
    if cell.endswith(")"):
        return
    for formula in FORMULA.findall(cell):
        for part in formula.split(", "):
            yield part.partition(" = ")[0].strip()


class FirstAppearances(SphinxPostTransform):
    """Give the lines of the table names, and link to them where their symbols first appear."""

    default_priority = 501  # after the words of the glossary
    formats = ("html",)

    def run(self, **options: Any) -> None:
        page = self.env.docname
        if page == PAGE:
            (body,) = self.document.findall(nodes.tbody)
            for number, row in enumerate(body.findall(nodes.row)):
                row["ids"].append(f"symbol-{number}")
        elif page in editions.chapters():
            self.link(editions.chapters().index(page) + 1)

    def link(self, chapter: int) -> None:
        left = {
            symbol: (f"symbol-{number}", meaning)
            for number, (some, meaning, start) in enumerate(lines())
            for symbol in some
            if start == chapter
        }
        seen: set[str] = set()
        for formula in list(self.document.findall(nodes.math)):
            target, meaning = left.get(formula.astext().strip(), ("", ""))
            if target and target not in seen and sentence(formula):
                seen.add(target)
                said = UNSAID.sub("", formula.astext())
                told = plain(meaning.strip())
                word = Word("", page=PAGE, target=target, label=said, definition=told)
                formula.replace_self(word)
                word += formula


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_post_transform(FirstAppearances)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
