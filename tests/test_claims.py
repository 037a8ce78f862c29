"""Every claim of the two papers holds."""

import dataclasses
from pathlib import Path

import pytest

from freezechaos import claims

BOOK = Path(__file__).parents[1] / "book"


@pytest.mark.parametrize("name", claims.CLAIMS)
def test_it_holds(name: str) -> None:
    claim = claims.CLAIMS[name]()
    assert claim.holds, claim
    assert claim.tolerance < 0.3 * max(abs(claim.predicted), 0.1) or claim.tolerance == 3.0
    assert (BOOK / f"{claim.chapter}.ipynb").exists()
    assert claim.statement.endswith(".")


def test_a_miss_and_a_nan_do_not_hold() -> None:
    claim = claims.CLAIMS["chaos_rate"]()
    for wrong in (claim.predicted + 2 * claim.tolerance, float("nan")):
        assert not dataclasses.replace(claim, measured=wrong).holds


def test_each_is_computed_once() -> None:
    assert claims.CLAIMS["chaos_rate"]() is claims.CLAIMS["chaos_rate"]()
