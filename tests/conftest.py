"""The order of the files, precision, and bounds on what a session holds."""

from collections.abc import Iterator

import jax
import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Explorers and claims come last: what they compile, the book has compiled by then."""
    items.sort(key=lambda item: item.path.name in ("test_shipped.py", "test_claims.py"))


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
