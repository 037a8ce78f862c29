"""The explorer of a generator's step: push a pixel of one image, and see what all images do."""

from collections.abc import Mapping, Sequence
from functools import cache, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from freezechaos import deconvolution, regimes
from freezechaos.explorers.axes import Axis, Choice
from freezechaos.explorers.explorer import Explorer
from freezechaos.explorers.fully_connected import named_activation, named_regime
from freezechaos.explorers.views import Pushed
from freezechaos.graphs import convolution, transposed_convolution

SIDE, COUNT = 16, 9
CONVOLUTIONS = {3: 0, 5: 1, 7: 2, 11: 4}  # before each doubling, by depth
BETAS = (0.0, 0.1, 0.2, 0.3, 0.5, 0.7)
BATCHES = (9, 16, 32, 64, 128, 256)
ASKING = ("one image", "each its own pixel", "all the same pixel")
GREYS = 0.25  # step between two greys of a newborn image, in standard deviations
DIGITS = 3  # of a kernel, over its own diagonal
WISHES = np.random.default_rng(2).integers(SIDE, size=(max(BATCHES), 2))


class Pair(NamedTuple):
    """A kernel between the pixels of an image and of itself, and of another latent vector's.

    Of orthogonal latent vectors, so that there are no others. Both [256, 256].
    """

    own: Float[np.ndarray, "pixels pixels"]
    other: Float[np.ndarray, "pixels pixels"]

    @property
    def own_share(self) -> float:
        """alpha, 1 - tr(other) / tr(own)."""
        return 1 - float(np.trace(self.other) / np.trace(self.own))

    def energies(self) -> tuple[float, float, float]:
        """Of a pixel in the mean, |K_!= 1|^2 / n^2, |K_!=|^2 / n and |K_= - K_!=|^2 / n."""
        pixels = len(self.own)
        parts = self.other.mean(1), self.other, self.own - self.other
        mean, other, apart = (float(np.sum(part**2)) for part in parts)
        return mean, other / pixels, apart / pixels


def common_share(energies: tuple[float, float, float], batch: int) -> float:
    """Of a step's energy, what moves all images alike, if each asks for a pixel at random.

    E|K_!= u_mean|^2 over that plus E|(K_= - K_!=) u|^2 / N^2, from `Pair.energies`.
    """
    mean, other, apart = energies
    common = mean + (other - mean) / batch
    return common / (common + apart / batch**2)


def stack(depth: int) -> deconvolution.DeconvStack:
    """From one position to 16 x 16, with convolutions of window 3 before either doubling."""
    before = [convolution(3, padding=1)] * CONVOLUTIONS[depth]
    block = [*before, transposed_convolution(4, 2, 1)]
    return deconvolution.DeconvStack((1, 1), [transposed_convolution(4), *block * 2])


@cache
def compressed(activation: str, beta: float, depth: int) -> deconvolution.kernels.Kernels:
    """Both kernels between the images of two orthogonal latent vectors."""
    gram = jnp.eye(2)[:, :, None, None]
    return deconvolution.compressed(stack(depth), named_activation(activation), beta, gram)


def pair(activation: str, beta: float, depth: int, kernel: str = "ntk") -> Pair:
    """The tangent kernel of the images, or with "nngp" their covariance at birth."""
    dense = np.asarray(getattr(compressed(activation, beta, depth), kernel).dense(), np.float64)
    return Pair(dense[0, 0], dense[0, 1])


@cache
def classes() -> tuple[np.ndarray, np.ndarray]:
    """The classes of pairs of rows and of columns, fine enough for every depth."""
    known = [compressed("relu", BETAS[-1], depth).ntk.classes for depth in CONVOLUTIONS]
    rows, columns = (_joint(parts) for parts in zip(*known, strict=True))
    return rows, columns


def _joint(parts: Sequence[np.ndarray]) -> np.ndarray:
    """The coarsest classes that are finer than all of them."""
    columns = np.stack([part.ravel() for part in parts], axis=1)
    return np.unique(columns, axis=0, return_inverse=True)[1].reshape(parts[0].shape)


def table(kernel: Float[np.ndarray, "pixels pixels"]) -> Float[np.ndarray, "rows columns"]:
    """The kernel by classes of pairs."""
    rows, columns = classes()
    whole = kernel.reshape(SIDE, SIDE, SIDE, SIDE).transpose(0, 2, 1, 3)
    (r, s), (c, d) = (_firsts(part) for part in (rows, columns))
    return whole[r[:, None], s[:, None], c, d]


def _firsts(part: np.ndarray) -> tuple[np.ndarray, ...]:
    """A pair of each class."""
    return np.unravel_index(np.unique(part, return_index=True)[1], part.shape)


def newborn(covariance: Pair) -> Float[np.ndarray, "images rows columns"]:
    """Nine images drawn with the covariance, from the same normal numbers at every setting."""
    noise = np.asarray(jax.random.normal(jax.random.key(0), (COUNT + 1, SIDE**2)), np.float64)
    common = _root(covariance.other) @ noise[0]
    own = noise[1:] @ _root(covariance.own - covariance.other)
    return (common + own).reshape(COUNT, SIDE, SIDE)


def _root(covariance: np.ndarray) -> np.ndarray:
    """The symmetric one, which hardly changes where the covariance hardly does."""
    values, vectors = np.linalg.eigh(covariance)
    return (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T


@cache
def of_networks(activation: str, beta: float, depth: int) -> dict[str, Any]:
    """What does not depend on the batch: kernels over their diagonal, images, shares."""
    kernel = pair(activation, beta, depth)
    born = newborn(pair(activation, beta, depth, "nngp"))
    tables = np.stack([table(part) for part in kernel]) / kernel.own[0, 0]
    return {
        "kernels": np.round(tables, DIGITS),
        "born": np.round(born / GREYS) * GREYS,
        "alpha": kernel.own_share,
        "energies": kernel.energies(),
        "r": regimes.characteristic_value(named_activation(activation), beta),
    }


def push(activation: str, beta: float, depth: float, batch: float) -> dict[str, Any]:
    """Kernels by classes, newborn images, and what to say of a batch."""
    known = of_networks(activation, beta, int(depth))
    alpha = known["alpha"]
    return known | {
        "common": common_share(known["energies"], int(batch)),
        "shared": 1 - alpha,
        "ratio": int(batch) * (1 - alpha) / alpha,
    }


def named_ratio(point: Mapping[str, Any]) -> str:
    """N (1 - alpha) / alpha as it is said: from 0 to thousands, which no even scale keeps."""
    ratio = point["ratio"]
    return f"{ratio:.0f}" if ratio >= 10 else f"{ratio:.2g}"


def one_push(start: Mapping[str, Any] | None = None) -> Explorer:
    """Nine images of a generator, and how a step moves them that pushes one pixel of one.

    Arguments:
        start: what to begin with, such as `{"activation": "normalized relu", "beta": 0.1}`.
    """
    pushed = partial(
        Pushed,
        kernels="kernels",
        classes=classes(),
        wishes=WISHES,
        count=COUNT,
        pick=("image", "row", "column"),
        batch="batch",
        who="who",
    )
    return Explorer(
        title="One push moves all",
        slug="push",
        axes=[
            Choice("who", "who asks", options=ASKING, tabulated=False),
            Choice("activation", "activation", options=("relu", "normalized relu")),
            Axis("beta", "bias share β", values=BETAS, start=0.5, step=True, format=".1f"),
            Axis("depth", "affine maps L", values=tuple(CONVOLUTIONS), start=7, step=True),
            Axis("batch", "images in the batch N", values=BATCHES, start=64, step=True),
            Axis("size", "size of the step", np.linspace(0, 4, 9), 2, tabulated=False),
            *(
                Axis(name, name, values, start, step=True, tabulated=False)
                for name, values, start in (
                    ("image", range(1, COUNT + 1), 5),
                    ("row", range(SIDE), 6),
                    ("column", range(SIDE), 9),
                )
            ),
        ],
        start=start,
        compute=push,
        vectorized=False,
        view=[
            pushed(
                onto="born",
                times="size",
                label="grey level",
                shades="grey",
                value_range=(-3, 3),
                title="Nine images after the step",
            ),
            pushed(label="move, over the largest", title="How they moved"),
        ],
        numbers=["alpha", "shared", "common", "r"],
        words={"regime": named_regime, "ratio": named_ratio},
        readout=(
            "Asking: {who}. Picked: image {image:.0f}, row {row:.0f}, column {column:.0f}; a step "
            "of size {size:.1f}. {activation}, β = {beta:.1f}, {depth:.0f} maps: r = {r:.2f}, "
            "{regime}. Own share α = {alpha:.3f}: where one image asks, its pixel moves in every "
            "other image {shared:.1%} as far. Where all N = {batch:.0f} ask, each for a pixel of "
            "its own, {common:.0%} of the step's energy is the same in all; N(1 − α)/α = {ratio}."
        ),
        alt=(
            "Left, nine images of 16 by 16 pixels after a step of gradient descent that pushed one "
            "pixel of one of them. Right, how far each pixel of the nine moved."
        ),
    )
