"""The still figure of an explorer: what `explorer.js` draws at the start, by matplotlib."""

import io
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, TwoSlopeNorm
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke
from matplotlib.ticker import MaxNLocator

from freezechaos.explorers.axes import Number
from freezechaos.explorers.moves import moves, wishes
from freezechaos.explorers.readout import fill
from freezechaos.plotting import DIVERGING_MAP, PALETTE, direct_label, style

Spec = Mapping[str, Any]
Read = Callable[[str, Mapping[str, Any]], np.ndarray]
Panels = tuple[np.ndarray, list[tuple[int, int] | None], list[str]]
LINES = {"line": "-", "faint": "-", "dashed": "--", "steps": "-", "bars": "-", "dots": "none"}


def draw(spec: Spec, read: Read, setting: Mapping[str, Any]) -> Figure:
    """Return the figure of all views of `spec` at `setting`; `read` gives the outputs there."""
    with style():
        figure = Figure(figsize=(6.4 * len(spec["views"]) ** 0.5, 3.8), layout="constrained")
        for k, view in enumerate(spec["views"], start=1):
            projection = "polar" if view["kind"] == "polar" else None
            ax = figure.add_subplot(1, len(spec["views"]), k, projection=projection)
            ax.set_title(view["title"])
            paint = {"curves": _curves, "polar": _polar, "map": _map, "image": _image,
                     "pushed": _image}  # fmt: skip
            paint[view["kind"]](ax, view, spec, read, dict(setting))
        figure.suptitle(spec["title"], x=0.02, ha="left", fontsize=12)
        return figure


def png(figure: Figure) -> bytes:
    """Return the picture, the same bytes for the same figure."""
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=144, metadata={"Software": None})
    return stream.getvalue()


def _curves(ax: Axes, view: Spec, spec: Spec, read: Read, setting: dict[str, Any]) -> None:
    for line in _held(view["background"], setting):
        ax.plot(line["x"], line["y"], color=_hue(line["color"]), lw=1)
        way = np.linspace(0, 1, len(line["x"]))
        ax.annotate(line["label"], [np.interp(0.7, way, line[x]) for x in "xy"], (5, -11),
                    textcoords="offset points", color=_hue(line["color"]))  # fmt: skip
    for guide in view["guides"]:
        _guide(ax, guide, read, setting)
    ys = np.atleast_2d(read(view["y"], setting))
    x = read(view["x"], setting) if isinstance(view["x"], str) else np.asarray(view["x"])
    for k, (xs, y) in enumerate(zip(np.broadcast_to(x, ys.shape), ys, strict=True)):
        kind = view["styles"][k]
        if kind == "bars":
            ax.fill_between(xs, y, step="post", color=_hue(view["colors"][k]), alpha=0.4, lw=0)
        ax.plot(xs, y, color=_hue(view["colors"][k]), ls=LINES[kind],
                marker="o" if kind == "dots" else "", ms=5,
                **({"lw": 0.8, "alpha": 0.55} if kind == "faint" else {}),
                drawstyle="steps-post" if kind in ("steps", "bars") else "default",
                label=(view["series"][k] or None) if view["series"] else None)  # fmt: skip
    if view["square"]:
        ax.set_box_aspect(1)
    ax.set(xlabel=view["xLabel"], ylabel=view["yLabel"],
           **{f"{x}scale": "log" if view[f"{x}Log"] else "linear" for x in "xy"},
           xlim=view["xRange"], ylim=view["yRange"])  # fmt: skip
    for name, ticks in (("x", view["xTicks"]), ("y", view["yTicks"])):
        if ticks is not None:
            labels = [f"{tick:g}".replace("-", "−") for tick in ticks]
            labels = view.get(f"{name}Names", labels)
            ax.set(**{f"{name}ticks": ticks, f"{name}ticklabels": labels})
            ax.minorticks_off()
    if view["series"]:
        ax.legend()


def _guide(ax: Axes, guide: Spec, read: Read, setting: dict[str, Any]) -> None:
    upright = guide["x"] is not None
    place = guide["x"] if upright else guide["y"]
    if isinstance(place, str):
        place = setting[place] if place in setting else float(read(place, setting))
    (ax.axvline if upright else ax.axhline)(place, color=_hue("edge"), lw=0.8, ls=":")
    at = (place, 0.97) if upright else (0.01, place)
    frame = ax.get_xaxis_transform() if upright else ax.get_yaxis_transform()
    ax.text(*at, f" {guide['label']}", transform=frame, color=_hue("edge"), size=9,
            va="top" if upright else "bottom")  # fmt: skip


def _polar(ax: Axes, view: Spec, spec: Spec, read: Read, setting: dict[str, Any]) -> None:
    way = np.arange(len(view["angles"]))
    back = way[::-1] if view["mirrored"] else way[:1]
    angles = np.append(
        view["angles"], (-1 if view["mirrored"] else 1) * np.take(view["angles"], back)
    )
    for k, values in enumerate(np.atleast_2d(read(view["value"], setting))):
        ax.plot(angles, np.append(values, values[back]), color=_hue(view["colors"][k]),
                label=view["series"][k] if view["series"] else None)  # fmt: skip
    for ring in (0, 1):
        ax.plot(angles, np.full_like(angles, ring), color=_hue("edge"), lw=0.8, ls=":")
    low, high = view["range"]
    ax.set(ylim=(low - 0.15 * (high - low), high), yticks=[0, 1], xticks=np.arange(4) * np.pi / 2)
    ax.grid(visible=False)
    if view["series"]:
        ax.legend(loc="lower left", bbox_to_anchor=(0.95, 0))


def _map(ax: Axes, view: Spec, spec: Spec, read: Read, setting: dict[str, Any]) -> None:
    axes = {axis["name"]: axis for axis in spec["axes"]}
    x, y = axes[view["x"]], axes[view["y"]]
    across, up, field = _field(view, x, y, read, setting)
    drawn = ax.pcolormesh(across, up, field, cmap=DIVERGING_MAP,
                          norm=_norm(view), shading="gouraud" if view["field"] else "nearest",
                          rasterized=True)  # fmt: skip
    for line in _held(view["lines"], setting):
        bars = {"marker": "|", "ms": 24, "ls": "none"} if y["step"] else {}
        dot = {"marker": "o", "ms": 4} if len(line["x"]) == 1 else {}
        ax.plot(line["x"], line["y"], color=_hue("ink"), lw=1.5, **bars, **dot)
        (_inside_label if view["field"] else _end_label)(ax, line)
    ax.plot(
        _place(x, setting),
        _place(y, setting),
        "o",
        ms=9,
        mfc="white",
        mec=_hue("ink"),
        mew=2,
        clip_on=False,
        zorder=4,
    )
    _name_axis(ax, "x", x)
    _name_axis(ax, "y", y)
    ax.figure.colorbar(drawn, ax=ax, label=view["label"])


def _end_label(ax: Axes, line: Spec) -> None:
    direct_label(ax, line["x"][-1], line["y"][-1], line["label"])


def _inside_label(ax: Axes, line: Spec) -> None:
    """On a ground of any shade, above the line at seven tenths of its way."""
    way = np.linspace(0, 1, len(line["x"]))
    halo = [withStroke(linewidth=3, foreground="white")]
    one = len(way) == 1
    ax.annotate(line["label"], [np.interp(0.7, way, line[x]) for x in "xy"],
                (8, 6) if one else (0, 4), textcoords="offset points", size=10,
                color=_hue("ink"), ha="left" if one else "center", path_effects=halo)  # fmt: skip


def _field(
    view: Spec, x: Spec, y: Spec, read: Read, setting: dict[str, Any]
) -> tuple[Sequence[Number], Sequence[Number], np.ndarray]:
    """Return the places along both axes, and the colour at each."""
    if view["field"]:
        ends = (len(_known(axis)) - 1 for axis in (x, y))
        sizes = reversed(view["field"])
        across, up = (np.linspace(0, end, n) for end, n in zip(ends, sizes, strict=True))
        return list(across), list(up), read(view["color"], setting)
    samples = _samples(x), _samples(y)
    field = [
        [read(view["color"], setting | {x["name"]: u, y["name"]: v}) for u in samples[0].values()]
        for v in samples[1].values()
    ]
    return list(samples[0]), list(samples[1]), np.array(field)


def _held(lines: Sequence[Spec], setting: Mapping[str, Any]) -> list[Spec]:
    """Return the lines that are there at a setting."""
    return [line for line in lines if line.get("where", {}).items() <= setting.items()]


def _image(ax: Axes, view: Spec, spec: Spec, read: Read, setting: dict[str, Any]) -> None:
    count, rows, columns = view["shape"]
    across = view["columns"] or int(np.ceil(np.sqrt(1.7 * count)))
    panels, outlined, titles = _panels(view, spec, read, setting)
    shades = LinearSegmentedColormap.from_list("shades", view["shades"][0])
    low, high = view["range"]
    right, down = 1.15 * columns, 1.1 * rows + (0.25 * max(rows, columns) if any(titles) else 0)
    for k, pixels in enumerate(panels):
        x, y = k % across * right, k // across * down
        drawn = ax.imshow(pixels, cmap=shades, vmin=low, vmax=high, interpolation="nearest",
                          extent=(x, x + columns, y + rows, y))  # fmt: skip
        _frame(ax, (x, y), columns, rows, ec="#9AA3AE", lw=0.8)
        ax.annotate(titles[k], (x, y), (0, 4), textcoords="offset points", size=10)
        if (pixel := outlined[k]) is not None:
            row, column = pixel
            pad = 0.015 * max(rows, columns)  # the outline leaves the pixel free
            corner = (x + column - pad, y + row - pad)
            for hue, width in ((_hue("ink"), 3.5), ("white", 1.5)):
                _frame(ax, corner, 1 + 2 * pad, 1 + 2 * pad, ec=hue, lw=width)
    lines = -(-count // across)
    ax.set(xlim=(0, min(across, count) * right - right + columns),
           ylim=((lines - 1) * down + rows, rows - down))  # fmt: skip
    ax.set_axis_off()
    ax.figure.colorbar(drawn, ax=ax, label=view["label"], location="bottom", shrink=0.5)


def _panels(view: Spec, spec: Spec, read: Read, setting: dict[str, Any]) -> Panels:
    """Return the pixels of each panel, which of them is outlined, if one is, and its title."""
    if view["kind"] == "pushed":
        return _pushed(view, spec, read, setting)
    pixel = tuple(setting[name] for name in view["pick"]) if view["pick"] else None
    pictures = read(view["pixels"], setting).reshape(view["shape"])
    return pictures, [pixel] * len(pictures), _panel_titles(view, read, setting)


def _pushed(view: Spec, spec: Spec, read: Read, setting: dict[str, Any]) -> Panels:
    options = next(axis["options"] for axis in spec["axes"] if axis["name"] == view["who"])
    number, *pixel = (setting[name] for name in view["pick"])
    who, batch = options.index(setting[view["who"]]), setting[view["batch"]]
    asked = wishes(who, (number - 1, *pixel), batch, np.array(view["wishes"]))
    rows, columns = (np.array(part) for part in view["classes"])
    count = view["shape"][0]
    moved = moves(read(view["kernels"], setting), (rows, columns), asked, count)
    shown = moved / (moved.max() or 1)
    if view["onto"]:
        shown = read(view["onto"], setting) + setting[view["times"]] * shown
    outlined = [tuple(pixel) if pixel[0] >= 0 else None for pixel in asked[:count].tolist()]
    return shown, outlined, [""] * count


def _frame(ax: Axes, corner: tuple[float, float], width: float, height: float, **line: Any) -> None:
    ax.add_patch(Rectangle(corner, width, height, fill=False, clip_on=False, **line))


def _panel_titles(view: Spec, read: Read, setting: dict[str, Any]) -> list[str]:
    titles = view["panels"] or [""] * view["shape"][0]
    if view["values"] is None:
        return titles
    values = np.atleast_1d(read(view["values"], setting))
    template = f"{{title}} {{value:{view['format']}}}"
    return [
        fill(template, {"title": title, "value": float(value)}).strip()
        for title, value in zip(titles, values, strict=True)
    ]


def _norm(view: Spec) -> TwoSlopeNorm:
    (low, high), center = view["range"], view["center"]
    return TwoSlopeNorm(center, min(low, center - 1e-9), max(high, center + 1e-9))


def _known(axis: Spec) -> list[Any]:
    return axis.get("options") or axis["values"]


def _place(axis: Spec, setting: Mapping[str, Any]) -> Number:
    """Return the setting's place on the axis: its number on the grid, as in `explorer.js`."""
    known, value = _known(axis), setting[axis["name"]]
    return known.index(value) if axis["step"] else np.interp(value, known, range(len(known)))


def _samples(axis: Spec) -> dict[Number, Any]:
    """Return what to draw along an axis, `{place: value}`: its steps, or 121 points."""
    known = _known(axis)
    if axis["step"]:
        return dict(enumerate(known))
    places = np.linspace(0, len(known) - 1, 121)
    return dict(zip(places, np.interp(places, range(len(known)), known), strict=True))


def _name_axis(ax: Axes, which: str, axis: Spec) -> None:
    known = _known(axis)
    every = 1 if "options" in axis else -(-len(known) // 6)
    places, shown = range(0, len(known), every), known[::every]
    if not axis["step"] and np.allclose(np.diff(known, 2), 0, atol=1e-6):  # round numbers
        ticks = MaxNLocator(6).tick_values(known[0], known[-1])
        shown = [tick for tick in ticks if known[0] <= tick <= known[-1] + 1e-9]
        places = np.interp(shown, known, range(len(known)))
    labels = [v if isinstance(v, str) else f"{float(f'{v:.3g}'):g}" for v in shown]
    margin = 0.5 if axis["step"] else 0.0
    ax.set(**{
        f"{which}label": axis["label"],
        f"{which}ticks": places,
        f"{which}ticklabels": labels,
        f"{which}lim": (-margin, len(known) - 1 + margin),
    })  # fmt: skip


def _hue(name: str) -> str:
    return PALETTE[name].light
