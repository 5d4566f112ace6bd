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
    import pyarrow as pa

    from smalti.formats.spreadsheet.cells import Sheet

_CORNERS: Final = {"xmin": "xmin", "ymin": "ymin", "xmax": "xmax", "ymax": "ymax"}
_OPEN: Final = {"xmin": "XMin", "ymin": "YMin", "xmax": "XMax", "ymax": "YMax"}


def _automl(image: str, **split: str) -> Mapping:
    """Four corners, of which two suffice, behind the image and its class; the split may be left out."""
    label, *corners = (chr(ord(image) + step) for step in range(1, 10))
    xmin, ymin, x2, y1, xmax, ymax, x1, y2 = corners
    return Mapping(
        columns={
            **split,
            "image": image,
            "category": label,
            "xmin": xmin,
            "ymin": ymin,
            "xmax": xmax,
            "ymax": ymax,
        },
        boxes="xyxy",
        units="normalised",
        rows="objects",
        ignore=(x2, y1, x1, y2),
    )


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
        columns={"image": "ImageID", "category": "LabelName", **_OPEN},
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
    "automl": _automl("B", split="A"),
    "multiclass": Mapping(columns={"image": "filename"}, rows="images"),
}
OPTIONAL: Final = {"open_images": {"score": "Confidence", "iscrowd": "IsGroupOf"}}
_BARE: Final = ("retinanet", "automl")  # those without a header
_SETS: Final = frozenset({"TRAIN", "TRAINING", "VALIDATION", "VALIDATE", "TEST", "UNASSIGNED"})


def mapping_of(name: str, sheet: Sheet) -> Mapping:
    """The mapping of a dialect, as a sheet has it."""
    return _automl("A") if name == "automl" and has_split(sheet) is False else PRESETS[name]


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
    if len(head) == 6 and _are_images(head[0]):
        numeric = all(not len(values.numbers(column.slice(0, 50))[1]) for column in sheet.columns[1:5])
        return "retinanet" if numeric and len(head[5]) and len(values.numbers(head[5])[1]) else None
    split = has_split(sheet)
    if split is None or not 8 <= len(head) - split <= 10:
        return None
    sides = sheet.columns[2 + split : 8 + split]
    return None if any(len(values.numbers(side.slice(0, 50))[1]) for side in sides) else "automl"


def has_split(sheet: Sheet) -> bool | None:
    """Whether AutoML's column of splits stands before that of its images; null: there are neither."""
    if len(sheet.columns) < 2:
        return None
    first, second = (values.words(column.slice(0, 50)).drop_null() for column in sheet.columns[:2])
    if _are_images(second) and {word.upper() for word in first.to_pylist()} <= _SETS:
        return True
    return False if _are_images(first) else None


def _are_images(words: pa.Array) -> bool:
    return len(words) > 0 and all(map(is_image, words.to_pylist()))
