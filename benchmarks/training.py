"""Feeding PyTorch: what labels cost, what a DataLoader adds to decoding, what workers cost in memory.

    python benchmarks/training.py                          5,000 JPEGs of 640 x 480, 1,000,000 samples without images
    python benchmarks/training.py --images 500 --samples 20000

The bare loop decodes the same files with the same decoder and makes the same tensors, and does nothing else. Peers are
those that are installed beside: Hugging Face `datasets`, torchvision's CocoDetection wrapped for its transforms.
"""

from __future__ import annotations

import argparse
import io
import os
import time
import warnings
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from shutil import rmtree
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import simplejpeg
import torch
from _measure import scratch
from PIL import Image
from torch.utils.data import DataLoader

import smalti as sm

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

SIZE = (640, 480)
OBJECTS = 7  # an image, as in COCO
CLASSES = [f"class {n}" for n in range(80)]


def make(folder: Path, count: int, pictures: int) -> sm.Dataset:
    """Samples with boxes; the first ones share some pictures with noise like a photograph's."""
    random = np.random.default_rng(0)
    for number in range(min(pictures, 50)):
        coarse = random.integers(0, 256, (SIZE[1] // 8, SIZE[0] // 8, 3), np.uint8)
        picture = Image.fromarray(coarse).resize(SIZE, Image.Resampling.BICUBIC)
        picture.save(folder / f"{number}.jpg", quality=90)
    for number in range(50, pictures):  # files of their own: a link would be the same page of the cache
        (folder / f"{number}.jpg").write_bytes((folder / f"{number % 50}.jpg").read_bytes())
    categories = sm.Categories.of(CLASSES)
    feature = sm.features.Objects(categories=categories, members=("category", "bbox"))
    schema = sm.Schema(
        columns={"id": sm.features.Value(type=pa.string()), "image": sm.features.Image(), "objects": feature},
        media_root=str(folder),
    )
    corner, side = random.random((count * OBJECTS, 2)) * 300, random.random((count * OBJECTS, 2)) * 150 + 5
    sides = [pa.array(values) for values in (*corner.T.copy(), *side.T.copy())]
    box = pa.StructArray.from_arrays(sides, fields=list(feature.member_type("bbox")))
    codes = pa.array(random.integers(0, len(CLASSES), count * OBJECTS).astype(np.int32))
    objects = pa.StructArray.from_arrays([categories.encode(codes), box], fields=list(feature.struct))
    offsets = pa.array(np.arange(count + 1, dtype=np.int32) * OBJECTS)
    names = pa.array([f"{number}.jpg" for number in range(count)])
    sizes = [pa.array(np.full(count, value, np.int32)) for value in SIZE]
    image = pa.StructArray.from_arrays([names, *sizes], fields=list(sm.features.Image().arrow))
    lists = pa.ListArray.from_arrays(offsets, objects, type=feature.arrow)
    return sm.Dataset.from_arrow(
        pa.Table.from_arrays([names, image, lists], schema=schema.arrow), schema=schema
    )


def rate(items: Callable[[], Iterable[Any]], count: int) -> float:
    """Samples a second of a loop over batches: the best of three."""
    found = []
    for _ in range(3):
        start = time.perf_counter()
        for _ in items():
            pass
        found.append(count / (time.perf_counter() - start))
    return max(found)


def bare(folder: Path, count: int, decoder: str) -> Iterable[torch.Tensor]:
    for number in range(count):
        body = (folder / f"{number}.jpg").read_bytes()
        if decoder == "pillow":
            with Image.open(io.BytesIO(body)) as picture:
                pixels = np.array(picture.convert("RGB"))
        else:
            pixels = simplejpeg.decode_jpeg(body, "RGB")
        yield torch.from_numpy(pixels).permute(2, 0, 1)


def proportional_mb() -> float:
    """Proportional set size of this process and its children (Linux)."""
    total = 0
    mine = {os.getpid(), *_children(os.getpid())}
    for process in mine:
        for line in Path(f"/proc/{process}/smaps_rollup").read_text("utf-8").splitlines():
            if line.startswith("Pss:"):
                total += int(line.split()[1])
    return total / 1024


def _children(process: int) -> set[int]:
    found = Path(f"/proc/{process}/task/{process}/children").read_text("utf-8").split()
    return {int(child) for child in found}


def line(name: str, found: float, base: float) -> None:
    print(f"{name:44} {found:8.0f} images/s  {found / base:6.2f} of the bare loop")


def throughput(folder: Path, images: int) -> None:
    ds = make(folder, images, images)
    base = {name: rate(partial(bare, folder, images, name), images) for name in ("pillow", "simplejpeg")}
    for decoder, bare_rate in base.items():
        line(f"bare loop, {decoder}", bare_rate, bare_rate)
        items = ds.to_torch(decoder=decoder, tv_tensors=False)
        for workers in (0, 2):
            loader = DataLoader(items, batch_size=16, num_workers=workers, collate_fn=sm.torch.collate)
            line(f"smalti, {decoder}, {workers} workers", rate(loader.__iter__, images), bare_rate)
    peers(ds, folder, images, base["pillow"])
    target = ds.to_torch(decode=None, tv_tensors=False).target
    rows = np.random.default_rng(1).integers(0, images, 20_000).tolist()
    ours = seconds(target, rows)
    print(f"labels of a sample: smalti {1e6 * ours:.1f} microseconds", end="")
    if find_spec("datasets"):
        theirs = seconds(ds.drop(["image"]).to_huggingface().with_format("torch").__getitem__, rows[:2_000])
        print(f", datasets in torch format {1e6 * theirs:.0f}, {theirs / ours:.0f} times as long", end="")
    print()


def seconds(get: Callable[[int], Any], rows: list[int]) -> float:
    """Of one access."""
    start = time.perf_counter()
    for row in rows:
        get(row)
    return (time.perf_counter() - start) / len(rows)


def pairs(batch: list[Any]) -> tuple[Any, ...]:
    return tuple(zip(*batch, strict=True))


def peers(ds: sm.Dataset, folder: Path, images: int, base: float) -> None:
    """The same pictures and labels by others, decoded by Pillow."""
    if find_spec("datasets"):
        hub = ds.to_huggingface().with_format("torch")
        for workers in (0, 2):
            loader = DataLoader(hub, batch_size=16, num_workers=workers, collate_fn=list)
            line(f"datasets, {workers} workers", rate(loader.__iter__, images), base)
    if find_spec("torchvision"):
        operators = torch.library.Library(
            "torchvision", "DEF"
        )  # builds for GPUs lack them here, and need them not
        for name in ("nms", "qnms"):
            operators.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        from torchvision.datasets import CocoDetection, wrap_dataset_for_transforms_v2

        ds.write(folder / "coco.json", format="coco", on_loss="ignore")
        coco = wrap_dataset_for_transforms_v2(
            CocoDetection(str(folder), str(folder / "coco.json")), target_keys=("image_id", "boxes", "labels")
        )
        for workers in (0, 2):
            loader = DataLoader(coco, batch_size=16, num_workers=workers, collate_fn=pairs)
            line(f"torchvision CocoDetection, {workers} workers", rate(loader.__iter__, images), base)


def memory(folder: Path, samples: int) -> None:
    items = make(folder, samples, 0).to_torch(decode=None, tv_tensors=False)
    print(f"{samples:,} samples, {samples * OBJECTS:,} objects")
    for workers in (1, 2, 4, 8):
        loader = DataLoader(
            items, batch_size=512, num_workers=workers, collate_fn=sm.torch.collate, persistent_workers=True
        )
        epochs = []
        for _ in range(3):
            most = 0.0
            for number, _ in enumerate(loader):
                if number % 200 == 0:
                    most = max(most, proportional_mb())
            epochs.append(most)
        print(f"{workers} workers: " + ", ".join(f"{most:7.0f} MB" for most in epochs) + " in three epochs")
        del loader


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=int, default=5_000)
    parser.add_argument("--samples", type=int, default=1_000_000)
    args = parser.parse_args()
    torch.set_num_threads(1)
    warnings.filterwarnings(
        "ignore", "This DataLoader will create", UserWarning
    )  # more workers than cores: on purpose
    folder = scratch()
    try:
        throughput(folder, args.images)
        memory(folder, args.samples)
    finally:
        rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
