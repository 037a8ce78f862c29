"""What the public functions accept, and what they say otherwise.

Values that JAX is tracing are not looked at: inside jit, vmap and grad the checks are free.
"""

import warnings
from collections.abc import Sequence
from math import inf
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from . import scalars
from .activations import Activation

_BIAS = "It is the share of the bias; try 0.1."
_LINE = (
    "`{0}` has one column, and the sphere of one dimension is two points: of an input the theory "
    "keeps nothing but the sign. Add a coordinate, jnp.stack([x, jnp.ones_like(x)], axis=1), or "
    "take angles, networks.circle(x)."
)
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
    array, numbers = floating("beta", value), _concrete(value)
    if numbers is not None:
        inside = (numbers >= 0) & (numbers < 1)
        if not inside.all():
            raise ValueError(
                f"`beta` must lie in [0, 1); got {float(numbers[~inside].flat[0]):g}. {_BIAS}"
            )
    return jnp.asarray(value, dtype) if dtype else array


def one_beta(value: Any) -> float:
    """A single share of the bias in [0, 1), as a Python number."""
    if isinstance(value, jax.Array | np.ndarray) and value.ndim:
        raise TypeError(
            f"`beta` must be one number here; got an array of shape {list(np.shape(value))}. "
            "Take the values one by one; regimes.characteristic_value takes arrays."
        )
    return scalars.share("beta", value, _BIAS, whole=False)


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
            "It counts the affine maps; try 16."
        )
    if np.any(whole < 1):
        raise ValueError(
            f"`depth` must be 1 or more; got {whole.min()}. "
            "It counts the affine maps: a network with one hidden layer has depth 2."
        )
    return whole


def cosine(value: Any) -> Array:
    """Cosines in [-1, 1]; what passes 1 by rounding alone is clipped."""
    array, numbers = floating("cosine", value), _concrete(value)
    if numbers is not None:
        inside = np.abs(numbers) <= 1 + _ROUNDING * float(jnp.finfo(array.dtype).eps)
        if not inside.all():
            raise ValueError(
                f"`cosine` must lie in [-1, 1]; got {numbers[~inside].flat[0]:g}. "
                "It is x.y / (|x| |y|): divide the inputs by their norms first."
            )
    array = jnp.where(array > 1, 1, array)  # clip would halve the slope at 1
    return jnp.where(array < -1, -1, array)


def whole(name: str, value: Any, least: int, hint: str) -> int:
    """One integer, `least` or more."""
    return scalars.integer(name, value, least, hint)


def widths(name: str, value: Any) -> tuple[int, ...]:
    """Two or more positive integers: of the inputs, of every layer, of the outputs."""
    listed = isinstance(value, Sequence | np.ndarray) and not isinstance(value, str)
    if not listed or not all(map(scalars.is_integer, value)):
        raise TypeError(
            f"`{name}` must be a list of integers; got {value!r}. Try [2, 256, 1], and list(...) "
            "around a generator."
        )
    if len(value) < 2 or min(value) < 1:
        raise ValueError(
            f"`{name}` must name at least inputs and outputs, each 1 or more; got {value}. "
            "Try [2, 256, 1]."
        )
    return tuple(map(int, value))


def number(name: str, value: Any) -> Any:
    """One real number; a Python float unless it is traced."""
    if isinstance(value, jax.core.Tracer):
        return value
    if not scalars.is_real(value):
        raise TypeError(
            f"`{name}` must be one real number; got {value!r}. Take several values one by one."
        )
    return float(value)


def learning_rate(value: Any) -> Any:
    """One positive number; a Python float unless it is traced."""
    rate = number("learning_rate", value)
    if not isinstance(rate, jax.core.Tracer) and not 0 < rate < inf:
        raise ValueError(
            f"`learning_rate` must be positive and finite; got {rate:g}. "
            "Try half of dynamics.largest_learning_rate(gram)."
        )
    return rate


def momentum(value: Any) -> Any:
    """One number in [0, 1); a Python float unless it is traced."""
    share = number("momentum", value)
    if not isinstance(share, jax.core.Tracer) and not 0 <= share < 1:
        raise ValueError(f"`momentum` must lie in [0, 1); got {share:g}. Try 0.9.")
    return share


def steps(steps: Any, record: Any) -> tuple[int, int]:
    """How many steps, and after every how many to record: integers, the first a multiple."""
    hint = "Try steps=100, record=1."
    steps, record = whole("steps", steps, 1, hint), whole("record", record, 1, hint)
    if steps % record:
        raise ValueError(
            f"`steps` must be a multiple of `record`; got {steps} and {record}. Try record=1."
        )
    return steps, record


def targets(name: str, value: Any) -> Array:
    """Finite real numbers of any shape."""
    array = floating(name, value)
    numbers = _concrete(array)
    if numbers is not None and not np.isfinite(numbers).all():
        raise ValueError(f"`{name}` must be finite; it holds a NaN or an infinity. Mend it.")
    return array


def rows(name: str, value: Any, *, zero: bool = False) -> Array:
    """Inputs [n, d], finite, none of them zero unless `zero` allows it."""
    array = floating(name, value)
    numbers = _concrete(array)
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
        if not zero and (largest < jnp.finfo(array.dtype).tiny).any():
            raise ValueError(
                f"`{name}` must have no zero row; row {int(np.argmin(largest))} is zero. "
                "A zero input has no direction and cannot be put on the sphere; drop it."
            )
    if not zero and array.shape[1] == 1 and len(array) > 1:
        warnings.warn(_LINE.format(name), stacklevel=3)
    return array


def _concrete(value: Any) -> np.ndarray | None:
    """The numbers of a value that JAX is not tracing."""
    return None if isinstance(value, jax.core.Tracer) else np.asarray(value)


def floating(name: str, value: Any) -> Array:
    """An array of float32 or float64, which integers become."""
    try:
        if value is None:
            raise TypeError("there is nothing in it.")
        array = jnp.asarray(value)
    except (TypeError, ValueError) as error:
        raise TypeError(
            f"`{name}` must be numbers, an array or what makes one; got a "
            f"{type(value).__name__} that does not: {error} Try jnp.array([1.0, 2.0])."
        ) from error
    if jnp.issubdtype(array.dtype, jnp.integer):
        array = array.astype(jnp.float32)
    if array.dtype not in (jnp.float32, jnp.float64):
        raise TypeError(
            f"`{name}` must be float32 or float64; got {array.dtype}. "
            "Convert it with .astype(jnp.float32)."
        )
    return array
