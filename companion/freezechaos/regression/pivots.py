"""A preconditioner for kernel matrices: randomly pivoted Cholesky.

Columns are drawn in proportion to what the diagonal still lacks, which needs `rank` columns of the
matrix and finds what a small rank can find of it. What is left over counts as a multiple of the
identity: exact in deep chaos, where it is all of the kernel.
"""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from scipy.linalg import cholesky, eigh, solve_triangular

from .tiles import Shards, Tiles

_BLOCK = 64  # columns drawn at once
_ENOUGH = 1e-6  # of the trace: less is rounding of a float32 kernel
_NOTHING = 1e-12  # of the largest eigenvalue: less is rounding of F' F in float64
_STRIP = 4096  # rows that are float64 at once


class Preconditioner(NamedTuple):
    """(U diag(1 / weights - shift) U' + shift I)^-1, with orthonormal columns U.

    Woodbury's formula is the same with F in place of U, but float32 does not bear it: where the
    largest eigenvalue is 10^5 times the shift, almost all of v is taken away, and what is left is
    rounding. So v is freed of U twice, and along U nothing is taken away at all.

    Attributes:
        basis: U, the axes of F F'.
        weights: 1 / (eigenvalue + shift) of each.
        rest: mean of the diagonal that F F' lacks.
    """

    basis: Float[Array, "n rank"]
    weights: Float[Array, " rank"]
    shift: float
    rest: float

    def inverse_times(self, v: Float[Array, "n outputs"]) -> Float[Array, "n outputs"]:
        """Applied to each column."""
        along = self._along(v)
        across = v - self._back(along)
        left = self._along(across) / self.shift
        return across / self.shift + self._back(self.weights[:, None] * along - left)

    def _along(self, v: Array) -> Array:
        return jnp.matmul(self.basis.T, v, precision="highest")

    def _back(self, v: Array) -> Array:
        return jnp.matmul(self.basis, v, precision="highest")


def preconditioner(
    matrix: Tiles | Shards, height: float, strength: float, rank: int, seed: int
) -> Preconditioner:
    """For K + strength I, with K of diagonal `height`.

    Source: Chen, Epperly, Tropp, Webber, Randomly pivoted Cholesky, 2022 (arXiv:2207.06503).
    """
    factor, rest = low_rank(matrix, height, rank, seed)
    mean = float(np.mean(rest))
    eigenvalues, basis = principal_axes(factor)
    weights = 1 / (eigenvalues + strength + mean)
    return Preconditioner(
        jnp.asarray(basis), jnp.asarray(weights, jnp.float32), strength + mean, mean
    )


def principal_axes(
    factor: Float[np.ndarray, "n rank"],
) -> tuple[Float[np.ndarray, " axes"], Float[np.ndarray, "n axes"]]:
    """Eigenvalues of F F', those above rounding, and their eigenvectors, rounded to float32."""
    strips = [slice(top, top + _STRIP) for top in range(0, len(factor), _STRIP)]
    inner = np.zeros((factor.shape[1],) * 2)
    for strip in strips:  # one at a time in float64
        wide = factor[strip].astype(np.float64)
        inner += wide.T @ wide
    eigenvalues, axes = eigh(inner)
    seen = eigenvalues > _NOTHING * eigenvalues[-1]
    eigenvalues, axes = eigenvalues[seen], axes[:, seen] / np.sqrt(eigenvalues[seen])
    return eigenvalues, np.concatenate([(factor[s] @ axes).astype(np.float32) for s in strips])


def low_rank(
    matrix: Tiles | Shards, height: float, rank: int, seed: int
) -> tuple[Float[np.ndarray, "n rank"], Float[np.ndarray, " n"]]:
    """F [n, rank or less] with K - F F' positive semidefinite, and the diagonal of that."""
    draw = np.random.default_rng(seed)
    n, done = matrix.n, 0
    factor, rest = np.zeros((n, rank), np.float32), np.full(n, height)
    while done < rank and np.sum(rest) > _ENOUGH * n * height:
        count = min(_BLOCK, rank - done, int(np.count_nonzero(rest)))
        chosen = draw.choice(n, count, replace=False, p=rest / np.sum(rest))
        found = factor[:, :done]
        asked = np.resize(chosen, _BLOCK)  # always as many, so that one program does
        columns = np.asarray(matrix.columns(asked))[:, :count] - found @ found[chosen].T
        small = columns[chosen].astype(np.float64)
        small += _ENOUGH * height * np.eye(count)  # rows that are alike, and rounding
        root = cholesky((small + small.T) / 2, lower=True)
        new = solve_triangular(root, columns.T, lower=True).T
        factor[:, done : done + count] = new
        rest = np.maximum(rest - np.sum(new.astype(np.float64) ** 2, axis=1), 0)
        rest[chosen] = 0
        done += count
    return factor[:, :done], rest
