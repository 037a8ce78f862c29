"""The paper's experiment: one generator in four regimes, two cures, several seeds; what is kept.

Runs take minutes each, so that the book shows stored ones. `python -m freezechaos.gan study` makes
them again, and every file says from which presets, seeds and machine it comes.
"""

import json
import platform
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, UInt8
from tqdm import tqdm

from . import devices, training
from .checkpoints import replaced
from .presets import PRESETS, Preset

SETTINGS: Mapping[str, Preset] = {
    **{name: PRESETS[name] for name in ("freeze", "edge", "chaos", "batchnorm")},
    "usual": replace(PRESETS["chaos"], parametrization="usual"),
    "rates": replace(PRESETS["chaos"], gamma=0.5),
}
"""What is compared: four regimes, and chaos without the graph or with rates by layer."""

FRAMES = (0, 20, 40, 80, 120, 160, 200, 300, 400)
"""Steps after which images are kept."""
LATENTS = 9
"""How many of the fixed latent vectors are shown."""
STORED = Path(__file__).parent / "stored"


@dataclass(frozen=True)
class Run:
    """One run, observed from its birth on.

    Attributes:
        preset: what was run, its seed included.
        metrics: by name, an entry for step 0 and after every `preset.record` steps; losses are nan
            at step 0.
        frames: images of the fixed latent vectors, 0 to 255, after the steps `FRAMES`, as far as
            they are observed.
        made: date, machine and version of JAX.
    """

    preset: Preset
    metrics: Mapping[str, Float[np.ndarray, " times"]]
    frames: UInt8[np.ndarray, "frames latents rows columns colours"]
    made: str

    @property
    def steps(self) -> np.ndarray:
        """Of the metrics."""
        return self.metrics["step"]


def run(preset: Preset, images: Float[Array, "n size size colours"] | None = None) -> Run:
    """Train in memory, without a folder, and keep what is observed.

    Arguments:
        preset: what is run.
        images: real ones in place of the preset's set, in [-1, 1].
    """
    real = jnp.asarray(training.real_images(preset).images if images is None else images)
    lines, frames = [], []
    for state, line in _observed(real, preset):
        lines.append(line)
        if line["step"] in FRAMES:
            shown = training.samples(state.generator, LATENTS, key=training.keys(preset.seed).fixed)
            frames.append(np.rint((np.clip(shown, -1, 1) + 1) * 127.5).astype(np.uint8))
    metrics = {name: np.array([line[name] for line in lines]) for name in lines[0]}
    return Run(preset, metrics, np.stack(frames), made())


def _observed(real: Array, preset: Preset) -> Iterator[tuple[training.State, dict[str, Any]]]:
    mesh = devices.mesh(preset.batch, jax.devices()[:1])
    state = devices.everywhere(training.initial(preset), mesh)
    none = training.Losses(jnp.full(1, jnp.nan), jnp.full(1, jnp.nan))
    yield state, training.summary(state, none, training.once_for_all(preset))
    yield from training.follow(devices.everywhere(real, mesh), state, preset, mesh)


def made() -> str:
    """Date, machine, version of JAX."""
    (device, *_) = jax.devices()
    day = datetime.now(UTC).strftime("%Y-%m-%d")
    return f"{day}, {device.device_kind} ({platform.machine()}), JAX {jax.__version__}"


def write(name: str, runs: list[Run], folder: Path = STORED) -> None:
    """Runs of one setting from several seeds: numbers as JSON, images of the first as NPZ."""
    folder.mkdir(parents=True, exist_ok=True)
    content = [
        {
            "preset": asdict(one.preset),
            "made": one.made,
            "metrics": {
                key: [None if np.isnan(x) else float(f"{x:.5g}") for x in values]
                for key, values in one.metrics.items()
            },
        }
        for one in runs
    ]
    replaced(folder / f"{name}.json", (json.dumps(content) + "\n").encode())
    np.savez_compressed(folder / f"{name}.npz", frames=runs[0].frames)


@cache
def stored(name: str, folder: Path = STORED) -> tuple[Run, ...]:
    """The stored runs of a setting, a seed each; frames are those of the first.

    Raises:
        ValueError: no setting has that name.
        FileNotFoundError: nothing of it is stored in the folder.
    """
    if name not in SETTINGS:
        raise ValueError(f"`name` must be one of {', '.join(SETTINGS)}; got {name!r}.")
    content = json.loads((folder / f"{name}.json").read_text("utf-8"))
    with np.load(folder / f"{name}.npz") as kept:
        frames = kept["frames"]
    return tuple(
        Run(
            Preset(**one["preset"]),
            {key: np.array(values, float) for key, values in one["metrics"].items()},
            frames,
            one["made"],
        )
        for one in content
    )


def study(seeds: int, folder: Path = STORED, *, progress: bool = True) -> None:
    """Run every setting from so many seeds, and store what is observed; minutes a run on a CPU.

    What the folder holds of the same presets is taken as it is, so that a killed study goes on.
    """
    kept = {name: _same(name, folder) for name in SETTINGS}
    pairs = [(name, seed) for half in _HALVES for seed in range(seeds) for name in half]
    for name, seed in tqdm(pairs, unit="run", disable=not progress):
        if seed >= len(kept[name]):
            kept[name].append(run(replace(SETTINGS[name], seed=seed)))
            write(name, kept[name], folder)


_HALVES = list(SETTINGS)[:4], list(SETTINGS)[4:]


def _same(name: str, folder: Path) -> list[Run]:
    """Stored runs of a setting as it is today."""
    try:
        runs = stored.__wrapped__(name, folder)
    except FileNotFoundError:
        return []
    today = [replace(SETTINGS[name], seed=seed) for seed in range(len(runs))]
    return list(runs) if [one.preset for one in runs] == today else []
