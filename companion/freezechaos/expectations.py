"""Gaussian expectations of a scalar function, to the rounding of float64.

Everything the theory needs of an activation is an expectation under one or two unit
Gaussians. Here they are computed on Gauss-Legendre panels that are split until the function is
a polynomial on each, so that kinks end up on panel borders, where they do no harm.
Runs once per activation, in NumPy; nothing here is traced by JAX.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import pi, sqrt

import jax
import jax.numpy as jnp
import numpy as np

from .numerics import hermite

RADIUS = 13.0  # the standard normal density is 1e-37 there
_START = np.linspace(-RADIUS, RADIUS, 28)
_NARROWEST = 2.0**-44
_BESIDE = 4 * _NARROWEST  # beside a border, and beyond the error of a kink's place
_SPREAD = np.array([-9, -6, -4.5, -3, -2, -1, 0, 1, 2, 3, 4.5, 6, 9.0])

Function = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Panels:
    """Panels on which a function and its mirror image are smooth.

    Attributes:
        borders: all panel borders, from -13 to 13.
        splits: the borders that are there because of the function: kinks and fine features.
        kinks: where the function, its mirror image or the derivative of one has a kink.
        own: the kinks of the function itself.
    """

    borders: np.ndarray
    splits: np.ndarray
    kinks: np.ndarray
    own: np.ndarray

    def mean(self, integrand: Function) -> float:
        """E[integrand(Z)] for Z ~ N(0, 1)."""
        z, weight = _gauss(self.borders, nodes=32)
        return float(np.sum(weight * _density(z) * integrand(z)))


def in_float64(function: Callable) -> tuple[Function, Function, Function]:
    """A JAX function and its first two derivatives, on NumPy arrays in float64.

    Double precision is switched on for these calls alone.
    """
    slope = jax.grad(lambda x: jnp.sum(function(x)))
    curvature = jax.grad(lambda x: jnp.sum(slope(x)))

    def on_arrays(f: Callable) -> Function:
        compiled = jax.jit(jax.vmap(f))

        def call(x: np.ndarray) -> np.ndarray:
            padded = np.zeros(2 ** (x.size - 1).bit_length())  # few sizes, so few compilations
            padded[: x.size] = x.ravel()
            with jax.enable_x64(True):
                return np.asarray(compiled(padded), np.float64)[: x.size].reshape(x.shape)

        return call

    return on_arrays(function), on_arrays(slope), on_arrays(curvature)


def panels(*functions: Function) -> Panels:
    """Panels for a function, given with its derivatives or by them alone.

    A step of the slope that is taken back at once hides from the slope's nodes; in the function
    itself it leaves a step behind.
    """
    borders, kinks = _split(functions, _START)
    found = np.concatenate([kinks, _jumps(functions, borders, kinks)])
    kinks = _rounded(_clustered(found))
    if len(kinks):  # split there, the panels that closed in on the kinks are no longer needed
        borders, _ = _split(functions, _merged(np.concatenate([_START, kinks])))
    splits = np.setdiff1d(borders, _START)
    mirrored = [_merged(np.concatenate([x, -x])) for x in (borders, splits, kinks)]
    borders, splits, both = mirrored
    return Panels(borders, splits, both, kinks)


def hermite_coefficients(function: Function, domain: Panels, count: int) -> np.ndarray:
    """a_k = E[function(Z) h_k(Z)] in the orthonormal Hermite polynomials, k = 0 .. count-1."""
    z, weight = _gauss(domain.borders, nodes=32)
    measure = weight * _density(z) * function(z)
    return np.array([measure @ values for values in hermite(z, np.ones_like(z), count)])


def bivariate_mean(
    integrand: Callable[[np.ndarray, np.ndarray], np.ndarray], domain: Panels, angle: float
) -> float:
    """E[integrand(u, v)] for unit Gaussians u, v whose correlation is cos(angle).

    With v = cos(angle) u + sin(angle) z, the inner integral over z is split where v meets a
    kink, the outer one over u where the inner one changes fast.
    """
    cosine, sine = np.cos(angle), np.sin(angle)
    spread = (domain.kinks[:, None] + sine * _SPREAD).ravel()
    steep = np.concatenate([spread / cosine if cosine else spread, domain.borders])
    u, outer = _gauss(_merged(np.clip(steep, -RADIUS, RADIUS)), nodes=16)
    meets = np.clip((domain.splits - cosine * u[:, None]) / sine, -9, 9)
    fixed = np.broadcast_to(np.arange(-9.0, 9.1, 1.5), (len(u), 13))
    z, inner = _gauss(np.sort(np.concatenate([meets, fixed], axis=1), axis=1), nodes=16)
    values = integrand(np.broadcast_to(u[:, None], z.shape), cosine * u[:, None] + sine * z)
    return float(np.sum(outer * _density(u) * np.sum(inner * _density(z) * values, axis=1)))


def _split(functions: tuple[Function, ...], borders: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Splits panels until all functions are smooth on each; returns their borders and the kinks.

    No panel is halved, so that a kink at a round number lies inside panels at every stage and
    is found as what remains when they cannot be split further.
    """
    pending = np.stack([borders[:-1], borders[1:]], axis=1)
    found, kinks = [borders[-1:]], []
    while len(pending):
        found.append(pending[:, 0])
        pending = pending[np.any([_is_rough(f, pending) for f in functions], axis=0)]
        left, right = pending.T
        inside = left + 0.47 * (right - left)
        narrow = right - left < _NARROWEST
        kinks.append(inside[narrow])
        halves = [np.stack([left, inside], axis=1), np.stack([inside, right], axis=1)]
        pending = np.concatenate([half[~narrow] for half in halves])
        if sum(map(len, found)) > 20_000:
            raise ValueError("20,000 panels were not enough to follow it")
    return _merged(np.concatenate(found)), np.sort(np.concatenate(kinks))


def _jumps(functions: tuple[Function, ...], borders: np.ndarray, known: np.ndarray) -> np.ndarray:
    """The borders at which a function jumps: kinks that no panel has inside."""
    near = np.abs(borders[:, None] - known) < 4 * _BESIDE
    inner = borders[~np.any(near, axis=1)][1:-1]
    sides = [[f(inner + sign * _BESIDE) for sign in (-1, 1)] for f in functions]
    jumps = [abs(b - a) > 1e-6 * _scale(f) for f, (a, b) in zip(functions, sides, strict=True)]
    return inner[np.any(jumps, axis=0)]


def _is_rough(function: Function, intervals: np.ndarray) -> np.ndarray:
    """Whether the last Chebyshev coefficients on each interval have not died out.

    The outermost nodes lie at its ends, for a kink beyond the last node would not be seen; but so
    far inside that a kink which is a border does not count.
    """
    nodes = np.cos(pi * np.arange(24) / 23)
    left, right = intervals[:, :1], intervals[:, 1:]
    half = (right - left) / 2
    values = function((left + right) / 2 + (half - np.minimum(_BESIDE, half / 8)) * nodes)
    coefficients = np.polynomial.chebyshev.chebfit(nodes, values.T, 23)
    rounding = 1e-13 * np.max(np.abs(values), axis=1)
    return np.max(np.abs(coefficients[-4:]), axis=0) > 1e-11 * _scale(function) + rounding


def _scale(function: Function) -> float:
    return float(np.max(np.abs(function(np.linspace(-4, 4, 801)))))


def _clustered(points: np.ndarray) -> np.ndarray:
    """The middle of points that lie as near each other as one kink leaves them."""
    points = np.sort(points)
    groups = np.split(points, np.flatnonzero(np.diff(points) > 2 * _BESIDE) + 1)
    return np.array([(group[0] + group[-1]) / 2 for group in groups if len(group)])


def _rounded(points: np.ndarray) -> np.ndarray:
    """Points as close to a multiple of 1/64 as they are known are taken to be that."""
    nearest = np.round(64 * points) / 64 + 0.0  # no -0
    return np.where(np.abs(points - nearest) <= _BESIDE, nearest, points)


def _merged(points: np.ndarray) -> np.ndarray:
    """Sorted, with points closer than a panel can be taken as one."""
    points = np.sort(points)
    return points[np.concatenate([[True], np.diff(points) > 2 * _NARROWEST])[: len(points)]]


def _density(z: np.ndarray) -> np.ndarray:
    return np.exp(-z * z / 2) / sqrt(2 * pi)


def _gauss(borders: np.ndarray, nodes: int) -> tuple[np.ndarray, np.ndarray]:
    """Gauss-Legendre nodes and weights of the panels between borders, the last axis flattened."""
    x, w = np.polynomial.legendre.leggauss(nodes)
    left, half = borders[..., :-1, None], np.diff(borders)[..., None] / 2
    flat = (*borders.shape[:-1], -1)
    return (left + half * (1 + x)).reshape(flat), (half * w).reshape(flat)
