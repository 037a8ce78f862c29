"""Functions that infinitely wide networks compute before training."""

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float, PRNGKeyArray, Real

from .. import checks, matrices
from ..activations import Activation
from ..types import Integer, Number, Numbers
from .lookup import Rows, cosine_and_gap
from .recursion import from_gap, nngp

_CLOSE = 0.1  # a gap below is not taken from a rounded product


def draw(
    activation: Activation,
    beta: Number,
    depth: Integer,
    x: Real[ArrayLike, "n d"],
    draws: Integer,
    *,
    key: PRNGKeyArray,
) -> Float[Array, "draws n"]:
    """Outputs of random networks of infinite width: Gaussian, of covariance Sigma^(L).

    Arguments:
        activation: a standardized or normalized activation.
        beta: share of the bias, in [0, 1).
        depth: number L of affine maps, 1 or more.
        x: inputs, one a row, of any norm but 0; only their directions count.
        draws: how many functions, 1 or more.
        key: what they are drawn with.

    Raises:
        ValueError, TypeError: an argument outside its range, a zero or non-finite row; arguments
            that JAX is tracing.

    Source: Lee et al., Deep neural networks as Gaussian processes, ICLR 2018.

    >>> from freezechaos import activations
    >>> relu = activations.standardized("relu")
    >>> draw(relu, 0.1, 3, jnp.eye(2), 5, key=jax.random.key(0)).shape
    (5, 2)
    """
    checks.activation(activation)
    x, depth, beta = checks.rows("x", x), checks.depth(depth), checks.one_beta(beta)
    draws = checks.whole("draws", draws, 1, "Try 5.")
    matrices.numbers("x", x)
    cosine, gap = _cosines(x)
    sigma, _, _ = from_gap(activation, jnp.asarray(beta, x.dtype), depth, cosine, gap)
    values, vectors = matrices.eigenmodes("x", np.asarray(sigma, np.float64))
    root = jnp.asarray((vectors * np.sqrt(values)).T, x.dtype)
    return jnp.matmul(jax.random.normal(key, (draws, len(x)), x.dtype), root, precision="highest")


def draw_on_circle(
    activation: Activation,
    beta: Numbers,
    depth: Integer,
    points: int,
    *,
    key: PRNGKeyArray,
) -> Float[Array, " points"]:
    """One function as `draw` gives it, at equally spaced inputs on the circle; may be traced.

    The covariance of two of them depends on the angle in between alone, so waves are its
    eigenvectors, and its eigenvalues are the sums s_k = sum_j Sigma(angle_j) cos(k angle_j):
    f = sum_k sqrt(s_k / points) (a_k cos(k angle) + b_k sin(k angle)), a_k and b_k from N(0, 1).

    Arguments:
        activation: a standardized or normalized activation.
        beta: share of the bias, in [0, 1).
        depth: number L of affine maps, 1 or more.
        points: how many inputs, the first at the angle 0.
        key: what it is drawn with.

    Raises:
        ValueError, TypeError: an argument outside its range.
    """
    points = checks.whole("points", points, 1, "Try 72.")
    number = jnp.arange(points)
    angles = (2 * np.pi / points) * (number[:, None] * number[None] % points).astype(jnp.float32)
    cosines, sines = jnp.cos(angles), jnp.sin(angles)
    sums = cosines @ nngp(activation, beta, depth, cosines[1 % points])
    rounding = 4 * points * float(jnp.finfo(sums.dtype).eps)  # all sums together are `points`
    sizes = jnp.sqrt(jnp.where(sums > rounding, sums, 0) / points)
    a, b = jax.random.normal(key, (2, points))
    return cosines @ (sizes * a) + sines @ (sizes * b)


@jax.jit
def _cosines(x: Array) -> tuple[Array, Array]:
    """Cosines and 1 - |cosine| of all pairs of rows; chaos must not blow rounding up."""
    rows, is_same = Rows.of(x), jnp.eye(len(x), dtype=bool)
    cosine, gap = cosine_and_gap(rows, rows, is_same, _CLOSE)
    return jnp.clip(cosine, -1, 1), (gap + gap.T) / 2
