"""The launch file for recordings, by itself; running it needs a ROS installation."""

import ast
from pathlib import Path

LAUNCH_FILE = Path(__file__).parents[2] / "launch" / "replay.launch.py"
ARGUMENTS = {
    "bag",
    "output",
    "params_file",
    "checkpoint",
    "image_topic",
    "label_topic",
    "live",
    "rate",
}


def strings_of_calls(name: str) -> set[str]:
    """First arguments of the calls of `name` in the launch file."""
    calls = (node for node in ast.walk(ast.parse(LAUNCH_FILE.read_text())) if hasattr(node, "func"))
    named = (call.args[0] for call in calls if getattr(call.func, "id", None) == name)
    return {argument.value for argument in named if isinstance(argument, ast.Constant)}


def test_the_arguments_are_declared_and_all_are_used():
    assert strings_of_calls("DeclareLaunchArgument") == ARGUMENTS
    assert strings_of_calls("argument") == ARGUMENTS
