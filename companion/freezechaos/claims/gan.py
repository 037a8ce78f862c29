"""Claims about generators in training against a discriminator [JGGH]; most of them are stored."""

from collections.abc import Callable
from dataclasses import replace
from math import hypot

import jax
import jax.numpy as jnp
import numpy as np

from freezechaos import empirical
from freezechaos.activations import normalized, standardized
from freezechaos.deconvolution import diagonals
from freezechaos.gan import PRESETS, Preset, game, generator, study, training, upsampling_stack
from freezechaos.gan.experiments import EXPERIMENTS
from freezechaos.kernels import nngp

from .record import Claim, claim

CHAPTER, SOURCE = "13_frozen_and_chaotic_generators", "[JGGH] generative adversarial networks"
OURS = "this course, on stored runs"
HEADLINE = "headline"


def _late(name: str, setting: str, metric: str = "diversity") -> float:
    """Mean over seeds and over the last fifth of the runs; the lattice in units of real images."""
    mean, _ = study.over_seeds(name, setting, metric, int(0.8 * EXPERIMENTS[name].base.steps))
    return mean / (study.real(name)["lattice"] if metric == "lattice" else 1)


def _diversity(
    setting: str, what: str, like_real: bool, condition: str, source: str, name: str = HEADLINE,
    runs: str = "Fashion-MNIST, ten affine maps",
) -> Claim:  # fmt: skip
    """Of the moving average, at the end of the runs of an experiment."""
    mean, error = study.over_seeds(name, setting, "diversity")
    return Claim(
        f"{what}: diversity of 2,000 images after {EXPERIMENTS[name].base.steps:,} steps of stored "
        f"runs on {runs}, mean over {len(study.stored(name, setting))} seeds, standard error "
        f"{error:.3f}.",
        source,
        CHAPTER,
        study.real(name)["diversity"] if like_real else 0.0,
        mean,
        0.1 if like_real else 0.025,
        condition,
    )


@claim
def frozen_generators_collapse() -> Claim:
    """Standardized ReLU, beta = 0.5."""
    few, more = (_late("depth", f"freeze, {count} convolutions") for count in (0, 1))
    condition = (
        "It takes depth: at 16 x 16, with the three maps of a DCGAN of that size, frozen "
        f"generators have a diversity of {few:.2f}, with five {more:.2f}."
    )
    return _diversity("freeze", "Generators in freeze collapse to one image", False, condition,
                      SOURCE)  # fmt: skip


@claim
def frozen_generators_collapse_into_a_lattice() -> Claim:
    """One image, woven: how many of the runs show it after 400 steps."""
    runs, real = study.stored(HEADLINE, "freeze"), study.real(HEADLINE)
    seen = [
        {name: values[run.steps == 400][0] for name, values in run.metrics.items()} for run in runs
    ]
    woven = [
        one["diversity"] < 0.1 and one["lattice"] > 5 * real["lattice"]
        and one["lattice_prominence"] > 0.5
        for one in seen
    ]  # fmt: skip
    slow, fast = (
        _late("optimizers", f"freeze, {way}", "lattice") for way in ("descent 0.05", "Adam 1e-2")
    )
    return Claim(
        "What frozen generators collapse into is a lattice: the share of seeds with one image "
        "(diversity below 0.1), 5 times the lattice of real images or more, and prominence above "
        "0.5, after 400 steps.",
        SOURCE,
        CHAPTER,
        1.0,
        float(np.mean(woven)),
        0.0,
        "In the first hundreds of steps: later the one picture is at times no lattice, and two of "
        "three seeds end black. It is plainest at slow rates: at 16 x 16 the lattice is "
        f"{slow:.0f} times that of real images under descent at 0.05, {fast:.0f} times under Adam "
        "at 0.01.",
    )


@claim
def generators_at_the_edge_collapse() -> Claim:
    """Standardized ReLU, beta = 0."""
    return _diversity("edge", "So do generators at the edge", False, "", OURS)


@claim
def chaotic_generators_do_not_collapse() -> Claim:
    """Normalized ReLU, beta = 0.1; against the diversity of real images."""
    slow = _late("losses", "chaos, discriminator x 1/5")
    deep = _late("depth", "chaos, 4 convolutions")
    slower = _late("conditions, descent", "chaos, 4 convolutions, slower")
    condition = (
        "Against a discriminator that keeps up, and at a rate that fits the depth: at 16 x 16, "
        f"under Adam at 0.01, the diversity is {slow:.2f} against one that learns at a fifth of "
        f"the rate, and {deep:.2f} with eleven maps, which have {slower:.2f} under descent at 0.2."
    )
    return _diversity("chaos", "Generators in chaos are as diverse as real images", True, condition,
                      SOURCE)  # fmt: skip


@claim
def batch_normalized_generators_do_not_collapse() -> Claim:
    """As in freeze, with batch norm after every nonlinearity."""
    adam, descent = (
        _late("norms", "before"), _late("conditions, descent", "freeze, norm before")
    )  # fmt: skip
    condition = (
        f"After the nonlinearity: before it the diversity, at 16 x 16, is {adam:.3f} under Adam at "
        f"0.01 and {descent:.2f} under descent at 1."
    )
    return _diversity("batch norm", "So are generators with batch normalization", True, condition,
                      SOURCE)  # fmt: skip


@claim
def the_nonlinearity_alone_cures() -> Claim:
    """Only the activation changes, from ReLU to normalized ReLU, at beta = 0.1."""
    name = "activation and bias"
    relu = _late(name, "relu, β = 0.1")
    more = _late(name, "normalized relu, β = 0.15")
    descent = _late("conditions, descent", "normalized relu, β = 0.3")
    return Claim(
        "Changing the nonlinearity alone, from ReLU to normalized ReLU at β = 0.1, takes a "
        f"collapsed generator (diversity {relu:.3f}) to the diversity of real images, at 16 x 16, "
        "seven maps, Adam at 0.01.",
        SOURCE,
        CHAPTER,
        study.real(name)["diversity"],
        _late(name, "normalized relu, β = 0.1"),
        0.1,
        "Where the bias is small: from β = 0.15 on, with r still above 1, normalized ReLU "
        f"collapses too (diversity {more:.3f}); under descent at 1, from 0.3 on ({descent:.3f}).",
    )


def _dcgan(setting: str, what: str, like_real: bool) -> Claim:
    """The DCGAN without its batch norm, in one regime or the other."""
    condition = (
        "At a quarter of the usual width, and at one rate: Adam at 0.01, for weights of deviation "
        "1 in the graph-based parametrization."
    )
    runs = "letters, 64 x 64 in colour, five maps"
    return _diversity(setting, what, like_real, condition, SOURCE, "colour", runs)


@claim
def a_frozen_dcgan_collapses() -> Claim:
    """Standardized ReLU, beta = 0.5, no batch norm in the generator."""
    return _dcgan("frozen relu", "A DCGAN in freeze collapses to one image", False)


@claim
def a_chaotic_dcgan_does_not_collapse() -> Claim:
    """Normalized ReLU, beta = 0.1, no batch norm in the generator."""
    return _dcgan("normalized relu", "A DCGAN in chaos is as diverse as real images", True)


def _against_norm(metric: str, statement: str, tolerance: float, but: str = "") -> Claim:
    """Chaos without batch norm against batch norm; `but` where it is not reproduced."""
    (mean, error), (norm, other) = (
        study.over_seeds(HEADLINE, setting, metric) for setting in ("chaos", "batch norm")
    )
    return Claim(
        f"{statement}, on 2,000 images after 10,000 steps, mean over seeds, standard errors "
        f"{other:.2g} and {error:.2g}.",
        SOURCE,
        CHAPTER,
        norm,
        mean,
        tolerance * hypot(error, other),
        but,
        reproduced=not but,
    )


@claim
def chaotic_samples_are_as_near_to_real_ones() -> Claim:
    """Within a standard error of the difference."""
    return _against_norm("frechet", "Without batch norm a chaotic generator's samples are as near "
                         "to real ones as with it: Fréchet distance", 1)  # fmt: skip


@claim
def chaotic_samples_are_as_precise() -> Claim:
    """Within two standard errors of the difference."""
    return _against_norm("precision", "Without batch norm a chaotic generator's samples are as "
                         "precise as with it: precision", 2)  # fmt: skip


@claim
def chaotic_samples_are_as_various() -> Claim:
    """Within a standard error of the difference."""
    return _against_norm(
        "recall", "Without batch norm a chaotic generator's samples are as various as with it: "
        "recall", 1,
        but="They are not: with batch norm the generators cover more of the images, by "
        "recall and by coverage, from every seed.",
    )  # fmt: skip


@claim
def the_usual_parametrization_collapses() -> Claim:
    """As in chaos, but divided by the window everywhere: variance is lost, and own shares."""
    return Claim(
        "In the usual parametrization the same generator as in chaos collapses: diversity at "
        "16 x 16, in the last fifth of 600 steps.",
        OURS,
        CHAPTER,
        0.0,
        _late("parametrizations", "usual"),
        0.025,
    )


@claim
def rates_by_layer_rescue_a_frozen_generator() -> Claim:
    """Graph-based, gradient descent, gamma = 1/2, what chapter 11 balances the layers with."""
    return Claim(
        "Rates by layer, graph-based and under gradient descent, make a frozen generator as "
        "diverse as real images: diversity at 16 x 16, in the last fifth of 600 steps.",
        "a question of this course; [JGGH] say that such rates improve convergence",
        CHAPTER,
        study.real("layer rates")["diversity"],
        _late("layer rates", "freeze, descent, γ = 0.5"),
        0.1,
        "They balance the layers, but what images have in common stays in common: the generator "
        "collapses as without them.",
        reproduced=False,
    )


@claim
def a_modern_loss_rescues_a_frozen_generator() -> Claim:
    """The largest diversity that any loss, penalty or discriminator brings."""
    name = "losses"
    frozen = [setting for setting in EXPERIMENTS[name].settings if setting.startswith("freeze")]
    return Claim(
        "Another loss, a gradient penalty, spectral norm or another rate of the discriminator "
        f"makes a frozen generator as diverse as real images: the best of {len(frozen)}, at "
        "16 x 16, in the last fifth of 600 steps.",
        OURS,
        CHAPTER,
        study.real(name)["diversity"],
        max(_late(name, setting) for setting in frozen),
        0.1,
        "None does. The generator carries out what all pushes have in common, whoever pushes.",
        reproduced=False,
    )


@claim
def a_small_frozen_generator_collapses() -> Claim:
    """Trained while the page is built, so that a training step that is broken cannot pass.

    Born with a diversity of 0.07, it has to be trained to have less than the bound.
    """
    preset = replace(
        EXPERIMENTS["optimizers"].preset("freeze, Adam 1e-2"), data="digits", width=16,
        discriminator_width=8, batch=16, steps=200, record=20, save=200,
    )  # fmt: skip
    images = jnp.asarray(training.real_images(preset).images)
    lines = [seen for _, seen in training.follow(images, game.initial(preset), preset)]
    return Claim(
        "A frozen generator of width 16, seven affine maps and 16 x 16 pixels, trained for 200 "
        "steps while this page was built, collapses: diversity in the mean over the last three "
        "records.",
        SOURCE,
        CHAPTER,
        0.0,
        float(np.mean([line["diversity"] for line in lines[-3:]])),
        0.025,
    )


def _newborn(preset: Preset, seen: Callable[[jax.Array], jax.Array]) -> empirical.Estimate:
    """What is seen of the images of 64 latent vectors, mean over 32 newborn generators."""

    def sample(key: jax.Array) -> jax.Array:
        weights, latent = jax.random.split(key)
        z = game.latents(latent, 64, preset.latent)
        return seen(generator(preset, key=weights)(z)[..., 0])

    return empirical.monte_carlo(sample, jax.random.split(jax.random.key(0), 32), batch=8)


def _energy(images: jax.Array) -> jax.Array:
    """Of pixels in the mean: what differs between images, and all of it."""
    return jnp.stack([jnp.mean(jnp.var(images, axis=0, ddof=1)), jnp.mean(images**2)])


@claim
def newborn_generators_in_freeze_are_alike() -> Claim:
    """The share of an image's energy that is its own: a pixel reads itself through the same taps,
    so theory is a fully connected network of the same depth at a right angle."""
    preset = replace(PRESETS["freeze"], size=16, output="identity")
    depth = upsampling_stack(preset).depth
    predicted = 1 - float(nngp(standardized("relu"), preset.beta, depth, jnp.zeros(())))
    (own, whole), (error, _) = _newborn(preset, _energy)
    return Claim(
        "A newborn generator in freeze has images alike: the share of their energy that differs "
        "between latent vectors, in 32 generators of width 64 with seven affine maps, standard "
        f"error {error / whole:.3f}.",
        SOURCE,
        CHAPTER,
        predicted,
        measured=float(own / whole),
        tolerance=predicted / 3,  # three times depth / width, the relative order of corrections
    )


@claim
def generators_have_a_border() -> Claim:
    """The outermost pixels of newborn generators in the usual parametrization."""
    preset = replace(
        PRESETS["chaos"], size=16, width=32, parametrization="usual", output="identity"
    )
    sigma = diagonals(upsampling_stack(preset), normalized("relu"), preset.beta).sigma
    outermost = np.ones((preset.size, preset.size), bool)
    outermost[1:-1, 1:-1] = False
    middle = slice(preset.size // 4, preset.size - preset.size // 4)

    def ratio(square: jax.Array) -> float:
        return float(jnp.mean(square[outermost]) / jnp.mean(square[middle, middle]))

    return Claim(
        "In the usual parametrization a newborn generator has a frame: mean square of the "
        "outermost pixels over that of the middle, in 32 generators of width 32.",
        "[JGGH] graph-based parametrization",
        CHAPTER,
        predicted=ratio(jnp.asarray(sigma).reshape(outermost.shape)),
        measured=ratio(_newborn(preset, lambda images: jnp.mean(images**2, axis=0)).mean),
        tolerance=0.12,
    )
