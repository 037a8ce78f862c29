"""What sprites and letters share: points of a picture, how much of a pixel is covered, checks."""

from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import Any

import numpy as np
from jaxtyping import Float, Float32

Bound = tuple[str, Callable[[Any], Any], str, str]


def line(size: int) -> Float32[np.ndarray, " points"]:
    """The points along a side of the picture [-1, 1]; a small picture needs more in a pixel."""
    points = size * max(2, 64 // size)
    return (np.arange(points, dtype=np.float32) + 0.5) * np.float32(2 / points) - 1


def coverage(
    distance: Float[np.ndarray, "n points points"], size: int
) -> Float[np.ndarray, "n size size"]:
    """How much of each pixel is covered, in [0, 1].

    A point is by clip(1/2 - d / spacing), with d its signed distance to the outline, below 0
    inside; a pixel by the mean over its points.
    """
    n, along = distance.shape[:2]
    covered = np.clip(0.5 - distance * np.float32(along / 2), 0, 1)
    return covered.reshape(n, size, along // size, size, along // size).mean((2, 4))


def portions(
    latents: tuple[Any, ...],
) -> Iterator[tuple[slice, list[Float32[np.ndarray, " some"]]]]:
    """Where they stand and what they are, as many at a time as fit a processor's cache."""
    columns = np.broadcast_arrays(*map(np.atleast_1d, latents))
    for start in range(0, len(columns[0]), 64):
        some = slice(start, start + 64)
        yield some, [column[some].astype(np.float32) for column in columns]


def check(latents: Any, size: Any, bounds: Iterable[Bound]) -> None:
    """That latents are numbers, or arrays of one length, finite and within their bounds.

    Arguments:
        latents: a named tuple.
        size: of the pictures, an integer, 8 or more.
        bounds: a latent, where it is within, what it needs, a hint.

    Raises:
        ValueError: it is not so; names the argument.
    """
    if isinstance(size, bool) or not isinstance(size, int | np.integer) or size < 8:
        raise ValueError(f"`size` must be 8 pixels or more, an integer; got {size!r}. Try 32.")
    _check_lengths(latents)
    finite: Iterable[Bound] = ((name, np.isfinite, "finite", "") for name in latents._fields)
    for name, within, needs, hint in chain(bounds, finite):
        value = getattr(latents, name)
        if not np.all(fine := within(value)):
            got = np.extract(np.logical_not(fine), value)[0]
            raise ValueError(f"`{name}` must be {needs}; got {got:g}. {hint}".rstrip())


def _check_lengths(latents: Any) -> None:
    """Numbers, or arrays of one length."""
    longest = max(latents, key=np.size)
    for name, value in latents._asdict().items():
        if np.asarray(value).dtype.kind not in "biuf":
            raise ValueError(f"`{name}` must be numbers; got {value!r}. Try 0.")
        if np.ndim(value) > 1 or np.size(value) not in (1, np.size(longest)):
            raise ValueError(
                f"`{name}` must be a number or an array of one length with the others, "
                f"{np.size(longest)}; got shape {list(np.shape(value))}. "
                "Make one shape of all: np.broadcast_arrays, then np.ravel."
            )
