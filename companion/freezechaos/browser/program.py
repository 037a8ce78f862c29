"""What a jaxpr says, with nothing left to call: equations over values, loops as programs within.

Calls (`jit`, custom derivatives, `remat`) and primitives that are not JAX's own are inlined, what
is computed twice is kept once, what does not change in a loop is moved in front of it, numbers are
computed here and now, and random keys become the two words that they are.
"""

import pathlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, cast

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import ClosedJaxpr, Jaxpr, JaxprEqn, Literal
from jax.interpreters import partial_eval

from .rewritten import REWRITTEN, physical

_HERE = str(pathlib.Path(__file__).parent)
_BODIES = ("jaxpr", "call_jaxpr", "fun_jaxpr")
_CALLS = {
    "jit", "pjit", "closed_call", "core_call", "remat", "checkpoint", "custom_jvp_call",
    "custom_vjp_call", "custom_vjp_call_jaxpr", "custom_lin",
}  # fmt: skip
_SAME = {
    "copy", "copy_p", "stop_gradient", "optimization_barrier", "name", "device_put",
    "random_wrap", "random_unwrap", "sharding_constraint", "pvary",
}  # fmt: skip


class Unsupported(NotImplementedError):  # noqa: N818
    """Something that JAX can, and a page cannot yet."""


@dataclass(eq=False)
class Value:
    """An array that is known when the program runs, or, with `data`, here and now."""

    shape: tuple[int, ...]
    dtype: str
    level: int = 0
    data: np.ndarray | None = None

    @property
    def size(self) -> int:
        return int(np.prod(self.shape, dtype=np.int64))


@dataclass(eq=False)
class Equation:
    """One primitive; `bodies` are the programs of a loop or of branches."""

    name: str
    inputs: list[Value]
    outputs: list[Value]
    params: dict[str, Any]
    where: str = ""
    bodies: list["Program"] = field(default_factory=list)

    def reads(self) -> set[Value]:
        """Return all that it needs, what its bodies take from outside among it."""
        return set(self.inputs).union(*(body.reads() for body in self.bodies))


@dataclass(eq=False)
class Program:
    """Inputs to outputs; what else its equations read lies outside."""

    inputs: list[Value]
    outputs: list[Value] = field(default_factory=list)
    equations: list[Equation] = field(default_factory=list)

    def reads(self) -> set[Value]:
        read = set(self.outputs).union(*(equation.reads() for equation in self.equations))
        made = set(self.inputs).union(*(equation.outputs for equation in self.equations))
        return {value for value in read - made if value.data is None}


def trace(function: Callable[..., Any], *examples: Any) -> tuple[Program, str]:
    """Return the program of `function` at arrays like `examples`, and the function's name."""
    closed = jax.make_jaxpr(function)(*examples)
    name = getattr(function, "__qualname__", None) or type(function).__name__
    jaxpr, _ = partial_eval.dce_jaxpr(
        closed.jaxpr, [True] * len(closed.jaxpr.outvars), instantiate=True
    )
    return _Flattener(name).program(ClosedJaxpr(jaxpr, closed.consts)), name


@dataclass(eq=False)
class _Scope:
    """Where equations go: the function, or the body of a loop or a branch."""

    program: Program
    level: int
    branch: bool
    known: dict[Any, list[Value]] = field(default_factory=dict)


class _Flattener:
    def __init__(self, name: str) -> None:
        self.name = name
        self.scopes: list[_Scope] = []
        self.lines = ["a line that JAX has not kept"]  # of the calls around
        self.constants: dict[Any, Value] = {}

    def program(self, closed: ClosedJaxpr) -> Program:
        return self.body(closed, [self.value(var.aval, 0) for var in closed.jaxpr.invars])

    def body(
        self, closed: ClosedJaxpr, inputs: list[Value], given: Sequence[Value] = (),
        *, branch: bool = False,
    ) -> Program:  # fmt: skip
        """Flatten into a program of its own; `given` come before `inputs`, from outside."""
        level = len(self.scopes)
        for value in inputs:
            value.level = level
        program = Program(inputs)
        self.scopes.append(_Scope(program, level, branch))
        program.outputs = self.inline(closed, [*given, *inputs])
        self.scopes.pop()
        return program

    def inline(self, closed: ClosedJaxpr, arguments: Sequence[Value]) -> list[Value]:
        consts = [self.constant(const) for const in closed.consts]
        values = dict(zip(closed.jaxpr.constvars, consts, strict=True))
        values.update(zip(closed.jaxpr.invars, arguments, strict=True))

        def read(atom: Any) -> Value:
            return self.constant(atom.val) if isinstance(atom, Literal) else values[atom]

        for equation in closed.jaxpr.eqns:
            results = self.equation(equation, [read(atom) for atom in equation.invars])
            values.update(zip(equation.outvars, results, strict=True))
        return [read(atom) for atom in closed.jaxpr.outvars]

    def equation(self, equation: JaxprEqn, inputs: list[Value]) -> list[Value]:
        name, params = equation.primitive.name, equation.params
        where = _where(equation) or self.lines[-1]
        if name in _CALLS:
            self.lines.append(where)
            body = _closed(next(params[k] for k in _BODIES if k in params))
            results = self.inline(body, inputs)
            self.lines.pop()
            return results
        if name in _SAME:
            return inputs
        if name in REWRITTEN:
            return self.rewritten(REWRITTEN[name](**params), equation, inputs)
        if name == "platform_index":
            return [self.constant(np.int32(_platform(params["platforms"])))]
        if name == "scan":
            return self.scan(params, inputs, where)
        if name == "while":
            return self.loop(params, inputs, where)
        if name == "cond":
            return self.branches(params, inputs, where)
        if (own := _own_definition(equation.primitive)) is not None:
            return self.rewritten(partial(own, **params), equation, inputs)
        shapes = [physical(var.aval) for var in equation.outvars]
        numbers = inputs and all(v.data is not None and v.size == 1 for v in inputs)
        if numbers and all(np.prod(shape) == 1 for shape, _ in shapes) and not _has_keys(equation):
            return self.computed(equation, inputs)
        params = {k: _plain(v) for k, v in _with_words(name, params, equation).items()}
        return self.add(Equation(name, inputs, [], params, where), shapes)

    def add(self, equation: Equation, shapes: Sequence[tuple[tuple[int, ...], str]]) -> list[Value]:
        """Put it as far out as what it reads allows, but never out of a branch."""
        level = max((value.level for value in equation.reads()), default=0)
        branch = max((scope.level for scope in self.scopes if scope.branch), default=0)
        scope = self.scopes[max(level, branch)]
        key = None
        if not equation.bodies:
            params = sorted((name, str(value)) for name, value in equation.params.items())
            key = (equation.name, *map(id, equation.inputs), str(params), str(shapes))
            if key in scope.known:
                return scope.known[key]
        equation.outputs = [Value(shape, dtype, scope.level) for shape, dtype in shapes]
        scope.program.equations.append(equation)
        if key is not None:
            scope.known[key] = equation.outputs
        return equation.outputs

    def computed(self, equation: JaxprEqn, inputs: list[Value]) -> list[Value]:
        with jax.ensure_compile_time_eval():
            results = equation.primitive.bind(*(v.data for v in inputs), **equation.params)
        several = equation.primitive.multiple_results
        return [self.constant(result) for result in (results if several else [results])]

    def rewritten(
        self, function: Callable[..., Any], equation: JaxprEqn, inputs: list[Value]
    ) -> list[Value]:
        examples = [jax.ShapeDtypeStruct(v.shape, v.dtype) for v in inputs]
        return self.inline(jax.make_jaxpr(function)(*examples), inputs)

    def constant(self, array: Any) -> Value:
        if hasattr(array, "dtype") and jnp.issubdtype(array.dtype, jax.dtypes.prng_key):
            array = jax.random.key_data(array)
        data = np.asarray(array)
        if data.dtype == object or data.dtype.kind not in "biuf":
            raise Unsupported(f"`{self.name}` holds a constant of the type {data.dtype}.")
        key = data.dtype.name, data.shape, data.tobytes()
        if key not in self.constants:
            self.constants[key] = Value(data.shape, data.dtype.name, 0, data)
        return self.constants[key]

    def value(self, aval: Any, level: int) -> Value:
        return Value(*physical(aval), level)

    def scan(self, params: dict[str, Any], inputs: list[Value], where: str) -> list[Value]:
        """Body inputs: the carry, then one slice of every array that is walked along."""
        consts, carried = _counts(params)
        body, level = params["jaxpr"], len(self.scopes)
        if params["length"] == 1:
            return self.once(body, inputs, consts + carried, carried, where)
        inner = [self.value(var.aval, level) for var in body.jaxpr.invars[consts:]]
        program = self.body(body, inner, inputs[:consts])
        kept = {"carried": carried, "length": params["length"], "reverse": params["reverse"]}
        shapes = [(v.shape, v.dtype) for v in program.outputs[:carried]]
        shapes += [((params["length"], *v.shape), v.dtype) for v in program.outputs[carried:]]
        return self.add(Equation("scan", inputs[consts:], [], kept, where, [program]), shapes)

    def once(
        self, body: ClosedJaxpr, inputs: list[Value], whole: int, carried: int, where: str
    ) -> list[Value]:
        """A loop of one turn is none."""

        def shaped(value: Value, shape: tuple[int, ...]) -> Value:
            params = {"new_sizes": shape, "dimensions": None}
            equation = Equation("reshape", [value], [], params, where)
            return self.add(equation, [(shape, value.dtype)])[0]

        slices = [shaped(value, value.shape[1:]) for value in inputs[whole:]]
        results = self.inline(body, [*inputs[:whole], *slices])
        stacked = [shaped(value, (1, *value.shape)) for value in results[carried:]]
        return [*results[:carried], *stacked]

    def loop(self, params: dict[str, Any], inputs: list[Value], where: str) -> list[Value]:
        level, first = len(self.scopes), params["cond_nconsts"]
        start = first + params["body_nconsts"]
        bodies = []
        for name, given in (("cond", inputs[:first]), ("body", inputs[first:start])):
            closed = params[f"{name}_jaxpr"]
            inner = [self.value(var.aval, level) for var in closed.jaxpr.invars[len(given) :]]
            bodies.append(self.body(closed, inner, given))
        if bodies[0].outputs[0].shape:
            raise Unsupported(
                f"a loop of as many turns for each entry, asked for at {where}: jax.vmap makes one "
                "of a traced number of turns. Use jax.lax.map."
            )
        shapes = [(v.shape, v.dtype) for v in bodies[1].inputs]
        return self.add(Equation("while", inputs[start:], [], {}, where, bodies), shapes)

    def branches(self, params: dict[str, Any], inputs: list[Value], where: str) -> list[Value]:
        index, arguments = inputs[0], inputs[1:]
        if index.data is not None:
            chosen = int(np.clip(index.data, 0, len(params["branches"]) - 1))
            return self.inline(params["branches"][chosen], arguments)
        bodies = [self.body(b, [], arguments, branch=True) for b in params["branches"]]
        shapes = [(v.shape, v.dtype) for v in bodies[0].outputs]
        return self.add(Equation("cond", [index], [], {}, where, bodies), shapes)


def _counts(params: dict[str, Any]) -> tuple[int, int]:
    """How many inputs of a scan are constants, and how many are carried: as JAX says since 0.12."""
    if "ft_in" not in params:
        return params["num_consts"], params["num_carry"]
    consts, carried, _ = (len(list(part)) for part in params["ft_in"].unpack())
    return consts, carried


def _closed(jaxpr: Any) -> ClosedJaxpr:
    return ClosedJaxpr(jaxpr, ()) if isinstance(jaxpr, Jaxpr) else jaxpr


def _where(equation: JaxprEqn) -> str:
    """The line of Python that asked for it, the first that is no library's."""
    frames: Any = equation.source_info.traceback
    for frame in frames.frames if frames else ():
        if "site-packages" not in frame.file_name and not frame.file_name.startswith(_HERE):
            return f"{frame.file_name}:{frame.line_num} ({frame.function_name})"
    return ""


def _own_definition(primitive: Any) -> Callable[..., Any] | None:
    """What a primitive computes that is not one of JAX's own: its `impl`, if it has any."""
    known: Any = primitive.impl
    home = getattr(getattr(known, "func", known), "__module__", None)
    return None if home is None or home.split(".")[0] == "jax" else known


def _platform(platforms: Sequence[Any]) -> int:
    """Of what a function does on different machines, that for a CPU, or for any."""
    return next(k for k, names in enumerate(platforms) if names is None or "cpu" in names)


def _has_keys(equation: JaxprEqn) -> bool:
    variables: list[Any] = [*equation.invars, *equation.outvars]
    types = (variable.aval.dtype for variable in variables)
    return any(jnp.issubdtype(dtype, jax.dtypes.extended) for dtype in types)


def _plain(param: Any) -> Any:
    """With Python's integers, where some of JAX's own functions give NumPy's."""
    if isinstance(param, np.integer):
        return int(param)
    if not isinstance(param, tuple):
        return param
    parts = map(_plain, param)
    return type(param)(*parts) if hasattr(param, "_fields") else tuple(parts)


def _with_words(name: str, params: dict[str, Any], equation: JaxprEqn) -> dict[str, Any]:
    """Shapes of keys, with the axis of their two words."""
    first: Any = equation.invars[0].aval if equation.invars else None
    if first is None or not jnp.issubdtype(first.dtype, jax.dtypes.prng_key):
        return params
    axes, aval = len(first.shape), cast(Any, equation.outvars[0].aval)
    changed: dict[str, Callable[[], dict[str, Any]]] = {
        "slice": lambda: {
            "start_indices": (*params["start_indices"], 0),
            "limit_indices": (*params["limit_indices"], 2),
            "strides": params["strides"] and (*params["strides"], 1),
        },
        "squeeze": dict,
        "reshape": lambda: {"new_sizes": (*params["new_sizes"], 2)},
        "broadcast_in_dim": lambda: {
            "shape": (*params["shape"], 2),
            "broadcast_dimensions": (*params["broadcast_dimensions"], len(aval.shape)),
        },
        "transpose": lambda: {"permutation": (*params["permutation"], axes)},
        "concatenate": dict,
        "gather": lambda: {
            "slice_sizes": (*params["slice_sizes"], 2),
            "dimension_numbers": params["dimension_numbers"]._replace(
                offset_dims=(*params["dimension_numbers"].offset_dims, len(aval.shape))
            ),
        },
    }
    if name not in changed:
        raise Unsupported(
            f"`{name}` of random keys is not known to a page, asked for at {_where(equation)}. "
            "Use jax.random.split, fold_in, bits and what builds on them."
        )
    return params | changed[name]()
