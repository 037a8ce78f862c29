"""What is kept in files: written whole or not at all, and where it came from."""

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import BinaryIO

import jax


@contextmanager
def replacing(file: Path) -> Iterator[BinaryIO]:
    """A stream to write to; what was written takes the place of the file once it is whole."""
    part = file.with_name(file.name + ".part")
    with part.open("wb") as stream:
        yield stream
        stream.flush()
        os.fsync(stream.fileno())
    part.replace(file)


def write_atomically(file: Path, content: bytes) -> None:
    """Write a file whole or not at all."""
    with replacing(file) as stream:
        stream.write(content)


def made() -> str:
    """Date, machine, versions."""
    (device, *_) = jax.devices()
    day = datetime.now(UTC).strftime("%Y-%m-%d")
    versions = f"freezechaos {version('freeze-and-chaos')}, JAX {jax.__version__}"
    return f"{day}, {device.device_kind} ({platform.machine()}), {versions}"
