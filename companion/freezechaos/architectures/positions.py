"""Layers that gather positions: convolutions of any stride, up-sampling, the mean of a picture.

To the moments of a network of infinite width each is a linear map on pairs of positions: positions
p and p' have in common what their common taps read, tap by tap [JGGH].
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from math import prod
from typing import Any, get_args

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from ..graphs import AxisLayer
from ..graphs import Layer as Upsampler
from ..networks.convolutions import resized, strided_convolution, transposed_convolution
from ..scalars import integer
from .layers import Affine, FanIn, Layer, Map, checked_parametrization
from .pairs import Pairs, changed
from .parametrizations import Beta, Parametrization
from .taps import Division, Reads, outer, over_taps, strided, upsampled


class _Gathering(Affine):
    """An affine map whose taps read several positions."""

    division: Division

    @property
    def taps(self) -> int:
        return prod(self.window)

    @property
    def dimensions(self) -> int:
        """Axes of the grid that it takes."""
        return len(self.window)

    def reads(self, axis: int, n: int) -> Reads:
        """Along an axis of n positions."""
        raise NotImplementedError

    def gains(self, grid: Sequence[int]) -> np.ndarray:
        """[*after, 1] what sums over taps are times, beside 1 / sqrt(taps channels)."""
        divisors = [self.reads(i, n).divisors for i, n in enumerate(grid)]
        return np.sqrt(self.taps / reduce(np.multiply.outer, divisors))[..., None]

    def gathered(self, pairs: Pairs) -> Pairs:
        if len(pairs.grid) != self.dimensions:
            raise ValueError(
                f"`x1` must have {self.dimensions} axes of positions for {self}; got the grid "
                f"{pairs.grid}. Give inputs [n, *grid, channels]; a latent vector z is the grid "
                "z[:, None, None, :]."
            )
        reads = [self.reads(i, n) for i, n in enumerate(pairs.grid)]
        after = tuple(len(axis.divisors) for axis in reads)
        if min(after) < 1:
            raise ValueError(
                f"{self} leaves no positions of the grid {pairs.grid}. Give larger inputs, more "
                "padding or a smaller window."
            )
        covariance, near, tangent = (
            over_taps(table, reads, pairs.grid)
            for table in (pairs.covariance, pairs.distance, pairs.tangent)
        )
        common = outer([axis.common for axis in reads])
        nearest = all(axis.single for axis in reads)
        unit = pairs.unit and nearest and bool(np.allclose(np.diagonal(common), 1, rtol=1e-12))
        zero = jnp.zeros((len(pairs.mean), prod(after)), pairs.mean.dtype)
        new = changed(
            pairs, covariance=covariance, distance=near, tangent=tangent, mean=zero,
            grid=after, unit=unit,
        )  # fmt: skip
        if unit:
            return changed(new, distance=2 * jnp.asarray(1 - common, near.dtype)[None] + near)
        left, right = new.sides(new.variance)
        apart = jnp.maximum((left - covariance) + (right - covariance), 0)
        alike = jnp.asarray(outer([axis.alike for axis in reads]))[None]
        return changed(new, distance=jnp.where(alike, near, apart))


@jax.tree_util.register_static
@dataclass(frozen=True)
class Convolution(_Gathering):
    """y_p = sum over taps k of W_k x_(stride p + k - padding) + b, zero beyond the border.

    n positions become (n + 2 padding - window) // stride + 1.

    Arguments:
        window: taps, n for n x n, or a tuple of one number an axis; (n,) in one dimension.
        stride: positions between what neighbours read; padding: zeros at both ends. One number,
            or one an axis.
        parametrization: as of `Dense`.
        division: of the sum over taps: "graph" by the square root of the taps that read a
            position, "usual" of the window, "gain" of the most that any position has.

    Raises:
        ValueError, TypeError: an argument outside its range.
    """

    window: tuple[int, ...]
    stride: tuple[int, ...] = (1,)
    padding: tuple[int, ...] = (0,)
    parametrization: Parametrization = Beta()  # noqa: RUF009  (a value)
    division: Division = "graph"

    def __init__(
        self,
        window: int | tuple[int, ...],
        stride: int | tuple[int, ...] = 1,
        padding: int | tuple[int, ...] = 0,
        parametrization: Parametrization = Beta(),  # noqa: B008  (a value)
        division: Division = "graph",
    ):
        axes = len(window) if isinstance(window, tuple) else 2
        lengths = {"window": (window, 1), "stride": (stride, 1), "padding": (padding, 0)}
        for name, (value, least) in lengths.items():
            object.__setattr__(self, name, _lengths(name, value, axes, least))
        object.__setattr__(self, "parametrization", checked_parametrization(parametrization))
        object.__setattr__(self, "division", _checked_division(division))

    def linear(self, x: Array, weight: Array) -> Array:
        axes = tuple(
            AxisLayer(window, stride, padding, 0, 1, "nearest")
            for window, stride, padding in zip(self.window, self.stride, self.padding, strict=True)
        )
        gains = jnp.asarray(self.gains(x.shape[1:-1]), x.dtype)[None]
        return gains * strided_convolution(x, weight, axes)

    def reads(self, axis: int, n: int) -> Reads:
        return strided(self.window[axis], self.stride[axis], self.padding[axis], n, self.division)


@jax.tree_util.register_static
@dataclass(frozen=True)
class UpSampling(_Gathering):
    """A layer of `graphs`: a transposed convolution, behind a resize perhaps.

    Arguments:
        layer: for instance `graphs.transposed_convolution(4, stride=2, padding=1)`; for grids of
            rows and columns unless its numbers are given as tuples, (4,) in one dimension.
        parametrization: as of `Dense`.
        division: as of `Convolution`; a `DeconvStack` calls it its parametrization.

    Source: [JGGH].
    """

    layer: Upsampler
    parametrization: Parametrization = Beta()  # noqa: RUF009  (a value)
    division: Division = "graph"

    def __post_init__(self) -> None:
        if not isinstance(self.layer, Upsampler):
            raise TypeError(
                f"`layer` must be a graphs.Layer; got {self.layer!r}. "
                "Try graphs.transposed_convolution(4, stride=2, padding=1)."
            )
        checked_parametrization(self.parametrization)
        _checked_division(self.division)

    @property
    def axes(self) -> tuple[AxisLayer, ...]:
        """The layer along every axis."""
        return tuple(map(self.layer.along, range(self.layer.dimensions or 2)))

    @property
    def window(self) -> tuple[int, ...]:  # type: ignore[override]
        return tuple(axis.window for axis in self.axes)

    def linear(self, x: Array, weight: Array) -> Array:
        gains = jnp.asarray(self.gains(x.shape[1:-1]), x.dtype)[None]
        return gains * transposed_convolution(resized(x, self.axes), weight, self.axes)

    def reads(self, axis: int, n: int) -> Reads:
        return upsampled(self.axes[axis], n, self.division)


@jax.tree_util.register_static
@dataclass(frozen=True)
class GlobalAveragePool(Layer):
    """The mean over all positions: of a picture a vector."""

    def run(self, x: Array, maps: Iterator[Map]) -> Array:
        return jnp.mean(x, tuple(range(1, x.ndim - 1)))

    def step(self, pairs: Pairs, channels: Sequence[FanIn]) -> Pairs:
        covariance, tangent = (
            jnp.mean(table, axis=(1, 2), keepdims=True)
            for table in (pairs.covariance, pairs.tangent)
        )
        new = changed(
            pairs, covariance=covariance, distance=covariance, tangent=tangent,
            mean=jnp.mean(pairs.mean, axis=1, keepdims=True), grid=(), unit=False,
        )  # fmt: skip
        left, right = new.sides(new.variance)
        return changed(new, distance=jnp.maximum((left - covariance) + (right - covariance), 0))


def _checked_division(value: Any) -> Division:
    if value not in get_args(Division):
        raise ValueError(f'`division` must be "graph", "usual" or "gain"; got {value!r}.')
    return value


def _lengths(name: str, value: Any, axes: int, least: int) -> tuple[int, ...]:
    values = value if isinstance(value, tuple) else (value,) * axes
    if len(values) != axes or not values:
        raise ValueError(
            f"`{name}` must be one number, or one for each of the {axes} axes; got {value}."
        )
    return tuple(integer(name, n, least, f"Try {max(least, 1)}.") for n in values)
