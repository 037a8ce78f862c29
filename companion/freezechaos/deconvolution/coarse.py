"""The layers' parts in the NTK as something that multiplies images, cheap enough for a page.

With an input of its own at every position, the weights of no layer couple two pixels unless the
last stride divides their distance, and of the biases only the last does. So at stride 2 an image
falls into four coarse ones, by even and odd rows and columns, that only the last bias couples,
to all pixels alike. Mirroring takes each of them to the one of even rows and even columns: a
single matrix between its pixels serves all four.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

from ..activations import Activation
from ..types import Number
from .layers import contributions_by_class
from .stack import DeconvStack, checked_stack


class Loudest(NamedTuple):
    """The largest eigenvalue of a kernel, and a unit image that it belongs to; 0 where all is."""

    value: Float[Array, ""]
    image: Float[Array, "n n"]


class Lattices(NamedTuple):
    """A kernel between the pixels of a square, or several over leading axes.

    Attributes:
        near: [..., m, m] between the m pixels of even rows and columns, without `flat`.
        flat: [...] what is added at every pair of pixels.
    """

    near: Float[Array, "*kernels m m"]
    flat: Float[Array, "*kernels"]

    def mixed(self, rates: Float[Array, "*kernels"]) -> "Lattices":
        """The sum of all kernels, each times its rate."""
        near = jnp.tensordot(rates, self.near, axes=rates.ndim)
        return Lattices(near, jnp.sum(rates * self.flat))

    def times(self, image: Float[Array, "n n"]) -> Float[Array, "*kernels n n"]:
        """The kernel times an image, or each of them."""
        with jax.default_matmul_precision("highest"):
            coarse = jnp.einsum("...pq,kq->...kp", self.near, _apart(image))
        return _together(coarse) + (self.flat * jnp.sum(image))[..., None, None]

    def within(self, image: Float[Array, "n n"]) -> Float[Array, "*kernels"]:
        """v . (kernel v) of an image v: over v . v, the speed at which it is learned."""
        return jnp.einsum("...pq,pq->...", self.times(image), image, precision="highest")

    def loudest(self, turns: int = 24) -> Loudest:
        """The largest eigenvalue of one kernel, by so many turns of Lanczos from a flat image.

        No entry is negative where no inputs have a negative cosine. So one eigenimage to the
        largest eigenvalue has no negative pixel (Perron), and neither has its mean with its mirror
        images: among images that mirroring leaves alone, none of which is orthogonal to it where
        it is flat, the largest eigenvalue is found.
        """
        count = self.near.shape[-1]
        start = jnp.full(count, count**-0.5, self.near.dtype)

        def product(images: Array) -> Array:
            return images @ self.near + 4 * self.flat * jnp.sum(images, axis=-1, keepdims=True)

        def turn(number: Array, known: Array) -> Array:
            new = product(known[number])
            length = jnp.sqrt(jnp.sum(new**2))
            for _ in range(2):  # once leaves rounding behind
                new = new - (known @ new) @ known
            size = jnp.sqrt(jnp.sum(new**2))
            new = jnp.where(size > 1e-5 * length, new / jnp.maximum(size, 1e-30), 0)
            return known.at[number + 1].set(new)

        with jax.default_matmul_precision("highest"):
            known = jnp.zeros((turns, count), start.dtype).at[0].set(start)
            known = lax.fori_loop(0, turns - 1, turn, known)
            values, vectors = jnp.linalg.eigh(product(known) @ known.T)
            part = vectors[:, -1] @ known
        return Loudest(values[-1], _together(jnp.broadcast_to(part / 2, (4, count))))


def lattices(stack: DeconvStack, activation: Activation, beta: Number) -> Lattices:
    """The contributions of weights and biases of every layer, over leading axes [L, 2].

    As by `contributions` for orthogonal inputs on the sphere, one a position.

    Arguments:
        stack: layers that are alike along both axes of a square, the last of stride 2; no
            resizes, no output padding.
        activation: as for `compressed`.
        beta: share of the bias, in [0, 1); may be traced.

    Raises:
        ValueError: another stack.

    >>> from freezechaos import activations, deconvolution, graphs
    >>> up = graphs.transposed_convolution(4, stride=2, padding=1)
    >>> stack = deconvolution.DeconvStack((2, 2), [up] * 3)
    >>> parts = deconvolution.lattices(stack, activations.standardized("relu"), 0.5)
    >>> parts.near.shape
    (3, 2, 64, 64)
    >>> top = parts.mixed(deconvolution.learning_rates(stack, 0)).loudest()
    >>> round(float(top.value), 1)
    95.3
    """
    _check(checked_stack(stack))
    with jax.ensure_compile_time_eval():  # known to be on the sphere, inside jit too
        gram = jnp.eye(stack.start[0] ** 2)[None, None]
    parts = contributions_by_class(stack, activation, beta, gram)
    rows, columns = (part[::2, ::2] for part in parts[0].classes)
    table = jnp.stack([part.numbers[0] for part in parts[:-1]])
    near = table[:, rows[:, None, :, None], columns[None, :, None, :]]
    near = jnp.pad(near.reshape(len(table), rows.size, -1), ((0, 1), (0, 0), (0, 0)))
    flat = jnp.zeros(len(parts), near.dtype).at[-1].set(parts[-1].numbers[0, 0, 0])
    return Lattices(near.reshape(stack.depth, 2, *near.shape[1:]), flat.reshape(stack.depth, 2))


def _check(stack: DeconvStack) -> None:
    axes = {(stack.start[k], stack.along(k)) for k in range(stack.dimensions)}
    layers = stack.along(0)
    mirrored = all(layer.scale == 1 and layer.output_padding == 0 for layer in layers)
    halved = layers[-1].stride == 2 and stack.sizes[-1][0] % 2 == 0
    if stack.dimensions != 2 or len(axes) > 1 or not (mirrored and halved):
        raise ValueError(
            f"`stack` must end in a stride of 2, be alike along both axes of a square, and have "
            f"no resizes and no output padding; got {stack}. Take deconvolution.contributions."
        )


def _apart(image: Float[Array, "n n"]) -> Float[Array, "4 m"]:
    """The coarse images, mirrored so that all lie as that of even rows and columns does."""
    parts = image[::2, ::2], image[::2, 1::2][:, ::-1], image[1::2, ::2][::-1]
    return jnp.stack([*parts, image[1::2, 1::2][::-1, ::-1]]).reshape(4, -1)


def _together(coarse: Float[Array, "*kernels 4 m"]) -> Float[Array, "*kernels n n"]:
    """The image of four coarse ones."""
    half = int(np.sqrt(coarse.shape[-1]))
    parts = coarse.reshape(*coarse.shape[:-1], half, half)
    first, second, third, last = (parts[..., k, :, :] for k in range(4))
    rows = (first, second[..., ::-1]), (third[..., ::-1, :], last[..., ::-1, ::-1])
    lines = jnp.stack([jnp.stack(row, axis=-1) for row in rows], axis=-3)
    return lines.reshape(*coarse.shape[:-2], 2 * half, 2 * half)
