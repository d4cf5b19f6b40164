"""Scores the node on a recording: `ros2 run lmanet_ros evaluate_bag drive --output result`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from rclpy.utilities import remove_ros_args

OUTPUTS = ("labels", "confidence", "color", "overlay")


def main(args: list[str] | None = None) -> int:
    """Play a recording to the node, score what it says and write the report.

    Args:
        args: command line with the program's name; None: that of the process.

    Returns:
        Exit status: 0, or 1 if the recording or the node cannot be used.
    """
    args = sys.argv if args is None else args
    arguments = _parse_arguments(remove_ros_args(args)[1:])
    try:
        return _run(arguments, args)
    except ModuleNotFoundError as error:
        print(
            f"evaluate_bag: the package '{error.name}' is not installed; evaluation needs "
            "what `pip install 'lmanet_ros[evaluation]'` brings",
            file=sys.stderr,
        )
        return 1
    except KeyboardInterrupt:
        return 130


def _parse_arguments(args: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="evaluate_bag",
        description="Play a rosbag2 to the segmentation node; score and report what it says.",
    )
    parser.add_argument("bag", type=Path, help="rosbag2 (MCAP or SQLite), or a file of one")
    parser.add_argument("--output", type=Path, default=Path("evaluation_output"))
    parser.add_argument("--image-topic", help="default: the only one with images")
    parser.add_argument("--label-topic", help="of true labels, or none; default: found by its name")
    parser.add_argument(
        "--outputs",
        nargs="+",
        choices=OUTPUTS,
        default=["labels", "overlay"],
        help="of the node, to record; labels always are",
    )
    playing = parser.add_argument_group("playing; default: without loss, as fast as that goes")
    playing.add_argument("--live", action="store_true", help="at a rate, whatever the node does")
    playing.add_argument("--rate", type=float, help="frames per second; default: as recorded")
    node = parser.add_argument_group("the node")
    node.add_argument("--attach", action="store_true", help="use the one that runs already")
    node.add_argument("--checkpoint", help="file or name of shipped weights; default: shipped")
    node.add_argument("--params-file", type=Path, help="YAML file with its parameters")
    node.add_argument(
        "-p",
        "--parameter",
        action="append",
        default=[],
        metavar="NAME:=VALUE",
        help="one of its parameters; can be repeated",
    )
    arguments = parser.parse_args(args)
    if arguments.rate is not None and (arguments.rate <= 0 or not arguments.live):
        parser.error("--rate belongs to --live and must be more than 0")
    if not all(":=" in parameter for parameter in arguments.parameter):
        parser.error("--parameter must be NAME:=VALUE")
    if arguments.attach and (arguments.checkpoint or arguments.params_file or arguments.parameter):
        parser.error("--attach uses a node as it runs: give its parameters to the node")
    if arguments.params_file and not arguments.params_file.is_file():
        parser.error(f"--params-file: there is no file '{arguments.params_file}'")
    return arguments


def _run(arguments: argparse.Namespace, args: list[str]) -> int:
    # Imported here so that a package that is missing can be told.
    from lmanet_ros.bags.reading import BagError
    from lmanet_ros.evaluation.evaluate import FILES, EvaluationConfig, evaluate
    from lmanet_ros.evaluation.playback import Mode
    from lmanet_ros.evaluation.summary import format_summary
    from lmanet_ros.processes import ProcessError

    parameters = dict(parameter.split(":=", 1) for parameter in arguments.parameter)
    if arguments.checkpoint:
        parameters["checkpoint"] = arguments.checkpoint
    config = EvaluationConfig(
        bag=arguments.bag,
        image_topic=arguments.image_topic,
        label_topic=arguments.label_topic,
        mode=Mode(arguments.live, arguments.rate),
        outputs=("labels", *(name for name in OUTPUTS[1:] if name in arguments.outputs)),
        attach=arguments.attach,
        params_file=arguments.params_file,
        parameters=parameters,
        ros_arguments=tuple(args[1:]),
    )
    try:
        summary = evaluate(config, arguments.output)
    except (BagError, ProcessError) as error:
        print(f"evaluate_bag: {error}", file=sys.stderr)
        return 1
    print(f"\n{format_summary(summary)}\n\nin {arguments.output}/: {FILES}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
