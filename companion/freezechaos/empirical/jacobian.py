"""The tangent kernel of any function with parameters: products of its Jacobians, in blocks."""

from collections.abc import Callable
from math import prod
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .blocks import largest_block

_SAME = 1e-3  # of the outputs' size: what rounding may make of one input beside others


class Function(eqx.Module):
    """A callable pytree whose floating arrays are its parameters.

    Attributes:
        network: maps a batch of inputs to [n], [n, c] or [n, *grid, c].
        couples: whether an output depends on the other inputs of its batch.
    """

    network: Callable[[Array], Array]
    couples: bool = eqx.field(static=True)

    def parted(self) -> tuple[Any, Any]:
        """Parameters, and all else."""
        return eqx.partition(self.network, eqx.is_inexact_array)

    def outputs(self, x: Array) -> tuple[int, ...]:
        """The shape of one input's."""
        return eqx.filter_eval_shape(self.network, x).shape[1:]


def checked_function(network: Any, x: Array, couples: Any) -> Function:
    """A `Function`, which on numbers keeps to what it says of its batch."""
    leaves = jax.tree.leaves(eqx.filter(network, eqx.is_inexact_array))
    if not callable(network) or not leaves:
        raise TypeError(
            "`network` must be a FullyConnected, a Deconvolutional, a network of an architecture "
            "or any callable pytree with arrays in it, its parameters; got "
            f"{type(network).__name__}. An Equinox module of single inputs is one as "
            "equinox.filter_vmap(module)."
        )
    couples = getattr(network, "couples", False) if couples is None else bool(couples)
    function = Function(network, couples)
    traced = any(isinstance(leaf, jax.core.Tracer) for leaf in (x, *leaves))
    if not couples and not traced:
        _check_separate(network, x)
    return function


def _check_separate(network: Any, x: Array) -> None:
    together, alone = (np.asarray(network(part))[:1] for part in (x, x[:1]))
    if np.max(np.abs(together - alone), initial=0) > _SAME * np.max(np.abs(together), initial=0):
        raise ValueError(
            "`couples` must be True for a network whose outputs depend on the other inputs of "
            "their batch, through batch norm for instance; alone, the first input gives others."
        )


def rows_that_fit(function: Function, n: int, itemsize: int, memory: float, outputs: int) -> int:
    """The largest b such that the Jacobians of two blocks of b inputs fit into the memory."""
    parameters = sum(leaf.size for leaf in jax.tree.leaves(function.parted()[0]))
    row = 2 * outputs * parameters
    return largest_block(n, itemsize, memory, fixed=0, row=row, entry=2 * outputs**2)


@eqx.filter_jit
def block(
    function: Function, x1: Array, rows: Array,
    x2: Array | None = None, columns: Array | None = None,
) -> Float[Array, "rows columns *outputs"]:  # fmt: skip
    """The kernel between the outputs at some rows of x1 and at some of x2, or those of x1."""
    shape = function.outputs(x1) or (1,)
    one = _jacobian(function, x1, rows)
    other = one if x2 is None or columns is None else _jacobian(function, x2, columns)
    with jax.default_matmul_precision("highest"):
        kernel = sum(
            (jnp.einsum("icp,jdp->ijcd", a, b) for a, b in zip(one, other, strict=True)),
            jnp.zeros((), one[0].dtype),
        )
    positions, channels = prod(shape[:-1]), shape[-1]
    kernel = kernel.reshape(*kernel.shape[:2], positions, channels, positions, channels)
    kernel = kernel.transpose(0, 1, 2, 4, 3, 5)
    return kernel if len(shape) > 1 else kernel[:, :, 0, 0]


def mirrored(block: Array) -> Array:
    """The block on the other side of the diagonal."""
    order = [axis + 1 - 2 * (axis % 2) for axis in range(block.ndim)]
    return block.transpose(order)


def _jacobian(
    function: Function, x: Array, rows: Array
) -> list[Float[Array, "rows outputs parameters"]]:
    """Derivatives of the outputs at some rows, a matrix for every array of parameters."""
    parameters, static = function.parted()

    def outputs(parameters: Any, x: Array) -> Array:
        found = eqx.combine(parameters, static)(x)
        return found.reshape(len(x), -1)

    if function.couples:
        jacobian = jax.vmap(
            lambda row: jax.jacrev(lambda parameters: outputs(parameters, x)[row])(parameters)
        )(rows)
    else:
        jacobian = jax.vmap(
            lambda one: jax.jacrev(lambda parameters: outputs(parameters, one[None])[0])(parameters)
        )(x[rows])
    count = prod(function.outputs(x))
    return [leaf.reshape(len(rows), count, -1) for leaf in jax.tree.leaves(jacobian)]
