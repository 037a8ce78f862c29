"""NTK and NNGP as kernels of scikit-learn: in Gaussian processes, ridges, pipelines, searches."""

from typing import Any, Literal

import numpy as np

from .. import activations
from ..activations import Activation
from ..extras import extra
from . import algebra

with extra("data"):
    from sklearn.gaussian_process.kernels import Hyperparameter
    from sklearn.gaussian_process.kernels import Kernel as SklearnKernel

_NAMES = {"standardized": activations.standardized, "normalized": activations.normalized}


class NetworkKernel(SklearnKernel):  # type: ignore[misc]
    """The kernel of an infinitely wide network, with beta as its hyperparameter.

    Goes wherever scikit-learn takes a kernel: `GaussianProcessRegressor(NetworkKernel())`, sums
    and products with scikit-learn's own (`+ WhiteKernel()`), `KernelRidge(kernel=NetworkKernel())`,
    `SVC(kernel=NetworkKernel())`. It is 1 between an input and itself: multiply it by a
    `ConstantKernel`. Float64.

    Arguments:
        activation: a name that `activations` knows, or an `Activation`.
        beta: share of the bias, in (0, 1): scikit-learn looks at its logarithm.
        depth: number L of affine maps, 1 or more.
        kind: "ntk" or "nngp".
        form: "standardized" or "normalized", of an activation given by name.
        beta_bounds: where a search for beta stays, or "fixed", which takes a beta of 0 too.

    >>> from sklearn.kernel_ridge import KernelRidge
    >>> model = KernelRidge(alpha=0.1, kernel=NetworkKernel(depth=4))
    >>> model.fit(np.eye(3), np.ones(3)).predict(np.eye(3)).shape
    (3,)
    """

    requires_vector_input = True

    def __init__(
        self,
        activation: str | Activation = "relu",
        beta: float = 0.1,
        depth: int = 3,
        kind: Literal["ntk", "nngp"] = "nngp",
        form: Literal["standardized", "normalized"] = "standardized",
        beta_bounds: tuple[float, float] | Literal["fixed"] = (1e-3, 0.99),
    ):
        self.activation, self.beta, self.depth = activation, beta, depth
        self.kind, self.form, self.beta_bounds = kind, form, beta_bounds

    @property
    def hyperparameter_beta(self) -> Hyperparameter:
        """beta, as scikit-learn searches for it."""
        return Hyperparameter("beta", "numeric", self.beta_bounds)

    @property
    def value(self) -> algebra.NTK | algebra.NNGP:
        """The same kernel as `regression` has it.

        Raises:
            ValueError, TypeError: an argument outside its range.
        """
        activation = self.activation
        if isinstance(activation, str):
            if self.form not in _NAMES:
                raise ValueError(
                    f"`form` must be one of {sorted(_NAMES)}; got {self.form!r}. "
                    'Try "standardized".'
                )
            activation = _NAMES[self.form](activation)
        if self.kind not in ("ntk", "nngp"):
            raise ValueError(f'`kind` must be "ntk" or "nngp"; got {self.kind!r}. Try "ntk".')
        kernel = algebra.NTK if self.kind == "ntk" else algebra.NNGP
        return kernel(activation, self.beta, self.depth)

    def __call__(self, X: Any, Y: Any = None, eval_gradient: bool = False) -> Any:
        """The kernel [n, m], and its derivative in log beta [n, n, 1 or 0] if asked for."""
        first = np.atleast_2d(X)
        if Y is not None:
            if eval_gradient:
                raise ValueError("The gradient is that of a kernel with itself: leave out `Y`.")
            return self.value.precise(first, np.atleast_2d(Y))
        gram = self.value.precise(first)
        if not eval_gradient:
            return gram
        if self.hyperparameter_beta.fixed:
            return gram, np.empty((*gram.shape, 0))
        return gram, self.beta * self.value.slopes(first)["beta"][..., None]

    def diag(self, X: Any) -> np.ndarray:
        """1 for every input."""
        return np.ones(len(X))

    def is_stationary(self) -> bool:
        """No: it is a function of the angle."""
        return False

    def __repr__(self) -> str:
        kernel = self.value
        name = kernel.activation.name
        return f"NetworkKernel({self.kind}, {name}, beta={kernel.beta:.3g}, depth={kernel.depth})"
