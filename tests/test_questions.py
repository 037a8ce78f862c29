"""Questions with drawn numbers: each right answer comes out on a second road."""

import math
import re

import jax.numpy as jnp
import numpy as np
import pytest

from freezechaos import deconvolution, kernels, normalization, questions, spectra
from freezechaos.activations import normalized, standardized
from freezechaos.course import Drawn, Question, drawn, quiz
from freezechaos.graphs import transposed_convolution

SEEDS = range(60)


def asked(name: str, seed: int) -> tuple[list[float], float, float]:
    """Return the numbers of a question, its answer, and half a unit of the last digit of that."""
    question = getattr(questions, name)(np.random.default_rng(seed))
    numbers = [float(x) for x in re.findall(r"(?<![\w^.])-?\d+(?:\.\d+)?", question.text)]
    shown = question.answer
    digits = re.sub(r"e.*|%", "", shown).partition(".")[2]
    power = int(shown.partition("e")[2] or 0) - 2 * shown.endswith("%")
    return (
        numbers,
        float(shown.rstrip("%")) * 0.01 ** shown.endswith("%"),
        (0.51 * 10.0 ** (power - len(digits))),
    )


@pytest.mark.parametrize("name", questions.__all__)
def test_every_draw_is_a_question_with_four_options(name: str) -> None:
    made = [getattr(questions, name)(np.random.default_rng(seed)) for seed in SEEDS]
    assert all(len(question.options) == 4 for question in made)
    assert len({question.answer for question in made}) >= 3
    assert len(drawn(getattr(questions, name)).tries) == 4


@pytest.mark.parametrize("seed", SEEDS[:8])
def test_a_batch_loses_its_mode_as_steps_tell(seed: int) -> None:
    (points, value, rate, steps), answer, digit = asked("mode_left", seed)
    left = (1 - rate * value / points) ** steps  # descent; the flow is off by half its square
    drift = steps * (rate * value / points) ** 2
    assert abs(left - answer) < digit + left * drift


@pytest.mark.parametrize("seed", SEEDS[:8])
def test_the_covariance_is_that_of_gaussians(seed: int) -> None:
    numbers, answer, digit = asked("cosine_after_a_layer", seed)
    linear, cubic, beta, covariance = (x for x in numbers if 0 < x < 1)
    z, weights = np.polynomial.hermite_e.hermegauss(20)
    sigma = math.sqrt(linear) * z + math.sqrt(cubic) * (z**3 - 3 * z) / math.sqrt(6)
    other = covariance * z[:, None] + math.sqrt(1 - covariance**2) * z
    second = math.sqrt(linear) * other + math.sqrt(cubic) * (other**3 - 3 * other) / math.sqrt(6)
    mean = weights @ (sigma[:, None] * second) @ weights / (2 * math.pi)
    assert abs((1 - beta**2) * mean + beta**2 - answer) < digit


@pytest.mark.parametrize("seed", SEEDS[:8])
def test_the_gap_is_that_of_the_kernel(seed: int) -> None:
    question = questions.gap_after_layers(np.random.default_rng(seed))
    found = re.search(r"Normalized (\w+), .* β = ([\d.]+)\. .* After (\d+)", question.text)
    assert found
    sigma, beta, layers = normalized(found[1]), float(found[2]), int(found[3])
    ratio = 1.0
    for _ in range(layers):
        ratio *= (1 - beta**2) * float(sigma.derivative_dual(1.0))
    assert f"{1e-9 * ratio:.1e}" == question.answer


@pytest.mark.parametrize("seed", SEEDS[:6])
def test_steps_grow_as_the_smallest_kernel_gap_falls(seed: int) -> None:
    question = questions.steps_at_twice_the_depth(np.random.default_rng(seed))
    found = re.search(r"r = ([\d.]+)\. From depth (\d+)", question.text)
    assert found
    r, depth = float(found[1]), int(found[2])
    beta = math.sqrt(1 - r / normalized("erf").derivative_second_moment)
    gaps = [float(kernels.ntk_gap(normalized("erf"), beta, n, 0.3)) for n in (depth, 2 * depth)]
    assert abs(gaps[0] / gaps[1] / float(question.answer) - 1) < 0.25  # L grows by a constant


@pytest.mark.parametrize("seed", SEEDS[:8])
def test_the_hidden_bias_is_the_kernel_between_strangers(seed: int) -> None:
    question = questions.hidden_bias(np.random.default_rng(seed))
    found = re.search(r"Standardized (\w+) .* β = ([\d.]+),", question.text)
    assert found
    sigma, beta = standardized(found[1]), float(found[2])
    square = (1 - beta**2) * float(sigma.dual(0.0)) + beta**2
    assert abs(math.sqrt(square) - float(question.answer)) < 6e-4


@pytest.mark.parametrize("seed", SEEDS[:8])
def test_the_constant_has_its_share_of_a_trace(seed: int) -> None:
    (size, beta, entry), answer, digit = asked("share_of_the_constant", seed)
    n = int(size)
    centre = np.eye(n) - 1 / n
    gram = beta**2 / n + centre * (entry - beta**2 / n) * n / (n - 1)
    assert abs(gram.sum() / n**2 - beta**2 / n) < 1e-12  # of a kernel whose constant has beta^2
    assert abs(n * float(spectra.constant_share(jnp.asarray(gram))) - answer) < n * 1e-6 + digit


@pytest.mark.parametrize("seed", SEEDS[:3])
def test_the_race_is_that_of_a_large_batch(seed: int) -> None:
    (length,), answer, digit = asked("lead_in_a_race", seed)
    n, cosine = 200, 1 / math.pi
    lengths = np.ones(n)
    lengths[0] = length
    gram = (cosine + (1 - cosine) * np.eye(n)) * np.outer(lengths, lengths)
    after = np.diagonal(np.asarray(normalization.iterate(jnp.asarray(gram, jnp.float32), 2)[-1]))
    assert abs(math.sqrt(after[0] / after[1:].mean()) - answer) < digit + 4 * answer / n


@pytest.mark.parametrize("seed", SEEDS[:6])
def test_pixels_are_related_as_in_a_stack(seed: int) -> None:
    (*strides, distance), answer, _ = asked("related_as_at_depth", seed)
    layers = [transposed_convolution(2 * int(s), int(s), padding=int(s) // 2) for s in strides]
    relu, start = standardized("relu"), 5
    stack = deconvolution.DeconvStack(start, layers)
    middle = stack.sizes[-1][0] // 2
    kernel = deconvolution.compressed(stack, relu, 0.5, jnp.eye(start)).ntk
    row = np.asarray(kernel.row(middle))
    depth = int(answer)
    theory = kernels.ntk(relu, 0.5, depth, 0.0) * jnp.exp(
        kernels.log_ntk_diagonal(relu, 0.5, depth)
    )
    assert abs(row[middle + int(distance)] / float(theory) - 1) < 1e-4


@pytest.mark.parametrize("seed", SEEDS[:8])
def test_functions_of_a_period_are_counted(seed: int) -> None:
    (stride, period), answer, _ = asked("new_eigenimages", seed)
    shorter = period / stride
    both = {(a % shorter == 0, b % shorter == 0) for a in range(4) for b in range(4)}
    assert len(both) > 1
    frequencies = [(a, b) for a in range(int(period)) for b in range(int(period))]
    new = [f for f in frequencies if any(part % stride for part in f)]
    assert len(new) == answer


@pytest.mark.parametrize("seed", SEEDS[:6])
def test_the_corner_is_that_of_a_generator(seed: int) -> None:
    (window, stride, beta, layers, _), answer, digit = asked("corner", seed)
    layer = transposed_convolution(int(window), int(stride), padding=1)
    stack = deconvolution.DeconvStack((4, 4), [layer] * int(layers), "usual")
    sigma = deconvolution.diagonals(stack, standardized("relu"), beta).sigma
    square = np.asarray(sigma).reshape(stack.sizes[-1])
    assert abs(square[0, 0] - answer) < digit + 1e-6


@pytest.mark.parametrize("seed", SEEDS[:8])
def test_rates_are_those_of_the_package(seed: int) -> None:
    question = questions.rate_of_the_last_layer(np.random.default_rng(seed))
    found = re.search(r"^(\d) layers, each of stride (\d) .* γ = (.)", question.text)
    assert found
    count, stride, gamma = int(found[1]), int(found[2]), {"½": 0.5, "¼": 0.25}[found[3]]
    layer = transposed_convolution(2 * stride, stride, padding=stride // 2)
    rates = deconvolution.learning_rates(deconvolution.DeconvStack((2, 2), [layer] * count), gamma)
    first, last = np.asarray(rates, float)[[0, -1], 0]
    assert f"{first / last:.4g}" == question.answer


@pytest.mark.parametrize("seed", SEEDS[:8])
def test_common_and_own_parts_move_as_a_batch_does(seed: int) -> None:
    (share, size), answer, _ = asked("common_part", seed)
    n = int(size)
    kernel = (1 - share) + share * np.eye(n)  # traces, between the images of a batch
    moves = kernel @ np.eye(n) / n
    alike, alone = kernel @ np.ones(n) / n, moves[0, 0] - moves[1, 0]
    common = alike[0] - alone  # of one push that all images have
    assert abs(common / alone - answer) < 1e-3 * answer


@pytest.mark.parametrize("seed", SEEDS[:4])
def test_one_picture_covers_the_balls_it_lies_in(seed: int) -> None:
    numbers, answer, digit = asked("coverage_of_one_picture", seed)
    copies, balls, real = numbers
    assert copies == real
    inside = np.arange(real) < balls
    assert abs(inside.mean() - answer) < digit


def test_options_that_look_alike_are_refused() -> None:
    with pytest.raises(ValueError, match=r"two options of 'Which\?' look alike: \['1.0'\]"):
        questions._question("Which?", ".1f", right=(1.0, "Why."), wrong=(1.01, "Why."))


def test_a_drawn_question_has_other_numbers_at_every_try() -> None:
    made = drawn(questions.mode_left, 9)
    assert len({question.text for question in made.tries}) == 9
    assert made == drawn(questions.mode_left, 9)
    with pytest.raises(ValueError, match="`tries` must lie in 2 to 9; got 1"):
        drawn(questions.mode_left, 1)

    def always(rng: np.random.Generator) -> Question:
        return Question("Two?", {"yes": "It is.", "no": "Count."}, "yes")

    with pytest.raises(ValueError, match="must give 4 different texts; the seeds 0 to 99 gave 1"):
        drawn(always)


def test_text_has_the_first_try() -> None:
    made: Drawn = drawn(questions.common_part)
    assert repr(quiz(made)) == repr(quiz(made.tries[0]))
