"""What other trainers are given: read back with their own libraries."""

from __future__ import annotations

import json
import os
import subprocess
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader

import smalti as sm

STREET = Path(__file__).parents[2] / "examples" / "street"
JUDGE = Path(__file__).parents[1] / "judges" / "tensorflow_judge.py"


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import datasets

        return datasets


def test_huggingface__features_and_rows(hub: Any, street: sm.Dataset) -> None:
    made = street.to_huggingface()
    assert made.features["image"] == hub.Image()
    inner = made.features["objects"].feature
    assert inner["category"] == hub.ClassLabel(names=list(street.categories.values))
    assert inner["bbox"] == hub.List(hub.Value("float64"), length=4)
    assert len(made) == 12
    for row, sample in zip(made, street, strict=True):
        assert row["id"] == sample.id
        assert (row["width"], row["height"]) == (sample.image.width, sample.image.height)
        assert row["image"].size[0] in {sample.image.width, sample.image.height}
        assert [item["bbox"] for item in row["objects"]] == sample.objects.bbox.tolist()
        names = [inner["category"].int2str(item["category"]) for item in row["objects"]]
        assert names == list(sample.objects.names)


@pytest.mark.usefixtures("hub")
def test_huggingface__shares_the_memory(street: sm.Dataset) -> None:
    ours = street.to_arrow().combine_chunks()
    theirs = street.to_huggingface().data.table

    def addresses(table: pa.Table) -> set[int]:
        points = table.column("objects").chunk(0).values.field("keypoints")
        buffers = [*table.column("id").chunk(0).buffers(), *points.values.field("x").buffers()]
        return {buffer.address for buffer in buffers if buffer is not None}

    assert addresses(street.to_arrow()) == addresses(ours) == addresses(theirs)


@pytest.mark.usefixtures("hub")
def test_huggingface__splits_and_nulls(street: sm.Dataset) -> None:
    parts = street.to_huggingface(splits=True)
    assert list(parts) == ["train", "val"]
    assert sum(map(len, parts.values())) == 12
    odd = sm.Dataset.from_samples(
        [{"id": "a", "objects": None}, {"id": "b", "objects": []}, {"id": "c", "objects": [{"category": None, "bbox": None}, {"category": "cat", "bbox": [1, 2, 3, 4]}]}]
    )  # fmt: skip
    rows = [row["objects"] for row in odd.to_huggingface().remove_columns("image")]
    assert rows[:2] == [None, []]
    assert [item["bbox"] for item in rows[2]] == [None, [1, 2, 3, 4]]
    assert [item["category"] for item in rows[2]] == [None, 0]


def test_huggingface__classes_captions_and_bytes(hub: Any, small: sm.Dataset, tmp_path: Path) -> None:
    categories = sm.Categories.of(["cat", "dog"])
    feature = sm.features.Classification(categories=categories)
    label = categories.encode(pa.array([1, None, 0], pa.int32()))
    captions = sm.features.Captions()
    texts = pa.array([[{"id": 1, "caption": "ein Hund"}], [], None], captions.arrow)
    image = sm.features.Image(members=("path", "width", "height", "bytes"))
    bodies = [{"path": f"{n}.png", "width": 8, "height": 6, "bytes": (tmp_path / f"{n}.png").read_bytes()} for n in range(3)]  # fmt: skip
    ds = (
        small.with_column("label", label, feature)
        .with_column("captions", texts, captions)
        .with_column("image", pa.array(bodies, image.arrow), image)
    )
    for file in tmp_path.glob("*.png"):
        file.unlink()
    made = ds.to_huggingface()
    assert made.features["label"] == hub.ClassLabel(names=["cat", "dog"])
    assert made["label"][:] == [1, None, 0]
    assert made[0]["captions"] == [{"id": 1, "caption": "ein Hund"}]
    assert made[2]["image"].getpixel((0, 0)) == (20, 20, 20)


# WebDataset leaves its files to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_webdataset__is_read_by_webdataset(street: sm.Dataset, tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import webdataset
    shards = street.to_webdataset(tmp_path / "shards", samples=5)
    assert [Path(shard).name for shard in shards] == ["000000.tar", "000001.tar", "000002.tar"]
    read = list(webdataset.WebDataset(shards, shardshuffle=False, empty_check=False).decode("rgb8"))
    assert len(read) == 12
    for found, sample in zip(read, street, strict=True):
        (suffix,) = set(found) & {"jpg", "png"}
        assert found["json"]["id"] == sample.id
        with Image.open(Path(str(street.schema.media_root)) / sample.image.path) as picture:
            assert np.array_equal(found[suffix], np.array(picture.convert("RGB")))
        assert [item["category"] for item in found["json"]["objects"]] == list(sample.objects.names)
    masks = [item["mask"]["counts"] for found in read for item in found["json"]["objects"] if item["mask"]]
    assert masks
    assert all(isinstance(counts, str) for counts in masks)


def test_webdataset__is_whole_or_absent(street: sm.Dataset, small: sm.Dataset, tmp_path: Path) -> None:
    (tmp_path / "2.png").unlink()
    with pytest.raises(sm.errors.DataError, match=r"2\.png"):
        small.to_webdataset(tmp_path / "shards", samples=1)
    assert not (tmp_path / "shards").exists()
    first, second = (street.to_webdataset(tmp_path / name) for name in ("one", "two"))
    assert Path(first[0]).read_bytes() == Path(second[0]).read_bytes()
    with pytest.raises(sm.errors.TargetExistsError):
        street.to_webdataset(tmp_path / "one")
    with pytest.raises(sm.errors.OptionError, match="a shard has at least one sample"):
        street.to_webdataset(tmp_path / "three", samples=0)


def test_webdataset__has_label_images_beside(small: sm.Dataset, tmp_path: Path) -> None:
    import tarfile

    feature = sm.features.Mask(categories=sm.Categories.of(["road"]))
    body = (tmp_path / "0.png").read_bytes()
    ds = small.with_column("seg", pa.array([{"bytes": body}] * 3, feature.arrow), feature)
    (shard,) = ds.to_webdataset(tmp_path / "shards")
    with tarfile.open(shard) as archive:
        assert archive.getnames()[:3] == ["00000000.png", "00000000.seg.png", "00000000.json"]
        assert archive.extractfile("00000002.seg.png").read() == body  # type: ignore[union-attr]


def test_numpy__flat_arrays(small: sm.Dataset) -> None:
    ds = small.concat(sm.Dataset.from_samples([{"id": "x", "objects": None}]))
    found = ds.to_numpy(boxes="xywh", first_label=1)
    assert found["ids"].tolist() == ["0.png", "1.png", "2.png", "x"]
    assert found["offsets"].tolist() == [0, 2, 2, 3, 3]
    assert found["sample"].tolist() == [0, 0, 2]
    assert found["annotated"].tolist() == [True, True, True, False]
    assert found["labels"].tolist() == [2, 1, 1]
    assert found["boxes"].tolist() == [[1, 2, 3, 4], [0, 0, 8, 6], [2, 2, 2, 2]]
    assert found["keypoints"].shape == (3, 2, 3)
    assert found["width"].tolist() == [8, 8, 8, 0]
    assert set(small.drop(["objects"]).to_numpy()) == {"ids", "width", "height"}
    captions = sm.features.Captions()
    texts = small.drop(["objects"]).with_column("texts", pa.array([[]] * 3, captions.arrow), captions)
    with pytest.raises(sm.errors.OptionError, match="arrays hold objects or a class, no captions"):
        texts.to_numpy()


def test_detectron2__list_of_dicts(street: sm.Dataset) -> None:
    found = street.to_detectron2()
    assert len(found) == 12
    for record, sample in zip(found, street, strict=True):
        assert Path(record["file_name"]).is_file()
        assert [a["bbox"] for a in record["annotations"]] == sample.objects.bbox.tolist()
        names = [street.categories.values[a["category_id"]] for a in record["annotations"]]
        assert names == list(sample.objects.names)
    annotations = [a for record in found for a in record["annotations"]]
    assert {a["bbox_mode"] for a in annotations} == {1}
    assert any(isinstance(a["segmentation"], dict) for a in annotations)
    assert any(a.get("iscrowd") for a in annotations)
    points = [a["keypoints"] for a in annotations if a.get("keypoints")]
    assert {len(p) % 3 for p in points} == {0}


def test_tensorflow__items_are_those_of_torch(street: sm.Dataset) -> None:
    plain = street.to_torch()
    expected = []
    for row in range(len(plain)):
        image, target = plain[row]
        sums = {key: float(value.double().sum()) for key, value in target.items()}
        expected.append({"shape": list(image.permute(1, 2, 0).shape), "sum": int(image.long().sum()), **sums})
    run = subprocess.run(
        [os.environ["SMALTI_JUDGE_PYTHON"], "-W", "ignore", JUDGE, STREET],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""},
    )
    assert run.returncode == 0, run.stderr
    found = json.loads(run.stdout)
    assert len(found) == 12
    for one, other in zip(found, expected, strict=True):
        assert one.keys() == other.keys()
        assert {k: v for k, v in one.items() if k not in {"shape", "sum"}} == pytest.approx(
            {k: v for k, v in other.items() if k not in {"shape", "sum"}}, rel=1e-5
        )
        assert (one["shape"], one["sum"]) == (other["shape"], pytest.approx(other["sum"], rel=0.01))


class Heads(torch.nn.Module):
    """How many objects are in a picture, from its mean colours."""

    def __init__(self) -> None:
        super().__init__()
        self.line = torch.nn.Linear(3, 1)

    def loss(self, batch: Any) -> torch.Tensor:
        images, targets = batch
        colours = torch.stack([image.float().mean((1, 2)) / 255 for image in images])
        wanted = torch.tensor([[float(len(target["labels"]))] for target in targets])
        return torch.nn.functional.mse_loss(self.line(colours), wanted)


@pytest.mark.filterwarnings("ignore")  # of lightning's own making
@pytest.mark.parametrize("stream", [False, True])
def test_lightning__trains_on_it(street: sm.Dataset, tmp_path: Path, *, stream: bool) -> None:
    import lightning

    class Module(lightning.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.heads = Heads()
            self.losses: list[float] = []

        def training_step(self, batch: Any, _: int) -> torch.Tensor:
            loss = self.heads.loss(batch)
            self.losses.append(loss.item())
            return loss

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.Adam(self.parameters(), lr=0.2)

    items = street.to_torch_stream() if stream else street.to_torch()
    module = Module()
    trainer = lightning.Trainer(
        max_epochs=8, accelerator="cpu", devices=1, logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False, default_root_dir=tmp_path,
    )  # fmt: skip
    trainer.fit(module, DataLoader(items, batch_size=4, collate_fn=sm.torch.collate))
    assert len(module.losses) == 24
    assert sum(module.losses[-3:]) < sum(module.losses[:3])


@pytest.mark.filterwarnings("ignore")  # of accelerate's own making
def test_accelerate__trains_on_it(street: sm.Dataset) -> None:
    import accelerate

    accelerator = accelerate.Accelerator(cpu=True)
    model = Heads()
    loader = DataLoader(street.to_torch(), batch_size=4, shuffle=True, collate_fn=sm.torch.collate)
    model, optimiser, loader = accelerator.prepare(
        model, torch.optim.Adam(model.parameters(), lr=0.2), loader
    )
    losses = []
    for _ in range(8):
        for batch in loader:
            loss = model.loss(batch)
            accelerator.backward(loss)
            optimiser.step()
            optimiser.zero_grad()
            losses.append(loss.item())
    assert len(losses) == 24
    assert sum(losses[-3:]) < sum(losses[:3])
