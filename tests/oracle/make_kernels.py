"""Makes kernels.json: NNGP and scaled NTK by the recursion as written, in 80-digit arithmetic.

An independent road to the numbers of `freezechaos.kernels`: mpmath only, dual maps in closed
form or by Hermite series, no gaps and no compensated sums, since 80 digits need none. A few
minutes:

    python tests/oracle/make_kernels.py

What is left out, 1e-58 of a Hermite series, grows by at most 1 / gap, 1e7 for the cosines here,
before chaos carries Sigma off to its stable point: 50 digits survive. The exceptions, the fixed
points Sigma = 1 and (for an odd activation without bias) Sigma = -1, are held by hand.
"""

import json
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from mpmath import acos, asin, cosh, exp, log1p, mp, mpf, nstr, pi, sinh, sqrt, tanh

TARGET = Path(__file__).with_name("kernels.json")
DIGITS = 80
COSINES = [-1, -1 + 1e-7, -0.9, -0.5, -1e-3, 0, 0.2, 0.5, 0.9, 0.999, 1 - 1e-7, 1]
FULL = {"beta": ["0", "0.1", "0.5", "0.9"], "depth": [1, 2, 3, 16, 64, 256, 1024]}
THIN = {"beta": ["0", "0.5"], "depth": [3, 64, 1024]}
ODD = {"erf", "tanh", "sin"}
GRIDS = {
    "tanh": FULL,
    "relu": FULL,
    "leaky_relu(0.1)": FULL,
    "erf": FULL,
    "sin": FULL,
    "gelu": FULL,
    "silu": THIN,
    "softplus": THIN,
}
SMALLEST_GAP = mpf("1e-40")  # 1 - theta is written down to here


@dataclass
class Dual:
    """rho -> (R(rho), R'(rho)) of the bare activation, and its mean squared, R(0)."""

    pair: Callable[[mpf], tuple[mpf, mpf]]
    mean_squared: mpf


def leaky_relu(slope: str) -> Dual:
    a = mpf(slope)

    def pair(rho: mpf) -> tuple[mpf, mpf]:
        angle = acos(rho)
        kappa = (sqrt(1 - rho**2) + rho * (pi - angle)) / (2 * pi)
        return a * rho + (1 - a) ** 2 * kappa, a + (1 - a) ** 2 * (pi - angle) / (2 * pi)

    return Dual(pair, (1 - a) ** 2 / (2 * pi))


def erf() -> Dual:
    def pair(rho: mpf) -> tuple[mpf, mpf]:
        return 2 / pi * asin(2 * rho / 3), 4 / (3 * pi) / sqrt(1 - 4 * rho**2 / 9)

    return Dual(pair, mpf(0))


def sin() -> Dual:
    return Dual(lambda rho: (sinh(rho) / exp(1), cosh(rho) / exp(1)), mpf(0))


def gelu() -> Dual:
    """E[u Phi(u) v Phi(v)], by two Gaussian integrations by parts."""

    def pair(rho: mpf) -> tuple[mpf, mpf]:
        both_positive = mpf(1) / 4 + asin(rho / 2) / (2 * pi)
        root = sqrt(4 - rho**2)
        value = rho * both_positive + 1 / (2 * pi * root)
        return value, both_positive + rho / (2 * pi * root) + rho / (2 * pi * root**3)

    return Dual(pair, 1 / (4 * pi))


def trapezoid(steps: int) -> tuple[list[mpf], list[mpf]]:
    """Nodes and weights of E[f(Z)], so many to a unit."""
    nodes = [mpf(k) / steps for k in range(-30 * steps, 30 * steps + 1)]
    return nodes, [exp(-(z**2) / 2) / sqrt(2 * pi) / steps for z in nodes]


def hermite(function: Callable[[mpf], mpf], odd: bool, count: int) -> Dual:
    """R(rho) = sum_k a_k^2 rho^k; the a_k by the trapezoidal rule, exact for analytic functions.

    The sum is Horner's rule in integers scaled by 2^bits, in rho^2 for an odd function.
    """
    nodes, weights = trapezoid(steps=40)
    measure = [weight * function(z) for z, weight in zip(nodes, weights, strict=True)]
    previous, current = [mpf(0)] * len(nodes), [mpf(1)] * len(nodes)
    squares = []
    for k in range(count):
        squares.append(mp.fdot(measure, current) ** 2)
        root, next_root = sqrt(mpf(k)), sqrt(mpf(k + 1))
        following = [
            (z * c - root * p) / next_root for z, c, p in zip(nodes, current, previous, strict=True)
        ]
        previous, current = current, following
    nodes, weights = trapezoid(steps=37)
    second_moment = mp.fdot(weights, [function(z) ** 2 for z in nodes])
    missing = second_moment - mp.fsum(squares)
    assert abs(missing) < mpf("1e-58"), nstr(missing, 3)

    bits = mp.prec + 20
    step = 2 if odd else 1
    values = [int(square * 2**bits) for square in squares[step - 1 :: step]]
    slopes = [int(k * square * 2**bits) for k, square in enumerate(squares)][step - 1 :: step]

    def horner(coefficients: list[int], x: mpf) -> mpf:
        scaled, total = int(x * 2**bits), 0
        for coefficient in reversed(coefficients):
            total = (total * scaled >> bits) + coefficient
        return mpf(total) / 2**bits

    def odd_pair(rho: mpf) -> tuple[mpf, mpf]:
        return rho * horner(values, rho**2), horner(slopes, rho**2)

    def any_pair(rho: mpf) -> tuple[mpf, mpf]:
        return horner(values, rho), horner(slopes[1:], rho)

    return Dual(odd_pair if odd else any_pair, squares[0])


def duals(name: str) -> Dual:
    match name:
        case "relu":
            return leaky_relu("0")
        case "leaky_relu(0.1)":
            return leaky_relu("0.1")
        case "erf" | "sin" | "gelu":
            return {"erf": erf, "sin": sin, "gelu": gelu}[name]()
        case "tanh":
            return hermite(tanh, odd=True, count=2000)
        case "silu":
            return hermite(lambda z: z / (1 + exp(-z)), odd=False, count=600)
        case "softplus":
            return hermite(lambda z: log1p(exp(z)), odd=False, count=600)
    raise ValueError(name)


def rows(name: str, dual: Dual, form: str, beta: str, depths: list[int]) -> dict:
    """nngp, ntk and, where theta > 1/2, its gap 1 - theta, for each depth and cosine."""
    mean_squared = dual.mean_squared if form == "normalized" else mpf(0)
    value_at_1, slope_at_1 = dual.pair(mpf(1))
    variance = value_at_1 - mean_squared
    share = 1 - mpf(beta) ** 2
    r = share * slope_at_1 / variance
    fixed = (mpf(1), mpf(-1)) if name in ODD and beta == "0" else (mpf(1),)
    table: dict = {str(depth): {"nngp": [], "ntk": [], "gap": []} for depth in depths}
    for cosine in COSINES:
        sigma = theta = share * mpf(float(np.float32(cosine))) + mpf(beta) ** 2
        diagonal = mpf(1)
        for layer in range(1, max(depths) + 1):
            if layer in depths:
                at = table[str(layer)]
                gap = 1 - theta / diagonal
                at["nngp"].append(nstr(sigma, 18))
                at["ntk"].append(nstr(theta / diagonal, 18))
                written = None if gap > 0.5 else nstr(gap if gap > SMALLEST_GAP else mpf(0), 18)
                at["gap"].append(written)
            if sigma in fixed:
                slope = r
            else:
                value, slope = dual.pair(sigma)
                sigma = share * (value - mean_squared) / variance + mpf(beta) ** 2
                slope = share * slope / variance
            theta = sigma + slope * theta
            diagonal = 1 + r * diagonal
    return table


def kernels_of(name: str) -> list[dict]:
    mp.dps = DIGITS
    dual = duals(name)
    forms = ["normalized"] if name in ODD else ["standardized", "normalized"]
    return [
        {"activation": name, "form": form, "beta": beta, "depths": table}
        for form in forms
        for beta in GRIDS[name]["beta"]
        for table in [rows(name, dual, form, beta, GRIDS[name]["depth"])]
    ]


def main() -> None:
    with ProcessPoolExecutor(2) as pool:
        entries = [entry for some in pool.map(kernels_of, GRIDS) for entry in some]
    head = {
        "made_by": "tests/oracle/make_kernels.py",
        "cosine": [float(np.float32(cosine)) for cosine in COSINES],
    }
    lines = ",\n".join(json.dumps(entry, separators=(",", ":")) for entry in entries)
    TARGET.write_text(json.dumps(head)[:-1] + ', "kernels": [\n' + lines + "\n]}\n")
    print(f"{TARGET.name}: {len(entries)} kernels, {TARGET.stat().st_size} bytes", file=sys.stderr)


if __name__ == "__main__":
    main()
