"""Feeding PyTorch: what labels cost, what a DataLoader adds to decoding, what workers cost in memory.

    python benchmarks/training.py                          5,000 JPEGs of 640 x 480, 1,000,000 samples without images
    python benchmarks/training.py --images 500 --samples 20000

The bare loop decodes the same files with Pillow and makes the same tensors, and does nothing else.
"""

from __future__ import annotations

import argparse
import os
import time
import warnings
from pathlib import Path
from shutil import rmtree
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import torch
from _measure import scratch
from PIL import Image
from torch.utils.data import DataLoader

import smalti as sm

if TYPE_CHECKING:
    from collections.abc import Iterable

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


def rate(items: Iterable[Any], count: int) -> float:
    """Samples a second of a loop over batches."""
    start = time.perf_counter()
    for _ in items:
        pass
    return count / (time.perf_counter() - start)


def bare(folder: Path, count: int) -> Iterable[torch.Tensor]:
    for number in range(count):
        with Image.open(folder / f"{number}.jpg") as picture:
            yield torch.from_numpy(np.array(picture.convert("RGB"))).permute(2, 0, 1)


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


def throughput(folder: Path, images: int) -> None:
    items = make(folder, images, images).to_torch()
    base = rate(bare(folder, images), images)
    print(f"bare loop                {base:8.0f} images/s")
    for workers in (0, 2):
        loader = DataLoader(items, batch_size=16, num_workers=workers, collate_fn=sm.torch.collate)
        found = rate(loader, images)
        print(f"DataLoader, {workers} workers    {found:8.0f} images/s  {found / base:6.2f} of the bare loop")
    rows = np.random.default_rng(1).integers(0, images, 20_000).tolist()
    start = time.perf_counter()
    for row in rows:
        items.target(row)
    print(f"labels of a sample       {1e6 * (time.perf_counter() - start) / len(rows):8.1f} microseconds")


def memory(folder: Path, samples: int) -> None:
    items = make(folder, samples, 0).to_torch(decode=None)
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
