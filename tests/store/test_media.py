from __future__ import annotations

import hashlib
import io
import tarfile
import tracemalloc
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow.parquet as pq
import pytest
from PIL import Image

import smalti as sm

if TYPE_CHECKING:
    from collections.abc import Callable

STREET = Path(__file__).parents[2] / "examples" / "street"
MODES = ("files", "tar", "parquet")


@pytest.fixture
def pictures(tmp_path: Path) -> sm.Dataset:
    """Three pictures, of which two are the same."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    samples = []
    for name, grey in (("a.png", 10), ("b.png", 200), ("c.png", 10)):
        Image.new("L", (40, 30), grey).save(folder / name)
        samples.append({"id": name, "image": {"path": name, "width": 40, "height": 30}, "objects": []})
    return sm.Dataset.from_samples(samples, media_root=str(folder))


def bodies(dataset: sm.Dataset) -> dict[str, bytes]:
    """Each sample's picture, by the place that its row names."""
    found = {}
    for row in dataset.to_arrow().select(["id", "image"]).to_pylist():
        body = (Path(str(dataset.schema.media_root)) / row["image"]["path"]).read_bytes()
        offset, size = row["image"].get("offset"), row["image"].get("size")
        found[row["id"]] = body if offset is None else body[offset : offset + size]
    return found


@pytest.mark.parametrize("mode", MODES)
def test_media__stored_once_and_found_again(mode: str, store: sm.Store, pictures: sm.Dataset) -> None:
    expected = bodies(pictures)
    made = store.write(pictures, media=mode)  # type: ignore[arg-type]  # one of them
    back = store.read()
    assert made.digest == pictures.digest() == back.digest() == back.load().digest()
    assert back.schema.media_root == store.root.url
    assert bodies(back) == expected
    rows = back.to_arrow().column("image").to_pylist()
    assert [row["sha256"] for row in rows] == [hashlib.sha256(b).digest() for b in expected.values()]
    assert rows[0] == rows[2]
    files = [path for path in (Path(store.root.local) / "media").rglob("*") if path.is_file()]
    assert len(files) == (2 if mode == "files" else 1)
    torch_item = back.to_torch()[1]
    assert int(torch_item[0].float().mean()) == 200
    assert store.check()
    if mode != "files":
        with pytest.raises(sm.errors.OptionError, match="these images lie in archives"):
            back.write(store.root.local + "-coco", format="coco", media="copy")


def test_media__other_tools_read_the_archives(store: sm.Store, pictures: sm.Dataset) -> None:
    store.write(pictures, media="tar")
    archive = next((Path(store.root.local) / "media").glob("*.tar"))
    with tarfile.open(archive) as tar:
        sizes = [Image.open(io.BytesIO(tar.extractfile(name).read())).size for name in tar.getnames()]  # type: ignore[union-attr]  # they are files
    assert sizes == [(40, 30), (40, 30)]


def test_media__parquet_has_the_bytes_as_a_column(store: sm.Store, pictures: sm.Dataset) -> None:
    store.write(pictures, media="parquet")
    table = pq.read_table(next((Path(store.root.local) / "media").glob("*.parquet")))
    assert [hashlib.sha256(body).digest() for body in table.column("bytes").to_pylist()] == table.column(
        "sha256"
    ).to_pylist()


def test_media__how_parquet_lies_on_the_disk(
    store: sm.Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the specification says of files: annotations packed, images as they are, a hundred a row group."""
    monkeypatch.setattr("smalti.store.media.BATCH", 250)
    samples = []
    for number in range(600):
        name = f"{number:03}.bin"
        (tmp_path / name).write_bytes(name.encode() * 9)
        box = {"category": "car", "bbox": [number / 3, 1, 2, 3], "polygons": [[0, 0, 1, number / 7, 1, 0]]}
        samples.append({"id": name, "image": {"path": name}, "objects": [box]})
    store.write(sm.Dataset.from_samples(samples, media_root=str(tmp_path)), media="parquet")
    root = Path(store.root.local)
    files = sorted((root / "media").glob("*.parquet"), key=lambda path: pq.read_metadata(path).num_rows)
    groups = [
        [pq.read_metadata(path).row_group(n).num_rows for n in range(pq.read_metadata(path).num_row_groups)]
        for path in files
    ]
    assert groups == [[100], [100, 100, 50], [100, 100, 50]]
    kept = pq.read_metadata(files[0]).row_group(0)
    assert {kept.column(n).compression for n in range(kept.num_columns)} == {"UNCOMPRESSED"}
    assert bodies(store.read())["599.bin"] == b"599.bin" * 9
    [data] = (root / "data").glob("*.parquet")
    group = pq.read_metadata(data).row_group(0)
    columns = {group.column(n).path_in_schema: group.column(n) for n in range(group.num_columns)}
    assert {column.compression for column in columns.values()} == {"ZSTD"}
    assert not any(path.endswith("bytes") for path in columns)  # images lie in files of their own
    for path in ("objects.list.element.bbox.x", "objects.list.element.polygons.list.element.list.element"):
        assert "BYTE_STREAM_SPLIT" in columns[path].encodings
    for path in (data, *files):  # a flipped bit of a page is noticed by every reader that looks
        body = bytearray(path.read_bytes())
        body[200] ^= 1
        path.write_bytes(body)
        with pytest.raises(OSError, match="CRC"):
            pq.ParquetFile(path, page_checksum_verification=True).read()


@pytest.mark.parametrize("mode", MODES)
def test_media__few_are_in_memory_at_once(
    mode: str, store: sm.Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("smalti.store.media.GROUP", 5)
    monkeypatch.setattr("smalti.store.media.SHARD_BYTES", 9 << 20)
    for number in range(60):
        (tmp_path / f"{number:02}.bin").write_bytes(bytes([number]) * (1 << 20))
    samples = [{"id": f"{n:02}.bin", "image": {"path": f"{n:02}.bin"}, "objects": []} for n in range(60)]
    dataset = sm.Dataset.from_samples(samples, media_root=str(tmp_path))
    tracemalloc.start()
    store.write(dataset, media=mode)  # type: ignore[arg-type]  # one of them
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 30 << 20, f"{peak >> 20} MiB of 60"
    shards = [path for path in (Path(store.root.local) / "media").rglob("*") if path.is_file()]
    assert len(shards) == (60 if mode == "files" else 7)
    assert bodies(store.read())["59.bin"] == bytes([59]) * (1 << 20)


@pytest.mark.parametrize("mode", MODES)
def test_media__a_later_version_stores_only_what_is_new(
    mode: str, store: sm.Store, pictures: sm.Dataset, tmp_path: Path
) -> None:
    store.write(pictures, media=mode)  # type: ignore[arg-type]  # one of them
    before = {path for path in (Path(store.root.local) / "media").rglob("*") if path.is_file()}
    Image.new("L", (40, 30), 99).save(tmp_path / "pictures" / "d.png")
    more = sm.Dataset.from_samples(
        [
            {"id": name, "image": {"path": path, "width": 40, "height": 30}, "objects": []}
            for name, path in (("d.png", "d.png"), ("e.png", "b.png"))
        ],
        media_root=str(tmp_path / "pictures"),
    )
    store.append(more, media=mode)  # type: ignore[arg-type]  # one of them
    after = {path for path in (Path(store.root.local) / "media").rglob("*") if path.is_file()}
    assert before < after
    assert len(after) == len(before) + 1
    assert set(bodies(store.read())) == {"a.png", "b.png", "c.png", "d.png", "e.png"}
    kept = store.read().filter(sm.col("id") == "a.png")
    store.write(kept)
    store.prune(keep=1, dry_run=False)
    assert bodies(store.read()) == {"a.png": bodies(pictures)["a.png"]}


def test_media__written_back_to_its_own_store(store: sm.Store, pictures: sm.Dataset) -> None:
    store.write(pictures, media="files")
    store.read().filter(sm.col("id") != "a.png").write(store.root, message="without a")
    assert set(bodies(store.read())) == {"b.png", "c.png"}
    assert store.versions()[-1].changes.removed == 1


def test_media__a_store_can_be_moved(store: sm.Store, pictures: sm.Dataset, tmp_path: Path) -> None:
    store.write(pictures, media="files")
    moved = Path(store.root.local).rename(tmp_path / "elsewhere")
    assert bodies(sm.read(moved)) == bodies(pictures)


def test_media__missing_pictures_are_named(store: sm.Store, pictures: sm.Dataset, tmp_path: Path) -> None:
    (tmp_path / "pictures" / "b.png").unlink()
    with pytest.raises(sm.errors.DataError, match=r"b\.png.*the image cannot be read"):
        store.write(pictures, media="files")
    assert store.versions() == []
    nowhere = pictures.select(["image"])
    nowhere = sm.Dataset.from_arrow(
        nowhere.to_arrow(), nowhere.schema.model_copy(update={"media_root": None})
    )
    with pytest.raises(sm.errors.OptionError, match="where they are is not known"):
        store.write(nowhere, media="tar")
    with pytest.raises(sm.errors.OptionError, match="media='glue': use reference, files"):
        store.write(pictures, media="glue")  # type: ignore[arg-type]  # that is the test


def test_localize__brings_everything_here(store: sm.Store, pictures: sm.Dataset, tmp_path: Path) -> None:
    for mode in MODES:
        store.write(pictures, media=mode)  # type: ignore[arg-type]  # one of them
        here = store.read().localize(tmp_path / mode, progress=False)
        assert bodies(here) == bodies(pictures)
        assert str(here.schema.media_root) == str(tmp_path / mode)
        assert here.digest() == pictures.digest()
        report = here.write(tmp_path / f"{mode}-yolo", format="coco", media="copy")
        assert report.media["placed"] == 3


def test_localize__another_picture_of_that_name(
    store: sm.Store, pictures: sm.Dataset, tmp_path: Path
) -> None:
    store.write(pictures, media="tar")
    store.read().localize(tmp_path / "here", progress=False)
    Image.new("L", (40, 30), 77).save(tmp_path / "pictures" / "b.png")
    store.write(pictures, media="tar")
    assert bodies(store.read().localize(tmp_path / "here", progress=False)) == bodies(pictures)
    archive = max((Path(store.root.local) / "media").glob("*.tar"), key=lambda path: path.stat().st_mtime_ns)
    archive.write_bytes(archive.read_bytes().replace(b"IHDR", b"XHDR"))
    with pytest.raises(sm.errors.DataError, match=r"b\.png.*found other bytes than were stored"):
        store.read().localize(tmp_path / "again", progress=False)


def test_localize__goes_on_where_it_was_cut(
    pictures: sm.Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetched: list[str] = []
    localize = __import__("smalti.store.localize", fromlist=["_"])
    real: Callable[..., object] = localize.fetch

    def fetch(source: object, target: Path, *words: object) -> object:
        fetched.append(target.name)
        if len(fetched) == 2:
            raise OSError("the line is cut")
        return real(source, target, *words)

    monkeypatch.setattr(localize, "fetch", fetch)
    monkeypatch.setattr(localize, "WORKERS", 1)
    with pytest.raises(OSError, match="the line is cut"):
        pictures.localize(tmp_path / "here", progress=False)
    fetched.append("")  # the third and later ones go through
    pictures.localize(tmp_path / "here", progress=False)
    assert fetched.count("a.png") == 1
    assert bodies(pictures.localize(tmp_path / "here", progress=False)) == bodies(pictures)
