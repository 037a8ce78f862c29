"""Two model exams and an oral one: questions of the bank, and questions marked by hand.

`written` and `oral` return Markdown, for students or, with `solved`, with solutions and marks.
"""

from dataclasses import dataclass

import numpy as np

from .bank import drawn, drawn_bank
from .question import Question

NUMBERS_ARE_MARKED = (
    "A number earns two thirds of its points for a road that leads to it, and the rest if it lies "
    "within the tolerance. A mistake that is carried on costs once."
)


@dataclass(frozen=True)
class Essay:
    """A question that is answered in sentences.

    Attributes:
        text: what is asked.
        marks: what earns points, and how many: together they are the answer.
    """

    text: str
    marks: tuple[tuple[int, str], ...]

    @property
    def points(self) -> int:
        """Return what it is worth."""
        return sum(points for points, _ in self.marks)


@dataclass(frozen=True)
class Paper:
    """An exam: its title, the questions of the bank by name, and those marked by hand."""

    title: str
    numbers: tuple[str, ...]
    essays: tuple[Essay, ...]


PAPERS = (
    Paper(
        "Depth and normalization (chapters 1 to 7)",
        (
            "width_for_kurtosis",
            "two_speeds",
            "kernel_of_depth_two",
            "characteristic_value",
            "layers_of_freeze",
            "condition_number",
            "hidden_bias",
            "critical_bias_of_shares",
            "error_of_the_mean",
            "batch_of_two",
            "race",
            "symmetric_batch",
        ),
        (
            Essay(
                "Let $\\sigma$ be standardized and smooth. Show that one layer multiplies a small "
                "gap $\\delta = 1 - \\Sigma$ by about $r$, and say why $R'(1)$ is "
                "$\\mathbb E[\\sigma'(Z)^2]$. What changes for ReLU, and where does it show?",
                (
                    (3, "One step: $1-\\Sigma' = (1-\\beta^2)(R(1)-R(1-\\delta)) \\approx "
                        "r\\delta$."),
                    (3, "$R = \\sum a_k^2\\rho^k$, and $\\sigma'$ has the coefficients $\\sqrt "
                        "k\\,a_k$."),
                    (2, "A kink: $R'$ has a square root at 1."),
                    (2, "The kernel then freezes like $r^{L/2}$ and not like $L\\,r^L$."),
                ),
            ),
            Essay(
                "Find the error: “Batch norm after the last nonlinearity holds the constant mode "
                "at "
                "$N\\beta^2$. The constant was the loudest mode, so deep frozen networks with "
                "batch "
                "norm can take larger steps.”",
                (
                    (3, "The first sentence is right, at every width."),
                    (4, "Batch norm divides by the small spread over the batch: all other modes "
                        "grow."),
                    (3, "The step is limited by the loudest mode, and soon that is another one."),
                ),
            ),
            Essay(
                "Thirty-two points go through many layers of recentring and ReLU, at finite width. "
                "One of them ends at a right angle to all others. Why one, and not two?",
                (
                    (3, "Longer points get longer: recentring takes most from those that are "
                        "alike."),
                    (3, "Two groups end on two sides of the centre: disjoint neurons, a right "
                        "angle."),
                    (4, "In a group of two a difference of length grows; a group of one has none."),
                ),
            ),
            Essay(
                "A friend trains a chaotic network of depth 32 and reports: “all training images "
                "right after a few steps; I only need more data.” Answer in five sentences.",
                (
                    (3, "Equal eigenvalues: one learning rate is right for all modes."),
                    (3, "Nothing is shared: new images keep the function of birth."),
                    (2, "More data help once every new image has a very near neighbour; less "
                        "depth, "
                        "or more bias, helps at once."),
                ),
            ),
        ),
    ),
    Paper(
        "Generators (chapters 1 to 3 and 8 to 13)",
        (
            "first_covariance",
            "kernel_on_the_diagonal",
            "layers_of_chaos",
            "parents",
            "distance_is_depth",
            "images_of_a_period",
            "share_of_white_noise",
            "limit_between_strangers",
            "corner_with_bias",
            "reach_of_the_frame",
            "rate_of_the_last",
            "eigenvalue_of_the_last_bias",
            "common_over_own",
            "coverage_of_one_picture",
        ),
        (
            Essay(
                "Prove that two pixels of a transposed convolution of stride $s$ share a tap only "
                "if "
                "$s$ divides their distance, and that their parents on it are $s$ times nearer. "
                "Conclude what $\\Theta$ is between two neighbours of stride 2, at every depth.",
                (
                    (4, "Subtract $p' = sq' + k - a$ from $p = sq + k - a$."),
                    (3, "Different taps are independent weights of mean zero: they drop out."),
                    (3, "Between neighbours the sums are empty: $\\Theta = \\Sigma = \\beta^2$."),
                ),
            ),
            Essay(
                "Find the error: “The frozen generator has precision 1 and the chaotic one 0.78. "
                "So "
                "the frozen one draws better images, if fewer of them.”",
                (
                    (4, "Precision counts how many of its images lie near a real one; here all "
                        "are one."),
                    (3, "Copies are counted 2,000 times: a black picture can have precision 1."),
                    (3, "Recall or coverage tell; so does a look at the samples."),
                ),
            ),
            Essay(
                "Someone replaces transposed by sub-pixel convolutions to be rid of checkerboards. "
                "What happens to the eigenimages? Which change would help, and at which price?",
                (
                    (3, "A sub-pixel layer is a transposed convolution: the same residues share "
                        "taps."),
                    (3, "A resize before the convolution lets all residues read through the same "
                        "taps."),
                    (4, "The price is blur: the constant and slow images first, in chaos too."),
                ),
            ),
            Essay(
                "“A generator with $r > 1$ does not collapse.” Say what is right about it, and "
                "give "
                "two conditions that it forgets.",
                (
                    (2, "A large own share lets a step move images apart; it is necessary."),
                    (3, "The share of the bias at *this* depth counts, not the sign of $r-1$."),
                    (3, "If pushes agree, as with a weak discriminator, all images move alike."),
                ),
            ),
        ),
    ),
)  # fmt: skip

TALKS = (
    (
        "Part I or II",
        ("relu_pair", "two_speeds", "kernel_of_depth_two", "layers_of_freeze", "condition_number"),
        "What moves, and what does not, when a wide network is trained? Draw one mode against "
        "time.",
        "The kernel is fixed by the architecture; modes have rates $\\lambda/N$; one number, $r$, "
        "says "
        "what depth does to it. A good answer says what finite width changes.",
    ),
    (
        "Part III",
        ("hidden_bias", "mean_taken_away", "batch_of_two", "cost_of_a_layer", "race"),
        "Where would you put a norm, before or after the nonlinearity, and what do you expect?",
        "Before it: next to nothing, on the sphere. After it: the mean goes, a bias in disguise. A "
        "good answer knows a case in which that is a loss.",
    ),
    (
        "Part IV or V",
        ("distance_is_depth", "corner_with_bias", "reach_of_a_layer", "common_over_own"),
        "Draw four output pixels of a generator and the weights they share. What does training do?",
        "Taps in common where the stride divides the distance; lattices; common motion and own "
        "one. "
        "A good answer says what the argument about one step does not know of the game.",
    ),
)


def written(paper: Paper, seed: int, *, solved: bool) -> str:
    """Return a written exam as Markdown: 90 minutes, 90 points, with its marks if `solved`."""
    questions = [drawn(name, seed) for name in paper.numbers]
    lines = [
        f"# {paper.title}",
        "90 minutes, 90 points. Allowed: a pocket calculator and one sheet of your own, both "
        "sides. "
        "Widths are infinite unless a question says otherwise. Say how you got there.",
    ]
    if solved:
        lines += [f"*Marking scheme.* {NUMBERS_ARE_MARKED}"]
    for number, question in enumerate(questions, 1):
        lines += [f"**{number}.** ({question.minutes} points) {question.text}"]
        lines += [_solution(question)] if solved else []
    for number, essay in enumerate(paper.essays, len(questions) + 1):
        lines += [f"**{number}.** ({essay.points} points) {essay.text}"]
        lines += ["\n".join(f"> - {p} points: {w}" for p, w in essay.marks)] if solved else []
    return "\n\n".join(lines) + "\n"


def oral(seed: int) -> str:
    """Return the sheet of an oral exam of 30 minutes: three talks, a number in each."""
    rng = np.random.default_rng([seed, *b"oral"])
    lines = [
        "# Oral examination",
        "Thirty minutes, ten a part. The candidate has the board. Begin with the open question; "
        "when "
        "it is in flow, ask for the number: the road counts, not the arithmetic. End each part "
        "with "
        "*how would you check that in a finite network?*",
    ]
    for part, names, opening, good in TALKS:
        question = drawn(names[int(rng.integers(len(names)))], seed)
        lines += [
            f"## {part}",
            f"**Begin.** {opening}",
            f"**Listen for.** {good}",
            f"**A number.** {question.text}",
            _solution(question),
        ]
    lines += [
        "## Marks",
        "| points | 0 | 1 | 2 | 3 |\n|---|---|---|---|---|\n"
        "| says it in own words | no | with help | yes | and with an example |\n"
        "| proves it | no | the idea | the steps | and where a condition is used |\n"
        "| gets the number | no | with help | the road | and its size beforehand |\n"
        "| knows where it ends | no | when asked | one limit | and how one would see it |",
        "Add the three parts: 36 points.",
    ]
    return "\n\n".join(lines) + "\n"


def whole_bank(seed: int) -> str:
    """Return all questions as Markdown, with solutions and the mistakes behind wrong options."""
    lines = ["# The exam bank", NUMBERS_ARE_MARKED]
    for question in drawn_bank(seed):
        head = f"## {question.name.replace('_', ' ')}"
        chapter = f"*Chapter {int(question.chapter[:2])}, {question.minutes} points.*"
        lines += [head, f"{chapter} {question.text}", _solution(question)]
        mistakes = [f"- {question.shown(w.value)}: {w.why}" for w in question.wrong]
        lines += ["\n".join(mistakes)] if mistakes else []
    return "\n\n".join(lines) + "\n"


def _solution(question: Question) -> str:
    room = f" ± {question.tolerance:g}" if question.tolerance else ""
    return f"> {question.solution} **Answer: {question.shown(question.answer)}{room}.**"
