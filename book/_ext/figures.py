"""Figures of the site as SVG on no ground, once in the hues of a light page, once of a dark one.

A notebook shows a figure as SVG on white ground, which any notebook can show. Here the ground is
taken away, and a second drawing has the other hue of each colour of the palette; of the two, the
theme shows the one that its page needs, and a browser loads no other. The PNG that lies beside
the SVG in the notebook goes into the PDF, and into previews of the page.
"""

import base64
import re
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from docutils import nodes
from PIL import Image
from sphinx.application import Sphinx
from sphinx.transforms.post_transforms import SphinxPostTransform

from freezechaos.plotting import AXIS, PALETTE, SHADES, Hue

PIXELS = 16 / 11  # a point, so that type is as large as the text of a page
PAPER = Hue("#FFFFFF", "#121212")  # of the theme
HUES = (*PALETTE.values(), AXIS)
GROUND = re.compile(
    r'(<g id="patch_1">\s*<path d="[^"]*" style="fill: )#ffffff', re.IGNORECASE
)
NEEDLESS = re.compile(r"<\?xml.*?\?>|<!DOCTYPE.*?>|<metadata>.*?</metadata>", re.DOTALL)
SIZE = re.compile(r'(?<=<svg )([^>]*?)width="([\d.]+)pt" height="([\d.]+)pt"')
COLOUR = re.compile(r"#[0-9a-f]{6}\b", re.IGNORECASE)
RASTER = re.compile(r"(?<=data:image/png;base64,)[\w+/=\s]+")
EXACT = 3  # of 255: what rounding makes of a colour, and no eye sees


class Themed(NamedTuple):
    """A figure as it is on a light page and on a dark one."""

    light: str
    dark: str


def themed(figure: str) -> Themed:
    """Return an SVG of matplotlib without its ground, in both themes.

    Raises:
        ValueError: a colour that is neither of the palette nor a tint of one that is.
    """

    def sized(found: re.Match[str]) -> str:
        width, height = (PIXELS * float(found[k]) for k in (2, 3))
        return f'{found[1]}width="{width:.0f}" height="{height:.0f}"'

    light = GROUND.sub(r"\1none", NEEDLESS.sub("", figure), count=1).strip()
    light = SIZE.sub(sized, light)
    dark = COLOUR.sub(lambda found: darkened(found[0]), light)
    return Themed(light, RASTER.sub(lambda found: darkened_raster(found[0]), dark))


def darkened(colour: str) -> str:
    """Return what a colour is on a dark page: its hue there, tinted with the page as much."""
    seen = rgb(colour)
    if np.array_equal(seen, rgb("#000000")):
        return PALETTE["ink"].dark
    off, share, dark = min(
        (*placed(seen, PAPER.light, hue.light)[::-1], hue.dark) for hue in HUES
    )
    if off > EXACT:
        raise ValueError(
            f"{colour} is no colour of freezechaos.plotting.PALETTE, nor a tint of one; a figure "
            "needs hues that have a dark form. Take one from there."
        )
    mixed = (1 - share) * rgb(PAPER.dark) + share * rgb(dark)
    return "#" + "".join(f"{round(part):02x}" for part in mixed)


def darkened_raster(code: str) -> str:
    """Return a picture as it is on a dark page: a photograph stays, shades of a hue do not."""
    picture = Image.open(BytesIO(base64.b64decode(code))).convert("RGBA")
    pixels = np.array(picture)
    light, dark = (hue.split() for hue in SHADES["violet"])
    share = along(pixels[..., :3], *light)
    if share is None:
        return code
    low, high = map(rgb, dark)
    pixels[..., :3] = np.rint(low + share[..., None] * (high - low))
    made = BytesIO()
    Image.fromarray(pixels).save(made, "PNG", optimize=True)
    return base64.b64encode(made.getvalue()).decode()


def rgb(colour: str) -> np.ndarray:
    return np.array([int(colour[k : k + 2], 16) for k in (1, 3, 5)], float)


def along(colours: np.ndarray, start: str, end: str) -> Any:
    """Return how far colours lie on the way from one to another, or None where one lies off it."""
    share, off = placed(colours, start, end)
    return share if off <= EXACT else None


def placed(colours: np.ndarray, start: str, end: str) -> tuple[Any, float]:
    """Return how far colours lie on the way from one to another, and how far the worst lies off."""
    way = rgb(end) - rgb(start)
    share = np.clip((colours - rgb(start)) @ way / (way @ way), 0, 1)
    off = colours - rgb(start) - share[..., None] * way
    return share, float(np.abs(off).max())


class TwoThemes(SphinxPostTransform):
    """Put the two drawings of a figure in its place, with the same words for who cannot see it."""

    default_priority = 3  # before MyST-NB chooses one of the forms of an output
    formats = ("html",)

    def run(self, **options: Any) -> None:
        for bundle in self.document.findall(nodes.container):
            if bundle.get("nb_element") != "mime_bundle":
                continue
            forms = {form["mime_type"]: form for form in bundle.children}
            if "image/svg+xml" in forms and "image/png" in forms:
                (drawn,) = forms["image/svg+xml"].findall(nodes.image)
                (preview,) = forms["image/png"].findall(nodes.image)
                drawn.replace_self(self.drawings(drawn, preview["uri"]))

    def drawings(self, drawn: nodes.image, preview: str) -> list[nodes.image]:
        source = Path(self.env.srcdir) / drawn["uri"]
        made = []
        for theme, text in themed(source.read_text())._asdict().items():
            uri = f"{drawn['uri'].removesuffix('.svg')}-{theme}.svg"
            source.with_name(Path(uri).name).write_text(text)
            self.env.images.add_file(self.env.docname, uri)
            copy = drawn.deepcopy()
            copy.attributes |= {
                "uri": uri,
                "candidates": {"*": uri},
                "preview": preview,
            }
            copy["classes"] = [*drawn["classes"], f"only-{theme}"]
            made.append(copy)
        return made


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_post_transform(TwoThemes)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
