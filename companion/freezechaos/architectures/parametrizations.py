"""What the weights and biases of an affine map are drawn with, and what they are multiplied by.

Every affine map is y = a W h + c b, on inputs h of `fan_in` numbers. At initialization only the
variances of a W sqrt(fan_in) and of c b matter, and all three families here can have any; where
the scale sits, in the factors a and c or in what is drawn, decides how fast a parameter learns:

- `Beta(beta)`: the course's, of one number; the two variances are 1 - beta^2 and beta^2;
- `NTK(W_std, b_std)`: neural-tangents' `parameterization="ntk"`; W and b from N(0, 1);
- `Standard(W_std, b_std)`: neural-tangents' "standard", PyTorch's and `mup`'s base shape; no
  factors, W from N(0, W_std^2 / fan_in) and b from N(0, b_std^2). Its tangent kernel grows with the
  width.
"""

from abc import abstractmethod
from dataclasses import dataclass
from math import sqrt
from typing import ClassVar, Literal

import jax

from .. import checks, scalars

Kind = Literal["beta", "ntk", "standard"]


class Parametrization:
    """Draws and factors of an affine map's weights and biases.

    Attributes:
        W_std: sqrt(fan_in) times the standard deviation of a W.
        b_std: standard deviation of c b; None where there is no bias.
    """

    W_std: float
    b_std: float | None
    grows: ClassVar[bool] = False
    """Whether its tangent kernel grows with the width."""

    @abstractmethod
    def factors(self, fan_in: int) -> tuple[float, float]:
        """a and c, what drawn weights and biases are multiplied by."""

    def deviations(self, fan_in: int) -> tuple[float, float]:
        """Standard deviations of the draws: 1, unless a parametrization says otherwise."""
        return 1.0, 1.0

    @property
    def weight_variance(self) -> float:
        """W_std^2, neural-tangents' sigma_w^2."""
        return self.W_std**2

    @property
    def bias_variance(self) -> float:
        """b_std^2, neural-tangents' sigma_b^2; 0 without a bias."""
        return (self.b_std or 0.0) ** 2

    @property
    def has_bias(self) -> bool:
        """Whether there is a bias, perhaps one that starts at 0."""
        return self.b_std is not None

    def rates(self, fan_in: int) -> tuple[float, float]:
        """a^2 and c^2: how much faster than `Standard` weights and biases learn.

        The standard parametrization with these as factors of its learning rates, layer by layer,
        trains as this one does.
        """
        a, c = self.factors(fan_in)
        return a**2, c**2 if self.has_bias else 0.0

    def converted(self, kind: Kind) -> "Parametrization":
        """Another parametrization of the same random networks.

        Raises:
            ValueError: an unknown kind; "beta" where the two variances do not sum to 1.

        >>> Beta(0.6).converted("standard")
        Standard(W_std=0.8, b_std=0.6)
        """
        if kind == "ntk":
            return NTK(self.W_std, self.b_std)
        if kind == "standard":
            return Standard(self.W_std, self.b_std)
        if kind != "beta":
            raise ValueError(f'`kind` must be "beta", "ntk" or "standard"; got {kind!r}.')
        total = self.weight_variance + self.bias_variance
        if abs(total - 1) > 1e-6 or self.bias_variance >= 1:
            raise ValueError(
                "`W_std` and `b_std` must have squares that sum to 1 to be a beta-parametrization; "
                f"got {self.W_std:g} and {self.b_std}, which give {total:g}. "
                "architectures.as_beta(function, W_std, b_std) has one of the same network."
            )
        return Beta(self.b_std or 0.0)


@jax.tree_util.register_static
@dataclass(frozen=True)
class Beta(Parametrization):
    """W and b from N(0, 1), times sqrt((1 - beta^2) / fan_in) and beta [JGGH].

    Arguments:
        beta: share of the bias, in [0, 1).

    Raises:
        ValueError, TypeError: a share outside its range, several of them, one that JAX traces.
    """

    beta: float = 0.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "beta", checks.one_beta(self.beta))

    @property
    def W_std(self) -> float:  # type: ignore[override]  # noqa: N802
        """sqrt(1 - beta^2)."""
        return sqrt((1 - self.beta) * (1 + self.beta))

    @property
    def b_std(self) -> float:  # type: ignore[override]
        """beta."""
        return self.beta

    @property
    def weight_variance(self) -> float:
        """1 - beta^2."""
        return (1 - self.beta) * (1 + self.beta)

    def factors(self, fan_in: int) -> tuple[float, float]:
        """sqrt((1 - beta^2) / fan_in) and beta."""
        return self.W_std / sqrt(fan_in), self.beta


@dataclass(frozen=True)
class _TwoNumbers(Parametrization):
    W_std: float = 1.0
    b_std: float | None = None

    def __post_init__(self) -> None:
        for name in ("W_std", "b_std") if self.b_std is not None else ("W_std",):
            value = scalars.real(name, getattr(self, name), "It is a standard deviation; try 1.0.")
            if value < 0 or (name == "W_std" and value == 0):
                least = "above 0" if name == "W_std" else "0 or more"
                raise ValueError(f"`{name}` must be {least}; got {value:g}. Try 1.0.")
            object.__setattr__(self, name, value)


@jax.tree_util.register_static
@dataclass(frozen=True)
class NTK(_TwoNumbers):
    """W and b from N(0, 1), times W_std / sqrt(fan_in) and b_std.

    Arguments:
        W_std: above 0.
        b_std: 0 or more; None, as 0, for no bias.

    Raises:
        ValueError, TypeError: a deviation outside its range.
    """

    def factors(self, fan_in: int) -> tuple[float, float]:
        """W_std / sqrt(fan_in) and b_std."""
        return self.W_std / sqrt(fan_in), self.b_std or 0.0


@jax.tree_util.register_static
@dataclass(frozen=True)
class Standard(_TwoNumbers):
    """W from N(0, W_std^2 / fan_in) and b from N(0, b_std^2), times 1.

    Arguments:
        W_std: above 0; sqrt(2) is He's for ReLU.
        b_std: 0 or more, where 0 is a bias that starts at 0 and learns; None for no bias.

    Raises:
        ValueError, TypeError: a deviation outside its range.
    """

    grows: ClassVar[bool] = True

    def factors(self, fan_in: int) -> tuple[float, float]:
        """1 and 1."""
        return 1.0, 1.0

    def deviations(self, fan_in: int) -> tuple[float, float]:
        """W_std / sqrt(fan_in) and b_std."""
        return self.W_std / sqrt(fan_in), self.b_std or 0.0
