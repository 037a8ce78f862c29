"""One headless Chromium for every test that opens a page, and bounds on what a session holds."""

import os
import shutil
from collections.abc import Iterator

import jax
import pytest
from playwright.sync_api import Browser, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)
NO_CHROMIUM = (
    "this test needs a Chromium on the PATH as one of "
    f"{', '.join(NAMES)}: install Debian's package `chromium` or Google Chrome"
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Explorers and claims come last: what they compile, the book has compiled by then."""
    items.sort(key=lambda item: item.path.name in ("test_shipped.py", "test_claims.py"))


@pytest.fixture(autouse=True, scope="module")
def no_code_left_behind() -> Iterator[None]:
    """Drop what was compiled for a file: XLA crashes where a process may map no more memory."""
    yield
    jax.clear_caches()


@pytest.fixture(scope="session")
def chromium_path() -> str:
    """Return the installed browser; without one, skip, or fail where `CI` is `true`."""
    for name in NAMES:
        if path := shutil.which(name):
            return path
    if os.environ.get("CI") == "true":
        pytest.fail(NO_CHROMIUM)
    pytest.skip(NO_CHROMIUM)


@pytest.fixture(scope="session")
def browser(chromium_path: str) -> Iterator[Browser]:
    """Yield one running Chromium; a test opens its own context, `browser.new_context()`."""
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=chromium_path, args=list(FLAGS))
        yield chromium
        chromium.close()
