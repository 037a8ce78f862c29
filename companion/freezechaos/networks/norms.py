"""What layer and batch norm do."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

NORM_EPSILON = 1e-6
"""Added to the variance in layer and batch norm, so that a dead layer stays finite."""


def standardize(
    value: Float[Array, "*shape"], axis: int | tuple[int, ...]
) -> Float[Array, "*shape"]:
    """Mean 0 and variance 1 along one axis or several, but for `NORM_EPSILON` on the variance.

    Layer norm along the neurons, batch norm along the inputs, and the positions where there are
    any; constant values come out as 0.
    """
    centred = value - jnp.mean(value, axis, keepdims=True)
    centred -= jnp.mean(centred, axis, keepdims=True)  # what rounding left of the mean
    variance = jnp.mean(centred**2, axis, keepdims=True)
    return centred * jax.lax.rsqrt(variance + NORM_EPSILON)
