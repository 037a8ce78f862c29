"""Explorers that compute where they are read: their programs in Chromium, beside JAX."""

import itertools
import re
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Locator, Page, expect

from freezechaos import deconvolution
from freezechaos.explorers import (
    Explorer,
    border_frames,
    checkerboard_modes,
    checkerboards,
    mixing_desk,
    pixel_kernels,
)
from freezechaos.explorers.desk import CHANNELS
from freezechaos.explorers.fully_connected import named_activation
from freezechaos.explorers.positions import PARAMETRIZATIONS, choices

pytestmark = pytest.mark.browser
Publish = Callable[..., str]
MAKERS = {
    "pixel": pixel_kernels,
    "boards": checkerboard_modes,
    "frames": border_frames,
    "desk": mixing_desk,
}
ROUNDED = {"pictures": 1e-4, "adds": 0.01, "moved": 5e-4}
"""Of a desk, where 80 products with a kernel add up their roundings; 0.01 of a shade is unseen."""


@pytest.fixture(scope="module", params=MAKERS)
def explorer(request: pytest.FixtureRequest) -> Explorer:
    return MAKERS[request.param]()


def by_page(page: Page, explorer: Explorer, settings: list[dict[str, Any]]) -> Iterator[Any]:
    """What the programs that a page carries give, as the page calls them."""
    source = zlib.decompress(explorer.data).decode()
    calling, axes = explorer.spec["compiled"], explorer.axes
    run = f"""(calls) => {{
      const of = {source};
      const programs = {{}};
      return calls.map(([number, given]) => {{
        programs[number] ??= of(number);
        return programs[number](...given).map((result) => Array.from(result));
      }});
    }}"""
    calls = []
    for setting in settings:
        number = 0
        for name in calling["looped"]:
            number = number * len(axes[name].values) + axes[name].values.index(setting[name])
        given = [
            int(axes[name].position(setting[name])) if hasattr(axes[name], "options")
            else setting[name]
            for name in calling["mapped"]
        ]  # fmt: skip
        calls.append([str(number), given])
    names = [output["name"] for output in explorer.spec["outputs"]]
    for results in page.evaluate(run, calls):
        yield dict(zip(names, results, strict=True))


def test_every_corner_in_the_page_is_that_of_jax(page: Page, explorer: Explorer) -> None:
    """And β = 0.37, on no grid. Eigenimages are compared by what the kernel makes of them."""
    corners = list(explorer.corners())
    inside = [{**corner, "beta": 0.37} for corner in corners if corner["beta"] == 0]
    settings = [*corners, *inside]
    for setting, found in zip(settings, by_page(page, explorer, settings), strict=True):
        known = explorer.at(**setting)
        for name, values in found.items():
            if name == "images":
                check_modes(setting, np.reshape(values, (-1, 256)), known["shares"])
            else:
                size = max(1.0, float(np.max(np.abs(known[name]))))
                assert np.isfinite(values).all(), (setting, name)
                rounding = ROUNDED.get(name, 1e-5) if "gamma" in setting else 1e-5
                close = pytest.approx(np.ravel(known[name]), rel=0, abs=rounding * size)
                assert np.ravel(values) == close, (setting, name)


def check_modes(setting: dict[str, Any], images: np.ndarray, shares: np.ndarray) -> None:
    """Each is an eigenimage, to its eigenvalue."""
    number = list(checkerboards.UPS).index(setting["layer"])
    kind = PARAMETRIZATIONS.index(setting["parametrization"])
    layers = choices(checkerboards.UPS.values(), setting["depth"], checkerboards.START)
    taps = [layer.chosen(number, kind) for layer in layers]
    sigma = named_activation(setting["activation"])
    kernel = deconvolution.square_kernels(taps, sigma, np.float32(setting["beta"])).ntk
    gram = np.asarray(kernel, float).reshape(256, 256)
    images = images / np.linalg.norm(images, axis=1, keepdims=True)
    values = shares[:, None] * np.trace(gram)
    assert np.max(np.abs(images @ gram - values * images)) < 2e-5 * values[0], setting


def chip(page: Page, option: str) -> Locator:
    return page.locator(".fc-chip", has_text=re.compile(f"^{re.escape(option)}$"))


def test_controls_are_followed(page: Page, publish: Publish, explorer: Explorer) -> None:
    """By mouse and keys; what is said is what the package says; a link leads there again."""
    page.goto(publish(explorer))
    said = expect(page.locator(".fc-sentence"))
    setting: dict[str, Any] = {}

    def agree() -> None:
        said.to_have_text(explorer.sentence(**setting))

    agree()
    for name in PARAMETRIZATIONS[::-1] if "parametrization" in explorer.axes else ():
        chip(page, name).click()
        setting["parametrization"] = name
        agree()
    page.get_by_role("slider", name="bias share β").press("End")
    setting["beta"] = 0.9
    agree()
    for axis in explorer.axes.values():
        if hasattr(axis, "options") and axis.name not in setting:
            chip(page, axis.options[-1]).click()
            setting[axis.name] = axis.options[-1]
            agree()
    page.wait_for_function("location.hash.includes('beta=0.9')")
    page.reload()
    agree()


def test_faders_go_by_keys_and_by_touch(browser: Browser, publish: Publish) -> None:
    """On a phone too; λ₁ falls as they do, and channels have their names."""
    explorer = mixing_desk()
    with browser.new_context(viewport={"width": 375, "height": 700}, has_touch=True) as context:
        page = context.new_page()
        page.goto(publish(explorer))
        said = expect(page.locator(".fc-sentence"))
        said.to_have_text(explorer.sentence())
        for name in CHANNELS:
            expect(page.locator("svg text", has_text=re.compile(f"^{name}$"))).to_be_visible()
        page.get_by_role("slider", name="fader: last bias").press("Home")
        said.to_have_text(explorer.sentence(last=0.0))
        page.get_by_role("button", name="training steps: more").tap()
        said.to_have_text(explorer.sentence(last=0.0, steps=48))
        chip(page, "normalized relu").tap()
        said.to_have_text(explorer.sentence(last=0.0, steps=48, activation="normalized relu"))
        assert page.evaluate("document.documentElement.scrollWidth") <= 375


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_is_accessible(page: Page, publish: Publish, explorer: Explorer, theme: str) -> None:
    page.set_viewport_size({"width": 375, "height": 700})
    page.goto(publish(explorer, theme=theme))
    expect(page.locator(".fc-sentence")).not_to_be_empty()
    assert page.evaluate("document.documentElement.scrollWidth") <= 375
    results = Axe().run(page)
    assert results.violations_count == 0, results.generate_report()


def test_one_program_serves_all_layers(explorer: Explorer) -> None:
    """What is traced costs no program: activations and depths alone do."""
    static = [axis for axis in explorer.axes.values() if axis.static and axis.tabulated]
    assert {axis.name for axis in static} <= {"depth", "convolutions", "activation"}
    known = list(itertools.product(*(axis.values for axis in static)))
    assert len(known) == (2 if explorer.slug == "desk" else 6)
