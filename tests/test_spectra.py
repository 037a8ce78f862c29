"""Eigenvalues of Gram matrices and of kernels on the sphere, against closed forms."""

from collections.abc import Callable, Iterator
from math import comb

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mpmath import besseli, gamma, mp, mpf, rgamma

from freezechaos import kernels, spectra
from freezechaos.activations import normalized, standardized
from freezechaos.networks import circle

FEW = settings(max_examples=60, deadline=None, derandomize=True, database=None)
DIMENSIONS = [2, 3, 10, 784]


@pytest.fixture(autouse=True)
def no_silent_broadcast() -> Iterator[None]:
    with jax.numpy_rank_promotion("raise"):
        yield


def random_gram(size: int, rank: int, seed: int) -> np.ndarray:
    """A positive semidefinite matrix of that rank, its eigenvalues spread over decades."""
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(size, rank)) * 10.0 ** rng.uniform(-2, 0, rank)
    return features @ features.T


GRAMS = st.integers(1, 12).flatmap(
    lambda size: st.builds(
        random_gram, st.just(size), st.integers(1, 14), st.integers(0, 2**32 - 1)
    )
)


class TestEigenmodes:
    def test_diagonal(self):
        values, vectors = spectra.eigenmodes(np.diag([1.0, 3.0, 2.0]))
        np.testing.assert_allclose(values, [3, 2, 1], rtol=1e-14)
        np.testing.assert_allclose(vectors, np.eye(3)[:, [1, 2, 0]], atol=1e-14)

    @FEW
    @given(GRAMS)
    def test_take_the_matrix_apart(self, gram):
        values, vectors = spectra.eigenmodes(gram)
        scale = values[0]
        np.testing.assert_allclose((vectors * values) @ vectors.T, gram, atol=1e-13 * scale)
        np.testing.assert_allclose(vectors.T @ vectors, np.eye(len(gram)), atol=1e-13)
        assert np.all(np.diff(values) <= 0)
        assert np.all(values >= 0)

    @FEW
    @given(GRAMS)
    def test_first_of_the_largest_entries_is_positive(self, gram):
        vectors = spectra.eigenmodes(gram).vectors
        for vector in vectors.T:
            largest = np.flatnonzero(np.abs(vector) > 0.999 * np.abs(vector).max())
            assert vector[largest[0]] > 0

    def test_sign_does_not_hang_on_rounding(self):
        gram = np.array([[2.0, -1.0], [-1.0, 2.0]])  # (1, -1) and (1, 1): ties in size
        for noise in (0, 1e-12, -1e-12):
            vectors = spectra.eigenmodes(gram + noise * np.diag([1, -1])).vectors
            np.testing.assert_allclose(vectors, [[1, 1], [-1, 1]] / np.sqrt(2), atol=1e-10)

    def test_constant_is_the_top_eigenvector_in_freeze(self):
        inputs = circle(2 * jnp.pi * jnp.arange(24) / 24)
        gram = kernels.gram(standardized("relu"), 0.5, 64, inputs)
        values, vectors = spectra.eigenmodes(gram)
        np.testing.assert_allclose(vectors[:, 0], 24**-0.5, rtol=1e-5)
        assert values[0] > 0.98 * values.sum()


class TestConstantShare:
    def test_is_the_constants_mode_where_that_is_an_eigenvector(self):
        """On equispaced points of the circle it is."""
        inputs = circle(2 * jnp.pi * jnp.arange(16) / 16)
        gram = kernels.gram(standardized("relu"), 0.1, 8, inputs)
        values, vectors = spectra.eigenmodes(gram)
        constant = np.argmax(np.abs(vectors.sum(axis=0)))
        share = spectra.constant_share(gram)
        assert share == pytest.approx(values[constant] / values.sum(), rel=1e-6)

    def test_freeze_and_chaos(self):
        inputs = circle(2 * jnp.pi * jnp.arange(20) / 20)
        freeze = kernels.gram(standardized("relu"), 0.5, 128, inputs)
        chaos = kernels.gram(normalized("relu"), 0.0, 128, inputs)
        assert spectra.constant_share(freeze) == pytest.approx(1, abs=1e-6)
        assert spectra.constant_share(chaos) == pytest.approx(1 / 20, rel=1e-5)

    @FEW
    @given(GRAMS)
    def test_is_a_share_and_at_most_the_top_one(self, gram):
        share = spectra.constant_share(gram)
        values = spectra.eigenmodes(gram).values
        assert 0 <= share <= values[0] / values.sum() + 1e-12

    @FEW
    @given(GRAMS)
    def test_centring_takes_it_away(self, gram):
        if len(gram) > 1:
            centring = np.eye(len(gram)) - 1 / len(gram)
            assert spectra.constant_share(centring @ gram @ centring) < 1e-10


class TestEffectiveRank:
    def test_equal_eigenvalues_are_counted(self):
        basis = np.linalg.qr(np.random.default_rng(0).normal(size=(9, 9)))[0]
        for rank in range(1, 10):
            gram = basis[:, :rank] @ basis[:, :rank].T
            assert spectra.effective_rank(gram) == pytest.approx(rank, rel=1e-12)

    def test_two_eigenvalues(self):
        share = 0.2
        entropy = -share * np.log(share) - (1 - share) * np.log(1 - share)
        gram = np.diag([share, 1 - share])
        assert spectra.effective_rank(gram) == pytest.approx(np.exp(entropy), rel=1e-14)

    @FEW
    @given(GRAMS, st.integers(0, 1000))
    def test_bounds_and_invariance(self, gram, seed):
        rank = spectra.effective_rank(gram)
        assert 1 - 1e-12 <= rank <= np.linalg.matrix_rank(gram) + 1e-6
        order = np.random.default_rng(seed).permutation(len(gram))
        assert spectra.effective_rank(37 * gram[np.ix_(order, order)]) == pytest.approx(rank)


class TestConditionNumber:
    def test_against_numpy(self):
        gram = random_gram(6, 9, 3)
        assert spectra.condition_number(gram) == pytest.approx(np.linalg.cond(gram), rel=1e-9)

    @pytest.mark.parametrize("dtype", ["float32", "float64"])
    def test_duplicate_inputs_are_singular(self, dtype):
        x = np.random.default_rng(1).normal(size=(300, 400)).astype(dtype)
        gram = x @ x.T
        assert spectra.condition_number(gram) < 1e4
        x[7] = x[3]
        assert spectra.condition_number(x @ x.T) == np.inf

    @FEW
    @given(GRAMS)
    def test_invariance(self, gram):
        number = spectra.condition_number(gram)
        assert number >= 1
        if number < 1e6:
            assert spectra.condition_number(1e5 * gram[::-1, ::-1]) == pytest.approx(number)


@pytest.mark.parametrize(
    "measure",
    [
        spectra.eigenmodes,
        spectra.constant_share,
        spectra.effective_rank,
        spectra.condition_number,
    ],
)
class TestRefusals:
    @pytest.mark.parametrize(
        ("gram", "message"),
        [
            (np.ones((2, 3)), r"`gram` must be square, \[n, n\]; got shape \[2, 3\]"),
            (np.ones(4), "must be square"),
            (np.ones((0, 0)), "must be square"),
            (np.array([[1.0, np.nan], [np.nan, 1.0]]), "must be finite"),
            (np.array([[1.0, 0.5], [0.0, 1.0]]), "must be symmetric; .* by 0.5"),
            (np.zeros((2, 2)), "positive trace; got 0"),
        ],
    )
    def test_not_a_gram_matrix(self, measure, gram, message):
        with pytest.raises(ValueError, match=message):
            measure(gram)

    def test_traced(self, measure):
        with pytest.raises(TypeError, match="outside jit"):
            jax.jit(measure)(jnp.eye(2))

    def test_float32_and_rounding_are_taken(self, measure):
        gram = np.array(kernels.gram(standardized("relu"), 0.3, 8, jnp.eye(5)))
        gram[0, 1] += 1e-6
        measure(jnp.asarray(gram))


def test_indefinite_matrix():
    for measure in (spectra.eigenmodes, spectra.effective_rank, spectra.condition_number):
        with pytest.raises(ValueError, match="positive semidefinite; got the eigenvalue -1"):
            measure(np.array([[1.0, 2.0], [2.0, 1.0]]))


def power_moments(power: int, dimension: int, degrees: int) -> np.ndarray:
    """E[|t|^s P_k(t)] for even k, E[sign(t) |t|^s P_k(t)] for odd k, by Rodrigues' formula."""
    s, d = mpf(power), mpf(dimension)
    scale = gamma(s + 1) * gamma(d / 2) / 2**s
    moments = [scale * rgamma(1 + (s - k) / 2) / gamma((s + k + d) / 2) for k in range(degrees)]
    return np.array([float(moment) for moment in moments])


def exact_power(power: int, dimension: int, degrees: int) -> np.ndarray:
    moments = power_moments(power, dimension, degrees)
    return np.where(np.arange(degrees) % 2 == power % 2, moments, 0)


def exact_exponential(dimension: int, degrees: int) -> np.ndarray:
    """Of exp(3 t): modified Bessel functions."""
    with mp.workdps(40):
        half = mpf(dimension) / 2
        scale = gamma(half) * (mpf(2) / 3) ** (half - 1)
        return np.array([float(scale * besseli(half - 1 + k, 3)) for k in range(degrees)])


def exact_arc_cosine(dimension: int, degrees: int) -> np.ndarray:
    """Of kappa_1(t) = 2 E[relu(u) relu(v)]: 2 d E[relu(t) P_k(t)]^2."""
    k = np.arange(degrees)
    halved = np.where(k % 2 == 0, power_moments(1, dimension, degrees) / 2, 0)
    return 2 * dimension * np.where(k == 1, 0.5 / dimension, halved) ** 2


def arc_cosine(cosine: jax.Array) -> jax.Array:
    angle = jnp.arccos(cosine)
    return (jnp.sin(angle) + (jnp.pi - angle) * cosine) / jnp.pi


class TestOnSphere:
    @pytest.mark.parametrize("dimension", DIMENSIONS)
    @pytest.mark.parametrize(
        ("kernel", "exact"),
        [
            (lambda t: jnp.ones_like(t), lambda d, n: exact_power(0, d, n)),
            (lambda t: t, lambda d, n: exact_power(1, d, n)),
            (lambda t: t**7, lambda d, n: exact_power(7, d, n)),
            (lambda t: jnp.exp(3 * t), exact_exponential),
            (arc_cosine, exact_arc_cosine),
        ],
        ids=["1", "t", "t^7", "exp", "arc-cosine"],
    )
    def test_closed_forms(self, kernel: Callable, exact: Callable, dimension: int):
        found = spectra.on_sphere(kernel, dimension, 40)
        error = np.abs(found.eigenvalues - exact(dimension, 40))
        assert np.all(error <= found.errors + 1e-300)
        assert np.all(error < 1e-14)

    def test_first_degrees_in_784_dimensions_are_resolved(self):
        found = spectra.on_sphere(lambda t: jnp.exp(3 * t), 784, 9)
        np.testing.assert_allclose(found.eigenvalues, exact_exponential(784, 9), rtol=1e-5)
        assert np.all(found.errors < 1e-3 * found.eigenvalues)

    @pytest.mark.parametrize("radius", [0.5, 0.9, 0.99, 0.9999])
    @pytest.mark.parametrize("dimension", [2, 3, 10])
    def test_sharp_kernels(self, radius: float, dimension: int):
        """The Poisson kernel, sum_k radius^k multiplicity_k P_k, rises 1e4-fold or more near 1."""

        def poisson(t: jax.Array) -> jax.Array:
            distance = (1 - radius) ** 2 + 2 * radius * (1 - t)
            return (1 - radius) * (1 + radius) / distance ** (dimension / 2)

        found = spectra.on_sphere(poisson, dimension, 300)
        error = np.abs(found.eigenvalues - radius ** np.arange(300.0))
        assert np.all(error <= found.errors)
        assert np.all(found.errors < 1e-6)

    @pytest.mark.parametrize("depth", [4, 16])
    def test_circle_is_fourier(self, depth):
        """Against a discrete Fourier transform of the kernel, which aliases the tail."""
        act, beta, points = normalized("relu"), 0.4, 2**16

        def theta(cosine: jax.Array) -> jax.Array:
            return kernels.ntk(act, beta, depth, cosine)

        with jax.enable_x64(True):
            angle = 2 * np.pi * np.arange(points) / points
            series = np.fft.fft(np.asarray(theta(jnp.cos(jnp.asarray(angle))))).real / points
        found = spectra.on_sphere(theta, 2, 200)
        np.testing.assert_allclose(found.eigenvalues, series[:200], rtol=0, atol=1e-8)
        np.testing.assert_array_equal(found.multiplicities, [1] + 199 * [2])
        assert np.all(found.errors < 1e-9)

    @pytest.mark.parametrize(
        ("form", "depth", "dimension"),
        [(standardized, 64, 2), (standardized, 64, 10), (normalized, 16, 3), (normalized, 16, 10)],
    )
    def test_eigenvalues_of_kernels_are_not_negative_and_decay(self, form, depth, dimension):
        act = form("relu")
        found = spectra.on_sphere(lambda c: kernels.ntk(act, 0.0, depth, c), dimension, 60)
        assert found.trace == 1
        assert np.all(found.eigenvalues > found.errors)
        assert 0.1 < found.shares.sum() < 1
        even, odd = found.eigenvalues[::2], found.eigenvalues[1::2]
        assert np.all(np.diff(even) < 0)
        assert np.all(np.diff(odd) < 0)

    def test_gram_matrices_of_many_points_follow(self):
        """A thousand random points: their top eigenvalues over n, within a few per cent."""
        points = jax.random.normal(jax.random.key(0), (1000, 3))
        act = standardized("relu")
        sampled = spectra.eigenmodes(kernels.gram(act, 0.3, 3, points)).values / 1000
        found = spectra.on_sphere(lambda c: kernels.ntk(act, 0.3, 3, c), 3, 3)
        expected = np.repeat(found.eigenvalues, found.multiplicities.astype(int))
        np.testing.assert_allclose(sampled[:4], expected[:4], rtol=0.1)
        np.testing.assert_allclose(sampled[1:4].mean(), found.eigenvalues[1], rtol=0.02)

    @FEW
    @given(
        st.lists(st.floats(0, 1), min_size=1, max_size=8).filter(lambda a: sum(a) > 1e-3),
        st.integers(2, 40),
    )
    def test_trace_is_the_sum_over_degrees(self, coefficients, dimension):
        """A polynomial with coefficients from 0 up is a kernel, and has no higher degrees."""
        found = spectra.on_sphere(
            lambda t: sum(a * t**k for k, a in enumerate(coefficients)), dimension, 10
        )
        assert found.trace == pytest.approx(sum(coefficients))
        assert found.shares.sum() == pytest.approx(1, abs=1e-6)
        assert np.all(found.eigenvalues > -found.errors)
        higher = slice(len(coefficients), None)
        assert np.all(np.abs(found.eigenvalues[higher]) <= found.errors[higher])

    def test_multiplicities(self):
        def constant(t: jax.Array) -> jax.Array:
            return jnp.ones_like(t)

        for dimension in (2, 3, 4, 10):
            found = spectra.on_sphere(constant, dimension, 12).multiplicities
            exact = [
                binomial(dimension + k - 1, k) - binomial(dimension + k - 3, k - 2)
                for k in range(12)
            ]
            np.testing.assert_array_equal(found, exact)
        deep = spectra.on_sphere(constant, 784, 500)
        assert np.isfinite(deep.log_multiplicities).all()
        assert np.isinf(deep.multiplicities[-1])
        np.testing.assert_allclose(deep.eigenvalues[:2], [1, 0], atol=1e-15)

    def test_numpy_kernels_and_precision(self):
        assert spectra.on_sphere(np.square, 3, 3).eigenvalues.dtype == np.float64
        coarse = spectra.on_sphere(lambda t: jnp.exp(t).astype(jnp.float32), 3, 3)
        fine = spectra.on_sphere(jnp.exp, 3, 3)
        assert np.all(np.abs(coarse.eigenvalues - fine.eigenvalues) <= coarse.errors)
        assert np.all(coarse.errors > 1e6 * fine.errors)

    def test_nobody_elses_precision_is_changed(self):
        spectra.on_sphere(jnp.exp, 3, 3)
        assert jnp.ones(1).dtype == jnp.float32

    @pytest.mark.parametrize(
        ("dimension", "degrees", "error", "message"),
        [
            (1, 3, ValueError, "`dimension` must be 2 or more; got 1"),
            (3, 0, ValueError, "`degrees` must be 1 or more; got 0"),
            (3.0, 3, TypeError, "`dimension` must be an integer"),
            (3, True, TypeError, "`degrees` must be an integer"),
        ],
    )
    def test_bad_numbers(self, dimension, degrees, error, message):
        with pytest.raises(error, match=message):
            spectra.on_sphere(jnp.exp, dimension, degrees)

    def test_a_matrix_is_no_kernel(self):
        with pytest.raises(TypeError, match="`kernel` must be a function of the cosine; got a nd"):
            spectra.on_sphere(np.eye(3), 3, 4)

    @pytest.mark.parametrize("kernel", [lambda t: 1.0, lambda t: 1 / (t - t), jnp.sum])
    def test_bad_kernels(self, kernel):
        with pytest.raises(ValueError, match="`kernel` must give a finite number"):
            spectra.on_sphere(kernel, 3, 4)


def binomial(n: int, k: int) -> int:
    return comb(n, k) if k >= 0 else 0
