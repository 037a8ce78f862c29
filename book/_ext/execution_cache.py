"""Run a notebook again when the package, the lock or the image sets at hand changed.

jupyter-cache looks at the text of the notebook alone; so the cache's folder is named by a hash of
the sources that a notebook runs on and by the image sets that are on this machine. The folders of
other sources are dropped; those of other sets stay, for sets come and go. What is to be run is run
before the pages are read, several notebooks at a time.
"""

import hashlib
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import nbformat
from jupyter_cache import get_cache
from jupyter_cache.base import CacheBundleIn, JupyterCacheAbstract
from jupyter_cache.executors.utils import single_nb_execution
from myst_nb.core.read import is_myst_markdown_notebook, read_myst_markdown_notebook
from myst_parser.config.main import MdParserConfig
from sphinx.application import Sphinx
from sphinx.config import Config
from tqdm import tqdm

from freezechaos.data import archives, available

ROOT = Path(__file__).parents[2]
BUILT = ROOT / os.environ.get("FREEZECHAOS_OUT", "") / "_build"


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


def sets_at_hand() -> str:
    """Return the names of the published image sets that are whole and on this machine."""
    return "+".join(filter(available, sorted(archives.ARCHIVES))) or "no_sets"


def of_these_sources() -> str:
    """Return the folder of the cache, one for pages and PDF."""
    return str(BUILT / ".jupyter_cache" / f"{fingerprint(ROOT)}-{sets_at_hand()}")


def use_cache_of_these_sources(app: Sphinx, config: Config) -> None:
    cache = Path(of_these_sources())
    sources, _, _ = cache.name.partition("-")
    for other in cache.parent.glob("*"):
        if not other.name.startswith(sources):
            shutil.rmtree(other) if other.is_dir() else other.unlink()
    config.nb_execution_cache_path = str(cache)


def run_several_at_a_time(app: Sphinx) -> None:
    """Fill the cache; a notebook that fails is not put there, so MyST-NB runs it and says why."""
    if app.config.nb_execution_mode != "cache":
        return
    with opened(app.config.nb_execution_cache_path) as cache:
        sources = sorted(Path(app.srcdir).glob("*.ipynb"))
        sources += filter(has_cells, sorted(Path(app.srcdir).glob("*.md")))
        paths = [path for path in sources if not known(cache, path)]
        if not paths:
            return
        with get_context("spawn").Pool(min(4, os.cpu_count() or 1, len(paths))) as pool:
            do = partial(run, timeout=app.config.nb_execution_timeout)
            done = pool.imap_unordered(do, paths)
            for bundle in tqdm(done, "notebooks", len(paths), disable=None):
                if bundle:
                    cache.cache_notebook_bundle(
                        bundle, check_validity=False, overwrite=True
                    )


@contextmanager
def opened(path: str) -> Iterator[JupyterCacheAbstract]:
    """Close the connections of a cache, which it leaves open itself."""
    cache = get_cache(path)
    try:
        yield cache
    finally:
        cache.db.dispose()


def has_cells(path: Path) -> bool:
    """Whether a page in Markdown is a notebook."""
    return is_myst_markdown_notebook(path.read_text(encoding="utf-8"))


def read(path: Path) -> nbformat.NotebookNode:
    """Return a notebook, in whichever of the two formats it is, as MyST-NB reads it."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".ipynb":
        return nbformat.reads(text, 4)
    config = MdParserConfig(enable_extensions={"colon_fence"})
    return read_myst_markdown_notebook(text, config, path=path)


def known(cache: JupyterCacheAbstract, path: Path) -> bool:
    try:
        cache.match_cache_notebook(read(path))
    except KeyError:
        return False
    return True


def run(path: Path, timeout: int) -> CacheBundleIn | None:
    """Return the notebook as it was run in its folder, or None where a cell or kernel failed."""
    notebook = read(path)
    try:
        done = single_nb_execution(
            notebook,
            cwd=str(path.parent),
            timeout=timeout,
            allow_errors=False,
            extra_arguments=["--log-level=ERROR"],  # warns that it speaks over TCP
        )
    except RuntimeError:  # the kernel died: no memory left, or its port was taken
        return None
    if done.err:
        return None
    return CacheBundleIn(notebook, str(path), data={"execution_seconds": done.time})


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("config-inited", use_cache_of_these_sources)
    app.connect("builder-inited", run_several_at_a_time)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
