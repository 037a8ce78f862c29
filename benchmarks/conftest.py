"""Prints how times compare, after the tables of pytest-benchmark."""

import pytest

RATIOS = pytest.StashKey[dict[str, tuple[float, float]]]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[RATIOS] = {}


@pytest.fixture
def ratios(request: pytest.FixtureRequest) -> dict[str, tuple[float, float]]:
    """What is compared -> (its seconds, the seconds it is measured against)."""
    return request.config.stash[RATIOS]


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    rows = config.stash[RATIOS]
    if rows:
        terminalreporter.section("ratios of the fastest rounds")
        for name, (time, reference) in rows.items():
            terminalreporter.line(f"{name:<66} {time:8.3f} s {time / reference:8.2f}")
