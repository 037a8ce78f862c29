"""The finite tangent kernel against autodiff and theory, training against its recursion."""

import os
import subprocess
import sys

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
def inputs() -> jax.Array:
    return on_sphere(jax.random.normal(jax.random.key(2), (7, 3)))


def make(outputs: int = 1, **norms: object) -> FullyConnected:
    return FullyConnected([3, 17, 11, outputs], RELU, 0.3, key=jax.random.key(1), **norms)


def by_jacobians(network: FullyConnected, x1: jax.Array, x2: jax.Array) -> np.ndarray:
    """[n, m, outputs, outputs], from the whole Jacobian of the whole batch."""

    def jacobian(x: jax.Array) -> np.ndarray:
        leaves = jax.tree.leaves(eqx.filter_jacrev(lambda network: network(x))(network))
        return np.concatenate([leaf.reshape(*leaf.shape[:2], -1) for leaf in leaves], axis=2)

    return np.einsum("icp,jdp->ijcd", jacobian(x1), jacobian(x2))


NORMS = [{}, {"layer_norm": "before"}, {"layer_norm": "after"}, {"batch_norm": True},
         {"layer_norm": "after", "batch_norm": True}]  # fmt: skip


class TestNTK:
    @pytest.mark.parametrize("norms", NORMS, ids=str)
    @pytest.mark.parametrize("outputs", [1, 3])
    def test_is_the_product_of_jacobians(self, inputs, norms, outputs):
        network = make(outputs, **norms)
        for x1, x2 in ((inputs, None), (inputs[:4], inputs)):
            expected = by_jacobians(network, x1, inputs if x2 is None else x2)
            kernel = empirical.ntk(network, x1, x2)
            assert kernel.shape == (expected.shape[:2] if outputs == 1 else expected.shape)
            np.testing.assert_allclose(
                kernel, expected.reshape(kernel.shape), rtol=1e-4, atol=1e-5 * expected.max()
            )

    @pytest.mark.parametrize("norms", NORMS[::3], ids=str)
    @pytest.mark.parametrize("outputs", [1, 2])
    def test_blocks_do_not_change_it(self, inputs, norms, outputs):
        network = make(outputs, **norms)
        whole = empirical.ntk(network, inputs)
        for memory in (14_000, 20_000):
            blocks = empirical.ntk(network, inputs, memory=memory)
            np.testing.assert_allclose(blocks, whole, rtol=1e-5, atol=1e-5)

    @pytest.mark.parametrize("norms", NORMS[::3], ids=str)
    def test_keeps_to_the_memory(self, norms):
        network = FullyConnected([3, 256, 256, 2], RELU, 0.3, key=jax.random.key(1), **norms)
        inputs = on_sphere(jax.random.normal(jax.random.key(2), (96, 3)))
        memory = 40_000_000 if norms else 1_000_000
        length = empirical._rows_that_fit(network, len(inputs), 4, memory)
        assert 1 < length < len(inputs)
        rows = jnp.arange(length)
        compiled = empirical._block.lower(network, inputs, rows, inputs, rows).compile()
        assert compiled.memory_analysis().temp_size_in_bytes <= memory

    def test_too_little_memory_says_how_much(self, inputs):
        with pytest.raises(ValueError, match=r"`memory` must be (\d+) bytes or more") as refusal:
            empirical.ntk(make(), inputs, memory=100)
        enough = int(str(refusal.value).split()[3])
        assert empirical.ntk(make(), inputs, memory=enough).shape == (7, 7)

    def test_works_under_jit_and_vmap(self, inputs):
        def sample(key: jax.Array) -> jax.Array:
            network = FullyConnected([3, 8, 1], RELU, 0.3, key=key)
            return empirical.ntk(network, inputs)

        keys = jax.random.split(jax.random.key(0), 3)
        together = jax.jit(jax.vmap(sample))(keys)
        for key, kernel in zip(keys, together, strict=True):
            np.testing.assert_allclose(kernel, sample(key), rtol=2e-5, atol=1e-5)

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

    def test_batch_norm_caps_the_constant_mode_at_every_width(self):
        """1' Theta 1 / N^2 = beta^2 exactly [JGGH], in float64."""
        with jax.enable_x64(True):
            inputs = on_sphere(jax.random.normal(jax.random.key(2), (12, 3), jnp.float64))
            for width in (2, 30):
                network = FullyConnected(
                    [3, width, width, 1], RELU, 0.3, batch_norm=True, key=jax.random.key(4)
                )
                assert empirical.ntk(network, inputs).mean() == pytest.approx(0.09, abs=1e-13)

    def test_wrong_width_is_named(self):
        with pytest.raises(ValueError, match="`x2` must have 3 columns"):
            empirical.ntk(make(), jnp.ones((2, 3)), jnp.ones((2, 4)))

    def test_several_devices_give_the_same_kernel(self):
        """Eight simulated devices, rows that do not divide by eight, all kinds of networks."""
        program = """
import jax, numpy as np
from freezechaos import activations, empirical
from freezechaos.networks import FullyConnected, on_sphere
assert len(jax.devices()) == 8
x = on_sphere(jax.random.normal(jax.random.key(0), (21, 3)))
for outputs, norms, memory in ((1, {}, 2**30), (2, {}, 20_000), (1, {"batch_norm": True}, 2**30)):
    network = FullyConnected([3, 16, 16, outputs], activations.normalized("relu"), 0.1,
                             key=jax.random.key(1), **norms)
    alone = empirical.ntk(network, x)
    shared = empirical.ntk(network, x, memory=memory, devices=jax.devices())
    np.testing.assert_allclose(shared, alone, rtol=1e-4, atol=1e-4)
    rows = empirical._shared(np.arange(16), jax.devices())
    block = empirical._block(network, x, rows, x, np.arange(16))
    assert len(block.sharding.device_set) == 8
    assert {shard.data.shape[0] for shard in block.addressable_shards} == {2}
print("same")
"""
        flags = {"XLA_FLAGS": "--xla_force_host_platform_device_count=8", "JAX_PLATFORMS": "cpu"}
        done = subprocess.run(
            [sys.executable, "-c", program], env=os.environ | flags, capture_output=True, text=True
        )
        assert done.stdout.strip() == "same", done.stderr


class TestTrain:
    @pytest.mark.parametrize("momentum", [0.0, 0.9])
    def test_a_linear_network_follows_its_kernel(self, inputs, momentum):
        """At depth 1 the kernel stays, and f <- f - rate / n Theta (f - y) is exact."""
        network = FullyConnected([3, 2], RELU, 0.3, key=jax.random.key(1))
        labels = jax.random.normal(jax.random.key(3), (7, 2))
        done = empirical.train(
            network, inputs, labels, learning_rate=0.2, steps=12, momentum=momentum, record=3
        )
        kernel = np.asarray(empirical.ntk(network, inputs)[:, :, 0, 0], np.float64)
        outputs, velocity, expected = np.asarray(network(inputs), np.float64), 0.0, []
        for step in range(13):
            expected += [outputs] if step % 3 == 0 else []
            velocity = momentum * velocity + kernel @ (outputs - np.asarray(labels)) / 7
            outputs = outputs - 0.2 * velocity
        np.testing.assert_allclose(done.outputs, expected, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(done.network(inputs), done.outputs[-1], rtol=1e-5)
        assert done.test_outputs is None

    def test_outputs_elsewhere_are_those_of_the_network(self, inputs):
        done = empirical.train(
            make(), inputs[:5], jnp.ones(5), learning_rate=0.5, steps=4, test=inputs[5:]
        )
        assert done.outputs.shape == (5, 5, 1)
        np.testing.assert_allclose(done.test_outputs[0], make()(inputs[5:]), rtol=1e-5)
        np.testing.assert_allclose(done.test_outputs[-1], done.network(inputs[5:]), rtol=1e-5)
        error = jnp.mean((done.outputs - 1) ** 2, axis=(1, 2))
        assert jnp.all(jnp.diff(error) < 0)

    @pytest.mark.parametrize(
        ("change", "match"),
        [
            ({"labels": jnp.ones((7, 2))}, r"`labels` must have shape \[7, 1\]"),
            ({"steps": 5, "record": 2}, "multiple of `record`"),
            ({"x": jnp.ones((7, 4))}, "`x` must have 3 columns"),
        ],
    )
    def test_refusals(self, inputs, change, match):
        given = {"x": inputs, "labels": jnp.ones(7), "learning_rate": 0.1, "steps": 4}
        with pytest.raises(ValueError, match=match):
            empirical.train(make(), **(given | change))


class TestMonteCarlo:
    def test_mean_and_error_of_a_gaussian(self):
        keys = jax.random.split(jax.random.key(3), 400)
        mean, error = empirical.monte_carlo(lambda key: 2 + jax.random.normal(key, (3,)), keys)
        assert jnp.all(jnp.abs(mean - 2) < 5 * error)
        np.testing.assert_allclose(error, 1 / 20, rtol=0.2)

    def test_one_key_is_refused(self):
        with pytest.raises(ValueError, match="`keys` must be two or more; got 1"):
            empirical.monte_carlo(jax.random.normal, jax.random.split(jax.random.key(0), 1))
