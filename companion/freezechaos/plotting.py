"""One style and one palette for every figure and every explorer.

Freeze is blue, the edge grey, chaos orange. The other hues are Okabe and Ito's, darkened
until text in them reads on white (contrast 4.5), and lightened likewise for a dark page.
A notebook shows figures as SVG on white ground; the site takes the ground away and draws each
once more in the hues of a dark page.
"""

from collections.abc import Iterable
from contextlib import ExitStack
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from freezechaos import graphs
from freezechaos.deconvolution import DeconvStack
from freezechaos.extras import extra

with extra("explorers"):
    import matplotlib as mpl
    from IPython import get_ipython
    from matplotlib.axes import Axes
    from matplotlib.collections import LineCollection
    from matplotlib.colors import LinearSegmentedColormap
    from matplotlib.image import AxesImage
    from matplotlib.text import Annotation
    from matplotlib_inline.config import InlineBackend


class Hue(NamedTuple):
    """One colour as it is on a light page and on a dark one."""

    light: str
    dark: str


PALETTE = {
    "freeze": Hue("#0072B2", "#56B4E9"),
    "edge": Hue("#6B7280", "#A3ABB5"),
    "chaos": Hue("#C44E00", "#FF9E4A"),
    "green": Hue("#00805C", "#3CC79B"),
    "pink": Hue("#A8527F", "#E39AC3"),
    "ochre": Hue("#8A6D00", "#D9B93B"),
    "violet": Hue("#5B4FA2", "#B0A5F0"),
    "ink": Hue("#1F2933", "#E4E7EB"),
}
AXIS = Hue("#9AA3AE", "#6B7683")  # axes and their ticks
FREEZE, EDGE, CHAOS = (PALETTE[name].light for name in ("freeze", "edge", "chaos"))
_PINK, _GREEN, _VIOLET = (PALETTE[name].light for name in ("pink", "green", "violet"))
CATEGORICAL = tuple(PALETTE[name].light for name in ("green", "pink", "ochre", "violet"))

# From deep freeze through the edge to full chaos; the middle recedes into the page.
DIVERGING = Hue(
    "#00497A #0072B2 #86B9DA #E3E5E8 #F0B48A #D0590A #8A3600",
    "#A6DBFB #56B4E9 #2C6A94 #343A43 #99571F #FF9E4A #FFD3A8",
)
DIVERGING_MAP = LinearSegmentedColormap.from_list("freeze_chaos", DIVERGING.light.split())

# From the lowest value to the highest: a photograph is the same in both themes, and what is
# low in any other picture recedes into the page.
SHADES = {
    "grey": Hue("#000000 #FFFFFF", "#000000 #FFFFFF"),
    "violet": Hue("#FFFFFF #5B4FA2", "#1A1E24 #B0A5F0"),
}
VIOLET_MAP = LinearSegmentedColormap.from_list("violet", SHADES["violet"].light.split())

_RC = {
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "axes.facecolor": "none",
    "image.interpolation": "none",
    "svg.hashsalt": "freeze-and-chaos",
    "figure.figsize": (5.6, 3.6),
    "figure.dpi": 110,
    "figure.constrained_layout.use": True,
    "font.size": 11,
    "text.color": PALETTE["ink"].light,
    "axes.labelcolor": PALETTE["ink"].light,
    "axes.edgecolor": AXIS.light,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 12,
    "axes.titlelocation": "left",
    "axes.prop_cycle": mpl.cycler(color=[FREEZE, CHAOS, *CATEGORICAL, EDGE]),
    "xtick.color": AXIS.light,
    "ytick.color": AXIS.light,
    "xtick.labelcolor": PALETTE["ink"].light,
    "ytick.labelcolor": PALETTE["ink"].light,
    "xtick.labelsize": 10,
    "ytick.labelsize": 10,
    "lines.linewidth": 2.0,
    "legend.frameon": False,
    "image.cmap": "gray",
    "mathtext.fontset": "dejavusans",
}


def style() -> ExitStack:
    """Return a context; the book's style is on from the call, and until the context ends.

    In a notebook, figures are then SVG, and PNG for those who cannot show it.
    Like `matplotlib.pyplot.ion`: call it once at the top of a notebook, or write
    `with style():` around one figure.
    """
    stack = ExitStack()
    if shell := get_ipython():
        shown = InlineBackend.instance(parent=shell)
        stack.callback(setattr, shown, "figure_formats", shown.figure_formats)
        shown.figure_formats = {"svg", "retina"}
    stack.callback(mpl.rcParams.update, {key: mpl.rcParams[key] for key in _RC})
    mpl.rcParams.update(_RC)
    return stack


def direct_label(
    ax: Axes, x: float, y: float, text: str, color: str | None = None, **options: object
) -> Annotation:
    """Return the label `text`, written just right of the point `(x, y)` in data units.

    `options` go to `matplotlib.axes.Axes.annotate`; without `color` it has the last line's.
    """
    color = color or (ax.lines[-1].get_color() if ax.lines else None)
    place = {"xytext": (6, 0), "textcoords": "offset points", "va": "center"} | options
    return ax.annotate(text, (x, y), color=color, annotation_clip=False, **place)


def picture(ax: Axes, values: ArrayLike, **options: Any) -> AxesImage:
    """Return `values` drawn as an image in a frame of four sides, without ticks.

    Arguments:
        ax: where to draw.
        values: [rows, columns], or [rows, columns, 3] in colours.
        options: go to `matplotlib.axes.Axes.imshow`; in grey without a `cmap`.
    """
    ax.set(xticks=[], yticks=[])
    ax.spines[:].set_visible(True)
    return ax.imshow(np.asarray(values), **options)


def counted(ax: Axes, numbers: Iterable[int]) -> Axes:
    """Return the axes with ticks on x at numbers that are counted, written out, and at no others.

    A scale that is not linear has to be set before: it makes ticks of its own.
    """
    places = [int(number) for number in numbers]
    ax.set_xticks(places, [str(place) for place in places])
    ax.set_xticks([], minor=True)
    return ax


class Edge(NamedTuple):
    """Who reads whom, and through which tap: positions of two neighbouring rows."""

    child: int
    parent: int
    tap: int


def ancestry_edges(stack: DeconvStack, outputs: tuple[int, int]) -> list[tuple[set[Edge], ...]]:
    """The edges of every layer, the first layer's first, in four sets.

    All; those of the ancestors of either output; and those of both that a pair of ancestors reads
    through the same tap, which are what the recursion on pairs sums over. An output that is given
    twice is paired with itself.
    """
    families, pairs = [{output} for output in outputs], {tuple(outputs)}
    layers = []
    for layer, size in zip(stack.along(0)[::-1], stack.sizes[-2::-1], strict=True):
        reads, _ = graphs.links(layer, size[0])
        known = np.argwhere(reads >= 0).tolist()
        edges = {Edge(child, int(reads[child, tap, way]), tap) for child, tap, way in known}
        own = [{edge for edge in edges if edge.child in family} for family in families]
        met = {
            (one, other)
            for one in own[0]
            for other in own[1]
            if one.tap == other.tap and (one.child, other.child) in pairs
        }
        layers.append((edges, *own, {edge for pair in met for edge in pair}))
        families = [{edge.parent for edge in some} for some in own]
        pairs = {(one.parent, other.parent) for one, other in met}
    return layers[::-1]


def position_graph(ax: Axes, stack: DeconvStack, outputs: tuple[int, int]) -> Axes:
    """Return the axes with a one-dimensional stack on them, as a graph, and two outputs in it.

    Dots are positions, a row a layer, the input's at the bottom; lines go to parents, in grey. The
    ancestors of the first output are pink, of the second green, and what both read through the
    same tap, pair of ancestors by pair, is thick, violet and has the number of the tap on it.

    Arguments:
        ax: where to draw.
        stack: in one dimension.
        outputs: two positions of the last row.

    Raises:
        ValueError: a stack in two dimensions, an output that there is not.
    """
    if stack.dimensions != 1:
        raise ValueError(f"`stack` must have one dimension to be drawn; got size {stack.size}.")
    lengths = [size[0] for size in stack.sizes]
    if not all(0 <= output < lengths[-1] for output in outputs):
        raise ValueError(f"`outputs` must lie in 0 to {lengths[-1] - 1}; got {outputs}.")
    places = [(np.arange(length) + 0.5) / length for length in lengths]
    for row, sets in enumerate(ancestry_edges(stack, outputs)):
        _draw_edges(ax, row, places[row], places[row + 1], sets)
    for row, place in enumerate(places):
        ax.scatter(place, np.full(len(place), row), s=26, color="white", ec=EDGE, zorder=3)
    top = len(lengths) - 1
    for output, color in zip(outputs, (_PINK, _GREEN), strict=True):
        at = places[-1][output], top
        ax.scatter(*at, s=70, color=color, zorder=4)
        direct_label(ax, *at, str(output), color, xytext=(0, 11), ha="center")
    ax.set_yticks(range(top + 1), ["input", *(f"layer {k}" for k in range(1, top + 1))])
    ax.set(xticks=[], xlim=(0, 1), ylim=(-0.2, top + 0.4))
    ax.spines[:].set_visible(False)
    ax.tick_params(length=0)
    return ax


def _draw_edges(
    ax: Axes, row: int, below: np.ndarray, above: np.ndarray, sets: tuple[set[Edge], ...]
) -> None:
    looks = ((EDGE, 0.6, 0.35), (_PINK, 1.4, 1), (_GREEN, 1.4, 1), (_VIOLET, 3.2, 1))
    for edges, (color, width, alpha) in zip(sets, looks, strict=True):
        lines = [[(below[e.parent], row), (above[e.child], row + 1)] for e in sorted(edges)]
        ax.add_collection(LineCollection(lines, colors=color, linewidths=width, alpha=alpha))
    disc = {"boxstyle": "circle,pad=0.15", "fc": "white", "ec": _VIOLET, "lw": 0.8}
    for edge in sorted(sets[-1]):
        x = 0.24 * below[edge.parent] + 0.76 * above[edge.child]
        ax.text(x, row + 0.76, str(edge.tap), size=8, ha="center", va="center", bbox=disc)
