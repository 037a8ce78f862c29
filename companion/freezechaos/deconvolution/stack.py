"""A stack of up-sampling layers: what is up-sampled, how often, and how it is scaled."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, get_args

import numpy as np

from ..graphs import AxisLayer, Layer, Parametrization
from ..scalars import is_integer
from ..types import Integer


@dataclass(frozen=True)
class DeconvStack:
    """Positions of a deconvolutional network: a small grid and the layers that enlarge it.

    Arguments:
        size: positions of the input, n in one dimension or (rows, columns) in two; 1 or (1, 1)
            for a latent vector.
        layers: one a layer of weights, so that the depth L is their number; a `graphs.Layer`, for
            instance `graphs.transposed_convolution(4, stride=2, padding=1)`.
        parametrization: "graph" divides what a position gets by the square root of the number of
            parents it really has, "usual" by that of the window everywhere, "gain" by that of the
            most parents that any position has: the gain by which a transposed convolution keeps
            the variance inside the image.

    Raises:
        ValueError, TypeError: a layer that leaves no positions, or one without parents; the
            message says which layer.

    Source: [JGGH, graph-based parametrization].

    >>> from freezechaos.graphs import transposed_convolution
    >>> DeconvStack((4, 4), [transposed_convolution(4, stride=2, padding=1)] * 3).sizes
    ((4, 4), (8, 8), (16, 16), (32, 32))
    """

    size: Integer | tuple[Integer, ...] | list[Integer]
    layers: Sequence[Layer]
    parametrization: Parametrization = "graph"

    def __post_init__(self) -> None:
        object.__setattr__(self, "layers", _checked_layers(self.layers))
        object.__setattr__(self, "size", _checked_size(self.size))
        if self.parametrization not in get_args(Parametrization):
            raise ValueError(
                '`parametrization` must be "graph", "usual" or "gain"; got '
                f"{self.parametrization!r}."
            )
        for number, layer in enumerate(self.layers, start=1):
            if layer.dimensions not in (None, self.dimensions):
                raise ValueError(
                    f"layer {number} has {layer.dimensions} axes; the `size` {self.size} has "
                    f"{self.dimensions}. Give one number for all axes, or one an axis."
                )
        for axis in range(self.dimensions):
            _check_axis(self.start[axis], self.along(axis))

    @property
    def start(self) -> tuple[int, ...]:
        """The size of the input, an entry an axis."""
        return tuple(map(int, self.size if isinstance(self.size, tuple | list) else (self.size,)))

    @property
    def dimensions(self) -> int:
        """1 or 2."""
        return len(self.start)

    @property
    def depth(self) -> int:
        """L, the number of layers of weights."""
        return len(self.layers)

    def along(self, axis: int) -> tuple[AxisLayer, ...]:
        """The layers along one axis."""
        return tuple(layer.along(axis) for layer in self.layers)

    @property
    def sizes(self) -> tuple[tuple[int, ...], ...]:
        """The grid before the first layer and after every one, L + 1 of them."""
        axes = []
        for axis in range(self.dimensions):
            lengths = [self.start[axis]]
            for layer in self.along(axis):
                lengths.append(layer.length(lengths[-1]))
            axes.append(lengths)
        return tuple(zip(*axes, strict=True))

    @property
    def positions(self) -> int:
        """How many come out."""
        return prod(self.sizes[-1])

    def magnifications(self) -> np.ndarray:
        """[L]: how many times as many positions each layer makes, borders aside (S in [JGGH])."""
        axes = range(self.dimensions)
        return np.array([prod(layer.magnification(axis) for axis in axes) for layer in self.layers])


def checked_stack(stack: Any) -> DeconvStack:
    """A `DeconvStack`."""
    if not isinstance(stack, DeconvStack):
        raise TypeError(
            f"`stack` must be a DeconvStack; got {stack!r}. Make one with "
            "deconvolution.DeconvStack((4, 4), "
            "[graphs.transposed_convolution(4, stride=2, padding=1)] * 3)."
        )
    return stack


def _checked_layers(layers: Any) -> tuple[Layer, ...]:
    listed = isinstance(layers, Sequence) and len(layers) > 0
    if not listed or not all(isinstance(layer, Layer) for layer in layers):
        raise TypeError(
            f"`layers` must be a list of one or more layers; got {layers!r}. "
            "Try [graphs.transposed_convolution(4, stride=2, padding=1)] * 3."
        )
    return tuple(layers)


def _checked_size(size: Any) -> Any:
    axes = size if isinstance(size, tuple | list) else (size,)
    if not all(map(is_integer, axes)) or len(axes) not in (1, 2) or min(axes) < 1:
        raise ValueError(
            f"`size` must be a positive integer, or two for rows and columns; got {size!r}. "
            "Try (4, 4), or 4 in one dimension."
        )
    return tuple(map(int, axes)) if isinstance(size, tuple | list) else int(size)


def _check_axis(n: int, layers: Sequence[AxisLayer]) -> None:
    for number, layer in enumerate(layers, start=1):
        after = layer.length(n)
        if after < 1:
            raise ValueError(
                f"layer {number} leaves no positions: {n} become {after} with {layer}. "
                "Take a larger window or less padding."
            )
        if not layer.counts(n).all():
            orphan = int(np.argmin(layer.counts(n)))
            raise ValueError(
                f"layer {number} leaves position {orphan} of {after} without a parent: no tap of "
                f"{layer} joins it to one of {n}. Take a window of {layer.stride} or more, less "
                "padding or less output padding."
            )
        n = after
