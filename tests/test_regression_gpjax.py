"""The kernel for GPJax in GPJax's ways of use, against Gaussian processes of our own."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from freezechaos import regression
from freezechaos.activations import normalized, standardized
from freezechaos.regression import NNGP, NTK

gpx = pytest.importorskip("gpjax", reason="GPJax does not go with the JAX of this Python")
eqx = pytest.importorskip("equinox")
paramax = pytest.importorskip("paramax")

pytestmark = pytest.mark.usefixtures("float64")
DRAW = np.random.default_rng(0)
X, TEST = DRAW.normal(size=(20, 4)), DRAW.normal(size=(7, 4))
X = np.concatenate([X, 3 * X[:2], X[2:4] * (1 + 1e-9 * DRAW.normal(size=(2, 4)))])
Y = np.sin(X[:, 0])
NOISE = 0.05
OWN = [NNGP(standardized("relu"), 0.2, 4), NTK(normalized("gelu"), 0.3, 64)]


@pytest.fixture
def network_kernel(float64):
    from freezechaos.regression.gpjax import NetworkKernel

    return NetworkKernel


@pytest.fixture
def model_of():
    def model(kernel):
        prior = gpx.gps.Prior(kernel=kernel, mean_function=gpx.mean_functions.Zero(), jitter=0.0)
        return prior * gpx.likelihoods.Gaussian(obs_stddev=np.sqrt(NOISE))

    return model


@pytest.fixture
def data():
    return gpx.Dataset(X=jnp.asarray(X), y=jnp.asarray(Y)[:, None])


@pytest.mark.parametrize("own", OWN)
def test_a_posterior_and_its_evidence(own, network_kernel, model_of, data):
    """Twins and near twins among the rows included; the derivative by reverse mode too."""
    model = model_of(network_kernel(own))
    told = model.predict(jnp.asarray(TEST), train_data=data)
    known = regression.posterior(own, X, Y, TEST, noise=NOISE)
    np.testing.assert_allclose(told.mean, known.mean, atol=1e-12)
    np.testing.assert_allclose(told.covariance_matrix, known.covariance, atol=1e-12)
    value, slopes = eqx.filter_value_and_grad(gpx.objectives.conjugate_mll)(model, data)
    evidence = regression.evidence(own, X, Y, noise=NOISE)
    np.testing.assert_allclose(value, evidence.value, rtol=1e-10)
    by_logit = evidence.slopes["beta"] * own.beta * (1 - own.beta)
    (in_logit,) = jax.tree.leaves(slopes.prior.kernel)  # what GPJax trains
    np.testing.assert_allclose(in_logit, by_logit, rtol=1e-8)


def test_training_finds_the_best_beta(network_kernel, model_of, data):
    """Of a function drawn from the kernel at another beta, with all but beta held."""
    draw = np.random.default_rng(3)
    x = draw.normal(size=(40, 3))
    covariance = NNGP(standardized("relu"), 0.5, 2).precise(x) + NOISE * np.eye(40)
    y = np.linalg.cholesky(covariance) @ draw.normal(size=40)
    model = model_of(network_kernel(NNGP(standardized("relu"), 0.1, 2)))
    held = paramax.non_trainable(model.likelihood.obs_stddev)
    model = eqx.tree_at(lambda one: one.likelihood.obs_stddev, model, held)
    trained, _ = gpx.fit_scipy(
        model=model,
        objective=lambda one, given: -gpx.objectives.conjugate_mll(one, given),
        train_data=gpx.Dataset(X=jnp.asarray(x), y=jnp.asarray(y)[:, None]),
        verbose=False,
    )
    beta = float(gpx.parameters.val(trained.prior.kernel.beta))
    assert 0.01 < beta < 0.99
    best = NNGP(standardized("relu"), beta, 2)
    slope = regression.evidence(best, x, y, noise=NOISE).slopes["beta"]
    begun = NNGP(standardized("relu"), 0.1, 2)
    assert abs(slope) < 1e-3 * abs(regression.evidence(begun, x, y, noise=NOISE).slopes["beta"])


def test_sums_products_and_chosen_columns(network_kernel):
    own, inputs = OWN[0], jnp.asarray(X)
    part = network_kernel(own, active_dims=[0, 2])
    both = part * gpx.kernels.Constant(constant=2.0) + network_kernel(OWN[1])
    known = 2 * own.precise(X[:, [0, 2]]) + OWN[1].precise(X)
    np.testing.assert_allclose(both.gram(inputs).as_matrix(), known, atol=1e-12)
    np.testing.assert_allclose(np.diagonal(part.gram(inputs).as_matrix()), 1, rtol=1e-15)


def test_is_a_tree_of_one_number(network_kernel):
    kernel = network_kernel(OWN[0])
    assert len(jax.tree.leaves(kernel)) == 1
    again = jax.jit(lambda one: one)(kernel)
    np.testing.assert_allclose(gpx.parameters.val(again.beta), 0.2, rtol=1e-12)


def test_refuses_other_kernels_and_the_ends_of_beta(network_kernel):
    with pytest.raises(TypeError, match=r"`kernel` must be an NTK or an NNGP.*GPJax's own"):
        network_kernel(2.0 * OWN[0])
    with pytest.raises(ValueError, match=r"`kernel.beta` must be inside \(0, 1\).*Try 0.01"):
        network_kernel(NNGP(standardized("relu"), 0, 3))
