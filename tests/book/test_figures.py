"""Figures in two themes, without a site."""

import base64
import io
import re

import matplotlib.pyplot as plt
import numpy as np
import pytest
from PIL import Image

import figures
from freezechaos import plotting
from freezechaos.plotting import PALETTE, SHADES


def drawn(*values: np.ndarray, **options: object) -> str:
    with plotting.style():
        fig, axes = plt.subplots(1, len(values) + 1)
        axes = np.atleast_1d(axes)
        axes[0].errorbar([0, 1], [0, 1], 0.1, fmt="o", mfc="white", color=plotting.CHAOS)
        axes[0].plot([0, 1], "k--")
        for ax, picture in zip(axes[1:], values, strict=True):
            plotting.picture(ax, picture, **options)
        stream = io.StringIO()
        fig.savefig(stream, format="svg")
        plt.close(fig)
    return stream.getvalue()


def rasters(figure: str) -> list[np.ndarray]:
    codes = figures.RASTER.findall(figure)
    return [np.asarray(Image.open(io.BytesIO(base64.b64decode(c))).convert("RGB")) for c in codes]


def test_the_ground_goes_and_hues_change() -> None:
    light, dark = figures.themed(drawn())
    for hue, figure in zip(PALETTE["chaos"], (light, dark), strict=True):
        assert hue.lower() in figure.lower()
    assert PALETTE["chaos"].light.lower() not in dark.lower()
    assert "#000000" not in dark
    assert light.count("#ffffff") == drawn().count("#ffffff") - 1  # faces of dots stay
    assert "#ffffff" not in dark
    assert dark.lower().count(figures.PAPER.dark) == light.count("#ffffff")
    shape = re.compile(r' d="[^"]*"')
    assert shape.findall(light) == shape.findall(dark)


def test_type_is_as_large_as_the_text_of_a_page() -> None:
    light, _ = figures.themed(drawn())
    size = re.search(r'width="(\d+)" height="(\d+)" viewBox="0 0 ([\d.]+) ([\d.]+)"', light)
    assert size
    assert abs(float(size[1]) / float(size[3]) * 11 - 16) < 0.02


def test_shades_turn_round_and_photographs_stay() -> None:
    shades = np.linspace(0, 1, 16).reshape(4, 4)
    low, high = (np.array(figures.rgb(end)) for end in SHADES["violet"].dark.split())
    light, dark = figures.themed(drawn(shades, cmap=plotting.VIOLET_MAP))
    (pixels,) = rasters(dark)
    assert np.abs(pixels[0, 0] - low).max() <= 1
    assert np.abs(pixels[-1, -1] - high).max() <= 1
    assert np.all(np.diff(pixels.reshape(-1, 3).astype(int), axis=0) >= 0)
    light, dark = figures.themed(drawn(shades))
    assert figures.RASTER.findall(light) == figures.RASTER.findall(dark)


@pytest.mark.parametrize("hue", figures.HUES)
@pytest.mark.parametrize("share", [0, 0.3, 1])
def test_a_tint_is_one_of_the_dark_page(hue: plotting.Hue, share: float) -> None:
    def mixed(paper: str, ink: str) -> np.ndarray:
        return (1 - share) * figures.rgb(paper) + share * figures.rgb(ink)

    colour = "#" + bytes(mixed(figures.PAPER.light, hue.light).round().astype(int).tolist()).hex()
    found = figures.rgb(figures.darkened(colour))
    assert np.abs(found - mixed(figures.PAPER.dark, hue.dark)).max() <= figures.EXACT


def test_a_colour_without_a_dark_form_is_refused() -> None:
    with pytest.raises(ValueError, match=r"#123456 is no colour of .* Take one from there"):
        figures.darkened("#123456")
