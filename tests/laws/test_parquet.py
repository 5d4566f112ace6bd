from __future__ import annotations

from smalti.schema.features import OBJECT_MEMBERS
from smalti.testing import FormatSuite, Shape
from smalti.testing.strategies import ATTRIBUTES


class TestParquet(FormatSuite):
    format = "parquet"
    holds_images = False
    shape = Shape(
        members=tuple(OBJECT_MEMBERS),
        attributes=ATTRIBUTES,
        nullable=frozenset(OBJECT_MEMBERS),
        exclusive=(),
        columns=ATTRIBUTES,
    )


class TestParquetInOneFile(FormatSuite):
    format = "parquet"
    holds_images = False
    target = "out.parquet"
