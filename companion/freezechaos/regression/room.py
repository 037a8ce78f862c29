"""What memory there is, and what to say before it does not suffice."""

import os

import jax

from .. import checks
from ..types import Number

_SHARE = 0.8  # of what is free; the rest is for others


class OutOfMemoryError(MemoryError):
    """Foreseen: nothing was begun."""


def budget(memory: Number | None) -> int:
    """Bytes that may be taken: those given, or four fifths of what is free.

    Raises:
        ValueError, TypeError: not a positive number.
    """
    if memory is None:
        return int(_SHARE * _free())
    number = checks.number("memory", memory)
    if not number > 0:
        raise ValueError(f"`memory` must be above 0; got {number:g}. It counts bytes; try 8e9.")
    return int(number)


def foresee(what: str, needed: float, allowed: int, way_out: str) -> None:
    """Refuse what will need more than is allowed."""
    if needed > allowed:
        raise OutOfMemoryError(
            f"{what} takes {needed / 1e9:.3g} GB, and {allowed / 1e9:.3g} GB are allowed. {way_out}"
        )


def _free() -> int:
    """Bytes free where JAX keeps its arrays."""
    statistics = jax.local_devices()[0].memory_stats()
    if statistics and "bytes_limit" in statistics:
        return int(statistics["bytes_limit"] - statistics["bytes_in_use"])
    try:
        with open("/proc/meminfo") as lines:
            found = dict(line.split(":") for line in lines)
        return 1024 * int(found["MemAvailable"].split()[0])
    except (OSError, KeyError):  # not Linux
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
