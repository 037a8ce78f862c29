"""The tangent kernel of finite networks on the circle, and how far it is from the infinite one."""

from functools import cache
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np

from freezechaos import empirical, kernels
from freezechaos.activations import Activation
from freezechaos.networks import FullyConnected, circle

_ANGLES = np.linspace(0, np.pi, 7)  # of NumPy: importing this starts no JAX


@cache
def finite_kernel(
    sigma: Activation,
    beta: float,
    depth: int,
    layer_norm: Literal["before", "after"] | None = None,
) -> empirical.Estimate:
    """The kernel between the angle 0 and seven others, mean over 32 networks."""
    inputs = circle(_ANGLES)

    def sample(key: jax.Array) -> jax.Array:
        widths = [2, *[1024] * (depth - 1), 1]
        network = FullyConnected(widths, sigma, beta, layer_norm=layer_norm, key=key)
        return empirical.ntk(network, inputs[:1], inputs)[0]

    return empirical.monte_carlo(sample, jax.random.split(jax.random.key(0), 32))


def largest_deviation(
    finite: empirical.Estimate, sigma: Activation, beta: float, depth: int
) -> float:
    """From the infinite kernel, over `_ANGLES`, in standard errors."""
    scaled = kernels.ntk(sigma, beta, depth, jnp.cos(_ANGLES))
    theory = jnp.exp(kernels.log_ntk_diagonal(sigma, beta, depth)) * scaled
    return float(jnp.max(jnp.abs(finite.mean - theory) / finite.standard_error))
