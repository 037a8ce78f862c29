"""What a Gram matrix of the scaled NTK costs, against a matrix product and a plain recursion."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from freezechaos import kernels
from freezechaos.activations import Activation, normalized, standardized

WIDTH = 784
SIZE = 4096
BETA = 0.1
GROUND: dict[str, float] = {}  # seconds of what others are measured against

Ratios = dict[str, tuple[float, float]]


def inputs(size: int) -> jax.Array:
    x = np.random.default_rng(0).normal(size=(size, WIDTH))
    return jnp.asarray(x / np.linalg.norm(x, axis=1, keepdims=True), jnp.float32)


def seconds(benchmark: BenchmarkFixture, function, *arguments, rounds: int = 7) -> float:
    """The fastest of a few rounds, compilation left out."""
    jax.block_until_ready(function(*arguments))
    benchmark.pedantic(
        lambda: jax.block_until_ready(function(*arguments)), rounds=rounds, iterations=1
    )
    return benchmark.stats.stats.min


@jax.jit
def product(x: jax.Array) -> jax.Array:
    return jnp.matmul(x, x.T, precision=jax.lax.Precision.HIGHEST)


@jax.jit
def one_pass(matrix: jax.Array) -> jax.Array:
    return matrix * 0.5 + 1


@partial(jax.jit, static_argnums=1)
def plain_relu_gram(x: jax.Array, depth: int) -> jax.Array:
    """Standardized ReLU, the recursion of [JGGH] as written, an arccosine in every layer."""
    sigma = (1 - BETA**2) * jnp.clip(product(x), -1, 1) + BETA**2

    def layer(_: int, state: tuple[jax.Array, ...]) -> tuple[jax.Array, ...]:
        sigma, theta = state
        angle = jnp.arccos(jnp.clip(sigma, -1, 1))
        dual = (jnp.sin(angle) + (jnp.pi - angle) * sigma) / jnp.pi
        slope = (1 - BETA**2) * (jnp.pi - angle) / jnp.pi
        sigma = (1 - BETA**2) * dual + BETA**2
        return sigma, sigma + slope * theta

    _, theta = jax.lax.fori_loop(1, depth, layer, (sigma, sigma))
    return theta * (BETA**2 / (1 - (1 - BETA**2) ** depth))


@pytest.mark.benchmark(group="gram")
class TestAgainstAProduct:
    """The target is 1.3 times one product and two passes over the result, at any depth."""

    def test_product(self, benchmark: BenchmarkFixture) -> None:
        GROUND["product"] = seconds(benchmark, product, inputs(SIZE))

    def test_two_passes(self, benchmark: BenchmarkFixture) -> None:
        matrix = jnp.ones((SIZE, SIZE))
        GROUND["passes"] = seconds(benchmark, lambda m: one_pass(one_pass(m)), matrix)

    @pytest.mark.parametrize(
        "activation",
        [standardized("relu"), normalized("relu"), normalized("tanh")],
        ids=lambda activation: activation.name,
    )
    @pytest.mark.parametrize("depth", [2, 1024])
    def test_gram(
        self, benchmark: BenchmarkFixture, ratios: Ratios, activation: Activation, depth: int
    ) -> None:
        time = seconds(benchmark, lambda x: kernels.gram(activation, BETA, depth, x), inputs(SIZE))
        reference = GROUND["product"] + GROUND["passes"]
        ratios[f"gram, {activation.name}, depth {depth} / (product + two passes)"] = time, reference


@pytest.mark.benchmark(group="recursion")
class TestAgainstTheRecursion:
    """The target is a plain recursion 100 times slower at depth 128."""

    @pytest.mark.parametrize("size", [1024, SIZE])
    def test_recursion(self, benchmark: BenchmarkFixture, ratios: Ratios, size: int) -> None:
        x, depth = inputs(size), 128
        plain = partial(plain_relu_gram, depth=depth)
        fast = partial(kernels.gram, standardized("relu"), BETA, depth)
        np.testing.assert_allclose(plain(x[:64]), fast(x[:64]), atol=0.02)  # it loses its digits
        jax.block_until_ready(fast(x))
        clock = benchmark._timer
        times = []
        for _ in range(5):
            start = clock()
            jax.block_until_ready(fast(x))
            times.append(clock() - start)
        slow = seconds(benchmark, lambda x: plain(x), x, rounds=1)
        ratios[f"plain recursion / gram, N = {size}, depth {depth}"] = slow, min(times)
