"""What every group of laws stands on: the format under test, and how it is written and read."""

from __future__ import annotations

import os
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from hypothesis import HealthCheck, given, settings

from smalti import io
from smalti.dataset.dataset import Dataset
from smalti.formats import options as format_options
from smalti.formats import registry
from smalti.schema import features
from smalti.testing.examples import plain
from smalti.testing.images import write_images
from smalti.testing.strategies import ATTRIBUTES, Shape, datasets

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from hypothesis.strategies import SearchStrategy

    from smalti.formats.protocol import Format
    from smalti.formats.report import Report
    from smalti.storage.media import Media
    from smalti.testing.corruptions import Outcome

EXAMPLES = "SMALTI_EXAMPLES"  # the environment variable that sets how many examples a law is tried on
FEW = 12


class Base:
    """The format under test. A subclass of `smalti.testing.FormatSuite` sets these.

    Attributes:
        format: The format's name.
        options: Its options, each given to the side or the sides that know it.
        golden: A small source of the format that other tools made; null: none.
        shape: What the datasets look like that the format holds without any loss; null: what
            `FormatInfo.keeps` says.
        media: How images get to the target; the default leaves them. A format that finds sizes in
            the images themselves needs ``link``.
        holds_images: Whether a folder of the format has a place for the images themselves.
        tolerance: How far a number may be off after a round trip, in pixels. After the first it is
            not off any more, whatever this says.
        ordered: Whether the order of samples comes back.
        target: The name of what is written; with a suffix for a format whose targets are files.
        outcomes: What reading owes where it differs from `smalti.testing.corruptions`, by name.
    """

    format: ClassVar[str]
    options: ClassVar[Mapping[str, Any]] = {}
    golden: ClassVar[Path | None] = None
    shape: ClassVar[Shape | None] = None
    media: ClassVar[Media] = "reference"
    holds_images: ClassVar[bool] = True
    tolerance: ClassVar[float] = 0.0
    ordered: ClassVar[bool] = True
    target: ClassVar[str] = "out"
    outcomes: ClassVar[Mapping[str, Outcome]] = {}

    @property
    def under_test(self) -> Format:
        """The format's value in the registry."""
        return registry.get(self.format)

    def datasets(self) -> SearchStrategy[Dataset]:
        """Datasets that the format holds without any loss."""
        return datasets(self._shape)

    def plain(self) -> Dataset:
        """One dataset of the same shape, the same at every call."""
        return plain(self._shape)

    def write(self, dataset: Dataset, target: str | os.PathLike[str], **arguments: Any) -> Report:
        """Write with the suite's options; losses are looked at in the report."""
        given_ = {"media": self.media, "on_loss": "ignore", **self._of("write"), **arguments}
        return io.write(dataset, target, self.format, **given_)

    def read(self, source: str | os.PathLike[str], **arguments: Any) -> Dataset:
        """Read with the suite's options."""
        return io.read(source, self.format, **{**self._of("read"), **arguments})

    def with_images(self, dataset: Dataset, folder: Path) -> Dataset:
        """The dataset with its images on disk below a folder."""
        write_images(dataset, folder)
        schema = dataset.schema.model_copy(update={"media_root": str(folder)})
        return Dataset.from_arrow(dataset.to_arrow(), schema=schema)

    @contextmanager
    def written(self, dataset: Dataset, **arguments: Any) -> Iterator[tuple[Path, Report]]:
        """A folder of its own that holds the dataset's images, and the target with its report."""
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            target = folder / "to" / self.target
            yield target, self.write(self.with_images(dataset, folder / "images"), target, **arguments)

    def for_all(self, law: Callable[[Dataset], None], drawn: SearchStrategy[Dataset] | None = None) -> None:
        """Try a law on datasets: those that the format holds without any loss, or others.

        By default the examples are few and the same every time; with the environment variable
        ``SMALTI_EXAMPLES`` they are as many as it says, and others every time.

        Args:
            law: Raises `AssertionError` where it does not hold.
            drawn: The datasets; null: `datasets`.
        """
        count = os.environ.get(EXAMPLES)
        limits = settings(
            max_examples=int(count or FEW),
            derandomize=count is None,
            database=None,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        )

        def example(dataset: Dataset) -> None:
            law(dataset)

        limits(given(dataset=self.datasets() if drawn is None else drawn)(example))()

    @property
    def _shape(self) -> Shape:
        return self.shape or _held(self.under_test)

    def _of(self, side: format_options.Side) -> dict[str, Any]:
        known = format_options.known(self.under_test, side)
        return {name: value for name, value in self.options.items() if name in known}


def _held(format_: Format) -> Shape:
    """The shape of what a format says that it keeps."""
    keeps = format_.info.keeps
    every = "objects.*" in keeps or "*" in keeps
    members = tuple(m for m in features.OBJECT_MEMBERS if every or f"objects.{m}" in keeps)
    return Shape(
        members=members,
        attributes=ATTRIBUTES if every else {},
        columns={"note": ATTRIBUTES["note"], "rest": ATTRIBUTES["any of it"]} if "*" in keeps else {},
        splits=("train", "val") if "split" in keeps or "*" in keeps else (),
    )
