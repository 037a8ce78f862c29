"""What a reader can turn: a number on an `Axis`, a word in a `Choice`."""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import jax
import numpy as np

Number = int | float
Numbers = Sequence[Number] | np.ndarray | jax.Array


@dataclass(frozen=True, eq=False)
class Axis:
    """A number: a slider that moves smoothly between `values`, or by steps over them.

    The slider spends the same length on every cell of the grid, so a geometric grid gives
    a logarithmic slider.

    Arguments:
        name: keyword of `compute`, and the word in the page's address, such as `"beta"`.
        label: what the reader sees, such as `"bias share β"`.
        values: the grid, `[n]`, at least two strictly increasing numbers.
        start: the setting to begin with, by default the first of `values`.
        step: only the grid's values can be set; nothing is interpolated.
        static: `compute` gets a Python number, one call a value (a depth, a shape);
            such an axis goes by steps too. Without it `compute` is mapped by `jax.vmap`.
        format: how the value is shown, a Python format such as `".2f"`; by default whole
            numbers in full, others with three digits.
        tabulated: without it `compute` never sees the axis; a view or the sentence reads it,
            such as the place of a pixel in a picture that is there as a whole.
        press: what a button says that goes to the next value, after the last to the first, in
            place of a slider: for a seed, "Draw again".

    Raises:
        ValueError: `values` does not increase, or `start` is none of what can be set.
    """

    name: str
    label: str
    values: Numbers
    start: Number | None = None
    step: bool = False
    static: bool = False
    format: str = ""
    tabulated: bool = True
    press: str = ""

    def __post_init__(self) -> None:
        grid = np.asarray(self.values)
        if grid.ndim != 1 or len(grid) < 2 or not np.all(np.diff(grid) > 0):
            raise ValueError(
                f"`values` of the axis `{self.name}` must be two or more increasing numbers; "
                f"got {self.values!r}. Sort them and drop what is there twice."
            )
        _put(self, values=tuple(grid.tolist()), step=self.step or self.static)
        _put(self, format=self.format or (".0f" if grid.dtype.kind == "i" else ".3g"))
        _put(self, start=self.settle(self.values[0] if self.start is None else self.start))

    def settle(self, value: Any) -> Number:
        """Return `value` as a number that this axis can be set to; raise where it cannot."""
        low, high = self.values[0], self.values[-1]
        nearest: Any = min(self.values, key=lambda known: abs(known - value))
        if self.step and not np.isclose(nearest, value, rtol=1e-5):
            raise ValueError(
                f"`{self.name}` goes by steps over {list(self.values)}; got {value}. Try {nearest}."
            )
        slack = 1e-5 * (high - low)  # the page sends six digits
        if not low - slack <= value <= high + slack:
            raise ValueError(
                f"`{self.name}` must lie in [{low}, {high}]; got {value}. Try {nearest}, "
                f"or widen `values` of its axis."
            )
        return nearest if self.step else float(min(max(value, low), high))

    def position(self, value: Any) -> float:
        """Return where `value` lies on the grid, in `[0, n - 1]`, by linear interpolation."""
        return float(np.interp(value, self.values, np.arange(len(self.values))))

    @property
    def extremes(self) -> tuple[Number, ...]:
        known = tuple(self.values)
        return (known[0], known[-1])

    @property
    def midpoints(self) -> tuple[Number, ...]:
        """The centres of the cells, where interpolation is at its worst; by steps, the grid."""
        if self.step:
            return tuple(self.values)
        return tuple(np.convolve(self.values, [0.5, 0.5], "valid").tolist())

    def spec(self) -> dict[str, Any]:
        fields = ("name", "label", "values", "start", "step", "format")
        pressed = {"press": self.press} if self.press else {}
        return {key: getattr(self, key) for key in fields} | pressed | _untabulated(self)


@dataclass(frozen=True, eq=False)
class Choice:
    """A word out of a few, as a row of buttons; `compute` gets the word, one call each.

    Not `static`, it is traced: what runs in the page gets the option's number.

    Arguments:
        name: keyword of `compute`, and the word in the page's address.
        label: what the reader sees.
        options: at least two different words, such as `["relu", "erf"]`.
        start: the option to begin with, by default the first.
        tabulated: as in `Axis`.
        static: without it the word's number is traced, by a `Live` explorer or one that is
            `compiled`.

    Raises:
        ValueError: there are fewer than two options, one twice, or `start` is none of them.
    """

    name: str
    label: str
    options: Sequence[str]
    start: str = ""
    tabulated: bool = True
    static: bool = True
    step: bool = field(default=True, init=False)

    def __post_init__(self) -> None:
        if len(self.options) < 2 or len(set(self.options)) < len(self.options):
            raise ValueError(
                f"`options` of the choice `{self.name}` must be two or more different words; "
                f"got {self.options!r}."
            )
        _put(self, options=tuple(self.options))
        _put(self, start=self.settle(self.start or self.options[0]))

    @property
    def values(self) -> tuple[str, ...]:
        return tuple(self.options)

    extremes = midpoints = values

    def settle(self, value: Any) -> str:
        """Return `value` if it is one of the options; raise where it is not."""
        if value in self.options:
            return value
        close = difflib.get_close_matches(str(value), self.options, n=1, cutoff=0) or self.options
        raise ValueError(
            f"`{self.name}` must be one of {list(self.options)}; got {value!r}. Try {close[0]!r}."
        )

    def position(self, value: Any) -> float:
        """Return the option's number in `options`."""
        return float(self.options.index(self.settle(value)))

    def spec(self) -> dict[str, Any]:
        return {"name": self.name, "label": self.label, "options": self.options,
                "start": self.start, "step": True} | _untabulated(self)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Formula:
    """A text that the reader types, a formula in x; the page reads it, `compute` never sees it.

    Arguments:
        name: the word in the page's address.
        label: what the reader sees.
        start: the formula to begin with.
        examples: formulas to choose from.
    """

    name: str
    label: str
    start: str
    examples: Sequence[str]
    tabulated: bool = field(default=False, init=False)
    step: bool = field(default=True, init=False)
    static: bool = field(default=True, init=False)

    @property
    def values(self) -> tuple[str, ...]:
        return tuple(self.examples)

    extremes = midpoints = values

    def settle(self, value: Any) -> str:
        """Return `value` if it is a text; what it says is read by the page."""
        if isinstance(value, str):
            return value
        raise ValueError(f"`{self.name}` must be a text, such as {self.start!r}; got {value!r}.")

    def position(self, value: Any) -> float:
        """Return 0: a text lies on no grid."""
        return 0.0

    def spec(self) -> dict[str, Any]:
        return {"name": self.name, "label": self.label, "start": self.start,
                "examples": list(self.examples), "step": True} | _untabulated(self)  # fmt: skip


def _untabulated(axis: "Axis | Choice | Formula") -> dict[str, bool]:
    """Said only where it is so: every byte is carried by every page."""
    return {} if axis.tabulated else {"tabulated": False}


def _put(frozen: object, **values: Any) -> None:
    for key, value in values.items():
        object.__setattr__(frozen, key, value)
