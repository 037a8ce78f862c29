"""Gram matrices on the host, in float64: what is accepted, and their eigenvalues."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import cache
from math import sqrt
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from threadpoolctl import ThreadpoolController

_TOLERANCE = 1e-4  # asymmetry and negative eigenvalues of such a share are taken for rounding
_SMALL = 700  # up to here LAPACK's threads cost more in waiting than they save


def numbers(name: str, value: Any) -> np.ndarray:
    """Finite numbers in float64."""
    if isinstance(value, jax.core.Tracer):
        raise TypeError(
            f"`{name}` must be numbers; got an array that JAX is tracing. Eigenvalues are worked "
            "out on the host: call this outside jit, vmap and grad; what it returns may be traced."
        )
    array = _real(name, value).astype(np.float64)
    if not np.isfinite(array).all():
        raise ValueError(f"`{name}` must be finite; it holds a NaN or an infinity. Scale it down.")
    return array


def _real(name: str, value: Any) -> np.ndarray:
    try:
        array = np.asarray(value)
    except ValueError:  # lists of different lengths
        array = np.array(None)
    if array.dtype.kind not in "biuf" and not jnp.issubdtype(array.dtype, jnp.floating):
        got = f"a {type(value).__name__}" if array.dtype == object else f"{array.dtype}"
        raise TypeError(
            f"`{name}` must be real numbers, an array or what makes one; got {got}. "
            "Try np.array([[1.0, 0.5], [0.5, 1.0]]); of complex numbers take .real."
        )
    return array


def gram(name: str, value: Any) -> np.ndarray:
    """A Gram matrix in float64, with rounding's asymmetry averaged out."""
    matrix = numbers(name, value)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or not matrix.size:
        raise ValueError(
            f"`{name}` must be square, [n, n]; got shape {list(matrix.shape)}. "
            "Make one with kernels.gram(activation, beta, depth, x)."
        )
    difference = np.max(np.abs(matrix - matrix.T))
    if difference > _TOLERANCE * np.max(np.abs(matrix)):
        raise ValueError(
            f"`{name}` must be symmetric; it differs from its transpose by {difference:g}. "
            "Take the kernel between the inputs and themselves, not between two sets."
        )
    if not np.trace(matrix) > 0:
        raise ValueError(
            f"`{name}` must have a positive trace; got {np.trace(matrix):g}. "
            "The diagonal of a Gram matrix holds squared lengths."
        )
    return (matrix + matrix.T) / 2


def eigenvalues(name: str, matrix: np.ndarray) -> np.ndarray:
    """The eigenvalues of what `gram` returned, the largest first, none negative."""
    with _threads_for(len(matrix)):
        values = np.linalg.eigvalsh(matrix)
    return _not_negative(name, values[::-1])


def eigenmodes(name: str, matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Eigenvalues as by `eigenvalues`, and the eigenvectors as columns."""
    with _threads_for(len(matrix)):
        values, vectors = np.linalg.eigh(matrix)
    return _not_negative(name, values[::-1]), vectors[:, ::-1]


def floor(matrix: np.ndarray, unit: float, largest: float) -> float:
    """The most that rounding can make of an eigenvalue 0 of what `gram` returned.

    sqrt(n) times the rounding of the largest diagonal entry, in units as by `rounding`, plus that
    of the largest eigenvalue in float64.
    """
    entries = unit * np.max(np.diagonal(matrix))
    return float(sqrt(len(matrix)) * (entries + np.finfo(np.float64).eps * largest))


def rounding(array: Any) -> float:
    """Unit of rounding of the array's own precision; float64's for integers."""
    dtype = np.asarray(array).dtype
    return float(jnp.finfo(dtype).eps if jnp.issubdtype(dtype, jnp.floating) else 2.0**-52)


def _not_negative(name: str, values: np.ndarray) -> np.ndarray:
    if np.min(values) < -_TOLERANCE * np.max(values):
        raise ValueError(
            f"`{name}` must be positive semidefinite; got the eigenvalue {np.min(values):g} beside "
            f"{np.max(values):g}. Is it a kernel matrix? K @ K.T is one for every K."
        )
    return np.maximum(values, 0)


@contextmanager
def _one_thread() -> Iterator[None]:
    with _controller().limit(limits=1):
        yield


def _threads_for(n: int) -> Any:
    return _one_thread() if n <= _SMALL else nullcontext()


@cache
def _controller() -> ThreadpoolController:
    return ThreadpoolController()
