"""What differs between the classes in the problem set on generative adversarial networks."""

import numpy as np

COMPARED = (
    ("chaos, Adam 2e-4", "freeze, descent 1", "diversity", 360, 500),
    ("freeze, Adam 2e-4", "freeze, descent 1", "diversity", 400, 560),
    ("freeze, descent 1", "chaos, Adam 1e-3", "lattice", 400, 560),
    ("freeze, descent 0.05", "chaos, Adam 2e-4", "checkerboard_2", 400, 560),
    ("chaos, descent 0.2", "freeze, Adam 1e-3", "lattice", 400, 560),
    ("chaos, Adam 1e-2", "freeze, Adam 1e-2", "lattice", 400, 560),
    ("chaos, descent 0.05", "freeze, descent 0.2", "diversity", 300, 600),
    ("chaos, Adam 2e-4", "chaos, descent 1", "diversity", 300, 600),
    ("freeze, descent 0.05", "chaos, Adam 2e-4", "diversity", 300, 600),
    ("chaos, Adam 1e-3", "chaos, Adam 1e-2", "lattice", 360, 500),
    ("freeze, Adam 2e-4", "chaos, Adam 2e-4", "checkerboard_4", 360, 500),
    ("chaos, Adam 1e-3", "chaos, descent 1", "diversity", 300, 600),
    ("freeze, Adam 2e-4", "freeze, Adam 1e-3", "checkerboard_2", 400, 560),
    ("freeze, descent 1", "chaos, Adam 2e-4", "checkerboard_4", 300, 600),
    ("chaos, descent 1", "chaos, descent 0.2", "diversity", 400, 560),
    ("chaos, descent 0.05", "freeze, Adam 1e-2", "checkerboard_4", 300, 600),
)
"""Two settings of the stored runs, a metric, first and last step: pairs whose difference is either
more than 5.5 or less than 3 standard errors, so that the verdict at 4.30 is not close."""

HIDDEN = (
    ("chaos, descent 1", "freeze, Adam 1e-2", "diversity", 40, 120),
    ("freeze, descent 0.2", "freeze, Adam 1e-2", "checkerboard_2", 20, 100),
    ("chaos, Adam 1e-2", "chaos, Adam 2e-4", "checkerboard_4", 100, 200),
    ("freeze, Adam 1e-3", "chaos, Adam 1e-3", "border_contrast", 60, 160),
)
"""What hidden tests compare."""

LATTICES = {
    "(row modulo $m$, column modulo $m$)": {
        "blocks": "part.reshape(count, rows // period, period, columns // period, period)"
        ".mean(axis=(1, 3), keepdims=True)",
        "classes": "(np.arange(24)[:, None] % period) * period + np.arange(12) % period",
        "pattern": "np.indices((16, 16)).sum(axis=0) % 2",
        "parts": "(True, True)",
    },
    "the column modulo $m$ alone": {
        "blocks": "part.reshape(count, 1, rows, columns // period, period)"
        ".mean(axis=(2, 3), keepdims=True)",
        "classes": "0 * np.arange(24)[:, None] + np.arange(12) % period",
        "pattern": "np.indices((16, 16))[1] % 2",
        "parts": "(False, True)",
    },
    "the row modulo $m$ alone": {
        "blocks": "part.reshape(count, rows // period, period, columns, 1)"
        ".mean(axis=(1, 3), keepdims=True)",
        "classes": "np.arange(24)[:, None] % period + 0 * np.arange(12)",
        "pattern": "np.indices((16, 16))[0] % 2",
        "parts": "(True, False)",
    },
}
"""Of which functions boards are made, in words and in the code of a solution and of tests."""

BASES = {**{str(n): str(n) for n in range(2, 13)}, "e": "np.e"}
"""Of logarithms, in words and in code."""

NEWBORN = (
    ("standardized", "relu", (0.2, 0.5, 0.75)),
    ("standardized", "gelu", (0.1, 0.4, 0.7)),
    ("normalized", "relu", (0.1, 0.4, 0.7)),
    ("normalized", "gelu", (0.1, 0.4, 0.7)),
    ("standardized", "silu", (0.1, 0.4, 0.7)),
)
"""Activations of newborn generators, and shares of the bias from more to less diverse."""


def parameters(rng: np.random.Generator) -> dict[str, object]:
    """Return what one class gets: made images, mixed networks, stored runs, newborn generators.

    Arguments:
        rng: the class's own; the same generator gives the same parameters.
    """
    board, stripes, grey, wave = (int(x) for x in rng.choice(np.arange(1, 8), 4, replace=False))
    kind, name, betas = NEWBORN[rng.integers(len(NEWBORN))]
    betas = [round(b + float(rng.integers(-3, 4)) / 100, 2) for b in betas]
    name_a, name_b, metric, since, until = COMPARED[rng.integers(len(COMPARED))]
    frozen, chaotic = (int(x) for x in rng.integers(3, 7, 2))
    hidden_mix = [
        (["standardized", "normalized"][rng.integers(2)], str(rng.choice(["relu", "erf", "gelu"])),
         round(float(rng.uniform(0.05, 0.6)), 2))
        for _ in range(int(rng.integers(4, 7)))
    ]  # fmt: skip
    lattice, base = str(rng.choice(list(LATTICES))), str(rng.choice(list(BASES)))
    return {
        "lattice": lattice,
        **{f"lattice_{key}": text for key, text in LATTICES[lattice].items()},
        "base": base, "base_code": BASES[base],
        "period": int(rng.choice([2, 4])),
        "board": board, "stripes": stripes, "grey": grey, "wave": wave,
        "hidden_seed": int(rng.integers(1, 10**6)),
        "hidden_images": [int(x) for x in rng.integers(3, 9, 3)],
        "frozen": frozen, "chaotic": chaotic,
        "frozen_beta": round(float(rng.uniform(0.4, 0.6)), 2),
        "chaotic_beta": round(float(rng.uniform(0.08, 0.15)), 2),
        "hidden_mix": hidden_mix,
        "hidden_cosine": round(float(rng.uniform(0.1, 0.5)), 2),
        "batch": int(rng.choice([16, 32, 48, 64, 96, 128])),
        "cosine": round(float(rng.uniform(0.0, 0.2)), 2),
        "settings": (name_a, name_b), "metric": metric, "since": since, "until": until,
        "hidden_runs": [HIDDEN[i] for i in sorted(rng.choice(len(HIDDEN), 3, replace=False))],
        "window": (int(rng.choice([320, 360, 400, 440, 480])), int(rng.choice([560, 580, 600]))),
        "newborn_kind": kind, "newborn_name": name, "newborn_betas": betas,
        "newborn_images": int(rng.choice([6, 8, 10, 12])),
        "hidden_newborn_beta": round(float(rng.uniform(0.4, 0.7)), 2),
        "hidden_window": [(4, 2, 1), (5, 3, 1), (6, 2, 2), (3, 2, 0)][rng.integers(4)],
        "bias_rate": round(float(rng.uniform(1.5, 5)), 1),
    }  # fmt: skip
