"""What counts as an integer, as a number, as a share: one answer for the whole package.

NumPy's and JAX's numbers of no axes count as Python's; booleans, strings and None never do.
"""

from math import isfinite
from typing import Any, TypeGuard

import jax
import numpy as np


def integer(name: str, value: Any, least: int | None, hint: str) -> int:
    """One integer, `least` or more.

    Raises:
        TypeError: what is no integer, 2.0 and True among it; a number that JAX is tracing.
        ValueError: less than `least`.
    """
    bound = "" if least is None else f", {least} or more"
    _refuse_traced(name, value, hint)
    if not is_integer(value):
        raise TypeError(f"`{name}` must be an integer{bound}; got {value!r}. {hint}")
    if least is not None and int(value) < least:
        raise ValueError(f"`{name}` must be {least} or more; got {value}. {hint}")
    return int(value)


def is_integer(value: Any) -> TypeGuard[int]:
    """Whether it is a single integer; True and False are not."""
    if isinstance(value, jax.Array | np.ndarray):
        return value.ndim == 0 and value.dtype.kind in "iu"
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def real(name: str, value: Any, hint: str) -> float:
    """One finite real number.

    Raises:
        TypeError: what is no number; one that JAX is tracing.
        ValueError: an infinity or NaN.
    """
    _refuse_traced(name, value, hint)
    if not is_real(value):
        raise TypeError(f"`{name}` must be one real number; got {value!r}. {hint}")
    if not isfinite(float(value)):
        raise ValueError(f"`{name}` must be finite; got {float(value):g}. {hint}")
    return float(value)


def is_real(value: Any) -> bool:
    """Whether it is a single real number, an integer or a float of any width."""
    if isinstance(value, bool | str | bytes | type(None) | list | tuple):
        return False
    try:
        array = np.asarray(value)
    except (TypeError, ValueError):
        return False
    # bfloat16 and its kin are of kind V in NumPy
    return array.ndim == 0 and (
        array.dtype.kind in "iuf" or jax.numpy.issubdtype(array.dtype, np.floating)
    )


def share(name: str, value: Any, hint: str, *, whole: bool = True) -> float:
    """One number in [0, 1], or in [0, 1) where the whole is not a share.

    Raises:
        TypeError: what is no number; one that JAX is tracing.
        ValueError: a number outside.
    """
    _refuse_traced(name, value, hint)
    if not is_real(value):
        raise TypeError(f"`{name}` must be one real number; got {value!r}. {hint}")
    number = float(value)
    if not (0 <= number <= 1 if whole else 0 <= number < 1):
        raise ValueError(
            f"`{name}` must lie in [0, 1{']' if whole else ')'}; got {number:g}. {hint}"
        )
    return number


def _refuse_traced(name: str, value: Any, hint: str) -> None:
    if isinstance(value, jax.core.Tracer):
        raise TypeError(
            f"`{name}` must be a number that is known; got one that JAX is tracing, in jit, vmap "
            f"or grad. {hint}"
        )
