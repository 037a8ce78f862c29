"""The NNGP and the scaled NTK of fully connected networks, against numbers made elsewhere.

tests/oracle/kernels.json holds both kernels in 80-digit arithmetic; float64 is checked against
it, and float32 against it and, where the oracle's beta is not a float32 number, against float64.
"""

import json
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mpmath import log, mp, mpf

from freezechaos import kernels
from freezechaos.activations import Activation, leaky_relu, normalized, standardized

ORACLE = json.loads((Path(__file__).parent / "oracle" / "kernels.json").read_text())
COSINE = np.array(ORACLE["cosine"])
TINY = 1e-30  # below this size, theta is only asked to be small
TOLERANCE = {"float32": 1e-5, "float64": 1e-11}
FEW = settings(max_examples=60, deadline=None, derandomize=True, database=None)


@pytest.fixture(autouse=True)
def no_silent_broadcast() -> Iterator[None]:
    with jax.numpy_rank_promotion("raise"):
        yield


def precision(dtype: str) -> AbstractContextManager:
    return jax.enable_x64(True) if dtype == "float64" else nullcontext()


@cache
def activation(name: str, form: str) -> Activation:
    bare = leaky_relu(0.1) if name == "leaky_relu(0.1)" else name
    return {"standardized": standardized, "normalized": normalized}[form](bare)


def computed(kernel: object, activation: Activation, depth: int, betas: object, dtype: str):
    """The kernel at all betas and all cosines of the oracle, [betas, cosines]."""
    with precision(dtype):
        values = kernel(
            activation,
            jnp.asarray(betas, dtype)[:, None],
            depth,
            jnp.asarray(COSINE, dtype)[None, :],
        )
        assert values.dtype == dtype
        return np.asarray(values, np.float64)


def grid() -> list[tuple[str, str, int]]:
    """(activation, form, depth) of all kernels in the oracle, one compilation each."""
    keys = [
        (entry["activation"], entry["form"], int(depth))
        for entry in ORACLE["kernels"]
        for depth in entry["depths"]
    ]
    return list(dict.fromkeys(keys))


def expected(name: str, form: str, depth: int) -> tuple[list[float], dict[str, np.ndarray]]:
    """The betas of the oracle, and its arrays [betas, cosines]; NaN where it holds none."""
    entries = [e for e in ORACLE["kernels"] if (e["activation"], e["form"]) == (name, form)]
    tables = [entry["depths"][str(depth)] for entry in entries]
    columns = {
        column: np.array(
            [[np.nan if x is None else float(x) for x in table[column]] for table in tables]
        )
        for column in ("nngp", "ntk", "gap")
    }
    return [float(entry["beta"]) for entry in entries], columns


def assert_close(actual: np.ndarray, wanted: np.ndarray, dtype: str) -> None:
    """Equal to a relative tolerance, or both tiny.

    In chaos theta is a product of factors that soon are the same, e^-0.2 or less, and round alike:
    an eps for each of so many.
    """
    assert np.isfinite(actual).all()
    large = np.abs(wanted) > TINY
    sizes = np.where(large, wanted, 1)
    factors = np.abs(np.log(np.abs(sizes))) / 0.2
    error = np.abs(np.where(large, actual, 1) / sizes - 1)
    error /= np.maximum(1, factors * np.finfo(dtype).eps / TOLERANCE[dtype])
    worst = np.unravel_index(np.argmax(error), error.shape)
    assert error.max() <= TOLERANCE[dtype], (
        f"error {error.max():.2e} at beta index {worst[0]}, cosine {COSINE[worst[1]]}: "
        f"{actual[worst]!r} for {wanted[worst]!r}"
    )
    assert np.all(np.abs(actual[~large]) <= 2 * TINY)


class TestAgainstOracle:
    @pytest.mark.parametrize("dtype", ["float32", "float64"])
    @pytest.mark.parametrize(("name", "form", "depth"), grid())
    def test_relative_error_at_every_depth(self, name, form, depth, dtype):
        betas, wanted = expected(name, form, depth)
        act = activation(name, form)
        assert_close(computed(kernels.ntk, act, depth, betas, dtype), wanted["ntk"], dtype)
        sigma = computed(kernels.nngp, act, depth, betas, dtype)
        assert np.max(np.abs(sigma - wanted["nngp"])) <= TOLERANCE[dtype]

        gap = computed(kernels.ntk_gap, act, depth, betas, dtype)
        theta = computed(kernels.ntk, act, depth, betas, dtype)
        sizes = np.abs(gap) + np.abs(theta)  # each has an error of its own
        assert np.all(np.abs(gap + theta - 1) <= TOLERANCE[dtype] * sizes)

    @pytest.mark.parametrize("depth", [1, 2, 3, 16, 64, 256, 1024])
    @pytest.mark.parametrize("name", ["relu", "erf", "gelu"])
    def test_gap_keeps_its_digits_where_theta_is_near_1(self, name, depth):
        form = "normalized" if name == "erf" else "standardized"
        betas, wanted = expected(name, form, depth)
        gap = computed(kernels.ntk_gap, activation(name, form), depth, betas, "float64")
        present = ~np.isnan(wanted["gap"])
        small = wanted["gap"][present]
        assert np.all(np.abs(gap[present][small == 0]) < 2e-40)  # where the oracle stops
        large = small != 0
        np.testing.assert_allclose(gap[present][large], small[large], rtol=1e-11)

    @pytest.mark.parametrize("dtype", ["float32", "float64"])
    def test_diagonal_is_exactly_1(self, dtype):
        for name, form, depth in grid():
            if depth in (2, 64, 1024):
                betas, _ = expected(name, form, depth)
                for kernel, value in ((kernels.nngp, 1), (kernels.ntk, 1), (kernels.ntk_gap, 0)):
                    values = computed(kernel, activation(name, form), depth, betas, dtype)
                    assert np.all(values[:, -1] == value), (name, form, depth, kernel)

    @pytest.mark.parametrize("name", ["erf", "tanh", "sin"])
    @pytest.mark.parametrize("dtype", ["float32", "float64"])
    def test_opposite_of_an_input_is_exactly_minus_1_for_odd_activations(self, name, dtype):
        for depth in (1, 2, 16, 1024):
            act = activation(name, "normalized")
            assert computed(kernels.ntk, act, depth, [0, 0.1, 0.5, 0.9], dtype)[0, 0] == -1
            assert computed(kernels.nngp, act, depth, [0, 0.1, 0.5, 0.9], dtype)[0, 0] == -1


class TestTheory:
    """The numbers and bounds of [JGGH]."""

    def test_edge_of_relu(self):
        theta = kernels.ntk(standardized("relu"), 0.0, 1024, jnp.array([0.0, 0.2]))
        np.testing.assert_allclose(theta, [0.25322537, 0.25335859], rtol=TOLERANCE["float32"])

    def test_edge_of_relu_tends_to_a_quarter_like_1_over_depth(self):
        cosine = jnp.array([-1.0, -0.5, 0.0, 0.2, 0.9])
        excess = [
            np.asarray(kernels.ntk(standardized("relu"), 0.0, depth, cosine)) - 0.25
            for depth in (1024, 10_000)
        ]
        assert np.all(np.abs(excess[1]) < 1.2e-3)
        fall = excess[0] / excess[1] * 1024 / 10_000
        assert np.all(fall > np.log(1024) / np.log(10_000))  # (a log L + b) / L, a and b positive
        assert np.all(fall < 1)

    @pytest.mark.parametrize("name", ["erf", "tanh", "gelu"])
    def test_freeze_rate_of_smooth_activations(self, name):
        """1 - theta <= C L r^L, and no faster than r^L."""
        act, beta = standardized(name), 0.6
        r = (1 - beta**2) * act.derivative_second_moment
        assert r < 1
        cosine = jnp.array([-1.0, -0.5, 0.2, 0.9])
        scaled = np.stack(
            [
                np.asarray(kernels.ntk_gap(act, beta, depth, cosine), float) / (depth * r**depth)
                for depth in (16, 64, 128)
            ]
        )
        assert np.all(scaled < 6)
        # C (L + a) r^L, where |a| is of the order 1 / (1 - r): it settles
        np.testing.assert_allclose(scaled[2], scaled[1], rtol=2 / (1 - r) / 128)
        assert np.all(scaled[-1] > 0.01)

    def test_freeze_rate_of_relu_is_the_square_root(self):
        """1 - theta ~ C L r^(L/2) for the kink: the rate over 32 layers is near sqrt(r)."""
        beta, cosine = 0.5, jnp.array([-0.5, 0.2, 0.9])
        first, second = (
            np.asarray(kernels.ntk_gap(standardized("relu"), beta, depth, cosine), float)
            for depth in (64, 96)
        )
        np.testing.assert_allclose((second / first) ** (1 / 32), np.sqrt(0.75), rtol=0.01)

    @pytest.mark.parametrize("name", ["relu", "erf", "tanh", "gelu"])
    def test_chaos_decays_geometrically(self, name):
        act, cosine = normalized(name), jnp.array([-0.9, -0.5, 0.2, 0.9])
        sizes = [
            np.abs(np.asarray(kernels.ntk(act, 0.1, depth, cosine), float))
            for depth in (16, 64, 128)
        ]
        assert np.all(sizes[1] < 0.1 * sizes[0] + 1e-12)
        assert np.all(sizes[2] < 0.01 * sizes[1] + 1e-20)

    @pytest.mark.parametrize(
        ("form", "name"),
        [(standardized, "relu"), (normalized, "relu"), (normalized, "tanh"), (normalized, "gelu")],
    )
    def test_depth_10000_is_finite(self, form, name):
        cosine = jnp.asarray(COSINE, jnp.float32)
        kernel = jax.vmap(lambda beta: kernels.ntk(form(name), beta, 10_000, cosine))
        theta = kernel(jnp.array([0.0, 0.1, 0.5, 0.9]))
        assert bool(jnp.all(jnp.isfinite(theta)))
        assert bool(jnp.all(jnp.abs(theta) <= 1))
        assert bool(jnp.all(theta[:, -1] == 1))

    @pytest.mark.parametrize(("form", "name"), [
        ("standardized", "relu"), ("standardized", "erf"), ("normalized", "tanh"),
        ("normalized", "gelu"),
    ])  # fmt: skip
    def test_depth_10000_keeps_its_digits(self, form, name):
        """Compensated sums keep 1e-6 in float32; plain ones lose 1e-5, with ReLU at the edge."""
        sigma, betas = activation(name, form), [0.0, 0.25, 0.5, 0.75]  # float32 numbers
        for kernel in (kernels.nngp, kernels.ntk):
            exact = computed(kernel, sigma, 10_000, betas, "float64")
            found = computed(kernel, sigma, 10_000, betas, "float32")
            np.testing.assert_allclose(found, exact, rtol=0, atol=1e-6)

    def test_depth_1_is_linear(self):
        cosine = jnp.linspace(-1, 1, 9)
        for kernel in (kernels.nngp, kernels.ntk):
            np.testing.assert_allclose(
                kernel(standardized("tanh"), 0.5, 1, cosine), 0.75 * cosine + 0.25, atol=1e-7
            )

    def test_identity_network_is_linear_at_any_depth(self):
        """sigma = id: r = 1 - beta^2, and without bias Sigma = Theta / L = rho."""
        cosine = jnp.linspace(-1, 1, 9)
        act = standardized("identity")
        for depth in (2, 100):
            np.testing.assert_allclose(kernels.ntk(act, 0.0, depth, cosine), cosine, atol=1e-6)
            np.testing.assert_allclose(kernels.nngp(act, 0.0, depth, cosine), cosine, atol=1e-6)
            wanted = 1 - 0.75**depth * (1 - cosine)
            np.testing.assert_allclose(kernels.nngp(act, 0.5, depth, cosine), wanted, atol=1e-6)


class TestProperties:
    """One depth an activation, so that few kernels are compiled."""

    @FEW
    @given(st.floats(-1, 1, width=32), st.floats(0, 0.984375, width=32))
    def test_bounded_by_the_diagonal(self, cosine, beta):
        for act in (standardized("relu"), normalized("gelu")):
            for kernel in (kernels.nngp, kernels.ntk):
                value = float(kernel(act, jnp.float32(beta), 12, jnp.float32(cosine)))
                assert abs(value) <= 1

    @FEW
    @given(st.floats(-1, 1, width=32))
    def test_odd_in_the_cosine_for_odd_activations_without_bias(self, cosine):
        act = standardized("tanh")
        above, below = (float(kernels.ntk(act, 0.0, 12, jnp.float32(c))) for c in (cosine, -cosine))
        assert above == pytest.approx(-below, rel=2e-6, abs=1e-30)

    @FEW
    @given(st.tuples(st.floats(-1, 1, width=32), st.floats(-1, 1, width=32)).map(sorted))
    def test_increasing_in_the_cosine_for_relu(self, cosines):
        """R and R' of ReLU increase and are not negative, hence so is theta for Sigma >= 0."""
        with jax.enable_x64(True):
            below, above = (
                float(kernels.nngp(standardized("relu"), 0.1, 12, jnp.float64(c))) for c in cosines
            )
        # R' <= 1, so what twelve layers round off adds up at most: some roundings each, twice
        assert below <= above + 2 * 12 * 4 * np.finfo(float).eps

    @FEW
    @given(st.integers(2, 24), st.integers(0, 2**31 - 1))
    def test_positive_semidefinite_on_the_sphere(self, count, seed):
        x = np.random.default_rng(seed).normal(size=(count, 5))
        x /= np.linalg.norm(x, axis=1, keepdims=True)
        padded = np.eye(24)
        padded[:count, :count] = np.clip(x @ x.T, -1, 1)
        np.fill_diagonal(padded, 1)
        with jax.enable_x64(True):
            for act, beta in ((standardized("relu"), 0.1), (normalized("gelu"), 0.3)):
                for kernel in (kernels.nngp, kernels.ntk):
                    matrix = np.asarray(kernel(act, beta, 8, jnp.asarray(padded)))
                    eigenvalues = np.linalg.eigvalsh(matrix[:count, :count])
                    assert eigenvalues.min() >= -1e-12 * count


class TestArrays:
    ACT = staticmethod(lambda: standardized("tanh"))

    @pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 0, 3), (2, 3, 1)])
    @pytest.mark.parametrize("kernel", [kernels.nngp, kernels.ntk, kernels.ntk_gap])
    def test_shape_is_kept(self, shape, kernel):
        cosine = jnp.full(shape, 0.3)
        result = kernel(self.ACT(), 0.1, 4, cosine)
        assert result.shape == shape
        assert result.dtype == cosine.dtype
        if result.size:
            wanted = kernel(self.ACT(), 0.1, 4, jnp.asarray(0.3))
            np.testing.assert_allclose(result, jnp.full(shape, wanted), rtol=1e-6)

    def test_dtype_follows_the_cosine_and_not_beta(self):
        with jax.enable_x64(True):
            for dtype in (jnp.float32, jnp.float64):
                for beta in (0.1, jnp.float32(0.1), jnp.float64(0.1), np.float64(0.1)):
                    value = kernels.ntk(self.ACT(), beta, 4, jnp.asarray(0.3, dtype))
                    assert value.dtype == dtype

    def test_python_numbers_and_integers_are_cosines_too(self):
        assert float(kernels.ntk(self.ACT(), 0.1, 4, 1)) == 1
        wanted = kernels.ntk(self.ACT(), 0.1, 4, jnp.asarray(0.5))
        assert float(kernels.ntk(self.ACT(), 0.1, 4, 0.5)) == float(wanted)

    def test_cosine_past_1_by_rounding_is_clipped(self):
        over = jnp.array([1 + 2 * np.finfo(np.float32).eps], jnp.float32)
        assert float(kernels.ntk(self.ACT(), 0.1, 4, over)[0]) == 1

    @pytest.mark.parametrize("kernel", [kernels.nngp, kernels.ntk, kernels.ntk_gap])
    def test_jit_with_static_depth_and_vmap_over_beta_equal_a_loop(self, kernel):
        cosine, betas = jnp.linspace(-1, 1, 7), jnp.array([0.0, 0.1, 0.9])
        act = self.ACT()
        looped = jnp.stack([kernel(act, float(beta), 5, cosine) for beta in betas])
        mapped = jax.vmap(lambda beta: kernel(act, beta, 5, cosine))(betas)
        compiled = jax.jit(kernel, static_argnums=(0, 2))(act, betas[1], 5, cosine)
        np.testing.assert_allclose(mapped, looped, rtol=1e-6, atol=1e-7)
        np.testing.assert_allclose(compiled, looped[1], rtol=1e-6, atol=1e-7)

    def test_vmap_over_cosines_equals_one_call(self):
        cosine = jnp.linspace(-1, 1, 7)
        mapped = jax.vmap(lambda c: kernels.ntk(self.ACT(), 0.1, 5, c))(cosine)
        np.testing.assert_allclose(
            mapped, kernels.ntk(self.ACT(), 0.1, 5, cosine), rtol=1e-6, atol=1e-7
        )

    @pytest.mark.usefixtures("float32")
    def test_calls_do_not_switch_double_precision_on(self):
        kernels.ntk(normalized(lambda x: jnp.tanh(2.5 * x)), 0.1, 3, jnp.zeros(2))
        assert not jax.config.jax_enable_x64
        assert jnp.zeros(2).dtype == jnp.float32


class TestGradients:
    @pytest.mark.parametrize(
        ("form", "name", "beta"),
        [
            (standardized, "relu", 0.3),
            (normalized, "relu", 0.3),
            (normalized, "tanh", 0.7),
            (normalized, "gelu", 0.2),
        ],
    )
    def test_central_differences(self, form, name, beta):
        act, step = form(name), 1e-6
        with jax.enable_x64(True):
            cosine = jnp.array([-0.8, -0.55, -0.2, 0.0, 0.3, 0.62, 0.9])

            def at(beta, shift):
                every = (kernels.nngp, kernels.ntk, kernels.ntk_gap)
                return jnp.stack([kernel(act, beta, 6, cosine + shift) for kernel in every])

            for argument in (0, 1):
                slope = jax.jacfwd(at, argument)(jnp.float64(beta), jnp.float64(0))
                steps = [(beta + s, 0.0) if argument == 0 else (beta, s) for s in (step, -step)]
                above, below = (at(jnp.float64(b), jnp.float64(s)) for b, s in steps)
                np.testing.assert_allclose(
                    slope, (above - below) / (2 * step), rtol=1e-6, atol=1e-7
                )

    @pytest.mark.parametrize("name", ["relu", "gelu"])
    def test_at_round_cosines(self, name):
        """Where an implementation may change its formula, as at Sigma = 0, 1/2 and -1/2."""
        act, step = normalized(name), 1e-6
        with jax.enable_x64(True):
            for depth in (2,):
                kernel = jax.vmap(lambda c, depth=depth: kernels.ntk(act, 0.0, depth, c))
                slope = jax.vmap(jax.grad(lambda c, depth=depth: kernels.ntk(act, 0.0, depth, c)))
                cosine = jnp.array([-0.75, -0.5, -0.25, 0.0, 0.25, 0.5, 0.75])
                difference = (kernel(cosine + step) - kernel(cosine - step)) / (2 * step)
                np.testing.assert_allclose(slope(cosine), difference, rtol=1e-6, atol=1e-7)

    @pytest.mark.parametrize("dtype", ["float32", "float64"])
    @pytest.mark.parametrize(
        "act", [("relu", "standardized"), ("relu", "normalized"), ("tanh", "normalized")]
    )
    def test_reverse_mode_is_finite_at_both_ends(self, act, dtype):
        with precision(dtype):
            cosine = jnp.array([-1.0, 0.0, 0.5, -0.5, 1.0], dtype)

            def total(beta, cosine):
                every = (kernels.nngp, kernels.ntk, kernels.ntk_gap)
                return sum(
                    (k + 2) * jnp.sum(kernel(activation(*act), beta, 6, cosine))
                    for k, kernel in enumerate(every)
                )

            slopes_of = jax.jit(jax.grad(total, (0, 1)))
            for beta in (0.0, 0.1, 0.9):
                slopes = slopes_of(jnp.asarray(beta, dtype), cosine)
                assert all(bool(jnp.all(jnp.isfinite(slope))) for slope in slopes)
                assert slopes[1].dtype == dtype


class TestLogNtkDiagonal:
    @staticmethod
    def exact(act: Activation, beta: float, depth: int) -> float:
        with mp.workdps(60):
            r = (1 - mpf(beta) ** 2) * mpf(act.derivative_second_moment)
            return float(log(mpf(depth) if r == 1 else (r**depth - 1) / (r - 1)))

    @pytest.mark.parametrize("dtype", ["float32", "float64"])
    @pytest.mark.parametrize(
        ("form", "name"),
        [(standardized, "relu"), (normalized, "relu"), (normalized, "tanh"), (normalized, "sin")],
    )
    def test_against_60_digits(self, form, name, dtype):
        act, depths = form(name), np.array([[1], [2], [3], [64], [1024], [10_000]])
        betas = np.array([0, 1e-4, 0.01, 0.1, 0.5, 0.9], dtype)
        if (moment := act.derivative_second_moment) > 1:  # and on both sides of the edge
            critical = np.sqrt(1 - 1 / moment)
            betas = np.append(betas, [critical, critical - 1e-3, critical + 1e-5]).astype(dtype)
        wanted = [[self.exact(act, float(b), int(n[0])) for b in betas] for n in depths]
        with precision(dtype):
            grid = np.broadcast_to(depths, np.shape(wanted))
            actual = kernels.log_ntk_diagonal(act, jnp.tile(betas, (len(depths), 1)), grid)
        assert actual.dtype == dtype
        tolerance = TOLERANCE[dtype]
        np.testing.assert_allclose(actual, wanted, rtol=tolerance, atol=tolerance)

    def test_at_r_exactly_1_it_is_the_log_of_depth(self):
        for depth in (1, 2, 10_000):
            value = float(kernels.log_ntk_diagonal(standardized("relu"), 0.0, depth))
            assert value == pytest.approx(np.log(depth), rel=1e-6, abs=1e-7)

    def test_is_the_recursion_of_the_diagonal(self):
        """Theta_1 = 1, Theta_(l+1) = 1 + r Theta_l."""
        act, diagonal = normalized("relu"), 1.0
        for depth in range(1, 40):
            value = float(kernels.log_ntk_diagonal(act, 0.3, depth))
            assert value == pytest.approx(np.log(diagonal), rel=2e-6, abs=1e-6)
            diagonal = 1 + 0.91 * np.pi / (np.pi - 1) * diagonal

    def test_gradient_is_finite_through_the_edge(self):
        act = normalized("relu")
        for beta in (0.0, 0.1, 1 / np.sqrt(np.pi), 0.9):
            slope = jax.grad(lambda b: kernels.log_ntk_diagonal(act, b, 256))(jnp.float32(beta))
            assert np.isfinite(slope)


class TestBadInput:
    """An error names the argument, what it got and what it needs."""

    KERNELS = pytest.mark.parametrize("kernel", [kernels.nngp, kernels.ntk, kernels.ntk_gap])

    @KERNELS
    @pytest.mark.parametrize(
        ("beta", "got"), [(1.2, "1.2"), (1.0, "1"), (-0.1, "-0.1"), (float("nan"), "nan")]
    )
    def test_beta_outside_its_range(self, kernel, beta, got):
        with pytest.raises(ValueError, match=rf"`beta` must lie in \[0, 1\); got {got}\b"):
            kernel(standardized("relu"), beta, 3, jnp.zeros(2))

    @KERNELS
    @pytest.mark.parametrize(("depth", "got"), [(0, "0"), (-3, "-3")])
    def test_depth_below_1(self, kernel, depth, got):
        with pytest.raises(ValueError, match=rf"`depth` must be .*1 or more; got {got}\b"):
            kernel(standardized("relu"), 0.1, depth, jnp.zeros(2))

    @KERNELS
    @pytest.mark.parametrize("depth", [2.0, 2.5, "3", None, True])
    def test_depth_that_is_no_integer(self, kernel, depth):
        with pytest.raises(TypeError, match=rf"`depth` must be an integer.*got {depth!r}"):
            kernel(standardized("relu"), 0.1, depth, jnp.zeros(2))

    @KERNELS
    @pytest.mark.parametrize("depth", [np.array([2, 3]), [2]])
    def test_depth_that_is_no_single_number(self, kernel, depth):
        with pytest.raises((TypeError, ValueError), match="`depth`"):
            kernel(standardized("relu"), 0.1, depth, jnp.zeros(2))

    @KERNELS
    @pytest.mark.parametrize(
        ("cosine", "got"),
        [(1.01, "1.01"), (-1.5, "-1.5"), (float("nan"), "nan"), (float("inf"), "inf")],
    )
    def test_cosine_outside_its_range(self, kernel, cosine, got):
        with pytest.raises(ValueError, match=rf"`cosine` must lie in \[-1, 1\]; got {got}"):
            kernel(standardized("relu"), 0.1, 3, jnp.array([0.0, cosine]))

    @KERNELS
    def test_cosine_of_another_type(self, kernel):
        with pytest.raises(TypeError, match="`cosine` must be float32 or float64; got complex64"):
            kernel(standardized("relu"), 0.1, 3, jnp.zeros(2, jnp.complex64))
        with pytest.raises(TypeError, match="`cosine` must be float32 or float64; got bfloat16"):
            kernel(standardized("relu"), 0.1, 3, jnp.zeros(2, jnp.bfloat16))

    @KERNELS
    @pytest.mark.parametrize("act", ["relu", jnp.tanh, None])
    def test_activation_that_is_none(self, kernel, act):
        with pytest.raises(TypeError, match=r"`activation` must be an Activation; got .*standard"):
            kernel(act, 0.1, 3, jnp.zeros(2))

    def test_log_ntk_diagonal(self):
        with pytest.raises(ValueError, match=r"`beta` must lie in \[0, 1\); got 1\.5"):
            kernels.log_ntk_diagonal(standardized("relu"), 1.5, 3)
        with pytest.raises(ValueError, match=r"`depth` must be .*1 or more; got 0"):
            kernels.log_ntk_diagonal(standardized("relu"), 0.1, 0)
        with pytest.raises(TypeError, match="`depth` must be an integer"):
            kernels.log_ntk_diagonal(standardized("relu"), 0.1, 2.5)
        with pytest.raises(TypeError, match="`activation` must be an Activation; got 'relu'"):
            kernels.log_ntk_diagonal("relu", 0.1, 3)
