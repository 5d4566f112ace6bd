"""The README beside the data: what it says to each tool is what it gets."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import polars as pl
import pyarrow.dataset
import pytest

import smalti as sm
from smalti.store import commit, readme

ROOT = Path(__file__).parents[2]
STREET = ROOT / "examples" / "street"
JUDGES = ROOT / "tests" / "judges"


def fill(store: sm.Store) -> None:
    """Versions of several files: one without a sample that was deleted, some with columns that came later."""
    street = sm.read(STREET)
    store.write(street)
    store.delete(sm.col("id") == "park.jpg")
    for name in ("new", "newer"):
        car = {"category": "car", "bbox": [1, 1, 2, 2], "score": 0.5}
        sample = {"id": name, "note": "later", "image": "new.jpg", "objects": [car]}
        store.append(sm.Dataset.from_samples([sample], media_root=street.schema.media_root))


def blocks(store: sm.Store) -> tuple[str, dict[str, Any], dict[str, str]]:
    """The README's SQL, what its Python makes, and the call for each tool."""
    text = (store.root / readme.NAME).read_bytes().decode()
    assert "**Do not read `data/*.parquet`**" in text
    made: dict[str, Any] = {"pd": pd, "pl": pl, "pyarrow": pyarrow}
    for body in re.findall(r"```python\n(.*?)```", text, re.DOTALL):
        exec(body, made)  # noqa: S102  # it is ours
    calls = dict(re.findall(r"^\| (\w+) \| `([^`]+)`", text, re.MULTILINE))
    assert set(calls) == {"pandas", "Polars", "pyarrow", "Spark", "Ray"}
    return re.search(r"```sql\n(.*?)```", text, re.DOTALL)[1], made, calls  # type: ignore[index]  # it is there


def read_by_all(store: sm.Store) -> None:
    """Each tool counts what the newest version has."""
    sql, made, calls = blocks(store)
    rows = len(store.read())
    assert rows == 13
    assert made["ds"].digest() == store.read().digest()
    found = {tool: eval(calls[tool], made) for tool in ("pandas", "Polars", "pyarrow")}  # noqa: S307  # as above
    assert len(found["pandas"]) == rows
    frame = found["Polars"].collect()
    assert frame.height == rows
    assert frame["note"].drop_nulls().to_list() == ["later", "later"]
    assert found["pyarrow"].count_rows() == rows
    connection = duckdb.connect()
    if not store.root.is_local:
        connection.register_filesystem(made["fs"])
    assert connection.execute(sql).fetchall() == [(rows,)]


def test_readme__of_a_folder(store: sm.Store) -> None:
    fill(store)
    read_by_all(store)


def test_readme__where_a_manifest_has_lists(store: sm.Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commit, "LISTED", 1)
    fill(store)
    assert store.versions()[-1].lists
    sql, made, calls = blocks(store)
    assert eval(calls["pyarrow"], made).count_rows() == 13  # noqa: S307  # as above
    with pytest.raises(duckdb.InvalidInputException, match="more files than one manifest lists"):
        duckdb.connect().execute(sql)


@pytest.mark.parametrize("judge", ["spark", "ray"])
def test_readme__in_clusters(store: sm.Store, judge: str) -> None:
    fill(store)
    command = [os.environ["SMALTI_JUDGE_PYTHON"], str(JUDGES / f"{judge}_judge.py"), store.root.local]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    objects = store.read().load().objects()
    assert told["rows"] == 13
    assert told["classes"] == {
        row["values"]: row["counts"]
        for row in objects.column("category").cast("string").value_counts().to_pylist()
    }
    assert told["widest"] == max(box["w"] for box in objects.column("bbox").to_pylist())
    assert judge == "ray" or "note" in told["columns"]
