"""Shows a recording or live topics in Rerun; also `ros2 run lmanet_ros rerun_view`.

lmanet rerun-view evaluation_output/predictions
lmanet rerun-view --topics /camera/image_raw /segmentation_node/labels
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from lmanet_core.program.verb import run_verb

HELP = "show images and labels of a recording, or of live topics, in Rerun"
EXTRA = "evaluation"


def main(args: list[str] | None = None) -> int:
    """Be the program `rerun_view`.

    Args:
        args: command line with the program's name; None: that of the process.

    Returns:
        Exit status: 0, also after Ctrl-C, which ends live topics; 1 if the recording or the
        checkpoint cannot be used.
    """
    from lmanet_ros import rerun_view as verb

    return run_verb(verb, "rerun_view", args and args[1:])


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's options."""
    shown = parser.add_mutually_exclusive_group()
    shown.add_argument("bag", type=Path, nargs="?", help="rosbag2 (MCAP or SQLite), or its file")
    shown.add_argument("--topics", nargs="+", help="live ones with images, until Ctrl-C")
    parser.add_argument("--save", type=Path, help="an .rrd file to write, and no window to open")
    parser.add_argument(
        "--checkpoint",
        help="or exported file, whose classes labels are if nothing says so; default: shipped",
    )
    parser.add_argument("--ros-args", nargs=argparse.REMAINDER, default=[], help=argparse.SUPPRESS)
    parser.set_defaults(complain=parser.error)


def run(arguments: argparse.Namespace) -> None:
    """Show a recording or live topics, or write a file of Rerun's.

    Raises:
        ValueError, OSError: the recording or the checkpoint cannot be used.
    """
    from lmanet_ros.rerun_display import show

    if not (arguments.bag or arguments.topics):
        arguments.complain("expected a recording, or --topics")
    show(arguments)


if __name__ == "__main__":
    sys.exit(main())
