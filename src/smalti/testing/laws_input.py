"""Laws of the input: it is broken, and it is hostile."""

from __future__ import annotations

import json
import os
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from smalti.errors import DataError, EmptySourceError, SmaltiError
from smalti.formats import registry
from smalti.storage.location import Location
from smalti.storage.media import IMAGE_SUFFIXES
from smalti.testing.base import Base
from smalti.testing.compare import differences, tree
from smalti.testing.corruptions import CORRUPTIONS, Corruption, kind
from smalti.testing.images import png
from smalti.testing.tables import build

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from smalti.dataset.dataset import Dataset

SECRET = png(3, 3, 77)  # stands outside of every root
_opened: list[str] = []
_listening = [False]


class InputLaws(Base):
    """Broken files end in errors that name the place; hostile paths lead nowhere."""

    def test_corruptions__are_errors_that_name_the_file_or_read_the_same(self, tmp_path: Path) -> None:
        """Every corruption of every kind of file ends as `smalti.testing.corruptions` says."""
        found = [
            f"{corruption.name} of {name}: {text}"
            for corruption, name, whole in self._broken(tmp_path)
            if (text := self._judged(corruption, tmp_path / self.target, name, whole))
        ]
        assert not found, "\n".join(found)

    def test_corruptions__are_skipped_and_counted(self, tmp_path: Path) -> None:
        """With ``on_error="skip"`` what is left is read and the rest is counted, or a clear error says why not."""
        found = [
            f"{corruption.name} of {name}: {text}"
            for corruption, name, whole in self._broken(tmp_path)
            if (text := self._skipped(corruption, tmp_path / self.target, whole))
        ]
        assert not found, "\n".join(found)

    def test_corruptions__do_not_upset_recognition(self, tmp_path: Path) -> None:
        """No format falls over when it looks at a broken file."""
        found = []
        for corruption, name, _ in self._broken(tmp_path):
            error = _tried(registry.recognise, Location.parse(tmp_path / self.target))
            if isinstance(error, Exception) and not isinstance(error, SmaltiError):
                found.append(f"{corruption.name} of {name}: {error!r}")
        assert not found, "\n".join(found)

    def test_hostile_paths__in_a_source_lead_nowhere(self, tmp_path: Path) -> None:
        """Paths in annotations that leave the root are refused or kept as text, never opened."""
        outside = tmp_path / "outside.png"
        outside.write_bytes(SECRET)
        source = tmp_path / "in" / self.target
        dataset = self.with_images(self.plain(), tmp_path / "images")
        self.write(dataset, source)
        named = [row["path"] for row in dataset.to_arrow().column("image").to_pylist()]
        for file in _files(source):
            body = file.read_bytes()
            for path in _hostile(outside):
                for name in {part for full in named for part in (full, full.partition("/")[2])} - {""}:
                    file.write_bytes(_renamed(body, name, path))
                    with _watched() as opened:
                        _tried(self.read, source)
                    assert str(outside) not in opened, f"{path!r} in {file.name} was followed"
            file.write_bytes(body)

    def test_hostile_paths__in_a_dataset_write_nothing_outside(self, tmp_path: Path) -> None:
        """Ids and image paths that leave the root are refused, or end up inside the target."""
        outside = tmp_path / "outside.png"
        outside.write_bytes(SECRET)
        images = tmp_path / "images"
        for path in _hostile(outside):
            for media in ("none", "copy", "symlink"):
                dataset = self.with_images(self.plain(), images)
                before = tree(tmp_path)
                target = tmp_path / "to" / self.target
                _tried(self.write, _with_path(dataset, path), target, media=media, overwrite=True)
                after = tree(tmp_path)
                written = {name: body for name, body in after.items() if name.startswith("to/")}
                rest = {name: body for name, body in after.items() if name not in written}
                old = {name: body for name, body in before.items() if not name.startswith("to/")}
                assert rest == old, f"{path!r} was written to with media={media!r}"
                assert SECRET not in written.values(), f"{path!r} was copied with media={media!r}"

    def _broken(self, folder: Path) -> Iterator[tuple[Corruption, str, Dataset]]:
        """Break one file after the other, and mend it again: the corruption, the file, what it was."""
        self.write(self.with_images(self.plain(), folder / "images"), folder / self.target)
        whole = self.read(folder / self.target)
        for file in _files(folder / self.target):
            body = file.read_bytes()
            what = kind(file.name, body)
            for corruption in CORRUPTIONS:
                broken = corruption.change(body) if what in corruption.kinds else None
                if broken is not None and broken != body:
                    file.write_bytes(broken)
                    yield corruption, file.name, whole
            file.write_bytes(body)

    def _judged(self, corruption: Corruption, source: Path, name: str, whole: Dataset) -> str | None:
        """What is wrong with how a broken source is read; null where nothing is."""
        owed = self.outcomes.get(corruption.name, corruption.outcome)
        result = _tried(self.read, source)
        if isinstance(result, DataError | EmptySourceError):
            if owed == "equal":
                return f"should read as before, raised {result}"
            return (
                None
                if name in str(result) or isinstance(result, EmptySourceError)
                else f"no file named: {result}"
            )
        if isinstance(result, SmaltiError):
            return f"should be a DataError: {result!r}"
        if isinstance(result, Exception):
            return f"raised {result!r}"
        if owed == "error":
            return f"should be an error, was read with {len(result)} samples"
        if owed == "equal" and (found := differences(whole, result)):
            return f"should read as before: {found[:3]}"
        return None

    def _skipped(self, corruption: Corruption, source: Path, whole: Dataset) -> str | None:
        owed = self.outcomes.get(corruption.name, corruption.outcome)
        result = _tried(self.read, source, on_error="skip")
        if isinstance(result, Exception):
            return None if isinstance(result, SmaltiError) and owed != "equal" else f"raised {result!r}"
        report = result.report
        if owed == "error" and not report.error_count:
            return "was read with no error in the report"
        if owed == "equal" and (found := differences(whole, result)):
            return f"should read as before: {found[:3]}"
        if len(result) != report.samples_read:
            return f"{len(result)} samples, and the report says {report.samples_read}"
        if report.error_count and not (report.errors and report.error_count >= len(report.errors)):
            return f"{report.error_count} errors counted, none named"
        return None


def _tried(call: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
    """What a call gives, or the exception that it ends in."""
    try:
        return call(*arguments, **options)
    except Exception as error:  # noqa: BLE001  # which exception it is, the caller judges
        return error


def _files(source: Path) -> list[Path]:
    """The files of a source that are not images, one for each suffix and kind: the largest."""
    every = [source] if source.is_file() else [path for path in source.rglob("*") if path.is_file()]
    found: dict[tuple[str, str], Path] = {}
    for path in sorted(every, key=lambda path: (-path.stat().st_size, path)):
        if path.suffix.lower() not in IMAGE_SUFFIXES:
            found.setdefault((path.suffix, kind(path.name, path.read_bytes())), path)
    return list(found.values())


def _hostile(outside: Path) -> list[str]:
    name = outside.name
    return [f"../{name}", f"../../{name}", f"a/../../../{name}", f"..\\..\\{name}", str(outside), f"file://{outside}",
            f"local::{outside}", f"C:\\{name}", "nul\0.png", "..", "", "."]  # fmt: skip


def _renamed(body: bytes, name: str, path: str) -> bytes:
    """The body with every mention of a path replaced, escaped as JSON where it is quoted."""
    quoted, other = json.dumps(name, ensure_ascii=False)[1:-1], json.dumps(path)[1:-1]
    body = body.replace(f'"{quoted}"'.encode(), f'"{other}"'.encode())
    return body.replace(name.encode(), path.encode())


def _with_path(dataset: Dataset, path: str) -> Dataset:
    rows = dataset.to_arrow().to_pylist()
    table = dataset.schema.objects().categories
    for row in rows:
        for obj in row["objects"] or ():
            obj["category"] = table.codes.get(obj["category"])
    rows[0]["id"] = path
    rows[0]["image"]["path"] = path
    return build(dataset.schema, rows)


@contextmanager
def _watched() -> Iterator[list[str]]:
    """The paths that Python opens from here on, until it is watched anew."""
    if not _listening[0]:
        sys.addaudithook(_listen)  # there is no way to take it off again
        _listening[0] = True
    _opened.clear()
    yield _opened


def _listen(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "open" and isinstance(arguments[0], str | bytes | os.PathLike):
        _opened.append(os.path.realpath(os.fsdecode(arguments[0])))
