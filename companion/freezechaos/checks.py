"""What the public functions accept, and what they say otherwise.

Values that JAX is tracing are not looked at: inside jit, vmap and grad the checks are free.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from .activations import Activation

_ROUNDING = 8  # cosines may pass 1 by so many units of rounding; they are clipped


def activation(value: Any) -> Activation:
    """An `Activation`."""
    if not isinstance(value, Activation):
        raise TypeError(
            f"`activation` must be an Activation; got {value!r}. "
            'Make one with activations.standardized("relu").'
        )
    return value


def beta(value: Any, dtype: Any = None) -> Array:
    """Shares of the bias in [0, 1), as an array of the given floating type."""
    numbers = _concrete(value)
    if numbers is not None:
        inside = (numbers >= 0) & (numbers < 1)
        if not inside.all():
            raise ValueError(
                f"`beta` must lie in [0, 1); got {numbers[~inside].flat[0]:g}. "
                "It is the share of the bias; try 0.1."
            )
    return jnp.asarray(value, dtype) if dtype else _floating("beta", value)


def one_beta(value: Any) -> float:
    """A single share of the bias in [0, 1), as a Python number."""
    if np.ndim(value):
        raise TypeError(
            f"`beta` must be one number here; got an array of shape {list(np.shape(value))}. "
            "Take the values one by one; regimes.characteristic_value takes arrays."
        )
    beta(value)
    return float(value)


def depth(value: Any) -> Any:
    """One number of affine maps, 1 or more; a Python integer unless it is traced."""
    value = depths(value)
    if isinstance(value, jax.core.Tracer):
        return value
    if value.ndim:
        raise TypeError(
            f"`depth` must be one integer; got an array of shape {list(value.shape)}. "
            "Map over depths with jax.vmap(lambda depth: ...)."
        )
    return int(value)


def depths(value: Any) -> Any:
    """Numbers of affine maps: integers from 1 on."""
    if (whole := _concrete(value)) is None:
        return value
    if whole.dtype.kind not in "iu":
        raise TypeError(
            f"`depth` must be an integer, 1 or more; got {value!r}. "
            "It counts the affine maps and is fixed when JAX compiles; try 16."
        )
    if np.any(whole < 1):
        raise ValueError(
            f"`depth` must be 1 or more; got {whole.min()}. "
            "It counts the affine maps: a network with one hidden layer has depth 2."
        )
    return whole


def cosine(value: Any) -> Array:
    """Cosines in [-1, 1]; what passes 1 by rounding alone is clipped."""
    array, numbers = _floating("cosine", value), _concrete(value)
    if numbers is not None:
        inside = np.abs(numbers) <= 1 + _ROUNDING * float(jnp.finfo(array.dtype).eps)
        if not inside.all():
            raise ValueError(
                f"`cosine` must lie in [-1, 1]; got {numbers[~inside].flat[0]:g}. "
                "It is x.y / (|x| |y|): divide the inputs by their norms first."
            )
    array = jnp.where(array > 1, 1, array)  # clip would halve the slope at 1
    return jnp.where(array < -1, -1, array)


def rows(name: str, value: Any) -> Array:
    """Inputs [n, d], finite, none of them zero."""
    array, numbers = _floating(name, value), _concrete(value)
    if array.ndim != 2 or 0 in array.shape:
        raise ValueError(
            f"`{name}` must have shape [n, d], one input a row; got {list(array.shape)}. "
            "Flatten images with x.reshape(len(x), -1)."
        )
    if numbers is not None:
        largest = np.maximum(numbers.max(axis=1), -numbers.min(axis=1))
        if not np.isfinite(largest).all():
            row = int(np.argmin(np.isfinite(largest)))
            raise ValueError(
                f"`{name}` must be finite; row {row} holds a NaN or an infinity. Drop or mend it."
            )
        if not largest.all():
            raise ValueError(
                f"`{name}` must have no zero row; row {int(np.argmin(largest))} is zero. "
                "A zero input has no direction and cannot be put on the sphere; drop it."
            )
    return array


def _concrete(value: Any) -> np.ndarray | None:
    """The numbers of a value that JAX is not tracing."""
    return None if isinstance(value, jax.core.Tracer) else np.asarray(value)


def _floating(name: str, value: Any) -> Array:
    array = jnp.asarray(value)
    if jnp.issubdtype(array.dtype, jnp.integer):
        array = array.astype(jnp.float32)
    if array.dtype not in (jnp.float32, jnp.float64):
        raise TypeError(
            f"`{name}` must be float32 or float64; got {array.dtype}. "
            "Convert it with .astype(jnp.float32)."
        )
    return array
