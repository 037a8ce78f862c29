"""Generators that learn a picture, with and without learning rates of each layer's own."""

from collections.abc import Mapping
from functools import cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from freezechaos import data, deconvolution, dynamics, graphs, networks, regimes
from freezechaos.deconvolution import DeconvStack
from freezechaos.explorers.axes import Axis, Choice
from freezechaos.explorers.explorer import Explorer
from freezechaos.explorers.fully_connected import named_activation, named_regime
from freezechaos.explorers.views import Curves, Guide, Image

STEPS = 2 ** np.arange(11)
RATES = {"all layers alike": 0.0, "layer by layer": 0.5}
SETS = ("one, 32 × 32", "four, 16 × 16")
GREYS = 12  # levels to the unit, what an eye tells apart


class Task(NamedTuple):
    """What a generator is to draw, from which inputs.

    Attributes:
        stack: three up-sampling layers, graph-based.
        gram: of the inputs, [N, N, positions, positions].
        targets: [N, rows, columns], between -1 and 1.
    """

    stack: DeconvStack
    gram: Float[Array, "n n before before"]
    targets: Float[np.ndarray, "n rows columns"]


@cache
def pictures() -> tuple[np.ndarray, np.ndarray]:
    """One picture [32, 32] and four [4, 16, 16], averaged, of the set that the book shows.

    Clothes get the black margin that letters have, so that none ends at the frame.
    """
    grey = data.load(data.of_the_book(), count=24).images[[7, 0, 3, 8], :, :, 0]
    margin = (32 - grey.shape[1]) // 2
    sides = (0, 0), (margin, margin), (margin, margin)
    large = np.pad(grey, sides, constant_values=-1)
    return large[0], large.reshape(4, 16, 2, 16, 2).mean(axis=(2, 4))


@cache
def task(which: str) -> Task:
    """One picture from independent vectors on a 4 x 4 grid, or four from vectors on 2 x 2 grids."""
    layers = [graphs.transposed_convolution(4, stride=2, padding=1)] * 3
    one, four = pictures()
    if which == SETS[0]:
        return Task(DeconvStack((4, 4), layers), jnp.eye(16)[None, None], one[None])
    x = networks.on_sphere(jax.random.normal(jax.random.key(5), (16, 64))).reshape(4, 4, 64)
    gram = jnp.einsum("npc,mqc->nmpq", x, x) / 64
    return Task(DeconvStack((2, 2), layers), gram, four)


def kernel(
    which: str, activation: str, beta: float, gamma: float
) -> Float[np.ndarray, "pixels pixels"]:
    """The tangent kernel between all pixels of all pictures, at rates S^(-gamma l)."""
    stack, gram, targets = task(which)
    rates = deconvolution.learning_rates(stack, gamma)
    theta = deconvolution.ntk(stack, named_activation(activation), beta, gram, rates)
    return np.asarray(theta).transpose(0, 2, 1, 3).reshape(targets.size, targets.size)


@cache
def flow(which: str, activation: str, beta: float, gamma: float) -> dynamics.GradientFlow:
    """Training of what a wide generator adds to its picture at birth, up to the targets."""
    theta = kernel(which, activation, beta, gamma)
    return dynamics.flow(theta, task(which).targets.ravel())


def left(which: str, activation: str, beta: float, gamma: float, steps: Any) -> np.ndarray:
    """Share of the loss that is left after steps of 1 / (largest eigenvalue)."""
    trained = flow(which, activation, beta, gamma)
    return np.asarray(trained.loss(np.asarray(steps) / float(trained.rates[0])) / trained.loss(0.0))


@cache
def curves(which: str, activation: str, beta: float) -> np.ndarray:
    """[2, steps]: what is `left` at `STEPS`, for both kinds of rates."""
    return np.stack([left(which, activation, beta, gamma, STEPS) for gamma in RATES.values()])


def mosaic(images: np.ndarray) -> np.ndarray:
    """One picture as it is, four two by two: [32, 32]."""
    if len(images) == 1:
        return images[0]
    rows, columns = images.shape[1:]
    return images.reshape(2, 2, rows, columns).swapaxes(1, 2).reshape(2 * rows, 2 * columns)


def drawing(which: str, rates: str, activation: str, beta: float, steps: float) -> dict[str, Any]:
    """Target, output and error as pictures, and the loss against the steps for both rates."""
    setting, targets = (which, activation, beta), task(which).targets
    trained = flow(*setting, RATES[rates])
    output = np.asarray(trained.train(steps / float(trained.rates[0])))
    output = np.round(mosaic(output.reshape(targets.shape)) * GREYS) / GREYS
    target = np.round(mosaic(targets) * GREYS) / GREYS
    both = curves(*setting)
    r = regimes.characteristic_value(named_activation(activation), beta)
    return {
        "pictures": np.clip(np.stack([target, output, target - output]), -1.2, 1.2),
        "loss": np.maximum(both, 1e-5),
        "left": both[list(RATES).index(rates), STEPS.tolist().index(int(steps))],
        "r": r,
    }


def layerwise_learning(start: Mapping[str, Any] | None = None) -> Explorer:
    """A wide generator learning one picture or four, in time, with both kinds of rates.

    Arguments:
        start: what to begin with, such as `{"activation": "normalized relu", "steps": 64}`.
    """
    return Explorer(
        title="A generator learns to draw",
        slug="drawing",
        axes=[
            Axis("steps", "training steps", STEPS, 16, step=True, format=".0f"),
            Choice("rates", "learning rates", options=tuple(RATES)),
            Axis("beta", "bias share β", [0.1, 0.5], 0.5, static=True, format=".1f"),
            Choice("activation", "activation", options=("relu", "normalized relu")),
            Choice("which", "pictures", options=SETS),
        ],
        start=start,
        compute=drawing,
        vectorized=False,
        view=[
            Image(
                pixels="pictures",
                label="grey level",
                panels=("target", "output", "error"),
                value_range=(-1.2, 1.2),
                title="What is drawn, and what is missing",
            ),
            Curves(
                x=STEPS,
                y="loss",
                x_label="steps of 1 / largest eigenvalue",
                y_label="share of the loss left",
                series=tuple(RATES),
                colors=("green", "violet"),
                x_scale="log",
                y_scale="log",
                x_ticks=[1, 8, 64, 512],
                y_range=(1e-5, 1),
                guides=[Guide(x="steps")],
                title="The loss",
            ),
        ],
        numbers=["left", "r"],
        words={"regime": named_regime},
        readout=(
            "{activation}, β = {beta:.1f}: r = {r:.2f}, {regime}. After {steps:.0f} steps, "
            "{rates}, {left:.2%} of the loss is left."
        ),
        alt=(
            "Left, a picture, what a generator has drawn of it after some steps of training, and "
            "the error. Right, the share of the loss that is left against the number of steps, "
            "with one learning rate for all layers and with rates layer by layer."
        ),
    )
