"""All claims as a page shows them: prediction beside measurement, and the code that made both.

Green are those that hold; amber, with the reason in words, those that hold under conditions or
are not reproduced.
"""

import inspect
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from itertools import groupby

from tqdm import tqdm

from .record import CLAIMS, Claim


@dataclass(frozen=True, repr=False)
class Report:
    """Claims computed, in the order of the chapters that show them.

    `verify` makes one of claims none of which fails: as a page it says how many hold.

    Attributes:
        claims: by the name of the function that computes them.
    """

    claims: Mapping[str, Claim]

    def __repr__(self) -> str:
        return "\n\n".join(
            f"{claim.status}  {name}\n"
            f"       {' '.join([claim.statement, claim.condition]).strip()}\n"
            f"       {', '.join(f'{key} {value}' for key, value in _figures(claim).items())}"
            for name, claim in self.claims.items()
        )

    def _repr_html_(self) -> str:
        grouped = groupby(self.claims.items(), key=lambda item: item[1].chapter)
        return f"<p>{self._counted()}</p>" + "".join(
            f'<h2 id="{chapter}"><a href="{chapter}.html">Chapter {int(chapter[:2])}</a></h2>'
            + "".join(_section(name, claim) for name, claim in group)
            for chapter, group in grouped
        )

    def _counted(self) -> str:
        counts = Counter(claim.status for claim in self.claims.values())
        if set(counts) == {"holds"}:
            return f"All {len(self.claims)} claims hold."
        each = ", ".join(f"{status}: {count}" for status, count in counts.most_common())
        return f"Of {len(self.claims)} claims, {each}."


def verify() -> Report:
    """Compute all claims, with a progress bar; none may fail.

    Raises:
        AssertionError: claims that fail; the message has their numbers.
    """
    found = {name: claim() for name, claim in tqdm(CLAIMS.items(), "claims", disable=None)}
    ordered = dict(sorted(found.items(), key=lambda item: item[1].chapter))
    if failed := {name: claim for name, claim in ordered.items() if claim.status == "FAILS"}:
        raise AssertionError(f"of {len(found)} claims these do not hold:\n\n{Report(failed)}")
    return Report(ordered)


def _figures(claim: Claim) -> dict[str, str]:
    return {
        "predicted": f"{claim.predicted:.6g}",
        "measured": f"{claim.measured:.6g}",
        "may differ by": f"{claim.tolerance:.2g}",
    }


def _section(name: str, claim: Claim) -> str:
    function = inspect.unwrap(CLAIMS[name])
    figures = "".join(
        f"<div><dt>{key}</dt><dd>{value.replace('-', '−')}</dd></div>"
        for key, value in _figures(claim).items()
    )
    amber = " fc-claim-amber" if claim.condition else ""
    reason = f"<p>{_typeset(claim.condition)}</p>" if claim.condition else ""
    return (
        f'<section class="fc-claim{amber}" id="{name.replace("_", "-")}">'
        f"<p><strong>{claim.status.capitalize()}.</strong> {_typeset(claim.statement)} "
        f"<small>{escape(claim.source)}</small></p>{reason}<dl>{figures}</dl>"
        f"<details><summary>The code: <code>{function.__module__}.{name}</code></summary>"
        f'<pre tabindex="0">{escape(inspect.getsource(function))}</pre></details></section>'
    )


def _typeset(statement: str) -> str:
    """Plain text as HTML, with raised exponents: r^L, r^(L−1)."""
    return re.sub(r"\^(?:\(([^)]*)\)|(\w+))", r"<sup>\1\2</sup>", escape(statement))
