"""A block many times over, and a branch beside the identity."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array

from .. import scalars
from ..activations import Activation
from .composition import Architecture, layers_of, serial
from .layers import Affine, Change, FanIn, Layer, Map
from .norms import divided
from .pairs import Pairs, changed


@jax.tree_util.register_static
@dataclass(frozen=True)
class Repeat(Layer):
    """A block many times, each with weights of its own; made by `repeat`."""

    block: Architecture
    times: int

    @property
    def affine(self) -> tuple[Affine, ...]:
        return self.block.affine * self.times

    @property
    def leaves(self) -> tuple[Layer, ...]:
        return self.block.leaves * self.times

    @property
    def sequence(self) -> tuple[Layer, ...]:
        return self.block.sequence * self.times

    def mapped(self, change: Change) -> "Repeat":
        return Repeat(self.block.mapped(change), self.times)

    def run(self, x: Array, maps: Iterator[Map]) -> Array:
        for _ in range(self.times):
            x = self.block.run(x, maps)
        return x

    def step(self, pairs: Pairs, channels: Sequence[FanIn]) -> Pairs:
        """Compiled once for all repetitions that do alike."""
        size = len(self.block.affine)
        each = [channels[k * size : (k + 1) * size] for k in range(self.times)]
        for fan_in, group in groupby(each):
            pairs = self._steps(pairs, fan_in, len(list(group)))
        return pairs

    def _steps(self, pairs: Pairs, channels: Sequence[FanIn], count: int) -> Pairs:
        def once(pairs: Pairs) -> Pairs:
            return divided(self.block.step(pairs, channels))

        while count:
            before: Any = jax.tree.structure(pairs)
            if before == jax.tree.structure(jax.eval_shape(once, pairs)):
                return lax.fori_loop(0, count, lambda _, pairs: once(pairs), pairs)
            pairs, count = once(pairs), count - 1
        return pairs


@jax.tree_util.register_static
@dataclass(frozen=True)
class Residual(Layer):
    """identity x + branch f(x); made by `residual`."""

    inner: Architecture
    identity: float
    branch: float

    @property
    def affine(self) -> tuple[Affine, ...]:
        return self.inner.affine

    @property
    def leaves(self) -> tuple[Layer, ...]:
        return self.inner.leaves

    def mapped(self, change: Change) -> "Residual":
        return replace(self, inner=self.inner.mapped(change))

    def run(self, x: Array, maps: Iterator[Map]) -> Array:
        y = self.inner.run(x, maps)
        if y.shape != x.shape:
            raise ValueError(
                f"a residual branch must keep the shape of what it is added to, {list(x.shape)}; "
                f"got {list(y.shape)}. Give its last affine map the width of its inputs."
            )
        return self.identity * x + self.branch * y

    def step(self, pairs: Pairs, channels: Sequence[FanIn]) -> Pairs:
        """Sums of both sides: the branch's last weights make the two uncorrelated."""
        ours, theirs = pairs, divided(self.inner.step(pairs, channels))
        if ours.grid != theirs.grid:
            raise ValueError(
                f"a residual branch must keep the grid of positions, {ours.grid}; got "
                f"{theirs.grid}. Pad its convolutions."
            )
        a, b = self.identity**2, self.branch**2
        scale = jnp.maximum(ours.log_scale, theirs.log_scale)
        a_scaled, b_scaled = (
            share * jnp.exp(side.log_scale - scale) for share, side in ((a, ours), (b, theirs))
        )
        return changed(
            pairs,
            covariance=a * ours.covariance + b * theirs.covariance,
            distance=a * ours.distance + b * theirs.distance,
            tangent=a_scaled * ours.tangent + b_scaled * theirs.tangent,
            log_scale=scale,
            mean=self.identity * ours.mean + self.branch * theirs.mean,
            unit=ours.unit and theirs.unit and abs(a + b - 1) < 1e-12,
            gaussian=ours.gaussian and theirs.gaussian,
        ).rebased()


def repeat(block: Layer | Activation, times: int | np.integer) -> Architecture:
    """A block `times` over, with weights of its own each time; compiled once.

    Arguments:
        block: a layer or an architecture, for instance serial(Dense(), normalized("relu")).
        times: an integer, 1 or more.

    Raises:
        ValueError, TypeError: an argument outside its range.
    """
    times = scalars.integer("times", times, 1, "It counts the repetitions; try 10.")
    inner = Architecture(layers_of(block))
    return inner if times == 1 else Architecture((Repeat(inner, times),))


def residual(
    *layers: Layer | Activation,
    identity: float | np.number = 1.0,
    branch: float | np.number = 1.0,
) -> Architecture:
    """identity x + branch f(x), with f the layers one after another.

    Their last layer with weights or norms must be an affine map: its fresh weights are what makes
    f(x) uncorrelated with x, so that kernels of the two sides add up. With identity^2 + branch^2 =
    1 the variance stays.

    Arguments:
        layers: of the branch.
        identity, branch: real weights of the two sides.

    Raises:
        ValueError, TypeError: a branch that does not end with an affine map, weights that are no
            numbers.

    Source: He et al., Identity mappings in deep residual networks, 2016; Yang and Schoenholz,
    Mean field residual networks, 2017.
    """
    inner = serial(*layers)
    if not isinstance(inner.leaves[-1], Affine):
        raise ValueError(
            "a residual branch must end with an affine map: without fresh weights at its end the "
            f"sum with the identity is not one of uncorrelated sides; got {inner.leaves[-1]} at "
            "the end. Add a Dense()."
        )
    weights = {"identity": identity, "branch": branch}
    values = (scalars.real(name, value, "Try 1.0.") for name, value in weights.items())
    return Architecture((Residual(inner, *values),))
