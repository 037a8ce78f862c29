"""A batch in a network of infinite width: a deterministic map of its Gram matrix."""

from collections.abc import Callable, Sequence
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Real

from freezechaos import duals, scalars
from freezechaos.activations import Activation
from freezechaos.types import Integer

from . import parts as part
from .parts import DEFAULT

_STEP = 0.4  # of log t: the trapezoid rule is then right to 1e-8
LOG_TIMES = np.arange(-10.0, 26.0, _STEP)
LOG_WEIGHTS = LOG_TIMES + np.log1p((np.arange(len(LOG_TIMES)) == 0) / np.expm1(_STEP))


def gram_step(
    gram: Real[ArrayLike, "n n"],
    parts: Sequence[str] = DEFAULT,
    activation: Activation | None = None,
) -> Float[Array, "n n"]:
    """The Gram matrix one layer on, at infinite width, scaled to trace n.

    A neuron's values over the batch are z ~ N(0, K), and the next Gram matrix is the mean of
    v v^T, v = parts(z). With H = I - 1 1^T / n:

    - "recentre" is linear: K becomes H K H;
    - "nonlinearity" gives E[sigma(z_i) sigma(z_j)], the dual map of the activation; variances
      factor out of it where sigma(a x) = a sigma(x) for a > 0, as for ReLU; other activations
      have closed forms or a Hermite series (see `duals`), NaN inside jit where that does not reach;
    - "rescale" divides by |z|^2 / n. As 1 / |z|^2 is the integral of exp(-t |z|^2) over t > 0,
      and a Gaussian weighted with that is Gaussian again, of covariance K (I + 2 t K)^-1 and mass
      det(I + 2 t K)^(-1/2), what is left is one integral over t, for linear layers and for
      activations of the kind of ReLU. The trapezoid rule in log t needs 90 values for 1e-8; a
      step costs one eigendecomposition and 90 matrix products.

    Differentiable; maps over many with `jax.vmap`. Recentring subtracts, so close to a collapse
    take float64.

    Arguments:
        gram: of two points or more; only its direction matters for ReLU.
        parts: any of "recentre", "rescale", "nonlinearity", each once, in any order but
            "nonlinearity" before "rescale".
        activation: what "nonlinearity" is; standardized ReLU where left out. With "rescale" it
            must be `leaky_relu` of some slope, standardized.

    Raises:
        ValueError, TypeError: an argument outside its range, equal points with "recentre", parts
            for which this mean has no closed form, an activation too steep or with a kink (take
            `propagate` with a large width).

    Source: [NBGK]; Cho and Saul 2009 for ReLU; the integral is derived in the chapter.

    >>> gram_step(jnp.diag(jnp.array([1.0, 9.0])), ("rescale",)).round(4)  # of lengths 1 and 3
    Array([[0.5, 0. ],
           [0. , 1.5]], dtype=float32)
    """
    parts = part.checked(parts)
    activation = part.checked_activation(parts, activation)
    _check(parts, activation)
    gram = part.checked_gram(gram)
    part.checked_spread(parts, gram)
    return checked_reach(_step(gram, parts, activation), activation)


def iterate(
    gram: Real[ArrayLike, "n n"],
    depth: Integer,
    parts: Sequence[str] = DEFAULT,
    activation: Activation | None = None,
) -> Float[Array, "layers n n"]:
    """The Gram matrices [depth + 1, n, n] of all layers, from the given one on, each of trace n.

    As `propagate(..., record="grams")`, at infinite width.

    Arguments and errors: as for `gram_step`; `depth` is the number of layers, 0 or more.
    """
    gram = part.checked_gram(gram)
    depth = scalars.integer("depth", depth, 0, "It counts the layers; try 10.")
    gram_step(gram, parts, activation)  # for its checks
    parts = part.checked(parts)
    activation = part.checked_activation(parts, activation)
    return checked_reach(_iterated(gram, depth, parts, activation), activation)


def checked_reach(grams: Array, activation: Activation | None) -> Array:
    """Gram matrices, none of which is NaN because the activation's dual map is not known there."""
    if not activation or isinstance(grams, jax.core.Tracer) or not bool(jnp.isnan(grams).any()):
        return grams
    raise ValueError(duals.refusal(activation))


@partial(jax.jit, static_argnames=("depth", "parts", "activation"))
def _iterated(
    gram: Array, depth: int, parts: tuple[str, ...], activation: Activation | None
) -> Array:
    def layer(gram: Array, _: None) -> tuple[Array, Array]:
        after = _step(gram, parts, activation)
        return after, after

    gram = gram * (len(gram) / jnp.trace(gram))
    return jnp.concatenate([gram[None], lax.scan(layer, gram, length=depth)[1]])


@partial(jax.jit, static_argnames=("parts", "activation"))
def _step(gram: Array, parts: tuple[str, ...], activation: Activation | None) -> Array:
    gram = gram * (len(gram) / jnp.trace(gram))
    for name in _before(parts, "rescale") if "rescale" in parts else ():
        gram = recentred(gram) if name == "recentre" else gram
    if "rescale" in parts:
        gram = rescaled(gram, lambda g: _through(g, _after(parts, "rescale"), activation))
    else:
        gram = _through(gram, parts, activation)
    return settled(gram)


def rescaled(gram: Array, then: Callable[[Array], Array]) -> Array:
    """The Gram matrix, but for its scale, after rescaling and then what `then` does to one."""
    masses, grams = _tilted(gram)
    return jnp.tensordot(masses, jax.vmap(then)(grams), 1)


def settled(gram: Array) -> Array:
    """Symmetric, of trace n."""
    gram = (gram + gram.T) / 2
    return gram * (len(gram) / jnp.trace(gram))


def _before(parts: tuple[str, ...], name: str) -> tuple[str, ...]:
    return parts[: parts.index(name)]


def _after(parts: tuple[str, ...], name: str) -> tuple[str, ...]:
    return parts[parts.index(name) + 1 :]


def _through(gram: Array, parts: tuple[str, ...], activation: Activation | None) -> Array:
    """The Gram matrix after recentring and nonlinearity, in this order or the other."""
    for name in parts:
        gram = recentred(gram) if name == "recentre" else nonlinear(gram, activation)
    return gram


def recentred(gram: Array) -> Array:
    """The Gram matrix of the points less their mean."""
    return part.recentre(part.recentre(gram).T)


def nonlinear(gram: Array, activation: Activation | None) -> Array:
    """E[sigma(z_i) sigma(z_j)] for z ~ N(0, gram), whose trace is at most n."""
    assert activation
    return duals.gram(activation, gram, duals.enough_terms(activation, len(gram)))


def _tilted(gram: Array) -> tuple[Array, Array]:
    """n dt det(I + 2 t K)^(-1/2) [times], and K (I + 2 t K)^-1 [times, n, n]."""
    times = jnp.asarray(np.exp(LOG_TIMES) / len(gram), gram.dtype)
    log_determinants, grams = _resolvents(gram, times)
    # of the masses only ratios matter, as the step scales to trace n
    logs = jnp.asarray(LOG_WEIGHTS, gram.dtype) - log_determinants / 2
    return jnp.exp(logs - lax.stop_gradient(jnp.max(logs))), grams


@jax.custom_jvp
def _resolvents(gram: Array, times: Array) -> tuple[Array, Array]:
    """log det(I + 2 t K) [times] and K (I + 2 t K)^-1 [times, n, n]."""
    log_determinants, grams, _ = _by_eigenvectors(gram, times)
    return log_determinants, grams


@_resolvents.defjvp
def _resolvents_jvp(primals: tuple, tangents: tuple) -> tuple:
    (gram, times), (change, _) = primals, tangents
    log_determinants, grams, inverses = _by_eigenvectors(gram, times)
    slopes = 2 * times * jnp.einsum("tij,ji->t", inverses, change)
    changes = inverses @ change @ inverses  # also where eigenvalues meet
    return (log_determinants, grams), (slopes, changes)


def _by_eigenvectors(gram: Array, times: Array) -> tuple[Array, Array, Array]:
    values, vectors = jnp.linalg.eigh(gram)
    values = jnp.where(values > len(gram) * jnp.finfo(gram.dtype).eps, values, 0)
    shares = 1 / (1 + 2 * times[:, None] * values[None])
    inverses = (vectors[None] * shares[:, None, :]) @ vectors.T
    grams = (vectors[None] * (values[None] * shares)[:, None, :]) @ vectors.T
    return -jnp.sum(jnp.log(shares), axis=1), grams, inverses


def is_homogeneous(activation: Activation) -> bool:
    """Whether sigma(a x) = a sigma(x) for a > 0."""
    return activation.homogeneous and abs(activation.origin) <= 1e-14 * activation.deviation


def homogeneous(activation: Activation | None) -> Activation:
    """The activation, standardized ReLU where left out, if lengths factor out of it."""
    sigma = part.checked_activation(("nonlinearity",), activation)
    if not sigma or not is_homogeneous(sigma):
        raise ValueError(
            f"`activation` must satisfy sigma(a x) = a sigma(x) for a > 0, as ReLU and leaky_relu "
            f"do; got {activation}. For others take fixed_point and leading_multiplier."
        )
    return sigma


def _check(parts: tuple[str, ...], activation: Activation | None) -> None:
    if activation is None or is_homogeneous(activation):
        if "rescale" in parts and "nonlinearity" in _before(parts, "rescale"):
            raise ValueError(
                f'`parts` must have "rescale" before "nonlinearity" at infinite width; got '
                f"{list(parts)}. Behind it the batch is not Gaussian and the mean has no closed "
                "form: take propagate(..., width=4000), mean over some keys."
            )
        return
    if "rescale" in parts:
        raise ValueError(
            f'`activation` with "rescale" must satisfy sigma(a x) = a sigma(x) for a > 0, as ReLU '
            f"and leaky_relu do; got {activation}. For others the mean has no closed form: take "
            "propagate(..., width=4000), mean over some keys."
        )
