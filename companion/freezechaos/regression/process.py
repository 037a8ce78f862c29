"""What a Gaussian process knows: posterior, what is left out, evidence; ensembles of networks.

Worked out in float64 on the host by Cholesky or eigenvalues, for some thousand inputs.
"""

from math import log, pi
from typing import Any, NamedTuple

import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Float, Real
from scipy.linalg import cho_solve, cholesky

from .. import matrices, scalars
from ..types import Number
from . import algebra, room
from .algebra import Kernel


class Gaussian(NamedTuple):
    """Mean [m, *outputs] and covariance [m, m] at the test inputs, of the function without noise.

    Outputs are independent and share their covariance.
    """

    mean: Float[np.ndarray, "m *outputs"]
    covariance: Float[np.ndarray, "m m"]

    @property
    def deviation(self) -> Float[np.ndarray, " m"]:
        """Standard deviation at each test input."""
        return np.sqrt(np.maximum(np.diagonal(self.covariance), 0))


def posterior(
    kernel: Kernel,
    x: Real[ArrayLike, "n d"],
    labels: Real[ArrayLike, "n *outputs"],
    x_test: Real[ArrayLike, "m d"],
    *,
    noise: Number,
) -> Gaussian:
    """The Gaussian process of a kernel, given labels with independent noise.

    mean = K_* (K + noise I)^-1 y,  covariance = K_** - K_* (K + noise I)^-1 K_*'

    Arguments:
        kernel: NNGP(...) for the Bayesian network of infinite width; any other will do.
        x, x_test: inputs, one a row, of any norm but 0.
        labels: targets, [n] or [n, outputs]; of classes take `dynamics.one_hot`.
        noise: the variance of the labels' noise, 0 or more; 0 wants rows that differ.

    Raises:
        ValueError, TypeError: an argument outside its range; rows that are parallel, named, where
            the noise is 0.
        OutOfMemoryError: what it needs is more than is free.

    Source: Rasmussen and Williams, Gaussian processes for machine learning, 2006, algorithm 2.1.

    >>> from freezechaos import activations
    >>> kernel = algebra.NNGP(activations.standardized("relu"), 0.1, 3)
    >>> posterior(kernel, np.eye(3), np.ones(3), np.eye(3), noise=0.0).mean.round(6)
    array([1., 1., 1.])
    """
    algebra.kernel("kernel", kernel)
    (rows, y, shape), test = _given(x, labels), algebra.rows("x_test", x_test)
    foresee(len(rows), len(test))
    root = _root(kernel, rows, _noise(noise))
    cross = kernel.precise(test, rows)
    mean = cross @ cho_solve((root, True), y)
    covariance = kernel.precise(test) - cross @ cho_solve((root, True), cross.T)
    return Gaussian(mean.reshape(len(test), *shape), (covariance + covariance.T) / 2)


class LeftOut(NamedTuple):
    """Mean [n, *outputs] and variance [n] at each input, of the function, from all other inputs."""

    mean: Float[np.ndarray, "n *outputs"]
    variance: Float[np.ndarray, " n"]


def leave_one_out(
    kernel: Kernel,
    x: Real[ArrayLike, "n d"],
    labels: Real[ArrayLike, "n *outputs"],
    *,
    noise: Number,
) -> LeftOut:
    """The posterior at each input, given the labels of all others; by one inverse, not n.

    With C = K + noise I: mean_i = y_i - (C^-1 y)_i / (C^-1)_ii, variance_i = 1 / (C^-1)_ii - noise

    Arguments and errors as for `posterior`.

    Source: Rasmussen and Williams, 2006, equation 5.12.

    >>> from freezechaos import activations
    >>> kernel = algebra.NNGP(activations.standardized("relu"), 0.1, 3)
    >>> leave_one_out(kernel, np.eye(3), np.ones(3), noise=0.1).mean.shape
    (3,)
    """
    algebra.kernel("kernel", kernel)
    rows, y, shape = _given(x, labels)
    foresee(len(rows), len(rows))
    level = _noise(noise)
    inverse = cho_solve((_root(kernel, rows, level), True), np.eye(len(rows)))
    own = np.diagonal(inverse)
    mean = y - inverse @ y / own[:, None]
    return LeftOut(mean.reshape(len(rows), *shape), np.maximum(1 / own - level, 0))


class Evidence(NamedTuple):
    """Log marginal likelihood of labels, in nats, and its derivatives.

    Attributes:
        value: log p(y | x), summed over outputs.
        slopes: in each of the kernel's `numbers`, "beta" among them, and in "noise".
    """

    value: float
    slopes: dict[str, float]


def evidence(
    kernel: Kernel,
    x: Real[ArrayLike, "n d"],
    labels: Real[ArrayLike, "n *outputs"],
    *,
    noise: Number,
) -> Evidence:
    """How probable a kernel finds the labels: what to choose beta, depth and noise by.

    log p(y) = -(y' C^-1 y + log det C + n log 2 pi) / 2 for each output, C = K + noise I

    Arguments and errors as for `posterior`.

    Source: Rasmussen and Williams, 2006, equation 5.9.

    >>> from freezechaos import activations
    >>> kernel = algebra.NNGP(activations.standardized("relu"), 0.1, 3)
    >>> sorted(evidence(2.0 * kernel, np.eye(3), np.ones(3), noise=0.1).slopes)
    ['factor', 'kernel.beta', 'noise']
    """
    algebra.kernel("kernel", kernel)
    rows, y, _ = _given(x, labels)
    foresee(len(rows), len(rows))
    root = _root(kernel, rows, _noise(noise))
    weights = cho_solve((root, True), y)
    count, outputs = y.shape
    half = np.sum(np.log(np.diagonal(root)))
    value = -np.sum(y * weights) / 2 - outputs * (half + count * log(2 * pi) / 2)
    # d log p = tr((w w' - outputs C^-1) dC) / 2
    pull = weights @ weights.T - outputs * cho_solve((root, True), np.eye(count))
    slopes = {name: np.sum(pull * s) / 2 for name, s in kernel.slopes(rows).items()}
    slopes["noise"] = np.trace(pull) / 2
    return Evidence(float(value), {name: float(slope) for name, slope in slopes.items()})


def ensemble(
    ntk: Kernel,
    nngp: Kernel,
    x: Real[ArrayLike, "n d"],
    labels: Real[ArrayLike, "n *outputs"],
    x_test: Real[ArrayLike, "m d"],
    *,
    time: Number,
) -> Gaussian:
    """Networks drawn at random and trained by gradient flow up to a time, all of them at once.

    Each starts at a draw from the NNGP and follows df/dt = -(1 / n) Theta (f - y), as in
    `dynamics.flow`. With A = Theta_* Theta^-1 (1 - exp(-Theta t / n)),

        mean = A y,  covariance = Sigma_** - A Sigma_*' - Sigma_* A' + A Sigma A'.

    At time 0 it is the prior; at infinity the networks fit the labels, and what is left of the
    covariance is not the posterior of either kernel.

    Arguments:
        ntk: Theta, by which they are trained; scaled, so times are those of `dynamics`.
        nngp: Sigma, by which they start.
        x, labels, x_test: as for `posterior`.
        time: 0 or more; infinity gives the limit.

    Raises:
        ValueError, TypeError: an argument outside its range.
        OutOfMemoryError: what it needs is more than is free.

    Source: Lee et al., Wide neural networks of any depth evolve as linear models, NeurIPS 2019.

    >>> from freezechaos import activations
    >>> given = activations.standardized("relu"), 0.1, 3
    >>> trained = ensemble(
    ...     algebra.NTK(*given), algebra.NNGP(*given), np.eye(3), np.ones(3), np.eye(3), time=np.inf
    ... )
    >>> trained.deviation.round(6)
    array([0., 0., 0.])
    """
    algebra.kernel("ntk", ntk), algebra.kernel("nngp", nngp)
    (rows, y, shape), test = _given(x, labels), algebra.rows("x_test", x_test)
    foresee(len(rows), len(test))
    gain = _gain(ntk, rows, test, _time(time))
    start = nngp.precise(test, rows)
    crossed = gain @ start.T
    covariance = nngp.precise(test) - crossed - crossed.T + gain @ nngp.precise(rows) @ gain.T
    return Gaussian((gain @ y).reshape(len(test), *shape), (covariance + covariance.T) / 2)


def _gain(ntk: Kernel, rows: np.ndarray, test: np.ndarray, time: float) -> np.ndarray:
    """What each label moves the outputs by, [m, n]."""
    gram = ntk.precise(rows)
    values, vectors = matrices.eigenmodes("ntk", gram)
    rates = np.where(values > matrices.floor(gram, 2.0**-52, values[0]), values, 0) / len(rows)
    reached = np.array([-np.expm1(-rate * time) / rate if rate else 0.0 for rate in rates])
    return (ntk.precise(test, rows) @ vectors * (reached / len(rows))) @ vectors.T


def duplicates(x: Real[ArrayLike, "n d"]) -> list[tuple[int, int]]:
    """Rows that are the same input to a network on the sphere: (first, later) of parallel rows.

    Arguments:
        x: inputs, one a row, of any norm but 0.

    Raises:
        ValueError, TypeError: a zero row or one with a NaN, named.

    >>> duplicates(np.array([[1.0, 2.0], [3.0, 1.0], [2.0, 4.0]]))
    [(0, 2)]
    """
    rows = algebra.rows("x", x)
    directions = (rows / np.abs(rows).max(axis=1, keepdims=True)).round(12) + 0.0
    _, first, place = np.unique(directions, axis=0, return_index=True, return_inverse=True)
    earliest = first[place.ravel()]
    return [(int(earliest[i]), int(i)) for i in np.flatnonzero(earliest != np.arange(len(rows)))]


def _root(kernel: Kernel, rows: np.ndarray, noise: float) -> np.ndarray:
    gram = kernel.precise(rows)
    gram[np.diag_indices_from(gram)] += noise
    try:
        return cholesky(gram, lower=True)
    except np.linalg.LinAlgError as error:
        pairs = duplicates(rows)[:3]
        raise ValueError(
            "The kernel matrix plus `noise` is not positive definite"
            + (f": rows {pairs} are parallel, one input twice. Drop them, or " if pairs else ". ")
            + f"raise `noise`, which is {noise:g}, to 1e-6."
        ) from error


def _given(x: Any, labels: Any) -> tuple[np.ndarray, np.ndarray, tuple[int, ...]]:
    """Inputs, labels [n, outputs], and the shape of one input's outputs as given."""
    rows, y = algebra.rows("x", x), matrices.numbers("labels", labels)
    if y.ndim not in (1, 2) or len(y) != len(rows) or not y.size:
        raise ValueError(
            f"`labels` must have shape [{len(rows)}] or [{len(rows)}, outputs], a row for each "
            f"input; got {list(y.shape)}. Turn classes into targets with dynamics.one_hot."
        )
    return rows, y.reshape(len(rows), -1), y.shape[1:]


def foresee(n: int, m: int) -> None:
    """Refuse n inputs and m to test on if their matrices in float64 have no room.

    Raises:
        OutOfMemoryError: what they need is more than is free.
    """
    needed = 8 * (5 * n**2 + 3 * n * m + 2 * m**2)
    way_out = "Take fewer inputs, or `regression.fit`, which needs no inverse and gives the mean."
    room.foresee(f"In float64, {n} inputs and {m} to test on", needed, room.budget(None), way_out)


def _noise(value: Any) -> float:
    noise = scalars.real("noise", value, "It is a variance; try 1e-2.")
    if noise < 0:
        raise ValueError(f"`noise` must be 0 or more; got {noise:g}. It is a variance; try 1e-2.")
    return noise


def _time(value: Any) -> float:
    if not scalars.is_real(value):
        raise TypeError(f"`time` must be one real number; got {value!r}. Try 100.0.")
    if not float(value) >= 0:
        raise ValueError(
            f"`time` must be 0 or more; got {float(value):g}. It counts from initialization; "
            "infinity is the limit."
        )
    return float(value)
