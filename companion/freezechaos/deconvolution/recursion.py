"""NNGP and NTK between positions, layer by layer, over classes of pairs.

With P(p) the parents of p, and sums over the taps that p and p' share [JGGH, section 5],

    Sigma_{l+1} = beta^2 + (1 - beta^2) / sqrt(|P(p)| |P(p')|) sum E[sigma(u_q) sigma(v_q')],
    Theta_{l+1} = Sigma_{l+1}
                  + (1 - beta^2) / sqrt(|P(p)| |P(p')|) sum Theta_l E[sigma'(u_q) sigma'(v_q')],

or with the window's size under the root in the usual parametrization. The first layer has the
input Gram matrix in place of the expectation. As in `kernels`, what is carried keeps its digits at
any depth: beside Sigma the squared distance E(u - v)^2, and Theta over the diagonal D_l = 1 + r +
... + r^(l-1) of the graph-based parametrization.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..activations import Activation
from . import duals
from .pairs import Ancestry, Step, Variances, ancestry
from .stack import DeconvStack


class State(NamedTuple):
    """Tables over the pairs of inputs and the classes of pairs of positions.

    Attributes:
        sigma: [pairs, rows, columns] covariance; the N pairs of an input with itself come first.
        distance: [pairs, rows, columns] E(u - v)^2.
        left, right: variances of u and of v, shaped alike.
        theta: [streams, pairs, rows, columns] the tangent kernel over D.
        weight: 1 / D.
    """

    sigma: Array
    distance: Array
    left: Array
    right: Array
    theta: Array
    weight: Array


class Inputs(NamedTuple):
    """Which inputs make up each of the pairs [pairs], the ones of an input with itself first."""

    one: np.ndarray
    other: np.ndarray

    @classmethod
    def of(cls, count: int) -> "Inputs":
        rows, columns = np.triu_indices(count, 1)
        same = np.arange(count)
        return cls(np.concatenate([same, rows]), np.concatenate([same, columns]))


def axes_of(stack: DeconvStack, variances: Variances, *, apart: bool = True) -> list[Ancestry]:
    """The ancestry along rows and columns; in one dimension the second is a single position."""
    graph = stack.parametrization == "graph"
    known = [
        ancestry(stack.start[axis], stack.along(axis), graph=graph, apart=apart,
                 variances=variances)
        for axis in range(stack.dimensions)
    ]  # fmt: skip
    one = Step(np.ones((1, 1)), np.ones(1), np.ones(1, bool), np.zeros(1, int), np.zeros(1, int))
    still = Ancestry(np.zeros((1, 1), int), (one,) * stack.depth, np.zeros((1, 1), int))
    return known if stack.dimensions == 2 else [*known, still]


def run(
    stack: DeconvStack, activation: Activation, beta: Array,
    gram: Float[Array, "inputs inputs positions positions"],
    rates: Float[Array, "streams layers 2"], variances: Variances,
) -> tuple[State, list[Ancestry]]:  # fmt: skip
    """The state after the last layer, and how to read it. Arguments are not checked."""
    axes = axes_of(stack, variances)
    inputs = Inputs.of(len(gram))
    start = (
        jnp.stack([gram[i, j] for i, j in zip(*inputs, strict=True)]) if len(gram) > 1 else gram[0]
    )
    state = _first(stack, start, inputs, len(gram))
    unit = variances == "one"
    for number, steps in enumerate(zip(*(axis.steps for axis in axes), strict=True)):
        state = _layer(
            activation, unit, number == 0, beta, state, steps, inputs, len(gram), rates[:, number]
        )
    return state, axes


def _first(stack: DeconvStack, gram: Array, inputs: Inputs, count: int) -> State:
    """The inputs themselves, [pairs, rows^2, columns^2]."""
    rows, columns = (*stack.start, 1)[:2]
    table = gram.reshape(-1, rows, columns, rows, columns).transpose(0, 1, 3, 2, 4)
    sigma = table.reshape(len(table), rows**2, columns**2)
    own = jnp.diagonal(gram[:count], axis1=1, axis2=2).reshape(count, rows, columns)
    ones = jnp.ones((rows, rows, columns, columns), gram.dtype)
    left, right = (
        (own[which][place] * ones).reshape(sigma.shape)
        for which, place in (
            (inputs.one, np.s_[:, :, None, :, None]),
            (inputs.other, np.s_[:, None, :, None, :]),
        )
    )
    same = np.multiply.outer(np.eye(rows).ravel(), np.eye(columns).ravel()) > 0
    same = same & (inputs.one == inputs.other)[:, None, None]
    distance = jnp.where(same, 0, left + right - 2 * sigma)
    weight = jnp.ones((), gram.dtype)
    return State(sigma, distance, left, right, jnp.zeros_like(sigma)[None], weight)


@partial(jax.jit, static_argnames=("activation", "unit", "first", "count"))
def _layer(
    activation: Activation, unit: bool, first: bool, beta: Array, state: State,
    steps: tuple[Step, Step], inputs: Inputs, count: int, rates: Float[Array, "streams 2"],
) -> State:  # fmt: skip
    rows, columns = steps
    scale, dtype = (1 - beta) * (1 + beta), state.sigma.dtype
    r = activation.derivative_second_moment * scale
    weight = state.weight if first else state.weight / (state.weight + r)
    if first:
        through = duals.Through(state.sigma, state.distance, jnp.zeros_like(state.sigma))
    elif unit:
        through = duals.at_one(activation, state.distance)
    else:
        through = duals.at_variances(activation, state.left, state.right, state.distance)

    def over_taps(table: Array) -> Array:
        row_taps, column_taps = (jnp.asarray(step.taps, dtype) for step in (rows, columns))
        with jax.default_matmul_precision("highest"):
            return row_taps @ table @ column_taps.T

    sigma = beta**2 + scale * over_taps(through.covariance)
    nearer = scale * over_taps(through.distance)
    shared = jnp.outer(jnp.asarray(rows.common, dtype), jnp.asarray(columns.common, dtype))
    if unit:
        left = right = jnp.ones_like(sigma)
        distance = scale * 2 * (1 - shared) + nearer
        sigma = 1 - distance / 2
    else:
        places = ((inputs.one, rows.left, columns.left), (inputs.other, rows.right, columns.right))
        left, right = (sigma[:count][n][:, a[:, None], b] for n, a, b in places)
        alike = jnp.logical_and(rows.alike[:, None], columns.alike)
        distance = jnp.where(alike, nearer, jnp.maximum(left + right - 2 * sigma, 0))
    past = over_taps(through.slope * state.theta)
    weights, biases = (rates[:, k, None, None, None] for k in range(2))
    direct = weights * (sigma - beta**2) + biases * beta**2
    theta = weight * direct + (1 - weight) * past
    return State(sigma, distance, left, right, theta, weight)
