"""Pascal VOC: an XML file an image, boxes by their corners, and label images of classes and of objects.

Specification: http://host.robots.ox.ac.uk/pascal/VOC/voc2012/htmldoc/index.html (the development kit)

    Annotations/a.xml            the objects of JPEGImages/a.jpg
    JPEGImages/a.jpg
    ImageSets/Main/train.txt     the images of a split, without their suffix; those with label images in Segmentation
    SegmentationClass/a.png      a pixel is the number of its class, 255 is void
    SegmentationObject/a.png     a pixel is the place of its object in the XML, from 1
    labels.txt                   the classes in their order; read where it is there, as is labelmap.txt

labelImg, CVAT and Roboflow put the XML beside the images, in one folder or one a split: that is read as well.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from smalti.formats.pascal_voc.options import CLASSES, OBJECTS, VocOptions
from smalti.formats.pascal_voc.read import VocReader
from smalti.formats.pascal_voc.write import VocWriter
from smalti.formats.protocol import Format, FormatInfo, Grade, Match

if TYPE_CHECKING:
    from smalti.formats.probe import Probe

ROOT = re.compile(rb"<annotation[\s>]")


def sniff(probe: Probe) -> Match | None:
    """XML files whose root is an annotation with a size or objects, or label images in VOC's folders."""
    for path in probe.matching("*.xml")[:3]:
        head = probe.head(path)
        if ROOT.search(head[:400]) and (b"<bndbox>" in head or b"<size>" in head or b"<filename>" in head):
            return Match(Grade.CERTAIN, f"{path} is an annotation of an image")
    for path in probe.matching(f"{CLASSES}*.png", f"{OBJECTS}*.png")[:1]:
        return Match(Grade.LIKELY, f"{path} has the place of VOC's label images")
    return None


FORMAT = Format(
    info=FormatInfo(
        name="pascal_voc",
        title="Pascal VOC",
        spec="https://host.robots.ox.ac.uk/pascal/VOC/voc2012/htmldoc/index.html",
        layout=(
            "Annotations/*.xml",
            "JPEGImages/*",
            "ImageSets/Main/<split>.txt",
            "SegmentationClass/*.png",
            "SegmentationObject/*.png",
        ),
        keeps=frozenset({"image", "split", "mask", "objects.category", "objects.bbox", "objects.mask"}),
    ),
    sniff=sniff,
    reader=VocReader,
    writer=VocWriter,
    options=VocOptions,
)
