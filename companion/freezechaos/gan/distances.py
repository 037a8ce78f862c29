"""How far generated images are from real ones, on the features that a classifier has of them.

All in float64 on the host, not to be traced by JAX. Every distance has a floor, what two sets of
real images are apart: `classifier.real_floor`.
"""

from typing import Any, NamedTuple

import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Real
from scipy.spatial.distance import cdist

from .. import checks


def frechet(
    features: Real[ArrayLike, "n features"], others: Real[ArrayLike, "m features"]
) -> float:
    """Fréchet distance between two sets, as if each were Gaussian; 0 or more.

    |m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2)) with their means and covariances; it falls as the
    sets grow, so hold it against that of as many real images.

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
    apart = far + np.trace(first) + np.trace(second) - 2 * shared
    return max(0.0, float(apart))  # by rounding it may come out below


class KernelDistance(NamedTuple):
    """Attributes: squared distance, unbiased, so that it may be negative; its standard error."""

    squared: float
    error: float


def kernel_distance(
    features: Real[ArrayLike, "n features"], others: Real[ArrayLike, "m features"]
) -> KernelDistance:
    """Squared distance of two sets' means under the kernel (x.y / d + 1)^3, as KID takes it.

    With features x_i and y_j, d numbers each, and the sums over different images only,

        mean_(i != j) k(x_i, x_j) + mean_(i != j) k(y_i, y_j) - 2 mean_ij k(x_i, y_j).

    Its expectation is that of infinite sets, whatever their size, 0 for equal distributions. The
    error is the jackknife's, leaving out one image at a time; in expectation never too small, and
    sqrt(2) times too large for equal distributions.

    Raises:
        ValueError, TypeError: as for `frechet`, of three or more rows.

    Source: Bińkowski et al., Demystifying MMD GANs, 2018; Efron and Stein, The jackknife estimate
    of variance, 1981.

    >>> import numpy as np
    >>> print(kernel_distance(np.zeros((5, 1)), np.ones((5, 1))))
    KernelDistance(squared=7.0, error=0.0)
    """
    one, two = _checked_features(3, features=features, others=others)
    within_one, within_two = _sums_over_others(one), _sums_over_others(two)
    across = _kernel(one, two)

    def squared(a: Any, n: int, b: Any, m: int, c: Any) -> Any:
        return a / (n * (n - 1)) + b / (m * (m - 1)) - 2 * c / (n * m)

    n, m, a, b, c = len(one), len(two), within_one.sum(), within_two.sum(), across.sum()
    without_one = squared(a - 2 * within_one, n - 1, b, m, c - across.sum(axis=1))
    without_two = squared(a, n, b - 2 * within_two, m - 1, c - across.sum(axis=0))
    variance = sum((len(x) - 1) * np.var(x) for x in (without_one, without_two))
    return KernelDistance(float(squared(a, n, b, m, c)), float(np.sqrt(variance)))


def _kernel(one: np.ndarray, two: np.ndarray) -> np.ndarray:
    return (one @ two.T / one.shape[1] + 1) ** 3


def _sums_over_others(x: np.ndarray) -> np.ndarray:
    kernel = _kernel(x, x)
    return kernel.sum(axis=1) - np.diagonal(kernel)


class Coverage(NamedTuple):
    """Attributes: precision, how many generated images are like real ones; recall, how many real
    ones are like generated ones; both in [0, 1]."""

    precision: float
    recall: float


def precision_recall(
    generated: Real[ArrayLike, "n features"], real: Real[ArrayLike, "m features"], k: int = 3
) -> Coverage:
    """The share of each set that lies in a ball of the other's.

    Around every point of a set lies a ball that reaches to its k-th nearest neighbour there. A
    generator collapsed to one good image has the precision 1: see `density_coverage`.

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
    _check_k(k, min(len(one), len(two)), "the smaller number of images")
    apart = cdist(one, two)
    inside, holds = apart <= _radii(two, k), apart <= _radii(one, k)[:, None]
    return Coverage(float(np.mean(inside.any(axis=1))), float(np.mean(holds.any(axis=0))))


class Density(NamedTuple):
    """Attributes: density, in how many balls of real images a generated one lies, over k;
    coverage, in [0, 1], how many of the balls hold a generated image."""

    density: float
    coverage: float


def density_coverage(
    generated: Real[ArrayLike, "n features"], real: Real[ArrayLike, "m features"], k: int = 5
) -> Density:
    """In how many balls of real images generated ones lie, and how many balls they leave empty.

    Balls of real images alone, as in `precision_recall`, so that an outlier among the generated
    covers nothing. Where n generated images have the distribution of the m real ones, whatever it
    is, the density is 1 and the coverage 1 - prod_(i = 1..k) (m - i) / (n + m - i) in expectation,
    0.97 for k = 5 and n = m; a generator collapsed to one image covers the few balls around it.

    Raises:
        ValueError, TypeError: as for `frechet`; k that is not 1 or more and below m.

    Source: Naeem et al., Reliable fidelity and diversity metrics for generative models, 2020.

    >>> import numpy as np
    >>> line = np.arange(50)[:, None]
    >>> density_coverage(np.full((50, 1), 25.1), line, k=2)
    Density(density=1.0, coverage=0.04)
    """
    one, two = _checked_features(generated=generated, real=real)
    _check_k(k, len(two), "the number of real images")
    inside = cdist(one, two) <= _radii(two, k)
    return Density(float(np.mean(inside.sum(axis=1)) / k), float(np.mean(inside.any(axis=0))))


class Classes(NamedTuple):
    """Attributes: covered, how many classes are there; effective, among how many the images are
    spread, exp of the entropy of the classes' shares, from 1 to their number."""

    covered: int
    effective: float


def classes_covered(logits: Real[ArrayLike, "n classes"], least: float = 0.1) -> Classes:
    """How many classes a classifier names among images.

    A class is covered that has `least` of an even share or more: 1 % of the images of 10 classes.
    Every image is put into some class, one of noise too: read it beside a distance.

    Arguments:
        logits: of one image or more.
        least: in (0, 1].

    Raises:
        ValueError, TypeError: no such logits, a share outside its range.

    >>> import numpy as np
    >>> classes_covered(np.eye(4)[[0, 0, 1, 1]])
    Classes(covered=2, effective=2.0)
    """
    array = np.asarray(checks.targets("logits", logits))
    if array.ndim != 2 or 0 in array.shape:
        raise ValueError(
            f"`logits` must have shape [n, classes]; got {list(array.shape)}. Take them from "
            "the classifier, network(images)."
        )
    if not 0 < checks.number("least", least) <= 1:
        raise ValueError(f"`least` must lie in (0, 1]; got {least}. Try 0.1.")
    named = np.bincount(array.argmax(axis=1), minlength=array.shape[1])
    shares = named / len(array)
    entropy = -np.sum(shares * np.log(np.where(shares > 0, shares, 1)))
    covered = np.count_nonzero(named * array.shape[1] / len(array) >= least)
    return Classes(int(covered), float(np.exp(entropy)))


def _radii(points: np.ndarray, k: int) -> np.ndarray:
    """How far the k-th nearest other point is."""
    return np.partition(cdist(points, points), k, axis=1)[:, k]  # the 0th is itself


def _check_k(k: int, count: int, what: str) -> None:
    if checks.whole("k", k, 1, "Try 3.") >= count:
        raise ValueError(f"`k` must be below {count}, {what}; got {k}. Take more images.")


def _checked_features(least: int = 2, **sets: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    for name, x in sets.items():
        checks.targets(name, x)  # that they are numbers, and finite
    one, two = (np.asarray(x, np.float64) for x in sets.values())
    matrices = one.ndim == two.ndim == 2
    if not matrices or one.shape[1] != two.shape[1] or min(len(one), len(two)) < least:
        first, second = sets
        raise ValueError(
            f"`{first}` and `{second}` must be rows, {('two', 'three')[least - 2]} or more, of as "
            f"many features; got shapes {list(one.shape)} and {list(two.shape)}. Take both from "
            "classifier.features."
        )
    return one, two
