"""Autograders for Gradescope: `gradescope.py SEED [--roster students.csv] [NAME ...]`.

For each problem set a zip that otter-grader grades by, in the format of its documentation: the
cells that nbgrader grades by running are its tests, for the same points, and they run where they
stand in the notebook. What students hand in is the notebook that they would for nbgrader.

With a roster the zip has every student's tests, and `submitter.py` leaves those of the one who
submits. Tried with otter-grader 7.0.0.
"""

import argparse
import json
import re
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile

from hatchling.builders.wheel import WheelBuilder
from nbformat import NotebookNode

import make
import roster
import submitter

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

CHOOSE = f"""/autograder/python/bin/python {SOURCE}/submitter.py /autograder || exit 0
"""
"""Who is refused has results, which say why."""
RUN = """#!/bin/sh
{choose}export JAX_PLATFORMS=cpu XLA_FLAGS=--xla_backend_optimization_level=1
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


def tests(name: str, seed: int) -> Mapping[str, str]:
    """Return otter's tests of an assignment by file, with the numbers of a class or a student."""
    cells = make.tested(make.filled(name, seed))
    return {f"{cell.metadata.otter.tests[0]}.py": test_file(cell) for cell in cells}


def given(name: str, seed: int) -> Mapping[str, str]:
    """Return the code of an assignment that is locked and has no points, by the names of cells."""
    cells = make.filled(name, seed).cells
    marks = [cell.metadata.get("nbgrader", {}) for cell in cells]
    return {
        mark["grade_id"]: cell.source
        for cell, mark in zip(cells, marks, strict=True)
        if cell.cell_type == "code" and mark.get("locked") and not mark["grade"]
    }


def by_email(students: Sequence[roster.Student]) -> Mapping[str, roster.Student]:
    """Return students by their addresses in small letters, which is how Gradescope knows them.

    Raises:
        ValueError: one has none, or another's.
    """
    if without := [student.id for student in students if not student.email]:
        raise ValueError(
            "Gradescope knows students by their `email`, so the roster needs that of each; it has "
            f"none of {', '.join(without)}."
        )
    emails = [student.email.casefold() for student in students]
    if twice := sorted({email for email in emails if emails.count(email) > 1}):
        raise ValueError(f"an `email` must be one student's; the roster has {twice} repeatedly.")
    return dict(zip(emails, students, strict=True))


def of_a_class(name: str, seed: int, students: Sequence[roster.Student]) -> Mapping[str, str]:
    """Return what of the zip depends on numbers: the tests, or those of all and who chooses."""
    if not students:
        return {f"tests/{file}": text for file, text in tests(name, seed).items()}
    seeds = {
        email: make.student_seed(seed, student.id) for email, student in by_email(students).items()
    }
    own = {
        email: {"tests": tests(name, number), "given": given(name, number)}
        for email, number in seeds.items()
    }
    return {
        submitter.STUDENTS: json.dumps(own, ensure_ascii=False),
        "submitter.py": Path(submitter.__file__).read_text(encoding="utf-8"),
    }


def files(
    name: str, seed: int, wheel: str, students: Sequence[roster.Student] = ()
) -> Mapping[str, str]:
    """Return what the zip of an assignment has by name, but for the wheel of this file name."""
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    return {
        "setup.sh": SETUP,
        "run_autograder": RUN.format(choose=CHOOSE if students else ""),
        "otter_config.json": json.dumps(CONFIG, indent=2) + "\n",
        "requirements.txt": NEEDS.format(source=SOURCE, wheel=wheel),
        "constraints.txt": constraints(lock),
        **of_a_class(name, seed, students),
    }


def write(
    seed: int, wanted: Sequence[str], folder: Path, students: Sequence[roster.Student] = ()
) -> list[Path]:
    """Write a zip for each assignment, all where none is `wanted`, and return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    with tempfile.TemporaryDirectory() as built:
        wheel = Path(next(WheelBuilder(str(ROOT)).build(directory=built, versions=["standard"])))
        for name in wanted or make.names():
            written.append(folder / f"{name}.zip")
            with ZipFile(written[-1], "w", ZIP_DEFLATED) as package:
                package.write(wheel, wheel.name)
                for file, text in files(name, seed, wheel.name, students).items():
                    package.writestr(file, text)
    return written


def main() -> None:
    """Write the zips of a class beside its notebooks, and say what comes next."""
    parser = argparse.ArgumentParser(description="Write autograders for Gradescope.")
    given = make.parsed(parser)
    folder = make.BUILT / str(given.seed)
    students = make.class_list(folder, given.roster)
    try:
        written = write(given.seed, given.names, folder / "gradescope", students)
    except ValueError as problem:
        parser.error(str(problem))
    for path in written:
        shown = path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
        print(f"gradescope: {shown}")
    if students:
        print(f"gradescope: numbers of their own for {len(students)} students, known by `email`")
    if given.roster or not students:
        again = " ROSTER=..." if given.roster else ""
        print(f"gradescope: for notebooks to hand out, make assignments SEED={given.seed}{again}")


if __name__ == "__main__":
    main()
