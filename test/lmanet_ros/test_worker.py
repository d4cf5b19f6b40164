"""A network slower than the camera."""

from ros_harness import connected, image_message, running_node, street

SLOW = ("-p", "work_size:=[1024, 512]")


def test_the_newest_frame_wins_and_dropped_frames_are_counted(checkpoint):
    messages = [image_message(street(seed=i), stamp=1 + i / 100) for i in range(40)]
    with running_node(checkpoint, *SLOW) as process, connected(process) as client:
        client.play(messages, rate=100)
        answers = client.received["labels"]
        client.wait_until(
            lambda: answers and answers[-1].header == messages[-1].header,
            "an answer to the newest frame",
        )
        stamps = [answer.header.stamp.nanosec for answer in answers]
        assert stamps == sorted(set(stamps))
        counts = client.counts()
        assert counts["processed"] == len(answers)
        assert counts["dropped"] > 0
        assert counts["processed"] + counts["dropped"] == counts["received"]
