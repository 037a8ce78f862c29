"""What is built holds what is needed, and each part of the package asks for its extra."""

import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from hatchling.builders.sdist import SdistBuilder
from hatchling.builders.wheel import WheelBuilder

from test_repository import PACKAGE, ROOT, imports, module_of, sources

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRA = {
    "data": "data",
    "regression": "data",
    "gan": "gan",
    "claims": "gan",
    "__main__": "gan",
    "plotting": "explorers",
    "explorers": "explorers",
    "course": "explorers",
    "questions": "explorers",
}
"""What a module needs beyond the package's own needs."""
WITHIN = {PACKAGE / "regression" / "gpjax.py": "gpjax"}
"""What a file needs beyond its module's."""
CORE = sorted({module_of(path) for path in sources()} - EXTRA.keys())
OWNERS = packages_distributions()
BROUGHT = {
    "jaxlib": "jax",
    "traitlets": "ipywidgets",
    "ipython": "ipywidgets",
    "matplotlib-inline": "ipywidgets",
}
"""Modules of what a declared package always brings."""


def names(requirements: list[str]) -> set[str]:
    return {re.split(r"[\[<>=! ]", requirement)[0] for requirement in requirements}


def declared(extra: str) -> set[str]:
    """Return what an extra installs, with the package's own needs and those of inner extras."""
    found = names(PROJECT["dependencies"])
    if extra:
        found |= names(PROJECT["optional-dependencies"][extra])
        for inner in re.findall(
            r"freeze-and-chaos\[(.*?)\]", " ".join(PROJECT["optional-dependencies"][extra])
        ):
            found |= declared(inner)
    return found - {PROJECT["name"]}


def extra_of(path: Path) -> str:
    return WITHIN.get(path, EXTRA.get(module_of(path), ""))


def without(blocked: set[str], program: str) -> None:
    """Run a program that does not find these modules."""
    code = f"""
import sys
from importlib import import_module

class Nothing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {blocked!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Nothing())
{program}"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def naming(extras: dict[str, str]) -> str:
    """A program: what asks for an import of a module is told its extra."""
    return f"""
for module, extra in {extras!r}.items():
    try:
        import_module(f"freezechaos.{{module}}")
    except ModuleNotFoundError as missing:
        assert f"pip install 'freeze-and-chaos[{{extra}}]'" in str(missing), missing
    else:
        raise AssertionError(f"{{module}} needs no extra")
"""


@pytest.mark.parametrize("path", sources(), ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_what_is_imported_is_declared(path: Path) -> None:
    known = declared(extra_of(path))
    for name in imports(path):
        root = name.partition(".")[0]
        if root in sys.stdlib_module_names or root == "freezechaos":
            continue
        owners = OWNERS.get(root, [root])  # GPJax is not installed for every Python
        found = {BROUGHT.get(owner, owner) for owner in owners}
        assert found & known, f"{root} of {found}: declare it, or give the module an extra"


def test_a_module_names_its_extra() -> None:
    for path in sources():
        for extra in re.findall(r'\bextra\("(\w+)"\)', path.read_text()):
            assert extra == extra_of(path)
    assert {*EXTRA.values(), *WITHIN.values()} <= PROJECT["optional-dependencies"].keys()


def test_the_core_runs_without_the_extras_and_the_rest_names_its_own() -> None:
    own = declared("")
    blocked = {
        module
        for module, owners in OWNERS.items()
        if set(owners) & (declared("course") | declared("book")) - own
    }
    assert {"matplotlib", "PIL", "ipywidgets", "tyro", "orbax", "nbgrader"} <= blocked
    core = "".join(f"import_module('freezechaos.{module}')\n" for module in CORE)
    without(blocked, core + naming(EXTRA))


@pytest.mark.parametrize("path", WITHIN, ids=lambda path: path.stem)
def test_a_file_within_names_its_own(path: Path) -> None:
    module = ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
    without({WITHIN[path]}, naming({module: WITHIN[path]}))


def tracked() -> set[str]:
    """Return the files of the package that git has."""
    command = ["git", "ls-files", "freezechaos"]
    listing = subprocess.run(
        command, cwd=PACKAGE.parent, capture_output=True, text=True, check=True
    )
    return set(listing.stdout.split())


def test_the_wheel_holds_the_package_and_nothing_else(tmp_path: Path) -> None:
    wheel = next(WheelBuilder(str(ROOT)).build(directory=str(tmp_path)))
    with zipfile.ZipFile(wheel) as archive:
        files = set(archive.namelist())
        folder = next(name for name in files if name.endswith("dist-info/METADATA"))
        told = archive.read(folder).decode()
    inside = {name for name in files if name.startswith("freezechaos/")}
    assert inside == tracked()
    assert {Path(name).suffix for name in inside} >= {".css", ".js", ".json", ".webp", ".typed"}
    assert {Path(name).parts[0] for name in files - inside} == {Path(folder).parts[0]}
    assert f"\nVersion: {PROJECT['version']}\n" in told
    assert {Path(name).name for name in files - inside} >= set(PROJECT["license-files"])


def test_the_sdist_builds_the_same_wheel(tmp_path: Path) -> None:
    sdist = next(SdistBuilder(str(ROOT)).build(directory=str(tmp_path)))
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path, filter="data")
    (unpacked,) = (path for path in tmp_path.iterdir() if path.is_dir())
    wheel = next(WheelBuilder(str(unpacked)).build(directory=str(tmp_path)))
    with zipfile.ZipFile(wheel) as archive:
        inside = {name for name in archive.namelist() if name.startswith("freezechaos/")}
    assert inside == tracked()
