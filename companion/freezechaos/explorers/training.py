"""Training under the tangent kernel: every mode of the error decays at its own rate."""

from collections.abc import Mapping, Sequence

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from freezechaos import kernels
from freezechaos.explorers.axes import Axis, Choice
from freezechaos.explorers.explorer import Explorer
from freezechaos.explorers.fully_connected import named_activation
from freezechaos.explorers.views import Curves, Guide, Line

POINTS = 96
DEGREES = np.arange(-POINTS // 2, POINTS // 2) * (360 / POINTS)
WAVES = {0: 0.5, 1: 1.0, 4: 0.6, 9: 0.4}  # of the target: frequency round the circle -> height
FREQUENCIES = np.arange(17)
ROUNDING = 1e-7  # of a rate; a wave that the kernel has not must stay for ever
TIMES = (0, 0.25, 0.5, 1, 2, 4, 8, 16, 32, 64, 128, 512, 2048, 8192)


def target(degrees: np.ndarray) -> np.ndarray:
    """The function to be learned."""
    waves = (height * np.cos(k * np.deg2rad(degrees)) for k, height in WAVES.items())
    return sum(waves, start=np.zeros(degrees.shape))


def training(time: Array, beta: Array, depth: Array, activation: str) -> dict[str, Array]:
    """The network's outputs at `DEGREES`, and the share of the error left in each frequency.

    The training inputs are all of `DEGREES`, so the waves round the circle are the modes of the
    Gram matrix. Time is that of `dynamics.flow` under the scaled NTK: in units of 1 / Theta(x, x).
    """
    sigma = named_activation(activation)
    kernel = kernels.ntk(sigma, beta, depth, jnp.cos(jnp.deg2rad(DEGREES)))
    waves = jnp.cos(jnp.deg2rad(DEGREES * FREQUENCIES[:, None]))
    rates = jnp.maximum(waves @ kernel / POINTS - ROUNDING, 0)
    left = jnp.exp(-rates * time)
    heights = jnp.array([WAVES.get(int(k), 0.0) for k in FREQUENCIES])
    return {
        "output": (heights * (1 - left)) @ waves,
        "left": left,
        **{f"left{k}": left[k] for k in WAVES},
    }


def training_on_the_circle(
    activations: Sequence[str] = ("relu", "normalized relu", "erf"),
    start: Mapping[str, object] | None = None,
) -> Explorer:
    """An infinitely wide network learning a function on the circle, wave by wave.

    Arguments:
        activations: names such as "relu" (standardized) or "normalized relu", two or more.
        start: what to begin with, such as `{"activation": "erf", "depth": 2, "time": 8}`.
    """
    return Explorer(
        title="Learning a function on the circle",
        slug="training",
        axes=[
            Axis(
                "time", "training time t, in units of 1/Θ(x, x)", values=TIMES, start=4, step=True
            ),
            Axis("depth", "depth L", values=[1, 2, 4, 8, 16, 32, 64], start=2, step=True),
            Axis("beta", "bias share β", values=[0, 0.1, 0.3, 0.5, 0.7, 0.9], start=0.3, step=True),
            Choice("activation", "activation", options=activations),
        ],
        start=start,
        compute=training,
        view=[
            Curves(
                x=DEGREES,
                y="output",
                x_label="angle on the circle (degrees)",
                y_label="output",
                colors=("violet",),
                x_range=(-180, 180),
                x_ticks=[-180, -90, 0, 90, 180],
                y_range=(-1.8, 2.7),
                background=[Line(DEGREES, target(DEGREES))],
                title="The network's function, and its target in grey",
            ),
            Curves(
                x=FREQUENCIES,
                y="left",
                x_label="waves round the circle",
                y_label="share of the error left",
                styles=("dots",),
                colors=("violet",),
                x_range=(-0.5, 16.5),
                y_range=(-0.04, 1.04),
                x_ticks=[*WAVES, 16],
                guides=[Guide(y=0), Guide(y=1)],
                title="What is still to be learned",
            ),
        ],
        numbers=[f"left{k}" for k in WAVES],
        readout=(
            "{activation}, β = {beta}, depth {depth:.0f}, time {time:.5g}: "
            "{left0:.0%} of the error is left in the constant, {left1:.0%} in the slow wave, "
            "{left4:.0%} in the four ripples, {left9:.0%} in the nine."
        ),
        alt=(
            "Left, the function of an infinitely wide network in training, and its target: a "
            "slow wave with two kinds of ripples. Right, for every number of waves round the "
            "circle, the share of the error that is left; ticks mark the waves of the target. Slow "
            "waves are learned first."
        ),
    )
