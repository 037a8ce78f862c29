"""The paper's experiment: one generator at seven settings, several seeds; what is kept.

Runs take minutes each on a CPU: `python -m freezechaos.gan study` makes and stores them. For every
setting a JSON says from which presets, seeds and machine they come; an NPZ beside it has images.
"""

import json
import platform
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from io import BytesIO
from math import sqrt
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, UInt8
from tqdm import tqdm

from . import game, pictures, training
from .checkpoints import write_atomically
from .indicators import image_metrics
from .presets import PRESETS, Preset

SETTINGS: Mapping[str, Preset] = {
    **{name: PRESETS[name] for name in ("freeze", "edge", "chaos", "batchnorm")},
    "usual": replace(PRESETS["chaos"], parametrization="usual"),
    "rates": replace(PRESETS["freeze"], gamma=0.5),
    "slow": replace(PRESETS["chaos"], discriminator_rate=2e-4),
}
"""What is compared: four regimes; chaos without the graph, freeze with rates by layer, and chaos
against a discriminator that learns at a fifth of the rate."""

FRAMES = (0, 20, 40, 80, 120, 160, 200, 300, 400)
"""Steps after which images are kept."""
LATENTS = 9
"""How many of the fixed latent vectors are shown."""
REAL = 4096
"""How many real images have their indicators stored."""
STORED = Path(__file__).parent / "stored"
"""The runs that come with the package."""
MADE = Path("runs") / "study"
"""Where `study` stores its own."""


@dataclass(frozen=True)
class Run:
    """One run, observed from its birth on.

    Attributes:
        preset: what was run, its seed included.
        metrics: by name, an entry for step 0 and after every `preset.record` steps; losses are nan
            at step 0.
        frames: images of the fixed latent vectors, 0 to 255, after the steps `FRAMES`, as far as
            they are observed; None of stored runs but the first of a setting.
        made: date, machine and version of JAX.
    """

    preset: Preset
    metrics: Mapping[str, Float[np.ndarray, " times"]]
    frames: UInt8[np.ndarray, "frames latents rows columns colours"] | None
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

    Raises:
        DivergedError: a loss or a weight is no longer finite.
        ValueError: no such images.
    """
    if images is None:
        known = training.real_images(preset).images
    else:
        known = training.own_images(preset, images)
    lines, frames = [], []
    for state, line in _observed(jnp.asarray(known), preset):
        lines.append(line)
        if line["step"] in FRAMES:
            shown = game.samples(state.generator, LATENTS, key=game.keys(preset.seed).fixed)
            frames.append(pictures.as_bytes(shown))
    metrics = {name: np.array([line[name] for line in lines]) for name in lines[0]}
    return Run(preset, metrics, np.stack(frames), made())


def _observed(real: Array, preset: Preset) -> Iterator[tuple[game.State, dict[str, Any]]]:
    state = game.initial(preset)
    birth = {name: value.item() for name, value in game.observe(state).items() if name != "finite"}
    yield state, {"step": 0, "discriminator": np.nan, "generator": np.nan, **birth}
    yield from training.follow(real, state, preset)


def made() -> str:
    """Date, machine, version of JAX."""
    (device, *_) = jax.devices()
    day = datetime.now(UTC).strftime("%Y-%m-%d")
    return f"{day}, {device.device_kind} ({platform.machine()}), JAX {jax.__version__}"


def write(name: str, runs: list[Run], folder: Path) -> None:
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
    images, frames = BytesIO(), runs[0].frames
    assert frames is not None, "the first run of a setting keeps its images"
    np.savez_compressed(images, frames=frames)
    write_atomically(folder / f"{name}.npz", images.getvalue())
    write_atomically(folder / f"{name}.json", (json.dumps(content) + "\n").encode())


def stored(name: str, folder: Path = STORED) -> list[Run]:
    """The runs of a setting, a seed each; the first has its frames.

    Arguments:
        name: of `SETTINGS`.
        folder: where `study` stored them; those of the package if left out.

    Raises:
        ValueError: no setting has that name.
        FileNotFoundError: nothing of it is stored there.
    """
    if name not in SETTINGS:
        raise ValueError(f"`name` must be one of {', '.join(SETTINGS)}; got {name!r}.")
    content = json.loads(_stored(folder, f"{name}.json").read_text("utf-8"))
    with np.load(folder / f"{name}.npz") as kept:
        frames = kept["frames"]
    return [
        Run(
            Preset(**one["preset"]),
            {key: np.array(values, float) for key, values in one["metrics"].items()},
            None if number else frames,
            one["made"],
        )
        for number, one in enumerate(content)
    ]


def _stored(folder: Path, name: str) -> Path:
    if not (folder / name).exists():
        how = f"Make it with python -m freezechaos.gan study --folder {folder}."
        if folder == STORED:
            how = "It comes with the package: install that again."
        raise FileNotFoundError(f"`folder` must hold {name}; {folder} does not. {how}")
    return folder / name


def real(folder: Path = STORED) -> dict[str, float]:
    """Indicators of the study's real images, as `study` stored them.

    Their margins are black and constant, so their border contrast, 0, is no measure for others.

    Raises:
        FileNotFoundError: nothing is stored there.
    """
    return json.loads(_stored(folder, "real.json").read_text("utf-8"))["indicators"]


def over_seeds(name: str, metric: str, since: int, until: int) -> tuple[float, float]:
    """Mean of a metric of the package's runs over steps and seeds, and its standard error.

    Arguments:
        name: of `SETTINGS`.
        metric: such as "diversity".
        since, until: the first and the last step that count.

    Raises:
        ValueError: an unknown name or metric, or no step of the runs that counts.
    """
    runs = stored(name)
    if metric not in runs[0].metrics:
        known = ", ".join(runs[0].metrics)
        raise ValueError(f"`metric` must be one of {known}; got {metric!r}.")
    counts = (since <= runs[0].steps) & (runs[0].steps <= until)
    if not counts.any():
        raise ValueError(
            f"`since` and `until` must have a step of the runs between them, which have one every "
            f"{runs[0].preset.record} up to {runs[0].preset.steps}; got {since} and {until}."
        )
    means = [one.metrics[metric][counts].mean() for one in runs]
    return float(np.mean(means)), float(np.std(means, ddof=1) / sqrt(len(means)))


def study(seeds: int, folder: Path = MADE, *, progress: bool = True) -> None:
    """Run every setting from so many seeds, and store what is observed; minutes a run on a CPU.

    What the folder holds of the same presets is taken as it is, so that a killed study goes on.
    """
    folder.mkdir(parents=True, exist_ok=True)
    images = training.real_images(SETTINGS["freeze"]).images[:REAL]
    found = {name: float(value) for name, value in image_metrics(images).items()}
    of = {"data": SETTINGS["freeze"].data, "count": len(images), "made": made()}
    write_atomically(folder / "real.json", (json.dumps(of | {"indicators": found}) + "\n").encode())
    kept = {name: _same(name, folder) for name in SETTINGS}
    pairs = [(name, seed) for seed in range(seeds) for name in SETTINGS]
    for name, seed in tqdm(pairs, unit="run", disable=not progress):
        if seed >= len(kept[name]):
            kept[name].append(run(replace(SETTINGS[name], seed=seed)))
            write(name, kept[name], folder)


def _same(name: str, folder: Path) -> list[Run]:
    """Stored runs of a setting as it is today."""
    try:
        runs = stored(name, folder)
    except FileNotFoundError:
        return []
    today = [replace(SETTINGS[name], seed=seed) for seed in range(len(runs))]
    return runs if [one.preset for one in runs] == today else []
