"""Image messages and arrays: every encoding, padding, byte order, and what is refused."""

import io
import subprocess
import sys
from array import array

import cv2
import numpy as np
import PIL.Image
import pytest
from picture_encoding import encoded_message, gray
from ros_harness import image_message, pixels
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from lmanet_ros.messages.image_conversion import (
    ENCODINGS,
    ImageError,
    check,
    from_array,
    to_labels,
    to_rgb,
)

WIDTH, HEIGHT = 32, 16
EXACT, YUV_ROUNDING = 0, 6


@pytest.fixture(scope="module")
def picture() -> np.ndarray:
    """Two saturated halves: a wrong channel order or Bayer pattern shows, and YUV loses little."""
    picture = np.empty((HEIGHT, WIDTH, 3), np.uint8)
    picture[:, : WIDTH // 2] = (220, 120, 40)
    picture[:, WIDTH // 2 :] = (20, 90, 200)
    return picture


def expected(picture: np.ndarray, encoding: str) -> tuple[np.ndarray, int]:
    """What comes out, and by how much it may differ."""
    if encoding.startswith(("mono", "8UC1")):
        return gray(picture), EXACT
    is_yuv = encoding.startswith(("yu", "uy", "nv"))
    return picture, YUV_ROUNDING if is_yuv else EXACT


def assert_same(result: np.ndarray, wanted: np.ndarray, tolerance: int) -> None:
    assert result.shape == wanted.shape
    assert result.dtype == np.uint8
    # Where colours meet and at the border, Bayer and YUV have no full information.
    for columns in (slice(2, WIDTH // 2 - 2), slice(WIDTH // 2 + 2, -2)):
        difference = result[2:-2, columns].astype(int) - wanted[2:-2, columns]
        assert np.abs(difference).max() <= tolerance


@pytest.mark.parametrize("padding", [0, 8])
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_every_encoding_becomes_rgb(picture, encoding, padding):
    message = encoded_message(picture, encoding, padding=padding)
    assert_same(convert(message), *expected(picture, encoding))


@pytest.mark.parametrize("encoding", [name for name in ENCODINGS if name.endswith("16")])
def test_big_endian_samples_are_swapped(picture, encoding):
    message = encoded_message(picture, encoding, big_endian=True, padding=6)
    assert_same(convert(message), *expected(picture, encoding))


def test_byte_order_means_nothing_for_bytes(picture):
    assert_same(convert(encoded_message(picture, "bgr8", big_endian=True)), picture, EXACT)


def test_an_image_of_odd_size_and_odd_step_is_converted():
    picture = np.random.default_rng(0).integers(0, 256, (7, 5, 3), np.uint8)
    result = convert(image_message(picture[:, :, ::-1], "bgr8", padding=1))
    assert (result == picture).all()


@pytest.mark.parametrize("extension", [".png", ".jpg"])
@pytest.mark.parametrize("is_gray", [False, True])
def test_compressed_images_become_rgb(picture, extension, is_gray):
    original = gray(picture)[:, :, 0] if is_gray else picture[:, :, ::-1]
    data = cv2.imencode(extension, original)[1]
    message = CompressedImage(format=extension[1:], data=array("B", data.tobytes()))
    assert_same(convert(message), gray(picture) if is_gray else picture, 0 if is_gray else 6)


def convert(message: Image | CompressedImage) -> np.ndarray:
    check(message)
    return to_rgb(message)


def refused(message: Image | CompressedImage) -> ImageError:
    with pytest.raises(ImageError) as caught:
        convert(message)
    return caught.value


def change(message: Image, **fields: object) -> Image:
    for name, value in fields.items():
        setattr(message, name, value)
    return message


@pytest.mark.parametrize(
    ("encoding", "fields", "kind", "text"),
    [
        ("rgb8", {"encoding": "rgb9"}, "unknown encoding", "got 'rgb9'"),
        ("rgb8", {"encoding": ""}, "unknown encoding", "got ''"),
        ("rgb8", {"encoding": "32FC1"}, "unknown encoding", "got '32FC1'"),
        ("rgb8", {"encoding": "BGR8"}, "unknown encoding", "should the driver say 'bgr8'?"),
        ("rgb8", {"encoding": "16UC1"}, "unknown encoding", "should the driver say 'mono16'?"),
        ("rgb8", {"width": 0}, "zero size", "got 0x16"),
        ("rgb8", {"height": 0}, "zero size", "got 32x0"),
        ("rgb8", {"step": 95}, "wrong step", "has 96 bytes, expected at least that, got step 95"),
        ("rgb8", {"step": 0}, "wrong step", "got step 0"),
        ("rgb8", {"step": 97}, "wrong data length", "expected 1552 bytes"),
        ("rgb8", {"data": array("B", bytes(100))}, "wrong data length", "got 100"),
        ("rgb8", {"data": array("B", bytes(2000))}, "wrong data length", "got 2000"),
        ("rgb8", {"height": 2**32 - 1}, "wrong data length", "got 1536"),
        ("yuv422_yuy2", {"width": 31}, "odd size", "even width"),
        ("nv12", {"height": 15}, "odd size", "even height"),
        ("nv12", {"data": array("B", bytes(WIDTH * HEIGHT))}, "wrong data length", "24 rows"),
        ("nv24", {"data": array("B", bytes(WIDTH * HEIGHT))}, "wrong data length", "48 rows"),
    ],
)
def test_an_inconsistent_message_is_refused(picture, encoding, fields, kind, text):
    error = refused(change(encoded_message(picture, encoding), **fields))
    assert error.kind == kind
    assert text in str(error)


@pytest.mark.parametrize(
    ("data", "kind"),
    [(b"", "no data"), (b"no picture", "undecodable"), (b"\xff\xd8", "undecodable")],
)
def test_compressed_data_that_is_no_picture_is_refused(data, kind):
    assert refused(CompressedImage(format="jpeg", data=array("B", data))).kind == kind


EXIF = b"Exif\0\0MM\0*" + bytes.fromhex("00000008 0001 0112 0003 00000001 00060000 00000000")
"""Says that the picture is to be turned by a quarter."""
THUMBNAIL_END = b"\xff\xd9"


def jpeg(picture: np.ndarray, segment: bytes = b"") -> bytes:
    """A JPEG file with a segment of further data at its beginning."""
    data = cv2.imencode(".jpg", picture[:, :, ::-1])[1].tobytes()
    length = (len(segment) + 2).to_bytes(2, "big")
    return data[:2] + (b"\xff\xe1" + length + segment if segment else b"") + data[2:]


def test_the_pixels_of_a_picture_stay_where_the_camera_has_them(picture):
    message = CompressedImage(format="jpeg", data=array("B", jpeg(picture, EXIF)))
    turned = cv2.imdecode(np.frombuffer(message.data, np.uint8), cv2.IMREAD_COLOR)
    assert turned.shape[:2] == (WIDTH, HEIGHT), "the tag has no effect on anybody"
    assert_same(convert(message), picture, 6)


@pytest.mark.parametrize("segment", [b"", THUMBNAIL_END])
def test_a_picture_that_is_cut_off_is_refused(picture, segment):
    whole = jpeg(picture, segment)
    # What follows the picture does not matter.
    assert convert(CompressedImage(format="jpeg", data=array("B", whole + bytes(9)))).any()
    png = cv2.imencode(".png", picture)[1].tobytes()
    for data in (whole[:-100], whole[:-2], whole[:15], png[:-12]):
        error = refused(CompressedImage(data=array("B", data)))
        assert error.kind == "undecodable"
        assert "the end of the picture is not in" in str(error)


def segments(data: bytes) -> list[bytes]:
    """The parts of a JPEG file: its beginning, one for each marker, its end."""
    parts, rest = [data[:2]], data[2:]
    while rest[1] != 0xDA:
        length = 2 + int.from_bytes(rest[2:4], "big")
        parts, rest = [*parts, rest[:length]], rest[length:]
    return [*parts, rest[:-2], rest[-2:]]


def joined(between: bytes, parts: list[bytes]) -> bytes:
    """With bytes before each marker, but for the first, by which readers know the file."""
    return parts[0] + between.join(parts[1:])


def written(picture: np.ndarray, **options: object) -> bytes:
    file = io.BytesIO()
    PIL.Image.fromarray(picture).save(file, "JPEG", quality=95, subsampling=0, **options)
    return file.getvalue()


def without_tables(data: bytes) -> bytes:
    """As cameras with motion JPEG leave those of Huffman out, which are always the same."""
    return b"".join(part for part in segments(data) if part[:2] != b"\xff\xc4")


LEGAL_JPEGS = {
    "fill bytes": lambda picture: b"\xff".join(segments(jpeg(picture))),
    "many fill bytes": lambda picture: (9 * b"\xff").join(segments(jpeg(picture))),
    "zeros between": lambda picture: joined(5 * b"\0", segments(jpeg(picture))),
    "a marker without content": lambda picture: joined(b"\xff\x01", segments(jpeg(picture))),
    "motion JPEG": lambda picture: without_tables(jpeg(picture)),
    "zeros after it": lambda picture: jpeg(picture) + bytes(4096),
    "another picture after it": lambda picture: 2 * jpeg(picture),
    "an end and a scan in a segment": lambda picture: jpeg(picture, b"\xff\xd8\xff\xda\xff\xd9"),
    "a comment": lambda picture: written(picture, comment=b"\xff\xd9"),
    "a profile": lambda picture: written(picture, icc_profile=5000 * b"\xff\xd9"),
    "progressive": lambda picture: written(picture, progressive=True),
    "optimized": lambda picture: written(picture, optimize=True),
    "restart markers": lambda picture: cv2.imencode(
        ".jpg", picture[:, :, ::-1], [cv2.IMWRITE_JPEG_RST_INTERVAL, 1]
    )[1].tobytes(),
}


@pytest.mark.parametrize("kind", LEGAL_JPEGS)
def test_a_jpeg_file_of_any_make_is_whole(picture, kind):
    data = LEGAL_JPEGS[kind](picture)
    assert_same(convert(CompressedImage(format="jpeg", data=array("B", data))), picture, 6)


@pytest.mark.parametrize("options", [{}, {"progressive": True}])
def test_a_jpeg_file_without_its_end_is_refused(picture, options):
    whole = written(picture, icc_profile=5000 * b"\xff\xd9", **options)
    for length in (len(whole) - 1, len(whole) - 20, len(whole) // 2, 5):
        message = CompressedImage(format="jpeg", data=array("B", whole[:length]))
        assert refused(message).kind == "undecodable"


DEPTH = np.arange(6 * 4, dtype=np.uint16).reshape(4, 6)


@pytest.mark.parametrize(
    ("form", "data"),
    [
        ("16UC1; png compressed ", DEPTH),
        ("png", DEPTH),
        ("", DEPTH),
        ("32FC1; compressedDepth png", None),
        ("16UC1; compressedDepth rvl", None),
        ("32FC1; tiff compressed ", None),
    ],
)
def test_depth_is_no_picture_whatever_it_is_compressed_by(form, data):
    data = b"any" if data is None else cv2.imencode(".png", data)[1].tobytes()
    error = refused(CompressedImage(format=form, data=array("B", data)))
    assert error.kind == "unknown encoding"
    assert form.partition(";")[0] in str(error)


@pytest.mark.parametrize(
    ("form", "channels"), [("mono16; png compressed ", 1), ("rgb16; png compressed bgr16", 3)]
)
def test_brightness_may_have_16_bits(form, channels):
    levels = np.full((4, 6, channels), 257 * 90, np.uint16)
    data = cv2.imencode(".png", levels)[1].tobytes()
    assert (convert(CompressedImage(format=form, data=array("B", data))) == 90).all()


LABELS = np.arange(24, dtype=np.uint8).reshape(4, 6)


def compressed(extension: str, picture: np.ndarray) -> CompressedImage:
    data = cv2.imencode(extension, picture)[1].tobytes()
    return CompressedImage(format=extension[1:], data=array("B", data))


def test_labels_survive_compression_without_loss():
    assert (to_labels(compressed(".png", LABELS)) == LABELS).all()


@pytest.mark.parametrize(
    ("extension", "picture", "text"),
    [
        (".jpg", LABELS, "no PNG, uint8 (4, 6)"),
        (".png", np.dstack([LABELS] * 3), "PNG, uint8 (4, 6, 3)"),
        (".png", np.dstack([LABELS] * 4), "PNG, uint8 (4, 6, 4)"),
        (".png", LABELS.astype(np.uint16), "PNG, uint16 (4, 6)"),
    ],
)
def test_compressed_pictures_whose_pixels_are_no_classes_are_refused(extension, picture, text):
    with pytest.raises(ImageError) as caught:
        to_labels(compressed(extension, picture))
    assert caught.value.kind == "no label encoding"
    assert str(caught.value).endswith(f"got {text}")


@pytest.mark.parametrize(("shape", "encoding"), [((4, 6), "mono8"), ((4, 6, 3), "rgb8")])
def test_a_picture_becomes_a_message_and_back(shape, encoding):
    picture = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    header = Header(frame_id="front")
    message = from_array(picture, header)
    assert (message.width, message.height, message.encoding) == (6, 4, encoding)
    assert message.step == 6 * (picture.size // 24)
    assert message.header == header
    assert (pixels(message) == picture).all()
    check(message)


@pytest.mark.parametrize(
    ("version", "extension", "pixel", "said"),
    [
        ("4.1.0", "", 42, "converted by cv_bridge"),
        ("1.13.0.post0", "", 0, "converted by OpenCV"),
        (
            "4.1.0",
            "raise AttributeError('no _ARRAY_API')",
            0,
            "OpenCV, for cv_bridge cannot be imported (no _ARRAY_API); to have it, install",
        ),
    ],
)
def test_the_cv_bridge_of_ros_2_is_used_where_there_is_one_that_works(
    tmp_path, version, extension, pixel, said
):
    """PyPI's belongs to ROS 1; one that was built for another NumPy cannot be imported."""
    package = tmp_path / "cv_bridge"
    (package / "boost").mkdir(parents=True)
    (package / "boost" / "__init__.py").touch()
    (package / "boost" / "cv_bridge_boost.py").write_text(extension)
    (package / "__init__.py").write_text(
        "import numpy\n"
        "class CvBridge:\n"
        "    def imgmsg_to_cv2(self, message, desired_encoding):\n"
        "        assert desired_encoding == 'rgb8'\n"
        "        return numpy.full((message.height, message.width, 3), 42, numpy.uint8)\n"
    )
    metadata = tmp_path / f"cv_bridge-{version}.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: cv_bridge\nVersion: {version}"
    )
    program = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
        "import numpy\n"
        "from std_msgs.msg import Header\n"
        "from lmanet_ros.messages.image_conversion import CONVERSION, from_array, to_rgb\n"
        "print(to_rgb(from_array(numpy.zeros((2, 2), numpy.uint8), Header()))[0, 0, 0])\n"
        "print(CONVERSION)\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    value, words = result.stdout.splitlines()
    assert int(value) == pixel
    assert said in words
