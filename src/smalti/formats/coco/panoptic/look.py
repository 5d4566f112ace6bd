"""Look at the PNGs of a part, one at a time: whether each fits its annotation, and the masks of its segments."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from smalti.errors import DataError, at
from smalti.formats import label_images
from smalti.formats.coco.panoptic import pixels
from smalti.formats.coco.panoptic.segments import fault

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

    from smalti.formats.coco.panoptic.load import Loaded
    from smalti.formats.coco.panoptic.segments import Segments

HEAD = 33  # bytes of a PNG that tell its kind and size


@dataclass(slots=True)
class Looked:
    """What the PNGs of a part say; n is the number of its segments.

    Attributes:
        faults: What is wrong, by the part's sample.
        values: Path and bytes of the label image, by the part's sample.
        masks: The mask of each segment, where it was looked for; else null.
        boxes: float64 ``(n, 4)``, the boxes of pixels, likewise.
        areas: int64 ``(n,)``, pixels, likewise.
        differing: Segments whose stated area is not that of their pixels.
        example: A sample with one.
    """

    masks: list[dict[str, Any] | None]
    boxes: NDArray[np.float64]
    areas: NDArray[np.int64]
    faults: dict[int, DataError] = field(default_factory=dict)
    values: dict[int, tuple[str | None, bytes | None]] = field(default_factory=dict)
    differing: int = 0
    example: str | None = None


class Look:
    """Looks at the PNGs of a part.

    Args:
        loaded: The source.
        found: The segments of the part's annotations.
        notes: int64, the annotation of each sample of the part that has one.
        there: int64, these samples' positions in the part.
        samples: The part's ``id`` and ``image``.
    """

    def __init__(
        self,
        loaded: Loaded,
        found: Segments,
        notes: NDArray[np.int64],
        there: NDArray[np.int64],
        samples: tuple[pa.Array, pa.StructArray],
    ) -> None:
        self.loaded, self.found = loaded, found
        self.notes, self.there = notes.tolist(), there.tolist()
        self.ids = samples[0].to_pylist()
        self.sizes = list(
            zip(*(samples[1].field(side).to_pylist() for side in ("width", "height")), strict=True)
        )
        area = found.columns["area"]
        self.stated = area.fill_null(-1.0).to_numpy(zero_copy_only=False)

    def at(self, *, files: bool, deep: bool, masks: bool) -> Looked:
        """Look.

        Args:
            files: Whether the files are looked at, at all.
            deep: Whether their pixels are.
            masks: Whether these are wanted as masks.
        """
        count = len(self.found.ids)
        looked = Looked([None] * count, np.zeros((count, 4)), np.zeros(count, np.int64))
        stops = np.cumsum(self.found.lengths).tolist()
        for number, (note, row) in enumerate(zip(self.notes, self.there, strict=True)):
            rows = slice(stops[number] - int(self.found.lengths[number]), stops[number])
            try:
                with at(sample=self.ids[row]):
                    self._listed(number, note)
                    looked.values[row] = self._one(
                        note, row, rows, looked, files=files, deep=deep, masks=masks
                    )
            except DataError as error:
                looked.faults[row] = error
        return looked

    def _listed(self, number: int, note: int) -> None:
        """Raise what is wrong with an annotation itself."""
        notes = self.loaded.notes
        if note in notes.faults:
            raise notes.faults[note]
        if number in self.found.faults:
            url, position = self.loaded.urls[notes.file[note]], f"$.annotations[{notes.index[note]}]"
            raise fault(self.found.faults[number], url, position)

    def _one(
        self, note: int, row: int, rows: slice, looked: Looked, *, files: bool, deep: bool, masks: bool
    ) -> tuple[str | None, bytes | None]:
        notes = self.loaded.notes
        folder = self.loaded.folders[notes.file[note]]
        place, path = folder.place(notes.names[note]), folder.path(notes.names[note])
        if not files:
            return path, None
        with at(file=place.url):
            if not place.isfile():
                raise DataError(
                    "the PNG of the image is not there", hint="the option masks= says where the PNGs are"
                )
            if deep or path is None:
                body = place.read_bytes()
            else:
                with place.open() as file:
                    body = file.read(HEAD)
            self._sized(body, *self.sizes[row])
            if deep:
                values = pixels.ids(body)
                self._stated(self._compared(values, note, rows), row, rows, looked)
                if masks:
                    self._masks(values, rows, looked)
        return path, body if path is None else None

    def _sized(self, body: bytes, width: int | None, height: int | None) -> None:
        size = label_images.png_size(body)
        if size is None:
            raise DataError("found no PNG")
        if width is not None and height is not None and size != (width, height):
            raise DataError(f"found {size[0]} x {size[1]} pixels; the image has {width} x {height}")

    def _compared(self, values: NDArray[np.uint32], note: int, rows: slice) -> pixels.Measured:
        """The segments of the pixels; those that only they, or only the list, have are refused."""
        ids = self.found.ids[rows]
        there = pixels.measured(values)
        notes = self.loaded.notes
        listed_ = f"$.annotations[{notes.index[note]}].segments_info"
        more = ~np.isin(there.ids, ids)
        if more.any():
            first = int(there.firsts[more].min())
            y, x = divmod(first, values.shape[1])
            raise DataError(
                f"found the id {int(values[y, x])}, which {listed_} of {self.loaded.urls[notes.file[note]]} does not list",
                position=f"pixel x {x}, y {y}",
            )
        lacking = np.flatnonzero(~np.isin(ids, there.ids))
        if len(lacking):
            raise DataError(
                f"the segment {ids[lacking[0]]} has no pixel in the PNG; expected one at least",
                file=self.loaded.urls[notes.file[note]],
                position=f"{listed_}[{lacking[0]}]",
            )
        return there

    def _stated(self, there: pixels.Measured, row: int, rows: slice, looked: Looked) -> None:
        """The areas of segments, and those that are stated otherwise."""
        areas = there.areas[np.searchsorted(there.ids, self.found.ids[rows])]
        looked.areas[rows] = areas
        stated = self.stated[rows]
        differing = int(np.count_nonzero((stated >= 0) & (stated != areas)))
        if differing:
            looked.differing += differing
            looked.example = looked.example or self.ids[row]

    def _masks(self, values: NDArray[np.uint32], rows: slice, looked: Looked) -> None:
        parts = label_images.segments(values)
        at_ = np.searchsorted(parts.values, self.found.ids[rows])
        looked.boxes[rows] = parts.boxes[at_]
        looked.masks[rows] = [label_images.mask_of(parts.counts[n], values.shape) for n in at_.tolist()]
