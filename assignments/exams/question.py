"""One question of an exam, with its numbers filled in: what a paper, Moodle, GIFT or QTI needs.

    question = exams.drawn("relu_r", seed=7)      # exams.drawn_bank(7) is all of them
    question.text, question.shown(question.answer), question.tolerance

Text is Markdown with `$...$` for mathematics. Whether it is asked with options or with a line to
write a number on is up to whom asks: `options()` is there where `wrong` is.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from math import floor, isfinite, log10

Given = float | int | str
FIELD = re.compile(r"<<(\w+)>>")


@dataclass(frozen=True)
class Wrong:
    """A number that a mistake leads to.

    Attributes:
        value: the number.
        why: the mistake, said to the one who made it.
    """

    value: float
    why: str


@dataclass(frozen=True)
class Question:
    """A question whose answer is a number.

    Text and solution are given with fields `<<name>>`, which are filled in from `given`, and
    `<<answer>>` from the answer; a field that is not given, and a number that is not used, are
    refused.

    Attributes:
        name: of the question in the bank, the same for every seed.
        chapter: the name of its chapter, "03_freeze_and_chaos".
        text: what is asked.
        answer: the right number.
        tolerance: how far from it a right number may be; 0 for whole numbers.
        solution: how one gets there, in words.
        minutes: what it takes, and what it is worth: a point a minute.
        given: the numbers of the text and those that the solution needs, by name.
        wrong: what mistakes lead to, none within the tolerance of the answer or of another.

    Raises:
        ValueError: a field without a value, a value without a field, an answer that is no finite
            number, or a wrong one that would count as right.
    """

    name: str
    chapter: str
    text: str
    answer: float
    tolerance: float
    solution: str
    minutes: int
    given: Mapping[str, Given] = field(default_factory=dict)
    wrong: tuple[Wrong, ...] = ()

    def __post_init__(self) -> None:
        if not (isfinite(self.answer) and self.tolerance >= 0):
            raise ValueError(
                f"`answer` must be finite and `tolerance` 0 or more; got {self.answer} and "
                f"{self.tolerance} in {self.name}. Draw other numbers."
            )
        known = {name: str(value) for name, value in self.given.items()}
        known["answer"] = self.shown(self.answer)
        used = {found for text in (self.text, self.solution) for found in FIELD.findall(text)}
        if used - {"answer"} != self.given.keys():
            raise ValueError(
                f"the fields of {self.name} must be those that are `given`; got "
                f"{sorted(used - {'answer'})} and {sorted(self.given)}."
            )
        for part in ("text", "solution"):
            filled = FIELD.sub(lambda found: known[found[1]], getattr(self, part))
            object.__setattr__(self, part, filled)
        self._check_wrong()

    def _check_wrong(self) -> None:
        """Options must differ by more than the tolerance, and in what is shown of them."""
        values = [self.answer, *(wrong.value for wrong in self.wrong)]
        for number, one in enumerate(values):
            for other in values[:number]:
                if abs(one - other) <= self.tolerance or self.shown(one) == self.shown(other):
                    raise ValueError(
                        f"options must be told apart; {one} and {other} of {self.name} are not. "
                        "Take other numbers, or leave one out."
                    )

    def shown(self, value: float) -> str:
        """Return a number with the digits that the tolerance leaves."""
        if self.tolerance == 0:
            return f"{value:.0f}"
        digits = max(0, -floor(log10(self.tolerance)))
        return f"{value:.{digits}f}"

    def options(self) -> tuple[float, ...]:
        """Return the answer among the wrong ones, in an order that is the same every time."""
        values = [self.answer, *(wrong.value for wrong in self.wrong)]
        return tuple(
            sorted(values, key=lambda v: sha256(f"{self.text} {self.shown(v)}".encode()).digest())
        )
