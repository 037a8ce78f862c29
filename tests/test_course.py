"""The quiz as text and as a page, and what a student reads about an answer."""

from collections.abc import Callable, Iterator
from enum import Enum
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from freezechaos.course import NotYet, Question, Quiz, check, drawn, quiz
from freezechaos.questions import mode_left
from freezechaos.regimes import Regime

PAGE = """<!doctype html><html lang="en" data-theme="{theme}"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1"><title>Quiz</title>
<style>body {{ margin: 0; background: {paper} }} h1 {{ color: {ink} }}</style></head>
<body><main><h1>Quiz</h1>{quiz}</main></body></html>"""
COLORS = {"light": ("#ffffff", "#222222"), "dark": ("#14181e", "#dddddd")}


class Colour(Enum):
    BLUE = 1
    ORANGE = 2


@pytest.fixture
def edge() -> Question:
    return Question(
        "Where does `relu` go at β = 0 & depth $L < \\infty$?",
        {
            "to 1/4 where x is not y, and stays at 1 where it is": "That is the limit.",
            "to a constant": "It would need r < 1, and r = 1.",
            "averyveryveryveryveryveryveryveryveryveryveryverylongword": "No such thing.",
        },
        answer="to 1/4 where x is not y, and stays at 1 where it is",
    )


@pytest.fixture
def three(edge: Question) -> Quiz:
    two = Question("Two?", {"yes": "It is.", "no": "Count again."}, answer="yes")
    return quiz(edge, two, Question("Five?", dict.fromkeys("vwxyz", "Why."), answer="z"))


@pytest.mark.parametrize(
    ("options", "answer", "message"),
    [
        ({"a": "Why."}, "a", r"`options` must have two to five entries; got 1"),
        (dict.fromkeys("abcdef", "Why."), "a", r"`options` must have two to five entries; got 6"),
        ({"a": "Why.", "b": " "}, "a", r"got ' ' for 'b'"),
        ({"a": "Why.", "": "Why."}, "a", r"got 'Why.' for ''"),
        ({"a": "Why.", "b": "Why."}, "c", r"`answer` must be one of .*'a', 'b'.*; got 'c'"),
    ],
)
def test_question_must_fit(options: dict[str, str], answer: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Question("Which?", options, answer)


def test_question_must_ask() -> None:
    with pytest.raises(ValueError, match="a question its text"):
        Question("", {"a": "Why.", "b": "Why."}, "a")


def test_quiz_needs_a_question() -> None:
    with pytest.raises(ValueError, match="got none"):
        quiz()


def test_a_list_of_questions_is_refused_with_a_way_out(edge: Question) -> None:
    with pytest.raises(TypeError, match=r"got a list. .* quiz\(\*questions\)"):
        quiz([edge])  # type: ignore[arg-type]


def test_text_asks_first_and_answers_after(three: Quiz) -> None:
    questions, answers = repr(three).split("\n\nAnswers\n\n")
    place = "abc"[list(three.questions[0].options).index("to a constant")]
    assert f"   {place}) to a constant" in questions
    assert "It would need" not in questions
    assert f" {place}) Not quite. It would need r < 1, and r = 1." in answers
    assert "3. a) " in answers
    assert max(map(len, repr(three).splitlines())) <= 78


def test_no_place_is_likelier_to_be_right() -> None:
    """Of 300 questions whose first option is right, 100 +- 8.2 are shown so; five deviations."""
    options = dict.fromkeys("abc", "Why.")
    asked = [Question(f"Question {n}?", options, "a") for n in range(300)]
    for place in range(3):
        assert abs(sum(list(q.options)[place] == "a" for q in asked) - 100) < 41
    again = Question(asked[0].text, dict(reversed(options.items())), "a")
    assert list(again.options) == list(asked[0].options)


def test_html_is_the_same_every_time_and_names_differ(three: Quiz, edge: Question) -> None:
    html = three._repr_html_()
    assert html == quiz(*three.questions)._repr_html_()
    groups = set(_between(html, 'name="', '"'))
    assert len(groups) == 3
    assert not groups & set(_between(quiz(edge)._repr_html_(), 'name="', '"'))


def test_html_escapes_and_marks_up(three: Quiz) -> None:
    html = three._repr_html_()
    assert '<code>relu</code> go at β = 0 &amp; depth <span class="mathjax_process">' in html
    assert "\\(L &lt; \\infty\\)</span>" in html
    assert "<script" not in html


def _between(text: str, start: str, end: str) -> list[str]:
    return [part.split(end)[0] for part in text.split(start)[1:]]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0.25, 0.25),
        (1, 1.0),
        (1e6 + 1, 1e6),
        (jnp.float32(0.25), 0.25),
        ([0.5, 0.25], np.array([0.5, 0.25])),
        (jnp.eye(3), np.eye(3)),
        (True, np.True_),
        ("Freeze ", "freeze"),
        ("freeze", Regime.FREEZE),
        (Regime.FREEZE, Regime.FREEZE),
        (Colour.BLUE, Colour.BLUE),
        (["freeze", "chaos"], ("freeze", "chaos")),
        ({"a": 1}, {"a": 1}),
    ],
    ids=str,
)
def test_right(value: Any, expected: Any, capsys: pytest.CaptureFixture[str]) -> None:
    check(value, expected)
    assert capsys.readouterr().out == "Right.\n"


@pytest.mark.parametrize(
    ("value", "expected", "message"),
    [
        (0.3, 0.25, "got 0.3."),
        (..., 0.25, "got ..., so the answer is still to be written."),
        (None, 0.25, "got None, so the answer is still to be written."),
        (abs, 0.25, "got a function; call it, and hand what it returns."),
        ("0.25", 0.25, "got a word ('0.25'); needed: numbers."),
        (True, 1.0, "got True or False (True); needed: numbers."),
        (np.ones(3), np.ones((3, 4)), "got the shape (3,); (3, 4) is needed."),
        ([[1.0], [1.0, 2.0]], np.eye(2), "got rows of different lengths"),
        (np.eye(2), np.ones((2, 2)), "got 0 at [0, 1], and 2 of 4 are off."),
        (np.nan, 0.25, "got nan."),
        (Regime.EDGE, Regime.FREEZE, "got edge."),
        (Colour.BLUE, Colour.ORANGE, "got Colour.BLUE."),
        (["chaos", "freeze"], ["freeze", "freeze"], "got ['chaos', 'freeze']."),
    ],
    ids=str,
)
def test_not_yet(value: Any, expected: Any, message: str) -> None:
    with pytest.raises(NotYet) as failure:
        check(value, expected, hint="Look at r.")
    assert str(failure.value).startswith(message.removesuffix("."))
    assert str(failure.value).endswith(". Hint: Look at r.")


def test_answer_is_never_told() -> None:
    with pytest.raises(NotYet) as failure:
        check([0.5, 0.5], [0.5, 0.123456])
    assert "0.123" not in str(failure.value)


def test_tolerance_is_relative_to_the_largest_number() -> None:
    check(0.01, 0.0, tolerance=0.01)
    check(1010.0, 1000.0, tolerance=0.01)
    with pytest.raises(NotYet):
        check(1011.0, 1000.0, tolerance=0.01)
    check([1e-5, 1.0], [0.0, 1.0])
    check(np.sin, jnp.sin, at=[0.5, float(np.pi)])
    for value, expected in ((1e-6, 2e-6), ([1e-3, 1.0], [0.0, 1.0]), (1.0, np.inf), (0.0, 1e-30)):
        with pytest.raises(NotYet):
            check(value, expected)
    check(np.inf, np.inf)
    with pytest.raises(ValueError, match="`tolerance` must be 0 or more; got -1"):
        check(1.0, 1.0, tolerance=-1)


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda x, n: x + n, "at 0.5, 2 your function gave 2.5."),
        (lambda x: x, "at 0.5, 2 your function raised TypeError"),
        (lambda x, n: np.array([x**n]), "at 0.5, 2 your function gave the shape (1,)"),
        (lambda x, n: None, "at 0.5, 2 your function gave None"),
        (0.25, "got 0.25; a function is needed, without calling it."),
    ],
)
def test_functions_are_compared_at_inputs(function: Any, message: str) -> None:
    power: Callable = lambda x, n: x**n  # noqa: E731
    check(power, jnp.power, at=[(0.5, 2), (3.0, 3)])
    with pytest.raises(NotYet) as failure:
        check(function, power, at=[(1.0, 1), (0.5, 2)] if function == 0.25 else [(0.5, 2)])
    assert str(failure.value).startswith(message)


def test_functions_need_inputs() -> None:
    with pytest.raises(ValueError, match="`at` must list inputs"):
        check(abs, abs)


def test_notebook_shows_the_message_alone() -> None:
    assert NotYet("got 1")._render_traceback_() == ["Not yet: got 1"]


@pytest.fixture(params=[("light", 1000), ("dark", 1000), ("light", 320), ("dark", 320)], ids=str)
def page(
    request: pytest.FixtureRequest, browser: Browser, tmp_path: Path, three: Quiz
) -> Iterator[Page]:
    """Yield the quiz on a page without scripts, in each theme, wide and narrow."""
    theme, width = request.param
    paper, ink = COLORS[theme]
    html = PAGE.format(theme=theme, paper=paper, ink=ink, quiz=three._repr_html_())
    (tmp_path / "page.html").write_text(html)
    with browser.new_context(viewport={"width": width, "height": 800}) as context:
        page = context.new_page()
        page.set_default_timeout(5000)
        page.goto((tmp_path / "page.html").as_uri())
        yield page
        assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.browser
def test_keyboard_chooses_and_the_explanation_appears(page: Page, three: Quiz) -> None:
    verdicts = [
        f"{'Right.' if option == three.questions[0].answer else 'Not quite.'} {why}"
        for option, why in three.questions[0].options.items()
    ]
    first = page.get_by_role("group").first
    live = first.locator("[aria-live=polite]")
    expect(live).to_have_text("", use_inner_text=True)
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    expect(live).to_have_text(verdicts[0], use_inner_text=True)
    page.keyboard.press("ArrowDown")
    expect(first.get_by_role("radio").nth(1)).to_be_checked()
    expect(live).to_have_text(verdicts[1], use_inner_text=True)
    page.keyboard.press("Tab")
    expect(page.get_by_role("group").nth(1).get_by_role("radio").first).to_be_focused()


@pytest.mark.browser
def test_every_option_has_its_own_explanation(page: Page, three: Quiz) -> None:
    for group, question in zip(page.get_by_role("group").all(), three.questions, strict=True):
        for label, why in zip(group.locator("label").all(), question.options.values(), strict=True):
            label.click()
            verdict = "Right." if label.inner_text() == question.answer else "Not quite."
            shown = group.locator("p:visible")
            expect(shown).to_have_count(1)
            expect(shown).to_have_text(f"{verdict} {why}")
    assert page.locator("p:visible").count() == 3, "a choice in one question left the others alone"


@pytest.mark.browser
@pytest.mark.parametrize("width", [320, 1000])
def test_other_numbers_are_another_question(browser: Browser, tmp_path: Path, width: int) -> None:
    made = drawn(mode_left, 3)
    paper, ink = COLORS["light"]
    html = PAGE.format(theme="light", paper=paper, ink=ink, quiz=quiz(made)._repr_html_())
    (tmp_path / "page.html").write_text(html)
    with browser.new_context(viewport={"width": width, "height": 800}) as context:
        page = context.new_page()
        page.goto((tmp_path / "page.html").as_uri())
        asked = page.locator(".fc-drawn > fieldset:not(.fc-numbers):visible")
        for number, question in enumerate(made.tries, 1):
            if number > 1:  # by keys: the choice of numbers is one group
                page.locator(".fc-numbers input:checked").press("ArrowRight")
            expect(asked).to_have_count(1)
            page.locator("label:visible", has_text=question.answer).first.click()
            expect(asked.locator("p:visible")).to_contain_text("Right.")
            expect(asked.locator("legend")).to_contain_text(question.text.split(",")[0])
        assert all(
            label.bounding_box()["height"] >= 44  # type: ignore[index]
            for label in page.locator(".fc-numbers label").all()
        )
        assert not Axe().run(page).response["violations"]


@pytest.mark.browser
def test_targets_are_large_and_focus_is_seen(page: Page) -> None:
    for label in page.locator("label").all():
        box = label.bounding_box()
        assert box
        assert box["height"] >= 44
    page.keyboard.press("Tab")
    outline = "getComputedStyle(document.activeElement.closest('label')).outlineWidth"
    assert page.evaluate(outline) == "3px"


@pytest.mark.browser
def test_axe_finds_nothing(page: Page) -> None:
    for label in page.locator("label:nth-of-type(1), label:nth-of-type(2)").all():
        label.click()
        found = Axe().run(page).response["violations"]
        assert not found, [(rule["id"], node["html"]) for rule in found for node in rule["nodes"]]
