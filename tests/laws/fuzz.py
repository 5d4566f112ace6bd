"""Byte mutants of good files of every format: nothing but a SmaltiError may come out, and soon.

    python tests/laws/fuzz.py                        every format, 1,000 mutants each
    python tests/laws/fuzz.py yolo --count 50000     one of them, longer
    python tests/laws/fuzz.py yolo --first 4711 --count 1   that mutant again

Mutants are read in a process of their own, which may crash or hang without ending the search. A
mutant is its number and nothing else: the same number is the same mutant.
"""

from __future__ import annotations

import argparse
import queue
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

from smalti.errors import SmaltiError
from smalti.testing import FormatSuite, Shape

if TYPE_CHECKING:
    from collections.abc import Iterator

HANG = 5.0  # seconds
START = 60.0  # seconds that a process may take to begin
COUNT = 1000
BITS = (b"", b"\0", b"\xff", b"\xef\xbb\xbf", b"-", b"0", b"1e999", b"nan", b"9" * 400, b'"', b"[", b"{", b"}", b"]",
        b",", b":", b"\n", b"\r", b" ", b"\t", b"/", b"..", b"~", b"&a *a", b"null", b"true", b"[" * 2000)  # fmt: skip

BOXES = Shape(members=("category", "bbox"), category_ids=False)
TRACKS = Shape(members=("category", "bbox", "track_id"), category_ids=False)
CASES: dict[str, dict[str, Any]] = {
    "cityscapes": {
        "format": "cityscapes",
        "shape": Shape(members=("category", "polygons", "iscrowd"), category_ids=False, max_parts=1),
        "media": "link",
    },
    "coco": {"format": "coco"},
    "createml": {"format": "createml", "shape": BOXES, "media": "link"},
    "cvat": {"format": "cvat"},
    "darknet": {"format": "darknet", "shape": BOXES, "media": "link"},
    "datumaro": {"format": "datumaro"},
    "dota": {
        "format": "dota",
        "shape": Shape(members=("category", "quad"), category_ids=False),
        "media": "link",
    },
    "hf_imagefolder": {"format": "hf_imagefolder", "shape": BOXES, "media": "link"},
    "fiftyone": {"format": "fiftyone"},
    "kitti": {"format": "kitti", "shape": BOXES, "media": "link"},
    "kitti_tracking": {"format": "kitti_tracking", "shape": TRACKS, "media": "link"},
    "label_studio": {"format": "label_studio"},
    "labelme": {"format": "labelme"},
    "mask_pairs": {
        "format": "mask_pairs",
        "shape": Shape(members=("category", "mask"), category_ids=False),
        "media": "link",
        "options": {"as_objects": True},
    },
    "mot": {"format": "mot", "shape": TRACKS, "media": "link"},
    "mots": {
        "format": "mots",
        "shape": Shape(members=("category", "mask", "track_id"), category_ids=False),
        "media": "link",
    },
    "mots_pixels": {
        "format": "mots",
        "shape": Shape(members=("category", "mask", "track_id"), category_ids=False),
        "media": "link",
        "options": {"masks": "png"},
    },
    "parquet": {"format": "parquet", "target": "out.parquet"},
    "open_images": {
        "format": "open_images",
        "shape": Shape(members=("category", "bbox", "mask", "score"), category_ids=False),
        "media": "link",
    },
    "pascal_voc": {"format": "pascal_voc"},
    "pascal_voc_masks": {
        "format": "pascal_voc",
        "shape": Shape(members=("category", "bbox", "mask"), category_ids=False),
    },
    "sagemaker": {"format": "sagemaker", "media": "link"},
    "supervisely": {"format": "supervisely"},
    "via": {"format": "via", "media": "link"},
    "yolo": {"format": "yolo", "shape": BOXES, "media": "link", "options": {"task": "detect"}},
}


def mutant(body: bytes, random: Random) -> bytes:
    """Change a body in one to four places: bytes replaced, inserted, removed, repeated, moved."""
    for _ in range(random.randint(1, 4)):
        start = random.randrange(len(body) + 1)
        stop = min(len(body), start + random.choice((0, 1, 1, 2, 8, 64, len(body))))
        kind = random.randrange(4)
        if kind == 0:
            middle = random.choice(BITS)
        elif kind == 1:
            middle = random.randbytes(stop - start)
        elif kind == 2:
            middle = body[start:stop] * 2
        else:
            other = random.randrange(len(body) + 1)
            middle = body[other : other + (stop - start)]
        body = body[:start] + middle + body[stop:]
    return body


def attempts(case: str, first: int, count: int) -> Iterator[tuple[int, str]]:
    """Read mutants one after the other: the number, and what came out that should not have."""
    suite = type("Case", (FormatSuite,), CASES[case])()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source = folder / suite.target
        suite.write(suite.with_images(suite.plain(), folder / "images"), source)
        files = [source] if source.is_file() else sorted(p for p in source.rglob("*") if p.is_file())
        bodies = {file: file.read_bytes() for file in files}
        for number in range(first, first + count):
            random = Random(f"{case} {number}")  # noqa: S311  # a mutant is no secret
            file = random.choice(files)
            file.unlink()  # it may be a link to an image, and the image is not to change
            file.write_bytes(mutant(bodies[file], random))
            text = _outcome(suite, source, random)
            yield number, text and f"{file.relative_to(folder)}: {text}"
            file.write_bytes(bodies[file])


def _outcome(suite: FormatSuite, source: Path, random: Random) -> str:
    try:
        suite.read(source, on_error=random.choice(("raise", "skip")))
    except SmaltiError:
        return ""
    except Exception as error:  # noqa: BLE001  # finding these is what this is for
        return f"{type(error).__name__}: {error}"
    return ""


def search(case: str, first: int, count: int) -> list[str]:
    """Read mutants in other processes; what went wrong, a sentence each."""
    found: list[str] = []
    last = first + count
    while first < last:
        first = _watch(case, first, last, found)
    return found


def _watch(case: str, first: int, last: int, found: list[str]) -> int:
    """Run one process until it ends, crashes or hangs; gives the number to go on with."""
    command = [
        sys.executable,
        __file__,
        case,
        "--first",
        str(first),
        "--count",
        str(last - first),
        "--inside",
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        threading.Thread(target=_pump, args=(process, lines), daemon=True).start()
        patience = START
        while first < last:
            try:
                line = lines.get(timeout=patience)
            except queue.Empty:
                line = ""
                process.kill()
            if not line:
                errors = process.stderr.read() if process.stderr else ""
                found.append(f"{case} {first}: hung or crashed: {errors[-400:]}")
                return first + 1
            text = line.partition(" ")[2].strip()
            found += [f"{case} {first}: {text}"] if text else []
            first, patience = first + 1, HANG
    return first


def _pump(process: subprocess.Popen[str], lines: queue.SimpleQueue[str]) -> None:
    for line in process.stdout or ():
        lines.put(line)
    lines.put("")


def main() -> int:
    """Search as the command line says; the exit code tells whether something was found."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("case", nargs="*", default=list(CASES), help=f"of {', '.join(CASES)}")
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--count", type=int, default=COUNT)
    parser.add_argument("--inside", action="store_true", help="read in this process, and print every mutant")
    given = parser.parse_args()
    if given.inside:
        for number, text in attempts(given.case[0], given.first, given.count):
            sys.stdout.write(f"{number} {ascii(text)[1:-1]}\n")
            sys.stdout.flush()
        return 0
    found = [text for case in given.case for text in search(case, given.first, given.count)]
    sys.stdout.writelines(f"{text}\n" for text in found)
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
