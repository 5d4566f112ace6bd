"""Looking at data: representations of a million samples, every plot of a COCO-sized dataset, a drawing beside supervision.

    python benchmarks/looking.py                             makes all that it needs, in memory
    python benchmarks/looking.py --peers PYTHON              PYTHON has supervision and opencv-python-headless
    python benchmarks/looking.py --coco COCO.json            a file as benchmarks/make_coco.py writes it
    python benchmarks/looking.py --only notebook drawing     of: notebook, plots, drawing

Each figure is the best of some rounds in one process, after one round that imports libraries: milliseconds of wall
time, and of CPU, which other work on the machine disturbs less. The drawing is of a hundred polygons with their names on a JPEG, from the encoded file to the picture in memory.
"""

from __future__ import annotations

import argparse
import io
import json
import shutil
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from _measure import MAKE_COCO, scratch

import smalti as sm
from smalti.schema import features
from smalti.schema.types import WORDS

if TYPE_CHECKING:
    from collections.abc import Callable

SAMPLES = 1_000_000
PICTURES = 64  # files that the million samples show
POLYGONS = 100
SIZES = ((640, 480), (1920, 1080))
PLOTS = ("classes", "objects", "boxes", "centres", "images", "cooccurrence", "keypoints", "tracks", "losses")

# Runs where the peer is installed: reads, fills, outlines and names the same polygons, and prints milliseconds.
PEER = """
import json, sys, time
import cv2, numpy as np, supervision as sv
job = json.load(open(sys.argv[1]))
polygons = [np.array(ring).reshape(-1, 2).round().astype(int) for ring in job["polygons"]]
classes = np.array(job["classes"])
def detections(size):
    masks = np.array([sv.polygon_to_mask(ring, size) for ring in polygons]).astype(bool)
    return sv.Detections(xyxy=sv.mask_to_xyxy(masks), mask=masks, class_id=classes)
ready = detections(cv2.imread(job["image"]).shape[1::-1])
fills, lines, labels = sv.MaskAnnotator(), sv.PolygonAnnotator(), sv.LabelAnnotator()
names = [job["names"][code] for code in classes]
def draw(outlines, given):
    image = cv2.imread(job["image"])
    given = given or detections(image.shape[1::-1])
    image = fills.annotate(image, given)
    if outlines:
        image = lines.annotate(image, given)
    return labels.annotate(image, given, labels=names)
found = {}
for name, options in (("fills, outlines, names", (True, None)), ("the same, masks at hand", (True, ready)),
                      ("fills, names, masks at hand", (False, ready))):
    times = []
    for _ in range(job["rounds"] + 1):
        start = time.perf_counter(), time.process_time()
        drawn = draw(*options)
        times.append((time.perf_counter() - start[0], time.process_time() - start[1]))
    found[name] = [min(each) * 1000 for each in zip(*times[1:])]
drawn = draw(True, ready)
cv2.imwrite(job["out"], drawn)
print(json.dumps({"versions": f"supervision {sv.__version__}, OpenCV {cv2.__version__}", "ms": found}))
"""


def timed(call: Callable[[], object], rounds: int) -> str:
    """Milliseconds of the fastest call after the first one: wall time and CPU, as they are printed."""
    call()
    walls, cpus = [], []
    for _ in range(rounds):
        wall, cpu = time.perf_counter(), time.process_time()
        call()
        walls.append((time.perf_counter() - wall) * 1000)
        cpus.append((time.process_time() - cpu) * 1000)
    return f"{min(walls):7.0f} {min(cpus):7.0f}"


def scene(size: tuple[int, int], seed: int) -> bytes:
    """A JPEG with some texture."""
    from PIL import Image

    noise = np.random.default_rng(seed).integers(0, 255, (size[1] // 16, size[0] // 16, 3), np.uint8)
    sink = io.BytesIO()
    Image.fromarray(noise).resize(size, Image.Resampling.BICUBIC).save(sink, "JPEG", quality=88)
    return sink.getvalue()


def million(folder: Path) -> Path:
    """A store of a million samples with three objects each, on some pictures."""
    for place in range(PICTURES):
        (folder / f"{place}.jpg").write_bytes(scene((640, 480), place))
    rng = np.random.default_rng(0)
    number = np.arange(SAMPLES)
    image = pa.StructArray.from_arrays(
        [
            pa.array(number % PICTURES).cast(pa.string()),
            *(pa.array(np.full(SAMPLES, n), pa.int32()) for n in (640, 480)),
        ],
        ["path", "width", "height"],
    )
    paths = pa.compute.binary_join_element_wise(image.field("path"), ".jpg", "")
    image = pa.StructArray.from_arrays(
        [paths, image.field("width"), image.field("height")], names=image.type.names
    )
    classes = sm.Categories.of([f"class {n:02}" for n in range(80)])
    codes = pa.array(rng.zipf(1.3, 3 * SAMPLES) % 80, pa.int32())
    sides = [pa.array(rng.uniform(0, high, 3 * SAMPLES)) for high in (400, 300, 240, 180)]
    objects = pa.ListArray.from_arrays(
        pa.array(np.arange(SAMPLES + 1) * 3, pa.int32()),
        pa.StructArray.from_arrays(
            [
                pa.DictionaryArray.from_arrays(codes, pa.array(classes.values)),
                pa.StructArray.from_arrays(sides, names=list("xywh")),
            ],
            names=["category", "bbox"],
        ),
    )
    splits = pa.DictionaryArray.from_arrays(
        pa.array(number % 10 == 0).cast(pa.int32()), pa.array(["train", "val"])
    )
    schema = sm.Schema(
        columns={
            "id": features.Value(type=pa.string()),
            "image": features.Image(),
            "split": features.Split(),
            "objects": features.Objects(categories=classes),
        },
        splits=("train", "val"),
        media_root=str(folder),
    )
    table = pa.table(
        [pa.array(number).cast(pa.string()), image, splits.cast(WORDS), objects], names=list(schema.columns)
    )
    sm.Dataset.from_arrow(table.cast(schema.arrow), schema).write(folder / "store", progress=False)
    return folder / "store"


def notebook(folder: Path, rounds: int) -> None:
    """`repr` and `_repr_html_`, from opening the store on."""
    store = million(folder)
    print(f"\n{SAMPLES:,} samples with {3 * SAMPLES:,} objects in a store, opened and shown")
    html = sm.read(store)._repr_html_()
    assert html.count("<img ") == 8  # noqa: S101
    for name, call in (
        ("repr", lambda: repr(sm.read(store))),
        ("_repr_html_, eight thumbnails", lambda: sm.read(store)._repr_html_()),
    ):
        print(f"  {name:32} {timed(call, rounds)}", flush=True)


def tracked(coco: sm.Dataset) -> sm.Dataset:
    """The same objects on tracks, and with keypoints: COCO's instances have neither."""
    table = coco.to_arrow()
    count = table.num_rows
    column = table.column("objects").combine_chunks()
    flat = column.flatten()
    rows = np.repeat(np.arange(count), pa.compute.list_value_length(column).to_numpy())
    place = (
        np.arange(len(flat))
        - np.flatnonzero(np.diff(rows, prepend=-1))[np.searchsorted(np.unique(rows), rows)]
    )
    points = 17 * len(flat)
    rng = np.random.default_rng(0)
    values = pa.StructArray.from_arrays(
        [
            *(pa.array(rng.uniform(0, 640, points)) for _ in "xy"),
            pa.array(rng.integers(0, 3, points), pa.int8()),
        ],
        names=["x", "y", "visibility"],
    )
    keypoints = pa.ListArray.from_arrays(pa.array(np.arange(len(flat) + 1) * 17, pa.int32()), values)
    members = {
        "category": flat.field("category"),
        "keypoints": keypoints,
        "track_id": pa.array(rows // 300 * 100 + place),
    }
    objects = pa.ListArray.from_arrays(
        column.offsets, pa.StructArray.from_arrays(list(members.values()), names=list(members))
    )
    feature = features.Objects(categories=coco.categories, members=tuple(members))
    known = {"video": features.Video(), "frame": features.Frame()}
    columns = {n: f for n, f in coco.schema.columns.items() if n in {"id", "image"}}
    schema = sm.Schema(columns={**columns, "objects": feature, **known})
    made = {
        "id": table.column("id"),
        "image": table.column("image"),
        "objects": objects.cast(feature.arrow),
        "video": pa.array(np.arange(count) // 300).cast(pa.string()),
        "frame": pa.array(np.arange(count) % 300),
    }
    return sm.Dataset.from_arrow(pa.table(made).cast(schema.arrow), schema)


def plots(folder: Path, coco: Path | None, rounds: int) -> None:
    """Every plot, from the table in memory to the bytes of a PNG."""
    if coco is None:
        coco = folder / "coco.json"
        subprocess.run([sys.executable, MAKE_COCO, coco], check=True)
    ds = sm.read(coco, format="coco", progress=False, on_error="skip")
    posed = tracked(ds)
    stores = {}
    for name, dataset in (("coco", ds), ("posed", posed)):
        dataset.write(folder / name, progress=False)
        stores[name] = sm.read(folder / name)
    objects = ds.summary().labels["objects"].total
    print(f"\n{len(ds):,} images with {objects:,} objects, to the bytes of a PNG: in memory, of a store")
    report = ds.write(
        folder / "no", format="yolo", task="detect", dry_run=True, on_loss="ignore", progress=False
    )
    for name in PLOTS:
        own = "posed" if name in {"keypoints", "tracks"} else "coco"
        given: dict[str, Any] = {"report": report} if name == "losses" else {}
        figures = [
            timed(partial(plotted, source, name, given), rounds)
            for source in (posed if own == "posed" else ds, stores[own])
        ]
        print(f"  {name:14} {figures[0]}    {figures[1]}", flush=True)


def plotted(dataset: sm.Dataset, name: str, given: dict[str, Any]) -> bytes:
    """The PNG of a plot."""
    return getattr(dataset.plot, name)(**given)._repr_png_()


def drawing(folder: Path, peers: str | None, rounds: int) -> None:
    """A hundred polygons on one picture."""
    rng = np.random.default_rng(0)
    names = [f"class {n}" for n in range(10)]
    for size in SIZES:
        picture = folder / f"{size[0]}.jpg"
        picture.write_bytes(scene(size, 1))
        rings = [_blob(rng, size) for _ in range(POLYGONS)]
        codes = [int(code) for code in rng.integers(0, 10, POLYGONS)]
        objects = [{"category": names[c], "polygons": [ring]} for c, ring in zip(codes, rings, strict=True)]
        sample = sm.Dataset.from_samples(
            [{"id": picture.name, "image": {"width": size[0], "height": size[1]}, "objects": objects}],
            categories=names,
            media_root=str(folder),
        )[0]
        print(f"\n{POLYGONS} polygons on {size[0]} x {size[1]}, from the file to the picture")
        print(f"  {'smalti: fills, outlines, names':48} {timed(sample.draw, rounds)}", flush=True)
        sample.draw().save(folder / f"{size[0]}_smalti.png")
        if peers is None:
            continue
        job = {"image": str(picture), "polygons": rings, "classes": codes, "names": names, "rounds": rounds}
        script = folder / "peer.json"
        script.write_text(json.dumps({**job, "out": str(folder / f"{size[0]}_supervision.png")}), "utf-8")
        said = json.loads(
            subprocess.run([peers, "-c", PEER, script], check=True, capture_output=True, text=True).stdout
        )
        print(f"  {said['versions']}")
        for name, (wall, cpu) in said["ms"].items():
            print(f"  {'supervision: ' + name:48} {wall:7.0f} {cpu:7.0f}", flush=True)


def _blob(rng: np.random.Generator, size: tuple[int, int], points: int = 24) -> list[float]:
    """A ring of points round some place, as uneven as outlines that people draw."""
    reach = rng.uniform(0.02, 0.14) * min(size)
    angle = np.linspace(0, 2 * np.pi, points, endpoint=False)
    far = reach * rng.uniform(0.7, 1.3, points)
    x = np.clip(rng.uniform(0, size[0]) + far * np.cos(angle), 0, size[0])
    y = np.clip(rng.uniform(0, size[1]) + far * np.sin(angle), 0, size[1])
    return np.stack([x, y], axis=1).round(2).ravel().tolist()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--peers", help="an interpreter that has supervision")
    parser.add_argument("--coco", type=Path, help="a COCO file; made where there is none")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", nargs="+", choices=("notebook", "plots", "drawing"))
    parser.add_argument("--keep", type=Path, help="a folder for what is made; it stays")
    given = parser.parse_args()
    wanted = given.only or ("notebook", "plots", "drawing")
    folder = given.keep or scratch()
    folder.mkdir(exist_ok=True)
    try:
        if "drawing" in wanted:
            drawing(folder, given.peers, given.rounds)
        if "notebook" in wanted:
            notebook(folder, given.rounds)
        if "plots" in wanted:
            plots(folder, given.coco, given.rounds)
    finally:
        if given.keep is None:
            shutil.rmtree(folder)


if __name__ == "__main__":
    main()
