"""The built site, opened from the disk: every page, light and dark, wide and narrow.

`make book` treats warnings and broken references as errors, so a site that is there is whole.
"""

import io
import json
import re
import subprocess
from functools import cache
from itertools import product
from pathlib import Path
from typing import Literal
from urllib.parse import unquote, urlsplit

import jax.numpy as jnp
import nbformat
import pytest
import yaml
from axe_playwright_python.sync_playwright import Axe
from bs4 import BeautifulSoup
from PIL import Image
from playwright.sync_api import Browser, Page, expect
from pybtex.database import parse_file, parse_string

import editions
import figures
import handout
import metadata
import publishing
from execution_cache import BUILT, of_these_sources
from freezechaos import kernels
from freezechaos.activations import normalized, standardized
from freezechaos.claims import CLAIMS
from freezechaos.plotting import PALETTE

ROOT = Path(__file__).parents[2]

BOOK = ROOT / "book"
TOC = yaml.safe_load((BOOK / "_toc.yml").read_text())
CHAPTERS = [chapter["file"] for part in TOC["parts"] for chapter in part["chapters"]]
PAGES = sorted([TOC["root"], *CHAPTERS, "genindex", "search"])
SLIDES = [f"slides/{chapter}" for chapter in editions.chapters()[2::9]]  # all made alike
WIDTHS, SCHEMES = (1280, 375), ("light", "dark")
LOOKS = [  # a chapter in all ways, what shares its parts in two that have both
    (name, width, scheme)
    for name in [*PAGES, *SLIDES]
    for width, scheme in (
        product(WIDTHS, SCHEMES)
        if name in editions.chapters()
        else zip(WIDTHS, SCHEMES, strict=True)
    )
]
FITS = """document.querySelectorAll("section[data-fitted$=true] .fc-explorer").length
    && [...document.querySelectorAll("section")].every((s) => s.dataset.fitted)
    && [...document.querySelectorAll("section")].every((s) => s.offsetHeight < innerHeight + 3)"""
LOCAL = ("file:", "data:", "blob:")

# What axe-core finds and we accept: (rule, a selector of the element) -> why.
ACCEPTED: dict[tuple[str, str], str] = {}


@pytest.fixture(scope="session")
def site() -> Path:
    """Build the site as the README says; what did not change since the last build is quick."""
    command = ["make", "book", "FETCH="]  # asks no outside host
    build = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, errors="replace", check=False
    )
    lines = (build.stdout + build.stderr).splitlines()
    wrong = [line for line in lines if re.search(r"WARNING:|ERROR:|Error:", line)]
    assert build.returncode == 0, "\n".join(wrong or lines)
    return BUILT / "html"


@cache
def parse(site: Path, name: str) -> BeautifulSoup:
    return BeautifulSoup((site / f"{name}.html").read_text(), "html.parser")


def settle(page: Page, path: Path, query: str = "") -> None:
    page.goto(path.as_uri() + query)
    page.wait_for_load_state("networkidle")
    page.evaluate("() => window.MathJax?.startup?.promise")


def violations(page: Page) -> list[str]:
    """Return what axe-core finds, one line an element, without what `ACCEPTED` names."""
    options = {
        "preload": False,  # it would fetch style sheets, which file:// forbids
        "resultTypes": ["violations"],
        # rules that axe leaves out unless asked: the first is experimental, the other WCAG 2.2's
        "rules": {
            "label-content-name-mismatch": {"enabled": True},
            "target-size": {"enabled": True},
        },
    }
    found = Axe().run(page, options=options).response["violations"]
    return [
        f"{rule['id']}: {node['html'][:200]}"
        for rule in found
        for node in rule["nodes"]
        if not any(
            rule["id"] == accepted
            and page.locator(node["target"][0]).and_(page.locator(where)).count()
            for accepted, where in ACCEPTED
        )
    ]


def test_the_pages_are_those_of_the_table_of_contents(site: Path) -> None:
    assert sorted(path.stem for path in site.glob("*.html")) == PAGES


@pytest.mark.browser
@pytest.mark.parametrize(("name", "width", "scheme"), LOOKS)
def test_page_is_clean(site: Path, browser: Browser, name: str, width: int, scheme: str) -> None:
    viewport = {"width": width, "height": 900}
    with browser.new_context(viewport=viewport, color_scheme=scheme) as context:
        page = context.new_page()
        problems: list[str] = []
        page.on("console", lambda m: problems.append(m.text) if m.type == "error" else None)
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("request", lambda r: None if r.url.startswith(LOCAL) else problems.append(r.url))
        page.on("requestfailed", lambda r: problems.append(f"failed: {r.url}"))
        settle(page, site / f"{name}.html")
        assert page.locator("html").get_attribute("data-theme") == scheme
        assert page.evaluate("document.documentElement.scrollWidth") <= width, "it scrolls sideways"
        problems += violations(page)
        assert not problems


COVERED = """async () => {
    const covered = [], parts = "a[href], button, input, summary";
    for (const part of [...document.querySelectorAll(`article :is(${parts})`)].reverse()) {
        part.focus();
        if (document.activeElement !== part) continue;
        await new Promise(requestAnimationFrame);
        const bars = [...document.querySelectorAll("header, .bd-header-article")];
        const ends = bars.map((bar) => bar.getBoundingClientRect());
        const below = Math.max(0, ...ends.filter((bar) => bar.top <= 0).map((bar) => bar.bottom));
        const own = part.getBoundingClientRect();
        const lead = part.closest(".fc-leads")?.querySelector(".fc-view");
        const stuck = lead && getComputedStyle(lead).position === "sticky" && !lead.contains(part);
        const { top, bottom } = stuck ? lead.getBoundingClientRect() : { top: 0, bottom: 0 };
        if (own.bottom <= below || (own.top >= top && own.bottom <= bottom)) {
            covered.push(part.outerHTML);
        }
    }
    return covered;
}"""


@pytest.mark.browser
@pytest.mark.parametrize("size", [(1280, 500), (375, 700)])
@pytest.mark.parametrize("name", ["03_freeze_and_chaos", "07_batch_norm_decomposed", "instructor"])
def test_what_has_the_focus_is_not_below_the_header_or_a_picture_that_stays(
    site: Path, browser: Browser, name: str, size: tuple[int, int]
) -> None:
    """Backwards, for then a page scrolls up, and what comes in comes in below the header."""
    viewport = {"width": size[0], "height": size[1]}
    with browser.new_context(viewport=viewport, reduced_motion="reduce") as context:
        page = context.new_page()
        settle(page, site / f"{name}.html")
        assert page.evaluate(COVERED) == []


@pytest.mark.browser
def test_nothing_moves_where_less_motion_is_asked_for(site: Path, browser: Browser) -> None:
    moving = """() => [...document.querySelectorAll("*")].map((part) => getComputedStyle(part))
        .filter((s) => s.animationName !== "none" || s.scrollBehavior === "smooth"
            || s.transitionDuration.split(",").some((time) => parseFloat(time) > 0)).length"""
    found = {}
    for motion in ("no-preference", "reduce"):
        with browser.new_context(reduced_motion=motion) as context:
            page = context.new_page()
            settle(page, site / "03_freeze_and_chaos.html")
            found[motion] = page.evaluate(moving)
    assert found["no-preference"] > 0
    assert found["reduce"] == 0


@pytest.mark.browser
def test_search_finds_from_the_disk(site: Path, browser: Browser) -> None:
    with browser.new_context() as context:
        page = context.new_page()
        errors: list[str] = []
        page.on("console", lambda m: errors.append(m.text) if m.type == "error" else None)
        settle(page, site / "search.html", "?q=bibliography")
        page.locator("#search-results li a", has_text="Bibliography").first.wait_for()
        assert not errors


@pytest.mark.parametrize("name", PAGES)
def test_links_lead_somewhere(site: Path, name: str) -> None:
    soup = parse(site, name)
    targets = {
        (tag.name, tag[key]) for key in ("href", "src") for tag in soup.find_all(**{key: True})
    }
    assert len(targets) > 10
    for tag, target in targets:
        link = urlsplit(target)
        if link.scheme or link.netloc:
            assert tag == "a" or link.scheme == "data", f"loaded from elsewhere: {target}"
            continue
        path = site / unquote(link.path) if link.path else site / f"{name}.html"
        assert path.is_file(), target
        if link.fragment and path.suffix == ".html":
            assert parse(site, path.stem).find(id=unquote(link.fragment)), target


@pytest.mark.parametrize("name", PAGES)
def test_images_say_what_they_show(site: Path, name: str) -> None:
    for image in parse(site, name).find_all("img"):
        if "logo__image" in image.get("class", []):  # the title stands beside it
            continue
        alt = image.get("alt", "")
        assert len(alt) > 10, f"{image['src']} has no alt text"
        assert not re.search(r"\.(png|svg|jpe?g)$", alt), (
            f"{image['src']}: set the cell's image.alt"
        )


@pytest.mark.parametrize("name", editions.chapters())
def test_figures_have_a_light_and_a_dark_form(site: Path, name: str) -> None:
    images = parse(site, name).select("article .cell_output img")
    drawn = [image for image in images if image["src"].endswith(".svg")]
    assert drawn == images
    for light, dark in zip(drawn[::2], drawn[1::2], strict=True):
        assert light["src"].removesuffix("-light.svg") == dark["src"].removesuffix("-dark.svg")
        assert "only-light" in light["class"]
        assert "only-dark" in dark["class"]
        assert light["alt"] == dark["alt"]
        assert light["loading"] == dark["loading"] == "lazy"  # what is hidden is not loaded


@pytest.mark.browser
@pytest.mark.parametrize("name", editions.chapters())
def test_figures_and_printed_tables_fit_a_phone(site: Path, browser: Browser, name: str) -> None:
    """None scrolls; ticks, of 10 points, have 9 pixels; a line with columns is not broken."""
    with browser.new_context(viewport={"width": 375, "height": 900}) as context:
        page = context.new_page()
        settle(page, site / f"{name}.html")
        for figure in page.locator(".cell_output > img.only-light").all():
            figure.evaluate("(image) => { image.loading = 'eager'; return image.decode(); }")
            shown, drawn = figure.evaluate("(image) => [image.width, image.naturalWidth]")
            assert figures.PIXELS * 10 * shown / drawn > 8.95, figure.get_attribute("alt")
        wide = """(boxes) => boxes.filter((box) => box.scrollWidth > box.clientWidth)
            .map((box) => box.outerHTML)"""
        assert page.locator(".cell_output, .cell_output .output pre").evaluate_all(wide) == []
    for printed in parse(site, name).select(".cell_output > .output pre"):
        for line in printed.get_text().splitlines():
            assert len(line) <= 60 or not re.search(r"\S {2,}\S", line), line


def test_checks_that_stand_in_a_row_are_one_fold(site: Path) -> None:
    for name, count in (("07_batch_norm_decomposed", 7), ("13_frozen_and_chaotic_generators", 14)):
        page = parse(site, name)
        (fold,) = page.select("details:has(> .tag_checks)")
        assert not fold.has_attr("open")
        assert "Show the checks" in fold.summary.get_text()
        assert len(fold.select(":scope > .tag_checks pre")) == count
        assert not fold.select("details")
        assert len(page.select(".tag_checks")) == count


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_figures_have_the_ground_of_the_page(
    site: Path, browser: Browser, scheme: Literal["light", "dark"]
) -> None:
    with browser.new_context(color_scheme=scheme) as context:
        page = context.new_page()
        settle(page, site / "02_the_tangent_kernel.html")
        figure = page.locator(".cell_output img:visible").first
        figure.scroll_into_view_if_needed()
        page.wait_for_function("(image) => image.complete", arg=figure.element_handle())
        seen = Image.open(io.BytesIO(figure.screenshot())).convert("RGB")
        ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
        paper = tuple(map(int, re.findall(r"\d+", ground)[:3]))
        colours = seen.getcolors(seen.width * seen.height)
        assert max(colours)[1] == paper
        ink = tuple(bytes.fromhex(getattr(PALETTE["ink"], scheme)[1:]))
        assert ink in {colour for _, colour in colours}


@pytest.mark.parametrize("name", editions.chapters())
def test_words_of_the_glossary_are_explained_once(site: Path, name: str) -> None:
    page = parse(site, name)
    words = page.select("a.fc-word")
    assert len(words) >= 3
    targets = [word["href"] for word in words]
    assert len(targets) == len(set(targets))
    for word in words:
        assert not word.find_parent(["a", "button", "h1", "h2", "h3"])
        tip = page.find(id=word["aria-describedby"])
        assert tip["role"] == "tooltip"
        assert tip.has_attr("hidden")
        assert "{" not in re.sub(r"\\\(.*?\\\)", "", tip.get_text())  # no role is left over
        if str(word["href"]).startswith("glossary"):
            assert tip.get_text().endswith(".")


@pytest.mark.browser
@pytest.mark.parametrize("how", ["hover", "focus", "tap"])
@pytest.mark.parametrize("width", [375, 1280])
def test_a_word_explains_itself_until_escape(
    site: Path, browser: Browser, how: str, width: int
) -> None:
    viewport = {"width": width, "height": 700}
    with browser.new_context(viewport=viewport, has_touch=True) as context:
        page = context.new_page()
        settle(page, site / "09_checkerboards.html")
        word = page.locator("a.fc-word").nth(1)
        tip = page.locator(f"[id='{word.get_attribute('aria-describedby')}']")
        expect(tip).to_be_hidden()
        word.scroll_into_view_if_needed()
        getattr(word, how)()
        expect(tip).to_be_visible()
        expect(tip).to_be_in_viewport(ratio=1)
        assert not violations(page)
        page.keyboard.press("Escape")
        expect(tip).to_be_hidden()
        assert page.url.endswith("09_checkerboards.html")


def test_punctuation_behind_a_formula_begins_no_line(site: Path) -> None:
    page = parse(site, "09_checkerboards")
    tied = page.select(".fc-tied > .math")
    assert len(tied) > 30
    for formula in page.select("p .math.notranslate.nohighlight"):
        behind = str(formula.next_sibling or "")
        assert formula in tied or not re.match("[,.;:!?)]", behind)


@pytest.mark.browser
def test_what_scrolls_sideways_shows_that_it_does(site: Path, browser: Browser) -> None:
    with browser.new_context(viewport={"width": 375, "height": 700}) as context:
        page = context.new_page()
        settle(page, site / "09_checkerboards.html")
        formula = page.locator("mjx-container.fc-more-after").first
        mask = "(box) => getComputedStyle(box).maskImage"
        expect(formula).to_have_count(1)
        assert "calc(100% - 40px)" in formula.evaluate(mask)
        formula.evaluate("(box) => { box.dataset.seen = 1; box.scrollLeft = box.scrollWidth; }")
        formula = page.locator("mjx-container[data-seen]")
        expect(formula).to_have_class(re.compile("fc-more-before"))
        expect(formula).not_to_have_class(re.compile("fc-more-after"))


@pytest.mark.parametrize("name", PAGES)
def test_page_describes_itself(site: Path, name: str) -> None:
    tags = parse(site, name).find_all("meta", attrs={"name": "description"})
    assert len(tags) == 1
    description = tags[0]["content"]
    assert 20 < len(description) <= 200
    assert not set("$\\{}") & set(description), "no formulas: set html_meta.description"


@pytest.mark.parametrize("name", sorted([TOC["root"], *CHAPTERS]))
def test_page_tells_archives_what_it_is(site: Path, name: str) -> None:
    soup = parse(site, name)
    (script,) = soup.find_all("script", type="application/ld+json")
    told = json.loads(script.string)
    (description,) = soup.find_all("meta", attrs={"name": "description"})
    assert soup.h1
    assert soup.h1.get_text().rstrip("#¶ ").endswith(told["name"])
    assert told["description"] == description["content"]
    assert told["license"] == metadata.TEXT_LICENCE
    assert ("teaches" in told) == (name in editions.chapters())
    assert not set("$\\`") & set(told.get("teaches", ""))


@pytest.mark.parametrize("chapter", editions.chapters())
def test_editions_have_the_numbers_of_the_site(site: Path, chapter: str) -> None:
    page = parse(site, chapter)
    titles = page.select(".proof > .admonition-title, .exercise > .admonition-title")
    shown = [title.get_text(" ", strip=True).split("(")[0].strip() for title in titles]
    text = editions.prose(editions.edition(chapter, "plain"))
    assert shown == re.findall(r"^> \*\*((?!Before|Predict)[A-Z]\w+ \d+\.\d+)", text, re.MULTILINE)
    equations = [tag.get_text().strip("()#¶") for tag in page.select(".eqno")]
    assert equations == re.findall(r"\\tag\{(\d+\.\d+)\}", text)


def test_the_drawings_have_the_colours_of_the_package() -> None:
    colours = {colour.lower() for hue in PALETTE.values() for colour in hue}
    for drawing in ("logo.svg", "favicon.svg"):
        used = re.findall(r"#[0-9A-Fa-f]{6}\b", (BOOK / "_static" / drawing).read_text())
        assert used
        assert {colour.lower() for colour in used} <= colours


@pytest.mark.parametrize("name", sorted([TOC["root"], *CHAPTERS]))
def test_page_has_a_preview(site: Path, name: str) -> None:
    (picture,) = parse(site, name).find_all("meta", property="og:image")
    (words,) = parse(site, name).find_all("meta", property="og:image:alt")
    with Image.open(site / picture["content"]) as preview:
        assert min(preview.size) >= publishing.SMALLEST
        colours = preview.convert("RGB").getcolors(preview.width * preview.height)
        drawn = 1 - max(colours)[0] / (preview.width * preview.height)
    assert drawn > 0.01  # an empty frame with its numbers makes 0.03, a blank figure 0
    assert len(words["content"]) > 20


@pytest.mark.parametrize("chapter", editions.chapters())
def test_what_is_offered_to_download_is_plain(site: Path, chapter: str) -> None:
    (link,) = parse(site, chapter).select(".dropdown-download-buttons a[href$='.ipynb']")
    offered = nbformat.read(site / link["href"], 4)
    assert offered.cells == editions.edition(chapter, "plain").cells


@pytest.mark.browser
def test_keys_turn_slides_and_move_sliders(site: Path, browser: Browser) -> None:
    with browser.new_context(viewport={"width": 1280, "height": 720}) as context:
        page = context.new_page()
        settle(page, site / "slides" / "03_freeze_and_chaos.html")
        page.wait_for_function(FITS)
        slides = page.locator("main > section")
        for key, number in (("ArrowRight", 1), ("PageDown", 2), ("ArrowLeft", 1), ("End", -1)):
            page.keyboard.press(key)
            expect(slides.nth(number).locator("h2")).to_be_in_viewport()
        slider = page.locator("input[type=range]").first
        here = slider.evaluate(
            "(s) => [...document.querySelectorAll('main > section')].indexOf(s.closest('section'))"
        )
        slider.focus()
        before = slider.input_value()
        page.keyboard.press("ArrowRight")
        assert slider.input_value() != before
        expect(slider).to_be_in_viewport()
        page.keyboard.press("PageDown")
        expect(slides.nth(here + 1).locator("h2")).to_be_in_viewport()
        page.keyboard.press("PageUp")
        expect(slides.nth(here).locator("h2")).to_be_in_viewport()
        slider.focus()
        page.keyboard.press("Escape")
        page.keyboard.press("ArrowRight")
        expect(slides.nth(here + 1).locator("h2")).to_be_in_viewport()


@pytest.mark.browser
def test_a_slide_is_a_screen_or_scrolls_by_keys_and_prints_as_a_page(
    site: Path, browser: Browser
) -> None:
    path = site / "slides" / "09_checkerboards.html"
    with browser.new_context(viewport={"width": 1280, "height": 720}) as context:
        page = context.new_page()
        settle(page, path)
        slides = page.locator("main > section")
        page.wait_for_function(FITS)
        printed = page.pdf(prefer_css_page_size=True)
        assert len(re.findall(rb"/Type /Page\b", printed)) == slides.count()
    with browser.new_context(viewport={"width": 375, "height": 700}) as context:
        page = context.new_page()
        settle(page, path)
        explorer = page.locator("section:has(.fc-explorer)").first
        explorer.evaluate("(slide) => slide.scrollIntoView()")
        page.keyboard.press("ArrowDown")
        page.wait_for_timeout(400)
        corner = explorer.bounding_box()
        assert corner
        assert -200 < corner["y"] < 0, "a tall slide scrolls before it turns"


@pytest.mark.browser
def test_a_mouse_takes_hold_where_it_is_on_a_slide_of_another_size(
    site: Path, browser: Browser
) -> None:
    with browser.new_context(viewport={"width": 1280, "height": 600}) as context:
        page = context.new_page()
        settle(page, site / "slides" / "03_freeze_and_chaos.html")
        zoomed = "document.querySelector('.fc-explorer:has(.fc-stage)')?.style.zoom"
        page.wait_for_function(f"{zoomed} && {zoomed} !== '1'")
        page.wait_for_function(FITS)
        stage = page.locator(".fc-stage")
        stage.scroll_into_view_if_needed()
        box = stage.bounding_box()
        assert box
        x, y = box["x"] + 0.7 * box["width"], box["y"] + 0.5 * box["height"]
        page.mouse.click(x, y)
        handle = stage.locator(".fc-handle").bounding_box()
        assert handle
        cell = box["width"] / 40
        assert abs(handle["x"] + handle["width"] / 2 - x) < cell


@pytest.mark.browser
@pytest.mark.parametrize("chapter", [c for c in editions.chapters() if c[:2] in ("03", "08", "09")])
def test_a_hall_can_read_explorers(site: Path, browser: Browser, chapter: str) -> None:
    """On a projector of 1280 x 720 no word of an explorer is smaller than 16 px."""
    with browser.new_context(viewport={"width": 1280, "height": 720}) as context:
        page = context.new_page()
        settle(page, site / "slides" / f"{chapter}.html")
        page.wait_for_function(FITS)
        explorers = page.locator(".fc-explorer")
        expect(page.locator("section[data-fitted$=true]")).to_have_count(explorers.count())
        sizes = page.evaluate(
            """() => [...document.querySelectorAll(".fc-explorer")].flatMap((explorer) =>
              [...explorer.querySelectorAll("*")]
                .filter((e) => e.getClientRects().length)
                .filter((e) => !e.firstElementChild && e.textContent.trim())
                .map((e) => parseFloat(getComputedStyle(e).fontSize) * explorer.style.zoom))"""
        )
        assert len(sizes) > 20
        assert min(sizes) >= 16


@pytest.mark.browser
def test_votes_become_bars_and_notes_have_a_window(site: Path, browser: Browser) -> None:
    with browser.new_context(viewport={"width": 1280, "height": 720}) as context:
        page = context.new_page()
        settle(page, site / "slides" / "03_freeze_and_chaos.html")
        question = page.locator("section.question").first
        question.scroll_into_view_if_needed()
        for place, votes in enumerate(("3", "9")):
            question.get_by_label(f"Votes for option {place + 1}").fill(votes)
        expect(question.locator("output").nth(1)).to_have_text("75 %")
        expect(question.locator("details")).to_be_hidden()  # a count is no answer
        page.keyboard.press("Escape")
        with context.expect_page() as opened:
            page.keyboard.press("s")
        desk = opened.value
        page.keyboard.press("Home")
        expect(desk.locator("body")).to_contain_text("You will be able to")
        desk.keyboard.press("ArrowRight")
        expect(desk.locator("body")).to_contain_text(re.compile("^2 of"))
        page.keyboard.press("s")
        page.wait_for_timeout(200)
        assert desk.is_closed()
        page.keyboard.press("n")
        expect(page.locator("aside.notes").nth(1)).to_be_visible()


@pytest.mark.parametrize("chapter", editions.chapters())
def test_slides_show_what_the_chapter_shows(site: Path, chapter: str) -> None:
    page = BeautifulSoup((site / "slides" / f"{chapter}.html").read_text(), "html.parser")
    in_chapter = parse(site, chapter).select("article .cell_output img")
    assert [image["src"] for image in page.select("section img")] == [
        f"../{image['src']}" for image in in_chapter
    ]
    assert page.select("section.take-away li")
    stated = parse(site, chapter).select("article .proof.admonition > .admonition-title")
    titles = [title.get_text(" ", strip=True) for title in page.select("section.statement > h2")]
    assert titles == [title.get_text(" ", strip=True) for title in stated]
    argument = re.compile(r"^(Why|Proof|Sketch)\b")
    ideas = parse(site, chapter).select_one("article").find_all("em", string=argument)
    ideas = [idea for idea in ideas if not idea.find_parent("details")]
    assert len(page.find_all("em", string=argument)) >= len(ideas)
    numbered = parse(site, chapter).select("article section > .math[id^=equation-]")
    shown = {equation["id"] for equation in page.select("section .math[id]")}
    assert {equation["id"] for equation in numbered} <= shown
    assert len(page.select("aside.notes")) > len(page.select("main > section")) / 3
    asked = parse(site, chapter).select("article .predict.admonition")
    assert 0 < len(page.select("section.question")) <= len(asked)
    for tag in page.select("img, link, script[src], a"):
        target = urlsplit(tag.get("src") or tag["href"])
        if not target.scheme:
            assert (site / "slides" / unquote(target.path)).resolve().is_file(), target


def test_the_first_picture_is_the_kernel(site: Path) -> None:
    box = parse(site, "index").select_one(".fc-opening")
    assert box
    drawn = json.loads(str(box["data-opening"]))
    angles = jnp.deg2rad(jnp.array(drawn["angles"]))
    for name, sigma in (("freeze", standardized("relu")), ("chaos", normalized("relu"))):
        for depth in (1, 8, 64):
            radii = drawn["shapes"][name][depth - 1]
            kernel = kernels.ntk(sigma, 0.3, depth, jnp.cos(angles))
            assert jnp.max(jnp.abs(jnp.array(radii) / 1000 - kernel)) < 6e-4  # half a unit drawn


@pytest.mark.browser
@pytest.mark.parametrize("motion", ["no-preference", "reduce"])
def test_the_first_picture_plays_by_itself_and_by_hand(
    site: Path, browser: Browser, motion: Literal["no-preference", "reduce"]
) -> None:
    with browser.new_context(reduced_motion=motion) as context:
        page = context.new_page()
        settle(page, site / "index.html")
        slider, needle = page.get_by_role("slider").first, page.locator("path.fc-chaos")
        if motion == "reduce":
            assert slider.input_value() == "64"
        else:
            page.wait_for_function("document.querySelector('.fc-opening input').value > 3")
            page.get_by_role("button", name="Pause").click()
        stood, shape = int(slider.input_value()), needle.get_attribute("d")
        page.wait_for_timeout(300)
        assert int(slider.input_value()) == stood
        slider.press("ArrowLeft")
        assert int(slider.input_value()) == stood - 1
        assert needle.get_attribute("d") != shape or stood == 64
        slider.press("Home")
        page.get_by_role("button", name="Play").press("Enter")
        page.wait_for_function("document.querySelector('.fc-opening input').value > 2")


@pytest.mark.parametrize("name", editions.chapters())
def test_a_prediction_has_options_and_an_answer(site: Path, name: str) -> None:
    boxes = parse(site, name).select(".admonition.predict")
    assert boxes
    for box in boxes:
        assert 2 <= len(box.select(":scope > ul > li")) <= 5
        answer = box.select_one(":scope > details")
        assert answer is not None
        assert not answer.has_attr("open")
        assert len(answer.get_text().split()) > 10


@pytest.mark.browser
@pytest.mark.parametrize("name", ["03_freeze_and_chaos", "slides/03_freeze_and_chaos"])
@pytest.mark.parametrize("how", ["click", "tap", "keys"])
def test_a_prediction_comes_before_its_answer(
    site: Path, browser: Browser, name: str, how: str
) -> None:
    with browser.new_context(viewport={"width": 375, "height": 700}, has_touch=True) as context:
        page = context.new_page()
        settle(page, site / f"{name}.html")
        box = page.locator(".predict, section.question").first
        options, answer = box.get_by_role("button"), box.locator("details")
        expect(answer).to_be_hidden()
        if how == "keys":
            options.nth(1).press("Enter")
        else:
            getattr(options.nth(1), how)()
        expect(answer).to_contain_text("It only rises")
        expect(answer.locator("p").first).to_be_visible()
        options.nth(0).click()  # too late
        pressed = [option.get_attribute("aria-pressed") for option in options.all()]
        assert pressed == ["false", "true", "false", "false"]
        assert not violations(page)


@pytest.mark.browser
def test_without_a_script_a_prediction_is_a_list(site: Path, browser: Browser) -> None:
    with browser.new_context(java_script_enabled=False) as context:
        page = context.new_page()
        page.goto((site / "03_freeze_and_chaos.html").as_uri())
        box = page.locator(".predict").first
        expect(box.get_by_role("listitem")).to_have_count(4)
        box.locator("summary").click()
        expect(box.locator("details p").last).to_be_visible()


def test_teachers_see_every_chapter(site: Path) -> None:
    page = parse(site, "instructor")
    rows = [
        [cell.get_text(" ", strip=True) for cell in row.select("td")]
        for row in page.select("table")[0].select("tbody tr")
    ]
    assert len(rows) == len(editions.chapters()) + 1
    times = [(int(row[2]), int(row[3])) for row in rows]
    assert times[-1] == (sum(t for t, _ in times[:-1]), sum(t for _, t in times[:-1]))
    assert [row[4] for row in rows if row[1] == "Trainability and generalization"] == ["2, 3"]
    drawn = [text.get_text() for text in page.select(".fc-course-map text")]
    assert drawn == [f"{row[0]} {row[1]}" for row in rows[:-1]]
    needs = sum(len(row[4].split(", ")) for row in rows[:-1] if row[4] != "–")
    assert len(page.select(".fc-course-map path")) == needs
    assert len(page.select("a[href^='slides/']")) == len(editions.chapters())
    makefile = (ROOT / "Makefile").read_text()
    commands = re.findall(
        r"^make ([a-z]+)", "\n".join(c.get_text() for c in page.select("code, pre")), re.M
    )
    assert {"assignments", "student", "solutions", "pdf"} <= set(commands)
    for command in commands:
        assert re.search(rf"^{command}\b.*:", makefile, re.MULTILINE), command


def test_claims_on_the_page_are_all_claims(site: Path) -> None:
    sections = parse(site, "claims").select("section.fc-claim")
    assert len(sections) == len(CLAIMS)
    assert {section["id"].replace("-", "_") for section in sections} == set(CLAIMS)
    for section in sections:
        status = section.strong.get_text()
        amber = "fc-claim-amber" in section["class"]
        assert status in ({"Holds under conditions.", "Not reproduced."} if amber else {"Holds."})
        assert len(section.select(":scope > p")) == 1 + amber, "no reason is given"
        assert "def " + section["id"].replace("-", "_") in section.pre.get_text()


def test_citations_are_those_of_the_references() -> None:
    text = (BOOK / "bibliography.md").read_text()
    block = re.search(r"```bibtex\n(.*?)```", text, re.DOTALL)
    assert block
    cited = parse_string(block[1], "bibtex").entries
    known = parse_file(str(BOOK / "references.bib")).entries
    assert set(cited) == {"freezechaos2026", "jacot2022", "nachum2024"}
    for key in set(cited) & set(known):
        assert cited[key].fields["title"] == known[key].fields["title"]
        assert cited[key].fields["year"] == known[key].fields["year"]


def test_figures_are_handed_out(site: Path, tmp_path: Path) -> None:
    """Each that a chapter shows, as SVG and PNG, with words for who cannot see it."""
    handout.hand_out(tmp_path, of_these_sources())
    for name in editions.chapters():
        shown = len(parse(site, name).select("main img.only-dark"))
        forms = [len([*tmp_path.glob(f"{name}-*.{form}")]) for form in ("svg", "png")]
        assert forms == [shown, shown]
    assert "    \n" not in (tmp_path / "README.txt").read_text("utf-8")
