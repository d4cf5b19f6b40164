"""Figures stand in one place, `docs/figures.yaml`; pages that quote them are filled from there."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

PROJECT = Path(__file__).parents[1]
sys.path.insert(0, str(PROJECT / "docs"))
import fill  # noqa: E402

DECIMAL = re.compile(r"(?<![\d.])\d+\.\d+(?![\d.]*\d)")
NO_FIGURE = re.compile(r"```.*?```|`[^`\n]*`|^    [^\n]*$", re.DOTALL | re.MULTILINE)
"""Commands, code and versions in them."""


def values(found: Any) -> Iterator[str]:
    """Each figure with a decimal, as it is written; ratios are like too many other numbers."""
    if isinstance(found, float):
        yield f"{found}"
    elif isinstance(found, dict):
        for name, part in found.items():
            yield from values(part) if name != "ratio" else ()
    elif isinstance(found, list):
        for part in found:
            yield from values(part)


def test_every_page_is_filled():
    assert fill.stale_pages() == [], "run: python docs/fill.py"


def test_a_new_figure_reaches_every_page_that_quotes_it():
    found = fill.figures()
    result = next(row for row in found["results"] if row["name"] == "clip")
    result["memory"]["miou"] = 98.76
    changed = {
        page.name for page in fill.pages() if "98.76" in fill.filled(page.read_text(), found)
    }
    assert changed == {"README.md", "MODEL_CARD.md", "results.md"}


def test_a_block_that_nothing_fills_is_an_error():
    with pytest.raises(ValueError, match="nothing is called 'speed'"):
        fill.filled("<!-- fill speed -->\n<!-- filled -->", fill.figures())


def test_no_figure_is_copied_by_hand():
    known = set(values(fill.figures()))
    copies = []
    for page in fill.pages():
        if "lab" in page.parts:  # dated records
            continue
        text = fill.BLOCK.sub("", page.read_text())
        found = set(DECIMAL.findall(NO_FIGURE.sub("", text))) & known
        copies += [f"{page.relative_to(PROJECT)}: {figure}" for figure in sorted(found)]
    assert not copies, "name them in docs/figures.yaml and fill them in, or say it without"
