"""Products of matrices, and convolutions, which become one."""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from .emit import Located, Scope, nest
from .moving import within
from .places import Place
from .program import Equation, Unsupported


class _Matrices(NamedTuple):
    """Matrices in an array: over the batch where each begins; its two axes, length and stride."""

    outer: Place
    rows: tuple[int, int]
    along: tuple[int, int]


def _dot_general(scope: Scope, equation: Equation) -> list[Located]:
    """Batches of products, each [m, k] times [k, n]; axes that belong together walked as one."""
    _check_float(equation)
    summed, batch = equation.params["dimension_numbers"]
    places = [scope.place(value) for value in equation.inputs]
    a, b = (_matrices(scope, *side) for side in zip(places, batch, summed, strict=True))
    return [_product(scope, a, b, equation.outputs[0].shape)]


def _convolution(scope: Scope, equation: Equation) -> list[Located]:
    """All windows side by side, overlapping as they are, times the weights."""
    _check_float(equation)
    params = equation.params
    if params["batch_group_count"] != 1:
        raise Unsupported(f"`conv_general_dilated` with groups in the batch, at {equation.where}")
    left, right, out = params["dimension_numbers"]
    groups = params["feature_group_count"]
    x, weights = (scope.place(value) for value in equation.inputs)
    x = _spread_out(scope, x.transposed((left[0], *left[2:], left[1])), params)
    weights = weights.transposed((*right[2:], right[1], right[0]))

    window, inside, outside = weights.shape[:-2], weights.shape[-2], weights.shape[-1] // groups
    seen = _windows(x, window, groups, params)
    parted = weights.reshaped((*window, inside, groups, outside))
    assert parted is not None
    last = len(window)
    a = _matrices(scope, seen, [0], range(2 + last, 3 + 2 * last))
    b = _matrices(scope, parted, [last + 1], range(last + 1))
    found = _product(scope, a, b, (*seen.shape[: 2 + last], outside))

    found = found.transposed([*range(1, 2 + last), 0, 2 + last])  # groups beside their channels
    whole = (*found.shape[: 1 + last], groups * outside)
    laid = found.reshaped(whole) or Place.whole(scope.contiguous(found).base, whole, found.dtype)
    return [laid.transposed([(out[0], *out[2:], out[1]).index(k) for k in range(len(whole))])]


def _windows(x: Place, window: Sequence[int], groups: int, params: dict) -> Place:
    """[groups, n, *turns, *window, channels of a group], of x [n, *size, channels]."""
    count, *sizes, channels = x.shape
    gaps, steps = params["rhs_dilation"], params["window_strides"]
    turns = [
        (size - (taps - 1) * gap - 1) // step + 1
        for size, taps, gap, step in zip(sizes, window, gaps, steps, strict=True)
    ]
    first, *along, own = x.strides
    inside = channels // groups
    of_turns = [stride * step for stride, step in zip(along, steps, strict=True)]
    of_taps = [stride * gap for stride, gap in zip(along, gaps, strict=True)]
    return replace(
        x,
        shape=(groups, count, *turns, *window, inside),
        strides=(own * inside, first, *of_turns, *of_taps, own),
    )


def _spread_out(scope: Scope, x: Place, params: dict) -> Place:
    """[n, *size, channels] with zeros around and between; they stay zeros, so none is written."""
    gaps = params["lhs_dilation"]
    margins = [(*pads, gap - 1) for pads, gap in zip(params["padding"], gaps, strict=True)]
    if not any(map(any, margins)):
        return x
    sizes = [
        low + high + (length - 1) * (between + 1) + 1
        for length, (low, high, between) in zip(x.shape[1:-1], margins, strict=True)
    ]
    target = scope.emitter.array((x.shape[0], *sizes, x.shape[-1]), x.dtype)
    within(scope, x, x.shape, target, [(0, 0, 0), *margins, (0, 0, 0)])
    return target


def _matrices(scope: Scope, place: Place, batch: Sequence[int], summed: Sequence[int]) -> _Matrices:
    free = [k for k in range(len(place.shape)) if k not in (*summed, *batch)]
    if place.merged(free) is None or place.merged(summed) is None:
        order = [*batch, *free, *summed]
        place = scope.contiguous(place.transposed(order))
        ends = len(batch), len(batch) + len(free)
        batch, free, summed = range(ends[0]), [*range(*ends)], range(ends[1], len(order))
    rows, along = place.merged(free), place.merged(summed)
    assert rows is not None
    assert along is not None
    return _Matrices(place.transposed(batch), rows, along)


def _product(scope: Scope, a: _Matrices, b: _Matrices, shape: Sequence[int]) -> Place:
    """[*batch, rows of a, rows of b], in that shape."""
    (m, a_m), (k, a_k), (n, b_n), (_, b_k) = a.rows, a.along, b.rows, b.along
    target = scope.emitter.array(shape, a.outer.dtype)
    batch, multiply = a.outer.shape, "product"
    if target.dtype == "float32":
        multiply = "product32"
        scope.emitter.terms = max(scope.emitter.terms, k)
    over = replace(target, shape=batch, strides=target.strides[: len(batch)])
    scope.call(
        nest(
            scope.emitter,
            batch,
            [over, a.outer, b.outer],
            lambda at: (
                f"{multiply}({target.base},{at[0]},{a.outer.base},{at[1]},{a_m},{a_k},"
                f"{b.outer.base},{at[2]},{b_k},{b_n},{m},{n},{k});"
            ),
        )
    )
    return target


def _check_float(equation: Equation) -> None:
    dtype = equation.outputs[0].dtype
    if not dtype.startswith("float"):
        raise Unsupported(f"`{equation.name}` of {dtype}, at {equation.where}")


PRODUCTS = {"dot_general": _dot_general, "conv_general_dilated": _convolution}
