"""Probabilities of classes: their slope against refits, what they promise against other data."""

import numpy as np
import pytest
from scipy.special import log_softmax, softmax

from freezechaos import dynamics, regression
from freezechaos.activations import standardized
from freezechaos.regression import NNGP

KERNEL = NNGP(standardized("relu"), 0.2, 3)
NOISE = 0.3
DIRECTIONS = 4 * np.random.default_rng(1).normal(size=(3, 3))


def drawn(count, seed):
    """Directions in space, and classes drawn from probabilities that depend on them smoothly."""
    draw = np.random.default_rng(seed)
    x = draw.normal(size=(count, 3))
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    odds = x @ DIRECTIONS
    return x, np.argmax(odds + draw.gumbel(size=odds.shape), axis=1)


def losses(probabilities, labels):
    return -np.log(probabilities[np.arange(len(labels)), labels])


X, LABELS = drawn(400, 0)
TEST, ANSWERS = drawn(4000, 2)


def test_what_is_left_out_is_what_is_refitted():
    x, y = X[:25], np.stack([np.sin(X[:25, 0]), X[:25, 1]], axis=1)
    found = regression.leave_one_out(KERNEL, x, y, noise=NOISE)
    for i in range(len(x)):
        rest = np.arange(len(x)) != i
        known = regression.posterior(KERNEL, x[rest], y[rest], x[i : i + 1], noise=NOISE)
        np.testing.assert_allclose(found.mean[i], known.mean[0], atol=1e-12)
        np.testing.assert_allclose(found.variance[i], known.covariance[0, 0], atol=1e-12)


def test_the_slope_is_the_best_for_what_is_left_out():
    """There the outputs of the right class are on average what the probabilities expect."""
    found = regression.classify(KERNEL, X, LABELS, TEST, noise=NOISE)
    targets = np.asarray(dynamics.one_hot(LABELS, 3))
    outputs = regression.leave_one_out(KERNEL, X, targets, noise=NOISE).mean
    chosen = softmax(found.slope * outputs, axis=1)
    own = outputs[np.arange(len(X)), LABELS]
    np.testing.assert_allclose(np.mean(own), np.mean(np.sum(chosen * outputs, axis=1)), atol=1e-6)
    np.testing.assert_allclose(found.log_loss, np.mean(losses(chosen, LABELS)), rtol=1e-9)


def test_they_promise_no_more_than_they_keep():
    """The log loss of new inputs is that of what was left out, within four standard errors."""
    found = regression.classify(KERNEL, X, LABELS, TEST, noise=NOISE)
    new = losses(found.probabilities, ANSWERS)
    error = np.std(new) * np.sqrt(1 / len(X) + 1 / len(TEST))
    assert abs(np.mean(new) - found.log_loss) < 4 * error
    targets = np.asarray(dynamics.one_hot(LABELS, 3))
    outputs = regression.posterior(KERNEL, X, targets, TEST, noise=NOISE).mean
    np.testing.assert_array_equal(found.probabilities.argmax(axis=1), outputs.argmax(axis=1))
    np.testing.assert_allclose(np.sum(found.probabilities, axis=1), 1, rtol=1e-12)
    uncalibrated = losses(np.exp(log_softmax(outputs, axis=1)), ANSWERS)
    assert np.mean(uncalibrated) > np.mean(new) + 4 * error


def test_where_all_are_right_it_is_as_sure_as_numbers_go():
    x = np.concatenate([np.eye(2) + 0.01 * k * np.ones((2, 2)) for k in range(5)])
    found = regression.classify(KERNEL, x, np.tile([0, 1], 5), np.eye(2), noise=1e-3)
    assert found.log_loss < 1e-15
    np.testing.assert_allclose(found.probabilities, np.eye(2), atol=1e-12)


@pytest.mark.parametrize(
    "labels", [np.zeros(4, int), [0, 1, 2, 4], [[0], [1], [0], [1]], [1, 2, 1, 2]]
)
def test_classes_are_numbered_from_0(labels):
    with pytest.raises(ValueError, match=r"`labels` must be classes 0, 1, .*return_inverse"):
        regression.classify(KERNEL, np.eye(4), np.array(labels), np.eye(4), noise=0.1)
