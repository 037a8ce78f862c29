"""nbgrader's settings for this course: students' code runs in a sandbox, their text is cleaned."""

import os
import sys
import warnings
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
# nbgrader starts `alembic` by name, which lies beside it
os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])

from nbgrader import preprocessors
from sqlalchemy.exc import SAWarning

from grades import Grades
from restoring import Restore
from sandbox import Sandbox

warnings.filterwarnings("ignore", category=SAWarning)  # of nbgrader's own queries

c = get_config()  # type: ignore[name-defined] # nbgrader gives it
c.CourseDirectory.course_id = "freeze-and-chaos"
c.Autograde.sanitize_preprocessors = [
    preprocessors.ClearOutput,
    preprocessors.OverwriteKernelspec,
    Restore,
    preprocessors.CheckCellMetadata,
]
c.Autograde.autograde_preprocessors = [
    Sandbox,
    preprocessors.IgnorePattern,
    "nbconvert.preprocessors.ClearMetadataPreprocessor",
    preprocessors.LimitOutput,
    preprocessors.SaveAutoGrades,
    preprocessors.AssignLatePenalties,
    preprocessors.CheckCellMetadata,
]
c.OverwriteCells.add_missing_cells = True  # a deleted test counts as failed
c.Restore.students = str(Path(__file__).parent / "students")
c.ExportApp.plugin_class = Grades  # a score that is missing has a reason
c.HTMLExporter.filters = {"markdown2html": "reading.markdown2html"}

# The limits of one notebook; `nbgrader autograde --help-all` explains them.
# c.Sandbox.cell_seconds = 60
# c.Sandbox.notebook_seconds = 600
# c.Sandbox.memory_gigabytes = 8
# c.Sandbox.allow_unisolated = False  # True grades without bubblewrap: see assignments/README.md
