"""The whole way: a function's program, its statements, and the parts of the runtime they call."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from . import runtime
from .elementwise import ARRAYS, SHORT, TINY, TINY_NAME, literal
from .emit import Emitter, Located, Scope
from .places import Place
from .program import Value, trace


def compile(function: Callable[..., Any], *examples: Any) -> str:
    """Return a JavaScript expression whose value is `function` at arguments like the examples.

    Arguments:
        function: what JAX can trace; called once, with tracers.
        examples: arrays, shapes as `jax.ShapeDtypeStruct`, random keys, or pytrees of them.

    Raises:
        Unsupported: a primitive or a type that is not known here, with its place in the source.
    """
    declared, code = _compiled({"": (function, examples)})
    return f"(()=>{{{declared}return {code['']};\n}})()"


def compile_all(**functions: tuple[Callable[..., Any], Sequence[Any]]) -> str:
    """Return a JavaScript expression for an object of functions, which share their constants.

    Arguments:
        functions: by name, a function and its examples, as for `compile`.
    """
    declared, code = _compiled(functions)
    members = ",\n".join(f"{name}:{text}" for name, text in code.items())
    return f"(()=>{{{declared}return {{{members}}};\n}})()"


def _compiled(
    functions: Mapping[str, tuple[Callable[..., Any], Sequence[Any]]],
) -> tuple[str, dict[str, str]]:
    """Declarations, and an arrow function for each."""
    emitter, code = Emitter(), {}
    for key, (function, examples) in functions.items():
        program, emitter.name = trace(function, *examples)
        given = [emitter.fresh("a") for _ in program.inputs]
        scope = Scope(emitter, {})
        for k, (value, argument) in enumerate(zip(program.inputs, given, strict=True)):
            scope.located[value] = _taken(scope, value, argument, k)
        results = scope.run(program)
        returned = ",".join(
            _returned(scope, located, value)
            for located, value in zip(results, program.outputs, strict=True)
        )
        body = _together([*scope.statements, f"return [{returned}];"])
        code[key] = f"({','.join(given)})=>{{let x;\n{body}\n}}"
    declared = _together(emitter.declared)
    tiny = ",".join(f"{n}={literal(TINY[t], 'float64')}" for t, n in TINY_NAME.items())
    head = f'"use strict";\nconst f=Math.fround,abs=Math.abs,{tiny};\n'
    makers = "".join(
        _maker(short, kind, emitter)
        for short, kind in {SHORT[dtype]: ARRAYS[dtype] for dtype in ARRAYS}.items()
        if re.search(rf"={short}\(", declared)
    )
    parts = runtime.called("".join([makers, declared, *code.values()]))
    return f"{head}{parts}{makers}{declared}\n", code


def _maker(short: str, kind: str, emitter: Emitter) -> str:
    """A function of a length, to a new array; for float32 also of what is in it.

    In a program that multiplies float32 these lie in the memory of the module that does.
    """
    if kind != ARRAYS["float32"]:
        return f"const {short}=(n)=>new {kind}(n);\n"
    if emitter.terms:
        return f"const [{short},product32]=heap({emitter.floats},{emitter.terms});\n"
    return f"const {short}=(n,values)=>values||new {kind}(n);\n"


def _together(statements: Sequence[str]) -> str:
    """A statement a line, and constants that follow each other declared at once."""
    rest = re.compile(r";\s*const ")
    row = re.compile(r"const [a-z]\d+=[^;{}]*(;\s*const [a-z]\d+=[^;{}]*)+;")
    return row.sub(lambda found: rest.sub(",", found[0]), "\n".join(statements))


def _taken(scope: Scope, value: Value, argument: str, number: int) -> Located:
    if value.size == 1:
        return scope.named(f"{argument}.length?{argument}[0]:{argument}")
    place = scope.emitter.array(value.shape, value.dtype)
    scope.statements.append(f"take({place.base},{argument},{number});")
    return place


def _returned(scope: Scope, located: Located, value: Value) -> str:
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
