"""NTK and NNGP as kernels of GPJax: in its posteriors, its objectives, its sums and products."""

from typing import Any, Literal

import jax.numpy as jnp
from jaxtyping import Array, Real

from ..activations import Activation
from ..extras import extra
from ..kernels.lookup import KINDS
from ..kernels.recursion import from_gap
from . import algebra

with extra("gpjax"):
    import equinox as eqx
    from gpjax.kernels import AbstractKernel
    from gpjax.kernels.computations import AbstractKernelComputation, DenseKernelComputation
    from gpjax.parameters import SigmoidBounded, val


class NetworkKernel(AbstractKernel):  # type: ignore[misc]
    """The kernel of an infinitely wide network, with beta as its trainable parameter.

    Goes wherever GPJax takes a kernel: `gpjax.gps.Prior(mean_function=..., kernel=...)`, sums and
    products with GPJax's own, the compute engines. It is 1 between an input and itself: multiply it
    by a `gpjax.kernels.Constant`. In the dtype of the inputs; GPJax asks for float64
    (`jax_enable_x64`), and so does every solve with a kernel of depth.

    Arguments:
        kernel: NTK(...) or NNGP(...); its activation and depth stay, its beta, inside (0, 1), is
            where training starts.
        active_dims, n_dims, compute_engine: as for every kernel of GPJax.

    Attributes:
        beta: share of the bias, as a parameter of GPJax: `gpjax.parameters.val` says its value,
            `paramax.non_trainable` keeps it.

    Raises:
        ValueError, TypeError: the kernel is another one, or its beta is 0 or 1.

    >>> from freezechaos import activations
    >>> kernel = NetworkKernel(algebra.NNGP(activations.standardized("relu"), 0.1, 3))
    >>> kernel.cross_covariance(jnp.eye(2), jnp.eye(2)).shape
    (2, 2)
    """

    beta: Any
    activation: Activation = eqx.field(static=True)
    depth: int = eqx.field(static=True)
    kind: Literal["ntk", "nngp"] = eqx.field(static=True)
    name = "NetworkKernel"

    def __init__(
        self,
        kernel: algebra.NTK | algebra.NNGP,
        active_dims: list[int] | slice | None = None,
        n_dims: int | None = None,
        compute_engine: AbstractKernelComputation | None = None,
    ):
        if not isinstance(kernel, algebra.NTK | algebra.NNGP):
            raise TypeError(
                f"`kernel` must be an NTK or an NNGP; got {kernel!r}. Build sums, products and "
                "multiples with GPJax's own."
            )
        if not 0 < kernel.beta < 1:
            raise ValueError(
                f"`kernel.beta` must be inside (0, 1), for GPJax trains it there; got "
                f"{kernel.beta:g}. Try 0.01."
            )
        self.beta = SigmoidBounded(jnp.asarray(kernel.beta, float))
        self.activation, self.depth = kernel.activation, int(kernel.depth)
        self.kind = "ntk" if isinstance(kernel, algebra.NTK) else "nngp"
        super().__init__(active_dims, n_dims, compute_engine or DenseKernelComputation())

    def __call__(self, x: Real[Array, " d"], y: Real[Array, " d"]) -> Real[Array, ""]:
        """Between two inputs of any norm but 0."""
        first, second = (v / jnp.linalg.norm(v) for v in map(self.slice_input, (x, y)))
        sign = jnp.where(first @ second < 0, -1, 1).astype(first.dtype)
        gap = jnp.sum((first - sign * second) ** 2) / 2
        beta = jnp.asarray(val(self.beta), gap.dtype)
        values = from_gap(self.activation, beta, self.depth, sign * (1 - gap), gap)
        return values[KINDS.index(self.kind)]
