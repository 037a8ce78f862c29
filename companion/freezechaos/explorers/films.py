"""Films of generators in training: what a latent vector becomes, its spectrum, the indicators."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Float

from freezechaos.explorers.axes import Axis, Choice
from freezechaos.explorers.explorer import Explorer
from freezechaos.explorers.views import Curves, Guide, Image
from freezechaos.gan import study

REGIMES = {"freeze": "freeze", "edge": "edge", "chaos": "chaos", "batch norm": "batchnorm"}
LATENTS = 4
GREYS = 16  # steps from black to white, what an eye tells apart
_DECADES = 4  # of power, from black to white


def spectrum(image: Float[np.ndarray, "rows columns"]) -> Float[np.ndarray, "rows columns"]:
    """Share of the power at every frequency, the mean left out, frequency 0 in the middle.

    Logarithmic: 1 is all of it, 0 is 10^-4 of it or less.
    """
    power = np.abs(np.fft.fftshift(np.fft.fft2(image - image.mean()))) ** 2
    share = power / max(power.sum(), 1e-9)
    return np.clip(1 + np.log10(np.maximum(share, 1e-9)) / _DECADES, 0, 1)


def film(regime: str, steps: float, latent: float) -> dict[str, Any]:
    """An image of seed 0, the mean of all nine and its spectrum; the indicators over the run."""
    run = study.stored(REGIMES[regime])[0]
    assert run.frames is not None
    images = run.frames[study.FRAMES.index(int(steps)), ..., 0] / 255
    one, at = images[int(latent) - 1], int(np.flatnonzero(run.steps == steps)[0])
    panels = np.stack([one, images.mean(0), spectrum(one)])
    curves = np.stack([run.metrics[name] for name in ("diversity", "checkerboard_2")])
    return {
        "pictures": np.round(panels * GREYS) / GREYS,
        "indicators": curves,
        "diversity": curves[0, at],
        "board": curves[1, at],
    }


def training_film(start: Mapping[str, Any] | None = None) -> Explorer:
    """A generator in training against a discriminator, in four regimes; stored runs of `gan.study`.

    Arguments:
        start: what to begin with, such as `{"regime": "chaos", "steps": 400}`.
    """
    steps = study.stored("freeze")[0].steps
    return Explorer(
        title="Four generators in training",
        slug="film",
        axes=[
            Axis("steps", "training steps", study.FRAMES, 400, step=True, format=".0f"),
            Choice("regime", "regime", options=tuple(REGIMES)),
            Axis("latent", "latent vector", np.arange(1, LATENTS + 1), 1, step=True, format=".0f"),
        ],
        start=start,
        compute=film,
        vectorized=False,
        view=[
            Image(
                pixels="pictures",
                label="grey level",
                panels=("image", "mean of nine", "spectrum"),
                value_range=(0, 1),
                title="What is drawn",
            ),
            Curves(
                x=steps,
                y="indicators",
                x_label="training steps",
                y_label="share",
                series=("diversity", "period 2"),
                colors=("green", "violet"),
                y_range=(0, 1),
                guides=[Guide(x="steps"), Guide("real images", y=study.real()["diversity"])],
                title="The indicators",
            ),
        ],
        numbers=["diversity", "board"],
        readout=(
            "{regime}, after {steps:.0f} steps: diversity {diversity:.3f}; {board:.0%} of the "
            f"energy at period 2. Latent vector {{latent:.0f}} of {LATENTS}."
        ),
        alt=(
            "Left, the image that a generator draws for a latent vector, the mean of nine such "
            "images, and the spectrum of the first. Right, the diversity of the images and the "
            "share of their energy at period 2, against the steps of training."
        ),
    )
