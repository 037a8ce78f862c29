"""The explorers that the book shows: right at every corner, exact where they speak, small."""

import itertools
import re
from collections.abc import Callable

import jax.numpy as jnp
import numpy as np
import pytest
from playwright.sync_api import Browser, expect

from freezechaos import kernels, regimes
from freezechaos.explorers import Explorer, cobweb, ntk_on_the_circle, phase_diagram
from freezechaos.explorers.fully_connected import DEGREES, named_activation, named_regime

ACTIVATIONS = ("relu", "normalized relu", "erf")
SHIPPED = {"circle": ntk_on_the_circle, "cobweb": cobweb, "phases": phase_diagram}


@pytest.fixture(scope="module")
def explorers() -> dict[str, Explorer]:
    return {slug: make() for slug, make in SHIPPED.items()}


@pytest.fixture(scope="module", params=SHIPPED)
def explorer(request: pytest.FixtureRequest, explorers: dict[str, Explorer]) -> Explorer:
    return explorers[request.param]


def test_every_corner_is_finite_and_shown_as_computed(explorer: Explorer) -> None:
    for corner in explorer.corners():
        exact, shown = explorer.at(**corner), explorer.interpolated(**corner)
        for name, value in shown.items():
            assert np.isfinite(exact[name]).all(), (corner, name)
            assert value == pytest.approx(exact[name], rel=1e-3, abs=5e-5), (corner, name)


def test_between_grid_points_the_error_is_below_half_a_digit(explorer: Explorer) -> None:
    """Where an axis is interpolated; by steps, the cells' centres are the grid itself."""
    centres = itertools.islice(explorer.midpoints(), 3, None, 97)
    errors = explorer.interpolation_error(itertools.islice(centres, 12))
    assert max(error for name, error in errors.items() if name != "layers") < 5e-4
    assert errors.get("layers", 0) < 0.5


def test_the_page_carries_little(explorers: dict[str, Explorer]) -> None:
    assert sum(explorer.payload_bytes for explorer in explorers.values()) < 300_000


@pytest.mark.parametrize("beta", [0.0, 0.5, 0.85])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_the_circle_says_what_the_kernel_is(
    explorers: dict[str, Explorer], activation: str, beta: float
) -> None:
    assert DEGREES[len(DEGREES) // 2] == 90
    sigma = named_activation(activation)
    for depth in (1, 16, 256):
        said = explorers["circle"].sentence(activation=activation, beta=beta, depth=depth)
        r, right = numbers(said, r"r = ([−\d.]+), .* share ([−\d.]+) of")
        assert r == pytest.approx(float(regimes.characteristic_value(sigma, beta)), abs=6e-4)
        assert right == pytest.approx(float(kernels.ntk(sigma, beta, depth, 0.0)), abs=6e-4)
        assert "−0.000" not in said


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_the_staircase_ends_at_the_covariance(
    explorers: dict[str, Explorer], activation: str
) -> None:
    sigma = named_activation(activation)
    for start, beta in ((0.5, 0.1), (0.999, 0.0), (-1, 0.45)):
        shown = explorers["cobweb"].interpolated(start=start, beta=beta, activation=activation)
        rho = [start]
        for _ in range(12):
            rho.append(float((1 - beta**2) * sigma.dual(jnp.float32(rho[-1])) + beta**2))
        assert shown["end"] == pytest.approx(rho[-1], abs=2e-4)
        assert shown["x"][1, :13] == pytest.approx([start, *rho[:-1]], abs=2e-4)
        assert shown["y"][1, :13] == pytest.approx(rho, abs=2e-4)
        assert np.ptp(shown["y"][1, 12:]) < 1e-6


def test_the_phases_say_what_theory_says(explorers: dict[str, Explorer]) -> None:
    for activation, beta in (("erf", 0.3), ("tanh", 0.7), ("normalized relu", 0.0)):
        sigma = named_activation(activation)
        said = explorers["phases"].sentence(activation=activation, beta=beta)
        assert f", {regimes.regime(sigma, beta)}. " in said
        r, layers = numbers(said, r"r = ([\d.]+), .* in about ([\d.]+) layers")
        assert r == pytest.approx(float(regimes.characteristic_value(sigma, beta)), abs=6e-4)
        assert layers == pytest.approx(regimes.depth_scale(sigma, beta), rel=6e-3)
        theta = explorers["phases"].interpolated(activation=activation, beta=beta)["theta"]
        assert theta[0, 5] == pytest.approx(float(kernels.ntk(sigma, beta, 32, 0.9)), abs=5e-5)
    said = explorers["phases"].sentence(activation="relu", beta=0.0)
    assert "the edge" in said
    assert said.endswith("in more than 999 layers.")


def test_the_edge_is_that_of_the_theory() -> None:
    assert named_regime({"activation": "relu", "beta": 0.0}) == "the edge"
    assert named_regime({"activation": "relu", "beta": 0.025}) == "freeze"


def test_a_page_chooses_where_to_begin() -> None:
    start = {"activation": "normalized relu", "beta": 0.5, "depth": 1}
    landing = ntk_on_the_circle(ACTIVATIONS, start=start)
    assert landing.setting == landing.start == start
    assert landing.spec["axes"][0]["start"] == 1
    assert cobweb(("relu", "erf")).start["activation"] == "relu"
    assert phase_diagram(("gelu", "relu")).start["activation"] == "gelu"
    with pytest.raises(ValueError, match="there is no axis `width`"):
        cobweb(("relu", "erf"), start={"width": 3})


@pytest.mark.browser
def test_the_page_says_and_draws_the_same(
    browser: Browser, publish: Callable[..., str], explorers: dict[str, Explorer]
) -> None:
    page = browser.new_page(viewport={"width": 1000, "height": 900})
    page.goto(f"{publish(*explorers.values())}#circle:depth=256,beta=0,activation=erf")
    expect(page.locator(".fc-sentence")).to_have_count(3)
    circle, stairs, phases = page.locator(".fc-explorer").all()
    said = explorers["circle"].sentence(depth=256, beta=0, activation="erf")
    assert "still share 0.000 of" in said
    for shown, words in (
        (circle, said),
        (stairs, explorers["cobweb"].sentence()),
        (phases, explorers["phases"].sentence()),
    ):
        expect(shown.locator(".fc-sentence")).to_have_text(words.replace(" = ", "\u00a0=\u00a0"))
    assert (circle.locator("path.fc-round").get_attribute("d") or "").count(",") == 122
    assert {"1", "4", "16", "64"} <= set(phases.locator(".fc-tick").all_text_contents())
    page.close()


def numbers(sentence: str, pattern: str) -> list[float]:
    found = re.search(pattern, sentence)
    assert found, sentence
    return [float(number.replace("−", "-")) for number in found.groups()]
