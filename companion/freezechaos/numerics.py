"""Numerical building blocks: the Hermite recurrence, a square root, arrays that are kept."""

from collections.abc import Iterator
from math import sqrt
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .types import Numbers


def hermite(
    z: Float[np.ndarray, "*shape"], start: Float[np.ndarray, "*shape"], count: int
) -> Iterator[Float[np.ndarray, "*shape"]]:
    """start times h_0(z), h_1(z), ..., the orthonormal Hermite polynomials, `count` of them.

    A start like exp(-z^2 / 4) keeps far nodes from overflowing.
    """
    previous, current = np.zeros_like(start), start
    for k in range(count):
        yield current
        previous, current = current, (z * current - sqrt(k) * previous) / sqrt(k + 1)


def floating(x: Numbers | list[Any]) -> Float[Array, "..."]:
    """As a JAX array of floats, which integers become."""
    array = jnp.asarray(x)
    return array if jnp.issubdtype(array.dtype, jnp.floating) else array.astype(float)


def aligned(*arrays: Array) -> list[Array]:
    """With as many axes each, new ones in front, as broadcasting would have it; not the scalars."""
    axes = max(array.ndim for array in arrays)
    return [
        array.reshape((1,) * (axes - array.ndim) + array.shape) if array.ndim else array
        for array in arrays
    ]


def wider(x: Float[Array, "..."], other: Float[Array, "..."]) -> Any:
    """The type of floats of both, which JAX will not choose itself where promotion is strict."""
    return max(x.dtype, other.dtype, key=lambda dtype: jnp.finfo(dtype).bits)


def safe_sqrt(x: Array) -> Array:
    """sqrt with slope 0 at 0, where the true one is infinite."""
    positive = x > 0
    return jnp.where(positive, jnp.sqrt(jnp.where(positive, x, 1)), 0)


def read_only(array: np.ndarray) -> np.ndarray:
    """The array, which nobody can write to from now on: what a cache gives out, it shares."""
    array.flags.writeable = False
    return array
