"""HTML of objects, schemas, class tables and reports."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from smalti.schema.text import fact, notes, short
from smalti.view.html_parts import Html, class_name, details, dim, joined, table, tag, title, whole, word

if TYPE_CHECKING:
    from collections.abc import Mapping

    from smalti.formats.report import Report
    from smalti.schema.categories import Categories, Category
    from smalti.schema.objects import Objects
    from smalti.schema.schema import Schema

OBJECTS = 20  # rows of a table of objects
CLASSES = 40  # rows of a class table
LOSSES = 40  # rows of a report
ERRORS = 10
UNBROKEN = ",\N{NO-BREAK SPACE}"


def objects(value: Objects) -> Html:
    """Objects as a table."""
    return whole(title("Objects", object_line(value)), objects_table(value))


def object_line(value: Objects) -> str:
    """How many objects there are of which classes."""
    counts = Counter(name or "without a class" for name in value.names)
    shown = ", ".join(f"{count:,} {word(name, 40)}" for name, count in counts.most_common(8))
    more = f", {len(counts) - 8:,} more classes" if len(counts) > 8 else ""
    return f"{len(value):,}: {shown}{more}" if len(value) else "0"


def objects_table(value: Objects) -> Html:
    """A row an object, of the first ones."""
    if not len(value):
        return joined([])
    items = value[:OBJECTS].to_list()
    has_class = "category" in value.feature.members
    members = [
        n for n in value.feature.names if n != "category" and any(item[n] is not None for item in items)
    ]
    codes = value.category[:OBJECTS].tolist() if has_class else []
    rows = []
    for place, item in enumerate(items):
        named = (
            [class_name(item["category"], codes[place]) if item["category"] is not None else ""]
            if has_class
            else []
        )
        rows.append([str(place), *named, *(member(n, item[n]) for n in members)])
    head = ["", *(["category"] if has_class else []), *members]
    made = table(head, rows, numbers=[0])
    if len(value) > OBJECTS:
        return joined([made, dim(f"{OBJECTS} of {len(value):,} objects are shown")])
    return made


def member(name: str, value: Any) -> str:
    """A member of an object on one line: geometry by its size."""
    if value is None:
        return ""
    if name in {"bbox", "box3d"}:
        return UNBROKEN.join(number(side) for side in value.values())
    if name == "polygons":
        points = sum(len(ring) // 2 for ring in value)
        return f"{len(value)} ring{'' if len(value) == 1 else 's'}, {points:,} points"
    if name == "mask":
        return f"{value['width']:,} x {value['height']:,}"
    if name == "keypoints":
        labelled = sum(1 for point in value if point["visibility"])
        return f"{labelled} of {len(value)} labelled"
    if name == "polyline":
        return f"{len(value) // 2:,} points"
    if name == "quad":
        return UNBROKEN.join(number(side) for side in value[:4]) + (" …" if len(value) > 4 else "")
    return number(value) if isinstance(value, float) else word(value)


def number(value: float | None) -> str:
    """A number with at most two decimals."""
    return "" if value is None else f"{value:,.2f}".rstrip("0").rstrip(".")


def schema(value: Schema) -> Html:
    """A schema as a table of its columns."""
    return whole(title("Schema", f"{len(value.columns)} columns"), schema_table(value))


def schema_table(value: Schema) -> Html:
    """A row a column, then what the schema knows beside."""
    rows = [
        [
            tag("code", word(name, 60)),
            feature.kind,
            "" if fact(feature) == short(feature.arrow) else word(fact(feature), 300),
            tag("code", short(feature.arrow)),
        ]
        for name, feature in value.columns.items()
    ]
    made = table(["column", "kind", "what it holds", "Arrow type"], rows)
    return joined([made, *(dim(word(line, 300)) for line in notes(value))])


def categories(value: Categories) -> Html:
    """A class table, with the colours that classes are drawn in."""
    rows = [_class_row(code, name, value[code]) for code, name in enumerate(value.values[:CLASSES])]
    head = ["", "class", "id", "group", "keypoints", "attributes"]
    kept = [place for place in range(len(head)) if place < 2 or any(row[place] for row in rows)]
    made = table(
        [head[place] for place in kept], [[row[place] for place in kept] for row in rows], numbers=[0]
    )
    more = len(value) - CLASSES
    left = [dim(f"{CLASSES} of {len(value):,} classes are shown")] if more > 0 else []
    return whole(title("Categories", f"{len(value):,} classes"), made if rows else "", *left)


def _class_row(code: int, name: str, category: Category) -> list[Any]:
    points = (
        "" if category.keypoints is None else f"{len(category.keypoints)}: {', '.join(category.keypoints)}"
    )
    return [
        str(code),
        class_name(name, code),
        "" if category.id is None else word(category.id, 40),
        word(category.supercategory or "", 40),
        word(points),
        word(pairs(category.attributes)),
    ]


def pairs(values: Mapping[str, Any]) -> str:
    """Names and values on one line."""
    return ", ".join(f"{name} {value}" for name, value in values.items())


def report(value: Report) -> Html:
    """An account: what was read, written, lost and mended."""
    return whole(title("Report", word(value.lines()[0], 400)), *report_parts(value))


def report_parts(value: Report) -> list[Html]:
    """An account without its first line."""
    losses = [
        [tag("code", word(code)), word(what), count, word(why, 400), word(eg)]
        for code, what, count, why, eg in value.rows()
    ]
    parts: list[Html] = [dim(word(line, 400)) for line in value.lines()[1:]]
    if losses:
        parts.append(table(["code", "field", "count", "why", "example"], losses[:LOSSES], numbers=[2]))
    if len(losses) > LOSSES:
        parts.append(dim(f"{LOSSES} of {len(losses)} kinds are shown"))
    if value.errors:
        shown = [tag("div", word(message, 400)) for message in value.errors[:ERRORS]]
        more = value.error_count - len(shown)
        rest = dim(f"and {more:,} more") if more > 0 else ""
        parts.append(details(f"{value.error_count:,} faulty places", *shown, rest))
    return parts
