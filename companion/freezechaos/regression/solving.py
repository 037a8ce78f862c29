"""Rounds of conjugate gradients, and the true residual after each.

When the iterations, in float32, believe to be done, the residual is worked out in float64, and what
is missing is solved for in turn (iterative refinement), until the tolerance is met or a round
gains nothing any more.
"""

from dataclasses import dataclass, field
from math import inf
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..extras import extra
from . import conjugate
from .pivots import Preconditioner
from .saving import Saved
from .tiles import Shards, Tiles

with extra("data"):
    from tqdm import tqdm

_GAIN = 0.5  # a round must reduce the true residual by as much, or it was the last
_DIGITS = 1e-6  # of a residual that a round in float32 may hope to see


@dataclass
class Solve:
    """(K + strength I) c = labels."""

    matrix: Tiles | Shards
    strength: float
    precondition: Preconditioner
    labels: Float[np.ndarray, "n outputs"]
    tolerance: float
    steps: int
    saved: Saved | None
    progress: bool
    iterations: int = field(default=0, init=False)

    def solved(self, solution: np.ndarray) -> tuple[np.ndarray, float, int]:
        """Coefficients, their residual over the labels, and the number of iterations."""
        solution, state = self._resumed(solution)
        best, least = solution, inf
        with tqdm(
            total=self.steps, initial=self.iterations, unit="step", desc="solve",
            disable=not self.progress,
        ) as bar:  # fmt: skip
            while True:
                residual = self._residual(solution)
                found = self._relative(residual)
                gained = found <= _GAIN * least
                if found < least:
                    best, least = solution, found
                if not gained or found <= self.tolerance or self.iterations >= self.steps:
                    break
                state = state or conjugate.start(_single(residual), self.precondition)
                solution, state = solution + self._round(solution, state, found, bar), None
            bar.set_postfix_str(f"residual {least:.1e}")
        if self.saved:
            state = conjugate.start(_single(self._residual(best)), self.precondition)
            self._save(best, state, at_once=True)
        return best, least, self.iterations

    def _round(
        self, solution: np.ndarray, state: conjugate.State, residual: float, bar: Any
    ) -> np.ndarray:
        """A correction: the residual solved for, as far as float32 believes."""
        enough = max(self.tolerance / 2, _DIGITS * residual)
        while self.iterations < self.steps:
            state = conjugate.step(state, self._times, self.precondition)
            self.iterations += 1
            carried = self._relative(state.residual)
            bar.update()
            bar.set_postfix_str(f"residual about {carried:.1e}")
            if carried <= enough:
                break
            self._save(solution, state)
        return np.asarray(state.solution, np.float64)

    def _times(self, v: Array) -> Array:
        return self.matrix.times(v) + self.strength * v

    def _residual(self, solution: np.ndarray) -> np.ndarray:
        if not solution.any():
            return self.labels
        return self.labels - self.matrix.precise_times(solution) - self.strength * solution

    def _relative(self, residual: Array | np.ndarray) -> float:
        """Largest of the residuals' norms, each over that of its labels."""
        found = np.linalg.norm(np.asarray(residual, np.float64), axis=0)
        size = np.linalg.norm(self.labels, axis=0)
        return float(np.max(found / np.where(size > 0, size, 1)))

    def _save(self, solution: np.ndarray, state: conjugate.State, *, at_once: bool = False) -> None:
        if self.saved is not None:
            arrays = {name: np.asarray(value) for name, value in state._asdict().items()}
            kept = {"coefficients": solution, "iterations": np.array(self.iterations)}
            self.saved.save(arrays | kept, at_once=at_once)

    def _resumed(self, solution: np.ndarray) -> tuple[np.ndarray, conjugate.State | None]:
        kept = self.saved and self.saved.load()
        if not kept:
            return solution, None
        self.iterations = int(kept["iterations"])
        fields = (jnp.asarray(kept[name]) for name in conjugate.State._fields)
        return kept["coefficients"], conjugate.State(*fields)


def _single(residual: np.ndarray) -> Array:
    return jnp.asarray(residual, jnp.float32)
