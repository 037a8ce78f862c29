"""What other systems import: questions say the same as the chapters, autograders as nbgrader."""

import io
import json
import re
import subprocess
import sys
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any
from unittest import mock
from xml.etree import ElementTree as ET
from zipfile import ZipFile

import nbformat
import pytest

import gradescope
import make
import questions
import roster
import submitter
from freezechaos import course
from freezechaos import questions as with_numbers
from questions import Item, Option

NUMBER = questions.of_an_exam(
    SimpleNamespace(
        name="r",
        chapter="13_frozen",
        text="Take $a < b$ and `x_1*x_2`; what is *their* {ratio}: a = b # ~?",
        answer=0.25,
        tolerance=0.005,
        solution="It is $\\nu^2 = 1/4$.",
    )
)
ITEMS = [*questions.of_the_quizzes(), NUMBER]
SEED = 739105528164
CYCLE = "kernels_and_regimes"
LOCK = gradescope.ROOT / "requirements.lock"
MARK = re.compile(r"(?<!\\)(?:\\\\)*([~=#{}])")


def plain(text: str) -> str:
    return "".join(ET.fromstring(f"<p>{text}</p>").itertext())


def said(item: Item) -> list[tuple[str, str, bool]]:
    """Return what every format must say of an item's options."""
    return [(questions.html(o.text), questions.html(o.why), o.right) for o in item.options]


def test_every_chapter_has_questions_and_all_have_names() -> None:
    chapters = {item.chapter for item in ITEMS[:-1]}
    assert chapters == {path.stem for path in questions.BOOK.glob("[0-9][0-9]_*.ipynb")}
    names = [item.name for item in ITEMS]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[A-Za-z_]\w*", name, re.ASCII) for name in names)  # XML's NCName


def test_what_is_drawn_comes_with_every_try() -> None:
    texts = {item.text for item in ITEMS}
    for name in with_numbers.__all__:
        tries = course.drawn(getattr(with_numbers, name)).tries
        assert {question.text for question in tries} <= texts, name


def test_mathematics_is_for_mathjax_and_markdown_is_gone() -> None:
    shown = questions.html(NUMBER.text)
    assert shown.startswith("Take \\(a &lt; b\\) and <code>x_1*x_2</code>; what is <em>their</em>")
    assert questions.html("$a_1 * b_1$ & $c_1 * d_1$") == "\\(a_1 * b_1\\) &amp; \\(c_1 * d_1\\)"
    for item in ITEMS:
        for text in (item.text, item.solution, *(t for o in item.options for t in (o.text, o.why))):
            assert "$" not in plain(questions.html(text))


@pytest.mark.parametrize(
    ("options", "answer"),
    [
        ([], None),
        ([Option("a", "b", True)], 1.0),
        ([Option("a", "b", False)], None),
        ([Option("a", "b", True), Option("c", "d", True)], None),
    ],
)
def test_an_item_has_one_right_answer(options: list[Option], answer: float | None) -> None:
    with pytest.raises(ValueError, match="`options` must have one that is right"):
        Item("a", "01_a", "Which?", options, answer)


def test_moodle_xml_says_what_the_items_say() -> None:
    root = ET.fromstring(questions.moodle(ITEMS))
    assert root.tag == "quiz"
    asked = [question for question in root if question.get("type") != "category"]
    assert len(root) - len(asked) == len({item.chapter for item in ITEMS})
    for question, item in zip(asked, ITEMS, strict=True):
        assert question.findtext("name/text") == item.name
        assert question.findtext("questiontext/text") == questions.html(item.text)
        answers = question.findall("answer")
        if item.options:
            assert question.get("type") == "multichoice"
            assert question.findtext("single") == "true"
            found = [
                (a.findtext("text"), a.findtext("feedback/text"), a.get("fraction") == "100")
                for a in answers
            ]
            assert found == said(item)
            assert {a.get("fraction") for a in answers} == {"0", "100"}
        else:
            assert question.get("type") == "numerical"
            assert [float(a.findtext("text", "")) for a in answers] == [item.answer]
            assert float(answers[0].findtext("tolerance", "")) == item.tolerance
            assert question.findtext("generalfeedback/text") == questions.html(item.solution)


def test_gift_says_what_the_items_say() -> None:
    def unmarked(text: str) -> str:
        return re.sub(r"\\(.)", r"\1", text).strip()

    text = questions.gift(ITEMS)
    entries = re.findall(r"^::(\w+)::\[html\](.*?)(?<!\\)\{(.*?)^\}$", text, re.M | re.S)
    for (name, asked, inside), item in zip(entries, ITEMS, strict=True):
        assert name == item.name
        assert unmarked(asked) == questions.html(item.text)
        marks = MARK.findall(inside)
        if item.options:
            assert len(marks) == 2 * len(item.options)
            found = re.findall(r"^ {4}([~=])(.*?)(?<!\\)#(.*)$", inside, re.M)
            assert [(unmarked(t), unmarked(w), m == "=") for m, t, w in found] == said(item)
        else:
            assert marks == ["#"] * 5
            assert inside.split("####")[0].strip() == "#0.25:0.005"
            assert unmarked(inside.split("####")[1]) == questions.html(item.solution)


QTI = f"{{{questions.QTI}}}"
ORDER = ["responseDeclaration", "outcomeDeclaration", "itemBody", "responseProcessing"]


def look_at_manifest(package: ZipFile, kind: str, schema: str) -> None:
    """Canvas takes a package for QTI 2 by its schema, and files for items by their type."""
    manifest = ET.fromstring(package.read("imsmanifest.xml"))
    tags = [child.tag.removeprefix(f"{{{questions.PACKAGE}}}") for child in manifest]
    assert tags == ["metadata", "organizations", "resources"]
    assert manifest[0][0].text == schema
    assert {resource.get("type") for resource in manifest[2]} == {kind}
    files = [resource.get("href") for resource in manifest[2]]
    assert [resource[0].get("href") for resource in manifest[2]] == files
    assert ["imsmanifest.xml", *files] == package.namelist()
    assert len({resource.get("identifier") for resource in manifest[2]}) == len(files)


def test_qti_says_what_the_items_say(tmp_path: Path) -> None:
    """As its schema has it, against which all of them were checked once, as they are here."""
    questions.write(ITEMS, tmp_path)
    with ZipFile(tmp_path / "questions-qti.zip") as package:
        look_at_manifest(package, "imsqti_item_xmlv2p1", "QTIv2.1 Package")
        for item in ITEMS:
            root = ET.fromstring(package.read(f"{item.name}.xml"))
            assert root.tag == f"{QTI}assessmentItem"
            assert root.get("identifier") == item.name
            tags = [child.tag.removeprefix(QTI) for child in root]
            assert [*dict.fromkeys(tags)] == [*ORDER, "modalFeedback"]
            right = root.findtext(f"{QTI}responseDeclaration/{QTI}correctResponse/{QTI}value")
            whys = {
                node.get("identifier"): "".join(node.itertext()).strip()
                for node in root.iter(f"{QTI}modalFeedback")
            }
            choices = list(root.iter(f"{QTI}simpleChoice"))
            if item.options:
                found = [
                    ("".join(c.itertext()), whys[c.get("identifier")], c.get("identifier") == right)
                    for c in choices
                ]
                assert found == [(plain(text), plain(why), fits) for text, why, fits in said(item)]
            else:
                assert not choices
                assert right == "0.25"
                (equal,) = root.iter(f"{QTI}equal")
                assert equal.get("tolerance") == "0.005 0.005"
                assert whys == {"solution": plain(questions.html(item.solution))}


CANVAS = f"{{{questions.CANVAS}}}"
"""All of it was valid by the DTD of QTI 1.2, and Canvas's own converter read it as it is meant."""


def texts(element: ET.Element) -> list[str]:
    return [node.text or "" for node in element.iter(f"{CANVAS}mattext")]


def test_canvas_reads_what_the_items_say(tmp_path: Path) -> None:
    questions.write(ITEMS, tmp_path)
    with ZipFile(tmp_path / "questions-canvas.zip") as package:
        look_at_manifest(package, "imsqti_xmlv1p2", "IMS Content")
        quizzes = [ET.fromstring(package.read(file)) for file in package.namelist()[1:]]
    found = {node.get("ident"): node for quiz in quizzes for node in quiz.iter(f"{CANVAS}item")}
    assert found.keys() == {item.name for item in ITEMS}
    for item in ITEMS:
        root = found[item.name]
        tags = [child.tag.removeprefix(CANVAS) for child in root]
        assert tags[:3] == ["itemmetadata", "presentation", "resprocessing"]
        assert set(tags[3:]) == {"itemfeedback"}
        fields = [node.text for node in root.iter(f"{CANVAS}fieldentry")]
        labels = [node.get("ident") for node in root.iter(f"{CANVAS}response_label")]
        said_to = {node.get("ident"): texts(node)[0] for node in root.iter(f"{CANVAS}itemfeedback")}
        asked, *options = texts(root[1])
        assert asked == questions.html(item.text)
        *others, scored = root.iter(f"{CANVAS}respcondition")
        assert scored.findtext(f"{CANVAS}setvar") == "100"
        for condition in others:
            shown = condition.find(f"{CANVAS}displayfeedback")
            assert shown is not None
            answer = condition.findtext(f"{CANVAS}conditionvar/{CANVAS}varequal", "general")
            assert shown.get("linkrefid") == f"{answer}_fb"
        if item.options:
            assert fields == ["multiple_choice_question", "1"]
            right = scored.findtext(f"{CANVAS}conditionvar/{CANVAS}varequal")
            whys = [said_to[f"{label}_fb"] for label in labels]
            assert said(item) == [
                (text, why, label == right)
                for text, why, label in zip(options, whys, labels, strict=True)
            ]
        else:
            assert fields == ["numerical_question", "1"]
            either = scored.find(f"{CANVAS}conditionvar/{CANVAS}or")
            assert either is not None
            assert either.findtext(f"{CANVAS}varequal") == "0.25"
            assert [(n.tag.removeprefix(CANVAS), float(n.text or "")) for n in either[1]] == [
                ("vargte", 0.245), ("varlte", 0.255)
            ]  # fmt: skip
            assert said_to == {"general_fb": questions.html(item.solution)}


@pytest.fixture(scope="module")
def zips(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return the autograder of every problem set, for the seed `SEED`."""
    written = gradescope.write(SEED, (), tmp_path_factory.mktemp("gradescope"))
    return {path.stem: path for path in written}


def otter_tests(package: ZipFile) -> dict[str, dict[str, Any]]:
    """Return what otter reads in each test file, with a stand-in for its own decorator."""
    found: dict[str, dict[str, Any]] = {}
    stand_in = ModuleType("otter.test_files")
    stand_in.test_case = lambda **mark: lambda function: {**mark, "run": function}  # type: ignore
    with mock.patch.dict(sys.modules, {"otter.test_files": stand_in}):
        for file in package.namelist():
            if file.startswith("tests/"):
                exec(package.read(file), space := {})
                assert space["OK_FORMAT"] is False
                found[file] = {"name": space["name"], **space["test"]}
    return found


@pytest.mark.parametrize("name", make.names())
def test_an_autograder_has_the_cells_that_nbgrader_grades_by_running(
    name: str, zips: dict[str, Path]
) -> None:
    notebook = make.filled(name, SEED)
    cells = make.tested(notebook)
    with ZipFile(zips[name]) as package:
        found = otter_tests(package)
        texts = {
            file: package.read(file).decode()
            for file in package.namelist()
            if not file.endswith(".whl")
        }
    assert [*found] == [f"tests/{cell.metadata.otter.tests[0]}.py" for cell in cells]
    for cell, test in zip(cells, found.values(), strict=True):
        mark = cell.metadata.nbgrader
        assert (test["name"], test["points"]) == (mark.grade_id, mark.points)
        assert test["hidden"] == ("HIDDEN" in cell.source)
    assert not any(str(SEED) in text for text in texts.values())
    of_tests = {line for cell in cells for line in cell.source.splitlines()}
    given = {json.dumps(line, ensure_ascii=False) for line in of_tests}
    for cell in notebook.cells:
        if cell.metadata.get("nbgrader", {}).get("solution"):
            for line in cell.source.splitlines():
                secret = json.dumps(line, ensure_ascii=False)
                assert secret in given or not any(secret in text for text in texts.values())


def test_an_autograder_installs_what_it_brings(zips: dict[str, Path]) -> None:
    with ZipFile(zips[CYCLE]) as package:
        files = set(package.namelist())
        (wheel,) = (file for file in files if file.endswith(".whl"))
        needs = package.read("requirements.txt").decode()
        pinned = package.read("constraints.txt").decode().splitlines()
        config = json.loads(package.read("otter_config.json"))
    assert {"setup.sh", "run_autograder", "otter_config.json"} <= files
    assert f"file:///autograder/source/{wheel}\n" in needs
    assert "--hash" not in "".join(pinned)
    for name in ("jax", "numpy", "ipykernel"):
        assert any(line.split(" ;")[0] == f"{name}=={version(name)}" for line in pinned), name
    assert len(pinned) == len(re.findall("^[a-z0-9]", LOCK.read_text(encoding="utf-8"), re.M))
    assert config["show_hidden"] is False


def test_a_test_passes_or_fails_as_its_cell_does(zips: dict[str, Path]) -> None:
    cells = make.tested(make.filled(CYCLE, SEED))
    cells[0].source = "seen = answer + 1\nassert seen == 42"
    package = io.BytesIO()
    with ZipFile(package, "w") as archive:
        archive.writestr("tests/one.py", gradescope.test_file(cells[0]))
    run = otter_tests(ZipFile(package))["tests/one.py"]["run"]
    run(space := {"answer": 41})
    assert space["seen"] == 42  # the next cell finds it
    with pytest.raises(AssertionError):
        run({"answer": 40})
    with pytest.raises(NameError):
        run({})


ANN, BOB = CLASS = [
    roster.Student("ann", email="Ann@Example.org"),
    roster.Student("Łukasz", email="lukasz@example.org"),
]


@pytest.fixture(scope="module")
def own_zip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the autograder of `CYCLE` for the students of `CLASS`."""
    folder = tmp_path_factory.mktemp("own")
    return gradescope.write(SEED, [CYCLE], folder, CLASS)[0]


def container(folder: Path, package: Path, notebook: Any, *emails: str) -> Path:
    """Lay a folder out as Gradescope's `/autograder` is before it runs `run_autograder`."""
    with ZipFile(package) as archive:
        archive.extractall(folder / "source")
    (folder / "submission").mkdir()
    nbformat.write(notebook, folder / "submission" / f"{CYCLE}.ipynb")
    users = [{"email": email, "id": 7, "name": "A B"} for email in emails]
    (folder / "submission_metadata.json").write_text(json.dumps({"id": 1, "users": users}))
    (folder / "results").mkdir()
    return folder


def everything(folder: Path) -> str:
    """Return all text that code in a folder could read."""
    return "".join(
        path.read_text(encoding="utf-8")
        for path in folder.rglob("*")
        if path.is_file() and path.suffix != ".whl"
    )


@pytest.mark.parametrize("student", CLASS)
def test_a_students_code_finds_his_or_her_own_tests_and_no_other(
    student: roster.Student, own_zip: Path, tmp_path: Path
) -> None:
    own = make.student_seed(SEED, student.id)
    other = make.student_seed(SEED, (ANN if student is BOB else BOB).id)
    folder = container(tmp_path, own_zip, make.filled(CYCLE, own), student.email.upper())
    assert submitter.main(folder) == 0
    texts = {path.name: path.read_text() for path in (folder / "source" / "tests").iterdir()}
    assert texts == gradescope.tests(CYCLE, own)
    found = everything(folder)
    lines = {
        json.dumps(line, ensure_ascii=False)
        for cell in make.tested(make.filled(CYCLE, other))
        for line in cell.source.splitlines()
    }
    assert not [line for line in lines if line in found and line not in "".join(texts.values())]
    assert not any(str(number) in found for number in (SEED, own, other))
    others = ANN if student is BOB else BOB
    assert others.email.casefold() not in found.casefold()


def test_a_notebook_of_a_classmate_is_graded_with_ones_own_numbers(
    own_zip: Path, tmp_path: Path
) -> None:
    notebook = make.filled(CYCLE, make.student_seed(SEED, BOB.id))
    folder = container(tmp_path, own_zip, notebook, ANN.email)
    assert submitter.main(folder) == 0
    handed = nbformat.read(folder / "submission" / f"{CYCLE}.ipynb", as_version=4)
    changed = [
        cell.metadata.nbgrader.grade_id
        for cell, was in zip(handed.cells, notebook.cells, strict=True)
        if cell.source != was.source
    ]
    assert changed == ["setup"]
    own = gradescope.given(CYCLE, make.student_seed(SEED, ANN.id))
    assert own["setup"] in [cell.source for cell in handed.cells]


@pytest.mark.parametrize("text", ["", "[1]", '{"cells": [{}]}', '{"cells": [3]}', "\xff"])
def test_a_broken_notebook_is_left_to_otter(text: str, tmp_path: Path) -> None:
    (tmp_path / "a.ipynb").write_text(text, encoding="latin-1")
    submitter.give_again(tmp_path / "a.ipynb", {"setup": "a = 1"})
    assert (tmp_path / "a.ipynb").read_text(encoding="latin-1") == text


@pytest.mark.parametrize(
    ("emails", "why"),
    [
        (["eve@example.org"], "no student with the email address 'eve@example.org'"),
        ([""], "no student with the email address ''"),
        ([student.email for student in CLASS], "one hands in alone; 2 did here: Ann@Example.org"),
        ([], "one hands in alone; 0 did here"),
    ],
)
def test_who_is_not_one_of_the_roster_is_refused_in_words(
    emails: list[str], why: str, own_zip: Path, tmp_path: Path
) -> None:
    folder = container(tmp_path, own_zip, make.filled(CYCLE, SEED), *emails)
    assert submitter.main(folder) == 1
    results = json.loads((folder / "results" / "results.json").read_text())
    assert why in results["output"]
    assert (results["score"], results["tests"]) == (0, [])
    assert not (folder / "source" / "tests").exists()
    assert not (folder / "source" / submitter.STUDENTS).exists()


def test_gradescope_chooses_before_otter_runs(own_zip: Path, zips: dict[str, Path]) -> None:
    with ZipFile(own_zip) as package:
        run = package.read("run_autograder").decode()
        assert not [file for file in package.namelist() if file.startswith("tests/")]
        assert package.read("submitter.py") == Path(submitter.__file__).read_bytes()
    assert re.search(r"submitter\.py /autograder \|\| exit 0\n.*otter", run, re.S)
    with ZipFile(zips[CYCLE]) as package:  # all have the same numbers
        assert "submitter" not in package.read("run_autograder").decode()
        assert "submitter.py" not in package.namelist()


@pytest.mark.parametrize(
    ("emails", "why"),
    [(["a@b.org", ""], "it has none of 2"), (["a@b.org", "A@B.org"], r"\['a@b.org'\] repeatedly")],
)
def test_gradescope_needs_an_address_of_each_student(emails: list[str], why: str) -> None:
    students = [roster.Student(str(n), email=email) for n, email in enumerate(emails, start=1)]
    with pytest.raises(ValueError, match=why):
        gradescope.by_email(students)


@pytest.mark.slow
@pytest.mark.skipif(not find_spec("otter"), reason="otter-grader is not in the lock")
def test_otter_gives_the_points_of_nbgrader(zips: dict[str, Path], tmp_path: Path) -> None:
    notebook = make.filled(CYCLE, SEED)
    for cell in notebook.cells:
        mark = cell.metadata.get("nbgrader", {})
        if mark.get("solution") and mark["grade_id"] not in ("dual", "fractions"):
            cell.source = "raise NotImplementedError()"
    nbformat.write(notebook, tmp_path / f"{CYCLE}.ipynb")
    command = [sys.executable, "-m", "otter", "run", "-a", zips[CYCLE], f"{CYCLE}.ipynb"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    results = json.loads((tmp_path / "results.json").read_text())["tests"]
    won = {test["name"]: test["score"] for test in results if test.get("score")}
    assert won == {"dual_shown": 1, "dual_hidden": 4, "fractions_hidden": 2}
    assert sum(test.get("max_score", 0) for test in results) == 25


@pytest.mark.slow
@pytest.mark.skipif(not find_spec("otter"), reason="otter-grader is not in the lock")
@pytest.mark.parametrize(("writer", "most"), [(ANN, 25), (BOB, 12)])
def test_otter_grades_by_the_numbers_of_the_one_who_submits(
    writer: roster.Student, most: int, own_zip: Path, tmp_path: Path
) -> None:
    notebook = make.filled(CYCLE, make.student_seed(SEED, writer.id))
    folder = container(tmp_path, own_zip, notebook, ANN.email)
    assert submitter.main(folder) == 0
    run = "import sys; from otter.run.run_autograder import main; main(sys.argv[1])"
    subprocess.run([sys.executable, "-c", run, folder], check=True)
    results = json.loads((folder / "results" / "results.json").read_text())["tests"]
    won = sum(test.get("score", 0) for test in results)
    assert won == 25 if writer is ANN else won < most
