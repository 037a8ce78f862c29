"""What a claim is, and the list of all of them."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from math import isfinite
from typing import Literal

Status = Literal["holds", "holds under conditions", "not reproduced", "FAILS"]


@dataclass(frozen=True)
class Claim:
    """A statement with two numbers that ought to agree.

    Arguments:
        statement: what is claimed, in a sentence.
        source: the paper and where in it, such as "[JGGH] graph-based parametrization".
        chapter: the chapter that shows it, such as "03_freeze_and_chaos".
        predicted: what theory says.
        measured: what was computed here.
        tolerance: how far from the prediction the measurement may lie.
        condition: where it holds under conditions only, which; where it is not reproduced, why.
        reproduced: False of a statement that is known to fail here; then it must go on failing,
            so that a day when it holds is noticed.

    Raises:
        ValueError: not reproduced, and no word why.
    """

    statement: str
    source: str
    chapter: str
    predicted: float
    measured: float
    tolerance: float
    condition: str = ""
    reproduced: bool = True

    def __post_init__(self) -> None:
        if not (self.reproduced or self.condition):
            raise ValueError(
                "`condition` must say why a claim is not reproduced; got nothing for "
                f"{self.statement!r}."
            )

    @property
    def holds(self) -> bool:
        """|measured - predicted| <= tolerance; never for NaN."""
        return bool(abs(self.measured - self.predicted) <= self.tolerance)

    @property
    def status(self) -> Status:
        """In words; "FAILS" where the numbers do not say what is known."""
        if self.holds != self.reproduced or not isfinite(self.measured):
            return "FAILS"
        if not self.reproduced:
            return "not reproduced"
        return "holds under conditions" if self.condition else "holds"


CLAIMS: dict[str, Callable[[], Claim]] = {}


def claim(function: Callable[[], Claim]) -> Callable[[], Claim]:
    """Enter a function without arguments among the `CLAIMS`."""
    kept = cache(function)
    CLAIMS[function.__name__] = kept
    return kept
