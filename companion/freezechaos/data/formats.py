"""What the published files hold: arrays in IDX files, photographs in a packed folder."""

import gzip
import hashlib
import io
import re
import tarfile
import zlib

import numpy as np
from jaxtyping import UInt8

_BROKEN = (OSError, EOFError, zlib.error, tarfile.TarError)
_PHOTOGRAPH = re.compile(r"(?:^|/)(Dataset/\d/[^/]+\.JPG)$")


def read_idx(raw: bytes, dimensions: int, name: str) -> UInt8[np.ndarray, "..."]:
    """The array of bytes in a gzipped IDX file.

    Raises:
        ValueError: the file is cut off, or no IDX file of bytes with so many dimensions.

    Source: LeCun, Cortes, Burges, "The MNIST database", its file format.
    """
    try:
        content = gzip.decompress(raw)
    except _BROKEN as error:
        raise ValueError(f"{name} must be a whole gzip file: {error}. Fetch it anew.") from error
    magic, header = bytes([0, 0, 8, dimensions]), 4 + 4 * dimensions
    if content[:4] != magic:
        raise ValueError(
            f"{name} must begin with the IDX magic number {magic.hex()}; got {content[:4].hex()}. "
            "Images and labels may have been exchanged."
        )
    shape = [int.from_bytes(content[start : start + 4]) for start in range(4, header, 4)]
    if len(content) != header + np.prod(shape, dtype=int):
        raise ValueError(
            f"{name} must hold {' x '.join(map(str, shape))} bytes after a header of {header}; "
            f"got {len(content)} in all. Fetch it anew."
        )
    return np.frombuffer(content, np.uint8, offset=header).reshape(shape)


def read_photographs(raw: bytes) -> dict[str, bytes]:
    """The sign digits in their tar.gz: path from `Dataset/` on to bytes, sorted by path."""
    with tarfile.open(fileobj=io.BytesIO(raw), mode="r:gz") as archive:
        files = ((_PHOTOGRAPH.search(file.name), archive.extractfile(file)) for file in archive)
        return dict(sorted((name[1], file.read()) for name, file in files if name and file))


def photographs_sha256(raw: bytes) -> str:
    """SHA-256 of what `read_photographs` finds: the host packs it anew as it likes.

    By hand: `find Dataset -name '*.JPG' | LC_ALL=C sort | xargs sha256sum | sha256sum`.
    """
    try:
        files = read_photographs(raw).items()
    except _BROKEN:
        return "none, as it is no whole tar.gz"
    return sha256("".join(f"{sha256(file)}  {path}\n" for path, file in files).encode())


def sha256(raw: bytes) -> str:
    """SHA-256 in hexadecimal digits."""
    return hashlib.sha256(raw).hexdigest()
