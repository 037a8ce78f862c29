"""Sprites drawn from known latents: which shape, where, how large, how turned, how bright."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float32
from numpy.typing import ArrayLike

SHAPES = ("disk", "square", "triangle")
_SIDES = np.array([0, 4, 3])
_REACH = 0.375  # with its centre so far out the largest triangle is still inside the picture


class Latents(NamedTuple):
    """What sprites are drawn from: arrays of one length, or numbers that hold for all.

    Arguments:
        shape: 0 disk, 1 square, 2 triangle.
        x, y: the centroid, rightward and upward; the picture is the square [-1, 1]^2.
        scale: radius of the disk of the same area, above 0.
        angle: in radians, counterclockwise from lying on a side.
        shade: brightness in [-1, 1]; the ground is -1.
    """

    shape: ArrayLike = 0
    x: ArrayLike = 0.0
    y: ArrayLike = 0.0
    scale: ArrayLike = 0.3
    angle: ArrayLike = 0.0
    shade: ArrayLike = 1.0


def sample(count: int, seed: tuple[int, ...]) -> Latents:
    """Independent latents, the shapes in turn; a larger count adds to the same ones.

    Uniform: x and y in [-0.375, 0.375], scale in [0.2, 0.4], shade in [0, 1], angle in
    [0, 2 pi / sides), after which a shape looks the same; a disk has angle 0.
    """
    shape = np.arange(count, dtype=np.int32) % len(SHAPES)
    x, y, scale, angle, shade = np.random.default_rng(seed).random((count, 5)).T
    turn = np.divide(2 * np.pi, _SIDES, out=np.zeros(len(SHAPES)), where=_SIDES > 0)[shape]
    values = (2 * x - 1) * _REACH, (2 * y - 1) * _REACH, 0.2 + 0.2 * scale, angle * turn, shade
    return Latents(shape, *(value.astype(np.float32) for value in values))


def draw(latents: Latents, size: int = 32) -> Float32[np.ndarray, "n size size 1"]:
    """Pictures of the latents; of scale 0.2 or more their area is true to 2 %.

    A point is covered by clip(1/2 - d / spacing), with d its signed distance to the outline, a
    pixel by the mean over its points; a polygon's d is the largest of its sides'.

    Arguments:
        latents: what to draw; `latents._replace(angle=0)` turns all upright.
        size: side of the pictures in pixels, 8 or more.

    Raises:
        ValueError: an argument out of range or not finite.

    >>> turning = draw(Latents(shape=1, angle=np.linspace(0, np.pi / 2, 9)), size=16)
    >>> turning.shape, bool(np.allclose(turning[0], turning[-1], atol=1e-4))
    ((9, 16, 16, 1), True)
    """
    _check(latents, size)
    shape, *columns = np.broadcast_arrays(*map(np.atleast_1d, latents))
    images = np.empty((len(shape), size, size, 1), np.float32)
    for number, sides in enumerate(_SIDES):
        which = np.flatnonzero(shape == number)
        for some in np.array_split(which, 1 + len(which) // 64):  # what fits a processor's cache
            *outline, shade = (column[some].astype(np.float32) for column in columns)
            covered = _coverage(sides, *outline, size=size)
            images[some, :, :, 0] = covered * (shade + 1)[:, None, None] - 1
    return images


def _coverage(
    sides: int, x: np.ndarray, y: np.ndarray, scale: np.ndarray, angle: np.ndarray, *, size: int
) -> np.ndarray:
    """How much of each pixel the shape covers, [n, size, size] in [0, 1]."""
    points = max(2, 64 // size)  # of a pixel along each side: small pictures need more
    spacing = np.float32(2 / (size * points))
    line = (np.arange(size * points, dtype=np.float32) + 0.5) * spacing - 1
    right, up = line - x[:, None], -line - y[:, None]
    if sides == 0:
        distance = np.sqrt(right[:, None] ** 2 + up[:, :, None] ** 2) - scale[:, None, None]
    else:
        distance = np.full((len(x), len(line), len(line)), -np.inf, np.float32)
        inner = np.float32(np.sqrt(np.pi / (sides * np.tan(np.pi / sides)))) * scale
        for side in range(sides):
            normal = angle + np.float32(2 * np.pi * side / sides - np.pi / 2)
            across = right * np.cos(normal)[:, None] - inner[:, None]
            upward = up * np.sin(normal)[:, None]
            np.maximum(distance, across[:, None] + upward[:, :, None], out=distance)
    covered = np.clip(0.5 - distance / spacing, 0, 1)
    return covered.reshape(len(x), size, points, size, points).mean((2, 4))


def _check(latents: Latents, size: int) -> None:
    if isinstance(size, bool) or not isinstance(size, int | np.integer) or size < 8:
        raise ValueError(f"`size` must be 8 pixels or more, an integer; got {size!r}. Try 32.")
    _check_lengths(latents)
    for name, fine, needs, hint in (
        ("shape", np.isin(latents.shape, (0, 1, 2)), "0, 1 or 2", "Disk, square, triangle."),
        ("scale", np.greater(latents.scale, 0), "above 0", "It is a radius; try 0.3."),
        ("shade", np.abs(latents.shade) <= 1, "in [-1, 1]", "-1 is the ground, 1 is white."),
        *((name, np.isfinite(v), "finite", "") for name, v in latents._asdict().items()),
    ):
        if not np.all(fine):
            got = np.extract(np.logical_not(fine), getattr(latents, name))[0]
            raise ValueError(f"`{name}` must be {needs}; got {got:g}. {hint}".rstrip())


def _check_lengths(latents: Latents) -> None:
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
