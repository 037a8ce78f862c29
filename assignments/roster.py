"""The students of a class, as nbgrader's gradebook has them: `students.csv`."""

import argparse
import csv
import io
import re
import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

FILE = "students.csv"
FORBIDDEN = re.compile(r'[\\/:*?"<>|\[\]\x00-\x1f]|^\.|^\s|\s$')
"""In the name of a folder, on some system or for nbgrader."""


class Student(NamedTuple):
    """A row of the roster, with nbgrader's names.

    Attributes:
        id: names the folder of what is handed in; the numbers hang on it.
        first_name, last_name, email: for people, and for the tables that Canvas and Moodle read.
        lms_user_id: of the learning-management system, if it has another.
    """

    id: str
    first_name: str = ""
    last_name: str = ""
    email: str = ""
    lms_user_id: str = ""


def composed(text: str) -> str:
    """Return a name with each letter and its accents in one character, as not all systems do."""
    return unicodedata.normalize("NFC", text)


def read(path: Path) -> list[Student]:
    """Return the students of a table with a head, separated by commas, semicolons or tabs.

    Arguments:
        path: in UTF-8, with or without the mark that Excel writes; columns with other names than
            those of `Student` are left out.

    Raises:
        ValueError: no column `id`, no students, an id twice or one that can name no folder.
    """
    text = path.read_text(encoding="utf-8-sig")
    head = text.partition("\n")[0]
    rows = csv.DictReader(io.StringIO(text), delimiter=max(",;\t", key=head.count))
    rows.fieldnames = [name.strip().lower() for name in rows.fieldnames or ()]
    if "id" not in rows.fieldnames:
        raise ValueError(
            f"{path} must have a column `id`; its first line is {head.strip()!r}. Name the column "
            "of what a student's folder is to be called so."
        )
    students = [
        Student(**{name: composed((row.get(name) or "").strip()) for name in Student._fields})
        for row in rows
        if any(row.values())
    ]
    _check(path, [student.id for student in students])
    return students


def _check(path: Path, ids: Sequence[str]) -> None:
    if not ids:
        raise ValueError(f"{path} must have a student a line, below its head; it has none.")
    for student in ids:
        if not student or FORBIDDEN.search(student):
            raise ValueError(
                f"an `id` must be able to name a folder; {path} has {student!r}. Leave out "
                "slashes, brackets, quotation marks and a point in front."
            )
    folded = [student.casefold() for student in ids]
    if twice := {student for student in ids if folded.count(student.casefold()) > 1}:
        raise ValueError(f"an `id` must be one student's; {path} has {sorted(twice)} repeatedly.")


def write(students: Iterable[Student], path: Path) -> None:
    """Write the table that nbgrader reads."""
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(Student._fields)
        table.writerows(students)


def joined(known: Iterable[Student], newer: Iterable[Student]) -> list[Student]:
    """Return all, each as he or she was named last."""
    return list({student.id: student for student in (*known, *newer)}.values())


def given(path: str) -> list[Student]:
    """Return the students of a file that was named on the command line.

    Raises:
        argparse.ArgumentTypeError: it cannot be read.
    """
    try:
        return read(Path(path))
    except (OSError, ValueError) as problem:
        raise argparse.ArgumentTypeError(str(problem)) from problem
