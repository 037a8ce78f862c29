"""Sprites drawn from known latents: which shape, where, how large, how turned, how bright."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float32
from numpy.typing import ArrayLike

from . import drawing

SHAPES = ("disk", "square", "triangle")
_SIDES = np.array([0, 4, 3])
_REACH = 0.375  # with its centre so far out the largest triangle is still inside the picture
_BOUNDS: tuple[drawing.Bound, ...] = (
    ("shape", lambda v: np.isin(v, (0, 1, 2)), "0, 1 or 2", "Disk, square, triangle."),
    ("scale", lambda v: np.greater(v, 0), "above 0", "It is a radius; try 0.3."),
    ("shade", lambda v: np.abs(v) <= 1, "in [-1, 1]", "-1 is the ground, 1 is white."),
)


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

    Coverage is by the distance to the outline, as `drawing.coverage` says; a polygon's is the
    largest of its sides'.

    Arguments:
        latents: what to draw; `latents._replace(angle=0)` turns all upright.
        size: side of the pictures in pixels, 8 or more.

    Raises:
        ValueError: an argument out of range or not finite.

    >>> turning = draw(Latents(shape=1, angle=np.linspace(0, np.pi / 2, 9)), size=16)
    >>> turning.shape, bool(np.allclose(turning[0], turning[-1], atol=1e-4))
    ((9, 16, 16, 1), True)
    """
    drawing.check(latents, size, _BOUNDS)
    line = drawing.line(size)
    images = np.empty((max(map(np.size, latents)), size, size, 1), np.float32)
    for some, (shape, *outline, shade) in drawing.portions(latents):
        distance = np.empty((len(shape), len(line), len(line)), np.float32)
        for kind, sides in enumerate(map(int, _SIDES)):
            which = shape == kind
            distance[which] = _distance(sides, *(value[which] for value in outline), line=line)
        covered = drawing.coverage(distance, size)
        images[some, :, :, 0] = covered * (shade + 1)[:, None, None] - 1
    return images


def _distance(
    sides: int,
    x: np.ndarray,
    y: np.ndarray,
    scale: np.ndarray,
    angle: np.ndarray,
    *,
    line: np.ndarray,
) -> np.ndarray:
    """From each point to the outline, [n, points, points], below 0 inside."""
    right, up = line - x[:, None], -line - y[:, None]
    if sides == 0:
        return np.sqrt(right[:, None] ** 2 + up[:, :, None] ** 2) - scale[:, None, None]
    distance = np.full((len(x), len(line), len(line)), -np.inf, np.float32)
    inner = np.float32(np.sqrt(np.pi / (sides * np.tan(np.pi / sides)))) * scale
    for side in range(sides):
        normal = angle + np.float32(2 * np.pi * side / sides - np.pi / 2)
        across = right * np.cos(normal)[:, None] - inner[:, None]
        upward = up * np.sin(normal)[:, None]
        np.maximum(distance, across[:, None] + upward[:, :, None], out=distance)
    return distance
