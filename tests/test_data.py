"""Image sets: what is drawn is what its latents say, what is read is what was published."""

import gzip
import hashlib
import io
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont
from scipy.ndimage import affine_transform, distance_transform_edt

from freezechaos import data
from freezechaos.data import Glyphs, Latents, archives, formats, glyphs, photographs, shapes
from freezechaos.data import __main__ as fetching


def distinct(images: np.ndarray) -> set[bytes]:
    return {image.tobytes() for image in images}


class TestDigits:
    def test_splits_share_nothing_and_are_everything(self):
        train, test = data.load(), data.load(split="test")
        assert (len(train), len(test)) == (1442, 355)
        assert len(distinct(train.images) | distinct(test.images)) == 1797

    def test_are_those_of_scikit_learn(self):
        from sklearn.datasets import load_digits

        digits, train = load_digits(), data.load()
        of_three = digits.images[digits.target == 3]
        kept = len(of_three) - len(of_three) // 5
        np.testing.assert_array_equal(
            train.images[train.labels == 3, :, :, 0] * 8 + 8, of_three[:kept]
        )

    def test_a_nearest_neighbour_reads_other_writers(self):
        train, test = data.load(), data.load(split="test")
        products = test.images.reshape(355, -1) @ train.images.reshape(1442, -1).T
        distances = np.sum(train.images**2, axis=(1, 2, 3)) - 2 * products
        read = train.labels[np.argmin(distances, axis=1)]
        assert np.mean(read == test.labels) > 0.93

    def test_form(self):
        train = data.load()
        assert train.images.dtype == np.float32
        assert train.labels.dtype == np.int32
        assert (train.images.min(), train.images.max()) == (-1, 1)
        assert train.classes[7] == "7"
        assert repr(train) == "Images(1442 of [8, 8, 1], 10 classes, digits train: UCI, CC BY 4.0)"

    def test_flat_are_the_images_as_rows(self):
        train = data.load(count=5, channels=3)
        assert train.flat.shape == (5, 8 * 8 * 3)
        np.testing.assert_array_equal(train.flat[3], train.images[3].ravel())

    def test_same_call_twice_and_writable(self):
        first, second = data.load(count=20), data.load(count=20)
        np.testing.assert_array_equal(first.images, second.images)
        first.images[:] = 0
        assert data.load(count=20).images.min() == -1


class TestCount:
    @pytest.mark.parametrize("count", [1, 7, 100, 333])
    def test_is_balanced(self, count):
        part = data.load(count=count)
        per_class = np.bincount(part.labels, minlength=10)
        assert len(part) == count == len(distinct(part.images))
        assert np.ptp(per_class) <= 1

    def test_larger_adds_to_smaller(self):
        np.testing.assert_array_equal(data.load(count=50).images, data.load(count=90).images[:50])

    def test_seeds_differ(self):
        few, others = data.load(count=50), data.load(count=50, seed=1)
        assert len(distinct(few.images) & distinct(others.images)) < 15

    def test_all_of_them_shuffled(self):
        everything, shuffled = data.load(), data.load(count=1442)
        assert distinct(everything.images) == distinct(shuffled.images)
        assert not np.array_equal(everything.labels, shuffled.labels)

    def test_labels_go_with_their_images(self):
        train = data.load()
        label = {x.tobytes(): y for x, y in zip(train.images, train.labels, strict=True)}
        part = data.load(count=200, seed=3)
        assert [label[x.tobytes()] for x in part.images] == part.labels.tolist()


class TestSizeAndChannels:
    def test_resized_digits_keep_their_mean(self):
        small, large = data.load(count=50), data.load(count=50, size=24)
        assert large.images.shape == (50, 24, 24, 1)
        assert np.abs(large.images).max() == 1
        np.testing.assert_allclose(
            large.images.mean((1, 2, 3)), small.images.mean((1, 2, 3)), atol=0.05
        )

    def test_colour_of_grey_is_grey(self):
        grey, colour = data.load(count=5), data.load(count=5, channels=3)
        np.testing.assert_array_equal(colour.images, np.repeat(grey.images, 3, axis=-1))


class TestRefusals:
    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ({"name": "fashion-mnist"}, "`name` must be .* Did you mean 'fashion_mnist'?"),
            ({"name": "cats"}, "`name` must be one of digits, .*'digits' is built in"),
            ({"split": "valid"}, "`split` must be 'train' or 'test'; got 'valid'"),
            ({"count": 0}, "`count` must be 1 or more"),
            ({"count": 2.5}, "`count` must be 1 or more.*got 2.5"),
            ({"count": 5000}, "`count` must be at most 1442, .*got 5000"),
            ({"seed": -1}, "`seed` must be a whole number"),
            ({"seed": None}, "`seed` must be a whole number"),
            ({"size": 7}, "`size` must be 8 pixels or more; got 7"),
            ({"channels": 2}, "`channels` must be 1 or 3; got 2"),
            ({"path": "here"}, "`path` must be left out; got 'here'. It goes with 'folder'"),
            ({"name": "folder"}, "`path` must be your folder of pictures; got None"),
            ({"name": "folder", "path": ""}, "`path` must be your folder of pictures; got ''"),
            ({"name": "folder", "path": 3}, "`path` must be your folder of pictures; got 3"),
            ({"split": ["train", "test"]}, r"`split` must be 'train' or 'test'; got \['train'"),
            ({"count": True}, "`count` must be 1 or more; got True"),
            ({"size": 32.0}, "`size` must be 8 pixels or more; got 32.0"),
            ({"channels": True}, "`channels` must be 1 or 3; got True"),
            ({"channels": 3.0}, "`channels` must be 1 or 3; got 3.0"),
        ],
    )
    def test_name_the_argument(self, arguments, message):
        with pytest.raises(ValueError, match=message):
            data.load(**arguments)

    def test_available_knows_the_names_too(self):
        assert data.available("digits")
        assert data.available("shapes")
        assert data.available("glyphs")
        assert data.available("folder")
        with pytest.raises(ValueError, match=r"Did you mean 'mnist'\?"):
            data.available("mnists")


def supersampled(
    sides: int, x: float, y: float, scale: float, angle: float, size: int
) -> np.ndarray:
    """Coverage by counting points between a polygon's corners, or in a disk."""
    fine = 16 * size
    line = (np.arange(fine) + 0.5) * 2 / fine - 1
    right, up = np.meshgrid(line, -line)
    if sides == 0:
        inside = (right - x) ** 2 + (up - y) ** 2 < scale**2
    else:
        radius = scale * np.sqrt(2 * np.pi / (sides * np.sin(2 * np.pi / sides)))
        turns = angle - np.pi / 2 + np.pi * (2 * np.arange(sides + 1) + 1) / sides
        corners = np.stack([x + radius * np.cos(turns), y + radius * np.sin(turns)], axis=1)
        inside = np.ones_like(right, bool)
        for (x0, y0), (x1, y1) in pairwise(corners):
            inside &= (x1 - x0) * (up - y0) > (y1 - y0) * (right - x0)
    return inside.reshape(size, 16, size, 16).mean((1, 3))


def coverage(latents: Latents, size: int) -> np.ndarray:
    return (data.draw(latents._replace(shade=1.0), size)[..., 0] + 1) / 2


class TestShapes:
    @pytest.mark.parametrize("size", [8, 28, 32, 64])
    def test_cover_what_counting_points_says(self, size):
        latents = shapes.sample(30, (5,))
        for drawn, *latent in zip(coverage(latents, size), *latents[:5], strict=True):
            shape, *outline = map(float, latent)
            counted = supersampled((0, 4, 3)[int(shape)], *outline, size)
            assert np.abs(drawn - counted).max() < 0.12
            assert np.abs(drawn - counted).mean() < 0.002

    @pytest.mark.parametrize("size", [32, 64])
    def test_area_of_a_disk_is_pi_r_squared(self, size):
        radii = np.linspace(0.2, 0.9, 15)
        area = coverage(Latents(x=0.03, scale=radii), size).sum((1, 2)) * (2 / size) ** 2
        np.testing.assert_allclose(area, np.pi * radii**2, rtol=0.01)

    def test_every_shape_of_a_scale_has_the_same_area(self):
        latents = shapes.sample(3000, (1,))
        area = coverage(latents, 32).sum((1, 2)) * (2 / 32) ** 2
        np.testing.assert_allclose(area, np.pi * latents.scale**2, rtol=0.02)

    def test_centroid_is_the_position(self):
        latents = shapes.sample(300, (2,))
        covered, line = coverage(latents, 32), (np.arange(32) + 0.5) / 16 - 1
        mass = covered.sum((1, 2))
        np.testing.assert_allclose(covered.sum(1) @ line / mass, latents.x, atol=0.005)
        np.testing.assert_allclose(covered.sum(2) @ -line / mass, latents.y, atol=0.005)

    @pytest.mark.parametrize(("shape", "sides"), [(1, 4), (2, 3)])
    def test_look_the_same_after_their_turn_only(self, shape, sides):
        turn = 2 * np.pi / sides
        turned = data.draw(Latents(shape, 0.1, -0.2, angle=np.array([0.3, 0.3 + turn, 1.0])), 32)
        np.testing.assert_allclose(turned[0], turned[1], atol=1e-4)
        assert np.abs(turned[0] - turned[2]).max() > 0.5

    def test_angles_turn_counterclockwise(self):
        upright, turned = data.draw(Latents(2, angle=np.array([0, np.pi / 2])), 32)
        np.testing.assert_allclose(turned, np.rot90(upright), atol=1e-4)
        widths = np.sum(upright[..., 0] > 0, axis=1)
        widths = widths[widths > 0]
        assert widths[0] <= 2  # a corner above, a side below
        assert widths[-1] == widths.max() > 10

    def test_shade_and_ground(self):
        images = data.draw(Latents(shape=[0, 1, 2], shade=[-0.5, 0.25, 1.0]), 32)
        np.testing.assert_allclose(images[:, 16, 16, 0], [-0.5, 0.25, 1.0], atol=1e-6)
        assert (images[:, 0] == -1).all()

    def test_latents_fill_their_ranges_and_the_picture_holds_every_sprite(self):
        train = data.load("shapes", count=3000, size=16)
        _, x, y, scale, angle, shade = train.latents
        for values, low, high in ((x, -0.375, 0.375), (scale, 0.2, 0.4), (shade, 0, 1)):
            assert low <= values.min() < low + 0.01 * (high - low)
            assert high - 0.01 * (high - low) < values.max() <= high
        for shape, turn in enumerate((0, np.pi / 2, 2 * np.pi / 3)):
            assert 0.99 * turn <= angle[train.labels == shape].max() <= turn
        assert np.abs(np.corrcoef([x, y, scale, shade]) - np.eye(4)).max() < 0.08
        outermost = Latents(2, 0.375, [[-0.375], [0.375]], 0.4, np.linspace(0, 2, 40))
        area = coverage(Latents(*map(np.ravel, np.broadcast_arrays(*outermost))), 64).mean((1, 2))
        np.testing.assert_allclose(4 * area, np.pi * 0.4**2, rtol=0.01)

    def test_labels_are_the_shapes_in_turn(self):
        train = data.load("shapes", count=8)
        assert [train.classes[label] for label in train.labels[:4]] == [
            "disk",
            "square",
            "triangle",
            "disk",
        ]
        np.testing.assert_array_equal(train.labels, train.latents.shape)
        np.testing.assert_array_equal(train.images, data.draw(train.latents, 32))

    def test_splits_and_seeds_draw_other_sprites(self):
        calls = ({}, {"split": "test"}, {"seed": 1}, {"split": "test", "seed": 1})
        positions = [data.load("shapes", count=500, size=8, **call).latents.x for call in calls]
        assert len(set(np.concatenate(positions).tolist())) > 1990

    def test_repeat_and_grow(self):
        few, more = (data.load("shapes", count=n, size=8, channels=3) for n in (40, 170))
        assert few.images.shape == (40, 8, 8, 3)
        np.testing.assert_array_equal(few.images, more.images[:40])

    @pytest.mark.parametrize(
        ("latents", "size", "message"),
        [
            (Latents(), 4, "`size` must be 8"),
            (Latents(), 32.0, "`size` must be 8 pixels or more, an integer; got 32.0"),
            (Latents(), True, "`size` must be 8 pixels or more, an integer; got True"),
            (Latents(x=[0.1, 0.2], angle=np.ones(3)), 32, r"`x` must be .* 3; got shape \[2\]"),
            (Latents(y=np.zeros((2, 3))), 32, r"`y` must be a number or .* got shape \[2, 3\]"),
            (Latents(shade="bright"), 32, "`shade` must be numbers; got 'bright'"),
            (Latents(shape=3), 32, "`shape` must be 0, 1 or 2; got 3"),
            (Latents(scale=[0.3, 0.0]), 32, "`scale` must be above 0; got 0. It is a radius"),
            (Latents(x=[0.1, np.nan]), 32, "`x` must be finite; got nan"),
            (Latents(shade=1.5), 32, r"`shade` must be in \[-1, 1\].*got 1.5"),
        ],
    )
    def test_bad_latents(self, latents, size, message):
        with pytest.raises(ValueError, match=message):
            data.draw(latents, size)


# Red, green and blue, of the first twenty. Were their outlines a tenth of a point off, all around,
# it would add up to 0.02; versions of FreeType differ by a grey level of the points there.
KNOWN_MEANS = (-11.290, -11.087, -12.053)


def as_pillow_draws(glyph: Glyphs, size: int) -> np.ndarray:
    """Coverage by one glyph: its outline at 1024 pixels, dilated, slanted and placed there."""
    fine, file = 1024, matplotlib_font(glyphs.STYLES[int(glyph.style)])
    letter = glyphs.LETTERS[int(glyph.letter)]
    _, top, _, bottom = ImageFont.truetype(file, fine).getbbox(letter)
    font = ImageFont.truetype(file, fine * fine / 2 / (bottom - top))
    left, top, right, bottom = font.getbbox(letter)
    picture = Image.new("L", (fine, fine))
    corner = (fine - left - right) / 2, (fine - top - bottom) / 2
    ImageDraw.Draw(picture).text(corner, letter, 255, font)
    inside = distance_transform_edt(np.asarray(picture) < 128) <= float(glyph.stroke) * fine / 2
    x, y, scale, shear = map(float, (glyph.x, glyph.y, glyph.scale, glyph.shear))
    back = np.array([[1, 0], [shear, 1]]) / scale  # from a place, down and right, to the letter's
    middle, centre = (fine - 1) / 2, np.array([-y, x]) * fine / 2
    placed = affine_transform(inside * 1.0, back, middle - back @ (middle + centre), order=1)
    return placed.reshape(size, fine // size, size, fine // size).mean((1, 3))


def matplotlib_font(style: str) -> str:
    import matplotlib

    return f"{matplotlib.get_data_path()}/fonts/ttf/{style}.ttf"


def letters_in_all_styles(**latents: object) -> Glyphs:
    letter, style = np.indices((len(glyphs.LETTERS), len(glyphs.STYLES))).reshape(2, -1)
    return Glyphs(letter, style, **latents)


def at(latents: Glyphs, number: int) -> Glyphs:
    return Glyphs(*(value[number] for value in latents))


class TestGlyphs:
    @pytest.mark.parametrize(("size", "bound"), [(16, 0.1), (32, 0.15), (64, 0.3)])
    def test_are_covered_as_pillow_draws_them(self, size, bound):
        """The outline is known to half a point of the grid, a 1/256 of the letter's height."""
        latents = glyphs.sample(20, (5,))._replace(shade=np.ones(20))
        for number, drawn in enumerate(data.draw(latents, size)[..., 0]):
            expected = as_pillow_draws(at(latents, number), size)
            assert np.abs((drawn + 1) / 2 - expected).max() < bound, number
            assert np.abs((drawn + 1) / 2 - expected).mean() < 0.007, number

    def test_every_letter_of_every_style_is_as_tall_as_its_scale(self):
        covered = data.draw(letters_in_all_styles(scale=1.2), 64)[..., 0] > 0
        tall = np.sum(covered.any(axis=2), axis=1) * 2 / 64
        np.testing.assert_allclose(tall, 1.2, atol=2 / 64)

    def test_the_letters_of_a_style_differ(self):
        drawn = data.draw(letters_in_all_styles(), 32).reshape(len(glyphs.LETTERS), -1, 32 * 32)
        for style in drawn.swapaxes(0, 1):
            apart = np.abs(style[:, None] - style[None]).mean(axis=2)
            assert apart[~np.eye(len(style), dtype=bool)].min() > 0.04  # of 2

    def test_centre_moves_and_scale_enlarges(self):
        here, there = data.draw(Glyphs(letter=1, x=[0.0, 0.125], y=[0.0, 0.25]), 32)
        np.testing.assert_allclose(np.roll(here, (-4, 2), axis=(0, 1)), there, atol=1e-5)
        small, large = data.draw(Glyphs(letter=3, scale=[0.6, 1.2]), 64)[..., 0] + 1
        assert large.sum() / small.sum() == pytest.approx(4, rel=0.01)

    def test_shear_moves_rows_to_the_right_by_their_height(self):
        line = (np.arange(64) + 0.5) / 32 - 1
        upright, leaning = data.draw(Glyphs(letter=8, scale=1.2, shear=[0, 0.3]), 64)[..., 0] + 1
        rows = np.flatnonzero(upright.sum(axis=1) > 1)[2:-2]
        moved = [(image[rows] @ line) / image[rows].sum(axis=1) for image in (leaning, upright)]
        np.testing.assert_allclose(moved[0] - moved[1], -0.3 * line[rows], atol=0.01)

    def test_stroke_adds_what_steiner_says(self):
        strokes = np.linspace(0, 0.1, 6)
        area = (data.draw(Glyphs(letter=8, scale=1.0, stroke=strokes), 64) + 1).sum((1, 2, 3)) / 2
        area *= (2 / 64) ** 2
        perimeter = 2 * (1 + area[0])  # of an I, a bar of height 1
        grown = perimeter * strokes + np.pi * strokes**2
        np.testing.assert_allclose(area - area[0], grown, rtol=0.03)

    def test_shade_and_grey_ground(self):
        shades = np.array([-0.5, 0.25, 1.0])
        images = data.draw(Glyphs(letter=8, style=1, shade=shades, hue=0.3), 32)
        np.testing.assert_allclose(images[:, 16, 16, 0], shades, atol=1e-6)
        assert (images[:, 0] == -1).all()

    def test_hues_are_those_of_letter_and_ground(self):
        thirds = np.arange(3) / 3
        images = data.draw(Glyphs(8, 1, hue=thirds, ground=1 - thirds, shade=0.5), 32, channels=3)
        letter, ground = images[:, 16, 16], images[:, 0, 0]
        assert letter.argmax(axis=1).tolist() == [0, 1, 2]  # red, green, blue
        assert ground.argmax(axis=1).tolist() == [0, 2, 1]
        np.testing.assert_allclose(letter.max(axis=1), 0.5, atol=1e-5)
        np.testing.assert_allclose(ground.max(axis=1), -0.5, atol=1e-5)
        one_turn = data.draw(Glyphs(hue=[0.2, 1.2], ground=[0.7, -0.3]), 32, channels=3)
        np.testing.assert_allclose(one_turn[0], one_turn[1], atol=1e-5)

    def test_latents_fill_their_ranges_and_the_picture_holds_every_letter(self):
        latents = data.load("glyphs", count=3000, size=8).latents
        ranges = {name: (value.min(), value.max()) for name, value in latents._asdict().items()}
        assert ranges.pop("letter") == (0, 9)
        assert ranges.pop("style") == (0, len(glyphs.STYLES) - 1)
        for name, (low, high) in glyphs._RANGES.items():
            least, most = ranges[name]
            assert low <= least < low + 0.01 * (high - low), name
            assert high - 0.01 * (high - low) < most <= np.float32(high), name
        assert np.abs(np.corrcoef(latents[1:]) - np.eye(9)).max() < 0.08
        corners = np.array(np.meshgrid([-0.1, 0.1], [-0.1, 0.1], [-0.2, 0.2])).reshape(3, -1)
        for x, y, shear in corners.T:
            outermost = letters_in_all_styles(x=x, y=y, scale=1.25, shear=shear, stroke=0.04)
            images = data.draw(outermost, 64)
            frame = images[:, 0], images[:, -1], images[:, :, 0], images[:, :, -1]
            assert np.max(frame) < -0.99

    def test_load_gives_what_its_latents_draw(self):
        train = data.load("glyphs", count=12, channels=3)
        assert train.images.shape == (12, 32, 32, 3)
        assert "".join(train.classes[label] for label in train.labels) == "ABCDEFGHIJAB"
        np.testing.assert_array_equal(train.labels, train.latents.letter)
        np.testing.assert_array_equal(train.images, data.draw(train.latents, 32, channels=3))
        assert train.images.dtype == np.float32
        assert np.abs(train.images).max() <= 1
        assert repr(train) == (
            "Images(12 of [32, 32, 3], 10 classes, glyphs train: drawn with seed 0)"
        )

    def test_splits_and_seeds_draw_other_letters(self):
        calls = ({}, {"split": "test"}, {"seed": 1}, {"split": "test", "seed": 1})
        drawn = [data.load("glyphs", count=500, size=8, **call) for call in calls]
        assert len(set(np.concatenate([part.latents.x for part in drawn]).tolist())) > 1990
        assert len(distinct(np.concatenate([part.images for part in drawn]))) == 2000

    def test_repeat_and_grow(self):
        few, more = (data.load("glyphs", count=n, size=16, channels=3) for n in (40, 170))
        np.testing.assert_array_equal(few.images, more.images[:40])
        np.testing.assert_array_equal(
            few.images, data.load("glyphs", count=40, size=16, channels=3).images
        )

    def test_are_the_same_pictures_on_every_machine(self):
        images = data.load("glyphs", count=20, size=8, channels=3).images
        np.testing.assert_allclose(images.mean((1, 2)).sum(axis=0), KNOWN_MEANS, atol=0.02)

    @pytest.mark.parametrize(("size", "channels"), [(32, 1), (64, 1), (32, 3)])
    def test_neighbours_and_a_linear_map_read_new_ones(self, size, channels):
        train, test = (
            data.load("glyphs", split, count=count, size=size, channels=channels)
            for split, count in (("train", 2000), ("test", 500))
        )
        x, new = (part.flat.astype(np.float64) for part in (train, test))
        distances = np.sum(x**2, axis=1) - 2 * new @ x.T
        read = train.labels[np.argmin(distances, axis=1)]
        wanted = np.eye(10)[train.labels]
        ridge = x.T @ np.linalg.solve(x @ x.T + 100 * np.eye(len(x)), wanted)
        linear = np.argmax(new @ ridge, axis=1)
        # Pictures of one letter in two colours lie far apart: only their projections are close.
        assert np.mean(read == test.labels) > (0.9 if channels == 1 else 0.65)
        assert np.mean(linear == test.labels) > 0.87

    def test_fonts_that_are_gone_are_named(self, monkeypatch):
        glyphs._fields.cache_clear()
        monkeypatch.setattr(glyphs, "find_spec", lambda name: None)
        with pytest.raises(OSError, match=r"fonts of Matplotlib.*Install Matplotlib again"):
            data.load("glyphs", count=1)

    def test_need_no_matplotlib(self):
        code = (
            "import sys; from freezechaos import data; data.load('glyphs', count=1);"
            "assert not {'matplotlib', 'matplotlib.pyplot'} & set(sys.modules)"
        )
        subprocess.run([sys.executable, "-c", code], check=True)

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ({"size": 4}, "`size` must be 8 pixels or more, an integer; got 4"),
            ({"channels": 2}, "`channels` must be 1 or 3; got 2. 1 is grey"),
            ({"letter": 10}, "`letter` must be 0 to 9; got 10. 0 is A, 9 is J"),
            ({"letter": 0.5}, "`letter` must be 0 to 9; got 0.5"),
            ({"style": [0, 99]}, "`style` must be 0 to 10; got 99. It is a font"),
            ({"scale": 0}, "`scale` must be above 0; got 0. The picture's height is 2"),
            ({"stroke": 0.5}, r"`stroke` must be in \[-0.2, 0.2\]; got 0.5"),
            ({"shade": -2.0}, r"`shade` must be in \[-1, 1\]; got -2"),
            ({"hue": np.inf}, "`hue` must be finite; got inf"),
            ({"shear": [0.1, np.nan]}, "`shear` must be finite; got nan"),
            ({"x": [0.1, 0.2], "y": np.ones(3)}, r"`x` must be .* 3; got shape \[2\]"),
            ({"ground": "green"}, "`ground` must be numbers; got 'green'"),
        ],
    )
    def test_bad_latents(self, arguments, message):
        options = {name: arguments.pop(name) for name in ("size", "channels") if name in arguments}
        with pytest.raises(ValueError, match=message):
            data.draw(Glyphs(**arguments), **options)


class Handler(SimpleHTTPRequestHandler):
    """Serves a folder; what is asked for is noted, and may be cut off half way."""

    asked: list[str]
    cut = False

    def do_GET(self) -> None:
        self.asked.append(self.path)
        if not self.cut:
            return super().do_GET()
        whole = Path(self.translate_path(self.path)).read_bytes()
        self.send_response(200)
        self.send_header("Content-Length", str(len(whole)))
        self.end_headers()
        self.wfile.write(whole[: len(whole) // 2])
        return None

    def log_message(self, *_: object) -> None:
        pass


class Publisher:
    """A set on a server of this machine: its archives, their true checksums, its folder."""

    def __init__(self, folder: Path, handler: type[Handler], address: str, patch) -> None:
        self.folder, self.handler, self.address, self.patch = folder, handler, address, patch

    def publish(self, name: str, contents: dict[str, bytes], digest=archives.sha256) -> None:
        for path, raw in contents.items():
            (self.folder / path).parent.mkdir(exist_ok=True)
            (self.folder / path).write_bytes(raw)
        self.patch.setitem(
            archives.ARCHIVES,
            name,
            tuple(
                archives.Archive(path, f"{self.address}/{path}", digest(raw), digest)
                for path, raw in contents.items()
            ),
        )


@pytest.fixture
def publisher(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Publisher]:
    """Yield a server for small sets, the only one that is asked; the cache is empty."""
    folder = tmp_path / "published"
    folder.mkdir()
    monkeypatch.delenv("FREEZECHAOS_DATA", raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(archives, "cache", lambda: tmp_path / "cache")
    monkeypatch.setattr(archives, "ARCHIVES", {})
    handler = type("Noting", (Handler,), {"asked": []})
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(handler, directory=folder)) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield Publisher(
            folder, handler, f"http://127.0.0.1:{server.server_address[1]}", monkeypatch
        )
        server.shutdown()
        thread.join()


def idx(array: np.ndarray) -> bytes:
    """Return a gzipped IDX file of bytes."""
    header = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes()
    return gzip.compress(header + array.astype(np.uint8).tobytes(), mtime=0)


TRAIN = np.arange(12 * 28 * 28).reshape(12, 28, 28) % 256
TEST = 255 - TRAIN[:5]
IMAGES, LABELS = "mnist/train-images-idx3-ubyte.gz", "mnist/train-labels-idx1-ubyte.gz"
SMALL = {
    IMAGES: idx(TRAIN),
    LABELS: idx(np.arange(12) % 10),
    "mnist/t10k-images-idx3-ubyte.gz": idx(TEST),
    "mnist/t10k-labels-idx1-ubyte.gz": idx(np.arange(5)),
}


@pytest.fixture
def mnist(publisher: Publisher) -> Publisher:
    publisher.publish("mnist", SMALL)
    return publisher


def everything_in(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


class TestDownloads:
    def test_arrive_whole_and_once(self, mnist, tmp_path, capsys):
        assert not data.available("mnist")
        train = data.load("mnist")
        np.testing.assert_allclose(train.images[..., 0] * 127.5 + 127.5, TRAIN, atol=1e-4)
        assert train.labels.tolist() == [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1]
        assert mnist.handler.asked == [f"/{IMAGES}", f"/{LABELS}"]
        assert "100%" in capsys.readouterr().err
        assert everything_in(tmp_path / "cache") == ["mnist", IMAGES, LABELS]

        assert not data.available("mnist")
        test = data.load("mnist", "test")
        np.testing.assert_allclose(test.images, -train.images[:5], atol=1e-6)
        assert data.available("mnist")
        del mnist.handler.asked[:]
        data.load("mnist")
        assert mnist.handler.asked == []

    def test_of_another_content_are_refused_and_removed(self, mnist, tmp_path):
        (mnist.folder / LABELS).write_bytes(b"a login page")
        true, got = (hashlib.sha256(raw).hexdigest() for raw in (SMALL[LABELS], b"a login page"))
        with pytest.raises(ValueError, match=f"{LABELS} must have .*{true}; got {got}"):
            data.load("mnist")
        assert everything_in(tmp_path / "cache") == ["mnist", IMAGES]

    def test_cut_off_leave_nothing(self, mnist, tmp_path):
        mnist.handler.cut = True
        with pytest.raises(OSError, match=f"{IMAGES} is not on this machine.*FREEZECHAOS_DATA"):
            data.load("mnist")
        assert everything_in(tmp_path / "cache") == ["mnist"]

    def test_not_found(self, mnist, tmp_path):
        (mnist.folder / IMAGES).unlink()
        with pytest.raises(OSError, match=r'HTTPError.*data.load\("digits"\)'):
            data.load("mnist")
        assert everything_in(tmp_path / "cache") == ["mnist"]

    def test_no_network(self, mnist, tmp_path):
        nowhere = [
            replace(file, url="http://127.0.0.1:9/file") for file in archives.ARCHIVES["mnist"]
        ]
        mnist.patch.setitem(archives.ARCHIVES, "mnist", tuple(nowhere))
        with pytest.raises(
            OSError, match=r"127.0.0.1:9/file could not be downloaded.*ConnectionError"
        ):
            data.load("mnist")
        assert everything_in(tmp_path / "cache") == ["mnist"]

    def test_cache_that_is_no_folder(self, mnist, tmp_path):
        (tmp_path / "cache").write_text("in the way")
        with pytest.raises(OSError, match=r"could not be downloaded to .*cache"):
            data.load("mnist")
        assert mnist.handler.asked == []

    def test_spoilt_file_of_the_cache_is_fetched_anew(self, mnist, tmp_path):
        data.load("mnist")
        (tmp_path / "cache" / IMAGES).write_bytes(SMALL[IMAGES][:100])
        assert not data.available("mnist")
        del mnist.handler.asked[:]
        assert len(data.load("mnist")) == 12
        assert mnist.handler.asked == [f"/{IMAGES}"]
        assert (tmp_path / "cache" / IMAGES).read_bytes() == SMALL[IMAGES]


class TestImagesOfTheBook:
    @pytest.fixture
    def clothes(self, publisher) -> Publisher:
        files = {name.replace("mnist/", "fashion-mnist/"): raw for name, raw in SMALL.items()}
        publisher.publish("fashion_mnist", files)
        return publisher

    def test_are_fetched_once(self, clothes, capsys):
        assert data.of_the_book() == "glyphs"
        fetching.main()
        assert data.of_the_book() == "fashion_mnist"
        assert len(clothes.handler.asked) == 4
        assert capsys.readouterr().out == "book: its images are fashion_mnist\n"
        fetching.main()
        assert len(clothes.handler.asked) == 4

    def test_without_a_network_are_asked_for_once(self, clothes, capsys, tmp_path):
        nowhere = [
            replace(file, url="http://127.0.0.1:9/file")
            for file in archives.ARCHIVES["fashion_mnist"]
        ]
        clothes.patch.setitem(archives.ARCHIVES, "fashion_mnist", tuple(nowhere))
        fetching.main()
        assert capsys.readouterr().out == (
            "book: could not fetch Fashion-MNIST (ConnectionError)\nbook: its images are glyphs\n"
        )

    def test_an_address_that_does_not_answer_is_given_up(self, clothes, capsys, monkeypatch):
        monkeypatch.setattr(fetching, "PATIENCE", 0.2)
        monkeypatch.setattr(clothes.handler, "do_GET", lambda self: time.sleep(1))
        start = time.monotonic()
        fetching.main()
        assert time.monotonic() - start < 0.9
        assert "ReadTimeout" in capsys.readouterr().out

    def test_of_another_content_are_not_believed(self, clothes, capsys):
        (clothes.folder / IMAGES.replace("mnist/", "fashion-mnist/")).write_bytes(b"a login page")
        fetching.main()
        assert "must have the SHA-256 checksum" in capsys.readouterr().out
        assert data.of_the_book() == "glyphs"

    def test_wrong_folder_is_said(self, clothes, capsys, monkeypatch):
        monkeypatch.setenv("FREEZECHAOS_DATA", "misspelt")
        fetching.main()
        assert "`FREEZECHAOS_DATA` must name a folder" in capsys.readouterr().out
        assert clothes.handler.asked == []


class TestOwnFolder:
    @pytest.fixture
    def own(self, mnist, monkeypatch) -> Path:
        monkeypatch.setenv("FREEZECHAOS_DATA", str(mnist.folder))
        return mnist.folder

    def test_is_read_in_place(self, own, mnist, tmp_path):
        assert data.available("mnist")
        assert len(data.load("mnist")) == 12
        assert mnist.handler.asked == []
        assert not (tmp_path / "cache").exists()

    def test_another_file_is_refused_and_kept(self, own, mnist):
        (own / LABELS).write_bytes(b"mine")
        true, got = (hashlib.sha256(raw).hexdigest() for raw in (SMALL[LABELS], b"mine"))
        with pytest.raises(ValueError, match=f"{own / LABELS} must have .*{true}; got {got}"):
            data.load("mnist")
        assert not data.available("mnist")
        assert (own / LABELS).read_bytes() == b"mine"
        assert mnist.handler.asked == []

    def test_what_it_lacks_is_downloaded(self, mnist, tmp_path, monkeypatch):
        (tmp_path / "own" / "mnist").mkdir(parents=True)
        (tmp_path / "own" / IMAGES).write_bytes(SMALL[IMAGES])
        monkeypatch.setenv("FREEZECHAOS_DATA", str(tmp_path / "own"))
        assert len(data.load("mnist")) == 12
        assert mnist.handler.asked == [f"/{LABELS}"]
        assert everything_in(tmp_path / "own") == ["mnist", IMAGES]

    def test_that_is_none(self, mnist, tmp_path, monkeypatch):
        monkeypatch.setenv("FREEZECHAOS_DATA", str(tmp_path / "misspelt"))
        assert not data.available("mnist")
        with pytest.raises(
            ValueError, match=r"`FREEZECHAOS_DATA` must name a folder; got .*misspelt"
        ):
            data.load("mnist")

    def test_named_by_nothing_is_none(self, mnist, monkeypatch):
        monkeypatch.setenv("FREEZECHAOS_DATA", "")
        data.load("mnist")
        assert len(mnist.handler.asked) == 2


def plain(content: bytes) -> bytes:
    return gzip.compress(content, mtime=0)


HEADER = bytes([0, 0, 8, 1, 0, 0, 0, 5])


class TestIdx:
    @pytest.mark.parametrize(
        ("raw", "message"),
        [
            (SMALL[LABELS][:-9], "labels must be a whole gzip file"),
            (b"no gzip", "labels must be a whole gzip file"),
            (SMALL[LABELS][:12] + b"\xff" * 20, "labels must be a whole gzip file"),
            (SMALL[IMAGES], "labels must begin with the IDX magic number 00000801; got 00000803"),
            (plain(b""), "IDX magic number"),
            (plain(HEADER + b"1234"), "must hold 5 bytes after a header of 8; got 12 in all"),
            (plain(HEADER + b"123456"), "must hold 5 bytes after a header of 8; got 14 in all"),
            (plain(HEADER[:4]), "must hold 0 bytes after a header of 8; got 4 in all"),
        ],
        ids=["cut", "text", "spoilt", "images", "empty", "short", "long", "header cut"],
    )
    def test_broken_files(self, raw, message):
        with pytest.raises(ValueError, match=message):
            formats.read_idx(raw, 1, "labels")

    def test_a_broken_file_is_named_by_load(self, publisher):
        publisher.publish("mnist", SMALL | {IMAGES: SMALL[LABELS]})
        with pytest.raises(ValueError, match=f"{IMAGES} must begin with the IDX magic"):
            data.load("mnist")


def jpeg(pixels: np.ndarray, orientation: int = 1) -> bytes:
    file, exif = io.BytesIO(), Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(pixels.astype(np.uint8)).save(file, "JPEG", quality=95, exif=exif)
    return file.getvalue()


def flat(shade: int) -> np.ndarray:
    return np.full((20, 20, 3), shade)


HANDS = {
    f"Dataset/{digit}/IMG_{number}.JPG": jpeg(flat(20 * digit + 2 * number))
    for digit in range(10)
    for number in range(10)
}


def packed(files: dict[str, bytes], prefix: str = "", mode: str = "w:gz") -> bytes:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode=mode) as tar:
        for path, raw in files.items():
            member = tarfile.TarInfo(prefix + path)
            member.size = len(raw)
            tar.addfile(member, io.BytesIO(raw))
    return archive.getvalue()


class TestSignDigits:
    PATH = "sign-digits/hands.tar.gz"

    def test_labels_are_the_folders(self, publisher):
        publisher.publish("sign_digits", {self.PATH: packed(HANDS)}, formats.photographs_sha256)
        for split, numbers in (("train", range(8)), ("test", range(8, 10))):
            hands = data.load("sign_digits", split, size=16)
            means = 127.5 * (hands.images.mean((1, 2, 3)) + 1)
            true = [20 * digit + 2 * number for digit in range(10) for number in numbers]
            np.testing.assert_allclose(means, true, atol=0.6)
            assert hands.labels.tolist() == [d for d in range(10) for _ in numbers]

    def test_checksum_is_of_what_is_inside(self):
        digest = formats.photographs_sha256(packed(HANDS))
        host = packed(
            {"README.md": b"new", **dict(reversed(HANDS.items())), "Examples/0.JPG": b"x"},
            "Set-4b/",
        )
        assert formats.photographs_sha256(host) == digest
        lines = [f"{hashlib.sha256(HANDS[path]).hexdigest()}  {path}\n" for path in sorted(HANDS)]
        assert digest == hashlib.sha256("".join(lines).encode()).hexdigest()

    @pytest.mark.parametrize(
        "change",
        [
            lambda files: files | {"Dataset/3/IMG_4.JPG": files["Dataset/3/IMG_5.JPG"]},
            lambda files: files | {"Dataset/3/IMG_99.JPG": files["Dataset/3/IMG_5.JPG"]},
            lambda files: dict(list(files.items())[1:]),
            lambda files: {path.replace("/4/", "/5/a"): raw for path, raw in files.items()},
        ],
        ids=["changed", "added", "removed", "moved"],
    )
    def test_another_inside_is_refused(self, publisher, tmp_path, change):
        publisher.publish("sign_digits", {self.PATH: packed(HANDS)}, formats.photographs_sha256)
        (publisher.folder / self.PATH).write_bytes(packed(change(HANDS)))
        with pytest.raises(ValueError, match=f"{self.PATH} must have the SHA-256"):
            data.load("sign_digits")
        assert everything_in(tmp_path / "cache") == ["sign-digits"]

    @pytest.mark.parametrize(
        "raw",
        [b"", b"no archive", packed(HANDS)[:-300], packed(HANDS, mode="w")],
        ids=["empty", "text", "cut", "not zipped"],
    )
    def test_broken_archives_are_refused(self, publisher, raw):
        publisher.publish("sign_digits", {self.PATH: packed(HANDS)}, formats.photographs_sha256)
        (publisher.folder / self.PATH).write_bytes(raw)
        with pytest.raises(ValueError, match=r"got none, as it is no whole tar.gz"):
            data.load("sign_digits")


@pytest.fixture
def save(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes a picture under `mine` and returns its path."""

    def write(name: str, pixels: np.ndarray, **options) -> Path:
        path = tmp_path / "mine" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels.astype(np.uint8)).save(path, **options)
        return path

    return write


class TestFolder:
    @pytest.fixture
    def load(self, tmp_path) -> Callable[..., data.Images]:
        return partial(data.load, "folder", path=tmp_path / "mine", size=8)

    def test_subfolders_are_classes(self, save, load):
        for number in range(10):
            save(f"cats/{number}.png", flat(10 * number))
            save(f"dogs/puppies/{number}.JPG", flat(100 + 10 * number))
        train, test = load(), load(split="test")
        assert train.classes == ("cats", "dogs")
        assert train.images.shape == (16, 8, 8, 3)
        assert train.labels.tolist() == [0] * 8 + [1] * 8
        found = np.round(127.5 * (test.images[:, 4, 4, 0] + 1))
        np.testing.assert_allclose(found, [80, 90, 180, 190], atol=1)
        few = load(count=4)
        assert sorted(few.labels.tolist()) == [0, 0, 1, 1]
        np.testing.assert_array_equal(few.images.mean((1, 2, 3)) > -0.25, few.labels == 1)

    def test_loose_pictures_have_no_labels(self, save, load, tmp_path):
        for number in range(5):
            save(f"{number}.png", flat(50 * number))
        (tmp_path / "mine" / "notes.txt").write_text("not a picture")
        (tmp_path / "mine" / ".hidden.png").write_text("not a picture")
        (tmp_path / "mine" / "empty").mkdir()
        train = load()
        assert train.labels is None
        assert train.classes == ()
        assert len(train) == 4
        assert "no labels" in repr(train)
        assert load(split="test").images.mean() == pytest.approx(200 / 127.5 - 1)

    def test_only_what_is_asked_for_is_decoded(self, save, load, tmp_path):
        for number in range(10):
            save(f"{number}.png", flat(10 * number))
        load(split="test")
        (tmp_path / "mine" / "3.png").write_bytes(b"broken")
        assert len(load(split="test")) == 2
        with pytest.raises(ValueError, match=r"3.png must be a picture"):
            load()

    def test_middle_square(self, save, load):
        wide = np.zeros((20, 60, 3))
        wide[:, 20:40] = 255
        save("wide.png", wide)
        save("tall.png", wide.transpose(1, 0, 2))
        assert load().images.min() > 0.8  # the smoothing looks a pixel beyond

    def test_upright(self, save, load, tmp_path):
        top = np.repeat([255, 0], 10)[:, None, None] * np.ones((1, 20, 3))
        for orientation in range(1, 9):
            stored = {
                1: top,
                2: top[:, ::-1],
                3: top[::-1, ::-1],
                4: top[::-1],
                5: top.transpose(1, 0, 2),
                6: np.rot90(top),
                7: np.rot90(top, 2).transpose(1, 0, 2),
                8: np.rot90(top, -1),
            }[orientation]
            path = tmp_path / "mine" / f"{orientation}.jpg"
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(jpeg(stored, orientation))
        images = load().images
        assert len(images) == 7
        assert images[:, :3].min() > 0.8
        assert images[:, 5:].max() < -0.8

    def test_smaller_without_aliasing(self, save, load):
        board = 255 * (np.indices((256, 256)).sum(0) % 2)
        save("board.png", board)
        save("board.jpg", np.kron(board[:128, :128], np.ones((16, 16))), quality=90)
        assert np.abs(load().images).max() < 0.02

    def test_grey_is_the_luma_and_transparent_is_white(self, save, load):
        save("a.png", flat(0) + np.array([255, 0, 0]))
        save("b.png", np.zeros((20, 20, 4)))
        red, clear = load(channels=1).images
        assert red.shape == (8, 8, 1)
        np.testing.assert_allclose(red, 2 * 0.299 - 1, atol=0.01)
        np.testing.assert_array_equal(clear, 1)

    def test_one_picture_has_no_test_split(self, save, load):
        save("a.png", flat(3))
        with pytest.raises(ValueError, match="`split` must be 'train' here; got 'test'"):
            load(split="test")

    @pytest.mark.parametrize(
        "raw", [b"", b"no picture", jpeg(flat(9))[:-40]], ids=["empty", "text", "cut"]
    )
    def test_unreadable_files_are_named(self, save, load, raw):
        save("a.png", flat(3))
        save("b.jpg", flat(3)).write_bytes(raw)
        with pytest.raises(ValueError, match=r"mine/b.jpg must be a picture; .* remove it"):
            load()

    def test_sixteen_bits_are_refused(self, save, load):
        path = save("deep.png", flat(0))
        Image.fromarray(np.full((20, 20), 40_000, np.uint16)).save(path)
        with pytest.raises(ValueError, match=r"deep.png .* more than 8 bits a channel"):
            load()

    def test_mixed(self, save, load):
        save("loose.png", flat(0))
        save("cats/1.png", flat(0))
        with pytest.raises(ValueError, match=r"not both; got .*loose.png beside .*cats/1.png"):
            load()

    def test_empty(self, load, tmp_path):
        with pytest.raises(ValueError, match=r"`path` must be a folder; got .*mine"):
            load()
        (tmp_path / "mine" / "cats").mkdir(parents=True)
        with pytest.raises(ValueError, match=r"`path` must hold files in .*mine has none"):
            load()

    def test_a_linked_folder_inside_a_class_is_of_it(self, save, load, tmp_path):
        for number in range(5):
            save(f"cats/{number}.png", flat(10))
            save(f"dogs/{number}.png", flat(20))
        elsewhere = save("../elsewhere/5.png", flat(10)).parent
        (tmp_path / "mine" / "cats" / "linked").symlink_to(elsewhere)
        (tmp_path / "mine" / "cats" / "round").symlink_to(tmp_path / "mine" / "cats")
        assert np.bincount(load().labels).tolist() == [5, 4]  # of 6 and 5, for training

    def test_folders_named_like_pictures_are_folders(self, save, load):
        save("a.png/album.jpg/1.png", flat(0))
        save("b.png/2.png", flat(0))
        assert load().classes == ("a.png", "b.png")
        assert len(load()) == 2

    @pytest.mark.parametrize("suffix", ["jfif", "pgm", "avif", "JPE"])
    def test_whatever_pillow_reads_is_a_picture(self, save, load, tmp_path, suffix):
        save("a.png", flat(0))
        kind = {"jfif": "jpeg", "pgm": "ppm", "JPE": "jpeg"}.get(suffix, suffix)
        Image.new("L", (20, 20)).save(tmp_path / "mine" / f"b.{suffix}", kind)
        assert len(load()) == 2

    @pytest.mark.parametrize("name", ["b.svg", "b.HEIC", "cats/b.jxl"])
    def test_a_picture_that_pillow_does_not_read_is_named(self, save, load, tmp_path, name):
        save(f"{Path(name).parent}/a.png", flat(0))
        (tmp_path / "mine" / name).write_bytes(b"picture")
        with pytest.raises(ValueError, match=rf"that Pillow can read; .*{name} is none"):
            load()

    def test_splits_are_no_classes(self, save, load):
        save("train/cats/1.png", flat(0))
        save("Test/cats/1.png", flat(0))
        with pytest.raises(ValueError, match=r"got Test and train, which are splits. Give .*Test"):
            load()

    def test_empty_class(self, save, load, tmp_path):
        save("cats/1.png", flat(0))
        (tmp_path / "mine" / "dogs").mkdir()
        (tmp_path / "mine" / ".cache").mkdir()
        with pytest.raises(ValueError, match=r"every subfolder .*dogs has none"):
            load()


def real(name: str, split: str, **options) -> data.Images:
    if not data.available(name):
        pytest.skip(f"{name} is not on this machine; FREEZECHAOS_DATA names a folder that has it")
    return data.load(name, split, **options)


@pytest.mark.images
class TestPublished:
    """The sets themselves, where they are on this machine; nothing is downloaded."""

    def test_addresses_are_pinned(self):
        files = [file for files in archives.ARCHIVES.values() for file in files]
        assert len(files) == 9
        assert len({file.checksum for file in files}) == 9
        assert all(file.url.startswith("https://") and len(file.checksum) == 64 for file in files)

    @pytest.mark.parametrize(
        ("name", "first", "per_class", "mean", "deviation"),
        [
            (
                "mnist",
                [5, 0, 4, 1, 9],
                [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949],
                0.1307,
                0.3081,
            ),
            ("fashion_mnist", [9, 0, 0, 3, 0], [6000] * 10, 0.2860, 0.3530),
        ],
    )
    def test_train(self, name, first, per_class, mean, deviation):
        train = real(name, "train")
        assert train.images.shape == (60_000, 28, 28, 1)
        assert train.images.dtype == np.float32
        assert (train.images.min(), train.images.max()) == (-1, 1)
        assert train.labels[:5].tolist() == first
        assert np.bincount(train.labels).tolist() == per_class
        shades = (train.images + 1) / 2
        assert np.mean(shades, dtype=float) == pytest.approx(mean, abs=1e-4)
        assert np.std(shades, dtype=float) == pytest.approx(deviation, abs=1e-4)

    @pytest.mark.parametrize(("name", "first"), [("mnist", "7"), ("fashion_mnist", "Ankle boot")])
    def test_test(self, name, first):
        test = real(name, "test")
        assert test.images.shape == (10_000, 28, 28, 1)
        assert test.classes[test.labels[0]] == first
        few = real(name, "test", count=100, size=32, channels=3)
        assert few.images.shape == (100, 32, 32, 3)
        assert np.bincount(few.labels).tolist() == [10] * 10

    def test_sign_digits(self):
        train, test = (real("sign_digits", split, size=32) for split in ("train", "test"))
        assert (len(train), len(test)) == (1653, 409)
        assert train.images.shape[1:] == (32, 32, 3)
        assert -1 <= train.images.min() < -0.95
        assert 0.95 < train.images.max() <= 1
        assert len(distinct(train.images) | distinct(test.images)) == 2062
        counts = np.bincount(train.labels) + np.bincount(test.labels)
        assert counts.tolist() == [205, 206, 206, 206, 207, 207, 207, 206, 208, 204]

    def test_sign_digits_are_chosen_before_they_are_decoded(self, monkeypatch):
        real("sign_digits", "test", count=1)
        decoded = []
        square = photographs._square
        monkeypatch.setattr(
            photographs, "_square", lambda *args: decoded.append(1) or square(*args)
        )
        assert np.bincount(data.load("sign_digits", count=20, size=16).labels).tolist() == [2] * 10
        assert len(decoded) == 20
