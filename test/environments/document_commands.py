"""The commands that documents give, as they stand there."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PROJECT = Path(__file__).parents[2]
READING_ORDER = (
    "README.md",
    "CONTRIBUTING.md",
    "docs/how-to/published_weights.md",
    "docs/tutorials/first_drive.md",
    "docs/how-to/robot.md",
    "docs/how-to/record_and_score.md",
    "docs/how-to/train.md",
    "docs/tutorials/adapt_to_your_camera.md",
    "docs/how-to/export.md",
)
"""What is made on one page may be used on a later one; other documents follow."""
SHELL_BLOCKS = frozenset({"", "bash", "sh", "console"})
_OPTIONAL = re.compile(r"\[(-[^\]]*)\]")


@dataclass(frozen=True)
class Command:
    """A command of a document, as words; `[--options]` in brackets are among them."""

    document: str
    line: int
    words: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.document}:{self.line}: {shlex.join(self.words)}"


def documents() -> list[str]:
    """All documents, as paths from the project's folder, in the order in which they are read."""
    found = {
        str(file.relative_to(PROJECT))
        for pattern in ("*.md", "docs/**/*.md", "docker/*.md")
        for file in PROJECT.glob(pattern)
    }
    return [*READING_ORDER, *sorted(found - set(READING_ORDER))]


def commands(document: str) -> list[Command]:
    """The commands of a document, those that `&&` joins one by one."""
    return [
        Command(document, number, tuple(words))
        for number, text in _lines(PROJECT / document)
        for part in text.split("&&")
        if (words := shlex.split(_OPTIONAL.sub(r"\1", part), comments=True))
    ]


def prose(document: str) -> str:
    """What a document says outside of its blocks of code."""
    return "\n".join(text for kind, _, text in _kinds(PROJECT / document) if kind is None)


def python_blocks(document: str) -> list[str]:
    """The blocks of Python in a document."""
    blocks: list[list[str]] = []
    before = None
    for kind, number, text in _kinds(PROJECT / document):
        if kind == "python":
            if before != number - 1:
                blocks.append([])
            blocks[-1].append(text)
            before = number
    return ["\n".join(lines) for lines in blocks]


def _lines(file: Path) -> Iterator[tuple[int, str]]:
    """Lines of shell with their numbers; a backslash at the end joins two."""
    begun, start = "", 0
    for kind, number, text in _kinds(file):
        if kind not in SHELL_BLOCKS or not text.strip():
            continue
        start = start if begun else number
        begun += text.strip()
        if begun.endswith("\\"):
            begun = begun[:-1]
            continue
        yield start, begun
        begun = ""


def _kinds(file: Path) -> Iterator[tuple[str | None, int, str]]:
    """Each line as text (None), or as code of a language; an indented block's is ''."""
    fence: str | None = None
    may_begin, indented = True, False
    for number, line in enumerate(file.read_text().splitlines(), 1):
        if line.startswith("```"):
            fence = line[3:].strip() or "text" if fence is None else None
            continue
        if fence is not None:
            yield fence, number, line
            continue
        indented = line.startswith("    ") and (may_begin or indented)
        yield ("" if indented else None), number, line
        # Of a list, what is indented is text.
        may_begin = (not line.strip() and may_begin) or (not line.strip() and not indented)
        if line.strip() and not indented:
            may_begin = False
