"""From a program to JavaScript: every loop a function, every array made once and used again."""

import re
from base64 import b64encode
from collections.abc import Callable, Sequence
from dataclasses import replace
from math import prod

import numpy as np

from .elementwise import ARRAYS, OPERATIONS, SHORT, flushed, literal, may_be_tiny, rounded
from .places import Place
from .program import Equation, Program, Unsupported, Value
from .schedule import Item, Schedule
from .views import VIEWS

Located = Place | str  # where an array lies; or the number, in JavaScript, that it is everywhere
_SCALAR = re.compile(r"\bs\d+\b")


class Emitter:
    """Collects functions and arrays; `scope` gives the statements of a program."""

    def __init__(self) -> None:
        self.name = ""  # of the function at hand
        self.declared: list[str] = []  # arrays and functions, ahead of everything
        self.uniform: set[Value] = set()
        self.views: dict[Value, Equation] = {}
        self.sizes: dict[str, int] = {}  # of the arrays made
        self.floats = 0  # float32 numbers in all arrays, each array from a multiple of 16 bytes on
        self.terms = 0  # of the longest product of float32
        self._count = 0
        self._embedded: dict[str, str] = {}

    def fresh(self, letter: str) -> str:
        self._count += 1
        return f"{letter}{self._count}"

    def array(self, shape: Sequence[int], dtype: str) -> Place:
        """Room for an array."""
        if dtype not in ARRAYS:
            raise Unsupported(f"`{self.name}` has an array of the type {dtype}.")
        name = self.fresh("b")
        self.declared.append(f"const {name}={SHORT[dtype]}({prod(shape)});")
        self.sizes[name] = prod(shape)
        self.reserve(prod(shape), dtype)
        return Place.whole(name, shape, dtype)

    def reserve(self, size: int, dtype: str) -> None:
        """Count so many numbers in, for the one memory that all float32 arrays may lie in."""
        if dtype == "float32":
            self.floats += -(-size // 4) * 4

    def function(self, body: str) -> str:
        """Make a function of it, so that it is compiled by itself, and return the call."""
        parameters = ",".join(sorted(set(_SCALAR.findall(body))))
        name = self.fresh("g")
        held = "let x;" if re.search(r"\bx=", body) else ""
        self.declared.append(f"function {name}({parameters}){{{held}{body}}}")
        return f"{name}({parameters});"

    def is_whole(self, place: Place) -> bool:
        """Whether a place is all of its array."""
        return place.start == "0" and self.sizes.get(place.base or "") == place.size

    def constant(self, value: Value) -> Located:
        data = value.data
        assert data is not None
        if data.size == 1 or (data.size and (data == data.flat[0]).all()):  # one may be NaN
            return literal(data.flat[0], value.dtype)
        if value.dtype not in ARRAYS:
            raise Unsupported(f"`{self.name}` holds a constant of the type {value.dtype}.")
        kind = ARRAYS[value.dtype]
        room = data.nbytes * 4 / 3 + 40
        numbers = ""
        if 2 * data.size < room:  # a digit and a comma each, at least
            numbers = ",".join(literal(x, value.dtype).strip("()") for x in data.flat)
        if numbers and len(numbers) <= room:
            text = f"{kind}.of({numbers})"
        else:
            stored = data.astype(np.float64) if value.dtype == "int64" else data
            coded = b64encode(np.ascontiguousarray(stored).tobytes()).decode("ascii")
            text = f'new {kind}(decoded("{coded}"))'
        if value.dtype == "float32":
            text = f"{SHORT['float32']}({data.size},{text})"
        if text not in self._embedded:
            self._embedded[text] = self.fresh("b")
            self.reserve(data.size, value.dtype)
            self.declared.append(f"const {self._embedded[text]}={text};")
        return Place.whole(self._embedded[text], value.shape, value.dtype)


class Scope:
    """Statements of one program: the function, or the body of a loop or a branch."""

    def __init__(self, emitter: Emitter, located: dict[Value, Located]) -> None:
        self.emitter = emitter
        self.located = dict(located)
        self.statements: list[str] = []

    def inner(self, located: dict[Value, Located]) -> "Scope":
        return Scope(self.emitter, self.located | located)

    def run(self, program: Program) -> list[Located]:
        """Emit all of it and return where its outputs are."""
        for equation in program.equations:
            if equation.name in VIEWS or equation.name == "iota":
                self.emitter.views[equation.outputs[0]] = equation
        schedule = Schedule(program, self.emitter.uniform)
        for item in schedule.items:
            if item.shape == ():
                self.numbers(item)
            elif item.shape is not None:
                self.loop(item, schedule)
            else:
                self.step(item.equations[0])
        return [self.locate(value) for value in program.outputs]

    def locate(self, value: Value) -> Located:
        if value.data is not None:
            return self.emitter.constant(value)
        if value not in self.located:
            self.located[value] = self.seen(self.emitter.views[value])
        return self.located[value]

    def seen(self, equation: Equation) -> Located:
        """What a view shows; copied where no strides can say it."""
        target = equation.outputs[0]
        if equation.name == "iota":
            shape, axis = target.shape, equation.params["dimension"]
            strides = tuple(int(k == axis) for k in range(len(shape)))
            return self.single(Place(None, shape, strides, target.dtype))
        source = self.locate(equation.inputs[0])
        if isinstance(source, str):
            return source
        place = VIEWS[equation.name](equation, source)
        if place is None:
            place = VIEWS[equation.name](equation, self.contiguous(source))
            assert place is not None
        return self.single(place)

    def single(self, place: Place) -> Located:
        """A number where it is only one, at every place."""
        if any(s and n != 1 for n, s in zip(place.shape, place.strides, strict=True)):
            return place
        if place.size == 0:
            return place
        return self.named(place.start if place.base is None else f"{place.base}[{place.start}]")

    def named(self, expression: str) -> str:
        name = self.emitter.fresh("s")
        self.statements.append(f"const {name}={expression};")
        return name

    # Elementwise

    def numbers(self, item: Item) -> None:
        for equation in item.equations:
            operands = [self.number(value) for value in equation.inputs]
            results = self.calculate(equation, operands, self.named)
            if may_be_tiny(equation, operands):
                results = [self.named(flushed(r, equation.outputs[0].dtype)) for r in results]
            self.located.update(zip(equation.outputs, results, strict=True))

    def number(self, value: Value) -> str:
        located = self.locate(value)
        assert isinstance(located, str)
        return located

    def calculate(
        self, equation: Equation, operands: list[str], named: Callable[[str], str]
    ) -> list[str]:
        if equation.name == "threefry2x32":
            return [named(f"threefry({','.join(operands)})"), named("threefryLow")]
        expression = OPERATIONS[equation.name](equation, *operands)
        return [named(rounded(equation, expression, operands))]

    def loop(self, item: Item, schedule: Schedule) -> None:
        assert item.shape is not None
        inside = {v for equation in item.equations for v in equation.outputs}
        loads: dict[Value, Located] = {}
        for equation in item.equations:
            for value in equation.inputs:
                root = schedule.root(value)
                if root in inside and value not in loads:
                    continue
                loads[value] = _spread(self.locate(value), equation.outputs[0].shape)
        stores = [v for e in item.equations for v in e.outputs if v in schedule.stored]
        targets = [self.emitter.array(v.shape, v.dtype) for v in stores]
        places = [place for place in loads.values() if isinstance(place, Place)]

        def inner(indices: list[str]) -> str:
            lines: list[str] = []

            def named(expression: str) -> str:
                name = self.emitter.fresh("x")
                lines.append(f"const {name}={expression};")
                return name

            held: dict[Value, str] = {}
            normal: set[Value] = set()
            read: dict[str, str] = {}
            index = iter(indices)
            for value, located in loads.items():
                if isinstance(located, str):
                    held[value] = located
                    continue
                text = element(located, next(index))
                if text not in read:
                    read[text] = named(text)
                held[value] = read[text]
            for equation in item.equations:
                operands = [held.get(v) or held[schedule.root(v)] for v in equation.inputs]
                held.update(
                    zip(equation.outputs, self.calculate(equation, operands, named), strict=True)
                )
                if not may_be_tiny(equation, operands):
                    normal.update(equation.outputs)
            for value, target in zip(stores, targets, strict=True):
                kept = held[value] if value in normal else flushed(held[value], value.dtype)
                lines.append(f"{target.base}[{next(index)}]={kept};")
            return "".join(lines)

        flat = [_squeezed(place) for place in (*places, *targets)]
        self.call(nest(self.emitter, item.shape, flat, inner))
        for value, target in zip(stores, targets, strict=True):
            self.located[value] = target
        for value in inside - set(stores):
            self.located.pop(value, None)

    def call(self, body: str) -> None:
        self.statements.append(self.emitter.function(body))

    # Steps

    def step(self, equation: Equation) -> None:
        from .steps import STEPS

        if equation.name not in STEPS:
            raise Unsupported(
                f"`{equation.name}` is not known to a page. `{self.emitter.name}` asks for it at "
                f"{equation.where}."
            )
        results = STEPS[equation.name](self, equation)
        for value, located in zip(equation.outputs, results, strict=True):
            if isinstance(located, Place) and located.size == 1:
                located = self.single(located)
            self.located[value] = located

    def copied(self, source: Located, target: Place) -> None:
        """Copy all of `source` to `target`, which has its shape."""
        if isinstance(source, str):
            if target.contiguous:
                start = target.start
                end = f"{start}+{target.size}" if start != "0" else f"{target.size}"
                self.statements.append(f"{target.base}.fill({source},{start},{end});")
                return
            self.call(
                nest(
                    self.emitter,
                    target.shape,
                    [target],
                    lambda index: f"{target.base}[{index[0]}]={source};",
                )
            )
            return
        if source.contiguous and target.contiguous and source.base is not None:
            part = source.base
            start = source.start
            whole = self.emitter.is_whole(source)
            if not whole:
                end = f"{start}+{source.size}" if start != "0" else f"{source.size}"
                part = f"{source.base}.subarray({start},{end})"
            self.statements.append(f"{target.base}.set({part},{target.start});")
            return
        self.call(
            nest(
                self.emitter,
                target.shape,
                [source, target],
                lambda index: f"{target.base}[{index[1]}]={element(source, index[0])};",
            )
        )

    def contiguous(self, located: Located, value: Value | None = None) -> Place:
        """As an array whose elements lie one after the other, from its beginning on."""
        if isinstance(located, Place):
            if located.base is not None and located.contiguous:
                return replace(located, strides=Place.whole("", located.shape, "").strides)
            shape, dtype = located.shape, located.dtype
        else:
            assert value is not None
            shape, dtype = value.shape, value.dtype
        target = self.emitter.array(shape, dtype)
        self.copied(located, target)
        return target

    def place(self, value: Value) -> Place:
        """Where an array lies, in an array also if it is one number everywhere."""
        located = self.locate(value)
        if isinstance(located, Place) and located.base is not None:
            return located
        return self.contiguous(located, value)


def _spread(located: Located, shape: tuple[int, ...]) -> Located:
    """An operand in the shape of the result: elementwise primitives repeat axes of length 1."""
    if isinstance(located, str) or located.shape == shape:
        return located
    return located.broadcast(shape, range(len(shape) - len(located.shape), len(shape)))


def _squeezed(place: Place) -> Place:
    return place.without([k for k, length in enumerate(place.shape) if length == 1])


def element(place: Place, index: str) -> str:
    """One element of it in JavaScript."""
    return f"({index})" if place.base is None else f"{place.base}[{index}]"


def nest(
    emitter: Emitter,
    shape: Sequence[int],
    places: Sequence[Place],
    inner: Callable[[list[str]], str],
) -> str:
    """Loops over `shape`, as few as strides allow; `inner` gets an index for each of `places`."""
    axes = _merged(shape, [place.strides for place in places])
    names = [emitter.fresh("i") for _ in axes]
    loops, ends, rows = "", "", [place.start for place in places]
    for depth, ((length, strides), name) in enumerate(zip(axes, names, strict=True)):
        loops += f"for(let {name}=0;{name}<{length};{name}++){{"
        ends += "}"
        for k, stride in enumerate(strides):
            rows[k] = _sum(rows[k], name, stride)
        if depth < len(axes) - 1:
            shared: dict[str, str] = {}
            for k, row in enumerate(rows):
                if not re.search(r"[+*]", row):
                    continue
                if row not in shared:
                    shared[row] = emitter.fresh("r")
                    loops += f"const {shared[row]}={row};"
                rows[k] = shared[row]
    return loops + inner(rows) + ends


def _sum(row: str, name: str, stride: int) -> str:
    if stride == 0:
        return row
    term = name if stride == 1 else f"{name}*{stride}" if stride > 0 else f"{name}*({stride})"
    return term if row == "0" else f"{row}+{term}"


def _merged(
    shape: Sequence[int], strides: Sequence[Sequence[int]]
) -> list[tuple[int, tuple[int, ...]]]:
    """Axes longer than 1, (length, stride in each place), neighbours in one where they follow."""
    axes: list[tuple[int, tuple[int, ...]]] = []
    for k, length in enumerate(shape):
        if length == 1:
            continue
        mine = tuple(stride[k] for stride in strides)
        if axes and all(s == length * t for s, t in zip(axes[-1][1], mine, strict=True)):
            axes[-1] = axes[-1][0] * length, mine
        else:
            axes.append((length, mine))
    return axes
