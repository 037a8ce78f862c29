"""The explorer of kernels between pixels: pick one, and see how all others go with it."""

from collections.abc import Mapping
from functools import cache
from typing import Any

import jax.numpy as jnp
import numpy as np

from freezechaos import deconvolution, graphs, regimes
from freezechaos.explorers.axes import Axis, Choice
from freezechaos.explorers.explorer import Explorer
from freezechaos.explorers.fully_connected import named_activation, named_regime
from freezechaos.explorers.views import Image
from freezechaos.graphs import Layer, convolution, transposed_convolution

SIDE = 8
SAME = convolution(3, padding=1)
UPS: dict[str, tuple[Layer, Layer]] = {
    "4, stride 2": (transposed_convolution(4, 2, 1),) * 2,
    "3, stride 2": (transposed_convolution(3, 2, 1, 1),) * 2,
    "8, stride 4": (SAME, transposed_convolution(8, 4, 2)),
}
PARAMETRIZATIONS: dict[str, graphs.Parametrization] = {"graph-based": "graph", "usual": "usual"}
BETAS = (0.1, 0.3, 0.5, 0.7, 0.9)
DEPTHS = (0, 2)


def stack(layer: str, convolutions: int, parametrization: str) -> deconvolution.DeconvStack:
    """From 2 x 2 to 8 x 8 in two layers, with convolutions of window 3 before either."""
    layers = [part for up in UPS[layer] for part in (*[SAME] * convolutions, up)]
    return deconvolution.DeconvStack((2, 2), layers, PARAMETRIZATIONS[parametrization])


@cache
def kernels_between_pixels(
    layer: str, convolutions: int, parametrization: str, activation: str, beta: float
) -> tuple[np.ndarray, np.ndarray]:
    """NNGP, and NTK over its largest entry on the diagonal, to two digits: both [64, 64].

    The inputs are four random latent vectors, one a position.
    """
    pair = deconvolution.compressed(
        stack(layer, convolutions, parametrization), named_activation(activation), beta, jnp.eye(4)
    )
    sigma, theta = (np.asarray(kernel.dense(), np.float64) for kernel in pair)
    return np.round(sigma, 2), np.round(theta / np.diagonal(theta).max(), 2)


def pixel(
    beta: float, depth: float, layer: str, activation: str, parametrization: str,
    row: float, column: float,
) -> dict[str, Any]:  # fmt: skip
    """Both kernels between one pixel and all others, and what to say of them."""
    known = kernels_between_pixels(layer, int(depth), parametrization, activation, beta)
    at = SIDE * int(row) + int(column)
    sigma, theta = (part[at] for part in known)
    return {
        "covariance": sigma.reshape(SIDE, SIDE),
        "tangent": theta.reshape(SIDE, SIDE),
        "variance": sigma[at],
        "own": theta[at],
        "largest": np.delete(theta, at).max(),
        "r": regimes.characteristic_value(named_activation(activation), beta),
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
            Axis("beta", "bias share β", values=BETAS, start=0.5, step=True, format=".1f"),
            Axis("depth", "convolutions before each layer", values=DEPTHS, step=True),
            Choice("layer", "window", options=tuple(UPS)),
            Choice("activation", "activation", options=("relu", "normalized relu")),
            Choice("parametrization", "parametrization", options=tuple(PARAMETRIZATIONS)),
            Axis("row", "row", values=range(SIDE), start=3, step=True),
            Axis("column", "column", values=range(SIDE), start=3, step=True),
        ],
        start=start,
        compute=pixel,
        vectorized=False,
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
        words={"regime": named_regime},
        readout=(
            "Window {layer}, {activation}, β = {beta:.1f}, {parametrization}: r = {r:.2f}, "
            "{regime}. Pixel ({row:.0f}, {column:.0f}) has variance {variance:.2f}. A correction "
            "there moves the pixel itself by {own:.2f} and any other by at most {largest:.2f}."
        ),
        alt=(
            "Two pictures of 8 by 8 pixels. The shade of each pixel is its covariance, and its "
            "scaled tangent kernel, with the pixel that is outlined."
        ),
    )
