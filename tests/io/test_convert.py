"""read, write and convert over formats, file systems and media."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

import smalti as sm
from smalti.testing.compare import tree

if TYPE_CHECKING:
    from smalti.storage.media import Media

ROOT = Path(__file__).parents[2]
STREET = ROOT / "examples" / "street"
TARGETS: dict[str, dict[str, Any]] = {
    "coco": {"to": "coco"},
    "yolo": {"to": "yolo", "task": "segment"},
    "darknet": {"to": "darknet"},
    "parquet": {"to": "parquet"},
}


@pytest.mark.parametrize("name", TARGETS)
def test_convert__is_reading_and_writing(name: str, tmp_path: Path) -> None:
    given = dict(TARGETS[name])
    converted = sm.convert(STREET, tmp_path / "one", on_loss="ignore", media="copy", **given)
    written = sm.read(STREET).write(
        tmp_path / "two", given.pop("to"), on_loss="ignore", media="copy", **given
    )
    assert tree(tmp_path / "one") == tree(tmp_path / "two")
    assert converted.losses == written.losses
    assert converted.samples_written == written.samples_written == 12
    assert converted.reconciles


@pytest.mark.parametrize("name", TARGETS)
def test_convert__twice_gives_the_same_bytes(name: str, tmp_path: Path) -> None:
    for target in ("one", "two"):
        sm.convert(STREET, tmp_path / target, on_loss="ignore", media="none", **TARGETS[name])
    assert tree(tmp_path / "one") == tree(tmp_path / "two")


def test_convert__there_and_back_again(tmp_path: Path) -> None:
    sm.convert(STREET, tmp_path / "yolo", to="yolo", task="detect", media="copy", on_loss="ignore")
    sm.convert(tmp_path / "yolo", tmp_path / "coco", to="coco", media="copy", on_loss="ignore")
    sm.convert(
        tmp_path / "coco", tmp_path / "again", to="yolo", task="detect", media="copy", on_loss="ignore"
    )
    assert tree(tmp_path / "again") == tree(tmp_path / "yolo")


@pytest.mark.parametrize("url", ["memory://convert/{}", "file://{}"])
def test_convert__to_and_from_other_file_systems(url: str, tmp_path: Path) -> None:
    target = url.format(tmp_path / "out" if url.startswith("file") else "out")
    sm.convert(STREET, target, to="coco", media="copy", overwrite=True)
    back = sm.read(target)
    assert back.digest() == sm.read(STREET).digest()
    report = sm.convert(target, tmp_path / "local", to="yolo", task="detect", media="copy", on_loss="ignore")
    assert report.media == {"placed": 12}


def test_read__from_an_archive(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "street.zip", "w") as archive:
        for path in STREET.rglob("*.*"):
            archive.write(path, path.relative_to(STREET))
    ds = sm.read(f"zip://::{tmp_path / 'street.zip'}")
    assert ds.digest() == sm.read(STREET).digest()
    with pytest.raises(sm.errors.OptionError):
        ds.write(f"zip://out::{tmp_path / 'street.zip'}", format="coco")


@pytest.mark.parametrize("media", ["copy", "link", "symlink", "reference", "none"])
def test_media__is_placed_as_asked_for(media: Media, tmp_path: Path) -> None:
    source = tmp_path / "source"
    shutil.copytree(STREET, source)
    report = sm.convert(source, tmp_path / "out", to="coco", media=media)
    images = sorted(path for path in (tmp_path / "out").rglob("*.jpg"))
    assert len(images) == (0 if media in {"reference", "none"} else 12)
    assert report.media == ({"placed": 12} if images else {})
    assert all(path.is_symlink() == (media == "symlink") for path in images)
    original = source / "images" / "val" / "park.jpg"
    mine = [path for path in images if path.name == "park.jpg"]
    assert all(path.samefile(original) == (media != "copy") for path in mine)
    assert all(path.read_bytes() == original.read_bytes() for path in mine)


def test_media__missing_ones_are_counted_and_named(tmp_path: Path) -> None:
    source = tmp_path / "source"
    shutil.copytree(STREET, source)
    (source / "images" / "val" / "park.jpg").unlink()
    report = sm.convert(source, tmp_path / "out", to="coco", media="copy", on_loss="ignore")
    assert report.media == {"placed": 11, "missing": 1}
    (loss,) = [loss for loss in report.losses if loss.code == "media.missing"]
    assert (loss.count, loss.kind) == (1, "change")
    assert "park.jpg" in (loss.example or "")


def test_media__a_size_that_is_not_the_files_is_told(tmp_path: Path) -> None:
    source = tmp_path / "source"
    shutil.copytree(STREET, source)
    Image.new("RGB", (10, 10)).save(source / "images" / "val" / "park.jpg")
    report = sm.convert(source, tmp_path / "out", to="coco", media="copy", on_loss="ignore")
    assert [(loss.code, loss.count) for loss in report.losses] == [("size.differs", 1)]


def test_media__copying_what_nobody_knows_is_refused(tmp_path: Path) -> None:
    ds = sm.Dataset.from_samples([{"id": "a.jpg", "image": {"width": 3, "height": 3}, "objects": []}])
    with pytest.raises(sm.errors.OptionError, match="where they are is not known"):
        ds.write(tmp_path / "out", format="coco", media="copy")
    assert list(tmp_path.iterdir()) == []


def test_overwrite__replaces_and_otherwise_refuses(tmp_path: Path) -> None:
    ds = sm.read(STREET)
    ds.write(tmp_path / "out", format="coco")
    before = tree(tmp_path / "out")
    with pytest.raises(sm.errors.TargetExistsError, match="overwrite"):
        ds[:2].write(tmp_path / "out", format="coco")
    assert tree(tmp_path / "out") == before
    ds[:2].write(tmp_path / "out", format="coco", overwrite=True)
    assert len(sm.read(tmp_path / "out")) == 2
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_overwrite__of_the_source_itself_is_refused(tmp_path: Path) -> None:
    source = tmp_path / "source"
    shutil.copytree(STREET, source)
    with pytest.raises(sm.errors.TargetExistsError, match="source would be deleted"):
        sm.convert(source, source, to="yolo", task="detect", overwrite=True, on_loss="ignore")
    assert sm.read(source).digest() == sm.read(STREET).digest()


@pytest.mark.parametrize("word", ["format", "target", "media", "on_error"])
def test_arguments__wrong_ones_are_refused_before_anything_is_written(word: str, tmp_path: Path) -> None:
    given: dict[str, Any] = {"to": "coco"}
    target = tmp_path / "out"
    match word:
        case "format":
            given["from_"] = "coca"
        case "target":
            target = STREET
        case _:
            given[word] = "nonsense"
    with pytest.raises(sm.errors.SmaltiError):
        sm.convert(STREET, target, **given)
    assert list(tmp_path.iterdir()) == []


def test_progress__is_shown_when_asked_for(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    sm.convert(STREET, tmp_path / "one", to="parquet", progress=True)
    shown = capfd.readouterr()
    assert "COCO to Parquet" in shown.out + shown.err
    sm.convert(STREET, tmp_path / "two", to="parquet")
    assert capfd.readouterr() == ("", "")


def test_fuzz__mutants_end_in_errors_that_we_raise() -> None:
    """The short form of tests/laws/fuzz.py."""
    done = subprocess.run(
        [sys.executable, ROOT / "tests" / "laws" / "fuzz.py", "--count", "150"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
