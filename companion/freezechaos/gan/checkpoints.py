"""Checkpoints of a run: written whole or not at all, checked when read, the last few kept.

Orbax writes them; beside the numbers lie shape, type and a checksum of every array, since a damaged
file may read as zeros.
"""

import json
import os
import platform
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar
from zlib import crc32

import equinox as eqx
import jax
import numpy as np
from jax.experimental.multihost_utils import process_allgather, sync_global_devices

from ..extras import extra
from ..records import write_atomically
from .presets import Preset

Tree = TypeVar("Tree")

_FREE = ("steps", "save", "keep")  # of a preset, may differ when a run goes on


class ChangedPresetError(ValueError):
    """A folder holds a run of another preset, or on other images."""


class FolderInUseError(RuntimeError):
    """Another process trains in a folder."""


class BrokenCheckpointError(RuntimeError):
    """No checkpoint can be read."""


class OtherVersionError(ValueError):
    """A checkpoint is whole, but not of the networks and optimizers of today."""


class SaveError(RuntimeError):
    """A checkpoint could not be written."""


class Checkpoints:
    """The checkpoints in a folder of a run, to be opened with `with`.

    Arguments:
        folder: made if it is not there; holds preset.json and checkpoints/.
        preset: what is run; `preset.keep` checkpoints are kept.
        reads_only: whether to leave the folder as it is, which another process may write to.

    Raises:
        ChangedPresetError: the folder holds a run of another preset.
    """

    def __init__(self, folder: str | Path, preset: Preset, *, reads_only: bool = False):
        with extra("gan"):
            import orbax.checkpoint as orbax  # slow to import

        self.folder, self._orbax, self._writes = Path(folder).absolute(), orbax, not reads_only
        if self._writes:
            self.folder.mkdir(parents=True, exist_ok=True)
        check_preset(self.folder, preset)
        if self._writes and jax.process_index() == 0:
            text = json.dumps(asdict(preset), indent=2) + "\n"
            write_atomically(self.folder / "preset.json", text.encode())
        options = orbax.CheckpointManagerOptions(
            max_to_keep=preset.keep if self._writes else None, create=self._writes,
            cleanup_tmp_directories=self._writes, read_only=reads_only,
            enable_async_checkpointing=False, single_host_load_and_broadcast=False,
        )  # fmt: skip
        self._manager = orbax.CheckpointManager(self.folder / "checkpoints", options=options)

    def __enter__(self) -> "Checkpoints":
        return self

    def __exit__(self, *_: object) -> None:
        self._manager.close()

    @property
    def newest(self) -> int | None:
        """The step of the newest checkpoint, None without any."""
        return self._manager.latest_step()

    def save(self, state: Any) -> None:
        """Write a state at its step, then drop the oldest beyond `keep`.

        Raises:
            SaveError: a full disk, say; the checkpoints of before are kept.
        """
        step, arrays = int(state.step), _named(state)
        known = {name: [*_shape(array), _checksum(array)] for name, array in arrays.items()}
        args = self._orbax.args
        try:
            self._manager.save(
                step,
                args=args.Composite(arrays=args.StandardSave(arrays), known=args.JsonSave(known)),
            )
            self._manager.wait_until_finished()
        except Exception as error:
            size = sum(array.nbytes for array in arrays.values()) / 1e6
            raise SaveError(
                f"the checkpoint of step {step} could not be written to {self.folder}: "
                f"{_first_line(error)}. What was saved before is kept. See that {size:.0f} MB are "
                "free there, then give the same command again: it goes on from the newest."
            ) from error

    def restore(self, like: Tree) -> Tree:
        """The newest state that is whole, of the structure of `like`, or `like` without any.

        A checkpoint that cannot be read is moved to broken/, with a warning; left where it is if
        this only reads. Hosts agree on which.

        Raises:
            BrokenCheckpointError: there were checkpoints, and none can be read; the next time too,
                as long as they lie in broken/.
            OtherVersionError: a checkpoint is whole, but of another version of this package.
            PermissionError, MemoryError: no way to a checkpoint; it is left where it is.
        """
        failed = False
        for step in sorted(self._manager.all_steps(), reverse=True):
            state, error = self._attempt(step, like)
            if np.all(process_allgather(np.array(error is None))):
                return state
            self._set_aside(step, error)
            failed = True
        broken = self.folder / "broken"
        if failed or (self._writes and broken.is_dir() and any(broken.iterdir())):
            mend = "or remove its folder broken" if self._writes else "or train again"
            raise BrokenCheckpointError(
                f"no checkpoint in {self.folder} can be read. To go on, copy checkpoints back from "
                f"elsewhere; {mend} to begin at step 0."
            )
        return like

    def _attempt(self, step: int, like: Tree) -> tuple[Tree, Exception | None]:
        try:
            return self._read(step, like), None
        except (OtherVersionError, PermissionError, MemoryError):
            raise
        except Exception as error:
            return like, error

    def _read(self, step: int, like: Tree) -> Tree:
        args, named = self._orbax.args, _named(like)
        known = self._manager.restore(step, args=args.Composite(known=args.JsonRestore())).known
        if {name: part[:2] for name, part in known.items()} != {
            name: _shape(array) for name, array in named.items()
        }:
            raise OtherVersionError(
                f"the checkpoint of step {step} in {self.folder} was written by another version of "
                "this package: its arrays have other names, shapes or types. Go on with that "
                "version, or train in another folder."
            )
        shapes = {
            name: jax.ShapeDtypeStruct(array.shape, array.dtype, sharding=array.sharding)
            for name, array in named.items()
        }
        whole = self._manager.restore(
            step, args=args.Composite(arrays=args.StandardRestore(shapes))
        ).arrays
        for name, array in whole.items():
            if _checksum(array) != known[name][2]:
                raise ValueError(f"{name} is not what was saved")
        static = eqx.filter(like, eqx.is_array, inverse=True)
        structure = jax.tree.structure(eqx.filter(like, eqx.is_array))
        return eqx.combine(jax.tree.unflatten(structure, [whole[name] for name in named]), static)

    def _set_aside(self, step: int, error: Exception | None) -> None:
        what = f"the checkpoint of step {step} is damaged ({_first_line(error)})"
        if not self._writes:
            warnings.warn(f"{what}. The one before it is taken.", stacklevel=3)
            return
        broken = self.folder / "broken"
        sync_global_devices("no host reads the damaged checkpoint any more")
        if jax.process_index() == 0:
            broken.mkdir(exist_ok=True)
            taken = {path.name for path in broken.iterdir()}
            name = next(name for i in range(len(taken) + 1) if (name := f"{step}.{i}") not in taken)
            (self.folder / "checkpoints" / str(step)).rename(broken / name)
            warnings.warn(
                f"{what}; it now lies in {broken / name}. The one before it is taken.",
                stacklevel=3,
            )
        sync_global_devices("a damaged checkpoint is out of the way")
        self._manager.reload()


def read_preset(folder: str | Path) -> Preset:
    """The preset of the run in a folder.

    Raises:
        FileNotFoundError: there is none.
        ValueError: it was written by another version of this package, or damaged.
    """
    file = Path(folder) / "preset.json"
    if not file.exists():
        raise FileNotFoundError(
            f"`folder` must hold a run; {folder} has no preset.json. Make one with "
            "python -m freezechaos.gan train."
        )
    try:
        return Preset(**json.loads(file.read_text("utf-8")))
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"{file} does not describe a run: {error}. Mend it, or train in another folder."
        ) from error


def check_preset(folder: Path, preset: Preset) -> None:
    """A folder without a run, or with one of this preset, steps, save and keep aside."""
    if not (folder / "preset.json").exists():
        return
    old, new = asdict(read_preset(folder)), asdict(preset)
    differ = [name for name in new if new[name] != old[name] and name not in _FREE]
    if differ:
        before, now = (
            ", ".join(f"{name}={values[name]!r}" for name in differ) for values in (old, new)
        )
        raise ChangedPresetError(
            f"`preset` must be that of the run in {folder}, which has {before}; got {now}. "
            "Take the old values, or train in another folder."
        )


def check_images(folder: Path, images: np.ndarray, *, writes: bool) -> None:
    """A folder without a run, or with one on these images; a checksum of them is kept there.

    Raises:
        ChangedPresetError: the run is on others.
    """
    file = folder / "images.json"
    seen: dict[str, Any] = {"shape": list(images.shape), "crc32": _checksum(images)}
    if file.exists() and (old := json.loads(file.read_text("utf-8"))) != seen:
        raise ChangedPresetError(
            f"the images must be those of the run in {folder}, {old['shape'][0]} of checksum "
            f"{old['crc32']:08x}; got {seen['shape'][0]} of checksum {seen['crc32']:08x}. Give it "
            "the same, or train in another folder."
        )
    if writes and not file.exists():
        write_atomically(file, json.dumps(seen).encode())


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Hold a folder, made if it is not there, as the only process; without POSIX locks, try to.

    The system lets go of it when the process ends, however it does.

    Raises:
        FolderInUseError: another process holds it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("a+", encoding="utf-8") as file:
        try:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except ImportError:
            pass
        except BlockingIOError as error:
            file.seek(0)
            raise FolderInUseError(
                f"{folder} is trained in by process {file.read().strip()}. Wait for its end, or "
                "train in another folder."
            ) from error
        file.truncate(0)
        file.write(f"{os.getpid()} on {platform.node()}")
        file.flush()
        yield


def _named(tree: Any) -> dict[str, Any]:
    """The arrays of a tree by their place in it."""
    leaves, _ = jax.tree_util.tree_flatten_with_path(eqx.filter(tree, eqx.is_array))
    return {jax.tree_util.keystr(path).replace("/", "|"): leaf for path, leaf in leaves}


def _shape(array: Any) -> list[Any]:
    return [list(array.shape), array.dtype.name]


def _checksum(array: Any) -> int:
    return crc32(np.ascontiguousarray(array).tobytes())


def _first_line(error: Exception | None) -> str:
    if error is None:
        return "on another host"
    return str(error).strip().split("\n")[0][:200] or type(error).__name__
