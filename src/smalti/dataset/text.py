"""The plain description of a dataset: what is in it, in a few lines."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from smalti.schema import features

if TYPE_CHECKING:
    from smalti.dataset.dataset import Dataset

CLASSES = 8  # classes named before the rest is counted


def describe(dataset: Dataset) -> str:
    """Samples by split, objects by class for every label field, the columns, where the images are."""
    if dataset.lazy and dataset.origin is not None:
        origin = dataset.origin
        some = f"{origin.rows:,} samples" if dataset.whole else f"some of {origin.rows:,} samples"
        return f"Dataset({some} of version {origin.version} of {origin.url}, read when asked)\n{_columns(dataset)}"
    if dataset.lazy:
        return f"Dataset(a scan of files, read when asked)\n{_columns(dataset)}"
    table = dataset.to_arrow()
    lines = [f"Dataset({table.num_rows:,} samples{_splits(table)})"]
    for name, feature in dataset.schema.columns.items():
        if isinstance(feature, features.Objects):
            lines.append(f"  {name}: {_objects(table.column(name), feature)}")
        elif isinstance(feature, features.Captions):
            texts = pc.sum(pc.list_value_length(table.column(name))).as_py() or 0
            lines.append(f"  {name}: {texts:,} captions")
    lines.append(_columns(dataset))
    if dataset.schema.media_root:
        lines.append(f"  images below {dataset.schema.media_root}")
    return "\n".join(lines)


def _splits(table: pa.Table) -> str:
    if "split" not in table.column_names:
        return ""
    counts = words(table.column("split"))
    return "".join(f", {count:,} {name or 'without split'}" for name, count in counts.items())


def words(column: pa.ChunkedArray) -> dict[str | None, int]:
    """How often each word occurs, in order of appearance."""
    found: Counter[str | None] = Counter()
    for chunk in column.chunks:
        for item in pc.value_counts(chunk).to_pylist():
            found[item["values"]] += item["counts"]
    return dict(found)


def _objects(column: pa.ChunkedArray, feature: features.Objects) -> str:
    lengths = pc.list_value_length(column)
    total = pc.sum(lengths).as_py() or 0
    text = f"{total:,} objects"
    if "category" in feature.members:
        counts = class_counts(column, feature)
        top = sorted(counts.items(), key=lambda item: -item[1])
        shown = ", ".join(f"{name} {count:,}" for name, count in top[:CLASSES])
        more = f", {len(top) - CLASSES} more" if len(top) > CLASSES else ""
        text += f" of {len(feature.categories)} classes ({shown}{more})"
    text += f"; {', '.join(feature.names)}"
    empty = pc.sum(pc.equal(lengths, 0)).as_py() or 0
    rest = [f"{empty:,} samples without objects"] if empty else []
    rest += [f"{column.null_count:,} samples not annotated"] if column.null_count else []
    return "; ".join([text, *rest])


def class_counts(column: pa.ChunkedArray, feature: features.Objects) -> dict[str, int]:
    """Objects of each class, in the class table's order."""
    counts: Counter[int] = Counter()
    for chunk in column.chunks:
        codes = chunk.flatten().field("category").indices
        counts.update({item["values"]: item["counts"] for item in pc.value_counts(codes).to_pylist()})
    return {value: counts[code] for code, value in enumerate(feature.categories.values)}


def object_counts(dataset: Dataset) -> dict[str, dict[str, int]]:
    """Objects by class for every label field that has classes."""
    table = dataset.to_arrow()
    return {
        name: class_counts(table.column(name), feature)
        for name, feature in dataset.schema.columns.items()
        if isinstance(feature, features.Objects) and "category" in feature.members
    }


def _columns(dataset: Dataset) -> str:
    return "  columns: " + ", ".join(f"{name} {f.kind}" for name, f in dataset.schema.columns.items())
