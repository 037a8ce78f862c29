"""Nonlinearities: an activation as a layer."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array

from .. import checks, duals, scalars
from ..activations import Activation, standardized
from .layers import FanIn, Layer, Map
from .norms import divided
from .pairs import Pairs, changed, scaled


@jax.tree_util.register_static
@dataclass(frozen=True)
class Nonlinearity(Layer):
    """factor sigma(x), elementwise; in `serial` a bare `Activation` will do for a factor of 1."""

    activation: Activation
    factor: float = 1.0

    def __post_init__(self) -> None:
        checks.activation(self.activation)
        object.__setattr__(self, "factor", scalars.real("factor", self.factor, "Try 1.0."))

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
            return scaled(divided(pairs, self.activation), self.factor)
        sigma, moments = self.activation, _moments(self.activation, pairs)
        after = changed(
            pairs,
            covariance=moments.covariance,
            distance=moments.distance,
            tangent=sigma.derivative_second_moment * moments.slope * pairs.tangent,
            mean=_mean(sigma, pairs),
            gaussian=False,
        )
        return scaled(after, self.factor)


def bare(name_or_callable: str | Callable[[Array], Array]) -> Nonlinearity:
    """A function as it is, neither standardized nor normalized, as in neural-tangents' `Relu()`.

    Arguments and errors: as for `activations.standardized`.
    """
    sigma = standardized(name_or_callable)
    return Nonlinearity(sigma, sigma.deviation)


def _moments(activation: Activation, pairs: Pairs) -> duals.PairMoments:
    if pairs.unit:
        return duals.at_one(activation, pairs.distance)
    terms = duals.terms_for(activation, None)
    left, right = pairs.sides(pairs.variance)
    a, b, c, d = (part.ravel() for part in (left, right, pairs.covariance, pairs.distance))
    moments = duals.at_variances(activation, a, b, c, d, terms)
    return duals.PairMoments(*(part.reshape(left.shape) for part in moments))


def _mean(activation: Activation, pairs: Pairs) -> Array:
    if pairs.unit:
        return jnp.full_like(pairs.mean, activation.mean)
    return duals.mean(activation, pairs.variance.ravel()).reshape(pairs.mean.shape)
