"""Where in past frames a network's memory looks, for people to look at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor

from lmanet_core.evaluation.attention_distance import attention_distance, displacement
from lmanet_core.models import LMANet
from lmanet_core.network.resizing import resize
from lmanet_core.ops import local_attention
from lmanet_core.output.pictures import contact_sheet, with_captions

PANEL_WIDTH = 480
HEAT = (255, 40, 0)
MARK = (255, 255, 0)
MARK_SIZE = 24


@dataclass(frozen=True)
class AttentionMap:
    """What the memory does for one place of a frame.

    Attributes:
        place: (x, y) in pixels of the frame.
        weights: (S, H', W') float32, how much is read from where in each past frame.
            They sum up to 1 less `outside`.
        outside: weight of what the window has beyond the image's border, where nothing is read.
        gate: 0..1, mean over the channels of how far the fusion lets the memory in.
        label_alone, label: name of the class that the frame has there by itself and with the
            memory.
    """

    place: tuple[int, int]
    weights: np.ndarray
    outside: float
    gate: float
    label_alone: str
    label: str


@torch.inference_mode()
def attention_maps_at(
    model: LMANet,
    frame: np.ndarray,
    past: Sequence[np.ndarray],
    places: Sequence[tuple[int, int]],
) -> list[AttentionMap]:
    """Look at the memory's work for places of a frame.

    Args:
        model: a network with a memory, in eval mode.
        frame: (H, W, 3) uint8, RGB.
        past: the frames in memory, of the same size.
        places: (x, y) in pixels.

    Raises:
        ValueError: there is no memory, nothing to remember, or a place is outside of the frame.
    """
    memory = model.memory
    if memory is None:
        raise ValueError("this is a single-frame network: it has no memory to look at")
    if not past:
        raise ValueError("nothing is in memory at the first frame of a video: choose a later one")
    height, width = frame.shape[:2]
    if outside := [(x, y) for x, y in places if not (0 <= x < width and 0 <= y < height)]:
        raise ValueError(f"places must be in the image of {width}x{height}, got {outside}")
    remembered = memory.project(model.encoder(_images(model, past)))
    keys, values = remembered.memory_key[None], remembered.memory_value[None]
    features = model.encoder(_images(model, [frame]))
    current = memory.project(features)
    read = local_attention(current.query_key, keys, values, memory.window_size)
    fused = memory.fusion(current.query_value, read, features, current.quality)
    gate = memory.fusion.memory_gate(current.query_value, read)[0].mean(0)
    alone, label = (model.decoder(one)[0].argmax(0) for one in (features, fused))
    maps = []
    for x, y in places:
        row, column = _scaled((x, y), (width, height), gate.shape)
        pixel = _scaled((x, y), (width, height), label.shape)
        weights, beyond = _weights(
            current.query_key[0, :, row, column], keys[0], (row, column), memory.window_size
        )
        names = (model.config.classes.names[int(labels[pixel])] for labels in (alone, label))
        maps.append(AttentionMap((x, y), weights.numpy(), beyond, float(gate[row, column]), *names))
    return maps


@dataclass(frozen=True)
class AttentionError:
    """How well the memory finds things again.

    Attributes:
        distance: cells, from where a place was to where the memory looks for it, mean over the
            places that both frames show, see `lmanet_core.evaluation.attention_distance`.
        moved: cells, by which those places moved.
    """

    distance: float
    moved: float


@torch.inference_mode()
def attention_error(model: LMANet, frame: np.ndarray, past: np.ndarray) -> AttentionError | None:
    """Hold attention to one past frame against optical flow; None if that finds nothing.

    Args:
        model: a network with a memory, in eval mode.
        frame, past: (H, W, 3) uint8, RGB.
    """
    memory = model.memory
    assert memory is not None
    images = _images(model, [frame, past])
    both = memory.project(model.encoder(images))
    rows, columns = both.query_key.shape[-2:]
    greys = (255 * images.mean(1)).byte().numpy()
    moved = displacement(greys[:1], greys[1:], (rows, columns))
    distance = attention_distance(memory, both.query_key[:1], both.memory_key[1:], moved.cells)
    if not moved.known.any():
        return None
    length = moved.cells.norm(dim=1)
    return AttentionError(*(float(cells[moved.known].mean()) for cells in (distance, length)))


def attention_sheet(
    frame: np.ndarray, past: Mapping[int, np.ndarray], maps: Sequence[AttentionMap]
) -> np.ndarray:
    """A row for each place: the frame, and the frames in memory as far as they are read.

    Args:
        frame: as `attention_maps_at` had it.
        past: the frames in memory, by their number.
        maps: what it gave.

    Returns:
        (H, W, 3) uint8, RGB. The redder a cell the more of what is read comes from it, on the same
        scale in all frames of a row.
    """
    rows = []
    for attention in maps:
        panels = [_panel(frame)]
        captions = [
            f"alone: {attention.label_alone}",
            f"with memory: {attention.label}, gates {100 * attention.gate:.0f} % open",
        ]
        strongest = attention.weights.max()
        for picture, weights in zip(past.values(), attention.weights, strict=True):
            panels.append(_heated(_panel(picture), weights / strongest))
            captions += [f"{100 * weights.sum():.0f} % of the weight", ""]
        for panel in panels:
            row, column = _scaled(attention.place, frame.shape[1::-1], panel.shape[:2])
            cv2.drawMarker(panel, (column, row), MARK, cv2.MARKER_CROSS, MARK_SIZE, 2, cv2.LINE_AA)
        pairs = zip(captions[::2], captions[1::2], strict=True)
        rows.append([with_captions(*both) for both in zip(panels, pairs, strict=True)])
    return contact_sheet(rows, ["now", *(f"frame {number}" for number in past)])


def _images(model: LMANet, frames: Sequence[np.ndarray]) -> Tensor:
    """(N, 3, H', W') in 0..1, of a size that the network takes."""
    nearest = model.size_rule.nearest
    height, width = frames[0].shape[:2]
    size = nearest(width), nearest(height)
    pixels = np.stack([resize(frame, size, cv2.INTER_LINEAR) for frame in frames])
    return torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255


def _weights(
    query: Tensor, keys: Tensor, cell: tuple[int, int], window_size: int | None
) -> tuple[Tensor, float]:
    """Softmax of `local_attention` for one query (Dk) and keys (S, Dk, H, W), as a map of what is
    read in each frame, and the weight of positions beyond the border."""
    scores = torch.einsum("d,sdhw->shw", query, keys)
    if window_size is None:
        return (scores / len(query) ** 0.5).flatten().softmax(0).view_as(scores), 0.0
    reach = window_size // 2
    rows, columns = (
        (torch.arange(size) - at).abs() <= reach
        for size, at in zip(scores.shape[1:], cell, strict=True)
    )
    inside = rows[:, None] & columns
    seen = scores[:, inside]
    # Beyond the border all scores are 0.
    padding = torch.zeros(len(keys) * (window_size**2 - seen.shape[1]))
    weights = torch.cat([seen.flatten(), padding]).softmax(0)
    of_frames = torch.zeros_like(scores)
    of_frames[:, inside] = weights[: seen.numel()].view_as(seen)
    return of_frames, float(weights[seen.numel() :].sum())


def _scaled(place: tuple[int, int], size: Sequence[int], shape: Sequence[int]) -> tuple[int, int]:
    """(x, y) in an image of (width, height) -> (row, column) in a map of (rows, columns)."""
    return place[1] * shape[0] // size[1], place[0] * shape[1] // size[0]


def _panel(frame: np.ndarray) -> np.ndarray:
    height = round(frame.shape[0] * PANEL_WIDTH / frame.shape[1])
    return cv2.resize(frame, (PANEL_WIDTH, height), interpolation=cv2.INTER_LINEAR)


def _heated(picture: np.ndarray, heat: np.ndarray) -> np.ndarray:
    """Lay (H', W') heat of 0..1 over a picture, each cell sharp."""
    size = picture.shape[1::-1]
    # The root shows what is weak beside the strongest cell.
    opacity = cv2.resize(heat**0.5, size, interpolation=cv2.INTER_NEAREST)[..., None]
    grey = 0.5 * picture + 0.5 * picture.mean(2, keepdims=True)
    return np.round((1 - opacity) * grey + opacity * np.array(HEAT)).astype(np.uint8)
