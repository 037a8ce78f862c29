"""Insurance: MyST, on which Jupyter Book 2 stands, reads the chapters and the explorers.

Tried with mystmd 1.11. It is not in the lock: put it and Node on the PATH to run this. Its theme
would come from a network, so what is looked at is what it hands to a theme.
"""

import json
import re
import shutil
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import nbformat
import pytest

from freezechaos.explorers import cobweb

BOOK = Path(__file__).parents[2] / "book"
CHAPTERS = {"03_freeze_and_chaos": "freeze-and-chaos", "09_checkerboards": "checkerboards"}
NEEDED = ("myst", "node", "bwrap")
PROJECT = """
version: 1
project: { title: Two chapters, bibliography: [references.bib] }
site: { template: ./theme }
"""
pytestmark = pytest.mark.skipif(
    not all(map(shutil.which, NEEDED)), reason=f"needs {', '.join(NEEDED)} on the PATH"
)


def nodes(tree: Any) -> list[dict[str, Any]]:
    """All that a tree of MyST holds."""
    if isinstance(tree, list):
        return [node for part in tree for node in nodes(part)]
    if not isinstance(tree, dict):
        return []
    below = [node for part in tree.values() for node in nodes(part)]
    return [tree, *below] if "type" in tree else below


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[dict[str, Any]]]:
    """The nodes of every page, built without a network."""
    folder = tmp_path_factory.mktemp("myst")
    for name in CHAPTERS:
        shutil.copy(BOOK / f"{name}.ipynb", folder)
    shutil.copy(BOOK / "references.bib", folder)
    (folder / "myst.yml").write_text(PROJECT)
    (folder / "theme").mkdir()
    (folder / "theme" / "template.yml").write_text("myst: v1\nkind: site\ntitle: none\n")
    explorer = cobweb()
    (folder / "explorer.mjs").write_text(explorer._esm, encoding="utf-8")
    model = json.dumps({"spec": explorer.spec, "setting": explorer.setting})
    page = f":::{{anywidget}} explorer.mjs\n{model}\n:::\n"
    (folder / "explorer.md").write_text(f"# An explorer\n\n{page}", encoding="utf-8")
    alone = ["bwrap", "--dev-bind", "/", "/", "--unshare-net", "--chdir", str(folder)]
    subprocess.run([*alone, "myst", "build", "--site"], check=True, timeout=120)
    pages = (folder / "_build" / "site" / "content").glob("*.json")
    return {page.stem: nodes(json.loads(page.read_text())["mdast"]) for page in pages}


@pytest.mark.parametrize("name", CHAPTERS)
def test_what_a_chapter_consists_of_is_known(built: dict[str, Any], name: str) -> None:
    cells = nbformat.read(BOOK / f"{name}.ipynb", 4).cells
    text = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    found = Counter(node["type"] for node in built[CHAPTERS[name]])
    assert found["code"] == sum(cell.cell_type == "code" for cell in cells)
    for kind, pattern in (
        ("proof", r":{3,}\{prf:"),
        ("exercise", r"`{3,}\{exercise\}"),
        ("solution", r"`{3,}\{solution\}"),
        ("details", r":{3,}\{dropdown\}"),
    ):
        assert found[kind] == len(re.findall(pattern, text)) > 0, kind
    cited = [node for node in built[CHAPTERS[name]] if node["type"] == "cite"]
    assert cited
    assert not any(node.get("error") for node in cited)


def test_an_explorer_is_a_directive(built: dict[str, Any]) -> None:
    (widget,) = (node for node in built["explorer"] if node["type"] == "anywidget")
    assert widget["esm"].endswith(".mjs")
    assert widget["model"]["setting"] == cobweb().setting
