"""Questions on chapters 5 to 7: layer norm, batch norm at the end, batch norm taken apart."""

from math import acos, pi, sin, sqrt

import jax
import jax.numpy as jnp
import numpy as np

from freezechaos import activations, dynamics, empirical, networks, normalization, regimes

from .bank import Asked, Rng, asked, between, one_of
from .networks import hermite_shares

LAYER, BATCH = "05_layer_norm_and_nonlinearity", "06_batch_norm_and_the_constant_mode"
APART = "07_batch_norm_decomposed"


@asked(LAYER, minutes=4)
def hidden_bias(rng: Rng) -> Asked:
    """The bias share that ReLU acts as if it had."""
    beta = between(rng, 0.1, 0.8)
    mean = activations.standardized("relu").mean
    return Asked(
        text="A ReLU network has the bias share $\\beta = <<beta>>$. From the first hidden layer "
        "on it acts like a network with *normalized* ReLU and a larger bias share. Which?",
        answer=sqrt(beta**2 + (1 - beta**2) * mean**2),
        tolerance=0.005,
        solution="Standardized ReLU has the mean $m = 1/\\sqrt\\pi$, and a mean does what a bias "
        "does: $\\bar\\beta^2 = \\beta^2 + (1-\\beta^2)/\\pi$, so $\\bar\\beta = <<answer>>$.",
        given={"beta": beta},
        wrong=[
            (mean, "That is the hidden bias at β = 0."),
            (sqrt(beta**2 + mean**2), "The mean comes through weights, whose share is 1 − β²."),
            (beta**2 + (1 - beta**2) / pi, "That is the square of it."),
        ],
    )


@asked(LAYER, minutes=4)
def critical_bias_of_shares(rng: Rng) -> Asked:
    """The critical bias from the mean degree."""
    linear, square = between(rng, 0.2, 0.5), between(rng, 0.2, 0.4)
    cube = round(1 - linear - square, 2)
    degree = linear + 2 * square + 3 * cube
    shares = hermite_shares([0, sqrt(linear), sqrt(square / 2), sqrt(cube / 6)])
    return Asked(
        text="A normalized activation has the Hermite shares $a_1^2 = <<linear>>$, "
        "$a_2^2 = <<square>>$, $a_3^2 = <<cube>>$. Up to which $\\beta$ is it chaotic?",
        answer=sqrt(1 - 1 / float(shares @ np.arange(4))),
        tolerance=0.003,
        solution="$\\mathbb E[\\bar\\sigma'^2] = \\sum_k k\\,a_k^2 = <<degree>>$, the mean degree. "
        "$r = 1$ at $\\beta = \\sqrt{1 - 1/<<degree>>} = <<answer>>$.",
        given={
            "linear": linear,
            "square": square,
            "cube": cube,
            "degree": round(degree, 2),
        },
        wrong=[
            (1 - 1 / degree, "That is β²."),
            (1 / sqrt(pi), "That is normalized ReLU, whose mean degree is π/(π − 1)."),
        ],
    )


@asked(LAYER, minutes=4)
def mean_taken_away(rng: Rng) -> Asked:
    """The number r of ReLU when a share of its mean is taken away."""
    beta, share = between(rng, 0.2, 0.6), between(rng, 0.2, 0.8)
    return Asked(
        text="ReLU, $\\beta = <<beta>>$. You take away the share $s = <<share>>$ of its mean and "
        "rescale it to the second moment 1. What is $r$ now? ($m^2 = 1/\\pi$ for standardized "
        "ReLU.)",
        answer=regimes.characteristic_value(activations.recentred("relu", share), beta),
        tolerance=0.005,
        solution="The slope is divided by the root of what is left, $1 - m^2 s(2-s)$: "
        "$r = \\frac{1-\\beta^2}{1 - s(2-s)/\\pi} = <<answer>>$.",
        given={"beta": beta, "share": share},
        wrong=[
            (1 - beta**2, "So it is before: at s = 0."),
            ((1 - beta**2) * pi / (pi - 1), "So it is at s = 1, without any mean."),
            (
                (1 - beta**2) / (1 - share / pi),
                "Of the variance goes m²s(2 − s): the mean left over is m(1 − s).",
            ),
        ],
    )


@asked(BATCH, minutes=3)
def held_constant(rng: Rng) -> Asked:
    """The eigenvalue of the constant behind batch norm, of a drawn network."""
    count, beta = one_of(rng, 10, 20, 50), between(rng, 0.2, 0.9, 1)
    one, two = jax.random.split(jax.random.key(int(rng.integers(2**31))))
    relu = activations.standardized("relu")
    net = networks.FullyConnected([3, 16, 16, 1], relu, beta, batch_norm=True, key=one)
    kernel = empirical.ntk(net, networks.on_sphere(jax.random.normal(two, (count, 3))))
    return Asked(
        text="Batch norm stands after the last nonlinearity of a network with 16 neurons a layer, "
        "$\\beta = <<beta>>$. A batch has $N = <<count>>$ inputs. Which eigenvalue does the "
        "constant vector have in the batch's tangent kernel?",
        answer=float(jnp.sum(kernel)) / count,
        tolerance=0.02,
        solution="Batch norm takes the mean over the batch from each neuron, so "
        "$\\sum_j f(x_j) = N\\beta b$ for all parameters; differentiate: "
        "$\\Theta\\mathbf 1 = N\\beta^2\\mathbf 1$. $<<count>>\\cdot<<beta>>^2 = <<answer>>$, at "
        "every width.",
        given={"count": count, "beta": beta},
        wrong=[
            (beta**2, "That is the mean entry; the eigenvalue has a factor N."),
            (count * beta, "Bias enters the kernel squared."),
            (count, "The constant's share is that of the bias alone."),
        ],
    )


@asked(BATCH, minutes=4)
def error_of_the_mean(rng: Rng) -> Asked:
    """The law of the mean's error, at every width."""
    beta, rate = between(rng, 0.4, 0.9, 1), one_of(rng, 0.1, 0.2, 0.3, 0.4)
    steps = int(rng.integers(5, 16))
    kernel = beta**2 * np.ones((2, 2))
    loss = dynamics.descend(kernel, np.ones(2), steps, rate).loss
    return Asked(
        text="Batch norm after the last nonlinearity, $\\beta = <<beta>>$. You train with the "
        "learning rate <<rate>> on whole batches, cost $\\frac1{2N}\\sum_i(f(x_i)-y_i)^2$. Which "
        "share of the error of the *mean* output is left after <<steps>> steps?",
        answer=float(jnp.sqrt(loss[-1] / loss[0])),
        tolerance=0.005,
        solution="The mean output is $\\beta b$, and $b$ is one parameter: a step multiplies the "
        "error by $1-\\eta\\beta^2$, whatever else learns. "
        "$(1 - <<rate>>\\cdot<<beta>>^2)^{<<steps>>} = <<answer>>$.",
        given={"beta": beta, "rate": rate, "steps": steps},
        wrong=[
            ((1 - rate * beta) ** steps, "β enters twice: in f = … + βb and in its gradient."),
            ((1 - rate) ** steps, "The output has β b, not b."),
        ],
    )


@asked(BATCH, minutes=5)
def batch_of_two(rng: Rng) -> Asked:
    """The kernel of the two inputs of a batch."""
    beta = between(rng, 0.1, 0.9)
    signs = np.array([1.0, -1.0])  # what batch norm leaves of a neuron
    kernel = (1 - beta**2) * np.outer(signs, signs) + beta**2
    return Asked(
        text="Batch norm after the last nonlinearity, a batch of *two* inputs, $\\beta = <<beta>>$ "
        "and no constant added to the variance. What is $\\Theta(x_1, x_2)$, at any width and "
        "depth?",
        answer=kernel[0, 1],
        tolerance=0.005,
        solution="Of two numbers batch norm makes $+1$ and $-1$: locally constant, so no gradient "
        "passes below. The last weights give $-(1-\\beta^2)$, the bias $\\beta^2$: "
        "$2\\beta^2 - 1 = <<answer>>$.",
        given={"beta": beta},
        wrong=[
            (1.0, "That is Θ(x₁, x₁)."),
            (beta**2, "The last weights learn too; they see +1 and −1."),
            (beta**2 - 1, "The bias adds β²."),
        ],
    )


@asked(APART, minutes=4)
def cost_of_a_layer(rng: Rng) -> Asked:
    """What a layer of RC + ReLU costs a batch of two values."""
    count = int(rng.integers(10, 41))
    small = int(rng.integers(1, count // 3))
    gap = np.array([[0.0, 1.0], [1.0, 0.0]])  # squared distances of the two groups
    sizes = np.array([small, count - small])
    after = normalization.distance_step(gap, sizes)
    total = [
        float(sizes @ np.asarray(normalization.squares_from_centre(d, sizes))) for d in (gap, after)
    ]
    return Asked(
        text="RC + ReLU at infinite width. Of a batch of $N = <<count>>$ points $k = <<small>>$ "
        "equal $a$ and the others $b$. Which share of the variance of the batch does one "
        "layer cost?",
        answer=1 - total[1] / total[0],
        tolerance=0.005,
        solution="Seen from the centre a neuron is $\\frac{N-k}Nu$ on the $k$ and $-\\frac kNu$ on "
        "the others, and ReLU keeps one of them: the squared gap becomes "
        "$g = (k^2 + (N-k)^2)/N^2$ of itself. The cost is $1-g = 2k(N-k)/N^2 = <<answer>>$.",
        given={"count": count, "small": small},
        wrong=[
            (1 / pi, "That is for points that are all alike, and many."),
            (1 - 2 * small * (count - small) / count**2, "That is what is left."),
        ],
    )


@asked(APART, minutes=4)
def race(rng: Rng) -> Asked:
    """A head start after some layers."""
    length, layers = between(rng, 1.5, 2.5, 1), one_of(rng, 2, 3)
    ran = np.array(length)
    for _ in range(layers):
        ran = normalization.race_map(ran)
    return Asked(
        text="RC + ReLU, infinite width and a very large batch. One point is <<length>> times as "
        "long as all others. How long is it after <<layers>> layers? "
        "($\\ell'^2 = \\ell^2 + (\\ell-1)^2/(\\pi-1)$.)",
        answer=float(ran),
        tolerance=0.02,
        solution="Apply the map <<layers>> times, starting at <<length>>: $<<answer>>$. The head "
        "start grows, since $\\ell = 1$ repels above.",
        given={"length": length, "layers": layers},
        wrong=[
            (
                length * sqrt(pi / (pi - 1)) ** layers,
                "So fast it grows in the end, when it is much longer than the others.",
            ),
            (length, "Lengths are kept by ReLU; recentring changes them."),
        ],
    )


@asked(APART, minutes=4)
def spread_in_a_group(rng: Rng) -> Asked:
    """By what a small spread grows, relative to the gap."""
    count = int(rng.integers(10, 41))
    small = int(rng.integers(2, count // 3))
    spread, longer, _ = normalization.split_multipliers(count, small)
    return Asked(
        text="RC + ReLU. A batch of $N = <<count>>$ points is in two nearly collapsed groups, one "
        "of $k = <<small>>$. By which factor does a layer multiply differences of *length* in the "
        "small group, relative to the gap?",
        answer=longer,
        tolerance=0.005,
        solution="They keep the share $(N-k)/N$ of their product with the gap, whose square keeps "
        "$g = (k^2+(N-k)^2)/N^2$: the factor is $N(N-k)/(k^2+(N-k)^2) = <<answer>>$. More than 1: "
        "the longer one wins.",
        given={"count": count, "small": small},
        wrong=[(spread, "That is the squared spread, angles and all.")],
    )


@asked(APART, minutes=5)
def symmetric_batch(rng: Rng) -> Asked:
    """The cosine of all pairs in the symmetric state."""
    count = int(rng.integers(5, 40))
    angle = acos(-1 / (count - 1))
    return Asked(
        text="RC + ReLU at infinite width. A batch of $N = <<count>>$ points in which all points "
        "are alike stays so. Which cosine do any two of them have after ReLU?",
        answer=float(normalization.symmetric_cosine(count)),
        tolerance=0.003,
        solution="Recentred they are a simplex, $\\rho = -1/<<others>>$. ReLU makes of it "
        "$R(\\rho) = \\frac1\\pi\\big((\\pi-\\varphi)\\rho + \\sin\\varphi\\big) = <<answer>>$, "
        "$\\varphi = \\arccos\\rho$.",
        given={"count": count, "others": count - 1},
        wrong=[
            (-1 / (count - 1), "That is before ReLU."),
            (sin(angle) / pi, "The first term of R is negative here, and not 0."),
            (0.0, "A right angle is what the odd point has."),
        ],
    )
