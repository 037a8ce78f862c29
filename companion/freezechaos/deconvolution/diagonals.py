"""The diagonal alone: how large each position is, and how fast it learns from its own error."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .. import checks, graphs
from ..activations import Activation
from ..types import Number
from .recursion import Pairs, flat, through
from .stack import DeconvStack, checked_stack


class Diagonals(NamedTuple):
    """Variance and unscaled NTK of every output position with itself, both [*size]."""

    sigma: Float[Array | np.ndarray, "*size"]
    theta: Float[Array | np.ndarray, "*size"]


def diagonals(stack: DeconvStack, activation: Activation, beta: Number) -> Diagonals:
    """The diagonals of `nngp` and `ntk`, for inputs on the sphere.

    A position shares all its taps with itself, so that the diagonal feeds on the diagonal alone:

        Sigma_p = beta^2 + (1 - beta^2) / |P(p)| sum over q in P(p) of E[sigma(u_q)^2],
        Theta_p = Sigma_p + (1 - beta^2) / |P(p)| sum of Theta_q E[sigma'(u_q)^2],

    or with the window's size in place of |P(p)| in the usual parametrization.

    Arguments:
        stack: of transposed convolutions, and resizes to the nearest position.
        activation: standardized or normalized; in the usual parametrization smooth or a
            `leaky_relu`.
        beta: share of the bias, in [0, 1).

    Raises:
        ValueError, TypeError: a bilinear resize, after which a tap reads two positions; an
            argument outside its range.

    Source: [JGGH].
    """
    if any(layer.method != "nearest" for layer in checked_stack(stack).layers):
        raise ValueError(
            '`stack` must not resize bilinearly; got method="bilinear". Take "nearest", or the '
            "diagonal of deconvolution.compressed(...)."
        )
    beta, graph = checks.one_beta(beta), stack.parametrization == "graph"
    checks.activation(activation)

    def moments(sigma: np.ndarray, first: bool) -> tuple[np.ndarray, np.ndarray]:
        return _moments(activation, sigma, unit=graph, first=first)

    reads = [
        [_reads(layer, n, stack.parametrization) for layer, n in zip(axis, sizes, strict=True)]
        for axis, sizes in zip(
            map(stack.along, range(stack.dimensions)),
            zip(*stack.sizes[:-1], strict=True),
            strict=True,
        )
    ]
    rows, columns = (*reads, [np.ones((1, 1))] * stack.depth)[:2]
    start = np.ones((*stack.start, 1)[:2])
    both = layer_by_layer(list(zip(rows, columns, strict=True)), moments, beta, start)
    return Diagonals(*(np.reshape(part, stack.sizes[-1]) for part in both))


def layer_by_layer(
    reads: Sequence[tuple[Any, Any]], moments: Callable[[Any, bool], tuple[Any, Any]],
    beta: Any, start: Any,
) -> Diagonals:  # fmt: skip
    """The recursion on variances [rows, columns], in NumPy's arrays or in JAX's.

    Arguments:
        reads: [after, before] of each layer, along rows and along columns: how many taps read a
            position, over what they are divided by.
        moments: E[activation(u)^2] and E[activation'(u)^2] at variances; whether they are the
            inputs'.
        start: the variances of the inputs.
    """
    share, sigma, theta = 1 - beta**2, start, 0 * start
    for number, (rows, columns) in enumerate(reads):
        moment, slope = moments(sigma, number == 0)
        moment, past = (rows @ part @ columns.T for part in (moment, slope * theta))
        sigma = beta**2 + share * moment
        theta = sigma + share * past
    return Diagonals(sigma, theta)


def _reads(layer: graphs.AxisLayer, n: int, parametrization: graphs.Parametrization) -> np.ndarray:
    """[length, n]: how many taps of an output read an input, over what they are divided by."""
    places, _ = graphs.links(layer, n)
    return np.sum(places == np.arange(n), axis=1) / layer.divisors(n, parametrization)[:, None]


def _moments(
    activation: Activation, sigma: np.ndarray, *, unit: bool, first: bool
) -> tuple[np.ndarray, np.ndarray]:
    """E[activation(u)^2] and E[activation'(u)^2] for Gaussians u of the variances sigma.

    Of the inputs, `first`, the variances themselves and 0; `unit` says that all variances are 1.
    """
    values, places = np.unique(sigma, return_inverse=True)  # few of them
    own = flat(jnp.asarray(values))
    known = through(activation, unit, first, Pairs(own, jnp.zeros_like(own), own, own))
    square, slope = (
        np.asarray(part, np.float64)[places].reshape(sigma.shape)
        for part in (known.covariance, known.slope)
    )
    return square, activation.derivative_second_moment * slope
