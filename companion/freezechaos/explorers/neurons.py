"""The explorers of neurons: one over a batch, and what batch norm leaves; those of a layer."""

from collections.abc import Mapping, Sequence
from functools import cache, partial
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from freezechaos import kernels, networks
from freezechaos.explorers.axes import Axis, Choice
from freezechaos.explorers.explorer import Explorer
from freezechaos.explorers.fully_connected import named_activation
from freezechaos.explorers.views import Curves, Guide
from freezechaos.networks import NORM_EPSILON, FullyConnected, circle, standardize

POINTS, WIDTH, SHOWN = 64, 128, 4
DEGREES = np.arange(POINTS) * (360 / POINTS)
BETAS = (0.0, 0.3, 0.5, 0.7)
DEPTHS = (2, 4, 8, 16)
SILENT = 1e-6  # of less than this, what varies over the batch is rounding

NORMS: dict[str, Literal["before", "after"] | None] = {
    "none": None,
    "before": "before",
    "after": "after",
}
APART = np.linspace(0, 180, 19)  # degrees between two inputs, the right angle in the middle
EDGES = np.linspace(-3, 5, 33)  # of the histogram's bins


@cache
def last_layer(activation: str, beta: float, depth: int) -> tuple[np.ndarray, np.ndarray]:
    """What some neurons of the last hidden layer say on the circle, and after batch norm.

    Both [4, 64]; and the same four for every bias and activation of a depth.
    """
    widths, key = [2, *[WIDTH] * (depth - 1), 1], jax.random.key(3)
    network = FullyConnected(widths, named_activation(activation), beta, key=key)
    raw = network.forward(circle(jnp.deg2rad(DEGREES)))[0][-1]
    return np.asarray(raw[:, :SHOWN]).T, np.asarray(standardize(raw, 0)[:, :SHOWN]).T


def neuron(beta: float, depth: float, neuron: float, activation: str) -> dict[str, Any]:
    """One neuron over the batch, and what its mean is of it."""
    raw, normed = (part[int(neuron)] for part in last_layer(activation, beta, int(depth)))
    ripples = float(np.std(raw))
    return {
        "raw": raw,
        "normed": normed,
        "wall": float(np.mean(raw)) ** 2 / float(np.mean(raw**2)) if np.any(raw) else 0.0,
        "ripples": ripples,
        "gain": 1 / np.sqrt(ripples**2 + NORM_EPSILON),
    }


def heard(setting: Mapping[str, Any]) -> str:
    """What batch norm finds in the neuron, in words."""
    if setting["ripples"] < SILENT:
        return (
            "This neuron says the same to all inputs: batch norm takes that away, and there is "
            "nothing to enlarge"
        )
    return (
        f"{setting['wall']:.0%} of the neuron's energy is its mean, the same for all inputs. "
        f"What differs has the size {setting['ripples']:.2g}; batch norm takes the mean away "
        f"and makes that {setting['gain']:.0f} times larger"
    )


def one_neuron(start: Mapping[str, Any] | None = None) -> Explorer:
    """A neuron of the last hidden layer over a batch, before batch norm and after it.

    Arguments:
        start: what to begin with, such as `{"depth": 16}`.
    """
    over_the_batch = partial(
        Curves,
        x=DEGREES,
        x_label="place on the circle (degrees)",
        x_range=(0, 360),
        x_ticks=[0, 90, 180, 270, 360],
        y_range=(-2.5, 2.5),
        styles=("steps",),
        guides=[Guide(y=0)],
    )
    return Explorer(
        title="One neuron, 64 inputs",
        slug="neuron",
        axes=[
            Axis("depth", "depth L", DEPTHS, 4, step=True),
            Axis("beta", "bias share β", BETAS, 0.7, step=True, format=".1f"),
            Axis("neuron", "neuron", range(SHOWN), 1, step=True),
            Choice("activation", "activation", ("erf", "relu", "normalized relu")),
        ],
        start=start,
        compute=neuron,
        vectorized=False,
        view=[
            over_the_batch(
                y="raw",
                y_label="what the neuron says",
                colors=("green",),
                title="Without batch norm",
            ),
            over_the_batch(
                y="normed",
                y_label="what is left of it",
                colors=("violet",),
                title="With it",
            ),
        ],
        numbers=["wall", "ripples", "gain"],
        words={"heard": heard},
        readout="{activation}, β = {beta:.1f}, depth {depth:.0f}: {heard}.",
        alt=(
            "Left, what one neuron says to 64 points on the circle: a wall with small ripples. "
            "Right, the same neuron after batch norm: the wall is gone, the ripples fill the frame."
        ),
    )


def layer(
    depth: Array, beta: Array, draw: Array, norm: str, width: str, activation: str
) -> dict[str, Array]:
    """The neurons of the last hidden layer at one input, and the covariance they leave the output.

    Beside it the covariance at infinite width without layer norm, of the activation as it is and
    of the normalized one.
    """
    depth = depth.astype(jnp.int32)
    angles = jnp.deg2rad(jnp.asarray(APART, jnp.float32))
    key = jax.random.fold_in(jax.random.key(5), draw.astype(jnp.int32))
    forms = [named_activation(form + activation) for form in ("", "normalized ")]
    born = networks.newborn(
        forms[0], beta, depth, circle(angles), int(width), layer_norm=NORMS[norm], key=key
    )
    here = born.hidden[0]
    edges = jnp.asarray(EDGES, jnp.float32)
    below = jnp.mean((here[:, None] < edges[None]).astype(jnp.float32), axis=0)
    wide = [kernels.nngp(sigma, beta, depth, jnp.cos(angles)) for sigma in forms]
    middle = len(APART) // 2
    return {
        "histogram": jnp.append(jnp.diff(below), 0.0),
        "covariances": jnp.stack([*wide, born.covariance[0]]),
        "mean": jnp.mean(here),
        "found": born.covariance[0, middle],
        "size": born.covariance[0, 0],
        "plain": wide[0][middle],
        "centred": wide[1][middle],
    }


def one_layer(
    activations: Sequence[str] = ("relu", "gelu"),
    widths: Sequence[str] = ("16", "256"),
    start: Mapping[str, Any] | None = None,
) -> Explorer:
    """The neurons of one layer with layer norm on either side, and which kernel it has.

    Arguments:
        activations: names such as "relu", two or more.
        widths: whole numbers as words, two or more.
        start: what to begin with, such as `{"norm": "after", "activation": "gelu"}`.
    """
    return Explorer(
        title="A layer, and layer norm",
        slug="layer",
        axes=[
            Choice("norm", "layer norm", tuple(NORMS)),
            Axis("draw", "network number", range(1000), step=True, press="Draw again"),
            Choice("activation", "activation", activations),
            Choice("width", "width n", widths, start=widths[-1]),
            Axis("depth", "depth L", range(2, 17), 8, step=True),
            Axis("beta", "bias share β", np.linspace(0, 0.95, 20), 0.1, format=".2f"),
        ],
        start=start,
        compute=layer,
        compiled=True,
        view=[
            Curves(
                x=EDGES,
                y="histogram",
                x_label="value of a neuron",
                y_label="share of the neurons",
                styles=("bars",),
                colors=("violet",),
                y_range=(0, 0.7),
                guides=[Guide("mean", x="mean")],
                title="The last hidden layer",
            ),
            Curves(
                x=APART,
                y="covariances",
                x_label="angle between the inputs (degrees)",
                y_label="covariance Σ",
                series=("width ∞, as it is", "normalized", "this network"),
                styles=("line", "line", "dots"),
                colors=("green", "ochre", "violet"),
                y_range=(-0.25, 1.75),
                x_ticks=[0, 45, 90, 135, 180],
                guides=[Guide(y=0), Guide(y=1)],
                title="Which kernel is it?",
            ),
        ],
        numbers=["mean", "size", "found", "plain", "centred"],
        readout=(
            "{activation}, width {width}, depth {depth:.0f}, β = {beta:.2f}, layer norm: {norm}. "
            "The neurons have the mean {mean:.2f}. In this network the output has the variance "
            "{size:.2f}, and {found:.2f} is the covariance at a right angle. At infinite width "
            "without layer norm that is {plain:.2f}, and {centred:.2f} for the normalized "
            "activation."
        ),
        alt=(
            "Left, a histogram of the neurons of one layer with their mean. Right, the covariance "
            "of two inputs against the angle: two lines of infinite width, of the activation as it "
            "is and normalized, and the dots of one network with layer norm before or after the "
            "nonlinearity or without it."
        ),
    )
