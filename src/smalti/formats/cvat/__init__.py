"""CVAT 1.1, for images and for video: one XML file, with the images beside it.

Specification: https://docs.cvat.ai/docs/other/xml_format

    annotations.xml        meta: the labels and their attributes; then an element an image, or a track
    images/a.jpg           the images of a task, or
    images/train/a.jpg     those of a project's subset
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from smalti.formats.cvat.read import NAME, CvatReader
from smalti.formats.cvat.write import CvatOptions, CvatWriter
from smalti.formats.protocol import Format, FormatInfo, Grade, Match

if TYPE_CHECKING:
    from smalti.formats.probe import Probe

ROOT = re.compile(rb"<annotations[\s>]")
INSIDE = re.compile(rb"<(version>\s*1\.|meta>|image\s|track\s)")
LOOKED_AT = 3  # files


def sniff(probe: Probe) -> Match | None:
    """XML files whose root is ``annotations``, with a version, meta, images or tracks."""
    for path in probe.matching("*.xml")[:LOOKED_AT]:
        if "/" in path:
            continue
        head = probe.head(path)
        if (root := ROOT.search(head)) and INSIDE.search(head, root.end()):
            return Match(Grade.CERTAIN, f"{path} holds annotations of CVAT")
    return None


FORMAT = Format(
    info=FormatInfo(
        name="cvat",
        title="CVAT",
        spec="https://docs.cvat.ai/docs/other/xml_format",
        layout=(NAME, "images/*"),
        keeps=frozenset(
            {"image", "split", "tags", "video", "frame", "objects.track_id"}
            | {
                f"objects.{name}"
                for name in ("category", "bbox", "polygons", "mask", "quad", "keypoints", "polyline")
            }
        ),
        file_suffixes=(".xml",),
    ),
    sniff=sniff,
    reader=CvatReader,
    writer=CvatWriter,
    options=CvatOptions,
)
