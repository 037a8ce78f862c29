"""A kernel between positions, kept as one number for every class of pairs."""

from dataclasses import dataclass, field
from functools import cached_property, partial
from math import prod
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..scalars import is_integer


@jax.tree_util.register_pytree_node_class
@dataclass(frozen=True, eq=False)
class Compressed:
    """A kernel between positions, over one input or over pairs of inputs.

    A value, equal to others by its numbers, and a pytree: what is compiled may take and return it.
    `matvec` and `norm` are worked out on the host.

    Attributes:
        table: [pairs, rows, columns] a number for every class of pairs.
        exponent: [pairs, rows, columns] where numbers leave the range of floats: the kernel is
            table * 2^exponent. None where they do not.
        classes: [n, n] the class of every pair of rows, and of every pair of columns.
        size: of the output, (n,) or (rows, columns).
        inputs: N for the kernel over all pairs of N inputs, None for that of one input.
    """

    table: Array = field(repr=False)
    exponent: Array | None = field(repr=False)
    classes: tuple[np.ndarray, np.ndarray] = field(repr=False)
    size: tuple[int, ...]
    inputs: int | None

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Compressed):
            return NotImplemented
        (table, exponent), shape = self.tree_flatten()
        (other_table, other_exponent), other_shape = other.tree_flatten()
        return (
            shape == other_shape
            and np.array_equal(table, other_table)
            and (exponent is None) == (other_exponent is None)
            and (exponent is None or np.array_equal(exponent, other_exponent))
        )

    def __hash__(self) -> int:
        return hash(self.tree_flatten()[1])  # without a look at the numbers

    def tree_flatten(self) -> tuple[tuple[Any, Any], "_Shape"]:
        return (self.table, self.exponent), _Shape(self.classes, self.size, self.inputs)

    @classmethod
    def tree_unflatten(cls, shape: "_Shape", children: tuple[Any, Any]) -> "Compressed":
        made = object.__new__(cls)  # JAX puts other things than arrays in their place
        parts = dict(zip(("table", "exponent"), children, strict=True))
        vars(made).update(parts, classes=shape.classes, size=shape.size, inputs=shape.inputs)
        return made

    @property
    def numbers(self) -> Array:
        """[pairs, rows, columns] the kernel; infinite beyond the range of its floats."""
        return self.table if self.exponent is None else jnp.ldexp(self.table, self.exponent)

    def scaled(self) -> tuple["Compressed", Float[Array, ""]]:
        """The kernel over a power of two that is above its largest number, and the power's log.

        >>> from freezechaos import activations, deconvolution, graphs
        >>> stack = deconvolution.DeconvStack(3, [graphs.convolution(3, padding=1)] * 1000)
        >>> chaotic = activations.normalized("relu")
        >>> kernel = deconvolution.compressed(stack, chaotic, 0.1, jnp.eye(3)).ntk
        >>> small, log_scale = kernel.scaled()
        >>> round(float(log_scale + jnp.log(small.diagonal()[0])), 1)  # log (1 + r + ... + r^999)
        373.9
        """
        table, scale = _scaled(self.table, self.exponent)
        return Compressed(table, None, self.classes, self.size, self.inputs), scale

    @property
    def positions(self) -> int:
        """How many there are."""
        return prod(self.size)

    @property
    def nbytes(self) -> int:
        """What table and classes take."""
        parts = self.table, *self.classes, *(() if self.exponent is None else (self.exponent,))
        return sum(int(part.nbytes) for part in parts)

    def dense(self) -> Array:
        """All of it: [positions, positions], or [N, N, positions, positions]."""
        rows, columns = self.classes
        return _read(
            self._of_inputs(), rows[:, None, :, None], columns[None, :, None, :],
            shape=(self.positions, self.positions),
        )  # fmt: skip

    def row(self, position: int | tuple[int, int]) -> Array:
        """Between one position and all: [*size], or [N, N, *size]."""
        at = self._place(position)
        rows, columns = (part[k] for part, k in zip(self.classes, at, strict=True))
        return self._on_grid(rows, columns)

    def diagonal(self) -> Array:
        """Between every position and itself: [*size], or [N, N, *size]."""
        return self._on_grid(*(np.diagonal(part) for part in self.classes))

    def _on_grid(self, rows: np.ndarray, columns: np.ndarray) -> Array:
        """[*size], or [N, N, *size]: of a class of rows for each row, and of columns."""
        return _read(self._of_inputs(), rows[:, None], columns[None], shape=self.size)

    def _of_inputs(self) -> Array:
        """[rows, columns] of one input, or [N, N, rows, columns] of all ordered pairs."""
        if self.inputs is None:
            return self.numbers[0]
        return _of_ordered_pairs(self.numbers, *map(_mirrored, self.classes), inputs=self.inputs)

    def norm(self) -> float:
        """Root of the sum of squares over all pairs of positions, of inputs too."""
        rows, columns = (np.bincount(part.ravel()) for part in self.classes)
        table = self._in_float64
        size = np.max(np.abs(table)) or 1.0  # squares of large numbers are no floats
        squares = (table / size) ** 2 @ columns @ rows
        many = np.where(np.arange(len(squares)) < (self.inputs or 1), 1, 2)
        return float(size * np.sqrt(np.sum(many * squares)))

    @property
    def _in_float64(self) -> np.ndarray:
        table = np.asarray(self.table, np.float64)
        return table if self.exponent is None else np.ldexp(table, np.asarray(self.exponent))

    def _place(self, position: Any) -> tuple[int, int]:
        at = position if isinstance(position, tuple | list) else (position,)
        whole = all(map(is_integer, at)) and len(at) == len(self.size)
        if not whole or any(not 0 <= k < n for k, n in zip(at, self.size, strict=True)):
            raise ValueError(
                f"`position` must lie in a grid of {' x '.join(map(str, self.size))}; got "
                f"{position}. Count from 0; the last is {tuple(n - 1 for n in self.size)}."
            )
        row, column = (*map(int, at), 0)[:2]
        return row, column

    def matvec(self, images: Float[np.ndarray, "*batch positions"]) -> np.ndarray:
        """The kernel of one input times images, [..., positions], without ever being formed.

        It is a sum of few Kronecker products of a kernel along the rows and one along the columns.

        Raises:
            ValueError: a kernel of several inputs.
        """
        if self.inputs is not None:
            raise ValueError(
                f"`matvec` is for the kernel of one input; this one is over pairs of {self.inputs}."
            )
        images = np.asarray(images)
        if images.shape[-1:] != (self.positions,):
            raise ValueError(
                f"`images` must have {self.positions} numbers in the last axis, rows before "
                f"columns; got shape {list(images.shape)}. Flatten them."
            )
        grid = images.reshape(*images.shape[:-1], *(*self.size, 1)[:2])
        rows, columns = self._factors
        product = sum(r @ grid @ c.T for r, c in zip(rows, columns, strict=True))
        return np.reshape(product, images.shape)

    @cached_property
    def _factors(self) -> tuple[np.ndarray, np.ndarray]:
        """[rank, rows, rows] and [rank, columns, columns]."""
        table = self._in_float64[0]
        u, s, v = np.linalg.svd(table, full_matrices=False)
        kept = s > s[0] * float(jnp.finfo(self.table.dtype).eps) / 8
        root = np.sqrt(s[kept])
        rows, columns = self.classes
        return (u[:, kept] * root).T[:, rows], (v[kept] * root[:, None])[:, columns]

    def __repr__(self) -> str:
        over = "" if self.inputs is None else f", {self.inputs} inputs"
        return f"Compressed({' x '.join(map(str, self.size))}{over}, {self.nbytes / 1e6:.2g} MB)"


@jax.jit
def _scaled(table: Array, exponent: Array | None) -> tuple[Array, Array]:
    """Over a power of two that is above the largest number, and the power's log."""
    powers = jnp.frexp(table)[1] + (0 if exponent is None else exponent)
    largest = jnp.max(jnp.where(table == 0, jnp.iinfo(jnp.int32).min // 2, powers))
    shift = -largest if exponent is None else exponent - largest
    small = jnp.ldexp(table, jnp.broadcast_to(shift, table.shape))
    return small, largest.astype(table.dtype) * float(np.log(2))


@partial(jax.jit, static_argnames="shape")
def _read(tables: Array, rows: Array, columns: Array, shape: tuple[int, ...]) -> Array:
    """tables[..., rows, columns], in shape; by one index, four times as fast as by two."""
    flat = tables.reshape(*tables.shape[:-2], -1)
    place = rows * tables.shape[-1] + columns
    return jnp.take(flat, place.ravel(), axis=-1, mode="clip").reshape(*flat.shape[:-1], *shape)


@partial(jax.jit, static_argnames="inputs")
def _of_ordered_pairs(numbers: Array, rows: Array, columns: Array, inputs: int) -> Array:
    """[N, N, rows, columns] of a table [pairs, rows, columns] that holds i <= j.

    Positions of j and i are those of i and j the other way round: in the mirrored class.
    """
    first, second = np.triu_indices(inputs, 1)
    number = np.diag(np.arange(inputs))
    number[first, second] = np.arange(inputs, len(numbers))
    number[second, first] = number[first, second] + len(numbers)
    return jnp.concatenate([numbers, numbers[:, rows[:, None], columns]])[number]


@dataclass(frozen=True, eq=False)
class _Shape:
    """What of a `Compressed` is no array of JAX: equal by value, as `jit` asks for."""

    classes: tuple[np.ndarray, np.ndarray]
    size: tuple[int, ...]
    inputs: int | None

    @cached_property
    def _key(self) -> tuple[Any, ...]:
        return self.size, self.inputs, *(part.tobytes() for part in self.classes)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Shape) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)


def _mirrored(classes: np.ndarray) -> np.ndarray:
    """[count] for the class of a pair (p, q), that of (q, p)."""
    mirrored = np.zeros(np.max(classes) + 1, int)
    mirrored[classes] = classes.T
    return mirrored
