"""What a part of the package needs beyond the package's own needs, and how to get it."""

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def extra(name: str) -> Iterator[None]:
    """Name the extra of `pyproject.toml` that brings what an import inside does not find.

    Of extras inside one another the outermost is named: it brings all.

    Raises:
        ModuleNotFoundError: an import found nothing; its message says what to install.
    """
    try:
        yield
    except ModuleNotFoundError as missing:
        raise ModuleNotFoundError(
            f"{missing.name} is not installed. It comes with the extra `{name}`: "
            f"pip install 'freeze-and-chaos[{name}]'",
            name=missing.name,
        ) from missing
