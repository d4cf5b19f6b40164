"""What documents point to is there."""

import re
from pathlib import Path

import pytest
from document_commands import commands, documents

PROJECT = Path(__file__).parents[1]
DOCUMENTS = [
    file for pattern in ("*.md", "docs/**/*.md", "docker/*.md") for file in PROJECT.glob(pattern)
]
NODE_PAGE = PROJECT / "docs/reference/node.md"
FORMER_ARGUMENTS = {"engine"}
FOLDERS = "lmanet_core|lmanet_ros|config|docker|docs|launch|test|training"
PATH = re.compile(rf"`((?:{FOLDERS})/[^`\s*<]*)`")
LINK = re.compile(r"\]\(([^):#]+)[^):]*\)")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda file: file.name)
def test_paths_and_links_lead_somewhere(document):
    text = document.read_text()
    targets = [PROJECT / path for path in PATH.findall(text)]
    targets += [document.parent / path for path in LINK.findall(text)]
    assert [str(target) for target in targets if not target.exists()] == []


def test_the_page_of_topics_has_every_output_of_the_node():
    from lmanet_ros.messages.node_outputs import OUTPUTS

    section = NODE_PAGE.read_text().split("### Published for each image")[1].split("###")[0]
    rows = re.findall(r"^\| (`~/.*?) \| `\w+/msg/(\w+)`", section, re.MULTILINE)
    listed = {(topic, kind) for cell, kind in rows for topic in re.findall(r"`~/([^`]+)`", cell)}
    assert listed == {(output.name, output.message_type.__name__) for output in OUTPUTS}


def test_the_page_of_launch_arguments_has_every_argument():
    launch_file = (PROJECT / "launch/segmentation.launch.py").read_text()
    section = NODE_PAGE.read_text().split("## Launch arguments")[1].split("##")[0]
    cells = re.findall(r"^\| (`.*?) \|", section, re.MULTILINE)
    listed = {name for cell in cells for name in re.findall(r"`(\w+)`", cell)}
    declared = set(re.findall(r'argument\(\s*"(\w+)"', launch_file))
    assert listed == declared - FORMER_ARGUMENTS


def test_what_the_page_of_troubles_quotes_is_what_the_nodes_say():
    page = (PROJECT / "docs/how-to/troubleshooting.md").read_text()
    quoted = re.findall(r"^\| ((?:`[^`]+`(?:, )?)+) \|", page, re.MULTILINE)
    said = "\n".join(file.read_text() for file in (PROJECT / "lmanet_ros").rglob("*.py"))
    phrases = {phrase for cell in quoted for phrase in re.findall(r"`([^`]+)`", cell)}
    assert len(phrases) > 5
    assert not [phrase for phrase in phrases if phrase not in said]


def test_every_verb_has_an_example_that_the_page_of_programs_shows():
    from lmanet_core.command.verbs import VERBS
    from lmanet_core.program.verb import example

    page = (PROJECT / "docs/reference/verbs.md").read_text()
    for name in VERBS.names():
        command = example(VERBS.find(name))
        assert command.startswith(f"lmanet {name}")
        assert f"    {command}\n" in page


def test_a_page_says_in_its_first_paragraph_that_it_needs_ros_or_a_gpu():
    silent = []
    for page in documents():
        if not page.startswith(("docs/how-to/", "docs/tutorials/")):
            continue
        beginning = "\n\n".join((PROJECT / page).read_text().split("\n\n")[:2])
        lines = [str(command) for command in commands(page)]
        if any(": ros2 " in line for line in lines) and "ROS" not in beginning:
            silent.append(f"{page}: ROS 2")
        if any("cuda" in line or "test-gpu" in line for line in lines) and "GPU" not in beginning:
            silent.append(f"{page}: a GPU")
    assert not silent
