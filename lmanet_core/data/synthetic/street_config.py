"""What a street video is asked to be."""

from __future__ import annotations

from dataclasses import dataclass

from lmanet_core.program.settings import check_at_least

_SMALLEST_SIDE = 32


@dataclass(frozen=True)
class StreetConfig:
    """Size, rate and sensor of a street video. The defaults are a perfect sensor.

    Attributes:
        size: (width, height) in pixels.
        frame_rate: frames per second of street time.
        noise: standard deviation of the sensor noise, in grey levels of 0..255.
        flicker: standard deviation of the exposure gain from frame to frame; 0.1 is ten percent.
        motion_blur: 0..1, share of the frame interval that the shutter is open.
        occlusion_rate: mud, wipers and the like per second, each covering a part of the image for
            one to three frames. The labels remain those of the street behind.
        depth_noise: standard deviation of the depth at 10 m, in metres; it grows with the square of
            the distance, as with stereo cameras.
        depth_holes: 0..1, share of the depth image without a measurement, in patches; with any,
            the edges of things have none, either.
    """

    size: tuple[int, int] = (512, 256)
    frame_rate: float = 15.0
    noise: float = 0.0
    flicker: float = 0.0
    motion_blur: float = 0.0
    occlusion_rate: float = 0.0
    depth_noise: float = 0.0
    depth_holes: float = 0.0

    def __post_init__(self) -> None:
        if min(self.size) < _SMALLEST_SIDE:
            raise ValueError(
                f"size must be at least {_SMALLEST_SIDE}x{_SMALLEST_SIDE}, "
                f"got {self.size[0]}x{self.size[1]}"
            )
        if self.frame_rate <= 0:
            raise ValueError(f"frame_rate must be positive, got {self.frame_rate}")
        if not 0 <= self.motion_blur <= 1:
            raise ValueError(f"motion_blur must be in 0..1, got {self.motion_blur}")
        if not 0 <= self.depth_holes < 1:
            raise ValueError(f"depth_holes must be 0 or more and below 1, got {self.depth_holes}")
        check_at_least(
            0,
            noise=self.noise,
            flicker=self.flicker,
            occlusion_rate=self.occlusion_rate,
            depth_noise=self.depth_noise,
        )
