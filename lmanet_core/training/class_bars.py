"""What each class gains, as bars: the paper's figures S1 to S3; needs matplotlib."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from matplotlib.figure import Figure

from lmanet_core.output.files import replacing

COLORS = ("#30638e", "#d1495b", "#3a7d44", "#edae49", "#00798c", "#9aa5b1")


def plot_class_gains(gains: Mapping[str, Mapping[str, float]], path: Path) -> None:
    """Write a picture with a group of bars for each class.

    Args:
        gains: network -> class -> gain of its IoU in percent; as many networks as there are
            colours, others are left out.
        path: path of the picture.
    """
    shown = list(gains.items())[: len(COLORS)]
    classes = list(dict.fromkeys(name for _, of_classes in shown for name in of_classes))
    thickness = 0.8 / max(1, len(shown))
    height = 1.2 + max(0.3, 0.16 * len(shown)) * len(classes)
    figure = Figure(figsize=(6.4, height), layout="constrained")
    axes = figure.subplots()
    for number, (network, of_classes) in enumerate(shown):
        places = [classes.index(name) + thickness * (number + 0.5) - 0.4 for name in of_classes]
        widths = list(of_classes.values())
        axes.barh(places, widths, thickness, color=COLORS[number], label=network)
    axes.axvline(0, color="black", linewidth=0.8)
    axes.set_yticks(range(len(classes)), classes)
    axes.invert_yaxis()
    axes.set_xlabel("gain of IoU in percent, to the single-frame network")
    axes.spines[["top", "right"]].set_visible(False)
    if shown:
        axes.legend(frameon=False)
    with replacing(path) as unfinished:
        figure.savefig(unfinished, dpi=130)
