"""Fully connected networks, with layer and batch norm."""

from collections.abc import Sequence
from itertools import pairwise
from math import sqrt
from typing import Any, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int, PRNGKeyArray, Real

from .. import checks
from ..activations import Activation
from ..numerics import floating, wider
from ..types import Integer, Number
from .draws import normals
from .norms import standardize


class FullyConnected(eqx.Module):
    """A fully connected network whose weights and biases are all drawn from N(0, 1) [JGGH].

    pre_1 = sqrt(1 - beta^2) / sqrt(n_0) W_0 x + beta b_0 and so on, the activation between two
    affine maps. Inputs have |x|^2 = n_0; `on_sphere` puts them there.

    Arguments:
        widths: n_0, ..., n_L: inputs, hidden layers, outputs; L = len(widths) - 1 is the depth.
            Integers, 1 or more, kept as a tuple.
        activation: a standardized or normalized activation.
        beta: share of the bias, in [0, 1).
        layer_norm: "before" or "after" every nonlinearity, over the neurons; None for none.
        batch_norm: after the last nonlinearity, over the batch that the network is called with;
            a batch of one is its own mean, and gives beta b whatever the input.
        key: what the weights are drawn with.

    Neither norm has parameters of its own.

    Raises:
        ValueError, TypeError: an argument outside its range.

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
    widths: tuple[int, ...] = eqx.field(static=True)
    activation: Activation = eqx.field(static=True)
    beta: float = eqx.field(static=True)
    layer_norm: str | None = eqx.field(static=True)
    batch_norm: bool = eqx.field(static=True)

    def __init__(
        self,
        widths: Sequence[Integer] | Int[np.ndarray, " layers"],
        activation: Activation,
        beta: Number,
        *,
        layer_norm: Literal["before", "after"] | None = None,
        batch_norm: bool = False,
        key: PRNGKeyArray,
    ):
        self.widths = checks.widths("widths", widths)
        _check_norms(self.widths, layer_norm, batch_norm)
        self.activation = checks.activation(activation)
        self.beta = checks.one_beta(beta)
        self.layer_norm, self.batch_norm = layer_norm, bool(batch_norm)
        shapes = [(after, before) for before, after in pairwise(self.widths)]
        keys = jax.random.split(key, 2 * len(shapes))
        self.weights = normals(keys[::2], shapes)
        self.biases = normals(keys[1::2], [(after,) for after, _ in shapes])

    def __call__(
        self, x: Real[ArrayLike, "*batch inputs"] | list[Any]
    ) -> Float[Array, "*batch outputs"]:
        """The outputs for one input or a batch; with batch norm for a batch [n, inputs]."""
        return self.forward(x)[1]

    def forward(
        self, x: Real[ArrayLike, "*batch inputs"] | list[Any], nudges: Sequence[Array] | None = None
    ) -> tuple[list[Float[Array, "*batch before"]], Float[Array, "*batch outputs"]]:
        """What enters each affine map, and the outputs.

        `nudges`, one array a layer, are added to the pre-activations: the derivative of the
        outputs in them is what backpropagation carries.

        Raises:
            ValueError: inputs of another width than the first, an ensemble called without vmap.
        """
        entering = [self._checked(x)]
        for layer in range(len(self.weights)):
            pre = self.affine(layer, entering[-1])
            pre = pre if nudges is None else pre + nudges[layer]
            if layer + 1 < len(self.weights):
                entering.append(self.hidden(layer, pre))
        return entering, pre

    def _checked(self, x: Any) -> Array:
        x = floating(x)
        if self.weights[0].ndim != 2:
            raise ValueError(
                "This FullyConnected is an ensemble: its first weights have shape "
                f"{list(self.weights[0].shape)}. Call it with "
                "equinox.filter_vmap(lambda network: network(x))(ensemble)."
            )
        if x.shape[-1:] != self.widths[:1]:
            raise ValueError(
                f"`x` must have {self.widths[0]} numbers in its last axis, the first of the "
                f"`widths`; got shape {list(x.shape)}. Flatten images with x.reshape(len(x), -1)."
            )
        return x.astype(wider(x, self.weights[0]))

    def affine(self, layer: int, x: Float[Array, "*batch before"]) -> Float[Array, "*batch after"]:
        """The affine map number `layer`, counted from 0."""
        weight, bias = (part[layer].astype(x.dtype) for part in (self.weights, self.biases))
        pre = self.scale(weight) * (x @ weight.T)
        return pre + jnp.broadcast_to(self.beta * bias, pre.shape)

    def hidden(self, layer: int, pre: Float[Array, "*batch n"]) -> Float[Array, "*batch n"]:
        """The nonlinearity after the affine map `layer`, with the norms around it."""
        pre = standardize(pre, -1) if self.layer_norm == "before" else pre
        value = self.activation(pre)
        value = standardize(value, -1) if self.layer_norm == "after" else value
        if self.batch_norm and layer + 2 == len(self.weights):
            if value.ndim != 2:
                raise ValueError(
                    "`x` must be a batch [n, inputs] where there is batch norm; got shape "
                    f"{[*value.shape[:-1], self.widths[0]]}. Call the network with all its "
                    "inputs at once, without vmap."
                )
            value = standardize(value, 0)
        return value

    def scale(self, weight: Float[Array, "after before"]) -> float:
        """sqrt((1 - beta^2) / n), what a weight matrix with n inputs is multiplied by."""
        return sqrt((1 - self.beta) * (1 + self.beta) / weight.shape[1])

    @property
    def couples(self) -> bool:
        """Whether outputs depend on the other inputs of a batch, as with batch norm."""
        return self.batch_norm

    def learned(self, layer: int) -> tuple[float, float]:
        """What products of what enters a layer, and 1, are times in the tangent kernel."""
        return self.scale(self.weights[layer]) ** 2, self.beta**2

    def __hash__(self) -> int:  # without a look at the numbers, which `==` compares
        return hash((self.widths, self.activation, self.beta, self.layer_norm, self.batch_norm))

    def __repr__(self) -> str:
        parts = [" > ".join(map(str, self.widths)), self.activation.name, f"beta={self.beta:g}"]
        parts += [f"layer_norm={self.layer_norm}"] if self.layer_norm else []
        parts += ["batch_norm"] if self.batch_norm else []
        size = sum(after * (before + 1) for before, after in pairwise(self.widths))
        return f"FullyConnected({', '.join(parts)}, parameters={size})"


def _check_norms(widths: tuple[int, ...], layer_norm: str | None, batch_norm: bool) -> None:
    if layer_norm not in (None, "before", "after"):
        raise ValueError(
            f'`layer_norm` must be "before" or "after" the nonlinearity, or None; got '
            f"{layer_norm!r}."
        )
    for name, norm in (("layer_norm", layer_norm), ("batch_norm", batch_norm)):
        if norm and len(widths) < 3:
            raise ValueError(
                f"`{name}` needs a nonlinearity; got `widths` {list(widths)} without a hidden "
                "layer. Try [2, 256, 1]."
            )
