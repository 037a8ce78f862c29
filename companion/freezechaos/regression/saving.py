"""The state of a solve in a file: written whole or not at all, and known again."""

from hashlib import sha256
from pathlib import Path
from time import monotonic
from typing import Any
from zipfile import BadZipFile

import numpy as np

from ..records import replacing

SECONDS = 30.0  # between two states that are saved


def fingerprint(*parts: Any) -> str:
    """Of numbers and values that a solve depends on."""
    found = sha256()
    for part in parts:
        found.update(part.tobytes() if isinstance(part, np.ndarray) else repr(part).encode())
    return found.hexdigest()


class Saved:
    """A file for the state of a solve, which is known by its mark.

    Raises:
        ValueError: the file is of another solve, or none.
    """

    def __init__(self, path: Path, mark: str):
        self.path, self.mark, self.time = path, mark, monotonic()

    def load(self) -> dict[str, np.ndarray] | None:
        """What was saved, or None where there is nothing."""
        if not self.path.exists():
            return None
        try:
            with open(self.path, "rb") as stream:
                arrays = dict(np.load(stream))
        except (OSError, ValueError, EOFError, BadZipFile) as error:
            raise ValueError(
                f"`checkpoint` {self.path} cannot be read: {error} Remove it."
            ) from error
        if str(arrays.pop("mark", "")) != self.mark:
            raise ValueError(
                f"`checkpoint` {self.path} is of another solve: of other inputs, labels, kernel "
                "or ridge. Name another file, or remove it."
            )
        return arrays

    def save(self, arrays: dict[str, Any], *, at_once: bool) -> None:
        """Write them, if it is time; a process killed meanwhile leaves the file as it was."""
        if not at_once and monotonic() - self.time < SECONDS:
            return
        with replacing(self.path) as stream:
            np.savez(stream, mark=np.array(self.mark), **arrays)
        self.time = monotonic()
