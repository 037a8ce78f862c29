"""The explorer of a kernel as a sum of lattices: four faders, and a picture that is learned."""

from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from freezechaos.explorers.axes import Axis, Choice
from freezechaos.explorers.explorer import Explorer
from freezechaos.explorers.views import Image

SIDE, STRIDES = 16, 2
PIXELS = SIDE**2
LOUD = (0.0, 0.5, 1.0, 1.5)
TIMES = (0.0625, 0.125, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0)


def _targets() -> dict[str, np.ndarray]:
    """[16, 16] between 0 and 1: a ball lit from the left, a letter, stripes."""
    down, along = np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2
    ball = np.where(down**2 + along**2 < 42, np.clip(0.75 - along / 14 - down / 18, 0.2, 1), 0.0)
    letter = (abs(along) < 1.1) & (abs(down) < 5.6) | (abs(down + 4.5) < 1.1) & (abs(along) < 5.6)
    return {"a ball": ball, "a letter": letter.astype(float),
            "stripes": ((along + 0.5) % 2 == 0).astype(float)}  # fmt: skip


TARGETS = _targets()


def averaged(image: Float[Array, "16 16"], period: int) -> Float[Array, "16 16"]:
    """The projection onto the functions of the position modulo the period: means over residues."""
    often = SIDE // period
    means = jnp.mean(image.reshape(often, period, often, period), axis=(0, 2))
    wide = jnp.broadcast_to(means[None, :, None, :], (often, period) * 2)
    return wide.reshape(SIDE, SIDE)


def learned(
    constant: Array, two: Array, four: Array, own: Array, time: Array, target: str
) -> dict[str, Array]:
    """A row of the kernel, and what gradient flow from 0 has made of a target.

    The kernel is own [p = p'] + sum_j steps_j [2^j divides p - p'], a step for each of the periods
    1, 2, 4; so its eigenvalues are own + sum_{i >= j} steps_i 256 / 4^i. Time is in units in which
    a kernel with the same diagonal and nothing beside it leaves 1/e of every error.
    """
    steps = jnp.stack([constant, two, four])
    distance = np.mgrid[:SIDE, :SIDE] - SIDE // 2
    divides = [np.all(distance % 2**j == 0, axis=0) for j in range(STRIDES + 1)]
    row = own * jnp.asarray(np.all(distance == 0, axis=0), jnp.float32)
    row = row + sum(steps[j] * jnp.asarray(divides[j], jnp.float32) for j in range(STRIDES + 1))
    sums = steps * PIXELS / 4.0 ** jnp.arange(0.0, STRIDES + 1)
    values = jnp.append(own + jnp.cumsum(sums[::-1])[::-1], own)
    diagonal = own + jnp.sum(steps)
    left = jnp.exp(-values / diagonal * time)
    image = jnp.asarray(TARGETS[target], jnp.float32)
    parts = [jnp.zeros_like(image), *(averaged(image, 2**j) for j in range(STRIDES + 1)), image]
    new = jnp.diff(jnp.stack(parts), axis=0)
    drawn = jnp.einsum("j,jpq->pq", 1 - left, new)
    many = jnp.asarray(np.diff([0, *4 ** np.arange(STRIDES + 1), PIXELS]), jnp.float32)
    trace = values * many
    return {
        "row": row / diagonal,
        "pictures": jnp.stack([image, drawn]),
        **{f"left{j}": left[j] for j in range(STRIDES + 2)},
        "boards": jnp.sum(trace[1:-1]) / jnp.sum(trace[1:]),
        "even": jnp.sum(many[1:-1]) / (PIXELS - 1),
    }


def lattice_faders(start: Mapping[str, Any] | None = None) -> Explorer:
    """A kernel between 16 x 16 pixels built out of combs, and the order in which it learns.

    Arguments:
        start: what to begin with, such as `{"two": 0, "time": 4}`.
    """
    return Explorer(
        title="Build a kernel out of combs",
        slug="faders",
        axes=[
            Axis("constant", "w₀: every pixel", LOUD, 0.25, format=".2f"),
            Axis("two", "w₁: distances divisible by 2", LOUD, 0.45, format=".2f"),
            Axis("four", "w₂: divisible by 4", LOUD, 0.42, format=".2f"),
            Axis("own", "w: the pixel itself", (0.1, *LOUD[1:]), 1.19, format=".2f"),
            Axis("time", "time of learning, in 1/Θ(p, p)", TIMES, 0.125, format=".2f"),
            Choice("target", "picture to learn", tuple(TARGETS)),
        ],
        start=start,
        compute=learned,
        compiled=True,
        view=[
            Image(
                pixels="row",
                label="kernel with the pixel in the middle, over its own",
                shades="violet",
                value_range=(0, 1),
                title="A row of the kernel",
            ),
            Image(
                pixels="pictures",
                panels=("target", "learned so far"),
                label="grey level",
                value_range=(-0.25, 1.25),
                title="What it learns first",
            ),
        ],
        numbers=["left0", "left1", "left2", "left3", "boards", "even"],
        readout=(
            "Of the error there is left {left0:.0%} in the mean, {left1:.0%} in the images of "
            "period 2, {left2:.0%} in those of period 4, {left3:.0%} in all others. Checkerboards "
            "have {boards:.0%} of what varies; {even:.0%} would be no preference."
        ),
        alt=(
            "Left, a row of the kernel as a picture: a comb of period 2, a comb of period 4, one "
            "dark pixel. Right, a target, and what gradient flow has made of it so far."
        ),
    )
