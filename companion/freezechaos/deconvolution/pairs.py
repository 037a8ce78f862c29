"""Pairs of positions that the recursion cannot tell apart, and what feeds them.

The kernel between positions p and p' depends on the pair only through the pairs that its common
taps read, and they on theirs. So pairs with the same ancestry share one value; such a class is
numbered, and the recursion runs over classes. In two dimensions a pair is a pair along each axis,
its sum over taps is a sum over both axes' taps, and its class is a pair of classes: tables have
shape [classes of rows, classes of columns], and everything here is about one axis.
"""

from functools import lru_cache
from typing import Literal, NamedTuple

import numpy as np

from ..graphs import AxisLayer, Parametrization, links
from ..numerics import read_only

Variances = Literal["one", "border", "apart"]
"""Whether all positions of a layer have variance 1, one that depends on their distance from the
border alone, or each its own."""


class Step(NamedTuple):
    """One layer along one axis, from the classes before it to those after it.

    Attributes:
        taps: [after, before] sum over the taps that p and p' share, each divided by
            sqrt(|P(p)| |P(p')|) or by the window.
        common: [after] its row sums, at most 1: the share of taps in common.
        alike: [after] whether p and p' have the same taps, each reading one position.
        left, right: [after] a class whose pairs (q, q) have the variance of p, or of p'.
    """

    taps: np.ndarray
    common: np.ndarray
    alike: np.ndarray
    left: np.ndarray
    right: np.ndarray


class Ancestry(NamedTuple):
    """What the recursion needs to know of one axis.

    Attributes:
        start: [n, n] class of every pair of input positions.
        steps: one a layer.
        classes: [length, length] class of every pair of output positions.
    """

    start: np.ndarray
    steps: tuple[Step, ...]
    classes: np.ndarray


@lru_cache(maxsize=64)
def ancestry(
    n: int, layers: tuple[AxisLayer, ...], *, parametrization: Parametrization, variances: Variances
) -> Ancestry:
    """The classes of pairs along one axis.

    Arguments:
        n: positions of the input.
        layers: the layers along this axis.
        parametrization: what sums over parents are divided by, as of a DeconvStack.
        variances: which positions differ in variance.
    """
    start = np.arange(n * n).reshape(n, n)
    kinds = np.arange(n) if variances == "apart" else np.zeros(n, int)
    classes = start
    steps: list[Step] = []
    for number, layer in enumerate(layers, start=1):
        terms = _terms(classes, layer, parametrization)
        if variances != "one":
            kinds = _numbered(_own(kinds, layer))[0]
        unread = number == len(layers)
        classes, step = _classified(*terms, kinds if variances != "one" else None, unread=unread)
        steps.append(_padded(step, steps[-1].taps.shape[0] if steps else start.size))
        kinds = np.zeros(len(classes), int) if variances == "one" else kinds
    kept = tuple(Step(*map(read_only, step)) for step in steps)
    return Ancestry(read_only(start), kept, read_only(classes))


def _own(kinds: np.ndarray, layer: AxisLayer) -> np.ndarray:
    """[length, ...]: what the variance of each position depends on."""
    reads, _ = links(layer, len(kinds))
    read = np.where(reads >= 0, kinds[reads], -1)
    if reads.shape[2] > 1:  # of a resize the correlations matter too: no two positions alike
        return np.arange(len(reads))[:, None]
    return np.sort(read[:, :, 0], axis=1)


def _terms(
    classes: np.ndarray, layer: AxisLayer, parametrization: Parametrization
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """For all pairs [length, length]: sources and weights [..., terms], common share, alike."""
    reads, shares = links(layer, len(classes))
    one, other = reads[:, None, :, :, None], reads[None, :, :, None, :]
    length, together = len(reads), (one >= 0) & (other >= 0)
    sources = np.where(together, classes[one, other], -1).reshape(length, length, -1)
    products = shares[:, None, :, :, None] * shares[None, :, :, None, :]
    weights = np.where(together, products, 0.0).reshape(length, length, -1)
    order = np.lexsort((weights, -sources), axis=2)  # sums do not mind, and mirrored pairs meet
    order = order[:, :, : max(1, int(np.max(np.count_nonzero(sources >= 0, axis=2))))]
    there = reads[:, :, 0] >= 0
    count = np.count_nonzero(there, axis=1)
    both = np.count_nonzero(there[:, None] & there[None], axis=2)
    alike = (both == count[:, None]) & (both == count) & (reads.shape[2] == 1)
    divisors = layer.divisors(len(classes), parametrization)
    scale = np.sqrt(np.multiply.outer(divisors, divisors))
    return (
        np.take_along_axis(sources, order, axis=2),
        np.take_along_axis(weights, order, axis=2) / scale[..., None],
        both / scale,
        alike,
    )


def _classified(
    sources: np.ndarray, weights: np.ndarray, common: np.ndarray, alike: np.ndarray,
    kinds: np.ndarray | None, *, unread: bool,
) -> tuple[np.ndarray, Step]:  # fmt: skip
    length, _, terms = sources.shape
    keys = np.concatenate([sources, weights, common[..., None], alike[..., None]], axis=2)
    keys[common == 0] = -1  # only the bias in common
    if kinds is None:
        kinds = np.zeros(length, int)
    ends = np.stack(np.broadcast_arrays(kinds[:, None], kinds), axis=2)
    if unread:  # the variance of a pair that nothing reads and that shares no tap is not asked for
        ends = np.where((common == 0)[..., None], -1, ends)
    keys = np.concatenate([keys, ends], axis=2)
    numbers, first = _numbered(keys.reshape(length * length, -1))
    numbers = numbers.reshape(length, length)
    _, representative = np.unique(kinds, return_index=True)
    diagonal = np.diagonal(numbers)[representative][kinds]
    rows, columns = np.divmod(first, length)
    sources, weights = sources.reshape(-1, terms)[first], weights.reshape(-1, terms)[first]
    taps = np.zeros((len(first), sources.max() + 1))
    np.add.at(taps, (np.arange(len(first))[:, None], sources.clip(0)), weights)
    step = Step(
        taps,
        common.ravel()[first],
        alike.ravel()[first],
        diagonal[rows],
        diagonal[columns],
    )
    return numbers, step


def _numbered(keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The number of each row's class, and the first row of every class."""
    order = np.lexsort(keys.T[::-1])
    new = np.any(np.diff(keys[order], axis=0) != 0, axis=1)
    numbers = np.empty(len(keys), int)
    numbers[order] = np.concatenate([[0], np.cumsum(new)])
    return numbers, order[np.concatenate([[True], new])]


def _padded(step: Step, before: int) -> Step:
    """With classes that nobody reads, so that few shapes occur and little is compiled."""
    after, known = step.taps.shape
    more = ((0, _rounded(after) - after),)
    return Step(
        np.pad(step.taps, (*more, (0, before - known))),
        *(np.pad(column, more) for column in step[1:]),
    )


def _rounded(count: int) -> int:
    """The next of 1, 2, 3, 4, 6, 8, 12, 16, 24, ...."""
    power = 1 << (count - 1).bit_length()
    return power * 3 // 4 if count <= power * 3 // 4 else power
