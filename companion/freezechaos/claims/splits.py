"""Claims about the odd point that this course derives: why it comes, and why there is one."""

import jax
import jax.numpy as jnp
import numpy as np

from freezechaos import normalization
from freezechaos.activations import standardized

from .record import Claim, claim

_CHAPTER = "07_batch_norm_decomposed"
_SOURCE = "derived in the chapter"


@claim
def recentring_moves_the_origin() -> Claim:
    """RC + NL at width 3: a squared distance, in the mean over layers."""
    rng, draws, width = np.random.default_rng(0), 100_000, 3
    x = rng.normal(size=(5, 4)) * np.array([0.5, 1, 2, 1, 0.7])[:, None]
    z = np.einsum("pi,tij->tpj", x - x.mean(axis=0), rng.normal(size=(draws, 4, width)))
    after = np.maximum(z, 0)
    law = normalization.distance_step(np.sum((x[:, None] - x) ** 2, axis=-1))
    return Claim(
        "Recentring and ReLU take 2√(mᵢmⱼ) J(θ) from the squared distance of two points, lengths "
        "and angle seen from the centre of the batch; in expectation at every width, here 3, the "
        "mean over 100,000 layers.",
        _SOURCE,
        _CHAPTER,
        predicted=float(law[0, 2]),
        measured=float(2 / width * np.mean(np.sum((after[:, 0] - after[:, 2]) ** 2, axis=-1))),
        tolerance=0.06,  # four standard errors
    )


@claim
def two_values_for_ever() -> Claim:
    """RC + NL at width 7: the largest product of the two groups in 30 layers, and their spread."""
    rng = np.random.default_rng(0)
    x, worst = np.repeat(rng.normal(size=(2, 5)), [3, 9], axis=0), 0.0
    for _ in range(30):
        z = np.einsum("pi,ij->pj", x, rng.normal(size=(x.shape[1], 7)))
        x = np.maximum(z - z.mean(axis=0), 0)
        x = x / np.sqrt(np.mean(x**2))
        spread = max(np.ptp(group, axis=0).max() for group in (x[:3], x[3:]))
        worst = max(worst, spread, abs(x[0] @ x[-1]))
    return Claim(
        "A batch of two values keeps two values under recentring and ReLU, at a right angle "
        "exactly: the largest inner product, or spread in a group, in 30 layers of width 7.",
        _SOURCE,
        _CHAPTER,
        predicted=0.0,
        measured=worst,
        tolerance=0.0,
    )


@claim
def two_collapsed_groups_spread() -> Claim:
    """RC + NL at width 500: growth of the squared spread in a group over that of the gap."""
    return Claim(
        "No split into two points attracts: relative to the gap, the squared spread in a group "
        "grows by N²/(k²+(N−k)²) a layer, here N = 12, k = 3, at width 500.",
        _SOURCE,
        _CHAPTER,
        predicted=normalization.split_multipliers(12, 3).spread,
        measured=growth(12, 3)[0],
        tolerance=0.05,  # four standard errors
    )


@claim
def differences_of_length_grow() -> Claim:
    """RC + NL at width 500: growth of a difference of length in the small group."""
    return Claim(
        "Among k < N/2 odd points, differences of length grow by N(N−k)/(k²+(N−k)²) a layer, "
        "relative to the gap: here N = 12, k = 3, at width 500.",
        _SOURCE,
        _CHAPTER,
        predicted=normalization.split_multipliers(12, 3).longer,
        measured=growth(12, 3)[1],
        tolerance=0.015,  # five standard errors
    )


@claim
def two_odd_points_are_a_saddle() -> Claim:
    """RC + NL: the multiplier of a difference of length, from the map of whole matrices."""
    state = _split_state(32, 2)
    nudge = np.zeros((32, 32))
    nudge[0, 0], nudge[1, 1] = 1e-6, -1e-6
    with jax.enable_x64(True):
        grams = normalization.iterate(state.gram + nudge, 8)
        apart = grams[:, 0, 0] - grams[:, 1, 1]
    return Claim(
        "Two odd points are a saddle, and the longer of them wins: a difference of their lengths "
        "grows by this factor a layer, N = 32, infinite width; all other disturbances shrink.",
        _SOURCE,
        _CHAPTER,
        predicted=state.longer if state.others < 1 < state.longer else float("nan"),
        measured=float(apart[8] / apart[7]),
        tolerance=1e-3,  # the nudge is of this kind alone, and small
    )


@claim
def the_longest_point_wins() -> Claim:
    """RC + NL: in how many of eight batches the odd point is the one that was longest."""
    lengths = 1 + 0.1 * np.random.default_rng(0).normal(size=(8, 32))
    ends = [normalization.iterate(np.diag(row**2), 1200)[-1] for row in lengths.astype(np.float32)]
    won = [int(jnp.argmax(jnp.diagonal(end))) for end in ends]
    return Claim(
        "Of orthogonal points of different lengths (10 %) the longest becomes the odd one: the "
        "share of eight random batches, N = 32, infinite width.",
        _SOURCE,
        _CHAPTER,
        predicted=1.0,
        measured=float(np.mean(won == np.argmax(lengths, axis=1))),
        tolerance=0.0,
    )


@claim
def every_length_runs_by_itself() -> Claim:
    """RC + NL: a point 50 % longer among 800, eight layers on."""
    counts, length = np.array([1.0, 800.0]), 1.5
    both = np.array([length, 1.0])
    squares = jnp.asarray(np.add.outer(both**2, both**2) - 2 / np.pi * np.outer(both, both))
    for _ in range(8):
        square = normalization.squares_from_centre(squares, counts)
        length = float(normalization.race_map(length))
        squares = normalization.distance_step(squares, counts)
    return Claim(
        "In a large batch every length runs by itself, l'² = l² + (l−1)²/(π−1): a point 50 % "
        "longer than 800 others, after 8 layers.",
        _SOURCE,
        _CHAPTER,
        predicted=length,
        measured=float(np.sqrt(square[0] / square[1])),
        tolerance=0.01,  # corrections of the order 1 / N, in eight layers
    )


@claim
def rescaling_undoes_a_collapse() -> Claim:
    """RC + RS + NL: the exponent of the squared spread one layer on."""
    spreads = {eps: _spread_after(eps) for eps in (1e-5, 1e-6)}
    return Claim(
        "Full batch normalization undoes a collapse at once: a spread ε in the cluster becomes of "
        "order √ε in one layer; the exponent of the squared spread, N = 16, infinite width.",
        _SOURCE,
        _CHAPTER,
        predicted=1.0,
        measured=float(np.log10(spreads[1e-5] / spreads[1e-6])),
        tolerance=0.02,  # corrections of the order eps log(1 / eps)
    )


@claim
def full_batch_norm_has_a_second_state() -> Claim:
    """RC + RS + NL: where one point 40 % longer among 64 ends."""
    none = [normalization.odd_states(n, rescale=True) is None for n in (32, 51)]
    state = normalization.odd_states(64, rescale=True)
    end = normalization.iterate(
        jnp.diag(jnp.ones(64).at[0].set(1.4) ** 2), 250, normalization.PARTS
    )
    return Claim(
        "Full batch normalization with ReLU has a second state from N = 52 on, with one long "
        "point: its contrast, N = 64, infinite width, by the map of one number, and where the map "
        "of matrices leads a batch with one point 40 % longer.",
        _SOURCE,
        _CHAPTER,
        predicted=state.contrast if state and all(none) else float("nan"),
        measured=float(normalization.contrast(end[-1])),
        tolerance=0.01,  # float32: a multiplier of 0.943 makes 20 roundings of one, of each entry
    )


@claim
def large_batches_share() -> Claim:
    """RC + RS + NL: the share of a long point in a very large batch, from the map of one number."""
    y = 1.0
    for _ in range(100):
        y = float(normalization.sharing_map(y))
    return Claim(
        "In a large batch, full batch normalization gives a long point 0.383 N times the squared "
        "length of the others, recentred: one layer of the map for N = 10⁷ keeps it.",
        _SOURCE,
        _CHAPTER,
        predicted=y,
        measured=float(normalization.odd_map(1e7 * y, 1e7, rescale=True) / 1e7),
        tolerance=1e-3,  # corrections of the order 1 / sqrt(N)
    )


@claim
def one_layer_raises_the_rank() -> Claim:
    """NL: the rank of 20 points of a plane after one layer of width 200."""
    rng = np.random.default_rng(0)
    z = rng.normal(size=(20, 2)) @ rng.normal(size=(2, 200))
    return Claim(
        "One wide random ReLU layer makes points independent that are so pair by pair: the rank "
        "of 20 points of a plane, width 200.",
        _SOURCE,
        _CHAPTER,
        predicted=20.0,
        measured=float(np.linalg.matrix_rank(np.maximum(z, 0))),
        tolerance=0.0,
    )


@claim
def smooth_activations_collapse_exactly() -> Claim:
    """RC + GELU at width 500: growth of the squared spread in the cluster, one odd point."""
    sigma = standardized("gelu")
    rng, sums = np.random.default_rng(0), np.zeros((2, 2))
    for _ in range(240):
        wobble = rng.normal(size=(32, 40))
        x = np.repeat([[31 / 32], [-1 / 32]], [1, 31], axis=0) * np.eye(40)[0]
        x[1:] += 1e-3 * (wobble[1:] - wobble[1:].mean(axis=0))
        z = x @ rng.normal(size=(40, 500))
        z = z - z.mean(axis=0)
        v = np.asarray(sigma(jnp.asarray(z / np.sqrt(np.mean(z**2)), jnp.float32)), np.float64)
        sums += [_inside(batch, 1)[:2] for batch in (x, v)]
    gap, spread = sums[1] / sums[0]
    return Claim(
        "With GELU the cluster becomes one point: relative to the gap its squared spread is "
        "multiplied by 0.561 a layer, N = 32, k = 1, here at width 500.",
        _SOURCE,
        _CHAPTER,
        predicted=normalization.collapse_multipliers(32, 1, sigma)[1],
        measured=float(spread / gap),
        tolerance=0.025,  # four standard errors
    )


def growth(n: int, k: int, width: int = 500, draws: int = 400) -> tuple[float, float]:
    """What layers of recentring and ReLU, drawn weight by weight, do inside two collapsed groups.

    Growth of the squared spread in the group of n - k, and of differences of length in that of k,
    both over that of the squared gap; ratios of means over so many layers.
    """
    rng = np.random.default_rng(1)
    before, after = np.zeros(3), np.zeros(3)
    for _ in range(draws):
        wobble = rng.normal(size=(n, 4))
        for part in (slice(None, k), slice(k, None)):
            wobble[part] -= wobble[part].mean(axis=0)
        x = np.repeat([[(n - k) / n], [-k / n]], [k, n - k], axis=0) * np.eye(4)[0]
        x = x + 1e-5 * wobble
        z = x @ rng.normal(size=(4, width))
        start, end = (_inside(batch, k) for batch in (x, np.maximum(z - z.mean(axis=0), 0)))
        before += start[0], start[1], start[2] @ start[2]
        after += end[0], end[1], end[2] @ start[2]
    gap, spread, along = after / before
    return float(spread / gap), float(along / gap)


def _inside(x: np.ndarray, k: int) -> tuple[float, float, np.ndarray]:
    """The squared gap of two groups, the squared spread after the first k, their lengths along."""
    gap = x[:k].mean(axis=0) - x[k:].mean(axis=0)
    spread = np.sum((x[k:] - x[k:].mean(axis=0)) ** 2)
    return float(gap @ gap), float(spread), (x[:k] - x[:k].mean(axis=0)) @ gap


def _spread_after(eps: float, n: int = 16) -> float:
    """The squared spread in a cluster of n - 1, over the squared gap, one full layer on."""
    inner = np.random.default_rng(0).normal(size=(n - 1, n - 1))
    x = np.zeros((n, n))
    x[0, 0], x[1:, 1:] = 1, eps * (inner - inner.mean(axis=0))
    with jax.enable_x64(True):
        gram = np.asarray(normalization.gram_step(x @ x.T, normalization.PARTS))
    gap, spread, _ = _inside(np.linalg.cholesky(gram), 1)
    return spread / gap


def _split_state(n: int, k: int) -> normalization.SplitState:
    state = normalization.split_state(n, k)
    assert state is not None
    return state
