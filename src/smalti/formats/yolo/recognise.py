"""Whether a source is a YOLO dataset: a data.yaml, or label files of numbers beside images."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from smalti.formats.protocol import Grade, Match

if TYPE_CHECKING:
    from smalti.formats.probe import Probe

_NAMES = re.compile(rb"^(names|nc)\s*:", re.MULTILINE)
_SPLIT = re.compile(rb"^(train|val|validation|test)\s*:", re.MULTILINE)
_ROW = re.compile(rb"\s*\d+(\.\d*)?([eE][+-]?\d+)?(\s+[-+0-9.eE]+){4,}\s*")


def sniff(probe: Probe) -> Match | None:
    """A data.yaml with classes and splits is certain; rows of numbers below ``labels`` are likely."""
    yamls = [path for path in probe.matching("*.yaml", "*.yml") if "/" not in path]
    for path in yamls:
        head = probe.head(path)
        if _NAMES.search(head) and (_SPLIT.search(head) or _has_labels(probe)):
            return Match(Grade.CERTAIN, f"{path} names classes and splits")
    if probe.is_file or any(path.rpartition("/")[2] in {"obj.data", "obj.names"} for path in probe.files):
        return None
    if _has_labels(probe) and {"classes.txt", "labels/classes.txt"} & set(probe.files):
        return Match(Grade.LIKELY, "rows of numbers below labels/ and a classes.txt")
    return None


def _has_labels(probe: Probe) -> bool:
    labels = [path for path in probe.matching("labels/*.txt", "*/labels/*.txt") if "classes" not in path]
    for path in labels[:8]:
        lines = [line for line in probe.head(path).splitlines() if line.strip()]
        if lines:
            return _ROW.fullmatch(lines[0]) is not None
    return bool(labels)
