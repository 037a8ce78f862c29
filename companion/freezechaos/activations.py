"""Activations as the theory sees them: Gaussian moments and dual maps, exact near every end.

The dual map of an activation is R(rho) = E[sigma(u) sigma(v)] for unit Gaussians u, v of
correlation rho; its derivative R' is the dual map of sigma' [JGGH]. Near
rho = 1 the number that matters is the gap 1 - rho, and it must not be computed as a difference.
So the map is kept in three pieces:

- in the middle, |rho| <= 1/2, as its power series: R(rho) = sum_k a_k^2 rho^k, with a_k the
  Hermite coefficients of sigma, which is exact to float64 after 54 terms;
- at each end, rho = +-(1 - gap), as R = value + M gap (slope + bend(gap)) with M = E[sigma'^2],
  where the bend is x times a polynomial in x: x = gap for a smooth sigma, x = sqrt(gap) for one
  with a kink (or with features too fine for its Hermite series).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache, partial
from math import pi, sqrt
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.scipy.special import erf
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Real
from numpy.polynomial import chebyshev

from . import expectations, scalars
from .numerics import floating, read_only, safe_sqrt
from .types import Number

_SERIES_LENGTH = 2048  # Hermite coefficients looked at to tell smooth activations from others
CENTRE_LENGTH = 60  # 4^-60 and less is left out at |rho| = 1/2


@dataclass(frozen=True, eq=False)
class End:
    """The dual map at one end of the interval, rho = +-(1 - gap) with gap in [0, 1/2].

    R = value + M gap (slope + bend(gap)) and bend(gap) = x X(x), where x = gap^power and X is a
    Chebyshev series on 0 <= x <= 2^-power.
    """

    value: Any
    slope: float
    power: float
    coefficients: np.ndarray = field(repr=False)

    def __post_init__(self) -> None:
        read_only(self.coefficients)

    def bend(self, gap: Array) -> tuple[Array, Array]:
        """bend(gap) and the bend of the derivative, d(gap bend(gap)) / d(gap)."""
        if not self.coefficients.any():
            return jnp.zeros_like(gap), jnp.zeros_like(gap)
        x = gap if self.power == 1 else safe_sqrt(gap)
        series = _chopped(self.coefficients, float(jnp.finfo(x.dtype).eps) / 8)
        place = 2 ** (1 + self.power) * x - 1
        derivative = _derivative_series(series, self.power)
        value, slope = (clenshaw([float(c) for c in cs], place) for cs in (series, derivative))
        return x * value, x * slope


class DualMap:
    """R and R' from what is known of them: their two ends, and the series between.

    Attributes:
        second_moment, derivative_second_moment: R(1) and R'(1).
        affine_part: a_0^2 and a_1^2.
        plus, minus: the ends.
    """

    second_moment: Any
    derivative_second_moment: Any
    affine_part: Any
    plus: Any
    minus: Any

    def centre_series(self, rho: Array) -> tuple[Array, Array]:
        """sum_{k>=2} a_k^2 rho^k and its derivative, for |rho| <= 1/2."""
        raise NotImplementedError

    def dual(self, correlation: Real[ArrayLike, "*shape"]) -> Float[Array, "*shape"]:
        """R(rho) = E[sigma(u) sigma(v)] for correlations rho in [-1, 1]."""
        return self._dual_pair(correlation)[0]

    def derivative_dual(self, correlation: Real[ArrayLike, "*shape"]) -> Float[Array, "*shape"]:
        """R'(rho) = E[sigma'(u) sigma'(v)] for correlations rho in [-1, 1]."""
        return self._dual_pair(correlation)[1]

    def dual_gap(self, gap: Real[ArrayLike, "*shape"]) -> Float[Array, "*shape"]:
        """R(1) - R(1 - gap) for gaps in [0, 2], without cancellation at small gaps."""
        gap = floating(gap)
        near, _ = self.plus.bend(jnp.where(gap <= 0.5, gap, 0.5))
        small = self.derivative_second_moment * gap * (1 - near)
        return jnp.where(gap <= 0.5, small, self.second_moment - self.dual(1 - gap))

    def derivative_dual_gap(self, gap: Real[ArrayLike, "*shape"]) -> Float[Array, "*shape"]:
        """R'(1) - R'(1 - gap) for gaps in [0, 2], without cancellation at small gaps."""
        gap = floating(gap)
        _, near = self.plus.bend(jnp.where(gap <= 0.5, gap, 0.5))
        moment = self.derivative_second_moment
        far = moment - self.derivative_dual(1 - gap)
        return jnp.where(gap <= 0.5, moment * near, far)

    def _dual_pair(self, correlation: ArrayLike) -> tuple[Array, Array]:
        rho = floating(correlation)
        rho = rho if rho.dtype == jnp.float64 else rho.astype(jnp.float32)
        moment = self.derivative_second_moment
        gap = 1 - jnp.abs(rho)
        gap = jnp.where((gap >= 0) & (gap <= 0.5), gap, 0)  # clip would halve slopes at its ends
        ends = []
        for end, sign in ((self.plus, -1), (self.minus, 1)):
            bend, derivative_bend = end.bend(gap)
            value = end.value * self.second_moment + moment * gap * (end.slope + bend)
            ends.append((value, sign * moment * (end.slope + derivative_bend)))
        series, derivative_series = self.centre_series(jnp.where(jnp.abs(rho) <= 0.5, rho, 0))
        a0, a1 = self.affine_part
        middle = (a0 + a1 * rho + series, a1 + derivative_series)
        value, slope = (
            jnp.where(rho > 0.5, above, jnp.where(rho < -0.5, below, inside))
            for above, below, inside in zip(*ends, middle, strict=True)
        )
        return value, slope


@jax.tree_util.register_static
@dataclass(frozen=True, eq=False)
class Activation(DualMap):
    """An activation function, with what infinitely wide networks see of it.

    A value: equal to every other one made of the same function and the same share of its mean,
    and so also after pickling (which needs a named or importable function) and copying; to JAX a
    pytree without leaves.

    Attributes:
        name: what it is called in figures and messages.
        given: the name or the function it was made from.
        share: of the mean that is taken away: 0 if standardized, 1 if normalized.
        mean: E[sigma(Z)], Z ~ N(0, 1).
        second_moment: E[sigma(Z)^2]; 1 for a standardized activation.
        derivative_second_moment: E[sigma'(Z)^2] = R'(1).
        homogeneous: whether sigma(x) - sigma(0) is proportional to |x| on both sides of 0.
        kinks: where sigma or its derivative has one, within 13 of 0.
        shift, deviation: sigma(x) = (f(x) - shift) / deviation for the function f given.
        origin: f(0) - shift.
    """

    name: str
    given: "str | Callable[[Array], Array]" = field(repr=False)
    share: float = field(repr=False)
    mean: float
    second_moment: float
    derivative_second_moment: float
    homogeneous: bool = field(repr=False)
    kinks: tuple[float, ...] = field(repr=False)
    shift: float = field(repr=False)
    deviation: float = field(repr=False)
    origin: float = field(repr=False)
    centre: np.ndarray = field(repr=False)
    plus: End = field(repr=False)
    minus: End = field(repr=False)
    base: "_Base" = field(repr=False)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Activation):
            return NotImplemented
        return self.given == other.given and self.share == other.share

    def __hash__(self) -> int:
        return hash((self.given, self.share))

    def __reduce__(self) -> tuple[Any, ...]:
        return _made, (self.given, self.name, self.share)

    def __deepcopy__(self, memo: Any) -> "Activation":
        return self  # nothing in it can be changed

    def function(self, x: Real[ArrayLike, "*shape"]) -> Float[Array, "*shape"]:
        """sigma(x), elementwise."""
        return (self.base.function(floating(x)) - self.shift) / self.deviation

    def quadrature(self, angle: float) -> float:
        """R(cos(angle)) by direct two-dimensional quadrature, in float64."""
        lost = self.shift * (2 * float(self.base.hermite[0]) - self.shift)
        return (self.base.quadrature(angle) - lost) / self.deviation**2

    @cached_property
    def error(self) -> float:
        """Largest deviation of the dual map, in float64, from direct two-dimensional quadrature.

        Looked at for angles on both sides of both seams; about a second for a new function.
        """
        angles = np.array([0.01, 0.5, 1.0, 1.1, 1.5, 2.0, 2.2, 3.0])
        direct = np.array([self.quadrature(angle) for angle in angles])
        with jax.enable_x64(True):
            return float(np.max(np.abs(np.asarray(self.dual(jnp.cos(angles))) - direct)))

    @property
    def is_centred(self) -> bool:
        """Whether E[sigma(Z)] = 0, but for rounding."""
        return bool(self.centre[0] <= 1e-28)

    def __call__(self, x: Real[ArrayLike, "*shape"]) -> Float[Array, "*shape"]:
        """sigma(x), elementwise."""
        return self.function(x)

    @property
    def affine_part(self) -> tuple[float, float]:
        """a_0^2 and a_1^2."""
        return float(self.centre[0]), float(self.centre[1])

    def centre_series(self, rho: Array) -> tuple[Array, Array]:
        """sum_{k>=2} a_k^2 rho^k and its derivative, for |rho| <= 1/2."""
        length = 26 if rho.dtype == jnp.float32 else CENTRE_LENGTH
        return power_series([float(coefficient) for coefficient in self.centre[: length + 1]], rho)


@dataclass(frozen=True, eq=False)
class Offset(DualMap):
    """A normalized activation and a constant, together of second moment 1.

    With a_0^2 the share of the constant, R = a_0^2 + (1 - a_0^2) R_base. For layer maps and
    kernels where the share is traced; `recentred` makes an `Activation` for a known one.

    Attributes:
        base: the normalized activation.
        share: a_0^2, in [0, 1).
    """

    base: Activation
    share: Any
    second_moment = 1.0

    @property
    def derivative_second_moment(self) -> Any:
        """E[sigma'(Z)^2] = R'(1)."""
        return (1 - self.share) * self.base.derivative_second_moment

    @property
    def affine_part(self) -> tuple[Any, Any]:
        """a_0^2 and a_1^2."""
        return self.share, (1 - self.share) * self.base.affine_part[1]

    @property
    def plus(self) -> End:
        """The end at 1, which is that of the base."""
        return self.base.plus

    @property
    def minus(self) -> End:
        """The end at -1."""
        value = self.share + (1 - self.share) * self.base.minus.value
        return replace(self.base.minus, value=value)

    def centre_series(self, rho: Array) -> tuple[Array, Array]:
        """sum_{k>=2} a_k^2 rho^k and its derivative, for |rho| <= 1/2."""
        series, derivative = self.base.centre_series(rho)
        return (1 - self.share) * series, (1 - self.share) * derivative


def standardized(name_or_callable: str | Callable[[Array], Array]) -> Activation:
    """The activation divided by its root mean square, so that E[sigma(Z)^2] = 1 [JGGH].

    Arguments:
        name_or_callable: one of "relu", "erf", "tanh", "sin", "gelu", "silu", "softplus",
            "identity", the result of `leaky_relu(a)`, or any elementwise JAX function that is
            continuous and piecewise smooth.

    Raises:
        ValueError: an unknown name; a function that is constant, jumps, is not finite, or does
            not act elementwise on arrays.
        TypeError: neither a name nor a callable.

    >>> round(standardized("erf").derivative_second_moment, 4)
    1.2257
    """
    given = _given(name_or_callable)
    return _made(given, f"standardized {_name(given)}", 0.0)


def normalized(name_or_callable: str | Callable[[Array], Array]) -> Activation:
    """The activation shifted to mean 0, then divided by its standard deviation [JGGH].

    Arguments and errors as for `standardized`. By the Gaussian Poincare inequality
    E[sigma'(Z)^2] >= 1, with equality for affine functions only.

    >>> round(normalized("relu").derivative_second_moment, 5)  # pi / (pi - 1)
    1.46694
    """
    given = _given(name_or_callable)
    return _made(given, f"normalized {_name(given)}", 1.0)


def recentred(name_or_callable: str | Callable[[Array], Array], share: Number) -> Activation:
    """The activation less a share of its mean, then scaled to E[sigma(Z)^2] = 1.

    A share of 0 is `standardized`, of 1 `normalized`. With m the mean of the standardized
    activation, E[sigma'(Z)^2] grows from one to the other as 1 / (1 - m^2 share (2 - share)).

    Arguments:
        name_or_callable: as for `standardized`.
        share: in [0, 1].

    Raises:
        ValueError: a share outside its range, and as for `standardized`.
        TypeError: a share that is no number or that JAX is tracing, and as for `standardized`.

    >>> round(recentred("relu", 0.5).derivative_second_moment, 5)
    1.3136
    """
    share = scalars.share("share", share, "It is the share of the mean to take away; 1 normalizes.")
    given = _given(name_or_callable)
    return _made(given, f"{_name(given)} less {share:g} of its mean", share)


@dataclass(frozen=True)
class LeakyReLU:
    """max(x, 0) + negative_slope min(x, 0), whose dual map has a closed form."""

    negative_slope: float

    def __call__(self, x: Real[ArrayLike, "*shape"]) -> Float[Array, "*shape"]:
        x = floating(x)
        return jnp.where(x > 0, x, self.negative_slope * x)

    @property
    def __name__(self) -> str:
        return f"leaky_relu({self.negative_slope:g})"


def leaky_relu(negative_slope: Number) -> LeakyReLU:
    """max(x, 0) + negative_slope min(x, 0), to hand to `standardized` or `normalized`.

    Arguments:
        negative_slope: any finite number; 0 is ReLU, 1 the identity, -1 the absolute value.

    Raises:
        ValueError: a slope that is not finite.
        TypeError: a slope that is no number, or that JAX is tracing.
    """
    return LeakyReLU(scalars.real("negative_slope", negative_slope, "Try 0.1."))


NAMED: dict[str, Callable[[Array], Array]] = {
    "relu": LeakyReLU(0.0),
    "erf": erf,
    "tanh": jnp.tanh,
    "sin": jnp.sin,
    "gelu": partial(jax.nn.gelu, approximate=False),
    "silu": jax.nn.silu,
    "softplus": jax.nn.softplus,
    "identity": lambda x: x,
}


_SAME: dict[Any, str] = {
    **{function: name for name, function in NAMED.items() if name not in ("relu", "gelu")},
    LeakyReLU(0.0): "relu",
    jax.nn.relu: "relu",
    jax.lax.erf: "erf",
    jax.lax.tanh: "tanh",
    jax.lax.sin: "sin",
}


@dataclass(frozen=True, eq=False)
class _ByIdentity:
    """A callable without a hash, as one with: it is equal to itself alone."""

    function: Callable[[Array], Array]

    def __call__(self, x: Array) -> Array:
        return self.function(x)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _ByIdentity) and self.function is other.function

    def __hash__(self) -> int:
        return id(self.function)


@dataclass(frozen=True, eq=False)
class _Base:
    """The function as given, with everything that scaling and shifting leaves alone."""

    function: Callable[[Array], Array]
    homogeneous: bool
    origin: float
    hermite: np.ndarray
    second_moment: float
    derivative_second_moment: float
    opposite_moment: float  # E[sigma(Z) sigma(-Z)] = R(-1)
    plus: End
    minus: End
    value: expectations.Function
    domain: expectations.Panels

    def quadrature(self, angle: float) -> float:
        """E[f(u) f(v)] at correlation cos(angle), by direct quadrature."""

        def product(u: np.ndarray, v: np.ndarray) -> np.ndarray:
            return self.value(u) * self.value(v)

        return expectations.bivariate_mean(product, self.domain, angle)


_Given = str | Callable[[Array], Array]


@lru_cache(maxsize=256)
def _made(given: _Given, name: str, share: float) -> Activation:
    with jax.ensure_compile_time_eval():  # also inside somebody's jit, what is kept are numbers
        return _activation(given, _base(given), name, share)


@lru_cache(maxsize=256)
def _base(given: _Given) -> _Base:
    name, function = _name(given), NAMED[given] if isinstance(given, str) else given
    value, slope, curvature = expectations.in_float64(function)
    _check_elementwise(name, function)
    _check_growth(name, value)
    parity = _parity(value)
    domain = _panels(name, value, slope, curvature)
    hermite = expectations.hermite_coefficients(value, domain, _SERIES_LENGTH)
    if parity:
        hermite[(1 if parity > 0 else 0) :: 2] = 0
    moment = domain.mean(lambda z: value(z) ** 2)
    derivative_moment = domain.mean(lambda z: slope(z) ** 2)
    _check_moments(name, hermite, moment, stein=domain.mean(slope))
    opposite = parity * moment if parity else domain.mean(lambda z: value(z) * value(-z))
    slopes = _slopes(function, value)
    if slopes and slopes[0] != slopes[1]:
        derivative_moment = (slopes[0] ** 2 + slopes[1] ** 2) / 2
        moment = moment if value(np.zeros(1))[0] else derivative_moment
        ends = _leaky_relu_ends(slopes)
    elif _converges(hermite, derivative_moment):
        ends = _ends_from_series(hermite, derivative_moment)
    else:
        try:
            ends = _ends_from_quadrature(slope, domain, derivative_moment, parity)
        except ValueError as error:
            raise ValueError(_too_rough(name, domain.own, error)) from error

    origin = float(value(np.zeros(1))[0])
    return _Base(
        function, slopes is not None, origin, hermite, moment, derivative_moment, opposite,
        *ends, value, domain,
    )  # fmt: skip


def _too_rough(name: str, kinks: np.ndarray, error: ValueError) -> str:
    if len(kinks) > 1:
        k = int(np.argmin(np.diff(kinks)))
        return (
            f"`{name}` must have no kinks as near each other as those at {kinks[k]:.6g} and "
            f"{kinks[k + 1]:.6g}; {error}. Try one kink, or a smooth step in their place."
        )
    return f"`{name}` must have a bounded derivative; {error}. Try a smoother function."


def _panels(name: str, *functions: expectations.Function) -> expectations.Panels:
    try:
        return expectations.panels(*functions)
    except ValueError as error:
        raise ValueError(
            f"`{name}` must be piecewise smooth on [-13, 13]; {error}. Try a smoother function."
        ) from error


def _activation(given: _Given, base: _Base, name: str, share: float) -> Activation:
    """The base function less a share of its mean, scaled to second moment 1."""
    mean = share * float(base.hermite[0])
    lost = mean * (2 * float(base.hermite[0]) - mean)  # of every moment E[sigma(u) sigma(v)]
    variance = base.second_moment - lost
    centre = base.hermite[:CENTRE_LENGTH] ** 2 / variance
    centre[0] = (base.hermite[0] - mean) ** 2 / variance
    deviation = sqrt(variance)
    opposite = (base.opposite_moment - lost) / variance
    return Activation(
        name=name,
        given=given,
        share=share,
        mean=float(base.hermite[0] - mean) / deviation,
        second_moment=1.0,
        derivative_second_moment=float(base.derivative_second_moment / variance),
        homogeneous=base.homogeneous,
        kinks=tuple(map(float, base.domain.own)),
        shift=mean,
        deviation=deviation,
        origin=base.origin - mean,
        centre=read_only(centre),
        plus=replace(base.plus, value=1.0),
        minus=replace(base.minus, value=opposite),
        base=base,
    )


def _given(name_or_callable: Any) -> _Given:
    """What identifies the function: its name if it has one here, itself if not."""
    if callable(name_or_callable):
        try:
            return _SAME.get(name_or_callable, name_or_callable)
        except TypeError:  # it has no hash
            return _ByIdentity(name_or_callable)
    if not isinstance(name_or_callable, str):
        raise TypeError(
            f"`name_or_callable` must be a name or a function; got {name_or_callable!r}. "
            'Try "relu" or jnp.tanh.'
        )
    if name_or_callable not in NAMED:
        raise ValueError(
            f"`name_or_callable` must be one of {', '.join(NAMED)}, or a function; "
            f"got {name_or_callable!r}. Hand any elementwise JAX function, or leaky_relu(0.1)."
        )
    return name_or_callable


def _name(given: _Given) -> str:
    if isinstance(given, str):
        return given
    function = given.function if isinstance(given, _ByIdentity) else given
    return str(getattr(function, "__name__", "custom"))


def _slopes(
    function: Callable[[Array], Array], value: expectations.Function
) -> tuple[float, float] | None:
    """The slopes of f(x) - f(0) on both sides of 0, where it is proportional to |x| on each."""
    if isinstance(function, LeakyReLU):
        return 1.0, function.negative_slope
    x = np.concatenate(
        [np.geomspace(1e-3, 1e3, 97), expectations.RADIUS * np.linspace(0.01, 1, 64)]
    )
    origin = value(np.zeros(1))
    above, below = (value(x) - origin) / x, (origin - value(-x)) / x
    size = np.max(np.abs(np.concatenate([above, below]))) + abs(origin[0]) / x
    if not np.isfinite(size).all() or any(
        np.any(np.abs(side - side[96]) > 1e-13 * size) for side in (above, below)
    ):
        return None
    return float(above[96]), float(below[96])


def _check_elementwise(name: str, function: Callable[[Array], Array]) -> None:
    sample = jnp.linspace(-3.0, 3.0, 12).reshape(3, 4)
    try:
        values, backwards = jax.jit(lambda x: (function(x), function(x[::-1, ::-1])))(sample)
    except jax.errors.TracerArrayConversionError as error:
        raise ValueError(
            f"`{name}` must be a function that JAX can trace; got one of NumPy or SciPy. Write it "
            "with jax.numpy and jax.scipy, jnp.tanh instead of np.tanh."
        ) from error
    except Exception as error:
        raise ValueError(
            f"`{name}` must act elementwise on a JAX array; it failed with: {error}. "
            "Write it with jax.numpy, jnp.where instead of if."
        ) from error
    if jnp.shape(values) != sample.shape or not jnp.allclose(
        values, backwards[::-1, ::-1], atol=1e-5, equal_nan=True
    ):
        raise ValueError(
            f"`{name}` must act elementwise: an array of shape {sample.shape} gave shape "
            f"{jnp.shape(values)}, or one entry depends on another. Write it with jax.numpy."
        )


def _check_growth(name: str, value: expectations.Function) -> None:
    z = np.linspace(-expectations.RADIUS, expectations.RADIUS, 2601)
    with np.errstate(over="ignore", invalid="ignore"):
        mass = value(z) ** 2 * np.exp(-z * z / 2)
    if not np.isfinite(mass).all() or max(mass[0], mass[-1]) > 1e-8 * np.max(mass):
        raise ValueError(
            f"`{name}` must be finite and grow slower than exp(x^2 / 4), so that E[sigma(Z)^2] "
            f"exists; at -13, 0 and 13 it is {value(z[[0, 1300, -1]])}. Try jnp.tanh."
        )


def _check_moments(name: str, hermite: np.ndarray, moment: float, stein: float) -> None:
    if moment - hermite[0] ** 2 <= 1e-12 * max(moment, 1e-300):
        raise ValueError(
            f"`{name}` must not be constant: its variance under a unit Gaussian is 0, and a "
            "network of constants has no tangent kernel. Try jnp.tanh."
        )
    if abs(stein - hermite[1]) > 1e-6 * sqrt(moment):
        raise ValueError(
            f"`{name}` must be continuous: E[sigma'(Z)] = {stein:.6g} but E[Z sigma(Z)] = "
            f"{hermite[1]:.6g}, so it jumps and its tangent kernel is infinite. "
            "Try a steep smooth function, jnp.tanh(10 * x) for instance."
        )


def _parity(value: expectations.Function) -> int:
    """1 for an even function, -1 for an odd one, 0 for neither."""
    x = np.linspace(0.01, 6, 600)
    above, below = value(x), value(-x)
    scale = 1e-14 * np.max(np.abs(above))
    for parity in (1, -1):
        if np.all(np.abs(above - parity * below) <= scale):
            return parity
    return 0


def _converges(hermite: np.ndarray, derivative_moment: float) -> bool:
    """Whether the Hermite series is exact to float64, even in the dual's second derivative."""
    last = np.max(hermite[-16:] ** 2)
    return bool(len(hermite) ** 3 * last <= 1e-15 * derivative_moment)


def _ends_from_series(hermite: np.ndarray, derivative_moment: float) -> tuple[End, End]:
    alternating = (-1.0) ** np.arange(len(hermite))
    return (
        _end_from_series(hermite**2, derivative_moment),
        _end_from_series(hermite**2 * alternating, derivative_moment),
    )


def _end_from_series(series: np.ndarray, derivative_moment: float) -> End:
    """R near 1 from sums over the tails of its power series, which cancel nothing.

    sum c_k rho^k = sum c_k - gap sum t_j rho^j, where t_j is the sum of the c_k with k > j; the
    same step once more gives the bend. With (-1)^k c_k it is the end at -1.
    """
    tails = _tail_sums(series)
    second_tails = _tail_sums(tails)

    def bend(x: np.ndarray) -> np.ndarray:
        return np.polynomial.polynomial.polyval(1 - x, second_tails) / derivative_moment

    slope = -tails.sum() / derivative_moment
    snapped = float(np.round(slope)) if abs(slope - np.round(slope)) < 1e-13 else float(slope)
    return End(series.sum(), snapped, 1.0, _fit(bend, power=1.0))


def _leaky_relu_ends(slopes: tuple[float, float]) -> tuple[End, End]:
    """Closed form: E[sigma'(u) sigma'(v)] = p q + (p - q)^2 (pi - angle) / (2 pi) [Cho & Saul]."""
    above, below = slopes
    moment = (above**2 + below**2) / 2
    share = (above - below) ** 2 / (2 * pi * moment)

    def derivative_bend(x: np.ndarray) -> np.ndarray:
        return share * 2 * np.arcsin(x / sqrt(2)) / x

    bend = _integrated(_fit(derivative_bend, power=0.5), power=0.5)
    return End(1.0, -1.0, 0.5, bend), End(0.0, above * below / moment, 0.5, bend)


def _ends_from_quadrature(
    slope: expectations.Function, domain: expectations.Panels, moment: float, parity: int
) -> tuple[End, End]:
    """The bends of R' by quadrature, as mean squared differences, which cancel nothing."""

    def rise(x: np.ndarray, sign: int) -> np.ndarray:
        angles = 2 * np.arcsin(x / sqrt(2))
        means = [
            expectations.bivariate_mean(lambda u, v: _differences(slope, u, v, sign), domain, t)
            for t in angles
        ]
        return np.array(means) / (2 * moment * x)

    plus = End(1.0, -1.0, 0.5, _integrated(_fit(partial(rise, sign=1), 0.5), 0.5))
    if parity:
        return plus, replace(plus, slope=-float(parity), coefficients=parity * plus.coefficients)
    minus = _integrated(_fit(partial(rise, sign=-1), 0.5), 0.5)
    reflected = domain.mean(lambda z: slope(z) * slope(-z)) / moment
    return plus, End(0.0, reflected, 0.5, minus)


def _differences(
    slope: expectations.Function, u: np.ndarray, v: np.ndarray, sign: int
) -> np.ndarray:
    """Has mean 2 E[s(u) s(u) - s(u) s(v)], or 2 E[s(u) s(-v) - s(u) s(-u)] for sign -1."""
    if sign > 0:
        return (slope(u) - slope(v)) ** 2
    return -(slope(u) - slope(v)) * (slope(-u) - slope(-v))


def _tail_sums(series: np.ndarray) -> np.ndarray:
    return np.append(np.cumsum(series[:0:-1])[::-1], 0.0)


def _fit(function: expectations.Function, power: float) -> np.ndarray:
    """Chebyshev coefficients on 0 <= x <= 2^-power, of as high a degree as it takes."""
    for degree in (32, 64, 128, 256):
        nodes = np.cos(pi * (np.arange(degree) + 0.5) / degree)
        values = function(2**-power * (1 + nodes) / 2)
        coefficients = chebyshev.chebfit(nodes, values, degree - 1)
        size = np.max(np.abs(coefficients))
        if size < 1e-14:  # an affine function: rounding is all there is
            return np.zeros(1)
        if np.max(np.abs(coefficients[-4:])) <= 1e-13 * size:
            return _chopped(coefficients, 1e-16)
    if np.max(np.abs(coefficients[-4:])) > 1e-9 * size:
        raise ValueError("its dual map is too rough: a polynomial of degree 255 does not fit it")
    return _chopped(coefficients, 1e-16)


def _chopped(coefficients: np.ndarray, tolerance: float) -> np.ndarray:
    """Without the last coefficients, as long as their sum stays below the tolerance."""
    left_out = np.cumsum(np.abs(coefficients[::-1]))[::-1]
    return coefficients[: max(1, np.sum(left_out > tolerance * left_out[0]))]


def _derivative_series(bend: np.ndarray, power: float) -> np.ndarray:
    """K with x K = d(gap x X)/d(gap): K = (1 + power) X + power x dX/dx, in Chebyshev series."""
    stretched = chebyshev.chebmul([1, 1], chebyshev.chebder(bend))
    return chebyshev.chebadd((1 + power) * bend, power * stretched)[: len(bend)]


def _integrated(derivative_bend: np.ndarray, power: float) -> np.ndarray:
    """The inverse of `_derivative_series`."""
    count = len(derivative_bend)
    columns = [_derivative_series(unit, power) for unit in np.eye(count)]
    matrix = np.stack([np.pad(c, (0, count - len(c))) for c in columns], axis=1)
    return np.linalg.solve(matrix, derivative_bend)


def clenshaw(coefficients: Sequence[float] | Array, t: Array) -> Array:
    """The Chebyshev series at t in [-1, 1]."""

    def step(carry: tuple[Array, Array], coefficient: Any) -> tuple[Array, Array]:
        current, following = carry
        return 2 * t * current - following + coefficient, current

    current, following = _down(step, jnp.zeros_like(t), coefficients[1:])
    return t * current - following + coefficients[0]


def power_series(coefficients: Sequence[float] | Array, rho: Array) -> tuple[Array, Array]:
    """sum_{k>=2} c_k rho^k and its derivative, of the coefficients c_0, c_1, ..."""

    def step(carry: tuple[Array, Array], coefficient: Any) -> tuple[Array, Array]:
        value, slope = carry
        return value * rho + coefficient, slope * rho + value

    value, slope = _down(step, jnp.zeros_like(rho), coefficients[2:])
    return value * rho * rho, (slope * rho + 2 * value) * rho


def _down(step: Callable, zero: Array, coefficients: Sequence[float] | Array) -> tuple[Any, Any]:
    """The steps from (0, 0) through the coefficients, the last first: a loop if they are traced."""
    if isinstance(coefficients, Array):
        backwards = partial(lax.scan, reverse=True)
        return backwards(lambda carry, c: (step(carry, c), None), (zero, zero), coefficients)[0]
    carry = zero, zero
    for coefficient in coefficients[::-1]:
        carry = step(carry, coefficient)
    return carry
