"""Primitives with loops of their own: a step takes the scope and the equation to its results."""

from collections.abc import Callable

from .control import CONTROL
from .emit import Located
from .moving import MOVING
from .products import PRODUCTS
from .reductions import REDUCTIONS

STEPS: dict[str, Callable[..., list[Located]]] = {**CONTROL, **MOVING, **PRODUCTS, **REDUCTIONS}
