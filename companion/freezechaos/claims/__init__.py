"""The claims of the two papers: what each predicts, what is measured, and whether it holds.

One function a claim, one module a part of the book; the tests assert them, the book tabulates
what `verify` returns.
"""

from collections.abc import Callable

from ..extras import extra

with extra("gan"):
    from . import deconvolution as deconvolution
    from . import fully_connected as fully_connected
    from . import gan as gan
    from . import normalization as normalization
    from . import record
    from . import splits as splits
    from .record import Claim, claim
    from .report import Report, verify

__all__ = ["CLAIMS", "Claim", "Report", "claim", "verify"]

CLAIMS: dict[str, Callable[[], Claim]] = record.CLAIMS
"""All claims by name; each is computed once a session.

:meta hide-value:
"""
