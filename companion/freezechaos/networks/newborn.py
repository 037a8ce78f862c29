"""A network that is drawn and run at once, so that a figure may draw thousands."""

from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, PRNGKeyArray

from .. import checks
from ..activations import Activation
from ..types import Integer, Numbers
from .norms import standardize


class Newborn(NamedTuple):
    """What a random network does to a batch.

    Attributes:
        outputs: f(x).
        hidden: the neurons of the last hidden layer.
        covariance: (1 - beta^2) <hidden, hidden> / width + beta^2: given the hidden layers, the
            outputs are Gaussian with this covariance, exactly.
    """

    outputs: Float[Array, " n"]
    hidden: Float[Array, "n width"]
    covariance: Float[Array, "n n"]


def newborn(
    activation: Activation,
    beta: Numbers,
    depth: Integer,
    x: Float[Array, "n d"],
    width: int,
    *,
    layer_norm: Literal["before", "after"] | None = None,
    key: PRNGKeyArray,
) -> Newborn:
    """A random network with hidden layers of one width, at a batch of inputs.

    It is `FullyConnected([d, width, ..., width, 1], ...)`, but beta and depth may be traced, and no
    weight is kept. Of two networks with one key the deeper has the hidden layers of the other and
    more, and the same last weights.

    Arguments:
        activation: a standardized or normalized activation.
        beta: share of the bias, in [0, 1); one number.
        depth: number L of affine maps, 2 or more.
        x: inputs on the sphere |x|^2 = d, one a row.
        width: neurons of each hidden layer, 1 or more.
        layer_norm: "before" or "after" every nonlinearity, over the neurons; None for none.
        key: what the weights are drawn with.

    Raises:
        ValueError, TypeError: an argument outside its range.

    >>> from freezechaos import activations, networks
    >>> relu = activations.standardized("relu")
    >>> x = networks.circle(jnp.zeros(1))
    >>> newborn(relu, 0.1, 3, x, 64, key=jax.random.key(0)).hidden.shape
    (1, 64)
    """
    checks.activation(activation)
    beta, depth = checks.beta(beta, x.dtype), checks.depth(depth)
    if not isinstance(depth, jax.core.Tracer) and depth < 2:
        raise ValueError(f"`depth` must be 2 or more: it has a hidden layer; got {depth}. Try 2.")
    width = checks.whole("width", width, 1, "Try 64.")
    if layer_norm not in (None, "before", "after"):
        raise ValueError(
            f'`layer_norm` must be "before" or "after" the nonlinearity, or None; got '
            f"{layer_norm!r}."
        )
    share = (1 - beta) * (1 + beta)

    def affine(layer: Integer, entering: Array, size: int) -> Array:
        of_weights, of_biases = jax.random.split(jax.random.fold_in(key, layer))
        weights = jax.random.normal(of_weights, (entering.shape[1], size), x.dtype)
        biases = beta * jax.random.normal(of_biases, (1, size), x.dtype)
        after = jnp.sqrt(share / entering.shape[1]) * (entering @ weights)
        return after + jnp.broadcast_to(biases, after.shape)

    def hidden(pre: Array) -> Array:
        value = activation(standardize(pre, -1) if layer_norm == "before" else pre)
        return standardize(value, -1) if layer_norm == "after" else value

    last = hidden(affine(1, x, width))
    last = lax.fori_loop(2, depth, lambda k, value: hidden(affine(k, value, width)), last)
    covariance = share * (last @ last.T) / width + beta**2
    return Newborn(affine(0, last, 1)[:, 0], last, covariance)
