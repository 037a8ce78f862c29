"""Transposed and strided convolutions, each the other's adjoint, as they ran fastest.

On a GPU XLA's convolution with a dilated input is cuDNN's. On a CPU that formulation multiplies
the zeros between the inputs, and the derivative of a convolution of XLA's in its weights can be
slower than a matrix product by factors of ten. There a transposed convolution is

- a product: every input position times all taps in one matrix product, the pieces then laid down
  `stride` apart and added up; its derivatives are as good;
- or a plain convolution into stride x stride as many channels, set side by side as pixels, which
  writes less, but pads, and on a small grid multiplies many zeros.

Where one network is trained by backpropagation alone, both derivatives are those of the strided
convolution that leads back; and the strided convolution's in its inputs is the transposed one.

benchmarks/test_deconvolution_bench.py has the times.
"""

from collections.abc import Sequence
from functools import cache, partial
from math import prod

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.custom_batching import custom_vmap
from jax.experimental.xla_metadata import set_xla_metadata
from jaxtyping import Array, Float

from ..graphs import AxisLayer

_OPTIONS = {
    "xla_cpu_experimental_ynn_fusion_type": (
        "LIBRARY_FUSION_TYPE_INDIVIDUAL_DOT,LIBRARY_FUSION_TYPE_REDUCE"
    )
}
_WRITTEN, _GATHERED = 150, 40  # what a number costs, in multiplications; measured on two cores

Saved = tuple[Array, tuple[Array, Array]]  # a value, and what its derivative needs


@cache
def compiler_options() -> dict[str, str]:
    """For jax.jit of what convolves much, on a CPU; empty where this XLA does not know them.

    With them XLA leaves products and sums alone to its library YNNPACK. The convolutions of that
    one took up to four times as long as those that XLA then falls back on (JAX 0.10).
    """
    try:
        jax.jit(lambda: 0, compiler_options=_OPTIONS).lower().compile()
    except jax.errors.JaxRuntimeError:
        return {}
    return _OPTIONS


@partial(jax.jit, static_argnames=("axes", "reverse_only"))
def transposed_convolution(
    x: Float[Array, "n *size before"],
    weight: Float[Array, "*window before after"],
    axes: tuple[AxisLayer, ...],
    *,
    reverse_only: bool = False,
) -> Float[Array, "n *after after_channels"]:
    """y_p = sum over taps k and positions q with p = stride q + k - padding of x_q W_k.

    Arguments:
        x: positions, as they are after a resize, and channels.
        weight: of all taps.
        axes: window, stride, padding and output padding along every axis; a resize is left out.
        reverse_only: whether derivatives are taken by backpropagation alone, never forward, and
            of one network, not of an ensemble under vmap.
    """
    axes = tuple(axis._replace(scale=1) for axis in axes)
    if reverse_only:
        return _backpropagated(x, weight, axes)
    return lax.platform_dependent(
        x, weight, cpu=partial(_on_cpu, axes=axes), default=partial(_dilated, axes=axes)
    )


@partial(jax.custom_vjp, nondiff_argnums=(2,))
def strided_convolution(
    x: Float[Array, "n *size before"],
    weight: Float[Array, "*window before after"],
    axes: tuple[AxisLayer, ...],
) -> Float[Array, "n *after after_channels"]:
    """y_q = sum over taps k of x_(stride q + k - padding) W_k, to be backpropagated through.

    The derivative in the inputs is a transposed convolution, so on a CPU it is none with a dilated
    input; there is no forward derivative.

    Arguments:
        x: positions, zero beyond the border, and channels.
        weight: of all taps.
        axes: window, stride and padding along every axis, as of the transposed convolution.
    """
    return _strided(x, weight, axes)


def _strided_forward(x: Array, weight: Array, axes: tuple[AxisLayer, ...]) -> Saved:
    return _strided(x, weight, axes), (x, weight)


def _strided_backward(
    axes: tuple[AxisLayer, ...], saved: tuple[Array, Array], slope: Array
) -> tuple[Array, Array]:
    x, weight = saved
    back = tuple(
        axis._replace(output_padding=(n + 2 * axis.padding - axis.window) % axis.stride)
        for axis, n in zip(axes, x.shape[1:-1], strict=True)
    )
    of_x = transposed_convolution(slope, jnp.swapaxes(weight, -1, -2), back, reverse_only=True)
    return of_x, _of_weight(x, weight, slope, axes)


strided_convolution.defvjp(_strided_forward, _strided_backward)


def _on_cpu(x: Array, weight: Array, axes: tuple[AxisLayer, ...]) -> Array:
    """The convolution where it is the faster one, with the product's derivatives.

    With weights of several networks XLA's convolution is slow again, and the product is taken.
    """
    by_product = partial(_by_product, axes=axes)
    if _product_is_faster(x, weight, axes):
        return by_product(x, weight)

    @custom_vmap
    def forward(x: Array, weight: Array) -> Array:
        return _by_convolution(x, weight, axes)

    @forward.def_vmap
    def several(_: int, batched: list[bool], x: Array, weight: Array) -> tuple[Array, bool]:
        places = [0 if one else None for one in batched]
        alone = by_product if batched[1] else partial(_by_convolution, axes=axes)
        return jax.vmap(alone, places)(x, weight), True

    @jax.custom_jvp
    def convolved(x: Array, weight: Array) -> Array:
        return forward(x, weight)

    @convolved.defjvp
    def derivative(primals: tuple, tangents: tuple) -> tuple[Array, Array]:
        return convolved(*primals), jax.jvp(by_product, primals, tangents)[1]

    return convolved(x, weight)


def _product_is_faster(x: Array, weight: Array, axes: tuple[AxisLayer, ...]) -> bool:
    """The product writes every piece; the convolution gathers its inputs, those of padding too."""
    before, after = weight.shape[-2:]
    blocks = prod(last - first for first, last in map(_blocks, axes, x.shape[1:-1]))
    shared = prod(-(-axis.window // axis.stride) for axis in axes)
    strides = prod(axis.stride for axis in axes)
    taps = prod(axis.window for axis in axes)
    product = prod(x.shape[1:-1]) * taps * after * (before + _WRITTEN)
    return product < blocks * shared * before * (strides * after + _GATHERED)


@partial(jax.custom_vjp, nondiff_argnums=(2,))
def _backpropagated(x: Array, weight: Array, axes: tuple[AxisLayer, ...]) -> Array:
    on_cpu = _by_product if _product_is_faster(x, weight, axes) else _by_convolution
    return lax.platform_dependent(
        x, weight, cpu=partial(on_cpu, axes=axes), default=partial(_dilated, axes=axes)
    )


def _backpropagated_forward(x: Array, weight: Array, axes: tuple[AxisLayer, ...]) -> Saved:
    return _backpropagated(x, weight, axes), (x, weight)


def _backpropagated_backward(
    axes: tuple[AxisLayer, ...], saved: tuple[Array, Array], slope: Array
) -> tuple[Array, Array]:
    x, weight = saved
    swapped = jnp.swapaxes(weight, -1, -2)
    of_weight = _of_weight(slope, swapped, x, axes)
    return _strided(slope, swapped, axes), jnp.swapaxes(of_weight, -1, -2)


_backpropagated.defvjp(_backpropagated_forward, _backpropagated_backward)


def _of_weight(x: Array, weight: Array, slope: Array, axes: tuple[AxisLayer, ...]) -> Array:
    """What the strided convolution's derivative in its weights leads back to.

    XLA turns `x` channels first for it. Where it may, it computes `x` anew on the way, which is
    slow on a CPU; a call that it must not inline forbids it.
    """
    with set_xla_metadata(inlineable="false"):
        x = jax.jit(lambda x: x)(x)
    _, pullback = jax.vjp(partial(_strided, x, axes=axes), weight)
    return pullback(slope)[0]


def _dilated(x: Array, weight: Array, axes: tuple[AxisLayer, ...]) -> Array:
    flipped = jnp.flip(weight, range(len(axes)))
    pads = [
        (axis.window - 1 - axis.padding, axis.window - 1 - axis.padding + axis.output_padding)
        for axis in axes
    ]
    strides, ones = [axis.stride for axis in axes], [1] * len(axes)
    return lax.conv_general_dilated(
        x, flipped, ones, pads, lhs_dilation=strides, dimension_numbers=_channels_last(len(axes))
    )


def _strided(x: Array, weight: Array, axes: tuple[AxisLayer, ...]) -> Array:
    strides, pads = [axis.stride for axis in axes], [(axis.padding, axis.padding) for axis in axes]
    return lax.conv_general_dilated(
        x, weight, strides, pads, dimension_numbers=_channels_last(len(axes))
    )


def _by_product(x: Array, weight: Array, axes: tuple[AxisLayer, ...]) -> Array:
    """[n, *size, before] times [before, *window after], then the pieces added up."""
    dimensions = len(axes)
    pieces = jnp.tensordot(x, weight, (x.ndim - 1, dimensions))
    order = [place for i in range(dimensions) for place in (1 + i, 1 + dimensions + i)]
    pieces = pieces.transpose(0, *order, 1 + 2 * dimensions)
    for i in reversed(range(dimensions)):
        length = axes[i].length(x.shape[1 + i])
        pieces = overlap_add(pieces, 1 + 2 * i, axes[i].stride, axes[i].padding, length)
    return pieces


def _by_convolution(x: Array, weight: Array, axes: tuple[AxisLayer, ...]) -> Array:
    """All outputs p of one block, floor((p + padding) / stride), as channels of one position."""
    dimensions, size = len(axes), x.shape[1:-1]
    strides, pads, cuts = [axis.stride for axis in axes], [], []
    for axis, n in zip(axes, size, strict=True):
        first, last = _blocks(axis, n)
        pads.append((-(-axis.window // axis.stride) - 1 - first, last - n))
        start = axis.padding - first * axis.stride
        cuts.append((start, start + axis.length(n)))
    kernel = _by_blocks(weight, strides)
    y = lax.conv_general_dilated(
        x, kernel, [1] * dimensions, pads, dimension_numbers=_channels_last(dimensions)
    )
    grid = y.shape[1:-1]
    y = y.reshape(len(x), *grid, *strides, weight.shape[-1])
    order = [place for i in range(dimensions) for place in (1 + i, 1 + dimensions + i)]
    y = y.transpose(0, *order, 1 + 2 * dimensions)
    y = y.reshape(len(x), *np.multiply(grid, strides).tolist(), weight.shape[-1])
    return y[:, *(slice(*cut) for cut in cuts)]


def _blocks(axis: AxisLayer, n: int) -> tuple[int, int]:
    """The first block of outputs that is wanted, and the one after the last."""
    return axis.padding // axis.stride, -(-(axis.padding + axis.length(n)) // axis.stride)


def _by_blocks(weight: Array, strides: Sequence[int]) -> Array:
    """[*blocks, before, *strides after]: tap k is number k mod stride of block k // stride."""
    dimensions, (before, after) = len(strides), weight.shape[-2:]
    counts = [-(-window // s) for window, s in zip(weight.shape, strides, strict=False)]
    more = [(0, m * s - w) for m, s, w in zip(counts, strides, weight.shape, strict=False)]
    split = [number for both in zip(counts, strides, strict=True) for number in both]
    taps = jnp.pad(weight, [*more, (0, 0), (0, 0)]).reshape(*split, before, after)
    blocks, within = range(0, 2 * dimensions, 2), range(1, 2 * dimensions, 2)
    taps = taps.transpose(*blocks, 2 * dimensions, *within, 2 * dimensions + 1)
    return jnp.flip(taps.reshape(*counts, before, prod(strides) * after), range(dimensions))


def _channels_last(dimensions: int) -> tuple[str, str, str]:
    axes = "HW"[:dimensions]
    return f"N{axes}C", f"{axes}IO", f"N{axes}C"


def overlap_add(
    pieces: Float[Array, "..."], axis: int, spacing: int, start: int, length: int
) -> Float[Array, "..."]:
    """Pieces laid down `spacing` apart and added up, of which [start, start + length) is kept.

    out_p = sum over i of pieces[i, p + start - spacing i].

    Arguments:
        pieces: their number along `axis`, what they hold along the next one.
        axis, spacing, start, length: `spacing` and `length` 1 or more, `start` 0 or more.
    """
    count, width = pieces.shape[axis : axis + 2]
    overlaps = -(-width // spacing)
    pieces = _padded(pieces, axis + 1, 0, overlaps * spacing - width)
    total = sum(
        _padded(
            lax.slice_in_dim(pieces, j * spacing, (j + 1) * spacing, axis=axis + 1),
            axis, j, overlaps - 1 - j,
        )
        for j in range(overlaps)
    )  # fmt: skip
    laid = (count + overlaps - 1) * spacing
    total = jnp.reshape(total, (*pieces.shape[:axis], laid, *pieces.shape[axis + 2 :]))
    return _padded(total, axis, -start, start + length - laid)


def _padded(array: Array, axis: int, low: int, high: int) -> Array:
    """Zeros added at both ends of an axis, or as many entries cut off where negative."""
    config = [(0, 0, 0)] * array.ndim
    config[axis] = (low, high, 0)
    return lax.pad(array, jnp.zeros((), array.dtype), config)
