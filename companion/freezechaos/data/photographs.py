"""Photographs as arrays, and folders of them."""

from collections.abc import Sequence
from io import BytesIO
from itertools import chain
from pathlib import Path

import numpy as np
from jaxtyping import Float32, UInt8
from PIL import Image, ImageOps

SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")
_SMOOTH = Image.Resampling.BICUBIC  # antialiased where it makes smaller


def decode(
    files: Sequence[tuple[str, Path | BytesIO]], size: int, channels: int
) -> UInt8[np.ndarray, "n size size channels"]:
    """The middle squares of named pictures, upright, resized; what is transparent turns white.

    Raises:
        ValueError: a file that is no picture, is cut off, or has more than 8 bits a channel.
    """
    images = np.empty((len(files), size, size, channels), np.uint8)
    for image, (name, file) in zip(images, files, strict=True):
        try:
            picture = _square(file, size, "L" if channels == 1 else "RGB")
            image[:] = np.asarray(picture).reshape(image.shape)
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
            raise ValueError(
                f"{name} must be a picture; {error}. Save it as JPEG or 8-bit PNG, or remove it."
            ) from error
    return images


def _square(file: Path | BytesIO, size: int, mode: str) -> Image.Image:
    with Image.open(file) as picture:
        if picture.mode.startswith(("I", "F")):
            raise ValueError("it has more than 8 bits a channel")
        picture.draft(None, (2 * size, 2 * size))  # a large JPEG is decoded at a fraction
        upright = ImageOps.exif_transpose(picture)
    if upright.has_transparency_data:
        ground = Image.new("RGBA", upright.size, "white")
        upright = Image.alpha_composite(ground, upright.convert("RGBA"))
    return ImageOps.fit(upright.convert(mode), (size, size), _SMOOTH)


def resize(images: Float32[np.ndarray, "n h w"], size: int) -> Float32[np.ndarray, "n size size"]:
    """Grey images in [-1, 1] at another size."""
    square = (np.asarray(Image.fromarray(one).resize((size, size), _SMOOTH)) for one in images)
    return np.stack(list(square)).clip(-1, 1)  # bicubic overshoots at edges


def listing(folder: Path) -> tuple[list[Path], np.ndarray, tuple[str, ...]]:
    """Pictures by name, the class of each, and the classes: the subfolders, or none.

    Raises:
        ValueError: no folder, no pictures, pictures beside subfolders, a subfolder without any.
    """
    if not folder.is_dir():
        raise ValueError(f"`path` must be a folder; got {folder}.")
    subfolders = [sub for sub in sorted(folder.iterdir()) if sub.is_dir() and sub.name[0] != "."]
    loose, inside = _pictures(folder, "*"), [_pictures(sub, "**/*") for sub in subfolders]
    if not loose and not any(inside):
        raise ValueError(f"`path` must hold files in {', '.join(SUFFIXES)}; {folder} has none.")
    if not any(inside):
        return loose, np.zeros(len(loose), int), ()
    if loose:
        raise ValueError(
            f"`path` must hold pictures or subfolders of them, not both; got {loose[0]} beside "
            f"{next(filter(None, inside))[0]}. Subfolders are classes: move it into one."
        )
    if not all(inside):
        raise ValueError(
            "every subfolder of `path` must hold pictures, being a class; "
            f"{subfolders[inside.index([])]} has none. Remove or fill it."
        )
    labels = np.repeat(np.arange(len(inside)), [len(files) for files in inside])
    return list(chain(*inside)), labels, tuple(sub.name for sub in subfolders)


def _pictures(folder: Path, pattern: str) -> list[Path]:
    return sorted(
        file
        for file in folder.glob(pattern)
        if file.suffix.lower() in SUFFIXES
        and not any(part.startswith(".") for part in file.relative_to(folder).parts)
    )
