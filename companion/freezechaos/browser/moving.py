"""What puts elements elsewhere: joins, margins, windows that move, gathers and scatters."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from .elementwise import literal
from .emit import Located, Scope, element, nest
from .places import Place
from .program import Equation


def _concatenate(scope: Scope, equation: Equation) -> list[Located]:
    axis, value = equation.params["dimension"], equation.outputs[0]
    target, start = scope.emitter.array(value.shape, value.dtype), 0
    for part in equation.inputs:
        low, high = [0] * len(value.shape), list(value.shape)
        low[axis], high[axis] = start, start + part.shape[axis]
        scope.copied(scope.locate(part), target.sliced(low, high, [1] * len(low)))
        start = high[axis]
    return [target]


def _split(scope: Scope, equation: Equation) -> list[Located]:
    source, axis, start, parts = scope.place(equation.inputs[0]), equation.params["axis"], 0, []
    for size in equation.params["sizes"]:
        low, high = [0] * len(source.shape), list(source.shape)
        low[axis], high[axis] = start, start + int(size)
        parts.append(source.sliced(low, high, [1] * len(low)))
        start = high[axis]
    return [*parts]


def _pad(scope: Scope, equation: Equation) -> list[Located]:
    value = equation.outputs[0]
    margins = equation.params["padding_config"]
    target = scope.emitter.array(value.shape, value.dtype)
    scope.copied(scope.number(equation.inputs[1]), target)
    within(scope, scope.locate(equation.inputs[0]), equation.inputs[0].shape, target, margins)
    return [target]


def within(
    scope: Scope, source: Located, shape: Sequence[int], target: Place,
    margins: Sequence[tuple[int, ...]],
) -> None:  # fmt: skip
    """Copy `source`, of that shape, into `target`; margins are before, after, between."""
    first, limit, low, step = [], [], [], []
    for length, room, (before, _, interior) in zip(shape, target.shape, margins, strict=True):
        pace = interior + 1
        start = max(0, -(before // pace)) if before < 0 else 0
        end = min(length, max(start, (room - 1 - before) // pace + 1))
        first.append(start)
        limit.append(end)
        low.append(before + start * pace)
        step.append(pace)
    if any(a >= b for a, b in zip(first, limit, strict=True)):
        return
    count = [b - a for a, b in zip(first, limit, strict=True)]
    if isinstance(source, Place):
        source = source.sliced(first, limit, [1] * len(first))
    high = [a + (n - 1) * s + 1 for a, n, s in zip(low, count, step, strict=True)]
    scope.copied(source, target.sliced(low, high, step))


def _window(scope: Scope, place: Place, starts: list[str], sizes: tuple[int, ...]) -> Place:
    """The part of those sizes that begins at `starts`, moved inside where it would not fit."""
    moved = []
    for start, size, length, stride in zip(starts, sizes, place.shape, place.strides, strict=True):
        if length > size:
            moved.append(scope.named(f"Math.max(0,Math.min({start},{length - size}))*{stride}"))
    return replace(place, shape=tuple(sizes), moved=(*place.moved, *moved))


def _dynamic_slice(scope: Scope, equation: Equation) -> list[Located]:
    source = scope.locate(equation.inputs[0])
    if isinstance(source, str):
        return [source]
    starts = [scope.number(value) for value in equation.inputs[1:]]
    return [_window(scope, source, starts, equation.outputs[0].shape)]


def _dynamic_update_slice(scope: Scope, equation: Equation) -> list[Located]:
    value, update = equation.outputs[0], equation.inputs[1]
    target = scope.emitter.array(value.shape, value.dtype)
    scope.copied(scope.locate(equation.inputs[0]), target)
    starts = [scope.number(start) for start in equation.inputs[2:]]
    scope.copied(scope.locate(update), _window(scope, target, starts, update.shape))
    return [target]


def _fill(equation: Equation) -> str:
    value, dtype = equation.params.get("fill_value"), equation.outputs[0].dtype
    if value is None:
        kind = np.dtype(dtype).kind
        value = np.nan if kind == "f" else True if kind == "b" else np.iinfo(dtype).max
        if kind == "i":
            value = np.iinfo(dtype).min
    return literal(value, dtype)


def _corners(
    scope: Scope, operand: Place, indices: Place, mapped: tuple[int, ...], sizes: list[int],
    own: tuple[int, ...], theirs: tuple[int, ...], clip: bool,
) -> tuple[list[Place], Callable[[list[str]], tuple[str, str, str]]]:  # fmt: skip
    """Places over the batch of windows, and from their indices: lines, the offset, a test."""
    batch = indices.shape[:-1]
    columns = [
        replace(
            indices, shape=batch, strides=indices.strides[:-1],
            offset=indices.offset + k * indices.strides[-1],
        )
        for k in range(indices.shape[-1])
    ]  # fmt: skip
    counters = [
        Place(None, batch, tuple(int(k == axis) for k in range(len(batch))), "int32")
        for axis in theirs
    ]

    def corner(at: list[str]) -> tuple[str, str, str]:
        lines, terms, tests = "", [operand.start], []
        for place, index, axis in zip(columns, at, mapped, strict=False):
            name = scope.emitter.fresh("x")
            last, number = operand.shape[axis] - sizes[axis], element(place, index)
            if clip:
                number = f"Math.max(0,Math.min({number},{last}))"
            else:
                tests.append(f"{name}>=0&&{name}<={last}")
            lines += f"const {name}={number};"
            terms.append(f"{name}*{operand.strides[axis]}")
        for index, axis in zip(at[len(columns) :], own, strict=False):
            terms.append(f"({index})*{operand.strides[axis]}")
        return lines, "+".join(terms), "&&".join(tests)

    return columns + counters, corner


def _clips(equation: Equation) -> bool:
    mode = str(equation.params["mode"]).upper()
    return "CLIP" in mode


def _gather(scope: Scope, equation: Equation) -> list[Located]:
    numbers, sizes = equation.params["dimension_numbers"], list(equation.params["slice_sizes"])
    operand, indices = (scope.place(value) for value in equation.inputs)
    value = equation.outputs[0]
    target = scope.emitter.array(value.shape, value.dtype)
    gone = {*numbers.collapsed_slice_dims, *numbers.operand_batching_dims}
    window = operand.transposed([k for k in range(len(sizes)) if k not in gone])
    window = replace(window, shape=tuple(sizes[k] for k in range(len(sizes)) if k not in gone))
    into = target.transposed(numbers.offset_dims)
    over = target.transposed([k for k in range(len(value.shape)) if k not in numbers.offset_dims])
    places, corner = _corners(
        scope, operand, indices, tuple(map(int, numbers.start_index_map)), sizes,
        numbers.operand_batching_dims, numbers.start_indices_batching_dims, _clips(equation),
    )  # fmt: skip

    def inner(at: list[str]) -> str:
        lines, offset, test = corner(at[1:])
        r, q = scope.emitter.fresh("r"), scope.emitter.fresh("r")
        pair = [replace(window, offset=0, moved=(r,)), replace(into, offset=0, moved=(q,))]
        copy = nest(
            scope.emitter, window.shape, pair,
            lambda k: f"{target.base}[{k[1]}]={operand.base}[{k[0]}];",
        )  # fmt: skip
        text = f"{lines}const {r}={offset},{q}={at[0]};"
        if not test:
            return text + copy
        fill = nest(
            scope.emitter, window.shape, pair[1:],
            lambda k: f"{target.base}[{k[0]}]={_fill(equation)};",
        )  # fmt: skip
        return f"{text}if({test}){{{copy}}}else{{{fill}}}"

    scope.call(nest(scope.emitter, over.shape, [over, *places], inner))
    return [target]


_UPDATES: dict[str, Callable[[str, str], str]] = {
    "scatter": lambda a, b: b,
    "scatter-add": lambda a, b: f"{a}+{b}",
    "scatter-mul": lambda a, b: f"{a}*{b}",
    "scatter-min": lambda a, b: f"Math.min({a},{b})",
    "scatter-max": lambda a, b: f"Math.max({a},{b})",
}


def _scatter(scope: Scope, equation: Equation) -> list[Located]:
    numbers, value = equation.params["dimension_numbers"], equation.outputs[0]
    update = _UPDATES[equation.name]
    indices, updates = (scope.place(v) for v in equation.inputs[1:])
    target = scope.emitter.array(value.shape, value.dtype)
    scope.copied(scope.locate(equation.inputs[0]), target)
    gone = {*numbers.inserted_window_dims, *numbers.operand_batching_dims}
    kept = [k for k in range(len(value.shape)) if k not in gone]
    sizes = [1] * len(value.shape)
    for k, axis in zip(kept, numbers.update_window_dims, strict=True):
        sizes[k] = updates.shape[axis]
    window = replace(target.transposed(kept), shape=tuple(sizes[k] for k in kept))
    come = updates.transposed(numbers.update_window_dims)
    over = updates.transposed(
        [k for k in range(len(updates.shape)) if k not in numbers.update_window_dims]
    )
    places, corner = _corners(
        scope, target, indices, numbers.scatter_dims_to_operand_dims, sizes,
        numbers.operand_batching_dims, numbers.scatter_indices_batching_dims, _clips(equation),
    )  # fmt: skip

    def inner(at: list[str]) -> str:
        lines, offset, test = corner(at[1:])
        r, q = scope.emitter.fresh("r"), scope.emitter.fresh("r")
        pair = [replace(window, offset=0, moved=(r,)), replace(come, offset=0, moved=(q,))]

        def one(k: list[str]) -> str:
            place = f"{target.base}[{k[0]}]"
            return f"{place}={update(place, element(come, k[1]))};"

        text = f"{lines}const {r}={offset},{q}={at[0]};"
        turn = nest(scope.emitter, window.shape, pair, one)
        return f"{text}if({test}){{{turn}}}" if test else text + turn

    scope.call(nest(scope.emitter, over.shape, [over, *places], inner))
    return [target]


MOVING = {
    "concatenate": _concatenate,
    "split": _split,
    "pad": _pad,
    "dynamic_slice": _dynamic_slice,
    "dynamic_update_slice": _dynamic_update_slice,
    "gather": _gather,
    **dict.fromkeys(_UPDATES, _scatter),
}
