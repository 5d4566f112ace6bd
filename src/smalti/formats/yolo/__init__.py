"""YOLO, as Ultralytics reads it: one text file of rows an image, and a data.yaml.

    data.yaml                        classes, splits, keypoints
    images/<split>/<path>.jpg        or <split>/images/<path>.jpg
    labels/<split>/<path>.txt        one row an object; the task says what its columns are

An image without a label file is not annotated (objects are null), one with an empty file is annotated
and has nothing (objects are empty); trainers take both for background.

Specification: https://docs.ultralytics.com/datasets/ and ``ultralytics/data/utils.py``.

Codes of losses:

    crowd.skipped       object   a crowd; option crowds
    category.missing    object   an object without a class
    geometry.missing    object   an object without what the task needs
    box.empty           object   nothing of the box lies in the image
    *.outside           object   left out with outside="drop"
    *.clipped           change   cut at the image's border; option outside
    polygon.joined      change   parts joined to one ring
    mask.outlined       change   a mask written as its outline
    quad.as_polygon, box.as_polygon, box.as_quad   change   corners written
    visibility.assumed  change   unknown visibility written as visible
    image.renamed       change   two images would share one label file
    category.*          value    what data.yaml has no place for
    field.dropped       value    columns and members that rows have no place for
"""

from __future__ import annotations

from smalti.formats.protocol import Format, FormatInfo
from smalti.formats.yolo.options import YoloOptions
from smalti.formats.yolo.read import YoloReader
from smalti.formats.yolo.recognise import sniff
from smalti.formats.yolo.write import YoloWriter

FORMAT = Format(
    info=FormatInfo(
        name="yolo",
        title="YOLO (Ultralytics)",
        spec="https://docs.ultralytics.com/datasets/",
        layout=("data.yaml", "images/<split>/*.jpg", "labels/<split>/*.txt"),
        keeps=frozenset(
            {
                "split",
                "objects.category",
                "objects.bbox",
                "objects.polygons",
                "objects.keypoints",
                "objects.quad",
                "objects.score",
                "objects.track_id",
                "label",
            }
        ),
    ),
    sniff=sniff,
    reader=YoloReader,
    writer=YoloWriter,
    options=YoloOptions,
)
