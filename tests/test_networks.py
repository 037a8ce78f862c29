"""Finite networks and their tangent kernel, against autodiff and against the theory."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from freezechaos import empirical, kernels
from freezechaos.activations import normalized, standardized
from freezechaos.networks import FullyConnected, circle, on_sphere

RELU = normalized("relu")


@pytest.fixture
def network() -> FullyConnected:
    return FullyConnected([3, 17, 11, 1], RELU, 0.3, key=jax.random.key(1))


@pytest.fixture
def inputs() -> jax.Array:
    return on_sphere(jax.random.normal(jax.random.key(2), (5, 3)))


class TestFullyConnected:
    def test_is_the_formula(self, network, inputs):
        hidden = np.asarray(inputs[0], np.float64)
        for layer, (weight, bias) in enumerate(zip(network.weights, network.biases, strict=True)):
            entering = np.asarray(RELU(jnp.asarray(hidden, jnp.float32))) if layer else hidden
            matrix = np.asarray(weight, np.float64)
            hidden = np.sqrt((1 - 0.09) / len(entering)) * matrix @ entering + 0.3 * np.asarray(
                bias
            )
        np.testing.assert_allclose(network(inputs[0]), hidden, rtol=1e-5)

    def test_batch_is_a_vmap(self, network, inputs):
        one_by_one = jnp.stack([network(x) for x in inputs])
        np.testing.assert_allclose(jax.vmap(network)(inputs), one_by_one, rtol=1e-5)

    def test_draws_differ_with_the_key_and_repeat_with_it(self):
        def first(seed: int) -> jax.Array:
            network = FullyConnected([2, 4, 1], RELU, 0.1, key=jax.random.key(seed))
            return network.weights[0]

        assert jnp.array_equal(first(0), first(0))
        assert not jnp.array_equal(first(0), first(1))

    def test_repr_counts_parameters(self, network):
        assert "3 > 17 > 11 > 1" in repr(network)
        assert f"parameters={3 * 17 + 17 + 17 * 11 + 11 + 11 + 1}" in repr(network)

    @pytest.mark.parametrize("widths", [[3], [3, 0, 1]])
    def test_bad_widths(self, widths):
        with pytest.raises(ValueError, match="`widths`"):
            FullyConnected(widths, RELU, 0.1, key=jax.random.key(0))

    def test_bad_beta(self):
        with pytest.raises(ValueError, match="`beta`"):
            FullyConnected([2, 1], RELU, 1.5, key=jax.random.key(0))

    def test_inputs_land_on_the_sphere(self, inputs):
        np.testing.assert_allclose(jnp.sum(inputs**2, axis=1), 3, rtol=1e-6)
        np.testing.assert_allclose(
            jnp.sum(circle(jnp.linspace(0, 6, 5)) ** 2, axis=1), 2, rtol=1e-6
        )


class TestNTK:
    def test_is_the_product_of_jacobians(self, network, inputs):
        def gradient(x: jax.Array) -> jax.Array:
            tree = eqx.filter_grad(lambda network: network(x)[0])(network)
            return jnp.concatenate([leaf.ravel() for leaf in jax.tree.leaves(tree)])

        jacobian = jax.vmap(gradient)(inputs)
        np.testing.assert_allclose(
            empirical.ntk(network, inputs), jacobian @ jacobian.T, rtol=2e-5, atol=1e-5
        )
        np.testing.assert_allclose(
            empirical.ntk(network, inputs[:2], inputs),
            jacobian[:2] @ jacobian.T,
            rtol=2e-5,
            atol=1e-5,
        )

    @pytest.mark.parametrize(("form", "beta"), [(standardized, 0.5), (normalized, 0.1)])
    def test_wide_networks_follow_the_theory(self, form, beta):
        """Unscaled kernels, within five standard errors of the mean of 48 networks."""
        sigma, depth = form("relu"), 4
        inputs = circle(jnp.linspace(0, jnp.pi, 7))

        def sample(key: jax.Array) -> jax.Array:
            network = FullyConnected([2, 512, 512, 512, 1], sigma, beta, key=key)
            return empirical.ntk(network, inputs)[0]

        mean, error = empirical.monte_carlo(sample, jax.random.split(jax.random.key(5), 48))
        cosine = jnp.cos(jnp.linspace(0, jnp.pi, 7))
        diagonal = jnp.exp(kernels.log_ntk_diagonal(sigma, beta, depth))
        theory = diagonal * kernels.ntk(sigma, beta, depth, cosine)
        assert jnp.all(jnp.abs(mean - theory) <= 5 * error)
        assert jnp.all(error < 0.05 * diagonal)

    def test_several_outputs_are_refused(self, inputs):
        network = FullyConnected([3, 4, 2], RELU, 0.1, key=jax.random.key(0))
        with pytest.raises(ValueError, match="one output; got 2"):
            empirical.ntk(network, inputs)

    def test_wrong_width_is_named(self, network):
        with pytest.raises(ValueError, match="`x2` must have 3 columns"):
            empirical.ntk(network, jnp.ones((2, 3)), jnp.ones((2, 4)))


class TestMonteCarlo:
    def test_mean_and_error_of_a_gaussian(self):
        keys = jax.random.split(jax.random.key(3), 400)
        mean, error = empirical.monte_carlo(lambda key: 2 + jax.random.normal(key, (3,)), keys)
        assert jnp.all(jnp.abs(mean - 2) < 5 * error)
        np.testing.assert_allclose(error, 1 / 20, rtol=0.2)

    def test_one_key_is_refused(self):
        with pytest.raises(ValueError, match="`keys` must be two or more; got 1"):
            empirical.monte_carlo(jax.random.normal, jax.random.split(jax.random.key(0), 1))
