"""The game of the two networks, played in the page: a generator trains while you look.

Of each kind of network one is compiled; the bias share is turned by its factors. Adam's averages
go on at every step, whichever optimizer makes it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache, partial
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, UInt8

from freezechaos import activations, data, networks, regimes
from freezechaos.explorers.axes import Axis, Choice
from freezechaos.explorers.films import mosaic
from freezechaos.explorers.live import Live
from freezechaos.explorers.readout import Bands
from freezechaos.explorers.views import Curves, Guide, Image
from freezechaos.gan import game, indicators
from freezechaos.gan.experiments import EXPERIMENTS
from freezechaos.gan.losses import LOSSES
from freezechaos.gan.presets import Preset

NAME, CHANGES = "optimizers", "freeze, descent 0.2"
KINDS = {"ReLU": "freeze", "normalized ReLU": "chaos", "ReLU, batch norm": "batch norm"}
BETAS = [k / 20 for k in range(19)]
OPTIMIZERS = ("descent", "Adam")
RATES = (2e-4, 0.001, 0.01, 0.05, 0.1, 0.2, 0.4, 0.8)
STEPS = 480
IMAGES, MEASURED, SHOWN = 400, 16, 9  # real ones in the page, and of each kind
GREYS = 15  # the whitest of as many as fit into half a byte
MEASURES = ("diversity", "accuracy", "lattice", "discriminator", "generator")
LEAST = 0.1  # of the lattice of real images, where the axis ends


class Play(NamedTuple):
    """A game and what belongs to it.

    Attributes:
        game: its state.
        rates: factors of the generator's learning rates, in gradient descent.
        r: characteristic value of the generator, as if it had no norm.
        drawn: images of the fixed latent vectors.
        past: what was seen, an entry a step.
    """

    game: game.State
    rates: Array
    r: Array
    drawn: Array
    past: Mapping[str, Array]


def preset(kind: str) -> Preset:
    """The runs of "Collapse in a minute", on digits, with the bias share of the headline."""
    rules = EXPERIMENTS[NAME].preset(CHANGES)
    regime = EXPERIMENTS["headline"].settings[KINDS[kind]]
    return replace(rules, data="digits", width=16, **regime)


@cache
def packed() -> UInt8[np.ndarray, "images 16 8"]:
    """Real images in sixteen greys, two pixels a byte."""
    known = data.load("digits", "train", count=IMAGES, size=16).images[..., 0]
    greys = np.rint((known + 1) * GREYS / 2).astype(np.uint8)
    return greys[..., ::2] << 4 | greys[..., 1::2]


def real_images() -> Float[Array, "images 16 16 1"]:
    """In [-1, 1]."""
    pairs = jnp.asarray(packed())
    greys = jnp.stack([pairs >> 4, pairs & GREYS], axis=-1)
    return greys.reshape(len(pairs), 16, 16, 1).astype(jnp.float32) / (GREYS / 2) - 1


@cache
def of_real_images() -> dict[str, float]:
    """Diversity and lattice of those that are measured."""
    with jax.ensure_compile_time_eval():
        shown = real_images()[:MEASURED]
        found = indicators.diversity(shown), indicators.lattice(shown).share
        return dict(zip(("diversity", "lattice"), map(float, found), strict=True))


def seen(state: game.State, rules: Preset) -> tuple[Array, dict[str, Array]]:
    """Images of the fixed latent vectors; measures of them, and of the game."""
    z = game.latents(game.keys(state.seed).fixed, MEASURED, rules.latent)
    drawn, loss = state.generator(z), LOSSES[rules.loss]
    logits = state.discriminator(real_images()[:MEASURED]), state.discriminator(drawn)
    return drawn, {
        "diversity": indicators.diversity(drawn),
        "accuracy": indicators.discriminator_accuracy(*logits),
        "lattice": indicators.lattice(drawn).share / of_real_images()["lattice"],
        "discriminator": loss.discriminator(*logits),
        "generator": loss.generator(*logits),
    }


def begin(seed: Array, beta: Array, kind: str) -> Play:
    """Two networks, just drawn."""
    rules = preset(kind)
    state = game.initial(rules, seed)
    network, rates = networks.with_beta(state.generator.network, beta)
    turned = eqx.tree_at(lambda one: one.network, state.generator, network)
    averages = adam(rules).init(eqx.filter(turned, eqx.is_array))
    state = eqx.tree_at(
        lambda one: (one.generator, one.average, one.optimizers), state,
        (turned, turned, (averages, state.optimizers[1])),
    )  # fmt: skip
    drawn, now = seen(state, rules)
    past = {k: jnp.full(STEPS + 1, value) for k, value in now.items()}
    sigma = activations.normalized if rules.normalized else activations.standardized
    r = regimes.characteristic_value(sigma(rules.activation), beta)
    return Play(state, rates, r, drawn, past)


def adam(rules: Preset) -> optax.GradientTransformation:
    """Adam's directions, uphill as slopes are."""
    return optax.scale_by_adam(b1=rules.momentum)


def either(
    optimizer: Array, rate: Array, factors: Array, rules: Preset
) -> optax.GradientTransformation:
    """Steps along the slopes or along Adam's directions, which go on in both.

    Arguments:
        optimizer: number in `OPTIMIZERS`, traced.
        rate: of all layers.
        factors: [layers, 2], of its rates in gradient descent, by `networks.with_beta`; those of
            Adam, whose directions do not grow with the slopes, are their roots.
        rules: the game's.
    """
    by_adam = optimizer == OPTIMIZERS.index("Adam")
    rates = rate * jnp.where(by_adam, jnp.sqrt(factors), factors)
    descent, _ = game.optimizers(rules, rates)

    def update(slopes: Any, state: Any, params: Any = None) -> tuple[Any, Any]:
        directions, state = adam(rules).update(slopes, state)
        chosen = jax.tree.map(partial(jnp.where, by_adam), directions, slopes)
        return descent.update(chosen, descent.init(chosen))[0], state

    return optax.GradientTransformation(adam(rules).init, update)


def advance(play: Play, optimizer: Array, rate: Array, kind: str) -> Play:
    """After one step of each network."""
    rules = preset(kind)
    chosen = either(optimizer, rate, play.rates, rules)
    state, _ = game.step(real_images(), play.game, rules, generator_optimizer=chosen)
    drawn, now = seen(state, rules)
    later = jnp.arange(STEPS + 1) >= state.step  # the curves' ends, until they are reached
    past = {k: jnp.where(later, value, play.past[k]) for k, value in now.items()}
    return play._replace(game=state, drawn=drawn, past=past)


def look(play: Play) -> dict[str, Array]:
    """The pictures, the curves, and where they end."""
    past = play.past
    steps = jnp.minimum(jnp.arange(STEPS + 1), play.game.step).astype(jnp.float32)
    pair = {"shares": ("diversity", "accuracy"), "losses": ("discriminator", "generator")}
    return {
        "pictures": jnp.stack([sheet(real_images()), sheet(play.drawn)]),
        "steps": steps,
        "both_steps": jnp.stack([steps, steps]),
        **{name: jnp.stack([past[k] for k in both]) for name, both in pair.items()},
        "woven": jnp.maximum(past["lattice"], LEAST),
        "step": steps[STEPS],
        "r": play.r,
        **{name: values[STEPS] for name, values in past.items()},
    }


def sheet(images: Float[Array, "n rows columns 1"]) -> Float[Array, "height width"]:
    """Those that are shown, in greys of [0, 1]."""
    return mosaic((images[:SHOWN, ..., 0] + 1) / 2, white=1)


def live_generator(
    kinds: Sequence[str] = tuple(KINDS),
    poster: int = 240,
    start: Mapping[str, Any] | None = None,
) -> Live:
    """A generator that trains in the page against a discriminator, in freeze or in chaos.

    Arguments:
        kinds: two or more of "ReLU", "normalized ReLU" and "ReLU, batch norm".
        poster: steps of the run whose picture is there before anything runs.
        start: what to begin with, such as `{"kind": "normalized ReLU", "beta": 0.1}`.
    """
    diversity = of_real_images()["diversity"]
    curves = partial(Curves, x_label="steps", x_range=(0, STEPS))
    return Live(
        title="A generator in training",
        slug="generator",
        axes=[
            Choice("kind", "network", options=tuple(kinds)),
            Axis("beta", "share of the bias β", values=BETAS, start=0.5, step=True),
            Axis("seed", "seed", values=list(range(10)), step=True),
            Choice("optimizer", "optimizer", options=OPTIMIZERS, static=False),
            Axis("rate", "learning rate η", values=list(RATES), start=0.2, step=True),
        ],
        start=start,
        begin=begin,
        advance=advance,
        look=look,
        turns=STEPS,
        turn="1 step",
        poster=poster,
        view=[
            Image(
                pixels="pictures", label="grey", value_range=(0, 1), columns=2,
                panels=("real images", "nine latent vectors"), title="Pictures",
            ),
            curves(
                x="both_steps", y="shares", y_label="share", series=("diversity", "accuracy"),
                colors=("green", "violet"), y_range=(0, 1), title="Diversity, and who is winning",
                guides=[Guide("real images' diversity", y=diversity)],
            ),
            curves(
                x="steps", y="woven", y_label="lattice, real images' = 1", colors=("ochre",),
                y_scale="log", y_range=(LEAST, 3000), title="Lattice", guides=[Guide(y=1)],
            ),
            curves(
                x="both_steps", y="losses", y_label="loss", y_range=(0, 6),
                series=("discriminator", "generator"), colors=("violet", "ink"), title="Losses",
            ),
        ],
        numbers=["step", "r", *MEASURES],
        words={
            "regime": Bands("r", [1 - 1e-4, 1 + 1e-4], ["freeze", "the edge", "chaos"]),
            "verdict": Bands(
                "diversity", [diversity / 4, diversity / 2],
                ["one picture", "pictures that are much alike", "different pictures"],
            ),
        },
        readout=(
            "{kind}, β = {beta}, r = {r:.2f}, {regime}; seed {seed}, after {step:.0f} steps, "
            "by {optimizer} at {rate}: the "
            "generator draws {verdict}, "
            f"diversity {{diversity:.3f}} (real images {diversity:.2f}), with {{lattice:.1f}} "
            f"times the lattice of real images. Of {2 * MEASURED} images the discriminator judges "
            "{accuracy:.0%} rightly; its loss is {discriminator:.2f}, the generator's "
            "{generator:.2f}."
        ),
        alt=(
            "Nine real digits and nine generated ones. Beside them, over the training steps: "
            "diversity, and how often the discriminator is right; the lattice relative to real "
            "images; the two losses."
        ),
    )  # fmt: skip
