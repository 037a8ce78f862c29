"""Experiments as data: what is observed, stored and read, and that a study goes on when killed."""

import os
import signal
import subprocess
import sys
import zlib
from dataclasses import replace
from pathlib import Path

import jax
import numpy as np
import pytest

from freezechaos import data
from freezechaos.gan import PRESETS, experiments, game, study, training
from freezechaos.gan.experiments import EXPERIMENTS, Experiment

TINY = replace(
    PRESETS["smoke"], width=4, discriminator_width=2, convolutions=0, latent=4, batch=4,
    record=20, save=20, steps=40,
)  # fmt: skip
IMAGES = np.random.default_rng(0).uniform(-1, 1, (16, 16, 16, 1)).astype(np.float32)
ASKED = Experiment(
    "Does β = 0.2 matter?", TINY, {"β = 0.1": {}, "β = 0.2": {"beta": 0.2}}, seeds=2,
    frames=(0, 1, 5, 40, 50), samples=10,
)  # fmt: skip
QUALITY = {"frechet": 2.5, "kernel": np.nan, "diversity": 0.5}
STORED = sorted(
    (name, setting)
    for name, one in EXPERIMENTS.items()
    for setting in one.settings
    if (study.STORED / study.slug(name) / f"{study.slug(setting)}.json").exists()
)


@pytest.fixture(scope="module")
def seen(tmp_path_factory) -> study.Run:
    folder = tmp_path_factory.mktemp("run")
    return study.run(TINY, folder, frames=ASKED.frames, samples=10, images=IMAGES, judge=False)


def on_noise(patch: pytest.MonkeyPatch, folder: Path) -> Path:
    """The experiment on noise; where it stores, in a folder that is the working directory."""
    patch.chdir(folder)
    patch.setitem(experiments.EXPERIMENTS, "asked", ASKED)
    patch.setattr(study, "_store_real", lambda *_: None)
    patch.setattr(study, "quality", lambda *_: QUALITY)
    patch.setattr(training, "real_images", lambda *_: data.Images(IMAGES, None, (), "noise"))
    return folder / "made"


@pytest.fixture
def asked(monkeypatch, tmp_path):
    """In an empty folder."""
    return on_noise(monkeypatch, tmp_path)


@pytest.fixture(scope="module")
def run_once(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("study")
    with pytest.MonkeyPatch.context() as patch:
        study.study("asked", on_noise(patch, folder), progress=False)
    return folder


@pytest.fixture
def made(run_once, monkeypatch):
    """With all that is asked in it; to be read only."""
    return on_noise(monkeypatch, run_once)


class TestRun:
    def test_observes_from_birth_to_end(self, seen, tmp_path):
        """Frames and metrics are those of a run that nobody watches."""
        assert seen.times == (0, 1, 5, 40)
        assert seen.steps.tolist() == [0, 1, 5, 20, 40]
        assert seen.frames.shape == (4, study.LATENTS, 16, 16, 1)
        trained = training.train(TINY, tmp_path, progress=False, images=IMAGES)
        last = training.metrics_of(tmp_path / "metrics.jsonl")[-1]
        for name in ("diversity", "lattice", "border_contrast"):
            assert seen.metrics[name][-1] == pytest.approx(last[name], rel=1e-4), name
        key = game.keys(0).fixed
        shown = game.samples(trained.generator, key=key)[: study.LATENTS]
        np.testing.assert_allclose(seen.frames[-1], (shown + 1) * 127.5, atol=0.6)
        shown = game.samples(trained.average, key=key)[:10]
        np.testing.assert_allclose(seen.samples, (shown + 1) * 127.5, atol=0.6)

    def test_birth_is_the_untrained_generator(self, seen):
        born = game.observe(game.initial(TINY))
        assert seen.metrics["diversity"][0] == pytest.approx(float(born["diversity"]), rel=1e-5)
        assert np.isnan(seen.metrics["generator"][0])
        assert np.isfinite(seen.metrics["accuracy"][1:]).all()

    def test_says_where_it_was_made(self, seen):
        assert jax.__version__ in seen.made
        assert "freezechaos" in seen.made


class TestStudy:
    def test_stores_what_is_read(self, made, tmp_path):
        for setting in ASKED.settings:
            runs = study.stored("asked", setting, made)
            assert [one.preset for one in runs] == [ASKED.preset(setting, seed) for seed in (0, 1)]
        again = study.run(
            ASKED.preset("β = 0.2", 1), tmp_path, frames=ASKED.frames, samples=10, judge=False
        )
        last = runs[1]
        np.testing.assert_array_equal(last.frames, again.frames)
        np.testing.assert_array_equal(last.samples, again.samples)
        assert last.times == again.times
        assert last.quality.keys() == QUALITY.keys()
        assert np.isnan(last.quality["kernel"])
        for name, values in again.metrics.items():
            np.testing.assert_allclose(last.metrics[name], values, rtol=1e-4)
        assert not any((made.parent / study.UNFINISHED).rglob("*.npy"))
        for array in (last.frames, last.samples, last.metrics["diversity"]):
            with pytest.raises(ValueError, match="read-only"):
                array[...] = 0

    def test_goes_on(self, asked, monkeypatch):
        """What is stored is kept, more seeds are added, and another preset is run anew."""
        made = []
        run = study.run

        def counted(preset, *rest, **options):
            made.append((preset.beta, preset.seed))
            return run(preset, *rest, **options)

        monkeypatch.setattr(study, "run", counted)
        study.study("asked", asked, seeds=1, progress=False)
        study.study("asked", asked, progress=False)
        assert made == [(0.1, 0), (0.2, 0), (0.1, 1), (0.2, 1)]  # a seed, then one more
        assert len(study.stored("asked", "β = 0.1", asked)) == 2
        study.study("asked", asked, seeds=3, progress=False)
        assert made[4:] == [(0.1, 2), (0.2, 2)]
        assert len(study.stored("asked", "β = 0.1", asked)) == 3
        other = replace(ASKED, settings={**ASKED.settings, "β = 0.2": {"beta": 0.3}})
        monkeypatch.setitem(experiments.EXPERIMENTS, "asked", other)
        study.study("asked", asked, seeds=1, progress=False)
        assert made[6:] == [(0.3, 0)]

    def test_one_that_diverges_stops_no_other(self, asked, monkeypatch):
        hot = {"beta": 0.1, "optimizer": "sgd", "generator_rate": 1e30}
        other = replace(ASKED, settings={"hot": hot, "β = 0.2": {"beta": 0.2}}, seeds=1)
        monkeypatch.setitem(experiments.EXPERIMENTS, "asked", other)
        with pytest.raises(training.DivergedError, match=r"all else .*\nhot, seed 0: .*not finite"):
            study.study("asked", asked, progress=False)
        assert len(study.stored("asked", "β = 0.2", asked)) == 1

    def test_after_a_kill_it_is_the_same_run(self, seen, tmp_path):
        """Killed at the frame of step 5, the run goes on to the same numbers and frames."""
        code = (
            "import os, signal, sys; sys.path.insert(0, sys.argv[1]); import test_gan_study as me; "
            "from pathlib import Path; from freezechaos.gan import study; "
            "write = study.write_atomically; "
            "study.write_atomically = lambda file, content: os.kill(os.getpid(), signal.SIGKILL) "
            "if file.name == '000040.npy' else write(file, content); "
            "study.run(me.TINY, Path(sys.argv[2]), frames=me.ASKED.frames, images=me.IMAGES, "
            "judge=False)"
        )
        folder = tmp_path / "killed"
        killed = subprocess.run(
            [sys.executable, "-W", "error", "-c", code, str(Path(__file__).parent), str(folder)],
            env=dict(os.environ), capture_output=True, text=True, timeout=300,
        )  # fmt: skip
        assert killed.returncode == -signal.SIGKILL, killed.stderr
        assert sorted(path.stem for path in (folder / "frames").iterdir()) == [
            "000000", "000001", "000005"
        ]  # fmt: skip
        after = study.run(TINY, folder, frames=ASKED.frames, samples=10, images=IMAGES, judge=False)
        np.testing.assert_array_equal(after.frames, seen.frames)
        np.testing.assert_array_equal(after.samples, seen.samples)
        for name, values in seen.metrics.items():
            np.testing.assert_array_equal(after.metrics[name], values)

    def test_summary_is_a_line_a_setting(self, asked, monkeypatch):
        study.study("asked", asked, seeds=1, progress=False)
        monkeypatch.setattr(study, "real", lambda *_: {"lattice": 0.5})
        monkeypatch.setattr(study, "_COLUMNS", ("frechet",))
        _, head, *lines = study.summary("asked", asked).splitlines()
        assert head.split() == ["setting", "seeds", "steps", "frechet", "diversity", "lattice/real"]
        one, other = (line.split() for line in lines)
        assert one[:3] == ["β", "=", "0.1"]
        assert one[3:8] == ["1", "40", "2.5", "±", "nan"]
        late = study.over_seeds("asked", "β = 0.2", "lattice", 32, asked)[0]
        assert float(other[11]) == pytest.approx(late / 0.5, rel=0.01)


class TestOverSeeds:
    def test_is_a_mean_with_its_standard_error(self, made):
        ends = [
            one.metrics["diversity"][-2:].mean() for one in study.stored("asked", "β = 0.1", made)
        ]
        mean, error = study.over_seeds("asked", "β = 0.1", "diversity", 20, made)
        assert mean == pytest.approx(sum(ends) / 2)
        assert error == pytest.approx(abs(ends[0] - ends[1]) / 2)

    def test_of_what_is_measured_at_the_end(self, made):
        assert study.over_seeds("asked", "β = 0.1", "diversity", folder=made) == (0.5, 0)
        assert study.over_seeds("asked", "β = 0.1", "frechet", folder=made) == (2.5, 0)

    @pytest.mark.parametrize(
        ("metric", "since", "message"),
        [
            ("variety", 0, "`metric` must be one of step, .*diversity"),
            ("diversity", 41, "must have a step of the metrics between them, up to 40; got 41"),
        ],
    )
    def test_of_nothing(self, made, metric, since, message):
        with pytest.raises(ValueError, match=message):
            study.over_seeds("asked", "β = 0.1", metric, since, made)


class TestErrors:
    def test_nothing_stored(self, tmp_path):
        with pytest.raises(FileNotFoundError, match=r"chaos\.json; .* Make it with python"):
            study.stored("headline", "chaos", tmp_path)
        with pytest.raises(FileNotFoundError, match=r"must hold real-fashion_mnist-32x1\.json"):
            study.real("headline", tmp_path)

    def test_unknown_names(self):
        with pytest.raises(ValueError, match="`name` must be one of activation and bias, depth"):
            study.stored("deadline", "chaos")
        with pytest.raises(ValueError, match="`setting` must be one of freeze, edge, chaos"):
            study.stored("headline", "frieze")


class TestWhatComesWithThePackage:
    def test_names_make_files_of_their_own(self):
        for name, one in EXPERIMENTS.items():
            assert len({study.slug(setting) for setting in one.settings}) == len(one.settings), name
        assert len(set(map(study.slug, EXPERIMENTS))) == len(EXPERIMENTS)

    def test_fits(self):
        """The repository stays small, and nothing lies there that no experiment names."""
        files = [path for path in study.STORED.rglob("*") if path.is_file()]
        in_git = (len(zlib.compress(path.read_bytes())) for path in files)
        assert sum(in_git) < 12e6
        known = {study.STORED / study.slug(name) / study.slug(setting) for name, setting in STORED}
        runs = {path.with_name(path.name.removesuffix(path.suffix)) for path in files
                if path.parent != study.STORED}  # fmt: skip
        assert runs == known

    @pytest.mark.parametrize(("name", "setting"), STORED)
    def test_is_the_experiment_of_today(self, name, setting):
        one = EXPERIMENTS[name]
        runs = study.stored(name, setting)
        assert [run.preset for run in runs] == [one.preset(setting, i) for i in range(len(runs))]
        for run in runs:
            times = tuple(time for time in one.frames if time <= run.preset.steps)
            assert run.times == times
            assert run.frames.shape[:2] == (len(times), study.LATENTS)
            assert len(run.samples) == one.samples
            assert set(run.times) <= set(run.steps)
            assert run.steps[-1] == run.preset.steps
            for metric, values in run.metrics.items():
                of_training = metric in ("discriminator", "generator", "accuracy")
                assert np.isfinite(values[1 if of_training else 0 :]).all(), metric
            assert np.isfinite(list(run.quality.values())).all()

    @pytest.mark.parametrize("setting", ["freeze", "batch norm"])
    def test_is_born_as_today(self, setting):
        first, *_ = study.stored("headline", setting)
        state = game.initial(first.preset)
        born = game.observe(state)
        for metric in ("diversity", "lattice", "border_contrast"):
            assert first.metrics[metric][0] == pytest.approx(float(born[metric]), rel=1e-3), metric
        shown = game.samples(state.generator, key=game.keys(0).fixed)[: study.LATENTS]
        np.testing.assert_allclose(first.frames[0], (shown + 1) * 127.5, atol=1)

    @pytest.mark.images
    def test_makes_the_same_first_steps(self):
        """Two steps of descent: their losses, and the images after them."""
        if not data.available("fashion_mnist"):
            pytest.skip("needs Fashion-MNIST")
        first, *_ = study.stored("headline", "chaos")
        real = training.real_images(first.preset).images
        state, losses = game.advance(
            jax.numpy.asarray(real), game.initial(first.preset), first.preset, count=1
        )
        known = {name: first.metrics[name][1] for name in ("discriminator", "generator")}
        assert float(losses.discriminator[0]) == pytest.approx(known["discriminator"], rel=1e-3)
        assert float(losses.generator[0]) == pytest.approx(known["generator"], rel=1e-3)
        shown = game.samples(state.generator, key=game.keys(0).fixed)[: study.LATENTS]
        np.testing.assert_allclose(first.frames[1], (shown + 1) * 127.5, atol=2)

    def test_real_images_have_a_floor(self):
        floor = study.real("headline")
        assert floor["frechet"] < 3
        assert min(floor["precision"], floor["recall"], floor["coverage"]) > 0.85
        assert floor["classes"] == 10
