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
from freezechaos.activations import Activation, normalized, standardized
from freezechaos.explorers.axes import Axis, Choice
from freezechaos.explorers.explorer import Explorer
from freezechaos.explorers.readout import Bands
from freezechaos.explorers.views import Curves, Guide, Line, Map, Polar

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

    x, y, end = climb(layer, start, layers)
    return {"x": x, "y": y, "r": regimes.characteristic_value(sigma, beta), "end": end}


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


def phase(beta: Array, activation: str, depths: tuple[int, ...]) -> dict[str, Array]:
    """The characteristic value, and the scaled NTK against depth at the cosines 0.9 and 0."""
    sigma = named_activation(activation)
    cosine = jnp.array([0.9, 0.0])
    r = regimes.characteristic_value(sigma, beta)
    over_depth: Array = jax.vmap(
        lambda depth: kernels.ntk(sigma, beta, depth, cosine), out_axes=-1
    )(jnp.asarray(depths))
    rate = jnp.maximum(jnp.abs(jnp.log(r)), 1 / LONGEST)
    return {"r": r, "theta": over_depth, "layers": 1 / rate}


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
            Axis("start", "first covariance Σ", values=COVARIANCES, start=0.5, step=True),
            Axis("beta", "bias share β", values=BETAS, start=0.1, step=True, format=".2f"),
            Choice("activation", "activation", options=activations, start=first),
        ],
        start=start,
        compute=partial(staircase, layers=layers),
        view=Curves(
            x="x",
            y="y",
            x_label="covariance Σ in this layer",
            y_label="in the next layer",
            series=("one layer", "layer after layer"),
            styles=("line", "steps"),
            colors=("ink", "violet"),
            x_range=(-1, 1),
            y_range=(-1, 1),
            x_ticks=halves,
            y_ticks=halves,
            background=[Line([1, -1], [1, -1], "no change")],  # labelled towards its end
        ),
        numbers=["r", "end"],
        words={"regime": named_regime},
        readout=(
            "{activation}, β = {beta:.2f}: the slope at Σ = 1 is r = {r:.3f}, {regime}. From "
            f"Σ = {{start:.3g}}, {layers} layers lead to {{end:.3f}}."
        ),
        alt=(
            "The map that one layer applies to the covariance of two inputs, above or below the "
            "diagonal, and a staircase between map and diagonal that ends at a fixed point."
        ),
    )


def phase_diagram(
    activations: Sequence[str] = (
        "relu",
        "gelu",
        "tanh",
        "erf",
        "sin",
        "normalized gelu",
        "normalized relu",
    ),
    start: Mapping[str, Any] | None = None,
) -> Explorer:
    """Freeze and chaos over beta and the activation, with the kernel against depth.

    Arguments:
        activations: names such as "relu" (standardized) or "normalized relu", two or more.
        start: what to begin with, such as `{"activation": "relu", "beta": 0.5}`.
    """
    betas = np.round(np.linspace(0, 0.95, 39), 3)
    depths = tuple(2**k for k in range(8))
    first = "erf" if "erf" in activations else activations[0]
    critical = [regimes.critical_beta(named_activation(name)) for name in activations]
    return Explorer(
        title="The phase diagram",
        slug="phases",
        axes=[
            Axis("beta", "bias share β", values=betas, start=0.3, step=True, format=".3f"),
            Choice("activation", "activation", options=activations, start=first),
        ],
        start=start,
        compute=partial(phase, depths=depths),
        view=[
            Map(
                x="beta",
                y="activation",
                color="r",
                label="characteristic value r",
                lines=[Line(critical, list(activations), "r = 1", color="ink")],
                title="Which side are you on?",
            ),
            Curves(
                x=depths,
                y="theta",
                x_label="depth L",
                y_label="scaled NTK ϑ",
                series=("cosine 0.9", "cosine 0"),
                colors=("green", "violet"),
                x_scale="log",
                x_ticks=[1, 4, 16, 64],
                y_range=(-0.05, 1.05),
                guides=[Guide(y=0), Guide(y=1)],
                title="What depth does there",
            ),
        ],
        numbers=["r", "layers"],
        log=["layers"],
        words={
            "regime": named_regime,
            "about": Bands("layers", [0.99 * LONGEST], ["about", "more than"]),
        },
        readout=(
            "{activation}, β = {beta:.3f}: r = {r:.3f}, {regime}. A small gap between two inputs "
            "changes by a factor e in {about} {layers:.3g} layers."
        ),
        alt=(
            "Left, bands of activations over the bias share: orange for chaos at small beta, "
            "blue for freeze at large beta, and a mark where r is 1. Right, the scaled NTK at "
            "two cosines against depth."
        ),
    )
