"""Laws of the round trip: what is written is what is read."""

from __future__ import annotations

import secrets
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

import pytest

from smalti import io
from smalti.testing.base import Base
from smalti.testing.compare import differences, tree
from smalti.testing.examples import everything

if TYPE_CHECKING:
    from pathlib import Path

    from smalti.dataset.dataset import Dataset


class RoundTripLaws(Base):
    """Written and read again, a dataset is the same; written twice, so is every byte."""

    def test_round_trip__gives_the_same_content(self) -> None:
        """Ids, order, classes, every number to the last digit that the format prints."""

        def law(dataset: Dataset) -> None:
            with self.written(dataset) as (target, _):
                back = self.read(target)
            found = differences(dataset, back, tolerance=self.tolerance, ordered=self.ordered)
            assert not found, found[:5]

        self.for_all(law)

    def test_round_trip__the_second_changes_nothing(self) -> None:
        """What was read is written and read as exactly the same, by its digest."""

        def law(dataset: Dataset) -> None:
            with self.written(dataset) as (target, _):
                once = self.read(target)
                again = target.parent / f"again{target.suffix}"
                self.write(once, again)
                twice = self.read(again)
            assert not (found := differences(once, twice, ordered=self.ordered)), found[:5]
            assert once.digest() == twice.digest()

        self.for_all(law)

    def test_round_trip__two_writes_are_byte_identical(self, tmp_path: Path) -> None:
        """No time, no random order, no machine in what is written."""
        dataset = self.with_images(everything(), tmp_path / "images")
        one, two = tmp_path / "1" / self.target, tmp_path / "2" / self.target
        self.write(dataset, one)
        self.write(dataset, two)
        assert tree(one) == tree(two)

    def test_round_trip__the_size_of_parts_does_not_show(self) -> None:
        """A dataset written sample by sample is the one that is written at once."""

        def law(dataset: Dataset) -> None:
            with self.written(dataset) as (target, _), pytest.MonkeyPatch.context() as patch:
                whole = self.read(target)
                patch.setattr(io, "BATCH", 1)
                with self.written(dataset) as (other, _):
                    parts = self.read(other)
            assert not (found := differences(whole, parts, ordered=self.ordered)), found[:5]
            assert whole.digest() == parts.digest()

        self.for_all(law)

    def test_round_trip__every_image_is_a_row(self, tmp_path: Path) -> None:
        """Images without labels, without objects, and of the same name in two folders."""
        dataset = self.with_images(everything(), tmp_path / "images")
        self.write(dataset, tmp_path / self.target)
        found = self.read(tmp_path / self.target).to_arrow().column("id").to_pylist()
        assert sorted(found) == sorted(dataset.to_arrow().column("id").to_pylist())

    def test_round_trip__images_come_along(self, tmp_path: Path) -> None:
        """With ``media="copy"`` every image is found by its path, in the target where it holds images."""
        dataset = self.with_images(everything(), tmp_path / "images")
        folder = tmp_path / "to" / PurePosixPath(self.target).stem
        report = self.write(dataset, folder, media="copy")
        assert report.media == ({"placed": len(dataset)} if self.holds_images else {})
        back = self.read(folder)
        assert back.schema.media_root is not None
        for row in back.to_arrow().select(["id", "image"]).to_pylist():
            place = folder / back.schema.media_root / row["image"]["path"]
            assert place.resolve().is_relative_to(folder.resolve()) or not self.holds_images, place
            assert place.read_bytes() == _original(dataset, row["id"], tmp_path / "images")

    def test_round_trip__on_another_file_system(self) -> None:
        """A target and a source can be any fsspec URL."""
        url = f"memory://{secrets.token_hex(8)}/{self.target}"
        dataset = everything()
        with self.written(dataset) as (target, _):
            here = self.read(target)
            self.write(here, url, media="reference" if self.media == "reference" else "copy")
            there = self.read(url)
        assert not (found := differences(here, there, ordered=self.ordered)), found[:5]

    def test_golden__comes_back(self, tmp_path: Path) -> None:
        """A source that other tools made is read without an error, and survives a round trip."""
        if self.golden is None:
            return
        dataset = self.read(self.golden)
        assert dataset.report.error_count == 0, dataset.report
        assert len(dataset)
        self.write(dataset, tmp_path / self.target)
        back = self.read(tmp_path / self.target)
        found = differences(dataset, back, tolerance=self.tolerance, ordered=self.ordered)
        assert not found, found[:5]


def _original(dataset: Dataset, key: str, root: Path) -> bytes:
    rows = dataset.to_arrow().select(["id", "image"]).to_pylist()
    (path,) = (row["image"]["path"] for row in rows if row["id"] == key)
    return (root / path).read_bytes()
