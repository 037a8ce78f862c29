"""The explorer of one neuron over a batch: the wall that batch norm takes away, and the ripples."""

from collections.abc import Mapping
from functools import cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from freezechaos.explorers.axes import Axis, Choice
from freezechaos.explorers.explorer import Explorer
from freezechaos.explorers.fully_connected import named_activation
from freezechaos.explorers.views import Curves, Guide
from freezechaos.networks import NORM_EPSILON, FullyConnected, circle, standardize

POINTS, WIDTH, SHOWN = 64, 128, 4
DEGREES = np.arange(POINTS) * (360 / POINTS)
BETAS = (0.0, 0.3, 0.5, 0.7)
DEPTHS = (2, 4, 8, 16)


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
        readout=(
            "{activation}, β = {beta:.1f}, depth {depth:.0f}: {wall:.0%} of the neuron's energy is "
            "its mean, the same for all inputs. What differs has the size {ripples:.2g}; batch "
            "norm takes the mean away and makes that {gain:.0f} times larger."
        ),
        alt=(
            "Left, what one neuron says to 64 points on the circle: a wall with small ripples. "
            "Right, the same neuron after batch norm: the wall is gone, the ripples fill the frame."
        ),
    )
