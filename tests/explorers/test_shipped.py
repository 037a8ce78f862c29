"""The explorers that the book shows: right at every corner, exact where they speak, small."""

import itertools
import re
from collections.abc import Callable
from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from playwright.sync_api import Browser, expect

from freezechaos import (
    deconvolution,
    dynamics,
    empirical,
    kernels,
    normalization,
    regimes,
    spectra,
)
from freezechaos.activations import recentred, standardized
from freezechaos.explorers import (
    Explorer,
    ancestry,
    batch_norm_spectra,
    bistable_map,
    border_frames,
    borders,
    checkerboard_modes,
    checkerboards,
    cobweb,
    combs,
    desk,
    films,
    hermite_mixer,
    lattice_faders,
    layer_norm_bench,
    layerwise,
    learning,
    learning_curves,
    mixing,
    mixing_desk,
    moving_origin,
    neurons,
    newborn_frames,
    normalizing,
    ntk_on_the_circle,
    odd,
    one_layer,
    one_neuron,
    one_push,
    own_activation,
    phase_diagram,
    pixel_kernels,
    positions,
    push,
    random_functions,
    shared_ancestry,
    training,
    training_film,
    training_on_the_circle,
    two_candidates,
    two_value_model,
)
from freezechaos.explorers.fully_connected import (
    DEGREES,
    FIELD,
    REACH,
    named_activation,
    named_regime,
)
from freezechaos.explorers.grid import LEVELS
from freezechaos.explorers.prior import APART, ROUND, WIDTHS
from freezechaos.gan import study
from freezechaos.networks import FullyConnected, circle, newborn

ACTIVATIONS = ("relu", "normalized relu", "erf")
PAGES = {
    "01_wide_networks": {"birth": random_functions, "mixer": hermite_mixer},
    "02_the_tangent_kernel": {"training": training_on_the_circle},
    "03_freeze_and_chaos": {
        "circle": ntk_on_the_circle,
        "cobweb": cobweb,
        "phases": phase_diagram,
        "own": own_activation,
    },
    "04_trainability_and_generalization": {"learning": learning_curves},
    "05_layer_norm_and_nonlinearity": {"slider": layer_norm_bench, "layer": one_layer},
    "06_batch_norm_and_the_constant_mode": {"batch": batch_norm_spectra, "neuron": one_neuron},
    "07_batch_norm_decomposed": {
        "origin": moving_origin,
        "two-values": two_value_model,
        "bistable": bistable_map,
        "rivals": two_candidates,
    },
    "08_deconvolution_kernels": {"pixel": pixel_kernels, "ancestry": shared_ancestry},
    "09_checkerboards": {"boards": checkerboard_modes, "faders": lattice_faders},
    "10_borders_and_graphs": {"frames": border_frames},
    "11_learning_rates": {"desk": mixing_desk},
    "12_one_push_moves_all": {"push": one_push},
    "13_frozen_and_chaotic_generators": {"film": training_film},
}
HEAVIEST = {  # pictures, five copies of the script, and what computes there; else 300 kB
    "03_freeze_and_chaos": 425_000,
    "08_deconvolution_kernels": 425_000,
    "07_batch_norm_decomposed": 455_000,
    "13_frozen_and_chaotic_generators": 1_200_000,
}
SHIPPED = {slug: make for page in PAGES.values() for slug, make in page.items()}


class Shipped(dict[str, Explorer]):
    """The explorers, each made when it is first asked for: one test does not wait for all."""

    def __missing__(self, slug: str) -> Explorer:
        return self.setdefault(slug, SHIPPED[slug]())


@pytest.fixture(scope="module")
def explorers() -> dict[str, Explorer]:
    return Shipped()


@pytest.fixture(scope="module", params=SHIPPED)
def explorer(request: pytest.FixtureRequest, explorers: dict[str, Explorer]) -> Explorer:
    return explorers[request.param]


def test_every_corner_is_finite_and_shown_as_computed(explorer: Explorer) -> None:
    for corner in explorer.corners():
        exact, shown = explorer.at(**corner), explorer.interpolated(**corner)
        for name, level in levels(explorer).items():
            assert np.isfinite(exact[name]).all(), (corner, name)
            close = pytest.approx(exact[name], rel=1e-3, abs=max(5e-5, level))
            assert shown[name] == close, (corner, name)


def test_between_grid_points_the_error_is_below_half_a_digit(explorer: Explorer) -> None:
    """Where an axis is interpolated; by steps, the cells' centres are the grid itself."""
    centres = itertools.islice(explorer.midpoints(), 3, None, 97)
    errors = explorer.interpolation_error(itertools.islice(centres, 12))
    assert errors.pop("layers", 0) < 0.5
    logs = {out["name"]: np.exp(out["high"]) for out in explorer.spec["outputs"] if out["log"]}
    for name, error in errors.items():  # a level of a logarithm is a share of the value
        assert error < max(5e-4, levels(explorer)[name] * logs.get(name, 1)), name


@pytest.mark.parametrize("page", PAGES)
def test_a_page_carries_little(explorers: dict[str, Explorer], page: str) -> None:
    weight = sum(explorers[slug].payload_bytes for slug in PAGES[page])
    assert weight < HEAVIEST.get(page, 300_000)


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
        assert shown["way"] == pytest.approx(rho, abs=2e-4)
        meets = regimes.fixed_point(sigma, beta)
        assert shown["meets"] == pytest.approx(meets, abs=2e-4)
        assert shown["x"][2] == pytest.approx(np.full(25, meets), abs=2e-4)
        assert shown["y"][2] == pytest.approx(np.full(25, meets), abs=2e-4)


@pytest.mark.parametrize(
    ("activation", "beta", "mean"),
    [("relu", 0.0, 0.31831), ("relu", 0.37, 0.0), ("tanh", 0.7, 0.42), ("softplus", 0.1, 0.05)],
)
def test_the_phases_say_what_theory_says(
    explorers: dict[str, Explorer], activation: str, beta: float, mean: float
) -> None:
    """By a function with that mean, and by the bias share that acts as the mean does."""
    base = named_activation(f"normalized {activation}")
    sigma = standardized(lambda z: np.sqrt(mean) + np.sqrt(1 - mean) * base(z))
    setting = {"activation": activation, "beta": beta, "mean": mean}
    r = float(regimes.characteristic_value(sigma, beta))
    for depth in (1, 8, 128):
        said = explorers["phases"].sentence(depth=depth, **setting)
        regime = "the edge" if abs(r - 1) < 5e-4 else regimes.regime(sigma, beta)
        assert f", {regime}. At depth" in said
        found, right = numbers(said, r"r = ([\d.]+), .* share ([−\d.]+) of")
        assert found == pytest.approx(r, abs=6e-4)
        assert right == pytest.approx(float(kernels.ntk(sigma, beta, depth, 0.0)), abs=6e-4)
        larger = np.sqrt(beta**2 + (1 - beta**2) * mean)
        same = 1 - (1 - beta**2) / (1 - larger**2)
        if depth > 1:
            theta = float(kernels.ntk(base, larger, depth, same))
            assert right == pytest.approx(theta, abs=6e-4)
    if abs(r - 1) > 1e-3:
        (layers,) = numbers(said, r"in about ([\d.]+) layers\.$")
        assert layers == pytest.approx(regimes.depth_scale(sigma, beta), rel=6e-3)
    else:
        assert said.endswith("in more than 999 layers.")
    theta = explorers["phases"].at(**setting)["theta"]
    for cosine, curve in zip((0.9, 0.0), theta, strict=True):
        expected = [float(kernels.ntk(sigma, beta, L, cosine)) for L in (1, 8, 128)]
        assert curve[[0, 5, 13]] == pytest.approx(expected, abs=5e-5)


def test_the_map_of_phases_is_the_kernel_at_every_place(explorers: dict[str, Explorer]) -> None:
    betas, means = (np.linspace(0, ends[-1], n) for ends, n in zip(REACH, FIELD, strict=True))
    for activation, depth in (("relu", 8), ("gelu", 45)):
        field = explorers["phases"].at(activation=activation, depth=depth)["apart"]
        for row, column in ((0, 0), (32, 38), (7, 25), (30, 3)):
            place = {"beta": betas[column], "mean": means[row]}
            there = explorers["phases"].at(activation=activation, depth=depth, **place)
            assert field[row, column] == pytest.approx(1 - there["right"], abs=2e-6)


def test_everyone_stands_where_the_map_says(explorers: dict[str, Explorer]) -> None:
    phases = explorers["phases"]
    lines = phases.spec["views"][0]["lines"]
    for line in lines:
        if line["label"] == "r = 1":
            for x, y in zip(line["x"][::13], line["y"][::13], strict=True):
                beta, mean = (
                    np.interp(p, range(len(v)), v) for p, v in zip((x, y), REACH, strict=True)
                )
                assert phases.at(beta=beta, mean=mean, **line["where"])["r"] == pytest.approx(
                    1, abs=1e-4
                )
    he = next(line for line in lines if line["label"] == "He initialization")
    relu = named_activation("relu")
    assert np.interp(he["y"][0], range(len(REACH[1])), REACH[1]) == pytest.approx(relu.mean**2)
    assert ", the edge. " in phases.sentence()
    assert phases.start["beta"] == 0
    assert phases.start["mean"] == pytest.approx(1 / np.pi)


@pytest.mark.parametrize("beta", [0.0, 0.3, 0.9])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_width_leads_the_covariances_to_the_theory(
    explorers: dict[str, Explorer], activation: str, beta: float
) -> None:
    assert APART[len(APART) // 2] == 90
    birth, sigma = explorers["birth"], named_activation(activation)
    for depth in (2, 8):
        setting = {"activation": activation, "beta": beta, "depth": depth}
        limit = np.asarray(kernels.nngp(sigma, beta, depth, jnp.cos(jnp.deg2rad(APART))))
        narrow, *_, wide, widest = (birth.at(width=n, **setting)["covariances"] for n in WIDTHS)
        assert narrow[-1] == pytest.approx(limit, abs=1e-5)
        assert widest == pytest.approx(np.tile(limit, (22, 1)), abs=1e-5)
        far, close = (np.mean(np.abs(given[:-1] - limit)) for given in (narrow, wide))
        assert close < far
        if depth == 2:  # exact in the mean at every width
            error = wide[:-1].std(axis=0, ddof=1) / np.sqrt(21)
            assert (np.abs(wide[:-1].mean(axis=0) - limit) < 4 * error + 1e-5).all()
        said = birth.sentence(width="64", **setting)
        own, low, high, right = numbers(
            said, r"variance ([\d.]+) in this .* between ([\d.]+) and ([\d.]+) .* is ([−\d.]+)\.$"
        )
        ends = [wide[20, 0], wide[:20, 0].min(), wide[:20, 0].max()]
        assert [own, low, high] == pytest.approx(ends, abs=6e-3)
        assert right == pytest.approx(float(kernels.nngp(sigma, beta, depth, 0.0)), abs=6e-3)
        assert "−0.00" not in said


def test_random_functions_have_the_symmetries_of_networks(explorers: dict[str, Explorer]) -> None:
    half = len(ROUND) // 2
    for width, depth in itertools.product(("4", "64", "∞"), (2, 16)):
        setting = {"width": width, "depth": depth, "beta": 0.0, "activation": "erf"}
        shown = explorers["birth"].at(**setting)["functions"]
        assert shown[:, half:] == pytest.approx(-shown[:, : half + 1], abs=1e-3)
        assert shown[:, -1] == pytest.approx(shown[:, 0], abs=1e-3)


def test_drawn_again_a_network_is_among_those_before(explorers: dict[str, Explorer]) -> None:
    for width in ("16", "∞"):
        first, second = (explorers["birth"].at(draw=n, width=width) for n in (20, 21))
        for name, last in (("functions", None), ("covariances", -1)):
            kept, now = first[name][:last], second[name][:last]
            assert now[:-1] == pytest.approx(kept[1:], abs=1e-5)
            assert np.abs(now[-1] - kept[-1]).max() > (0.1 if name == "functions" else -1)
    many = [explorers["birth"].at(draw=n, width="∞")["functions"] for n in range(20, 1020, 21)]
    values = np.concatenate(many)[:, 0]
    assert len(np.unique(values)) == len(values) == 1008
    assert values.std() == pytest.approx(1, abs=4 / np.sqrt(2 * len(values)))


@pytest.mark.browser
def test_the_button_draws_again_and_round(
    browser: Browser, publish: Callable[..., str], explorers: dict[str, Explorer]
) -> None:
    birth = explorers["birth"]
    page = browser.new_page(viewport={"width": 1000, "height": 900})
    page.goto(f"{publish(birth)}#birth:width=16,depth=5,beta=0.33,activation=erf,draw=1018")
    sentence, again = page.locator(".fc-sentence"), page.get_by_role("button", name="Draw again")
    setting = {"width": "16", "depth": 5, "beta": 0.33, "activation": "erf"}
    for number in (1018, 1019, 20, 21):
        words = birth.sentence(draw=number, **setting).replace(" = ", "\u00a0=\u00a0")
        expect(sentence).to_have_text(words)
        expect(page.locator("output").first).to_have_text(str(number))
        again.press("Enter")
    page.close()


@pytest.mark.browser
def test_the_point_among_the_phases_follows_mouse_keys_and_finger(
    browser: Browser, publish: Callable[..., str], explorers: dict[str, Explorer]
) -> None:
    phases = explorers["phases"]
    page = browser.new_page(viewport={"width": 1000, "height": 900}, has_touch=True)
    page.goto(f"{publish(phases)}#phases:depth=128")
    handle, canvas = page.get_by_role("slider", name="drag"), page.locator(".fc-stage canvas")
    sentence = page.locator(".fc-sentence")
    box = canvas.bounding_box()
    assert box
    x, y = (box["x"] + box["width"] * at / 95 for at in (10, 90)), box["y"] + box["height"] * 0.8
    chaos, freeze = ((place, y) for place in x)
    page.mouse.move(*freeze)
    page.mouse.down()
    page.mouse.up()
    expect(sentence).to_contain_text(
        "with 16.0% of its power in the mean, β = 0.90".replace(" = ", "\u00a0=\u00a0")
    )
    expect(sentence).to_contain_text("freeze")
    handle.press("ArrowLeft")
    handle.press("ArrowUp")
    expect(sentence).to_contain_text("with 17.0% of its power in the mean, β\u00a0=\u00a00.89")
    page.touchscreen.tap(*chaos)
    expect(sentence).to_contain_text("β\u00a0=\u00a00.10")
    expect(sentence).to_contain_text("chaos")
    red, blue = (
        page.evaluate(
            """([x, y]) => {
              const canvas = document.querySelector(".fc-stage canvas");
              const { left, top } = canvas.getBoundingClientRect();
              const pixel = canvas.getContext("2d").getImageData(x - left, y - top, 1, 1).data;
              return pixel[0] - pixel[2];
            }""",
            place,
        )
        for place in (chaos, freeze)
    )
    assert red > 50
    assert blue < -50
    page.close()


@pytest.mark.browser
@pytest.mark.parametrize("slug", ["birth", "cobweb", "layer", "phases", "two-values"])
def test_the_page_computes_as_python_does_at_the_corners(
    browser: Browser, publish: Callable[..., str], explorers: dict[str, Explorer], slug: str
) -> None:
    explorer = explorers[slug]
    page = browser.new_page(viewport={"width": 1000, "height": 900})
    address = publish(explorer)
    for setting in itertools.islice(explorer.corners(), 0, None, 5):
        settled = ",".join(f"{name}={value}" for name, value in setting.items())
        page.goto(f"{address}#{slug}:{settled}")
        words = explorer.sentence(**setting).replace(" = ", "\u00a0=\u00a0")
        expect(page.locator(".fc-sentence")).to_have_text(words)
    page.close()


def test_the_origin_says_what_a_layer_keeps(explorers: dict[str, Explorer]) -> None:
    """Against a wide layer with its weights drawn, and the law between points on one ray."""
    rng, places = np.random.default_rng(0), odd.PLACES
    for row, column in ((2, 8), (6, 12), (10, 1)):
        points = np.vstack([odd.FIXED, [places[column], places[::-1][row]]])
        z = (points - points.mean(axis=0)) @ rng.normal(size=(2, 400_000))
        after = np.maximum(z, 0)
        said = explorers["origin"].sentence(row=row, column=column)
        kept = numbers(said, r"keeps (\d+)% .* A, (\d+)% .* B and (\d+)% .* C")
        for k, share in enumerate(kept):
            before = np.sum((points[3] - points[k]) ** 2)
            found = 2 * np.mean((after[3] - after[k]) ** 2) / before
            assert share == pytest.approx(100 * found, abs=0.8)
        shown = explorers["origin"].interpolated(row=row, column=column)
        assert shown["shares"][row, column] == pytest.approx(kept[0] / 100, abs=0.006)
        assert shown["x"][:, 1] == pytest.approx(points[:, 0], abs=1e-3)
        assert shown["y"][:, 1] == pytest.approx(points[:, 1], abs=1e-3)


@pytest.mark.parametrize("k", [1, 4, 16])
def test_two_values_have_the_lengths_of_the_law(explorers: dict[str, Explorer], k: int) -> None:
    shown = explorers["two-values"].at(k=k, width=max(odd.WIDTHS), draw=2)["lengths"]
    assert k * shown[0] ** 2 + (32 - k) * shown[1] ** 2 == pytest.approx(np.full(31, 32), rel=1e-3)
    drawn = np.asarray(normalization.two_values(jax.random.key(0), 32, k, 10**5))
    expected = np.linalg.norm(drawn[0]) / np.linalg.norm(drawn[-1])
    assert np.median(shown[0, 1:] / shown[1, 1:]) == pytest.approx(expected, rel=0.05)
    said = explorers["two-values"].sentence(k=k)
    assert numbers(said, r"it is ([\d.]+) times") == pytest.approx([(32 - k) / k])


@pytest.mark.parametrize("parts", odd.PARTS)
@pytest.mark.parametrize("n", [8, 64])
def test_the_bistable_map_leads_where_matrices_go(
    explorers: dict[str, Explorer], parts: str, n: int
) -> None:
    """To the state of the theory above its border, back below it; and as the map of matrices."""
    state = normalization.odd_states(n, rescale=odd.PARTS[parts])
    for excess in (1, 50):
        shown = explorers["bistable"].interpolated(parts=parts, n=n, excess=excess)
        won = bool(state) and excess > 100 * state.excess
        assert shown["end"] == pytest.approx(state.contrast if won else 1, rel=0.1)
        said = explorers["bistable"].sentence(parts=parts, n=n, excess=excess)
        assert ("becomes odd" in said) == won
        excess = 100 * state.excess if state else 0
        assert shown["border"] == pytest.approx(excess, rel=0.02, abs=0.02)
        assert shown["contrast"][0] == pytest.approx(shown["contrast"][3], rel=1e-3)
    if n == 8:
        names = normalization.PARTS if odd.PARTS[parts] else ("recentre", "nonlinearity")
        grams = normalization.iterate(jnp.diag(jnp.ones(8).at[7].set(1.5) ** 2), 20, names)
        found = normalization.contrast(grams[::5])
        assert shown["contrast"][3, :5] == pytest.approx(np.asarray(found), rel=0.02)


def test_a_kick_is_that_of_a_length_seen_from_the_centre() -> None:
    """Mean and variance of (v - 1/sqrt(pi))^2, v = sqrt(2) max(Z, 0), by the trapezoidal rule."""
    z = np.linspace(-12, 12, 200_001)
    law = np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi) * (z[1] - z[0])
    square = (np.sqrt(2) * np.maximum(z, 0) - 1 / np.sqrt(np.pi)) ** 2
    mean, second = np.sum(law * square), np.sum(law * square**2)
    assert second / mean**2 - 1 == pytest.approx(odd.KICK, rel=1e-6)


def test_noise_carries_some_walks_across(explorers: dict[str, Explorer]) -> None:
    still = explorers["bistable"].interpolated(n=32, excess=0)
    noisy = explorers["bistable"].interpolated(n=32, excess=0, width="1000")
    assert still["end"] == pytest.approx(1, abs=1e-2)
    assert noisy["end"] == pytest.approx(1, abs=1e-2)
    assert np.max(noisy["contrast"][:3, -1]) > 1000


def test_the_longer_of_two_candidates_wins(explorers: dict[str, Explorer]) -> None:
    """As the map of matrices says, and no one where both are short."""
    rivals = explorers["rivals"]
    for lengths, word in (
        ((1.4, 1.2), "first point is the odd one"),
        ((1.2, 1.4), "second is odd"),
        ((1.0, 0.95), "neither is odd"),
        ((2.0, 2.0), "stay equal"),
    ):
        said = rivals.sentence(first=lengths[0], second=lengths[1])
        assert word in said
        (length,) = numbers(said, r"has ([\d.]+) lengths")
        everyone = np.append(lengths, np.ones(30))
        gram = np.outer(everyone, everyone) / np.pi + np.diag(everyone**2) * (1 - 1 / np.pi)
        last = np.asarray(normalization.iterate(jnp.asarray(gram, jnp.float32), 1500)[-1])
        square = np.sqrt(last.diagonal() / last[-1, -1])
        if lengths[0] != lengths[1]:  # a matrix of rounded numbers leaves the saddle
            assert length == pytest.approx(square[:2].max(), rel=0.02)
    assert length == pytest.approx(normalization.split_state(32, 2).length, rel=0.01)


@pytest.mark.parametrize("activation", ["relu", "gelu", "softplus", "erf"])
@pytest.mark.parametrize(("share", "beta", "depth"), [(0, 0.5, 64), (0.4, 0.3, 16), (1, 0.1, 32)])
def test_the_slider_takes_the_mean_away(
    explorers: dict[str, Explorer], activation: str, share: float, beta: float, depth: int
) -> None:
    """Its kernel, with the share traced, is that of the recentred activation."""
    slider, sigma = explorers["slider"], recentred(activation, share)
    setting = {"share": share, "beta": beta, "depth": depth, "activation": activation}
    r, right = numbers(slider.sentence(**setting), r"r = ([\d.]+), .* share ([−\d.]+) of")
    assert r == pytest.approx(float(regimes.characteristic_value(sigma, beta)), abs=6e-4)
    assert right == pytest.approx(float(kernels.ntk(sigma, beta, depth, 0.0)), abs=6e-4)
    shown = slider.interpolated(**setting)
    cosine = jnp.cos(jnp.deg2rad(normalizing.DEGREES))
    theta = np.asarray(kernels.ntk(sigma, beta, depth, cosine))
    assert shown["theta"] == pytest.approx(theta, abs=2e-4)
    for place, value in zip(shown["shares"].ravel(), shown["values"].ravel(), strict=True):
        expected = regimes.characteristic_value(recentred(activation, round(place, 6)), beta)
        assert value == pytest.approx(float(expected), abs=2e-4)
    assert (shown["values"][0] < 1 + 1e-3).all() or shown["shares"][0, -1] < 1e-3
    assert (shown["values"][1] > 1 - 1e-3).all() or shown["shares"][1, 0] > 1 - 1e-3


@pytest.mark.parametrize("batch_norm", [False, True])
def test_the_batch_is_that_of_finite_networks(batch_norm: bool) -> None:
    """Its kernel, with depth and beta traced, is that of a network with the same weights."""
    key, depth, beta, width = jax.random.key(3), 4, 0.3, normalizing.WIDTH
    x = circle(jnp.linspace(0, 6, 5))
    keys, longest = jax.random.split(key, 4), max(normalizing.LAYERS)
    first = jax.random.normal(keys[0], (2, width))
    others = jax.random.normal(keys[1], (longest - 2, width, width))[: depth - 2]
    biases = jax.random.normal(keys[2], (longest - 1, 1, width))[: depth - 1, 0]
    last = jax.random.normal(keys[3], (width, 1))
    widths = [2, *[width] * (depth - 1), 1]
    network = FullyConnected(widths, named_activation("erf"), beta, batch_norm=batch_norm, key=key)
    weights = tuple(w.T for w in (first, *others, last))
    network = eqx.tree_at(lambda n: n.weights, network, weights)
    network = eqx.tree_at(lambda n: n.biases, network, (*biases, jnp.zeros(1)))
    found = normalizing.batch_kernel(
        key, x, jnp.float32(beta), jnp.int32(depth), batch_norm=batch_norm
    )
    assert found == pytest.approx(np.asarray(empirical.ntk(network, x)), rel=1e-3, abs=1e-3)


def test_the_batch_says_how_the_constant_is_capped(explorers: dict[str, Explorer]) -> None:
    pattern = r"= ([\d.]+) without batch norm and ([\d.]+) with it, which is (\d+)% and (\d+)%"
    for beta, depth, samples in ((0.7, 16, 32), (0.3, 2, 4), (0.0, 8, 8)):
        said = explorers["batch"].sentence(beta=beta, depth=depth, samples=samples)
        without, capped, held, after = numbers(said, pattern)
        assert capped == pytest.approx(beta**2, abs=6e-3)
        assert without > capped
        assert held >= after


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
    explorers = {slug: explorers[slug] for slug in SHIPPED}
    page.goto(f"{publish(*explorers.values())}#circle:depth=256,beta=0,activation=erf")
    expect(page.locator(".fc-sentence")).to_have_count(len(explorers))
    shown = dict(zip(explorers, page.locator(".fc-explorer").all(), strict=True))
    settings = {"circle": {"depth": 256, "beta": 0, "activation": "erf"}}
    for slug, explorer in explorers.items():
        words = explorer.sentence(**settings.get(slug, {})).replace(" = ", "\u00a0=\u00a0")
        expect(shown[slug].locator(".fc-sentence")).to_have_text(words)
    assert "still share 0.000 of" in shown["circle"].inner_text()
    assert shown["birth"].locator("path.fc-curve").count() == 43
    assert shown["birth"].locator("path.fc-faint").count() == 40
    assert (shown["circle"].locator("path.fc-round").get_attribute("d") or "").count(",") == 122
    assert {"1", "4", "16", "64"} <= set(shown["phases"].locator(".fc-tick").all_text_contents())
    page.close()


def levels(explorer: Explorer) -> dict[str, float]:
    """Return the step between two codes of each output: twice the largest error of rounding."""
    return {out["name"]: (out["high"] - out["low"]) / LEVELS for out in explorer.spec["outputs"]}


def numbers(sentence: str, pattern: str) -> list[float]:
    found = re.search(pattern, sentence)
    assert found, sentence
    return [float(number.replace("−", "-")) for number in found.groups()]


def test_training_is_that_of_the_closed_form(explorers: dict[str, Explorer]) -> None:
    """The waves of the explorer against the flow under the whole Gram matrix."""
    angles = jnp.deg2rad(training.DEGREES)
    wanted = training.target(training.DEGREES)
    for activation, beta, depth, time in (("relu", 0.3, 2, 4), ("erf", 0.1, 16, 64)):
        cosine = jnp.cos(angles[:, None] - angles[None])
        gram = kernels.ntk(named_activation(activation), beta, depth, cosine)
        flow = dynamics.flow(gram, wanted)
        setting = {"activation": activation, "beta": beta, "depth": depth, "time": time}
        shown = explorers["training"].interpolated(**setting)["output"]
        assert shown == pytest.approx(np.asarray(flow.train(time)), abs=2e-3)


def test_training_says_what_is_left(explorers: dict[str, Explorer]) -> None:
    said = explorers["training"].sentence(activation="relu", beta=0, depth=2, time=8192)
    assert "0% of the error is left in the constant" in said
    assert "100% in the nine" in said


@pytest.mark.images
def test_learning_says_what_the_networks_know(explorers: dict[str, Explorer]) -> None:
    """All training images in chaos, none in deep freeze, new ones in neither."""
    chaos = explorers["learning"].sentence(beta=0, depth=32)
    assert "chaos. After 256 steps the networks have 100% of their 128 images right" in chaos
    freeze = explorers["learning"].sentence(beta=0.8, depth=32)
    for said in (chaos, freeze):
        (right,) = numbers(said, r"and ([\d]+)% of new ones")
        assert right < 20
    (fitted,) = numbers(freeze, r"have ([\d]+)% of their")
    assert fitted < 25


@pytest.mark.images
def test_learning_is_a_network_at_a_time(explorers: dict[str, Explorer]) -> None:
    """Accuracy after 256 steps, from descent step by step under the kernel of one network."""
    setting = {"beta": 0.5, "depth": 8, "samples": 64, "activation": "erf"}
    _, train, test = learning.images()
    births, kernel = learning.prior_and_kernel(0.5, 8, "erf")
    gram, cross = kernel[:64, :64], kernel[max(learning.SAMPLES) :, :64]
    rate = dynamics.largest_learning_rate(gram) / 2
    right = []
    for k in range(learning.DRAWS):
        own = births[10 * k : 10 * (k + 1)].T
        done = dynamics.descend(
            gram, dynamics.one_hot(train.labels[:64], 10), 256, rate / 8,
            test_gram=cross, initial=own[:64], test_initial=own[max(learning.SAMPLES) :],
            record=32,
        )  # fmt: skip
        right.append(float(dynamics.accuracy(done.test[-1], test.labels)))
    flowing = explorers["learning"].interpolated(**setting)["accuracy"][1]
    assert flowing[5] == pytest.approx(np.mean(right), abs=0.02)  # 32 steps of eight times that


KINDS = dict(zip(positions.PARAMETRIZATIONS, ("graph", "usual", "gain"), strict=True))


@pytest.mark.parametrize("activation", ["relu", "erf"])
@pytest.mark.parametrize("layer", borders.LAYERS)
def test_frames_are_the_diagonals_of_the_kernels(
    explorers: dict[str, Explorer], layer: str, activation: str
) -> None:
    setting = {"layer": layer, "activation": activation, "beta": 0.3, "convolutions": 1}
    sigma = named_activation(activation)
    for name, kind in KINDS.items():
        stack = borders.generator(layer, 1, kind)
        found = deconvolution.diagonals(stack, sigma, 0.3)
        exact = deconvolution.compressed(stack, sigma, 0.3, jnp.eye(16))
        assert found.sigma == pytest.approx(np.asarray(exact.nngp.diagonal()), rel=1e-5)
        assert found.theta == pytest.approx(np.asarray(exact.ntk.diagonal()), rel=1e-5)
        relative = np.stack([part / part.max() for part in found])
        if kind == "graph":
            assert relative == pytest.approx(1.0, abs=1e-6)
        shown = explorers["frames"].interpolated(parametrization=name, **setting)
        assert shown["diagonals"] == pytest.approx(relative, abs=1e-5)
        assert shown["row"] == pytest.approx(relative[:, 15], abs=1e-5)


@pytest.mark.parametrize("layer", borders.LAYERS)
@pytest.mark.parametrize("convolutions", positions.CONVOLUTIONS)
def test_cut_off_no_pixel_lacks_a_parent(
    explorers: dict[str, Explorer], layer: str, convolutions: int
) -> None:
    """So that variances repeat with the strides: level, where these divide the windows."""
    stack = borders.borderless(layer, convolutions)
    for before, each in zip(stack.sizes, stack.along(0), strict=False):
        counts = each.counts(before[0])
        assert np.array_equal(counts[: -each.stride], counts[each.stride :])
    shown = explorers["frames"].interpolated(
        layer=layer, convolutions=convolutions, padding="none", beta=0.3
    )["diagonals"]
    assert shown[:, :24, :24] == pytest.approx(shown[:, 8:, 8:], abs=1e-5)
    level = pytest.approx(1, abs=1e-5)
    assert (shown.min() == level) == (layer not in ("window 3", "window 5"))


def test_frames_say_what_a_corner_loses(explorers: dict[str, Explorer]) -> None:
    """Without bias 1 / 4 of ReLU's variance in every layer of window 4; a grid with window 3."""
    pattern = r"corner has (\d+)% .* and (\d+)% .* middle has (\d+)%"
    edge = {"activation": "relu", "beta": 0.0, "convolutions": 0}
    for name in positions.PARAMETRIZATIONS:
        said = explorers["frames"].sentence(layer="window 2", parametrization=name, **edge)
        assert numbers(said, pattern) == [100, 100, 100]
    said = explorers["frames"].sentence(layer="window 4", **edge)
    assert numbers(said, pattern) == [2, 2, 100]  # 1 / 64
    said = explorers["frames"].sentence(layer="window 3", **edge)
    assert numbers(said, pattern)[2] == 4  # 1 / 25


FADERS = ("zero", "one", "two", "last")


@pytest.mark.parametrize(
    "setting",
    [
        {"beta": 0.37, "gamma": 0.6, "one": 0.3, "steps": 24},
        {"last": 0.0, "steps": 128},
        {"zero": 0.0, "gamma": 0.25, "activation": "normalized relu", "steps": 2},
    ],
)
def test_a_desk_trains_by_its_kernel(
    explorers: dict[str, Explorer], setting: dict[str, float | str]
) -> None:
    """By eigenvectors of the dense kernel, and the layers' parts one by one."""
    explorer, stack = explorers["desk"], layerwise.task(layerwise.SETS[0]).stack
    shown, values = explorer.at(**setting), explorer.start | setting
    sigma = named_activation(values["activation"])
    halves = deconvolution.contributions(stack, sigma, values["beta"], jnp.eye(16))
    halves = np.stack([halves.weights, halves.biases], axis=1).astype(np.float64)
    up = [[values[name] for name in pair] for pair in (FADERS[:1] * 2, FADERS[1:2] * 2, FADERS[2:])]
    rates = np.array(up) * np.asarray(deconvolution.learning_rates(stack, values["gamma"]))
    theta = np.tensordot(rates, halves, axes=2)
    target = layerwise.task(layerwise.SETS[0]).targets[0].ravel()
    eigenvalues, vectors = np.linalg.eigh(theta)
    assert shown["loud"] == pytest.approx(eigenvalues[-1], rel=1e-5)
    time, coefficients = values["steps"] / eigenvalues[-1], vectors.T @ target
    missing = vectors @ (np.exp(-time * eigenvalues) * coefficients)
    assert shown["pictures"][1].ravel() == pytest.approx(target - missing, abs=1e-4)
    assert shown["left"] == pytest.approx(missing @ missing / (target @ target), abs=1e-5)
    at = list(desk.STEPS).index(values["steps"])
    assert shown["loss"][1, at] == pytest.approx(max(float(shown["left"]), desk.LEAST), rel=1e-4)
    small = np.maximum(eigenvalues, 1e-9)
    pulled = vectors @ (-np.expm1(-time * small) / small * coefficients)
    varying = target - target.mean()

    def channels(each: np.ndarray) -> np.ndarray:
        return np.array([*each[:2].sum(axis=1), *each[2]])

    moved = channels(rates**2 * (halves @ pulled @ pulled))
    assert shown["moved"] == pytest.approx(np.sqrt(moved), rel=1e-3, abs=1e-4)
    drawn = channels(rates * (halves @ varying @ varying)) / (varying @ varying)
    assert shown["share"] == pytest.approx(drawn.sum() / eigenvalues[-1], rel=1e-4)
    bars = np.maximum(drawn, desk.QUIETEST)
    assert shown["meters"][1, 3::4] == pytest.approx(bars, rel=1e-4)
    added = np.tensordot(rates[0], halves[0], axes=1) @ missing
    if rates[0, 0]:
        picture = added / np.abs(added).max()
        assert shown["adds"][0].ravel() == pytest.approx(picture, abs=1e-3)


def test_the_loudest_pattern_is_the_sum_of_its_bars(explorers: dict[str, Explorer]) -> None:
    for setting in (
        {},
        {"gamma": 0.5},
        {"last": 0.0, "beta": 0.9},
        {"activation": "normalized relu"},
    ):
        shown = explorers["desk"].at(**setting)
        assert np.sum(shown["meters"][0, 1::4]) == pytest.approx(shown["loud"], rel=0.01)


def test_no_channel_learns_nothing(explorers: dict[str, Explorer]) -> None:
    said = explorers["desk"].sentence(**dict.fromkeys(FADERS, 0.0))
    assert "λ₁ = 0, 0% of it from no channel" in said
    assert "After 32 steps 100.0% of the loss is left" in said


def test_one_fader_does_what_all_rates_do(explorers: dict[str, Explorer]) -> None:
    """What chapter 11 asks: the last bias alone costs about what rates by layer gain."""
    left = {name: explorers["desk"].at(**{name: 0.0})["left"] for name in FADERS}
    alike, balanced = explorers["desk"].at()["left"], explorers["desk"].at(gamma=0.5)["left"]
    assert left["last"] < 0.75 * alike
    assert left["last"] < 1.2 * balanced
    assert min(left[name] for name in FADERS[:3]) > 0.95 * alike
    for setting, needle in (
        ({}, 387),
        ({"two": 0.0}, 297),
        ({"last": 0.0}, 132),
        ({"gamma": 0.5}, 68),
    ):
        assert explorers["desk"].at(**setting)["loud"] == pytest.approx(needle, abs=0.5)


@pytest.mark.parametrize("activation", ["relu", "normalized relu"])
@pytest.mark.parametrize("beta", [0.1, 0.7])
def test_a_pixel_is_as_the_fully_connected_network_says(
    explorers: dict[str, Explorer], activation: str, beta: float
) -> None:
    """Strangers have beta^2, pixels two apart the kernel of depth 2 at a right angle."""
    sigma = named_activation(activation)
    shown = explorers["pixel"].interpolated(activation=activation, beta=beta)
    covariance, tangent = shown["covariance"], shown["tangent"]
    diagonals = [float(jnp.exp(kernels.log_ntk_diagonal(sigma, beta, d))) for d in (1, 2)]
    friends = float(kernels.ntk(sigma, beta, 2, 0.0))
    assert covariance[3, [2, 3, 4]] == pytest.approx([beta**2, 1, beta**2], abs=6e-3)
    assert covariance[3, 5] == pytest.approx(float(kernels.nngp(sigma, beta, 2, 0.0)), abs=6e-3)
    strangers = beta**2 * diagonals[0] / diagonals[1]
    assert tangent[3, [1, 2, 3]] == pytest.approx([friends, strangers, 1], abs=6e-3)
    said = explorers["pixel"].sentence(activation=activation, beta=beta)
    r, own, other = numbers(said, r"r = ([\d.]+), .* itself by ([\d.]+) .* most ([\d.]+)\.")
    assert r == pytest.approx(float(regimes.characteristic_value(sigma, beta)), abs=6e-3)
    assert [own, other] == pytest.approx([1, max(friends, strangers)], abs=6e-3)


def test_every_pixel_has_its_row_of_the_kernel(explorers: dict[str, Explorer]) -> None:
    for layer, kind in itertools.product(positions.UPS, positions.PARAMETRIZATIONS):
        ups = [part for up in positions.UPS[layer] for part in (*[positions.SAME] * 2, up)]
        stack = deconvolution.DeconvStack((2, 2), ups, KINDS[kind])
        assert stack.sizes[-1] == (8, 8)
        pair = deconvolution.compressed(stack, named_activation("relu"), 0.3, jnp.eye(4))
        setting = {"layer": layer, "parametrization": kind, "depth": 2, "beta": 0.3}
        largest = float(pair.ntk.diagonal().max())
        for at in ((0, 0), (2, 5), (7, 6)):
            shown = explorers["pixel"].interpolated(row=at[0], column=at[1], **setting)
            assert shown["covariance"] == pytest.approx(np.asarray(pair.nngp.row(at)), abs=1e-5)
            tangent = np.asarray(pair.ntk.row(at)) / largest
            assert shown["tangent"] == pytest.approx(tangent, abs=1e-5)


@pytest.mark.parametrize("activation", ["relu", "normalized relu"])
@pytest.mark.parametrize("depth", push.CONVOLUTIONS)
def test_a_push_is_a_row_of_the_kernel(
    explorers: dict[str, Explorer], activation: str, depth: int
) -> None:
    """Of the recursion over all pairs, and on the diagonal of the fully connected network."""
    sigma, down, along = named_activation(activation), *push.classes()
    gram = jnp.eye(2)[:, :, None, None]
    for beta in (0.1, 0.5):
        theta = np.asarray(deconvolution.ntk(push.stack(depth), sigma, beta, gram), np.float64)
        shown = explorers["push"].interpolated(activation=activation, beta=beta, depth=depth)
        for pixel in ((0, 0), (6, 9), (15, 3)):
            pushed = shown["kernels"][:, down[pixel[0]][:, None], along[pixel[1]]]
            wanted = theta[0, :, 16 * pixel[0] + pixel[1]].reshape(2, 16, 16) / theta[0, 0, 0, 0]
            assert pushed == pytest.approx(wanted, abs=6e-4)
        right_angle = float(kernels.ntk(sigma, beta, depth, 0.0))
        assert shown["shared"] == pytest.approx(right_angle, abs=2e-4)


def test_newborn_images_have_the_covariance() -> None:
    pair = push.pair("relu", 0.5, 7, "nngp")
    for part in (pair.other, pair.own - pair.other):
        root = push._root(part)
        assert root @ root.T == pytest.approx(part, abs=1e-5)
    images = push.newborn(pair).reshape(push.COUNT, -1)
    energy = np.mean(np.var(images, axis=0, ddof=1)) / np.mean(pair.own.diagonal())
    assert energy == pytest.approx(pair.own_share, rel=0.3)


@pytest.mark.parametrize("batch", [9, 64])
def test_the_common_share_is_that_of_random_wishes(batch: int) -> None:
    """Against a thousand batches, each image asking for a pixel at random."""
    pair = push.pair("normalized relu", 0.1, 7)
    asked = np.random.default_rng(0).integers(256, size=(1000, batch))
    common = np.mean(pair.other[asked], axis=1)
    apart = (pair.own - pair.other)[asked[:, 0]] / batch
    energies = np.sum(common**2), np.sum(apart**2)
    found = push.common_share(pair.energies(), batch)
    assert found == pytest.approx(energies[0] / sum(energies), rel=0.05)


def test_a_push_says_how_much_is_common(explorers: dict[str, Explorer]) -> None:
    pattern = r"α = ([\d.]+): .* image ([\d.]+)% as far. .* own, (\d+)% .*α = ([\d.]+)\."
    freeze = explorers["push"].sentence()
    alpha, shared, common, ratio = numbers(freeze, pattern)
    assert shared == pytest.approx(100 * (1 - alpha), abs=0.1)
    assert ratio == pytest.approx(64 * (1 - alpha) / alpha, rel=0.01)
    assert common == 100
    chaos = explorers["push"].sentence(activation="normalized relu", beta=0.1, batch=9)
    alpha, shared, common, ratio = numbers(chaos, pattern)
    assert max(shared, common) < 2
    assert ratio < 0.05


@pytest.mark.parametrize("loud", [(0.0, 1.0, 0.0, 0.25), (0.5, 0.05, 1.0, 0.0)])
def test_the_mixer_has_the_dual_of_its_polynomials(loud: tuple[float, ...]) -> None:
    """By quadrature over two correlated Gaussians, which is exact for polynomials."""
    shares = np.array(loud) / sum(loud)
    z, weight = np.polynomial.hermite_e.hermegauss(8)
    weight = weight / weight.sum()

    def sigma(x: np.ndarray) -> np.ndarray:
        polynomials = [np.ones_like(x), x, (x**2 - 1) / np.sqrt(2), (x**3 - 3 * x) / np.sqrt(6)]
        return np.tensordot(np.sqrt(shares), polynomials, 1)

    found = mixing.mixed(*map(jnp.float32, loud), jnp.float32(60.0))
    u, w = np.meshgrid(z, z, indexing="ij")
    for rho, dual in list(zip(mixing.COSINES, found["dual"], strict=True))[::10]:
        v = rho * u + np.sqrt(1 - rho**2) * w
        assert weight @ (sigma(u) * sigma(v)) @ weight == pytest.approx(float(dual), abs=1e-6)
    cosine = 0.5
    for _ in range(30):
        cosine = float(np.polyval(shares[::-1], cosine))
    assert float(found["many"]) == pytest.approx(np.degrees(np.arccos(cosine)), abs=0.05)


@pytest.mark.parametrize("away", [(0, 1), (0, 2), (1, 4), (2, 4), (0, 8), (-4, 4), (0, 0)])
def test_the_walk_goes_as_far_as_strides_divide(away: tuple[int, int]) -> None:
    """And the kernel is that between the two pixels, which the recursion gives densely."""
    one = np.array([7, 6])
    other = one + away
    found = jax.jit(partial(ancestry.ancestries, activation="relu"))(
        *map(jnp.float32, (*one, *away, 0.5))
    )
    theta = deconvolution.ntk(ancestry.STACK, named_activation("relu"), 0.5, jnp.eye(4))
    place, there = (int(pixel @ (16, 1)) for pixel in (one, other))
    assert float(found["theta"]) == pytest.approx(float(theta[place, there]), rel=1e-5)
    divide = sum(all(d % 2**k == 0 for d in away) for k in (1, 2, 3))
    assert float(found["walked"]) == divide
    walking = {(int(one[0]), int(other[0]), int(one[1]), int(other[1]))}
    for picture, size in zip(found["layers"][1:], (8, 4, 2), strict=True):
        reads = ancestry.reading(size)
        taps = range(len(reads))
        walking = {
            (q, q2, c, c2)
            for p, p2, b, b2 in walking
            for k in taps
            for m in taps
            for q, q2 in itertools.product(*(np.flatnonzero(reads[k][at]) for at in (p, p2)))
            for c, c2 in itertools.product(*(np.flatnonzero(reads[m][at]) for at in (b, b2)))
        }
        dark = {(q, c) for q, _, c, _ in walking} | {(q, c) for _, q, _, c in walking}
        cells = np.asarray(picture)[:: 16 // size, :: 16 // size]
        assert dark == set(zip(*np.nonzero(cells == ancestry.PAIRED), strict=True))


@pytest.mark.parametrize("target", combs.TARGETS)
def test_faders_learn_as_the_whole_matrix_does(target: str) -> None:
    """Gradient flow by the eigenvectors of the 256 x 256 kernel, which knows no lattice."""
    faders, time = (0.25, 0.45, 0.42, 1.19), 0.5
    found = combs.learned(*map(jnp.float32, (*faders, time)), target)
    row = np.asarray(found["row"], float)
    down, along = np.divmod(np.arange(256), 16)
    away = [(part[:, None] - part + 8) % 16 for part in (down, along)]
    values, vectors = np.linalg.eigh(row[away[0], away[1]])
    image = combs.TARGETS[target].ravel()
    drawn = vectors @ ((1 - np.exp(-values * time)) * (vectors.T @ image))
    assert np.asarray(found["pictures"][1]).ravel() == pytest.approx(drawn, abs=1e-4)
    trace = np.sort(values)[::-1]
    share = trace[1:16].sum() / trace[1:].sum()
    assert float(found["boards"]) == pytest.approx(share, rel=1e-4)


def test_what_the_chapters_quote_of_what_computes(explorers: dict[str, Explorer]) -> None:
    """The answers to *Predict first* in chapters 1, 8 and 9."""
    bowl = {"constant": 0, "straight": 0.05, "bowl": 1, "wave": 0, "angle": 135}
    assert "135° apart are 64° apart after a layer and 90° after 30" in (
        explorers["mixer"].sentence(**bowl)
    )
    for (down, across), words in {
        (0, 4): "in 2 of 3 layers. At β = 0.50, relu, Θ = 1.120;",
        (1, 4): "in 0 of 3 layers. At β = 0.50, relu, Θ = 0.250;",
        (2, 4): "in 1 of 3 layers. At β = 0.50, relu, Θ = 0.699;",
        (0, 0): "in 3 of 3 layers.",
    }.items():
        assert words in explorers["ancestry"].sentence(down=down, across=across)
    corner = explorers["ancestry"].sentence(row=0, column=0, down=0, across=2)
    assert "less: taps are lost at the border" in corner
    born = "0% in the mean, 14% in the images of period 2, 65% in those of period 4, 94% in all"
    assert born in explorers["faders"].sentence()
    flat = explorers["faders"].sentence(constant=0, two=0, four=0, time=1)
    assert "37% in the mean, 37% in the images of period 2, 37% in those of period 4, 37%" in flat
    assert "6% of what varies; 6% would be no preference" in flat


def test_what_chapters_8_to_10_quote(explorers: dict[str, Explorer]) -> None:
    usual, gain = ({"parametrization": name} for name in positions.PARAMETRIZATIONS[1:])
    for setting, words in (
        ({}, "variance 1.00. A correction there moves the pixel itself by 1.00"),
        (
            usual,
            "variance 0.33. A correction there moves the pixel itself by 1.00 and any other "
            "by at most 0.81",
        ),
        (usual | {"row": 0, "column": 0}, "variance 0.26"),
        (
            gain | {"row": 0, "column": 0},
            "variance 0.33. A correction there moves the pixel itself by 0.24",
        ),
        ({"beta": 0}, "at most 0.16"),
        ({"beta": 0.9}, "at most 0.92"),
    ):
        assert words in explorers["pixel"].sentence(**setting)
    for setting, shares, words in (
        ({}, (0.20, 0.059), "26% of the kernel lies at periods 2 and 4"),
        ({}, (0.20, 0.059), "rank 94 of"),
        ({"beta": 0}, (0.039, 0.039), "the edge"),
        ({"beta": 0.9}, (0.73, 0.053), "62% of the kernel"),
        ({"layer": "transposed, stride 4"}, (0.158, 0.015), ""),
        (usual, (0.70, 0.047), "rank 6 of"),
        (gain, (0.24, 0.065), ""),
    ):
        assert words in explorers["boards"].sentence(**setting)
        found = explorers["boards"].interpolated(**setting)["shares"]
        assert found[:4] == pytest.approx([shares[0], *[shares[1]] * 3], rel=0.03)
    for setting, words in (
        ({}, "38% of the largest variance and 13%"),
        ({"beta": 0.5}, "77% of the largest variance and 55%"),
        (gain | {"beta": 0.5}, "33% of the largest variance and 14%"),
        ({"layer": "resize, window 3"}, "5% of the largest variance"),
        ({"padding": "none"}, "100% of the largest variance and 100% of the largest Θ"),
    ):
        assert f"corner has {words}" in explorers["frames"].sentence(**setting)
    same = [explorers["frames"].interpolated(beta=0, **kind)["diagonals"] for kind in (usual, gain)]
    assert same[0] == pytest.approx(same[1], abs=1e-5)
    assert "at infinite width it is 13%" in newborn_frames().sentence()


def test_a_neuron_under_batch_norm_has_no_wall(explorers: dict[str, Explorer]) -> None:
    for corner in itertools.islice(explorers["neuron"].corners(), 0, None, 3):
        shown = explorers["neuron"].at(**corner)
        raw, normed = (np.asarray(shown[name], float) for name in ("raw", "normed"))
        assert normed.mean() == pytest.approx(0, abs=1e-5)
        wanted = (raw - raw.mean()) / np.sqrt(raw.var() + 1e-6)
        assert normed == pytest.approx(wanted, abs=1e-3)
        assert shown["gain"] * shown["ripples"] == pytest.approx(normed.std(), abs=1e-3)
        energy = np.mean(raw**2)
        assert shown["wall"] * energy == pytest.approx(energy - raw.var(), abs=1e-5)


def test_a_sleeping_neuron_is_called_one(explorers: dict[str, Explorer]) -> None:
    sentence = explorers["neuron"].sentence
    for silent in ("relu", "normalized relu"):  # 0 for all inputs, and a negative constant
        assert "nothing to enlarge" in sentence(activation=silent, beta=0.7, depth=4, neuron=1)
    assert "is its mean" in sentence(activation="erf", beta=0.7, depth=16, neuron=1)


@pytest.mark.parametrize("layer", checkerboards.UPS)
@pytest.mark.parametrize("name", positions.PARAMETRIZATIONS)
def test_boards_are_the_modes_of_the_kernel(
    explorers: dict[str, Explorer], layer: str, name: str
) -> None:
    """Of the whole matrix, in float64 by NumPy, which knows no symmetry."""
    setting = {"layer": layer, "depth": 2, "activation": "relu", "beta": 0.3}
    ups = [part for up in checkerboards.UPS[layer] for part in (*[positions.SAME] * 2, up)]
    stack = deconvolution.DeconvStack((4, 4), ups, KINDS[name])
    assert stack.sizes[-1] == (16, 16)
    gram = np.asarray(deconvolution.ntk(stack, named_activation("relu"), 0.3, jnp.eye(16)), float)
    values = np.linalg.eigvalsh(gram)[::-1]
    shown = explorers["boards"].interpolated(parametrization=name, **setting)
    shares = values / np.trace(gram)
    assert shown["shares"] == pytest.approx(shares[: checkerboards.SHOWN], abs=1e-6)
    spectrum = np.maximum(shares, checkerboards.FAINTEST)[checkerboards.RANKS - 1]
    assert shown["spectrum"] == pytest.approx(spectrum, abs=1e-6)
    for image, value in zip(shown["images"], values, strict=False):
        vector = image.ravel() / np.linalg.norm(image)
        assert np.linalg.norm(gram @ vector - value * vector) < 1e-5 * values[0]
    said = explorers["boards"].sentence(parametrization=name, **setting)
    boards, even, rank = numbers(said, r"constant, (\d+)% .* (\d+)% would. .* rank (\d+) of")
    found = 100 * spectra.checkerboard_share(gram, (16, 16), 2)
    assert [boards, even, rank] == pytest.approx([found, 6, spectra.effective_rank(gram)], abs=0.6)


def test_boards_are_preferred_in_freeze_and_not_after_a_resize(
    explorers: dict[str, Explorer],
) -> None:
    for layer, depth in itertools.product(checkerboards.UPS, (0, 2)):
        setting = {"layer": layer, "depth": depth}
        strided = layer in ("transposed", "sub-pixel", "transposed, stride 4")
        freeze = explorers["boards"].interpolated(activation="relu", beta=0.5, **setting)
        chaos = explorers["boards"].interpolated(activation="normalized relu", beta=0.1, **setting)
        assert (freeze["boards"] > 4 * checkerboards.EVEN) == strided
        assert (abs(chaos["boards"] - checkerboards.EVEN) < 0.005) == strided
        assert chaos["boards"] < 1.1 * checkerboards.EVEN


@pytest.mark.parametrize("regime", films.REGIMES)
def test_the_film_is_the_stored_runs(explorers: dict[str, Explorer], regime: str) -> None:
    film = explorers["film"]
    real = study.real(films.NAME)["lattice"]
    for seed, steps in itertools.product(film.axes["seed"].values, (0, 120, 10_000)):
        run = study.stored(films.NAME, regime)[seed]
        setting = {"regime": regime, "seed": seed, "steps": steps}
        shown = film.interpolated(**setting)
        rows, columns = run.frames.shape[2:4]
        tiles = [
            shown["drawn"][i : i + rows, j : j + columns]
            for i in range(0, 3 * rows, rows + 1)
            for j in range(0, 3 * columns, columns + 1)
        ]
        step = 255 / (films.GREYS - 1)
        assert np.max(np.abs(tiles - run.frames[run.times.index(steps), ..., 0])) <= step / 2
        at = list(run.steps).index(steps)
        said = film.sentence(**setting)
        diversity, lattice = numbers(said, r"diversity ([\d.]+), ([\d.]+) times")
        assert diversity == pytest.approx(run.metrics["diversity"][at], abs=6e-4)
        assert lattice == pytest.approx(run.metrics["lattice"][at] / real, abs=0.06)
        assert shown["shares"][0] == pytest.approx(run.metrics["diversity"][1:], abs=6e-4)
        assert ("seen nothing yet" in said) == (steps == 0)


def test_the_film_tells_a_frozen_generator_from_a_chaotic_one(
    explorers: dict[str, Explorer],
) -> None:
    for regime, alike in (("freeze", True), ("chaos", False)):
        drawn = explorers["film"].interpolated(regime=regime, seed=1, steps=400)["drawn"]
        one, other = drawn[:32, :32], drawn[:32, 33:65]
        assert (np.mean(np.abs(one - other)) < 0.2 * np.mean(one)) == alike


def test_words_are_packed_in_the_order_that_a_page_keeps(explorers: dict[str, Explorer]) -> None:
    """Widget states are written with sorted keys: words would be read for each other's codes."""
    for explorer in explorers.values():
        assert list(explorer.spec["names"]) == sorted(explorer.spec["names"])


@pytest.mark.parametrize("norm", ["none", "before", "after"])
def test_a_layer_is_that_of_a_finite_network(explorers: dict[str, Explorer], norm: str) -> None:
    """Its neurons sorted into bins, their mean, and the lines of the theory."""
    setting = {"norm": norm, "width": "16", "depth": 3, "beta": 0.35, "draw": 7}
    shown, relu = explorers["layer"].at(**setting), named_activation("relu")
    places = neurons.APART * np.pi / 180
    key = jax.random.fold_in(jax.random.key(5), 7)
    born = newborn(
        relu, 0.35, 3, circle(jnp.asarray(places)), 16, layer_norm=neurons.NORMS[norm], key=key
    )
    counted, _ = np.histogram(born.hidden[0], neurons.EDGES)
    assert shown["histogram"] == pytest.approx(np.append(counted, 0) / 16, abs=1e-6)
    assert shown["mean"] == pytest.approx(float(np.mean(born.hidden[0])), abs=1e-5)
    assert shown["covariances"][2] == pytest.approx(np.asarray(born.covariance[0]), abs=1e-5)
    for k, name in enumerate(("relu", "normalized relu")):
        line = kernels.nngp(named_activation(name), 0.35, 3, jnp.cos(jnp.asarray(places)))
        assert shown["covariances"][k] == pytest.approx(np.asarray(line), abs=1e-5)
    if norm == "after":
        assert shown["mean"] == pytest.approx(0, abs=1e-5)
        assert shown["size"] == pytest.approx(1, abs=1e-4)
