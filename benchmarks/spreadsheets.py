"""Spreadsheets beside the libraries that open them: 1,000,000 rows of CSV, 100,000 of XLSX; and writing.

    python benchmarks/spreadsheets.py [--rows 1000000] [--book-rows 100000]

pyarrow.csv and python-calamine alone give columns or cells; smalti gives a dataset, every number checked.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import python_calamine
import xlsxwriter
from PIL import Image
from pyarrow import csv

import smalti as sm

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HEAD = ("filename", "width", "height", "class", "xmin", "ymin", "xmax", "ymax")
RUNS = 5


def table(rows: int) -> Iterator[tuple[object, ...]]:
    """Rows as TensorFlow's Object Detection has them, seven boxes an image."""
    random = np.random.default_rng(0)
    image = np.sort(random.integers(0, rows // 7, rows))
    corner = random.random((rows, 2)) * 400
    size = random.random((rows, 2)) * 80
    kind = random.integers(0, 20, rows)
    for number, (x, y), (w, h), k in zip(image, corner, size, kind, strict=True):
        sides = (round(x, 1), round(y, 1), round(x + w, 1), round(y + h, 1))
        yield f"img_{number:07}.jpg", 640, 480, f"class{k}", *sides


def best(call: Callable[[], object]) -> float:
    """The shortest of some runs, in seconds."""
    times = []
    for _ in range(RUNS):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return min(times)


def cells(path: Path) -> list[list[list[object]]]:
    book = python_calamine.CalamineWorkbook.from_path(path)
    return [book.get_sheet_by_name(name).to_python() for name in book.sheet_names]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--book-rows", type=int, default=100_000)
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        text, book = Path(folder) / "boxes.csv", Path(folder) / "boxes.xlsx"
        with text.open("w") as file:
            file.writelines(",".join(map(str, row)) + "\n" for row in (HEAD, *table(wanted.rows)))
        with xlsxwriter.Workbook(str(book), {"constant_memory": True}) as out:
            page = out.add_worksheet()
            for number, row in enumerate((HEAD, *table(wanted.book_rows))):
                page.write_row(number, 0, row)
        for path, name, peer in ((text, "pyarrow.csv", csv.read_csv), (book, "python-calamine", cells)):
            theirs = best(lambda path=path, peer=peer: peer(path))
            ours = best(lambda path=path: sm.read(path, progress=False))
            size = path.stat().st_size / 1e6
            print(
                f"{path.suffix} of {size:.0f} MB: {name} {theirs:.2f} s, smalti {ours:.2f} s, {ours / theirs:.1f}"
            )
        table_of_store(book, Path(folder))


def pictures(folder: Path, names: list[str]) -> None:
    """One JPEG under many names."""
    folder.mkdir()
    first = folder / names[0]
    noise = np.random.default_rng(0).integers(0, 255, (480, 640, 3), np.uint8)
    Image.fromarray(noise).save(first, quality=90)
    for name in names[1:]:
        os.link(first, folder / name)


def table_of_store(book: Path, folder: Path) -> None:
    """Write what a workbook holds as a workbook of smalti's, in a process of its own; read it; merge it."""
    store, out = folder / "store", folder / "out.xlsx"
    ds = sm.read(book, progress=False)
    pictures(folder / "images", ds.to_arrow()["id"].to_pylist())
    sm.read(book, media=folder / "images", progress=False).write(store)
    to = f"ds.write({str(out)!r}, progress=False, overwrite=True"
    for name, code in (
        ("nothing", ""),
        ("write with 5,000 pictures", f"{to}, thumbnails=5000)"),
        ("write", f"{to}, thumbnails=0)"),
        ("read", f"sm.read({str(out)!r}, progress=False)"),
        ("merge", f"ds.update_from({str(out)!r})"),
    ):
        peak = (
            "print(next(line for line in open('/proc/self/status') if line.startswith('VmHWM')).split()[1])"
        )
        program = f"import smalti as sm; ds = sm.read({str(store)!r}); {code or None}; {peak}"
        start = time.perf_counter()
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
        seconds = time.perf_counter() - start
        print(f"{name}: {seconds:.1f} s, {int(done.stdout) / 1024:.0f} MB at most")


if __name__ == "__main__":
    main()
