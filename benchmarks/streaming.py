"""Peak memory of conversions that stream, at growing numbers of images: it must not grow with them.

    python benchmarks/streaming.py --images 5000 20000 80000

YOLO to YOLO and YOLO to Parquet hold one part at a time. COCO to YOLO holds the decoded skeleton of
its JSON and nothing more; its peak is shown as a multiple of the file. Formats of one document an image are
all read before their schema is known, so they hold the labels as Arrow, and CVAT the places of its images.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from shutil import rmtree

from _measure import MAKE_COCO, Run, measure, save, scratch

CONVERT = (
    "import sys, smalti; smalti.convert(sys.argv[1], sys.argv[2], from_=sys.argv[3], to=sys.argv[4],"
    " on_loss='ignore', media_root=sys.argv[5] or None, **({'task': 'detect'} if 'yolo' in sys.argv[3:5] else {}))"
)


DOCUMENTS = ("pascal_voc", "kitti", "labelme", "cvat", "pascal_voc")  # each is converted to the next


def make_images(source: Path, folder: Path) -> None:
    """The images of a COCO file as the smallest JPEGs of the right size: equal sizes share one file."""
    import json
    import os

    from PIL import Image

    folder.mkdir(parents=True)
    first: dict[tuple[int, int], Path] = {}
    for image in json.loads(source.read_text(encoding="utf-8"))["images"]:
        path = folder / image["file_name"]
        size = (image["width"], image["height"])
        # A file has a limit of links: start anew when the file system says so.
        try:
            os.link(first[size], path)
        except (KeyError, OSError):
            Image.new("RGB", size).save(path, quality=10)
            first[size] = path


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=int, nargs="+", default=[5_000, 20_000])
    parser.add_argument("--save", type=Path)
    parser.add_argument("--make", type=Path, nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.make:
        make_images(*args.make)
        return
    results: dict[str, list[Run]] = {}
    print(f"{'images':>10} {'way':22} {'wall s':>8} {'peak MB':>9}")
    for images in args.images:
        out = scratch()
        try:
            source = out / "instances.json"
            measure("make", [sys.executable, str(MAKE_COCO), str(source), "--images", str(images)])
            # In a process of its own: what this one holds would count for those that it starts.
            measure("images", [sys.executable, __file__, "--make", str(source), str(out / "media")])
            run = [sys.executable, "-c", CONVERT]
            ways = {
                "COCO to YOLO": [*run, str(source), str(out / "yolo"), "coco", "yolo", str(out / "media")],
                "YOLO to YOLO": [*run, str(out / "yolo"), str(out / "again"), "yolo", "yolo", str(out / "media")],
                "YOLO to Parquet": [*run, str(out / "yolo"), str(out / "a.parquet"), "yolo", "parquet",
                                    str(out / "media")],
            }  # fmt: skip
            before, name = out / "yolo", "yolo"
            for number, to in enumerate(DOCUMENTS):
                media = str(out / "media") if name == "yolo" else ""
                after = out / f"{to}{number}"
                ways[f"{name} to {to}"] = [*run, str(before), str(after), name, to, media]
                before, name = after, to
            for way, command in ways.items():
                done = measure(way, command)
                results.setdefault(way, []).append(done)
                print(f"{images:10,} {way:22} {done.wall:8.1f} {done.peak_mb:9.0f}", flush=True)
            print(f"{'':10} the COCO file has {source.stat().st_size / 1e6:.0f} MB")
        finally:
            rmtree(out, ignore_errors=True)
    if args.save:
        save(args.save, results)


if __name__ == "__main__":
    main()
