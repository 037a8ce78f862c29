"""The order of the files, precision, contracts, and bounds on what a session holds."""

import random
from collections.abc import Iterator
from typing import Any

import jax
import jaxtyping
import pytest

jax.config.update("jax_numpy_dtype_promotion", "strict")
jax.config.update("jax_numpy_rank_promotion", "raise")

collect_ignore = ["oracle"]  # programs that make numbers, with libraries of their own


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


@pytest.fixture(autouse=True)
def one_and_the_same_draw() -> None:
    """Of a list a contract looks at one entry, drawn by chance: the same in every run."""
    random.seed(0)


@pytest.fixture
def lifted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Annotations are not looked at: for what is taken beside what they say."""
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)


class Refusal:
    """`pytest.raises`, with contracts lifted: what a call refuses mostly breaks them too."""

    def __init__(self, *given: Any, _raises: Any = pytest.raises, **words: Any):
        self.raises, self.before = _raises(*given, **words), jaxtyping.config.jaxtyping_disable

    def __enter__(self) -> Any:
        jaxtyping.config.update("jaxtyping_disable", True)
        return self.raises.__enter__()

    def __exit__(self, *error: Any) -> Any:
        jaxtyping.config.update("jaxtyping_disable", self.before)
        return self.raises.__exit__(*error)


pytest.raises = Refusal


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
