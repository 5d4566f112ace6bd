"""COCO panoptic: a JSON file a split, and a PNG an image whose pixels are the ids of segments.

    annotations/panoptic_val2017.json             images, annotations with segments_info, categories with isthing
    annotations/panoptic_val2017/000000000139.png the id of a pixel is red + 256 green + 65,536 blue; 0 is void
    val2017/000000000139.jpg                      the images

Specification: https://cocodataset.org/#format-data, panoptic segmentation; https://github.com/cocodataset/panopticapi.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from smalti.formats.coco.panoptic.options import PanopticOptions
from smalti.formats.coco.panoptic.read import PanopticReader
from smalti.formats.coco.panoptic.write import PanopticWriter
from smalti.formats.coco.recognise import Content, contents
from smalti.formats.protocol import Format, FormatInfo, Grade, Match

if TYPE_CHECKING:
    from smalti.formats.probe import Probe


def sniff(probe: Probe) -> Match | None:
    """Segments that JSON files list; beside boxes and polygons they are a supplement of COCO."""
    found, where = contents(probe)
    if Content.PANOPTIC not in found:
        return None
    grade = Grade.POSSIBLE if Content.COCO in found else Grade.LIKELY
    return Match(grade, f"{where}: annotations with segments_info")


FORMAT = Format(
    info=FormatInfo(
        name="coco_panoptic",
        title="COCO panoptic",
        spec="https://cocodataset.org/#format-data",
        layout=(
            "annotations/panoptic_<split>.json",
            "annotations/panoptic_<split>/*.png",
            "images/<split>/*",
        ),
        keeps=frozenset(
            {"id", "image", "split", "panoptic", "objects.category", "objects.mask", "objects.iscrowd"}
        ),
    ),
    sniff=sniff,
    reader=PanopticReader,
    writer=PanopticWriter,
    options=PanopticOptions,
)
