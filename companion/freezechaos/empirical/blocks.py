"""How much fits into the memory, and how it is put together."""

from math import inf, sqrt
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from .. import checks


def largest_block(n: int, itemsize: int, memory: Any, *, fixed: int, row: int, entry: int) -> int:
    """The largest b, at most n, with fixed + row b + entry b^2 numbers in the memory.

    Raises:
        ValueError, TypeError: not even one row fits, memory that is no finite number.
    """
    memory = checks.number("memory", memory)
    if not memory < inf:
        raise ValueError(
            f"`memory` must be a finite number of bytes; got {memory}. Try 2**30, a gibibyte."
        )
    left = memory / itemsize - fixed
    length = int((sqrt(row**2 + 4 * entry * left) - row) / (2 * entry)) if left > 0 else 0
    if length < 1:
        raise ValueError(
            f"`memory` must be {(fixed + row + entry) * itemsize} bytes or more for this network "
            f"and batch; got {memory:.0f}. Raise it, or take a narrower network."
        )
    return min(length, n)


def split(n: int, length: int) -> list[np.ndarray]:
    """The numbers below n in as few blocks of about one length as do not pass `length`."""
    return np.array_split(np.arange(n), -(-n // length))


def joined(blocks: dict[tuple[int, int], Array], lines: int, columns: int) -> Array:
    """The blocks side by side; each is let go of with its line."""
    joined = []
    for i in range(lines):
        joined.append(jnp.concatenate([blocks.pop((i, j)) for j in range(columns)], axis=1))
    return jnp.concatenate(joined)
