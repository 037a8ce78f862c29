"""Classification by regression, with probabilities that mean what they say."""

from typing import Any, NamedTuple

import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Float, Int, Real
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

from .. import dynamics, matrices
from ..types import Number
from . import algebra, process
from .algebra import Kernel

_SLOPES = (1e-3, 1e3)


class Classes(NamedTuple):
    """What is said of the test inputs, and how it was calibrated.

    Attributes:
        probabilities: of each class; a row sums to 1.
        slope: s of softmax(s f), f the outputs of regression.
        log_loss: mean over the training inputs of -log p(class), each from all others, in nats.
    """

    probabilities: Float[np.ndarray, "m classes"]
    slope: float
    log_loss: float


def classify(
    kernel: Kernel,
    x: Real[ArrayLike, "n d"],
    labels: Int[ArrayLike, " n"],
    x_test: Real[ArrayLike, "m d"],
    *,
    noise: Number,
) -> Classes:
    """Probabilities of classes by regression on one-hot targets, calibrated without other data.

    Outputs of regression are no probabilities, and their softmax is far too modest. Their common
    slope is the one number to be found: it is chosen so that inputs, each left out, are given their
    own classes with the least log loss. That takes one inverse. The most probable class is that of
    the largest output, as without calibration.

    Arguments:
        kernel, x, x_test: as for `posterior`.
        labels: classes 0 to C - 1, each there at least once, and two or more of them.
        noise: the variance of the targets' noise, 0 or more; 0 wants rows that differ.

    Returns:
        probabilities, the slope (between 1e-3 and 1e3) and the log loss. Where each input that is
        left out is right, no slope is too steep: it is one at which the loss rounds to 0.

    Raises:
        ValueError, TypeError: an argument outside its range; a class that is missing.
        OutOfMemoryError: what it needs is more than is free.

    Source: Guo et al., On calibration of modern neural networks, ICML 2017 (one slope for all
    classes); Rasmussen and Williams, 2006, sections 5.4.2 and 6.5 (what is left out).

    >>> from freezechaos import activations
    >>> from freezechaos.regression import NNGP
    >>> x = np.array([[1.0, 0.0], [1.0, 0.3], [0.0, 1.0], [0.3, 1.0]])
    >>> kernel = NNGP(activations.standardized("relu"), 0.1, 3)
    >>> classify(kernel, x, np.array([0, 0, 1, 1]), x, noise=0.1).probabilities.argmax(axis=1)
    array([0, 0, 1, 1])
    """
    kinds = _classes(labels)
    targets = np.asarray(dynamics.one_hot(kinds, int(kinds.max()) + 1), np.float64)
    rows, test = algebra.rows("x", x), algebra.rows("x_test", x_test)
    process.foresee(len(rows), len(test))
    left_out, variance = process.leave_one_out(kernel, x, targets, noise=noise)
    weights = (targets - left_out) / (variance + float(noise))[:, None]  # C^-1 y, once more

    def log_loss(log_slope: float) -> float:
        scores = log_softmax(np.exp(log_slope) * left_out, axis=1)
        return -float(np.mean(np.take_along_axis(scores, kinds[:, None], axis=1)))

    found = minimize_scalar(log_loss, bounds=tuple(np.log(_SLOPES)), method="bounded")
    slope = float(np.exp(found.x))
    outputs = kernel.precise(test, rows) @ weights
    probabilities = np.exp(log_softmax(slope * outputs, axis=1))
    return Classes(probabilities, slope, float(found.fun))


def _classes(value: Any) -> np.ndarray:
    """Class numbers [n]: 0 to C - 1, none missing."""
    labels = matrices.numbers("labels", value)
    found = np.unique(labels)
    if labels.ndim != 1 or len(found) < 2 or not np.array_equal(found, np.arange(len(found))):
        raise ValueError(
            "`labels` must be classes 0, 1, ... [n], two or more and none missing; got shape "
            f"{list(labels.shape)} with {found[:5].tolist()}. np.unique(labels, "
            "return_inverse=True)[1] numbers them."
        )
    return labels.astype(np.int64)
