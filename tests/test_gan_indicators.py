"""Indicators against NumPy, and where they must be 0 or 1."""

import math

import jax
import numpy as np
import pytest
from PIL import Image

from freezechaos import data
from freezechaos.gan import border, checkerboard, diversity, pictures


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

    def test_of_fashion_mnist(self):
        if not data.sets.available("fashion_mnist"):
            pytest.skip("needs Fashion-MNIST: FREEZECHAOS_DATA")
        images = data.load("fashion_mnist", count=4000).images
        padded = np.pad(images, [(0, 0), (2, 2), (2, 2), (0, 0)], constant_values=-1)
        assert float(diversity(padded)) == pytest.approx(0.597, abs=0.01)


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
