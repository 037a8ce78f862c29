"""What a network is given."""

from typing import Any

import equinox as eqx
import jax
from jaxtyping import Array

from .. import checks
from ..networks import Deconvolutional, FullyConnected, Scanned
from ..numerics import wider


def checked_inputs(name: str, network: Any, x: Any) -> Array:
    """Finite inputs [n, *input], one or more, in the wider of both precisions."""
    if isinstance(network, Deconvolutional):
        x = _checked_grids(name, network, x)
    elif isinstance(network, FullyConnected | Scanned):
        x = _checked_rows(name, network, x)
    else:
        x = _checked_any(name, x)
    leaves = jax.tree.leaves(eqx.filter(network, eqx.is_inexact_array))
    return x.astype(wider(x, leaves[0])) if leaves else x


def _checked_any(name: str, x: Any) -> Array:
    x = checks.targets(name, x)
    if x.ndim < 2 or 0 in x.shape:
        raise ValueError(
            f"`{name}` must have shape [n, *input], one input a row; got {list(x.shape)}."
        )
    return x


def _checked_rows(name: str, network: FullyConnected | Scanned, x: Any) -> Array:
    x = checks.rows(name, x, zero=True)
    if x.shape[1] != network.widths[0]:
        raise ValueError(
            f"`{name}` must have {network.widths[0]} columns, as the network has inputs; "
            f"got {x.shape[1]}. Give it as many, or make a network of widths [{x.shape[1]}, ...]."
        )
    return x


def _checked_grids(name: str, network: Deconvolutional, x: Any) -> Array:
    x = checks.targets(name, x)
    shape = (*network.stack.start, network.channels[0])
    if x.shape[1:] != shape or not len(x):
        sizes = ", ".join(map(str, shape))
        raise ValueError(
            f"`{name}` must have shape [n, {sizes}], the size of the stack's input and its "
            f"channels; got {list(x.shape)}. Reshape it with x.reshape(-1, {sizes})."
        )
    return x


def output_shape(network: FullyConnected | Scanned | Deconvolutional) -> tuple[int, ...]:
    """Of one input: [outputs], or [*size, channels]."""
    if isinstance(network, Deconvolutional):
        return *network.stack.sizes[-1], network.channels[-1]
    return network.widths[-1:]
