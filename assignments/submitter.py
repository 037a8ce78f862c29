"""Whose submission it is: Gradescope's autograder runs this before any line of a student's.

The zip of a class with a roster has the tests of all students in one file. What the submitter's
own are is taken from it, and the file is deleted: code that runs later finds no one else's numbers.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

STUDENTS = "students.json"
"""By email address in small letters: `tests`, by file, and `given`, the locked cells by name."""


def submitter(users: Sequence[Mapping[str, Any]], students: Mapping[str, Any]) -> Any:
    """Return what `students` has for the one who submits.

    Arguments:
        users: of Gradescope's `submission_metadata.json`; each has an `email`.
        students: by email address in small letters.

    Raises:
        LookupError: more than one, or one whom the roster does not have.
    """
    emails = [str(user.get("email") or "").strip() for user in users]
    if len(emails) != 1:
        raise LookupError(
            f"Every student has numbers of his or her own, so one hands in alone; {len(emails)} "
            f"did here: {', '.join(emails)}. Hand in again without a group, each your own notebook."
        )
    own = students.get(emails[0].casefold())
    if own is None:
        raise LookupError(
            f"The roster has no student with the email address {emails[0]!r}, so nobody knows "
            "which numbers are yours. Tell your instructor, who adds this address to the roster's "
            "column `email` and uploads the autograder again."
        )
    return own


def give_again(notebook: Path, given: Mapping[str, str]) -> None:
    """Put the locked cells of a notebook back as the submitter got them; one that is broken stays.

    Otherwise a classmate's notebook would bring the classmate's numbers along.
    """
    try:
        read = json.loads(notebook.read_text(encoding="utf-8"))
        for cell in read["cells"]:
            name = cell["metadata"].get("nbgrader", {}).get("grade_id")
            if name in given:
                cell["source"] = given[name]
    except (ValueError, KeyError, TypeError, AttributeError):
        return  # otter says what is wrong with it
    notebook.write_text(json.dumps(read, ensure_ascii=False), encoding="utf-8")


def main(autograder: Path) -> int:
    """Lay out the submitter's tests, or write down why not; the exit status says which."""
    file = autograder / "source" / STUDENTS
    students = json.loads(file.read_text(encoding="utf-8"))
    file.unlink()
    about = json.loads((autograder / "submission_metadata.json").read_text(encoding="utf-8"))
    try:
        own = submitter(about["users"], students)
    except LookupError as refusal:
        results = {"score": 0, "output": str(refusal), "tests": []}
        (autograder / "results").mkdir(exist_ok=True)
        (autograder / "results" / "results.json").write_text(json.dumps(results), encoding="utf-8")
        print(refusal)
        return 1
    tests = autograder / "source" / "tests"
    tests.mkdir()
    for name, text in own["tests"].items():
        (tests / name).write_text(text, encoding="utf-8")
    for notebook in (autograder / "submission").glob("*.ipynb"):
        give_again(notebook, own["given"])
    return 0


if __name__ == "__main__":
    raise SystemExit(main(Path(sys.argv[1])))
