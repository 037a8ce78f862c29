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

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Int, PRNGKeyArray
from tqdm import tqdm

from .checkpoints import replaced
from .indicators import checked_images
from .presets import Preset
from .training import real_images

FEATURES = 64
_CHANNELS = (16, 32, 64)
_BATCH, _RATE, _CALL, _CHUNK = 128, 1e-3, 50, 500


@dataclass(frozen=True)
class Trained:
    """What is known of a classifier.

    Attributes:
        data, size, colours: the images it is for, as in a `Preset`.
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

    def __init__(self, size: int, colours: int, classes: int, *, key: PRNGKeyArray):
        keys = jax.random.split(key, 5)
        self.convolutions = tuple(
            eqx.nn.Conv2d(before, after, 3, stride=2, padding=1, key=key)
            for (before, after), key in zip(pairwise((colours, *_CHANNELS)), keys, strict=False)
        )
        left = math.ceil(size / 2 ** len(_CHANNELS))
        self.hidden = eqx.nn.Linear(left**2 * _CHANNELS[-1], FEATURES, key=keys[3])
        self.last = eqx.nn.Linear(FEATURES, classes, key=keys[4])

    def features(self, images: Float[Array, "n size size colours"]) -> Float[Array, "n 64"]:
        """What the last layer reads."""

        def of_one(image: Array) -> Array:
            x = jnp.moveaxis(image, -1, 0)
            for convolution in self.convolutions:
                x = jax.nn.relu(convolution(x))
            return jax.nn.relu(self.hidden(x.reshape(-1)))

        return jax.vmap(of_one)(images)

    def __call__(self, images: Float[Array, "n size size colours"]) -> Float[Array, "n classes"]:
        """Logits."""
        return jax.vmap(self.last)(self.features(images))


def train_classifier(
    preset: Preset, *, steps: int = 1500, seed: int = 0, progress: bool = True
) -> tuple[Classifier, Trained]:
    """A classifier of the preset's image set, and how often it is right on the test images.

    Raises:
        ValueError: a set without classes; OSError, ValueError: no images.
    """
    train, test = (real_images(preset, split) for split in ("train", "test"))
    if train.labels is None or test.labels is None:
        raise ValueError(
            f"`data` must have classes; {train.source} has none. Sort the pictures of a folder "
            "into subfolders, one a class."
        )
    key, drawn = jax.random.split(jax.random.key(seed))
    network = Classifier(preset.size, preset.colours, len(train.classes), key=key)
    images, labels = jnp.asarray(train.images), jnp.asarray(train.labels)
    memory = optax.adam(_RATE).init(eqx.filter(network, eqx.is_array))
    with tqdm(total=steps, unit="step", desc="classifier", disable=not progress) as bar:
        for start in range(0, steps, _CALL):
            begin = jnp.asarray(start)  # as a Python number it would be compiled in
            network, memory, loss = _fit(images, labels, drawn, begin, network, memory)
            bar.update(_CALL)
            bar.set_postfix(loss=f"{float(loss):.3f}")
    named = np.argmax(_in_chunks(_logits, network, test.images), axis=1)
    return network, Trained(
        preset.data, preset.size, preset.colours, len(train.classes), steps, seed,
        float(np.mean(named == test.labels)),
    )  # fmt: skip


@eqx.filter_jit
def _fit(
    images: Array, labels: Int[Array, " n"], key: PRNGKeyArray, start: Array,
    network: Classifier, memory: Any,
) -> tuple[Classifier, Any, Array]:  # fmt: skip
    """`_CALL` steps of Adam on the cross-entropy, and the mean loss."""
    static = eqx.filter(network, eqx.is_array, inverse=True)

    def loss(weights: Any, picks: Array) -> Array:
        logits = eqx.combine(weights, static)(images[picks])
        return jnp.mean(optax.softmax_cross_entropy_with_integer_labels(logits, labels[picks]))

    def body(carry: tuple, step: Array) -> tuple[tuple, Array]:
        weights, memory = carry
        picks = jax.random.randint(jax.random.fold_in(key, step), (_BATCH,), 0, len(images))
        value, slope = jax.value_and_grad(loss)(weights, picks)
        updates, memory = optax.adam(_RATE).update(slope, memory)
        return (eqx.apply_updates(weights, updates), memory), value

    carry = eqx.filter(network, eqx.is_array), memory
    (weights, memory), losses = jax.lax.scan(body, carry, start + jnp.arange(_CALL))
    return eqx.combine(weights, static), memory, jnp.mean(losses)


def features(
    network: Classifier, images: Float[np.ndarray, "n size size colours"]
) -> Float[np.ndarray, "n 64"]:
    """Features of images in [-1, 1], for `indicators.frechet` and `precision_recall`.

    Raises:
        ValueError, TypeError: no images of the classifier's size and colours.
    """
    x = np.asarray(checked_images(images, 1))
    left = math.ceil(x.shape[1] / 2 ** len(_CHANNELS))
    fits = left**2 * _CHANNELS[-1] == network.hidden.in_features and x.shape[1] == x.shape[2]
    if not fits or x.shape[3] != network.convolutions[0].in_channels:
        raise ValueError(
            "`images` must be of the size and colours that the classifier was trained on; got "
            f"{list(x.shape)}. Train another with python -m freezechaos.gan classifier."
        )
    return _in_chunks(_features, network, x)


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


def write(file: Path, network: Classifier, known: Trained) -> None:
    """A line of JSON, then the weights; whole or not at all."""
    content = BytesIO()
    content.write(json.dumps(asdict(known)).encode() + b"\n")
    eqx.tree_serialise_leaves(content, network)
    file.parent.mkdir(parents=True, exist_ok=True)
    replaced(file, content.getvalue())


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
