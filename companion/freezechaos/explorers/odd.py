"""Explorers of the odd point: the origin, two groups, one contrast, two candidates."""

from collections.abc import Mapping
from functools import cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

from freezechaos import normalization
from freezechaos.explorers.axes import Axis, Choice
from freezechaos.explorers.explorer import Explorer
from freezechaos.explorers.views import Curves, Guide, Image, Line

FIXED = np.array([[-2.0, 0.0], [2.0, 0.0], [0.0, -1.0]])  # the points that stay
PLACES = np.linspace(-3, 3, 13)

POINTS, LAYERS = 32, 30
WIDTHS = (1, 3, 7, 50, 300)

BATCHES = (5, 6, 7, 8, 12, 16, 32, 64, 128)
EXCESS = (0, 1, 2, 4, 8, 15, 30, 50, 100)  # per cent
NOISES = {"∞": 0.0, "100,000": 1e5, "10,000": 1e4, "1000": 1e3}
PARTS = {"RC + ReLU": False, "RC + RS + ReLU": True}
WALKS, FARTHEST = 3, 300
SHOWN = np.arange(0, FARTHEST + 1, 5)
KICK = (np.pi - 2) * (5 * np.pi + 2) / (np.pi - 1) ** 2
"""Relative variance of a squared length seen from the centre, times the width (chapter 7)."""
CONTRASTS, FACTORS = (0.5, 1e7), (0.93, 1.07)

STARTS = np.array([0.8, 0.95, 1, 1.02, 1.05, 1.1, 1.2, 1.4, 2, 4, 8, 14.5, 20, 30])
MOMENTS = np.unique(np.rint(np.geomspace(1, 1500, 110))).astype(int)


def origin(row: Array, column: Array) -> dict[str, Array]:
    """Rays from the centre, and the shares of the fourth point's squared distances that are kept.

    Also the share of its squared distance from A, wherever it is.
    """
    places = jnp.asarray(PLACES, jnp.float32)
    here = jnp.stack([places[column], places[::-1][row]])
    points, kept = _kept(here)
    centre = jnp.broadcast_to(jnp.mean(points, axis=0)[:, None], (2, 4))
    rays = jnp.stack([centre, points.T], axis=-1)
    across, up = jnp.meshgrid(places, places[::-1])
    everywhere = jnp.stack([across, up], axis=-1).reshape(-1, 2)
    shares = jax.vmap(lambda place: _kept(place)[1][0])(everywhere)
    names = {f"kept{k}": kept[k] for k in range(3)}
    return {"x": rays[0], "y": rays[1], "shares": shares.reshape(across.shape), **names}


def _kept(place: Float[Array, " 2"]) -> tuple[Float[Array, "4 2"], Float[Array, " 3"]]:
    points = jnp.concatenate([jnp.asarray(FIXED, jnp.float32), place[None]])
    squares = jnp.sum((points[:, None, :] - points[None, :, :]) ** 2, axis=-1)
    before, after = squares[3, :3], normalization.distance_step(squares)[3, :3]
    apart = before > 0
    return points, jnp.where(apart, after / jnp.where(apart, before, 1), 1)


def moving_origin(start: Mapping[str, Any] | None = None) -> Explorer:
    """Four points of the plane, one of them to move, and what a layer keeps of their distances.

    Arguments:
        start: what to begin with, such as `{"row": 2, "column": 2}`.
    """
    place = partial(Axis, values=range(len(PLACES)), step=True)
    return Explorer(
        title="Recentring moves the origin",
        slug="origin",
        axes=[place("column", "D, across", start=8), place("row", "D, down", start=2)],
        start=start,
        compute=origin,
        view=[
            Curves(
                x="x",
                y="y",
                x_label="across",
                y_label="up",
                series=("A", "B", "C", "D"),
                colors=("pink", "green", "ochre", "violet"),
                x_range=(-3.3, 3.3),
                y_range=(-3.3, 3.3),
                x_ticks=[-2, 0, 2],
                y_ticks=[-2, 0, 2],
                title="Rays from the centre",
            ),
            Image(
                pixels="shares",
                label="share kept of the squared distance from A to D",
                shades="violet",
                value_range=(0.5, 1),
                pick=("row", "column"),
                title="Put D somewhere else",
            ),
        ],
        numbers=["kept0", "kept1", "kept2"],
        readout=(
            "A layer keeps {kept0:.0%} of the squared distance from D to A, {kept1:.0%} of that "
            "to B and {kept2:.0%} of that to C."
        ),
        alt=(
            "Left, rays from the centre of four points to each of them. Right, for every place of "
            "the fourth point, how much of its squared distance from point A a layer keeps: all on "
            "A's side of the centre, half on the other."
        ),
    )


def indicative(draw: Array, k: Array, width: int) -> dict[str, Array]:
    """Lengths of the two values, their ratio in root mean square, and what it is in wide layers."""
    key = jax.random.fold_in(jax.random.key(7), draw.astype(jnp.int32))
    lengths = normalization.two_value_lengths(key, POINTS, k, int(width), LAYERS)
    squares = jnp.sum(lengths[:, 1:] ** 2, axis=1)
    found = jnp.sqrt(squares[0] / jnp.maximum(squares[1], 1e-6))
    return {"lengths": lengths, "ratio": (POINTS - k) / k, "found": found}


def two_value_model(start: Mapping[str, Any] | None = None) -> Explorer:
    """A batch of two values in a network of recentring and ReLU: their lengths, layer by layer.

    Arguments:
        start: what to begin with, such as `{"k": 1, "width": 50, "draw": 3}`.
    """
    step = partial(Axis, step=True, format=".0f")
    return Explorer(
        title="A batch of two values",
        slug="two-values",
        axes=[
            step("k", "points of the first value", values=range(1, POINTS)),
            Axis("width", "width", values=WIDTHS, start=7, static=True, format=".0f"),
            step("draw", "draw of the weights", values=range(1000), press="Draw again"),
        ],
        start=start,
        compute=indicative,
        compiled=True,
        view=Curves(
            x=np.arange(LAYERS + 1),
            y="lengths",
            x_label="layers",
            y_label="length, in root mean squares",
            series=("first value", "second"),
            colors=("pink", "green"),
            x_range=(0, LAYERS),
            y_range=(0, 6),
        ),
        numbers=["ratio", "found"],
        readout=(
            "{k:.0f} of 32 points have the first value, in layers of width {width:.0f}. From layer "
            "1 on there are two values at a right angle, exactly. Over these 30 layers the first "
            "is {found:.3g} times as long as the second, in root mean square; in wide layers it "
            "is {ratio:.3g} times."
        ),
        alt="The lengths of the two values of a batch against the number of layers.",
    )


@cache
def table(n: int, rescale: bool) -> tuple[np.ndarray, np.ndarray]:
    """The logarithm of the contrast, and by how much a layer raises it."""
    above = np.geomspace(1e-4, np.log(30 * n**4), 800)  # dense where the border may lie
    logs = np.concatenate([-np.geomspace(1.2, 1e-4, 199), [0], above])
    return logs, np.log(normalization.odd_map(np.exp(logs), n, rescale=rescale)) - logs


@cache
def border(n: int, rescale: bool) -> float:
    """By how many per cent one of n orthogonal points must be longer to win; 0 if it cannot."""
    states = normalization.odd_states(n, rescale=rescale)
    return 100 * states.excess if states else 0.0


@cache
def walks(n: int, parts: str, excess: int, width: str) -> Float[np.ndarray, "walks layers"]:
    """The contrast from layer to layer, three times with noise and then without."""
    logs, rise = table(n, PARTS[parts])
    spread = np.sqrt(KICK / NOISES[width]) if NOISES[width] else 0
    rng = np.random.default_rng(n)
    kicks = rng.normal(size=(FARTHEST, WALKS)) * spread
    x = np.full(WALKS + 1, np.log((n - 1) / n * (1 + excess / 100) ** 2 + 1 / n))
    seen = [x]
    for kick in kicks:
        x = x + np.interp(x, logs, rise) + np.append(kick, 0)
        x = np.clip(x, logs[0], logs[-1])
        seen.append(x)
    return np.exp(np.transpose(seen))


def bistable(n: float, excess: float, parts: str, width: str) -> dict[str, Any]:
    """The factor of a layer over contrasts, those visited, and the contrast against layers."""
    n, excess = int(n), int(excess)
    logs, rise = table(n, PARTS[parts])
    walk = walks(n, parts, excess, width)
    places = np.geomspace(*CONTRASTS, 4 * len(SHOWN))
    visited = np.pad(walk[-1, SHOWN], (0, 3 * len(SHOWN)), mode="edge")
    x = np.stack([places, visited])
    factor = np.exp(np.interp(np.log(x), logs, rise))
    seen = np.stack([_in_view(*pair) for pair in zip(x, factor, strict=True)], axis=1)
    return {
        "x": seen[0],
        "factor": seen[1],
        "contrast": np.clip(walk[:, SHOWN], *CONTRASTS),
        "end": walk[-1, -1],
        "border": border(n, PARTS[parts]),
    }


def _in_view(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Points that leave the frame, on top of the nearest ones that do not."""
    inside = (x >= CONTRASTS[0]) & (x <= CONTRASTS[1]) & (y >= FACTORS[0]) & (y <= FACTORS[1])
    kept = np.flatnonzero(inside)
    nearest = kept[np.argmin(np.abs(np.arange(len(x))[:, None] - kept), axis=1)]
    return np.stack([x[nearest], y[nearest]])


def fate(setting: Mapping[str, Any]) -> str:
    """Where the contrast goes without noise, in words."""
    if not setting["border"]:
        return "There is no second state: every batch with one odd point becomes symmetric"
    border = f"The border lies at {setting['border']:.2g} %"
    if setting["excess"] > setting["border"]:
        return f"{border}: in the end the point becomes odd"
    return f"{border}: in the end the point becomes as long as the others"


def bistable_map(start: Mapping[str, Any] | None = None) -> Explorer:
    """The map of one contrast: where it leads, for which batches, and what noise adds.

    Arguments:
        start: what to begin with, such as `{"n": 64, "parts": "RC + RS + ReLU"}`.
    """
    step = partial(Axis, step=True, format=".0f")
    return Explorer(
        title="Two states of one map",
        slug="bistable",
        axes=[
            Choice("parts", "parts", options=tuple(PARTS)),
            step("n", "points N", values=BATCHES, start=8),
            step("excess", "one point longer (%)", values=EXCESS, start=30),
            Choice("width", "width", options=tuple(NOISES)),
        ],
        start=start,
        compute=bistable,
        vectorized=False,
        view=[
            Curves(
                x="x",
                y="factor",
                x_label="contrast x",
                y_label="factor of one layer",
                series=("the map", "visited"),
                styles=("dots", "dots"),
                colors=("ink", "violet"),
                x_scale="log",
                x_range=CONTRASTS,
                y_range=FACTORS,
                x_ticks=[1, 100, 1e4, 1e6],
                guides=[Guide(y=1)],
                title="One layer",
            ),
            Curves(
                x=SHOWN,
                y="contrast",
                x_label="layers",
                y_label="contrast x",
                colors=("edge", "edge", "edge", "violet"),
                y_scale="log",
                y_range=CONTRASTS,
                x_range=(0, FARTHEST),
                title="Layer after layer; grey, with noise",
            ),
        ],
        numbers=["end", "border"],
        log=["x", "end"],
        words={"fate": fate},
        readout=(
            "{parts}, N = {n:.0f}, one of N orthogonal points {excess:.0f} % longer. {fate}. "
            "Without noise its contrast is {end:.3g} after 300 layers."
        ),
        alt=(
            "Left, the factor by which a layer changes the contrast of a batch with one odd point, "
            "against the contrast, and dots at the contrasts that are visited. Right, the contrast "
            "against the number of layers, without noise and three times with."
        ),
    )


@jax.jit
def rivals(first: Array, second: Array) -> dict[str, Array]:
    """The lengths of two special points among 32, in lengths of the others, over many layers."""
    counts = jnp.array([1.0, 1.0, POINTS - 2.0])
    length = jnp.stack([first, second, jnp.ones_like(first)])
    square = length**2
    product = 2 / jnp.pi * length[:, None] * length[None, :]  # the cosine of like points, large N
    squares = square[:, None] + square[None, :] - product

    def layer(squares: Array, _: None) -> tuple[Array, Array]:
        after = normalization.distance_step(squares, counts)
        m = jnp.sqrt(normalization.squares_from_centre(squares, counts))
        return after / jnp.max(after), m[:2] / m[2]

    lengths = lax.scan(layer, squares, length=int(MOMENTS[-1]))[1]
    path = jnp.concatenate([length[None, :2], lengths[MOMENTS - 1]])
    end = path[-1]
    return {
        "x": path[:, 0],
        "y": path[:, 1],
        "lead": jnp.log10(end[0] / end[1]),
        "end": jnp.max(end),
    }


def winner(setting: Mapping[str, Any]) -> str:
    """Who is odd in the end, in words."""
    if abs(setting["lead"]) > 0.5:
        return "the first point is the odd one" if setting["lead"] > 0 else "the second is odd"
    if setting["end"] > 3:
        return "both share: two equal candidates stay equal, and a hair would decide"
    return "neither is odd"


def two_candidates(start: Mapping[str, Any] | None = None) -> Explorer:
    """Two points that are longer than thirty others, and where their lengths lead.

    Arguments:
        start: what to begin with, such as `{"first": 1.4, "second": 1.2}`.
    """
    from_here = [(1.1, 1.05), (1.4, 1.38), (1.05, 1.1), (1.38, 1.4), (30, 20), (20, 30)]
    from_here += [(1.02, 0.95), (0.95, 1.02), (14.4, 14.6), (14.6, 14.4), (1.2, 1.2), (30, 30)]
    paths = [rivals(jnp.float32(a), jnp.float32(b)) for a, b in from_here]
    saddle = normalization.split_state(POINTS, 2)
    assert saddle
    ends = {"saddle": (saddle.length, saddle.length), "all alike": (1.0, 1.0)}
    marks = [Line([a], [b], label, "ink") for label, (a, b) in ends.items()]
    place = partial(Axis, values=STARTS, step=True, format=".3g")
    ticks = [1, 2, 5, 10, 20]
    return Explorer(
        title="Two candidates",
        slug="rivals",
        axes=[
            place("first", "length of the first", start=1.4),
            place("second", "length of the second", start=1.2),
        ],
        start=start,
        compute=rivals,
        view=Curves(
            x="x",
            y="y",
            x_label="length of the first",
            y_label="length of the second",
            colors=("violet",),
            x_scale="log",
            y_scale="log",
            x_range=(0.8, 40),
            y_range=(0.8, 40),
            x_ticks=ticks,
            y_ticks=ticks,
            background=[*(Line(path["x"], path["y"]) for path in paths), *marks],
            title="Their lengths over 1500 layers, in lengths of the others",
        ),
        numbers=["lead", "end"],
        words={"winner": winner},
        readout=(
            "Lengths {first:.3g} and {second:.3g} among 30 others of length 1: after 1500 layers "
            "{winner}. The longer of the two has {end:.3g} lengths of the others."
        ),
        alt=(
            "The plane of the two lengths, with paths. They lead to one long point at the end of "
            "either axis or to equal lengths, and part at a saddle on the diagonal."
        ),
    )
