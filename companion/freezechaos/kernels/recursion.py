"""NNGP and scaled NTK of fully connected networks of infinite width, exact at any depth.

The network is the one of [JGGH] in the beta-parametrization: L affine maps, inputs on the
sphere |x|^2 = n_0, weights scaled by sqrt(1 - beta^2), biases by beta. For two inputs at
cosine rho, with R the dual map of the activation and r = (1 - beta^2) R'(1),

    Sigma_1 = (1 - beta^2) rho + beta^2,     Sigma_{l+1} = (1 - beta^2) R(Sigma_l) + beta^2,
    Theta_1 = Sigma_1,     Theta_{l+1} = Sigma_{l+1} + (1 - beta^2) R'(Sigma_l) Theta_l,

and theta = Theta(x, y) / Theta(x, x) is the scaled NTK. Iterated as written this loses all its
digits with depth, so what is carried instead is

- the distance of Sigma to whichever of -1, 0, 1 is nearest, advanced by its increment, so that
  a fixed point is exact and an error never exceeds the rounding of an increment;
- theta itself, a nearly convex combination: theta <- w Sigma + (1 - w) (R'(Sigma) / R'(1)) theta
  with w = 1 / Theta_{l+1}(x, x), whose logarithm alone is needed when it is large.

Both sums are compensated (Kahan): over 1024 layers float32 keeps six digits.
"""

from functools import partial
from math import exp, inf, log, log1p
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from .. import checks, scalars
from ..activations import Activation, DualMap
from ..numerics import aligned
from ..types import Integer, Integers, Number, Numbers

_LEAST = 1e-280  # above it float64 has all its digits


def nngp(
    activation: Activation, beta: Numbers, depth: Integer, cosine: Numbers
) -> Float[Array, "..."]:
    """Covariance Sigma^(L) of the network's outputs at initialization.

    Arguments:
        activation: a standardized or normalized activation.
        beta: share of the bias, in [0, 1); may be traced.
        depth: number L of affine maps, 1 or more; may be traced.
        cosine: x.y / (|x| |y|), in [-1, 1], float32 or float64.

    Raises:
        ValueError, TypeError: an argument outside its range.

    Source: [JGGH, NTK recursion].
    """
    depth, beta, cosine = _checked(activation, beta, depth, cosine)
    return from_gap(activation, beta, depth, cosine, 1 - jnp.abs(cosine))[0]


def ntk(
    activation: Activation, beta: Numbers, depth: Integer, cosine: Numbers
) -> Float[Array, "..."]:
    """Scaled NTK theta^(L) = Theta(x, y) / Theta(x, x), 1 where x = y.

    Arguments:
        activation: a standardized or normalized activation.
        beta: share of the bias, in [0, 1); may be traced.
        depth: number L of affine maps, 1 or more; may be traced.
        cosine: x.y / (|x| |y|), in [-1, 1], float32 or float64.

    Raises:
        ValueError, TypeError: an argument outside its range.

    Where a kink makes the slope in the cosine infinite, at cosine 1, its derivative is given
    as if the kink were absent.

    Source: [JGGH, NTK recursion].

    >>> from freezechaos import activations
    >>> import jax.numpy as jnp
    >>> theta = ntk(activations.standardized("relu"), 0.0, 1024, jnp.array([0.2, 1.0]))
    >>> [round(float(value), 4) for value in theta]
    [0.2534, 1.0]
    """
    depth, beta, cosine = _checked(activation, beta, depth, cosine)
    return from_gap(activation, beta, depth, cosine, 1 - jnp.abs(cosine))[1]


def ntk_gap(
    activation: Activation, beta: Numbers, depth: Integer, cosine: Numbers
) -> Float[Array, "..."]:
    """1 - theta^(L), to full relative accuracy where it is small: in freeze it falls like r^L.

    Arguments and errors as for `ntk`.
    """
    depth, beta, cosine = _checked(activation, beta, depth, cosine)
    return from_gap(activation, beta, depth, cosine, 1 - jnp.abs(cosine))[2]


def log_ntk_diagonal(activation: Activation, beta: Numbers, depth: Integers) -> Float[Array, "..."]:
    """log Theta^(L)(x, x) = log (1 + r + ... + r^(L-1)), which does not overflow.

    Arguments:
        activation: a standardized or normalized activation.
        beta: share of the bias, in [0, 1), broadcast against depth.
        depth: number L of affine maps, 1 or more.

    Source: [JGGH]; on the diagonal Sigma = 1 in every layer.
    """
    checks.activation(activation)
    beta = checks.beta(beta)
    beta, length = aligned(beta, jnp.asarray(checks.depths(depth), beta.dtype))
    excess, _ = _characteristic(activation, beta)
    log_r = jnp.log1p(excess)
    size = jnp.abs(log_r)
    small = length * size < 1e-4
    safe = jnp.where(small, 1, size)
    ratio = jnp.log(jnp.expm1(-length * safe) / jnp.expm1(-safe))
    series = jnp.log(length) - (length - 1) * size / 2 + (length**2 - 1) * size**2 / 24
    return jnp.where(small, series, ratio) + (length - 1) * jnp.where(log_r > 0, log_r, 0)


def log_abs_ntk(activation: Activation, beta: Number, depth: Integer, cosine: Number) -> float:
    """log |theta^(L)| of one pair of inputs, also where theta is too small for a float.

    Beyond the depth at which float64 ends, Theta(x, y) has settled, or falls like L q^L with
    q = (1 - beta^2) R'(0) where the covariance dies out; the rest is `log_ntk_diagonal`.

    Arguments:
        activation: a standardized or normalized activation.
        beta: share of the bias, in [0, 1).
        depth: number L of affine maps, 1 or more.
        cosine: in [-1, 1]; one number.

    Raises:
        ValueError, TypeError: an argument outside its range.

    >>> from freezechaos import activations
    >>> round(log_abs_ntk(activations.normalized("relu"), 0.1, 10_000, 0.0), 1)
    -3734.0
    """
    checks.activation(activation)
    beta = checks.one_beta(beta)
    depth = scalars.integer("depth", depth, 1, "It counts the affine maps; try 16.")
    with jax.enable_x64(True):

        def size(depth: int) -> float:
            return abs(float(ntk(activation, beta, depth, jnp.float64(cosine))))

        low, high = 1, depth + 1
        while high - low > 1:  # the last depth at which float64 will do
            middle = (low + high) // 2
            low, high = (middle, high) if size(middle) > _LEAST else (low, middle)
        if size(low) == 0:
            return -inf
        diagonals = log_ntk_diagonal(activation, beta, jnp.array([low, depth]))
        log_size = log(size(low)) + float(diagonals[0] - diagonals[1])
        if low == depth or beta > 0 or not activation.is_centred:
            return log_size
        sigma = float(nngp(activation, beta, low, jnp.float64(cosine)))
        # Theta / Sigma grows by 1 a layer once R is linear
        ratio = exp(log(size(low)) + float(diagonals[0]) - log(abs(sigma)))
        fall = log(float(activation.centre[1]) * (1 - beta) * (1 + beta))
        return log_size + log1p((depth - low) / ratio) + (depth - low) * fall


class _State(NamedTuple):
    """Sigma as (rho, gap = 1 - |rho|), of which the smaller in size is exact, and theta.

    The carries are what the last compensated additions left over.
    """

    rho: Array
    gap: Array
    sigma_carry: Array
    theta: Array
    theta_carry: Array
    theta_gap: Array
    weight: Array
    weight_carry: Array


def _checked(
    activation: Activation, beta: Numbers, depth: Integer, cosine: Numbers
) -> tuple[Integer, Array, Array]:
    checks.activation(activation)
    cosine = checks.cosine(cosine)
    beta, cosine = aligned(checks.beta(beta, cosine.dtype), cosine)
    return checks.depth(depth), beta, cosine


def from_gap(
    activation: Activation, beta: Array, depth: Integer, cosine: ArrayLike, gap: ArrayLike
) -> tuple[Array, Array, Array]:
    """Sigma, theta and 1 - theta after `depth` affine maps, from cosine and gap = 1 - |cosine|.

    The gap may be far below the rounding of the cosine. Arguments are not checked.

    Where a derivative lies beyond the largest float, that float is given for it.
    """
    return _at_depth(activation, beta, jnp.asarray(depth), cosine, gap)


@partial(jax.custom_jvp, nondiff_argnums=(0,))
@partial(jax.jit, static_argnames=("activation",))  # compiled once for all depths
def _at_depth(
    activation: Activation, beta: Array, depth: Array, cosine: Array, gap: Array
) -> tuple[Array, Array, Array]:
    return through_layers(activation, beta, depth, cosine, gap)


def through_layers(
    activation: DualMap, beta: Array, depth: Array, cosine: Array, gap: Array
) -> tuple[Array, Array, Array]:
    """What `from_gap` gives, by the loop itself, also for an activation that JAX is tracing."""
    state = lax.fori_loop(
        1,
        depth,
        lambda _, state: _next_layer(activation, beta, state),
        _first_layer(beta, cosine, gap),
    )
    return _sigma(state.rho, state.gap), state.theta, state.theta_gap


@_at_depth.defjvp
def _at_depth_jvp(activation: Activation, primals: tuple, tangents: tuple) -> tuple:
    """What JAX would make of the loop, but for products of r^l and r^-l, which are not formed.

    Everything later follows from Sigma_1 and beta; so the rule is linear in what they change by,
    and JAX transposes it for reverse mode, whatever the depth.
    """
    (beta, depth, cosine, gap), (by_beta, _, by_cosine, by_gap) = primals, tangents
    values, slopes = _with_slopes(activation, beta, depth, cosine, gap)
    _, start = jax.jvp(_first_sigma, (beta, cosine, gap), (by_beta, by_cosine, by_gap))
    changes = [by_first * start + by_rest * by_beta for by_first, by_rest in slopes]
    return values, tuple(jnp.broadcast_to(c, v.shape) for c, v in zip(changes, values, strict=True))


class _Slopes(NamedTuple):
    """Derivatives in one direction, after a layer.

    Attributes:
        sigma: of Sigma, no larger than floats go.
        scaled: of Sigma, times the weight 1 / Theta(x, x): what theta sees of it, never large.
        theta: of theta.
        weight: of the weight.
    """

    sigma: Array
    scaled: Array
    theta: Array
    weight: Array


@partial(jax.jit, static_argnames=("activation",))
def _with_slopes(
    activation: Activation, beta: Array, depth: Array, cosine: Array, gap: Array
) -> tuple[tuple[Array, ...], tuple[tuple[Array, Array], ...]]:
    """Sigma, theta, 1 - theta, and their derivatives: in Sigma_1, and in beta where that stays."""
    first = _first_layer(beta, cosine, gap)
    zero, one = jnp.zeros_like(first.rho), jnp.ones_like(first.rho)
    still = jnp.zeros_like(first.weight)
    by_first, by_beta = _Slopes(one, one, one, still), _Slopes(zero, zero, zero, still)

    def layer(_: Array, carried: tuple) -> tuple:
        state, by_first, by_beta = carried
        after = _next_layer(activation, beta, state)
        step = partial(_next_slopes, activation, beta, state, after)
        return after, step(by_first, explicit=False), step(by_beta, explicit=True)

    state, by_first, by_beta = lax.fori_loop(1, depth, layer, (first, by_first, by_beta))
    values = _sigma(state.rho, state.gap), state.theta, state.theta_gap
    slopes = [(one.sigma, one.theta, -one.theta) for one in (by_first, by_beta)]
    return values, tuple(zip(*slopes, strict=True))


def _next_slopes(
    activation: Activation, beta: Array, state: _State, after: _State, slopes: _Slopes,
    *, explicit: bool,
) -> _Slopes:  # fmt: skip
    """One layer on, with what beta does by itself if it is `explicit`."""
    moment, (_, r) = activation.derivative_second_moment, _characteristic(activation, beta)
    (ratio, loss), (bend, _) = jax.jvp(
        partial(_ratio, activation, beta), (state.rho, state.gap),
        (jnp.ones_like(state.rho), -jnp.sign(state.rho)),
    )  # fmt: skip
    keep = r / (state.weight + r)  # 1 - weight of the layer after
    sigma, scaled, weight = r * ratio * slopes.sigma, keep * ratio * slopes.scaled, slopes.weight
    if explicit:
        own = 2 * beta * _sigma_gap(after) / ((1 - beta) * (1 + beta))
        sigma, scaled = sigma + own, scaled + after.weight * own
        by_r = -2 * beta * moment
        weight = (r * slopes.weight - state.weight * by_r) / (state.weight + r) ** 2
    near = loss + ratio * state.theta_gap - _sigma_gap(after)
    far = _sigma(after.rho, after.gap) - ratio * state.theta
    theta = (
        scaled
        + weight * jnp.where(ratio > 0.5, near, far)  # the same, where nothing is lost
        + keep * (ratio * slopes.theta + _bounded(bend * slopes.sigma) * state.theta)
    )
    return _Slopes(_bounded(sigma), scaled, _bounded(theta), weight)


def _bounded(x: Array) -> Array:
    largest = jnp.finfo(x.dtype).max
    return jnp.clip(x, -largest, largest)


def _ratio(activation: Activation, beta: Array, rho: Array, gap: Array) -> tuple[Array, Array]:
    """R' / R'(1) and 1 - R' / R'(1)."""
    steps = _from_plus(activation, beta, gap), _from_minus(activation, beta, gap)[0]
    above, below, inside = (step[1:] for step in (*steps, _from_centre(activation, beta, rho)))
    ratio, loss = (
        jnp.where(rho > 0.5, p, jnp.where(rho < -0.5, m, c))
        for p, m, c in zip(above, below, inside, strict=True)
    )
    return ratio, loss


def _first_sigma(beta: Array, cosine: Array, gap: Array) -> Array:
    first = _first_layer(beta, cosine, gap)
    return _sigma(first.rho, first.gap)


def _first_layer(beta: Array, cosine: Array, gap: Array) -> _State:
    """Sigma_1 = Theta_1 = (1 - beta^2) cosine + beta^2."""
    scale = (1 - beta) * (1 + beta)
    above = scale * jnp.where(cosine > 0, gap, 1 - cosine)
    below = scale * jnp.where(cosine < 0, gap, 1 + cosine) + 2 * beta**2
    rho = scale * cosine + beta**2
    rho = jnp.where(rho > 0.5, 1 - above, jnp.where(rho < -0.5, below - 1, rho))
    zero = jnp.zeros_like(rho)
    return _State(
        rho=rho,
        gap=jnp.where(rho > 0, above, below),
        sigma_carry=zero,
        theta=rho,
        theta_carry=zero,
        theta_gap=above,
        weight=jnp.ones_like(beta),
        weight_carry=jnp.zeros_like(beta),
    )


def _sigma(rho: Array, gap: Array) -> Array:
    return jnp.where(jnp.abs(rho) > 0.5, jnp.sign(rho) * (1 - gap), rho)


def _sigma_gap(state: _State) -> Array:
    """1 - Sigma."""
    return jnp.where(state.rho > 0.5, state.gap, 1 - _sigma(state.rho, state.gap))


def _next_layer(activation: DualMap, beta: Array, state: _State) -> _State:
    excess, r = _characteristic(activation, beta)
    rho, gap, sigma_carry, ratio, loss = _next_sigma(activation, beta, state)
    fall = state.weight * (excess + state.weight) / (state.weight + r)
    weight, weight_carry = _compensated_sum(state.weight, -fall, state.weight_carry)
    sigma = _sigma(rho, gap)
    change = weight * sigma - (weight + (1 - weight) * loss) * state.theta
    summed, theta_carry = _compensated_sum(state.theta, change, state.theta_carry)
    direct = weight * sigma + (1 - weight) * ratio * state.theta
    limits = jnp.finfo(state.theta.dtype)
    # of a theta next to the smallest float the change would be rounded to 0, and theta would stay
    slow = (jnp.abs(ratio) > 0.5) & (jnp.abs(state.theta) > limits.tiny / limits.eps)
    sigma_gap = jnp.where(rho > 0.5, gap, 1 - sigma)
    return _State(
        rho,
        gap,
        sigma_carry,
        theta=jnp.where(slow, summed, direct),
        theta_carry=jnp.where(slow, theta_carry, 0),
        theta_gap=weight * sigma_gap + (1 - weight) * (loss + ratio * state.theta_gap),
        weight=weight,
        weight_carry=weight_carry,
    )


def _characteristic(activation: DualMap, beta: Array) -> tuple[Array, Array]:
    """r - 1 and r = (1 - beta^2) E[sigma'^2]; the first keeps its digits at the edge."""
    moment = activation.derivative_second_moment
    r = moment * (1 - beta) * (1 + beta)
    if not isinstance(moment, float) or moment <= 1:
        return (moment - 1) - moment * beta**2, r
    critical = float(np.sqrt(1 - 1 / moment))
    rounded = float(np.asarray(critical, beta.dtype))
    both = critical + beta  # the two parts of critical - beta must not meet before the end
    return moment * (rounded - beta) * both + moment * (critical - rounded) * both, r


def _next_sigma(activation: DualMap, beta: Array, state: _State) -> tuple[Array, ...]:
    """(rho, gap, carry) one layer on, and R'/R'(1) and 1 - R'/R'(1) at the layer left behind."""
    plus, minus, centre = state.rho > 0.5, state.rho < -0.5, jnp.abs(state.rho) <= 0.5
    from_plus = _from_plus(activation, beta, state.gap)
    from_minus, (rho_direct, above) = _from_minus(activation, beta, state.gap)
    from_centre = _from_centre(activation, beta, state.rho)
    increment, ratio, loss = (
        jnp.where(plus, p, jnp.where(minus, m, c))
        for p, m, c in zip(from_plus, from_minus, from_centre, strict=True)
    )
    old = jnp.where(centre, state.rho, state.gap)
    new, carry = _compensated_sum(old, increment, state.sigma_carry)

    crossing = minus & (above < 0.5)  # an even activation sends -1 to 1
    inward = minus & (new > 0.5) & ~crossing
    rho = jnp.where(centre, new, jnp.where(plus, 1 - new, new - 1))
    rho = jnp.where(crossing, 1 - above, jnp.where(inward, rho_direct, rho))
    gap = jnp.where(centre | inward, 1 - jnp.abs(rho), jnp.where(crossing, above, new))
    stays = (plus & (rho > 0.5)) | (minus & (rho < -0.5)) | (centre & (jnp.abs(rho) <= 0.5))
    return rho, gap, jnp.where(stays, carry, 0), ratio, loss


_Step = tuple[Array, Array, Array]  # an increment, R' / R'(1) and 1 - R' / R'(1)


def _from_plus(activation: DualMap, beta: Array, gap: Array) -> _Step:
    """Near 1: what one layer adds to the gap 1 - Sigma."""
    excess, r = _characteristic(activation, beta)
    gap = jnp.where(gap <= 0.5, gap, 0)  # other places' values are not looked at
    bend, loss = activation.plus.bend(gap)
    return gap * (excess - r * bend), 1 - loss, loss


def _from_minus(activation: DualMap, beta: Array, gap: Array) -> tuple[_Step, tuple[Array, Array]]:
    """Near -1: what one layer adds to the gap 1 + Sigma; and the next Sigma and 1 - Sigma."""
    excess, r = _characteristic(activation, beta)
    scale, end = (1 - beta) * (1 + beta), activation.minus
    gap = jnp.where(gap <= 0.5, gap, 0)
    bend, derivative_bend = end.bend(gap)
    growth = excess + r * ((end.slope - 1) + bend)
    increment = (2 * beta**2 + scale * (1 + end.value)) + gap * growth
    rise = gap * r * (end.slope + bend)
    step = increment, end.slope + derivative_bend, (1 - end.slope) - derivative_bend
    return step, (beta**2 + scale * end.value + rise, scale * (1 - end.value) - rise)


def _from_centre(activation: DualMap, beta: Array, rho: Array) -> _Step:
    """In between: what one layer adds to Sigma."""
    scale, moment = (1 - beta) * (1 + beta), activation.derivative_second_moment
    rho = jnp.where(jnp.abs(rho) <= 0.5, rho, 0)
    constant, linear = activation.affine_part
    series, derivative_series = activation.centre_series(rho)
    shrink = (1 - linear) + beta**2 * linear
    increment = (beta**2 + scale * constant) + scale * series - shrink * rho
    ratio = (linear + derivative_series) / moment
    return increment, ratio, (1 - linear / moment) - derivative_series / moment


def _compensated_sum(value: Array, increment: Array, carry: Array) -> tuple[Array, Array]:
    """value + increment, and what rounding dropped from it [Kahan]."""
    addend = increment + carry
    total = value + addend
    return total, addend - (total - value)
