"""Draw the cover: the scaled NTK on the circle in the three regimes, as depth grows."""

import sys
from collections.abc import Sequence
from pathlib import Path

import jax.numpy as jnp
import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from freezechaos import kernels
from freezechaos.activations import Activation, normalized, standardized
from freezechaos.plotting import CHAOS, EDGE, FREEZE, direct_label, style
from freezechaos.regimes import characteristic_value

DEPTHS = (2, 8, 32, 128)
WIDTHS = (1.3, 1.6, 2.0, 2.8)
STRENGTHS = (0.35, 0.55, 0.78, 1.0)
SIDE = np.geomspace(0.05, 180, 120)
ANGLES = np.concatenate([-SIDE[::-1], [0.0], SIDE])
PANELS = (
    ("Freeze", "all inputs look alike", FREEZE, standardized("relu"), 0.3),
    ("Edge", "a peak on a floor at 1/4", EDGE, standardized("relu"), 0.0),
    ("Chaos", "no two inputs look alike", CHAOS, normalized("relu"), 0.3),
)


def draw() -> Figure:
    """Return the three panels on a white card."""
    figure = Figure(figsize=(9.6, 3.7), layout="none")  # a solver's last digits vary
    figure.subplots_adjust(left=0.085, right=0.93, bottom=0.165, top=0.785, wspace=0.3)
    figure.patch.set_alpha(0)
    box = {"boxstyle": "round,pad=0,rounding_size=0.014", "mutation_aspect": 9.6 / 3.7}
    card = FancyBboxPatch(
        (0.002, 0.005),
        0.996,
        0.99,
        transform=figure.transFigure,
        **box,
        fc="white",
        ec="#DFE3E8",
    )
    figure.add_artist(card).set_zorder(-1)
    axes: Sequence[Axes] = figure.subplots(1, 3, sharey=True)
    for ax, panel in zip(axes, PANELS, strict=True):
        draw_panel(ax, *panel)
    for ax in axes[1:]:
        ax.spines["left"].set_visible(False)
        ax.tick_params(left=False)
    axes[0].set_ylabel("scaled tangent kernel ϑ")
    axes[0].set_yticks([0, 0.25, 0.5, 0.75, 1], ["0", "1/4", "1/2", "3/4", "1"])
    axes[1].set_xlabel("angle between two inputs")
    return figure


def draw_panel(
    ax: Axes, regime: str, meaning: str, hue: str, activation: Activation, beta: float
) -> None:
    shade = LinearSegmentedColormap.from_list(regime, ["white", hue])
    cosine = jnp.cos(jnp.deg2rad(jnp.asarray(ANGLES)))
    curves = [
        np.round(kernels.ntk(activation, beta, depth, cosine), 4) for depth in DEPTHS
    ]
    ax.fill_between(ANGLES, curves[-1], color=hue, alpha=0.09, linewidth=0)
    for curve, width, strength in zip(curves, WIDTHS, STRENGTHS, strict=True):
        ax.plot(
            ANGLES,
            curve,
            color=shade(strength),
            linewidth=width,
            solid_joinstyle="round",
        )
    label_ends(ax, [curve[-1] for curve in curves], hue)
    r = float(characteristic_value(activation, beta))
    ax.text(
        0,
        1.2,
        regime,
        color=hue,
        fontsize=15,
        fontweight="bold",
        transform=ax.transAxes,
    )
    ax.text(0, 1.09, f"r = {r:.2f}: {meaning}", fontsize=10, transform=ax.transAxes)
    ax.set(xlim=(-180, 180), ylim=(-0.27, 1.04))
    ax.set_xticks([-180, -90, 0, 90, 180], ["−180°", "", "0°", "", "180°"])
    ax.spines["bottom"].set_position(("data", -0.27))


def label_ends(ax: Axes, ends: Sequence[float], hue: str) -> None:
    """Write the depth right of each curve; curves that end together share one label."""
    if np.ptp(ends[1:]) > 0.1:
        labels = list(zip(map(str, DEPTHS), ends, strict=True))
    else:
        labels = [(f"{DEPTHS[0]}", ends[0]), (f"{DEPTHS[1]}–{DEPTHS[-1]}", ends[-1])]
    for name, end in labels:
        direct_label(ax, 180, end, name, color=hue, fontsize=9.5)
    direct_label(
        ax, 180, labels[-1][1], "depth", color=hue, fontsize=9.5, xytext=(6, 13)
    )


def write(path: Path) -> None:
    """Draw the cover into a file, SVG or PNG by its ending."""
    strict = {"svg.hashsalt": "freeze-and-chaos", "svg.fonttype": "path"}
    with style(), mpl.rc_context(strict):
        metadata = {"Date": None} if path.suffix == ".svg" else None
        draw().savefig(path, facecolor="none", metadata=metadata)


if __name__ == "__main__":
    write(Path(sys.argv[1]))
