"""The states in which depth leaves a batch at infinite width, and whether they last."""

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Real

from freezechaos import checks, scalars
from freezechaos.activations import Activation
from freezechaos.types import Integer, Number

from . import parts as part
from .grams import LOG_TIMES, LOG_WEIGHTS, _step, checked_reach, gram_step, homogeneous
from .parts import DEFAULT

_LONGEST = 200_000  # layers
_GRID = 1000


def fixed_point(
    gram: Real[ArrayLike, "n n"],
    parts: Sequence[str] = DEFAULT,
    activation: Activation | None = None,
    *,
    tolerance: Number = 1e-11,
) -> Float[np.ndarray, "n n"]:
    """The Gram matrix, in float64, to which `gram_step` leads from the given one.

    Arguments:
        gram, parts, activation: as for `gram_step`.
        tolerance: the largest change of an entry in the last step; near a multiplier mu the
            fixed point is tolerance / (1 - mu) away.

    Raises:
        ValueError, TypeError: as for `gram_step`; no fixed point in 200,000 layers, as in a
            collapse, which is reached more and more slowly.

    >>> grown = fixed_point(jnp.diag(jnp.array([1.0, 1, 1, 1, 1, 1, 1, 4])))
    >>> bool(np.allclose(gram_step(grown), grown, atol=1e-5))
    True
    """
    parts, activation = _checked(gram, parts, activation)
    tolerance = scalars.real("tolerance", tolerance, "Try 1e-11.")
    if not tolerance > 0:
        raise ValueError(f"`tolerance` must be positive; got {tolerance:g}. Try 1e-11.")
    with jax.enable_x64(True):
        start = jnp.asarray(np.asarray(gram, np.float64))
        end, change = _settled(start, tolerance, parts, activation)
        checked_reach(end, activation)
        if not change <= tolerance:
            raise ValueError(
                f"`gram` must lead to a fixed point; after {_LONGEST} layers it still changes by "
                f"{float(change):.1e} a layer. Raise `tolerance`, or look at iterate(gram, 1000)."
            )
        return np.asarray(end)


@partial(jax.jit, static_argnames=("parts", "activation"))
def _settled(
    gram: Array, tolerance: Number, parts: tuple[str, ...], activation: Activation | None
) -> tuple[Array, Array]:
    def step(state: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        before, _, count = state
        after = _step(before, parts, activation)
        return after, jnp.max(jnp.abs(after - before)), count + 1

    def on(state: tuple[Array, Array, Array]) -> Array:
        return (state[1] > tolerance) & (state[2] < _LONGEST)

    end, change, _ = lax.while_loop(on, step, (gram, jnp.asarray(jnp.inf), jnp.asarray(0)))
    return end, change


def leading_multiplier(
    gram: Real[ArrayLike, "n n"],
    parts: Sequence[str] = DEFAULT,
    activation: Activation | None = None,
    *,
    steps: Integer = 300,
) -> float:
    """By what a small disturbance of a fixed point is multiplied a layer, the slowest there is.

    The largest eigenvalue of the derivative of `gram_step`, by power iteration in float64: below
    1 the fixed point is stable.

    Arguments:
        gram: a fixed point, from `fixed_point`; parts, activation: as for `gram_step`.
        steps: of the iteration.

    Raises:
        ValueError, TypeError: as for `gram_step`.
    """
    steps = checks.whole("steps", steps, 1, "They are of the power iteration; try 300.")
    parts, activation = _checked(gram, parts, activation)
    noise = np.random.default_rng(0).normal(size=np.shape(gram))
    with jax.enable_x64(True):
        start = jnp.asarray(np.asarray(gram, np.float64))
        start = start * (len(start) / jnp.trace(start))
        return float(_power(start, jnp.asarray(noise + noise.T), steps, parts, activation))


@partial(jax.jit, static_argnames=("parts", "activation"))
def _power(
    gram: Array, change: Array, steps: Integer, parts: tuple[str, ...],
    activation: Activation | None,
) -> Array:  # fmt: skip
    def step(_: Array, state: tuple[Array, Array]) -> tuple[Array, Array]:
        change = state[0] / jnp.sqrt(jnp.sum(state[0] ** 2))
        _, after = jax.jvp(lambda gram: _step(gram, parts, activation), (gram,), (change,))
        return after, jnp.sum(change * after)

    return lax.fori_loop(0, steps, step, (change, jnp.zeros(())))[1]


def symmetric_cosine(n: Number, activation: Activation | None = None) -> float:
    """The cosine of every pair in the symmetric state of recentre + (rescale +) nonlinearity.

    R(-1 / (n - 1)) / R(1): recentring makes a symmetric batch a simplex, whatever its cosine.

    Arguments:
        n: 2 or more points.
        activation: with sigma(a x) = a sigma(x) for a > 0; standardized ReLU where left out.

    Raises:
        ValueError, TypeError: another activation, fewer points.

    >>> round(symmetric_cosine(10), 3), round(symmetric_cosine(32), 3)
    (0.265, 0.302)
    """
    n = _checked_number(n, 2)
    return float(_dual(homogeneous(activation), -1 / (n - 1))[0])


def symmetric_multipliers(
    n: Number, activation: Activation | None = None, *, rescale: bool = False
) -> tuple[float, float]:
    """What a layer multiplies a small disturbance of the symmetric state by: of a point, of pairs.

    With rho = -1 / (n - 1) and c = R(rho) / R(1), a disturbance of the pairs that leaves the
    points alike is multiplied by mu = (1 - rho) R'(rho) / (R(1) - R(rho)), and one point that
    differs from the others by 1 - (1 - mu) / (n - 1). As R is convex for ReLU, mu < 1, and the
    symmetric state is stable for every n. Rescaling multiplies both by (n - 1) / (n + 1).

    Arguments:
        n: 4 or more points; activation: as for `symmetric_cosine`.
        rescale: with the part "rescale", between the other two.

    Raises:
        ValueError, TypeError: as for `symmetric_cosine`.

    Source: derived in the chapter.

    >>> [round(symmetric_multipliers(n)[0], 3) for n in (10, 32, 64)]
    [0.967, 0.991, 0.996]
    """
    n = _checked_number(n, 4)
    rho = -1 / (n - 1)
    value, slope = _dual(homogeneous(activation), rho)
    pair = float((1 - rho) * slope / (1 - value))
    factor = (n - 1) / (n + 1) if rescale else 1.0
    return factor * (1 - (1 - pair) / (n - 1)), factor * pair


def odd_map(
    contrast: Real[ArrayLike, "*batch"],
    n: Number,
    activation: Activation | None = None,
    *,
    rescale: bool = False,
) -> Float[np.ndarray, "*batch"]:
    """The contrast one layer on, for recentre + nonlinearity and a batch with one odd point.

    Such a batch has four numbers, the squared lengths and the two cosines; recentring leaves of
    them one, the contrast x of `odd_gram`, beside the scale. So the map of N x N matrices is a
    map of one number. x = 1, the symmetric state, stays.

    Arguments:
        contrast: positive numbers.
        n: more than 3; it need not be whole.
        activation: as for `symmetric_cosine`.
        rescale: with the part "rescale", between the other two.

    Raises:
        ValueError, TypeError: as for `symmetric_cosine`; a contrast that is not positive.

    Source: derived in the chapter.
    """
    n = _checked_number(n, 3)
    x = np.asarray(contrast, np.float64)
    if not (x > 0).all():
        raise ValueError(f"`contrast` must be positive; got {x.min():g}. 1 is the simplex.")
    return np.asarray(_odd(x, n, homogeneous(activation), rescale)[0])


class OddStates(NamedTuple):
    """The two states with an odd point: the stable one, and the border of its basin.

    Attributes:
        contrast: x of the stable state.
        cluster: cosine of two points in its cluster.
        cosine: that of the odd point with them.
        length: of the odd point, in lengths of the others.
        multiplier: of a small change of the contrast; below 1.
        border: the contrast above which the odd point wins.
        excess: by how much one of n orthogonal points must be longer for that contrast.
    """

    contrast: float
    cluster: float
    cosine: float
    length: float
    multiplier: float
    border: float
    excess: float


def odd_states(
    n: Number, activation: Activation | None = None, *, rescale: bool = False
) -> OddStates | None:
    """The odd-point state of recentre + nonlinearity and the border of its basin, if it exists.

    Without rescaling there is one from 7 points on, with it from 52 on.

    Arguments:
        n: from 4 to 1024 points; it need not be whole.
        activation: as for `symmetric_cosine`.
        rescale: with the part "rescale", between the other two.

    Returns:
        None where the symmetric state is all there is.

    Raises:
        ValueError, TypeError: as for `symmetric_cosine`.

    Source: derived in the chapter.

    >>> odd_states(6) is None
    True
    >>> round(odd_states(8).cluster, 3), round(odd_states(8).cosine, 3)
    (0.579, 0.043)
    >>> odd_states(51, rescale=True) is None, round(odd_states(64, rescale=True).contrast, 2)
    (True, 7.47)
    """
    n = _checked_number(n, 4, 1024)
    kind = n, homogeneous(activation), rescale
    logs = np.linspace(np.log1p(0.1 / n), np.log(10 * n**4), _GRID)
    rise = _growth(logs, *kind)
    crossings = np.flatnonzero(np.sign(rise[1:]) != np.sign(rise[:-1]))
    if len(crossings) != 2:
        return None
    ends = [_crossing(logs[k], logs[k + 1], *kind) for k in crossings]
    border, x = np.exp(ends)
    _, cluster, cosine, length = _odd(x, *kind)
    near = _growth(np.linspace(ends[1] - 1e-4, ends[1] + 1e-4, _GRID), *kind)
    multiplier = 1 + (near[-1] - near[0]) / 2e-4
    excess = np.sqrt((n * border - 1) / (n - 1)) - 1
    return OddStates(*map(float, (x, cluster, cosine, length, multiplier, border, excess)))


def _growth(logs: np.ndarray, n: float, sigma: Activation, rescale: bool) -> np.ndarray:
    return np.log(_odd(np.exp(logs), n, sigma, rescale)[0]) - logs


def _crossing(low: float, high: float, n: float, sigma: Activation, rescale: bool) -> float:
    """Where the growth of log x is zero, on finer and finer grids of one size: one compilation."""
    for _ in range(4):
        logs = np.linspace(low, high, _GRID)
        rise = _growth(logs, n, sigma, rescale)
        k = int(np.argmax(np.sign(rise) != np.sign(rise[0])))
        low, high = logs[k - 1], logs[k]
    return low


def _odd(
    x: np.ndarray | np.floating, n: float, sigma: Activation, rescale: bool
) -> tuple[np.ndarray | np.floating, ...]:
    """The next contrast, cosines in the cluster and across, and the length of the odd point."""
    like = n - 1
    square, odd_square, apart, product = _rescaled(x, n, sigma) if rescale else _four(x, n, sigma)
    gap, cosine = apart / square, product / np.sqrt(square * odd_square)
    length = np.sqrt(odd_square / square)
    mean = 1 - gap * (like - 1) / like  # of the cluster's Gram matrix
    after = like * (mean - 2 * length * cosine + length**2) / n / gap
    return after, 1 - gap, cosine, length


def _four(
    x: np.ndarray | np.floating, n: float, sigma: Activation
) -> tuple[np.ndarray | np.floating, ...]:
    """What the nonlinearity makes of P + x u u^T, the matrix of `odd_gram`.

    Of the others the squared length, of the odd point too; of the others' squared length, what
    their products lack; the product of the odd point with another.
    """
    like = n - 1
    square, odd_square = 1 - 1 / like + x / (n * like), x * like / n
    across = -x / n / np.sqrt(square * odd_square)
    with jax.enable_x64(True):
        # 1 / square is the gap to 1 of the cosine within the cluster
        gap, cosine = map(np.asarray, _duals(1 / square, across, sigma))
    return square, odd_square, square * gap, np.sqrt(square * odd_square) * cosine


def _rescaled(x: np.ndarray | np.floating, n: float, sigma: Activation) -> tuple[np.ndarray, ...]:
    """As `_four`, after rescaling: the integral over t of `gram_step`, for this one matrix."""
    x = np.asarray(x)[..., None]
    times = np.exp(LOG_TIMES) / (n - 2 + x)  # over the trace
    along, others = 1 + 2 * times * x, 1 + 2 * times
    masses = np.exp(LOG_WEIGHTS - (np.log(along) + (n - 2) * np.log(others)) / 2) / others
    # of u the tilted matrix has x / along, of the others 1 / others, which is in `masses`
    four = _four(x * others / along, n, sigma)
    return tuple(np.asarray(np.sum(masses * part, -1)) for part in four)


@partial(jax.jit, static_argnames=("sigma",))
def _duals(gap: Array, cosine: Array, sigma: Activation) -> tuple[Array, Array]:
    """1 - R(1 - gap) / R(1) and R(cosine) / R(1)."""
    return sigma.dual_gap(gap) / sigma.second_moment, sigma.dual(cosine) / sigma.second_moment


def _dual(sigma: Activation, cosine: float) -> tuple[float, float]:
    """R / R(1) and R' / R(1)."""
    with jax.enable_x64(True):
        rho = jnp.asarray(cosine)
        values = sigma.dual(rho), sigma.derivative_dual(rho)
        return float(values[0]) / sigma.second_moment, float(values[1]) / sigma.second_moment


def _checked(
    gram: ArrayLike, parts: Sequence[str], activation: Activation | None
) -> tuple[tuple[str, ...], Activation | None]:
    with jax.enable_x64(True):
        gram_step(gram, parts, activation)  # for its checks
    parts = part.checked(parts)
    return parts, part.checked_activation(parts, activation)


def _checked_number(n: Number, least: int, most: float = float("inf")) -> float:
    number = scalars.real("n", n, "It is the number of points; try 10.")
    if not least <= number <= most:
        limit = f"{least} or more" if most == float("inf") else f"from {least} to {most}"
        raise ValueError(f"`n`, the number of points, must be {limit}; got {n}. Try 10.")
    return number
