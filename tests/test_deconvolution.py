"""Kernels between positions, against a plain recursion over all pairs in float64."""

from collections.abc import Callable, Iterator
from math import pi, prod
from typing import Any, get_args

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from freezechaos import activations, deconvolution, graphs, kernels
from freezechaos.deconvolution import DeconvStack
from freezechaos.graphs import (
    AxisLayer,
    Layer,
    convolution,
    resize_convolution,
    sub_pixel_convolution,
    transposed_convolution,
)

RELU, CHAOTIC = activations.standardized("relu"), activations.normalized("relu")
ERF = activations.standardized("erf")
KINKED = activations.standardized(lambda x: jnp.abs(x) + x**2)
UP = transposed_convolution(4, stride=2, padding=1)
Dual = Callable[[np.ndarray, np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]


@pytest.fixture(autouse=True, scope="module")
def no_silent_broadcast() -> Iterator[None]:
    with jax.numpy_rank_promotion("raise"):
        yield


def relu_dual(mean: float = 0.0, scale: float = np.sqrt(0.5)) -> Dual:
    """(max(x, 0) - mean) / scale at any variances: arc-cosine kernels [Cho & Saul]."""

    def dual(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        root = np.sqrt(a * b)
        rho = np.clip(c / root, -1, 1)
        angle = np.arccos(rho)
        first = root * (np.sqrt(1 - rho**2) + (pi - angle) * rho) / (2 * pi)
        linear = mean * (np.sqrt(a) + np.sqrt(b)) / np.sqrt(2 * pi)
        return (first - linear + mean**2) / scale**2, (pi - angle) / (2 * pi * scale**2)

    return dual


def erf_dual(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """erf over its root mean square at any variances: arcsine kernel [Williams]."""
    moment = 2 / pi * np.arcsin(2 / 3)
    root = np.sqrt((1 + 2 * a) * (1 + 2 * b))
    value = 2 / pi * np.arcsin(2 * c / root)
    slope = 4 / pi / np.sqrt((1 + 2 * a) * (1 + 2 * b) - 4 * c**2)
    return value / moment, slope / moment


DUALS: dict[Any, Dual] = {
    RELU: relu_dual(),
    CHAOTIC: relu_dual(1 / np.sqrt(2 * pi), np.sqrt(0.5 - 1 / (2 * pi))),
    ERF: erf_dual,
}


def taps(layer: AxisLayer, n: int) -> np.ndarray:
    """[window, length, n]: what each tap reads, one matrix a tap."""
    parents = layer.parents(n)
    return np.where((parents >= 0)[..., None], layer.resizing(n)[parents], 0).swapaxes(0, 1)


def plain(
    stack: DeconvStack, dual: Dual, beta: float, gram: np.ndarray, rates: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Sigma and Theta [N, N, positions, positions], every pair by itself."""
    rates = np.ones((stack.depth, 2)) if rates is None else rates
    value, theta, size = np.asarray(gram, float), 0.0, stack.start
    slope = np.zeros_like(value)
    for layer, (of_weights, of_biases) in zip(stack.layers, rates, strict=True):
        axes = [taps(layer.along(axis), n) for axis, n in enumerate(size)]
        counts = [layer.along(axis).counts(n) for axis, n in enumerate(size)]
        parents = counts[0] if len(counts) == 1 else np.multiply.outer(*counts).ravel()
        scale = np.sqrt(np.multiply.outer(parents, parents))
        if stack.parametrization == "usual":
            scale = np.full_like(scale, prod(layer.along(a).window for a in range(len(size))))
        if stack.parametrization == "gain":
            scale = np.full_like(scale, parents.max())
        joint = axes[0] if len(axes) == 1 else [np.kron(r, c) for r in axes[0] for c in axes[1]]

        def over_taps(table: np.ndarray, joint=joint, scale=scale) -> np.ndarray:  # type: ignore[no-untyped-def]
            return sum(tap @ table @ tap.T for tap in joint) * (1 - beta**2) / scale

        past = over_taps(slope * theta)
        sigma = beta**2 + over_taps(value)
        theta = past + of_weights * (sigma - beta**2) + of_biases * beta**2
        own = np.einsum("iipp->ip", sigma)
        value, slope = dual(own[:, None, :, None], own[None, :, None], sigma)
        size = tuple(layer.along(axis).length(n) for axis, n in enumerate(size))
    return sigma, theta


def gram_of(
    n: int, stack: DeconvStack, *, sphere: bool = True, seed: int = 0, channels: int = 8
) -> np.ndarray:
    x = np.random.default_rng(seed).normal(size=(n, prod(stack.start), channels))
    if sphere:
        x *= np.sqrt(channels) / np.linalg.norm(x, axis=2, keepdims=True)
    return np.einsum("npc,mqc->nmpq", x, x) / channels


def check(stack: DeconvStack, activation: Any, beta: float, gram: np.ndarray) -> None:
    sigma, theta = plain(stack, DUALS[activation], beta, gram)
    one = gram if len(gram) > 1 else gram[0, 0]
    with jax.enable_x64(True):
        ours = deconvolution.compressed(stack, activation, beta, jnp.asarray(one))
        nngp, ntk = np.asarray(ours.nngp.dense()), np.asarray(ours.ntk.dense())
    wanted = sigma if len(gram) > 1 else sigma[0, 0]
    size = np.max(np.abs(theta))
    assert nngp == pytest.approx(wanted, abs=1e-9)
    assert ntk == pytest.approx(theta if len(gram) > 1 else theta[0, 0], abs=1e-7 * size)


@st.composite
def stacks(draw: st.DrawFn, dimensions: int) -> DeconvStack:
    def layer() -> Layer:
        numbers = []
        for _ in range(dimensions):
            window, stride = draw(st.integers(1, 5)), draw(st.integers(1, 3))
            numbers.append((window, stride, draw(st.integers(0, window - 1))))
        return transposed_convolution(*zip(*numbers, strict=True))  # type: ignore[arg-type]

    start = tuple(draw(st.integers(1, 3)) for _ in range(dimensions))
    layers = [layer() for _ in range(draw(st.integers(1, 3)))]
    try:
        stack = DeconvStack(start, layers, draw(st.sampled_from(["graph", "usual", "gain"])))
    except ValueError:
        assume(False)
    assume(stack.positions <= 150)
    return stack


@settings(max_examples=10, deadline=None)
@given(stacks(1), st.sampled_from([RELU, CHAOTIC, ERF]), st.floats(0, 0.9), st.booleans())
def test_drawn_stacks_in_one_dimension(
    stack: DeconvStack, activation: Any, beta: float, sphere: bool
) -> None:
    check(stack, activation, beta, gram_of(2, stack, sphere=sphere))


@settings(max_examples=10, deadline=None)
@given(stacks(2), st.sampled_from([RELU, CHAOTIC, ERF]), st.floats(0, 0.9))
def test_drawn_stacks_in_two_dimensions(stack: DeconvStack, activation: Any, beta: float) -> None:
    check(stack, activation, beta, gram_of(1, stack))


@pytest.mark.parametrize("parametrization", ["graph", "usual", "gain"])
@pytest.mark.parametrize(
    "layers",
    [
        [UP, convolution(3, 1), UP],
        [resize_convolution(2, 3, 1), resize_convolution(2, 3, 1)],
        [UP, resize_convolution(2, 3, 1, "bilinear"), UP],
        [sub_pixel_convolution(2, 3, 1), sub_pixel_convolution((1, 2), 3, 1)],
        [transposed_convolution((4, 3), (2, 1), (1, 0), (1, 0)), UP],
    ],
    ids=["with convolutions", "nearest", "bilinear", "sub-pixel", "unequal axes"],
)
@pytest.mark.parametrize("activation", [CHAOTIC, ERF], ids=lambda sigma: sigma.name)
def test_every_kind_of_layer(layers: list[Layer], parametrization: Any, activation: Any) -> None:
    stack = DeconvStack((2, 3), layers, parametrization)
    check(stack, activation, 0.3, gram_of(1, stack))


@pytest.mark.parametrize("parametrization", ["graph", "usual", "gain"])
@pytest.mark.parametrize("activation", [RELU, ERF], ids=lambda sigma: sigma.name)
def test_diagonals_are_those_of_the_kernels(activation: Any, parametrization: Any) -> None:
    layers = [
        transposed_convolution(3, 2, 1, 1),
        convolution(3, padding=1),
        resize_convolution(2, 3, 1),
    ]
    stack = DeconvStack((2, 3), layers, parametrization)
    exact = deconvolution.compressed(stack, activation, 0.3, jnp.eye(6))
    found = deconvolution.diagonals(stack, activation, 0.3)
    assert found.sigma == pytest.approx(np.asarray(exact.nngp.diagonal()), rel=1e-5)
    assert found.theta == pytest.approx(np.asarray(exact.ntk.diagonal()), rel=1e-5)


@pytest.mark.parametrize("activation", [CHAOTIC, KINKED], ids=["normalized relu", "kinked"])
def test_diagonals_of_any_activation_where_all_variances_are_one(activation: Any) -> None:
    stack = DeconvStack((2, 3), [UP] * 3)
    exact = deconvolution.compressed(stack, activation, 0.3, jnp.eye(6))
    found = deconvolution.diagonals(stack, activation, 0.3)
    assert found.sigma == pytest.approx(1.0, rel=1e-5)
    assert found.theta == pytest.approx(np.asarray(exact.ntk.diagonal()), rel=1e-5)


@pytest.mark.parametrize(
    ("stack", "activation", "beta", "message"),
    [
        (DeconvStack(4, [resize_convolution(2, 3, 1, "bilinear")]), RELU, 0.1, "bilinearly"),
        (DeconvStack(4, [UP, UP], "usual"), KINKED, 0.1, "has a kink"),
        (DeconvStack(4, [UP]), RELU, 1.0, r"`beta` .* got 1"),
        (4, RELU, 0.1, "`stack`"),
    ],
    ids=["bilinear", "kink", "beta", "no stack"],
)
def test_diagonals_refuse(stack: Any, activation: Any, beta: float, message: str) -> None:
    with pytest.raises((ValueError, TypeError), match=message):
        deconvolution.diagonals(stack, activation, beta)


@pytest.mark.parametrize("parametrization", ["graph", "usual", "gain"])
def test_pairs_of_inputs_off_the_sphere(parametrization: Any) -> None:
    stack = DeconvStack((2, 1), [UP, UP], parametrization)
    check(stack, ERF, 0.2, gram_of(3, stack, sphere=False))
    check(stack, CHAOTIC, 0.2, gram_of(3, stack, sphere=False))


def test_a_latent_vector_is_a_grid_of_one() -> None:
    stack = DeconvStack((1, 1), [transposed_convolution(4), UP, UP])
    check(stack, RELU, 0.5, gram_of(3, stack))


def test_a_window_of_one_is_the_fully_connected_network() -> None:
    """A grid of one position with windows of one: depth L, exact deep in chaos."""
    for depth in (2, 60, 1000):
        stack = DeconvStack(1, [transposed_convolution(1)] * depth)
        for activation, beta in ((RELU, 0.5), (CHAOTIC, 0.5), (ERF, 0.6)):
            cosine = jnp.array([[1.0, 0.3], [0.3, 1.0]])
            ours = deconvolution.compressed(stack, activation, beta, cosine[:, :, None, None])
            expected = kernels.nngp(activation, beta, depth, cosine)
            assert ours.nngp.dense()[..., 0, 0] == pytest.approx(np.asarray(expected), rel=1e-4)
            if depth > 60 and activation is CHAOTIC:
                continue
            log_scale = kernels.log_ntk_diagonal(activation, beta, depth)
            scaled = np.asarray(ours.ntk.dense()[..., 0, 0] / jnp.exp(log_scale))
            expected = kernels.ntk(activation, beta, depth, cosine)
            assert scaled == pytest.approx(np.asarray(expected), rel=2e-4)


@pytest.mark.parametrize("activation", [RELU, CHAOTIC, ERF], ids=lambda sigma: sigma.name)
def test_the_diagonal_is_the_same_everywhere(activation: Any) -> None:
    stack = DeconvStack((3, 2), [transposed_convolution(5, 2, 1), UP, convolution(3, 1)] * 2)
    for beta in (0.0, 0.3, 0.8):
        ours = deconvolution.compressed(
            stack, activation, beta, jnp.asarray(gram_of(1, stack)[0, 0], jnp.float32)
        )
        log_scale = float(kernels.log_ntk_diagonal(activation, beta, stack.depth))
        assert np.all(ours.nngp.diagonal() == 1)
        assert np.ptp(ours.ntk.diagonal()) == 0
        assert np.log(ours.ntk.diagonal()) == pytest.approx(log_scale, abs=1e-5)


def test_deep_chaos_is_exact_in_float32() -> None:
    stack = DeconvStack(3, [convolution(3, 1)] * 64)
    gram = gram_of(1, stack)[0, 0]
    with jax.enable_x64(True):
        exact = np.asarray(deconvolution.ntk(stack, CHAOTIC, 0.2, jnp.asarray(gram)))
    ours = np.asarray(deconvolution.ntk(stack, CHAOTIC, 0.2, jnp.asarray(gram, jnp.float32)))
    assert ours / exact[0, 0] == pytest.approx(exact / exact[0, 0], abs=2e-5)


def test_contributions_sum_to_the_kernel() -> None:
    stack = DeconvStack((2, 2), [UP, convolution(3, 1), UP])
    gram = jnp.asarray(gram_of(2, stack), jnp.float32)
    parts = deconvolution.contributions(stack, RELU, 0.4, gram)
    whole = deconvolution.ntk(stack, RELU, 0.4, gram)
    assert parts.weights.shape == (3, 2, 2, 64, 64)
    assert parts.weights.sum(0) + parts.biases.sum(0) == pytest.approx(np.asarray(whole), abs=1e-5)
    rates = deconvolution.learning_rates(stack)
    assert rates.tolist() == [[1, 0.5], [0.5, 0.5], [0.5, 0.25]]
    weighted = jnp.tensordot(rates[:, 0], parts.weights, 1) + jnp.tensordot(
        rates[:, 1], parts.biases, 1
    )
    balanced = deconvolution.ntk(stack, RELU, 0.4, gram, rates)
    assert balanced == pytest.approx(np.asarray(weighted), abs=1e-5)
    assert plain(stack, DUALS[RELU], 0.4, np.asarray(gram), np.asarray(rates))[1] == pytest.approx(
        np.asarray(balanced), abs=1e-5
    )
    norms = deconvolution.contribution_norms(stack, RELU, 0.4, gram)
    assert norms[:, 0] == pytest.approx(
        np.sqrt(np.sum(np.square(parts.weights), (1, 2, 3, 4))), rel=1e-5
    )
    assert norms[:, 1] == pytest.approx(
        np.sqrt(np.sum(np.square(parts.biases), (1, 2, 3, 4))), rel=1e-5
    )


@pytest.mark.parametrize(
    ("start", "layers"),
    [(2, [UP, UP]), (3, [convolution(3, 1), UP]), (2, [transposed_convolution(6, 2, 2)] * 2)],
    ids=["up", "convolution", "window 6"],
)
@pytest.mark.parametrize("parametrization", ["graph", "usual"])
def test_lattices_are_the_contributions(
    start: int, layers: list[Layer], parametrization: Any
) -> None:
    """Products and speeds by dense matrices, the loudest pattern by all eigenvalues."""
    stack = DeconvStack((start, start), layers, parametrization)
    parts = deconvolution.contributions(stack, RELU, 0.4, jnp.eye(start**2))
    dense = np.stack([parts.weights, parts.biases], axis=1).astype(np.float64)
    ours = jax.jit(lambda beta: deconvolution.lattices(stack, RELU, beta))(0.4)
    side = stack.sizes[-1][0]
    image = np.random.default_rng(1).normal(size=(side, side))
    products = (dense @ image.ravel()).reshape(*dense.shape[:2], side, side)
    assert ours.times(jnp.asarray(image, jnp.float32)) == pytest.approx(products, abs=1e-4)
    speeds = np.sum(products * image, axis=(-2, -1))
    assert ours.within(jnp.asarray(image, jnp.float32)) == pytest.approx(speeds, abs=1e-3)
    known = np.asarray(deconvolution.learning_rates(stack, 0.7))
    for rates in (np.ones((len(layers), 2)), known, np.eye(len(layers), 2), 0 * known):
        top = ours.mixed(jnp.asarray(rates, jnp.float32)).loudest()
        theta, found = np.tensordot(rates, dense, axes=2), np.ravel(top.image).astype(np.float64)
        largest = np.linalg.eigvalsh(theta)[-1]
        assert float(top.value) == pytest.approx(largest, rel=1e-5, abs=1e-9)
        assert found @ found == pytest.approx(float(largest > 0), abs=1e-5)
        assert found @ theta @ found == pytest.approx(largest, rel=1e-5, abs=1e-9)


def test_lattices_refuse_what_no_mirror_maps() -> None:
    for layer, size in ((UP, (2, 3)), (convolution(3, 1), (4, 4)), (UP, 4),
                        (resize_convolution(2, 3, 1), (2, 2)),
                        (transposed_convolution(3, 2, 1, 1), (2, 2))):  # fmt: skip
        with pytest.raises(ValueError, match=r"`stack` must end in a stride of 2"):
            deconvolution.lattices(DeconvStack(size, [layer]), RELU, 0.4)


@pytest.mark.parametrize("gamma", [0.0, 0.5, 1.7])
def test_rates_may_be_traced(gamma: float) -> None:
    stack = DeconvStack((2, 2), [UP, convolution(3, 1), UP])
    traced = jax.jit(lambda g: deconvolution.learning_rates(stack, g))(gamma)
    assert traced == pytest.approx(np.asarray(deconvolution.learning_rates(stack, gamma)), rel=1e-5)


@pytest.mark.parametrize("parametrization", ["graph", "usual", "gain"])
@pytest.mark.parametrize(
    "layers", [[UP, UP], [resize_convolution(2, 3, 1), UP]], ids=["up", "resize"]
)
def test_what_is_read_is_the_dense_kernel(layers: list[Layer], parametrization: Any) -> None:
    stack = DeconvStack((2, 3), layers, parametrization)
    gram = jnp.asarray(gram_of(3, stack), jnp.float32)
    several = deconvolution.compressed(stack, RELU, 0.4, gram).ntk
    dense, n = np.asarray(several.dense()), stack.positions
    assert dense.shape == (3, 3, n, n)
    assert dense == pytest.approx(dense.transpose(1, 0, 3, 2), abs=0)
    rows, columns = stack.sizes[-1]
    assert several.row((3, 7)) == pytest.approx(
        dense[:, :, 3 * columns + 7].reshape(3, 3, rows, columns), abs=0
    )
    diagonal = np.einsum("ijpp->ijp", dense).reshape(3, 3, rows, columns)
    assert several.diagonal() == pytest.approx(diagonal, abs=0)
    one = deconvolution.compressed(stack, RELU, 0.4, gram[1, 1]).ntk
    assert one.dense() == pytest.approx(dense[1, 1], abs=1e-6)
    images = np.random.default_rng(0).normal(size=(4, n))
    assert one.matvec(images) == pytest.approx(images @ np.asarray(one.dense()).T, abs=1e-4)
    exact = np.linalg.norm(np.asarray(one.dense(), np.float64))  # in float32 it sums to 1e-6
    assert one.norm() == pytest.approx(exact, rel=1e-6)


def test_an_up_sampling_kernel_takes_few_numbers() -> None:
    stack = DeconvStack((4, 4), [UP] * 3)
    ours = deconvolution.compressed(
        stack, RELU, 0.5, jnp.asarray(gram_of(1, stack)[0, 0], jnp.float32)
    )
    assert ours.ntk.table.size < 6000
    assert ours.ntk.nbytes < 0.02 * 4 * 1024**2


def test_it_can_be_differentiated_and_traced() -> None:
    stack = DeconvStack(2, [UP, UP])
    gram = jnp.asarray(gram_of(1, stack)[0, 0], jnp.float32)

    def total(beta: jax.Array, gram: jax.Array) -> jax.Array:
        return jnp.sum(deconvolution.ntk(stack, ERF, beta, gram))

    beta, step = jnp.float32(0.4), 1e-2
    by_beta, by_gram = jax.jit(jax.grad(total, (0, 1)))(beta, gram)
    difference = float(total(beta + step, gram) - total(beta - step, gram)) / (2 * step)
    assert by_beta == pytest.approx(difference, rel=1e-3)
    nudge = jnp.array([[0.0, step], [step, 0.0]])
    difference = float(total(beta, gram + nudge) - total(beta, gram - nudge)) / (2 * step)
    assert by_gram[0, 1] + by_gram[1, 0] == pytest.approx(difference, rel=1e-3)
    assert jax.vmap(lambda beta: deconvolution.ntk(stack, ERF, beta, gram))(jnp.array([0.1, 0.4]))[
        1
    ] == (pytest.approx(np.asarray(deconvolution.ntk(stack, ERF, 0.4, gram)), rel=1e-5))


def test_freeze_is_a_sum_of_residue_classes() -> None:
    stack = DeconvStack((2, 2), [UP] * 3)
    for beta in (0.9, 0.99):
        theta = np.asarray(
            deconvolution.ntk(stack, ERF, beta, jnp.asarray(gram_of(1, stack)[0, 0], jnp.float32))
        )
        r = ERF.derivative_second_moment * (1 - beta**2)
        off = np.abs(theta / theta[0, 0] - deconvolution.freeze_limit(stack, ERF, beta))
        assert np.max(off) < 2 * r
    limit = deconvolution.freeze_limit(stack, ERF, 0.9)
    assert limit[0, 0] == 1
    places = np.arange(16)
    assert np.unique(limit[0].reshape(16, 16)[places % 2 == 1]).size == 1
    assert limit[0, 4] == pytest.approx((1 - r**3) / (1 - r**3), rel=1e-3)


@pytest.mark.parametrize(
    ("size", "layers", "named"),
    [
        (2, [UP, transposed_convolution(1, 2)], "layer 2 leaves position 1 of 7 without a parent"),
        (2, [convolution(3), UP], "layer 1 leaves no positions: 2 become 0"),
        ((2, 2, 2), [UP], "`size` must be a positive integer"),
        (0, [UP], "`size` must be a positive integer"),
        (4, [transposed_convolution((4, 4), 2, 1)], "layer 1 has 2 axes"),
    ],
)
def test_bad_stacks_say_which_layer_and_why(size: Any, layers: list[Layer], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        DeconvStack(size, layers)


def test_bad_arguments_say_why() -> None:
    stack, gram = DeconvStack(2, [UP]), jnp.eye(2)
    with pytest.raises(ValueError, match=r'`parametrization` must be "graph", "usual" or "gain"'):
        DeconvStack(2, [UP], "graphs")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="`layers` must be a list"):
        DeconvStack(2, UP)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="`stack` must be a DeconvStack"):
        deconvolution.ntk([UP], RELU, 0.1, gram)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"`input_gram` must have shape \[2, 2\]"):
        deconvolution.ntk(stack, RELU, 0.1, jnp.eye(3))
    with pytest.raises(ValueError, match=r"`beta` must lie in \[0, 1\); got 1"):
        deconvolution.ntk(stack, RELU, 1.0, gram)
    with pytest.raises(ValueError, match=r"`learning_rates` must have shape \[1, 2\]"):
        deconvolution.ntk(stack, RELU, 0.1, gram, jnp.ones((2, 2)))
    with pytest.raises(ValueError, match="`input_gram` must have squared lengths"):
        deconvolution.ntk(stack, RELU, 0.1, -gram)
    kernel = deconvolution.compressed(stack, RELU, 0.1, gram).ntk
    for position in (4, 1.5, True, (1, 1)):
        with pytest.raises(ValueError, match="`position` must lie in a grid of 4; got"):
            kernel.row(position)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="`images` must have 4 numbers in the last axis"):
        kernel.matvec(np.ones((4, 3)))
    with pytest.raises(ValueError, match="`input_gram` must be symmetric"):
        deconvolution.ntk(stack, RELU, 0.1, jnp.array([[1.0, 0.5], [0.2, 1.0]]))
    with pytest.raises(ValueError, match="`input_gram` must be products of vectors"):
        deconvolution.ntk(stack, RELU, 0.1, jnp.array([[1.0, 2.0], [2.0, 1.0]]))
    for other in (DeconvStack(2, [UP], "usual"), DeconvStack(2, [resize_convolution(2, 3, 1)])):
        with pytest.raises(ValueError, match="`stack` must be of transposed convolutions"):
            deconvolution.freeze_limit(other, RELU, 0.5)
    with pytest.raises(ValueError, match="`beta` must put the network into freeze"):
        deconvolution.freeze_limit(stack, CHAOTIC, 0.1)
    with pytest.raises(ValueError, match="`activation` must be smooth or a leaky_relu"):
        deconvolution.ntk(DeconvStack(2, [UP, UP], "usual"), KINKED, 0.1, gram)


SQUARES = {
    "transposed": [graphs.transposed_convolution(4, 2, 1)] * 2,
    "uneven": [graphs.transposed_convolution(3, 2, 1, 1)] * 2,
    "nearest": [graphs.resize_convolution(2, 3, 1)] * 2,
    "bilinear": [graphs.convolution(3, 1), graphs.resize_convolution(4, 3, 1, "bilinear")],
}


@pytest.mark.parametrize("kind", get_args(graphs.Parametrization))
@pytest.mark.parametrize("name", ["relu", "erf"])
def test_squares_are_the_kernels_of_stacks(name: str, kind: Any) -> None:
    """One compiled function for all layers, traced, beside the recursion over classes."""
    sigma, size = activations.standardized(name), (3, 3)
    stacks = [DeconvStack(size, layers, kind) for layers in SQUARES.values()]
    choices = deconvolution.side_by_side(stacks)
    number = get_args(graphs.Parametrization).index(kind)

    @jax.jit
    def kernels(choice: jax.Array, kind: jax.Array, beta: jax.Array) -> Any:
        taps = [layer.chosen(choice, kind) for layer in choices]
        return deconvolution.square_kernels(taps, sigma, beta)

    for choice, stack in enumerate(stacks):
        found = kernels(jnp.int32(choice), jnp.int32(number), jnp.float32(0.3))
        exact = deconvolution.compressed(stack, sigma, 0.3, jnp.eye(9))
        alone = deconvolution.square_kernels(deconvolution.taps_of(stack), sigma, 0.3)
        for one, same, other in zip(found, alone, exact, strict=True):
            matrix = one.reshape(stack.positions, -1)
            np.testing.assert_allclose(matrix, other.dense(), rtol=1e-5, atol=1e-6)
            np.testing.assert_allclose(one, same, rtol=1e-5, atol=1e-6)
        if all(layer.method == "nearest" for layer in stack.layers):
            reads = [layer.reads(choice, number) for layer in choices]
            for one, other in zip(
                deconvolution.square_diagonals(reads, sigma, 0.3),
                deconvolution.diagonals(stack, sigma, 0.3),
                strict=True,
            ):
                np.testing.assert_allclose(one, other, rtol=1e-5)


def test_smaller_stacks_find_room() -> None:
    """Where the first layer of one leaves fewer positions than that of the other."""
    late = [graphs.convolution(3, 1), graphs.transposed_convolution(8, 4, 2)]
    stacks = [DeconvStack((2, 2), layers) for layers in (SQUARES["transposed"], late)]
    choices, relu = deconvolution.side_by_side(stacks), activations.standardized("relu")
    for number, stack in enumerate(stacks):
        taps = [layer.chosen(number, 0) for layer in choices]
        found = deconvolution.square_kernels(taps, relu, 0.3).ntk.reshape(64, 64)
        exact = deconvolution.ntk(stack, relu, 0.3, jnp.eye(4))
        np.testing.assert_allclose(found, exact, rtol=1e-5, atol=1e-6)


def test_squares_refuse() -> None:
    one, other = graphs.transposed_convolution((4, 3), (2, 1), (1, 1)), SQUARES["transposed"]
    with pytest.raises(ValueError, match="both axes"):
        deconvolution.taps_of(DeconvStack((4, 4), [one]))
    with pytest.raises(ValueError, match="as many layers"):
        deconvolution.side_by_side([DeconvStack((4, 4), other), DeconvStack((4, 4), other * 2)])
