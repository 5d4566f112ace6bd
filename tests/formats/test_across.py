"""One dataset through every format: recognised as one, and the same at the other end."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

import smalti as sm
from smalti.formats import registry
from smalti.formats.probe import Probe
from smalti.storage.location import Location

GOLDEN = Path(__file__).parents[1] / "golden"
BOXES = [
    name
    for name in registry.BUILT_IN
    if registry.get(name).writer and {"objects.bbox", "*"} & registry.get(name).info.keeps
]
CLASSES = ["traffic light", "cat", "unused", "Ñandú"]
# Formats with several cases.
SEVERAL = ("cityscapes", "coco", "coco_panoptic", "cvat", "lvis", "mask_pairs", "mots", "open_images", "yolo")
CASES = [
    (GOLDEN / name, name) for name in registry.BUILT_IN if (GOLDEN / name).is_dir() and name not in SEVERAL
]
CASES += [
    (folder, name) for name in SEVERAL for folder in sorted((GOLDEN / name).iterdir()) if folder.is_dir()
]
OTHERS = {"dm_darknet_strict": "darknet"}  # cases that lie with a relative's
UNCLAIMED = {"results"}  # of a ground truth that is not there


@pytest.mark.parametrize(
    ("folder", "name"), CASES, ids=lambda value: value.name if isinstance(value, Path) else value
)
def test_recognition__no_source_is_two_formats(folder: Path, name: str) -> None:
    probe = Probe(Location.parse(folder))
    claims = {
        other: match.grade for other in registry.BUILT_IN if (match := registry.get(other).sniff(probe))
    }
    best = [other for other, grade in claims.items() if grade == max(claims.values())]
    expected = OTHERS.get(folder.name, name)
    assert best == [expected] or folder.name in UNCLAIMED, claims


@pytest.fixture(scope="module")
def boxes(tmp_path_factory: pytest.TempPathFactory) -> sm.Dataset:
    """Boxes of whole pixels, as every format has them."""
    root = tmp_path_factory.mktemp("images")
    samples = []
    for number, (name, split) in enumerate((("a.png", "train"), ("b.png", "train"), ("c/d.png", "val"))):
        (root / name).parent.mkdir(exist_ok=True)
        Image.new("RGB", (64, 48)).save(root / name)
        objects = [
            {
                "category": CLASSES[(number + n) % 4 if (number + n) % 4 != 2 else 3],
                "bbox": [n, 2 * n + 1, 8 + number, 16],
            }
            for n in range(number + 1)
        ]
        samples.append(
            {
                "id": name,
                "image": {"path": name, "width": 64, "height": 48},
                "split": split,
                "objects": objects,
            }
        )
    return sm.Dataset.from_samples(samples, categories=CLASSES, media_root=str(root))


def plain(dataset: sm.Dataset) -> sm.Dataset:
    """What every format has of a dataset: ids, splits, classes and boxes."""
    rows = [
        {
            "id": sample.id,
            "split": sample.split,
            "objects": [
                {"category": o["category"], "bbox": [round(v, 9) for v in o["bbox"].values()]}
                for o in sample.objects
            ],
        }
        for sample in sorted(dataset, key=lambda sample: sample.id)
    ]
    return sm.Dataset.from_samples(rows, categories=list(dataset.categories.values))


@pytest.mark.parametrize("name", BOXES)
def test_identity__through_each_format(name: str, boxes: sm.Dataset, tmp_path: Path) -> None:
    options = {"task": "detect"} if name in {"yolo", "darknet"} else {}
    target = tmp_path / ("out.parquet" if name == "parquet" else "out")
    media = "reference" if name == "parquet" else "copy"
    report = boxes.write(target, format=name, media=media, on_loss="ignore", **options)
    # What the tools of COCO and LVIS ask for, and what nothing tells.
    assert {loss.code for loss in report.losses} <= {"area.computed", "category.counted", "negatives.unknown"}
    assert plain(sm.read(target)).digest() == plain(boxes).digest()


@pytest.mark.parametrize("source", BOXES)
@pytest.mark.parametrize("target", ["coco", "yolo", "pascal_voc", "via"])
def test_identity__from_each_format_to_others(
    source: str, target: str, boxes: sm.Dataset, tmp_path: Path
) -> None:
    first = tmp_path / ("first.parquet" if source == "parquet" else "first")
    detect = {"task": "detect"}
    boxes.write(
        first,
        on_loss="ignore",
        format=source,
        media="reference" if source == "parquet" else "copy",
        **(detect if source in {"yolo", "darknet"} else {}),
    )
    report = sm.convert(
        first,
        tmp_path / "second",
        to=target,
        media="copy",
        on_loss="ignore",
        **(detect if target == "yolo" else {}),
    )
    assert report.objects_read == report.objects_written == 6
    assert plain(sm.read(tmp_path / "second")).digest() == plain(boxes).digest()
