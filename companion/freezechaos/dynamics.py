"""Training under a fixed kernel, in closed form and step by step.

An infinitely wide network trains as if its tangent kernel K did not move. With the loss

    1 / (2 n) sum_i |f(x_i) - y_i|^2,     df/dt = -(1 / n) K (f - y),

each eigenvector of K is learned on its own, at the rate lambda / n. The factor 1 / n makes times
comparable between training sets of different size. One step of gradient descent with learning
rate eta is a time of eta; with momentum mu, in the long run, of eta / (1 - mu).

Any kernel matrix will do. Eigenvalues are worked out in float64 on the host, outside jit;
what is returned are JAX arrays. Labels are [n] or [n, outputs], and outputs have their shape.
They are targets of a regression as they are: class numbers 0, ..., 9 are fitted as the numbers 0
to 9, unless `one_hot` makes targets of them. Only `learning_curve` and `accuracy` know classes.
"""

from collections.abc import Callable, Sequence
from functools import partial
from math import inf, sqrt
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int, PRNGKeyArray, Real

from . import checks, matrices
from .types import Integer, Number

_HALVINGS = 100


class GradientFlow(eqx.Module):
    """Outputs and loss of a kernel machine at any time of its training; `flow` makes one.

    A pytree of arrays: `train`, `test` and `loss` may be mapped and differentiated in time. To
    compile them take `equinox.filter_jit(flow.train)`, or `jax.jit` of a function that takes the
    flow as an argument.

    Attributes:
        rates: lambda / n, largest first; exactly 0 for modes that are never learned.
        horizon: n over the largest eigenvalue that counts as 0; the time up to which it may.
        vectors, test_modes: eigenvectors, and K_test times them over n.
        missing: labels minus initial outputs, in the eigenvectors [n, outputs].
        initial, test_initial: outputs at time 0.
        single: labels came as [n].
    """

    rates: Float[Array, " n"]
    horizon: Float[Array, ""]
    vectors: Float[Array, "n n"]
    test_modes: Float[Array, "m n"] | None
    missing: Float[Array, "n outputs"]
    initial: Float[Array, "n outputs"]
    test_initial: Float[Array, "m outputs"] | None
    single: bool = eqx.field(static=True)

    def train(self, time: Real[ArrayLike, "*times"]) -> Float[Array, "..."]:
        """Outputs on the training inputs, [*times, n] or [*times, n, outputs].

        f_0 + sum_k v_k (1 - exp(-rate_k t)) v_k^T (y - f_0).

        Arguments:
            time: 0 or more; infinity gives the limit.
        """
        rates, time = self._spread(time)
        return self._outputs(self.vectors, -jnp.expm1(-_exponent(rates, time)), self.initial)

    def test(self, time: Real[ArrayLike, "*times"]) -> Float[Array, "..."]:
        """Outputs on the test inputs, [*times, m] or [*times, m, outputs].

        f_0 + (1 / n) K_test sum_k v_k phi_k v_k^T (y - f_0), phi_k = (1 - exp(-rate_k t)) / rate_k.
        A mode of rate 0 has phi = t, which does no harm where K_test sends it to 0, as it must but
        for rounding; beyond the horizon it fades out, and in the limit it is gone.

        Arguments:
            time: 0 or more; infinity gives the limit, kernel regression without a ridge.

        Raises:
            ValueError: the flow was made without `test_gram`.
        """
        if self.test_modes is None or self.test_initial is None:
            raise ValueError(
                "This flow knows no test inputs. Make it with "
                "flow(train_gram, labels, test_gram), the kernel between test and training inputs."
            )
        rates, time = self._spread(time)
        finite = jnp.where(jnp.isinf(time), 0, time)
        never = finite * jnp.exp(-((finite / jnp.broadcast_to(self.horizon, time.shape)) ** 2))
        safe = jnp.where(rates > 0, rates, 1)
        gain = jnp.where(rates > 0, -jnp.expm1(-_exponent(rates, time)) / safe, never)
        return self._outputs(self.test_modes, gain, self.test_initial)

    def loss(self, time: Real[ArrayLike, "*times"]) -> Float[Array, "*times"]:
        """Training loss 1 / (2 n) sum_i |f(x_i) - y_i|^2, summed over outputs.

        Arguments:
            time: 0 or more; infinity gives what is never learned.
        """
        rates, time = self._spread(time)
        share = jnp.sum(self.missing**2, axis=1) / (2 * len(self.rates))
        return jnp.matmul(
            jnp.exp(-2 * _exponent(rates, time)), share, precision=lax.Precision.HIGHEST
        )

    def time_to_fit(self, fraction: Number) -> float:
        """The time at which the training loss has fallen to a fraction of its start.

        Infinite where the part of the labels that the kernel never learns is larger than that.
        Divided by the learning rate it is the number of steps of gradient descent. By bisection.

        Arguments:
            fraction: in (0, 1].

        Raises:
            ValueError: a fraction outside its range.
        """
        fraction = _number("fraction", fraction)
        if isinstance(self.rates, jax.core.Tracer):
            raise TypeError(
                "`time_to_fit` works on the host; got a flow that JAX is tracing. Call it outside "
                "jit, vmap and grad."
            )
        if not 0 < fraction <= 1:
            raise ValueError(f"`fraction` must lie in (0, 1]; got {fraction}. Try 0.01.")
        rates = np.asarray(self.rates, np.float64)
        power = np.sum(np.asarray(self.missing, np.float64) ** 2, axis=1)
        wanted = fraction * np.sum(power)
        never = np.sum(power[rates == 0])
        if wanted <= never:
            return inf if np.any(power) else 0.0
        slowest = np.min(rates[rates > 0])
        low, high = 0.0, float(np.log(max(np.sum(power) / (wanted - never), 1)) / (2 * slowest))
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            above = power @ np.exp(-2 * rates * middle) > wanted
            low, high = (middle, high) if above else (low, middle)
        return low

    def _spread(self, time: Any) -> tuple[Array, Array]:
        """Rates and times, both [*times, n]."""
        time = _time(time).astype(self.rates.dtype)
        shape = (*time.shape, len(self.rates))
        return jnp.broadcast_to(self.rates, shape), jnp.broadcast_to(time[..., None], shape)

    def _outputs(self, modes: Array, gain: Array, initial: Array) -> Array:
        """initial + modes (gain * missing)."""
        missing = self.missing.reshape((1,) * (gain.ndim - 1) + self.missing.shape)
        change = jnp.einsum(
            "...no,mn->...mo", gain[..., None] * missing, modes, precision=lax.Precision.HIGHEST
        )
        outputs = jnp.broadcast_to(initial, change.shape) + change
        return outputs[..., 0] if self.single else outputs


def flow(
    train_gram: Real[ArrayLike, "n n"],
    labels: Real[ArrayLike, "n *outputs"],
    test_gram: Real[ArrayLike, "m n"] | None = None,
    *,
    initial: Number | Real[ArrayLike, "n *outputs"] = 0.0,
    test_initial: Number | Real[ArrayLike, "m *outputs"] = 0.0,
) -> GradientFlow:
    """Gradient flow on the squared loss, df/dt = -(1 / n) K (f - y), solved for all times.

    Eigenvalues that do not exceed what rounding of the entries of `train_gram` can make of 0
    count as 0: those modes are never learned.

    Arguments:
        train_gram: K between the training inputs, symmetric and positive semidefinite.
        labels: y, targets of the regression. Integers too are targets, not classes; `one_hot`
            makes targets of classes.
        test_gram: K between test inputs, a row each, and training inputs.
        initial, test_initial: outputs at time 0, a number or of the shape of the outputs.

    Raises:
        ValueError, TypeError: shapes that do not fit, not a Gram matrix, or traced by JAX.

    Source: Jacot, Gabriel, Hongler, Neural tangent kernel, NeurIPS 2018.

    >>> trained = flow(jnp.array([[2.0, 0.0], [0.0, 0.0]]), jnp.array([1.0, 1.0]))
    >>> trained.train(jnp.array([0.0, jnp.inf]))
    Array([[0., 0.],
           [1., 0.]], dtype=float32)
    """
    gram = matrices.gram("train_gram", train_gram)
    modes = _modes(gram, matrices.rounding(train_gram))
    y, single = _targets("labels", labels, len(gram))
    start = _initial("initial", initial, y.shape, single)
    cross = None if test_gram is None else _cross_gram(test_gram, len(y))
    return GradientFlow(
        rates=_held("train_gram", np.where(modes.values > modes.floor, modes.values, 0) / len(y)),
        horizon=jnp.asarray(np.float64(min(len(y) / modes.floor, float(_limits().max)))),
        vectors=jnp.asarray(modes.vectors),
        test_modes=None if cross is None else _held("test_gram", cross @ modes.vectors / len(y)),
        missing=jnp.asarray(modes.vectors.T @ (y - start)),
        initial=jnp.asarray(start),
        test_initial=None
        if cross is None
        else jnp.asarray(_initial("test_initial", test_initial, (len(cross), y.shape[1]), single)),
        single=single,
    )


class Followed(NamedTuple):
    """What is missing at some times, and what has pulled at the parameters until then.

    Attributes:
        missing: [times, *shape] labels minus outputs, exp(-t K) of what was missing.
        pulled: [times, *shape] its integral over time: parameters with the gradients J have moved
            by their learning rate times J^T of it.
    """

    missing: Float[Array, "times *shape"]
    pulled: Float[Array, "times *shape"]


def followed(
    product: Callable[[Array], Array], missing: Float[Array, "*shape"],
    largest: Float[ArrayLike, ""], times: Float[ArrayLike, " times"], degree: int = 80,
) -> Followed:  # fmt: skip
    """Gradient flow by products with the kernel alone, d missing / dt = -K missing.

    A polynomial in K (Chebyshev's) takes the place of its eigenvectors: as many products as its
    degree, not n^3 operations, and all may be traced. Off by about exp(-degree^2 / (t largest)) of
    what was missing, and by rounding.

    Arguments:
        product: K times something of the shape of `missing`.
        missing: labels minus outputs at time 0.
        largest: no eigenvalue of K lies above it, up to rounding.
        times: t, at most degree^2 / (12 largest) for five digits.
        degree: of the polynomial, the number of products.

    Source: Druskin and Knizhnerman, Two polynomial methods of calculating functions of symmetric
    matrices, 1989.

    >>> import jax.numpy as jnp
    >>> rates = jnp.array([1.0, 0.1])
    >>> after = followed(lambda v: rates * v, jnp.ones(2), 1.0, jnp.array([10.0]))
    >>> round(float(after.missing[0, 1]), 4)
    0.3679
    """
    missing, largest, times = (jnp.asarray(part) for part in (missing, largest, times))
    scale = 1.02 * jnp.maximum(largest, 1e-30)  # between the ends rounding does not grow
    angles = np.pi * (np.arange(degree + 1) + 0.5) / (degree + 1)
    share = jnp.asarray((1 + np.cos(angles)) / 2, missing.dtype)
    exponent = -jnp.outer(times * scale, share)
    at_nodes = jnp.exp(exponent), -jnp.expm1(exponent) / (scale * share)[None]
    waves = np.cos(np.outer(angles, np.arange(degree + 1))) * 2 / (degree + 1)
    waves[:, 0] /= 2

    def turn(last: tuple[Array, Array], _: None) -> tuple[tuple[Array, Array], Array]:
        before, now = last
        after = 2 * (2 / scale * product(now) - now) - before
        return (now, after), now

    first = 2 / scale * product(missing) - missing
    _, rest = lax.scan(turn, (missing, first), None, degree)
    with jax.default_matmul_precision("highest"):
        images = jnp.concatenate([missing[None], rest]).reshape(degree + 1, -1)
        mixes = (part @ jnp.asarray(waves, missing.dtype) @ images for part in at_nodes)
        return Followed(*(mix.reshape(len(times), *missing.shape) for mix in mixes))


class Descent(NamedTuple):
    """What gradient descent recorded: after how many steps, outputs, and training loss.

    `test` is None where no test inputs were given.
    """

    steps: Int[Array, " records"]
    train: Float[Array, "records n *outputs"]
    test: Float[Array, "records m *outputs"] | None
    loss: Float[Array, " records"]


def descend(
    train_gram: Real[ArrayLike, "n n"],
    labels: Real[ArrayLike, "n *outputs"],
    steps: Integer,
    learning_rate: Number,
    momentum: Number = 0.0,
    *,
    test_gram: Real[ArrayLike, "m n"] | None = None,
    initial: Number | Real[ArrayLike, "n *outputs"] = 0.0,
    test_initial: Number | Real[ArrayLike, "m *outputs"] = 0.0,
    record: Integer = 1,
) -> Descent:
    """Gradient descent with heavy-ball momentum, followed on the outputs step by step.

    velocity <- momentum velocity + (1 / n) K (f - y),  f <- f - learning_rate velocity, which is
    what optax.sgd(learning_rate, momentum) does to a network whose tangent kernel is K.

    Arguments:
        train_gram, labels, test_gram, initial, test_initial: as for `flow`; integer labels are
            targets, not classes.
        steps: 1 or more, a multiple of `record`.
        learning_rate: positive and less than `largest_learning_rate(train_gram, momentum)`.
        momentum: in [0, 1).
        record: outputs are kept after 0, record, 2 record, ..., steps steps.

    Raises:
        ValueError, TypeError: as for `flow`; a number outside its range.
    """
    gram = matrices.gram("train_gram", train_gram)
    y, single = _targets("labels", labels, len(gram))
    steps, record = checks.steps(steps, record)
    rate, share = _number("learning_rate", learning_rate), _momentum(momentum)
    largest = _stable(gram, share)
    if not 0 < rate < largest:
        raise ValueError(
            f"`learning_rate` must lie between 0 and 2 n (1 + momentum) / lambda_max = "
            f"{largest:.6g}, where descent begins to diverge; got {rate:.6g}. "
            f"Try {largest / 2:.3g}."
        )
    cross = np.zeros((0, len(gram))) if test_gram is None else _cross_gram(test_gram, len(gram))
    start = _initial("initial", initial, y.shape, single)
    test_start = _initial("test_initial", test_initial, (len(cross), y.shape[1]), single)
    both = _held("train_gram", gram / len(gram)), _held("test_gram", cross / len(gram))
    outputs = jnp.asarray(np.concatenate([start - y, test_start]))
    distance = _descended(jnp.concatenate(both), outputs, rate, share, steps // record, record)
    loss = jnp.sum(distance[:, : len(y)] ** 2, axis=(1, 2)) / (2 * len(y))
    train = distance[:, : len(y)] + jnp.asarray(y)[None]
    train, test = (f[..., 0] if single else f for f in (train, distance[:, len(y) :]))
    recorded = record * jnp.arange(len(distance))
    return Descent(recorded, train, None if test_gram is None else test, loss)


@partial(jax.jit, static_argnames=("records", "record"))
def _descended(
    gram: Array, distance: Array, learning_rate: Array, momentum: Array, records: int, record: int
) -> Array:
    """f - y on the training inputs and f on the test inputs, at each record."""

    def step(_: Array, state: tuple[Array, Array]) -> tuple[Array, Array]:
        distance, velocity = state
        slope = jnp.matmul(gram, distance[: gram.shape[1]], precision=lax.Precision.HIGHEST)
        velocity = momentum * velocity + slope
        return distance - learning_rate * velocity, velocity

    def chunk(state: tuple[Array, Array], _: None) -> tuple[tuple[Array, Array], Array]:
        state = lax.fori_loop(0, record, step, state)
        return state, state[0]

    start = (distance, jnp.zeros_like(distance))
    return jnp.concatenate([distance[None], lax.scan(chunk, start, None, length=records)[1]])


def largest_learning_rate(train_gram: Real[ArrayLike, "n n"], momentum: Number = 0.0) -> float:
    """The learning rate at which gradient descent begins to diverge, 2 n (1 + mu) / lambda_max.

    Arguments:
        train_gram: symmetric and positive semidefinite.
        momentum: mu of the heavy ball, in [0, 1).

    Raises:
        ValueError, TypeError: not a Gram matrix, a momentum outside its range.

    Source: Polyak, Some methods of speeding up the convergence of iteration methods, 1964.

    >>> largest_learning_rate(jnp.diag(jnp.array([4.0, 1.0])))
    1.0
    """
    return _stable(matrices.gram("train_gram", train_gram), _momentum(momentum))


def _stable(gram: np.ndarray, momentum: float) -> float:
    top = matrices.eigenvalues("train_gram", gram)[0]
    return float(2 * len(gram) * (1 + momentum) / top)


def _momentum(value: Any) -> float:
    return float(checks.momentum(_number("momentum", value)))


def ridge(
    train_gram: Real[ArrayLike, "n n"],
    labels: Real[ArrayLike, "n *outputs"],
    test_gram: Real[ArrayLike, "m n"],
    ridge: Real[ArrayLike, "*ridges"] = 0.0,
) -> Float[Array, "..."]:
    """Kernel ridge regression, K_test (K + ridge (trace K / n) I)^-1 y, for many ridges at once.

    The ridge is measured in mean diagonal entries, so that scaling the kernel changes nothing.
    At 0 it is the pseudo-inverse, the limit of `flow` from initial outputs 0; a flow stopped at
    time t is like a ridge of n / t over the mean diagonal entry.

    Arguments:
        train_gram, labels, test_gram: as for `flow`; integer labels are targets, not classes.
        ridge: 0 or more.

    Raises:
        ValueError, TypeError: as for `flow`; a negative ridge.
    """
    gram = matrices.gram("train_gram", train_gram)
    y, single = _targets("labels", labels, len(gram))
    cross, strengths = _cross_gram(test_gram, len(y)), _strengths(ridge)
    outputs = _regression(_modes(gram, matrices.rounding(train_gram)), y, cross, strengths)
    return jnp.asarray(outputs[..., 0] if single else outputs)


def _regression(
    modes: "_Modes", y: np.ndarray, cross: np.ndarray, strengths: np.ndarray
) -> np.ndarray:
    shifted = modes.values + strengths[..., None] * np.mean(modes.values)
    shifted = np.where(shifted > modes.floor, shifted, inf)
    return (cross @ modes.vectors) @ ((modes.vectors.T @ y) / shifted[..., None])


def one_hot(labels: Int[ArrayLike, " n"], classes: Integer) -> Float[Array, "n classes"]:
    """Targets of classification by regression: 1 - 1/C for the class, -1/C for the others.

    Each row sums to 0, so that a network that starts at 0 starts undecided.

    Arguments:
        labels: integers 0, ..., classes - 1.
        classes: C, 2 or more.

    Raises:
        ValueError, TypeError: labels that are no such integers.

    >>> one_hot(jnp.array([1, 0]), 2)
    Array([[-0.5,  0.5],
           [ 0.5, -0.5]], dtype=float32)
    """
    classes = checks.whole("classes", classes, 2, "It counts the classes; try 10.")
    numbers = _classes("labels", labels, classes)
    return jax.nn.one_hot(numbers, classes) - 1 / classes


def accuracy(
    outputs: Real[ArrayLike, "*batch n classes"], labels: Int[ArrayLike, " n"]
) -> Float[Array, "*batch"]:
    """Share of inputs whose largest output is that of their class; NaN where an output is NaN.

    Arguments:
        outputs: one column a class; leading axes, of times or ridges, are kept.
        labels: integers 0, ..., classes - 1.

    Raises:
        ValueError, TypeError: shapes that do not fit, labels that are no integers.
    """
    scores, count = jnp.asarray(outputs), np.size(labels)
    if scores.ndim < 2 or scores.shape[-2] != count:
        raise ValueError(
            f"`outputs` must have shape [..., {count}, classes], a row for each of the "
            f"labels; got {list(scores.shape)}. Train on one_hot(labels, classes)."
        )
    numbers = _classes("labels", labels, scores.shape[-1])
    chosen = jnp.argmax(scores, axis=-1)
    share = jnp.mean(chosen == jnp.broadcast_to(numbers, chosen.shape), axis=-1)
    return jnp.where(jnp.isnan(scores).any(axis=(-2, -1)), jnp.nan, share)


class LearningCurve(NamedTuple):
    """A score against the number of training inputs, its mean and standard error [sizes]."""

    sizes: Int[Array, " sizes"]
    mean: Float[Array, " sizes"]
    standard_error: Float[Array, " sizes"]


def learning_curve(
    train_gram: Real[ArrayLike, "n n"],
    labels: Real[ArrayLike, "n *outputs"],
    test_gram: Real[ArrayLike, "m n"],
    test_labels: Real[ArrayLike, "m *outputs"],
    sizes: Sequence[Integer] | Int[ArrayLike, " sizes"],
    *,
    key: PRNGKeyArray,
    repeats: Integer = 8,
    ridge: Number = 0.0,
) -> LearningCurve:
    """How well kernel regression does on the test inputs, against the size of its training set.

    Integer labels are classes, and the score is the accuracy; others are targets, and the score
    is the mean squared error, summed over outputs. The standard error is that of the choice of
    training inputs: each repeat draws an order and takes the first ones, so it vanishes at n.

    Arguments:
        train_gram, test_gram: kernel matrices of all training inputs, as for `flow`.
        labels, test_labels: both classes, or both targets.
        sizes: numbers of training inputs, from 1 to n.
        key: what the training inputs are drawn with.
        repeats: 2 or more.
        ridge: as for `ridge`, but one number.

    Raises:
        ValueError, TypeError: as for `ridge`; sizes or repeats outside their range, bool labels.
    """
    gram, rounding = matrices.gram("train_gram", train_gram), matrices.rounding(train_gram)
    cross, strength = _cross_gram(test_gram, len(gram)), _strengths(_number("ridge", ridge))
    repeats = checks.whole("repeats", repeats, 2, "One draw has no standard error; try 8.")
    counts = _sizes(sizes, len(gram))
    targets, score = _scored(labels, test_labels, len(gram), len(cross))
    scores = np.empty((repeats, len(counts)))
    for repeat, draw in enumerate(jax.random.split(key, repeats)):
        order = np.asarray(jax.random.permutation(draw, len(gram)))
        for place, count in enumerate(counts):
            chosen = order[:count]
            modes = _modes(gram[np.ix_(chosen, chosen)], rounding)
            outputs = _regression(modes, targets[chosen], cross[:, chosen], strength)
            scores[repeat, place] = score(outputs)
    error = scores.std(axis=0, ddof=1) / sqrt(repeats)
    return LearningCurve(jnp.asarray(counts), jnp.asarray(scores.mean(axis=0)), jnp.asarray(error))


def _scored(
    labels: Any, test_labels: Any, n: int, m: int
) -> tuple[np.ndarray, Callable[[np.ndarray], float]]:
    """Targets [n, outputs], and the score of outputs on the test inputs."""
    y, (wanted, _) = _targets("labels", labels, n)[0], _targets("test_labels", test_labels, m)
    for name, given in (("labels", labels), ("test_labels", test_labels)):
        if np.asarray(given).dtype == bool:
            raise TypeError(
                f"`{name}` must be integers, classes, or real targets; got bool. "
                "Take .astype(int) for two classes, .astype(float) for the targets 0 and 1."
            )
    kinds = [np.issubdtype(np.asarray(y).dtype, np.integer) for y in (labels, test_labels)]
    if kinds[0] != kinds[1]:
        raise TypeError(
            "`labels` and `test_labels` must both be integers, classes, or both be real targets; "
            f"got {np.asarray(labels).dtype} and {np.asarray(test_labels).dtype}. Convert one."
        )
    if not kinds[0]:
        return y, lambda outputs: float(np.mean(np.sum((outputs - wanted) ** 2, axis=1)))
    classes = max(2, 1 + int(max(y.max(), wanted.max())))
    for name, numbers in (("labels", labels), ("test_labels", test_labels)):
        _classes(name, numbers, classes)
    targets = np.asarray(one_hot(labels, classes), np.float64)
    return targets, lambda outputs: float(np.mean(np.argmax(outputs, axis=1) == wanted[:, 0]))


class _Modes(NamedTuple):
    """Eigenvalues, the largest first, eigenvectors, and below which eigenvalues are rounding."""

    values: np.ndarray
    vectors: np.ndarray
    floor: float


def _modes(gram: np.ndarray, rounding: float) -> _Modes:
    values, vectors = matrices.eigenmodes("train_gram", gram)
    return _Modes(values, vectors, matrices.floor(gram, rounding, values[0]))


def _held(name: str, kernel: np.ndarray) -> Array:
    """What comes of a kernel, as a JAX array; refused where that has no room for its size.

    Between test and training inputs it may vanish, as it does in chaos.
    """
    limits = _limits()
    largest = np.max(np.abs(kernel), initial=0)
    if largest > limits.max or (name == "train_gram" and largest < limits.tiny):
        raise ValueError(
            f"`{name}` must be of a size that {limits.dtype} can hold, from {limits.tiny:.1g} to "
            f"{limits.max:.1g}; got {largest:.1g}, over n. Scale the kernel, all of it by one "
            "number; learning is faster by that number."
        )
    return jnp.asarray(kernel)


def _limits() -> Any:
    """Of the numbers that JAX arrays hold: float32, or float64 where that is enabled."""
    return jnp.finfo(jnp.result_type(float))


def _exponent(rates: Array, time: Array) -> Array:
    """rates * time, 0 for a rate of 0 also at infinity."""
    return rates * jnp.where(rates > 0, time, 0)


def _cross_gram(value: Any, n: int) -> np.ndarray:
    gram = matrices.numbers("test_gram", value)
    if gram.ndim != 2 or gram.shape[1] != n:
        raise ValueError(
            f"`test_gram` must have shape [m, {n}], a column for each training input; got "
            f"{list(gram.shape)}. Take kernels.gram(activation, beta, depth, x_test, x_train)."
        )
    return gram


def _targets(name: str, value: Any, n: int) -> tuple[np.ndarray, bool]:
    """Labels [n, outputs] in float64, and whether they came as [n]."""
    y = matrices.numbers(name, value)
    if y.ndim not in (1, 2) or len(y) != n or not y.size:
        raise ValueError(
            f"`{name}` must have shape [{n}] or [{n}, outputs], a row for each input; got "
            f"{list(y.shape)}. Turn classes into targets with one_hot(labels, classes)."
        )
    return y.reshape(n, -1), y.ndim == 1


def _initial(name: str, value: Any, shape: tuple[int, ...], single: bool) -> np.ndarray:
    start, wanted = matrices.numbers(name, value), shape[:1] if single else shape
    if start.ndim and start.shape != wanted:
        raise ValueError(
            f"`{name}` must be a number or have shape {list(wanted)}, as the outputs have; got "
            f"{list(start.shape)}."
        )
    return np.broadcast_to(start, wanted).reshape(shape)


def _time(value: Any) -> Array:
    if not isinstance(value, jax.core.Tracer):
        numbers = np.asarray(value)
        if not (numbers >= 0).all():
            raise ValueError(
                f"`time` must be 0 or more; got {numbers[~(numbers >= 0)].flat[0]:g}. "
                "It counts from initialization; infinity is the limit."
            )
    return jnp.asarray(value)


def _classes(name: str, value: Any, classes: int) -> np.ndarray:
    """Class numbers [n] in 0, ..., classes - 1."""
    if isinstance(value, jax.core.Tracer):
        raise TypeError(
            f"`{name}` must be integers; got an array that JAX is tracing. They are checked on the "
            "host: call this outside jit, vmap and grad, or close over the labels."
        )
    numbers = np.asarray(value)
    if numbers.ndim != 1 or numbers.dtype.kind not in "iu" or not numbers.size:
        raise TypeError(
            f"`{name}` must be integers of shape [n]; got {numbers.dtype} of shape "
            f"{list(numbers.shape)}. Try labels.astype(int)."
        )
    if classes < 2 or numbers.min() < 0 or numbers.max() >= classes:
        raise ValueError(
            f"`{name}` must lie in 0, ..., classes - 1, with 2 classes or more; got labels from "
            f"{numbers.min()} to {numbers.max()} and {classes} classes. Count classes from 0."
        )
    return numbers


def _number(name: str, value: Any) -> float:
    """One real number that JAX is not tracing."""
    if isinstance(value, jax.core.Tracer):
        raise TypeError(
            f"`{name}` must be a number; got one that JAX is tracing. It is compared with "
            "eigenvalues on the host: call this outside jit, vmap and grad."
        )
    return float(checks.number(name, value))


def _strengths(ridge: Any) -> np.ndarray:
    strengths = matrices.numbers("ridge", ridge)
    if (strengths < 0).any():
        raise ValueError(f"`ridge` must be 0 or more; got {strengths.min():g}. Try 0.01.")
    return strengths


def _sizes(sizes: Any, n: int) -> np.ndarray:
    counts = np.asarray(sizes)
    if counts.ndim != 1 or counts.dtype.kind not in "iu" or not counts.size:
        raise TypeError(f"`sizes` must be a list of integers; got {sizes!r}. Try [10, 30, 100].")
    if counts.min() < 1 or counts.max() > n:
        raise ValueError(
            f"`sizes` must lie in 1, ..., {n}, the number of training inputs; got "
            f"{counts.min()} to {counts.max()}. Leave out the others or bring more inputs."
        )
    return counts
