"""The image sets by name, their two splits, and balanced parts of them."""

import io
from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float32, Int32

from ..extras import extra
from . import archives, glyphs, photographs, shapes
from .formats import read_idx, read_photographs

_TEN = tuple("0123456789")
_CLOTHES: tuple[str, ...] = ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat")
_CLOTHES += ("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot")
_IDX = {  # classes, owner
    "mnist": (_TEN, "LeCun, Cortes, Burges, CC BY-SA 3.0"),
    "fashion_mnist": (_CLOTHES, "Zalando SE, MIT"),
}
_Latents = shapes.Latents | glyphs.Glyphs
_Sampler = Callable[[int, tuple[int, ...]], _Latents]
_DRAWN: dict[str, tuple[tuple[str, ...], _Sampler]] = {
    "shapes": (shapes.SHAPES, shapes.sample),
    "glyphs": (glyphs.LETTERS, glyphs.sample),
}
_NAMES = ("digits", *_DRAWN, *archives.ARCHIVES, "folder")
_MANY = {"train": 12_000, "test": 3_000}  # of what is drawn, if not said


@dataclass(frozen=True, eq=False, repr=False)
class Images:
    """Images in [-1, 1] and what is known of them.

    Arguments:
        images: channels last.
        labels: the class of each; None in a folder without subfolders.
        classes: their names; `classes[labels[0]]` is that of the first image.
        source: set and split, whose it is, its licence.
        latents: what `shapes` or `glyphs` are drawn from.

    `flat` are the images as rows [n, height * width * channels], as networks and kernels take them.
    """

    images: Float32[np.ndarray, "n height width channels"]
    labels: Int32[np.ndarray, " n"] | None
    classes: tuple[str, ...]
    source: str
    latents: _Latents | None = None

    @property
    def flat(self) -> Float32[np.ndarray, "n pixels"]:
        """The images as rows, [n, height * width * channels]."""
        return self.images.reshape(len(self.images), -1)

    def __len__(self) -> int:
        return len(self.images)

    def __repr__(self) -> str:
        n, *shape = self.images.shape
        classes = f"{len(self.classes)} classes" if self.classes else "no labels"
        return f"Images({n} of {shape}, {classes}, {self.source})"


class _Pool(NamedTuple):
    """Grey pixels from 0 to `white`, or named picture files to decode; the class of each."""

    items: np.ndarray | list[tuple[str, Path | io.BytesIO]]
    labels: np.ndarray
    classes: tuple[str, ...]
    size: int
    source: str
    white: int = 255


def load(
    name: str = "digits",
    split: str = "train",
    *,
    count: int | None = None,
    seed: int = 0,
    size: int | None = None,
    channels: int | None = None,
    path: str | PathLike[str] | None = None,
) -> Images:
    """The images of a set's split, float32 in [-1, 1], with their labels.

    - `digits`: 1442 + 355 of 8x8, grey; UCI, CC BY 4.0; built in (scikit-learn)
    - `shapes`: any number of any size, grey; sprites, drawn here from known latents
    - `glyphs`: any number of any size, grey or colour; letters, A to J, drawn as well
    - `mnist`: 60000 + 10000 of 28x28, grey; LeCun, Cortes and Burges, CC BY-SA 3.0
    - `fashion_mnist`: 60000 + 10000 of 28x28, grey; Zalando SE, MIT
    - `sign_digits`: 1653 + 409 photographs of hands; Mavi, arXiv:2011.08927, Apache-2.0
    - `folder`: your own pictures in `path`; its subfolders, if any, are the classes

    Downloads are kept in a cache; FREEZECHAOS_DATA names a folder to look into first. A set that
    was published in one piece keeps the last fifth of every class for testing: other writers in
    `digits`, other hands in `sign_digits`, the last by name in a folder.

    Arguments:
        name: one of the above.
        split: "train" or "test"; they share no image.
        count: so many, shuffled, classes as equal as can be; all, in their order, if left out.
        seed: shuffles for `count`, which as it grows only adds images; draws what is drawn.
        size: side in pixels, 8 or more; if left out the set's own, 32 for what is
            drawn, 64 for photographs.
        channels: 1 for grey, 3 for colour; if left out the set's own.
        path: the folder of `folder`.

    Raises:
        ValueError: an argument out of range, a broken file, a file that is not the published one.
        OSError: a set that is neither on this machine nor to be downloaded.

    >>> from freezechaos import data
    >>> train = data.load("digits", count=512)
    >>> train
    Images(512 of [8, 8, 1], 10 classes, digits train: UCI, CC BY 4.0)
    """
    _check_name(name)
    _check(name, split, count, seed, size, channels, path)
    if name in _DRAWN:
        return _drawn(name, split, count, seed, size or 32, channels or 1)
    pool = _pool(name, split, path)
    chosen = np.arange(len(pool.labels)) if name in _IDX else _part(pool.labels, split)
    if len(chosen) == 0:
        raise ValueError(
            f"`split` must be 'train' here; got {split!r}. The last fifth of every class is for "
            "testing, so a class needs five pictures to have any."
        )
    if count is not None and count > len(chosen):
        raise ValueError(
            f"`count` must be at most {len(chosen)}, as many as there are in {pool.source}; got "
            f"{count}. Leave it out for all."
        )
    if count is not None:
        chosen = chosen[_balanced(pool.labels[chosen], count, seed)]
    images = _pictures(pool, chosen, size or pool.size, channels)
    labels = pool.labels[chosen].astype(np.int32) if pool.classes else None
    return Images(images, labels, pool.classes, pool.source)


def draw(
    latents: _Latents, size: int = 32, channels: int = 1
) -> Float32[np.ndarray, "n size size channels"]:
    """Pictures of the latents: sprites of `Latents`, letters of `Glyphs`.

    Arguments:
        latents: what to draw; `latents._replace(scale=1.0)` draws all in one size.
        size: side of the pictures in pixels, 8 or more.
        channels: 1 for grey, 3 for colour; sprites stay grey.

    Raises:
        ValueError: an argument out of range or not finite.
        OSError: Matplotlib's fonts are not there, of which letters are drawn.

    >>> from freezechaos import data
    >>> bolder = data.draw(data.Glyphs(letter=0, stroke=np.linspace(0, 0.1, 4)))
    >>> bolder.shape, bool(np.all(np.diff(bolder.mean((1, 2, 3))) > 0))
    ((4, 32, 32, 1), True)
    """
    if not _tint(channels):
        raise ValueError(f"`channels` must be 1 or 3; got {channels!r}. 1 is grey, 3 is colour.")
    if isinstance(latents, glyphs.Glyphs):
        return glyphs.draw(latents, size, channels)
    return np.repeat(shapes.draw(latents, size), channels, axis=-1)


def of_the_book() -> str:
    """The set that the book shows: "fashion_mnist" where it is available, "glyphs" elsewhere."""
    return "fashion_mnist" if available("fashion_mnist") else "glyphs"


def available(name: str) -> bool:
    """Whether `load(name)` needs no network: it is built in, or its files are on this machine.

    `folder` always is: its pictures are yours, and `load` looks for them in `path`.

    Raises:
        ValueError: no set has that name.
    """
    _check_name(name)
    try:
        return all(map(archives.at_hand, archives.ARCHIVES.get(name, ())))
    except (OSError, ValueError):
        return False


def _check_name(name: str) -> None:
    if name not in _NAMES:
        near = get_close_matches(str(name), _NAMES, 1)
        hint = f"Did you mean {near[0]!r}?" if near else "'digits' is built in."
        raise ValueError(f"`name` must be one of {', '.join(_NAMES)}; got {name!r}. {hint}")


def _check(
    name: str, split: str, count: Any, seed: Any, size: Any, channels: Any, path: Any
) -> None:
    known, folder = isinstance(split, str) and split in _MANY, name == "folder"
    needed = "your folder of pictures" if folder else "left out"
    placed, tinted = _named(path) if folder else path is None, channels is None or _tint(channels)
    for argument, value, fine, needs, hint in (
        ("split", split, known, "'train' or 'test'", "They share no image."),
        ("count", count, count is None or _whole(count, 1), "1 or more", "Leave it out for all."),
        ("seed", seed, _whole(seed, 0), "a whole number, 0 or more", "Try 0."),
        ("size", size, size is None or _whole(size, 8), "8 pixels or more", "Try 32."),
        ("channels", channels, tinted, "1 or 3", "1 is grey, 3 is colour."),
        ("path", path, placed, needed, "It goes with 'folder'."),
    ):
        if not fine:
            raise ValueError(f"`{argument}` must be {needs}; got {value!r}. {hint}")


def _whole(value: Any, least: int) -> bool:
    return (
        isinstance(value, int | np.integer) and not isinstance(value, bool) and bool(value >= least)
    )


def _tint(value: Any) -> bool:
    return _whole(value, 1) and value in (1, 3)


def _named(path: Any) -> bool:
    return isinstance(path, str | PathLike) and path != ""


def _drawn(name: str, split: str, count: int | None, seed: int, size: int, channels: int) -> Images:
    classes, sample = _DRAWN[name]
    latents = sample(count or _MANY[split], (seed, list(_MANY).index(split)))
    source = f"{name} {split}: drawn with seed {seed}"
    return Images(draw(latents, size, channels), np.asarray(latents[0]), classes, source, latents)


def _pool(name: str, split: str, path: Any) -> _Pool:
    if name == "digits":
        return _digits(split)
    if name == "sign_digits":
        return _sign_digits(split)
    if name == "folder":
        return _folder(split, Path(path).expanduser())
    return _idx(name, split)


def _digits(split: str) -> _Pool:
    with extra("data"):
        from sklearn.datasets import load_digits  # slow to import

    digits, source = load_digits(), f"digits {split}: UCI, CC BY 4.0"
    return _Pool(digits.images, digits.target, _TEN, 8, source, white=16)


def _idx(name: str, split: str) -> _Pool:
    classes, owner = _IDX[name]
    files = archives.ARCHIVES[name]
    images, labels = files[:2] if split == "train" else files[2:]
    pixels = read_idx(archives.fetch(images), 3, images.path)
    numbers = read_idx(archives.fetch(labels), 1, labels.path)
    return _Pool(pixels, numbers, classes, 28, f"{name} {split}: {owner}")


def _sign_digits(split: str) -> _Pool:
    (archive,) = archives.ARCHIVES["sign_digits"]
    files = read_photographs(archives.fetch(archive))
    labels = np.array([int(path.split("/")[1]) for path in files])
    items: list[tuple[str, Path | io.BytesIO]]
    items = [(path, io.BytesIO(raw)) for path, raw in files.items()]
    return _Pool(items, labels, _TEN, 64, f"sign_digits {split}: Mavi 2020, Apache-2.0")


def _folder(split: str, folder: Path) -> _Pool:
    files, labels, classes = photographs.listing(folder)
    return _Pool([(str(file), file) for file in files], labels, classes, 64, f"{folder} {split}")


def _pictures(pool: _Pool, chosen: np.ndarray, size: int, channels: int | None) -> np.ndarray:
    if isinstance(pool.items, list):
        values = photographs.decode([pool.items[i] for i in chosen], size, channels or 3)
    else:
        values = pool.items[chosen]
    images = values.astype(np.float32)
    images /= pool.white / 2
    images -= 1
    if images.ndim == 4:
        return images
    if size != pool.size:
        images = photographs.resize(images, size)
    return np.repeat(images[..., None], 3, axis=-1) if channels == 3 else images[..., None]


def _part(labels: np.ndarray, split: str) -> np.ndarray:
    """Where the last fifth of every class lies, or the rest."""
    size = np.bincount(labels)[labels]
    return np.flatnonzero((_rank(labels) >= size - size // 5) == (split == "test"))


def _balanced(labels: np.ndarray, count: int, seed: int) -> np.ndarray:
    """The first so many of rounds in which every class has a turn, in random order."""
    shuffled = np.argsort(np.random.default_rng(seed).random(len(labels)))
    return shuffled[np.argsort(_rank(labels[shuffled]), kind="stable")][:count]


def _rank(labels: np.ndarray) -> np.ndarray:
    """How many of its class come before each."""
    rank = np.empty(len(labels), int)
    for label in np.unique(labels):
        rank[labels == label] = np.arange(np.sum(labels == label))
    return rank
