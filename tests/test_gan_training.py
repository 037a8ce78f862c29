"""Training: the step against one written out, runs that go on as if nothing had happened."""

import json
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from freezechaos.gan import LOSSES, PRESETS, training
from freezechaos.gan.checkpoints import (
    BrokenCheckpointError,
    ChangedPresetError,
    Checkpoints,
    SaveError,
    read_preset,
)

TINY = replace(
    PRESETS["smoke"], width=4, discriminator_width=2, convolutions=0, latent=4, batch=4,
    record=2, save=2, steps=4, keep=3,
)  # fmt: skip
IMAGES = np.random.default_rng(0).uniform(-1, 1, (16, 16, 16, 1)).astype(np.float32)


def run(folder: Path, steps: int = 4, **changes) -> training.State:
    preset = replace(TINY, steps=steps, **changes)
    return training.train(preset, folder, progress=False, images=IMAGES)


def arrays(state: training.State) -> list[np.ndarray]:
    return [np.asarray(leaf) for leaf in jax.tree.leaves(eqx.filter(state, eqx.is_array))]


def same(one: training.State, other: training.State) -> bool:
    pairs = zip(arrays(one), arrays(other), strict=True)
    return all(a.tobytes() == b.tobytes() for a, b in pairs)


def metrics(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> tuple[Path, training.State]:
    folder = tmp_path_factory.mktemp("whole")
    return folder, run(folder, 8)


class TestBatches:
    def test_are_functions_of_seed_and_step(self):
        first = training.initial(TINY)

        @jax.jit
        def draw(step, seed):
            state = eqx.tree_at(lambda state: (state.step, state.seed), first, (step, seed))
            return training.batch(jnp.asarray(IMAGES), state, TINY)

        (real, z), (again, z_again), (other, z_other) = draw(3, 0), draw(3, 0), draw(4, 0)
        assert not np.array_equal(draw(3, 1)[1], z)
        assert np.array_equal(real, again)
        assert np.array_equal(z, z_again)
        assert not np.array_equal(real, other)
        assert not np.array_equal(z, z_other)

    def test_latents_lie_on_the_sphere(self):
        z = training.latents(jax.random.key(0), 5, 7)
        np.testing.assert_allclose(np.sum(np.square(z), axis=1), 7, rtol=1e-5)


class TestStep:
    def test_is_adam_on_the_two_losses(self):
        """The first step of Adam is the rate times the sign of the slope."""
        state, loss = training.initial(TINY), LOSSES[TINY.loss]

        @eqx.filter_jit
        def both(images, state):
            after, losses = training.step(images, state, TINY)
            real, z = training.batch(images, state, TINY)
            judge = after.discriminator
            first = eqx.filter_value_and_grad(
                lambda judge: loss.discriminator(judge(real), judge(state.generator(z)))
            )(state.discriminator)
            second = eqx.filter_value_and_grad(lambda maker: loss.generator(judge(maker(z))))(
                state.generator
            )
            return after, losses, first, second

        after, losses, first, second = both(jnp.asarray(IMAGES), state)
        np.testing.assert_allclose([first[0], second[0]], losses, rtol=1e-5)
        for slope, old, new, rate in (
            (first[1], state.discriminator, after.discriminator, TINY.discriminator_rate),
            (second[1], state.generator, after.generator, TINY.generator_rate),
        ):
            for g, a, b in zip(slope.weights, old.weights, new.weights, strict=True):
                clear = np.abs(g) > 1e-5
                step = np.asarray(b - a)[clear]
                np.testing.assert_allclose(step, -rate * np.sign(g)[clear], rtol=0.02)
        assert int(after.step) == 1

    def test_rates_by_layer(self):
        images, state = jnp.asarray(IMAGES), training.initial(TINY)
        preset = replace(TINY, gamma=0.5)
        after, _ = eqx.filter_jit(training.step)(images, training.initial(preset), preset)
        moved = [
            float(jnp.max(jnp.abs(new - old)))
            for new, old in zip(after.generator.weights, state.generator.weights, strict=True)
        ]
        np.testing.assert_allclose(moved, TINY.generator_rate * np.array([1, 1, 0.5]), rtol=0.02)

    def test_average_trails(self, whole):
        _, state = whole
        far = [
            float(jnp.max(jnp.abs(a - b)))
            for a, b in zip(state.generator.weights, state.average.weights, strict=True)
        ]
        assert min(far) > 1e-5

    def test_bfloat16_keeps_float32_weights(self):
        preset = replace(TINY, compute="bfloat16", loss="hinge", discriminator_norm="batch")
        state, losses = training.advance(jnp.asarray(IMAGES), training.initial(preset), preset)
        assert {leaf.dtype.name for leaf in arrays(state)} == {"float32", "int32"}
        assert np.isfinite(losses.discriminator).all()


class TestGoingOn:
    def test_is_the_same_run(self, whole, tmp_path):
        folder, state = whole
        run(tmp_path, 2)
        run(tmp_path, 6)
        assert same(run(tmp_path, 8), state)
        assert metrics(tmp_path) == metrics(folder)
        assert [line["step"] for line in metrics(folder)] == [2, 4, 6, 8]

    def test_keeps_so_many(self, whole):
        folder, _ = whole
        assert sorted(path.name for path in (folder / "checkpoints").iterdir()) == ["4", "6", "8"]

    def test_half_a_line_is_left_out(self, tmp_path):
        run(tmp_path, 2)
        with (tmp_path / "metrics.jsonl").open("a") as file:
            file.write('{"step": 4, "discr')
        run(tmp_path, 4)
        assert [line["step"] for line in metrics(tmp_path)] == [2, 4]

    def test_after_kill(self, whole, tmp_path):
        """Killed by the system at whatever it is doing, several times over."""
        code = (
            "import sys, warnings; sys.path.insert(0, sys.argv[1]); warnings.simplefilter('error');"
            "import test_gan_training as t; from pathlib import Path; t.run(Path(sys.argv[2]), 8)"
        )
        command = [sys.executable, "-c", code, str(Path(__file__).parent), str(tmp_path)]
        process = subprocess.Popen(command, stderr=subprocess.PIPE)
        deadline = time.monotonic() + 120
        while not list(tmp_path.glob("checkpoints/[0-9]*")) and time.monotonic() < deadline:
            assert process.poll() is None, process.stderr.read().decode()
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stderr.close()
        assert same(run(tmp_path, 8), whole[1])
        assert metrics(tmp_path) == metrics(whole[0])


def damage(folder: Path, step: int, how) -> None:
    data = max((folder / "checkpoints" / str(step)).rglob("d/*"), key=lambda f: f.stat().st_size)
    content = bytearray(data.read_bytes())
    data.write_bytes(how(content))


@pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning"
)  # Orbax's, broken off
class TestAccidents:
    @pytest.mark.parametrize(
        "how",
        [
            lambda content: content[: len(content) // 2],
            lambda content: b"",
            lambda content: content[:-9] + bytes(9),
            lambda content: bytes(len(content)),
        ],
        ids=["truncated", "empty", "tail", "zeros"],
    )
    def test_damaged_checkpoint(self, whole, tmp_path, how):
        run(tmp_path, 4)
        damage(tmp_path, 4, how)
        with pytest.warns(UserWarning, match="step 4 is damaged .* The one before it is taken"):
            state = run(tmp_path, 8)
        assert same(state, whole[1])
        assert (tmp_path / "broken" / "4.0").is_dir()

    def test_all_damaged(self, tmp_path):
        run(tmp_path, 2)
        damage(tmp_path, 2, lambda content: content[:10])
        with (
            pytest.warns(UserWarning, match="step 2 is damaged"),
            pytest.raises(BrokenCheckpointError, match="give the same command again to begin"),
        ):
            run(tmp_path, 2)
        assert int(run(tmp_path, 2).step) == 2

    def test_changed_preset(self, tmp_path):
        run(tmp_path, 2)
        with pytest.raises(ChangedPresetError, match=r"which has beta=0\.1; got beta=0\.2\. Take"):
            run(tmp_path, 4, beta=0.2)
        assert read_preset(tmp_path).beta == 0.1

    def test_nan_is_not_saved(self, tmp_path):
        run(tmp_path, 2)
        state, poisoned = training.initial(TINY), IMAGES.copy()
        poisoned[:] = np.nan
        with pytest.raises(training.DivergedError, match=r"after step 4: .* of step 2 is\. Train"):
            training.train(TINY, tmp_path, progress=False, images=poisoned)
        with Checkpoints(tmp_path, TINY) as kept:
            assert kept.newest == 2
            assert all(np.isfinite(leaf).all() for leaf in arrays(kept.restore(state)))

    def test_full_disk(self, tmp_path):
        resource = pytest.importorskip("resource")
        state = run(tmp_path, 2)
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        later = eqx.tree_at(lambda state: state.step, state, jnp.asarray(4, jnp.int32))
        with Checkpoints(tmp_path, TINY) as kept:
            resource.setrlimit(resource.RLIMIT_FSIZE, (2048, hard))
            try:
                with pytest.raises(SaveError, match=r"step 4 could not be written .* goes on from"):
                    kept.save(later)
            finally:
                resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        with Checkpoints(tmp_path, TINY) as kept:
            assert kept.newest == 2
            assert same(kept.restore(training.initial(TINY)), state)

    @pytest.mark.parametrize("text", ["{", '{"colour": 1}', '{"data": "digits", "size": 17}'])
    def test_damaged_preset(self, tmp_path, text):
        (tmp_path / "preset.json").write_text(text)
        with pytest.raises(ValueError, match="does not describe a run"):
            read_preset(tmp_path)

    def test_no_run(self, tmp_path):
        with pytest.raises(FileNotFoundError, match=r"has no preset.json\. Make one with"):
            read_preset(tmp_path / "nowhere")
