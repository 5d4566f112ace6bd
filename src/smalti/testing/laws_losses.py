"""Laws of the account: nothing is lost in silence."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from smalti.errors import LossError
from smalti.formats.report import Loss
from smalti.testing.base import Base
from smalti.testing.compare import differences, tree
from smalti.testing.examples import everything
from smalti.testing.strategies import datasets, shapes

if TYPE_CHECKING:
    from pathlib import Path

    from smalti.dataset.dataset import Dataset


class LossLaws(Base):
    """A report names every field that does not come through, and its totals reconcile."""

    def test_losses__what_the_report_does_not_name_comes_back(self) -> None:
        """Of a dataset with everything, every field is in the target or in the report."""
        dataset = everything()
        with self.written(dataset) as (target, report):
            back = self.read(target)
        found = self._unnamed(dataset, back, report.losses)
        assert not found, f"not in the report: {found[:5]}"

    def test_losses__are_named_whatever_the_dataset_has(self) -> None:
        """Any members, attributes and columns, each of them null here and there, or none at all."""

        def law(dataset: Dataset) -> None:
            with self.written(dataset, on_error="skip") as (target, report):
                back = self.read(target) if report.samples_written else dataset[:0]
            assert report.reconciles, report
            skipped = [Loss(code="", field="", reason="", kind="sample")] * report.samples_skipped
            found = self._unnamed(dataset, back, [*report.losses, *skipped])
            assert not found, f"not in the report: {found[:5]}\n{report}"

        self.for_all(law, shapes().flatmap(datasets))

    def test_losses__totals_reconcile(self) -> None:
        """Objects read = objects written + objects lost, and as many are in the target."""
        dataset = everything()
        with self.written(dataset) as (target, report):
            back = self.read(target)
        assert report.reconciles, report
        assert report.samples_read == len(dataset), report
        assert report.objects_written == back.report.objects_read, f"{report}\n{back.report}"

    def test_losses__of_what_it_keeps_there_are_none(self) -> None:
        """Content that the format says it keeps is never reported as lost."""

        def law(dataset: Dataset) -> None:
            with self.written(dataset) as (_, report):
                assert report.lossless, report
                assert report.reconciles, report

        self.for_all(law)

    def test_losses__each_has_a_count_a_reason_and_a_place(self) -> None:
        """A loss can be acted upon: a stable code, how many, why, and where one is."""
        with self.written(everything()) as (_, report):
            pass
        for loss in report.losses:
            assert loss.code == loss.code.lower(), loss
            assert " " not in loss.code, loss
            assert loss.count, loss
            assert loss.reason, loss
            assert loss.example or loss.field.startswith(("categories", "splits")), loss

    def test_losses__as_errors_leave_nothing(self, tmp_path: Path) -> None:
        """With ``on_loss="error"`` a loss raises, and nothing has been written."""
        dataset = self.with_images(everything(), tmp_path / "images")
        if self.write(dataset, tmp_path / "free" / self.target).lossless:
            self.write(dataset, tmp_path / "to" / self.target, on_loss="error")
            return
        with pytest.raises(LossError, match="cannot hold everything"):
            self.write(dataset, tmp_path / "to" / self.target, on_loss="error")
        assert not list((tmp_path / "to").iterdir())

    def test_losses__a_dry_run_says_the_same_and_writes_nothing(self, tmp_path: Path) -> None:
        """A dry run's report is that of the real run."""
        dataset = self.with_images(everything(), tmp_path / "images")
        before = tree(tmp_path)
        dry = self.write(dataset, tmp_path / "to" / self.target, dry_run=True)
        assert tree(tmp_path) == before
        assert not (tmp_path / "to" / self.target).exists()
        real = self.write(dataset, tmp_path / "to" / self.target)
        assert dry.losses == real.losses
        assert (dry.samples_written, dry.objects_written) == (real.samples_written, real.objects_written)

    def _unnamed(self, dataset: Dataset, back: Dataset, losses: list[Loss]) -> list[str]:
        """What is not as it was, and in no loss. A default that a format fills in loses nothing."""
        return differences(
            dataset, back, losses=losses, tolerance=self.tolerance, ordered=self.ordered, filled=True
        )
