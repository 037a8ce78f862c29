"""Kernel regression on as many inputs as memory has tiles for, and without an inverse."""

import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax.sharding import NamedSharding
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Real

from .. import checks, matrices, scalars
from ..types import Integer, Number
from . import algebra, room, saving, solving
from .algebra import Kernel
from .pivots import preconditioner
from .tiles import Shards, Tiles, blocks


class NotConvergedWarning(UserWarning):
    """The residual is above the tolerance."""


@dataclass(frozen=True, eq=False)
class Fit:
    """What kernel regression learned; `fit` makes one.

    Attributes:
        kernel, x: what it was fitted with, x in float32.
        coefficients: (K + ridge k I)^-1 y [n, *outputs], float64.
        residual: largest of |y - (K + ridge k I) coefficients| / |y| over the outputs, in float64.
        iterations: products with K that it took.
        converged: whether the residual is within the tolerance.
        kept: share of K that was in memory; the rest was worked out at every iteration.
    """

    kernel: Kernel
    x: Float[Array, "n d"] = field(repr=False)
    coefficients: Float[np.ndarray, "n *outputs"] = field(repr=False)
    residual: float
    iterations: int
    converged: bool
    kept: float

    def predict(self, x: Real[ArrayLike, "m d"]) -> Float[Array, "m *outputs"]:
        """K(x, x_train) coefficients, worked out in blocks.

        Arguments:
            x: inputs, one a row, as wide as those of the fit.

        Raises:
            ValueError, TypeError: as of `kernels.gram`.
        """
        rows = checks.rows("x", x).astype(jnp.float32)
        flat = jnp.asarray(self.coefficients.reshape(len(self.x), -1), jnp.float32)
        known, weights = blocks(self.x), blocks(flat, repeat=False)
        found = []
        for some in blocks(rows):
            total = jnp.zeros((len(some), flat.shape[1]), jnp.float32)
            for x_known, weight in zip(known, weights, strict=True):
                gram = self.kernel.gram(some, x_known)
                total += jnp.matmul(gram, weight, precision="highest")
            found.append(total)
        return jnp.concatenate(found)[: len(rows)].reshape(len(rows), *self.coefficients.shape[1:])


def fit(
    kernel: Kernel,
    x: Real[ArrayLike, "n d"],
    labels: Real[ArrayLike, "n *outputs"],
    *,
    ridge: Number,
    tolerance: Number = 1e-5,
    steps: Integer = 1000,
    rank: Integer | None = None,
    memory: Number | None = None,
    sharding: NamedSharding | None = None,
    start: Fit | None = None,
    checkpoint: str | Path | None = None,
    progress: bool = True,
    seed: Integer = 0,
) -> Fit:
    """Kernel ridge regression, (K + ridge k I) c = y with k = K(x, x), by conjugate gradients.

    K is kept in float32, its lower half, in tiles; those that the memory has no room for are
    worked out again in every iteration. The residual is that of float64 arithmetic.

    Arguments:
        kernel: for instance NTK(activation, beta, depth), or a sum of several.
        x: inputs, one a row, of any norm but 0.
        labels: targets, [n] or [n, outputs]; of classes take `dynamics.one_hot`.
        ridge: above 0, measured in diagonal entries, as in `dynamics.ridge`. Below 1e-3 the
            rounding of K may show; below sqrt(n) 2e-6 it decides what comes out.
        tolerance: of the residual, relative to the labels, in (0, 1).
        steps: of conjugate gradients, at most.
        rank: columns of K that the preconditioner takes, n / 16 but 64 to 2048 where left out.
        memory: bytes to take, four fifths of what is free where left out.
        sharding: spreads all of K over the devices of a mesh, for instance
            NamedSharding(mesh, PartitionSpec("rows")).
        start: a fit of the same inputs and outputs to begin from, of a neighbouring beta or depth.
        checkpoint: a file, *.npz, for the state; a solve that was killed goes on from it.
        progress: whether to show bars.
        seed: what the preconditioner draws its columns with.

    Raises:
        OutOfMemoryError: what it needs in any case is more than the memory.
        NotPositiveError: rounding made K + ridge I indefinite; the ridge is too small.
        ValueError, TypeError: an argument outside its range; a zero row or one with a NaN, named.

    Warns:
        NotConvergedWarning: the residual stayed above the tolerance.

    >>> import numpy as np
    >>> from freezechaos import activations
    >>> from freezechaos.regression import NTK
    >>> kernel = NTK(activations.standardized("relu"), 0.1, 3)
    >>> found = fit(kernel, np.eye(4), np.arange(4.0), ridge=0.1, progress=False)
    >>> found.converged, found.predict(np.eye(4)).shape
    (True, (4,))
    """
    seed = checks.whole("seed", seed, 0, "Try 0.")
    problem = _checked(kernel, x, labels, ridge, tolerance, steps, rank)
    begun, saved = _begun(start, problem), _saved(checkpoint, problem)
    matrix = _matrix(problem, memory, sharding, progress=progress)
    strength = problem.ridge * kernel.height
    solve = solving.Solve(
        matrix=matrix,
        strength=strength,
        precondition=preconditioner(matrix, kernel.height, strength, problem.rank, seed),
        labels=problem.y,
        tolerance=problem.tolerance,
        steps=problem.steps,
        saved=saved,
        progress=progress,
    )
    coefficients, residual, iterations = solve.solved(begun)
    converged = residual <= problem.tolerance
    if not converged:
        warnings.warn(
            f"After {iterations} steps the residual is {residual:.2g} of the labels, above "
            f"`tolerance` {problem.tolerance:g}. Take more `steps`, a higher `rank` or `ridge`, or "
            "go on with start=... from what is returned.",
            NotConvergedWarning,
            stacklevel=2,
        )
    shaped = coefficients.reshape(problem.shape)
    return Fit(kernel, problem.x, shaped, residual, iterations, converged, matrix.kept)


@dataclass(frozen=True)
class _Problem:
    kernel: Kernel
    x: Array
    y: np.ndarray
    shape: tuple[int, ...]
    ridge: float
    tolerance: float
    steps: int
    rank: int


def _checked(
    kernel: Any, x: Any, labels: Any, ridge: Any, tolerance: Any, steps: Any, rank: Any
) -> _Problem:
    algebra.kernel("kernel", kernel)
    rows = checks.rows("x", x).astype(jnp.float32)
    y, n = matrices.numbers("labels", labels), len(rows)
    if y.ndim not in (1, 2) or len(y) != n or not y.size:
        raise ValueError(
            f"`labels` must have shape [{n}] or [{n}, outputs], a row for each input; got "
            f"{list(y.shape)}. Turn classes into targets with dynamics.one_hot(labels, classes)."
        )
    strength = scalars.real("ridge", ridge, "Try 1e-2.")
    if strength <= 0:
        raise ValueError(
            f"`ridge` must be above 0; got {strength:g}. Without one, rounding decides what comes "
            "out, and of equal rows there is no inverse; try 1e-2, or dynamics.ridge of up to some "
            "thousand inputs."
        )
    within = scalars.real("tolerance", tolerance, "Try 1e-5.")
    if not 0 < within < 1:
        raise ValueError(f"`tolerance` must lie in (0, 1); got {within:g}. Try 1e-5.")
    steps = checks.whole("steps", steps, 1, "Try 1000.")
    rank = min(max(n // 16, 64), 2048) if rank is None else rank
    rank = min(n, checks.whole("rank", rank, 1, "Try 500."))
    return _Problem(kernel, rows, y.reshape(n, -1), y.shape, strength, within, steps, rank)


def _matrix(
    problem: _Problem, allowed: Any, sharding: NamedSharding | None, *, progress: bool
) -> Tiles | Shards:
    """K, after a look at what it takes."""
    n, d, outputs = *problem.x.shape, problem.y.shape[1]
    memory = room.budget(allowed)
    needed = 4 * n * (d + 3 * problem.rank + 12 * outputs) + 12 * len(blocks(problem.x)[0]) ** 2
    what = f"Regression on {n} inputs, without its kernel matrix,"
    if sharding is not None:
        share = needed + 4 * n**2 // sharding.mesh.size
        way_out = "Take more devices, or leave `sharding` out: tiles that have no room are no need."
        room.foresee(f"Regression on {n} inputs, on each device,", share, memory, way_out)
        return Shards(problem.kernel, problem.x, sharding)
    room.foresee(what, needed, memory, "Raise `memory`, lower `rank`, or take fewer inputs.")
    return Tiles(problem.kernel, problem.x, memory - needed, progress=progress)


def _begun(start: Fit | None, problem: _Problem) -> np.ndarray:
    """Coefficients to begin from."""
    if start is None:
        return np.zeros(problem.y.shape)
    if start.coefficients.shape != problem.shape:
        raise ValueError(
            f"`start` must have coefficients of shape {list(problem.shape)}, as the labels have; "
            f"got {list(start.coefficients.shape)}. Fit the same inputs in the same order."
        )
    return start.coefficients.reshape(problem.y.shape)


def _saved(path: str | Path | None, problem: _Problem) -> saving.Saved | None:
    """The file for the state, if one is wanted; looked at before there is much to lose."""
    if path is None:
        return None
    given = problem.kernel, problem.ridge, np.asarray(problem.x), problem.y
    saved = saving.Saved(Path(path), saving.fingerprint(*given))
    saved.load()
    return saved
