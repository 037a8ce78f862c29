"""Distances between sets of features against their definitions and closed forms."""

import math
from itertools import product

import numpy as np
import pytest
from scipy.linalg import sqrtm

from freezechaos.gan import (
    classes_covered,
    density_coverage,
    frechet,
    kernel_distance,
    precision_recall,
)


def gaussian(count: int, features: int, seed: int = 0) -> np.ndarray:
    """Rows of correlated Gaussian features, float32 as those of a network are."""
    draw = np.random.default_rng(seed)
    mixed = draw.normal(size=(count, features)) @ draw.normal(size=(features, features))
    return (mixed + draw.normal(size=features)).astype(np.float32)


def by_square_root(one: np.ndarray, two: np.ndarray) -> float:
    """The formula as it stands, in float64."""
    one, two = one.astype(np.float64), two.astype(np.float64)
    far = np.sum((one.mean(axis=0) - two.mean(axis=0)) ** 2)
    first, second = np.cov(one.T), np.cov(two.T)
    return far + np.trace(first + second - 2 * np.real(sqrtm(first @ second)))


class TestFrechet:
    @pytest.mark.parametrize("features", [2, 16, 64])
    def test_is_the_formula(self, features):
        one, two = gaussian(400, features), gaussian(300, features, seed=1)
        assert frechet(one, two) == pytest.approx(by_square_root(one, two), rel=1e-9)

    def test_of_two_gaussians_on_a_line(self):
        """There it is (m1 - m2)^2 + (s1 - s2)^2."""
        one, two = 2 * gaussian(500, 1) + 5, gaussian(400, 1, seed=1)
        a, b = one.astype(np.float64), two.astype(np.float64)
        expected = (a.mean() - b.mean()) ** 2 + (a.std(ddof=1) - b.std(ddof=1)) ** 2
        assert frechet(one, two) == pytest.approx(expected, rel=1e-9)

    def test_of_independent_features_is_a_sum(self):
        draw = np.random.default_rng(0)
        one, two = draw.normal(size=(2, 100_000, 3)) * [[[1, 2, 3]], [[3, 2, 1]]]
        assert frechet(one, two) == pytest.approx(8, rel=0.02)

    def test_of_the_same_set(self):
        """0, to the rounding of square roots of eigenvalues."""
        one = gaussian(300, 16)
        assert frechet(one, one) == pytest.approx(0, abs=1e-9 * np.trace(np.cov(one.T)))
        assert frechet(one, one[::-1]) == pytest.approx(0, abs=1e-9 * np.trace(np.cov(one.T)))

    def test_is_symmetric_and_turns(self):
        one, two = gaussian(300, 8), gaussian(300, 8, seed=1)
        turn, _ = np.linalg.qr(np.random.default_rng(2).normal(size=(8, 8)))
        value = frechet(one, two)
        assert frechet(two, one) == pytest.approx(value, rel=1e-9)
        assert frechet(one @ turn, two @ turn) == pytest.approx(value, rel=1e-5)  # float32 rows

    def test_is_never_negative(self):
        """Rounding made -6e-8 of features of size 5,000."""
        assert all(frechet(x, x) >= 0 for x in (5000 * gaussian(90, 8, seed) for seed in range(9)))

    def test_singular_covariances(self):
        """Fewer rows than features, and one that is 0 throughout.

        With C1 = A^T A and C2 = B^T B the trace of the root is the sum of A B^T's singular values.
        """
        one, two = gaussian(5, 16), gaussian(7, 16, seed=1)
        one[:, 3] = two[:, 3] = 0
        with np.errstate(all="raise"):
            value = frechet(one, two)
        a, b = one.astype(np.float64), two.astype(np.float64)
        factors = (a - a.mean(axis=0)) / 2, (b - b.mean(axis=0)) / np.sqrt(6)
        nuclear = np.linalg.svd(factors[0] @ factors[1].T, compute_uv=False).sum()
        far = np.sum((a.mean(axis=0) - b.mean(axis=0)) ** 2)
        expected = far + np.sum(factors[0] ** 2) + np.sum(factors[1] ** 2) - 2 * nuclear
        assert value == pytest.approx(expected, rel=1e-6)  # roots of eigenvalues near 0
        level = np.full((4, 16), 2, np.float32)
        assert frechet(level, level + 1) == pytest.approx(16, rel=1e-9)


class TestKernelDistance:
    def test_is_the_definition(self):
        one, two = gaussian(7, 3).astype(np.float64), gaussian(5, 3, seed=1).astype(np.float64)

        def k(x: np.ndarray, y: np.ndarray) -> float:
            return (sum(a * b for a, b in zip(x, y, strict=True)) / 3 + 1) ** 3

        def within(rows: np.ndarray) -> float:
            pairs = [(i, j) for i in range(len(rows)) for j in range(len(rows)) if i != j]
            return np.mean([k(rows[i], rows[j]) for i, j in pairs])

        across = np.mean([k(x, y) for x in one for y in two])
        expected = within(one) + within(two) - 2 * across
        assert kernel_distance(one, two).squared == pytest.approx(expected, rel=1e-9)

    def test_error_is_that_of_the_jackknife(self):
        one, two = gaussian(6, 2), gaussian(9, 2, seed=1)
        variance = 0.0
        for without in (
            [kernel_distance(np.delete(one, i, axis=0), two).squared for i in range(6)],
            [kernel_distance(one, np.delete(two, i, axis=0)).squared for i in range(9)],
        ):
            away = np.subtract(without, np.mean(without))
            variance += (len(away) - 1) / len(away) * np.sum(away**2)
        assert kernel_distance(one, two).error == pytest.approx(math.sqrt(variance), rel=1e-6)

    def test_is_unbiased(self):
        """Over all 27 x 27 samples of three, with replacement, from two sets of three points."""
        first, second = gaussian(3, 2), gaussian(3, 2, seed=1)
        one, two = first.astype(np.float64), second.astype(np.float64)
        means = [((x @ y.T / 2 + 1) ** 3).mean() for x, y in ((one, one), (two, two), (one, two))]
        samples = [list(chosen) for chosen in product(range(3), repeat=3)]
        found = [kernel_distance(one[i], two[j]).squared for i in samples for j in samples]
        assert np.mean(found) == pytest.approx(means[0] + means[1] - 2 * means[2], rel=1e-9)

    def test_of_gaussians_on_a_line(self):
        """(x y + 1)^3 compares moments: sum_j binomial(3, j) (E x^j - E y^j)^2."""
        draw = np.random.default_rng(0)
        m, s = 0.5, 1.3
        moments = [m - 0, m**2 + s**2 - 1, m**3 + 3 * m * s**2 - 0]
        exact = sum(math.comb(3, j) * away**2 for j, away in enumerate(moments, start=1))
        found = [
            kernel_distance(draw.normal(size=(40, 1)), draw.normal(m, s, size=(60, 1)))
            for _ in range(400)
        ]
        squared, errors = np.transpose(found)
        deviation = squared.std(ddof=1)
        assert np.mean(squared) == pytest.approx(exact, abs=4 * deviation / 20)
        assert 0.9 < math.sqrt(np.mean(errors**2)) / deviation < 1.2

    def test_of_equal_distributions(self):
        """0 in the mean; the error sqrt(2) times too large, and never too small."""
        draw = np.random.default_rng(1)
        found = [kernel_distance(*draw.normal(size=(2, 50, 4))) for _ in range(400)]
        squared, errors = np.transpose(found)
        deviation = squared.std(ddof=1)
        assert np.mean(squared) == pytest.approx(0, abs=4 * deviation / 20)
        assert 1.2 < math.sqrt(np.mean(errors**2)) / deviation < 1.65
        assert squared.min() < 0

    def test_needs_three_rows(self):
        with pytest.raises(ValueError, match="must be rows, three or more"):
            kernel_distance(np.ones((2, 3)), np.ones((3, 3)))


def by_loops(points: np.ndarray, others: np.ndarray, k: int) -> float:
    inside = 0
    for point in points:
        for i, other in enumerate(others):
            rest = [np.linalg.norm(other - third) for j, third in enumerate(others) if j != i]
            if np.linalg.norm(point - other) <= sorted(rest)[k - 1]:
                inside += 1
                break
    return inside / len(points)


class TestPrecisionRecall:
    @pytest.mark.parametrize("k", [1, 3])
    def test_is_the_definition(self, k):
        fake, real = gaussian(30, 3), gaussian(40, 3, seed=1) + 1
        found = precision_recall(fake, real, k=k)
        assert found == (by_loops(fake, real, k), by_loops(real, fake, k))
        assert 0 < min(found) <= max(found) < 1

    def test_ends(self):
        real = gaussian(50, 4)
        assert precision_recall(real, real) == (1, 1)
        assert precision_recall(real + 1e3, real) == (0, 0)

    def test_collapsed_generator(self):
        """All it makes is like a real image, and hardly a real image is like what it makes."""
        real = gaussian(200, 4)
        collapsed = real[:1] + 1e-3 * gaussian(50, 4, seed=1)
        found = precision_recall(collapsed, real)
        assert found.precision == 1
        assert found.recall <= 0.01

    def test_scattered_generator(self):
        """Half of what it makes is like nothing real; no real image is missed."""
        real = gaussian(100, 4)
        found = precision_recall(np.concatenate([real, real + 1e3]), real)
        assert found == (0.5, 1)

    def test_k(self):
        real = gaussian(4, 2)
        assert precision_recall(real, real, k=3) == (1, 1)
        with pytest.raises(
            ValueError, match="`k` must be below 4, the smaller number of images; got 4"
        ):
            precision_recall(real, real, k=4)
        with pytest.raises(ValueError, match="`k` must be 1 or more"):
            precision_recall(real, real, k=0)


class TestDensityCoverage:
    @pytest.mark.parametrize("k", [1, 3])
    def test_is_the_definition(self, k):
        fake, real = gaussian(30, 3), gaussian(40, 3, seed=1) + 1
        radii = [sorted(np.linalg.norm(x - y) for y in real)[k] for x in real]
        held = [
            sum(np.linalg.norm(x - y) <= radius for y in fake)
            for x, radius in zip(real, radii, strict=True)
        ]
        found = density_coverage(fake, real, k=k)
        assert found.density == pytest.approx(sum(held) / (30 * k), rel=1e-12)
        assert found.coverage == np.mean(np.array(held) > 0)
        assert 0 < found.coverage < 1

    @pytest.mark.parametrize(("fakes", "reals", "k"), [(30, 30, 5), (20, 40, 3), (50, 20, 1)])
    def test_of_equal_distributions(self, fakes, reals, k):
        """Their expectations are those of ranks, whatever is drawn from."""
        draw = np.random.default_rng(0)
        found = np.array(
            [
                density_coverage(draw.gamma(1, size=(fakes, 2)), draw.gamma(1, size=(reals, 2)), k)
                for _ in range(400)
            ]
        )
        i = np.arange(1, k + 1)
        expected = 1, 1 - np.prod((reals - i) / (fakes + reals - i))
        away = np.abs(found.mean(axis=0) - expected)
        assert (away < 4 * found.std(axis=0, ddof=1) / 20).all()

    def test_collapsed_generator(self):
        """A real image, repeated: precise, and only in the balls that hold it."""
        real = gaussian(200, 4)
        collapsed = np.repeat(real[:1], 200, axis=0)
        apart = np.linalg.norm(real - real[0], axis=1)
        balls = [sorted(np.linalg.norm(real - x, axis=1))[5] for x in real]
        found = density_coverage(collapsed, real)
        assert precision_recall(collapsed, real[1:]).recall == 0
        assert precision_recall(collapsed, real).precision == 1
        assert found.coverage == np.mean(apart <= balls) < 0.06

    def test_outliers_cover_nothing(self):
        """One real image far out makes a ball of all others' recall, not of their coverage."""
        real, scattered = gaussian(100, 2), 1e4 * gaussian(20, 2, seed=1)
        assert precision_recall(scattered, real).recall > 0.9
        assert density_coverage(scattered, real).coverage < 0.1

    def test_k(self):
        with pytest.raises(ValueError, match="`k` must be below 4, the number of real images"):
            density_coverage(gaussian(9, 2), gaussian(4, 2), k=4)
        with pytest.raises(ValueError, match="`k` must be 1 or more"):
            density_coverage(gaussian(9, 2), gaussian(4, 2), k=0)


def of_classes(*counts: int) -> np.ndarray:
    """Logits of so many images of each class."""
    return np.repeat(3 * np.eye(len(counts)) - 1, counts, axis=0)


class TestClassesCovered:
    def test_even(self):
        assert classes_covered(of_classes(*[7] * 10)) == (10, pytest.approx(10))

    def test_collapsed(self):
        assert classes_covered(of_classes(0, 50, 0)) == (1, 1)

    def test_threshold_is_a_tenth_of_an_even_share(self):
        found = classes_covered(of_classes(945, 10, 9, 9, 9, 9, 9, 0, 0, 0))
        assert found.covered == 2  # of 1000 images a hundredth
        assert 1 < found.effective < 2
        assert classes_covered(of_classes(5, 3), least=0.75).covered == 2
        assert classes_covered(of_classes(5, 3), least=0.76).covered == 1

    def test_effective_number(self):
        shares = np.array([0.5, 0.25, 0.25])
        expected = np.prod(shares**-shares)
        assert classes_covered(of_classes(2, 1, 1)).effective == pytest.approx(expected, rel=1e-12)

    @pytest.mark.parametrize("least", [0, 1.1, -1])
    def test_share_out_of_range(self, least):
        with pytest.raises(ValueError, match=r"`least` must lie in \(0, 1\]"):
            classes_covered(np.eye(3), least)

    @pytest.mark.parametrize("shape", [(3,), (0, 3), (3, 0)])
    def test_shape(self, shape):
        with pytest.raises(ValueError, match=r"`logits` must have shape \[n, classes\]"):
            classes_covered(np.ones(shape))


@pytest.mark.parametrize(
    ("distance", "names"),
    [
        (frechet, "`features` and `others`"),
        (kernel_distance, "`features` and `others`"),
        (precision_recall, "`generated` and `real`"),
        (density_coverage, "`generated` and `real`"),
    ],
)
class TestSetsThatDoNotFit:
    @pytest.mark.parametrize(
        ("one", "other"), [((5, 3), (5, 2)), ((1, 3), (5, 3)), ((5, 3), (5,)), ((5, 2, 2), (5, 2))]
    )
    def test_shapes(self, distance, names, one, other):
        with pytest.raises(
            ValueError, match=f"{names} must be rows, (two|three) or more, .* got shapes"
        ):
            distance(np.ones(one, np.float32), np.ones(other, np.float32))

    def test_not_finite(self, distance, names):
        second = names.split()[-1]
        bad = np.full((5, 3), np.inf, np.float32)
        with pytest.raises(ValueError, match=f"{second} must be finite"):
            distance(np.ones((5, 3), np.float32), bad)
