"""A symmetric kernel matrix that is never one array: tiles on and below its diagonal.

Tiles are kept while the memory allowed lasts, and worked out again at each product where not.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.sharding import NamedSharding, PartitionSpec
from jaxtyping import Array, Float

from ..extras import extra
from .algebra import Kernel

with extra("data"):
    from tqdm import tqdm

_SIZE = 4096  # rows of a tile
_STRIP = 64  # rows that a processor's cache holds
_WIDE = 512  # rows that are float64 at once


class Tiles:
    """K between all rows of x [n, d], on one device.

    Rows are repeated at the end until tiles are equal, so that few programs are compiled; what
    they add is multiplied by 0.

    Arguments:
        kernel: what is tabulated.
        x: inputs in float32, one a row.
        memory: bytes that tiles may take.
        progress: whether a bar shows how many are worked out.
    """

    def __init__(self, kernel: Kernel, x: Array, memory: int, *, progress: bool):
        self.kernel, self.n = kernel, len(x)
        self.x = blocks(x)
        self.places = [(i, j) for i in range(len(self.x)) for j in range(i + 1)]
        self.tiles: dict[tuple[int, int], Array] = {}
        room = memory // (4 * len(self.x[0]) ** 2)
        for place in tqdm(self.places[:room], unit="tile", desc="kernel", disable=not progress):
            self.tiles[place] = jax.block_until_ready(self._tile(*place))

    @property
    def kept(self) -> float:
        """Share of the tiles that are in memory."""
        return len(self.tiles) / len(self.places)

    def times(self, v: Float[Array, "n outputs"]) -> Float[Array, "n outputs"]:
        """K v in float32."""
        parts = blocks(v, repeat=False)
        sums = [jnp.zeros_like(part) for part in parts]
        for i, j in self.places:
            if i == j:
                sums[i] = _added(sums[i], self._tile(i, j), parts[j])
            else:
                sums[i], sums[j] = _added_both_ways(
                    sums[i], sums[j], self._tile(i, j), parts[j], parts[i]
                )
        return jnp.concatenate(sums)[: self.n]

    def precise_times(self, v: Float[np.ndarray, "n outputs"]) -> Float[np.ndarray, "n outputs"]:
        """K v in float64, with K rounded as it is in float32."""
        size, n = len(self.x[0]), self.n
        total = np.zeros_like(v)
        for i, j in self.places:
            tile = np.asarray(self._tile(i, j))
            mine, theirs = v[i * size : (i + 1) * size], v[j * size : (j + 1) * size]
            for top in range(0, len(mine), _WIDE):  # a strip at a time in float64
                strip = tile[top : top + _WIDE, : len(theirs)][: len(mine) - top].astype(np.float64)
                start = i * size + top
                total[start : start + len(strip)] += strip @ theirs
                if i != j:
                    total[j * size : min((j + 1) * size, n)] += strip.T @ mine[top : top + _WIDE]
        return total

    def columns(self, chosen: np.ndarray) -> Float[Array, "n chosen"]:
        """Columns of K, worked out."""
        picked = jnp.concatenate(self.x)[chosen]
        return jnp.concatenate([self.kernel.gram(x, picked) for x in self.x])[: self.n]

    def _tile(self, i: int, j: int) -> Array:
        if (i, j) in self.tiles:
            return self.tiles[i, j]
        return self.kernel.gram(self.x[i], None if i == j else self.x[j])


def blocks(rows: Float[Array, "n d"], *, repeat: bool = True) -> list[Array]:
    """Rows in equal blocks, the last one filled up with its last row, or with zeros."""
    count = -(-len(rows) // _SIZE)
    size = -(-len(rows) // (count * _STRIP)) * _STRIP
    last = rows[-1:] if repeat else jnp.zeros_like(rows[-1:])
    filled = jnp.concatenate([rows, jnp.repeat(last, count * size - len(rows), axis=0)])
    return jnp.split(filled, count)


class Shards:
    """K between all rows of x, its rows spread over the devices of a mesh; used as `Tiles` are.

    Arguments:
        kernel, x: as of `Tiles`.
        sharding: names the axis of the mesh, as for `kernels.gram`.
    """

    kept = 1.0

    def __init__(self, kernel: Kernel, x: Array, sharding: NamedSharding):
        self.kernel, self.x, self.n = kernel, x, len(x)
        missing = -self.n % sharding.mesh.size
        padded = jnp.concatenate([x, jnp.repeat(x[-1:], missing, axis=0)])
        self.matrix = kernel.gram(padded, x, sharding=sharding)
        everywhere = NamedSharding(sharding.mesh, PartitionSpec())
        self._product = jax.jit(_straight, out_shardings=everywhere)

    def times(self, v: Float[Array, "n outputs"]) -> Float[Array, "n outputs"]:
        """K v in float32."""
        return jnp.asarray(np.asarray(self._product(self.matrix, np.asarray(v)))[: self.n])

    def precise_times(self, v: Float[np.ndarray, "n outputs"]) -> Float[np.ndarray, "n outputs"]:
        """K v in float64, with K rounded as it is in float32."""
        with jax.enable_x64(True):
            return np.asarray(self._product(self.matrix, v))[: self.n]

    def columns(self, chosen: np.ndarray) -> Float[Array, "n chosen"]:
        """Columns of K, worked out."""
        return self.kernel.gram(self.x, self.x[chosen])


@jax.jit
def _straight(matrix: Array, v: Array) -> Array:
    return jnp.matmul(matrix.astype(v.dtype), v, precision=lax.Precision.HIGHEST)


@jax.jit
def _added(total: Array, tile: Array, v: Array) -> Array:
    return total + _straight(tile, v)


@jax.jit
def _added_both_ways(
    straight: Array, across: Array, tile: Array, v: Array, w: Array
) -> tuple[Array, Array]:
    """straight + T v and across + T' w in one pass over T, a strip of rows after the other."""

    def strip(across: Array, given: tuple[Array, ...]) -> tuple[Array, Array]:
        rows, part = given
        return across + _straight(part.T, rows), _straight(rows, v)

    strips = (a.reshape(-1, _STRIP, a.shape[1]) for a in (tile, w))
    crossed, found = lax.scan(strip, jnp.zeros_like(across).T, tuple(strips))
    return straight + found.reshape(straight.shape), across + crossed.T
