"""Up-sampling layers as graphs: which positions feed which, and through which weights.

A layer feeds output position p from its parents, each through a weight tap. In one dimension tap
k of a transposed convolution joins p = stride q + k - padding, so that two outputs share a weight
only where their distance is a multiple of the stride [JGGH]. In two dimensions parents
and taps are pairs, one of each axis. Everything that practitioners up-sample with is of this kind:

- a convolution is a transposed one of stride 1;
- a sub-pixel convolution (depth to space) is one whose window is a multiple of its stride;
- a resize is a map without weights before a convolution.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from operator import mul
from typing import Any, Literal, NamedTuple

import numpy as np

from .numerics import read_only
from .scalars import is_integer
from .types import Integer

Lengths = Integer | tuple[Integer, ...]
Method = Literal["nearest", "bilinear"]
Parametrization = Literal["graph", "usual", "gain"]


class AxisLayer(NamedTuple):
    """A layer along one axis; in all formulas n is the number of positions before it."""

    window: int
    stride: int
    padding: int
    output_padding: int
    scale: int
    method: Method

    def length(self, n: int) -> int:
        """How many positions come out."""
        spread = (n * self.scale - 1) * self.stride + self.window
        return spread - 2 * self.padding + self.output_padding

    def parents(self, n: int) -> np.ndarray:
        """[length, window]: the parent (of the resized grid) on each tap, -1 where there is none.

        >>> transposed_convolution(4, stride=2, padding=1).along(0).parents(2)
        array([[-1,  0, -1, -1],
               [ 1, -1,  0, -1],
               [-1,  1, -1,  0],
               [-1, -1,  1, -1]])
        """
        reach = np.arange(self.length(n))[:, None] + self.padding - np.arange(self.window)
        parent, rest = np.divmod(reach, self.stride)
        return np.where((rest == 0) & (parent >= 0) & (parent < n * self.scale), parent, -1)

    def counts(self, n: int) -> np.ndarray:
        """[length]: how many parents each position has."""
        last = np.arange(self.length(n)) + self.padding
        first = -((self.window - 1 - last) // self.stride)
        inside = np.minimum(last // self.stride, n * self.scale - 1) - np.maximum(first, 0) + 1
        return np.maximum(inside, 0)

    def divisors(self, n: int, parametrization: Parametrization) -> np.ndarray:
        """[length]: what the sum over parents is divided by, as a variance.

        >>> layer = transposed_convolution(4, stride=2, padding=1).along(0)
        >>> print(layer.divisors(3, "graph"), layer.divisors(3, "gain"), layer.divisors(3, "usual"))
        [1 2 2 2 2 1] [2 2 2 2 2 2] [4 4 4 4 4 4]
        """
        counts = self.counts(n)
        if parametrization == "graph":
            return counts
        return np.full_like(counts, self.window if parametrization == "usual" else counts.max())

    def resizing(self, n: int) -> np.ndarray:
        """[n scale, n]: the resize as a matrix, each row summing to 1.

        Pixels are squares: the centre of new pixel p lies at (p + 1/2) / scale - 1/2. Beyond the
        border the outermost pixel is repeated.
        """
        grid, new = np.eye(n), np.arange(n * self.scale)
        if self.method == "nearest":
            return grid[new // self.scale]
        place = (new + 0.5) / self.scale - 0.5
        left = np.floor(place).astype(int)
        share = (place - left)[:, None]
        return (1 - share) * grid[left.clip(0, n - 1)] + share * grid[(left + 1).clip(0, n - 1)]


@dataclass(frozen=True)
class Layer:
    """An up-sampling layer: a resize where `scale` is above 1, then a transposed convolution.

    Every number is one for all axes, or one an axis. Made by `transposed_convolution`,
    `convolution`, `resize_convolution` and `sub_pixel_convolution`.

    Attributes:
        window: taps, 1 or more.
        stride: positions between the outputs of two neighbours, 1 or more.
        padding: positions cut off at both ends of an axis, from 0 to window - 1.
        output_padding: positions added at the far end, from 0 to stride - 1.
        scale: how many times as many positions the resize makes, 1 or more.
        method: of the resize, "nearest" or "bilinear".
    """

    window: Lengths
    stride: Lengths = 1
    padding: Lengths = 0
    output_padding: Lengths = 0
    scale: Lengths = 1
    method: Method = "nearest"

    def __post_init__(self) -> None:
        if self.method not in ("nearest", "bilinear"):
            raise ValueError(f'`method` must be "nearest" or "bilinear"; got {self.method!r}.')
        for name, least in (("window", 1), ("stride", 1), ("padding", 0), ("output_padding", 0),
                            ("scale", 1)):  # fmt: skip
            value = _checked_lengths(name, getattr(self, name), least)
            object.__setattr__(self, name, value)  # Python's integers, which have a hash
        for axis in range(self.dimensions or 1):
            _check_axis(self.along(axis))

    @property
    def dimensions(self) -> int | None:
        """How many axes the numbers are given for; None where they are the same for all."""
        given = {len(value) for value in self._lengths if isinstance(value, tuple)}
        if len(given) > 1:
            raise ValueError(f"a layer must have one number an axis everywhere; got {self}.")
        return given.pop() if given else None

    @property
    def _lengths(self) -> tuple[Lengths, ...]:
        return self.window, self.stride, self.padding, self.output_padding, self.scale

    def along(self, axis: int) -> AxisLayer:
        """The layer along one axis."""
        window, stride, padding, output_padding, scale = (
            int(value[axis] if isinstance(value, tuple) else value) for value in self._lengths
        )
        return AxisLayer(window, stride, padding, output_padding, scale, self.method)

    def borderless(self) -> "Layer":
        """The same layer with padding so large that no position lacks a parent.

        2 (window - stride) positions fewer come out than without padding.

        >>> transposed_convolution(4, stride=2, padding=1).borderless().along(0).counts(5)
        array([2, 2, 2, 2, 2, 2, 2, 2])
        """
        padding = _mapped(_past, self.window, self.stride)
        return replace(self, padding=padding, output_padding=0)

    def magnification(self, axis: int) -> int:
        """How many times as many positions come out, borders aside: stride times scale."""
        return self.along(axis).stride * self.along(axis).scale


def _checked_lengths(name: str, value: Any, least: int) -> Lengths:
    numbers = (value or (None,)) if isinstance(value, tuple) else (value,)
    if not all(map(is_integer, numbers)):
        raise TypeError(
            f"`{name}` must be an integer, or a tuple of one an axis; got {value!r}. "
            f"Try {max(least, 1)}."
        )
    lengths = tuple(map(int, numbers))
    if min(lengths) < least:
        raise ValueError(f"`{name}` must be {least} or more; got {value}. Try {max(least, 1)}.")
    return lengths if isinstance(value, tuple) else lengths[0]


def _check_axis(layer: AxisLayer) -> None:
    if layer.padding >= layer.window:
        raise ValueError(
            f"`padding` must be below the window of {layer.window}; got {layer.padding}: it would "
            f"cut off positions that no tap reaches. Try {layer.window - 1} or less."
        )
    if layer.output_padding >= layer.stride and layer.output_padding:
        raise ValueError(
            f"`output_padding` must be below the stride of {layer.stride}; got "
            f"{layer.output_padding}. Take a larger window instead."
        )


def transposed_convolution(
    window: Lengths, stride: Lengths = 1, padding: Lengths = 0, output_padding: Lengths = 0
) -> Layer:
    """A transposed ("fractionally strided", "de-") convolution, with sizes as in PyTorch.

    n positions become (n - 1) stride + window - 2 padding + output_padding. The DCGAN's is
    window 4, stride 2, padding 1: twice as many.
    """
    return Layer(window, stride, padding, output_padding)


def convolution(window: Lengths, padding: Lengths = 0) -> Layer:
    """A convolution of stride 1; n positions become n + 2 padding - window + 1.

    It is the transposed convolution of padding window - 1 - padding.
    """
    return Layer(window, padding=_complement(window, padding))


def resize_convolution(
    scale: Lengths, window: Lengths, padding: Lengths = 0, method: Method = "nearest"
) -> Layer:
    """A resize by a whole number, then a convolution of stride 1.

    The advice of Odena, Dumoulin and Olah, Deconvolution and checkerboard artifacts, Distill 2016.
    """
    padding = _complement(window, padding)
    return Layer(window, padding=padding, scale=scale, method=method)


def sub_pixel_convolution(scale: Lengths, window: Lengths, padding: Lengths = 0) -> Layer:
    """A convolution into scale (an axis) times as many channels, set side by side as pixels.

    It is the transposed convolution with a window of scale window and stride scale [Shi et al.,
    Is the deconvolution layer the same as a convolutional layer?, 2016].
    """
    _checked_lengths("scale", scale, 1)
    cut = _complement(window, padding)
    return Layer(_mapped(mul, scale, window), scale, _mapped(mul, scale, cut))


def _complement(window: Lengths, padding: Lengths) -> Lengths:
    """window - 1 - padding, the padding of the transposed convolution."""
    _checked_lengths("window", window, 1)
    _checked_lengths("padding", padding, 0)
    return _mapped(_left, window, padding)


def _left(window: int, padding: int) -> int:
    if padding >= window:
        raise ValueError(
            f"`padding` must be below the window of {window}; got {padding}. Try {window - 1}."
        )
    return window - 1 - padding


def _past(window: int, stride: int) -> int:
    return max(window - stride, 0)


def _mapped(function: Callable[[int, int], int], one: Lengths, other: Lengths) -> Lengths:
    """The function of both, an axis at a time where either is a tuple."""
    given = {len(value) for value in (one, other) if isinstance(value, tuple)}
    if len(given) > 1:
        raise ValueError(
            f"a layer must have one number an axis everywhere; got {one} beside {other}."
        )
    axes = max(given, default=1)
    first, second = (value if isinstance(value, tuple) else (value,) * axes
                     for value in (one, other))  # fmt: skip
    results = tuple(map(function, map(int, first), map(int, second)))
    return results if given else results[0]


@lru_cache(maxsize=256)
def links(layer: AxisLayer, n: int) -> tuple[np.ndarray, np.ndarray]:
    """The positions each output reads, tap by tap, and their shares: both [length, taps, ways].

    A tap reads one parent, or, after a bilinear resize, two (`ways`), with shares that sum to 1;
    what it does not read has position -1 and share 0.
    """
    parents, resizing = layer.parents(n), layer.resizing(n)
    ways = int(np.max(np.count_nonzero(resizing, axis=1)))
    order = np.argsort(-resizing, axis=1, kind="stable")[:, :ways]
    shares = np.take_along_axis(resizing, order, axis=1)
    there = (parents >= 0)[:, :, None] & (shares[parents] > 0)
    return (
        read_only(np.where(there, order[parents], -1)),
        read_only(np.where(there, shares[parents], 0.0)),
    )
