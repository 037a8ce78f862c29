"""Indicators against NumPy, and where they must be 0 or 1."""

import math

import jax
import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter
from sklearn.datasets import load_sample_image

from freezechaos import data
from freezechaos.gan import (
    border,
    checkerboard,
    discriminator_accuracy,
    diversity,
    image_metrics,
    lattice,
    near_nyquist,
    pictures,
    variances,
)


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


def fashion() -> np.ndarray:
    if not data.sets.available("fashion_mnist"):
        pytest.skip("needs Fashion-MNIST: FREEZECHAOS_DATA")
    images = data.load("fashion_mnist", count=4000).images
    return np.pad(images, [(0, 0), (2, 2), (2, 2), (0, 0)], constant_values=-1)


class TestVariances:
    def test_are_those_of_numpy(self):
        images = noise(30, 8, 10, 3) + 2 * noise(8, 10, 3) + np.array([0, 5, 9], np.float32)
        between, total = variances(images)
        assert float(between) == pytest.approx(images.var(axis=0).mean(), rel=1e-5)
        assert float(total) == pytest.approx(images.var(axis=(0, 1, 2)).mean(), rel=1e-5)

    def test_need_two_images(self):
        with pytest.raises(ValueError, match="n 2 or more"):
            variances(noise(1, 8, 8, 1))


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
        assert float(diversity(fashion())) == pytest.approx(0.605, abs=0.01)  # 0.6051 of 60000

    def test_black_pictures_have_none(self):
        """They differ from one another, by less than a grey level: 2 / 255 in [-1, 1]."""
        images = noise(20, 8, 8, 1)
        images /= images.std()
        assert float(diversity(-1 + 1.02 * 2 / 255 * images)) > 0.9
        assert float(diversity(-1 + 0.98 * 2 / 255 * images)) == 0


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


def power_by_sums(images: np.ndarray, size: int) -> np.ndarray:
    """Windows one by one, their Fourier transform as a sum over pixels."""
    wave = np.exp(-2j * np.pi / size * np.outer(np.arange(size), np.arange(size)))
    places = [
        sorted({min(i, length - size) for i in range(0, length - size // 2, size // 2)})
        for length in images.shape[1:3]
    ]
    power = np.zeros((size, size))
    for image in np.moveaxis(images, -1, 1).reshape(-1, *images.shape[1:3]).astype(np.float64):
        for i in places[0]:
            for j in places[1]:
                power += np.abs(wave @ image[i : i + size, j : j + size] @ wave) ** 2
    power[0, 0] = 0
    return power


def lattice_by_sums(images: np.ndarray, size: int) -> tuple[float, float]:
    power, on, near = power_by_sums(images, size), 0.0, 0.0
    lines = [size // 4, size // 2, 3 * size // 4]
    for f in lines:
        for g in lines:
            on += power[f, g]
            around = [(f + i, g + j) for i in (-1, 0, 1) for j in (-1, 0, 1) if i or j]
            near += np.mean([power[at] for at in around])
    return on / power.sum(), (on - near) / (on + near)


def waves(period: int, size: int = 32) -> np.ndarray:
    """As strong down as across."""
    wave = np.cos(2 * np.pi / period * np.arange(size) + 0.1)
    return np.multiply.outer(wave, wave)[None, :, :, None].astype(np.float32)


def disc(size: int, radius: float) -> np.ndarray:
    down, across = np.indices((size, size)) - (size - 1) / 2
    return (down**2 + across**2 < radius**2)[None, :, :, None]


class TestLattice:
    @pytest.mark.parametrize(
        ("shape", "size"),
        [((3, 32, 32, 1), 16), ((2, 28, 45, 3), 16), ((70, 16, 16, 1), 16), ((4, 8, 15, 2), 8)],
    )
    def test_is_the_definition(self, shape, size):
        images = noise(*shape) + np.linspace(0, 5, shape[2], dtype=np.float32)[:, None]
        images[:, 2:7] += waves(4, 64)[:, :5, : shape[2]]
        np.testing.assert_allclose(lattice(images), lattice_by_sums(images, size), rtol=1e-4)

    @pytest.mark.parametrize("length", [17, 23, 31])
    def test_reaches_to_the_last_pixel(self, length):
        image = np.zeros((1, length, 16, 1), np.float32)
        image[:, -1, 8] = 1
        assert float(lattice(image).share) == pytest.approx(9 / 255, rel=1e-4)  # a point is white

    @pytest.mark.parametrize("size", [8, 16, 28, 32, 64])
    @pytest.mark.parametrize("period", [2, 4])
    def test_of_one_is_1(self, period, size):
        np.testing.assert_allclose(lattice(waves(period, size)), 1, atol=1e-5)

    def test_inside_a_disc(self):
        """In whole pictures a board has the share of the disc's area; in windows far more.

        Where a window is by the share a inside the disc it has an energy in proportion to a, and
        of that the share a on the board, what leaks onto the other frequencies of a lattice left
        out: at least sum a^2 / sum a.
        """
        inside = disc(64, 12)
        board = 2 * (np.indices((64, 64)).sum(axis=0)[None, :, :, None] % 2) - 1
        images = np.where(inside, board, 0).astype(np.float32)
        parts = [
            inside[0, i : i + 16, j : j + 16].mean()
            for i in range(0, 49, 8) for j in range(0, 49, 8)
        ]  # fmt: skip
        least = np.sum(np.square(parts)) / np.sum(parts)
        share, prominence = lattice(images)
        assert least < float(share) < 1.1 * least
        assert float(np.sum(checkerboard(images))) < 1.1 * inside.mean()
        assert least > 5 * inside.mean()
        assert float(prominence) > 0.8

    def test_woven_into_a_blot(self):
        """Ten times fainter than the blot is bright, on a picture that is black elsewhere."""
        blot = np.where(disc(32, 10), 0.5, -1).astype(np.float32)
        woven = blot + 0.15 * disc(32, 10) * np.sign(waves(4))
        bare, seen = lattice(blot), lattice(woven)
        assert float(seen.share) > 5 * float(bare.share)
        assert float(seen.prominence) > 0.5 > 2 * float(bare.prominence)

    @pytest.mark.parametrize(("side", "bins"), [(32, 255), (8, 63)])
    def test_noise(self, side, bins):
        """Over 200 x 4 x 9 squares of Gaussians at least the relative error is below 2.4 %."""
        share, prominence = lattice(noise(800, side, side, 1))
        assert float(share) == pytest.approx(9 / bins, rel=0.07)
        assert float(prominence) == pytest.approx(0, abs=0.04)

    def test_stripes_and_edges_have_none(self):
        images = np.zeros((2, 32, 32, 1), np.float32)
        images[0, ::4] = images[1, :, 13:] = 1
        assert float(lattice(images).share) == pytest.approx(0, abs=1e-6)

    def test_brightness_contrast_and_black_pictures_do_not_matter(self):
        images = noise(5, 32, 32, 1) / 10 + waves(4) / 5
        value = lattice(images)
        np.testing.assert_allclose(lattice(2 * images - 0.7), value, rtol=1e-4)
        np.testing.assert_allclose(lattice(images.swapaxes(1, 2)), value, rtol=1e-4)
        black = np.full((20, 32, 32, 1), -1, np.float32)
        np.testing.assert_allclose(lattice(np.concatenate([images, black])), value, rtol=1e-4)

    def test_of_fashion_mnist(self):
        share, prominence = lattice(fashion())
        assert float(share) == pytest.approx(0.0022, abs=0.0003)
        assert float(prominence) == pytest.approx(-0.06, abs=0.02)


def nyquist_by_sums(images: np.ndarray) -> float:
    """The cosine transform by its definition, one channel after another."""
    high = total = 0.0
    rows, columns = (
        np.cos(np.pi / n * np.outer(np.arange(n), np.arange(n) + 0.5))
        * np.sqrt(np.where(np.arange(n) == 0, 1, 2) / n)[:, None]
        for n in images.shape[1:3]
    )
    for image in np.moveaxis(images, -1, 1).reshape(-1, *images.shape[1:3]):
        for k, line in enumerate((rows @ image @ columns.T) ** 2):
            for m, energy in enumerate(line):
                frequencies = k / (2 * len(rows)), m / (2 * len(columns))
                total += energy * (k + m > 0)
                high += energy * (max(frequencies) >= 0.375)
    return high / total


class TestNearNyquist:
    @pytest.mark.parametrize("shape", [(3, 16, 16, 1), (2, 28, 9, 3)])
    def test_is_the_definition(self, shape):
        images = noise(*shape) + 3 * noise(*shape).cumsum(axis=1)
        assert float(near_nyquist(images)) == pytest.approx(nyquist_by_sums(images), rel=1e-4)

    @pytest.mark.parametrize(("side", "bins"), [(32, 448), (10, 36)])
    def test_noise(self, side, bins):
        images = noise(300, side, side, 1)
        assert float(near_nyquist(images)) == pytest.approx(bins / (side**2 - 1), rel=0.03)

    def test_ends(self):
        images = np.zeros((1, 32, 32, 1), np.float32)
        images[:, ::2] = 1
        assert float(near_nyquist(images)) > 0.8  # 1 / sin^2 below Nyquist: mirrored, it is odd
        ramp = np.linspace(-1, 1, 32, dtype=np.float32)[None, :, None, None]
        assert float(near_nyquist(np.broadcast_to(ramp, (1, 32, 32, 1)))) < 1e-4

    def test_blurred_photographs(self):
        """A Gaussian of s pixels leaves exp(-(2 pi f s)^2) of the power: 1.5e-5 from f = 3/8 on."""
        photographs = [load_sample_image(name) for name in ("china.jpg", "flower.jpg")]
        pixels = np.stack(photographs)[:, :416, :640].astype(np.float32) / 127.5 - 1
        sharp = pixels.reshape(2, 13, 32, 20, 32, 3).swapaxes(2, 3).reshape(-1, 32, 32, 3)
        blurred = gaussian_filter(sharp, (0, math.sqrt(2), math.sqrt(2), 0))
        assert 0.03 < float(near_nyquist(sharp)) < 0.1
        assert float(near_nyquist(blurred)) < 1e-4 * float(near_nyquist(sharp))

    def test_of_fashion_mnist(self):
        assert float(near_nyquist(fashion())) == pytest.approx(0.030, abs=0.002)


class TestDiscriminatorAccuracy:
    def test_counts(self):
        real, fake = np.array([3.0, -1.0, 0.0, 2.0]), np.array([-1.0, 0.5])
        assert float(discriminator_accuracy(real, fake)) == (2.5 / 4 + 1 / 2) / 2

    def test_ends(self):
        one = np.ones(7, np.float32)
        assert float(discriminator_accuracy(one, -one)) == 1
        assert float(discriminator_accuracy(-one, one)) == 0
        assert float(discriminator_accuracy(one, one)) == 0.5
        assert float(discriminator_accuracy(0 * one, 0 * one)) == 0.5

    def test_of_as_many_as_there_are(self):
        logits = noise(200)
        real, fake = logits[:150] + 1, logits[150:] - 1
        expected = (np.mean(real > 0) + np.mean(fake < 0)) / 2
        assert float(discriminator_accuracy(real, fake)) == pytest.approx(expected, rel=1e-6)


class TestImageMetrics:
    def test_are_the_indicators(self):
        images = noise(5, 16, 16, 3)
        found = jax.jit(image_metrics)(images)
        assert float(found["diversity"]) == pytest.approx(float(diversity(images)), rel=1e-5)
        assert float(found["variance"]) == pytest.approx(float(variances(images).total), rel=1e-5)
        woven = [float(found[name]) for name in ("lattice", "lattice_prominence")]
        np.testing.assert_allclose(woven, lattice(images), rtol=1e-4)
        high = float(near_nyquist(images))
        assert float(found["near_nyquist"]) == pytest.approx(high, rel=1e-5)

    @pytest.mark.parametrize("level", [0, 1e-3])
    def test_of_black_pictures(self, level):
        """Nothing is what they show: every share is 0, whatever lies below a grey level."""
        found = image_metrics(-1 + level * noise(9, 32, 32, 1))
        assert all(np.isfinite(float(value)) for value in found.values())
        shares = "diversity", "lattice", "lattice_prominence", "near_nyquist"
        assert [float(found[name]) for name in shares] == [0, 0, 0, 0]
        assert float(found["variance"]) == pytest.approx(level**2, rel=0.05)

    def test_of_one_image_repeated(self):
        """Diversity sees it; what looks at single images cannot."""
        images = noise(40, 16, 16, 1)
        one, all_of_them = (image_metrics(x) for x in (np.repeat(images[:1], 40, 0), images))
        assert float(one["diversity"]) == pytest.approx(0, abs=1e-6)
        assert float(all_of_them["diversity"]) > 0.9
        assert float(one["lattice"]) == pytest.approx(float(lattice(images[:1]).share), rel=1e-4)


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


@pytest.mark.parametrize(
    "indicator", [diversity, checkerboard, lattice, near_nyquist, border, image_metrics]
)
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


@pytest.mark.parametrize("indicator", [lattice, near_nyquist])
@pytest.mark.parametrize("shape", [(2, 7, 8, 1), (2, 8, 7, 1)])
def test_sides_of_8(indicator, shape):
    with pytest.raises(ValueError, match=r"must have sides of 8 pixels or more; got \[2, "):
        indicator(noise(*shape))


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
