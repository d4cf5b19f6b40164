"""The managed node: lifecycle, parameters and diagnostics."""

from __future__ import annotations

import gc
import sys
from collections import Counter
from collections.abc import Callable

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rcl_interfaces.msg import SetParametersResult
from rclpy.clock import Clock, ClockType
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.parameter import Parameter

from lmanet_core.checkpoint import checkpoint_hash
from lmanet_ros.messages.image_conversion import CONVERSION
from lmanet_ros.node.bond import ManagerBond
from lmanet_ros.node.inference.network import load_network
from lmanet_ros.node.parameters import (
    ParameterError,
    changed_parameters,
    declare_parameters,
    find_unknown,
    read_parameters,
)
from lmanet_ros.node.pipeline import Pipeline
from lmanet_ros.node.reporting.diagnostics import ERROR, figure_values, find_problems, make_status
from lmanet_ros.node.resilience import answer_all_requests
from lmanet_ros.ros_releases import watch_parameters

WATCH_PERIOD = 0.5
"""Seconds between two looks at who publishes and who subscribes."""


class StartError(RuntimeError):
    """The node cannot start; the message says why."""


class SegmentationNode(LifecycleNode):
    """Segments the images of cameras with a network that remembers the frames before.

    Unconfigured it has no network, inactive it does not listen to the cameras, active it segments.

    Raises:
        ParameterError: a parameter has a value that the node cannot start with.
    """

    def __init__(self) -> None:
        super().__init__("segmentation_node")
        answer_all_requests(self)
        self._settings = declare_parameters(self)
        watch_parameters(self, self._check_parameters, self._apply_parameters)
        self._pipeline: Pipeline | None = None
        self._network = ""
        self._bond = ManagerBond(self)
        self._model_hash = ""
        self._failure = ""
        self._reported: dict[str, Counter[str]] = {}
        self._diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", 10)
        # In real time, whatever simulated time does.
        self._report_timer = self.create_timer(
            1 / self._settings.diagnostics_rate,
            self._report,
            clock=Clock(clock_type=ClockType.STEADY_TIME),
        )
        self.create_timer(WATCH_PERIOD, self._watch, clock=Clock(clock_type=ClockType.STEADY_TIME))

    def start(self) -> None:
        """Configure and activate the node, if the parameter `autostart` says so.

        Raises:
            StartError: that fails.
        """
        if not self._settings.autostart:
            self.get_logger().info("waiting to be configured and activated")
            return
        for transition in (self.trigger_configure, self.trigger_activate):
            if transition() != TransitionCallbackReturn.SUCCESS:
                raise StartError(self._failure)

    def stop(self, timeout: float) -> bool:
        """Finish the current frame; False if that is not done after `timeout` seconds."""
        return self._pipeline is None or self._pipeline.shut_down(timeout)

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Load the network and warm it up, offer all topics but those of the cameras."""
        result = self._attempt("configure", self._configure)
        if result != TransitionCallbackReturn.SUCCESS:
            self._clean_up()
        return result

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Listen to the cameras."""
        result = self._attempt("activate", self._activate)
        if result == TransitionCallbackReturn.SUCCESS and not self._settings.autostart:
            self._bond.form()
        return result

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Let go of the cameras; nothing is published from now on."""
        self._bond.dissolve()
        if self._pipeline:
            self._pipeline.stop()
        return TransitionCallbackReturn.SUCCESS

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Give up the network."""
        self._clean_up()
        return TransitionCallbackReturn.SUCCESS

    on_shutdown = on_cleanup
    on_error = on_cleanup

    def _attempt(self, what: str, action: Callable[[], None]) -> TransitionCallbackReturn:
        self._failure = ""
        try:
            action()
        except ParameterError as error:
            self._failure = str(error)
        except Exception as error:
            # Left to itself, rclpy would keep the reason a secret.
            self._failure = f"{type(error).__name__}: {error}"
        if self._failure:
            self.get_logger().error(f"cannot {what}: {self._failure}")
            return TransitionCallbackReturn.FAILURE
        return TransitionCallbackReturn.SUCCESS

    def _clean_up(self) -> None:
        self._bond.dissolve()
        if self._pipeline:
            self._pipeline.destroy()
        self._pipeline = None
        _free_memory()

    def _configure(self) -> None:
        segmenter, self._network = load_network(self._settings)
        # Of the file that runs, so that the one that was validated can be told from others.
        self._model_hash = checkpoint_hash(
            self._settings.engine or self._settings.checkpoint or None
        )
        self._pipeline = Pipeline(self, segmenter, self._settings)
        self._reported = {name: Counter() for name in self._pipeline.cameras}
        # Only now: cameras and outputs declare parameters, too.
        for problem in find_unknown(self):
            self.get_logger().warning(problem)
        self._pipeline.warm_up()

    def _activate(self) -> None:
        assert self._pipeline is not None
        self._pipeline.start()
        cameras = self._pipeline.cameras.values()
        topics = ", ".join(f"{camera.topic} (with {camera.info_topic})" for camera in cameras)
        self.get_logger().info(f"segmenting {topics} with {self._network}; {CONVERSION}")

    def _watch(self) -> None:
        if self._pipeline and self._pipeline.is_running:
            self._pipeline.watch()

    def _check_parameters(self, changes: list[Parameter]) -> SetParametersResult:
        try:
            parameters = changed_parameters(
                self._settings, changes, configured=self._pipeline is not None
            )
            if self._pipeline:
                self._pipeline.recolored(parameters.palette)
        except ParameterError as error:
            return SetParametersResult(successful=False, reason=str(error))
        return SetParametersResult(successful=True)

    def _apply_parameters(self) -> None:
        before, self._settings = self._settings, read_parameters(self)
        if self._settings == before:
            return
        if self._settings.diagnostics_rate != before.diagnostics_rate:
            self._report_timer.timer_period_ns = round(1e9 / self._settings.diagnostics_rate)
            # Without it the new period begins when the old one has ended.
            self._report_timer.reset()
        if self._pipeline:
            self._pipeline.apply(self._settings)

    def _report(self) -> None:
        message = DiagnosticArray(status=self._statuses())
        message.header.stamp = self.get_clock().now().to_msg()
        self._diagnostics.publish(message)

    def _statuses(self) -> list[DiagnosticStatus]:
        name = self.get_fully_qualified_name()
        if self._pipeline is None:
            problems = [(ERROR, self._failure)] if self._failure else []
            return [make_status(f"{name}: segmentation", problems, "not configured", {})]
        single = len(self._pipeline.cameras) == 1
        return [
            self._camera_status(f"{name}: {'segmentation' if single else camera}", camera)
            for camera in self._pipeline.cameras
        ]

    def _camera_status(self, name: str, camera: str) -> DiagnosticStatus:
        assert self._pipeline is not None
        listener = self._pipeline.cameras[camera]
        stream = listener.stream
        figures = stream.statistics.figures()
        problems = [(ERROR, self._failure)] if self._failure else []
        if listener.is_listening:
            problems = find_problems(figures, self._reported[camera], self._settings)
        self._reported[camera] = figures.counts
        segmenter = self._pipeline.segmenter
        state = "segmenting" if listener.is_listening else "inactive"
        if self._pipeline.is_running and not listener.is_listening:
            state = "resting, for nobody listens"
        values = {
            **figure_values(figures),
            "memory_filled": stream.memory_filled,
            "memory_size": stream.memory_size,
            "work_size": "x".join(map(str, stream.segmenter.network_size or ())),
            "backend": f"{segmenter.backend} {segmenter.device} {segmenter.precision}",
            "local_attention": segmenter.attention,
            "model_hash": self._model_hash,
        }
        return make_status(name, problems, state, values, hardware_id=listener.topic)


def _free_memory() -> None:
    """Hand back what nobody refers to any more."""
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        torch.cuda.empty_cache()
