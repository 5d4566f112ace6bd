"""Open Images: CSVs of boxes, image labels, masks, relationships and points, versions 4 to 7.

Specification: https://storage.googleapis.com/openimages/web/download_v7.html

    train-annotations-bbox.csv                     or oidv6-train-…: a row a box, sides as fractions of the image
    train-annotations-human-imagelabels.csv        verified labels: confidence 1 is there, 0 is not there
    train-annotations-machine-imagelabels.csv      labels of a machine, with its confidence
    train-annotations-object-segmentation.csv      masks, each with its box; pixels in PNGs
    oidv6-train-annotations-vrd.csv                relationships; oidv7-train-annotations-point-labels.csv points
    train-images-boxable-with-rotation.csv         images: URLs, license, author, rotation
    class-descriptions-boxable.csv                 classes: /m/0cmf2,Airplane; from version 6 on with a header
    bbox_labels_600_hierarchy.json                 the hierarchy of classes
    train/0001eeaf4aed83f9.jpg                     the images; or images/train/ beside annotations/ (CVAT, Datumaro),
                                                   or data/ beside labels/ and metadata/ (FiftyOne)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from smalti.formats.open_images.layout import fits, named
from smalti.formats.open_images.options import IMAGE_COLUMNS, OpenImagesOptions
from smalti.formats.open_images.read import OpenImagesReader
from smalti.formats.open_images.rows import header_of
from smalti.formats.open_images.write import OpenImagesWriter
from smalti.formats.protocol import Format, FormatInfo, Grade, Match

if TYPE_CHECKING:
    from smalti.formats.probe import Probe

LOOKED_AT = 32  # files


def sniff(probe: Probe) -> Match | None:
    """A CSV that has both a name and the columns of the benchmark.

    The columns alone are no mark: a table of any other name with them is a spreadsheet, which reads it as that dialect.
    """
    told = [name for path in probe.matching("*.csv") if (name := named(path)).kind]
    for name in told[:LOOKED_AT]:
        header = header_of(probe.head(name.path).partition(b"\n")[0])
        if fits(str(name.kind), header):
            return Match(
                Grade.CERTAIN, f"{name.path} has the name and the columns of Open Images' {name.kind}"
            )
    return None


FORMAT = Format(
    info=FormatInfo(
        name="open_images",
        title="Open Images",
        spec="https://storage.googleapis.com/openimages/web/download_v7.html",
        layout=(
            "*-annotations-bbox.csv",
            "*-annotations-*-imagelabels.csv",
            "*-annotations-object-segmentation.csv",
            "*-annotations-vrd.csv",
            "*-annotations-point-labels.csv",
            "*-images-*.csv",
            "class-descriptions*.csv",
            "labels/*.csv",
            "metadata/*.csv",
            "images/<split>/*.jpg",
        ),
        keeps=frozenset(
            {"image", "split", "labels", "machine_labels", "relationships", "points", *IMAGE_COLUMNS}
        )
        | {f"objects.{name}" for name in ("category", "bbox", "mask", "score", "iscrowd")},
    ),
    sniff=sniff,
    reader=OpenImagesReader,
    writer=OpenImagesWriter,
    options=OpenImagesOptions,
)
