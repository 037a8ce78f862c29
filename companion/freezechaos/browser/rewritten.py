"""Primitives that are others in disguise: random keys, pooling, factors of matrices.

Each entry of `REWRITTEN` takes a primitive's parameters and returns a JAX function of arrays that
does the same with simpler primitives; keys are the uint32[..., 2] that they hold.
"""

from collections.abc import Callable
from functools import reduce
from itertools import product
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.extend.random import threefry_prng_impl


def physical(aval: Any) -> tuple[tuple[int, ...], str]:
    """Return the shape and the type of what lies in memory."""
    if jnp.issubdtype(aval.dtype, jax.dtypes.prng_key):
        return (*aval.shape, 2), "uint32"
    return tuple(aval.shape), aval.dtype.name


def _mapped(function: Callable[..., Any], keys: Any, *others: Any) -> Any:
    for _ in range(keys.ndim - 1):
        function = jax.vmap(function)
    return function(keys, *others)


def _bits(*, bit_width: int, shape: tuple[int, ...], **_: Any) -> Callable[..., Any]:
    return lambda keys: _mapped(
        lambda key: threefry_prng_impl.random_bits(key, bit_width, shape), keys
    )


def _split(*, shape: tuple[int, ...], **_: Any) -> Callable[..., Any]:
    return lambda keys: _mapped(lambda key: threefry_prng_impl.split(key, shape), keys)


def _fold_in(**_: Any) -> Callable[..., Any]:
    def fold(keys: Any, numbers: Any) -> Any:
        shape = jnp.broadcast_shapes(keys.shape[:-1], numbers.shape)
        keys = jnp.broadcast_to(keys, (*shape, 2))
        return _mapped(threefry_prng_impl.fold_in, keys, jnp.broadcast_to(numbers, shape))

    return fold


def _seed(**_: Any) -> Callable[..., Any]:
    return lambda seeds: reduce(
        lambda function, _: jax.vmap(function), range(seeds.ndim), threefry_prng_impl.seed
    )(seeds)


def _counts(*, shape: tuple[int, ...], **_: Any) -> Callable[..., Any]:
    """The places of an array, counted in 64 bits: high words and low words."""
    size = 1
    for length in shape:
        size *= length
    return lambda: (jnp.zeros(shape, jnp.uint32), lax.iota(jnp.uint32, size).reshape(shape))


def _tile(*, reps: tuple[int, ...], **_: Any) -> Callable[..., Any]:
    def tile(x: Any) -> Any:
        pairs = tuple(n for pair in zip(reps, x.shape, strict=True) for n in pair)
        wide = lax.broadcast_in_dim(x, pairs, [2 * k + 1 for k in range(x.ndim)])
        return wide.reshape([r * n for r, n in zip(reps, x.shape, strict=True)])

    return tile


def _top_k(*, k: int, axis: int = -1, **_: Any) -> Callable[..., Any]:
    def largest(x: Any) -> Any:
        order = lax.broadcasted_iota(jnp.int32, x.shape, axis % x.ndim)
        values, places = lax.sort([-x, order], dimension=axis % x.ndim, num_keys=1)
        return tuple(lax.slice_in_dim(y, 0, k, axis=axis % x.ndim) for y in (-values, places))

    return largest


def _pooled(fold: Callable[..., Any], start: Callable[[Any], Any]) -> Callable[..., Any]:
    def make(
        *, window_dimensions: Any, window_strides: Any, padding: Any, base_dilation: Any,
        window_dilation: Any, **_: Any,
    ) -> Callable[..., Any]:  # fmt: skip
        def pool(x: Any) -> Any:
            margins = [(a, b, gap - 1) for (a, b), gap in zip(padding, base_dilation, strict=True)]
            x = lax.pad(x, start(x.dtype), margins)
            lengths = [
                (n - (size - 1) * gap - 1) // step + 1
                for n, size, gap, step in zip(
                    x.shape, window_dimensions, window_dilation, window_strides, strict=True
                )
            ]
            seen = []
            for place in product(*map(range, window_dimensions)):
                low = [k * gap for k, gap in zip(place, window_dilation, strict=True)]
                high = [
                    a + (n - 1) * s + 1
                    for a, n, s in zip(low, lengths, window_strides, strict=True)
                ]
                seen.append(lax.slice(x, low, high, window_strides))
            return reduce(fold, seen)

        return pool

    return make


def _end(dtype: Any, sign: int) -> Any:
    if jnp.issubdtype(dtype, jnp.floating):
        return jnp.array(-sign * jnp.inf, dtype)
    return jnp.array(jnp.iinfo(dtype).min if sign > 0 else jnp.iinfo(dtype).max, dtype)


def _batched(function: Callable[..., Any]) -> Callable[..., Any]:
    """Over all axes in front of the last two."""

    def whole(*arrays: Any) -> Any:
        mapped = function
        for _ in range(arrays[0].ndim - 2):
            mapped = jax.vmap(mapped)
        return mapped(*arrays)

    return whole


def _cholesky(**_: Any) -> Callable[..., Any]:
    def factor(a: Any) -> Any:
        rows = jnp.arange(len(a))

        def column(j: Any, factor: Any) -> Any:
            rest = jnp.where(rows >= j, a[:, j] - factor @ factor[j], 0)
            return factor.at[:, j].set(rest / jnp.sqrt(rest[j]))

        return lax.fori_loop(0, len(a), column, jnp.zeros_like(a))

    return _batched(factor)


def _triangular_solve(
    *, left_side: bool, lower: bool, transpose_a: bool, unit_diagonal: bool, **_: Any
) -> Callable[..., Any]:
    def solve(a: Any, b: Any) -> Any:
        turned = transpose_a == left_side
        a, b = a.T if turned else a, b if left_side else b.T
        down = lower != turned
        diagonal = jnp.ones(len(a), a.dtype) if unit_diagonal else jnp.diagonal(a)
        own = a - jnp.diag(jnp.diagonal(a))
        own = jnp.tril(own) if down else jnp.triu(own)

        def row(k: Any, x: Any) -> Any:
            j = k if down else len(a) - 1 - k
            return x.at[j].set((b[j] - own[j] @ x) / diagonal[j])

        x = lax.fori_loop(0, len(a), row, jnp.zeros_like(b))
        return x if left_side else x.T

    return _batched(solve)


def _eigh(*, lower: bool, subset_by_index: Any, **_: Any) -> Callable[..., Any]:
    """Rotations of Jacobi, of many disjoint pairs at once, in rounds in which all meet all."""
    if subset_by_index is not None:
        raise NotImplementedError("`eigh` of a part of the eigenvalues")

    def partners(turn: Any, n: int) -> Any:
        odd = n - 1 + n % 2
        own = jnp.arange(n)
        other = (turn - own) % odd
        if n % 2:
            return other
        return jnp.where(own == n - 1, turn * (n // 2) % odd, jnp.where(other == own, n - 1, other))

    def rotate(turn: Any, state: Any) -> Any:
        a, vectors = state
        n = len(a)
        other = partners(turn, n)
        diagonal, own = jnp.diagonal(a), jnp.arange(n)
        twice = jnp.where(other == own, 0, 2 * a[own, other])
        gap = diagonal[other] - diagonal
        sign = jnp.where((gap > 0) | ((gap == 0) & (own < other)), 1.0, -1.0).astype(a.dtype)
        size = jnp.abs(gap) + jnp.sqrt(gap**2 + twice**2)
        tangent = sign * twice / jnp.where(size > 0, size, 1)
        cosine = lax.rsqrt(1 + tangent**2)

        def rows(x: Any) -> Any:
            return cosine[:, None] * (x - tangent[:, None] * x[other])

        a = rows(rows(a).T)
        return (a + a.T) / 2, rows(vectors)

    def decompose(a: Any) -> Any:
        half = jnp.tril(a) if lower else jnp.triu(a).T
        a, n = half + jnp.tril(half, -1).T, len(a)
        small = jnp.sum(a**2) * float(jnp.finfo(a.dtype).eps) ** 2

        def apart(state: Any) -> Any:
            a, _, sweeps = state
            off = a - jnp.diag(jnp.diagonal(a))
            return (jnp.sum(off**2) > small) & (sweeps < 30)

        def sweep(state: Any) -> Any:
            return *lax.fori_loop(0, n - 1 + n % 2, rotate, state[:2]), state[2] + 1

        a, vectors, _ = lax.while_loop(apart, sweep, (a, jnp.eye(n, dtype=a.dtype), 0))
        values = jnp.diagonal(a)
        order = jnp.argsort(values)
        return vectors[order].T, values[order]

    return _batched(decompose)


REWRITTEN: dict[str, Callable[..., Callable[..., Any]]] = {
    "random_bits": _bits,
    "random_split": _split,
    "random_fold_in": _fold_in,
    "random_seed": _seed,
    "iota_2x32_shape": _counts,
    "logistic": lambda **_: lambda x: 1 / (1 + jnp.exp(-x)),
    "square": lambda **_: lambda x: x * x,
    "one_minus_square": lambda **_: lambda x: (1 + x) * (1 - x),
    "polynomial": lambda **_: (
        lambda x, *coefficients: reduce(lambda sum_, c: sum_ * x + c, reversed(coefficients))
    ),
    "stack": lambda *, axis, **_: (
        lambda *arrays: lax.concatenate([lax.expand_dims(a, [axis]) for a in arrays], axis)
    ),
    "unstack": lambda *, axis, **_: (
        lambda x: [lax.index_in_dim(x, k, axis, keepdims=False) for k in range(x.shape[axis])]
    ),
    "tile": _tile,
    "call_hi_primitive": lambda *, _prim: (  # from JAX 0.12 on, of ldexp and others
        lambda *flat: jax.tree.leaves(_prim.expand(*jax.tree.unflatten(_prim.in_tree, flat)))
    ),
    "top_k": _top_k,
    "reduce_window_max": _pooled(lax.max, lambda dtype: _end(dtype, 1)),
    "reduce_window_min": _pooled(lax.min, lambda dtype: _end(dtype, -1)),
    "reduce_window_sum": _pooled(lax.add, lambda dtype: jnp.zeros((), dtype)),
    "cholesky": _cholesky,
    "triangular_solve": _triangular_solve,
    "eigh": _eigh,
    "clamp": lambda **_: (
        lambda low, x, high: lax.min(
            lax.max(jnp.broadcast_to(low, x.shape), x), jnp.broadcast_to(high, x.shape)
        )
    ),
}
