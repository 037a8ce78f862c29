"""Activations known by their values alone, all of it pure JAX: what a page computes as one types.

`activations` asks a function wherever it likes, in NumPy. Here the function has been asked already,
at the points of `mesh`, and everything after that can be traced, compiled and mapped. What the
Hermite series of so few terms leaves out is what kinks do, and that is known: with f'' = j_i at
the kinks c_i, as Dirac deltas, and q_i more to the right of them, the coefficients

    a_k = E[f''(Z) h_{k-2}(Z)] / sqrt(k (k - 1))

of that part alone are S_k, and its dual map follows from Mehler's formula, since
R''(rho) = E[f''(u) f''(v)]. So R is the series of a_k^2 - S_k^2, which dies out early, and an
integral over the angle.
"""

from dataclasses import dataclass
from functools import partial
from math import pi, sqrt
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.scipy.special import erf
from jaxtyping import Array, Float

from .activations import CENTRE_LENGTH, clenshaw, power_series
from .numerics import safe_sqrt

RADIUS = 12.0
"""Beyond it the function is not asked: the standard normal density is 1e-32 there."""

NODES = 32
"""Points to a panel."""

TERMS = 2048
"""Of the Hermite series."""

_DEGREE = 48  # of the bends
_ANGLES = 48


class Mesh(NamedTuple):
    """Panels on which a function is smooth, and so is its mirror image.

    Attributes:
        left, width: of each panel; together they are symmetric around 0. A panel may be empty.
        kinks: places where the function may have a kink or a jump, any number beyond 12 for none.
        right_of: the panel that begins at each of them.
    """

    left: Float[Array, " panels"]
    width: Float[Array, " panels"]
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
    series: list[Array]
    derivative: list[Array]

    def bend(self, gap: Array) -> tuple[Array, Array]:
        x = safe_sqrt(gap)
        place = 2**1.5 * x - 1
        return x * clenshaw(self.series, place), x * clenshaw(self.derivative, place)


@dataclass(frozen=True)
class Sampled:
    """An activation for `kernels`, with numbers that may be traced."""

    mean: Array
    deviation: Array
    derivative_second_moment: Array
    centre: list[Array]
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
    jumps, kink, bent = _singular(ends, mesh)
    hermite = hermite_sums(measure * values, _places(mesh))

    def mean(left: Array, right: Array) -> Array:
        return jnp.sum(measure * left * right)

    mirror = partial(jnp.flip, axis=(0, 1))
    moment = mean(slopes, slopes)
    kinks = _Kinks(mesh.kinks, kink, bent)
    regular = hermite**2 - kinks.coefficients() ** 2
    bends = [_bends(regular, kinks, sign, moment) for sign in (1, -1)]
    return Seen(
        hermite=hermite,
        second_moment=mean(values, values),
        slope_moment=moment,
        opposite=mean(values, mirror(values)),
        opposite_slope=mean(slopes, mirror(slopes)),
        bends=jnp.stack(bends),
        jumps=jumps,
    )


def recentred(seen: Seen, share: Float[Array, ""]) -> Sampled:
    """The function less a share of its mean, scaled to second moment 1, as `activations` does."""
    shift = share * seen.hermite[0]
    lost = shift * (2 * seen.hermite[0] - shift)
    variance = seen.second_moment - lost
    square = seen.hermite[:CENTRE_LENGTH] ** 2 / variance
    first = (seen.hermite[0] - shift) ** 2 / variance
    (plus, plus_slope), (minus, minus_slope) = ([list(b) for b in bend] for bend in seen.bends)
    one = jnp.ones_like(variance)
    return Sampled(
        mean=shift,
        deviation=jnp.sqrt(variance),
        derivative_second_moment=seen.slope_moment / variance,
        centre=[first, *(square[k] for k in range(1, CENTRE_LENGTH))],
        plus=_End(one, -one, plus, plus_slope),
        minus=_End(
            (seen.opposite - lost) / variance,
            seen.opposite_slope / seen.slope_moment,
            minus, minus_slope,
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
    return mesh.left[:, None] + mesh.width[:, None] * (1 + jnp.asarray(nodes())) / 2


def _weights() -> Array:
    """Fejer's first rule."""
    degree = np.arange(0, NODES, 2)
    moments = np.where(degree == 0, 1, 2) / (1 - degree**2.0)
    return jnp.asarray(2 / NODES * moments @ np.cos(degree[:, None] * np.arccos(nodes())))


def _derivatives(values: Array, mesh: Mesh) -> tuple[Array, Array]:
    """f' at the nodes, and f, f', f'' at both ends of each panel, [panels, 2, 3]."""
    degree = jnp.arange(NODES, dtype=values.dtype)
    angle = pi - pi * (jnp.arange(NODES, dtype=values.dtype) + 0.5) / NODES
    turned = angle[:, None] * degree
    weight = jnp.where(degree == 0, 1, 2) / NODES
    series = (values @ jnp.cos(turned)) * weight  # in Chebyshev polynomials
    slopes = series @ (degree * jnp.sin(turned) / jnp.sin(angle)[:, None]).T
    odd = 1 - 2 * (degree % 2)
    right = jnp.stack([jnp.ones_like(degree), degree**2, degree**2 * (degree**2 - 1) / 3])
    left = right * odd * jnp.array([1.0, -1.0, 1.0], values.dtype)[:, None]
    per_width = jnp.where(mesh.width > 0, 2 / jnp.where(mesh.width > 0, mesh.width, 1), 0)
    scale = jnp.stack([jnp.ones_like(per_width), per_width, per_width**2], axis=1)
    ends = jnp.stack([series @ left.T * scale, series @ right.T * scale], axis=1)
    return slopes * per_width[:, None], ends


class _Kinks(NamedTuple):
    """Where f' jumps and f'' does: f'' = sum kink delta(x - place) + bent 1(x > place) + smooth."""

    places: Array
    kink: Array
    bent: Array

    def coefficients(self) -> Array:
        """S_k, k < TERMS."""
        density = _density(self.places)
        delta = hermite_sums(self.kink * density, self.places)
        step = hermite_sums(self.bent * density, self.places)
        k = jnp.arange(2, TERMS, dtype=delta.dtype)
        first = jnp.sum(self.bent * _share(-self.places))[None]
        step = jnp.concatenate([first, step[: TERMS - 3] / jnp.sqrt(k[:-1] - 1)])
        tail = (delta[: TERMS - 2] + step) / jnp.sqrt(k * (k - 1))
        return jnp.concatenate([jnp.zeros(2, tail.dtype), tail])

    def curvature(self, angle: Array, sign: int) -> tuple[Array, Array]:
        """Of sum S_k^2 (sign rho)^k, rho = cos(angle): the integrals over the angles from 0 of

            W(t) dt   and   W(t) (cos t - cos angle) dt,   W = R''(cos t) sin t.
        """
        a, b = self.places[:, None], self.places
        pairs = {
            "kinks": self.kink[:, None] * self.kink,
            "mixed": 2 * self.kink[:, None] * _density(a) * self.bent,
            "bents": self.bent[:, None] * self.bent,
        }
        above = jnp.maximum(_share(-b) - _share(a), 0) if sign < 0 else _share(-jnp.maximum(a, b))
        whole = jnp.sum(pairs["bents"] * above)
        fall = 1 - jnp.cos(angle)

        def add(sums: tuple[Array, Array], node: Array) -> tuple[tuple[Array, Array], None]:
            place, weight = node
            t, dt = angle * place, angle * weight
            cosine, sine = jnp.cos(t), jnp.sin(t)
            rest = 2 * jnp.sin((angle - t) / 2) * jnp.sin((angle + t) / 2)
            c, s = cosine[:, None, None], sine[:, None, None]
            meet = jnp.exp(-((a - sign * b) ** 2) / (2 * s**2) - sign * a * b / (1 + c)) / (2 * pi)
            pass_ = _share((sign * c * a - b) / s)
            kinks, bents = (jnp.sum(pairs[n] * meet, axis=(1, 2)) for n in ("kinks", "bents"))
            steep = kinks + jnp.sum(pairs["mixed"] * pass_, axis=(1, 2)) * sine
            by_slope = steep - sign * bents * rest
            by_value = steep * rest - sign * bents * rest**2 / 2
            return (sums[0] + dt * by_slope, sums[1] + dt * by_value), None

        x, w = np.polynomial.legendre.leggauss(_ANGLES)
        start = whole * fall, whole * fall**2 / 2
        return lax.scan(add, start, (jnp.asarray((1 + x) / 2), jnp.asarray(w / 2)))[0]


def _singular(ends: Array, mesh: Mesh) -> tuple[Array, Array, Array]:
    """What f, f' and f'' jump by at each kink; 0 where that is no more than rounding."""
    panel = jnp.arange(len(mesh.left), dtype=ends.dtype)
    right = (mesh.right_of[:, None] == panel).astype(ends.dtype)
    left = (mesh.right_of[:, None] == panel + 1).astype(ends.dtype)
    size = jnp.max(jnp.abs(ends[:, :, 0]) * _density(mesh.left)[:, None]) + 1e-300
    width = jnp.minimum(right @ mesh.width, left @ mesh.width)
    found = []
    for order, rounding in enumerate((1e-10, 1e-10, 1e-7)):
        jump = right @ ends[:, 0, order] - left @ ends[:, 1, order]
        least = rounding * size / jnp.where(width > 0, width, 1) ** order
        found.append(jnp.where(jnp.abs(jump) > least, jump, 0))
    return found[0], found[1], found[2]


def _bends(regular: Array, kinks: _Kinks, sign: int, moment: Array) -> Array:
    """The Chebyshev series of bend(gap) / x and of its derivative, x the root of the gap."""
    way = pi * (jnp.arange(_DEGREE, dtype=moment.dtype) + 0.5) / _DEGREE
    x = sqrt(0.5) * (1 + jnp.cos(way)) / 2
    gap = x**2
    tails, falls = _tail_series(regular, sign, 1 - gap)
    by_slope, by_value = kinks.curvature(2 * jnp.arcsin(x / sqrt(2)), sign)
    bend, slope = gap * tails + by_value / gap, 2 * gap * tails - gap**2 * falls + by_slope
    found = jnp.stack([bend, slope]) / (moment * x)
    degree = jnp.arange(_DEGREE, dtype=moment.dtype)
    weight = jnp.where(degree == 0, 1, 2) / _DEGREE
    return found @ jnp.cos(way[:, None] * degree) * weight


def _tail_series(series: Array, sign: int, rho: Array) -> tuple[Array, Array]:
    """sum u_j rho^j and its derivative, u_j the tail sums of the tail sums of sign^k c_k."""
    alternating = sign ** np.arange(TERMS)

    def step(carry: tuple[Array, ...], coefficient: Array) -> tuple[tuple[Array, ...], None]:
        tail, second, value, slope = carry
        slope = slope * rho + value
        value = value * rho + second
        return (tail + coefficient, second + tail, value, slope), None

    zero, none = jnp.zeros_like(rho), jnp.zeros_like(series[0])
    start = none, none, zero, zero
    carry, _ = lax.scan(step, start, series * jnp.asarray(alternating, series.dtype), reverse=True)
    return carry[2], carry[3]


def _density(z: Array) -> Array:
    return jnp.exp(-z * z / 2) / sqrt(2 * pi)


def _share(z: Array) -> Array:
    """P(Z < z)."""
    return (1 + erf(z / sqrt(2))) / 2
