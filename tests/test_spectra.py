"""Eigenvalues of Gram matrices and kernels, against closed forms; checkerboards in images."""

from collections.abc import Callable, Iterator
from math import comb

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jax.test_util import check_grads
from mpmath import besseli, gamma, mp, mpf, rgamma

from freezechaos import data, deconvolution, graphs, kernels, spectra
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
        inputs = circle(2 * jnp.pi * jnp.arange(24.0) / 24)
        gram = kernels.gram(standardized("relu"), 0.5, 64, inputs)
        values, vectors = spectra.eigenmodes(gram)
        np.testing.assert_allclose(vectors[:, 0], 24**-0.5, rtol=1e-5)
        assert values[0] > 0.98 * values.sum()


class TestConstantShare:
    def test_is_the_constants_mode_where_that_is_an_eigenvector(self):
        """On equispaced points of the circle it is."""
        inputs = circle(2 * jnp.pi * jnp.arange(16.0) / 16)
        gram = kernels.gram(standardized("relu"), 0.1, 8, inputs)
        values, vectors = spectra.eigenmodes(gram)
        constant = np.argmax(np.abs(vectors.sum(axis=0)))
        share = spectra.constant_share(gram)
        assert share == pytest.approx(values[constant] / values.sum(), rel=1e-6)

    def test_freeze_and_chaos(self):
        inputs = circle(2 * jnp.pi * jnp.arange(20.0) / 20)
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
        error = np.abs(found.eigenvalues - exact_exponential(784, 9))
        assert np.all(error <= found.errors)
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

    @pytest.mark.usefixtures("float32")
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


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def tiled(period: int, *size: int, seed: int = 0) -> np.ndarray:
    """An image of that size whose tiles of [period, ...] are one pattern."""
    positions = np.indices(size) % period
    return noise(*[period] * len(size), seed=seed)[tuple(positions)]


def energy_by_fourier(images: np.ndarray, *periods: int) -> np.ndarray:
    """The definition, where the periods divide the size."""
    axes = tuple(range(-len(periods), 0))
    power = np.abs(np.fft.fftn(images.astype(np.float64), axes=axes)) ** 2
    power[(..., *[0] * len(axes))] = 0
    every = tuple(
        slice(None, None, images.shape[k] // p) for k, p in zip(axes, periods, strict=True)
    )
    return power[(..., *every)].sum(axis=axes) / power.sum(axis=axes)


IMAGES = st.builds(
    noise, st.sampled_from([4, 9]), st.sampled_from([6, 11]), seed=st.integers(0, 2**32 - 1)
)


class TestCheckerboardShare:
    @pytest.mark.parametrize(
        ("size", "stride", "levels"),
        [((16, 16), 2, 2), ((17, 14), 2, 2), (40, 3, 2), ((9, 12), (1, 3), 1)],
    )
    def test_identity_has_what_chance_gives(self, size, stride, levels):
        shape = size if isinstance(size, tuple) else (size,)
        n = int(np.prod(shape))
        strides = stride if isinstance(stride, tuple) else (stride,) * len(shape)
        expected = (np.prod(strides) ** levels - 1) / (n - 1)
        found = spectra.checkerboard_share(3 * np.eye(n), size, stride, levels=levels)
        assert found == pytest.approx(expected, rel=1e-12)

    def test_is_the_ratio_of_the_energies_of_draws(self):
        features = noise(64, 5) * np.array([3, 1, 1, 0.3, 2])
        images = (features @ noise(5, 4000, seed=7)).T.reshape(4000, 8, 8)
        varying = np.var(images, axis=(1, 2))
        energy = np.asarray(spectra.checkerboard_energy(images, 2, levels=1)) * varying
        found = spectra.checkerboard_share(features @ features.T, (8, 8), 2, levels=1)
        ratio = energy.mean() / varying.mean()
        error = np.std(energy - ratio * varying) / varying.mean() / np.sqrt(4000)
        assert abs(ratio - found) < 4 * error

    def test_of_one_image_is_its_energy(self):
        image = noise(12, 8).astype(np.float64)
        found = spectra.checkerboard_share(np.outer(image, image), (12, 8), 2)
        assert found == pytest.approx(float(spectra.checkerboard_energy(image, 2)), abs=1e-6)

    def test_a_constant_is_left_out(self):
        assert spectra.checkerboard_share(np.full((64, 64), 0.3), (8, 8), 2) == 0
        gram = random_gram(64, 5, 0)
        shares = [spectra.checkerboard_share(gram + c, (8, 8), 2) for c in (0, 7.0)]
        assert shares[0] == pytest.approx(shares[1], rel=1e-9)

    def test_lattices_have_the_spectrum_of_the_theorem(self):
        """Eigenvalues w + n sum_i w_i / s^(i d), on the spaces of functions modulo s^j."""
        steps, rest, n = (0.25, 0.4, 0.1), 0.7, 16**2
        rows, columns = (axis.ravel() for axis in np.indices((16, 16)))
        gram = rest * np.eye(n)
        for j, step in enumerate(steps):
            alike = [(axis[:, None] - axis) % 2**j == 0 for axis in (rows, columns)]
            gram = gram + step * (alike[0] & alike[1])
        levels = [rest + n * sum(w / 4**i for i, w in enumerate(steps) if i >= j) for j in range(3)]
        expected = np.repeat([*levels, rest], [1, 3, 12, n - 16])
        np.testing.assert_allclose(spectra.eigenmodes(gram).values, expected, rtol=1e-10)
        share = (3 * levels[1] + 12 * levels[2]) / (np.trace(gram) - levels[0])
        assert spectra.checkerboard_share(gram, (16, 16), 2) == pytest.approx(share, rel=1e-10)

    def test_refusals(self):
        with pytest.raises(ValueError, match="as many positions as `gram` has rows, 64; got"):
            spectra.checkerboard_share(np.eye(64), (8, 4), 2)
        with pytest.raises(ValueError, match="must hold two periods or more"):
            spectra.checkerboard_share(np.eye(64), (8, 8), 2, levels=3)


class TestCheckerboardEnergy:
    @pytest.mark.parametrize("value", [0, 1, 0.1, -3e30, 1e-42, 255])
    @pytest.mark.parametrize("size", [(8, 8), (9, 11)])
    def test_constants_have_none(self, value, size):
        assert spectra.checkerboard_energy(np.full(size, value), 2) == 0

    def test_rounding_is_no_pattern(self):
        """A constant that was computed on two roads."""
        image = np.where(np.indices((8, 8)).sum(axis=0) % 2, np.float32(0.1), np.nextafter(0.1, 1))
        assert spectra.checkerboard_energy(0.1 * np.ones((8, 8)) + 1e-9 * noise(8, 8), 2) == 0
        assert spectra.checkerboard_energy(image, 2) == 0

    @pytest.mark.parametrize("size", [(24, 24), (19, 25)])
    @pytest.mark.parametrize(("stride", "levels"), [(2, 1), (2, 2), (3, 1), (3, 2), (4, 1)])
    def test_checkerboards_have_all(self, stride, levels, size):
        image = tiled(stride**levels, *size)
        share = spectra.checkerboard_energy(image, stride, levels=levels)
        assert share == pytest.approx(1, abs=1e-5)
        assert share <= 1
        if levels > 1:
            assert spectra.checkerboard_energy(image, stride, levels=1) < 0.7

    def test_black_and_white(self):
        board, rows = np.indices((8, 8)).sum(axis=0) % 2, np.indices((8, 8))[0] % 2
        for image in (board, rows, rows.T, 255 * board):
            assert spectra.checkerboard_energy(image, 2, levels=1) == pytest.approx(1, abs=1e-6)
        assert spectra.checkerboard_energy(board, (2, 1), levels=1) == pytest.approx(0, abs=1e-12)
        assert spectra.checkerboard_energy(rows, (2, 1), levels=1) == pytest.approx(1, abs=1e-6)

    @pytest.mark.parametrize(
        ("size", "stride", "levels"), [((24, 16), 2, 2), ((18, 36), 3, 2), ((24, 12), (4, 2), 1)]
    )
    def test_are_the_frequencies_of_these_periods(self, size, stride, levels):
        images = noise(5, *size) + tiled(4, *size)
        periods = np.broadcast_to(stride, 2) ** levels
        found = spectra.checkerboard_energy(images, stride, levels=levels)
        np.testing.assert_allclose(found, energy_by_fourier(images, *periods), rtol=2e-5)

    def test_waves_of_other_periods_have_none(self):
        wave = np.cos(2 * np.pi * np.arange(24) / 24 * np.array([[1], [5], [6], [12]]))
        shares = spectra.checkerboard_energy(wave, 2, dimensions=1)
        np.testing.assert_allclose(shares, [0, 0, 1, 1], atol=1e-5)
        first = spectra.checkerboard_energy(wave, 2, levels=1, dimensions=1)
        np.testing.assert_allclose(first, [0, 0, 0, 1], atol=1e-5)

    @FEW
    @given(IMAGES, st.floats(-10, 10), st.floats(-12, 12), st.sampled_from([-1, 1]))
    def test_brightness_and_contrast_do_not_matter(self, image, brightness, decades, sign):
        share = spectra.checkerboard_energy(image, 2, levels=1)
        contrast = sign * 10.0**decades
        assert 0 <= share <= 1
        for other in (contrast * image, image + brightness):
            found = spectra.checkerboard_energy(other, 2, levels=1)
            assert found == pytest.approx(float(share), rel=1e-3, abs=1e-5)

    @FEW
    @given(IMAGES, st.integers(0, 12), st.integers(0, 12))
    def test_levels_add_up(self, image, down, right):
        shares = [spectra.checkerboard_energy(np.tile(image, (4, 4)), 2, levels=k) for k in (1, 2)]
        assert shares[0] <= shares[1] + 1e-6
        rolled = np.roll(np.tile(image, (4, 4)), (down, right), axis=(0, 1))
        found = spectra.checkerboard_energy(rolled, 2)
        assert found == pytest.approx(float(shares[1]), rel=1e-3, abs=1e-5)

    @pytest.mark.parametrize(
        ("size", "stride", "levels"),
        [((16, 16), 2, 2), ((17, 14), 2, 2), ((40,), 3, 2)],
    )
    def test_noise_has_what_chance_gives(self, size, stride, levels):
        shares = np.asarray(
            spectra.checkerboard_energy(
                noise(4000, *size), stride, levels=levels, dimensions=len(size)
            )
        )
        expected = (stride ** (levels * len(size)) - 1) / (np.prod(size) - 1)
        assert abs(shares.mean() - expected) < 4 * shares.std() / np.sqrt(len(shares))

    @pytest.mark.parametrize(
        ("name", "levels"),
        [
            ("digits", 1),
            ("shapes", 2),
            ("glyphs", 2),
            pytest.param("fashion_mnist", 2, marks=pytest.mark.images),
        ],
    )
    def test_pictures_have_less_than_noise(self, name, levels):
        if not data.available(name):
            pytest.skip(f"{name} is not on this machine; FREEZECHAOS_DATA names a folder with it")
        images = data.load(name, count=300).images[..., 0]
        shares = spectra.checkerboard_energy(images, 2, levels=levels)
        assert shares.shape == (300,)
        assert shares.mean() < 0.5 * (4**levels - 1) / (images[0].size - 1)

    def test_batches_are_images_one_by_one(self):
        images = noise(2, 3, 10, 12)
        found = spectra.checkerboard_energy(images, (2, 3), levels=1)
        assert found.shape == (2, 3)
        assert found.dtype == jnp.float32
        each = [
            spectra.checkerboard_energy(image, (2, 3), levels=1)
            for image in images.reshape(6, 10, 12)
        ]
        np.testing.assert_allclose(found.ravel(), each, rtol=1e-5)
        assert spectra.checkerboard_energy(noise(0, 8, 8), 2).shape == (0,)

    def test_traced(self):
        image = jnp.asarray(noise(8, 8))
        jitted = jax.jit(lambda image: spectra.checkerboard_energy(image, 2))
        assert jitted(image) == pytest.approx(float(spectra.checkerboard_energy(image, 2)))
        with jax.enable_x64(True):
            assert (
                spectra.checkerboard_energy(np.asarray(image, np.float64), 2).dtype == jnp.float64
            )

    def test_gradient(self):
        def share(image: jax.Array) -> jax.Array:
            return spectra.checkerboard_energy(image, 2, levels=1)

        with jax.enable_x64(True):
            image = jnp.asarray(noise(9, 8), jnp.float64)
            check_grads(share, (image,), order=1, modes=["fwd", "rev"])
        for flat in (jnp.zeros((8, 8)), jnp.full((8, 8), 0.1)):
            np.testing.assert_array_equal(jax.grad(share)(flat), 0)
        assert jnp.isfinite(jax.grad(share)(jnp.asarray(tiled(2, 8, 8)))).all()

    @pytest.mark.parametrize(
        ("size", "options", "error", "message"),
        [
            ((8, 8), {"stride": 1}, ValueError, "`stride` must be 2 or more.*; got 1. .* try 2"),
            ((8, 8), {"stride": (1, 1)}, ValueError, "`stride` must be 2 or more"),
            ((8, 8), {"stride": 0}, ValueError, "`stride` must be 1 or more; got 0"),
            ((8, 8), {"stride": 2.0}, TypeError, "`stride` must be an integer"),
            ((8, 8), {"stride": (2,)}, ValueError, "each of the 2 dimensions; got \\(2,\\)"),
            ((8, 8), {"stride": 2, "levels": 0}, ValueError, "`levels` must be 1 or more; got 0"),
            ((8, 8), {"stride": 2, "dimensions": 0}, ValueError, "`dimensions` must be 1 or more"),
            ((8,), {"stride": 2}, ValueError, r"2 axes or more; got shape \[8\].*dimensions=1"),
            (
                (8, 8),
                {"stride": 2, "levels": 3},
                ValueError,
                r"\[16, 16\] pixels; got shape \[8, 8",
            ),
            ((3, 28, 28, 1), {"stride": 2}, ValueError, r"take images\[\.\.\., 0\]"),
        ],
    )
    def test_refusals(self, size, options, error, message):
        with pytest.raises(error, match=message):
            spectra.checkerboard_energy(noise(*size), **options)

    def test_bad_images(self):
        with pytest.raises(ValueError, match="`images` must be finite"):
            spectra.checkerboard_energy(np.full((8, 8), np.nan), 2)
        with pytest.raises(TypeError, match="`images` must be float32 or float64; got complex64"):
            spectra.checkerboard_energy(1j * noise(8, 8), 2)


UP = graphs.transposed_convolution(4, stride=2, padding=1)


@pytest.mark.parametrize("beta", [0.1, 0.6])
@pytest.mark.parametrize("size", [2, 3, (2, 3)])
def test_eigenimages_are_those_of_the_dense_kernel(
    size: int | tuple[int, int], beta: float
) -> None:
    stack = deconvolution.DeconvStack(size, [UP] * (3 if isinstance(size, tuple) else 8))
    gram = jnp.eye(int(np.prod(size)))
    kernel = deconvolution.compressed(stack, standardized("relu"), beta, gram).ntk
    ours, dense = spectra.eigenimages(kernel, 6), np.asarray(kernel.dense(), np.float64)
    assert stack.positions > 300
    values = np.linalg.eigvalsh(dense)[::-1]
    assert ours.values == pytest.approx(values[:6], rel=1e-4)
    assert ours.trace == pytest.approx(np.trace(dense), rel=1e-6)
    assert np.sum(ours.shares) == pytest.approx(np.sum(values[:6]) / np.sum(values), rel=1e-4)
    vectors = ours.images.reshape(6, -1)
    assert vectors @ vectors.T == pytest.approx(np.eye(6), abs=1e-6)
    assert dense @ vectors.T == pytest.approx(vectors.T * ours.values, abs=1e-4 * values[0])


def test_of_repeated_eigenvalues_the_images_vary_least_down_the_rows_first() -> None:
    stack = deconvolution.DeconvStack((4, 4), [UP] * 3)
    kernel = deconvolution.compressed(stack, standardized("relu"), 0.5, jnp.eye(16)).ntk
    images = spectra.eigenimages(kernel, 4).images
    down = [np.abs(np.fft.fft2(image))[:, 0].max() for image in images[1:]]
    along = [np.abs(np.fft.fft2(image))[0].max() for image in images[1:]]
    assert along[0] > 10 * down[0]
    assert max(down[1], down[2]) > 10 * min(along[1], along[2])


@pytest.mark.parametrize(("activation", "beta"), [("relu", 0.5), ("erf", 0.95)])
def test_small_eigenimages_are_eigenvectors_too(activation: str, beta: float) -> None:
    stack = deconvolution.DeconvStack((4, 4), [UP] * 3)
    kernel = deconvolution.compressed(stack, standardized(activation), beta, jnp.eye(16)).ntk
    modes = spectra.eigenimages(kernel, 60)
    vectors = modes.images.reshape(60, -1)
    residual = np.linalg.norm(kernel.matvec(vectors) - modes.values[:, None] * vectors, axis=1)
    assert np.max(residual / modes.values) < 5e-3
    few = spectra.eigenimages(kernel, 2).images  # cuts an eigenvalue repeated three times
    assert few == pytest.approx(modes.images[:2], abs=1e-4)


def test_bad_kernels_for_eigenimages() -> None:
    stack = deconvolution.DeconvStack(2, [UP])
    one = deconvolution.compressed(stack, standardized("relu"), 0.5, jnp.eye(2)).ntk
    two = deconvolution.compressed(stack, standardized("relu"), 0.5, jnp.ones((2, 2, 2, 2))).ntk
    with pytest.raises(TypeError, match="`kernel` must be a Compressed kernel of one input"):
        spectra.eigenimages(two, 2)
    with pytest.raises(TypeError, match="`kernel` must be a Compressed kernel of one input"):
        spectra.eigenimages(jnp.eye(4), 2)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="`count` must be at most 4"):
        spectra.eigenimages(one, 5)


@pytest.mark.parametrize("beta", [0.0, 0.3, 0.9])
@pytest.mark.parametrize("layer", [graphs.transposed_convolution(4, 2, 1),
                                   graphs.resize_convolution(2, 3, 1, "bilinear")])  # fmt: skip
def test_modes_of_a_square_are_those_of_its_matrix(layer: graphs.Layer, beta: float) -> None:
    """The symmetries lose nothing: against NumPy's eigenvalues of the whole, in float64."""
    stack = deconvolution.DeconvStack((4, 4), [layer] * 2, "gain")
    taps, relu = deconvolution.taps_of(stack), standardized("relu")
    kernel = deconvolution.square_kernels(taps, relu, jnp.float32(beta)).ntk
    modes = jax.jit(spectra.square_modes, static_argnums=(1, 2))(kernel, 8, 2)
    gram = np.asarray(kernel, float).reshape(256, 256)
    values = np.linalg.eigvalsh(gram)[::-1]
    np.testing.assert_allclose(modes.values, values, atol=1e-6 * values[0])
    images = np.asarray(modes.images, float).reshape(8, -1)
    np.testing.assert_allclose(images @ images.T, np.eye(8), atol=1e-5)
    np.testing.assert_allclose(images @ gram, values[:8, None] * images, atol=1e-6 * values[0])
    assert float(modes.boards) == pytest.approx(
        spectra.checkerboard_share(gram, (16, 16), 2), abs=1e-5
    )
    assert float(modes.effective_rank) == pytest.approx(spectra.effective_rank(gram), rel=1e-4)


def test_of_two_transposed_images_the_smoother_down_the_rows_comes_first() -> None:
    line = jnp.exp(-jnp.abs(jnp.subtract.outer(jnp.arange(8.0), jnp.arange(8.0))) / 3)
    modes = spectra.square_modes(jnp.einsum("pr,cd->pcrd", line, line), 4, 2)
    bent = jnp.sum(jnp.diff(modes.images, axis=1) ** 2, axis=(1, 2))
    np.testing.assert_allclose(modes.images[1], modes.images[2].T, atol=1e-5)
    assert bent[1] < 0.9 * bent[2]
