"""One page about a dataset, for colleagues: a file with everything in it.

It needs no server, no internet and no script, and follows the reader's light or dark. Its policy
(https://www.w3.org/TR/CSP3/) keeps it so: whatever names the data hold, nothing is loaded or run.
"""

from __future__ import annotations

from functools import partial
from html import escape
from typing import TYPE_CHECKING, Any

from smalti.dataset.text import NOUNS, size
from smalti.errors import OptionError, SchemaError
from smalti.storage.location import Location
from smalti.storage.staging import staged_file
from smalti.view import html_tables, page_samples
from smalti.view.html_parts import STYLE, Html, bar, table, tag, word
from smalti.view.page_style import PAGE
from smalti.view.picks import Picks
from smalti.view.plots import boxes, classes, counting, images, keypoints, losses, style, tracks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from os import PathLike

    from matplotlib.figure import Figure

    from smalti.dataset.dataset import Dataset
    from smalti.dataset.summary import Labels, Summary

POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; font-src data:"
CLASSES = 20  # that have samples of their own
EACH = 4  # samples of a class
SPECIAL = 8  # rarest, and densest samples
# What a plot counts, and how that is drawn, in the order of the page.
CHARTS: dict[str, tuple[Callable[..., Any], Callable[[Any], Figure]]] = {
    "classes": (classes.Balance, classes.draw_balance),
    "objects": (images.Density, images.draw_density),
    "images": (lambda schema, _: images.Sizes(schema), images.draw_sizes),
    "centres": (boxes.Centres, boxes.draw_centres),
    "cooccurrence": (classes.Pairs, classes.draw_pairs),
    "keypoints": (keypoints.Visibility, keypoints.draw_visibility),
    "boxes": (boxes.Sizes, boxes.draw_sizes),
}
COLUMN = 8.0  # inches of the plots that fill a column of the page; wider ones go across


def page(
    dataset: Dataset,
    *,
    title: str | None = None,
    field: str | None = None,
    class_count: int = CLASSES,
    each: int = EACH,
    fetch: bool = False,
) -> str:
    """A page about a dataset as HTML: summary, plots, samples by class, the rarest and the densest samples.

    Args:
        dataset: It is read three times, batch by batch.
        title: What it says at the top; null: where the dataset comes from.
        field: The label field of the plots and samples; null: ``objects``, or the first.
        class_count: Classes that have samples of their own, the most frequent.
        each: Samples of a class.
        fetch: Whether images of other machines are fetched.

    Raises:
        MissingExtraError: matplotlib is not installed.
        SchemaError: There is no such field.
        OptionError: More samples of a class are wanted than are kept.
    """
    if not 1 <= each <= page_samples.MOST:
        raise OptionError(f"each={each}: expected 1 to {page_samples.MOST} samples of a class")
    if field is not None and field not in dataset.schema.columns:
        dataset.schema.objects(field)  # which says what there is
    summary = dataset.summary(complete=True)
    picks = _known(lambda: Picks(dataset.schema, field))
    charts = list(_charts(dataset, field, picks))
    samples = page_samples.sections(dataset, picks, class_count, each, SPECIAL, fetch=fetch)
    name = title or _title(dataset)
    parts = [
        tag("header", tag("h1", word(name, 200)), tag("p", word(_origin(dataset), 300), class_="smalti-dim")),
        _tiles(_numbers(dataset, summary)),
        *_splits(summary),
        *_section("Plots", [tag("div", *charts, class_="charts")] if charts else []),
        *samples,
        *_section("Columns", [html_tables.schema_table(dataset.schema)]),
        *_section("Reading", _reading(dataset)),
        tag("footer", f"made by smalti · digest {summary.digest}"),
    ]
    return _document(name, tag("main", *parts, class_="smalti"))


def write_page(dataset: Dataset, target: str | PathLike[str], **options: Any) -> None:
    """Write the page to a file, which is there as a whole or not at all; see `page`.

    Args:
        dataset: What it is about.
        target: A path or fsspec URL.
        **options: Those of `page`.
    """
    body = page(dataset, **options).encode("utf-8", "replace")
    with staged_file(Location.parse(target), overwrite=True) as stage, stage.open("wb") as file:
        file.write(body)


def _document(title: str, body: Html) -> str:
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        f"<title>{escape(word(title, 200))}</title><style>{STYLE}{PAGE}</style></head><body>{body}</body></html>\n"
    )


def _known(make: Callable[[], Any]) -> Any:
    """A count, or null where the dataset has not what it counts."""
    try:
        return make()
    except SchemaError:
        return None


def _charts(dataset: Dataset, field: str | None, picks: Picks | None) -> Iterator[Html]:
    """The plots that show something; what they count is counted in one pass, with the picks."""
    counts = {name: _known(partial(make, dataset.schema, field)) for name, (make, _) in CHARTS.items()}
    made = {name: count for name, count in counts.items() if count is not None}
    if picks is not None and len(picks.samples) > classes.DENSE:
        made.pop("cooccurrence", None)  # of so many classes it would be of the first ones
    counting.count(dataset, [*made.values(), *([] if picks is None else [picks])])
    drawn = {name: CHARTS[name][1](count) for name, count in made.items()}
    if (lives := _known(lambda: tracks.draw_tracks(dataset, field))) is not None:
        drawn["tracks"] = lives
    if dataset.report is not None and dataset.report.repairs:
        drawn["losses"] = losses.draw_losses(dataset.report)
    for name in sorted(drawn, key=lambda name: drawn[name].get_figwidth() > COLUMN):  # those across come last
        yield from _chart(name, drawn[name])


def _chart(name: str, drawn: Figure) -> Iterator[Html]:
    if drawn.empty:  # type: ignore[attr-defined]  # it is a Plot
        return
    share = drawn.get_figwidth() / COLUMN
    held = Html(style.inline_svg(drawn, name))
    if share > 1:
        yield tag(
            "figure", tag("div", held, style=f"max-width:{drawn.get_figwidth() * 96:.0f}px"), class_="wide"
        )
    else:
        yield tag("figure", tag("div", held, style=f"max-width:{share:.0%}"))


def _title(dataset: Dataset) -> str:
    source = dataset.origin.url if dataset.origin else dataset.report.source if dataset.report else None
    return Location.parse(source).name if source else "Dataset"


def _origin(dataset: Dataset) -> str:
    origin = dataset.origin
    if origin is not None:
        return f"version {origin.version} of {origin.url}"
    report = dataset.report
    facts = [report.source, report.source_format] if report is not None else []
    return " · ".join(fact for fact in facts if fact)


def _numbers(dataset: Dataset, summary: Summary) -> Iterator[tuple[str, str]]:
    """What the tiles say: a number, and what it counts."""
    yield f"{summary.samples:,}", "samples"
    for name, labels in summary.labels.items():
        feature: Any = dataset.schema.columns[name]
        noun = NOUNS[feature.kind]
        yield f"{labels.total:,}", noun if name == noun else f"{noun} in {word(name, 24)}"
        if labels.classes:
            used = sum(1 for count in labels.by_class().values() if count)
            yield f"{used:,}", f"of {len(labels.classes):,} classes used"
        if labels.empty:
            yield f"{labels.empty:,}", f"{'sample' if labels.empty == 1 else 'samples'} without {noun}"
        if labels.missing:
            yield f"{labels.missing:,}", f"{'sample' if labels.missing == 1 else 'samples'} not annotated"
        if labels.unnamed:
            yield f"{labels.unnamed:,}", f"{noun} without a class"
    if summary.size is not None:
        yield size(summary.size), "of labels" if not dataset.lazy else "of files"


def _tiles(numbers: Iterable[tuple[str, str]]) -> Html:
    tiles = (tag("div", tag("b", number), tag("span", what), class_="tile") for number, what in numbers)
    return tag("div", *tiles, class_="tiles")


def _splits(summary: Summary) -> list[Html]:
    """Samples and objects by split; nothing where there is one."""
    if len(summary.splits) < 2:
        return []
    known = {name: labels for name, labels in summary.labels.items() if labels.classes}
    most = max(summary.splits.values())
    rows = [
        [
            word(split or "without split", 40),
            f"{count:,}",
            bar(count / most, (0, 114, 178)),
            *(f"{_of_split(labels, split):,}" for labels in known.values()),
        ]
        for split, count in summary.splits.items()
    ]
    head = ["split", "samples", "", *(word(name, 24) for name in known)]
    return _section("Splits", [table(head, rows, numbers=[1, *range(3, len(head))])])


def _of_split(labels: Labels, split: str | None) -> int:
    return sum(splits.get(split, 0) for splits in (labels.classes or {}).values())


def _section(title: str, children: list[Html]) -> list[Html]:
    return [tag("section", tag("h2", title), *children)] if children else []


def _reading(dataset: Dataset) -> list[Html]:
    """What reading it mended and left out."""
    report = dataset.report
    return [] if report is None or not (report.repairs or report.errors) else html_tables.report_parts(report)
