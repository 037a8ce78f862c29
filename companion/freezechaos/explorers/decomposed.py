"""The explorer of batch normalization taken apart: three switches, and a batch going deep."""

from collections.abc import Mapping
from functools import lru_cache, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

from freezechaos import activations, normalization
from freezechaos.explorers.axes import Axis, Choice
from freezechaos.explorers.explorer import Explorer
from freezechaos.explorers.views import Curves, Guide, Line
from freezechaos.normalization import parts as part

DEPTHS = (1, 2, 4, 8, 16, 32, 64, 128, 256)
BATCHES = (8, 32)
WIDTHS = ("200", "1000", "∞")
LONGER = (0, 10, 50)  # per cent
SWITCH = ("off", "on")


class Batch(NamedTuple):
    """A batch at all `DEPTHS`: directions [depths, 2, points], and the two mean cosines."""

    plane: np.ndarray
    cluster: np.ndarray
    odd: np.ndarray


def start_gram(points: int, longer: float) -> np.ndarray:
    """Cosine 1/2 between all points, but that what the last has for itself is longer."""
    own = np.ones(points)
    own[-1] = (1 + longer / 100) ** 2
    return (np.ones((points, points)) + np.diag(own)) / 2


@partial(jax.jit, static_argnames=("width",))
def finite(gram: Float[Array, "n n"], switches: Array, width: int) -> Float[Array, "layers n n"]:
    """As `normalization.propagate`, with the parts as numbers, so that all compile as one."""
    relu = activations.standardized("relu")
    jitter = 4 * float(jnp.finfo(jnp.float32).eps) * jnp.eye(len(gram))

    def layer(gram: Array, key: Array) -> tuple[Array, Array]:
        factor = jnp.linalg.cholesky(gram + len(gram) * jitter)
        z = jax.random.normal(key, (width, len(gram))) @ factor.T
        z = jnp.where(switches[0], part.recentre(z), z)
        z = jnp.where(switches[1], part.rescale(z), z)
        z = jnp.where(switches[2], relu(z), z)
        gram = z.T @ z * (len(gram) / jnp.sum(z**2))
        return gram, gram

    keys = jax.random.split(jax.random.key(4), max(DEPTHS))
    return lax.scan(layer, gram * (len(gram) / jnp.trace(gram)), keys)[1]


@lru_cache(maxsize=512)
def batch(switches: tuple[str, ...], points: int, width: str, longer: float) -> Batch:
    """The batch in one network, the same for all settings, or at infinite width."""
    gram, on = jnp.asarray(start_gram(points, longer), jnp.float32), [s == "on" for s in switches]
    if width == "∞":
        parts = tuple(p for p, given in zip(normalization.PARTS, on, strict=True) if given)
        layers = normalization.iterate(gram, max(DEPTHS), parts)[1:]
    else:
        layers = finite(gram, jnp.asarray(on), int(width))
    cosines = normalization.cosines(layers[np.array(DEPTHS) - 1])
    odd = normalization.odd_point(cosines)
    means = np.asarray(odd.cluster), np.asarray(odd.cosine)
    return Batch(plane(np.asarray(cosines, np.float64)), *means)


def plane(cosines: np.ndarray) -> np.ndarray:
    """Each point's direction in the plane that holds most of them, [layers, 2, points]."""
    values, vectors = np.linalg.eigh(cosines)
    places = (vectors * np.sqrt(np.maximum(values, 0))[:, None, :])[..., :-3:-1]
    places *= np.where(places[:, -1:] < 0, -1, 1)  # the last point is never below or left
    return places.swapaxes(1, 2)


def bench(
    depth: float, points: float, width: str, longer: float,
    recentre: str, rescale: str, nonlinearity: str,
) -> dict[str, Any]:  # fmt: skip
    """Directions in the plane, and the cosines in the cluster and with the odd point."""
    seen = batch((recentre, rescale, nonlinearity), int(points), width, longer)
    here = DEPTHS.index(int(depth))
    padded = np.arange(max(BATCHES)) % int(points)  # the same points again, on top of themselves
    x, y = seen.plane[here][:, padded]
    cosines = np.stack([seen.cluster, seen.odd])
    return {"x": x, "y": y, "cosines": cosines, "in": cosines[0, here], "out": cosines[1, here]}


def state(setting: Mapping[str, Any]) -> str:
    """What the batch has become, in words."""
    inside, outside = setting["in"], setting["out"]
    if outside > 0.95:
        return "has one direction"
    if setting["nonlinearity"] == "off" and setting["rescale"] == "off":
        return "drifts at random" if setting["width"] != "∞" else "stays as it is"
    if inside - outside > 0.25:
        return "is a cluster and an odd point"
    if setting["nonlinearity"] == "off":
        if setting["recentre"] == "on":
            return "is near a simplex"
        return "is near orthogonal" if abs(inside) < 0.1 else "is on its way"
    return "treats all points alike" if inside - outside < 0.12 else "is on its way"


def batch_norm_bench(start: Mapping[str, Any] | None = None) -> Explorer:
    """Recentring, rescaling and ReLU, each on or off, and what depth makes of a batch.

    Arguments:
        start: what to begin with, such as `{"rescale": "on", "width": "∞", "depth": 64}`.
    """
    turn = np.linspace(0, 2 * np.pi, 73)
    return Explorer(
        title="Batch normalization, taken apart",
        slug="bench",
        axes=[
            Choice("recentre", "recentre", options=SWITCH),
            Choice("rescale", "rescale", options=SWITCH),
            Choice("nonlinearity", "ReLU", options=SWITCH, start="on"),
            Axis("points", "points N", values=BATCHES, start=32, step=True, format=".0f"),
            Choice("width", "width", options=WIDTHS, start="1000"),
            Axis("longer", "one point longer (%)", values=LONGER, step=True, format=".0f"),
            Axis("depth", "layers", values=DEPTHS, start=16, step=True, format=".0f"),
        ],
        start=start,
        compute=bench,
        vectorized=False,
        view=[
            Curves(
                x="x",
                y="y",
                x_label="along the first principal direction",
                y_label="along the second",
                colors=("violet",),
                styles=("dots",),
                x_range=(-1.1, 1.1),
                y_range=(-1.1, 1.1),
                x_ticks=[-1, 0, 1],
                y_ticks=[-1, 0, 1],
                background=[Line(np.cos(turn), np.sin(turn))],
                title="The points' directions",
            ),
            Curves(
                x=DEPTHS,
                y="cosines",
                x_label="layers",
                y_label="cosine",
                series=("in the cluster", "odd point"),
                colors=("green", "pink"),
                x_scale="log",
                x_ticks=[1, 4, 16, 64, 256],
                y_range=(-1.05, 1.05),
                guides=[Guide(y=0), Guide(x="depth")],
                title="Cosines, layer after layer",
            ),
        ],
        numbers=["in", "out"],
        words={"state": state},
        readout=(
            "{points:.0f} points, width {width}: after {depth:.0f} layers the batch {state}. The "
            "mean cosine of the oddest point with the others is {out:.2f}, among the others "
            "{in:.2f}."
        ),
        alt=(
            "Left, the directions of the points of a batch, projected on a plane, inside the unit "
            "circle. Right, against the number of layers, the mean cosine of the oddest point with "
            "the others, and that among the others."
        ),
    )
