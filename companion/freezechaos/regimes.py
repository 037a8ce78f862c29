"""Freeze, edge or chaos: one number decides what depth does to a network [JGGH].

The characteristic value r = (1 - beta^2) E[sigma'(Z)^2] is the factor by which one layer
stretches the gap between two close inputs. Below 1 the scaled NTK tends to a constant (freeze),
above 1 to a Kronecker delta (chaos).
"""

from collections.abc import Callable, Sequence
from enum import StrEnum

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Real

from . import checks
from .activations import Activation
from .types import Number, Numbers

EDGE_WIDTH = 1e-6
"""|r - 1| below this is the edge: float32 cannot tell the difference."""


class Regime(StrEnum):
    """What the scaled NTK does as depth grows."""

    FREEZE = "freeze"
    EDGE = "edge"
    CHAOS = "chaos"


def characteristic_value(activation: Activation, beta: Numbers) -> Float[Array, "..."]:
    """r = (1 - beta^2) E[sigma'(Z)^2].

    Arguments:
        activation: a standardized or normalized activation.
        beta: share of the bias, in [0, 1).

    Raises:
        ValueError, TypeError: an argument outside its range.

    >>> from freezechaos import activations
    >>> round(float(characteristic_value(activations.normalized("relu"), 0.1)), 4)
    1.4523
    """
    checks.activation(activation)
    beta = checks.beta(beta)
    return activation.derivative_second_moment * (1 - beta) * (1 + beta)


def critical_beta(activation: Activation) -> float:
    """The beta at which r = 1: sqrt(1 - 1 / E[sigma'^2]); NaN where every beta is frozen.

    >>> from freezechaos import activations
    >>> round(critical_beta(activations.normalized("relu")), 5)  # 1 / sqrt(pi)
    0.56419
    """
    checks.activation(activation)
    moment = activation.derivative_second_moment
    return float(np.sqrt(1 - 1 / moment)) if moment >= 1 else float("nan")


def regime(activation: Activation, beta: Number) -> Regime:
    """Freeze for r < 1, chaos for r > 1, the edge where |r - 1| < 1e-6.

    >>> from freezechaos import activations
    >>> regime(activations.standardized("relu"), 0.1)
    <Regime.FREEZE: 'freeze'>
    """
    excess = _excess(activation, beta)
    if abs(excess) < EDGE_WIDTH:
        return Regime.EDGE
    return Regime.FREEZE if excess < 0 else Regime.CHAOS


def depth_scale(activation: Activation, beta: Number) -> float:
    """Number of layers over which a small gap changes by a factor e: 1 / |log r|."""
    with np.errstate(divide="ignore"):
        return float(1 / np.abs(np.log1p(_excess(activation, beta))))


def fixed_point(activation: Activation, beta: Number) -> float:
    """The covariance Sigma that depth leads to between different inputs; 1 outside chaos.

    The solution of Sigma = (1 - beta^2) R(Sigma) + beta^2 in [0, 1), unique in chaos because R
    is a power series without negative terms; by bisection, to 1e-15.
    """
    if regime(activation, beta) is not Regime.CHAOS:
        return 1.0
    beta = float(beta)
    low, high = 0.0, 1.0  # bounds of the gap 1 - Sigma; near 0 the map stretches it
    with jax.enable_x64(True):
        for _ in range(52):
            middle = (low + high) / 2
            image = (1 - beta**2) * float(activation.dual_gap(jnp.float64(middle)))
            low, high = (middle, high) if image > middle else (low, middle)
    return 1 - (low + high) / 2


def crossing(layer: Callable[[Array], Array], r: Float[ArrayLike, ""]) -> Float[Array, ""]:
    """Where the map of one layer meets the diagonal below 1, in [0, 1); 1 where r <= 1.

    By bisection: below that place the map lies above the diagonal, and beyond it below. As
    `fixed_point`, to the digits of the floats, but what it is given may be traced.

    Arguments:
        layer: Sigma -> (1 - beta^2) R(Sigma) + beta^2.
        r: its slope at 1, which may be infinite.
    """
    r = jnp.asarray(r)

    def halved(_: Array, ends: tuple[Array, Array]) -> tuple[Array, Array]:
        low, high = ends
        middle = (low + high) / 2
        rises = layer(middle) > middle
        return jnp.where(rises, middle, low), jnp.where(rises, high, middle)

    ends = (jnp.zeros_like(r), jnp.ones_like(r))
    low, high = lax.fori_loop(0, 50 if r.dtype == jnp.float64 else 24, halved, ends)
    return jnp.where(r > 1, (low + high) / 2, 1)


def decay_rate(activation: Activation, beta: Number) -> float:
    """The factor by which each layer, far down, brings the scaled NTK closer to its limit.

    - freeze: 1 - theta falls like L r^L, so the rate is r; like r^(L/2) where sigma has a
      kink, so the rate is sqrt(r) [JGGH];
    - chaos: Theta(x, y) stays bounded while the diagonal grows like r^L, so the rate is 1 / r;
      where the fixed point is 0 it dies too, and theta falls like L q^L, q = R'(0) / R'(1);
    - edge: 1, the approach is not exponential.
    """
    kind = regime(activation, beta)
    r, beta = 1 + _excess(activation, beta), float(beta)
    if kind is Regime.EDGE:
        return 1.0
    if kind is Regime.FREEZE:
        return float(r ** _roughness(activation))
    if beta > 0 or not activation.is_centred:
        return 1 / r  # the covariance between different inputs does not die out
    return float(activation.centre[1]) / activation.derivative_second_moment


def limit(activation: Activation, beta: Number) -> float:
    """Limit of the scaled NTK between different inputs (not opposite ones) as depth grows.

    1 in freeze, 0 in chaos. On the edge the gap falls as delta <- delta (1 - c delta^p), with
    p = 1/2 for a kink and 1 otherwise, which leaves p / (2 p + 1): 1/4 for ReLU [JGGH], 1/3 for
    smooth activations. For an affine activation, which keeps angles, it is NaN.
    """
    kind = regime(activation, beta)
    if kind is not Regime.EDGE:
        return 1.0 if kind is Regime.FREEZE else 0.0
    if not activation.plus.coefficients.any():
        return float("nan")
    power = _roughness(activation)
    return power / (2 * power + 1)


def phase_diagram(
    activations: Sequence[Activation], beta: Real[ArrayLike, " betas"]
) -> Float[Array, "activations betas"]:
    """Characteristic values, a row an activation."""
    return jnp.stack([characteristic_value(activation, beta) for activation in activations])


def _excess(activation: Activation, beta: Number) -> float:
    """r - 1 in float64."""
    checks.activation(activation)
    beta = checks.one_beta(beta)
    moment = activation.derivative_second_moment
    return (moment - 1) - moment * beta**2


def _roughness(activation: Activation) -> float:
    """p in R(1 - gap) = 1 - M gap (1 - c gap^p): 1/2 where sigma has a kink, otherwise 1."""
    end = activation.plus
    at_zero = np.polynomial.chebyshev.chebval(-1.0, end.coefficients)
    return end.power if abs(at_zero) > 1e-8 else 1.0
