"""Kernels as values: they are compared, hashed, added, multiplied and scaled.

kernel = 0.5 * NTK(relu, 0.1, 8) + NNGP(tanh, 0.3, 4)
kernel.numbers                          # {"first.factor": 0.5, "first.kernel.beta": 0.1, ...}
kernel.replaced({"second.beta": 0.2})   # another kernel
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from functools import cached_property
from operator import add, mul
from typing import Any, cast

import jax.numpy as jnp
import numpy as np
from jax.sharding import NamedSharding
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Real

from .. import checks, kernels, matrices, scalars
from ..activations import Activation
from ..kernels.lookup import Kind
from ..types import Integer, Number
from . import precise

Gram = Callable[..., Array]  # between the same inputs, of any activation, beta, depth and kind


class Kernel(ABC):
    """A positive semidefinite function of two inputs, which are rows [n, d] of any norm but 0."""

    def gram(
        self,
        x1: Real[ArrayLike, "n d"],
        x2: Real[ArrayLike, "m d"] | None = None,
        *,
        sharding: NamedSharding | None = None,
    ) -> Float[Array, "n m"]:
        """The kernel between rows in float32, on JAX's device; errors as of `kernels.gram`.

        Arguments:
            x1, x2: inputs, one a row; x2 is x1 where left out, which is half the work.
            sharding: spreads rows over devices, as for `kernels.gram`.
        """
        return self._gram(
            lambda activation, beta, depth, kind: kernels.gram(
                activation, beta, depth, x1, x2, kind=kind, sharding=sharding
            )
        )

    def precise(
        self, x1: Real[ArrayLike, "n d"], x2: Real[ArrayLike, "m d"] | None = None
    ) -> Float[np.ndarray, "n m"]:
        """The kernel between rows in float64, on the host: what solving in float64 needs."""
        return self._precise(_Pair.of(x1, x2))

    def slopes(
        self, x1: Real[ArrayLike, "n d"], x2: Real[ArrayLike, "m d"] | None = None
    ) -> dict[str, np.ndarray]:
        """Derivatives of `precise` in each of `numbers`, by their names."""
        return self._slopes(_Pair.of(x1, x2))

    @property
    @abstractmethod
    def height(self) -> float:
        """The kernel between any input and itself."""

    @property
    def numbers(self) -> dict[str, float]:
        """Real numbers that the kernel depends on, by name: "beta", "factor", "first.beta"."""
        found: dict[str, float] = {}
        for name, value in self._parts():
            if isinstance(value, Kernel):
                found |= _named(name, value.numbers)
            elif isinstance(value, float):
                found[name] = value
        return found

    def replaced(self, numbers: dict[str, float]) -> Any:
        """The same kernel with other numbers.

        Raises:
            ValueError: a name that `numbers` does not have, or a number outside its range.
        """
        if unknown := numbers.keys() - self.numbers.keys():
            raise ValueError(
                f"`numbers` must be named as the kernel's are, {sorted(self.numbers)}; got "
                f"{sorted(unknown)}. See kernel.numbers."
            )
        changes: dict[str, Any] = {}
        for name, value in self._parts():
            if isinstance(value, Kernel):
                mark = f"{name}."
                inner = {k.removeprefix(mark): n for k, n in numbers.items() if k.startswith(mark)}
                changes[name] = value.replaced(inner)
            elif name in numbers:
                changes[name] = numbers[name]
        return replace(cast(Any, self), **changes)

    def __add__(self, other: "Kernel") -> "Sum":
        return Sum(self, other) if isinstance(other, Kernel) else NotImplemented

    def __mul__(self, other: Any) -> "Product | Scaled":
        if isinstance(other, Kernel):
            return Product(self, other)
        return self.__rmul__(other)

    def __rmul__(self, other: Any) -> "Scaled":
        return Scaled(self, other) if scalars.is_real(other) else NotImplemented

    def _parts(self) -> list[tuple[str, Any]]:
        return [(field.name, getattr(self, field.name)) for field in fields(cast(Any, self))]

    @abstractmethod
    def _gram(self, gram: Gram) -> Array: ...

    @abstractmethod
    def _precise(self, pair: "_Pair") -> np.ndarray: ...

    @abstractmethod
    def _slopes(self, pair: "_Pair") -> dict[str, np.ndarray]: ...


@dataclass(frozen=True)
class _OfNetwork(Kernel):
    activation: Activation
    beta: Number
    depth: Integer

    def __post_init__(self) -> None:
        checks.activation(self.activation)
        object.__setattr__(self, "beta", checks.one_beta(self.beta))
        depth = checks.whole("depth", self.depth, 1, "It counts the affine maps; try 8.")
        object.__setattr__(self, "depth", depth)

    @property
    def height(self) -> float:
        """1: inputs are put on the sphere."""
        return 1.0

    def _gram(self, gram: Gram) -> Array:
        return gram(*self._given)

    def _precise(self, pair: "_Pair") -> np.ndarray:
        return precise.kernel(*self._given, pair.between)

    def _slopes(self, pair: "_Pair") -> dict[str, np.ndarray]:
        return {"beta": precise.slope(*self._given, pair.between)}

    @property
    def _given(self) -> tuple[Activation, float, int, Kind]:
        kind: Kind = "ntk" if isinstance(self, NTK) else "nngp"
        return self.activation, float(self.beta), int(self.depth), kind


class NTK(_OfNetwork):
    """The scaled NTK theta^(L) of a network of infinite width, 1 between an input and itself.

    Arguments:
        activation: a standardized or normalized activation.
        beta: share of the bias, in [0, 1).
        depth: number L of affine maps, 1 or more.

    Raises:
        ValueError, TypeError: an argument outside its range.

    Source: [JGGH]; the norms of inputs do not count.

    >>> from freezechaos import activations
    >>> relu = activations.standardized("relu")
    >>> 2 * NTK(relu, 0.1, 8) == NTK(relu, 0.1, 8) * 2.0
    True
    """


class NNGP(_OfNetwork):
    """The covariance Sigma^(L) of its outputs at initialization, 1 between an input and itself.

    Arguments and errors as for `NTK`.
    """


@dataclass(frozen=True)
class Scaled(Kernel):
    """factor * kernel, with a factor above 0."""

    kernel: Kernel
    factor: Number

    def __post_init__(self) -> None:
        factor = scalars.real("factor", self.factor, "It is a variance; try 1.0.")
        if factor <= 0:
            raise ValueError(
                f"`factor` must be above 0; got {factor:g}. It is a variance; try 1.0."
            )
        object.__setattr__(self, "factor", factor)

    @property
    def height(self) -> float:
        """The kernel between any input and itself."""
        return float(self.factor) * self.kernel.height

    def _gram(self, gram: Gram) -> Array:
        return jnp.float32(self.factor) * self.kernel._gram(gram)

    def _precise(self, pair: "_Pair") -> np.ndarray:
        return float(self.factor) * self.kernel._precise(pair)

    def _slopes(self, pair: "_Pair") -> dict[str, np.ndarray]:
        inner = self.kernel._slopes(pair).items()
        scaled = {name: float(self.factor) * slope for name, slope in inner}
        return _named("kernel", scaled) | {"factor": self.kernel._precise(pair)}


@dataclass(frozen=True)
class Sum(Kernel):
    """first + second: of two independent functions, added."""

    first: Kernel
    second: Kernel

    @property
    def height(self) -> float:
        """The kernel between any input and itself."""
        return self.first.height + self.second.height

    def _gram(self, gram: Gram) -> Array:
        return add(self.first._gram(gram), self.second._gram(gram))

    def _precise(self, pair: "_Pair") -> np.ndarray:
        return add(self.first._precise(pair), self.second._precise(pair))

    def _slopes(self, pair: "_Pair") -> dict[str, np.ndarray]:
        first, second = self.first._slopes(pair), self.second._slopes(pair)
        return _named("first", first) | _named("second", second)


@dataclass(frozen=True)
class Product(Kernel):
    """first * second, entry by entry: positive semidefinite too [Schur]."""

    first: Kernel
    second: Kernel

    @property
    def height(self) -> float:
        """The kernel between any input and itself."""
        return self.first.height * self.second.height

    def _gram(self, gram: Gram) -> Array:
        return mul(self.first._gram(gram), self.second._gram(gram))

    def _precise(self, pair: "_Pair") -> np.ndarray:
        return mul(self.first._precise(pair), self.second._precise(pair))

    def _slopes(self, pair: "_Pair") -> dict[str, np.ndarray]:
        first, second = self.first._precise(pair), self.second._precise(pair)
        by_first = {name: slope * second for name, slope in self.first._slopes(pair).items()}
        by_second = {name: first * slope for name, slope in self.second._slopes(pair).items()}
        return _named("first", by_first) | _named("second", by_second)


def kernel(name: str, value: Any) -> Kernel:
    """A `Kernel`."""
    if not isinstance(value, Kernel):
        raise TypeError(
            f"`{name}` must be a kernel of freezechaos.regression; got {value!r}. "
            'Try NTK(activations.standardized("relu"), 0.1, 8).'
        )
    return value


def rows(name: str, value: Any) -> np.ndarray:
    """Inputs [n, d] in float64, finite, none of them zero."""
    checks.rows(name, value)
    return matrices.numbers(name, value)


class _Pair:
    """Two sets of inputs, and what lies between them, worked out once."""

    def __init__(self, x1: np.ndarray, x2: np.ndarray):
        self.x1, self.x2 = x1, x2

    @classmethod
    def of(cls, x1: Any, x2: Any) -> "_Pair":
        first = rows("x1", x1)
        second = first if x2 is None else rows("x2", x2)
        if first.shape[1] != second.shape[1]:
            raise ValueError(
                f"`x1` and `x2` must be equally wide; got {first.shape[1]} and "
                f"{second.shape[1]} columns. Prepare both alike."
            )
        return cls(first, second)

    @cached_property
    def between(self) -> precise.Between:
        return precise.between(self.x1, self.x2)


def _named(part: str, values: dict[str, Any]) -> dict[str, Any]:
    return {f"{part}.{name}": value for name, value in values.items()}
