"""Fill the assignments in for one class: `make.py SEED [--roster students.csv] [NAME ...]`.

An assignment is a folder NAME with a template NAME.ipynb, in which `<<name>>` stands for a
parameter, and a module variant.py whose function `parameters(rng)` draws them. What comes out is
a course folder of nbgrader, _build/assignments/SEED/, in which its commands work as they are.

With a roster every student has numbers of his or her own, drawn from a seed that only who knows the
seed of the class can work out: one student's tells nothing of another's, nor of the class's.
"""

import argparse
import hashlib
import hmac
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from runpy import run_path

import nbformat
import numpy as np
from jinja2 import Environment, StrictUndefined
from nbformat import NotebookNode
from nbgrader.converters import GenerateAssignment
from nbgrader.preprocessors import SaveCells

import roster

HERE = Path(__file__).parent
BUILT = HERE.parent / os.environ.get("FREEZECHAOS_OUT", "") / "_build" / "assignments"
COURSE_FILES = (
    "nbgrader_config.py", "sandbox.py", "inside.py", "reading.py", "restoring.py", "grades.py",
    "roster.py",
)  # fmt: skip
ROUNDS = 600_000
"""Of SHA-256, a third of a second: so long takes a guess at the seed of a class."""
TEMPLATES = Environment(
    variable_start_string="<<",
    variable_end_string=">>",
    # no tags beside variables: no notebook has these characters
    block_start_string="\x01",
    block_end_string="\x02",
    comment_start_string="\x03",
    comment_end_string="\x04",
    undefined=StrictUndefined,
    keep_trailing_newline=True,
)


def names() -> list[str]:
    """Return the assignments that there are."""
    return sorted(path.parent.name for path in HERE.glob("*/variant.py"))


def parameters(name: str, seed: int) -> dict[str, object]:
    """Return what a class or a student gets for `seed` in `name`; it depends on nothing else."""
    rng = np.random.default_rng([seed, *name.encode()])
    drawn: dict[str, object] = run_path(str(HERE / name / "variant.py"))["parameters"](rng)
    return drawn


def student_seed(seed: int, student: str) -> int:
    """Return the seed of one student of the class `seed`: 256 bits."""
    return int.from_bytes(hmac.digest(_key(seed), roster.composed(student).encode(), "sha256"))


@cache
def _key(seed: int) -> bytes:
    return hashlib.pbkdf2_hmac("sha256", str(seed).encode(), b"freeze-and-chaos", ROUNDS)


def template(name: str) -> NotebookNode:
    """Return the notebook as it is in the repository, with solutions and hidden tests."""
    return nbformat.read(HERE / name / f"{name}.ipynb", as_version=4)


def filled(name: str, seed: int) -> NotebookNode:
    """Return the notebook of the class or the student of `seed`, with solutions and hidden tests.

    Raises:
        jinja2.UndefinedError: the template names a parameter that is never drawn.
    """
    notebook, values = template(name), parameters(name, seed)
    for cell in notebook.cells:
        cell.source = TEMPLATES.from_string(cell.source).render(values)
    for number, cell in enumerate(tested(notebook), start=1):  # otter runs its test in this place
        cell.metadata["otter"] = {"tests": [f"{number:02}_{cell.metadata.nbgrader.grade_id}"]}
    return notebook


def tested(notebook: NotebookNode) -> list[NotebookNode]:
    """Return the cells of a notebook that have points and are graded by running them."""
    marks = [cell.metadata.get("nbgrader", {}) for cell in notebook.cells]
    return [
        cell
        for cell, mark in zip(notebook.cells, marks, strict=True)
        if mark.get("grade") and not mark["solution"]
    ]


def class_list(folder: Path, newer: Sequence[roster.Student]) -> Sequence[roster.Student]:
    """Return the students whom the folder of a class has, and those who join now."""
    known = roster.read(folder / roster.FILE) if (folder / roster.FILE).exists() else []
    return roster.joined(known, newer)


def build(
    seed: int,
    wanted: Sequence[str] = (),
    folder: Path | None = None,
    students: Sequence[roster.Student] = (),
) -> Path:
    """Make the course folder of a class, and return it; grades and submissions in it stay.

    Arguments:
        seed: of the class, a whole number, 0 or more.
        wanted: assignments; all where left out.
        folder: where; `_build/assignments/SEED` where left out.
        students: who get numbers of their own; where left out, those that the folder has already,
            and if it has none, all get the same numbers.
    """
    folder = folder or BUILT / str(seed)
    students = class_list(folder, students)
    (folder / "submitted").mkdir(parents=True, exist_ok=True)
    for file in COURSE_FILES:
        shutil.copyfile(HERE / file, folder / file)
    for name in wanted or names():
        print(f"assignments: filling in {name}", file=sys.stderr)
        source = folder / "source" / name / f"{name}.ipynb"
        source.parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(filled(name, seed), source)
        _run(folder, "generate_assignment", name, "--create", "--force")
        if students:  # nobody gets the numbers of the class
            shutil.rmtree(folder / "release" / name)
        for student in students:
            _write_own(folder, name, seed, student.id)
    if students:
        roster.write(students, folder / roster.FILE)
        _run(folder, "db", "student", "import", roster.FILE)
    return folder


def _write_own(folder: Path, name: str, seed: int, student: str) -> None:
    """Write the notebook of one student: solved, with hidden tests, and to hand out.

    nbgrader's own steps, but for `SaveCells`, which would take it for the notebook of the class.
    """
    notebook = filled(name, student_seed(seed, student))
    steps = GenerateAssignment.preprocessors.default()
    saved = steps.index(SaveCells)
    _write(notebook, folder / "students" / student / name / "solution.ipynb")
    _write(
        _stepped(notebook, steps[:saved]), folder / "students" / student / name / f"{name}.ipynb"
    )
    handed = _stepped(notebook, steps[saved + 1 :])
    _write(handed, folder / "handout" / student / name / f"{name}.ipynb")


def _stepped(notebook: NotebookNode, steps: Sequence[type]) -> NotebookNode:
    for step in steps:
        notebook, _ = step().preprocess(notebook, {})
    return notebook


def _write(notebook: NotebookNode, file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, file)


def _run(folder: Path, *arguments: str) -> None:
    command = [sys.executable, "-m", "nbgrader", *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"assignments: `nbgrader {' '.join(arguments)}` failed:\n{done.stderr}")


def whole_number(text: str) -> int:
    """Return a seed.

    Raises:
        argparse.ArgumentTypeError: it is missing or none.
    """
    if not (text.isascii() and text.isdigit()):
        got = f"got {text!r}" if text else "it is missing"
        raise argparse.ArgumentTypeError(
            f"SEED must be a whole number, 0 or more; {got}. Give each class its own, and keep "
            "it to yourself: make assignments SEED=739105528164, and the same for exam, gradescope"
        )
    return int(text)


def parsed(parser: argparse.ArgumentParser) -> argparse.Namespace:
    """Return what was given of a seed, a roster and names of assignments."""
    parser.add_argument("seed", type=whole_number, metavar="SEED")
    parser.add_argument("--roster", type=roster.given, default=(), metavar="FILE.csv",
        help="a column `id`, and if you like first_name, last_name, email, lms_user_id",
    )  # fmt: skip
    parser.add_argument("names", nargs="*", metavar="NAME", help="all where left out")
    given = parser.parse_intermixed_args()
    if unknown := set(given.names) - set(names()):
        parser.error(f"no assignment {', '.join(sorted(unknown))}; there are {', '.join(names())}")
    return given


def main() -> None:
    """Make the folder and say what comes next."""
    given = parsed(argparse.ArgumentParser(description="Fill the assignments in for one class."))
    if given.seed < 10**9:
        print("assignments: a seed this short is soon guessed; take twelve digits for a class")
    folder = build(given.seed, given.names, students=given.roster)
    shown = folder.relative_to(Path.cwd()) if folder.is_relative_to(Path.cwd()) else folder
    first = (given.names or names())[0]
    if (folder / roster.FILE).exists():
        print("assignments: hand out to each student his or her own folder, and nothing else")
        print(f"  {shown}/handout/STUDENT/")
    else:
        print("assignments: hand out these notebooks, and nothing else of the folder")
        for name in given.names or names():
            print(f"  {shown}/release/{name}/{name}.ipynb")
    print("assignments: put what students hand in into")
    print(f"  {shown}/submitted/STUDENT/{first}/{first}.ipynb")
    nbgrader = os.path.relpath(Path(sys.executable).with_name("nbgrader"), folder)
    print(f"assignments: then type\n  cd {shown} && {nbgrader} autograde {first}")


if __name__ == "__main__":
    main()
