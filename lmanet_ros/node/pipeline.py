"""What is there while the node is configured: cameras, worker and the network they share."""

from __future__ import annotations

from rclpy.node import Node

from lmanet_core import ClassTable, VideoSegmenter
from lmanet_ros.node.arrival.camera import Camera, camera_names
from lmanet_ros.node.inference.continuous_memory import ContinuousMemory
from lmanet_ros.node.inference.stream import Stream
from lmanet_ros.node.inference.worker import FrameWorker
from lmanet_ros.node.parameter_fields import ParameterError
from lmanet_ros.node.publishing.class_topics import ClassTopics
from lmanet_ros.node.publishing.image_outputs import ImageOutputs
from lmanet_ros.node.reporting.frame_statistics import FrameStatistics
from lmanet_ros.node.segmentation_parameters import NodeParameters, parse_palette

CLEANUP_TIMEOUT = 1.0
"""Seconds that a frame in work may take when the network is to be given up."""


class Pipeline:
    """Cameras that share one network and one worker; made without listening to any camera.

    Args:
        node: the node that publishes and subscribes.
        segmenter: the network; each camera gets a memory of its own.
        parameters: parameters of the node.

    Raises:
        ParameterError: a parameter does not fit the network, or ROS.
    """

    def __init__(
        self,
        node: Node,
        segmenter: VideoSegmenter,
        parameters: NodeParameters,
    ) -> None:
        self.cameras: dict[str, Camera] = {}
        self.is_running = False
        self.segmenter = segmenter
        self._node = node
        self._own_classes = segmenter.classes
        self._published_classes: tuple[ClassTable, float] | None = None
        self._worker = FrameWorker(_max_batch(segmenter, parameters))
        self._class_topics = ClassTopics(node)
        try:
            self._add_cameras(parameters)
            self.apply(parameters)
        except BaseException:
            self.destroy()
            raise

    def warm_up(self) -> None:
        """Run the network once, in the worker's thread, which runs it from then on."""
        self._worker.start(self.segmenter.warm_up)

    def recolored(self, palette: str) -> ClassTable:
        """The network's classes in the colours of a parameter `palette`.

        Raises:
            ParameterError: it names a class that the network does not know.
        """
        try:
            return self._own_classes.recolored(parse_palette(palette))
        except ValueError as error:
            raise ParameterError(f"parameter 'palette': {error}") from None

    def check(self, parameters: NodeParameters) -> None:
        """See whether parameters that may change at any time fit the network.

        Raises:
            ParameterError: they do not.
        """
        self.recolored(parameters.palette)

    def apply(self, parameters: NodeParameters) -> None:
        """Take over the parameters that may change at any time."""
        classes = self.recolored(parameters.palette)
        announced = (classes, parameters.min_confidence)
        if announced != self._published_classes:
            self._published_classes = announced
            self._class_topics.publish(*announced)
        for camera in self.cameras.values():
            camera.apply(parameters)
            camera.stream.apply(parameters, classes)

    def start(self) -> None:
        """Listen to the cameras.

        Raises:
            ParameterError: an override of the quality of service has no sense.
        """
        try:
            for camera in self.cameras.values():
                camera.start()
        except Exception:
            self.stop()
            raise
        self.is_running = True

    def watch(self) -> None:
        """See to the cameras' topics; do this now and then."""
        for camera in self.cameras.values():
            camera.watch()

    def stop(self) -> None:
        """Let go of the cameras and forget what they showed; the network stays."""
        self.is_running = False
        for camera in self.cameras.values():
            camera.stop()
            # Also for what the network still works on.
            camera.stream.memory.request_reset("the node was inactive")
        self._worker.discard()

    def destroy(self) -> None:
        """Give up everything, the network included."""
        self.shut_down(CLEANUP_TIMEOUT)
        for camera in self.cameras.values():
            camera.destroy()
        self._class_topics.destroy()
        self.cameras = {}

    def shut_down(self, timeout: float) -> bool:
        """Stop for good; False if the current frame is not done after `timeout` seconds."""
        self.stop()
        return self._worker.stop(timeout)

    def _add_cameras(self, parameters: NodeParameters) -> None:
        topics = parameters.image_topics
        names = camera_names(topics)
        if len(set(names)) < len(names):
            raise ParameterError(
                f"parameter 'image_topics': {list(topics)} cannot be told apart in the names of "
                f"their outputs: {names}"
            )
        for topic, name in zip(topics, names, strict=True):
            is_only = len(topics) == 1
            prefix = "~" if is_only else f"~/{name}"
            logger = self._node.get_logger()
            if not is_only:
                logger = logger.get_child(name.replace("/", "."))
            # The network brings a memory along.
            segmenter = self.segmenter.new_stream() if self.cameras else self.segmenter
            statistics = FrameStatistics()
            stream = Stream(
                ContinuousMemory(segmenter, statistics, logger, len(topics), parameters),
                statistics,
                ImageOutputs(self._node, prefix, self._own_classes, parameters),
                logger,
                self._node.get_clock(),
            )
            self.cameras[name] = Camera(
                self._node, topic, prefix, stream, self._worker.submit, parameters
            )
        self._check_loops()

    def _check_loops(self) -> None:
        """See that the node does not answer its own answers, without end."""
        cameras = self.cameras.values()
        outputs = {topic for camera in cameras for topic in camera.stream.outputs.topics}
        heard = {topic for camera in cameras for topic in (camera.topic, camera.info_topic)}
        if loops := sorted(outputs & heard):
            raise ParameterError(
                "parameter 'image_topics': expected topics of cameras, but this node publishes "
                f"{', '.join(loops)} itself; choose another topic or remap one of both"
            )


def _max_batch(segmenter: VideoSegmenter, parameters: NodeParameters) -> int:
    """Cameras whose frames go through the network at once."""
    if not segmenter.backend.batches:
        return 1
    # A CPU is busy with one frame: it gains nothing, and the first camera waits for the last.
    gains = segmenter.backend.device.startswith("cuda")
    return parameters.max_batch or (len(parameters.image_topics) if gains else 1)
