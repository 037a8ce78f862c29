"""Explorers of cheap closed forms, and the static page that carries them without a kernel."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from ipywidgets import Widget
from ipywidgets.embed import embed_data, escape_script
from playwright.sync_api import Browser, Page

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

HOST = Path(__file__).parents[2] / "book" / "_ext" / "widget_host.js"
SLOPES = {"relu": 1.0, "normalized relu": 1.467, "erf": 1.2257}
DEGREES = np.linspace(0.0, 180.0, 91)
CIRCLE = np.linspace(0.0, 2 * np.pi, 90, endpoint=False)
PAGE = """<!doctype html><html lang="en" data-theme="{theme}"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1"><title>Explorers</title>
<style>body {{ margin: 0; background: {paper}; color: {ink} }}</style></head>
<body><main><h1 id="top">Explorers</h1>{views}<h2 id="below">Below</h2></main>
<script type="application/vnd.jupyter.widget-state+json">{state}</script>
<script>{host}</script></body></html>"""
VIEW = '<p>Before.</p><script type="application/vnd.jupyter.widget-view+json">{}</script>'


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """Yield a page that fails the test if it complains or asks anything of the outside."""
    faults: list[str] = []
    with browser.new_context(viewport={"width": 1000, "height": 900}) as context:
        page = context.new_page()
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda message: faults.append(message.text))
        page.on("request", lambda r: faults.append(r.url) if "http" in r.url[:5] else None)
        yield page
    assert not faults


def decay_results(beta: jax.Array, depth: int, activation: str) -> dict[str, jax.Array]:
    assert isinstance(depth, int)
    assert isinstance(activation, str)
    r = (1 - beta**2) * SLOPES[activation]
    far = (1 - jnp.cos(jnp.deg2rad(jnp.asarray(DEGREES)))) / 2
    return {"pair": jnp.stack([jnp.exp(-far * r * jnp.log2(2.0 * depth)), 1 - far * beta]), "r": r}


@pytest.fixture(scope="session")
def decay() -> Explorer:
    """Two labelled curves over a slider, a stepper and a choice."""
    return Explorer(
        title="Decay with the angle",
        axes=[
            Axis("beta", "bias share β", np.linspace(0, 0.95, 20), start=0.1, format=".2f"),
            Axis("depth", "depth L", [1, 2, 4, 8, 16, 32, 64], start=16, static=True),
            Choice("activation", "activation", list(SLOPES)),
        ],
        compute=decay_results,
        view=Curves(
            x=DEGREES, y="pair", x_label="angle (degrees)", y_label="kernel",
            series=["ϑ", "Σ"], colors=["chaos", "freeze"], styles=["line", "dashed"],
            y_range=(-0.05, 1.05), x_ticks=[0, 45, 90, 135, 180],
            guides=[Guide("quarter", y=0.25), Guide("right angle", x=90.0)],
        ),
        numbers=["r"],
        words={"regime": Bands("r", [0.999, 1.001], ["freeze", "the edge", "chaos"])},
        readout="At β = {beta:.2f}, depth {depth}, {activation} has r = {r:.3f}: {regime}.",
        alt="Two curves fall from one as the angle grows.",
    )  # fmt: skip


@pytest.fixture(scope="session")
def staircase() -> Explorer:
    """A curve whose abscissa moves too, from a function that JAX never sees."""

    def compute(rate: float) -> dict[str, np.ndarray | float]:
        assert isinstance(rate, float)
        points = 1 - 0.9 * rate ** np.arange(9.0)
        x = np.stack([np.linspace(0, 1, 16), np.repeat(points, 2)[1:-1]])
        y = np.stack([1 - rate + rate * x[0], np.repeat(points, 2)[2:]])
        return {"x": x, "y": y, "end": points[-1], "gap": 1 - points[-1]}

    return Explorer(
        title="Staircase",
        axes=[Axis("rate", "rate", np.linspace(0.1, 0.9, 17), start=0.5)],
        compute=compute,
        view=Curves(
            x="x", y="y", x_label="this layer", y_label="next layer", series=["map", "steps"],
            x_range=(0, 1), y_range=(0, 1), background=[Line([0, 1], [0, 1], "no change")],
            guides=[Guide("end", x="end")],
        ),
        numbers=["end", "gap"],
        log=["gap"],
        readout="Rate {rate:.2f} ends at {end:.3g}, {gap:.2e} short; change {rate:.0%}.",
        alt="A staircase climbs between two lines.",
        vectorized=False,
    )  # fmt: skip


@pytest.fixture(scope="session")
def phase() -> Explorer:
    """A map with a point to drag, beside a polar view."""

    def compute(beta: jax.Array, activation: str) -> dict[str, jax.Array]:
        r = (1 - beta**2) * SLOPES[activation]
        return {"r": r, "round": jnp.cos(jnp.asarray(CIRCLE)) * (0.3 + 0.5 * beta) + 0.2}

    return Explorer(
        title="Where is the edge?",
        slug="edge",
        axes=[
            Axis("beta", "bias share β", np.linspace(0, 0.95, 20), start=0.3, format=".2f"),
            Choice("activation", "activation", list(SLOPES)),
        ],
        compute=compute,
        view=[
            Map(x="beta", y="activation", color="r", label="characteristic value r",
                lines=[Line([0.564, 0.429], ["normalized relu", "erf"], "r = 1", color="ink")]),
            Polar(angles=CIRCLE, value="round", label="kernel", series=["ϑ"], colors=["chaos"]),
        ],
        numbers=["r"],
        words={"regime": lambda point: "freeze" if point["r"] < 1 else "chaos"},
        readout="{activation} at β = {beta:.2f}: r = {r:.3f}, {regime}.",
        alt="Three bands from orange to blue.",
    )  # fmt: skip


@pytest.fixture(scope="session")
def plane() -> Explorer:
    """A map over two numbers, one of them on a geometric grid, beside a logarithmic scale."""

    def compute(beta: jax.Array, width: jax.Array) -> dict[str, jax.Array]:
        share = 0.5 + 0.5 * (1 - beta**2)
        return {"gap": share ** jnp.arange(1.0, 41.0) / width, "r": share * jnp.log10(width) / 2}

    line = np.geomspace(100.0, 350.0, 30)
    return Explorer(
        title="A plane",
        axes=[
            Axis("beta", "bias share β", np.linspace(0, 0.95, 20), start=0.5),
            Axis("width", "width n", np.geomspace(10, 1000, 9), start=100),
        ],
        compute=compute,
        view=[
            Curves(x=np.arange(1, 41), y="gap", x_label="layer", y_label="gap", y_scale="log",
                   series=["theory"], styles=["dots"], guides=[Guide("here", x="r")], title="Gap"),
            Map(x="width", y="beta", color="r", label="r", title="Where",
                lines=[Line(line, np.sqrt(2 - 4 / np.log10(line)), "r = 1", color="ink")]),
        ],
        numbers=["r"],
        readout="At β = {beta:.3f} and n = {width:.4g}: r = {r:.3f}.",
        alt="A falling line of dots, and a map.",
    )  # fmt: skip


@pytest.fixture(scope="session")
def album() -> Explorer:
    """Five grey pictures with a title and a number each."""
    row, column = np.mgrid[:6, :8]
    waves = np.stack([np.cos(np.pi * (row * k / 6 + column / 8)) for k in range(5)])

    def compute(contrast: jax.Array) -> dict[str, jax.Array]:
        strength = contrast ** jnp.arange(5.0)
        return {"waves": strength[:, None, None] * waves, "strength": strength}

    return Explorer(
        title="Album",
        axes=[Axis("contrast", "contrast", np.linspace(0.2, 1.0, 9), start=0.8)],
        compute=compute,
        view=Image(pixels="waves", label="brightness", panels=[f"wave {k}:" for k in range(5)],
                   values="strength", format=".2f"),
        readout="At contrast {contrast:.2f} the waves fade.",
        alt="Five striped pictures, each paler than the one before.",
    )  # fmt: skip


@pytest.fixture(scope="session")
def seen() -> Explorer:
    """What one pixel has to do with all others, in two panels beside a curve."""
    rows, columns = np.mgrid[:4, :5]

    def compute(row: jax.Array, column: jax.Array, activation: str) -> dict[str, jax.Array]:
        far = ((rows - row) ** 2 + (columns - column) ** 2).astype(float)
        near = jnp.exp(-far / (2 * SLOPES[activation]))
        return {"kernel": jnp.stack([near, near**2]), "line": near[row], "corner": near[0, 0]}

    return Explorer(
        title="What a pixel sees",
        slug="seen",
        axes=[
            Axis("row", "row", range(4), start=1, step=True),
            Axis("column", "column", range(5), start=3, step=True),
            Choice("activation", "activation", list(SLOPES)),
        ],
        compute=compute,
        view=[
            Image(pixels="kernel", label="kernel", panels=["once", "twice"], shades="violet",
                  value_range=(0, 1), pick=("row", "column"), columns=2, title="Picture"),
            Curves(x=range(5), y="line", x_label="column", y_label="kernel", title="Row"),
        ],
        numbers=["corner"],
        readout="Pixel ({row:d}, {column:d}) sees the corner at {corner:.3f}.",
        alt="Two pictures, darkest at the pixel that is picked.",
    )  # fmt: skip


@pytest.fixture(scope="session")
def nudged() -> Explorer:
    """Six pictures that move in common as far as `beta` says, and where each is pushed."""
    classes = (np.array([[0, 1], [1, 0]]), np.array([[0, 1, 2], [1, 0, 1], [2, 1, 0]]))
    own = np.array([[1.0, 0.4, 0.2], [0.3, 0.1, 0.0]])

    def compute(beta: jax.Array) -> dict[str, jax.Array]:
        born = jnp.cos(jnp.arange(36.0)).reshape(6, 2, 3)
        return {
            "kernels": jnp.stack([jnp.asarray(own), beta * own]),
            "born": born,
            "alpha": 1 - beta,
        }

    axes = {"image": range(1, 7), "row": range(2), "column": range(3)}
    seen = {"kernels": "kernels", "classes": classes, "count": 6, "batch": "batch", "who": "who",
            "wishes": np.stack([np.arange(12) % 2, np.arange(12) % 3], axis=1)}  # fmt: skip
    return Explorer(
        title="Nudged",
        axes=[
            Axis("beta", "bias share β", np.linspace(0, 0.9, 10), start=0.4),
            Choice("who", "who asks", ["one", "each", "all"], tabulated=False),
            Axis("batch", "batch", [6, 12], step=True, tabulated=False),
            Axis("size", "size of the step", np.linspace(0, 2, 5), start=1, tabulated=False),
            *(Axis(name, name, n, step=True, tabulated=False) for name, n in axes.items()),
        ],
        compute=compute,
        view=[
            Pushed(**seen, label="grey", pick=tuple(axes), onto="born", times="size",
                   shades="grey", value_range=(-2, 2), title="Pictures"),
            Pushed(**seen, label="move", pick=tuple(axes), title="Moves"),
        ],
        numbers=["alpha"],
        readout="Of {batch:d} pictures number {image:d} is pushed; own share {alpha:.3f}.",
        alt="Six pictures, and how they moved.",
    )  # fmt: skip


@pytest.fixture
def publish(tmp_path: Path) -> Callable[..., str]:
    """Return a function that writes widgets into a static page and returns its address."""

    def write(*widgets: Widget, theme: str = "light") -> str:
        embedded = embed_data(widgets, drop_defaults=False)
        paper, ink = ("#ffffff", "#222222") if theme == "light" else ("#14181e", "#dddddd")
        page = PAGE.format(
            theme=theme, paper=paper, ink=ink, host=HOST.read_text(),
            views="".join(VIEW.format(json.dumps(view)) for view in embedded["view_specs"]),
            state=escape_script(json.dumps(embedded["manager_state"])),
        )  # fmt: skip
        (tmp_path / "page.html").write_text(page)
        return (tmp_path / "page.html").as_uri()

    return write
