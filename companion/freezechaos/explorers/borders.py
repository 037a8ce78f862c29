"""What up-sampling does to the corners of an image: variances and kernels, position by position."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from freezechaos import graphs, regimes
from freezechaos.deconvolution import DeconvStack, diagonals
from freezechaos.explorers.axes import Axis, Choice
from freezechaos.explorers.explorer import Explorer
from freezechaos.explorers.fully_connected import named_activation, named_regime
from freezechaos.explorers.views import Curves, Guide, Image

LAYERS = {
    "window 4": graphs.transposed_convolution(4, stride=2, padding=1),
    "window 3": graphs.transposed_convolution(3, stride=2, padding=1, output_padding=1),
    "resize, window 3": graphs.resize_convolution(2, 3, padding=1),
}
BETAS = (0.0, 0.1, 0.2, 0.3, 0.5, 0.7)


def generator(
    layer: str, convolutions: int, parametrization: graphs.Parametrization = "usual"
) -> DeconvStack:
    """From 4 x 4 to 32 x 32: three times `convolutions` of window 3, then an up-sampling layer."""
    before = [graphs.convolution(3, padding=1)] * int(convolutions)
    return DeconvStack((4, 4), [*before, LAYERS[layer]] * 3, parametrization)


def frame(layer: str, convolutions: float, activation: str, beta: float) -> dict[str, Any]:
    """Both diagonals in the usual parametrization, over their largest entry, and the corner."""
    both = diagonals(generator(layer, int(convolutions)), named_activation(activation), beta)
    relative = np.stack([part / part.max() for part in both])
    middle = relative[:, 8:24, 8:24]
    return {
        "diagonals": np.round(relative, 2),
        "row": relative[:, 15],
        "sigma": relative[0, 0, 0],
        "theta": relative[1, 0, 0],
        "faintest": middle[1].min(),
        "r": regimes.characteristic_value(named_activation(activation), beta),
    }


def border_frames(start: Mapping[str, Any] | None = None) -> Explorer:
    """Variance and tangent kernel of every pixel with itself, in the usual parametrization.

    Arguments:
        start: what to begin with, such as `{"layer": "window 3", "beta": 0.5}`.
    """
    return Explorer(
        title="What a pixel owes to its place",
        slug="frames",
        axes=[
            Choice("layer", "up-sampling", options=tuple(LAYERS)),
            Axis("convolutions", "convolutions between", [0, 1, 2], 1, step=True),
            Choice("activation", "activation", options=("relu", "erf")),
            Axis("beta", "bias share β", BETAS, 0.1, step=True, format=".1f"),
        ],
        start=start,
        compute=frame,
        vectorized=False,
        view=[
            Image(
                pixels="diagonals",
                label="over the largest",
                panels=("variance Σ", "tangent kernel Θ"),
                value_range=(0, 1),
                title="Every pixel with itself, usual parametrization",
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
                guides=[Guide("graph-based", y=1)],
                title="The middle row",
            ),
        ],
        numbers=["sigma", "theta", "faintest", "r"],
        words={"regime": named_regime},
        readout=(
            "{activation}, β = {beta:.1f}. Usual: the corner has {sigma:.0%} of the largest "
            "variance and {theta:.0%} of the largest Θ; the faintest pixel of the middle has "
            "{faintest:.0%}. Graph-based: all have 100%, and r = {r:.2f}, {regime}."
        ),
        alt=(
            "Left, two images of 32 by 32 pixels: how large the variance and the tangent kernel of "
            "each pixel are in the usual parametrization, dark at the border. Right, both along "
            "the middle row, with the constant of the graph-based parametrization."
        ),
    )
