"""What a batch in deep random networks costs, against a loop in NumPy."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from freezechaos.normalization import PARTS, gram_step, propagate

POINTS, WIDTH, LAYERS, NETWORKS = 64, 1000, 25, 4  # of the 400 layers and 32 networks in the issue
GROUND: dict[str, float] = {}


def batch() -> jax.Array:
    return jax.random.normal(jax.random.key(0), (POINTS, WIDTH))


def in_numpy(x: np.ndarray) -> np.ndarray:
    """Draws all weights, in float32, and recentres, rescales and rectifies, layer by layer."""
    rng, ends = np.random.default_rng(0), []
    for _ in range(NETWORKS):
        z = x
        for _ in range(LAYERS):
            weights = rng.standard_normal((WIDTH, WIDTH), np.float32)
            z = z @ weights / np.float32(np.sqrt(WIDTH))
            z = z - z.mean(axis=0)
            z = np.maximum(z / np.sqrt((z**2).mean(axis=0)), 0)
        ends.append(z)
    return np.stack(ends)


@pytest.mark.benchmark(group="batch normalization taken apart")
class TestAgainstNumpy:
    """The target is five times faster."""

    def test_loop(self, seconds: Callable) -> None:
        GROUND["time"] = seconds(in_numpy, np.asarray(batch()), rounds=3)

    def test_scan(self, seconds: Callable, compare: Callable) -> None:
        keys = jax.random.split(jax.random.key(1), NETWORKS)
        time = seconds(propagate, batch(), LAYERS, WIDTH, PARTS, keys, rounds=5)
        name = f"propagate / NumPy, {NETWORKS} networks of {LAYERS} layers, width {WIDTH}"
        compare(name, time, GROUND["time"])


@pytest.mark.benchmark(group="batch normalization taken apart")
@pytest.mark.parametrize("parts", [("recentre", "nonlinearity"), ("recentre", "rescale"), PARTS])
def test_infinite_width(seconds: Callable, parts: tuple[str, ...]) -> None:
    gram = jnp.asarray(batch() @ batch().T)
    seconds(jax.jit(lambda gram: gram_step(gram, parts)), gram)
