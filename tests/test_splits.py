"""Batch normalization taken apart: distances, two groups, large batches; each on two roads."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import ks_2samp

from freezechaos import normalization
from freezechaos.activations import leaky_relu, standardized
from freezechaos.normalization import (
    PARTS,
    collapse_multipliers,
    contrast,
    distance_step,
    gram_step,
    iterate,
    odd_map,
    odd_states,
    race_map,
    sharing_map,
    split_multipliers,
    split_state,
    squares_from_centre,
    symmetric_multipliers,
    two_value_lengths,
    two_values,
)

RNG = np.random.default_rng


def distances(x: np.ndarray) -> np.ndarray:
    return np.sum((x[:, None] - x[None]) ** 2, axis=-1)


def layer(x: np.ndarray, width: int, rng: np.random.Generator, parts: tuple = ()) -> np.ndarray:
    """Recentre, rescale where asked for, and ReLU, with every weight drawn."""
    # row by row: where matrices are multiplied in blocks, equal rows may be rounded differently
    z = np.einsum("pi,ij->pj", x, rng.normal(size=(x.shape[-1], width)))
    z = z - z.mean(axis=0)
    if "rescale" in parts:
        z = z / np.sqrt((z**2).mean(axis=0))
    return np.maximum(z, 0)


class TestDistances:
    """Recentring moves the origin."""

    def test_the_law_at_width_three(self, float64: None) -> None:
        """Exact in expectation at every width: lengths and distances, in standard errors."""
        rng = RNG(0)
        x = rng.normal(size=(5, 4)) * np.array([0.5, 1, 2, 1, 0.7])[:, None]
        draws = [layer(x, 3, rng) for _ in range(20_000)]
        apart = np.array([2 / 3 * distances(v) for v in draws])
        squares = np.array([2 / 3 * np.sum(v**2, axis=1) for v in draws])
        error = apart.std(axis=0) / np.sqrt(len(draws)) + 1e-12
        assert np.all(np.abs(apart.mean(0) - distance_step(distances(x))) < 4 * error)
        error = squares.std(axis=0) / np.sqrt(len(draws))
        assert np.all(np.abs(squares.mean(0) - squares_from_centre(distances(x))) < 4 * error)

    def test_it_is_the_map_of_gram_matrices(self, float64: None) -> None:
        x = RNG(1).normal(size=(6, 3))
        for sigma in (None, standardized(leaky_relu(0.3))):
            after, gram = (
                distance_step(distances(x), activation=sigma),
                gram_step(x @ x.T, activation=sigma),
            )
            square = jnp.diagonal(gram)
            expected = square[:, None] + square[None] - 2 * gram
            assert after / jnp.max(after) == pytest.approx(
                np.asarray(expected / jnp.max(expected)), abs=1e-6
            )

    def test_groups_are_points_that_are_alike(self, float64: None) -> None:
        squares = jnp.array([[0.3, 2.0], [2.0, 1.0]])
        group = np.repeat([0, 1], [2, 5])
        full = squares[np.ix_(group, group)] * (1 - jnp.eye(7))
        after = distance_step(squares, np.array([2, 5]))
        expected = distance_step(full)
        found = np.array([after[0, 0], after[1, 1], after[0, 1]])
        wanted = np.array([expected[0, 1], expected[2, 3], expected[0, 2]])
        assert found == pytest.approx(wanted, rel=1e-12)

    def test_no_distance_grows_and_opposite_points_lose_most(self, float64: None) -> None:
        x = RNG(2).normal(size=(9, 3))
        assert np.all(distance_step(distances(x)) <= distances(x) + 1e-12)
        one_sided = np.array([[1.0, 0], [2, 0], [-3, 0]])
        lost = distances(one_sided) - np.asarray(distance_step(distances(one_sided)))
        assert lost == pytest.approx(np.array([[0, 0, 6], [0, 0, 12], [6, 12, 0]]), abs=1e-9)

    def test_what_a_layer_costs(self, float64: None) -> None:
        """c = E|z|_1^2 / (2 N E|z|_2^2), by neurons, by distances, and for two values."""
        rng = RNG(3)
        for x, width in (
            (rng.normal(size=(6, 4)), 400_000),
            (np.repeat([[0.0], [1.0]], [9, 3], 0), 9),
        ):
            z = rng.normal(size=(width, x.shape[1])) @ (x - x.mean(axis=0)).T
            cost = np.mean(np.sum(np.abs(z), 1) ** 2) / (2 * len(x) * np.mean(np.sum(z**2, 1)))
            after = distance_step(distances(x))
            assert 1 - np.sum(after) / np.sum(distances(x)) == pytest.approx(cost, rel=0.01)
            assert 1 / len(x) <= cost <= 0.5
        assert cost == pytest.approx(2 * 9 * 3 / 144)

    @pytest.mark.parametrize(
        ("squares", "counts", "message"),
        [(np.ones((2, 3)), None, "square"), (np.ones((2, 2)), np.ones(3), "each of the 2 groups")],
    )
    def test_what_is_refused(self, squares: np.ndarray, counts: np.ndarray, message: str) -> None:
        with pytest.raises(ValueError, match=message):
            distance_step(squares, counts)


class TestTwoValues:
    """Exactly two values, for ever."""

    @pytest.mark.parametrize("parts", [(), ("rescale",)])
    @pytest.mark.parametrize("width", [1, 5, 200])
    def test_two_values_stay_two_and_orthogonal(self, parts: tuple, width: int) -> None:
        rng = RNG(width)
        x = np.repeat(rng.normal(size=(2, 6)), [3, 6], axis=0)
        for _ in range(40):
            x = layer(x, width, rng, parts)
            assert np.ptp(x[:3], axis=0).max() == np.ptp(x[3:], axis=0).max() == 0
            assert x[0] @ x[-1] == 0
            assert (x[0] != x[-1]).any()
            x = x / np.sqrt(np.mean(x**2))

    def test_depth_is_memoryless(self) -> None:
        """Ratios of length in networks 1 and 20 deep, and of the law in `two_values`."""
        rng, width, ratios = RNG(0), 9, {1: [], 20: []}
        for _ in range(800):
            x = np.repeat(rng.normal(size=(2, 6)), [3, 9], axis=0)
            for depth in range(1, 21):
                x = layer(x, width, rng)
                x = x / np.sqrt(np.mean(x**2))
                if depth in ratios:
                    ratios[depth].append(np.sum(x[0] ** 2) / np.sum(x**2))
        keys = jax.random.split(jax.random.key(0), 800)
        drawn = jax.vmap(lambda key: two_values(key, 12, 3, width))(keys)
        drawn = np.asarray(jnp.sum(drawn[:, 0] ** 2, -1) / jnp.sum(drawn**2, (-2, -1)))
        assert ks_2samp(ratios[1], ratios[20]).pvalue > 0.01
        assert ks_2samp(ratios[20], drawn).pvalue > 0.01

    def test_the_longer_group_is_the_smaller(self) -> None:
        batch = two_values(jax.random.key(1), 12, 3, 100_000)
        assert jnp.linalg.norm(batch[0]) / jnp.linalg.norm(batch[-1]) == pytest.approx(3, rel=0.02)
        bits = two_values(jax.random.key(1), 12, 3, 50, rescale=True)
        assert sorted(set(np.asarray(bits).ravel())) == pytest.approx(
            [0, np.sqrt(1 / 3), np.sqrt(3)]
        )
        assert jnp.mean(bits[0] ** 2 + bits[-1] ** 2 * 9) > 0

    @pytest.mark.parametrize("width", [1, 9])
    def test_lengths_through_a_network_have_the_law(self, width: int) -> None:
        """Those of layer after layer of matrices at depth 1, of `two_values` at depth 20."""
        keys = jax.random.split(jax.random.key(2), 800)
        lengths = np.asarray(jax.vmap(lambda key: two_value_lengths(key, 12, 3, width, 20))(keys))
        assert np.einsum("i,nil->nl", [3, 9], lengths**2) == pytest.approx(np.full((800, 21), 12))
        share = 3 * lengths[:, 0] ** 2 / 12
        rng, first = RNG(3), []
        for _ in range(800):
            x = layer(np.repeat(rng.normal(size=(2, width)), [3, 9], axis=0), width, rng)
            first.append(3 * np.sum(x[0] ** 2) / np.sum(x**2))
        drawn = np.asarray(jax.vmap(lambda key: two_values(key, 12, 3, width))(keys))
        law = 3 * np.sum(drawn[:, 0] ** 2, -1) / np.sum(drawn**2, (-2, -1))
        inputs = rng.normal(size=(2, 800, width))
        one, other = np.sum(inputs**2, -1)
        assert ks_2samp(share[:, 0], 3 * one / (3 * one + 9 * other)).pvalue > 0.001
        assert ks_2samp(np.round(share[:, 1], 4), np.round(first, 4)).pvalue > 0.001
        assert ks_2samp(np.round(share[:, 20], 4), np.round(law, 4)).pvalue > 0.001
        assert np.ptp(share[:, 20]) > 0.5

    @pytest.mark.parametrize("k", [0, 12])
    def test_what_is_refused(self, k: int) -> None:
        with pytest.raises(ValueError, match="`k` must be"):
            two_values(jax.random.key(0), 12, k, 5)
        with pytest.raises(ValueError, match="`k` must be"):
            two_value_lengths(jax.random.key(0), 12, k, 5, 3)
        with pytest.raises(TypeError, match="`k` must be"):
            two_value_lengths(jax.random.key(0), 12, k + 0.5, 5, 3)


def disturbed(n: int, k: int, seed: int, width: int = 1000, draws: int = 200) -> np.ndarray:
    """Spread in the groups, and differences of length, one layer on, over what they were."""
    rng, sums = RNG(seed), np.zeros((2, 4))
    for _ in range(draws):
        c, wobble = np.eye(20)[0], rng.normal(size=(n, 20))
        parts = slice(None, k), slice(k, None)
        for part in parts:
            wobble[part] -= wobble[part].mean(axis=0)
        x = np.repeat([(n - k) / n * c, -k / n * c], [k, n - k], axis=0) + 1e-5 * wobble
        for row, v in enumerate((x, layer(x, width, rng))):
            gap = v[:k].mean(0) - v[k:].mean(0)
            inner = [v[part] - v[part].mean(0) for part in parts]
            spread = [np.sum(some**2) / (gap @ gap) for some in inner]
            along = [some @ gap / (gap @ gap) for some in inner]
            before = along if row == 0 else before
            sums[row] += [*spread, *(a @ b for a, b in zip(along, before, strict=True))]
    return sums[1] / np.where(sums[0] > 0, sums[0], 1)


class TestDifferences:
    """What grows inside a group."""

    @pytest.mark.parametrize(("n", "k"), [(12, 1), (12, 3), (12, 6), (32, 8)])
    def test_of_real_layers(self, n: int, k: int) -> None:
        multipliers = split_multipliers(n, k)
        small, large, longer, shorter = disturbed(n, k, seed=k)
        assert large == pytest.approx(multipliers.spread, rel=0.03)
        assert shorter == pytest.approx(multipliers.shorter, rel=0.1)
        if k > 1:
            assert small == pytest.approx(multipliers.spread, rel=0.03)
            assert longer == pytest.approx(multipliers.longer, rel=0.05)

    def test_the_spread_is_that_of_the_quadrature(self) -> None:
        for k in (1, 3, 6):
            both = collapse_multipliers(12, k)
            assert both == pytest.approx([split_multipliers(12, k).spread] * 2, rel=1e-10)
            slope, share = 0.2, k * (12 - k) / 144
            leaky = 1 / (1 - 2 * share * (1 - slope) ** 2 / (1 + slope**2))
            found = collapse_multipliers(12, k, standardized(leaky_relu(slope)))
            assert found == pytest.approx([leaky] * 2, rel=1e-10)

    @pytest.mark.parametrize(
        ("name", "k", "small", "large"),
        [("gelu", 1, None, 0.561), ("gelu", 2, 1.115, 0.628), ("silu", 2, 1.118, 0.590),
         ("softplus", 2, 1.099, 0.687), ("tanh", 1, None, 26.7)],
    )  # fmt: skip
    def test_smooth_activations(self, name: str, k: int, small: float, large: float) -> None:
        sigma, n = standardized(name), 32
        found = collapse_multipliers(n, k, sigma)
        assert found[1] == pytest.approx(large, rel=2e-3)
        assert small is None or found[0] == pytest.approx(small, rel=2e-3)
        first, second = float(np.sqrt((n - k) / k)), -float(np.sqrt(k / (n - k)))
        if name == "gelu":
            z = np.random.default_rng(0).normal(size=10**6).astype(np.float32)
            slope = jax.vmap(jax.grad(lambda x: sigma(x)))
            gap = (sigma(first * z) - sigma(second * z)) ** 2
            draws = n**2 / (k * (n - k)) * slope(second * z) ** 2 / jnp.mean(gap)
            assert found[1] == pytest.approx(float(jnp.mean(draws)), rel=5e-3)

    def test_gelu_collapses_to_a_point_and_an_odd_one(self) -> None:
        x = jax.random.normal(jax.random.key(3), (32, 32))
        last = normalization.propagate(
            x, 400, 400, key=jax.random.key(0), activation=standardized("gelu"), record="grams"
        )[-1]
        centred = np.asarray(last - last.mean(0)[None] - last.mean(1)[:, None] + last.mean())
        cosine = np.asarray(normalization.cosines(centred))
        odd = int(np.argmax(np.diagonal(centred)))
        rest = np.arange(32) != odd
        assert np.min(cosine[np.ix_(rest, rest)]) > 0.99
        assert np.max(cosine[odd, rest]) < -0.99


class TestSplitStates:
    """States with k odd points."""

    @pytest.mark.parametrize(
        ("n", "k", "length", "cluster", "across", "longer"),
        [(12, 2, 4.05, 0.542, 0.088, 1.094), (12, 3, 2.14, 0.373, 0.188, 1.090),
         (32, 2, 14.5, 0.880, 0.010, 1.055), (32, 8, 2.74, 0.467, 0.170, 1.096),
         (64, 4, 14.8, 0.885, 0.011, 1.054)],
    )  # fmt: skip
    def test_several_odd_points_are_a_saddle(
        self, n: int, k: int, length: float, cluster: float, across: float, longer: float
    ) -> None:
        state = split_state(n, k)
        assert state.length == pytest.approx(length, rel=5e-3)
        assert [state.inside, state.cluster, state.across] == pytest.approx(
            [cluster, cluster, across], abs=6e-4
        )
        assert state.longer == pytest.approx(longer, abs=6e-4)
        assert state.others < 1
        with jax.enable_x64(True):
            assert gram_step(state.gram) == pytest.approx(state.gram, abs=1e-9)

    def test_one_odd_point_is_the_odd_state(self) -> None:
        for n in (8, 12):
            one, state = split_state(n, 1), odd_states(n)
            assert [one.length, one.cluster, one.across] == pytest.approx(
                [state.length, state.cluster, state.cosine], rel=1e-6
            )
            found = normalization.leading_multiplier(one.gram, steps=1000)
            assert one.others == pytest.approx(found, abs=1e-4)
            assert np.isnan(one.longer)

    def test_where_there_is_none(self) -> None:
        assert [split_state(*pair) for pair in ((8, 2), (12, 4), (32, 16))] == [None] * 3

    @pytest.mark.parametrize("n", [12, 32])
    def test_the_saddle_of_two_in_closed_form(self, n: int) -> None:
        """mu = (1 - 2/N - 2h) delta / (1 - R(1 - delta)), and the map of whole matrices."""
        state = split_state(n, 2)
        h = np.eye(n) - 1 / n
        centred = h @ state.gram @ h
        square = np.diagonal(centred)
        cosine = centred / np.sqrt(np.outer(square, square))
        relu = standardized("relu")
        with jax.enable_x64(True):
            gap, across = jnp.asarray(1 - cosine[0, 1]), jnp.asarray(cosine[0, -1])
            value, slope = relu.dual(across), relu.derivative_dual(across)
            ratio = np.sqrt(square[-1] / square[0])
            shift = (1 - 2 / n) * ratio / 2 * (value - across * slope) - slope / n
            expected = (1 - 2 / n - 2 * shift) * gap / relu.dual_gap(gap)
        assert state.longer == pytest.approx(float(expected), rel=1e-6)
        nudge = np.zeros((n, n))
        nudge[0, 0], nudge[1, 1] = 1e-6, -1e-6
        with jax.enable_x64(True):
            grams = iterate(state.gram + nudge, 6)
            difference = jnp.diagonal(grams, axis1=1, axis2=2)[:, 0] - grams[:, 1, 1]
        assert float(difference[6] / difference[5]) == pytest.approx(state.longer, rel=1e-3)

    def test_large_batches(self) -> None:
        """q = 9 pi^2 k^2 / N^2, and multipliers 1 + k/N and 1 - k/N, to leading order."""
        for n, k in ((512, 1), (512, 2), (512, 3)):
            state = split_state(n, k)
            gap = 9 * np.pi**2 * k**2 / (2 * n**2)
            assert 1 - state.cluster == pytest.approx(gap, rel=0.05)
            assert state.others == pytest.approx(1 - k / n, abs=0.4 * k / n)
            assert k == 1 or state.longer == pytest.approx(1 + k / n, abs=0.1 * k / n)

    def test_the_longest_point_wins(self, float64: None) -> None:
        """From random lengths of orthogonal points, at infinite width."""
        run = jax.jit(
            lambda d: jax.lax.fori_loop(
                0, 1200, lambda _, d: (a := distance_step(d)) / jnp.max(a), d
            )
        )
        for seed in range(3):
            lengths = 1 + 0.1 * RNG(seed).normal(size=32)
            squares = np.add.outer(lengths**2, lengths**2) * (1 - np.eye(32))
            ends = np.sqrt(squares_from_centre(run(jnp.asarray(squares))))
            assert np.argmax(ends) == np.argmax(lengths)
            assert ends.max() / np.median(ends) == pytest.approx(odd_states(32).length, rel=1e-3)


class TestLargeBatches:
    """A few points among very many."""

    def test_the_race(self, float64: None) -> None:
        """Three special points at once, among a hundred thousand."""
        lengths = np.array([1.5, 1.3, 0.7])
        everyone = np.append(lengths, 1)
        squares = np.add.outer(everyone**2, everyone**2) - 2 / np.pi * np.outer(everyone, everyone)
        squares, counts = jnp.asarray(squares), np.array([1, 1, 1, 1e5])
        for _ in range(8):
            found = np.sqrt(squares_from_centre(squares, counts))
            lengths = race_map(lengths)
            assert found[:3] / found[3] == pytest.approx(lengths, rel=1e-4)
            squares = distance_step(squares, counts)

    def test_the_race_of_another_activation(self, float64: None) -> None:
        sigma = standardized(leaky_relu(0.3))
        share = sigma.mean**2
        everyone = np.array([2.0, 1])
        squares = np.add.outer(everyone**2, everyone**2) - 2 * share * np.outer(everyone, everyone)
        found = np.sqrt(squares_from_centre(squares, np.array([1, 1e5])))
        assert found[0] / found[1] == pytest.approx(race_map(2.0, sigma), rel=1e-4)

    def test_shares_are_the_limit_of_the_map_with_rescaling(self) -> None:
        y, n = np.array([0.05, 0.3831, 2.0]), 1e7  # the correction is of order 1 / sqrt(n)
        assert odd_map(y * n, n, rescale=True) / n == pytest.approx(sharing_map(y), rel=1e-3)
        draws = RNG(0).normal(size=10**6) ** 2
        inverse = np.mean(1 / (1 + y[:, None] * draws), axis=1)
        expected = np.pi / (np.pi - 1) * (1 - inverse) / inverse
        assert sharing_map(y) == pytest.approx(expected, rel=0.01)
        step = 1e-5
        slope = (sharing_map(0.38307 + step) - sharing_map(0.38307 - step)) / (2 * step)
        assert [sharing_map(0.38307), slope] == pytest.approx([0.38307, 0.7686], abs=1e-4)

    @pytest.mark.parametrize("maps", [race_map, sharing_map])
    def test_what_is_refused(self, maps: object) -> None:
        with pytest.raises(ValueError, match="must be positive and finite"):
            maps(-1.0)


class TestRescaling:
    """What full batch normalization does."""

    @pytest.mark.parametrize("n", [8, 32])
    def test_the_map_of_one_number_is_the_map_of_matrices(self, n: int, float64: None) -> None:
        for value in (0.4, 2.0, 1000.0):
            after = contrast(gram_step(normalization.odd_gram(value, n), PARTS))
            found = float(odd_map(value, n, rescale=True))
            assert max(found, 1 / found) == pytest.approx(float(after), rel=1e-5) or value < 1
        assert odd_map(1000.0, 32, rescale=True) == pytest.approx(171.01, abs=5e-3)

    def test_its_slope_at_the_symmetric_state(self) -> None:
        for n in (10, 64):
            slope = (odd_map(1.001, n, rescale=True) - odd_map(0.999, n, rescale=True)) / 0.002
            assert slope == pytest.approx(symmetric_multipliers(n, rescale=True)[0], abs=1e-5)

    def test_a_second_state_from_52_points_on(self) -> None:
        assert [odd_states(n, rescale=True) is not None for n in (8, 32, 51, 52, 64)] == [
            0,
            0,
            0,
            1,
            1,
        ]
        for n, row in {
            64: (7.47, 0.311, 0.298, 2.5, 0.943, 0.298),
            128: (25.5, 0.315, 0.299, 4.5, 0.874, 0.098),
            256: (65.0, 0.317, 0.302, 7.0, 0.837, 0.043),
            1024: (327, 0.318, 0.308, 15.2, 0.800, 0.0097),
        }.items():
            s = odd_states(n, rescale=True)
            found = (s.contrast, s.cluster, s.cosine, s.length, s.multiplier, s.excess)
            assert found == pytest.approx(row, rel=0.015, abs=6e-4)

    def test_the_map_of_matrices_finds_it(self) -> None:
        """One point 40 % longer among 64, above a border at 29.8 %."""
        lengths = jnp.ones(64).at[0].set(1.4)
        grams = iterate(jnp.diag(lengths**2), 250, PARTS)
        state = odd_states(64, rescale=True)
        assert contrast(grams[-1]) == pytest.approx(state.contrast, rel=1e-3)
        square = jnp.diagonal(grams[-1])
        assert jnp.sqrt(square[0] / square[1]) == pytest.approx(state.length, rel=1e-3)

    def test_a_collapse_is_undone_at_once(self, float64: None) -> None:
        """Spread eps becomes sqrt(eps): the squared one over eps is the same for all."""
        rng, ratios = RNG(0), []
        inner = rng.normal(size=(15, 15))
        inner -= inner.mean(axis=0)
        for eps in (1e-4, 1e-5, 1e-6):
            x = np.zeros((16, 16))
            x[0, 0], x[1:, 1:] = 1, eps * inner
            after = np.asarray(gram_step(x @ x.T, PARTS))
            ratios.append(within(after) / eps)
            plain = np.asarray(gram_step(x @ x.T))
            growth = within(plain) / within(x @ x.T)
            assert growth == pytest.approx(split_multipliers(16, 1).spread, rel=0.01)
        assert ratios[1:] == pytest.approx([ratios[0]] * 2, rel=0.02)

    def test_the_spread_layer_by_layer(self, float64: None) -> None:
        """From 1e-5, with rescaling; and the first layer without."""
        inner = RNG(0).normal(size=(15, 15))
        x = np.zeros((16, 16))
        x[0, 0], x[1:, 1:] = 1, inner - inner.mean(axis=0)
        x[1:, 1:] *= 1e-5 / np.sqrt(within(x @ x.T))
        spreads = [np.sqrt(within(gram)) for gram in iterate(x @ x.T, 4, PARTS)]
        assert spreads == pytest.approx([1e-5, 0.0016, 0.02, 0.07, 0.14], rel=0.15)
        plain = within(np.asarray(gram_step(x @ x.T)))
        assert np.sqrt(plain) == pytest.approx(1.06e-5, rel=0.01)

    def test_differences_along_the_gap_alone_stay(self) -> None:
        """A batch of one dimension: a neuron keeps its sign, and nothing else."""
        x = np.append(1.0, 1e-3 * np.linspace(-1, 1, 15))
        z = (x - x.mean())[:, None] * RNG(0).normal(size=(1, 50))
        after = np.maximum(z / np.sqrt(np.mean(z**2, axis=0)), 0)
        apart = np.sum((after[1] - after[-1]) ** 2) / np.sum((after[0] - after[8]) ** 2)
        assert np.sqrt(apart) < 3e-3

    @pytest.mark.parametrize(
        ("count", "length", "layers"), [(2, 2.3, 100), (4, 2.0, 100), (8, 1.0, 300)]
    )
    def test_several_long_points_share(self, count: int, length: float, layers: int) -> None:
        lengths = jnp.ones(64).at[:count].set(max(length, 1.8))
        squares = jnp.diagonal(iterate(jnp.diag(lengths**2), layers, PARTS)[-1])
        assert jnp.sqrt(squares[:count] / squares[-1]) == pytest.approx(length, rel=0.03)


def within(gram: np.ndarray) -> float:
    """Mean squared spread of all points but the first, over their squared distance from it."""
    share = np.append(0, np.full(len(gram) - 1, 1 / (len(gram) - 1)))
    gap = np.eye(len(gram))[0] - share
    spread = np.trace(gram[1:, 1:]) / (len(gram) - 1) - share @ gram @ share
    return spread / (gap @ gram @ gap)


class TestRank:
    """What one layer of ReLU does to the rank."""

    @pytest.mark.parametrize("centre", [False, True])
    def test_points_of_a_plane_become_independent(self, centre: bool) -> None:
        rng = RNG(0)
        x = rng.normal(size=(20, 2))
        z = x @ rng.normal(size=(2, 200))
        v = layer(x, 200, rng) if centre else np.maximum(z, 0)
        assert np.linalg.matrix_rank(v) == 20
        assert np.linalg.matrix_rank(z) == 2

    def test_opposite_points_do_not(self) -> None:
        x = np.array([[1, 0.3], [0.2, 1], [1.2, 1.3]])
        z = np.concatenate([x, -x]) @ RNG(0).normal(size=(2, 500))
        assert np.linalg.matrix_rank(np.maximum(z, 0)) == 5
