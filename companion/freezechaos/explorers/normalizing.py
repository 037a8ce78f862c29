"""The explorers of normalization: of the nonlinearity, and of the last layer over the batch."""

from collections.abc import Mapping, Sequence
from functools import cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array

from freezechaos import networks, spectra
from freezechaos.activations import standardized
from freezechaos.explorers.axes import Axis, Choice
from freezechaos.explorers.explorer import Explorer
from freezechaos.explorers.fully_connected import named_activation
from freezechaos.explorers.learning import TITLES, images
from freezechaos.explorers.readout import Bands
from freezechaos.explorers.views import Curves, Guide

SHARES = np.round(np.linspace(0, 1, 11), 1)
BETAS = np.round(np.linspace(0, 0.8, 9), 1)
DEPTHS = (2, 4, 8, 16, 32, 64)
DEGREES = np.linspace(0, 180, 37)  # every 5 degrees, the right angle in the middle
HALF = np.linspace(0, 1, 13)

SIZES = (4, 8, 16, 32)
LAYERS = (2, 4, 8, 16)
BIASES = (0.0, 0.3, 0.5, 0.7, 0.8)
WIDTH = 64
DRAWS = 3  # networks at every setting
PLACES = np.linspace(0, 1, 8)  # of the modes that are drawn, evenly in the logarithm of the rank
FLOOR = 1e-7  # eigenvalues over the batch size are drawn no lower


def bench(share: Array, beta: Array, depth: Array, activation: str) -> dict[str, Array]:
    """r and the scaled NTK at `DEGREES` of the activation less a share of its mean.

    Taking away the mean changes one coefficient of the dual map, and the scale: with
    c = mean^2 share (2 - share), R becomes (R - c) / (1 - c). So the share may be traced.
    """
    with jax.ensure_compile_time_eval():
        sigma = standardized(activation)
    lost = sigma.mean**2 * share * (2 - share)
    slope = (1 - beta**2) / (1 - lost)
    r = slope * sigma.derivative_second_moment

    def layer(_: Array, state: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        gap, theta, diagonal = state
        kept = 1 - sigma.derivative_dual_gap(gap) / sigma.derivative_second_moment
        gap, diagonal = slope * sigma.dual_gap(gap), 1 + r * diagonal
        weight = 1 / diagonal
        return gap, weight * (1 - gap) + (1 - weight) * kept * theta, diagonal

    gap = (1 - beta**2) * (1 - jnp.cos(jnp.deg2rad(DEGREES)))
    start = (gap, 1 - gap, jnp.ones_like(r))
    _, theta, _ = lax.fori_loop(1, depth, layer, start)
    standard = (1 - beta**2) * sigma.derivative_second_moment
    edge = _edge(standard, sigma.mean**2)
    shares = jnp.stack([edge * HALF, edge + (1 - edge) * HALF])
    return {
        "r": r,
        "theta": theta,
        "right": theta[len(DEGREES) // 2],
        "shares": shares,
        "values": standard / (1 - sigma.mean**2 * shares * (2 - shares)),
    }


def _edge(standard: Array, share: float) -> Array:
    """The s in [0, 1] nearest to where r(s) = 1, for the r(0) of the standardized activation.

    `share` is that of the mean in the second moment, a_0^2.
    """
    if share < 1e-12:
        return jnp.where(standard < 1, 1.0, 0.0)
    return 1 - jnp.sqrt(jnp.clip(1 - (1 - standard) / share, 0, 1))


def layer_norm_bench(
    activations: Sequence[str] = ("relu", "gelu", "softplus", "erf"),
    start: Mapping[str, Any] | None = None,
) -> Explorer:
    """From the standardized to the normalized activation, which layer norm makes of it.

    Arguments:
        activations: names such as "relu", two or more.
        start: what to begin with, such as `{"activation": "gelu", "share": 1}`.
    """
    return Explorer(
        title="From freeze to chaos on one slider",
        slug="slider",
        axes=[
            Axis("share", "share s of the mean taken away", values=SHARES, step=True, format=".1f"),
            Axis("beta", "bias share β", values=BETAS, start=0.5, step=True, format=".1f"),
            Axis("depth", "depth L", values=DEPTHS, start=32, step=True),
            Choice("activation", "activation", options=activations),
        ],
        start=start,
        compute=bench,
        view=[
            Curves(
                x="shares",
                y="values",
                x_label="share s of the mean taken away",
                y_label="characteristic value r",
                colors=("freeze", "chaos"),
                x_range=(0, 1),
                y_range=(0, 1.6),
                x_ticks=[0, 0.25, 0.5, 0.75, 1],
                guides=[Guide(y=1, label="edge"), Guide(x="share")],
                title="Which side are you on?",
            ),
            Curves(
                x=DEGREES,
                y="theta",
                x_label="angle between the inputs (degrees)",
                y_label="scaled NTK ϑ",
                colors=("violet",),
                y_range=(-1.05, 1.05),
                x_ticks=[0, 45, 90, 135, 180],
                guides=[Guide(y=0)],
                title="What depth makes of it",
            ),
        ],
        numbers=["r", "right"],
        words={"regime": Bands("r", [1 - 1e-4, 1 + 1e-4], ["freeze", "the edge", "chaos"])},
        readout=(
            "{activation} less {share:.0%} of its mean, β = {beta:.1f}: r = {r:.3f}, {regime}. "
            "At depth {depth:.0f} two inputs at a right angle share {right:.3f} of what each of "
            "them learns."
        ),
        alt=(
            "Left, the characteristic value against the share of the mean taken away: a rising "
            "curve, blue below 1, which is freeze, and orange above, which is chaos. Right, the "
            "scaled NTK against the angle."
        ),
    )


@partial(jax.jit, static_argnames="batch_norm")
def batch_kernel(key: Array, x: Array, beta: Array, depth: Array, *, batch_norm: bool) -> Array:
    """The tangent kernel between all of a batch [n, d], of one erf network of `WIDTH`.

    As `empirical.ntk`, but depth and beta may be traced: all of `LAYERS` and `BIASES` are one
    program. Layers beyond the depth hand on what they get.
    """
    sigma, share, count = named_activation("erf"), 1 - beta**2, max(LAYERS) - 1
    keys = jax.random.split(key, 4)
    first = jax.random.normal(keys[0], (x.shape[1], WIDTH))
    others = jax.random.normal(keys[1], (count - 1, WIDTH, WIDTH))
    biases = beta * jax.random.normal(keys[2], (count, 1, WIDTH))
    last = jax.random.normal(keys[3], (WIDTH,))

    def outputs(nudges: Array) -> tuple[Array, tuple[Array, Array]]:
        def layer(pre: Array, at: tuple[Array, ...]) -> tuple[Array, Array]:
            number, weights, shift = at
            entering = sigma(pre)
            after = jnp.sqrt(share / WIDTH) * entering @ weights + shift
            return jnp.where(number < depth - 1, after, pre), entering

        shifts = biases + nudges
        pre = jnp.sqrt(share / x.shape[1]) * x @ first + shifts[0]
        pre, entering = lax.scan(layer, pre, (jnp.arange(1, count), others, shifts[1:]))
        value = networks.standardize(sigma(pre), 0) if batch_norm else sigma(pre)
        return jnp.sqrt(share / WIDTH) * value @ last, (entering, value)

    start = jnp.zeros((count, len(x), WIDTH))
    _, backward, (entering, value) = jax.vjp(outputs, start, has_aux=True)
    hidden = jnp.einsum("lpk,lqk->lpq", entering, entering) / WIDTH
    forward = share * jnp.concatenate([(x @ x.T / x.shape[1])[None], hidden]) + beta**2
    top = share * value @ value.T / WIDTH + beta**2
    if not batch_norm:  # an output depends on its own input only
        (delta,) = backward(jnp.ones(len(x)))
        return top + jnp.sum(forward * jnp.einsum("lpk,lqk->lpq", delta, delta), axis=0)
    (deltas,) = jax.vmap(backward)(jnp.eye(len(x)))
    through = jnp.einsum("ilpk,lpq->ilqk", deltas, forward)
    return top + jnp.einsum("ilqk,jlqk->ij", through, deltas)


@cache
def spectra_over_depth(samples: int, beta: float) -> tuple[np.ndarray, np.ndarray]:
    """Eigenvalues over n [norms, depths, n], the largest first, and 1^T K 1 / n^2 [norms, depths].

    Means over `DRAWS` networks, without batch norm and with it, on the first images.
    """
    pixels = images()[1].images[:samples].reshape(samples, -1)
    x, keys = networks.on_sphere(pixels), jax.random.split(jax.random.key(0), DRAWS)
    values, means = [], []
    for batch_norm in (False, True):
        for depth in LAYERS:
            grams = np.array(
                [batch_kernel(key, x, beta, depth, batch_norm=batch_norm) for key in keys],
                np.float64,
            )
            values.append(np.linalg.eigvalsh(grams).mean(axis=0)[::-1] / samples)
            means.append(grams.mean())
    shape = (2, len(LAYERS))
    return np.reshape(values, (*shape, samples)), np.reshape(means, shape)


def batch_spectrum(samples: int, depth: int, beta: float) -> dict[str, Any]:
    """What the explorer shows: a spectrum, and the share of the constant against depth."""
    values, means = spectra_over_depth(samples, beta)
    ranks = np.rint(samples**PLACES).astype(int)
    shares = np.clip(means / values.sum(axis=2), 0, 1)  # rounding, where beta is 0
    at = LAYERS.index(depth)
    chosen = values[:, at].clip(0)
    rank = [spectra.effective_rank(np.diag(row)) for row in chosen]
    numbers = {"mean": means[:, at].clip(0), "held": shares[:, at], "rank": rank}
    return {
        "modes": np.tile(ranks, (2, 1)),
        "values": np.maximum(chosen[:, ranks - 1], FLOOR),
        "cap": max(beta**2, FLOOR),
        "shares": shares,
        **{f"{name}{k}": value[k] for name, value in numbers.items() for k in (0, 1)},
    }


def batch_norm_spectra(start: Mapping[str, Any] | None = None) -> Explorer:
    """The kernel of a batch of images without batch norm and with it, in finite networks.

    Arguments:
        start: what to begin with, such as `{"beta": 0.5, "depth": 4, "samples": 32}`.
    """
    return Explorer(
        title=f"A batch of {TITLES[images()[0]]}, without batch norm and with it",
        slug="batch",
        axes=[
            Axis("depth", "depth L", values=LAYERS, start=2, static=True),
            Axis("beta", "bias share β", values=BIASES, start=0.7, static=True, format=".1f"),
            Axis("samples", "batch size N", values=SIZES, start=32, static=True),
        ],
        start=start,
        compute=batch_spectrum,
        vectorized=False,
        view=[
            Curves(
                x="modes",
                y="values",
                x_label="mode, by size",
                y_label="eigenvalue over N",
                series=("without", "with"),
                styles=("dots", "dots"),
                colors=("green", "violet"),
                x_scale="log",
                y_scale="log",
                x_range=(0.9, 36),
                x_ticks=[1, 2, 4, 8, 16, 32],
                guides=[Guide(y="cap", label="β²")],
                title="The spectrum",
            ),
            Curves(
                x=LAYERS,
                y="shares",
                x_label="depth L",
                y_label="share of the constant",
                series=("without", "with"),
                colors=("green", "violet"),
                x_scale="log",
                x_ticks=LAYERS,
                y_range=(-0.02, 1.02),
                guides=[Guide(x="depth")],
                title="What the constant takes",
            ),
        ],
        numbers=[*(f"{name}{k}" for name in ("mean", "held", "rank") for k in (0, 1)), "cap"],
        readout=(
            "erf, β = {beta:.1f}, depth {depth:.0f}, {samples:.0f} images: 1ᵀΘ1/N² = {mean0:.2f} "
            "without batch norm and {mean1:.2f} with it, which is {held0:.0%} and {held1:.0%} of "
            "the trace. The effective rank is {rank0:.1f} without and {rank1:.1f} with."
        ),
        alt=(
            "Left, the eigenvalues of the tangent kernel of a batch of images, over the batch "
            "size, by rank: without batch norm one mode towers over the others, with it they fall "
            "evenly. Right, the share of the constant mode in the trace against depth: rising "
            "towards 1 without batch norm, small with it."
        ),
    )
