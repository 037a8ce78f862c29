"""What positions read along an axis, tap by tap, and what they have in common through it."""

from functools import lru_cache, reduce
from math import prod
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..graphs import AxisLayer, Parametrization, links
from ..numerics import read_only

Division = Parametrization
"""What a sum over taps is divided by: see `Convolution`."""


class Reads(NamedTuple):
    """What positions read along one axis.

    Attributes:
        taps: [taps, after, before] with which share each tap reads each position.
        divisors: [after] what the sum over taps is divided by, as a variance.
        single: whether a tap reads one position, as it does but after a bilinear resize.
    """

    taps: np.ndarray
    divisors: np.ndarray
    single: bool

    @property
    def common(self) -> np.ndarray:
        """[after, after] share of the taps that two positions have in common."""
        there = np.sum(self.taps, axis=2)
        return there.T @ there / self.scale

    @property
    def alike(self) -> np.ndarray:
        """[after, after] whether two positions have the same taps, each reading one position."""
        there = np.any(self.taps > 0, axis=2)
        return np.all(there[:, :, None] == there[:, None, :], axis=0) & self.single

    @property
    def scale(self) -> np.ndarray:
        """[after, after] root of the product of the divisors."""
        return np.sqrt(np.multiply.outer(self.divisors, self.divisors))


def over_taps(
    table: Float[Array, "pairs positions positions"], reads: list[Reads], grid: tuple[int, ...]
) -> Float[Array, "pairs after after"]:
    """Sums over common taps, divided by the root of both divisors, along every axis in turn."""
    axes = len(grid)
    table = table.reshape(-1, *grid, *grid)
    for i, axis in enumerate(reads):
        places = (1 + i, 1 + axes + i)
        table = jnp.moveaxis(table, places, (-2, -1))
        taps = jnp.asarray(axis.taps, table.dtype)
        with jax.default_matmul_precision("highest"):
            table = sum((tap @ table @ tap.T for tap in taps), jnp.zeros((), table.dtype))
        scale = jnp.asarray(axis.scale, table.dtype)
        table = table / jnp.broadcast_to(scale, table.shape)
        table = jnp.moveaxis(table, (-2, -1), places)
    after = prod(len(axis.divisors) for axis in reads)
    return table.reshape(-1, after, after)


@lru_cache(maxsize=256)
def strided(window: int, stride: int, padding: int, n: int, division: Division) -> Reads:
    """Of a convolution: tap k of position p reads stride p + k - padding."""
    after = max(0, (n + 2 * padding - window) // stride + 1)
    place = stride * np.arange(after) - padding + np.arange(window)[:, None]
    taps = (place[..., None] == np.arange(n)).astype(float)
    divisors = _divisors(np.sum(taps, axis=(0, 2)), window, division)
    return Reads(read_only(taps), read_only(divisors), True)


@lru_cache(maxsize=256)
def upsampled(layer: AxisLayer, n: int, division: Division) -> Reads:
    """Of an up-sampling layer."""
    places, shares = links(layer, n)
    taps = np.sum(shares[..., None] * (places[..., None] == np.arange(n)), axis=2)
    divisors = np.asarray(layer.divisors(n, division), float)
    taps = np.swapaxes(taps, 0, 1)
    return Reads(read_only(taps), read_only(divisors), places.shape[2] == 1)


def _divisors(counts: np.ndarray, window: int, division: Division) -> np.ndarray:
    if division == "graph":
        return np.maximum(counts, 1)  # a position beyond the border reads nothing
    return np.full_like(counts, window if division == "usual" else np.max(counts, initial=1))


def outer(axes: list[np.ndarray]) -> np.ndarray:
    """[rows columns, rows' columns'] from [rows, rows'] and [columns, columns']."""
    return reduce(np.kron, axes)
