"""One tool reads, or reads and writes, one format: format_tools.py TOOL read|write FORMAT SOURCE OUT.

Run by formats.py in the tool's own Python. Prints user and system CPU, wall time and peak memory as JSON: of the
reading, or of the writing alone of what has been read before.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

Pair = tuple[Callable[[Path], Any], Callable[[Any, Path], None]]


def ours() -> dict[str, Pair]:
    import smalti as sm

    def pair(name: str) -> Pair:
        return (
            lambda source: sm.read(source, format=name, progress=False).load(),
            lambda ds, out: ds.write(out, format=name, media="none", on_loss="ignore", progress=False),
        )

    return {name: pair(name) for name in TOOLS["smalti"]}


def labelformat() -> dict[str, Pair]:
    from labelformat.formats import cvat, kitti, pascalvoc, yolov8
    from labelformat.model.object_detection import ObjectDetectionInput

    class Held(ObjectDetectionInput):  # what has been read, as the writers want it
        def __init__(self, source: Any) -> None:
            self.categories, self.images = list(source.get_categories()), list(source.get_images())
            self.labels = list(source.get_labels())

        add_cli_arguments = staticmethod(print)  # never called

        def get_categories(self) -> Any:
            return self.categories

        def get_images(self) -> Any:
            return self.images

        def get_labels(self) -> Any:
            return self.labels

    voc, cars = pascalvoc.PascalVOCObjectDetectionInput, kitti.KittiObjectDetectionInput
    names = ",".join(CLASSES)
    return {
        "pascal_voc": (
            lambda p: Held(voc(p / "Annotations", names)),
            lambda ds, out: pascalvoc.PascalVOCObjectDetectionOutput(out).save(ds),
        ),
        "yolo": (
            lambda p: Held(yolov8.YOLOv8ObjectDetectionInput(p / "data.yaml", "train")),
            lambda ds, out: yolov8.YOLOv8ObjectDetectionOutput(out / "data.yaml", "train").save(ds),
        ),
        "kitti": (
            lambda p: Held(cars(p / "training" / "label_2", names, "../image_2")),
            lambda ds, out: kitti.KittiObjectDetectionOutput(out).save(ds),
        ),
        "cvat": (
            lambda p: Held(cvat.CVATObjectDetectionInput(p / "annotations.xml")),
            lambda ds, out: cvat.CVATObjectDetectionOutput(out).save(ds),
        ),
    }


def globox() -> dict[str, Pair]:
    from globox import AnnotationSet as Set

    return {
        "pascal_voc": (
            lambda p: Set.from_pascal_voc(p / "Annotations"),
            lambda ds, out: ds.save_pascal_voc(out),
        ),
        "yolo": (
            lambda p: Set.from_yolo_v5(p / "labels" / "train", image_folder=p / "images" / "train"),
            lambda ds, out: ds.save_yolo_v5(out, label_to_id={str(n): n for n in range(len(CLASSES))}),
        ),
        "labelme": (lambda p: Set.from_labelme(p / "train"), lambda ds, out: ds.save_labelme(out)),
        "cvat": (
            lambda p: Set.from_cvat(p / "annotations.xml"),
            lambda ds, out: ds.save_cvat(out / "annotations.xml"),
        ),
    }


def supervision() -> dict[str, Pair]:
    from supervision import DetectionDataset as Set

    return {
        "pascal_voc": (
            lambda p: Set.from_pascal_voc(str(p / "JPEGImages"), str(p / "Annotations")),
            lambda ds, out: ds.as_pascal_voc(annotations_directory_path=str(out)),
        ),
        "yolo": (
            lambda p: Set.from_yolo(
                str(p / "images" / "train"), str(p / "labels" / "train"), str(p / "data.yaml")
            ),
            lambda ds, out: ds.as_yolo(annotations_directory_path=str(out)),
        ),
        "labelme": (
            lambda p: Set.from_labelme(str(p / "train"), str(p / "train")),
            lambda ds, out: ds.as_labelme(annotations_directory_path=str(out)),
        ),
    }


def datumaro() -> dict[str, Pair]:
    from datumaro import Dataset

    def pair(name: str, below: str = "") -> Pair:
        def read(path: Path) -> Any:
            found = Dataset.import_from(str(path / below), name)
            found.init_cache()
            return found

        return read, lambda ds, out: ds.export(str(out), name, save_media=False)

    return {
        "pascal_voc": pair("voc"),
        "yolo": pair("yolo_ultralytics"),
        "kitti": pair("kitti_detection"),
        "cvat": pair("cvat"),
    }


# In the order of the tables, with the formats that each knows.
TOOLS = {
    "smalti": ("pascal_voc", "yolo", "kitti", "labelme", "cvat"),
    "labelformat": ("pascal_voc", "yolo", "kitti", "cvat"),
    "globox": ("pascal_voc", "yolo", "labelme", "cvat"),
    "supervision": ("pascal_voc", "yolo", "labelme"),
    "datumaro": ("pascal_voc", "yolo", "kitti", "cvat"),
}
MAKERS = {
    "smalti": ours,
    "labelformat": labelformat,
    "globox": globox,
    "supervision": supervision,
    "datumaro": datumaro,
}
CLASSES: list[str] = []  # some want to be told


def main(tool: str, verb: str, name: str, source: Path, out: Path) -> None:
    CLASSES.extend((source.parent / "pascal_voc" / "labels.txt").read_text("utf-8").splitlines())
    read, write = MAKERS[tool]()[name]
    out.mkdir(parents=True, exist_ok=True)
    ds = read(source) if verb == "write" else None
    used, wall = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    if verb == "read":
        ds = read(source)
    else:
        write(ds, out)
    took, now = time.perf_counter() - wall, resource.getrusage(resource.RUSAGE_SELF)
    figures = {
        "user": now.ru_utime - used.ru_utime,
        "system": now.ru_stime - used.ru_stime,
        "wall": took,
        "peak_mb": now.ru_maxrss / 1024,
    }
    print("\n" + json.dumps(figures))  # the figures, after whatever the tool has said


if __name__ == "__main__":
    main(*sys.argv[1:4], *map(Path, sys.argv[4:6]))
