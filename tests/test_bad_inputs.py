"""What is refused, and with which words; what must be taken beside it. One table for all."""

import dataclasses
import pickle
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from freezechaos import (
    activations,
    checks,
    deconvolution,
    dynamics,
    empirical,
    graphs,
    kernels,
    networks,
    normalization,
    regimes,
    scalars,
)
from freezechaos.activations import leaky_relu, normalized, recentred, standardized

RELU = standardized("relu")
UP = graphs.transposed_convolution(4, stride=2, padding=1)
STACK = deconvolution.DeconvStack(2, [UP])
KEY = jax.random.key(0)
X = jax.random.normal(jax.random.key(1), (4, 3))
NETWORK = networks.FullyConnected([3, 8, 1], RELU, 0.1, key=KEY)

INTEGER, NUMBER = "must be an integer", "must be one real number"


# call, argument, a value it takes
INTEGERS: list[tuple[Callable[[Any], Any], str, int]] = [
    (lambda v: kernels.ntk(RELU, 0.1, v, 0.5), "depth", 3),
    (lambda v: kernels.draw(RELU, 0.1, 3, X, v, key=KEY), "draws", 2),
    (lambda v: normalization.iterate(jnp.eye(3), v), "depth", 2),
    (lambda v: normalization.propagate(X, v, 8, key=KEY), "depth", 2),
    (lambda v: normalization.propagate(X, 2, v, key=KEY), "width", 8),
    (lambda v: normalization.odd_gram(2.0, v), "n", 5),
    (lambda v: networks.FullyConnected([3, v, 1], RELU, 0.1, key=KEY), "widths", 8),
    (lambda v: graphs.transposed_convolution(v), "window", 4),
    (lambda v: deconvolution.DeconvStack(v, [UP]), "size", 2),
    (lambda v: empirical.train(NETWORK, X, jnp.ones(4), learning_rate=0.1, steps=v), "steps", 2),
    (lambda v: dynamics.descend(jnp.eye(4), jnp.ones(4), v, 0.1), "steps", 2),
    (lambda v: dynamics.one_hot(jnp.arange(2), v), "classes", 3),
]
NO_INTEGERS = [2.0, 2.7, True, np.True_, "2", None, np.array([2, 3]), np.float64(2), 2 + 0j]
AS_INTEGERS = [int, np.int64, np.uint8, lambda n: np.array(n, np.int32), jnp.int32]


class TestIntegers:
    @pytest.mark.parametrize(("call", "argument", "fine"), INTEGERS)
    def test_what_is_none(self, call, argument, fine):
        for value in NO_INTEGERS:
            with pytest.raises((TypeError, ValueError), match=rf"`{argument}` must be .*; got "):
                call(value)

    @pytest.mark.parametrize(("call", "argument", "fine"), INTEGERS)
    def test_below_the_least(self, call, argument, fine):
        with pytest.raises(ValueError, match=rf"`{argument}` must .*; got .*-3"):
            call(-3)

    @pytest.mark.parametrize("cast", AS_INTEGERS)
    @pytest.mark.parametrize(("call", "argument", "fine"), INTEGERS)
    def test_what_is_one(self, call, argument, fine, cast):
        call(cast(fine))


SHARES: list[tuple[Callable[[Any], Any], str]] = [
    (lambda v: regimes.regime(RELU, v), "beta"),
    (lambda v: regimes.fixed_point(RELU, v), "beta"),
    (lambda v: networks.FullyConnected([3, 8, 1], RELU, v, key=KEY), "beta"),
    (lambda v: deconvolution.diagonals(STACK, RELU, v), "beta"),
    (lambda v: kernels.draw(RELU, v, 3, X, 2, key=KEY), "beta"),
    (lambda v: kernels.log_abs_ntk(RELU, v, 3, 0.5), "beta"),
    (lambda v: recentred("relu", v), "share"),
]
TRACED_TOO: list[tuple[Callable[[Any], Any], str]] = [
    (lambda v: kernels.gram(RELU, v, 3, X), "beta"),
]
ARRAYS_TOO: list[tuple[Callable[[Any], Any], str]] = [
    (lambda v: kernels.ntk(RELU, v, 3, 0.5), "beta"),
    (lambda v: kernels.nngp(RELU, v, 3, 0.5), "beta"),
    (lambda v: kernels.log_ntk_diagonal(RELU, v, 3), "beta"),
    (lambda v: regimes.characteristic_value(RELU, v), "beta"),
    (lambda v: deconvolution.ntk(STACK, RELU, v, jnp.eye(2)), "beta"),
]


class TestShares:
    @pytest.mark.parametrize("value", ["0.1", None, True, 1j, [[0.1], [0.2, 0.3]]])
    @pytest.mark.parametrize(("call", "argument"), [*SHARES, *TRACED_TOO, *ARRAYS_TOO])
    def test_what_is_no_number(self, call, argument, value):
        with pytest.raises(TypeError, match=rf"`{argument}` must be .*; got "):
            call(value)

    @pytest.mark.parametrize("value", [-0.1, 1.5, np.nan, np.inf, np.float32(2)])
    @pytest.mark.parametrize(("call", "argument"), [*SHARES, *TRACED_TOO, *ARRAYS_TOO])
    def test_outside(self, call, argument, value):
        with pytest.raises(ValueError, match=rf"`{argument}` must lie in \[0, 1.; got {value:g}"):
            call(value)

    @pytest.mark.parametrize(("call", "argument"), [*SHARES, *TRACED_TOO])
    def test_arrays_where_one_number_is_meant(self, call, argument):
        with pytest.raises(TypeError, match=rf"`{argument}` must be one"):
            call(np.array([0.1, 0.2]))

    @pytest.mark.parametrize("value", [np.float32(0.1), np.float64(0.1), np.array(0.1), 0])
    @pytest.mark.parametrize(("call", "argument"), [*SHARES, *TRACED_TOO, *ARRAYS_TOO])
    def test_what_is_one(self, call, argument, value):
        call(value)

    @pytest.mark.parametrize(("call", "argument"), SHARES)
    def test_traced(self, call, argument):
        with pytest.raises(TypeError, match=rf"`{argument}` .* tracing"):
            jax.jit(lambda v: (call(v), v)[1])(0.1)


@dataclasses.dataclass
class Unhashable:
    slope: float

    def __call__(self, x: jax.Array) -> jax.Array:
        return jnp.tanh(self.slope * x)


class TestActivations:
    @pytest.mark.parametrize("value", [3, None, ["relu"], np.ones(3), True])
    def test_neither_name_nor_function(self, value):
        with pytest.raises(TypeError, match="`name_or_callable` must be a name or a function"):
            standardized(value)

    @pytest.mark.parametrize(
        ("value", "words"),
        [
            (np.tanh, "one of NumPy or SciPy"),
            (lambda x: np.sin(x) + 1, "one of NumPy or SciPy"),
            (lambda x: x if x > 0 else 0, "must act elementwise on a JAX array"),
            (lambda x: x.sum(), "must act elementwise: an array of shape"),
            (lambda x: jnp.where(x > 0.3, 1.0, 0.0) + x, "must be continuous"),
            (lambda x: jnp.exp(x**2), "grow slower than exp"),
            (lambda x: 0 * x + 2, "must not be constant"),
        ],
    )
    def test_functions(self, value, words):
        with pytest.raises(ValueError, match=words):
            standardized(value)

    @pytest.mark.parametrize("value", ["0.1", None, True, np.array([0.1])])
    def test_slopes(self, value):
        with pytest.raises(TypeError, match="`negative_slope` must be one real number"):
            leaky_relu(value)

    def test_traced_slope(self):
        with pytest.raises(TypeError, match=r"`negative_slope` .* tracing"):
            jax.jit(lambda a: leaky_relu(a)(a))(0.1)

    def test_callables_without_a_hash(self):
        slow = Unhashable(0.5)
        assert standardized(slow) == standardized(slow)
        expected = kernels.ntk(standardized(lambda x: jnp.tanh(0.5 * x)), 0.1, 3, 0.5)
        assert kernels.ntk(standardized(slow), 0.1, 3, 0.5) == pytest.approx(float(expected))
        leaky = standardized(eqx.nn.PReLU(init_alpha=0.1))
        assert leaky.homogeneous
        assert leaky.derivative_second_moment == pytest.approx(1)

    @pytest.mark.parametrize(
        ("function", "name"), [(jnp.tanh, "tanh"), (jax.nn.relu, "relu"), (jax.nn.silu, "silu")]
    )
    def test_a_function_with_a_name_here_is_that(self, function, name):
        assert normalized(function) is normalized(name)

    @pytest.mark.parametrize(
        "function", [lambda x: jnp.maximum(x, 0), lambda x: 3 * jnp.maximum(-x, 0)]
    )
    def test_relu_by_another_name_is_homogeneous(self, function):
        sigma, gram = standardized(function), jnp.array([[4.0, 1.0], [1.0, 0.5]])
        assert sigma.homogeneous
        for parts in (("recentre", "nonlinearity"), normalization.PARTS):
            found = normalization.gram_step(gram, parts, sigma)
            assert found == pytest.approx(
                np.asarray(normalization.gram_step(gram, parts, RELU)), abs=1e-6
            )


def make_network(seed: int) -> networks.FullyConnected:
    return networks.FullyConnected([3, 8, 1], normalized("tanh"), 0.1, key=jax.random.key(seed))


def make_images(seed: int) -> networks.Deconvolutional:
    return networks.Deconvolutional(STACK, [3, 2], RELU, 0.1, key=jax.random.key(seed))


def make_kernel(seed: int) -> deconvolution.Compressed:
    return deconvolution.compressed(STACK, RELU, 0.1 + 0.1 * seed, jnp.eye(2)).ntk


def make_chaotic_kernel(seed: int) -> deconvolution.Compressed:
    """With exponents, for r^depth leaves the range of floats."""
    deep = deconvolution.DeconvStack(2, [graphs.convolution(3, padding=1)] * 260)
    return deconvolution.compressed(deep, normalized("relu"), 0.1 + 0.01 * seed, jnp.eye(2)).ntk


MADE = {
    "fully connected": make_network,
    "deconvolutional": make_images,
    "kernel": make_kernel,
    "kernel with exponents": make_chaotic_kernel,
}


class TestValues:
    @pytest.mark.parametrize("make", [standardized, normalized, lambda n: recentred(n, 0.5)])
    @pytest.mark.parametrize("name", ["relu", "gelu", "tanh"])
    def test_activations(self, make, name):
        sigma = make(name)
        again = pickle.loads(pickle.dumps(sigma))
        assert again == sigma == deepcopy(sigma)
        assert hash(again) == hash(sigma)
        assert sigma != standardized("sin")
        assert jax.tree.leaves(sigma) == []
        assert jax.jit(lambda s: s)(sigma) == sigma

    def test_after_eviction_nothing_is_compiled_anew(self):
        first = standardized("tanh")
        compiled = jax.jit(lambda s, x: s(x), static_argnums=0)
        compiled(first, 1.0)
        activations._made.cache_clear()
        second = standardized("tanh")
        assert second == first
        compiled(second, 1.0)
        assert compiled._cache_size() == 1

    def test_activations_go_through_transformations(self):
        sigma, x = normalized("tanh"), jnp.array([0.3, -0.2])
        mapped, values = jax.vmap(lambda s, x: (s, s(x)), (None, 0), (None, 0))(sigma, x)
        assert mapped == sigma == jax.tree.map(jnp.negative, sigma)
        assert values == pytest.approx(np.asarray(sigma(x)), abs=1e-6)
        assert len({sigma, deepcopy(sigma), standardized("tanh")}) == 2

    @pytest.mark.parametrize("make", MADE.values(), ids=MADE)
    def test_networks_and_kernels(self, make):
        value, other = make(0), make(1)
        copies = pickle.loads(pickle.dumps(value)), deepcopy(value), make(0)
        compiled = jax.jit(lambda v: v)(value), jax.tree.map(lambda x: x, value)
        for again in (*copies, *compiled):
            assert again == value
            assert hash(again) == hash(value)
        assert value != other
        assert value != "another"
        assert len({value, *copies, other}) == 2
        both = jax.vmap(lambda v: jax.tree.map(lambda x: 2 * x, v))(
            jax.tree.map(lambda *x: jnp.stack(x), value, other)
        )
        doubled = jax.tree.map(lambda x: x[1] // 2 if x.dtype == jnp.int32 else x[1] / 2, both)
        assert doubled == other

    def test_kernels_are_mapped_over_what_they_are_made_from(self):
        def kernel(beta):
            return deconvolution.compressed(STACK, RELU, beta, jnp.eye(2)).ntk

        betas = jnp.array([0.1, 0.3])
        each = jax.vmap(kernel)(betas)
        assert jax.vmap(lambda one: one.dense())(each)[1] == pytest.approx(
            np.asarray(kernel(0.3).dense()), abs=1e-6
        )

    def test_networks_map_with_their_copies(self):
        doubled = jax.tree.map(jnp.add, NETWORK, deepcopy(NETWORK))
        assert doubled.weights[0] == pytest.approx(2 * np.asarray(NETWORK.weights[0]))

    @pytest.mark.parametrize(
        "array",
        [
            lambda: RELU.centre,
            lambda: RELU.plus.coefficients,
            lambda: graphs.links(UP.along(0), 3)[0],
            lambda: graphs.links(UP.along(0), 3)[1],
            lambda: deconvolution.compressed(STACK, RELU, 0.1, jnp.eye(2)).ntk.classes[0],
        ],
    )
    def test_what_is_cached_cannot_be_written_to(self, array):
        with pytest.raises(ValueError, match="read-only"):
            array()[0] = 1


class TestGramMatrices:
    """Of `normalization`; those of `spectra` and `dynamics` are checked alike."""

    @pytest.mark.parametrize(
        "call",
        [normalization.gram_step, normalization.fixed_point, lambda g: normalization.iterate(g, 2)],
    )
    @pytest.mark.parametrize(
        ("gram", "words"),
        [
            ([[1.0, 0.2], [0.7, 1.0]], "must be symmetric"),
            ([[1.0, 2.0], [2.0, 1.0]], "must be positive semidefinite"),
            ([[0.0, 0.0], [0.0, 0.0]], "must have a positive trace"),
            ([[1.0, np.nan], [np.nan, 1.0]], "must be finite"),
            ([[1.0]], "of two points or more"),
            (np.zeros((0, 0)), "of two points or more"),
            ([[1.0, 0.0]], "must be square"),
            ("gram", "must be numbers"),
            (None, "must be numbers"),
            (np.eye(3, dtype=bool), "must be float32 or float64; got bool"),
            (jnp.eye(3, dtype=jnp.bfloat16), "must be float32 or float64; got bfloat16"),
            (jnp.eye(3, dtype=jnp.float16), "must be float32 or float64; got float16"),
        ],
    )
    def test_refused(self, call, gram, words):
        with pytest.raises((TypeError, ValueError), match=f"`gram` {words}|`gram` .*{words}"):
            call(gram)

    def test_points_that_float32_would_call_equal(self):
        """3e-4 apart, and multiples of a Gram matrix that float32 does not hold."""
        x = np.array([[1.0, 0.0], [1.0, 1e-4], [1.0, -3e-4]])
        with pytest.raises(ValueError, match="points that differ"):
            normalization.gram_step(np.float32(x @ x.T))
        parts = ("recentre", "rescale")
        settled = normalization.fixed_point(x @ x.T, parts)
        assert np.isfinite(settled).all()
        assert normalization.fixed_point(1e39 * (x @ x.T), parts) == pytest.approx(
            settled, abs=1e-6
        )

    @pytest.mark.parametrize("value", [-5.0, 0.0, np.nan, np.inf, "1", None, True])
    def test_odd_gram_of_no_positive_contrast(self, value):
        with pytest.raises((TypeError, ValueError), match="`contrast` must be"):
            normalization.odd_gram(value, 8)


class TestArrays:
    def test_read_only_and_strided_inputs_are_taken(self):
        x = np.random.default_rng(0).normal(size=(8, 6)).astype(np.float32)
        frozen = x.copy()
        frozen.flags.writeable = False
        for view in (frozen, np.asfortranarray(x), np.repeat(x, 2, axis=1)[:, ::2], x[::-1][::-1]):
            assert kernels.gram(RELU, 0.1, 3, view) == pytest.approx(
                np.asarray(kernels.gram(RELU, 0.1, 3, x)), abs=1e-6
            )
            assert np.array_equal(networks.on_sphere(view), networks.on_sphere(x))

    @pytest.mark.parametrize("value", [np.zeros((0, 3)), np.zeros((3, 0)), np.ones(3), 1.0, []])
    def test_no_rows(self, value):
        with pytest.raises(ValueError, match=r"`x\w*` must have shape \[n, d\]"):
            kernels.gram(RELU, 0.1, 3, value)
        with pytest.raises(ValueError, match=r"`x` must have shape \[n, d\]"):
            networks.on_sphere(value)

    def test_a_single_row(self):
        assert kernels.gram(RELU, 0.1, 3, np.ones((1, 3))) == pytest.approx(1)
        assert kernels.draw(RELU, 0.1, 3, np.ones((1, 3)), 2, key=KEY).shape == (2, 1)

    def test_float64_without_x64_is_taken_as_float32(self):
        x = np.random.default_rng(0).normal(size=(3, 4))
        assert kernels.ntk(RELU, np.float64(0.1), 3, np.array([0.5])).dtype == jnp.float32
        assert kernels.gram(RELU, 0.1, 3, x).dtype == jnp.float32

    @pytest.mark.parametrize(
        "call", [networks.on_sphere, lambda x: kernels.draw(RELU, 0.1, 3, x, 2, key=KEY)]
    )
    def test_one_column_is_two_points(self, call):
        with pytest.warns(UserWarning, match="`x` has one column, .* two points"):
            call(np.array([[1.0], [2.0], [-3.0]]))


class TestTraining:
    def test_divergence_is_said(self):
        with pytest.raises(ValueError, match=r"`learning_rate` must be smaller; with 10000"):
            empirical.train(NETWORK, X, jnp.ones(4), learning_rate=1e4, steps=100, record=50)

    def test_outputs_have_the_shape_of_the_labels(self):
        flat, column = (
            empirical.train(NETWORK, X, labels, learning_rate=0.1, steps=4, test=X[:2])
            for labels in (jnp.ones(4), jnp.ones((4, 1)))
        )
        assert flat.outputs.shape == (5, 4)
        assert flat.test_outputs.shape == (5, 2)
        assert column.outputs.shape == (5, 4, 1)
        descent = dynamics.descend(empirical.ntk(NETWORK, X), jnp.ones(4), 4, 0.1)
        assert (descent.train - flat.outputs).shape == (5, 4)


def test_decay_rate_next_to_no_bias():
    """The covariance between inputs settles at beta^2 however small that is."""
    sigma, beta = normalized("tanh"), 1e-7
    r = float(regimes.characteristic_value(sigma, beta))
    logs = [kernels.log_abs_ntk(sigma, beta, depth, 0.3) for depth in (1500, 1600)]
    assert np.exp((logs[1] - logs[0]) / 100) == pytest.approx(1 / r, rel=1e-4)
    assert regimes.decay_rate(sigma, beta) == pytest.approx(1 / r)
    assert regimes.decay_rate(sigma, 0.0) < 0.97 / r


def test_checks_have_one_idea_of_an_integer():
    assert checks.whole("n", np.int8(3), 1, "") == scalars.integer("n", 3, 1, "") == 3
