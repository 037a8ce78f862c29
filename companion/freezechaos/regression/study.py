"""All of Fashion-MNIST, learned exactly by networks of infinite width: run, stored and read.

`python -m freezechaos.regression.study` runs what is not stored yet: minutes a setting on two
cores, 11 GB of memory. It goes on where it was killed.
"""

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import jax.numpy as jnp
import numpy as np

from .. import activations, data, dynamics, regimes
from ..records import made, write_atomically
from .algebra import NTK
from .fitting import fit

STORED = Path(__file__).parent / "stored" / "fashion_mnist.json"
"""What comes with the package."""
RIDGE = 1e-2
"""In diagonal entries of the kernel; it ends the training of the smallest modes."""
_TOLERANCE = 1e-4
_GELU = activations.normalized("gelu")
PHASES = {"freeze": 0.7, "edge": float(regimes.critical_beta(_GELU)), "chaos": 0.1}
"""Shares of the bias, of normalized GELU, as in chapter 4."""
DEPTHS = (4, 16, 64)
IMAGES = (1_000, 60_000)
"""How many are trained on."""


@dataclass(frozen=True)
class Setting:
    """The scaled NTK of normalized GELU, and how many training images it sees."""

    phase: str
    depth: int
    images: int

    @property
    def kernel(self) -> NTK:
        """As a value."""
        return NTK(_GELU, PHASES[self.phase], self.depth)


SETTINGS = tuple(
    Setting(phase, depth, images) for images in IMAGES for depth in DEPTHS for phase in PHASES
)


@dataclass(frozen=True)
class Learned:
    """What a kernel says of the 10,000 test images.

    Attributes:
        setting: of the kernel.
        right: share of images whose largest output is that of their class.
        error: |output - target|^2, summed over the ten outputs, mean over images; of answering 0
            it is 0.9.
        steps: of conjugate gradients.
        residual: relative to the targets.
        made: date, machine, versions.
    """

    setting: Setting
    right: float
    error: float
    steps: int
    residual: float
    made: str


def learned(setting: Setting, checkpoint: Path | None = None, *, progress: bool = False) -> Learned:
    """Learn images of the training set, as many of each class.

    Raises:
        OSError: the set is not on this machine and cannot be fetched.
        OutOfMemoryError: as for `fit`.
    """
    train, test = (
        data.load("fashion_mnist", count=setting.images),
        data.load("fashion_mnist", "test"),
    )
    labels, kinds = np.asarray(train.labels), np.asarray(test.labels)
    targets, answers = dynamics.one_hot(labels, 10), dynamics.one_hot(kinds, 10)
    found = fit(
        setting.kernel, train.flat, targets, ridge=RIDGE, tolerance=_TOLERANCE,
        checkpoint=checkpoint, progress=progress,
    )  # fmt: skip
    outputs = found.predict(test.flat)
    right = float(dynamics.accuracy(outputs, kinds))
    error = float(jnp.mean(jnp.sum((outputs - answers) ** 2, axis=1)))
    return Learned(setting, right, error, found.iterations, found.residual, made())


def stored(file: Path = STORED) -> dict[Setting, Learned]:
    """What a file has, by setting."""
    if not file.exists():
        return {}
    lines = json.loads(file.read_text("utf-8"))
    runs = [Learned(**{**line, "setting": Setting(**line["setting"])}) for line in lines]
    return {run.setting: run for run in runs}


def study(file: Path, settings: Sequence[Setting] = SETTINGS) -> Iterator[Learned]:
    """Run what the file does not have, and store each as it comes."""
    runs = stored(file)
    file.parent.mkdir(parents=True, exist_ok=True)
    checkpoint = file.with_suffix(".npz")
    for setting in settings:
        if setting not in runs:
            runs[setting] = learned(setting, checkpoint, progress=True)
            lines = ",\n".join(json.dumps(asdict(run)) for run in runs.values())
            write_atomically(file, f"[\n{lines}\n]\n".encode())
            checkpoint.unlink(missing_ok=True)
        yield runs[setting]


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--file", type=Path, default=Path("runs") / STORED.name)
    for run in study(parser.parse_args().file):
        name = f"{run.setting.phase}, depth {run.setting.depth}, {run.setting.images:,} images"
        print(
            f"{name}: {run.right:.2%} right, error {run.error:.3f}, {run.steps} steps", flush=True
        )


if __name__ == "__main__":
    main()
