"""Feeding PyTorch: what labels cost, what a DataLoader adds to decoding, what workers cost in memory.

    python benchmarks/training.py                          5,000 JPEGs of 640 x 480, 1,000,000 samples without images
    python benchmarks/training.py --images 500 --samples 20000

The bare loop decodes the same files with the same decoder and makes the same tensors, and does nothing else; two of them
side by side, in a process each with half of the files, are what two workers could reach on this machine. Everything is
measured once a round, so that all share good and bad minutes, and the medians of the rounds are printed. Peers are those
that are installed beside: Hugging Face `datasets`, torchvision's CocoDetection wrapped for its transforms.
"""

from __future__ import annotations

import argparse
import gc
import io
import multiprocessing
import os
import resource
import time
import warnings
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from shutil import rmtree
from statistics import median
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


@dataclass
class Loop:
    """Something that goes through all pictures, and what its speed is compared with."""

    name: str
    run: Callable[[], Iterable[Any]]
    base: str


def measured(loops: list[Loop], count: int, rounds: int) -> None:
    """Print what each loop does in a second, by wall and by CPU time, and its share of its base in the same round."""
    rates: dict[str, list[float]] = {loop.name: [] for loop in loops}
    cpu: dict[str, list[float]] = {loop.name: [] for loop in loops}
    for _ in range(rounds):
        for loop in loops:
            start, before = time.perf_counter(), used()
            for _ in loop.run():
                pass
            rates[loop.name].append(count / (time.perf_counter() - start))
            gc.collect()  # of a DataLoader, which waits for its workers
            cpu[loop.name].append(1000 * (used() - before) / count)
    print(f"{'':44} images/s   best  of the bare loop  CPU ms an image")
    for loop in loops:
        own = rates[loop.name]
        share = median(one / base for one, base in zip(own, rates[loop.base], strict=True))
        print(
            f"{loop.name:44} {median(own):8.0f} {max(own):6.0f} {share:17.2f} {median(cpu[loop.name]):16.2f}"
        )


def used() -> float:
    """Seconds of CPU of this process and of its children that have ended."""
    return sum(sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))


def bare(folder: Path, numbers: Iterable[int], decoder: str) -> Iterable[torch.Tensor]:
    for number in numbers:
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


def side_by_side(folder: Path, count: int, decoder: str) -> Iterable[None]:
    """Two bare loops at once."""
    fork = multiprocessing.get_context("fork")
    halves = [
        fork.Process(target=exhausted, args=(folder, range(first, count, 2), decoder)) for first in (0, 1)
    ]
    for half in halves:
        half.start()
    for half in halves:
        half.join()
        yield


def exhausted(folder: Path, numbers: Iterable[int], decoder: str) -> None:
    torch.set_num_threads(1)
    for _ in bare(folder, numbers, decoder):
        pass


def throughput(folder: Path, images: int, rounds: int) -> None:
    ds = make(folder, images, images)
    loops = []
    for decoder in ("pillow", "simplejpeg"):
        base = f"bare loop, {decoder}"
        loops.append(Loop(base, partial(bare, folder, range(images), decoder), base))
        loops.append(Loop(f"two bare loops, {decoder}", partial(side_by_side, folder, images, decoder), base))
        items = ds.to_torch(decoder=decoder, tv_tensors=False)
        loops += loaders(f"smalti, {decoder}", items, sm.torch.collate, base)
    measured(loops + peers(ds, folder), images, rounds)
    target = ds.to_torch(decode=None, tv_tensors=False).target
    rows = np.random.default_rng(1).integers(0, images, 20_000).tolist()
    ours = seconds(target, rows)
    print(f"labels of a sample: smalti {1e6 * ours:.1f} microseconds", end="")
    if find_spec("datasets"):
        theirs = seconds(ds.drop(["image"]).to_huggingface().with_format("torch").__getitem__, rows[:2_000])
        print(f", datasets in torch format {1e6 * theirs:.0f}, {theirs / ours:.0f} times as long", end="")
    print()


def loaders(name: str, items: Any, collate: Callable[[Any], Any], base: str) -> list[Loop]:
    """A DataLoader without workers, and one with two."""
    return [
        Loop(
            f"{name}, {workers} workers",
            lambda workers=workers: DataLoader(items, batch_size=16, num_workers=workers, collate_fn=collate),
            base,
        )
        for workers in (0, 2)
    ]


def seconds(get: Callable[[int], Any], rows: list[int]) -> float:
    """Of one access."""
    start = time.perf_counter()
    for row in rows:
        get(row)
    return (time.perf_counter() - start) / len(rows)


def pairs(batch: list[Any]) -> tuple[Any, ...]:
    return tuple(zip(*batch, strict=True))


def peers(ds: sm.Dataset, folder: Path) -> list[Loop]:
    """The same pictures and labels by others, decoded by Pillow."""
    found, base = [], "bare loop, pillow"
    if find_spec("datasets"):
        found += loaders("datasets", ds.to_huggingface().with_format("torch"), list, base)
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
        found += loaders("torchvision CocoDetection", coco, pairs, base)
    return found


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
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--samples", type=int, default=1_000_000)
    args = parser.parse_args()
    torch.set_num_threads(1)
    warnings.filterwarnings(
        "ignore", "This DataLoader will create", UserWarning
    )  # more workers than cores: on purpose
    folder = scratch()
    try:
        throughput(folder, args.images, args.rounds)
        if args.samples:
            memory(folder, args.samples)
    finally:
        rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
