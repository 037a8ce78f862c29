"""Every claim of the two papers holds."""

import dataclasses
import subprocess
import sys
from pathlib import Path

import jax.numpy as jnp
import pytest

from freezechaos import claims
from freezechaos.activations import normalized, standardized
from freezechaos.claims import deconvolution as positions
from freezechaos.claims.finite import finite_kernel
from freezechaos.deconvolution import DeconvStack

BOOK = Path(__file__).parents[1] / "book"
RELU = standardized("relu")
USUAL = DeconvStack(positions.LINE.size, positions.LINE.layers, "usual")
IN_STANDARD_ERRORS = {
    "finite_networks": lambda: finite_kernel(normalized("relu"), 0.3, 6),
    "layer_norm_after": lambda: finite_kernel(RELU, 0.3, 3, layer_norm="after"),
    "layer_norm_before": lambda: finite_kernel(RELU, 0.3, 3, layer_norm="before"),
    "finite_deconvolution": lambda: positions.finite_positions(positions.LINE, RELU, 0.5),
    "finite_deconvolution_in_two_dimensions": lambda: positions.finite_positions(
        positions.SQUARE, RELU, 0.5
    ),
    "finite_deconvolution_usual": lambda: positions.finite_positions(USUAL, RELU, 0.5),
}


@pytest.mark.parametrize("name", claims.CLAIMS)
def test_it_holds(name: str) -> None:
    claim = claims.CLAIMS[name]()
    assert claim.holds, claim
    if name not in IN_STANDARD_ERRORS:
        assert claim.tolerance < 0.3 * max(abs(claim.predicted), 0.1)
    assert (BOOK / f"{claim.chapter}.ipynb").exists()
    assert claim.statement.endswith(".")


@pytest.mark.parametrize("name", IN_STANDARD_ERRORS)
def test_finite_networks_are_measured_closely(name: str) -> None:
    """Where a claim counts standard errors, they must be small for it to mean anything."""
    mean, error = IN_STANDARD_ERRORS[name]()
    assert jnp.max(error) < 0.05 * jnp.max(mean)


def test_importing_them_starts_no_jax() -> None:
    program = """
import freezechaos.claims
from jax._src import xla_bridge
print(xla_bridge.backends_are_initialized())
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.strip() == "False", done.stderr


def test_a_miss_and_a_nan_do_not_hold() -> None:
    claim = claims.CLAIMS["chaos_rate"]()
    for wrong in (claim.predicted + 2 * claim.tolerance, float("nan")):
        assert not dataclasses.replace(claim, measured=wrong).holds


def test_each_is_computed_once() -> None:
    assert claims.CLAIMS["chaos_rate"]() is claims.CLAIMS["chaos_rate"]()
