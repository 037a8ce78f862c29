"""Images as a PNG, and a film of them."""

from collections.abc import Sequence
from math import ceil, sqrt
from pathlib import Path

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image

from .indicators import checked_images

_GAP = 2  # pixels between images


def as_bytes(images: Float[np.ndarray, "*shape"]) -> UInt8[np.ndarray, "*shape"]:
    """Images in [-1, 1], clipped to that, as 0 to 255."""
    return np.rint((np.clip(images, -1, 1) + 1) * 127.5).astype(np.uint8)


def grid(images: Float[np.ndarray, "n rows columns colours"]) -> UInt8[np.ndarray, "..."]:
    """Images in [-1, 1] side by side, white between them: [height, width, colours], 0 to 255.

    Arguments:
        images: clipped to [-1, 1]; about as many in a row as there are rows.

    Raises:
        ValueError, TypeError: no such images.
    """
    x = np.asarray(checked_images(images, 1))
    count, height, width, colours = x.shape
    across = ceil(sqrt(count))
    down = ceil(count / across)
    page = np.ones((down * across, height + _GAP, width + _GAP, colours), np.float32)
    page[:count, :height, :width] = x
    page = page.reshape(down, across, height + _GAP, width + _GAP, colours).swapaxes(1, 2)
    page = page.reshape(down * (height + _GAP), -1, colours)[:-_GAP, :-_GAP]
    return as_bytes(page)


def write(
    file: str | Path, images: Float[np.ndarray, "n rows columns colours"], zoom: int = 2
) -> Path:
    """A grid of images as a PNG, every pixel `zoom` pixels wide; folders are made.

    Raises:
        ValueError: images that are neither grey, colour nor of the right shape.
    """
    page = grid(images)
    if page.shape[-1] not in (1, 3):
        raise ValueError(
            f"`images` must have 1 colour, grey, or 3; got {page.shape[-1]}. "
            "Give one channel, images[..., :1]."
        )
    page = page.repeat(zoom, axis=0).repeat(zoom, axis=1)
    file = Path(file)
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_name(f"part-{file.name}")
    Image.fromarray(page[..., 0] if page.shape[-1] == 1 else page).save(part)
    part.replace(file)
    return file


def film(file: str | Path, frames: Sequence[str | Path], seconds: float = 8.0) -> Path:
    """PNGs, one after the other, as a GIF or WebP, by the file's ending; the last stays longer.

    Raises:
        ValueError: no frames, another ending.
        OSError: a frame that cannot be read.
    """
    file = Path(file)
    if file.suffix not in (".gif", ".webp") or not frames:
        raise ValueError(
            f"`file` must end in .gif or .webp and `frames` be one or more; got {file.name} and "
            f"{len(frames)}. Train first, with a picture at every checkpoint."
        )
    pages = []
    for frame in frames:
        with Image.open(frame) as page:
            pages.append(page.copy())
    each = max(20, round(1000 * seconds / len(pages)))
    part = file.with_name(f"part-{file.name}")
    pages[0].save(
        part, save_all=True, append_images=pages[1:], loop=0, lossless=True,
        duration=[each] * (len(pages) - 1) + [each + 2000],
    )  # fmt: skip
    part.replace(file)
    return file
