"""Layers as arrays of taps: which layer a stack has may then be traced, as its numbers may.

`ancestry` finds out what pairs of positions have in common, and does so on the host. Here nothing
is found out: all pairs are carried, of square grids that take the same layers along both axes. It
costs more memory, and a compiled function can choose among layers, as the pages of the book do.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple, get_args

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .. import checks, duals, graphs
from ..activations import Activation
from ..types import Number
from .diagonals import Diagonals, layer_by_layer
from .pairs import Step
from .recursion import Inputs, first_state, layer_of_taps, through
from .stack import DeconvStack, checked_stack


class Taps(NamedTuple):
    """One layer along an axis.

    Attributes:
        shares: [taps, after, before] of which position a tap reads how much; a row sums to 1, to 0
            where its position lacks that tap.
        divisors: [after] what sums over parents are divided by, as variances.
    """

    shares: Float[Array | np.ndarray, "_ _ _"]
    divisors: Float[Array | np.ndarray, " _"]

    def reads(self) -> Array:
        """[after, before] how many taps read a position, over the divisors, for diagonals."""
        return jnp.sum(jnp.asarray(self.shares), axis=0) / jnp.asarray(self.divisors)[:, None]


class TapChoices(NamedTuple):
    """Several layers to choose from, and parametrizations.

    Attributes:
        shares: [choices, taps, after, before] as of `Taps`.
        divisors: [choices, 3, after] graph-based, usual, usual with gain.
    """

    shares: Float[np.ndarray, "_ _ _ _"]
    divisors: Float[np.ndarray, "_ 3 _"]

    def chosen(self, number: Array | int, parametrization: Array | int) -> Taps:
        """One of them; both numbers may be traced."""
        shares, divisors = (jnp.asarray(part, jnp.float32) for part in self)
        return Taps(shares[number], divisors[number, parametrization])

    def reads(self, number: Array | int, parametrization: Array | int) -> Array:
        """As of the chosen `Taps`, which are not carried."""
        taps, divisors = np.sum(self.shares, axis=1, keepdims=True), self.divisors
        return TapChoices(taps, divisors).chosen(number, parametrization).reads()


def taps_of(stack: DeconvStack) -> list[Taps]:
    """The layers of a stack whose two axes are alike, or of its only one.

    Raises:
        ValueError: the axes differ.
    """
    kind = get_args(graphs.Parametrization).index(checked_stack(stack).parametrization)
    return [Taps(shares, divisors[kind]) for shares, divisors in _layers(stack)]


def side_by_side(stacks: Sequence[DeconvStack]) -> list[TapChoices]:
    """The layers of several stacks of one depth, each in all parametrizations.

    There is room for the largest: positions that a smaller stack lacks have no taps, and nobody
    reads them.

    Raises:
        ValueError: the axes of a stack differ, or the depths.
    """
    if len({checked_stack(stack).depth for stack in stacks}) != 1:
        raise ValueError(
            "`stacks` must have as many layers as one another; got "
            f"{[stack.depth for stack in stacks]}."
        )
    return [
        TapChoices(
            _in_one([shares for shares, _ in parts], 0.0),
            _in_one([divisors for _, divisors in parts], 1.0),
        )
        for parts in zip(*map(_layers, stacks), strict=True)
    ]


def _layers(stack: DeconvStack) -> list[tuple[np.ndarray, np.ndarray]]:
    """Of each layer the shares, and the divisors [3, after] of all parametrizations."""
    axes = {(stack.start[k], stack.along(k)) for k in range(stack.dimensions)}
    if len(axes) > 1:
        raise ValueError(
            f"`stack` must have the same layers along both axes; got {stack}. Take "
            "deconvolution.compressed."
        )
    ((_, layers),) = axes
    found = []
    for layer, (n, *_) in zip(layers, stack.sizes[:-1], strict=True):
        places, shares = graphs.links(layer, n)
        reads = np.sum((places[..., None] == np.arange(n)) * shares[..., None], axis=2)
        kinds = get_args(graphs.Parametrization)
        divisors = np.stack([layer.divisors(n, kind) for kind in kinds])
        found.append((np.moveaxis(reads, 0, 1), divisors.astype(float)))
    return found


def _in_one(arrays: Sequence[np.ndarray], value: float) -> np.ndarray:
    """All in one array, filled up where one is smaller."""
    room = np.max([array.shape for array in arrays], axis=0)
    widths = [[(0, most - n) for most, n in zip(room, a.shape, strict=True)] for a in arrays]
    return np.stack(
        [np.pad(a, w, constant_values=value) for a, w in zip(arrays, widths, strict=True)]
    )


class Square(NamedTuple):
    """NNGP and unscaled NTK between all pixels of a square, [rows, columns, rows, columns]."""

    nngp: Float[Array, "n n n n"]
    ntk: Float[Array, "n n n n"]


def square_kernels(taps: Sequence[Taps], activation: Activation, beta: Number) -> Square:
    """Both kernels for orthogonal inputs on the sphere, one a position. All may be traced.

    As by `compressed` with `jnp.eye` for `input_gram`, to 1e-5.

    Arguments:
        taps: of each layer, the same along rows and columns.
        activation: as for `compressed` in the usual parametrization.
        beta: share of the bias, in [0, 1).

    Raises:
        ValueError: a beta outside its range, where it is not traced.

    >>> from freezechaos import activations, deconvolution, graphs
    >>> stack = DeconvStack((1, 1), [graphs.transposed_convolution(4, stride=2)] * 2)
    >>> relu = activations.standardized("relu")
    >>> taps = deconvolution.taps_of(stack)
    >>> kernels = deconvolution.square_kernels(taps, relu, 0.5)
    >>> [round(float(value), 4) for value in (kernels.ntk[0, 0, 0, 0], kernels.ntk[0, 0, 0, 1])]
    [1.75, 0.25]
    """
    n, beta = taps[0].shares.shape[-1], checks.beta(beta)
    inputs, rates = Inputs.of(1), jnp.ones((1, 2), beta.dtype)
    state = first_state((n, n), jnp.eye(n * n, dtype=beta.dtype)[None, None], inputs)
    for number, layer in enumerate(taps):
        step = _step(layer, beta.dtype)
        seen = through(activation, False, number == 0, state.pairs)
        state = layer_of_taps(
            False, number == 0, 1, activation.derivative_second_moment, beta, state, seen,
            (step, step), inputs, rates, None,
        )  # fmt: skip
    side = taps[-1].shares.shape[-2]
    tables = state.sigma[0], state.unscaled.number[0, 0]
    return Square(*(table.reshape((side,) * 4).transpose(0, 2, 1, 3) for table in tables))


def _step(taps: Taps, dtype: jnp.dtype) -> Step:
    """What the recursion needs, for all pairs of positions in place of their classes."""
    shares, divisors = (jnp.asarray(part, dtype) for part in taps)
    after, before = shares.shape[1:]
    scale = jnp.sqrt(divisors[:, None] * divisors[None])
    there = jnp.sum(shares, axis=2)  # [taps, after], 0 or 1
    count, both = jnp.sum(there, axis=0), there.T @ there
    whole = jnp.all(jnp.sum(shares**2, axis=2) == there, axis=0)  # no tap reads two positions
    pairs = jnp.einsum("kpq,krs->prqs", shares, shares, precision="highest")
    alike = (both == count[:, None]) & whole[:, None]
    own = np.arange(after) * (after + 1)
    parts: list[Any] = [  # traced, where those of `ancestry` are known
        (pairs / scale[:, :, None, None]).reshape(after**2, before**2),
        (both / scale).ravel(),
        (alike & alike.T).ravel(),
        np.repeat(own, after),
        np.tile(own, after),
    ]
    return Step(*parts)


def square_diagonals(
    reads: Sequence[Float[Array, "_ _"]], activation: Activation, beta: Number
) -> Diagonals:
    """The diagonals of `square_kernels`, [rows, columns], at the cost of a picture a layer.

    Arguments:
        reads: of each layer, as by `Taps.reads`; the same along rows and columns.
        activation, beta: as there.

    >>> from freezechaos import activations, deconvolution, graphs
    >>> layers = [graphs.transposed_convolution(4, stride=2, padding=1)] * 3
    >>> taps = deconvolution.taps_of(DeconvStack((4, 4), layers, "gain"))
    >>> relu = activations.standardized("relu")
    >>> reads = [layer.reads() for layer in taps]
    >>> both = deconvolution.square_diagonals(reads, relu, 0.5)
    >>> [round(float(both.sigma[p, p]), 3) for p in (0, 16)]
    [0.312, 1.0]
    """
    beta = checks.beta(beta)

    def moments(sigma: Array, first: bool) -> tuple[Array, Array]:
        if first:
            return sigma, jnp.zeros_like(sigma)
        own = sigma.ravel()
        known = duals.at_variances(activation, own, own, own, jnp.zeros_like(own))
        slope = activation.derivative_second_moment * known.slope
        return known.covariance.reshape(sigma.shape), slope.reshape(sigma.shape)

    n = reads[0].shape[-1]
    with jax.default_matmul_precision("highest"):
        alike = [(part, part) for part in reads]
        return layer_by_layer(alike, moments, beta, jnp.ones((n, n), beta.dtype))
