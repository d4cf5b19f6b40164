"""The whole evaluation: survey, playback, scores, report."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import rclpy
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import CompressedImage

from lmanet_core.evaluation import common_classes
from lmanet_core.output.files import write_json
from lmanet_ros.bags.reading import Bag, BagError, is_recording
from lmanet_ros.bags.survey import Survey, survey_bag
from lmanet_ros.evaluation.answers import AnsweredFrame, answered_frames
from lmanet_ros.evaluation.depths import Depths
from lmanet_ros.evaluation.html_report import picture, write_html
from lmanet_ros.evaluation.node_client import IMAGE_TOPICS, NODE_NAME
from lmanet_ros.evaluation.playback import Mode, Playback, play
from lmanet_ros.evaluation.scoring import score
from lmanet_ros.evaluation.summary import (
    SUMMARY,
    is_complete,
    summarize,
    without_frames,
    worst_frames,
)
from lmanet_ros.processes import NodeProcess, ProcessError, init_ros, own_network, started

FILES = f"report.html, {SUMMARY}, predictions/ (MCAP rosbag2)"
BASELINE = "single_frame"
"""Folder for the evaluation without memory, in that of the evaluation."""


@dataclass(frozen=True)
class EvaluationConfig:
    """What is evaluated and how.

    Attributes:
        bag: a rosbag2.
        image_topic, label_topic, depth_topic: as `survey_bag` takes them.
        mode: live or not.
        outputs: outputs of the node, to record; 'labels' among them.
        attach: whether to use the node that runs already in this ROS network and namespace, and
            not to start one in a network of its own.
        params_file, parameters: of a node that is started; of the file, what an evaluation needs
            otherwise does not count.
        ros_arguments: ROS arguments of this process, for a node that is attached to.
    """

    bag: Path
    image_topic: str | None = None
    label_topic: str | None = None
    depth_topic: str | None = None
    mode: Mode = field(default_factory=Mode)
    outputs: tuple[str, ...] = ("labels", "overlay")
    attach: bool = False
    params_file: Path | None = None
    parameters: Mapping[str, object] = field(default_factory=dict)
    ros_arguments: tuple[str, ...] = ()


def evaluate_with_baseline(config: EvaluationConfig, output: Path) -> Evaluated:
    """Evaluate the node's network also without its memory, before the node, in `BASELINE`.

    Arguments, result and errors are those of `evaluate`.
    """
    single_frame = replace(config, parameters={**config.parameters, "memory_size": 0})
    baseline = evaluate(single_frame, output / BASELINE).summary
    if not is_complete(baseline):
        # Whoever interrupts it does not want the rest.
        raise KeyboardInterrupt
    return evaluate(config, output, baseline)


@dataclass(frozen=True)
class Evaluated:
    """A recording that was played, and what came of it."""

    survey: Survey
    playback: Playback
    recording: Path
    """Recording of what was played and of the node's answers."""
    summary: dict[str, Any]
    """Figures, as they are in evaluation.json."""

    def answers(self) -> Iterator[AnsweredFrame]:
        """The frames that the node answered, with its labels and the true ones."""
        return answered_frames(self.recording, self.survey, self.playback.frames)


def evaluate(
    config: EvaluationConfig, output: Path, baseline: dict[str, Any] | None = None
) -> Evaluated:
    """Evaluate the node on a recording.

    Args:
        config: what and how.
        output: folder for `FILES` and, if a node is started, its log.
        baseline: summary of another evaluation, to be set beside this one.

    Raises:
        BagError: there is nothing in the recording that can be evaluated, or writing would destroy
            it or what is no recording.
        ProcessError: the node does not do its part.
    """
    recording = output / "predictions"
    with Bag(config.bag) as bag:
        survey = survey_bag(bag, config.image_topic, config.label_topic, config.depth_topic)
        _check_survey(survey)
        _check_place(recording, config.bag)
        output.mkdir(parents=True, exist_ok=True)
        with _node(config, survey, output) as process:
            playback = play(
                survey, config.mode, config.outputs, recording, process, config.parameters
            )
    if not any(played.outcome == "answered" for played in playback.frames):
        raise ProcessError(f"{NODE_NAME} has answered no frame, see {output}/*.log")
    return _report(survey, config.mode, playback, recording, output, baseline)


def _check_survey(survey: Survey) -> None:
    problems = [frame.problem for frame in survey.frames]
    if all(problems):
        first = f", the first because of '{problems[0]}'" if problems else ""
        raise BagError(f"none of {len(problems)} frames of {survey.image_topic} is usable{first}")


def _check_place(recording: Path, bag: Path) -> None:
    """Check that nothing is deleted for a recording but that of an evaluation before."""
    bag = bag.resolve()
    if recording.resolve() in (bag, *bag.parents):
        raise BagError(f"{recording} is to be written, it cannot be what is evaluated")
    if recording.is_symlink() or (recording.exists() and not is_recording(recording)):
        raise BagError(
            f"{recording} is to be written, but what is there is not just a recording: "
            "move it away or choose another --output"
        )


@contextmanager
def _node(config: EvaluationConfig, survey: Survey, output: Path) -> Iterator[NodeProcess | None]:
    """The node under evaluation; None if it is not ours."""
    if config.attach:
        # Ctrl-C is to raise KeyboardInterrupt, not to shut ROS down beneath the recording.
        init_ros(args=list(config.ros_arguments), signal_handler_options=SignalHandlerOptions.NO)
        try:
            yield None
        finally:
            rclpy.try_shutdown()
        return
    topic = f"/{IMAGE_TOPICS[survey.image_type]}"
    parameters = {
        "autostart": True,
        # Without a clock that somebody publishes, the node would never report.
        "use_sim_time": False,
        "image_topics": ["image"],
        "compressed": survey.image_type is CompressedImage,
        # So that what does not arrive was dropped by the node, not by the middleware.
        f"qos_overrides.{topic}.subscription.reliability": "reliable",
    }
    if not config.mode.live:
        # Frames come as fast as they are answered: any limit would skip most of them.
        parameters["max_rate"] = 0.0
    # What is needed wins over a file, what the user types wins over all.
    parameters |= config.parameters
    with own_network(), started(NODE_NAME, parameters, output, config.params_file) as process:
        yield process


def _report(
    survey: Survey,
    mode: Mode,
    playback: Playback,
    recording: Path,
    output: Path,
    baseline: dict[str, Any] | None,
) -> Evaluated:
    answers = answered_frames(recording, survey, playback.frames)
    depths = Depths(survey) if survey.depth_topic else None
    scores = score(answers, playback.classes, survey.classes, depths)
    summary = summarize(survey, mode, playback, scores)
    if baseline:
        summary["baseline"] = without_frames(baseline)
    worst = worst_frames(playback, scores)
    pictures = {
        answer.played.frame.number: picture(answer, playback.classes, survey.classes)
        for answer in answered_frames(recording, survey, playback.frames)
        if answer.played.frame.number in worst
    }
    shown = common_classes(playback.classes, survey.classes).classes
    write_html(output / "report.html", summary, [pictures[number] for number in worst], shown)
    write_json(output / SUMMARY, summary)
    return Evaluated(survey, playback, recording, summary)
