"""A preconditioner for kernel matrices: randomly pivoted Cholesky.

Columns are drawn in proportion to what the diagonal still lacks, which needs `rank` columns of the
matrix and finds what a small rank can find of it. What is left over counts as a multiple of the
identity: exact in deep chaos, where it is all of the kernel.
"""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from scipy.linalg import cholesky, solve_triangular

from .tiles import Shards, Tiles

_BLOCK = 64  # columns drawn at once
_ENOUGH = 1e-6  # of the trace: less is rounding of a float32 kernel


class Preconditioner(NamedTuple):
    """(F F' + shift I)^-1 by way of Woodbury, with F [n, rank] and a small matrix inverted.

    Attributes:
        rest: mean of the diagonal that F F' lacks.
    """

    factor: Float[Array, "n rank"]
    inner: Float[Array, "rank rank"]
    shift: float
    rest: float

    def inverse_times(self, v: Float[Array, "n outputs"]) -> Float[Array, "n outputs"]:
        """Applied to each column."""
        along = jnp.matmul(self.factor.T, v, precision="highest")
        along = jnp.matmul(self.inner, along, precision="highest")
        return (v - jnp.matmul(self.factor, along, precision="highest")) / self.shift


def preconditioner(
    matrix: Tiles | Shards, height: float, strength: float, rank: int, seed: int
) -> Preconditioner:
    """For K + strength I, with K of diagonal `height`.

    Source: Chen, Epperly, Tropp, Webber, Randomly pivoted Cholesky, 2022 (arXiv:2207.06503).
    """
    factor, rest = low_rank(matrix, height, rank, seed)
    mean = float(np.mean(rest))
    shift = strength + mean
    wide = factor.astype(np.float64)
    inner = wide.T @ wide + shift * np.eye(factor.shape[1])
    half = solve_triangular(cholesky(inner, lower=True), np.eye(len(inner)), lower=True)
    inverse = jnp.asarray((half.T @ half).astype(np.float32))
    return Preconditioner(jnp.asarray(factor), inverse, shift, mean)


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
