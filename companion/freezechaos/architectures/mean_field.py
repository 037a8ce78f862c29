"""From two variances to one share: the beta-parametrization of a network that has settled."""

from collections.abc import Callable
from dataclasses import dataclass
from math import sqrt
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from .. import duals
from ..activations import Activation, standardized
from .parametrizations import NTK, Beta

_STEPS = 2_000
_SETTLED = 1e-12
_FAR = 1e12


class Settled(NamedTuple):
    """What a deep network of two variances amounts to.

    Attributes:
        activation: standardized, of x -> f(sqrt(variance) x).
        parametrization: `Beta`, of the share of the variance that is the bias's.
        variance: q of pre-activations; NNGP and NTK are q times those of the activation above in
            this parametrization, on the sphere.
    """

    activation: Activation
    parametrization: Beta
    variance: float


def as_beta(
    name_or_callable: str | Callable[[Array], Array],
    W_std: float | np.number,
    b_std: float | np.number | None = None,
) -> Settled:
    """The beta-parametrization of f with weights and biases of these standard deviations.

    The variance of pre-activations follows q <- W_std^2 E[f(sqrt(q) Z)^2] + b_std^2; where it has
    settled, the network is one of standardized activations with beta^2 = b_std^2 / q, times
    sqrt(q). So a phase diagram in W_std and b_std is one in beta.

    Arguments:
        name_or_callable: as for `activations.standardized`.
        W_std, b_std: as for `NTK`.

    Raises:
        ValueError, TypeError: a variance that dies out or grows without bound, an argument outside
            its range, a function whose dual map is not known at these variances.

    Source: Poole et al., Exponential expressivity in deep neural networks through transient
    chaos, 2016; [JGGH].

    >>> from freezechaos import regimes
    >>> sigma, parametrization, variance = as_beta("tanh", W_std=1.5, b_std=0.3)
    >>> round(variance, 4), round(parametrization.beta, 4)
    (0.9608, 0.3061)
    >>> print(regimes.regime(sigma, parametrization.beta))
    chaos
    """
    scale = NTK(W_std, b_std)  # type: ignore[arg-type]  # it converts them
    sigma = standardized(name_or_callable)
    q = _settled(sigma, scale)
    if q is None:
        raise ValueError(
            f"`W_std` must let the variance of pre-activations settle; with {W_std:g}, and `b_std` "
            f"{b_std}, that of {sigma.name} dies out or grows without bound. Of ReLU sqrt(2) "
            "without a bias keeps it, and less with a bias settles."
        )
    given = sigma.given if sigma.homogeneous or q == 1 else Stretched(sigma.base.function, sqrt(q))
    beta = sqrt(scale.bias_variance / q)
    return Settled(standardized(given), Beta(beta), q)


@dataclass(frozen=True)
class Stretched:
    """x -> function(factor x)."""

    function: Callable[[Array], Array]
    factor: float

    def __call__(self, x: Array) -> Array:
        return self.function(self.factor * x)

    @property
    def __name__(self) -> str:
        return f"{getattr(self.function, '__name__', 'function')} of {self.factor:.4g} x"


def _settled(sigma: Activation, scale: NTK) -> float | None:
    """The variance to which that of unit Gaussians goes; None where it goes to 0 or on and on."""
    with jax.enable_x64(True):
        terms = duals.terms_for(sigma, None)

        @jax.jit
        def following(q: Array) -> Array:
            own = duals.at_variances(sigma, q, q, q, jnp.zeros_like(q), terms).covariance
            return scale.weight_variance * sigma.deviation**2 * own + scale.bias_variance

        q = jnp.ones(1, jnp.float64)
        for _ in range(_STEPS):
            before, q = q, following(q)
            if not 1 / _FAR < float(q[0]) < _FAR:
                return None
            if abs(float(q[0] - before[0])) <= _SETTLED * float(q[0]):
                return float(q[0])
    return None
