"""Functions with kinks anywhere, against Owen's T function; or refused, with the true reason."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import ndtr, owens_t

from freezechaos import expectations
from freezechaos.activations import standardized


def orthant(h: float, k: float, rho: float) -> float:
    """P(u > h, v > k) for unit Gaussians of correlation rho [Owen 1956]."""
    root = np.sqrt((1 - rho) * (1 + rho))
    above = owens_t(h, (k - rho * h) / (h * root)) + owens_t(k, (h - rho * k) / (k * root))
    return (ndtr(-h) + ndtr(-k)) / 2 - above - (0.5 if h * k < 0 else 0)


def second_moment(places: list[float], slopes: list[float]) -> float:
    """E[(sum_i slope_i max(Z - place_i, 0))^2], from the moments of a truncated Gaussian."""

    def both(a: float, b: float) -> float:
        top = max(a, b)
        density = np.exp(-(top**2) / 2) / np.sqrt(2 * np.pi)
        return (1 + a * b) * ndtr(-top) + (top - a - b) * density

    return sum(
        s * t * both(a, b)
        for a, s in zip(places, slopes, strict=True)
        for b, t in zip(places, slopes, strict=True)
    )


class TestPanels:
    """Every kink is found, to 1e-12, on the first set of panels as on any other."""

    @staticmethod
    def found(place: float) -> np.ndarray:
        def slope(x: np.ndarray) -> np.ndarray:
            return np.where(x > place, 1.0, np.where(x < place, 0.0, 0.5))

        return expectations.panels(slope, np.zeros_like).own

    def test_a_thousand_places(self):
        random = np.random.default_rng(0)
        ends = np.linspace(-13, 13, 28)[1:-1]  # of panels
        near = [end + sign * 10.0**-k for end in ends for sign in (-1, 1) for k in range(1, 15)]
        places = [0.0, 12.0, 1.77, 0.481994, *random.normal(0, 2, 150), *ends, *near]
        for place in places:
            kinks = self.found(place)
            assert len(kinks) == 1, (place, kinks)
            assert abs(kinks[0] - place) <= 5e-13, (place, kinks)


@pytest.mark.parametrize(
    ("places", "slopes"),
    [
        ([1.77], [1.0]),
        ([0.481994], [1.0]),
        ([-2.31, 0.0, 1.3], [1.0, -0.6, 0.3]),
        ([-3.9, 0.5, 1.75], [0.2, 1.0, -0.7]),
    ],
)
def test_slopes_of_kinked_functions(places, slopes):
    """R' to 1e-12; of one kink its fall too, at gaps down to 1e-14."""

    def function(x: jax.Array) -> jax.Array:
        terms = [s * jnp.maximum(x - p, 0) for p, s in zip(places, slopes, strict=True)]
        return sum(terms)  # type: ignore[return-value]

    sigma = standardized(function)
    size = second_moment(places, slopes)
    away = [p or 1e-300 for p in places]  # Owen's formula divides by them
    for rho in (-0.9, -0.3, 0.4, 0.7, 0.95):
        wanted = sum(
            s * t * orthant(a, b, rho)
            for a, s in zip(away, slopes, strict=True)
            for b, t in zip(away, slopes, strict=True)
        )
        with jax.enable_x64(True):
            assert float(sigma.derivative_dual(rho)) == pytest.approx(wanted / size, abs=1e-12)
    if len(places) == 1:
        gaps = np.array([1e-14, 1e-9, 1e-5, 1e-2, 0.3])
        fall = 2 * owens_t(places[0], np.sqrt(gaps / (2 - gaps))) / size
        with jax.enable_x64(True):
            found = sigma.derivative_dual_gap(jnp.asarray(gaps))
        np.testing.assert_allclose(found, fall, rtol=1e-12)


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        (lambda x: jnp.maximum(x - 0.3, 0) - jnp.maximum(x - 0.3001, 0), "0.3 and 0.3001"),
        (lambda x: jnp.where(x > 1.77, x, 0.0), "must be continuous"),
    ],
)
def test_what_is_refused_is_told_why(function, reason):
    with pytest.raises(ValueError, match=reason):
        standardized(function)
