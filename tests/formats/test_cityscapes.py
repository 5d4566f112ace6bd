from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import smalti as sm
from smalti.formats.cityscapes.labels import OFFICIAL

GOLDEN = Path(__file__).parents[1] / "golden" / "cityscapes"
STEM = "gtFine/train/aachen/aachen_000000_000019_gtFine_"


def pixels(path: Path) -> list[list[int]]:
    with Image.open(path) as picture:
        return np.array(picture).tolist()


def put(root: Path, document: Any, split: str = "train", city: str = "bonn", tag: str = "gtFine") -> Path:
    place = root / tag / split / city / f"a_{tag}_polygons.json"
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(json.dumps(document), "utf-8")
    return root


def scene(*objects: Any, **more: Any) -> dict[str, Any]:
    return {"imgHeight": 12, "imgWidth": 16, "objects": list(objects), **more}


def figure(label: str = "car", polygon: Any = ((1, 1), (5, 1), (5, 4)), **more: Any) -> dict[str, Any]:
    return {"label": label, "polygon": polygon, **more}


def test_read__polygons_and_label_images() -> None:
    ds = sm.read(GOLDEN / "polygons")
    assert ds.report.source_format == "cityscapes"
    assert ds.splits == {"train": 1, "val": 1}
    assert ds.categories == OFFICIAL
    first = ds.to_arrow().to_pylist()[0]
    assert first["id"] == "aachen/aachen_000000_000019.png"
    assert first["image"] == {
        "path": "leftImg8bit/train/aachen/aachen_000000_000019_leftImg8bit.png",
        "width": 16,
        "height": 12,
    }
    assert [o["category"] for o in first["objects"]] == [
        "road", "sky", "car", "car", "person", "license plate", "out of roi",
    ]  # fmt: skip
    assert [o["iscrowd"] for o in first["objects"]].index(True) == 4
    assert first["objects"][2]["polygons"] == [[2.0, 5.0, 7.0, 5.0, 7.0, 9.0, 2.0, 9.0]]
    assert first["objects"][2]["id"] == 2
    assert json.loads(first["objects"][2]["cityscapes"])["user"] == "annotator"
    assert [o["label"] for o in json.loads(first["cityscapes"])["deleted"]] == ["rider"]
    assert first["mask"] == {"path": f"{STEM}labelIds.png", "bytes": None}
    assert first["train_mask"] == {"path": f"{STEM}labelTrainIds.png", "bytes": None}


def test_read__the_tables_of_label_images() -> None:
    columns = sm.read(GOLDEN / "polygons").schema.columns
    assert [c.id for c in columns["mask"].categories] == list(range(34))
    trained = columns["train_mask"].categories
    assert [(c.name, c.id) for c in trained][:3] == [("road", 0), ("sidewalk", 1), ("building", 2)]
    assert len(trained) == 19


def test_read__instances_of_pixels() -> None:
    ds = sm.read(GOLDEN / "polygons", objects="instances")
    objects = ds.to_arrow()["objects"][0].as_py()
    raw = np.array(pixels(GOLDEN / "polygons" / f"{STEM}instanceIds.png"))
    assert [o["category"] for o in objects] == ["out of roi", "road", "sky", "person", "car", "car"]
    assert [o["iscrowd"] for o in objects] == [False, False, False, True, False, False]
    assert [o["area"] for o in objects] == [(raw == v).sum() for v in (3, 7, 23, 24, 26000, 26001)]


def test_read__instances_alone() -> None:
    ds = sm.read(GOLDEN / "dm_dataset")
    assert len(ds) == 4
    assert ds.splits == {"test": 2, "train": 1, "val": 1}
    assert sorted({o["category"] for s in ds for o in s.objects}) == [
        "ego vehicle", "out of roi", "person", "train", "truck", "wall",
    ]  # fmt: skip
    assert ds.report.objects_read == 9
    assert "mask" not in ds.columns


def test_read__coarse_where_there_is_no_fine(tmp_path: Path) -> None:
    put(tmp_path, scene(figure("car")))
    put(tmp_path, scene(figure("bus")), tag="gtCoarse")
    put(tmp_path, scene(figure("bus")), split="train_extra", tag="gtCoarse")
    ds = sm.read(tmp_path)
    assert [(s.split, s.objects[0]["category"]) for s in ds] == [("train", "car"), ("train_extra", "bus")]
    assert ds[0].image.path == "leftImg8bit/train/bonn/a_leftImg8bit.png"


def test_read__groups_are_crowds_of_their_class(tmp_path: Path) -> None:
    ds = sm.read(put(tmp_path, scene(figure("cargroup"), figure("polegroup"), figure("zebragroup"))))
    assert [(o["category"], o["iscrowd"]) for o in ds[0].objects] == [
        ("car", True),
        ("polegroup", False),
        ("zebragroup", False),
    ]


@pytest.mark.parametrize(
    ("document", "match"),
    [
        ({"imgHeight": 1, "imgWidth": 1}, "objects: found None"),
        (scene(7), r"\$\.objects\[0\]"),
        (scene(figure(label=3)), "label"),
        (scene(figure(polygon=[[1, 2], [3]])), r"polygon\[1\]: found 1 numbers"),
        (scene(figure(polygon=[[1, 2], [3, 4]])), "found 2 points"),
        (scene(imgWidth=1.5), "imgWidth"),
    ],
)
def test_faults__name_file_and_object(tmp_path: Path, document: Any, match: str) -> None:
    put(tmp_path, document)
    with pytest.raises(sm.errors.DataError, match=match) as caught:
        sm.read(tmp_path)
    assert "a_gtFine_polygons.json" in str(caught.value)
    put(tmp_path, scene(figure()), city="ulm")
    assert sm.read(tmp_path, on_error="skip").report.error_count == 1


def test_faults__a_number_of_no_class(tmp_path: Path) -> None:
    folder = tmp_path / "gtFine" / "train" / "bonn"
    folder.mkdir(parents=True)
    Image.fromarray(np.full((2, 3), 40_000, np.uint16)).save(folder / "a_gtFine_instanceIds.png")
    with pytest.raises(sm.errors.DataError, match=r"a_gtFine_instanceIds.*is none of 34"):
        sm.read(tmp_path)


def test_write__polygons_give_the_label_images_of_the_official_tool(tmp_path: Path) -> None:
    ds = sm.read(GOLDEN / "polygons")
    report = ds.write(tmp_path / "out", format="cityscapes", media="copy")
    assert report.lossless
    for ending in ("labelIds.png", "labelTrainIds.png"):
        name = f"{STEM}{ending}"
        assert (tmp_path / "out" / name).read_bytes() == (GOLDEN / "polygons" / name).read_bytes()
    written = json.loads((tmp_path / "out" / f"{STEM}polygons.json").read_text("utf-8"))
    given = json.loads((GOLDEN / "polygons" / f"{STEM}polygons.json").read_text("utf-8"))
    assert written["objects"] == [
        *(o for o in given["objects"] if not o["deleted"]),
        *(o for o in given["objects"] if o["deleted"]),
    ]
    assert not (tmp_path / "out" / "dataset_meta.json").exists()
    assert sm.read(tmp_path / "out").digest() != ""
    values = set(np.unique(pixels(tmp_path / "out" / f"{STEM}instanceIds.png")).tolist())
    assert values == {0, 3, 7, 23, 24, 26000, 26001}


def sample(*objects: dict[str, Any], **more: Any) -> dict[str, Any]:
    image = {"path": "a.png", "width": 16, "height": 12}
    return {"id": "a.png", "image": image, "objects": list(objects), **more}


def test_write__license_plates_are_outlines_alone(tmp_path: Path) -> None:
    ds = sm.Dataset.from_samples(
        [sample({"category": "license plate", "mask": ring()}, {"category": "car", "mask": ring()})],
        categories=OFFICIAL,
    )
    report = ds.write(tmp_path / "out", format="cityscapes", media="none", on_loss="ignore")
    assert [(loss.code, loss.kind) for loss in report.losses] == [("class.unnumbered", "object")]
    assert report.objects_written == 1


SQUARE = [2.0, 2.0, 8.0, 2.0, 8.0, 8.0, 2.0, 8.0]
OTHER = [9.0, 2.0, 12.0, 2.0, 12.0, 5.0]


def ring() -> np.ndarray:
    found = np.zeros((12, 16), np.uint8)
    found[2:8, 2:8] = 1
    found[4:6, 4:6] = 0
    return found


def test_write__masks_keep_their_holes(tmp_path: Path) -> None:
    ds = sm.Dataset.from_samples(
        [sample({"category": "car", "mask": ring()}, {"category": "car", "mask": np.roll(ring(), 7, 1)})],
        categories=["car", "tree"],
    )
    report = ds.write(tmp_path / "out", format="cityscapes", media="none")
    assert report.lossless
    assert not list(tmp_path.rglob("*.json")) or [p.name for p in tmp_path.rglob("*.json")] == [
        "dataset_meta.json"
    ]
    back = sm.read(tmp_path / "out")
    assert back.categories.values == ("car", "tree")
    assert [c.id for c in back.categories] == [26, 34]
    one, other = back.to_arrow()["objects"][0].as_py()
    given = ds.to_arrow()["objects"][0].as_py()
    assert [one["mask"], other["mask"]] == [given[0]["mask"], given[1]["mask"]]
    assert pixels(tmp_path / "out" / "gtFine/default/default/a_gtFine_instanceIds.png")[4][2:8] == [
        26000, 26000, 0, 0, 26000, 26000,
    ]  # fmt: skip


def test_write__what_an_outline_cannot_say_is_reported(tmp_path: Path) -> None:
    ds = sm.Dataset.from_samples(
        [
            sample(
                {"category": "cat", "polygons": [SQUARE, OTHER], "score": 0.5},
                {"category": "cat", "mask": ring()},
                {"category": "cat", "polygons": [SQUARE], "mask": ring()},
                {"category": "cat"},
                {"category": None, "polygons": [SQUARE]},
            )
        ]
    )
    report = ds.write(tmp_path / "out", format="cityscapes", media="none", on_loss="ignore")
    assert {loss.code: loss.count for loss in report.losses} == {
        "polygon.joined": 1,
        "mask.outlined": 1,
        "mask.dropped": 1,
        "geometry.missing": 1,
        "category.missing": 1,
        "field.dropped": 1,
    }
    assert report.objects_written == sm.read(tmp_path / "out").report.objects_read == 3


def test_write__what_pixels_cannot_say_is_reported(tmp_path: Path) -> None:
    crowd = {"category": "car", "mask": ring(), "iscrowd": True}
    ds = sm.Dataset.from_samples(
        [
            sample(
                {"category": "bus", "mask": ring()},
                crowd,
                {**crowd, "mask": np.roll(ring(), 7, 1)},
                {"category": "car", "mask": np.zeros((12, 16), np.uint8)},
                {"category": "sky", "mask": ring()[:9], "iscrowd": True},
            )
        ],
        categories=OFFICIAL,
    )
    report = ds.write(tmp_path / "out", format="cityscapes", media="none", on_loss="ignore")
    assert {loss.code: loss.count for loss in report.losses} == {
        "mask.covered": 2,
        "object.covered": 1,
        "object.merged": 1,
        "mask.merged": 1,
        "geometry.missing": 1,
        "mask.padded": 1,
        "crowd.dropped": 1,
    }
    back = sm.read(tmp_path / "out")
    assert [(o["category"], o["iscrowd"]) for o in back[0].objects] == [("sky", False), ("car", True)]
    assert back.categories == OFFICIAL


def test_write__more_classes_than_pixels_have_room_for(tmp_path: Path) -> None:
    names = [f"class {n}" for n in range(80)]
    ds = sm.Dataset.from_samples([sample({"category": "class 79", "polygons": [SQUARE]})], categories=names)
    assert ds.write(tmp_path / "out", format="cityscapes", media="none").lossless
    assert sm.read(tmp_path / "out").categories.values == tuple(names)
    assert not list(tmp_path.rglob("*instanceIds.png"))
    with pytest.raises(sm.errors.OptionError, match="room for 64 classes"):
        ds.write(tmp_path / "other", format="cityscapes", media="none", objects="instances")


def test_write__instances_need_sizes(tmp_path: Path) -> None:
    ds = sm.Dataset.from_samples([{"id": "a", "objects": [{"category": "car", "mask": ring()}]}])
    with pytest.raises(sm.errors.DataError, match="size of the image is not known"):
        ds.write(tmp_path / "out", format="cityscapes", media="none")
    report = ds.write(
        tmp_path / "out", format="cityscapes", media="none", objects="polygons", on_loss="ignore"
    )
    assert [loss.code for loss in report.losses] == ["mask.outlined"]


def test_write__a_label_image_that_is_gone_is_named(tmp_path: Path) -> None:
    sm.read(GOLDEN / "polygons").write(tmp_path / "in", format="cityscapes", media="copy")
    ds = sm.read(tmp_path / "in")
    (tmp_path / "in" / f"{STEM}labelIds.png").unlink()
    with pytest.raises(sm.errors.DataError, match="label image is not there"):
        ds.write(tmp_path / "out", format="cityscapes", media="none")
