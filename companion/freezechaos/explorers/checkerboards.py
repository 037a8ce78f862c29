"""The explorer of the functions that a generator learns first: its eigenimages and spectrum."""

from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from freezechaos import deconvolution, regimes, spectra
from freezechaos.explorers.axes import Axis, Choice
from freezechaos.explorers.explorer import Explorer
from freezechaos.explorers.fully_connected import named_activation
from freezechaos.explorers.positions import (
    BETAS,
    CONVOLUTIONS,
    PARAMETRIZATIONS,
    PHASE,
    SAME,
    choices,
)
from freezechaos.explorers.views import Curves, Guide, Image
from freezechaos.graphs import (
    Layer,
    resize_convolution,
    sub_pixel_convolution,
    transposed_convolution,
)

START, SIDE, SHOWN = 4, 16, 6
UPS: dict[str, tuple[Layer, Layer]] = {
    "transposed": (transposed_convolution(4, 2, 1),) * 2,
    "sub-pixel": (sub_pixel_convolution(2, 3, 1),) * 2,
    "transposed, stride 4": (SAME, transposed_convolution(8, 4, 2)),
    "nearest, then conv": (resize_convolution(2, 3, 1),) * 2,
    "bilinear, then conv": (resize_convolution(2, 3, 1, "bilinear"),) * 2,
}
RANKS = np.unique(np.geomspace(1, SIDE**2, 28).astype(int))
EVEN = 15 / (SIDE**2 - 1)  # what a kernel without preference has at periods 2 and 4
FAINTEST = 1e-6  # of the trace, what float32 can tell from 0


def boards(
    beta: Array, depth: int, layer: Array, activation: str, parametrization: Array
) -> dict[str, Array]:
    """Six eigenimages, their shares, the spectrum, and three numbers about it."""
    sigma = named_activation(activation)
    taps = [part.chosen(layer, parametrization) for part in choices(UPS.values(), depth, START)]
    kernel = deconvolution.square_kernels(taps, sigma, beta).ntk
    modes = spectra.square_modes(kernel, SHOWN, stride=2)
    return {
        "images": modes.images / jnp.max(jnp.abs(modes.images), axis=(1, 2), keepdims=True),
        "shares": modes.shares[:SHOWN],
        "spectrum": jnp.maximum(modes.shares, FAINTEST)[RANKS - 1],
        "boards": modes.boards,
        "rank": modes.effective_rank,
        "r": regimes.characteristic_value(sigma, beta),
    }


def checkerboard_modes(start: Mapping[str, Any] | None = None) -> Explorer:
    """The eigenimages of a generator's tangent kernel, for five ways to enlarge an image.

    Arguments:
        start: what to begin with, such as `{"activation": "normalized relu", "beta": 0.1}`.
    """
    return Explorer(
        title="What a generator learns first",
        slug="boards",
        axes=[
            Axis("beta", "bias share β", values=BETAS, start=0.5, format=".2f"),
            Axis("depth", "convolutions before each layer", values=CONVOLUTIONS, static=True),
            Choice("layer", "layer", options=tuple(UPS), static=False),
            Choice("activation", "activation", options=("relu", "normalized relu")),
            Choice("parametrization", "parametrization", PARAMETRIZATIONS, static=False),
        ],
        start=start,
        compute=boards,
        compiled=True,
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
                y_range=(FAINTEST, 1),
                x_ticks=[1, 4, 16, 64, 256],
                guides=[Guide(y=1 / SIDE**2, label="all equal")],
                title="Spectrum",
            ),
        ],
        numbers=["boards", "rank", "r"],
        words={"regime": PHASE},
        readout=(
            "{layer}, {parametrization}, {activation}, β = {beta:.2f}: r = {r:.2f}, {regime}. "
            "Beyond the constant, {boards:.0%} of the kernel lies at periods 2 and 4; without "
            f"preference {EVEN:.0%} would. Effective rank {{rank:.0f}} of 256."
        ),
        alt=(
            "Left, the first six eigenimages of the tangent kernel between 16 by 16 pixels, in "
            "grey, each with its share of the trace. Right, the shares of all eigenvalues in "
            "falling order, on logarithmic axes."
        ),
    )
