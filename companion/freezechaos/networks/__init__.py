"""Finite networks in the beta-parametrization, as Equinox modules.

`FullyConnected` and `Deconvolutional` draw all weights and biases from N(0, 1), and have them as
tuples `weights` and `biases`, an entry a layer; `scale_by_layer` trains layers at rates of their
own, and `with_beta` gives a network another bias share, which may be traced. Two have code that
does not grow with the depth: `Scanned` is a deep `FullyConnected` that learns, and `newborn` draws
a network and runs it.
"""

from .deconvolutional import Deconvolutional
from .fully_connected import FullyConnected
from .inputs import circle, on_sphere
from .newborn import Newborn, newborn
from .norms import NORM_EPSILON, standardize
from .rates import scale_by_layer, with_beta
from .scanned import Scanned

__all__ = [
    "NORM_EPSILON",
    "Deconvolutional",
    "FullyConnected",
    "Newborn",
    "Scanned",
    "circle",
    "newborn",
    "on_sphere",
    "scale_by_layer",
    "standardize",
    "with_beta",
]
