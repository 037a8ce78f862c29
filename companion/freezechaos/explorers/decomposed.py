"""The explorer of batch normalization taken apart: three switches, and a batch going deep."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from freezechaos import normalization
from freezechaos.explorers.axes import Axis, Choice
from freezechaos.explorers.live import Live
from freezechaos.explorers.readout import Bands
from freezechaos.explorers.views import Curves, Image

BATCHES = (8, 16, 32, 64, 128)
SIDE = 2 * max(BATCHES)  # of the picture; in no size a 1, so that all share one code
WIDTHS = ("50", "200", "1000", "∞")
LONGER = (0, 1, 2, 4, 8, 16, 32, 64, 100)  # per cent
LAYERS = 300
APART = float(np.cos(np.pi / 4))


class Batch(NamedTuple):
    """A batch after some layers: its Gram matrix, and what draws the next ones."""

    gram: Array
    key: Array
    layer: Array


def begin(points: int, seed: Array, longer: Array) -> Batch:
    """Cosine 1/2 between all points, of one length but for the last."""
    lengths = jnp.ones(points).at[-1].set(1 + longer / 100)
    gram = (1 + jnp.eye(points)) * lengths[:, None] * lengths[None, :]
    return Batch(gram * (points / jnp.trace(gram)), jax.random.key(seed), jnp.zeros((), jnp.int32))


def advance(
    batch: Batch, width: str, recentre: Array, rescale: Array, nonlinearity: Array
) -> Batch:
    """One layer on, with those parts that are on."""
    gram = normalization.switched_step(
        batch.gram, recentre, rescale, nonlinearity,
        width=None if width == "∞" else int(width),
        key=jax.random.fold_in(batch.key, batch.layer),
    )  # fmt: skip
    return batch._replace(gram=gram, layer=batch.layer + 1)


def directions(cosines: Float[Array, "n n"]) -> Float[Array, ""]:
    """How many points are 45 degrees or more away from all that come before them."""
    before = jnp.tril(jnp.ones_like(cosines), -1) > 0
    return jnp.sum(jnp.all(~before | (cosines < APART), axis=1)).astype(jnp.float32)


def look(batch: Batch) -> dict[str, Array]:
    """The cosines of all pairs, the lengths, and what there is to say of them."""
    n = len(batch.gram)
    cosines = normalization.cosines(batch.gram)
    odd = normalization.odd_point(cosines)
    lengths = jnp.sqrt(jnp.diagonal(batch.gram) / n)
    relative = lengths / jnp.median(lengths)
    shown = jnp.arange(SIDE) * n // SIDE
    return {
        "cosines": cosines[jnp.ix_(shown, shown)],
        "lengths": jnp.pad(lengths[shown], 1),
        "layers": batch.layer.astype(jnp.float32),
        "leader": jnp.argmax(lengths).astype(jnp.float32) + 1,
        "longest": jnp.max(relative),
        "share": jnp.max(lengths) ** 2,
        "long": jnp.sum(relative > 2).astype(jnp.float32),
        "directions": directions(cosines),
        "in": odd.cluster,
        "out": odd.cosine,
    }


def batch_norm_bench(
    batches: Sequence[int] = BATCHES,
    widths: Sequence[str] = WIDTHS,
    start: Mapping[str, object] | None = None,
) -> Live:
    """Recentring, rescaling and ReLU, each on or off, and what layer after layer makes of a batch.

    Arguments:
        batches: numbers of points, divisors of 256, with 32 among them.
        widths: of every layer, with `"200"` among them; `"∞"` is the map of Gram matrices.
        start: what to begin with, such as `{"rescale": "on", "width": "∞", "points": 64}`.
    """
    switch = partial(Choice, options=("off", "on"), static=False)
    return Live(
        title="Batch normalization, taken apart",
        slug="bench",
        axes=[
            switch("recentre", "recentre", start="on"),
            switch("rescale", "rescale"),
            switch("nonlinearity", "ReLU", start="on"),
            Choice("width", "width", options=widths, start="200"),
            Axis("points", "points N", list(batches), 32, static=True),
            Axis("seed", "draw of the weights", list(range(1, 51)), step=True),
            Axis("longer", "last point longer (%)", LONGER),
        ],
        start=start,
        begin=begin,
        advance=advance,
        look=look,
        turns=LAYERS,
        turn="one layer",
        poster=0,
        pace=15,
        view=[
            Curves(
                x=np.clip(np.arange(-1, SIDE + 1), 0, None),
                y="lengths",
                x_label="all points of the batch, side by side",
                y_label="length (squares add up to 1)",
                styles=("bars",),
                colors=("green",),
                x_range=(0, SIDE),
                y_range=(0, 1),
                x_ticks=(),
                title="Lengths of the points",
            ),
            Image(
                pixels="cosines",
                label="cosine of two points",
                shades="violet",
                value_range=(0, 1),
                title="Cosines of all pairs",
            ),
        ],
        numbers=["layers", "leader", "longest", "share", "long", "directions", "in", "out"],
        words={
            "standing": Bands(
                "long",
                [0.5, 1.5],
                ["no point stands out", "one point stands out", "several points stand out"],
            )
        },
        readout=(
            "After {layers:.0f} layers {standing}: {long:.0f} of {points:.0f} are longer than "
            "twice the median. The longest, point {leader:.0f}, has {longest:.1f} times the "
            "median, and {share:.0%} of the sum of squares. Directions that are 45° or more "
            "apart: {directions:.0f}. The mean cosine of the oddest point with the others is "
            "{out:.2f}, among the others {in:.2f}."
        ),
        alt=(
            "Left, the lengths of the points of a batch as bars. Right, the matrix of the cosines "
            "between them."
        ),
    )
