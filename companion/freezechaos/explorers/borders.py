"""What up-sampling does to the corners of an image: variances and kernels, position by position."""

import itertools
from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array

from freezechaos import graphs, regimes
from freezechaos.deconvolution import DeconvStack, side_by_side, square_diagonals
from freezechaos.explorers.axes import Axis, Choice
from freezechaos.explorers.explorer import Explorer
from freezechaos.explorers.fully_connected import named_activation
from freezechaos.explorers.positions import BETAS, CONVOLUTIONS, PARAMETRIZATIONS, PHASE
from freezechaos.explorers.views import Curves, Guide, Image

START, SIDE = 4, 32
LAYERS = {
    "window 4": graphs.transposed_convolution(4, stride=2, padding=1),
    "window 3": graphs.transposed_convolution(3, stride=2, padding=1, output_padding=1),
    "window 2": graphs.transposed_convolution(2, stride=2),
    "window 5": graphs.transposed_convolution(5, stride=2, padding=2, output_padding=1),
    "window 6": graphs.transposed_convolution(6, stride=2, padding=2),
    "resize, window 3": graphs.resize_convolution(2, 3, padding=1),
}
PADDING = ("zeros", "none")


def generator(
    layer: str, convolutions: int, parametrization: graphs.Parametrization = "usual"
) -> DeconvStack:
    """From 4 x 4 to 32 x 32: three times `convolutions` of window 3, then an up-sampling layer."""
    before = [graphs.convolution(3, padding=1)] * int(convolutions)
    return DeconvStack((START, START), [*before, LAYERS[layer]] * 3, parametrization)


def borderless(layer: str, convolutions: int) -> DeconvStack:
    """The same without positions that lack a parent, from a grid that leaves 32 x 32 or more."""
    layers = [each.borderless() for each in generator(layer, convolutions).layers]
    for start in itertools.count(START):
        sizes = itertools.accumulate(layers, lambda n, each: each.along(0).length(n), initial=start)
        if min(lengths := list(sizes)) > 0 and lengths[-1] >= SIDE:
            break
    return DeconvStack((start, start), layers)


def frame(
    layer: Array, padding: Array, parametrization: Array, convolutions: int, activation: str,
    beta: Array,
) -> dict[str, Array]:  # fmt: skip
    """Both diagonals over their largest entry, and what a corner and the middle have of it."""
    sigma = named_activation(activation)
    kinds = [make(name, convolutions) for make in (generator, borderless) for name in LAYERS]
    cut = jnp.asarray([(kind.sizes[-1][0] - SIDE) // 2 for kind in kinds])
    number = layer + padding * len(LAYERS)
    reads = [part.reads(number, parametrization) for part in side_by_side(kinds)]
    whole = jnp.stack(square_diagonals(reads, sigma, beta))
    shown = lax.dynamic_slice(whole, (0, cut[number], cut[number]), (2, SIDE, SIDE))
    relative = shown / jnp.max(shown, axis=(1, 2), keepdims=True)
    return {
        "diagonals": relative,
        "row": relative[:, SIDE // 2 - 1],
        "sigma": relative[0, 0, 0],
        "theta": relative[1, 0, 0],
        "faintest": jnp.min(relative[1, 8:24, 8:24]),
        "r": regimes.characteristic_value(sigma, beta),
    }


def border_frames(start: Mapping[str, Any] | None = None) -> Explorer:
    """Variance and tangent kernel of every pixel with itself, with and without a border.

    Arguments:
        start: what to begin with, such as `{"layer": "window 3", "beta": 0.5}`.
    """
    return Explorer(
        title="What a pixel owes to its place",
        slug="frames",
        axes=[
            Choice("parametrization", "parametrization", PARAMETRIZATIONS, "usual", static=False),
            Choice("layer", "up-sampling", options=tuple(LAYERS), static=False),
            Choice("padding", "padding", PADDING, static=False),
            Axis("convolutions", "convolutions between", CONVOLUTIONS, 1, static=True),
            Axis("beta", "bias share β", BETAS, 0.1, format=".2f"),
            Choice("activation", "activation", options=("relu", "erf")),
        ],
        start=start,
        compute=frame,
        compiled=True,
        view=[
            Image(
                pixels="diagonals",
                label="over the largest",
                panels=("variance Σ", "tangent kernel Θ"),
                value_range=(0, 1),
                title="Every pixel with itself",
            ),
            Curves(
                x=np.arange(32),
                y="row",
                x_label="pixel of the middle row",
                y_label="over the largest",
                series=("Σ", "Θ"),
                colors=("green", "violet"),
                styles=("steps", "steps"),
                x_ticks=[0, 8, 16, 24, 31],
                y_range=(0, 1.3),
                guides=[Guide("no border", y=1)],
                title="The middle row",
            ),
        ],
        numbers=["sigma", "theta", "faintest", "r"],
        words={"regime": PHASE},
        readout=(
            "{parametrization}, {layer}, padding {padding}, {activation}, β = {beta:.2f}, "
            "r = {r:.2f}, {regime}: the corner has {sigma:.0%} of the largest variance and "
            "{theta:.0%} of the largest Θ; the faintest pixel of the middle has {faintest:.0%}."
        ),
        alt=(
            "Left, two images of 32 by 32 pixels: how large the variance and the tangent kernel of "
            "each pixel are, dark at the border in the usual parametrization. Right, both along "
            "the middle row, and the level that all would have without a border."
        ),
    )
