"""Batch normalization taken apart: closed forms, wide networks, where depth leads."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad

from freezechaos import normalization
from freezechaos.activations import leaky_relu, standardized
from freezechaos.normalization import (
    PARTS,
    contrast,
    cosines,
    fixed_point,
    gram_step,
    iterate,
    leading_multiplier,
    mean_cosine,
    odd_gram,
    odd_map,
    odd_point,
    odd_states,
    orthogonality_gap,
    propagate,
    switched_step,
    symmetric_cosine,
    symmetric_multipliers,
)
from freezechaos.normalization.parts import recentre

KEYS = jax.random.split(jax.random.key(5), 48)
SUBSETS = [
    ("rescale",),
    ("recentre", "rescale"),
    ("rescale", "recentre"),
    ("nonlinearity",),
    ("recentre", "nonlinearity"),
    ("nonlinearity", "recentre"),
    ("rescale", "nonlinearity"),
    PARTS,
    ("rescale", "nonlinearity", "recentre"),
]


def batch(n: int = 5, d: int = 4) -> jax.Array:
    return jax.random.normal(jax.random.key(1), (n, d)) * jnp.linspace(0.5, 2, n)[:, None]


def by_hand(x: np.ndarray, parts: tuple, rng: np.random.Generator, width: int) -> np.ndarray:
    """One layer with its weights drawn, in NumPy; the Gram matrix, trace n."""
    z = x @ rng.normal(size=(x.shape[1], width)) / np.sqrt(x.shape[1])
    for part in parts:
        if part == "recentre":
            z = z - z.mean(axis=0)
        elif part == "rescale":
            z = z / np.sqrt((z**2).mean(axis=0))
        else:
            z = np.maximum(z, 0)
    gram = z @ z.T
    return gram * len(gram) / np.trace(gram)


class TestGramStep:
    """One layer at infinite width."""

    @pytest.mark.parametrize("parts", SUBSETS)
    def test_wide_networks_with_weights_drawn_one_by_one(self, parts: tuple) -> None:
        rng, x = np.random.default_rng(0), np.asarray(batch())
        grams = np.stack([by_hand(x, parts, rng, 4000) for _ in range(40)])
        error = grams.std(axis=0, ddof=1) / np.sqrt(len(grams))
        assert np.all(np.abs(grams.mean(axis=0) - gram_step(x @ x.T, parts)) < 4 * error + 1e-5)

    @pytest.mark.parametrize("name", ["tanh", "gelu", "sin"])
    def test_activations_whose_variances_do_not_factor_out(self, name: str) -> None:
        x, sigma = 1.5 * batch(), standardized(name)
        keys = jax.random.split(jax.random.key(2), 32)
        grams = propagate(x, 1, 4000, key=keys, activation=sigma, record="grams")[:, 1]
        error = grams.std(axis=0, ddof=1) / np.sqrt(len(keys))
        expected = gram_step(x @ x.T, activation=sigma)
        assert np.all(np.abs(grams.mean(axis=0) - expected) < 4 * error + 1e-5)

    def test_two_points(self) -> None:
        """Recentred they are z and -z, and ReLU makes them orthogonal."""
        gram = jnp.array([[2.0, 0.7], [0.7, 1.0]])
        assert gram_step(gram) == pytest.approx(np.eye(2), abs=1e-6)
        assert gram_step(gram, PARTS) == pytest.approx(np.eye(2), abs=1e-6)
        opposite = gram_step(gram, ("recentre", "rescale"))
        assert opposite == pytest.approx(np.array([[1, -1], [-1, 1]]), abs=1e-6)

    @pytest.mark.parametrize("ratio", [1.0, 3.0, 100.0])
    def test_rescaled_pair(self, ratio: float) -> None:
        """E[z1^2 / (z1^2 + z2^2)] = s1 / (s1 + s2) for independent N(0, s^2)."""
        gram = gram_step(jnp.diag(jnp.array([ratio**2, 1.0])), ("rescale",))
        assert gram[0, 0] == pytest.approx(2 * ratio / (ratio + 1), abs=1e-5)
        assert gram[0, 1] == 0

    def test_rescaled_eigenvalues_by_another_quadrature(self) -> None:
        values = np.array([5.0, 2.0, 1.0, 0.1])

        def integrand(t: float, value: float) -> float:
            return value / (1 + 2 * value * t) / np.sqrt(np.prod(1 + 2 * values * t))

        expected = [quad(integrand, 0, np.inf, args=(value,))[0] for value in values]
        gram = np.diagonal(gram_step(jnp.diag(jnp.asarray(values, jnp.float32)), ("rescale",)))
        assert gram == pytest.approx(4 * np.array(expected) / sum(expected), rel=1e-5)

    def test_it_is_accurate_in_float64(self) -> None:
        with jax.enable_x64(True):
            gram = gram_step(jnp.diag(jnp.array([9.0, 1.0])), ("rescale",))
            assert gram.dtype == jnp.float64
            assert gram[0, 0] == pytest.approx(1.5, abs=1e-7)

    @pytest.mark.parametrize("parts", SUBSETS)
    @settings(max_examples=8, deadline=None)
    @given(seed=st.integers(0, 10**6))
    def test_it_is_a_gram_matrix_and_treats_points_alike(self, parts: tuple, seed: int) -> None:
        rng = np.random.default_rng(seed)
        x, order = rng.normal(size=(5, 7)).astype(np.float32), rng.permutation(5)
        gram = np.asarray(gram_step(x @ x.T, parts))
        assert np.trace(gram) == pytest.approx(5, rel=1e-5)
        assert gram == pytest.approx(gram.T, abs=1e-6)
        assert np.linalg.eigvalsh(gram)[0] > -1e-4
        permuted = gram_step(x[order] @ x[order].T, parts)
        assert permuted == pytest.approx(gram[np.ix_(order, order)], abs=1e-4)
        if parts[0] == "recentre":
            moved = x + rng.normal(size=7).astype(np.float32)
            assert gram_step(moved @ moved.T, parts) == pytest.approx(gram, abs=1e-3)

    def test_it_differentiates_where_eigenvalues_meet(self) -> None:
        change = np.random.default_rng(0).normal(size=(5, 5)).astype(np.float32)
        change = change + change.T
        for parts in (("recentre", "rescale"), PARTS):
            with jax.enable_x64(True):
                at, along = jnp.eye(5), jnp.asarray(change, jnp.float64)
                _, slope = jax.jvp(lambda k, parts=parts: gram_step(k, parts), (at,), (along,))
                step = 1e-4
                ends = [gram_step(at + sign * step * along, parts) for sign in (1, -1)]
                expected = np.asarray((ends[0] - ends[1]) / (2 * step))
                assert slope == pytest.approx(expected, abs=1e-6)


class TestPropagate:
    """A batch in networks of finite width."""

    def test_shapes_and_scale(self) -> None:
        x = batch()
        assert propagate(x, 3, 16, key=KEYS[0]).shape == (5, 16)
        points = propagate(x, 3, 16, PARTS, KEYS[:6].reshape(2, 3))
        assert points.shape == (2, 3, 5, 16)
        assert jnp.mean(points**2, axis=(-2, -1)) == pytest.approx(np.ones((2, 3)), rel=1e-5)

    def test_the_last_of_the_records_is_that_of_the_points(self) -> None:
        x = batch()
        grams = propagate(x, 4, 32, key=KEYS[1], record="grams")
        points = propagate(x, 4, 32, key=KEYS[1])
        assert grams.shape == (5, 5, 5)
        assert grams[0] == pytest.approx(np.asarray(x @ x.T * 5 / jnp.sum(x**2)), rel=1e-5)
        assert grams[-1] == pytest.approx(np.asarray(points @ points.T / 32), abs=1e-4)
        assert jnp.trace(grams, axis1=1, axis2=2) == pytest.approx(np.full(5, 5.0), rel=1e-5)

    @pytest.mark.parametrize("parts", [("recentre", "nonlinearity"), ("rescale",), PARTS])
    def test_narrow_networks_follow_the_law_of_drawn_weights(self, parts: tuple) -> None:
        """Mean and spread of cosines after two layers of width 12, both roads."""
        x, count = np.asarray(batch()), 1500
        keys = jax.random.split(jax.random.key(9), count)
        ours = np.asarray(cosines(propagate(x, 2, 12, parts, keys, record="grams")[:, -1]))[:, 0, 1]
        rng, theirs = np.random.default_rng(3), []
        for _ in range(count):
            z = x
            for _ in range(2):
                z = z @ rng.normal(size=(z.shape[1], 12))
                z = z - z.mean(axis=0) if "recentre" in parts else z
                z = z / np.sqrt((z**2).mean(axis=0)) if "rescale" in parts else z
                z = np.maximum(z, 0) if "nonlinearity" in parts else z
            theirs.append(z[0] @ z[1] / max(np.linalg.norm(z[0]) * np.linalg.norm(z[1]), 1e-9))
        spread = np.sqrt(np.var(ours) + np.var(theirs)) / np.sqrt(count)
        assert abs(np.mean(ours) - np.mean(theirs)) < 4 * spread
        assert np.std(ours) == pytest.approx(np.std(theirs), rel=0.1)


@pytest.mark.parametrize("parts", [("recentre", "nonlinearity"), ("rescale",), PARTS])
def test_switches_are_the_parts(parts: tuple) -> None:
    """One compiled step, at both kinds of width, does what those do that know the parts."""
    x, keys = batch(), jax.random.split(KEYS[1], 1)
    gram = x @ x.T * (5 / jnp.sum(x**2))
    on = [jnp.asarray(name in parts) for name in PARTS]
    wide = switched_step(gram, *on)
    assert wide == pytest.approx(np.asarray(gram_step(gram, parts)), abs=1e-5)
    narrow = switched_step(gram, *on, width=32, key=keys[0])
    drawn = propagate(x, 1, 32, parts, KEYS[1], record="grams")[1]
    assert narrow == pytest.approx(np.asarray(drawn), abs=1e-4)


def test_a_layer_of_finite_width_wants_a_key():
    with pytest.raises(ValueError, match=r"`key` must be given with a width.*width=32"):
        switched_step(jnp.eye(3), True, False, True, width=32)


@pytest.mark.parametrize("n", [7, 33, 257])
def test_a_large_mean_leaves_nothing_behind(float32, n):
    """One pass leaves what rounding makes of 1e4, some 1e-3; a second that of numbers up to 4."""
    x = 1e4 + jax.random.normal(jax.random.key(n), (16, n))
    left = np.mean(np.asarray(recentre(x), np.float64), axis=-1)
    assert np.max(np.abs(left)) < 4 * 2.0**-22


class TestGeometry:
    """What a batch looks like."""

    def test_a_simplex_a_collapse_and_an_orthogonal_batch(self) -> None:
        simplex = jnp.eye(4) - 0.25
        assert mean_cosine(simplex) == pytest.approx(-1 / 3)
        assert mean_cosine(jnp.ones((4, 4))) == pytest.approx(1)
        assert orthogonality_gap(3 * jnp.eye(4)) == pytest.approx(0, abs=1e-7)
        assert orthogonality_gap(jnp.ones((4, 4))) == pytest.approx(np.sqrt(12) / 4)
        assert contrast(simplex) == pytest.approx(1, rel=1e-5)

    def test_an_odd_point(self) -> None:
        gram = jnp.full((5, 5), 0.8).at[2].set(0.1).at[:, 2].set(0.1) + 0.2 * jnp.eye(5)
        gram = gram.at[2, 2].set(4.0)
        odd = odd_point(jnp.stack([gram, jnp.eye(5)]))
        assert odd.which[0] == 2
        assert odd.cluster == pytest.approx([0.8, 0])
        assert odd.cosine == pytest.approx([0.05, 0])
        assert odd.angle[0] == pytest.approx(np.degrees(np.arccos(0.05)), rel=1e-5)

    @pytest.mark.parametrize("value", [0.3, 1.0, 7.0, 300.0])
    def test_contrast_of_a_batch_made_for_it(self, value: float) -> None:
        gram = odd_gram(value, 6)
        assert jnp.trace(gram) == pytest.approx(6, rel=1e-5)
        assert gram @ jnp.ones(6) == pytest.approx(np.zeros(6), abs=1e-5)
        if value >= 1:
            assert contrast(gram) == pytest.approx(value, rel=1e-3)


class TestStates:
    """Where depth leads, at infinite width."""

    @pytest.mark.parametrize("n", [3, 10])
    def test_linear_layers(self, n: int) -> None:
        x = np.random.default_rng(n).normal(size=(n, n + 2))
        assert mean_cosine(fixed_point(x @ x.T, ("rescale",))) == pytest.approx(0, abs=1e-5)
        assert orthogonality_gap(fixed_point(x @ x.T, ("rescale",))) < 1e-6
        simplex = cosines(fixed_point(x @ x.T, ("recentre", "rescale")))
        off = np.asarray(simplex)[~np.eye(n, dtype=bool)]
        assert off == pytest.approx(np.full(off.shape, -1 / (n - 1)), abs=1e-5)

    def test_the_rate_of_orthogonalization(self) -> None:
        assert leading_multiplier(np.eye(6), ("rescale",)) == pytest.approx(6 / 8, abs=1e-6)
        simplex = np.eye(6) - 1 / 6
        found = leading_multiplier(simplex, ("recentre", "rescale"))
        assert found == pytest.approx(5 / 7, abs=1e-6)

    def test_nonlinearity_alone_collapses(self) -> None:
        x = batch(6)
        assert mean_cosine(iterate(x @ x.T, 200, ("nonlinearity",))[-1]) > 0.999

    @pytest.mark.parametrize(("n", "cosine"), [(10, 0.26), (32, 0.30)])
    def test_full_normalization_is_symmetric_from_any_start(self, n: int, cosine: float) -> None:
        for start in (np.eye(n), np.asarray(odd_gram(1000.0, n))):
            state = np.asarray(cosines(fixed_point(start, PARTS, tolerance=1e-9)))
            off = state[~np.eye(n, dtype=bool)]
            assert off == pytest.approx(np.full(off.shape, symmetric_cosine(n)), abs=1e-5)
        assert symmetric_cosine(n) == pytest.approx(cosine, abs=0.006)

    @pytest.mark.parametrize(("n", "multiplier"), [(10, 0.967), (32, 0.991), (64, 0.996)])
    def test_multipliers_of_the_theory(self, n: int, multiplier: float) -> None:
        point, pair = symmetric_multipliers(n)
        assert pair < point == pytest.approx(multiplier, abs=5e-4)

    @pytest.mark.parametrize(("n", "slope"), [(10, 0.0), (5, 0.3)])
    def test_multipliers_by_power_iteration(self, n: int, slope: float) -> None:
        sigma = standardized(leaky_relu(slope))
        state = fixed_point(np.eye(n), activation=sigma)
        found = leading_multiplier(state, activation=sigma)
        assert found == pytest.approx(symmetric_multipliers(n, sigma)[0], abs=1e-9)
        found = leading_multiplier(state, PARTS, sigma)
        assert found == pytest.approx(symmetric_multipliers(n, sigma, rescale=True)[0], abs=1e-7)

    def test_the_map_of_one_number_is_the_map_of_matrices(self) -> None:
        for value in (0.4, 1.0, 2.0, 60.0):
            after = gram_step(odd_gram(value, 8))
            u = jnp.full(8, -1.0).at[-1].set(7) / jnp.sqrt(56)
            centred = (
                after - jnp.mean(after, 0)[None] - jnp.mean(after, 1)[:, None] + jnp.mean(after)
            )
            between = u @ centred @ u
            expected = between / ((jnp.trace(centred) - between) / 6)
            assert odd_map(value, 8) == pytest.approx(float(expected), rel=1e-4)
        assert odd_map(np.ones(1), 8) == pytest.approx(np.ones(1))

    def test_the_odd_state_of_eight_points(self) -> None:
        state = odd_states(8)
        grown = fixed_point(np.diag([1.0] * 7 + [4.0]))
        odd = odd_point(grown)
        assert odd.which == 7
        assert [state.cluster, state.cosine] == pytest.approx([0.579, 0.043], abs=5e-4)
        assert [odd.cluster, odd.cosine] == pytest.approx([state.cluster, state.cosine], abs=1e-5)
        assert contrast(grown) == pytest.approx(state.contrast, rel=1e-4)
        assert np.sqrt(grown[7, 7] / grown[0, 0]) == pytest.approx(state.length, rel=1e-6)
        assert leading_multiplier(grown) == pytest.approx(state.multiplier, abs=1e-5)

    def test_it_exists_from_seven_points_on(self) -> None:
        assert [odd_states(n) is not None for n in (4, 5, 6, 7, 8, 64)] == [0, 0, 0, 1, 1, 1]

    @pytest.mark.parametrize("n", [8, 12])
    def test_the_border_of_its_basin(self, n: int) -> None:
        excess = odd_states(n).excess
        for factor, odd in ((0.99, False), (1.01, True)):
            start = np.eye(n)
            start[-1, -1] = (1 + factor * excess) ** 2
            assert (contrast(fixed_point(start, tolerance=1e-8)) > 2) == odd

    def test_large_batches_follow_the_power_law(self) -> None:
        """x = 2 N^4 / (9 pi^2), derived in the chapter."""
        state = odd_states(1024)
        assert state.contrast / 1024**4 == pytest.approx(2 / (9 * np.pi**2), rel=0.01)
        assert state.length == pytest.approx(1023, rel=0.01)


def test_finite_networks_find_the_odd_point() -> None:
    x = jax.random.normal(jax.random.key(3), (32, 32))
    grams = propagate(x, 200, 200, key=KEYS[:16], record="grams")
    odd = odd_point(grams[:, -1])
    assert np.median(odd.cluster) > 0.85
    assert np.median(np.abs(odd.cosine)) < 0.1
    full = propagate(x, 200, 200, PARTS, KEYS[:16], record="grams")[:, -1]
    assert np.mean(mean_cosine(full)) == pytest.approx(symmetric_cosine(32), abs=0.03)


class TestErrors:
    """What is refused, and what the message says."""

    @pytest.mark.parametrize(
        ("call", "error", "message"),
        [
            (lambda: gram_step(jnp.eye(3), ("norm",)), ValueError, "must be taken from"),
            (lambda: gram_step(jnp.eye(3), ("rescale", "rescale")), ValueError, "once"),
            (lambda: gram_step(jnp.eye(3)[:2]), ValueError, "must be square"),
            (lambda: gram_step(jnp.zeros((3, 3))), ValueError, "positive trace"),
            (lambda: gram_step(jnp.ones((3, 3))), ValueError, "points that differ"),
            (
                lambda: gram_step(jnp.eye(3), ("nonlinearity", "rescale")),
                ValueError,
                'must have "rescale" before "nonlinearity"',
            ),
            (
                lambda: gram_step(jnp.eye(3), PARTS, standardized("tanh")),
                ValueError,
                r"got Activation\(name='standardized tanh'.*propagate",
            ),
            (
                lambda: gram_step(jnp.eye(3), activation=standardized(lambda x: abs(x) + x**2)),
                ValueError,
                "must be smooth",
            ),
            (lambda: gram_step(jnp.eye(3), ("rescale",), standardized("relu")), ValueError, "goes"),
            (lambda: gram_step(jnp.eye(3), activation="relu"), TypeError, "must be an Activation"),
            (lambda: propagate(batch(), 0, 8, key=KEYS[0]), ValueError, "`depth` must be 1"),
            (lambda: propagate(batch(), 2, 0, key=KEYS[0]), ValueError, "`width` must be 1"),
            (lambda: propagate(batch(), 2, 8), TypeError, "`key` must be a key"),
            (
                lambda: propagate(batch(), 2, 8, key=KEYS[0], record="all"),
                ValueError,
                "`record` must be",
            ),
            (lambda: odd_point(jnp.eye(2)), ValueError, "3 points or more"),
            (lambda: contrast(jnp.eye(2)), ValueError, "3 points or more"),
            (lambda: odd_gram(1.0, 2), ValueError, "`n` must be 3 or more"),
            (lambda: odd_map(-1.0, 8), ValueError, "must be positive"),
            (lambda: odd_states(2000), ValueError, "from 4 to 1024"),
            (lambda: symmetric_cosine(1), ValueError, "must be 2 or more"),
            (
                lambda: symmetric_multipliers(8, standardized("erf")),
                ValueError,
                "fixed_point and leading_multiplier",
            ),
        ],
    )
    def test_messages(self, call: object, error: type, message: str) -> None:
        with pytest.raises(error, match=message):
            call()

    def test_no_fixed_point(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(normalization.stability, "_LONGEST", 50)
        with pytest.raises(ValueError, match="must lead to a fixed point; after 50 layers"):
            fixed_point(np.eye(3) + 0.123, ("nonlinearity",))
