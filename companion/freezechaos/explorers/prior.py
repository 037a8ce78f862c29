"""The explorer of networks at birth: the functions they are, and what width makes of them."""

from collections.abc import Mapping, Sequence
from functools import lru_cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, PRNGKeyArray

from freezechaos import kernels, networks
from freezechaos.explorers.axes import Axis, Choice
from freezechaos.explorers.explorer import Explorer
from freezechaos.explorers.fully_connected import named_activation
from freezechaos.explorers.views import Curves

WIDTHS = (4, 16, 64, 256, 1024)
DEPTHS = (2, 4, 8, 16)
BETAS = (0.0, 0.1, 0.3, 0.5, 0.7, 0.9)
ROUND = np.arange(0, 361, 5)  # degrees, all the way round
APART = np.arange(0, 181, 10)  # degrees between two inputs, the right angle in the middle
CAP = 4  # of the covariances that are drawn: beyond is outside the frame, and would cost digits
HUES = ("green", "pink", "ochre", "violet")  # one a network


@partial(jax.jit, static_argnames=("width", "activations"))
def draw(key: PRNGKeyArray, width: int, activations: tuple[str, ...]) -> tuple[Array, Array]:
    """One network of each depth 2, 3, ..., 16, and for each activation and each of `BETAS`.

    All have the same weights: a deeper one has the hidden layers of the others and more. So
    what changes between two settings is due to the setting.

    Returns:
        The outputs at `ROUND`, `[depths, activations, betas, points]`, and in the same form
        at `APART` the covariance (1 - beta^2) <sigma(h(0)), sigma(h(angle))> / width + beta^2 that
        the output has given the hidden layers.
    """
    sigmas = [named_activation(name) for name in activations]
    beta = jnp.asarray(BETAS)[None, :, None, None]
    share = 1 - beta**2

    def affine(entering: Array, key: PRNGKeyArray) -> Array:
        """One affine map to `width` neurons and, in the last column, one to the output."""
        weights = jax.random.normal(key, (entering.shape[-1] + 1, width + 1))
        scaled = jnp.sqrt(share / entering.shape[-1]) * entering
        return scaled @ weights[:-1] + beta * weights[-1][None, None, None]

    def layer(pre: Array, key: PRNGKeyArray) -> tuple[Array, tuple[Array, Array]]:
        entering = jnp.stack([sigma(pre[k]) for k, sigma in enumerate(sigmas)])
        product = entering[..., :1, :] * entering[..., APART // 5, :]
        after = affine(entering, key)
        covariance = share[..., 0] * jnp.mean(product, axis=-1) + beta[..., 0] ** 2
        return after[..., :-1], (after[..., -1], covariance)

    first, *others = jax.random.split(key, max(DEPTHS))
    x = networks.circle(jnp.deg2rad(ROUND))
    pre = affine(jnp.broadcast_to(x, (len(sigmas), 1, *x.shape)), first)
    return lax.scan(layer, pre[..., :-1], jnp.stack(others))[1]


@lru_cache(maxsize=16)
def drawn(width: int, activations: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray]:
    """What `draw` returns for each network, `[networks, depths, ...]`."""
    keys = jax.random.split(jax.random.key(1), len(HUES))
    outputs, covariances = zip(*(draw(key, width, activations) for key in keys), strict=True)
    return np.stack(outputs), np.stack(covariances)


@lru_cache(maxsize=16)
def limits(activation: str) -> dict[int, np.ndarray]:
    """The covariance of the output at infinite width by depth, `[betas, angles]`."""
    sigma, cosine = named_activation(activation), jnp.cos(jnp.deg2rad(APART))
    return {
        depth: np.stack([kernels.nngp(sigma, beta, depth, cosine) for beta in BETAS])
        for depth in DEPTHS
    }


def birth(
    width: int, depth: int, beta: float, activation: str, activations: tuple[str, ...]
) -> dict[str, Any]:
    """Functions at `ROUND`, covariances at `APART`, and of these the ends of the range at 0."""
    outputs, covariances = drawn(width, activations)
    place = (slice(None), depth - 2, activations.index(activation), BETAS.index(beta))
    limit = limits(activation)[depth][BETAS.index(beta)]
    variances = covariances[place][:, 0]
    return {
        "functions": outputs[place],
        "covariance": np.vstack([covariances[place].clip(-CAP, CAP), limit]),
        "low": variances.min(),
        "high": variances.max(),
        "right": limit[len(APART) // 2],
    }


def random_functions(
    activations: Sequence[str] = ("relu", "normalized relu", "erf"),
    start: Mapping[str, Any] | None = None,
) -> Explorer:
    """Four random networks on the circle, and the covariance that their hidden layers leave.

    Arguments:
        activations: names such as "relu" (standardized) or "normalized relu", two or more.
        start: what to begin with, such as `{"width": 4, "activation": "erf"}`.
    """
    return Explorer(
        title="Networks at birth",
        slug="birth",
        axes=[
            Axis("width", "width n", values=WIDTHS, start=4, step=True, format=".0f"),
            Axis("depth", "depth L", values=DEPTHS, start=2, step=True, format=".0f"),
            Axis("beta", "bias share β", values=BETAS, start=0.1, step=True, format=".1f"),
            Choice("activation", "activation", options=activations),
        ],
        start=start,
        compute=partial(birth, activations=tuple(activations)),
        vectorized=False,
        view=[
            Curves(
                x=ROUND,
                y="functions",
                x_label="place of the input on the circle (degrees)",
                y_label="output f",
                colors=HUES,
                y_range=(-3.5, 3.5),
                x_ticks=[0, 90, 180, 270, 360],
                title="Four random networks",
            ),
            Curves(
                x=APART,
                y="covariance",
                x_label="angle to the input at 0 (degrees)",
                y_label="covariance of the two outputs",
                series=("1", "2", "3", "4", "∞"),
                colors=(*HUES, "ink"),
                styles=("line",) * len(HUES) + ("dashed",),
                y_range=(-1, 2),
                x_ticks=[0, 45, 90, 135, 180],
                title="Covariance, given the hidden layers",
            ),
        ],
        numbers=["low", "high", "right"],
        readout=(
            "{activation}, width {width:.0f}, depth {depth:.0f}, β = {beta:.1f}: given its hidden "
            "layers, the output at 0 degrees has a variance between {low:.2f} and {high:.2f} in "
            "these four networks. At infinite width it is 1, and the covariance at a right angle "
            "is {right:.2f}."
        ),
        alt=(
            "Left, the outputs of four random networks around the circle. Right, the covariance "
            "of the output at angle 0 with that at other angles, given the hidden layers of each "
            "of the four, beside the dashed curve of infinite width."
        ),
    )
