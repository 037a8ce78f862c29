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
        discriminator: of the logits of real images and of generated ones, [n] and [n].
        generator: of the same.
    """

    discriminator: Callable[[Logits, Logits], Float[Array, ""]]
    generator: Callable[[Logits, Logits], Float[Array, ""]]


def _non_saturating(real: Logits, fake: Logits) -> Float[Array, ""]:
    return jnp.mean(jax.nn.softplus(-real)) + jnp.mean(jax.nn.softplus(fake))


def _hinge(real: Logits, fake: Logits) -> Float[Array, ""]:
    return jnp.mean(jax.nn.relu(1 - real)) + jnp.mean(jax.nn.relu(1 + fake))


def _least_squares(real: Logits, fake: Logits) -> Float[Array, ""]:
    return (jnp.mean((real - 1) ** 2) + jnp.mean(fake**2)) / 2


def _relativistic(better: Logits, worse: Logits) -> Float[Array, ""]:
    return jnp.mean(jax.nn.softplus(worse - better))


LOSSES = {
    "non_saturating": Loss(_non_saturating, lambda _, fake: jnp.mean(jax.nn.softplus(-fake))),
    "hinge": Loss(_hinge, lambda _, fake: -jnp.mean(fake)),
    "least_squares": Loss(_least_squares, lambda _, fake: jnp.mean((fake - 1) ** 2) / 2),
    "relativistic": Loss(_relativistic, lambda real, fake: _relativistic(fake, real)),
}
"""By name. With s the softplus, D(x) the logit of an image:

- non_saturating: E s(-D(real)) + E s(D(fake)); the generator E s(-D(fake))
  [Goodfellow et al., Generative adversarial nets, 2014];
- hinge: E max(0, 1 - D(real)) + E max(0, 1 + D(fake)); the generator -E D(fake)
  [Miyato et al., Spectral normalization for generative adversarial networks, 2018];
- least_squares: E (D(real) - 1)^2 / 2 + E D(fake)^2 / 2; the generator E (D(fake) - 1)^2 / 2
  [Mao et al., Least squares generative adversarial networks, 2017];
- relativistic: E s(D(fake) - D(real)) over pairs; the generator E s(D(real) - D(fake))
  [Jolicoeur-Martineau, The relativistic discriminator, 2019; with R1 and R2, Huang et al., The GAN
  is dead; long live the GAN! A modern baseline GAN, 2024].
"""


def squared_slope(
    discriminator: Callable[[Array], Logits], images: Float[Array, "n rows columns colours"]
) -> Float[Array, ""]:
    """E |dD/dx|^2 / 2 over images: the penalty R1 at real ones, R2 at generated ones.

    Source: Mescheder, Geiger and Nowozin, Which training methods for GANs do actually converge?,
    2018.
    """
    slopes = jax.grad(lambda x: jnp.sum(discriminator(x)))(images)
    return jnp.sum(slopes.astype(jnp.float32) ** 2) / (2 * len(images))
