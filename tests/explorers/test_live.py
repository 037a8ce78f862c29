"""Live explorers in a headless Chromium: they compute in the page, from a file."""

import re
import zlib
from base64 import b64decode
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from freezechaos import dynamics, kernels
from freezechaos.explorers import (
    Axis,
    Curves,
    Live,
    batch_norm_bench,
    decomposed,
    live_generator,
    newborn_frames,
    playing,
    race_on_the_circle,
    readout,
    trainability,
    trainability_on_digits,
)
from freezechaos.gan import game

pytestmark = pytest.mark.browser
Publish = Callable[..., str]
TURNS = 40


def begin(seed: jax.Array, size: int) -> tuple[jax.Array, jax.Array]:
    return jax.random.normal(jax.random.key(seed), (size,)), jnp.zeros((), jnp.int32)


def advance(state: tuple[jax.Array, jax.Array], rate: jax.Array) -> tuple[jax.Array, jax.Array]:
    place, turn = state
    return place * (1 - rate), turn + 1


def look(state: tuple[jax.Array, jax.Array]) -> dict[str, jax.Array]:
    place, turn = state
    length = jnp.sqrt(jnp.mean(place**2))
    return {"curve": length * jnp.linspace(0.0, 1, 5), "length": length,
            "turn": turn.astype(jnp.float32)}  # fmt: skip


@pytest.fixture(scope="module")
def decay() -> Live:
    """Numbers that shrink at a rate: two compiled sizes, ten seeds."""
    return Live(
        title="Decay",
        axes=[
            Axis("size", "size", [4, 16], static=True),
            Axis("seed", "seed", list(range(10)), step=True),
            Axis("rate", "rate", [0.1, 0.2, 0.5]),
        ],
        begin=begin,
        advance=advance,
        look=look,
        turns=TURNS,
        turn="one step",
        view=Curves(x=np.linspace(0, 1, 5), y="curve", x_label="x", y_label="y", y_range=(-1, 3)),
        numbers=["turn", "length"],
        readout="Turn {turn:.0f}: {length:.6e}.",
        alt="A line falls.",
    )


@pytest.fixture(scope="module")
def race() -> Live:
    return race_on_the_circle(widths=(16, 32, 64))


@pytest.fixture(scope="module")
def bench() -> Live:
    return batch_norm_bench(batches=(8, 32), widths=("200", "∞"))


@pytest.fixture(scope="module")
def generator() -> Live:
    kinds = ["ReLU", "ReLU, batch norm"]
    return live_generator(kinds, poster=1, start={"kind": kinds[1], "beta": 0.3})


@pytest.fixture(scope="module")
def digits() -> Live:
    return trainability_on_digits((32, 128), (4, 16), poster=1, start={"width": 32, "depth": 4})


def code(explorer: Live) -> str:
    """What the page unpacks."""
    packed = b64decode(explorer.spec["live"]["code"])
    return zlib.decompress(packed).decode()


def press(page: Page, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).click()


def said(page: Page) -> Any:
    return expect(page.locator(".fc-sentence"))


def sentence(explorer: Live, turns: int, **setting: Any) -> str:
    seen = explorer.at(turns, **setting)
    return f"Turn {turns}: {seen['length']:.6e}.".replace("-", "−")


def test_nothing_runs_before_it_is_asked_for(page: Page, publish: Publish, decay: Live) -> None:
    page.goto(publish(decay))
    said(page).to_have_text(decay.sentence().replace("-", "−"))
    assert not page.workers
    press(page, "Start again")
    said(page).to_have_text(sentence(decay, 0))
    assert len(page.workers) == 1


def test_a_run_is_that_of_jax_to_its_end(page: Page, publish: Publish, decay: Live) -> None:
    page.goto(publish(decay))
    press(page, "Play")
    play = page.get_by_role("button", name="Play", exact=True)
    expect(play).to_have_attribute("aria-disabled", "true")  # the poster says the last turn too
    said(page).to_contain_text(f"Turn {TURNS}:")
    press(page, "Start again")
    for turn in range(3):
        said(page).to_have_text(sentence(decay, turn))
        press(page, "Go one step")
    said(page).to_have_text(sentence(decay, 3))


def test_an_axis_of_the_beginning_begins_anew(page: Page, publish: Publish, decay: Live) -> None:
    page.goto(publish(decay))
    press(page, "Go one step")
    said(page).to_have_text(sentence(decay, 1))
    page.get_by_label("seed", exact=True).press("ArrowRight")
    said(page).to_have_text(sentence(decay, 0, seed=1))
    page.get_by_label("size", exact=True).press("End")
    said(page).to_have_text(sentence(decay, 0, seed=1, size=16))
    page.get_by_label("rate", exact=True).press("End")
    press(page, "Go one step")
    said(page).to_have_text(sentence(decay, 1, seed=1, size=16, rate=0.5))
    page.wait_for_function("location.hash.includes('seed=1')")
    page.reload()
    said(page).to_have_text(sentence(decay, 0, seed=1, size=16))


def test_a_hidden_page_rests(page: Page, publish: Publish, decay: Live) -> None:
    page.goto(publish(decay))
    press(page, "Start again")
    said(page).to_have_text(sentence(decay, 0))
    page.evaluate(
        """() => {
          Object.defineProperty(document, "hidden", { value: true, configurable: true });
          document.dispatchEvent(new Event("visibilitychange"));
        }"""
    )
    press(page, "Play")
    page.wait_for_timeout(300)
    said(page).to_have_text(sentence(decay, 0))
    page.evaluate(
        """() => {
          delete document.hidden;
          document.dispatchEvent(new Event("visibilitychange"));
        }"""
    )
    said(page).to_contain_text(f"Turn {TURNS}:")


def test_the_race_of_the_page_is_the_race_of_the_package(
    page: Page, publish: Publish, race: Live
) -> None:
    page.goto(publish(race))
    assert Axe().run(page).violations_count == 0
    page.get_by_label("width n", exact=True).press("Home")
    press(page, "Go 4 steps")
    said(page).to_contain_text("after 4 steps")
    press(page, "Go 4 steps")
    said(page).to_contain_text("Width 16, after 8 steps")
    known = race.at(2, width=16)
    said(page).to_contain_text(f"{known['apart']:.2g} away")
    said(page).to_contain_text(f"moved by {known['moved']:.1%}")


def test_the_race_is_won_by_width(race: Live) -> None:
    narrow, wide = (race.at(25, width=width, rate=0.2) for width in (16, 64))
    assert wide["moved"] < narrow["moved"] / 1.5
    assert wide["y"].shape == (3, 73)


def told(seen: dict[str, jax.Array], bench: Live, points: int) -> str:
    """The sentence about a batch, as JAX sees it."""
    values = {name: float(value) for name, value in seen.items() if np.ndim(value) == 0}
    words = {name: band.word(values[band.of]) for name, band in bench._words.items()}
    return readout.fill(bench.readout, values | words | {"points": points})


def test_parts_and_width_are_turned_while_the_batch_goes_deep(
    page: Page, publish: Publish, bench: Live
) -> None:
    """The page does what the package does, also where the program changes on the way."""
    page.goto(publish(bench))
    assert Axe().run(page).violations_count == 0
    page.get_by_label("points N", exact=True).press("Home")
    batch = decomposed.begin(8, jnp.int32(1), jnp.float32(0))
    for width, rescale in (("200", 0), ("200", 1), ("∞", 1)):
        for group, word in (("width", width), ("rescale", "on" if rescale else "off")):
            page.get_by_role("group", name=group).get_by_role("radio", name=word).check()
        press(page, "Go one layer")
        batch = decomposed.advance(batch, width, *map(jnp.int32, (1, rescale, 1)))
        said(page).to_have_text(told(decomposed.look(batch), bench, 8))


@cache
def deep(width: str, layers: int, points: int = 32) -> Callable[..., dict[str, jax.Array]]:
    """What is seen of a batch in all layers, by a seed, a length and three switches."""

    def run(seed: int, longer: int, *on: int) -> dict[str, jax.Array]:
        def layer(batch: decomposed.Batch, _: None) -> tuple[decomposed.Batch, dict]:
            after = decomposed.advance(batch, width, *on)
            seen = decomposed.look(after)
            return after, {name: value for name, value in seen.items() if value.ndim == 0}

        return jax.lax.scan(layer, decomposed.begin(points, seed, longer), length=layers)[1]

    return jax.jit(run)


@pytest.mark.parametrize(
    ("on", "inside", "across", "longest", "directions"),
    [
        ((0, 0, 1), 1, 1, 1.16, 1),  # ReLU alone keeps lengths
        ((0, 1, 0), 0, 0, 1, 32),
        ((1, 1, 0), -1 / 31, -1 / 31, 1, 32),
        ((0, 1, 1), 0.514, 0.514, 1, 32),
        ((1, 0, 1), 0.962, 0.001, 30.4, 2),
        ((1, 1, 1), 0.302, 0.302, 1, 32),
    ],
)
def test_the_bench_shows_what_depth_leaves(
    bench: Live, on: tuple[int, ...], inside: float, across: float, longest: float, directions: int
) -> None:
    seen = deep("∞", 200)(1, 16, *on)
    assert seen["in"][-1] == pytest.approx(inside, abs=6e-3)
    assert seen["out"][-1] == pytest.approx(across, abs=6e-3)
    assert seen["longest"][-1] == pytest.approx(longest, abs=0.11)
    assert seen["directions"][-1] == directions
    assert "−0.00" not in told({name: value[-1] for name, value in seen.items()}, bench, 32)


def test_the_bench_draws_each_point_as_broad_as_another() -> None:
    batch = decomposed.begin(16, jnp.int32(1), jnp.float32(10))
    for _ in range(3):
        batch = decomposed.advance(batch, "50", *map(jnp.int32, (1, 0, 1)))
    seen = {name: np.asarray(value) for name, value in decomposed.look(batch).items()}
    assert seen["cosines"].diagonal() == pytest.approx(np.ones(decomposed.SIDE), abs=1e-6)
    assert seen["lengths"][[0, -1]].tolist() == [0, 0]
    bars = seen["lengths"][1:-1].reshape(16, -1)
    assert np.ptp(bars, axis=1).max() == 0
    assert np.sum(bars[:, 0] ** 2) == pytest.approx(1, abs=1e-5)


def test_the_border_can_be_found_by_hand() -> None:
    """As the chapter's table has it: 4.3 % for 32 points."""
    ends = [deep("∞", 200)(1, longer, 1, 0, 1) for longer in (4, 8)]
    assert [round(float(end["share"][-1]), 2) for end in ends] == [0.03, 0.97]
    assert [int(end["leader"][-1]) for end in ends] == [32, 32]


def test_of_those_that_rise_one_stays_and_another_draw_chooses_another() -> None:
    runs = [deep("200", 200)(seed, 0, 1, 0, 1) for seed in (1, 2, 3)]
    assert len({int(run["leader"][-1]) for run in runs}) > 1
    assert all(run["long"].max() > 1 and run["long"][-1] == 1 for run in runs)
    assert all(run["share"][-1] > 0.9 and abs(run["out"][-1]) < 0.05 for run in runs)
    assert deep("200", 60, 128)(1, 0, 1, 0, 1)["long"].max() > 5


def test_a_pace_lets_every_turn_be_seen(page: Page, publish: Publish, bench: Live) -> None:
    page.add_init_script(
        """{
          const { set } = Object.getOwnPropertyDescriptor(Worker.prototype, "onmessage");
          window.turns = [];
          Object.defineProperty(Worker.prototype, "onmessage", {
            set(heed) {
              set.call(this, (event) => (turns.push(event.data.turn), heed(event)));
            },
          });
        }"""
    )
    page.goto(publish(bench))
    press(page, "Play")
    page.wait_for_function("turns.length > 5")
    seen = page.evaluate("turns")
    assert seen == list(range(len(seen)))


@pytest.mark.parametrize(("optimizer", "rate"), [("descent", 0.4), ("Adam", 0.01)])
def test_a_step_of_the_page_s_game_is_the_package_s(
    page: Page, generator: Live, optimizer: str, rate: float
) -> None:
    """All of the two networks and of Adam after a step, and it is the same run when repeated.

    Adam divides a slope by its size: where that is near rounding, so is the step. Then one number
    in a hundred may differ, by a tenth of a step.
    """
    assert generator.spec["live"]["names"]["advance"] == ["optimizer", "rate"]
    number = playing.OPTIMIZERS.index(optimizer)
    taken = [{"seed": 3, "beta": 0.3}[name] for name in generator.spec["live"]["names"]["begin"]]
    runs = page.evaluate(
        f"""() => {{
          const program = ({code(generator)})("ReLU, batch norm");
          return [1, 2].map(() => {{
            const state = program.advance(...program.begin(...{taken}), {number}, {rate});
            return state.map((array) => Array.from(array));
          }});
        }}"""
    )
    assert runs[0] == runs[1]
    setting = {"beta": 0.3, "seed": 3, "optimizer": optimizer, "rate": rate}
    known = jax.tree.leaves(generator.state(1, kind="ReLU, batch norm", **setting))
    for found, leaf in zip(runs[0], known, strict=True):
        apart = ~np.isclose(found, np.ravel(leaf), rtol=1e-5, atol=1e-5)
        assert np.mean(apart) <= (0.01 if optimizer == "Adam" else 0)
        assert np.all(np.abs(found - np.ravel(leaf))[apart] < rate / 10)


@pytest.mark.parametrize(("optimizer", "rate"), [("descent", 0.4), ("Adam", 0.01)])
def test_the_game_at_a_bias_share_is_that_of_a_network_of_it(
    generator: Live, optimizer: str, rate: float
) -> None:
    """Where a slope is near rounding Adam takes its sign from it, so no two roads agree there."""
    named = {"descent": "sgd", "Adam": "adam"}[optimizer]
    rules = replace(playing.preset("ReLU"), beta=0.3, optimizer=named, generator_rate=rate)
    state = born = game.initial(rules, jnp.int32(2))
    for _ in range(3):
        state, _ = game.step(playing.real_images(), state, rules)
    z = game.latents(game.keys(state.seed).fixed, playing.MEASURED, rules.latent)
    setting = {"beta": 0.3, "seed": 2, "optimizer": optimizer, "rate": rate}
    turned = generator.state(3, kind="ReLU", **setting).drawn
    far = jnp.linalg.norm(state.generator(z) - turned)
    assert far < 0.01 * jnp.linalg.norm(born.generator(z) - turned)


def test_the_generator_is_played_paused_and_begun_anew(
    page: Page, publish: Publish, generator: Live
) -> None:
    page.goto(publish(generator))
    said(page).to_contain_text("ReLU, batch norm, β = 0.3, r = 0.91, freeze; seed 0, after 1 steps")
    assert Axe().run(page).violations_count == 0
    press(page, "Play")
    said(page).to_contain_text(re.compile(r"after ([4-9]|\d\d+) steps"))
    press(page, "Pause")
    page.wait_for_timeout(500)
    (steps,) = re.findall("after (.*) steps", page.locator(".fc-sentence").inner_text())
    press(page, "Go 1 step")
    said(page).to_contain_text(f"after {int(steps) + 1} steps")
    page.get_by_role("radio", name="ReLU", exact=True).press("Space")
    said(page).to_contain_text("ReLU, β = 0.3, r = 0.91, freeze; seed 0, after 0 steps")


def test_frozen_images_are_alike_at_birth_normed_ones_are_not(page: Page, generator: Live) -> None:
    taken = [{"seed": 0, "beta": 0.5}[name] for name in generator.spec["live"]["names"]["begin"]]
    seen = page.evaluate(
        f"""() => ["ReLU", "ReLU, batch norm"].map((kind) => {{
          const program = ({code(generator)})(kind);
          return program.look(...program.begin(...{taken})).map((array) => array[0]);
        }})"""
    )
    names = generator.spec["live"]["names"]["look"]
    frozen, normed = (dict(zip(names, values, strict=True)) for values in seen)
    assert frozen["diversity"] < 0.2
    assert normed["diversity"] > 0.9
    assert frozen["lattice"] > 2 * normed["lattice"]


@pytest.mark.parametrize(
    ("depth", "width", "beta", "rate"), [(4, 32, 0.9, 0.5), (16, 32, 0.0, 2.0), (16, 128, 0.5, 1.0)]
)
def test_a_turn_of_the_page_s_training_is_the_package_s(
    page: Page, digits: Live, depth: int, width: int, beta: float, rate: float
) -> None:
    """In every weight, and the same when repeated."""
    assert digits.spec["live"]["names"]["begin"] == ["beta", "seed"]
    runs = page.evaluate(
        f"""() => {{
          const program = ({code(digits)})("{depth},{width}");
          return [1, 2].map(() => {{
            const state = program.advance(...program.begin({beta}, 3), {rate});
            return state.map((array) => Array.from(array));
          }});
        }}"""
    )
    assert runs[0] == runs[1]
    setting = {"depth": depth, "width": width, "beta": beta, "rate": rate, "seed": 3}
    known = jax.tree.leaves(digits.state(1, **setting))
    for found, leaf in zip(runs[0], known, strict=True):
        np.testing.assert_allclose(found, np.ravel(leaf), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("depth", [4, 16])
def test_the_page_s_training_is_finite_at_every_corner(
    page: Page, digits: Live, depth: int
) -> None:
    """To the end of the run, though the largest rate is beyond what is stable."""
    ends = page.evaluate(
        f"""() => {{
          const program = ({code(digits)})("{depth},32");
          const corners = [0, 0.9].flatMap((b) => [0, 9].flatMap((s) => [[b, s, 0.25], [b, s, 2]]));
          return corners.map(([beta, seed, rate]) => {{
            let state = program.begin(beta, seed);
            for (let k = 0; k < {trainability.TURNS}; k++) state = program.advance(...state, rate);
            return program.look(...state).map((array) => Array.from(array));
          }});
        }}"""
    )
    names = digits.spec["live"]["names"]["look"]
    for end in ends:
        seen = dict(zip(names, end, strict=True))
        assert seen["steps"] == [trainability.PACE * trainability.TURNS]
        assert all(np.isfinite(values).all() for values in map(np.array, end))
        assert 0 <= min(seen["shares"]) <= max(seen["shares"]) <= 1


def test_the_network_on_digits_is_trained_paused_and_begun_anew(
    page: Page, publish: Publish, digits: Live
) -> None:
    page.goto(publish(digits))
    said(page).to_contain_text("depth 4, width 32, seed 0. After 4 steps")
    assert Axe().run(page).violations_count == 0
    press(page, "Start again")
    for turn in range(3):
        known = digits.at(turn)
        said(page).to_contain_text(f"After {4 * turn} steps")
        said(page).to_contain_text(f"images it has {known['fitted']:.0%} right")
        answers = ", ".join(f"{answer:.0f}" for answer in known["answers"])
        said(page).to_contain_text(f"ten pictures for {answers}: {known['hits']:.0f} are right")
        press(page, "Go 4 steps")
    press(page, "Play")
    said(page).to_contain_text("After 256 steps")
    page.get_by_label("seed", exact=True).press("End")
    said(page).to_contain_text("seed 9. After 0 steps")
    page.get_by_label("bias share β", exact=True).press("End")
    said(page).to_contain_text("freeze; depth 4, width 32, seed 9. After 0 steps")


def test_infinite_width_is_foreseen_as_its_kernel_has_it() -> None:
    """At a time between two of the table, beside descent on the kernel itself."""
    rates, _ = trainability.at_infinite_width(4)
    x, _ = trainability.inputs()
    scale = jnp.exp(kernels.log_ntk_diagonal(trainability.SIN, 0.5, 4))
    gram = scale * kernels.gram(trainability.SIN, 0.5, 4, x)
    assert rates[5] == pytest.approx(dynamics.largest_learning_rate(gram), rel=1e-4)
    fitted, right = trainability.predicted(jnp.float32(200 * rates[5]), jnp.float32(0.5), 4)
    assert 0.9 < fitted <= 1
    assert 0.6 < right < 0.8


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10))
def test_the_three_fates(digits: Live, seed: int) -> None:
    """What the chapter says of depth 16 and width 128, after half of a run, with every seed."""
    chaos, edge, freeze = (
        digits.at(32, depth=16, width=128, rate=1, beta=beta, seed=seed) for beta in (0.1, 0.5, 0.8)
    )
    assert chaos["fitted"] > 0.95
    assert chaos["right"] < 0.2
    assert edge["fitted"] > 0.8
    assert 0.5 < edge["right"] < edge["wide_right"]
    assert freeze["fitted"] < 0.3
    assert freeze["losses"][0, -1] == pytest.approx(trainability.MEAN, abs=0.01)
    assert [chaos["fate"], edge["fate"], freeze["fate"]] == [4, 5, 2]
    born = digits.state(0, depth=16, width=128, beta=0.1, seed=seed)
    assert born.largest < trainability.at_infinite_width(16)[0][1] / 5


def test_a_page_carries_little(race: Live, bench: Live, generator: Live, digits: Live) -> None:
    assert race.payload_bytes < 110_000
    assert bench.payload_bytes < 130_000
    assert generator.payload_bytes < 190_000
    assert digits.payload_bytes < 105_000


@pytest.fixture(scope="module")
def newborn() -> Live:
    return newborn_frames()


@pytest.mark.parametrize("parametrization", ["usual", "graph-based"])
def test_generators_drawn_in_the_page_are_those_of_the_package(
    page: Page, publish: Publish, newborn: Live, parametrization: str
) -> None:
    page.goto(publish(newborn))
    page.locator(".fc-chip", has_text=re.compile(f"^{parametrization}$")).click()
    page.get_by_label("first draw", exact=True).press("ArrowRight")
    setting = newborn.start | {"parametrization": parametrization, "seed": 2}
    for count in range(4):
        seen = newborn.at(count, **setting)
        values = setting | {name: float(seen[name]) for name in ("count", "corner", "theory")}
        said(page).to_have_text(readout.fill(newborn.readout, values))
        press(page, "Go one generator")


@pytest.mark.parametrize("beta", [0.0, 0.5])
@pytest.mark.parametrize("parametrization", ["usual", "usual with gain", "graph-based"])
def test_the_frame_that_is_drawn_is_that_of_theory(
    newborn: Live, parametrization: str, beta: float
) -> None:
    """Over all pixels; a mean of 200 times 16 squares is exact to a few per cent."""
    seen = newborn.at(200, parametrization=parametrization, beta=beta)
    assert seen["row"][0] == pytest.approx(seen["row"][1], rel=0.25, abs=0.02)
    assert float(seen["corner"]) == pytest.approx(float(seen["theory"]), rel=0.2)
