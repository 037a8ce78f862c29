"""Gram matrices of scaled NTK and NNGP at a cost that does not grow with depth.

At fixed activation, beta and depth the kernel is one function of the cosine. It is tabulated
once, as a cubic in each cell of a grid that is fine towards cosine 1 and -1 in equal ratio: 64
cells for every halving of gap = 1 - |cosine|. The bits of a float32 gap are then the cell's
number and the place within it, and no logarithm or arccosine is needed.
"""

from collections.abc import Callable
from functools import lru_cache, partial, reduce
from operator import add
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Real

from .. import checks
from ..activations import Activation
from ..types import Integer, Number
from . import recursion

Kind = Literal["nngp", "ntk"]
KINDS = "nngp", "ntk"  # in the order in which the recursion gives them
_CELL_BITS = 6  # 2^6 cells an octave
_OCTAVES = 100  # down to a gap of 2^-100, an angle of 1e-15; below, the value at 0
# Rows and columns of a tile, and close pairs looked at at once, so that they stay in the cache:
# within 10 % of the best with SSE4.2, AVX2 and AVX-512, as benchmarks/test_kernels_bench.py shows.
# Elsewhere each step is a launch: fewer and larger ones.
_SIZES = {"cpu": (128, 32)}
_LARGE = 256, 256
_TERMS, _PIECES = 256, 16  # of a product: so many summed in one go, but not in more pieces
_COSINE_ERROR = 2.5e-7  # of a float32 product of unit rows that share little
_TOLERANCE = 5e-7  # of the kernel, which decides from which gap on that is good enough


class Table(NamedTuple):
    """Cubics [4, 2 * cells]: for cosine >= 0, then for cosine < 0, by rising gap.

    `close` is the gap below which an error of the cosine would show in the kernel.
    """

    cubics: Float[Array, "4 cells"]
    close: Float[Array, ""]


class Rows(NamedTuple):
    """Inputs [n, d] of largest entry 1/2 to 1, and their norms [n, 1].

    A unit row u is kept as u - c and c.u - c.c / 2, with a centre c that all rows share: images
    have much in common, and the rounding of a long product grows with it.
    """

    x: Array
    norm: Array
    own: Array
    common: Array
    centre: Array

    @classmethod
    def of(cls, x: Array, centre: Array | None = None) -> "Rows":
        """Rows of any norm but 0; their mean direction is the centre where none is given."""
        largest = jnp.max(jnp.abs(x), axis=1, keepdims=True)
        exponent = -jnp.frexp(largest)[1]
        first = exponent // 2  # in two steps: the power as a whole may be infinite
        powers = (jnp.ldexp(jnp.ones_like(largest), e) for e in (first, exponent - first))
        for power in powers:
            x = x * power  # costs no digit, and norms stay finite
        norm = jnp.linalg.norm(x, axis=1, keepdims=True)
        unit = x / norm
        centre = jnp.nanmean(unit, axis=0, keepdims=True) if centre is None else centre
        common = jnp.sum((unit - centre / 2) * centre, axis=1, keepdims=True)
        return cls(x, norm, unit - centre, common, centre)

    def cosines(self, others: "Rows") -> Array:
        """Between all pairs; in pieces, for a processor may add up terms one after another."""
        d = self.own.shape[1]
        length = max(_TERMS, -(-d // _PIECES))
        pieces = (
            jnp.matmul(
                self.own[:, start : start + length],
                others.own[:, start : start + length].T,
                precision=lax.Precision.HIGHEST,
            )
            for start in range(0, d, length)
        )
        return reduce(add, pieces) + (self.common + others.common.T)


def gram(
    activation: Activation,
    beta: Number,
    depth: Integer,
    x1: Real[ArrayLike, "n d"],
    x2: Real[ArrayLike, "m d"] | None = None,
    *,
    kind: Kind = "ntk",
    sharding: NamedSharding | None = None,
) -> Float[Array, "n m"]:
    """Gram matrix of the scaled NTK, or of the NNGP, between inputs put on the sphere.

    Exactly 1 between parallel rows; within 2e-6 of the exact kernel elsewhere, near-duplicates
    included: their gap is not taken from a rounded product. Rows less than an angle of 1e-15
    apart count as parallel. The kernel is float32 whatever the inputs are, and is not
    differentiated: take `ntk` for that. Peak memory is little more than the result's.

    Arguments:
        activation: a standardized or normalized activation.
        beta: share of the bias, in [0, 1).
        depth: number L of affine maps, 1 or more; the table for it is made once and kept.
        x1, x2: inputs, one a row, of any norm but 0; x2 is x1 where left out, and then the
            result is symmetric and half the work.
        kind: "ntk" or "nngp".
        sharding: spreads the rows of the result, and of x1, over the devices of a mesh, for
            instance NamedSharding(mesh, PartitionSpec("rows")).

    Raises:
        ValueError, TypeError: an argument outside its range, a zero row, different widths.

    Source: [JGGH]; on Linux, set transparent huge pages to "always" for large matrices.
    """
    checks.activation(activation)
    if not isinstance(beta, jax.core.Tracer):
        beta = checks.one_beta(beta)
    depth = checks.depth(depth)
    if kind not in KINDS:
        raise ValueError(f'`kind` must be "ntk" or "nngp"; got {kind!r}. Try "ntk".')
    rows = checks.rows("x1", x1).astype(jnp.float32)
    columns = None if x2 is None else checks.rows("x2", x2).astype(jnp.float32)
    if columns is not None and columns.shape[1] != rows.shape[1]:
        raise ValueError(
            f"`x1` and `x2` must be equally wide; got {rows.shape[1]} and {columns.shape[1]} "
            "columns. Prepare both alike."
        )
    table = _table(activation, beta, depth, kind)
    if sharding is not None:
        return _sharded(table, rows, rows if columns is None else columns, sharding)
    if columns is None:
        return _symmetric(table, rows)
    return _rectangular(table, rows, columns)


def _table(activation: Activation, beta: Number, depth: Any, kind: Kind) -> Table:
    if isinstance(beta, jax.core.Tracer):
        return tabulate(activation, beta, depth, kind)
    return _kept_table(activation, float(beta), depth, kind)


@lru_cache(maxsize=64)
def _kept_table(activation: Activation, beta: float, depth: int, kind: Kind) -> Table:
    with jax.ensure_compile_time_eval():  # also inside somebody's jit: a kept table is numbers
        return tabulate(activation, beta, depth, kind)


def tabulate(activation: Activation, beta: Number, depth: Integer, kind: Kind = "ntk") -> Table:
    """The kernel as cubics in the gap, for both signs of the cosine."""
    octaves = 2.0 ** np.arange(-_OCTAVES, 0)
    within = 1 + np.arange(2**_CELL_BITS) / 2**_CELL_BITS
    gaps = np.append(np.outer(octaves, within), 1.0).astype(np.float32)
    signs = np.array([[1], [-1]], np.float32)
    nodes = np.append(np.float32(0), gaps) * np.ones_like(signs)
    value, slope = _nodes(
        activation,
        jnp.asarray(beta, jnp.float32),
        depth,
        nodes,
        signs * np.ones_like(nodes),
        KINDS.index(kind),
    )
    cubics = [_cubics(v, s, jnp.diff(gaps)) for v, s in zip(value, slope, strict=True)]
    # an error of the cosine times the slope: where that shows, the cosine will not do
    steep = jnp.any(jnp.abs(slope) * _COSINE_ERROR > _TOLERANCE, axis=0)[1:]
    close = jnp.max(jnp.where(steep, gaps, 0)) + 4 * _COSINE_ERROR
    return Table(jnp.concatenate(cubics, axis=1), close)


@partial(jax.jit, static_argnames=("activation", "which"))
def _nodes(
    activation: Activation, beta: Array, depth: Array, gaps: Array, signs: Array, which: int
) -> tuple[Array, Array]:
    """The kernel, by its place in `KINDS`, and its slope in the gap."""

    def kernel(gap: Array) -> Array:
        return recursion.from_gap(activation, beta, depth, signs * (1 - gap), gap)[which]

    return jax.jvp(kernel, (gaps,), (jnp.ones_like(gaps),))


def _cubics(value: Array, slope: Array, width: Array) -> Array:
    """Hermite cubics [4, cells] in the place 0 .. 1 within a cell; the first is the value at 0."""
    rise, start, end = jnp.diff(value[1:]), width * slope[1:-1], width * slope[2:]
    cubics = jnp.stack([value[1:-1], start, 3 * rise - 2 * start - end, start + end - 2 * rise])
    at_zero = jnp.zeros((4, 1), value.dtype).at[0].set(value[0])
    return jnp.concatenate([at_zero, cubics], axis=1)


@jax.custom_jvp
def _look_up(table: Table, cosine: Array, gap: Array) -> Array:
    """The kernel at float32 gaps in [0, 1]; of the cosine only the sign is used."""
    bits = lax.bitcast_convert_type(jnp.minimum(gap, np.float32(1 - 2**-24)), jnp.int32)
    shift = 23 - _CELL_BITS
    first = (127 - _OCTAVES) << _CELL_BITS  # biased exponent of the smallest tabulated gap
    cell = jnp.maximum((bits >> shift) - (first - 1), 0)
    place = (bits & ((1 << shift) - 1)).astype(jnp.float32) * np.float32(2.0**-shift)
    cell = cell + jnp.where(cosine < 0, table.cubics.shape[1] // 2, 0)
    a, b, c, d = (row.at[cell].get(mode="promise_in_bounds") for row in table.cubics)
    kernel = ((d * place + c) * place + b) * place + a
    return jnp.where(jnp.isnan(gap), jnp.nan, kernel)  # the bits of a NaN are no cell


@_look_up.defjvp
def _no_slope(primals: tuple, tangents: tuple) -> tuple[Array, Array]:
    raise NotImplementedError(
        "`gram` looks its values up and is not differentiated. For derivatives take "
        "kernels.ntk(activation, beta, depth, cosine) of the cosines."
    )


def cosine_and_gap(
    rows: Rows, columns: Rows, is_same: Array, close: float | Array
) -> tuple[Array, Array]:
    """Cosines and 1 - |cosine|; gaps below `close` are worked out pair by pair."""
    cosine = rows.cosines(columns)
    gap = jnp.where(is_same, 0, jnp.maximum(1 - jnp.abs(cosine), 0))
    rounding = rows.x.shape[1] * float(jnp.finfo(gap.dtype).eps)  # no equal row must be missed
    is_close = (gap < close + rounding) & ~is_same
    gap = lax.cond(
        jnp.any(is_close),
        lambda: _refined(gap, cosine, is_close, rows, columns),
        lambda: gap,
    )
    return cosine, gap


def _sizes() -> tuple[int, int]:
    return _SIZES.get(jax.default_backend(), _LARGE)


def _refined(gap: Array, cosine: Array, is_close: Array, rows: Rows, columns: Rows) -> Array:
    """The gaps of close pairs to all their digits."""
    count = jnp.sum(is_close)
    _, at_once = _sizes()
    left, right = jnp.nonzero(is_close, size=is_close.size, fill_value=0)
    left, right = (jnp.pad(index, (0, at_once), mode="edge") for index in (left, right))

    def chunk(state: tuple[Array, Array]) -> tuple[Array, Array]:
        start, gap = state
        i, j = (lax.dynamic_slice(index, (start,), (at_once,)) for index in (left, right))
        sign = jnp.where(cosine[i, j] < 0, -1, 1)[:, None].astype(gap.dtype)
        exact = _pair_gap(rows.x[i], sign * columns.x[j], rows.norm[i], columns.norm[j])
        inside = start + jnp.arange(at_once) < count
        return start + at_once, gap.at[jnp.where(inside, i, len(gap)), j].set(exact, mode="drop")

    start = jnp.zeros((), left.dtype)
    return lax.while_loop(lambda state: state[0] < count, chunk, (start, gap))[1]


def _pair_gap(x: Array, y: Array, x_norm: Array, y_norm: Array) -> Array:
    """1 - cosine of rows x, y [k, d] less than a right angle apart, to a few roundings.

    With x_p a large entry of x, x_p y - y_p x has x_p times the part of y across x, and along x
    hardly more. Worked out as if in twice the digits, it keeps its own where the rows are close
    and vanishes where they are parallel, whatever their lengths. What lies along x is projected
    out; the second time removes what rounding left of the first.
    """
    where = jnp.where(jnp.abs(x) < 0.5, x.shape[1], jnp.arange(x.shape[1])[None])
    place = jnp.min(where, axis=1, keepdims=True)  # an argmax would be slow
    x_p, y_p = (jnp.take_along_axis(z, place, axis=1) for z in (x, y))
    across = _difference_of_products(x_p, y, y_p, x)
    for _ in range(2):
        across -= jnp.sum(across * x, axis=1, keepdims=True) / x_norm**2 * x
    sine = jnp.linalg.norm(across, axis=1) / jnp.abs(x_p * y_norm)[:, 0]
    return sine**2 / (1 + jnp.sqrt(jnp.maximum(1 - sine**2, 0)))


def _difference_of_products(a: Array, b: Array, c: Array, d: Array) -> Array:
    """a b - c d to a few roundings: where the two are close, every step but products is exact."""
    (first, first_rest), (second, second_rest) = _product(a, b), _product(c, d)
    return ((first - second) + first_rest) - second_rest


def _product(a: Array, b: Array) -> tuple[Array, Array]:
    """a b but for its last digits, and what is missing [Dekker, A floating-point technique, 1971].

    Products of halves are exact, and `_rounded` keeps a multiplication apart from what follows,
    so the sum is the same whether or not a compiler fuses multiplications with additions.
    """
    bits = jnp.finfo(a.dtype).nmant
    product = _rounded(a * b, bits - 1)
    a_head, b_head = (_rounded(z, (bits - 1) // 2) for z in (a, b))
    a_rest, b_rest = a - a_head, b - b_head
    rest = ((a_head * b_head - product) + a_head * b_rest + a_rest * b_head) + a_rest * b_rest
    return product, rest


def _rounded(x: Array, bits: int) -> Array:
    """x to so many binary places; a compiler takes no such step for one that it may leave out."""
    return lax.reduce_precision(x, jnp.finfo(x.dtype).nexp, bits)


@jax.jit
def _rectangular(table: Table, x: Array, y: Array) -> Array:
    """All tiles of the kernel between two sets of rows."""
    rows = Rows.of(x)
    tiles = _Tiles(rows), _Tiles(Rows.of(y, rows.centre))
    pairs = [(i, j) for i in tiles[0].starts for j in tiles[1].starts]

    def fill(step: Array, result: Array) -> Array:
        i, j = jnp.asarray(pairs)[step]
        tile = _tile(table, tiles[0].at(i), tiles[1].at(j), jnp.zeros((), bool))
        return lax.dynamic_update_slice(result, tile, (i, j))

    return lax.fori_loop(0, len(pairs), fill, jnp.empty((len(x), len(y)), jnp.float32))


@jax.jit
def _symmetric(table: Table, x: Array) -> Array:
    """The tiles on and above the diagonal, and their mirror images."""
    tiles = _Tiles(Rows.of(x))
    pairs = [(i, j) for i in tiles.starts for j in tiles.starts if i <= j]
    index = jnp.arange(tiles.size)

    def fill(step: Array, result: Array) -> Array:
        i, j = jnp.asarray(pairs)[step]
        tile = _tile(table, tiles.at(i), tiles.at(j), index[:, None] + i == index[None, :] + j)
        tile = lax.optimization_barrier(tile)  # or its mirror image is worked out once more
        mirror = lax.optimization_barrier(tile.T)
        is_lower = index[:, None] > index[None, :]
        result = lax.dynamic_update_slice(result, mirror, (j, i))
        tile = jnp.where((i == j) & is_lower, mirror, tile)
        return lax.dynamic_update_slice(result, tile, (i, j))

    return lax.fori_loop(0, len(pairs), fill, jnp.empty((len(x), len(x)), jnp.float32))


def _sharded(table: Table, x: Array, y: Array, sharding: NamedSharding) -> Array:
    """Each device works out its own rows against all columns."""
    if not isinstance(sharding, NamedSharding) or not sharding.spec or sharding.spec[0] is None:
        raise ValueError(
            f"`sharding` must name a mesh axis for the rows; got {sharding}. "
            'Try NamedSharding(mesh, PartitionSpec("rows")).'
        )
    return _compiled_shards(sharding.mesh, sharding.spec[0])(table, x, y)


@lru_cache(maxsize=16)
def _compiled_shards(mesh: Mesh, axis: str) -> Callable[[Table, Array, Array], Array]:
    return jax.jit(
        jax.shard_map(
            _rectangular,
            mesh=mesh,
            in_specs=(PartitionSpec(), PartitionSpec(axis), PartitionSpec()),
            out_specs=PartitionSpec(axis),
            check_vma=False,
        )
    )


class _Tiles:
    """Rows cut into equal tiles; the last one reaches back where they do not come out even."""

    def __init__(self, rows: Rows):
        self.rows, n = rows, len(rows.x)
        self.size = min(_sizes()[0], n)
        count = -(-n // self.size)
        self.starts = [min(k * self.size, n - self.size) for k in range(count)]

    def at(self, start: Array) -> Rows:
        x, norm, own, common = (
            lax.dynamic_slice_in_dim(a, start, self.size) for a in self.rows[:-1]
        )
        return Rows(x, norm, own, common, self.rows.centre)


def _tile(table: Table, rows: Rows, columns: Rows, is_same: Array) -> Array:
    """The kernel between two blocks of rows; `is_same` marks a row meeting itself."""
    return _look_up(table, *cosine_and_gap(rows, columns, is_same, table.close))
