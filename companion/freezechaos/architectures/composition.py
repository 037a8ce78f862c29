"""Architectures: layers one after another, many times, or beside the identity."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, groupby
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, PRNGKeyArray

from .. import scalars
from ..activations import Activation
from .layers import Affine, BatchNorm, Change, FanIn, Layer, Map, Nonlinearity, divided
from .pairs import Pairs, changed
from .parametrizations import Kind

if TYPE_CHECKING:
    from .finite import Network
    from .infinite import Kernels


@jax.tree_util.register_static
@dataclass(frozen=True)
class Architecture(Layer):
    """Layers one after another; made by `serial`, `repeat` and `residual`.

    A value: equal and hashed by its layers, picklable, to JAX a pytree without leaves, which `jit`
    takes and returns. It has three lives: `network` draws a finite network, `kernels` has what the
    network tends to as its width grows, and `empirical.ntk` has the tangent kernel of what was
    drawn, or trained.
    """

    layers: tuple[Layer, ...]

    def network(self, widths: Sequence[int], *, key: PRNGKeyArray) -> "Network":
        """A finite network.

        Arguments:
            widths: channels of the inputs and behind every affine map, in order, the ones in
                branches and repetitions too. Integers, 1 or more.
            key: what the weights are drawn with.

        Raises:
            ValueError, TypeError: widths that do not fit.
        """
        from .finite import draw

        return draw(self, widths, key=key)

    def kernels(
        self,
        x1: Float[Array, "n *grid channels"],
        x2: Float[Array, "m *grid channels"] | None = None,
        *,
        widths: Sequence[int] | None = None,
        on_sphere: bool | None = None,
    ) -> "Kernels":
        """NNGP, NTK and the logarithm of its scale; see `architectures.kernels`."""
        from .infinite import kernels

        return kernels(self, x1, x2, widths=widths, on_sphere=on_sphere)

    def nngp(
        self,
        x1: Float[Array, "n *grid channels"],
        x2: Float[Array, "m *grid channels"] | None = None,
        *,
        on_sphere: bool | None = None,
    ) -> Float[Array, "n m *positions"]:
        """The NNGP alone, which has a theory where the NTK has none; see `architectures.nngp`."""
        from .infinite import nngp

        return nngp(self, x1, x2, on_sphere=on_sphere)

    def converted(self, kind: Kind) -> "Architecture":
        """Every affine map in another parametrization of the same random networks.

        Raises:
            ValueError: as `Parametrization.converted`.
        """
        return self.mapped(lambda parametrization: parametrization.converted(kind))

    def mapped(self, change: Change) -> "Architecture":
        return Architecture(tuple(layer.mapped(change) for layer in self.layers))

    @property
    def affine(self) -> tuple[Affine, ...]:
        return tuple(chain.from_iterable(layer.affine for layer in self.layers))

    @property
    def leaves(self) -> tuple[Layer, ...]:
        return tuple(chain.from_iterable(layer.leaves for layer in self.layers))

    @property
    def sequence(self) -> tuple[Layer, ...]:
        """The layers with repetitions written out; a residual branch is one layer."""
        return tuple(chain.from_iterable(layer.sequence for layer in self.layers))

    @property
    def dimensions(self) -> int:
        """Axes of the grid of positions that it takes: 0 for vectors, 2 for pictures."""
        return next((n for n in (getattr(layer, "dimensions", 0) for layer in self.leaves) if n), 0)

    @property
    def couples(self) -> bool:
        """Whether outputs depend on the other inputs of a batch."""
        return any(isinstance(layer, BatchNorm) for layer in self.leaves)

    def run(self, x: Array, maps: Iterator[Map]) -> Array:
        for layer in self.layers:
            x = layer.run(x, maps)
        return x

    def step(self, pairs: Pairs, channels: Sequence[FanIn]) -> Pairs:
        start = 0
        for layer in self.layers:
            end = start + len(layer.affine)
            pairs = pairs if isinstance(layer, Nonlinearity) else divided(pairs)
            pairs, start = layer.step(pairs, channels[start:end]), end
        return pairs


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


def serial(*layers: Layer | Activation) -> Architecture:
    """Layers one after another; an `Activation` is a layer too, and so is an architecture.

    Raises:
        ValueError, TypeError: no layers, or what is none.

    >>> from freezechaos.activations import normalized
    >>> from freezechaos.architectures import Beta, Dense, serial
    >>> import jax, jax.numpy as jnp
    >>> architecture = serial(Dense(Beta(0.1)), normalized("relu"), Dense(Beta(0.1)))
    >>> x = jnp.array([[1.0, 1.0], [1.0, -1.0]])  # on the sphere |x|^2 = 2
    >>> nngp, ntk, log_scale = architecture.kernels(x)
    >>> [round(float(number), 4) for number in (nngp[0, 1], ntk[0, 1], log_scale)]
    [0.0173, 0.01, 0.897]
    >>> network = architecture.network([2, 256, 1], key=jax.random.key(0))
    >>> network(x).shape
    (2, 1)
    """
    if not layers:
        raise ValueError(
            "`layers` must be one or more; got none. Try serial(Dense(), normalized('relu'), "
            "Dense())."
        )
    return Architecture(tuple(chain.from_iterable(map(_layers, layers))))


def repeat(block: Layer | Activation, times: int) -> Architecture:
    """A block `times` over, with weights of its own each time; compiled once.

    Arguments:
        block: a layer or an architecture, for instance serial(Dense(), normalized("relu")).
        times: an integer, 1 or more.

    Raises:
        ValueError, TypeError: an argument outside its range.
    """
    times = scalars.integer("times", times, 1, "It counts the repetitions; try 10.")
    inner = Architecture(_layers(block))
    return inner if times == 1 else Architecture((Repeat(inner, times),))


def residual(
    *layers: Layer | Activation, identity: float = 1.0, branch: float = 1.0
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


def _layers(value: Any) -> tuple[Layer, ...]:
    if isinstance(value, Architecture):
        return value.layers
    if isinstance(value, Activation):
        return (Nonlinearity(value),)
    if not isinstance(value, Layer):
        raise TypeError(
            f"`layers` must be layers, activations or architectures; got {value!r}. "
            'Try Dense(), or normalized("relu").'
        )
    return (value,)
