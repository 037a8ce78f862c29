"""The tangent kernel of a finite network, or of any function with parameters."""

from collections.abc import Callable, Sequence
from math import prod
from types import ModuleType
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jax.typing import ArrayLike
from jaxtyping import Array, Real

from ..architectures import Dense, Network
from ..networks import Deconvolutional, FullyConnected
from ..types import Number
from . import deconvolutional, fully_connected, jacobian
from .blocks import joined, split
from .inputs import checked_inputs


def ntk(
    network: FullyConnected | Deconvolutional | Network | Callable[[Array], Array],
    x1: Real[ArrayLike, "n *input"],
    x2: Real[ArrayLike, "m *input"] | None = None,
    *,
    memory: Number = 2**30,
    devices: Sequence[jax.Device] | None = None,
    couples: bool | None = None,
) -> Array:
    """Tangent kernel sum_p (df(x)/dp) (df(y)/dp): [n, m], or [n, m, c, c] with c > 1 outputs.

    Of outputs [n, *grid, c], as a `Deconvolutional` has, it is the kernel between their pixels,
    rows before columns: [n, m, positions, positions], or [n, m, positions, positions, c, c].

    Of networks whose layers offer factors no Jacobian is formed: layer by layer the kernel is a
    sum of products of two Gram matrices, ((1 - beta^2) <h, h'> / n + beta^2) <delta, delta'>, with
    h what enters an affine map and delta the derivative of an output in what leaves it. With batch
    norm an output depends on the whole batch, and the sum runs over all pairs of its inputs; x1 and
    x2 are a batch each. In a deconvolutional network the sum runs over all pairs of positions, with
    patches in place of h; few positions have a part in a pixel, and only they are visited.

    Such networks are a `FullyConnected`, a `Deconvolutional` and, of architectures, those of
    `Dense` layers. Of any other callable the Jacobians of two blocks of
    inputs are formed and contracted.

    All matrix products are at full precision, also where a GPU would round their factors.

    Arguments:
        network: a network of ours, or any callable pytree that takes a batch [n, *input] and gives
            [n], [n, c] or [n, *grid, c]; its floating arrays are its parameters. An Equinox module
            of single inputs is one as `equinox.filter_vmap(module)`.
        x1, x2: inputs, one a row, or grids [n, *size, channels]; x2 is x1 where left out. They
            are taken as they are, on the sphere or off it, in the wider of their own precision
            and the network's.
        memory: bytes to work in, on each device; rows and columns are taken in blocks of as many
            inputs as fit. Beside it live the inputs, the network and the blocks that are done,
            which at the end are put together: room for the kernel three times.
        devices: over which each block of rows is split; by default the one of x1. For a
            `FullyConnected`, or an architecture's network of `Dense` layers.
        couples: of any other callable, whether an output depends on the other inputs of its batch,
            as behind batch norm; where left out, what its attribute `couples` says, or False.

    Raises:
        ValueError, TypeError: what has no parameters or couples unasked, inputs of the wrong shape
            or not finite, too little memory, devices that are none.

    Source: [JGGH], chain rule.
    """
    x1 = checked_inputs("x1", network, x1)
    mirrored = x2 is None and devices is None  # a device holds fewer columns than a block has rows
    x2 = x1 if x2 is None else checked_inputs("x2", network, x2)
    count = 1 if devices is None else _checked_devices(network, devices)
    kind, network, length = _road(network, x1, max(len(x1), len(x2)), memory, couples)
    rows1, rows2 = split(len(x1), length * count), split(len(x2), length)
    blocks: dict[tuple[int, int], Array] = {}
    for i, rows in enumerate(rows1):
        for j, columns in enumerate(rows2):
            if mirrored and j < i:
                blocks[i, j] = kind.mirrored(blocks[j, i])
            elif mirrored and i == j:
                blocks[i, j] = kind.block(network, x1, rows)
            else:
                placed = shared(rows, devices)
                blocks[i, j] = kind.block(network, x1, placed, x2, columns)[: len(rows)]
    kernel = joined(blocks, len(rows1), len(rows2))
    return kernel[..., 0, 0] if kernel.shape[-1] == 1 else kernel


def _road(network: Any, x: Array, n: int, memory: Any, couples: Any) -> tuple[ModuleType, Any, int]:
    """Whose blocks to take, of what, and of how many inputs."""
    if isinstance(network, Deconvolutional):
        return (
            deconvolutional,
            network,
            deconvolutional.rows_that_fit(network, n, x.dtype.itemsize, memory),
        )
    if _is_dense(network):
        return (
            fully_connected,
            network,
            fully_connected.rows_that_fit(network, n, x.dtype.itemsize, memory),
        )
    function = jacobian.checked_function(network, x, couples)
    length = jacobian.rows_that_fit(
        function, n, x.dtype.itemsize, memory, prod(function.outputs(x))
    )
    return jacobian, function, length


def _is_dense(network: Any) -> bool:
    """Whether layers are products of matrices, whose factors a kernel can be made of."""
    if isinstance(network, FullyConnected):
        return True
    return isinstance(network, Network) and all(
        isinstance(layer, Dense) for layer in network.architecture.affine
    )


def _checked_devices(network: Any, devices: Any) -> int:
    """How many there are."""
    if not _is_dense(network):
        raise TypeError(
            "`devices` can be given for a FullyConnected only, or an architecture's network of "
            f"Dense layers; got a {type(network).__name__}. Leave them out, and split x1 between "
            "devices yourself."
        )
    some = isinstance(devices, Sequence) and len(devices) > 0
    if not some or not all(isinstance(device, jax.Device) for device in devices):
        raise TypeError(
            f"`devices` must be a list of one or more JAX devices; got {devices!r}. "
            "Try jax.devices(), or leave it out."
        )
    if len(set(devices)) < len(devices):
        raise ValueError(
            f"`devices` must differ from one another; got {devices!r}. Try jax.devices()."
        )
    return len(devices)


def shared(rows: np.ndarray, devices: Sequence[jax.Device] | None) -> Any:
    """The rows, repeated up to a whole number a device, with each device's part on it."""
    if not devices:
        return rows
    padded = np.resize(rows, -(-len(rows) // len(devices)) * len(devices))
    mesh = Mesh(np.array(devices), ("rows",))
    return jax.device_put(padded, NamedSharding(mesh, PartitionSpec("rows")))
