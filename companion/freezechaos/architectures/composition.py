"""Architectures: layers one after another, and the lives that start from there."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any

import jax
from jax.typing import ArrayLike
from jaxtyping import Array, Float, PRNGKeyArray, Real

from ..activations import Activation
from .layers import Affine, Change, FanIn, Layer, Map
from .nonlinearity import Nonlinearity
from .norms import BatchNorm, divided
from .pairs import Pairs
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
        x1: Real[ArrayLike, "n *grid channels"],
        x2: Real[ArrayLike, "m *grid channels"] | None = None,
        *,
        widths: Sequence[int] | None = None,
        on_sphere: bool | None = None,
    ) -> "Kernels":
        """NNGP, NTK and the logarithm of its scale; see `architectures.kernels`."""
        from .infinite import kernels

        return kernels(self, x1, x2, widths=widths, on_sphere=on_sphere)

    def nngp(
        self,
        x1: Real[ArrayLike, "n *grid channels"],
        x2: Real[ArrayLike, "m *grid channels"] | None = None,
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
    return Architecture(tuple(chain.from_iterable(map(layers_of, layers))))


def layers_of(value: Any) -> tuple[Layer, ...]:
    """Those of an architecture, or the one that a value is."""
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
