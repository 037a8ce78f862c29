"""The first picture of the course: one correction, felt all round the circle, as depth grows.

The directive `{disc-and-needle}` draws two networks. In the direction of each input the filled
shape reaches as far as the network moves there when its answer is corrected at the dot: the scaled
tangent kernel in polar coordinates. A script moves the depth; without one the picture stands at
the last.
"""

import json
from html import escape

import jax
import jax.numpy as jnp
import numpy as np
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from freezechaos import kernels
from freezechaos.activations import Activation, normalized, standardized

DEPTHS = range(1, 65)
BETA = 0.3
ANGLES = 180 * np.linspace(0, 1, 81) ** 2  # degrees, close together at the needle
RADIUS = 1000
NETWORKS = {
    "freeze": (standardized("relu"), "ReLU"),
    "chaos": (normalized("relu"), "ReLU, its mean taken away"),
}


def reach(activation: Activation) -> list[list[int]]:
    """Return by depth how far the network moves at `ANGLES`, in parts of `RADIUS`."""
    cosine = jnp.cos(jnp.asarray(np.deg2rad(ANGLES)))
    depths = jnp.asarray(DEPTHS)
    kernel = jax.vmap(lambda depth: kernels.ntk(activation, BETA, depth, cosine))(
        depths
    )
    return np.rint(RADIUS * np.asarray(kernel)).astype(int).tolist()


def outline(radii: list[int]) -> str:
    """Return the shape as a path, symmetric about the input at angle 0, which is up."""
    turned = np.deg2rad(np.concatenate([ANGLES, -ANGLES[-2::-1]]))
    size = np.concatenate([radii, radii[-2::-1]])
    points = zip(size * np.sin(turned), -size * np.cos(turned), strict=True)
    return "M" + "L".join(f"{x:.0f} {y:.0f}" for x, y in points) + "Z"


def figure() -> str:
    """Return both pictures, the slider and what the script needs, as HTML."""
    shapes = {name: reach(activation) for name, (activation, _) in NETWORKS.items()}
    pictures = "".join(
        f"<figure><figcaption>{escape(label)}</figcaption>"
        f'<svg viewBox="-1100 -1100 2200 2200" role="img" aria-label="{described(name)}">'
        f'<circle r="{RADIUS}" /><path class="fc-{name}" d="{outline(shapes[name][-1])}" />'
        f'<circle class="fc-here" cy="-{RADIUS}" r="55" /></svg></figure>'
        for name, (_, label) in NETWORKS.items()
    )
    data = escape(json.dumps({"angles": ANGLES.round(6).tolist(), "shapes": shapes}))
    return (
        f'<div class="fc-opening" data-opening="{data}"><div>{pictures}</div><p hidden>'
        '<button type="button" aria-label="Play"></button><label>depth '
        f'<input type="range" min="1" max="{DEPTHS[-1]}" value="{DEPTHS[-1]}"></label>'
        f"<output>{DEPTHS[-1]}</output></p></div>"
    )


def described(name: str) -> str:
    shape = {"freeze": "a disc", "chaos": "a needle that points at the dot"}[name]
    return (
        "A circle of inputs with a dot at the top. The shape inside reaches as far as the network "
        f"moves in each direction. At depth {DEPTHS[-1]} it is {shape}."
    )


class DiscAndNeedle(SphinxDirective):
    def run(self) -> list[nodes.Node]:
        words = "(On the site a slider moves the depth of this picture.)"
        return [
            nodes.raw("", figure(), format="html"),
            nodes.raw("", words, format="latex"),
        ]


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_directive("disc-and-needle", DiscAndNeedle)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
