"""What public functions take where they mean a number: Python's, NumPy's or JAX's.

With a shape it is `Real[ArrayLike, "n d"]`, which integers are too.
"""

import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Int, Real

Integer = int | np.integer | Int[Array | np.ndarray, ""]
"""One integer."""
Integers = Int[ArrayLike, "..."]
"""One integer, or an array of them."""
Number = float | np.integer | np.floating | Real[Array | np.ndarray, ""]
"""One real number."""
Numbers = Real[ArrayLike, "..."]
"""One real number, or an array of them."""
