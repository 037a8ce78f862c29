"""The order of the files, precision, contracts, and bounds on what a session holds."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import jax
import jaxtyping
import pytest

jax.config.update("jax_numpy_dtype_promotion", "strict")
jax.config.update("jax_numpy_rank_promotion", "raise")


@pytest.hookimpl(tryfirst=True)  # before -m looks at the marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Explorers and claims come last: what they compile, the book has compiled by then.

    The site shows the image sets that are at hand, so its tests are `images` too.
    """
    for item in items:
        if "site" in getattr(item, "fixturenames", ()):
            item.add_marker("images")
    items.sort(key=lambda item: item.path.name in ("test_shipped.py", "test_claims.py"))


@pytest.fixture(autouse=True)
def one_and_the_same_draw() -> None:
    """Of a list a contract looks at one entry, drawn by chance: the same in every run."""
    random.seed(0)


@contextmanager
def _lifted() -> Iterator[None]:
    before = jaxtyping.config.jaxtyping_disable
    jaxtyping.config.update("jaxtyping_disable", True)
    try:
        yield
    finally:
        jaxtyping.config.update("jaxtyping_disable", before)


@pytest.fixture
def lifted() -> Iterator[None]:
    """Annotations are not looked at: for what is taken beside what they say."""
    with _lifted():
        yield


@contextmanager
def _refusal(*given: Any, _raises: Any = pytest.raises, **words: Any) -> Iterator[Any]:
    """`pytest.raises`, with contracts lifted: what a call refuses mostly breaks them too."""
    with _raises(*given, **words) as caught, _lifted():
        yield caught


pytest.raises = _refusal


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
