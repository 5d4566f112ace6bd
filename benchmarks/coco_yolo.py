"""COCO to YOLO detect, read COCO whole, write COCO: smalti beside its peers, in one run.

    python benchmarks/coco_yolo.py --images 118287 --peers PYTHON   # PYTHON has panlabel, labelformat, pycocotools

The input is made by make_coco.py (the shape of COCO train2017). Output goes to memory (tmpfs) where
there is one. Figures and how they were made stand in docs/benchmarks.md.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from shutil import rmtree

from _measure import MAKE_COCO, Run, best, measure, save, scratch, show

READ_OURS = "import sys, smalti; ds = smalti.read(sys.argv[1], format='coco'); assert len(ds)"
READ_COCOAPI = "import sys; from pycocotools.coco import COCO; assert COCO(sys.argv[1]).anns"
READ_JSON = "import sys, json; assert json.load(open(sys.argv[1]))"
# Only the writing differs between these two and the two readings above.
WRITE_OURS = (
    "import sys, time, smalti, resource\n"
    "ds = smalti.read(sys.argv[1], format='coco')\n"
    "def cpu():\n u = resource.getrusage(resource.RUSAGE_SELF); return u.ru_utime, time.perf_counter()\n"
    "a = cpu(); ds.write(sys.argv[2], format='coco', on_loss='ignore'); b = cpu()\n"
    "print(b[0] - a[0], b[1] - a[1], file=sys.stderr)"
)
WRITE_JSON = (
    "import sys, time, json, resource\n"
    "body = json.load(open(sys.argv[1]))\n"
    "def cpu():\n u = resource.getrusage(resource.RUSAGE_SELF); return u.ru_utime, time.perf_counter()\n"
    "a = cpu(); json.dump(body, open(sys.argv[2], 'w')); b = cpu()\n"
    "print(b[0] - a[0], b[1] - a[1], file=sys.stderr)"
)


def to_yolo(source: Path, out: Path, peers: str, repeat: int) -> list[Run]:
    ours = [sys.executable, "-m", "smalti", "convert", str(source), str(out / "ours"), "--from", "coco"]
    ours += ["--to", "yolo", "--task", "detect", "--media", "none", "--on-loss", "ignore"]
    runs = [best("smalti", ours, repeat, [out / "ours"])]
    if peers:
        bin_ = Path(peers).parent
        panlabel = [str(bin_ / "panlabel"), "convert", "-f", "coco", "-i", str(source), "-t", "yolo"]
        panlabel += ["-o", str(out / "panlabel"), "--allow-lossy"]
        runs.append(best("panlabel", panlabel, repeat, [out / "panlabel"]))
        labelformat = [str(bin_ / "labelformat"), "convert", "--task", "object-detection"]
        labelformat += ["--input-format", "coco", "--input-file", str(source), "--output-format", "yolov8"]
        labelformat += ["--output-file", str(out / "labelformat" / "data.yaml"), "--output-split", "train"]
        runs.append(best("labelformat", labelformat, 1, [out / "labelformat"]))
    return runs


def read_whole(source: Path, peers: str, repeat: int) -> list[Run]:
    runs = [best("smalti", [sys.executable, "-c", READ_OURS, str(source)], repeat, [])]
    if peers:
        runs.append(best("pycocotools.COCO()", [peers, "-c", READ_COCOAPI, str(source)], repeat, []))
        runs.append(measure("json.load", [peers, "-c", READ_JSON, str(source)]))
    return runs


def write_coco(source: Path, out: Path) -> list[Run]:
    """The writing alone, as the scripts themselves measure it."""
    import subprocess

    runs = []
    for name, script, target in (
        ("smalti", WRITE_OURS, "ours.json"),
        ("json.dump", WRITE_JSON, "theirs.json"),
    ):
        done = subprocess.run(
            [sys.executable, "-c", script, str(source), str(out / target)],
            check=True,
            capture_output=True,
            text=True,
        )
        (out / target).unlink()
        user, wall = map(float, done.stderr.split()[-2:])
        runs.append(Run(name, user, 0.0, wall, 0.0))
    return runs


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=int, nargs="+", default=[118_287])
    parser.add_argument("--peers", default="", help="a Python that has the peers installed; none: only ours")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--save", type=Path)
    args = parser.parse_args()
    out = scratch()
    results: dict[str, list[Run]] = {}
    try:
        for images in args.images:
            source = out / f"instances_{images}.json"
            measure("make", [sys.executable, str(MAKE_COCO), str(source), "--images", str(images)])
            size = source.stat().st_size / 1e6
            for title, run in (
                ("COCO to YOLO detect", lambda: to_yolo(source, out, args.peers, args.repeat)),  # noqa: B023
                ("read COCO whole", lambda: read_whole(source, args.peers, args.repeat)),  # noqa: B023
                ("write COCO", lambda: write_coco(source, out)),  # noqa: B023
            ):
                name = f"{title}, {images:,} images, {size:,.0f} MB"
                results[name] = run()
                show(name, results[name])
            source.unlink()
    finally:
        rmtree(out, ignore_errors=True)
    if args.save:
        save(args.save, results)


if __name__ == "__main__":
    main()
