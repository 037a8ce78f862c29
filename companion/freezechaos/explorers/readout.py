"""The sentence under an explorer: its numbers, and what they mean, in words."""

import string
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

Naming = Callable[[Mapping[str, Any]], str]


@dataclass(frozen=True, eq=False)
class Bands:
    """A word that a number decides, at every setting: `words[k]` between two `edges`.

    Arguments:
        of: name of an axis or a number, such as `"r"`.
        edges: `[n - 1]` increasing numbers, such as `[0.999, 1.001]`.
        words: `[n]`, such as `["freeze", "edge", "chaos"]`.

    Raises:
        ValueError: there is not one word more than there are edges.
    """

    of: str
    edges: Sequence[int | float]
    words: Sequence[str]

    def __post_init__(self) -> None:
        if len(self.words) != len(self.edges) + 1:
            raise ValueError(
                f"`Bands` needs one word more than edges; got {len(self.words)} words "
                f"and {len(self.edges)} edges."
            )

    def word(self, number: int | float) -> str:
        return self.words[int(np.searchsorted(self.edges, number, side="right"))]

    def spec(self) -> dict[str, Any]:
        return {"of": self.of, "edges": list(self.edges), "words": list(self.words)}


def fields(template: str) -> set[str]:
    """Return the names in the braces of `template`."""
    return {name for _, name, _, _ in string.Formatter().parse(template) if name}


def check(template: str, known: Iterable[str]) -> None:
    """Raise where the template names what nothing gives."""
    if missing := fields(template) - set(known):
        raise ValueError(
            f"`readout` names {sorted(missing)}, but there is only {sorted(known)}. Add the "
            f"name to `numbers` or `words`, or correct the spelling."
        )


def fill(template: str, values: Mapping[str, Any]) -> str:
    """Return the sentence, with the minus sign that screens and voices know as one."""
    parts = string.Formatter().parse(template)
    return "".join(
        text + ("" if name is None else _shown(values[name], form or ""))
        for text, name, form, _ in parts
    )


def _shown(value: Any, form: str) -> str:
    if isinstance(value, str):
        return value
    digits = format(value, form)
    if not digits.strip("-0.%"):  # what rounds to zero has no sign
        return digits.removeprefix("-")
    return digits.replace("-", "−")
