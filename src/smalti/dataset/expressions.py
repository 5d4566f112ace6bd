"""Expressions over columns and object members, with categories as words."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from smalti.errors import SchemaError, listed


def col(name: str) -> pc.Expression:
    """A column, an object member, or with dots a member of it: ``col("bbox.w") > 10``.

    Compare, combine with ``&``, ``|`` and ``~``, use ``isin``, ``is_null`` and arithmetic; a category
    or a split is compared with a word (https://arrow.apache.org/docs/python/generated/pyarrow.dataset.Expression.html).
    """
    return pc.field(*name.split(".")) if "." in name else pc.field(name)


def evaluate(expression: pc.Expression, columns: dict[str, pa.Array]) -> pa.Array:
    """The value of an expression for every row.

    Args:
        expression: What `col` and arithmetic give.
        columns: Arrays of one length by name.

    Raises:
        SchemaError: It names a column that is not there, or compares what cannot be compared.
    """
    import pyarrow.dataset as pads  # it loads pandas where that is installed

    words = {name: _words(column) for name, column in columns.items()}
    table = pa.table(words)
    try:
        found = pads.dataset(table).to_table(columns={"value": expression})
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowTypeError, pa.ArrowKeyError) as error:
        raise SchemaError(
            f"cannot evaluate {expression}: {str(error).splitlines()[0]}; there are {listed(columns, 20)}"
        ) from error
    return found.column("value").combine_chunks()


def mask(expression: pc.Expression, columns: dict[str, pa.Array]) -> pa.Array:
    """Where a condition holds; null counts as no.

    Raises:
        SchemaError: The expression is no condition.
    """
    value = evaluate(expression, columns)
    if isinstance(value, pa.ChunkedArray):
        value = pa.concat_arrays(value.chunks) if value.num_chunks else pa.array([], value.type)
    if not pa.types.is_boolean(value.type):
        raise SchemaError(f"{expression} is no condition but {value.type}")
    return pc.fill_null(value, fill_value=False)


def _words(column: pa.Array) -> pa.Array:
    return column.dictionary_decode() if pa.types.is_dictionary(column.type) else column
