"""The claims of the two papers: what each predicts, what is measured, and whether it holds.

One function a claim; the tests assert them, the book tabulates them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np

from . import data, dynamics, empirical, kernels, normalization, regimes, spectra
from .activations import Activation, normalized, standardized
from .networks import FullyConnected, circle, on_sphere


@dataclass(frozen=True)
class Claim:
    """A statement with two numbers that ought to agree.

    Arguments:
        statement: what is claimed, in a sentence.
        source: the paper and where in it, such as "[JGGH] freeze theorem".
        chapter: the chapter that shows it, such as "03_freeze_and_chaos".
        predicted: what theory says.
        measured: what was computed here.
        tolerance: how far from the prediction the measurement may lie.
    """

    statement: str
    source: str
    chapter: str
    predicted: float
    measured: float
    tolerance: float

    @property
    def holds(self) -> bool:
        """|measured - predicted| <= tolerance; never for NaN."""
        return abs(self.measured - self.predicted) <= self.tolerance


CLAIMS: dict[str, Callable[[], Claim]] = {}
"""All claims by name; each is computed once a session.

:meta hide-value:
"""


def claim(function: Callable[[], Claim]) -> Callable[[], Claim]:
    """Enter a function without arguments among the `CLAIMS`."""
    kept = cache(function)
    CLAIMS[function.__name__] = kept
    return kept


@claim
def freeze_rate() -> Claim:
    """1 - theta falls like L r^L for a smooth activation."""
    sigma, beta, depth = standardized("erf"), 0.6, 200
    return Claim(
        "In freeze 1 − ϑ falls like L·r^L with depth, for a smooth activation: log r a layer.",
        "[JGGH] freeze theorem",
        "03_freeze_and_chaos",
        predicted=float(jnp.log(regimes.characteristic_value(sigma, beta))),
        measured=_fall(kernels.ntk_gap, sigma, beta, depth) - float(jnp.log1p(1 / depth)),
        tolerance=10 / depth**2,  # (L + a) r^L with a of order one
    )


@claim
def freeze_rate_with_a_kink() -> Claim:
    """1 - theta falls like r^(L / 2) for ReLU."""
    sigma, beta = standardized("relu"), 0.6
    return Claim(
        "In freeze 1 − ϑ of ReLU falls like r^(L/2): half as fast, because of the kink.",
        "[JGGH] freeze theorem",
        "03_freeze_and_chaos",
        predicted=float(jnp.log(regimes.characteristic_value(sigma, beta)) / 2),
        measured=_fall(kernels.ntk_gap, sigma, beta, 60),
        tolerance=1e-4,
    )


@claim
def chaos_rate() -> Claim:
    """Theta falls like r^-L between different inputs."""
    sigma, beta = normalized("relu"), 0.3
    return Claim(
        "In chaos ϑ between different inputs falls exponentially with depth, by 1/r a layer.",
        "[JGGH] chaos theorem",
        "03_freeze_and_chaos",
        predicted=-float(jnp.log(regimes.characteristic_value(sigma, beta))),
        measured=_fall(kernels.ntk, sigma, beta, 120),
        tolerance=1e-4,
    )


@claim
def edge_limit() -> Claim:
    """Theta tends to 1/4 for ReLU without bias."""
    statement = "At the edge ϑ of ReLU tends to 1/4 between different inputs."
    return _edge("relu", statement, "[JGGH] section 3", 1 / 4)


@claim
def smooth_edge_limit() -> Claim:
    """Theta tends to 1/3 for a smooth activation at its critical beta."""
    statement = "At the edge ϑ of a smooth activation tends to 1/3."
    return _edge("tanh", statement, "derived in the chapter", 1 / 3)


@claim
def diagonal() -> Claim:
    """Theta(x, x) = (1 - r^L) / (1 - r), in finite networks."""
    sigma, beta, depth = normalized("relu"), 0.3, 6
    mean, error = _finite_kernel(sigma, beta, depth)
    return Claim(
        "Θ(x, x) = 1 + r + … + r^(L−1), here in networks of six layers, width 1024.",
        "[JGGH] section 2",
        "02_the_tangent_kernel",
        predicted=float(jnp.exp(kernels.log_ntk_diagonal(sigma, beta, depth))),
        measured=float(mean[0]),
        tolerance=3 * float(error[0]),
    )


@claim
def finite_networks() -> Claim:
    """The kernel of wide networks lies within three standard errors of the limit."""
    sigma, beta, depth = normalized("relu"), 0.3, 6
    finite = _finite_kernel(sigma, beta, depth)
    return Claim(
        "The kernel of finite networks is the infinite one: largest deviation over seven angles, "
        "in standard errors of the mean over 32 networks of width 1024.",
        "[JGGH] section 2",
        "02_the_tangent_kernel",
        predicted=0.0,
        measured=_largest_deviation(finite, sigma, beta, depth),
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
        "[JGGH] freeze theorem",
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
        loss = jnp.mean((done.outputs - done.outputs[0] - y) ** 2, axis=(1, 2))
        counted.append(share * int(jnp.argmax(loss < loss[0] / 2)))
    return Claim(
        "In freeze training is slow: steps with the learning rate N/λ₁ until half of the loss is "
        "gone, from the spectrum and in networks of four layers, width 512, on 100 digits.",
        "[JGGH] section 3",
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
        "[JGGH] section 3",
        "04_trainability_and_generalization",
        predicted=0.1,
        measured=float(np.mean(right)) if np.mean(fitted) > 0.98 else float("nan"),
        tolerance=3 * float(np.std(right, ddof=1) / np.sqrt(len(right))),
    )


@claim
def nonlinearity_alone_collapses() -> Claim:
    """NL: all points end in one direction."""
    return Claim(
        "ReLU alone sends a batch into one direction: its mean cosine after 200 layers, infinite "
        "width.",
        "[NBGK]",
        "07_batch_norm_decomposed",
        predicted=1.0,
        measured=_mean_cosine_at_depth(("nonlinearity",)),
        tolerance=2e-3,  # 1 - cosine falls like 1 / L^2
    )


@claim
def nonlinearity_alone_collapses_finite_networks() -> Claim:
    """NL, at width 500."""
    mean, error = _mean_cosines(("nonlinearity",))
    return Claim(
        "ReLU alone sends a batch into one direction: its mean cosine after 200 layers of width "
        "500.",
        "[NBGK]",
        "07_batch_norm_decomposed",
        predicted=1.0,
        measured=mean,
        tolerance=5e-3 + 3 * error,
    )


@claim
def rescaling_orthogonalizes() -> Claim:
    """RS, linear: at what rate a batch becomes orthogonal."""
    n = 10
    end = normalization.fixed_point(_points(n), ("rescale",))
    rate = normalization.leading_multiplier(end, ("rescale",))
    return Claim(
        "Rescaling in a linear network makes a batch orthogonal; what is left to do shrinks by "
        "N/(N+2) a layer, N = 10.",
        "Daneshmand et al. 2021; the rate is derived in the chapter",
        "07_batch_norm_decomposed",
        predicted=n / (n + 2),
        measured=rate if normalization.orthogonality_gap(end) < 1e-5 else float("nan"),
        tolerance=1e-5,
    )


@claim
def rescaling_orthogonalizes_finite_networks() -> Claim:
    """RS, linear, at width 500."""
    mean, error = _mean_cosines(("rescale",))
    return Claim(
        "Rescaling in a linear network makes a batch orthogonal: its mean cosine after 200 layers "
        "of width 500, from 0.5.",
        "Daneshmand et al. 2021",
        "07_batch_norm_decomposed",
        predicted=0.0,
        measured=mean,
        tolerance=3 * error,
    )


@claim
def recentring_and_rescaling_make_a_simplex() -> Claim:
    """RC + RS, linear: the largest cosine of a pair is the smallest."""
    n = 10
    end = normalization.fixed_point(_points(n), ("recentre", "rescale"))
    return Claim(
        "Recentring and rescaling in a linear network make a batch a regular simplex, cosine "
        "−1/(N−1): the largest cosine of a pair, N = 10.",
        "[NBGK]",
        "07_batch_norm_decomposed",
        predicted=-1 / (n - 1),
        measured=float(jnp.max(normalization.cosines(end) - 2 * jnp.eye(n))),
        tolerance=1e-5,
    )


@claim
def recentring_and_rescaling_make_a_simplex_finite_networks() -> Claim:
    """RC + RS, linear, at width 500."""
    mean, error = _mean_cosines(("recentre", "rescale"))
    return Claim(
        "Recentring and rescaling in a linear network make a batch a simplex: mean cosine after "
        "200 layers of width 500, N = 10.",
        "[NBGK]",
        "07_batch_norm_decomposed",
        predicted=-1 / 9,
        measured=mean,
        tolerance=3 * error + 1e-3,  # lengths differ by 1 / sqrt(width)
    )


@claim
def odd_point() -> Claim:
    """RC + NL: one cluster and one odd point, orthogonal to it."""
    return Claim(
        "Recentring and ReLU leave one cluster and one odd point, orthogonal to it: their cosine "
        "at infinite width, N = 32.",
        "[NBGK]",
        "07_batch_norm_decomposed",
        predicted=0.0,
        measured=_odd_states(32).cosine,
        tolerance=2e-3,
    )


@claim
def odd_point_finite_networks() -> Claim:
    """RC + NL at width 200: the cosine in the cluster, with the odd point orthogonal."""
    x = jax.random.normal(jax.random.key(0), (32, 32))
    keys = jax.random.split(jax.random.key(1), 24)
    last = normalization.propagate(x, 300, 200, key=keys, record="grams")[:, -1]
    odd = normalization.odd_point(last)
    apart = bool(jnp.median(jnp.abs(odd.cosine)) < 0.02)
    return Claim(
        "Recentring and ReLU leave one cluster and one odd point: the cosine in the cluster after "
        "300 layers of width 200, N = 32, in the median of 24 networks.",
        "[NBGK]",
        "07_batch_norm_decomposed",
        predicted=_odd_states(32).cluster,
        measured=float(jnp.median(odd.cluster)) if apart else float("nan"),
        tolerance=0.05,
    )


@claim
def full_batch_norm_is_symmetric() -> Claim:
    """RC + RS + NL: all pairs at one cosine, also from a batch with an odd point."""
    end = normalization.fixed_point(normalization.odd_gram(1e3, 10), normalization.PARTS)
    off = normalization.cosines(end)[~np.eye(10, dtype=bool)]
    return Claim(
        "Full batch normalization with ReLU restores the symmetry: all pairs at one cosine, here "
        "from a batch with an odd point, N = 10, infinite width.",
        "[NBGK]; the cosine is derived in the chapter",
        "07_batch_norm_decomposed",
        predicted=normalization.symmetric_cosine(10),
        measured=float(off[jnp.argmax(jnp.abs(off - normalization.symmetric_cosine(10)))]),
        tolerance=1e-5,
    )


@claim
def full_batch_norm_is_symmetric_finite_networks() -> Claim:
    """RC + RS + NL at width 500."""
    mean, error = _mean_cosines(normalization.PARTS)
    return Claim(
        "Full batch normalization with ReLU keeps all pairs at one cosine: the mean after 200 "
        "layers of width 500, N = 10.",
        "[NBGK]; the cosine is derived in the chapter",
        "07_batch_norm_decomposed",
        predicted=normalization.symmetric_cosine(10),
        measured=mean,
        tolerance=3 * error + 0.005,
    )


@claim
def symmetric_state_is_stable() -> Claim:
    """RC + NL: the leading multiplier of the symmetric state, by power iteration."""
    return Claim(
        "Recentring and ReLU: the symmetric state is stable too; a disturbance shrinks by this "
        "factor a layer, N = 10.",
        "derived in the chapter; in neither paper",
        "07_batch_norm_decomposed",
        predicted=normalization.symmetric_multipliers(10)[0],
        measured=normalization.leading_multiplier(normalization.fixed_point(np.eye(10))),
        tolerance=1e-6,
    )


@claim
def second_attractor() -> Claim:
    """RC + NL: the odd-point state of eight points, from a batch with one longer point."""
    start = np.diag([1.0] * 7 + [2.0])
    end = normalization.fixed_point(start) if normalization.odd_states(6) is None else np.eye(8)
    return Claim(
        "Recentring and ReLU: beside it there is a second attractor from N = 7 on; the cosine in "
        "its cluster, N = 8, reached from a batch with one longer point.",
        "derived in the chapter; in neither paper",
        "07_batch_norm_decomposed",
        predicted=_odd_states(8).cluster,
        measured=float(normalization.odd_point(end).cluster),
        tolerance=1e-5,
    )


@claim
def poincare() -> Claim:
    """The critical beta of normalized ReLU is 1 / sqrt(pi)."""
    return Claim(
        "A normalized activation that is not affine is chaotic for β < √(1 − 1/E[σ'²]), by "
        "Poincaré's inequality; for ReLU that is 1/√π.",
        "[JGGH] section 3",
        "05_layer_norm_and_nonlinearity",
        predicted=float(1 / np.sqrt(np.pi)),
        measured=regimes.critical_beta(normalized("relu")),
        tolerance=1e-12,
    )


@claim
def layer_norm_after() -> Claim:
    """ReLU with layer norm after it has the kernel of normalized ReLU."""
    return _layer_norm(
        "after",
        "normalized",
        "Layer norm after the nonlinearity is normalization of the nonlinearity: largest "
        "deviation of the kernel from the infinite one over seven angles, in standard errors of "
        "the mean over 32 networks of width 1024.",
    )


@claim
def layer_norm_before() -> Claim:
    """ReLU with layer norm before it has the kernel of standardized ReLU."""
    return _layer_norm(
        "before",
        "standardized",
        "Layer norm before the nonlinearity does nothing on the sphere: largest deviation of the "
        "kernel from that without it over seven angles, in standard errors of the mean over 32 "
        "networks of width 1024.",
    )


@claim
def constant_mode_under_batch_norm() -> Claim:
    """1^T Theta 1 / N^2 = beta^2 in a narrow network, to rounding."""
    with jax.enable_x64(True):
        inputs = circle(jnp.linspace(0, 6, 12))
        network = FullyConnected(
            [2, 16, 16, 16, 1], standardized("relu"), 0.5, batch_norm=True, key=jax.random.key(0)
        )
        kernel = empirical.ntk(network, inputs)
    return Claim(
        "With batch norm after the last nonlinearity 1ᵀΘ1/N² = β² at every finite width, here 16, "
        "to rounding.",
        "[JGGH] section 3",
        "06_batch_norm_and_the_constant_mode",
        predicted=0.25,
        measured=float(np.mean(np.asarray(kernel))),
        tolerance=1e-12,
    )


def _odd_states(n: int) -> normalization.OddStates:
    states = normalization.odd_states(n)
    assert states is not None
    return states


@cache
def _digits() -> tuple[jax.Array, jax.Array, jax.Array, np.ndarray]:
    """100 digits and their one-hot targets; 300 others and their classes."""
    train, test = data.load("digits", count=100), data.load("digits", "test", count=300)
    x, unseen = (on_sphere(part.images.reshape(len(part), -1)) for part in (train, test))
    return x, dynamics.one_hot(np.asarray(train.labels), 10), unseen, np.asarray(test.labels)


def _points(n: int) -> jax.Array:
    """The Gram matrix of n inputs with cosines of about 1/2."""
    x = jax.random.normal(jax.random.key(0), (n, 4 * n))
    x = x + jax.random.normal(jax.random.key(1), (4 * n,))[None]
    return x @ x.T


def _mean_cosine_at_depth(parts: tuple[str, ...]) -> float:
    return float(normalization.mean_cosine(normalization.iterate(_points(10), 200, parts)[-1]))


def _mean_cosines(parts: tuple[str, ...]) -> tuple[float, float]:
    """Mean over 48 networks of 200 layers, width 500, and its standard error."""
    x = jnp.linalg.cholesky(_points(10))
    keys = jax.random.split(jax.random.key(2), 48)
    last = normalization.propagate(x, 200, 500, parts, keys, record="grams")[:, -1]
    cosines = normalization.mean_cosine(last)
    return float(jnp.mean(cosines)), float(jnp.std(cosines, ddof=1) / np.sqrt(len(keys)))


_ANGLES = np.linspace(0, np.pi, 7)  # of NumPy: importing this starts no JAX


@cache
def _finite_kernel(
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


def _largest_deviation(
    finite: empirical.Estimate, sigma: Activation, beta: float, depth: int
) -> float:
    """From the infinite kernel, over `_ANGLES`, in standard errors."""
    scaled = kernels.ntk(sigma, beta, depth, jnp.cos(_ANGLES))
    theory = jnp.exp(kernels.log_ntk_diagonal(sigma, beta, depth)) * scaled
    return float(jnp.max(jnp.abs(finite.mean - theory) / finite.standard_error))


def _layer_norm(side: Literal["before", "after"], make: str, statement: str) -> Claim:
    """How far networks of ReLU with layer norm are from an activation without it."""
    beta, depth = 0.3, 3
    sigma = {"normalized": normalized, "standardized": standardized}[make]("relu")
    finite = _finite_kernel(standardized("relu"), beta, depth, layer_norm=side)
    return Claim(
        statement,
        "[JGGH] section 3",
        "05_layer_norm_and_nonlinearity",
        predicted=0.0,
        measured=_largest_deviation(finite, sigma, beta, depth),
        tolerance=3.0,
    )


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
