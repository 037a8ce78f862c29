"""Indicators against NumPy, and where they must be 0 or 1."""

import math

import jax
import numpy as np
import pytest
from PIL import Image
from scipy.linalg import sqrtm

from freezechaos import data
from freezechaos.gan import border, checkerboard, diversity, pictures
from freezechaos.gan.indicators import frechet, precision_recall


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


class TestDiversity:
    def test_is_the_share_of_the_variance(self):
        images = noise(30, 8, 8, 1) + 2 * noise(8, 8, 1) + 5
        expected = images.var(axis=0).mean() / images.var()
        np.testing.assert_allclose(diversity(images), expected, rtol=1e-5)

    def test_ends(self):
        one = noise(1, 8, 8, 3)
        assert float(diversity(np.repeat(one, 5, axis=0))) == pytest.approx(0, abs=1e-6)
        assert float(diversity(np.concatenate([one, -one]))) > 0.9
        assert float(diversity(np.ones((4, 8, 8, 1), np.float32))) == 0

    def test_colours_have_means_of_their_own(self):
        images = noise(50, 8, 8, 3) + np.array([0, 10, 20], np.float32)
        np.testing.assert_allclose(diversity(images), 1, atol=0.03)

    @pytest.mark.images
    def test_of_fashion_mnist(self):
        if not data.sets.available("fashion_mnist"):
            pytest.skip("needs Fashion-MNIST: FREEZECHAOS_DATA")
        images = data.load("fashion_mnist", count=4000).images
        padded = np.pad(images, [(0, 0), (2, 2), (2, 2), (0, 0)], constant_values=-1)
        assert float(diversity(padded)) == pytest.approx(0.605, abs=0.01)  # 0.6051 of all 60000


class TestCheckerboard:
    @pytest.mark.parametrize(("period", "expected"), [(2, [1, 0]), (4, [0, 1])])
    def test_ends(self, period, expected):
        board = np.cos(2 * np.pi / period * np.arange(16) + 0.1)
        images = np.multiply.outer(board, board)[None, :, :, None].astype(np.float32)
        np.testing.assert_allclose(checkerboard(images), expected, atol=1e-4)

    def test_noise(self):
        two, four = checkerboard(noise(200, 16, 16, 1))
        assert float(two) == pytest.approx(3 / 255, rel=0.1)
        assert float(four) == pytest.approx(12 / 255, rel=0.1)


class TestBorder:
    def test_alike(self):
        brightness, contrast = border(noise(300, 16, 16, 1))
        assert abs(float(brightness)) < 0.03
        assert float(contrast) == pytest.approx(1, abs=0.03)

    def test_dark_and_faint(self):
        images = noise(300, 16, 16, 1)
        ring = np.ones((16, 16), bool)
        ring[1:-1, 1:-1] = False
        images[:, ring] = images[:, ring] / 2 - 3
        brightness, contrast = border(images)
        middle = images[:, 4:12, 4:12]
        assert float(brightness) == pytest.approx(
            (images[:, ring].mean() - middle.mean()) / images.std(), rel=1e-4
        )
        assert float(contrast) == pytest.approx(images[:, ring].std() / middle.std(), rel=1e-4)


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


@pytest.mark.parametrize(
    ("distance", "names"),
    [(frechet, "`features` and `others`"), (precision_recall, "`generated` and `real`")],
)
class TestSetsThatDoNotFit:
    @pytest.mark.parametrize(
        ("one", "other"), [((5, 3), (5, 2)), ((1, 3), (5, 3)), ((5, 3), (5,)), ((5, 2, 2), (5, 2))]
    )
    def test_shapes(self, distance, names, one, other):
        with pytest.raises(ValueError, match=f"{names} must be rows, two or more, .* got shapes"):
            distance(np.ones(one, np.float32), np.ones(other, np.float32))

    def test_not_finite(self, distance, names):
        second = names.split()[-1]
        bad = np.full((5, 3), np.inf, np.float32)
        with pytest.raises(ValueError, match=f"{second} must be finite"):
            distance(np.ones((5, 3), np.float32), bad)


@pytest.mark.parametrize("indicator", [diversity, checkerboard, border])
@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.zeros((4, 8, 8)), r"must have shape \[n, rows, columns, colours\]"),
        (np.full((4, 8, 8, 1), math.nan), "`images` must be finite"),
    ],
)
def test_say_what_is_wrong(indicator, images, message):
    with pytest.raises(ValueError, match=message):
        indicator(images.astype(np.float32))


def test_can_be_traced():
    images = noise(5, 8, 8, 1)
    np.testing.assert_allclose(jax.jit(diversity)(images), diversity(images), rtol=1e-5)


@pytest.mark.parametrize("colours", [1, 3])
def test_pictures(tmp_path, colours):
    images = np.stack([np.full((8, 8, colours), value, np.float32) for value in (-1, 0, 5)])
    file = pictures.write(tmp_path / "new" / "page.png", images, zoom=3)
    page = np.asarray(Image.open(file)).reshape(54, 54, colours)
    corners = page[0, 0, 0], page[0, 30, 0], page[30, 0, 0], page[30, 30, 0], page[0, 25, 0]
    assert corners == (0, 128, 255, 255, 255)
    with pytest.raises(ValueError, match="must have 1 colour"):
        pictures.write(tmp_path / "page.png", np.zeros((2, 8, 8, 2), np.float32))


@pytest.fixture(scope="module", params=[1, 3], ids=["grey", "colour"])
def frames(request, tmp_path_factory):
    folder, draw = tmp_path_factory.mktemp("frames"), np.random.default_rng(0)
    images = draw.uniform(-1, 1, (4, 3, 8, 8, request.param)).astype(np.float32)
    return [pictures.write(folder / f"{i}.png", x) for i, x in enumerate(images)]


class TestFilm:
    @pytest.mark.parametrize("name", ["film.gif", "film.webp"])
    def test_shows_every_frame(self, frames, name, tmp_path):
        file = pictures.film(tmp_path / name, frames, seconds=2)
        with Image.open(file) as seen:
            assert (seen.n_frames, seen.info["loop"]) == (4, 0)
            durations = []
            for number, frame in enumerate(frames):
                seen.seek(number)
                seen.load()
                durations.append(seen.info["duration"])
                with Image.open(frame) as page:
                    shown, drawn = (np.asarray(x.convert("RGB"), int) for x in (seen, page))
                near = 0 if name.endswith("webp") or page.mode == "L" else 40  # 256 colours
                assert np.abs(shown - drawn).max() <= near
        assert durations == [500, 500, 500, 2500]

    @pytest.mark.parametrize("name", ["film.gif", "film.webp"])
    def test_time_does_not_hang_on_what_is_seen(self, frames, name, tmp_path):
        """Frames that are alike may become one, of as much time."""
        still = [frames[0], frames[1], frames[1], frames[1]]
        with Image.open(pictures.film(tmp_path / name, still, seconds=2)) as seen:
            durations = []
            for number in range(seen.n_frames):
                seen.seek(number)
                seen.load()
                durations.append(seen.info["duration"])
        assert sum(durations) == 4000

    def test_of_one_frame(self, frames, tmp_path):
        with Image.open(pictures.film(tmp_path / "film.gif", frames[:1])) as seen:
            assert seen.n_frames == 1

    @pytest.mark.parametrize(("name", "count"), [("film.mp4", 2), ("film", 2), ("film.gif", 0)])
    def test_says_what_is_wrong(self, frames, tmp_path, name, count):
        with pytest.raises(ValueError, match=f"`file` must end in .* got {name} and {count}"):
            pictures.film(tmp_path / name, frames[:count])
        assert not list(tmp_path.iterdir())

    def test_frame_that_cannot_be_read(self, tmp_path):
        (tmp_path / "0.png").write_bytes(b"no picture")
        with pytest.raises(OSError, match="cannot identify image file"):
            pictures.film(tmp_path / "film.gif", [tmp_path / "0.png"])
