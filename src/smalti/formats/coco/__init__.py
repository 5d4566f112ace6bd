"""COCO: instances, keypoints, captions, stuff, image lists and detection results."""

from __future__ import annotations

from smalti.formats.coco.objects import HELD
from smalti.formats.coco.options import CocoOptions
from smalti.formats.coco.read import CocoReader
from smalti.formats.coco.recognise import sniff
from smalti.formats.coco.write import CocoWriter
from smalti.formats.protocol import Format, FormatInfo

FORMAT = Format(
    info=FormatInfo(
        name="coco",
        title="COCO",
        spec="https://cocodataset.org/#format-data",
        layout=(
            "annotations/instances_<split>.json",
            "images/<split>/*",
        ),
        keeps=frozenset(
            {
                "id",
                "image",
                "split",
                "captions",
                *(f"objects.{member}" for member in HELD),
            }
        ),
        file_suffixes=(".json",),
    ),
    sniff=sniff,
    reader=CocoReader,
    writer=CocoWriter,
    options=CocoOptions,
)
