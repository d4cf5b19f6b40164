"""VideoSegmenter: what a user of the streaming API sees."""

import cv2
import numpy as np
import pytest
import torch
from impressionable import impressionable

from lmanet_core import ModelConfig, build_model, open_segmenter
from lmanet_core.runtime import step_together


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return build_model(ModelConfig(memory_size=2, window_size=5))


def random_image(seed: int = 0, height: int = 32, width: int = 64) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def test_result_has_the_size_of_the_image(model):
    result = open_segmenter(model).step(random_image(height=45, width=70))
    assert result.labels.shape == result.confidence.shape == (45, 70)
    assert result.labels.dtype == result.confidence.dtype == np.uint8
    assert result.labels.max() < 19


def test_confidence_is_the_probability_of_the_label(model):
    image = random_image()
    segmenter = open_segmenter(model, memory_size=0, precision="fp32")
    pixels = torch.from_numpy(image).permute(2, 0, 1)[None] / 255
    with torch.no_grad():
        probability, labels = model.eval().step(pixels, None).softmax(1).max(1)
    result = segmenter.step(image)
    assert (result.labels == labels[0].numpy()).mean() > 0.999
    assert np.abs(result.confidence - 255 * probability[0].numpy()).max() < 1
    assert segmenter.step(image, confidence=False).confidence is None


def test_memory_fills_up_to_its_size_and_reset_empties_it(model):
    segmenter = open_segmenter(model)
    filled = []
    for seed in range(4):
        segmenter.step(random_image(seed))
        filled.append(segmenter.backend.filled)
    assert filled == [1, 2, 2, 2]
    segmenter.reset()
    assert segmenter.backend.filled == 0


def test_after_reset_the_stream_starts_anew(model):
    segmenter = open_segmenter(model)
    first = segmenter.step(random_image(1))
    segmenter.step(random_image(2))
    segmenter.reset()
    again = segmenter.step(random_image(1))
    assert np.array_equal(first.labels, again.labels)
    assert np.array_equal(first.confidence, again.confidence)


def test_the_memory_is_as_large_as_the_model_says():
    model = build_model(ModelConfig(memory_size=3, window_size=3))
    assert open_segmenter(model).backend.memory_size == 3
    assert open_segmenter(model, memory_size=1).new_stream().backend.memory_size == 1


def test_memory_size_zero_treats_every_frame_alone(model):
    segmenter = open_segmenter(model, memory_size=0)
    first = segmenter.step(random_image(1))
    segmenter.step(random_image(2))
    assert np.array_equal(segmenter.step(random_image(1)).confidence, first.confidence)


def test_image_of_another_size_starts_an_empty_memory(model):
    segmenter = open_segmenter(model)
    segmenter.step(random_image())
    segmenter.step(random_image(height=48))
    assert segmenter.backend.filled == 1


def test_work_size_sets_the_size_the_network_runs_at(model):
    segmenter = open_segmenter(model, work_size=(32, 16))
    for height in (32, 48):  # the memory does not care about the image's size then
        assert segmenter.step(random_image(height=height)).labels.shape == (height, 64)
    assert segmenter.backend.filled == 2


def test_work_pixels_keep_the_proportions_of_images(model):
    segmenter = open_segmenter(model, work_pixels=32 * 16)
    for _ in range(2):
        assert segmenter.step(random_image(height=64)).labels.shape == (64, 64)
    assert segmenter.step(random_image(height=62)).labels.shape == (62, 64)
    assert segmenter.backend.filled == 2, "both are brought to 24x24: nothing was forgotten"
    with pytest.raises(ValueError, match="work_pixels is for images without a work_size"):
        open_segmenter(model, work_size=(32, 16), work_pixels=512)


def test_output_size_sets_the_size_of_the_results(model):
    segmenter = open_segmenter(model, output_size=(40, 24))
    result = segmenter.step(random_image())
    assert result.labels.shape == result.confidence.shape == (24, 40)
    assert segmenter.new_stream().step(random_image()).labels.shape == (24, 40)
    full = open_segmenter(model).step(random_image()).labels
    # Of the rows and columns that are nearest: labels between two classes would be of a third.
    expected = cv2.resize(full, (40, 24), interpolation=cv2.INTER_NEAREST)
    assert np.array_equal(result.labels, expected)
    with pytest.raises(ValueError, match="output_size must be"):
        open_segmenter(model, output_size=(0, 24))


def test_streams_of_one_network_have_memories_of_their_own_and_share_its_weights(model):
    first = open_segmenter(model)
    first.step(random_image(1))
    second = first.new_stream()
    assert second.backend.filled == 0
    expected = open_segmenter(model)
    for seed in range(2, 5):
        first.step(random_image(seed))
        assert np.array_equal(
            second.step(random_image(seed)).labels, expected.step(random_image(seed)).labels
        )
    assert (first.backend.filled, second.backend.filled) == (2, 2)
    assert second.backend._model is first.backend._model


@pytest.mark.parametrize("policy", [{}, {"memory_policy": "every_nth", "memory_interval": 2}])
def test_streams_segmented_together_answer_as_each_alone(policy):
    network = impressionable(window_size=5, **policy)
    one, other = (open_segmenter(network, precision="fp32") for _ in range(2))
    one.step(random_image(1))
    other.step(random_image(2))
    answers = [segmenter.step(random_image(3)).labels for segmenter in (one, other)]
    assert np.mean(answers[0] != answers[1]) > 0.05, "the memory must matter"
    first = open_segmenter(network, precision="fp32")
    streams = [first, *(first.new_stream() for _ in range(3))]
    alone = [open_segmenter(network, precision="fp32") for _ in streams]
    # They begin at different times and differ in size, so not all fit in one batch.
    widths = (64, 48, 64, 64)
    for time in range(6):
        here = range(min(len(streams), 1 + time))
        images = [random_image(10 * time + index, width=widths[index]) for index in here]
        together = step_together([streams[index] for index in here], images)
        for index, image, result in zip(here, images, together, strict=True):
            expected = alone[index].step(image)
            assert (result.labels == expected.labels).mean() > 0.999
            assert np.abs(result.confidence.astype(int) - expected.confidence).max() <= 1
            assert streams[index].backend.filled == alone[index].backend.filled


def test_a_bad_image_leaves_the_memories_of_all_streams(model):
    first = open_segmenter(model)
    second = first.new_stream()
    step_together([first, second], [random_image(1), random_image(2)])
    with pytest.raises(ValueError, match="expected an RGB image"):
        step_together([first, second], [random_image(3), random_image(4)[..., 0]])
    assert (first.backend.filled, second.backend.filled) == (1, 1)


def test_warming_up_leaves_nothing_behind(model):
    segmenter, expected = open_segmenter(model), open_segmenter(model)
    segmenter.warm_up()
    assert segmenter.backend.filled == 0
    for seed in range(3):
        labels = expected.step(random_image(seed)).labels
        assert np.array_equal(segmenter.step(random_image(seed)).labels, labels)


def test_results_stay_as_they_are_when_the_stream_goes_on(model):
    segmenter = open_segmenter(model)
    result = segmenter.step(random_image(1))
    labels, confidence = result.labels.copy(), result.confidence.copy()
    segmenter.step(random_image(2))
    assert np.array_equal(result.labels, labels)
    assert np.array_equal(result.confidence, confidence)


def test_image_may_be_a_view_or_read_only(model):
    image = random_image(width=128)
    flipped = image[:, ::-1]
    expected = open_segmenter(model).step(np.ascontiguousarray(flipped))
    assert np.array_equal(open_segmenter(model).step(flipped).labels, expected.labels)
    frozen = np.frombuffer(image.tobytes(), np.uint8).reshape(image.shape)
    open_segmenter(model).step(frozen)
    assert np.array_equal(frozen, image)


def test_model_of_the_caller_is_not_changed(model):
    open_segmenter(model, precision="bf16")
    assert next(model.parameters()).dtype == torch.float32


def test_bf16_agrees_with_fp32_on_most_pixels(model):
    image = random_image()
    labels = [
        open_segmenter(model, memory_size=0, precision=p).step(image).labels
        for p in ("fp32", "bf16")
    ]
    assert (labels[0] == labels[1]).mean() > 0.9


def test_no_tensor_memory_is_gained_after_warm_up(model):
    segmenter = open_segmenter(model)
    for seed in range(3):
        segmenter.step(random_image(seed))
    keys, _ = segmenter.backend._store.read()
    address = keys.data_ptr()
    for seed in range(5):
        segmenter.step(random_image(seed))
    keys, _ = segmenter.backend._store.read()
    assert keys.data_ptr() == address
    assert keys.shape[1] == 2


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((32, 64), np.uint8),
        np.zeros((32, 64, 4), np.uint8),
        np.zeros((32, 64, 3), np.float32),
        np.zeros((0, 64, 3), np.uint8),
    ],
)
def test_wrong_images_are_refused_and_leave_the_memory_alone(model, image):
    segmenter = open_segmenter(model)
    segmenter.step(random_image())
    with pytest.raises(ValueError, match="expected an RGB image"):
        segmenter.step(image)
    assert segmenter.backend.filled == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"memory_size": -1}, "memory_size must be in 0..64, got -1"),
        ({"precision": "fp8"}, "precision must be one of"),
        ({"precision": "fp16", "device": "cpu"}, "needs a CUDA device"),
        ({"device": "gpu"}, "device must be"),
        ({"device": "cuda:99"}, "not available"),
        ({"work_size": (4, 100)}, "work_size must be"),
    ],
)
def test_wrong_arguments_are_explained(model, arguments, message):
    with pytest.raises(ValueError, match=message):
        open_segmenter(model, **arguments)


def test_single_frame_network_cannot_be_given_a_memory():
    single = build_model(ModelConfig(memory_size=0))
    assert open_segmenter(single).backend.memory_size == 0
    with pytest.raises(ValueError, match="memory_size must be 0"):
        open_segmenter(single, memory_size=4)
