"""A small classifier of an image set, whose features distances between sets are measured in."""

import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from typing import Any
from zlib import crc32

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int, PRNGKeyArray
from tqdm import tqdm

from .. import checks
from ..records import write_atomically
from .distances import (
    classes_covered,
    density_coverage,
    frechet,
    kernel_distance,
    precision_recall,
)
from .game import updated
from .indicators import checked_images
from .presets import Preset
from .training import real_images

FEATURES = 64
_CHANNELS = (16, 32, 64)
BATCH = 128
_RATE, _STEPS, _CHUNK = 1e-3, 1500, 500


@dataclass(frozen=True)
class Trained:
    """What is known of a classifier.

    Attributes:
        data: the image set it is for, or the path of a folder.
        size, colours: of the images.
        classes: how many it tells apart.
        steps, seed: of its training.
        accuracy: share of the test images that it names rightly.
    """

    data: str
    size: int
    colours: int
    classes: int
    steps: int
    seed: int
    accuracy: float


class Classifier(eqx.Module):
    """Three strided convolutions, a layer of 64 features, one logit a class."""

    convolutions: tuple[eqx.nn.Conv2d, ...]
    hidden: eqx.nn.Linear
    last: eqx.nn.Linear
    size: int = eqx.field(static=True)

    def __init__(self, size: int, colours: int, classes: int, *, key: PRNGKeyArray):
        keys = jax.random.split(key, 5)
        self.convolutions = tuple(
            eqx.nn.Conv2d(before, after, 3, stride=2, padding=1, key=key)
            for (before, after), key in zip(pairwise((colours, *_CHANNELS)), keys, strict=False)
        )
        left = math.ceil(size / 2 ** len(_CHANNELS))
        self.hidden = eqx.nn.Linear(left**2 * _CHANNELS[-1], FEATURES, key=keys[3])
        self.size = size
        self.last = eqx.nn.Linear(FEATURES, classes, key=keys[4])

    def features(self, images: Float[ArrayLike, "n size size colours"]) -> Float[Array, "n 64"]:
        """What the last layer reads."""

        def of_one(image: Array) -> Array:
            x = jnp.moveaxis(image, -1, 0)
            for convolution in self.convolutions:
                x = jax.nn.relu(convolution(x))
            return jax.nn.relu(self.hidden(x.reshape(-1)))

        return jax.vmap(of_one)(jnp.asarray(images))

    def __call__(
        self, images: Float[ArrayLike, "n size size colours"]
    ) -> Float[Array, "n classes"]:
        """Logits."""
        return jax.vmap(self.last)(self.features(images))


def train_classifier(
    preset: Preset, *, steps: int = _STEPS, seed: int = 0, progress: bool = True
) -> tuple[Classifier, Trained]:
    """A classifier of the preset's image set, and how often it is right on the test images.

    Raises:
        ValueError: a set without classes, steps that are not 1 or more.
        OSError, ValueError: no images.
    """
    train, test = (real_images(preset, split) for split in ("train", "test"))
    if train.labels is None or test.labels is None:
        raise ValueError(
            f"`data` must have classes; {train.source} has none. Sort the pictures of a folder "
            "into subfolders, one a class."
        )
    checks.whole("steps", steps, 1, f"Try {_STEPS}.")
    key, drawn = jax.random.split(jax.random.key(seed))
    network = Classifier(preset.size, preset.colours, len(train.classes), key=key)
    images, labels = jnp.asarray(train.images), jnp.asarray(train.labels)
    state = optax.adam(_RATE).init(eqx.filter(network, eqx.is_array))
    for step in tqdm(range(steps), unit="step", desc="classifier", disable=not progress):
        number = jnp.asarray(step)  # as a Python number it would be compiled in
        network, state = _update(images, labels, drawn, number, network, state)
    named = np.argmax(_in_chunks(_logits, network, test.images), axis=1)
    return network, Trained(
        _source(preset), preset.size, preset.colours, len(train.classes), steps, seed,
        float(np.mean(named == test.labels)),
    )  # fmt: skip


@eqx.filter_jit
def _update(
    images: Array, labels: Int[Array, " n"], key: PRNGKeyArray, step: Array,
    network: Classifier, state: Any,
) -> tuple[Classifier, Any]:  # fmt: skip
    """A step of Adam on the cross-entropy."""
    picks = jax.random.randint(jax.random.fold_in(key, step), (BATCH,), 0, len(images))

    def loss(network: Classifier) -> Array:
        logits = network(images[picks])
        return jnp.mean(optax.softmax_cross_entropy_with_integer_labels(logits, labels[picks]))

    return updated(optax.adam(_RATE), network, eqx.filter_grad(loss)(network), state)


def features(
    network: Classifier, images: Float[np.ndarray, "n size size colours"]
) -> Float[np.ndarray, "n 64"]:
    """Features of images in [-1, 1], for `distances`.

    Raises:
        ValueError, TypeError: no images of the classifier's size and colours.
    """
    x = np.asarray(checked_images(images, 1))
    if x.shape[1:] != (network.size, network.size, network.convolutions[0].in_channels):
        raise ValueError(
            "`images` must be of the size and colours that the classifier was trained on; got "
            f"{list(x.shape)}. Train another with python -m freezechaos.gan classifier."
        )
    return _in_chunks(_features, network, x)


def feature_metrics(
    network: Classifier,
    generated: Float[np.ndarray, "n size size colours"],
    real: Float[np.ndarray, "m size size colours"],
) -> dict[str, float]:
    """All that `distances` measures between generated and real images, by name.

    Arguments:
        generated, real: in [-1, 1], 6 or more each; as many of both as there are in what it is
            compared with, since most of it depends on how many there are.

    Raises:
        ValueError, TypeError: no images of the classifier's size and colours, or too few.
    """
    made, there = features(network, generated), features(network, real)
    kernel, balls = kernel_distance(made, there), density_coverage(made, there)
    classes = classes_covered(jax.vmap(network.last)(jnp.asarray(made)))
    return {
        "frechet": frechet(made, there), "kernel": kernel.squared, "kernel_error": kernel.error,
        **precision_recall(made, there)._asdict(), **balls._asdict(),
        "classes": float(classes.covered), "effective_classes": classes.effective,
    }  # fmt: skip


def real_floor(
    network: Classifier, real: Float[np.ndarray, "n size size colours"], *, seed: int = 0
) -> dict[str, float]:
    """`feature_metrics` of one half of the real images against the other, split by the seed.

    What a generator without fault would have, shown n / 2 images against n / 2. Arguments and
    errors as there. Of test images against training images it is
    feature_metrics(network, test, train).
    """
    mixed = np.random.default_rng(seed).permutation(len(real))
    half = len(real) // 2
    return feature_metrics(network, real[mixed[:half]], real[mixed[half : 2 * half]])


@eqx.filter_jit
def _features(network: Classifier, images: Array) -> Array:
    return network.features(images)


@eqx.filter_jit
def _logits(network: Classifier, images: Array) -> Array:
    return network(images)


def _in_chunks(function: Any, network: Classifier, images: np.ndarray) -> np.ndarray:
    """So many images at once that they fit any memory."""
    starts = range(0, len(images), _CHUNK)
    return np.concatenate([np.asarray(function(network, images[i : i + _CHUNK])) for i in starts])


def classifier_file(preset: Preset) -> Path:
    """Where the classifier of a preset's images lies."""
    folder = "" if preset.path is None else f"-{crc32(_source(preset).encode()):08x}"
    return (
        Path("runs") / "classifiers" / f"{preset.data}{folder}-{preset.size}x{preset.colours}.eqx"
    )


def _source(preset: Preset) -> str:
    return preset.data if preset.path is None else str(Path(preset.path).expanduser().resolve())


def write(file: Path, network: Classifier, known: Trained) -> None:
    """A line of JSON, then the weights; whole or not at all."""
    content = BytesIO()
    content.write(json.dumps(asdict(known)).encode() + b"\n")
    eqx.tree_serialise_leaves(content, network)
    file.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(file, content.getvalue())


def read(file: Path) -> tuple[Classifier, Trained]:
    """A classifier that `write` wrote.

    Raises:
        FileNotFoundError: there is none; ValueError: a damaged file.
    """
    with file.open("rb") as stream, _damaged(file):
        known = Trained(**json.loads(stream.readline()))
        empty = Classifier(known.size, known.colours, known.classes, key=jax.random.key(0))
        return eqx.tree_deserialise_leaves(stream, empty), known


@contextmanager
def _damaged(file: Path) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        raise ValueError(
            f"{file} is no whole classifier: {error}. Remove it and train it again with "
            "python -m freezechaos.gan classifier."
        ) from error
