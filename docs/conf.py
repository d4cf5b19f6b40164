"""The site: `make docs`. Everything that it shows reads well on a code host, too."""

import re
import sys
from importlib.util import find_spec
from os.path import normpath
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

# rosdoc2 copies this folder elsewhere, and puts the package on Python's path.
PROJECT = next(
    folder
    for folder in (Path(__file__).parents[1], *map(Path, sys.path))
    if (folder / "package.xml").is_file()
)
PACKAGE = ElementTree.parse(PROJECT / "package.xml").getroot()
REPOSITORY = PACKAGE.findtext("url[@type='repository']", "")
PAGES_OF_FILES = {
    "README.md": "/index.md",
    "CONTRIBUTING.md": "/explanation/contributing.md",
    "lmanet_core/weights/MODEL_CARD.md": "/reference/model_card.md",
    "docker/README.md": "/how-to/containers.md",
}
"""Documents outside of this folder, and the page that includes each."""
LINK = re.compile(r'(\]\(|src=")([^)\s:#"]+)(?=[)#"])')
INCLUDED = re.compile(r"```\{include\} (\S+)\n```\n")

project = "LMANet for ROS 2"
author = PACKAGE.findtext("maintainer", "")
release = version = PACKAGE.findtext("version", "")
project_copyright = author

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
root_doc = "index"

# On a build farm there is the theme that ROS' own pages have.
html_theme = "furo" if find_spec("furo") else "sphinx_rtd_theme"
html_title = f"{project} {version}"
html_show_copyright = False
html_show_sourcelink = False

myst_heading_anchors = 4
myst_enable_extensions = ["html_image"]
suppress_warnings = ["myst.header"]

# What a docstring has between single backticks is code.
default_role = "code"
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_mock_imports = [name for name in ("torch", "cv2") if find_spec(name) is None]
napoleon_use_rtype = False


def site_links(text: str, file: Path) -> str:
    """A document's links as the site needs them: from this folder, or to the code host."""

    def link(found: re.Match[str]) -> str:
        path = normpath(file.parent.relative_to(PROJECT) / found[2])
        page = PAGES_OF_FILES.get(path)
        if page is None:
            inside = path.startswith("docs/")
            page = path.removeprefix("docs") if inside else f"{REPOSITORY}/blob/main/{path}"
        return f"{found[1]}{page}"

    return LINK.sub(link, text)


def setup(app: Any) -> None:
    """Let Sphinx read each page with the links that the site needs."""

    def page_read(_: Any, name: str, content: list[str]) -> None:
        file = PROJECT / "docs" / f"{name}.md"
        if not file.exists():
            return

        def included(found: re.Match[str]) -> str:
            other = (file.parent / found[1]).resolve()
            return site_links(other.read_text(), other)

        text = INCLUDED.sub(included, content[0])
        content[0] = text if text != content[0] else site_links(text, file)

    app.connect("source-read", page_read)
