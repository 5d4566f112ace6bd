"""Each law is shown a format that breaks it: a law that cannot fail proves nothing."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import Phase, settings

from smalti.testing import FormatSuite, Shape, base

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from types import ModuleType


class Laws(FormatSuite):
    format = "tinyboxes"
    target = "out.tinyboxes"
    shape = Shape(
        members=("category", "bbox"), splits=(), shared_paths=False, unlabelled=False, category_ids=False
    )


def _instead(monkeypatch: pytest.MonkeyPatch, place: Any, name: str, change: Callable[..., Any]) -> None:
    """Replace a function by one that is given the sound one first."""
    sound = getattr(place, name)
    monkeypatch.setattr(place, name, lambda *arguments: change(sound, *arguments))


def test_suite__sees_a_field_dropped_in_silence(
    tinyboxes: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    _instead(monkeypatch, tinyboxes.TinyWriter, "losses", lambda sound, self: sound(self)[1:])
    with pytest.raises(AssertionError, match="not in the report"):
        Laws().test_losses__what_the_report_does_not_name_comes_back()


def test_suite__sees_a_class_table_cut_in_silence(
    tinyboxes: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    _instead(monkeypatch, tinyboxes.TinyWriter, "losses", lambda sound, self: sound(self)[:-1])
    with pytest.raises(AssertionError, match="supercategory"):
        Laws().test_losses__what_the_report_does_not_name_comes_back()


def test_suite__sees_objects_that_nobody_accounts_for(
    tinyboxes: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tinyboxes, "_lost", lambda *_: [])
    with pytest.raises(AssertionError, match="read 6 samples"):
        Laws().test_losses__totals_reconcile()


def test_suite__sees_a_number_that_is_rounded(tinyboxes: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "settings", partial(settings, phases=(Phase.generate,)))  # shrinking takes long
    _instead(monkeypatch, tinyboxes, "_number", lambda sound, cell: round(sound(cell)))
    with pytest.raises(AssertionError, match="bbox"):
        Laws().test_round_trip__gives_the_same_content()


def test_suite__sees_the_time_of_day(
    tinyboxes: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def dated(sound: Any, self: Any, target: Any, results: Any) -> int:
        results[0].payload.append([f"at {time.perf_counter_ns()}.png", "", ""])
        return int(sound(self, target, results))

    _instead(monkeypatch, tinyboxes.TinyWriter, "finish", dated)
    with pytest.raises(AssertionError, match="Differing items"):
        Laws().test_round_trip__two_writes_are_byte_identical(tmp_path)


def test_suite__sees_an_image_without_objects_left_out(
    tinyboxes: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def crowded(sound: Any, self: Any, batch: Any, target: Any, cursor: Any) -> Any:
        result = sound(self, batch, target, cursor)
        result.payload[:] = [line for line in result.payload if len(line) > 3]
        return result

    _instead(monkeypatch, tinyboxes.TinyWriter, "write", crowded)
    with pytest.raises(AssertionError, match=r"empty\.png"):
        Laws().test_round_trip__every_image_is_a_row(tmp_path)


def test_suite__sees_a_target_that_is_half_written(
    tinyboxes: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def early(sound: Any, self: Any, batch: Any, target: Any, cursor: Any) -> Any:
        (tmp_path / "to" / "early.txt").write_text("early")
        return sound(self, batch, target, cursor)

    _instead(monkeypatch, tinyboxes.TinyWriter, "write", early)
    with pytest.raises(AssertionError, match=r"early\.txt"):
        Laws().test_target__an_error_leaves_nothing(tmp_path, "finish", 0)


def test_suite__sees_an_error_of_the_wrong_kind(
    tinyboxes: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(tinyboxes, "_number", float)
    with pytest.raises(AssertionError, match=r"text-in-row of out\.tinyboxes: raised ValueError"):
        Laws().test_corruptions__are_errors_that_name_the_file_or_read_the_same(tmp_path)


def test_suite__sees_a_path_that_is_followed(
    tinyboxes: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def naive(cell: str) -> str:
        place = tmp_path / "in" / cell.replace("\0", "")
        if place.is_file():
            place.read_bytes()
        return cell

    monkeypatch.setattr(tinyboxes, "safe_path", naive)
    with pytest.raises(AssertionError, match="was followed"):
        Laws().test_hostile_paths__in_a_source_lead_nowhere(tmp_path)


def test_suite__sees_counts_that_are_missing(
    tinyboxes: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    class Nothing(tinyboxes.Tally):  # type: ignore[name-defined,misc]  # a class of a module that is loaded here
        def add(self, _read: Any) -> None:
            return

    monkeypatch.setattr(tinyboxes, "Tally", Nothing)
    with pytest.raises(AssertionError, match="counts without"):
        Laws().test_projection__counts_what_it_does_not_read(tmp_path)


def test_suite__sees_a_format_that_claims_everything(
    tinyboxes: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    certain = tinyboxes.Match(tinyboxes.Grade.CERTAIN, "everything is mine")
    greedy = type("Greedy", (), {"sniff": staticmethod(lambda _: certain)})
    monkeypatch.setattr(Laws, "under_test", greedy)
    with pytest.raises(AssertionError, match="everything is mine"):
        Laws().test_format__does_not_claim_what_is_not_its_own(tmp_path, "a.json")
