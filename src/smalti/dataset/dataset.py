"""Dataset: an immutable table of samples and its schema, with the verbs that people type."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from smalti._extras import require
from smalti.dataset import build, columns, glance, leaves, objects, rows, text
from smalti.dataset.digest import digest
from smalti.dataset.doors import Doors
from smalti.dataset.mapped import mapped
from smalti.dataset.scan import scan
from smalti.dataset.source import Source
from smalti.dataset.summary import summarize
from smalti.errors import SchemaError
from smalti.schema.schema import Schema
from smalti.schema.unify import conform

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    import pyarrow.compute as pc

    from smalti.dataset.source import Origin
    from smalti.dataset.summary import Summary
    from smalti.schema.categories import Categories
    from smalti.schema.features import AnyFeature
    from smalti.schema.sample import Sample


class Dataset(Doors):
    """Samples and what their columns mean.

    Every verb gives a new dataset. One that scans Parquet files stays lazy as long as its verbs go
    batch by batch; sorting, shuffling and taking rows read it.

    Attributes:
        schema: What the columns mean, the class tables, where images are.
        report: The account of the reading it comes from; null for one made otherwise.
    """

    __slots__ = ("_count", "_held", "_source", "_summary", "report", "schema")

    def __init__(self, source: Source, schema: Schema, report: Any = None) -> None:
        self._source = source
        self._count: int | None = None
        self._summary: Summary | None = None
        self._held: pa.Table | None = None  # the rows of a scan, once one was asked for by its position
        self.schema = schema
        self.report = report

    @classmethod
    def from_arrow(cls, data: Any, schema: Schema | None = None, report: Any = None) -> Dataset:
        """A dataset of an Arrow table, or of anything with ``__arrow_c_stream__``.

        Args:
            data: The rows; a column ``id`` of unique text has to be there.
            schema: What they mean; null: what the table's metadata say.
            report: The account to carry along.

        Raises:
            SchemaError: There is no column ``id``, or a type is not that of its feature.
        """
        table = data if isinstance(data, pa.Table) else pa.table(data)
        if "id" not in table.column_names:
            raise SchemaError(f"a dataset needs a column 'id'; there are {', '.join(table.column_names)}")
        known = schema or Schema.from_arrow(table.schema)
        if table.schema != known.arrow:
            table = table.select(list(known.columns)).cast(known.arrow)
        table = conform(table, known, known)  # engines reorder the words of dictionaries; codes are positions
        return cls(Source(table=table.replace_schema_metadata(known.metadata)), known, report)

    @classmethod
    def from_samples(
        cls,
        samples: Iterable[Sample | Mapping[str, Any]],
        *,
        categories: Categories | Sequence[str] | None = None,
        media_root: str | None = None,
    ) -> Dataset:
        """A dataset of samples; see `smalti.dataset.build.from_samples`."""
        table, schema = build.from_samples(samples, categories, media_root)
        return cls(Source(table=table), schema)

    @classmethod
    def scan(cls, paths: Any) -> Dataset:
        """A lazy dataset over Parquet files: rows are read when they are asked for; see `smalti.dataset.scan`."""
        source, schema = scan(paths)
        return cls(source, schema)

    # Looking

    @property
    def lazy(self) -> bool:
        """Whether rows are read only when they are asked for."""
        return self._source.lazy

    @property
    def origin(self) -> Origin | None:
        """The version of a store that the rows come from, also after verbs; null for others."""
        return self._source.origin

    @property
    def whole(self) -> bool:
        """Whether these are all samples and columns of a version of a store, as they are in its files."""
        return self._source.whole

    @property
    def columns(self) -> list[str]:
        """The names of the columns."""
        return list(self.schema.columns)

    @property
    def categories(self) -> Categories:
        """The class table of the first label field that has one.

        Raises:
            SchemaError: No column has classes.
        """
        for feature in self.schema.columns.values():
            if hasattr(feature, "categories"):
                return feature.categories
        raise SchemaError("no column has categories")

    @property
    def splits(self) -> dict[str | None, int]:
        """Samples by split; those without one under null."""
        if "split" not in self.schema.columns:
            return {None: len(self)}
        table = self._source.only(["split"]).read(pa.schema([self.schema.arrow.field("split")]))
        return text.words(table.column("split"))

    def __len__(self) -> int:
        if self._count is None:
            self._count = self._source.rows()
        return self._count

    def __iter__(self) -> Iterator[Sample]:
        for batch in self._source.batches(1024):
            yield from build.to_samples(batch, self.schema)

    def __getitem__(self, key: int | slice) -> Any:
        """A sample by position, or a dataset by a slice."""
        if isinstance(key, slice):
            start, stop, step = key.indices(len(self))
            if step == 1 and not self.lazy:
                return self._with(self.to_arrow().slice(start, max(stop - start, 0)))
            return self.take(range(start, stop, step))
        count = len(self)
        if not -count <= key < count:
            raise IndexError(f"sample {key} of {count}")
        row = self._table().slice(key % count, 1).combine_chunks().to_batches()[0]
        return build.to_samples(row, self.schema)[0]

    def __repr__(self) -> str:
        return text.describe(self)

    def summary(self, *, complete: bool = False) -> Summary:
        """Samples by split, objects by class, size, digest, as far as they are known at a glance.

        Of a large store some files are counted, evenly over it, and of other scans nothing: `Summary.counted` says of
        how many samples the numbers are.

        Args:
            complete: Count everything and make the digest, reading what that takes, batch by batch.
        """
        known = self._summary
        if known is None or (complete and not (known.complete and known.digest)):
            self._summary = summarize(self._source, self.schema, complete=complete)
        return self._summary  # type: ignore[return-value]  # it has just been made

    def glance(self, n: int = 8) -> list[Sample]:
        """At most so many samples, evenly over all; of a scan with conditions or changes the first ones."""
        return glance.some(self._source, self.schema, n)

    def digest(self) -> str:
        """SHA-256 of the logical content: the dataset's name everywhere; see docs/design/digest.md."""
        if self.whole and self._source.origin:
            return self._source.origin.digest
        return digest(self._source.batches(), self.schema)

    # Columns

    def select(self, names: Iterable[str]) -> Dataset:
        """Only those columns (and ``id``), in that order."""
        schema = columns.selected(self.schema, names)
        return self._derived(self._source.only(list(schema.columns)), schema)

    def drop(self, names: Iterable[str]) -> Dataset:
        """All columns but those."""
        gone = set(columns.known(self.schema, names))
        return self.select([name for name in self.columns if name not in gone])

    def rename(self, names: Mapping[str, str]) -> Dataset:
        """Columns under other names."""
        schema = columns.renamed(self.schema, names)
        return self._derived(self._source.apply(columns.set_names(schema)), schema)

    def with_column(self, name: str, values: Any, feature: AnyFeature | None = None) -> Dataset:
        """Add a column, or replace one.

        Args:
            name: Its name.
            values: An expression of `col`, a function of a record batch, or a value for every sample.
            feature: What it means; null: a plain value of the type found.

        Raises:
            SchemaError: There are too few or too many values, or they are not of the feature's type.
        """
        if not callable(values) and not hasattr(values, "cast"):
            values = pa.array(values)
        if isinstance(values, (pa.Array, pa.ChunkedArray)):
            return self._with_values(name, values, feature)
        if feature is None:
            first = next(self._source.batches(1), None)
            sample = pa.array([]) if first is None else columns.column_of(values, first)
            feature = columns.plain(sample.type, name)
        schema = self.schema.with_columns({**self.schema.columns, name: feature})
        return self._derived(self._source.apply(columns.set_column(name, values, schema)), schema)

    def _with_values(self, name: str, values: Any, feature: AnyFeature | None) -> Dataset:
        if len(values) != len(self):
            raise SchemaError(f"column {name!r} has {len(values)} values for {len(self)} samples")
        feature = feature or columns.plain(values.type, name)
        schema = self.schema.with_columns({**self.schema.columns, name: feature})
        taken = 0

        def part(batch: pa.RecordBatch) -> pa.Array:
            nonlocal taken
            piece = values.slice(taken, len(batch))
            taken += len(batch)
            return piece.combine_chunks() if isinstance(piece, pa.ChunkedArray) else piece

        source = self._source.holding(self.to_arrow())
        return self._derived(source.apply(columns.set_column(name, part, schema)), schema)

    # Rows

    def filter(self, expression: pc.Expression) -> Dataset:
        """The samples for which a condition holds: ``ds.filter(sm.col("split") == "train")``."""
        return self._derived(self._source.filter(expression, rows.keep_rows(expression)), self.schema)

    def sort(self, by: str | Sequence[str], *, descending: bool = False) -> Dataset:
        """The samples in the order of columns; nulls last."""
        table = self.to_arrow()
        names = [by] if isinstance(by, str) else list(by)
        return self._with(table.take(pa.array(rows.sort_order(table, names, descending))))

    def shuffle(self, seed: int) -> Dataset:
        """The samples in a random order, the same for the same seed."""
        return self.take(rows.shuffled(len(self), seed))

    def take(self, indices: Any) -> Dataset:
        """Samples by position, in that order; negative positions count from the end."""
        return self._with(rows.take_rows(self.to_arrow(), np.asarray(indices, np.int64)))

    def concat(self, *others: Dataset) -> Dataset:
        """This dataset, then others; see `smalti.dataset.rows.concat`."""
        return rows.concat([self, *others])

    # Objects

    def objects(self, field: str = "objects", columns: Sequence[str] = ()) -> pa.Table:
        """The flat table: one row an object, with its sample's id and any of its sample's columns."""
        return objects.flat(self._source.batches(), self.schema, field, columns)

    def filter_objects(self, expression: pc.Expression, field: str = "objects") -> Dataset:
        """Only the objects for which a condition holds; samples stay, also those left without any.

        Members go by their names (``sm.col("area") > 32**2``, ``sm.col("bbox.w")``).
        """
        step = objects.keep_objects(expression, field, self.schema.objects(field))
        return self._derived(self._source.apply(step), self.schema)

    def map_categories(self, names: Mapping[str, str | None], field: str = "objects") -> Dataset:
        """Classes renamed or merged; those that become null go with their objects."""
        feature = self.schema.objects(field)
        categories, codes = objects.mapped(feature.categories, names)
        new = feature.model_copy(update={"categories": categories})
        schema = self.schema.with_columns({**self.schema.columns, field: new})
        return self._derived(self._source.apply(objects.recode(field, categories, codes, schema)), schema)

    # Handing over

    def to_arrow(self) -> pa.Table:
        """All rows as one Arrow table, with the schema in its metadata."""
        return self._source.read(self.schema.arrow)

    def to_batches(
        self, max_rows: int | None = None, fields: Iterable[str] | None = None
    ) -> Iterator[pa.RecordBatch]:
        """The rows part by part.

        Args:
            max_rows: How many a batch has at the most; null: as many as come.
            fields: Columns, and members of objects by their dotted names (``objects.bbox``): files are not read for
                others. Null: all.
        """
        if fields is None:
            return self._source.batches(max_rows)
        return leaves.batches(self._source, self.schema.project(set(fields)), max_rows)

    def load(self) -> Dataset:
        """The same dataset in memory."""
        return self if not self.lazy else self._with(self.to_arrow())

    def mapped(self) -> Dataset:
        """The same dataset with any row at hand; for random access, which files in columns are slow at.

        A version of a store is read from a local file that is made once, mapped into memory and shared by all
        processes (`smalti.dataset.mapped`); anything else is loaded.

        Raises:
            OSError: The local file cannot be made.
        """
        return self._with(self._table())

    def _table(self) -> pa.Table:
        if not self.lazy:
            return self.to_arrow()
        if self._held is None:
            self._held = mapped(self._source, self.schema) if self.whole else self.to_arrow()
        return self._held

    def to_pandas(self) -> Any:
        """A pandas DataFrame; categories are words.

        Raises:
            MissingExtraError: pandas is not installed.
        """
        require("pandas", "pandas")
        return self.to_arrow().to_pandas()

    def to_polars(self) -> Any:
        """A Polars DataFrame; categories are words.

        Raises:
            MissingExtraError: Polars is not installed.
        """
        return require("polars", "polars").from_arrow(self.to_arrow())

    def shards(self, rows: int = 1024) -> list[Dataset]:
        """The samples in pieces that other workers can read by themselves.

        Args:
            rows: Samples of a piece of a dataset in memory; a scan's pieces are the row groups of its files.
        """
        return [Dataset(source, self.schema) for source in self._source.parts(rows)]

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        if not self.lazy:
            return self.to_arrow().__arrow_c_stream__(requested_schema)
        reader = pa.RecordBatchReader.from_batches(self.schema.arrow, self._source.batches())
        return reader.__arrow_c_stream__(requested_schema)

    def _derived(self, source: Source, schema: Schema) -> Dataset:
        return Dataset(source, schema)

    def _with(self, table: pa.Table) -> Dataset:
        return Dataset(self._source.holding(table), self.schema)
