"""Deconvolutional networks: grids of positions that layer after layer enlarges."""

from collections.abc import Sequence
from functools import reduce
from itertools import pairwise
from math import prod
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int, PRNGKeyArray, Real

from .. import checks
from ..activations import Activation
from ..deconvolution import DeconvStack
from ..deconvolution.stack import checked_stack
from ..graphs import AxisLayer
from ..numerics import floating, wider
from ..types import Integer, Number
from .convolutions import resized, transposed_convolution
from .draws import normals


class Deconvolutional(eqx.Module):
    """A deconvolutional network whose weights and biases are all drawn from N(0, 1) [JGGH].

    pre_p = sqrt(1 - beta^2) / sqrt(|P(p)| n_0) sum over the parents q of p of W_tap x_q + beta b
    and so on, the activation between two layers; in other parametrizations of the stack the
    window's size, or the largest |P|, stands in place of |P(p)|. Layers and positions are those of
    the stack.

    Arguments:
        stack: which positions feed which; L = stack.depth.
        channels: n_0, ..., n_L at every position of the input, ..., of the output. Integers, 1 or
            more, kept as a tuple.
        activation: a standardized or normalized activation.
        beta: share of the bias, in [0, 1).
        key: what the weights are drawn with.

    Raises:
        ValueError, TypeError: an argument outside its range.

    >>> from freezechaos import activations, deconvolution, graphs
    >>> layers = [graphs.transposed_convolution(4), graphs.transposed_convolution(4, 2, 1)]
    >>> network = Deconvolutional(deconvolution.DeconvStack((1, 1), layers), [16, 8, 3],
    ...                           activations.standardized("relu"), 0.1, key=jax.random.key(0))
    >>> network
    Deconvolutional(1x1x16 > 4x4x8 > 8x8x3, graph, standardized relu, beta=0.1, parameters=2443)
    >>> latent = jax.random.normal(jax.random.key(1), (5, 16))
    >>> network(latent[:, None, None, :]).shape
    (5, 8, 8, 3)
    """

    weights: tuple[Float[Array, "*window before after"], ...]
    biases: tuple[Float[Array, " after"], ...]
    stack: DeconvStack = eqx.field(static=True)
    channels: tuple[int, ...] = eqx.field(static=True)
    activation: Activation = eqx.field(static=True)
    beta: float = eqx.field(static=True)

    def __init__(
        self,
        stack: DeconvStack,
        channels: Sequence[Integer] | Int[np.ndarray, " layers"],
        activation: Activation,
        beta: Number,
        *,
        key: PRNGKeyArray,
    ):
        self.stack, self.channels = _checked(stack, channels)
        self.activation = checks.activation(activation)
        self.beta = checks.one_beta(beta)
        shapes = [
            (*(axis.window for axis in self.axes(layer)), *both)
            for layer, both in enumerate(pairwise(self.channels))
        ]
        keys = jax.random.split(key, 2 * len(shapes))
        self.weights = normals(keys[::2], shapes)
        self.biases = normals(keys[1::2], [shape[-1:] for shape in shapes])

    def __call__(
        self, x: Real[ArrayLike, "*batch_and_size inputs"] | list[Any]
    ) -> Float[Array, "*batch_and_size_after outputs"]:
        """The outputs [*batch, *size, n_L] for one input [*size, n_0] or a batch of them.

        A latent vector z [*batch, n_0] is the grid z[..., None, None, :] of a single position, or
        z[..., None, :] in one dimension.
        """
        return self.forward(x)[1]

    def forward(
        self,
        x: Real[ArrayLike, "*batch_and_size inputs"] | list[Any],
        nudges: Sequence[Array] | None = None,
    ) -> tuple[list[Array], Float[Array, "*batch_and_size_after outputs"]]:
        """What enters each layer, [*batch, *size, before], and the outputs.

        `nudges`, one array a layer, are added to the pre-activations: the derivative of the
        outputs in them is what backpropagation carries.

        Raises:
            ValueError: inputs of another size or other channels, an ensemble called without vmap.
        """
        entering = [self._checked(x)]
        for layer in range(len(self.weights)):
            pre = self.affine(layer, entering[-1])
            pre = pre if nudges is None else pre + nudges[layer]
            if layer + 1 < len(self.weights):
                entering.append(self.activation(pre))
        return entering, pre

    def _checked(self, x: Any) -> Array:
        x = floating(x)
        if self.weights[0].ndim != self.stack.dimensions + 2:
            raise ValueError(
                "This Deconvolutional is an ensemble: its first weights have shape "
                f"{list(self.weights[0].shape)}. Call it with "
                "equinox.filter_vmap(lambda network: network(x))(ensemble)."
            )
        shape = (*self.stack.start, self.channels[0])
        if x.shape[-len(shape) :] != shape:
            raise ValueError(
                f"`x` must end in the shape {list(shape)}, the size of the stack's input and its "
                f"channels; got shape {list(x.shape)}. Reshape it with x.reshape(-1, "
                f"{', '.join(map(str, shape))})."
            )
        return x.astype(wider(x, self.weights[0]))

    def axes(self, layer: int) -> list[AxisLayer]:
        """The layer along every axis, counted from 0."""
        return [self.stack.layers[layer].along(i) for i in range(self.stack.dimensions)]

    def affine(
        self,
        layer: int,
        x: Float[Array, "*batch_and_size before"],
        *,
        resize: bool = True,
    ) -> Float[Array, "*batch_and_size_after after"]:
        """The affine map number `layer`, counted from 0: resize, unless it is done, and weights."""
        weight, bias = (part[layer].astype(x.dtype) for part in (self.weights, self.biases))
        batch = x.shape[: -1 - self.stack.dimensions]
        grid = x.reshape(-1, *x.shape[len(batch) :])
        grid = self.resized(layer, grid) if resize else grid
        scale = jnp.asarray(self.scale(layer), x.dtype)[None, ..., None]
        axes = tuple(self.axes(layer))
        pre = scale * transposed_convolution(grid, weight, axes)
        pre = pre + jnp.broadcast_to(self.beta * bias, pre.shape)
        return pre.reshape(*batch, *pre.shape[1:])

    def resized(
        self, layer: int, x: Float[Array, "n *size before"]
    ) -> Float[Array, "n *resized before"]:
        """What the resize of a layer makes of its input; the input itself where there is none."""
        return resized(x, self.axes(layer))

    def scale(self, layer: int) -> np.ndarray:
        """[*size] after the layer: sqrt((1 - beta^2) / (|P(p)| n)), what its sums are times."""
        size, axes = self.stack.sizes[layer], self.axes(layer)
        divisors = [
            axis.divisors(n, self.stack.parametrization) for axis, n in zip(axes, size, strict=True)
        ]
        parents = reduce(np.multiply.outer, divisors)
        return np.sqrt((1 - self.beta) * (1 + self.beta) / (parents * self.channels[layer]))

    def __hash__(self) -> int:  # without a look at the numbers, which `==` compares
        return hash((self.stack, self.channels, self.activation, self.beta))

    def __repr__(self) -> str:
        grids = [
            "x".join(map(str, (*size, count)))
            for size, count in zip(self.stack.sizes, self.channels, strict=True)
        ]
        parts = [" > ".join(grids), self.stack.parametrization, self.activation.name]
        size = sum(
            after * (before * prod(axis.window for axis in self.axes(layer)) + 1)
            for layer, (before, after) in enumerate(pairwise(self.channels))
        )
        return f"Deconvolutional({', '.join(parts)}, beta={self.beta:g}, parameters={size})"


def _checked(stack: Any, channels: Any) -> tuple[DeconvStack, tuple[int, ...]]:
    checked_stack(stack)
    channels = checks.widths("channels", channels)
    if len(channels) != stack.depth + 1:
        raise ValueError(
            f"`channels` must be {stack.depth + 1}, of the input and of every layer of the stack; "
            f"got {list(channels)}."
        )
    return stack, channels
