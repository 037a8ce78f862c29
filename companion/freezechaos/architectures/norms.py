"""Layer and batch norm, as far as they have a theory."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .. import normalization
from ..activations import Activation
from ..networks import standardize
from .layers import FanIn, Layer, Map
from .pairs import Pairs, changed, square


@jax.tree_util.register_static
@dataclass(frozen=True)
class LayerNorm(Layer):
    """Every input's neurons, of all positions, to mean 0 and variance 1.

    Before a nonlinearity on the sphere it does nothing as the width grows; after it, it is the
    nonlinearity's normalization [JGGH]. The finite network adds `networks.NORM_EPSILON` to the
    variance.
    """

    def run(self, x: Array, maps: Iterator[Map]) -> Array:
        return standardize(x, tuple(range(1, x.ndim)))

    def step(self, pairs: Pairs, channels: Sequence[FanIn]) -> Pairs:
        pairs = _recentred(pairs, jnp.mean(pairs.mean, axis=1, keepdims=True))
        own = jnp.mean(pairs.variance, axis=1, keepdims=True)
        deviation = jnp.sqrt(jnp.where(own > 0, own, 1))
        (left, right), (s, t) = (
            pairs.sides(pairs.variance),
            pairs.sides(jnp.broadcast_to(deviation, pairs.mean.shape)),
        )
        distance = pairs.distance + (t - s) * (left / s - right / t)
        flat = pairs.mean.shape[1] == 1
        distance = distance / (s * t)
        return changed(
            pairs,
            covariance=1 - distance / 2 if flat else pairs.covariance / (s * t),
            distance=distance,
            tangent=pairs.tangent / (s * t),
            mean=pairs.mean / deviation,
            unit=flat,
        ).rebased()


@jax.tree_util.register_static
@dataclass(frozen=True)
class BatchNorm(Layer):
    """Every channel over the batch, and its positions: less its mean, over its deviation.

    At infinite width,

    - recentring is linear: K becomes H K H, the tangent kernel too, exactly, wherever it stands;
    - rescaling has a theory between an affine map and a nonlinearity of the kind of ReLU, or
      another affine map, and for the NNGP of a flat network alone [NBGK]: see
      `normalization.gram_step`.

    Arguments:
        rescale: whether to divide by the deviation; without, it is recentring.
    """

    rescale: bool = True

    def run(self, x: Array, maps: Iterator[Map]) -> Array:
        axes = tuple(range(x.ndim - 1))
        if self.rescale:
            return standardize(x, axes)
        centred = x - jnp.mean(x, axes, keepdims=True)
        return centred - jnp.mean(centred, axes, keepdims=True)  # what rounding left of the mean

    def step(self, pairs: Pairs, channels: Sequence[FanIn]) -> Pairs:
        if self.rescale and not (pairs.gaussian and pairs.mean.shape[1] == 1):
            raise NotImplementedError(
                "batch norm that rescales has a theory behind an affine map of a flat network "
                "only: behind a nonlinearity the batch is not Gaussian, and over positions the "
                "mean of ratios has no closed form. Known of batch norm behind the last "
                "nonlinearity is the constant mode, beta^2 [JGGH]; take BatchNorm(rescale=False), "
                "or a finite network and empirical.monte_carlo."
            )
        n = pairs.batch
        if not n:
            raise ValueError(
                "`x2` must be left out where there is batch norm, whose statistics are those of "
                "one batch; put both sets into x1 and read the blocks."
            )

        def centred(table: Array) -> Array:
            dense = square(table, n)
            for axes in ((0, 2), (1, 3)):
                dense = dense - jnp.mean(dense, axes, keepdims=True)
            reference = table[n : n + 1]
            return jnp.concatenate([dense[pairs.one[:n], pairs.other[:n]], reference,
                                    dense[pairs.one[n + 1 :], pairs.other[n + 1 :]]])  # fmt: skip

        mean = pairs.mean - jnp.mean(pairs.mean[:n])
        return changed(
            pairs,
            covariance=centred(pairs.covariance),
            tangent=centred(pairs.tangent),
            mean=mean.at[n].set(pairs.mean[n]),
            unit=False,
            rescaled=self.rescale,
        )


def divided(pairs: Pairs, activation: Activation | None = None) -> Pairs:
    """Batch norm's division, if it is due, in one mean with the activation that follows.

    The tangent kernel and the mean have no closed form from here on and are NaN.
    """
    if not pairs.rescaled:
        return pairs
    n, parts = pairs.batch, ["rescale"] if activation is None else ["rescale", "nonlinearity"]
    gram = square(pairs.covariance, n)[:, :, 0, 0]
    gram = normalization.gram_step(gram, parts, activation)  # neurons have mean square 1
    own = jnp.diagonal(gram)
    distance = (own[:, None] - gram) + (own[None, :] - gram)

    def listed(matrix: Array, reference: float) -> Array:
        padded = jnp.pad(matrix, ((0, 1), (0, 1))).at[n, n].set(reference)
        return padded[pairs.one, pairs.other][:, None, None]

    return changed(
        pairs,
        covariance=listed(gram, 1.0),
        distance=listed(distance, 0.0),
        tangent=jnp.full_like(pairs.tangent, jnp.nan),
        mean=jnp.full_like(pairs.mean, jnp.nan),
        gaussian=False,
        rescaled=False,
    )


def _recentred(pairs: Pairs, centre: Float[Array, "inputs 1"]) -> Pairs:
    """h - centre, a number an input that is E[h] or its mean over the positions."""
    own = jnp.broadcast_to(centre, pairs.mean.shape)
    (m, k), (c, d) = pairs.sides(pairs.mean), pairs.sides(own)
    moved, apart = m - k, c - d
    return changed(
        pairs,
        covariance=pairs.covariance - c * k - m * d + c * d,
        distance=jnp.maximum(pairs.distance - 2 * moved * apart + apart**2, 0),
        mean=pairs.mean - own,
        unit=False,
    )
