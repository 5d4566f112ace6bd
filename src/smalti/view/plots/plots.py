"""``ds.plot``: every plot of a dataset as a method that gives a matplotlib figure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from smalti.errors import OptionError
from smalti.view.plots import boxes, classes, counting, images, keypoints, losses, tracks

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from smalti.dataset.dataset import Dataset
    from smalti.formats.report import Report

NAMES = ("boxes", "centres", "classes", "cooccurrence", "images", "keypoints", "losses", "objects", "tracks")


class Plots:
    """The plots of a dataset.

    Each reads what it needs once, batch by batch, and gives a `matplotlib.figure.Figure`, which a notebook shows and
    `savefig` writes. All raise `MissingExtraError` where matplotlib is not installed, and `SchemaError` where the
    dataset has not what they show. `field` is the label field; null: ``objects``, or the first.
    """

    __slots__ = ("_dataset",)

    def __init__(self, dataset: Dataset) -> None:
        self._dataset = dataset

    def __repr__(self) -> str:
        return f"Plots({', '.join(NAMES)})"

    def classes(
        self,
        field: str | None = None,
        *,
        by: Literal["objects", "samples"] = "objects",
        top: int = 80,
        log: bool | None = None,
    ) -> Figure:
        """How many objects each class has, split by split, the most frequent first.

        Args:
            field: The label field; one of classes counts samples.
            by: Count objects, or the samples that have at least one.
            top: Classes shown; the rest is one row.
            log: Whether counts are on a logarithmic axis, as dots; null: where the largest is 50 times the smallest.
        """
        return classes.draw_balance(classes_of(self._dataset, field), by=by, top=top, log=log)

    def cooccurrence(self, field: str | None = None, *, top: int = 30) -> Figure:
        """Of the samples that have one class, the share that has another one too.

        Args:
            field: The label field.
            top: Classes shown, the most frequent.
        """
        return classes.draw_pairs(pairs_of(self._dataset, field), top=top)

    def objects(self, field: str | None = None) -> Figure:
        """How many objects the samples have."""
        density = images.Density(self._dataset.schema, field)
        counting.count(self._dataset, [density])
        return images.draw_density(density)

    def boxes(self, field: str | None = None) -> Figure:
        """Width and height of boxes, their size and the ratio of their sides; oriented boxes by their own sides."""
        sizes = boxes.Sizes(self._dataset.schema, field)
        counting.count(self._dataset, [sizes])
        return boxes.draw_sizes(sizes)

    def centres(self, field: str | None = None) -> Figure:
        """Where in their images the centres of boxes lie."""
        centres = boxes.Centres(self._dataset.schema, field)
        counting.count(self._dataset, [centres])
        return boxes.draw_centres(centres)

    def images(self) -> Figure:
        """Width and height of images."""
        sizes = images.Sizes(self._dataset.schema)
        counting.count(self._dataset, [sizes])
        return images.draw_sizes(sizes)

    def keypoints(self, field: str | None = None) -> Figure:
        """How often each keypoint is visible, hidden or not labelled, class by class."""
        visibility = keypoints.Visibility(self._dataset.schema, field)
        counting.count(self._dataset, [visibility])
        return keypoints.draw_visibility(visibility)

    def tracks(self, field: str | None = None, *, video: str | None = None) -> Figure:
        """The lives of the tracks of one video, with their gaps, and the lengths of all tracks.

        Args:
            field: The label field.
            video: Its name; null: the one with most tracks.
        """
        return tracks.draw_tracks(self._dataset, field, video)

    def losses(self, report: Report | None = None) -> Figure:
        """What a conversion does not keep, or a reading mended.

        Args:
            report: What `convert` or `write` gave; null: the account of the reading that the dataset comes from.

        Raises:
            OptionError: The dataset was not read from somewhere.
        """
        report = report or self._dataset.report
        if report is None:
            raise OptionError(
                "no report: this dataset was not read from files; pass what convert or write gave"
            )
        return losses.draw_losses(report)


def classes_of(dataset: Dataset, field: str | None) -> classes.Balance:
    """The balance of classes, counted."""
    balance = classes.Balance(dataset.schema, field)
    counting.count(dataset, [balance])
    return balance


def pairs_of(dataset: Dataset, field: str | None) -> classes.Pairs:
    """The pairs of classes, counted; where there are very many classes, of the most frequent ones."""
    pairs = classes.Pairs(dataset.schema, field)
    if len(pairs.column.categories) > classes.DENSE:
        pairs = classes.Pairs(dataset.schema, field, classes.frequent(classes_of(dataset, field)))
    counting.count(dataset, [pairs])
    return pairs
