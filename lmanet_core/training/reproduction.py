"""The paper's tables on any data set: what they need is trained and scored, once."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from lmanet_core.checkpoint import load
from lmanet_core.data.datasets import open_dataset
from lmanet_core.evaluation import evaluate, streamed_frames
from lmanet_core.evaluation.paired_comparison import paired_bootstrap
from lmanet_core.models import LMANet
from lmanet_core.models.cost import network_cost
from lmanet_core.models.surgery import with_window_size
from lmanet_core.network.model_config import ModelConfig
from lmanet_core.output.files import write_bytes, write_json, write_text
from lmanet_core.output.markdown import markdown_table
from lmanet_core.output.percent import in_percent
from lmanet_core.program.progress import progress_bar
from lmanet_core.program.timing import time_in_turns
from lmanet_core.runtime import open_segmenter
from lmanet_core.training.class_bars import plot_class_gains
from lmanet_core.training.paper_tables import AS_TRAINED, PAPER_TABLES, SINGLE, PaperTable, Variant
from lmanet_core.training.run import train
from lmanet_core.training.run_folder import RunFolder
from lmanet_core.training.training_config import TrainingError, parse_config

TIMED_FRAMES = 20


@dataclass(frozen=True)
class Row:
    """A row of a table as it came out here; figures in percent and milliseconds.

    Attributes:
        gain: of `miou`, to the single-frame network.
        low, mean, high: of the videos' own mIoU, the mean gain and its 95 % interval.
        class_gains: gain in IoU of each class.
        mebibytes: what a full memory takes in fp32; of timed tables, as `milliseconds`.
    """

    label: str
    miou: float
    gain: float
    low: float
    mean: float
    high: float
    class_gains: dict[str, float]
    consistency: float | None
    milliseconds: float | None
    mebibytes: float | None
    paper: float | None
    paper_gain: float | None
    paper_time: str | None


class Reproduction:
    """A folder with the networks and figures of the tables; what is there is not made again.

        main/            the run of the configuration
        NETWORK/         runs of networks that differ from it, from the same single-frame network
        evaluations/     figures of each network and way to run it, as JSON
        tables.md, tables.json
        classes-TABLE.png  what each class gains

    Args:
        settings: settings of the main run, plain values as in its file.
        folder: the folder.
        split: split of the data set, to score on.
        train_each: whether a network is trained for each memory size and window, too; otherwise
            the main network is run with them: no weight depends on them.

    Raises:
        ValueError: settings, data or weights cannot be used.
    """

    def __init__(
        self, settings: Mapping[str, Any], folder: Path, split: str, train_each: bool = False
    ) -> None:
        self._settings = settings
        self._folder = folder
        self._split = split
        self._train_each = train_each
        self._config = parse_config(settings)
        data = self._config.stages[-1].data
        self._dataset = open_dataset(data.dataset, data.root, split, data.size)

    def make(self, names: Sequence[str]) -> str:
        """Train and score what tables need and write them.

        Args:
            names: keys of `PAPER_TABLES`.

        Returns:
            The tables as Markdown, which are also in `tables.md`, with their figures in
            `tables.json`.
        """
        if unknown := sorted(set(names) - set(PAPER_TABLES)):
            raise TrainingError(f"unknown tables {unknown}; expected some of {list(PAPER_TABLES)}")
        self._check_windows(names)
        texts, figures = [], {}
        for name in names:
            table = PAPER_TABLES[name]
            title = f"## Table {name}: {table.title}"
            if table.backbone not in (None, self._config.model.backbone):
                texts.append(f"{title}\n\nNeeds a configuration with {table.backbone}.")
                continue
            rows = self._rows(table)
            texts.append(f"{title}\n\n{_markdown(rows, table.timed)}")
            figures[name] = [asdict(row) for row in rows]
            gains = {row.label: row.class_gains for row in rows if any(row.class_gains.values())}
            plot_class_gains(gains, self._folder / f"classes-{name}.png")
        text = "\n\n".join(texts) + "\n"
        write_text(self._folder / "tables.md", text)
        write_json(self._folder / "tables.json", figures)
        return text

    def _check_windows(self, names: Sequence[str]) -> None:
        """Refuse before the first training what cannot be run after it."""
        for name in names:
            for row in PAPER_TABLES[name].rows:
                changes = dict(row.model)
                if row.window_size != AS_TRAINED:
                    changes["window_size"] = row.window_size
                try:
                    ModelConfig.from_dict({**self._settings["model"], **changes})
                except ValueError as error:
                    raise TrainingError(f"table {name}, {row.label}: {error}") from None

    def _rows(self, table: PaperTable) -> list[Row]:
        single = self._figures(SINGLE)
        paper_single = next((row.paper for row in table.rows if row.memory_size == 0), SINGLE.paper)
        times = self._times(table) if table.timed else {}
        rows = []
        for variant in table.rows:
            figures = self._figures(variant)
            by_video = paired_bootstrap(_mious(single), _mious(figures))
            rows.append(
                Row(
                    label=variant.label,
                    miou=100 * figures["miou"],
                    gain=100 * (figures["miou"] - single["miou"]),
                    low=100 * by_video.low,
                    mean=100 * by_video.mean,
                    high=100 * by_video.high,
                    class_gains={
                        name: 100 * (share - single["iou"][name])
                        for name, share in figures["iou"].items()
                        if None not in (share, single["iou"][name])
                    },
                    consistency=in_percent(figures["temporal_consistency"]),
                    milliseconds=times.get(variant.label),
                    mebibytes=self._mebibytes(variant) if table.timed else None,
                    paper=variant.paper,
                    paper_gain=_difference(variant.paper, paper_single),
                    paper_time=table.time_of_paper.get(variant.label),
                )
            )
        return rows

    def _figures(self, variant: Variant) -> dict[str, Any]:
        """Figures of a network on the data set; read from the folder if they are there."""
        run, model, memory_size = self._network(variant)
        window = "single" if model.memory is None else f"w{model.config.window_size or 'global'}"
        name = f"{run.name}-S{memory_size}-{window}-{self._split}"
        file = self._folder / "evaluations" / f"{name}.json"
        if not file.exists():
            segmenter = open_segmenter(model, memory_size=memory_size)
            frames = sum(map(streamed_frames, self._dataset.videos))
            with progress_bar(total=frames, desc=name) as progress:
                evaluation = evaluate(segmenter, self._dataset, lambda frame: progress.update())
            write_json(file, asdict(evaluation))
        try:
            return dict(json.loads(file.read_text()))
        except ValueError as error:
            raise TrainingError(f"{file} is damaged ({error}): delete it to score anew") from None

    def _times(self, table: PaperTable) -> dict[str, float]:
        """Median milliseconds of a frame, memory full, of each row."""
        image = self._dataset.videos[0].image(0)
        steps = {}
        for variant in table.rows:
            _, model, memory_size = self._network(variant)
            segmenter = open_segmenter(model, memory_size=memory_size)
            for _ in range(memory_size):
                segmenter.step(image)
            steps[variant.label] = partial(segmenter.step, image)
        return time_in_turns(steps, TIMED_FRAMES)

    def _mebibytes(self, variant: Variant) -> float:
        """MiB of the keys and values of all remembered frames, in fp32."""
        height, width = self._dataset.videos[0].image(0).shape[:2]
        _, model, memory_size = self._network(variant)
        return 4 * memory_size * network_cost(model, (width, height)).values_per_frame / 2**20

    def _network(self, variant: Variant) -> tuple[Path, LMANet, int]:
        """The run that it is from, the network as it is to be run, and its memory size."""
        if variant.memory_size == 0:
            return self._folder / "main", load(self._single_frame_weights()), 0
        run, checkpoint = self._train(variant)
        model = load(checkpoint)
        if variant.window_size != AS_TRAINED:
            model = with_window_size(model, variant.window_size)
        size = model.config.memory_size if variant.memory_size is None else variant.memory_size
        return run, model, size

    def _single_frame_weights(self) -> Path | str:
        stages = [stage.name for stage in self._config.stages if stage.data.frames == 1]
        if stages:
            self._train(Variant("main"))
            return RunFolder(self._folder / "main").result(stages[-1])
        if self._config.initial_weights is None:
            raise TrainingError(
                "neither a stage on single frames nor initial_weights to compare with"
            )
        return self._config.initial_weights

    def _train(self, variant: Variant) -> tuple[Path, Path]:
        """Folder and result of the run of a variant's network."""
        changes = dict(variant.model)
        frames = variant.frames
        if self._train_each and variant.memory_size:
            changes["memory_size"], frames = variant.memory_size, variant.memory_size + 1
        if self._train_each and variant.window_size != AS_TRAINED:
            changes["window_size"] = variant.window_size
        model = {**self._settings["model"], **changes}
        main = self._folder / "main"
        if ModelConfig.from_dict(model) == self._config.model:
            return main, train(self._settings, main)
        train(self._settings, main)
        name = "-".join(f"{key}_{value}" for key, value in changes.items())
        run = RunFolder(self._folder / name)
        settings = {**self._settings, "model": model, "stages": []}
        for stage, values in zip(self._config.stages, self._settings["stages"], strict=True):
            if stage.data.frames == 1:
                # Not trained again: the network is to differ in its memory alone.
                content = RunFolder(main).result(stage.name).read_bytes()
                write_bytes(run.result(stage.name), content)
            elif frames is not None:
                values = {**values, "data": {**values.get("data", {}), "frames": frames}}
            settings["stages"].append(values)
        return run.path, train(settings, run.path)


def _markdown(rows: Sequence[Row], timed: bool) -> str:
    columns = ["", "mIoU", "gain", "gain of a video, 95 %", "temporal consistency"]
    columns += ["paper: mIoU", "gain"]
    cells = [
        [
            row.label,
            *map(_cell, (row.miou, row.gain)),
            f"{row.mean:+.2f} ({row.low:+.2f} to {row.high:+.2f})",
            *map(_cell, (row.consistency, row.paper, row.paper_gain)),
        ]
        for row in rows
    ]
    if timed:
        columns += ["ms per frame", "to the first row", "MiB remembered", "paper"]
        first = rows[0].milliseconds
        for line, row in zip(cells, rows, strict=True):
            assert first is not None
            assert row.milliseconds is not None
            share = f"{100 * (row.milliseconds / first - 1):+.0f} %"
            line += [f"{row.milliseconds:.1f}", share, _cell(row.mebibytes)]
            line.append(row.paper_time or "-")
    return markdown_table(columns, cells)


def _mious(figures: Mapping[str, Any]) -> list[float]:
    """mIoU of each video, 0..1. A video whose labels are all 255 has none."""
    return [v["miou"] for v in figures["videos"].values() if v["miou"] is not None]


def _cell(figure: float | None) -> str:
    return "-" if figure is None else f"{figure:.2f}"


def _difference(one: float | None, other: float | None) -> float | None:
    return None if one is None or other is None else one - other
