"""Training in a folder: a record of the run, checkpoints, and where it goes on after a kill."""

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any, TextIO

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Array, Float
from tqdm import tqdm

from .. import data
from ..records import write_atomically
from . import devices
from .checkpoints import Checkpoints, alone, check_images, check_preset
from .game import Losses, State, advance, initial, observe
from .presets import Preset


class DivergedError(RuntimeError):
    """A loss, a weight or an image is no longer finite."""


def real_images(preset: Preset, split: str = "train") -> data.Images:
    """The images of a preset, in [-1, 1]; those of 28 x 28 get a black margin up to 32 x 32.

    Read-only: the last sets but a folder's are kept, since to scale 70,000 images takes seconds.
    """
    load = _real_images.__wrapped__ if preset.data == "folder" else _real_images
    return load(preset.data, split, preset.size, preset.colours, preset.path)


@lru_cache(maxsize=4)
def _real_images(name: str, split: str, size: int, colours: int, path: str | None) -> data.Images:
    padded = name in ("mnist", "fashion_mnist") and size == 32
    known = data.load(name, split, size=None if padded else size, channels=colours, path=path)
    margin = (size - known.images.shape[1]) // 2
    sides = [(0, 0), (margin, margin), (margin, margin), (0, 0)]
    images = np.pad(known.images, sides, constant_values=-1)
    images.flags.writeable = False
    return replace(known, images=images)


def own_images(preset: Preset, images: Any) -> Float[np.ndarray, "n size size colours"]:
    """A user's own images in place of a preset's set.

    Raises:
        ValueError: other than floats in [-1, 1] of the preset's size and colours, one or more.
    """
    array = np.asarray(images)
    shape = (preset.size, preset.size, preset.colours)
    known = array.dtype.kind == "f" and array.ndim == 4 and array.shape[1:] == shape and len(array)
    if not known or not np.abs(array).max() <= 1:
        raise ValueError(
            f"`images` must be floats in [-1, 1] of shape [n, {preset.size}, {preset.size}, "
            f"{preset.colours}]; got {array.dtype} of shape {list(array.shape)}"
            + (f" in [{array.min():g}, {array.max():g}]. " if array.size else ". ")
            + "Make bytes such with images / 127.5 - 1."
        )
    return array.astype(np.float32)


def train(
    preset: Preset,
    folder: str | Path,
    *,
    progress: bool = True,
    images: Float[np.ndarray, "n size size colours"] | None = None,
    each: Callable[[State], None] | None = None,
    watch: Mapping[int, Callable[[State], None]] | None = None,
    on: Sequence[jax.Device] | None = None,
) -> State:
    """Train in a folder up to `preset.steps`, from its newest checkpoint if it has any.

    On several hosts call it on each, after jax.distributed.initialize(), with one folder that all
    of them see; the first host writes.

    Arguments:
        preset: the run; with a folder that holds one, the same but for steps, save and keep.
        folder: holds preset.json, metrics.jsonl, a line every `record` steps, and checkpoints.
        progress: whether a bar shows losses and indicators.
        images: real ones in place of the preset's set, in [-1, 1].
        each: called with the state wherever a checkpoint is written, on the first host; training
            uses the state's arrays up afterwards, so copy what is to be kept.
        watch: by steps, from 0 on, what is called with the state after as many, before its
            checkpoint; there is a line of metrics of them too. What a run has watched before it
            was killed it does not watch again.
        on: devices that share the batches; all there are if left out.

    Raises:
        ValueError: a batch that the devices cannot share.
        DivergedError: a loss, a weight or an image is no longer finite; older checkpoints are kept.
        ChangedPresetError, BrokenCheckpointError, SaveError: as `checkpoints.Checkpoints` says;
            the first for other images as well, wherever they lie now.
        FolderInUseError: another process trains in the folder.
        OSError, ValueError: no images, or none of the preset's size in [-1, 1].
    """
    folder, leads = Path(folder), jax.process_index() == 0
    mesh = devices.mesh(preset.batch, on)
    known = real_images(preset).images if images is None else own_images(preset, images)
    real = devices.replicate(jnp.asarray(known), mesh)
    fresh = devices.replicate(initial(preset), mesh)  # first, so that a mistake leaves no folder
    check_preset(folder, preset)
    with alone(folder) if leads else nullcontext(), Checkpoints(folder, preset) as kept:
        check_images(folder, known, writes=leads)
        state = kept.restore(fresh)
        start, hidden = int(state.step), not (progress and leads)
        stops = dict(watch or {}) if leads else {}
        if start == 0 and 0 in stops:
            stops[0](devices.local(state))
        with (
            resumed(folder / "metrics.jsonl", start, writes=leads) as lines,
            tqdm(total=preset.steps, initial=start, unit="step", disable=hidden) as bar,
        ):
            for after, metrics in follow(real, state, preset, mesh, watch or ()):
                state = after
                lines.write(json.dumps(metrics) + "\n")
                lines.flush()
                bar.update(metrics["step"] - bar.n)
                bar.set_postfix({name: f"{metrics[name]:.3f}" for name in _SHOWN})
                if metrics["step"] in stops:
                    stops[metrics["step"]](devices.local(state))
                if metrics["step"] % preset.save == 0 or metrics["step"] >= preset.steps:
                    kept.save(state)
                    if each is not None and leads:
                        each(devices.local(state))
    return devices.local(state)


def follow(
    images: Array, state: State, preset: Preset, mesh: Mesh | None = None,
    stops: Iterable[int] = (),
) -> Iterator[tuple[State, dict[str, Any]]]:  # fmt: skip
    """The state and its line of metrics after every `record` steps, up to `preset.steps`.

    And at the steps `stops`, as far as they lie ahead.

    A state is used up as soon as the next one is asked for.

    Raises:
        DivergedError: a loss, a weight or an image is no longer finite.
    """
    records = range(preset.record, preset.steps + 1, preset.record)
    for stop in sorted({*records, *(stop for stop in stops if stop <= preset.steps)}):
        if (count := stop - int(state.step)) <= 0:
            continue
        state, losses = advance(images, state, preset, mesh, count)
        yield state, summary(state, losses)


_SHOWN = ("discriminator", "generator", "diversity", "checkerboard_2")


def summary(state: State, losses: Losses) -> dict[str, Any]:
    """A line of metrics, all finite: the step, losses in the mean over the call, indicators."""
    means = {name: float(np.mean(value)) for name, value in losses._asdict().items()}
    seen = {name: value.item() for name, value in observe(state).items()}
    if not (seen.pop("finite") and np.isfinite(list(means.values())).all()):
        raise DivergedError(
            f"a loss, a weight or an image is not finite after step {int(state.step)}: "
            f"discriminator {means['discriminator']:g}, generator {means['generator']:g}. "
            "What was saved before is finite. Train in a new folder with a lower generator_rate "
            "or discriminator_rate, half of what they are to begin with."
        )
    return {"step": int(state.step), **means, **seen}


def resumed(file: Path, step: int, *, writes: bool = True) -> TextIO:
    """The metrics, open to be added to, without lines past the step or broken by a kill."""
    if not writes:
        return open(os.devnull, "w", encoding="utf-8")
    kept = [line for line in metrics_of(file) if line["step"] <= step]
    write_atomically(file, "".join(json.dumps(line) + "\n" for line in kept).encode())
    return file.open("a", encoding="utf-8")


def metrics_of(file: str | os.PathLike[str]) -> list[dict[str, Any]]:
    """The lines of metrics.jsonl; what a kill or a disk left of others is left out."""
    lines = []
    for text in Path(file).read_bytes().splitlines() if Path(file).exists() else []:
        try:
            line = json.loads(text)
        except ValueError:  # neither JSON nor UTF-8
            continue
        if isinstance(line, dict) and isinstance(line.get("step"), int):
            lines.append(line)
    return lines
