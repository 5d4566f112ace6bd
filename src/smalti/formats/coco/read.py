"""Read COCO: the skeleton once, then part by part what only a part needs."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from smalti.errors import DataError
from smalti.formats.coco.load import Loaded, load
from smalti.formats.coco.options import CocoOptions
from smalti.formats.coco.sections import NOTHING, OBJECT
from smalti.formats.coco.shapes import Shapes, shapes
from smalti.formats.protocol import Part, PartRead, Plan, Reader
from smalti.schema import features

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from smalti.formats.coco.labels import Labels
    from smalti.schema.schema import Schema

SAMPLES = 8192  # of a part
BYTES = 1 << 25  # of a part's geometry, some
_SOURCES = {"polygons": "segmentation", "mask": "segmentation", "keypoints": "keypoints"}


class CocoReader(Reader[CocoOptions]):
    """Reads COCO files; see `smalti.formats.coco`."""

    _loaded: Loaded | None = None

    def __getstate__(self) -> dict[str, Any]:
        """Without the skeleton: a worker decodes its own."""
        return {**self.__dict__, "_loaded": None}

    def plan(self) -> Plan:
        loaded = self._load()
        return Plan(
            schema=loaded.schema,
            parts=[
                Part(key=(start, stop), samples=stop - start)
                for start, stop in itertools.pairwise(_cuts(loaded))
            ],
            repairs=loaded.repairs,
            errors=loaded.errors,
            objects_skipped=loaded.objects_skipped,
            samples_skipped=loaded.samples_skipped,
        )

    def _load(self) -> Loaded:
        if self._loaded is None:
            self._loaded = load(self.root, self.media, self.options, skip=self.on_error == "skip")
        return self._loaded

    def read(self, part: Part, schema: Schema) -> PartRead:
        loaded = self._load()
        start, stop = part.key
        columns: list[pa.Array] = []
        counts: dict[str, int] = {}
        examples: dict[str, str] = {}
        repairs, errors = [], []
        for name, feature in loaded.schema.columns.items():
            wanted = schema.columns.get(name)
            if name not in loaded.fields:
                values = loaded.samples.columns[name].slice(start, stop - start)
                if wanted is not None:
                    columns.append(values)
                else:
                    counts[name] = len(values) - values.null_count
                    if counts[name]:
                        first = pc.index(values.is_valid(), pa.scalar(True)).as_py()
                        examples[name] = loaded.samples.columns["id"][start + first].as_py()
                continue
            field = _PartField(name, loaded.fields[name], start, stop, loaded.samples.columns["id"])
            field.count(wanted, feature, counts, examples)
            if wanted is not None:
                column, found = field.column(wanted)
                if errors_here := field.errors(found):
                    if self.on_error == "raise":
                        raise errors_here[0]
                    errors += errors_here
                repairs += found.repairs()
                columns.append(column)
        order = [name for name in loaded.schema.columns if name in schema.columns]
        by_name = dict(zip(order, columns, strict=True))
        return PartRead(
            batch=pa.RecordBatch.from_arrays([by_name[name] for name in schema.columns], schema=schema.arrow),
            counts=counts,
            examples=examples,
            repairs=repairs,
            errors=errors,
            objects_skipped=len(errors),
        )


def _cuts(loaded: Loaded) -> list[int]:
    """Where parts start, and the end of the last: of so many samples, or fewer with much geometry."""
    count = len(loaded.samples)
    before = np.zeros(count + 1, np.int64)  # bytes of geometry before each sample
    for field in loaded.fields.values():
        for texts in field.texts.values():
            ends = np.cumsum(texts.length[field.order])
            before += np.concatenate([[0], ends])[field.offsets]
    cuts = [0]
    while (start := cuts[-1]) < count:
        full = int(np.searchsorted(before, before[start] + BYTES, side="right")) - 1
        cuts.append(min(start + SAMPLES, max(full, start + 1), count))
    return cuts


class _PartField:
    """One label field of one part: its samples ``start:stop``, and their objects."""

    def __init__(self, name: str, labels: Labels, start: int, stop: int, ids: pa.Array) -> None:
        self.name = name
        self.labels = labels
        self.samples = slice(start, stop)
        self.ids = ids
        self.first, self.last = int(labels.offsets[start]), int(labels.offsets[stop])
        self.size = self.last - self.first
        self.rows = labels.order[self.first : self.last]

    def count(self, wanted: Any, feature: Any, counts: dict[str, int], examples: dict[str, str]) -> None:
        """Count what is not wanted, without decoding it."""
        names = feature.names if isinstance(feature, features.Objects) else ()
        if wanted is None:
            counts[self.name] = self.size if names else int(self.labels.annotated[self.samples].sum())
            if self.size:
                examples[self.name] = self._named(0)
        taken = wanted.names if isinstance(wanted, features.Objects) else ()
        for member in names:
            if member in taken:
                continue
            there = self._there(member)
            total = int(np.count_nonzero(there))
            counts[f"{self.name}.{member}"] = total
            if total:
                examples[f"{self.name}.{member}"] = self._named(int(np.argmax(there)))

    def _there(self, member: str) -> NDArray[np.bool_]:
        """Which objects have a value."""
        if member in self.labels.columns:
            column = self.labels.columns[member]
            if not column.null_count:
                return np.ones(self.size, np.bool_)
            return np.asarray(
                column.is_valid().take(pa.array(self.rows)).to_numpy(zero_copy_only=False), np.bool_
            )
        if _SOURCES.get(member) not in self.labels.texts:
            return np.zeros(self.size, np.bool_)
        firsts = self.labels.texts[_SOURCES[member]].first[self.rows]
        if member == "mask":
            return firsts == OBJECT
        if member == "polygons":
            return (firsts != OBJECT) & (firsts != NOTHING)
        return firsts != NOTHING

    def _sample(self, row: int) -> str:
        sample = int(np.searchsorted(self.labels.offsets, self.first + row, side="right")) - 1
        return str(self.ids[sample].as_py())

    def _named(self, row: int) -> str:
        """An object, so that it can be found."""
        numbers = self.labels.columns.get("id")
        number = None if numbers is None else numbers[int(self.rows[row])].as_py()
        sample = self._sample(row)
        return sample if number is None else f"{sample}, id {number}"

    def errors(self, found: Shapes) -> list[DataError]:
        """The objects that are at fault, in the part's order."""
        errors = []
        for row in sorted(found.faults):
            place, reason = found.faults[row]
            file, position = self.labels.position(self.first + row, place)
            errors.append(DataError(reason, file=file, position=position, sample=self._sample(row)))
        return errors

    def column(self, wanted: Any) -> tuple[pa.ListArray, Shapes]:
        """The field's column, and what its raw texts held."""
        labels = self.labels
        annotated = labels.annotated[self.samples]
        offsets = labels.offsets[self.samples.start : self.samples.stop + 1] - self.first
        captions = isinstance(wanted, features.Captions)
        names = [field.name for field in wanted.arrow.value_type]
        found = Shapes() if captions else self._shapes(names)
        children = [self._child(name, wanted, found) for name in names]
        struct = pa.Array.from_buffers(wanted.arrow.value_type, self.size, [None], children=children)
        if found.faults:
            keep = np.ones(self.size, np.bool_)
            keep[list(found.faults)] = False
            struct = struct.filter(pa.array(keep))
            offsets = np.concatenate([[0], np.cumsum(keep)])[offsets]
        mask = None if annotated.all() else pa.array(~annotated)
        return (
            pa.ListArray.from_arrays(
                pa.array(offsets.astype(np.int32)), struct, type=wanted.arrow, mask=mask
            ),
            found,
        )

    def _shapes(self, names: list[str]) -> Shapes:
        labels = self.labels
        wanted = [name for name in names if name in _SOURCES and name not in labels.columns]
        keys = {_SOURCES[name] for name in wanted if _SOURCES[name] in labels.texts}
        texts = {key: labels.texts[key].take(self.rows) for key in keys}
        return shapes(texts, [name for name in wanted if _SOURCES[name] in keys])

    def _child(self, name: str, wanted: Any, found: Shapes) -> pa.Array:
        if name in found.arrays:
            return found.arrays[name]
        column = self.labels.columns.get(name)
        kind = wanted.arrow.value_type.field(name).type
        if column is None:  # a field without any object has the usual members
            return pa.nulls(self.size, kind)
        values = column.take(pa.array(self.rows))
        if name == "category":
            return wanted.categories.encode(values)
        return values
