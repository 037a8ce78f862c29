"""Which functions a kernel prefers, read off its eigenvalues.

Training under a kernel learns each eigenvector at the rate of its eigenvalue, so the spectrum
says what is learned first and what never. Everything here is worked out in float64 on the host
and comes back as NumPy arrays or Python numbers; nothing is traced by JAX.
"""

from collections.abc import Callable
from math import ceil, pi, sqrt
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float
from scipy.special import entr, gammaln

from . import checks, matrices

_NODES = 24  # Gauss-Legendre nodes a panel
_OCTAVES = 48  # panels halved towards cosine 1 and -1


class Modes(NamedTuple):
    """Eigenvalues [n] in falling order, and eigenvectors [n, n], one a column."""

    values: Float[np.ndarray, " n"]
    vectors: Float[np.ndarray, "n n"]


def eigenmodes(gram: Float[ArrayLike, "n n"]) -> Modes:
    """Eigenvalues and orthonormal eigenvectors of a Gram matrix, largest first.

    gram = sum_k values[k] v_k v_k^T. Of the two signs of v_k the one is taken that makes the
    first of its largest entries positive; within a degenerate eigenvalue the basis is arbitrary.

    Arguments:
        gram: symmetric and positive semidefinite; what rounding makes negative comes out as 0.

    Raises:
        ValueError, TypeError: not a Gram matrix, or traced by JAX.
    """
    values, vectors = matrices.eigenmodes("gram", matrices.gram("gram", gram))
    size = np.abs(vectors)
    first = np.argmax(size > 0.999 * size.max(axis=0), axis=0)  # rounding must not choose
    signs = np.sign(np.take_along_axis(vectors, first[None], axis=0))
    return Modes(values, vectors * signs)


def constant_share(gram: Float[ArrayLike, "n n"]) -> float:
    """Share of the trace that lies along the constant vector, in [0, 1].

    (1^T K 1 / n) / trace K: the Rayleigh quotient of (1, ..., 1) / sqrt(n) over the sum of all
    eigenvalues. In freeze the constant becomes the top eigenvector and its share tends to 1; in
    chaos K tends to the identity and the share to 1 / n.

    Arguments:
        gram: symmetric and positive semidefinite.

    Raises:
        ValueError, TypeError: not a Gram matrix, or traced by JAX.

    Source: [JGGH, freeze and chaos].

    >>> constant_share(np.ones((4, 4))), constant_share(np.eye(4))
    (1.0, 0.25)
    """
    matrix = matrices.gram("gram", gram)
    return float(np.clip(matrix.mean() / np.diagonal(matrix).mean(), 0, 1))


def effective_rank(gram: Float[ArrayLike, "n n"]) -> float:
    """How many eigenvectors share the trace, in [1, n]: exp of the entropy of the eigenvalues.

    exp(-sum_k p_k log p_k) with p_k = lambda_k / trace K.

    Arguments:
        gram: symmetric and positive semidefinite.

    Raises:
        ValueError, TypeError: not a Gram matrix, or traced by JAX.

    Source: Roy and Vetterli, The effective rank, EUSIPCO 2007.

    >>> round(effective_rank(np.eye(4)), 6), round(effective_rank(np.ones((4, 4))), 6)
    (4.0, 1.0)
    """
    values = matrices.eigenvalues("gram", matrices.gram("gram", gram))
    return float(np.exp(np.sum(entr(values / np.sum(values)))))


def condition_number(gram: Float[ArrayLike, "n n"]) -> float:
    """Largest eigenvalue over smallest: how many times longer the last mode takes to learn.

    Infinite where the smallest does not exceed what rounding can make of 0, sqrt(n) times the
    rounding of the largest diagonal entry in the matrix's own precision plus that of the largest
    eigenvalue in float64.

    Arguments:
        gram: symmetric and positive semidefinite.

    Raises:
        ValueError, TypeError: not a Gram matrix, or traced by JAX.

    >>> round(condition_number(np.diag([4.0, 1.0])), 6), condition_number(np.ones((2, 2)))
    (4.0, inf)
    """
    matrix = matrices.gram("gram", gram)
    values = matrices.eigenvalues("gram", matrix)
    floor = matrices.floor(matrix, matrices.rounding(gram), values[0])
    return float(values[0] / values[-1]) if values[-1] > floor else float("inf")


class SphereModes(NamedTuple):
    """Spectrum of a dot-product kernel on the sphere, an entry a degree 0, 1, ....

    Attributes:
        eigenvalues: one a degree; its eigenfunctions are the spherical harmonics.
        log_multiplicities: logarithm of the number of harmonics of that degree.
        errors: how far an eigenvalue may be off by rounding of the cosine and of the kernel.
        trace: kernel(1), the sum of multiplicity times eigenvalue over all degrees.
    """

    eigenvalues: Float[np.ndarray, " degrees"]
    log_multiplicities: Float[np.ndarray, " degrees"]
    errors: Float[np.ndarray, " degrees"]
    trace: float

    @property
    def multiplicities(self) -> Float[np.ndarray, " degrees"]:
        """Number of harmonics of each degree; infinite where float64 ends."""
        with np.errstate(over="ignore"):
            return np.rint(np.exp(self.log_multiplicities))

    @property
    def shares(self) -> Float[np.ndarray, " degrees"]:
        """Share of the trace in each degree; what is missing to 1 lies in higher degrees."""
        size = np.abs(self.eigenvalues) / abs(self.trace)
        with np.errstate(divide="ignore", over="ignore"):
            return np.sign(self.eigenvalues) * np.exp(self.log_multiplicities + np.log(size))


def on_sphere(
    kernel: Callable[[Float[Array, " n"]], Float[Array, " n"]], dimension: int, degrees: int
) -> SphereModes:
    """Eigenvalues of kernel(x.y) under the uniform distribution on the unit sphere of R^d.

    By Funk and Hecke the harmonics of degree k share lambda_k = E[kernel(t) P_k(t)], where t is
    the cosine of two random points and P_k the Gegenbauer polynomial with P_k(1) = 1; in two
    dimensions P_k(cos a) = cos(k a), Fourier. A Gram matrix of n random points has, as n grows,
    the eigenvalues n lambda_k.

    Gauss-Legendre panels that halve towards cosine 1 and -1 integrate every power series in the
    cosine with radius of convergence 1, which a kernel for all dimensions is [Schoenberg],
    however sharp: what error there is comes from rounding and is returned. It is about 1e-16
    of the kernel's root mean square over sqrt(multiplicity), so in high dimension only the first
    degrees are resolved (about 10 in 784 dimensions), the ones with errors below eigenvalues.

    Arguments:
        kernel: maps cosines in [-1, 1] to numbers, given float64 JAX arrays; for instance
            lambda cosine: kernels.ntk(activation, beta, depth, cosine).
        dimension: d, 2 or more; the sphere is S^(d-1).
        degrees: how many: 0, ..., degrees - 1.

    Raises:
        ValueError, TypeError: an argument outside its range, a kernel that is not finite.

    >>> spectrum = on_sphere(lambda cosine: cosine**2, dimension=3, degrees=3)
    >>> spectrum.multiplicities
    array([1., 3., 5.])
    >>> spectrum.shares.round(6) + 0.0
    array([0.333333, 0.      , 0.666667])
    """
    checks.whole("dimension", dimension, 2, "Inputs on a circle have dimension 2.")
    checks.whole("degrees", degrees, 1, "It counts the degrees from 0 on; try 20.")
    if not callable(kernel):
        raise TypeError(
            f"`kernel` must be a function of the cosine; got a {type(kernel).__name__}. "
            "Try lambda cosine: kernels.ntk(activation, beta, depth, cosine)."
        )
    cosine, weight = _nodes(dimension, degrees)
    value, rounding = _values(kernel, cosine)
    eigenvalues, errors = np.empty(degrees), np.empty(degrees)
    for k, polynomial in zip(range(degrees), _gegenbauer(dimension, cosine), strict=False):
        eigenvalues[k] = np.sum(weight * value * polynomial)
        size = np.abs(polynomial)
        errors[k] = np.sum(weight * size * (rounding + k * 2.0**-52 * np.abs(value)))
    trace = float(_values(kernel, np.ones(1))[0][0])
    return SphereModes(eigenvalues, _log_multiplicities(dimension, degrees), errors, trace)


def _nodes(dimension: int, degrees: int) -> tuple[np.ndarray, np.ndarray]:
    """Cosines and weights that sum to 1, from panels in the angle 0 .. pi / 2, mirrored."""
    count = ceil(pi / 2 * max(degrees / 8, sqrt(dimension)))
    even = np.linspace(0, pi / 2, count + 1)
    halved = even[1] * 2.0 ** np.arange(-_OCTAVES, 0)
    borders = np.concatenate([[0.0], halved, even[1:]])
    x, w = np.polynomial.legendre.leggauss(_NODES)
    half = np.diff(borders)[:, None] / 2
    angle = (borders[:-1, None] + half * (1 + x)).ravel()
    cosine = np.cos(angle)
    near_right = np.log1p(-np.minimum(cosine**2, 0.5)) / 2  # log sin, whose digits its power needs
    log_sine = np.where(cosine**2 < 0.5, near_right, np.log(np.sin(angle)))
    weight = (half * w).ravel() * np.exp((dimension - 2) * log_sine)
    return np.concatenate([cosine, -cosine]), np.tile(weight / (2 * np.sum(weight)), 2)


def _values(kernel: Callable[[Array], Array], cosine: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The kernel in float64, and what the last digit of cosine and kernel can change in it."""
    results = []
    for argument in (cosine, np.nextafter(cosine, 0)):
        with jax.enable_x64(True):
            result = np.asarray(kernel(jnp.asarray(argument)))
        if result.shape != cosine.shape or not np.isfinite(result).all():
            raise ValueError(
                f"`kernel` must give a finite number for every cosine in [-1, 1]; for "
                f"{cosine.size} of them got an array of shape {list(result.shape)}"
                f"{'' if np.isfinite(result).all() else ' with NaN or infinity'}. "
                "Try lambda cosine: kernels.ntk(activation, beta, depth, cosine)."
            )
        results.append(result.astype(np.float64))
    value, neighbour = results
    return value, np.abs(value - neighbour) + 16 * matrices.rounding(result) * np.abs(value)


def _gegenbauer(dimension: int, cosine: np.ndarray) -> Any:
    """P_0, P_1, ... at the cosines, with P_k(1) = 1, by their three-term recurrence."""
    previous, current = np.ones_like(cosine), cosine
    yield previous
    k = 1
    while True:
        yield current
        grown = (2 * k + dimension - 2) * cosine * current - k * previous
        previous, current = current, grown / (k + dimension - 2)
        k += 1


def _log_multiplicities(dimension: int, degrees: int) -> np.ndarray:
    """log of (2 k + d - 2) (k + d - 3)! / (k! (d - 2)!)."""
    k = np.arange(1, degrees)
    factorials = gammaln(k + dimension - 2) - gammaln(k + 1) - gammaln(dimension - 1)
    return np.concatenate([[0.0], np.log(2 * k + dimension - 2) + factorials])
