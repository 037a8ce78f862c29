"""Regression with the kernels of infinitely wide networks, up to where memory ends and beyond.

`fit` solves in float32 for as many inputs as there is patience, without an inverse; what is known
in closed form besides, `posterior`, `leave_one_out`, `evidence`, `ensemble`, and the probabilities
of `classify`, is worked out in float64 for some thousand. Both take kernels that are values: `NTK`,
`NNGP`, their sums, products and multiples. `regression.scikit` has the kernel for scikit-learn,
`regression.gpjax` that for GPJax.
"""

from .algebra import NNGP as NNGP
from .algebra import NTK as NTK
from .algebra import Kernel as Kernel
from .algebra import Product as Product
from .algebra import Scaled as Scaled
from .algebra import Sum as Sum
from .classes import Classes as Classes
from .classes import classify as classify
from .conjugate import NotPositiveError as NotPositiveError
from .fitting import Fit as Fit
from .fitting import NotConvergedWarning as NotConvergedWarning
from .fitting import fit as fit
from .process import Evidence as Evidence
from .process import Gaussian as Gaussian
from .process import LeftOut as LeftOut
from .process import duplicates as duplicates
from .process import ensemble as ensemble
from .process import evidence as evidence
from .process import leave_one_out as leave_one_out
from .process import posterior as posterior
from .room import OutOfMemoryError as OutOfMemoryError

__all__ = [
    "NNGP",
    "NTK",
    "Classes",
    "Evidence",
    "Fit",
    "Gaussian",
    "Kernel",
    "LeftOut",
    "NotConvergedWarning",
    "NotPositiveError",
    "OutOfMemoryError",
    "Product",
    "Scaled",
    "Sum",
    "classify",
    "duplicates",
    "ensemble",
    "evidence",
    "fit",
    "leave_one_out",
    "posterior",
]
