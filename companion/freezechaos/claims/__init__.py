"""The claims of the two papers: what each predicts, what is measured, and whether it holds.

One function a claim, one module a part of the book; the tests assert them, the book tabulates
them.
"""

from collections.abc import Callable

from . import deconvolution as deconvolution
from . import fully_connected as fully_connected
from . import gan as gan
from . import normalization as normalization
from . import record
from .record import Claim, claim

__all__ = ["CLAIMS", "Claim", "claim"]

CLAIMS: dict[str, Callable[[], Claim]] = record.CLAIMS
"""All claims by name; each is computed once a session.

:meta hide-value:
"""
