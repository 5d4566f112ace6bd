"""FiftyOne's reading of exports, over a MongoDB of its own: fiftyone_judge.py JOBS. JSON in, JSON out.

JOBS names by case the type of `fiftyone.types` and what `Dataset.from_dir` takes. Of ``mongod`` the environment has one.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

SECONDS = 60


@contextmanager
def database() -> Iterator[None]:
    """A database that ends with this."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    folder = Path.cwd() / "database"
    folder.mkdir()
    os.environ |= {"FIFTYONE_DATABASE_URI": f"mongodb://127.0.0.1:{port}", "FIFTYONE_DO_NOT_TRACK": "1"}
    spec = find_spec("fiftyone")
    program = Path(str(spec and spec.origin)).parent / "db" / "bin" / "mongod"
    command = [program, "--dbpath", folder, "--port", port, "--bind_ip", "127.0.0.1", "--quiet"]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until = time.monotonic() + SECONDS
        while not answers(int(port)):
            if server.poll() is not None or time.monotonic() > until:
                raise SystemExit("mongod does not answer")
            time.sleep(0.1)
        yield
    finally:
        server.terminate()
        server.wait()


def answers(port: int) -> bool:
    with socket.socket() as there:
        return there.connect_ex(("127.0.0.1", port)) == 0


def told(label: Any, width: int, height: int) -> dict[str, Any]:
    """A label in pixels; its mask as the places where it is set."""
    found: dict[str, Any] = {"label": label.label, "tags": list(label.tags)}
    if getattr(label, "bounding_box", None):
        x, y, w, h = label.bounding_box
        found["bbox"] = [x * width, y * height, w * width, h * height]
        found["iscrowd"], found["confidence"] = label.get_attribute_value("iscrowd", None), label.confidence
        if label.mask is not None:
            pixels = np.asarray(label.to_segmentation(frame_size=(width, height)).mask) > 0
            found["mask"] = [line.tolist() for line in pixels.nonzero()]
            found["in_box"] = np.asarray(label.mask, int).tolist()
    if getattr(label, "points", None):
        rings = label.points if label._cls == "Polyline" else [label.points]
        found["points"] = [[side for x, y in ring for side in (x * width, y * height)] for ring in rings]
    if label._cls == "Polyline":
        found["closed"] = label.closed
    return found


def fields(sample: Any, width: int, height: int) -> dict[str, Any]:
    """The labels of a sample by their fields."""
    found = {}
    for name, value in sample.iter_fields():
        kind = getattr(value, "_cls", None)
        if kind == "Classification":
            found[name] = value.label
        elif kind in {"Detections", "Polylines", "Keypoints", "Classifications"}:
            found[name] = [told(label, width, height) for label in value[kind.lower()]]
        elif kind == "Segmentation":
            pixels = value.get_mask()
            found[name] = np.unique(pixels, return_counts=True)
    return found


def judged(job: dict[str, Any]) -> dict[str, Any]:
    import fiftyone as fo

    kind = getattr(fo.types, job.pop("type"))
    dataset = fo.Dataset.from_dir(dataset_type=kind, progress=False, **job)
    dataset.compute_metadata(progress=False)
    folder = job.get("data_path") or job["dataset_dir"]
    items = {}
    for sample in dataset:
        size = sample.metadata.width, sample.metadata.height
        place = os.path.relpath(sample.filepath, folder)
        items[place] = {"size": size, "tags": sample.tags, "fields": fields(sample, *size)}
    return {"classes": dataset.default_classes, "items": items}


if __name__ == "__main__":
    jobs = json.loads(Path(sys.argv[1]).read_text("utf-8"))
    with database():
        answer = {case: judged(job) for case, job in jobs.items()}
    print(json.dumps(answer, default=lambda value: value.tolist()))  # noqa: T201  # the verdict
