"""What the benchmarks share: the fastest of a few rounds, and ratios printed after the tables."""

from collections.abc import Callable

import jax
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

RATIOS = pytest.StashKey[dict[str, tuple[float, float, str]]]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[RATIOS] = {}


@pytest.fixture
def compare(request: pytest.FixtureRequest) -> Callable[..., None]:
    """Notes down a figure, and the one it is measured against."""

    def note(name: str, figure: float, reference: float, unit: str = "s") -> None:
        request.config.stash[RATIOS][name] = figure, reference, unit

    return note


@pytest.fixture
def seconds(benchmark: BenchmarkFixture) -> Callable[..., float]:
    """Times `function(*arguments)`, the fastest of a few rounds, compilation left out."""

    def measure(function: Callable, *arguments: object, rounds: int = 7) -> float:
        jax.block_until_ready(function(*arguments))
        benchmark.pedantic(
            lambda: jax.block_until_ready(function(*arguments)), rounds=rounds, iterations=1
        )
        return benchmark.stats.stats.min

    return measure


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    rows = config.stash[RATIOS]
    if rows:
        terminalreporter.section("ratios of the fastest rounds")
        for name, (figure, reference, unit) in rows.items():
            terminalreporter.line(f"{name:<80} {figure:8.3f} {unit:<2} {figure / reference:8.2f}")
