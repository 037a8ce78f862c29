"""Functions that infinitely wide networks compute before training."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from .. import checks, matrices
from ..activations import Activation
from .recursion import nngp


def draw(
    activation: Activation,
    beta: float | Array,
    depth: int,
    x: Float[Array, "n d"],
    draws: int,
    *,
    key: PRNGKeyArray,
) -> Float[Array, "draws n"]:
    """Outputs of random networks of infinite width: Gaussian, of covariance Sigma^(L).

    Arguments:
        activation: a standardized or normalized activation.
        beta: share of the bias, in [0, 1).
        depth: number L of affine maps, 1 or more.
        x: inputs, one a row; only their directions count.
        draws: how many functions.
        key: what they are drawn with.

    Raises:
        ValueError, TypeError: an argument outside its range, a zero or non-finite row.

    Source: Lee et al., Deep neural networks as Gaussian processes, ICLR 2018.

    >>> from freezechaos import activations
    >>> relu = activations.standardized("relu")
    >>> draw(relu, 0.1, 3, jnp.eye(2), 5, key=jax.random.key(0)).shape
    (5, 2)
    """
    x = checks.rows("x", x)
    x = x / jnp.linalg.norm(x, axis=1, keepdims=True)
    cosine = jnp.matmul(x, x.T, precision=jax.lax.Precision.HIGHEST)
    sigma = nngp(activation, beta, depth, jnp.clip(cosine, -1, 1))
    values, vectors = matrices.eigenmodes("x", np.asarray(sigma, np.float64))
    root = vectors * np.sqrt(values)
    return jax.random.normal(key, (draws, len(x)), x.dtype) @ jnp.asarray(root.T, x.dtype)
