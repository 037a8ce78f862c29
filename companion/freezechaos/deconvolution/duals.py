"""The dual maps at any variances: E[sigma(u) sigma(v)] where u and v need not be unit Gaussians.

What is carried beside the covariance is the squared distance Delta = E(u - v)^2, from which the
next one follows without a difference of nearly equal numbers.
"""

from functools import cache
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .. import expectations
from ..activations import Activation, safe_sqrt

_NODES, _TERMS, _BLOCK = 261, 128, 4096


def check_any_variance(activation: Activation) -> None:
    """Raise for an activation that `at_variances` is not exact for."""
    if not activation.homogeneous and activation.plus.power < 1:
        raise ValueError(
            f"`activation` must be smooth or a leaky_relu where variances differ from 1; got "
            f"{activation.name}, which has a kink. Take the graph-based parametrization, inputs "
            "on the sphere and no bilinear resize, or activations.leaky_relu."
        )


class Through(NamedTuple):
    """What an activation makes of a pair of Gaussians, arrays of one shape.

    Attributes:
        covariance: E[sigma(u) sigma(v)].
        distance: E(sigma(u) - sigma(v))^2.
        slope: E[sigma'(u) sigma'(v)] / E[sigma'(Z)^2].
    """

    covariance: Array
    distance: Array
    slope: Array


def at_one(activation: Activation, distance: Float[Array, "*shape"]) -> Through:
    """For unit Gaussians."""
    gap = distance / 2
    fall = activation.dual_gap(gap)
    slope_fall = activation.derivative_dual_gap(gap) / activation.derivative_second_moment
    return Through(activation.second_moment - fall, 2 * fall, 1 - slope_fall)


def at_variances(
    activation: Activation,
    left: Float[Array, " entries"],
    right: Float[Array, " entries"],
    distance: Float[Array, " entries"],
) -> Through:
    """For Gaussians of the variances `left` and `right`, all of which are 0 or more.

    Beyond a block of entries their number must be a multiple of it.
    """
    s, t = safe_sqrt(left), safe_sqrt(right)
    both = jnp.where(s * t > 0, 2 * s * t, 1)
    gap = jnp.clip((distance - (s - t) ** 2) / both, 0, 2)
    if activation.homogeneous:
        return _homogeneous(activation, s, t, gap)
    if len(gap) <= _BLOCK:
        return _smooth(activation, s, t, gap)
    blocks = jax.lax.map(
        lambda block: _smooth(activation, *block), tuple(x.reshape(-1, _BLOCK) for x in (s, t, gap))
    )
    return Through(*(part.ravel() for part in blocks))


def _homogeneous(activation: Activation, s: Array, t: Array, gap: Array) -> Through:
    """sigma(s x) - sigma(0) = s (sigma(x) - sigma(0)), so one dual map serves all variances."""
    offset = activation(jnp.zeros_like(s))
    slope = activation.mean - offset  # E[sigma(Z) - sigma(0)]
    moment = activation.second_moment - 2 * offset * activation.mean + offset**2
    fall = activation.dual_gap(gap)
    slope_fall = activation.derivative_dual_gap(gap) / activation.derivative_second_moment
    centred = s * t * (moment - fall)
    return Through(
        centred + offset * slope * (s + t) + offset**2,
        (s - t) ** 2 * moment + 2 * s * t * fall,
        1 - slope_fall,
    )


def _smooth(activation: Activation, s: Array, t: Array, gap: Array) -> Through:
    """sum_k a_k(s) a_k(t) rho^k with a_k(s) = E[sigma(s Z) h_k(Z)], and sums of differences."""
    one, other = _coefficients(activation, s), _coefficients(activation, t)
    log_rho = jnp.log1p(-jnp.minimum(gap, 0.5))
    rho = 1 - gap

    def add(k: Array, sums: tuple[Array, ...]) -> tuple[Array, ...]:
        covariance, distance, slope, power, previous = sums
        a, b = one[k], other[k]
        fall = jnp.where(gap <= 0.5, -jnp.expm1(k * log_rho), 1 - power)
        return (
            covariance + a * b * power,
            distance + (a - b) ** 2 + 2 * a * b * fall,
            slope + k * a * b * previous,
            power * rho,
            power,
        )

    zero, unit = jnp.zeros_like(gap), jnp.ones_like(gap)
    covariance, distance, slope, _, _ = jax.lax.fori_loop(
        0, _TERMS, add, (zero, zero, zero, unit, zero)
    )
    product = jnp.where(s * t > 0, s * t, 1)
    return Through(covariance, distance, slope / product / activation.derivative_second_moment)


def _coefficients(activation: Activation, s: Array) -> Float[Array, "terms entries"]:
    nodes, basis = _basis()
    values = activation(s[:, None] * jnp.asarray(nodes, s.dtype)[None])
    product = jnp.matmul(values, jnp.asarray(basis, s.dtype), precision=jax.lax.Precision.HIGHEST)
    return product.T


@cache
def _basis() -> tuple[np.ndarray, np.ndarray]:
    """Nodes [nodes], and weight times h_k [nodes, terms] there: sums over them are E[. h_k(Z)].

    The trapezoidal rule, which converges exponentially for a smooth function under a Gaussian.
    """
    nodes = np.linspace(-expectations.RADIUS, expectations.RADIUS, _NODES)
    root = np.exp(-(nodes**2) / 4)
    basis = np.empty((_TERMS, _NODES))
    basis[0], basis[1] = root, root * nodes
    for k in range(1, _TERMS - 1):
        basis[k + 1] = (nodes * basis[k] - np.sqrt(k) * basis[k - 1]) / np.sqrt(k + 1)
    return nodes, (basis * root).T / np.sum(root**2)
