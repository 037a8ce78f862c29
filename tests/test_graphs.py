"""Up-sampling layers: sizes and parents, against JAX's own and against what they stand for."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from freezechaos import graphs
from freezechaos.graphs import (
    convolution,
    links,
    resize_convolution,
    sub_pixel_convolution,
    transposed_convolution,
)


@st.composite
def layers(draw: st.DrawFn) -> graphs.Layer:
    window, stride = draw(st.integers(1, 5)), draw(st.integers(1, 3))
    padding, output = draw(st.integers(0, window - 1)), draw(st.integers(0, stride - 1))
    return transposed_convolution(window, stride, padding, output)


@given(layers(), st.integers(1, 6))
def test_parents_are_those_of_a_transposed_convolution(layer: graphs.Layer, n: int) -> None:
    """By the dilated formulation: zeros between the inputs, then a plain convolution."""
    axis = layer.along(0)
    length = axis.length(n)
    assume(length > 0)
    spread = np.zeros((n - 1) * axis.stride + 1, int)
    spread[:: axis.stride] = np.arange(1, n + 1)
    far = axis.window - 1
    room = np.concatenate([np.zeros(far, int), spread, np.zeros(far + axis.output_padding, int)])
    room = room[axis.padding :]
    parents = axis.parents(n)
    for place in range(length):
        read = room[place : place + axis.window][::-1] - 1  # tap 0 lies at the right
        assert parents[place].tolist() == read.tolist()
    assert axis.counts(n).tolist() == np.count_nonzero(parents >= 0, axis=1).tolist()


def test_the_taps_of_a_position() -> None:
    """p = stride q + k - padding."""
    axis = transposed_convolution(5, stride=3, padding=2, output_padding=1).along(0)
    for place, row in enumerate(axis.parents(4)):
        for tap, parent in enumerate(row):
            if parent >= 0:
                assert place == 3 * parent + tap - 2


@pytest.mark.parametrize(("window", "padding"), [(1, 0), (3, 0), (3, 1), (4, 2), (5, 4)])
def test_a_convolution_reads_what_jax_reads(window: int, padding: int) -> None:
    axis, x = convolution(window, padding).along(0), np.arange(1.0, 8)
    parents = axis.parents(len(x))
    weights = np.random.default_rng(0).normal(size=window)
    ours = np.sum(np.where(parents >= 0, x[parents], 0) * weights, axis=1)
    theirs = jax.lax.conv_general_dilated(
        jnp.asarray(x)[None, None], jnp.asarray(weights[::-1].copy())[None, None],
        (1,), [(padding, padding)],
    )[0, 0]  # fmt: skip
    assert ours == pytest.approx(np.asarray(theirs), abs=1e-5)


@pytest.mark.parametrize("scale", [2, 3])
@pytest.mark.parametrize(("window", "padding"), [(1, 0), (3, 1), (3, 0), (4, 2)])
def test_a_sub_pixel_convolution_is_a_convolution_into_channels(
    scale: int, window: int, padding: int
) -> None:
    plain, n = convolution(window, padding).along(0).parents(5), 5
    fine = sub_pixel_convolution(scale, window, padding).along(0).parents(n)
    assert len(fine) == scale * len(plain)
    for place, row in enumerate(fine):
        assert sorted(row[row >= 0]) == sorted(q for q in plain[place // scale] if q >= 0)
    taps = [set(np.flatnonzero(row >= 0)) for row in fine]
    assert not any(taps[p] & taps[q] for p in range(scale) for q in range(p))


@pytest.mark.parametrize("scale", [1, 2, 3, 4])
@pytest.mark.parametrize(("method", "theirs"), [("nearest", "nearest"), ("bilinear", "linear")])
def test_a_resize_is_that_of_jax(scale: int, method: graphs.Method, theirs: str) -> None:
    matrix = resize_convolution(scale, 1, method=method).along(0).resizing(4)
    expected = jax.image.resize(jnp.eye(4), (4 * scale, 4), theirs)
    assert matrix == pytest.approx(np.asarray(expected), abs=1e-6)


@pytest.mark.parametrize("method", ["nearest", "bilinear"])
def test_links_are_taps_after_the_resize(method: graphs.Method) -> None:
    axis, n = resize_convolution(2, 3, 1, method).along(0), 4
    reads, shares = links(axis, n)
    dense = np.zeros((axis.length(n), axis.window, n))
    for place, tap, way in np.argwhere(reads >= 0):
        dense[place, tap, reads[place, tap, way]] += shares[place, tap, way]
    parents = axis.parents(n)
    expected = np.where((parents >= 0)[..., None], axis.resizing(n)[parents], 0)
    assert dense == pytest.approx(expected)


def test_axes_may_differ() -> None:
    layer = sub_pixel_convolution((2, 3), 3, (1, 0))
    assert layer.dimensions == 2
    assert [layer.along(axis).length(4) for axis in range(2)] == [8, 6]
    assert [layer.magnification(axis) for axis in range(2)] == [2, 3]


@pytest.mark.parametrize(
    ("make", "named"),
    [
        (lambda: transposed_convolution(0), "`window` must be 1 or more; got 0"),
        (lambda: transposed_convolution(3, stride=0), "`stride` must be 1 or more; got 0"),
        (lambda: transposed_convolution(3, padding=3), "`padding` must be below the window of 3"),
        (lambda: convolution(3, 3), "`padding` must be below the window of 3; got 3"),
        (lambda: transposed_convolution(3, 2, 0, 2), "`output_padding` must be below the stride"),
        (lambda: transposed_convolution((3, 3), stride=(2, 2, 2)), "one number an axis"),
    ],
)
def test_bad_layers_say_why(make, named: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ValueError, match=named.replace("(", r"\(")):
        make()


def test_bad_types_say_why() -> None:
    with pytest.raises(TypeError, match=r"`window` must be an integer.* got 2.5"):
        transposed_convolution(2.5)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r'"nearest" or "bilinear"; got \'cubic\''):
        resize_convolution(2, 3, 1, "cubic")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("make", "error", "named"),
    [
        (lambda: convolution("3"), TypeError, "`window` must be an integer.* got '3'"),
        (lambda: convolution([3, 3], 1), TypeError, r"`window` must be .* got \[3, 3\]"),
        (lambda: convolution(3, "same"), TypeError, "`padding` must be .* got 'same'"),
        (lambda: convolution(3, -1), ValueError, "`padding` must be 0 or more; got -1"),
        (lambda: convolution((3, 3), (1, 1, 1)), ValueError, "one number an axis"),
        (lambda: sub_pixel_convolution("2", 3), TypeError, "`scale` must be .* got '2'"),
        (lambda: sub_pixel_convolution(0, 3), ValueError, "`scale` must be 1 or more; got 0"),
        (lambda: transposed_convolution(()), TypeError, r"`window` must be .* got \(\)"),
    ],
)
def test_what_was_given_is_what_is_named(make, error, named: str) -> None:  # type: ignore[no-untyped-def]
    """Not a number worked out of it."""
    with pytest.raises(error, match=named):
        make()
