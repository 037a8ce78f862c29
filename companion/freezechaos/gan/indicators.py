"""What a generator's images look like, in numbers; hold them against those of real images.

All but `checked_images` may be traced by JAX. What a classifier sees in images is measured by
`distances`.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Real

from .. import checks
from ..spectra import checkerboard_energy

LEAST_VARIANCE = (2 / 255) ** 2
"""A standard deviation of one of 255 grey levels of [-1, 1]; images below it show nothing."""

_WINDOW = 16  # pixels; four periods of 4
_BATCH = 64  # images whose windows lie in memory at once


class Variances(NamedTuple):
    """Of images, in the mean over pixels and channels.

    Attributes:
        between: over images, what sets one apart from the others.
        total: over images and pixels, channels having means of their own.
    """

    between: Array
    total: Array


class Lattice(NamedTuple):
    """Attributes: share of the energy, in [0, 1]; prominence, how it stands out from neighbouring
    frequencies, in [-1, 1] and 0 in noise."""

    share: Array
    prominence: Array


class Border(NamedTuple):
    """The outermost pixels against the middle, where rows and columns are the central half.

    Attributes:
        brightness: difference of their means, in standard deviations of all pixels.
        contrast: ratio of their standard deviations, over images and positions.
    """

    brightness: Array
    contrast: Array


def variances(images: Real[ArrayLike, "n rows columns colours"]) -> Variances:
    """Variance over images, and the total variance: numerator and denominator of diversity.

    With x_ip pixel p of image i, the mean over p of Var_i x_ip, and the variance of all x_ip.

    Arguments:
        images: two or more, finite.

    Raises:
        ValueError, TypeError: no such images.
    """
    x = checked_images(images, 2)
    over_images = jnp.mean((x - jnp.mean(x, 0, keepdims=True)) ** 2)
    return Variances(over_images, jnp.mean((x - jnp.mean(x, (0, 1, 2), keepdims=True)) ** 2))


def diversity(images: Real[ArrayLike, "n rows columns colours"]) -> Float[Array, ""]:
    """Variance over images divided by the total variance, in [0, 1].

    A collapsed generator has 0, pixels without anything in common 1, Fashion-MNIST 0.6. So has
    0 what shows nothing, a total below `LEAST_VARIANCE`: black images that differ by less than a
    grey level are no diverse ones. Arguments and errors as for `variances`.

    >>> import numpy as np
    >>> board = np.indices((8, 8)).sum(axis=0).reshape(1, 8, 8, 1) % 2
    >>> print(diversity(np.repeat(board, 5, axis=0)), diversity(np.concatenate([board, 1 - board])))
    0.0 1.0
    """
    between, total = variances(images)
    return _ratio(between, total, LEAST_VARIANCE)


def checkerboard(images: Real[ArrayLike, "n rows columns colours"]) -> Float[Array, " 2"]:
    """Shares of the images' energy at the periods 2 and 4 of up-sampling, in the mean.

    Arguments and errors as for `lattice`. `spectra` has the formula.
    """
    channels = jnp.moveaxis(checked_images(images, 1), -1, 1)
    two, four = (jnp.mean(checkerboard_energy(channels, 2, levels=levels)) for levels in (1, 2))
    return jnp.stack([two, four - two])


def lattice(images: Real[ArrayLike, "n rows columns colours"]) -> Lattice:
    """What has the periods 2 and 4 down and across, in windows, so that a woven blot has it.

    With P(f, g) the power at f cycles a pixel down and g across, summed over windows of 16 pixels
    that overlap by half (8, where a side is shorter), images and channels, and l its sum over
    f, g in {1/4, 1/2, 3/4},

        share = l / sum of P without P(0, 0),    prominence = (l - c) / (l + c),

    c being what those 9 frequencies would have if each had the mean of its 8 neighbours. Stripes,
    and edges along an axis, have f = 0 or g = 0 and count as none: garments are full of them. A
    window weighs as much as its energy, so black ones not at all. White noise has the share
    9 / 255 (9 / 63 in windows of 8) and the prominence 0, Fashion-MNIST at 32x32 0.002 and -0.06,
    MNIST 0.003 and -0.14: hold the share against that of real images, and where it is large the
    prominence tells a lattice, near 1, from noise. Images below `LEAST_VARIANCE` have 0 and 0.

    Arguments:
        images: one or more, finite, with sides of 8 pixels or more.

    Raises:
        ValueError, TypeError: no such images.

    >>> import numpy as np
    >>> board = np.indices((32, 32)).sum(axis=0).reshape(1, 32, 32, 1) % 2
    >>> [round(float(value), 4) for value in lattice(board)]
    [1.0, 1.0]
    """
    power = _power(_sides_of_8(images))
    size = len(power)
    line = np.isin(np.arange(size), [size // 4, size // 2, 3 * size // 4]).astype(np.float32)
    around = np.roll(line, -1) + line + np.roll(line, 1)
    lines = np.outer(line, line)
    neighbours = (np.outer(around, around) - lines) / 8
    on, near = (jnp.sum(power * jnp.asarray(part, power.dtype)) for part in (lines, neighbours))
    total = jnp.sum(power)
    prominence = _ratio(jnp.where(total < LEAST_VARIANCE, 0, on - near), on + near)
    return Lattice(_ratio(on, total, LEAST_VARIANCE), prominence)


def near_nyquist(images: Real[ArrayLike, "n rows columns colours"]) -> Float[Array, ""]:
    """Share of the energy from 3/8 cycles a pixel on, down or across, in [0, 1].

    The mean left out, in the cosine transform of every image, which mirrors it at its borders so
    that shading does not leak into high frequencies. White noise has (n - m) / (n - 1), with n
    pixels of which m are left by ceil(3/4 rows) times ceil(3/4 columns), about 7/16; Fashion-MNIST
    at 32x32 has 0.030, MNIST 0.022, a blurred photograph next to nothing. Images below
    `LEAST_VARIANCE` have 0.

    Arguments and errors as for `lattice`.
    """
    x = _sides_of_8(images)
    centred = x - jnp.mean(x, (1, 2), keepdims=True)
    power = jnp.mean(jax.scipy.fft.dctn(centred, axes=(1, 2), norm="ortho") ** 2, (0, 3))
    down, across = (np.arange(n) >= 3 * n / 4 for n in power.shape)  # k is k / 2n cycles
    high = jnp.sum(power, where=down[:, None] | across[None]) / power.size
    return _ratio(high, jnp.sum(power) / power.size, LEAST_VARIANCE)


def border(images: Real[ArrayLike, "n rows columns colours"]) -> Border:
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


def discriminator_accuracy(
    real: Real[ArrayLike, " n"], fake: Real[ArrayLike, " m"]
) -> Float[Array, ""]:
    """How often a discriminator is right, in [0, 1]: 1/2 where it tells nothing apart.

    The mean of the share of real images with logits above 0 and that of fake ones with logits
    below 0; a logit of 0 is half right.
    """
    of_real, of_fake = (jnp.mean(jnp.sign(jnp.asarray(x))) for x in (real, fake))
    return (2 + of_real - of_fake) / 4


def image_metrics(images: Real[ArrayLike, "n rows columns colours"]) -> dict[str, Array]:
    """All that is measured on images alone, by their names in the metrics.

    Arguments and errors as for `variances` and `lattice`.
    """
    two, four = checkerboard(images)
    woven, frame = lattice(images), border(images)
    return {
        "diversity": diversity(images), "variance": variances(images).total,
        "checkerboard_2": two, "checkerboard_4": four,
        "lattice": woven.share, "lattice_prominence": woven.prominence,
        "near_nyquist": near_nyquist(images),
        "border_brightness": frame.brightness, "border_contrast": frame.contrast,
    }  # fmt: skip


def checked_images(images: ArrayLike, least: int) -> Array:
    """Finite images [n, rows, columns, colours], at least so many."""
    array = checks.targets("images", images)
    if array.ndim != 4 or len(array) < least or 0 in array.shape:
        raise ValueError(
            f"`images` must have shape [n, rows, columns, colours] with n {least} or more; got "
            f"{list(array.shape)}. Add the colour axis to grey images with images[..., None]."
        )
    return array


def _sides_of_8(images: ArrayLike) -> Array:
    x = checked_images(images, 1)
    if min(x.shape[1:3]) < 8:
        raise ValueError(
            f"`images` must have sides of 8 pixels or more; got {list(x.shape)}. Two periods of 4 "
            "are the least that a lattice can be told from."
        )
    return x


def _power(images: Array) -> Float[Array, "size size"]:
    """Power at the frequencies k / size, size being that of the windows, without the means.

    In the mean over windows, images and channels; its sum is the variance inside windows.
    """
    size = _WINDOW if min(images.shape[1:3]) >= _WINDOW else _WINDOW // 2
    down, across = (_windows(n, size) for n in images.shape[1:3])
    turns = np.outer(np.arange(size), 2 * np.pi * np.arange(size) / size)
    waves = jnp.asarray(np.stack([np.cos(turns), np.sin(turns)]), images.dtype)

    def of_one(image: Array) -> Array:
        x = jnp.moveaxis(image, -1, 0)[:, down][..., across].swapaxes(2, 3)
        x = x - jnp.mean(x, (-2, -1), keepdims=True)
        (cc, cs), (sc, ss) = jnp.einsum(
            "aix,...xy,bjy->ab...ij", waves, x, waves, precision="highest"
        )
        return jnp.mean((cc - ss) ** 2 + (cs + sc) ** 2, (0, 1, 2))

    return jnp.mean(jax.lax.map(of_one, images, batch_size=_BATCH), 0) / size**4


def _windows(length: int, size: int) -> np.ndarray:
    """Positions [windows, size] of windows that overlap by half or more and leave none out."""
    starts = np.minimum(np.arange(0, length - size // 2, size // 2), length - size)
    return starts[:, None] + np.arange(size)


def _moments(x: Array, mask: Array) -> tuple[Array, Array]:
    """Mean and standard deviation where the mask is, channels having means of their own."""
    weight = jnp.broadcast_to(mask[None, :, :, None], x.shape)
    mean = jnp.mean(x, (0, 1, 2), keepdims=True, where=weight)
    return jnp.mean(mean), jnp.sqrt(jnp.mean((x - mean) ** 2, where=weight))


def _ratio(part: Array, whole: Array, least: float = 0) -> Array:
    """0 where there is nothing, or less than the least."""
    enough = (whole > 0) & (whole >= least)
    return jnp.where(enough, part / jnp.where(enough, whole, 1), 0)
