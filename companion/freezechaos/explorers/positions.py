"""The explorer of kernels between pixels: pick one, and see how all others go with it."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from freezechaos import deconvolution, regimes
from freezechaos.explorers.axes import Axis, Choice
from freezechaos.explorers.explorer import Explorer
from freezechaos.explorers.fully_connected import named_activation
from freezechaos.explorers.readout import Bands
from freezechaos.explorers.views import Image
from freezechaos.graphs import Layer, convolution, transposed_convolution

SIDE, START = 8, 2
SAME = convolution(3, padding=1)
UPS: dict[str, tuple[Layer, Layer]] = {
    "4, stride 2": (transposed_convolution(4, 2, 1),) * 2,
    "3, stride 2": (transposed_convolution(3, 2, 1, 1),) * 2,
    "2, stride 2": (transposed_convolution(2, 2),) * 2,
    "6, stride 2": (transposed_convolution(6, 2, 2),) * 2,
    "8, stride 4": (SAME, transposed_convolution(8, 4, 2)),
}
PARAMETRIZATIONS = ("graph-based", "usual", "usual with gain")
"""What `deconvolution.TapChoices` has, in its order."""
BETAS = (0.0, 0.1, 0.3, 0.5, 0.7, 0.9)
CONVOLUTIONS = (0, 1, 2)
PHASE = Bands("r", (1 - 1e-5, 1 + 1e-5), ("freeze", "the edge", "chaos"))


def choices(
    ups: Iterable[Sequence[Layer]], convolutions: int, start: int
) -> list[deconvolution.TapChoices]:
    """Of each kind of up-sampling the layers, with convolutions of window 3 before each."""
    before = [SAME] * convolutions
    stacks = [[layer for up in kind for layer in (*before, up)] for kind in ups]
    return deconvolution.side_by_side(
        [deconvolution.DeconvStack((start, start), layers) for layers in stacks]
    )


def pixel(
    beta: Array, depth: int, layer: Array, activation: str, parametrization: Array,
    row: Array, column: Array,
) -> dict[str, Array]:  # fmt: skip
    """Both kernels between one pixel and all others, and what to say of them."""
    sigma = named_activation(activation)
    taps = [part.chosen(layer, parametrization) for part in choices(UPS.values(), depth, START)]
    nngp, ntk = deconvolution.square_kernels(taps, sigma, beta)
    theta = ntk / jnp.max(jnp.einsum("pcpc->pc", ntk))
    at = row.astype(jnp.int32), column.astype(jnp.int32)
    covariance, tangent = nngp[at], theta[at]
    down, along = np.mgrid[:SIDE, :SIDE]
    here = (down == at[0]) & (along == at[1])
    return {
        "covariance": covariance,
        "tangent": tangent,
        "variance": covariance[at],
        "own": tangent[at],
        "largest": jnp.max(jnp.where(here, 0, tangent)),
        "r": regimes.characteristic_value(sigma, beta),
    }


def pixel_kernels(start: Mapping[str, Any] | None = None) -> Explorer:
    """The kernels between a pixel that the reader picks and all pixels of a small generator.

    Arguments:
        start: what to begin with, such as `{"row": 0, "column": 0, "parametrization": "usual"}`.
    """
    return Explorer(
        title="One pixel and all the others",
        slug="pixel",
        axes=[
            Axis("beta", "bias share β", values=BETAS, start=0.5, format=".2f"),
            Axis("depth", "convolutions before each layer", values=CONVOLUTIONS, static=True),
            Choice("layer", "window", options=tuple(UPS), static=False),
            Choice("activation", "activation", options=("relu", "normalized relu")),
            Choice("parametrization", "parametrization", PARAMETRIZATIONS, static=False),
            Axis("row", "row", values=range(SIDE), start=3, step=True),
            Axis("column", "column", values=range(SIDE), start=3, step=True),
        ],
        start=start,
        compute=pixel,
        compiled=True,
        view=[
            Image(
                pixels=kernel,
                label="kernel with the outlined pixel",
                shades="violet",
                value_range=(0, 1),
                pick=("row", "column"),
                title=title,
            )
            for kernel, title in (("covariance", "Covariance Σ"), ("tangent", "Scaled NTK ϑ"))
        ],
        numbers=["own", "variance", "largest", "r"],
        words={"regime": PHASE},
        readout=(
            "Window {layer}, {activation}, β = {beta:.2f}, {parametrization}: r = {r:.2f}, "
            "{regime}. Pixel ({row:.0f}, {column:.0f}) has variance {variance:.2f}. A correction "
            "there moves the pixel itself by {own:.2f} and any other by at most {largest:.2f}."
        ),
        alt=(
            "Two pictures of 8 by 8 pixels. The shade of each pixel is its covariance, and its "
            "scaled tangent kernel, with the pixel that is outlined."
        ),
    )
