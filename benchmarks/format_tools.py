"""One tool reads, or reads and writes, one format: format_tools.py TOOL read|write FORMAT SOURCE OUT.

Run by formats.py in the tool's own Python. Prints user and system CPU, wall time and peak memory as JSON: of the
reading, or of the writing alone of what has been read before. Beside it stands what the tool has read: images,
boxes and classes, so that nobody is measured for leaving something out.
"""

from __future__ import annotations

import gc
import json
import os
import resource
import sys
import time
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

Pair = tuple[Callable[[Path], Any], Callable[[Any, Path], None]]
Held = tuple[int, list[str]]  # images, and the class of each box


def ours() -> dict[str, Pair]:
    import smalti as sm
    import smalti.io  # loads what is loaded when it is used
    from smalti.formats import registry

    import_module("numpy.ma")  # pyarrow does so with its first array,
    import_module("defusedxml.ElementTree")
    if find_spec("pandas"):
        import_module("pandas")  # and with this, where it is there

    def pair(name: str) -> Pair:
        registry.get(name)  # what others import with themselves
        return (
            lambda source: sm.read(source, format=name, progress=False).load(),
            lambda ds, out: ds.write(out, format=name, media="none", on_loss="ignore", progress=False),
        )

    return {name: pair(name) for name in TOOLS["smalti"]}


def labelformat() -> dict[str, Pair]:
    from labelformat.formats import cvat, kitti, pascalvoc, yolov8
    from labelformat.model.object_detection import ObjectDetectionInput

    class Read(ObjectDetectionInput):  # what has been read, as the writers want it
        def __init__(self, source: Any) -> None:
            self.categories, self.labels = list(source.get_categories()), list(source.get_labels())
            self.images = [label.image for label in self.labels]

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
            lambda p: Read(voc(p / "Annotations", names)),
            lambda ds, out: pascalvoc.PascalVOCObjectDetectionOutput(out).save(ds),
        ),
        "yolo": (
            lambda p: Read(yolov8.YOLOv8ObjectDetectionInput(p / "data.yaml", "train")),
            lambda ds, out: yolov8.YOLOv8ObjectDetectionOutput(out / "data.yaml", "train").save(ds),
        ),
        "kitti": (
            lambda p: Read(cars(p / "training" / "label_2", names, "../image_2")),
            lambda ds, out: kitti.KittiObjectDetectionOutput(out).save(ds),
        ),
        "cvat": (
            lambda p: Read(cvat.CVATObjectDetectionInput(p / "annotations.xml")),
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
        "yolo": pair("yolo"),
        "kitti": pair("kitti_detection"),
        "cvat": pair("cvat"),
    }


def bare() -> dict[str, Pair]:
    """No tool: a loop that opens and reads, or makes and writes, the same files and does nothing else.

    Of an image, where the size of it is not in the labels, the first 4,096 bytes.
    """
    suffixes = {"pascal_voc": ".xml", "labelme": ".json", "cvat": ".xml"}

    def pair(name: str) -> Pair:
        def read(path: Path) -> dict[str, bytes]:
            found = {}
            for folder, _, files in os.walk(path):
                for file in files:
                    image = file.endswith(".jpg") and name in {"yolo", "kitti"}
                    if image or file.endswith(suffixes.get(name, ".txt")):
                        handle = os.open(f"{folder}/{file}", os.O_RDONLY)
                        found[file] = os.read(
                            handle, 4096 if image else 1 << 30 if name == "cvat" else 1 << 16
                        )
                        os.close(handle)
            return found

        def write(ds: dict[str, bytes], out: Path) -> None:
            for file, body in ds.items():
                if not file.endswith(".jpg"):
                    handle = os.open(f"{out}/{file}", os.O_WRONLY | os.O_CREAT | os.O_EXCL)
                    os.write(handle, body)
                    os.close(handle)

        return read, write

    return {name: pair(name) for name in TOOLS["bare files"]}


def held_by_ours(ds: Any) -> Held:
    boxes = ds.to_arrow().column("objects").combine_chunks().flatten()
    return len(ds), boxes.field("category").drop_null().to_pylist()


def held_by_labelformat(ds: Any) -> Held:
    return len(ds.images), [box.category.name for label in ds.labels for box in label.objects]


def held_by_globox(ds: Any) -> Held:
    return len(ds), [box.label for annotation in ds for box in annotation.boxes]


def held_by_supervision(ds: Any) -> Held:
    return len(ds), [ds.classes[n] for found in ds.annotations.values() for n in found.class_id]


def held_by_datumaro(ds: Any) -> Held:
    from datumaro.components.annotation import AnnotationType

    names = [label.name for label in ds.categories()[AnnotationType.label]]
    boxes = (box for item in ds for box in item.annotations if box.type == AnnotationType.bbox)
    return len(ds), [names[box.label] for box in boxes]


def held_by_nobody(ds: Any) -> Held:
    del ds
    return 0, []


# In the order of the tables, with the formats that each knows.
TOOLS = {
    "smalti": ("pascal_voc", "yolo", "kitti", "labelme", "cvat"),
    "labelformat": ("pascal_voc", "yolo", "kitti", "cvat"),
    "globox": ("pascal_voc", "yolo", "labelme", "cvat"),
    "supervision": ("pascal_voc", "yolo", "labelme"),
    "datumaro": ("pascal_voc", "yolo", "kitti", "cvat"),
    "bare files": ("pascal_voc", "yolo", "kitti", "labelme", "cvat"),
}
MAKERS = {
    "smalti": (ours, held_by_ours),
    "labelformat": (labelformat, held_by_labelformat),
    "globox": (globox, held_by_globox),
    "supervision": (supervision, held_by_supervision),
    "datumaro": (datumaro, held_by_datumaro),
    "bare files": (bare, held_by_nobody),
}
CLASSES: list[str] = []  # some want to be told


def main(tool: str, verb: str, name: str, source: Path, out: Path) -> None:
    CLASSES.extend((source.parent / "kitti" / "labels.txt").read_text("utf-8").splitlines())
    make, held = MAKERS[tool]
    read, write = make()[name]
    out.mkdir(parents=True, exist_ok=True)
    ds = read(source) if verb == "write" else None
    gc.collect()
    used, wall = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    if verb == "read":
        ds = read(source)
    else:
        write(ds, out)
    took, now = time.perf_counter() - wall, resource.getrusage(resource.RUSAGE_SELF)
    images, boxes = held(ds)
    figures = {
        "user": now.ru_utime - used.ru_utime,
        "system": now.ru_stime - used.ru_stime,
        "wall": took,
        "peak_mb": now.ru_maxrss / 1024,
    }
    print(
        "\n" + json.dumps([figures, [images, len(boxes), len(set(boxes))]])
    )  # after whatever the tool has said


if __name__ == "__main__":
    main(*sys.argv[1:4], *map(Path, sys.argv[4:6]))
