"""Which equations share a loop.

Elementwise equations of one shape go into the earliest loop that comes after all they read; what
is the same number everywhere is computed once, outside of loops. Everything else is a step of
its own.
"""

from dataclasses import dataclass, field

from .elementwise import OPERATIONS
from .program import Equation, Program, Value
from .views import VIEWS, keeps_order


@dataclass(eq=False)
class Item:
    """One loop over `shape`, for many equations, or, without a shape, one equation."""

    shape: tuple[int, ...] | None
    equations: list[Equation] = field(default_factory=list)


class Schedule:
    """The items of a program in order, and what of them must be kept in arrays.

    Attributes:
        items: in the order in which they run.
        stored: values that are read outside of the loop that makes them.
    """

    def __init__(self, program: Program, uniform: set[Value]) -> None:
        self.items: list[Item] = []
        self.stored: set[Value] = set()
        self.uniform = uniform  # the same number at every place
        self._made: dict[Value, int] = {}  # by which loop
        self._ready: dict[Value, int] = {}  # from which item on, for everyone
        self._root: dict[Value, Value] = {}  # the same elements in the same order
        for equation in program.equations:
            self._place(equation)
        self._store(program)

    def root(self, value: Value) -> Value:
        return self._root.get(value, value)

    def is_uniform(self, value: Value) -> bool:
        return value.size == 1 or value in self.uniform or _same(value)

    def _place(self, equation: Equation) -> None:
        if equation.name in VIEWS:
            self._place_view(equation)
        elif equation.name in OPERATIONS:
            self._place_elementwise(equation)
        elif equation.name != "iota":
            self.items.append(Item(None, [equation]))
            self._ready.update(dict.fromkeys(equation.outputs, len(self.items)))

    def _place_view(self, equation: Equation) -> None:
        source, target = equation.inputs[0], equation.outputs[0]
        if self.is_uniform(source):
            self.uniform.add(target)
        self._ready[target] = self._ready.get(source, 0)
        if keeps_order(equation):
            self._root[target] = self.root(source)

    def _place_elementwise(self, equation: Equation) -> None:
        target = equation.outputs[0]
        uniform = all(self.is_uniform(value) for value in equation.inputs)
        if uniform:
            self.uniform.update(equation.outputs)
        shape = () if uniform else tuple(n for n in target.shape if n != 1)
        first = max((self._earliest(v, shape) for v in equation.inputs), default=0)
        for index in range(first, len(self.items)):
            if self.items[index].shape == shape:
                break
        else:
            index = len(self.items)
            self.items.append(Item(shape))
        self.items[index].equations.append(equation)
        for value in equation.outputs:
            self._made[value], self._ready[value] = index, index + 1

    def _earliest(self, value: Value, shape: tuple[int, ...]) -> int:
        made = self._made.get(self.root(value))
        if made is not None and self.items[made].shape == shape == _squeezed(value, shape):
            return made
        return self._ready.get(value, 0)

    def _store(self, program: Program) -> None:
        at = {e: k for k, item in enumerate(self.items) for e in item.equations}
        for equation in program.equations:
            if equation.name in VIEWS and keeps_order(equation):
                continue
            shape = self.items[at[equation]].shape if equation in at else None
            for value in equation.reads():
                made = self._made.get(self.root(value))
                local = made is not None and made == at.get(equation)
                if not local or shape != _squeezed(value, shape or ()):
                    self.stored.add(self.root(value))
        self.stored.update(map(self.root, program.outputs))


def _squeezed(value: Value, shape: tuple[int, ...]) -> tuple[int, ...]:
    return () if shape == () else tuple(n for n in value.shape if n != 1)


def _same(value: Value) -> bool:
    return value.data is not None and bool((value.data == value.data.flat[:1]).all())
