"""One style and one palette for every figure and every explorer.

Freeze is blue, the edge grey, chaos orange. The other hues are Okabe and Ito's, darkened
until text in them reads on white (contrast 4.5), and lightened likewise for a dark page.
Figures keep their own white card, so they are the same in both themes and in print.
"""

from contextlib import ExitStack
from typing import NamedTuple

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.text import Annotation


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
FREEZE, EDGE, CHAOS = (PALETTE[name].light for name in ("freeze", "edge", "chaos"))
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

_RC = {
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "figure.figsize": (6.4, 3.8),
    "figure.dpi": 110,
    "figure.constrained_layout.use": True,
    "font.size": 11,
    "text.color": PALETTE["ink"].light,
    "axes.labelcolor": PALETTE["ink"].light,
    "axes.edgecolor": "#9AA3AE",
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 12,
    "axes.titlelocation": "left",
    "axes.prop_cycle": mpl.cycler(color=[FREEZE, CHAOS, *CATEGORICAL, EDGE]),
    "xtick.color": "#9AA3AE",
    "ytick.color": "#9AA3AE",
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

    Like `matplotlib.pyplot.ion`: call it once at the top of a notebook, or write
    `with style():` around one figure.
    """
    stack = ExitStack()
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
