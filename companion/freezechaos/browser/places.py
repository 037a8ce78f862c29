"""Where an array's elements lie: strides over a typed array, so that most shapes move nothing."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import prod


@dataclass(frozen=True)
class Place:
    """Element [i, j, ...] is at offset + sum strides[k] index[k] of the typed array `base`.

    Without a base it is that number itself: an iota. `moved` are names of integers that are added
    to the offset when the program runs.
    """

    base: str | None
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    dtype: str
    offset: int = 0
    moved: tuple[str, ...] = ()

    @classmethod
    def whole(cls, base: str | None, shape: Sequence[int], dtype: str) -> "Place":
        return cls(base, tuple(shape), row_major(shape), dtype)

    @property
    def size(self) -> int:
        return prod(self.shape)

    @property
    def contiguous(self) -> bool:
        """Whether its elements follow each other in order."""
        kept = [(n, s) for n, s in zip(self.shape, self.strides, strict=True) if n != 1]
        return [s for _, s in kept] == list(row_major([n for n, _ in kept]))

    @property
    def start(self) -> str:
        """The offset in JavaScript."""
        return "+".join([*([str(self.offset)] if self.offset else []), *self.moved]) or "0"

    def transposed(self, order: Sequence[int]) -> "Place":
        return replace(
            self,
            shape=tuple(self.shape[k] for k in order),
            strides=tuple(self.strides[k] for k in order),
        )

    def broadcast(self, shape: Sequence[int], axes: Sequence[int]) -> "Place":
        """As lax.broadcast_in_dim: own axis k becomes axis axes[k]."""
        strides = [0] * len(shape)
        for axis, length, stride in zip(axes, self.shape, self.strides, strict=True):
            strides[axis] = stride if length == shape[axis] else 0
        return replace(self, shape=tuple(shape), strides=tuple(strides))

    def sliced(self, starts: Sequence[int], limits: Sequence[int], steps: Sequence[int]) -> "Place":
        shape = [
            max(0, -(-(limit - start) // step))
            for start, limit, step in zip(starts, limits, steps, strict=True)
        ]
        offset = self.offset + sum(a * s for a, s in zip(starts, self.strides, strict=True))
        strides = tuple(a * s for a, s in zip(steps, self.strides, strict=True))
        return replace(self, shape=tuple(shape), strides=strides, offset=offset)

    def reversed(self, axes: Sequence[int]) -> "Place":
        offset, strides = self.offset, list(self.strides)
        for axis in axes:
            offset += (self.shape[axis] - 1) * strides[axis]
            strides[axis] = -strides[axis]
        return replace(self, offset=offset, strides=tuple(strides))

    def without(self, axes: Sequence[int]) -> "Place":
        """Without axes of length 1, or at index 0 of them."""
        kept = [k for k in range(len(self.shape)) if k not in axes]
        return self.transposed(kept)

    def reshaped(self, shape: Sequence[int]) -> "Place | None":
        """In another shape, or None where strides cannot say it."""
        old = [(n, s) for n, s in zip(self.shape, self.strides, strict=True) if n != 1]
        strides, k = [], 0
        new = list(shape)
        position = 0
        while position < len(new):
            if new[position] == 1:
                strides.append(0)
                position += 1
                continue
            if k >= len(old):
                return None
            mine, end = old[k][0], k + 1
            theirs, stop = new[position], position + 1
            while mine != theirs:
                if mine < theirs:
                    if end >= len(old) or old[end - 1][1] != old[end][0] * old[end][1]:
                        return None
                    mine, end = mine * old[end][0], end + 1
                else:
                    if stop >= len(new):
                        return None
                    theirs, stop = theirs * new[stop], stop + 1
            inner = old[end - 1][1]
            lengths = new[position:stop]
            strides += [inner * prod(lengths[i + 1 :]) for i in range(len(lengths))]
            k, position = end, stop
        return replace(self, shape=tuple(shape), strides=tuple(strides))

    def merged(self, axes: Sequence[int]) -> tuple[int, int] | None:
        """Length and stride of those axes walked as one, or None."""
        flat = self.transposed(list(axes)).reshaped([prod(self.shape[k] for k in axes)])
        return None if flat is None else (flat.shape[0], flat.strides[0])


def row_major(shape: Sequence[int]) -> tuple[int, ...]:
    """Strides of an array whose last axis moves fastest."""
    return tuple(prod(shape[k + 1 :]) for k in range(len(shape)))
