"""What the tangent kernel is made of: a network as a linear function of its parameters."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float, PRNGKeyArray, Real

from .. import checks
from ..types import Integer
from .inputs import checked_inputs


class Linearized(eqx.Module):
    """A network's first-order expansion in its parameters; made by `linearize`.

    f(x) at the origin, plus df/dp (p - p_0). As it is trained its tangent kernel stays what it was.

    Attributes:
        network: the parameters p, which are trained.
        origin: the parameters p_0, which are not.
    """

    network: Callable[[Array], Array]
    origin: Callable[[Array], Array]

    def __call__(self, x: Float[Array, "n *input"]) -> Float[Array, "n *outputs"]:
        """The outputs for a batch."""
        parameters, _ = eqx.partition(self.network, eqx.is_inexact_array)
        start, static = eqx.partition(self.origin, eqx.is_inexact_array)
        start = jax.lax.stop_gradient(start)
        change = jax.tree.map(lambda p, q: p - q, parameters, start)
        value, slope = jax.jvp(lambda p: eqx.combine(p, static)(x), (start,), (change,))
        return value + slope

    @property
    def couples(self) -> bool:
        """Whether outputs depend on the other inputs of a batch."""
        return getattr(self.network, "couples", False)


def linearize(network: Callable[[Array], Array]) -> Linearized:
    """The network's first-order expansion in its parameters, around what they are now.

    Arguments:
        network: a network of ours, or any callable pytree of batches; its floating arrays are its
            parameters.

    Source: Lee et al., Wide neural networks of any depth evolve as linear models, 2019.

    >>> from freezechaos import activations, empirical, networks
    >>> import jax.numpy as jnp
    >>> sigma = activations.standardized("erf")
    >>> network = networks.FullyConnected([2, 64, 1], sigma, 0.1, key=jax.random.key(0))
    >>> linear = linearize(network)
    >>> x = jnp.ones((3, 2))
    >>> bool(jnp.allclose(linear(x), network(x)))
    True
    """
    return Linearized(network, network)


def ntk_vector_product(
    network: Callable[[Array], Array],
    vector: Real[ArrayLike, "m *outputs"],
    x1: Real[ArrayLike, "n *input"],
    x2: Real[ArrayLike, "m *input"] | None = None,
) -> Float[Array, "n *outputs"]:
    """The tangent kernel between x1 and x2 times a vector, without the kernel.

    One backward pass at x2 and one forward derivative at x1: memory and time of two passes,
    whatever the number of inputs and outputs.

    Arguments:
        network: as for `linearize`.
        vector: a number for every output at x2.
        x1, x2: inputs; x2 is x1 where left out.

    Raises:
        ValueError, TypeError: a vector of another shape than the outputs, inputs as for `ntk`.
    """
    x1 = checked_inputs("x1", network, x1)
    x2 = x1 if x2 is None else checked_inputs("x2", network, x2)
    parameters, static = eqx.partition(network, eqx.is_inexact_array)

    def at(x: Array) -> Callable[[Any], Array]:
        return lambda parameters: eqx.combine(parameters, static)(x)

    outputs, backward = jax.vjp(at(x2), parameters)
    vector = checks.targets("vector", vector)
    if vector.shape != outputs.shape:
        raise ValueError(
            f"`vector` must have the shape of the outputs at x2, {list(outputs.shape)}; got "
            f"{list(vector.shape)}."
        )
    (direction,) = backward(vector.astype(outputs.dtype))
    return jax.jvp(at(x1), (parameters,), (direction,))[1]


def largest_learning_rate(
    network: Callable[[Array], Array],
    x: Real[ArrayLike, "n *input"],
    *,
    key: PRNGKeyArray,
    iterations: Integer = 16,
) -> Float[Array, ""]:
    """The learning rate at which descent on this network begins to diverge, without its kernel.

    2 n / lambda_max, as `dynamics.largest_learning_rate` of `ntk(network, x)`, by the power
    method; lambda_max is approached from below, and with it the rate from above.

    Arguments:
        network, x: as for `ntk_vector_product`.
        key: what the first vector is drawn with.
        iterations: products with the kernel, 1 or more.

    Raises:
        ValueError, TypeError: as for `ntk_vector_product`.
    """
    x = checked_inputs("x", network, x)
    count = checks.whole("iterations", iterations, 1, "Try 16.")

    def multiplied(vector: Array, _: None) -> tuple[Array, None]:
        unit = vector / jnp.linalg.norm(vector)
        return ntk_vector_product(network, unit, x), None

    shape = jax.eval_shape(network, x).shape
    start = jax.random.normal(key, shape, x.dtype)
    product, _ = jax.lax.scan(multiplied, start, length=count)
    return 2 * len(x) / jnp.linalg.norm(product)
