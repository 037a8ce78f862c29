"""Claims about normalization: of layers, of the nonlinearity, of batches [JGGH, NBGK]."""

from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np

from freezechaos import empirical, normalization, regimes
from freezechaos.activations import normalized, standardized
from freezechaos.networks import FullyConnected, circle

from .finite import finite_kernel, largest_deviation
from .record import Claim, claim

_SMALL = "Batches of at most 51 points: from 52 on there is a second state, with long points."


@claim
def poincare() -> Claim:
    """The critical beta of normalized ReLU is 1 / sqrt(pi)."""
    return Claim(
        "A normalized activation that is not affine is chaotic for β < √(1 − 1/E[σ'²]), by "
        "Poincaré's inequality; for ReLU that is 1/√π.",
        "after [JGGH]; the condition is derived in the chapter",
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
        "[JGGH] batch normalization",
        "06_batch_norm_and_the_constant_mode",
        predicted=0.25,
        measured=float(np.mean(np.asarray(kernel))),
        tolerance=1e-12,  # some thousand roundings of float64
    )


@claim
def nonlinearity_alone_collapses() -> Claim:
    """NL: all points end in one direction."""
    return Claim(
        "ReLU alone sends a batch into one direction: its mean cosine after 200 layers, infinite "
        "width.",
        "Cho and Saul 2009",
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
        "Cho and Saul 2009",
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
        "derived in the chapter",
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
        "derived in the chapter",
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
        tolerance=2e-3,  # it is of the order 30 / N^3 = 1e-3
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
        "derived in the chapter",
        "07_batch_norm_decomposed",
        predicted=normalization.symmetric_cosine(10),
        measured=float(off[jnp.argmax(jnp.abs(off - normalization.symmetric_cosine(10)))]),
        tolerance=1e-5,
        condition=_SMALL,
    )


@claim
def full_batch_norm_is_symmetric_finite_networks() -> Claim:
    """RC + RS + NL at width 500."""
    mean, error = _mean_cosines(normalization.PARTS)
    return Claim(
        "Full batch normalization with ReLU keeps all pairs at one cosine: the mean after 200 "
        "layers of width 500, N = 10.",
        "derived in the chapter",
        "07_batch_norm_decomposed",
        predicted=normalization.symmetric_cosine(10),
        measured=mean,
        tolerance=3 * error + 0.005,  # corrections of the order 1 / width
        condition=_SMALL,
    )


@claim
def symmetric_state_is_stable() -> Claim:
    """RC + NL: the leading multiplier of the symmetric state, by power iteration."""
    return Claim(
        "Recentring and ReLU: the symmetric state is stable too; a disturbance shrinks by this "
        "factor a layer, N = 10.",
        "derived in the chapter",
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
        "derived in the chapter",
        "07_batch_norm_decomposed",
        predicted=_odd_states(8).cluster,
        measured=float(normalization.odd_point(end).cluster),
        tolerance=1e-5,
    )


def _layer_norm(side: Literal["before", "after"], make: str, statement: str) -> Claim:
    """How far networks of ReLU with layer norm are from an activation without it."""
    beta, depth = 0.3, 3
    sigma = {"normalized": normalized, "standardized": standardized}[make]("relu")
    finite = finite_kernel(standardized("relu"), beta, depth, layer_norm=side)
    return Claim(
        statement,
        "after [JGGH], layer normalization; where it stands is this course's condition",
        "05_layer_norm_and_nonlinearity",
        predicted=0.0,
        measured=largest_deviation(finite, sigma, beta, depth),
        tolerance=3.0,
    )


def _odd_states(n: int) -> normalization.OddStates:
    states = normalization.odd_states(n)
    assert states is not None
    return states


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
