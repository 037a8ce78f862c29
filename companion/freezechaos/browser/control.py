"""Loops and branches."""

from collections.abc import Sequence
from dataclasses import replace

from .emit import Located, Scope
from .places import Place
from .program import Equation, Value


class Carry:
    """What a loop takes from turn to turn: a variable for a number, an array of its own else."""

    def __init__(self, scope: Scope, values: Sequence[Value], starts: Sequence[Value]) -> None:
        self.located: list[Located] = []
        for value, start in zip(values, starts, strict=True):
            first = scope.locate(start)
            if value.size == 1:
                assert isinstance(first, str)
                name = scope.emitter.fresh("s")
                scope.statements.append(f"let {name}={first};")
                self.located.append(name)
            else:
                place = scope.emitter.array(value.shape, value.dtype)
                scope.copied(first, place)
                self.located.append(place)

    def update(self, scope: Scope, results: Sequence[Located]) -> None:
        """All at once: what is overwritten and still needed is put aside."""
        mine = {place.base for place in self.located if isinstance(place, Place)}
        names = {name for name in self.located if isinstance(name, str)}
        aside = []
        for own, new in zip(self.located, results, strict=True):
            if isinstance(new, Place) and new != own and new.base in mine:
                target = scope.emitter.array(new.shape, new.dtype)
                scope.copied(new, target)
                new = target
            elif isinstance(new, str) and new != own and new in names:
                new = scope.named(new)
            aside.append(new)
        for own, new in zip(self.located, aside, strict=True):
            if own == new:
                continue
            if isinstance(own, str):
                scope.statements.append(f"{own}={new};")
            else:
                scope.copied(new, own)


def _scan(scope: Scope, equation: Equation) -> list[Located]:
    (body,), params = equation.bodies, equation.params
    carried, length = params["carried"], params["length"]
    carry = Carry(scope, body.inputs[:carried], equation.inputs[:carried])
    walked = [scope.locate(value) for value in equation.inputs[carried:]]
    stacked = [
        scope.emitter.array(value.shape, value.dtype) for value in equation.outputs[carried:]
    ]
    turn = scope.emitter.fresh("s")
    inner = scope.inner(dict(zip(body.inputs, carry.located, strict=False)))
    at = inner.named(f"{length - 1}-{turn}") if params["reverse"] else turn
    for value, located in zip(body.inputs[carried:], walked, strict=True):
        inner.located[value] = _turn(inner, located, at)
    results = inner.run(body)
    for target, result in zip(stacked, results[carried:], strict=True):
        inner.copied(result, _part(inner, target, at))
    carry.update(inner, results[:carried])
    scope.statements.append(f"for(let {turn}=0;{turn}<{length};{turn}++){{")
    scope.statements += [*inner.statements, "}"]
    return [*carry.located, *stacked]


def _part(scope: Scope, place: Place, at: str) -> Place:
    """Entry `at` of its first axis."""
    stride = place.strides[0]
    moved = scope.named(f"{at}*{stride}") if stride != 1 else at
    return replace(
        place, shape=place.shape[1:], strides=place.strides[1:], moved=(*place.moved, moved)
    )


def _turn(scope: Scope, located: Located, at: str) -> Located:
    return located if isinstance(located, str) else scope.single(_part(scope, located, at))


def _while(scope: Scope, equation: Equation) -> list[Located]:
    condition, body = equation.bodies
    carry = Carry(scope, body.inputs, equation.inputs)
    asked = scope.inner(dict(zip(condition.inputs, carry.located, strict=True)))
    (answer,) = asked.run(condition)
    inner = scope.inner(dict(zip(body.inputs, carry.located, strict=True)))
    carry.update(inner, inner.run(body))
    scope.statements += ["for(;;){", *asked.statements, f"if(!({answer}))break;"]
    scope.statements += [*inner.statements, "}"]
    return list(carry.located)


def _cond(scope: Scope, equation: Equation) -> list[Located]:
    index = scope.number(equation.inputs[0])
    targets: list[Located] = []
    for value in equation.outputs:
        if value.size == 1:
            name = scope.emitter.fresh("s")
            scope.statements.append(f"let {name};")
            targets.append(name)
        else:
            targets.append(scope.emitter.array(value.shape, value.dtype))
    last = len(equation.bodies) - 1
    for k, body in enumerate(equation.bodies):
        inner = scope.inner({})
        for target, result in zip(targets, inner.run(body), strict=True):
            if isinstance(target, str):
                inner.statements.append(f"{target}={result};")
            else:
                inner.copied(result, target)
        test = "" if k == last else f"if({index}<={k})"
        scope.statements.append(f"{'else ' if k else ''}{test}{{")
        scope.statements += [*inner.statements, "}"]
    return targets


CONTROL = {"scan": _scan, "while": _while, "cond": _cond}
