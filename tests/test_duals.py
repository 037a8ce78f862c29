"""Dual maps at any variances, against quadrature in polar coordinates and 40-digit arithmetic."""

from collections.abc import Iterator
from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from mpmath import mp, mpf
from scipy.special import erf, expit, ndtr

from freezechaos import deconvolution, duals, kernels, normalization
from freezechaos.activations import Activation, normalized, standardized
from freezechaos.deconvolution import DeconvStack
from freezechaos.graphs import transposed_convolution

PAIRS = [(1e-4, 1e-4), (1e-4, 1e4), (1e-2, 3.0), (1.0, 1.0), (7.0, 7.1), (25.0, 400.0), (1e4, 1e4)]
COSINES = [1.0, 1 - 1e-5, 0.6, 0.0, -0.3, -0.95, -1.0]
TOLERANCE = 1e-6

# every function with its derivative, in SciPy
FUNCTIONS = {
    "relu": (lambda x: np.maximum(x, 0), lambda x: (x > 0) * 1.0),
    "identity": (lambda x: x, np.ones_like),
    "erf": (erf, lambda x: 2 / np.sqrt(np.pi) * np.exp(-(x**2))),
    "tanh": (np.tanh, lambda x: 4 * expit(2 * x) * expit(-2 * x)),
    "gelu": (
        lambda x: x * ndtr(x),
        lambda x: ndtr(x) + x * np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi),
    ),
    "silu": (lambda x: x * expit(x), lambda x: expit(x) * (1 + x * expit(-x))),
    "softplus": (lambda x: np.logaddexp(x, 0), expit),
}


@pytest.fixture(autouse=True, scope="module")
def no_silent_broadcast() -> Iterator[None]:
    with jax.numpy_rank_promotion("raise"):
        yield


def gauss(borders: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    x, w = np.polynomial.legendre.leggauss(10)
    half = np.diff(borders)[:, None] / 2
    return (borders[:-1, None] + half * (1 + x)).ravel(), (half * w).ravel()


@cache
def polar(angle: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Unit Gaussians u, v of correlation cos(angle) on a grid in polar coordinates, and weights.

    Fine in equal ratio towards 0 and towards the directions in which u or v vanishes, for there is
    where an activation that was stretched changes.
    """
    radii, of_radii = gauss(np.append(0, np.geomspace(1e-7, 10, 30)))
    zeros = np.concatenate([np.arange(-3, 5, 2) * np.pi / 2 + turn for turn in (0, angle)])
    near = np.append(np.geomspace(1e-9, 0.4, 20), 0)
    borders = np.unique(np.concatenate([zeros[:, None] + near, zeros[:, None] - near]))
    inside = borders[(borders > -np.pi) & (borders < np.pi)]
    phi, of_phi = gauss(np.concatenate([[-np.pi], inside, [np.pi]]))
    weights = np.outer(of_radii * radii * np.exp(-(radii**2) / 2), of_phi) / (2 * np.pi)
    return np.outer(radii, np.cos(phi)), np.outer(radii, np.cos(phi - angle)), weights


@cache
def by_quadrature(name: str, a: float, b: float, c: float) -> tuple[float, ...]:
    """E[f(u) f(v)], E[f(u)], E[f(v)] and E[f'(u) f'(v)]."""
    u, v, weights = polar(float(np.arccos(np.clip(c / np.sqrt(a * b), -1, 1))))
    value, slope = FUNCTIONS[name]
    left, right = np.sqrt(a) * u, np.sqrt(b) * v
    one, other = value(left), value(right)
    products = (one * other, one, other, slope(left) * slope(right))
    return tuple(float(np.sum(weights * product)) for product in products)


def exact(sigma: Activation, a: float, b: float, c: float) -> tuple[float, float]:
    """Covariance and slope of sigma = (f - shift) / deviation."""
    if sigma.given == "sin":  # exp(-(a + b) / 2) sinh(c), with cosh for the slope
        with mp.workdps(40):
            size = mp.exp(-(mpf(a) + mpf(b)) / 2)
            both, one, other, slope = size * mp.sinh(mpf(c)), 0, 0, size * mp.cosh(mpf(c))
    else:
        both, one, other, slope = by_quadrature(sigma.given, a, b, c)
    shift, square = sigma.shift, sigma.deviation**2
    return float((both - shift * (one + other) + shift**2) / square), float(slope / square)


def single(x: float) -> float:
    return float(np.float32(x))


CASES = [
    (single(a), single(b), single(np.sqrt(a * b) * cosine) if a != b or cosine < 1 else single(a))
    for a, b in PAIRS
    for cosine in COSINES
]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("form", [standardized, normalized])
@pytest.mark.parametrize("name", ["sin", *FUNCTIONS])
def test_named_activations_at_variances_from_1e_4_to_1e4(name, form, dtype):
    """To 1e-6, relative to the geometric mean of what the two variances give by themselves."""
    sigma = form(name)
    with jax.enable_x64(dtype == "float64"):
        left, right, middle = (jnp.asarray(x, dtype) for x in np.transpose(CASES))
        distance = (left - middle) + (right - middle)
        found = duals.at_variances(sigma, left, right, middle, distance)
        slopes = np.asarray(found.slope) * sigma.derivative_second_moment
        covariances = np.asarray(found.covariance)
    wanted = np.array([exact(sigma, *case) for case in CASES])
    own = np.array([[exact(sigma, x, x, x) for x in case[:2]] for case in CASES])
    size = np.sqrt(np.prod(own, axis=1))
    error = np.abs(np.stack([covariances, slopes], axis=1) - wanted) / size
    if name == "relu" and dtype == "float32":  # it falls by sqrt(2 gap) / pi, and gaps are rounded
        a, b, c = np.transpose(CASES)
        error[(a != b) & (np.abs(c) > (1 - 1e-6) * np.sqrt(a * b)), 1] *= TOLERANCE / 1.6e-4
    worst = np.unravel_index(np.argmax(error), error.shape)
    assert error.max() <= TOLERANCE, (CASES[worst[0]], worst[1], error.max())


STEEP = {
    "sin(12 x)": (lambda x: jnp.sin(12 * x), 17_304),
    "exp(-(4 x)^2)": (lambda x: jnp.exp(-((4 * x) ** 2)), 220.9),
    "erf(4 x)": (lambda x: jax.scipy.special.erf(4 * x), 11.170),
}


def fully_connected(depth: int) -> DeconvStack:
    return DeconvStack(1, [transposed_convolution(1)] * depth, "usual")


class TestOtherActivations:
    @pytest.mark.parametrize("name", STEEP)
    def test_steep_ones_in_the_fully_connected_network(self, name):
        """A usual stack of windows 1 is one; its diagonal has a closed form."""
        function, about = STEEP[name]
        sigma = standardized(function)
        gram = jnp.ones((1, 1))
        wanted = float(jnp.exp(kernels.log_ntk_diagonal(sigma, 0.3, 3)))
        assert wanted == pytest.approx(about, rel=3e-4)
        plain = deconvolution.ntk(fully_connected(3), sigma, 0.3, gram)
        traced = jax.jit(lambda gram: deconvolution.ntk(fully_connected(3), sigma, 0.3, gram))(gram)
        for found in (plain, traced):
            assert float(found[0, 0]) == pytest.approx(wanted, rel=1e-5)

    def test_beyond_its_reach_it_is_refused_or_nan(self):
        sigma = standardized(STEEP["erf(4 x)"][0])
        gram = 100 * jnp.eye(1)
        with pytest.raises(
            ValueError, match=r"too steep: .* up to a variance of [\d.]+; got .* 100"
        ):
            deconvolution.nngp(fully_connected(2), sigma, 0.0, gram)
        traced = jax.jit(lambda gram: deconvolution.nngp(fully_connected(2), sigma, 0.0, gram))
        assert bool(jnp.isnan(traced(gram)).all())
        assert traced(jnp.eye(1)) == pytest.approx(1, abs=1e-6)

    def test_at_the_end_of_its_reach_the_slope_is_right(self, float64):
        """Where the kept terms miss most, and of it the derivative at cosine 1 loses most."""
        sigma = standardized(lambda x: jnp.tanh(3 * x))
        variance = float(duals.reach(sigma, duals.TERMS[-1]))
        assert variance > 1
        z = np.linspace(-12, 12, 200_001)  # the trapezoidal rule is exact to rounding there
        moments = [
            np.trapezoid((9 / np.cosh(3 * np.sqrt(v) * z) ** 4) * np.exp(-(z**2) / 2), z)
            for v in (1.0, variance)
        ]
        a = jnp.array([variance])
        terms = duals.terms_for(sigma, variance)
        found = duals.at_variances(sigma, a, a, a, 0 * a, terms=terms).slope[0]
        assert float(found) == pytest.approx(moments[1] / moments[0], rel=TOLERANCE)

    def test_within_its_reach_it_is_right(self):
        """erf(4 x) has the closed form of erf at variances 16 times as large."""
        steep, erf_like = standardized(STEEP["erf(4 x)"][0]), standardized("erf")
        farthest = duals.reach(steep, duals.TERMS[-1])
        a, b, c = (np.float32(farthest * share) for share in (0.99, 0.3, -0.4))
        left, right, middle = (jnp.asarray([x]) for x in (a, b, c))
        distance = left + right - 2 * middle
        found = duals.at_variances(steep, left, right, middle, distance)
        wanted = duals.at_variances(erf_like, 16 * left, 16 * right, 16 * middle, 16 * distance)
        scale = (erf_like.deviation / steep.deviation) ** 2
        assert found.covariance == pytest.approx(scale * np.asarray(wanted.covariance), abs=2e-6)
        assert found.distance == pytest.approx(scale * np.asarray(wanted.distance), rel=3e-6)

    def test_a_traced_kink_is_refused_at_once(self):
        sigma = standardized(lambda x: jnp.abs(x) + x**2)
        with pytest.raises(ValueError, match="has a kink at 0"):
            jax.jit(lambda g: deconvolution.ntk(fully_connected(2), sigma, 0.1, g))(jnp.eye(1))


@pytest.mark.parametrize("variance", [4.0, 25.0, 100.0, 400.0, 1e4])
def test_two_layers_of_erf_off_the_sphere(variance):
    """The arcsine kernel [Williams]."""
    gram = variance * jnp.array([[1.0, 0.4], [0.4, 1.0]])
    found = deconvolution.nngp(
        fully_connected(2), standardized("erf"), 0.0, gram[:, :, None, None]
    )[..., 0, 0]
    wanted = np.arcsin(2 * np.asarray(gram) / (1 + 2 * variance)) / np.arcsin(2 / 3)
    assert found == pytest.approx(wanted, rel=1e-6)


@pytest.mark.parametrize("name", ["tanh", "gelu", "softplus"])
def test_gram_step_with_one_long_point(name):
    """32 points, one of them 30 times longer."""
    sigma, n = standardized(name), 32
    x = np.random.default_rng(0).normal(size=(n, 40)) / np.sqrt(40)
    x[0] *= 30
    gram = x @ x.T
    gram *= n / np.trace(gram)
    with jax.enable_x64(True):
        found = np.asarray(normalization.gram_step(gram, ("nonlinearity",), sigma))
    wanted = np.array(
        [[exact(sigma, gram[i, i], gram[j, j], gram[i, j])[0] for j in range(3)] for i in range(3)]
    )
    assert found[:3, :3] / found[0, 0] == pytest.approx(wanted / wanted[0, 0], rel=1e-6)


def test_gram_step_refuses_what_is_too_steep():
    with pytest.raises(ValueError, match="too steep"):
        normalization.gram_step(
            jnp.diag(jnp.array([1.0, 60.0])),
            ("nonlinearity",),
            standardized(lambda x: jnp.tanh(30 * x)),
        )
