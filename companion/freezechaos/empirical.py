"""The tangent kernel of finite networks, and averages over random ones with their error."""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key, PRNGKeyArray

from . import checks
from .networks import FullyConnected


class Estimate(NamedTuple):
    """A Monte Carlo mean and its standard error, arrays of one shape."""

    mean: Array
    standard_error: Array


def ntk(
    network: FullyConnected, x1: Float[Array, "n d"], x2: Float[Array, "m d"] | None = None
) -> Float[Array, "n m"]:
    """Tangent kernel sum_p (df(x)/dp) (df(y)/dp) of a network with one output.

    No Jacobian is formed: layer by layer the kernel is a sum of products of two Gram matrices,
    ((1 - beta^2) <h, h'> / n + beta^2) <delta, delta'>, with h what enters an affine map and
    delta the derivative of the output in what leaves it.

    Arguments:
        network: a `FullyConnected` with a single output.
        x1, x2: inputs, one a row; x2 is x1 where left out.

    Raises:
        ValueError: several outputs, inputs of the wrong width, zero or non-finite rows.

    Source: [JGGH], chain rule.
    """
    if network.widths[-1] != 1:
        raise ValueError(
            f"`network` must have one output; got {network.widths[-1]}. The outputs of a wide "
            "network are independent: look at one of them."
        )
    x1 = checks.rows("x1", x1)
    x2 = x1 if x2 is None else checks.rows("x2", x2)
    for name, x in (("x1", x1), ("x2", x2)):
        if x.shape[1] != network.widths[0]:
            raise ValueError(
                f"`{name}` must have {network.widths[0]} columns, as the network has inputs; "
                f"got {x.shape[1]}."
            )
    return _ntk(network, x1, x2)


@jax.jit
def _ntk(network: FullyConnected, x1: Array, x2: Array) -> Array:
    bias = network.beta**2
    total = jnp.zeros((len(x1), len(x2)), x1.dtype)
    for (h1, delta1), (h2, delta2) in zip(_layers(network, x1), _layers(network, x2), strict=True):
        forward = (1 - bias) / h1.shape[1] * (h1 @ h2.T) + bias
        total += forward * (delta1 @ delta2.T)
    return total


def _layers(network: FullyConnected, x: Array) -> list[tuple[Array, Array]]:
    """(what enters, derivative of the output in what leaves) for every affine map, last first."""
    entering, slopes = [x], []
    for layer in range(len(network.weights) - 1):
        pre = network.affine(layer, entering[-1])
        value, slope = jax.jvp(network.activation, (pre,), (jnp.ones_like(pre),))
        entering.append(value)
        slopes.append(slope)
    delta = jnp.ones((len(x), 1), x.dtype)
    layers = [(entering.pop(), delta)]
    for weight, slope in zip(network.weights[:0:-1], reversed(slopes), strict=True):
        delta = network.scale(weight) * (delta @ weight) * slope
        layers.append((entering.pop(), delta))
    return layers


def monte_carlo(
    sample: Callable[[PRNGKeyArray], Float[Array, "*shape"]],
    keys: Key[Array, " n"],
    *,
    batch: int = 8,
) -> Estimate:
    """Mean of `sample(key)` over the keys, with its standard error.

    Arguments:
        sample: a pure JAX function of a key; compiled once for every function object.
        keys: two or more, from `jax.random.split(key, n)`.
        batch: how many samples to work out at once.

    Raises:
        ValueError: fewer than two keys.
    """
    if len(keys) < 2:
        raise ValueError(
            f"`keys` must be two or more; got {len(keys)}. A single sample has no standard error: "
            "take jax.random.split(key, 16)."
        )
    samples = _sampled(sample, keys, batch)
    error = jnp.std(samples, axis=0, ddof=1) / jnp.sqrt(len(keys))
    return Estimate(jnp.mean(samples, axis=0), error)


@partial(jax.jit, static_argnames=("sample", "batch"))
def _sampled(sample: Callable[[PRNGKeyArray], Array], keys: Key[Array, " n"], batch: int) -> Array:
    return jax.lax.map(sample, keys, batch_size=batch)
