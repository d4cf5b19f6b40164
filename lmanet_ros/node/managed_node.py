"""A managed node: lifecycle, parameters and diagnostics, whatever the node is for."""

from __future__ import annotations

import gc
import sys
from abc import abstractmethod
from collections.abc import Callable
from typing import Any, Generic, Protocol, TypeVar

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rcl_interfaces.msg import SetParametersResult
from rclpy.clock import Clock, ClockType
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.parameter import Parameter

from lmanet_ros.node.bond import ManagerBond
from lmanet_ros.node.common_parameters import CommonParameters
from lmanet_ros.node.parameter_fields import (
    ParameterError,
    changed_parameters,
    declare,
    find_unknown,
    read,
)
from lmanet_ros.node.reporting.diagnostics import ERROR, make_status
from lmanet_ros.node.resilience import answer_all_requests
from lmanet_ros.ros_releases import watch_parameters

WATCH_PERIOD = 0.5
"""Seconds between two looks at who publishes and who subscribes."""


class StartError(RuntimeError):
    """The node cannot start; the message says why."""


class Work(Protocol):
    """What is there from configure to cleanup."""

    @property
    def is_running(self) -> bool:
        """Whether it listens, or would if there were need."""

    def check(self, parameters: Any) -> None:
        """See whether it could take over parameters that may change at any time.

        Raises:
            ParameterError: it could not.
        """

    def apply(self, parameters: Any) -> None:
        """Take over the parameters that may change at any time."""

    def start(self) -> None:
        """Listen."""

    def watch(self) -> None:
        """See to the topics; this is done now and then while it listens."""

    def stop(self) -> None:
        """Listen no more; nothing is published from now on."""

    def shut_down(self, timeout: float) -> bool:
        """Stop for good; False if what is in work is not done after `timeout` seconds."""

    def destroy(self) -> None:
        """Give up everything."""


W = TypeVar("W", bound=Work)
P = TypeVar("P", bound=CommonParameters)


class ManagedNode(LifecycleNode, Generic[P, W]):
    """A node with parameters, states and diagnostics, and some work that it does while active.

    Unconfigured it has nothing but its parameters, inactive its outputs, active it listens.

    Args:
        name: of the node.
        subject: what its diagnostics are about, in a word.
        kind: dataclass of its parameters.
        **options: of `rclpy.node.Node`.

    Raises:
        ParameterError: a parameter has a value that the node cannot start with.
    """

    def __init__(self, name: str, subject: str, kind: type[P], **options: Any) -> None:
        super().__init__(name, **options)
        answer_all_requests(self)
        self._subject = subject
        self._kind = kind
        self._settings = declare(self, kind)
        watch_parameters(self, self._check_parameters, self._apply_parameters)
        self._work: W | None = None
        self._bond = ManagerBond(self)
        self._failure = ""
        self._diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", 10)
        # In real time, whatever simulated time does.
        self._report_timer = self.create_timer(
            1 / self._settings.diagnostics_rate,
            self._report,
            clock=Clock(clock_type=ClockType.STEADY_TIME),
        )
        self.create_timer(WATCH_PERIOD, self._watch, clock=Clock(clock_type=ClockType.STEADY_TIME))

    @abstractmethod
    def _begin(self) -> W:
        """Make all that is needed, without listening to anything.

        Raises:
            ParameterError: a parameter has no sense.
        """

    @abstractmethod
    def _describe(self) -> str:
        """What the node does now that it is active, for the log."""

    @abstractmethod
    def _work_statuses(self, work: W) -> list[DiagnosticStatus]:
        """The state of what is there, which may be inactive."""

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
        """Finish what is in work; False if that is not done after `timeout` seconds."""
        return self._work is None or self._work.shut_down(timeout)

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Make all that is needed, offer all topics but those that are listened to."""
        result = self._attempt("configure", self._configure)
        if result != TransitionCallbackReturn.SUCCESS:
            self._clean_up()
        return result

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Listen."""
        result = self._attempt("activate", self._activate)
        if result == TransitionCallbackReturn.SUCCESS and not self._settings.autostart:
            self._bond.form()
        return result

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Listen no more; nothing is published from now on."""
        self._bond.dissolve()
        if self._work:
            self._work.stop()
        return TransitionCallbackReturn.SUCCESS

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Give everything up."""
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
        if self._work:
            self._work.destroy()
        self._work = None
        _free_memory()

    def _configure(self) -> None:
        self._work = self._begin()
        # Only now: topics declare parameters, too.
        for problem in find_unknown(self):
            self.get_logger().warning(problem)

    def _activate(self) -> None:
        assert self._work is not None
        self._work.start()
        self.get_logger().info(self._describe())

    def _watch(self) -> None:
        if self._work and self._work.is_running:
            self._work.watch()

    def _check_parameters(self, changes: list[Parameter]) -> SetParametersResult:
        try:
            parameters = changed_parameters(
                self, self._kind, changes, configured=self._work is not None
            )
            if self._work:
                self._work.check(parameters)
        except ParameterError as error:
            return SetParametersResult(successful=False, reason=str(error))
        return SetParametersResult(successful=True)

    def _apply_parameters(self) -> None:
        before, self._settings = self._settings, read(self, self._kind)
        if self._settings == before:
            return
        if self._settings.diagnostics_rate != before.diagnostics_rate:
            self._report_timer.timer_period_ns = round(1e9 / self._settings.diagnostics_rate)
            # Without it the new period begins when the old one has ended.
            self._report_timer.reset()
        if self._work:
            self._work.apply(self._settings)

    def _report(self) -> None:
        message = DiagnosticArray(status=self._statuses())
        message.header.stamp = self.get_clock().now().to_msg()
        self._diagnostics.publish(message)

    def _statuses(self) -> list[DiagnosticStatus]:
        if self._work is None:
            problems = [(ERROR, self._failure)] if self._failure else []
            return [make_status(self._status_name(), problems, "not configured", {})]
        return self._work_statuses(self._work)

    def _status_name(self, part: str = "") -> str:
        return f"{self.get_fully_qualified_name()}: {part or self._subject}"


def _free_memory() -> None:
    """Hand back what nobody refers to any more."""
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        torch.cuda.empty_cache()
