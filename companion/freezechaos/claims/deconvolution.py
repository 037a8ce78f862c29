"""Claims about deconvolutional networks: residues, checkerboards, borders, layers [JGGH]."""

from functools import cache
from math import log, prod, sqrt

import jax
import jax.numpy as jnp
import numpy as np

from freezechaos import empirical, kernels, regimes, spectra
from freezechaos.activations import Activation, normalized, standardized
from freezechaos.deconvolution import (
    DeconvStack,
    Kernels,
    compressed,
    contribution_norms,
    freeze_limit,
    learning_rates,
    ntk,
)
from freezechaos.graphs import convolution, transposed_convolution
from freezechaos.networks import Deconvolutional

from .record import Claim, claim

UP, SAME = transposed_convolution(4, stride=2, padding=1), convolution(3, padding=1)
LINE, SQUARE = DeconvStack(2, [UP] * 3), DeconvStack((2, 2), [UP] * 2)


def _kernels(stack: DeconvStack, sigma: Activation, beta: float) -> Kernels:
    """For orthogonal inputs at the positions of the small grid."""
    return compressed(stack, sigma, beta, jnp.eye(prod(stack.start)))


@cache
def finite_positions(stack: DeconvStack, sigma: Activation, beta: float) -> empirical.Estimate:
    """The kernel between one position and all, mean over 32 networks of width 300."""
    positions = prod(stack.start)
    x = sqrt(positions) * jnp.eye(positions).reshape(1, *stack.start, positions)
    channels = [positions, *[300] * (stack.depth - 1), 1]

    def sample(key: jax.Array) -> jax.Array:
        network = Deconvolutional(stack, channels, sigma, beta, key=key)
        return empirical.ntk(network, x)[0, 0, stack.positions // 2]

    return empirical.monte_carlo(sample, jax.random.split(jax.random.key(0), 32))


def _finite(statement: str, chapter: str, stack: DeconvStack) -> Claim:
    sigma, beta = standardized("relu"), 0.5
    mean, error = finite_positions(stack, sigma, beta)
    theory = _kernels(stack, sigma, beta).ntk.dense()[stack.positions // 2]
    return Claim(
        f"{statement}: largest deviation between one position and all, in standard errors of the "
        "mean over 32 networks of width 300.",
        "after [JGGH], kernels between pixels",
        chapter,
        predicted=0.0,
        measured=float(jnp.max(jnp.abs(mean - theory) / error)),
        tolerance=4.0,  # the largest of 16 or 64
    )


@claim
def finite_deconvolution() -> Claim:
    """The kernel between positions of finite networks is the infinite one, graph-based."""
    statement = "Finite deconvolutional networks have the kernel of the recursion on pairs"
    return _finite(statement, "08_deconvolution_kernels", LINE)


@claim
def finite_deconvolution_in_two_dimensions() -> Claim:
    """As in one dimension."""
    statement = "So do finite networks in two dimensions"
    return _finite(statement, "08_deconvolution_kernels", SQUARE)


@claim
def finite_deconvolution_usual() -> Claim:
    """As graph-based, borders included."""
    statement = "So do they in the usual parametrization, borders included"
    stack = DeconvStack(LINE.size, LINE.layers, "usual")
    return _finite(statement, "10_borders_and_graphs", stack)


@claim
def bias_alone_between_residues() -> Claim:
    """Theta = beta^2 where the last stride does not divide the distance; finite networks."""
    beta = 0.5
    mean, error = finite_positions(SQUARE, standardized("relu"), beta)
    rows, columns = (np.indices(SQUARE.sizes[-1]).reshape(2, -1) - np.array([[4], [0]])) % 2
    apart = (rows + columns) > 0
    return Claim(
        "Where the stride does not divide the distance of two pixels they share the bias alone, "
        "Θ = β²: mean over such pixels, in networks of width 300.",
        "after [JGGH], kernels between pixels",
        "08_deconvolution_kernels",
        predicted=beta**2,
        measured=float(jnp.mean(mean[apart])),
        tolerance=3 * float(jnp.mean(error[apart])),
    )


@claim
def residue_classes_in_freeze() -> Claim:
    """In freeze the scaled kernel is a sum of indicators of residue classes."""
    stack, sigma, beta = DeconvStack((2, 2), [UP] * 4), standardized("erf"), 0.99
    theta = np.asarray(_kernels(stack, sigma, beta).ntk.dense(), np.float64)
    r = float(regimes.characteristic_value(sigma, beta))
    off = np.abs(theta / theta[0, 0] - freeze_limit(stack, sigma, beta))
    return Claim(
        "In freeze ϑ tends to (1 − r^(v+1))/(1 − r^L), with v the number of last layers whose "
        "strides divide the distance: largest deviation, which is of the order of r.",
        "after [JGGH], sharpened here",
        "09_checkerboards",
        predicted=0.0,
        measured=float(np.max(off)),
        tolerance=1.2 * r,
    )


def _frequency(number: int) -> float:
    """Cycles per pixel at which an eigenvector of the frozen kernel in 1-D has most energy."""
    kernel = _kernels(DeconvStack(2, [UP] * 5), standardized("relu"), 0.5).ntk
    vector = spectra.eigenimages(kernel, number + 1).images[number]
    return float(np.argmax(np.abs(np.fft.rfft(vector))) / len(vector))


@claim
def checkerboard_of_the_stride() -> Claim:
    """The second eigenvector in freeze has period 2."""
    return Claim(
        "In freeze the first eigenvector after the constant is the checkerboard of the stride: "
        "half a cycle per pixel (1-D, stride 2, five layers, ReLU, β = 0.5).",
        "after [JGGH], checkerboards",
        "09_checkerboards",
        predicted=0.5,
        measured=_frequency(1),
        tolerance=1e-9,
    )


@claim
def checkerboards_of_its_square() -> Claim:
    """The third and fourth eigenvectors have period 4."""
    return Claim(
        "The next two are checkerboards of its square: a quarter of a cycle per pixel.",
        "after [JGGH], checkerboards",
        "09_checkerboards",
        predicted=0.25,
        measured=max(_frequency(2), _frequency(3), key=lambda f: abs(f - 0.25)),
        tolerance=1e-9,
    )


@claim
def checkerboards_in_two_dimensions() -> Claim:
    """The three eigenimages after the constant have period 2 in rows, columns or both."""
    kernel = _kernels(DeconvStack((4, 4), [UP] * 3), standardized("relu"), 0.5).ntk
    images = spectra.eigenimages(kernel, 4).images[1:]
    return Claim(
        "In two dimensions the three eigenimages after the constant are stripes of period 2 along "
        "rows, along columns, and their product: share of their energy there, 32 × 32 pixels.",
        "after [JGGH], checkerboards",
        "09_checkerboards",
        predicted=1.0,
        measured=float(np.min(spectra.checkerboard_energy(images, 2, levels=1))),
        tolerance=0.03,  # the borders
    )


@claim
def no_residues_in_chaos() -> Claim:
    """Theta between different pixels falls like r^-L."""
    sigma, beta = normalized("relu"), 0.1
    largest = []
    for between in (8, 16):
        stack = DeconvStack((2, 2), [*[SAME] * between, UP] * 3)
        theta = np.array(_kernels(stack, sigma, beta).ntk.dense(), np.float64)
        np.fill_diagonal(theta, 0)
        log_scale = kernels.log_ntk_diagonal(sigma, beta, stack.depth)
        largest.append(log(theta.max()) - float(log_scale))
    return Claim(
        "In chaos ϑ between different pixels falls exponentially with depth, by 1/r a layer, "
        "whatever their distance: the largest, from 27 to 51 layers.",
        "after [JGGH], sharpened here",
        "09_checkerboards",
        predicted=-float(jnp.log(regimes.characteristic_value(sigma, beta))),
        measured=(largest[1] - largest[0]) / 24,
        tolerance=0.01,
    )


@claim
def no_borders_graph_based() -> Claim:
    """Theta_pp is the same at a corner, at a border and in the middle."""
    sigma, beta = normalized("relu"), 0.3
    kernel = _kernels(DeconvStack((2, 2), [SAME, UP] * 3), sigma, beta).ntk
    return Claim(
        "Graph-based, Θ(p, p) = (1 − r^L)/(1 − r) at every position, corners included: largest "
        "deviation over 16 × 16 pixels, relative.",
        "[JGGH] graph-based parametrization",
        "10_borders_and_graphs",
        predicted=0.0,
        measured=float(
            jnp.max(jnp.abs(jnp.log(kernel.diagonal()) - kernels.log_ntk_diagonal(sigma, beta, 6)))
        ),
        tolerance=1e-5,
    )


@claim
def the_border_sags() -> Claim:
    """The usual parametrization at the outermost position, from two recursions of one number."""
    beta, depth = 0.5, 5

    def alone(share: float) -> float:
        variance, theta = share * (1 - beta**2) + beta**2, 0.0
        theta = variance
        for _ in range(depth - 1):
            variance = beta**2 + (1 - beta**2) * share * variance
            theta = variance + (1 - beta**2) * share * theta
        return theta

    diagonal = ntk(
        DeconvStack(2, [UP] * depth, "usual"), standardized("relu"), beta, jnp.eye(2)
    ).diagonal()
    return Claim(
        "In the usual parametrization the kernel sags at the border: Θ at the outermost position, "
        "which has one parent in every layer, over that in the middle, which has two.",
        "[JGGH] graph-based parametrization",
        "10_borders_and_graphs",
        predicted=alone(1 / 4) / alone(1 / 2),
        measured=float(diagonal[0] / diagonal[len(diagonal) // 2]),
        tolerance=0.01,  # the middle of 64 positions still feels the border
    )


def _growth(stack: DeconvStack, rates: np.ndarray | float = 1.0) -> tuple[float, float]:
    """Norm of the last but one layer's weights' contribution over that before, and r."""
    sigma, beta = standardized("relu"), 0.95
    norms = rates * contribution_norms(stack, sigma, beta, jnp.eye(prod(stack.start)))
    return norms[-2, 0] / norms[-3, 0], float(regimes.characteristic_value(sigma, beta))


@claim
def the_last_layers_drown_the_first() -> Claim:
    """Norms of the layers' contributions grow by sqrt(S) / r a layer."""
    measured, r = _growth(DeconvStack(2, [UP] * 6))
    return Claim(
        "In freeze the norm of a layer's contribution to the kernel grows by √S/r from one layer "
        "to the next: the last layers drown the first (1-D, stride 2, six layers).",
        "[JGGH] layer-dependent learning rates",
        "11_learning_rates",
        predicted=sqrt(2) / r,
        measured=measured,
        tolerance=2 * sqrt(2),  # 2 r times the prediction: corrections are of relative order r
    )


@claim
def the_last_layers_drown_the_first_in_two_dimensions() -> Claim:
    """As in one dimension, with S = 4."""
    measured, r = _growth(DeconvStack((2, 2), [UP] * 5))
    return Claim(
        "In two dimensions, where S is 4, it does the same.",
        "[JGGH] layer-dependent learning rates",
        "11_learning_rates",
        predicted=2 / r,
        measured=measured,
        tolerance=4.0,  # 2 r times the prediction
    )


@claim
def learning_rates_take_the_stride_out() -> Claim:
    """Balanced with S^(-l / 2), norms grow by 1 / r alone."""
    stack = DeconvStack(2, [UP] * 6)
    measured, r = _growth(stack, np.asarray(learning_rates(stack)))
    return Claim(
        "The learning rates S^(−ℓ/2) take the strides out of that growth: what is left is 1/r.",
        "[JGGH] layer-dependent learning rates",
        "11_learning_rates",
        predicted=1 / r,
        measured=measured,
        tolerance=1.0,
    )
