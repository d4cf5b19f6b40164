"""Build script of the ament_python package; colcon and pip both read it."""

from glob import glob

from setuptools import find_packages, setup

PACKAGE = "lmanet_ros"

setup(
    name=PACKAGE,
    version="0.1.0",
    description="Fast video semantic segmentation with local memory attention, as a ROS 2 node",
    license="Apache-2.0",
    author="LMANet for ROS 2 contributors",
    maintainer="LMANet for ROS 2 contributors",
    maintainer_email="maintainers@lmanet-ros.invalid",
    python_requires=">=3.10",
    packages=find_packages(include=["lmanet_core*", "lmanet_ros*"]),
    package_data={"lmanet_core": ["weights/*.safetensors", "weights/*.md"]},
    data_files=[
        ("share/ament_index/resource_index/packages", [f"resource/{PACKAGE}"]),
        (f"share/{PACKAGE}", ["package.xml"]),
        (f"share/{PACKAGE}/launch", sorted(glob("launch/*.py"))),
        (f"share/{PACKAGE}/config", sorted(glob("config/*.yaml"))),
    ],
    zip_safe=False,
    install_requires=["torch", "numpy", "safetensors", "opencv-python-headless", "pyyaml"],
    extras_require={
        # For machines without a ROS 2 installation; on one, its own packages are used.
        "ros": [
            "ros-jazzy-rclpy",
            "ros-jazzy-rmw-fastrtps-cpp",
            "ros-jazzy-sensor-msgs",
            "ros-jazzy-std-srvs",
            "ros-jazzy-diagnostic-msgs",
            "rosbags",
            "rosbags-image",
            "tqdm",
        ],
        "train": ["tqdm"],
        "dev": ["pytest", "hypothesis", "ruff", "mypy", "colcon-common-extensions"],
    },
    entry_points={
        "console_scripts": [
            "segmentation_node = lmanet_ros.segmentation_node:main",
            "video_publisher = lmanet_ros.video_publisher:main",
        ],
    },
)
