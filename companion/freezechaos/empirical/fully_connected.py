"""The tangent kernel of a fully connected network, in blocks of its inputs."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..architectures import Network
from ..networks import FullyConnected
from .blocks import largest_block


def rows_that_fit(network: FullyConnected | Network, n: int, itemsize: int, memory: float) -> int:
    """The largest b such that two blocks of b rows and their b x b kernel fit into the memory."""
    outputs, neurons = network.widths[-1], sum(network.widths)
    if network.couples:  # the derivative of each output in all inputs, twice
        fixed, row = 6 * n * neurons, 4 * outputs * n * neurons
    else:
        fixed, row = 0, 2 * (3 + 2 * outputs) * neurons
    return largest_block(n, itemsize, memory, fixed=fixed, row=row, entry=4 * outputs**2)


@jax.jit
def block(
    network: FullyConnected | Network,
    x1: Array,
    rows: Array,
    x2: Array | None = None,
    columns: Array | None = None,
) -> Float[Array, "rows columns outputs outputs"]:
    """The kernel between the outputs at some rows of x1 and at some of x2, or those of x1."""
    layer_kernel = _coupled if network.couples else _separate
    with jax.default_matmul_precision("highest"):
        one = _layers(network, x1, rows)
        other = one if x2 is None or columns is None else _layers(network, x2, columns)
        kernels = [
            layer_kernel(*network.learned(number), *one[number], *other[number])
            for number in range(len(one))
        ]
    return jnp.sum(jnp.stack(kernels), axis=0)


def mirrored(block: Float[Array, "n m c d"]) -> Float[Array, "m n d c"]:
    """The block on the other side of the diagonal."""
    return block.transpose(1, 0, 3, 2)


def _layers(network: FullyConnected | Network, x: Array, rows: Array) -> list[tuple[Array, Array]]:
    """(h [n, before], delta [rows, outputs, n, after]) for every affine map.

    Where outputs depend on their own input only, h is that of the rows and delta lacks the n.
    """
    x = x if network.couples else x[rows]
    nudges = [jnp.zeros((len(x), width), x.dtype) for width in network.widths[1:]]

    def outputs(nudges: list[Array]) -> tuple[Array, list[Array]]:
        entering, out = network.forward(x, nudges)
        return out, entering

    out, backward, entering = jax.vjp(outputs, nudges, has_aux=True)
    unit = jnp.eye(out.shape[1], dtype=x.dtype)
    if network.couples:
        chosen = jax.nn.one_hot(rows, len(x), dtype=x.dtype)
        cotangents = jnp.einsum("ij,cd->icjd", chosen, unit)
        (deltas,) = jax.vmap(jax.vmap(backward))(cotangents)
    else:
        cotangents = jnp.broadcast_to(unit[:, None], (len(unit), *out.shape))
        (deltas,) = jax.vmap(backward, out_axes=1)(cotangents)
    return list(zip(entering, deltas, strict=True))


def _separate(
    weight: float, bias: float, h1: Array, delta1: Array, h2: Array, delta2: Array
) -> Array:
    backward = jnp.einsum("ick,jdk->ijcd", delta1, delta2)
    return (weight * (h1 @ h2.T) + bias)[:, :, None, None] * backward


def _coupled(
    weight: float, bias: float, h1: Array, delta1: Array, h2: Array, delta2: Array
) -> Array:
    forward = weight * (h1 @ h2.T) + bias
    through = jnp.einsum("icpk,pq->icqk", delta1, forward)
    return jnp.einsum("icqk,jdqk->ijcd", through, delta2)
