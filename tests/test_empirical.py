"""The finite tangent kernel against autodiff and theory, training against its recursion."""

import os
import subprocess
import sys

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from freezechaos import deconvolution, empirical, graphs, kernels
from freezechaos.activations import normalized, standardized
from freezechaos.empirical import deconvolutional, fully_connected
from freezechaos.networks import (
    Deconvolutional,
    FullyConnected,
    Scanned,
    circle,
    on_sphere,
    scale_by_layer,
)

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
        length = fully_connected.rows_that_fit(network, len(inputs), 4, memory)
        assert 1 < length < len(inputs)
        rows = jnp.arange(length)
        compiled = fully_connected.block.lower(network, inputs, rows, inputs, rows).compile()
        assert compiled.memory_analysis().temp_size_in_bytes <= memory

    def test_too_little_memory_says_how_much(self, inputs):
        with pytest.raises(ValueError, match=r"`memory` must be (\d+) bytes or more") as refusal:
            empirical.ntk(make(), inputs, memory=100)
        enough = int(str(refusal.value).split()[3])
        assert empirical.ntk(make(), inputs, memory=enough).shape == (7, 7)

    @pytest.mark.parametrize("norms", NORMS[::3], ids=str)
    def test_every_product_is_at_full_precision(self, inputs, norms):
        """So that a GPU does not round its factors to TF32."""
        rows = jnp.arange(7)
        text = fully_connected.block.lower(make(2, **norms), inputs, rows, inputs, rows).as_text()
        products = [line for line in text.splitlines() if "dot_general" in line]
        assert len(products) > 6
        assert all("precision = [HIGHEST, HIGHEST]" in line for line in products)

    @pytest.mark.parametrize("norms", NORMS[::2], ids=str)
    def test_gradients_in_the_inputs_are_finite_differences(self, norms):
        with jax.enable_x64(True):
            network = FullyConnected([3, 9, 8, 1], normalized("gelu"), 0.3,
                                     key=jax.random.key(1), **norms)  # fmt: skip
            x, way = jax.random.normal(jax.random.key(2), (2, 5, 3))
            weight = jax.random.normal(jax.random.key(3), (5, 5))
            f = jax.jit(lambda x: jnp.sum(weight * empirical.ntk(network, x)))
            slope = jnp.sum(jax.jit(jax.grad(f))(x) * way)
            difference = (f(x + 1e-6 * way) - f(x - 1e-6 * way)) / 2e-6
            assert float(slope) == pytest.approx(float(difference), rel=1e-5)

    def test_takes_inputs_as_they_are(self):
        x = jnp.array([[0.0, 0.0, 0.0], [1.0, -3.0, 0.2]])
        expected = by_jacobians(make(), x, x)[:, :, 0, 0]
        np.testing.assert_allclose(empirical.ntk(make(), x), expected, rtol=1e-4, atol=1e-5)

    def test_the_wider_precision_is_taken(self, inputs):
        with jax.enable_x64(True):
            network = make()
            for x in (inputs.astype(jnp.float32), inputs.astype(jnp.float64)):
                assert empirical.ntk(network, x).dtype == jnp.float64
                done = empirical.train(network, x, jnp.ones(7), learning_rate=0.1, steps=1)
                assert done.outputs.dtype == jnp.float64
            single = jax.tree.map(lambda leaf: leaf.astype(jnp.float32), network)
            assert empirical.ntk(single, inputs.astype(jnp.float64)).dtype == jnp.float64

    @pytest.mark.parametrize(
        ("options", "error", "match"),
        [
            ({"memory": float("inf")}, ValueError, "`memory` must be a finite number"),
            ({"memory": "1GB"}, TypeError, "`memory` must be one real number"),
            ({"devices": "cpu"}, TypeError, "`devices` must be a list"),
            ({"devices": jax.Device}, TypeError, "`devices` must be a list"),
            ({"devices": []}, TypeError, "`devices` must be a list"),
            ({"network": jnp.sin}, TypeError, "`network` must be a FullyConnected"),
            ({"x1": jnp.full((2, 3), jnp.nan)}, ValueError, "`x1` must be finite"),
        ],
    )
    def test_refusals(self, inputs, options, error, match):
        with pytest.raises(error, match=match):
            empirical.ntk(**({"network": make(), "x1": inputs} | options))

    def test_one_device_alone_or_twice_is_refused(self, inputs):
        (device,) = jax.devices()[:1]
        with pytest.raises(TypeError, match="`devices` must be a list"):
            empirical.ntk(make(), inputs, devices=device)
        with pytest.raises(ValueError, match="`devices` must differ"):
            empirical.ntk(make(), inputs, devices=[device, device])

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
from freezechaos.empirical import fully_connected
from freezechaos.empirical import kernel as kernel_of_blocks
from freezechaos.networks import FullyConnected, on_sphere
assert len(jax.devices()) == 8
x = on_sphere(jax.random.normal(jax.random.key(0), (21, 3)))
for outputs, norms, memory in ((1, {}, 2**30), (2, {}, 20_000), (1, {"batch_norm": True}, 2**30)):
    network = FullyConnected([3, 16, 16, outputs], activations.normalized("relu"), 0.1,
                             key=jax.random.key(1), **norms)
    alone = empirical.ntk(network, x)
    shared = empirical.ntk(network, x, memory=memory, devices=jax.devices())
    np.testing.assert_allclose(shared, alone, rtol=1e-4, atol=1e-4)
    rows = kernel_of_blocks.shared(np.arange(16), jax.devices())
    block = fully_connected.block(network, x, rows, x, np.arange(16))
    assert len(block.sharding.device_set) == 8
    assert {shard.data.shape[0] for shard in block.addressable_shards} == {2}
    length, seen = fully_connected.rows_that_fit(network, 21, 4, memory), []
    whole = fully_connected.block
    def noting(network, x1, rows, x2=None, columns=()):
        seen.append((len(rows) // 8, len(columns)))
        return whole(network, x1, rows, x2, columns)
    fully_connected.block = noting
    empirical.ntk(network, x, memory=memory, devices=jax.devices())
    fully_connected.block = whole
    assert max(map(max, seen)) <= length, (seen, length)
    assert memory > 20_000 or length < 21
print("same")
"""
        flags = {"XLA_FLAGS": "--xla_force_host_platform_device_count=8", "JAX_PLATFORMS": "cpu"}
        done = subprocess.run(
            [sys.executable, "-c", program], env=os.environ | flags, capture_output=True, text=True
        )
        assert done.stdout.strip() == "same", done.stderr


DCGAN = graphs.transposed_convolution(4, stride=2, padding=1)
LAYERS = [
    ((2, 3), (DCGAN, graphs.convolution(3, padding=1))),
    ((1, 1), (graphs.transposed_convolution(4), DCGAN)),
    (1, (DCGAN, DCGAN, DCGAN)),
    (3, (graphs.transposed_convolution(5, 2, 2, 1), graphs.resize_convolution(2, 3, 1))),
    ((3, 2), (graphs.resize_convolution(2, 3, 1, "bilinear"), DCGAN)),
    (4, (graphs.resize_convolution(3, 4, 1, "bilinear"), graphs.sub_pixel_convolution(2, 3, 1))),
]


def upsampling(
    size: int | tuple[int, int] = 1,
    layers: tuple = (DCGAN, DCGAN),
    parametrization: str = "graph",
    outputs: int = 1,
) -> Deconvolutional:
    stack = deconvolution.DeconvStack(size, layers, parametrization)
    channels = [3, *[4] * (len(layers) - 1), outputs]
    return Deconvolutional(stack, channels, RELU, 0.3, key=jax.random.key(1))


def grids(network: Deconvolutional, n: int) -> jax.Array:
    return jax.random.normal(jax.random.key(2), (n, *network.stack.start, 3))


def between_pixels(network: Deconvolutional, x1: jax.Array, x2: jax.Array) -> np.ndarray:
    """[n, m, positions, positions, outputs, outputs], from whole Jacobians."""
    outputs = network.channels[-1]

    def jacobian(x: jax.Array) -> np.ndarray:
        whole = eqx.filter_jit(eqx.filter_jacrev(lambda network: network(x)))(network)
        leaves = [leaf.reshape(len(x), network.stack.positions, outputs, -1)
                  for leaf in jax.tree.leaves(whole, is_leaf=eqx.is_array)]  # fmt: skip
        return np.concatenate(leaves, axis=-1)

    return np.einsum("npca,mqda->nmpqcd", jacobian(x1), jacobian(x2))


class TestNTKBetweenPixels:
    @pytest.mark.parametrize("number", range(len(LAYERS)))
    def test_is_the_product_of_jacobians(self, number):
        size, layers = LAYERS[number]
        parametrization, outputs = ("graph", "usual")[number % 2], 1 + (number // 2) % 2
        network = upsampling(size, layers, parametrization, outputs)
        x = grids(network, 3)
        expected = between_pixels(network, x, x)
        expected = expected if outputs > 1 else expected[..., 0, 0]
        tolerance = {"rtol": 1e-4, "atol": 1e-5 * expected.max()}
        np.testing.assert_allclose(empirical.ntk(network, x), expected, **tolerance)
        kernel = empirical.ntk(network, x[:2], x)
        np.testing.assert_allclose(kernel, expected[:2], **tolerance)

    def test_blocks_do_not_change_it(self):
        network = upsampling(outputs=2)
        x = grids(network, 5)
        whole = empirical.ntk(network, x)
        with pytest.raises(ValueError, match=r"`memory` must be (\d+) bytes or more") as refusal:
            empirical.ntk(network, x, memory=100)
        least = int(str(refusal.value).split()[3])
        for memory in (least, 3 * least):
            assert 1 <= deconvolutional.rows_that_fit(network, 5, 4, memory) < 5
            blocks = empirical.ntk(network, x, memory=memory)
            np.testing.assert_allclose(blocks, whole, rtol=1e-5, atol=1e-5)
        blocks = empirical.ntk(network, x[:3], x, memory=least)
        np.testing.assert_allclose(blocks, whole[:3], rtol=1e-5, atol=1e-5)

    @pytest.mark.parametrize("outputs", [1, 3])
    def test_keeps_to_the_memory(self, outputs):
        stack = deconvolution.DeconvStack((4, 4), [DCGAN, DCGAN])
        network = Deconvolutional(stack, [16, 32, outputs], RELU, 0.3, key=jax.random.key(1))
        memory = 20_000_000 * outputs**2
        length = deconvolutional.rows_that_fit(network, 99, 4, memory)
        assert 1 < length < 99
        x, rows = jnp.zeros((99, 4, 4, 16)), jnp.arange(length)
        for arguments in ((x, rows), (x, rows, x, rows)):
            compiled = deconvolutional.block.lower(network, *arguments).compile()
            assert compiled.memory_analysis().temp_size_in_bytes <= memory

    def test_every_product_is_at_full_precision(self):
        network = upsampling((2, 2), (DCGAN, DCGAN), outputs=2)
        rows = jnp.arange(2)
        text = deconvolutional.block.lower(network, grids(network, 2), rows).as_text()
        products = [line for line in text.splitlines() if "dot_general" in line]
        assert len(products) > 4
        assert all("precision = [HIGHEST, HIGHEST]" in line for line in products)
        convolutions = [line for line in text.splitlines() if "stablehlo.convolution" in line]
        assert all(line.count("precision HIGHEST") >= 2 for line in convolutions)

    @pytest.mark.parametrize("parametrization", ["graph", "usual"])
    def test_wide_networks_follow_the_theory(self, parametrization):
        """Within five standard errors of the mean of 16 networks, at every pair of positions."""
        stack = deconvolution.DeconvStack(2, [DCGAN, DCGAN], parametrization)
        sigma, x = standardized("relu"), on_sphere(jax.random.normal(jax.random.key(4), (2, 8)))

        def sample(key: jax.Array) -> jax.Array:
            network = Deconvolutional(stack, [8, 300, 1], sigma, 0.5, key=key)
            return empirical.ntk(network, x[None])[0, 0]

        mean, error = empirical.monte_carlo(sample, jax.random.split(jax.random.key(5), 16))
        theory = deconvolution.ntk(stack, sigma, 0.5, x @ x.T / 8)
        assert jnp.all(jnp.abs(mean - theory) <= 5 * error + 1e-5)
        assert jnp.all(error < 0.05 * theory.max())

    @pytest.mark.parametrize(
        ("change", "error", "match"),
        [
            ({"x1": jnp.ones((2, 3))}, ValueError, r"`x1` must have shape \[n, 1, 3\]"),
            ({"x2": jnp.ones((0, 1, 3))}, ValueError, r"`x2` must have shape \[n, 1, 3\]"),
            ({"x1": jnp.full((2, 1, 3), jnp.nan)}, ValueError, "`x1` must be finite"),
            ({"devices": jax.devices()}, TypeError, "`devices` .* for a FullyConnected only"),
        ],
    )
    def test_refusals(self, change, error, match):
        with pytest.raises(error, match=match):
            empirical.ntk(**({"network": upsampling(), "x1": jnp.ones((2, 1, 3))} | change))


class TestLayerRates:
    @pytest.mark.parametrize("network", [make(), upsampling(1, (DCGAN,) * 3)], ids=repr)
    def test_every_part_moves_at_its_own(self, network):
        rates = jnp.array([[1.0, 0.5], [2.0, 0.0], [3.0, 7.0]])
        optimizer = optax.chain(optax.adam(0.1), scale_by_layer(rates))
        plain, gradient = optax.adam(0.1), jax.tree.map(jnp.ones_like, network)
        with jax.numpy_dtype_promotion("standard"):  # Adam takes floats to the power of counts
            found, _ = optimizer.update(gradient, optimizer.init(network))
            expected, _ = plain.update(gradient, plain.init(network))
        for layer in range(3):
            for column, name in enumerate(("weights", "biases")):
                part, whole = (getattr(tree, name)[layer] for tree in (found, expected))
                np.testing.assert_allclose(part, rates[layer, column] * whole, rtol=1e-6)

    def test_other_numbers_of_layers_are_refused(self):
        optimizer = scale_by_layer(jnp.ones((2, 2)))
        with pytest.raises(ValueError, match=r"a row for each of the 3 layers .* got 2"):
            optimizer.init(make())
        with pytest.raises(TypeError, match=r"a network with `weights` and `biases`.* got a dict"):
            optimizer.init({})
        with pytest.raises(ValueError, match=r"`rates` must have shape \[layers, 2\]"):
            scale_by_layer(jnp.ones(3))

    def test_frozen_parts_have_no_update(self):
        network = eqx.tree_at(lambda network: network.weights[0], make(), None)
        optimizer = scale_by_layer(2 * jnp.ones((3, 2)))
        found, _ = optimizer.update(network, optimizer.init(network), params=network)
        assert found.weights[0] is None
        np.testing.assert_array_equal(found.weights[1], 2 * network.weights[1])

    @pytest.mark.parametrize(
        ("rates", "error"),
        [(jnp.nan * jnp.ones((2, 2)), ValueError), (jnp.ones((3, 2)), ValueError),
         ("fast", TypeError)],
    )  # fmt: skip
    def test_training_refuses_bad_rates(self, rates, error):
        network = upsampling(2, (DCGAN, DCGAN))
        x, y = grids(network, 2), jnp.ones((2, 8))
        with pytest.raises(error, match="`rates` must"):
            empirical.train(network, x, y, learning_rate=1e-3, steps=1, rates=rates)

    def test_training_follows_the_weighted_kernel(self):
        """One small step moves the outputs by -rate / n Theta_rates (f - y)."""
        network = upsampling(2, (DCGAN, DCGAN))
        x, y = grids(network, 2), jnp.ones((2, 8))
        rates = deconvolution.learning_rates(network.stack)
        done = empirical.train(network, x, y, learning_rate=1e-3, steps=1, rates=rates)
        jacobian = eqx.filter_jacrev(lambda network: network(x).ravel())(network)
        theta = 0.0
        for layer in range(2):
            for column, name in enumerate(("weights", "biases")):
                part = getattr(jacobian, name)[layer].reshape(16, -1)
                theta = theta + rates[layer, column] * part @ part.T
        move = -1e-3 / 2 * theta @ (network(x) - y[..., None]).ravel()
        assert done.outputs.shape == (2, 2, 8)
        np.testing.assert_allclose(
            (done.outputs[1] - done.outputs[0]).ravel(), move, atol=0.02 * jnp.abs(move).max()
        )

    def test_targets_are_grids(self):
        network = upsampling(outputs=2)
        x = grids(network, 3)
        with pytest.raises(ValueError, match=r"`labels` must have shape \[3, 4, 2\], .*pixel"):
            empirical.train(network, x, jnp.ones((3, 2)), learning_rate=0.1, steps=1)


class TestLargestLearningRate:
    @pytest.mark.parametrize("outputs", [1, 2])
    def test_is_that_of_the_kernel(self, inputs, outputs):
        network = make(outputs)
        kernel = by_jacobians(network, inputs, inputs).transpose(0, 2, 1, 3)
        top = np.linalg.eigvalsh(kernel.reshape(7 * outputs, 7 * outputs))[-1]
        found = empirical.largest_learning_rate(network, inputs, key=jax.random.key(0))
        assert found == pytest.approx(2 * 7 / top, rel=0.01)

    def test_descent_converges_below_and_diverges_above(self, inputs):
        """Of the network's linearization, whose kernel does not move."""
        network = empirical.linearize(make())
        rate = empirical.largest_learning_rate(network, inputs, key=jax.random.key(0))

        def after(share: float) -> float:
            def step(_, network):
                slope = eqx.filter_grad(lambda f: jnp.sum(f(inputs) ** 2) / 14)(network)
                moved = jax.tree.map(lambda p, g: p - share * rate * g, network.network,
                                     slope.network)  # fmt: skip
                return eqx.tree_at(lambda f: f.network, network, moved)

            return float(jnp.sum(jax.lax.fori_loop(0, 200, step, network)(inputs) ** 2))

        assert after(0.9) < after(1.1) / 1e6

    def test_refuses_no_products(self, inputs):
        with pytest.raises(ValueError, match="`iterations`"):
            empirical.largest_learning_rate(make(), inputs, key=jax.random.key(0), iterations=0)


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
        assert done.outputs.shape == (5, 5)
        np.testing.assert_allclose(done.test_outputs[0], make()(inputs[5:])[:, 0], rtol=1e-5)
        np.testing.assert_allclose(done.test_outputs[-1], done.network(inputs[5:])[:, 0], rtol=1e-5)
        error = jnp.mean((done.outputs - 1) ** 2, axis=1)
        assert jnp.all(jnp.diff(error) < 0)

    @pytest.mark.parametrize(
        ("change", "match"),
        [
            ({"labels": jnp.ones((7, 2))}, r"`labels` must have shape \[7, 1\]"),
            ({"labels": 1.0}, r"`labels` must have shape \[7, 1\].* or \[n\]; got \[\]"),
            ({"labels": []}, r"`labels` must have shape .* got \[0\]"),
            ({"labels": jnp.ones((7, 1, 1))}, r"`labels` must have shape .* got \[7, 1, 1\]"),
            ({"labels": jnp.full(7, jnp.inf)}, "`labels` must be finite"),
            ({"labels": None}, "`labels` must be numbers"),
            ({"labels": jnp.ones(7, bool)}, "`labels` must be float32 or float64; got bool"),
            ({"network": make(10), "labels": jnp.arange(7)}, r"\[7, 10\].* dynamics.one_hot"),
            ({"steps": 5, "record": 2}, "multiple of `record`"),
            ({"steps": 5.0}, "`steps` must be an integer"),
            ({"x": jnp.ones((7, 4))}, "`x` must have 3 columns"),
            ({"learning_rate": 0.0}, "`learning_rate` must be positive and finite; got 0"),
            ({"learning_rate": jnp.nan}, "`learning_rate` must be positive and finite; got nan"),
            ({"learning_rate": [0.1, 0.2]}, "`learning_rate` must be one real number"),
            ({"momentum": 1.0}, r"`momentum` must lie in \[0, 1\); got 1"),
            ({"momentum": "0.9"}, "`momentum` must be one real number"),
        ],
    )
    def test_refusals(self, inputs, change, match):
        given = {"network": make(), "x": inputs, "labels": jnp.ones(7), "learning_rate": 0.1}
        with pytest.raises((TypeError, ValueError), match=match):
            empirical.train(**(given | {"steps": 4} | change))

    def test_may_be_differentiated_in_the_learning_rate(self, inputs):
        def last(rate: jax.Array, momentum: jax.Array) -> jax.Array:
            done = empirical.train(
                make(), inputs, jnp.ones(7), learning_rate=rate, steps=3, momentum=momentum
            )
            return jnp.sum((done.outputs[-1] - 1) ** 2)

        slope = jax.jit(jax.grad(last))(0.2, 0.5)
        difference = (last(0.21, 0.5) - last(0.19, 0.5)) / 0.02
        assert float(slope) == pytest.approx(float(difference), rel=0.02)


class TestTrainScanned:
    def test_trains_as_the_fully_connected_network_of_its_key(self, inputs):
        widths, key, y = [3, *[9] * 4, 2], jax.random.key(1), jnp.ones((7, 2))
        one, other = (
            empirical.train(kind(widths, RELU, 0.3, key=key), inputs, y, learning_rate=0.2, steps=5)
            for kind in (Scanned, FullyConnected)
        )
        np.testing.assert_allclose(one.outputs, other.outputs, rtol=1e-4, atol=1e-5)
        assert one.network.beta == jnp.float32(0.3)


class TestMonteCarlo:
    def test_mean_and_error_of_a_gaussian(self):
        keys = jax.random.split(jax.random.key(3), 400)
        mean, error = empirical.monte_carlo(lambda key: 2 + jax.random.normal(key, (3,)), keys)
        assert jnp.all(jnp.abs(mean - 2) < 5 * error)
        np.testing.assert_allclose(error, 1 / 20, rtol=0.2)

    def test_error_counts_what_the_mean_has_used_up(self):
        """Four samples leave three degrees of freedom, and the error is larger by sqrt(4 / 3)."""
        keys = jax.random.split(jax.random.key(3), 4)
        samples = np.asarray(jax.vmap(jax.random.normal)(keys), np.float64)
        _, error = empirical.monte_carlo(jax.random.normal, keys)
        assert float(error) == pytest.approx(samples.std(ddof=1) / 2, rel=1e-6)  # a few roundings

    def test_one_key_is_refused(self):
        with pytest.raises(ValueError, match=r"`keys` must be two or more, .* got 1 of"):
            empirical.monte_carlo(jax.random.normal, jax.random.split(jax.random.key(0), 1))

    @pytest.mark.parametrize(
        "make_keys",
        [
            lambda: list(jax.random.split(jax.random.key(0), 3)),
            lambda: 5,
            lambda: jax.random.PRNGKey(0),
        ],
    )
    def test_other_keys_are_refused(self, make_keys):
        with pytest.raises(TypeError, match="`keys` must be one array of new-style keys"):
            empirical.monte_carlo(jax.random.normal, make_keys())

    @pytest.mark.parametrize(("batch", "error"), [(0, ValueError), (2.0, TypeError)])
    def test_bad_batch(self, batch, error):
        with pytest.raises(error, match="`batch` must be"):
            empirical.monte_carlo(
                jax.random.normal, jax.random.split(jax.random.key(0), 4), batch=batch
            )
