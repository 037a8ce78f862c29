"""The limit of large batches: a few long points among many like ones, each by a map of its own."""

import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Float, Real
from scipy.special import erfcx

from freezechaos.activations import Activation

from .grams import homogeneous


def race_map(
    length: Real[ArrayLike, "*batch"], activation: Activation | None = None
) -> Float[np.ndarray, "*batch"]:
    """The length of a point one layer of recentre + nonlinearity on, among infinitely many others.

    l'^2 = l^2 + (l - 1)^2 m^2 / (1 - m^2), in lengths of the others, with m the mean of the
    standardized activation: m^2 = 1/pi for ReLU. 1 attracts from below and repels above.

    Arguments:
        length: positive numbers, of points that have the cosine m^2 with all others.
        activation: as for `symmetric_cosine`.

    Raises:
        ValueError, TypeError: as for `symmetric_cosine`; a length that is not positive.

    Source: derived in the chapter.

    >>> float(race_map(2.0).round(3))
    2.114
    """
    value = _positive("length", length)
    share = _mean_square(activation)
    return np.asarray(np.sqrt(value**2 + (value - 1) ** 2 * share / (1 - share)))


def sharing_map(
    excess: Real[ArrayLike, "*batch"], activation: Activation | None = None
) -> Float[np.ndarray, "*batch"]:
    """The excess of a long point one layer of full batch normalization on, in a large batch.

    With y N its squared length over that of the others, both recentred, and Z ~ N(0, 1),

        y' = (1 - I) / (I (1 - m^2)),   I = E[1 / (1 + y Z^2)].

    0 repels, and one positive y attracts: 0.383 for ReLU, whose m^2 is 1/pi.

    Arguments:
        excess: y, positive numbers.
        activation: as for `symmetric_cosine`.

    Raises:
        ValueError, TypeError: as for `symmetric_cosine`; a number that is not positive.

    Source: derived in the chapter.

    >>> float(sharing_map(0.3831).round(4))
    0.3831
    """
    y = _positive("excess", excess)
    inverse = np.sqrt(np.pi / (2 * y)) * erfcx(1 / np.sqrt(2 * y))
    return np.asarray((1 - inverse) / inverse / (1 - _mean_square(activation)))


def _mean_square(activation: Activation | None) -> float:
    sigma = homogeneous(activation)
    return sigma.mean**2 / sigma.second_moment


def _positive(name: str, value: Real[ArrayLike, "*batch"]) -> np.ndarray:
    array = np.asarray(value, np.float64)
    if not ((array > 0) & (array < np.inf)).all():
        raise ValueError(f"`{name}` must be positive and finite; got {array.min():g}. Try 2.")
    return array
