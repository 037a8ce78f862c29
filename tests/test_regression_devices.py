"""Regression over eight simulated devices against one."""

import os
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from test_regression import Y, fit


def on_eight(file: str) -> None:
    """What the process with eight devices does; 300 rows are no multiple of eight."""
    mesh = Mesh(np.array(jax.devices()), ("rows",))
    assert mesh.size == 8
    found = fit(sharding=NamedSharding(mesh, PartitionSpec("rows")))
    assert found.converged
    np.save(file, found.coefficients)


@pytest.mark.slow
def test_eight_devices_come_to_the_same(tmp_path: Path) -> None:
    file = tmp_path / "eight.npy"
    code = "import sys; sys.path.insert(0, sys.argv[1]); import test_regression_devices as here; "
    subprocess.run(
        [
            sys.executable,
            "-c",
            code + "here.on_eight(sys.argv[2])",
            str(Path(__file__).parent),
            file,
        ],
        env=os.environ
        | {
            "XLA_FLAGS": "--xla_force_host_platform_device_count=8 "
            "--xla_backend_optimization_level=1",
            "JAX_PLATFORMS": "cpu",
        },
        check=True,
        timeout=300,
    )
    one = fit()
    # two solutions within the tolerance, and two roundings of a kernel by 2e-6 over a ridge of 1e-2
    difference = np.linalg.norm(np.load(file) - one.coefficients, axis=0)
    assert np.all(difference < 1e-3 * np.linalg.norm(one.coefficients, axis=0))
    assert one.coefficients.shape == Y.shape
