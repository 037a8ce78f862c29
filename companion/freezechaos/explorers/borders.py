"""What up-sampling does to the corners of an image: variances and kernels, position by position."""

from collections.abc import Mapping
from functools import partial
from math import pi, sqrt
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from freezechaos import checks, graphs, regimes
from freezechaos.activations import Activation
from freezechaos.deconvolution import DeconvStack
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
_ROWS, _NODES = 256, 64  # an even number, so that a kink at 0 falls between two


class Diagonals(NamedTuple):
    """Variance and tangent kernel of every output position with itself, both [*size]."""

    sigma: np.ndarray
    theta: np.ndarray


def diagonals(stack: DeconvStack, activation: Activation, beta: float) -> Diagonals:
    """The diagonals of `deconvolution.nngp` and `deconvolution.ntk`, inputs on the sphere.

    A position shares all its taps with itself, so that the diagonal feeds on the diagonal alone:

        Sigma_p = beta^2 + (1 - beta^2) / |P(p)| sum over q in P(p) of E[sigma(u_q)^2],
        Theta_p = Sigma_p + (1 - beta^2) / |P(p)| sum of Theta_q E[sigma'(u_q)^2],

    or with the window's size in place of |P(p)| in the usual parametrization. For smooth
    activations, and those with a kink at 0.

    Raises:
        ValueError: a bilinear resize, after which a tap reads two positions.
    """
    if any(layer.method != "nearest" for layer in stack.layers):
        raise ValueError(
            '`stack` must not resize bilinearly; got method="bilinear". Take "nearest", or the '
            "diagonal of deconvolution.compressed(...)."
        )
    share = 1 - checks.one_beta(beta) ** 2
    for number, layer in enumerate(stack.layers):
        sums = [
            _reads(stack, layer.along(axis), stack.sizes[number][axis])
            for axis in range(stack.dimensions)
        ]
        if number == 0:
            sigma, theta = np.ones(stack.start), np.zeros(stack.start)
            moment, slope = sigma, theta
        else:
            moment, slope = _moments(activation, sigma)
        through, tangent = moment, slope * theta
        for axis, matrix in enumerate(sums):
            through, tangent = (
                np.moveaxis(np.tensordot(matrix, part, (1, axis)), 0, axis)
                for part in (through, tangent)
            )
        sigma = beta**2 + share * through
        theta = sigma + share * tangent
    return Diagonals(sigma, theta)


def _reads(stack: DeconvStack, axis: graphs.AxisLayer, n: int) -> np.ndarray:
    """[length, n]: how many taps of an output read an input, over parents or window."""
    places, _ = graphs.links(axis, n)
    counts = np.sum(places == np.arange(n), axis=1).astype(float)
    whole = axis.counts(n)[:, None] if stack.parametrization == "graph" else axis.window
    return counts / whole


def _moments(activation: Activation, sigma: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """E[activation(u)^2] and E[activation'(u)^2] for Gaussians u of the variances sigma."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(_NODES)
    values, places = np.unique(sigma, return_inverse=True)
    z = np.zeros((-(-len(values) // _ROWS) * _ROWS, _NODES), np.float32)  # few shapes to compile
    z[: len(values)] = np.sqrt(values)[:, None] * nodes
    means = [
        np.asarray(part, np.float64)[: len(values)] ** 2 @ weights / sqrt(2 * pi)
        for part in _with_slope(z, activation)
    ]
    return means[0][places].reshape(sigma.shape), means[1][places].reshape(sigma.shape)


@partial(jax.jit, static_argnames="activation")
def _with_slope(z: Array, activation: Activation) -> tuple[Array, Array]:
    return jax.jvp(activation, (z,), (jnp.ones_like(z),))


def generator(
    layer: str, convolutions: int, parametrization: Literal["graph", "usual"] = "usual"
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
            "{activation}, β = {beta:.1f}: r = {r:.2f}, {regime}. Usual: the corner has "
            "{sigma:.0%} of the largest variance and {theta:.0%} of the largest Θ; the faintest "
            "pixel of the middle has {faintest:.0%}. Graph-based: all have 100%."
        ),
        alt=(
            "Left, two images of 32 by 32 pixels: how large the variance and the tangent kernel of "
            "each pixel are in the usual parametrization, dark at the border. Right, both along "
            "the middle row, with the constant of the graph-based parametrization."
        ),
    )
