"""What transposed convolutions cost in several formulations, and a kernel between pixels."""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
import pytest

from freezechaos import empirical, graphs
from freezechaos.activations import standardized
from freezechaos.deconvolution import DeconvStack
from freezechaos.networks import Deconvolutional
from freezechaos.networks import convolutions as formulations

BATCH = 64
DCGAN = graphs.transposed_convolution(4, stride=2, padding=1)
CASES = {
    "4x4x512 > 8x8x256": (4, 512, 256, DCGAN),
    "16x16x64 > 32x32x64": (16, 64, 64, DCGAN),
    "32x32x64, 3x3": (32, 64, 64, graphs.convolution(3, padding=1)),
}
FORMS = {
    "lax.conv_transpose": formulations._dilated,
    "ours": formulations.transposed_convolution,
    "product": formulations._by_product,
}
GROUND: dict[object, float] = {}


@pytest.mark.benchmark(group="transposed convolution")
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("what", ["forward", "gradient"])
def test_transposed_convolution(
    seconds: Callable, compare: Callable, what: str, case: str, form: str
) -> None:
    n, before, after, layer = CASES[case]
    axes, window = (layer.along(0), layer.along(1)), layer.along(0).window
    x = jnp.ones((BATCH, n, n, before))
    weight = jax.random.normal(jax.random.key(0), (window, window, before, after))
    forward = partial(FORMS[form], axes=axes)
    pulled = jnp.ones(forward(x, weight).shape)
    gradient = jax.jit(lambda x, weight, y: jax.vjp(forward, x, weight)[1](y))
    if what == "forward":
        time = seconds(jax.jit(forward), x, weight, rounds=5)
    else:
        time = seconds(gradient, x, weight, pulled, rounds=1 if form == "lax.conv_transpose" else 5)
    reference = GROUND.setdefault((what, case), time)
    compare(f"{what} of {case}, {form} / lax.conv_transpose", time, reference)


def generator() -> Deconvolutional:
    stack = DeconvStack((1, 1), [graphs.transposed_convolution(4), DCGAN, DCGAN, DCGAN])
    channels = [64, 64, 64, 64, 1]
    return Deconvolutional(stack, channels, standardized("relu"), 0.1, key=jax.random.key(0))


@jax.jit
def by_jacobian(network: Deconvolutional, x: jax.Array) -> jax.Array:
    """All derivatives of all pixels by `jacrev`, then their products."""
    jacobian = jax.jacrev(lambda network: network(x).ravel())(network)
    flat = [
        leaf.reshape(x.shape[0] * network.stack.positions, -1) for leaf in jax.tree.leaves(jacobian)
    ]
    return sum(leaf @ leaf.T for leaf in flat)


@pytest.mark.benchmark(group="kernel between pixels")
class TestAgainstTheJacobian:
    """z = 64 to 32 x 32, all pixels; the targets are 0.44 s for one image and 4 s for four."""

    def test_jacobian(self, seconds: Callable) -> None:
        GROUND["jacobian"] = seconds(by_jacobian, generator(), jnp.ones((1, 1, 1, 64)), rounds=1)

    @pytest.mark.parametrize("images", [1, 4])
    def test_ntk(self, seconds: Callable, compare: Callable, images: int) -> None:
        x = jax.random.normal(jax.random.key(1), (images, 1, 1, 64))
        time = seconds(empirical.ntk, generator(), x, rounds=5)
        compare(f"empirical.ntk of {images} / jacrev of 1", time, GROUND["jacobian"])
