"""The plain description of a dataset: what is in it, in a few lines."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from smalti.schema import features

if TYPE_CHECKING:
    from smalti.dataset.dataset import Dataset
    from smalti.dataset.summary import Labels, Summary

CLASSES = 8  # classes named before the rest is counted
NOUNS = {
    "objects": "objects",
    "captions": "captions",
    "conversation": "turns",
    "classification": "classes of samples",
}


def describe(dataset: Dataset) -> str:
    """Samples by split, objects by class for every label field, the columns, where the images are."""
    summary = dataset.summary()
    lines = [f"Dataset({headline(dataset, summary)})"]
    for name, feature in dataset.schema.columns.items():
        if summary.counted and name in summary.labels:
            lines.append(f"  {name}: {_labels(summary.labels[name], feature)}")
    lines.append("  columns: " + ", ".join(f"{name} {f.kind}" for name, f in dataset.schema.columns.items()))
    if dataset.schema.media_root:
        lines.append(f"  images below {dataset.schema.media_root}")
    if facts := identity(summary):
        lines.append(f"  {facts}")
    if left := left_out(summary):
        lines.append(f"  {left}")
    return "\n".join(lines)


def headline(dataset: Dataset, summary: Summary) -> str:
    """How many samples there are, of which splits or of which version of a store."""
    origin = dataset.origin
    parts = splits(summary) if summary.complete else ""
    if not dataset.lazy:
        return f"{summary.samples:,} samples{parts}"
    if origin is None:
        some = "a scan" if summary.samples is None else f"{summary.samples:,} samples"
        return f"{some} of files, read when asked{parts}"
    some = f"{origin.rows:,} samples" if dataset.whole else f"some of {origin.rows:,} samples"
    return f"{some} of version {origin.version} of {origin.url}, read when asked{parts}"


def splits(summary: Summary) -> str:
    """Samples by split; nothing where there are no splits."""
    if set(summary.splits) <= {None}:
        return ""
    return "".join(f", {count:,} {name or 'without split'}" for name, count in summary.splits.items())


def identity(summary: Summary) -> str:
    """The digest and the size, as far as they are known."""
    facts = []
    if summary.digest is not None:
        facts.append(f"digest {summary.digest[:12]}")
    if summary.size is not None:
        facts.append(size(summary.size))
    return ", ".join(facts)


def left_out(summary: Summary) -> str:
    """What was not counted, and how to have it counted; nothing where all was."""
    if summary.complete:
        return ""
    if not summary.counted:
        return "not counted: summary(complete=True) reads it"
    where = f"{summary.counted:,} of {summary.samples:,} samples{splits(summary)}"
    return f"counted in {where}, from files evenly over the whole: summary(complete=True) counts all"


def size(count: int) -> str:
    """Bytes for people."""
    value = float(count)
    for unit in ("bytes", "kB", "MB", "GB"):
        if value < 1000:
            return f"{value:,.0f} {unit}" if unit == "bytes" or value >= 10 else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:,.1f} TB"


def words(column: pa.ChunkedArray) -> dict[str | None, int]:
    """How often each word occurs, in order of appearance."""
    found: Counter[str | None] = Counter()
    for chunk in column.chunks:
        for item in pc.value_counts(chunk).to_pylist():
            found[item["values"]] += item["counts"]
    return dict(found)


def _labels(labels: Labels, feature: features.AnyFeature) -> str:
    text = f"{labels.total:,} {NOUNS[feature.kind]}"
    if labels.classes is not None:
        top = sorted(labels.by_class().items(), key=lambda item: -item[1])
        shown = ", ".join(f"{name} {count:,}" for name, count in top[:CLASSES])
        more = f", {len(top) - CLASSES:,} more" if len(top) > CLASSES else ""
        text += f" of {len(labels.classes):,} classes ({shown}{more})"
    if isinstance(feature, features.Objects):
        text += f"; {', '.join(feature.names)}"
    return "; ".join([text, *lacking(labels)])


def lacking(labels: Labels) -> list[str]:
    """What a label field lacks: classes, objects, annotation."""
    rest = [f"{labels.unnamed:,} without a class"] if labels.unnamed else []
    rest += [f"{_samples(labels.empty)} without any"] if labels.empty else []
    rest += [f"{_samples(labels.missing)} not annotated"] if labels.missing else []
    return rest


def _samples(count: int) -> str:
    return f"{count:,} sample{'' if count == 1 else 's'}"
