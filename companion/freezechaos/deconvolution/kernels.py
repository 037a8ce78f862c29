"""NNGP and NTK between the positions of a deconvolutional network, and their limit in freeze."""

from math import prod
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Real

from .. import checks
from ..activations import Activation
from ..types import Number
from .compressed import Compressed
from .exponents import Scaled
from .pairs import Ancestry, Variances
from .recursion import State, run
from .stack import DeconvStack, checked_stack


class Kernels(NamedTuple):
    """NNGP and unscaled NTK between the output positions, compressed."""

    nngp: Compressed
    ntk: Compressed


def compressed(
    stack: DeconvStack, activation: Activation, beta: Number,
    input_gram: Real[ArrayLike, "*inputs positions positions"],
    learning_rates: Real[ArrayLike, "layers 2"] | None = None,
) -> Kernels:  # fmt: skip
    """NNGP and NTK as one number for every class of pairs of positions.

    Borders included; exact where all variances are 1, to 1e-6 elsewhere. Of an up-sampling stack
    almost all pairs share their ancestry with others: 4 x 4 to 32 x 32 by window 4 and stride 2
    takes 5,500 numbers instead of a million.

    Arguments:
        stack: the layers.
        activation: a standardized or normalized activation; in the usual parametrization, after a
            bilinear resize and off the sphere a named one, a `leaky_relu`, or smooth and not too
            steep: where JAX traces the variances, NaN beyond those up to which it is known.
        beta: share of the bias, in [0, 1); may be traced.
        input_gram: x_q . y_q' / n_0 between the positions of the input, rows before columns:
            [positions, positions] of one input, [N, N, positions, positions] of all pairs of N.
            A diagonal of ones is the sphere. May be traced, and is then taken for off the sphere.
        learning_rates: factors of weights and biases, layer by layer, as by `learning_rates`.

    Raises:
        ValueError, TypeError: an argument outside its range.

    Source: [JGGH].
    """
    rates = checked_rates(stack, learning_rates)
    state, axes, several = run_checked(stack, activation, beta, input_gram, rates[None])
    tables = Scaled(state.sigma, None), state.unscaled.read(0)
    return Kernels(*(packed(stack, table, axes, several) for table in tables))


def ntk(
    stack: DeconvStack, activation: Activation, beta: Number,
    input_gram: Real[ArrayLike, "*inputs positions positions"],
    learning_rates: Real[ArrayLike, "layers 2"] | None = None,
) -> Float[Array, "*inputs after after"]:  # fmt: skip
    """Unscaled NTK between the output positions: [positions, positions], or [N, N, ...].

    Deep in chaos its diagonal leaves the range of floats and is infinite, the rest is as exact as
    ever; `compressed(...).ntk.scaled()` gives it with the logarithm of a scale. Arguments and
    errors as for `compressed`.

    >>> from freezechaos import activations, graphs
    >>> stack = DeconvStack(1, [graphs.transposed_convolution(4, stride=2)] * 2)
    >>> theta = ntk(stack, activations.standardized("relu"), 0.5, jnp.ones((1, 1)))
    >>> [round(float(value), 4) for value in (theta[0, 0], theta[0, 1], theta[3, 5])]
    [1.75, 0.25, 0.6988]
    """
    return compressed(stack, activation, beta, input_gram, learning_rates).ntk.dense()


def nngp(
    stack: DeconvStack, activation: Activation, beta: Number,
    input_gram: Real[ArrayLike, "*inputs positions positions"],
) -> Float[Array, "*inputs after after"]:  # fmt: skip
    """Covariance of the outputs at initialization: [positions, positions], or [N, N, ...].

    Arguments and errors as for `compressed`.
    """
    return compressed(stack, activation, beta, input_gram).nngp.dense()


def freeze_limit(stack: DeconvStack, activation: Activation, beta: Number) -> np.ndarray:
    """What the scaled NTK tends to in freeze, whatever the inputs: [positions, positions].

    (1 - r^(v + 1)) / (1 - r^L), where v, at most L - 1, is the number of last layers whose strides
    divide the distance of the two positions along every axis.

    Arguments:
        stack: transposed convolutions, graph-based.
        activation, beta: in freeze, r < 1.

    Raises:
        ValueError, TypeError: r >= 1, an argument outside its range.

    Source: [JGGH], in essence; chapter 9 compares it with the exact kernel.
    """
    beta, sigma = checks.one_beta(beta), checks.activation(activation)
    r = sigma.derivative_second_moment * (1 - beta**2)
    if not r < 1:
        raise ValueError(
            f"`beta` must put the network into freeze, r < 1; got r = {r:.4g}. Raise it, or take "
            "deconvolution.ntk."
        )
    checked_stack(stack)
    if stack.parametrization != "graph" or any(stack.magnifications() != _strides(stack)):
        raise ValueError(
            f"`stack` must be of transposed convolutions, graph-based; got {stack}. Take "
            "deconvolution.ntk, which is exact for every stack."
        )
    axes = [_layers_shared(stack, axis) for axis in range(stack.dimensions)]
    rows, columns = (*axes, np.full((1, 1), stack.depth))[:2]
    shared = np.minimum(rows[:, None, :, None], columns[None, :, None, :])
    shared = shared.reshape(stack.positions, stack.positions)
    return (1 - r ** (shared + 1)) / (1 - r**stack.depth)


def _strides(stack: DeconvStack) -> np.ndarray:
    axes = range(stack.dimensions)
    return np.array([prod(layer.along(axis).stride for axis in axes) for layer in stack.layers])


def _layers_shared(stack: DeconvStack, axis: int) -> np.ndarray:
    """[length, length]: how many last layers' strides divide the distance, at most L - 1."""
    place = np.arange(stack.sizes[-1][axis])
    distance = np.abs(place[:, None] - place)
    strides = [layer.magnification(axis) for layer in stack.layers[:0:-1]]
    products = np.cumprod(strides, dtype=int)
    return np.sum(distance[..., None] % products == 0, axis=-1)


def run_checked(
    stack: Any, activation: Any, beta: Any, input_gram: Any, rates: Array
) -> tuple[State, list[Ancestry], int | None]:
    """What `recursion.run` gives, and for how many inputs, None for a single one."""
    checked_stack(stack)
    checks.activation(activation)
    gram = checks.targets("input_gram", input_gram)
    positions = prod(stack.start)
    if gram.ndim not in (2, 4) or gram.shape[-2:] != (positions, positions) or (
        gram.ndim == 4 and gram.shape[0] != gram.shape[1]
    ):  # fmt: skip
        raise ValueError(
            f"`input_gram` must have shape {[positions, positions]}, or [N, N, {positions}, "
            f"{positions}], for the {positions} positions of the input; got {list(gram.shape)}. "
            "Of N inputs x [N, positions, channels] it is jnp.einsum('npc,mqc->nmpq', x, x) / "
            "channels; of latents z [N, n] it is (z @ z.T / n)[:, :, None, None]."
        )
    several = len(gram) if gram.ndim == 4 else None
    gram = gram if gram.ndim == 4 else gram[None, None]
    _check_products(gram)
    variances = _variances(stack, gram)
    beta = checks.beta(beta, gram.dtype)
    if beta.ndim:
        raise TypeError(
            f"`beta` must be one number; got shape {list(beta.shape)}. Map over several with "
            "jax.vmap."
        )
    return *run(stack, activation, beta, gram, rates.astype(gram.dtype), variances), several


def _check_products(gram: Array) -> None:
    """Symmetric, no product larger than the lengths allow; what JAX traces is not looked at."""
    if isinstance(gram, jax.core.Tracer):
        return
    numbers = np.asarray(gram, np.float64)
    own = np.einsum("iipp->ip", numbers)
    if not (own >= 0).all():
        raise ValueError(
            f"`input_gram` must have squared lengths on its diagonal; got {own.min():g}."
        )
    if not np.allclose(numbers, numbers.transpose(1, 0, 3, 2), rtol=0, atol=1e-4 * own.max()):
        raise ValueError(
            "`input_gram` must be symmetric, [i, j, p, q] as [j, i, q, p]; it is not. Try "
            "jnp.einsum('npc,mqc->nmpq', x, x) / channels."
        )
    bound = np.sqrt(own[:, None, :, None] * own[None, :, None])
    if (np.abs(numbers) > bound + 1e-4 * own.max()).any():
        raise ValueError(
            "`input_gram` must be products of vectors, none larger than the product of their "
            f"lengths; got {np.max(np.abs(numbers) - bound):g} more. Divide by the channels."
        )


def _variances(stack: DeconvStack, gram: Array) -> Variances:
    """Which positions differ in variance; on the sphere none does, graph-based."""
    traced = isinstance(gram, jax.core.Tracer)
    own = np.ones(1) if traced else np.einsum("iipp->ip", np.asarray(gram))
    same = not traced and np.allclose(own, own.flat[0], rtol=1e-5)
    nearest = all(layer.method == "nearest" for layer in stack.layers)
    graph = stack.parametrization == "graph"
    if same and nearest and graph and np.isclose(own.flat[0], 1, rtol=1e-5):
        return "one"
    return "border" if same else "apart"


def checked_rates(stack: Any, learning_rates: Any) -> Array:
    """Finite factors [L, 2], by default ones."""
    depth = checked_stack(stack).depth
    if learning_rates is None:
        return jnp.ones((depth, 2))
    rates = checks.targets("learning_rates", learning_rates)
    if rates.shape != (depth, 2):
        raise ValueError(
            f"`learning_rates` must have shape {[depth, 2]}, weights and biases of every layer; "
            f"got {list(rates.shape)}. Try deconvolution.learning_rates(stack)."
        )
    return rates


def packed(
    stack: DeconvStack, table: Scaled, axes: list[Ancestry], inputs: int | None
) -> Compressed:
    """A table of the last layer, without the classes that only pad it."""
    classes = (axes[0].classes, axes[1].classes)
    rows, columns = (int(part.max()) + 1 for part in classes)
    cut = table.read((..., slice(rows), slice(columns)))
    return Compressed(cut.number, cut.exponent, classes, stack.sizes[-1], inputs)
