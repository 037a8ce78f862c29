"""Image sets to learn from, as NumPy arrays: built in, drawn, downloaded, or your own folder.

`sets` knows the sets by name, `shapes` draws sprites from known latents, `archives` reads
published files and believes only checksums, `photographs` turns pictures into arrays.
"""

from .sets import Images as Images
from .sets import available as available
from .sets import load as load
from .shapes import Latents as Latents
from .shapes import draw as draw

__all__ = ["Images", "Latents", "available", "draw", "load"]
