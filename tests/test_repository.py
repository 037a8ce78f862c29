"""The files around the package agree with one another, and modules keep to their floor."""

import ast
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import version
from inspect import signature
from pathlib import Path

import pytest
import yaml
from sphinx.util.inspect import stringify_signature

from freezechaos import kernels
from package_reference import shortened

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "companion" / "freezechaos"
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))

# A module imports only from floors below its own.
FLOORS = (
    {"types", "extras", "records", "browser"},
    {"numerics", "scalars"},
    {"expectations", "graphs", "matrices"},
    {"activations"},
    {"checks", "duals", "sampled"},
    {"kernels", "regimes", "deconvolution", "normalization"},
    {"spectra", "dynamics", "networks", "data"},
    {"architectures", "regression"},
    {"empirical"},
    {"gan"},
    {"claims"},
    {"plotting"},
    {"explorers", "course", "__main__"},
    {"questions"},
)
FLOOR = {module: floor for floor, modules in enumerate(FLOORS) for module in modules}
INTERNAL = {
    "types",
    "extras",
    "records",
    "numerics",
    "scalars",
    "expectations",
    "matrices",
    "checks",
    "duals",
    "sampled",
    "__main__",
}
DRAWING = {"matplotlib", "ipywidgets", "anywidget", "IPython"}

PIN = re.compile(r"^([a-z0-9][^ ]*==[^\\]*?) *\\?$")


def tracked_texts() -> Iterator[tuple[str, str]]:
    listing = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    for name in listing.stdout.splitlines():
        try:
            yield name, (ROOT / name).read_text()
        except (UnicodeDecodeError, FileNotFoundError):  # a picture, or a file just removed
            continue


def sources() -> list[Path]:
    return sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")


def module_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(path: Path) -> set[str]:
    """Return what a source imports, written out: `freezechaos.kernels`, `matplotlib.axes`."""
    package = ("freezechaos", *path.relative_to(PACKAGE).parts[:-1])
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) + 1 - node.level] if node.level else ()
            start = ".".join((*base, *filter(None, [node.module])))
            names |= {f"{start}.{alias.name}" for alias in node.names}
    return names


def test_every_module_has_its_floor() -> None:
    assert {module_of(path) for path in sources()} <= FLOOR.keys()


@pytest.mark.parametrize("path", sources(), ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_imports_come_from_floors_below(path: Path) -> None:
    module = module_of(path)
    for name in imports(path):
        root, _, rest = name.partition(".")
        other = rest.partition(".")[0]
        if root == "freezechaos" and other in FLOOR and other != module:
            assert FLOOR[other] < FLOOR[module], f"{module} imports {other}"
        if FLOOR[module] < FLOOR["plotting"]:
            assert root not in DRAWING, f"{module} imports {root}"


def test_modules_come_when_they_are_asked_for() -> None:
    code = """
import sys, freezechaos
assert not {"jax", "numpy", "matplotlib"} & sys.modules.keys()
assert freezechaos.scalars.integer("n", 3, 1, "") == 3
assert not {"matplotlib", "freezechaos.gan"} & sys.modules.keys()
assert {"kernels", "gan", "__version__"} <= set(dir(freezechaos))
assert not hasattr(freezechaos, "nothing")
print(freezechaos.__version__)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == version("freeze-and-chaos")


def test_the_version_is_that_of_the_citation() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert project["version"] == citation["version"]


def test_the_changelog_begins_with_the_version() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    newest = re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert newest
    assert newest[1] == project["version"]


def test_the_package_is_typed() -> None:
    """And mypy finds every public module as an attribute."""
    known = {name.rpartition(".")[2] for name in imports(PACKAGE / "__init__.py")}
    assert {module_of(path) for path in sources()} - INTERNAL <= known
    assert (PACKAGE / "py.typed").exists()


def test_reference_names_every_public_module() -> None:
    reference = (ROOT / "book" / "api.md").read_text()
    named = re.search(r"{package-reference}\n(.*?)```", reference, re.DOTALL)
    assert named
    modules = {name.partition(".")[0] for name in named[1].split()}  # gan.study is of gan
    assert modules == {module_of(path) for path in sources()} - INTERNAL


def test_reference_has_the_words_of_the_source() -> None:
    text = shortened(stringify_signature(signature(kernels.gram), unqualified_typehints=True))
    assert "beta: Number, depth: Integer, x1: ~jaxtyping.Real[ArrayLike, 'n d']" in text
    assert "-> ~jaxtyping.Float[Array, 'n m']" in text


def test_environment_has_the_versions_of_the_lock() -> None:
    lock = {m[1] for m in map(PIN.match, (ROOT / "requirements.lock").read_text().split("\n")) if m}
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    pip = environment["dependencies"][-1]["pip"]
    assert len(lock) > 100
    assert set(pip) == lock | {"-e ."}


def test_no_machine_paths_and_no_index_addresses() -> None:
    pattern = re.compile(
        r"(?<![\w.])/(?:home|root|work|Users|tmp|opt|mnt|srv)/\w"
        r"|--(?:extra-)?index-url[= ]\S*:"
        r"|--find-links[= ]\S*[:/]"
        r"|https?://[^\s\"]*/simple\b"
        r"|files\.pythonhosted\.org"
    )
    found = [
        f"{name}: {match[0]}"
        for name, text in tracked_texts()
        if name != "tests/test_repository.py"
        for match in pattern.finditer(text)
    ]
    assert not found


def test_citation_names_both_papers() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert {"cff-version", "message", "title", "authors"} <= citation.keys()
    identifiers = {paper["identifiers"][0]["value"] for paper in citation["references"]}
    assert identifiers == {"arXiv:1907.05715", "arXiv:2412.02843"}
    for paper in citation["references"]:
        assert {"type", "title", "authors", "year"} <= paper.keys()


def test_licence_is_the_one_that_pyproject_names() -> None:
    licence = (ROOT / "LICENSE").read_text()
    assert 'license = "BSD-3-Clause"' in (ROOT / "pyproject.toml").read_text()
    assert "BSD 3-Clause License" in licence
    assert "creativecommons.org/licenses/by/4.0" in licence


def targets() -> set[str]:
    rules = re.findall(r"^([a-z ]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    return {name for rule in rules for name in rule.split()}


@pytest.mark.parametrize("document", ["README.md", "CONTRIBUTING.md"])
def test_commands_exist(document: str) -> None:
    commands = set(re.findall(r"(?:`|^)make ([a-z]+)", (ROOT / document).read_text(), re.MULTILINE))
    assert commands
    assert commands <= targets()


def test_only_an_asked_for_build_of_the_book_asks_for_its_images() -> None:
    def lines(*arguments: str) -> str:
        command = ["make", "--dry-run", *arguments]
        options = {"cwd": ROOT, "capture_output": True, "text": True, "check": True}
        return subprocess.run(command, env={"PATH": os.environ["PATH"]}, **options).stdout

    assert "freezechaos.data" in lines("book")
    assert "freezechaos.data" not in lines("book", "FETCH=")
    assert "freezechaos.data" not in lines("test")


def test_a_site_without_solutions_goes_elsewhere() -> None:
    command = ["make", "--dry-run", "book", "FETCH="]
    options = {"cwd": ROOT, "capture_output": True, "text": True, "check": True}
    for solutions, folder in (("", "--path-output . "), ("0", "--path-output ./_build/class ")):
        done = subprocess.run(
            [*command, f"SOLUTIONS={solutions}"], env={"PATH": os.environ["PATH"]}, **options
        )
        assert folder in done.stdout


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_workflows_run_what_there_is(path: Path) -> None:
    workflow = yaml.safe_load(path.read_text())
    steps = [step for job in workflow["jobs"].values() for step in job["steps"]]
    run = "\n".join(step["run"] for step in steps if "run" in step)
    assert set(re.findall(r"\bmake ([a-z]+)", run)) <= targets()
    for script in re.findall(r"(?m)^\.\S+/\w+$", run):
        assert os.access(ROOT / script, os.X_OK), script
    for action in filter(None, (step.get("uses") for step in steps)):
        assert re.fullmatch(r"actions/[a-z-]+@v\d+|pypa/gh-action-pypi-publish@release/v1", action)
    assert workflow[True].keys() & {"push", "release", "schedule"}  # YAML reads `on` as a truth
    assert all("timeout-minutes" in job for job in workflow["jobs"].values())


def test_the_pdf_is_published_with_the_packages_that_make_asks_for() -> None:
    makefile = (ROOT / "Makefile").read_text()
    asked = re.search(r"apt install (latexmk .*?)\)", makefile, re.DOTALL)
    workflow = (ROOT / ".github" / "workflows" / "publish.yml").read_text()
    given = re.search(r"--no-install-recommends (latexmk .*?)\n *make", workflow, re.DOTALL)
    assert asked
    assert given
    assert set(re.findall(r"[a-z][\w-]+", asked[1])) == set(re.findall(r"[a-z][\w-]+", given[1]))


@pytest.mark.parametrize("document", ["README.md", "CONTRIBUTING.md"])
def test_files_exist(document: str) -> None:
    text = (ROOT / document).read_text()
    for name in re.findall(r"\]\(([^):]+)\)", text):
        assert (ROOT / name).exists(), name


def test_readme_code_runs_as_typed(capsys: pytest.CaptureFixture[str]) -> None:
    readme = (ROOT / "README.md").read_text()
    code = re.search(r"```python\n(.*?)```", readme, re.DOTALL)
    assert code
    exec(code[1], {})
    regime, theta, *matrix = capsys.readouterr().out.splitlines()
    assert regime == "freeze"
    assert len(theta.strip("[]").split()) == 5
    assert len(matrix) == 3
