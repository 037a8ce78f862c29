"""A deep network in training on images, in freeze, at the edge or in chaos, while you look."""

from collections.abc import Mapping, Sequence
from functools import cache, partial
from typing import Any, NamedTuple, cast

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, UInt8

from freezechaos import activations, data, dynamics, empirical, kernels, networks, regimes
from freezechaos.explorers.axes import Axis
from freezechaos.explorers.live import Live
from freezechaos.explorers.readout import Bands
from freezechaos.explorers.views import Curves, Guide, Image

SIN = activations.normalized("sin")
IMAGES, UNSEEN, KINDS = 100, 200, 10
BETAS = tuple(k / 10 for k in range(10))
DEPTHS = (4, 8, 16, 32)
WIDTHS = (32, 128, 256)  # none of them 64, as many as there are pixels: all share one code
RATES = (0.25, 0.5, 1.0, 2.0)  # of the largest stable one at birth
PACE, TURNS = 4, 64  # steps between two looks, and looks
GREYS = 15  # the whitest of as many as fit into half a byte
DRAWS = 8  # functions at birth of the networks of infinite width
OCTAVE = 4  # times in a doubling of 1 + time, where infinite width is worked out
TIMES = 2 ** (np.arange(9 * OCTAVE + 1) / OCTAVE) - 1  # in steps at the largest stable rate
LEAST, MOST = 1e-2, 10.0  # what the axis of losses spans
MEAN = (1 - 1 / KINDS) / 2  # the loss of who answers the mean of the targets everywhere


class Run(NamedTuple):
    """A network in training, its largest stable rate, and what was seen, one entry a look."""

    network: networks.Scanned
    largest: Array
    turn: Array
    time: Array
    right: Float[Array, "4 looks"]
    losses: Float[Array, "2 looks"]
    answers: Array


@cache
def packed() -> tuple[UInt8[np.ndarray, "images 32"], np.ndarray]:
    """Images to learn and then unseen ones, two pixels a byte, and what kind each is."""
    parts = data.load("digits", count=IMAGES), data.load("digits", "test", count=UNSEEN)
    greys = [np.rint((part.flat + 1) * GREYS / 2).astype(np.uint8) for part in parts]
    labels = [np.asarray(part.labels, np.uint8) for part in parts]
    pairs = np.concatenate(greys)
    return pairs[:, ::2] << 4 | pairs[:, 1::2], np.concatenate(labels)


def pixels() -> Float[Array, "images 64"]:
    """In [0, 1]."""
    pairs = jnp.asarray(packed()[0])
    greys = jnp.stack([pairs >> 4, pairs & GREYS], axis=-1)
    return greys.reshape(len(pairs), -1).astype(jnp.float32) / GREYS


def inputs() -> tuple[Float[Array, "n 64"], Float[Array, "m 64"]]:
    """Training images and unseen ones, on the sphere."""
    x = networks.on_sphere(2 * pixels() - 1)
    return x[:IMAGES], x[IMAGES:]


def targets() -> tuple[Float[Array, "n kinds"], Float[Array, "m kinds"]]:
    """0.9 for the kind of an image, -0.1 for the others."""
    labels = packed()[1].astype(np.int32)
    return dynamics.one_hot(labels[:IMAGES], KINDS), dynamics.one_hot(labels[IMAGES:], KINDS)


def firsts() -> tuple[np.ndarray, np.ndarray]:
    """The first training image and the first unseen one of each kind, by their numbers."""
    labels = packed()[1]
    trained, unseen = (
        np.array([np.argmax(part == kind) for kind in range(KINDS)])
        for part in (labels[:IMAGES], labels[IMAGES:])
    )
    return trained, unseen + IMAGES


@cache
def at_infinite_width(depth: int) -> tuple[np.ndarray, np.ndarray]:
    """For each beta the largest stable rate, and shares of images right [2, times]."""
    labels = packed()[1].astype(np.int32)
    rates, shares = [], []
    with jax.ensure_compile_time_eval():
        x, unseen = inputs()
        y, _ = targets()
        for beta in BETAS:
            scale = float(jnp.exp(kernels.log_ntk_diagonal(SIN, beta, depth)))
            gram, cross = (
                scale * np.asarray(kernels.gram(SIN, beta, depth, z, x)) for z in (x, unseen)
            )
            everything = jnp.concatenate([x, unseen])
            born = kernels.draw(SIN, beta, depth, everything, KINDS * DRAWS, key=jax.random.key(0))
            flow = dynamics.flow(
                gram, jnp.tile(y, DRAWS), cross,
                initial=born[:, :IMAGES].T, test_initial=born[:, IMAGES:].T,
            )  # fmt: skip
            rates.append(dynamics.largest_learning_rate(gram))
            times = TIMES * rates[-1]
            both = (flow.train(times), labels[:IMAGES]), (flow.test(times), labels[IMAGES:])
            shares.append([_share(outputs, known) for outputs, known in both])
    return np.array(rates, np.float32), np.array(shares, np.float32)


def _share(outputs: Array, labels: np.ndarray) -> np.ndarray:
    """Mean over the draws of the accuracy of [times, n, draws * kinds]."""
    apart = outputs.reshape(*outputs.shape[:2], DRAWS, KINDS).swapaxes(1, 2)
    return np.asarray(dynamics.accuracy(apart, labels)).mean(axis=1)


def predicted(time: Array, beta: Array, depth: int) -> Float[Array, "2"]:
    """What networks of infinite width have right by then, of both kinds of images."""
    rates, shares = at_infinite_width(depth)
    row = jnp.round(beta * len(BETAS)).astype(jnp.int32)
    place = OCTAVE * jnp.log2(1 + time / jnp.asarray(rates)[row])
    place = jnp.clip(place, 0, len(TIMES) - 1.001)
    before = place.astype(jnp.int32)
    curve = jnp.asarray(shares)[row]
    part = place - before.astype(place.dtype)
    return (1 - part) * curve[:, before] + part * curve[:, before + 1]


def begin(seed: Array, beta: Array, depth: int, width: int) -> Run:
    """A network just drawn, and the largest rate at which it does not diverge at once."""
    draw, power = jax.random.split(jax.random.key(seed))
    x, _ = inputs()
    network = networks.Scanned([x.shape[1], *[width] * (depth - 1), KINDS], SIN, beta, key=draw)
    largest = empirical.largest_learning_rate(network, x, key=power)
    run = Run(
        network, largest, jnp.zeros((), jnp.int32), jnp.zeros(()),
        jnp.zeros((4, TURNS + 1)), jnp.zeros((2, TURNS + 1)), jnp.zeros(KINDS, jnp.int32),
    )  # fmt: skip
    return seen(run, depth)


def seen(run: Run, depth: int) -> Run:
    """With what is to be seen now at the end of its curves."""
    (x, unseen), both = inputs(), targets()
    outputs = run.network(x), run.network(unseen)
    labels = packed()[1].astype(np.int32)
    known = labels[:IMAGES], labels[IMAGES:]
    right = [dynamics.accuracy(f, y) for f, y in zip(outputs, known, strict=True)]
    losses = [jnp.sum((f - y) ** 2) / (2 * len(f)) for f, y in zip(outputs, both, strict=True)]
    foreseen = predicted(run.time, run.network.beta, depth)
    shares = jnp.nan_to_num(jnp.stack([*right, *foreseen]))  # none, where outputs are none
    later = jnp.arange(TURNS + 1) >= run.turn  # the curves' ends, until they are reached
    return run._replace(
        right=jnp.where(later, shares[:, None], run.right),
        losses=jnp.where(later, jnp.stack(losses)[:, None], run.losses),
        answers=jnp.argmax(outputs[1][firsts()[1] - IMAGES], axis=1).astype(jnp.int32),
    )


def advance(run: Run, rate: Array, depth: int) -> Run:
    """After `PACE` steps of gradient descent."""
    x, _ = inputs()
    eta = rate * run.largest
    trained = empirical.train(
        run.network, x, targets()[0], learning_rate=eta, steps=PACE, record=PACE
    )
    network = cast(networks.Scanned, trained.network)
    run = run._replace(network=network, turn=run.turn + 1, time=run.time + PACE * eta)
    return seen(run, depth)


def look(run: Run) -> dict[str, Array]:
    """The ten answers, the curves, and where they end."""
    steps = PACE * jnp.minimum(jnp.arange(TURNS + 1), run.turn).astype(jnp.float32)
    fitted, right, wide_fitted, wide_right = run.right[:, TURNS]
    return {
        "pictures": sheet(run.answers),
        "answers": run.answers.astype(jnp.float32),
        "past": jnp.broadcast_to(steps, (4, TURNS + 1)),
        "shares": run.right,
        "both_past": jnp.stack([steps, steps]),
        "losses": jnp.clip(jnp.nan_to_num(run.losses, nan=MOST), LEAST, MOST),
        "steps": steps[TURNS],
        "fitted": fitted,
        "right": right,
        "wide_fitted": wide_fitted,
        "wide_right": wide_right,
        "hits": jnp.sum(run.answers == jnp.arange(KINDS)).astype(jnp.float32),
        "r": regimes.characteristic_value(SIN, run.network.beta),
        "fate": fate(fitted, right, run.losses[0, TURNS]),
        **{f"of_{k}": run.answers[k].astype(jnp.float32) for k in range(KINDS)},
    }


def fate(fitted: Array, right: Array, loss: Array) -> Array:
    """0: diverged, 1: nothing learned, 2: the mean, 3: on the way, 4: by heart, 5: new ones too."""
    little = jnp.where(loss < 1.1 * MEAN, 2, 1)
    by_heart = jnp.where((fitted > 0.9) & (right < 0.25), 4, 3)
    learned = jnp.where(right > 0.4, 5, by_heart)
    converging = jnp.where(fitted < 0.3, little, learned)
    return jnp.where(loss < MOST, converging, 0).astype(jnp.float32)


def sheet(answers: Array) -> Float[Array, "kinds rows columns"]:
    """Each picture beside a training image of the kind that it is taken for; wrong ones faded."""
    known = pixels().reshape(-1, 8, 8)
    trained, unseen = firsts()
    wrong = (answers != jnp.arange(KINDS))[:, None, None]
    taken = known[jnp.asarray(trained)[answers]]
    taken = jnp.where(wrong, 0.7 + 0.3 * taken, taken)
    return jnp.concatenate([known[unseen], jnp.ones((KINDS, 8, 1)), taken], axis=2)


def trainability_on_digits(
    widths: Sequence[int] = WIDTHS,
    depths: Sequence[int] = DEPTHS,
    poster: int = TURNS // 2,
    start: Mapping[str, Any] | None = None,
) -> Live:
    """A deep network that learns a hundred digits in the page, in freeze, at the edge, in chaos.

    Arguments:
        widths: of all hidden layers, two or more.
        depths: numbers of affine maps, 4 or more each, 16 among them.
        poster: looks of the run whose picture is there before anything runs.
        start: what to begin with, such as `{"beta": 0.1, "seed": 3}`.
    """
    curves = partial(Curves, x_label="steps of gradient descent", x_range=(0, PACE * TURNS))
    return Live(
        title="A deep network learns a hundred digits",
        slug="digits",
        axes=[
            Axis("beta", "bias share β", values=list(BETAS), start=0.5, step=True, format=".1f"),
            Axis("depth", "depth L", values=list(depths), start=16, static=True),
            Axis("width", "width n", values=list(widths), start=widths[1], static=True),
            Axis("rate", "rate / largest stable one", list(RATES), 1.0, step=True),
            Axis("seed", "seed", values=list(range(10)), step=True),
        ],
        start=start,
        begin=begin,
        advance=advance,
        look=look,
        turns=TURNS,
        turn=f"{PACE} steps",
        poster=poster,
        view=[
            Image(
                pixels="pictures", values="answers", format=".0f", label="grey",
                value_range=(0, 1), columns=3, panels=[f"{k} →" for k in range(KINDS)],
                title="New images, and its answers",
            ),
            curves(
                x="past", y="shares", y_label="images right", y_range=(0, 1.02),
                series=("training images", "new images", "infinite width", "infinite width"),
                colors=("green", "violet", "green", "violet"),
                styles=("line", "line", "dashed", "dashed"),
                guides=[Guide("at chance", y=1 / KINDS)], title="What it gets right",
            ),
            curves(
                x="both_past", y="losses", y_label="loss", y_range=(LEAST, MOST), y_scale="log",
                series=("training images", "new images"), colors=("green", "violet"),
                guides=[Guide("the mean alone", y=MEAN)], title="Loss",
            ),
        ],
        numbers=[
            "steps", "fitted", "right", "wide_fitted", "wide_right", "hits", "r", "fate",
            *(f"of_{k}" for k in range(KINDS)),
        ],
        words={
            "regime": Bands("r", [0.95, 1.05], ["freeze", "near the edge", "chaos"]),
            "verdict": Bands(
                "fate", [0.5, 1.5, 2.5, 3.5, 4.5],
                [
                    "has diverged",
                    "has learned next to nothing",
                    "has learned the mean, and next to nothing else",
                    "is on its way",
                    "knows its own images by heart, and next to nothing of others",
                    "has learned what holds for new images too",
                ],
            ),
        },
        readout=(
            "β = {beta:.1f}, r = {r:.2f}, {regime}; depth {depth:.0f}, width {width:.0f}, seed "
            f"{{seed:.0f}}. After {{steps:.0f}} steps the network {{verdict}}: of its {IMAGES} "
            f"images it has {{fitted:.0%}} right, of {UNSEEN} new ones {{right:.0%}}; networks of "
            "infinite width {wide_fitted:.0%} and {wide_right:.0%}. It takes the ten pictures for "
            + ", ".join(f"{{of_{k}:.0f}}" for k in range(KINDS))
            + ": {hits:.0f} are right."
        ),
        alt=(
            "Ten digits that the network has not seen, each beside a digit of the kind that it is "
            "taken for, faded where that is wrong. Beside them two charts over the training steps: "
            "the share of training images and of new images that are right, of this network and "
            "of networks of infinite width; and the loss on both."
        ),
    )  # fmt: skip
