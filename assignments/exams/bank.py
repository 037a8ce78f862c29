"""The questions of the bank, and how their numbers are drawn.

A question is a function of a generator of random numbers, entered by `asked`. What it returns is
put into a `Question` by `drawn`: each has random numbers of its own, which depend on the seed and
on its name and on nothing else.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import SupportsFloat, TypeVar

import numpy as np

from .question import Given, Question, Wrong

Rng = np.random.Generator
T = TypeVar("T")


@dataclass(frozen=True)
class Asked:
    """What a question's function says; the fields are those of `Question`, `wrong` by number."""

    text: str
    answer: SupportsFloat
    tolerance: float
    solution: str
    given: Mapping[str, Given] = field(default_factory=dict)
    wrong: Sequence[tuple[float, str]] = ()


@dataclass(frozen=True)
class Entry:
    """A question of the bank: where it belongs, what it takes, and what draws it."""

    chapter: str
    minutes: int
    draw: Callable[[Rng], Asked]


BANK: dict[str, Entry] = {}


def asked(chapter: str, minutes: int) -> Callable[[Callable[[Rng], Asked]], Callable]:
    """Enter a function into the bank under its own name."""

    def enter(draw: Callable[[Rng], Asked]) -> Callable[[Rng], Asked]:
        BANK[draw.__name__] = Entry(chapter, minutes, draw)
        return draw

    return enter


def drawn(name: str, seed: int) -> Question:
    """Return a question of the bank with the numbers of a seed.

    Raises:
        KeyError: no such question.
    """
    entry = BANK[name]
    made = entry.draw(np.random.default_rng([seed, *name.encode()]))
    answer, wrong = float(made.answer), list[Wrong]()
    for value, why in made.wrong:  # by chance a mistake may lead near the answer
        taken = [answer, *(other.value for other in wrong)]
        if min(abs(value - other) for other in taken) > 2 * made.tolerance:
            wrong.append(Wrong(float(value), why))
    return Question(
        name,
        entry.chapter,
        made.text,
        answer,
        made.tolerance,
        made.solution,
        entry.minutes,
        made.given,
        tuple(wrong),
    )


def drawn_bank(seed: int) -> list[Question]:
    """Return all questions with the numbers of a seed, in the order of the chapters."""
    return [drawn(name, seed) for name in sorted(BANK, key=lambda name: BANK[name].chapter)]


def between(rng: Rng, low: float, high: float, digits: int = 2) -> float:
    """Return a number of a range, rounded as it is printed."""
    return round(float(rng.uniform(low, high)), digits)


def one_of(rng: Rng, *options: T) -> T:
    """Return one of the options."""
    return options[int(rng.integers(len(options)))]
