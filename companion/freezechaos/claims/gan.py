"""Claims about generators in training against a discriminator [JGGH]; trained ones are stored."""

from dataclasses import replace
from functools import cache
from math import sqrt

import jax
import jax.numpy as jnp
import numpy as np

from freezechaos import empirical
from freezechaos.activations import normalized, standardized
from freezechaos.deconvolution import compressed, diagonals
from freezechaos.gan import PRESETS, Preset, game, generator, study, upsampling_stack

from .record import Claim, claim

CHAPTER, SOURCE = "12_gans", "[JGGH] generative adversarial networks"


@cache
def late(setting: str, metric: str) -> tuple[float, float]:
    """Mean of a metric over the second half of the stored runs and over seeds; standard error."""
    values = []
    for run in study.stored(setting):
        values.append(run.metrics[metric][run.steps > run.preset.steps / 2].mean())
    return float(np.mean(values)), float(np.std(values, ddof=1) / sqrt(len(values)))


def _diversity(setting: str, statement: str, predicted: float, tolerance: float) -> Claim:
    mean, error = late(setting, "diversity")
    seeds = len(study.stored(setting))
    return Claim(
        f"{statement}: diversity over the second half of 400 steps on Fashion-MNIST, mean of "
        f"{seeds} seeds, standard error {error:.3f}.",
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
    """As in chaos, but divided by the window everywhere: variance falls, and own shares with it."""
    statement = "In the usual parametrization the same generator as in chaos collapses"
    return _diversity("usual", statement, 0.0, 0.025)


def _over_generators(preset: Preset, seen: str) -> empirical.Estimate:
    """Of 32 newborn generators without the final tanh, from 64 latent vectors each."""

    def sample(key: jax.Array) -> jax.Array:
        z = game.latents(jax.random.fold_in(key, 1), 64, preset.latent)
        images = generator(preset, key=key)(z)[..., 0]
        square = jnp.mean(images**2, axis=0)
        own = jnp.mean(jnp.var(images, axis=0, ddof=1))
        return square if seen == "square" else jnp.stack([own, jnp.mean(square)])

    return empirical.monte_carlo(sample, jax.random.split(jax.random.key(0), 32), batch=8)


@claim
def the_kernel_foresees_it() -> Claim:
    """The share of an image's energy that is its own, from the covariance and from generators."""
    preset = replace(PRESETS["freeze"], size=16, output="identity")
    kernel = compressed(
        upsampling_stack(preset), standardized("relu"), preset.beta, jnp.eye(2)[:, :, None, None]
    ).nngp.dense()
    own, whole = _over_generators(preset, "own").mean
    predicted = 1 - float(jnp.trace(kernel[0, 1]) / jnp.trace(kernel[0, 0]))
    return Claim(
        "A newborn generator in freeze has images alike: the share of their energy that differs "
        "between latent vectors, in 32 generators of width 64 with seven affine maps.",
        SOURCE,
        CHAPTER,
        predicted,
        measured=float(own / whole),
        tolerance=predicted / 3,  # corrections are of relative order depth / width, a tenth
    )


@claim
def generators_have_a_border() -> Claim:
    """The outermost pixels of newborn generators in the usual parametrization."""
    preset = replace(
        PRESETS["chaos"], size=16, width=32, parametrization="usual", output="identity"
    )
    sigma = diagonals(upsampling_stack(preset), normalized("relu"), preset.beta).sigma
    outermost = np.pad(np.zeros((14, 14), bool), 1, constant_values=True)

    def ratio(square: jax.Array) -> float:
        return float(jnp.mean(square[outermost]) / jnp.mean(square[5:11, 5:11]))

    return Claim(
        "In the usual parametrization a newborn generator has a frame: mean square of the "
        "outermost pixels over that of the middle, in 32 generators of width 32.",
        "[JGGH] graph-based parametrization",
        CHAPTER,
        predicted=ratio(jnp.asarray(sigma).reshape(16, 16)),
        measured=ratio(_over_generators(preset, "square").mean),
        tolerance=0.1,
    )
