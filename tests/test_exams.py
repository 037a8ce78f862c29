"""The exam bank: right answers on a second road, at every seed, and the papers made of it."""

import re
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from math import acos, asin, ceil, cos, exp, log, pi, prod, radians, sin, sqrt
from pathlib import Path

import numpy as np
import pytest

import editions
import exam
import exams
from exams import papers

SEEDS = 1, 2, 739105528164


@cache
def bank(seed: int) -> list[exams.Question]:
    return exams.drawn_bank(seed)


def dual(rho: float) -> float:
    """Of standardized ReLU."""
    return (sin(acos(rho)) + (pi - acos(rho)) * rho) / pi


def slope(rho: float) -> float:
    return 1 - acos(rho) / pi


def recursion(beta: float, depth: int, rho: float) -> tuple[float, float]:
    """Covariance and tangent kernel of ReLU, layer by layer, of numbers."""
    sigma = theta = (1 - beta**2) * rho + beta**2
    for _ in range(depth - 1):
        before, sigma = sigma, (1 - beta**2) * dual(sigma) + beta**2
        theta = sigma + (1 - beta**2) * slope(before) * theta
    return sigma, theta


def repeated(step: Callable[[float], float], start: float, count: int) -> float:
    for _ in range(count):
        start = step(start)
    return start


def parents(q: dict) -> int:
    """Every input and every tap is tried."""
    places = [(i, k) for i in range(q["inputs"]) for k in range(q["window"])]
    return sum(q["stride"] * i + k - q["padding"] == q["position"] for i, k in places)


def on_a_line(places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Points of a line before and after RC + ReLU: neurons with g > 0, and with g < 0."""
    centred = places - places.mean()
    return places[:, None], np.maximum(np.stack([centred, -centred], axis=1), 0)


def cost(q: dict) -> float:
    both = on_a_line(np.repeat([1.0, 0.0], [q["small"], q["count"] - q["small"]]))
    before, after = (np.sum((points - points.mean(axis=0)) ** 2) for points in both)
    return 1 - after / before


def growth_of_lengths(q: dict) -> float:
    places = np.repeat([1.0, 0.0], [q["small"], q["count"] - q["small"]])
    places[0], places[1] = 1 + 1e-6, 1 - 1e-6
    found = []
    for points in on_a_line(places):
        gap = points[: q["small"]].mean(axis=0) - points[q["small"] :].mean(axis=0)
        found.append((points[0] - points[1]) @ gap / (gap @ gap))
    return found[1] / found[0]


def balls_around(q: dict) -> float:
    """Balls that reach to the nearest others, around points of a line that stretches."""
    number = np.arange(q["images"])
    line = number + (0.001 * number) ** 2
    gaps = np.abs(line[:, None] - line)
    radii = np.sort(gaps, axis=1)[:, q["radius"]]
    return 1000 * float(np.mean(gaps[q["images"] // 2] <= radii))


def shared(count: int, number: float) -> np.ndarray:
    return number + (1 - number) * np.eye(count)


def degree(q: dict) -> float:
    return q["linear"] + 2 * q["square"] + 3 * q["cube"]


def widened(count: int) -> int:
    return int(repeated(lambda m: 2 * m + 1, 1, count - 1))


def common_weights(q: dict, length: int = 64) -> float:
    """Pairs of a line, walked down from tap to tap, to the power of the axes."""

    def share(p: int, other: int, layers: int) -> bool:
        if layers == 0:
            return True
        if (p - other) % q["stride"]:
            return False
        return share(p // q["stride"], other // q["stride"], layers - 1)

    pairs = [share(a, b, q["layers"]) for a in range(length) for b in range(length)]
    return 1000 * float(np.mean(pairs)) ** q["axes"]


ROADS: dict[str, Callable[[dict], float]] = {
    "first_covariance": lambda q: recursion(q["beta"], 1, cos(radians(q["angle"])))[0],
    "width_for_kurtosis": lambda q: ceil(15 * (1 - q["beta"] ** 2) ** 2 / q["bound"] - 1e-9),
    "relu_pair": lambda q: dual(cos(radians(q["angle"]))),
    "shares_of_degrees": lambda q: q["linear"] * q["cosine"] + q["rest"] * q["cosine"] ** 3,
    "two_speeds": lambda q: exp(-(1 - q["shared"]) / (1 + (q["count"] - 1) * q["shared"])),
    "largest_rate": lambda q: 2 * q["count"] / (q["size"] * (1 + (q["count"] - 1) * q["shared"])),
    "kernel_of_depth_two": lambda q: recursion(0, 2, cos(radians(q["angle"])))[1] / 2,
    "characteristic_value": lambda q: (1 - q["beta"] ** 2) * pi / (pi - 1),
    "kernel_on_the_diagonal": lambda q: sum((1 - q["beta"] ** 2) ** k for k in range(q["depth"])),
    "layers_of_chaos": lambda q: log(q["factor"]) / log((1 - q["beta"] ** 2) * pi / (pi - 1)),
    "layers_of_freeze": lambda q: sqrt(1 - q["beta"] ** 2) ** q["more"],
    "condition_number": lambda q: np.linalg.cond(shared(q["count"], 1 / int(q["fraction"][-1]))),
    "price_of_depth": lambda q: (
        ((1 - q["beta"] ** 2) * 2 / sqrt(5) / asin(2 / 3)) ** -q["more"] * q["start"] / q["end"]
    ),
    "share_of_the_constant": lambda q: (
        np.linalg.eigvalsh(shared(q["count"], q["shared"]))[-1] / q["count"]
    ),
    "hidden_bias": lambda q: sqrt(q["beta"] ** 2 + (1 - q["beta"] ** 2) / pi),
    "critical_bias_of_shares": lambda q: sqrt(1 - 1 / degree(q)),
    "mean_taken_away": lambda q: (1 - q["beta"] ** 2) / (1 - q["share"] * (2 - q["share"]) / pi),
    "held_constant": lambda q: q["count"] * q["beta"] ** 2,
    "error_of_the_mean": lambda q: repeated(
        lambda error: error - q["rate"] * q["beta"] ** 2 * error, 1, q["steps"]
    ),
    "batch_of_two": lambda q: 2 * q["beta"] ** 2 - 1,
    "cost_of_a_layer": cost,
    "race": lambda q: repeated(
        lambda length: sqrt(length**2 + (length - 1) ** 2 / (pi - 1)), q["length"], q["layers"]
    ),
    "spread_in_a_group": growth_of_lengths,
    "symmetric_batch": lambda q: dual(-1 / (q["count"] - 1)),
    "parents": parents,
    "distance_is_depth": lambda q: recursion(q["beta"], 1 + (q["distance"] % 2 == 0), 0)[1],
    "pairs_that_share": common_weights,
    "images_of_a_period": lambda q: (
        q["period"] ** q["axes"] - (q["period"] // q["stride"]) ** q["axes"]
    ),
    "share_of_white_noise": lambda q: 100 * (q["period"] ** 2 - 1) / (q["side"] ** 2 - 1),
    "limit_between_strangers": lambda q: 1 / q["beta"] ** 2,
    "corner_without_bias": lambda q: prod([2 ** q["axes"]] * q["depth"]),
    "corner_with_bias": lambda q: repeated(
        lambda s: q["beta"] ** 2 + (1 - q["beta"] ** 2) / 16 * s, 1, q["depth"]
    ),
    "reach_of_the_frame": lambda q: widened(q["depth"]),
    "rate_of_the_last": lambda q: (2 ** q["axes"]) ** (q["gamma"] * q["last"]),
    "reach_of_a_layer": lambda q: prod([2] * (q["depth"] - q["layer"])),
    "eigenvalue_of_the_last_bias": lambda q: q["beta"] ** 2 * q["side"] ** 2,
    "common_over_own": lambda q: q["batch"] * q["shared"] / (1 - q["shared"]),
    "own_share_at_birth": lambda q: 1 - recursion(q["beta"], 2, 0)[0],
    "coverage_of_one_picture": balls_around,
    "push_through_tanh": lambda q: 1e6 / np.cosh(q["output"]) ** 2,
}


def test_forty_questions_on_all_chapters() -> None:
    assert len(exams.BANK) == 40
    assert [q.chapter for q in bank(1)] == sorted(q.chapter for q in bank(1))
    assert {q.chapter for q in bank(1)} == set(editions.chapters())
    assert ROADS.keys() == exams.BANK.keys()


@pytest.mark.parametrize("seed", SEEDS)
def test_answers_are_right_on_another_road(seed: int) -> None:
    for question in bank(seed):
        other = ROADS[question.name](question.given)
        # a tenth of the tolerance is room for float32, none for another formula
        assert abs(question.answer - other) <= max(question.tolerance / 10, 1e-6), question


@pytest.mark.parametrize("seed", SEEDS)
def test_every_field_is_filled_in(seed: int) -> None:
    for question in bank(seed):
        for text in (question.text, question.solution, *(w.why for w in question.wrong)):
            assert not re.search(r"<<|>>|\bnan\b|\binf\b|None", text), text
            assert text.count("$") % 2 == 0
        assert question.shown(question.answer) in question.solution
        for value in question.given.values():
            assert str(value) in question.text + question.solution


@pytest.mark.parametrize("seed", SEEDS)
def test_no_option_counts_as_another(seed: int) -> None:
    for question in bank(seed):
        options = sorted(question.options())
        assert question.answer in options
        assert len({question.shown(value) for value in options}) == len(options)
        assert all(np.diff(options) > question.tolerance)


def test_a_seed_gives_the_same_numbers_again_and_another_one_others() -> None:
    assert exams.drawn("race", 1) in bank(1)
    same = sum(a.text == b.text for a, b in zip(bank(1), bank(2), strict=True))
    assert same <= 6  # a few have no more than a handful of variants


def test_a_question_that_is_not_whole_is_refused() -> None:
    question = bank(1)[0]
    fields = {"text": "At <<angle>> degrees?", "given": {"angle": 30}}
    assert replace(question, **fields).text == "At 30 degrees?"
    with pytest.raises(ValueError, match=r"fields of first_covariance .* \['angle'\]"):
        replace(question, text="At <<angle>> degrees?", given={})
    with pytest.raises(ValueError, match="must be finite"):
        replace(question, answer=float("nan"), given={})
    near = exams.Wrong(question.answer + question.tolerance / 2, "Nearly.")
    with pytest.raises(ValueError, match="told apart"):
        replace(question, wrong=(near,), given={})


@pytest.mark.parametrize("paper", papers.PAPERS, ids=lambda paper: paper.title)
def test_an_exam_has_ninety_points_for_ninety_minutes(paper: papers.Paper) -> None:
    numbers = [exams.BANK[name].minutes for name in paper.numbers]
    assert sum(numbers) + sum(essay.points for essay in paper.essays) == 90
    asked, marked = (papers.written(paper, 1, solved=solved) for solved in (False, True))
    points = [int(found) for found in re.findall(r"\((\d+) points\)", asked)]
    assert sum(points) == 90
    assert "Answer:" not in asked
    assert marked.count("Answer:") == len(numbers)
    for essay in paper.essays:
        assert not any(what in asked for _, what in essay.marks)


def test_all_papers_are_written(tmp_path: Path) -> None:
    folder = exam.write(1, tmp_path)
    texts = {path.stem: path.read_text() for path in folder.iterdir()}
    assert sorted(texts) == ["bank", "exam-1", "exam-1-marking", "exam-2", "exam-2-marking", "oral"]
    assert texts["bank"].count("Answer:") == 40
    assert texts["oral"].count("Answer:") == 3
    for text in texts.values():
        assert text.count("$") % 2 == 0
        assert "<<" not in text
