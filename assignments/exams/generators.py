"""Questions on chapters 8 to 13: kernels between pixels, borders, rates, generators."""

from math import exp

import jax.numpy as jnp
import numpy as np

from freezechaos import deconvolution, kernels, spectra
from freezechaos.gan import distances
from freezechaos.graphs import transposed_convolution

from .bank import Asked, Rng, asked, between, one_of
from .networks import diagonal, relu

PIXELS, BOARDS = "08_deconvolution_kernels", "09_checkerboards"
BORDERS, RATES = "10_borders_and_graphs", "11_learning_rates"
PUSH, TRAINED = "12_one_push_moves_all", "13_frozen_and_chaotic_generators"
DOUBLE = transposed_convolution(4, stride=2, padding=1)


def common_layers(depth: int, count: int, r: float = 0.75) -> float:
    """Return a bound that `freeze_limit` exceeds for pairs with more than `count` layers."""
    return (1 - r ** (count + 1.5)) / (1 - r**depth)


@asked(PIXELS, minutes=3)
def parents(rng: Rng) -> Asked:
    """How many parents a position has along an axis."""
    window, stride = one_of(rng, (3, 2), (5, 2), (5, 3), (6, 2), (7, 3), (8, 3))
    padding, inputs = int(rng.integers(0, 3)), int(rng.integers(5, 10))
    layer = transposed_convolution(window, stride, padding).along(0)
    position = int(rng.integers(0, layer.length(inputs)))
    return Asked(
        text="A transposed convolution along one axis: window <<window>>, stride <<stride>>, "
        "padding <<padding>>, <<inputs>> input positions $q = 0, 1, \\dots$ Output $p$ reads "
        "$q$ through tap $k$ where $p = <<stride>>\\,q + k - <<padding>>$. How many parents has "
        "$p = <<position>>$?",
        answer=int(layer.counts(inputs)[position]),
        tolerance=0,
        solution="Count the $q$ from 0 to <<last>> with $0 \\le <<position>> + <<padding>> - "
        "<<stride>>\\,q < <<window>>$: there are <<answer>>.",
        given={
            "window": window,
            "stride": stride,
            "padding": padding,
            "inputs": inputs,
            "last": inputs - 1,
            "position": position,
        },
    )


@asked(PIXELS, minutes=6)
def distance_is_depth(rng: Rng) -> Asked:
    """The tangent kernel between two pixels, from a fully connected network."""
    beta, distance = between(rng, 0.3, 0.8, 1), one_of(rng, 1, 2, 3, 5, 6, 10)
    line = deconvolution.DeconvStack(16, [DOUBLE] * 3)
    theta = deconvolution.ntk(line, relu(), beta, jnp.eye(16))
    deeper = distance % 2 == 0
    reason = (
        "2 divides it once: as in a fully connected network of two maps between orthogonal inputs, "
        "$\\Sigma^{(1)} = \\Theta^{(1)} = \\beta^2$, $\\varphi = \\arccos\\beta^2$ and "
        "$\\Theta^{(2)} = (1-\\beta^2)R(\\beta^2) + \\beta^2 + "
        "(1-\\beta^2)\\,\\frac{\\pi-\\varphi}\\pi\\,\\beta^2$"
        if deeper
        else "the stride does not divide it: no tap is shared, and what is left is the bias, β²"
    )
    return Asked(
        text="A generator of three transposed convolutions (window 4, stride 2, padding 1, "
        "graph-based) along a line; ReLU, $\\beta = <<beta>>$, orthogonal input positions. Two "
        "pixels far from the border are <<distance>> apart. What is $\\Theta$ between them?",
        answer=float(theta[60, 60 + distance]),
        tolerance=0.005,
        solution="The distance is <<distance>>: <<reason>>. So $\\Theta = <<answer>>$.",
        given={"beta": beta, "distance": distance, "reason": reason},
        wrong=[
            (
                diagonal(relu(), beta, 3),
                "That is a pixel with itself.",
            ),
            *(
                [(beta**2, "That is for odd distances; here taps are shared in the last layer.")]
                if deeper
                else []
            ),
        ],
    )


@asked(PIXELS, minutes=3)
def pairs_that_share(rng: Rng) -> Asked:
    """How many pairs of a thousand share a weight of a layer, counted in its contribution."""
    stride, layers, axes = one_of(
        rng, (2, 1, 1), (2, 2, 1), (2, 3, 1), (2, 1, 2), (2, 2, 2), (4, 1, 1)
    )
    layer = transposed_convolution(2 * stride, stride, stride // 2)
    stack = deconvolution.DeconvStack((2,) * axes, [layer] * (layers + 1))
    sharing = deconvolution.freeze_limit(stack, relu(), 0.5) > common_layers(layers + 1, layers - 1)
    return Asked(
        text="In a generator all layers have stride <<stride>> along each of <<axes>> axes "
        "(window twice the stride). Of a thousand pairs of output pixels, drawn at random, how "
        "many share weights of layer $\\ell = L - <<layers>>$, counted from the input, "
        "$\\ell = 0, \\dots, L-1$?",
        answer=1000 * float(np.mean(sharing)),
        tolerance=1,
        solution="A tap is shared only where the stride divides the distance along every axis; "
        "each layer further down asks the same of a distance <<stride>> times smaller. "
        "$1000 / <<stride>>^{<<axes>>\\cdot<<layers>>} = <<answer>>$.",
        given={"stride": stride, "layers": layers, "axes": axes},
    )


@asked(BOARDS, minutes=3)
def images_of_a_period(rng: Rng) -> Asked:
    """How many eigenimages have a period: by the rank of the lattices."""
    stride, axes, power = one_of(
        rng, (2, 1, 3), (2, 2, 1), (2, 2, 2), (3, 1, 2), (3, 2, 1), (4, 2, 1)
    )
    length = stride**power
    classes = [
        np.kron(np.ones((length // stride**j,) * 2), np.eye(stride**j)) for j in (power - 1, power)
    ]
    ranks = [np.linalg.matrix_rank(lattice) ** axes for lattice in classes]
    return Asked(
        text="A frozen generator has layers of stride <<stride>> along each of <<axes>> axes. How "
        "many independent eigenimages have the period <<period>>, and no smaller one?",
        answer=int(ranks[1] - ranks[0]),
        tolerance=0,
        solution="Functions of the position modulo $<<stride>>^j$ have the dimension "
        "$<<stride>>^{j\\cdot<<axes>>}$. Take away those of the smaller period: <<answer>>.",
        given={"stride": stride, "axes": axes, "period": length},
        wrong=[(ranks[1], "Those of the smaller periods are among them.")],
    )


@asked(BOARDS, minutes=3)
def share_of_white_noise(rng: Rng) -> Asked:
    """What a checkerboard share has to be held against."""
    stride, power, side = one_of(
        rng, (2, 1, 8), (2, 2, 8), (2, 1, 16), (2, 2, 16), (3, 1, 9), (4, 1, 8)
    )
    noise = spectra.checkerboard_share(np.eye(side**2), (side, side), stride, levels=power)
    return Asked(
        text="Images of <<side>> × <<side>> pixels. How many per cent of all that varies in *white "
        "noise* have periods up to <<period>> along both axes? (A kernel without any preference "
        "has this checkerboard share.)",
        answer=100 * noise,
        tolerance=0.05,
        solution="Functions of the position modulo <<period>> have the dimension <<period>>², one "
        "of which is the constant; images have <<side>>² dimensions, one of them constant. "
        "$(<<period>>^2-1)/(<<side>>^2-1)$ is <<answer>> %.",
        given={"side": side, "period": stride**power},
        wrong=[
            (100 * stride ** (2 * power) / side**2, "The mean is taken away in both."),
            (0.0, "Noise has some energy at every period."),
        ],
    )


@asked(BOARDS, minutes=4)
def limit_between_strangers(rng: Rng) -> Asked:
    """How far off the freeze limit is at v = 0."""
    beta = between(rng, 0.3, 0.8)
    stack = deconvolution.DeconvStack(4, [DOUBLE] * 2)
    limit = deconvolution.freeze_limit(stack, relu(), beta)[8, 9] * diagonal(relu(), beta, 2)
    exact = deconvolution.ntk(stack, relu(), beta, jnp.eye(4))[8, 9]
    return Asked(
        text="ReLU, $\\beta = <<beta>>$. Two pixels are next door, and the strides are 2: $v = 0$. "
        "The formula of the freeze limit says $\\vartheta = (1-r^{v+1})/(1-r^L)$. How many times "
        "larger is that than the exact value?",
        answer=float(limit / exact),
        tolerance=0.05,
        solution="The diagonal is $(1-r^L)/(1-r)$, so the formula says $\\Theta = 1$. The pixels "
        "share the bias alone: $\\Theta = \\beta^2$. It is $1/\\beta^2 = <<answer>>$ times too "
        "large. (It is a statement about pixels with a large $v$.)",
        given={"beta": beta},
        wrong=[
            (1 / (1 - beta**2), "r is how far it is off, as a difference."),
            (1 / beta, "The bias enters the kernel squared."),
        ],
    )


def corner(axes: int, depth: int, beta: float) -> tuple[float, float]:
    """Return the variance in a corner, and far from it, in the usual parametrization."""
    stack = deconvolution.DeconvStack((4,) * axes, [DOUBLE] * depth, "usual")
    sigma = deconvolution.diagonals(stack, relu(), beta).sigma
    return float(sigma[(0,) * axes]), float(sigma[(sigma.shape[0] // 2,) * axes])


@asked(BORDERS, minutes=3)
def corner_without_bias(rng: Rng) -> Asked:
    """How many times fainter a corner is."""
    axes, depth = one_of(rng, (1, 3), (1, 4), (1, 5), (2, 2), (2, 3))
    least, middle = corner(axes, depth, 0.0)
    return Asked(
        text="Usual parametrization, window 4, stride 2, padding 1, along <<axes>> axes; ReLU, "
        "$\\beta = 0$, <<depth>> layers. How many times smaller is the variance of a corner (or "
        "end) pixel at birth than that in the middle?",
        answer=middle / least,
        tolerance=0.5,
        solution="Along each axis an inner pixel has two parents, the end one. So each layer costs "
        "a corner the factor $2^{<<axes>>}$: $2^{<<axes>>\\cdot<<depth>>} = <<answer>>$.",
        given={"axes": axes, "depth": depth},
        wrong=[(2**axes, "So it is after one layer.")],
    )


@asked(BORDERS, minutes=5)
def corner_with_bias(rng: Rng) -> Asked:
    """The variance in a corner, by the geometric series."""
    beta, depth = between(rng, 0.3, 0.8, 1), one_of(rng, 2, 3)
    least, middle = corner(2, depth, beta)
    share = (1 - beta**2) / 16
    return Asked(
        text="Usual parametrization in two dimensions, window 4, stride 2, padding 1, standardized "
        "ReLU, $\\beta = <<beta>>$, inputs on the sphere. What is the variance of a corner pixel "
        "after <<depth>> layers?",
        answer=least,
        tolerance=0.003,
        solution="A corner has one parent of 16 taps: $\\Sigma' = \\beta^2 + a\\Sigma$ with "
        "$a = (1-\\beta^2)/16 = <<share>>$, from $\\Sigma = 1$. "
        "$a^L + \\beta^2(1-a^L)/(1-a) = <<answer>>$.",
        given={"beta": beta, "depth": depth, "share": round(share, 4)},
        wrong=[
            (middle, "That is the middle, with four parents."),
            (share**depth, "The bias is added in every layer."),
            (1.0, "So it is in the graph-based parametrization."),
        ],
    )


@asked(BORDERS, minutes=4)
def reach_of_the_frame(rng: Rng) -> Asked:
    """How many positions at an end have less than the middle."""
    depth = int(rng.integers(2, 7))
    stack = deconvolution.DeconvStack(4, [DOUBLE] * depth, "usual")
    sigma = deconvolution.diagonals(stack, relu(), 0.0).sigma
    half = sigma[: len(sigma) // 2]
    return Asked(
        text="Positions on a line, usual parametrization, window 4, stride 2, padding 1, "
        "$\\beta = 0$, <<depth>> layers and no convolutions between. How many positions at one "
        "end have a smaller variance than the middle?",
        answer=int(np.sum(half < 0.999 * sigma.max())),
        tolerance=0,
        solution="In one layer only position 0 lacks a parent. If the first $m$ have less, so have "
        "their children, up to position $2m$: $m$ becomes $2m + 1$. From 1, <<depth>> layers make "
        "$2^{<<depth>>} - 1 = <<answer>>$.",
        given={"depth": depth},
        wrong=[
            (depth, "The frame widens with every doubling."),
            (2**depth, "Position 0 has no neighbour beyond it: 2m + 1, from 1."),
            (1, "Later layers carry it inwards."),
        ],
    )


@asked(RATES, minutes=3)
def rate_of_the_last(rng: Rng) -> Asked:
    """The learning rate of the last weights, over that of the first."""
    depth, axes = int(rng.integers(3, 6)), one_of(rng, 1, 2)
    gamma = one_of(rng, 0.25, 0.5, 0.75)
    stack = deconvolution.DeconvStack((4,) * axes, [DOUBLE] * depth)
    rates = deconvolution.learning_rates(stack, gamma)
    factor = float(rates[0, 0] / rates[-1, 0])
    return Asked(
        text="A generator of <<depth>> layers of stride 2 along <<axes>> axes learns with "
        "rates $\\lambda_W^{(\\ell)} = S^{-\\gamma\\ell}$, $\\gamma = <<gamma>>$. How many "
        "times smaller is the rate of the last weights than that of the first?",
        answer=factor,
        tolerance=0.05,
        solution="$S = 2^{<<axes>>}$, the product of a layer's strides, and the last layer is "
        "$\\ell = <<last>>$: $S^{\\gamma\\ell} = <<answer>>$.",
        given={"depth": depth, "axes": axes, "gamma": gamma, "last": depth - 1},
        wrong=[
            (2 ** (axes * gamma * depth), "Layers are counted from 0."),
            (2 ** (axes * (depth - 1)), "The exponent has the factor γ."),
        ],
    )


@asked(RATES, minutes=3)
def reach_of_a_layer(rng: Rng) -> Asked:
    """The smallest distance at which two pixels share weights of a layer."""
    depth = int(rng.integers(3, 6))
    layer = int(rng.integers(1, depth))
    stack = deconvolution.DeconvStack(4, [DOUBLE] * depth)
    limit = deconvolution.freeze_limit(stack, relu(), 0.5)[0, 1:]
    sharing = limit > common_layers(depth, depth - layer - 1)
    return Asked(
        text="A generator has <<depth>> layers of stride 2, numbered from 0. Which is the smallest "
        "distance, other than 0, at which two pixels of a row share weights of layer "
        "$\\ell = <<layer>>$?",
        answer=int(np.argmax(sharing)) + 1,
        tolerance=0,
        solution="The weights of layer $\\ell$ reach distances that $2^{L-\\ell}$ divides: "
        "$2^{<<depth>>-<<layer>>} = <<answer>>$.",
        given={"depth": depth, "layer": layer},
        wrong=[
            (2 ** (depth - layer - 1), "That is the reach of its bias."),
            (2**depth, "That is the first layer."),
        ],
    )


@asked(RATES, minutes=4)
def eigenvalue_of_the_last_bias(rng: Rng) -> Asked:
    """What one parameter alone adds to the constant."""
    depth, beta = one_of(rng, 1, 2), between(rng, 0.2, 0.8, 1)
    stack = deconvolution.DeconvStack((4, 4), [DOUBLE] * depth)
    bias = deconvolution.contributions(stack, relu(), beta, jnp.eye(16)).biases[-1]
    side = 4 * 2**depth
    return Asked(
        text="A generator draws <<side>> × <<side>> pixels, $\\beta = <<beta>>$, with one output "
        "channel. Which eigenvalue does the bias of the *last* layer alone contribute to the "
        "constant image?",
        answer=spectra.eigenmodes(bias).values[0],
        tolerance=0.05,
        solution="It adds $\\beta^2$ at every pair of pixels, and $\\mathbf 1\\mathbf 1^\\top$ "
        "has the eigenvalue <<side>>² on the constant: "
        "$<<beta>>^2\\cdot<<side>>^2 = <<answer>>$.",
        given={"side": side, "beta": beta},
        wrong=[
            (beta**2, "That is an entry of the kernel."),
            (beta**2 * side, "Pixels, not rows, are counted."),
        ],
    )


@asked(PUSH, minutes=4)
def common_over_own(rng: Rng) -> Asked:
    """How much louder the common motion is."""
    beta, depth = between(rng, 0.3, 0.6, 1), int(rng.integers(6, 13))
    batch = one_of(rng, 16, 32, 64, 128)
    shared = round(float(kernels.ntk(relu(), beta, depth, 0.0)), 3)
    return Asked(
        text="ReLU, $\\beta = <<beta>>$, <<depth>> affine maps: the scaled NTK of a fully "
        "connected network at a right angle is <<shared>>. A generator of this depth is trained on "
        "batches of $N = <<batch>>$ orthogonal latent vectors. Judged by traces, how many times as "
        "strongly is carried out what all pushes agree on, as what would set one image apart?",
        answer=batch * shared / (1 - shared),
        tolerance=0.5,
        solution="The own share is $\\alpha_\\Theta = 1 - <<shared>>$. Common motion has "
        "$\\Theta_{\\ne}$, the own one $(\\Theta_= - \\Theta_{\\ne})/N$: "
        "$N(1-\\alpha)/\\alpha = <<answer>>$.",
        given={"beta": beta, "depth": depth, "batch": batch, "shared": shared},
        wrong=[
            (shared / (1 - shared), "An image's own push comes with the factor 1/N."),
            (batch * (1 - shared) / shared, "That is the other way round, times N²."),
            (batch * shared, "Compare with what is the image's own."),
        ],
    )


@asked(PUSH, minutes=4)
def own_share_at_birth(rng: Rng) -> Asked:
    """The own share of a shallow generator's images."""
    beta = between(rng, 0.2, 0.7)
    return Asked(
        text="A generator of *two* affine maps (graph-based, ReLU, $\\beta = <<beta>>$) gets "
        "orthogonal latent vectors. Which share $\\alpha_\\Sigma$ of its energy has an image for "
        "itself at birth?",
        answer=1 - float(kernels.nngp(relu(), beta, 2, 0.0)),
        tolerance=0.005,
        solution="$\\alpha_\\Sigma = 1 - \\Sigma^{(2)}_{\\mathrm{fc}}(0)$. The first map leaves "
        "$\\beta^2$, the second $(1-\\beta^2)R(\\beta^2) + \\beta^2$ with ReLU's $R$: "
        "$\\alpha_\\Sigma = (1-\\beta^2)(1-R(\\beta^2)) = <<answer>>$.",
        given={"beta": beta},
        wrong=[
            (1 - beta**2, "That is after one map."),
            (float(kernels.nngp(relu(), beta, 2, 0.0)), "That is what the images have in common."),
        ],
    )


@asked(TRAINED, minutes=3)
def coverage_of_one_picture(rng: Rng) -> Asked:
    """The coverage of copies of one image, counted among points of a line."""
    images, balls = one_of(rng, 500, 1000, 2000), int(rng.integers(1, 4))
    line = np.arange(images, dtype=float)[:, None] + (0.001 * np.arange(images)[:, None]) ** 2
    radius = 2 * balls
    found = distances.density_coverage(np.full((50, 1), line[images // 2]), line, k=radius)
    inside = round(found.coverage * images)
    return Asked(
        text="A generator draws <<copies>> times one image. It lies in <<inside>> of the balls "
        "around <<images>> real images; each ball reaches to the <<radius>> nearest others. How "
        "many per mille is its coverage?",
        answer=1000 * found.coverage,
        tolerance=0.05,
        solution="Coverage is the share of balls that are not empty, however many copies lie in "
        "them: $<<inside>>/<<images>>$, <<answer>> per mille. Its precision is 1: every copy lies "
        "in a ball.",
        given={"copies": images, "inside": inside, "images": images, "radius": radius},
        wrong=[
            (1000.0, "That is precision, which copies fool."),
            (1000 * found.density, "That is the density, copies counted."),
        ],
    )


@asked(TRAINED, minutes=3)
def push_through_tanh(rng: Rng) -> Asked:
    """What the last tanh leaves of a push, of a million."""
    output = between(rng, 3.0, 6.5, 1)
    left = 4 * exp(-2 * output) / (1 + exp(-2 * output)) ** 2
    return Asked(
        text="A pixel of a nearly black picture has $\\tanh(t)$ with $t = -<<output>>$. A push of "
        "size 1 on the pixel, how large does it arrive at $t$? Give it in units of $10^{-6}$.",
        answer=1e6 * left,
        tolerance=max(2e4 * left, 0.1),
        solution="It is multiplied by $1 - \\tanh^2 t \\approx 4e^{-2|t|} = <<answer>>\\cdot"
        "10^{-6}$: hardly any push gets through.",
        given={"output": output},
        wrong=[(1e6 * exp(-output), "The slope falls with twice |t|.")],
    )
