"""Claims about fully connected networks: the kernel, freeze and chaos, training [JGGH]."""

from collections.abc import Callable
from functools import cache

import jax
import jax.numpy as jnp
import numpy as np

from freezechaos import data, dynamics, empirical, kernels, regimes, spectra
from freezechaos.activations import Activation, normalized, standardized
from freezechaos.networks import FullyConnected, on_sphere

from .finite import finite_kernel, largest_deviation
from .record import Claim, claim


@claim
def freeze_rate() -> Claim:
    """1 - theta falls like L r^L for a smooth activation."""
    sigma, beta, depth = standardized("erf"), 0.6, 200
    return Claim(
        "In freeze 1 − ϑ falls like L·r^L with depth, for a smooth activation: log r a layer.",
        "after [JGGH], sharpened here",
        "03_freeze_and_chaos",
        predicted=float(jnp.log(regimes.characteristic_value(sigma, beta))),
        measured=_fall(kernels.ntk_gap, sigma, beta, depth) - float(jnp.log1p(1 / depth)),
        tolerance=10 / depth**2,  # (L + a) r^L with |a| of the order 1 / (1 - r) = 5
    )


@claim
def freeze_rate_with_a_kink() -> Claim:
    """1 - theta falls like r^(L / 2) for ReLU."""
    sigma, beta = standardized("relu"), 0.6
    return Claim(
        "In freeze 1 − ϑ of ReLU falls like r^(L/2): half as fast, because of the kink.",
        "after [JGGH], sharpened here",
        "03_freeze_and_chaos",
        predicted=float(jnp.log(regimes.characteristic_value(sigma, beta)) / 2),
        measured=_fall(kernels.ntk_gap, sigma, beta, 60),
        tolerance=1e-4,  # the next term is smaller by r^(L/2) = 2e-6; float32 keeps five digits
    )


@claim
def chaos_rate() -> Claim:
    """Theta falls like r^-L between different inputs."""
    sigma, beta = normalized("relu"), 0.3
    return Claim(
        "In chaos ϑ between different inputs falls exponentially with depth, by 1/r a layer.",
        "after [JGGH], sharpened here",
        "03_freeze_and_chaos",
        predicted=-float(jnp.log(regimes.characteristic_value(sigma, beta))),
        measured=_fall(kernels.ntk, sigma, beta, 120),
        tolerance=1e-4,  # Sigma has settled; float32 keeps five digits
    )


@claim
def edge_limit() -> Claim:
    """Theta tends to 1/4 for ReLU without bias."""
    statement = "At the edge ϑ of ReLU tends to 1/4 between different inputs."
    return _edge("relu", statement, "[JGGH], the limit at the edge", 1 / 4)


@claim
def smooth_edge_limit() -> Claim:
    """Theta tends to 1/3 for a smooth activation at its critical beta."""
    statement = "At the edge ϑ of a smooth activation tends to 1/3."
    return _edge("tanh", statement, "derived in the chapter", 1 / 3)


@claim
def diagonal() -> Claim:
    """Theta(x, x) = (1 - r^L) / (1 - r), in finite networks."""
    sigma, beta, depth = normalized("relu"), 0.3, 6
    mean, error = finite_kernel(sigma, beta, depth)
    return Claim(
        "Θ(x, x) = 1 + r + … + r^(L−1), here in networks of six layers, width 1024.",
        "Jacot, Gabriel and Hongler 2018; in the parametrization of [JGGH]",
        "02_the_tangent_kernel",
        predicted=float(jnp.exp(kernels.log_ntk_diagonal(sigma, beta, depth))),
        measured=float(mean[0]),
        tolerance=3 * float(error[0]),
    )


@claim
def finite_networks() -> Claim:
    """The kernel of wide networks lies within three standard errors of the limit."""
    sigma, beta, depth = normalized("relu"), 0.3, 6
    finite = finite_kernel(sigma, beta, depth)
    return Claim(
        "The kernel of finite networks is the infinite one: largest deviation over seven angles, "
        "in standard errors of the mean over 32 networks of width 1024.",
        "Jacot, Gabriel and Hongler 2018; in the parametrization of [JGGH]",
        "02_the_tangent_kernel",
        predicted=0.0,
        measured=largest_deviation(finite, sigma, beta, depth),
        tolerance=3.0,
    )


@claim
def constant_mode_in_freeze() -> Claim:
    """The top eigenvector of the Gram matrix tends to the constant, with all of the trace."""
    x, _, _, _ = _digits()
    sigma, beta, depth = standardized("gelu"), 0.7, 64
    lowest = jnp.min(x @ x.T) / x.shape[1]
    return Claim(
        "In freeze the constant mode takes the whole kernel: its share of the trace, 64 layers, "
        "100 digits.",
        "after [JGGH], sharpened here",
        "04_trainability_and_generalization",
        predicted=1.0,
        measured=spectra.constant_share(kernels.gram(sigma, beta, depth, x)),
        tolerance=float(kernels.ntk_gap(sigma, beta, depth, lowest)) + 1e-6,  # rounding in float32
    )


@claim
def slow_training_in_freeze() -> Claim:
    """Steps until half the loss is gone, from the spectrum and in finite networks."""
    x, y, _, _ = _digits()
    sigma, beta, depth, share = normalized("gelu"), 0.7, 4, 0.4
    flow = dynamics.flow(kernels.gram(sigma, beta, depth, x), y)
    steps = flow.time_to_fit(0.5) * float(flow.rates[0])
    diagonal = jnp.exp(kernels.log_ntk_diagonal(sigma, beta, depth))
    counted = []
    for key in jax.random.split(jax.random.key(0), 4):
        network = FullyConnected([x.shape[1], 512, 512, 512, 10], sigma, beta, key=key)
        done = empirical.train(
            network, x, y + network(x),
            learning_rate=share / float(flow.rates[0] * diagonal), steps=round(3 * steps / share),
        )  # fmt: skip
        loss = jnp.mean((done.outputs - (done.outputs[0] + y)[None]) ** 2, axis=(1, 2))
        counted.append(share * int(jnp.argmax(loss < loss[0] / 2)))
    return Claim(
        "In freeze training is slow: steps with the learning rate N/λ₁ until half of the loss is "
        "gone, from the spectrum and in networks of four layers, width 512, on 100 digits.",
        "after [JGGH], training and generalization",
        "04_trainability_and_generalization",
        predicted=steps,
        measured=float(np.mean(counted)),
        tolerance=0.25 * steps,  # the kernel of a finite network is not the infinite one
    )


@claim
def no_generalization_in_chaos() -> Claim:
    """Networks in deep chaos fit all training images and are at chance on new ones."""
    x, y, unseen, answers = _digits()
    sigma, beta, depth = normalized("gelu"), 0.1, 24
    rate = float(0.2 * len(x) * jnp.exp(-kernels.log_ntk_diagonal(sigma, beta, depth)))
    fitted, right = [], []
    for key in jax.random.split(jax.random.key(0), 6):
        network = FullyConnected([x.shape[1], *[512] * (depth - 1), 10], sigma, beta, key=key)
        done = empirical.train(
            network, x, y, learning_rate=rate, steps=120, record=120, test=unseen
        )
        fitted.append(float(dynamics.accuracy(done.outputs[-1], jnp.argmax(y, axis=1))))
        right.append(float(dynamics.accuracy(np.asarray(done.test_outputs)[-1], answers)))
    return Claim(
        "In deep chaos networks fit the training images (98 % of them and more) and are at chance "
        "on new ones: accuracy of networks of 24 layers, width 512, on digits.",
        "after [JGGH], training and generalization",
        "04_trainability_and_generalization",
        predicted=0.1,
        measured=float(np.mean(right)) if np.mean(fitted) > 0.98 else float("nan"),
        tolerance=3 * float(np.std(right, ddof=1) / np.sqrt(len(right))),
    )


@cache
def _digits() -> tuple[jax.Array, jax.Array, jax.Array, np.ndarray]:
    """100 digits and their one-hot targets; 300 others and their classes."""
    train, test = data.load("digits", count=100), data.load("digits", "test", count=300)
    x, unseen = (on_sphere(part.images.reshape(len(part), -1)) for part in (train, test))
    return x, dynamics.one_hot(np.asarray(train.labels), 10), unseen, np.asarray(test.labels)


def _fall(kernel: Callable[..., jax.Array], sigma: Activation, beta: float, depth: int) -> float:
    """The change of the logarithm from one depth to the next, at a cosine of 0.3."""
    here, there = (kernel(sigma, beta, length, jnp.array(0.3)) for length in (depth, depth + 1))
    return float(jnp.log(there / here))


def _edge(name: str, statement: str, source: str, limit: float) -> Claim:
    sigma, depth = standardized(name), 100_000
    return Claim(
        statement,
        source,
        "03_freeze_and_chaos",
        predicted=limit,
        measured=float(kernels.ntk(sigma, regimes.critical_beta(sigma), depth, jnp.array(0.3))),
        tolerance=2e-4,  # the approach is (a log L + b) / L
    )
