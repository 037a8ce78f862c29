"""Kernels between positions by classes of pairs, against the recursion over all pairs."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from freezechaos import activations, deconvolution, graphs, spectra

RELU, BETA, INPUTS = activations.standardized("relu"), 0.5, 8
UP = graphs.transposed_convolution(4, stride=2, padding=1)
STACK = deconvolution.DeconvStack((4, 4), [UP] * 3)
LARGE = deconvolution.DeconvStack((4, 4), [UP] * 6)
GROUND: dict[str, float] = {}


def gram() -> jax.Array:
    x = jax.random.normal(jax.random.key(0), (INPUTS, 16, 32))
    x = x * jnp.sqrt(32) / jnp.linalg.norm(x, axis=2, keepdims=True)
    inner = jnp.einsum("npc,mqc->nmpq", x, x) / 32
    own = jnp.eye(INPUTS * 16).reshape(INPUTS, 16, INPUTS, 16).transpose(0, 2, 1, 3) > 0
    return jnp.where(own, 1, inner)


def tables() -> list[tuple[np.ndarray, np.ndarray]]:
    """For each layer [taps, positions] parents and [positions, positions] scales."""
    found, size = [], 4
    for _ in STACK.layers:
        axis = UP.along(0).parents(size)
        rows, columns = axis.T[:, None, :, None], axis.T[None, :, None, :]
        both = np.where((rows >= 0) & (columns >= 0), rows * size + columns, size**2)
        count = np.count_nonzero(both < size**2, axis=(0, 1)).ravel()
        found.append((both.reshape(16, -1), 1 / np.sqrt(np.multiply.outer(count, count))))
        size *= 2
    return found


@jax.jit
def all_pairs(gram: jax.Array) -> jax.Array:
    """The recursion as it is written, every pair of positions by itself, for i <= j."""
    first, second = np.triu_indices(INPUTS)
    value, theta = gram[first, second], 0.0
    for number, (parents, scale) in enumerate(tables()):

        def over_taps(table: jax.Array, parents=parents, scale=scale) -> jax.Array:
            padded = jnp.pad(table, ((0, 0), (0, 1), (0, 1)))
            total = sum(padded[:, tap[:, None], tap] for tap in parents)
            return total * ((1 - BETA**2) * scale)

        past = over_taps(RELU.derivative_dual(sigma) * theta) if number else 0.0
        sigma = BETA**2 + over_taps(RELU.dual(value) if number else value)
        theta, value = sigma + past, sigma
    return theta


@pytest.mark.benchmark(group="kernel between positions, 4 x 4 to 32 x 32, 8 inputs, all pairs")
class TestAgainstAllPairs:
    """The targets: 20 times faster and in 20 times less memory compressed, no slower dense."""

    def test_all_pairs(self, seconds: Callable) -> None:
        GROUND["time"] = seconds(all_pairs, gram(), rounds=3)
        analysis = all_pairs.lower(gram()).compile().memory_analysis()
        GROUND["memory"] = (analysis.temp_size_in_bytes + analysis.output_size_in_bytes) / 1e6

    def test_compressed(self, seconds: Callable, compare: Callable) -> None:
        def tables(gram: jax.Array) -> jax.Array:
            return deconvolution.compressed(STACK, RELU, BETA, gram).ntk.table

        compare("compressed / all pairs, time", seconds(tables, gram()), GROUND["time"])
        kernel = deconvolution.compressed(STACK, RELU, BETA, gram()).ntk
        compare("compressed / all pairs, memory", kernel.nbytes / 1e6, GROUND["memory"], "MB")

    def test_dense(self, seconds: Callable, compare: Callable) -> None:
        def dense(gram: jax.Array) -> jax.Array:
            return deconvolution.ntk(STACK, RELU, BETA, gram)

        compare("dense / all pairs, time", seconds(dense, gram(), rounds=3), GROUND["time"])
        close = dense(gram())[0, 1] - all_pairs(gram())[1]
        assert jnp.max(jnp.abs(close)) < 1e-4


@pytest.mark.benchmark(group="kernel between positions, 4 x 4 to 256 x 256")
class TestLarge:
    """The targets: a second and 200 MB."""

    def test_compressed(self, seconds: Callable, compare: Callable) -> None:
        def tables() -> jax.Array:
            return deconvolution.compressed(LARGE, RELU, BETA, gram()[0, 0]).ntk.table

        compare("256 x 256, one input, over a second", seconds(tables), 1.0)
        kernel = deconvolution.compressed(LARGE, RELU, BETA, gram()[0, 0]).ntk
        compare("256 x 256, one input, over 200 MB", kernel.nbytes / 1e6, 200, "MB")

    def test_eigenimages(self, seconds: Callable) -> None:
        kernel = deconvolution.compressed(LARGE, RELU, BETA, gram()[0, 0]).ntk
        seconds(lambda: spectra.eigenimages(kernel, 4).images, rounds=1)
