"""What a batch looks like, read off its Gram matrix."""

from math import inf
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Real

from .. import checks
from ..types import Integer, Number
from . import parts as part


def cosines(gram: Real[ArrayLike, "*batch n n"]) -> Float[Array, "*batch n n"]:
    """K_ij / sqrt(K_ii K_jj), within [-1, 1].

    Arguments:
        gram: one Gram matrix or many; points of length zero have the cosine 0 with all.
    """
    matrix = jnp.asarray(gram)
    square = jnp.diagonal(matrix, axis1=-2, axis2=-1)
    inverse = jnp.where(square > 0, 1 / jnp.sqrt(jnp.where(square > 0, square, 1)), 0)
    return jnp.clip(matrix * inverse[..., :, None] * inverse[..., None, :], -1, 1)


def mean_cosine(gram: Real[ArrayLike, "*batch n n"]) -> Float[Array, "*batch"]:
    """The mean cosine of two different points: 1 in a collapse, -1 / (n - 1) in a simplex."""
    matrix = cosines(gram)
    n = matrix.shape[-1]
    off = jnp.where(jnp.eye(n, dtype=bool), 0, matrix)
    return jnp.sum(off, axis=(-2, -1)) / (n * (n - 1))


def orthogonality_gap(gram: Real[ArrayLike, "*batch n n"]) -> Float[Array, "*batch"]:
    """|K / trace K - I / n|, the Frobenius norm: 0 where all points are orthogonal and as long.

    Source: Daneshmand, Joudaki, Bach 2021.
    """
    matrix = jnp.asarray(gram)
    n = matrix.shape[-1]
    trace = jnp.trace(matrix, axis1=-2, axis2=-1)[..., None, None]
    difference = matrix / trace - jnp.eye(n, dtype=matrix.dtype) / n
    return jnp.sqrt(jnp.sum(difference**2, axis=(-2, -1)))


class OddPoint(NamedTuple):
    """The point that stands apart from the others, arrays with the batch axes of the Gram matrix.

    Attributes:
        which: its number; its cosines with the others have the lowest sum.
        cosine: the mean of them.
        cluster: the mean cosine of two of the others.
        angle: between it and the others, arccos(cosine) in degrees.
    """

    which: Array
    cosine: Array
    cluster: Array
    angle: Array


def odd_point(gram: Real[ArrayLike, "*batch n n"]) -> OddPoint:
    """Which point is odd, and how odd it is; every batch has one, if only by chance.

    Arguments:
        gram: of three points or more.

    Raises:
        ValueError: fewer points.

    Source: [NBGK], one cluster and one odd point.
    """
    matrix = cosines(gram)
    n = matrix.shape[-1]
    if n < 3:
        raise ValueError(f"`gram` must be of 3 points or more; got {n}. Of two none is odd.")
    off = jnp.where(jnp.eye(n, dtype=bool), 0, matrix)
    sums = jnp.sum(off, axis=-1)
    which, lowest = jnp.argmin(sums, axis=-1), jnp.min(sums, axis=-1)
    rest = jnp.sum(sums, axis=-1) - 2 * lowest
    cosine = lowest / (n - 1)
    return OddPoint(which, cosine, rest / ((n - 1) * (n - 2)), jnp.rad2deg(jnp.arccos(cosine)))


def contrast(gram: Real[ArrayLike, "*batch n n"]) -> Float[Array, "*batch"]:
    """Variance between the oddest point and the others, over that among the others.

    max_i u_i^T K u_i / ((trace HKH - u_i^T K u_i) / (n - 2)), with u_i the unit vector from the
    mean of the others to point i. Recentring leaves nothing else of a batch with one odd point:
    this number is 1 in the symmetric state and large where there is an odd point.

    Arguments:
        gram: of three points or more.

    Raises:
        ValueError: fewer points.
    """
    matrix = jnp.asarray(gram)
    n = matrix.shape[-1]
    if n < 3:
        raise ValueError(f"`gram` must be of 3 points or more; got {n}. Of two none is odd.")
    centred = part.recentre(part.recentre(matrix).swapaxes(-2, -1))
    square = jnp.diagonal(centred, axis1=-2, axis2=-1)
    between = square * (n / (n - 1))  # u_i is H e_i, of squared length (n - 1) / n
    within = (jnp.sum(square, axis=-1, keepdims=True) - between) / (n - 2)
    return jnp.max(between / within, axis=-1)


def odd_gram(contrast: Number, n: Integer) -> Float[Array, "n n"]:
    """The recentred Gram matrix, trace n, of n - 1 like points and one odd one, the last.

    P + contrast u u^T, with u = (-1, ..., -1, n - 1) / sqrt(n (n - 1)) and P the projection on
    what is orthogonal to u and to the constant.

    Arguments:
        contrast: more than 0; 1 gives the simplex.
        n: 3 or more.

    Raises:
        ValueError, TypeError: fewer points, a contrast that is not positive.
    """
    n = checks.whole("n", n, 3, "Of two points none is odd.")
    value = checks.number("contrast", contrast)
    if not isinstance(value, jax.core.Tracer) and not 0 < value < inf:
        raise ValueError(
            f"`contrast` must be positive and finite; got {value:g}. 1 is the simplex."
        )
    value = jnp.asarray(value, jnp.result_type(float))
    u = jnp.full(n, -1.0, value.dtype).at[-1].set(n - 1) / jnp.sqrt(n * (n - 1.0))
    symmetric = jnp.eye(n, dtype=value.dtype) - 1 / n
    gram = symmetric + (value - 1) * jnp.outer(u, u)
    return gram * (n / (n - 2 + value))
