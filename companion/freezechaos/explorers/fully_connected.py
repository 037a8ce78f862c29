"""The explorers of fully connected networks: their kernel, its recursion, their phases."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array

from freezechaos import kernels, regimes
from freezechaos.activations import Activation, Offset, normalized, standardized
from freezechaos.explorers.axes import Axis, Choice
from freezechaos.explorers.explorer import Explorer
from freezechaos.explorers.readout import Bands
from freezechaos.explorers.views import Curves, Guide, Line, Map, Polar
from freezechaos.kernels.recursion import through_layers

BETAS = np.round(np.linspace(0, 0.9, 19), 2)
DEPTHS = 2 ** np.arange(9)
DEGREES = np.linspace(0, 180, 61)  # every 3 degrees, the right angle in the middle
COVARIANCES = [
    -1,
    -0.8,
    -0.6,
    -0.4,
    -0.2,
    *np.round(np.linspace(0, 0.9, 10), 1),
    0.95,
    0.98,
    0.999,
    1,
]
REACH = np.linspace(0, 0.95, 20), np.round(np.linspace(0, 0.8, 81), 2)  # of bias, of the mean
REGIMES = Bands(
    "r",
    [1 - regimes.EDGE_WIDTH, 1 + regimes.EDGE_WIDTH],
    ["freeze", "the edge", "chaos"],
)
FIELD = 39, 33  # places of the map along both
DEPTHS_SEEN = (1, 2, 3, 4, 6, 8, 11, 16, 23, 32, 45, 64, 91, 128)
LONGEST = 999.0  # layers of the depth scale, which is infinite on the edge


def named_activation(name: str) -> Activation:
    """The activation that a figure calls "relu" (standardized) or "normalized relu"."""
    make = normalized if name.startswith("normalized ") else standardized
    with jax.ensure_compile_time_eval():  # also inside jit: its moments are numbers
        return make(name.removeprefix("normalized "))


def named_regime(setting: Mapping[str, Any]) -> str:
    """The regime at a setting of `beta` and `activation`, in words."""
    regime = regimes.regime(named_activation(setting["activation"]), setting["beta"])
    return "the edge" if regime is regimes.Regime.EDGE else str(regime)


def circle_kernel(beta: Array, depth: Array, activation: str) -> dict[str, Array]:
    """The scaled NTK at `DEGREES`, and at a right angle alone."""
    sigma = named_activation(activation)
    theta = kernels.ntk(sigma, beta, depth, jnp.cos(jnp.deg2rad(DEGREES)))
    return {
        "theta": theta,
        "r": regimes.characteristic_value(sigma, beta),
        "right": theta[len(DEGREES) // 2],
    }


def staircase(start: Array, beta: Array, activation: str, layers: int) -> dict[str, Array]:
    """The map of one layer, and the steps from the covariance `start` through the layers.

    The steps are (start, start), (start, first), (first, second) and so on, and then stay.
    """
    sigma = named_activation(activation)

    def layer(rho: Array) -> Array:
        return (1 - beta**2) * sigma.dual(rho) + beta**2

    r = regimes.characteristic_value(sigma, beta)
    x, y, end = climb(layer, start, layers)
    meets = regimes.crossing(layer, r)
    return {
        "x": marked(x, meets), "y": marked(y, meets), "way": y[1, : layers + 1],
        "r": r, "end": end, "meets": meets,
    }  # fmt: skip


def climb(layer: Callable[[Array], Array], start: Array, layers: int) -> tuple[Array, Array, Array]:
    """The places and values of a map and of the staircase on it, [2, 2 layers + 1]; its end."""

    def step(rho: Array, _: None) -> tuple[Array, Array]:
        image = layer(rho)
        return image, image

    end, images = lax.scan(step, start, length=layers)
    grid = jnp.linspace(-1, 1, 2 * layers + 1, dtype=start.dtype)
    before = jnp.concatenate([start[None], start[None], images[:-1]])
    after = jnp.concatenate([start[None], images])
    rest = jnp.full(len(grid) - len(after), end)
    x = jnp.stack([grid, jnp.concatenate([before, jnp.full_like(rest, before[-1])])])
    return x, jnp.stack([layer(grid), jnp.concatenate([after, rest])]), end


def marked(places: Array, meets: Array) -> Array:
    """With a third row, all of it the place where the map meets the diagonal."""
    return jnp.concatenate([places, jnp.full_like(places[:1], meets)])


def phase(beta: Array, mean: Array, depth: Array, activation: str) -> dict[str, Array]:
    """What depth makes of an activation with a share of constant, there and all over the map.

    Returns:
        r and the depth scale; the scaled NTK against depth at the cosines 0.9 and
        0, `[2, depths]`, and at a right angle at this depth; and 1 - NTK there on the whole map,
        `[means, betas]`.
    """
    depth = depth.astype(jnp.int32)
    base = named_activation(f"normalized {activation}")

    def theta(beta: Array, mean: Array, depth: Array, cosine: Array) -> tuple[Array, Array]:
        _, shared, apart = through_layers(
            Offset(base, mean), beta, depth, cosine, 1 - jnp.abs(cosine)
        )
        return shared, apart

    betas, means = (jnp.linspace(0.0, ends[-1], n) for ends, n in zip(REACH, FIELD, strict=True))
    rows = jax.vmap(theta, (0, None, None, None))
    field = jax.vmap(rows, (None, 0, None, None))(betas, means, depth, jnp.float32(0))[1]
    two = jnp.array([0.9, 0.0])
    over_depth = lax.map(lambda depth: theta(beta, mean, depth, two)[0], jnp.asarray(DEPTHS_SEEN))
    r = Offset(base, mean).derivative_second_moment * (1 - beta) * (1 + beta)
    rate = jnp.maximum(jnp.abs(jnp.log(r)), 1 / LONGEST)
    return {
        "r": r,
        "theta": over_depth.T,
        "right": theta(beta, mean, depth, jnp.float32(0))[0],
        "apart": field,
        "layers": 1 / rate,
    }


def ntk_on_the_circle(
    activations: Sequence[str] = ("relu", "normalized relu", "erf", "gelu", "normalized gelu"),
    start: Mapping[str, Any] | None = None,
) -> Explorer:
    """The scaled NTK between two inputs on the circle against the angle between them.

    Arguments:
        activations: names such as "relu" (standardized) or "normalized relu", two or more.
        start: what to begin with, such as `{"activation": "erf", "beta": 0.5, "depth": 1}`.
    """
    return Explorer(
        title="The scaled NTK on the circle",
        slug="circle",
        axes=[
            Axis("depth", "depth L", values=DEPTHS, start=16, step=True),
            Axis("beta", "bias share β", values=BETAS, start=0.1, step=True, format=".2f"),
            Choice("activation", "activation", options=activations),
        ],
        start=start,
        compute=circle_kernel,
        view=[
            Curves(
                x=DEGREES,
                y="theta",
                x_label="angle between the inputs (degrees)",
                y_label="scaled NTK ϑ",
                colors=("violet",),
                y_range=(-1.05, 1.05),
                x_ticks=[0, 45, 90, 135, 180],
                guides=[Guide(y=0)],
            ),
            Polar(
                angles=np.deg2rad(DEGREES),
                mirrored=True,
                value="theta",
                label="scaled NTK ϑ around one input, which sits on the right",
                colors=("violet",),
                value_range=(-1.0, 1.0),
            ),
        ],
        numbers=["r", "right"],
        words={"regime": named_regime},
        readout=(
            "{activation}, β = {beta:.2f}: r = {r:.3f}, {regime}. At depth {depth:.0f} two inputs "
            "at a right angle still share {right:.3f} of what each of them learns."
        ),
        alt=(
            "Left, the scaled NTK against the angle between two inputs: a curve that starts at 1 "
            "for equal inputs and falls towards opposite ones. Right, the same curve around the "
            "circle."
        ),
    )


def cobweb(
    activations: Sequence[str] = ("relu", "normalized relu", "erf", "gelu"),
    layers: int = 12,
    start: Mapping[str, Any] | None = None,
) -> Explorer:
    """One layer as a map of the covariance, and the staircase that depth climbs on it.

    Arguments:
        activations: names such as "relu" (standardized) or "normalized relu", two or more.
        layers: how many steps to draw.
        start: what to begin with, such as `{"activation": "erf", "beta": 0.5, "start": 0.98}`.
    """
    first = "normalized relu" if "normalized relu" in activations else activations[0]
    halves = [-1, -0.5, 0, 0.5, 1]
    return Explorer(
        title="One layer as a map, and where it leads",
        slug="cobweb",
        axes=[
            Axis("start", "first covariance Σ", values=COVARIANCES, start=0.5, format=".3f"),
            Axis("beta", "bias share β", values=BETAS, start=0.1, format=".2f"),
            Choice("activation", "activation", options=activations, start=first),
        ],
        start=start,
        compute=partial(staircase, layers=layers),
        compiled=True,
        view=[
            Curves(
                x="x",
                y="y",
                x_label="covariance Σ in this layer",
                y_label="in the next layer",
                series=("one layer", "layer after layer", "Σ*"),
                styles=("line", "steps", "dots"),
                colors=("ink", "violet", "green"),
                square=True,
                guides=[Guide("Σ*", x="meets")],
                x_range=(-1, 1),
                y_range=(-1, 1),
                x_ticks=halves,
                y_ticks=halves,
                background=[Line([1, -1], [1, -1], "no change")],  # labelled towards its end
                title="The staircase",
            ),
            Curves(
                x=np.arange(layers + 1),
                y="way",
                x_label="layers passed",
                y_label="covariance Σ",
                styles=("dots",),
                colors=("violet",),
                x_ticks=range(0, layers + 1, 3),
                y_range=(-1, 1),
                y_ticks=halves,
                guides=[Guide("Σ*", y="meets")],
                title="The same, layer by layer",
            ),
        ],
        numbers=["r", "end", "meets"],
        words={"regime": REGIMES},
        readout=(
            "{activation}, β = {beta:.2f}: the slope at Σ = 1 is r = {r:.3f}, {regime}. From "
            f"Σ = {{start:.3g}}, {layers} layers lead to {{end:.3f}}. Whatever is between −1 and 1 "
            "goes on to Σ* = {meets:.3f}."
        ),
        alt=(
            "In a square, the map that one layer applies to the covariance of two inputs, above or "
            "below the diagonal, and a staircase between map and diagonal that ends at their "
            "meeting point, marked and called Sigma star. Beside it the covariance, layer by layer."
        ),
    )


def phase_diagram(
    activations: Sequence[str] = ("relu", "gelu", "tanh", "softplus"),
    start: Mapping[str, Any] | None = None,
) -> Explorer:
    """Freeze and chaos over the bias share and the share of the mean, at any depth.

    Arguments:
        activations: names such as "relu", two or more; each is mixed with a constant.
        start: what to begin with, such as `{"activation": "gelu", "depth": 64}`.
    """
    betas, means = REACH
    first = standardized(activations[0]).affine_part[0]
    begin = {"mean": float(first)} | dict(start or {})
    return Explorer(
        title="The phase diagram",
        slug="phases",
        axes=[
            Axis("depth", "depth L", DEPTHS_SEEN, start=2, step=True),
            Axis("beta", "bias share β", betas, format=".2f"),
            Axis("mean", "share of the mean, a₀²", means, format=".2f"),
            Choice("activation", "activation", options=activations),
        ],
        start=begin,
        compute=phase,
        compiled=True,
        view=[
            Map(
                x="beta",
                y="mean",
                color="apart",
                label="1 − ϑ at a right angle",
                center=0.7,
                color_range=(0, 1),
                lines=[line for name in activations for line in _stands(name)],
                title="Which side are you on?",
            ),
            Curves(
                x=DEPTHS_SEEN,
                y="theta",
                x_label="depth L",
                y_label="scaled NTK ϑ",
                series=("cosine 0.9", "cosine 0"),
                colors=("green", "violet"),
                x_scale="log",
                x_ticks=[1, 4, 16, 64],
                y_range=(-0.05, 1.05),
                guides=[Guide(y=0), Guide(y=1), Guide("L", x="depth")],
                title="What depth does there",
            ),
        ],
        numbers=["r", "right", "layers"],
        words={
            "regime": Bands("r", [0.9995, 1.0005], ["freeze", "the edge", "chaos"]),
            "about": Bands("layers", [0.99 * LONGEST], ["about", "more than"]),
        },
        readout=(
            "{activation} with {mean:.1%} of its power in the mean, β = {beta:.2f}: r = {r:.3f}, "
            "{regime}. At depth {depth:.0f} two inputs at a right angle share {right:.3f} of what "
            "each of them learns. A small gap between two inputs changes by a factor e in {about} "
            "{layers:.3g} layers."
        ),
        alt=(
            "Left, a map over the bias share and the share of the mean: grey at small depth, and "
            "orange near the corner without either, blue elsewhere as depth grows. A curve where r "
            "is 1 parts the two; ReLU as it is touches it where there is no bias. Right, the "
            "scaled NTK at two cosines against depth."
        ),
    )


def _stands(name: str) -> list[Line]:
    """The edge of an activation on the map, and where people use it."""
    own, base = standardized(name), normalized(name)
    here, (last, _) = {"activation": name}, (ends[-1] for ends in REACH)
    betas = np.linspace(0, regimes.critical_beta(base), 40)
    edge = 1 - 1 / (base.derivative_second_moment * (1 - betas**2))
    mean = own.affine_part[0]
    rows = {"mean 0: layer norm": 0.0}
    rows |= {f"{name} as it is": mean} if mean > 1e-6 else {}
    rows = rows if mean > 1e-6 else {f"{name} as it is: mean 0": 0.0}
    point = [Line([0.0], [mean], "He initialization", "ink", here)] if name == "relu" else []
    flat = [Line([0.0, last], [row, row], label, "ink", here) for label, row in rows.items()]
    return [Line(betas, np.maximum(edge, 0), "r = 1", "ink", here), *flat, *point]
