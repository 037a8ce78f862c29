"""Learning rates of single layers, as an Optax transformation."""

from operator import attrgetter
from typing import Any

import equinox as eqx
import optax
from jax.typing import ArrayLike
from jaxtyping import Array, Real

from .. import checks


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
        for column, name in enumerate(("weights", "biases")):
            parts = attrgetter(name)
            pairs = zip(rates[:, column], parts(updates), strict=True)
            scaled = tuple(  # what is frozen has no update: None
                part if part is None else rate.astype(part.dtype) * part for rate, part in pairs
            )
            updates = eqx.tree_at(parts, updates, scaled, is_leaf=lambda part: part is None)
        return updates, state

    return optax.GradientTransformation(init, update)


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
