"""Gradient descent on a finite network, with its outputs on the way."""

from functools import partial
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Real

from .. import checks
from ..networks import Deconvolutional, FullyConnected, Scanned, scale_by_layer
from ..networks.rates import check_layers, checked_rates
from ..types import Integer, Number
from .inputs import checked_inputs, output_shape

_ROWS = (
    "a row an input and a column an output",
    "Turn class numbers into targets with dynamics.one_hot(labels, classes).",
)
_GRIDS = "a target for every pixel and channel", "Give images of the size of the outputs."


class Training(NamedTuple):
    """What training left: the network, and the outputs after every recorded step.

    Entry 0 of `outputs` [records, n, *outputs] and `test_outputs` is from before the first step;
    for labels [n] they are [records, n], as those of `dynamics.descend`.
    """

    network: FullyConnected | Scanned | Deconvolutional
    outputs: Array
    test_outputs: Array | None


def train(
    network: FullyConnected | Scanned | Deconvolutional,
    x: Real[ArrayLike, "n *input"],
    labels: Real[ArrayLike, "n *outputs"],
    *,
    learning_rate: Number,
    steps: Integer,
    momentum: Number = 0.0,
    record: Integer = 1,
    rates: Real[ArrayLike, "layers 2"] | None = None,
    test: Real[ArrayLike, "m *input"] | None = None,
) -> Training:
    """Gradient descent on sum |f(x) - y|^2 / (2 n), with the whole set in every step.

    One step moves the outputs by -learning_rate / n Theta (f - y) to first order, as
    `dynamics.descend` does with a kernel that stays as it is.

    Arguments:
        network: a `FullyConnected`, a `Scanned` or a `Deconvolutional`.
        x, labels: inputs, one a row, on the sphere or off it, and their targets [n, outputs], or
            [n] for one output; for a `Deconvolutional` grids [n, *size, channels], both.
        learning_rate: of a step, positive; stable below 2 n / (largest eigenvalue of the
            kernel).
        steps: how many, 1 or more; a multiple of `record`.
        momentum: in [0, 1), as in `optax.sgd`.
        record: outputs are kept after every so many steps.
        rates: factors of the learning rate for weights and biases, layer by layer, as by
            `deconvolution.learning_rates`.
        test: inputs where the outputs are to be recorded too.

    Raises:
        ValueError, TypeError: shapes that do not fit, an argument outside its range, a learning
            rate with which the outputs left the range of floats; what JAX traces is not looked at.
    """
    x = checked_inputs("x", network, x)
    test = test if test is None else checked_inputs("test", network, test)
    shape = (len(x), *output_shape(network))
    targets = _checked_labels(labels, shape).astype(x.dtype)
    single = np.ndim(labels) < len(shape)
    rate, momentum = checks.learning_rate(learning_rate), checks.momentum(momentum)
    steps, record = checks.steps(steps, record)
    if rates is not None:
        rates = checked_rates(rates)
        check_layers(rates, network)
    done = _trained(network, x, targets, test, rates, rate, momentum, steps, record)
    _check_converged(done.outputs, rate, record)
    if not single:
        return done
    elsewhere = None if done.test_outputs is None else done.test_outputs[..., 0]
    return Training(done.network, done.outputs[..., 0], elsewhere)


def _check_converged(outputs: Array, rate: Any, record: int) -> None:
    if isinstance(outputs, jax.core.Tracer):
        return
    finite = np.isfinite(np.asarray(outputs)).reshape(len(outputs), -1).all(axis=1)
    if finite[0] and not finite.all():
        raise ValueError(
            f"`learning_rate` must be smaller; with {rate:g} the outputs are not finite after "
            f"{record * int(np.argmin(finite))} steps or less. Stay below "
            "dynamics.largest_learning_rate(empirical.ntk(network, x))."
        )


def _checked_labels(labels: Any, shape: tuple[int, ...]) -> Float[Array, "n *outputs"]:
    targets, single = checks.targets("labels", labels), shape[-1] == 1
    if single and targets.shape == shape[:-1]:
        return targets[..., None]
    if targets.shape != shape:
        shorter = f", or {'[n]' if len(shape) == 2 else list(shape[:-1])}" if single else ""
        meaning, hint = _GRIDS if len(shape) > 2 else _ROWS
        raise ValueError(
            f"`labels` must have shape {list(shape)}, {meaning}{shorter}; got "
            f"{list(targets.shape)}. {hint}"
        )
    return targets


@partial(jax.jit, static_argnames=("steps", "record"))
def _trained(
    network: FullyConnected | Scanned | Deconvolutional, x: Array, labels: Array,
    test: Array | None, rates: Array | None, learning_rate: Number, momentum: Number, steps: int,
    record: int,
) -> Training:  # fmt: skip
    optimizer = optax.sgd(learning_rate, momentum)
    if rates is not None:
        optimizer = optax.chain(optimizer, scale_by_layer(rates))

    def loss(network: Any) -> Array:
        return jnp.sum((network(x) - labels) ** 2) / (2 * len(x))

    def step(_: Any, state: tuple[Any, Any]) -> tuple[Any, Any]:
        network, memory = state
        updates, memory = optimizer.update(eqx.filter_grad(loss)(network), memory)
        return eqx.apply_updates(network, updates), memory

    def seen(network: Any) -> tuple[Array, Array | None]:
        return network(x), None if test is None else network(test)

    def recorded(state: tuple[Any, Any], _: None) -> tuple[Any, Any]:
        state = jax.lax.fori_loop(0, record, step, state)
        return state, seen(state[0])

    state = (network, optimizer.init(eqx.filter(network, eqx.is_array)))
    (trained, _), later = jax.lax.scan(recorded, state, length=steps // record)
    both = jax.tree.map(
        lambda first, rest: jnp.concatenate([first[None], rest]), seen(network), later
    )
    return Training(trained, *both)
