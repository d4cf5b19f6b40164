"""RingBuffer: holds the last S frames in slots that stay where they are."""

import pytest
import torch

from lmanet_core.runtime.pytorch import ring_buffer
from lmanet_core.runtime.pytorch.ring_buffer import RingBuffer


def write_number(buffer: RingBuffer, number: float) -> None:
    buffer.write(torch.full((1, 2, 3, 4), number), torch.full((1, 5, 3, 4), -number))


def numbers_in(buffer: RingBuffer) -> set[float]:
    keys, values = buffer.read()
    assert torch.equal(keys[:, :, 0], -values[:, :, 0])
    return set(keys[0, :, 0, 0, 0].tolist())


def test_holds_the_last_frames():
    buffer = RingBuffer(3)
    assert buffer.read() is None
    held = []
    for number in range(1, 6):
        write_number(buffer, number)
        held.append(numbers_in(buffer))
    assert held == [{1}, {1, 2}, {1, 2, 3}, {2, 3, 4}, {3, 4, 5}]


def test_shapes_are_those_of_the_operator():
    buffer = RingBuffer(3)
    write_number(buffer, 1)
    write_number(buffer, 2)
    keys, values = buffer.read()
    assert keys.shape == (1, 2, 2, 3, 4)
    assert values.shape == (1, 2, 5, 3, 4)


def test_slots_stay_where_they_are_also_after_clear():
    buffer = RingBuffer(2)
    write_number(buffer, 1)
    address = buffer.read()[0].data_ptr()
    for number in range(5):
        write_number(buffer, number)
    buffer.clear()
    assert buffer.read() is None
    write_number(buffer, 7)
    assert buffer.read()[0].data_ptr() == address
    assert numbers_in(buffer) == {7}


def test_of_the_frames_offered_every_second_is_kept_the_first_one_after_clear_too():
    buffer = RingBuffer(3, write_interval=2)
    for number in range(1, 6):
        write_number(buffer, number)
    assert numbers_in(buffer) == {1, 3, 5}
    assert buffer.progress == (3, 1)
    buffer.clear()
    write_number(buffer, 6)
    assert numbers_in(buffer) == {6}


def test_size_must_be_positive():
    with pytest.raises(ValueError, match="at least 1"):
        RingBuffer(0)


def test_a_stream_goes_on_after_memory_ran_out_while_its_size_changed(monkeypatch):
    buffer = RingBuffer(2)
    write_number(buffer, 1)
    buffer.clear()
    allocate = ring_buffer._allocate
    with monkeypatch.context() as patch:
        calls = iter([allocate])
        patch.setattr(ring_buffer, "_allocate", lambda *size: next(calls, no_memory)(*size))
        with pytest.raises(torch.OutOfMemoryError):
            buffer.write(torch.ones(1, 2, 6, 8), torch.ones(1, 5, 6, 8))
    write_number(buffer, 2)
    assert numbers_in(buffer) == {2}


def no_memory(*size: object) -> torch.Tensor:
    raise torch.OutOfMemoryError("out of memory")
