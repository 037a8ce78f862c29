"""Questions on chapters 1 to 4: wide networks, their kernel, freeze and chaos, learning."""

from collections.abc import Sequence
from math import ceil, cos, exp, log, pi, radians, sqrt

import jax.numpy as jnp
import numpy as np
from numpy.polynomial import HermiteE

from freezechaos import activations, dynamics, expectations, kernels, regimes, spectra
from freezechaos.activations import Activation

from .bank import Asked, Rng, asked, between, one_of

WIDE, KERNEL = "01_wide_networks", "02_the_tangent_kernel"
PHASES, LEARNING = "03_freeze_and_chaos", "04_trainability_and_generalization"


def relu() -> Activation:
    """Return standardized ReLU."""
    return activations.standardized("relu")


def diagonal(activation: Activation, beta: float, depth: int) -> float:
    """Return the tangent kernel of an input with itself."""
    return exp(float(kernels.log_ntk_diagonal(activation, beta, depth)))


def alike(count: int, shared: float) -> np.ndarray:
    """Return the Gram matrix of inputs that share one number, two by two."""
    return np.asarray((1 - shared) * np.eye(count) + shared)


def hermite_shares(terms: Sequence[float]) -> np.ndarray:
    """Return the shares a_k^2 of a sum of Hermite polynomials He_k, integrated once more."""
    function, slope, bend = (
        HermiteE(terms).deriv(order) if order else HermiteE(terms) for order in range(3)
    )
    panels = expectations.panels(function, slope, bend)
    return expectations.hermite_coefficients(function, panels, len(terms)) ** 2


@asked(WIDE, minutes=3)
def first_covariance(rng: Rng) -> Asked:
    """The covariance after one affine map."""
    angle, beta = int(rng.integers(40, 85)), between(rng, 0.3, 0.7)
    cosine = cos(radians(angle))
    return Asked(
        text="Two inputs on the sphere are at <<angle>> degrees, and the bias share is "
        "$\\beta = <<beta>>$. What is the covariance $\\Sigma^{(1)}$ of one neuron of the first "
        "layer at the two inputs?",
        answer=kernels.nngp(relu(), beta, 1, cosine),
        tolerance=0.005,
        solution="$\\Sigma^{(1)} = (1-\\beta^2)\\cos(<<angle>>°) + \\beta^2 = <<answer>>$. The "
        "activation has not acted yet.",
        given={"angle": angle, "beta": beta},
        wrong=[
            (cosine, "That is the cosine; the bias pulls the two together."),
            ((1 - beta**2) * cosine, "The bias is the same at both inputs and adds β²."),
            ((1 - beta) * cosine + beta, "β is a share of the size, β² of the variance."),
        ],
    )


@asked(WIDE, minutes=4)
def width_for_kurtosis(rng: Rng) -> Asked:
    """The smallest width with an excess below a bound, from E s(Z)^4."""
    beta, bound = between(rng, 0.1, 0.6, 1), one_of(rng, 0.02, 0.03, 0.04, 0.05)
    nodes, weights = np.polynomial.hermite_e.hermegauss(200)
    fourth = float(weights @ np.asarray(relu()(jnp.asarray(nodes))) ** 4 / weights.sum())
    exact = 3 * (1 - beta**2) ** 2 * (round(fourth, 3) - 1) / bound
    return Asked(
        text="One hidden layer of $n$ neurons, standardized ReLU, $\\beta = <<beta>>$; "
        "$\\mathbb E\\,\\sigma(Z)^4 = 6$. From which width on is the excess kurtosis of the "
        "output at most <<bound>>?",
        answer=ceil(exact - 1e-9),
        tolerance=1,
        solution="Given the hidden layer the output is Gaussian, so the excess is "
        "$3\\operatorname{Var}K = 3(1-\\beta^2)^2(\\mathbb E\\sigma^4 - 1)/n = "
        "15(1-<<beta>>^2)^2/n$, exactly. That is <<bound>> at $n = <<answer>>$, rounded up.",
        given={"beta": beta, "bound": bound},
    )


@asked(WIDE, minutes=4)
def relu_pair(rng: Rng) -> Asked:
    """ReLU's dual map at an angle."""
    angle = int(rng.integers(5, 18)) * 10 - int(rng.integers(0, 9))
    phi = radians(angle)
    return Asked(
        text="Standardized ReLU, no bias, two affine maps. Two inputs are at <<angle>> degrees. "
        "What is the covariance of the outputs at birth, at infinite width?",
        answer=kernels.nngp(relu(), 0.0, 2, cos(phi)),
        tolerance=0.005,
        solution="$\\Sigma^{(1)} = \\cos\\varphi$, and ReLU's dual map gives "
        "$R = \\frac1\\pi\\big((\\pi-\\varphi)\\cos\\varphi + \\sin\\varphi\\big) = <<answer>>$ "
        "at $\\varphi = <<angle>>\\,\\pi/180$.",
        given={"angle": angle},
        wrong=[
            (cos(phi), "Only an affine activation keeps the cosine."),
            ((pi - phi) / pi, "That is R', the dual map of the derivative."),
        ],
    )


@asked(WIDE, minutes=3)
def shares_of_degrees(rng: Rng) -> Asked:
    """A dual map read off its shares."""
    linear, cosine = between(rng, 0.5, 0.9), between(rng, 0.4, 0.7)
    shares = hermite_shares([0, sqrt(linear), 0, sqrt((1 - linear) / 6)])
    return Asked(
        text="An activation has the Hermite shares $a_1^2 = <<linear>>$ and $a_3^2 = <<rest>>$, "
        "and $\\beta = 0$. Two pre-activations have the correlation <<cosine>>. Which "
        "correlation do those of the next layer have?",
        answer=float(shares @ cosine ** np.arange(len(shares))),
        tolerance=0.003,
        solution="$R(\\rho) = \\sum_k a_k^2\\rho^k = <<linear>>\\cdot<<cosine>> + "
        "<<rest>>\\cdot<<cosine>>^3 = <<answer>>$.",
        given={"linear": linear, "rest": round(1 - linear, 2), "cosine": cosine},
        wrong=[
            (cosine, "So it would be for the linear part alone."),
            (
                linear * cosine + (1 - linear) * 3 * cosine**2,
                "The degree is an exponent here; as a factor it belongs into R'.",
            ),
        ],
    )


@asked(KERNEL, minutes=5)
def two_speeds(rng: Rng) -> Asked:
    """What is left of a slow mode when the fast one is down to 1/e."""
    count, shared = int(rng.integers(3, 9)), between(rng, 0.1, 0.4)
    labels = np.eye(count)[0] - np.eye(count)[1]  # of mean zero
    flow = dynamics.flow(alike(count, shared), labels)
    time = count / (1 + (count - 1) * shared)
    return Asked(
        text="The tangent kernel of $N = <<count>>$ training inputs is 1 on the diagonal and "
        "<<shared>> off it, and stands still. Train by gradient flow until the error of the "
        "*mean* is down to $1/e$. Which share is left of an error of mean zero?",
        answer=float(jnp.sqrt(flow.loss(time) / flow.loss(0.0))),
        tolerance=0.005,
        solution="The constant has $\\lambda = 1 + (N-1)c = <<top>>$, all that has mean zero "
        "$1 - c$. At the time $N/\\lambda$ what is left is "
        "$e^{-(1-c)/(1+(N-1)c)} = <<answer>>$.",
        given={
            "count": count,
            "shared": shared,
            "top": round(1 + (count - 1) * shared, 2),
        },
        wrong=[
            (exp(-1), "Each mode has its own rate, its eigenvalue over N."),
            (exp(-(1 - shared)), "The time is not N: the constant needs less."),
        ],
    )


@asked(KERNEL, minutes=4)
def largest_rate(rng: Rng) -> Asked:
    """The step at which gradient descent begins to diverge."""
    count, shared = int(rng.integers(10, 60)), between(rng, 0.15, 0.6)
    size = one_of(rng, 2, 3, 4, 5)
    top = size * (1 + (count - 1) * shared)
    return Asked(
        text="For $N = <<count>>$ inputs $\\Theta$ is <<size>> on the diagonal, and <<shared>> "
        "times that off it. The cost is $\\frac1{2N}\\sum_i(f(x_i) - y_i)^2$. Above which "
        "learning rate does gradient descent diverge?",
        answer=dynamics.largest_learning_rate(size * alike(count, shared)),
        tolerance=0.01,
        solution="$\\lambda_1 = <<size>>\\,(1 + (N-1)\\cdot<<shared>>) = <<top>>$, the "
        "constant's. A step multiplies its error by $1 - \\eta\\lambda_1/N$, which has to stay "
        "above $-1$: $\\eta < 2N/\\lambda_1 = <<answer>>$.",
        given={"count": count, "shared": shared, "size": size, "top": round(top, 2)},
        wrong=[
            (count / top, "From here on the mode overshoots; it still converges up to twice this."),
            (2 / top, "The cost is a mean over N inputs, so the rate of a mode is λ/N."),
        ],
    )


@asked(KERNEL, minutes=6)
def kernel_of_depth_two(rng: Rng) -> Asked:
    """The tangent kernel of one hidden layer of ReLU."""
    angle = int(rng.integers(30, 100))
    phi = radians(angle)
    covariance = float(kernels.nngp(relu(), 0.0, 2, cos(phi)))
    return Asked(
        text="One hidden layer, standardized ReLU, no bias, infinite width; two inputs at "
        "<<angle>> degrees. You correct the output at the first by 1, by gradient descent. By "
        "how much does it move at the second?",
        answer=kernels.ntk(relu(), 0.0, 2, cos(phi)),
        tolerance=0.005,
        solution="$\\Theta^{(2)} = R(\\rho) + R'(\\rho)\\,\\rho$ with $\\rho = \\cos\\varphi$ and "
        "$R' = (\\pi-\\varphi)/\\pi$; here $R = <<covariance>>$. On the diagonal "
        "$\\Theta^{(2)} = 2$, and the ratio is $<<answer>>$.",
        given={"angle": angle, "covariance": round(covariance, 3)},
        wrong=[
            (covariance, "That is the covariance: the last layer alone, learning by itself."),
            (
                covariance + cos(phi) * (1 - phi / pi),
                "That is Θ. Divide by its diagonal, 2, as the correction is 1.",
            ),
        ],
    )


@asked(PHASES, minutes=3)
def characteristic_value(rng: Rng) -> Asked:
    """The number r of normalized ReLU."""
    beta = between(rng, 0.2, 0.9)
    return Asked(
        text="Normalized ReLU has $\\mathbb E[\\bar\\sigma'(Z)^2] = \\pi/(\\pi-1)$. What is the "
        "characteristic value $r$ at $\\beta = <<beta>>$? (Say also: freeze or chaos?)",
        answer=regimes.characteristic_value(activations.normalized("relu"), beta),
        tolerance=0.005,
        solution="$r = (1-\\beta^2)\\,\\pi/(\\pi-1) = <<answer>>$: <<regime>>.",
        given={
            "beta": beta,
            "regime": str(regimes.regime(activations.normalized("relu"), beta)),
        },
        wrong=[
            (1 - beta**2, "That is standardized ReLU, whose slope has the second moment 1."),
            ((1 - beta) * pi / (pi - 1), "The weights have the share 1 − β² of the variance."),
        ],
    )


@asked(PHASES, minutes=3)
def kernel_on_the_diagonal(rng: Rng) -> Asked:
    """A geometric sum."""
    depth, beta = int(rng.integers(3, 8)), between(rng, 0.3, 0.7, 1)
    r = 1 - beta**2
    return Asked(
        text="Standardized ReLU, $\\beta = <<beta>>$, $L = <<depth>>$ affine maps. What is "
        "$\\Theta^{(L)}(x, x)$ at infinite width?",
        answer=diagonal(relu(), beta, depth),
        tolerance=0.02,
        solution="On the diagonal $\\Sigma = 1$ in every layer, and each affine map adds a term: "
        "$1 + r + \\dots + r^{L-1} = (1-r^L)/(1-r)$ with $r = 1-\\beta^2 = <<r>>$: $<<answer>>$.",
        given={"depth": depth, "beta": beta, "r": round(r, 4)},
        wrong=[
            (depth, "So it is on the edge, r = 1."),
            (r ** (depth - 1), "Every layer learns, not only the first."),
        ],
    )


@asked(PHASES, minutes=4)
def layers_of_chaos(rng: Rng) -> Asked:
    """How many layers make a chaotic kernel ten times smaller."""
    beta, factor = between(rng, 0.1, 0.4), one_of(rng, 10, 100, 1000)
    rate = regimes.decay_rate(activations.normalized("relu"), beta)
    return Asked(
        text="Normalized ReLU, $\\beta = <<beta>>$, far down. How many more layers make the scaled "
        "kernel $\\vartheta$ between two different inputs <<factor>> times smaller? (Any real "
        "number; $\\pi/(\\pi-1) = 1.4669$.)",
        answer=-log(factor) / log(rate),
        tolerance=0.1,
        solution="$r = (1-\\beta^2)\\cdot1.4669 = <<r>> > 1$ and $\\beta > 0$, so off the diagonal "
        "$\\Theta$ tends to a number, while on it it grows like $r^L$: $\\vartheta$ falls by $1/r$ "
        "a layer, and $\\log <<factor>> / \\log r = <<answer>>$.",
        given={"beta": beta, "factor": factor, "r": round(1 / rate, 4)},
        wrong=[
            (-2 * log(factor) / log(rate), "The square root belongs to freeze, at a kink."),
            (log(factor) / log(pi / (pi - 1)), "Bias lowers r."),
        ],
    )


@asked(PHASES, minutes=4)
def layers_of_freeze(rng: Rng) -> Asked:
    """By which factor the gap of a frozen ReLU kernel falls."""
    beta, more = between(rng, 0.3, 0.6), int(rng.integers(8, 21))
    rate = regimes.decay_rate(relu(), beta)
    return Asked(
        text="Standardized ReLU, $\\beta = <<beta>>$, deep in freeze. You add <<more>> layers. "
        "Which share of $1 - \\vartheta$ is left?",
        answer=rate**more,
        tolerance=0.003,
        solution="$r = 1-\\beta^2 = <<r>>$. ReLU has a kink, so the gap falls like $r^{L/2}$: "
        "$<<r>>^{<<more>>/2} = <<answer>>$.",
        given={"beta": beta, "more": more, "r": round(rate**2, 4)},
        wrong=[(rate ** (2 * more), "So a smooth activation would do, but for a factor L.")],
    )


@asked(LEARNING, minutes=4)
def condition_number(rng: Rng) -> Asked:
    """The condition number of a very deep network at its edge."""
    kind, count = one_of(rng, "relu", "tanh", "erf"), int(rng.integers(20, 400))
    sigma = activations.standardized(kind)
    shared = regimes.limit(sigma, regimes.critical_beta(sigma))
    other = 1 / 3 if shared < 0.3 else 1 / 4
    return Asked(
        text="A very deep <<kind>> network sits on its edge, $r = 1$. What does the condition "
        "number of the Gram matrix of $N = <<count>>$ images tend to?",
        answer=1 + count * shared / (1 - shared),
        tolerance=0.5,
        solution="Different inputs keep $c = <<fraction>>$ (<<why>>). The constant has the "
        "eigenvalue $1 + (N-1)c$, all others $1-c$; the ratio is $1 + Nc/(1-c) = <<answer>>$.",
        given={
            "kind": {"relu": "ReLU"}.get(kind, kind),
            "count": count,
            "fraction": "1/4" if shared < 0.3 else "1/3",
            "why": "a kink" if shared < 0.3 else "a smooth activation",
        },
        wrong=[
            (
                1 + count * other / (1 - other),
                "A kink keeps 1/4, a smooth activation 1/3: the other way round here.",
            ),
        ],
    )


@asked(LEARNING, minutes=4)
def price_of_depth(rng: Rng) -> Asked:
    """How many times more steps a deeper frozen network needs."""
    beta, start = between(rng, 0.6, 0.8), one_of(rng, 16, 20, 24)
    more = one_of(rng, 4, 6, 8)
    r = float(regimes.characteristic_value(activations.standardized("erf"), beta))
    return Asked(
        text="Erf has $\\mathbb E[\\sigma'^2] = 1.2257$ after standardization. At "
        "$\\beta = <<beta>>$, each network with its own best step size, by which factor does the "
        "number of training steps grow from <<start>> layers to <<end>>?",
        answer=r**-more * start / (start + more),
        tolerance=0.3,
        solution="$r = (1-\\beta^2)\\cdot1.2257 = <<r>> < 1$: freeze. The small eigenvalues are "
        "like $1-\\vartheta \\propto L\\,r^L$ (smooth), the largest tends to $N$. So steps grow "
        "by $r^{-<<more>>}\\cdot\\frac{<<start>>}{<<end>>} = <<answer>>$.",
        given={
            "beta": beta,
            "start": start,
            "end": start + more,
            "more": more,
            "r": round(r, 4),
        },
    )


@asked(LEARNING, minutes=3)
def share_of_the_constant(rng: Rng) -> Asked:
    """The constant's share of the trace."""
    count, shared = int(rng.integers(10, 100)), between(rng, 0.1, 0.9)
    return Asked(
        text="Every two of $N = <<count>>$ images have the scaled kernel <<shared>>. Which share "
        "of the trace of their Gram matrix has the constant mode?",
        answer=spectra.constant_share(alike(count, shared)),
        tolerance=0.005,
        solution="Its eigenvalue is $1 + (N-1)c$ and the trace is $N$: "
        "$\\frac{1 + <<others>>\\cdot<<shared>>}{<<count>>} = <<answer>>$.",
        given={"count": count, "others": count - 1, "shared": shared},
        wrong=[(1 / count, "So it is in deep chaos, where all modes are alike.")],
    )
