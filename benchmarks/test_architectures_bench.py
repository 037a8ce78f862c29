"""What it costs to say an architecture: against the recursions that it goes by, or could go by."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import pytest

from freezechaos import deconvolution, graphs, kernels, networks
from freezechaos.activations import normalized
from freezechaos.architectures import Architecture, Beta, Dense, UpSampling, repeat, serial

SIGMA, BETA, SIZE = normalized("relu"), 0.1, 256
GROUND: dict[str, float] = {}


def stack(depth: int) -> Architecture:
    return serial(repeat(serial(Dense(Beta(BETA)), SIGMA), depth - 1), Dense(Beta(BETA)))


@pytest.mark.benchmark(group="architectures, dense")
class TestDense:
    """The target is the NTK of given cosines, one run of the recursion."""

    @pytest.mark.parametrize("depth", [16, 1024])
    def test_recursion(self, seconds: Callable, depth: int) -> None:
        x = networks.on_sphere(jax.random.normal(jax.random.key(0), (SIZE, 64)))
        ntk = jax.jit(lambda x: kernels.ntk(SIGMA, BETA, depth, jnp.clip(x @ x.T / 64, -1, 1)))
        GROUND[f"dense {depth}"] = seconds(ntk, x)

    @pytest.mark.parametrize("depth", [16, 1024])
    @pytest.mark.parametrize("kind", ["beta", "ntk"])  # by the exact recursion, layer by layer
    def test_kernels(self, seconds: Callable, compare: Callable, depth: int, kind: str) -> None:
        x = networks.on_sphere(jax.random.normal(jax.random.key(0), (SIZE, 64)))
        time = seconds(stack(depth).converted(kind).kernels, x)
        compare(f"kernels, {kind}, depth {depth} / ntk of cosines", time, GROUND[f"dense {depth}"])


@pytest.mark.benchmark(group="architectures, up-sampling")
class TestUpSampling:
    """The target is the compressed form, made dense."""

    LAYERS = (graphs.transposed_convolution(4, stride=2, padding=1),) * 3

    def test_compressed(self, seconds: Callable) -> None:
        known = deconvolution.DeconvStack((4, 4), self.LAYERS)

        def dense(gram: jax.Array) -> list[jax.Array]:
            return [k.dense() for k in deconvolution.compressed(known, SIGMA, BETA, gram)]

        GROUND["up"] = seconds(dense, jnp.eye(16), rounds=3)

    def test_kernels(self, seconds: Callable, compare: Callable) -> None:
        first, *rest = (UpSampling(layer, Beta(BETA)) for layer in self.LAYERS)
        architecture = serial(first, *(part for up in rest for part in (SIGMA, up)))
        x = 4 * jnp.eye(16).reshape(1, 4, 4, 16)  # orthogonal positions, on the sphere
        time = seconds(architecture.kernels, x, rounds=3)
        compare("kernels, 4 x 4 to 32 x 32 / compressed, made dense", time, GROUND["up"])
