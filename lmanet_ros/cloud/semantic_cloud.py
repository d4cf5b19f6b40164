"""The semantic cloud node, as a managed node, and what it does while it is configured."""

from __future__ import annotations

from collections import Counter
from time import perf_counter
from typing import Any

from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.node import Node
from sensor_msgs.msg import CameraInfo
from std_msgs.msg import Header

from lmanet_core import ClassTable
from lmanet_core.cloud.selection import Selection
from lmanet_core.cloud.transform import Transform
from lmanet_ros.cloud.cloud_outputs import POINTS, CloudOutputs
from lmanet_ros.cloud.cloud_parameters import CloudParameters, selections
from lmanet_ros.cloud.inputs import NANOSECONDS, Inputs, Range
from lmanet_ros.cloud.problems import LOG_PERIOD, Problems
from lmanet_ros.cloud.projection import Labelled, Projection, check
from lmanet_ros.cloud.tf_lookup import open_transforms
from lmanet_ros.messages.class_json import from_json
from lmanet_ros.messages.message_error import MessageError
from lmanet_ros.node.arrival.listener import Listener
from lmanet_ros.node.arrival.topic_report import explain_silence
from lmanet_ros.node.managed_node import ManagedNode
from lmanet_ros.node.parameter_fields import ParameterError
from lmanet_ros.node.reporting.diagnostics import (
    ERROR,
    figure_values,
    find_problems,
    make_status,
)
from lmanet_ros.node.reporting.frame_statistics import FrameStatistics, FrameTimes

PATIENCE = 2.0
"""Seconds that stamps may take to match, and a calibration, class table or transform to come."""
SLOW_TO_COME = ("no camera_info", "no classes", "no confidence", "no transform")
"""Kinds of problems that a start has for a moment."""


class CloudWork(Listener):
    """Topics and what is done with a frame; made without listening to any topic.

    Args:
        node: the node that publishes and subscribes.
        parameters: parameters of the node.

    Raises:
        ParameterError: a parameter has no sense to ROS.
    """

    def __init__(self, node: Node, parameters: CloudParameters) -> None:
        super().__init__()
        self.statistics = FrameStatistics()
        self.inputs: Inputs | None = None
        self._node = node
        self._logger = node.get_logger()
        self._parameters = parameters
        self._classes: ClassTable | None = None
        self._selections: dict[str, Selection] = {}
        self._projection = Projection()
        self._of_frames = Problems(self._logger)
        self._of_topics = Problems(self._logger)
        self._to_camera = open_transforms(node, parameters.cloud_to_camera, "cloud_to_camera")
        self._to_target = open_transforms(node, parameters.range_to_target, "range_to_target")
        self.outputs = CloudOutputs(node)
        try:
            self.inputs = Inputs(
                node, parameters, self._on_frame, self._on_classes, self._on_uncertain, self._count
            )
        except BaseException:
            self.destroy()
            raise

    @property
    def topics(self) -> Inputs:
        assert self.inputs is not None
        return self.inputs

    @property
    def is_running(self) -> bool:
        """Whether it has been started; a lazy node then rests without need."""
        return self._started

    @property
    def is_listening(self) -> bool:
        """Whether messages are received."""
        return self.topics.is_open

    def problems(self) -> list[str]:
        """What is wrong now."""
        now = perf_counter()
        return [*self._of_topics.texts(now), *self._of_frames.texts(now)]

    def check(self, parameters: CloudParameters) -> None:
        """See whether parameters fit the class table, if that is known.

        Raises:
            ParameterError: they do not.
        """
        if self._classes:
            selections(parameters, self._classes)

    def apply(self, parameters: CloudParameters) -> None:
        """Take over the parameters that may change at any time."""
        self._parameters = parameters
        self.topics.apply(parameters)
        self._select()

    def shut_down(self, timeout: float) -> bool:
        """Stop for good; nothing is ever in work elsewhere."""
        self.stop()
        return True

    def destroy(self) -> None:
        """Give up everything."""
        if self.inputs:
            self.stop()
            self.inputs.destroy()
        self._to_camera.destroy()
        self._to_target.destroy()
        self.outputs.destroy()

    def _is_needed(self) -> bool:
        return not self._parameters.lazy or bool(self.outputs.wanted())

    def _listen(self) -> None:
        self.statistics.restart()
        self.topics.open()

    def _look(self) -> None:
        self.topics.look()
        self._of_frames.tell(perf_counter())
        self._report_missing()

    def _let_go(self) -> None:
        if self.is_listening:
            self._logger.debug("all topics are let go of")
        self.topics.close()
        self._of_frames.end()
        self._of_topics.end()

    def _report_missing(self) -> None:
        now, timeout = perf_counter(), self._parameters.silence_timeout
        silent = {
            "no labels": (self.topics.labels, self.statistics.figures().silence),
            f"no {self.topics.range_name}": (self.topics.ranges, now - self.topics.last_range),
        }
        for kind, (subscription, silence) in silent.items():
            if 0 < timeout < silence:
                why = explain_silence(self._node, subscription)
                text = f"{kind} on {subscription.topic} for {silence:.0f} s: {why}"
                self._of_topics.report(kind, text, now)
            else:
                self._of_topics.end(kind)
        apart = self.topics.stamps_apart(now, PATIENCE)
        if apart and not any(0 < timeout < silence for _, silence in silent.values()):
            self._of_topics.report("no match", self._explain_stamps(*apart), now)
        else:
            self._of_topics.end("no match")

    def _explain_stamps(self, labels: float, ranges: float) -> str:
        name = self.topics.range_name
        return (
            f"no labels and {name} with stamps within slop ({self._parameters.slop:g} s) for "
            f"{PATIENCE:.0f} s: the newest labels are of {labels:.3f} s, the newest {name} of "
            f"{ranges:.3f} s, {abs(labels - ranges):.3f} s apart; give both drivers one clock or "
            "raise 'slop', and if labels take longer than max_label_delay "
            f"({self._parameters.max_label_delay:g} s), raise that"
        )

    def _on_classes(self, text: str) -> None:
        try:
            self._classes = from_json(text)
        except ValueError as error:
            self._of_topics.report("bad classes", f"{self.topics.classes.topic}: {error}", 0.0)
            return
        self._of_topics.end("bad classes")
        self._select()

    def _on_uncertain(self) -> None:
        topic = self.topics.confidence.topic
        self._refuse(
            MessageError(
                "no confidence",
                f"{topic} has publishers, but none for the stamps of the labels; with "
                "'use_confidence' false every label counts as certain",
            )
        )

    def _select(self) -> None:
        if self._classes is None:
            return
        try:
            self._selections = selections(self._parameters, self._classes)
            self._of_topics.end("unknown classes")
        except ParameterError as error:
            # Rather nothing than something else than was asked for.
            self._selections = {}
            self._of_topics.report("unknown classes", str(error), perf_counter())

    def _count(self, name: str, times: int = 1) -> None:
        if name == "received_labels":
            self.statistics.add_received(perf_counter())
        else:
            self.statistics.count(name, times=times)
        if name == "unmatched_labels":
            self.statistics.count("dropped")

    def _on_frame(self, labelled: Labelled, range_: Range, info: CameraInfo | None) -> None:
        begin = perf_counter()
        try:
            published = self._publish(labelled, range_, info)
        except MessageError as error:
            self._refuse(error)
            return
        except Exception as error:
            self.statistics.count("failed")
            self._logger.error(
                f"frame failed: {type(error).__name__}: {error}", throttle_duration_sec=LOG_PERIOD
            )
            return
        end = perf_counter()
        self._of_frames.end()
        self.statistics.count(*(f"{name}_published" for name in published))
        stamp = labelled.labels.header.stamp
        age = self._node.get_clock().now().nanoseconds / NANOSECONDS
        self.statistics.add_processed(
            FrameTimes(
                step=end - begin,
                overhead=0.0,
                from_receipt=end - labelled.arrival,
                from_stamp=age - stamp.sec - stamp.nanosec / NANOSECONDS,
            )
        )

    def _publish(self, labelled: Labelled, range_: Range, info: CameraInfo | None) -> list[str]:
        """Publish what is wanted, if the messages can be used; the names of it."""
        measured = check(labelled, range_, info, self._parameters.rectified, self._find_to_camera)
        if self._classes is None:
            topic = self.topics.classes.topic
            raise MessageError(
                "no classes", f"nobody says on {topic} what the labels mean; remap 'classes'"
            )
        wanted = self.outputs.wanted()
        if not wanted:
            return []
        points = self._projection.points(measured, self._classes, self._parameters.voxel_size)
        published = []
        if POINTS in wanted:
            self.outputs.publish_points(points)
            published.append(POINTS)
        target = self._parameters.target_frame
        return published + self.outputs.publish_selected(
            wanted, points, self._selections, target, self._find_to_target
        )

    def _refuse(self, error: MessageError) -> None:
        self.statistics.count("refused", f"refused_{_key(error.kind)}")
        patience = PATIENCE if error.kind in SLOW_TO_COME else 0.0
        self._of_frames.report(error.kind, str(error), perf_counter(), patience)

    def _find_to_camera(self, target: str, source: str, header: Header) -> Transform:
        return self._to_camera.find(target, source, header.stamp)

    def _find_to_target(self, target: str, source: str, header: Header) -> Transform:
        return self._to_target.find(target, source, header.stamp)


class SemanticCloudNode(ManagedNode[CloudParameters, CloudWork]):
    """Gives the points of a depth image or of a lidar the class of their pixel.

    Args:
        **options: of `rclpy.node.Node`.

    Raises:
        ParameterError: a parameter has a value that the node cannot start with.
    """

    def __init__(self, **options: Any) -> None:
        self._reported: Counter[str] = Counter()
        super().__init__("semantic_cloud_node", "semantic cloud", CloudParameters, **options)

    def _begin(self) -> CloudWork:
        self._reported = Counter()
        return CloudWork(self, self._settings)

    def _describe(self) -> str:
        assert self._work is not None
        topics = self._work.topics
        return (
            f"giving points of {topics.ranges.topic} (with {topics.infos.topic}) the classes of "
            f"{topics.labels.topic} (with {topics.classes.topic})"
        )

    def _work_statuses(self, work: CloudWork) -> list[DiagnosticStatus]:
        figures = work.statistics.figures()
        problems = [(ERROR, self._failure)] if self._failure else []
        state = "inactive"
        if work.is_listening:
            problems = find_problems(figures, self._reported, self._settings)
            problems += [(ERROR, text) for text in work.problems()]
            state = "publishing points"
        elif work.is_running:
            state = "resting, for nobody listens"
        self._reported = figures.counts
        return [
            make_status(
                self._status_name(),
                problems,
                state,
                figure_values(figures),
                hardware_id=work.topics.labels.topic,
            )
        ]


def _key(kind: str) -> str:
    """A kind of problem as the name of a counter."""
    return "_".join(kind.replace(",", " ").split())
