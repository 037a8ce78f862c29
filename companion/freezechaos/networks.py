"""Finite networks in the beta-parametrization, as Equinox modules."""

from collections.abc import Sequence
from itertools import pairwise
from math import sqrt

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from . import checks
from .activations import Activation


class FullyConnected(eqx.Module):
    """A fully connected network whose weights and biases are all drawn from N(0, 1) [JGGH].

    pre_1 = sqrt(1 - beta^2) / sqrt(n_0) W_0 x + beta b_0 and so on, the activation between two
    affine maps. Inputs have |x|^2 = n_0; `on_sphere` puts them there.

    Arguments:
        widths: n_0, ..., n_L: inputs, hidden layers, outputs; L = len(widths) - 1 is the depth.
        activation: a standardized or normalized activation.
        beta: share of the bias, in [0, 1).
        key: what the weights are drawn with.

    >>> from freezechaos import activations
    >>> network = FullyConnected([2, 64, 1], activations.standardized("relu"), 0.1,
    ...                          key=jax.random.key(0))
    >>> network
    FullyConnected(2 > 64 > 1, standardized relu, beta=0.1, parameters=257)
    >>> network(jnp.array([1.0, 1.0])).shape
    (1,)
    """

    weights: tuple[Float[Array, "after before"], ...]
    biases: tuple[Float[Array, " after"], ...]
    activation: Activation = eqx.field(static=True)
    beta: float = eqx.field(static=True)

    def __init__(
        self, widths: Sequence[int], activation: Activation, beta: float, *, key: PRNGKeyArray
    ):
        if len(widths) < 2 or min(widths) < 1:
            raise ValueError(
                f"`widths` must name at least inputs and outputs, each 1 or more; got {widths}. "
                "Try [2, 256, 1]."
            )
        checks.beta(beta)
        self.activation = checks.activation(activation)
        self.beta = float(beta)
        shapes = [(after, before) for before, after in pairwise(widths)]
        keys = jax.random.split(key, 2 * len(shapes))
        self.weights = tuple(map(jax.random.normal, keys[::2], shapes))
        self.biases = tuple(map(jax.random.normal, keys[1::2], [(after,) for after, _ in shapes]))

    @property
    def widths(self) -> tuple[int, ...]:
        """n_0, ..., n_L."""
        return (self.weights[0].shape[1], *(weight.shape[0] for weight in self.weights))

    def __call__(self, x: Float[Array, " inputs"]) -> Float[Array, " outputs"]:
        """The outputs for one input; `jax.vmap` takes a batch."""
        pre = self.affine(0, x)
        for layer in range(1, len(self.weights)):
            pre = self.affine(layer, self.activation(pre))
        return pre

    def affine(self, layer: int, x: Float[Array, "*batch before"]) -> Float[Array, "*batch after"]:
        """The affine map number `layer`, counted from 0."""
        weight, bias = self.weights[layer], self.biases[layer]
        pre = self.scale(weight) * (x @ weight.T)
        return pre + jnp.broadcast_to(self.beta * bias, pre.shape)

    def scale(self, weight: Float[Array, "after before"]) -> float:
        """sqrt((1 - beta^2) / n), what a weight matrix with n inputs is multiplied by."""
        return sqrt((1 - self.beta) * (1 + self.beta) / weight.shape[1])

    def __repr__(self) -> str:
        size = sum(np.size(leaf) for leaf in (*self.weights, *self.biases))
        widths = " > ".join(map(str, self.widths))
        return (
            f"FullyConnected({widths}, {self.activation.name}, beta={self.beta:g}, "
            f"parameters={size})"
        )


def on_sphere(x: Float[Array, "n d"]) -> Float[Array, "n d"]:
    """The rows of x scaled to |x|^2 = d, where the theory wants them.

    Raises:
        ValueError: a zero or non-finite row.
    """
    x = checks.rows("x", x)
    return x * sqrt(x.shape[1]) / jnp.linalg.norm(x, axis=1, keepdims=True)


def circle(angles: Float[Array, " n"]) -> Float[Array, "n 2"]:
    """Inputs on the circle |x|^2 = 2 at the given angles, in radians."""
    return sqrt(2) * jnp.stack([jnp.cos(angles), jnp.sin(angles)], axis=1)
