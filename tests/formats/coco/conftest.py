from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest
from PIL import Image
from pycocotools import mask as official

from smalti.formats.coco import FORMAT, numeric, scan
from smalti.formats.report import Report
from smalti.formats.transfer import Export, account_plan
from smalti.storage.location import Location

if TYPE_CHECKING:
    from collections.abc import Callable

    from smalti.formats.coco.read import CocoReader
    from smalti.formats.protocol import PartRead, Plan


GOLDEN = Path(__file__).parents[2] / "golden" / "coco"


@pytest.fixture(params=["compiled", "python"], autouse=True)
def twin(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test runs twice: with the kernels in C, and as where there was no compiler."""
    if request.param == "python":
        monkeypatch.setattr(numeric, "json", None)
        monkeypatch.setattr(scan, "json", None)


@dataclass
class Source:
    """What reading gave."""

    reader: CocoReader
    plan: Plan
    reads: list[PartRead]
    table: pa.Table = field(init=False)

    def __post_init__(self) -> None:
        schema = self.reads[0].batch.schema if self.reads else self.plan.schema.arrow
        self.table = pa.Table.from_batches([read.batch for read in self.reads], schema=schema)

    @property
    def rows(self) -> list[dict[str, Any]]:
        return self.table.to_pylist()

    def objects(self, name: str = "objects") -> list[dict[str, Any]]:
        return [item for row in self.rows for item in row[name] or ()]

    @property
    def repairs(self) -> dict[str, int | None]:
        found = [*self.plan.repairs, *(loss for read in self.reads for loss in read.repairs)]
        return {loss.code: loss.count for loss in found}

    @property
    def errors(self) -> list[str]:
        return [str(e) for e in (*self.plan.errors, *(e for read in self.reads for e in read.errors))]


def read(
    source: Path,
    media: Path | None = None,
    *,
    on_error: str = "raise",
    fields: list[str] | None = None,
    **options: Any,
) -> Source:
    place = None if media is None else Location.parse(media)
    reader = FORMAT.reader(Location.parse(source), place, FORMAT.options(**options), on_error)
    plan = reader.plan()
    schema = plan.schema if fields is None else plan.schema.project(fields)
    return Source(reader, plan, [reader.read(part, schema) for part in plan.parts])


def write(source: Source, target: Path, *, media: str = "none", **options: Any) -> Report:
    schema = source.plan.schema
    single = target.name if target.suffix == ".json" else None
    report = Report()
    account_plan(report, source.plan)
    Export(
        format=FORMAT,
        writer=FORMAT.writer(schema, FORMAT.options(**options), single),
        schema=schema,
        source=None,
        target=Location.parse(target),
        media=media,
        media_root=Location.parse(schema.media_root),
        on_loss="ignore",
        on_error="raise",
        overwrite=False,
        dry_run=False,
        report=report,
    ).run(source.reads, lambda _: None)
    return report


def sorted_by_image(body: dict[str, Any]) -> dict[str, Any]:
    """Annotations stand in the order of their images, in the file's order within one."""
    place = {image["id"]: number for number, image in enumerate(body["images"])}
    if "annotations" in body:
        body = {**body, "annotations": sorted(body["annotations"], key=lambda a: place[a["image_id"]])}
    return body


def picture(path: Path, width: int = 8, height: int = 6, orientation: int | None = None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    exif = Image.Exif()
    if orientation:
        exif[0x0112] = orientation
    Image.new("RGB", (width, height), (120, 90, 60)).save(path, exif=exif)


def minimal(**change: Any) -> dict[str, Any]:
    """A small sound file: two images, two boxes, two categories."""
    body: dict[str, Any] = {
        "images": [
            {"id": 1, "file_name": "a.jpg", "width": 20, "height": 10},
            {"id": 2, "file_name": "b.jpg", "width": 20, "height": 10},
        ],
        "annotations": [
            {"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4], "area": 12, "iscrowd": 0},
            {"id": 2, "image_id": 2, "category_id": 2, "bbox": [0, 0, 5.5, 6], "area": 33, "iscrowd": 0},
        ],
        "categories": [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}],
    }
    return {**body, **change}


def hole() -> dict[str, Any]:
    """Uncompressed run lengths of a ring: a mask of 6 x 8 with a hole, the first column empty."""
    rows = [[0] * 8 for _ in range(6)]
    for y in range(1, 6):
        for x in range(1, 7):
            rows[y][x] = 0 if (y, x) in {(3, 3), (3, 4)} else 1
    flat = [rows[y][x] for x in range(8) for y in range(6)]
    counts, value, run = [], 0, 0
    for pixel in flat:
        if pixel != value:
            counts.append(run)
            value, run = pixel, 0
        run += 1
    return {"counts": [*counts, run], "size": [6, 8]}


def compressed(rle: dict[str, Any]) -> dict[str, Any]:
    height, width = rle["size"]
    found = official.frPyObjects(rle, height, width)
    return {"counts": found["counts"].decode(), "size": [height, width]}


class Tools:
    """What the tests do with the format, without what stands above it."""

    read = staticmethod(read)
    write = staticmethod(write)
    sorted_by_image = staticmethod(sorted_by_image)
    picture = staticmethod(picture)
    minimal = staticmethod(minimal)
    hole = staticmethod(hole)
    compressed = staticmethod(compressed)
    golden = GOLDEN

    @staticmethod
    def load(path: Path) -> Any:
        return json.loads(path.read_text("utf-8"))


@pytest.fixture
def coco() -> type[Tools]:
    return Tools


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., Path]:
    """Write a COCO file; keyword arguments replace the keys of a small sound one."""

    def write_file(name: str = "data.json", **change: Any) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({k: v for k, v in minimal(**change).items() if v is not ...}), "utf-8")
        return path

    return write_file


@pytest.fixture
def difficult(tmp_path: Path) -> Path:
    """The difficult file: its folder holds annotations/instances_train2017.json and train2017/."""
    root = tmp_path / "difficult"
    names = ["a/one.jpg", "b/one.jpg", "empty.jpg", "turned.jpg", "mit Leerzeichen ä 東.jpg"]
    for number, name in enumerate(names):
        picture(root / "train2017" / name, orientation=6 if number == 3 else None)
    (root / "annotations").mkdir()
    (root / "annotations" / "instances_train2017.json").write_text(json.dumps(_difficult(names)), "utf-8")
    return root


def _difficult(names: list[str]) -> dict[str, Any]:
    images = [
        {
            "license": 4,
            "file_name": name,
            "coco_url": f"http://images.example.org/{number}.jpg",
            "height": 6,
            "width": 8,
            "date_captured": "2013-11-14 11:18:45",
            "id": 391895 - number * 7,
            **({"camera": {"make": 'ä"\\\n', "iso": [100, None]}} if number == 1 else {}),
            "flickr_url": None,
        }
        for number, name in enumerate(names)
    ]
    ids = [image["id"] for image in images]

    def annotation(number: int, image: int, category: int, **more: Any) -> dict[str, Any]:
        box = {"bbox": [0.5, 1.25, 3.1, 4.000000001], "area": 12.345678901234567, "iscrowd": 0}
        return {"id": number, "image_id": ids[image], "category_id": category, **box, **more}

    parts = [[1, 1, 3, 1, 3, 3, 1, 3], [4.5, 1, 6, 1.1, 6, 3, 0.30000000000000004, 1e-7]]
    annotations = [
        annotation(900, 4, 3, segmentation=[[0, 0, 2, 0, 2, 2]], attributes={"occluded": True, "who": "x"}),
        annotation(7, 0, 90, segmentation=parts, attributes={"occluded": False}),
        annotation(8, 0, 1, segmentation=compressed(hole())),
        annotation(9, 1, 1, segmentation=hole(), iscrowd=1),
        annotation(11, 1, 90, segmentation=[], score=0.25),
        annotation(12, 1, 90, segmentation=[], score=0.25),
        annotation(
            13, 3, 3, bbox=[-3, 2, 300, 4.5], segmentation=[[1, 1, 2, 2, 3, 1.5]], note="leaves the image"
        ),
        annotation(
            14,
            3,
            3,
            segmentation=[[1, 1, 2, 2, 3, 1.5]],
            keypoints=[1, 2, 2, 0, 0, 0, 3.5, 4, 1],
            num_keypoints=2,
        ),
    ]
    categories = [
        {"id": 90, "name": "Zahnbürste", "supercategory": "indoor"},
        {"id": 1, "name": "person", "supercategory": "person", "isthing": 1, "color": [220, 20, 60]},
        {"id": 3, "name": "car", "keypoints": ["front", "middle", "back"], "skeleton": [[1, 2], [2, 3]]},
        {"id": 7, "name": "unused", "supercategory": ""},
    ]
    return {
        "info": {"description": "difficult", "year": 2017, "version": "1.0", "extra": [1, {"a": None}]},
        "licenses": [{"url": "http://example.org", "id": 4, "name": "Ä"}],
        "tool": {"name": "by hand", "n": 12345678901234567890},
        "images": images,
        "annotations": annotations,
        "categories": categories,
    }
