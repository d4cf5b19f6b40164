"""The figures of an evaluation, for machines and for people."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import asdict
from typing import Any

from lmanet_core.cloud.cloud_scorer import CloudAccumulator
from lmanet_core.evaluation import common_classes
from lmanet_ros.bags.survey import Survey
from lmanet_ros.evaluation.latencies import count_latencies, latency_percentiles
from lmanet_ros.evaluation.playback import Mode, Playback
from lmanet_ros.evaluation.scoring import Score

OUTCOMES = ("answered", "dropped", "refused", "unanswered")
NODE_COUNTS = ("received", "processed", "dropped", "skipped", "refused", "failed", "lost")
WORST_FRAMES = 6
PLACE = 2_000_000_000
"""Nanoseconds between two of them, or less in a short recording: one place is pictured once."""
SUMMARY = "evaluation.json"


def summarize(survey: Survey, mode: Mode, playback: Playback, score: Score) -> dict[str, Any]:
    """Everything as JSON can hold it; shares are 0..1, what cannot be said is None."""
    outcomes = Counter(played.outcome for played in playback.frames)
    evaluation = score.evaluation
    iou = evaluation.iou if evaluation.frames else {}
    latencies = count_latencies(
        played.latency for played in playback.frames if played.latency is not None
    )
    return {
        "bag": str(survey.path),
        "images_sha256": survey.images_sha256,
        "run": playback.facts,
        "image_topic": survey.image_topic,
        "label_topic": survey.label_topic,
        # By this name since there were only checkpoints; it may be an exported file.
        "checkpoint": playback.network,
        "mode": "live" if mode.live else "lossless",
        "rate": mode.rate,
        "frames": {
            "in_bag": len(survey.frames),
            **{outcome: outcomes[outcome] for outcome in OUTCOMES},
        },
        "node": {name: playback.node_counts.get(name, 0) for name in NODE_COUNTS},
        "latency_ms": latency_percentiles(latencies),
        "latency_counts": latencies,
        "seconds": round(playback.seconds, 3),
        "fps": round(outcomes["answered"] / playback.seconds, 2),
        "miou": rounded(evaluation.miou),
        "iou": {name: rounded(share) for name, share in iou.items()},
        "scored_frames": evaluation.frames,
        "temporal_consistency": rounded(evaluation.temporal_consistency),
        "vc8": rounded(evaluation.vc8),
        "vc16": rounded(evaluation.vc16),
        "labels_sha256": score.labels_sha256,
        "tally": score.tally.to_dict(),
        "depth_topic": survey.depth_topic,
        "cloud": cloud_figures(score.cloud),
        "cloud_tally": score.cloud.to_dict(),
        "skipped": _skipped(playback, score),
        "notes": _notes(survey, playback),
        "worst_frames": worst_frames(playback, score),
        "per_frame": _per_frame(playback, score),
    }


def worst_frames(playback: Playback, score: Score) -> list[int]:
    """Numbers of the frames with the lowest mean IoU or, without truth, consistency.

    From different places: each with some time between it and every worse one.
    """
    frames = score.frames.items()
    stamps = {played.frame.number: played.frame.stamp for played in playback.frames}
    scored = [(frame.miou, number) for number, frame in frames if frame.miou is not None]
    if not scored:
        scored = [
            (frame.consistency, number) for number, frame in frames if frame.consistency is not None
        ]
    recorded = [stamps[number] for _, number in scored]
    place = min(PLACE, (max(recorded, default=0) - min(recorded, default=0)) / (2 * WORST_FRAMES))
    chosen: list[int] = []
    for _, number in sorted(scored):
        if all(abs(stamps[number] - stamps[other]) >= place for other in chosen):
            chosen.append(number)
    return chosen[:WORST_FRAMES]


def is_complete(summary: dict[str, Any]) -> bool:
    """Whether the recording was played to its end."""
    frames = dict(summary["frames"])
    return bool(frames.pop("in_bag") == sum(frames.values()))


def without_frames(summary: dict[str, Any]) -> dict[str, Any]:
    """The summary without what it has for each frame."""
    return {name: value for name, value in summary.items() if name != "per_frame"}


def format_summary(summary: dict[str, Any]) -> str:
    """The summary as lines of text."""
    lines = [
        f"network      {summary['checkpoint']}, {summary['run']['backend']}",
        f"scored       {scored_topics(summary)}",
        *_figures(summary),
    ]
    lines += [f"skipped      {s['count']} frames: {s['reason']}" for s in summary["skipped"]]
    lines += [f"note         {note}" for note in summary["notes"]]
    return "\n".join(lines)


def scored_topics(summary: dict[str, Any]) -> str:
    """Which topic was scored against which."""
    return f"{summary['image_topic']} against {summary['label_topic'] or 'no true labels'}"


def format_fleet(fleet: dict[str, Any]) -> str:
    """The summary of several recordings as lines of text."""
    lines = [f"recordings   {len(fleet['recordings'])}"]
    topics = Counter(map(scored_topics, fleet["recordings"]))
    lines += [f"scored       {which} in {count} of them" for which, count in topics.items()]
    lines += _figures(fleet["total"])
    lines += [f"failed       {failed['bag']}: {failed['reason']}" for failed in fleet["failed"]]
    lines += [f"note         {note}" for note in fleet["notes"]]
    return "\n".join(lines)


def _figures(summary: dict[str, Any]) -> list[str]:
    """What one recording has as well as several."""
    latency = ", ".join(f"{name} {value} ms" for name, value in summary["latency_ms"].items())
    lines = [
        f"latency      {latency} (image to labels)",
        f"frames       {', '.join(f'{n} {name}' for name, n in summary['frames'].items())}",
        f"answers      {summary['fps']} per second",
        f"consistency  {percent(summary['temporal_consistency'])} %",
    ]
    if summary["scored_frames"]:
        lines.append(
            f"mIoU         {percent(summary['miou'])} % of {summary['scored_frames']} frames"
        )
        lines += [
            f"  {name:14} {percent(iou):>6}"
            for name, iou in summary["iou"].items()
            if iou is not None
        ]
    if cloud := summary.get("cloud"):
        lines += ["in space", *(f"  {name:48} {value}" for name, value in in_space(cloud).items())]
    if baseline := summary.get("baseline"):
        lines.append(
            f"single frame mIoU {percent(baseline['miou'])} %, "
            f"consistency {percent(baseline['temporal_consistency'])} %, "
            f"{baseline['fps']} answers per second"
        )
        if cloud := baseline.get("cloud"):
            lines += [f"  {name:48} {value}" for name, value in in_space(cloud).items()]
    return lines


def cloud_figures(tally: CloudAccumulator) -> dict[str, Any] | None:
    """Figures in space as JSON can hold them; None where nothing was measured."""
    figures = tally.figures()
    return asdict(figures) if figures else None


def in_space(cloud: dict[str, Any]) -> dict[str, float | None]:
    """Figures in space by what they are called, as they are printed."""
    named = {
        f"points with the scene's own class, {band}, %": None if share is None else 100 * share
        for band, share in cloud["accuracy"].items()
    }
    edge = cloud["edge_error"]
    named |= {f"error of the ground's edge, {name}, m": edge[name] for name in edge}
    named |= {
        "ghost obstacles, points per frame": cloud["ghost_points"],
        "ghost obstacles, cells per frame": cloud["ghost_cells"],
        "frames with ghost obstacles, %": 100 * cloud["frames_with_ghosts"],
        "obstacles missed, cells per frame": cloud["missed_cells"],
    }
    return {name: None if value is None else round(value, 2) for name, value in named.items()}


def percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f}"


def _skipped(playback: Playback, score: Score) -> list[dict[str, Any]]:
    """Frames and labels that do not count, by reason."""
    numbers: dict[str, list[int]] = defaultdict(list)
    for played in playback.frames:
        if played.outcome != "answered":
            numbers[f"{played.outcome}: {played.reason}"].append(played.frame.number)
    for number, problem in score.label_problems.items():
        numbers[f"labels not used: {problem}"].append(number)
    return [
        {"reason": reason, "count": len(frames), "frames": frames}
        for reason, frames in numbers.items()
    ]


def _notes(survey: Survey, playback: Playback) -> list[str]:
    notes = list(survey.notes)
    if (played := len(playback.frames)) < len(survey.frames):
        notes.append(f"playing was interrupted after {played} of {len(survey.frames)} frames")
    notes += _notes_on_truth(survey)
    return notes + _notes_on_classes(survey, playback)


def _notes_on_classes(survey: Survey, playback: Playback) -> list[str]:
    if survey.label_topic is None:
        return []
    common = common_classes(playback.classes, survey.classes)
    if common.is_empty:
        return [
            "nothing is scored: the network has none of the recording's classes, "
            f"{', '.join(common.left_out)}"
        ]
    notes = []
    if common.classes.names != playback.classes.names:
        notes.append(
            "scored in the recording's classes, of which some are several of the network's"
        )
    if common.left_out:
        notes.append(
            "pixels of these classes do not count, the network does not know them: "
            f"{', '.join(common.left_out)}"
        )
    return notes


def _notes_on_truth(survey: Survey) -> list[str]:
    if survey.label_topic is None:
        return ["no topic with true labels: no mIoU"]
    notes = []
    labelled = [frame for frame in survey.frames if frame.stamp in survey.label_stamps]
    if missing := len(survey.frames) - len(labelled):
        notes.append(f"{missing} frames have no true labels under their stamp")
    first: dict[int, int] = {}
    if shared := sum(f.received != first.setdefault(f.stamp, f.received) for f in labelled):
        notes.append(
            f"{shared} frames are not scored: they have the stamp of another one, whose the true "
            "labels may be"
        )
    return notes


def _per_frame(playback: Playback, score: Score) -> list[dict[str, Any]]:
    rows = []
    for played in playback.frames:
        frame = score.frames.get(played.frame.number)
        rows.append(
            {
                "number": played.frame.number,
                "stamp": played.frame.stamp,
                "outcome": played.outcome,
                "latency_ms": None if played.latency is None else round(1e3 * played.latency, 2),
                "miou": rounded(frame.miou) if frame else None,
                "consistency": rounded(frame.consistency) if frame else None,
            }
        )
    return rows


def rounded(share: float | None) -> float | None:
    return None if share is None else round(share, 4)
