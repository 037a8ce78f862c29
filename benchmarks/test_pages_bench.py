"""What a chapter weighs on first load, and when its first explorer is drawn, in Chromium.

Served as GitHub Pages does it, text compressed; from this machine, so a network comes on top.
Needs the built site: `make book`.
"""

import gzip
import mimetypes
from collections.abc import Callable, Iterator
from functools import cache, partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from threading import Thread
from typing import IO, Any

import pytest
from playwright.sync_api import Browser

from execution_cache import BUILT

ROOT = Path(__file__).parents[1]
SITE = BUILT / "html"
CHAPTERS = sorted(path.stem for path in (ROOT / "book").glob("[0-9]*.ipynb"))
MOST_BYTES, MOST_SECONDS = 1.5e6, 1.0
WATCH = """ // the script that adds an explorer to the page draws it before it ends
new MutationObserver((_, watch) => {
  if (!document.querySelector(".fc-explorer")) return;
  window.alive = performance.now() / 1000;
  watch.disconnect();
}).observe(document, { childList: true, subtree: true });
"""


@cache
def compressed(path: str) -> bytes:
    return gzip.compress(Path(path).read_bytes())


class Handler(SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        pass

    def send_head(self) -> IO[bytes] | None:
        path = self.translate_path(self.path)
        kind = mimetypes.guess_type(path)[0] or ""
        if not kind.startswith("text/") and not kind.endswith(("javascript", "json", "svg+xml")):
            return super().send_head()
        body = compressed(path)
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        return BytesIO(body)


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with ThreadingHTTPServer(("localhost", 0), partial(Handler, directory=str(SITE))) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://localhost:{server.server_port}"
        server.shutdown()


def first_load(browser: Browser, address: str) -> tuple[int, float]:
    """Return the bytes that come over the wire, and the seconds until the first explorer is drawn.

    The browser is new to the site: it has nothing of it in its cache.
    """
    received = []
    with browser.new_context() as context:
        page = context.new_page()
        protocol = context.new_cdp_session(page)
        protocol.on("Network.loadingFinished", lambda e: received.append(e["encodedDataLength"]))
        protocol.send("Network.enable")
        page.add_init_script(WATCH)
        page.goto(address, wait_until="networkidle")
        alive = page.wait_for_function("window.alive").json_value()
        return sum(received), alive


@pytest.mark.benchmark(group="first load of a chapter")
@pytest.mark.skipif(not SITE.exists(), reason="needs the site: make book")
@pytest.mark.parametrize("chapter", CHAPTERS)
def test_first_load(
    benchmark: Any, browser: Browser, address: str, compare: Callable, chapter: str
) -> None:
    page = f"{address}/{chapter}.html"
    first_load(browser, page)  # compresses
    loads = [first_load(browser, page) for _ in range(4)]
    benchmark.pedantic(first_load, (browser, page), rounds=1)
    weight, alive = loads[0][0], min(seconds for _, seconds in loads)
    compare(f"{chapter}: weight / 1.5 MB", weight / 1e6, MOST_BYTES / 1e6, "MB")
    compare(f"{chapter}: first explorer alive / 1 s", alive, MOST_SECONDS)
