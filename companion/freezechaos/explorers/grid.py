"""Results computed ahead on a grid, and read between its points.

Sixteen bits a number; eight where `compute` gives bytes, as pictures are.
"""

import itertools
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from freezechaos.explorers.axes import Axis, Choice, Formula

Compute = Callable[..., Mapping[str, Any]]
LEVELS = 2**16 - 1
BYTES = np.dtype(np.uint8)


class Pinned(NamedTuple):
    """An axis held at one value."""

    name: str
    static: bool
    values: tuple[Any]


Column = Axis | Choice | Formula | Pinned


def tabulate(
    compute: Compute, axes: Sequence[Column], *, vectorized: bool = True
) -> dict[str, np.ndarray]:
    """Return each output of `compute` on the whole grid, `[*axes, *output]`.

    Static axes and choices are looped over, the others mapped by one `jax.vmap`, compiled once
    for each combination of the former; without `vectorized` all are looped over, nothing is
    compiled, and `compute` gets Python numbers only.
    """
    looped = [k for k, axis in enumerate(axes) if axis.static or not vectorized]
    mapped = [k for k in range(len(axes)) if k not in looped]
    rows = [
        _row(compute, dict(zip([axes[k].name for k in looped], values, strict=True)),
             [axes[k] for k in mapped])
        for values in itertools.product(*(axes[k].values for k in looped))
    ]  # fmt: skip
    lengths = [len(axes[k].values) for k in looped + mapped]
    return {
        name: np.moveaxis(
            np.stack([row[name] for row in rows]).reshape((*lengths, *rows[0][name].shape[1:])),
            range(len(axes)),
            looped + mapped,
        )
        for name in rows[0]
    }


def _row(
    compute: Compute, fixed: dict[str, Any], mapped: Sequence[Column]
) -> dict[str, np.ndarray]:
    if not mapped:
        return {name: np.asarray(value)[None] for name, value in compute(**fixed).items()}
    mesh = np.meshgrid(*(axis.values for axis in mapped), indexing="ij")
    columns = {a.name: jnp.asarray(m.ravel()) for a, m in zip(mapped, mesh, strict=True)}
    table = _mapped(compute, tuple(fixed.items()), columns)
    return {name: np.asarray(value) for name, value in table.items()}


@partial(jax.jit, static_argnames=("compute", "fixed"))
def _mapped(
    compute: Compute, fixed: tuple[tuple[str, Any], ...], columns: dict[str, jax.Array]
) -> dict[str, jax.Array]:
    return jax.vmap(lambda point: dict(compute(**dict(fixed), **point)))(columns)


@dataclass(frozen=True, eq=False)
class Quantized:
    """An output on the grid: `value = low + (high - low) · codes / 65535`, or its logarithm.

    The error is at most half a level, (high - low) / 131070. Bytes are codes themselves, with
    low = 0 and high = 255.

    Attributes:
        codes: `[*axes, *output]`, with so many `axes`.
        low, high: the least and the largest value, or their logarithms.
        log: whether logarithms are kept.
    """

    codes: np.ndarray
    low: float
    high: float
    log: bool = False
    axes: int = 0

    @classmethod
    def of(cls, values: np.ndarray, *, log: bool = False, axes: int = 0) -> "Quantized":
        if values.dtype == BYTES and not log:
            return cls(values, 0.0, 255.0, axes=axes)
        values = np.log(values.astype(float)) if log else values.astype(float)
        low, high = float(values.min()), float(values.max())
        codes = np.rint((values - low) / ((high - low) or 1.0) * LEVELS)
        return cls(np.asarray(codes, np.uint16), low, high, log, axes)

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the output at one setting."""
        return self.codes.shape[self.axes :]

    def value(self, code: np.ndarray) -> np.ndarray:
        value = self.low + (self.high - self.low) * code / self.levels
        return np.asarray(np.exp(value) if self.log else value)

    def read(self, positions: Sequence[float]) -> np.ndarray:
        """Return the output at `positions` on the axes, multilinear between grid points."""
        corners = [_neighbours(p, n) for p, n in zip(positions, self.codes.shape, strict=False)]
        total = np.zeros(self.codes.shape[len(corners) :])
        for corner in itertools.product(*corners):
            index, weight = tuple(k for k, _ in corner), np.prod([w for _, w in corner])
            total = total + weight * self.codes[index]
        return self.value(np.asarray(total))

    def spec(self, name: str) -> dict[str, Any]:
        return {"name": name, "shape": list(self.shape), "levels": self.levels,
                "low": self.low, "high": self.high, "log": self.log}  # fmt: skip

    @property
    def levels(self) -> int:
        return int(np.iinfo(self.codes.dtype).max)

    @property
    def range(self) -> tuple[float, float]:
        low, high = self.value(np.array([0, self.levels])).tolist()
        return (low, high)


def _neighbours(position: float, length: int) -> list[tuple[int, float]]:
    left = min(int(position), length - 2)
    share = position - left
    return [(k, w) for k, w in ((left, 1 - share), (left + 1, share)) if w > 0]


@dataclass(frozen=True, eq=False)
class Names:
    """A word for each grid point: `words[codes]`."""

    words: Sequence[str]
    codes: np.ndarray

    @classmethod
    def of(cls, given: Sequence[str], shape: tuple[int, ...]) -> "Names":
        words = list(dict.fromkeys(given))
        return cls(words, np.array([words.index(w) for w in given], np.uint16).reshape(shape))

    def read(self, positions: Sequence[float]) -> str:
        """Return the word of the grid point nearest to `positions`."""
        return self.words[self.codes[tuple(int(p + 0.5) for p in positions)]]


def pack(codes: Sequence[np.ndarray]) -> bytes:
    """Return all codes in one compressed string, those of bytes last and as they are.

    Second differences (modulo 2¹⁶) of smooth results are small, so with low and high bytes
    apart most of what is left are zeros. Pictures are not smooth, but repeat themselves.
    """
    wide = [array.ravel() for array in codes if array.dtype != BYTES]
    flat = np.concatenate([np.zeros(0, np.uint16), *wide])
    for _ in range(2):
        flat = np.diff(flat, prepend=np.uint16(0))
    planes = flat.astype("<u2").view(np.uint8).reshape(-1, 2).T
    narrow = [array.tobytes() for array in codes if array.dtype == BYTES]
    return zlib.compress(b"".join([planes.tobytes(), *narrow]), level=9)
