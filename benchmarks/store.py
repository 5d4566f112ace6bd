"""A store beside Hugging Face `datasets`, Lance and plain Parquet: open, scan, filter, random rows, append.

    python benchmarks/store.py COCO.json             a file as benchmarks/make_coco.py writes it
    python benchmarks/store.py COCO.json --rounds 3

All hold the same Arrow table, each as its own documentation says: `save_to_disk`, `lance.write_dataset`, one Parquet
file with pyarrow's defaults. Peers are those that are installed. Times are the best of some rounds, in one run; read
them as ratios.
"""

from __future__ import annotations

import argparse
import os
import shutil
import time
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as pads
import pyarrow.parquet as pq
from _measure import scratch

import smalti as sm

if TYPE_CHECKING:
    from collections.abc import Callable

ROWS = 200  # random rows a round
LONGEST = 5.0  # seconds for them
SHARE = 100  # an append brings one in so many of the samples


def best(call: Callable[[], object], rounds: int) -> float:
    """Seconds of the fastest of some calls."""
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return min(times)


def per_row(handle: Callable[[int], object], rows: list[int]) -> float:
    """Seconds a row, of some of them where one takes long."""
    start = time.perf_counter()
    done = 0
    while done < len(rows) and time.perf_counter() - start < LONGEST:
        handle(rows[done])
        done += 1
    return (time.perf_counter() - start) / done


def folder_bytes(folder: Path) -> int:
    """What the files of a folder hold."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


class Smalti:
    """The store."""

    name = "smalti"

    def __init__(self, folder: Path, dataset: sm.Dataset) -> None:
        self.folder = folder / "smalti"
        dataset.write(self.folder, progress=False)

    def open(self) -> Any:
        return sm.read(self.folder)

    def scan(self) -> int:
        return sum(len(batch) for batch in sm.read(self.folder).to_batches())

    def filtered(self, low: str, high: str) -> int:
        found = sm.read(self.folder).filter((sm.col("id") >= low) & (sm.col("id") < high))
        return int(found.to_arrow().num_rows)

    def handle(self) -> Callable[[int], Any]:
        table = sm.read(self.folder).mapped().to_arrow()
        return lambda row: table.slice(row, 1).column("objects").to_pylist()

    def append(self, more: sm.Dataset) -> None:
        sm.Store(self.folder).append(more)


class Parquet:
    """One file with pyarrow's defaults."""

    name = "Parquet"

    def __init__(self, folder: Path, dataset: sm.Dataset) -> None:
        self.folder = folder / "parquet"
        self.folder.mkdir()
        pq.write_table(dataset.to_arrow(), self.folder / "0.parquet")

    def open(self) -> Any:
        return pads.dataset(self.folder).schema

    def scan(self) -> int:
        return sum(len(batch) for batch in pads.dataset(self.folder).to_batches())

    def filtered(self, low: str, high: str) -> int:
        where = (pc.field("id") >= low) & (pc.field("id") < high)
        return int(pads.dataset(self.folder).to_table(filter=where).num_rows)

    def handle(self) -> Callable[[int], Any]:
        opened = pads.dataset(self.folder)
        return lambda row: opened.take(pa.array([row]), columns=["objects"]).column("objects").to_pylist()

    def append(self, more: sm.Dataset) -> None:
        pq.write_table(more.to_arrow(), self.folder / "1.parquet")


class Arrow(Parquet):
    """pyarrow's own scan of the files of the store."""

    name = "pyarrow on the store's files"

    def __init__(self, folder: Path, _: sm.Dataset) -> None:
        self.folder = folder / "smalti" / "data"

    def open(self) -> Any:
        return pads.dataset(sorted(map(str, self.folder.glob("*.parquet")))).schema

    def scan(self) -> int:
        files = sorted(map(str, self.folder.glob("*.parquet")))
        return sum(len(batch) for batch in pads.dataset(files).to_batches())

    def filtered(self, low: str, high: str) -> int:
        where = (pc.field("id") >= low) & (pc.field("id") < high)
        files = sorted(map(str, self.folder.glob("*.parquet")))
        return int(pads.dataset(files).to_table(filter=where).num_rows)

    def handle(self) -> None:
        return None

    append = None


class HuggingFace:
    """Hugging Face `datasets`: save_to_disk, load_from_disk."""

    name = "datasets"

    def __init__(self, folder: Path, dataset: sm.Dataset) -> None:
        import datasets

        datasets.disable_progress_bars()
        self.datasets = datasets
        self.folder = folder / "hf"
        datasets.Dataset(dataset.drop([]).to_arrow().replace_schema_metadata(None)).save_to_disk(self.folder)

    def open(self) -> Any:
        return self.datasets.load_from_disk(self.folder)

    def scan(self) -> int:
        return sum(len(batch) for batch in self.open().with_format("arrow").iter(10_000))

    def filtered(self, low: str, high: str) -> int:
        table = self.open().data.table
        return int(table.filter((pc.field("id") >= low) & (pc.field("id") < high)).num_rows)

    def handle(self) -> Callable[[int], Any]:
        opened = self.open().select_columns(["objects"])
        return lambda row: opened[row]

    append = None  # it writes the whole again


class Lance:
    """Lance."""

    name = "Lance"

    def __init__(self, folder: Path, dataset: sm.Dataset) -> None:
        import lance

        self.lance = lance
        self.folder = folder / "lance"
        lance.write_dataset(dataset.to_arrow(), self.folder)

    def open(self) -> Any:
        return self.lance.dataset(self.folder)

    def scan(self) -> int:
        return sum(len(batch) for batch in self.open().to_batches())

    def filtered(self, low: str, high: str) -> int:
        return int(self.open().to_table(filter=f"id >= '{low}' and id < '{high}'").num_rows)

    def handle(self) -> Callable[[int], Any]:
        opened = self.open()
        return lambda row: opened.take([row], columns=["objects"]).column("objects").to_pylist()

    def append(self, more: sm.Dataset) -> None:
        self.lance.write_dataset(more.to_arrow(), self.folder, mode="append")


KINDS = {Smalti: None, Arrow: None, Parquet: None, HuggingFace: "datasets", Lance: "lance"}


def measure(kind: Any, folder: Path, dataset: sm.Dataset, more: sm.Dataset, rounds: int) -> dict[str, str]:
    """All of one tool, as a row of the table."""
    start = time.perf_counter()
    one = kind(folder, dataset)
    wrote = time.perf_counter() - start
    ids = sorted(dataset.to_arrow().column("id").to_pylist())
    bounds = ids[len(ids) // 2], ids[len(ids) // 2 + len(ids) // 100]
    handle = one.handle()
    rows = np.random.default_rng(0).integers(0, len(ids), ROWS).tolist()
    told = {
        "tool": one.name,
        "write s": f"{wrote:.2f}",
        "open ms": f"{best(one.open, rounds) * 1000:.2f}",
        "scan s": f"{best(one.scan, rounds):.3f}",
        "filter s": f"{best(lambda: one.filtered(*bounds), rounds):.3f}",
        "row ms": "-",
        "append s": "-",
        "append MB": "-",
    }
    if handle is not None:
        told["row ms"] = f"{min(per_row(handle, rows) for _ in range(rounds)) * 1000:.3f}"
    if one.append is not None:
        before = folder_bytes(one.folder)
        start = time.perf_counter()
        one.append(more)
        told["append s"] = f"{time.perf_counter() - start:.3f}"
        told["append MB"] = f"{(folder_bytes(one.folder) - before) / 1e6:.2f}"
    return told


def opening(folder: Path, dataset: sm.Dataset, rounds: int) -> str:
    """Opening stores of some, ten times as many, and all samples: it reads one manifest."""
    told = []
    for share in (100, 10, 1):
        place = folder / f"opened{share}"
        some = dataset[: len(dataset) // share]
        some.write(place, progress=False)
        told.append(f"{best(lambda place=place: sm.read(place), rounds) * 1000:.2f} ms of {len(some):,}")
    return "opening: " + ", ".join(told)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("coco", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    words = parser.parse_args()
    dataset = sm.read(words.coco, progress=False)
    new = dataset[: len(dataset) // SHARE].to_arrow()
    names = pc.binary_join_element_wise("new/", new.column("id"), "")
    more = sm.Dataset.from_arrow(new.set_column(0, "id", names), dataset.schema)
    objects = len(dataset.objects())
    print(f"{len(dataset):,} samples, {objects:,} objects; an append of {len(more):,} samples")
    folder = scratch()
    os.environ["SMALTI_CACHE"] = str(folder / "cache")
    try:
        told = [
            measure(kind, folder, dataset, more, words.rounds)
            for kind, needs in KINDS.items()
            if needs is None or find_spec(needs)
        ]
        print(opening(folder, dataset, 10 * words.rounds))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print("| " + " | ".join(told[0]) + " |")
    print("|" + " --- |" * len(told[0]))
    for row in told:
        print("| " + " | ".join(row.values()) + " |")


if __name__ == "__main__":
    main()
