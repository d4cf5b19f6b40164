"""What documents point to is there."""

import re
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[1]
DOCUMENTS = [
    file for pattern in ("*.md", "docs/**/*.md", "docker/*.md") for file in PROJECT.glob(pattern)
]
FOLDERS = "lmanet_core|lmanet_ros|config|docker|docs|launch|test|training"
PATH = re.compile(rf"`((?:{FOLDERS})/[^`\s*<]*)`")
LINK = re.compile(r"\]\(([^):#]+)[^):]*\)")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda file: file.name)
def test_paths_and_links_lead_somewhere(document):
    text = document.read_text()
    targets = [PROJECT / path for path in PATH.findall(text)]
    targets += [document.parent / path for path in LINK.findall(text)]
    assert [str(target) for target in targets if not target.exists()] == []
