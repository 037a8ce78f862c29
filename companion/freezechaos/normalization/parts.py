"""The parts of a layer, and what the functions of this package accept."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from freezechaos import checks, matrices
from freezechaos.activations import Activation, standardized

PARTS = ("recentre", "rescale", "nonlinearity")
"""In the order of full batch normalization."""

DEFAULT = ("recentre", "nonlinearity")


def recentre(x: Float[Array, "*batch n"]) -> Float[Array, "*batch n"]:
    """What is left of each neuron without its mean over the batch, the last axis."""
    centred = x - jnp.mean(x, axis=-1, keepdims=True)
    return centred - jnp.mean(centred, axis=-1, keepdims=True)  # what rounding left of it


def rescale(x: Float[Array, "*batch n"]) -> Float[Array, "*batch n"]:
    """Each neuron over its root mean square over the batch, the last axis; a dead one stays 0.

    After `recentre` that is the standard deviation. Without it the standard deviation would let
    the mean of the batch grow, by (N - 1) / (N - 3) a layer, until all points are one.
    """
    square = jnp.mean(x**2, axis=-1, keepdims=True)
    return jnp.where(square > 0, x / jnp.sqrt(jnp.where(square > 0, square, 1)), 0)


def checked(parts: Any) -> tuple[str, ...]:
    """An ordered subset of `PARTS`."""
    given = (parts,) if isinstance(parts, str) else tuple(parts)
    for part in given:
        if part not in PARTS:
            raise ValueError(
                f"`parts` must be taken from {list(PARTS)}; got {part!r}. "
                'Try ("recentre", "nonlinearity").'
            )
    if len(set(given)) < len(given):
        raise ValueError(f"`parts` must each be there once; got {list(given)}. Drop what repeats.")
    return given


def checked_activation(parts: Sequence[str], activation: Any) -> Activation | None:
    """The activation, standardized ReLU where left out; none without a nonlinearity."""
    if "nonlinearity" in parts:
        return standardized("relu") if activation is None else checks.activation(activation)
    if activation is not None:
        raise ValueError(
            f'`activation` goes with the part "nonlinearity"; got {activation} and `parts` '
            f"{list(parts)}. Add the part, or leave the activation out."
        )
    return None


def checked_gram(gram: Any) -> Float[Array, "n n"]:
    """A Gram matrix of two points or more, float32 or float64; its numbers if not traced."""
    array = checks.floating("gram", gram)
    if array.ndim != 2 or array.shape[0] != array.shape[1] or len(array) < 2:
        raise ValueError(
            f"`gram` must be square, [n, n], of two points or more; got shape "
            f"{list(array.shape)}. Take x @ x.T for inputs x [n, d], or map with jax.vmap."
        )
    if not isinstance(array, jax.core.Tracer):
        matrices.eigenvalues("gram", matrices.gram("gram", array))
    return array


def checked_spread(parts: Sequence[str], gram: Array) -> None:
    """Refuse points that recentring would all send to zero."""
    if "recentre" not in parts or isinstance(gram, jax.core.Tracer):
        return
    values = np.asarray(gram, np.float64)
    spread = np.trace(values) - values.mean() * len(values)
    if spread <= 8 * float(jnp.finfo(gram.dtype).eps) * np.trace(values):
        raise ValueError(
            '`parts` with "recentre" need points that differ; got a batch of equal ones, of '
            "which recentring leaves nothing. Move one of them."
        )
