"""The order of the files, precision, and bounds on what a session holds."""

from collections.abc import Iterator

import jax
import pytest


@pytest.hookimpl(tryfirst=True)  # before -m looks at the marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Chapters, then explorers and claims come last: what they compile, the book has compiled.

    The site shows the image sets that are at hand, so its tests are `images` too.
    """
    for item in items:
        if "site" in getattr(item, "fixturenames", ()):
            item.add_marker("images")
    last = ("test_shipped.py", "test_claims.py")
    items.sort(key=lambda item: 2 * (item.path.name in last) + (item.path.suffix == ".ipynb"))


@pytest.fixture
def float32() -> Iterator[None]:
    """JAX as it is unless told otherwise, also where JAX_ENABLE_X64 is set."""
    with jax.enable_x64(False):
        yield


@pytest.fixture
def float64() -> Iterator[None]:
    with jax.enable_x64(True):
        yield


@pytest.fixture(autouse=True, scope="module")
def no_code_left_behind() -> Iterator[None]:
    """Drop what was compiled for a file: XLA crashes where a process may map no more memory."""
    yield
    jax.clear_caches()
