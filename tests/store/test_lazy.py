"""What is read of a store, and when."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import smalti as sm
from smalti.dataset.mapped import file_of
from smalti.store import files

if TYPE_CHECKING:
    from collections.abc import Callable

    Make = Callable[..., sm.Dataset]


@pytest.fixture
def many(store: sm.Store, make: Make, monkeypatch: pytest.MonkeyPatch) -> sm.Store:
    """A store of ten files with ten samples each."""
    monkeypatch.setattr(files, "FILE_ROWS", 10)
    monkeypatch.setattr(files.parquet_file, "ROW_GROUP", 10)
    monkeypatch.setattr(files.parquet_file.gathered, "__defaults__", (10,))
    store.write(make([f"{n:03}" for n in range(100)]))
    assert len(store.versions()[0].files) == 10
    return store


def hide(store: sm.Store, keep: int | None = None) -> None:
    """Take the data files away, all but one: whoever opens one of them notices."""
    for number, file in enumerate(store.versions()[-1].files):
        if number != keep:
            (Path(store.root.local) / file.path).unlink()


def test_opening__costs_the_manifest_alone(many: sm.Store) -> None:
    hide(many)
    found = many.read()
    assert len(found) == 100
    assert found.digest() == many.versions()[0].digest
    assert found.schema.columns
    assert repr(found).startswith(f"Dataset(100 samples of version 1 of {many.root.url}, read when asked)")
    assert "some of 100 samples" in repr(found.filter(sm.col("id") == "001"))
    with pytest.raises(OSError, match="parquet"):
        found.load()


def test_filter__leaves_out_files_by_the_manifest(many: sm.Store) -> None:
    hide(many, keep=3)
    found = many.read().filter((sm.col("id") >= "033") & (sm.col("id") < "036"))
    assert found.lazy
    assert found.to_arrow().column("id").to_pylist() == ["033", "034", "035"]
    assert len(found) == 3
    width = 64 + sum(b"035")
    sizes = many.read().filter((sm.col("image.width") == width) & (sm.col("id") == "035"))
    assert sizes[0].id == "035"


def test_filter__of_what_arrow_cannot_do_in_files(many: sm.Store) -> None:
    import pyarrow.compute as pc

    found = many.read().filter(pc.match_substring(sm.col("split"), "rai"))
    loaded = many.read().load().filter(sm.col("split") == "train")
    assert found.digest() == loaded.digest()


def test_filter__one_after_the_other(many: sm.Store) -> None:
    found = many.read().filter(sm.col("split") == "val").filter(sm.col("id") > "050").select(["split"])
    loaded = many.read().load().filter((sm.col("split") == "val") & (sm.col("id") > "050")).select(["split"])
    assert found.lazy
    assert found.to_arrow().equals(loaded.to_arrow())
    assert [len(shard) for shard in many.read().filter(sm.col("id") > "079").shards()] == [10, 10]


def test_columns__are_read_alone(many: sm.Store) -> None:
    found = many.read().select(["split"])
    assert found.columns == ["id", "split"]
    assert found.splits == many.read().load().splits


def test_random_access__goes_through_one_local_file(many: sm.Store) -> None:
    found = many.read()
    assert found[42].id == "042"
    assert found[-1].id == "099"
    assert found.origin is not None
    file = file_of(found.origin)
    assert file.is_relative_to(Path(os.environ["SMALTI_CACHE"]))
    made = file.stat().st_mtime_ns
    assert many.read()[7].id == "007"
    assert file.stat().st_mtime_ns == made
    program = f"import smalti as sm; print(sm.read({many.root.local!r})[3].id)"
    other = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert other.stdout == "003\n"
    assert file.stat().st_mtime_ns == made
    assert found.mapped().to_arrow().equals(found.load().to_arrow())


@pytest.mark.parametrize("left", [0, 100, 3000, -200])
def test_random_access__a_damaged_local_file_is_made_anew(many: sm.Store, left: int) -> None:
    found = many.read()
    assert found[1].id == "001"
    assert found.origin is not None
    file = file_of(found.origin)
    file.write_bytes(file.read_bytes()[:left])
    assert many.read()[42].id == "042"
    assert many.read().mapped().digest() == found.digest()


def test_training__on_a_store(many: sm.Store) -> None:
    items = many.read().filter(sm.col("split") == "train").to_torch(decode=None, missing="drop")
    assert len(items) > 10
    assert items[0]["boxes"].shape[1] == 4


def test_http__is_read_only(many: sm.Store, tmp_path: Path) -> None:
    import functools
    import http.server
    import threading

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *words: object) -> None:
            pass

    handler = functools.partial(Quiet, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/birds"
        assert sm.read(url).load().digest() == many.versions()[0].digest
        with pytest.raises(sm.errors.OptionError, match="http is read only here"):
            sm.Store(url).delete(sm.col("id") == "001")
        server.shutdown()
