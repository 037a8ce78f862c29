"""Batches in two groups, k points against all others: exactly, nearly, and as a state of depth."""

from functools import partial
from math import nan, sqrt
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float, Key

from freezechaos import checks, expectations
from freezechaos.activations import Activation, standardized
from freezechaos.types import Number

from .distances import distance_step, squares_from_centre
from .stability import odd_states

_LAYERS = 100_000
_TOLD = 5  # four points and the rest, of either group
_STEPS = 120  # of a power iteration: more would let rounding grow along what is unstable


def two_values(
    key: Key[Array, ""], n: int, k: int, width: int, *, rescale: bool = False
) -> Float[Array, "n width"]:
    """A batch of two values after any number of layers of recentre + ReLU, k points and n - k.

    Its law does not depend on the depth: with u ~ N(0, I), drawn afresh in every layer, the k
    points are (n - k) relu(u) / n, the others k relu(-u) / n, up to the scale of the batch; with
    rescaling sqrt((n - k) / k) 1{u > 0} and sqrt(k / (n - k)) 1{u < 0}.

    Arguments:
        n, k: points, and points of the first value, which come first; 1 <= k < n.
        rescale: with the part "rescale", between the other two.

    Raises:
        ValueError, TypeError: arguments outside their ranges.

    Source: derived in the chapter.
    """
    n, k = _checked(n, k)
    width = checks.whole("width", width, 1, "Try 256.")
    u = jax.random.normal(key, (width,))
    if rescale:
        one, other = (jnp.heaviside(v, 0.0) for v in (u, -u))
        one, other = sqrt((n - k) / k) * one, sqrt(k / (n - k)) * other
    else:
        one, other = (n - k) / n * jnp.maximum(u, 0), k / n * jnp.maximum(-u, 0)
    return jnp.concatenate([jnp.tile(one, (k, 1)), jnp.tile(other, (n - k, 1))])


def two_value_lengths(
    key: Key[Array, ""], n: Number, k: Number, width: int, depth: int
) -> Float[Array, "2 layers"]:
    """Lengths of the two values in one network of recentre + ReLU, from the inputs to each layer.

    Exactly two values stay exactly two, so a layer is drawn for two points, as in `propagate`. The
    inputs are Gaussian; the batch has mean squared length 1 in every layer.

    Arguments:
        n, k: as for `two_values`; both may be traced.
        width: neurons of each layer, and entries of an input; 1 or more.
        depth: layers, 1 or more.

    Returns:
        [2, depth + 1], of the k points first.

    Raises:
        ValueError, TypeError: arguments outside their ranges.

    Source: derived in the chapter.

    >>> lengths = two_value_lengths(jax.random.key(0), 32, 4, 300, 5)
    >>> lengths.shape, bool(jnp.allclose(jnp.array([4.0, 28.0]) @ lengths**2, 32, atol=1e-3))
    ((2, 6), True)
    """
    if not isinstance(n, jax.core.Tracer) and not isinstance(k, jax.core.Tracer):
        n, k = _checked(n, k)
    width, depth = checks.whole("width", width, 1, "Try 256."), checks.depth(depth)
    counts = jnp.stack([jnp.asarray(k, float), jnp.asarray(n, float) - jnp.asarray(k, float)])

    def scaled(points: Float[Array, "2 width"]) -> tuple[Array, Array]:
        """The Gram matrix of two points, and their lengths, both in root mean squares."""
        gram = points @ points.T
        gram = gram * (jnp.sum(counts) / (counts @ jnp.diagonal(gram)))
        return gram, jnp.sqrt(jnp.diagonal(gram))

    def layer(gram: Float[Array, "2 2"], key: Array) -> tuple[Array, Array]:
        one, other = jax.random.normal(key, (2, width))
        # of two points the Cholesky factor, in which either may be 0
        first = jnp.sqrt(gram[0, 0])
        along = jnp.where(first > 0, gram[0, 1] / jnp.where(first > 0, first, 1), 0)
        across = jnp.sqrt(jnp.maximum(gram[1, 1] - along**2, 0))
        before = jnp.stack([first * one, along * one + across * other])
        centre = (counts @ before / jnp.sum(counts))[None]
        return scaled(jnp.maximum(before - centre, 0))

    first, later = jax.random.split(key)
    gram, lengths = scaled(jax.random.normal(first, (2, width)))
    after = lax.scan(layer, gram, jax.random.split(later, depth))[1]
    return jnp.concatenate([lengths[:, None], after.T], axis=1)


class SplitMultipliers(NamedTuple):
    """What a layer multiplies small differences inside the two groups by, relative to the gap.

    Attributes:
        spread: the squared spread, in either group.
        longer: differences of length among the k points; there are none where k = 1.
        shorter: those among the n - k others.
    """

    spread: float
    longer: float
    shorter: float


def split_multipliers(n: int, k: int) -> SplitMultipliers:
    """How differences inside two collapsed groups grow under recentre + ReLU.

    With g = (k^2 + (n - k)^2) / n^2, by which the squared gap of the groups shrinks: 1/g, and
    (n - k) / (n g), and k / (n g). The first is more than 1 for every k, the second for k < n/2.

    Arguments: as for `two_values`.

    Source: derived in the chapter.

    >>> [round(value, 3) for value in split_multipliers(12, 3)]
    [1.6, 1.2, 0.4]
    """
    n, k = _checked(n, k)
    g = (k**2 + (n - k) ** 2) / n**2
    return SplitMultipliers(1 / g, (n - k) / n / g, k / n / g)


def collapse_multipliers(
    n: int, k: int, activation: Activation | None = None
) -> tuple[float, float]:
    """What a layer multiplies the squared spread of either group by, relative to the squared gap.

    For any activation, where the recentred batch is scaled to mean square 1. With a = (n - k)/n,
    b = k/n, s^2 = 1/(a b) and Z ~ N(0, 1), and G = E(sigma(a s Z) - sigma(-b s Z))^2, the k points
    have s^2 E[sigma'(a s Z)^2] / G and the others s^2 E[sigma'(-b s Z)^2] / G. Below 1 in both,
    the groups become single points.

    Arguments:
        n, k: as for `two_values`.
        activation: standardized ReLU where left out.

    Returns:
        That of the k points, which for k = 1 have no spread, and that of the others.

    Source: derived in the chapter.

    >>> [round(value, 3) for value in collapse_multipliers(32, 2, standardized("gelu"))]
    [1.115, 0.628]
    """
    n, k = _checked(n, k)
    sigma = standardized("relu") if activation is None else checks.activation(activation)
    value, slope, _ = expectations.in_float64(sigma.function)
    first, second = sqrt((n - k) / k), -sqrt(k / (n - k))  # a s and -b s
    borders = np.concatenate([[0], *(np.divide(sigma.kinks, at) for at in (first, second))])
    borders = np.unique(np.concatenate([np.linspace(-13, 13, 417), borders]))
    domain = expectations.Panels(borders[np.abs(borders) <= 13], *[np.zeros(0)] * 3)
    gap = domain.mean(lambda z: (value(first * z) - value(second * z)) ** 2)
    both = (domain.mean(partial(_squared, slope, at)) for at in (first, second))
    small, large = (n**2 / (k * (n - k)) / gap * spread for spread in both)
    return small, large


def _squared(function: expectations.Function, factor: float, z: np.ndarray) -> np.ndarray:
    return function(factor * z) ** 2


class SplitState(NamedTuple):
    """A state of recentre + ReLU with k long points at nearly a right angle to all others.

    Attributes:
        length: of one of the k, in lengths of the others.
        inside: cosine of two of the k; 1 where k = 1.
        cluster: cosine of two of the others.
        across: cosine between the groups.
        longer: what a layer multiplies differences of length among the k by; NaN where k = 1.
        others: the largest multiplier of all other small disturbances.
        gram: the state, of trace n, the k points first.
    """

    length: float
    inside: float
    cluster: float
    across: float
    longer: float
    others: float
    gram: np.ndarray


def split_state(n: int, k: int) -> SplitState | None:
    """The state with k odd points, if there is one; for k >= 2 it is a saddle.

    Where all k are alike and all others too, three distances say all, and `distance_step` leads
    them to the state. Its multipliers are those of the map of N x N matrices, kind by kind.

    Arguments:
        n: from 5 to 1024 points.
        k: as for `two_values`.

    Returns:
        None where two groups that begin apart become alike.

    Raises:
        ValueError, TypeError: arguments outside their ranges.

    Source: derived in the chapter.

    >>> state = split_state(32, 2)
    >>> round(state.length, 1), round(state.longer, 3), state.others < 1
    (14.5, 1.055, True)
    """
    n, k = _checked(n, k, least=5)
    counts = np.array([k, n - k], np.float64)
    with jax.enable_x64(True):
        squares = _settled(jnp.array([[0.05, 1.0], [1.0, 0.05]]), jnp.asarray(counts))
        if squares[0, 1] < 1.05 * squares[1, 1]:
            return None
        after = np.asarray(distance_step(squares, counts))
        square = np.asarray(squares_from_centre(squares, counts))
    groups = (square[:, None] + square[None] - after) / 2
    if k == 1:
        groups[0, 0] = square[0]
    group = np.repeat([0, 1], [k, n - k])
    gram = groups[np.ix_(group, group)]
    np.fill_diagonal(gram, square[group])
    cosine = groups / np.sqrt(np.outer(square, square))
    inside, cluster, across = (float(cosine[pair]) for pair in ((0, 0), (1, 1), (0, 1)))
    multipliers = _by_kind(squares, n, k)
    if k == 1 and (state := odd_states(n)):  # all that two groups have in common is a contrast
        multipliers["common"] = state.multiplier
    longer, others = multipliers.pop("longer", nan), max(multipliers.values())
    length, scale = float(np.sqrt(square[0] / square[1])), n / np.trace(gram)
    return SplitState(length, inside, cluster, across, longer, others, gram * scale)


@jax.jit
def _settled(squares: Array, counts: Array) -> Array:
    """Distances of two groups, far layers on, with that between the groups at 1."""

    def step(state: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        before, _, layer = state
        after = distance_step(before, counts)
        after = after / after[0, 1]
        return after, jnp.max(jnp.abs(after / before - 1)), layer + 1

    def on(state: tuple[Array, Array, Array]) -> Array:
        return (state[1] > 1e-13) & (state[2] < _LAYERS)

    return lax.while_loop(on, step, (squares, jnp.asarray(jnp.inf), jnp.asarray(0)))[0]


def _by_kind(squares: Array, n: int, k: int) -> dict[str, float]:
    """The leading multiplier of each kind of disturbance that permutations cannot mix.

    Four points of each group are told apart, the rest stay groups; fewer than four leave a rest
    of negative size, which nothing here minds: all sums are polynomials in the sizes.
    """
    one, other = np.split(np.eye(2 * _TOLD), 2)
    group = np.repeat([0, 1], _TOLD)
    counts = np.ones(2 * _TOLD)
    counts[_TOLD - 1 :: _TOLD] = k - _TOLD + 1, n - k - _TOLD + 1
    with jax.enable_x64(True):
        power = partial(_power, squares[np.ix_(group, group)], jnp.asarray(counts))
        kinds = {"common": np.outer(one.sum(0), one.sum(0))}
        for name, e, size in (("longer", one, k), ("shorter", other, n - k)):
            if size >= 2:
                kinds[name] = np.add.outer(e[0] - e[1], e[0] - e[1])
            if size >= 4:  # pairs whose rows sum to 0
                kinds[f"angles of the {name}"] = _symmetric(e[0] - e[3], e[1] - e[2])
        if min(k, n - k) >= 2:
            kinds["across"] = _symmetric(one[0] - one[1], other[0] - other[1])
        return {kind: float(power(jnp.asarray(change))) for kind, change in kinds.items()}


def _symmetric(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    return np.outer(u, v) + np.outer(v, u)


@jax.jit
def _power(squares: Array, counts: Array, change: Array) -> Array:
    """The leading multiplier of `distance_step`, up to scale, on what a change can become."""

    def layer(squares: Array) -> Array:
        after = distance_step(squares, counts)
        return after / after[0, -1]

    def step(_: Array, state: tuple[Array, Array]) -> tuple[Array, Array]:
        change = state[0] / jnp.sqrt(jnp.sum(state[0] ** 2))
        _, after = jax.jvp(layer, (squares,), (change,))
        return after, jnp.sum(change * after)

    return lax.fori_loop(0, _STEPS, step, (change, jnp.zeros_like(squares[0, 0])))[1]


def _checked(n: Any, k: Any, least: int = 2) -> tuple[int, int]:
    n = checks.whole("n", n, least, "It is the number of points; try 32.")
    k = checks.whole("k", k, 1, "It is the number of points in the first group; try 1.")
    if k >= n:
        raise ValueError(f"`k` must be less than `n` = {n}; got {k}. The others need a point.")
    return n, k
