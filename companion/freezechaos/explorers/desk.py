"""The explorer of learning rates by layer: faders, what the loudest pattern is, what is drawn."""

from collections.abc import Mapping
from functools import cache
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from freezechaos import deconvolution, dynamics, regimes
from freezechaos.explorers import layerwise
from freezechaos.explorers.axes import Axis, Choice
from freezechaos.explorers.explorer import Explorer
from freezechaos.explorers.fully_connected import named_activation
from freezechaos.explorers.positions import BETAS, PHASE
from freezechaos.explorers.readout import Bands
from freezechaos.explorers.views import Curves, Guide, Image

STEPS = tuple(map(float, (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512)))
GAMMAS = (0.0, 0.25, 0.5, 0.75, 1.0, 1.5)
FADER = (0.0, 0.25, 0.5, 0.75, 1.0)
CHANNELS = ("layer 0", "layer 1", "layer 2", "last bias")
NAMES = ("no channel", "layer 0", "layer 1", "the weights of layer 2", "the last bias")
QUIETEST, LEAST, SILENT = 0.01, 1e-4, 1e-6
PLACES = np.array([-0.5, *(c + part for c in range(4) for part in (-0.34, -0.02, 0.02, 0.34)), 4.6])


@cache
def picture() -> Float[np.ndarray, "32 32"]:
    """What is learned, between -1 and 1."""
    return layerwise.task(layerwise.SETS[0]).targets[0]


def meters(loudest: Float[Array, "4"], drawn: Float[Array, "4"]) -> Float[Array, "2 points"]:
    """Two bars for each channel, as steps over `PLACES` that start and end at the bottom."""
    bottom = jnp.full(4, QUIETEST)
    left = jnp.stack([loudest, bottom, bottom, bottom], axis=1)
    right = jnp.stack([bottom, bottom, drawn, bottom], axis=1)
    bars = jnp.stack([left.ravel(), right.ravel()])
    return jnp.maximum(jnp.pad(bars, ((0, 0), (1, 1))), QUIETEST)


def stretched(images: Float[Array, "4 32 32"], loud: Float[Array, "4"]) -> Array:
    """Each over its largest value; where that is less than a thousandth of `loud`, over this.

    So a channel that has nothing left to add shows grey, not its rounding.
    """
    largest = jnp.maximum(jnp.max(jnp.abs(images), axis=(1, 2)), 1e-3 * loud)
    return images / jnp.maximum(largest, 1e-30)[:, None, None]


def left_of(missing: Float[Array, "times 32 32"], target: Float[Array, "32 32"]) -> Array:
    """The share of the loss that is left."""
    return jnp.sum(missing**2, axis=(1, 2)) / jnp.sum(target**2)


def desk(
    beta: Array, gamma: Array, zero: Array, one: Array, two: Array, last: Array, steps: Array,
    activation: str,
) -> dict[str, Array]:  # fmt: skip
    """How a picture is learned at these rates, and which layer does what."""
    stack, sigma = layerwise.task(layerwise.SETS[0]).stack, named_activation(activation)
    target = jnp.asarray(picture(), jnp.float32)
    parts = deconvolution.lattices(stack, sigma, beta)
    faders = jnp.stack([zero, zero, one, one, two, last]).reshape(3, 2)
    rates = faders * deconvolution.learning_rates(stack, gamma)
    times = jnp.append(jnp.asarray(STEPS, jnp.float32), steps)

    def trained(factors: Array) -> tuple[deconvolution.Loudest, dynamics.Followed]:
        mixed = parts.mixed(factors)
        top = mixed.loudest()
        steps = times / jnp.maximum(top.value, SILENT)
        return top, dynamics.followed(mixed.times, target, top.value, steps)

    top, run = trained(rates)
    _, plain = trained(jnp.ones((3, 2)))
    varying = target - jnp.mean(target)
    missing = run.missing[-1]

    def by_channel(each: Array) -> Array:
        """Weights and biases of a layer as one channel, but those of the last."""
        return jnp.concatenate([jnp.sum(each[:2], axis=1), each[2]])

    def shaped(each: Array) -> Array:
        return rates.reshape(3, 2, *(1,) * (each.ndim - 2)) * each

    loud = by_channel(shaped(parts.within(top.image)))
    drawn = by_channel(shaped(parts.within(varying))) / jnp.sum(varying**2)
    moved = jnp.sqrt(jnp.maximum(by_channel(rates**2 * parts.within(run.pulled[-1])), 0))
    adds = by_channel(shaped(parts.times(missing)))
    losses = [left_of(each.missing, target) for each in (run, plain)]
    silent = top.value < SILENT
    return {
        "pictures": jnp.stack([target, target - missing]),
        "adds": stretched(adds, loud),
        "moved": moved,
        "meters": meters(loud, drawn),
        "loss": jnp.maximum(jnp.stack([each[:-1] for each in losses[::-1]]), LEAST),
        "loud": top.value,
        "needle": jnp.maximum(top.value, QUIETEST),
        "speed": jnp.maximum(jnp.sum(drawn), QUIETEST),
        "share": jnp.where(silent, 0, jnp.sum(drawn) / jnp.maximum(top.value, SILENT)),
        "most": jnp.max(loud) / jnp.maximum(top.value, SILENT),
        "who": jnp.where(silent, -1, jnp.argmax(loud)).astype(jnp.float32),
        "left": losses[0][-1],
        "alike": losses[1][-1],
        "r": regimes.characteristic_value(sigma, beta),
    }


def mixing_desk(start: Mapping[str, Any] | None = None) -> Explorer:
    """A wide generator that learns a picture, a learning rate for each layer.

    Arguments:
        start: what to begin with, such as `{"gamma": 0.5, "steps": 64}` or `{"last": 0}`.
    """
    return Explorer(
        title="A mixing desk of learning rates",
        slug="desk",
        axes=[
            Axis("gamma", "rates by layer, γ", GAMMAS, 0.0, format=".2f"),
            Axis("beta", "bias share β", BETAS, 0.5, format=".2f"),
            Axis("zero", "fader: layer 0", FADER, 1.0, format=".2f"),
            Axis("one", "fader: layer 1", FADER, 1.0, format=".2f"),
            Axis("two", "fader: weights of layer 2", FADER, 1.0, format=".2f"),
            Axis("last", "fader: last bias", FADER, 1.0, format=".2f"),
            Axis("steps", "training steps", STEPS, 32.0, step=True, format=".0f"),
            Choice("activation", "activation", options=("relu", "normalized relu")),
        ],
        start=start,
        compute=desk,
        compiled=True,
        view=[
            Image(
                pixels="pictures",
                label="grey level",
                panels=("target", "drawn so far"),
                value_range=(-1, 1),
                title="What is drawn",
            ),
            Curves(
                x=PLACES,
                y="meters",
                x_label="",
                y_label="speed",
                series=("on the loudest pattern", "on the picture"),
                colors=("violet", "green"),
                styles=("bars", "bars"),
                x_range=(-0.5, 4.6),  # room for what the lines are called
                x_ticks=(0, 1, 2, 3),
                x_names=CHANNELS,
                y_scale="log",
                y_range=(QUIETEST, 2e4),
                guides=[Guide("λ₁", y="needle"), Guide("the picture", y="speed")],
                title="The needle",
            ),
            Image(
                pixels="adds",
                label="each over its largest",
                panels=CHANNELS,
                values="moved",
                format=".1f",
                value_range=(-1, 1),
                columns=2,
                title="Adds next; moved so far",
            ),
            Curves(
                x=STEPS,
                y="loss",
                x_label="steps of 1 / λ₁",
                y_label="share of the loss left",
                series=("all alike", "this desk"),
                colors=("edge", "violet"),
                styles=("dashed", "line"),
                x_scale="log",
                y_scale="log",
                x_ticks=[1, 8, 64, 512],
                y_range=(LEAST, 1),
                guides=[Guide(x="steps")],
                title="The loss",
            ),
        ],
        numbers=["loud", "share", "most", "who", "left", "alike", "r"],
        words={
            "regime": PHASE,
            "whom": Bands("who", (-0.5, 0.5, 1.5, 2.5), NAMES),
        },
        readout=(
            "{activation}, β = {beta:.2f}: r = {r:.2f}, {regime}. λ₁ = {loud:.3g}, {most:.0%} "
            "of it from {whom}; the picture is learned at {share:.1%} of λ₁. After {steps:.0f} "
            "steps {left:.1%} of the loss is left; with all rates alike, {alike:.1%}."
        ),
        alt=(
            "A target and what a generator has drawn of it; as bars on a logarithmic scale, what "
            "three layers and the last bias add to the speed of the loudest pattern and of the "
            "picture; what each adds next, and how far it has moved; and the share of the loss "
            "that is left against the steps, beside that with all rates alike."
        ),
    )
