"""The API page: one section a module, written from the docstrings.

The directive `{package-reference}` takes the names of modules of `freezechaos`, one a line.
Docstrings are plain text for people at a terminal, so characters that reStructuredText would
read as markup (|rho|, a * b, a_k) are escaped, and `names` in backquotes are code.
"""

import re
from typing import Any

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

CODE = re.compile(r"(``?.+?``?)")
KIND = r"~?(?:jaxtyping\.)?"
NUMPY = r"~?(?:numpy\.)?"
WORDS = (  # in turn
    (r"~?(jax\.)?jaxlib\._jax\.", ""),
    (
        rf"({KIND}\w+)\[Array, ('[^']*')\] \| \1\[{NUMPY}ndarray, \2\]"
        rf"(?: \| {NUMPY}number)?(?: \| int)?(?: \| float)?",
        r"\1[ArrayLike, \2]",
    ),
    (
        rf"float \| {NUMPY}integer \| {NUMPY}floating \| {KIND}Real\[ArrayLike, ''\]",
        "Number",
    ),
    (rf"int \| {NUMPY}integer \| {KIND}Int\[ArrayLike, ''\]", "Integer"),
    (rf"{KIND}Real\[ArrayLike, '\.\.\.'\]", "Numbers"),
    (rf"{KIND}Int\[ArrayLike, '\.\.\.'\]", "Integers"),
)


class PackageReference(SphinxDirective):
    has_content = True

    def run(self) -> list[nodes.Node]:
        sections: list[nodes.Node] = []
        for name in filter(None, map(str.strip, self.content)):
            section = nodes.section(ids=[f"freezechaos-{name.replace('.', '-')}"])
            section += nodes.title(text=name)
            self.state.document.note_implicit_target(section, section)
            module = f".. automodule:: freezechaos.{name}"
            lines = ["```{eval-rst}", module, "   :members:", "```"]
            self.state.nested_parse(StringList(lines, name), 0, section)
            sections.append(section)
        return sections


def escape_prose(
    app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]
) -> None:
    """Escape markup in a docstring, but not in its code: doctests and words in backquotes."""
    doctest = False
    for i, line in enumerate(lines):
        doctest = line.lstrip().startswith(">>>") or (doctest and bool(line.strip()))
        if not doctest:
            parts = CODE.split(line)
            parts[::2] = [
                re.sub(r"([|*])|_(?!\w)", r"\\\g<0>", part) for part in parts[::2]
            ]
            lines[i] = "".join(parts)


def short_arrays(
    app: Sphinx,
    what: str,
    name: str,
    obj: Any,
    options: Any,
    signature: str,
    returns: str,
) -> tuple[str, str]:
    """Write arrays and numbers as the source does: `Float[Array, "n d"]`, `Number`."""
    return shortened(signature), shortened(returns)


def shortened(text: str) -> str:
    """An annotation as Python has it, in the words of the source and of `freezechaos.types`."""
    for pattern, words in WORDS:
        text = text and re.sub(pattern, words, text)
    return text


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_directive("package-reference", PackageReference)
    app.connect("autodoc-process-docstring", escape_prose, priority=100)
    app.connect("autodoc-process-signature", short_arrays)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
