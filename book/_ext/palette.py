"""Hand the package's colours to the pages: `--freeze`, `--edge`, `--chaos` and their company."""

from pathlib import Path

from sphinx.application import Sphinx

from freezechaos.plotting import PALETTE


def stylesheet() -> str:
    """Return the rules that set one variable a hue, in the light and in the dark theme."""
    return "".join(
        f'html[data-theme="{theme}"] {{ '
        + " ".join(f"--{name}: {getattr(hue, theme)};" for name, hue in PALETTE.items())
        + " }\n"
        for theme in ("light", "dark")
    )


def write_stylesheet(app: Sphinx) -> None:
    static = Path(app.outdir) / "_static"
    static.mkdir(parents=True, exist_ok=True)
    (static / "palette.css").write_text(stylesheet())


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_css_file("palette.css")
    app.connect("builder-inited", write_stylesheet)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
