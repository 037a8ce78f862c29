"""Sums, extremes and their places; running sums; sorting. Floats are summed in double precision."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from .emit import Located, Scope, element, nest
from .program import Equation


def _least(dtype: str) -> str:
    if dtype.startswith("float"):
        return "-1/0"
    return "0" if dtype == "bool" else str(np.iinfo(dtype).min)


def _most(dtype: str) -> str:
    if dtype.startswith("float"):
        return "1/0"
    return "1" if dtype == "bool" else str(np.iinfo(dtype).max)


def _times(dtype: str, a: str, b: str) -> str:
    return f"Math.imul({a},{b})" if dtype in ("int32", "uint32") else f"{a}*{b}"


_FOLDS: dict[str, tuple[Callable[[str], str], Callable[[str, str, str], str]]] = {
    "sum": (lambda _: "0", lambda _, a, b: f"{a}+{b}"),
    "prod": (lambda _: "1", _times),
    "max": (_least, lambda _, a, b: f"Math.max({a},{b})"),
    "min": (_most, lambda _, a, b: f"Math.min({a},{b})"),
    "and": (lambda t: "1" if t == "bool" else "-1", lambda _, a, b: f"{a}&{b}"),
    "or": (lambda _: "0", lambda _, a, b: f"{a}|{b}"),
    "xor": (lambda _: "0", lambda _, a, b: f"{a}^{b}"),
}


def _reduce(kind: str) -> Callable[[Scope, Equation], list[Located]]:
    start, fold = _FOLDS[kind]

    def step(scope: Scope, equation: Equation) -> list[Located]:
        source, axes = scope.place(equation.inputs[0]), equation.params["axes"]
        kept = [k for k in range(len(source.shape)) if k not in axes]
        outer, walked = source.transposed(kept), source.transposed(sorted(axes))
        target = scope.emitter.array(outer.shape, source.dtype)

        def inner(index: list[str]) -> str:
            row, total = scope.emitter.fresh("r"), scope.emitter.fresh("x")
            line = replace(walked, offset=0, moved=(row,))
            turn = nest(
                scope.emitter, walked.shape, [line],
                lambda at: f"{total}={fold(source.dtype, total, element(line, at[0]))};",
            )  # fmt: skip
            first = start(source.dtype)
            lines = f"const {row}={index[0]};let {total}={first};{turn}"
            return f"{lines}{target.base}[{index[1]}]={total};"

        scope.call(nest(scope.emitter, outer.shape, [outer, target], inner))
        return [target]

    return step


def _place_of(sign: str) -> Callable[[Scope, Equation], list[Located]]:
    def step(scope: Scope, equation: Equation) -> list[Located]:
        source, (axis,) = scope.place(equation.inputs[0]), equation.params["axes"]
        outer = source.without([axis])
        target = scope.emitter.array(outer.shape, equation.outputs[0].dtype)
        length, stride = source.shape[axis], source.strides[axis]

        def inner(index: list[str]) -> str:
            r, k, best, at, x = (scope.emitter.fresh("x") for _ in range(5))
            return (
                f"const {r}={index[0]};let {best}={source.base}[{r}],{at}=0;"
                f"for(let {k}=1;{k}<{length};{k}++){{const {x}={source.base}[{r}+{k}*{stride}];"
                f"if({x}{sign}{best}||({x}!={x}&&{best}=={best})){{{best}={x};{at}={k};}}}}"
                f"{target.base}[{index[1]}]={at};"
            )

        scope.call(nest(scope.emitter, outer.shape, [outer, target], inner))
        return [target]

    return step


def _running(kind: str) -> Callable[[Scope, Equation], list[Located]]:
    def fold(dtype: str, a: str, b: str) -> str:
        if kind == "logsumexp":
            return f"logAddExp({a},{b})"
        return _FOLDS[kind][1](dtype, a, b)

    def step(scope: Scope, equation: Equation) -> list[Located]:
        source, axis = scope.place(equation.inputs[0]), equation.params["axis"]
        target = scope.emitter.array(source.shape, source.dtype)
        first, later = source, target
        if equation.params["reverse"]:
            first, later = source.reversed([axis]), target.reversed([axis])
        length, a, b = source.shape[axis], first.strides[axis], later.strides[axis]

        def inner(index: list[str]) -> str:
            r, q, k, total = (scope.emitter.fresh("x") for _ in range(4))
            return (
                f"const {r}={index[0]},{q}={index[1]};let {total}={source.base}[{r}];"
                f"{target.base}[{q}]={total};for(let {k}=1;{k}<{length};{k}++)"
                f"{{{total}={fold(source.dtype, total, f'{source.base}[{r}+{k}*({a})]')};"
                f"{target.base}[{q}+{k}*({b})]={total};}}"
            )

        outer = [first.without([axis]), later.without([axis])]
        scope.call(nest(scope.emitter, outer[0].shape, outer, inner))
        return [target]

    return step


def _sort(scope: Scope, equation: Equation) -> list[Located]:
    """Along one axis, by the first `num_keys` operands, and so that equals keep their order."""
    axis, keys = equation.params["dimension"], equation.params["num_keys"]
    sources = [scope.place(value) for value in equation.inputs]
    targets = [scope.emitter.array(place.shape, place.dtype) for place in sources]
    length = sources[0].shape[axis]

    def inner(index: list[str]) -> str:
        order, k = scope.emitter.fresh("x"), scope.emitter.fresh("x")
        rows = [scope.emitter.fresh("r") for _ in index]
        lines = "".join(f"const {row}={at};" for row, at in zip(rows, index, strict=True))
        compare = "||".join(
            f"compared({s.base}[{row}+a*{s.strides[axis]}],{s.base}[{row}+b*{s.strides[axis]}])"
            for s, row in zip(sources[:keys], rows, strict=False)
        )
        lines += f"const {order}=Array.from({{length:{length}}},(_,k)=>k).sort((a,b)=>{compare});"
        moves = "".join(
            f"{t.base}[{q}+{k}*{t.strides[axis]}]={s.base}[{r}+{order}[{k}]*{s.strides[axis]}];"
            for s, t, r, q in zip(sources, targets, rows, rows[len(sources) :], strict=False)
        )
        return f"{lines}for(let {k}=0;{k}<{length};{k}++){{{moves}}}"

    outer = [place.without([axis]) for place in (*sources, *targets)]
    scope.call(nest(scope.emitter, outer[0].shape, outer, inner))
    return list(targets)


REDUCTIONS = {
    **{f"reduce_{kind}": _reduce(kind) for kind in _FOLDS},
    **{f"cum{kind}": _running(kind) for kind in ("sum", "prod", "max", "min", "logsumexp")},
    "argmax": _place_of(">"),
    "argmin": _place_of("<"),
    "sort": _sort,
}
