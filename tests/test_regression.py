"""Regression without an inverse against Cholesky and scikit-learn; kernels as values."""

import copy
import pickle

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.linalg import solve
from sklearn.kernel_ridge import KernelRidge

from freezechaos import dynamics, kernels, regression
from freezechaos.activations import normalized, standardized
from freezechaos.regression import NNGP, NTK, conjugate, pivots, saving, tiles

RELU = standardized("relu")
# in freeze, on the edge, in chaos: condition numbers that differ by orders of magnitude
KERNELS = {
    "freeze": NTK(RELU, 0.3, 8),
    "edge": NTK(RELU, 0.0, 64),
    "chaos": NTK(normalized("relu"), 0.1, 16),
    "sum": 0.5 * NTK(RELU, 0.1, 3) + NNGP(normalized("tanh"), 0.2, 4) * NNGP(RELU, 0.1, 2),
}
RIDGE = 1e-2
# Entries of a float32 kernel are off by 2e-6 (tests/test_gram.py); through an inverse of the ridge
# the predictions by 2e-6 / RIDGE at most, for errors are not all alike.
NEAR = 2e-4


def inputs(n: int = 300, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Rows with much in common, as images have, and three outputs."""
    draw = np.random.default_rng(seed)
    x = (draw.normal(size=(n, 8)) + 1).astype(np.float32)
    return x, np.stack([x[:, 0], np.sin(3 * x[:, 1]), draw.normal(size=n)], axis=1)


X, Y = inputs()
TEST, _ = inputs(40, seed=1)


def fit(kernel=KERNELS["freeze"], x=X, y=Y, **others) -> regression.Fit:
    return regression.fit(kernel, x, y, **{"ridge": RIDGE, "progress": False, "rank": 32, **others})


def by_cholesky(kernel, x=X, y=Y) -> np.ndarray:
    shifted = kernel.precise(x) + RIDGE * kernel.height * np.eye(len(x))
    return kernel.precise(TEST, x) @ solve(shifted, y, assume_a="pos")


def relative(found, expected) -> float:
    return float(np.linalg.norm(found - expected) / np.linalg.norm(expected))


@pytest.fixture
def small_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    """300 rows in three tiles a side, of 128 rows, the last one filled up."""
    monkeypatch.setattr(tiles, "_SIZE", 128)


class TestFit:
    @pytest.mark.parametrize("name", KERNELS)
    def test_against_cholesky(self, name):
        found = fit(KERNELS[name])
        assert found.converged
        assert relative(found.predict(TEST), by_cholesky(KERNELS[name])) < NEAR

    def test_against_scikit_learn(self):
        kernel = KERNELS["freeze"]
        gram, cross = kernel.precise(X), kernel.precise(TEST, X)
        peer = KernelRidge(alpha=RIDGE, kernel="precomputed").fit(gram, Y)
        assert relative(fit(kernel).predict(TEST), peer.predict(cross)) < NEAR

    def test_against_dynamics(self):
        """The ridge counts diagonal entries in both."""
        kernel = 3.0 * KERNELS["freeze"]
        known = dynamics.ridge(kernel.precise(X), Y, kernel.precise(TEST, X), RIDGE)
        assert relative(fit(kernel).predict(TEST), known) < NEAR

    def test_tiles(self, small_tiles):
        found = fit()
        assert relative(found.predict(TEST), by_cholesky(KERNELS["freeze"])) < NEAR

    def test_tiles_that_have_no_room_are_worked_out_again(self, small_tiles):
        whole = fit()
        floor = 4 * 300 * (8 + 3 * 32 + 12 * 3) + 12 * 128**2
        less = fit(memory=floor + 4 * 4 * 128**2)
        assert (whole.kept, less.kept) == (1.0, 4 / 6)
        np.testing.assert_allclose(less.coefficients, whole.coefficients, rtol=1e-4, atol=1e-4)

    def test_refusal_names_the_size(self):
        with pytest.raises(regression.OutOfMemoryError, match=r"takes 0\.\d+ GB.*Raise `memory`"):
            fit(memory=1e6)

    def test_the_residual_is_the_true_one(self):
        """Of the float32 matrix in float64; a recursion in float32 believes what it likes."""
        found = fit(tolerance=1e-9)
        (tile,) = tiles.Tiles(found.kernel, jnp.asarray(X), 10**9, progress=False).tiles.values()
        gram = np.asarray(tile, np.float64)[:300, :300] + RIDGE * np.eye(300)
        residual = np.linalg.norm(Y - gram @ found.coefficients, axis=0) / np.linalg.norm(Y, axis=0)
        assert found.residual < 1e-9  # more digits than float32 has: refinement
        np.testing.assert_allclose(np.max(residual), found.residual, rtol=1e-3)

    def test_one_output_comes_as_it_went(self):
        found = fit(y=Y[:, 0])
        assert found.coefficients.shape == (300,)
        assert found.predict(TEST).shape == (40,)

    def test_warm_start_saves_steps(self):
        cold = fit(KERNELS["freeze"].replaced({"beta": 0.31}))
        warm = fit(KERNELS["freeze"].replaced({"beta": 0.31}), start=fit())
        assert warm.iterations < cold.iterations
        assert fit(start=fit()).iterations == 0

    def test_steps_that_do_not_suffice_are_warned_of(self):
        with pytest.warns(regression.NotConvergedWarning, match="After 2 steps"):
            found = fit(steps=2)
        assert not found.converged
        assert found.iterations == 2

    def test_the_preconditioner_saves_steps(self):
        """The frozen kernel's large eigenvalues are few."""
        assert fit(rank=100).iterations < 0.7 * fit(rank=1).iterations

    def test_a_matrix_that_rounding_made_indefinite(self):
        identity = pivots.Preconditioner(jnp.zeros((3, 1)), jnp.ones(1), 1.0, 1.0)
        state = conjugate.start(jnp.ones((3, 1)), identity)
        with pytest.raises(regression.NotPositiveError, match="Raise `ridge`"):
            conjugate.step(state, lambda v: -v, identity)


class TestRandomlyPivotedCholesky:
    def test_what_it_lacks_is_positive_semidefinite(self):
        kernel = KERNELS["freeze"]
        matrix = tiles.Tiles(kernel, jnp.asarray(X), 10**9, progress=False)
        factor, rest = pivots.low_rank(matrix, 1.0, 100, seed=0)
        lacking = kernel.precise(X) - factor.astype(float) @ factor.T
        np.testing.assert_allclose(np.diagonal(lacking), rest, atol=1e-5)
        assert np.linalg.eigvalsh(lacking)[0] > -1e-5
        values = np.sort(np.linalg.eigvalsh(kernel.precise(X)))
        assert np.sum(rest) < 3 * np.sum(values[:-100])  # of the best that rank 100 can do

    def test_axes_of_the_factor(self):
        factor = np.random.default_rng(0).normal(size=(60, 7)).astype(np.float32)
        factor[:, 6] = factor[:, 5]  # of rank 6
        values, basis = pivots.principal_axes(factor)
        assert basis.shape == (60, 6)
        np.testing.assert_allclose(basis.T @ basis, np.eye(6), atol=1e-6)
        np.testing.assert_allclose((basis * values) @ basis.T, factor @ factor.T, atol=1e-4)

    def test_rounding_does_not_spoil_it(self):
        """In deep freeze the largest eigenvalue is 10^6 times the shift, as of 60,000 images."""
        n, strength = 1024, 1e-4
        matrix = tiles.Tiles(NTK(RELU, 0.5, 64), jnp.asarray(inputs(n)[0]), 10**9, progress=False)
        found = pivots.preconditioner(matrix, 1.0, strength, 64, seed=0)
        assert n / found.shift > 1e6
        v = np.asarray(found.basis[:, -1:]) + 1e-3  # mostly the first axis
        with jax.enable_x64(True):  # the same formula
            basis, weights = (jnp.asarray(part, float) for part in (found.basis, found.weights))
            wide = found._replace(basis=basis, weights=weights)
            exact = np.asarray(wide.inverse_times(jnp.asarray(v, float)))
        basis, weights = np.asarray(basis), np.asarray(weights)
        error = np.asarray(found.inverse_times(jnp.asarray(v)), float) - exact
        along = basis.T @ error
        energy = np.sum(along**2 / weights[:, None])
        energy += found.shift * np.sum((error - basis @ along) ** 2)
        # Of four roundings, each of 6e-8 of v, the part across the axes weighs 1 / shift.
        assert np.sqrt(energy / np.sum(v * exact)) < 4 * 6e-8 * np.sqrt(n / found.shift)

    def test_steps_are_those_that_its_condition_number_foresees(self):
        """Chebyshev's bound, which holds without rounding."""
        x, y = inputs(1024)
        kernel, tolerance = NTK(RELU, 0.5, 64), 1e-4
        matrix = tiles.Tiles(kernel, jnp.asarray(x), 10**9, progress=False)
        found = pivots.preconditioner(matrix, 1.0, RIDGE, 64, seed=0)
        basis, weights = np.asarray(found.basis, float), np.asarray(found.weights, float)
        root = (basis * np.sqrt(weights)) @ basis.T
        root += (np.eye(len(x)) - basis @ basis.T) / np.sqrt(found.shift)
        shifted = kernel.precise(x) + RIDGE * np.eye(len(x))
        values, plain = np.linalg.eigvalsh(root @ shifted @ root), np.linalg.eigvalsh(shifted)
        root_of_condition = np.sqrt(values[-1] / values[0])
        each = np.log((root_of_condition + 1) / (root_of_condition - 1))
        steps = np.log(2 * np.sqrt(plain[-1] / plain[0]) / (tolerance / 2)) / each
        assert fit(kernel, x, y, rank=64, tolerance=tolerance).iterations <= np.ceil(steps)

    def test_equal_rows_do_no_harm(self):
        found = fit(x=np.repeat(X[:20], 15, axis=0), y=np.repeat(Y[:20], 15, axis=0))
        assert found.converged


class TestGoesOn:
    def test_from_the_state_of_a_killed_solve(self, tmp_path, monkeypatch):
        """Step by step the same, as if nothing had happened."""
        monkeypatch.setattr(saving, "SECONDS", 0)
        whole, file = fit(), tmp_path / "state.npz"
        honest, calls = conjugate.step, []

        def killed(*arguments):
            calls.append(1)
            if len(calls) > 7:
                raise KeyboardInterrupt
            return honest(*arguments)

        monkeypatch.setattr(conjugate, "step", killed)
        with pytest.raises(KeyboardInterrupt):
            fit(checkpoint=file)
        monkeypatch.setattr(conjugate, "step", honest)
        again = fit(checkpoint=file)
        assert again.iterations == whole.iterations
        np.testing.assert_array_equal(again.coefficients, whole.coefficients)
        assert [path.name for path in tmp_path.iterdir()] == ["state.npz"]
        assert fit(checkpoint=file).iterations == whole.iterations  # it was done

    def test_not_from_that_of_another(self, tmp_path):
        file = tmp_path / "state.npz"
        fit(checkpoint=file)
        with pytest.raises(ValueError, match="is of another solve"):
            fit(checkpoint=file, ridge=0.1)
        file.write_bytes(file.read_bytes()[:100])
        with pytest.raises(ValueError, match="cannot be read"):
            fit(checkpoint=file)


class TestRefusals:
    @pytest.mark.parametrize(
        ("wrong", "message"),
        [
            ({"x": np.where(np.arange(300)[:, None] == 7, np.nan, X)}, "row 7 holds a NaN"),
            ({"x": np.where(np.arange(300)[:, None] == 7, 0, X)}, "row 7 is zero"),
            ({"y": Y[:10]}, r"`labels` must have shape \[300\] or"),
            ({"ridge": 0.0}, "`ridge` must be above 0; got 0"),
            ({"tolerance": 1.0}, r"`tolerance` must lie in \(0, 1\)"),
            ({"memory": -1.0}, "`memory` must be above 0"),
        ],
    )
    def test_values(self, wrong, message):
        with pytest.raises(ValueError, match=message):
            fit(**wrong)

    def test_a_start_of_another_shape(self):
        with pytest.raises(ValueError, match="`start` must have coefficients of shape"):
            fit(start=fit(y=Y[:, 0]))

    def test_a_matrix_is_no_kernel(self):
        with pytest.raises(TypeError, match="`kernel` must be a kernel of"):
            fit(kernel=np.eye(300))


class TestValues:
    def test_equal_and_hashed_by_value(self):
        one, other = (2 * NTK(RELU, 0.1, 3) + NNGP(RELU, 0.2, 3) for _ in range(2))
        assert one == other
        assert len({one, other, copy.deepcopy(one), pickle.loads(pickle.dumps(one))}) == 1
        assert NTK(RELU, 0.1, 3) != NNGP(RELU, 0.1, 3)
        assert NTK(RELU, np.float32(0.5), jnp.array(3)) == NTK(RELU, 0.5, 3)

    def test_numbers_are_named_and_replaced(self):
        kernel = 2.0 * NTK(RELU, 0.1, 3) + NNGP(RELU, 0.2, 3)
        assert kernel.numbers == {"first.kernel.beta": 0.1, "first.factor": 2.0, "second.beta": 0.2}
        assert kernel.replaced({"second.beta": 0.3}) == kernel.first + NNGP(RELU, 0.3, 3)
        with pytest.raises(ValueError, match="named as the kernel's are"):
            kernel.replaced({"beta": 0.3})

    @pytest.mark.parametrize("name", KERNELS)
    def test_float32_and_float64_are_one_kernel(self, name):
        kernel = KERNELS[name]
        np.testing.assert_allclose(kernel.gram(TEST, X), kernel.precise(TEST, X), atol=4e-6)
        np.testing.assert_allclose(np.diagonal(kernel.precise(X)), kernel.height, rtol=1e-15)

    @pytest.mark.parametrize("name", KERNELS)
    def test_slopes(self, name):
        """Against differences: 1e-5 squared times a third derivative, and rounding over 1e-5."""
        kernel, step = KERNELS[name], 1e-5
        for number, slope in kernel.slopes(X[:20], TEST).items():
            if (at := kernel.numbers[number]) == 0:
                continue  # no beta below
            up, down = (
                kernel.replaced({number: at + side}).precise(X[:20], TEST) for side in (step, -step)
            )
            np.testing.assert_allclose(slope, (up - down) / (2 * step), rtol=1e-6, atol=1e-6)

    def test_what_is_no_kernel_does_not_add(self):
        with pytest.raises(TypeError):
            NTK(RELU, 0.1, 3) + 1.0
        with pytest.raises(ValueError, match="`factor` must be above 0"):
            -1.0 * NTK(RELU, 0.1, 3)


class TestPrecise:
    @pytest.mark.parametrize("depth", [1, 2, 16, 512])
    @pytest.mark.parametrize("activation", [RELU, normalized("gelu")], ids=lambda a: a.name)
    def test_is_the_recursion(self, activation, depth):
        """At any cosine and depth, to float64; the series' own error is far below."""
        cosine = np.concatenate([np.linspace(-1, 1, 41), 1 - 2.0 ** -np.arange(1, 40, 1.7)])
        x = np.stack([cosine, np.sqrt((1 - cosine) * (1 + cosine))], axis=1)
        for kernel, exact in ((NTK, kernels.ntk), (NNGP, kernels.nngp)):
            with jax.enable_x64(True):
                known = np.asarray(exact(activation, 0.2, depth, jnp.asarray(cosine)))
            found = kernel(activation, 0.2, depth).precise(np.array([[1.0, 0.0]]), x)[0]
            # the recursion takes a rounded cosine: what its rounding is worth, at this cosine
            slope = np.abs(np.gradient(known, np.arccos(cosine)))
            np.testing.assert_allclose(
                found, known, atol=1e-13 + np.max(1e-8 * slope[cosine > 0.9])
            )

    def test_near_duplicates_keep_their_digits(self):
        """Angles down to 1e-12 in chaos, of which the cosine has none left."""
        angle = 10.0 ** -np.arange(1, 13)
        x = np.stack([np.cos(angle), np.sin(angle)], axis=1)
        found = NTK(normalized("relu"), 0.1, 64).precise(np.array([[1.0, 0.0]]), x)[0]
        half = 2 * np.sin(angle / 2) ** 2
        with jax.enable_x64(True):
            known = kernels.recursion.from_gap(
                normalized("relu"), jnp.float64(0.1), 64, jnp.asarray(np.cos(angle)),
                jnp.asarray(half),
            )[1]  # fmt: skip
        np.testing.assert_allclose(found, known, rtol=1e-9, atol=1e-12)
        assert 0.01 < found[6] < 0.99


def test_nngp_gram_is_within_the_tolerance_of_ntk_gram():
    for activation in (RELU, normalized("tanh")):
        for depth in (1, 3, 64):
            found = kernels.gram(activation, 0.2, depth, X, TEST, kind="nngp")
            np.testing.assert_allclose(
                found, NNGP(activation, 0.2, depth).precise(X, TEST), atol=2e-6
            )
    with pytest.raises(ValueError, match='`kind` must be "ntk" or "nngp"'):
        kernels.gram(RELU, 0.2, 3, X, kind="both")
