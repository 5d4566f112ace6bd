"""Read and write Pascal VOC, YOLO, KITTI, LabelMe and CVAT: smalti beside its peers, in one run.

    python benchmarks/formats.py --images 20000 --peers PYTHON --datumaro PYTHON

PYTHON of --peers has labelformat, globox and supervision (with opencv-python-headless), that of --datumaro has
datumaro, whose pins contradict theirs. All tools read the same files, which smalti writes from a file of make_coco.py;
an image file is a link to one of a few plain JPEGs of the right size, so nobody gains by pictures.
Each tool runs in processes of its own (format_tools.py) that measure the reading or the writing alone.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from shutil import rmtree

from _measure import MAKE_COCO, Run, measure, save, scratch, show
from format_tools import TOOLS

SCRIPT = Path(__file__).with_name("format_tools.py")
FORMATS = ("pascal_voc", "yolo", "kitti", "labelme", "cvat")


def make(folder: Path, images: int) -> None:
    """Write the images, and the same boxes in every format."""
    from PIL import Image

    import smalti as sm

    source = folder / "coco" / "instances_train.json"
    source.parent.mkdir()
    measure("make", [sys.executable, str(MAKE_COCO), str(source), "--images", str(images)])
    ds = sm.read(source, format="coco", progress=False).load()
    for sample in ds:
        plain = folder / f"{sample.image.width}x{sample.image.height}.jpg"
        if not plain.exists():
            Image.new("RGB", (sample.image.width, sample.image.height), "gray").save(plain)
        (source.parent / sample.image.path).hardlink_to(plain)
    options = {"media": "link", "on_loss": "ignore", "progress": False}
    ds.write(folder / "yolo", format="yolo", task="detect", **options)  # boxes alone remain
    ds = sm.read(folder / "yolo", progress=False)
    for name in FORMATS:
        if name != "yolo":
            ds.write(folder / name, format=name, **options)
    rmtree(source.parent)


def run(tool: str, python: str, task: tuple[str, str], folder: Path, repeat: int) -> Run:
    """The run with the least user CPU of several, as the tool's own process measured it."""
    found = []
    for _ in range(repeat):
        out = folder / "out"
        command = [python, "-W", "ignore", str(SCRIPT), tool, *task, str(folder / task[1]), str(out)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"{tool} {' '.join(task)} failed:\n{done.stderr[-2000:]}")
        found.append(Run(tool, **json.loads(done.stdout.splitlines()[-1])))
        rmtree(out, ignore_errors=True)
    return min(found, key=lambda one: one.user)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=int, default=20_000)
    parser.add_argument("--peers", default="", help="a Python with labelformat, globox and supervision")
    parser.add_argument("--datumaro", default="", help="a Python with datumaro")
    parser.add_argument("--formats", nargs="+", choices=FORMATS, default=FORMATS)
    parser.add_argument("--repeat", type=int, default=2)
    parser.add_argument("--save", type=Path)
    args = parser.parse_args()
    pythons = {"smalti": sys.executable, "datumaro": args.datumaro}
    folder = scratch()
    results: dict[str, list[Run]] = {}
    try:
        make(folder, args.images)
        for name in args.formats:
            for verb in ("read", "write"):
                title = f"{verb} {name}, {args.images:,} images"
                results[title] = [
                    run(tool, python, (verb, name), folder, args.repeat)
                    for tool in TOOLS
                    if name in TOOLS[tool] and (python := pythons.get(tool, args.peers))
                ]
                show(title, results[title])
    finally:
        rmtree(folder, ignore_errors=True)
    if args.save:
        save(args.save, results)


if __name__ == "__main__":
    main()
