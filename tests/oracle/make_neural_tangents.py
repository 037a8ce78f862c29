"""Makes neural_tangents.json: numbers of neural-tangents, for the page that compares it with us.

neural-tangents was archived in 2025; its last release, 0.6.5, runs with JAX 0.5.3 in Python 3.11.
In an environment of its own, with neural-tangents==0.6.5 and jax==0.5.3, some minutes:

    python tests/oracle/make_neural_tangents.py
"""

import json
from importlib.metadata import version
from pathlib import Path

import jax
import jax.numpy as jnp
import neural_tangents as nt
import numpy as np
from neural_tangents import stax

jax.config.update("jax_enable_x64", True)

TARGET = Path(__file__).with_name("neural_tangents.json")
DRAW = np.random.default_rng(0)
BETA, DEPTH = 0.1, 4
ERF = float(1 / np.sqrt(2 / np.pi * np.arcsin(2 / 3)))  # its second moment becomes 1
ANGLES = np.array([0.0, 1e-4, 3e-4, 1e-3, 3e-3])
NORM = float(np.sqrt(1 - BETA**2))  # NumPy's own would make float64 of float32


def sphere(x: np.ndarray) -> np.ndarray:
    return x * np.sqrt(x.shape[1]) / np.linalg.norm(x, axis=1, keepdims=True)


X, TEST = DRAW.normal(size=(6, 5)), DRAW.normal(size=(3, 5))
Y = DRAW.normal(size=(6, 2))
GRIDS = DRAW.normal(size=(3, 4, 4, 2))


def both(layers, x) -> dict:
    """NNGP and NTK of a network, between all rows."""
    _, _, kernel = stax.serial(*layers)
    found = kernel(jnp.asarray(x), None, ("nngp", "ntk"))
    return {"nngp": np.asarray(found.nngp).tolist(), "ntk": np.asarray(found.ntk).tolist()}


def dense(
    first: float, later: float, bias: float, activation, depth: int = DEPTH, **others
) -> list:
    """A fully connected network of `depth` affine maps."""
    layers = [stax.Dense(16, W_std=first, b_std=bias, **others)]
    for _ in range(depth - 1):
        layers += [activation, stax.Dense(16, W_std=later, b_std=bias, **others)]
    return layers


def deep_diagonal(activation, scale: float, depth: int, dtype) -> float:
    """Theta(x, x) of an input on the sphere, in a precision."""
    with jax.experimental.enable_x64(dtype == jnp.float64):
        _, _, kernel = stax.serial(*dense(NORM, NORM * scale, BETA, activation, depth))
        found = kernel(jnp.asarray(sphere(X), dtype), None, "ntk")
        assert found.dtype == dtype
        return float(found[0, 0])


def near_duplicates(dtype) -> list[float]:
    """The kernel, over its diagonal, between two inputs of a sphere at small angles, in chaos."""
    with jax.experimental.enable_x64(dtype == jnp.float64):
        _, _, kernel = stax.serial(*dense(NORM, NORM * ERF, BETA, stax.Erf(), 64))
        x = np.stack([np.cos(ANGLES), np.sin(ANGLES)], axis=1) * np.sqrt(2)
        found = kernel(jnp.asarray(x, dtype), None, "ntk")
        assert found.dtype == dtype
        return (np.asarray(found)[0, 1:] / np.asarray(found)[0, 0]).astype(float).tolist()


def ensembles() -> dict:
    """Mean and covariance of networks trained for a time, of both kernels in the limit, ridges."""
    _, _, kernel = stax.serial(*dense(NORM, NORM * np.sqrt(2), BETA, stax.Relu()))
    x, test = sphere(X), sphere(TEST)
    predict = nt.predict.gradient_descent_mse_ensemble(kernel, x, Y, diag_reg=0.0)
    found = {}
    for name, time in (("1", 1.0), ("10", 10.0), ("infinity", None)):
        trained = predict(t=time, x_test=test, get=("nngp", "ntk"), compute_cov=True)
        for which in ("nngp", "ntk"):
            part = getattr(trained, which)
            found[f"{which} {name}"] = {
                "mean": np.asarray(part.mean).tolist(),
                "covariance": np.asarray(part.covariance).tolist(),
            }
    ridge = nt.predict.gradient_descent_mse_ensemble(kernel, x, Y, diag_reg=0.1)
    found["ridge"] = np.asarray(ridge(x_test=test, get="ntk")).tolist()
    return found


def main() -> None:
    convolution = {"filter_shape": (3, 3), "padding": "SAME", "W_std": 1.2, "b_std": 0.3}
    rows = {
        "relu": both(dense(NORM, NORM * np.sqrt(2), BETA, stax.Relu()), sphere(X)),
        "off the sphere": both(dense(1.3, 1.5, 0.2, stax.Relu()), X),
        "erf": both(dense(1.3, 1.5, 0.2, stax.Erf()), X),
        "leaky relu": both(dense(1.3, 1.5, 0.2, stax.LeakyRelu(0.1)), X),
        "layer norm": both(
            [
                stax.Dense(16, W_std=1.3, b_std=0.2), stax.LayerNorm(), stax.Relu(),
                stax.Dense(16, W_std=1.5, b_std=0.2),
            ],
            X,
        ),
        "convolution": both(
            [
                stax.Conv(16, **convolution), stax.Relu(), stax.Conv(16, **convolution),
                stax.GlobalAvgPool(), stax.Dense(1, W_std=1.0, b_std=0.0),
            ],
            GRIDS,
        ),
    }  # fmt: skip
    deep = {
        f"{name} {depth} {kind}": deep_diagonal(activation, scale, depth, dtype)
        for name, activation, scale in (
            ("relu", stax.Relu(), float(np.sqrt(2))),
            ("erf", stax.Erf(), ERF),
        )
        for depth in (129,)
        for kind, dtype in (("float32", jnp.float32), ("float64", jnp.float64))
    }
    given = {
        "made_by": "tests/oracle/make_neural_tangents.py",
        "with": {name: version(name) for name in ("neural-tangents", "jax", "jaxlib", "numpy")},
        "x": X.tolist(),
        "test": TEST.tolist(),
        "y": Y.tolist(),
        "grids": GRIDS.tolist(),
    }
    near = {kind: near_duplicates(getattr(jnp, kind)) for kind in ("float32", "float64")}
    parts = {"kernels": rows, "ensembles": ensembles(), "deep": deep, "near": near}
    everything = given | {"angles": ANGLES.tolist()} | parts
    TARGET.write_text(json.dumps(everything) + "\n")
    print(json.dumps(deep, indent=1))


if __name__ == "__main__":
    main()
