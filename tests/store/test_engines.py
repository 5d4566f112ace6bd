"""Engines that know nothing of smalti read a store by its manifest."""

from __future__ import annotations

import json
import os
import subprocess
from collections import Counter
from pathlib import Path

import smalti as sm

ROOT = Path(__file__).parents[2]
STREET = ROOT / "examples" / "street"
JUDGE = ROOT / "tests" / "judges" / "spark_judge.py"


def test_spark__reads_words_and_sides(store: sm.Store) -> None:
    street = sm.read(STREET)
    store.write(street)
    store.delete(sm.col("id") == "park.jpg")
    store.append(
        sm.Dataset.from_samples(
            [{"id": "new", "note": "later", "image": "new.jpg"}], media_root=street.schema.media_root
        )
    )
    command = [os.environ["SMALTI_JUDGE_PYTHON"], str(JUDGE), store.root.local]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    now = store.read().load()
    objects = [row for sample in now if sample.objects is not None for row in sample.objects.to_list()]
    assert told["rows"] == len(now) == 12
    assert told["classes"] == dict(Counter(row["category"] for row in objects))
    assert told["widest"] == max(row["bbox"]["w"] for row in objects)
    assert "note" in told["columns"]
