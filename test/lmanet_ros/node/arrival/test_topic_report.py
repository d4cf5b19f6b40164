"""Why no image comes, on the console; and latched ones, from before the node listened."""

from rclpy.qos import DurabilityPolicy, QoSProfile
from ros_harness import connected, image_message, street
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

CAMERAS = ("/nobody", "/packed", "/raw", "/mute", "/latched")
LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)


def test_what_keeps_images_away_is_said_and_latched_messages_are_received(sleepy):
    options = ["-p", f"image_topics:=[{', '.join(CAMERAS)}]", "-p", "silence_timeout:=0.5"]
    options += ["-p", "memry_size:=3", "-p", "qos_overrides./raw.subscription.durabilty:=volatile"]
    with (
        sleepy.running_node(0.0, *options) as process,
        connected(process, topic="/mute", camera="mute") as client,
    ):
        answers: list[Image] = []
        client.listen(Image, f"{client.node_name}/latched/labels", answers.append)
        for message_type, topic in (
            (CompressedImage, "/packed"),
            (CompressedImage, "/raw/compressed"),
        ):
            client.node.create_publisher(message_type, topic, 10)
        # Before anybody can have subscribed.
        client.node.create_publisher(Image, "/latched", LATCHED).publish(image_message(street()))
        client.wait_until(lambda: answers, "an answer to the latched image")
        for text in (
            "parameter 'memry_size' is unknown and has no effect; did you mean 'memory_size'?",
            "durabilty' is unknown and has no effect; did you mean 'qos_overrides./raw.",
            "nobody publishes it\n",
            "it is published as sensor_msgs/msg/CompressedImage, expected sensor_msgs/msg/Image",
            "nobody publishes it, but /raw/compressed is published; set 'compressed' to true",
            "1 publisher(s) of sensor_msgs/msg/Image, /client_of_segmentation_node "
            "(reliable, volatile); subscribed as reliable, volatile",
        ):
            process.wait_for_output(text)
        infos: list[CameraInfo] = []
        topic = f"{client.prefix}/camera_info"
        client.node.create_subscription(CameraInfo, topic, infos.append, 10)
        calibration = CameraInfo(width=64, height=32)
        client.node.create_publisher(CameraInfo, "/camera_info", LATCHED).publish(calibration)
        while not infos:
            client.ask(image_message(street()))
