"""A batch in a network of finite width."""

from collections.abc import Sequence
from functools import partial
from typing import Literal

import jax
import jax.numpy as jnp
from jax import lax
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Key, Real

from freezechaos import checks
from freezechaos.activations import Activation
from freezechaos.types import Integer

from . import parts as part
from .parts import DEFAULT


def propagate(
    batch: Real[ArrayLike, "n d"],
    depth: Integer,
    width: Integer,
    parts: Sequence[str] = DEFAULT,
    key: Key[Array, "*keys"] | None = None,
    *,
    activation: Activation | None = None,
    record: Literal["points", "grams"] = "points",
) -> Array:
    """The batch after `depth` random layers, [n, width], or the Gram matrix of every layer.

    A layer is X <- parts(X W / sqrt(d)), the parts in the order given, statistics over the batch
    for each neuron, and the batch scaled to trace N. The entries of W are never drawn one by one:
    given X, the neurons of X W / sqrt(d) are independent N(0, X X^T / d), so a layer draws them
    from a Cholesky factor, N random numbers a neuron instead of d. The law is that of the
    network, at this width, exactly but for a multiple of rounding on the diagonal: mean squared
    distances below 4 n times the unit of rounding are not resolved. All layers are one compiled
    scan, mapped over the keys.

    Arguments:
        batch: n points, one a row; 2 or more.
        depth: number of layers, 1 or more.
        width: neurons in each.
        parts: any of "recentre", "rescale", "nonlinearity", each once, in any order.
        key: one key, or an array of them, whose axes come first in the result.
        activation: what "nonlinearity" is; standardized ReLU where left out.
        record: "points" for the last layer's representations; "grams" for the Gram matrices
            [depth + 1, n, n] of all layers, from the batch on, each of trace n.

    Raises:
        ValueError, TypeError: an argument outside its range, equal points with "recentre".

    Source: the parts are those of [NBGK].

    >>> x = jax.random.normal(jax.random.key(0), (4, 3))
    >>> propagate(x, 10, 32, ("rescale",), jax.random.key(1)).shape
    (4, 32)
    >>> keys = jax.random.split(jax.random.key(1), 5)
    >>> propagate(x, 10, 32, ("recentre", "rescale"), keys, record="grams").shape
    (5, 11, 4, 4)
    """
    parts = part.checked(parts)
    activation = part.checked_activation(parts, activation)
    batch, depth = checks.rows("batch", batch), checks.depth(depth)
    gram = part.checked_gram(batch @ batch.T)
    part.checked_spread(parts, gram)
    width = checks.whole("width", width, 1, "Try 256.")
    key = _checked_key(key, record)
    run = partial(
        _propagated, gram, depth=depth, width=width, parts=parts,
        activation=activation, record=record,
    )  # fmt: skip
    for _ in range(key.ndim):
        run = jax.vmap(run)
    return run(key)


@partial(jax.jit, static_argnames=("depth", "width", "parts", "activation", "record"))
def _propagated(
    gram: Array, key: Array, depth: int, width: int, parts: tuple[str, ...],
    activation: Activation | None, record: str,
) -> Array:  # fmt: skip
    def layer(gram: Array, key: Array) -> tuple[Array, Array]:
        after = gram_of(_neurons(gram, key, width, parts, activation))
        return after, after if record == "grams" else jnp.zeros(())

    keys, gram = jax.random.split(key, depth), _traced(gram)
    if record == "grams":
        return jnp.concatenate([gram[None], lax.scan(layer, gram, keys)[1]])
    gram, _ = lax.scan(layer, gram, keys[:-1])
    points = _neurons(gram, keys[-1], width, parts, activation).T
    return points / jnp.sqrt(jnp.mean(points**2))


def _neurons(
    gram: Array, key: Array, width: int, parts: tuple[str, ...], activation: Activation | None
) -> Float[Array, "width n"]:
    """One layer's neurons over the batch."""
    value = drawn(gram, key, width)
    for name in parts:
        if name == "recentre":
            value = part.recentre(value)
        elif name == "rescale":
            value = part.rescale(value)
        elif activation:
            value = activation(value)
    return value


def drawn(gram: Array, key: Array, width: int) -> Float[Array, "width n"]:
    """Neurons X W / sqrt(d) over the batch, before any part."""
    n = len(gram)
    jitter = 4 * n * float(jnp.finfo(gram.dtype).eps)
    factor = jnp.linalg.cholesky(gram + jitter * jnp.eye(n, dtype=gram.dtype))
    return jax.random.normal(key, (width, n), gram.dtype) @ factor.T


def gram_of(neurons: Float[Array, "width n"]) -> Float[Array, "n n"]:
    """Of the points whose coordinates the neurons are, scaled to trace n."""
    return _traced(neurons.T @ neurons)


def _traced(gram: Float[Array, "n n"]) -> Float[Array, "n n"]:
    return gram * (len(gram) / jnp.trace(gram))


def _checked_key(key: Array | None, record: str) -> Array:
    if not isinstance(key, jax.Array) or not jnp.issubdtype(key.dtype, jax.dtypes.prng_key):
        raise TypeError(
            f"`key` must be a key or an array of keys; got {key!r}. Try jax.random.key(0), or "
            "jax.random.split(jax.random.key(0), 32) for 32 networks."
        )
    if record not in ("points", "grams"):
        raise ValueError(f'`record` must be "points" or "grams"; got {record!r}.')
    return key
