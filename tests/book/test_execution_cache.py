"""The cache of executed notebooks is another one as soon as what they run on is another.

It is filled before the pages are read, with the notebooks that run through.
"""

import importlib
from pathlib import Path
from types import ModuleType, SimpleNamespace

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from freezechaos.data import archives

EXTENSIONS = Path(__file__).parents[2] / "book" / "_ext"
PAGE = """---
kernelspec:
  display_name: Python 3
  name: python3
jupytext:
  text_representation:
    extension: .md
    format_name: myst
---

:::{note}
Not run:
```{code-cell}
1 / 0
```
:::

```{code-cell}
6 * 9
```
"""


@pytest.fixture
def execution_cache(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(EXTENSIONS)
    return importlib.import_module("execution_cache")


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


def test_image_sets_have_a_cache_each_and_find_it_again(
    execution_cache: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_hand: set[str] = set()
    monkeypatch.setattr(execution_cache, "BUILT", tmp_path)
    monkeypatch.setattr(execution_cache, "available", lambda name: name in at_hand)
    config = SimpleNamespace()

    def cache() -> Path:
        execution_cache.use_cache_of_these_sources(None, config)
        Path(config.nb_execution_cache_path).mkdir(parents=True, exist_ok=True)
        return Path(config.nb_execution_cache_path)

    without = cache()
    at_hand.add("fashion_mnist")
    one = cache()
    at_hand.add("mnist")
    assert len({without, one, cache()}) == 3
    at_hand.clear()
    assert cache() == without
    assert one.is_dir()
    monkeypatch.setattr(execution_cache, "fingerprint", lambda root: "other_sources")
    assert [cache()] == list(without.parent.iterdir())


def test_damaged_image_sets_are_not_at_hand(
    execution_cache: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FREEZECHAOS_DATA", str(tmp_path))
    monkeypatch.setattr(archives, "cache", lambda: tmp_path / "cache")
    assert execution_cache.sets_at_hand() == "no_sets"
    for files in archives.ARCHIVES.values():
        for file in files:
            (tmp_path / file.path).parent.mkdir(exist_ok=True)
            (tmp_path / file.path).write_bytes(b"cut off")
    assert execution_cache.sets_at_hand() == "no_sets"
    (tmp_path / "mnist" / "one").write_bytes(b"whole")
    whole = archives.Archive("mnist/one", "", archives.sha256(b"whole"))
    monkeypatch.setitem(archives.ARCHIVES, "mnist", (whole,))
    assert execution_cache.sets_at_hand() == "mnist"


def test_what_runs_through_is_kept_and_not_run_again(
    execution_cache: ModuleType, tmp_path: Path
) -> None:
    mark = "from pathlib import Path; Path('ran').open('a').write('x')"
    sources = {"good": f"{mark}; 6 * 7", "bad": "1 / 0", "dead": "import os; os._exit(1)"}
    for name, source in sources.items():
        kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}
        notebook = new_notebook(cells=[new_code_cell(source)], metadata=kernel)
        nbformat.write(notebook, tmp_path / f"{name}.ipynb")
    (tmp_path / "page.md").write_text(PAGE)
    (tmp_path / "plain.md").write_text("# No cells\n")
    config = SimpleNamespace(
        nb_execution_cache_path=str(tmp_path / "cache"),
        nb_execution_timeout=120,
        nb_execution_mode="off",
    )
    app = SimpleNamespace(config=config, srcdir=str(tmp_path))
    execution_cache.run_several_at_a_time(app)
    assert not (tmp_path / "ran").exists()
    config.nb_execution_mode = "cache"
    for _ in range(2):
        execution_cache.run_several_at_a_time(app)
    with execution_cache.opened(config.nb_execution_cache_path) as cache:
        _, good = cache.merge_match_into_notebook(nbformat.read(tmp_path / "good.ipynb", 4))
        assert good.cells[0].outputs[0].data["text/plain"] == "42"
        assert not execution_cache.known(cache, tmp_path / "bad.ipynb")
        assert not execution_cache.known(cache, tmp_path / "dead.ipynb")
        _, page = cache.merge_match_into_notebook(execution_cache.read(tmp_path / "page.md"))
        assert page.cells[1].outputs[0].data["text/plain"] == "54"
    assert (tmp_path / "ran").read_text() == "x"
