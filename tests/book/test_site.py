"""The built site, opened from the disk: every page, light and dark, wide and narrow.

`make book` treats warnings and broken references as errors, so a site that is there is whole.
"""

import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from urllib.parse import unquote, urlsplit

import nbformat
import pytest
import yaml
from axe_playwright_python.sync_playwright import Axe
from bs4 import BeautifulSoup
from playwright.sync_api import Browser, Page

from freezechaos.plotting import PALETTE

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "book" / "_ext"))

import editions  # noqa: E402

BOOK = ROOT / "book"
TOC = yaml.safe_load((BOOK / "_toc.yml").read_text())
CHAPTERS = [chapter["file"] for part in TOC["parts"] for chapter in part["chapters"]]
PAGES = sorted([TOC["root"], *CHAPTERS, "genindex", "search"])
LOCAL = ("file:", "data:", "blob:")

# What axe-core finds and we accept: (rule, a selector of the element) -> why.
ACCEPTED: dict[tuple[str, str], str] = {}


@pytest.fixture(scope="session")
def site() -> Path:
    """Build the site as the README says; what did not change since the last build is quick."""
    build = subprocess.run(["make", "book"], cwd=ROOT, capture_output=True, text=True, check=False)
    lines = (build.stdout + build.stderr).splitlines()
    wrong = [line for line in lines if re.search(r"WARNING:|ERROR:|Error:", line)]
    assert build.returncode == 0, "\n".join(wrong or lines)
    return ROOT / "_build" / "html"


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
        "rules": {"label-content-name-mismatch": {"enabled": True}},
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
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 375])
@pytest.mark.parametrize("name", PAGES)
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


@pytest.mark.parametrize("name", PAGES)
def test_page_describes_itself(site: Path, name: str) -> None:
    tags = parse(site, name).find_all("meta", attrs={"name": "description"})
    assert len(tags) == 1
    description = tags[0]["content"]
    assert 20 < len(description) <= 200
    assert not set("$\\{}") & set(description), "no formulas: set html_meta.description"


@pytest.mark.parametrize("chapter", editions.chapters())
def test_editions_have_the_numbers_of_the_site(site: Path, chapter: str) -> None:
    page = parse(site, chapter)
    titles = page.select(".proof > .admonition-title, .exercise > .admonition-title")
    shown = [title.get_text(" ", strip=True).split("(")[0].strip() for title in titles]
    text = editions.prose(editions.edition(chapter, "plain"))
    assert shown == re.findall(r"^> \*\*((?!Before|Predict)[A-Z]\w+ \d+)", text, re.MULTILINE)
    equations = [tag.get_text().strip("()#¶") for tag in page.select(".eqno")]
    assert equations == re.findall(r"\\tag\{(\d+)\}", text)


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
    assert (site / picture["content"]).stat().st_size > 5000
    assert len(words["content"]) > 20


@pytest.mark.parametrize("chapter", editions.chapters())
def test_what_is_offered_to_download_is_plain(site: Path, chapter: str) -> None:
    (link,) = parse(site, chapter).select(".dropdown-download-buttons a[href$='.ipynb']")
    offered = nbformat.read(site / link["href"], 4)
    assert offered.cells == editions.edition(chapter, "plain").cells
