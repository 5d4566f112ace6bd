"""The known dialects of annotation tables, by the names of their columns.

* TensorFlow Object Detection and Roboflow's "Tensorflow Object Detection":
  https://github.com/datitran/raccoon_dataset
* RetinaNet: https://github.com/fizyr/keras-retinanet#csv-datasets
* VIA: https://www.robots.ox.ac.uk/~vgg/software/via/
* VoTT: https://github.com/microsoft/VoTT
* AutoML Vision: https://cloud.google.com/vision/automl/object-detection/docs/csv-format
* Kaggle's global wheat detection: https://www.kaggle.com/c/global-wheat-detection/data
* Open Images: https://storage.googleapis.com/openimages/web/download_v7.html
* Roboflow multi-class: https://roboflow.com/formats/multiclass-classification-csv
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from smalti.formats.spreadsheet import values
from smalti.formats.spreadsheet.header import is_image, key
from smalti.formats.spreadsheet.mapping import Mapping

if TYPE_CHECKING:
    from smalti.formats.spreadsheet.cells import Sheet

_CORNERS: Final = {"xmin": "xmin", "ymin": "ymin", "xmax": "xmax", "ymax": "ymax"}
_OPEN: Final = {"xmin": "XMin", "ymin": "YMin", "xmax": "XMax", "ymax": "YMax"}

PRESETS: Final[dict[str, Mapping]] = {
    "tensorflow": Mapping(
        columns={"image": "filename", "width": "width", "height": "height", "category": "class", **_CORNERS},
        boxes="xyxy",
        rows="objects",
    ),
    "vott": Mapping(
        columns={"image": "image", "category": "label", **_CORNERS}, boxes="xyxy", rows="objects"
    ),
    "via": Mapping(
        columns={
            "image": "filename",
            "via_shape": "region_shape_attributes",
            "via_attributes": "region_attributes",
        },
        units="pixels",
        rows="objects",
        ignore=("file_size", "region_count", "region_id"),
    ),
    "wheat": Mapping(
        columns={"image": "image_id", "width": "width", "height": "height", "bbox": "bbox"},
        boxes="xywh",
        units="pixels",
        rows="objects",
    ),
    "open_images": Mapping(
        columns={"image": "ImageID", "category": "LabelName", "score": "Confidence", **_OPEN},
        boxes="xyxy",
        units="normalised",
        rows="objects",
    ),
    "retinanet": Mapping(
        columns={"image": "A", "xmin": "B", "ymin": "C", "xmax": "D", "ymax": "E", "category": "F"},
        boxes="xyxy",
        units="pixels",
        rows="objects",
    ),
    "automl": Mapping(
        columns={
            "split": "A",
            "image": "B",
            "category": "C",
            "xmin": "D",
            "ymin": "E",
            "xmax": "H",
            "ymax": "I",
        },
        boxes="xyxy",
        units="normalised",
        rows="objects",
        ignore=("F", "G", "J", "K"),
    ),
    "multiclass": Mapping(columns={"image": "filename"}, rows="images"),
}
_BARE: Final = ("retinanet", "automl")  # those without a header
_SETS: Final = frozenset({"TRAIN", "VALIDATION", "VALIDATE", "TEST", "UNASSIGNED"})


def preset_of(sheet: Sheet) -> str | None:
    """The dialect that a sheet is written in; null where it is none of the known ones."""
    if not sheet.has_header:
        return _bare(sheet)
    names = {key(name) for name in sheet.header}
    for name, mapping in PRESETS.items():
        needed = {key(column) for column in mapping.columns.values()}
        if name not in {*_BARE, "multiclass"} and needed <= names and _exact(name, names):
            return name
    return None


def _exact(name: str, names: set[str]) -> bool:
    """Dialects whose names many tables share are themselves only where nothing else stands beside them."""
    wanted = {key(column) for column in PRESETS[name].columns.values()}
    return name in {"via", "open_images"} or len(names) <= len(wanted) + (name == "wheat")


def _bare(sheet: Sheet) -> str | None:
    if not len(sheet):
        return None
    head = [values.words(column.slice(0, 50)).drop_null() for column in sheet.columns]
    width = len(head)
    if width == 6 and len(head[0]) and all(map(is_image, head[0].to_pylist())):
        numeric = all(not len(values.numbers(column.slice(0, 50))[1]) for column in sheet.columns[1:5])
        return "retinanet" if numeric and len(head[5]) and len(values.numbers(head[5])[1]) else None
    sets = head[0].to_pylist()
    return "automl" if width in {9, 10, 11} and sets and set(sets) <= _SETS else None
