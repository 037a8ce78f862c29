"""What a generator's images look like, in numbers; hold them against those of real images."""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float
from scipy.spatial.distance import cdist

from .. import checks
from ..spectra import checkerboard_energy


class Border(NamedTuple):
    """The outermost pixels against the middle, where rows and columns are the central half.

    Attributes:
        brightness: difference of their means, in standard deviations of all pixels.
        contrast: ratio of their standard deviations, over images and positions.
    """

    brightness: Array
    contrast: Array


def diversity(images: Float[ArrayLike, "n rows columns colours"]) -> Float[Array, ""]:
    """Variance over images divided by the total variance, in [0, 1].

    With x_ip pixel p of image i, the mean over p of Var_i x_ip over the variance of all x_ip;
    channels have means of their own. A collapsed generator has 0, pixels without anything in
    common 1, Fashion-MNIST 0.6; constant images have 0.

    Arguments:
        images: two or more, finite.

    Raises:
        ValueError, TypeError: no such images.

    >>> import numpy as np
    >>> board = np.indices((8, 8)).sum(axis=0).reshape(1, 8, 8, 1) % 2
    >>> print(diversity(np.repeat(board, 5, axis=0)), diversity(np.concatenate([board, 1 - board])))
    0.0 1.0
    """
    x = checked_images(images, 2)
    over_images = jnp.sum((x - jnp.mean(x, 0, keepdims=True)) ** 2)
    return _ratio(over_images, jnp.sum((x - jnp.mean(x, (0, 1, 2), keepdims=True)) ** 2))


def checkerboard(images: Float[ArrayLike, "n rows columns colours"]) -> Float[Array, " 2"]:
    """Shares of the images' energy at the periods 2 and 4 of up-sampling, in the mean.

    Arguments and errors as for `diversity`; sides of 8 pixels or more. `spectra` has the formula.
    """
    channels = jnp.moveaxis(checked_images(images, 1), -1, 1)
    two, four = (jnp.mean(checkerboard_energy(channels, 2, levels=levels)) for levels in (1, 2))
    return jnp.stack([two, four - two])


def border(images: Float[ArrayLike, "n rows columns colours"]) -> Border:
    """How outermost pixels differ from the middle in mean and in contrast.

    Where every position has the same distribution the two are 0 and 1. Arguments and errors as
    for `diversity`.
    """
    x = checked_images(images, 1)
    rows, columns = (
        jnp.minimum(jnp.arange(n), jnp.arange(n)[::-1]) for n in x.shape[1:3]
    )  # steps from the nearest border
    outermost = (rows[:, None] == 0) | (columns[None] == 0)
    inside = [distance >= len(distance) // 4 for distance in (rows, columns)]
    middle = inside[0][:, None] & inside[1][None]
    means, deviations = zip(*(_moments(x, mask) for mask in (outermost, middle)), strict=True)
    brightness = _ratio(means[0] - means[1], jnp.std(x))
    return Border(brightness, _ratio(deviations[0], deviations[1]))


def image_metrics(images: Float[ArrayLike, "n rows columns colours"]) -> dict[str, Array]:
    """Diversity, checkerboards and border of images, by their names in the metrics.

    Arguments and errors as for `diversity` and `checkerboard`.
    """
    two, four = checkerboard(images)
    frame = border(images)
    return {
        "diversity": diversity(images), "checkerboard_2": two, "checkerboard_4": four,
        "border_brightness": frame.brightness, "border_contrast": frame.contrast,
    }  # fmt: skip


def frechet(
    features: Float[ArrayLike, "n features"], others: Float[ArrayLike, "m features"]
) -> float:
    """Fréchet distance between two sets, as if each were Gaussian.

    |m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2)) with their means and covariances, in float64; it
    falls as the sets grow, so hold it against that of as many real images.

    Raises:
        ValueError, TypeError: no two sets of two or more finite rows, as long in one as in both.

    Source: Heusel et al., GANs trained by a two time-scale update rule converge to a local Nash
    equilibrium, 2017.

    >>> import numpy as np
    >>> line = np.linspace(-1, 1, 100)[:, None]
    >>> round(frechet(line, line + 3), 6), round(frechet(line, line), 6)
    (9.0, 0.0)
    """
    one, two = _checked_features(features=features, others=others)
    far = np.sum((one.mean(0) - two.mean(0)) ** 2)
    first, second = (np.atleast_2d(np.cov(x, rowvar=False)) for x in (one, two))
    values, vectors = np.linalg.eigh(first)
    root = vectors * np.sqrt(np.maximum(values, 0)) @ vectors.T
    shared = np.sqrt(np.maximum(np.linalg.eigvalsh(root @ second @ root), 0)).sum()
    return float(far + np.trace(first) + np.trace(second) - 2 * shared)


class Coverage(NamedTuple):
    """Attributes: precision, how many generated images are like real ones; recall, how many real
    ones are like generated ones; both in [0, 1]."""

    precision: float
    recall: float


def precision_recall(
    generated: Float[ArrayLike, "n features"], real: Float[ArrayLike, "m features"], k: int = 3
) -> Coverage:
    """The share of each set that lies in a ball of the other's.

    Around every point of a set lies a ball that reaches to its k-th nearest neighbour there.

    Raises:
        ValueError, TypeError: as for `frechet`; k that is not 1 or more and below both sizes.

    Source: Kynkäänniemi et al., Improved precision and recall metric for assessing generative
    models, 2019.

    >>> import numpy as np
    >>> line = np.arange(50)[:, None]
    >>> precision_recall(line[:25], line, k=2)
    Coverage(precision=1.0, recall=0.54)
    """
    one, two = _checked_features(generated=generated, real=real)
    if not 1 <= checks.whole("k", k, 1, "Try 3.") < min(len(one), len(two)):
        raise ValueError(
            f"`k` must be below {min(len(one), len(two))}, the smaller number of images; got {k}. "
            "Take more images."
        )
    return Coverage(_inside(one, two, k), _inside(two, one, k))


def _inside(points: np.ndarray, others: np.ndarray, k: int) -> float:
    """The share of points in one of the others' balls."""
    radii = np.partition(cdist(others, others), k, axis=1)[:, k]  # the 0th is itself
    return float(np.mean(np.any(cdist(points, others) <= radii, axis=1)))


def _checked_features(**sets: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    for name, x in sets.items():
        checks.targets(name, x)  # that they are numbers, and finite
    one, two = (np.asarray(x, np.float64) for x in sets.values())
    matrices = one.ndim == two.ndim == 2
    if not matrices or one.shape[1] != two.shape[1] or min(len(one), len(two)) < 2:
        first, second = sets
        raise ValueError(
            f"`{first}` and `{second}` must be rows, two or more, of as many features; got shapes "
            f"{list(one.shape)} and {list(two.shape)}. Take both from classifier.features."
        )
    return one, two


def checked_images(images: ArrayLike, least: int) -> Array:
    """Finite images [n, rows, columns, colours], at least so many."""
    array = checks.targets("images", images)
    if array.ndim != 4 or len(array) < least or 0 in array.shape:
        raise ValueError(
            f"`images` must have shape [n, rows, columns, colours] with n {least} or more; got "
            f"{list(array.shape)}. Add the colour axis to grey images with images[..., None]."
        )
    return array


def _moments(x: Array, mask: Array) -> tuple[Array, Array]:
    """Mean and standard deviation where the mask is, channels having means of their own."""
    weight = jnp.broadcast_to(mask[None, :, :, None], x.shape)
    mean = jnp.mean(x, (0, 1, 2), keepdims=True, where=weight)
    return jnp.mean(mean), jnp.sqrt(jnp.mean((x - mean) ** 2, where=weight))


def _ratio(part: Array, whole: Array) -> Array:
    return jnp.where(whole > 0, part / jnp.where(whole > 0, whole, 1), 0)
