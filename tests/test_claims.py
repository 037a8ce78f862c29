"""Every claim holds, or says in words under which conditions, or that it is not reproduced."""

import dataclasses
import functools
import subprocess
import sys
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import pytest

from freezechaos import claims, kernels
from freezechaos.__main__ import main
from freezechaos.activations import NAMED, normalized, standardized
from freezechaos.claims import deconvolution as positions
from freezechaos.claims.finite import finite_kernel
from freezechaos.deconvolution import DeconvStack

BOOK = Path(__file__).parents[1] / "book"
RELU = standardized("relu")
USUAL = DeconvStack(positions.LINE.size, positions.LINE.layers, "usual")
IN_STANDARD_ERRORS = {
    "finite_networks": lambda: finite_kernel(normalized("relu"), 0.3, 6),
    "layer_norm_after": lambda: finite_kernel(RELU, 0.3, 3, layer_norm="after"),
    "layer_norm_before": lambda: finite_kernel(RELU, 0.3, 3, layer_norm="before"),
    "finite_deconvolution": lambda: positions.finite_positions(positions.LINE, RELU, 0.5),
    "finite_deconvolution_in_two_dimensions": lambda: positions.finite_positions(
        positions.SQUARE, RELU, 0.5
    ),
    "finite_deconvolution_usual": lambda: positions.finite_positions(USUAL, RELU, 0.5),
}


@pytest.mark.parametrize("name", claims.CLAIMS)
def test_it_holds(name: str) -> None:
    claim = claims.CLAIMS[name]()
    assert claim.status != "FAILS", claim
    if name not in IN_STANDARD_ERRORS:
        assert claim.tolerance < 0.3 * max(abs(claim.predicted), 0.1)
    assert (BOOK / f"{claim.chapter}.ipynb").exists()
    assert claim.statement.endswith(".")
    assert not claim.condition or claim.condition.endswith(".")


@pytest.mark.parametrize("name", IN_STANDARD_ERRORS)
def test_finite_networks_are_measured_closely(name: str) -> None:
    """Where a claim counts standard errors, they must be small for it to mean anything."""
    mean, error = IN_STANDARD_ERRORS[name]()
    assert jnp.max(error) < 0.05 * jnp.max(mean)


def test_importing_them_starts_no_jax() -> None:
    program = """
import freezechaos.claims
from jax._src import xla_bridge
print(xla_bridge.backends_are_initialized())
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.strip() == "False", done.stderr


def test_a_miss_and_a_nan_do_not_hold() -> None:
    claim = claims.CLAIMS["chaos_rate"]()
    for wrong in (claim.predicted + 2 * claim.tolerance, float("nan")):
        assert not dataclasses.replace(claim, measured=wrong).holds


def test_what_is_not_reproduced_says_why_and_goes_on_failing() -> None:
    claim = claims.CLAIMS["chaos_rate"]()
    missed = dataclasses.replace(
        claim, measured=claim.predicted + 2 * claim.tolerance, condition="Why.", reproduced=False
    )
    assert dataclasses.replace(claim, condition="Where.").status == "holds under conditions"
    assert missed.status == "not reproduced"
    for wrong in (claim.predicted, float("nan")):
        assert dataclasses.replace(missed, measured=wrong).status == "FAILS"
    with pytest.raises(ValueError, match="`condition` must say why"):
        dataclasses.replace(missed, condition="")


def test_each_is_computed_once() -> None:
    assert claims.CLAIMS["chaos_rate"]() is claims.CLAIMS["chaos_rate"]()


def few(monkeypatch: pytest.MonkeyPatch, **changes: Any) -> None:
    """Let there be two claims, the second one changed."""
    claim = claims.CLAIMS["chaos_rate"]
    twisted = functools.wraps(claim)(lambda: dataclasses.replace(claim(), **changes))
    both = {"edge_limit": claims.CLAIMS["edge_limit"], "chaos_rate": twisted}
    monkeypatch.setattr(claims.report, "CLAIMS", both)


def test_report_has_numbers_and_code(monkeypatch: pytest.MonkeyPatch) -> None:
    few(monkeypatch)
    report = claims.verify()
    page = report._repr_html_()
    claim = report.claims["edge_limit"]
    assert [claim.holds for claim in report.claims.values()] == [True, True]
    assert "<p>All 2 claims hold.</p>" in page
    assert f"{claim.measured:.6g}" in page
    assert "return _edge(&quot;relu&quot;" in page
    assert 'href="03_freeze_and_chaos.html"' in page
    assert repr(report).count("holds  ") == 2
    assert f"predicted {claim.predicted:.6g}, measured {claim.measured:.6g}" in repr(report)


def test_report_says_in_words_what_holds_under_conditions(monkeypatch: pytest.MonkeyPatch) -> None:
    few(monkeypatch, condition="Where r^L < 1.")
    report = claims.verify()
    page = report._repr_html_()
    assert "<p>Of 2 claims, holds: 1, holds under conditions: 1.</p>" in page
    assert page.count("fc-claim-amber") == 1
    assert "<strong>Holds under conditions.</strong>" in page
    assert "<p>Where r<sup>L</sup> &lt; 1.</p>" in page
    assert "holds under conditions  chaos_rate" in repr(report)


def test_report_of_a_claim_that_fails(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    few(monkeypatch, measured=7.25)
    with pytest.raises(
        AssertionError, match=r"of 2 claims these do not hold:\n\nFAILS  chaos_rate"
    ):
        claims.verify()
    assert main(["claims"]) == 1
    assert "measured 7.25" in capsys.readouterr().err


def test_one_number_from_the_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["kernel", "--normalized", "--beta", "0.3", "--depth", "8"]) == 0
    said = capsys.readouterr().out
    theta = kernels.ntk(normalized("relu"), 0.3, 8, jnp.zeros(()))
    assert f"scaled NTK theta        {float(theta):.6g}\n" in said
    assert "1.33492: chaos" in said
    assert main(["kernel", "--beta", "1.3"]) == 2
    wrong = capsys.readouterr()
    assert "`beta` must lie in [0, 1); got 1.3" in wrong.err
    assert not wrong.out
    assert main(["kernel", "--activation", "erff"]) == 2
    assert "`activation` must be one of relu, erf" in capsys.readouterr().err


def test_help_names_all_activations(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["kernel", "--help"])
    said = capsys.readouterr().out
    assert all(name in said for name in NAMED)


def test_help_says_what_there_is(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as done:
        main(["--help"])
    assert done.value.code == 0
    said = capsys.readouterr().out
    for word in ("kernel", "claims", "freezechaos.gan --help", "freezechaos.empirical"):
        assert word in said
