"""Execute a notebook under limits: the part of the sandbox that runs inside it.

Limits and notebook come in as JSON on stdin. What cells print goes out on stdout, a JSON line a
cell as soon as it is done, so that a killed notebook keeps what it had: first `{"ready": true}`,
then cells, last `{"end": why}`.
"""

import ctypes
import json
import os
import resource
import sys
from collections.abc import Sequence
from typing import Any

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import DeadKernelError
from nbformat import NotebookNode
from nbformat.v4 import new_output

OUTPUT = 10**6
"""Characters that a cell may print: more is cut, so that later cells still count."""


def limit(memory: int, processes: int, file_size: int, cpu_seconds: int) -> None:
    """Set what this process and its children may use; nothing raises it again."""
    for kind, most in (
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_FSIZE, file_size),
        (resource.RLIMIT_CPU, cpu_seconds),
        (resource.RLIMIT_NPROC, processes),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(kind, (most, most))


def hide() -> None:
    """Keep the kernel, which is the same user, out of this process's memory and files."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(4, 0)  # PR_SET_DUMPABLE


def execute(cells: list[dict[str, Any]], cell_seconds: int, send: Any) -> str:
    """Run the cells one after the other, and send what each prints; say why it ends."""
    notebook = nbformat.v4.new_notebook(cells=[NotebookNode(cell) for cell in cells])
    client = NotebookClient(
        notebook,
        timeout=cell_seconds,
        startup_timeout=120,
        interrupt_on_timeout=True,
        error_on_timeout={
            "ename": "TimeLimit",
            "evalue": f"stopped after {cell_seconds} seconds",
            "traceback": [f"TimeLimit: this cell was stopped after {cell_seconds} seconds"],
        },
        allow_errors=True,
        kernel_name="python3",
    )
    client.on_cell_executed = add_error
    with client.setup_kernel():
        send({"ready": True})
        for index, cell in enumerate(notebook.cells):
            try:
                client.execute_cell(cell, index)
            except DeadKernelError:
                return "the kernel died in a cell above: out of memory, or ended by its code"
            outputs = shortened(cell.get("outputs", []))
            send({"cell": index, "outputs": outputs, "count": index + 1})
    return ""


def shortened(outputs: Sequence[NotebookNode]) -> list[NotebookNode]:
    """Return what fits into `OUTPUT`, and every error, without which a failed test would pass."""
    kept: list[NotebookNode] = []
    left = OUTPUT
    for output in outputs:
        if output.output_type == "error":
            lines = [line[:1000] for line in output.traceback[-100:]]
            why = output.evalue[:1000]
            kept.append(new_output("error", ename=output.ename, evalue=why, traceback=lines))
            continue
        size = len(json.dumps(output))
        if size <= left:
            kept.append(output)
        elif left:
            start = output.get("text", "")[:left]
            text = f"{start}\n[cut here: a cell may print {OUTPUT} characters]\n"
            kept.append(new_output("stream", text=text))
        left = max(0, left - size)
    return kept


def add_error(cell: NotebookNode, execute_reply: dict[str, Any], **_: Any) -> None:
    """Write down an error that the cell itself did not print, such as its time limit."""
    reply = execute_reply["content"]
    printed = {output.get("ename") for output in cell.outputs}
    if reply["status"] == "error" and reply["ename"] not in printed:
        names = ("ename", "evalue", "traceback")
        cell.outputs.append(new_output("error", **{name: reply[name] for name in names}))


def main() -> None:
    """Read, execute, write; the kernel inherits neither end."""
    task = json.load(sys.stdin)
    private = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, 0)
    os.dup2(nowhere, 1)

    def send(message: dict[str, Any]) -> None:
        private.write(json.dumps(message) + "\n")
        private.flush()

    limit(**task["limits"])
    hide()
    send({"end": execute(task["cells"], task["cell_seconds"], send)})


if __name__ == "__main__":
    main()
