"""Run a notebook again when the package or the lock changed, not only when its own text did.

jupyter-cache looks at the notebook alone; so the cache's folder is named by a hash of all that a
notebook runs on, and the folders of other hashes are dropped.
"""

import hashlib
import shutil
import sys
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.config import Config

ROOT = Path(__file__).parents[2]


def fingerprint(root: Path) -> str:
    """Return a hash of the package's files, the lock and the Python version."""
    digest = hashlib.sha256(sys.version.encode())
    package = root / "companion" / "freezechaos"
    files = (path for path in package.rglob("*") if "__pycache__" not in path.parts)
    for path in sorted([*files, root / "requirements.lock"]):
        if path.is_file():
            content = path.read_bytes()
            digest.update(
                f"{path.relative_to(root).as_posix()} {len(content)}\n".encode()
            )
            digest.update(content)
    return digest.hexdigest()[:16]


def use_cache_of_these_sources(app: Sphinx, config: Config) -> None:
    caches = Path(app.outdir).parent / ".jupyter_cache"
    ours = caches / fingerprint(ROOT)
    for other in caches.glob("*"):
        if other != ours:
            shutil.rmtree(other) if other.is_dir() else other.unlink()
    config.nb_execution_cache_path = str(ours)


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("config-inited", use_cache_of_these_sources)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
