"""Pictures that hold claims of their own: the graph of positions."""

import matplotlib.pyplot as plt
import pytest
from matplotlib.collections import LineCollection
from matplotlib.colors import to_rgba

from freezechaos import plotting
from freezechaos.deconvolution import DeconvStack
from freezechaos.graphs import resize_convolution, transposed_convolution
from freezechaos.plotting import PALETTE, Edge

DOUBLE = transposed_convolution(4, stride=2, padding=1)
STACK = DeconvStack(3, [DOUBLE] * 2)


def test_parents_are_those_of_the_formula() -> None:
    for layer, (edges, *_) in enumerate(plotting.ancestry_edges(STACK, (0, 0))):
        before, after = (STACK.sizes[k][0] for k in (layer, layer + 1))
        expected = {
            Edge(2 * q + k - 1, q, k)
            for q in range(before)
            for k in range(4)
            if 0 <= 2 * q + k - 1 < after
        }
        assert edges == expected


@pytest.mark.parametrize(
    ("outputs", "shared"), [((4, 5), (0, 0)), ((4, 6), (0, 4)), ((3, 7), (8, 4)), ((0, 2), (0, 2))]
)
def test_shared_taps_end_where_the_stride_does_not_divide(
    outputs: tuple[int, int], shared: tuple[int, int]
) -> None:
    layers = plotting.ancestry_edges(STACK, outputs)
    assert tuple(len(met) for *_, met in layers) == shared
    for edges, one, other, met in layers:
        assert met <= one | other <= edges


def test_an_output_shares_all_with_itself_and_a_resize_with_its_neighbour() -> None:
    for _, one, other, met in plotting.ancestry_edges(STACK, (5, 5)):
        assert one == other == met
    resized = DeconvStack(3, [resize_convolution(2, 3, 1)])
    assert plotting.ancestry_edges(resized, (2, 3))[0][-1]


def test_what_is_drawn_is_what_was_found() -> None:
    _, ax = plt.subplots()
    plotting.position_graph(ax, STACK, (3, 7))
    lines = [part for part in ax.collections if isinstance(part, LineCollection)]
    violet = [c for c in lines if tuple(c.get_colors()[0]) == to_rgba(PALETTE["violet"].light)]
    assert [len(part.get_segments()) for part in violet] == [8, 4]
    taps = [text.get_text() for text in ax.texts]
    assert sorted(taps[:-2]) == sorted("00112233" + "0022")
    assert taps[-2:] == ["3", "7"]
    plt.close("all")


def test_what_is_counted_has_its_own_ticks_and_no_others() -> None:
    _, ax = plt.subplots()
    ax.loglog([1, 64], [1, 2])
    assert plotting.counted(ax, [1, 4, 64]) is ax
    assert [text.get_text() for text in ax.get_xticklabels()] == ["1", "4", "64"]
    assert not len(ax.get_xticks(minor=True))
    plt.close("all")


def test_a_picture_has_a_frame_of_four_sides() -> None:
    with plotting.style():
        _, ax = plt.subplots()
        shown = plotting.picture(ax, [[0.0, 1.0]], vmax=2)
    assert all(spine.get_visible() for spine in ax.spines.values())
    assert not len(ax.get_xticks())
    assert shown.get_clim() == (0, 2)
    plt.close("all")


def test_refusals() -> None:
    _, ax = plt.subplots()
    with pytest.raises(ValueError, match="one dimension to be drawn"):
        plotting.position_graph(ax, DeconvStack((2, 2), [DOUBLE]), (0, 1))
    with pytest.raises(ValueError, match="must lie in 0 to 11; got"):
        plotting.position_graph(ax, STACK, (0, 12))
    plt.close("all")
