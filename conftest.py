"""One headless Chromium for all tests and benchmarks of pages; what cannot be collected."""

import os
import shutil
from collections.abc import Iterator
from importlib.util import find_spec

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

# GPJax does not go with the JAX of every Python (pyproject.toml).
collect_ignore = [] if find_spec("gpjax") else ["companion/freezechaos/regression/gpjax.py"]


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
