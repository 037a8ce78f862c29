"""What finite networks do: their tangent kernel, their training, and averages with errors."""

from collections.abc import Callable, Sequence
from functools import partial
from math import inf, sqrt
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

    All matrix products are at full precision, also where a GPU would round their factors.

    Arguments:
        network: a `FullyConnected`.
        x1, x2: inputs, one a row; x2 is x1 where left out. They are taken as they are, on the
            sphere or off it, in the wider of their own precision and the network's.
        memory: bytes to work in, on each device; rows and columns are taken in blocks of as many
            as fit. Beside it live the inputs, the network and the blocks that are done, which
            at the end are put together: room for the kernel three times.
        devices: over which each block of rows is split; by default the one of x1.

    Raises:
        ValueError, TypeError: no `FullyConnected`, inputs of the wrong width or not finite, too
            little memory, devices that are none.

    Source: [JGGH], chain rule.
    """
    x1 = _checked_inputs("x1", network, x1)
    mirrored = x2 is None and devices is None  # a device holds fewer columns than a block has rows
    x2 = x1 if x2 is None else _checked_inputs("x2", network, x2)
    count = 1 if devices is None else _checked_devices(devices)
    length = _rows_that_fit(network, max(len(x1), len(x2)), x1.dtype.itemsize, memory)
    rows1, rows2 = _split(len(x1), length * count), _split(len(x2), length)
    blocks: dict[tuple[int, int], Array] = {}
    for i, rows in enumerate(rows1):
        for j, columns in enumerate(rows2):
            if mirrored and j < i:
                blocks[i, j] = blocks[j, i].swapaxes(0, 1).swapaxes(2, 3)
            else:
                blocks[i, j] = _block(network, x1, _shared(rows, devices), x2, columns)[: len(rows)]
    kernel = _joined(blocks, len(rows1), len(rows2))
    return kernel[:, :, 0, 0] if network.widths[-1] == 1 else kernel


def _joined(blocks: dict[tuple[int, int], Array], lines: int, columns: int) -> Array:
    """The blocks side by side; each is let go of with its line."""
    joined = []
    for i in range(lines):
        joined.append(jnp.concatenate([blocks.pop((i, j)) for j in range(columns)], axis=1))
    return jnp.concatenate(joined)


def _checked_devices(devices: Any) -> int:
    """How many there are."""
    some = isinstance(devices, Sequence) and len(devices) > 0
    if not some or not all(isinstance(device, jax.Device) for device in devices):
        raise TypeError(
            f"`devices` must be a list of one or more JAX devices; got {devices!r}. "
            "Try jax.devices(), or leave it out."
        )
    if len(set(devices)) < len(devices):
        raise ValueError(
            f"`devices` must differ from one another; got {devices!r}. Try jax.devices()."
        )
    return len(devices)


def _checked_inputs(name: str, network: FullyConnected, x: Any) -> Array:
    if not isinstance(network, FullyConnected):
        raise TypeError(
            f"`network` must be a FullyConnected; got {type(network).__name__}. "
            "Make one with networks.FullyConnected([2, 256, 1], activation, 0.1, key=key)."
        )
    x = checks.rows(name, x, zero=True)
    if x.shape[1] != network.widths[0]:
        raise ValueError(
            f"`{name}` must have {network.widths[0]} columns, as the network has inputs; "
            f"got {x.shape[1]}. Give it as many, or make a network of widths [{x.shape[1]}, ...]."
        )
    return x.astype(jnp.result_type(x, network.weights[0]))


def _rows_that_fit(network: FullyConnected, n: int, itemsize: int, memory: float) -> int:
    """The largest b such that two blocks of b rows and their b x b kernel fit into the memory."""
    memory = checks.number("memory", memory)
    if not memory < inf:
        raise ValueError(
            f"`memory` must be a finite number of bytes; got {memory}. Try 2**30, a gibibyte."
        )
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
            f"and batch; got {memory:.0f}. Raise it, or take a narrower network."
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
    with jax.default_matmul_precision("highest"):
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
        x, labels: inputs, one a row, on the sphere or off it, and their targets [n, outputs], or
            [n] for one output.
        learning_rate: of a step, positive; stable below 2 n / (largest eigenvalue of the
            kernel).
        steps: how many, 1 or more; a multiple of `record`.
        momentum: in [0, 1), as in `optax.sgd`.
        record: outputs are kept after every so many steps.
        test: inputs where the outputs are to be recorded too.

    Raises:
        ValueError, TypeError: shapes that do not fit, an argument outside its range; what JAX
            traces is not looked at.
    """
    x = _checked_inputs("x", network, x)
    test = test if test is None else _checked_inputs("test", network, test)
    labels = _checked_labels(labels, len(x), network.widths[-1]).astype(x.dtype)
    rate, momentum = checks.learning_rate(learning_rate), checks.momentum(momentum)
    checks.steps(steps, record)
    return _trained(network, x, labels, test, rate, momentum, steps, record)


def _checked_labels(labels: Any, n: int, outputs: int) -> Float[Array, "n outputs"]:
    targets = checks.targets("labels", labels)
    if targets.shape == (n,) and outputs == 1:
        return targets[:, None]
    if targets.shape != (n, outputs):
        raise ValueError(
            f"`labels` must have shape {[n, outputs]}, a row an input and a column an output"
            f"{', or [n]' if outputs == 1 else ''}; got {list(targets.shape)}. "
            "Turn class numbers into targets with dynamics.one_hot(labels, classes)."
        )
    return targets


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
