"""Deep fully connected networks of one width, run by a loop over their layers."""

from collections.abc import Sequence
from itertools import pairwise
from math import sqrt

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray, Real

from .. import checks
from ..activations import Activation
from ..numerics import floating
from ..types import Integer, Number


class Scanned(eqx.Module):
    """A `FullyConnected` whose hidden layers are equally wide, stacked, and run by a loop.

    With the same key it is the same network. What is compiled does not grow with the depth, and
    `beta` may be traced; it is never trained.

    Arguments:
        widths: n_0, n, ..., n, n_L, with the same n two times or more: three affine maps or more.
        activation: a standardized or normalized activation.
        beta: share of the bias, in [0, 1).
        key: what the weights are drawn with.

    Attributes:
        weights, biases: of the first map, [L - 2, ...] of all between hidden layers, of the last.

    Raises:
        ValueError, TypeError: an argument outside its range.

    >>> from freezechaos import activations
    >>> network = Scanned([2, 64, 64, 64, 1], activations.normalized("sin"), 0.1,
    ...                   key=jax.random.key(0))
    >>> network.weights[1].shape
    (2, 64, 64)
    >>> network(jnp.array([[1.0, 1.0]])).shape
    (1, 1)
    """

    weights: tuple[
        Float[Array, "width inputs"], Float[Array, "inner width width"],
        Float[Array, "outputs width"],
    ]  # fmt: skip
    biases: tuple[Float[Array, " width"], Float[Array, "inner width"], Float[Array, " outputs"]]
    beta: Float[Array, ""]
    activation: Activation = eqx.field(static=True)

    def __init__(
        self,
        widths: Sequence[Integer] | Int[np.ndarray, " layers"],
        activation: Activation,
        beta: Number,
        *,
        key: PRNGKeyArray,
    ):
        first, *_, last = shapes = list(pairwise(_checked(widths)))
        self.activation = checks.activation(activation)
        self.beta = checks.beta(beta).astype(float)
        keys = jax.random.split(key, 2 * len(shapes)).reshape(-1, 2)
        inner = jax.vmap(lambda key: jax.random.normal(key, shapes[1][::-1]))(keys[1:-1, 0])
        inner_biases = jax.vmap(lambda key: jax.random.normal(key, shapes[1][1:]))(keys[1:-1, 1])
        normal = jax.random.normal
        self.weights = (normal(keys[0, 0], first[::-1]), inner, normal(keys[-1, 0], last[::-1]))
        self.biases = (normal(keys[0, 1], first[1:]), inner_biases, normal(keys[-1, 1], last[1:]))

    def __call__(self, x: Real[Array, "n inputs"]) -> Float[Array, "n outputs"]:
        """The outputs for a batch."""
        first, inner, last = zip(self.weights, self.biases, strict=True)
        hidden = self.activation(self._affine(floating(x), first))
        hidden, _ = jax.lax.scan(
            lambda x, layer: (self.activation(self._affine(x, layer)), None), hidden, inner
        )
        return self._affine(hidden, last)

    def _affine(self, x: Array, layer: tuple[Array, Array]) -> Array:
        """sqrt(1 - beta^2) / sqrt(n) W x + beta b."""
        weight, bias = layer
        beta = jax.lax.stop_gradient(self.beta)
        pre = jnp.sqrt((1 - beta) * (1 + beta)) / sqrt(weight.shape[1]) * (x @ weight.T)
        return pre + jnp.broadcast_to(beta * bias, pre.shape)

    @property
    def widths(self) -> tuple[int, ...]:
        """n_0, ..., n_L, as of a `FullyConnected`."""
        first, inner, last = (weight.shape for weight in self.weights)
        return first[1], *[first[0]] * (inner[0] + 1), last[0]


def _checked(value: Sequence[Integer] | Int[np.ndarray, " layers"]) -> tuple[int, ...]:
    widths = checks.widths("widths", value)
    if len(widths) < 4 or len(set(widths[1:-1])) > 1:
        raise ValueError(
            f"`widths` must have two or more hidden layers of the same width; got {list(widths)}. "
            "Try [64, *[128] * 15, 10], or a FullyConnected, whose layers differ."
        )
    return widths
