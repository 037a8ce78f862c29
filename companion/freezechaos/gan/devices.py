"""Several devices, on one host or many: a batch is shared out, all else is everywhere.

And what a process on a CPU does with its memory.
"""

import ctypes
import platform
from collections.abc import Sequence
from typing import TypeVar

import equinox as eqx
import jax
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array

Tree = TypeVar("Tree")

_M_MMAP_THRESHOLD, _M_TRIM_THRESHOLD = -3, -1  # glibc's malloc.h


def keep_memory() -> None:
    """Have this process hold on to the memory that a step frees, for the next one.

    Given back to Linux, as glibc does with large pieces, every page of it must be fetched anew,
    which took up to a fifth of a step's time on a CPU. Of what is freed from now on it keeps up to
    2 GB, but no piece of more than 64 MB that another thread than the first asked for. Call it once
    all is compiled: steps ran slower where it came before. Without glibc it does nothing.

    It is for a process of its own: the commands call it, training as such never does.
    """
    if platform.libc_ver()[0] == "glibc":
        library = ctypes.CDLL(None)
        library.mallopt(_M_MMAP_THRESHOLD, 2**31 - 1)
        library.mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)


def mesh(batch: int, devices: Sequence[jax.Device] | None = None) -> Mesh:
    """The devices in a row, all there are if left out.

    Raises:
        ValueError: a batch that they cannot share evenly.
    """
    chosen = jax.devices() if devices is None else list(devices)
    if not chosen or batch % len(chosen):
        fitting = max(n for n in range(1, max(len(chosen), 2)) if batch % n == 0)
        raise ValueError(
            f"`batch` must be a multiple of the number of devices, {len(chosen)}; got {batch}. "
            f"Take {fitting} devices in all, or another batch."
        )
    return Mesh(np.array(chosen), ("batch",), axis_types=(AxisType.Auto,))


def replicate(tree: Tree, mesh: Mesh) -> Tree:
    """Every array whole on every device; each host holds the same numbers to begin with."""
    place = NamedSharding(mesh, PartitionSpec())

    def put(array: Array) -> Array:
        whole = np.asarray(array)
        return jax.make_array_from_callback(whole.shape, place, lambda index: whole[index])

    arrays, rest = eqx.partition(tree, eqx.is_array)
    return eqx.combine(jax.tree.map(put, arrays), rest)


def sharded(tree: Tree, mesh: Mesh) -> Tree:
    """Inside a compiled function: the first axis of every array over the devices."""
    return jax.lax.with_sharding_constraint(tree, NamedSharding(mesh, PartitionSpec("batch")))


def replicated(tree: Tree, mesh: Mesh) -> Tree:
    """Inside a compiled function: every array whole on every device."""
    arrays, rest = eqx.partition(tree, eqx.is_array)
    place = NamedSharding(mesh, PartitionSpec())
    return eqx.combine(jax.lax.with_sharding_constraint(arrays, place), rest)


def local(tree: Tree) -> Tree:
    """What this host holds of arrays that are everywhere, each on one device."""
    arrays, rest = eqx.partition(tree, eqx.is_array)
    return eqx.combine(jax.tree.map(lambda array: array.addressable_data(0), arrays), rest)
