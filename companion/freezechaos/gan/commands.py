"""The command line: train, sample, report."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import jax
import numpy as np
import tyro
from tyro import conf

from . import pictures, training
from .checkpoints import BrokenCheckpointError, Checkpoints, SaveError, read_preset
from .indicators import border, checkerboard, diversity
from .presets import PRESETS, Preset

_MISTAKES = (
    ValueError, TypeError, OSError, training.DivergedError, BrokenCheckpointError, SaveError,
)  # fmt: skip


@dataclass(frozen=True)
class Train:
    """Train a generator against a discriminator, from the newest checkpoint if there is one.

    Presets: smoke (seconds), freeze, edge, chaos, batchnorm (minutes on a CPU), paper (a GPU).
    Every option below has the preset's value; give --preset first to see those of another.

    Watch `diversity` in the bar: 0 is a collapsed generator, that of real images is in `report`.
    `checkerboard_2` near 1 is a picture of nothing but up-sampling. Kill it when you like: the
    same command goes on from the newest checkpoint, and comes out the same.

    Try: train --preset freeze, then train --preset chaos, then report on both.
    """

    settings: conf.OmitArgPrefixes[Preset] = field(default_factory=lambda: PRESETS["smoke"])
    preset: str = "smoke"
    """Where the options start from: smoke, freeze, edge, chaos, batchnorm or paper."""
    folder: Path | None = None
    """Of the run; runs/ and the preset's name if left out."""
    quiet: bool = False
    """Whether to leave out the progress bar."""

    def run(self) -> None:
        """Train, with a picture of samples at every checkpoint."""
        folder = _folder(self.folder, self.preset)
        key = training.keys(self.settings).fixed

        def picture(state: training.State) -> None:
            images = training.samples(state.generator, key=key)
            pictures.write(folder / "samples" / f"{int(state.step):06d}.png", images)

        training.train(self.settings, folder, progress=not self.quiet, each=picture)
        print(f"{folder}: {self.settings.steps} steps; pictures in {folder / 'samples'}")


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
        if self.count < 1:
            raise ValueError(f"`count` must be 1 or more; got {self.count}. Try 64.")
        folder = _folder(self.folder, self.preset)
        state = newest(folder)
        network = state.average if self.average else state.generator
        images = training.samples(network, self.count, key=jax.random.key(self.seed))
        print(pictures.write(self.out or folder / "sample.png", images))


@dataclass(frozen=True)
class Report:
    """Print a run's indicators, with those of as many real images beside them."""

    preset: str = "smoke"
    """Whose folder to look in, where --folder is left out."""
    folder: Path | None = None
    """Of the run; runs/ and the preset's name if left out."""
    count: int = 512
    """How many images."""
    seed: int = 0
    """Of their latent vectors."""

    def run(self) -> None:
        """Generate, measure, print."""
        if self.count < 2:
            raise ValueError(f"`count` must be 2 or more; got {self.count}. Try 512.")
        folder = _folder(self.folder, self.preset)
        state, real = newest(folder), training.real_images(read_preset(folder))
        key = jax.random.key(self.seed)
        columns = {
            "generator": training.samples(state.generator, self.count, key=key),
            "average": training.samples(state.average, self.count, key=key),
            "real": np.random.default_rng(self.seed).permutation(real)[: self.count],
        }
        print(f"{folder}, step {int(state.step)}\n{table(columns)}")


def newest(folder: Path) -> training.State:
    """The newest state of the run in a folder.

    Raises:
        FileNotFoundError: no run there, or none that has saved anything.
        BrokenCheckpointError: all its checkpoints are damaged.
    """
    preset = read_preset(folder)
    with Checkpoints(folder, preset) as kept:
        if kept.newest is None:
            raise FileNotFoundError(
                f"`folder` must hold a checkpoint; {folder} has none yet. Go on with "
                f"python -m freezechaos.gan train until step {preset.save}."
            )
        return kept.restore(training.initial(preset))


def table(columns: dict[str, Any]) -> str:
    """Indicators of several sets of images, a line each."""
    rows = {
        "diversity": [diversity(x) for x in columns.values()],
        "checkerboard, period 2": [checkerboard(x)[0] for x in columns.values()],
        "checkerboard, period 4": [checkerboard(x)[1] for x in columns.values()],
        "border, brightness": [border(x).brightness for x in columns.values()],
        "border, contrast": [border(x).contrast for x in columns.values()],
    }
    lines = [" " * 24 + "".join(f"{name:>11}" for name in columns)]
    lines += [
        f"{name:24}" + "".join(f"{float(value):11.3f}" for value in values)
        for name, values in rows.items()
    ]
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; 0 if it did what it should, 2 with a message if not."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        settings = PRESETS[_named(given)]
        commands = Annotated[
            Annotated[Train, conf.subcommand(default=Train(settings))]
            | Annotated[Sample, conf.subcommand()]
            | Annotated[Report, conf.subcommand()],
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
    for one, following in zip(arguments, [*arguments[1:], ""], strict=True):
        if one == "--preset" or one.startswith("--preset="):
            name = one.partition("=")[2] or following
    if name not in PRESETS:
        raise ValueError(f"`--preset` must be one of {', '.join(PRESETS)}; got {name!r}.")
    return name


def _folder(folder: Path | None, preset: str) -> Path:
    return Path("runs") / preset if folder is None else folder
