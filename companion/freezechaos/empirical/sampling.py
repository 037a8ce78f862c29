"""Averages over networks, with their standard errors."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key, PRNGKeyArray

from .. import checks
from ..types import Integer


class Estimate(NamedTuple):
    """A Monte Carlo mean and its standard error, arrays of one shape."""

    mean: Array
    standard_error: Array


def monte_carlo(
    sample: Callable[[PRNGKeyArray], Float[Array, "*shape"]],
    keys: Key[Array, " n"],
    *,
    batch: Integer = 8,
) -> Estimate:
    """Mean of `sample(key)` over the keys, with its standard error.

    Arguments:
        sample: a pure JAX function of a key; compiled once for every function object.
        keys: two or more as one array [n], `jax.random.split(jax.random.key(seed), n)`; each is
            one independent sample.
        batch: how many samples to work out at once, 1 or more.

    Raises:
        ValueError, TypeError: fewer than two keys, or none of the kind; batch outside its range.
    """
    _check_keys(keys)
    batch = checks.whole("batch", batch, 1, "Try 8.")
    samples = _sampled(sample, keys, batch)
    error = jnp.std(samples, axis=0, ddof=1) / jnp.sqrt(len(keys))
    return Estimate(jnp.mean(samples, axis=0), error)


def _check_keys(keys: Any) -> None:
    typed = isinstance(keys, jax.Array) and jnp.issubdtype(keys.dtype, jax.dtypes.prng_key)
    if not typed:
        got = f"{keys.dtype} {list(keys.shape)}" if isinstance(keys, jax.Array) else f"{keys!r}"
        raise TypeError(
            f"`keys` must be one array of new-style keys; got {got}. "
            "Take jax.random.split(jax.random.key(0), 16)."
        )
    if keys.ndim != 1 or keys.size < 2:
        raise ValueError(
            f"`keys` must be two or more, of shape [n]; got {keys.size} of shape "
            f"{list(keys.shape)}. A single sample has no standard error: take "
            "jax.random.split(key, 16)."
        )


@partial(jax.jit, static_argnames=("sample", "batch"))
def _sampled(sample: Callable[[PRNGKeyArray], Array], keys: Key[Array, " n"], batch: int) -> Array:
    return jax.lax.map(sample, keys, batch_size=batch)
