"""The nodes' parameters as files: `python docs/parameter_files.py` writes them anew.

The dataclasses say what there is. From them come the default file of each node in `config/` and the
page `docs/reference/parameters.md`.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from textwrap import fill
from typing import Any

from lmanet_core.output.files import write_text
from lmanet_ros.cloud.cloud_parameters import CloudParameters
from lmanet_ros.node.common_parameters import CommonParameters
from lmanet_ros.node.parameter_fields import ANY_TIME, START
from lmanet_ros.node.segmentation_parameters import NodeParameters
from lmanet_ros.processes import as_yaml

PROJECT = Path(__file__).parents[1]
PAGE = Path("docs/reference/parameters.md")
PROGRAM = "python docs/parameter_files.py"
WIDTH = 100
TYPES = {bool: "bool", int: "integer", float: "double", str: "string"}
"""ROS' names of types."""
CHANGES = {ANY_TIME: "at once", START: "at the start"}
"""When a value takes effect; else when the node is configured."""


@dataclass(frozen=True)
class NodeFile:
    """A node's default file.

    Attributes:
        node: its name.
        kind: dataclass of its parameters.
        section: names of nodes that the file is for.
        values: what is set; all else stands in comments, so that a launch file that includes ours
            can set it for all of its nodes. One value there must be, or ROS does not read the file.
        more: what is there besides the node's own parameters.
    """

    node: str
    kind: type
    section: str
    values: Mapping[str, Any]
    more: str = field(default="")

    @property
    def path(self) -> Path:
        name = self.node.removesuffix("_node") if self.kind is CloudParameters else self.node
        return Path("config") / f"{name}.yaml"


NODE_FILES = (
    NodeFile(
        "segmentation_node",
        NodeParameters,
        "/**",
        # Asks for nothing: it is the default.
        {"checkpoint": ""},
        """
    # Quality of service of the subscription and of the outputs, ROS' standard parameters, by full
    # topic name; they go before image_reliability and image_durability.
    # qos_overrides:
    #   /camera/image_raw:
    #     subscription:
    #       reliability: reliable
""",
    ),
    NodeFile("semantic_cloud_node", CloudParameters, "/**/semantic_cloud_node", {"lazy": True}),
)


def parameters_of(kind: type) -> list[Any]:
    """Fields of the dataclass of a node's parameters, the node's own before those that all have."""
    common = {one.name for one in fields(CommonParameters)}
    return sorted(fields(kind), key=lambda one: one.name in common)


def yaml_file(file: NodeFile) -> str:
    """Content of a node's default file."""
    head = (
        f"Parameters of {file.node}. What is not set here stands in a comment with its default: "
        "whatever is set here goes before what a launch file sets for all of its nodes. Those "
        "marked (*) may be changed at any time and take effect at once. autostart is read when the "
        "process starts, the others when the node is configured: set them while it is "
        f"unconfigured, or restart it. Written by `{PROGRAM}`."
    )
    sections = [
        f"{_comment(_described(one), '    ')}\n    {_setting(one, file.values)}\n"
        for one in parameters_of(file.kind)
    ]
    body = "\n".join(sections)
    return f"{_comment(head)}\n{file.section}:\n  ros__parameters:\n{body}{file.more}"


def page() -> str:
    """The page of all parameters, in Markdown."""
    lines = [
        "# Parameters",
        "",
        f"Written by `{PROGRAM}` from the nodes' dataclasses. *configure*: the node",
        "reads the value when it is configured; set it before, or while the node is unconfigured.",
    ]
    common = {one.name for one in fields(CommonParameters)}
    for file in NODE_FILES:
        own = [one for one in fields(file.kind) if one.name not in common]
        lines += _section(file.node, f"The package's own file is `{file.path}`.", own)
    lines += _section("Both", "What every node of this package has.", fields(CommonParameters))
    return "\n".join(lines) + "\n"


def written() -> dict[Path, str]:
    """Content of all files, by their paths in the project."""
    return {PAGE: page(), **{file.path: yaml_file(file) for file in NODE_FILES}}


def main() -> int:
    """Write the files."""
    for path, text in written().items():
        write_text(PROJECT / path, text)
        print(path)
    return 0


def _described(one: Any) -> str:
    mark = "(*) " if one.metadata["change"] == ANY_TIME else ""
    limits = one.metadata["limits"]
    return f"{mark}{one.metadata['description']}" + (f" {_range(limits)}." if limits else "")


def _section(title: str, text: str, parameters: Sequence[Any]) -> list[str]:
    head = "| parameter | type | default | range | takes effect | meaning |"
    rows = [_row(one) for one in parameters]
    return ["", f"## {title}", "", text, "", head, "|---|---|---|---|---|---|", *rows]


def _setting(one: Any, values: Mapping[str, Any]) -> str:
    mark = "" if one.name in values else "# "
    return f"{mark}{one.name}: {_yaml(values.get(one.name, one.default))}"


def _row(one: Any) -> str:
    default, limits = one.default, one.metadata["limits"]
    kind = f"{TYPES[type(default[0])]}[]" if isinstance(default, tuple) else TYPES[type(default)]
    cells = (
        f"`{one.name}`",
        kind,
        f"`{_yaml(default)}`",
        _range(limits) if limits else "",
        CHANGES.get(one.metadata["change"], "configure"),
        one.metadata["description"].replace("|", "\\|")
        + (f" Former name: `{former}`." if (former := one.metadata["former_name"]) else ""),
    )
    return f"| {' | '.join(cells)} |"


def _range(limits: tuple[float, float]) -> str:
    return " to ".join(f"{limit:g}" if limit > 100 else str(limit) for limit in limits)


def _yaml(value: Any) -> str:
    return as_yaml(list(value) if isinstance(value, tuple) else value)


def _comment(text: str, indent: str = "") -> str:
    mark = f"{indent}# "
    return fill(text, WIDTH, initial_indent=mark, subsequent_indent=mark, break_on_hyphens=False)


if __name__ == "__main__":
    sys.exit(main())
