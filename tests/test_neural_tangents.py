"""Ours against numbers that neural-tangents made (tests/oracle/make_neural_tangents.py)."""

import json
import re
from math import exp, sqrt
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

from freezechaos import architectures, dynamics, kernels, regression
from freezechaos.activations import standardized
from freezechaos.architectures import (
    Architecture,
    Convolution,
    Dense,
    GlobalAveragePool,
    LayerNorm,
    bare,
    repeat,
    serial,
)
from freezechaos.regression import NNGP, NTK

ROOT = Path(__file__).parents[1]
ORACLE = json.loads((ROOT / "tests" / "oracle" / "neural_tangents.json").read_text())
X, TEST, Y, GRIDS = (np.array(ORACLE[name]) for name in ("x", "test", "y", "grids"))
RELU, BETA, DEPTH = standardized("relu"), 0.1, 4
OUTPUTS = Y.shape[1]
SCALE = exp(float(kernels.log_ntk_diagonal(RELU, BETA, DEPTH)))  # Theta(x, x)


def dense(activation) -> Architecture:
    """Of W_std 1.3, then 1.5, and b_std 0.2."""
    later = serial(activation, Dense(architectures.NTK(1.5, 0.2)))
    return serial(Dense(architectures.NTK(1.3, 0.2)), repeat(later, DEPTH - 1))


MAPS = Convolution(3, padding=1, parametrization=architectures.NTK(1.2, 0.3), division="usual")
ARCHITECTURES = {
    "off the sphere": dense(bare("relu")),
    "erf": dense(bare("erf")),
    "layer norm": serial(
        Dense(architectures.NTK(1.3, 0.2)),
        LayerNorm(),
        bare("relu"),
        Dense(architectures.NTK(1.5, 0.2)),
    ),
    "convolution": serial(
        MAPS, bare("relu"), MAPS, GlobalAveragePool(), Dense(architectures.NTK(1.0, None))
    ),
}


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_architectures(name):
    x = jnp.asarray(GRIDS if name == "convolution" else X, jnp.float32)
    found = ARCHITECTURES[name].kernels(x)
    known = {kind: np.array(values) for kind, values in ORACLE["kernels"][name].items()}
    # inputs in float32, squared, and as many layers
    np.testing.assert_allclose(found.nngp, known["nngp"], rtol=2e-6, atol=2e-6)
    ntk = np.asarray(found.ntk) * exp(float(found.log_scale))
    np.testing.assert_allclose(ntk, known["ntk"], rtol=2e-6, atol=1e-5)


def test_beta_parametrization_on_the_sphere():
    """W_std sqrt(1 - beta^2), and sqrt 2 of that behind ReLU; b_std beta."""
    known = {kind: np.array(values) for kind, values in ORACLE["kernels"]["relu"].items()}
    found = NTK(RELU, BETA, DEPTH).precise(X), NNGP(RELU, BETA, DEPTH).precise(X)
    np.testing.assert_allclose(SCALE * found[0], known["ntk"], rtol=2e-6)
    np.testing.assert_allclose(found[1], known["nngp"], atol=1e-12)


@pytest.mark.parametrize("time", ["1", "10", "infinity"])
def test_ensembles(time):
    """Theirs divides the loss by the number of outputs too, and does not scale the kernel."""
    ours = float(time) * SCALE / OUTPUTS
    pair = NTK(RELU, BETA, DEPTH), NNGP(RELU, BETA, DEPTH)
    found = regression.ensemble(*pair, X, Y, TEST, time=ours)
    known = ORACLE["ensembles"][f"ntk {time}"]
    np.testing.assert_allclose(found.mean, known["mean"], atol=1e-5)  # SCALE is of float32
    np.testing.assert_allclose(found.covariance, known["covariance"], atol=1e-5)


def test_posterior():
    found = regression.posterior(NNGP(RELU, BETA, DEPTH), X, Y, TEST, noise=0.0)
    known = ORACLE["ensembles"]["nngp infinity"]
    np.testing.assert_allclose(found.mean, known["mean"], atol=1e-9)
    np.testing.assert_allclose(found.covariance, known["covariance"], atol=1e-9)


def test_ridge():
    """diag_reg and `ridge` both count mean diagonal entries."""
    kernel, known = NTK(RELU, BETA, DEPTH), np.array(ORACLE["ensembles"]["ridge"])
    by_modes = dynamics.ridge(kernel.precise(X), Y, kernel.precise(TEST, X), 0.1)
    np.testing.assert_allclose(by_modes, known, atol=2e-6)
    by_steps = regression.fit(kernel, X, Y, ridge=0.1, progress=False)
    np.testing.assert_allclose(by_steps.predict(TEST), known, atol=1e-4)


def test_diagonal_at_depth():
    """Theta(x, x) is (1 - r^L) / (1 - r)."""
    for name, moment in (("relu", 1.0), ("erf", 2 / (sqrt(5) * np.arcsin(2 / 3)))):
        r = (1 - BETA**2) * moment
        exact = (1 - r**129) / (1 - r)
        for kind, off in (("float32", 1e-6), ("float64", 1e-13)):
            np.testing.assert_allclose(ORACLE["deep"][f"{name} 129 {kind}"], exact, rtol=off)


def test_near_duplicates():
    """Theirs in float64 is ours in float32; what the page says of theirs in float32."""
    page = (ROOT / "book" / "neural_tangents.md").read_text()
    angles, near = np.array(ORACLE["angles"]), ORACLE["near"]
    x = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    found = kernels.gram(standardized("erf"), BETA, 64, x)[0, 1:]
    np.testing.assert_allclose(found, near["float64"], atol=2e-6)
    said = re.findall(r"\| (0\.\d+) \| (\d\.\d+) \| (\d\.\d+) \|", page)
    known = zip(angles[1:], near["float64"], near["float32"], strict=True)
    assert said == [(f"{angle:g}", f"{e:.5f}", f"{f:.5f}") for angle, e, f in known]
    assert near["float32"][1] == 1 > 0.97 > near["float64"][1]
