"""How steady labels are from frame to frame, in two measures."""

from __future__ import annotations

import cv2
import numpy as np

from lmanet_core.evaluation.accumulator import Ratio
from lmanet_core.evaluation.optical_flow import OpticalFlow, look_up
from lmanet_core.network.classes import IGNORE_LABEL


class TemporalConsistency:
    """Share of the pixels whose label follows the motion of the image; needs no truth.

    The labels of each frame are compared with those of the frame before, moved along the optical
    flow (OpenCV's DIS). Pixels that came into view, where forward and backward flow disagree, do
    not count. A network that labels everything alike is perfectly consistent, so the figure means
    something beside mIoU only.
    """

    def __init__(self) -> None:
        self._flow = OpticalFlow()
        self._before: tuple[np.ndarray, np.ndarray] | None = None
        self._agreeing = 0
        self._visible = 0

    def begin_video(self) -> None:
        """Begin a new video: its first frame is not compared with the last one before."""
        self._before = None

    def update(self, image: np.ndarray, labels: np.ndarray) -> float | None:
        """Add the next frame of the video.

        Args:
            image: (H, W, 3) uint8, RGB.
            labels: (H, W) uint8, as predicted.

        Returns:
            0..1, of this frame alone; None without a frame before it.
        """
        share = None
        grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
        if self._before is not None:
            grey_before, labels_before = self._before
            places, visible = self._flow.trace(grey, grey_before)
            moved = look_up(labels_before, places, cv2.INTER_NEAREST)
            visible_here = int(visible.sum())
            agreeing_here = int((visible & (moved == labels)).sum())
            self._visible += visible_here
            self._agreeing += agreeing_here
            share = agreeing_here / visible_here if visible_here else None
        self._before = (grey, labels)
        return share

    @property
    def ratio(self) -> Ratio:
        """Pixels whose labels agree, out of the visible ones, over all pairs of frames."""
        return Ratio(self._agreeing, self._visible)


class VideoConsistency:
    """VC_n: of the pixels whose true label stays the same over n frames, the share that is
    predicted right in all n; over all runs of n consecutive frames that have labels.

    Source: Miao et al., "VSPW: A Large-scale Dataset for Video Scene Parsing in the Wild",
    CVPR 2021.
    """

    def __init__(self, frames: int) -> None:
        self._frames = frames
        self._true_before: np.ndarray | None = None
        # For each pixel: since how many frames its truth is the same, and it is also found.
        self._constant = self._found = np.zeros(0, np.int32)
        self._shares: list[float] = []

    def begin_video(self) -> None:
        """Begin a new video: its first frame is not compared with the last one before."""
        self._true_before = None

    def update(self, predicted: np.ndarray, true: np.ndarray | None) -> None:
        """Add the next frame of the video, (H, W) uint8 both; no truth ends a run of frames."""
        if true is None:
            self.begin_video()
            return
        if self._true_before is None:
            self._constant = self._found = np.zeros(true.shape, np.int32)
            self._true_before = true
        same = true == self._true_before
        counts = true != IGNORE_LABEL
        self._constant = np.where(counts, self._constant * same + 1, 0)
        self._found = np.where(counts & (predicted == true), self._found * same + 1, 0)
        self._true_before = true
        constant = int((self._constant >= self._frames).sum())
        if constant:
            found = int((self._found >= self._frames).sum())
            self._shares.append(found / constant)

    @property
    def ratio(self) -> Ratio:
        """Sum of the shares of all runs of n frames, and their number."""
        return Ratio(sum(self._shares), len(self._shares))
