"""Annotations are checked, promotion is strict, and whatever numbers a user has are taken."""

from contextlib import suppress

import jax
import jax.numpy as jnp
import jaxtyping
import numpy as np
import pytest

from freezechaos import (
    activations,
    deconvolution,
    dynamics,
    empirical,
    graphs,
    kernels,
    networks,
    normalization,
    regimes,
    regression,
    spectra,
)
from freezechaos.gan import distances, indicators

RELU, TANH = activations.standardized("relu"), activations.normalized("tanh")
KEY = jax.random.key(0)
STACK = deconvolution.DeconvStack(2, [graphs.transposed_convolution(4, stride=2, padding=1)])
USUAL = deconvolution.DeconvStack(2, STACK.layers, "usual")
X = np.random.default_rng(0).normal(size=(4, 3))
GRAM, CROSS, Y = X @ X.T + np.eye(4), X[:2] @ X.T, np.array([1.0, -1.0, 2.0, 0.5])
IMAGES = np.random.default_rng(1).uniform(-1, 1, (3, 8, 8, 1))
DEPTHS = np.array([[2], [3]])
RATES = np.array([[1.0, 0.5], [0.5, 0.25]])


def fully_connected():
    return networks.FullyConnected([3, 8, 1], RELU, 0.1, key=KEY)


def deconvolutional():
    return networks.Deconvolutional(STACK, [3, 2], RELU, 0.1, key=KEY)


def trained(a, n):
    done = empirical.train(
        fully_connected(), a(X), a(Y), learning_rate=n(0.1), steps=2, momentum=n(0.5),
        rates=a(RATES), test=a(X[:2]),
    )  # fmt: skip
    return done.outputs, done.test_outputs


def regressed(a, n):
    kernel = n(2.0) * regression.NNGP(RELU, n(0.1), 3) + regression.NTK(TANH, n(0.2), 3)
    fit = regression.fit(kernel, a(X), a(Y), ridge=n(0.1), tolerance=n(1e-4), progress=False)
    known = regression.posterior(kernel, a(X), a(Y), a(X[:2]), noise=n(0.1))
    return fit.predict(a(X[:2])), known, regression.evidence(kernel, a(X), a(Y), noise=n(0.1))


def flowed(a, n):
    flow = dynamics.flow(a(GRAM), a(Y), a(CROSS), initial=n(0.1))
    return (
        flow.train(a([0.5, 2.0])),
        flow.test(n(2.0)),
        flow.loss(a([1.0])),
        flow.time_to_fit(n(0.5)),
    )


# a makes an array of numbers, n a number
CALLS = {
    "activation": lambda a, n: (RELU(a(X)), TANH(n(0.5)), TANH.dual(a([0.3, -0.9]))),
    "dual gap": lambda a, n: (TANH.dual_gap(a([0.3, 1.2])), RELU.derivative_dual_gap(n(0.1))),
    "recentred": lambda a, n: activations.recentred("relu", n(0.5))(a(X)),
    "nngp": lambda a, n: kernels.nngp(TANH, n(0.1), 3, a([0.3, -0.5])),
    "ntk": lambda a, n: kernels.ntk(RELU, a([[0.1], [0.6]]), 3, a([0.3, -0.5])),
    "ntk_gap": lambda a, n: kernels.ntk_gap(TANH, n(0.1), 3, n(0.5)),
    "ntk's slope": lambda a, n: jax.grad(lambda c: kernels.ntk(RELU, n(0.1), 3, c))(0.5),
    "log_ntk_diagonal": lambda a, n: kernels.log_ntk_diagonal(RELU, a([0.1, 0.6]), DEPTHS),
    "log_abs_ntk": lambda a, n: kernels.log_abs_ntk(RELU, n(0.1), 3, n(0.5)),
    "gram": lambda a, n: kernels.gram(RELU, n(0.1), 3, a(X), a(X[:2])),
    "draw": lambda a, n: kernels.draw(RELU, n(0.1), 3, a(X), 2, key=KEY).shape,
    "characteristic_value": lambda a, n: regimes.characteristic_value(RELU, a([0.1, 0.6])),
    "phase_diagram": lambda a, n: regimes.phase_diagram([RELU, TANH], a([0.1, 0.6])),
    "regimes": lambda a, n: (regimes.fixed_point(TANH, n(0.1)), regimes.decay_rate(TANH, n(0.1))),
    "on_sphere": lambda a, n: (networks.on_sphere(a(X)), networks.circle(a([0.1, 0.2]))),
    "FullyConnected": lambda a, n: networks.FullyConnected([3, 1], RELU, n(0.1), key=KEY)(a(X)),
    "Deconvolutional": lambda a, n: deconvolutional()(a(X.reshape(2, 2, 3))),
    "empirical.ntk": lambda a, n: empirical.ntk(fully_connected(), a(X), a(X[:2])),
    "of pixels": lambda a, n: empirical.ntk(deconvolutional(), a(X.reshape(2, 2, 3))),
    "train": trained,
    "kernels": lambda a, n: deconvolution.ntk(STACK, RELU, n(0.1), a(np.eye(2)), a(RATES[:1])),
    "usual": lambda a, n: deconvolution.nngp(USUAL, TANH, n(0.1), a(2 * np.eye(2))),
    "contributions": lambda a, n: deconvolution.contributions(STACK, RELU, n(0.1), a(np.eye(2))),
    "diagonals": lambda a, n: deconvolution.diagonals(USUAL, TANH, n(0.1)),
    "freeze_limit": lambda a, n: deconvolution.freeze_limit(STACK, RELU, n(0.9)),
    "learning_rates": lambda a, n: deconvolution.learning_rates(STACK, n(0.5)),
    "gram_step": lambda a, n: normalization.gram_step(a(GRAM), normalization.PARTS),
    "iterate": lambda a, n: normalization.iterate(a(GRAM), 2, ("nonlinearity",), TANH),
    "fixed_point": lambda a, n: normalization.fixed_point(a(GRAM), tolerance=n(1e-4)),
    "propagate": lambda a, n: normalization.propagate(a(X), 2, 8, key=KEY, record="grams").shape,
    "cosines": lambda a, n: (normalization.cosines(a(GRAM)), normalization.contrast(a(GRAM))),
    "odd": lambda a, n: (normalization.odd_gram(n(2.0), 5), normalization.odd_map(a([2.0]), n(8))),
    "flow": flowed,
    "regression": regressed,
    "descend": lambda a, n: dynamics.descend(a(GRAM), a(Y), 2, n(0.1), n(0.5)).train,
    "ridge": lambda a, n: dynamics.ridge(a(GRAM), a(Y), a(CROSS), a([0.1, 1.0])),
    "accuracy": lambda a, n: dynamics.accuracy(a(X), np.array([0, 1, 2, 0])),
    "effective_rank": lambda a, n: (spectra.effective_rank(a(GRAM)), spectra.eigenmodes(a(GRAM))),
    "checkerboard": lambda a, n: spectra.checkerboard_energy(a(IMAGES[..., 0]), 2),
    "indicators": lambda a, n: list(indicators.image_metrics(a(IMAGES)).values()),
    "distances": lambda a, n: distances.frechet(a(X), a(X[:3])),
}  # fmt: skip
KINDS = {
    "float64 of NumPy": (np.float64, np.float64),
    "float32 of JAX": (jnp.float32, jnp.float32),
    "both": (jnp.float32, np.float64),
}


def same(found, expected) -> None:
    for one, other in zip(*map(jax.tree.leaves, (found, expected)), strict=True):
        np.testing.assert_allclose(one, other, rtol=2e-3, atol=1e-4)


@pytest.fixture(scope="module")
def plain():
    """Every result from Python's numbers, worked out once."""
    found = {}
    return lambda name: found.setdefault(name, CALLS[name](np.float64, float))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", CALLS)
def test_all_numbers_are_taken(name, kind, plain) -> None:
    array, number = KINDS[kind]
    same(CALLS[name](lambda x: array(np.array(x)), number), plain(name))


@pytest.mark.parametrize("name", CALLS)
def test_float32_is_taken_where_float64_is_on(name, float64) -> None:
    call = CALLS[name]
    same(call(lambda x: jnp.float32(np.array(x)), np.float64), call(np.float64, float))


def test_annotations_are_checked() -> None:
    with suppress(jaxtyping.TypeCheckError):  # `pytest.raises` would lift contracts
        kernels.ntk(RELU, 0.1, 2.5, 0.5)
        pytest.fail("2.5 was taken for an integer")
    with pytest.raises(TypeError, match="`depth` must be an integer"):
        kernels.ntk(RELU, 0.1, 2.5, 0.5)


def test_promotion_is_strict() -> None:
    with pytest.raises(ValueError, match="strict"):
        jnp.ones(2, jnp.float32) + jnp.ones(2, jnp.int32)
    with pytest.raises(ValueError, match="rank_promotion"):
        jnp.ones((2, 2)) + jnp.ones(2)
