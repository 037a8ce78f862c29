"""Generators that learn a picture, with and without learning rates of each layer's own."""

from functools import cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from freezechaos import data, deconvolution, dynamics, graphs, networks
from freezechaos.deconvolution import DeconvStack
from freezechaos.explorers.fully_connected import named_activation

SETS = ("one, 32 × 32", "four, 16 × 16")


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
