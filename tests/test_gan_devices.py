"""Eight devices, and two processes, against one."""

import json
import os
import platform
import shutil
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import equinox as eqx
import jax
import numpy as np
import pytest

from freezechaos.gan import PRESETS, commands, devices, game, training

# Batch norm after the nonlinearity: a bias before a norm has slope 0, and Adam makes a step of
# full length out of what rounding leaves of it.
PRESET = replace(
    PRESETS["smoke"], width=4, discriminator_width=2, convolutions=0, latent=4, batch=16,
    record=2, save=2, steps=4, norm="after", discriminator_norm="batch",
)  # fmt: skip
IMAGES = np.random.default_rng(0).uniform(-1, 1, (32, 16, 16, 1)).astype(np.float32)

# Sums in another order differ by some 1e-7, and so did weights and metrics; but Adam divides a
# slope by its size and may make more of a rounding, up to a step of 5e-3 where a slope is nothing
# else. This is 1/500 of such a step, and batch norm over one device's share is far outside.
NEAR = {"rtol": 1e-4, "atol": 1e-5}


def run(folder: Path, steps: int = 4, **others) -> game.State:
    preset = replace(PRESET, steps=steps)
    return training.train(preset, folder, progress=False, images=IMAGES, **others)


def metrics(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def assert_near(one: Path, other: Path) -> None:
    """Their metrics are, line by line."""
    for a, b in zip(metrics(one), metrics(other), strict=True):
        assert a.keys() == b.keys()
        np.testing.assert_allclose(list(a.values()), list(b.values()), **NEAR)


def arrays(state: game.State) -> list[np.ndarray]:
    return [np.asarray(leaf) for leaf in jax.tree.leaves(eqx.filter(state, eqx.is_array))]


def start(*arguments: str, **environment: str) -> subprocess.Popen:
    """Python, with warnings as errors."""
    return subprocess.Popen(
        [sys.executable, "-W", "error", *arguments],
        env=os.environ | environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip


def finished(*processes: subprocess.Popen) -> list[str]:
    """What they wrote; if one fails or hangs, none is left behind."""
    try:
        texts = [process.communicate(timeout=300)[0] for process in processes]
    finally:
        for process in processes:
            process.kill()
    assert [process.returncode for process in processes] == [0] * len(processes), texts
    return texts


def work(count: int) -> float:
    """Operations that each of so many devices does in a step, as XLA counts them."""
    mesh = devices.mesh(PRESET.batch, jax.devices()[:count])
    images, state = devices.replicate((IMAGES, game.initial(PRESET)), mesh)
    arrays, static = eqx.partition(state, eqx.is_array)

    def step(images: jax.Array, arrays: game.State) -> game.State:
        after, _ = game.step(images, eqx.combine(arrays, static), PRESET, mesh)
        return eqx.filter(after, eqx.is_array)

    return jax.jit(step).lower(images, arrays).compile().cost_analysis()["flops"]


def on_eight(folder: str) -> None:
    """What the process with eight devices does."""
    assert jax.device_count() == 8
    with pytest.raises(ValueError, match="multiple of the number of devices, 8; got 12") as wrong:
        training.train(replace(PRESET, batch=12), Path(folder) / "twelve", images=IMAGES)
    print(wrong.value)
    assert not (Path(folder) / "twelve").exists()
    assert work(8) < work(1) / 4, "the devices do not share the batch"
    state = run(Path(folder) / "eight")
    np.savez(Path(folder) / "eight.npz", *arrays(state))


@pytest.fixture(scope="module")
def eight(tmp_path_factory) -> tuple[Path, str]:
    """A run on eight devices, and what its process wrote."""
    folder = tmp_path_factory.mktemp("devices")
    code = "import sys; sys.path.insert(0, sys.argv[1]); import test_gan_devices as here; "
    process = start(
        "-c", code + "here.on_eight(sys.argv[2])", str(Path(__file__).parent), str(folder),
        XLA_FLAGS="--xla_force_host_platform_device_count=8", JAX_PLATFORMS="cpu",
    )  # fmt: skip
    return folder, finished(process)[0]


@pytest.fixture(scope="module")
def one(tmp_path_factory) -> tuple[Path, game.State, game.State]:
    """The run on one device: its folder, the state of step 4 and that of step 6."""
    folder, devices = tmp_path_factory.mktemp("one"), jax.devices()[:1]
    early = run(folder, on=devices)
    return folder, early, run(folder, 6, on=devices)


class TestEightDevices:
    def test_come_to_the_same(self, eight, one):
        folder, _ = eight
        with np.load(folder / "eight.npz") as kept:
            for there, here in zip(kept.values(), arrays(one[1]), strict=True):
                assert there.dtype == here.dtype
                np.testing.assert_allclose(there, here, **NEAR)

    def test_one_goes_on(self, eight, one, tmp_path):
        folder, again = eight[0] / "eight", tmp_path / "again"
        shutil.copytree(folder, again)
        state = run(again, 6, on=jax.devices()[:1])
        assert int(state.step) == 6
        for there, here in zip(arrays(state), arrays(one[2]), strict=True):
            np.testing.assert_allclose(there, here, **NEAR)
        assert_near(again, one[0])

    def test_refuse_a_batch_of_twelve(self, eight):
        assert "Take 6 devices in all, or another batch." in eight[1]


@pytest.mark.parametrize(("batch", "fitting"), [(9, 3), (12, 6), (7, 7), (1, 1)])
def test_advice_is_to_be_followed(batch, fitting):
    """No more devices than there are."""
    eight = jax.devices()[:1] * 8
    with pytest.raises(ValueError, match=f"Take {fitting} devices in all"):
        devices.mesh(batch, eight)


def test_mesh_of_none():
    with pytest.raises(ValueError, match="multiple of the number of devices, 0"):
        devices.mesh(4, [])


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


TINY = (
    "train --quiet --width 4 --discriminator-width 2 --convolutions 0 --latent 4 "
    "--batch 4 --record 2 --save 2"
)


def on_two_hosts(folder: Path, steps: int) -> list[str]:
    """What two processes of the command write that train together."""
    command = ["-W", "default:the checkpoint of step", "-m", "freezechaos.gan", *TINY.split()]
    command += ["--folder", str(folder), "--steps", str(steps), "--hosts", "2"]
    command += ["--coordinator", f"127.0.0.1:{free_port()}"]
    hosts = (start(*command, "--host", str(host), JAX_PLATFORMS="cpu") for host in range(2))
    return finished(*hosts)


def test_two_processes_go_on_as_one(tmp_path):
    """From a folder whose newest checkpoint is damaged: they agree on the one before it."""
    together, alone = tmp_path / "together", tmp_path / "alone"
    command = [*TINY.split(), "--folder", str(alone)]
    assert commands.main([*command, "--steps", "4"]) == 0
    shutil.copytree(alone, together)
    for file in (together / "checkpoints" / "4").rglob("d/*"):
        os.truncate(file, file.stat().st_size // 2)

    leader, other = on_two_hosts(together, 6)
    assert commands.main([*command, "--steps", "6"]) == 0
    assert "6 steps; pictures in" in leader
    assert "the checkpoint of step 4 is damaged" in leader
    assert "steps" not in other
    assert_near(together, alone)
    assert (together / "broken" / "4.0").is_dir()
    shutil.rmtree(together / "broken")
    for folder in (".", "checkpoints", "samples"):
        names = [{path.name for path in (run / folder).iterdir()} for run in (together, alone)]
        assert names[0] == names[1]


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="a setting of glibc")
def test_freed_memory_is_kept_where_that_is_asked_for() -> None:
    """40 MB in a thread, freed, and that ten times: fetched anew each time, or once in all."""
    code = """
from resource import RUSAGE_SELF, getrusage
from threading import Thread
from freezechaos.gan import devices
{setting}
def work():
    for _ in range(10):
        b"1" * 40_000_000
thread, before = Thread(target=work), getrusage(RUSAGE_SELF).ru_minflt
thread.start(), thread.join()
print(getrusage(RUSAGE_SELF).ru_minflt - before)
"""
    fetched = [
        int(start("-c", code.format(setting=setting)).communicate(timeout=120)[0])
        for setting in ("", "devices.keep_memory()")
    ]
    assert fetched[0] > 5 * fetched[1]
