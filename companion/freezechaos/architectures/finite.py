"""The first life of an architecture: a finite network, as an Equinox module."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float, PRNGKeyArray, Real

from .. import checks
from ..networks.draws import normals
from .composition import Architecture
from .layers import Map
from .parametrizations import Kind


class Network(eqx.Module):
    """A finite network; made by `Architecture.network`.

    Weights and biases are tuples, an entry an affine map, as `networks.scale_by_layer` wants them.

    Attributes:
        weights: [*window, before, after] each.
        biases: [after] each; empty where an affine map has none.
        architecture, widths: what it was made of.
    """

    weights: tuple[Float[Array, "..."], ...]
    biases: tuple[Float[Array, " _"], ...]
    architecture: Architecture = eqx.field(static=True)
    widths: tuple[int, ...] = eqx.field(static=True)

    def __call__(
        self, x: Real[ArrayLike, "*batch_and_grid inputs"]
    ) -> Float[Array, "*batch_and_grid_after outputs"]:
        """The outputs for one input [*grid, channels] or a batch; with batch norm for a batch."""
        return self.forward(x)[1]

    def forward(
        self,
        x: Real[ArrayLike, "*batch_and_grid inputs"],
        nudges: Sequence[Array] | None = None,
    ) -> tuple[list[Array], Float[Array, "*batch_and_grid_after outputs"]]:
        """What enters each affine map, and the outputs.

        `nudges`, one array an affine map, are added behind it: the derivative of the outputs in
        them is what backpropagation carries.

        Raises:
            ValueError: inputs of another shape; one input where there is batch norm.
        """
        x = jnp.asarray(x)
        single = x.ndim == self.architecture.dimensions + 1
        if x.ndim - self.architecture.dimensions not in (1, 2) or x.shape[-1] != self.widths[0]:
            grid = "".join("size, " for _ in range(self.architecture.dimensions))
            raise ValueError(
                f"`x` must have shape [{grid}{self.widths[0]}], or a batch of such; got "
                f"{list(x.shape)}."
            )
        if single and self.architecture.couples:
            raise ValueError(
                f"`x` must be a batch where there is batch norm; got shape {list(x.shape)}. Call "
                "the network with all its inputs at once, without vmap."
            )
        entering: list[Array] = []
        parts = zip(
            self.architecture.affine, self.weights, self.biases,
            [None] * len(self.weights) if nudges is None else nudges, strict=True,
        )  # fmt: skip
        maps = (Map(m, w, b if b.size else None, nudge, entering) for m, w, b, nudge in parts)
        y = self.architecture.run(x[None] if single else x, maps)
        return entering, y[0] if single else y

    @property
    def couples(self) -> bool:
        """Whether outputs depend on the other inputs of a batch."""
        return self.architecture.couples

    def learned(self, number: int) -> tuple[float, float]:
        """What products of an affine map's inputs, and 1, are times in the tangent kernel."""
        layer = self.architecture.affine[number]
        a, c = layer.parametrization.rates(layer.taps * self.widths[number])
        return a, c

    def converted(self, kind: Kind) -> "Network":
        """The same function in another parametrization, with another tangent kernel.

        Raises:
            ValueError: as `Parametrization.converted`.
        """
        other = self.architecture.converted(kind)
        pairs = zip(self.architecture.affine, other.affine, self.widths, strict=False)
        ratios = [
            [old / new if new else 1.0 for old, new in zip(
                before.parametrization.factors(before.taps * n),
                after.parametrization.factors(after.taps * n), strict=True)]
            for before, after, n in pairs
        ]  # fmt: skip
        weights = tuple(w * a for w, (a, _) in zip(self.weights, ratios, strict=True))
        biases = tuple(b * c for b, (_, c) in zip(self.biases, ratios, strict=True))
        return Network(weights, biases, other, self.widths)

    def __repr__(self) -> str:
        size = sum(part.size for part in (*self.weights, *self.biases) if part is not None)
        return f"Network({' > '.join(map(str, self.widths))}, parameters={size})"


def draw(architecture: Architecture, widths: Sequence[int], *, key: PRNGKeyArray) -> Network:
    """A finite network; see `Architecture.network`."""
    widths, maps = checked_widths(architecture, widths), architecture.affine
    keys = jax.random.split(key, 2 * len(maps))
    shapes = [(*layer.window, *both) for layer, both in zip(maps, pairwise(widths), strict=True)]
    ends = [
        (after,) if layer.parametrization.has_bias else (0,)
        for layer, after in zip(maps, widths[1:], strict=True)
    ]
    scales = [
        layer.parametrization.deviations(layer.taps * before)
        for layer, before in zip(maps, widths, strict=False)
    ]
    weights, biases = normals(keys[::2], shapes), normals(keys[1::2], ends)
    return Network(
        tuple(w * a for w, (a, _) in zip(weights, scales, strict=True)),
        tuple(b * c for b, (_, c) in zip(biases, scales, strict=True)),
        architecture,
        widths,
    )


def checked_widths(architecture: Architecture, widths: Any) -> tuple[int, ...]:
    """Channels of the inputs and behind every affine map."""
    values = checks.widths("widths", widths)
    maps = len(architecture.affine)
    if len(values) != maps + 1:
        raise ValueError(
            f"`widths` must be {maps + 1}, of the inputs and of every affine map; got "
            f"{len(values)}: {list(values)}."
        )
    return values
