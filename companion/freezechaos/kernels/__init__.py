"""NNGP and scaled NTK of fully connected networks of infinite width, exact at any depth.

`recursion` follows the kernels layer by layer for any array of cosines; `lookup` turns the
result into a table, so that a Gram matrix costs the same at every depth; `prior` draws functions.
"""

from .lookup import gram as gram
from .prior import draw as draw
from .prior import draw_on_circle as draw_on_circle
from .recursion import log_abs_ntk as log_abs_ntk
from .recursion import log_ntk_diagonal as log_ntk_diagonal
from .recursion import nngp as nngp
from .recursion import ntk as ntk
from .recursion import ntk_gap as ntk_gap

__all__ = [
    "draw",
    "draw_on_circle",
    "gram",
    "log_abs_ntk",
    "log_ntk_diagonal",
    "nngp",
    "ntk",
    "ntk_gap",
]
