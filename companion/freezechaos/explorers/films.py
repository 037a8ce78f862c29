"""A film of generators in training: nine latent vectors, real images, the run's curves."""

from collections.abc import Mapping
from functools import cache, partial
from math import isqrt
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Real, UInt8

from freezechaos import data
from freezechaos.explorers.axes import Axis, Choice
from freezechaos.explorers.explorer import Explorer
from freezechaos.explorers.views import Curves, Guide, Image
from freezechaos.gan import pictures, study, training
from freezechaos.gan.experiments import EXPERIMENTS

NAME = "headline"
REGIMES = tuple(EXPERIMENTS[NAME].settings)
GREYS = 16  # what an eye tells apart; more make the page heavy
LEFT_OUT = (700, 7000)  # frames that the page has no room for
LEAST = 0.1  # of the lattice of real images, where the axis ends


def mosaic(images: Real[ArrayLike, "n rows columns"], white: int) -> Real[Array, "height width"]:
    """A square of pictures, a white line between them; n is a square."""
    framed = jnp.pad(jnp.asarray(images), [(0, 0), (0, 1), (0, 1)], constant_values=white)
    count, rows, columns = framed.shape
    side = isqrt(count)
    page = framed.reshape(side, side, rows, columns).swapaxes(1, 2)
    return page.reshape(side * rows, side * columns)[:-1, :-1]


def coarse(images: UInt8[np.ndarray, "9 rows columns"]) -> UInt8[np.ndarray, "height width"]:
    """Nine of them, in steps of grey."""
    step = 255 // (GREYS - 1)
    return np.asarray(mosaic((np.rint(images / step) * step).astype(np.uint8), 255))


@cache
def real_images() -> UInt8[np.ndarray, "9 rows columns"] | None:
    """The first nine test images of the study's set, if it is on this machine."""
    preset = EXPERIMENTS[NAME].base
    if not data.available(preset.data):
        return None
    return pictures.as_bytes(training.real_images(preset, "test").images[:9, ..., 0])


@cache
def curves(regime: str, seed: int) -> dict[str, Float[np.ndarray, "*curves times"]]:
    """From step 1 on: diversity and the discriminator's accuracy; the lattice, real images' 1."""
    seen = study.stored(NAME, regime)[seed].metrics
    shares = np.stack([seen["diversity"], seen["accuracy"]])[:, 1:]
    lattice = seen["lattice"][1:] / study.real(NAME)["lattice"]
    return {"shares": shares, "woven": np.maximum(lattice, LEAST)}


def film(regime: str, seed: int, steps: int) -> dict[str, Any]:
    """Nine images at a moment of a run, and the run's curves."""
    run = study.stored(NAME, regime)[seed]
    frame = run.frames[run.times.index(steps), ..., 0]
    at = int(np.flatnonzero(run.steps == steps)[0])
    real = real_images()
    return {
        "drawn": coarse(frame),
        **curves(regime, seed),
        **({} if real is None else {"real": coarse(real)}),
        "diversity": run.metrics["diversity"][at],
        "lattice": run.metrics["lattice"][at] / study.real(NAME)["lattice"],
        "accuracy": run.metrics["accuracy"][at],
        "mark": max(steps, 1),
    }


def judged(seen: Mapping[str, Any]) -> str:
    """What the discriminator makes of it, in words; before the first step, nothing."""
    if np.isnan(seen["accuracy"]):
        return "The discriminator has seen nothing yet"
    return f"The discriminator is right for {seen['accuracy']:.0%} of the images"


def training_film(start: Mapping[str, Any] | None = None) -> Explorer:
    """Generators in training against a discriminator, in four regimes; stored runs of `gan.study`.

    Arguments:
        start: what to begin with, such as `{"regime": "chaos", "steps": 400}`.
    """
    run, real = study.stored(NAME, REGIMES[0])[0], study.real(NAME)
    times = np.array([time for time in run.times if time not in LEFT_OUT])
    seeds = min(len(study.stored(NAME, regime)) for regime in REGIMES)
    curve = partial(Curves, x=run.steps[1:], x_label="training steps", x_scale="log")
    picture = partial(Image, label="grey level", value_range=(0, 255))
    views: list[Curves | Image] = [
        curve(
            y="shares", y_label="share", series=("diversity", "accuracy"),
            colors=("green", "violet"), y_range=(0, 1), title="Diversity, and who is winning",
            guides=[Guide(x="mark"), Guide("real images' diversity", y=real["diversity"])],
        ),
        curve(
            y="woven", y_label="lattice, real images' = 1", colors=("ochre",), y_scale="log",
            y_range=(LEAST, 300), title="Lattice", guides=[Guide(x="mark"), Guide(y=1)],
        ),
    ]  # fmt: skip
    if real_images() is not None:
        views.append(picture(pixels="real", title="Real images"))
    views.append(picture(pixels="drawn", title="Nine latent vectors"))
    return Explorer(
        title="Four generators in training",
        slug="film",
        axes=[
            Choice("regime", "regime", options=REGIMES),
            Axis("seed", "seed", np.arange(seeds), 0, step=True, format=".0f"),
            Axis("steps", "training steps", times, 400, step=True, format=".0f"),
        ],
        start=start,
        compute=film,
        vectorized=False,
        view=views,
        numbers=["diversity", "lattice", "mark"],
        words={"judged": judged},
        readout=(
            "{regime}, seed {seed:.0f}, after {steps:.0f} steps: diversity {diversity:.3f}, "
            "{lattice:.1f} times the lattice of real images. {judged}."
        ),
        alt=(
            "Curves of a run against its steps: the diversity of its images, how often the "
            "discriminator is right, and the lattice in the images relative to that of real ones. "
            "Beside them, nine images of the generator, and where the set is at hand nine real "
            "ones."
        ),
    )
