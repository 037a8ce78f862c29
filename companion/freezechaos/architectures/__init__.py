"""Architectures: one value of layers, with three lives.

    architecture = serial(Dense(Beta(0.1)), normalized("relu"), Dense(Beta(0.1)))

- `architecture.network(widths, key=key)` draws a finite network, an Equinox module;
- `architecture.kernels(x1, x2)` are its NNGP and NTK at infinite width, with the log of a scale;
- `empirical.ntk(network, x1, x2)` is the tangent kernel of a network, trained or not.

`layers`, `nonlinearity`, `norms` and `positions` (with `taps`) hold the layers, `composition` and
`branches` put them together, `parametrizations` says what weights are drawn with and multiplied by,
`mean_field` turns two variances into one share of the bias. `pairs` is what of a layer infinite
width still knows; `finite` and `infinite` are the first two lives, `stacks` their short cuts.

A layer of your own is a frozen dataclass, registered with `jax.tree_util.register_static`, that
has `run` and `step` of `Layer`.
"""

from .branches import Repeat, Residual, repeat, residual
from .composition import Architecture, serial
from .finite import Network
from .infinite import Kernels, kernels, nngp
from .layers import Affine, Dense, Layer, Map, Multiply
from .mean_field import Settled, as_beta
from .nonlinearity import Nonlinearity, bare
from .norms import BatchNorm, LayerNorm
from .pairs import Pairs
from .parametrizations import NTK, Beta, Parametrization, Standard
from .positions import Convolution, GlobalAveragePool, UpSampling
from .taps import Reads

__all__ = [
    "NTK",
    "Affine",
    "Architecture",
    "BatchNorm",
    "Beta",
    "Convolution",
    "Dense",
    "GlobalAveragePool",
    "Kernels",
    "Layer",
    "LayerNorm",
    "Map",
    "Multiply",
    "Network",
    "Nonlinearity",
    "Pairs",
    "Parametrization",
    "Reads",
    "Repeat",
    "Residual",
    "Settled",
    "Standard",
    "UpSampling",
    "as_beta",
    "bare",
    "kernels",
    "nngp",
    "repeat",
    "residual",
    "serial",
]
