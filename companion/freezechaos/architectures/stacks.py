"""Stacks of equal blocks, which have recursions of their own.

`Dense` layers with one activation between all go by `freezechaos.kernels`, on the sphere, compiled
once for all depths; `UpSampling` layers by `freezechaos.deconvolution`, whose pairs of positions
are few classes.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from .. import deconvolution
from .. import kernels as exact
from ..activations import Activation
from ..kernels.lookup import Rows, cosine_and_gap
from ..kernels.recursion import from_gap
from .layers import Affine, Dense, Layer
from .nonlinearity import Nonlinearity
from .parametrizations import Beta
from .positions import UpSampling

_CLOSE = 0.1  # a gap below is not taken from a rounded product

Found = tuple[Array, Array, Array]
"""NNGP, NTK over a scale, and the logarithm of that."""


def kernels(layers: tuple[Layer, ...], x1: Array, x2: Array | None, unit: bool) -> Found | None:
    """Those of a stack of equal blocks; None of anything else."""
    activation = _one_activation(layers[1::2])
    maps: Any = layers[::2]
    if not len(layers) % 2 or activation is None:
        return None
    if not all(isinstance(layer, Affine) for layer in maps):
        return None
    shares = {layer.parametrization for layer in maps}
    share = shares.pop()
    if shares or not isinstance(share, Beta):
        return None
    if unit and all(isinstance(layer, Dense) for layer in maps):
        return _dense(activation, share.beta, len(maps), x1, x2)
    traced = isinstance(x1, jax.core.Tracer) or isinstance(x2, jax.core.Tracer)
    divisions: set[Any] = {getattr(layer, "division", None) for layer in maps}
    if traced or len(divisions) > 1 or not all(isinstance(layer, UpSampling) for layer in maps):
        return None
    size = x1.shape[1] if x1.ndim == 3 else x1.shape[1:-1]
    stack = deconvolution.DeconvStack(size, [up.layer for up in maps], divisions.pop())
    return _upsampling(stack, activation, share.beta, x1, x2, unit)


def _one_activation(between: tuple[Layer, ...]) -> Activation | None:
    """The activation that all of these layers are."""
    first = between[0] if between else None
    if not isinstance(first, Nonlinearity) or first.factor != 1:
        return None
    return first.activation if all(layer == first for layer in between) else None


def _dense(activation: Activation, beta: float, depth: int, x1: Array, x2: Array | None) -> Found:
    share = jnp.asarray(beta, x1.dtype)
    cosine, gap = _cosines(x1, x2)
    if x2 is not None:
        sigma, theta, _ = from_gap(activation, share, depth, cosine, gap)
    else:  # half of the pairs, and their mirror images
        upper = np.triu_indices(len(x1))
        halves = from_gap(activation, share, depth, cosine[upper], gap[upper])
        sigma, theta = (jnp.zeros_like(cosine).at[upper].set(half) for half in halves[:2])
        below = np.tri(len(x1), k=-1, dtype=bool)
        sigma, theta = (jnp.where(below, half.T, half) for half in (sigma, theta))
    return sigma, theta, exact.log_ntk_diagonal(activation, share, depth)


@jax.jit
def _cosines(x1: Array, x2: Array | None) -> tuple[Array, Array]:
    """Cosines and 1 - |cosine| of all pairs; chaos must not blow rounding up."""
    rows = Rows.of(x1)
    if x2 is not None:
        columns = Rows.of(x2, rows.centre)
        cosine, gap = cosine_and_gap(rows, columns, jnp.zeros((len(x1), len(x2)), bool), _CLOSE)
        return jnp.clip(cosine, -1, 1), gap
    cosine, gap = cosine_and_gap(rows, rows, jnp.eye(len(x1), dtype=bool), _CLOSE)
    return jnp.clip(cosine, -1, 1), (gap + gap.T) / 2


def _upsampling(
    stack: deconvolution.DeconvStack, activation: Activation, beta: float,
    x1: Array, x2: Array | None, unit: bool,
) -> Found:  # fmt: skip
    """In float64; the scale is that of a picture of ones."""

    def gram(x: np.ndarray) -> Array:
        x = x.reshape(len(x), -1, x.shape[-1])
        if unit:
            x = x / np.sqrt(np.mean(x**2, axis=2, keepdims=True))
        return jnp.asarray(np.einsum("npc,mqc->nmpq", x, x, optimize=True) / x.shape[2])

    x = np.concatenate([np.asarray(part, np.float64) for part in (x1, x2) if part is not None])
    columns = slice(None) if x2 is None else slice(len(x1), None)
    with jax.enable_x64(True):
        both = deconvolution.compressed(stack, activation, beta, gram(x))
        ones = deconvolution.compressed(stack, activation, beta, gram(np.ones_like(x[:1]))).ntk
        (small, log_size), (own, log_own) = both.ntk.scaled(), ones.scaled()
        log_scale = log_own + jnp.log(jnp.max(own.diagonal()))
        found = (
            both.nngp.dense()[: len(x1), columns],
            small.dense()[: len(x1), columns] * jnp.exp(log_size - log_scale),
            log_scale,
        )
        nngp, ntk, log = (part.astype(x1.dtype) for part in found)
        return nngp, ntk, log
