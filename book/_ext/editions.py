"""Editions of the chapters as notebooks in plain Markdown, for JupyterLab, Colab and a class.

The sources hold MyST directives and roles, which only the book can read. An edition says the same
in Markdown that every notebook shows, with the numbers that the site has. Solutions are folded
away ("plain", what a reader downloads), in place ("solutions") or left out ("student").

    python book/_ext/editions.py solutions _build/solutions

`make lab` opens the plain edition: `python book/_ext/editions.py lab _build/lab`. There a chapter
that its reader has changed is left alone.
"""

import ast
import json
import re
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

import nbformat
import yaml
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from pybtex.database import Entry, parse_file

BOOK = Path(__file__).parents[1]
IMPORTS = (ast.Import, ast.ImportFrom)
FORMAT = 4
HIDDEN = {
    "jupyter": {"source_hidden": True},
    "cellView": "form",
}  # the second is Colab's
EDITIONS = ("plain", "solutions", "student")
DIRECTIVE = re.compile(
    r"^(?P<fence>:{3,}|`{3,})\{(?P<name>[\w:-]+)\} ?(?P<title>[^\n]*)\n"
    r"(?P<options>(?::[\w-]+:[^\n]*\n)*)"
    r"(?P<body>.*?)^(?P=fence)$\n?",
    re.MULTILINE | re.DOTALL,
)
ROLE = re.compile(r"\{(?P<name>[\w:]+)\}`(?P<target>[^`]+)`")
TITLED = re.compile(r"(?P<words>.+\S)\s*<(?P<place>[\w-]+)>", re.DOTALL)
PLACE = re.compile(r"^\((?P<label>[\w-]+)\)=\n+", re.MULTILINE)
EQUATION = re.compile(r"\$\$(?P<math>[^$]+)\$\$ ?\((?P<label>[\w-]+)\)")
DISPLAY = re.compile(r"\$\$[^$]+\$\$")
LATEX_BRACES = re.compile(r"[{}]")
LABEL = re.compile(r"^:label: *(\S+)", re.MULTILINE)


class Target(NamedTuple):
    """What a label names: "Exercise 3.2", "(3.1)"; a place in the text has no name."""

    name: str
    chapter: str


@dataclass(frozen=True)
class Book:
    """What one chapter needs to know of all others.

    Arguments:
        titles: of chapters and pages, by name.
        targets: what labels name; numbers count by chapter, as on the site.
        references: of the bibliography, by key.
    """

    titles: dict[str, str]
    targets: dict[str, Target]
    references: dict[str, Entry]


def chapters() -> list[str]:
    """The names of the notebooks with exercises, in the order of the book."""
    toc = yaml.safe_load((BOOK / "_toc.yml").read_text())
    names = [entry["file"] for part in toc["parts"] for entry in part["chapters"]]
    return [name for name in names if re.match(r"\d\d_", name)]


@cache
def book() -> Book:
    """Read titles, labels and references of all chapters."""
    titles = {path.stem: title(path.read_text()) for path in BOOK.glob("*.md")}
    targets: dict[str, Target] = {}
    for number, chapter in enumerate(chapters(), 1):
        count: Counter[str] = Counter()
        text = prose(nbformat.read(BOOK / f"{chapter}.ipynb", FORMAT))
        titles[chapter] = title(text)
        for found in DIRECTIVE.finditer(text):
            label, kind = LABEL.search(found["options"]), kind_of(found["name"])
            if label and kind:
                count[kind] += 1
                targets[label[1]] = Target(f"{kind} {number}.{count[kind]}", chapter)
        for found in EQUATION.finditer(text):
            count["("] += 1
            targets[found["label"]] = Target(f"({number}.{count['(']})", chapter)
        for found in PLACE.finditer(text):
            targets[found["label"]] = Target("", chapter)
    references = dict(parse_file(str(BOOK / "references.bib")).entries)
    return Book(titles, targets, references)


def title(text: str) -> str:
    heading = re.search(r"^# (.+)$", text, re.MULTILINE)
    return heading[1] if heading else ""


def prose(notebook: NotebookNode) -> str:
    cells = [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]
    return "\n\n".join(cells) + "\n"


def kind_of(directive: str) -> str:
    """Return what a directive is called where it is numbered, else nothing."""
    domain, _, name = directive.rpartition(":")
    return name.capitalize() if domain == "prf" or directive == "exercise" else ""


def edition(chapter: str, kind: str, install: str = "") -> NotebookNode:
    """Return a chapter as a notebook in plain Markdown, without outputs.

    Arguments:
        chapter: its name, such as "03_freeze_and_chaos".
        kind: of `EDITIONS`.
        install: what pip installs the package from, where it is not there; nothing: no such cell.

    Raises:
        ValueError: an unknown kind.
    """
    if kind not in EDITIONS:
        raise ValueError(f"`kind` must be one of {', '.join(EDITIONS)}; got {kind!r}.")
    source = nbformat.read(BOOK / f"{chapter}.ipynb", FORMAT)
    cells = without_solutions(source.cells) if kind == "student" else source.cells
    cells = [*(installed(install) if install else []), *deepcopy(list(cells))]
    cited: dict[str, None] = {}
    for cell in cells:
        if cell.cell_type == "markdown":
            cell.source = plain(cell.source, kind, chapter, cited)
        else:
            cell.outputs, cell.execution_count = [], None
            if "remove-input" in cell.metadata.get("tags", ()):
                cell.metadata |= HIDDEN
    if cited:
        cells.append(new_markdown_cell(reference_list(cited)))
    for number, cell in enumerate(cells):
        cell["id"] = f"{chapter[:2]}-{number:03d}"
    made = new_notebook(cells=cells, metadata=deepcopy(source.metadata))
    nbformat.validate(made)
    return made


def installed(install: str) -> Iterator[NotebookNode]:
    """Yield a cell that installs the package where it is missing, as on Colab."""
    yield new_markdown_cell(
        "*On Colab? Run the next cell first: it installs the package of this course.*"
    )
    yield new_code_cell(
        "from importlib.util import find_spec\n\n"
        'if not find_spec("freezechaos"):\n'
        f'    %pip install --quiet "{install}"'
    )


def without_solutions(cells: Sequence[NotebookNode]) -> Iterator[NotebookNode]:
    """Yield the cells with room for an answer after every exercise.

    From the exercises to the quiz a chapter checks its solutions and the numbers of its text: of
    that, what later cells import is kept.
    """
    start = next(i for i, cell in enumerate(cells) if "{exercise}" in cell.source)
    end = next(i for i, cell in enumerate(cells) if cell.source.startswith("## Quiz"))
    yield from cells[:start]
    yield from exercises(cells[start].source)
    code = "\n".join(c.source for c in cells[start:end] if c.cell_type == "code")
    imports = [node for node in ast.parse(code).body if isinstance(node, IMPORTS)]
    yield new_code_cell("\n".join(map(ast.unparse, imports)))
    yield from cells[end:]


def exercises(source: str) -> Iterator[NotebookNode]:
    """Yield each exercise of a cell, and an empty cell for its answer."""
    start = 0
    for found in DIRECTIVE.finditer(source):
        if found["name"] == "exercise":
            yield new_markdown_cell(source[start : found.end()].strip())
            name = book().targets[LABEL.findall(found["options"])[0]].name
            yield new_code_cell(f"# {name}: your work")
        start = found.end()


def plain(text: str, kind: str, chapter: str, cited: dict[str, None]) -> str:
    """Return MyST as plain Markdown; the keys of what it cites go into `cited`."""

    def numbered(found: re.Match[str]) -> str:
        tag = book().targets[found["label"]].name.strip("()")
        return f"$${found['math'].rstrip()} \\tag{{{tag}}}$$"

    text = EQUATION.sub(numbered, PLACE.sub("", text))
    text = DIRECTIVE.sub(lambda found: boxed(found, kind), f"{text}\n").strip()
    return ROLE.sub(lambda found: linked(found, chapter, cited), text)


def boxed(found: re.Match[str], kind: str) -> str:
    """Return a directive as a quotation, or folded away."""
    name, head, body = found["name"], found["title"].strip(), found["body"].strip()
    if name == "dropdown":
        return folded(head, body)
    if name == "solution":
        head = f"Solution to {book().targets[head].name.lower()}"
        return folded(head, body) if kind == "plain" else quoted(f"**{head}.** {body}")
    if name == "admonition":
        inside = DIRECTIVE.sub(lambda inner: boxed(inner, kind), f"{body}\n")
        return quoted(f"**{head}**\n\n{inside}".strip())
    label, kind_name = LABEL.search(found["options"]), kind_of(name)
    if not kind_name:
        raise ValueError(
            f"no plain form of the directive {name!r}; add one to {__name__}.boxed."
        )
    head = f" ({head})" if head else ""
    number = book().targets[label[1]].name if label else kind_name
    return quoted(f"**{number}{head}.** {body}")


def quoted(text: str) -> str:
    """Return a quotation; formulas on one line, for notebooks read `>` inside as greater than."""
    text = DISPLAY.sub(lambda found: " ".join(found[0].split()), text)
    return "\n".join(f"> {line}".rstrip() for line in text.splitlines()) + "\n"


def folded(head: str, body: str) -> str:
    return f"<details>\n<summary>{head}</summary>\n\n{body}\n\n</details>\n"


def linked(found: re.Match[str], chapter: str, cited: dict[str, None]) -> str:
    """Return a role as text, with a link where it leads to another chapter."""
    name, words, target = found["name"], "", found["target"]
    if titled := TITLED.fullmatch(target):
        words, target = titled["words"], titled["place"]
    if name in ("cite", "cite:t"):
        keys = [key.strip() for key in target.split(",")]
        cited.update(dict.fromkeys(keys))
        labels = [author_year(book().references[key], name == "cite:t") for key in keys]
        return ", ".join(labels) if name == "cite:t" else f"({'; '.join(labels)})"
    if name == "doc":
        page = words or book().titles[target]
        return f"[{page}]({target}.ipynb)" if target in chapters() else f"*{page}*"
    if name in ("ref", "eq", "prf:ref"):
        there = book().targets[target]
        said = words or there.name
        if not said:
            raise ValueError(
                f"{target!r} has no name; write {{ref}}`words <{target}>`."
            )
        return said if there.chapter == chapter else f"[{said}]({there.chapter}.ipynb)"
    raise ValueError(
        f"no plain form of the role {name!r}; add one to {__name__}.linked."
    )


def author_year(entry: Entry, in_text: bool) -> str:
    names = [
        LATEX_BRACES.sub("", " ".join(p.last_names)) for p in entry.persons["author"]
    ]
    authors = {1: names[0], 2: " and ".join(names[:2])}.get(
        len(names), f"{names[0]} et al."
    )
    year = entry.fields["year"]
    return f"{authors} ({year})" if in_text else f"{authors}, {year}"


def reference_list(keys: dict[str, None]) -> str:
    """Return the works cited as a list, each with its address where it has one."""
    lines = ["## References", ""]
    for entry in sorted(
        (book().references[key] for key in keys), key=lambda e: str(e.key)
    ):
        people = [LATEX_BRACES.sub("", str(p)) for p in entry.persons["author"]]
        names = "; ".join(people[:6]) + (" and others" if len(people) > 6 else "")
        work = LATEX_BRACES.sub("", entry.fields["title"])
        address = entry.fields.get("url")
        work = f"[{work}]({address})" if address else f"*{work}*"
        lines.append(f"- {names} ({entry.fields['year']}). {work}.")
    return "\n".join(lines)


def write(kind: str, folder: Path, install: str = "") -> None:
    """Write all chapters of an edition into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for chapter in chapters():
        nbformat.write(edition(chapter, kind, install), folder / f"{chapter}.ipynb")


def write_lab(folder: Path) -> None:
    """Write the plain edition where readers work in it; say which chapters are theirs by now."""
    folder.mkdir(parents=True, exist_ok=True)
    for chapter in chapters():
        made, file = edition(chapter, "plain"), folder / f"{chapter}.ipynb"
        made.metadata["written"] = fingerprint(made)
        if file.exists():
            there = nbformat.read(file, FORMAT)
            if there.metadata.get("written") == made.metadata["written"]:
                continue
            if there.metadata.get("written") != fingerprint(there):
                print(
                    f"lab: {file} has your changes and is kept; delete it for a new one"
                )
                continue
        nbformat.write(made, file)


def fingerprint(notebook: NotebookNode) -> str:
    """Return what changes as soon as a cell is edited, and not when it is run."""
    sources = [[cell.cell_type, cell.source] for cell in notebook.cells]
    return sha256(json.dumps(sources).encode()).hexdigest()


if __name__ == "__main__":
    if len(sys.argv) not in (3, 4) or sys.argv[1] not in (*EDITIONS, "lab"):
        raise SystemExit(
            f"usage: editions.py {'|'.join(EDITIONS)}|lab FOLDER [PACKAGE TO INSTALL]"
        )
    if sys.argv[1] == "lab":
        write_lab(Path(sys.argv[2]))
    else:
        write(sys.argv[1], Path(sys.argv[2]), *sys.argv[3:])
