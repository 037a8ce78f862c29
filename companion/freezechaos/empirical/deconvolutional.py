"""The tangent kernel of a deconvolutional network between its output pixels.

With h_q what enters a layer at position q, and delta_{p,r} the derivative of pixel p in what
leaves it at position r, the layer adds

    sum over r, r' of <patch_r, patch'_r'> <delta_{p,r}, delta'_{p',r'}>,
    <patch_r, patch'_r'> = (1 - beta^2) / (n sqrt(|P(r)| |P(r')|)) sum_{same tap} <h_q, h'_q'>
                           + beta^2.

A position r feels few pixels: along an axis those from `spacing r - start` on, `width` of them, its
cone. So delta is kept as [rows, cone, columns, cone, outputs, channels] and never as pixels times
positions. Everything here has two axes, of which a network in one dimension leaves the second at
length 1.
"""

from functools import partial
from itertools import pairwise
from math import prod
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

from ..graphs import AxisLayer
from ..networks import Deconvolutional
from ..networks.convolutions import overlap_add
from .blocks import largest_block

_STILL = AxisLayer(1, 1, 0, 0, 1, "nearest")


def rows_that_fit(network: Deconvolutional, n: int, itemsize: int, memory: float) -> int:
    """The largest b such that two blocks of b images and their kernel fit into the memory."""
    outputs = prod(network.stack.sizes[-1]) * network.channels[-1]
    image, fixed, channels = 0, 0, pairwise(network.channels)
    for grids, (before, after) in zip(_grids(network), channels, strict=True):
        (rows, columns), (down, across) = grids.after, (cone.width for cone in grids.cones)
        resized, taps = prod(_resized(grids)), prod(axis.window for axis in grids.axes)
        cone = down * across * network.channels[-1]
        image += resized * before + rows * columns * cone * after
        backward = resized * taps * cone * (before + after)
        line = columns * (rows * columns * cone * after + outputs * (after + cone))
        lines = rows * down * grids.pixels[1] * network.channels[-1] * outputs
        fixed = max(fixed, backward, line + lines)
    entry = outputs**2
    return largest_block(
        n, itemsize, memory, fixed=2 * fixed + 2 * entry, row=2 * image, entry=4 * entry
    )


@jax.jit
def block(
    network: Deconvolutional, x1: Array, rows: Array,
    x2: Array | None = None, columns: Array | None = None,
) -> Float[Array, "rows columns positions positions outputs outputs"]:  # fmt: skip
    """The kernel between the pixels at some rows of x1 and at some of x2, or those of x1."""
    with jax.default_matmul_precision("highest"):
        one = lax.map(partial(_layers, network), x1[rows])
        other = one
        if x2 is None or columns is None:
            places = np.stack(np.triu_indices(len(rows)), axis=1)
        else:
            other = lax.map(partial(_layers, network), x2[columns])
            places = np.indices((len(rows), len(columns))).reshape(2, -1).T
        kernels = lax.map(partial(_pair, network, one, other), places)
    if x2 is not None and columns is not None:
        return kernels.reshape(len(rows), len(columns), *kernels.shape[1:])
    number = np.zeros((len(rows), len(rows)), int)
    number[tuple(places.T)] = number[tuple(places.T[::-1])] = np.arange(len(places))
    below = np.tri(len(rows), k=-1, dtype=bool)[..., None, None, None, None]
    return jnp.where(below, kernels.transpose(0, 2, 1, 4, 3)[number], kernels[number])


def mirrored(block: Float[Array, "n m p q c d"]) -> Float[Array, "m n q p d c"]:
    """The block on the other side of the diagonal."""
    return block.transpose(1, 0, 3, 2, 5, 4)


class Cone(NamedTuple):
    """The pixels that position r feels along an axis: `width` from spacing r - start on."""

    spacing: int
    start: int
    width: int

    def of_parents(self, reach: "Reach") -> "Cone":
        return Cone(
            self.spacing * reach.step,
            self.start - self.spacing * reach.first,
            self.width + self.spacing * (reach.shares.shape[1] - 1),
        )


class Reach(NamedTuple):
    """Position q feeds step q + first + k for k = 0, 1, ..., with shares [positions, k]."""

    step: int
    first: int
    shares: np.ndarray

    def children(self, length: int) -> np.ndarray:
        """[positions, k], `length` where there is none."""
        count, ways = self.shares.shape
        child = self.step * np.arange(count)[:, None] + self.first + np.arange(ways)
        return np.where((child >= 0) & (child < length), child, length)


def _of_taps(axis: AxisLayer, n: int) -> Reach:
    return Reach(axis.stride, -axis.padding, np.ones((n * axis.scale, axis.window)))


def _of_resize(axis: AxisLayer, n: int) -> Reach:
    matrix = axis.resizing(n)
    child, parent = np.nonzero(matrix)
    ahead = child - axis.scale * parent
    first = int(ahead.min())
    shares = np.zeros((n, int(ahead.max()) - first + 1))
    shares[parent, ahead - first] = matrix[child, parent]
    return Reach(axis.scale, first, shares)


class Grids(NamedTuple):
    """A layer along both axes: sizes before and after it, and the cones after it."""

    axes: tuple[AxisLayer, ...]
    before: tuple[int, ...]
    after: tuple[int, ...]
    cones: tuple[Cone, ...]
    pixels: tuple[int, ...]


def _grids(network: Deconvolutional) -> list[Grids]:
    sizes = [(*size, 1)[:2] for size in network.stack.sizes]
    cones: tuple[Cone, ...] = (Cone(1, 0, 1),) * 2
    grids = []
    for layer in reversed(range(len(network.weights))):
        axes = (*network.axes(layer), _STILL)[:2]
        grids.append(Grids(axes, sizes[layer], sizes[layer + 1], cones, sizes[-1]))
        cones = tuple(
            cone.of_parents(_of_taps(axis, n)).of_parents(_of_resize(axis, n))
            for cone, axis, n in zip(cones, axes, sizes[layer], strict=True)
        )
    return grids[::-1]


class LayerState(NamedTuple):
    """What enters a layer after its resize, and the derivatives of the pixels in its cones."""

    entering: Float[Array, "*n rows columns before"]
    delta: Float[Array, "*n after_rows cone after_columns other_cone outputs after"]


def _layers(network: Deconvolutional, x: Float[Array, "*size inputs"]) -> list[LayerState]:
    """One `LayerState` a layer for one image."""
    grids, entering, slopes, h = _grids(network), [], [], x
    for layer in range(len(grids)):
        h = network.resized(layer, h[None])[0]
        entering.append(h.reshape(*_resized(grids[layer]), -1))
        pre = network.affine(layer, h, resize=False)
        h, slope = jax.jvp(network.activation, (pre,), (jnp.ones_like(pre),))
        slopes.append(slope.reshape(*grids[layer].after, -1))
    rows, columns = grids[-1].after
    delta = jnp.eye(network.channels[-1], dtype=x.dtype)
    delta = jnp.broadcast_to(delta, (rows, 1, columns, 1, *delta.shape))
    deltas = [delta]
    for layer in reversed(range(1, len(grids))):
        delta = _backward(network, layer, grids[layer], delta)
        deltas.append(slopes[layer - 1][:, None, :, None, None] * delta)
        delta = deltas[-1]
    return [LayerState(*both) for both in zip(entering, deltas[::-1], strict=True)]


def _resized(grids: Grids) -> tuple[int, ...]:
    return tuple(axis.scale * n for axis, n in zip(grids.axes, grids.before, strict=True))


def _backward(network: Deconvolutional, layer: int, grids: Grids, delta: Array) -> Array:
    """The derivatives in what enters a layer, from those in what leaves it."""
    scale = jnp.asarray(_scale(network, layer, grids), delta.dtype)
    weight = network.weights[layer].astype(delta.dtype)
    weight = weight.reshape(*(axis.window for axis in grids.axes), *weight.shape[-2:])
    taps = [_of_taps(axis, n) for axis, n in zip(grids.axes, grids.before, strict=True)]
    delta = _through(scale[:, None, :, None, None, None] * delta, taps, grids.cones, weight)
    if any(axis.scale > 1 for axis in grids.axes):
        cones = [cone.of_parents(reach) for cone, reach in zip(grids.cones, taps, strict=True)]
        resizes = [_of_resize(axis, n) for axis, n in zip(grids.axes, grids.before, strict=True)]
        delta = _through(delta, resizes, cones, None)
    return delta


def _through(
    delta: Array, reaches: list[Reach], cones: Any, weight: Array | None
) -> Float[Array, "rows cone columns other_cone outputs before"]:
    """Sum over children of their derivatives, times a weight for every k or times shares."""
    for place, reach in ((0, reaches[0]), (3, reaches[1])):
        children = reach.children(delta.shape[place])
        delta = jnp.take(delta, children, axis=place, mode="fill", fill_value=0)
    if weight is None:
        rows, columns = (jnp.asarray(reach.shares, delta.dtype) for reach in reaches)
        delta = jnp.einsum("qktQKTcb,qk,QK->qktQKTcb", delta, rows, columns)
    else:
        delta = jnp.einsum("qktQKTcb,kKab->qktQKTca", delta, weight)
    for place, reach, cone in ((4, reaches[1], cones[1]), (1, reaches[0], cones[0])):
        width = cone.of_parents(reach).width
        delta = overlap_add(delta, place, cone.spacing, 0, width)
    return delta


def _scale(network: Deconvolutional, layer: int, grids: Grids) -> np.ndarray:
    return network.scale(layer).reshape(grids.after)


def _pair(
    network: Deconvolutional, one: list[LayerState], other: list[LayerState], place: Array
) -> Float[Array, "positions positions outputs outputs"]:
    """The kernel between the pixels of image place[0] of one and place[1] of the other."""
    parts = []
    for layer, grids in enumerate(_grids(network)):
        h1, delta1 = (part[place[0]] for part in one[layer])
        h2, delta2 = (part[place[1]] for part in other[layer])
        gram = _patch_gram(network, layer, grids, h1, h2)
        parts.append(_contracted(gram, grids, delta1, delta2))
    positions, outputs = prod(grids.pixels), network.channels[-1]
    kernel = jnp.asarray(sum(parts)).reshape(positions, outputs, positions, outputs)
    return kernel.transpose(0, 2, 1, 3)


def _patch_gram(network: Deconvolutional, layer: int, grids: Grids, h1: Array, h2: Array) -> Array:
    """[rows, columns, rows', columns'] after the layer."""
    gram = jnp.einsum("qQa,rRa->qQrR", h1, h2)
    for i, axis in enumerate(grids.axes):
        gram = _over_taps(gram, i, axis, grids.before[i])
    scale = jnp.asarray(_scale(network, layer, grids), gram.dtype)
    return scale[:, :, None, None] * gram * scale[None, None] + network.beta**2


def _over_taps(gram: Array, place: int, axis: AxisLayer, n: int) -> Array:
    """Sum over the taps that two positions share, along one axis of both."""
    length, zero = axis.length(n), jnp.zeros((), gram.dtype)
    config = [(0, 0, 0)] * gram.ndim
    total = jnp.zeros((), gram.dtype)
    for tap in range(axis.window):
        low = tap - axis.padding
        config[place] = low, length - low - (n * axis.scale - 1) * axis.stride - 1, axis.stride - 1
        config[place + 2] = config[place]
        total = total + lax.pad(gram, zero, config)
    return total


def _contracted(gram: Array, grids: Grids, delta1: Array, delta2: Array) -> Array:
    """Sum over r, r' of gram[r, r'] <delta1[p, r], delta2[p', r']>: [p, outputs, p', outputs']."""
    rows, columns = grids.cones
    height, width = grids.pixels

    def one_row(at: tuple[Array, Array]) -> Array:
        gram, delta = at
        pieces = gram[:, :, None, :, None, None, None] * delta2[None]
        pieces = overlap_add(pieces, 3, columns.spacing, columns.start, width)
        felt = overlap_add(pieces, 1, rows.spacing, rows.start, height)
        products = jnp.einsum("tRTcb,RhwCb->tRTchwC", delta, felt)
        return overlap_add(products, 1, columns.spacing, columns.start, width)

    pieces = lax.map(one_row, (gram, delta1))
    return overlap_add(pieces, 0, rows.spacing, rows.start, height)
