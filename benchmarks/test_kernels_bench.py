"""What a Gram matrix of the scaled NTK costs, against a matrix product and a plain recursion."""

from collections.abc import Callable, Iterator
from functools import partial
from time import perf_counter

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from freezechaos import kernels
from freezechaos.activations import Activation, normalized, standardized
from freezechaos.kernels import lookup

WIDTH = 784
SIZE = 4096
BETA = 0.1
GROUND: dict[str, float] = {}  # seconds of what others are measured against


def inputs(size: int) -> jax.Array:
    x = np.random.default_rng(0).normal(size=(size, WIDTH))
    return jnp.asarray(x / np.linalg.norm(x, axis=1, keepdims=True), jnp.float32)


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

    def test_product(self, seconds: Callable) -> None:
        GROUND["product"] = seconds(product, inputs(SIZE))

    def test_two_passes(self, seconds: Callable) -> None:
        matrix = jnp.ones((SIZE, SIZE))
        GROUND["passes"] = seconds(lambda m: one_pass(one_pass(m)), matrix)

    @pytest.mark.parametrize(
        "activation",
        [standardized("relu"), normalized("relu"), normalized("tanh")],
        ids=lambda activation: activation.name,
    )
    @pytest.mark.parametrize("depth", [2, 1024])
    def test_gram(
        self, seconds: Callable, compare: Callable, activation: Activation, depth: int
    ) -> None:
        time = seconds(lambda x: kernels.gram(activation, BETA, depth, x), inputs(SIZE))
        reference = GROUND["product"] + GROUND["passes"]
        name = f"gram, {activation.name}, depth {depth} / (product + two passes)"
        compare(name, time, reference)


@pytest.fixture
def sizes(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Sets the rows of a tile and the close pairs looked at at once."""

    def put(tile: int = 128, pairs: int = 32) -> None:
        monkeypatch.setitem(lookup._SIZES, jax.default_backend(), (tile, pairs))
        jax.clear_caches()

    yield put
    jax.clear_caches()


@pytest.mark.benchmark(group="sizes")
class TestSizes:
    """What `gram` works on at once, against others: on a CPU it takes 128 rows and 32 pairs.

    Other instructions than this machine's best: XLA_FLAGS=--xla_cpu_max_isa=SSE4_2, or AVX2.
    """

    @pytest.mark.parametrize("size", [2048, SIZE])
    @pytest.mark.parametrize("depth", [2, 1024])
    @pytest.mark.parametrize("tile", [64, 128, 256, 512])
    def test_tiles(
        self,
        seconds: Callable,
        compare: Callable,
        sizes: Callable,
        tile: int,
        depth: int,
        size: int,
    ) -> None:
        sizes(tile=tile)
        time = seconds(partial(kernels.gram, standardized("relu"), BETA, depth), inputs(size))
        reference = (size / SIZE) ** 2 * GROUND["product"]
        compare(f"gram, N = {size}, depth {depth}, tiles of {tile} / product", time, reference)

    @pytest.mark.parametrize("pairs", [16, 32, 64, 128, 256])
    def test_close_pairs(
        self, seconds: Callable, compare: Callable, sizes: Callable, pairs: int
    ) -> None:
        sizes(pairs=pairs)
        x = inputs(2048)
        x = jnp.repeat(x[::16], 16, axis=0) + 1e-4 * x  # in sixteens that are close
        time = seconds(partial(kernels.gram, normalized("relu"), BETA, 2), x)
        compare(f"gram, {pairs} close pairs at once / product", time, GROUND["product"] / 4)


@pytest.mark.benchmark(group="recursion")
class TestAgainstTheRecursion:
    """The target is a plain recursion 100 times slower at depth 128."""

    @pytest.mark.parametrize("size", [1024, SIZE])
    def test_recursion(self, seconds: Callable, compare: Callable, size: int) -> None:
        x, depth = inputs(size), 128
        plain = partial(plain_relu_gram, depth=depth)
        fast = partial(kernels.gram, standardized("relu"), BETA, depth)
        np.testing.assert_allclose(plain(x[:64]), fast(x[:64]), atol=0.02)  # it loses its digits
        jax.block_until_ready(fast(x))
        times = []
        for _ in range(5):
            start = perf_counter()
            jax.block_until_ready(fast(x))
            times.append(perf_counter() - start)
        slow = seconds(plain, x, rounds=1)
        compare(f"plain recursion / gram, N = {size}, depth {depth}", slow, min(times))
