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


REWRITTEN: dict[str, Callable[..., Callable[..., Any]]] = {
    "random_bits": _bits,
    "random_split": _split,
    "random_fold_in": _fold_in,
    "random_seed": _seed,
    "iota_2x32_shape": _counts,
    "logistic": lambda **_: lambda x: 1 / (1 + jnp.exp(-x)),
    "square": lambda **_: lambda x: x * x,
    "stack": lambda *, axis, **_: (
        lambda *arrays: lax.concatenate([lax.expand_dims(a, [axis]) for a in arrays], axis)
    ),
    "tile": _tile,
    "top_k": _top_k,
    "reduce_window_max": _pooled(lax.max, lambda dtype: _end(dtype, 1)),
    "reduce_window_min": _pooled(lax.min, lambda dtype: _end(dtype, -1)),
    "reduce_window_sum": _pooled(lax.add, lambda dtype: jnp.zeros((), dtype)),
    "cholesky": _cholesky,
    "triangular_solve": _triangular_solve,
    "clamp": lambda **_: (
        lambda low, x, high: lax.min(
            lax.max(jnp.broadcast_to(low, x.shape), x), jnp.broadcast_to(high, x.shape)
        )
    ),
}
