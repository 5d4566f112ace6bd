"""The samples of a page: some of each class, those with the rarest classes, the densest."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa

from smalti.errors import SmaltiError
from smalti.schema.objects import Objects
from smalti.view import picks as picking
from smalti.view.html_parts import Html, class_name, picture, tag, word
from smalti.view.html_sample import classes, reason
from smalti.view.scene import draw

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from smalti.dataset.dataset import Dataset
    from smalti.schema.sample import Sample
    from smalti.view.picks import Picks
    from smalti.view.plots.classes import ClassColumn

MOST = picking.KEPT  # samples of a class
PIXELS = (400, 300)  # of a picture
SHOWN = (212, 159)  # as wide and high it is shown at the most


def sections(
    dataset: Dataset, picks: Picks | None, class_count: int, each: int, special: int, *, fetch: bool
) -> list[Html]:
    """The sections about samples; of a dataset without classes some samples, evenly over it."""
    if picks is None:
        gallery = _Gallery({one.id: one for one in dataset.glance(special)}, fetch=fetch)
        return gallery.section("Samples", "Evenly over the dataset.", gallery.samples)
    frequent = [int(code) for code in (-picks.samples).argsort(kind="stable") if picks.samples[code]]
    by_class = {code: picks.of_class(code, each) for code in frequent[:class_count]}
    rare, dense = picks.rarest(special), picks.densest(special)
    ids = {one for some in by_class.values() for one in some} | {one for one, _ in rare} | set(dense)
    gallery = _Gallery(picking.fetch(dataset, ids), fetch=fetch)
    names = picks.column.categories.values
    notes = {one: f"{names[code]}: in {_samples(int(picks.samples[code]))}" for one, code in rare}
    counts = {one: f"{gallery.count(one, picks.column.name):,} objects" for one in dense}
    found = [
        *_classes(gallery, picks, by_class, len(frequent)),
        *gallery.section("Rarest", "Samples with the classes that fewest samples have.", notes, notes),
        *gallery.section("Densest", "Samples with most objects.", dense, counts),
    ]
    if gallery.problem is not None and not gallery.drawn:
        why = tag("p", f"No pictures: {reason(gallery.problem)}", class_="smalti-dim")
        found.insert(0, tag("section", tag("h2", "Samples"), why))
    return found


def _samples(count: int) -> str:
    return f"{count:,} {'sample' if count == 1 else 'samples'}"


def _classes(gallery: _Gallery, picks: Picks, by_class: dict[int, list[str]], used: int) -> list[Html]:
    """A row a class: how many samples have it, and some of them with its objects alone."""
    rows = [
        tag(
            "div",
            tag(
                "div",
                class_name(picks.column.categories.values[code], code),
                tag("div", _samples(int(picks.samples[code])), class_="smalti-dim"),
                class_="name",
            ),
            gallery.strip(ids, only=(picks.column, code)),
            class_="row",
        )
        for code, ids in by_class.items()
    ]
    if not rows:
        return []
    hidden = used - len(rows)
    said = "Each with its objects alone, at random." if picks.column.unit == "objects" else "At random."
    more = f" The {len(rows)} most frequent of {used:,} classes; the rarest are below." if hidden > 0 else ""
    return [tag("section", tag("h2", "Samples by class"), tag("p", said + more, class_="smalti-dim"), *rows)]


class _Gallery:
    """Samples as small figures.

    Attributes:
        samples: By their ids.
        drawn: How many pictures there are.
        problem: Why the last one that is not there is not.
    """

    def __init__(self, samples: dict[str, Sample], *, fetch: bool) -> None:
        self.samples = samples
        self.drawn = 0
        self.problem: Exception | None = None
        self._fetch = fetch

    def count(self, id_: str, field: str) -> int:
        """How many objects a sample has."""
        objects = self.samples[id_][field]
        return 0 if objects is None else len(objects)

    def section(
        self, title: str, said: str, ids: Iterable[str], notes: dict[str, str] | None = None
    ) -> list[Html]:
        """A section of samples; nothing where there are none."""
        ids = list(ids)
        if not ids:
            return []
        strip = self.strip(ids, notes=notes)
        return [tag("section", tag("h2", title), tag("p", said, class_="smalti-dim"), strip)]

    def strip(
        self,
        ids: Sequence[str],
        *,
        only: tuple[ClassColumn, int] | None = None,
        notes: dict[str, str] | None = None,
    ) -> Html:
        """Samples side by side.

        Args:
            ids: Which.
            only: A class whose objects alone are drawn.
            notes: What is said below each, instead of its classes.
        """
        figures = []
        for one in ids:
            sample = self.samples[one]
            name = f"{sample.split}/{sample.id}" if sample.split else sample.id
            below = [] if only else [tag("div", word(notes[one], 60)) if notes else classes(sample)]
            caption = tag("figcaption", tag("div", word(name, 60), class_="file"), *below)
            figures.append(
                tag("figure", *self._picture(sample if only is None else _alone(sample, *only)), caption)
            )
        return tag("div", *figures, class_="strip")

    def _picture(self, sample: Sample) -> list[Html]:
        try:
            made = draw(sample, size=PIXELS, least=PIXELS[0] // 2, labels=False, fetch=self._fetch)
        except (SmaltiError, OSError) as error:
            self.problem = error
            return []
        self.drawn += 1
        times = min(SHOWN[0] / made.width, SHOWN[1] / made.height)
        return [picture(made, round(made.width * times), word(sample.id))]


def _alone(sample: Sample, column: ClassColumn, code: int) -> Sample:
    """A sample with the objects of one class alone; as it is where the whole sample has the class."""
    value = sample[column.name]
    if not isinstance(value, Objects):
        return sample
    objects = Objects(value.array.filter(pa.array(value.category == code)), value.feature)
    return sample.model_copy(update={column.name: objects})
