"""Layers that leave positions alone: affine maps, nonlinearities, norms.

A layer is a value that knows two of an architecture's lives, side by side: `run`, what it does to
numbers in a finite network, and `step`, what it does to the moments of a network of infinite width.
"""

from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .. import checks, duals, normalization
from ..activations import Activation, standardized
from ..networks import standardize
from .pairs import Pairs, changed, square
from .parametrizations import Beta, Parametrization

FanIn = int | None
"""Channels before an affine map; None where the kernel must not depend on them."""

Change = Callable[[Parametrization], Parametrization]


class Layer:
    """What every layer answers; the defaults are those of a layer without parameters."""

    @property
    def affine(self) -> tuple["Affine", ...]:
        """The affine maps in it, in the order in which they are met."""
        return ()

    @property
    def leaves(self) -> tuple["Layer", ...]:
        """The layers in it that hold no others."""
        return (self,)

    @property
    def sequence(self) -> tuple["Layer", ...]:
        """The layers in it, one after another."""
        return (self,)

    def mapped(self, change: Change) -> "Layer":
        """With a change made to the parametrization of every affine map in it."""
        return self

    @abstractmethod
    def run(self, x: Array, maps: Iterator["Map"]) -> Array:
        """What a finite network makes of a batch [n, *grid, channels].

        Arguments:
            maps: the affine maps with their parameters, of which it takes as many as it has.
        """

    @abstractmethod
    def step(self, pairs: Pairs, channels: Sequence[FanIn]) -> Pairs:
        """What a network of infinite width makes of pairs of inputs.

        Arguments:
            channels: before every one of its affine maps.

        Raises:
            NotImplementedError: no theory says what comes out.
        """


@dataclass(frozen=True)
class Map:
    """An affine map with its parameters, and what is added behind it (see `Network.forward`)."""

    layer: "Affine"
    weight: Array
    bias: Array | None
    nudge: Array | None
    entering: list[Array]

    def __call__(self, x: Array) -> Array:
        """a W x + c b, and the nudge."""
        self.entering.append(x)
        fan_in = self.layer.taps * x.shape[-1]
        a, c = self.layer.parametrization.factors(fan_in)
        y = self.layer.linear(x, a * self.weight.astype(x.dtype))
        if self.bias is not None:
            y = y + jnp.broadcast_to(c * self.bias.astype(x.dtype), y.shape)
        return y if self.nudge is None else y + self.nudge


class Affine(Layer):
    """A layer with weights and biases.

    Attributes:
        parametrization: what they are drawn with and multiplied by.
    """

    parametrization: Parametrization

    @property
    def affine(self) -> tuple["Affine", ...]:
        """Itself."""
        return (self,)

    @property
    def window(self) -> tuple[int, ...]:
        """Taps along every axis; () for a dense map."""
        return ()

    @property
    def taps(self) -> int:
        """How many numbers of a channel enter."""
        return 1

    def mapped(self, change: Change) -> "Affine":
        return replace(self, parametrization=change(self.parametrization))  # type: ignore[type-var]

    def run(self, x: Array, maps: Iterator[Map]) -> Array:
        return next(maps)(x)

    def step(self, pairs: Pairs, channels: Sequence[FanIn]) -> Pairs:
        return self.weighed(self.gathered(pairs), channels[0])

    @abstractmethod
    def linear(self, x: Array, weight: Array) -> Array:
        """W x for a batch [n, *grid, channels]."""

    def gathered(self, pairs: Pairs) -> Pairs:
        """Means over what each position reads, through weights of variance 1 / fan_in."""
        return pairs

    def weighed(self, pairs: Pairs, channels: FanIn) -> Pairs:
        """Variances of weights and biases in, and what they themselves learn."""
        p = self.parametrization
        by_weight, by_bias = self._learned(channels)
        small = jnp.exp(-pairs.log_scale)
        own = (by_weight * small) * pairs.covariance + by_bias * small
        return changed(
            pairs,
            covariance=p.weight_variance * pairs.covariance + p.bias_variance,
            distance=p.weight_variance * pairs.distance,
            tangent=own + p.weight_variance * pairs.tangent,
            mean=jnp.zeros_like(pairs.mean),
            unit=pairs.unit and abs(p.weight_variance + p.bias_variance - 1) < 1e-12,
            gaussian=True,
        ).rebased()

    def _learned(self, channels: FanIn) -> tuple[float, float]:
        """a^2 fan_in and c^2, which are the variances unless the parametrization is standard."""
        if self.parametrization.grows and channels is None:
            raise ValueError(
                "`widths` must be given for a standard parametrization, whose tangent kernel grows "
                "with the width: kernels(x1, x2, widths=[...]), inputs and outputs of every affine "
                'map. Or take architecture.converted("ntk").'
            )
        fan_in = (1 if channels is None else channels) * self.taps
        by_weight, by_bias = self.parametrization.rates(fan_in)
        return by_weight * fan_in, by_bias


@jax.tree_util.register_static
@dataclass(frozen=True)
class Dense(Affine):
    """An affine map of the channels, at every position alike.

    Arguments:
        parametrization: `Beta`, `NTK` or `Standard`; the course's without bias where left out.

    Source: [JGGH, NTK recursion]; Lee et al., 2018.
    """

    parametrization: Parametrization = Beta()  # noqa: RUF009  (a value)

    def __post_init__(self) -> None:
        checked_parametrization(self.parametrization)

    def linear(self, x: Array, weight: Array) -> Array:
        return jnp.matmul(x, weight)


@jax.tree_util.register_static
@dataclass(frozen=True)
class Nonlinearity(Layer):
    """factor sigma(x), elementwise; in `serial` a bare `Activation` will do for a factor of 1."""

    activation: Activation
    factor: float = 1.0

    def __post_init__(self) -> None:
        checks.activation(self.activation)
        object.__setattr__(self, "factor", checks.number("factor", self.factor))

    def run(self, x: Array, maps: Iterator[Map]) -> Array:
        return self.factor * self.activation(x)

    def step(self, pairs: Pairs, channels: Sequence[FanIn]) -> Pairs:
        if not pairs.gaussian:
            raise NotImplementedError(
                f"{self.activation} stands where its inputs are not Gaussian: behind the inputs "
                "themselves, another nonlinearity or a norm, so that no dual map says what comes "
                "out. Put an affine map before it, or take a finite network and "
                "empirical.monte_carlo."
            )
        if pairs.rescaled:
            return divided(pairs, self)
        sigma, moments = self.activation, _moments(self.activation, pairs)
        square, slope = self.factor**2, sigma.derivative_second_moment * moments.slope
        if pairs.unit:
            mean = jnp.full_like(pairs.mean, sigma.mean)
        else:
            mean = _flat(partial(duals.mean, sigma), pairs.variance)
        return changed(
            pairs,
            covariance=square * moments.covariance,
            distance=square * moments.distance,
            tangent=square * slope * pairs.tangent,
            mean=self.factor * mean,
            unit=pairs.unit and self.factor in (1.0, -1.0),
            gaussian=False,
        ).rebased()


def bare(name_or_callable: Any) -> Nonlinearity:
    """A function as it is, neither standardized nor normalized, as in neural-tangents' `Relu()`.

    Arguments and errors: as for `activations.standardized`.
    """
    sigma = standardized(name_or_callable)
    return Nonlinearity(sigma, sigma.deviation)


@jax.tree_util.register_static
@dataclass(frozen=True)
class LayerNorm(Layer):
    """Every input's neurons, of all positions, to mean 0 and variance 1.

    Before a nonlinearity on the sphere it does nothing as the width grows; after it, it is the
    nonlinearity's normalization [JGGH]. The finite network adds `networks.NORM_EPSILON` to the
    variance.
    """

    def run(self, x: Array, maps: Iterator[Map]) -> Array:
        return standardize(x, tuple(range(1, x.ndim)))

    def step(self, pairs: Pairs, channels: Sequence[FanIn]) -> Pairs:
        pairs = _recentred(pairs, jnp.mean(pairs.mean, axis=1, keepdims=True))
        own = jnp.mean(pairs.variance, axis=1, keepdims=True)
        deviation = jnp.sqrt(jnp.where(own > 0, own, 1))
        (left, right), (s, t) = (
            pairs.sides(pairs.variance),
            pairs.sides(jnp.broadcast_to(deviation, pairs.mean.shape)),
        )
        distance = pairs.distance + (t - s) * (left / s - right / t)
        flat = pairs.mean.shape[1] == 1
        distance = distance / (s * t)
        return changed(
            pairs,
            covariance=1 - distance / 2 if flat else pairs.covariance / (s * t),
            distance=distance,
            tangent=pairs.tangent / (s * t),
            mean=pairs.mean / deviation,
            unit=flat,
        ).rebased()


@jax.tree_util.register_static
@dataclass(frozen=True)
class BatchNorm(Layer):
    """Every channel over the batch, and its positions: less its mean, over its deviation.

    At infinite width,

    - recentring is linear: K becomes H K H, the tangent kernel too, exactly, wherever it stands;
    - rescaling has a theory between an affine map and a nonlinearity of the kind of ReLU, or
      another affine map, and for the NNGP of a flat network alone [NBGK]: see
      `normalization.gram_step`.

    Arguments:
        rescale: whether to divide by the deviation; without, it is recentring.
    """

    rescale: bool = True

    def run(self, x: Array, maps: Iterator[Map]) -> Array:
        axes = tuple(range(x.ndim - 1))
        if self.rescale:
            return standardize(x, axes)
        centred = x - jnp.mean(x, axes, keepdims=True)
        return centred - jnp.mean(centred, axes, keepdims=True)  # what rounding left of the mean

    def step(self, pairs: Pairs, channels: Sequence[FanIn]) -> Pairs:
        if self.rescale and not (pairs.gaussian and pairs.mean.shape[1] == 1):
            raise NotImplementedError(
                "batch norm that rescales has a theory behind an affine map of a flat network "
                "only: behind a nonlinearity the batch is not Gaussian, and over positions the "
                "mean of ratios has no closed form. Known of batch norm behind the last "
                "nonlinearity is the constant mode, beta^2 [JGGH]; take BatchNorm(rescale=False), "
                "or a finite network and empirical.monte_carlo."
            )
        n = pairs.batch
        if not n:
            raise ValueError(
                "`x2` must be left out where there is batch norm, whose statistics are those of "
                "one batch; put both sets into x1 and read the blocks."
            )

        def centred(table: Array) -> Array:
            dense = square(table, n)
            for axes in ((0, 2), (1, 3)):
                dense = dense - jnp.mean(dense, axes, keepdims=True)
            reference = table[n : n + 1]
            return jnp.concatenate([dense[pairs.one[:n], pairs.other[:n]], reference,
                                    dense[pairs.one[n + 1 :], pairs.other[n + 1 :]]])  # fmt: skip

        mean = pairs.mean - jnp.mean(pairs.mean[:n])
        return changed(
            pairs,
            covariance=centred(pairs.covariance),
            tangent=centred(pairs.tangent),
            mean=mean.at[n].set(pairs.mean[n]),
            unit=False,
            rescaled=self.rescale,
        )


@jax.tree_util.register_static
@dataclass(frozen=True)
class Multiply(Layer):
    """x times a number."""

    factor: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "factor", checks.number("factor", self.factor))

    def run(self, x: Array, maps: Iterator[Map]) -> Array:
        return self.factor * x

    def step(self, pairs: Pairs, channels: Sequence[FanIn]) -> Pairs:
        square = self.factor**2
        return changed(
            pairs,
            covariance=square * pairs.covariance,
            distance=square * pairs.distance,
            tangent=square * pairs.tangent,
            mean=self.factor * pairs.mean,
            unit=pairs.unit and square == 1,
        ).rebased()


def checked_parametrization(value: Any) -> Parametrization:
    """A `Parametrization`."""
    if not isinstance(value, Parametrization):
        raise TypeError(
            f"`parametrization` must be a Beta, NTK or Standard; got {value!r}. Try Beta(0.1)."
        )
    return value


def _recentred(pairs: Pairs, centre: Float[Array, "inputs 1"]) -> Pairs:
    """h - centre, a number an input that is E[h] or its mean over the positions."""
    own = jnp.broadcast_to(centre, pairs.mean.shape)
    (m, k), (c, d) = pairs.sides(pairs.mean), pairs.sides(own)
    moved, apart = m - k, c - d
    return changed(
        pairs,
        covariance=pairs.covariance - c * k - m * d + c * d,
        distance=jnp.maximum(pairs.distance - 2 * moved * apart + apart**2, 0),
        mean=pairs.mean - own,
        unit=False,
    )


def _moments(activation: Activation, pairs: Pairs) -> duals.PairMoments:
    if pairs.unit:
        return duals.at_one(activation, pairs.distance)
    terms = duals.terms_for(activation, None)
    left, right = pairs.sides(pairs.variance)
    a, b, c, d = (part.ravel() for part in (left, right, pairs.covariance, pairs.distance))
    moments = duals.at_variances(activation, a, b, c, d, terms)
    return duals.PairMoments(*(part.reshape(left.shape) for part in moments))


def _flat(function: Any, values: Array) -> Array:
    return function(values.ravel()).reshape(values.shape)


def divided(pairs: Pairs, nonlinearity: Nonlinearity | None = None) -> Pairs:
    """Batch norm's division, if it is due, in one mean with the nonlinearity that follows.

    The tangent kernel and the mean have no closed form from here on and are NaN.
    """
    if not pairs.rescaled:
        return pairs
    n, factor, sigma, parts = pairs.batch, 1.0, None, ["rescale"]
    if nonlinearity is not None:
        sigma, factor = nonlinearity.activation, nonlinearity.factor
        parts.append("nonlinearity")
    gram = square(pairs.covariance, n)[:, :, 0, 0]
    gram = factor**2 * normalization.gram_step(gram, parts, sigma)  # neurons have mean square 1
    own = jnp.diagonal(gram)
    distance = (own[:, None] - gram) + (own[None, :] - gram)

    def listed(matrix: Array, reference: float) -> Array:
        padded = jnp.pad(matrix, ((0, 1), (0, 1))).at[n, n].set(reference)
        return padded[pairs.one, pairs.other][:, None, None]

    return changed(
        pairs,
        covariance=listed(gram, 1.0),
        distance=listed(distance, 0.0),
        tangent=jnp.full_like(pairs.tangent, jnp.nan),
        mean=jnp.full_like(pairs.mean, jnp.nan),
        gaussian=False,
        rescaled=False,
    )
