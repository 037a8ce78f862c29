"""The Python side: the grid, what is read from it, the sentence, the still, the refusals."""

import copy
import itertools
import json
import re
import zlib
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from freezechaos.explorers import (
    Axis,
    Bands,
    Choice,
    Curves,
    Explorer,
    Guide,
    Image,
    Line,
    Map,
    Polar,
    Pushed,
)
from freezechaos.explorers.explorer import HERE
from freezechaos.explorers.grid import Quantized, pack, tabulate
from freezechaos.explorers.moves import ALONE, EACH, TOGETHER, moves, wishes
from freezechaos.explorers.readout import fill


def unpack(data: bytes) -> np.ndarray:
    """Return the codes, as `explorer.js` gets them."""
    low, high = np.frombuffer(zlib.decompress(data), np.uint8).reshape(2, -1).astype(np.uint16)
    return (low | high << 8).cumsum(dtype=np.uint16).cumsum(dtype=np.uint16)


@given(hnp.arrays(np.uint16, hnp.array_shapes(max_dims=3)))
def test_packing_loses_nothing(codes: np.ndarray) -> None:
    assert np.array_equal(unpack(pack([codes, codes])), np.tile(codes.ravel(), 2))


@given(hnp.arrays(float, (3, 4), elements=st.floats(-1e6, 1e6)))
def test_quantizing_errs_by_half_a_level(values: np.ndarray) -> None:
    kept = Quantized.of(values)
    step = (values.max() - values.min()) / 65535
    assert np.max(np.abs(kept.value(kept.codes) - values)) <= 0.5001 * step + 1e-9


@given(hnp.arrays(float, (3, 4), elements=st.floats(1e-30, 1.0)))
def test_logarithms_keep_small_values(values: np.ndarray) -> None:
    kept = Quantized.of(values, log=True)
    assert kept.value(kept.codes) == pytest.approx(values, rel=2e-3)


def test_axes_keep_their_order_whichever_are_looped_over() -> None:
    axes = [
        Axis("a", "a", [0.0, 1.0, 2.0]),
        Choice("b", "b", ["x", "y"]),
        Axis("c", "c", [0.0, 1.0, 2.0, 3.0]),
        Axis("d", "d", [1, 2, 3, 4, 5], static=True),
    ]

    def compute(a: Any, b: str, c: Any, d: int) -> dict[str, Any]:
        return {"v": jnp.stack([1000.0 * a + 100.0 * (b == "y") + 10.0 * c + d, a])}

    for vectorized in (True, False):
        table = tabulate(compute, axes, vectorized=vectorized)["v"]
        assert table.shape == (3, 2, 4, 5, 2)
        assert table[2, 1, 3, 4].tolist() == [2135.0, 2.0]


def test_corners_are_computed_and_shown_alike(
    decay: Explorer, staircase: Explorer, phase: Explorer
) -> None:
    for explorer, count in ((decay, 12), (staircase, 2), (phase, 6)):
        corners = list(explorer.corners())
        assert len(corners) == count
        assert max(explorer.interpolation_error(corners).values()) < 2e-5


def test_interpolation_error_falls_with_the_square_of_the_spacing() -> None:
    def error(points: int) -> float:
        explorer = Explorer(
            title="Parabola", axes=[Axis("a", "a", np.linspace(0, 1, points))],
            compute=lambda a: {"y": jnp.stack([a**2, a])},
            view=Curves(x=[0.0, 1.0], y="y", x_label="x", y_label="y"), readout="{a}", alt="",
        )  # fmt: skip
        return explorer.interpolation_error(explorer.midpoints())["y"]

    assert error(5) == pytest.approx(1 / 64, rel=1e-2)
    assert error(9) == pytest.approx(1 / 256, rel=1e-2)


def test_steps_are_not_interpolated(decay: Explorer) -> None:
    exact = decay.at(depth=32, beta=0.5, activation="erf")
    shown = decay.interpolated(depth=32, beta=0.5, activation="erf")
    assert shown["pair"] == pytest.approx(exact["pair"], abs=2e-5)
    with pytest.raises(ValueError, match=r"`depth` goes by steps over .*; got 33. Try 32."):
        decay.interpolated(depth=33)


def test_setting_is_completed_and_checked(decay: Explorer) -> None:
    assert decay.start == {"beta": 0.1, "depth": 16, "activation": "relu"}
    decay.setting = {"beta": 0.25}
    decay.setting = {"activation": "erf"}
    assert decay.setting == {"beta": 0.25, "depth": 16, "activation": "erf"}
    with pytest.raises(ValueError, match="Try 'erf'"):
        decay.setting = {"activation": "erg"}
    with pytest.raises(ValueError, match=r"`beta` must lie in \[0.0, 0.95\]; got 1.2"):
        decay.setting = {"beta": 1.2}
    with pytest.raises(ValueError, match="there is no axis `gamma`"):
        decay.setting = {"gamma": 1}
    decay.setting = decay.start


def test_a_setting_is_changed_as_a_whole(decay: Explorer) -> None:
    setting: Any = decay.setting
    with pytest.raises(TypeError, match=r"Try explorer.setting = \{"):
        setting["beta"] = 0.7
    with pytest.raises(TypeError, match="changed as a whole"):
        setting.update(beta=0.7)
    decay.setting |= {"beta": 0.7}
    assert decay.setting["beta"] == 0.7
    assert json.loads(json.dumps(decay.setting)) == copy.deepcopy(decay.setting) == decay.setting
    decay.setting = decay.start


def test_what_rounds_to_zero_has_no_sign() -> None:
    shown = [fill("{x:.3f} {x:.0%}", {"x": x}) for x in (-1e-5, 0.0, -0.001, -0.01)]
    assert shown == ["0.000 0%", "0.000 0%", "−0.001 0%", "−0.010 −1%"]


def test_compute_is_compiled_once_for_each_choice() -> None:
    traced = []

    def compute(a: Any, b: str) -> dict[str, Any]:
        traced.append(b)
        return {"y": jnp.stack([a, -a])}

    explorer = toy(compute=compute)
    assert traced == ["x", "y"]
    for a in (0.1, 0.2, 0.3):
        assert explorer.at(a=a)["y"] == pytest.approx([a, -a])
    assert traced == ["x", "y", "x"]  # for a single point


def test_the_sentence_names_numbers_and_words(decay: Explorer, staircase: Explorer) -> None:
    assert decay.sentence() == "At β = 0.10, depth 16, relu has r = 0.990: freeze."
    assert decay.sentence(beta=0.0) == "At β = 0.00, depth 16, relu has r = 1.000: the edge."
    assert decay.sentence(activation="erf").endswith("chaos.")
    assert staircase.sentence() == "Rate 0.50 ends at 0.996, 3.52e−03 short; change 50%."


def test_words_of_a_function_are_those_of_the_nearest_grid_point(phase: Explorer) -> None:
    assert phase.sentence(activation="erf", beta=0.42).endswith("chaos.")
    assert phase.sentence(activation="erf", beta=0.43).endswith("freeze.")


def test_bands_change_at_their_edges() -> None:
    bands = Bands("r", [1.0], ["below", "above"])
    assert [bands.word(r) for r in (0.999, 1.0, 1.001)] == ["below", "above", "above"]
    with pytest.raises(ValueError, match="one word more"):
        Bands("r", [1.0], ["only"])


def test_what_the_page_carries_is_small_and_plain_json(decay: Explorer) -> None:
    assert json.loads(json.dumps(decay.spec)) == decay.spec
    numbers = 20 * 7 * 3 * (2 * 91 + 1)
    assert len(decay.data) < numbers  # a byte each, where floats take four
    assert len(decay.data) < decay.payload_bytes < 120_000


def test_the_still_comes_with_words_and_is_the_same_every_time(phase: Explorer) -> None:
    bundle, _ = phase._repr_mimebundle_()
    again, _ = phase._repr_mimebundle_()
    assert bundle["image/png"] == again["image/png"]
    assert bundle["text/plain"] == (
        "Three bands from orange to blue.\nrelu at β = 0.30: r = 0.910, freeze."
    )
    assert "application/vnd.jupyter.widget-view+json" in bundle
    assert repr(phase) == "Explorer('Where is the edge?', slug='edge')"


def test_the_still_draws_what_was_computed(decay: Explorer, staircase: Explorer) -> None:
    curve = decay.still().axes[0].get_lines()[-2]
    assert np.asarray(curve.get_ydata()) == pytest.approx(decay.at()["pair"][0], abs=2e-5)
    xs = staircase.still().axes[0].get_lines()[-1].get_xdata()
    assert np.asarray(xs) == pytest.approx(staircase.at()["x"][1], abs=2e-5)


def test_the_still_of_an_image_has_every_panel_and_the_picked_pixel(
    album: Explorer, seen: Explorer
) -> None:
    (grey, *_), (violet, *_) = album.still().axes, seen.still().axes
    for picture, shown in zip(grey.get_images(), album.at()["waves"], strict=True):
        assert np.asarray(picture.get_array()) == pytest.approx(shown, abs=2e-5)
        assert picture.get_interpolation() == "nearest"
    assert [text.get_text() for text in grey.texts][:2] == ["wave 0: 1.00", "wave 1: 0.80"]
    assert grey.get_images()[0].to_rgba(-1.0)[:3] == (0, 0, 0)
    assert violet.get_images()[0].to_rgba(0.0)[:3] == (1, 1, 1)
    assert violet.get_images()[0].get_clim() == (0, 1)
    squares = [patch.get_center() for patch in violet.patches if patch.get_width() < 2]
    assert np.array(squares[::2]) == pytest.approx(np.array([(3.5, 1.5), (9.25, 1.5)]))


def test_an_image_says_what_the_page_draws(album: Explorer, seen: Explorer) -> None:
    (grey,), (violet, _) = album.spec["views"], seen.spec["views"]
    assert grey["shape"] == [5, 6, 8]
    assert grey["range"] == pytest.approx([-1, 1], abs=1e-6)
    assert grey["pick"] is None
    assert violet["range"] == [0, 1]
    assert violet["pick"] == ["row", "column"]
    assert grey["shades"] == [["#000000", "#FFFFFF"]] * 2
    assert violet["description"] == "kernel as the shade of each pixel"


def test_an_image_may_be_a_single_panel_with_one_number() -> None:
    for panels, title in (([], "0"), (["a:"], "a: 0")):
        single = toy(view=image(values="n", panels=panels))
        assert single.spec["views"][0]["shape"] == [1, 2, 3]
        assert single.still().axes[0].texts[0].get_text() == title


def test_a_page_carries_the_script_without_comments(decay):
    whole = (HERE / "explorer.js").read_text("utf-8")
    lines = [line for line in whole.splitlines() if not line.lstrip().startswith("//")]
    assert decay._esm.splitlines() == lines
    assert len(lines) < whole.count("\n")


def test_no_element_opens_inside_the_embedded_script(decay: Explorer) -> None:
    """Sphinx writes the code into a script element; only `</script>` is escaped there."""
    assert not re.search(r"<!--|<script", str(decay._esm) + str(decay._css))


@pytest.mark.parametrize("who", [ALONE, EACH, TOGETHER])
def test_a_move_is_the_sum_over_the_batch(who: int) -> None:
    """Delta_k = 1/N sum over i of Theta_ki u_i, with the kernel between all pixels written out."""
    rows, columns = np.array([[0, 1], [1, 0]]), np.array([[0, 1, 2], [1, 0, 1], [2, 1, 0]])
    tables = np.arange(12.0).reshape(2, 2, 3) ** 2
    own, other = tables[:, rows[:, None, :, None], columns[None, :, None, :]].reshape(2, 6, 6)
    each = np.array([[0, 1], [1, 2], [0, 0], [1, 1], [1, 1], [0, 2]])
    asked = wishes(who, (1, 1, 0), 5, each)
    pushes = np.zeros((5, 2, 3))
    for k, pixel in enumerate({ALONE: [(1, 0)], EACH: each[:5], TOGETHER: [(1, 0)] * 5}[who]):
        number = 1 if who == ALONE else k
        pushes[(number, *((1, 0) if number == 1 else pixel))] = 1
    wanted = [
        sum((own if i == k else other) @ u.ravel() for i, u in enumerate(pushes)) / 5
        for k in range(3)
    ]
    found = moves(tables, (rows, columns), asked, 3)
    assert found.reshape(3, 6) == pytest.approx(np.array(wanted))


def test_a_setting_that_is_not_tabulated_is_read_and_not_computed(nudged: Explorer) -> None:
    assert nudged.spec["outputs"][0]["shape"] == [2, 2, 3]
    assert nudged.sentence(image=3, batch=12).startswith("Of 12 pictures number 3 is pushed")
    assert len(list(nudged.corners())) == 2 * 3 * 2 * 2 * 2 * 2 * 2
    kernels = [nudged.at(beta=0.5, image=k)["kernels"] for k in (1, 2)]
    assert np.array_equal(*kernels)


def test_the_still_outlines_what_is_pushed(nudged: Explorer) -> None:
    frames = [len(ax.patches) for ax in nudged.still().axes[::2]]
    assert frames == [6 + 2, 6 + 2]  # a frame each, and the ring of the one that is pushed


def pushing(**changes: Any) -> Explorer:
    given: dict[str, Any] = {
        "kernels": "k", "classes": (np.eye(2, dtype=int), np.eye(3, dtype=int)), "count": 2,
        "wishes": np.zeros((4, 2), int), "label": "move", "pick": ("i", "r", "c"), "batch": "n",
        "who": "w",
    }  # fmt: skip
    return toy(
        axes=[
            Axis("a", "a", [0.0, 1.0]),
            Choice("w", "w", ["p", "q", "r"][: changes.pop("options", 3)], tabulated=False),
            Axis("n", "n", [2, 4], step=True, tabulated=False),
            *(
                Axis(name, name, values, step=True, tabulated=False)
                for name, values in (("i", range(1, 3)), ("r", range(2)), ("c", range(3)))
            ),
        ],
        compute=lambda a: {"k": jnp.zeros((2, 2, 2)) + a, "flat": jnp.zeros((2, 3)) + a, "one": a},
        view=Pushed(**given | changes) if "x" not in changes else Map(**changes),
    )  # fmt: skip


def toy(**changes: Any) -> Explorer:
    """Return an explorer that is right but for `changes`."""
    given: dict[str, Any] = {
        "title": "Toy",
        "axes": [Axis("a", "a", [0.0, 1.0]), Choice("b", "b", ["x", "y"])],
        "compute": lambda a, b: {
            "y": jnp.stack([a, -a]),
            "n": a,
            "nan": jnp.log(a - 1),
            "flat": jnp.zeros((2, 3)) + a,
        },
        "view": Curves(x=[0.0, 1.0], y="y", x_label="x", y_label="y"),
        "readout": "{a}",
        "alt": "",
    }
    return Explorer(**given | changes)


def curves(**changes: Any) -> Curves:
    return Curves(**{"x": [0.0, 1.0], "y": "y", "x_label": "x", "y_label": "y"} | changes)


def image(**changes: Any) -> Image:
    return Image(**{"pixels": "flat", "label": "shade"} | changes)


def picture(rows: Axis) -> Explorer:
    return toy(
        axes=[rows, Axis("c", "c", range(3), step=True)],
        compute=lambda c, **row: {"flat": jnp.full((2, 3), c, float)},
        view=image(pick=("a", "c")),
        readout="{c}",
    )


def test_bytes_are_kept_as_they_are() -> None:
    """A picture weighs a byte a pixel, behind all that is smooth, and comes back exactly."""
    drawn = np.random.default_rng(0).integers(0, 256, (2, 2, 5, 7), dtype=np.uint8)
    film = toy(
        axes=[Axis("a", "a", [0, 1], step=True), Choice("b", "b", ["x", "y"])],
        compute=lambda a, b: {"flat": drawn[a, "xy".index(b)], "n": a + 0.5},
        vectorized=False, view=image(), numbers=["n"], readout="{a}",
    )  # fmt: skip
    for a, b in itertools.product((0, 1), "xy"):
        shown = film.interpolated(a=a, b=b)
        assert np.array_equal(shown["flat"], drawn[a, "xy".index(b)])
        assert shown["n"] == pytest.approx(a + 0.5)
    unpacked = zlib.decompress(film.data)
    assert unpacked.endswith(drawn.tobytes())
    assert len(unpacked) == drawn.nbytes + 2 * 4
    assert {out["name"]: out["levels"] for out in film.spec["outputs"]} == {"flat": 255, "n": 65535}


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Axis("a", "a", [0.0, 0.0]), "must be two or more increasing numbers"),
        (lambda: Axis("a", "a", [0.0, 1.0], start=2.0), "`a` must lie in"),
        (lambda: Choice("b", "b", ["x", "x"]), "two or more different words"),
        (lambda: Choice("b", "b", ["x", "y"], start="z"), "must be one of"),
        (lambda: toy(axes=[Choice("b", "b", ["x", "y"], static=False)]), "take compiled=True"),
        (lambda: Guide("both", x=1.0, y=1.0), "Give just one"),
        (lambda: Line([0.0], [0.0, 1.0]), "as long as each other"),
        (lambda: curves(colors=["red"]), "`colors` must be of"),
        (lambda: curves(styles=["wavy"]), "`styles` must be of"),
        (lambda: curves(x_ticks=[0, 1], x_names=["a"]), "one for each of `x_ticks`; got"),
        (lambda: curves(x_names=["a"]), r"got \['a'\] for \[\]"),
        (lambda: toy(readout="{c}"), r"names \['c'\]"),
        (lambda: toy(slug="Toy!"), "Try slug='toy'"),
        (lambda: toy(title="ϑ"), "Try slug='explorer'"),
        (lambda: toy(axes=[Axis("a", "a", [0.0, 1.0])] * 2), "different names"),
        (lambda: toy(view=curves(y="z")), "it must give `z` too"),
        (lambda: toy(view=curves(guides=[Guide(x="z")])), "it must give `z` too"),
        (lambda: toy(words={"w": Bands("z", [], ["w"])}), "it must give `z` too"),
        (lambda: toy(view=curves(x=[0.0])), r"`x` must have shape \[2\]; got \[1\]"),
        (lambda: toy(view=curves(series=["p", "q"])), "2 `series` needs an output of shape"),
        (lambda: toy(view=curves(y_scale="log")), "for its logarithm; got 0.0 at {'a': 0.0"),
        (lambda: toy(numbers=["nan"]), "`nan` must be finite; got"),
        (lambda: toy(numbers=["y"]), r"must be one number a setting; got the shape \[2\]"),
        (lambda: toy(view=Map(x="a", y="c", color="n", label="n")), "`x and y` must be of"),
        (lambda: toy(view=Map(x="a", y="b", color="y", label="n")), "`color` must have shape"),
        (lambda: toy(view=Polar(angles=[0.0], value="y", label="y")), "`angles` must have shape"),
        (lambda: image(shades="red"), r"`shades` must be of \['grey', 'violet'\]; got 'red'"),
        (lambda: toy(view=image(pixels="y")), r"got \[2\]. Reshape `y` in `compute`"),
        (lambda: toy(view=image(panels=["p", "q"])), "a title for each of 1; got .* or none"),
        (lambda: toy(view=image(values="y")), r"`values` must have shape \[1\]; got \[2\]"),
        (lambda: toy(view=image(values="z")), "it must give `z` too"),
        (lambda: toy(view=image(pick=("a", "d"))), "`a`, smoothly over .* Try Axis"),
        (lambda: picture(Axis("d", "d", range(2), step=True)), "`pick` must be of"),
        (lambda: picture(Axis("a", "a", range(3), step=True)), r"2\]. Try .*range\(0, 2\)"),
        (lambda: picture(Axis("a", "a", [0, 1])), "from 0, pictures from 1; got `a`, smoothly"),
        (lambda: pushing(shades="red"), "`shades` must be of"),
        (lambda: pushing(onto="flat"), "`onto` and `times` go together"),
        (lambda: pushing(kernels="flat"), r"`kernels` must have shape \[2, 2, 2\]; got \[2, 3\]"),
        (lambda: pushing(onto="flat", times="a"), r"`onto` must have shape \[2, 2, 3\]"),
        (lambda: pushing(pick=("i", "r", "a")), "`a`, smoothly over"),
        (lambda: pushing(pick=("r", "r", "c")), r"from 1; got `r`, .*range\(1, 3\)"),
        (lambda: pushing(batch="z"), "`batch, who and times` must be of"),
        (lambda: pushing(options=2), r"`who` must have shape \[3\]; got \[2\]"),
        (lambda: pushing(wishes=np.zeros((3, 2), int)), "3 `wishes`; got"),
        (lambda: pushing(x="a", y="w", color="one", label="n"), "`x and y` must be of"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_with_a_way_out(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def test_midpoints_are_the_centres_of_the_cells(phase: Explorer) -> None:
    first, second = itertools.islice(phase.midpoints(), 0, 4, 3)
    assert first == {"beta": pytest.approx(0.025), "activation": "relu"}
    assert second == {"beta": pytest.approx(0.075), "activation": "relu"}
