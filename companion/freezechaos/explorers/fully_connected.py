"""The explorers of fully connected networks: their kernel, its recursion, their phases."""

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

_DEPTHS = 2 ** np.arange(9)
_BETAS = np.round(np.linspace(0, 0.9, 19), 2)
_REGIME = Bands(of="r", edges=[1 - 1e-3, 1 + 1e-3], words=["freeze", "the edge", "chaos"])


def activation(name: str) -> Activation:
    """The activation that a figure calls "relu" (standardized) or "normalized relu"."""
    if name.startswith("normalized "):
        return normalized(name.removeprefix("normalized "))
    return standardized(name)


def ntk_on_the_circle(
    activations: tuple[str, ...] = ("relu", "normalized relu", "erf", "gelu", "normalized gelu"),
) -> Explorer:
    """The scaled NTK between two inputs on the circle against the angle between them.

    Arguments:
        activations: names as in `activation`, two or more.
    """
    half = np.linspace(0, 180, 46)
    around = np.linspace(0, 2 * np.pi, 60, endpoint=False)
    cosine = jnp.cos(jnp.deg2rad(jnp.asarray(half, jnp.float32)))

    def compute(beta: Array, depth: Array, activation: str) -> dict[str, Array]:
        sigma = _named(activation)
        theta = kernels.ntk(sigma, beta, depth, cosine)
        round_angles = np.abs(np.rad2deg(np.arctan2(np.sin(around), np.cos(around))))
        return {
            "theta": theta,
            "circle": jnp.interp(round_angles, half, theta),
            "r": regimes.characteristic_value(sigma, beta),
            "right": theta[len(half) // 2],
        }

    return Explorer(
        title="The scaled NTK on the circle",
        slug="circle",
        axes=[
            Axis("depth", "depth L", values=_DEPTHS, start=16, step=True),
            Axis("beta", "bias share β", values=_BETAS, start=0.1, step=True, format=".2f"),
            Choice("activation", "activation", options=activations),
        ],
        compute=compute,
        view=[
            Curves(
                x=half,
                y="theta",
                x_label="angle between the inputs (degrees)",
                y_label="scaled NTK ϑ",
                colors=("violet",),
                y_range=(-0.4, 1.05),
                x_ticks=[0, 45, 90, 135, 180],
                guides=[Guide(y=0)],
            ),
            Polar(
                angles=around,
                value="circle",
                label="scaled NTK ϑ around one input, which sits on the right",
                colors=("violet",),
                value_range=(-0.4, 1.0),
            ),
        ],
        numbers=["r", "right"],
        words={"regime": _REGIME},
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
    activations: tuple[str, ...] = ("relu", "normalized relu", "erf", "gelu"), layers: int = 12
) -> Explorer:
    """One layer as a map of the covariance, and the staircase that depth climbs on it.

    Arguments:
        activations: names as in `activation`, two or more.
        layers: how many steps to draw.
    """
    grid = jnp.linspace(-1, 1, 2 * layers + 1)

    def compute(beta: Array, start: Array, activation: str) -> dict[str, Array]:
        sigma = _named(activation)

        def layer(rho: Array) -> Array:
            return (1 - beta**2) * sigma.dual(rho) + beta**2

        def step(rho: Array, _: None) -> tuple[Array, Array]:
            image = layer(rho)
            return image, jnp.stack([image, image])

        _, ends = lax.scan(step, start, length=layers)
        stairs = jnp.concatenate([start[None], ends.ravel()])
        return {
            "x": jnp.stack([grid, jnp.concatenate([start[None], stairs[:-1]])]),
            "y": jnp.stack([layer(grid), stairs]),
            "r": regimes.characteristic_value(sigma, beta),
            "end": stairs[-1],
        }

    return Explorer(
        title="One layer as a map, and where it leads",
        slug="cobweb",
        axes=[
            Axis("start", "first covariance Σ", values=np.linspace(-1, 1, 9), start=0.75),
            Axis("beta", "bias share β", values=np.linspace(0, 0.9, 10), start=0.1, format=".2f"),
            Choice("activation", "activation", options=activations, start="normalized relu"),
        ],
        compute=compute,
        view=Curves(
            x="x",
            y="y",
            x_label="covariance Σ in this layer",
            y_label="in the next layer",
            series=("one layer", "the network"),
            colors=("ink", "violet"),
            x_range=(-1, 1),
            y_range=(-1, 1),
            x_ticks=[-1, -0.5, 0, 0.5, 1],
            y_ticks=[-1, -0.5, 0, 0.5, 1],
            background=[Line([-1, 1], [-1, 1], "no change")],
        ),
        numbers=["r", "end"],
        words={"regime": _REGIME},
        readout=(
            "{activation}, β = {beta:.2f}: the slope at Σ = 1 is r = {r:.3f}, {regime}. From "
            f"Σ = {{start:.2f}}, {layers} layers lead to {{end:.3f}}."
        ),
        alt=(
            "The map that one layer applies to the covariance of two inputs, above or below the "
            "diagonal, and a staircase between map and diagonal that ends at a fixed point."
        ),
    )


def phase_diagram(
    activations: tuple[str, ...] = (
        "relu",
        "gelu",
        "tanh",
        "erf",
        "sin",
        "normalized gelu",
        "normalized relu",
    ),
) -> Explorer:
    """Freeze and chaos over beta and the activation, with the kernel against depth.

    Arguments:
        activations: names as in `activation`, two or more.
    """
    betas = np.round(np.linspace(0, 0.95, 39), 3)
    depths = jnp.asarray(2 ** np.arange(8))

    def compute(beta: Array, activation: str) -> dict[str, Array]:
        sigma = _named(activation)
        cosine = jnp.array([0.9, 0.0])

        def theta(depth: Array) -> Array:
            return kernels.ntk(sigma, beta, depth, cosine)

        over_depth: Array = jax.vmap(theta, out_axes=-1)(depths)
        return {"r": regimes.characteristic_value(sigma, beta), "theta": over_depth}

    critical = [regimes.critical_beta(_named(name)) for name in activations]
    return Explorer(
        title="The phase diagram",
        slug="phases",
        axes=[
            Axis("beta", "bias share β", values=betas, start=0.3, step=True, format=".3f"),
            Choice("activation", "activation", options=activations, start="erf"),
        ],
        compute=compute,
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
                x=np.arange(8),
                y="theta",
                x_label="log₂ of the depth L",
                y_label="scaled NTK ϑ",
                series=("cosine 0.9", "cosine 0"),
                colors=("green", "violet"),
                y_range=(-0.05, 1.05),
                guides=[Guide(y=0), Guide(y=1)],
                title="What depth does there",
            ),
        ],
        numbers=["r"],
        words={"regime": _REGIME},
        readout="{activation}, β = {beta:.3f}: r = {r:.3f}, {regime}.",
        alt=(
            "Left, bands for seven activations over the bias share: orange for chaos at small "
            "beta, blue for freeze at large beta, and a mark where r is 1. Right, the scaled NTK "
            "at two cosines against depth."
        ),
    )


_named = activation  # the explorers' own argument has that name too
