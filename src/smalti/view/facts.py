"""What is said of a label field, for HTML and for terminals: how many there are of each class in each split."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from smalti.dataset.text import NOUNS, lacking
from smalti.view.text import one_line

if TYPE_CHECKING:
    from smalti.dataset.summary import Labels
    from smalti.schema.features import AnyFeature

CLASSES = 12  # rows of a table of classes
SPLITS = 6  # columns of it


@dataclass(frozen=True, slots=True)
class ClassRow:
    """A row of a table of classes.

    Attributes:
        name: The class; null for the row that sums up the rest.
        said: What stands in the first column.
        counts: By split, where there are several.
        total: Of all splits.
        share: Of the most frequent class's total; 0 for the rest.
    """

    name: str | None
    said: str
    counts: tuple[int, ...]
    total: int
    share: float


def labels_line(feature: AnyFeature, labels: Labels) -> str:
    """How many labels there are, and how many samples have none."""
    return "; ".join([f"{labels.total:,} {NOUNS[feature.kind]}", *lacking(labels)])


def class_table(labels: Labels, splits: list[str | None]) -> tuple[list[str], list[ClassRow]]:
    """The head and the rows of a table of classes, the frequent ones first, the rest in one row."""
    totals = labels.by_class()
    ranked = sorted(totals, key=lambda one: -totals[one])
    most = max(totals.values(), default=0) or 1
    several = splits if 1 < len(splits) <= SPLITS else []
    columns = labels.classes or {}
    rows = [
        ClassRow(
            one,
            one_line(one, 60),
            tuple(columns[one].get(split, 0) for split in several),
            totals[one],
            totals[one] / most,
        )
        for one in ranked[:CLASSES]
    ]
    if others := ranked[CLASSES:]:
        sums = tuple(sum(columns[one].get(split, 0) for one in others) for split in several)
        least, top = min(totals[one] for one in others), totals[others[0]]
        said = f"{len(others):,} more classes, each {least:,} to {top:,}"
        rows.append(ClassRow(None, said, sums, sum(totals[one] for one in others), 0.0))
    return [
        f"{len(totals):,} class{'' if len(totals) == 1 else 'es'}",
        *(one_line(split or "without split", 24) for split in several),
        "all",
    ], rows
