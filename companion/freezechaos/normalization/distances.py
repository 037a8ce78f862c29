"""Recentring as a choice of the origin: a map of the distances between points."""

import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Real

from freezechaos import checks
from freezechaos.activations import Activation

from .grams import homogeneous


def squares_from_centre(
    squares: Real[ArrayLike, "n n"], counts: Real[ArrayLike, " n"] | None = None
) -> Float[Array, " n"]:
    """The squared lengths of points seen from the centre of their batch, from their distances.

    m_i = (1/N) sum_j D_ij - (1/2N^2) sum_jl D_jl. Standardized ReLU does not change them: they are
    also the squared lengths that `distance_step` leaves, before the next recentring.

    Arguments: as for `distance_step`.
    """
    return _from_centre(*_checked(squares, counts))


def distance_step(
    squares: Real[ArrayLike, "n n"],
    counts: Real[ArrayLike, " n"] | None = None,
    activation: Activation | None = None,
) -> Float[Array, "n n"]:
    """The squared distances one layer on, for recentre + nonlinearity.

    Recentring moves the origin to the centre of the batch and changes no distance. With m_i the
    squared length of point i seen from there, theta_ij an angle seen from there, and R the dual
    map of the activation,

        D'_ij = m_i + m_j - 2 sqrt(m_i m_j) R(cos theta_ij) = D_ij - 2 sqrt(m_i m_j) J(theta_ij),

    J(theta) = R(cos theta) - cos theta, which for ReLU rises from 0 to 1. Nothing is scaled. At
    every width this is the mean over the weights, at infinite width the distance itself.

    Arguments:
        squares: squared distances between points, or between groups of like points: then the
            diagonal has that of two points of one group. Of one point alone it is not looked at.
        counts: how many points each group has, one where left out; they need not be whole.
        activation: as for `symmetric_cosine`.

    Raises:
        ValueError, TypeError: another activation, shapes that do not fit.

    Source: derived in the chapter.

    >>> distance_step(jnp.array([[0.0, 4.0], [4.0, 0.0]]))  # opposite, seen from the centre
    Array([[0., 2.],
           [2., 0.]], dtype=float32)
    """
    sigma = homogeneous(activation)
    squares, counts = _checked(squares, counts)
    length = jnp.sqrt(_from_centre(squares, counts))
    product = 2 * length[:, None] * length[None, :]
    apart = (length[:, None] - length[None, :]) ** 2
    # what turning adds to the difference of two lengths, by gaps, so that nothing cancels
    gap = (squares - apart) / jnp.where(product > 0, product, 1)
    return apart + product * sigma.dual_gap(jnp.clip(gap, 0, 2)) / sigma.second_moment


def _from_centre(squares: Array, counts: Array) -> Array:
    sums = squares @ counts - jnp.diagonal(squares)  # no point is far from itself
    number = jnp.sum(counts)
    return jnp.maximum(sums / number - counts @ sums / (2 * number**2), 0)


def _checked(
    squares: Real[ArrayLike, "n n"], counts: Real[ArrayLike, " n"] | None
) -> tuple[Array, Array]:
    array = checks.floating("squares", squares)
    if array.ndim != 2 or array.shape[0] != array.shape[1]:
        raise ValueError(
            f"`squares` must be square, [n, n], one row a point or a group; got shape "
            f"{list(array.shape)}."
        )
    if counts is None:
        counts = np.ones(len(array))
    weights = jnp.asarray(counts, array.dtype)
    if weights.shape != array.shape[:1]:
        raise ValueError(
            f"`counts` must have a number for each of the {len(array)} groups of `squares`; got "
            f"shape {list(weights.shape)}."
        )
    return array, weights
