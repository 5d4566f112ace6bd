"""Datasets by others, whole: recognised without a word, and read to what their raw files hold.

How raw files are read here is the plainest way: no code of smalti's, no care for anything but these files.
They lie beside the checkout, in ../shared/fixtures; what of them other tests need is in tests/golden.
"""

from __future__ import annotations

import csv
import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET  # our own fixtures

import numpy as np
import pytest
import yaml
from PIL import Image

import smalti as sm
from smalti.formats import registry
from smalti.formats.probe import Probe
from smalti.storage.location import Location

if TYPE_CHECKING:
    from collections.abc import Callable

FIXTURES = next(
    (place for parent in Path(__file__).parents if (place := parent / "shared" / "fixtures").is_dir()), None
)
pytestmark = pytest.mark.skipif(FIXTURES is None, reason="../shared/fixtures lies beside no folder above")
IMAGES = {".jpg", ".jpeg", ".png", ".bmp"}
Found = tuple[int, list[tuple[str | None, list[float]]]]


def pictures(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in IMAGES)


def size_of(path: Path) -> tuple[int, int]:
    with Image.open(path) as image:
        return image.size


def load(path: Path) -> Any:
    return json.loads(path.read_text("utf-8"))


def coco(root: Path) -> Found:
    images, found = set(), {}
    for path in [root] if root.is_file() else sorted(root.rglob("*.json")):
        whole = load(path)
        names = {one["id"]: one["name"] for one in whole.get("categories", ())}
        task = path.stem.startswith(("instances_", "person_keypoints_", "captions_", "stuff_"))
        split = path.stem.rpartition("_")[2] if task else str(path)  # files of one split have the same images
        images |= {(split, one["id"]) for one in whole["images"]}
        for one in whole["annotations"]:
            if "bbox" in one:
                found[split, one["id"]] = (names[one["category_id"]], one["bbox"])
    return len(images), list(found.values())


def yolo(root: Path) -> Found:
    """Rows of boxes or polygons beside images, as fractions."""
    listed = next(iter([*root.glob("*.yaml"), *root.glob("classes.txt"), *root.glob("obj.names")]))
    if listed.suffix == ".yaml":
        names = yaml.safe_load(listed.read_text())["names"]
    else:
        names = listed.read_text().split("\n")
    found = []
    for image in pictures(root):
        label = Path(str(image).replace("/images/", "/labels/")).with_suffix(".txt")
        sides = np.array(size_of(image))
        for line in label.read_text().splitlines() if label.is_file() else ():
            number, *rest = line.split()
            numbers = np.reshape([float(word) for word in rest], (-1, 2)) * sides
            if len(numbers) == 2:
                numbers[0] -= numbers[1] / 2
            found.append((names[int(number)], numbers.ravel().tolist()))
    return len(pictures(root)), found


def rows_of_corners(root: Path) -> Found:
    """DOTA's and Roboflow's rows of four corners, in pixels; of several versions the newest."""
    texts = sorted(root.rglob("labelTxt/*.txt")) or sorted(root.rglob("version2.0/*.txt"))
    found = []
    for path in texts:
        for line in path.read_text().splitlines():
            words = line.split()
            if len(words) >= 9:
                found.append((words[8], [float(word) for word in words[:8]]))
    return len(pictures(root)), found


def voc(root: Path) -> Found:
    paths = list(root.rglob("*.xml"))
    found, images = [], {path.stem for path in paths}
    images |= {path.stem for path in (root / "JPEGImages").rglob("*.jpg")}
    for path in paths:
        for one in ET.parse(path).getroot().findall("object"):  # noqa: S314
            left, top, right, bottom = (
                float(one.findtext(f"bndbox/{side}")) for side in ("xmin", "ymin", "xmax", "ymax")
            )
            found.append((one.findtext("name"), [left, top, right - left, bottom - top]))
    return len(images), found


def kitti(root: Path) -> Found:
    texts = [*root.rglob("label_2/*.txt"), *root.rglob("labels/*.txt")]
    found = []
    for path in texts:
        for line in path.read_text().splitlines():
            name, *rest = line.rsplit(maxsplit=14)
            left, top, right, bottom = map(float, rest[3:7])
            found.append((None if name == "DontCare" else name, [left, top, right - left, bottom - top]))
    return len(pictures(root)), found


def labelme(root: Path) -> Found:
    paths = sorted(root.glob("*.json"))
    shapes = [one for path in paths for one in load(path)["shapes"]]
    return len(paths), [(one["label"], np.ravel(one["points"]).tolist()) for one in shapes]


def cvat(path: Path) -> Found:
    """Boxes."""
    images = ET.parse(path).getroot().findall("image")  # noqa: S314
    found = []
    for one in (box for image in images for box in image.findall("box")):
        left, top, right, bottom = (float(one.get(side)) for side in ("xtl", "ytl", "xbr", "ybr"))
        found.append((one.get("label"), [left, top, right - left, bottom - top]))
    return len(images), found


def label_studio(path: Path) -> Found:
    """Rectangles, or polygons, of the first annotation of each task."""
    tasks, found = load(path), []
    for item in (item for task in tasks for item in task["annotations"][0]["result"]):
        value, sides = item["value"], np.array([item["original_width"], item["original_height"]]) / 100
        if item["type"] == "rectanglelabels":
            numbers = np.array([[value["x"], value["y"]], [value["width"], value["height"]]]) * sides
            found.append((value["rectanglelabels"][0], numbers.ravel().tolist()))
        elif item["type"] == "polygonlabels":
            found.append((value["polygonlabels"][0], (np.array(value["points"]) * sides).ravel().tolist()))
    return len(tasks), found


def createml(root: Path) -> Found:
    entries = [one for path in root.rglob("*.json") for one in load(path)]
    found = []
    for one in (one for entry in entries for one in entry["annotations"]):
        box = one["coordinates"]
        x, y, w, h = (box[side] for side in ("x", "y", "width", "height"))
        found.append((one["label"], [x - w / 2, y - h / 2, w, h]))
    return len(entries), found


def via(path: Path) -> Found:
    """Polygons."""
    entries, found = load(path).values(), []
    for region in (region for entry in entries for region in entry["regions"]):
        shape = region["shape_attributes"]
        if shape["name"] == "polygon":
            points = np.transpose([shape["all_points_x"], shape["all_points_y"]])
            found.append((region["region_attributes"]["label"], points.ravel().tolist()))
    return len(entries), found


def supervisely(root: Path) -> Found:
    documents, found = [load(path) for path in root.rglob("ann/*.json")], []
    for one in (one for document in documents for one in document["objects"]):
        points = np.array(one["points"]["exterior"])
        low, high = points.min(axis=0), points.max(axis=0)
        found.append((one["classTitle"], [*low.tolist(), *(high - low).tolist()]))
    return len(documents), found


def sagemaker(path: Path) -> Found:
    lines, found = [json.loads(line) for line in path.read_text().splitlines()], []
    for line in lines:
        (label,) = (key for key, value in line.items() if isinstance(value, dict) and "annotations" in value)
        names = line[f"{label}-metadata"]["class-map"]
        for one in line[label]["annotations"]:
            box = [one[side] for side in ("left", "top", "width", "height")]
            found.append((names[str(one["class_id"])], box))
    return len(lines), found


def fiftyone(root: Path) -> Found:
    samples, found = load(root / "samples.json")["samples"], []
    for sample in samples:
        sides = np.tile([sample["metadata"]["width"], sample["metadata"]["height"]], 2)
        labels = sample["detections"]["detections"]
        found += [(one["label"], (np.array(one["bounding_box"]) * sides).tolist()) for one in labels]
    return len(samples), found


def mot(root: Path) -> Found:
    names, found = (root / "gt" / "labels.txt").read_text().split("\n"), []
    for row in csv.reader((root / "gt" / "gt.txt").read_text().splitlines()):
        x, y, w, h = map(float, row[2:6])
        found.append((names[int(row[7]) - 1], [x, y, w, h]))
    return len(pictures(root)), found


def instances(root: Path) -> Found:
    """Cityscapes: boxes of the pixels of each value of instanceIds."""
    found = []
    for path in root.rglob("*_instanceIds.png"):
        pixels = np.array(Image.open(path))
        for value in np.unique(pixels):
            down, across = np.nonzero(pixels == value)
            box = [across.min(), down.min(), np.ptp(across) + 1, np.ptp(down) + 1]
            found.append((str(value if value < 1000 else value // 1000), [float(side) for side in box]))
    return len(list((root / "leftImg8bit").rglob("*.png"))), found


# Source, format, how its raw files are read, which member of objects they tell, options.
CASES: list[tuple[str, str, Callable[[Path], Found], str, dict[str, Any]]] = [
    ("coco/dm_instances", "coco", coco, "bbox", {}),
    ("coco/dm_keypoints", "coco", coco, "bbox", {}),
    ("coco/dm_roboflow_export", "coco", coco, "bbox", {}),
    ("coco/kili_coco2017_10", "coco", coco, "bbox", {}),
    ("coco/lf_detection", "coco", coco, "bbox", {}),
    ("coco/lf_instances", "coco", coco, "bbox", {}),
    ("coco/sahi_visdrone50", "coco", coco, "bbox", {}),
    ("yolo/lf_yolov8", "yolo", yolo, "bbox", {}),
    ("yolo/lf_yolov8_seg", "yolo", yolo, "polygons", {}),
    ("yolo/ls_import_unif", "yolo", yolo, "bbox", {}),
    ("yolo/dm_roboflow_obb", "yolo", rows_of_corners, "quad", {}),
    ("yolo/dm_darknet_strict", "darknet", yolo, "bbox", {}),
    ("voc/dm_voc1", "pascal_voc", voc, "bbox", {}),
    ("voc/lf_voc", "pascal_voc", voc, "bbox", {}),
    ("voc/icevision_voc", "pascal_voc", voc, "bbox", {}),
    ("voc/raccoon", "pascal_voc", voc, "bbox", {}),
    ("yolo/toy_txt_dialects", "pascal_voc", voc, "bbox", {}),
    ("kitti/dm_detection", "kitti", kitti, "bbox", {}),
    ("kitti/lf_kitti", "kitti", kitti, "bbox", {}),
    ("labelme/sahi_terrain", "labelme", labelme, "polygons", {}),
    ("cvat/dm_images/export_task/train.xml", "cvat", cvat, "bbox", {}),
    ("cvat/dm_images/export_project/annotations.xml", "cvat", cvat, "bbox", {}),
    ("labelstudio/export_yolo_basic/data.json", "label_studio", label_studio, "bbox", {}),
    ("labelstudio/export_yolo_basic/data_polygons.json", "label_studio", label_studio, "polygons", {}),
    ("labelstudio/export_csv/csv_test.json", "label_studio", label_studio, "bbox", {}),
    ("createml/dm_roboflow", "createml", createml, "bbox", {}),
    ("via/icevision/via_bbox.json", "via", via, "polygons", {}),
    ("supervisely/tcotte_demo", "supervisely", supervisely, "bbox", {}),
    ("sagemaker/bird_manifest/sample_output.manifest", "sagemaker", sagemaker, "bbox", {}),
    ("fiftyone/detections_2", "fiftyone", fiftyone, "bbox", {}),
    ("mot/dm_seq", "mot", mot, "bbox", {"pixel_offset": False}),
    ("dota/dm", "dota", rows_of_corners, "quad", {}),
    ("dota/torchgeo", "dota", rows_of_corners, "quad", {}),
]
# Without objects in the files: what is read of them, below.
OTHERS = {
    "coco/dm_captions": "coco", "coco/dm_stuff": "coco", "voc/lf_semseg": "pascal_voc", "datumaro/dm_legacy": "datumaro",
    "cityscapes/dm_dataset": "cityscapes", "mask/dm_camvid": "mask_pairs", "mask/dm_common_semseg": "mask_pairs",
    "imagefolder/dm_imagenet": "imagefolder", "imagefolder/spotlight_simple": "imagefolder",
    "imagefolder/dm_multiclass_csv": "spreadsheet", "vott/dm_csv": "spreadsheet",
}  # fmt: skip


def place(case: str) -> Path:
    assert FIXTURES is not None
    return FIXTURES / case


def numbers(value: Any) -> tuple[float, ...]:
    flat = (
        np.hstack([list(ring) for ring in value])
        if isinstance(value[0], list | tuple | np.ndarray)
        else value
    )
    return tuple(round(float(side), 4) + 0.0 for side in flat)


@pytest.mark.parametrize(("case", "name"), [*((case[0], case[1]) for case in CASES), *OTHERS.items()])
def test_recognition__as_one_format(case: str, name: str) -> None:
    probe = Probe(Location.parse(place(case)))
    claims = {
        other: match.grade for other in registry.BUILT_IN if (match := registry.get(other).sniff(probe))
    }
    assert [other for other, grade in claims.items() if grade == max(claims.values())] == [name], claims


@pytest.mark.parametrize(
    ("case", "name", "read", "member", "options"), CASES, ids=[case[0] for case in CASES]
)
def test_fixture__holds_what_its_raw_files_hold(
    case: str, name: str, read: Callable[[Path], Found], member: str, options: dict[str, Any]
) -> None:
    images, listed = read(place(case))
    dataset = sm.read(place(case), on_error="raise", **options)
    assert dataset.report.source_format == name
    assert len(dataset) == images
    objects = [one for sample in dataset for one in sample.objects or ()]
    ours = Counter(
        (one["category"], numbers(list(one[member].values()) if member == "bbox" else one[member]))
        for one in objects
        if one.get(member) is not None
    )
    theirs = Counter((name, numbers(value)) for name, value in listed)
    assert ours == theirs
    assert ours
    assert set(dataset.categories.values) >= {name for name, _ in listed if name is not None}


def test_captions() -> None:
    wholes = [load(path) for path in place("coco/dm_captions").rglob("*.json")]
    theirs = sorted(one["caption"] for whole in wholes for one in whole["annotations"])
    dataset = sm.read(place("coco/dm_captions"))
    assert sorted(one["caption"] for row in dataset for one in row["captions"] or ()) == theirs
    assert len(dataset) == sum(len(whole["images"]) for whole in wholes)


def test_stuff() -> None:
    theirs = sorted(
        one["bbox"] for path in place("coco/dm_stuff").rglob("*.json") for one in load(path)["annotations"]
    )
    ours = [
        one for row in sm.read(place("coco/dm_stuff")).to_arrow()["stuff"].to_pylist() for one in row or ()
    ]
    assert sorted(list(one["bbox"].values()) for one in ours) == theirs


def test_instances_of_label_images() -> None:
    images, listed = instances(place("cityscapes/dm_dataset"))
    dataset = sm.read(place("cityscapes/dm_dataset"))
    ids = {category.name: str(category.id) for category in dataset.categories}
    ours = [
        (ids[one["category"]], list(one["bbox"].values())) for sample in dataset for one in sample.objects
    ]
    assert len(dataset) == images
    assert sorted(ours) == sorted(one for one in listed if one[0] != "0")


@pytest.mark.parametrize("case", ["mask/dm_camvid", "mask/dm_common_semseg", "voc/lf_semseg"])
def test_label_images(case: str) -> None:
    """Of every class the same number of pixels as in the files, by numbers or by the colours of the table."""
    root = place(case)
    dataset = sm.read(root)
    masks = [path for path in pictures(root) if "annot" in str(path.parent) or path.parent.name == "masks"]
    masks += list((root / "SegmentationClass").rglob("*.png"))
    theirs: Counter[Any] = Counter()
    for path in masks:
        image = Image.open(path)
        pixels = np.array(image)
        whole = pixels.reshape(-1, *pixels.shape[2:])
        values, counts = np.unique(whole, axis=0, return_counts=True)
        theirs.update(dict(zip(map(str, values.tolist()), counts.tolist(), strict=True)))
    assert len(dataset) == len(masks)
    table = dataset.schema.columns["mask"].categories
    colours = {
        n if c.id is None else c.id: [int(c.color[at : at + 2], 16) for at in (1, 3, 5)]
        for n, c in enumerate(table)
        if c.color
    }
    plain = isinstance(next(iter(theirs)), str) and not next(iter(theirs)).startswith("[")
    ours: Counter[Any] = Counter()
    for _, target in dataset.select(["id", "image", "mask"]).to_torch():
        values, counts = np.unique(np.asarray(target["mask"]), return_counts=True)
        named = [str(v) if plain or v not in colours else str(colours[v]) for v in values.tolist()]
        ours.update(dict(zip(named, counts.tolist(), strict=True)))
    assert ours == theirs


def test_classes_by_folders() -> None:
    root = place("imagefolder/dm_imagenet")
    theirs = {path.relative_to(root).as_posix() for path in pictures(root)}
    labels = {row["id"]: row["label"] for row in sm.read(root).to_arrow().to_pylist()}
    assert labels == {path: path.partition("/")[0] if "/" in path else None for path in theirs}


def test_splits_alone() -> None:
    dataset = sm.read(place("imagefolder/spotlight_simple"))
    assert {sample.id: sample.split for sample in dataset} == {
        "test/0001.png": "test",
        "train/0001.png": "train",
    }


def test_classes_in_datumaro() -> None:
    theirs = []
    for path in place("datumaro/dm_legacy").rglob("*.json"):
        whole = load(path)
        names = [one["name"] for one in whole["categories"]["label"]["labels"]]
        theirs += [
            (item["id"], [names[one["label_id"]] for one in item["annotations"] if one["type"] == "label"])
            for item in whole["items"]
        ]
    ours = [
        (row["id"].rpartition(".")[0], [one["category"] for one in row["label"] or ()])
        for row in sm.read(place("datumaro/dm_legacy")).to_arrow().to_pylist()
    ]
    assert sorted(ours) == sorted(theirs)
