"""What differs between the classes in the problem set on normalization."""

import numpy as np

BORDER = {10: 0.22742, 12: 0.16363, 16: 0.10462, 20: 0.07678, 24: 0.06060, 32: 0.04260}
"""By how much one of N orthogonal points must be longer to become the odd one."""

SLOPES = tuple(n / 100 for n in (*range(-50, -19), *range(5, 16)))


def parameters(rng: np.random.Generator) -> dict[str, object]:
    """Draw an activation, a network with batch norm, a leaky ReLU, and batches off the border.

    No batch lies within 30 % of the border, and the slopes stay where layers settle fast.
    """
    points, hidden_points, border_points, open_points = (
        int(n) for n in rng.choice(list(BORDER), 4, replace=False)
    )
    cosine, hidden_cosine, border_cosine = (round(rng.uniform(0.1, 0.6), 2) for _ in range(3))
    low, high = _excesses(rng, points, cosine)
    hidden_low, hidden_high = _excesses(rng, hidden_points, hidden_cosine)
    is_first_odd = bool(rng.integers(2))
    return {
        **_activation(rng),
        "below": round(rng.uniform(0.85, 0.97), 3),
        "above": round(rng.uniform(1.02, 1.1), 3),
        "smooth": str(rng.choice(["erf", "tanh", "sin", "gelu"])),
        "beta": round(rng.uniform(0.25, 0.75), 2),
        "gain": round(rng.uniform(0.4, 2.2), 2),
        "hidden_beta": round(rng.uniform(0.25, 0.75), 2),
        "hidden_gain": round(rng.uniform(0.4, 2.2), 2),
        "batch": int(rng.integers(6, 11)),
        "hidden_batch": int(rng.integers(5, 10)),
        "inputs": int(rng.integers(4, 9)),
        "narrow": int(rng.integers(2, 4)),
        "key": int(rng.integers(2**31)),
        "slope": float(rng.choice(SLOPES)),
        "points": points,
        "cosine": cosine,
        "excess_p": high if is_first_odd else low,
        "excess_q": low if is_first_odd else high,
        "fate_p": "odd" if is_first_odd else "symmetric",
        "fate_q": "symmetric" if is_first_odd else "odd",
        "hidden_points": hidden_points,
        "hidden_cosine": hidden_cosine,
        "hidden_low": hidden_low,
        "hidden_high": hidden_high,
        "border_points": border_points,
        "border_cosine": border_cosine,
        "open_points": open_points,
        "stretch": round(rng.uniform(0.6, 1.8), 2),
    }


def _activation(rng: np.random.Generator) -> dict[str, object]:
    """A function that has a mean, in LaTeX and in code, with its kink."""
    a, b = round(rng.uniform(1.5, 4.0), 2), round(rng.uniform(0.2, 0.7), 2)
    shift = b if rng.integers(2) else -b
    kinds = (
        (rf"\max(z {-shift:+}, 0)", f"xp.maximum(z - {shift}, 0)", f"z > {shift}", shift),
        (rf"|z {-shift:+}|", f"xp.abs(z - {shift})", f"np.sign(z - {shift})", shift),
        (
            rf"\max(z {-shift:+}, -1)",
            f"xp.maximum(z - {shift}, -1)",
            f"z > {round(shift - 1, 2)}",
            round(shift - 1, 2),
        ),
        (
            rf"\log(1 + e^{{{a}\,z}})",
            f"xp.logaddexp(0, {a} * z)",
            f"{a} / (1 + np.exp(-{a} * z))",
            0.0,
        ),
        (
            rf"\tanh({a}\,z {shift:+})",
            f"xp.tanh({a} * z {shift:+})",
            f"{a} / np.cosh({a} * z {shift:+}) ** 2",
            0.0,
        ),
    )
    latex, code, slope, kink = kinds[int(rng.integers(len(kinds)))]
    return {"activation": latex, "code": code, "slope_code": slope, "kink": kink}


def _excesses(rng: np.random.Generator, n: int, cosine: float) -> tuple[float, float]:
    """Two excess lengths, one for each fate, of one of n points with this cosine in pairs."""
    # what recentring leaves of the batch is that of orthogonal points with the excess BORDER[n]
    square = cosine**2 - cosine + (1 - cosine) * (1 + BORDER[n]) ** 2
    border = cosine + np.sqrt(square) - 1
    low, high = border * rng.uniform(0.4, 0.65), border * rng.uniform(1.5, 2.2)
    return round(low, 4), round(high, 4)
