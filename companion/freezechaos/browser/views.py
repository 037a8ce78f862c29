"""Primitives that only say where elements lie: each takes a place to a place, or to None."""

from collections.abc import Callable

from .places import Place
from .program import Equation


def _broadcast(equation: Equation, place: Place) -> Place:
    axes = [int(axis) for axis in equation.params["broadcast_dimensions"]]
    return place.broadcast(equation.outputs[0].shape, axes)


def _reshape(equation: Equation, place: Place) -> Place | None:
    return place.reshaped(equation.outputs[0].shape)


def _slice(equation: Equation, place: Place) -> Place:
    starts, limits = equation.params["start_indices"], equation.params["limit_indices"]
    return place.sliced(starts, limits, equation.params["strides"] or [1] * len(starts))


VIEWS: dict[str, Callable[[Equation, Place], Place | None]] = {
    "broadcast_in_dim": _broadcast,
    "reshape": _reshape,
    "squeeze": lambda equation, place: place.without(equation.params["dimensions"]),
    "transpose": lambda equation, place: place.transposed(equation.params["permutation"]),
    "slice": _slice,
    "rev": lambda equation, place: place.reversed(equation.params["dimensions"]),
}


def keeps_order(equation: Equation) -> bool:
    """Whether it has the same elements in the same order, in whatever shape."""
    if equation.name in ("reshape", "squeeze"):
        return True
    return equation.name == "broadcast_in_dim" and (
        equation.inputs[0].size == equation.outputs[0].size
    )
