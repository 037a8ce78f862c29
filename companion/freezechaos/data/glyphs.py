"""Letters drawn from known latents: which, in which style, where, how large, how slanted, how bold.

The outlines are those of the fonts that Matplotlib brings along. Each letter is turned once into
the distance from its outline, on a grid; a picture looks that up where its points lie.
"""

from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float32
from numpy.typing import ArrayLike
from PIL import Image, ImageDraw, ImageFont
from scipy.ndimage import distance_transform_edt

from . import drawing

LETTERS = tuple("ABCDEFGHIJ")
STYLES = (
    *("DejaVuSans", "DejaVuSans-Bold", "DejaVuSansMono", "DejaVuSansMono-Bold", "DejaVuSerif"),
    *("STIXGeneral", "STIXGeneralBol", "cmr10", "cmb10", "cmss10", "cmtt10"),
)
_LARGE = 1024  # pixels of a letter's own square, [-1, 1]^2, of which the letter is half as tall
_GRID = 256  # as many as distances are known at
_WHITE, _BLACK = np.ones((1, 1), np.float32), np.zeros((1, 1), np.float32)
_RANGES = {  # so that the largest and most slanted letter is still inside the picture
    "x": (-0.1, 0.1),
    "y": (-0.1, 0.1),
    "scale": (0.95, 1.25),
    "shear": (-0.2, 0.2),
    "stroke": (0, 0.04),
    "shade": (0.5, 1),
    "hue": (0, 1),
    "ground": (0, 1),
}
_BOUNDS: tuple[drawing.Bound, ...] = (
    ("letter", lambda v: np.isin(v, range(len(LETTERS))), "0 to 9", "0 is A, 9 is J."),
    ("style", lambda v: np.isin(v, range(len(STYLES))), "0 to 10", "It is a font of `STYLES`."),
    ("scale", lambda v: np.greater(v, 0), "above 0", "The picture's height is 2; try 1.2."),
    ("stroke", lambda v: np.abs(v) <= 0.2, "in [-0.2, 0.2]", "It moves the outline; try 0.02."),
    ("shade", lambda v: np.abs(v) <= 1, "in [-1, 1]", "-1 is black, 1 is white."),
)


class Glyphs(NamedTuple):
    """What letters are drawn from: arrays of one length, or numbers that hold for all.

    Arguments:
        letter: 0 for A to 9 for J.
        style: the font, as in `glyphs.STYLES`, 0 to 10.
        x, y: the centre, rightward and upward; the picture is the square [-1, 1]^2.
        scale: the letter's height, above 0; the picture's is 2.
        shear: by what share of its height the letter leans to the right.
        stroke: by what share of its height its outline is moved outwards.
        shade: brightness in [-1, 1]; the ground of grey pictures is -1.
        hue, ground: colours of the letter and of its dark ground, in coloured pictures only: 0 is
            red, 1/3 green, 2/3 blue, 1 red again.
    """

    letter: ArrayLike = 0
    style: ArrayLike = 0
    x: ArrayLike = 0.0
    y: ArrayLike = 0.0
    scale: ArrayLike = 1.1
    shear: ArrayLike = 0.0
    stroke: ArrayLike = 0.0
    shade: ArrayLike = 1.0
    hue: ArrayLike = 0.0
    ground: ArrayLike = 0.5


def sample(count: int, seed: tuple[int, ...]) -> Glyphs:
    """Independent latents, the letters in turn; a larger count adds to the same ones.

    Uniform: style among all, x and y in [-0.1, 0.1], scale in [0.95, 1.25], shear in [-0.2, 0.2],
    stroke in [0, 0.04], shade in [0.5, 1], hue and ground in [0, 1).
    """
    letter = np.arange(count, dtype=np.int32) % len(LETTERS)
    style, *shares = np.random.default_rng(seed).random((count, 1 + len(_RANGES))).T
    pairs = zip(shares, _RANGES.values(), strict=True)
    values = ((low + (high - low) * share).astype(np.float32) for share, (low, high) in pairs)
    return Glyphs(letter, (style * len(STYLES)).astype(np.int32), *values)


def draw(
    latents: Glyphs, size: int = 32, channels: int = 1
) -> Float32[np.ndarray, "n size size channels"]:
    """Pictures of the latents, in [-1, 1].

    Coverage is by the distance to the outline, as `drawing.coverage` says. Where a letter leans,
    that distance is measured before it does, as with a pen that leans too.

    Arguments:
        latents: what to draw; `latents._replace(style=0)` sets all in one font.
        size: side of the pictures in pixels, 8 or more.
        channels: 1 for grey on black, 3 for colour.

    Raises:
        ValueError: an argument out of range or not finite.
        OSError: Matplotlib's fonts are not there.

    >>> leaning = draw(Glyphs(letter=7, shear=np.linspace(-0.2, 0.2, 5)), size=32, channels=3)
    >>> leaning.shape
    (5, 32, 32, 3)
    """
    drawing.check(latents, size, _BOUNDS)
    line = drawing.line(size)
    images = np.empty((max(map(np.size, latents)), size, size, channels), np.float32)
    for some, (letter, style, *pose, shade, hue, ground) in drawing.portions(latents):
        which = len(LETTERS) * style.astype(int) + letter.astype(int)
        covered = drawing.coverage(_distance(which, *pose, line=line), size)[..., None]
        tint, dark = (_colour(hue), _colour(ground) / 2) if channels == 3 else (_WHITE, _BLACK)
        paper, ink = dark[:, None, None], (tint * (shade[:, None] + 1))[:, None, None]
        images[some] = paper + covered * (ink - paper) - 1
    return images


def _colour(hue: np.ndarray) -> np.ndarray:
    """Red, green and blue of a hue, [n, 3], the largest 1."""
    away = hue[:, None] - np.array([0, 1, 2], np.float32) / 3
    away = np.abs(away - np.rint(away))  # of a turn, from red, green and blue
    return np.clip(2 - 6 * away, 0.4, 1)


def _distance(
    which: np.ndarray,
    x: np.ndarray,
    y: np.ndarray,
    scale: np.ndarray,
    shear: np.ndarray,
    stroke: np.ndarray,
    *,
    line: np.ndarray,
) -> np.ndarray:
    """From each point to the outline, [n, points, points], below 0 inside: between grid points."""
    up = (-line - y[:, None]) / scale[:, None]
    right = ((line - x[:, None]) / scale[:, None])[:, None] - (shear[:, None] * up)[:, :, None]
    row, below = _places(-up)
    column, beside = _places(right)
    start = (which[:, None] * _GRID + row)[:, :, None] * _GRID + column
    fields, below = _fields(), below[:, :, None]
    left, far = (
        fields[at] + below * (fields[at + _GRID] - fields[at]) for at in (start, start + 1)
    )
    return (left + beside * (far - left) - stroke[:, None, None]) * scale[:, None, None]


def _places(where: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The grid point before each place, and the share of the way to the next; none is outside."""
    at = np.clip((where + 1) * np.float32(_GRID / 2) - np.float32(0.5), 0, _GRID - 1.001)
    before = at.astype(np.int32)
    return before, at - before


@cache
def _fields() -> np.ndarray:
    """Distances from the outline of every letter in every style, one after the other, flat."""
    files = [str(_folder() / f"{style}.ttf") for style in STYLES]
    fields = [_field(file, letter) for file in files for letter in LETTERS]
    return np.concatenate(fields, axis=None)


def _field(file: str, letter: str) -> np.ndarray:
    _, top, _, bottom = ImageFont.truetype(file, _LARGE).getbbox(letter)
    font = ImageFont.truetype(file, _LARGE * (_LARGE / 2) / (bottom - top))
    (left, top, right, bottom), picture = font.getbbox(letter), Image.new("L", (_LARGE, _LARGE))
    corner = (_LARGE - left - right) / 2, (_LARGE - top - bottom) / 2
    ImageDraw.Draw(picture).text(corner, letter, 255, font)
    inside = np.asarray(picture.reduce(_LARGE // _GRID)) > 127
    outwards, inwards = distance_transform_edt(~inside), distance_transform_edt(inside)
    distance = (
        outwards - inwards + inside - 0.5
    )  # both count from a pixel, the outline lies between
    return (distance * 2 / _GRID).astype(np.float32)


def _folder() -> Path:
    """Matplotlib's fonts. Its spec says where it lies; importing it would cost far more."""
    spec = find_spec("matplotlib")
    for place in (spec and spec.submodule_search_locations) or ():
        if (folder := Path(place, "mpl-data", "fonts", "ttf")).is_dir():
            return folder
    raise OSError(
        "`glyphs` must find the fonts of Matplotlib, in mpl-data/fonts/ttf of its package; there "
        'are none. Install Matplotlib again, or use data.load("shapes").'
    )
