"""Datumaro reads what is written: COCO, Pascal VOC, YOLO Darknet, KITTI, MOT, MOTS, DOTA, masks, Cityscapes, CreateML.

Its own JSON is judged in tests/formats/test_datumaro.py. Where it is wrong, docs/design/judges.md says so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from pycocotools import mask as official

import smalti as sm
from smalti.formats.cityscapes.labels import OFFICIAL

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.xdist_group("datumaro")
ROAD = [[0, 100, 400, 100, 400, 300, 0, 300]]
QUAD = [100.0, 50.0, 200.0, 100.0, 175.0, 150.0, 75.0, 100.0]  # right angles, which Datumaro's boxes have


@pytest.fixture(scope="module")
def single(flat: sm.Dataset) -> sm.Dataset:
    """Class names without blanks, where blanks part the columns of a row; images in no folder."""
    return flat.map_categories({"street sign": "sign", "tyre swing": "tyre"})


@pytest.fixture(scope="module")
def oriented(flat: sm.Dataset) -> sm.Dataset:
    image = flat[0].image
    made = [
        {"category": "car", "quad": QUAD, "difficult": 1},
        {"category": "dog", "quad": [1, 1, 9, 1, 9, 5, 1, 5]},
    ]
    rows = [{"id": "playground.jpg", "image": image, "split": "train", "objects": made}]
    return sm.Dataset.from_samples(rows, categories=["car", "dog"], media_root=flat.schema.media_root)


@pytest.fixture(scope="module")
def town(flat: sm.Dataset) -> sm.Dataset:
    image = {"path": flat[0].image.path, "width": 400, "height": 300}
    made = [
        {"category": "road", "polygons": ROAD},
        {"category": "sky", "polygons": [[0, 0, 400, 0, 400, 50, 0, 50]]},
    ]
    rows = [{"id": "aachen/a.jpg", "image": image, "split": "train", "objects": made}]
    return sm.Dataset.from_samples(rows, categories=OFFICIAL, media_root=flat.schema.media_root)


@pytest.fixture(scope="module")
def verdict(
    street: sm.Dataset,
    single: sm.Dataset,
    oriented: Any,
    tracks: Any,
    town: Any,
    write: Any,
    asked: Callable[..., Any],
) -> Any:
    voc, dense = write(street, "pascal_voc"), single.drop(["split"])
    jobs = {
        "coco": ("coco_instances", write(street, "coco")),
        "voc": ("voc_detection", voc),
        "voc_masks": ("voc_instance_segmentation", voc),
        "darknet": ("yolo", write(street, "darknet")),
        "kitti": ("kitti_detection", write(single, "kitti")),
        "mots": ("mots", write(tracks, "mots", masks="png")),
        "dota": ("dota", write(oriented, "dota", difficult=0)),
        "masks": ("common_semantic_segmentation", write(dense, "mask_pairs", pixels="color")),
        "camvid": ("camvid", write(single, "mask_pairs", layout="camvid")),
        "cityscapes": ("cityscapes", write(town, "cityscapes")),
        "createml": ("roboflow_create_ml", write(street, "createml")),
    }
    asked_for = {case: {"format": name, "path": str(path)} for case, (name, path) in jobs.items()}
    mot = write(tracks, "mot", pixel_offset=False) / "train/walk"
    # A rate that nobody knows is not written, and Datumaro asks for one.
    with (mot / "seqinfo.ini").open("a") as file:
        file.write("frameRate=30\n")
    asked_for["mot"] = {"format": "mot_seq", "path": str(mot)}
    return asked("datumaro", asked_for)


def found(items: dict[str, Any], kind: str = "bbox", member: str = "bbox") -> dict[str, Any]:
    """The annotations of a kind by the image's path without suffix and split."""
    return {
        name.partition("/")[2]: [
            (one["label"], one[member]) for one in item["annotations"] if one["type"] == kind
        ]
        for name, item in items.items()
    }


def stems(of: dict[str, Any]) -> dict[str, Any]:
    return {name.rpartition(".")[0]: items for name, items in of.items()}


def painted(dataset: sm.Dataset, sample: Any) -> dict[str, Any]:
    """The pixels of each class, later objects over earlier ones."""
    pixels = np.zeros((sample.image.height, sample.image.width), np.uint8)
    for one in sample.objects or ():
        size = (sample.image.height, sample.image.width)
        rings = [list(ring) for ring in one["polygons"] or ()]
        runs = one["mask"] or official.merge(official.frPyObjects(rings, *size))
        where = official.decode({"size": size, "counts": runs["counts"]}) > 0
        pixels[where] = dataset.categories.codes[one["category"]] + 1
    return {
        name: np.asfortranarray(pixels == n, np.uint8)
        for n, name in enumerate(["background", *dataset.categories.values])
        if (pixels == n).any()
    }


def test_coco(verdict: Any, street: sm.Dataset, told: Any) -> None:
    items = verdict["coco"]["items"]
    theirs = found(items)
    for path, boxes in stems(told(street)).items():  # it has them in another order
        assert all(box in theirs[path] for box in boxes)
        assert len(boxes) == len(theirs[path])
    assert verdict["coco"]["labels"] == [
        one.name for one in sorted(street.categories, key=lambda one: one.id)
    ]
    drawn = found(items, "polygon", "points")  # an annotation for each part
    for sample in street:
        ours = [(one["category"], ring) for one in sample.objects for ring in one["polygons"] or ()]
        theirs = drawn[sample.id.rpartition(".")[0]]
        assert len(theirs) == len(ours)
        assert all((name, pytest.approx(list(ring), abs=0.02)) in theirs for name, ring in ours)
    ids = {one["id"] for item in items.values() for one in item["annotations"]}
    assert ids == set(street.objects()["id"].to_pylist())
    sizes = {name.partition("/")[2]: item["size"] for name, item in items.items()}
    assert sizes == {s.id.rpartition(".")[0]: [s.image.height, s.image.width] for s in street}


def test_pascal_voc(verdict: Any, street: sm.Dataset, told: Any) -> None:
    assert found(verdict["voc"]["items"]) == stems(told(street))
    assert verdict["voc"]["labels"] == ["background", *street.categories.values]
    assert {name.partition("/")[0] for name in verdict["voc"]["items"]} == {"train", "val"}


def test_pascal_voc__masks_of_objects(verdict: Any, street: sm.Dataset) -> None:
    drawn = street.filter_objects(sm.col("mask.counts").is_valid())
    kept = {s.id.rpartition(".")[0]: s for s in drawn if len(s.objects)}
    theirs = found(verdict["voc_masks"]["items"], "mask", "mask")
    assert set(theirs) == set(kept)
    for name, sample in kept.items():
        for (label, mask), one in zip(theirs[name], sample.objects, strict=True):
            assert label == one["category"]
            assert (official.decode(mask) == official.decode({**mask, "counts": one["mask"]["counts"]})).all()


def test_darknet(verdict: Any, street: sm.Dataset, told: Any) -> None:
    ours = street.filter_objects(~sm.col("iscrowd"))
    theirs = found(verdict["darknet"]["items"])
    theirs["south/0001"][1][1][2] += 80  # the box that leaves its picture was clipped, and reported
    assert theirs == stems(told(ours))
    assert verdict["darknet"]["labels"] == list(street.categories.values)


def test_kitti(verdict: Any, single: sm.Dataset, told: Any) -> None:
    assert found(verdict["kitti"]["items"]) == stems(told(single))


def test_mot__edges_from_0(verdict: Any, tracks: sm.Dataset, told: Any) -> None:
    theirs = verdict["mot"]["items"]
    ours = told(tracks)
    assert [items for _, items in sorted(found(theirs).items())] == [ours[path] for path in sorted(ours)]
    ids = [[one["attributes"]["track_id"] for one in item["annotations"]] for item in theirs.values()]
    assert ids == [[2001, 2007], [2001], [2001, 2007]]
    assert [item["size"] for item in theirs.values()] == [[300, 400]] * 3


def test_mots__label_images(verdict: Any, tracks: sm.Dataset) -> None:
    theirs = found(verdict["mots"]["items"], "mask", "mask")
    assert len(theirs) == len(tracks)
    for sample in tracks:
        for one, (label, mask) in zip(sample.objects, theirs[sample.id.rpartition(".")[0]], strict=True):
            assert label == "pedestrian"
            assert (official.decode(mask) == official.decode({**mask, "counts": one["mask"]["counts"]})).all()
    ids = [
        [one["attributes"]["track_id"] for one in item["annotations"]]
        for item in verdict["mots"]["items"].values()
    ]
    assert ids == [[1, 7], [1], [1, 7]]  # it tells numbers within a class


def test_dota(verdict: Any, oriented: sm.Dataset) -> None:
    (item,) = verdict["dota"]["items"].values()
    assert [one["attributes"]["difficulty"] for one in item["annotations"]] == [1, 0]
    for one, theirs in zip(oriented[0].objects, item["annotations"], strict=True):
        assert theirs["label"] == one["category"]
        corners = sorted(np.reshape(theirs["corners"], (4, 2)).round(6).tolist())
        assert np.allclose(corners, sorted(np.reshape(one["quad"], (4, 2)).tolist()), atol=0.02)


@pytest.mark.parametrize("case", ["masks", "camvid"])
def test_masks(verdict: Any, single: sm.Dataset, case: str) -> None:
    theirs = found(verdict[case]["items"], "mask", "mask")
    assert verdict[case]["labels"] == ["background", *single.categories.values]
    assert len(theirs) == len(single)
    for sample in single:
        seen = dict(theirs[sample.id.rpartition(".")[0]])
        ours = painted(single, sample)
        assert set(seen) == set(ours)
        for name, pixels in ours.items():
            assert (official.decode(seen[name]) == pixels).all(), (sample.id, name)


def test_cityscapes__what_has_no_instances(verdict: Any) -> None:
    # Of instanceIds it takes the pixels below 1000 alone, as places in the table of classes.
    (item,) = verdict["cityscapes"]["items"].values()
    seen = {one["label"]: one["area"] for one in item["annotations"]}
    assert seen == {"road": 400 * 200, "sky": 400 * 50}
    assert item["size"] == [300, 400]


def test_createml__takes_centres_for_corners(verdict: Any, street: sm.Dataset, told: Any) -> None:
    theirs = found(verdict["createml"]["items"])
    for name, boxes in theirs.items():
        theirs[name] = [(label, [x - w / 2, y - h / 2, w, h]) for label, (x, y, w, h) in boxes]
    assert theirs == stems(told(street))
