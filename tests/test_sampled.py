"""Activations known by their values alone, beside the package's, which ask a function anywhere."""

from collections.abc import Callable
from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jaxtyping import Array

from freezechaos import activations, sampled
from freezechaos.kernels import ntk
from freezechaos.kernels.recursion import through_layers

FUNCTIONS: dict[str, tuple[Callable[[Array], Array], list[float]]] = {
    "tanh": (jnp.tanh, []),
    "cubic": (lambda x: x**3 - x + x**2, []),
    "relu": (jax.nn.relu, [0.0]),
}
PANELS, KINKS = 56, 3


def mesh(kinks: list[float]) -> sampled.Mesh:
    """Panels of half a unit, split at the kinks and their mirror images, empty ones outside."""
    even = np.linspace(-sampled.RADIUS, sampled.RADIUS, 49)
    borders = np.unique(np.concatenate([even, kinks, np.negative(kinks)]))
    empty = (PANELS + 1 - len(borders)) // 2
    left = np.pad(borders[:-1], empty, mode="edge")
    width = np.pad(np.diff(borders), empty)
    rest = KINKS - len(kinks)
    return sampled.Mesh(
        jnp.asarray(left),
        jnp.asarray(width),
        jnp.asarray(len(kinks)),
        jnp.asarray([*kinks, *[0.0] * rest]),
        jnp.asarray([*(empty + np.searchsorted(borders, kinks)).astype(float), *[-1.0] * rest]),
    )


see = jax.jit(sampled.seen)


@cache
def asked(name: str) -> sampled.Seen:
    function, kinks = FUNCTIONS[name]
    panels = mesh(kinks)
    way = (1 + sampled.nodes()) / 2
    places = panels.left[:, None] + panels.width[:, None] * jnp.asarray(way)[None]
    return see(function(places), panels)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_what_networks_see(name: str) -> None:
    function, _ = FUNCTIONS[name]
    with jax.enable_x64(True):
        seen = asked(name)
        base = activations.standardized(function).base
        size = np.sqrt(base.second_moment)
        np.testing.assert_allclose(seen.hermite[:200], base.hermite[:200], atol=1e-11 * size)
        assert seen.second_moment == pytest.approx(base.second_moment, rel=1e-11)
        assert seen.slope_moment == pytest.approx(base.derivative_second_moment, rel=1e-11)
        assert not np.any(seen.jumps)


@pytest.mark.parametrize(("name", "share"), [("tanh", 0.0), ("cubic", 1.0), ("relu", 1.0)])
def test_dual_map_and_kernel(name: str, share: float) -> None:
    function, _ = FUNCTIONS[name]
    sigma = activations.recentred(function, share)
    with jax.enable_x64(True):
        rho = jnp.cos(jnp.linspace(0, jnp.pi, 41))
        mine = sampled.recentred(asked(name), jnp.asarray(share))
        np.testing.assert_allclose(mine.dual(rho), sigma.dual(rho), atol=1e-10)
        np.testing.assert_allclose(
            mine.derivative_dual(rho), sigma.derivative_dual(rho),
            atol=1e-9 * sigma.derivative_second_moment,
        )  # fmt: skip
        for beta, depth in ((0.0, 64), (0.5, 1000)):
            _, theta, _ = through_layers(
                mine, jnp.asarray(beta), jnp.asarray(depth), rho, 1 - jnp.abs(rho)
            )
            np.testing.assert_allclose(theta, ntk(sigma, beta, depth, rho), atol=1e-8)


def test_a_jump_is_found() -> None:
    with jax.enable_x64(True):
        panels = mesh([0.0])
        signs = jnp.where(panels.left < 0, -1.0, 1.0)[:, None] * jnp.ones((1, sampled.NODES))
        seen = see(signs, panels)
        np.testing.assert_allclose(seen.jumps, [2, 0, 0], atol=1e-12)
        odd = np.sqrt(2 / np.pi) * np.array([0, 1, 0, -1 / np.sqrt(6)])  # of the sign function
        np.testing.assert_allclose(seen.hermite[:4], odd, atol=1e-12)
