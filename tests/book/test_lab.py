"""The chapters in JupyterLab, as `make lab` opens them: read and run in a real browser."""

import json
import os
import re
import signal
import socket
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from time import monotonic, sleep

import nbformat
import pytest
from playwright.sync_api import Browser, expect

import editions

ROOT = Path(__file__).parents[2]


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[str]:
    """Yield the address of `make lab`, with a configuration and a folder of its own."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    here = {"JUPYTER_CONFIG_DIR": tmp_path / "config", "JUPYTER_DATA_DIR": tmp_path / "data"}
    options = f"--no-browser --port={port} --port-retries=0 --IdentityProvider.token= --allow-root"
    process = subprocess.Popen(
        ["make", "lab", f"LAB={options}", f"BUILD={tmp_path}"],
        cwd=ROOT,
        env={**os.environ, **{name: str(path) for name, path in here.items()}},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    address = f"http://localhost:{port}/lab"
    try:
        for _ in range(240):
            try:
                urllib.request.urlopen(address, timeout=5).close()
                break
            except OSError:
                assert process.poll() is None, process.communicate()[0].decode()
                sleep(0.5)
        yield address
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        said = process.communicate(timeout=30)[0].decode()
    assert "nbgrader" not in said  # it reports errors that are none of a reader's


@pytest.mark.browser
def test_a_chapter_reads_and_runs(lab: str, browser: Browser) -> None:
    """All cells run, explorers move, no directive is on the screen, nobody outside is asked."""
    with browser.new_context(viewport={"width": 1400, "height": 1000}) as context:
        page = context.new_page()
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.goto(f"{lab}/tree/03_freeze_and_chaos.ipynb")
        expect(page.get_by_role("listitem", name=re.compile("01_wide_networks"))).to_be_visible(
            timeout=60_000
        )
        assert not page.get_by_text(re.compile("nbgrader|Assignment List|Formgrader")).count()
        assert not page.get_by_text("Would you like to get notified").count()
        expect(page.get_by_text(re.compile(r"Python 3 \(ipykernel\) \| Idle"))).to_be_visible(
            timeout=60_000
        )
        page.get_by_role("menuitem", name="Run", exact=True).click()
        page.get_by_role("menuitem", name=re.compile("^Run All Cells")).click()
        cells = page.locator(".jp-CodeCell")
        deadline = monotonic() + 300
        while page.locator(".jp-Notebook-ExecutionIndicator[data-status=busy]").count():
            assert monotonic() < deadline, "it still runs"
            sleep(1)
        expect(page.locator(".fc-explorer").first).to_be_attached(timeout=300_000)
        sleep(1)
        assert cells.count() > 10
        assert not page.locator("[data-mime-type='application/vnd.jupyter.stderr']").count()
        text = page.locator(".jp-Notebook").inner_text()
        assert not re.search(r":::|\{(cite|ref|eq|doc|admonition)|\(sigma\)", text)
        assert not [url for url in asked if not re.match(r"(http|ws)://localhost|data:|blob:", url)]


def test_what_a_reader_changed_is_kept(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    editions.write_lab(tmp_path)
    first, second, third = (tmp_path / f"{name}.ipynb" for name in editions.chapters()[:3])
    changed = nbformat.read(first, 4)
    changed.cells[0].source += "\nmy note"
    changed.metadata["written"] = "by the course of yesterday"
    nbformat.write(changed, first)
    run = nbformat.read(second, 4)  # by its reader, and older than the chapter of today
    next(cell for cell in run.cells if cell.cell_type == "code").execution_count = 3
    run.cells[0].source = "# The chapter of yesterday"
    run.metadata["written"] = editions.fingerprint(run)
    nbformat.write(run, second)
    before = third.stat().st_mtime_ns
    editions.write_lab(tmp_path)
    assert "my note" in first.read_text()
    assert "yesterday" not in second.read_text()
    assert third.stat().st_mtime_ns == before
    assert capsys.readouterr().out.count("kept") == 1
    assert json.loads(second.read_text())["metadata"]["written"]
