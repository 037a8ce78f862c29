"""Training under a fixed kernel, against an ODE solver, optax, scikit-learn and least squares."""

from collections.abc import Iterator

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import solve_ivp
from sklearn.kernel_ridge import KernelRidge

from freezechaos import dynamics, kernels, matrices
from freezechaos.activations import normalized, standardized
from freezechaos.networks import circle

FEW = settings(max_examples=40, deadline=None, derandomize=True, database=None)
TIMES = np.array([0.0, 0.1, 1.0, 7.0, 50.0])
EPS = np.finfo(float).eps


@pytest.fixture(autouse=True)
def no_silent_broadcast() -> Iterator[None]:
    with jax.numpy_rank_promotion("raise"):
        yield


class Problem:
    """A random kernel between 7 training and 4 test points, with labels and initial outputs."""

    def __init__(self, outputs: tuple[int, ...] = (3,), rank: int = 20):
        rng = np.random.default_rng(len(outputs) + rank)
        features = rng.normal(size=(11, rank))
        gram = features @ features.T
        self.features = features[:7]
        self.train, self.test = gram[:7, :7], gram[7:, :7]
        self.y = rng.normal(size=(7, *outputs))
        self.initial = rng.normal(size=(7, *outputs))
        self.test_initial = rng.normal(size=(4, *outputs))

    def flow(self) -> dynamics.GradientFlow:
        return dynamics.flow(
            self.train,
            self.y,
            self.test,
            initial=self.initial,
            test_initial=self.test_initial,
        )

    def leak(self, cross: np.ndarray) -> float:
        """What rounding lets K_test see, at most, of labels that lie in an empty mode.

        Eigenvectors of float64 are n eps (condition number of the other modes) out of true.
        """
        values = np.linalg.svd(self.features, compute_uv=False) ** 2
        turned = len(self.y) * EPS * values[0] / values[-1]
        return float(turned * np.linalg.norm(cross, 2) * np.linalg.norm(self.y))

    def solve(self, times: np.ndarray) -> np.ndarray:
        """df/dt = -(1 / n) K (f - y) for all points, by a Runge-Kutta method."""
        gram, count = np.concatenate([self.train, self.test]), self.y.size
        start = np.concatenate([self.initial, self.test_initial])

        def slope(_: float, f: np.ndarray) -> np.ndarray:
            missing = f[:count].reshape(self.y.shape) - self.y
            return -(gram @ missing / len(self.y)).ravel()

        solution = solve_ivp(
            slope,
            (0, times[-1]),
            start.ravel(),
            method="DOP853",
            t_eval=times,
            rtol=1e-11,
            atol=1e-12,
        )
        return solution.y.T.reshape(-1, *start.shape)


class TestFlow:
    @pytest.mark.usefixtures("float64")
    @pytest.mark.parametrize("outputs", [(), (1,), (3,)])
    @pytest.mark.parametrize("rank", [20, 4])
    def test_solves_the_differential_equation(self, outputs, rank):
        problem = Problem(outputs, rank)
        found = problem.flow()
        train, test = np.split(problem.solve(TIMES), [7], axis=1)
        np.testing.assert_allclose(found.train(TIMES), train, atol=1e-9)
        np.testing.assert_allclose(found.test(TIMES), test, atol=1e-9)
        loss = np.sum((train - problem.y) ** 2, axis=tuple(range(1, train.ndim))) / 14
        np.testing.assert_allclose(found.loss(TIMES), loss, rtol=1e-8, atol=1e-12)

    @pytest.mark.usefixtures("float32")
    @pytest.mark.parametrize("rank", [20, 4])
    def test_float32_follows_float64(self, rank):
        problem = Problem(rank=rank)
        single = problem.flow()
        with jax.enable_x64(True):
            double = problem.flow()
            exact = [np.asarray(f(TIMES)) for f in (double.train, double.test, double.loss)]
        for f, wanted in zip((single.train, single.test, single.loss), exact, strict=True):
            assert f(TIMES).dtype == jnp.float32
            np.testing.assert_allclose(f(TIMES), wanted, rtol=2e-6, atol=2e-5)

    def test_shapes(self):
        for outputs in ((), (3,)):
            found = Problem(outputs).flow()
            for times in ((), (5,), (2, 3)):
                time = jnp.ones(times)
                assert found.train(time).shape == (*times, 7, *outputs)
                assert found.test(time).shape == (*times, 4, *outputs)
                assert found.loss(time).shape == times

    def test_starts_at_the_initial_outputs(self):
        problem = Problem()
        found = problem.flow()
        np.testing.assert_allclose(found.train(0.0), problem.initial, rtol=1e-6)
        np.testing.assert_allclose(found.test(0.0), problem.test_initial, rtol=1e-6)
        zero = dynamics.flow(problem.train, problem.y, problem.test, test_initial=2.5)
        np.testing.assert_array_equal(zero.train(0.0), 0)
        np.testing.assert_array_equal(zero.test(0.0), 2.5)

    @pytest.mark.usefixtures("float64")
    def test_every_mode_decays_at_its_own_rate(self):
        problem = Problem()
        values, vectors = np.linalg.eigh(problem.train)
        before = vectors.T @ (problem.y - problem.initial)
        after = vectors.T @ (problem.y - problem.flow().train(0.3))
        np.testing.assert_allclose(after, np.exp(-0.3 / 7 * values)[:, None] * before, rtol=1e-9)

    @pytest.mark.usefixtures("float64")
    @pytest.mark.parametrize("rank", [20, 4])
    def test_limit_of_a_linear_model_is_least_squares(self, rank):
        """From 0 the flow reaches the interpolant, or least squares fit, of least norm."""
        problem = Problem(rank=rank)
        rng = np.random.default_rng(5)
        weights = np.linalg.lstsq(problem.features, problem.y, rcond=None)[0]
        new = rng.normal(size=(6, rank))
        found = dynamics.flow(problem.train, problem.y, new @ problem.features.T)
        np.testing.assert_allclose(found.train(np.inf), problem.features @ weights, atol=1e-10)
        np.testing.assert_allclose(found.test(np.inf), new @ weights, atol=1e-10)
        leak = problem.leak(new @ problem.features.T)
        for late, left in ((1e4, leak * 1e4 / 7), (1e8, leak * 1e8 / 7), (1e25, 0)):
            np.testing.assert_allclose(found.train(late), found.train(np.inf), atol=1e-10)
            np.testing.assert_allclose(found.test(late), found.test(np.inf), atol=1e-10 + left)

    def test_limit_in_float32(self):
        x = circle(jnp.linspace(0, 3, 30))
        act = normalized("relu")
        gram = kernels.gram(act, 0.1, 8, x)
        y = jnp.sin(3 * jnp.linspace(0, 3, 30))
        found = dynamics.flow(gram, y, gram)
        np.testing.assert_allclose(found.train(jnp.inf), y, atol=2e-6)
        np.testing.assert_allclose(found.test(jnp.inf), y, atol=1e-4)
        assert np.isfinite(found.test(jnp.logspace(-3, 38, 60))).all()

    @pytest.mark.parametrize("dtype", ["float32", "float64"])
    def test_duplicate_inputs_share_their_outputs(self, dtype):
        """Two labels for one input: their mean is learned, their difference never."""
        x = np.random.default_rng(2).normal(size=(40, 60)).astype(dtype)
        x[5] = x[3]
        y = x[:, 0].copy()
        y[3], y[5] = 1, -2
        found = dynamics.flow(x @ x.T, y, x[:6] @ x.T)
        limit = found.train(jnp.inf)
        np.testing.assert_allclose(limit[jnp.array([3, 5])], -0.5, atol=1e-5)
        np.testing.assert_allclose(found.test(jnp.inf), limit[:6], atol=1e-4)
        assert found.loss(jnp.inf) == pytest.approx(2 * 1.5**2 / 80, rel=1e-5)
        start = float(found.loss(0.0))
        assert found.time_to_fit(2 * 1.5**2 / 80 / start * 0.99) == np.inf
        assert found.time_to_fit(2 * 1.5**2 / 80 / start * 1.01) < np.inf

    @FEW
    @given(st.sampled_from([1, 3, 8]), st.integers(1, 10), st.integers(0, 2**32 - 1))
    def test_loss_only_falls(self, size, rank, seed):
        rng = np.random.default_rng(seed)
        features = rng.normal(size=(size, rank))
        found = dynamics.flow(features @ features.T, rng.normal(size=size))
        loss = found.loss(jnp.append(jnp.logspace(-3, 6, 30), jnp.inf))
        assert jnp.all(jnp.diff(loss) <= 1e-6 * loss[0])
        assert jnp.all(loss >= 0)

    @FEW
    @given(st.floats(0.01, 100), st.integers(0, 2**32 - 1))
    def test_time_scales_with_the_kernel_and_order_does_not_matter(self, scale, seed):
        problem, order = Problem(()), np.random.default_rng(seed).permutation(7)
        found = dynamics.flow(
            scale * problem.train[np.ix_(order, order)],
            problem.y[order],
            scale * problem.test[:, order],
        )
        wanted = dynamics.flow(problem.train, problem.y, problem.test)
        np.testing.assert_allclose(found.train(0.5 / scale), wanted.train(0.5)[order], atol=1e-5)
        np.testing.assert_allclose(found.test(0.5 / scale), wanted.test(0.5), atol=1e-5)

    def test_twice_the_same_data_takes_the_same_time(self):
        problem = Problem(())
        twice = dynamics.flow(np.tile(problem.train, (2, 2)), np.tile(problem.y, 2))
        once = dynamics.flow(problem.train, problem.y)
        np.testing.assert_allclose(twice.train(0.4)[:7], once.train(0.4), atol=1e-6)
        np.testing.assert_allclose(twice.loss(0.4), once.loss(0.4), rtol=1e-5)

    def test_may_be_jitted_mapped_and_differentiated(self):
        found = Problem().flow()
        times = jnp.array([0.5, jnp.inf])
        by_jit = jax.jit(lambda flow, time: flow.test(time))(found, times)
        np.testing.assert_allclose(by_jit, found.test(times), rtol=1e-5, atol=1e-5)
        for name in ("train", "test", "loss"):
            method = getattr(found, name)
            np.testing.assert_allclose(
                eqx.filter_jit(method)(times), method(times), rtol=1e-5, atol=1e-5
            )
        np.testing.assert_allclose(jax.vmap(found.train)(times), found.train(times), atol=1e-5)
        slope = jax.jacobian(found.train)(0.5)
        wanted = (
            -found.vectors
            @ jnp.diag(found.rates)
            @ found.vectors.T
            @ (found.train(0.5) - Problem().y)
        )
        np.testing.assert_allclose(slope, wanted, rtol=1e-4, atol=1e-4)

    def test_frozen_kernels_learn_the_mean_first_and_slowly_the_rest(self):
        angles = 2 * jnp.pi * jnp.arange(40.0) / 40
        x, y = circle(angles), 1 + jnp.cos(angles)
        frozen = dynamics.flow(kernels.gram(standardized("relu"), 0.5, 32, x), y)
        chaotic = dynamics.flow(kernels.gram(normalized("relu"), 0.0, 32, x), y)
        np.testing.assert_allclose(frozen.train(20.0), 1, atol=0.1)
        assert frozen.time_to_fit(0.01) > 5 * chaotic.time_to_fit(0.01)


class TestTimeToFit:
    def test_one_mode(self):
        found = dynamics.flow(3 * np.eye(2), np.array([1.0, -2.0]))
        assert found.time_to_fit(0.1) == pytest.approx(np.log(10) / 3, rel=1e-6)

    @FEW
    @given(st.floats(1e-5, 1), st.integers(0, 2**32 - 1))
    def test_loss_is_the_fraction_then(self, fraction, seed):
        rng = np.random.default_rng(seed)
        features = rng.normal(size=(6, 9)) * 10.0 ** rng.uniform(-1, 1, 9)
        found = dynamics.flow(features @ features.T, rng.normal(size=(6, 2)))
        time = found.time_to_fit(fraction)
        assert float(found.loss(time) / found.loss(0.0)) == pytest.approx(fraction, rel=1e-4)

    def test_nothing_and_everything(self):
        assert dynamics.flow(np.eye(2), np.zeros(2)).time_to_fit(0.1) == 0
        assert dynamics.flow(np.eye(2), np.ones(2)).time_to_fit(1.0) == 0
        assert dynamics.flow(np.ones((2, 2)), np.array([1.0, -1.0])).time_to_fit(0.9) == np.inf

    def test_counts_steps(self):
        problem = Problem()
        rate = 0.01 * dynamics.largest_learning_rate(problem.train)
        time = dynamics.flow(problem.train, problem.y).time_to_fit(0.05)
        loss = dynamics.descend(problem.train, problem.y, round(time / rate), rate).loss
        assert loss[-1] / loss[0] == pytest.approx(0.05, rel=0.02)

    @pytest.mark.parametrize("fraction", [0.0, -1.0, 1.1, float("nan")])
    def test_bad_fraction(self, fraction):
        with pytest.raises(ValueError, match=r"`fraction` must lie in \(0, 1\]"):
            Problem().flow().time_to_fit(fraction)


class TestDescend:
    @pytest.mark.usefixtures("float64")
    @pytest.mark.parametrize("momentum", [0.0, 0.9])
    def test_is_what_optax_does_to_a_linear_model(self, momentum):
        """Gradients in the weights of x -> w.x, whose tangent kernel is x.y."""
        rng = np.random.default_rng(4)
        x, new, y = rng.normal(size=(8, 5)), rng.normal(size=(3, 5)), rng.normal(size=(8, 2))
        weights = jnp.asarray(rng.normal(size=(5, 2)))
        found = dynamics.descend(
            x @ x.T,
            y,
            60,
            0.2,
            momentum,
            test_gram=new @ x.T,
            initial=x @ weights,
            test_initial=new @ weights,
        )
        optimizer = optax.sgd(0.2, momentum)
        state = optimizer.init(weights)
        for step in range(61):
            np.testing.assert_allclose(found.train[step], x @ weights, atol=1e-12)
            np.testing.assert_allclose(found.test[step], new @ weights, atol=1e-12)
            loss, gradient = jax.value_and_grad(lambda w: jnp.sum((x @ w - y) ** 2) / (2 * len(x)))(
                weights
            )
            assert found.loss[step] == pytest.approx(float(loss), rel=1e-10)
            updates, state = optimizer.update(gradient, state)
            weights = optax.apply_updates(weights, updates)

    @pytest.mark.usefixtures("float64")
    def test_small_steps_follow_the_flow(self):
        problem = Problem()
        steps, rate = 4000, 1e-4
        found = dynamics.descend(
            problem.train,
            problem.y,
            steps,
            rate,
            test_gram=problem.test,
            initial=problem.initial,
            test_initial=problem.test_initial,
            record=1000,
        )
        flow, times = problem.flow(), rate * np.asarray(found.steps)
        np.testing.assert_allclose(found.train, flow.train(times), atol=1e-3)
        np.testing.assert_allclose(found.test, flow.test(times), atol=1e-3)
        np.testing.assert_allclose(found.loss, flow.loss(times), rtol=3e-3)

    @pytest.mark.usefixtures("float64")
    def test_momentum_speeds_time_up(self):
        """In the long run, by 1 / (1 - momentum)."""
        problem = Problem()
        found = dynamics.descend(problem.train, problem.y, 40_000, 1e-5, 0.9, record=40_000)
        flow = dynamics.flow(problem.train, problem.y)
        np.testing.assert_allclose(found.train[1], flow.train(0.4 / (1 - 0.9)), atol=1e-3)

    @pytest.mark.usefixtures("float32")
    def test_reaches_the_limit_in_float32(self):
        problem = Problem()
        rate = 0.9 * dynamics.largest_learning_rate(problem.train, 0.9)
        found = dynamics.descend(problem.train, problem.y, 3000, rate, 0.9,
                                 test_gram=problem.test, record=3000)  # fmt: skip
        limit = dynamics.flow(problem.train, problem.y, problem.test)
        assert found.train.dtype == jnp.float32
        np.testing.assert_allclose(found.train[-1], problem.y, atol=1e-5)
        np.testing.assert_allclose(found.test[-1], limit.test(jnp.inf), atol=1e-4)

    def test_records(self):
        problem = Problem(())
        every = dynamics.descend(problem.train, problem.y, 12, 0.1)
        some = dynamics.descend(problem.train, problem.y, 12, 0.1, record=4)
        np.testing.assert_array_equal(some.steps, [0, 4, 8, 12])
        np.testing.assert_allclose(some.train, every.train[::4], atol=1e-6)
        assert every.train.shape == (13, 7)
        assert every.loss.shape == (13,)
        assert every.test is None

    @pytest.mark.usefixtures("float64")
    @pytest.mark.parametrize("momentum", [0.0, 0.5, 0.9])
    def test_largest_learning_rate_parts_convergence_from_divergence(self, momentum):
        gram, y = Problem().train, Problem().y
        largest = dynamics.largest_learning_rate(gram, momentum)
        below = dynamics.descend(gram, y, 4000, 0.99 * largest, momentum, record=4000).loss
        assert below[1] < below[0]
        missing, velocity = y.copy(), np.zeros_like(y)
        for _ in range(400):
            velocity = momentum * velocity + gram @ missing / 7
            missing -= 1.01 * largest * velocity
        assert np.sum(missing**2) > np.sum(y**2)
        with pytest.raises(ValueError, match=rf"`learning_rate` must .* = {largest:.6g}, where"):
            dynamics.descend(gram, y, 10, largest, momentum)

    @pytest.mark.parametrize("rate", [0.0, -1.0, float("nan")])
    def test_bad_learning_rate(self, rate):
        with pytest.raises(ValueError, match="`learning_rate` must lie between 0 and"):
            dynamics.descend(np.eye(2), np.ones(2), 4, rate)

    def test_traced_numbers_are_named(self):
        gram, y = jnp.eye(2), jnp.ones(2)
        for name, call in (
            ("learning_rate", lambda rate: dynamics.descend(gram, y, 4, rate).loss),
            ("momentum", lambda share: dynamics.descend(gram, y, 4, 0.1, share).loss),
            ("fraction", lambda part: dynamics.flow(gram, y).time_to_fit(part)),
        ):
            with pytest.raises(TypeError, match=f"`{name}` must be a number; got one that JAX"):
                jax.jit(call)(0.1)

    def test_looks_at_its_gram_matrix_once(self, monkeypatch):
        calls, gram = [], matrices.gram
        monkeypatch.setattr(matrices, "gram", lambda *args: calls.append(args) or gram(*args))
        dynamics.descend(np.eye(2), np.ones(2), 4, 0.1)
        assert len(calls) == 1

    @pytest.mark.parametrize("momentum", [-0.1, 1.0])
    def test_bad_momentum(self, momentum):
        with pytest.raises(ValueError, match=r"`momentum` must lie in \[0, 1\)"):
            dynamics.descend(np.eye(2), np.ones(2), 4, 0.1, momentum)

    @pytest.mark.parametrize(
        ("steps", "record", "error", "match"),
        [
            (0, 1, ValueError, "`steps` must be 1 or more; got 0"),
            (5, 2, ValueError, "`steps` must be a multiple of `record`; got 5 and 2"),
            (4, 0, ValueError, "`record` must be 1 or more"),
            (4.0, 1, TypeError, "`steps` must be an integer"),
            (4, True, TypeError, "`record` must be an integer"),
        ],
    )
    def test_bad_steps(self, steps, record, error, match):
        with pytest.raises(error, match=match):
            dynamics.descend(np.eye(2), np.ones(2), steps, 0.1, record=record)


class TestRidge:
    @pytest.mark.usefixtures("float64")
    @pytest.mark.parametrize("outputs", [(), (3,)])
    @pytest.mark.parametrize("rank", [20, 4])
    def test_is_scikit_learns(self, outputs, rank):
        problem = Problem(outputs, rank)
        ridges = np.array([[1e-4, 0.1], [1.0, 30.0]])
        found = dynamics.ridge(problem.train, problem.y, problem.test, ridges)
        assert found.shape == (2, 2, 4, *outputs)
        for index, strength in np.ndenumerate(ridges):
            model = KernelRidge(
                alpha=strength * np.trace(problem.train) / 7, kernel="precomputed"
            ).fit(problem.train, problem.y)
            np.testing.assert_allclose(found[index], model.predict(problem.test), atol=1e-9)

    @pytest.mark.usefixtures("float64")
    @pytest.mark.parametrize("rank", [20, 4])
    def test_without_a_ridge_it_is_the_end_of_the_flow(self, rank):
        """A ridge s lowers 1 / lambda by s / lambda^2 or less, and makes 1 / s of an empty mode.

        What comes of both is least where s / (trace / n) is sqrt(eps).
        """
        problem = Problem(rank=rank)
        limit = dynamics.flow(problem.train, problem.y, problem.test).test(np.inf)
        ridge = EPS**0.5
        found = dynamics.ridge(problem.train, problem.y, problem.test, np.array([0, ridge]))
        np.testing.assert_allclose(found[0], limit, atol=1e-11)
        strength = ridge * np.trace(problem.train) / 7
        least = np.linalg.svd(problem.features, compute_uv=False)[-1] ** 2
        size = np.linalg.norm(problem.test, 2) * np.linalg.norm(problem.y)
        bound = size * strength / least**2 + problem.leak(problem.test) / strength
        np.testing.assert_allclose(found[1], limit, rtol=0, atol=bound)

    @FEW
    @given(st.floats(1e-3, 1e3), st.floats(0, 10))
    def test_scale_of_the_kernel_does_not_matter(self, scale, strength):
        problem = Problem()
        found = dynamics.ridge(scale * problem.train, problem.y, scale * problem.test, strength)
        wanted = dynamics.ridge(problem.train, problem.y, problem.test, strength)
        np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)

    def test_bad_ridge(self):
        with pytest.raises(ValueError, match="`ridge` must be 0 or more; got -1"):
            dynamics.ridge(np.eye(2), np.ones(2), np.eye(2), np.array([0.1, -1]))


@pytest.mark.usefixtures("float32")
class TestScale:
    """What float32 cannot hold is refused, not turned into NaN."""

    @pytest.mark.parametrize("scale", [1e40, 1e-40])
    def test_kernels_beyond_it(self, scale):
        gram, y = scale * np.eye(2), np.ones(2)
        for call in (
            lambda: dynamics.flow(gram, y),
            lambda: dynamics.descend(gram, y, 4, 1 / scale),
        ):
            with pytest.raises(ValueError, match=r"`train_gram` must be of a size.*Scale the"):
                call()
        with jax.enable_x64(True):
            np.testing.assert_allclose(dynamics.flow(gram, y).train(np.inf), 1)

    @pytest.mark.parametrize("scale", [1e36, 1e-36])
    def test_kernels_within_it(self, scale):
        gram, y = scale * np.eye(2), np.ones(2)
        flow = dynamics.flow(gram, y, gram)
        np.testing.assert_allclose(flow.test(np.array([2 / scale, np.inf])[:, None]),
                                   [[[1 - np.exp(-1)] * 2], [[1, 1]]], rtol=1e-5)  # fmt: skip
        assert dynamics.descend(gram, y, 40, 2 / scale).loss[-1] < 1e-6

    def test_test_inputs_in_chaos_may_vanish(self):
        gram, y = np.eye(2), np.ones(2)
        np.testing.assert_allclose(dynamics.flow(gram, y, 1e-60 * gram).test(1.0), 0, atol=1e-30)
        with pytest.raises(ValueError, match="`test_gram` must be of a size"):
            dynamics.flow(gram, y, 1e60 * gram)


class TestClassification:
    def test_one_hot(self):
        found = dynamics.one_hot(jnp.array([2, 0]), 3)
        np.testing.assert_allclose(found, np.array([[-1, -1, 2], [2, -1, -1]]) / 3, rtol=1e-6)

    def test_accuracy(self):
        outputs = jnp.array([[0.1, 0.9], [0.8, 0.2], [0.3, 0.7]])
        assert float(dynamics.accuracy(outputs, jnp.array([1, 0, 0]))) == pytest.approx(2 / 3)
        both = dynamics.accuracy(jnp.stack([outputs, -outputs]), np.array([1, 0, 0]))
        np.testing.assert_allclose(both, [2 / 3, 1 / 3], rtol=1e-6)

    def test_diverged_outputs_have_no_accuracy(self):
        outputs = jnp.stack(
            [jnp.eye(3), jnp.full((3, 3), jnp.nan), jnp.eye(3).at[1, 2].set(jnp.nan)]
        )
        found = dynamics.accuracy(outputs, np.arange(3))
        np.testing.assert_array_equal(found, [1, jnp.nan, jnp.nan])
        by_jit = jax.jit(lambda outputs: dynamics.accuracy(outputs, np.arange(3)))(outputs)
        np.testing.assert_array_equal(by_jit, found)

    def test_traced_labels_and_odd_classes(self):
        labels = jnp.array([0, 1])
        for call in (lambda y: dynamics.one_hot(y, 2), lambda y: dynamics.accuracy(jnp.eye(2), y)):
            with pytest.raises(TypeError, match="`labels` must be integers; got an array that JAX"):
                jax.jit(call)(labels)
        for classes, error in ((2.0, TypeError), (True, TypeError), (1, ValueError)):
            with pytest.raises(error, match="`classes` must be"):
                dynamics.one_hot(labels, classes)

    def test_targets_are_fitted(self):
        labels = jnp.arange(7) % 3
        found = dynamics.flow(Problem().train, dynamics.one_hot(labels, 3))
        np.testing.assert_allclose(
            dynamics.accuracy(found.train(jnp.array([0, jnp.inf])), labels),
            [jnp.mean(labels == 0), 1],
        )

    @pytest.mark.parametrize("labels", [jnp.array([0.0, 1.0]), jnp.array([[0, 1]]), jnp.array(1)])
    def test_labels_that_are_no_classes(self, labels):
        with pytest.raises(TypeError, match=r"`labels` must be integers of shape \[n\]"):
            dynamics.one_hot(labels, 2)

    @pytest.mark.parametrize(("labels", "classes"), [([0, 3], 3), ([-1, 0], 3)])
    def test_labels_outside_the_classes(self, labels, classes):
        with pytest.raises(ValueError, match=r"`labels` must lie in 0, \.\.\., classes - 1"):
            dynamics.one_hot(np.array(labels), classes)

    def test_outputs_that_do_not_fit(self):
        with pytest.raises(ValueError, match=r"`outputs` must have shape \[..., 2, classes\]"):
            dynamics.accuracy(jnp.ones((3, 2)), jnp.array([0, 1]))


class TestLearningCurve:
    @pytest.fixture
    def digits(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Two Gaussian clouds, whose classes overlap a little."""
        rng = np.random.default_rng(0)
        labels = rng.integers(0, 2, 160)
        x = rng.normal(size=(160, 5)) + 1.5 * labels[:, None]
        gram = np.exp(-((x[:, None] - x[None]) ** 2).sum(-1) / 10)
        return gram[:100, :100], labels[:100], gram[100:, :100], labels[100:]

    def test_more_inputs_are_better_and_the_end_is_ridge(self, digits):
        gram, labels, cross, test_labels = digits
        curve = dynamics.learning_curve(
            *digits, [2, 20, 100], key=jax.random.key(0), repeats=6, ridge=0.1
        )
        assert curve.mean[0] + 3 * curve.standard_error[0] < curve.mean[2]
        assert curve.standard_error[2] < 1e-6
        np.testing.assert_array_equal(curve.sizes, [2, 20, 100])
        outputs = dynamics.ridge(gram, dynamics.one_hot(labels, 2), cross, 0.1)
        assert curve.mean[2] == pytest.approx(float(dynamics.accuracy(outputs, test_labels)))

    def test_targets_are_scored_by_their_squared_error(self, digits):
        gram, labels, cross, test_labels = digits
        y, wanted = (np.where(c == 0, -1.0, 1.0) for c in (labels, test_labels))
        curve = dynamics.learning_curve(
            gram, y, cross, wanted, [10, 100], key=jax.random.key(0), repeats=4, ridge=0.1
        )
        error = np.mean((np.asarray(dynamics.ridge(gram, y, cross, 0.1)) - wanted) ** 2)
        assert curve.mean[1] == pytest.approx(error, rel=1e-5)
        assert curve.mean[0] > curve.mean[1]

    def test_mean_and_error_are_those_of_the_draws(self, digits):
        gram, labels, cross, test_labels = digits
        key = jax.random.key(3)
        curve = dynamics.learning_curve(*digits, [12], key=key, repeats=5)
        scores = []
        for draw in jax.random.split(key, 5):
            chosen = np.asarray(jax.random.permutation(draw, 100))[:12]
            targets = dynamics.one_hot(labels[chosen], 2)
            outputs = dynamics.ridge(gram[np.ix_(chosen, chosen)], targets, cross[:, chosen])
            scores.append(float(dynamics.accuracy(outputs, test_labels)))
        assert curve.mean[0] == pytest.approx(np.mean(scores))
        assert curve.standard_error[0] == pytest.approx(np.std(scores, ddof=1) / 5**0.5)

    def test_chaos_does_not_generalize(self):
        """Deep in chaos the kernel is the identity: 0 is predicted for every new input."""
        x = np.random.default_rng(1).normal(size=(200, 10))
        y = np.sign(x[:, 0])
        error = []
        for act, depth in ((standardized("relu"), 4), (normalized("relu"), 64)):
            gram = kernels.gram(act, 0.0, depth, x)
            train, test = gram[:120, :120], gram[120:, :120]
            curve = dynamics.learning_curve(
                train, y[:120], test, y[120:], [120], key=jax.random.key(0), repeats=2
            )
            error.append(float(curve.mean[0]))
        assert error[0] < 0.7
        assert error[1] == pytest.approx(1, abs=1e-6)

    @pytest.mark.parametrize(
        ("sizes", "repeats", "error", "message"),
        [
            ([0, 5], 4, ValueError, "`sizes` must lie in 1, ..., 100"),
            ([101], 4, ValueError, "`sizes` must lie in 1, ..., 100"),
            ([0.5], 4, TypeError, "`sizes` must be a list of integers"),
            ([5], 1, ValueError, "`repeats` must be 2 or more; got 1"),
            ([5], 2.5, TypeError, "`repeats` must be an integer"),
        ],
    )
    def test_bad_numbers(self, digits, sizes, repeats, error, message):
        with pytest.raises(error, match=message):
            dynamics.learning_curve(*digits, sizes, key=jax.random.key(0), repeats=repeats)

    def test_several_ridges_are_refused(self, digits):
        with pytest.raises(TypeError, match="`ridge` must be one real number"):
            dynamics.learning_curve(*digits, [5], key=jax.random.key(0), ridge=[0.1, 1.0])

    def test_truth_values_are_neither_classes_nor_targets(self, digits):
        gram, labels, cross, test_labels = digits
        for pair, name in (((labels == 1, test_labels), "labels"),
                           ((labels, test_labels == 1), "test_labels")):  # fmt: skip
            with pytest.raises(TypeError, match=f"`{name}` must be integers, .*; got bool"):
                dynamics.learning_curve(gram, pair[0], cross, pair[1], [5], key=jax.random.key(0))

    def test_classes_beside_targets(self, digits):
        gram, labels, cross, test_labels = digits
        with pytest.raises(TypeError, match="must both be integers"):
            dynamics.learning_curve(
                gram, labels, cross, 1.0 * test_labels, [5], key=jax.random.key(0)
            )


class TestRefusals:
    @pytest.mark.parametrize(
        ("gram", "message"),
        [
            (np.ones((2, 3)), "`train_gram` must be square"),
            (np.array([[1.0, np.inf], [np.inf, 1.0]]), "`train_gram` must be finite"),
            (np.array([[1.0, 0.5], [0.0, 1.0]]), "`train_gram` must be symmetric"),
            (-np.eye(2), "`train_gram` must have a positive trace"),
            (np.array([[1.0, 2.0], [2.0, 1.0]]), "`train_gram` must be positive semidefinite"),
        ],
    )
    def test_not_a_gram_matrix(self, gram, message):
        for call in (
            lambda: dynamics.flow(gram, np.ones(2)),
            lambda: dynamics.descend(gram, np.ones(2), 1, 0.1),
            lambda: dynamics.largest_learning_rate(gram),
            lambda: dynamics.ridge(gram, np.ones(2), np.eye(2)),
        ):
            with pytest.raises(ValueError, match=message):
                call()

    @pytest.mark.parametrize("labels", [[1j, 1], None, "ab", [[1.0], [1.0, 2.0]], [None, 1]])
    def test_labels_that_are_no_real_numbers(self, labels):
        with pytest.raises(TypeError, match="`labels` must be real numbers"):
            dynamics.flow(np.eye(2), labels)

    @pytest.mark.parametrize("labels", [np.ones(3), np.ones((2, 0)), np.ones((2, 1, 1)), 1.0])
    def test_labels_that_do_not_fit(self, labels):
        with pytest.raises(ValueError, match=r"`labels` must have shape \[2\] or \[2, outputs\]"):
            dynamics.flow(np.eye(2), labels)

    def test_test_gram_that_does_not_fit(self):
        with pytest.raises(ValueError, match=r"`test_gram` must have shape \[m, 2\]"):
            dynamics.flow(np.eye(2), np.ones(2), np.ones((2, 3)))

    def test_initial_outputs_that_do_not_fit(self):
        with pytest.raises(ValueError, match=r"`initial` must be a number or have shape \[2\]"):
            dynamics.flow(np.eye(2), np.ones(2), initial=np.ones((2, 1)))
        with pytest.raises(ValueError, match=r"`test_initial` .* shape \[3, 4\]"):
            dynamics.flow(np.eye(2), np.ones((2, 4)), np.ones((3, 2)), test_initial=np.ones((2, 4)))

    def test_no_test_inputs(self):
        with pytest.raises(ValueError, match="knows no test inputs"):
            dynamics.flow(np.eye(2), np.ones(2)).test(1.0)

    @pytest.mark.parametrize("time", [-1.0, float("nan")])
    def test_bad_time(self, time):
        with pytest.raises(ValueError, match="`time` must be 0 or more"):
            Problem().flow().train(np.array([1.0, time]))

    def test_traced(self):
        with pytest.raises(TypeError, match="`time_to_fit` works on the host"):
            jax.jit(lambda flow: flow.time_to_fit(0.1))(Problem().flow())
        with pytest.raises(TypeError, match=r"`train_gram` must be numbers; .* outside jit"):
            jax.jit(lambda gram: dynamics.flow(gram, jnp.ones(2)).train(1.0))(jnp.eye(2))


@pytest.mark.parametrize("rank", [4, 20])
def test_what_is_followed_is_the_flow(rank: int) -> None:
    """Against an ODE solver for what is missing and its integral; singular kernels too."""
    gram = Problem(rank=rank).train
    missing = np.random.default_rng(5).normal(size=7)
    largest = np.linalg.eigvalsh(gram)[-1]
    times = np.array([0.0, 0.5, 30.0, 500.0]) / largest

    def slope(_: float, both: np.ndarray) -> np.ndarray:
        return np.concatenate([-gram @ both[:7], both[:7]])

    start, ends = np.concatenate([missing, np.zeros(7)]), (0, times[-1])
    known = solve_ivp(slope, ends, start, "BDF", times, rtol=1e-9, atol=1e-11).y.T

    @jax.jit
    def followed(gram: jax.Array, times: jax.Array) -> dynamics.Followed:
        grid = jnp.asarray(missing, jnp.float32)[:, None]
        return dynamics.followed(lambda v: gram @ v, grid, largest, times)

    ours = followed(jnp.asarray(gram, jnp.float32), jnp.asarray(times, jnp.float32))
    assert ours.missing.shape == ours.pulled.shape == (4, 7, 1)
    assert ours.missing[..., 0] == pytest.approx(known[:, :7], abs=1e-5)
    assert ours.pulled[..., 0] * largest == pytest.approx(
        known[:, 7:] * largest, abs=1e-5, rel=2e-3
    )


def test_nothing_is_followed_where_no_kernel_is() -> None:
    still = dynamics.followed(lambda v: 0 * v, jnp.ones(3), 0.0, jnp.array([0.0, 1e6]))
    assert still.missing == pytest.approx(np.ones((2, 3)), abs=1e-5)
