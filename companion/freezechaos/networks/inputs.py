"""Inputs where the theory wants them."""

from math import sqrt

import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Real

from .. import checks


def on_sphere(x: Real[ArrayLike, "n d"]) -> Float[Array, "n d"]:
    """The rows of x scaled to |x|^2 = d, where the theory wants them.

    Raises:
        ValueError: a zero or non-finite row.
    """
    rows = checks.rows("x", x)
    rows = rows / _size(rows)  # the square of 1e30 or 1e-30 is no float32
    return rows * sqrt(rows.shape[1]) / jnp.linalg.norm(rows, axis=1, keepdims=True)


def _size(x: Float[Array, "n d"]) -> Float[Array, "n 1"]:
    """About the largest entry of each row: a power of two, whose inverse is a normal number."""
    power = jnp.floor(jnp.log2(jnp.max(jnp.abs(x), axis=1, keepdims=True)))
    most = jnp.finfo(x.dtype).maxexp - 3
    return jnp.ldexp(jnp.ones_like(power), jnp.clip(power, -most, most).astype(jnp.int32))


def circle(angles: Real[ArrayLike, " n"]) -> Float[Array, "n 2"]:
    """Inputs on the circle |x|^2 = 2 at the given angles, in radians."""
    return sqrt(2) * jnp.stack([jnp.cos(angles), jnp.sin(angles)], axis=1)
