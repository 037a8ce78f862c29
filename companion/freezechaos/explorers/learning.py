"""Deep networks learning real images: how many steps they need, and what they get right."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from freezechaos import data, dynamics, kernels, regimes
from freezechaos.explorers.axes import Axis, Choice
from freezechaos.explorers.explorer import Explorer
from freezechaos.explorers.fully_connected import named_activation, named_regime
from freezechaos.explorers.views import Curves

STEPS = 2 ** np.arange(13)
SAMPLES = (32, 64, 128, 256)
TESTS = 256
DRAWS = 4  # networks at every setting, each with its own function at birth
RANKS = np.unique(np.geomspace(1, min(SAMPLES), 12).astype(int))
TITLES = {"fashion_mnist": "Fashion-MNIST", "glyphs": "letters"}


@cache
def images() -> tuple[str, data.Images, data.Images]:
    """The name, training and test images of the set that the book shows."""
    name = data.of_the_book()
    return name, data.load(name, count=max(SAMPLES)), data.load(name, "test", count=TESTS)


@cache
def prior_and_kernel(beta: float, depth: int, activation: str) -> tuple[np.ndarray, ...]:
    """Functions at birth [draws, train + test], and the kernel [train + test, train]."""
    _, train, test = images()
    x = jnp.concatenate([part.images.reshape(len(part), -1) for part in (train, test)])
    sigma = named_activation(activation)
    births = kernels.draw(sigma, beta, depth, x, DRAWS * 10, key=jax.random.key(0))
    return np.asarray(births), np.asarray(kernels.gram(sigma, beta, depth, x, x[: len(train)]))


def learning(samples: int, beta: float, depth: int, activation: str) -> dict[str, Any]:
    """Train and test accuracy against the steps, and eigenvalues over the largest.

    Infinitely wide networks with their random functions at birth, under gradient flow. A step is
    the time N / (largest eigenvalue), the learning rate that is half of what is stable.
    """
    _, train, test = images()
    births, kernel = prior_and_kernel(beta, depth, activation)
    gram, labels = kernel[:samples, :samples], np.asarray(train.labels)[:samples]
    targets = jnp.tile(dynamics.one_hot(labels, 10), (1, DRAWS))
    start, unseen = births[:, :samples].T, births[:, max(SAMPLES) :].T
    flow = dynamics.flow(
        gram, targets, kernel[max(SAMPLES) :, :samples], initial=start, test_initial=unseen
    )
    eigenvalues = np.asarray(flow.rates) / float(flow.rates[0])
    times = STEPS / float(flow.rates[0])
    curves = [
        _accuracy(outputs, answers)
        for outputs, answers in ((flow.train(times), labels), (flow.test(times), test.labels))
    ]
    at = int(np.flatnonzero(STEPS == 256)[0])
    return {
        "accuracy": np.stack(curves),
        "eigenvalues": np.maximum(eigenvalues[RANKS - 1], 1e-8),
        "fitted": curves[0][at],
        "right": curves[1][at],
        "r": regimes.characteristic_value(named_activation(activation), beta),
    }


def _accuracy(outputs: jax.Array, labels: Any) -> np.ndarray:
    """Mean over the draws of the accuracy of [times, n, draws * classes]."""
    apart = outputs.reshape(*outputs.shape[:2], DRAWS, 10)
    chosen = np.argmax(np.asarray(apart), axis=-1)
    return np.mean(chosen == np.asarray(labels)[:, None], axis=(1, 2))


def learning_curves(
    activations: Sequence[str] = ("normalized gelu", "relu", "erf"),
    start: Mapping[str, Any] | None = None,
) -> Explorer:
    """Accuracy of deep networks on images against the training steps, and why: the spectrum.

    Arguments:
        activations: names such as "relu" (standardized) or "normalized relu", two or more.
        start: what to begin with, such as `{"activation": "relu", "depth": 4, "samples": 64}`.
    """
    betas = [0, 0.1, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8]
    return Explorer(
        title=f"Deep networks learn {TITLES[images()[0]]}",
        slug="learning",
        axes=[
            Axis("beta", "bias share β", values=betas, start=0.5, static=True, format=".1f"),
            Axis("depth", "depth L", values=[2, 4, 8, 16, 32], start=16, static=True),
            Axis("samples", "training images N", values=SAMPLES, start=128, static=True),
            Choice("activation", "activation", options=activations),
        ],
        start=start,
        compute=learning,
        view=[
            Curves(
                x=STEPS,
                y="accuracy",
                x_label="training steps",
                y_label="images right",
                series=("training images", "new images"),
                colors=("green", "violet"),
                x_scale="log",
                x_ticks=[1, 16, 256, 4096],
                y_range=(0, 1.02),
                title="What the networks get right",
            ),
            Curves(
                x=RANKS,
                y="eigenvalues",
                x_label="mode, by size",
                y_label="eigenvalue over the largest",
                styles=("dots",),
                colors=("ochre",),
                x_scale="log",
                y_scale="log",
                x_ticks=[1, 2, 4, 8, 16, 32],
                title="Why: the spectrum",
            ),
        ],
        numbers=["fitted", "right", "r"],
        words={"regime": named_regime},
        readout=(
            "{activation}, β = {beta:.1f}, depth {depth:.0f}: r = {r:.2f}, {regime}. After 256 "
            "steps the networks have {fitted:.0%} of their {samples:.0f} images right, and "
            "{right:.0%} of new ones."
        ),
        alt=(
            "Left, the share of training images and of new images that deep networks get right, "
            "against the number of training steps. Right, the eigenvalues of the kernel between "
            "the images, over the largest."
        ),
    )
