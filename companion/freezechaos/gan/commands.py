"""The command line: train, sample, report, classifier, study."""

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from io import TextIOWrapper
from pathlib import Path
from typing import Annotated, Any

import jax
import numpy as np

from .. import checks
from ..extras import extra
from . import classifier, devices, game, pictures, study, training
from .checkpoints import (
    BrokenCheckpointError,
    Checkpoints,
    FolderInUseError,
    SaveError,
    read_preset,
)
from .experiments import EXPERIMENTS
from .indicators import image_metrics
from .presets import PRESETS, Preset
from .training import DivergedError

with extra("gan"):
    import tyro
    from tyro import conf

_MISTAKES = (
    ValueError, TypeError, OSError, DivergedError, BrokenCheckpointError, FolderInUseError,
    SaveError,
)  # fmt: skip


@dataclass(frozen=True)
class Train:
    """Train a generator against a discriminator, from the newest checkpoint if there is one.

    Presets: smoke (seconds), freeze, edge, chaos, batchnorm (minutes on a CPU), dcgan, dcgan_chaos,
    dcgan_freeze (a GPU).
    Every option below has the preset's value; give --preset first to see those of another.

    Watch `diversity` in the bar: 0 is a collapsed generator, that of real images is in `report`.
    `checkerboard_2` near 1 is a picture of nothing but up-sampling. Kill it when you like: the
    same command goes on from the newest checkpoint, and on the same devices of a CPU or TPU it
    comes out the same to the last bit.

    Try: train --preset freeze, then train --preset chaos, then report on both.
    """

    settings: conf.OmitArgPrefixes[Preset] = field(default_factory=lambda: PRESETS["smoke"])
    preset: str = "smoke"
    """Where the options start from: smoke, freeze, edge, chaos, batchnorm, dcgan, dcgan_chaos or
    dcgan_freeze."""
    folder: Path | None = None
    """Of the run; runs/ and the preset's name if left out."""
    quiet: bool = False
    """Whether to leave out the progress bar."""
    devices: int | None = None
    """How many of this host's devices share the batches; all there are if left out."""
    hosts: int | None = None
    """How many hosts train together, each given this command; the first writes."""
    host: int | None = None
    """Which of them this is, from 0; with --hosts, may be left out on SLURM, Open MPI and TPU."""
    coordinator: str | None = None
    """Address and port of the first, such as 10.0.0.1:1234; may be left out where --host may."""

    def run(self) -> None:
        """Train, with a picture of samples at every checkpoint and a film of them at the end."""
        if self.hosts is None and (self.host is not None or self.coordinator is not None):
            raise ValueError(
                f"`hosts` must be given with `host` and `coordinator`; got {self.host} and "
                f"{self.coordinator}. Say how many hosts there are, such as --hosts 2."
            )
        if self.hosts is not None:
            jax.distributed.initialize(self.coordinator, self.hosts, self.host)
        folder = _folder(self.folder, self.preset)
        key = game.keys(self.settings.seed).fixed
        samples = folder / "samples"

        def picture(state: game.State) -> None:
            devices.keep_memory()  # now that all is compiled
            images = game.samples(state.generator, key=key)
            pictures.write(samples / f"{int(state.step):06d}.png", images)

        state = training.train(
            self.settings, folder, progress=not self.quiet, each=picture, on=self._chosen()
        )
        if jax.process_index() == 0:
            picture(state)  # a kill may have come between the last checkpoint and its picture
            film = pictures.film(folder / "film.gif", sorted(samples.glob("[0-9]*.png")))
            print(f"{folder}: {int(state.step)} steps; pictures in {samples}, film in {film}")

    def _chosen(self) -> list[jax.Device] | None:
        if self.devices is None:
            return None
        there = [jax.local_devices(host) for host in range(jax.process_count())]
        least = min(map(len, there))
        if not 1 <= self.devices <= least:
            raise ValueError(
                f"`devices` must be 1 to {least}, what there is; got {self.devices}. "
                "Leave it out for all."
            )
        return [device for host in there for device in host[: self.devices]]


@dataclass(frozen=True)
class Sample:
    """Write a PNG of images from the newest checkpoint of a run."""

    preset: str = "smoke"
    """Whose folder to look in, where --folder is left out."""
    folder: Path | None = None
    """Of the run; runs/ and the preset's name if left out."""
    out: Path | None = None
    """The file; sample.png in the folder if left out."""
    count: int = 64
    """How many images."""
    seed: int = 0
    """Of their latent vectors."""
    average: bool = True
    """Whether of the moving average of the generator."""

    def run(self) -> None:
        """Generate and write."""
        checks.whole("count", self.count, 1, "Try 64.")
        _check_seed(self.seed)
        folder = _folder(self.folder, self.preset)
        state = newest(folder)
        network = state.average if self.average else state.generator
        images = game.samples(network, self.count, key=jax.random.key(self.seed))
        print(pictures.write(self.out or folder / "sample.png", images))


@dataclass(frozen=True)
class Report:
    """Print a run's indicators, with those of as many real test images beside them."""

    preset: str = "smoke"
    """Whose folder to look in, where --folder is left out."""
    folder: Path | None = None
    """Of the run; runs/ and the preset's name if left out."""
    count: int = 512
    """How many images; at most as many as there are for testing."""
    seed: int = 0
    """Of their latent vectors."""

    def run(self) -> None:
        """Generate, measure, print."""
        checks.whole("count", self.count, 6, "Try 512; density looks for five neighbours.")
        _check_seed(self.seed)
        folder = _folder(self.folder, self.preset)
        state, preset = newest(folder), read_preset(folder)
        key, draw = jax.random.key(self.seed), np.random.default_rng(self.seed)
        sets = [training.real_images(preset, split).images for split in ("train", "test")]
        count = min(self.count, *map(len, sets))
        real, other = (draw.permutation(images)[:count] for images in sets)
        columns = {
            "generator": game.samples(state.generator, count, key=key),
            "average": game.samples(state.average, count, key=key),
            "real": other,
        }
        rows = of_several(columns.values(), image_metrics)
        if (file := classifier.classifier_file(preset)).exists():
            network, known = classifier.read(file)
            rows |= of_several(
                columns.values(), lambda images: classifier.feature_metrics(network, images, real)
            )
            note = f"features of a classifier that is right for {known.accuracy:.1%} of test images"
        else:
            note = (
                "for distances from real images, precision, recall and more: "
                f"python -m freezechaos.gan classifier --folder {folder}"
            )
        title = f"{folder}, step {int(state.step)}, {count} images"
        print(f"{title}\n{table(columns, rows)}\n{note}")


@dataclass(frozen=True)
class Classify:
    """Train the small classifier that `report` measures distances from real images with.

    It learns the classes of the image set of a preset or of a run; runs on the same images share
    it. Its accuracy on the test images is printed, and again in every report.
    """

    preset: str = "smoke"
    """Whose image set to take, where --folder is left out."""
    folder: Path | None = None
    """A run, whose image set to take."""
    steps: int = 1500
    """Of training."""
    seed: int = 0
    """Of weights and batches."""
    quiet: bool = False
    """Whether to leave out the progress bar."""

    def run(self) -> None:
        """Train, write, print."""
        _check_seed(self.seed)
        preset = PRESETS[self.preset] if self.folder is None else read_preset(self.folder)
        network, known = classifier.train_classifier(
            preset, steps=self.steps, seed=self.seed, progress=not self.quiet
        )
        classifier.write(file := classifier.classifier_file(preset), network, known)
        print(f"{file}: right for {known.accuracy:.1%} of the test images")


@dataclass(frozen=True)
class Study:
    """Run and store an experiment of Part V, or print what is stored.

    Seconds to minutes for each run on a CPU; a killed study goes on. freezechaos.gan.study reads
    what it stores. Without a name it lists the experiments.
    """

    names: conf.Positional[tuple[str, ...]] = ()
    """Of experiments, such as headline."""
    seeds: int | None = None
    """How many runs of each setting; the experiment's if left out."""
    folder: Path | None = None
    """Where to; runs/study if left out, and with --summary the runs that come with the package."""
    summary: bool = False
    """Whether to print a line for each stored setting, mean over seeds and standard error; of all
    experiments if none is named."""

    def run(self) -> None:
        """Run and write, or read and print."""
        if self.seeds is not None:
            checks.whole("seeds", self.seeds, 1, "Try 3.")
        if self.summary:
            folder = study.STORED if self.folder is None else self.folder
            print("\n\n".join(study.summary(name, folder) for name in self.names or EXPERIMENTS))
        elif not self.names:
            for name, one in EXPERIMENTS.items():
                print(f"{name}: {one.question} {len(one.settings)} settings, {one.seeds} seeds")
        for name in () if self.summary else self.names:
            study.study(
                name, study.MADE if self.folder is None else self.folder, seeds=self.seeds,
                each=lambda _: devices.keep_memory(),
            )  # fmt: skip


def newest(folder: Path) -> game.State:
    """The newest state of the run in a folder.

    Raises:
        FileNotFoundError: no run there, or none that has saved anything.
        BrokenCheckpointError: all its checkpoints are damaged.
    """
    preset = read_preset(folder)
    with Checkpoints(folder, preset, reads_only=True) as kept:
        if kept.newest is None:
            raise FileNotFoundError(
                f"`folder` must hold a checkpoint; {folder} has none yet. Go on with "
                f"python -m freezechaos.gan train until step {preset.save}."
            )
        return kept.restore(game.initial(preset))


def of_several(
    sets: Iterable[Any], measured: Callable[[Any], Mapping[str, Any]]
) -> dict[str, list]:
    """What is measured of several sets of images, by name."""
    found = [measured(images) for images in sets]
    return {name: [one[name] for one in found] for name in found[0]}


def table(columns: Iterable[str], rows: dict[str, list]) -> str:
    """A line for each indicator, a column for each set."""
    lines = [" " * 24 + "".join(f"{name:>11}" for name in columns)]
    lines += [
        f"{name:24}" + "".join(f"{float(value):11.3f}" for value in values)
        for name, values in rows.items()
    ]
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; 0 if it did what it should, 2 with a message if not.

    What the console has no character for is shown as its number.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        settings = PRESETS[_named(given)]
        commands = Annotated[
            Annotated[Train, conf.subcommand(default=Train(settings))]
            | Annotated[Sample, conf.subcommand()]
            | Annotated[Report, conf.subcommand()]
            | Annotated[Classify, conf.subcommand("classifier")]
            | Annotated[Study, conf.subcommand()],
            conf.AvoidSubcommands,
        ]
        command: Any = tyro.cli(
            commands, prog="python -m freezechaos.gan", description=__doc__, args=given
        )
        command.run()
    except _MISTAKES as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 2
    return 0


def _named(arguments: Sequence[str]) -> str:
    """The preset among the arguments, which the defaults of all others hang on."""
    name = "smoke"
    for one, following in zip(arguments, [*arguments, ""][1:], strict=True):
        if one == "--preset" or one.startswith("--preset="):
            name = one.partition("=")[2] or following
    if name not in PRESETS:
        raise ValueError(f"`--preset` must be one of {', '.join(PRESETS)}; got {name!r}.")
    return name


def _check_seed(seed: int) -> None:
    if checks.whole("seed", seed, 0, "Try 0.") >= 2**31:
        raise ValueError(f"`seed` must be below 2^31; got {seed}. Try 0.")


def _folder(folder: Path | None, preset: str) -> Path:
    return Path("runs") / preset if folder is None else folder
