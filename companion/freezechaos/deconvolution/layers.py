"""The layers' parts in the NTK between positions, and learning rates that balance them."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Real

from .. import checks
from ..activations import Activation
from ..types import Number
from .compressed import Compressed
from .kernels import packed, run_checked
from .stack import DeconvStack, checked_stack


class Contributions(NamedTuple):
    """The part of each layer in the NTK: weights and biases, both [L, positions, positions].

    Over N inputs [L, N, N, positions, positions].
    """

    weights: Array
    biases: Array


def contributions(
    stack: DeconvStack, activation: Activation, beta: Number,
    input_gram: Real[ArrayLike, "*inputs positions positions"],
) -> Contributions:  # fmt: skip
    """What the weights and the biases of every layer add to the NTK, which is their sum.

    Arguments and errors as for `compressed`.

    Source: [JGGH, layer-dependent learning rates].
    """
    parts = contributions_by_class(stack, activation, beta, input_gram)
    dense = jnp.stack([part.dense() for part in parts])
    dense = dense.reshape(stack.depth, 2, *dense.shape[1:])
    return Contributions(dense[:, 0], dense[:, 1])


def contribution_norms(
    stack: DeconvStack, activation: Activation, beta: Number,
    input_gram: Real[ArrayLike, "*inputs positions positions"],
) -> Float[np.ndarray, "layers 2"]:  # fmt: skip
    """Hilbert-Schmidt norms of the contributions of weights and biases, a row a layer.

    The root of the sum of squares over all pairs; nothing dense is formed. Arguments and errors as
    for `compressed`, but none may be traced: it is worked out on the host.
    """
    parts = contributions_by_class(stack, activation, beta, input_gram)
    return np.array([part.norm() for part in parts]).reshape(stack.depth, 2)


def learning_rates(stack: DeconvStack, gamma: Number = 0.5) -> Float[Array, "layers 2"]:
    """Factors of the learning rates of weights and biases, a row a layer.

    S^(-gamma l) for W^(l) and S^(-gamma (l + 1)) for b^(l), l = 0, ..., L - 1, with S the product
    of a layer's strides; where layers differ, S^l is the product of the first l of them.

    Arguments:
        stack: the layers.
        gamma: 1/2 balances the layers in freeze; 0 gives all the same rate. May be traced.

    Raises:
        ValueError, TypeError: a gamma that is no finite number.

    Source: [JGGH, layer-dependent learning rates].

    >>> from freezechaos.graphs import transposed_convolution
    >>> stack = DeconvStack((4, 4), [transposed_convolution(4, stride=2, padding=1)] * 3)
    >>> learning_rates(stack)
    Array([[1.   , 0.5  ],
           [0.5  , 0.25 ],
           [0.25 , 0.125]], dtype=float32)
    """
    gamma = checks.number("gamma", gamma)
    grown = np.cumprod([1, *checked_stack(stack).magnifications()])
    if isinstance(gamma, jax.core.Tracer):
        falling = jnp.exp(-gamma * jnp.asarray(np.log(grown), jnp.float32))
        return jnp.stack([falling[:-1], falling[1:]], axis=1)
    if not np.isfinite(gamma):
        raise ValueError(f"`gamma` must be finite; got {gamma}. Try 0.5.")
    known = grown ** (-gamma)
    return jnp.asarray(np.stack([known[:-1], known[1:]], axis=1), jnp.float32)


def contributions_by_class(
    stack: DeconvStack, activation: Activation, beta: Number, input_gram: ArrayLike
) -> list[Compressed]:
    """Weights and biases of the first layer, then of the second, and so on."""
    depth = checked_stack(stack).depth
    alone = jnp.eye(2 * depth).reshape(2 * depth, depth, 2)
    state, axes, several = run_checked(stack, activation, beta, input_gram, alone)
    theta = state.unscaled
    return [packed(stack, theta.read(k), axes, several) for k in range(2 * depth)]
