"""The stored study: what is observed, and that it goes on where it was killed."""

from dataclasses import replace

import jax
import numpy as np
import pytest

from freezechaos import data
from freezechaos.gan import PRESETS, game, indicators, study, training

TINY = replace(
    PRESETS["smoke"], width=4, discriminator_width=2, convolutions=0, latent=4, batch=4,
    record=20, save=40, steps=40,
)  # fmt: skip
IMAGES = np.random.default_rng(0).uniform(-1, 1, (16, 16, 16, 1)).astype(np.float32)


@pytest.fixture(scope="module")
def seen() -> study.Run:
    return study.run(TINY, IMAGES)


def test_observes_from_birth_to_end(seen, tmp_path):
    assert seen.steps.tolist() == [0, 20, 40]
    assert seen.frames.shape == (3, study.LATENTS, 16, 16, 1)
    trained = training.train(TINY, tmp_path, progress=False, images=IMAGES)
    last = training.metrics_of(tmp_path / "metrics.jsonl")[-1]
    for name, values in seen.metrics.items():
        assert values[-1] == pytest.approx(last[name], rel=1e-4), name
    shown = game.samples(trained.generator, study.LATENTS, key=game.keys(0).fixed)
    assert seen.frames[-1] == pytest.approx((shown + 1) * 127.5, abs=0.6)


def test_birth_is_the_untrained_generator(seen):
    born = game.observe(game.initial(TINY))
    assert seen.metrics["diversity"][0] == pytest.approx(float(born["diversity"]), rel=1e-5)
    assert np.isnan(seen.metrics["generator"][0])


def test_goes_on_and_reads_back(seen, tmp_path, monkeypatch):
    made = []

    def run(preset):
        made.append(preset.seed)
        return replace(seen, preset=preset)

    monkeypatch.setattr(study, "SETTINGS", {"freeze": TINY})
    monkeypatch.setattr(study, "run", run)
    study.study(2, tmp_path, progress=False)
    assert made == [0, 1]
    assert study.real(tmp_path).keys() == set(seen.metrics) - {
        "step", "discriminator", "generator", "finite"
    }  # fmt: skip
    study.study(3, tmp_path, progress=False)
    assert made == [0, 1, 2]
    first, *others = study.stored("freeze", tmp_path)
    assert np.array_equal(first.frames, seen.frames)
    assert [one.frames for one in others] == [None, None]
    assert [one.preset.seed for one in (first, *others)] == [0, 1, 2]
    np.testing.assert_allclose(first.metrics["diversity"], seen.metrics["diversity"], rtol=1e-4)
    monkeypatch.setattr(study, "SETTINGS", {"freeze": replace(TINY, beta=0.2)})
    study.study(1, tmp_path, progress=False)
    assert made == [0, 1, 2, 0]


@pytest.mark.parametrize("name", study.SETTINGS)
def test_what_comes_with_the_package_is_the_study_of_today(name):
    runs = study.stored(name)
    assert [one.preset for one in runs] == [
        replace(study.SETTINGS[name], seed=seed) for seed in range(3)
    ]
    assert runs[0].frames.shape == (len(study.FRAMES), study.LATENTS, 32, 32, 1)
    for one in runs:
        assert one.steps.tolist() == list(range(0, 401, 20))
        for metric, values in one.metrics.items():
            of_training = metric in ("discriminator", "generator")
            assert np.isfinite(values[1 if of_training else 0 :]).all(), metric


@pytest.mark.parametrize("name", ["freeze", "batchnorm", "usual"])
def test_stored_runs_are_born_as_today(name):
    first, *_ = study.stored(name)
    born = game.observe(game.initial(first.preset))
    for metric in ("diversity", "checkerboard_2", "border_contrast"):
        assert first.metrics[metric][0] == pytest.approx(float(born[metric]), rel=1e-3), metric
    network, key = game.initial(first.preset).generator, game.keys(0).fixed
    shown = (game.samples(network, study.LATENTS, key=key) + 1) * 127.5
    assert first.frames[0] == pytest.approx(shown, abs=1)


@pytest.mark.images
def test_real_images_are_those_of_the_indicators():
    if not data.available("fashion_mnist"):
        pytest.skip("needs Fashion-MNIST")
    real = training.real_images(study.SETTINGS["freeze"]).images[: study.REAL]
    found = indicators.image_metrics(real)
    for name, value in study.real().items():
        assert value == pytest.approx(float(found[name]), abs=1e-5), name


def test_over_seeds_is_a_mean_with_its_standard_error():
    ends = [one.metrics["diversity"][-2:].mean() for one in study.stored("freeze")]
    mean, error = study.over_seeds("freeze", "diversity", 380, 400)
    assert mean == pytest.approx(sum(ends) / 3)
    assert error == pytest.approx(sum((end - mean) ** 2 for end in ends) ** 0.5 / 6**0.5)


@pytest.mark.parametrize(
    ("metric", "since", "message"),
    [
        ("variety", 0, "`metric` must be one of step, .*diversity"),
        ("diversity", 401, "every 20 up to 400; got 401 and 410"),
    ],
)
def test_over_seeds_of_nothing(metric, since, message):
    with pytest.raises(ValueError, match=message):
        study.over_seeds("freeze", metric, since, 410)


def test_nothing_stored(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"must hold chaos\.json; .* Make it with"):
        study.stored("chaos", tmp_path)


def test_unknown_setting():
    with pytest.raises(ValueError, match="must be one of freeze, edge"):
        study.stored("frieze")


def test_says_where_it_was_made():
    assert jax.__version__ in study.made()
