"""The explorer of batch normalization taken apart: three switches, and a batch going deep."""

from collections.abc import Mapping
from functools import lru_cache, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float, Key, UInt8

from freezechaos import activations, normalization
from freezechaos.explorers.axes import Axis, Choice
from freezechaos.explorers.explorer import Explorer
from freezechaos.explorers.views import Curves, Guide, Image
from freezechaos.normalization import parts as part

DEPTHS = (0, 1, 2, 4, 8, 12, 16, 24, 32, 40, 48, 64, 80, 96, 128, 160, 192, 256)
POINTS = 32
WIDTHS = ("200", "∞")
LONGER = (0, 10)  # per cent
SEEDS = (1, 2, 3)
SWITCH = ("off", "on")
GREYS = 16  # what an eye tells apart; more make the page heavy


class Batch(NamedTuple):
    """A batch at all `DEPTHS`: cosines, lengths over their root mean square, two mean cosines."""

    cosines: np.ndarray
    lengths: np.ndarray
    cluster: np.ndarray
    odd: np.ndarray


def start_gram(longer: float) -> np.ndarray:
    """Cosine 1/2 between all points, but that what the last has for itself is longer."""
    own = np.ones(POINTS)
    own[-1] = (1 + longer / 100) ** 2
    return (np.ones((POINTS, POINTS)) + np.diag(own)) / 2


@partial(jax.jit, static_argnames=("width",))
def finite(
    gram: Float[Array, "n n"], switches: Array, width: int, key: Key[Array, ""]
) -> Float[Array, "layers n n"]:
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

    gram = gram * (len(gram) / jnp.trace(gram))
    layers = lax.scan(layer, gram, jax.random.split(key, max(DEPTHS)))[1]
    return jnp.concatenate([gram[None], layers])


@lru_cache(maxsize=512)
def batch(switches: tuple[str, ...], width: str, longer: float, seed: int) -> Batch:
    """The batch in one network, with the same weights for all switches, or at infinite width."""
    gram, on = jnp.asarray(start_gram(longer), jnp.float32), [s == "on" for s in switches]
    if width == "∞":
        layers = wide(switches, longer)
    else:
        layers = np.asarray(finite(gram, jnp.asarray(on), int(width), jax.random.key(seed)))
    layers = layers[np.array(DEPTHS)]
    cosines = normalization.cosines(layers)
    odd = normalization.odd_point(cosines)
    lengths = np.sqrt(np.diagonal(layers, axis1=1, axis2=2))
    return Batch(*map(np.asarray, (cosines, lengths, odd.cluster, odd.cosine)))


@lru_cache(maxsize=64)
def wide(switches: tuple[str, ...], longer: float) -> np.ndarray:
    """The Gram matrices of all layers at infinite width."""
    given = zip(normalization.PARTS, switches, strict=True)
    parts = tuple(part for part, switch in given if switch == "on")
    gram = jnp.asarray(start_gram(longer), jnp.float32)
    return np.asarray(normalization.iterate(gram, max(DEPTHS), parts))


def hundredths(cosines: Float[np.ndarray, "n n"]) -> UInt8[np.ndarray, "n n"]:
    """Cosines from 0 to 1, in `GREYS` steps; what is negative is as 0."""
    coarse = np.rint(np.clip(cosines, 0, 1) * (GREYS - 1)) / (GREYS - 1)
    return np.rint(100 * coarse).astype(np.uint8)


def bench(
    depth: float, width: str, longer: float, seed: float,
    recentre: str, rescale: str, nonlinearity: str,
) -> dict[str, Any]:  # fmt: skip
    """The cosines of all pairs, the lengths, and the cosines in the cluster and across."""
    seen = batch((recentre, rescale, nonlinearity), width, longer, int(seed))
    here = DEPTHS.index(int(depth))
    lengths = seen.lengths[here]
    return {
        "cosines": hundredths(seen.cosines[here]),
        "lengths": np.round(np.append(lengths, lengths[-1]), 2),
        "in": seen.cluster[here],
        "out": seen.odd[here],
        "longest": np.max(lengths) / np.median(lengths),
    }


def state(setting: Mapping[str, Any]) -> str:
    """What the batch has become, in words."""
    inside, outside = setting["in"], setting["out"]
    if setting["depth"] == 0:
        return "starts"
    if outside > 0.95:
        return "has one direction"
    if setting["nonlinearity"] == "off" and setting["rescale"] == "off":
        return "drifts at random" if setting["width"] != "∞" else "stays as it is"
    if setting["longest"] > 5 and inside - outside > 0.25:
        return "is a cluster and an odd point"
    if setting["nonlinearity"] == "off":
        if setting["recentre"] == "on":
            return "is near a simplex"
        return "is near orthogonal" if abs(inside) < 0.1 else "is on its way"
    return "treats all points alike" if setting["longest"] < 1.7 else "is on its way"


def batch_norm_bench(start: Mapping[str, Any] | None = None) -> Explorer:
    """Recentring, rescaling and ReLU, each on or off, and what depth makes of 32 points.

    Arguments:
        start: what to begin with, such as `{"rescale": "on", "width": "∞", "depth": 64}`.
    """
    return Explorer(
        title="Batch normalization, taken apart",
        slug="bench",
        axes=[
            Choice("recentre", "recentre", options=SWITCH, start="on"),
            Choice("rescale", "rescale", options=SWITCH),
            Choice("nonlinearity", "ReLU", options=SWITCH, start="on"),
            Choice("width", "width", options=WIDTHS),
            Axis("seed", "draw of the weights", values=SEEDS, step=True, format=".0f"),
            Axis("longer", "last point longer (%)", values=LONGER, step=True, format=".0f"),
            Axis("depth", "layers", values=DEPTHS, start=0, step=True, format=".0f"),
        ],
        start=start,
        compute=bench,
        vectorized=False,
        view=[
            Image(
                pixels="cosines",
                label="cosine of two points, in hundredths",
                shades="violet",
                value_range=(0, 100),
                title="Cosines of all pairs",
            ),
            Curves(
                x=np.arange(POINTS + 1) + 0.5,
                y="lengths",
                x_label="point",
                y_label="length, in root mean squares",
                styles=("steps",),
                colors=("green",),
                x_range=(0.5, POINTS + 0.5),
                y_range=(0, 6),
                x_ticks=[1, 8, 16, 24, 32],
                guides=[Guide(y=1)],
                title="Lengths of the points",
            ),
        ],
        numbers=["in", "out", "longest"],
        words={"state": state},
        readout=(
            "Width {width}: after {depth:.0f} layers the batch {state}. The longest point has "
            "{longest:.1f} times the median length. The mean cosine of the oddest point with the "
            "others is {out:.2f}, among the others {in:.2f}."
        ),
        alt=(
            "Left, the matrix of the cosines between 32 points. Right, their lengths as a "
            "staircase of 32 steps."
        ),
    )
