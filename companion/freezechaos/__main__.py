"""`python -m freezechaos`: one number, or all claims, and where the rest is."""

import sys
from collections.abc import Sequence
from math import inf

import jax.numpy as jnp

from . import activations, kernels, regimes
from .extras import extra

with extra("gan"):
    import tyro

_DESCRIPTION = """What depth, normalization and up-sampling do to a neural network, in numbers.

    python -m freezechaos kernel --activation erf --beta 0.3 --depth 64
    python -m freezechaos claims

Generators in training have a command line of their own: python -m freezechaos.gan --help.
Everything else is in the package. Start from freezechaos.kernels (the NTK and the covariance),
freezechaos.regimes (freeze, edge, chaos), freezechaos.normalization, freezechaos.deconvolution
and freezechaos.empirical (finite networks); help(freezechaos.kernels) and the book's reference
say the rest.
"""


def kernel(
    activation: str = "relu",
    normalized: bool = False,
    beta: float = 0.1,
    depth: int = 64,
    cosine: float = 0.0,
) -> None:
    """Print the regime of a wide network, and its kernels between two inputs.

    Arguments:
        activation: relu, erf, tanh, sin, gelu, silu, softplus or identity.
        normalized: whether it is shifted to mean 0, as layer norm does, and scaled.
        beta: share of the bias, 0 or more and below 1.
        depth: affine maps, 1 or more.
        cosine: between the two inputs, -1 to 1; 0 is a right angle.
    """
    if activation not in activations.NAMED:
        known = ", ".join(activations.NAMED)
        raise ValueError(f"`activation` must be one of {known}; got {activation!r}.")
    make = activations.normalized if normalized else activations.standardized
    sigma = make(activation)
    at = sigma, beta, depth, jnp.asarray(cosine)
    covariance, theta, gap = (float(of(*at)) for of in (kernels.nngp, kernels.ntk, kernels.ntk_gap))
    r = float(regimes.characteristic_value(sigma, beta))
    print(f"characteristic value r  {r:.6g}: {regimes.regime(sigma, beta)}")
    print(f"covariance Sigma        {covariance:.6g}")
    shown = f"{theta:.6g}"
    if abs(theta) < float(jnp.finfo(jnp.float32).tiny):  # digits are lost there, then all of it
        log_size = kernels.log_abs_ntk(sigma, beta, depth, cosine)
        shown = "0" if log_size == -inf else f"exp({log_size:.6g}) in absolute value"
    print(f"scaled NTK theta        {shown}")
    print(f"1 - theta               {gap:.6g}")


def claims() -> None:
    """Compute every claim of the two papers, in minutes; exit with 1 if one does not hold."""
    from .claims import verify  # it brings networks and their training: seconds

    print(verify())


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command: 0 if it did what it should, 1 if a claim fails, 2 for a wrong option."""
    try:
        tyro.extras.subcommand_cli_from_dict(
            {"kernel": kernel, "claims": claims},
            prog="python -m freezechaos",
            description=_DESCRIPTION,
            args=arguments,
        )
    except (ValueError, AssertionError) as problem:
        print(problem, file=sys.stderr)
        return 1 if isinstance(problem, AssertionError) else 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
