"""Transposed and strided convolutions, each the other's adjoint, as XLA runs them fastest.

sum over p, q, k with p = stride q + k - padding of y_p x_q W_k is linear in outputs y, inputs x and
weights W of a transposed convolution. Its derivatives in each of them are the transposed
convolution, the strided one and the derivative in the weights; and each of these three, being
linear in two, has the other two as its derivatives. They are one primitive of JAX here, so that
every derivative of any order, forward or backward, is one of three maps that are fast:

- transposed, on a CPU: a plain convolution for all outputs one stride apart, the results set side
  by side as pixels. XLA's convolution with a dilated input, which is cuDNN's on a GPU, multiplies
  the zeros there, and its derivative in the weights can be slower by factors of ten;
- strided: XLA's own, and so is its derivative in the weights.

A matrix product of every input with all taps, the pieces then laid down `stride` apart and added
up, spends its time on the pieces; it is taken where they are few. With weights of several
networks at once, under jax.vmap, XLA's convolutions are the slow ones, and all three are products.

benchmarks/test_deconvolution_bench.py has the times.
"""

from collections.abc import Callable, Sequence
from functools import cache, partial
from math import prod
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.core import ShapedArray
from jax.experimental.xla_metadata import set_xla_metadata
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir
from jaxtyping import Array, Float

from ..graphs import AxisLayer

_OPTIONS: dict[str, str | int] = {
    "xla_cpu_experimental_ynn_fusion_type": (
        "LIBRARY_FUSION_TYPE_INDIVIDUAL_DOT,LIBRARY_FUSION_TYPE_REDUCE"
    )
}

Axes = tuple[AxisLayer, ...]


@cache
def compiler_options() -> dict[str, str | int]:
    """For jax.jit of what convolves much, on a CPU; empty where this XLA does not know them.

    With them XLA leaves products and sums alone to its library YNNPACK. The convolutions of that
    one took up to four times as long as those that XLA then falls back on (JAX 0.10).
    """
    try:
        jax.jit(lambda: 0, compiler_options=_OPTIONS).lower().compile()
    except jax.errors.JaxRuntimeError:
        return {}
    return _OPTIONS


@partial(jax.jit, static_argnames="axes")
def transposed_convolution(
    x: Float[Array, "n *size before"],
    weight: Float[Array, "*window before after"],
    axes: tuple[AxisLayer, ...],
) -> Float[Array, "n *after after_channels"]:
    """y_p = sum over taps k and positions q with p = stride q + k - padding of x_q W_k.

    Arguments:
        x: positions, as they are after a resize, and channels.
        weight: of all taps.
        axes: window, stride, padding and output padding along every axis; a resize is left out.
    """
    axes = tuple(axis._replace(scale=1) for axis in axes)
    return _bilinear.bind(x, weight, axes=axes, of="y", precision=_precision())


@partial(jax.jit, static_argnames="axes")
def strided_convolution(
    x: Float[Array, "n *size before"],
    weight: Float[Array, "*window before after"],
    axes: tuple[AxisLayer, ...],
) -> Float[Array, "n *after after_channels"]:
    """y_q = sum over taps k of x_(stride q + k - padding) W_k.

    Arguments:
        x: positions, zero beyond the border, and channels.
        weight: of all taps.
        axes: window, stride and padding along every axis, as of the transposed convolution.
    """
    back = tuple(
        axis._replace(scale=1, output_padding=(n + 2 * axis.padding - axis.window) % axis.stride)
        for axis, n in zip(axes, x.shape[1:-1], strict=True)
    )
    swapped = jnp.swapaxes(weight, -1, -2)
    return _bilinear.bind(x, swapped, axes=back, of="x", precision=_precision())


def resized(
    x: Float[Array, "n *size before"], axes: Sequence[AxisLayer]
) -> Float[Array, "n *resized before"]:
    """What the resize along every axis makes of the positions; x itself where there is none."""
    for i, axis in enumerate(axes, start=1):
        if axis.scale > 1:
            matrix = jnp.asarray(axis.resizing(x.shape[i]), x.dtype)
            x = jnp.moveaxis(jnp.tensordot(matrix, x, (1, i)), 0, i)
    return x


def _precision() -> str | None:
    """Of products where the primitive is bound; it is lowered later, in another context."""
    config: Any = jax.config  # its types leave most settings out
    return config.jax_default_matmul_precision


_bilinear = Primitive("transposed_convolution")  # of (x, W), (y, W), (y, x): y, x or W


def _transpose(
    place: int, slope: Array, a: Any, b: Any, *, axes: Axes, of: str, precision: str | None
) -> Array:
    """The derivative in the first or the second operand, which is then no array."""
    known = {of: slope, _OPERANDS[of][1 - place]: (a, b)[1 - place]}
    wanted = _OPERANDS[of][place]
    operands = (known[name] for name in _OPERANDS[wanted])
    return _bilinear.bind(*operands, axes=axes, of=wanted, precision=precision)


def _batched(
    operands: Sequence[Array], places: Sequence[int | None], **options: Any
) -> tuple[Array, int]:
    """Several x and y with one W are more of x and y."""
    if options["of"] == "W" or places[1] is not None:
        forms = (partial(_precisely, form, **options) for form in (_product, _by_xla))
        cpu, default = (jax.vmap(form, places) for form in forms)
        return lax.platform_dependent(*operands, cpu=cpu, default=default), 0
    many = jnp.moveaxis(operands[0], places[0] or 0, 0)
    found = _bilinear.bind(many.reshape(-1, *many.shape[2:]), operands[1], **options)
    return found.reshape(*many.shape[:2], *found.shape[1:]), 0


def _precisely(
    form: Callable[..., Array], a: Array, b: Array, *, axes: Axes, of: str, precision: str | None
) -> Array:
    with jax.default_matmul_precision(precision):
        return form(a, b, axes=axes, of=of)


def _shape(a: Any, b: Any, *, axes: Axes, of: str, precision: str | None) -> ShapedArray:
    found = jax.eval_shape(partial(_by_xla, axes=axes, of=of), a, b)
    return ShapedArray(found.shape, found.dtype)


def _by_xla(a: Array, b: Array, *, axes: Axes, of: str) -> Array:
    match of:
        case "y":
            return _dilated(a, b, axes)
        case "x":
            return _strided(a, jnp.swapaxes(b, -1, -2), axes)
    return jnp.swapaxes(_of_weight(a, b, axes), -1, -2)


def _on_cpu(a: Array, b: Array, *, axes: Axes, of: str) -> Array:
    if of != "y":
        return _by_xla(a, b, axes=axes, of=of)
    taps, (before, after) = prod(axis.window for axis in axes), b.shape[-2:]
    few = taps * after <= before or prod(a.shape[1:-1]) == 1  # or nothing is added up
    return (_by_product if few else _by_phases)(a, b, axes)


def _product(a: Array, b: Array, *, axes: Axes, of: str) -> Array:
    """What is linear in one of the operands of `_by_product` is its transpose in the other."""
    if of == "y":
        return _by_product(a, b, axes)
    wanted = jax.eval_shape(partial(_by_xla, axes=axes, of=of), a, b)
    if of == "x":
        form = partial(_by_product, weight=b, axes=axes)
    else:
        form = partial(_by_product, b, axes=axes)
    return jax.linear_transpose(form, wanted)(a)[0]


def _of_weight(x: Array, slope: Array, axes: Axes) -> Array:
    """What the strided convolution's derivative in its weights leads back to.

    XLA turns `x` channels first for it. Where it may, it computes `x` anew on the way, which is
    slow on a CPU; a call that it must not inline forbids it.
    """
    with set_xla_metadata(inlineable="false"):
        x = jax.jit(lambda x: x)(x)
    window = [axis.window for axis in axes]
    weight = jax.ShapeDtypeStruct((*window, x.shape[-1], slope.shape[-1]), x.dtype)
    return jax.linear_transpose(partial(_strided, x, axes=axes), weight)(slope)[0]


def _dilated(x: Array, weight: Array, axes: Axes) -> Array:
    flipped = jnp.flip(weight, range(len(axes)))
    pads = [
        (axis.window - 1 - axis.padding, axis.window - 1 - axis.padding + axis.output_padding)
        for axis in axes
    ]
    strides = [axis.stride for axis in axes]
    return _convolution(x, flipped, [1] * len(axes), pads, lhs_dilation=strides)


def _strided(x: Array, weight: Array, axes: Axes) -> Array:
    pads = [(axis.padding, axis.padding) for axis in axes]
    return _convolution(x, weight, [axis.stride for axis in axes], pads)


def _by_product(x: Array, weight: Array, axes: Axes) -> Array:
    """[n, *size, before] times [before, *window after], then the pieces added up."""
    dimensions = len(axes)
    pieces = jnp.tensordot(x, weight, (x.ndim - 1, dimensions))
    order = [place for i in range(dimensions) for place in (1 + i, 1 + dimensions + i)]
    pieces = pieces.transpose(0, *order, 1 + 2 * dimensions)
    for i in reversed(range(dimensions)):
        length = axes[i].length(x.shape[1 + i])
        pieces = overlap_add(pieces, 1 + 2 * i, axes[i].stride, axes[i].padding, length)
    return pieces


def _by_phases(x: Array, weight: Array, axes: Axes) -> Array:
    """A convolution for all outputs one stride apart: they share taps, also one stride apart."""
    dimensions, strides = len(axes), [axis.stride for axis in axes]
    shared = [-(-axis.window // axis.stride) for axis in axes]
    more = [(0, m * axis.stride - axis.window) for m, axis in zip(shared, axes, strict=True)]
    weight = jnp.pad(weight, [*more, (0, 0), (0, 0)])
    lengths = [axis.length(n) for axis, n in zip(axes, x.shape[1:-1], strict=True)]
    counts = [-(-length // s) for length, s in zip(lengths, strides, strict=True)]
    phases = []
    for phase in np.ndindex(*strides):
        taps, pads = [], []
        for i, axis in enumerate(axes):
            first, tap = divmod(phase[i] + axis.padding, axis.stride)
            taps.append(slice(tap, None, axis.stride))
            pads.append((shared[i] - 1 - first, counts[i] + first - x.shape[1 + i]))
        kernel = jnp.flip(weight[tuple(taps)], range(dimensions))
        phases.append(_convolution(x, kernel, [1] * dimensions, pads))
    y = jnp.stack(phases, axis=-2).reshape(len(x), *counts, *strides, weight.shape[-1])
    order = [place for i in range(dimensions) for place in (1 + i, 1 + dimensions + i)]
    y = y.transpose(0, *order, 1 + 2 * dimensions)
    y = y.reshape(len(x), *np.multiply(counts, strides).tolist(), weight.shape[-1])
    return y[:, *(slice(length) for length in lengths)]


def _convolution(
    x: Array, kernel: Array, strides: Sequence[int], pads: Sequence[tuple[int, int]], **more: Any
) -> Array:
    axes = "HW"[: len(strides)]
    letters = f"N{axes}C", f"{axes}IO", f"N{axes}C"
    return lax.conv_general_dilated(x, kernel, strides, pads, dimension_numbers=letters, **more)


_OPERANDS = {"y": ("x", "W"), "x": ("y", "W"), "W": ("y", "x")}
_ours, _xla = partial(_precisely, _on_cpu), partial(_precisely, _by_xla)
_bilinear.def_impl(_ours)  # a page runs it as well
_bilinear.def_abstract_eval(_shape)
ad.defbilinear(_bilinear, partial(_transpose, 0), partial(_transpose, 1))
batching.primitive_batchers[_bilinear] = _batched
mlir.register_lowering(_bilinear, mlir.lower_fun(_xla, multiple_results=False))
mlir.register_lowering(_bilinear, mlir.lower_fun(_ours, multiple_results=False), platform="cpu")


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
