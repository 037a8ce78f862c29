"""What is drawn: `Curves`, a `Map` with a point to drag, `Polar` round the circle, an `Image`,
and pictures that are `Pushed`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from freezechaos.explorers.axes import Axis, Choice, Formula, Number, Numbers
from freezechaos.explorers.grid import Quantized
from freezechaos.plotting import PALETTE, SHADES

Outputs = Mapping[str, Quantized]
Axes = Mapping[str, Axis | Choice | Formula]
STYLES = ("line", "faint", "dashed", "dots", "steps", "bars")
DEFAULT_COLORS = ("freeze", "chaos", "green", "pink", "ochre", "violet")


@dataclass(frozen=True, eq=False)
class Guide:
    """A straight reference line at `x` or at `y`: a number, or the name of an axis or number.

    Raises:
        ValueError: both or neither of `x` and `y` are given.
    """

    label: str = ""
    x: Number | str | None = None
    y: Number | str | None = None

    def __post_init__(self) -> None:
        if (self.x is None) == (self.y is None):
            raise ValueError(
                f"a `Guide` stands at `x` or at `y`; got x={self.x}, y={self.y}. Give just one."
            )

    def spec(self) -> dict[str, Any]:
        return {"label": self.label, "x": self.x, "y": self.y}


@dataclass(frozen=True, eq=False)
class Line:
    """A fixed curve, `x` and `y` of shape `[points]`: a diagonal, a critical line, one point.

    It is there at the settings of choices that `where` names, such as `{"activation": "relu"}`.
    On a `Map` either may hold options of a `Choice`; across an axis that goes by steps, each
    point is drawn as a bar across its band.
    """

    x: Numbers | Sequence[str]
    y: Numbers | Sequence[str]
    label: str = ""
    color: str = "edge"
    where: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _check_colors([self.color])
        if len(self.x) != len(self.y):
            raise ValueError(
                f"`x` and `y` of the line {self.label!r} must be as long as each other; "
                f"got {len(self.x)} and {len(self.y)}."
            )

    def spec(self) -> dict[str, Any]:
        held = {"where": dict(self.where)} if self.where else {}
        return {"label": self.label, "color": self.color,
                "x": _rounded(self.x), "y": _rounded(self.y)} | held  # fmt: skip


@dataclass(frozen=True, kw_only=True, eq=False)
class Curves:
    """One curve or several, as lines, faint or full, dashes, dots, steps or bars.

    Arguments:
        x: `[points]`, the same for every setting, or the name of an output shaped like `y`.
        y: name of an output, `[points]` or `[series, points]` a setting.
        x_label, y_label: what the axes show, with the unit.
        series: a label for each curve, "" for one without; none for no labels.
        colors: names in `freezechaos.plotting.PALETTE`, one a curve.
        styles: `"line"`, `"faint"`, `"dashed"`, `"dots"`, `"steps"` or `"bars"`, one a curve. Bars
            are steps with what is under them filled, from the first value to the last: let both
            be 0.
        x_range, y_range: what the axes span, by default all that any setting reaches.
        x_scale: `"linear"` or `"log"`.
        y_scale: `"linear"`, or `"log"`, where `y` is kept and interpolated as its logarithm.
        x_ticks, y_ticks: where the ticks stand, if anywhere; by default at round numbers.
        x_names: what the ticks of `x_ticks` say, by default their numbers.
        guides: straight reference lines.
        background: fixed curves behind the others.
        title: shown above, where an explorer has two views.
        square: whether the frame is a square, so that a slope of 1 rises at 45 degrees.

    Raises:
        ValueError: a colour, a style, a shape or the number of names does not fit.
    """

    x: str | Numbers
    y: str
    x_label: str
    y_label: str
    series: Sequence[str] = ()
    colors: Sequence[str] = DEFAULT_COLORS
    styles: Sequence[str] = ()
    x_range: tuple[Number, Number] | None = None
    y_range: tuple[Number, Number] | None = None
    x_scale: str = "linear"
    y_scale: str = "linear"
    x_ticks: Numbers | None = None
    y_ticks: Numbers | None = None
    x_names: Sequence[str] = ()
    guides: Sequence[Guide] = ()
    background: Sequence[Line] = ()
    title: str = ""
    square: bool = False

    def __post_init__(self) -> None:
        _check_colors(self.colors)
        _check_words("styles", self.styles, STYLES)
        ticks = () if self.x_ticks is None else self.x_ticks
        if self.x_names and len(self.x_names) != len(ticks):
            raise ValueError(
                f"`x_names` must be one for each of `x_ticks`; got {list(self.x_names)} for "
                f"{list(ticks)}."
            )
        _check_words("x_scale and y_scale", [self.x_scale, self.y_scale], ("linear", "log"))

    @property
    def outputs(self) -> tuple[str, ...]:
        guides = [place for guide in self.guides for place in (guide.x, guide.y)]
        return tuple(name for name in (self.y, self.x, *guides) if isinstance(name, str))

    @property
    def logarithmic(self) -> tuple[str, ...]:
        return (self.y,) if self.y_scale == "log" else ()

    @property
    def description(self) -> str:
        return f"{self.y_label} against {self.x_label}"

    def spec(self, outputs: Outputs, axes: Axes) -> dict[str, Any]:
        shape = outputs[self.y].shape
        count = _count_curves(self, shape)
        if isinstance(self.x, str):
            _check_length("x", outputs[self.x].shape, shape)
            x, reach = self.x, outputs[self.x].range
        else:
            _check_length("x", np.shape(self.x), shape[-1:])
            x, reach = _rounded(self.x), (float(min(self.x)), float(max(self.x)))
        return {
            "kind": "curves", "title": self.title, "description": self.description,
            "x": x, "y": self.y,
            "xLabel": self.x_label, "yLabel": self.y_label,
            "series": list(self.series), "colors": _repeated(self.colors, count),
            "styles": [*self.styles, *["line"] * (count - len(self.styles))],
            "xRange": _floats(self.x_range or reach),
            "yRange": _floats(self.y_range or outputs[self.y].range),
            "xLog": self.x_scale == "log", "yLog": self.y_scale == "log",
            "xTicks": _rounded(self.x_ticks), "yTicks": _rounded(self.y_ticks),
            "guides": [guide.spec() for guide in self.guides],
            "background": [line.spec() for line in self.background],
            "square": self.square,
            **({"xNames": list(self.x_names)} if self.x_names else {}),
        }  # fmt: skip


@dataclass(frozen=True, kw_only=True, eq=False)
class Polar:
    """A function of the angle, as a closed curve round the circle with radius its value.

    Negative values lie inside the circle of value zero, which is drawn; so is the unit circle.

    Arguments:
        angles: `[points]`, in radians, all the way round, the first point not repeated; where
            `mirrored`, from 0 to π, and the other half of the circle is drawn alike.
        value: name of an output, `[points]` or `[series, points]` a setting.
        label: what the radius shows.
        series, colors, title: as in `Curves`.
        value_range: what the radius spans, by default what any setting reaches, 0 and 1.

    Raises:
        ValueError: a colour or a shape does not fit.
    """

    angles: Numbers
    value: str
    label: str
    series: Sequence[str] = ()
    colors: Sequence[str] = DEFAULT_COLORS
    value_range: tuple[Number, Number] | None = None
    mirrored: bool = False
    title: str = ""

    def __post_init__(self) -> None:
        _check_colors(self.colors)

    @property
    def outputs(self) -> tuple[str, ...]:
        return (self.value,)

    @property
    def logarithmic(self) -> tuple[str, ...]:
        return ()

    @property
    def description(self) -> str:
        return f"{self.label} round the circle, as the radius"

    def spec(self, outputs: Outputs, axes: Axes) -> dict[str, Any]:
        shape = outputs[self.value].shape
        _check_length("angles", np.shape(self.angles), shape[-1:])
        low, high = outputs[self.value].range
        return {
            "kind": "polar", "title": self.title, "description": self.description,
            "angles": _rounded(self.angles), "mirrored": self.mirrored,
            "value": self.value, "label": self.label,
            "series": list(self.series),
            "colors": _repeated(self.colors, _count_curves(self, shape)),
            "range": _floats(self.value_range or (min(low, 0.0), max(high, 1.0))),
        }  # fmt: skip


@dataclass(frozen=True, kw_only=True, eq=False)
class Map:
    """A number over two axes as colour, with a point at the setting that can be dragged.

    Arguments:
        x, y: names of two axes; a `Choice` or an axis by steps gives labelled bands.
        color: name of an output that is one number a setting; or the whole map at a setting,
            `[rows, columns]`, spread evenly from the first value of either axis to the last.
        label: what the colour shows.
        center: the value that is grey; below it is blue, above it orange.
        ends: what the two sides are called.
        lines: fixed curves on top, such as the critical line, in the units of the axes.
        color_range: what the colours span, by default all that any setting reaches.
        title: as in `Curves`.

    Raises:
        ValueError: `x` or `y` is no axis, or `color` is neither a single number nor a map.
    """

    x: str
    y: str
    color: str
    label: str
    center: Number = 1.0
    ends: tuple[str, str] = ("freeze", "chaos")
    lines: Sequence[Line] = ()
    color_range: tuple[Number, Number] | None = None
    title: str = ""

    @property
    def outputs(self) -> tuple[str, ...]:
        return (self.color,)

    @property
    def logarithmic(self) -> tuple[str, ...]:
        return ()

    @property
    def description(self) -> str:
        ends = " to ".join(self.ends)
        return f"{self.label} as colour over {self.x} and {self.y}, from {ends}"

    def spec(self, outputs: Outputs, axes: Axes) -> dict[str, Any]:
        for name in (self.x, self.y):
            known = tuple(name for name, axis in axes.items() if axis.tabulated)
            _check_words("x and y", [name], known)
        shape = outputs[self.color].shape
        if len(shape) != 2:
            _check_length("color", shape, ())
        low, high = self.color_range or outputs[self.color].range
        lines = [
            line.spec() | {"x": _rounded([axes[self.x].position(v) for v in line.x]),
                           "y": _rounded([axes[self.y].position(v) for v in line.y])}
            for line in self.lines
        ]  # fmt: skip
        return {
            "kind": "map", "title": self.title, "description": self.description,
            "x": self.x, "y": self.y, "color": self.color, "label": self.label,
            "center": self.center, "ends": list(self.ends), "lines": lines,
            "range": _floats((min(low, self.center), max(high, self.center))),
            "field": list(shape) or None,
        }  # fmt: skip


@dataclass(frozen=True, kw_only=True, eq=False)
class Image:
    """One picture or several, pixel by pixel, where a pixel can be picked.

    Arguments:
        pixels: name of an output, `[rows, columns]` or `[panels, rows, columns]` a setting.
        label: what the shade shows.
        panels: a title for each panel; none for no titles.
        values: name of an output, `[panels]` a setting or, of a single panel, one number; each
            is shown after the title of its panel.
        format: how a value is shown, as in the sentence.
        shades: `"grey"`, from black to white on any page, for photographs; or `"violet"`, from
            the page's own colour to violet, for kernels.
        value_range: what the shades span, by default all that any setting reaches.
        pick: names of two axes that go by steps, and count the rows and the columns from 0. The
            pixel there is outlined in every panel; clicks, taps and arrow keys set the two.
        columns: how many panels stand in a line where there is room; 0 for as many as fit.
        title: as in `Curves`.

    Raises:
        ValueError: a shape, the shades or an axis of `pick` does not fit.
    """

    pixels: str
    label: str
    panels: Sequence[str] = ()
    values: str | None = None
    format: str = ".3g"
    shades: str = "grey"
    value_range: tuple[Number, Number] | None = None
    pick: tuple[str, str] | None = None
    columns: int = 0
    title: str = ""

    def __post_init__(self) -> None:
        _check_words("shades", [self.shades], tuple(SHADES))

    @property
    def outputs(self) -> tuple[str, ...]:
        return (self.pixels,) if self.values is None else (self.pixels, self.values)

    @property
    def logarithmic(self) -> tuple[str, ...]:
        return ()

    @property
    def description(self) -> str:
        return f"{self.label} as the shade of each pixel"

    def spec(self, outputs: Outputs, axes: Axes) -> dict[str, Any]:
        panels, rows, columns = _shape_of_panels(self, outputs[self.pixels].shape)
        if self.values is not None:
            shape = outputs[self.values].shape
            _check_length("values", shape or (1,), (panels,))
        _check_pick(self.pick or (), axes, (rows, columns))
        return {
            "kind": "image", "title": self.title, "description": self.description,
            "pixels": self.pixels, "shape": [panels, rows, columns], "label": self.label,
            "panels": list(self.panels), "values": self.values, "format": self.format,
            "shades": [shades.split() for shades in SHADES[self.shades]],
            "range": _floats(self.value_range or outputs[self.pixels].range),
            "pick": self.pick, "columns": self.columns,
        }  # fmt: skip


@dataclass(frozen=True, kw_only=True, eq=False)
class Pushed:
    """Pictures of a batch, and how a step moves them that pushes a pixel of one or of each.

    Drawn are the moves, over the largest of all that are shown; or, with `onto`, other pictures
    to which so many times that is added. Pixels that are pushed are outlined.

    Arguments:
        kernels: name of an output, `[2, row classes, column classes]` a setting: the tangent
            kernel of a picture with itself, and that between two pictures.
        classes: the class of each pair of rows and of columns, as in `deconvolution.Compressed`.
        wishes: the pixel that each picture asks for where each asks for its own,
            `[most, 2]`, as many as the largest batch.
        count: how many pictures of the batch are shown.
        label: what the shade shows.
        pick: names of three axes that go by steps, and count the pictures from 1, as people do,
            the rows and the columns from 0; clicks, taps and arrow keys set them.
        batch: name of an axis, the pictures in the batch.
        who: name of a choice of three: one picture asks, each for a pixel of its own, all for the
            same one.
        onto: name of an output `[pictures, rows, columns]`.
        times: name of an axis, with `onto`: how many times the move is added.
        shades, value_range, columns, title: as in `Image`.

    Raises:
        ValueError: a shape, the shades or an axis does not fit.
    """

    kernels: str
    classes: tuple[np.ndarray, np.ndarray]
    wishes: np.ndarray
    count: int
    label: str
    pick: tuple[str, str, str]
    batch: str
    who: str
    onto: str | None = None
    times: str | None = None
    shades: str = "violet"
    value_range: tuple[Number, Number] = (0, 1)
    columns: int = 3
    title: str = ""

    def __post_init__(self) -> None:
        _check_words("shades", [self.shades], tuple(SHADES))
        if (self.onto is None) != (self.times is None):
            raise ValueError(
                f"`onto` and `times` go together; got {self.onto!r} and {self.times!r}. Give both "
                "or neither."
            )

    @property
    def outputs(self) -> tuple[str, ...]:
        return (self.kernels,) if self.onto is None else (self.kernels, self.onto)

    @property
    def logarithmic(self) -> tuple[str, ...]:
        return ()

    @property
    def description(self) -> str:
        return f"{self.label} as the shade of each pixel"

    def spec(self, outputs: Outputs, axes: Axes) -> dict[str, Any]:
        down, along = (np.asarray(part) for part in self.classes)
        numbers = (int(part.max()) + 1 for part in (down, along))
        shape = (self.count, len(down), len(along))
        _check_length("kernels", outputs[self.kernels].shape, (2, *numbers))
        if self.onto is not None:
            _check_length("onto", outputs[self.onto].shape, shape)
        _check_counts(self.pick[0], axes, self.count, since=1)
        _check_pick(self.pick[1:], axes, shape[1:])
        others = [self.batch, self.who] + ([] if self.times is None else [self.times])
        _check_words("batch, who and times", others, tuple(axes))
        _check_length("who", (len(axes[self.who].values),), (3,))
        sizes = np.asarray(axes[self.batch].values, int)
        if not self.count <= sizes.min() <= sizes.max() <= len(self.wishes):
            raise ValueError(
                f"`batch` must lie between the {self.count} pictures that are shown and the "
                f"{len(self.wishes)} `wishes`; got {list(axes[self.batch].values)}."
            )
        return {
            "kind": "pushed", "title": self.title, "description": self.description,
            "kernels": self.kernels, "classes": [down.tolist(), along.tolist()],
            "across": int(along.max()) + 1,
            "wishes": np.asarray(self.wishes).tolist(), "shape": list(shape), "label": self.label,
            "shades": [shades.split() for shades in SHADES[self.shades]],
            "range": _floats(self.value_range), "pick": self.pick, "columns": self.columns,
            "batch": self.batch, "who": self.who, "onto": self.onto, "times": self.times,
        }  # fmt: skip


View = Curves | Map | Polar | Image | Pushed


def _count_curves(view: Curves | Polar, shape: tuple[int, ...]) -> int:
    count = shape[0] if len(shape) == 2 else 1
    if len(shape) not in (1, 2) or (view.series and len(view.series) != count):
        raise ValueError(
            f"a view of {len(view.series) or 'unlabelled'} `series` needs an output of shape "
            f"[points] or [series, points]; got {list(shape)}."
        )
    return count


def _shape_of_panels(view: Image, shape: tuple[int, ...]) -> tuple[int, int, int]:
    if len(shape) not in (2, 3):
        raise ValueError(
            f"`pixels` must have shape [rows, columns] or [panels, rows, columns]; "
            f"got {list(shape)}. Reshape `{view.pixels}` in `compute`."
        )
    panels, rows, columns = (1, *shape)[-3:]
    if view.panels and len(view.panels) != panels:
        raise ValueError(
            f"`panels` must be a title for each of {panels}; got {list(view.panels)}. "
            f"Give one a panel, or none."
        )
    return panels, rows, columns


def _check_pick(names: Sequence[str], axes: Axes, counts: Sequence[int]) -> None:
    for name, count in zip(names, counts, strict=False):
        _check_counts(name, axes, count)


def _check_counts(name: str, axes: Axes, count: int, since: int = 0) -> None:
    _check_words("pick", [name], tuple(axes))
    axis, wanted = axes[name], range(since, since + count)
    if not axis.step or list(axis.values) != list(wanted):
        raise ValueError(
            f"`pick` must name axes that go by steps and count rows and columns from 0, pictures "
            f"from 1; got `{name}`, {'by steps' if axis.step else 'smoothly'} over "
            f"{list(axis.values)}. Try Axis({name!r}, …, {wanted}, step=True)."
        )


def _check_length(name: str, got: tuple[int, ...], needed: tuple[int, ...]) -> None:
    if tuple(got) != tuple(needed):
        raise ValueError(f"`{name}` must have shape {list(needed)}; got {list(got)}.")


def _check_colors(colors: Sequence[str]) -> None:
    _check_words("colors", colors, tuple(PALETTE))


def _check_words(argument: str, words: Sequence[str], known: tuple[str, ...]) -> None:
    for word in words:
        if word not in known:
            raise ValueError(f"`{argument}` must be of {list(known)}; got {word!r}.")


def _repeated(colors: Sequence[str], count: int) -> list[str]:
    return [colors[k % len(colors)] for k in range(count)]


def _floats(pair: tuple[Any, Any]) -> list[float]:
    return [float(end) for end in pair]


def _rounded(values: Any) -> Any:
    """Return `values` as a list of six significant digits: what a screen can show, shorter."""
    if values is None or not len(values) or isinstance(values[0], str):
        return values
    return [float(f"{value:.6g}") for value in np.asarray(values, float)]
