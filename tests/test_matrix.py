"""The matrix of conditions, played on a Makefile that only says how it was called."""

import json
import re
import sys
from pathlib import Path

import pytest
import yaml

import matrix

ROOT = Path(__file__).parents[1]
CALLED = """
book test:
\t@echo "$@ TESTS=$(TESTS) DATA=$$FREEZECHAOS_DATA FLAGS=$$XLA_FLAGS CI=$$CI VENV=$(VENV)"
\t@command -v hidden_program || echo not there
\t@echo "FAILED tests/test_one.py::test_it - assert 0"
\t@echo "===== 1 failed, 2 passed, 3 skipped in 4.56s ====="
\t@exit $(CODE)
"""


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "Makefile").write_text(CALLED)
    monkeypatch.setenv("CI", "true")
    monkeypatch.setenv("FREEZECHAOS_DATA", str(tmp_path))
    return tmp_path


def played(root: Path, arrange, code: str = "") -> tuple[dict, str]:
    def here(place: matrix.Place) -> None:
        place.root = root
        place.variables["CODE"] = code
        arrange(place)

    condition = matrix.Condition("one", "all", here, "-m images")
    result = matrix.play(condition, "-m images", root / "log")
    return result, (root / "log").read_text() if (root / "log").exists() else ""


def test_a_condition_is_all_that_differs(root: Path) -> None:
    result, log = played(root, matrix.set_to(XLA_FLAGS="--flag"))
    assert log.splitlines()[0] == (f"test TESTS=-m images DATA= FLAGS=--flag CI= VENV={sys.prefix}")
    assert result["result"] == "passed"
    assert result["environment"] == {"XLA_FLAGS": "--flag"}


def test_a_failure_is_named(root: Path) -> None:
    result, _ = played(root, matrix.set_to(), code="1")
    assert result["result"] == "failed"
    assert result["failed"] == ["tests/test_one.py::test_it"]
    assert "1 failed, 2 passed, 3 skipped" in matrix.row(result)


def test_what_this_machine_lacks_is_not_tried(root: Path) -> None:
    result, log = played(root, lambda place: matrix.program("no_such_program"))
    assert (result["result"], log) == ("not tried", "")
    assert "there is no no_such_program" in matrix.row(result)
    with pytest.raises(matrix.NotTriedError, match="no AVX9"):
        matrix.require_processor("AVX9")


def test_programs_are_hidden(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (root / "bin").mkdir()
    (root / "bin" / "hidden_program").write_text("#!/bin/sh\n")
    (root / "bin" / "hidden_program").chmod(0o755)
    monkeypatch.setenv("PATH", f"{root / 'bin'}:/usr/bin:/bin")
    assert "hidden_program" in played(root, matrix.set_to())[1].splitlines()[1]
    assert played(root, matrix.without("hidden_program"))[1].splitlines()[1] == "not there"


def test_sets_appear_after_the_first_command(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matrix, "available", lambda name: True)
    lines = [line.split() for line in played(root, matrix.sets_appear)[1].splitlines()]
    calls = [line for line in lines if line[0] in ("book", "test")]
    assert [(call[0], call[3]) for call in calls] == [("book", "DATA="), ("test", f"DATA={root}")]


def test_damaged_sets_are_not_whole(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = matrix.Place(root)
    matrix.sets_damaged(place)
    monkeypatch.setenv("FREEZECHAOS_DATA", place.environment["FREEZECHAOS_DATA"])
    monkeypatch.setattr(matrix.archives, "cache", lambda: root / "none")
    assert not any(map(matrix.available, matrix.archives.ARCHIVES))
    assert len(list((root / "damaged").rglob("*.gz"))) == 9


def test_names_are_found() -> None:
    names = [condition.name for condition in matrix.CONDITIONS]
    assert len(set(names)) == len(names)
    assert [one.name for one in matrix.chosen(["AVX2", "blas"])][:2] == ["AVX2", "OpenBLAS NEHALEM"]
    assert matrix.chosen([]) == list(matrix.CONDITIONS)
    with pytest.raises(SystemExit, match="no condition SSE5"):
        matrix.chosen(["SSE5"])


def test_selections_name_what_there_is() -> None:
    named = re.findall(r"tests/[\w./]+", f"{matrix.NUMERIC} {matrix.TEXTS}")
    assert len(named) > 8
    assert all((ROOT / name).exists() for name in named)


def test_a_workflow_plays_every_group() -> None:
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "matrix.yml").read_text())
    groups = workflow["jobs"]["play"]["strategy"]["matrix"]["group"]
    assert sorted(groups) == sorted({condition.group for condition in matrix.CONDITIONS})


def test_the_report_is_written(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def failing(place: matrix.Place) -> None:
        place.root, place.variables = root, {"CODE": "2"}

    monkeypatch.setattr(matrix, "BUILT", root / "built")
    monkeypatch.setattr(matrix, "CONDITIONS", (matrix.Condition("one", "all", failing, ""),))
    monkeypatch.setattr(sys, "argv", ["matrix.py", "one"])
    with pytest.raises(SystemExit) as ended:
        matrix.main()
    assert ended.value.code == 1
    report = json.loads((root / "built" / "matrix.json").read_text())
    assert report["conditions"][0]["result"] == "failed"
    assert "one" in capsys.readouterr().out
