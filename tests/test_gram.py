"""Gram matrices by look-up, against the kernel of the exact float64 gaps, pair by pair."""

import os
import subprocess
import sys
from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from freezechaos import kernels
from freezechaos.activations import Activation, leaky_relu, normalized, standardized
from freezechaos.kernels import lookup

TOLERANCE = 2e-6
RELU_MEAN_SQUARED = 1 / np.pi


@pytest.fixture(autouse=True)
def no_silent_broadcast() -> Iterator[None]:
    with jax.numpy_rank_promotion("raise"):
        yield


def crowd(width: int = 6, seed: int = 0) -> np.ndarray:
    """Rows of many sizes: at random, twice, nearly, opposite, nearly opposite, coordinates."""
    generator = np.random.default_rng(seed)
    rows = generator.normal(size=(20, width))
    steps = 10.0 ** -np.arange(1, 8)
    towards = generator.normal(size=(7, width))
    near = rows[:1] + steps[:, None] * towards
    far_side = -rows[1:2] + steps[:, None] * towards
    copies = [rows[2:4], 2 * rows[2:4], 3 * rows[2:4], 0.1 * rows[4:5], -rows[3:4]]
    blocks = [rows, near, far_side, *copies, np.eye(width), -np.eye(width)]
    everything = np.concatenate(blocks).astype(np.float32)
    return everything * np.exp(generator.normal(size=(len(everything), 1))).astype(np.float32)


def gaps(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """1 - cosine and 1 + cosine of all pairs in float64, each from a squared distance."""
    x, y = (
        z / np.linalg.norm(z, axis=1, keepdims=True) for z in (x.astype(float), y.astype(float))
    )
    minus, plus = x[:, None] - y, x[:, None] + y
    return np.sum(minus**2, axis=-1) / 2, np.sum(plus**2, axis=-1) / 2


def relu_ntk(form: str, beta: float, depth: int, gap: np.ndarray) -> np.ndarray:
    """The scaled NTK of ReLU layer by layer in the angle, in float64: a road of its own."""
    mean_squared = RELU_MEAN_SQUARED if form == "normalized" else 0.0
    share = 1 - beta**2
    r = share / (1 - mean_squared)
    gap = share * gap
    theta, weight = 1 - gap, 1.0
    for _ in range(depth - 1):
        angle = 2 * np.arcsin(np.sqrt(np.minimum(gap, 2) / 2))
        lifted = np.pi * gap - np.where(
            angle > 1e-2, np.sin(angle) - angle * np.cos(angle), angle**3 / 3 - angle**5 / 30
        )
        gap = r * lifted / np.pi
        weight = weight / (weight + r)
        theta = weight * (1 - gap) + (1 - weight) * (1 - angle / np.pi) * theta
    return theta


def pairwise_ntk(act: Activation, beta: float, depth: int, x: np.ndarray) -> np.ndarray:
    """The kernel, without a table, at float64 cosines."""
    gap, _ = gaps(x, x)
    with jax.enable_x64(True):
        return np.asarray(kernels.ntk(act, beta, depth, jnp.asarray(np.clip(1 - gap, -1, 1))))


class TestAccuracy:
    @pytest.mark.parametrize("form", ["standardized", "normalized"])
    @pytest.mark.parametrize("depth", [1, 2, 16, 64, 1024])
    @pytest.mark.parametrize("beta", [0.0, 0.1, 0.5])
    def test_relu_duplicates_and_near_duplicates_included(self, form, beta, depth):
        x = crowd()
        act = {"standardized": standardized, "normalized": normalized}[form]("relu")
        actual = np.asarray(kernels.gram(act, beta, depth, jnp.asarray(x)), float)
        wanted = relu_ntk(form, beta, depth, gaps(x, x)[0])
        error = np.abs(actual - wanted)
        worst = np.unravel_index(error.argmax(), error.shape)
        assert error.max() <= TOLERANCE, f"{error.max():.1e} at gap {gaps(x, x)[0][worst]:.1e}"

    @pytest.mark.parametrize("depth", [2, 16, 256])
    @pytest.mark.parametrize(
        ("form", "name"),
        [
            (normalized, "erf"),
            (normalized, "tanh"),
            (normalized, "sin"),
            (standardized, "gelu"),
            (normalized, "gelu"),
            (normalized, "leaky"),
        ],
    )
    def test_other_activations(self, form, name, depth):
        act = form(leaky_relu(0.1) if name == "leaky" else name)
        x = crowd()
        # Nearest pairs are left to ReLU: a float64 cosine does not know their gap well enough.
        known = np.minimum(*gaps(x, x)) > 1e-9
        for beta in (0.0, 0.3):
            actual = np.asarray(kernels.gram(act, beta, depth, jnp.asarray(x)), float)
            error = np.abs(actual - pairwise_ntk(act, beta, depth, x))[known]
            assert error.max() <= TOLERANCE

    def test_wide_inputs(self):
        x = np.random.default_rng(5).normal(size=(60, 784)).astype(np.float32)
        x[30:] = x[:30] + 1e-3 * x[30:]
        for act in (normalized("relu"), standardized("relu")):
            form = act.name.split()[0]
            actual = np.asarray(kernels.gram(act, 0.1, 24, jnp.asarray(x)), float)
            assert np.abs(actual - relu_ntk(form, 0.1, 24, gaps(x, x)[0])).max() <= TOLERANCE

    def test_rows_as_near_as_float32_has_them(self):
        """Deep in chaos the kernel tells parallel rows from these, a gap of eps^4 / 8 apart."""
        eps = np.finfo(np.float32).eps
        x = np.array([[1 + eps, 1], [1 + 2 * eps, 1 + eps]], np.float32)
        gap = float(eps) ** 4 / 8 * (1 - 4 * float(eps))
        for depth in (16, 128, 160, 192):
            actual = kernels.gram(normalized("relu"), 0.0, depth, jnp.asarray(x))[0, 1]
            wanted = relu_ntk("normalized", 0.0, depth, np.array(gap))
            assert abs(float(actual) - wanted) <= TOLERANCE

    @pytest.mark.parametrize("ratio", [3, 7, 1e4])
    def test_parallel_rows_give_exactly_1(self, ratio):
        """Integers, so that rounding does not turn a row while it is stretched."""
        x = np.random.default_rng(6).integers(-99, 99, (8, 9)).astype(np.float32)
        matrix = kernels.gram(normalized("relu"), 0.0, 1024, jnp.asarray(x), jnp.asarray(ratio * x))
        assert bool(jnp.all(jnp.diag(matrix) == 1))

    def test_black_and_white_inputs(self):
        """All terms of a product are equal in size, so that their roundings add up."""
        generator = np.random.default_rng(7)
        pattern, other = np.sign(generator.normal(size=(2, 1, 1000)))
        flips = np.where(generator.random((60, 1000)) < 0.1, -1, 1)
        x = np.concatenate([flips * pattern, flips * other, pattern]).astype(np.float32)
        for depth in (2, 8, 256):
            matrix = kernels.gram(normalized("relu"), 0.1, depth, jnp.asarray(x), jnp.asarray(x))
            wanted = relu_ntk("normalized", 0.1, depth, gaps(x, x)[0])
            assert np.abs(np.asarray(matrix, float) - wanted).max() <= TOLERANCE

    def test_products_are_added_up_in_pieces(self):
        """One chain of 1000 terms, as some processors add, may round off 2e-6."""
        rows = lookup.Rows.of(jnp.ones((2, 1000)))
        text = jax.jit(lambda rows: rows.cosines(rows)).lower(rows).as_text()
        products = [line for line in text.splitlines() if "dot_general" in line]
        assert len(products) == 4
        assert all("tensor<2x256xf32>" in line for line in products[:3])

    @pytest.mark.parametrize("beta", [0.0, 0.5])
    def test_equal_rows_give_exactly_1(self, beta):
        row = np.random.default_rng(1).normal(size=(1, 9)).astype(np.float32)
        matrix = kernels.gram(normalized("tanh"), beta, 64, jnp.asarray(np.repeat(row, 40, 0)))
        assert bool(jnp.all(matrix == 1))
        doubled = kernels.gram(normalized("tanh"), beta, 64, jnp.asarray(row), jnp.asarray(2 * row))
        assert float(doubled[0, 0]) == 1

    @pytest.mark.parametrize("name", ["erf", "tanh", "sin"])
    def test_opposite_rows_give_exactly_minus_1_for_odd_activations(self, name):
        x = jnp.asarray(crowd())
        for depth in (2, 256):
            matrix = kernels.gram(normalized(name), 0.0, depth, x, -x)
            assert bool(jnp.all(jnp.diag(matrix) == -1))
            reflected = kernels.gram(normalized(name), 0.0, depth, x, x)
            # each rounds its own products, within its own tolerance
            np.testing.assert_allclose(matrix, -reflected, rtol=0, atol=2 * TOLERANCE)

    @pytest.mark.parametrize("depth", [2, 64, 1024])
    def test_symmetric_with_unit_diagonal_and_positive_semidefinite(self, depth):
        x = jnp.asarray(np.random.default_rng(2).normal(size=(150, 8)), jnp.float32)
        for act in (standardized("relu"), normalized("relu"), normalized("gelu")):
            matrix = np.asarray(kernels.gram(act, 0.1, depth, x))
            assert matrix.dtype == np.float32
            np.testing.assert_array_equal(matrix, matrix.T)
            assert np.all(np.diag(matrix) == 1)
            assert np.all(np.abs(matrix) <= 1)
            assert np.linalg.eigvalsh(matrix.astype(float)).min() > -1e-5


class TestShapes:
    @pytest.mark.parametrize(("n", "m", "d"), [(1, 1, 1), (3, 1, 4), (1, 5, 2), (700, 1100, 3)])
    def test_rectangular(self, n, m, d):
        generator = np.random.default_rng(3)
        x, y = (jnp.asarray(generator.normal(size=(k, d)), jnp.float32) for k in (n, m))
        act = normalized("relu")
        matrix = kernels.gram(act, 0.1, 12, x, y)
        assert matrix.shape == (n, m)
        rows = [0, n // 2, n - 1]
        wanted = relu_ntk("normalized", 0.1, 12, gaps(np.asarray(x)[rows], np.asarray(y))[0])
        assert np.abs(np.asarray(matrix, float)[rows] - wanted).max() <= TOLERANCE

    def test_tiles_that_do_not_come_out_even(self):
        x = np.random.default_rng(4).normal(size=(1030, 3)).astype(np.float32)
        matrix = np.asarray(kernels.gram(normalized("relu"), 0.1, 12, jnp.asarray(x)))
        np.testing.assert_array_equal(matrix, matrix.T)
        rows = [0, 511, 512, 517, 518, 1023, 1024, 1029]
        wanted = relu_ntk("normalized", 0.1, 12, gaps(x[rows], x)[0])
        assert np.abs(matrix[rows] - wanted).max() <= TOLERANCE

    def test_one_argument_or_two(self):
        x, act = jnp.asarray(crowd()), normalized("relu")
        alone, paired = kernels.gram(act, 0.1, 12, x), kernels.gram(act, 0.1, 12, x, x)
        np.testing.assert_allclose(alone, paired, rtol=0, atol=TOLERANCE)
        swapped = kernels.gram(act, 0.1, 12, x[5:], x[:7])
        np.testing.assert_allclose(
            swapped.T, kernels.gram(act, 0.1, 12, x[:7], x[5:]), rtol=0, atol=TOLERANCE
        )

    @pytest.mark.parametrize("scale", [1e-30, 1e-12, 1e12, 1e30])
    def test_any_norm(self, scale):
        x, act = crowd(), normalized("relu")
        wanted = kernels.gram(act, 0.1, 12, jnp.asarray(x))
        scaled = kernels.gram(act, 0.1, 12, jnp.asarray(x * np.float32(scale)))
        np.testing.assert_allclose(scaled, wanted, rtol=0, atol=2 * TOLERANCE)

    def test_integers_and_float64_are_taken(self):
        act = normalized("relu")
        wanted = kernels.gram(act, 0.1, 12, jnp.array([[1.0, 2.0], [3.0, -1.0]]))
        whole = kernels.gram(act, 0.1, 12, jnp.array([[1, 2], [3, -1]]))
        np.testing.assert_array_equal(whole, wanted)
        with jax.enable_x64(True):
            double = kernels.gram(act, 0.1, 12, jnp.array([[1.0, 2.0], [3.0, -1.0]]))
            other = kernels.gram(act, 0.1, 13, jnp.array([[1.0, 2.0], [3.0, -1.0]]))
        assert double.dtype == other.dtype == jnp.float32
        np.testing.assert_array_equal(double, wanted)
        again = kernels.gram(act, 0.1, 13, jnp.array([[1.0, 2.0], [3.0, -1.0]]))
        np.testing.assert_array_equal(again, other)

    def test_inside_jit_and_outside_after(self):
        x, act = jnp.asarray(crowd()), normalized("relu")
        compiled = jax.jit(lambda x: kernels.gram(act, 0.15, 7, x))(x)
        np.testing.assert_allclose(compiled, kernels.gram(act, 0.15, 7, x), rtol=0, atol=TOLERANCE)

    def test_peak_memory_is_at_most_three_matrices(self):
        count = 4096
        shape = jax.ShapeDtypeStruct((count, 784), jnp.float32)
        act = normalized("relu")
        kernels.gram(act, 0.1, 12, jnp.ones((2, 2)))  # makes the table
        compiled = jax.jit(lambda x: kernels.gram(act, 0.1, 12, x)).lower(shape).compile()
        memory = compiled.memory_analysis()
        peak = memory.temp_size_in_bytes + memory.output_size_in_bytes
        assert peak <= 3 * 4 * count**2


SHARDED = """
import jax, jax.numpy as jnp, numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from freezechaos import kernels
from freezechaos.activations import normalized

assert len(jax.devices()) == 8
mesh = Mesh(np.array(jax.devices()), ("rows",))
sharding = NamedSharding(mesh, PartitionSpec("rows"))
x, y = (jnp.asarray(np.random.default_rng(k).normal(size=(64 + k, 5)), jnp.float32) for k in (0, 3))
for columns in (None, y):
    alone = kernels.gram(normalized("relu"), 0.1, 12, x, columns)
    spread = kernels.gram(normalized("relu"), 0.1, 12, x, columns, sharding=sharding)
    assert spread.sharding.is_equivalent_to(sharding, 2), spread.sharding
    assert [s.data.shape[0] for s in spread.addressable_shards] == [8] * 8
    np.testing.assert_allclose(spread, alone, rtol=0, atol=2e-6)
print("sharded")
"""


def test_rows_over_eight_devices():
    flags = os.environ.get("XLA_FLAGS", "") + " --xla_force_host_platform_device_count=8"
    environment = {**os.environ, "XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu"}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", SHARDED],
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.stdout == "sharded\n", done.stderr[-2000:]


class TestBadInput:
    GOOD = staticmethod(lambda: jnp.ones((2, 3)))

    @pytest.mark.parametrize("name", ["x1", "x2"])
    @pytest.mark.parametrize(
        ("rows", "message"),
        [
            ([[1, 2, 3], [0, 0, 0]], "must have no zero row; row 1 is zero"),
            ([[1, 2, 3], [np.nan, 0, 0]], "must be finite; row 1 holds a NaN"),
            ([[np.inf, 2, 3], [1, 0, 0]], "must be finite; row 0 holds a NaN or an infinity"),
            ([1, 2, 3], r"must have shape \[n, d\].*got \[3\]"),
            ([[[1, 2, 3]]], r"must have shape \[n, d\].*got \[1, 1, 3\]"),
            ([[]], r"must have shape \[n, d\].*got \[1, 0\]"),
        ],
    )
    def test_rows(self, name, rows, message):
        bad = jnp.array(rows, jnp.float32)
        inputs = (bad, self.GOOD()) if name == "x1" else (self.GOOD(), bad)
        with pytest.raises(ValueError, match=f"`{name}` {message}"):
            kernels.gram(standardized("relu"), 0.1, 3, *inputs)

    def test_widths(self):
        with pytest.raises(ValueError, match="`x1` and `x2` must be equally wide; got 3 and 4"):
            kernels.gram(standardized("relu"), 0.1, 3, self.GOOD(), jnp.ones((2, 4)))

    def test_type_of_rows(self):
        with pytest.raises(TypeError, match="`x1` must be float32 or float64; got complex64"):
            kernels.gram(standardized("relu"), 0.1, 3, jnp.ones((2, 3), jnp.complex64))

    def test_the_rest(self):
        with pytest.raises(ValueError, match=r"`beta` must lie in \[0, 1\); got 1"):
            kernels.gram(standardized("relu"), 1.0, 3, self.GOOD())
        with pytest.raises(ValueError, match=r"`depth` must be .*1 or more; got 0"):
            kernels.gram(standardized("relu"), 0.1, 0, self.GOOD())
        with pytest.raises(TypeError, match=r"`depth` must be an integer.*got 2\.5"):
            kernels.gram(standardized("relu"), 0.1, 2.5, self.GOOD())
        with pytest.raises(TypeError, match="`activation` must be an Activation; got 'relu'"):
            kernels.gram("relu", 0.1, 3, self.GOOD())


def test_nan_stays_nan_under_jit():
    relu, x = standardized("relu"), jnp.eye(4).at[1, 2].set(jnp.nan)
    result = jax.jit(lambda x: kernels.gram(relu, 0.1, 4, x, x))(x)
    assert bool(jnp.all(jnp.isnan(result[1])))
    assert bool(jnp.all(jnp.isfinite(result[0, jnp.array([0, 2, 3])])))


def test_gradient_is_refused_rather_than_zero():
    relu = standardized("relu")
    with pytest.raises(NotImplementedError, match=r"kernels\.ntk"):
        jax.grad(lambda x: kernels.gram(relu, 0.1, 4, x)[0, 1])(jnp.eye(3) + 0.1)
