"""Deconvolutional networks of infinite width: kernels between the positions of the output.

A `DeconvStack` says which positions feed which. `ntk` and `nngp` give the kernels between all
positions, `compressed` the same as one number for every class of pairs, `diagonals` their diagonals
alone. `square_kernels` and `square_diagonals` do so for layers given as arrays of `Taps`, which may
be traced. `contributions` takes the NTK apart by layer, `lattices` does so as products with
images, and `learning_rates` balances what is found [JGGH].
"""

from .coarse import Lattices, Loudest, lattices
from .compressed import Compressed
from .diagonals import Diagonals, diagonals
from .kernels import Kernels, compressed, freeze_limit, nngp, ntk
from .layers import Contributions, contribution_norms, contributions, learning_rates
from .stack import DeconvStack
from .taps import Square, TapChoices, Taps, side_by_side, square_diagonals, square_kernels, taps_of

__all__ = [
    "Compressed",
    "Contributions",
    "DeconvStack",
    "Diagonals",
    "Kernels",
    "Lattices",
    "Loudest",
    "Square",
    "TapChoices",
    "Taps",
    "compressed",
    "contribution_norms",
    "contributions",
    "diagonals",
    "freeze_limit",
    "lattices",
    "learning_rates",
    "nngp",
    "ntk",
    "side_by_side",
    "square_diagonals",
    "square_kernels",
    "taps_of",
]
