"""Export grades with a word on each that is missing or not final.

nbgrader's table has 0.0 for what could not be read or run, as for what is wrong.
"""

import csv
from pathlib import Path
from typing import Any

from nbgrader.api import Gradebook
from nbgrader.plugins import CsvExportPlugin

NO_SCORE = dict.fromkeys(("raw_score", "late_submission_penalty", "score"), "")


class Grades(CsvExportPlugin):  # type: ignore[misc] # nbgrader has no types
    """nbgrader's table with a column `note`, and no score where nothing was graded."""

    def export(self, gradebook: Gradebook) -> None:
        """Write the table, and warn of every submission without a grade."""
        super().export(gradebook)
        file = Path(self.to or "grades.csv")
        with file.open(newline="") as lines:
            rows = list(csv.DictReader(lines))
        for row in rows:
            row |= self._noted(gradebook, row["assignment"], row["student_id"])
        if not self.student and not self.assignment:
            known = {(row["student_id"], row["assignment"]) for row in rows}
            rows += self._strangers(
                known, [assignment.name for assignment in gradebook.assignments]
            )
        with file.open("w", newline="") as lines:
            names = dict.fromkeys(name for row in rows for name in row)
            table = csv.DictWriter(lines, list(names), restval="")
            table.writeheader()
            table.writerows(rows)
        for row in rows:
            if row["note"] and row["raw_score"] == "":
                self.log.warning(
                    "no grade: %s, %s: %s", row["student_id"], row["assignment"], row["note"]
                )

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


STEPS = "submitted_directory", "autograded_directory"
"""Of nbgrader's course folder: what came in, and what was graded."""
