"""Autograders for Gradescope: `gradescope.py SEED [NAME ...]`.

For each problem set a zip that otter-grader grades by, in the format of its documentation: the
cells that nbgrader grades by running are its tests, for the same points, and they run where they
stand in the notebook. What students hand in is the notebook that they would for nbgrader.

Tried with otter-grader 7.0.0, by `otter run`, which does not build the container.
"""

import argparse
import json
import re
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from zipfile import ZipFile

from hatchling.builders.wheel import WheelBuilder
from nbformat import NotebookNode

import make

ROOT = make.HERE.parent
SOURCE = "/autograder/source"
"""Where Gradescope unpacks the zip."""
PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
"""The grader's own, for the lock has other versions for other Pythons."""
NEEDS = "freeze-and-chaos[explorers] @ file://{source}/{wheel}\notter-grader[grading]==7.0.0\n"
CONFIG = {"lang": "python", "show_hidden": False, "show_stdout": False}
"""Students see what they can test themselves; of hidden tests nothing, not even their points."""

SETUP = f"""#!/bin/sh
set -e
apt-get update
apt-get install -y python3-venv
python3 -m venv /autograder/tools
/autograder/tools/bin/pip install uv
/autograder/tools/bin/uv venv --python {PYTHON} /autograder/python
/autograder/tools/bin/uv pip install --python /autograder/python/bin/python \\
  --constraint {SOURCE}/constraints.txt --requirement {SOURCE}/requirements.txt
"""

RUN = """#!/bin/sh
export JAX_PLATFORMS=cpu XLA_FLAGS=--xla_backend_optimization_level=1
exec /autograder/python/bin/python -c \\
  'from otter.run.run_autograder import main; main("/autograder")'
"""

TEST = """OK_FORMAT = False

from otter.test_files import test_case

name = {name!r}
lines = {lines}


@test_case(points={points}, hidden={hidden})
def test(env):
    try:
        exec(compile("\\n".join(lines), name, "exec"), env)
    except SystemExit as end:
        raise RuntimeError("the code ended the program") from end
"""
"""A cell runs among the names of the notebook, and what it defines stays for the next."""


def test_file(cell: NotebookNode) -> str:
    """Return otter's test for a cell: all of its points if it runs to its end, or none."""
    mark = cell.metadata.nbgrader
    return TEST.format(
        name=mark.grade_id,
        lines=json.dumps(cell.source.splitlines(), indent=4, ensure_ascii=False),
        points=mark.points,
        hidden="### BEGIN HIDDEN TESTS" in cell.source,
    )


def constraints(lock: str) -> str:
    """Return the versions of a lock, without the hashes that would forbid what it does not have."""
    return "".join(f"{line}\n" for line in re.findall(r"^[a-z0-9].*?==.*?(?= *\\?$)", lock, re.M))


def files(name: str, seed: int, wheel: str) -> Mapping[str, str]:
    """Return what the zip of an assignment has by name, but for the wheel of this file name."""
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    return {
        "setup.sh": SETUP,
        "run_autograder": RUN,
        "otter_config.json": json.dumps(CONFIG, indent=2) + "\n",
        "requirements.txt": NEEDS.format(source=SOURCE, wheel=wheel),
        "constraints.txt": constraints(lock),
        **{
            f"tests/{cell.metadata.otter.tests[0]}.py": test_file(cell)
            for cell in make.tested(make.filled(name, seed))
        },
    }


def write(seed: int, wanted: Sequence[str], folder: Path) -> list[Path]:
    """Write a zip for each assignment, all where none is `wanted`, and return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    with tempfile.TemporaryDirectory() as built:
        wheel = Path(next(WheelBuilder(str(ROOT)).build(directory=built, versions=["standard"])))
        for name in wanted or make.names():
            written.append(folder / f"{name}.zip")
            with ZipFile(written[-1], "w") as package:
                package.write(wheel, wheel.name)
                for file, text in files(name, seed, wheel.name).items():
                    package.writestr(file, text)
    return written


def main() -> None:
    """Write the zips of a class beside its notebooks, and say what comes next."""
    parser = argparse.ArgumentParser(description="Write autograders for Gradescope.")
    parser.add_argument("seed", type=make.whole_number, metavar="SEED")
    parser.add_argument("names", nargs="*", metavar="NAME", help="all where left out")
    given = parser.parse_args()
    if unknown := set(given.names) - set(make.names()):
        parser.error(
            f"no assignment {', '.join(sorted(unknown))}; there are {', '.join(make.names())}"
        )
    for path in write(given.seed, given.names, make.BUILT / str(given.seed) / "gradescope"):
        shown = path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
        print(f"gradescope: {shown}")
    print(f"gradescope: for notebooks to hand out, make assignments SEED={given.seed}")


if __name__ == "__main__":
    main()
