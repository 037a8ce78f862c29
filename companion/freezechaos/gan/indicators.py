"""What a generator's images look like, in numbers; hold them against those of real images."""

from typing import NamedTuple

import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float

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
