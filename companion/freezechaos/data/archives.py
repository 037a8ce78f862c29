"""Published files, believed only by checksum: from FREEZECHAOS_DATA, the cache or the network."""

import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pooch

from .formats import photographs_sha256, sha256


@dataclass(frozen=True)
class Archive:
    """A file at `path` under FREEZECHAOS_DATA or the cache, of which `digest` gives `checksum`."""

    path: str
    url: str
    checksum: str
    digest: Callable[[bytes], str] = sha256


def _idx_files(folder: str, address: str, *checksums: str) -> tuple[Archive, ...]:
    parts = ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1")
    return tuple(
        Archive(f"{folder}/{part}-ubyte.gz", f"{address}/{part}-ubyte.gz", checksum)
        for part, checksum in zip(parts, checksums, strict=True)
    )


ARCHIVES = {
    "mnist": _idx_files(
        "mnist",
        "https://ossci-datasets.s3.amazonaws.com/mnist",
        "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
        "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
        "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
        "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
    ),
    "fashion_mnist": _idx_files(
        "fashion-mnist",
        "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/"
        "b2617bb6d3ffa2e429640350f613e3291e10b141/data/fashion",
        "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
        "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
        "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
        "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
    ),
    "sign_digits": (
        Archive(
            "sign-digits/sign_language_digits_4b09433e.tar.gz",
            "https://github.com/ardamavi/Sign-Language-Digits-Dataset/archive/"
            "4b09433ef9d5c60602e8805bb54b8aa2428527f8.tar.gz",
            "dcb2ae4be3d7735fcdd5afd3ac662c8515803a0ab9c5acce989eb085802de6d1",
            photographs_sha256,
        ),
    ),
}


def fetch(archive: Archive, patience: float = 30.0) -> bytes:
    """The verified bytes of an archive, downloaded where they are not on this machine.

    Arguments:
        archive: one of `ARCHIVES`.
        patience: seconds without a byte after which its address is given up.

    Raises:
        ValueError: the file in FREEZECHAOS_DATA, or what the address serves, is another one.
        OSError: the download fails.
    """
    return at_hand(archive) or _download(archive, patience)


def at_hand(archive: Archive) -> bytes | None:
    """The verified bytes, if they are on this machine."""
    if named := os.environ.get("FREEZECHAOS_DATA"):
        folder = Path(named).expanduser()
        if not folder.is_dir():
            raise ValueError(
                f"`FREEZECHAOS_DATA` must name a folder; got {named}. Mend or unset it."
            )
        if (file := folder / archive.path).is_file():
            return _verified(archive, file.read_bytes(), f"{file}", "Replace or delete that file")
    with suppress(OSError, ValueError):  # a spoilt file of the cache is fetched anew
        return _verified(archive, (cache() / archive.path).read_bytes(), "", "")
    return None


def cache() -> Path:
    """The folder for downloads, where this system keeps such things."""
    return Path(pooch.os_cache("freezechaos"))


def _verified(archive: Archive, raw: bytes, where: str, way_out: str) -> bytes:
    if (found := archive.digest(raw)) != archive.checksum:
        raise ValueError(
            f"{where} must have the SHA-256 checksum {archive.checksum}; got {found}. It is not "
            f'the published file. {way_out}, or use the built-in data.load("digits").'
        )
    return raw


def _download(archive: Archive, patience: float) -> bytes:
    target = cache() / archive.path
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        pooch.get_logger().info("Downloading %s to %s.", archive.url, target.parent)
        with TemporaryDirectory(dir=target.parent) as folder:
            part = Path(folder, target.name)
            options: dict[str, Any] = {"progressbar": True, "chunk_size": 2**16}
            pooch.HTTPDownloader(**options, timeout=patience)(archive.url, str(part), None)
            raw = _verified(archive, part.read_bytes(), archive.url, "Try another network")
            part.replace(target)
    except OSError as error:
        raise OSError(
            f"{archive.path} is not on this machine and {archive.url} could not be downloaded to "
            f"{target.parent} ({type(error).__name__}). Try again with a network, set "
            "FREEZECHAOS_DATA to a folder that holds the file at that path, or use the built-in "
            'data.load("digits").'
        ) from error
    return raw
