"""A camera that is not there: publishes a video file, a folder of images or a synthetic street.

    ros2 run lmanet_ros video_publisher --ros-args -p video:=drive.mp4 -p rate:=15.0

Without a `video` it drives through the synthetic street and publishes the exact labels, too.
"""

from __future__ import annotations

import sys

from lmanet_ros.shutdown import ShutdownRequest

DESCRIPTION = "Publishes a video file, a folder of images or a synthetic street as a camera would."


def main(args: list[str] | None = None) -> int:
    """Publish until the video ends or a signal comes.

    Args:
        args: command line without the program's name; None: that of the process.

    Returns:
        Exit status 1 if a parameter or the video is not usable, 2 for arguments that are not for
        ROS, 0 after --help. Otherwise the process ends here, with 0.
    """
    end = ShutdownRequest()
    # Imported here because it takes a while, in which Ctrl-C is to work already, and because it
    # begins threads, which are not to get the signals.
    from lmanet_core.program.run_program import program_needs, run_program

    with program_needs("video_publisher", "ros"):
        from lmanet_ros.node_arguments import answer_arguments
        from lmanet_ros.video_node import USER_ERRORS, PublisherParameters, publish

    given = sys.argv[1:] if args is None else args
    status = answer_arguments("video_publisher", DESCRIPTION, PublisherParameters, given)
    if status is not None:
        return status
    end.defer()
    return run_program("video_publisher", lambda: publish(args, end), USER_ERRORS)


if __name__ == "__main__":
    sys.exit(main())
