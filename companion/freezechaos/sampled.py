"""Activations known by their values alone, all of it pure JAX: what a page computes as one types.

`activations` asks a function wherever it likes, in NumPy. Here the function has been asked already,
at the points of a `Mesh`, and everything after that can be traced, compiled and mapped. What a
Hermite series leaves out after so many terms is what kinks do, and that is known. Let f', f'' and
f''' jump by j, q and p at the kinks c. Then f'' = j delta(x - c) + q 1(x > c) + p max(x - c, 0)
and smoother, and by a_k = E[f''(Z) h_{k-2}(Z)] / sqrt(k (k - 1)) the share of the three in a_k^2,
up to p^2 and p q, is known for all k. Their share in the dual map follows from Mehler's formula,
since R''(rho) = E[f''(u) f''(v)], as an integral over the angle; the series of what remains
of a_k^2 dies out early.
"""

from dataclasses import dataclass
from functools import partial
from math import pi, sqrt
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.scipy.special import erf
from jaxtyping import Array, Float, Int

from .activations import CENTRE_LENGTH, DualMap, clenshaw, power_series
from .numerics import safe_sqrt

RADIUS = 12.0
"""Beyond it the function is not asked: the standard normal density is 1e-32 there."""

NODES = 32
"""Points to a panel."""

TERMS = 2048
"""Of the Hermite series."""

_DEGREE = 48  # of the bends
_ANGLES = 48
_Sums = tuple[Array, Array, Array, Array]


class Mesh(NamedTuple):
    """Panels on which a function is smooth, and so is its mirror image.

    Attributes:
        left, width: of each panel; together they are symmetric around 0. A panel may be empty.
        found: how many places are given at which the function may have a kink or a jump.
        kinks: these places; the rest is 0.
        right_of: the panel that begins at each of them; the rest is -1.
    """

    left: Float[Array, " panels"]
    width: Float[Array, " panels"]
    found: Int[Array, ""]
    kinks: Float[Array, " kinks"]
    right_of: Float[Array, " kinks"]


class Seen(NamedTuple):
    """What networks see of a function f: moments, Hermite coefficients, the ends of the dual map.

    Attributes:
        hermite: a_k.
        second_moment: E[f(Z)^2].
        slope_moment: E[f'(Z)^2], without what jumps contribute.
        opposite: E[f(Z) f(-Z)].
        opposite_slope: E[f'(Z) f'(-Z)].
        bends: of the dual map at 1 and -1 and of its derivative, Chebyshev series as in
            `activations.End`, in the root of the gap.
        jumps: of f at the kinks.
    """

    hermite: Float[Array, " terms"]
    second_moment: Float[Array, ""]
    slope_moment: Float[Array, ""]
    opposite: Float[Array, ""]
    opposite_slope: Float[Array, ""]
    bends: Float[Array, "2 2 degree"]
    jumps: Float[Array, " kinks"]


@dataclass(frozen=True)
class _End:
    """As `activations.End`, with numbers that may be traced."""

    value: Array
    slope: Array
    series: Array
    derivative: Array

    def bend(self, gap: Array) -> tuple[Array, Array]:
        x = safe_sqrt(gap)
        place = 2**1.5 * x - 1
        return x * clenshaw(self.series, place), x * clenshaw(self.derivative, place)


@dataclass(frozen=True)
class Sampled(DualMap):
    """An activation for `kernels`, with numbers that may be traced."""

    mean: Array
    deviation: Array
    second_moment: Array
    derivative_second_moment: Array
    centre: Array
    plus: _End
    minus: _End

    @property
    def affine_part(self) -> tuple[Array, Array]:
        return self.centre[0], self.centre[1]

    def centre_series(self, rho: Array) -> tuple[Array, Array]:
        return power_series(self.centre, rho)


def nodes() -> Float[np.ndarray, " nodes"]:
    """The points of a panel, in (-1, 1): Chebyshev's, the first on the left."""
    return -np.cos(pi * (np.arange(NODES) + 0.5) / NODES)


def seen(values: Float[Array, "panels nodes"], mesh: Mesh) -> Seen:
    """What networks see of a function with these values at the nodes of the mesh's panels."""

    measure = _density(_places(mesh)) * mesh.width[:, None] / 2 * _weights()[None]
    slopes, ends = _derivatives(values, mesh)
    jumps = _jumps(ends, mesh)
    hermite = hermite_sums(measure * values, _places(mesh))

    def mean(left: Array, right: Array) -> Array:
        return jnp.sum(measure * left * right)

    mirror = partial(jnp.flip, axis=(0, 1))
    moment = mean(slopes, slopes)
    kinks = _Kinks(mesh.found, mesh.kinks, *jumps[1:])
    regular = hermite**2 - kinks.shares()
    signs = jnp.array([1.0, -1.0], moment.dtype)
    return Seen(
        hermite=hermite,
        second_moment=mean(values, values),
        slope_moment=moment,
        opposite=mean(values, mirror(values)),
        opposite_slope=mean(slopes, mirror(slopes)),
        bends=lax.map(partial(_bends, regular, kinks, moment), signs),
        jumps=jumps[0],
    )


def recentred(seen: Seen, share: Float[Array, ""]) -> Sampled:
    """The function less a share of its mean, scaled to second moment 1, as `activations` does."""
    shift = share * seen.hermite[0]
    lost = shift * (2 * seen.hermite[0] - shift)
    variance = seen.second_moment - lost
    square = seen.hermite[:CENTRE_LENGTH] ** 2 / variance
    first = (seen.hermite[0] - shift) ** 2 / variance
    plus, minus = seen.bends
    one = jnp.ones_like(variance)
    return Sampled(
        mean=shift,
        deviation=jnp.sqrt(variance),
        second_moment=one,
        derivative_second_moment=seen.slope_moment / variance,
        centre=jnp.concatenate([first[None], square[1:]]),
        plus=_End(one, -one, *plus),
        minus=_End(
            (seen.opposite - lost) / variance,
            seen.opposite_slope / seen.slope_moment,
            *minus,
        ),
    )  # fmt: skip


def hermite_sums(
    measure: Float[Array, "*shape"], places: Float[Array, "*shape"]
) -> Float[Array, " terms"]:
    """The sums of measure h_k(places), k < TERMS, of the orthonormal Hermite polynomials."""

    def step(carry: tuple[Array, Array], k: Array) -> tuple[tuple[Array, Array], Array]:
        previous, current = carry
        following = (places * current - jnp.sqrt(k) * previous) / jnp.sqrt(k + 1)
        return (current, following), jnp.sum(current)

    start = jnp.zeros_like(measure), measure
    return lax.scan(step, start, jnp.arange(TERMS, dtype=measure.dtype))[1]


def _places(mesh: Mesh) -> Array:
    return mesh.left[:, None] + mesh.width[:, None] * ((1 + jnp.asarray(nodes())) / 2)[None]


def _weights() -> Array:
    """Fejer's first rule."""
    degree = np.arange(0, NODES, 2)
    moments = np.where(degree == 0, 1, 2) / (1 - degree**2.0)
    return jnp.asarray(2 / NODES * moments @ np.cos(degree[:, None] * np.arccos(nodes())))


def _derivatives(values: Array, mesh: Mesh) -> tuple[Array, Array]:
    """f' at the nodes, and f, f', f'', f''' at both ends of each panel, [panels, 2, 4]."""
    degree = jnp.arange(NODES, dtype=values.dtype)
    angle = pi - pi * (jnp.arange(NODES, dtype=values.dtype) + 0.5) / NODES
    turned = angle[:, None] * degree[None]
    weight = jnp.where(degree == 0, 1, 2) / NODES
    series = (values @ jnp.cos(turned)) * weight[None]  # in Chebyshev polynomials
    slopes = series @ (degree[None] * jnp.sin(turned) / jnp.sin(angle)[:, None]).T
    per_width = jnp.where(mesh.width > 0, 2 / jnp.where(mesh.width > 0, mesh.width, 1), 0)
    square, sign = degree**2, 1 - 2 * (degree % 2)
    rising, scaled = [jnp.ones_like(degree)], [jnp.ones_like(per_width)]
    for order in range(3):  # of the derivatives of T_k at 1
        rising.append(rising[-1] * (square - order**2) / (2 * order + 1))
        scaled.append(scaled[-1] * per_width)
    right = [series @ one * scale for one, scale in zip(rising, scaled, strict=True)]
    falling = [(-1) ** order * one * sign for order, one in enumerate(rising)]
    left = [series @ one * scale for one, scale in zip(falling, scaled, strict=True)]
    ends = jnp.stack([jnp.stack(left, axis=1), jnp.stack(right, axis=1)], axis=1)
    return slopes * per_width[:, None], ends


class _Kinks(NamedTuple):
    """By how much f', f'' and f''' jump, and where."""

    found: Array
    places: Array
    kink: Array
    bend: Array
    twist: Array

    def shares(self) -> Array:
        """What they are of a_k^2, k < TERMS."""
        density = _density(self.places)
        delta, step, ramp = (
            hermite_sums(size * density, self.places) for size in (self.kink, self.bend, self.twist)
        )
        k = jnp.arange(2, TERMS, dtype=delta.dtype)
        root, below = jnp.sqrt(k[:-1] - 1), _share(-self.places)
        first = jnp.sum(self.bend * below)
        second = jnp.sum(self.twist * (density - self.places * below))
        third = jnp.sum(self.twist * below)
        step = jnp.concatenate([first[None], step[: TERMS - 3] / root])
        ramp = ramp[: TERMS - 4] / (root[1:] * root[:-1])
        ramp = jnp.concatenate([jnp.stack([second, third]), ramp])
        delta = delta[: TERMS - 2]
        found = ((delta + step) ** 2 + 2 * delta * ramp) / (k * (k - 1))
        return jnp.concatenate([jnp.zeros(2, found.dtype), found])

    def curvature(self, angle: Array, sign: Array) -> tuple[Array, Array]:
        """Of what they are of R(sign cos t): the integrals from t = 0 to the angles of

        R'' sin t   and   R'' sin t (cos t - cos angle).
        """
        x, w = np.polynomial.legendre.leggauss(_ANGLES)
        t, dt = (angle[:, None] * jnp.asarray(part)[None] for part in ((1 + x) / 2, w / 2))
        rest = 2 * jnp.sin((angle[:, None] - t) / 2) * jnp.sin((angle[:, None] + t) / 2)
        sine, cosine, fall = jnp.sin(t), jnp.cos(t), 1 - jnp.cos(angle)

        def pair(i: Array, j: Array, sums: tuple[Array, Array]) -> tuple[Array, Array]:
            a, b = self.places[i], self.places[j]
            nearness = -((a - sign * b) ** 2) / (2 * sine**2) - sign * a * b / (1 + cosine)
            meet = jnp.exp(nearness) / (2 * pi)
            over = (sign * cosine * a - b) / sine
            passed = self.bend[j] * _share(over)
            raised = self.twist[j] * sine * (over * _share(over) + _density(over))
            source = 2 * self.kink[i] * _density(a)
            steep = self.kink[i] * self.kink[j] * meet + source * (passed + raised) * sine
            both = self.bend[i] * self.bend[j]
            opposite = jnp.maximum(_share(-b) - _share(a), 0)
            above = both * jnp.where(sign > 0, _share(-jnp.maximum(a, b)), opposite)
            by_slope = steep - sign * both * meet * rest
            by_value = steep * rest - sign * both * meet * rest**2 / 2
            return (
                sums[0] + above * fall + jnp.sum(dt * by_slope, axis=1),
                sums[1] + above * fall**2 / 2 + jnp.sum(dt * by_value, axis=1),
            )

        def row(i: Array, sums: tuple[Array, Array]) -> tuple[Array, Array]:
            return lax.fori_loop(0, self.found, partial(pair, i), sums)

        zero = jnp.zeros_like(angle)
        return lax.fori_loop(0, self.found, row, (zero, zero))


def _jumps(ends: Array, mesh: Mesh) -> list[Array]:
    """What f, f', f'' and f''' jump by at each kink; 0 where that is no more than rounding."""
    panel = jnp.arange(len(mesh.left), dtype=ends.dtype)
    right = (mesh.right_of[:, None] == panel[None]).astype(ends.dtype)
    left = (mesh.right_of[:, None] == panel[None] + 1).astype(ends.dtype)
    size = jnp.max(jnp.abs(ends[:, :, 0]) * _density(mesh.left)[:, None])
    width = jnp.minimum(right @ mesh.width, left @ mesh.width)
    found = []
    for order, rounding in enumerate((1e-10, 1e-10, 1e-8, 1e-6)):
        jump = right @ ends[:, 0, order] - left @ ends[:, 1, order]
        least = rounding * size / jnp.where(width > 0, width, 1) ** order
        found.append(jnp.where(jnp.abs(jump) > least, jump, 0))
    return found


def _bends(regular: Array, kinks: _Kinks, moment: Array, sign: Array) -> Array:
    """The Chebyshev series of bend(gap) / x and of its derivative, x the root of the gap."""
    way = pi * (jnp.arange(_DEGREE, dtype=moment.dtype) + 0.5) / _DEGREE
    x = sqrt(0.5) * (1 + jnp.cos(way)) / 2
    gap = x**2
    tails, falls = _tail_series(regular, sign, 1 - gap)
    by_slope, by_value = kinks.curvature(2 * jnp.arcsin(x / sqrt(2)), sign)
    bend, slope = gap * tails + by_value / gap, 2 * gap * tails - gap**2 * falls + by_slope
    found = jnp.stack([bend, slope]) / (moment * x)[None]
    degree = jnp.arange(_DEGREE, dtype=moment.dtype)
    weight = jnp.where(degree == 0, 1, 2) / _DEGREE
    return found @ jnp.cos(way[:, None] * degree[None]) * weight[None]


def _tail_series(series: Array, sign: Array, rho: Array) -> tuple[Array, Array]:
    """sum u_j rho^j and its derivative, u_j the tail sums of the tail sums of sign^k c_k."""
    k = jnp.arange(TERMS, dtype=series.dtype)
    signed = series * jnp.where((k % 2 == 1) & (sign < 0), -1, 1)

    def step(carry: _Sums, coefficient: Array) -> tuple[_Sums, None]:
        tail, second, value, slope = carry
        slope = slope * rho + value
        value = value * rho + second
        return (tail + coefficient, second + tail, value, slope), None

    zero, none = jnp.zeros_like(rho), jnp.zeros_like(series[0])
    start = none, none, zero, zero
    carry, _ = lax.scan(step, start, signed, reverse=True)
    return carry[2], carry[3]


def _density(z: Array) -> Array:
    return jnp.exp(-z * z / 2) / sqrt(2 * pi)


def _share(z: Array) -> Array:
    """P(Z < z)."""
    return (1 + erf(z / sqrt(2))) / 2
