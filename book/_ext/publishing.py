"""Where the site is published: buttons, addresses and previews that need to know it.

PUBLISH_REPOSITORY, "owner/name", is the repository on GitHub, and PUBLISH_COMMIT the commit. Without
the first the site has no address: it is whole, but offers no launch buttons. Launching opens the
branch `notebooks`, which the workflow that publishes the site fills with

    python book/_ext/publishing.py _build/notebooks
"""

import json
import os
import re
import sys
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from docutils import nodes
from PIL import Image
from sphinx.application import Sphinx
from sphinx.config import Config

import course_map
import cover
import editions
import metadata

BRANCH = "notebooks"
NAME = re.compile(r"[\w.-]+/[\w.-]+")
PREVIEW = "_static/freeze-and-chaos.png"
SMALLEST = (
    400  # pixels each way, of twice the usual density; Facebook shows none below 200
)


def repository() -> str:
    """Return "owner/name" of the repository, or nothing.

    Raises:
        ValueError: PUBLISH_REPOSITORY is something else.
    """
    name = os.environ.get("PUBLISH_REPOSITORY", "")
    if name and not NAME.fullmatch(name):
        raise ValueError(
            f"`PUBLISH_REPOSITORY` must be owner/name; got {name!r}. Unset it to build a site "
            "without an address."
        )
    return name


def site() -> str:
    """Return the address of the site on GitHub Pages, or nothing."""
    owner, _, name = repository().partition("/")
    host = f"{owner.lower()}.github.io"
    return (
        f"https://{host}/{'' if name.lower() == host else f'{name}/'}" if owner else ""
    )


def package() -> str:
    """Return what pip installs the package from, as it is in this build, or nothing."""
    commit = os.environ.get("PUBLISH_COMMIT", "main")
    address = f"git+https://github.com/{repository()}@{commit}"
    return f"freeze-and-chaos[explorers] @ {address}" if repository() else ""


def write_branch(folder: Path) -> None:
    """Write what launching opens: the chapters, and for Binder the versions of the lock.

    Raises:
        ValueError: PUBLISH_REPOSITORY is missing.
    """
    if not repository():
        raise ValueError(
            "`PUBLISH_REPOSITORY` must name the repository that the notebooks install the package "
            "from, as owner/name; it is not set."
        )
    editions.write("plain", folder, package())
    environment = (editions.BOOK.parent / "environment.yml").read_text()
    (folder / "environment.yml").write_text(environment.replace("-e .", package()))
    (folder / "README.md").write_text(
        f"The chapters of [Freeze & Chaos]({site()}) as plain notebooks. Made by "
        f"https://github.com/{repository()} when the site is published: changes here are lost.\n"
    )


def use_addresses(app: Sphinx, config: Config) -> None:
    config.ogp_image = PREVIEW
    config.ogp_image_alt = "The scaled tangent kernel: it flattens in freeze and shrinks to a spike in chaos"
    if not repository():
        return
    config.ogp_site_url = config.html_baseurl = site()
    config.html_theme_options |= {
        "repository_url": f"https://github.com/{repository()}",
        "repository_branch": BRANCH,
        "path_to_docs": "",
        "launch_buttons": {
            "notebook_interface": "jupyterlab",
            "binderhub_url": "https://mybinder.org",
            "colab_url": "https://colab.research.google.com",
        },
    }


def describe(
    app: Sphinx,
    page: str,
    template: str,
    context: dict[str, Any],
    doctree: nodes.document | None,
) -> None:
    """What a link to a page shows elsewhere: its description and, if any, its first large figure."""
    if doctree is None:
        return
    said = context["meta"] = dict(context["meta"] or {})
    for meta in doctree.findall(nodes.meta):
        if meta.get("name") == "description":
            said["og:description"] = meta["content"]
    for image in doctree.findall(nodes.image):
        preview = image.get("preview")  # the figure as a PNG, which figures.py knows
        if preview and large(app.srcdir / preview):
            _, name = app.env.images[preview]
            app.builder.images[preview] = name  # so that it is copied
            said["og:image"] = f"{app.builder.imagedir}/{name}"
            said["og:image:alt"] = image.get("alt", "")
            return


def large(file: Path) -> bool:
    """Whether a picture is shown as a preview, be it of thumbnails or of a plot."""
    with Image.open(file) as picture:
        return min(picture.size) >= SMALLEST


def tell_what_it_is(
    app: Sphinx,
    page: str,
    template: str,
    context: dict[str, Any],
    doctree: nodes.document | None,
) -> None:
    """What search engines and archives of teaching material read: schema.org in JSON."""
    if doctree is None:
        return
    address = f"{site()}{app.builder.get_target_uri(page)}" if repository() else ""
    description = next(
        meta["content"]
        for meta in doctree.findall(nodes.meta)
        if meta.get("name") == "description"
    )
    about: dict[str, Any] = {}
    if page in editions.chapters():
        chapter = course_map.read(page)
        about = {
            "teaches": re.sub(r"[$\\`]", "", chapter.objective),
            "needs": tuple(course_map.read(need).title for need in chapter.needs),
            "minutes": chapter.minutes,
        }
    title = doctree.next_node(nodes.title)
    made = metadata.learning_resource(
        title.astext() if title else page, description, address, **about
    )
    text = json.dumps(made, ensure_ascii=False).replace("<", "\\u003c")
    context["metatags"] += f'<script type="application/ld+json">{text}</script>'


def ask_for_mistakes(
    app: Sphinx,
    page: str,
    template: str,
    context: dict[str, Any],
    doctree: nodes.document | None,
) -> None:
    """Below every page a link to a form on GitHub with its address filled in."""
    if repository():
        at = f"{site()}{app.builder.get_target_uri(page)}"
        form = urlencode({"template": "mistake.yml", "page": at})
        address = f"https://github.com/{repository()}/issues/new?{form}"
        context["theme_extra_footer"] += (
            f' <a href="{escape(address)}">Report a mistake</a>'
        )


def launch_chapters_alone(
    app: Sphinx,
    page: str,
    template: str,
    context: dict[str, Any],
    doctree: nodes.document | None,
) -> None:
    """The branch that is launched has the chapters, not the pages around them."""
    if page not in editions.chapters():
        buttons = context.get("header_buttons", [])
        context["header_buttons"] = [
            button for button in buttons if button.get("label") != "launch-buttons"
        ]


def offer_plain_editions(app: Sphinx, exception: Exception | None) -> None:
    """What a page offers to download reads well in every notebook."""
    if exception is None and app.builder.format == "html":
        editions.write("plain", Path(app.outdir) / "_sources", package())


def draw_preview(app: Sphinx, exception: Exception | None) -> None:
    picture = Path(app.outdir) / PREVIEW
    if exception is None and app.builder.format == "html" and not picture.exists():
        cover.write(picture)


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("config-inited", use_addresses, priority=100)
    app.connect("html-page-context", describe, priority=400)
    app.connect("html-page-context", tell_what_it_is, priority=900)
    app.connect("html-page-context", ask_for_mistakes, priority=900)
    app.connect("html-page-context", launch_chapters_alone, priority=900)
    app.connect("build-finished", offer_plain_editions)
    app.connect("build-finished", draw_preview)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit("usage: publishing.py FOLDER")
    write_branch(Path(sys.argv[1]))
