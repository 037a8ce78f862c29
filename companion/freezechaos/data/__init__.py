"""Image sets to learn from, as NumPy arrays: built in, drawn, downloaded, or your own folder.

`sets` knows the sets by name, `shapes` and `glyphs` draw sprites and letters from known latents,
`archives` reads published files and believes only checksums, `photographs` turns pictures into
arrays.
"""

from ..extras import extra

with extra("data"):
    from .glyphs import Glyphs as Glyphs
    from .sets import Images as Images
    from .sets import available as available
    from .sets import draw as draw
    from .sets import load as load
    from .sets import of_the_book as of_the_book
    from .shapes import Latents as Latents

__all__ = ["Glyphs", "Images", "Latents", "available", "draw", "load", "of_the_book"]
