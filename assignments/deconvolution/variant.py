"""What differs between the classes in the problem set on deconvolutional networks."""

import numpy as np

KINDS = {
    "transposed convolution": {
        "rule": "p = s\\,q + k - a",
        "reads": "tap $k$ reads the parent $q$",
        "after": "(n - 1)\\,s + w - 2a",
        "make": "graphs.transposed_convolution(window, stride, padding)",
        "length": "(n - 1) * stride + window - 2 * padding",
        "inputs": "n",
        "reach": "p + padding - k",
        "parent": "divmod(reach, stride)",
    },
    "transposed convolution with output padding 1": {
        "rule": "p = s\\,q + k - a",
        "reads": "tap $k$ reads the parent $q$; one more position is kept at the far end",
        "after": "(n - 1)\\,s + w - 2a + 1",
        "make": "graphs.transposed_convolution(window, stride, padding, 1)",
        "length": "(n - 1) * stride + window - 2 * padding + 1",
        "inputs": "n",
        "reach": "p + padding - k",
        "parent": "divmod(reach, stride)",
    },
    "resize to the nearest pixel, then a convolution": {
        "rule": "q = \\lfloor (p + w - 1 - a - k) / s \\rfloor",
        "reads": "each of the $n$ positions is repeated $s$ times, and tap $k$ reads the copy at "
        "$p + w - 1 - a - k$, if there is one among the $n s$ copies, which belongs to the parent "
        "$q$",
        "after": "n\\,s + 2a - w + 1",
        "make": "graphs.resize_convolution(stride, window, padding)",
        "length": "n * stride + 2 * padding - window + 1",
        "inputs": "n * stride",
        "reach": "p + window - 1 - padding - k",
        "parent": "(reach // stride, 0)",
    },
}
"""A layer in words, in formulas, in the package's and in a solution's code."""

ACTIVATIONS = {
    "erf": {
        "raw": "\\operatorname{erf}(NUMBER\\,x)",
        "given": "\\mathbb E[g(u)g(v)] = \\tfrac2\\pi \\arcsin\\tfrac{2 a^2 \\rho}{1 + 2 a^2}, "
        "\\quad a = NUMBER",
        "make": "activations.standardized(lambda x: jax.scipy.special.erf(NUMBER * x))",
        "solution": """share = 2 * NUMBER**2 / (1 + 2 * NUMBER**2)
    value = np.arcsin(share * rho) / np.arcsin(share)
    slope = share / np.sqrt(1 - (share * rho) ** 2) / np.arcsin(share)""",
    },
    "sine": {
        "raw": "\\sin(NUMBER\\,x)",
        "given": "\\mathbb E[g(u)g(v)] = e^{-a^2} \\sinh(a^2 \\rho), \\quad a = NUMBER",
        "make": "activations.standardized(lambda x: jnp.sin(NUMBER * x))",
        "solution": """square = NUMBER**2
    value = np.sinh(square * rho) / np.sinh(square)
    slope = square * np.cosh(square * rho) / np.sinh(square)""",
    },
    "sine plus cosine": {
        "raw": "\\sin(NUMBER\\,x) + \\cos(NUMBER\\,x)",
        "given": "\\mathbb E[g(u)g(v)] = e^{-a^2} (\\sinh(a^2 \\rho) + \\cosh(a^2 \\rho)) = "
        "e^{a^2 (\\rho - 1)}, \\quad a = NUMBER",
        "make": "activations.standardized(lambda x: jnp.sin(NUMBER * x) + jnp.cos(NUMBER * x))",
        "solution": """value = np.exp(NUMBER**2 * (rho - 1))
    slope = NUMBER**2 * value""",
    },
    "shifted ReLU": {
        "raw": "\\sqrt2\\, \\max(x, 0) - \\tfrac{NUMBER}{\\sqrt\\pi}",
        "given": "\\mathbb E[2 \\max(u,0) \\max(v,0)] = \\tfrac1\\pi \\big(\\sqrt{1 - \\rho^2} + "
        "\\rho\\, (\\pi - \\arccos \\rho)\\big), \\quad \\mathbb E[\\max(u,0)] = "
        "\\tfrac1{\\sqrt{2\\pi}}",
        "make": 'activations.recentred("relu", NUMBER)',
        "solution": """angle = np.arccos(np.clip(rho, -1, 1))
    lost = NUMBER * (2 - NUMBER) / np.pi
    value = ((np.sin(angle) + rho * (np.pi - angle)) / np.pi - lost) / (1 - lost)
    slope = (np.pi - angle) / np.pi / (1 - lost)""",
    },
    "leaky ReLU": {
        "raw": "\\max(x, 0) + NUMBER \\min(x, 0)",
        "given": "\\mathbb E[\\max(u,0) \\max(v,0)] = K(\\rho) = \\tfrac1{2\\pi} \\big("
        "\\sqrt{1 - \\rho^2} + \\rho\\, (\\pi - \\arccos \\rho)\\big), \\quad "
        "\\mathbb E[\\max(u,0) \\min(v,0)] = -K(-\\rho)",
        "make": "activations.standardized(activations.leaky_relu(NUMBER))",
        "solution": """angle = np.arccos(np.clip(rho, -1, 1))
    both = (np.sin(angle) + rho * (np.pi - angle)) / (2 * np.pi)
    apart = (np.sin(angle) - rho * angle) / (2 * np.pi)
    scale = (1 + NUMBER**2) / 2
    value = ((1 + NUMBER**2) * both - 2 * NUMBER * apart) / scale
    slope = ((1 + NUMBER**2) * (np.pi - angle) + 2 * NUMBER * angle) / (2 * np.pi * scale)""",
    },
}
"""A function g, what is given of it, and what its standardized version is in code."""

NUMBERS = {"shifted ReLU": (0.4, 1.0), "leaky ReLU": (0.1, 0.5)}
"""Least and greatest number of an activation; of the others, `STRETCH`."""

STRETCH = (0.7, 1.2)

BOARDS = ((2, 4, 1), (2, 6, 2), (3, 3, 0), (3, 5, 1), (3, 9, 3))
"""Stride, window, padding of networks whose eigenvectors are looked at."""


def parameters(rng: np.random.Generator) -> dict[str, object]:
    """Return what one class gets: layers, activations, shares of the bias, pairs of pixels.

    Every number a solution has to reach is a continuous function of these, away from 0 / 0: shares
    of the bias stay in (0.1, 0.9), layers leave no position without a parent.

    Arguments:
        rng: the class's own; the same generator gives the same parameters.
    """
    kind = str(rng.choice(list(KINDS)))
    activation = str(rng.choice(list(ACTIVATIONS)))
    number = f"{_share(rng, *NUMBERS.get(activation, STRETCH))}"
    smooth = {key: text.replace("NUMBER", number) for key, text in ACTIVATIONS[activation].items()}
    least = 0 if kind == "transposed convolution" else 1  # the others would lose positions
    layers = [_layer(rng, least) for _ in range(5)]
    sagging = [_layer(rng, least) for _ in range(3)]
    strides = [(2, 2, 3), (2, 3, 2), (3, 2, 2), (3, 2, 3), (2, 3, 3), (3, 3, 2)]
    steps = list(strides[rng.integers(len(strides))])
    stride, window, padding = BOARDS[rng.integers(len(BOARDS))]
    corner = [(4, 2), (6, 2), (8, 2), (6, 3), (9, 3), (8, 4)][rng.integers(6)]
    orders = [(2, 2, 3, 2), (3, 2, 2, 2), (2, 3, 2, 2), (2, 2, 2, 3), (4, 2, 2, 2), (2, 4, 2, 2)]
    order = list(orders[rng.integers(len(orders))])
    return {
        "kind": kind,
        **{f"kind_{key}": text for key, text in KINDS[kind].items()},
        "positions": int(rng.integers(5, 9)),
        "window": layers[0][1], "stride": layers[0][2], "padding": layers[0][3],
        "hidden_layers": layers[1:],
        "sag_layers": sagging,
        "sag_beta": _share(rng, 0.15, 0.6),
        "corner_window": corner[0], "corner_stride": corner[1],
        "corner_beta": _share(rng, 0.25, 0.7),
        "activation": activation,
        **{f"activation_{key}": text for key, text in smooth.items()},
        "beta": _share(rng, 0.2, 0.8),
        "hidden_beta": _share(rng, 0.2, 0.8),
        "hidden_seed": int(rng.integers(1, 10**6)),
        "steps": steps,
        "step_beta": _share(rng, 0.6, 0.8),
        "distances": _distances(rng, steps),
        "error_beta": _share(rng, 0.7, 0.85),
        "hidden_error_beta": _share(rng, 0.7, 0.85),
        "board_stride": stride, "board_window": window, "board_padding": padding,
        "board_positions": int(rng.integers(8, 13)) if stride == 2 else int(rng.integers(4, 6)),
        "board_beta": _share(rng, 0.5, 0.7),
        "fire_beta": _share(rng, 0.08, 0.15),
        "hidden_tones": _tones(rng),
        "order": order,
        "rate_beta": _share(rng, 0.4, 0.6),
        "hidden_order": [int(s) for s in rng.choice([1, 2, 3, 5], 5)],
        "hidden_values": [round(float(x), 2) for x in rng.uniform(0.1, 4, 6)],
    }  # fmt: skip


def _share(rng: np.random.Generator, low: float, high: float) -> float:
    """Return a number between two others, with two digits."""
    return round(float(rng.uniform(low, high)), 2)


def _layer(rng: np.random.Generator, least: int) -> tuple[int, int, int, int]:
    """Return positions, window, stride, padding, of which the stride does not divide the window."""
    stride = int(rng.choice([2, 3]))
    window = int(rng.choice([3, 5, 7] if stride == 2 else [4, 5, 7]))
    padding = int(rng.integers(least, (window - 1) // 2 + 1))
    return int(rng.integers(5, 8)), window, stride, padding


def _distances(rng: np.random.Generator, steps: list[int]) -> list[int]:
    """Return five distances: one stranger, one relative a layer down, two of two layers, a trap.

    The trap is divisible by the first stride and not by the last, or a stranger where both are
    equal.
    """
    last, whole = steps[-1], steps[-1] * steps[-2]
    every = np.arange(1, 31)
    strangers = every[every % last != 0]
    near = every[(every % last == 0) & (every % whole != 0)]
    far = every[every % whole == 0]
    trap = every[(every % steps[0] == 0) & (every % last != 0)]
    chosen = [
        *rng.choice(strangers, 1), *rng.choice(near, 1), *rng.choice(far, 2, replace=False),
        *rng.choice(trap if len(trap) else strangers, 1),
    ]  # fmt: skip
    return [int(d) for d in rng.permutation(chosen)]


def _tones(rng: np.random.Generator) -> list[tuple[int, float]]:
    """Return four frequencies of 60 positions, in cycles over all, with falling weights."""
    cycles = rng.choice(np.arange(1, 30), 4, replace=False)
    weights = np.sort(rng.uniform(1, 2, 4))[::-1] * [4, 2.5, 1.5, 1]
    return [(int(c), round(float(w), 2)) for c, w in zip(cycles, weights, strict=True)]
