"""Claims about generators in training against a discriminator [JGGH]; trained ones are stored."""

from collections.abc import Callable
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np

from freezechaos import empirical
from freezechaos.activations import normalized, standardized
from freezechaos.deconvolution import diagonals
from freezechaos.gan import PRESETS, Preset, game, generator, study, upsampling_stack
from freezechaos.kernels import nngp

from .record import Claim, claim

CHAPTER, SOURCE = "12_gans", "[JGGH] generative adversarial networks"


def _diversity(setting: str, statement: str, predicted: float, tolerance: float) -> Claim:
    mean, error = study.over_seeds(setting, "diversity", 220, 400)
    return Claim(
        f"{statement}: diversity over steps 220 to 400 of stored runs on Fashion-MNIST, "
        f"mean over seeds, standard error {error:.3f}.",
        SOURCE,
        CHAPTER,
        predicted,
        mean,
        tolerance,
    )


@claim
def frozen_generators_collapse() -> Claim:
    """Standardized ReLU, beta = 0.5, ten affine maps."""
    return _diversity("freeze", "Generators in freeze collapse to one image", 0.0, 0.025)


@claim
def generators_at_the_edge_collapse() -> Claim:
    """Standardized ReLU, beta = 0, ten affine maps."""
    return _diversity("edge", "So do generators at the edge", 0.0, 0.025)


@claim
def chaotic_generators_do_not_collapse() -> Claim:
    """Normalized ReLU, beta = 0.1, ten affine maps; against the diversity of real images."""
    real = study.real()["diversity"]
    return _diversity("chaos", "Generators in chaos are as diverse as real images", real, 0.1)


@claim
def batch_normalized_generators_do_not_collapse() -> Claim:
    """As in freeze, with batch norm after every nonlinearity."""
    real = study.real()["diversity"]
    return _diversity("batchnorm", "So are generators with batch normalization", real, 0.1)


@claim
def the_usual_parametrization_collapses() -> Claim:
    """As in chaos, but divided by the window everywhere: variance is lost, and own shares."""
    statement = "In the usual parametrization the same generator as in chaos collapses"
    return _diversity("usual", statement, 0.0, 0.025)


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
