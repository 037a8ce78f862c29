"""Break the package in one place at a time, and see whether the tests notice.

    .venv/bin/python tests/mutants.py             # all; minutes each
    .venv/bin/python tests/mutants.py ddof drift  # those by name

Not part of `make test`. A mutant that survives is a test that is missing: write it, see it fail,
and leave the mutant here.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
PACKAGE = Path("companion") / "freezechaos"


class Mutant(NamedTuple):
    """A change of one line, and the tests that must fail with it."""

    file: str
    before: str
    after: str
    tests: str


MUTANTS = {
    "generator never updated": Mutant(
        "gan/game.py",
        "state.step + 1, state.seed, first_network, second_network, average,",
        "state.step + 1, state.seed, state.generator, second_network, average,",
        "tests/test_gan_training.py",
    ),
    "plain sums": Mutant(
        "kernels/recursion.py",
        "return total, addend - (total - value)",
        "return total, 0 * (addend - (total - value))",
        "tests/test_kernels.py",
    ),
    "ddof": Mutant(
        "empirical/sampling.py", "jnp.std(samples, axis=0, ddof=1)", "jnp.std(samples, axis=0)",
        "tests/test_empirical.py",
    ),
    "warm-up of the average": Mutant(
        "gan/game.py",
        "jnp.minimum(decay, (1 + step) / (10 + step))",
        "jnp.minimum(decay, (2 + step) / (11 + step))",
        "tests/test_gan_training.py",
    ),
    "batch on every device": Mutant(
        "gan/game.py", "both if mesh is None else devices.sharded(both, mesh)", "both",
        "tests/test_gan_devices.py",
    ),
    "recentred once": Mutant(
        "normalization/parts.py",
        "return centred - jnp.mean(centred, axis=-1, keepdims=True)", "return centred",
        "tests/test_normalization.py",
    ),
    "no floor of eigenvalues": Mutant(
        "matrices.py",
        "return float(sqrt(len(matrix)) * (entries + np.finfo(np.float64).eps * largest))",
        "return 0.0 * float(sqrt(len(matrix)) * (entries + largest))",
        "tests/test_dynamics.py tests/test_spectra.py",
    ),
    "fewer Hermite terms": Mutant(
        "duals.py", "_MISSED = 1e-7", "_MISSED = 1e-4", "tests/test_duals.py"
    ),
    "drift": Mutant(
        "kernels/recursion.py",
        "addend = increment + carry", "addend = increment * (1 + 3e-7) + carry",
        "tests/test_kernels.py",
    ),
}  # fmt: skip


def survives(mutant: Mutant, folder: Path) -> bool:
    """Whether the tests pass on a copy of the package with the change in it.

    Raises:
        ValueError: the line to be changed is not there, or there twice.
    """
    shutil.copytree(ROOT / "companion", folder / "companion")
    file = folder / PACKAGE / mutant.file
    text = file.read_text(encoding="utf-8")
    if text.count(mutant.before) != 1:
        raise ValueError(
            f"{mutant.file} must have this once, found {text.count(mutant.before)}: {mutant.before}"
        )
    file.write_text(text.replace(mutant.before, mutant.after), encoding="utf-8")
    path = os.pathsep.join([str(folder / "companion"), os.environ.get("PYTHONPATH", "")])
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider"]
    run = subprocess.run(
        [*command, *mutant.tests.split()],
        cwd=ROOT, env={**os.environ, "PYTHONPATH": path}, capture_output=True, check=False,
    )  # fmt: skip
    if run.returncode not in (0, 1):
        raise ValueError(run.stdout.decode(errors="replace")[-2000:])
    return run.returncode == 0


def main(names: list[str]) -> int:
    """Say of each mutant whether it was noticed; the exit status counts those that were not."""
    if unknown := set(names) - set(MUTANTS):
        raise SystemExit(f"no such mutant: {', '.join(unknown)}; there are {', '.join(MUTANTS)}")
    alive = 0
    for name in names or MUTANTS:
        with tempfile.TemporaryDirectory() as folder:
            lives = survives(MUTANTS[name], Path(folder))
        print(f"{name}: {'SURVIVES' if lives else 'noticed'}", flush=True)
        alive += lives
    return alive


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
