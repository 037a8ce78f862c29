"""The experiments run, stored and read: numbers of every run, and what its images looked like.

`python -m freezechaos.gan study NAME` makes and stores them, a run after the other. Of a setting
a JSON has the presets, seeds, machine, date and numbers of its runs, a WebP beside it their images.
Unfinished runs lie in runs/unfinished and go on from there.
"""

import json
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from io import BytesIO
from math import sqrt
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image
from tqdm import tqdm

from ..numerics import read_only
from ..records import made, write_atomically
from . import classifier, game, pictures, training
from .experiments import EXPERIMENTS, Experiment
from .indicators import image_metrics
from .presets import Preset

LATENTS = 9
"""How many of the fixed latent vectors have their images kept."""
JUDGED = 2000
"""How many generated and real images quality is measured on."""
STORED = Path(__file__).parent / "stored"
"""The runs that come with the package."""
MADE = Path("runs") / "study"
"""Where `study` stores its own."""
UNFINISHED = Path("runs") / "unfinished"
_ACROSS = 8  # samples in a row


@dataclass(frozen=True)
class Run:
    """One run, observed from its birth on.

    Attributes:
        preset: what was run, its seed included.
        metrics: by name, an entry for step 0, after every `preset.record` steps and at every
            frame, of images of 64 fixed latent vectors; losses are nan at step 0.
        quality: by name, of `JUDGED` images of the moving average at the end against as many test
            images, as `classifier.feature_metrics` and `indicators.image_metrics` measure it.
        frames: images of the fixed latent vectors, 0 to 255, after the steps `times`.
        times: those of the experiment, as far as the run went.
        samples: of the moving average at the end, 0 to 255; none if the experiment keeps none.
        made: date, machine, versions.
    """

    preset: Preset
    metrics: Mapping[str, Float[np.ndarray, " times"]]
    quality: Mapping[str, float]
    frames: UInt8[np.ndarray, "frames latents rows columns colours"]
    times: tuple[int, ...]
    samples: UInt8[np.ndarray, "samples rows columns colours"]
    made: str

    @property
    def steps(self) -> np.ndarray:
        """Of the metrics."""
        return self.metrics["step"]


def run(
    preset: Preset,
    folder: Path,
    *,
    frames: Iterable[int] = (0,),
    samples: int = 0,
    images: Float[np.ndarray, "n size size colours"] | None = None,
    judge: bool = True,
    progress: bool = False,
    each: Callable[[game.State], None] | None = None,
) -> Run:
    """Train in a folder, from where it was killed if it was, and give what was observed.

    Arguments:
        preset: what is run.
        folder: of checkpoints, metrics and frames, as for `training.train`.
        frames: steps after which images are kept, from 0 on.
        samples: how many images of the moving average to keep at the end.
        images: real ones in place of the preset's set, in [-1, 1].
        judge: whether to measure quality, which needs the classes of the preset's set.
        progress: whether to show a bar.
        each: called wherever a checkpoint is written, as by `training.train`.

    Raises:
        DivergedError: a loss, a weight or an image is no longer finite.
        ValueError, OSError: as for `training.train`.
    """
    times = tuple(sorted(time for time in set(frames) if time <= preset.steps))
    key = game.keys(preset.seed).fixed

    def shown(network: Any, count: int) -> np.ndarray:
        return pictures.as_bytes(game.samples(network, key=key)[:count])

    def keep(state: game.State) -> None:
        file = folder / "frames" / f"{int(state.step):06d}.npy"
        file.parent.mkdir(exist_ok=True)
        content = BytesIO()
        np.save(content, shown(state.generator, LATENTS))
        write_atomically(file, content.getvalue())

    state = training.train(
        preset, folder, progress=progress, images=images, each=each,
        watch=dict.fromkeys(times, keep),
    )  # fmt: skip
    born = {name: value.item() for name, value in game.observe(game.initial(preset)).items()}
    lines = training.metrics_of(folder / "metrics.jsonl")
    names = [name for name in lines[0] if name != "finite"]
    lines = [{"step": 0, **{name: born.get(name, np.nan) for name in names[1:]}}, *lines]
    return Run(
        preset,
        {name: np.array([line[name] for line in lines], float) for name in names},
        quality(state.average, preset) if judge else {},
        np.stack([np.load(folder / "frames" / f"{time:06d}.npy") for time in times]),
        times,
        shown(state.average, samples),
        made(),
    )


def quality(network: Any, preset: Preset) -> dict[str, float]:
    """How good and how diverse a generator's images are, against the test images of its set.

    Raises:
        ValueError, OSError: the set has no classes, or fewer than `JUDGED` test images.
    """
    parts = range(0, JUDGED, game.FIXED)
    key = jax.random.fold_in(game.keys(preset.seed).fixed, 1)
    images = np.concatenate(
        [game.samples(network, key=jax.random.fold_in(key, part)) for part in parts]
    )[:JUDGED]
    return _measured(images, preset)


def _measured(images: np.ndarray, preset: Preset) -> dict[str, float]:
    test = training.real_images(preset, "test").images[:JUDGED]
    seen = {name: float(value) for name, value in image_metrics(images).items()}
    return seen | classifier.feature_metrics(judge(preset), images, test)


def judge(preset: Preset) -> classifier.Classifier:
    """The classifier of the preset's images, trained and kept in runs/classifiers if it is new."""
    file = classifier.classifier_file(preset)
    if not file.exists():
        network, known = classifier.train_classifier(preset, progress=False)
        classifier.write(file, network, known)
    return classifier.read(file)[0]


def study(
    name: str, folder: Path = MADE, *, seeds: int | None = None, progress: bool = True,
    each: Callable[[game.State], None] | None = None,
) -> None:  # fmt: skip
    """Run what the folder does not hold yet of an experiment, and store it.

    Arguments:
        name: of `EXPERIMENTS`.
        folder: where to.
        seeds: how many of each setting; the experiment's if left out.
        progress: whether to show a bar.
        each: as for `run`.

    Raises:
        DivergedError: some runs diverged, and their settings have no more seeds; what else was
            asked is stored.
        ValueError: no experiment has that name; as for `run`.
    """
    known = experiment(name)
    _store_real(known, folder)
    kept = {setting: _same(name, setting, folder) for setting in known.settings}
    seeds = known.seeds if seeds is None else seeds
    missing = {setting: range(len(runs), seeds) for setting, runs in kept.items()}
    diverged = {}
    with tqdm(total=sum(map(len, missing.values())), unit="run", disable=not progress) as bar:
        for setting, numbers in missing.items():
            for seed in numbers:
                bar.set_description(f"{name}: {setting}, seed {seed}")
                working = UNFINISHED / slug(name) / f"{slug(setting)}-{seed}"
                try:
                    done = run(
                        known.preset(setting, seed), working, frames=known.frames,
                        samples=known.samples, progress=progress, each=each,
                    )  # fmt: skip
                except training.DivergedError as error:  # what else is asked can still be answered
                    diverged[f"{setting}, seed {seed}"] = str(error)
                    break
                kept[setting].append(done)
                write(folder / slug(name) / slug(setting), kept[setting])
                shutil.rmtree(working)
                bar.update()
            if numbers:  # what forty settings have compiled is more than a process may map
                jax.clear_caches()
    if diverged:
        runs = "\n".join(f"{run}: {why}" for run, why in diverged.items())
        raise training.DivergedError(f"all else of {name!r} is stored, but not\n{runs}")


def experiment(name: str) -> Experiment:
    """One of `EXPERIMENTS`.

    Raises:
        ValueError: none has that name.
    """
    if name not in EXPERIMENTS:
        raise ValueError(f"`name` must be one of {', '.join(EXPERIMENTS)}; got {name!r}.")
    return EXPERIMENTS[name]


def slug(name: str) -> str:
    """A name as part of a file's.

    >>> slug("normalized relu, β = 0.1")
    'normalized-relu-beta-0.1'
    """
    for before, after in (("β", "beta"), ("γ", "gamma"), ("×", "x"), ("+", "and"), ("/", "-")):
        name = name.replace(before, after)
    words = "".join(one if one.isalnum() or one in ".-" else " " for one in name)
    return "-".join(words.lower().split())


def write(file: Path, runs: Sequence[Run]) -> None:
    """Runs of one setting from several seeds: numbers as JSON, images as WebP, in colour lossy."""
    content = [
        {
            "preset": asdict(one.preset), "made": one.made, "times": one.times,
            "samples": len(one.samples),
            "metrics": {name: _rounded(values) for name, values in one.metrics.items()},
            "quality": dict(zip(one.quality, _rounded(one.quality.values()), strict=True)),
        }
        for one in runs
    ]  # fmt: skip
    rows = [_row(frame) for one in runs for frame in one.frames]
    rows += [
        _row(one.samples[i : i + _ACROSS])
        for one in runs
        for i in range(0, len(one.samples), _ACROSS)
    ]
    width = max(row.shape[1] for row in rows)
    page = np.concatenate(
        [np.pad(row, [(0, 0), (0, width - row.shape[1]), (0, 0)]) for row in rows]
    )
    images, exact = BytesIO(), page.shape[2] == 1
    Image.fromarray(np.broadcast_to(page, (*page.shape[:2], 3))).save(
        images, "WebP", lossless=exact, quality=100 if exact else 70, method=6
    )
    file.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(_named(file, ".webp"), images.getvalue())
    write_atomically(_named(file, ".json"), (json.dumps(content) + "\n").encode())


def _named(file: Path, ending: str) -> Path:
    return file.with_name(file.name + ending)  # with_suffix would take the 5 of 0.5 for one


def _rounded(values: Iterable[float]) -> list[float | None]:
    return [None if np.isnan(value) else float(f"{value:.5g}") for value in values]


def _row(images: np.ndarray) -> np.ndarray:
    return np.concatenate(list(images), axis=1)


def stored(name: str, setting: str, folder: Path = STORED) -> list[Run]:
    """The runs of a setting, a seed each.

    Arguments:
        name: of `EXPERIMENTS`.
        setting: one of its settings.
        folder: where `study` stored them; those of the package if left out.

    Raises:
        ValueError: no experiment or no setting has that name.
        FileNotFoundError: nothing of it is stored there.
    """
    experiment(name).preset(setting)
    file = folder / slug(name) / slug(setting)
    written = _stored(_named(file, ".json"), folder).stat().st_mtime_ns
    return list(_read(file, written))


@lru_cache(maxsize=64)
def _read(file: Path, written: int) -> tuple[Run, ...]:
    """Runs of a file as it was `written`: a study that goes on writes it anew."""
    content = json.loads(_named(file, ".json").read_text("utf-8"))
    presets = [Preset(**one["preset"]) for one in content]
    with Image.open(_named(file, ".webp")) as image:
        page = np.asarray(image)
    rows = iter(page.reshape(-1, presets[0].size, *page.shape[1:]))
    pairs = list(zip(presets, content, strict=True))
    frames = [_taken(rows, preset, len(one["times"]), LATENTS) for preset, one in pairs]
    samples = [
        _taken(rows, preset, -(-one["samples"] // _ACROSS), _ACROSS) for preset, one in pairs
    ]
    return tuple(
        Run(
            preset,
            {key: read_only(np.array(values, float)) for key, values in one["metrics"].items()},
            {key: np.nan if value is None else value for key, value in one["quality"].items()},
            read_only(seen),
            tuple(one["times"]),
            read_only(more.reshape(-1, *more.shape[2:])[: one["samples"]]),
            one["made"],
        )
        for (preset, one), seen, more in zip(pairs, frames, samples, strict=True)
    )


def _taken(rows: Any, preset: Preset, count: int, across: int) -> np.ndarray:
    """So many rows of images: [count, across, size, size, colours]."""
    size, colours = preset.size, preset.colours
    taken = [
        np.stack(np.split(next(rows)[:, : across * size, :colours], across, axis=1))
        for _ in range(count)
    ]
    return np.stack(taken) if taken else np.zeros((0, across, size, size, colours), np.uint8)


def _stored(file: Path, folder: Path) -> Path:
    if not file.exists():
        how = f"Make it with python -m freezechaos.gan study {file.parent.name}."
        raise FileNotFoundError(
            f"`folder` must hold {file.relative_to(folder)}; {folder} does not. {how}"
        )
    return file


def _same(name: str, setting: str, folder: Path) -> list[Run]:
    """Stored runs of a setting as it is today."""
    try:
        runs = stored(name, setting, folder)
    except FileNotFoundError:
        return []
    today = [experiment(name).preset(setting, seed) for seed in range(len(runs))]
    return runs if [one.preset for one in runs] == today else []


def _store_real(known: Experiment, folder: Path) -> None:
    """Indicators of the test images, and what they are apart from training images."""
    file = folder / _real_name(known.base)
    if not file.exists():
        train = training.real_images(known.base).images[:JUDGED]
        content = {"made": made(), "indicators": _measured(train, known.base)}
        folder.mkdir(parents=True, exist_ok=True)
        write_atomically(file, (json.dumps(content) + "\n").encode())


def _real_name(preset: Preset) -> str:
    return f"real-{preset.data}-{preset.size}x{preset.colours}.json"


def real(name: str, folder: Path = STORED) -> dict[str, float]:
    """Quality as of a `Run`, of as many training images in place of generated ones: the floor.

    Margins of MNIST and Fashion-MNIST are black and constant, so their border contrast, 0, is no
    measure for others.

    Raises:
        ValueError: no experiment has that name.
        FileNotFoundError: nothing is stored there.
    """
    file = _stored(folder / _real_name(experiment(name).base), folder)
    return json.loads(file.read_text("utf-8"))["indicators"]


def over_seeds(
    name: str, setting: str, metric: str, since: int | None = None, folder: Path = STORED,
    *, until: int | None = None,
) -> tuple[float, float]:  # fmt: skip
    """Mean over seeds of a metric, and its standard error, nan of a single seed.

    Of a run it is the mean over the steps from `since` on, of the last fifth if left out; what is
    measured once at the end (`Run.quality`) is taken where `since` is left out and there is one.

    Arguments:
        name: of `EXPERIMENTS`.
        setting: one of its settings.
        metric: such as "diversity" or "frechet".
        since: a step.
        until: another one, where the mean ends; that of the end of the run if left out.

    Raises:
        ValueError: an unknown name or metric, no step from `since` on.
        FileNotFoundError: nothing of it is stored.
    """
    runs = stored(name, setting, folder)
    if since is None and metric in runs[0].quality:
        values = [one.quality[metric] for one in runs]
    elif metric in runs[0].metrics:
        values = [_late(one, metric, since, until) for one in runs]
    else:
        known = ", ".join([*runs[0].metrics, *runs[0].quality])
        raise ValueError(f"`metric` must be one of {known}; got {metric!r}.")
    error = float(np.std(values, ddof=1) / sqrt(len(values))) if len(values) > 1 else np.nan
    return float(np.mean(values)), error


def _late(one: Run, metric: str, since: int | None, until: int | None) -> float:
    counts = one.steps >= (0.8 * one.preset.steps if since is None else since)
    counts &= one.steps <= (one.preset.steps if until is None else until)
    if not counts.any():
        raise ValueError(
            "`since` and `until` must have a step of the metrics between them, up to "
            f"{one.preset.steps}; got {since} and {until}."
        )
    return float(np.nanmean(one.metrics[metric][counts]))


_COLUMNS = ("frechet", "kernel", "precision", "recall", "density", "coverage", "classes")


def summary(name: str, folder: Path = STORED) -> str:
    """A line for each setting that is stored: mean over seeds, and standard error.

    Raises:
        ValueError: no experiment has that name.
    """
    known = experiment(name)
    columns = (*_COLUMNS, "diversity", "lattice/real")
    lines = [
        f"{name}: {known.question}",
        f"{'setting':34}{'seeds':>6}{'steps':>7}" + "".join(f"{column:>18}" for column in columns),
    ]
    for setting in known.settings:
        try:
            runs = stored(name, setting, folder)
        except FileNotFoundError:
            continue
        found = [over_seeds(name, setting, column, folder=folder) for column in _COLUMNS]
        found.append(over_seeds(name, setting, "diversity", int(0.8 * known.base.steps), folder))
        late, error = over_seeds(name, setting, "lattice", int(0.8 * known.base.steps), folder)
        whole = real(name, folder)["lattice"]
        found.append((late / whole, error / whole))
        cells = "".join(f"{f'{mean:.3g} ± {off:.1g}':>18}" for mean, off in found)
        lines.append(f"{setting:34}{len(runs):6}{runs[0].preset.steps:7}{cells}")
    return "\n".join(lines)
