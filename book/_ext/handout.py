"""The chapters' figures as SVG and PNG, for other people's slides: `make figures`.

A notebook has each figure in both forms, on white ground. In each file stands whose it is and
under which licence, and a list beside them has a line to put below, and what is seen.
"""

import base64
import re
import sys
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import NamedTuple
from xml.sax.saxutils import escape

from nbformat import NotebookNode
from PIL import Image
from PIL.PngImagePlugin import PngInfo

import execution_cache

BOOK = Path(__file__).parents[1]
LICENCE = "CC BY 4.0, https://creativecommons.org/licenses/by/4.0/"
METADATA = re.compile(r"<metadata>.*?</metadata>", re.DOTALL)


class Figure(NamedTuple):
    """One of a chapter, and the words for who cannot see it."""

    svg: str
    png: bytes
    seen: str


def line(title: str) -> str:
    """Return what to put below a figure of a chapter."""
    return f'From the chapter "{title}" of Freeze & Chaos, {LICENCE}'


def figures(notebook: NotebookNode, run: NotebookNode) -> Iterator[Figure]:
    """Yield those of a chapter, given as it is written and as it was run."""
    written = [cell for cell in notebook.cells if cell.cell_type == "code"]
    done = [cell for cell in run.cells if cell.cell_type == "code"]
    for source, cell in zip(written, done, strict=True):
        seen = source.metadata.get("mystnb", {}).get("image", {}).get("alt", "")
        for output in cell.outputs:
            forms = output.get("data", {})
            if {"image/svg+xml", "image/png"} <= forms.keys():
                png = base64.b64decode(forms["image/png"])
                yield Figure(forms["image/svg+xml"], png, seen)


def signed(figure: Figure, words: str) -> Figure:
    """Return a figure whose files say whose they are."""
    said = f"<metadata>{escape(words)}</metadata>"
    svg, count = METADATA.subn(lambda _: said, figure.svg, count=1)
    if not count:
        svg = re.sub(r"<svg\b[^>]*>", lambda found: found[0] + said, svg, count=1)
    info, made = PngInfo(), BytesIO()
    info.add_itxt("Copyright", words)
    with Image.open(BytesIO(figure.png)) as image:
        image.save(made, "PNG", pnginfo=info, dpi=image.info.get("dpi"))
    return Figure(svg, made.getvalue(), figure.seen)


def hand_out(folder: Path, cache: str) -> int:
    """Write the figures of all chapters into a folder; say how many.

    Raises:
        KeyError: a chapter was not run since it was changed; `make book` runs it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for old in [*folder.glob("*.svg"), *folder.glob("*.png")]:
        old.unlink()
    text = [
        f"Figures of Freeze & Chaos, {LICENCE}\nUse them, change them, say where they come from."
    ]
    count = 0
    with execution_cache.opened(cache) as known:
        for path in sorted(BOOK.glob("[0-9]*.ipynb")):
            notebook = execution_cache.read(path)
            run = known.get_cache_bundle(known.match_cache_notebook(notebook).pk).nb
            words = line(notebook.cells[0].source.splitlines()[0].removeprefix("# "))
            text.append(words)
            for number, figure in enumerate(figures(notebook, run), start=1):
                name, made = f"{path.stem}-{number}", signed(figure, words)
                (folder / f"{name}.svg").write_text(made.svg, encoding="utf-8")
                (folder / f"{name}.png").write_bytes(made.png)
                text.append(f"  {name}\n    {made.seen}")
                count += 1
    (folder / "README.txt").write_text("\n\n".join(text) + "\n", encoding="utf-8")
    return count


if __name__ == "__main__":
    print(
        f"figures: {hand_out(Path(sys.argv[1]), execution_cache.of_these_sources())} of them"
    )
