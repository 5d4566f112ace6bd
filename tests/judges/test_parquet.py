"""`datasets` finds its own features in our Parquet, and reads the same rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import smalti as sm


def test_datasets__reads_every_column(street: sm.Dataset, tmp_path: Path, asked: Callable[..., Any]) -> None:
    street.write(tmp_path / "one.parquet")
    street.write(tmp_path / "parts", format="parquet")
    parts = sorted(map(str, (tmp_path / "parts").glob("*.parquet")))
    verdict = asked("parquet", {"one": str(tmp_path / "one.parquet"), "parts": parts})
    assert verdict["one"]["rows"] == verdict["parts"]["rows"]
    found = verdict["one"]["features"]
    assert set(found) == set(street.schema.columns)
    assert found["objects"].startswith("List({'id': Value('int64')")
    assert "'category': Value('string')" in found["objects"]
    ours = street.to_arrow().to_pylist()
    for theirs, row in zip(verdict["one"]["rows"], ours, strict=True):
        assert theirs["image"] == row["image"]
        assert (theirs["id"], theirs["split"], theirs["weather"]) == (row["id"], row["split"], row["weather"])
        for one, item in zip(theirs["objects"], row["objects"], strict=True):
            runs = item["mask"] and {**item["mask"], "counts": item["mask"]["counts"].decode("latin-1")}
            assert one == {**item, "mask": runs}
