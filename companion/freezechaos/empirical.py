"""What finite networks do: their tangent kernel, their training, and averages with errors."""

from collections.abc import Callable, Sequence
from functools import partial
from math import sqrt
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array, Float, Key, PRNGKeyArray

from . import checks
from .networks import FullyConnected


class Estimate(NamedTuple):
    """A Monte Carlo mean and its standard error, arrays of one shape."""

    mean: Array
    standard_error: Array


class Training(NamedTuple):
    """What training left: the network, and the outputs after every recorded step.

    Entry 0 of `outputs` [records, n, outputs] and `test_outputs` is from before the first step.
    """

    network: FullyConnected
    outputs: Array
    test_outputs: Array | None


def ntk(
    network: FullyConnected,
    x1: Float[Array, "n d"],
    x2: Float[Array, "m d"] | None = None,
    *,
    memory: int = 2**30,
    devices: Sequence[jax.Device] | None = None,
) -> Array:
    """Tangent kernel sum_p (df(x)/dp) (df(y)/dp): [n, m], or [n, m, c, c] with c > 1 outputs.

    No Jacobian is formed: layer by layer the kernel is a sum of products of two Gram matrices,
    ((1 - beta^2) <h, h'> / n + beta^2) <delta, delta'>, with h what enters an affine map and
    delta the derivative of an output in what leaves it. With batch norm an output depends on the
    whole batch, and the sum runs over all pairs of its inputs; x1 and x2 are a batch each.

    Arguments:
        network: a `FullyConnected`.
        x1, x2: inputs, one a row; x2 is x1 where left out.
        memory: bytes to work in, beside the kernel itself; the rows are taken in blocks of
            as many as fit.
        devices: over which each block of rows is split; by default the one of x1.

    Raises:
        ValueError: inputs of the wrong width, zero or non-finite rows, too little memory.

    Source: [JGGH], chain rule.
    """
    x1 = _checked_inputs("x1", network, x1)
    symmetric = x2 is None
    x2 = x1 if symmetric else _checked_inputs("x2", network, x2)
    length = _rows_that_fit(network, max(len(x1), len(x2)), x1.dtype.itemsize, memory)
    rows1 = _split(len(x1), length * len(devices or [None]))
    rows2 = rows1 if symmetric else _split(len(x2), length)
    blocks: dict[tuple[int, int], Array] = {}
    for i, rows in enumerate(rows1):
        for j, columns in enumerate(rows2):
            if symmetric and j < i:
                blocks[i, j] = blocks[j, i].swapaxes(0, 1).swapaxes(2, 3)
            else:
                blocks[i, j] = _block(network, x1, _shared(rows, devices), x2, columns)[: len(rows)]
    lines = [[blocks[i, j] for j in range(len(rows2))] for i in range(len(rows1))]
    kernel = jnp.concatenate([jnp.concatenate(line, axis=1) for line in lines])
    return kernel[:, :, 0, 0] if network.widths[-1] == 1 else kernel


def _checked_inputs(name: str, network: FullyConnected, x: Any) -> Array:
    x = checks.rows(name, x)
    if x.shape[1] != network.widths[0]:
        raise ValueError(
            f"`{name}` must have {network.widths[0]} columns, as the network has inputs; "
            f"got {x.shape[1]}."
        )
    return x


def _rows_that_fit(network: FullyConnected, n: int, itemsize: int, memory: int) -> int:
    """The largest b such that two blocks of b rows and their b x b kernel fit into the memory."""
    outputs, neurons = network.widths[-1], sum(network.widths)
    if network.batch_norm:  # the derivative of each output in all inputs, twice
        fixed, row = 6 * n * neurons, 4 * outputs * n * neurons
    else:
        fixed, row = 0, 2 * (3 + 2 * outputs) * neurons
    entry = 4 * outputs**2
    left = memory / itemsize - fixed
    length = int((sqrt(row**2 + 4 * entry * left) - row) / (2 * entry)) if left > 0 else 0
    if length < 1:
        raise ValueError(
            f"`memory` must be {(fixed + row + entry) * itemsize} bytes or more for this network "
            f"and batch; got {memory}. Raise it, or take a narrower network."
        )
    return min(length, n)


def _split(n: int, length: int) -> list[np.ndarray]:
    """The numbers below n in as few blocks of about one length as do not pass `length`."""
    return np.array_split(np.arange(n), -(-n // length))


def _shared(rows: np.ndarray, devices: Sequence[jax.Device] | None) -> Any:
    """The rows, repeated up to a whole number a device, with each device's part on it."""
    if not devices:
        return rows
    padded = np.resize(rows, -(-len(rows) // len(devices)) * len(devices))
    mesh = Mesh(np.array(devices), ("rows",))
    return jax.device_put(padded, NamedSharding(mesh, PartitionSpec("rows")))


@jax.jit
def _block(
    network: FullyConnected, x1: Array, rows: Array, x2: Array, columns: Array
) -> Float[Array, "rows columns outputs outputs"]:
    """The kernel between the outputs at some rows of x1 and at some of x2."""
    layer_kernel = _coupled if network.batch_norm else _separate
    one, other = _layers(network, x1, rows), _layers(network, x2, columns)
    kernels = [layer_kernel(network.beta**2, *a, *b) for a, b in zip(one, other, strict=True)]
    return jnp.sum(jnp.stack(kernels), axis=0)


def _layers(network: FullyConnected, x: Array, rows: Array) -> list[tuple[Array, Array]]:
    """(h [n, before], delta [rows, outputs, n, after]) for every affine map.

    Where outputs depend on their own input only, h is that of the rows and delta lacks the n.
    """
    x = x if network.batch_norm else x[rows]
    nudges = [jnp.zeros((len(x), width), x.dtype) for width in network.widths[1:]]

    def outputs(nudges: list[Array]) -> tuple[Array, list[Array]]:
        entering, out = network.forward(x, nudges)
        return out, entering

    out, backward, entering = jax.vjp(outputs, nudges, has_aux=True)
    unit = jnp.eye(out.shape[1], dtype=x.dtype)
    if network.batch_norm:
        chosen = jax.nn.one_hot(rows, len(x), dtype=x.dtype)
        cotangents = jnp.einsum("ij,cd->icjd", chosen, unit)
        (deltas,) = jax.vmap(jax.vmap(backward))(cotangents)
    else:
        cotangents = jnp.broadcast_to(unit[:, None], (len(unit), *out.shape))
        (deltas,) = jax.vmap(backward, out_axes=1)(cotangents)
    return list(zip(entering, deltas, strict=True))


def _separate(bias: float, h1: Array, delta1: Array, h2: Array, delta2: Array) -> Array:
    backward = jnp.einsum("ick,jdk->ijcd", delta1, delta2)
    return ((1 - bias) / h1.shape[1] * (h1 @ h2.T) + bias)[:, :, None, None] * backward


def _coupled(bias: float, h1: Array, delta1: Array, h2: Array, delta2: Array) -> Array:
    forward = (1 - bias) / h1.shape[1] * (h1 @ h2.T) + bias
    through = jnp.einsum("icpk,pq->icqk", delta1, forward)
    return jnp.einsum("icqk,jdqk->ijcd", through, delta2)


def train(
    network: FullyConnected,
    x: Float[Array, "n d"],
    labels: Float[Array, "n outputs"],
    *,
    learning_rate: float,
    steps: int,
    momentum: float = 0.0,
    record: int = 1,
    test: Float[Array, "m d"] | None = None,
) -> Training:
    """Gradient descent on sum |f(x) - y|^2 / (2 n), with the whole set in every step.

    One step moves the outputs by -learning_rate / n Theta (f - y) to first order, as
    `dynamics.descend` does with a kernel that stays as it is.

    Arguments:
        network: a `FullyConnected`.
        x, labels: inputs, one a row, and their targets [n, outputs], or [n] for one output.
        learning_rate: of a step; stable below 2 n / (largest eigenvalue of the kernel).
        steps: how many, 1 or more; a multiple of `record`.
        momentum: in [0, 1), as in `optax.sgd`.
        record: outputs are kept after every so many steps.
        test: inputs where the outputs are to be recorded too.

    Raises:
        ValueError: shapes that do not fit, an argument outside its range.
    """
    x = _checked_inputs("x", network, x)
    test = test if test is None else _checked_inputs("test", network, test)
    labels = jnp.reshape(jnp.asarray(labels, x.dtype), (len(labels), -1))
    if labels.shape != (len(x), network.widths[-1]):
        raise ValueError(
            f"`labels` must have shape {[len(x), network.widths[-1]]}, a row an input and a "
            f"column an output; got {list(labels.shape)}."
        )
    if record < 1 or steps < 1 or steps % record:
        raise ValueError(
            f"`steps` must be a multiple of `record`, each 1 or more; got steps={steps}, "
            f"record={record}."
        )
    return _trained(network, x, labels, test, learning_rate, momentum, steps, record)


@partial(jax.jit, static_argnames=("steps", "record"))
def _trained(
    network: FullyConnected, x: Array, labels: Array, test: Array | None,
    learning_rate: float, momentum: float, steps: int, record: int,
) -> Training:  # fmt: skip
    optimizer = optax.sgd(learning_rate, momentum)

    def loss(network: FullyConnected) -> Array:
        return jnp.sum((network(x) - labels) ** 2) / (2 * len(x))

    def step(_: Any, state: tuple[FullyConnected, Any]) -> tuple[FullyConnected, Any]:
        network, memory = state
        updates, memory = optimizer.update(eqx.filter_grad(loss)(network), memory)
        return eqx.apply_updates(network, updates), memory

    def seen(network: FullyConnected) -> tuple[Array, Array | None]:
        return network(x), None if test is None else network(test)

    def recorded(state: tuple[FullyConnected, Any], _: None) -> tuple[Any, Any]:
        state = jax.lax.fori_loop(0, record, step, state)
        return state, seen(state[0])

    state = (network, optimizer.init(eqx.filter(network, eqx.is_array)))
    (trained, _), later = jax.lax.scan(recorded, state, length=steps // record)
    both = jax.tree.map(
        lambda first, rest: jnp.concatenate([first[None], rest]), seen(network), later
    )
    return Training(trained, *both)


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
    if jnp.ndim(keys) < 1 or len(keys) < 2:
        raise ValueError(
            f"`keys` must be two or more; got {keys.size}. A single sample has no standard error: "
            "take jax.random.split(key, 16)."
        )
    samples = _sampled(sample, keys, batch)
    error = jnp.std(samples, axis=0, ddof=1) / jnp.sqrt(len(keys))
    return Estimate(jnp.mean(samples, axis=0), error)


@partial(jax.jit, static_argnames=("sample", "batch"))
def _sampled(sample: Callable[[PRNGKeyArray], Array], keys: Key[Array, " n"], batch: int) -> Array:
    return jax.lax.map(sample, keys, batch_size=batch)
