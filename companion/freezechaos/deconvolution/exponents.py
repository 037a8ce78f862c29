"""Numbers with exponents of their own, for kernels of which one part outgrows the range of floats.

Deep in chaos the diagonal of the tangent kernel grows like r^L and what lies beside it stays, so
that no common scale holds both.
"""

from math import log
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int

from .pairs import Step

_ZERO = -(2**28)  # the exponent of 0


class Scaled(NamedTuple):
    """number * 2^exponent; without an exponent the number itself."""

    number: Float[Array, "*shape"]
    exponent: Int[Array, "*shape"] | None

    def read(self, index: Any) -> "Scaled":
        """Both, at an index."""
        exponent = None if self.exponent is None else self.exponent[index]
        return Scaled(self.number[index], exponent)


class Sources(NamedTuple):
    """The classes [after, terms] that a class reads along each axis, and with which weights."""

    rows: tuple[np.ndarray, np.ndarray]
    columns: tuple[np.ndarray, np.ndarray]


def needed(moment: float, depth: int, dtype: Any) -> bool:
    """Whether M^depth comes near the largest float: common scales do until there."""
    return depth * log(moment) > 0.7 * log(float(jnp.finfo(dtype).max))


def sources(steps: tuple[Step, Step]) -> Sources:
    """What is not zero among the taps of a layer."""
    return Sources(*(_not_zero(step.taps) for step in steps))


def _not_zero(taps: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    count = max(1, int(np.max(np.count_nonzero(taps, axis=1))))
    order = np.argsort(taps == 0, axis=1, kind="stable")[:, :count]
    return order, np.take_along_axis(taps, order, axis=1)


def over_taps(number: Array, exponent: Array, sources: Sources) -> tuple[Array, Array]:
    """The weighted sums over rows and over columns, [..., rows, columns]."""
    for places, weights in sources:
        number, exponent = _summed(number, exponent, places, weights)
    return number, exponent


def add(plain: Array, number: Array, exponent: Array) -> tuple[Array, Array]:
    """The sum of a plain number and one with an exponent."""
    plain, number, zero, exponent = jnp.broadcast_arrays(
        plain, number, jnp.zeros_like(exponent), exponent
    )
    return _total(jnp.stack([plain, number]), jnp.stack([zero, exponent]), axis=0)


def _summed(
    number: Array, exponent: Array, places: ArrayLike, weights: ArrayLike
) -> tuple[Array, Array]:
    """Sums over the last axis but one, which becomes the last."""
    numbers, exponents = (jnp.swapaxes(part, -1, -2)[..., places] for part in (number, exponent))
    factors = jnp.asarray(weights, numbers.dtype)
    factors = factors.reshape((1,) * (numbers.ndim - 2) + factors.shape)
    return _total(factors * numbers, exponents, axis=-1)


def _total(numbers: Array, exponents: Array, axis: int) -> tuple[Array, Array]:
    exponents = jnp.where(numbers == 0, _ZERO, exponents)
    largest = jnp.max(exponents, axis=axis, keepdims=True)
    number = jnp.sum(jnp.ldexp(numbers, exponents - largest), axis=axis)
    _, shift = jnp.frexp(jax.lax.stop_gradient(number))
    return jnp.ldexp(number, -shift), jnp.squeeze(largest, axis) + shift
