"""Fills what pages take from elsewhere: figures from `figures.yaml`, verbs from their options.

    python docs/fill.py            # after a change
    python docs/fill.py --check    # status 1 where a page is not as it would be filled

A page has each of them between `<!-- fill NAME -->` and `<!-- filled -->`.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Iterable
from importlib import import_module
from pathlib import Path
from typing import Any

import yaml

PROJECT = Path(__file__).resolve().parents[1]
PAGES = ("README.md", "lmanet_core/weights/MODEL_CARD.md", "docs/**/*.md")
BLOCK = re.compile(r"<!-- fill ([\w-]+) -->\n.*?<!-- filled -->", re.DOTALL)

Figures = dict[str, Any]


def pages() -> list[Path]:
    """All pages that may have something to fill."""
    return sorted(file for pattern in PAGES for file in PROJECT.glob(pattern))


def figures() -> Figures:
    """What `figures.yaml` says."""
    return yaml.safe_load((PROJECT / "docs/figures.yaml").read_text())


def table(head: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    """A table in Markdown; None is an empty cell."""
    head = list(head)
    lines = [["" if cell is None else str(cell) for cell in row] for row in (head, *rows)]
    written = [f"| {' | '.join(line)} |".replace("|  ", "| ") for line in lines]
    return "\n".join([written[0], "|---" * len(head) + "|", *written[1:]])


def better(single: float | None, memory: float | None) -> tuple[str | None, str | None]:
    """Two figures of which more is better, the better one in bold."""
    texts = [None if figure is None else f"{figure}" for figure in (single, memory)]
    if single is not None and memory is not None and single != memory:
        best = int(memory > single)
        texts[best] = f"**{texts[best]}**"
    return texts[0], texts[1]


def of_network(rows: Iterable[Figures]) -> Iterable[tuple[Any, ...]]:
    """Scores of rows of `results`: mIoU and VC_16 without and with memory."""
    for row in rows:
        single, memory = row["single"], row.get("memory", {})
        miou = better(single["miou"], memory.get("miou"))
        steady = better(single.get("vc16"), memory.get("vc16"))
        yield (*miou, *steady)


SCORES = ("mIoU, single", "mIoU, memory", "VC_16, single", "VC_16, memory")


def numbered(commands: Iterable[str]) -> dict[str, int]:
    """A number for each command, in the order in which they come first."""
    return {command: number for number, command in enumerate(dict.fromkeys(commands), 1)}


def command_list(numbers: dict[str, int]) -> str:
    """The commands under a table whose rows have their numbers."""
    return "\n".join(f"    {command}  # {number}" for command, number in numbers.items())


def results(found: Figures) -> str:
    """Everything that was scored."""
    rows = found["results"]
    numbers = numbered(row["command"] for row in rows)
    cells = [
        (f"`{row['network']}`", row["data"], *scores, numbers[row["command"]])
        for row, scores in zip(rows, of_network(rows), strict=True)
    ]
    return table(("network", "data", *SCORES, "command"), cells) + "\n\n" + command_list(numbers)


def model_card(found: Figures) -> str:
    """What was scored, without the commands."""
    rows = found["results"]
    cells = [
        (f"`{row['network']}`", row["data"], *scores)
        for row, scores in zip(rows, of_network(rows), strict=True)
    ]
    return table(("network", "data", *SCORES), cells)


def readme(found: Figures) -> str:
    """Five figures."""
    results_by_name = {row["name"]: row for row in found["results"]}
    speeds = {row["name"]: row for row in found["performance"] if "name" in row}
    cells = []
    for row in found["readme"]:
        if row["of"] in speeds:
            speed = speeds[row["of"]]
            cells.append((row["what"], speed["single"], speed["memory"]))
            continue
        result = results_by_name[row["of"]]
        single = result["single"][row["figure"]]
        memory = result.get("memory", {}).get(row["figure"])
        cells.append((row["what"], *better(single, memory)))
    return table(("`street`", "single frame", "with memory"), cells)


def classes(found: Figures) -> str:
    """IoU of each class."""
    return table(found["classes"], [found["classes"].values()])


def corruptions(found: Figures) -> str:
    """Each corruption, without and with memory."""
    rows = [(name, *better(*scores)) for name, scores in found["corruptions"].items()]
    return table(("every frame", "single frame", "with memory"), rows)


def exports(found: Figures) -> str:
    """What other precisions keep."""
    rows = [
        (f"`{row['network']}`", row["precision"], row["fp32"], row["exported"], f"{row['equal']} %")
        for row in found["exports"]
    ]
    return table(("network", "precision", "mIoU, fp32", "mIoU, exported", "equal labels"), rows)


def performance(found: Figures) -> str:
    """Milliseconds a frame, and what the memory costs of them."""
    rows = found["performance"]
    numbers = numbered(row["command"] for row in rows if "command" in row)
    cells = []
    for row in rows:
        ratio = row.get("ratio", row["memory"] / row["single"])
        what = row["device"], f"`{row['network']}`", row["size"], row["runtime"]
        speed = row["single"], row["memory"], f"{1000 / row['memory']:.0f}", f"{ratio:.2f}"
        how = numbers[row["command"]] if "command" in row else f"[record](../lab/{row['record']})"
        cells.append((*what, *speed, how))
    head = ("device", "network", "size", "runtime", "ms, single", "ms, memory", "Hz, memory")
    return table((*head, "memory / single", "command"), cells) + "\n\n" + command_list(numbers)


def operator(found: Figures) -> str:
    """Local attention alone."""
    rows = found["operator"]
    numbers = numbered(row["command"] for row in rows)
    cells = [(row["device"], row["form"], row["ms"], numbers[row["command"]]) for row in rows]
    return table(("device", "form", "ms", "command"), cells) + "\n\n" + command_list(numbers)


def adapt(found: Figures) -> str:
    """What following a camera's statistics gives."""
    rows = [
        (name, *better(before, after), "yes" if written else "no")
        for name, (before, after, written) in found["adapt"].items()
    ]
    return table(("images", "before", "after", "written"), rows)


def cloud(found: Figures) -> str:
    """What points cost."""
    rows = [(name, *times) for name, times in found["cloud"].items()]
    return table(("", "512x256", "1280x720"), rows)


def space(found: Figures) -> str:
    """How good points are."""
    rows = [(name, *scores) for name, scores in found["space"].items()]
    return table(("", "single frame", "with memory"), rows)


def verbs(_: Figures) -> str:
    """Every verb of `lmanet` with its arguments and options."""
    from lmanet_core.benchmark.benchmark_verb import BENCHMARKS
    from lmanet_core.command.verbs import VERBS
    from lmanet_core.program.verb import example

    BENCHMARKS.update(announced("lmanet.benchmarks"))
    modules = {**VERBS, **announced("lmanet.verbs")}
    parts = []
    for name, module in sorted(modules.items()):
        verb = import_module(module)
        parser = argparse.ArgumentParser(prog=f"lmanet {name}")
        verb.add_arguments(parser)
        parts.append(f"## {name}\n\n{verb.HELP[0].upper()}{verb.HELP[1:]}.")
        if shown := example(verb):
            parts.append(f"    {shown}")
        parts.append(
            "\n".join(
                f"- `{', '.join(action.option_strings) or called(action)}` "
                f"{meaning(parser, action)}".rstrip()
                for action in parser._actions
                if action.help != argparse.SUPPRESS and action.dest != "help"
            )
        )
    return "\n\n".join(parts)


def announced(group: str) -> dict[str, str]:
    """Names and modules that `lmanet_ros` announces, by setup.py: an installation may be older."""
    text = (PROJECT / "setup.py").read_text()
    (entries,) = re.findall(rf'"{group}": \[(.*?)\]', text, re.DOTALL)
    return dict(re.findall(r'"([\w-]+) = ([\w.]+)"', entries))


def called(action: argparse.Action) -> str:
    """What usage calls a positional argument."""
    metavar = action.metavar
    return metavar if isinstance(metavar, str) else action.dest


def meaning(parser: argparse.ArgumentParser, action: argparse.Action) -> str:
    """The help of an argument, in one line."""
    text = parser._get_formatter()._expand_help(action) if action.help else ""
    choices = f" ({', '.join(map(str, action.choices))})" if action.choices else ""
    return " ".join(f"{text}{choices}".split())


FILLED: dict[str, Callable[[Figures], str]] = {
    "results": results,
    "model-card": model_card,
    "readme": readme,
    "classes": classes,
    "corruptions": corruptions,
    "exports": exports,
    "performance": performance,
    "operator": operator,
    "adapt": adapt,
    "cloud": cloud,
    "space": space,
    "verbs": verbs,
}


def filled(text: str, found: Figures) -> str:
    """A page with all of its blocks filled.

    Raises:
        ValueError: a block's name is none that can be filled.
    """

    def block(match: re.Match[str]) -> str:
        if match[1] not in FILLED:
            raise ValueError(f"nothing is called {match[1]!r}; there are {', '.join(FILLED)}")
        return f"<!-- fill {match[1]} -->\n{FILLED[match[1]](found)}\n<!-- filled -->"

    return BLOCK.sub(block, text)


def stale_pages(write: bool = False) -> list[Path]:
    """Pages that are not as they would be filled; with `write` they are filled now."""
    found = figures()
    stale = []
    for page in pages():
        before = page.read_text()
        after = filled(before, found)
        if after != before:
            stale.append(page.relative_to(PROJECT))
            if write:
                page.write_text(after)
    return stale


def main() -> int:
    """Fill the pages, or say which are not filled."""
    parser = argparse.ArgumentParser(description="Fill figures and options into the documents.")
    parser.add_argument("--check", action="store_true", help="write nothing; status 1 if stale")
    check = parser.parse_args().check
    stale = stale_pages(write=not check)
    for page in stale:
        print(f"{page} {'is stale: run python docs/fill.py' if check else 'filled'}")
    return int(check and bool(stale))


if __name__ == "__main__":
    sys.exit(main())
