"""Architectures: three lives of one value, each checked on a road that is not its own."""

import pickle
from copy import deepcopy
from functools import partial
from math import pi, sqrt

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from scipy.special import erf

from freezechaos import deconvolution, empirical, gan, graphs, kernels, networks, normalization
from freezechaos.activations import Activation, leaky_relu, normalized, standardized
from freezechaos.architectures import (
    NTK,
    Architecture,
    BatchNorm,
    Beta,
    Convolution,
    Dense,
    GlobalAveragePool,
    LayerNorm,
    Multiply,
    Network,
    Nonlinearity,
    Standard,
    UpSampling,
    as_beta,
    bare,
    repeat,
    residual,
    serial,
)

RELU, TANH = standardized("relu"), standardized("tanh")
UP = graphs.transposed_convolution(4, stride=2, padding=1)
KEY = jax.random.key(0)


@pytest.fixture
def strict():
    with jax.numpy_rank_promotion("raise"), jax.numpy_dtype_promotion("strict"):
        yield


def on_sphere(n: int, d: int, seed: int = 1) -> jax.Array:
    return networks.on_sphere(jax.random.normal(jax.random.key(seed), (n, d)))


def near_ones(n: int, d: int) -> jax.Array:
    """On the sphere, the second close to the first, the last opposite to it."""
    x = on_sphere(n, d)
    x = x.at[1].set(x[0] + 1e-4 * x[1]).at[-1].set(-x[0])
    return networks.on_sphere(x)


def stack(activation: Activation, beta: float, depth: int) -> Architecture:
    block = serial(Dense(Beta(beta)), activation)
    return serial(repeat(block, depth - 1), Dense(Beta(beta)))


def wide(architecture: Architecture, inputs: int, width: int, outputs: int = 1) -> list[int]:
    return [inputs, *[width] * (len(architecture.affine) - 1), outputs]


def assert_within_errors(
    estimate: empirical.Estimate, theory: jax.Array, errors: float = 5
) -> None:
    mean, error = estimate
    assert jnp.all(jnp.abs(mean - theory) <= errors * error)
    assert jnp.mean(error) < 0.1 * jnp.max(jnp.abs(theory))  # or nothing is tested


def drawn_kernels(architecture: Architecture, x: jax.Array, width: int, draws: int = 24):
    """Monte Carlo means of the outputs' products and of the tangent kernel of one output."""
    sizes = wide(architecture, x.shape[-1], width)

    def sample(key: jax.Array) -> tuple[jax.Array, jax.Array]:
        many = architecture.network([*sizes[:-1], 64], key=key)(x)
        many = many.reshape(len(x), -1, 64)
        products = jnp.einsum("ipc,jqc->ijpq", many, many) / 64
        one = architecture.network(sizes, key=key)
        tangent = empirical.ntk(one, x).reshape(products.shape)
        return jnp.stack([products, tangent])

    return empirical.monte_carlo(sample, jax.random.split(jax.random.key(7), draws), batch=4)


def expected_kernels(architecture: Architecture, x: jax.Array, **options: object) -> jax.Array:
    nngp, ntk, log_scale = architecture.kernels(x, **options)
    both = jnp.stack([nngp, ntk * jnp.exp(log_scale)])
    return both if both.ndim == 5 else both[..., None, None]


class TestStacksOfEqualBlocks:
    """The layer-by-layer road, taken by `converted("ntk")`, beside the exact recursion."""

    CASES = (
        (RELU, 0.0),
        (normalized("relu"), 0.1),
        (normalized("tanh"), 0.1),
        (standardized("gelu"), 0.6),
        (RELU, 0.5),
    )

    @pytest.mark.parametrize(("activation", "beta"), CASES, ids=str)
    @pytest.mark.parametrize("depth", [3, 1000])
    def test_both_roads_meet_at_any_depth(self, activation, beta, depth, float32):
        x, architecture = near_ones(5, 7), stack(activation, beta, depth)
        exact, stepped = architecture.kernels(x), architecture.converted("ntk").kernels(x)
        np.testing.assert_allclose(stepped.nngp, exact.nngp, rtol=0, atol=1e-6)
        np.testing.assert_allclose(stepped.ntk, exact.ntk, rtol=0, atol=1e-6)
        np.testing.assert_allclose(stepped.log_scale, exact.log_scale, rtol=1e-6)
        assert jnp.all(jnp.diagonal(stepped.ntk) == 1)

    def test_is_the_recursion_on_cosines(self, float32):
        x, depth = on_sphere(4, 5), 200
        found = stack(normalized("relu"), 0.1, depth).kernels(x, x[:3])
        cosine = jnp.clip(x @ x[:3].T / 5, -1, 1)
        same = jnp.arange(3)  # rounding, which chaos blows up, must not part a row from itself
        cosine = cosine.at[same, same].set(1)
        ntk = kernels.ntk(normalized("relu"), 0.1, depth, cosine)
        np.testing.assert_allclose(found.ntk, ntk, atol=2e-6)
        nngp = kernels.nngp(normalized("relu"), 0.1, depth, cosine)
        np.testing.assert_allclose(found.nngp, nngp, atol=2e-6)
        log_scale = kernels.log_ntk_diagonal(normalized("relu"), 0.1, depth)
        assert float(found.log_scale) == pytest.approx(float(log_scale), rel=1e-6)

    def test_between_two_sets_is_a_block_of_the_whole(self):
        x = on_sphere(5, 4)
        architecture = serial(Dense(NTK(1.3, 0.2)), RELU, LayerNorm(), Dense(NTK(0.7)), TANH,
                              Dense())  # fmt: skip
        whole, block = architecture.kernels(x * 1.5), architecture.kernels(x[:2] * 1.5, x * 1.5)
        np.testing.assert_allclose(block.nngp, whole.nngp[:2], atol=1e-6)
        np.testing.assert_allclose(block.ntk, whole.ntk[:2], atol=1e-6)
        assert float(block.log_scale) == pytest.approx(float(whole.log_scale))

    def test_on_sphere_forgets_the_norms(self):
        x, size = on_sphere(3, 4), jnp.array([[1e-10], [1.0], [1e12]])
        for architecture in (stack(RELU, 0.3, 5), stack(RELU, 0.3, 5).converted("ntk")):
            for found, wanted in zip(
                architecture.kernels(size * x, on_sphere=True), architecture.kernels(x), strict=True
            ):
                np.testing.assert_allclose(found, wanted, atol=1e-6)


def arc_cosine(k: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """E[relu(u) relu(v)] and E[relu'(u) relu'(v)] [Cho and Saul, 2009]."""
    s = np.sqrt(np.diagonal(k))
    rho = np.clip(k / np.outer(s, s), -1, 1)
    angle = np.arccos(rho)
    kappa = (np.sqrt(1 - rho**2) + rho * (pi - angle)) / (2 * pi)
    return np.outer(s, s) * kappa, (pi - angle) / (2 * pi)


def arc_sine(k: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """E[erf(u) erf(v)] and of the slopes [Williams, 1997]."""
    whole = 1 + 2 * np.diagonal(k)
    both = np.outer(whole, whole)
    return 2 / pi * np.arcsin(2 * k / np.sqrt(both)), 4 / pi / np.sqrt(both - 4 * k**2)


class TestClosedForms:
    """neural-tangents' recursion, written out in NumPy for its own parametrizations."""

    WIDTHS = (6, 40, 30, 1)

    @staticmethod
    def by_hand(x, dual, w, b, rates):
        k = np.asarray(x, np.float64) @ np.asarray(x, np.float64).T / x.shape[1]
        theta = np.zeros_like(k)
        for number, (by_weight, by_bias) in enumerate(rates):
            if number:
                k, slope = dual(k)
                theta = theta * slope
            theta = by_weight * k + by_bias + w**2 * theta
            k = w**2 * k + b**2
        return k, theta

    @pytest.mark.parametrize("kind", ["ntk", "standard"])
    @pytest.mark.parametrize(("name", "dual"), [("relu", arc_cosine), ("erf", arc_sine)])
    def test_inputs_of_any_norm(self, name, dual, kind):
        x = jax.random.normal(KEY, (5, 6)) * jnp.array([[1e-3], [1], [3], [30], [1]])
        w, b = sqrt(2), 0.3
        scale = {"ntk": NTK, "standard": Standard}[kind](w, b)
        architecture = serial(Dense(scale), bare(name), Dense(scale), bare(name), Dense(scale))
        rates = [(w**2, b**2)] * 3 if kind == "ntk" else [(n, 1) for n in self.WIDTHS[:-1]]
        nngp, theta = self.by_hand(x, dual, w, b, rates)
        found = architecture.kernels(x, widths=self.WIDTHS)
        np.testing.assert_allclose(found.nngp, nngp, rtol=1e-6)
        np.testing.assert_allclose(found.ntk * jnp.exp(found.log_scale), theta, rtol=2e-6)

    def test_a_bias_that_starts_at_0_learns_in_the_standard_parametrization(self):
        x = on_sphere(3, 6)
        with_bias, without = (
            serial(Dense(Standard(1.0, b))).kernels(x, widths=[6, 1]) for b in (0.0, None)
        )
        one, other = (k.ntk * jnp.exp(k.log_scale) for k in (with_bias, without))
        np.testing.assert_allclose(one, other + 1, rtol=1e-5)
        np.testing.assert_allclose(other, x @ x.T, rtol=1e-5)

    def test_multiply_squares(self):
        x = on_sphere(3, 6)
        base, times = serial(Dense(), RELU, Dense()), serial(Dense(), RELU, Dense(), Multiply(3.0))
        one, other = (expected_kernels(a, x) for a in (base, times))
        np.testing.assert_allclose(other, 9 * one, rtol=1e-5)


class TestResidual:
    def test_the_diagonal_is_a_geometric_series(self):
        """Theta <- a^2 Theta + b^2 (1 + r Theta), at depth 1000."""
        a, b, beta, depth = 0.9, sqrt(1 - 0.81), 0.2, 1000
        sigma = normalized("relu")
        block = residual(sigma, Dense(Beta(beta)), identity=a, branch=b)
        architecture = serial(Dense(Beta(beta)), repeat(block, depth))
        r = (1 - beta**2) * sigma.derivative_second_moment
        growth = a**2 + b**2 * r
        log_size = depth * np.log(growth)
        diagonal = np.exp(log_size) + b**2 * np.expm1(log_size) / (growth - 1)
        found = architecture.kernels(near_ones(4, 5))
        assert float(found.log_scale) == pytest.approx(np.log(diagonal), rel=1e-6)
        np.testing.assert_allclose(jnp.diagonal(found.nngp), 1, atol=1e-6)
        np.testing.assert_allclose(jnp.diagonal(found.ntk), 1, atol=1e-6)

    def test_one_block_by_hand(self):
        x, a, b = on_sphere(4, 3), 0.7, 1.2
        base = serial(Dense(Beta(0.3)), RELU, Dense(NTK(1.1, 0.4)))
        block = residual(RELU, Dense(NTK(1.1, 0.4)), identity=a, branch=b)
        found = expected_kernels(serial(Dense(Beta(0.3)), block), x)
        one, inner = expected_kernels(serial(Dense(Beta(0.3))), x), expected_kernels(base, x)
        np.testing.assert_allclose(found, a**2 * one + b**2 * inner, rtol=1e-5)

    def test_finite_networks_tend_to_it(self):
        block = residual(
            LayerNorm(), normalized("relu"), Dense(Beta(0.1)), identity=0.8, branch=0.6
        )
        architecture = serial(Dense(Beta(0.1)), repeat(block, 2), RELU, Dense())
        x = on_sphere(3, 4)
        assert_within_errors(drawn_kernels(architecture, x, 256), expected_kernels(architecture, x))


class TestNorms:
    def test_layer_norm_after_is_the_normalized_nonlinearity(self):
        x = near_ones(5, 6)
        for name in ("relu", "gelu", "softplus"):
            blocks = serial(Dense(Beta(0.2)), standardized(name), LayerNorm())
            found = serial(repeat(blocks, 30), Dense(Beta(0.2))).kernels(x)
            wanted = stack(normalized(name), 0.2, 31).kernels(x)
            for one, other in zip(found, wanted, strict=True):
                np.testing.assert_allclose(one, other, atol=2e-6, rtol=1e-6)

    def test_layer_norm_before_does_nothing_on_the_sphere(self):
        x = near_ones(5, 6)
        with_norm = serial(Dense(Beta(0.2)), LayerNorm(), RELU, Dense(Beta(0.2)))
        for one, other in zip(with_norm.kernels(x), stack(RELU, 0.2, 2).kernels(x), strict=True):
            np.testing.assert_allclose(one, other, atol=1e-6)

    @pytest.mark.parametrize("given", ["relu", "softplus", lambda x: jnp.sin(x) + x**2],
                             ids=["relu", "softplus", "series"])  # fmt: skip
    def test_layer_norm_off_the_sphere(self, given):
        """Means at any variance, on all three roads of duals: pulls every input to the sphere."""
        x = on_sphere(4, 6) * jnp.array([[0.3], [1.0], [1.0], [1.8]])
        normed = serial(Dense(NTK(1.0, 0.3)), standardized(given), LayerNorm(), Dense())
        np.testing.assert_allclose(jnp.diagonal(normed.nngp(x)), 1, atol=1e-6)
        architecture = serial(normed, RELU, Dense())  # which reads the distances
        estimate = drawn_kernels(architecture, x, 256)
        assert_within_errors(estimate, expected_kernels(architecture, x))

    def test_full_batch_norm_is_the_gram_map(self):
        x = jax.random.normal(KEY, (6, 4))
        parts = ("recentre", "rescale", "nonlinearity")
        block = serial(Dense(), BatchNorm(), RELU)
        found = serial(repeat(block, 3), Dense()).nngp(x)
        wanted = normalization.iterate(x @ x.T, 3, parts)[-1]
        np.testing.assert_allclose(found, wanted, atol=2e-6)
        linear = serial(repeat(serial(Dense(), BatchNorm()), 2), Dense()).nngp(x)
        wanted = normalization.iterate(x @ x.T, 2, parts[:2])[-1]
        np.testing.assert_allclose(linear, wanted, atol=2e-6)

    def test_recentring_has_both_kernels(self):
        x = 1.5 * on_sphere(4, 3)
        architecture = serial(Dense(Beta(0.3)), BatchNorm(rescale=False), RELU,
                              BatchNorm(rescale=False), Dense(Beta(0.3)))  # fmt: skip
        estimate = drawn_kernels(architecture, x, 256)
        assert_within_errors(estimate, expected_kernels(architecture, x))

    @pytest.mark.parametrize(
        ("architecture", "match"),
        [
            (serial(Dense(), BatchNorm(), RELU, Dense()), "no theory behind batch norm"),
            (serial(RELU), "not Gaussian"),
            (serial(Dense(), RELU, RELU), "not Gaussian"),
            (serial(Dense(), RELU, LayerNorm(), TANH), "not Gaussian"),
        ],
    )
    def test_what_has_no_theory_says_why(self, architecture, match):
        with pytest.raises(NotImplementedError, match=match):
            architecture.kernels(on_sphere(3, 4))

    def test_batch_norm_behind_the_nonlinearity_has_no_nngp(self):
        with pytest.raises(NotImplementedError, match="constant mode"):
            serial(Dense(), RELU, BatchNorm(), Dense()).nngp(on_sphere(3, 4))

    def test_batch_norm_is_of_one_batch(self):
        x = on_sphere(3, 4)
        with pytest.raises(ValueError, match="`x2` must be left out where there is batch norm"):
            serial(Dense(), BatchNorm(rescale=False), RELU, Dense()).kernels(x, x)


STACKS = [
    ((2, 3), (UP, graphs.convolution(3, padding=1)), "graph"),
    ((2, 2), (UP, UP), "usual"),
    ((2, 2), (UP, UP), "gain"),
    ((1,), (graphs.transposed_convolution((5,)), graphs.transposed_convolution((5,), 2, 2, 1)),
     "graph"),
    ((3,), (graphs.resize_convolution((2,), (3,), (1,)),
            graphs.sub_pixel_convolution((2,), (3,), (1,))), "usual"),
    ((3, 2), (graphs.resize_convolution(2, 3, 1, "bilinear"),) * 2, "graph"),
]  # fmt: skip


class TestPositions:
    @pytest.mark.parametrize(("size", "layers", "division"), STACKS, ids=str)
    @pytest.mark.parametrize("norm", [1.0, 1.7])
    def test_up_sampling_is_the_deconvolutional_recursion(
        self, size, layers, division, norm, float64
    ):
        """In float64, where that recursion has more digits than ReLU's kink leaves of 32 bits."""
        sigma, beta = normalized("relu"), 0.3
        maps = [UpSampling(layer, Beta(beta), division) for layer in layers]
        architecture = serial(maps[0], *(part for m in maps[1:] for part in (sigma, m)))
        x = jax.random.normal(KEY, (2, *size, 5))
        x = norm * x * jnp.sqrt(5 / jnp.sum(x**2, axis=-1, keepdims=True))
        flat = x.reshape(2, -1, 5)
        gram = jnp.einsum("npc,mqc->nmpq", flat, flat) / 5
        places = size if len(size) > 1 else size[0]
        known = deconvolution.DeconvStack(places, layers, division)
        wanted = deconvolution.compressed(known, sigma, beta, gram)
        stepped = architecture.converted("ntk").kernels(x)  # layer by layer
        for found, order in (
            (stepped, slice(None)),
            (architecture.kernels(x), slice(None)),
            (architecture.kernels(x, x[::-1]), slice(None, None, -1)),
        ):
            np.testing.assert_allclose(found.nngp[:, order], wanted.nngp.dense(), atol=1e-9)
            ntk = found.ntk[:, order] * jnp.exp(found.log_scale)
            np.testing.assert_allclose(ntk, wanted.ntk.dense(), rtol=1e-7)
            assert float(found.log_scale) == pytest.approx(float(stepped.log_scale), rel=1e-9)

    @pytest.mark.parametrize(("stride", "division"), [(2, "graph"), (1, "usual")])
    def test_convolutions_are_what_finite_ones_tend_to(self, stride, division):
        first, second = (Convolution(3, s, 1, Beta(0.3), division) for s in (stride, 1))
        architecture = serial(first, RELU, second)
        x = jax.random.normal(KEY, (2, 4, 3, 2))
        estimate = drawn_kernels(architecture, x, 64)
        assert_within_errors(estimate, expected_kernels(architecture, x))

    def test_a_convolution_of_stride_1_is_a_transposed_one_with_its_taps_turned(self):
        x = jax.random.normal(KEY, (2, 4, 4, 3))
        one = serial(Convolution(3, 1, 1), RELU, Convolution(3))
        up = [UpSampling(graphs.convolution(3, padding)) for padding in (1, 0)]
        for found, wanted in zip(
            one.kernels(x), serial(up[0], RELU, up[1]).kernels(x), strict=True
        ):
            np.testing.assert_allclose(found, wanted, atol=1e-6)

    def test_the_mean_of_a_picture(self):
        first = serial(Convolution(3, 1, 1, Beta(0.3)), RELU, GlobalAveragePool(), Dense())
        architecture = serial(first, RELU, Dense())
        x = jax.random.normal(KEY, (3, 3, 3, 2))
        assert architecture.kernels(x).ntk.shape == (3, 3)
        estimate = drawn_kernels(architecture, x, 256)
        assert_within_errors(estimate, expected_kernels(architecture, x))

    def test_layer_norm_of_pictures_and_residual_blocks(self):
        conv = Convolution(3, 1, 1, Beta(0.3))
        block = residual(LayerNorm(), RELU, conv, identity=0.6, branch=0.8)
        architecture = serial(conv, block, RELU, LayerNorm(), conv)
        x = jax.random.normal(KEY, (2, 3, 2, 2))
        estimate = drawn_kernels(architecture, x, 64)
        assert_within_errors(estimate, expected_kernels(architecture, x))


class TestNetwork:
    def test_is_a_fully_connected_one(self):
        old = networks.FullyConnected([3, 17, 11, 2], TANH, 0.3, key=KEY)
        new = stack(TANH, 0.3, 3).network([3, 17, 11, 2], key=KEY)
        new = eqx.tree_at(lambda n: (n.weights, n.biases), new,
                          (tuple(w.T for w in old.weights), old.biases))  # fmt: skip
        x = jax.random.normal(KEY, (5, 3))
        np.testing.assert_allclose(new(x), old(x), rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(new(x[0]), old(x[0]), rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(jax.vmap(new)(x), old(x), rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(
            empirical.ntk(new, x, x[:2]), empirical.ntk(old, x, x[:2]), rtol=1e-5, atol=1e-5
        )

    @pytest.mark.parametrize("division", ["graph", "usual", "gain"])
    def test_is_a_deconvolutional_one(self, division):
        layers = (graphs.transposed_convolution(3), graphs.resize_convolution(2, 3, 1), UP)
        known = deconvolution.DeconvStack((1, 2), layers, division)
        old = networks.Deconvolutional(known, [4, 5, 3, 2], RELU, 0.3, key=KEY)
        maps = [UpSampling(layer, Beta(0.3), division) for layer in layers]
        architecture = serial(maps[0], RELU, maps[1], RELU, maps[2])
        new = architecture.network([4, 5, 3, 2], key=KEY)
        for one, other in zip(jax.tree.leaves(new), jax.tree.leaves(old), strict=True):
            np.testing.assert_array_equal(one, other)  # drawn alike too
        x = jax.random.normal(KEY, (2, 1, 2, 4))
        np.testing.assert_allclose(new(x), old(x), rtol=1e-5, atol=1e-5)
        by_jacobian, by_patches = empirical.ntk(new, x), empirical.ntk(old, x)
        assert by_jacobian.shape == by_patches.shape
        np.testing.assert_allclose(by_jacobian, by_patches, rtol=1e-4, atol=1e-4)

    def test_an_ensemble_is_a_vmap(self):
        architecture, x = serial(Dense(), LayerNorm(), RELU, Dense()), on_sphere(4, 3)
        keys = jax.random.split(KEY, 5)
        draw = partial(architecture.network, [3, 8, 1])
        ensemble = eqx.filter_vmap(lambda key: draw(key=key))(keys)
        outputs = eqx.filter_vmap(lambda network: network(x))(ensemble)
        np.testing.assert_allclose(outputs[2], draw(key=keys[2])(x), rtol=1e-4, atol=1e-5)
        assert ensemble.architecture == architecture

    def test_standard_draws_have_their_deviations(self):
        scale = Standard(1.3, 0.4)
        network = serial(Dense(scale), RELU, Dense(Standard())).network([400, 300, 2], key=KEY)
        weight, bias = network.weights[0], network.biases[0]
        assert float(jnp.std(weight)) == pytest.approx(1.3 / sqrt(400), rel=0.02)
        assert float(jnp.std(bias)) == pytest.approx(0.4, rel=0.2)
        assert network.biases[1].size == 0

    def test_standard_parametrization_against_finite_networks(self):
        scale = Standard(1.2, 0.3)
        architecture = serial(Dense(scale), RELU, Dense(scale), RELU, Dense(scale))
        x = on_sphere(3, 4)
        estimate = drawn_kernels(architecture, x, 256)
        sizes = wide(architecture, 4, 256)
        assert_within_errors(estimate, expected_kernels(architecture, x, widths=sizes))

    def test_converted_is_the_same_function_that_learns_as_the_rates_say(self):
        architecture = serial(Dense(Beta(0.6)), TANH, Dense(Beta(0.6)))
        network = architecture.network([3, 16, 1], key=KEY)
        other = network.converted("standard")
        assert other.architecture == architecture.converted("standard")
        back = other.converted("beta")
        x, y = on_sphere(5, 3), jnp.ones((5, 1))
        np.testing.assert_allclose(other(x), network(x), rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(back.weights[0], network.weights[0], rtol=1e-5)
        rates = jnp.array([Beta(0.6).rates(3), Beta(0.6).rates(16)])

        def step(network: Network, optimizer: optax.GradientTransformation) -> Network:
            slope = eqx.filter_grad(lambda network: jnp.mean((network(x) - y) ** 2))(network)
            return eqx.apply_updates(network, optimizer.update(slope, optimizer.init(network))[0])

        plain = optax.sgd(0.3)
        scaled = optax.chain(plain, networks.scale_by_layer(rates))
        moved, follower = step(network, plain), step(other, scaled)
        assert float(jnp.max(jnp.abs(moved(x) - network(x)))) > 0.01
        np.testing.assert_allclose(follower(x), moved(x), rtol=1e-4, atol=1e-5)

    def test_batch_norm_wants_a_batch(self):
        network = serial(Dense(), BatchNorm(), RELU, Dense()).network([3, 4, 1], key=KEY)
        with pytest.raises(ValueError, match="`x` must be a batch"):
            network(jnp.ones(3))
        assert network.couples

    def test_full_precision_follows_the_inputs(self):
        with jax.enable_x64(True):
            network = stack(RELU, 0.1, 2).network([3, 4, 1], key=KEY)
            assert network(jnp.ones((2, 3), jnp.float64)).dtype == jnp.float64


class TestParametrizations:
    def test_conversions(self):
        assert Beta(0.6).converted("ntk") == NTK(0.8, 0.6)
        assert NTK(0.8, 0.6).converted("beta") == Beta(0.6)
        assert Standard(0.8, 0.6).converted("beta").converted("standard") == Standard(0.8, 0.6)
        assert NTK(1.0).converted("beta") == Beta(0.0)
        with pytest.raises(ValueError, match="squares that sum to 1"):
            NTK(sqrt(2), 0.1).converted("beta")
        with pytest.raises(ValueError, match="`kind` must be"):
            Beta(0.1).converted("mup")  # type: ignore[arg-type]

    def test_kernels_do_not_change_but_for_the_standard_tangent_kernel(self):
        x, architecture = on_sphere(4, 3), stack(TANH, 0.6, 3)
        wanted = architecture.kernels(x)
        for one, other in zip(architecture.converted("ntk").kernels(x), wanted, strict=True):
            np.testing.assert_allclose(one, other, atol=1e-6)
        standard = architecture.converted("standard")
        np.testing.assert_allclose(standard.nngp(x), wanted.nngp, atol=1e-6)
        with pytest.raises(ValueError, match="`widths` must be given"):
            standard.kernels(x)

    def test_conversion_reaches_into_branches_and_repetitions(self):
        block = residual(RELU, Dense(Beta(0.6)))
        architecture = serial(Dense(Beta(0.6)), repeat(block, 3))
        found = {layer.parametrization for layer in architecture.converted("standard").affine}
        assert found == {Standard(0.8, 0.6)}

    @pytest.mark.parametrize(("name", "w", "b"), [("tanh", 1.5, 0.3), ("relu", 1.1, 0.4),
                                                  ("gelu", 1.2, 0.5)])  # fmt: skip
    def test_two_variances_are_a_beta(self, name, w, b):
        """Kernels in (W_std, b_std), once settled, are q times those in beta."""
        sigma, scale, q = as_beta(name, w, b)
        x = on_sphere(4, 5)
        settled = Dense(NTK(sqrt(q - b**2), b))  # the first map brings the variance to q
        later = Dense(NTK(w, b))
        found = serial(settled, bare(name), later, bare(name), later).nngp(x)
        wanted = serial(Dense(scale), sigma, Dense(scale), sigma, Dense(scale)).nngp(x)
        np.testing.assert_allclose(found, q * wanted, rtol=1e-5)

    @pytest.mark.parametrize(("w", "b"), [(1.5, None), (1.0, None), (sqrt(2), 0.1)])
    def test_variances_that_do_not_settle(self, w, b):
        with pytest.raises(ValueError, match="`W_std` must let the variance"):
            as_beta("relu", w, b)

    def test_he_is_the_edge(self):
        sigma, scale, variance = as_beta("relu", sqrt(2))
        assert (sigma, scale.beta) == (RELU, 0)
        assert variance == pytest.approx(1)


class TestTangentKernelOfAnyCallable:
    def test_an_equinox_module(self):
        mlp = eqx.filter_vmap(eqx.nn.MLP(3, 2, 8, 2, key=KEY))
        x = jax.random.normal(KEY, (5, 3))
        kernel = empirical.ntk(mlp, x, x[:2])
        parameters, static = eqx.partition(mlp, eqx.is_inexact_array)

        def jacobian(x: jax.Array) -> np.ndarray:
            found = jax.jacfwd(lambda p: eqx.combine(p, static)(x))(parameters)
            leaves = [leaf.reshape(*leaf.shape[:2], -1) for leaf in jax.tree.leaves(found)]
            return np.concatenate(leaves, axis=2)

        wanted = np.einsum("icp,jdp->ijcd", jacobian(x), jacobian(x[:2]))
        np.testing.assert_allclose(kernel, wanted, rtol=1e-4, atol=1e-5)

    def test_blocks_do_not_change_it(self):
        network = serial(Convolution(2), RELU, Convolution(2)).network([2, 3, 2], key=KEY)
        x = jax.random.normal(KEY, (5, 3, 4, 2))
        whole = empirical.ntk(network, x)
        assert whole.shape == (5, 5, 2, 2, 2, 2)
        blocks = empirical.ntk(network, x, memory=20_000)
        np.testing.assert_allclose(blocks, whole, rtol=1e-5, atol=1e-5)

    def test_a_batch_that_couples(self):
        architecture = serial(Dense(Beta(0.3)), BatchNorm(), RELU, Dense(Beta(0.3)))
        network, x = architecture.network([3, 9, 1], key=KEY), jax.random.normal(KEY, (6, 3))
        by_layers = empirical.ntk(network, x)
        by_jacobian = empirical.ntk(empirical.linearize(network), x)
        np.testing.assert_allclose(by_jacobian, by_layers, rtol=1e-4, atol=1e-5)

    def test_coupling_that_was_not_said_is_seen(self):
        class Mean(eqx.Module):
            weight: jax.Array

            def __call__(self, x: jax.Array) -> jax.Array:
                return x @ self.weight - jnp.mean(x @ self.weight, axis=0, keepdims=True)

        network, x = Mean(jnp.ones((3, 1))), jax.random.normal(KEY, (4, 3))
        with pytest.raises(ValueError, match="`couples` must be True"):
            empirical.ntk(network, x)
        kernel = empirical.ntk(network, x, couples=True)
        centred = x - x.mean(axis=0, keepdims=True)
        np.testing.assert_allclose(kernel, centred @ centred.T, rtol=1e-4, atol=1e-5)

    def test_under_jit_and_vmap(self):
        network = eqx.filter_vmap(eqx.nn.MLP(3, "scalar", 4, 1, key=KEY))
        x = jax.random.normal(KEY, (2, 4, 3))
        together = jax.jit(jax.vmap(lambda x: empirical.ntk(network, x)))(x)
        np.testing.assert_allclose(together[1], empirical.ntk(network, x[1]), rtol=1e-4, atol=1e-5)

    @pytest.mark.parametrize(
        ("options", "error", "match"),
        [
            ({"network": jnp.sin}, TypeError, "or any callable pytree with arrays"),
            ({"network": {"w": jnp.ones(2)}}, TypeError, "or any callable pytree"),
            ({"x1": jnp.ones(3)}, ValueError, r"`x1` must have shape \[n, \*input\]"),
            ({"devices": jax.devices()}, TypeError, "`devices` can be given for"),
            ({"memory": 8}, ValueError, "`memory` must be"),
        ],
    )
    def test_refusals(self, options, error, match):
        network = eqx.filter_vmap(eqx.nn.MLP(3, 1, 4, 1, key=KEY))
        with pytest.raises(error, match=match):
            empirical.ntk(**({"network": network, "x1": jnp.ones((2, 3))} | options))


class TestLinearAndProducts:
    @pytest.fixture
    def network(self) -> Network:
        block = residual(TANH, Dense(Beta(0.2)), identity=0.8, branch=0.6)
        return serial(Dense(Beta(0.2)), block, TANH, Dense()).network([3, 8, 8, 2], key=KEY)

    def test_a_product_is_the_kernel_times_the_vector(self, network):
        x = jax.random.normal(KEY, (5, 3))
        vector = jax.random.normal(jax.random.key(3), (4, 2))
        dense = jnp.einsum("ijcd,jd->ic", empirical.ntk(network, x, x[:4]), vector)
        found = empirical.ntk_vector_product(network, vector, x, x[:4])
        np.testing.assert_allclose(found, dense, rtol=1e-4, atol=1e-5)

    def test_products_of_the_networks_of_the_course(self):
        old = networks.FullyConnected([3, 8, 1], TANH, 0.2, batch_norm=True, key=KEY)
        x, vector = jax.random.normal(KEY, (5, 3)), jnp.arange(5.0)[:, None]
        found = empirical.ntk_vector_product(old, vector, x)
        np.testing.assert_allclose(found, empirical.ntk(old, x) @ vector, rtol=1e-4, atol=1e-4)

    def test_a_vector_of_another_shape(self, network):
        with pytest.raises(ValueError, match=r"`vector` must have the shape .* \[5, 2\]"):
            empirical.ntk_vector_product(network, jnp.ones(5), jnp.ones((5, 3)))

    def test_linearized_is_linear_and_keeps_its_kernel(self, network):
        x = jax.random.normal(KEY, (4, 3))
        linear = empirical.linearize(network)
        np.testing.assert_allclose(linear(x), network(x), rtol=1e-5, atol=1e-6)
        moved = jax.tree.map(lambda p: p + 0.5, network)
        there = eqx.tree_at(lambda linear: linear.network, linear, moved)
        half = eqx.tree_at(
            lambda linear: linear.network, linear, jax.tree.map(lambda p: p + 0.25, network)
        )
        np.testing.assert_allclose(
            half(x), (there(x) + linear(x)) / 2, rtol=1e-4, atol=1e-5
        )  # and the network itself is no such thing:
        assert float(jnp.max(jnp.abs(there(x) - moved(x)))) > 0.1
        wanted = empirical.ntk(network, x)
        np.testing.assert_allclose(empirical.ntk(there, x), wanted, rtol=1e-4, atol=1e-5)
        assert float(jnp.max(jnp.abs(empirical.ntk(moved, x) - wanted))) > 0.1


class TestGenerator:
    """The GAN's generator has all three lives."""

    PRESET = gan.Preset(
        "digits", size=16, latent=5, width=6, convolutions=0, normalized=True, activation="tanh"
    )

    @pytest.mark.parametrize("norm", ["none", "before", "after"])
    @pytest.mark.parametrize("output", ["tanh", "identity"])
    def test_its_architecture_makes_the_same_images(self, norm, output):
        network = gan.generator(self.PRESET, key=KEY).network
        generator = gan.Generator(network, norm, output)
        same = generator.architecture.network(network.channels, key=jax.random.key(1))
        same = eqx.tree_at(
            lambda n: (n.weights, n.biases), same, (generator.weights, generator.biases)
        )
        z = jax.random.normal(KEY, (3, 5))
        np.testing.assert_allclose(same(z[:, None, None]), generator(z), rtol=1e-4, atol=1e-5)
        assert same.couples == generator.couples == (norm != "none")

    def test_kernels_at_infinite_width_are_means_of_finite_ones(self):
        layers = [graphs.transposed_convolution(2), UP]
        stack = deconvolution.DeconvStack((1, 1), layers)
        sigma = normalized("relu")

        def sample(key: jax.Array) -> jax.Array:
            network = networks.Deconvolutional(stack, [4, 96, 1], sigma, 0.3, key=key)
            generator = gan.Generator(network)
            images = generator(z).reshape(2, -1)
            products = jnp.einsum("ip,jq->ijpq", images, images)
            return jnp.stack([products, empirical.ntk(generator, z)])

        z = 1.2 * jax.random.normal(KEY, (2, 4))
        network = networks.Deconvolutional(stack, [4, 2, 1], sigma, 0.3, key=KEY)
        theory = expected_kernels(gan.Generator(network).architecture, z[:, None, None])
        keys = jax.random.split(jax.random.key(5), 96)
        assert_within_errors(empirical.monte_carlo(sample, keys), theory)

    def test_its_tangent_kernel_is_that_of_its_network_times_slopes(self):
        generator = gan.generator(self.PRESET, key=KEY)
        z = jax.random.normal(KEY, (2, 5))
        slope = 1 - generator(z).reshape(2, -1) ** 2
        network = empirical.ntk(generator.network, z[:, None, None])
        wanted = slope[:, None, :, None] * network * slope[None, :, None, :]
        np.testing.assert_allclose(empirical.ntk(generator, z), wanted, rtol=1e-3, atol=1e-4)

    def test_batch_norm_has_no_kernels_there_and_says_so(self):
        network = gan.generator(self.PRESET, key=KEY).network
        architecture = gan.Generator(network, "after").architecture
        with pytest.raises(NotImplementedError, match="no theory behind batch norm"):
            architecture.kernels(jnp.ones((2, 1, 1, 5)))


VALUES = [
    serial(Dense(), RELU, Dense()),
    serial(Dense(NTK(1.3, 0.2)), repeat(residual(TANH, Dense(Beta(0.3))), 3), LayerNorm()),
    serial(UpSampling(UP, Beta(0.1), "usual"), normalized(leaky_relu(0.2)), Convolution(3, 2, 1)),
    serial(Convolution(3, parametrization=Standard(1.4, 0.0)), BatchNorm(rescale=False),
           bare("gelu"), GlobalAveragePool(), Multiply(2.0)),
]  # fmt: skip


class TestValues:
    @pytest.mark.parametrize("architecture", VALUES, ids=str)
    def test_are_copied_compared_and_compiled(self, architecture):
        for same in (pickle.loads(pickle.dumps(architecture)), deepcopy(architecture),
                     jax.tree.map(lambda x: x, architecture),
                     jax.jit(lambda architecture: architecture)(architecture)):  # fmt: skip
            assert same == architecture
            assert hash(same) == hash(architecture)
        other = serial(architecture, Multiply(2.0))
        assert other != architecture
        assert len({architecture, deepcopy(architecture), other}) == 2
        assert not jax.tree.leaves(architecture)

    def test_arguments_of_jit_and_vmap(self):
        @jax.jit
        def nngp(architecture: Architecture, x: jax.Array) -> jax.Array:
            return architecture.nngp(x, on_sphere=True)

        x = on_sphere(3, 4)
        for sigma in (RELU, TANH):
            architecture = serial(Dense(), sigma, LayerNorm(), Dense())
            np.testing.assert_allclose(nngp(architecture, x), architecture.nngp(x), atol=1e-5)
        drawn = jax.vmap(lambda key: VALUES[0].network([4, 3, 1], key=key))(
            jax.random.split(KEY, 2)
        )
        assert drawn.architecture == VALUES[0]

    def test_nesting_does_not_matter(self):
        block = serial(Dense(), RELU)
        assert serial(block, Dense()) == serial(Dense(), RELU, Dense()) == VALUES[0]
        assert repeat(block, 1) == block
        assert serial(Nonlinearity(RELU)) == serial(RELU)

    def test_a_trained_network_keeps_its_architecture_through_tree_map(self):
        network = VALUES[0].network([3, 4, 1], key=KEY)
        doubled = jax.tree.map(lambda p: 2 * p, network)
        assert doubled.architecture == VALUES[0]
        assert pickle.loads(pickle.dumps(network)).architecture == VALUES[0]


class TestDerivatives:
    ARCHITECTURE = serial(Dense(Beta(0.3)), residual(TANH, Dense(NTK(1.2, 0.1))), RELU, Dense())

    def test_are_finite_differences_in_both_modes(self):
        with jax.enable_x64(True):
            x, way = jax.random.normal(KEY, (2, 3, 4), jnp.float64)

            def f(x: jax.Array) -> jax.Array:
                k = self.ARCHITECTURE.kernels(x)
                return jnp.sum(jnp.sin(k.nngp)) + jnp.sum(k.ntk**2)

            step = 1e-5
            difference = (f(x + step * way) - f(x - step * way)) / (2 * step)
            _, forward = jax.jvp(f, (x,), (way,))
            backward = jnp.sum(jax.jit(jax.grad(f))(x) * way)
            assert float(forward) == pytest.approx(float(difference), rel=1e-6)
            assert float(backward) == pytest.approx(float(difference), rel=1e-6)

    @pytest.mark.parametrize("depth", [10, 300])
    def test_traced_inputs_keep_float32_close(self, depth):
        """In the precision of the inputs, where concrete ones are worked on in float64."""
        block = residual(normalized("relu"), Dense(Beta(0.1)), identity=0.8, branch=0.6)
        architecture = serial(Dense(Beta(0.1)), repeat(block, depth))
        x = on_sphere(4, 5)
        traced = jax.jit(lambda x: architecture.kernels(x, on_sphere=True))(x)
        for one, other in zip(traced, architecture.kernels(x), strict=True):
            np.testing.assert_allclose(one, other, atol=2e-5, rtol=2e-5)


def test_strict_promotion(strict):
    x = jax.random.normal(KEY, (3, 4))
    images = jax.random.normal(KEY, (2, 4, 4, 2))
    for architecture, inputs in ((TestDerivatives.ARCHITECTURE, x), (
        serial(Convolution(3, 2, 1), RELU, LayerNorm(), UpSampling(UP)), images
    )):  # fmt: skip
        jax.jit(architecture.kernels)(inputs)
        network = architecture.network(wide(architecture, inputs.shape[-1], 4), key=KEY)
        assert network(inputs).dtype == jnp.float32
        empirical.ntk(network, inputs)
        outputs = network(inputs)
        empirical.ntk_vector_product(network, outputs, inputs)
        empirical.linearize(network)(inputs)


class Steep(eqx.Module):
    def __call__(self, x: jax.Array) -> jax.Array:
        return jnp.sin(30 * x)


X = on_sphere(3, 4)
REFUSALS = [
    (serial, ValueError, "`layers` must be one or more"),
    (lambda: serial("relu"), TypeError, "`layers` must be layers"),
    (lambda: serial(jnp.tanh), TypeError, "`layers` must be layers"),
    (lambda: repeat(Dense(), 0), ValueError, "`times` must be 1 or more"),
    (lambda: repeat(Dense(), 2.0), TypeError, "`times` must be an integer"),
    (lambda: residual(Dense(), RELU), ValueError, "must end with an affine map"),
    (lambda: residual(Dense(), identity=float("nan")), ValueError, "`identity` must be finite"),
    (lambda: residual(Dense(), branch="1"), TypeError, "`branch` must be one real number"),
    (lambda: Dense(0.1), TypeError, "`parametrization` must be a Beta"),
    (lambda: Beta(1.0), ValueError, r"`beta` must lie in \[0, 1\)"),
    (lambda: Beta("0.1"), TypeError, "`beta` must be one real number"),
    (lambda: NTK(0.0), ValueError, "`W_std` must be above 0"),
    (lambda: Standard(1.0, -0.1), ValueError, "`b_std` must be 0 or more"),
    (lambda: NTK(True), TypeError, "`W_std` must be one real number"),
    (lambda: Nonlinearity("relu"), TypeError, "`activation` must be an Activation"),
    (lambda: Convolution(0), ValueError, "`window` must be 1 or more"),
    (lambda: Convolution(3, (1, 2, 1)), ValueError, "`stride` must be one number, or one for each"),
    (lambda: Convolution(3, division="half"), ValueError, "`division` must be"),
    (lambda: UpSampling(4), TypeError, "`layer` must be a graphs.Layer"),
    (lambda: VALUES[0].network([4, 1], key=KEY), ValueError, "`widths` must be 3"),
    (lambda: VALUES[0].network("431", key=KEY), TypeError, "`widths` must be a list"),
    (lambda: VALUES[0].network([5, 3, 1], key=KEY)(X), ValueError, "`x` must have shape"),
    (lambda: VALUES[0].kernels(X[0]), ValueError, r"`x1` must have shape \[n, channels\]"),
    (lambda: VALUES[0].kernels(X, X[:, :2]), ValueError, "`x1` and `x2` must have equal grids"),
    (lambda: VALUES[0].kernels(X.at[0, 0].set(jnp.nan)), ValueError, "`x1` must be finite"),
    (lambda: VALUES[2].kernels(X), ValueError, r"`x1` must have shape \[n, rows, columns"),
    (lambda: serial(Dense(Standard()), RELU, Dense()).kernels(X, widths=[9, 3, 1]), ValueError,
     "`widths` must start with the 4 channels"),
    (lambda: serial(Dense(), standardized(Steep()), Dense()).kernels(9 * X), ValueError,
     "too steep"),
    (lambda: serial(Dense(), residual(Convolution(3))).kernels(jnp.ones((1, 4, 4, 2))), ValueError,
     "must keep the grid"),
    (lambda: serial(Convolution(5)).kernels(jnp.ones((1, 4, 4, 2))), ValueError,
     "leaves no positions"),
    (lambda: serial(residual(Dense())).network([4, 3], key=KEY)(X), ValueError,
     "must keep the shape"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "error", "match"), REFUSALS)
def test_refusals(call, error, match):
    with pytest.raises(error, match=match):
        call()


def test_the_tests_own_closed_forms():
    """erf's and ReLU's, by quadrature on a grid."""
    z = np.linspace(-9, 9, 1801)
    weight = np.exp(-(z**2) / 2) * (z[1] - z[0]) / sqrt(2 * pi)
    k = np.array([[1.5, 0.6], [0.6, 0.8]])
    u, v = np.linalg.cholesky(k) @ np.stack(np.meshgrid(z, z)).reshape(2, -1)
    both = np.outer(weight, weight).ravel()
    assert arc_sine(k)[0][0, 1] == pytest.approx(np.sum(both * erf(u) * erf(v)), rel=1e-6)
    relus = np.maximum(u, 0) * np.maximum(v, 0)
    assert arc_cosine(k)[0][0, 1] == pytest.approx(np.sum(both * relus), rel=1e-4)
