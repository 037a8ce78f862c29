"""Random weights and biases."""

from collections.abc import Sequence

import jax
import numpy as np
from jaxtyping import Array, Float, Key


def normals(
    keys: Key[Array, " shapes"], shapes: Sequence[tuple[int, ...]]
) -> tuple[Float[Array, "..."], ...]:
    """An array from N(0, 1) for each key, as jax.random.normal draws it.

    Arguments:
        keys: as many as shapes.
        shapes: of the arrays.

    Where this is traced, arrays of one shape are drawn together, for XLA would compile the drawing
    of each anew; run as it stands, one by one, which needs no room for all of them at once.
    """
    if not isinstance(keys, jax.core.Tracer):
        return tuple(map(jax.random.normal, keys, shapes))
    drawn: dict[int, Array] = {}
    for shape in dict.fromkeys(shapes):
        places = [place for place, other in enumerate(shapes) if other == shape]
        together = jax.vmap(lambda key, shape=shape: jax.random.normal(key, shape))(
            keys[np.array(places)]
        )
        drawn |= dict(zip(places, together, strict=True))
    return tuple(drawn[place] for place in range(len(shapes)))
