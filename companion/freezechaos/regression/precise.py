"""NNGP and scaled NTK between inputs in float64, with their slopes in beta, on the host.

At fixed activation, beta and depth a kernel is one function of the gap 1 - |cosine|. It is kept as
one Chebyshev series an octave, exact to rounding at any depth; so a matrix costs the same at every
depth, and enough digits are left to solve with it. `kernels.gram` is the same in float32, faster.
"""

from functools import lru_cache, partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array
from numpy.polynomial import chebyshev

from ..activations import Activation
from ..kernels.lookup import KINDS, Kind
from ..kernels.recursion import from_gap
from ..numerics import read_only

_OCTAVES = 100  # down to a gap of 2^-100; below, the value at 0
_TERMS = 28  # of a series
_CLOSE = 1e-2  # below such a gap it is worked out from the difference of two rows


class Between(NamedTuple):
    """Signs of the cosines, and gaps 1 - |cosine|, each [n, m], of two sets of directions."""

    negative: np.ndarray
    gap: np.ndarray


def between(x1: np.ndarray, x2: np.ndarray) -> Between:
    """Of rows in float64; a gap has its digits however small it is."""
    first, second = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (x1, x2))
    cosine = first @ second.T
    negative = cosine < 0
    gap = np.maximum(1 - np.abs(cosine), 0)
    for row, (u, close) in enumerate(zip(first, gap < _CLOSE, strict=True)):
        (near,) = np.nonzero(close)
        sign = np.where(negative[row, near], -1.0, 1.0)[:, None]
        gap[row, near] = np.sum((u - sign * second[near]) ** 2, axis=1) / 2
    return Between(negative, gap)


def kernel(activation: Activation, beta: float, depth: int, kind: Kind, at: Between) -> np.ndarray:
    """The kernel [n, m]."""
    return _sum(_series(activation, beta, depth)[KINDS.index(kind)], at)


def slope(activation: Activation, beta: float, depth: int, kind: Kind, at: Between) -> np.ndarray:
    """Its derivative in beta [n, m]."""
    return _sum(_series(activation, beta, depth, slopes=True)[KINDS.index(kind)], at)


def _sum(series: np.ndarray, at: Between) -> np.ndarray:
    """A series [terms, 2, octaves + 1] at the gaps: Clenshaw's recurrence."""
    _, exponent = np.frexp(at.gap)
    octave = np.where(at.gap > 0, np.clip(-exponent, 0, _OCTAVES), _OCTAVES)
    place = np.where(octave < _OCTAVES, 4 * np.ldexp(at.gap, octave) - 3, 0.0)
    cell = octave + (_OCTAVES + 1) * at.negative
    after, later = np.zeros_like(place), np.zeros_like(place)
    for row in series.reshape(_TERMS, -1)[:0:-1]:
        after, later = row[cell] + 2 * place * after - later, after
    return series[0].ravel()[cell] + place * after - later


@lru_cache(maxsize=64)
def _series(activation: Activation, beta: float, depth: int, *, slopes: bool = False) -> np.ndarray:
    """NNGP and NTK, or their slopes [2, terms, 2, octaves + 1]: by sign, then by falling gap."""
    nodes = chebyshev.chebpts1(_TERMS)
    gaps = np.outer(2.0 ** -np.arange(_OCTAVES), (nodes + 3) / 4)
    gaps = np.concatenate([gaps, np.zeros((1, _TERMS))])
    with jax.enable_x64(True):
        given = activation, jnp.float64(beta), jnp.asarray(depth), jnp.asarray(gaps)
        work = _slopes if slopes else _values
        values = [np.asarray(work(*given, jnp.float64(sign))) for sign in (1, -1)]
    inverse = np.linalg.inv(chebyshev.chebvander(nodes, _TERMS - 1))
    return read_only(np.einsum("tn,skon->ktso", inverse, np.stack(values)))


@partial(jax.jit, static_argnames=("activation",))
def _values(activation: Activation, beta: Array, depth: Array, gaps: Array, sign: Array) -> Array:
    """NNGP and NTK at gaps, for cosines of one sign."""
    return jnp.stack(from_gap(activation, beta, depth, sign * (1 - gaps), gaps)[:2])


@partial(jax.jit, static_argnames=("activation",))
def _slopes(activation: Activation, beta: Array, depth: Array, gaps: Array, sign: Array) -> Array:
    """Their derivatives in beta."""

    def values(beta: Array) -> Array:
        return _values(activation, beta, depth, gaps, sign)

    return jax.jvp(values, (beta,), (jnp.ones_like(beta),))[1]
