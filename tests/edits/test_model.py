"""Any edits on both sides, against a dictionary: what one side changed holds, what both changed is a conflict."""

from __future__ import annotations

import csv
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

import smalti as sm
from smalti.errors import ConflictError

SAMPLES, OBJECTS = 3, 3
CLASSES = ["cat", "dog", "bus"]
VALUES = {
    "category": st.sampled_from(CLASSES),
    "score": st.integers(0, 4).map(lambda n: n / 3),
    "note": st.sampled_from(["", "x", "=1", '"', None]),
}
Place = tuple[int, int, str]


def edits() -> st.SearchStrategy[dict[Place, Any]]:
    """Values for some cells."""
    one = st.sampled_from(sorted(VALUES)).flatmap(
        lambda name: st.tuples(
            st.tuples(st.integers(0, SAMPLES - 1), st.integers(0, OBJECTS - 1), st.just(name)), VALUES[name]
        )
    )
    return st.lists(one, max_size=6).map(dict)


def dataset(cells: dict[Place, Any]) -> sm.Dataset:
    samples = [
        {
            "id": str(s),
            "objects": [
                {"id": s * OBJECTS + o, **{name: cells[s, o, name] for name in VALUES}}
                for o in range(OBJECTS)
            ],
        }
        for s in range(SAMPLES)
    ]
    return sm.Dataset.from_samples(samples, categories=CLASSES)


def typed(path: Path, changes: dict[Place, Any]) -> None:
    """Type values into the cells of a CSV."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.reader(file))
    for (sample, number, name), value in changes.items():
        row = next(
            r
            for r in rows[1:]
            if r[0] == str(sample) and r[rows[0].index("object_id")] == str(sample * OBJECTS + number)
        )
        text = "" if value is None else '""' if value == "" else '"\\""' if value == '"' else str(value)
        row[rows[0].index(name)] = f"'{text}" if text.startswith("=") else text
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(rows)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(ours=edits(), theirs=edits())
def test_merge__is_what_a_dictionary_says(ours: dict[Place, Any], theirs: dict[Place, Any]) -> None:
    base = {
        (s, o, name): {"category": CLASSES[o % 3], "score": o / 3, "note": "x"}[name]
        for s in range(SAMPLES)
        for o in range(OBJECTS)
        for name in VALUES
    }
    ours = {place: value for place, value in ours.items() if value != base[place]}
    theirs = {place: value for place, value in theirs.items() if value != base[place]}
    both = {place for place in ours.keys() & theirs.keys() if ours[place] != theirs[place]}
    with tempfile.TemporaryDirectory() as folder:
        store = sm.Store(Path(folder) / "store")
        store.write(dataset(base))
        table = Path(folder) / "labels.csv"
        store.read().write(table, on_loss="error")
        typed(table, ours)
        if theirs:
            store.write(dataset({**base, **theirs}), message="theirs")
        now = store.read()
        if both:
            found = now.update_from(table, dry_run=True)
            assert len(found.conflicts) == len(both)
            try:
                now.update_from(table)
            except ConflictError as error:
                assert set(error.samples) == {str(sample) for sample, _, _ in both}  # noqa: PT017  # compared, not matched
            else:
                raise AssertionError("both sides changed a cell")
            assert store.read().digest() == now.digest()
        else:
            merged = now.update_from(table)
            assert merged.dataset.digest() == dataset({**base, **theirs, **ours}).digest()
            assert len(merged.edits) == len({p for p in ours if ours[p] != {**base, **theirs}[p]})
