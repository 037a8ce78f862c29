"""Primitives that are others in disguise: random keys, and short sums of elementary functions.

Each entry of `REWRITTEN` takes a primitive's parameters and returns a JAX function of arrays that
does the same with simpler primitives; keys are the uint32[..., 2] that they hold.
"""

from collections.abc import Callable
from functools import reduce
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.extend.random import threefry_prng_impl


def physical(aval: Any) -> tuple[tuple[int, ...], str]:
    """Return the shape and the type of what lies in memory."""
    if jax.dtypes.issubdtype(aval.dtype, jax.dtypes.prng_key):
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
    "clamp": lambda **_: lambda low, x, high: lax.min(
        lax.max(jnp.broadcast_to(low, x.shape), x), jnp.broadcast_to(high, x.shape)
    ),
}
