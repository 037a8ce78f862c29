"""How pictures move when pixels of some are pushed: what `explorer.js` works out as well."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int

ALONE, EACH, TOGETHER = range(3)
"""Who asks: one picture, all for a pixel of their own each, or all for the same pixel."""


def wishes(
    who: int, picked: Sequence[int], batch: int, own: Int[np.ndarray, "most 2"]
) -> Int[np.ndarray, "batch 2"]:
    """The pixel (row, column) that each picture of the batch asks for, (-1, -1) for none.

    Arguments:
        who: `ALONE`, `EACH` or `TOGETHER`.
        picked: number of the picture that the reader pushes, from 0, row, column.
        batch: pictures in the batch.
        own: what each picture asks for in the case `EACH`, but for the picked one.
    """
    picture, *pixel = picked
    asked = {ALONE: np.full((batch, 2), -1), EACH: own[:batch], TOGETHER: [pixel] * batch}[who]
    asked = np.array(asked)
    asked[picture] = pixel
    return asked


def moves(
    tables: Float[np.ndarray, "2 row_classes column_classes"],
    classes: tuple[Int[np.ndarray, "rows rows"], Int[np.ndarray, "columns columns"]],
    wishes: Int[np.ndarray, "batch 2"],
    count: int,
) -> Float[np.ndarray, "count rows columns"]:
    """How a step moves the first pictures of the batch.

    Delta = Theta_!= u_mean + (Theta_= - Theta_!=) u / N, where a push u is 1 at the pixel that
    is asked for and 0 elsewhere.

    Arguments:
        tables: of Theta_=, a picture with itself, and Theta_!=, two different ones, by classes of
            pairs of rows and of columns, as in `deconvolution.Compressed`.
        classes: of those pairs.
        wishes: as `wishes` gives them.
        count: how many pictures, at most N.
    """
    own, other = tables
    down, along = classes

    def seen(table: np.ndarray, pixel: np.ndarray) -> np.ndarray:
        return table[down[pixel[0]][:, None], along[pixel[1]]]

    asked = wishes[wishes[:, 0] >= 0]
    common = sum((seen(other, pixel) for pixel in asked), np.zeros((len(down), len(along))))
    apart = [seen(own - other, pixel) if pixel[0] >= 0 else 0 for pixel in wishes[:count]]
    return np.stack([common + part for part in apart]) / len(wishes)
