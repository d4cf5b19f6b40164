"""`lmanet evaluate-bag`, also `ros2 run lmanet_ros evaluate_bag`: scores the node on recordings.

lmanet evaluate-bag drive --output result
"""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from lmanet_core.program.verb import run_verb
from lmanet_ros.evaluation.limits import FIGURES, Limit, find_missed
from lmanet_ros.network_choice import whole_choice

HELP = "play recordings to the segmentation node; score and report what it says"
EXTRA = "evaluation"
DESCRIPTION = """\
Play rosbag2 recordings to the segmentation node; score and report what it says. Ctrl-C or SIGTERM
while recordings are played ends that, and what was played is reported."""
OUTPUTS = ("labels", "confidence", "color", "overlay")
BELOW_LIMIT = 3
"""Exit status if a figure is less than --fail-below asks for."""


def main(args: list[str] | None = None) -> int:
    """Be the program `evaluate_bag`.

    Args:
        args: command line with the program's name; None: that of the process.

    Returns:
        Exit status: 0; 1 if a recording or the node cannot be used; `BELOW_LIMIT`.
    """
    from lmanet_ros import evaluate_bag as verb

    return run_verb(verb, "evaluate_bag", args and args[1:])


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's options."""
    parser.add_argument(
        "bags", type=Path, nargs="*", metavar="BAG", help="rosbag2 (MCAP or SQLite) or its file"
    )
    parser.add_argument(
        "--output", type=Path, default=Path("evaluation_output"), help="folder of the report"
    )
    parser.add_argument("--image-topic", help="topic with the images; default: the only one")
    parser.add_argument(
        "--label-topic", help="topic with true labels, or none; default: found by its name"
    )
    parser.add_argument(
        "--depth-topic",
        help="topic with registered depth, or none; default: the one beside the images",
    )
    parser.add_argument(
        "--outputs",
        nargs="+",
        choices=OUTPUTS,
        default=["labels", "overlay"],
        help="outputs of the node to record; labels always are",
    )
    parser.add_argument(
        "--jobs",
        type=int,
        default=1,
        help="number of recordings played at the same time; default: 1",
    )
    playing = parser.add_argument_group("playing; default: without loss, as fast as that goes")
    playing.add_argument(
        "--live", action="store_true", help="play at a rate, whatever the node does"
    )
    playing.add_argument("--rate", type=float, help="frames per second; default: as recorded")
    node = parser.add_argument_group("the node")
    node.add_argument(
        "--attach", action="store_true", help="use the node that is running, and start none"
    )
    node.add_argument("--checkpoint", help="file or name of shipped weights; default: shipped")
    node.add_argument("--params-file", type=Path, help="YAML file with parameters of the node")
    node.add_argument(
        "-p",
        "--parameter",
        action="append",
        default=[],
        metavar="NAME:=VALUE",
        help="a parameter of the node; can be repeated",
    )
    node.add_argument(
        "--baseline",
        action="store_true",
        help="play to the network without its memory, too, and compare",
    )
    results = parser.add_argument_group("results")
    results.add_argument(
        "--fail-below",
        nargs=2,
        action="append",
        default=[],
        metavar=("FIGURE", "VALUE"),
        help=f"exit status {BELOW_LIMIT} if {', '.join(FIGURES)} (shares in percent) is less; can "
        "be repeated",
    )
    results.add_argument(
        "--merge",
        nargs="+",
        type=Path,
        metavar="JSON",
        help="add up evaluations that were made elsewhere, and play nothing",
    )
    results.add_argument(
        "--compare",
        nargs=2,
        type=Path,
        metavar="JSON",
        help="compare two evaluations, and play nothing",
    )
    parser.add_argument("--ros-args", nargs=argparse.REMAINDER, default=[], help=argparse.SUPPRESS)
    parser.set_defaults(program=parser.prog, complain=parser.error)


def run(arguments: argparse.Namespace) -> int:
    """Play recordings to the node, score what it says and write the report; the exit status.

    Raises:
        ValueError, OSError: a recording or the node cannot be used.
    """
    # Imported here so that a package that is missing can be told, and Ctrl-C ends it in a line.
    from lmanet_core.program.run_program import require_writable

    with _ending_playback():
        from lmanet_ros import processes  # noqa: F401

        if complaint := _find_contradiction(arguments):
            arguments.complain(complaint)
        require_writable(arguments.output, folder=True)
        return _run(arguments)


@contextmanager
def _ending_playback() -> Iterator[None]:
    """SIGINT or SIGTERM raises KeyboardInterrupt."""
    handlers = {
        number: signal.signal(number, _interrupt) for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


def _interrupt(number: int, frame: FrameType | None) -> None:
    # Once: `ros2 launch` may send Ctrl-C again while the report is made; SIGTERM then ends that.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    raise KeyboardInterrupt


def _find_contradiction(arguments: argparse.Namespace) -> str | None:
    """What is wrong with the arguments as a whole."""
    asked = [bool(arguments.bags), bool(arguments.merge), bool(arguments.compare)]
    if sum(asked) != 1:
        return "give either recordings, or --merge, or --compare"
    if arguments.rate is not None and (arguments.rate <= 0 or not arguments.live):
        return "--rate belongs to --live and must be more than 0"
    if not all(":=" in parameter for parameter in arguments.parameter):
        return "--parameter must be NAME:=VALUE"
    own_node = arguments.checkpoint or arguments.params_file or arguments.parameter
    if arguments.attach and (own_node or arguments.baseline or len(arguments.bags) > 1):
        return (
            "--attach uses a node as it runs, for one recording: give its parameters to the node, "
            "and leave --baseline out"
        )
    if arguments.params_file and not arguments.params_file.is_file():
        return f"--params-file: there is no file '{arguments.params_file}'"
    if arguments.jobs < 1:
        return f"--jobs must be at least 1, got {arguments.jobs}"
    try:
        arguments.limits = [Limit.parse(*words) for words in arguments.fail_below]
    except ValueError as error:
        return f"--fail-below: {error}"
    if arguments.limits and arguments.compare:
        return "--fail-below is about an evaluation, --compare about two"
    return None


def _run(arguments: argparse.Namespace) -> int:
    if arguments.compare:
        return _compare(arguments.compare, arguments.output)
    if arguments.merge or len(arguments.bags) > 1:
        summary = _evaluate_several(arguments)
    else:
        summary = _evaluate_one(arguments)
    missed = find_missed(arguments.limits, summary)
    for sentence in missed:
        print(f"{arguments.program}: {sentence}", file=sys.stderr)
    if missed:
        return BELOW_LIMIT
    return 1 if summary.get("failed") else 0


def _evaluate_one(arguments: argparse.Namespace) -> dict[str, Any]:
    from lmanet_ros.evaluation.one_recording import (
        FILES,
        EvaluationConfig,
        evaluate,
        evaluate_with_baseline,
    )
    from lmanet_ros.evaluation.playback import Mode
    from lmanet_ros.evaluation.summary import format_summary

    config = EvaluationConfig(
        bag=arguments.bags[0],
        image_topic=arguments.image_topic,
        label_topic=arguments.label_topic,
        depth_topic=arguments.depth_topic,
        mode=Mode(arguments.live, arguments.rate),
        outputs=("labels", *(name for name in OUTPUTS[1:] if name in arguments.outputs)),
        attach=arguments.attach,
        params_file=arguments.params_file,
        parameters=_node_parameters(arguments),
        ros_arguments=("--ros-args", *arguments.ros_args),
    )
    run = evaluate_with_baseline if arguments.baseline else evaluate
    summary = run(config, arguments.output).summary
    print(f"\n{format_summary(summary)}\n\nin {arguments.output}/: {FILES}")
    return summary


def _node_parameters(arguments: argparse.Namespace) -> dict[str, object]:
    """Parameters that the user has typed, and what follows from them."""
    from lmanet_ros.processes import YamlText

    parameters: dict[str, object] = {
        name: YamlText(value)
        for name, value in (parameter.split(":=", 1) for parameter in arguments.parameter)
    }
    if arguments.checkpoint:
        parameters["checkpoint"] = arguments.checkpoint
    return whole_choice(parameters)


def _evaluate_several(arguments: argparse.Namespace) -> dict[str, Any]:
    from lmanet_ros.evaluation.fleet import FLEET_FILES, evaluate_each, merge
    from lmanet_ros.evaluation.request import inputs
    from lmanet_ros.evaluation.summary import format_fleet

    if arguments.merge:
        fleet, files = merge(arguments.merge, arguments.output), "report.html, evaluation.json"
    else:
        files_read = inputs(_node_parameters(arguments), arguments.params_file)
        fleet = evaluate_each(
            arguments.bags, _options(arguments), files_read, arguments.output, arguments.jobs
        )
        files = FLEET_FILES
    print(f"\n{format_fleet(fleet)}\n\nin {arguments.output}/: {files}")
    return fleet


def _options(arguments: argparse.Namespace) -> list[str]:
    """The options that hold for each of several recordings."""
    values = {
        "image-topic": arguments.image_topic,
        "label-topic": arguments.label_topic,
        "depth-topic": arguments.depth_topic,
        "rate": arguments.rate,
        "checkpoint": arguments.checkpoint,
        "params-file": arguments.params_file,
    }
    options = [f"--{name}={value}" for name, value in values.items() if value is not None]
    options += [f"--parameter={parameter}" for parameter in arguments.parameter]
    options += [f"--{name}" for name in ("live", "baseline") if getattr(arguments, name)]
    return [*options, "--outputs", *arguments.outputs]


def _compare(files: Sequence[Path], output: Path) -> int:
    from lmanet_ros.evaluation.fleet import read_summary
    from lmanet_ros.evaluation.html_report import write_comparison_html
    from lmanet_ros.evaluation.report_comparison import compare, format_comparison, short_names

    first, second = (read_summary(file) for file in files)
    comparison = compare(first, second, short_names(*files))
    output.mkdir(parents=True, exist_ok=True)
    write_comparison_html(output / "comparison.html", first, second, comparison)
    print(f"{format_comparison(comparison)}\n\nin {output}/: comparison.html")
    return 0


if __name__ == "__main__":
    sys.exit(main())
