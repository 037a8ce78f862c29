"""The second life of an architecture: its kernels at infinite width.

Layers carry the moments of `pairs`, in float64 whatever the inputs are: recursions of a thousand
layers then keep more digits than float32 has, on the sphere and off it. What has a recursion of its
own goes by that (see `stacks`).
"""

from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Real

from .. import checks, duals
from . import stacks
from .composition import Architecture
from .finite import checked_widths
from .layers import FanIn
from .nonlinearity import Nonlinearity
from .norms import BatchNorm, divided
from .pairs import of_inputs, rectangular, square, symmetric


class Kernels(NamedTuple):
    """Kernels at infinite width, [n, m], or [n, m, positions, positions] between grids.

    Attributes:
        nngp: covariance of the outputs at initialization.
        ntk: tangent kernel over its value at an input on the sphere, |x|^2 = channels; there it is
            1 where both inputs are the same. With positions, over the largest value of a picture
            of ones with itself.
        log_scale: logarithm of that value, so that the kernel itself is ntk * exp(log_scale); the
            same for all inputs.
    """

    nngp: Array
    ntk: Array
    log_scale: Float[Array, ""]


def kernels(
    architecture: Architecture,
    x1: Real[ArrayLike, "n *grid channels"],
    x2: Real[ArrayLike, "m *grid channels"] | None = None,
    *,
    widths: Sequence[int] | None = None,
    on_sphere: bool | None = None,
) -> Kernels:
    """NNGP, NTK and the logarithm of the NTK's scale, of one output channel.

    Arguments:
        architecture: made by `serial`, `repeat` or `residual`.
        x1, x2: inputs of any norm, one a row, or grids of positions with their channels last; x2
            is x1 where left out.
        widths: channels of the inputs and behind every affine map; only for the `Standard`
            parametrization, whose kernel they enter.
        on_sphere: True puts all inputs on the sphere, |x|^2 = channels, whatever their norm; False
            takes them as they are. Where left out, inputs that lie there but for rounding are put
            there to all digits, others and such as JAX traces are taken as they are.

    Raises:
        NotImplementedError: layers in an order for which there is no theory; it says which.
        ValueError, TypeError: an argument outside its range.

    Source: [JGGH]; Lee et al., Deep neural networks as Gaussian processes, 2018; Novak et al.,
    Bayesian deep convolutional networks with many channels are Gaussian processes, 2019.
    """
    inputs = Inputs.of(architecture, x1, x2, on_sphere)
    channels = _channels(architecture, inputs, widths)
    if any(isinstance(layer, BatchNorm) and layer.rescale for layer in architecture.leaves):
        raise NotImplementedError(
            "the tangent kernel has no theory behind batch norm that rescales: every neuron's "
            "derivative is over a deviation of its own, and their mean has no closed form. Take "
            "architecture.nngp(x), BatchNorm(rescale=False), or empirical.ntk of a network."
        )
    special = stacks.kernels(architecture.sequence, *inputs)
    if special is not None:
        return Kernels(*special)
    found = _worked_out(architecture, inputs, channels)
    _check_reach(architecture, found)
    return found


def nngp(
    architecture: Architecture,
    x1: Real[ArrayLike, "n *grid channels"],
    x2: Real[ArrayLike, "m *grid channels"] | None = None,
    *,
    on_sphere: bool | None = None,
) -> Float[Array, "n m *positions"]:
    """Covariance of the outputs at initialization, also behind batch norm that rescales [NBGK].

    Arguments and errors: as for `kernels`.
    """
    inputs = Inputs.of(architecture, x1, x2, on_sphere)
    special = stacks.kernels(architecture.sequence, *inputs)
    if special is not None:
        return special[0]
    ones = (1,) * len(architecture.affine)  # they enter the tangent kernel alone
    found = _worked_out(architecture, inputs, ones)
    _check_reach(architecture, found._replace(ntk=found.nngp))
    return found.nngp


class Inputs(NamedTuple):
    """Both sets of inputs, and whether all are taken to be on the sphere."""

    x1: Float[Array, "n *grid channels"]
    x2: Float[Array, "m *grid channels"] | None
    unit: bool

    @classmethod
    def of(cls, architecture: Any, x1: Any, x2: Any, on_sphere: bool | None) -> "Inputs":
        """Finite grids with as many axes as the architecture has, of equal sizes and channels."""
        if not isinstance(architecture, Architecture):
            raise TypeError(
                f"`architecture` must be an Architecture; got {architecture!r}. Make one with "
                'architectures.serial(Dense(), normalized("relu"), Dense()).'
            )
        x1 = _grids("x1", architecture, x1)
        if x2 is not None:
            x2 = _grids("x2", architecture, x2)
            if x2.shape[1:] != x1.shape[1:]:
                raise ValueError(
                    f"`x1` and `x2` must have equal grids and channels; got {list(x1.shape[1:])} "
                    f"and {list(x2.shape[1:])}. Prepare both alike."
                )
            dtype = jnp.promote_types(x1.dtype, x2.dtype)
            x1, x2 = x1.astype(dtype), x2.astype(dtype)
        sets = [x for x in (x1, x2) if x is not None]
        if on_sphere is None:
            on_sphere = all(map(_lies_on_sphere, sets))
        return cls(x1, x2, bool(on_sphere))


def _grids(name: str, architecture: Architecture, value: Any) -> Array:
    x, axes = checks.targets(name, value), architecture.dimensions
    if x.ndim != axes + 2 or 0 in x.shape:
        shape = ["n", *["rows", "columns"][:axes], "channels"]
        raise ValueError(
            f"`{name}` must have shape [{', '.join(shape)}] for this architecture; got "
            f"{list(x.shape)}. Of a latent vector z make the grid z[:, None, None, :]."
        )
    return x


def _lies_on_sphere(x: Array) -> bool:
    if isinstance(x, jax.core.Tracer):
        return False
    square = np.mean(np.square(np.asarray(x, np.float64)), axis=-1)
    return bool(np.allclose(square, 1, rtol=1e-5, atol=0))


def _channels(
    architecture: Architecture, inputs: Inputs, widths: Sequence[int] | None
) -> tuple[FanIn, ...]:
    if widths is None:
        return (None,) * len(architecture.affine)
    values = checked_widths(architecture, widths)
    if values[0] != inputs.x1.shape[-1]:
        raise ValueError(
            f"`widths` must start with the {inputs.x1.shape[-1]} channels of `x1`; got {values[0]}."
        )
    return values[:-1]


def _worked_out(architecture: Architecture, inputs: Inputs, channels: tuple[FanIn, ...]) -> Kernels:
    x1, x2, dtype = inputs.x1, inputs.x2, inputs.x1.dtype
    if isinstance(x1, jax.core.Tracer) or isinstance(x2, jax.core.Tracer):
        return _stepped(x1, x2, architecture, inputs.unit, channels)
    with jax.enable_x64(True):
        wide = (None if x is None else x.astype(jnp.float64) for x in (x1, x2))
        found = _stepped(*wide, architecture, inputs.unit, channels)
        return Kernels(*(part.astype(dtype) for part in found))


@partial(jax.jit, static_argnames=("architecture", "unit", "channels"))
def _stepped(
    x1: Array, x2: Array | None, architecture: Architecture, unit: bool,
    channels: tuple[FanIn, ...],
) -> Kernels:  # fmt: skip
    n, m = len(x1), 0 if x2 is None else len(x2)
    x = jnp.concatenate([part for part in (x1, x2, jnp.ones_like(x1[:1])) if part is not None])
    one, other = rectangular(n, m) if m else symmetric(n)
    pairs = of_inputs(x, one, other, batch=0 if m else n, unit=unit)
    pairs = divided(architecture.step(pairs, channels))
    scale = jnp.max(jnp.diagonal(pairs.tangent[n + m]))

    def arranged(table: Array) -> Array:
        whole = table[n + m + 1 :].reshape(n, m, *table.shape[1:]) if m else square(table, n)
        return whole if pairs.grid else whole[:, :, 0, 0]

    return Kernels(
        arranged(pairs.covariance),
        arranged(pairs.tangent / scale),
        pairs.log_scale + jnp.log(scale),
    )


def _check_reach(architecture: Architecture, found: Kernels) -> None:
    """Refuse what is NaN because an activation's dual map is not known at these variances."""
    if any(isinstance(part, jax.core.Tracer) for part in found):
        return
    if not bool(jnp.isnan(found.nngp).any() | jnp.isnan(found.ntk).any()):
        return
    sigmas = [one.activation for one in architecture.leaves if isinstance(one, Nonlinearity)]
    raise ValueError(duals.refusal(min(sigmas, key=lambda sigma: duals.reach(sigma, 1024))))
