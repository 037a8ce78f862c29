"""What a network of ours is given."""

from typing import Any

from jaxtyping import Array

from .. import checks
from ..networks import Deconvolutional, FullyConnected
from ..numerics import wider


def checked_inputs(name: str, network: Any, x: Any) -> Array:
    """Finite inputs [n, *input], one or more, in the wider of both precisions."""
    if isinstance(network, Deconvolutional):
        x = _checked_grids(name, network, x)
    elif isinstance(network, FullyConnected):
        x = _checked_rows(name, network, x)
    else:
        raise TypeError(
            "`network` must be a FullyConnected or a Deconvolutional; got "
            f"{type(network).__name__}. Make one with "
            "networks.FullyConnected([2, 256, 1], activation, 0.1, key=key)."
        )
    return x.astype(wider(x, network.weights[0]))


def _checked_rows(name: str, network: FullyConnected, x: Any) -> Array:
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


def output_shape(network: FullyConnected | Deconvolutional) -> tuple[int, ...]:
    """Of one input: [outputs], or [*size, channels]."""
    if isinstance(network, Deconvolutional):
        return *network.stack.sizes[-1], network.channels[-1]
    return network.widths[-1:]
