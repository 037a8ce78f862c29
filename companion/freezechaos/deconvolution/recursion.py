"""NNGP and NTK between positions, layer by layer, over classes of pairs.

With P(p) the parents of p, and sums over the taps that p and p' share [JGGH],

    Sigma_{l+1} = beta^2 + (1 - beta^2) / sqrt(|P(p)| |P(p')|) sum E[sigma(u_q) sigma(v_q')],
    Theta_{l+1} = Sigma_{l+1}
                  + (1 - beta^2) / sqrt(|P(p)| |P(p')|) sum Theta_l E[sigma'(u_q) sigma'(v_q')],

or with the window's size under the root in the usual parametrization. The first layer has the
input Gram matrix in place of the expectation. As in `kernels`, what is carried keeps its digits at
any depth: beside Sigma the squared distance E(u - v)^2, and Theta over the diagonal D_l = 1 + r +
... + r^(l-1) of the graph-based parametrization. Where D could leave the range of floats, between
numbers of which some grow like it and others stay, Theta is carried with an exponent of its own
for every class of pairs (see `exponents`).
"""

from functools import partial
from math import prod
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .. import duals
from ..activations import Activation
from . import exponents
from .pairs import Ancestry, Step, Variances, ancestry
from .stack import DeconvStack


class Pairs(NamedTuple):
    """What the nonlinearity has to know, over the pairs of inputs and the classes of positions.

    Flat and padded, so that what a layer's activation does is compiled for few lengths.

    Attributes:
        sigma: [entries] covariance of u and v; pairs of an input with itself come first.
        distance: [entries] E(u - v)^2.
        left, right: [entries] variances of u and of v.
    """

    sigma: Array
    distance: Array
    left: Array
    right: Array


class State(NamedTuple):
    """Where the recursion stands after a layer.

    Attributes:
        pairs: of pre-activations.
        theta: [streams, pairs, rows, columns] the tangent kernel over D, or its significands.
        exponent: [streams, pairs, rows, columns] of the significands, or None.
        weight: 1 / D.
    """

    pairs: Pairs
    theta: Array
    exponent: Array | None
    weight: Array

    @property
    def unscaled(self) -> exponents.Scaled:
        """The tangent kernel itself."""
        if self.exponent is None:
            return exponents.Scaled(self.theta / self.weight, None)
        return exponents.Scaled(self.theta, self.exponent)

    @property
    def sigma(self) -> Array:
        """[pairs, rows, columns] covariance."""
        shape = self.theta.shape[1:]
        return self.pairs.sigma[: prod(shape)].reshape(shape)


class Inputs(NamedTuple):
    """Which inputs make up each of the pairs [pairs], the ones of an input with itself first."""

    one: np.ndarray
    other: np.ndarray

    @classmethod
    def of(cls, count: int) -> "Inputs":
        rows, columns = np.triu_indices(count, 1)
        same = np.arange(count)
        return cls(np.concatenate([same, rows]), np.concatenate([same, columns]))


def _axes(stack: DeconvStack, variances: Variances) -> list[Ancestry]:
    """The ancestry along rows and columns; in one dimension the second is a single position."""
    known = [
        ancestry(
            stack.start[axis], stack.along(axis),
            parametrization=stack.parametrization, variances=variances,
        )
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
    axes = _axes(stack, variances)
    inputs = Inputs.of(len(gram))
    state = first_state((*stack.start, 1)[:2], gram, inputs)
    if exponents.needed(activation.derivative_second_moment, stack.depth, gram.dtype):
        state = state._replace(exponent=jnp.zeros(state.theta.shape, jnp.int32))
    for number, steps in enumerate(zip(*(axis.steps for axis in axes), strict=True)):
        seen = through(activation, variances == "one", number == 0, state.pairs)
        state = layer_of_taps(
            variances == "one", number == 0, len(gram), activation.derivative_second_moment,
            beta, state, seen, steps, inputs, rates[:, number],
            None if state.exponent is None else exponents.sources(steps),
        )  # fmt: skip
    return state, axes


@partial(jax.jit, static_argnums=0)
def first_state(size: tuple[int, int], gram: Array, inputs: Inputs) -> State:
    """The inputs themselves, in classes [pairs, rows^2, columns^2]."""
    rows, columns = size
    table = gram[inputs.one, inputs.other].reshape(-1, rows, columns, rows, columns)
    own = jnp.einsum("iipp->ip", gram).reshape(-1, rows, columns)
    left = jnp.broadcast_to(own[inputs.one][:, :, :, None, None], table.shape)
    right = jnp.broadcast_to(own[inputs.other][:, None, None], table.shape)
    same = jnp.eye(rows * columns, dtype=bool).reshape(1, rows, columns, rows, columns)
    same = same & (inputs.one == inputs.other)[:, None, None, None, None]
    distance = jnp.where(same, 0, (left - table) + (right - table))

    def ordered(entries: Array) -> Array:
        return flat(jnp.swapaxes(entries, 2, 3))

    pairs = Pairs(*map(ordered, (table, distance, left, right)))
    nothing = jnp.zeros((1, len(table), rows**2, columns**2), gram.dtype)
    return State(pairs, nothing, None, jnp.ones((), gram.dtype))


def flat(table: Array) -> Array:
    """As a vector, padded to a power of four, and above 2^16 of two."""
    power = (table.size - 1).bit_length()
    length = 1 << (power + power % 2 if power < 16 else power)
    return jnp.pad(table.ravel(), (0, length - table.size))


def through(activation: Activation, unit: bool, first: bool, pairs: Pairs) -> duals.PairMoments:
    """What the next layer's taps read: the inputs, or what the activation makes of them.

    Raises:
        ValueError: a variance at which the activation's dual map is not known well enough.
    """
    if first:
        return duals.PairMoments(pairs.sigma, pairs.distance, jnp.zeros_like(pairs.sigma))
    if unit:
        return _at_one(activation, pairs.distance)
    traced = isinstance(pairs.left, jax.core.Tracer)
    largest = None if traced else float(jnp.maximum(jnp.max(pairs.left), jnp.max(pairs.right)))
    terms = duals.terms_for(activation, largest)
    return _at_variances(activation, pairs.left, pairs.right, pairs.sigma, pairs.distance, terms)


_at_one = jax.jit(duals.at_one, static_argnums=0)
_at_variances = jax.jit(duals.at_variances, static_argnums=(0, 5))


@partial(jax.jit, static_argnames=("unit", "first", "count"))
def layer_of_taps(
    unit: bool, first: bool, count: int, moment: float | Array, beta: Array, state: State,
    seen: duals.PairMoments, steps: tuple[Step, Step], inputs: Inputs, rates: Array,
    sources: exponents.Sources | None,
) -> State:  # fmt: skip
    """One layer of taps, for `count` inputs; rates [streams, 2] of its weights and biases."""
    rows, columns = steps
    scale, dtype, shape = (1 - beta) * (1 + beta), state.theta.dtype, state.theta.shape[1:]
    row_taps, column_taps = (jnp.asarray(step.taps, dtype) for step in steps)
    covariance, distance, slope = (part[: prod(shape)].reshape(shape) for part in seen)

    def over_taps(table: Array) -> Array:
        with jax.default_matmul_precision("highest"):
            return scale * (row_taps @ table @ column_taps.T)

    nearer = over_taps(distance)
    if unit:
        shared = jnp.outer(jnp.asarray(rows.common, dtype), jnp.asarray(columns.common, dtype))
        distance = scale * 2 * (1 - shared)[None] + nearer
        sigma, left, right = 1 - distance / 2, jnp.zeros(0, dtype), jnp.zeros(0, dtype)
    else:
        sigma = beta**2 + over_taps(covariance)
        places = ((inputs.one, rows.left, columns.left), (inputs.other, rows.right, columns.right))
        left, right = (sigma[:count][n][:, a[:, None], b[None]] for n, a, b in places)
        alike = jnp.logical_and(rows.alike[:, None], columns.alike[None])
        apart = (left - sigma) + (right - sigma)
        distance = jnp.where(alike[None], nearer, jnp.maximum(apart, 0))
    weight = state.weight if first else state.weight / (state.weight + moment * scale)
    of_weights, of_biases = (rates[:, k, None, None, None] for k in range(2))
    direct = of_weights * (sigma - beta**2)[None] + of_biases * beta**2
    pairs = Pairs(*map(flat, (sigma, distance, left, right)))
    if sources is not None and state.exponent is not None:
        past = moment * scale * slope[None] * state.theta
        number, exponent = exponents.over_taps(past, state.exponent, sources)
        return State(pairs, *exponents.add(direct, number, exponent), weight)
    theta = weight * direct + (1 - weight) / scale * over_taps(slope[None] * state.theta)
    return State(pairs, theta, None, weight)
