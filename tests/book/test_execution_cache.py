"""The cache of executed notebooks is another one as soon as what they run on is another."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

SOURCE = Path(__file__).parents[2] / "book" / "_ext" / "execution_cache.py"


@pytest.fixture
def execution_cache() -> ModuleType:
    spec = importlib.util.spec_from_file_location("execution_cache", SOURCE)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def root(tmp_path: Path) -> Path:
    package = tmp_path / "companion" / "freezechaos"
    package.mkdir(parents=True)
    (package / "kernels.py").write_text("one = 1\n")
    (tmp_path / "requirements.lock").write_text("jax==0.10.2\n")
    return tmp_path


def test_nothing_changed(execution_cache: ModuleType, root: Path) -> None:
    before = execution_cache.fingerprint(root)
    cached = root / "companion" / "freezechaos" / "__pycache__"
    cached.mkdir()
    (cached / "kernels.pyc").write_bytes(b"\0")
    assert execution_cache.fingerprint(root) == before


@pytest.mark.parametrize(
    "changed",
    ["companion/freezechaos/kernels.py", "companion/freezechaos/new.js", "requirements.lock"],
)
def test_something_changed(execution_cache: ModuleType, root: Path, changed: str) -> None:
    before = execution_cache.fingerprint(root)
    (root / changed).write_text("two = 2\n")
    assert execution_cache.fingerprint(root) != before
