"""Numerical building blocks: the Hermite recurrence, a square root, arrays that are kept."""

from collections.abc import Iterator
from math import sqrt

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float


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


def safe_sqrt(x: Array) -> Array:
    """sqrt with slope 0 at 0, where the true one is infinite."""
    positive = x > 0
    return jnp.where(positive, jnp.sqrt(jnp.where(positive, x, 1)), 0)


def read_only(array: np.ndarray) -> np.ndarray:
    """The array, which nobody can write to from now on: what a cache gives out, it shares."""
    array.flags.writeable = False
    return array
