"""Photographs as arrays, and folders of them."""

import os
from collections.abc import Iterator, Sequence
from functools import cache
from io import BytesIO
from itertools import chain
from mimetypes import guess_type
from pathlib import Path

import numpy as np
from jaxtyping import Float32, UInt8
from PIL import Image, ImageOps

_UNKNOWN = (".heic", ".heif", ".jxl")  # pictures of which neither Pillow nor mimetypes may know
_SPLITS = {"train", "training", "test", "testing", "val", "valid", "validation"}
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

    What is hidden is left out, and what is no picture by its name; links are followed.

    Raises:
        ValueError: no folder, no pictures, one of a kind that cannot be read, pictures beside
            subfolders, a subfolder without any, splits in place of classes.
    """
    if not folder.is_dir():
        raise ValueError(f"`path` must be a folder; got {folder}.")
    subfolders = [sub for sub in sorted(folder.iterdir()) if sub.is_dir() and sub.name[0] != "."]
    loose = _pictures(file for file in folder.iterdir() if file.is_file())
    inside = [_pictures(_files(sub)) for sub in subfolders]
    if not loose and not any(inside):
        raise ValueError(
            f"`path` must hold files in {', '.join(sorted(_suffixes()))}; {folder} has none."
        )
    if not any(inside):
        return loose, np.zeros(len(loose), int), ()
    if loose:
        raise ValueError(
            f"`path` must hold pictures or subfolders of them, not both; got {loose[0]} beside "
            f"{next(filter(None, inside))[0]}. Subfolders are classes: move it into one."
        )
    if len(inside) > 1 and {sub.name.lower() for sub in subfolders} <= _SPLITS:
        raise ValueError(
            "the subfolders of `path` are its classes; got "
            f"{' and '.join(sub.name for sub in subfolders)}, which are splits. Give "
            f"{subfolders[0]}; the last fifth of every class is for testing."
        )
    if not all(inside):
        raise ValueError(
            "every subfolder of `path` must hold pictures, being a class; "
            f"{subfolders[inside.index([])]} has none. Remove or fill it."
        )
    labels = np.repeat(np.arange(len(inside)), [len(files) for files in inside])
    return list(chain(*inside)), labels, tuple(sub.name for sub in subfolders)


def _files(folder: Path) -> Iterator[Path]:
    """All files in it and in its folders, linked ones too, each folder once."""
    seen: set[str] = set()
    for place, folders, names in os.walk(folder, followlinks=True):
        if (real := os.path.realpath(place)) in seen:  # a link leads back up
            folders.clear()
            continue
        seen.add(real)
        folders[:] = [name for name in folders if name[0] != "."]
        yield from (Path(place, name) for name in names)


def _pictures(files: Iterator[Path]) -> list[Path]:
    shown = sorted(file for file in files if file.name[0] != ".")
    for file in shown:
        kind = file.suffix.lower() in _UNKNOWN or (guess_type(file)[0] or "").startswith("image/")
        if kind and file.suffix.lower() not in _suffixes():
            raise ValueError(
                f"`path` must hold pictures that Pillow can read; {file} is none of them. Save it "
                "as JPEG or 8-bit PNG, or remove it."
            )
    return [file for file in shown if file.suffix.lower() in _suffixes()]


@cache
def _suffixes() -> frozenset[str]:
    """Of the pictures that Pillow can read."""
    known = Image.registered_extensions().items()
    return frozenset(
        suffix
        for suffix, kind in known
        if kind in Image.OPEN and Image.MIME.get(kind, "").startswith("image/")
    )
