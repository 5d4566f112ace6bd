"""What every format relies on: options, losses, reports, recognition, and the loop that moves parts."""

from __future__ import annotations

import json
import threading
import warnings
from typing import TYPE_CHECKING, Any, Literal

import pytest
from pydantic import Field

import smalti as sm
from smalti.engines.local import ordered
from smalti.formats import options, registry
from smalti.formats.losses import Tally, dropped
from smalti.formats.protocol import Format, FormatInfo, Grade, Match, Options, PartRead
from smalti.formats.report import ERRORS_KEPT, Loss, Report, merged
from smalti.storage.location import Location

if TYPE_CHECKING:
    from pathlib import Path

    import pyarrow as pa


class Choices(Options):
    colour: Literal["red", "blue"] = Field("red", description="a colour")
    depth: int = Field(1, description="for reading", json_schema_extra={"side": "read"})
    shape: tuple[str, ...] = Field((), description="for writing", json_schema_extra={"side": "write"})


def made(name: str, match: Match | None = None) -> Format:
    info = FormatInfo(
        name=name, title=name.title(), spec="https://example.org", layout=("*",), keeps=frozenset()
    )
    return Format(info=info, sniff=lambda _: match, options=Choices)


def test_options__each_side_knows_its_own() -> None:
    assert options.known(made("a"), "read") == ["colour", "depth"]
    assert options.known(made("a"), "write") == ["colour", "shape"]
    read, write = options.divide(made("a"), made("b"), {"colour": "blue", "depth": 3, "shape": ["x"]})
    assert read.model_dump() == {"colour": "blue", "depth": 3, "shape": ()}
    assert write.model_dump() == {"colour": "blue", "depth": 1, "shape": ("x",)}


@pytest.mark.parametrize(
    ("given", "match"),
    [
        ({"colur": "red"}, "no option 'colur' to read; did you mean 'colour'"),
        ({"shape": ["x"]}, "no option 'shape' to read"),
        ({"colour": "green"}, "option 'colour' of a: .*found 'green'"),
        ({"depth": "deep"}, "option 'depth' of a: "),
    ],
)
def test_options__wrong_ones_are_refused(given: dict[str, Any], match: str) -> None:
    with pytest.raises(sm.errors.OptionError, match=match):
        options.parse(made("a"), given, "read")


def test_registry__names_the_likely_one() -> None:
    with pytest.raises(sm.errors.UnknownFormatError, match="no format is called 'coca'; did you mean 'coco'"):
        registry.get("coca")
    assert registry.get("coco").info.name == "coco"


def test_recognition__a_tie_names_both(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.txt").write_text("x")
    formats = {
        "one": made("one", Match(Grade.LIKELY, "a text")),
        "two": made("two", Match(Grade.LIKELY, "a file")),
        "three": made("three", Match(Grade.POSSIBLE, "a name")),
    }
    monkeypatch.setattr(registry, "names", lambda: list(formats))
    monkeypatch.setattr(registry, "get", formats.__getitem__)
    with pytest.raises(
        sm.errors.AmbiguousFormatError, match=r"one \(a text\); two \(a file\); name one of them"
    ):
        registry.recognise(Location.parse(tmp_path))
    formats["three"] = made("three", Match(Grade.CERTAIN, "a marker"))
    found, match = registry.recognise(Location.parse(tmp_path))
    assert (found.info.name, match.reason) == ("three", "a marker")


def test_recognition__of_nothing_says_what_was_tried(tmp_path: Path) -> None:
    with pytest.raises(sm.errors.EmptySourceError, match="the folder holds no file"):
        sm.read(tmp_path)
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(
        sm.errors.UnknownFormatError,
        match=r"tried .*coco, .*darknet, .*; found files like .*notes\.txt",
    ):
        sm.read(tmp_path)


@pytest.mark.parametrize("name", sorted(registry.BUILT_IN))
def test_read__a_source_without_anything_says_what_was_looked_for(tmp_path: Path, name: str) -> None:
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(
        (sm.errors.EmptySourceError, sm.errors.DataError), match=r"looked for|found no|expected|no label"
    ):
        sm.read(tmp_path, format=name)


def test_merged__sums_counts_and_keeps_the_worst() -> None:
    one = Loss(code="a", field="x", reason="r", count=2, example=None, iou=0.9)
    two = Loss(code="a", field="x", reason="r", count=3, example="b.jpg", iou=0.5)
    other = Loss(code="a", field="y", reason="r", count=1)
    assert merged([one, other, two]) == [
        Loss(code="a", field="x", reason="r", count=5, example="b.jpg", iou=0.5),
        other,
    ]


def report(**given: Any) -> Report:
    losses = [
        Loss(
            code="crowd.skipped",
            field="objects",
            kind="object",
            reason="a <b>crowd</b>",
            count=2,
            example="a.jpg",
        ),
        Loss(
            code="mask.outlined",
            field="objects.mask",
            kind="change",
            reason="as its outline",
            count=1,
            iou=0.98765,
        ),
    ]
    facts = {
        "target_format": "yolo",
        "target": "out",
        "objects_read": 5,
        "objects_written": 3,
        "losses": losses,
    }
    return Report(**{**facts, **given})


def test_report__totals_reconcile_or_do_not() -> None:
    assert report().reconciles
    assert not report(objects_written=4).reconciles
    assert not report().lossless
    assert report(losses=[], objects_written=5).lossless
    assert not report(losses=[], error_count=1).lossless


def test_report__is_printed_for_terminal_notebook_and_script() -> None:
    found = report(samples_read=1200, source_format="coco")
    text = str(found)
    for part in (
        "read 1,200 samples",
        "as yolo to out",
        "crowd.skipped objects: 2",
        "(e.g. a.jpg)",
        "worst IoU 0.9877",
    ):
        assert part in text
    html = found._repr_html_()
    assert "<b>crowd</b>" not in html
    assert "&lt;b&gt;crowd" in html
    facts = json.loads(found.to_json())
    assert facts["losses"][1]["iou"] == 0.98765
    assert facts["reconciles"] is True


def test_report__keeps_the_first_errors_and_counts_all() -> None:
    found = Report()
    found.add_errors(str(n) for n in range(ERRORS_KEPT + 7))
    assert found.error_count == ERRORS_KEPT + 7
    assert found.errors == [str(n) for n in range(ERRORS_KEPT)]


def dataset() -> sm.Dataset:
    objects = [
        {"category": "cat", "bbox": [0, 0, 2, 2], "score": None},
        {"category": "dog", "bbox": [1, 1, 2, 2], "score": 0.5},
    ]
    image = {"width": 8, "height": 8}
    samples = [
        {"id": "a.jpg", "image": image, "objects": None, "note": None},
        {"id": "b.jpg", "image": image, "objects": objects, "note": "x"},
    ]
    return sm.Dataset.from_samples(samples)


def test_losses__are_declared_from_the_schema_and_counted_from_the_data() -> None:
    ds = dataset()
    declared = dropped(
        ds.schema, ds.schema.project({"image", "objects.bbox"}), "Boxes", {"score": "no scores"}
    )
    assert [(loss.field, loss.count) for loss in declared] == [
        ("objects.category", None),
        ("objects.score", None),
        ("note", None),
    ]
    tally = Tally(loss.field for loss in declared)
    for batch in ds.to_batches():
        tally.add(PartRead(batch=batch))
    filled = {loss.field: (loss.count, loss.example, loss.reason) for loss in tally.fill(declared)}
    assert filled == {
        "objects.category": (2, "b.jpg", "Boxes has no place for it"),
        "objects.score": (1, "b.jpg", "no scores"),
        "note": (1, "b.jpg", "Boxes has no place for it"),
    }


def test_on_loss__warns_raises_or_is_silent(tmp_path: Path) -> None:
    ds = dataset()
    with pytest.warns(
        sm.errors.LossWarning, match=r"YOLO \(Ultralytics\) cannot hold everything: .*; see the report"
    ):
        ds.write(tmp_path / "warned", format="yolo", task="detect")
    with pytest.raises(sm.errors.LossError, match="nothing was written"):
        ds.write(tmp_path / "refused", format="yolo", task="detect", on_loss="error")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ds.write(tmp_path / "ignored", format="yolo", task="detect", on_loss="ignore")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ignored", "warned"]
    with pytest.raises(sm.errors.OptionError, match="use warn, error or ignore"):
        ds.write(tmp_path / "x", format="yolo", task="detect", on_loss="cry")


def test_on_error__samples_that_cannot_be_written(tmp_path: Path) -> None:
    ds = dataset().concat(
        sm.Dataset.from_samples([{"id": "c.jpg", "objects": [{"category": "cat", "bbox": [0, 0, 1, 1]}]}])
    )
    with pytest.raises(sm.errors.DataError, match=r"c\.jpg"):
        ds.write(tmp_path / "out", format="yolo", task="detect", on_loss="ignore")
    report = ds.write(tmp_path / "out", format="yolo", task="detect", on_loss="ignore", on_error="skip")
    assert (report.samples_skipped, report.objects_skipped, report.samples_written) == (1, 1, 2)
    assert report.reconciles
    assert "c.jpg" in report.errors[0]


def test_target__a_suffix_names_the_format(tmp_path: Path) -> None:
    assert dataset().write(tmp_path / "a.parquet").target_format == "parquet"
    assert dataset().write(tmp_path / "somewhere").target_format == "smalti"  # a store
    with pytest.raises(sm.errors.OptionError, match=r"say which format to write; there are .*coco, "):
        sm.convert(tmp_path / "a.parquet", tmp_path / "elsewhere")


def test_ordered__gives_results_in_order_and_bounds_what_is_held() -> None:
    lock, running, most = threading.Lock(), 0, 0

    def call(number: int) -> int:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        threading.Event().wait(0.002 * (number % 3))
        with lock:
            running -= 1
        return number * number

    taken: list[int] = []
    source = (taken.append(n) or n for n in range(50))
    results = ordered(call, source, workers=3)
    assert next(results) == 0
    assert len(taken) <= 4
    assert [0, *results] == [n * n for n in range(50)]
    assert most <= 3


def test_ordered__an_error_comes_when_its_result_is_due() -> None:
    def call(number: int) -> int:
        if number == 3:
            raise ValueError("three")
        return number

    results = ordered(call, range(100), workers=2)
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(ValueError, match="three"):
        next(results)


def test_batches__have_what_the_writer_wants(tmp_path: Path) -> None:
    """What the target does not keep never reaches its writer."""
    seen: list[pa.Schema] = []
    writer: Any = registry.get("yolo").writer
    original = writer.write

    def write(self: Any, batch: pa.RecordBatch, *rest: Any) -> Any:
        seen.append(batch.schema)
        return original(self, batch, *rest)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(writer, "write", write)
        dataset().write(tmp_path / "out", format="yolo", task="detect", on_loss="ignore")
    assert [field.name for field in seen[0].field("objects").type.value_type] == ["category", "bbox"]
