"""The explorer of newborn generators: drawn one after the other, until a frame shows."""

from collections.abc import Mapping
from functools import cache
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key

from freezechaos import deconvolution, networks
from freezechaos.explorers.axes import Axis, Choice
from freezechaos.explorers.borders import SIDE, START, generator
from freezechaos.explorers.fully_connected import named_activation
from freezechaos.explorers.live import Live
from freezechaos.explorers.positions import PARAMETRIZATIONS
from freezechaos.explorers.views import Curves, Image
from freezechaos.graphs import Parametrization

CHANNELS = (8, 16, 16, 16, 16, 16, 16)
ACTIVATION = "erf"
BETAS = (0.0, 0.1, 0.5)
KINDS: dict[str, Parametrization] = dict(
    zip(PARAMETRIZATIONS, ("graph", "usual", "gain"), strict=True)
)
TURNS = 200


class Seen(NamedTuple):
    """What has been drawn so far.

    Attributes:
        key: of the next generator.
        picture: of the last.
        squares: sum of the squares of all channels of all.
        drawn: how many generators.
        theory: variance of every pixel at infinite width.
    """

    key: Key[Array, ""]
    picture: Float[Array, "rows columns"]
    squares: Float[Array, "rows columns"]
    drawn: Int[Array, ""]
    theory: Float[Array, "rows columns"]


@cache
def variances(parametrization: str, beta: float) -> np.ndarray:
    """Of every pixel at infinite width."""
    stack = generator("window 4", 1, KINDS[parametrization])
    with jax.ensure_compile_time_eval():
        both = deconvolution.diagonals(stack, named_activation(ACTIVATION), beta)
    return np.asarray(both.sigma)


def begin(seed: Array, parametrization: str, beta: float) -> Seen:
    """Before the first."""
    blank = jnp.zeros((SIDE, SIDE))
    theory = jnp.asarray(variances(parametrization, beta), jnp.float32)
    return Seen(jax.random.key(seed), blank, blank, jnp.zeros((), jnp.int32), theory)


def advance(seen: Seen, parametrization: str, beta: float) -> Seen:
    """One generator more, and one latent grid for it."""
    key, one, other = jax.random.split(seen.key, 3)
    latent = networks.on_sphere(jax.random.normal(one, (START**2, CHANNELS[0])))
    network = networks.Deconvolutional(
        generator("window 4", 1, KINDS[parametrization]),
        CHANNELS, named_activation(ACTIVATION), beta, key=other,
    )  # fmt: skip
    pictures = network(latent.reshape(1, START, START, -1))[0]
    squares = seen.squares + jnp.mean(pictures**2, axis=-1)
    return Seen(key, pictures[..., 0], squares, seen.drawn + 1, seen.theory)


def look(seen: Seen) -> dict[str, Array]:
    """The last picture, the mean square of all so far, and what theory says of it."""
    count = jnp.maximum(seen.drawn, 1).astype(jnp.float32)
    largest = jnp.max(seen.theory)
    energy, theory = seen.squares / count / largest, seen.theory / largest
    middle = slice(SIDE // 2 - 4, SIDE // 2 + 4)

    def corner(picture: Array) -> Array:
        ends = jnp.stack([picture[down, along] for down in (0, -1) for along in (0, -1)])
        return jnp.mean(ends) / jnp.maximum(jnp.mean(picture[middle, middle]), 1e-6)

    row = SIDE // 2 - 1
    return {
        "picture": jnp.clip(seen.picture / jnp.sqrt(largest), -2.5, 2.5),
        "energy": jnp.clip(energy, 0, 1.5),
        "row": jnp.clip(jnp.stack([(energy[row] + energy[row + 1]) / 2, theory[row]]), 0, 2),
        "count": seen.drawn.astype(jnp.float32),
        "corner": corner(energy),
        "theory": corner(theory),
    }


def newborn_frames(start: Mapping[str, object] | None = None) -> Live:
    """Random generators, one after the other, and the mean square of all their pictures.

    Arguments:
        start: what to begin with, such as `{"parametrization": "graph-based"}`.
    """
    return Live(
        title="Draw generators until the frame appears",
        slug="newborn",
        axes=[
            Choice("parametrization", "parametrization", PARAMETRIZATIONS, "usual"),
            Axis("beta", "bias share β", BETAS, 0.1, static=True, format=".1f"),
            Axis("seed", "first draw", list(range(1, 51)), step=True),
        ],
        start=start,
        begin=begin,
        advance=advance,
        look=look,
        turns=TURNS,
        turn="one generator",
        poster=1,
        pace=20,
        view=[
            Image(
                pixels="energy",
                label="over the largest of theory",
                value_range=(0, 1.5),
                title="Mean square of all so far",
            ),
            Image(
                pixels="picture",
                label="one channel, in standard deviations",
                value_range=(-2.5, 2.5),
                title="The last generator's picture",
            ),
            Curves(
                x=np.arange(SIDE),
                y="row",
                x_label="pixel of the middle rows",
                y_label="over the largest of theory",
                series=("drawn", "theory"),
                styles=("steps", "line"),
                colors=("green", "violet"),
                x_ticks=[0, 8, 16, 24, 31],
                y_range=(0, 2),
                title="The middle rows",
            ),
        ],
        numbers=["count", "corner", "theory"],
        readout=(
            "{parametrization}, β = {beta:.1f}. Generators drawn: {count:.0f}. The corners have "
            "{corner:.0%} of the mean square in the middle; at infinite width it is {theory:.0%}."
        ),
        alt=(
            "Left, the mean square of the pictures of all generators so far, pixel by pixel. In "
            "the middle, the noise that the last of them draws. Right, the mean square along the "
            "middle of the picture, beside what theory says."
        ),
    )
