"""What regression without an inverse costs, against one by Cholesky, and at full size.

`make bench` runs the small one, `make bench-full` the 60,000 images of Fashion-MNIST too: the
targets there are 6 minutes and 20 GB on two cores.
"""

import os
import resource
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from freezechaos import data, dynamics, kernels, regression
from freezechaos.activations import Activation, normalized, standardized

SIZE, WIDTH, OUTPUTS, RIDGE = 4096, 784, 10, 1e-2
GROUND: dict[str, float] = {}


def case() -> tuple[regression.NTK, jax.Array, jax.Array]:
    draw = np.random.default_rng(0)
    x = draw.normal(size=(SIZE, 12)) @ draw.normal(size=(12, WIDTH))  # of few dimensions, as images
    y = np.sin(x[:, :OUTPUTS])
    kernel = regression.NTK(standardized("relu"), 0.1, 8)
    return kernel, jnp.asarray(x, jnp.float32), jnp.asarray(y, jnp.float32)


@pytest.mark.benchmark(group="regression")
class TestAgainstCholesky:
    def test_gram(self, seconds: Callable) -> None:
        kernel, x, _ = case()
        GROUND["gram"] = seconds(kernel.gram, x, rounds=3)

    def test_cholesky(self, seconds: Callable, compare: Callable) -> None:
        kernel, x, y = case()

        @jax.jit
        def by_cholesky(x: jax.Array, y: jax.Array) -> jax.Array:
            shifted = kernels.gram(kernel.activation, kernel.beta, kernel.depth, x)
            shifted += RIDGE * jnp.eye(SIZE)
            return jax.scipy.linalg.cho_solve((jnp.linalg.cholesky(shifted), True), y)

        GROUND["cholesky"] = seconds(by_cholesky, x, y, rounds=2)
        compare("gram and Cholesky / gram, N = 4096", GROUND["cholesky"], GROUND["gram"])

    def test_fit(self, seconds: Callable, compare: Callable) -> None:
        kernel, x, y = case()

        def fit(x: jax.Array, y: jax.Array) -> np.ndarray:
            return regression.fit(kernel, x, y, ridge=RIDGE, progress=False).coefficients

        time = seconds(fit, x, y, rounds=2)
        compare("regression.fit / gram and Cholesky, N = 4096", time, GROUND["cholesky"])


@pytest.mark.skipif("FULL" not in os.environ, reason="`make bench-full` runs it")
@pytest.mark.parametrize("depth", [8, 1024])
@pytest.mark.parametrize(
    ("activation", "beta"),
    [(standardized("relu"), 0.1), (standardized("relu"), 0.0), (normalized("relu"), 0.1)],
    ids=["freeze", "edge", "chaos"],
)
def test_full_fashion_mnist(
    benchmark: BenchmarkFixture, compare: Callable, activation: Activation, beta: float, depth: int
) -> None:
    """Beside the targets: 360 s for Gram, solve and 10,000 predictions, and 20 GB."""
    train, test = data.load("fashion_mnist"), data.load("fashion_mnist", "test")
    kernel, found = regression.NTK(activation, beta, depth), []

    def all_of_it() -> None:
        targets = dynamics.one_hot(train.labels, 10)
        fit = regression.fit(kernel, train.flat, targets, ridge=RIDGE, tolerance=1e-4)
        found.append((fit, float(dynamics.accuracy(fit.predict(test.flat), test.labels))))

    benchmark.pedantic(all_of_it, rounds=1)
    ((fit, accuracy),) = found
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6  # KB on Linux
    name = f"{activation.name}, beta {beta:g}, depth {depth}"
    print(f"{name}: {fit.iterations} steps, residual {fit.residual:.1e}, accuracy {accuracy:.4f}")
    compare(f"60,000 images, {name} / 6 minutes", benchmark.stats.stats.min, 360.0)
    compare(f"its peak of memory, {name} / 20 GB", memory, 20.0, "GB")
