"""What differs between the classes in the problem set on kernels and regimes."""

import numpy as np

MEAN_DEGREE = {
    ("standardized", "relu"): 1.0,
    ("normalized", "relu"): 1.46694,
    ("standardized", "gelu"): 1.07203,
    ("normalized", "gelu"): 1.31884,
    ("normalized", "silu"): 1.21208,
    ("standardized", "erf"): 1.22570,
    ("standardized", "tanh"): 1.17781,
    ("standardized", "sin"): 1.31304,
}
"""E[sigma'(Z)^2], the characteristic value without bias."""

SLOPES = tuple(n / 100 for n in (*range(-60, -14), *range(15, 51)))


def parameters(rng: np.random.Generator) -> dict[str, object]:
    """Draw a leaky ReLU, gaps, depths, a polynomial, and networks well off the edge.

    The small beta keep r^(L/2) in the range of float32, so that depth 1000 is a fair question.
    Whatever is measured has |r - 1| of 0.1 or more, five of the standard errors that are asked for.
    """
    linear = int(rng.choice([-2, -1, 1, 2, 4]))
    return {
        "slope": float(rng.choice(SLOPES)),
        "rho_low": _between(rng, 0.02, 0.3),
        "rho_high": _between(rng, 0.6, 0.95),
        "rho_close": f"{_between(rng, 1, 9)}e-5",
        "beta_small": round(rng.uniform(0.05, 0.14), 3),
        "beta_depth": round(rng.uniform(0.11, 0.14), 3),
        "beta_large": round(rng.uniform(0.25, 0.45), 3),
        "deep": int(rng.integers(700, 1001)),
        "shallow": int(rng.integers(60, 120)),
        "gap_wide": _between(rng, 1.2, 1.9),
        "gap_middle": _between(rng, 0.2, 0.7),
        "gap_trap": f"{_between(rng, 1, 9)}e-4",
        "gap_small": f"{_between(rng, 1, 9)}e-6",
        "gap_tiny": f"{_between(rng, 1, 9)}e-15",
        "epsilon": round(rng.uniform(0.002, 0.006), 4),
        "linear": linear,
        "linear_term": f"{linear:+d}\\,z",
        "quadratic": int(rng.integers(1, 5)),
        "linear_share": _between(rng, 0.3, 0.9),
        "key": int(rng.integers(2**31 - 100)),
        "open_width": int(rng.choice([32, 48, 64, 96])),
        "letter": str(rng.choice(["A", "B", "C"])),
        **_networks(rng),
    }


def _networks(rng: np.random.Generator) -> dict[str, object]:
    """Four pairs of an activation and a beta: both regimes among the first three."""
    drawn: dict[str, object] = {}
    chaotic = rng.permutation([True, False, bool(rng.integers(2))])
    kinds = list(MEAN_DEGREE)
    for letter, chaos in zip("abcd", [*chaotic, bool(rng.integers(2))], strict=True):
        able = [kind for kind in kinds if MEAN_DEGREE[kind] > 1.17 or not chaos]
        kind = able[int(rng.integers(len(able)))]
        kinds.remove(kind)
        low, high = (1.12, min(MEAN_DEGREE[kind] - 0.01, 1.35)) if chaos else (0.6, 0.86)
        drawn |= {
            f"kind_{letter}": kind[0],
            f"name_{letter}": kind[1],
            f"beta_{letter}": round(np.sqrt(1 - rng.uniform(low, high) / MEAN_DEGREE[kind]), 2),
            f"regime_{letter}": "chaos" if chaos else "freeze",
        }
    del drawn["regime_d"]  # nobody is asked for it
    return drawn


def _between(rng: np.random.Generator, low: float, high: float) -> float:
    return round(rng.uniform(low, high), 2)
