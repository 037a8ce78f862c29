"""Functions at birth against their covariance, and against finite networks."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from freezechaos import kernels
from freezechaos.activations import Activation, normalized, standardized
from freezechaos.empirical import monte_carlo
from freezechaos.networks import FullyConnected, circle, on_sphere

RELU = normalized("relu")
DRAWS = 4000


@pytest.fixture
def inputs() -> jax.Array:
    return jax.random.normal(jax.random.key(0), (6, 784))


def moments(functions: jax.Array) -> np.ndarray:
    return np.asarray(functions.T @ functions) / len(functions)


@pytest.mark.parametrize(
    ("activation", "beta", "depth"),
    [(RELU, 0.0, 128), (RELU, 0.3, 5), (standardized("erf"), 0.6, 20)],
    ids=["chaos", "shallow", "freeze"],
)
def test_moments_are_the_covariance(
    inputs: jax.Array, activation: Activation, beta: float, depth: int
) -> None:
    """Within five standard errors, sqrt((1 + sigma^2) / draws) for unit variances."""
    found = moments(kernels.draw(activation, beta, depth, inputs, DRAWS, key=jax.random.key(1)))
    unit = on_sphere(inputs) / 28
    cosine = np.clip(np.asarray(unit @ unit.T), -1, 1)
    np.fill_diagonal(cosine, 1)
    expected = np.asarray(kernels.nngp(activation, beta, depth, jnp.asarray(cosine)))
    assert np.all(np.abs(found - expected) < 5 * np.sqrt((1 + expected**2) / DRAWS))


def test_equal_and_opposite_rows_stay_together_in_chaos(inputs: jax.Array) -> None:
    """At the same rows the functions agree, however deep; the scale of a row does not count."""
    odd = standardized("erf")
    twice = jnp.concatenate([inputs, inputs, -inputs, 2.0**90 * inputs])
    same, again, opposite, scaled = jnp.split(
        kernels.draw(odd, 0.0, 200, twice, 50, key=jax.random.key(2)), 4, axis=1
    )
    np.testing.assert_allclose(again, same, atol=1e-5)
    np.testing.assert_allclose(opposite, -same, atol=1e-5)
    np.testing.assert_allclose(scaled, same, atol=1e-5)


@pytest.mark.parametrize(
    ("activation", "beta", "depth"),
    [(RELU, 0.0, 30), (RELU, 0.3, 3), (standardized("erf"), 0.6, 20)],
    ids=["chaos", "shallow", "freeze"],
)
@pytest.mark.parametrize("points", [1, 9, 24])
def test_on_the_circle_the_moments_are_the_covariance(
    activation: Activation, beta: float, depth: int, points: int
) -> None:
    """Within five standard errors; the numbers of a traced draw are those of a known one."""
    keys = jax.random.split(jax.random.key(5), DRAWS)

    def one(beta: jax.Array, depth: jax.Array, key: jax.Array) -> jax.Array:
        return kernels.draw_on_circle(activation, beta, depth, points, key=key)

    drawn = jax.jit(jax.vmap(one, (None, None, 0)))(beta, depth, keys)
    again = kernels.draw_on_circle(activation, beta, depth, points, key=keys[7])
    np.testing.assert_allclose(drawn[7], again, atol=1e-5)
    apart = 2 * np.pi * np.subtract.outer(np.arange(points), np.arange(points)) / points
    expected = np.asarray(kernels.nngp(activation, beta, depth, jnp.cos(jnp.asarray(apart))))
    assert np.all(np.abs(moments(drawn) - expected) < 5 * np.sqrt((1 + expected**2) / DRAWS))


def test_wide_networks_have_these_moments() -> None:
    """One hidden layer: the covariance is exact at every width."""
    points = circle(jnp.array([0.0, 1.0, 2.5]))

    def sample(key: jax.Array) -> jax.Array:
        out = FullyConnected([2, 16, 1], RELU, 0.4, key=key)(points)
        return out * out.T

    mean, error = monte_carlo(sample, jax.random.split(jax.random.key(3), 4000), batch=500)
    drawn = moments(kernels.draw(RELU, 0.4, 2, points, 100_000, key=jax.random.key(4)))
    assert np.all(np.abs(mean - drawn) < 5 * np.hypot(error, 2**0.5 / 100_000**0.5))


@pytest.mark.parametrize(
    ("change", "error", "match"),
    [
        ({"draws": 0}, ValueError, "`draws` must be 1 or more"),
        ({"draws": True}, TypeError, "`draws` must be an integer"),
        ({"beta": [0.1, 0.2]}, TypeError, "`beta` must be one real number"),
        ({"x": jnp.zeros((2, 3))}, ValueError, "`x` must have no zero row"),
        ({"depth": 0}, ValueError, "`depth` must be 1 or more"),
    ],
)
def test_refusals(change: dict, error: type[Exception], match: str) -> None:
    given = {"activation": RELU, "beta": 0.1, "depth": 3, "x": jnp.eye(3), "draws": 2}
    with pytest.raises(error, match=match):
        kernels.draw(**(given | change), key=jax.random.key(0))


def test_a_traced_input_is_refused() -> None:
    with pytest.raises(TypeError, match="`x` must be numbers"):
        jax.jit(lambda x: kernels.draw(RELU, 0.1, 3, x, 2, key=jax.random.key(0)))(jnp.eye(3))
