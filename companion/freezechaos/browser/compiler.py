"""The whole way: a function's program, its statements, and the parts of the runtime they call."""

import pathlib
import re
from collections.abc import Callable
from typing import Any

from .elementwise import TINY, literal
from .emit import Emitter, Located, Scope
from .places import Place
from .program import Value, trace

_RUNTIME = pathlib.Path(__file__).with_name("runtime.js")


def compile(function: Callable[..., Any], *examples: Any) -> str:
    """Return a JavaScript expression whose value is `function` at arguments like the examples.

    Arguments:
        function: what JAX can trace; called once, with tracers.
        examples: arrays, `jax.ShapeDtypeStruct`s, random keys, or pytrees of them.

    Raises:
        Unsupported: a primitive or a type that is not known here, with its place in the source.
    """
    program, name = trace(function, *examples)
    emitter = Emitter(name)
    given = [emitter.fresh("a") for _ in program.inputs]
    scope = Scope(emitter, {})
    for k, (value, argument) in enumerate(zip(program.inputs, given, strict=True)):
        scope.located[value] = _taken(scope, value, argument, k)
    results = scope.run(program)
    returned = ",".join(
        _returned(scope, located, value)
        for located, value in zip(results, program.outputs, strict=True)
    )
    body = "\n".join(
        [*emitter.declared, f"return ({','.join(given)})=>{{let x;", *scope.statements]
    )
    body += f"\nreturn [{returned}];}}"
    head = f'"use strict";const f=Math.fround,T={literal(TINY["float32"], "float64")},'
    head += f"U={literal(TINY['float64'], 'float64')};"
    return f"(()=>{{{head}\n{_runtime(body)}{body}\n}})()"


def _taken(scope: Scope, value: Value, argument: str, number: int) -> Located:
    if value.size == 1:
        return scope.named(f"{argument}.length?{argument}[0]:{argument}")
    place = scope.emitter.array(value.shape, value.dtype)
    scope.statements.append(
        f"if({argument}.length!=={value.size})throw new RangeError("
        f'"argument {number} must have {value.size} elements; got "+{argument}.length);'
    )
    scope.statements.append(f"{place.base}.set({argument});")
    return place


def _returned(scope: Scope, located: Located, value: Value) -> str:
    from .elementwise import ARRAYS

    kind = ARRAYS[value.dtype]
    if isinstance(located, str):
        return (
            f"{kind}.of({located})"
            if value.size == 1
            else f"new {kind}({value.size}).fill({located})"
        )
    place: Place = scope.contiguous(located)
    if scope.emitter.is_whole(place):
        return f"{place.base}.slice()"
    end = f"{place.start}+{place.size}" if place.start != "0" else f"{place.size}"
    return f"{place.base}.slice({place.start},{end})"


def _runtime(body: str) -> str:
    """The functions of the runtime that `body` calls, and what these call."""
    text = re.sub(r"^ *//.*\n", "", _RUNTIME.read_text("utf-8"), flags=re.M)
    parts = [part.strip() for part in re.split(r"\n(?=function |const |let )", text)]
    named = {re.split(r"[ (=]+", part)[1]: part for part in parts if part}
    needed: list[str] = []
    waiting = [body]
    while waiting:
        seen = waiting.pop()
        for name, part in named.items():
            if name not in needed and re.search(rf"\b{name}\b", seen):
                needed.append(name)
                waiting.append(part)
    return "".join(named[name] + "\n" for name in named if name in needed)
