"""Factors of single layers: learning rates, as an Optax transformation, and another bias share."""

from operator import attrgetter
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import optax
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Real

from .. import checks
from ..types import Numbers


def scale_by_layer(rates: Real[ArrayLike, "layers 2"]) -> optax.GradientTransformation:
    """Multiplies the updates of `weights[l]` by rates[l, 0], those of `biases[l]` by rates[l, 1].

    For every network of ours, `FullyConnected` or `Deconvolutional`. It comes last in
    `optax.chain`: before an adaptive optimizer, which divides by the size of what it gets, it
    would do nothing.

    Arguments:
        rates: finite factors, as by `deconvolution.learning_rates`, which balances the layers
            of a deconvolutional network at gamma = 1/2.

    Raises:
        ValueError, TypeError: rates of another shape; in `init` and `update`, a network without
            weights and biases, or with another number of layers.

    Source: [JGGH, layer-dependent learning rates].

    >>> import jax.numpy as jnp
    >>> optimizer = optax.chain(optax.adam(1e-3), scale_by_layer(jnp.ones((3, 2))))
    """
    rates = checked_rates(rates)

    def init(network: Any) -> optax.EmptyState:
        check_layers(rates, network)
        return optax.EmptyState()

    def update(updates: Any, state: Any, params: Any = None) -> tuple[Any, Any]:
        check_layers(rates, updates)
        return times_by_layer(updates, rates), state

    return optax.GradientTransformation(init, update)


def times_by_layer(network: Any, factors: Array) -> Any:
    """Weights times factors[:, 0], biases times factors[:, 1], of a network or of its updates."""
    for column, name in enumerate(("weights", "biases")):
        parts = attrgetter(name)
        pairs = zip(factors[:, column], parts(network), strict=True)
        scaled = tuple(  # what is frozen has no update: None
            part if part is None else factor.astype(part.dtype) * part for factor, part in pairs
        )
        network = eqx.tree_at(parts, network, scaled, is_leaf=lambda part: part is None)
    return network


def with_beta(network: Any, beta: Numbers) -> tuple[Any, Float[Array, "layers 2"]]:
    """The network of another bias share, in the frame of this one; beta may be traced.

    A network has its beta for good. But weights times sqrt((1 - beta^2) / (1 - beta_0^2)) and
    biases times beta / beta_0 make of a network of beta_0 one that computes what a network of beta
    does. In gradient descent it stays so if its learning rates are multiplied by the squares.

    Arguments:
        network: a `FullyConnected` or a `Deconvolutional` with a beta_0 above 0.
        beta: share of the bias, in [0, 1).

    Returns:
        The network, and the factors [layers, 2] of its learning rates, for `scale_by_layer`.

    Raises:
        ValueError, TypeError: a beta outside its range, a network whose beta_0 is 0.

    >>> import jax
    >>> from freezechaos import activations, networks
    >>> network = networks.FullyConnected(
    ...     [2, 8, 1], activations.standardized("relu"), 0.5, key=jax.random.key(0)
    ... )
    >>> turned, rates = networks.with_beta(network, 0.1)
    >>> [round(float(rate), 2) for rate in rates[0]]
    [1.32, 0.04]
    """
    if not network.beta:
        raise ValueError(
            "`network` must have a beta above 0: its biases stand in no proportion to those of "
            "another share. Draw it with a beta of 0.1."
        )
    beta, of_network = checks.beta(beta).astype(jnp.float32), float(network.beta)
    share = (1 - beta) * (1 + beta) / ((1 - of_network) * (1 + of_network))
    rates = jnp.tile(jnp.stack([share, (beta / of_network) ** 2]), (len(network.weights), 1))
    return times_by_layer(network, jnp.sqrt(rates)), rates


def checked_rates(value: Any) -> Array:
    """Finite factors [layers, 2]."""
    rates = checks.targets("rates", value)
    if rates.ndim != 2 or rates.shape[1] != 2 or not len(rates):
        raise ValueError(
            "`rates` must have shape [layers, 2], a row a layer, for weights and biases; got "
            f"{list(rates.shape)}. Try deconvolution.learning_rates(stack)."
        )
    return rates


def check_layers(rates: Array, network: Any) -> None:
    """As many rates as the network has layers."""
    weights, biases = (getattr(network, name, None) for name in ("weights", "biases"))
    if not isinstance(weights, tuple) or not isinstance(biases, tuple):
        raise TypeError(
            "`scale_by_layer` needs a network with `weights` and `biases`, a tuple of each; got a "
            f"{type(network).__name__}. Give it a FullyConnected or a Deconvolutional."
        )
    if not len(weights) == len(biases) == len(rates):
        raise ValueError(
            f"`rates` must have a row for each of the {len(weights)} layers of the network; got "
            f"{len(rates)}. Try deconvolution.learning_rates(stack) with the network's stack."
        )
