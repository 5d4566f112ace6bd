"""What a terminal shows of a value, in rich's words (https://rich.readthedocs.io/en/stable/protocol.html).

Names of the data are text, never markup, and have no control characters. Where there are colours, pictures are shown
too, two pixels a letter.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.color import Color
from rich.console import Group
from rich.measure import Measurement
from rich.segment import Segment
from rich.style import Style
from rich.table import Column, Table
from rich.text import Text

from smalti.dataset.dataset import Dataset
from smalti.dataset.text import headline, identity, left_out
from smalti.errors import SmaltiError
from smalti.schema.categories import Categories
from smalti.schema.objects import Objects
from smalti.schema.sample import Sample
from smalti.schema.schema import Schema
from smalti.schema.text import fact, notes
from smalti.view import html_sample, html_tables
from smalti.view.facts import class_table, labels_line
from smalti.view.marks import class_codes
from smalti.view.palette import colour
from smalti.view.scene import draw
from smalti.view.text import one_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from PIL.Image import Image
    from rich.console import Console, ConsoleOptions, RenderResult

    from smalti.dataset.summary import Labels
    from smalti.view.palette import Colour

BAR = 24  # letters of the longest bar
OBJECTS = 20  # rows of a table of objects
LARGE, SMALL = 84, 40  # letters that a picture is wide
EIGHTHS = " ▏▎▍▌▋▊▉"


def show(value: Any) -> Any:
    """A dataset, a sample, objects, a schema or a class table for rich's console."""
    return next(make for kind, make in SHOWN.items() if isinstance(value, kind))(value)


def dataset(value: Dataset) -> Any:
    """Counts by split and class, the columns, what it is called."""
    summary = value.summary()
    parts: list[Any] = [_title("Dataset", headline(value, summary))]
    if known := identity(summary):
        parts.append(Text(known, style="dim"))
    for name, feature in value.schema.columns.items():
        if summary.counted and name in summary.labels:
            parts += ["", _labels(name, feature, summary.labels[name], list(summary.splits), value)]
    parts += ["", columns(value.schema)]
    if left := left_out(summary):
        parts.append(Text(left, style="dim"))
    return Group(*parts)


def _title(kind: str, words: str) -> Text:
    return Text.assemble((kind, "bold"), " ", one_line(words, 300))


def _labels(name: str, feature: Any, labels: Labels, splits: list[str | None], value: Dataset) -> Any:
    head = Text.assemble((one_line(name, 60), "bold"), " ", labels_line(feature, labels))
    if labels.classes is None:
        return head
    codes = class_codes(
        f.categories.values for f in value.schema.columns.values() if hasattr(f, "categories")
    )
    words, rows = class_table(labels, splits)
    table = _table(*words, "")
    for place in range(1, len(words)):
        table.columns[place].justify = "right"
    for row in rows:
        rgb = None if row.name is None else colour(codes[row.name])
        first = Text(row.said, style="dim") if rgb is None else _chip(rgb).append(row.said)
        table.add_row(first, *(f"{n:,}" for n in (*row.counts, row.total)), bar(row.share, rgb or (0, 0, 0)))
    return Group(head, table)


def _table(*head: str) -> Table:
    return Table(*(Column(Text(word)) for word in head), box=None, padding=(0, 2, 0, 0), header_style="dim")


def _chip(rgb: Colour) -> Text:
    return Text("").append("■ ", _style(rgb))


def bar(share: float, rgb: Colour) -> Text:
    """A bar of a share of the longest one, in eighths of a letter; what is not nothing is seen."""
    eighths = max(round(share * BAR * 8), 1) if share > 0 else 0
    text = "█" * (eighths // 8) + EIGHTHS[eighths % 8].strip()
    return Text(text, style=_style(rgb))


def _style(rgb: Colour) -> Style:
    return Style(color=Color.from_rgb(*rgb))


def columns(value: Schema) -> Any:
    """A row a column, then what the schema knows beside."""
    table = _table(f"{len(value.columns)} columns", "kind", "what it holds")
    for name, feature in value.columns.items():
        table.add_row(Text(one_line(name, 60)), feature.kind, Text(one_line(fact(feature), 300)))
    return Group(table, *(Text(one_line(line, 300), style="dim") for line in notes(value)))


def schema(value: Schema) -> Any:
    """A schema."""
    return Group(_title("Schema", f"{len(value.columns)} columns"), columns(value))


def categories(value: Categories) -> Any:
    """A class table, with the colours that classes are drawn in."""
    table = _table("", "class", "id", "group", "keypoints")
    for code, name in enumerate(value.values):
        one = value[code]
        points = "" if one.keypoints is None else one_line(", ".join(one.keypoints), 120)
        number = "" if one.id is None else one_line(str(one.id))
        named = _chip(colour(code)).append(one_line(name, 60))
        table.add_row(str(code), named, Text(number), Text(one_line(one.supercategory or "")), Text(points))
    return Group(_title("Categories", f"{len(value):,} classes"), table)


def objects(value: Objects) -> Any:
    """A row an object, of the first ones."""
    return Group(_title("Objects", html_tables.object_line(value)), _objects(value))


def _objects(value: Objects) -> Any:
    items = value[:OBJECTS].to_list()
    names = [n for n in value.feature.names if any(item[n] is not None for item in items)]
    names.sort(key=lambda name: name != "category")
    table = _table("", *(one_line(name, 40) for name in names))
    for column, name in zip(table.columns[1:], names, strict=True):
        column.no_wrap = name in {"bbox", "category"}
    for place, item in enumerate(items):
        cells = [
            Text(html_tables.member(name, item[name]).replace("\N{NO-BREAK SPACE}", " ")) for name in names
        ]
        if "category" in names and item["category"] is not None:
            cells[0] = _chip(colour(int(value.category[place]))).append(one_line(item["category"], 60))
        table.add_row(str(place), *cells)
    more = len(value) - OBJECTS
    return Group(table, Text(f"and {more:,} more objects", style="dim")) if more > 0 else table


def sample(value: Sample, width: int = LARGE) -> Any:
    """The picture with everything drawn on it, and its fields."""
    words = [value.id, *([value.split] if value.split else []), *html_sample.size_of(value)]
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    for name, item in html_sample.fields(value).items():
        table.add_row(Text(one_line(name, 60), style="dim"), Text(html_sample.field(item)))
    parts: list[Any] = [_title("Sample", " · ".join(words)), Picture(value, width), table]
    for name, item in html_sample.object_fields(value).items():
        parts += ["", Text(one_line(name, 60), style="bold"), _objects(item)]
    return Group(*parts)


class Strip:
    """Some samples, each with its classes, and a small picture where the terminal has colours."""

    def __init__(self, values: Sequence[Sample]) -> None:
        self.values = values

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        table = Table(box=None, show_header=False, padding=(0, 2, 1, 0))
        for value in self.values:
            name = f"{value.split}/{value.id}" if value.split else value.id
            said = Text().append(one_line(name, 80), "bold").append("\n").append(_classes(value))
            for field, item in html_sample.fields(value).items():
                if field != "image" and not isinstance(item, Objects):
                    said.append("\n").append(f"{one_line(field, 40)} ", "dim").append(html_sample.field(item))
            table.add_row(*([Picture(value, SMALL)] if _has_colours(console) else []), said)
        yield table


def _classes(value: Sample) -> Text:
    found, more = html_sample.named_classes(value)
    said = Text()
    for name, rgb in found:
        said.append(_chip(rgb)).append(f"{name}  ")
    return said.append(f"and {more:,} more") if more else said


class Picture:
    """The picture of a sample in letters, where the terminal has colours; why it is not there, where it is not."""

    def __init__(self, value: Sample, width: int) -> None:
        self.value = value
        self.width = width

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        width = min(self.width, options.max_width) if _has_colours(console) else 0
        return Measurement(width, width)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        if not _has_colours(console):
            return
        width = min(self.width, options.max_width)
        try:
            drawn = draw(self.value, size=1200, least=8 * width, labels=False, fetch=False)
        except (SmaltiError, OSError) as error:
            yield Text(f"no picture: {html_sample.reason(error)}", style="dim")
            return
        yield from blocks(drawn, width)


def _has_colours(console: Console) -> bool:
    return console.is_terminal and console.color_system in {"truecolor", "256", "windows"}


def blocks(image: Image, width: int) -> Iterator[Segment]:
    """A picture in half blocks, so many letters wide: each has two pixels, one above the other."""
    from PIL import Image as PilImage

    rows = max(1, round(image.height * width / image.width / 2))
    small = image.resize((width, 2 * rows), PilImage.Resampling.LANCZOS)
    values: Any = small.load()
    for row in range(rows):
        for column in range(width):
            above, below = (Color.from_rgb(*values[column, 2 * row + half]) for half in (0, 1))
            yield Segment("▀", Style(color=above, bgcolor=below))
        yield Segment.line()


SHOWN: dict[type, Any] = {
    Categories: categories,
    Dataset: dataset,
    Objects: objects,
    Sample: sample,
    Schema: schema,
}
