"""An explorer's own function, compiled for the page: no table, no grid, no interpolation."""

import itertools
import zlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from freezechaos.browser import compile, of_sizes
from freezechaos.explorers.axes import Axis, Choice, Formula
from freezechaos.explorers.grid import Compute, Pinned, Quantized
from freezechaos.explorers.views import Map, View

Column = Axis | Choice | Formula


def calling(axes: Iterable[Column]) -> dict[str, list[str]]:
    """Which axes choose a program, in the order of their digits, and which are its arguments."""
    looped, mapped = _parted(axes)
    return {"looped": [axis.name for axis in looped], "mapped": [axis.name for axis in mapped]}


def sampled(axes: Iterable[Column]) -> tuple[Pinned, ...]:
    """The start alone: what shapes are read off."""
    return tuple(pinned(axis, axis.start) for axis in axes)


def pinned(axis: Column, value: Any) -> Pinned:
    """An axis held where `compute` is to be asked; a choice that is traced, at its number."""
    traced = isinstance(axis, Choice) and not axis.static
    return Pinned(axis.name, axis.static, (int(axis.position(value)) if traced else value,))


def programs(compute: Compute, axes: Iterable[Column], outputs: Sequence[str]) -> bytes:
    """A function of the number of a combination of static axes and choices to its program.

    Compressed JavaScript; what programs have in common is there once. Each takes the other axes'
    values, of choices the options' numbers, and returns the outputs in their order.
    """
    looped, mapped = _parted(axes)
    sources = {
        str(k): _program(compute, dict(zip([axis.name for axis in looped], values, strict=True)),
                         mapped, outputs)
        for k, values in enumerate(itertools.product(*(axis.values for axis in looped)))
    }  # fmt: skip
    return zlib.compress(of_sizes(sources).encode(), level=9)


def _program(
    compute: Compute, fixed: Mapping[str, Any], mapped: Sequence[Column], outputs: Sequence[str]
) -> str:
    names = [axis.name for axis in mapped]
    kinds = ["int32" if isinstance(axis, Choice) else "float32" for axis in mapped]

    def function(*values: jax.Array) -> list[jax.Array]:
        found = compute(**fixed, **dict(zip(names, values, strict=True)))
        return [jnp.asarray(found[name], jnp.float32) for name in outputs]

    return compile(function, *(jax.ShapeDtypeStruct((), kind) for kind in kinds))


def _parted(axes: Iterable[Column]) -> tuple[list[Column], list[Column]]:
    kinds: tuple[list[Column], list[Column]] = ([], [])
    for axis in axes:
        kinds[not axis.static].append(axis)
    return kinds


def check_compiled(
    views: Sequence[View],
    outputs: Mapping[str, Quantized],
    names: Mapping[str, Any],
    *,
    vectorized: bool,
) -> None:
    """Raise where a page that computes cannot show what only a table has."""
    if any(isinstance(view, Map) and not outputs[view.color].shape for view in views):
        raise ValueError(
            "`compiled` has no table that a `Map` could draw. Let `compute` give the whole map "
            "as `color`, [rows, columns]."
        )
    if names:
        raise ValueError(
            f"`words` of a compiled explorer must be `Bands` of a number; got functions for "
            f"{sorted(names)}. Let `compute` give the number that decides."
        )
    if not vectorized:
        raise ValueError("What is `compiled` must be traced by JAX. Drop vectorized=False.")
