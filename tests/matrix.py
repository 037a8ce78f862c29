"""Play the conditions that a reader's machine can have, and say under which the tests pass.

    .venv/bin/python tests/matrix.py --help

A condition is a name, what differs from this machine, and on which tests the README's `make test`
is run there. Each has a build folder of its own: notebooks that were run under one are no evidence
for another. What this machine lacks (an instruction set, a Python, bubblewrap, the image sets) is
not tried, and the table says so.
"""

import argparse
import json
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic

from freezechaos.data import archives, available

ROOT = Path(__file__).parents[1]
BUILT = ROOT / os.environ.get("FREEZECHAOS_OUT", "") / "_build"
WHOLE = ""
ROOMS = ("book", "explorers", "test_assignments.py", "test_repository.py")  # not numeric
NUMERIC = "-m 'not browser' " + " ".join(f"--ignore=tests/{room}" for room in ROOMS)
TEXTS = " ".join(f"tests/{room}" for room in (*ROOMS, "test_gan_commands.py", "test_claims.py"))
IMAGES = "-m images"
# What differs from one machine to the next: a condition says it, or no one.
OURS = (
    "CI",
    "FREEZECHAOS_",
    "JAX_",
    "LANG",
    "LC_",
    "MAKE",
    "MFLAGS",
    "OPENBLAS_",
    "PYTHON",
    "XLA_",
)
COUNTS = re.compile(r"^=+ (.*\d (?:passed|failed|skipped|errors?)\b.*) in [\d.]+s.*=+$", re.M)
UNHAPPY = re.compile(r"^(?:FAILED|ERROR) (\S+)", re.M)


class NotTriedError(Exception):
    """This machine cannot play a condition; the message says why."""


@dataclass
class Place:
    """Where `make` is run and how; `scratch` is an empty folder, its path without spaces."""

    scratch: Path
    root: Path = ROOT
    environment: dict[str, str] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=lambda: {"VENV": sys.prefix})  # of make
    prefix: list[str] = field(default_factory=list)
    options: list[str] = field(default_factory=list)  # of make
    first: str = ""  # a target before the tests, and without the image sets


@dataclass(frozen=True)
class Condition:
    """What is played: `arrange` changes the place in which `tests` are run."""

    name: str
    group: str
    arrange: Callable[[Place], None]
    tests: str = NUMERIC


def set_to(**environment: str) -> Callable[[Place], None]:
    return lambda place: place.environment.update(environment)


def xla(flag: str) -> Callable[[Place], None]:
    """A flag beside the Makefile's own."""
    return set_to(XLA_FLAGS=f"--xla_backend_optimization_level=1 {flag}")


def instructions(most: str) -> Callable[[Place], None]:
    """No more than an instruction set, in what XLA compiles; its library of products has more."""

    def arrange(place: Place) -> None:
        require_processor(most)
        xla(f"--xla_cpu_max_isa={most}")(place)

    return arrange


def openblas(core: str, needs: str) -> Callable[[Place], None]:
    """The kernels that OpenBLAS, in NumPy and SciPy, has for a processor."""

    def arrange(place: Place) -> None:
        require_processor(needs)
        place.environment["OPENBLAS_CORETYPE"] = core

    return arrange


def require_processor(needs: str) -> None:
    flag = {"AVX512": "avx512f"}.get(needs, needs.lower())
    if flag not in Path("/proc/cpuinfo").read_text().split():
        raise NotTriedError(f"this processor has no {needs}")


def one_core(place: Place) -> None:
    place.prefix += [program("taskset"), "-c", "0"]


def four_processes(place: Place) -> None:
    place.variables["SPREAD"] = "-n 4 --dist loadfile --no-loadscope-reorder"


def without(*names: str) -> Callable[[Place], None]:
    """A machine on which programs are not installed: a PATH of links to all others."""

    def arrange(place: Place) -> None:
        links = place.scratch / "bin"
        links.mkdir()
        for folder in os.environ["PATH"].split(os.pathsep):
            for file in Path(folder).glob("*"):
                if file.name not in names and not (links / file.name).is_symlink():
                    (links / file.name).symlink_to(file.absolute())
        place.environment["PATH"] = str(links)

    return arrange


def offline(place: Place) -> None:
    place.prefix += [program("bwrap"), "--dev-bind", "/", "/", "--unshare-net"]


def read_only(place: Place) -> None:
    """The checkout cannot be written to; .venv is another one too."""
    root = str(place.root)
    place.prefix += [program("bwrap"), "--dev-bind", "/", "/", "--ro-bind", root, root]
    place.environment["JAX_COMPILATION_CACHE_DIR"] = f"{place.scratch}/compiled"
    place.variables.clear()


def odd_path(place: Place) -> None:
    """A clone in a folder with a space, an umlaut and an ampersand, set up there."""
    place.root = place.scratch / "Prüf stand & mehr"
    subprocess.run(["git", "clone", "--quiet", ROOT, place.root], check=True)
    place.environment["FREEZECHAOS_OUT"] = ""
    place.variables.clear()


def python(version: str, *, uv: bool) -> Callable[[Place], None]:
    """Set up with another Python, by pip or by uv."""

    def arrange(place: Place) -> None:
        name = f"python{version}"
        if uv:
            name = said(program("uv"), "python", "find", "--no-project", version)
        if not name or not said(name, "--version"):
            raise NotTriedError(f"there is no Python {version}")
        place.variables = {"PYTHON": name} | ({} if uv else {"UV": ""})

    return arrange


def said(*command: str) -> str:
    """What a command prints, or nothing where it fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return ""
    return done.stdout.strip()


def sets_there(place: Place) -> None:
    if not all(map(available, archives.ARCHIVES)):
        raise NotTriedError("the image sets are not on this machine: FREEZECHAOS_DATA")
    place.environment["FREEZECHAOS_DATA"] = os.environ.get("FREEZECHAOS_DATA", "")


def sets_absent(place: Place) -> None:
    place.environment["XDG_CACHE_HOME"] = str(place.scratch)


def sets_appear(place: Place) -> None:
    """Between `make book` and `make test`."""
    sets_there(place)
    place.first = "book"


def sets_damaged(place: Place) -> None:
    folder = place.scratch / "damaged"
    for archive in (archive for files in archives.ARCHIVES.values() for archive in files):
        (folder / archive.path).parent.mkdir(parents=True, exist_ok=True)
        (folder / archive.path).write_bytes(b"\x1f\x8b cut off")
    place.environment |= {"FREEZECHAOS_DATA": str(folder), "XDG_CACHE_HOME": str(place.scratch)}


def program(name: str) -> str:
    found = shutil.which(name)
    if not found:
        raise NotTriedError(f"there is no {name}")
    return found


def console(encoding: str) -> Callable[[Place], None]:
    """One that shows no Greek; Python is told nothing of UTF-8."""
    return set_to(
        LC_ALL="C", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0", PYTHONIOENCODING=encoding
    )  # fmt: skip


CONDITIONS = (
    Condition("SSE4_2", "instructions", instructions("SSE4_2"), WHOLE),
    Condition("AVX", "instructions", instructions("AVX")),
    Condition("AVX2", "instructions", instructions("AVX2")),
    Condition("AVX512", "instructions", instructions("AVX512"), WHOLE),
    Condition("products by Eigen", "instructions", xla(
        "--xla_cpu_experimental_ynn_fusion_type=")),
    Condition("OpenBLAS NEHALEM", "blas", openblas("NEHALEM", "SSE4_2")),
    Condition("OpenBLAS HASWELL", "blas", openblas("HASWELL", "AVX2")),
    Condition("OpenBLAS SKYLAKEX", "blas", openblas("SKYLAKEX", "AVX512")),
    Condition("OpenBLAS ZEN", "blas", openblas("ZEN", "AVX2")),
    Condition("one core", "cores", one_core, WHOLE),
    Condition("four processes", "cores", four_processes, WHOLE),
    Condition("x64", "cores", set_to(JAX_ENABLE_X64="1")),
    Condition("Python 3.11, pip", "python", python("3.11", uv=False), WHOLE),
    Condition("Python 3.13, pip", "python", python("3.13", uv=False)),
    Condition("Python 3.13, uv", "python", python("3.13", uv=True), WHOLE),
    Condition("no browser, no bubblewrap", "place", without(
        "bwrap", "chromium", "chromium-browser", "google-chrome"), TEXTS),
    Condition("no network after setup", "place", offline, TEXTS),
    Condition("a path with a space and an umlaut", "place", odd_path, TEXTS),
    Condition("a read-only checkout", "place", read_only, TEXTS),
    Condition("a console of ASCII", "place", console("ascii"), TEXTS),
    Condition("a console of cp1251", "place", console("cp1251"), TEXTS),
    Condition("image sets there", "sets", sets_there, IMAGES),
    Condition("image sets absent", "sets", sets_absent, IMAGES),
    Condition("image sets that appear", "sets", sets_appear, IMAGES),
    Condition("image sets damaged", "sets", sets_damaged, IMAGES),
)  # fmt: skip


def play(condition: Condition, tests: str, log: Path) -> dict[str, object]:
    """Run `make test` under a condition; return its result, counts, failed tests and seconds.

    Lint, which knows the Python alone, is left out in a quick look at other tests.
    """
    began = monotonic()
    with TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
        place = Place(Path(scratch))
        try:
            condition.arrange(place)
        except NotTriedError as reason:
            return {"name": condition.name, "result": "not tried", "why": str(reason)}
        if tests != condition.tests:
            place.options = ["--assume-old=lint"]
        code = make(place, tests, log)
    text = log.read_text(errors="replace")
    return {
        "name": condition.name,
        "result": "failed" if code else "passed",
        "why": (COUNTS.findall(text) or [text.strip().rpartition("\n")[2]])[-1],
        "failed": sorted(set(UNHAPPY.findall(text))),
        "tests": tests or "all",
        "environment": place.environment,
        "seconds": round(monotonic() - began),
    }


def make(place: Place, tests: str, log: Path) -> int:
    """Run `make`, its words into the log; return its exit code."""
    environment = {name: text for name, text in os.environ.items() if not name.startswith(OURS)}
    environment |= {
        "FREEZECHAOS_OUT": str(place.scratch),
        "JAX_COMPILATION_CACHE_DIR": str(BUILT.resolve() / "compiled"),
        **place.environment,
    }
    variables = [f"{name}={text}" for name, text in place.variables.items()]
    with log.open("wb") as out:
        for target in filter(None, (place.first, "test")):
            sets = {} if target == "test" else {"FREEZECHAOS_DATA": ""}
            done = subprocess.run(
                [*place.prefix, "make", *place.options, target, *variables, f"TESTS={tests}"],
                cwd=place.root, env=environment | sets, check=False,
                stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT,
            )  # fmt: skip
            if done.returncode:
                break
    return done.returncode


def chosen(names: Sequence[str]) -> list[Condition]:
    """The conditions of names or groups; all where none is named.

    Raises:
        SystemExit: nothing has that name.
    """
    known = {condition.name for condition in CONDITIONS} | {one.group for one in CONDITIONS}
    if unknown := set(names) - known:
        raise SystemExit(f"there is no condition {', '.join(unknown)}: see --list")
    return [one for one in CONDITIONS if not names or {one.name, one.group} & set(names)]


def row(result: Mapping[str, object]) -> str:
    minutes = f"{int(str(result.get('seconds', 0))) / 60:5.1f} min"
    return f"{result['name']:<34} {result['result']:<10} {minutes}  {result['why']}"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=str(__doc__), formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", help="conditions or groups of them; all if left out")
    parser.add_argument("--list", action="store_true", help="list the conditions, by group")
    parser.add_argument("--tests", help="what pytest is given instead, for a quick look")
    options = parser.parse_args()
    if options.list:
        print(*(f"{one.group:<13} {one.name}" for one in CONDITIONS), sep="\n")
        return
    folder = BUILT / "matrix"
    folder.mkdir(parents=True, exist_ok=True)
    results = []
    for condition in chosen(options.names):
        tests = condition.tests if options.tests is None else options.tests
        log = folder / f"{condition.name.replace(' ', '-')}.log"
        results.append(play(condition, tests, log))
        print(row(results[-1]), flush=True)
    report = {
        "date": datetime.now(UTC).isoformat(timespec="minutes"),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "python": platform.python_version(),
        "conditions": results,
    }
    (BUILT / "matrix.json").write_text(json.dumps(report, indent=1) + "\n")
    print(f"matrix: {BUILT / 'matrix.json'}, logs in {folder}")
    raise SystemExit(any(result["result"] == "failed" for result in results))


if __name__ == "__main__":
    main()
