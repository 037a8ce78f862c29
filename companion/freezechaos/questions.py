"""Questions of the course whose numbers are drawn, one a chapter: right answers and usual mistakes.

Each function takes a generator and returns a `freezechaos.course.Question`. Right options come from
the package or from the chapter's formula, wrong ones from a mistake that the explanation names.
`course.drawn` makes a quiz of one, with other numbers at every try.
"""

import math
from collections.abc import Sequence

import numpy as np

from freezechaos import activations, normalization
from freezechaos.course import Question
from freezechaos.regimes import characteristic_value

__all__ = [
    "common_part",
    "corner",
    "cosine_after_a_layer",
    "coverage_of_one_picture",
    "gap_after_layers",
    "hidden_bias",
    "lead_in_a_race",
    "mode_left",
    "new_eigenimages",
    "rate_of_the_last_layer",
    "related_as_at_depth",
    "share_of_the_constant",
    "steps_at_twice_the_depth",
]


def _question(text: str, form: str, **options: tuple[float, str]) -> Question:
    """Return a question with numbers as options, that of the keyword `right` is the answer.

    Raises:
        ValueError: a mistake that leads to the right number, as far as it is shown.
    """
    shown = {format(value, form): why for value, why in options.values()}
    if len(shown) < len(options):
        raise ValueError(f"two options of {text!r} look alike: {list(shown)}. Draw other numbers.")
    return Question(text, shown, format(options["right"][0], form))


def _drawn(rng: np.random.Generator, values: Sequence[float]) -> float:
    return float(rng.choice(values))


def cosine_after_a_layer(rng: np.random.Generator) -> Question:
    """Return what an activation with two Hermite shares makes of a covariance (chapter 1)."""
    linear, covariance = _drawn(rng, [0.6, 0.7, 0.8]), _drawn(rng, [0.4, 0.5, 0.6])
    beta = _drawn(rng, [0.2, 0.3, 0.4])
    curved = linear * covariance + (1 - linear) * covariance**3
    bias, rest = beta**2, 1 - beta**2
    return _question(
        f"$a_1^2 = {linear}$ and $a_3^2 = {1 - linear:.1f}$, β = {beta}. In a layer two inputs "
        f"have the covariance {covariance}. In the next layer they have",
        ".3f",
        right=(rest * curved + bias, "(1 − β²) R(Σ) + β², with R(Σ) = a₁² Σ + a₃² Σ³."),
        no_bias=(curved, "That is R(Σ). The weights get the share 1 − β², the bias adds β²."),
        no_share=(curved + bias, "The bias is added; but the weights have only the share 1 − β²."),
        no_bend=(rest * covariance + bias, "As if all of the share were linear: a₃² goes with Σ³."),
    )


def mode_left(rng: np.random.Generator) -> Question:
    """Return how much of a mode is left after some steps (chapter 2)."""
    points, value = int(rng.choice([20, 50, 100])), _drawn(rng, [0.5, 1.0, 2.0])
    rate, steps = _drawn(rng, [0.1, 0.2, 0.5]), int(rng.choice([20, 40, 60]))
    time = rate * steps
    return _question(
        f"{points} training points, a mode with λ = {value}, learning rate {rate}. "
        f"How much of the mode is left after {steps} steps?",
        ".1%",
        right=(math.exp(-value * time / points), "exp(−λ t / N), with t = rate × steps."),
        gone=(-math.expm1(-value * time / points), "That much is learned, not left."),
        no_points=(math.exp(-value * time), "The loss is a mean: the rate of a mode is λ/N."),
        no_rate=(math.exp(-value * steps / points), "Time is the learning rate times the steps."),
    )


def gap_after_layers(rng: np.random.Generator) -> Question:
    """Return the gap of two close inputs some layers on (chapter 3)."""
    name = str(rng.choice(["relu", "erf", "gelu"]))
    sigma = activations.normalized(name)
    beta, layers = _drawn(rng, [0.2, 0.4, 0.6, 0.8]), int(rng.choice([10, 20, 30]))
    slope, r = sigma.derivative_second_moment, float(characteristic_value(sigma, beta))
    return _question(
        f"Normalized {name}, $\\mathbb E[\\sigma'(Z)^2] = {slope:.3f}$, β = {beta}. "
        f"Two inputs have the gap 10⁻⁹. After {layers} more layers it is",
        ".1e",
        right=(1e-9 * r**layers, f"r = (1 − β²) E[σ'²] = {r:.3f}, once a layer."),
        no_bias=(
            1e-9 * slope**layers,
            "That is E[σ'²] a layer. The bias, the same for both, takes the share β² away.",
        ),
        no_square=(1e-9 * ((1 - beta) * slope) ** layers, "β² is the share of the bias, not β."),
        sum_only=(1e-9 * layers * r, "A factor a layer: they multiply."),
    )


def steps_at_twice_the_depth(rng: np.random.Generator) -> Question:
    """Return how training time grows with depth in freeze (chapter 4)."""
    name, beta = str(rng.choice(["erf", "gelu", "tanh"])), _drawn(rng, [0.6, 0.65, 0.7])
    r = float(characteristic_value(activations.normalized(name), beta))
    depth = int(rng.choice([12, 16, 20]))
    return _question(
        f"A smooth activation and β with r = {r:.3f}. From depth {depth} to {2 * depth} the steps "
        "until half of the loss is gone grow by the factor",
        ".3g",
        right=(r**-depth / 2, "All modes but the constant fall like L r^L: half of r^(−L)."),
        no_depth=(r**-depth, "The factor L of L r^L is missing: there are twice as many layers."),
        kink=(r ** (-depth / 2) / 2, "r^(L/2) is for activations with a kink."),
        linear=(2.0, "That is the cost of a step. How many there are is exponential in L."),
    )


def hidden_bias(rng: np.random.Generator) -> Question:
    """Return the bias share that a mean amounts to (chapter 5)."""
    name, beta = str(rng.choice(["relu", "gelu", "softplus"])), _drawn(rng, [0.1, 0.3, 0.5])
    mean = activations.standardized(name).mean
    square = beta**2 + (1 - beta**2) * mean**2
    return _question(
        f"Standardized {name} has the mean {mean:.3f}. With β = {beta}, what is the hidden bias "
        "$\\bar\\beta$ of the network?",
        ".3f",
        right=(math.sqrt(square), "The root of β² + (1 − β²) m²."),
        square=(square, "That is its square, the share of the variance."),
        whole=(
            math.hypot(beta, mean),
            "The mean comes through the weights: its share is (1 − β²) m².",
        ),
        sum=(beta + mean, "Shares of a variance add up, so squares do."),
    )


def share_of_the_constant(rng: np.random.Generator) -> Question:
    """Return the share of the constant under batch norm (chapter 6)."""
    batch, beta = int(rng.choice([16, 32, 64])), _drawn(rng, [0.2, 0.3, 0.4])
    entry = _drawn(rng, [1.5, 2.0, 3.0])
    return _question(
        f"Batch norm after the last nonlinearity, N = {batch}, β = {beta}. The diagonal entries of "
        f"Θ are {entry} on average. What share of the trace does the constant have?",
        ".2%",
        right=(beta**2 / entry, f"Nβ² of {entry} N: N cancels."),
        no_trace=(beta**2, "That is the eigenvalue over N; the trace over N is not 1 here."),
        no_square=(beta / entry, "A bias b enters as βb, and twice in a kernel: β²."),
        again=(beta**2 / entry / batch, "The constant has Nβ² as its eigenvalue, not β²."),
    )


def lead_in_a_race(rng: np.random.Generator) -> Question:
    """Return how long a point is after two layers of recentring and ReLU (chapter 7)."""
    length = _drawn(rng, [1.5, 2.0, 2.5, 3.0, 4.0])
    once = float(normalization.race_map(length))
    add = (length - 1) ** 2 / (math.pi - 1)
    return _question(
        "RC + ReLU in a very large batch at infinite width. "
        f"A point is {length} times as long as the others. After two layers it is",
        ".3f",
        right=(float(normalization.race_map(once)), "Twice ℓ'² = ℓ² + (ℓ − 1)²/(π − 1)."),
        once=(once, "That is one layer."),
        no_squares=(length + 2 * add, "Squares of lengths add up: ℓ'² = ℓ² + …"),
        steady=(
            length + 2 * (once - length),
            "Its lead has grown after the first layer, so the second adds more.",
        ),
    )


def related_as_at_depth(rng: np.random.Generator) -> Question:
    """Return the depth at which two pixels are related, by their distance (chapter 8)."""
    strides, layers = [int(s) for s in rng.choice([2, 3], size=4)], 4
    distance = int(rng.choice([3, 4, 6, 8, 12, 18, 24]))
    products = [math.prod(strides[layers - k :]) for k in range(layers)]  # of the last k
    divides = max(k for k in range(layers) if distance % products[k] == 0)

    def why(depth: int) -> str:
        if depth <= divides:
            return f"{distance} is a multiple of {products[depth]} too: the walk goes on."
        if depth > divides + 1:
            return f"{distance} is no multiple of {products[depth - 1]}: the walk ends before."
        return f"v = {divides}: the last strides, multiplied, divide {distance} so many times."

    return Question(
        f"Four up-sampling layers, of the strides {', '.join(map(str, strides))} from the latent "
        f"vector to the image. Two pixels of a row are {distance} apart, far from borders. They "
        "are related like orthogonal inputs of a fully connected network of depth",
        {str(depth): why(depth) for depth in range(1, layers + 1)},
        str(divides + 1),
    )


def new_eigenimages(rng: np.random.Generator) -> Question:
    """Return how many eigenimages come with a layer's stride (chapter 9)."""
    stride, layer = int(rng.choice([2, 3, 4])), int(rng.choice([2, 3]))
    return _question(
        f"A generator of images with the stride {stride} in all layers. How many eigenimages have "
        f"the period {stride**layer}, down or across, and no longer one?",
        "d",
        right=(
            stride ** (2 * layer) - stride ** (2 * layer - 2),
            "Functions modulo "
            f"{stride**layer} in both directions, less those modulo {stride ** (layer - 1)}.",
        ),
        whole=(
            stride ** (2 * layer),
            "Functions of shorter periods are among them; take them away.",
        ),
        line=(stride**layer - stride ** (layer - 1), "That is for one direction; images have two."),
        no_constant=(
            stride ** (2 * layer) - 1,
            "The constant is taken away, but not the other shorter periods.",
        ),
    )


def corner(rng: np.random.Generator) -> Question:
    """Return the variance in the corner of an untrained picture (chapter 10)."""
    layers, beta = int(rng.choice([2, 3, 4])), _drawn(rng, [0.3, 0.4, 0.5])
    a, inside = (1 - beta**2) / 16, (1 - beta**2) / 4
    return _question(
        f"Window 4, stride 2, two dimensions, usual parametrization, ReLU, β = {beta}, {layers} "
        "layers, an input of variance 1. What is the variance of a corner?",
        ".3f",
        right=(
            a**layers + beta**2 * (1 - a**layers) / (1 - a),
            "One tap of 16: each layer takes (1 − β²)/16 of the corner below and adds β².",
        ),
        no_bias=(a**layers, "The bias is added in every layer, whatever the parents."),
        once=(a + beta**2, "That is one layer; its parent is a corner too, with less variance."),
        middle=(
            inside**layers + beta**2 * (1 - inside**layers) / (1 - inside),
            "That is the middle, which reads 4 taps of 16.",
        ),
    )


def rate_of_the_last_layer(rng: np.random.Generator) -> Question:
    """Return how much smaller the last layer's rate is (chapter 11)."""
    stride, layers = int(rng.choice([2, 3])), int(rng.choice([3, 4, 5]))
    gamma, shown = [(0.5, "½"), (0.25, "¼")][int(rng.integers(2))]
    squares = stride**2
    return _question(
        f"{layers} layers, each of stride {stride} in two dimensions, γ = {shown}. The weights of "
        "the first layer learn faster than those of the last by the factor",
        ".4g",
        right=(
            squares ** (gamma * (layers - 1)),
            "$S^{\\gamma(L-1)}$: S is s², and the layers are 0 to L − 1.",
        ),
        one_axis=(stride ** (gamma * (layers - 1)), "S is the product over both axes, s²."),
        one_more=(
            squares ** (gamma * layers),
            "That is the last bias: $S^{-\\gamma L}$. Its weights have L − 1.",
        ),
        no_gamma=(squares ** (layers - 1.0), "That is γ = 1."),
    )


def common_part(rng: np.random.Generator) -> Question:
    """Return how much louder the common part of a step is (chapter 12)."""
    share, batch = _drawn(rng, [0.1, 0.2, 0.4, 0.8]), int(rng.choice([16, 32, 64]))
    return _question(
        f"A generator has $\\alpha_\\Theta = {share}$ and a batch of {batch}. How many times as "
        "strongly is the common push carried out, by the traces?",
        ".4g",
        right=(batch * (1 - share) / share, "N (1 − α) / α."),
        own=(batch * share, "That is N α. The common part has the weight 1 − α."),
        no_own=(batch * (1 - share), "That is N (1 − α). Still to be divided by the own share."),
        no_batch=((1 - share) / share, "One's own push has the factor 1/N."),
    )


def coverage_of_one_picture(rng: np.random.Generator) -> Question:
    """Return the coverage of a generator that draws one picture (chapter 13)."""
    real, balls = int(rng.choice([1000, 2000, 5000])), int(rng.choice([4, 8, 20, 50]))
    return _question(
        f"A collapsed generator draws one picture {real} times. It lies in the balls of {balls} of "
        f"{real} real images. What is its coverage?",
        ".2%",
        right=(balls / real, "Of all real images, the share in whose ball there is a drawn one."),
        precision=(1.0, "That is its precision: each of its pictures lies in some ball."),
        once=(1 / real, "Its one picture is counted once; but coverage counts real images."),
        nothing=(
            0.0,
            "That is its recall: no real image lies in a ball of copies, which have no radius.",
        ),
    )
