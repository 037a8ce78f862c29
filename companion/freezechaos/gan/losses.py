"""The losses that discriminator and generator minimize, as functions of the logits."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

Logits = Float[Array, " n"]


class Loss(NamedTuple):
    """What each side minimizes, a mean over the batch.

    Attributes:
        discriminator: of the logits of real images and of generated ones, [n] and [m].
        generator: of the logits of generated images, [m].
    """

    discriminator: Callable[[Logits, Logits], Float[Array, ""]]
    generator: Callable[[Logits], Float[Array, ""]]


def _non_saturating(real: Logits, fake: Logits) -> Float[Array, ""]:
    return jnp.mean(jax.nn.softplus(-real)) + jnp.mean(jax.nn.softplus(fake))


def _hinge(real: Logits, fake: Logits) -> Float[Array, ""]:
    return jnp.mean(jax.nn.relu(1 - real)) + jnp.mean(jax.nn.relu(1 + fake))


def _least_squares(real: Logits, fake: Logits) -> Float[Array, ""]:
    return (jnp.mean((real - 1) ** 2) + jnp.mean(fake**2)) / 2


LOSSES = {
    "non_saturating": Loss(_non_saturating, lambda fake: jnp.mean(jax.nn.softplus(-fake))),
    "hinge": Loss(_hinge, lambda fake: -jnp.mean(fake)),
    "least_squares": Loss(_least_squares, lambda fake: jnp.mean((fake - 1) ** 2) / 2),
}
"""By name. With s the softplus, D(x) the logit of an image:

- non_saturating: E s(-D(real)) + E s(D(fake)); the generator E s(-D(fake))
  [Goodfellow et al., Generative adversarial nets, 2014];
- hinge: E max(0, 1 - D(real)) + E max(0, 1 + D(fake)); the generator -E D(fake)
  [Miyato et al., Spectral normalization for generative adversarial networks, 2018];
- least_squares: E (D(real) - 1)^2 / 2 + E D(fake)^2 / 2; the generator E (D(fake) - 1)^2 / 2
  [Mao et al., Least squares generative adversarial networks, 2017].
"""
