"""Export grades with a word on each that is missing or not final; also for Canvas and Moodle.

nbgrader's table has 0.0 for what could not be read or run, as for what is wrong, and breaks at a
comma in a name.
"""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nbgrader.api import Gradebook, MissingEntry
from nbgrader.plugins import ExportPlugin

NO_SCORE = dict.fromkeys(("raw_score", "late_submission_penalty", "score"), "")


class Grades(ExportPlugin):  # type: ignore[misc] # nbgrader has no types
    """nbgrader's table with a column `note`, and no score where nothing was graded."""

    def export(self, gradebook: Gradebook) -> None:
        """Write the table, and warn of every submission without a grade."""
        rows = self._rows(gradebook)
        names = ["assignment", "duedate", "timestamp", "student_id", "last_name", "first_name"]
        names += ["email", *NO_SCORE, "max_score", "note"]
        self._write("grades.csv", [names, *([row.get(name, "") for name in names] for row in rows)])
        for row in rows:
            if row["note"] and row["raw_score"] == "":
                self.log.warning(
                    "no grade: %s, %s: %s", row["student_id"], row["assignment"], row["note"]
                )

    def _write(self, usual: str, lines: Sequence[Sequence[Any]]) -> None:
        with Path(self.to or usual).open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows(lines)

    def _rows(self, gradebook: Gradebook) -> list[dict[str, Any]]:
        """Return a row for every student and assignment that were asked for."""
        rows = [
            self._row(gradebook, assignment, student)
            for assignment in gradebook.assignments
            if not self.assignment or assignment.name in self.assignment
            for student in gradebook.students
            if not self.student or student.id in map(str, self.student)
        ]
        if not self.student and not self.assignment:
            known = {(row["student_id"], row["assignment"]) for row in rows}
            rows += self._strangers(
                known, [assignment.name for assignment in gradebook.assignments]
            )
        return rows

    def _row(self, gradebook: Gradebook, assignment: Any, student: Any) -> dict[str, Any]:
        row = {name: getattr(student, name) or "" for name in PERSON} | {
            "assignment": assignment.name,
            "duedate": assignment.duedate or "",
            "student_id": student.id,
            "max_score": assignment.max_score,
        }
        try:
            handed = gradebook.find_submission(assignment.name, student.id)
        except MissingEntry:
            row |= dict.fromkeys(NO_SCORE, 0.0) | {"timestamp": ""}
        else:
            penalty = handed.late_submission_penalty
            row |= {"timestamp": handed.timestamp or "", "raw_score": handed.score}
            row |= {"late_submission_penalty": penalty, "score": max(0.0, handed.score - penalty)}
        return row | self._noted(gradebook, assignment.name, student.id)

    def _noted(self, gradebook: Gradebook, assignment: str, student: str) -> dict[str, str]:
        handed, graded = (self._folder(step, student, assignment) for step in STEPS)
        wanted = {f"{one.name}.ipynb" for one in gradebook.find_assignment(assignment).notebooks}
        there = {path.name for path in handed.glob("*")}
        if not there:
            return {"note": "not handed in"}
        if missing := wanted - there:
            note = f"{', '.join(sorted(missing))} is not among {', '.join(sorted(there))}"
            return NO_SCORE | {"note": note}
        if not all((graded / name).exists() for name in wanted):
            how = f"nbgrader autograde {assignment} --student={student} --force"
            return NO_SCORE | {"note": f"not graded yet, or that failed: see {how}"}
        grades = gradebook.find_submission(assignment, student).notebooks
        open_ = sum(grade.needs_manual_grade for one in grades for grade in one.grades)
        return {"note": f"{open_} answers are to be graded by hand" if open_ else ""}

    def _strangers(self, known: set[tuple[str, str]], names: list[str]) -> list[dict[str, Any]]:
        """Rows of what was handed in but is in no gradebook."""
        rows = []
        for folder in sorted(self._folder(STEPS[0], "*", "*").parent.parent.glob("*/*")):
            student, assignment = folder.parts[-2:]
            if folder.is_dir() and (student, assignment) not in known:
                note = "not graded yet" if assignment in names else "no assignment has this name"
                row = {"assignment": assignment, "student_id": student, "note": note}
                rows.append(row | NO_SCORE)
        return rows

    def _folder(self, step: str, student: str, assignment: str) -> Path:
        course = self.parent.coursedir
        return Path(course.format_path(getattr(course, step), student, assignment))


class Canvas(Grades):
    """What Canvas imports: a row a student, a column an assignment, only scores that are final."""

    head: tuple[str, ...] = ("Student", "ID", "SIS User ID", "SIS Login ID", "Section")

    def export(self, gradebook: Gradebook) -> None:
        """Write the table; students without a final score are left out: a blank deletes one."""
        rows = self._rows(gradebook)
        best = {row["assignment"]: row["max_score"] for row in rows if "max_score" in row}
        people: dict[str, dict[str, Any]] = {}
        for row in rows:
            if row["note"]:
                self.log.warning(
                    "left out: %s, %s: %s", row["student_id"], row["assignment"], row["note"]
                )
            else:
                people.setdefault(row["student_id"], row.copy())[row["assignment"]] = row["score"]
        lines = [
            [*self.person(row), *(row.get(name, "") for name in best)] for row in people.values()
        ]
        self._write("grades.csv", [[*self.head, *best], *self.second(best), *lines])

    def person(self, row: dict[str, Any]) -> list[str]:
        """Return what tells who it is: Canvas takes the first of three that it knows."""
        name = ", ".join(filter(None, (row["last_name"], row["first_name"]))) or row["student_id"]
        return [name, row["lms_user_id"], row["student_id"], row["student_id"], ""]

    def second(self, best: dict[str, float]) -> list[list[Any]]:
        """Return the line of the points that are possible."""
        return [["    Points Possible", "", "", "", "", *best.values()]]


class Moodle(Canvas):
    """What Moodle imports; map *ID number* or *Email address* when it asks."""

    head = ("First name", "Last name", "ID number", "Email address")

    def person(self, row: dict[str, Any]) -> list[str]:
        """Return what tells who it is."""
        number = row["lms_user_id"] or row["student_id"]
        return [row["first_name"], row["last_name"], number, row["email"]]

    def second(self, best: dict[str, float]) -> list[list[Any]]:
        """Moodle has no such line."""
        return []


PERSON = "last_name", "first_name", "email", "lms_user_id"
"""What nbgrader's gradebook knows of a student, besides the id."""
STEPS = "submitted_directory", "autograded_directory"
"""Of nbgrader's course folder: what came in, and what was graded."""
