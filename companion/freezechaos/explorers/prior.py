"""The explorer of networks at birth: the functions they are, and what width makes of them."""

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from freezechaos import kernels, networks
from freezechaos.explorers.axes import Axis, Choice
from freezechaos.explorers.explorer import Explorer
from freezechaos.explorers.fully_connected import named_activation
from freezechaos.explorers.views import Curves

WIDTHS = ("4", "16", "64", "∞")
POINTS = 72
ROUND = np.arange(POINTS + 1) * (360 / POINTS)  # degrees, all the way round
APART = ROUND[: POINTS // 2 + 1 : 2]  # degrees between two inputs, the right angle in the middle
BEFORE = 20  # networks drawn before this one, still in sight


def drawn(sigma: Any, beta: Array, depth: Array, width: str, key: Array) -> tuple[Array, Array]:
    """One network at `ROUND`, and the covariance at `APART` given its hidden layers."""
    if width == "∞":
        function = kernels.draw_on_circle(sigma, beta, depth, POINTS, key=key)
        return jnp.append(function, function[0]), limit(sigma, beta, depth)
    x = networks.circle(jnp.deg2rad(jnp.asarray(ROUND[:-1], jnp.float32)))
    born = networks.newborn(sigma, beta, depth, x, int(width), key=key)
    covariance = born.covariance[0, : POINTS // 2 + 1 : 2]
    return jnp.append(born.outputs, born.outputs[0]), covariance


def limit(sigma: Any, beta: Array, depth: Array) -> Array:
    """The covariance of the output at infinite width."""
    return kernels.nngp(sigma, beta, depth, jnp.cos(jnp.deg2rad(jnp.asarray(APART, jnp.float32))))


def birth(depth: Array, beta: Array, draw: Array, width: str, activation: str) -> dict[str, Array]:
    """The networks up to number `draw`, the latest last; and of each the variance at 0."""
    sigma, depth = named_activation(activation), depth.astype(jnp.int32)
    numbers = draw.astype(jnp.int32) + jnp.arange(-BEFORE, 1)
    keys = jax.vmap(lambda number: jax.random.fold_in(jax.random.key(1), number))(numbers)
    functions, covariances = jax.vmap(lambda key: drawn(sigma, beta, depth, width, key))(keys)
    wide = limit(sigma, beta, depth)
    variances = covariances[:-1, 0]
    return {
        "functions": functions,
        "covariances": jnp.concatenate([covariances, wide[None]]),
        "own": covariances[-1, 0],
        "low": jnp.min(variances),
        "high": jnp.max(variances),
        "right": wide[len(APART) // 2],
    }


def random_functions(
    activations: Sequence[str] = ("relu", "normalized relu", "erf"),
    widths: Sequence[str] = WIDTHS,
    start: Mapping[str, Any] | None = None,
) -> Explorer:
    """Random networks on the circle, as many as one likes, and what their hidden layers leave.

    Arguments:
        activations: names such as "relu" (standardized) or "normalized relu", two or more.
        widths: whole numbers as words, or "∞"; two or more.
        start: what to begin with, such as `{"width": "4", "activation": "erf"}`.
    """
    faint = ("edge",) * BEFORE
    names = ("",) * (BEFORE - 1) + ("the 20 before",)
    return Explorer(
        title="Networks at birth",
        slug="birth",
        axes=[
            Axis("draw", "network number", range(BEFORE, 1020), step=True, press="Draw again"),
            Choice("width", "width n", options=widths),
            Axis("depth", "depth L", values=range(2, 17), step=True),
            Axis("beta", "bias share β", np.linspace(0, 0.95, 20), start=0.1, format=".2f"),
            Choice("activation", "activation", options=activations),
        ],
        start=start,
        compute=birth,
        compiled=True,
        view=[
            Curves(
                x=ROUND,
                y="functions",
                x_label="place of the input on the circle (degrees)",
                y_label="output f",
                colors=(*faint, "violet"),
                styles=("faint",) * BEFORE + ("line",),
                y_range=(-3.5, 3.5),
                x_ticks=[0, 90, 180, 270, 360],
                title="A network, and 20 before it",
            ),
            Curves(
                x=APART,
                y="covariances",
                x_label="angle to the input at 0 (degrees)",
                y_label="covariance",
                series=(*names, "this network", "width ∞"),
                colors=(*faint, "violet", "ink"),
                styles=("faint",) * BEFORE + ("line", "dashed"),
                y_range=(-1, 2),
                x_ticks=[0, 45, 90, 135, 180],
                title="Covariance, given the hidden layers",
            ),
        ],
        numbers=["own", "low", "high", "right"],
        readout=(
            "{activation}, width {width}, depth {depth:.0f}, β = {beta:.2f}: given its hidden "
            "layers, the output at 0 degrees has the variance {own:.2f} in this network, and "
            "between {low:.2f} and {high:.2f} in the twenty before it. At infinite width it is 1 "
            "in all, and the covariance at a right angle is {right:.2f}."
        ),
        alt=(
            "Left, the output of a random network around the circle, and faintly those of twenty "
            "others. Right, the covariance of the output at angle 0 with that at other angles, "
            "given the hidden layers of each, beside the dashed curve of infinite width."
        ),
    )
