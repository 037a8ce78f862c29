"""Quadrature for Gaussian expectations, against closed forms."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import ndtr

from freezechaos import expectations

FEW = settings(max_examples=20, deadline=None, derandomize=True, database=None)


def analysed(function):
    value, slope, curvature = expectations.in_float64(function)
    return value, expectations.panels(slope, curvature)


class TestInFloat64:
    def test_function_and_derivatives_in_double(self):
        x = np.linspace(-2, 2, 7).reshape(7, 1)
        for call, wanted in zip(
            expectations.in_float64(lambda x: jnp.sin(3 * x)),
            (np.sin(3 * x), 3 * np.cos(3 * x), -9 * np.sin(3 * x)),
            strict=True,
        ):
            result = call(x)
            assert result.dtype == np.float64
            assert result.shape == x.shape
            np.testing.assert_allclose(result, wanted, rtol=1e-14, atol=1e-14)

    @pytest.mark.usefixtures("float32")
    def test_double_precision_is_not_left_on(self):
        expectations.in_float64(jnp.tanh)[0](np.zeros(3))
        assert jnp.zeros(1).dtype == jnp.float32
        assert not jax.config.jax_enable_x64


class TestPanels:
    def test_kinks_are_found(self):
        _, domain = analysed(lambda x: jnp.clip(x, -1, 0.5))
        np.testing.assert_allclose(domain.kinks, [-1, -0.5, 0.5, 1], atol=1e-12)
        _, smooth = analysed(jnp.tanh)
        assert len(smooth.kinks) == 0

    @FEW
    @given(st.floats(-3, 3))
    def test_kink_anywhere(self, kink):
        """E[(Z - k)+] = phi(k) - k Phi(-k)."""
        value, domain = analysed(lambda x: jnp.maximum(x - kink, 0))
        density = np.exp(-(kink**2) / 2) / np.sqrt(2 * np.pi)
        wanted = density - kink * ndtr(-kink)
        assert domain.mean(value) == pytest.approx(wanted, rel=1e-11, abs=1e-14)

    def test_moments_of_the_normal_distribution(self):
        _, domain = analysed(jnp.tanh)
        for power, wanted in ((0, 1), (1, 0), (2, 1), (4, 3), (6, 15), (8, 105)):
            mean = domain.mean(lambda z, power=power: z**power)
            assert mean == pytest.approx(wanted, rel=1e-13, abs=1e-13)

    def test_fine_features(self):
        """E[cos(a Z)] = exp(-a^2 / 2); E[exp(-(a Z)^2)] = 1 / sqrt(1 + 2 a^2)."""
        value, domain = analysed(lambda x: jnp.cos(8 * x))
        assert domain.mean(value) == pytest.approx(np.exp(-32), abs=1e-14)
        value, domain = analysed(lambda x: jnp.exp(-((30 * x) ** 2)))
        assert domain.mean(value) == pytest.approx(1 / np.sqrt(1801), rel=1e-12)

    def test_everywhere_rough_is_refused(self):
        with pytest.raises(ValueError, match="20,000 panels"):
            analysed(lambda x: jnp.abs(jnp.sin(1e4 * x)))


class TestHermiteCoefficients:
    def test_a_polynomial(self):
        """z^3 = sqrt(6) h_3 + 3 h_1."""
        value, domain = analysed(lambda x: x**3)
        coefficients = expectations.hermite_coefficients(value, domain, 40)
        wanted = np.zeros(40)
        wanted[[1, 3]] = 3, np.sqrt(6)
        np.testing.assert_allclose(coefficients, wanted, atol=1e-11)

    def test_sine(self):
        """a_k = +-exp(-1/2) / sqrt(k!) for odd k: R = exp(-1) sinh."""
        value, domain = analysed(jnp.sin)
        squares = expectations.hermite_coefficients(value, domain, 10) ** 2
        factorials = np.cumprod([1.0, *range(1, 10)])
        wanted = np.where(np.arange(10) % 2, np.exp(-1) / factorials, 0)
        np.testing.assert_allclose(squares, wanted, atol=1e-15)

    def test_parseval(self):
        value, domain = analysed(jax.nn.gelu)
        coefficients = expectations.hermite_coefficients(value, domain, 400)
        moment = domain.mean(lambda z: value(z) ** 2)
        assert np.sum(coefficients**2) == pytest.approx(moment, rel=1e-13)


class TestBivariateMean:
    ANGLES = (1e-3, 0.3, 1.0, np.pi / 2, 2.0, 3.0)

    @pytest.mark.parametrize("angle", ANGLES)
    def test_polynomials(self, angle):
        """E[u v] = rho, E[u^2 v^2] = 1 + 2 rho^2."""
        _, domain = analysed(jnp.tanh)
        rho = np.cos(angle)
        first = expectations.bivariate_mean(lambda u, v: u * v, domain, angle)
        second = expectations.bivariate_mean(lambda u, v: (u * v) ** 2, domain, angle)
        assert first == pytest.approx(rho, abs=1e-13)
        assert second == pytest.approx(1 + 2 * rho**2, rel=1e-13)

    @pytest.mark.parametrize("angle", ANGLES)
    def test_kinks(self, angle):
        """The arc-cosine kernel of order one; its slopes, which jump, give (pi - angle) / 2 pi."""
        value, domain = analysed(lambda x: jnp.maximum(x, 0))
        mean = expectations.bivariate_mean(lambda u, v: value(u) * value(v), domain, angle)
        wanted = (np.sin(angle) + (np.pi - angle) * np.cos(angle)) / (2 * np.pi)
        assert mean == pytest.approx(wanted, rel=1e-12, abs=1e-14)
        both = expectations.bivariate_mean(lambda u, v: 1.0 * (u > 0) * (v > 0), domain, angle)
        assert both == pytest.approx((np.pi - angle) / (2 * np.pi), abs=1e-12)

    @pytest.mark.parametrize("angle", ANGLES)
    def test_fine_features(self, angle):
        """E[exp(-a (u^2 + v^2))] = ((1 + 2 a)^2 - (2 a rho)^2)^(-1/2)."""
        a = 20.0
        _, domain = analysed(lambda x: jnp.exp(-a * x**2))
        mean = expectations.bivariate_mean(lambda u, v: np.exp(-a * (u**2 + v**2)), domain, angle)
        wanted = ((1 + 2 * a) ** 2 - (2 * a * np.cos(angle)) ** 2) ** -0.5
        assert mean == pytest.approx(wanted, rel=1e-10)


def test_jump_of_the_second_derivative():
    """E[|Z|^3] = 2^(3/2) / sqrt(pi)."""
    value, domain = analysed(lambda x: jnp.abs(x) ** 3)
    assert domain.mean(value) == pytest.approx(2**1.5 / np.sqrt(np.pi), rel=1e-13)
