"""Laws of readers and writers: they go in parts, in any order, in any process."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from smalti.formats import options as format_options
from smalti.schema import features
from smalti.storage.location import Location
from smalti.testing.base import Base
from smalti.testing.examples import everything

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from smalti.formats.protocol import PartRead, Plan, Reader
    from smalti.schema.schema import Schema


class ReaderLaws(Base):
    """A plan and its parts are all that a worker needs, and a part less is a part less."""

    def test_parts__give_the_batches_that_the_plan_says(self, tmp_path: Path) -> None:
        """Every batch has the plan's schema and number of samples, and is valid Arrow."""
        reader, plan = self._planned(tmp_path)
        for part in plan.parts:
            batch = reader.read(part, plan.schema).batch
            batch.validate(full=True)
            assert batch.schema.equals(plan.schema.arrow), f"{batch.schema}\n{plan.schema.arrow}"
            assert part.samples in {0, len(batch)}, part

    def test_parts__read_by_a_worker_in_another_order_are_the_same(self, tmp_path: Path) -> None:
        """Reader, parts and schema pickle; no part depends on those before it."""
        reader, plan = self._planned(tmp_path)
        here = [reader.read(part, plan.schema) for part in plan.parts]
        schema = pickle.loads(pickle.dumps(plan.schema))  # noqa: S301  # our own
        there = []
        for part in reversed(plan.parts):
            worker, its = pickle.loads(pickle.dumps((reader, part)))  # noqa: S301  # our own
            there.append(worker.read(its, schema))
        for one, other in zip(here, reversed(there), strict=True):
            assert one.batch.equals(other.batch)
            assert one.counts == other.counts

    def test_parts__a_writer_pickles(self) -> None:
        """A worker gets the writer, and wants the same of it."""
        writer_class = self.under_test.writer
        assert writer_class is not None, f"{self.format} cannot be written"
        options = format_options.parse(self.under_test, self._of("write"), "write")
        writer = writer_class(everything().schema, options)
        copy = pickle.loads(pickle.dumps(writer))  # noqa: S301  # our own
        assert copy.wants() == writer.wants()
        assert copy.losses() == writer.losses()

    def test_projection__counts_what_it_does_not_read(self, tmp_path: Path) -> None:
        """Without a field, the rest is the same, and the part says how many values the field has."""
        reader, plan = self._planned(tmp_path)
        for part in plan.parts:
            whole = reader.read(part, plan.schema)
            for schema in _projections(plan.schema):
                read = reader.read(part, schema)
                assert read.batch.schema.equals(schema.arrow), f"{read.batch.schema}\n{schema.arrow}"
                assert _flat(read.batch, schema) == {
                    field: value
                    for field, value in _flat(whole.batch, plan.schema).items()
                    if field in _held(schema)
                }
                expected = _counts(whole, plan.schema, schema)
                found = {field: read.counts.get(field, 0) for field in expected}
                assert found == expected, f"counts without {set(plan.schema.fields()) - set(schema.fields())}"

    def test_projection__names_an_example_of_what_it_does_not_read(self, tmp_path: Path) -> None:
        """Where a part counts values that it leaves out, it names the place of one."""
        reader, plan = self._planned(tmp_path)
        for part in plan.parts:
            read = reader.read(part, plan.schema.project({"id"}))
            counted = {field for field, count in read.counts.items() if count and field != "image"}
            assert not (counted - set(read.examples)), "fields that are counted, but have no example"

    def _planned(self, folder: Path) -> tuple[Reader[Any], Plan]:
        """A reader of a written dataset with all that the format keeps, and its plan."""
        target = folder / self.target
        self.write(self.with_images(everything(), folder / "images"), target)
        reader_class = self.under_test.reader
        assert reader_class is not None, f"{self.format} cannot be read"
        options = format_options.parse(self.under_test, self._of("read"), "read")
        reader = reader_class(Location.parse(target), None, options, "raise")
        return reader, reader.plan()


def _projections(schema: Schema) -> Iterator[Schema]:
    """The schema without each of its fields, without any member of each object field, and with ids alone."""
    fields = schema.fields()
    for name in fields:
        if name != "id":
            yield schema.project(set(fields) - {name})
    for column in schema.of_kind(features.Objects):
        yield schema.project({name for name in fields if not name.startswith(f"{column}.")} | {column})
    yield schema.project({"id"})


def _held(schema: Schema) -> set[str]:
    return set(schema.fields()) | set(schema.of_kind(features.Objects))


def _flat(batch: pa.RecordBatch, schema: Schema) -> dict[str, Any]:
    """Values by field; an object field's bare name gives the numbers of its objects."""
    found: dict[str, Any] = {}
    for name, feature in schema.columns.items():
        column = batch.column(name)
        if isinstance(feature, features.Objects):
            found[name] = pc.list_value_length(column).to_pylist()
            objects = column.flatten()
            for index, member in enumerate(feature.names):
                found[f"{name}.{member}"] = pc.struct_field(objects, [index]).to_pylist()
        else:
            found[name] = column.to_pylist()
    return found


def _counts(whole: PartRead, schema: Schema, projected: Schema) -> dict[str, int]:
    """How many values the fields have that a projection leaves out."""
    values = _flat(whole.batch, schema)
    counts = {}
    for field in (_held(schema) - _held(projected)) - {"id", "image"}:  # these are never a loss
        objects = isinstance(schema.columns.get(field), features.Objects)
        counts[field] = (
            sum(n or 0 for n in values[field]) if objects else sum(v is not None for v in values[field])
        )
    return counts
