"""The store against a plain dictionary: whatever is done in whatever order, every version reads as it was."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule

import smalti as sm
from smalti.store import commit, files
from smalti.testing import strategies

if TYPE_CHECKING:
    from collections.abc import Iterator

GOLDEN = Path(__file__).parents[1] / "golden"
NAMES = [f"{letter}.jpg" for letter in "abcdefgh"]


def dataset(rows: dict[str, float]) -> sm.Dataset:
    samples = [
        {
            "id": name,
            "split": "val" if value > 5 else "train",
            "objects": [{"category": "car", "bbox": [0, 0, value, 1]}],
        }
        for name, value in rows.items()
    ]
    if not samples:
        return dataset({"x": 1.0}).filter(sm.col("id") == "none")
    return sm.Dataset.from_samples(samples, categories=["car"])


def rows_of(found: sm.Dataset) -> dict[str, float]:
    table = found.to_arrow().select(["id", "objects"]).to_pylist()
    return {row["id"]: row["objects"][0]["bbox"]["w"] for row in table}


values = st.floats(1, 10, allow_nan=False)
subsets = st.lists(st.sampled_from(NAMES), min_size=1, unique=True)


class StoreMachine(RuleBasedStateMachine):
    versions = Bundle("versions")

    @initialize(target=versions, names=subsets, value=values)
    def begin(self, names: list[str], value: float) -> int:
        self.folder = tempfile.mkdtemp()
        self.store = sm.Store(Path(self.folder) / "store")
        self.known: dict[int, dict[str, float]] = {}
        return self._is(self.store.write(dataset(dict.fromkeys(names, value))), dict.fromkeys(names, value))

    def teardown(self) -> None:
        shutil.rmtree(getattr(self, "folder", ""), ignore_errors=True)

    def _now(self) -> dict[str, float]:
        return self.known[max(self.known)]

    def _is(self, made: Any, expected: dict[str, float]) -> int:
        self.known[made.version] = expected
        return int(made.version)

    @rule(target=versions, names=subsets, value=values)
    def append(self, names: list[str], value: float) -> int:
        new = {name: value for name in names if name not in self._now()}
        assume(new)
        return self._is(self.store.append(dataset(new)), {**self._now(), **new})

    @rule(names=subsets, value=values)
    def append_refused(self, names: list[str], value: float) -> None:
        assume(set(names) & set(self._now()))
        with pytest.raises(sm.errors.DataError, match="are there already"):
            self.store.append(dataset(dict.fromkeys(names, value)))

    @rule(target=versions, names=subsets, value=values)
    def replace(self, names: list[str], value: float) -> int:
        new = dict.fromkeys(names, value)
        return self._is(self.store.replace(dataset(new)), new)

    @rule(target=versions, names=subsets, value=values)
    def upsert(self, names: list[str], value: float) -> int:
        new = dict.fromkeys(names, value)
        return self._is(self.store.update(dataset(new), upsert=True), {**self._now(), **new})

    @rule(target=versions, names=subsets)
    def delete(self, names: list[str]) -> int:
        kept = {name: value for name, value in self._now().items() if name not in names}
        return self._is(self.store.delete(sm.col("id").isin(names)), kept)

    @rule(target=versions)
    def delete_split(self) -> int:
        kept = {name: value for name, value in self._now().items() if value <= 5}
        return self._is(self.store.delete(sm.col("split") == "val"), kept)

    @rule(target=versions, version=versions)
    def restore(self, version: int) -> int:
        assume(version in self.known)
        return self._is(self.store.restore(version), self.known[version])

    @rule()
    def compact(self) -> None:
        made = self.store.compact()
        if made is not None:
            self._is(made, self._now())

    @rule(keep=st.integers(1, 4))
    def prune(self, keep: int) -> None:
        self.store.prune(keep=keep, dry_run=False)
        self.known = {number: self.known[number] for number in sorted(self.known)[-keep:]}

    @rule(version=versions)
    def read(self, version: int) -> None:
        assume(version in self.known)
        found = self.store.read(version)
        assert rows_of(found) == self.known[version]
        assert len(found) == len(self.known[version])
        assert found.digest() == dataset(self.known[version]).digest() == found.load().digest()
        val = found.filter(sm.col("split") == "val")
        assert set(rows_of(val)) == {name for name, value in self.known[version].items() if value > 5}

    @rule(one=versions, two=versions)
    def diff(self, one: int, two: int) -> None:
        assume(one in self.known and two in self.known)
        a, b = self.known[one], self.known[two]
        told = self.store.diff(one, two)
        assert told.added == sorted(set(b) - set(a))
        assert told.removed == sorted(set(a) - set(b))
        assert told.changed == sorted(name for name in set(a) & set(b) if a[name] != b[name])

    @invariant()
    def newest_is_known(self) -> None:
        if hasattr(self, "known"):
            assert [v.version for v in self.store.versions()] == sorted(self.known)
            assert self.store.versions()[-1].rows == len(self._now())
            assert self.store.check(deep=False)


@pytest.fixture(autouse=True, scope="module")
def _small() -> Iterator[None]:
    """Files of two samples and lists of three files, so that everything there is happens."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(files, "FILE_ROWS", 2)
        patch.setattr(files.parquet_file, "ROW_GROUP", 2)
        patch.setattr(files.parquet_file.gathered, "__defaults__", (2,))
        patch.setattr(commit, "LISTED", 3)
        yield


StoreMachine.TestCase.settings = settings(
    max_examples=25, stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck)
)
TestStore = StoreMachine.TestCase


@given(data=st.data())
@settings(max_examples=40, deadline=None)
def test_round_trip__any_dataset(data: st.DataObject) -> None:
    shape = data.draw(strategies.shapes())
    generated = data.draw(strategies.datasets(shape))
    with tempfile.TemporaryDirectory() as folder:
        store = sm.Store(Path(folder) / "store")
        made = store.write(generated)
        back = store.read()
        assert back.schema == generated.schema
        assert back.digest() == made.digest == generated.digest() == back.load().digest()
        assert back.to_arrow().schema.equals(generated.schema.arrow, check_metadata=True)
        assert store.check()


@pytest.mark.parametrize("folder", sorted(path for path in GOLDEN.iterdir()), ids=lambda path: path.name)
def test_round_trip__every_fixture(folder: Path, tmp_path: Path) -> None:
    met = 0
    for number, case in enumerate([folder, *sorted(path for path in folder.iterdir() if path.is_dir())]):
        try:
            found = sm.read(case, progress=False)
        except (LookupError, ValueError):
            continue  # a folder of cases, or one that the format refuses
        store = sm.Store(tmp_path / str(number))
        store.write(found)
        assert store.read().load().digest() == found.digest()
        assert store.read().schema == found.schema.storable
        met += 1
    assert met
