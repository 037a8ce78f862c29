"""The explorer of the functions that a generator learns first: its eigenimages and spectrum."""

from collections.abc import Mapping
from functools import cache
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from freezechaos import deconvolution, regimes, spectra
from freezechaos.explorers.axes import Axis, Choice
from freezechaos.explorers.explorer import Explorer
from freezechaos.explorers.fully_connected import named_activation, named_regime
from freezechaos.explorers.views import Curves, Guide, Image
from freezechaos.graphs import (
    Layer,
    convolution,
    resize_convolution,
    sub_pixel_convolution,
    transposed_convolution,
)

SIDE, SHOWN = 16, 6
BETAS = (0.0, 0.1, 0.3, 0.5, 0.7)
DEPTHS = (0, 2)
UPS: dict[str, Layer] = {
    "transposed": transposed_convolution(4, 2, 1),
    "sub-pixel": sub_pixel_convolution(2, 3, 1),
    "nearest, then conv": resize_convolution(2, 3, 1),
    "bilinear, then conv": resize_convolution(2, 3, 1, "bilinear"),
}
RANKS = np.unique(np.geomspace(1, SIDE**2, 28).astype(int))
EVEN = 15 / (SIDE**2 - 1)  # what a kernel without preference has at periods 2 and 4


class Spectrum(NamedTuple):
    """Of a kernel between 16 x 16 pixels: all eigenvalues' shares, the first eigenimages."""

    shares: np.ndarray
    images: np.ndarray
    boards: float
    rank: float


def stack(layer: str, convolutions: int) -> deconvolution.DeconvStack:
    """From 4 x 4 to 16 x 16 in two layers, with convolutions of window 3 before either."""
    before = [convolution(3, padding=1)] * convolutions
    return deconvolution.DeconvStack((4, 4), [*before, UPS[layer]] * 2)


@cache
def spectrum(layer: str, convolutions: int, activation: str, beta: float) -> Spectrum:
    """Of the NTK, for random latent vectors at the 4 x 4 positions."""
    pair = deconvolution.compressed(
        stack(layer, convolutions), named_activation(activation), beta, jnp.eye(16)
    )
    known = spectra.eigenimages(pair.ntk, SIDE**2)
    images = known.images[:SHOWN]
    images = images / np.abs(images).max(axis=(1, 2), keepdims=True)
    gram = pair.ntk.dense()
    return Spectrum(
        np.maximum(known.shares, 1e-7),
        np.round(images, 2),
        spectra.checkerboard_share(gram, (SIDE, SIDE), 2),
        spectra.effective_rank(gram),
    )


def boards(beta: float, depth: float, layer: str, activation: str) -> dict[str, Any]:
    """Six eigenimages, their shares, the spectrum, and three numbers about it."""
    known = spectrum(layer, int(depth), activation, beta)
    return {
        "images": known.images,
        "shares": known.shares[:SHOWN],
        "spectrum": known.shares[RANKS - 1],
        "boards": known.boards,
        "rank": known.rank,
        "r": regimes.characteristic_value(named_activation(activation), beta),
    }


def checkerboard_modes(start: Mapping[str, Any] | None = None) -> Explorer:
    """The eigenimages of a generator's tangent kernel, for four ways to enlarge an image.

    Arguments:
        start: what to begin with, such as `{"activation": "normalized relu", "beta": 0.1}`.
    """
    return Explorer(
        title="What a generator learns first",
        slug="boards",
        axes=[
            Axis("beta", "bias share β", values=BETAS, start=0.5, step=True, format=".1f"),
            Axis("depth", "convolutions before each layer", values=DEPTHS, step=True),
            Choice("layer", "layer", options=tuple(UPS)),
            Choice("activation", "activation", options=("relu", "normalized relu")),
        ],
        start=start,
        compute=boards,
        vectorized=False,
        view=[
            Image(
                pixels="images",
                label="eigenimage, each over its largest value",
                panels=[f"{k + 1}" for k in range(SHOWN)],
                values="shares",
                format=".1%",
                value_range=(-1, 1),
                columns=3,
                title="Eigenimages, and their share of the trace",
            ),
            Curves(
                x=RANKS,
                y="spectrum",
                x_label="eigenvalue, by size",
                y_label="share of the trace",
                styles=("dots",),
                colors=("violet",),
                x_scale="log",
                y_scale="log",
                x_ticks=[1, 4, 16, 64, 256],
                guides=[Guide(y=1 / SIDE**2, label="all equal")],
                title="Spectrum",
            ),
        ],
        numbers=["boards", "rank", "r"],
        words={"regime": named_regime},
        readout=(
            "{layer}, {activation}, β = {beta:.1f}: r = {r:.2f}, {regime}. Beyond the constant, "
            f"{{boards:.0%}} of the kernel lies at periods 2 and 4; without preference {EVEN:.0%} "
            "would. Effective rank {rank:.0f} of 256."
        ),
        alt=(
            "Left, the first six eigenimages of the tangent kernel between 16 by 16 pixels, in "
            "grey, each with its share of the trace. Right, the shares of all eigenvalues in "
            "falling order, on logarithmic axes."
        ),
    )
