"""The classifier that features come from: what it learns, what it reads and writes."""

from dataclasses import replace

import numpy as np
import optax
import pytest
from PIL import Image

from freezechaos.gan import (
    PRESETS,
    classes_covered,
    classifier,
    density_coverage,
    feature_metrics,
    frechet,
    kernel_distance,
    precision_recall,
    real_floor,
    training,
)

DIGITS = replace(PRESETS["smoke"], size=16)


@pytest.fixture(scope="module")
def traced() -> list[str]:
    """Filled by `trained`: an entry whenever the loss is traced."""
    return []


@pytest.fixture(scope="module")
def trained(traced):
    plain = optax.softmax_cross_entropy_with_integer_labels

    def counted(*arguments):
        traced.append("loss")
        return plain(*arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(optax, "softmax_cross_entropy_with_integer_labels", counted)
        return classifier.train_classifier(DIGITS, steps=100, progress=False)


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return training.real_images(DIGITS, "test").images


class TestTraining:
    def test_learns_the_digits(self, trained):
        """Three seeds were right for 85 to 87 %, with a standard error of 2 %; chance is 10 %."""
        _, known = trained
        assert 0.75 < known.accuracy < 1
        assert (known.data, known.size, known.colours, known.classes) == ("digits", 16, 1, 10)
        assert (known.steps, known.seed) == (100, 0)

    def test_accuracy_is_of_the_test_images(self, trained, images):
        network, known = trained
        labels = training.real_images(DIGITS, "test").labels
        right = np.argmax(np.asarray(network(images)), axis=1) == labels
        assert known.accuracy == np.mean(right)

    def test_is_compiled_once(self, trained, traced):
        assert traced == ["loss"]  # in two calls of 50 steps

    def test_folder_without_classes(self, tmp_path):
        for i in range(10):
            Image.new("L", (16, 16), 20 * i).save(tmp_path / f"{i}.png")
        preset = replace(DIGITS, data="folder", path=str(tmp_path))
        with pytest.raises(ValueError, match=r"`data` must have classes; .* Sort the pictures"):
            classifier.train_classifier(preset, steps=50, progress=False)


class TestFeatures:
    def test_are_what_the_last_layer_reads(self, trained, images):
        network, _ = trained
        seen = classifier.features(network, images)
        assert seen.shape == (len(images), 64)
        assert (seen >= 0).all()
        logits = seen @ np.asarray(network.last.weight).T + np.asarray(network.last.bias)
        np.testing.assert_allclose(logits, network(images), rtol=1e-3, atol=1e-3)

    def test_of_more_images_than_a_chunk(self, trained, images):
        network, _ = trained
        many = np.tile(images, (2, 1, 1, 1))
        seen = classifier.features(network, many)
        assert len(many) > 500
        np.testing.assert_allclose(seen[len(images) :], seen[: len(images)], rtol=1e-3, atol=1e-4)

    def test_tell_real_images_from_noise(self, trained, images):
        network, _ = trained
        noise = np.random.default_rng(0).uniform(-1, 1, images.shape).astype(np.float32)
        real = training.real_images(DIGITS).images[: len(images)]
        alike, apart = (
            frechet(classifier.features(network, x), classifier.features(network, real))
            for x in (images, noise)
        )
        assert apart > 5 * alike

    @pytest.mark.parametrize("shape", [(3, 32, 32, 1), (3, 16, 16, 3), (3, 16, 8, 1)])
    def test_wrong_size(self, trained, shape):
        with pytest.raises(ValueError, match=r"`images` must be of the size .* Train another with"):
            classifier.features(trained[0], np.zeros(shape, np.float32))


class TestFeatureMetrics:
    def test_are_the_distances(self, trained, images):
        network, _ = trained
        real = training.real_images(DIGITS).images[:300]
        made, there = (classifier.features(network, x) for x in (images, real))
        found = feature_metrics(network, images, real)
        assert all(type(value) is float for value in found.values())
        assert found.pop("frechet") == frechet(made, there)
        expected = [
            *kernel_distance(made, there), *precision_recall(made, there),
            *density_coverage(made, there), *classes_covered(np.asarray(network(images))),
        ]  # fmt: skip
        assert list(found.values()) == pytest.approx(expected, rel=1e-6)
        assert tuple(found) == (
            "kernel", "kernel_error", "precision", "recall", "density", "coverage",
            "classes", "effective_classes",
        )  # fmt: skip

    def test_one_real_image_repeated(self, trained):
        """Precision may be that of real images; everything else tells."""
        network, _ = trained
        real = training.real_images(DIGITS).images[:800]
        floor = real_floor(network, real)
        found = feature_metrics(network, np.repeat(real[:1], 400, axis=0), real[400:])
        assert found["precision"] in (0, 1)
        assert found["recall"] == 0
        assert found["coverage"] < 0.1 < 0.8 < floor["coverage"]
        assert (found["classes"], floor["classes"]) == (1, 10)
        assert found["frechet"] > 10 * floor["frechet"]
        assert found["kernel"] > 10 * floor["kernel_error"]

    def test_real_floor(self, trained):
        """Halves of one set: the kernel's distance is 0 within its error, density about 1."""
        network, _ = trained
        real = training.real_images(DIGITS).images
        floors = [real_floor(network, real[:801], seed=seed) for seed in (0, 0, 1)]
        assert floors[0] == floors[1] != floors[2]
        for floor in floors:
            assert abs(floor["kernel"]) < 3 * floor["kernel_error"]
            assert floor["density"] == pytest.approx(1, abs=0.15)
            assert floor["coverage"] == pytest.approx(0.97, abs=0.05)
            assert floor["classes"] == 10


class TestFiles:
    def test_come_back_the_same(self, trained, images, tmp_path):
        file = tmp_path / "new" / "digits.eqx"
        classifier.write(file, *trained)
        network, known = classifier.read(file)
        assert known == trained[1]
        assert np.array_equal(network(images), trained[0](images))
        assert [path.name for path in file.parent.iterdir()] == ["digits.eqx"]

    @pytest.mark.parametrize("left", [0, 10, 200, -1, -3000])
    def test_truncated(self, trained, tmp_path, left):
        file = tmp_path / "digits.eqx"
        classifier.write(file, *trained)
        file.write_bytes(file.read_bytes()[:left])
        with pytest.raises(ValueError, match=r"is no whole classifier: .* train it again with"):
            classifier.read(file)

    def test_none(self, tmp_path):
        with pytest.raises(FileNotFoundError):
            classifier.read(tmp_path / "digits.eqx")
