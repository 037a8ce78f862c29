"""The explorer of an activation's shares: mix four Hermite polynomials, and see what angles do."""

from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

from freezechaos.explorers.axes import Axis
from freezechaos.explorers.explorer import Explorer
from freezechaos.explorers.readout import Bands
from freezechaos.explorers.views import Curves, Guide, Line

COSINES = np.linspace(-1, 1, 81)
LAYERS = np.arange(31)
LOUD = (0.0, 0.25, 0.5, 0.75, 1.0)
START = {"constant": 0.0, "straight": 1.0, "bowl": 0.0, "wave": 0.25}


def dual(shares: Float[Array, "4"], cosine: Array) -> Array:
    """R of an activation whose variance has these shares in h_0, h_1, h_2, h_3."""
    return jnp.polyval(shares[::-1], cosine)


def mixed(
    constant: Array, straight: Array, bowl: Array, wave: Array, angle: Array
) -> dict[str, Array]:
    """The dual map of a mixture, and the angle between two inputs layer by layer, without bias."""
    loud = jnp.stack([constant, straight, bowl, wave])
    shares = loud / jnp.sum(loud)

    def layer(cosine: Array, _: None) -> tuple[Array, Array]:
        return jnp.clip(dual(shares, cosine), -1, 1), cosine

    _, cosines = lax.scan(layer, jnp.cos(jnp.deg2rad(angle)), None, len(LAYERS))
    angles = jnp.rad2deg(jnp.arccos(cosines))
    return {
        "dual": dual(shares, jnp.asarray(COSINES, jnp.float32)),
        "angles": angles,
        "one": angles[1],
        "many": angles[-1],
        "r": shares @ jnp.arange(4.0),
        **{f"a{k}": shares[k] for k in range(4)},
    }


def hermite_mixer(start: Mapping[str, Any] | None = None) -> Explorer:
    """What the shares of an activation in four Hermite polynomials do to angles, continuously.

    Arguments:
        start: what to begin with, such as `{"constant": 0, "straight": 1}`.
    """
    polynomials = {
        "constant": "loudness of h₀ = 1",
        "straight": "loudness of h₁ = z",
        "bowl": "loudness of h₂ ∝ z² − 1",
        "wave": "loudness of h₃ ∝ z³ − 3z",
    }
    return Explorer(
        title="Mix an activation",
        slug="mixer",
        axes=[
            *(
                Axis(name, label, (0.05, *LOUD[1:]) if name == "straight" else LOUD, START[name])
                for name, label in polynomials.items()
            ),
            Axis("angle", "angle of the inputs (degrees)", (5, 45, 90, 135, 175), 60, format=".0f"),
        ],
        start=start,
        compute=mixed,
        compiled=True,
        view=[
            Curves(
                x=COSINES,
                y="dual",
                x_label="cosine before the layer, ρ",
                y_label="cosine after it, R(ρ)",
                colors=("violet",),
                x_range=(-1, 1),
                y_range=(-1, 1),
                background=[Line([-1, 1], [-1, 1], "unchanged")],
                title="The dual map",
            ),
            Curves(
                x=LAYERS,
                y="angles",
                x_label="layers",
                y_label="angle (degrees)",
                styles=("dots",),
                colors=("violet",),
                x_range=(0, 30),
                y_range=(0, 180),
                y_ticks=[0, 45, 90, 135, 180],
                guides=[Guide("right angle", y=90)],
                title="Two inputs, layer by layer",
            ),
        ],
        numbers=["r", "one", "many", "a0", "a1", "a2", "a3"],
        words={"phase": Bands("r", (0.999, 1.001), ("freeze", "the edge", "chaos"))},
        readout=(
            "Shares {a0:.0%}, {a1:.0%}, {a2:.0%}, {a3:.0%}: slope R'(1) = {r:.2f}, {phase}. "
            "Two inputs {angle:.0f}° apart are {one:.0f}° apart after a layer and {many:.0f}° "
            "after 30."
        ),
        alt=(
            "Left, the dual map of a mixture of four Hermite polynomials, against the line where "
            "nothing changes. Right, the angle between two inputs over thirty layers."
        ),
    )
