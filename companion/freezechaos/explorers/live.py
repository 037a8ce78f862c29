"""A figure that computes while you look: the package's functions, compiled, run in the page.

Three pure functions make a `Live` explorer: `begin` gives a state, `advance` takes it one turn
further, `look` says what is to be seen of it. They are compiled to JavaScript when the explorer is
made; `live.js` runs them in a worker, in JupyterLab as on a published page. Until the reader asks
for it nothing runs, and the figure shows what JAX computed, after some turns at the start.
"""

import inspect
import itertools
import zlib
from base64 import b64encode
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import jax
import numpy as np

from freezechaos import browser
from freezechaos.explorers.axes import Axis, Choice
from freezechaos.explorers.explorer import HERE, Explorer, without_comments

State = Any


class Live(Explorer):
    """A figure that the reader sets going, over named axes.

    `begin` and `advance` take axes by their names, those they name. A static axis or a choice is
    a Python value to them, and each of its values is compiled for itself; other axes are traced,
    as int32 where their values are whole numbers, else as float32; a choice that is not static, as
    the option's number. An axis that `begin` does not take is turned while the run goes on.

    Arguments:
        begin: function of axes, to a state, a pytree of arrays. When an axis that it takes is
            turned, all begins anew.
        advance: function of a state, and of axes, to the state after one turn.
        look: function of a state, to a dict of arrays, each of one shape and finite.
        turns: how many turns a run has.
        turn: what the reader calls one, such as `"4 steps"`.
        poster: after how many turns the picture was taken that is there before anything runs, by
            default all of them.
        pace: how many turns a second there are at most, where each is to be seen.
        axes, options: as for `Explorer`.

    Raises:
        Unsupported: the functions ask for a primitive that a page does not know.
        ValueError: as for `Explorer`.
    """

    _esm = without_comments(
        "".join((HERE / name).read_text("utf-8") for name in ("explorer.js", "live.js"))
    )

    def __init__(
        self,
        *,
        begin: Callable[..., State],
        advance: Callable[..., State],
        look: Callable[[State], Mapping[str, Any]],
        turns: int,
        turn: str,
        axes: Sequence[Axis | Choice],
        poster: int | None = None,
        pace: int | None = None,
        **options: Any,
    ) -> None:
        axes = [replace(axis, tabulated=False) for axis in axes]
        self._begin, self._advance, self._look = begin, advance, look
        self._poster = turns if poster is None else poster
        self._jitted: dict[tuple, tuple[Callable, Callable]] = {}
        start = {axis.name: axis.start for axis in axes} | (options.get("start") or {})
        self._live = {"turns": turns, "turn": turn, "gap": 1000 // pace if pace else 0,
                      **self._compiled(axes)}  # fmt: skip
        super().__init__(
            axes=axes, compute=lambda: self._seen(start, self._poster), vectorized=False, **options
        )

    def _compiled(self, axes: Sequence[Axis | Choice]) -> dict[str, Any]:
        static = [axis for axis in axes if axis.static]
        free = {axis.name: _number(axis) for axis in axes if not axis.static}
        sources, names = {}, {}
        for values in itertools.product(*(axis.values for axis in static)):
            fixed = dict(zip([axis.name for axis in static], values, strict=True))
            begin, begins = _taking(self._begin, fixed, free)
            advance, advances = _taking(self._advance, fixed, free)
            state = jax.eval_shape(begin, *(free[name] for name in begins))
            sources[",".join(map(str, values))] = browser.compile_all(
                begin=(begin, [free[name] for name in begins]),
                advance=(advance, [state, *(free[name] for name in advances)]),
                look=(self._look, [state]),
            )
            names = {
                "begin": begins,
                "advance": advances,
                "look": sorted(jax.eval_shape(self._look, state)),
            }
        anew = list(inspect.signature(self._begin).parameters)
        code = b64encode(zlib.compress(browser.of_sizes(sources).encode(), 9)).decode("ascii")
        return {"static": [a.name for a in static], "anew": anew, "names": names, "code": code}

    def _make_spec(self) -> dict[str, Any]:
        return super()._make_spec() | {"live": self._live}

    def _seen(self, setting: Mapping[str, Any], turns: int) -> dict[str, np.ndarray]:
        seen = self._look(self._after(setting, turns))
        return {name: np.asarray(value) for name, value in seen.items()}

    def _after(self, setting: Mapping[str, Any], turns: int) -> State:
        static = self._live["static"]
        free = {n: self._argument(n, v) for n, v in setting.items() if n not in static}
        begin, advance = self._by_jax(tuple((n, setting[n]) for n in static), tuple(free))
        state = begin(free)
        for _ in range(turns):
            state = advance(state, free)
        return state

    def _argument(self, name: str, value: Any) -> Any:
        axis = self.axes[name]
        return axis.values.index(value) if isinstance(axis, Choice) else value

    def _by_jax(self, fixed: tuple, names: tuple[str, ...]) -> tuple[Callable, Callable]:
        """Compiled once for each setting of the static axes."""
        if fixed not in self._jitted:
            begin, begins = _taking(self._begin, dict(fixed), names)
            advance, advances = _taking(self._advance, dict(fixed), names)
            self._jitted[fixed] = (
                jax.jit(lambda free: begin(*(free[name] for name in begins))),
                jax.jit(lambda state, free: advance(state, *(free[name] for name in advances))),
            )
        return self._jitted[fixed]

    def state(self, turns: int, **setting: Any) -> State:
        """Return what JAX comes to after so many turns.

        Raises:
            ValueError: an axis does not exist or cannot be set so.
        """
        return self._after(self.start | self._settled(setting), turns)

    def at(self, turns: int | None = None, **setting: Any) -> dict[str, np.ndarray]:
        """Return what JAX computes for `look` after so many turns, by default as in the picture.

        Raises:
            ValueError: an axis does not exist or cannot be set so.
        """
        values = self.start | self._settled(setting)
        return self._seen(values, self._poster if turns is None else turns)


def _number(axis: Axis | Choice) -> jax.ShapeDtypeStruct:
    whole = isinstance(axis, Choice) or all(isinstance(value, int) for value in axis.values)
    return jax.ShapeDtypeStruct((), "int32" if whole else "float32")


def _taking(
    function: Callable[..., State], fixed: Mapping[str, Any], free: Iterable[str]
) -> tuple[Callable[..., State], list[str]]:
    """With its static axes filled in, the others in a row after the state; and their names."""
    known = inspect.signature(function).parameters
    given = {name: value for name, value in fixed.items() if name in known}
    names = [name for name in free if name in known]

    def taking(*arguments: Any) -> State:
        rest = arguments[len(arguments) - len(names) :]
        state = arguments[: len(arguments) - len(names)]
        return function(*state, **given, **dict(zip(names, rest, strict=True)))

    return taking, names
