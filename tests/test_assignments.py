"""The problem sets: what a class gets, and the whole way from there to grades."""

import ast
import csv
import hashlib
import json
import os
import re
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

import jax
import nbformat
import pytest
from jinja2 import UndefinedError, meta
from nbconvert.exporters import HTMLExporter
from nbformat import NotebookNode
from nbgrader.api import Gradebook
from nbgrader.server_extensions.formgrader import handlers
from nbgrader.utils import parse_utc
from traitlets.config import PyFileConfigLoader

import make
import roster
import sandbox

NAMES = make.names()
SEEDS = 2027, 2028
CYCLE = "kernels_and_regimes"
SOLUTION = re.compile(r"^( *)### BEGIN SOLUTION$.*?^ *### END SOLUTION$", re.M | re.S)
HIDDEN = re.compile(r"^ *### BEGIN HIDDEN TESTS$.*?^ *### END HIDDEN TESTS$", re.M | re.S)
NO_BUBBLEWRAP = "this test needs bubblewrap, and leave to use it: install Debian's `bubblewrap`"

every_set = pytest.mark.parametrize("name", NAMES)


@pytest.fixture(scope="session")
def bubblewrap() -> None:
    """Skip without a working bubblewrap, or fail where `CI` is `true`."""
    if not sandbox.bubblewrap_works():
        if os.environ.get("CI") == "true":
            pytest.fail(NO_BUBBLEWRAP)
        pytest.skip(NO_BUBBLEWRAP)


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the course folder of a class, with all assignments released."""
    return make.build(SEEDS[0], folder=tmp_path_factory.mktemp("course"))


def metadata(cell: NotebookNode) -> dict[str, Any]:
    return cell.metadata.get("nbgrader", {})


def by_machine(cell: NotebookNode) -> bool:
    return bool(metadata(cell).get("grade") and not metadata(cell)["solution"])


def by_hand(cell: NotebookNode) -> bool:
    return bool(metadata(cell).get("grade") and metadata(cell)["solution"])


def points(cells: list[NotebookNode], kind: Callable[[NotebookNode], bool]) -> float:
    return sum(metadata(cell)["points"] for cell in cells if kind(cell))


def tasks(name: str) -> list[list[NotebookNode]]:
    """Return the cells of each task, its heading first."""
    found: list[list[NotebookNode]] = []
    for cell in make.filled(name, SEEDS[0]).cells:
        if cell.source.startswith("## Task "):
            found.append([])
        if found:
            found[-1].append(cell)
    return found


def scores(cells: list[NotebookNode]) -> Iterator[tuple[str, float, float]]:
    """Run code cells one after the other; yield name, points and best of each that has a grade."""
    space: dict[str, Any] = {"__name__": "__main__"}
    for cell in cells:
        if cell.cell_type != "code":
            continue
        name, won = metadata(cell).get("grade_id", "cell"), 1
        try:
            with (
                warnings.catch_warnings(action="ignore"),
                jax.numpy_dtype_promotion("standard"),  # as students have JAX
                jax.numpy_rank_promotion("allow"),
            ):
                exec(compile(cell.source, name, "exec"), space)
        except Exception:
            won = 0
        if by_machine(cell):
            yield name, won * metadata(cell)["points"], metadata(cell)["points"]


def without_solutions(notebook: NotebookNode) -> NotebookNode:
    for cell in notebook.cells:
        cell.source = SOLUTION.sub(r"\1raise NotImplementedError()", cell.source)
    return notebook


def test_there_are_problem_sets() -> None:
    assert {"kernels_and_regimes", "normalization"} <= set(NAMES)


@every_set
def test_notebooks_are_clean_and_marked_for_nbgrader(name: str) -> None:
    notebook = make.template(name)
    nbformat.validate(notebook)
    marks = [metadata(cell) for cell in notebook.cells if metadata(cell)]
    identifiers = [mark["grade_id"] for mark in marks]
    assert len(set(identifiers)) == len(identifiers)
    assert all(re.fullmatch(r"[a-z][a-z0-9_-]+", identifier) for identifier in identifiers)
    assert {mark["schema_version"] for mark in marks} == {3}
    for cell in notebook.cells:
        mark = metadata(cell)
        assert cell.cell_type == "markdown" or not cell.outputs
        assert cell.cell_type == "markdown" or cell.execution_count is None
        assert not by_machine(cell) or mark["locked"]
        assert ("### BEGIN SOLUTION" in cell.source) <= mark.get("solution", False)
        assert ("### BEGIN HIDDEN" in cell.source) <= by_machine(cell)
        assert cell.source.count("### BEGIN ") == len(SOLUTION.findall(cell.source)) + len(
            HIDDEN.findall(cell.source)
        )
        assert not re.search(r"^:::|\{(prf|doc|cite|eq|ref)", cell.source, re.M)  # no MyST


@every_set
def test_a_set_has_every_kind_of_task_and_says_their_points(name: str) -> None:
    found = tasks(name)
    assert 5 <= len(found) <= 7
    kinds = set()
    for number, cells in enumerate(found, start=1):
        heading, text = cells[0].source.splitlines()[0], "\n".join(cell.source for cell in cells)
        told = re.search(r"^## Task (\d)\..*\b(\d+) points\b", heading)
        assert told, heading
        assert int(told[1]) == number
        assert int(told[2]) == points(cells, by_machine) + points(cells, by_hand)
        hand = points(cells, by_hand) > 0
        code = any(cell.cell_type == "code" and metadata(cell).get("solution") for cell in cells)
        if code and points(cells, by_machine):
            kinds.add("code")
        if hand and re.search(r"\b(prove|derive|show)\b", text, re.I):
            kinds.add("derivation")
        if code and re.search(r"\bpredict|before you compute", text, re.I):
            kinds.add("prediction, then experiment")
        if hand and "open question" in text.lower():
            kinds.add("open question")
    assert len(kinds) == 4, kinds


@every_set
def test_what_is_graded_by_hand_has_a_rubric(name: str) -> None:
    for cells in tasks(name):
        for index, cell in enumerate(cells):
            if by_hand(cell):
                above = max((i + 1 for i in range(index) if by_hand(cells[i])), default=0)
                text = "\n".join(other.source for other in cells[above : index + 1])
                assert "**Rubric**" in text, metadata(cell)["grade_id"]


@every_set
def test_parameters_belong_to_the_seed_and_some_are_hidden(name: str) -> None:
    first, second = (make.parameters(name, seed) for seed in SEEDS)
    assert first == make.parameters(name, SEEDS[0])
    shown, hidden = set(), set()
    for cell in make.template(name).cells:
        visible = HIDDEN.sub("", SOLUTION.sub("", cell.source))
        shown |= meta.find_undeclared_variables(make.TEMPLATES.parse(visible))
        hidden |= meta.find_undeclared_variables(make.TEMPLATES.parse(cell.source))
    assert hidden <= set(first)
    assert {key: first[key] for key in shown} != {key: second[key] for key in shown}
    secret = hidden - shown
    assert len(secret) >= 3
    assert sum(first[key] != second[key] for key in secret) >= len(secret) / 2


@every_set
def test_every_seed_has_a_variant(name: str) -> None:
    for seed in range(100):
        filled = make.filled(name, seed)
        assert not any("<<" in cell.source for cell in filled.cells)
        for cell in filled.cells:
            if cell.cell_type == "code":
                ast.parse(cell.source)


@every_set
def test_no_test_ends_in_a_value(name: str) -> None:
    """nbgrader takes a number that a test cell returns for its points."""
    for cell in make.filled(name, SEEDS[0]).cells:
        if by_machine(cell):
            last = ast.parse(cell.source).body[-1]
            call = last.value if isinstance(last, ast.Expr) else None
            assert call is None or (
                isinstance(call, ast.Call) and ast.unparse(call.func) in ("check", "print")
            ), metadata(cell)


@pytest.mark.slow
@every_set
@pytest.mark.parametrize("seed", SEEDS)
def test_the_reference_solution_has_all_points(name: str, seed: int) -> None:
    assert [score for score in scores(make.filled(name, seed).cells) if score[1] < score[2]] == []


@pytest.mark.slow
@every_set
def test_the_solution_of_another_class_loses_most_points(name: str) -> None:
    mine, other = (make.filled(name, seed) for seed in SEEDS)
    for cell, theirs in zip(mine.cells, other.cells, strict=True):
        if metadata(cell).get("solution"):
            cell.source = theirs.source
    kept, most = (sum(points) for points in zip(*(s[1:] for s in scores(mine.cells)), strict=True))
    assert kept < most / 2


@pytest.mark.slow
@every_set
def test_an_untouched_release_has_no_points(name: str) -> None:
    empty = without_solutions(make.filled(name, SEEDS[0]))
    assert [score for score in scores(empty.cells) if score[1]] == []


def test_a_name_that_is_never_drawn_is_an_error() -> None:
    with pytest.raises(UndefinedError, match="nowhere"):
        make.TEMPLATES.from_string("beta = <<nowhere>>").render({"beta": 1})


@pytest.mark.parametrize("seed", ["", "-1", "0.5", "two", "1e3"])
def test_a_seed_that_is_none_says_what_to_do(seed: str) -> None:
    command = [sys.executable, make.__file__, f"{seed}"] if seed != "-1" else [
        sys.executable, make.__file__, "--", seed,
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "SEED must be a whole number" in done.stderr
    assert "make assignments SEED=" in done.stderr


@pytest.mark.slow
@every_set
def test_the_release_gives_nothing_away(name: str, course: Path) -> None:
    released = (course / "release" / name / f"{name}.ipynb").read_text()
    assert str(SEEDS[0]) not in released
    source = make.filled(name, SEEDS[0])
    notebook = nbformat.reads(released, as_version=4)
    assert len(notebook.cells) == len(source.cells)
    text = {line for cell in notebook.cells for line in cell.source.split("\n")}
    everything = "\n".join(cell.source for cell in source.cells)
    for cell in source.cells:
        for pattern in (SOLUTION, HIDDEN):
            shown = set(pattern.sub("", everything).split("\n"))
            for match in pattern.finditer(cell.source):
                assert not (set(match[0].split("\n")) - shown) & text, metadata(cell)


def answered(course: Path, answers: Mapping[str, str]) -> NotebookNode:
    """Return the release with some of its answers: code, or the reference for an empty string."""
    notebook = nbformat.read(course / "release" / CYCLE / f"{CYCLE}.ipynb", as_version=4)
    for cell, solved in zip(notebook.cells, make.filled(CYCLE, SEEDS[0]).cells, strict=True):
        if (answer := answers.get(metadata(cell).get("grade_id", ""))) is not None:
            cell.source = answer or solved.source
    return notebook


NAIVE = """
def ntk_gaps(gap, beta, depth):
    '''Right on paper; in float32 it loses what is small.'''
    rho = (1 - beta**2) * (1 - jnp.asarray(gap, jnp.float32)) + beta**2
    theta, diagonal, rows = rho, 1.0, [1 - rho]
    for _ in range(depth - 1):
        slopes = (1 - beta**2) * jnp.asarray(dual_slope(rho), jnp.float32)
        rho = (1 - beta**2) * jnp.asarray(dual(rho), jnp.float32) + beta**2
        theta, diagonal = rho + slopes * theta, 1 + (1 - beta**2) * diagonal
        rows.append(1 - theta / diagonal)
    return jnp.stack(rows)
"""

DELETES = """
import os
import pathlib
import shutil

course, home = {course!r}, {home!r}
for folder in (course, ".", *([] if os.path.expanduser("~") == home else ["~"])):
    shutil.rmtree(os.path.expanduser(folder), ignore_errors=True)
for place in (course, ".."):
    try:
        (pathlib.Path(place) / "planted").write_text("mine")
    except OSError:
        pass
"""


def fingerprints(course: Path) -> dict[str, str]:
    """Return what the instructor's files hold, but for what grading writes."""
    return {
        str(path.relative_to(course)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(course.rglob("*"))
        if path.is_file()
        and path.relative_to(course).parts[0] not in ("autograded", "gradebook.db", "__pycache__")
    }


def nbgrader(course: Path, *arguments: str) -> str:
    command = [sys.executable, "-m", "nbgrader", *arguments]
    done = subprocess.run(command, cwd=course, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stderr


@pytest.mark.slow
@pytest.mark.usefixtures("bubblewrap")
def test_six_students_from_release_to_grades(course: Path) -> None:
    ids = [metadata(cell).get("grade_id") for cell in make.template(CYCLE).cells]
    wrong = "def dual(rho):\n    return rho\n\n\ndef dual_slope(rho):\n    return rho\n"
    delete = DELETES.format(course=str(course), home=str(Path.home()))
    students = {
        "right": dict.fromkeys(ids, ""),
        "half": {"dual": "", "gaps": NAIVE, "fractions": "", "prediction": ""},
        "wrong": {"dual": wrong, "prediction": "prediction = dict.fromkeys('ABC', 'edge')"},
        "crashing": {"dual": "", "gaps": "import os\n\nos._exit(1)", "fractions": ""},
        "deleting": {"dual": "", "gaps": delete, "fractions": ""},
        "endless": {"dual": "", "gaps": "while True:\n    pass", "fractions": ""},
    }
    expected = {"right": 25, "half": 10, "wrong": 0, "crashing": 5, "deleting": 7, "endless": 7}
    for student, answers in students.items():
        path = course / "submitted" / student / CYCLE / f"{CYCLE}.ipynb"
        path.parent.mkdir(parents=True)
        notebook = answered(course, answers)
        if student == "half":  # a test that is gone comes back
            notebook.cells = [c for c in notebook.cells if metadata(c)["grade_id"] != "dual_hidden"]
        nbformat.write(notebook, path)
    before = fingerprints(course)
    nbgrader(course, "autograde", CYCLE, "--student=endless", "--Sandbox.cell_seconds=20")
    log = nbgrader(course, "autograde", CYCLE)
    assert "Executing in a sandbox" in log
    assert "Not executed to the end: the kernel died" in log
    assert fingerprints(course) == before
    nbgrader(course, "export", "--to=grades.csv")
    with (course / "grades.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["assignment"] == CYCLE]
    assert {row["student_id"]: float(row["raw_score"]) for row in rows} == expected
    assert {float(row["max_score"]) for row in rows} == {40}
    stopped = (course / "autograded" / "endless" / CYCLE / f"{CYCLE}.ipynb").read_text()
    assert "stopped after 20 seconds" in stopped


ROSTER = [
    roster.Student("ann", "Ann", "O'Neil, Jr.", "ann@example.org", "17"),
    roster.Student("Łukasz Żółć", "Łukasz", "Żółć"),
    roster.Student("王"),
]


@pytest.fixture(scope="module")
def own_course(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the course folder of a class in which every student has numbers of his or her own."""
    return make.build(SEEDS[0], [CYCLE], tmp_path_factory.mktemp("own"), ROSTER)


@pytest.mark.slow
@pytest.mark.usefixtures("bubblewrap")
def test_every_student_is_graded_by_his_or_her_own_numbers(own_course: Path) -> None:
    first, second, _ = (student.id for student in ROSTER)
    solved = own_course / "students" / first / CYCLE / "solution.ipynb"
    for student in (first, second, "stranger"):  # the second has the answers of the first
        path = own_course / "submitted" / student / CYCLE / f"{CYCLE}.ipynb"
        path.parent.mkdir(parents=True)
        path.write_bytes(solved.read_bytes())
    patient = ["--Sandbox.cell_seconds=300"]  # a busy machine costs nobody points here
    command = [sys.executable, "-m", "nbgrader", "autograde", CYCLE, *patient]
    done = subprocess.run(command, cwd=own_course, capture_output=True, text=True, check=False)
    assert "'stranger' is not on the roster" in done.stderr
    nbgrader(own_course, "export", "--to=grades.csv")
    with (own_course / "grades.csv").open(newline="", encoding="utf-8") as file:
        rows = {row["student_id"]: row for row in csv.DictReader(file)}
    assert rows.keys() == {*(student.id for student in ROSTER), "stranger"}
    assert rows[second]["last_name"] == "Żółć"
    assert float(rows[first]["raw_score"]) == 25
    assert float(rows[second]["raw_score"]) <= 5
    assert rows["stranger"]["raw_score"] == ""
    assert rows["王"]["note"] == "not handed in"
    with Gradebook(f"sqlite:///{own_course / 'gradebook.db'}") as gradebook:
        for notebook in gradebook.find_submission(CYCLE, first).notebooks:
            for grade in notebook.grades:  # as if all was graded by hand
                grade.needs_manual_grade = False
        gradebook.db.commit()
    tables = {}
    for system in ("Canvas", "Moodle"):
        nbgrader(own_course, "export", f"--exporter=grades.{system}", "--to=lms.csv")
        with (own_course / "lms.csv").open(newline="", encoding="utf-8") as file:
            tables[system] = list(csv.reader(file))
    assert tables["Canvas"] == [
        ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", CYCLE],
        ["    Points Possible", "", "", "", "", "40.0"],
        ["O'Neil, Jr., Ann", "17", "ann", "ann", "", "25.0"],
    ]
    assert tables["Moodle"][1:] == [["Ann", "O'Neil, Jr.", "17", "ann@example.org", "25.0"]]


def test_a_student_has_nothing_of_the_seed_and_nobody_has_anothers(own_course: Path) -> None:
    texts = [path.read_text() for path in sorted(own_course.glob("handout/*/*/*.ipynb"))]
    assert len(texts) == len(set(texts)) == len(ROSTER)
    everything = [*texts, *(p.read_text() for p in own_course.glob("students/*/*/*.ipynb"))]
    seeds = [SEEDS[0], *(make.student_seed(SEEDS[0], student.id) for student in ROSTER)]
    for text in everything:
        assert not any(str(seed) in text for seed in seeds)
    for text in texts:
        assert "### BEGIN" not in text
    assert not list(own_course.glob("release/*"))
    assert len(set(seeds)) == len(seeds)
    assert make.student_seed(SEEDS[0], "Zo\u00eb") == make.student_seed(SEEDS[0], "Zoe\u0308")


def test_a_later_roster_adds_students_and_changes_no_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def releases(folder: Path, command: str, name: str, *options: str) -> None:
        (folder / "release" / name).mkdir(parents=True, exist_ok=True)

    monkeypatch.setattr(make, "_run", releases)  # nbgrader does the same each time
    one, two = ROSTER[:2]
    make.build(SEEDS[0], [CYCLE], tmp_path, [one])
    before = (tmp_path / "handout" / one.id / CYCLE / f"{CYCLE}.ipynb").read_bytes()
    make.build(SEEDS[0], [CYCLE], tmp_path, [two])
    assert (tmp_path / "handout" / one.id / CYCLE / f"{CYCLE}.ipynb").read_bytes() == before
    assert roster.read(tmp_path / roster.FILE) == [one, two]


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_a_roster_is_read_as_spreadsheets_write_it(tmp_path: Path, separator: str) -> None:
    rows = [
        ["Room", "ID", "Last_Name"],
        ["1", " Zoe\u0308 ", "Łuk"],
        ["", "", ""],
        ["2", "007", ""],
    ]
    file = tmp_path / "class.csv"
    file.write_bytes("\r\n".join(map(separator.join, rows)).encode("utf-8-sig"))
    assert roster.read(file) == [roster.Student("Zo\u00eb", last_name="Łuk"), roster.Student("007")]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name\nann\n", "must have a column `id`"),
        ("id\n", "must have a student a line"),
        ("id\na/b\n", "able to name a folder; .*'a/b'"),
        ("id,last_name\n,Ann\n", "able to name a folder; .*''"),
        ("id\nann\nAnn\n", "one student's; .*'Ann', 'ann'"),
    ],
)
def test_a_roster_that_is_none_says_why(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "class.csv").write_text(text)
    with pytest.raises(ValueError, match=message):
        roster.read(tmp_path / "class.csv")


@pytest.fixture
def cleaned(course: Path) -> Callable[[NotebookNode], NotebookNode]:
    """What a notebook is like before it is run."""
    config = PyFileConfigLoader("nbgrader_config.py", str(course)).load_config()
    gradebook = f"sqlite:///{course / 'gradebook.db'}"
    resources = {"nbgrader": {"notebook": CYCLE, "assignment": CYCLE, "db_url": gradebook}}

    def clean(notebook: NotebookNode) -> NotebookNode:
        for step in config.Autograde.sanitize_preprocessors:
            notebook, _ = step(config=config)(notebook, resources)
        return notebook

    return clean


def graded(notebook: NotebookNode) -> list[str]:
    return [metadata(cell)["grade_id"] for cell in notebook.cells if metadata(cell).get("grade")]


@pytest.mark.slow
class TestLostCells:
    @pytest.mark.parametrize(
        "lost",
        [
            lambda cells: [cell for cell in cells if not by_hand(cell)],
            lambda cells: [cell for cell in cells if not metadata(cell).get("grade")],
            lambda cells: [cell for cell in cells if not metadata(cell)],
            lambda cells: cells[: len(cells) // 2],
            lambda cells: [],
        ],
        ids=["answers by hand", "all graded", "all of nbgrader's", "second half", "all"],
    )
    def test_come_back_in_their_order(self, course, cleaned, lost) -> None:
        whole = answered(course, {})
        order = graded(whole)
        notebook = cleaned(nbformat.v4.new_notebook(cells=lost(answered(course, {}).cells)))
        assert graded(notebook) == order
        best = points(whole.cells, lambda cell: metadata(cell).get("grade"))
        assert points(notebook.cells, lambda cell: metadata(cell).get("grade")) == best

    @pytest.mark.parametrize(
        "change",
        [
            lambda cell: cell.metadata.pop("nbgrader"),
            lambda cell: cell.metadata.update(nbgrader="mine"),
            lambda cell: cell.metadata.update(nbgrader={"grade_id": ["a"], "grade": True}),
            lambda cell: cell.metadata.nbgrader.update(grade_id="renamed"),
            lambda cell: cell.metadata.nbgrader.update(grade=False, solution=True, locked=False),
            lambda cell: cell.metadata.nbgrader.update(points=1000, schema_version=99),
            lambda cell: cell.metadata.update(
                nbgrader={"grade_id": cell.metadata.nbgrader.grade_id}
            ),
        ],
        ids=["gone", "text", "broken", "renamed", "unmarked", "richer", "bare"],
    )
    def test_marks_come_back_whatever_became_of_them(self, course, cleaned, change) -> None:
        notebook = answered(course, {})
        whole = {metadata(cell)["grade_id"]: dict(metadata(cell)) for cell in notebook.cells}
        order = graded(notebook)
        for cell in notebook.cells:
            if metadata(cell).get("grade"):
                change(cell)
        found = cleaned(notebook)
        assert graded(found) == order
        for cell in found.cells:
            if by_machine(cell):
                same = ("points", "locked", "solution", "cell_type")
                mark, before = metadata(cell), whole[metadata(cell)["grade_id"]]
                assert [mark[name] for name in same] == [before[name] for name in same]

    def test_kernels_that_are_not_here_and_ids_that_are_there_twice(self, course, cleaned) -> None:
        notebook = answered(course, {})
        order = graded(notebook)
        for kernel in ({}, {"kernelspec": {"name": "conda-env-mine", "display_name": "Mine"}}):
            notebook.metadata = NotebookNode(kernel)
            notebook.cells[2].id = notebook.cells[1].id
            with warnings.catch_warnings(action="ignore"):  # nbformat says that it mends them
                read = nbformat.reads(json.dumps(notebook), as_version=4)
            found = cleaned(read)
            assert found.metadata.kernelspec.name == "python3"
            assert graded(found) == order
            assert len({cell.id for cell in found.cells}) == len(found.cells)

    def test_of_two_halves_the_last_counts(self, course, cleaned) -> None:
        notebook = answered(course, {})
        order, place = (
            graded(notebook),
            next(filter(lambda i: by_hand(notebook.cells[i]), range(99))),
        )
        second = deepcopy(notebook.cells[place])
        second.source = "The second half."
        notebook.cells.insert(place + 1, second)
        notebook = cleaned(notebook)
        assert graded(notebook) == order
        assert notebook.cells[place + 1].source == "The second half."
        assert metadata(notebook.cells[place]) == {}

    def test_a_cell_of_another_set_is_no_graded_one(self, course, cleaned) -> None:
        notebook = answered(course, {})
        order = graded(notebook)
        foreign = deepcopy(next(filter(by_machine, notebook.cells)))
        foreign.metadata.nbgrader["grade_id"] = "of_another_set"
        notebook.cells.append(foreign)
        assert graded(cleaned(notebook)) == order


@pytest.mark.slow
def test_what_cannot_be_graded_is_named_and_has_no_score(tmp_path: Path) -> None:
    course = make.build(SEEDS[0], [CYCLE], folder=tmp_path)
    release = (course / "release" / CYCLE / f"{CYCLE}.ipynb").read_bytes()

    def hand_in(student: str, name: str, content: bytes, assignment: str = CYCLE) -> Path:
        folder = course / "submitted" / student / assignment
        folder.mkdir(parents=True)
        (folder / name).write_bytes(content)
        return folder

    hand_in("renamed", f"{CYCLE} (1).ipynb", release)
    hand_in("broken", f"{CYCLE}.ipynb", release[:500])
    hand_in("marked", f"{CYCLE}.ipynb", b"\xef\xbb\xbf" + release)
    late = hand_in("late", f"{CYCLE}.ipynb", release)
    (late / "timestamp.txt").write_text("on Friday, I think")
    hand_in("elsewhere", f"{CYCLE}.ipynb", release, "kernels")
    command = [sys.executable, "-m", "nbgrader"]
    subprocess.run([*command, "autograde", CYCLE], cwd=course, capture_output=True, check=False)
    log = nbgrader(course, "export", "--to=grades.csv")
    with (course / "grades.csv").open(newline="") as file:
        rows = {row["student_id"]: row for row in csv.DictReader(file)}
    notes = {
        "renamed": rf"{CYCLE}.ipynb is not among {CYCLE} \(1\).ipynb",
        "broken": "see nbgrader autograde",
        "marked": "see nbgrader autograde",
        "late": "see nbgrader autograde",
        "elsewhere": "no assignment has this name",
    }
    assert rows.keys() == notes.keys()
    for student, note in notes.items():
        assert re.search(note, rows[student]["note"]), rows[student]
        assert rows[student]["raw_score"] == rows[student]["score"] == ""
        assert f"no grade: {student}, " in log


def run(*sources: str, cell_seconds: int = 30, notebook_seconds: int = 60) -> list[NotebookNode]:
    """Execute cells in the sandbox with small limits, and return them."""
    cells = [nbformat.v4.new_code_cell(source) for source in sources]
    limits = sandbox.Limits(
        memory=2 * 2**30, processes=sandbox.own_threads() + 64, file_size=2**20, cpu_seconds=60
    )
    sandbox.fill_in(cells, *sandbox.execute(cells, limits, cell_seconds, notebook_seconds))
    return cells


def said(cell: NotebookNode) -> str:
    return json.dumps(cell.outputs)


@pytest.mark.slow
@pytest.mark.usefixtures("bubblewrap")
def test_the_sandbox_has_no_files_but_programs_and_no_network(tmp_path: Path) -> None:
    secret = tmp_path / "gradebook.db"
    secret.write_text("grades")
    cells = run(
        f"open({str(secret)!r}).read()",
        f"import os\n\nprint(os.listdir({str(make.HERE)!r}))",
        f"open({str(Path(sandbox.freezechaos.__file__).with_name('mine.py'))!r}, 'w')",
        "import socket\n\nsocket.create_connection(('192.0.2.1', 80), timeout=5)",
        "print([name for name in os.listdir('/proc') if name.isdigit()], sorted(os.environ))",
        "open('/planted', 'w')",
        "open('notes', 'w').write('mine')\nprint('written', len(open('notes').read()))",
        "open('notes', 'wb').write(bytes(2**21))",
        "os.open('/proc/sys/kernel/core_pattern', os.O_WRONLY)",
        "print(open('/proc/1/cmdline').read(), open('/proc/self/mountinfo').read())",
    )
    assert "FileNotFoundError" in said(cells[0])
    assert "FileNotFoundError" in said(cells[1])
    assert "Read-only file system" in said(cells[8])
    assert "nbclient" in said(cells[9])
    assert str(make.HERE) not in said(cells[9])  # its name is the seed, in a course
    assert "Read-only file system" in said(cells[2])
    assert "Network is unreachable" in said(cells[3])
    assert str(os.getpid()) not in said(cells[4])
    assert "PYTEST_CURRENT_TEST" not in said(cells[4])
    assert "Read-only file system" in said(cells[5])
    assert cells[6].outputs[0].text == "written 4\n"
    assert re.search("File too large|No space left", said(cells[7]))


@pytest.mark.slow
def test_limits_on_memory_and_time() -> None:
    cells = run(
        "x = bytearray(3 * 2**30)",
        "while True:\n    pass",
        "print('later')",
        "import signal, time\n\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\ntime.sleep(600)",
        *["print('never')"] * 12,  # each is waited for 2 seconds
        cell_seconds=2,
        notebook_seconds=20,
    )
    assert "MemoryError" in said(cells[0])
    assert "stopped after 2 seconds" in said(cells[1])
    assert cells[2].outputs[0].text == "later\n"
    assert "NotRun" in said(cells[-1])
    assert "time limit of the notebook" in said(cells[-1])


@pytest.mark.slow
def test_of_outputs_only_text_and_pictures_come_back() -> None:
    html, noise, quiet = run(
        "from IPython.display import HTML, display\n\ndisplay(HTML('<script>1</script>'))",
        "import sys\n\nprint('careful', file=sys.stderr)",
        "get_ipython().showtraceback = lambda *a, **k: None\n1 / 0",
    )
    assert "script" not in said(html)
    assert [output.name for output in noise.outputs] == ["stdout"]
    assert [output.output_type for output in quiet.outputs] == ["error"]


@pytest.mark.slow
def test_megabytes_of_output_are_cut_and_later_cells_count() -> None:
    long, failed, later = run(
        "print('x' * 70_000_000)",  # more than the sandbox takes of a notebook
        "for _ in range(3):\n    print('y' * 10**6)\nassert False, 'z' * 10**6",
        "print('later')",
    )
    assert len(said(long)) < 1.1e6
    assert "cut here" in said(long)
    assert [output.output_type for output in failed.outputs][-1] == "error"
    assert len(said(failed)) < 1.2e6
    assert later.outputs[0].text == "later\n"


@pytest.mark.parametrize(
    ("written", "utc"),
    [
        ("2027-02-01 23:59:00+01:00", "2027-02-01 22:59:00"),
        ("2027-02-01T23:59:00-08:00", "2027-02-02 07:59:00"),
        ("2027-02-01 23:59:00 Europe/Paris", "2027-02-01 22:59:00"),
        ("2027-02-01 23:59:00", "2027-02-01 23:59:00"),
    ],
)
def test_times_of_submission_are_read_as_the_guide_says(written: str, utc: str) -> None:
    assert str(parse_utc(written)) == utc


@pytest.mark.slow
def test_without_bubblewrap_nothing_is_graded_but_with_leave_and_limits(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(sandbox, "bubblewrap_works", lambda: False)
    with pytest.raises(sandbox.SandboxError, match="Install bubblewrap; or grade as a user who"):
        sandbox.Sandbox().preprocess(nbformat.v4.new_notebook(), {})
    execute = sandbox.Sandbox(cell_seconds=2, allow_unisolated=True)
    execute.log.propagate = True
    cells = [nbformat.v4.new_code_cell(s) for s in ("while True:\n    pass", "print('later')")]
    execute.preprocess(nbformat.v4.new_notebook(cells=cells), {})
    assert "NOT ISOLATED" in caplog.text
    assert "stopped after 2 seconds" in said(cells[0])
    assert cells[1].outputs[0].text == "later\n"


ANSWER = """**Fine.** $a < b$ <script>alert(1)</script> <img src="x" onerror="alert(2)">

[here](javascript:alert(3)) [there](data:text/html,4) [book](https://example.org)
[again](DATA:text/html,5) ![](attachment:a.png) ![](https://example.org/who-reads.png)

| a | b |
|---|---|
| 1 | 2 |
"""


@pytest.mark.parametrize("template", ["feedback", "formgrade"])
def test_no_script_of_a_student_runs_where_answers_are_read(template: str) -> None:
    config = PyFileConfigLoader("nbgrader_config.py", str(make.HERE)).load_config()
    config.HTMLExporter.template_name = template
    config.HTMLExporter.extra_template_basedirs = [handlers.template_path]
    static = Path(handlers.static_path) / "node_modules" / "bootstrap" / "dist" / "css"
    config.HTMLExporter.extra_template_paths = [str(static)]
    cell = nbformat.v4.new_markdown_cell(ANSWER, attachments={"a.png": {"image/png": "iVBORw0K"}})
    mark = {"grade": True, "solution": True, "locked": False, "score": 1, "points": 1}
    cell.metadata["nbgrader"] = mark | {"grade_id": "a", "comment": "", "cell_type": "markdown"}
    known = {
        "nbgrader": {"score": 1, "max_score": 1, "notebook": "a", "late_penalty": 0},
        "index": 0,
        "total": 1,
    }
    exporter = HTMLExporter(config=config)
    page, _ = exporter.from_notebook_node(nbformat.v4.new_notebook(cells=[cell]), known)
    assert "alert(1)" in page  # as text
    harm = "<script>alert", "onerror=", "javascript:alert", "data:text/html", "who-reads"
    for harmful in harm:
        assert harmful not in page.replace("DATA:", "data:"), harmful
    for good in ("<strong>Fine.", 'href="https://example.org"', "data:image/png;base64,iVBORw0K"):
        assert good in page, good
    assert re.search(r"<td>1</td>\s*<td>2</td>", page)
