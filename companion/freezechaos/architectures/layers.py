"""What a layer is; affine maps, of which the dense one leaves positions alone.

A layer is a value that knows two of an architecture's lives, side by side: `run`, what it does to
numbers in a finite network, and `step`, what it does to the moments of a network of infinite width.
"""

from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array

from .. import scalars
from .pairs import Pairs, changed, scaled
from .parametrizations import Beta, Parametrization

FanIn = int | None
"""Channels before an affine map; None where the kernel must not depend on them."""

Change = Callable[[Parametrization], Parametrization]


class Layer:
    """What every layer answers; the defaults are those of a layer without parameters."""

    @property
    def affine(self) -> tuple["Affine", ...]:
        """The affine maps in it, in the order in which they are met."""
        return ()

    @property
    def leaves(self) -> tuple["Layer", ...]:
        """The layers in it that hold no others."""
        return (self,)

    @property
    def sequence(self) -> tuple["Layer", ...]:
        """The layers in it, one after another."""
        return (self,)

    def mapped(self, change: Change) -> "Layer":
        """With a change made to the parametrization of every affine map in it."""
        return self

    @abstractmethod
    def run(self, x: Array, maps: Iterator["Map"]) -> Array:
        """What a finite network makes of a batch [n, *grid, channels].

        Arguments:
            maps: the affine maps with their parameters, of which it takes as many as it has.
        """

    @abstractmethod
    def step(self, pairs: Pairs, channels: Sequence[FanIn]) -> Pairs:
        """What a network of infinite width makes of pairs of inputs.

        Arguments:
            channels: before every one of its affine maps.

        Raises:
            NotImplementedError: no theory says what comes out.
        """


@dataclass(frozen=True)
class Map:
    """An affine map with its parameters, and what is added behind it (see `Network.forward`)."""

    layer: "Affine"
    weight: Array
    bias: Array | None
    nudge: Array | None
    entering: list[Array]

    def __call__(self, x: Array) -> Array:
        """a W x + c b, and the nudge."""
        self.entering.append(x)
        fan_in = self.layer.taps * x.shape[-1]
        a, c = self.layer.parametrization.factors(fan_in)
        y = self.layer.linear(x, a * self.weight.astype(x.dtype))
        if self.bias is not None:
            y = y + jnp.broadcast_to(c * self.bias.astype(x.dtype), y.shape)
        return y if self.nudge is None else y + self.nudge


class Affine(Layer):
    """A layer with weights and biases.

    Attributes:
        parametrization: what they are drawn with and multiplied by.
        window: taps along every axis; () for a dense map.
    """

    parametrization: Parametrization
    window: tuple[int, ...]

    @property
    def affine(self) -> tuple["Affine", ...]:
        """Itself."""
        return (self,)

    @property
    def taps(self) -> int:
        """How many numbers of a channel enter."""
        return 1

    def mapped(self, change: Change) -> "Affine":
        return replace(self, parametrization=change(self.parametrization))  # type: ignore[type-var]

    def run(self, x: Array, maps: Iterator[Map]) -> Array:
        return next(maps)(x)

    def step(self, pairs: Pairs, channels: Sequence[FanIn]) -> Pairs:
        return self.weighed(self.gathered(pairs), channels[0])

    @abstractmethod
    def linear(self, x: Array, weight: Array) -> Array:
        """W x for a batch [n, *grid, channels]."""

    def gathered(self, pairs: Pairs) -> Pairs:
        """Means over what each position reads, through weights of variance 1 / fan_in."""
        return pairs

    def weighed(self, pairs: Pairs, channels: FanIn) -> Pairs:
        """Variances of weights and biases in, and what they themselves learn."""
        p = self.parametrization
        by_weight, by_bias = self._learned(channels)
        small = jnp.exp(-pairs.log_scale)
        own = (by_weight * small) * pairs.covariance + by_bias * small
        return changed(
            pairs,
            covariance=p.weight_variance * pairs.covariance + p.bias_variance,
            distance=p.weight_variance * pairs.distance,
            tangent=own + p.weight_variance * pairs.tangent,
            mean=jnp.zeros_like(pairs.mean),
            unit=pairs.unit and abs(p.weight_variance + p.bias_variance - 1) < 1e-12,
            gaussian=True,
        ).rebased()

    def _learned(self, channels: FanIn) -> tuple[float, float]:
        """a^2 fan_in and c^2, which are the variances unless the parametrization is standard."""
        if self.parametrization.grows and channels is None:
            raise ValueError(
                "`widths` must be given for a standard parametrization, whose tangent kernel grows "
                "with the width: kernels(x1, x2, widths=[...]), inputs and outputs of every affine "
                'map. Or take architecture.converted("ntk").'
            )
        fan_in = (1 if channels is None else channels) * self.taps
        by_weight, by_bias = self.parametrization.rates(fan_in)
        return by_weight * fan_in, by_bias


@jax.tree_util.register_static
@dataclass(frozen=True)
class Dense(Affine):
    """An affine map of the channels, at every position alike.

    Arguments:
        parametrization: `Beta`, `NTK` or `Standard`; the course's without bias where left out.

    Source: [JGGH, NTK recursion]; Lee et al., 2018.
    """

    parametrization: Parametrization = Beta()  # noqa: RUF009  (a value)

    def __post_init__(self) -> None:
        checked_parametrization(self.parametrization)

    @property
    def window(self) -> tuple[int, ...]:  # type: ignore[override]
        return ()

    def linear(self, x: Array, weight: Array) -> Array:
        return jnp.matmul(x, weight)


@jax.tree_util.register_static
@dataclass(frozen=True)
class Multiply(Layer):
    """x times a number."""

    factor: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "factor", scalars.real("factor", self.factor, "Try 1.0."))

    def run(self, x: Array, maps: Iterator[Map]) -> Array:
        return self.factor * x

    def step(self, pairs: Pairs, channels: Sequence[FanIn]) -> Pairs:
        return scaled(pairs, self.factor)


def checked_parametrization(value: Any) -> Parametrization:
    """A `Parametrization`."""
    if not isinstance(value, Parametrization):
        raise TypeError(
            f"`parametrization` must be a Beta, NTK or Standard; got {value!r}. Try Beta(0.1)."
        )
    return value
