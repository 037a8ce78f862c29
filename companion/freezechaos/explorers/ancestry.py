"""The explorer of ancestries: two pixels, what they read, and where their walk on taps stops."""

from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax.nn import one_hot
from jaxtyping import Array, Bool, Float, Int

from freezechaos import deconvolution, kernels
from freezechaos.explorers.axes import Axis, Choice
from freezechaos.explorers.explorer import Explorer
from freezechaos.explorers.fully_connected import named_activation
from freezechaos.explorers.readout import Bands
from freezechaos.explorers.views import Curves, Image
from freezechaos.graphs import transposed_convolution

START, LAYERS = 2, 3
SIDE = START * 2**LAYERS
DOUBLE = transposed_convolution(4, stride=2, padding=1)
STACK = deconvolution.DeconvStack((START, START), [DOUBLE] * LAYERS)
READ, PAIRED = 0.3, 1.0  # shades: read by one of the two, and still walking on common taps
DEPTHS = np.arange(1, LAYERS + 1)


def reading(size: int) -> Bool[np.ndarray, "taps children parents"]:
    """Who reads whom through which tap, along an axis of so many parents."""
    parents = DOUBLE.along(0).parents(size)
    return (parents.T[:, :, None] == np.arange(size)) & (parents.T[:, :, None] >= 0)


def walk(
    one: Int[Array, ""], other: Int[Array, ""]
) -> list[tuple[Array, Array, Float[Array, "parents other_parents"]]]:
    """Along one axis, from the picture down: what either place reads, the pairs on common taps."""
    seen, of_other = one_hot(one, SIDE), one_hot(other, SIDE)
    pairs = jnp.outer(seen, of_other)
    levels = [(seen, of_other, pairs)]
    for layer in reversed(range(LAYERS)):
        taps = jnp.asarray(reading(START * 2**layer), jnp.float32)
        seen, of_other = (jnp.einsum("kpq,p->q", taps, part) > 0 for part in (seen, of_other))
        pairs = jnp.einsum("kpq,pr,krs->qs", taps, pairs, taps) > 0
        seen, of_other, pairs = (part.astype(jnp.float32) for part in (seen, of_other, pairs))
        levels.append((seen, of_other, pairs))
    return levels


def picture(down: tuple[Array, Array, Array], along: tuple[Array, Array, Array]) -> Array:
    """[16, 16]: a layer's positions, read by one of the two or still walking as a pair."""
    read = [jnp.outer(down[k], along[k]) for k in (0, 1)]
    paired = [jnp.outer(jnp.max(down[2], k), jnp.max(along[2], k)) for k in (1, 0)]
    shade = jnp.maximum(READ * jnp.maximum(*read), PAIRED * jnp.maximum(*paired))
    size = len(shade)
    wide = jnp.broadcast_to(shade[:, None, :, None], (size, SIDE // size) * 2)
    return wide.reshape(SIDE, SIDE)


def ancestries(
    row: Array, column: Array, down: Array, across: Array, beta: Array, activation: str
) -> dict[str, Array]:
    """The layers under two pixels, how far their walk goes, and their tangent kernel."""
    sigma = named_activation(activation)
    one = jnp.stack([row, column]).astype(jnp.int32)
    other = jnp.clip(one + jnp.stack([down, across]).astype(jnp.int32), 0, SIDE - 1)
    rows, columns = (walk(one[k], other[k]) for k in (0, 1))
    layers = list(zip(rows, columns, strict=True))
    together = jnp.stack([jnp.max(r[2]) * jnp.max(c[2]) for r, c in layers[1:]])
    kernel = deconvolution.compressed(STACK, sigma, beta, jnp.eye(START**2)).ntk
    of_rows, of_columns = (jnp.asarray(part) for part in kernel.classes)
    theta = kernel.numbers[0, of_rows[one[0], other[0]], of_columns[one[1], other[1]]]
    ladder = jnp.stack([
        kernels.ntk(sigma, beta, depth, 0.0) * jnp.exp(kernels.log_ntk_diagonal(sigma, beta, depth))
        for depth in DEPTHS.tolist()
    ])  # fmt: skip
    whole = jnp.exp(kernels.log_ntk_diagonal(sigma, beta, LAYERS))
    own = jnp.all(one == other)
    walked = jnp.sum(together)
    rung = jnp.minimum(walked, LAYERS - 1).astype(jnp.int32)
    here = jnp.where(own, LAYERS, rung + 1).astype(jnp.float32)
    return {
        "layers": jnp.stack([picture(*layer) for layer in layers]),
        "depths": jnp.stack([jnp.arange(1.0, LAYERS + 1), jnp.full(LAYERS, here)]),
        "kernel": jnp.stack([ladder, jnp.full(LAYERS, theta)]) / whole,
        "walked": walked,
        "theta": theta,
        "rung": ladder[rung],
        "lost": jnp.where(own, -1.0, ladder[rung] - theta),
        "below": other[0].astype(jnp.float32),
        "right": other[1].astype(jnp.float32),
    }


def shared_ancestry(start: Mapping[str, Any] | None = None) -> Explorer:
    """Two pixels of a generator from 2 x 2 to 16 x 16, and all that both of them read.

    Arguments:
        start: what to begin with, such as `{"across": 4}`.
    """
    shifts = [-8, *range(-4, 5), 8]
    return Explorer(
        title="Two pixels and their ancestors",
        slug="ancestry",
        axes=[
            Axis("row", "row of the pixel", range(SIDE), 7, step=True),
            Axis("column", "column of the pixel", range(SIDE), 6, step=True),
            Axis("down", "other pixel: rows down", shifts, 0, step=True),
            Axis("across", "other pixel: columns right", shifts, 2, step=True),
            Axis("beta", "bias share β", (0.1, 0.3, 0.5, 0.7, 0.9), 0.5, format=".2f"),
            Choice("activation", "activation", ("relu", "normalized relu")),
        ],
        start=start,
        compute=ancestries,
        compiled=True,
        view=[
            Image(
                pixels="layers",
                label="pale: one reads it; dark: both, on common taps",
                panels=("the picture", "8 × 8", "4 × 4", "the input, 2 × 2"),
                shades="violet",
                value_range=(0, 1),
                pick=("row", "column"),
                columns=2,
                title="Layer by layer down",
            ),
            Curves(
                x="depths",
                y="kernel",
                x_label="depth v + 1",
                y_label="Θ, over a pixel's own",
                series=("fully connected", "these two"),
                styles=("line", "dots"),
                colors=("edge", "violet"),
                x_range=(0.8, 3.4),
                y_range=(0, 1.05),
                x_ticks=DEPTHS.tolist(),
                title="On which rung they meet",
            ),
        ],
        numbers=["walked", "theta", "rung", "lost", "below", "right"],
        words={
            "why": Bands(
                "lost",
                (-0.5, -1e-3, 1e-3),
                ("it is the pixel itself", "more than on that rung", "as on that rung",
                 "less: taps are lost at the border"),
            )
        },
        readout=(
            "Pixels ({row:.0f}, {column:.0f}) and ({below:.0f}, {right:.0f}) have common taps in "
            "{walked:.0f} of 3 layers. At β = {beta:.2f}, {activation}, Θ = {theta:.3f}; depth "
            "v + 1 has {rung:.3f} ({why})."
        ),
        alt=(
            "Four grids, from the picture of 16 by 16 pixels down to the input of 2 by 2. Pale are "
            "the positions that one of two pixels reads, dark those that both reach on common "
            "taps. Beside them the kernel of a fully connected network over its depth, with dots "
            "at the height of the two pixels' kernel."
        ),
    )  # fmt: skip
