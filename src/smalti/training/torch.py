"""A dataset for PyTorch's DataLoader: map-style, its labels in arrays that workers share.

    loader = torch.utils.data.DataLoader(ds.to_torch(), batch_size=16, num_workers=2, collate_fn=sm.torch.collate)

Items follow torchvision's detection convention
(https://docs.pytorch.org/vision/stable/models.html#object-detection): an image and a dict of tensors.
"""

from __future__ import annotations

from itertools import repeat
from typing import TYPE_CHECKING, Any

import numpy as np

from smalti._extras import require
from smalti.errors import DataError, OptionError, at
from smalti.training import tv
from smalti.training.buffers import empty
from smalti.training.collate import collate, collate_pose, collate_segmentation
from smalti.training.columns import one_array
from smalti.training.images import Images
from smalti.training.labels import LabelImages, labels_of
from smalti.training.options import annotated, label_fields
from smalti.training.shared import Shared, packed, unpacked

torch = require("torch", "torch")

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    import pyarrow as pa
    from numpy.typing import NDArray

    from smalti.dataset.dataset import Dataset
    from smalti.training.options import ItemOptions

__all__ = ["TorchDataset", "collate", "collate_pose", "collate_segmentation"]


class TorchDataset(Shared):
    """Samples as ``(image, target)``; see `smalti.Dataset.to_torch` for the options.

    A target has ``image_id`` (int64, the sample's position), and of each label field:

    * objects: ``boxes`` (float32 ``(n, 4)``), ``labels`` (int64 ``(n,)``), ``area`` (float32), ``iscrowd`` (int64),
      ``keypoints`` (float32 ``(n, points, 3)``) where there are any, ``masks`` (uint8 ``(n, height, width)``) when
      they are asked for;
    * a class: ``label`` (int64); any number of classes: ``label`` (float32 ``(classes,)``, 0 and 1);
    * captions: a list of text, under the field's name;
    * a label image: int64 ``(height, width)``, under the field's name; 255 where no class is.

    Attributes:
        categories: The class of each label, as words; of the first label field that has classes.
        skipped: int64 ``(1,)``: how many broken images were left out so far, over all workers.
    """

    def __init__(self, dataset: Dataset, options: ItemOptions) -> None:
        names = label_fields(dataset, options.fields)
        rows = annotated(dataset, names, options.missing)
        table = rows.to_arrow().combine_chunks()
        self.options = options
        self.skipped = np.zeros(1, np.int64)
        ids = one_array(table, "id")
        image = one_array(table, "image") if "image" in table.column_names else None
        self.images = Images(image, ids, rows.schema.media_root, options)
        self.labels = labels_of(rows, table, names, options)
        self.masks = tuple(field.name for field in self.labels if isinstance(field, LabelImages))
        self.categories = _classes(rows, names, options)
        if unknown := [name for name in options.columns if name not in table.column_names]:
            raise OptionError(
                f"columns: there is no column {unknown[0]!r}; there are {', '.join(rows.columns)}"
            )
        self.extra = packed(table.select(list(options.columns))) if options.columns else None
        self._opened: pa.Table | None = None
        self.tv = tv.asked(options.tv_tensors)

    def __len__(self) -> int:
        return len(self.images.sizes)

    def __getitem__(self, index: int) -> Any:
        """An item; the target alone where no image is wanted.

        Raises:
            IndexError: There is no such sample.
            DataError: The image is missing or broken; the error names the sample.
        """
        row = self._row(index)
        return self.item(row, row)

    def _row(self, index: int) -> int:
        count = len(self)
        if not -count <= index < count:
            raise IndexError(f"sample {index} of {count}")
        return int(index) % count

    def item(self, row: int, number: int) -> Any:
        """The item of a position, under the ``image_id`` that is given."""
        return self._item(row, self.target(row, number))

    def _item(
        self, row: int, target: dict[str, Any], room: NDArray[np.uint8] | None = None, view: Any = None
    ) -> Any:
        """The item of a position and its target; of pixels that fit into a room, its view is the image."""
        if self.options.decode is None:
            return target if self.options.transform is None else self.options.transform(None, target)
        image, whole = self.images.decoded(row, room)
        if room is not None and image is room:
            image = view
        elif isinstance(image, np.ndarray):
            image = torch.from_numpy(image).permute(2, 0, 1)
        if whole is None:  # a function of the bytes decoded it: nothing is known of it
            return (
                (image, target) if self.options.transform is None else self.options.transform(image, target)
            )
        width, height = (image.shape[2], image.shape[1]) if isinstance(image, torch.Tensor) else image.size
        if (width, height) != whole:
            for field in self.labels:
                field.shrink(target, width / whole[0], height / whole[1], (height, width))
        return self._transformed(image, target, (height, width))

    def _transformed(self, image: Any, target: dict[str, Any], size: tuple[int, int]) -> Any:
        if self.tv:
            image = tv.wrapped(image, target, self.options.boxes, size, self.masks)
        if self.options.transform is not None:
            image, target = self.options.transform(image, target)
        if self.tv:
            tv.joined(target)
        return image, target

    def __getitems__(self, indices: Sequence[int]) -> list[Any]:
        """The items of a batch; with ``on_error="skip"`` without those whose image is broken."""
        rows = [self._row(index) for index in indices]
        # All targets first: between two decodings the code that makes one would have left the caches.
        targets = [self._unless_broken(self.target, row) for row in rows]
        items = [
            self._unless_broken(self._item, row, target, *room)
            for row, target, room in zip(rows, targets, self._rooms(rows), strict=False)
            if target is not None
        ]
        return [item for item in items if item is not None]

    def _unless_broken(self, make: Callable[..., Any], *arguments: Any) -> Any:
        """What is made; null of a broken picture that is to be left out."""
        try:
            return make(*arguments)
        except DataError:
            if self.options.on_error == "raise":
                raise
            self.skipped += 1
            return None

    def _rooms(self, rows: Sequence[int]) -> Iterable[tuple[NDArray[np.uint8] | None, Any]]:
        """Room for the pixels of a batch: decoded side by side, they need not be copied to be stacked."""
        size = self.images.one_size(rows)
        if size is None or self.options.transform is not None:
            return repeat((None, None))
        batch = empty((len(rows), size[1], size[0], 3), torch.uint8)
        return zip(batch.numpy(), batch.permute(0, 3, 1, 2).unbind(), strict=True)

    def target(self, row: int, number: int | None = None) -> dict[str, Any]:
        """The labels of a sample by its position, without its image; ``image_id`` is the position, or a number."""
        position = np.array(row if number is None else number, np.int64)
        target: dict[str, Any] = {
            "image_id": torch.from_numpy(position)
        }  # four times faster than torch.tensor
        size = self.images.size(row) if self.options.masks else None
        for field in self.labels:
            if self.options.masks and size is None:
                with at(sample=self.images.sample(row)):
                    field.add(row, target, size)
            else:
                field.add(row, target, size)
        if self.extra is not None:
            target |= self._columns(row)
        return target

    def _columns(self, row: int) -> dict[str, Any]:
        if self._opened is None:  # once in each worker: a view of the shared bytes
            self._opened = unpacked(self.extra)
        return dict(self._opened.slice(row, 1).to_pylist()[0])

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "_opened": None}


def _classes(dataset: Dataset, names: Sequence[str], options: ItemOptions) -> tuple[str, ...]:
    if options.target_categories is not None:
        return tuple(options.target_categories)
    with_classes = (dataset.schema.columns[name] for name in names)
    return next((tuple(f.categories.values) for f in with_classes if hasattr(f, "categories")), ())
