"""The page side: the same explorers in a headless Chromium, from a file, with no kernel."""

import io
import re
from collections.abc import Callable, Iterator
from typing import Any

import ipywidgets
import matplotlib.image
import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Locator, Page, expect

from freezechaos.explorers import Explorer
from freezechaos.explorers.moves import moves, wishes

pytestmark = pytest.mark.browser
Publish = Callable[..., str]


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """Yield a page that fails the test if it complains or asks anything of the outside."""
    context = browser.new_context(viewport={"width": 1000, "height": 900})
    context.set_default_timeout(5000)
    with Quiet(context.new_page()) as page:
        yield page
    context.close()


@pytest.fixture
def explorers(
    decay: Explorer,
    staircase: Explorer,
    phase: Explorer,
    plane: Explorer,
    album: Explorer,
    seen: Explorer,
    nudged: Explorer,
) -> list[Explorer]:
    return [decay, staircase, phase, plane, album, seen, nudged]


class Quiet:
    """A page whose console stays empty and whose requests stay on this machine."""

    def __init__(self, page: Page) -> None:
        self.page, self.complaints = page, list[str]()
        page.on("console", lambda message: self.complaints.append(message.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", lambda request: self.note(request.url))

    def note(self, url: str) -> None:
        if not url.startswith(("file:", "blob:", "data:")):
            self.complaints.append(url)

    def __enter__(self) -> Page:
        return self.page

    def __exit__(self, *failure: object) -> None:
        assert failure[0] or not self.complaints, self.complaints


def opened(page: Page, url: str, explorers: int = 1) -> Locator:
    page.goto(url)
    expect(page.locator(".fc-sentence")).to_have_count(explorers)
    return page.locator(".fc-explorer").first


def sentence(explorer: Locator) -> str:
    return explorer.locator(".fc-sentence").inner_text().replace("\u00a0", " ")


def says(explorer: Locator, words: str) -> None:
    expect(explorer.locator(".fc-sentence")).to_have_text(words.replace(" = ", "\u00a0=\u00a0"))


def shape(explorer: Locator) -> str:
    return explorer.locator("path.fc-curve").first.get_attribute("d") or ""


@pytest.mark.parametrize(
    "setting",
    [
        {},
        {"beta": 0.333, "depth": 64, "activation": "erf"},
        {"beta": 0.95, "depth": 1, "activation": "normalized relu"},
        {"beta": 0.0, "depth": 2, "activation": "relu"},
    ],
)
def test_the_page_shows_what_python_reads(
    page: Page, publish: Publish, decay: Explorer, setting: dict[str, Any]
) -> None:
    fragment = ",".join(f"{name}={value}".replace(" ", "%20") for name, value in setting.items())
    explorer = opened(page, f"{publish(decay)}#{decay.slug}:{fragment}")
    assert sentence(explorer) == decay.sentence(**setting)
    points = np.array(re.findall(r"(-?[\d.]+),(-?[\d.]+)", shape(explorer)), float)
    kernel = decay.interpolated(**setting)["pair"][0]
    slope, offset = np.polyfit(kernel, points[:, 1], 1)
    assert points[:, 1] == pytest.approx(slope * kernel + offset, abs=0.1)
    assert np.ptp(points[:, 0]) > 300


def test_formats_are_those_of_python(page: Page, publish: Publish, staircase: Explorer) -> None:
    for rate in (0.1, 0.4321, 0.9):
        explorer = opened(page, f"{publish(staircase)}#staircase:rate={rate}")
        page.reload()
        says(explorer, staircase.sentence(rate=rate))


def test_a_mouse_moves_slider_stepper_and_choice(
    page: Page, publish: Publish, decay: Explorer
) -> None:
    explorer = opened(page, publish(decay))
    before = shape(explorer)
    slider = explorer.get_by_role("slider", name="bias share β")
    box = slider.bounding_box()
    assert box
    page.mouse.move(box["x"] + 0.1 * box["width"], box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.5 * box["width"], box["y"] + box["height"] / 2, steps=4)
    page.mouse.up()
    expect(explorer.locator(".fc-sentence")).to_contain_text(re.compile(r"β.=.0\.4[678]"))
    assert shape(explorer) != before
    explorer.get_by_role("button", name="depth L: more").click()
    explorer.get_by_role("radio", name="normalized relu").check()
    expect(explorer.locator(".fc-sentence")).to_contain_text("depth 32, normalized relu")
    explorer.get_by_role("button", name="Reset").click()
    says(explorer, decay.sentence(**decay.start))
    assert shape(explorer) == before


def test_the_keyboard_does_all_of_it(page: Page, publish: Publish, decay: Explorer) -> None:
    explorer = opened(page, publish(decay))
    slider = explorer.get_by_role("slider", name="bias share β")
    slider.focus()
    slider.press("ArrowRight")
    expect(slider).to_have_attribute("aria-valuetext", "bias share β 0.11")
    slider.press("End")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.press("Home")
    expect(explorer.get_by_role("slider", name="depth L")).to_have_attribute(
        "aria-valuetext", "depth L 1"
    )
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowDown")
    says(explorer, decay.sentence(beta=0.95, depth=1, activation="normalized relu"))
    picture = explorer.get_by_role("img").get_attribute("aria-label") or ""
    assert picture.startswith("kernel against angle (degrees). At β")
    assert picture.endswith("freeze.")


def test_the_point_on_the_map_is_dragged_and_pushed(
    page: Page, publish: Publish, phase: Explorer
) -> None:
    explorer = opened(page, publish(phase))
    point = explorer.get_by_role("slider", name=re.compile("drag"))
    box = explorer.locator("canvas").bounding_box()
    assert box
    point.hover()
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"], box["y"] + box["height"] / 2, steps=5)
    page.mouse.up()
    says(explorer, phase.sentence(beta=0.95, activation="normalized relu"))
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowDown")
    says(explorer, phase.sentence(beta=0.94, activation="erf"))
    expect(explorer.get_by_role("radio", name="erf")).to_be_checked()
    page.mouse.click(box["x"] + 1, box["y"] + 5)
    says(explorer, phase.sentence(beta=0.0, activation="relu"))


def test_the_arrow_keys_go_up_a_map_of_numbers(
    page: Page, publish: Publish, plane: Explorer
) -> None:
    explorer = opened(page, publish(plane))
    point = explorer.get_by_role("slider", name=re.compile("drag"))
    point.press("ArrowUp")
    point.press("ArrowUp")
    says(explorer, plane.sentence(beta=0.52))
    assert "10⁻³" in explorer.locator(".fc-tick").all_text_contents()
    box = explorer.locator("canvas").bounding_box()
    assert box
    page.mouse.click(box["x"] + box["width"], box["y"] + box["height"] - 1)
    says(explorer, plane.sentence(beta=0.0, width=1000))


def test_a_finger_drags_the_point_and_scrolls_elsewhere(
    browser: Browser, publish: Publish, phase: Explorer
) -> None:
    context = browser.new_context(viewport={"width": 375, "height": 700}, has_touch=True)
    page = context.new_page()
    explorer = opened(page, publish(phase))
    box = explorer.locator("canvas").bounding_box()
    assert box
    page.touchscreen.tap(box["x"] + box["width"] - 1, box["y"] + box["height"] - 8)
    says(explorer, phase.sentence(beta=0.95, activation="erf"))
    handle = explorer.locator(".fc-handle")
    assert handle.evaluate("element => getComputedStyle(element).touchAction") == "none"
    at = handle.bounding_box()
    assert at
    assert min(at["width"], at["height"]) >= 44
    touch = context.new_cdp_session(page)
    x, y = at["x"] + at["width"] / 2, at["y"] + at["height"] / 2
    for kind, where in (("Start", x), ("Move", x - 60), ("Move", box["x"]), ("End", None)):
        points = [] if where is None else [{"x": where, "y": y}]
        touch.send("Input.dispatchTouchEvent", {"type": f"touch{kind}", "touchPoints": points})
    says(explorer, phase.sentence(beta=0.0, activation="erf"))
    context.close()


@pytest.mark.parametrize(("height", "leads"), [(700, True), (400, False)])
def test_on_a_phone_the_first_picture_stays_in_sight(
    browser: Browser, publish: Publish, plane: Explorer, height: int, leads: bool
) -> None:
    context = browser.new_context(viewport={"width": 375, "height": height}, has_touch=True)
    page = context.new_page()
    explorer = opened(page, publish(plane))
    page.evaluate("document.body.style.paddingBottom = '2000px'")
    view, control = (explorer.locator(f".fc-{part}").first for part in ("view", "control"))
    view.evaluate("(part) => scrollTo(0, scrollY + part.getBoundingClientRect().top + 60)")
    picture, slider = view.bounding_box(), control.bounding_box()
    assert picture
    assert slider
    assert abs(picture["y"] - (0 if leads else -60)) < 1  # it leaves where it has no room
    assert slider["y"] > picture["y"] + picture["height"] - 60
    context.close()


def painted(canvas: Locator, rows: int, columns: int) -> np.ndarray:
    """Return the colour at the centre of each pixel, as the screen shows it."""
    screen = matplotlib.image.imread(io.BytesIO(canvas.screenshot()))[..., :3]
    down, along = np.mgrid[:rows, :columns] + 0.5
    high, wide = screen.shape[:2]
    return screen[(down * high / rows).astype(int), (along * wide / columns).astype(int)]


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("contrast", [0.2, 0.456, 1.0])
def test_photographs_are_painted_from_black_to_white(
    page: Page, publish: Publish, album: Explorer, theme: str, contrast: float
) -> None:
    explorer = opened(page, f"{publish(album, theme=theme)}#album:contrast={contrast}")
    says(explorer, album.sentence(contrast=contrast))
    shown = album.interpolated(contrast=contrast)
    low, high = album.spec["views"][0]["range"]
    for k, canvas in enumerate(explorer.locator("canvas").all()):
        share = np.clip((shown["waves"][k] - low) / (high - low), 0, 1)
        assert painted(canvas, 6, 8) == pytest.approx(np.stack([share] * 3, -1), abs=0.004)
    titles = explorer.locator(".fc-panels p").all_inner_texts()
    assert titles == [f"wave {k}: {value:.2f}" for k, value in enumerate(shown["strength"])]
    picture = explorer.get_by_role("img").get_attribute("aria-label")
    assert picture == (
        f"brightness as the shade of each pixel. {', '.join(titles)}. "
        f"{album.sentence(contrast=contrast)}"
    )
    assert explorer.locator(".fc-ramp").all_inner_texts() == ["−1\n1"]


@pytest.mark.parametrize(
    ("theme", "paper", "violet"),
    [("light", (255, 255, 255), (91, 79, 162)), ("dark", (26, 30, 36), (176, 165, 240))],
)
def test_kernels_are_painted_from_the_page_to_violet(
    page: Page, publish: Publish, seen: Explorer, theme: str, paper: Any, violet: Any
) -> None:
    explorer = opened(page, f"{publish(seen, theme=theme)}#seen:row=3,column=0,activation=erf")
    says(explorer, seen.sentence(row=3, column=0, activation="erf"))
    kernel = seen.interpolated(row=3, column=0, activation="erf")["kernel"]
    low, high = (np.array(shade) / 255 for shade in (paper, violet))
    for canvas, shares in zip(explorer.locator("canvas").all(), kernel, strict=True):
        wanted = low + (high - low) * shares[..., None]
        assert painted(canvas, 4, 5) == pytest.approx(wanted, abs=0.006)
    expect(explorer).to_have_css("background-color", f"rgb{paper}")


def centre(canvas: Locator, row: int, column: int) -> tuple[float, float]:
    box = canvas.bounding_box()
    assert box
    assert box["width"] / 5 == pytest.approx(box["height"] / 4)
    return box["x"] + box["width"] * (column + 0.5) / 5, box["y"] + box["height"] * (row + 0.5) / 4


def test_a_mouse_picks_a_pixel_in_any_panel(page: Page, publish: Publish, seen: Explorer) -> None:
    explorer = opened(page, publish(seen))
    first, second = explorer.locator("canvas").all()
    page.mouse.click(*centre(second, 0, 4))
    says(explorer, seen.sentence(row=0, column=4))
    for canvas, ring in zip((first, second), explorer.locator(".fc-ring").all(), strict=True):
        box = ring.bounding_box()
        assert box
        x, y = centre(canvas, 0, 4)
        middle = (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        assert middle == pytest.approx((x, y), abs=0.1)
    page.mouse.move(*centre(first, 2, 2))
    page.mouse.down()
    page.mouse.move(*centre(first, 3, 1), steps=4)
    says(explorer, seen.sentence(row=3, column=1))
    page.mouse.move(*centre(second, 0, 4), steps=4)
    page.mouse.up()
    says(explorer, seen.sentence(row=0, column=4))
    page.mouse.move(*centre(first, 2, 2))
    page.wait_for_url(re.compile("row=0,column=4"))


def nudges(explorer: Explorer, **setting: Any) -> np.ndarray:
    """How the six pictures moved, over the largest move, as Python has it."""
    view, now = explorer.spec["views"][1], explorer.start | setting
    who = ["one", "each", "all"].index(now["who"])
    number, *pixel = (now[name] for name in view["pick"])
    asked = wishes(who, (number - 1, *pixel), now["batch"], np.array(view["wishes"]))
    rows, columns = (np.array(part) for part in view["classes"])
    moved = moves(explorer.interpolated(**setting)["kernels"], (rows, columns), asked, 6)
    return moved / moved.max()


@pytest.mark.parametrize(("who", "rings"), [("one", 1), ("each", 6), ("all", 6)])
def test_a_pushed_picture_moves_as_python_says(
    page: Page, publish: Publish, nudged: Explorer, who: str, rings: int
) -> None:
    setting = {"who": who, "beta": 0.333, "batch": 12, "size": 1.5, "image": 4, "row": 1}
    address = ",".join(f"{name}={value}" for name, value in setting.items())
    explorer = opened(page, f"{publish(nudged)}#nudged:{address}")
    says(explorer, nudged.sentence(**setting))
    moved = nudges(nudged, **setting)
    pictures, born = explorer.locator("canvas").all(), nudged.interpolated(**setting)["born"]
    assert explorer.locator(".fc-ring:visible").count() == 2 * rings
    page.add_style_tag(content=".fc-ring { display: none }")
    for k in range(6):
        grey = np.clip((born[k] + 1.5 * moved[k] + 2) / 4, 0, 1)
        assert painted(pictures[k], 2, 3)[..., 0] == pytest.approx(grey, abs=0.006)
        violet = 1 - moved[k] * (1 - 91 / 255)
        assert painted(pictures[6 + k], 2, 3)[..., 0] == pytest.approx(violet, abs=0.006)


def test_a_click_pushes_a_pixel_of_one_picture(
    page: Page, publish: Publish, nudged: Explorer
) -> None:
    explorer = opened(page, publish(nudged))
    canvas = explorer.locator("canvas").nth(6 + 5)
    box = canvas.bounding_box()
    assert box
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + 0.75 * box["height"])
    page.wait_for_url(re.compile("image=6,row=1,column=1"))
    pictures = explorer.get_by_role("slider", name=re.compile("^row and column: click"))
    pictures.last.press("ArrowRight")
    page.wait_for_url(re.compile("image=6,row=1,column=2"))
    explorer.get_by_role("slider", name="image", exact=True).press("ArrowLeft")
    page.wait_for_url(re.compile("image=5,row=1,column=2"))
    ring = explorer.locator(".fc-ring:visible").last.bounding_box()
    panel = explorer.locator("canvas").nth(6 + 4).bounding_box()
    assert ring
    assert panel
    assert ring["x"] == pytest.approx(panel["x"] + 2 * panel["width"] / 3, abs=0.1)


def test_the_arrow_keys_move_by_a_pixel(page: Page, publish: Publish, seen: Explorer) -> None:
    explorer = opened(page, publish(seen))
    picture = explorer.get_by_role("slider", name=re.compile("arrow keys"))
    name = picture.get_attribute("aria-label") or ""
    assert name.startswith("row and column: click, or use the arrow keys. kernel as the shade")
    assert name.endswith("once, twice")
    for key in ("ArrowDown", "ArrowLeft", "ArrowLeft"):
        picture.press(key)
    says(explorer, seen.sentence(row=2, column=1))
    expect(picture).to_have_attribute("aria-valuetext", seen.sentence(row=2, column=1))
    expect(picture).to_have_attribute("aria-valuenow", "11")
    for key in ("ArrowUp", "ArrowUp", "ArrowUp", "ArrowRight"):
        picture.press(key)
    says(explorer, seen.sentence(row=0, column=2))


def test_a_finger_picks_a_pixel_and_scrolls_over_the_picture(
    browser: Browser, publish: Publish, seen: Explorer
) -> None:
    context = browser.new_context(viewport={"width": 375, "height": 500}, has_touch=True)
    page = context.new_page()
    explorer = opened(page, publish(seen))
    canvas = explorer.locator("canvas").last
    page.touchscreen.tap(*centre(canvas, 3, 4))
    says(explorer, seen.sentence(row=3, column=4))
    touch = context.new_cdp_session(page)
    x, y = centre(canvas, 0, 0)
    for kind, up in (("Start", 0), ("Move", 40), ("Move", 120), ("End", None)):
        points = [] if up is None else [{"x": x, "y": y - up}]
        touch.send("Input.dispatchTouchEvent", {"type": f"touch{kind}", "touchPoints": points})
    page.wait_for_function("scrollY > 50")
    says(explorer, seen.sentence(row=3, column=4))
    context.close()


@pytest.mark.parametrize(("width", "lines"), [(320, 2), (375, 2), (1000, 1)])
def test_panels_stand_in_even_lines(
    browser: Browser, publish: Publish, album: Explorer, width: int, lines: int
) -> None:
    page = browser.new_page(viewport={"width": width, "height": 800}, device_scale_factor=1.5)
    explorer = opened(page, publish(album))
    boxes = [canvas.bounding_box() for canvas in explorer.locator("canvas").all()]
    assert len({round(box["y"]) for box in boxes if box}) == lines
    for box in boxes:
        assert box
        assert box["width"] * 1.5 / 8 == pytest.approx(round(box["width"] * 1.5 / 8))
        assert box["width"] / 8 == pytest.approx(box["height"] / 6)
    page.close()


def test_the_address_keeps_each_explorer_and_the_anchor(
    page: Page, publish: Publish, decay: Explorer, phase: Explorer
) -> None:
    url = publish(decay, phase)
    opened(page, f"{url}#below", explorers=2)
    first, second = page.locator(".fc-explorer").all()
    first.get_by_role("slider", name="bias share β").press("ArrowRight")
    second.get_by_role("radio", name="normalized relu").check()
    page.wait_for_url(re.compile("edge:"))
    page.wait_for_url(
        f"{url}#below&decay-with-the-angle:beta=0.11,depth=16,activation=relu"
        "&edge:beta=0.3,activation=normalized%20relu"
    )
    page.reload()
    says(first, decay.sentence(beta=0.11))
    says(second, phase.sentence(activation="normalized relu"))
    second.get_by_role("button", name="Reset").click()
    page.wait_for_url(lambda now: "edge:" not in now and "beta=0.11" in now)
    page.evaluate("location.hash = '#edge:beta=0.5,activation=erf'")
    says(second, phase.sentence(beta=0.5, activation="erf"))
    says(first, decay.sentence(beta=0.11))


def test_a_link_is_followed_to_its_explorer(
    page: Page, publish: Publish, decay: Explorer, phase: Explorer
) -> None:
    opened(page, f"{publish(decay, phase)}#edge:beta=0.5", explorers=2)
    expect(page.locator(".fc-explorer").last).to_be_in_viewport(ratio=0.9)
    assert page.evaluate("scrollY") > 200


@pytest.mark.parametrize("wrong", ["beta=abc", "beta=", "nonsense", "activation=tanh", "=,=:"])
def test_nonsense_in_the_address_is_passed_over(
    page: Page, publish: Publish, decay: Explorer, wrong: str
) -> None:
    explorer = opened(page, f"{publish(decay)}#{decay.slug}:{wrong}")
    says(explorer, decay.sentence(**decay.start))


def test_values_out_of_range_come_to_the_nearest(
    page: Page, publish: Publish, decay: Explorer
) -> None:
    explorer = opened(page, f"{publish(decay)}#{decay.slug}:beta=7,depth=60")
    says(explorer, decay.sentence(beta=0.95, depth=64))


def test_copy_link_gives_this_setting(browser: Browser, publish: Publish, decay: Explorer) -> None:
    context = browser.new_context(permissions=["clipboard-read", "clipboard-write"])
    page = context.new_page()
    url = publish(decay)
    explorer = opened(page, url)
    explorer.get_by_role("slider", name="bias share β").press("ArrowRight")
    explorer.get_by_role("button", name="Copy link").click()
    expect(explorer.get_by_role("button", name="Link copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == (
        f"{url}#decay-with-the-angle:beta=0.11,depth=16,activation=relu"
    )
    context.close()


def test_the_theme_is_followed_at_once(page: Page, publish: Publish, phase: Explorer) -> None:
    explorer = opened(page, publish(phase))
    pixel = """canvas => {
        const copy = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
        copy.drawImage(canvas, -2, -2);
        return [...copy.getImageData(0, 0, 1, 1).data];
    }"""
    background = "element => getComputedStyle(element).backgroundColor"
    light = explorer.locator("canvas").evaluate(pixel)
    assert explorer.evaluate(background) == "rgb(255, 255, 255)"
    page.evaluate("document.documentElement.dataset.theme = 'dark'")
    expect(explorer).to_have_css("background-color", "rgb(26, 30, 36)")
    page.wait_for_timeout(100)
    assert sum(explorer.locator("canvas").evaluate(pixel)) < sum(light) - 200


@pytest.mark.parametrize("width", [320, 375, 768, 1400])
def test_nothing_overflows(
    browser: Browser, publish: Publish, explorers: list[Explorer], width: int
) -> None:
    page = browser.new_page(viewport={"width": width, "height": 800})
    opened(page, publish(*explorers), explorers=len(explorers))
    assert page.evaluate("document.documentElement.scrollWidth") == width
    outside = """() => [...document.querySelectorAll(".fc-explorer *")].filter((element) => {
        const card = element.closest(".fc-explorer").getBoundingClientRect();
        const box = element.getBoundingClientRect();
        return box.left < card.left - 1 || box.right > card.right + 1;
    }).map((element) => element.outerHTML.slice(0, 80))"""
    assert page.evaluate(outside) == []
    page.close()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing(
    page: Page, publish: Publish, explorers: list[Explorer], theme: str
) -> None:
    opened(page, publish(*explorers, theme=theme), explorers=len(explorers))
    results = Axe().run(page)
    assert results.violations_count == 0, results.generate_report()


def test_two_views_of_one_explorer_move_together(
    page: Page, publish: Publish, decay: Explorer
) -> None:
    opened(page, publish(decay, decay), explorers=2)
    first, second = page.locator(".fc-explorer").all()
    first.get_by_role("slider", name="bias share β").press("ArrowRight")
    says(second, decay.sentence(beta=0.11))


def test_other_widgets_say_what_they_need(page: Page, publish: Publish) -> None:
    page.goto(publish(ipywidgets.IntSlider()))
    expect(page.get_by_role("note")).to_have_text(
        "This control needs a live kernel: open this page in JupyterLab or Colab."
    )


def test_a_screen_reader_waits_until_the_hand_rests(
    page: Page, publish: Publish, decay: Explorer
) -> None:
    explorer = opened(page, publish(decay))
    live = explorer.locator("[aria-live=polite].fc-sentence")
    explorer.get_by_role("slider", name="bias share β").press("ArrowRight")
    expect(live).to_have_attribute("aria-busy", "true")
    expect(live).not_to_have_attribute("aria-busy", "true")
