"""What is read of a store, and when."""

from __future__ import annotations

import functools
import http.server
import os
import shutil
import subprocess
import sys
import threading
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import smalti as sm
from smalti.dataset import mapped
from smalti.dataset.mapped import file_of
from smalti.store import files

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

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


Log = list[tuple[str, str]]


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., tuple[str, Log]]]:
    """Serves the test's folder over HTTP: its URL, and what is asked of it."""
    with ExitStack() as stack:

        def begin(*, lists: bool = True) -> tuple[str, Log]:
            log: Log = []

            class Handler(http.server.SimpleHTTPRequestHandler):
                def log_message(self, *_: object) -> None:
                    log.append((self.command, self.path))

                def list_directory(self, path: object) -> None:
                    return super().list_directory(path) if lists else self.send_error(403)  # type: ignore[arg-type,return-value]  # as the server calls it

            handler = functools.partial(Handler, directory=str(tmp_path))
            server = stack.enter_context(http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler))
            stack.callback(server.shutdown)
            threading.Thread(target=server.serve_forever, daemon=True).start()
            return f"http://127.0.0.1:{server.server_port}", log

        yield begin


def test_http__opening_asks_for_one_manifest(many: sm.Store, serve: Callable[..., tuple[str, Log]]) -> None:
    for name in ("x", "y", "z"):
        many.tag(name)
    url, log = serve()
    opened = sm.read(f"{url}/birds")
    assert len(opened) == 100
    assert opened.digest() == many.versions()[0].digest
    assert opened.schema == many.read().schema.model_copy(update={"media_root": opened.schema.media_root})
    asked = [path for _, path in log if path.rstrip("/") != "/birds/versions"]
    assert asked == [f"/birds/versions/{1:020}.json"]
    assert len(log) <= 3  # the listing, which the server may answer with a redirect first
    log.clear()
    found = opened.filter((sm.col("id") >= "033") & (sm.col("id") < "036")).select(["split"])
    assert found.to_arrow().num_rows == 3
    assert {path for _, path in log} == {f"/birds/{many.versions()[0].files[3].path}"}


def test_http__whole_and_read_only(many: sm.Store, serve: Callable[..., tuple[str, Log]]) -> None:
    url = f"{serve()[0]}/birds"
    store = sm.Store(url)
    assert sm.read(url).load().digest() == many.versions()[0].digest
    assert store.check()
    assert sm.read(url)[7].id == "007"
    for act in (
        lambda: store.delete(sm.col("id") == "001"),
        lambda: store.append(many.read().load()),
        lambda: store.tag("x"),
        lambda: store.prune(keep=1, dry_run=False),
        store.publish_delta,
        lambda: store.restore(1),
    ):
        with pytest.raises(sm.errors.OptionError, match="http is read only here"):
            act()


@pytest.mark.usefixtures("many")
def test_http__a_server_without_listings(serve: Callable[..., tuple[str, Log]]) -> None:
    url = f"{serve(lists=False)[0]}/birds"
    assert len(sm.read(url, format="smalti", version=1)) == 100
    with pytest.raises(sm.errors.DataError, match=r"does not list its folders.*format='smalti'.*version="):
        sm.read(url, format="smalti")


def test_zip__is_read_only(many: sm.Store, tmp_path: Path) -> None:
    many.tag("best")
    shutil.make_archive(str(tmp_path / "packed"), "zip", tmp_path, "birds")
    url = f"zip://birds::{tmp_path / 'packed.zip'}"
    assert sm.read(url).load().digest() == many.versions()[0].digest
    assert len(sm.read(url, version="best")) == 100
    assert sm.read(url)[42].id == "042"
    assert sm.read(url).filter(sm.col("id") == "033").to_arrow().num_rows == 1
    store = sm.Store(url)
    assert store.check()
    for act in (
        lambda: store.delete(sm.col("id") == "001"),
        lambda: store.write(many.read().load()),
        lambda: store.tag("x"),
        lambda: store.prune(dry_run=False),
    ):
        with pytest.raises(sm.errors.OptionError, match="zip is read only here"):
            act()


BUILD = """
import sys, pathlib, time
import smalti as sm
from smalti.dataset import mapped
real = mapped._make
def make(path, *words):
    (pathlib.Path({notes!r}) / path.name).open("a").write("made\\n")
    time.sleep(1)  # the others come meanwhile
    real(path, *words)
mapped._make = make
found = sm.read({root!r})
sys.stdin.readline()  # all at once
print(found[3].id)
"""


def test_random_access__of_many_processes_one_makes_the_file(many: sm.Store, tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    notes.mkdir()
    program = BUILD.format(notes=str(notes), root=many.root.local)
    each = [
        subprocess.Popen(
            [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(4)
    ]
    for one in each:
        assert one.stdin is not None
        one.stdin.write("go\n")
        one.stdin.flush()
    assert [one.communicate()[0] for one in each] == ["003\n"] * 4
    assert [path.read_text() for path in notes.iterdir()] == ["made\n"]
    assert [path.suffix for path in (tmp_path / "cache" / "versions").iterdir()] == [".arrow"]


def test_random_access__of_a_store_that_was_made_anew(store: sm.Store) -> None:
    """The same content at the same place under the same number, but the images lie elsewhere."""
    for folder in ("one", "two"):
        sample = {"id": "a", "image": {"path": f"{folder}/a.jpg", "width": 1, "height": 1}}
        store.write(sm.Dataset.from_samples([sample]))
        assert store.read()[0].image.path == f"{folder}/a.jpg"
        shutil.rmtree(store.root.local)
        store = sm.Store(store.root)


def test_random_access__files_that_nobody_opens_go(many: sm.Store, make: Make) -> None:
    assert many.read()[0].id == "000"
    origin = many.read().origin
    assert origin is not None
    old = file_of(origin)
    many.append(make(["x"]))
    assert many.read()[0].id == "000"
    assert old.exists()
    month = mapped.KEPT + 60
    os.utime(old, (old.stat().st_atime - month, old.stat().st_mtime - month))
    many.append(make(["y"]))
    assert many.read()[0].id == "000"
    assert not old.exists()
    assert many.read(1)[0].id == "000"
