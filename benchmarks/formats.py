"""Read and write Pascal VOC, YOLO, KITTI, LabelMe and CVAT: smalti beside its peers, in one run.

    python benchmarks/formats.py --images 20000 --peers PYTHON --datumaro PYTHON

PYTHON of --peers has labelformat, globox and supervision (with opencv-python-headless), that of --datumaro has
datumaro, whose pins contradict theirs. All tools read the same files, which smalti writes from a file of make_coco.py;
an image file is a link to one of a few plain JPEGs of the right size, so nobody gains by pictures.
Each tool runs in processes of its own (format_tools.py) that measure the reading or the writing alone; "bare files" is
a loop that reads or writes the same files and does nothing else.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import re
import subprocess
import sys
from pathlib import Path
from shutil import rmtree

from _measure import MAKE_COCO, Run, measure, save, scratch, show
from format_tools import TOOLS

SCRIPT = Path(__file__).with_name("format_tools.py")
FORMATS = ("pascal_voc", "yolo", "kitti", "labelme", "cvat")
BOXES = {  # the files of labels, and the class of a box in them
    "pascal_voc": (".xml", rb"<object>\s*<name>([^<]*)"),
    "yolo": (".txt", rb"^(\d+) "),
    "kitti": (".txt", rb"^(\w+) "),
    "labelme": (".json", rb'"label": ?"([^"]*)'),
    "cvat": (".xml", rb'<box label="([^"]*)'),
}


def make(folder: Path, images: int) -> None:
    """Write the images, and the same boxes in every format."""
    from PIL import Image

    import smalti as sm

    source = folder / "coco" / "instances_train.json"
    source.parent.mkdir()
    measure("make", [sys.executable, str(MAKE_COCO), str(source), "--images", str(images)])
    # A class of two words is another one for some readers of KITTI.
    source.write_text(source.read_text("utf-8").replace('"thing ', '"thing_'), "utf-8")
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
            # Datumaro reads the images of CVAT's file of a subset if that has the file's name.
            (ds.drop(["split"]) if name == "cvat" else ds).write(folder / name, format=name, **options)
    rmtree(source.parent)


def run(tool: str, python: str, task: tuple[str, str], folder: Path, repeat: int) -> Run:
    """The run with the least user CPU of several, as the tool's own process measured it.

    A tool that has not read, or not written, every box of every class is no measure.
    """
    verb, name = task
    source, out = folder / name, folder / "out"
    expected = written(name, source)
    found = []
    for _ in range(repeat):
        command = [python, "-W", "ignore", str(SCRIPT), tool, *task, str(source), str(out)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"{tool} {verb} {name} failed:\n{done.stderr[-2000:]}")
        figures, held = json.loads(done.stdout.splitlines()[-1])
        right = tool == "bare files" or held[1:] == expected
        if not right or (verb == "write" and written(name, out) != expected):
            raise SystemExit(f"{tool} {verb} {name}: {held}, {written(name, out)}, not {expected}")
        found.append(Run(tool, **figures))
        rmtree(out, ignore_errors=True)
    return min(found, key=lambda one: one.user)


def written(name: str, folder: Path) -> list[int]:
    """How many boxes, and how many different classes, the files of a folder hold."""
    suffix, pattern = BOXES[name]
    files = (path for path in folder.rglob(f"*{suffix}") if path.stem not in {"labels", "labelmap", "train"})
    found = [word for path in files for word in re.findall(pattern, path.read_bytes(), re.MULTILINE)]
    return [len(found), len(set(found))]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=int, default=20_000)
    parser.add_argument("--peers", default="", help="a Python with labelformat, globox and supervision")
    parser.add_argument("--datumaro", default="", help="a Python with datumaro")
    parser.add_argument("--formats", nargs="+", choices=FORMATS, default=FORMATS)
    parser.add_argument("--tools", nargs="+", choices=tuple(TOOLS), default=tuple(TOOLS))
    parser.add_argument("--repeat", type=int, default=2)
    parser.add_argument("--save", type=Path)
    args = parser.parse_args()
    pythons = {"smalti": sys.executable, "bare files": sys.executable, "datumaro": args.datumaro}
    folder = scratch()
    results: dict[str, list[Run]] = {}
    try:
        # In a process of its own: the peak of a process counts from the one that starts it.
        maker = multiprocessing.get_context("spawn").Process(target=make, args=(folder, args.images))
        maker.start()
        maker.join()
        for name in args.formats:
            for verb in ("read", "write"):
                title = f"{verb} {name}, {args.images:,} images"
                results[title] = [
                    run(tool, python, (verb, name), folder, args.repeat)
                    for tool in args.tools
                    if name in TOOLS[tool] and (python := pythons.get(tool, args.peers))
                ]
                show(title, results[title])
    finally:
        rmtree(folder, ignore_errors=True)
    if args.save:
        save(args.save, results)


if __name__ == "__main__":
    main()
