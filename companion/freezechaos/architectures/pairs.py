"""What of a layer a network of infinite width still knows: moments of pairs of inputs.

Neurons of a layer are independent and alike, so one stands for all: h_p(x) at position p for input
x. Layers carry, for pairs of inputs and all pairs of their positions (one each in a flat network),

    covariance E[h_p(x) h_q(y)],   distance E(h_p(x) - h_q(y))^2,   tangent kernel Theta_pq(x, y),

the distance because it keeps its digits where two inputs come together, the tangent kernel over a
scale whose logarithm is carried, because it grows with depth beyond any float.
"""

from functools import partial
from math import prod

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float, Int

_PAIRS = 512  # distances of inputs worked out at once


class Pairs(eqx.Module):
    """Moments over pairs of inputs [pairs, positions, positions]; own pairs (x, x) come first.

    Attributes:
        covariance, distance, tangent: [pairs, positions, positions]; the tangent kernel is
            tangent * exp(log_scale).
        log_scale: one number.
        mean: [inputs, positions] E[h].
        one, other: [pairs] which inputs a pair is of.
        grid: the positions' grid; () for flat networks.
        batch: how many inputs are a batch, whose pairs are `symmetric`; 0 where they are not.
        unit: whether all variances are 1; covariance is then 1 - distance / 2.
        gaussian: whether h is Gaussian, as behind an affine map, so that a nonlinearity has a
            dual map.
        rescaled: whether every neuron is to be divided by its root mean square over the batch;
            that is left to the layer that follows, since the two have one mean together.
    """

    covariance: Float[Array, "pairs positions positions"]
    distance: Float[Array, "pairs positions positions"]
    tangent: Float[Array, "pairs positions positions"]
    log_scale: Float[Array, ""]
    mean: Float[Array, "inputs positions"]
    one: Int[Array, " pairs"]
    other: Int[Array, " pairs"]
    grid: tuple[int, ...] = eqx.field(static=True)
    batch: int = eqx.field(static=True)
    unit: bool = eqx.field(static=True)
    gaussian: bool = eqx.field(static=True, default=False)
    rescaled: bool = eqx.field(static=True, default=False)

    @property
    def variance(self) -> Float[Array, "inputs positions"]:
        """E[h_p(x)^2]."""
        return jnp.einsum("ipp->ip", self.covariance[: len(self.mean)])

    def sides(
        self, values: Float[Array, "inputs positions"]
    ) -> tuple[
        Float[Array, "pairs positions positions"], Float[Array, "pairs positions positions"]
    ]:
        """What belongs to the first and what to the second input of every pair."""
        shape = self.covariance.shape
        left = jnp.broadcast_to(values[self.one][:, :, None], shape)
        return left, jnp.broadcast_to(values[self.other][:, None, :], shape)

    def rebased(self) -> "Pairs":
        """The same, the largest entry of the tangent kernel at 1 or below."""
        largest = lax.stop_gradient(jnp.max(jnp.abs(self.tangent)))
        size = jnp.where(largest > 1, largest, 1)
        return eqx.tree_at(
            lambda pairs: (pairs.tangent, pairs.log_scale),
            self,
            (self.tangent / size, self.log_scale + jnp.log(size)),
        )


def changed(pairs: Pairs, **fields: object) -> Pairs:
    """The same pairs, with other moments or flags."""
    names = Pairs.__dataclass_fields__
    return Pairs(**({name: getattr(pairs, name) for name in names} | fields))


def scaled(pairs: Pairs, factor: float) -> Pairs:
    """Of factor h."""
    square = factor**2
    return changed(
        pairs,
        covariance=square * pairs.covariance,
        distance=square * pairs.distance,
        tangent=square * pairs.tangent,
        mean=factor * pairs.mean,
        unit=pairs.unit and square == 1,
    ).rebased()


def of_inputs(
    x: Float[Array, "inputs *grid channels"], one: np.ndarray, other: np.ndarray,
    *, batch: int, unit: bool,
) -> Pairs:  # fmt: skip
    """The inputs themselves: deterministic, and without parameters.

    Arguments:
        x: all inputs.
        one, other: [pairs] which inputs a pair is of, every input with itself first.
        batch: how many of them are a batch whose pairs are `symmetric`, 0 for none.
        unit: whether they are on the sphere, |x_p|^2 = channels; they are put on it to all digits.
    """
    grid, channels = x.shape[1:-1], x.shape[-1]
    rows = x.reshape(len(x), prod(grid), channels)
    if unit:
        rows = rows / jnp.sqrt(jnp.mean(rows**2, axis=2, keepdims=True))
    given = x.reshape(rows.shape)
    products, distance = lax.map(partial(_compared, given, rows), (one, other), batch_size=_PAIRS)
    return Pairs(
        covariance=1 - distance / 2 if unit else products,
        distance=distance,
        tangent=jnp.zeros_like(distance),
        log_scale=jnp.zeros((), rows.dtype),
        mean=jnp.mean(rows, axis=2),
        one=jnp.asarray(one),
        other=jnp.asarray(other),
        grid=grid,
        batch=batch,
        unit=unit,
    )


def _compared(given: Array, rows: Array, pair: tuple[Array, Array]) -> tuple[Array, Array]:
    """Mean products and mean squared differences over the channels, [positions, positions].

    Equal inputs are exactly 0 apart, whatever a compiler fuses after they are put on the sphere.
    """
    (x, y), (p, q) = ((part[index] for index in pair) for part in (given, rows))
    products = jnp.matmul(p, q.T, precision="highest") / rows.shape[2]
    distance = jnp.mean((p[:, None] - q[None]) ** 2, axis=2)
    return products, jnp.where(jnp.all(x[:, None] == y[None], axis=2), 0, distance)


def symmetric(batch: int) -> tuple[np.ndarray, np.ndarray]:
    """Own pairs of a batch and a reference behind it, then all pairs i < j of the batch."""
    own = np.arange(batch + 1)
    rows, columns = np.triu_indices(batch, 1)
    return np.concatenate([own, rows]), np.concatenate([own, columns])


def rectangular(first: int, second: int) -> tuple[np.ndarray, np.ndarray]:
    """Own pairs of two sets and a reference, then each of the first with each of the second."""
    own = np.arange(first + second + 1)
    rows, columns = np.indices((first, second)).reshape(2, -1)
    return np.concatenate([own, rows]), np.concatenate([own, first + columns])


def square(
    table: Float[Array, "pairs positions positions"], batch: int
) -> Float[Array, "batch batch positions positions"]:
    """The `symmetric` pairs as a matrix over the batch; below the diagonal mirrored."""
    one, other = symmetric(batch)
    number = np.zeros((batch + 1, batch + 1), int)
    number[one, other] = number[other, one] = np.arange(len(one))
    number = number[:batch, :batch]
    below = np.tri(batch, k=-1, dtype=bool)[:, :, None, None]
    return jnp.where(below, jnp.swapaxes(table, 1, 2)[number], table[number])
