"""A figure that the reader turns: everything is computed here, ahead, and drawn over there.

`Explorer` evaluates one pure function over a grid, packs the results into the widget, and
`explorer.js` interpolates and draws them: the same on a published page without a kernel as
in JupyterLab, where `explorer.setting` is what the reader has set, and can be set.
"""

import itertools
import json
import pathlib
import re
from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, NoReturn

import anywidget
import numpy as np
import traitlets
from matplotlib.figure import Figure

from freezechaos.explorers import readout as sentence
from freezechaos.explorers.axes import Axis, Choice, Formula
from freezechaos.explorers.compiled import calling, check_compiled, pinned, programs, sampled
from freezechaos.explorers.grid import Compute, Names, Quantized, pack, tabulate
from freezechaos.explorers.readout import Bands, Naming
from freezechaos.explorers.still import draw, png
from freezechaos.explorers.views import View
from freezechaos.plotting import DIVERGING, PALETTE

HERE = pathlib.Path(__file__).parent
Setting = Mapping[str, Any]
Table = Mapping[str, np.ndarray]


def without_comments(script: str) -> str:
    """A script without its lines of comment: a page carries a copy for every explorer on it."""
    return re.sub(r"^ *//.*\n", "", script, flags=re.M)


class Explorer(anywidget.AnyWidget):
    """A live figure over named axes, with its results computed ahead.

    Arguments:
        title: shown above the figure.
        axes: what can be turned, `Axis` and `Choice`.
        compute: pure function of the tabulated axes' values, by name, to a dict of arrays, each
            of one shape at every setting and finite. Plain axes are mapped over with `jax.vmap`;
            a static `Axis` or a `Choice` is looped over and arrives as a Python value.
        view: one view or a list of them, side by side where there is room.
        numbers: names of those outputs that are one number each, for the sentence.
        words: names for the sentence that stand for a word: a `Bands`, decided by a number
            at every setting, or a function of the axes' values and the numbers (a dict),
            called at every grid point; between grid points the nearest word is shown.
        readout: the sentence under the figure, a Python format string over the names of
            axes, numbers and words, with formats `.2f`, `.1e`, `.3g`, `.0%`.
        alt: what the still figure shows, for those who cannot see it.
        slug: the explorer's name in the page's address, by default made of the title.
        log: names of outputs that span magnitudes: positive, kept as their logarithms.
        vectorized: without it, `compute` is never mapped, and gets Python numbers only.
        compiled: the page carries `compute` itself, compiled to JavaScript, and runs it at the very
            setting of the reader; a program for each combination of static axes and choices. A
            choice that is not static is traced, as the option's number.
            Nothing is interpolated, views say their ranges, `words` are `Bands`, a `Map` has its
            whole field.
        start: values to begin with, by the axes' names, in place of the axes' own.

    Raises:
        ValueError: a name, a shape or a value does not fit; the message says which and how.
    """

    _esm = without_comments((HERE / "explorer.js").read_text("utf-8"))
    _css = HERE / "explorer.css"
    spec = traitlets.Dict(read_only=True).tag(sync=True)
    data = traitlets.Bytes(read_only=True).tag(sync=True)
    setting = traitlets.Dict().tag(sync=True)

    def __init__(
        self,
        *,
        title: str,
        axes: Sequence[Axis | Choice | Formula],
        compute: Compute,
        view: View | Sequence[View],
        readout: str,
        alt: str,
        numbers: Sequence[str] = (),
        words: Mapping[str, Naming | Bands] | None = None,
        slug: str | None = None,
        log: Sequence[str] = (),
        vectorized: bool = True,
        compiled: bool = False,
        start: Mapping[str, Any] | None = None,
    ) -> None:
        self.title, self.alt, self.readout = title, alt, readout
        self.axes = _started(axes, start or {})
        self._grid = {name: axis for name, axis in self.axes.items() if axis.tabulated}
        self.views = list(view) if isinstance(view, Sequence) else [view]
        self.slug = _checked_slug(title if slug is None else slug, given=slug is not None)
        self._compute, self._vectorized, self.compiled = compute, vectorized, compiled
        self._numbers, self._words = tuple(numbers), dict(words or {})
        if len(self.axes) < len(axes):
            raise ValueError(f"`axes` must have different names; got {[a.name for a in axes]}.")
        if not compiled:
            _check_static(self._grid.values())
        sentence.check(readout, [*self.axes, *self._numbers, *self._words])
        self._columns = sampled(self._grid.values()) if compiled else tuple(self._grid.values())
        table = tabulate(compute, self._columns, vectorized=vectorized)
        self._outputs = self._quantized(table, log)
        # A published page keeps objects sorted by their keys, and codes are read in that order.
        self._names = dict(sorted(self._named(table).items()))
        if compiled:
            check_compiled(self.views, self._outputs, self._names, vectorized=vectorized)
        super().__init__(setting=self.start)
        self.set_trait("spec", self._make_spec())
        self.set_trait("data", self._carried())

    def _carried(self) -> bytes:
        """What the page has of the results: a table, or programs."""
        if self.compiled:
            return programs(self._compute, tuple(self._grid.values()), tuple(self._outputs))
        return pack([o.codes for o in (self._outputs | self._names).values()])

    def _quantized(self, table: Table, log: Sequence[str]) -> dict[str, Quantized]:
        logs = {*log, *(name for view in self.views for name in view.logarithmic)}
        bands = (word.of for word in self._words.values() if isinstance(word, Bands))
        drawn = [*(name for view in self.views for name in view.outputs), *self._numbers, *bands]
        needed = [name for name in dict.fromkeys(drawn) if name not in self.axes]
        for name in needed:
            self._check_output(name, table, positive=name in logs)
        count = len(self._grid)
        return {name: Quantized.of(table[name], log=name in logs, axes=count) for name in needed}

    def _check_output(self, name: str, table: Table, *, positive: bool) -> None:
        if name not in table:
            raise ValueError(f"`compute` gives {sorted(table)}; it must give `{name}` too.")
        values = table[name]
        if name in self._numbers and values.ndim > len(self._grid):
            raise ValueError(
                f"`{name}` in `numbers` must be one number a setting; "
                f"got the shape {list(values.shape[len(self._grid) :])}."
            )
        bad = np.argwhere(~np.isfinite(values) | (positive & (values <= 0)))
        if len(bad):
            where = {a.name: a.values[k] for a, k in zip(self._columns, bad[0], strict=False)}
            raise ValueError(
                f"`{name}` must be finite{' and positive, for its logarithm' * positive}; got "
                f"{values[tuple(bad[0])]} at {where}. "
                f"Mend `compute` or narrow that axis."
            )

    def _named(self, table: Table) -> dict[str, Names]:
        shape = tuple(len(axis.values) for axis in self._grid.values())
        scalars = {key: value for key, value in table.items() if value.shape == shape}
        points = [
            dict(zip(self._grid, values, strict=True))
            | {key: float(value[index]) for key, value in scalars.items()}
            for index, values in zip(np.ndindex(shape), _product(self._grid, "values"), strict=True)
        ]
        return {
            name: Names.of([word(point) for point in points], shape)
            for name, word in self._words.items()
            if not isinstance(word, Bands)
        }

    def _make_spec(self) -> dict[str, Any]:
        spec = {
            "title": self.title,
            "slug": self.slug,
            # Keeps "r = 0.990" on one line.
            "readout": self.readout.replace(" = ", "\u00a0=\u00a0"),
            "axes": [axis.spec() for axis in self.axes.values()],
            "outputs": [out.spec(name) for name, out in self._outputs.items()],
            "names": {name: names.words for name, names in self._names.items()},
            "bands": {n: w.spec() for n, w in self._words.items() if isinstance(w, Bands)},
            "views": [view.spec(self._outputs, self.axes) for view in self.views],
            "palette": {name: list(hue) for name, hue in PALETTE.items()},
            "diverging": [shades.split() for shades in DIVERGING],
            "compiled": calling(self._grid.values()) if self.compiled else None,
        }
        return json.loads(json.dumps(spec))

    @traitlets.validate("setting")
    def _complete(self, proposal: Mapping[str, Any]) -> dict[str, Any]:
        return Whole(self.start | self.setting | self._settled(proposal["value"]))

    def _settled(self, setting: Setting) -> dict[str, Any]:
        _check_known(setting, self.axes)
        return {name: self.axes[name].settle(value) for name, value in setting.items()}

    @property
    def start(self) -> dict[str, Any]:
        """The setting to begin with."""
        return {name: axis.start for name, axis in self.axes.items()}

    def at(self, **setting: Any) -> dict[str, np.ndarray]:
        """Return what `compute` gives exactly at `setting`; axes left out are at their start.

        Raises:
            ValueError: an axis does not exist or cannot be set so.
        """
        values = self.start | self._settled(setting)
        axes = [pinned(axis, values[name]) for name, axis in self._grid.items()]
        table = tabulate(self._compute, axes, vectorized=self._vectorized)
        return {name: np.asarray(value[(0,) * len(axes)]) for name, value in table.items()}

    def interpolated(self, **setting: Any) -> dict[str, np.ndarray]:
        """Return what the page shows at `setting`, read from the grid just as it reads it, or run.

        Raises:
            ValueError: an axis does not exist or cannot be set so.
        """
        return self._shown(self._outputs, self.start | self._settled(setting))

    def _shown(self, names: Iterable[str], setting: Setting) -> dict[str, np.ndarray]:
        if self.compiled:
            exact = self.at(**setting)
            return {name: exact[name] for name in names}
        places = self._positions(setting)
        return {name: self._outputs[name].read(places) for name in names}

    def _positions(self, setting: Setting) -> list[float]:
        return [axis.position(setting[name]) for name, axis in self._grid.items()]

    def interpolation_error(self, points: Iterable[Setting]) -> dict[str, float]:
        """Return for each output the largest |interpolated - exact| over the settings `points`."""
        worst = dict.fromkeys(self._outputs, 0.0)
        for point in points:
            exact, shown = self.at(**point), self.interpolated(**point)
            for name in worst:
                worst[name] = max(worst[name], float(np.max(np.abs(shown[name] - exact[name]))))
        return worst

    def corners(self) -> Iterator[dict[str, Any]]:
        """Yield every corner of the axes, as settings: both ends of each, all of a choice."""
        return (dict(zip(self.axes, c, strict=True)) for c in _product(self.axes, "extremes"))

    def midpoints(self) -> Iterator[dict[str, Any]]:
        """Yield the centre of every cell of the grid, where interpolation is at its worst."""
        return (dict(zip(self.axes, c, strict=True)) for c in _product(self.axes, "midpoints"))

    def sentence(self, **setting: Any) -> str:
        """Return the sentence under the figure at `setting`, by default the present one."""
        values = self.setting | self._settled(setting)
        places = self._positions(values)
        values |= {name: float(x) for name, x in self._shown(self._numbers, values).items()}
        values |= {name: names.read(places) for name, names in self._names.items()}
        bands = {n: w for n, w in self._words.items() if isinstance(w, Bands)}
        values |= {name: band.word(values[band.of]) for name, band in bands.items()}
        return sentence.fill(self.readout, values)

    def still(self) -> Figure:
        """Return the figure at the start, by matplotlib: for PDF, and where no script runs."""
        return draw(self.spec, self._read, self.start)

    def _read(self, name: str, setting: Setting) -> np.ndarray:
        return self._shown([name], setting)[name]

    @property
    def payload_bytes(self) -> int:
        """The bytes that a page carries for this explorer: results, their description, code."""
        texts = (json.dumps(self.spec), str(self._esm), str(self._css))
        return len(b64encode(self.data)) + sum(len(text.encode()) for text in texts)

    def __repr__(self) -> str:
        return f"Explorer({self.title!r}, slug={self.slug!r})"

    def _repr_mimebundle_(self, **options: Any) -> tuple[dict[str, Any], dict[str, Any]] | None:
        """Add the still picture, and its meaning in words, to the live view."""
        bundle, metadata = super()._repr_mimebundle_(**options) or ({}, {})
        bundle["text/plain"] = f"{self.alt}\n{self.sentence(**self.start)}"
        bundle["image/png"] = b64encode(png(self.still())).decode("ascii")
        return bundle, metadata


class Whole(dict):
    """A setting, changed as a whole: nobody would hear of a change inside it, and redraw."""

    def _refuse(self, *_: Any, **__: Any) -> NoReturn:
        raise TypeError(
            "a setting is changed as a whole, so that the figure follows. "
            'Try explorer.setting = {"beta": 0.7}; the other axes stay where they are.'
        )

    __setitem__ = __delitem__ = update = setdefault = pop = popitem = clear = _refuse

    def __ior__(self, changes: Any) -> dict:  # type: ignore[override,misc]
        return self | dict(changes)

    def __reduce__(self) -> tuple[type[dict], tuple[dict[str, Any]]]:
        return dict, (dict(self),)  # a copy is a plain one


def _started(
    axes: Sequence[Axis | Choice | Formula], start: Setting
) -> dict[str, Axis | Choice | Formula]:
    named = {axis.name: axis for axis in axes}
    _check_known(start, named)
    return named | {name: replace(named[name], start=value) for name, value in start.items()}


def _check_known(setting: Setting, axes: Mapping[str, Any]) -> None:
    for name in setting:
        if name not in axes:
            raise ValueError(f"there is no axis `{name}`; the axes are {list(axes)}.")


def _check_static(axes: Iterable[Axis | Choice | Formula]) -> None:
    for axis in axes:
        if isinstance(axis, Choice) and not axis.static:
            raise ValueError(
                f"the choice `{axis.name}` is traced, which a table does not know. "
                "Drop static=False, or take compiled=True."
            )


def _product(axes: Mapping[str, Axis | Choice | Formula], what: str) -> Iterator[tuple[Any, ...]]:
    return itertools.product(*(getattr(axis, what) for axis in axes.values()))


def _checked_slug(text: str, *, given: bool) -> str:
    slug = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
    if not slug or (given and slug != text):
        raise ValueError(
            f"`slug` must be lower-case letters, digits and hyphens; got {text!r}. "
            f"Try slug={slug or 'explorer'!r}."
        )
    return slug
