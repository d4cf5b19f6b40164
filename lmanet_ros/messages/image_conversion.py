"""Between ROS image messages and arrays, with whichever conversion library is installed."""

from __future__ import annotations

import re
import sys
from array import array
from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from importlib import metadata
from typing import Any

import cv2
import numpy as np
from rclpy.logging import get_logger
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from lmanet_ros.messages.message_error import MessageError


class ImageError(MessageError):
    """An image message cannot be used."""


@dataclass(frozen=True)
class _Layout:
    """How an encoding lays out its pixels in memory."""

    pixel_bytes: int
    sample_bytes: int = 1
    even_width: bool = False
    color_samples: float = 0
    """Samples per pixel of the colour plane that follows the brightness plane."""

    @property
    def even_height(self) -> bool:
        return self.color_samples == 0.5

    def rows(self, height: int) -> int:
        return height + round(height * self.color_samples)


_BAYER_PATTERNS = ("rggb", "bggr", "gbrg", "grbg")
_LAYOUTS = {
    "mono8": _Layout(1),
    "rgb8": _Layout(3),
    "bgr8": _Layout(3),
    "rgba8": _Layout(4),
    "bgra8": _Layout(4),
    "mono16": _Layout(2, sample_bytes=2),
    "rgb16": _Layout(6, sample_bytes=2),
    "bgr16": _Layout(6, sample_bytes=2),
    "rgba16": _Layout(8, sample_bytes=2),
    "bgra16": _Layout(8, sample_bytes=2),
    "yuv422": _Layout(2, even_width=True),
    "yuv422_yuy2": _Layout(2, even_width=True),
    "nv12": _Layout(1, even_width=True, color_samples=0.5),
    "nv21": _Layout(1, even_width=True, color_samples=0.5),
    "nv24": _Layout(1, color_samples=2),
    **{f"bayer_{pattern}8": _Layout(1) for pattern in _BAYER_PATTERNS},
    **{f"bayer_{pattern}16": _Layout(2, sample_bytes=2) for pattern in _BAYER_PATTERNS},
}
# Newer names of sensor_msgs that cv_bridge does not know, and types of OpenCV, which say nothing of
# colours: they are taken in OpenCV's own order.
_ALIASES = {"uyvy": "yuv422", "yuyv": "yuv422_yuy2", "8UC1": "mono8", "8UC3": "bgr8"}
# What drivers may mean by names that say too little to be taken for it.
_LIKELY = {"8UC4": "bgra8", "16UC1": "mono16", "16UC3": "bgr16", "16UC4": "bgra16"}

ENCODINGS = tuple(sorted({*_LAYOUTS, *_ALIASES}))
"""All encodings that can be converted."""
LABEL_ENCODINGS = ("mono8", "8UC1")
"""Encodings of images whose pixels are classes."""
_PNG_SIGNATURE, _PNG_END = b"\x89PNG\r\n\x1a\n", b"IEND"
_PNG_GREY_16 = bytes([16, 0])
"""Bits of a sample and type of colour, in the header of a PNG file."""
_JPEG_SIGNATURE = b"\xff\xd8"
_JPEG_END = 0xD9
# Neither one of those without content, nor a byte among the pixels, nor one that fills up.
_JPEG_MARKER = re.compile(rb"\xff([^\x00\x01\xd0-\xd7\xff])", re.DOTALL)
# What OpenCV calls samples that are distances, temperatures or the like, but no brightness.
_NO_PICTURE = re.compile(r"(8S|16U|16S|32S|32F|64F)C1|(8S|16S|32S|32F|64F)C\d")
# The grid of pixels is the camera's, as CameraInfo describes it, whichever way up people hold it.
_COLOR = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION


@dataclass(frozen=True)
class _PlainImage:
    """An image message without peculiarities: no padding, this machine's byte order."""

    encoding: str
    width: int
    height: int
    step: int
    data: np.ndarray
    is_bigendian: bool = sys.byteorder == "big"


def check(message: Image | CompressedImage) -> None:
    """Check that an image message is consistent, looking at its fields but not at its pixels.

    Raises:
        ImageError: no image of the form that the message claims can be in its data.
    """
    if isinstance(message, Image):
        _check_size(message)
        _check_bytes(message)
        return
    if _NO_PICTURE.fullmatch(encoding := _compressed_encoding(message)):
        raise _unknown_encoding(encoding)
    if not message.data:
        raise ImageError("no data", "expected the bytes of a JPEG or PNG file, got none")


def to_rgb(message: Image | CompressedImage) -> np.ndarray:
    """Convert an image message that passed `check`.

    Returns:
        (H, W, 3) uint8, RGB. May share memory with the message: read only.

    Raises:
        ImageError: compressed data cannot be decoded.
    """
    if isinstance(message, CompressedImage):
        _check_grey_levels(message)
        return cv2.cvtColor(_decode(message, _COLOR), cv2.COLOR_BGR2RGB)
    if message.encoding == "8UC3":
        get_logger("image_conversion").info("images of encoding 8UC3 are taken as bgr8", once=True)
    if _layout(message).color_samples:
        return _planes_to_rgb(message)
    return _convert(_plain(message))


def to_labels(message: Image | CompressedImage) -> np.ndarray:
    """Convert a message whose pixels are classes.

    Args:
        message: mono8 or 8UC1, or the same compressed as PNG.

    Returns:
        (H, W) uint8. May share memory with the message: read only.

    Raises:
        ImageError: the message is none of these, or not consistent.
    """
    if isinstance(message, CompressedImage):
        return _decode_labels(message)
    if message.encoding not in LABEL_ENCODINGS:
        raise ImageError(
            "no label encoding",
            f"expected {' or '.join(LABEL_ENCODINGS)}, got '{message.encoding}'",
        )
    size = message.step * message.height
    if message.step < message.width or not size == len(message.data) > 0:
        raise ImageError(
            "wrong data length",
            f"expected {message.height} rows of step {message.step} for {message.width} labels "
            f"each, got {len(message.data)} bytes",
        )
    return np.frombuffer(message.data, np.uint8).reshape(-1, message.step)[:, : message.width]


def from_array(picture: np.ndarray, header: Header) -> Image:
    """Make a message of a picture.

    Args:
        picture: (H, W) uint8 becomes mono8; (H, W, 3) uint8, RGB, becomes rgb8.
        header: taken over as it is.
    """
    height, width = picture.shape[:2]
    message = Image(header=header, height=height, width=width, step=picture.size // height)
    message.encoding = "mono8" if picture.ndim == 2 else "rgb8"
    # rclpy checks every single element of anything but an array('B').
    message.data = array("B")
    message.data.frombytes(np.ascontiguousarray(picture).data)
    return message


def compressed_from_array(
    picture: np.ndarray, header: Header, form: str, quality: int = 95
) -> CompressedImage:
    """Make a compressed message of a picture, as image_transport does.

    Args:
        picture: (H, W, 3) uint8, RGB.
        header: taken over as it is.
        form: 'png' or 'jpeg'.
        quality: of JPEG, 1..100.
    """
    options = [cv2.IMWRITE_JPEG_QUALITY, quality] if form == "jpeg" else []
    _, data = cv2.imencode(f".{form}", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), options)
    message = CompressedImage(header=header, format=f"rgb8; {form} compressed bgr8")
    message.data = array("B")
    message.data.frombytes(data.data)
    return message


def _layout(message: Image) -> _Layout:
    return _LAYOUTS[_ALIASES.get(message.encoding, message.encoding)]


def _check_size(message: Image) -> None:
    if message.encoding not in ENCODINGS:
        raise _unknown_encoding(message.encoding)
    layout, size = _layout(message), f"{message.width}x{message.height}"
    if message.width == 0 or message.height == 0:
        raise ImageError("zero size", f"expected at least 1x1 pixels, got {size}")
    if layout.even_width and message.width % 2:
        raise ImageError("odd size", f"{message.encoding} needs an even width, got {size}")
    if layout.even_height and message.height % 2:
        raise ImageError("odd size", f"{message.encoding} needs an even height, got {size}")


def _unknown_encoding(encoding: str) -> ImageError:
    return ImageError(
        "unknown encoding",
        f"expected one of {', '.join(ENCODINGS)}, got '{encoding}'{_proposal(encoding)}",
    )


def _compressed_encoding(message: CompressedImage) -> str:
    """What was compressed, if the format says so as image_transport does: 'rgb8; jpeg ...'."""
    encoding, separator, _ = message.format.partition(";")
    return encoding.strip() if separator else ""


def _proposal(encoding: str) -> str:
    """The encoding that was likely meant, for the end of an error message."""
    close = get_close_matches(encoding.lower(), ENCODINGS, n=1)
    likely = _LIKELY.get(encoding, close[0] if close else "")
    return f"; should the driver say '{likely}'?" if likely else ""


def _check_bytes(message: Image) -> None:
    layout = _layout(message)
    row_bytes = message.width * layout.pixel_bytes
    if message.step < row_bytes:
        raise ImageError(
            "wrong step",
            f"a row of {message.width} pixels of {message.encoding} has {row_bytes} bytes, "
            f"expected at least that, got step {message.step}",
        )
    expected = message.step * layout.rows(message.height)
    if len(message.data) != expected:
        raise ImageError(
            "wrong data length",
            f"expected {expected} bytes ({layout.rows(message.height)} rows of step "
            f"{message.step}), got {len(message.data)}",
        )


def _plain(message: Image) -> _PlainImage:
    """Undo padding and foreign byte order, which not every conversion library does."""
    layout = _layout(message)
    row_bytes = message.width * layout.pixel_bytes
    rows = np.frombuffer(message.data, np.uint8).reshape(-1, message.step)
    data: np.ndarray = np.ascontiguousarray(rows[:, :row_bytes])
    if layout.sample_bytes == 2 and bool(message.is_bigendian) != (sys.byteorder == "big"):
        data = data.view(np.uint16).byteswap()
    encoding = _ALIASES.get(message.encoding, message.encoding)
    return _PlainImage(encoding, message.width, message.height, row_bytes, data)


def _planes_to_rgb(message: Image) -> np.ndarray:
    """Convert a plane of brightness, followed by one with two colours in turns."""
    # Conversion libraries do not know all of these.
    width, height, step = message.width, message.height, message.step
    planes = np.frombuffer(message.data, np.uint8).reshape(-1, step)
    if message.encoding != "nv24":
        code = {"nv12": cv2.COLOR_YUV2RGB_NV12, "nv21": cv2.COLOR_YUV2RGB_NV21}[message.encoding]
        return cv2.cvtColor(np.ascontiguousarray(planes[:, :width]), code)
    # Colours for each pixel, in rows of twice the step: as nv12 that is an image of twice the size.
    brightness = planes[:height, :width].repeat(2, axis=0).repeat(2, axis=1)
    colors = planes[height:].reshape(height, 2 * step)[:, : 2 * width]
    double = cv2.cvtColor(np.vstack([brightness, colors]), cv2.COLOR_YUV2RGB_NV12)
    return np.ascontiguousarray(double[::2, ::2])


def _decode_labels(message: CompressedImage) -> np.ndarray:
    labels = _decode(message, cv2.IMREAD_UNCHANGED)
    # Other files are decoded, too, but their values need not be what was compressed.
    is_png = bytes(message.data[: len(_PNG_SIGNATURE)]) == _PNG_SIGNATURE
    if not is_png or labels.ndim != 2 or labels.dtype != np.uint8:
        kind = "PNG" if is_png else "no PNG"
        raise ImageError(
            "no label encoding",
            f"expected PNG with a byte per pixel, got {kind}, {labels.dtype} {labels.shape}",
        )
    return labels


def _check_grey_levels(message: CompressedImage) -> None:
    """Refuse what looks like depth, which has as many levels as brightness may have."""
    place = len(_PNG_SIGNATURE) + 16
    is_png = bytes(message.data[: len(_PNG_SIGNATURE)]) == _PNG_SIGNATURE
    is_deep = is_png and bytes(message.data[place : place + 2]) == _PNG_GREY_16
    if is_deep and _compressed_encoding(message) not in ENCODINGS:
        raise ImageError(
            "unknown encoding",
            f"got a PNG of one channel with 16 bits, as depth has it, of format '{message.format}';"
            " if it is brightness, the driver should say 'mono16; png compressed'",
        )


def _decode(message: CompressedImage, form: int) -> np.ndarray:
    """What OpenCV makes of it; `form` is one of its IMREAD constants."""
    # Some releases of OpenCV fill what is missing with grey.
    if not _is_whole(bytes(message.data)):
        raise ImageError(
            "undecodable", f"the end of the picture is not in its {len(message.data)} bytes"
        )
    # Not with the conversion libraries: they call the same function, and then fail on grey images.
    try:
        picture = cv2.imdecode(np.frombuffer(message.data, np.uint8), form)
    except cv2.error:
        picture = None
    if picture is None:
        raise ImageError(
            "undecodable",
            f"expected a whole JPEG or PNG file, got {len(message.data)} bytes that are none "
            f"(format '{message.format}')",
        )
    return picture


def _is_whole(data: bytes) -> bool:
    """Whether the end of a picture is there; True also for what is neither JPEG nor PNG."""
    if data.startswith(_PNG_SIGNATURE):
        return _PNG_END in data
    return not data.startswith(_JPEG_SIGNATURE) or _has_jpeg_end(data)


def _has_jpeg_end(data: bytes) -> bool:
    """Whether a JPEG file has an end of its own; its thumbnail has one, too."""
    place = len(_JPEG_SIGNATURE)
    # As libjpeg does it, whatever lies between two markers.
    while match := _JPEG_MARKER.search(data, place):
        (marker,) = match[1]
        if marker == _JPEG_END:
            return True
        place = match.end()
        # The length of what follows, that of its own two bytes included.
        place += int.from_bytes(data[place : place + 2], "big")
    return False


def _convert_with_opencv(image: _PlainImage) -> np.ndarray:
    """What cv_bridge does, which knows the same encodings."""
    layout = _LAYOUTS[image.encoding]
    pixels: np.ndarray = image.data
    if layout.sample_bytes == 2:
        pixels = np.multiply(pixels.view(np.uint16), 1 / 257).astype(np.uint8)
    pixels = pixels.reshape(image.height, image.width, -1)
    code = _TO_RGB[image.encoding.removesuffix("16").removesuffix("8")]
    return pixels if code is None else cv2.cvtColor(pixels, code)


_TO_RGB = {
    "mono": cv2.COLOR_GRAY2RGB,
    "rgb": None,
    "bgr": cv2.COLOR_BGR2RGB,
    "rgba": cv2.COLOR_RGBA2RGB,
    "bgra": cv2.COLOR_BGRA2RGB,
    "yuv422": cv2.COLOR_YUV2RGB_UYVY,
    "yuv422_yuy2": cv2.COLOR_YUV2RGB_YUYV,
    # OpenCV calls a pattern by the second row's second and third pixel.
    "bayer_rggb": cv2.COLOR_BayerBG2RGB,
    "bayer_bggr": cv2.COLOR_BayerRG2RGB,
    "bayer_gbrg": cv2.COLOR_BayerGR2RGB,
    "bayer_grbg": cv2.COLOR_BayerGB2RGB,
}


def _load_converter() -> tuple[Callable[[Any], np.ndarray], str]:
    """cv_bridge where ROS 2 brought one that works, otherwise OpenCV; and that in words."""
    try:
        # PyPI's cv-bridge 1.13 is ROS 1's; ROS 2 began with 2.0.
        if int(metadata.version("cv_bridge").partition(".")[0]) < 2:
            return _convert_with_opencv, "images converted by OpenCV"
        import cv_bridge.boost.cv_bridge_boost  # noqa: F401
        from cv_bridge import CvBridge

        bridge = CvBridge()
    except metadata.PackageNotFoundError:
        return _convert_with_opencv, "images converted by OpenCV"
    except Exception as error:
        # Compiled against another NumPy than the one installed it raises this or that.
        reason = str(error).partition("\n")[0]
        return _convert_with_opencv, (
            f"images converted by OpenCV, for cv_bridge cannot be imported ({reason}); "
            "to have it, install the NumPy that it was built for: pip install 'numpy<2'"
        )
    return lambda image: bridge.imgmsg_to_cv2(image, "rgb8"), "images converted by cv_bridge"


_convert, CONVERSION = _load_converter()
