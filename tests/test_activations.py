"""Moments and dual maps of activations, by independent roads: closed forms and Monte Carlo."""

from collections.abc import Callable, Iterator
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from mpmath import acos, asin, cosh, exp, mp, mpf, pi, sinh, sqrt

from freezechaos.activations import (
    Activation,
    DualMap,
    Offset,
    leaky_relu,
    normalized,
    recentred,
    standardized,
)

NAMES = ["relu", "erf", "tanh", "sin", "gelu", "silu", "softplus", "identity"]
FORMS = {"standardized": standardized, "normalized": normalized}
FEW = settings(max_examples=8, deadline=None, derandomize=True, database=None)
GAPS = [1e-30, 1e-20, 1e-14, 1e-7, 1e-3, 0.1, 0.4, 0.49, 0.51, 0.75, 1.0, 1.3, 1.499, 1.501, 1.9, 2]


@pytest.fixture(autouse=True)
def no_silent_broadcast() -> Iterator[None]:
    with jax.numpy_rank_promotion("raise"):
        yield


def leaky_dual(a: float, rho: mpf) -> tuple[mpf, mpf]:
    """[Cho & Saul]: E[u+ v+] = (sin t + (pi - t) cos t) / 2 pi; with a x + (1 - a) x+ for sigma."""
    a, t = mpf(a), acos(rho)
    kappa = (mp.sin(t) + rho * (pi - t)) / (2 * pi)
    return a * rho + (1 - a) ** 2 * kappa, a + (1 - a) ** 2 * (pi - t) / (2 * pi)


def erf_dual(rho: mpf) -> tuple[mpf, mpf]:
    return 2 / pi * asin(2 * rho / 3), 4 / (3 * pi) / sqrt(1 - 4 * rho**2 / 9)


def sin_dual(rho: mpf) -> tuple[mpf, mpf]:
    return sinh(rho) / exp(1), cosh(rho) / exp(1)


def gelu_dual(rho: mpf) -> tuple[mpf, mpf]:
    orthant, root = mpf(1) / 4 + asin(rho / 2) / (2 * pi), sqrt(4 - rho**2)
    slope = orthant + rho / (2 * pi * root) + rho / (2 * pi * root**3)
    return rho * orthant + 1 / (2 * pi * root), slope


CLOSED: dict[str, Callable] = {
    "relu": partial(leaky_dual, 0),
    "leaky_relu(0.1)": partial(leaky_dual, "0.1"),
    "leaky_relu(-1)": partial(leaky_dual, -1),
    "erf": erf_dual,
    "sin": sin_dual,
    "gelu": gelu_dual,
    "identity": lambda rho: (rho, mpf(1)),
}


def make(name: str, form: str) -> Activation:
    bare = leaky_relu(float(name[11:-1])) if name.startswith("leaky") else name
    return FORMS[form](bare)


def closed(name: str, form: str, rho: mpf) -> tuple[mpf, mpf]:
    """R and R' of the standardized or normalized activation."""
    value, slope = CLOSED[name](rho)
    mean_squared = CLOSED[name](mpf(0))[0] if form == "normalized" else 0
    variance = CLOSED[name](mpf(1))[0] - mean_squared
    return (value - mean_squared) / variance, slope / variance


def in_double(function: Callable, x: object) -> np.ndarray:
    with jax.enable_x64(True):
        return np.asarray(function(jnp.asarray(x, jnp.float64)))


class TestMoments:
    @pytest.mark.parametrize(
        ("name", "value"), [("erf", 1.2257), ("sin", 1.3130), ("tanh", 1.1778), ("relu", 1.0)]
    )
    def test_characteristic_values_of_theory(self, name, value):
        assert standardized(name).derivative_second_moment == pytest.approx(value, abs=5e-5)

    def test_normalized_relu(self):
        act = normalized("relu")
        assert act.derivative_second_moment == pytest.approx(np.pi / (np.pi - 1), rel=1e-14)
        assert np.sqrt(1 - 1 / act.derivative_second_moment) == pytest.approx(
            np.pi**-0.5, rel=1e-14
        )

    @pytest.mark.parametrize("form", FORMS)
    @pytest.mark.parametrize("name", CLOSED)
    def test_closed_forms(self, name, form):
        act = make(name, form)
        with mp.workdps(40):
            moment = float(closed(name, form, mpf(1))[1])
            mean = float(sqrt(closed(name, "standardized", mpf(0))[0]))
        assert act.derivative_second_moment == pytest.approx(moment, rel=1e-13)
        assert act.second_moment == 1
        # the mean of sin or erf is 0 and its square rounds to 1e-32 or less
        wanted = mean if form == "standardized" else 0
        assert abs(act.mean) == pytest.approx(wanted, rel=1e-13, abs=1e-15)

    @pytest.mark.parametrize("form", FORMS)
    @pytest.mark.parametrize("name", NAMES)
    def test_monte_carlo(self, name, form):
        """Mean and variance of the function itself, within five standard errors."""
        act = make(name, form)
        z = np.asarray(jax.random.normal(jax.random.key(7), (200_000,)))
        values = np.asarray(act(z), float)
        slopes = np.asarray(jax.vmap(jax.grad(act.function))(jnp.asarray(z)), float)
        for samples, moment in (
            (values, act.mean),
            (values**2, act.second_moment),
            (slopes**2, act.derivative_second_moment),
        ):
            error = np.std(samples) / np.sqrt(len(z))
            assert abs(np.mean(samples) - moment) <= 5 * error + 1e-6

    @FEW
    @given(st.floats(-3, 3))
    @example(1.0)
    @example(-1.0)
    @example(0.0)
    def test_poincare_inequality(self, slope):
        """E[sigma'^2] >= 1 for a normalized activation, with equality for affine ones only."""
        moment = normalized(leaky_relu(slope)).derivative_second_moment
        assert moment >= 1 - 1e-14
        if abs(slope - 1) < 1e-12:
            assert moment == pytest.approx(1, abs=1e-14)
        elif abs(slope - 1) > 1e-3:
            assert moment > 1

    @pytest.mark.parametrize("name", NAMES)
    def test_poincare_inequality_of_named_activations(self, name):
        moment = normalized(name).derivative_second_moment
        assert moment == 1 if name == "identity" else moment > 1.02

    @pytest.mark.parametrize("name", ["erf", "tanh", "sin", "identity"])
    def test_normalizing_an_odd_activation_changes_nothing(self, name):
        above, below = standardized(name), normalized(name)
        assert above.derivative_second_moment == below.derivative_second_moment
        assert above.mean == below.mean == 0

    def test_same_name_gives_the_same_object(self):
        assert standardized("tanh") is standardized("tanh")
        assert normalized(jnp.tanh) is normalized(jnp.tanh)


class TestDualMaps:
    @pytest.mark.parametrize("form", FORMS)
    @pytest.mark.parametrize("name", CLOSED)
    def test_closed_forms_in_double(self, name, form):
        rho = np.concatenate([np.linspace(-1, 1, 81), [-0.501, 0.501, -0.499, 0.499, 1 - 1e-9]])
        with mp.workdps(40):
            wanted = np.array([[float(x) for x in closed(name, form, mpf(float(c)))] for c in rho])
        act = make(name, form)
        for function, values in ((act.dual, wanted[:, 0]), (act.derivative_dual, wanted[:, 1])):
            np.testing.assert_allclose(in_double(function, rho), values, rtol=0, atol=1e-12)

    @pytest.mark.parametrize("name", CLOSED)
    def test_closed_forms_in_single(self, name):
        rho = np.linspace(-1, 1, 81, dtype=np.float32)
        wanted = np.array(
            [[float(x) for x in closed(name, "normalized", mpf(float(c)))] for c in rho]
        )
        act = make(name, "normalized")
        for function, values in ((act.dual, wanted[:, 0]), (act.derivative_dual, wanted[:, 1])):
            actual = function(jnp.asarray(rho))
            assert actual.dtype == jnp.float32
            np.testing.assert_allclose(np.asarray(actual, float), values, rtol=0, atol=1e-6)

    @pytest.mark.parametrize("form", FORMS)
    @pytest.mark.parametrize("name", [*NAMES, "leaky_relu(0.1)"])
    def test_error_is_as_stated(self, name, form):
        assert make(name, form).error <= 1e-12

    @pytest.mark.parametrize("form", FORMS)
    @pytest.mark.parametrize("name", ["relu", "tanh", "gelu", "softplus"])
    def test_monte_carlo(self, name, form):
        act = make(name, form)
        u, z = np.asarray(jax.random.normal(jax.random.key(3), (2, 100_000)))
        slope = jax.vmap(jax.grad(act.function))
        for rho in (-0.8, 0.0, 0.3, 0.95):
            v = rho * u + np.sqrt(1 - rho**2) * z
            for function, dual in ((act.function, act.dual), (slope, act.derivative_dual)):
                products = np.asarray(function(jnp.asarray(u)) * function(jnp.asarray(v)), float)
                error = np.std(products) / np.sqrt(len(u))
                assert abs(np.mean(products) - float(dual(jnp.float32(rho)))) <= 5 * error

    @pytest.mark.parametrize("name", [*NAMES, "leaky_relu(0.1)"])
    def test_derivative_dual_is_the_derivative(self, name):
        act, step = make(name, "normalized"), 1e-5
        rho = np.array([-0.97, -0.7, -0.502, -0.3, 0.0, 0.2, 0.49, 0.502, 0.8, 0.97])
        difference = in_double(act.dual, rho + step) - in_double(act.dual, rho - step)
        np.testing.assert_allclose(
            difference / (2 * step), in_double(act.derivative_dual, rho), rtol=0, atol=2e-8
        )
        slope = in_double(lambda c: jax.vmap(jax.grad(lambda x: act.dual(x)))(c), rho)
        np.testing.assert_allclose(slope, in_double(act.derivative_dual, rho), rtol=0, atol=1e-10)

    @pytest.mark.parametrize("form", FORMS)
    @pytest.mark.parametrize("name", [*NAMES, "leaky_relu(0.1)"])
    def test_ends_and_middle(self, name, form):
        act = make(name, form)
        value = in_double(act.dual, [0.0, 1.0])
        assert value[1] == act.second_moment
        assert value[0] == pytest.approx(act.mean**2, abs=1e-15)
        slope = in_double(act.derivative_dual, 1.0)
        assert slope == pytest.approx(act.derivative_second_moment, rel=1e-15)

    @pytest.mark.parametrize("name", NAMES)
    def test_convex_increasing_and_bounded_on_nonnegative_correlations(self, name):
        """A power series with coefficients a_k^2 >= 0."""
        act = make(name, "normalized")
        rho = np.linspace(0, 1, 201)
        value, slope = in_double(act.dual, rho), in_double(act.derivative_dual, rho)
        assert np.all(np.diff(value) >= -1e-14)
        assert np.all(np.diff(slope) >= -1e-10)
        reflected = in_double(act.dual, -rho)
        assert np.all(np.abs(reflected) <= value + 1e-14)

    @pytest.mark.parametrize("dtype", [jnp.float32, jnp.float64])
    @pytest.mark.parametrize("shape", [(), (0,), (2, 3)])
    def test_shape_and_dtype_are_kept(self, shape, dtype):
        act = standardized("gelu")
        with jax.enable_x64(True):
            for function in (
                act.dual,
                act.derivative_dual,
                act.dual_gap,
                act.derivative_dual_gap,
                act,
            ):
                result = function(jnp.full(shape, 0.3, dtype))
                assert (result.shape, result.dtype) == (shape, dtype)


class TestGaps:
    """R(1) - R(1 - gap), of full relative accuracy at any gap."""

    @pytest.mark.parametrize("form", FORMS)
    @pytest.mark.parametrize("name", ["relu", "leaky_relu(0.1)", "erf", "sin", "gelu"])
    @pytest.mark.parametrize("dtype", ["float32", "float64"])
    def test_relative_accuracy(self, name, form, dtype):
        gaps = np.array(GAPS, dtype)
        with mp.workdps(80):
            at_1 = closed(name, form, mpf(1))
            at_gap = [closed(name, form, 1 - mpf(float(gap))) for gap in gaps]
            wanted = np.array(
                [[float(a - b) for a, b in zip(at_1, x, strict=True)] for x in at_gap]
            )
        act = make(name, form)
        with jax.enable_x64(dtype == "float64"):
            gap = jnp.asarray(gaps, dtype)
            value, slope = act.dual_gap(gap), act.derivative_dual_gap(gap)
        assert value.dtype == dtype
        tolerance = 2e-6 if dtype == "float32" else 1e-11
        np.testing.assert_allclose(np.asarray(value, float), wanted[:, 0], rtol=tolerance)
        # the slope may return to its value at 1, so that its size there is the scale
        np.testing.assert_allclose(
            np.asarray(slope, float)[gaps <= 0.5], wanted[gaps <= 0.5, 1], rtol=tolerance
        )
        np.testing.assert_allclose(
            np.asarray(slope, float), wanted[:, 1], rtol=tolerance, atol=2 * tolerance
        )

    @pytest.mark.parametrize("name", [*NAMES, "leaky_relu(0.1)"])
    def test_agrees_with_the_dual_map(self, name):
        act, gap = make(name, "standardized"), np.linspace(0, 2, 41)
        np.testing.assert_allclose(
            in_double(act.dual_gap, gap), 1 - in_double(act.dual, 1 - gap), rtol=0, atol=1e-13
        )
        assert in_double(act.dual_gap, 0.0) == 0
        assert in_double(act.derivative_dual_gap, 0.0) == 0


CUSTOM: dict[str, Callable] = {
    "abs": jnp.abs,
    "elu": jax.nn.elu,
    "clip": lambda x: jnp.clip(x, -1, 0.5),
    "square": lambda x: x**2,
    "steep softplus": lambda x: jax.nn.softplus(20 * x) / 20,
    "bump": lambda x: jnp.exp(-(x**2)),
}


class TestCustomFunctions:
    @pytest.mark.parametrize("name", CUSTOM)
    def test_moments_by_monte_carlo_and_dual_by_quadrature(self, name):
        act = normalized(CUSTOM[name])
        assert act.error <= 1e-12
        assert act.derivative_second_moment > 1
        z = np.asarray(jax.random.normal(jax.random.key(11), (200_000,)))
        values = np.asarray(act(z), float)
        slopes = np.asarray(jax.vmap(jax.grad(act.function))(jnp.asarray(z)), float)
        for samples, moment in (
            (values, 0),
            (values**2, 1),
            (slopes**2, act.derivative_second_moment),
        ):
            error = np.std(samples) / np.sqrt(len(z))
            assert abs(np.mean(samples) - moment) <= 5 * error + 1e-6

    def test_absolute_value_is_leaky_relu_of_slope_minus_1(self):
        rho = np.linspace(-1, 1, 41)
        with mp.workdps(40):
            wanted = np.array(
                [[float(x) for x in closed("leaky_relu(-1)", "normalized", mpf(c))] for c in rho]
            )
        act = normalized(CUSTOM["abs"])
        np.testing.assert_allclose(in_double(act.dual, rho), wanted[:, 0], rtol=0, atol=1e-12)
        np.testing.assert_allclose(
            in_double(act.derivative_dual, rho), wanted[:, 1], rtol=0, atol=1e-12
        )

    def test_square(self):
        """x^2 = 1 + sqrt(2) h_2: R = (1 + 2 rho^2) / 3, normalized rho^2."""
        rho = np.linspace(-1, 1, 41)
        for act, value, slope in (
            (standardized(CUSTOM["square"]), (1 + 2 * rho**2) / 3, 4 * rho / 3),
            (normalized(CUSTOM["square"]), rho**2, 2 * rho),
        ):
            np.testing.assert_allclose(in_double(act.dual, rho), value, rtol=0, atol=1e-13)
            np.testing.assert_allclose(
                in_double(act.derivative_dual, rho), slope, rtol=0, atol=1e-12
            )

    def test_bump(self):
        """E[exp(-u^2 - v^2)] = 1 / sqrt(9 - 4 rho^2)."""
        rho = np.linspace(-1, 1, 41)
        wanted = np.sqrt(5) / np.sqrt(9 - 4 * rho**2)
        act = standardized(CUSTOM["bump"])
        np.testing.assert_allclose(in_double(act.dual, rho), wanted, rtol=0, atol=1e-12)

    def test_named_function_equals_its_name(self):
        rho = np.linspace(-1, 1, 41)
        by_hand = normalized(lambda x: x * (1 + jax.scipy.special.erf(x / np.sqrt(2))) / 2)
        np.testing.assert_allclose(
            in_double(by_hand.dual, rho), in_double(normalized("gelu").dual, rho), atol=1e-13
        )
        relu = normalized(lambda x: jnp.maximum(x, 0))  # by quadrature, not the closed form
        np.testing.assert_allclose(
            in_double(relu.dual, rho), in_double(normalized("relu").dual, rho), atol=1e-12
        )

    @pytest.mark.parametrize("scale", [1e-6, 1e6])
    def test_scale_is_divided_out(self, scale):
        act = normalized(lambda x: scale * jnp.tanh(x))
        wanted = normalized("tanh").derivative_second_moment
        assert act.derivative_second_moment == pytest.approx(wanted, rel=1e-12)

    def test_offset_is_taken_off(self):
        act = normalized(lambda x: 3 + jnp.tanh(x))
        wanted = normalized("tanh").derivative_second_moment
        assert act.derivative_second_moment == pytest.approx(wanted, rel=1e-12)


class TestBadInput:
    FORMS = pytest.mark.parametrize("form", FORMS.values())

    @FORMS
    @pytest.mark.parametrize(
        ("function", "message"),
        [
            (lambda x: jnp.ones_like(x), "constant"),
            (lambda x: 0 * x, "constant"),
            (jnp.sign, "must be continuous.*jumps"),
            (lambda x: jnp.floor(x), "continuous|piecewise smooth"),
            (lambda x: jnp.cumsum(x, axis=-1), "elementwise"),
            (lambda x: jnp.cumsum(x, axis=0), "elementwise"),
            (lambda x: jnp.sum(x), "elementwise"),
            (lambda x: x if x > 0 else 0.1 * x, "elementwise.*jnp.where"),
            (lambda x: jnp.exp(x * x), "finite|slower"),
            (lambda x: jnp.log(x), "finite"),
            (lambda x: "relu", "elementwise"),
        ],
    )
    def test_function_that_is_no_activation(self, form, function, message):
        with pytest.raises(ValueError, match=rf"(?s)`.*({message})"):
            form(function)

    @FORMS
    def test_unknown_name(self, form):
        with pytest.raises(
            ValueError, match=r"`name_or_callable` must be one of relu, .*got 'rleu'"
        ):
            form("rleu")

    @FORMS
    @pytest.mark.parametrize("value", [3, None, 1.5])
    def test_neither_name_nor_callable(self, form, value):
        with pytest.raises(TypeError, match=rf"`name_or_callable` must be .*got {value}"):
            form(value)

    @FORMS
    def test_not_hashable(self, form):
        with pytest.raises(TypeError):
            form(["relu"])

    @pytest.mark.parametrize("slope", [float("nan"), float("inf")])
    def test_slope_of_leaky_relu(self, slope):
        with pytest.raises(ValueError, match=rf"`negative_slope` must be finite; got {slope}"):
            leaky_relu(slope)


@pytest.mark.parametrize("name", ["relu", "gelu", "softplus", "tanh"])
@pytest.mark.parametrize("share", [0.0, 0.3, 0.8])
def test_a_constant_is_mixed_in_as_in_a_function(name: str, share: float) -> None:
    """Against the same function, made as one of the reader's own."""
    base = normalized(name)
    mixed = standardized(lambda z: jnp.sqrt(share) + jnp.sqrt(1 - share) * base(z))
    offset = jax.jit(lambda share, rho: _maps(Offset(base, share), rho))
    rho = jnp.linspace(-1.0, 1, 41)
    for found, expected in zip(offset(share, rho), _maps(mixed, rho), strict=True):
        np.testing.assert_allclose(found, expected, atol=3e-6)
    assert mixed.derivative_second_moment == pytest.approx(
        float(Offset(base, share).derivative_second_moment), rel=1e-9
    )


def _maps(sigma: DualMap, rho: jax.Array) -> tuple[jax.Array, ...]:
    gap = 1 - rho
    parts = (sigma.dual, rho), (sigma.derivative_dual, rho), (sigma.dual_gap, gap)
    return tuple(function(places) for function, places in parts)


@pytest.mark.parametrize("name", ["relu", "gelu", "softplus", "tanh"])
def test_a_share_of_the_mean_leads_from_standardized_to_normalized(name: str) -> None:
    ends = standardized(name), normalized(name)
    for share, end in zip((0, 1), ends, strict=True):
        sigma = recentred(name, share)
        assert sigma.derivative_second_moment == end.derivative_second_moment
        assert sigma.mean == end.mean
        assert jnp.array_equal(sigma(jnp.arange(-3.0, 3.0)), end(jnp.arange(-3.0, 3.0)))
    middle, mean = recentred(name, 0.3), ends[0].mean
    assert middle.error < 1e-12
    assert middle.mean == pytest.approx(0.7 * mean / np.sqrt(1 - 0.51 * mean**2), abs=1e-12)
    slope = ends[0].derivative_second_moment / (1 - 0.51 * mean**2)
    assert middle.derivative_second_moment == pytest.approx(slope, rel=1e-12)


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_a_share_outside_its_range_is_refused(share: float) -> None:
    with pytest.raises(ValueError, match="`share` must lie in"):
        recentred("relu", share)
