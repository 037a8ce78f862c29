"""What a claim is, and the list of all of them."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache


@dataclass(frozen=True)
class Claim:
    """A statement with two numbers that ought to agree.

    Arguments:
        statement: what is claimed, in a sentence.
        source: the paper and where in it, such as "[JGGH] freeze theorem".
        chapter: the chapter that shows it, such as "03_freeze_and_chaos".
        predicted: what theory says.
        measured: what was computed here.
        tolerance: how far from the prediction the measurement may lie.
    """

    statement: str
    source: str
    chapter: str
    predicted: float
    measured: float
    tolerance: float

    @property
    def holds(self) -> bool:
        """|measured - predicted| <= tolerance; never for NaN."""
        return abs(self.measured - self.predicted) <= self.tolerance


CLAIMS: dict[str, Callable[[], Claim]] = {}


def claim(function: Callable[[], Claim]) -> Callable[[], Claim]:
    """Enter a function without arguments among the `CLAIMS`."""
    kept = cache(function)
    CLAIMS[function.__name__] = kept
    return kept
