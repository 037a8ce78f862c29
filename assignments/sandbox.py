"""Run students' notebooks where the instructor's files are not, under limits.

`Sandbox` takes the place of nbgrader's `Execute`: the notebook runs in a process of its own, and
only what its cells print comes back, into the copy that stayed here. With bubblewrap that process
sees a file system with the system's programs, Python and `freezechaos` on it, read-only, an empty
home in memory, no other process and no network.
"""

import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

from nbformat import NotebookNode
from nbformat.v4 import new_output
from nbgrader.preprocessors import NbGraderPreprocessor
from traitlets import Bool, Integer

import freezechaos

INSIDE = Path(__file__).with_name("inside.py").read_text()
"""Given as text, for the folder that it lies in is named by the seed."""
INTERPRETER = (sys.executable, "-I", "-c")
SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib64", "/nix/store", "/etc/ld.so.cache", "/etc/fonts")
"""What programs need of the system, where it is there. Not /etc as a whole: it has secrets."""
SHOWN = ("text/plain", "image/png")
"""What comes back of rich output: a page of HTML could run scripts in the grader's browser."""
NO_BUBBLEWRAP = (
    "no working bubblewrap (`bwrap`) on this machine. Without it students' code has limits on "
    "time and memory, but can read and write every file that you can. Install bubblewrap; or grade "
    "as a user who owns nothing else, with --Sandbox.allow_unisolated=True."
)
HOME = "/student"
"""In the sandbox, where it is new and empty."""


@dataclass(frozen=True)
class Limits:
    """What one notebook may use.

    Attributes:
        memory: address space of each process, in bytes.
        processes: processes and threads of this user, those outside included.
        file_size: of each file, in bytes.
        cpu_seconds: of each process, all its threads together.
    """

    memory: int
    processes: int
    file_size: int
    cpu_seconds: int


class SandboxError(RuntimeError):
    """The sandbox did not start: nobody's fault but the machine's, so nothing is graded."""


class Sandbox(NbGraderPreprocessor):  # type: ignore[misc] # nbgrader has no types
    """Executes a notebook apart, and keeps nothing of it but what its cells printed."""

    cell_seconds = Integer(60, help="Seconds after which a cell is stopped.").tag(config=True)
    notebook_seconds = Integer(
        600, help="Seconds after which the notebook is stopped, its start included."
    ).tag(config=True)
    memory_gigabytes = Integer(
        8, help="Address space of each process: about twice what it really uses."
    ).tag(config=True)
    processes = Integer(512, help="Processes and threads.").tag(config=True)
    file_megabytes = Integer(
        256, help="Size of a file, and of all in each of the two folders that can be written."
    ).tag(config=True)
    allow_unisolated = Bool(
        False, help="Whether to grade without bubblewrap, where code can reach all that you can."
    ).tag(config=True)

    def preprocess(
        self, notebook: NotebookNode, resources: dict[str, Any]
    ) -> tuple[NotebookNode, dict[str, Any]]:
        """Return the notebook with the outputs of its cells; its text stays as it is.

        Raises:
            SandboxError: no bubblewrap, and no leave to go without.
        """
        limits = Limits(
            memory=self.memory_gigabytes * 2**30,
            processes=own_threads() + self.processes,
            file_size=self.file_megabytes * 2**20,
            cpu_seconds=self.notebook_seconds * (os.cpu_count() or 1),
        )
        if not bubblewrap_works():
            if not self.allow_unisolated:
                raise SandboxError(NO_BUBBLEWRAP)
            self.log.warning("NOT ISOLATED: %s", NO_BUBBLEWRAP)
        self.log.info("Executing in a sandbox, at most %d s", self.notebook_seconds)
        outputs, end = execute(notebook.cells, limits, self.cell_seconds, self.notebook_seconds)
        if end:
            self.log.warning("Not executed to the end: %s", end)
        fill_in(notebook.cells, outputs, end)
        return notebook, resources


def own_threads() -> int:
    """Return how many threads this user runs, for the system counts them all together."""
    count = 0
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended
            if process.stat().st_uid == os.getuid():
                count += len(list((process / "task").iterdir()))
    return count


def execute(
    cells: Sequence[NotebookNode], limits: Limits, cell_seconds: int, notebook_seconds: int
) -> tuple[dict[int, dict[str, Any]], str]:
    """Run cells in a sandbox: what those printed that ran to their end, and why it ended early.

    Raises:
        SandboxError: it did not even start.
    """
    deadline = time.monotonic() + notebook_seconds
    sources: list[dict[str, Any]] = [
        {"cell_type": "raw", "metadata": {}, "source": ""} for _ in cells
    ]
    for index, cell in enumerate(cells):
        if cell.cell_type == "code":
            sources[index] |= {
                "cell_type": "code", "source": cell.source, "outputs": [], "execution_count": None,
            }  # fmt: skip
    task = {"cells": sources, "limits": asdict(limits), "cell_seconds": cell_seconds}
    with tempfile.TemporaryDirectory(prefix="freezechaos-", ignore_cleanup_errors=True) as folder:
        return _executed(task, Path(folder), deadline, limits.file_size)


def _executed(
    task: dict[str, Any], folder: Path, deadline: float, size: int
) -> tuple[dict[int, dict[str, Any]], str]:
    done: dict[int, dict[str, Any]] = {}
    ready, end = False, ""
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as said:
        given.write(json.dumps(task).encode())
        given.seek(0)
        command, environment = _command(folder, size)
        process = subprocess.Popen(
            command, env=environment, cwd=folder, stdin=given, stdout=subprocess.PIPE, stderr=said,
            start_new_session=True,
        )  # fmt: skip
        try:
            for message in _messages(process.stdout, deadline):
                ready = ready or "ready" in message
                if "cell" in message:
                    done[int(message["cell"])] = message
                if "end" in message:
                    end = message["end"]
                    break
        finally:
            _kill(process)
        if not ready:
            said.seek(0)
            why = said.read().decode(errors="replace").strip()[-2000:] or "it said nothing"
            raise SandboxError(f"the sandbox did not start: {why}")
    return done, end


def _messages(stream: Any, deadline: float, most: int = 64 * 2**20) -> Iterator[dict[str, Any]]:
    """Yield JSON lines as they come; the last has an `end`, which says why there are no more."""
    rest, total = b"", 0
    while total < most:
        if not select.select([stream], [], [], max(0.0, deadline - time.monotonic()))[0]:
            yield {"end": "the time limit of the notebook was reached"}
            return
        if not (chunk := os.read(stream.fileno(), 2**16)):
            yield {"end": "the sandbox ended: out of memory, or by code in a cell above"}
            return
        total += len(chunk)
        *lines, rest = (rest + chunk).split(b"\n")
        yield from map(json.loads, lines)
    yield {"end": f"it printed more than {most} bytes"}


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End a process and its group; with bubblewrap, all that it ever started."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def fill_in(cells: Sequence[NotebookNode], outputs: Mapping[int, dict[str, Any]], end: str) -> None:
    """Write outputs into code cells; a cell that was not run to its end has an error instead."""
    for index, cell in enumerate(cells):
        if cell.cell_type != "code":
            continue
        message = outputs.get(index)
        cell.execution_count = index + 1 if message else None
        if message is None:
            text = f"NotRun: {end}"
            lost = new_output("error", ename="NotRun", evalue=end, traceback=[text])
            cell.outputs = [lost]
        else:
            cell.outputs = [kept for output in message["outputs"] if (kept := _kept(output))]


def _kept(output: Mapping[str, Any]) -> NotebookNode | None:
    """Return what is shown of an output, or None.

    A warning is no error: nbgrader would give a cell that writes to stderr no points.
    """
    kind = output.get("output_type")
    if kind == "stream":
        return new_output("stream", name="stdout", text=str(output["text"]))
    if kind == "error":
        trace = [str(line) for line in output["traceback"]]
        return new_output(
            "error", ename=str(output["ename"]), evalue=str(output["evalue"]), traceback=trace
        )
    if kind in ("execute_result", "display_data"):
        data = {name: str(text) for name, text in output["data"].items() if name in SHOWN}
        return new_output(kind, data=data)
    return None


def _command(folder: Path, size: int) -> tuple[list[str], dict[str, str]]:
    """Return what starts the inside, and its environment."""
    if bubblewrap_works():
        return [*_bubblewrap(size), "--", *INTERPRETER, INSIDE], _environment(HOME)
    return [*INTERPRETER, INSIDE], _environment(str(folder))


def _environment(home: str) -> dict[str, str]:
    """Nothing of the grader's; and code that is compiled quickly."""
    return {
        "HOME": home,
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), "/usr/bin", "/bin"]),
        "LANG": "C.UTF-8",
        "USER": "student",
        "TMPDIR": home,
        "JAX_PLATFORMS": "cpu",
        "XLA_FLAGS": "--xla_backend_optimization_level=1",
    }


def _bubblewrap(size: int) -> list[str]:
    readable = dict.fromkeys(
        [sys.prefix, sys.base_prefix, str(Path(freezechaos.__file__).parents[1])]
    )
    system = [word for path in SYSTEM for word in ("--ro-bind-try", path, path)]
    bound = [word for path in readable for word in ("--ro-bind", path, path)]
    sized = ["--size", str(size)] if "--size" in _bubblewrap_help() else []
    memory = [word for path in (HOME, "/dev/shm") for word in (*sized, "--tmpfs", path)]
    return [
        "bwrap", "--unshare-all", "--unshare-user", "--uid", "1000", "--gid", "1000",
        "--as-pid-1", "--die-with-parent", "--new-session", *system, *bound,
        "--proc", "/proc", "--ro-bind", "/proc/sys", "/proc/sys", "--dev", "/dev", *memory,
        "--remount-ro", "/dev", "--remount-ro", "/", "--chdir", HOME,
    ]  # fmt: skip


@cache
def _bubblewrap_help() -> str:
    return subprocess.run(["bwrap", "--help"], capture_output=True, text=True, check=False).stdout


@cache
def bubblewrap_works() -> bool:
    """Whether bubblewrap is there and may do all that is asked of it: containers can forbid it."""
    if not shutil.which("bwrap"):
        return False
    trial = subprocess.run([*_bubblewrap(2**20), "true"], capture_output=True, check=False)
    return trial.returncode == 0
