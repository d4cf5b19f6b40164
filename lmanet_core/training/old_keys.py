"""Settings of configurations that were written before they were renamed."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from typing import Any

NEW_KEYS = {
    "any_frame": "corrupt_any_frame",
    "degradation": "corruption",
    "last_frame": "corrupt_last_frame",
    "meanings": "label_mapping",
    "steadiness": "temporal_consistency",
    "teaching": "distillation",
    "weight_average": "ema_decay",
    "worse_copy": "corrupted_copy",
}
"""Key of a configuration before -> now."""
_NEW_WORDS = {
    **NEW_KEYS,
    "TeachingConfig": "DistillationConfig",
    "WorseningConfig": "CorruptionConfig",
    "twins": "shared",
}


def rename_old_keys(settings: Any, where: str) -> Any:
    """The plain values of a configuration, old keys replaced; a line says which they were.

    Args:
        settings: as YAML has them.
        where: what the line begins with.
    """
    found: dict[str, str] = {}
    renamed = _renamed(settings, found)
    if found:
        # Only where it is needed: configurations are read without it, too.
        from lightning.pytorch.utilities import rank_zero_only

        names = ", ".join(f"{old} is now {new}" for old, new in found.items())
        rank_zero_only(print)(f"{where}: old settings, please rename: {names}", file=sys.stderr)
    return renamed


def rename_old_words(text: str) -> str:
    """Settings as a run that is resumed has them in its file, in today's words."""
    return re.sub(r"\w+", lambda word: _NEW_WORDS.get(word[0], word[0]), text)


def _renamed(value: Any, found: dict[str, str]) -> Any:
    if isinstance(value, list | tuple):
        return [_renamed(item, found) for item in value]
    if not isinstance(value, Mapping):
        return value
    renamed = {}
    for key, item in value.items():
        new = str(NEW_KEYS.get(key, key))
        if new != key:
            found[key] = new
        # A mapping of labels has names of classes for keys.
        renamed[new] = item if new == "label_mapping" else _renamed(item, found)
    if renamed.get("start") == "twins":
        renamed["start"] = "shared"
        found["start: twins"] = "start: shared"
    return renamed
