"""Characteristic values, regimes, rates and limits, against closed forms and deep kernels."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from freezechaos import kernels, regimes
from freezechaos.activations import normalized, standardized
from freezechaos.regimes import Regime

FEW = settings(max_examples=60, deadline=None, derandomize=True, database=None)
CASES = [
    (standardized, "relu"),
    (normalized, "relu"),
    (normalized, "erf"),
    (normalized, "tanh"),
    (standardized, "gelu"),
    (normalized, "gelu"),
    (normalized, "softplus"),
]


def _layer(act, beta, covariance):
    return (1 - beta**2) * act.dual(covariance) + beta**2


class TestCharacteristicValue:
    @pytest.mark.parametrize("beta", [0.0, 0.1, 0.5, 0.9])
    def test_closed_forms(self, beta):
        share = 1 - beta**2
        for act, moment in (
            (standardized("relu"), 1.0),
            (normalized("relu"), np.pi / (np.pi - 1)),
            (standardized("erf"), 4 / (3 * np.sqrt(1 - 4 / 9)) / (2 * np.arcsin(2 / 3))),
            (standardized("sin"), 1 / np.tanh(1)),
        ):
            value = float(regimes.characteristic_value(act, beta))
            # beta and its square are rounded, and 1 - beta^2 has fewer digits than they
            rel = float(np.finfo(np.float32).eps) * (2 + 1.5 * beta**2 / share)
            assert value == pytest.approx(share * moment, rel=rel)

    def test_is_array_valued_differentiable_and_keeps_the_dtype(self):
        act, beta = normalized("relu"), jnp.array([[0.0, 0.1, 0.9]])
        assert regimes.characteristic_value(act, beta).shape == (1, 3)
        assert regimes.characteristic_value(act, beta).dtype == beta.dtype
        slope = jax.grad(lambda b: regimes.characteristic_value(act, b))(0.3)
        assert float(slope) == pytest.approx(-0.6 * np.pi / (np.pi - 1), rel=1e-6)

    def test_phase_diagram(self):
        acts, beta = [form(name) for form, name in CASES], jnp.linspace(0, 0.99, 12)
        diagram = regimes.phase_diagram(acts, beta)
        assert diagram.shape == (len(acts), 12)
        for row, act in zip(diagram, acts, strict=True):
            np.testing.assert_allclose(row, regimes.characteristic_value(act, beta), rtol=1e-6)
            assert bool(jnp.all(jnp.diff(row) < 0))


class TestRegime:
    def test_relu_of_theory(self):
        assert regimes.critical_beta(normalized("relu")) == pytest.approx(np.pi**-0.5, rel=1e-13)
        assert regimes.critical_beta(standardized("relu")) == 0
        assert regimes.regime(standardized("relu"), 0.0) is Regime.EDGE
        assert regimes.regime(standardized("relu"), 0.01) is Regime.FREEZE
        assert regimes.regime(normalized("relu"), 0.5) is Regime.CHAOS
        assert regimes.regime(normalized("relu"), 0.6) is Regime.FREEZE

    @pytest.mark.parametrize(("form", "name"), [case for case in CASES if case[0] is normalized])
    def test_critical_beta_parts_chaos_from_freeze(self, form, name):
        act = form(name)
        critical = regimes.critical_beta(act)
        assert 0 < critical < 1
        assert regimes.regime(act, critical) is Regime.EDGE
        assert regimes.regime(act, critical - 1e-4) is Regime.CHAOS
        assert regimes.regime(act, critical + 1e-4) is Regime.FREEZE
        r = float(regimes.characteristic_value(act, critical))
        assert r == pytest.approx(1, abs=1e-6)

    def test_always_frozen_and_affine(self):
        act = standardized(lambda x: 2 + jnp.tanh(x))
        assert act.derivative_second_moment < 1
        assert np.isnan(regimes.critical_beta(act))
        assert regimes.regime(act, 0.0) is Regime.FREEZE
        assert regimes.regime(standardized("identity"), 0.0) is Regime.EDGE
        assert regimes.critical_beta(standardized("identity")) == 0

    @FEW
    @given(st.floats(0, 0.999))
    def test_follows_the_characteristic_value(self, beta):
        for form, name in CASES:
            act = form(name)
            r = act.derivative_second_moment * (1 - beta**2)
            if abs(r - 1) > 1e-5:
                wanted = Regime.CHAOS if r > 1 else Regime.FREEZE
                assert regimes.regime(act, beta) is wanted


class TestFarDown:
    """What `regimes` says of great depth is what `kernels` computes there."""

    @pytest.mark.parametrize(
        ("form", "name", "beta"),
        [
            (normalized, "relu", 0.1),
            (normalized, "relu", 0.3),
            (normalized, "tanh", 0.1),
            (normalized, "gelu", 0.2),
            (standardized, "erf", 0.0),
        ],
    )
    def test_fixed_point_in_chaos(self, form, name, beta):
        act = form(name)
        sigma = regimes.fixed_point(act, beta)
        assert 0 <= sigma < 1
        with jax.enable_x64(True):
            image = (1 - beta**2) * float(act.dual(jnp.float64(sigma))) + beta**2
            deep = kernels.nngp(act, beta, 600, jnp.array([-0.5, 0.2, 0.9], jnp.float64))
        assert image == pytest.approx(sigma, abs=1e-12)
        np.testing.assert_allclose(deep, sigma, rtol=0, atol=1e-10)

        r = jnp.float32(regimes.characteristic_value(act, beta))
        crossed = jax.jit(lambda b, r: regimes.crossing(lambda c: _layer(act, b, c), r))(beta, r)
        assert float(crossed) == pytest.approx(sigma, abs=1e-5)

    @pytest.mark.parametrize(("beta", "r"), [(0.0, 1.0), (0.3, 0.91), (0.9, 0.19)])
    def test_outside_chaos_nothing_is_crossed(self, beta, r):
        relu = standardized("relu")
        assert regimes.crossing(lambda c: _layer(relu, beta, c), r) == 1

    def test_fixed_point_outside_chaos_is_1(self):
        assert regimes.fixed_point(standardized("relu"), 0.3) == 1
        assert regimes.fixed_point(standardized("relu"), 0.0) == 1
        assert regimes.fixed_point(normalized("tanh"), 0.9) == 1

    @pytest.mark.parametrize(
        ("form", "name", "beta"),
        [
            (normalized, "relu", 0.1),
            (normalized, "relu", 0.0),
            (normalized, "tanh", 0.1),
            (normalized, "tanh", 0.0),
            (normalized, "gelu", 0.0),
            (normalized, "gelu", 0.25),
        ],
    )
    def test_decay_rate_in_chaos(self, form, name, beta):
        """The size of theta falls by this factor a layer, once Sigma has settled.

        Where it settles at 0, theta has a factor L besides.
        """
        act = form(name)
        with jax.enable_x64(True):
            cosine = jnp.array([0.2, 0.9], jnp.float64)
            near, far = (
                np.abs(np.asarray(kernels.ntk(act, beta, depth, cosine))) for depth in (200, 280)
            )
        linear = 280 / 200 if regimes.fixed_point(act, beta) < 1e-6 else 1
        measured = (far / near / linear) ** (1 / 80)
        # (L + a) q^L: a tells by |a| (1 / 200 - 1 / 280) / 80
        rtol = 1e-5 if linear == 1 else 1e-3
        np.testing.assert_allclose(measured, regimes.decay_rate(act, beta), rtol=rtol)

    @pytest.mark.parametrize(
        ("form", "name", "beta"),
        [
            (standardized, "relu", 0.5),
            (normalized, "relu", 0.8),
            (standardized, "erf", 0.7),
            (standardized, "gelu", 0.5),
            (normalized, "tanh", 0.6),
        ],
    )
    def test_decay_rate_in_freeze(self, form, name, beta):
        """1 - theta falls by this factor a layer, up to the factor L of a smooth activation."""
        act = form(name)
        with jax.enable_x64(True):
            cosine = jnp.array([-0.5, 0.2, 0.9], jnp.float64)
            near, far = (
                np.asarray(kernels.ntk_gap(act, beta, depth, cosine)) for depth in (256, 512)
            )
        rate = regimes.decay_rate(act, beta)
        r = float(regimes.characteristic_value(act, beta))
        linear = 2.0 if rate == pytest.approx(r, rel=1e-6) else 1.0
        # (L + a) r^L, where |a| is of the order 1 / (1 - r): it tells by |a| / 512 / 256
        rtol = 2 / (1 - r) / 512 / 256
        np.testing.assert_allclose((far / near / linear) ** (1 / 256), rate, rtol=rtol)

    def test_rates_of_theory(self):
        assert regimes.decay_rate(standardized("relu"), 0.5) == pytest.approx(0.75**0.5)
        assert regimes.decay_rate(standardized("erf"), 0.9) == pytest.approx(
            0.19 * 1.2257, rel=1e-4
        )
        assert regimes.decay_rate(standardized("relu"), 0.0) == 1
        assert regimes.depth_scale(standardized("relu"), 0.5) == pytest.approx(-1 / np.log(0.75))
        assert regimes.depth_scale(standardized("relu"), 0.0) == np.inf

    @pytest.mark.parametrize("name", ["relu", "tanh", "erf", "gelu"])
    def test_limit_on_the_edge(self, name):
        """1/4 with a kink, 1/3 without, approached like 1/L up to logarithms."""
        act = normalized(name)
        critical = regimes.critical_beta(act)
        limit = regimes.limit(act, critical)
        assert limit == pytest.approx(0.25 if name == "relu" else 1 / 3)
        with jax.enable_x64(True):
            cosine = jnp.array([-0.5, 0.2, 0.9], jnp.float64)
            deep = [
                np.abs(np.asarray(kernels.ntk(act, critical, depth, cosine)) - limit)
                for depth in (1000, 8000)
            ]
        assert np.all(deep[1] < 4e-3)
        assert np.all(deep[1] < deep[0] / 4)

    def test_limits(self):
        assert regimes.limit(standardized("relu"), 0.0) == pytest.approx(0.25)
        assert regimes.limit(standardized("relu"), 0.2) == 1
        assert regimes.limit(normalized("relu"), 0.2) == 0
        assert np.isnan(regimes.limit(standardized("identity"), 0.0))
        for act, beta, atol in ((normalized("relu"), 0.2, 1e-6), (standardized("relu"), 0.2, 1e-4)):
            deep = kernels.ntk(act, beta, 1024, jnp.array([-0.5, 0.2, 0.9]))
            np.testing.assert_allclose(deep, regimes.limit(act, beta), atol=atol)


class TestBadInput:
    FUNCTIONS = (
        regimes.characteristic_value,
        regimes.regime,
        regimes.depth_scale,
        regimes.fixed_point,
        regimes.decay_rate,
        regimes.limit,
    )

    @pytest.mark.parametrize("function", FUNCTIONS)
    @pytest.mark.parametrize(("beta", "got"), [(1.2, "1.2"), (-0.1, "-0.1"), (np.nan, "nan")])
    def test_beta(self, function, beta, got):
        with pytest.raises(ValueError, match=rf"`beta` must lie in \[0, 1\); got {got}"):
            function(standardized("relu"), beta)

    @pytest.mark.parametrize("function", FUNCTIONS)
    def test_activation(self, function):
        with pytest.raises(TypeError, match="`activation` must be an Activation; got 'relu'"):
            function("relu", 0.1)

    def test_activation_of_critical_beta(self):
        with pytest.raises(TypeError, match="`activation` must be an Activation; got 'relu'"):
            regimes.critical_beta("relu")
