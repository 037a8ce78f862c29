"""The reader's own activation: a formula is typed, and all that depth makes of it is computed.

There is no table. The page reads the formula, asks it at the nodes of a mesh (`formula.js`), and
hands the values to functions of this package that `browser.compile` wrote down as JavaScript:
`sampled.seen`, and `pictured` below, which also draws the still figure here.
"""

import json
import zlib
from base64 import b64encode
from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import traitlets
from jax import lax
from jax.scipy.special import erf
from jaxtyping import Array, Float

from freezechaos import sampled
from freezechaos.activations import (
    Activation,
    DualMap,
    normalized,
    power_series,
    standardized,
)
from freezechaos.browser import compile
from freezechaos.explorers import fully_connected
from freezechaos.explorers.axes import Axis, Choice, Formula
from freezechaos.explorers.explorer import HERE, Explorer, without_comments
from freezechaos.explorers.fully_connected import climb, marked
from freezechaos.explorers.readout import Bands
from freezechaos.explorers.views import Curves, Guide, Line
from freezechaos.kernels.recursion import through_layers
from freezechaos.regimes import EDGE_WIDTH, critical_beta, crossing

PANELS, KINKS = 96, 12
PLACES = np.linspace(-4, 4, 161)
DEGREES = fully_connected.DEGREES.copy()  # JAX may still hold the other one in float32
DEGREE = 12
LAYERS = 20
DEPTHS = np.unique(np.r_[1:17, np.round(np.geomspace(16, 1000, 37) / 2) * 2].astype(int))
FORMS = {"standardized": 0.0, "normalized": 1.0}

EXAMPLES: dict[str, Callable[[Array], Array]] = {
    "max(x, 0)": jax.nn.relu,
    "tanh(3*x)": lambda x: jnp.tanh(3 * x),
    "x*sigmoid(x)": jax.nn.silu,
    "abs(x)": jnp.abs,
    "x > 0 ? x : exp(x) - 1": jax.nn.elu,
    "sin(x) + x/2": lambda x: jnp.sin(x) + x / 2,
    "gelu(x)": partial(jax.nn.gelu, approximate=False),
}
"""Formulas, and the same as functions."""


def pictured(
    sigma: DualMap,
    curves: Float[Array, "2 places"],
    squares: Float[Array, " degrees"],
    beta: Float[Array, ""],
    depth: Array,
    jumps: Array | None = None,
    series: Float[Array, " terms"] | None = None,
) -> dict[str, Array]:
    """What is drawn, in float64.

    Arguments:
        sigma: the activation in the form that is shown.
        curves: f and sigma at `PLACES`.
        squares: a_k^2, k = 0 .. `DEGREE`, of sigma.
        beta, depth: as in `kernels.ntk`.
        jumps: whether f jumps; then r is infinite, and so is the kernel on its diagonal.
        series: a_k^2, all that are known, to be used where f jumps.
    """
    cosine = jnp.cos(jnp.deg2rad(jnp.asarray(DEGREES)))
    _, theta, _ = through_layers(sigma, beta, depth, cosine, 1 - jnp.abs(cosine))
    moment = jnp.asarray(sigma.derivative_second_moment)

    def layer(rho: Array) -> Array:
        image = sigma.dual(rho)
        if jumps is not None and series is not None:
            summed = lax.cond(jumps, partial(_summed, series), jnp.zeros_like, rho)
            image = jnp.where(jumps, summed, image)
        return (1 - beta) * (1 + beta) * image + beta**2

    if jumps is not None:
        moment = jnp.where(jumps, jnp.inf, moment)
        apart = jnp.where(jnp.arange(len(DEGREES)) > 0, 0.0, 1.0)
        theta = jnp.where(jumps & (depth > 1), apart, theta)
    x, y, end = climb(layer, beta**2, LAYERS)
    r = moment * (1 - beta) * (1 + beta)
    meets = crossing(layer, r)
    return {
        "curves": curves, "shares": squares, "theta": theta, "end": end,
        "x": marked(x, meets), "y": marked(y, meets), "meets": meets, "r": r, "moment": moment,
        "right": theta[len(DEGREES) // 2], "mean": squares[0],
    }  # fmt: skip


def _summed(coefficients: Array, rho: Array) -> Array:
    """The power series, with all that is missing of R(1) = 1 at one degree more."""
    whole = jnp.append(coefficients, 1 - jnp.sum(coefficients))
    return whole[0] + whole[1] * rho + power_series(whole, rho)[0]


def drawn(
    seen: sampled.Seen, shown: Float[Array, " places"], share: Array, beta: Array, depth: Array
) -> dict[str, Array]:
    """As `pictured`, of a function that was asked at a mesh and, for its picture, at `PLACES`."""
    sigma = sampled.recentred(seen, share)
    squares = sigma.centre[: DEGREE + 1]
    series = seen.hermite**2 / sigma.deviation**2
    series = jnp.concatenate([squares[:1], series[1:]])
    curves = jnp.stack([shown, (shown - sigma.mean) / sigma.deviation])
    return pictured(sigma, curves, squares, beta, depth, jnp.any(seen.jumps != 0), series)


def _shaped(shape: tuple[int, ...], dtype: str) -> Any:
    """What stands for an array where only its shape and dtype are asked for."""
    return jax.ShapeDtypeStruct(shape, dtype)


@cache
def program() -> str:
    """JavaScript of `sampled.seen`, `drawn` and erf, with the sizes that they were traced for."""
    with jax.enable_x64(True):
        number, count = _shaped((), "float64"), _shaped((), "int32")
        panels, kinks, values, shown = (
            _shaped(shape, "float64")
            for shape in ((PANELS,), (KINKS,), (PANELS, sampled.NODES), (len(PLACES),))
        )
        mesh = sampled.Mesh(panels, panels, count, kinks, kinks)
        seen = jax.eval_shape(sampled.seen, values, mesh)
        arguments = seen, shown, number, number, count
        sources = {
            "seen": compile(sampled.seen, values, mesh),
            "drawn": compile(drawn, *arguments),
            "erf": compile(erf, number),
        }
        names = sorted(jax.eval_shape(drawn, *arguments))
    known = {
        "names": names, "panels": PANELS, "nodes": sampled.NODES, "kinks": KINKS,
        "radius": sampled.RADIUS, "places": PLACES.round(6).tolist(), "forms": FORMS,
        "edge": EDGE_WIDTH,
    }  # fmt: skip
    parts = ",\n".join(f"{name}: {source}" for name, source in sources.items())
    return f"export default {{{json.dumps(known)[1:-1]},\n{parts}}};\n"


def _example(formula: str, form: str) -> Activation:
    make = {"standardized": standardized, "normalized": normalized}[form]
    return make(EXAMPLES[formula])


def _edge(sigma: Activation) -> str:
    critical = critical_beta(sigma)
    if not critical > 0:
        return "At every β > 0 it freezes."
    return f"The edge lies at β = {critical:.4f}."


class OwnActivation(Explorer):
    """The explorer of `own_activation`; like every one, but for what its script computes."""

    _esm = without_comments(
        (HERE / "explorer.js").read_text("utf-8").replace("export default { render };\n", "")
        + (HERE / "formula.js").read_text("utf-8")
        + (HERE / "own.js").read_text("utf-8")
    )
    program = traitlets.Bytes(read_only=True).tag(sync=True)

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.set_trait("program", zlib.compress(program().encode(), 9))

    @property
    def payload_bytes(self) -> int:
        return super().payload_bytes + len(b64encode(self.program))


def own_activation(start: Mapping[str, Any] | None = None) -> Explorer:
    """A formula in x, and what depth makes of it: computed as the reader types.

    Arguments:
        start: what to begin with, such as `{"formula": "abs(x)", "beta": 0.5}`; the formula is one
            of `EXAMPLES`. The reader may type any other.
    """
    begin: dict[str, Any] = {
        "formula": "max(x, 0)",
        "form": "standardized",
        "beta": 0.1,
        "depth": 16,
    }
    begin |= dict(start or {})
    if begin["formula"] not in EXAMPLES:
        raise ValueError(
            f"`start` must name one of the formulas {list(EXAMPLES)}; got {begin['formula']!r}. "
            "Type any other into the explorer itself."
        )
    sigma = _example(begin["formula"], begin["form"])

    def compute() -> dict[str, np.ndarray]:
        with jax.enable_x64(True):
            f = EXAMPLES[begin["formula"]](jnp.asarray(PLACES))
            curves = jnp.stack([f, sigma(jnp.asarray(PLACES))])
            squares = jnp.asarray(sigma.centre[: DEGREE + 1])
            beta, depth = jnp.float64(begin["beta"]), jnp.int32(begin["depth"])
            found = pictured(sigma, curves, squares, beta, depth)
            return {name: np.asarray(value) for name, value in found.items()}

    halves = [-1, -0.5, 0, 0.5, 1]
    return OwnActivation(
        title="Your own activation",
        slug="own",
        axes=[
            Formula("formula", "a formula in x", begin["formula"], tuple(EXAMPLES)),
            Choice("form", "form", list(FORMS), tabulated=False),
            Axis("beta", "bias share β", np.round(np.linspace(0, 0.99, 199), 3),
                 format=".3f", tabulated=False),
            Axis("depth", "depth L", DEPTHS, step=True, tabulated=False),
        ],
        start=begin,
        compute=compute,
        vectorized=False,
        view=[
            Curves(x=PLACES, y="curves", x_label="x", y_label="σ(x)", title="The activation",
                   series=("f, as typed", "σ"), styles=("dashed", "line"), colors=("edge", "ink"),
                   x_ticks=[-4, -2, 0, 2, 4], y_range=(-3, 3), y_ticks=[-3, -2, -1, 0, 1, 2, 3]),
            Curves(x=np.arange(DEGREE + 1), y="shares", x_label="Hermite degree k",
                   y_label="share a²ₖ", title="What it is made of", styles=("dots",),
                   colors=("violet",), y_range=(-0.03, 1.03), y_ticks=[0, 0.25, 0.5, 0.75, 1],
                   x_ticks=[0, 2, 4, 6, 8, 10, 12], guides=[Guide(y=0)]),
            Curves(x="x", y="y", x_label="covariance Σ in this layer", y_label="in the next layer",
                   series=("one layer", "layer after layer", "Σ*"), square=True,
                   styles=("line", "steps", "dots"), colors=("ink", "violet", "green"),
                   x_range=(-1, 1), y_range=(-1, 1), x_ticks=halves,
                   guides=[Guide("Σ*", x="meets")],
                   y_ticks=halves, background=[Line([1, -1], [1, -1], "no change")],
                   title="One layer, and where it leads"),
            Curves(x=DEGREES, y="theta", x_label="angle between the inputs (degrees)",
                   y_label="scaled NTK ϑ", colors=("violet",), y_range=(-1.05, 1.05),
                   x_ticks=[0, 45, 90, 135, 180], guides=[Guide(y=0)],
                   title="What is learnt in common"),
        ],
        numbers=["r", "right", "mean", "meets"],
        words={
            "phase": Bands("r", [1 - EDGE_WIDTH, 1 + EDGE_WIDTH], ["freeze", "the edge", "chaos"]),
            "edge": lambda point: _edge(sigma),
        },
        readout=(
            "{formula}, {form}, at β = {beta:.3f}: r = {r:.4f}, {phase}. {edge} Its mean holds "
            "{mean:.1%} of its power. The map meets the diagonal at Σ* = {meets:.3f}. At depth "
            "{depth:.0f} two inputs at a right angle share "
            "{right:.3f} of what each of them learns."
        ),
        alt=(
            "Four panels: the activation, its shares in the Hermite polynomials, the map that one "
            "layer applies to a covariance with the staircase of depth on it, and the scaled NTK "
            "against the angle between two inputs."
        ),
    )  # fmt: skip
