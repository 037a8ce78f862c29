"""A finite network in training, beside the function of infinite width at the same time."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import NamedTuple, cast

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from freezechaos import activations, dynamics, empirical, kernels, networks
from freezechaos.explorers.axes import Axis
from freezechaos.explorers.live import Live
from freezechaos.explorers.readout import Bands
from freezechaos.explorers.views import Curves

WIDTHS = (16, 32, 64, 128, 256, 512, 1024, 2048)
BETA, DEPTH = 0.3, 3
SEEN = np.array([-150.0, -100, -60, -20, 30, 70, 110, 160])  # degrees, as in the chapter
LABELS = np.array([1.0, 1, -1, -1, 1, -1, -1, 1], np.float32)
DEGREES = np.linspace(-180, 180, 73)
PACE, TURNS = 4, 200  # steps between two looks, and looks
LEAST = 1e-3  # what the curves begin with
ERF = activations.standardized("erf")


class Race(NamedTuple):
    """A network in training, how it was born, and what was seen on the way, one entry a look."""

    network: networks.FullyConnected
    kernel: Array
    start: Array
    test_start: Array
    turn: Array
    time: Array
    apart: Array
    moved: Array


def inputs() -> tuple[Array, Array]:
    """Training inputs, and inputs all round the circle."""
    return networks.circle(np.deg2rad(SEEN)), networks.circle(np.deg2rad(DEGREES))


@cache
def wide() -> dynamics.GradientFlow:
    """The network of infinite width in training, from 0 on."""
    with jax.ensure_compile_time_eval():
        scale = jnp.exp(kernels.log_ntk_diagonal(ERF, BETA, DEPTH))
        gram, cross = (
            scale * kernels.ntk(ERF, BETA, DEPTH, jnp.cos(jnp.deg2rad(x[:, None] - SEEN)))
            for x in (SEEN, DEGREES)
        )
        return dynamics.flow(gram, LABELS, cross)


def predicted(race: Race) -> Array:
    """What infinite width has made, by now, of the function that the network was born with."""
    flow = wide()
    missing = flow.vectors.T @ (LABELS - race.start)[:, None]
    own = eqx.tree_at(
        lambda f: (f.missing, f.initial, f.test_initial),
        flow,
        (missing, race.start[:, None], race.test_start[:, None]),
    )
    return own.test(race.time)


def begin(seed: Array, width: int) -> Race:
    """A network of that width, just drawn."""
    points, circle = inputs()
    network = networks.FullyConnected([2, width, width, 1], ERF, BETA, key=jax.random.key(seed))
    history = jnp.zeros(TURNS + 1)
    return Race(
        network, empirical.ntk(network, points), network(points)[:, 0], network(circle)[:, 0],
        jnp.zeros((), jnp.int32), jnp.zeros(()), history, history,
    )  # fmt: skip


def advance(race: Race, rate: Array) -> Race:
    """After `PACE` steps of gradient descent."""
    points, circle = inputs()
    trained = empirical.train(race.network, points, LABELS, learning_rate=rate, steps=PACE).network
    network = cast(networks.FullyConnected, trained)
    kernel, turn = empirical.ntk(network, points), race.turn + 1
    race = race._replace(network=network, turn=turn, time=race.time + PACE * rate)
    moved = jnp.linalg.norm(kernel - race.kernel) / jnp.linalg.norm(race.kernel)
    apart = jnp.sqrt(jnp.mean((network(circle)[:, 0] - predicted(race)) ** 2))
    later = jnp.arange(TURNS + 1) >= turn  # the curves' ends, until they are reached
    return race._replace(
        apart=jnp.where(later, apart, race.apart),
        moved=jnp.where(later, moved, race.moved),
    )


def look(race: Race) -> dict[str, Array]:
    """The two functions and the labels, and how far all has come."""
    _, circle = inputs()
    repeated = np.arange(len(DEGREES)) % len(SEEN)
    x = np.stack([DEGREES, DEGREES, SEEN[repeated]])
    function = race.network(circle)[:, 0]
    steps = PACE * jnp.minimum(jnp.arange(TURNS + 1), race.turn).astype(jnp.float32)
    return {
        "x": jnp.asarray(x, jnp.float32),
        "y": jnp.stack([function, predicted(race), jnp.asarray(LABELS[repeated])]),
        "past": jnp.stack([steps, steps]),
        "distances": jnp.maximum(jnp.stack([race.apart, race.moved]), LEAST),
        "steps": steps[TURNS],
        "time": race.time,
        "apart": race.apart[race.turn],
        "moved": race.moved[race.turn],
    }


def race_on_the_circle(
    widths: Sequence[int] = WIDTHS, start: Mapping[str, object] | None = None
) -> Live:
    """A network of any width that trains in the page, and the prediction that it follows or not.

    Arguments:
        widths: of both hidden layers, two or more.
        start: what to begin with, such as `{"width": 64, "seed": 3}`.
    """
    return Live(
        title="The race",
        slug="race",
        axes=[
            Axis("width", "width n", values=list(widths), start=widths[2], static=True),
            Axis("seed", "seed", values=list(range(10)), step=True),
            Axis("rate", "learning rate η", values=[0.05, 0.1, 0.2, 0.4], start=0.1, step=True),
        ],
        start=start,
        begin=begin,
        advance=advance,
        look=look,
        turns=TURNS,
        turn=f"{PACE} steps",
        view=[
            Curves(
                x="x",
                y="y",
                x_label="angle on the circle (degrees)",
                y_label="output",
                series=("network", "prediction", "labels"),
                colors=("violet", "ink", "ochre"),
                styles=("line", "dashed", "dots"),
                x_range=(-180, 180),
                x_ticks=[-180, -90, 0, 90, 180],
                y_range=(-2.6, 2.6),
                title="Two functions at the same time",
            ),
            Curves(
                x="past",
                y="distances",
                x_label="steps of gradient descent",
                y_label="distance",
                series=("f from prediction", "Θ from its start"),
                colors=("violet", "green"),
                x_range=(0, PACE * TURNS),
                x_ticks=[0, 200, 400, 600, 800],
                y_range=(LEAST, 3),
                y_scale="log",
                title="How far apart",
            ),
        ],
        numbers=["steps", "time", "apart", "moved"],
        words={
            "verdict": Bands(
                "apart",
                [0.05, 0.2],
                ["keeps to its prediction", "strays from its prediction", "goes its own way"],
            )
        },
        readout=(
            "Width {width:.0f}, after {steps:.0f} steps (time {time:.3g}): the network {verdict}, "
            "{apart:.2g} away (root mean square round the circle); its kernel Θ has moved by "
            "{moved:.1%}."
        ),
        alt=(
            "Left, the function that a finite network has learned from eight points on a circle, "
            "and the one predicted for infinite width. Right, over the steps, the distance of "
            "the two, and how far the tangent kernel has moved."
        ),
    )
