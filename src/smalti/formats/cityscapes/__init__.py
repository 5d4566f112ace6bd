"""Cityscapes: street scenes, a folder a city, with polygons and label images of classes and instances.

Specification: https://github.com/mcordts/cityscapesScripts

    leftImg8bit/train/aachen/aachen_000000_000019_leftImg8bit.png
    gtFine/train/aachen/aachen_000000_000019_gtFine_polygons.json        outlines, later ones over earlier ones
    gtFine/train/aachen/aachen_000000_000019_gtFine_labelIds.png         a pixel is the number of its class
    gtFine/train/aachen/aachen_000000_000019_gtFine_labelTrainIds.png    of the 19 classes that are trained on
    gtFine/train/aachen/aachen_000000_000019_gtFine_instanceIds.png      1000 * class + instance, or the class
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from smalti.formats.cityscapes.options import CityscapesOptions
from smalti.formats.cityscapes.read import ENDINGS, TRUTHS, CityscapesReader
from smalti.formats.cityscapes.write import CityscapesWriter
from smalti.formats.protocol import Format, FormatInfo, Grade, Match

if TYPE_CHECKING:
    from smalti.formats.probe import Probe


def sniff(probe: Probe) -> Match | None:
    """Files of gtFine or gtCoarse, or an empty dataset's folders of images."""
    for path in probe.files:
        for folder, tag in TRUTHS.items():
            if path.startswith(folder) and any(path.endswith(f"{tag}{end}") for end in ENDINGS.values()):
                return Match(Grade.CERTAIN, f"{path} has Cityscapes' place and name")
    for path in probe.files:
        if path.startswith("leftImg8bit/") and "_leftImg8bit." in path:
            return Match(Grade.LIKELY, f"{path} has Cityscapes' place and name")
    return None


FORMAT = Format(
    info=FormatInfo(
        name="cityscapes",
        title="Cityscapes",
        spec="https://github.com/mcordts/cityscapesScripts",
        layout=(
            "leftImg8bit/<split>/<city>/*_leftImg8bit.png",
            *(f"gtFine/<split>/<city>/*_gtFine_{ending}" for ending in ENDINGS.values()),
        ),
        keeps=frozenset(
            {
                "image",
                "split",
                "mask",
                "objects.category",
                "objects.polygons",
                "objects.mask",
                "objects.iscrowd",
            }
        ),
    ),
    sniff=sniff,
    reader=CityscapesReader,
    writer=CityscapesWriter,
    options=CityscapesOptions,
)
