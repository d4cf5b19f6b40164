"""The segmentation node, as a managed node."""

from __future__ import annotations

from collections import Counter

from diagnostic_msgs.msg import DiagnosticStatus

from lmanet_core.checkpoint import checkpoint_hash
from lmanet_ros.messages.image_conversion import CONVERSION
from lmanet_ros.node.inference.network_loading import load_network
from lmanet_ros.node.managed_node import ManagedNode
from lmanet_ros.node.pipeline import Pipeline
from lmanet_ros.node.reporting.diagnostics import ERROR, figure_values, find_problems, make_status
from lmanet_ros.node.segmentation_parameters import NodeParameters


class SegmentationNode(ManagedNode[NodeParameters, Pipeline]):
    """Segments the images of cameras with a network that remembers the frames before.

    Unconfigured it has no network, inactive it does not listen to the cameras, active it segments.

    Raises:
        ParameterError: a parameter has a value that the node cannot start with.
    """

    def __init__(self) -> None:
        self._network_values: dict[str, str] = {}
        self._network_description = ""
        self._reported: dict[str, Counter[str]] = {}
        super().__init__("segmentation_node", "segmentation", NodeParameters)

    def _begin(self) -> Pipeline:
        network = load_network(self._settings)
        self._network_description = network.description
        self._network_values = {
            "network": network.name,
            "model_file": str(network.file.resolve()),
            # So that the file that was validated can be told from others.
            "model_hash": checkpoint_hash(network.file),
        }
        pipeline = Pipeline(self, network.segmenter, self._settings)
        self._reported = {name: Counter() for name in pipeline.cameras}
        return pipeline

    def _configure(self) -> None:
        super()._configure()
        assert self._work is not None
        self._work.warm_up()

    def _describe(self) -> str:
        assert self._work is not None
        cameras = self._work.cameras.values()
        topics = ", ".join(f"{camera.topic} (with {camera.info_topic})" for camera in cameras)
        return f"segmenting {topics} with {self._network_description}; {CONVERSION}"

    def _work_statuses(self, work: Pipeline) -> list[DiagnosticStatus]:
        single = len(work.cameras) == 1
        return [
            self._camera_status(work, camera, self._status_name("" if single else camera))
            for camera in work.cameras
        ]

    def _camera_status(self, work: Pipeline, camera: str, name: str) -> DiagnosticStatus:
        listener = work.cameras[camera]
        stream = listener.stream
        figures = stream.statistics.figures()
        problems = [(ERROR, self._failure)] if self._failure else []
        if listener.is_listening:
            problems = find_problems(figures, self._reported[camera], self._settings)
        self._reported[camera] = figures.counts
        backend = work.segmenter.backend
        state = "segmenting" if listener.is_listening else "inactive"
        if work.is_running and not listener.is_listening:
            state = "resting, for nobody listens"
        values = {
            **figure_values(figures),
            "memory_filled": stream.memory.filled,
            "memory_size": stream.memory.size,
            "work_size": "x".join(map(str, stream.memory.segmenter.network_size or ())),
            "backend": f"{backend.name} {backend.device} {backend.precision}",
            "local_attention": backend.attention,
            **self._network_values,
        }
        return make_status(name, problems, state, values, hardware_id=listener.topic)
