"""Questions that explain every answer, and checks of a student's own results.

`quiz` needs no script, no kernel and no network: it is HTML and CSS, the same on a published
page and in JupyterLab. Its text says the same where there is no HTML, in a PDF for instance.
"""

import pathlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from hashlib import sha256
from html import escape
from textwrap import fill
from typing import Any

import numpy as np

from freezechaos.plotting import PALETTE

_STYLE = pathlib.Path(__file__).with_suffix(".css")
_NUMBERS = "numbers"
_VERDICT = {True: "Right.", False: "Not quite."}
_MARKUP = re.compile(r"\$(?P<math>[^$]+)\$|`(?P<code>[^`]+)`")


@dataclass(frozen=True)
class Question:
    """One question, with an explanation at every option.

    Text may hold `$...$` for mathematics and backquotes for code. Above each explanation the
    page says whether the option is right, so the explanation only has to say why.

    Arguments:
        text: the question.
        options: two to five options, each with its explanation. They are shown in an order of
            their own, the same every time, so that no place is likelier to be right.
        answer: the right option.

    Raises:
        ValueError: the answer is not an option, there are too few options or too many, or a
            text is empty.
    """

    text: str
    options: Mapping[str, str]
    answer: str

    def __post_init__(self) -> None:
        if not 2 <= len(self.options) <= 5:
            raise ValueError(
                f"`options` must have two to five entries; got {len(self.options)} in the "
                f"question {self.text!r}. A wrong option worth reading is a mistake often made."
            )
        for name, text in {"text": self.text, **self.options}.items():
            if not (name.strip() and text.strip()):
                raise ValueError(
                    f"every option needs its words and an explanation, a question its text; "
                    f"got {text!r} for {name!r}. Say why it is right, or why it is not."
                )
        if self.answer not in self.options:
            raise ValueError(
                f"`answer` must be one of the options {list(self.options)}; got {self.answer!r}. "
                "Copy it from there, letter by letter."
            )
        shuffled = sorted(self.options.items(), key=lambda item: _digest(self.text, item[0]))
        object.__setattr__(self, "options", dict(shuffled))


@dataclass(frozen=True)
class Drawn:
    """A question with other numbers at every try; made by `drawn`."""

    tries: tuple[Question, ...]


def drawn(make: Callable[[np.random.Generator], Question], tries: int = 4) -> Drawn:
    """Return a question whose numbers change, so that it can be worked out once more.

    Arguments:
        make: the question with the numbers of a generator, right and wrong options computed from
            them. It is called with the seeds 0, 1, 2, ... until there are enough.
        tries: how many questions with different texts, two to nine.

    Raises:
        ValueError: the seeds 0 to 99 give fewer different texts.

    >>> def double(rng):
    ...     n = int(rng.integers(2, 10))
    ...     return Question(f"2 · {n} = ?", {f"{2 * n}": "Right.", f"2{n}": "A sum."}, f"{2 * n}")
    >>> [question.answer for question in drawn(double, tries=3).tries]
    ['16', '10', '14']
    """
    if not 2 <= tries <= 9:
        raise ValueError(f"`tries` must lie in 2 to 9; got {tries}. Four are enough to learn from.")
    found: dict[str, Question] = {}
    for seed in range(100):
        question = make(np.random.default_rng(seed))
        found.setdefault(question.text, question)
        if len(found) == tries:
            return Drawn(tuple(found.values()))
    raise ValueError(
        f"`make` must give {tries} different texts; the seeds 0 to 99 gave {len(found)}. "
        "Say the numbers that change in the question, and draw them from more values."
    )


@dataclass(frozen=True, repr=False)
class Quiz:
    """Questions as a notebook shows them; made by `quiz`."""

    questions: tuple[Question | Drawn, ...]

    def __repr__(self) -> str:
        shown = [q.tries[0] if isinstance(q, Drawn) else q for q in self.questions]
        asked = [_asked(number, q) for number, q in enumerate(shown, 1)]
        answered = [_answered(number, q) for number, q in enumerate(shown, 1)]
        return "\n\n".join([*asked, "Answers", *answered])

    def _repr_html_(self) -> str:
        page = _digest(repr(self))[:8]
        asked = (
            _shape(number if len(self.questions) > 1 else 0, q, group=f"quiz-{page}-{number}")
            for number, q in enumerate(self.questions, 1)
        )
        # Without the attribute JupyterLab takes the arrow keys to move between cells.
        return (
            f"<style>{_STYLE.read_text(encoding='utf-8')}</style>\n"
            f'<div class="fc-quiz" style="{_hues()}" data-lm-suppress-shortcuts="true">'
            f"{''.join(asked)}</div>"
        )


def quiz(*questions: Question | Drawn) -> Quiz:
    """Return the questions as a quiz: each option shows its explanation once it is chosen.

    Arguments:
        questions: one or more; those of `drawn` have a choice of numbers below them.

    Raises:
        ValueError: no question.
        TypeError: something that is no question, a list of them for instance.

    >>> quiz(Question("Is r = 0.9 freeze?", {"yes": "r < 1.", "no": "r < 1."}, answer="yes"))
    1. Is r = 0.9 freeze?
       a) yes
       b) no
    <BLANKLINE>
    Answers
    <BLANKLINE>
    1. a) Right. r < 1.
       b) Not quite. r < 1.
    """
    if not questions:
        raise ValueError("`questions` must be one or more; got none. Try quiz(Question(...)).")
    for given in questions:
        if not isinstance(given, Question | Drawn):
            raise TypeError(
                f"`questions` must each be a Question; got a {type(given).__name__}. "
                "Take a list apart with a star: quiz(*questions)."
            )
    return Quiz(questions)


def _digest(*texts: str) -> str:
    return sha256("\n".join(texts).encode()).hexdigest()


def _asked(number: int, question: Question) -> str:
    lines = [_wrapped(f"{number}. ", question.text)]
    return "\n".join(lines + [_wrapped(f"   {a}) ", o) for a, o in _lettered(question.options)])


def _answered(number: int, question: Question) -> str:
    verdicts = [
        f"{_VERDICT[option == question.answer]} {why}" for option, why in question.options.items()
    ]
    starts = [f"{number}. ", *[" " * len(f"{number}. ")] * len(verdicts)]
    lettered = zip(starts, _lettered(verdicts), strict=False)
    return "\n".join(_wrapped(f"{start}{a}) ", text) for start, (a, text) in lettered)


def _lettered(texts: Mapping[str, str] | Sequence[str]) -> zip:
    return zip("abcde", texts, strict=False)


def _wrapped(start: str, text: str) -> str:
    return fill(text, 78, initial_indent=start, subsequent_indent=" " * len(start))


def _shape(number: int, question: Question | Drawn, group: str) -> str:
    if isinstance(question, Question):
        return _fieldset(number, question, group)
    tries = range(1, len(question.tries) + 1)
    asked = (
        _fieldset(number, q, f"{group}-{k}") for k, q in zip(tries, question.tries, strict=True)
    )
    chosen = "".join(
        f'<label><input type="radio" name="{group}"{" checked" if k == 1 else ""}>'
        f"<span>{k}</span></label>"
        for k in tries
    )
    numbers = f'<fieldset class="fc-numbers"><legend>Other numbers</legend>{chosen}</fieldset>'
    return f'<div class="fc-drawn">{"".join(asked)}{numbers}</div>\n'


def _fieldset(number: int, question: Question, group: str) -> str:
    options = "".join(
        f'<label><input type="radio" name="{group}"><span>{_marked(option)}</span></label>'
        for option in question.options
    )
    answers = "".join(
        f'<p class="{"fc-right" if option == question.answer else "fc-wrong"}">'
        f"<strong>{_VERDICT[option == question.answer]}</strong> {_marked(why)}</p>"
        for option, why in question.options.items()
    )
    count = f"<b>{number}.</b> " if number else ""  # a single question needs no number
    return (
        f"<fieldset><legend>{count}{_marked(question.text)}</legend>{options}"
        f'<div aria-live="polite">{answers}</div></fieldset>\n'
    )


def _marked(text: str) -> str:
    """Return HTML: mathematics in the class that the book's MathJax looks at, and code."""
    return _MARKUP.sub(
        lambda m: (
            f'<span class="mathjax_process">\\({m["math"]}\\)</span>'
            if m["math"]
            else f"<code>{m['code']}</code>"
        ),
        escape(text),
    )


def _hues() -> str:
    names = {"right": "green", "wrong": "ochre", "ink": "ink"}
    hues = {name: PALETTE[hue] for name, hue in names.items()}
    return "; ".join(f"--fc-{n}: light-dark({h.light}, {h.dark})" for n, h in hues.items())


class NotYet(AssertionError):  # noqa: N818 - it is read by students
    """An answer that is not right yet; its message says what was got, and gives the hint."""

    def _render_traceback_(self) -> list[str]:
        """Say to IPython what to print: the message, without the lines that led to it."""
        return [f"Not yet: {self}"]


def check(
    value: Any,
    expected: Any,
    *,
    tolerance: float = 1e-4,
    hint: str = "",
    at: Sequence[Any] = (),
) -> None:
    """Print one line if `value` is right; raise `NotYet`, which never tells the answer, if not.

    Numbers are right where |value - expected| <= tolerance max |expected|, with the maximum
    over all numbers of the answer (where all are 0: <= tolerance); anything else, a `Regime`
    for instance, is right where it is equal, and a string also in capitals.

    Arguments:
        value: what the student has: a number, an array, a string, a function.
        expected: the right one, of the same kind.
        tolerance: relative to the largest number of the answer, 0 or more.
        hint: what to think of, shown where the answer is not right.
        at: inputs at which two functions are compared; a tuple is several arguments.

    Raises:
        NotYet: the answer is not right; its message names type and shape first.
        ValueError: functions without `at`, or a negative tolerance.

    >>> check([0.5, 0.25], np.array([0.5, 0.25]))
    Right.
    >>> check(0.3, 0.25, hint="What does ReLU's kernel tend to?")
    Traceback (most recent call last):
    freezechaos.course.NotYet: got 0.3. Hint: What does ReLU's kernel tend to?
    """
    if not tolerance >= 0:
        raise ValueError(f"`tolerance` must be 0 or more; got {tolerance}. Try 1e-4.")
    if callable(expected) and not len(at):
        raise ValueError("`at` must list inputs to compare the functions at; try at=[0.1, 0.5].")
    if callable(expected):
        found = _function_problem(value, expected, tolerance, at)
    else:
        found = _problem(value, expected, tolerance * _size([expected]))
    if found:
        raise NotYet(f"{found}. Hint: {hint}" if hint else f"{found}.")
    print("Right.")


def _size(answers: Sequence[Any]) -> float:
    """Return the largest finite |number| of the answers, or 1 where there is none but 0."""
    arrays = [np.abs(answer).ravel() for answer in answers if _kind(answer) == _NUMBERS]
    numbers = np.concatenate([np.zeros(0), *arrays])
    return float(np.max(numbers, where=np.isfinite(numbers), initial=0.0)) or 1.0


def _problem(value: Any, expected: Any, error: float) -> str | None:
    """Say what is wrong with a value whose numbers may be off by `error`, or return None."""
    if value is None or value is Ellipsis:
        return f"got {'...' if value is Ellipsis else value}, so the answer is still to be written"
    if callable(value):
        return "got a function; call it, and hand what it returns"
    kind, wanted = _kind(value), _kind(expected)
    if kind != wanted:
        return f"got {kind} ({_shown(value)}); needed: {wanted}"
    if wanted == _NUMBERS:
        return _number_problem(np.asarray(value), np.asarray(expected), error)
    return None if _equal(value, expected) else f"got {_shown(value)}"


def _number_problem(value: np.ndarray, expected: np.ndarray, error: float) -> str | None:
    if value.shape != expected.shape:
        return f"got the shape {value.shape}; {expected.shape} is needed"
    wrong = np.argwhere(~np.isclose(value, expected, 1e-12, error))
    if not len(wrong):
        return None
    first = tuple(map(int, wrong[0]))
    got = f"got {value[first]:.6g}"
    return f"{got} at {list(first)}, and {len(wrong)} of {value.size} are off" if first else got


def _function_problem(
    value: Any, expected: Callable, tolerance: float, at: Sequence[Any]
) -> str | None:
    if not callable(value):
        return f"got {_shown(value)}; a function is needed, without calling it"
    inputs = [point if isinstance(point, tuple) else (point,) for point in at]
    answers = [expected(*arguments) for arguments in inputs]
    error = tolerance * _size(answers)
    for arguments, answer in zip(inputs, answers, strict=True):
        where = f"at {', '.join(map(_shown, arguments))} your function"
        try:
            result = value(*arguments)
        except Exception as problem:
            return f"{where} raised {type(problem).__name__}: {problem}"
        if found := _problem(result, answer, error):
            return f"{where} {found}".replace("your function got", "your function gave")
    return None


def _kind(value: Any) -> str:
    """Return what a value is, in a word a student knows."""
    if isinstance(value, str | Enum):
        return "a word"
    try:
        dtype = np.asarray(value).dtype
    except ValueError:  # rows of different lengths
        return "rows of different lengths"
    kinds = {"b": "True or False", "U": "words", **dict.fromkeys("iufc", _NUMBERS)}
    return kinds.get(dtype.kind, f"a {type(value).__name__}")


def _equal(value: Any, expected: Any) -> bool:
    if isinstance(value, str) and isinstance(expected, str):
        return value.strip().casefold() == expected.casefold()
    return np.array_equal(np.asarray(value), np.asarray(expected))


def _shown(value: Any) -> str:
    text = str(value) if isinstance(value, Enum) else repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
