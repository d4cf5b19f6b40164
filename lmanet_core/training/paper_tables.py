"""The ablation grid of the paper, as settings, with its figures where they are known.

Source: Paul et al., IROS 2021, ERFNet on Cityscapes at 1024x512 unless a table says otherwise. The
contents of the supplementary tables S1 to S3 are the options of the authors' code; their figures
are not known here. The table 'beyond' is this project's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

AS_TRAINED = 0


@dataclass(frozen=True)
class Variant:
    """A row: a network and how it is run.

    Attributes:
        label: label of the row.
        memory_size: at evaluation; None: as trained; 0: the single-frame network.
        window_size: at evaluation; `AS_TRAINED`, or None for everywhere.
        model: settings that differ from those of the run's main network, for which a network of
            its own is trained.
        frames: length of the clips that it is trained on; None: as the main network.
        paper: its mIoU in percent; None: not known.
    """

    label: str
    memory_size: int | None = None
    window_size: int | None = AS_TRAINED
    model: Mapping[str, Any] = field(default_factory=dict)
    frames: int | None = None
    paper: float | None = None


@dataclass(frozen=True)
class PaperTable:
    """A table of the paper.

    Attributes:
        title: what varies.
        rows: its networks.
        timed: whether time per frame and size of the memory are asked for, too.
        time_of_paper: of timed rows, as the paper has it.
        backbone: the only one that the table is about; None: any.
    """

    title: str
    rows: tuple[Variant, ...]
    timed: bool = False
    time_of_paper: Mapping[str, str] = field(default_factory=dict)
    backbone: str | None = None


SINGLE = Variant("single frame", memory_size=0, paper=72.05)
WINDOWS: Mapping[str, int | None] = {"1": 1, "11": 11, "21": 21, "41": 41, "global": None}
WINDOW_FIGURES = {"1": 72.94, "11": 73.21, "21": 73.72, "41": 73.64, "global": 73.49}
LOCATED: Mapping[str, Any] = {"key_form": "located", "key_channels": 33}

PAPER_TABLES: Mapping[str, PaperTable] = {
    "I": PaperTable(
        "Memory size S, window 21",
        (
            SINGLE,
            *(
                Variant(f"S = {size}", memory_size=size, paper=figure)
                for size, figure in enumerate((73.34, 73.41, 73.37, 73.72, 73.46), start=1)
            ),
        ),
    ),
    "II": PaperTable(
        "Window, S = 4",
        tuple(
            Variant(f"window {name}", 4, size, paper=WINDOW_FIGURES[name])
            for name, size in WINDOWS.items()
        ),
    ),
    "III": PaperTable(
        "Fusion, S = 3",
        (
            Variant("concatenation", 3, model={"fusion": "concatenation"}, paper=73.14),
            Variant("gated", 3, model={"fusion": "gated"}, paper=73.37),
        ),
    ),
    "IV": PaperTable(
        "Time and memory of a frame, S = 3",
        (SINGLE, *(Variant(f"window {n}", 3, WINDOWS[n]) for n in ("11", "21", "41", "global"))),
        timed=True,
        time_of_paper={
            "window 11": "+8 % time, +3 % memory",
            "window 21": "+14 % time, +13 % memory",
            "window 41": "+83 % time, +36 % memory",
            "window global": "+55 % time, +166 % memory",
        },
    ),
    "V": PaperTable(
        "ERFNet",
        (SINGLE, Variant("S = 4, window 21", 4, paper=73.72)),
        timed=True,
        time_of_paper={"single frame": "10.1 ms", "S = 4, window 21": "11.6 ms"},
        backbone="erfnet",
    ),
    "VI": PaperTable(
        "PSPNet-101 at 2048x1024",
        (
            Variant("single frame", 0, paper=76.34),
            Variant("S = 3, window 21", 3, paper=78.48),
        ),
        timed=True,
        time_of_paper={"single frame": "406 ms", "S = 3, window 21": "758 ms"},
        backbone="pspnet101",
    ),
    "S1": PaperTable(
        "What enters the memory",
        (
            Variant("every frame"),
            *(
                Variant(
                    f"every {n}. frame",
                    model={"memory_policy": "every_nth", "memory_interval": n},
                    # Four frames remembered, and the current one after them.
                    frames=3 * n + 2,
                )
                for n in (2, 3)
            ),
            Variant("random in training", model={"memory_policy": "random"}, frames=8),
        ),
    ),
    "S2": PaperTable(
        "Whether a frame attends to itself",
        (
            Variant("reads, then writes"),
            Variant("writes, then reads", model={"write_before_read": True}),
        ),
    ),
    "S3": PaperTable(
        "Channels of the keys",
        tuple(Variant(f"Dk = {k}", model={"key_channels": k}) for k in (8, 16, 32)),
    ),
    "S4": PaperTable(
        "More memory than in training",
        tuple(
            Variant(f"S = {size}", size, paper=73.72 if size == 4 else None)
            for size in (4, 5, 9, 14, 19)
        ),
    ),
    "beyond": PaperTable(
        "What the paper does not have",
        (
            Variant("as in the paper"),
            Variant("residual", model={"fusion": "residual"}),
            Variant("located keys", model=LOCATED),
            Variant("located keys, residual", model={**LOCATED, "fusion": "residual"}),
            Variant(
                "located keys, blend",
                model={**LOCATED, "fusion": "blend", "value_channels": None},
            ),
        ),
    ),
}
