"""Tasks other than detection, and batches of them."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader

import smalti as sm

if TYPE_CHECKING:
    from pathlib import Path

CATEGORIES = sm.Categories((
    sm.Category(name="road", id=7), sm.Category(name="sky", id=3), sm.Category(name="car", id=26),
))  # fmt: skip


@pytest.fixture
def tasks(small: sm.Dataset) -> sm.Dataset:
    """The three pictures with classes, captions and label images besides."""
    several = sm.features.Classification(categories=CATEGORIES, multi=True)
    words = several.arrow.value_type.field("category").type
    lists = [["sky", "car"], [], ["road"]]
    codes = [[{"category": name, "score": None} for name in names] for names in lists]
    plain = pa.array(codes, pa.list_(pa.struct([("category", pa.string()), ("score", pa.float64())])))
    flat = pa.StructArray.from_arrays(
        [CATEGORIES.encode(pa.array([1, 2, 0], pa.int32())), plain.flatten().field("score")],
        fields=list(several.arrow.value_type),
    )
    assert flat.type.field("category").type == words
    column = pa.ListArray.from_arrays(plain.offsets, flat, type=several.arrow)
    captions = sm.features.Captions()
    texts = [
        [{"id": 1, "caption": "a dog"}, {"id": None, "caption": "ein Hund"}],
        [],
        [{"id": 2, "caption": "猫"}],
    ]
    label = sm.features.Mask(categories=CATEGORIES)
    return (
        small.with_column("tags", column, several)
        .with_column("captions", pa.array(texts, captions.arrow), captions)
        .with_column("pixels", pa.array([{"path": None, "bytes": png(n)} for n in range(3)], label.arrow), label)
    )  # fmt: skip


def png(number: int) -> bytes:
    """Eight by six pixels of road; one of the sky, one of no class, one of a car further on each time."""
    values = np.full((6, 8), 7, np.uint8)
    values[0, 0], values[1, 1], values[2, number] = 3, 99, 26
    body = io.BytesIO()
    Image.fromarray(values).save(body, "PNG")
    return body.getvalue()


def test_fields__are_chosen_by_name(tasks: sm.Dataset) -> None:
    assert set(tasks.to_torch()[0][1]) == {"image_id", "boxes", "labels", "area", "iscrowd", "keypoints"}
    assert set(tasks.to_torch(fields="captions")[0][1]) == {"image_id", "captions"}
    both = tasks.to_torch(fields=["tags", "objects"])[0][1]
    assert {"label", "boxes"} <= set(both)
    with pytest.raises(sm.errors.OptionError, match="'weather' is no field of objects, classes"):
        tasks.to_torch(fields=["weather"])
    twice = tasks.with_column("more", tasks.to_arrow()["objects"], tasks.schema.objects())
    with pytest.raises(sm.errors.OptionError, match="room for one field of objects"):
        twice.to_torch(fields=["objects", "more"])


def test_classes__any_number_are_zeros_and_ones(tasks: sm.Dataset) -> None:
    items = tasks.to_torch(fields="tags", decode=None)
    assert [items[n]["label"].tolist() for n in range(3)] == [[0, 1, 1], [0, 0, 0], [1, 0, 0]]
    assert items.categories == ("road", "sky", "car")
    fixed = tasks.to_torch(fields="tags", decode=None, target_categories=["car", "sky", "road"])
    assert fixed[0]["label"].tolist() == [1, 1, 0]
    with pytest.raises(
        sm.errors.SchemaError, match="samples have a class that target_categories does not have"
    ):
        tasks.to_torch(fields="tags", target_categories=["car"])


def test_captions__are_lists_of_text(tasks: sm.Dataset) -> None:
    items = tasks.to_torch(fields="captions", decode=None)
    assert [items[n]["captions"] for n in range(3)] == [["a dog", "ein Hund"], [], ["猫"]]


def test_label_images__have_dense_labels_and_void(tasks: sm.Dataset) -> None:
    image, target = tasks.to_torch(fields="pixels")[2]
    expected = np.zeros((6, 8), np.int64)
    expected[0, 0], expected[1, 1], expected[2, 2] = 1, 255, 2
    assert target["pixels"].dtype == torch.int64
    assert target["pixels"].tolist() == expected.tolist()
    assert image.shape == (3, 6, 8)
    only = tasks.to_torch(fields="pixels", target_categories=["car"])[2][1]["pixels"]
    assert only.unique().tolist() == [0, 255]


def test_label_images__broken_ones_name_their_sample(tasks: sm.Dataset) -> None:
    label = sm.features.Mask(categories=CATEGORIES)
    body = io.BytesIO()
    Image.new("RGB", (8, 6)).save(body, "PNG")
    column = pa.array([{"path": None, "bytes": body.getvalue()}] * 3, label.arrow)
    with pytest.raises(
        sm.errors.DataError, match=r"0\.png.*found a picture in RGB, expected one number a pixel"
    ):
        tasks.with_column("pixels", column, label).to_torch(fields="pixels")[0]


def test_collate__segmentation_pads_to_one_size(tasks: sm.Dataset, tmp_path: Path) -> None:
    Image.new("RGB", (5, 9), (1, 2, 3)).save(tmp_path / "1.png")
    body = io.BytesIO()
    Image.new("L", (5, 9), 3).save(body, "PNG")
    label = sm.features.Mask(categories=CATEGORIES)
    column = pa.array([{"bytes": b} for b in (png(0), body.getvalue(), png(2))], label.arrow)
    ds = tasks.with_column("pixels", column, label)
    loader = DataLoader(ds.to_torch(fields="pixels"), batch_size=3, collate_fn=sm.torch.collate_segmentation)
    ((images, labels),) = loader
    assert images.shape == (3, 3, 9, 8)
    assert labels.shape == (3, 9, 8)
    assert (labels[1, :, :5] == 1).all()
    assert (labels[1, :, 5:] == 255).all()
    assert (labels[0, 6:] == 255).all()
    assert images[1, :, 8, 4].tolist() == [1, 2, 3]
    assert images[1, :, :, 5:].sum() == 0
    with pytest.raises(sm.errors.OptionError, match="items have the label images none; name one"):
        sm.torch.collate_segmentation([tasks.to_torch(masks=True)[0]])


@pytest.mark.parametrize("workers", [0, 2])
def test_collate__pose_joins_the_objects(small: sm.Dataset, workers: int) -> None:
    options: dict[str, Any] = {"batch_size": 3, "collate_fn": sm.torch.collate_pose, "num_workers": workers}
    ((images, objects),) = DataLoader(small.to_torch(), **options)
    assert images.shape == (3, 3, 6, 8)
    assert objects["batch"].tolist() == [0, 0, 2]
    assert objects["labels"].tolist() == [1, 0, 0]
    assert objects["keypoints"].shape == (3, 2, 3)
    assert objects["boxes"].tolist()[2] == [2, 2, 4, 4]


def test_options__unknown_ones_are_named(small: sm.Dataset) -> None:
    for option, value in {"boxes": "yxyx", "missing": "no", "on_error": "stop", "decode": "numpy"}.items():
        with pytest.raises(sm.errors.OptionError, match=f"{option}='{value}' is unknown; there are "):
            small.to_torch(**{option: value})
    with pytest.raises(sm.errors.MissingExtraError, match="tv_tensors=True needs torchvision"):
        small.to_torch(tv_tensors=True)


def test_label_images__that_are_broken_are_left_out_with_their_sample(tasks: sm.Dataset) -> None:
    feature = tasks.schema.columns["pixels"]
    bodies = [png(0), b"no picture", png(2)]
    column = pa.array([{"path": None, "bytes": body} for body in bodies], feature.arrow)
    broken = tasks.with_column("pixels", column, feature)
    items = broken.to_torch(fields="pixels", on_error="skip", tv_tensors=False)
    ((images, labels),) = DataLoader(items, batch_size=3, collate_fn=sm.torch.collate_segmentation)
    assert images[:, 0, 0, 0].tolist() == [0, 20]
    assert labels.shape == (2, 6, 8)
    assert items.skipped.tolist() == [1]
    with pytest.raises(sm.errors.DataError, match="cannot be read as a picture"):
        broken.to_torch(fields="pixels", tv_tensors=False).__getitems__([0, 1])
