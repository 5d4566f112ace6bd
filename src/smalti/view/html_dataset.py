"""HTML of a dataset: counts by split and class, thumbnails with their labels, the schema, what it is called.

Pictures of other machines are not fetched, and no more is decoded than is shown.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa

from smalti.dataset.text import headline, identity, left_out
from smalti.errors import SmaltiError
from smalti.view.facts import class_table, labels_line
from smalti.view.html_parts import Html, bar, class_name, details, dim, table, tag, title, whole, word
from smalti.view.html_sample import reason, thumbnail
from smalti.view.html_tables import schema_table
from smalti.view.marks import class_codes
from smalti.view.palette import colour

if TYPE_CHECKING:
    from smalti.dataset.dataset import Dataset
    from smalti.dataset.summary import Labels
    from smalti.schema.features import AnyFeature

THUMBNAILS = 8


def dataset(value: Dataset) -> Html:
    """A dataset."""
    summary = value.summary()
    root = value.schema.media_root
    facts = [fact for fact in (identity(summary), f"images below {root}" if root else "") if fact]
    codes = class_codes(
        f.categories.values for f in value.schema.columns.values() if hasattr(f, "categories")
    )
    parts: list[Any] = [dim(word(" · ".join(facts), 300))] if facts else []
    parts += _strip(value)
    for name, feature in value.schema.columns.items():
        if summary.counted and name in summary.labels:
            parts.append(_labels(name, feature, summary.labels[name], list(summary.splits), codes))
    parts.append(details(f"{len(value.schema.columns)} columns", schema_table(value.schema)))
    if left := left_out(summary):
        parts.append(tag("div", word(left, 300), class_="smalti-part smalti-dim"))
    return whole(title("Dataset", word(headline(value, summary), 300)), *parts)


def _strip(value: Dataset) -> list[Html]:
    """Thumbnails, and how many samples have none."""
    try:
        chosen = value.glance(THUMBNAILS)
    except (OSError, pa.ArrowException, SmaltiError) as error:
        return [tag("div", f"No samples: {word(error, 300)}", class_="smalti-part smalti-dim")]
    if not chosen:
        return []
    made = [thumbnail(sample) for sample in chosen]
    problems = [problem for _, problem in made if problem is not None]
    if len(problems) == len(made):
        return [tag("div", f"No thumbnails: {reason(problems[0])}", class_="smalti-part smalti-dim")]
    total = value.summary().samples
    of = "" if total is None else f" of {total:,}"
    shown = f"{len(made)}{of} samples are shown; show(n) draws more"
    strip = tag("div", *(figure for figure, _ in made), class_="smalti-strip")
    return [strip, dim(shown)] if total != len(made) else [strip]


def _labels(
    name: str, feature: AnyFeature, labels: Labels, splits: list[str | None], codes: dict[str, int]
) -> Html:
    """A label field: how many objects of which class there are in which split."""
    head = tag("div", tag("code", word(name, 60)), f" {labels_line(feature, labels)}")
    if labels.classes is None:
        return tag("div", head, class_="smalti-part")
    return tag("div", head, _classes(labels, splits, codes), class_="smalti-part")


def _classes(labels: Labels, splits: list[str | None], codes: dict[str, int]) -> Html:
    head, rows = class_table(labels, splits)
    cells = [
        [
            tag("span", row.said, class_="smalti-dim")
            if row.name is None
            else class_name(row.name, codes[row.name]),
            *(f"{count:,}" for count in (*row.counts, row.total)),
            "" if row.name is None else bar(row.share, colour(codes[row.name])),
        ]
        for row in rows
    ]
    return table([*head, ""], cells, numbers=range(1, len(head)))
