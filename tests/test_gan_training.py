"""Training: the step against one written out, runs that go on as if nothing had happened."""

import gc
import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from freezechaos import data
from freezechaos.gan import LOSSES, PRESETS, game, training
from freezechaos.gan.checkpoints import (
    BrokenCheckpointError,
    ChangedPresetError,
    Checkpoints,
    FolderInUseError,
    OtherVersionError,
    SaveError,
    alone,
    read_preset,
)
from freezechaos.gan.losses import squared_slope

TINY = replace(
    PRESETS["smoke"], width=4, discriminator_width=2, convolutions=0, latent=4, batch=4,
    record=2, save=2, steps=4, keep=3,
)  # fmt: skip
IMAGES = np.random.default_rng(0).uniform(-1, 1, (16, 16, 16, 1)).astype(np.float32)

# What Orbax leaves behind when it breaks off a save or a restore: coroutines, and TensorStore's
# answers to an event loop that is gone, from a thread of its own.
pytestmark = [
    pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning"),
    pytest.mark.filterwarnings(
        "ignore:(?s).*Event loop is closed:pytest.PytestUnraisableExceptionWarning"
    ),
]


def run(folder: Path, steps: int = 4, **changes) -> game.State:
    preset = replace(TINY, steps=steps, **changes)
    return training.train(preset, folder, progress=False, images=IMAGES)


def arrays(state: game.State) -> list[np.ndarray]:
    return [np.asarray(leaf) for leaf in jax.tree.leaves(eqx.filter(state, eqx.is_array))]


def same(one: game.State, other: game.State) -> bool:
    pairs = zip(arrays(one), arrays(other), strict=True)
    return all(a.tobytes() == b.tobytes() for a, b in pairs)


def metrics(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


VARIANTS = {
    "plain": {},
    "descent": {"optimizer": "sgd", "loss": "relativistic", "penalty": "r1_r2", "gamma": 0.5},
    "dcgan": {
        "norm": "before", "norm_parameters": True, "weights": "dcgan", "parametrization": "gain",
        "discriminator_norm": "batch", "loss": "least_squares",
    },
    "spectral": {"discriminator_norm": "spectral", "loss": "hinge", "penalty": "r1"},
}  # fmt: skip
"""Every optimizer, loss, penalty and norm once."""


def run_until(moment: int, folder: str, variant: str) -> None:
    """Run, and kill this process before the so many-th thing it does to a file of the folder."""
    done = 0

    def count(event: str, arguments: tuple) -> None:
        nonlocal done
        if event.startswith(("open", "os.", "shutil.")) and folder in str(arguments[0]):
            done += 1
            if done == moment:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(count)
    run(Path(folder), 8, **VARIANTS[variant])


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> tuple[Path, game.State]:
    folder = tmp_path_factory.mktemp("whole")
    return folder, run(folder, 8)


class TestBatches:
    def test_are_functions_of_seed_and_step(self):
        first = game.initial(TINY)

        @jax.jit
        def draw(step, seed):
            state = eqx.tree_at(lambda state: (state.step, state.seed), first, (step, seed))
            return game.batch(jnp.asarray(IMAGES), state, TINY)

        (real, z), (again, z_again), (other, z_other) = draw(3, 0), draw(3, 0), draw(4, 0)
        assert not np.array_equal(draw(3, 1)[1], z)
        assert np.array_equal(real, again)
        assert np.array_equal(z, z_again)
        assert not np.array_equal(real, other)
        assert not np.array_equal(z, z_other)

    def test_latents_lie_on_the_sphere(self):
        z = game.latents(jax.random.key(0), 5, 7)
        np.testing.assert_allclose(np.sum(np.square(z), axis=1), 7, rtol=1e-5)


class TestStep:
    def test_is_adam_on_the_two_losses(self):
        """The first step of Adam is the rate times the sign of the slope."""
        state, loss = game.initial(TINY), LOSSES[TINY.loss]

        @eqx.filter_jit
        def both(images, state):
            after, losses = game.step(images, state, TINY)
            real, z = game.batch(images, state, TINY)
            judge = after.discriminator
            first = eqx.filter_value_and_grad(
                lambda judge: loss.discriminator(judge(real), judge(state.generator(z)))
            )(state.discriminator)
            second = eqx.filter_value_and_grad(
                lambda maker: loss.generator(judge(real), judge(maker(z)))
            )(state.generator)
            return after, losses[:2], first, second

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

    def test_three_steps_written_out(self):
        """Adam with its memory, and the moving average, of all weights; gradients by plain roads.

        Where a gradient is next to nothing, Adam makes up to a rate of its rounding.
        """
        preset = replace(TINY, record=3, save=3, steps=3, average=0.15)
        images, state = jnp.asarray(IMAGES), game.initial(preset)
        loss, adam = LOSSES[preset.loss], optax.scale_by_adam(b1=preset.momentum)
        maker, judge = state.generator, state.discriminator
        average = maker
        memories = [adam.init(eqx.filter(network, eqx.is_array)) for network in (maker, judge)]

        def drawn(maker, z):
            return jnp.tanh(maker.network(z[:, None, None, :]))

        @eqx.filter_jit
        def of_judge(maker, judge, real, z):
            return eqx.filter_grad(
                lambda judge: loss.discriminator(judge(real), judge(drawn(maker, z)))
            )(judge)

        @eqx.filter_jit
        def of_maker(maker, judge, z):
            return eqx.filter_grad(lambda maker: loss.generator(None, judge(drawn(maker, z))))(
                maker
            )

        def adams(gradient, memory):
            with jax.numpy_dtype_promotion("standard"):  # it takes floats to the power of counts
                return adam.update(gradient, memory)

        for t in range(3):
            now = eqx.tree_at(lambda state: state.step, state, jnp.asarray(t, jnp.int32))
            real, z = game.batch(images, now, preset)
            updates, memories[1] = adams(of_judge(maker, judge, real, z), memories[1])
            judge = moved(judge, updates, preset.discriminator_rate)
            updates, memories[0] = adams(of_maker(maker, judge, z), memories[0])
            maker = moved(maker, updates, preset.generator_rate)
            d = min(0.15, (1 + t) / (10 + t))
            average = jax.tree.map(lambda a, b, d=d: d * a + (1 - d) * b, average, maker)
        after, _ = game.advance(images, state, preset)
        for ours, plain, rate in (
            (after.generator, maker, preset.generator_rate),
            (after.average, average, preset.generator_rate),
            (after.discriminator, judge, preset.discriminator_rate),
        ):
            for a, b in zip(jax.tree.leaves(ours), jax.tree.leaves(plain), strict=True):
                far = np.abs(np.asarray(a) - np.asarray(b)) / rate
                assert np.mean(far > 0.01) < 0.01
                assert far.max() < 3

    def test_seed_and_rate_may_be_traced(self):
        given = jax.jit(game.initial, static_argnums=0)(TINY, 3)
        own = game.initial(replace(TINY, seed=3))
        for a, b in zip(jax.tree.leaves(given), jax.tree.leaves(own), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-6)
        preset = replace(TINY, optimizer="sgd", generator_rate=0.25)
        slope = eqx.filter(own.generator, eqx.is_array)

        def update(preset, *rate):
            optimizer = game.optimizers(preset, *rate)[0]
            return game.updated(optimizer, slope, slope, optimizer.init(slope))[0]

        other = jax.jit(lambda rate: update(replace(preset, generator_rate=1), rate))
        layers = len(own.generator.weights)
        for rate in (0.25, jnp.full((layers, 2), 0.25)):
            for a, b in zip(*map(jax.tree.leaves, (other(rate), update(preset))), strict=True):
                np.testing.assert_array_equal(a, b)

    @pytest.mark.parametrize(("step", "share"), [(0, 1 / 10), (1, 2 / 11), (8, 0.5), (10**6, 0.9)])
    def test_the_average_forgets_its_birth_first(self, step, share):
        born, now = (game.initial(replace(TINY, seed=seed)).generator for seed in (0, 1))
        found = game.moving_average(born, now, jnp.asarray(step, jnp.int32), 0.9)
        for a, b, c in zip(*map(jax.tree.leaves, (born, now, found)), strict=True):
            np.testing.assert_allclose(c, share * a + (1 - share) * b, rtol=0, atol=1e-6)

    def test_gradient_descent(self):
        preset = replace(TINY, optimizer="sgd", generator_rate=0.3)
        images, state, loss = jnp.asarray(IMAGES), game.initial(preset), LOSSES[preset.loss]

        @eqx.filter_jit
        def both(images, state):
            after, _ = game.step(images, state, preset)
            _, z = game.batch(images, state, preset)
            slope = eqx.filter_grad(
                lambda maker: loss.generator(None, after.discriminator(maker(z)))
            )(state.generator)
            return after, slope

        after, slope = both(images, state)
        for g, a, b in zip(
            *map(jax.tree.leaves, (slope, state.generator, after.generator)), strict=True
        ):
            np.testing.assert_allclose(b - a, -0.3 * g, rtol=1e-3, atol=1e-6)

    @pytest.mark.parametrize("penalty", ["r1", "r1_r2"])
    def test_penalty_is_added(self, penalty):
        preset = replace(TINY, penalty=penalty, penalty_weight=2.5)
        images, state = jnp.asarray(IMAGES), game.initial(preset)

        @eqx.filter_jit
        def losses(images, state):
            real, z = game.batch(images, state, preset)
            judged = [real, state.generator(z)][: 1 if penalty == "r1" else 2]
            more = sum(squared_slope(state.discriminator, images) for images in judged)
            without = game.step(images, state, replace(preset, penalty="none"))[1]
            return game.step(images, state, preset)[1], without, more

        with_it, without, more = losses(images, state)
        np.testing.assert_allclose(
            with_it.discriminator, without.discriminator + 2.5 * more, rtol=1e-5
        )
        assert float(more) > 0.01

    def test_accuracy_is_the_discriminators_before_its_step(self):
        images, state = jnp.asarray(IMAGES), game.initial(TINY)
        real, z = game.batch(images, state, TINY)
        logits = state.discriminator(real), state.discriminator(state.generator(z))
        right = float((logits[0] > 0).mean() + (logits[1] < 0).mean()) / 2
        _, losses = game.advance(images, game.initial(TINY), TINY, count=1)
        assert float(losses.accuracy[0]) == right

    def test_rates_by_layer(self):
        images, state = jnp.asarray(IMAGES), game.initial(TINY)
        preset = replace(TINY, gamma=0.5)
        after, _ = eqx.filter_jit(game.step)(images, game.initial(preset), preset)
        moved = [
            float(jnp.max(jnp.abs(new - old)))
            for new, old in zip(after.generator.weights, state.generator.weights, strict=True)
        ]
        np.testing.assert_allclose(moved, TINY.generator_rate * np.array([1, 1, 0.5]), rtol=0.02)

    def test_one_by_one_or_in_one_call(self):
        """On a CPU every step is a call; elsewhere many are. Rounding aside that is the same.

        Adam makes up to a rate's difference of a rounding, where a slope is next to nothing.
        """
        images = jnp.asarray(IMAGES)
        one, losses = game.advance(images, game.initial(TINY), TINY)
        other, same_losses = game._many_steps(images, game.initial(TINY), TINY, None, TINY.record)
        np.testing.assert_allclose(losses, same_losses, rtol=1e-4)
        assert int(one.step) == int(other.step) == TINY.record
        for a, b in zip(arrays(one), arrays(other), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4)

    def test_bfloat16_keeps_float32_weights(self):
        preset = replace(TINY, compute="bfloat16", loss="hinge", discriminator_norm="batch")
        state, losses = game.advance(jnp.asarray(IMAGES), game.initial(preset), preset)
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

    def test_watched_steps_change_nothing(self, whole, tmp_path):
        """A run that stops to be watched is the same, and is watched once when it goes on."""
        seen = []
        watch = {step: lambda state: seen.append(int(state.step)) for step in (0, 1, 4, 7, 9)}
        for steps in (4, 8):
            preset = replace(TINY, steps=steps)
            state = training.train(preset, tmp_path, progress=False, images=IMAGES, watch=watch)
        assert same(state, whole[1])
        assert seen == [0, 1, 4, 7]
        assert [line["step"] for line in metrics(tmp_path)] == [1, 2, 4, 6, 7, 8]

    def test_on_other_images_is_refused(self, tmp_path):
        run(tmp_path, 2)
        with pytest.raises(ChangedPresetError, match=r"16 of checksum .* got 16 of checksum"):
            training.train(replace(TINY, steps=4), tmp_path, progress=False, images=-IMAGES)
        run(tmp_path, 4)

    def test_twice_at_once_is_refused(self, tmp_path):
        with (
            alone(tmp_path),
            pytest.raises(FolderInUseError, match=f"is trained in by process {os.getpid()} on"),
        ):
            run(tmp_path)
        run(tmp_path)

    def test_keeps_so_many(self, whole):
        folder, _ = whole
        assert sorted(path.name for path in (folder / "checkpoints").iterdir()) == ["4", "6", "8"]

    @pytest.mark.parametrize("broken", [b'{"step": 4, "discr', b"\xff\x00", b"[4]\n", b"{}\n"])
    def test_half_a_line_is_left_out(self, tmp_path, broken):
        run(tmp_path, 2)
        with (tmp_path / "metrics.jsonl").open("ab") as file:
            file.write(broken)
        run(tmp_path, 4)
        assert [line["step"] for line in metrics(tmp_path)] == [2, 4]

    @pytest.mark.parametrize(
        ("variant", "moment"),
        [*zip(VARIANTS, np.random.default_rng(0).integers(20, 110, 4).tolist(), strict=True)],
    )
    def test_after_kill(self, tmp_path, tmp_path_factory, variant, moment):
        """Killed by the system in the midst of writing; a whole run does 130 things to its files.

        The first 16 are to make folders, preset.json, images.json and the lock, the last 4 to drop
        an old checkpoint.
        """
        never = tmp_path_factory.mktemp("never-killed")
        expected = run(never, 8, **VARIANTS[variant])
        folder = tmp_path / "killed"
        folder.mkdir()
        code = (
            "import sys; sys.path.insert(0, sys.argv[1]); import test_gan_training as here; "
            "here.run_until(int(sys.argv[2]), *sys.argv[3:])"
        )
        arguments = [str(Path(__file__).parent), str(moment), str(folder), variant]
        killed = subprocess.run(
            [sys.executable, "-W", "error", "-c", code, *arguments],
            env=with_kept_code(tmp_path_factory.getbasetemp()), capture_output=True, text=True,
            timeout=300,
        )  # fmt: skip
        assert killed.returncode == -signal.SIGKILL, killed.stderr
        assert not (folder / "checkpoints" / "8").exists()
        assert same(run(folder, 8, **VARIANTS[variant]), expected)
        assert metrics(folder) == metrics(never)
        kept = sorted(path.name for path in (folder / "checkpoints").iterdir())
        assert kept == ["4", "6", "8"]


def with_kept_code(folder: Path) -> dict[str, str]:
    """The environment, and a folder for compiled code: the second process need not compile."""
    kept = {
        "JAX_COMPILATION_CACHE_DIR": str(folder / "compiled"),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0.02",
    }
    return dict(os.environ) | kept


def moved(network, updates, rate: float):
    return jax.tree.map(lambda weight, step: weight - rate * step, network, updates)


def listing(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def damage(folder: Path, step: int, how) -> None:
    """To every file that holds numbers; some have bytes that nobody reads."""
    for file in (folder / "checkpoints" / str(step)).rglob("d/*"):
        file.write_bytes(how(bytearray(file.read_bytes())))


class TestAccidents:
    @pytest.fixture(autouse=True)
    def collected(self):
        """Away with what Orbax leaves behind, here and not in a later test."""
        yield
        gc.collect()

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
            pytest.raises(
                BrokenCheckpointError, match=r"can be read\. .* or remove its folder broken to"
            ),
        ):
            run(tmp_path, 2)
        with pytest.raises(BrokenCheckpointError, match="remove its folder broken"):
            run(tmp_path, 2)
        assert metrics(tmp_path)
        shutil.rmtree(tmp_path / "broken")
        assert int(run(tmp_path, 2).step) == 2

    def test_another_version_is_left_where_it_is(self, tmp_path):
        """Other networks in the folder, as if the package had changed."""
        run(tmp_path, 2)
        wider = game.initial(replace(TINY, width=8))
        with (
            Checkpoints(tmp_path, TINY) as kept,
            pytest.raises(OtherVersionError, match=r"step 2 .* Go on with that version"),
        ):
            kept.restore(wider)
        assert int(run(tmp_path, 4).step) == 4

    def test_reading_moves_nothing(self, tmp_path):
        run(tmp_path, 4)
        damage(tmp_path, 4, lambda content: content[:10])
        before = listing(tmp_path)
        with (
            Checkpoints(tmp_path, TINY, reads_only=True) as kept,
            pytest.warns(UserWarning, match="step 4 is damaged .* The one before it is taken"),
        ):
            assert int(kept.restore(game.initial(TINY)).step) == 2
        damage(tmp_path, 2, lambda content: content[:10])
        with (
            Checkpoints(tmp_path, TINY, reads_only=True) as kept,
            pytest.warns(UserWarning, match="is damaged"),
            pytest.raises(BrokenCheckpointError, match="copy checkpoints back"),
        ):
            kept.restore(game.initial(TINY))
        assert listing(tmp_path) == before

    def test_mistake_leaves_no_folder(self, tmp_path):
        with pytest.raises(ValueError, match="must be one of relu"):
            run(tmp_path / "new", activation="rleu")
        assert not (tmp_path / "new").exists()

    def test_changed_preset(self, tmp_path):
        run(tmp_path, 2)
        with pytest.raises(ChangedPresetError, match=r"which has beta=0\.1; got beta=0\.2\. Take"):
            run(tmp_path, 4, beta=0.2)
        assert read_preset(tmp_path).beta == 0.1

    def test_nan_is_not_saved(self, tmp_path, monkeypatch):
        run(tmp_path, 2)
        state, poisoned = game.initial(TINY), IMAGES.copy()
        poisoned[:] = np.nan
        monkeypatch.setattr(training, "own_images", lambda _, images: images)
        (tmp_path / "images.json").unlink()  # else they would be refused as others
        with pytest.raises(training.DivergedError, match=r"after step 4: .* is finite\. Train"):
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
            assert same(kept.restore(game.initial(TINY)), state)

    @pytest.mark.parametrize("text", ["{", '{"colour": 1}', '{"data": "digits", "size": 17}'])
    def test_damaged_preset(self, tmp_path, text):
        (tmp_path / "preset.json").write_text(text)
        with pytest.raises(ValueError, match="does not describe a run"):
            read_preset(tmp_path)

    def test_no_run(self, tmp_path):
        with pytest.raises(FileNotFoundError, match=r"has no preset.json\. Make one with"):
            read_preset(tmp_path / "nowhere")


def test_exports_to_every_kind_of_device():
    """One artifact for CPU, CUDA and TPU: what it does on this CPU is what the step does.

    XLA compiles the two by themselves and may round another way.
    """
    state = game.initial(TINY)
    static = eqx.filter(state, eqx.is_array, inverse=True)

    @jax.jit
    def step(images, arrays):
        after, losses = game.step(images, eqx.combine(arrays, static), TINY)
        return eqx.filter(after, eqx.is_array), losses

    given = jnp.asarray(IMAGES), eqx.filter(state, eqx.is_array)
    exported = jax.export.export(step, platforms=("cpu", "cuda", "tpu"))(*given)
    assert exported.platforms == ("cpu", "cuda", "tpu")
    there = exported.call(*given)
    here = game._one_step()(given[0], state, TINY, None)
    for one, other in zip(jax.tree.leaves(there), arrays(here), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)


def test_steps_are_compiled_with_the_options_of_convolutions(monkeypatch):
    monkeypatch.setattr(game, "compiler_options", lambda: {"xla_no_such_option": 1})
    game._one_step.cache_clear()
    with pytest.raises(jax.errors.JaxRuntimeError, match="xla_no_such_option"):
        game.advance(jnp.asarray(IMAGES), game.initial(TINY), TINY)
    game._one_step.cache_clear()


def test_the_memory_of_the_process_is_left_as_it_is(monkeypatch, tmp_path):
    """A reader's kernel trains too; only the commands, processes of their own, set malloc."""
    calls = []
    monkeypatch.setattr(training.devices, "keep_memory", lambda: calls.append("kept"))
    run(tmp_path)
    assert calls == []


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.zeros((4, 16, 16, 1), np.uint8), r"must be floats in \[-1, 1\] .* got uint8"),
        (IMAGES * 3, r"in \[-2\.\d+, 2\.\d+\]\. Make bytes such"),
        (IMAGES[:, :8], r"shape \[16, 8, 16, 1\]"),
        (IMAGES[:0], r"shape \[0, 16, 16, 1\]"),
    ],
    ids=["bytes", "range", "size", "none"],
)
def test_images_that_are_refused(tmp_path, images, message):
    with pytest.raises(ValueError, match=message):
        training.train(TINY, tmp_path / "new", progress=False, images=images)
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(("size", "colours"), [(16, 1), (32, 3)])
def test_letters_are_drawn_at_the_size_and_in_the_colours_of_the_preset(monkeypatch, size, colours):
    monkeypatch.setattr(data, "load", partial(data.load, count=20))
    letters = replace(PRESETS["smoke"], data="glyphs", size=size, colours=colours)
    train, test = (training.real_images(letters, split).images for split in ("train", "test"))
    assert train.shape == test.shape == (20, size, size, colours)
    expected = data.load("glyphs", size=size, channels=colours).images
    np.testing.assert_array_equal(train, expected)
    assert not np.array_equal(train, test)
