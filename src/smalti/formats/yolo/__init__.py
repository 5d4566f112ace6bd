"""YOLO, as Ultralytics reads it: one text file of rows an image, and a data.yaml.

    data.yaml                        classes, splits, keypoints
    images/<split>/<path>.jpg        or <split>/images/<path>.jpg
    labels/<split>/<path>.txt        one row an object; the task says what its columns are

An image without a label file is not annotated (objects are null), one with an empty file is annotated
and has nothing (objects are empty); trainers take both for background. With task classify there are no
label files: an image's folder is its class.

Read besides: classes.txt in the place of data.yaml (Label Studio), and Roboflow's text dialect of oriented
boxes below ``labelTxt``. ``kpt_skeleton`` in data.yaml is this library's own key; trainers pass over it.

Specification: https://docs.ultralytics.com/datasets/ and ``ultralytics/data/utils.py``.

Codes of losses:

    crowd.skipped       object   a crowd; option crowds
    category.missing    object   an object without a class
    geometry.missing    object   an object without what the task needs
    box.empty           object   nothing of the box lies in the image
    *.outside           object   left out with outside="drop": box, polygon, quad, keypoints
    label.missing       sample   an image without a class; classify
    *.clipped           change   cut at the image's border; option outside
    precision.reduced   change   fewer digits than it takes; option precision
    polygon.joined      change   parts joined to one ring
    mask.outlined       change   a mask written as its outline
    quad.as_polygon, box.as_polygon, box.as_quad   change   corners written
    box.enclosing       change   no box: the one around the object's other geometry
    visibility.assumed  change   unknown visibility written as visible
    extra.assumed       change   no score or track id: 0 written in its column
    image.renamed       change   two images would share one label file, or one name
    category.order      change   classify numbers classes in the order of their names
    category.*          value    what data.yaml has no place for
    field.dropped       value    columns and members that rows have no place for, or are not made of

Codes of repairs: ``path.relocated`` (a split's folder was found elsewhere inside the dataset) and
``split.missing`` (it was not found).
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
