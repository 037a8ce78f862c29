"""Preconditioned conjugate gradients, for several right-hand sides at once, in float32.

The residual that the iterations carry along is not the true one, which `solving` looks at.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .pivots import Preconditioner

Map = Callable[[Array], Array]


class State(NamedTuple):
    """Of one round: the correction so far, its residual, the direction, and r' M^-1 r."""

    solution: Float[Array, "n outputs"]
    residual: Float[Array, "n outputs"]
    direction: Float[Array, "n outputs"]
    power: Float[Array, " outputs"]


class NotPositiveError(ValueError):
    """The matrix is not positive definite, to rounding."""


@jax.jit
def start(residual: Array, precondition: Preconditioner) -> State:
    """Of a round that solves for a residual."""
    direction = precondition.inverse_times(residual)
    return State(jnp.zeros_like(residual), residual, direction, _dots(residual, direction))


def step(state: State, times: Map, precondition: Preconditioner) -> State:
    """One iteration; of columns that are solved, none.

    Raises:
        NotPositiveError: a direction along which the matrix is not positive.
    """
    state, is_positive = _advanced(state, times(state.direction), precondition)
    if not is_positive:
        raise NotPositiveError(
            "The kernel matrix plus the ridge is not positive definite: its float32 rounding is "
            "larger than `ridge`. Raise `ridge`, tenfold for a start."
        )
    return state


@jax.jit
def _advanced(state: State, product: Array, precondition: Preconditioner) -> tuple[State, Array]:
    curvature = _dots(state.direction, product)
    length = jnp.where(curvature > 0, state.power / curvature, 0)[None]
    residual = state.residual - length * product
    solution = state.solution + length * state.direction
    steepest = precondition.inverse_times(residual)
    power = _dots(residual, steepest)
    direction = (
        steepest + jnp.where(state.power > 0, power / state.power, 0)[None] * state.direction
    )
    is_positive = jnp.all((curvature > 0) | (state.power <= 0))
    return State(solution, residual, direction, power), is_positive


def _dots(a: Array, b: Array) -> Array:
    return jnp.sum(a * b, axis=0)
