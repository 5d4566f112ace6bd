"""Datumaro's own JSON: a file a subset, with every 2-D annotation that Datumaro has.

Specification: https://github.com/open-edge-platform/datumaro/tree/develop/src/datumaro/plugins/data_formats/datumaro

    annotations/train.json    {"dm_format_version", "media_type", "infos", "categories", "items": [{"id", "annotations", "image"}]}
    images/train/*.jpg
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from smalti.formats.datumaro.read import DatumaroOptions, DatumaroReader
from smalti.formats.datumaro.write import DatumaroWriter
from smalti.formats.protocol import Format, FormatInfo, Grade, Match
from smalti.schema import features

if TYPE_CHECKING:
    from smalti.formats.probe import Probe

OTHERS = frozenset({"quad", "angle", "box3d"})  # members that it has no place for


def sniff(probe: Probe) -> Match | None:
    """A JSON with Datumaro's version, or with categories of labels."""
    for path in probe.matching("*.json")[:8]:
        head = probe.head(path)
        if re.search(rb'"dm_format_version"\s*:', head):
            return Match(Grade.CERTAIN, f"{path} has Datumaro's version")
        if re.search(rb'"categories"\s*:\s*\{', head) and b'"label_groups"' in head:
            return Match(Grade.CERTAIN, f"{path} has Datumaro's groups of labels")
        if re.search(rb'"categories"\s*:\s*\{\s*"(label|mask|points)"\s*:\s*\{', head):
            return Match(Grade.CERTAIN, f"{path} has Datumaro's categories")
    return None


FORMAT = Format(
    info=FormatInfo(
        name="datumaro",
        title="Datumaro",
        spec="https://github.com/open-edge-platform/datumaro/tree/develop/src/datumaro/plugins/data_formats/datumaro",
        layout=("annotations/<split>.json", "images/<split>/*"),
        keeps=frozenset(
            {
                "image",
                "split",
                "label",
                "captions",
                *(f"objects.{name}" for name in features.OBJECT_MEMBERS if name not in OTHERS),
            }
        ),
    ),
    sniff=sniff,
    reader=DatumaroReader,
    writer=DatumaroWriter,
    options=DatumaroOptions,
)
