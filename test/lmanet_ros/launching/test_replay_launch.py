"""The launch file for recordings, by the real `ros2 launch`."""

import json
import re
import signal

import yaml
from bag_files import noise_message, write_messages
from launch_harness import launched, needs_ros2_launch, stand_in_prefix, told
from ros_harness import wait_until

LAUNCH = ("lmanet_ros", "replay.launch.py")

pytestmark = needs_ros2_launch


def test_node_and_evaluation_share_a_namespace_with_nobody_unless_asked(tmp_path):
    prefix = stand_in_prefix(tmp_path / "prefix")
    bag = write_messages(tmp_path / "bag", [("/front/image", noise_message(1))])
    namespaces = set()
    for choice in ((), ("namespace:=here",)):
        for program in told(prefix, *LAUNCH, f"bag:={bag}", *choice):
            namespaces.add(program["topic"].removesuffix("/image"))
    own = (namespaces - {"/here"}).pop()
    assert namespaces == {"/here", own}
    assert re.fullmatch("/replay_[0-9a-f]{8}", own)


def test_an_interrupted_replay_is_reported_whatever_the_params_file_has(
    prefix, tmp_path, checkpoint
):
    frames = (("/front/image", noise_message(1 + number / 10)) for number in range(300))
    bag, output = write_messages(tmp_path / "bag", frames), tmp_path / "result"
    of_camera = {
        "autostart": False,
        "max_rate": 0.1,
        "image_topics": ["/a", "/b"],
        "use_sim_time": True,
    }
    params_file = tmp_path / "parameters.yaml"
    params_file.write_text(yaml.safe_dump({"/**": {"ros__parameters": of_camera}}))
    files = (f"bag:={bag}", f"output:={output}", f"params_file:={params_file}")
    with launched(prefix, *LAUNCH, *files, f"checkpoint:={checkpoint}") as process:
        wait_until(lambda: re.search(r"\| [1-9]\d+/300", process.output), "the tenth frame")
        process.signal(signal.SIGINT)
        process.wait()
    summary = json.loads((output / "evaluation.json").read_text())
    assert summary["frames"]["answered"] > 5
    assert "playing was interrupted after" in " ".join(summary["notes"])
    assert (output / "report.html").is_file()
