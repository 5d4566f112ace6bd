from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from pycocotools.coco import COCO
from torch.utils.data import DataLoader, WeightedRandomSampler

import smalti as sm
from smalti.training import samplers

STREET = Path(__file__).parents[2] / "examples" / "street"


def test_item__is_in_torchvisions_convention(small: sm.Dataset) -> None:
    items = small.to_torch()
    image, target = items[0]
    assert len(items) == 3
    assert (image.dtype, image.shape) == (torch.uint8, (3, 6, 8))
    assert target["boxes"].dtype == torch.float32
    assert target["boxes"].tolist() == [[1, 2, 4, 6], [0, 0, 8, 6]]
    assert target["labels"].dtype == torch.int64
    assert target["labels"].tolist() == [1, 0]
    assert target["area"].tolist() == [12, 7.5]
    assert target["iscrowd"].tolist() == [0, 0]
    assert target["image_id"].item() == 0
    assert target["keypoints"].tolist() == [[[1, 2, 2], [0, 0, 0]], [[0, 0, 0], [0, 0, 0]]]
    assert "masks" not in target
    assert items[-1][1]["iscrowd"].tolist() == [1]
    with pytest.raises(IndexError, match="sample 3 of 3"):
        items[3]


def test_item__without_objects_has_empty_tensors(small: sm.Dataset) -> None:
    _, target = small.to_torch(masks=True)[1]
    assert target["boxes"].shape == (0, 4)
    assert target["labels"].shape == (0,)
    assert target["masks"].shape == (0, 6, 8)
    assert target["keypoints"].shape == (0, 2, 3)


@pytest.mark.parametrize(
    ("layout", "expected"), [("xywh", [1, 2, 3, 4]), ("xyxy", [1, 2, 4, 6]), ("cxcywh", [2.5, 4, 3, 4])]
)
def test_item__boxes_in_any_layout(small: sm.Dataset, layout: str, expected: list[float]) -> None:
    assert small.to_torch(boxes=layout, decode=None)[0]["boxes"][0].tolist() == expected


def test_item__masks_are_those_of_pycocotools(street: sm.Dataset) -> None:
    items = street.to_torch(masks=True, decode=None)
    seen = 0
    for split in ("train", "val"):
        coco = COCO(str(STREET / "annotations" / f"instances_{split}.json"))
        by_name = {image["file_name"]: number for number, image in coco.imgs.items()}
        for row, sample in enumerate(street):
            if sample.split == split:
                masks = items[row]["masks"].numpy()
                expected = [coco.annToMask(ann) for ann in coco.loadAnns(coco.getAnnIds(by_name[sample.id]))]
                assert masks.tolist() == np.array(expected, np.uint8).reshape(masks.shape).tolist()
                seen += len(masks)
    assert seen == 26


def test_labels__can_be_fixed_and_shifted(small: sm.Dataset) -> None:
    items = small.to_torch(target_categories=["dog", "cat"], first_label=1, decode=None)
    assert items[0]["labels"].tolist() == [1, 2]
    assert items.categories == ("dog", "cat")
    with pytest.raises(sm.errors.SchemaError, match="objects of 'dog' have no label in target_categories"):
        small.to_torch(target_categories=["cat"])


def test_labels__are_the_same_in_every_split(street: sm.Dataset) -> None:
    train, val = (street.filter(sm.col("split") == split).to_torch(decode=None) for split in ("train", "val"))
    assert train.categories == val.categories == street.categories.values


def test_unannotated__are_never_background(small: sm.Dataset) -> None:
    more = small.concat(sm.Dataset.from_samples([{"id": "x.png", "objects": None}]))
    with pytest.raises(sm.errors.SchemaError, match=r"1 samples are not annotated, such as 'x\.png'"):
        more.to_torch()
    assert len(more.to_torch(missing="drop")) == 3


def test_columns_and_transform(small: sm.Dataset) -> None:
    def flip(image: Any, target: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        return image.flip(-1), {**target, "flipped": True}

    image, target = small.to_torch(columns=["weather", "image"], transform=flip)[2]
    assert target["weather"] == "w2"
    assert target["image"]["path"] == "2.png"
    assert target["flipped"] is True
    assert image.unique().tolist() == [20]


def test_decode__in_other_ways(small: sm.Dataset) -> None:
    assert isinstance(small.to_torch(decode="pil")[0][0], Image.Image)
    assert small.to_torch(decode=len)[0][0] > 60  # bytes
    assert set(small.to_torch(decode=None)[0]) >= {"boxes", "labels"}


def test_decode__is_upright_where_labels_are(street: sm.Dataset) -> None:
    row = [sample.id for sample in street].index("turned.jpg")
    image, target = street.to_torch(masks=True)[row]
    sample = street[row]
    assert tuple(image.shape[1:]) == (sample.image.height, sample.image.width)
    assert target["masks"].shape[1:] == image.shape[1:]


def test_broken_image__names_its_sample_or_is_skipped(small: sm.Dataset, tmp_path: Path) -> None:
    (tmp_path / "1.png").write_bytes(b"no picture")
    with pytest.raises(sm.errors.DataError, match=r"1\.png.*cannot be read as a picture"):
        small.to_torch()[1]
    items = small.to_torch(on_error="skip")
    ((images, targets),) = DataLoader(items, batch_size=3, collate_fn=sm.torch.collate)
    assert images.shape == (2, 3, 6, 8)
    assert [target["image_id"].item() for target in targets] == [0, 2]
    assert items.skipped.tolist() == [1]
    (tmp_path / "1.png").unlink()
    with pytest.raises(sm.errors.DataError, match=r"1\.png"):
        small.to_torch()[1]


@pytest.mark.parametrize("context", ["fork", "spawn"])
def test_loader__with_workers_gives_the_same(street: sm.Dataset, context: str) -> None:
    items = street.to_torch(masks=True, columns=["split"])
    loader = DataLoader(
        items, batch_size=5, num_workers=2, multiprocessing_context=context, collate_fn=sm.torch.collate
    )
    seen = [
        (image, target) for images, targets in loader for image, target in zip(images, targets, strict=True)
    ]
    assert len(seen) == 12
    for row, (image, target) in enumerate(seen):
        expected_image, expected = items[row]
        assert torch.equal(image, expected_image)
        assert target.keys() == expected.keys()
        assert all(
            torch.equal(v, expected[k]) if isinstance(v, torch.Tensor) else v == expected[k]
            for k, v in target.items()
        )


def test_pickle__sends_handles_and_not_the_rows() -> None:
    from multiprocessing.reduction import ForkingPickler

    objects = [{"category": "cat", "bbox": [n, n, 2, 2]} for n in range(20)]
    samples = [
        {"id": f"{n}.jpg", "image": {"width": 9, "height": 9}, "objects": objects} for n in range(2000)
    ]
    items = sm.Dataset.from_samples(samples).to_torch(decode=None)
    assert len(ForkingPickler.dumps(items)) < 20_000
    whole = pickle.loads(pickle.dumps(items))  # noqa: S301  # our own
    assert torch.equal(whole[7]["boxes"], items[7]["boxes"])
    assert items.labels[0].columns.boxes.nbytes == 2000 * 20 * 16


def test_fields__several_need_a_name(small: sm.Dataset) -> None:
    both = small.rename({"objects": "one"}).with_column(
        "two", small.to_arrow()["objects"], small.schema.objects()
    )
    with pytest.raises(sm.errors.OptionError, match="label fields one, two; say which"):
        both.to_torch()
    assert both.to_torch(fields="two", decode=None)[0]["labels"].tolist() == [1, 0]
    assert set(small.drop(["objects"]).to_torch(decode=None)[0]) == {"image_id"}


def test_samplers__weights_make_classes_equally_likely() -> None:
    words = ["cat"] * 9 + ["dog"]
    samples = [{"id": f"{n}", "objects": [{"category": word}]} for n, word in enumerate(words)]
    ds = sm.Dataset.from_samples([*samples, {"id": "empty", "objects": []}])
    weights = samplers.class_weights(ds)
    assert weights[:9].sum() == pytest.approx(weights[9])
    assert weights[10] == weights[0]
    drawn = list(WeightedRandomSampler(weights.tolist(), 4000, generator=torch.Generator().manual_seed(0)))
    assert 0.4 < drawn.count(9) / 4000 < 0.6


def test_samplers__repeat_factors_are_those_of_lvis() -> None:
    words = [["cat"]] * 15 + [["cat", "dog"], ["dog"], []] + [["cat"]] * 2
    ds = sm.Dataset.from_samples(
        [{"id": f"{n}", "objects": [{"category": w} for w in ws]} for n, ws in enumerate(words)]
    )
    factors = samplers.repeat_factors(ds, threshold=0.4)
    assert factors[0] == 1
    assert factors[15] == factors[16] == pytest.approx(2)  # sqrt(0.4 / 0.1)
    assert factors[17] == 1
    order = samplers.repeated(factors, seed=1, epoch=2)
    assert order.tolist() == samplers.repeated(factors, seed=1, epoch=2).tolist()
    assert order.tolist() != samplers.repeated(factors, seed=1, epoch=3).tolist()
    assert np.bincount(order).tolist() == [1] * 15 + [2, 2] + [1] * 3


def test_samplers__batches_of_one_aspect(street: sm.Dataset) -> None:
    batches = samplers.AspectRatioBatches(street, batch_size=4, seed=3)
    epoch = list(batches)
    assert len(epoch) == len(batches)
    assert sorted(row for batch in epoch for row in batch) == list(range(12))
    assert all(len({bool(batches.high[row]) for row in batch}) == 1 for batch in epoch)
    assert list(batches) == epoch
    batches.set_epoch(1)
    assert list(batches) != epoch
    loader = DataLoader(street.to_torch(decode=None), batch_sampler=batches, collate_fn=sm.torch.collate)
    assert sum(len(targets) for _, targets in loader) == 12


def test_classes__of_whole_images() -> None:
    import pyarrow as pa

    categories = sm.Categories.of(["cat", "dog"])
    schema = sm.Schema(
        columns={
            "id": sm.features.Value(type=pa.string()),
            "label": sm.features.Classification(categories=categories),
        }
    )
    table = pa.Table.from_arrays(
        [pa.array(["a", "b"]), categories.encode(pa.array([1, 0], pa.int32()))], schema=schema.arrow
    )
    items = sm.Dataset.from_arrow(table, schema=schema).to_torch(decode=None, first_label=5)
    assert [items[n]["label"].item() for n in range(2)] == [6, 5]
