"""A dataset for PyTorch's DataLoader: map-style, its labels in arrays that workers share.

    loader = torch.utils.data.DataLoader(ds.to_torch(), batch_size=16, num_workers=2, collate_fn=sm.torch.collate)

Items follow torchvision's detection convention
(https://docs.pytorch.org/vision/stable/models.html#object-detection): an image and a dict of tensors.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from smalti._extras import require
from smalti.errors import DataError, OptionError, SchemaError
from smalti.schema import features
from smalti.training.columns import Missing, ObjectColumns, Texts, annotated, label_codes
from smalti.training.decode import Decode, Images
from smalti.training.shared import Shared

torch = require("torch", "torch")

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from smalti.dataset.dataset import Dataset
    from smalti.geometry.boxes import Layout

    Item = tuple[Any, dict[str, Any]]

OnError = ("raise", "skip")


class TorchDataset(Shared):
    """Samples as ``(image, target)``.

    With a field of objects a target has ``boxes`` (float32 ``(n, 4)``), ``labels`` (int64 ``(n,)``),
    ``area`` (float32), ``iscrowd`` (int64), ``image_id`` (int64, the sample's position), ``keypoints`` (float32
    ``(n, points, 3)``) where there are any, and ``masks`` (uint8 ``(n, height, width)``) when they are asked
    for; with a class, ``label`` (int64) instead. See `to_torch` for the arguments.

    Attributes:
        categories: The class of each label, as words.
        skipped: int64 ``(1,)``: how many broken images were left out so far, over all workers.
    """

    def __init__(
        self,
        dataset: Dataset,
        *,
        field: str | None,
        columns: Sequence[str],
        transform: Callable[[Any, dict[str, Any]], Item] | None,
        decode: Decode | Callable[[bytes], Any] | None,
        boxes: Layout,
        masks: bool,
        target_categories: Sequence[str] | None,
        first_label: int,
        missing: Missing,
        on_error: str,
    ) -> None:
        if on_error not in OnError:
            raise OptionError(f"on_error={on_error!r}: use raise or skip")
        if missing not in {"error", "drop"}:
            raise OptionError(f"missing={missing!r}: use error or drop")
        name = field or _label_field(dataset)
        rows = dataset if name is None else annotated(dataset, name, missing)
        table = rows.to_arrow().combine_chunks()
        self.transform = transform
        self.on_error = on_error
        self.images = None if decode is None else Images(rows.schema.media_root, decode)
        self.skipped = np.zeros(1, np.int64)
        self.ids = Texts(_column(table, "id"))
        self._set_images(table)
        self.objects: ObjectColumns | None = None
        self.label: np.ndarray | None = None
        self.categories: tuple[str, ...] = ()
        if name is not None:
            self._set_labels(
                _column(table, name), rows.schema.columns[name], boxes, masks, target_categories, first_label
            )
        extra = table.select(list(columns)) if columns else None
        self.extra = None if extra is None else _packed(extra)
        self._opened: pa.Table | None = None

    def _set_images(self, table: pa.Table) -> None:
        image = _column(table, "image") if "image" in table.column_names else None
        count = table.num_rows
        paths = pa.nulls(count, pa.string()) if image is None else pc.struct_field(image, "path")
        self.paths = Texts(pc.coalesce(paths, _column(table, "id")))
        sides = ("width", "height")
        self.sizes = np.zeros((count, 2), np.int32)  # 0 is unknown
        if image is not None:
            self.sizes = np.stack(
                [np.asarray(pc.struct_field(image, side).fill_null(0)) for side in sides], axis=1
            )

    def _set_labels(
        self,
        column: pa.Array,
        feature: Any,
        boxes: Layout,
        masks: bool,
        classes: Sequence[str] | None,
        first: int,
    ) -> None:
        self.categories = tuple(feature.categories.values if classes is None else classes)
        if isinstance(feature, features.Objects):
            self.objects = ObjectColumns(
                column, feature, layout=boxes, classes=classes, first_label=first, masks=masks
            )
            return
        codes = column.indices.to_numpy(zero_copy_only=False)
        self.label = label_codes(feature, classes)[codes] + first
        if (self.label < first).any():
            raise SchemaError("samples have a class that target_categories does not have; filter them out")

    def __len__(self) -> int:
        return len(self.sizes)

    def __getitem__(self, index: int) -> Any:
        """An item; the target alone where no image is wanted.

        Raises:
            IndexError: There is no such sample.
            DataError: The image is missing or broken; the error names the sample.
        """
        count = len(self)
        if not -count <= index < count:
            raise IndexError(f"sample {index} of {count}")
        row = int(index) % count
        target = self.target(row)
        if self.images is None:
            return target if self.transform is None else self.transform(None, target)
        width, height = self.sizes[row].tolist()
        size = (width, height) if width and height else None
        image = self.images(self.paths[row].decode(), size, self.ids[row].decode())
        if isinstance(image, np.ndarray):
            image = torch.from_numpy(image).permute(2, 0, 1)
        return (image, target) if self.transform is None else self.transform(image, target)

    def __getitems__(self, indices: Sequence[int]) -> list[Any]:
        """The items of a batch; with ``on_error="skip"`` without those whose image is broken."""
        items = []
        for index in indices:
            try:
                items.append(self[index])
            except DataError:
                if self.on_error == "raise":
                    raise
                self.skipped += 1
        return items

    def target(self, row: int) -> dict[str, Any]:
        """The labels of a sample by its position, without its image."""
        target: dict[str, Any] = {"image_id": torch.tensor(row)}
        if self.label is not None:
            target["label"] = torch.tensor(self.label[row])
        if self.objects is not None:
            self._add_objects(self.objects, row, target)
        if self.extra is not None:
            target |= self._columns(row)
        return target

    def _add_objects(self, objects: ObjectColumns, row: int, target: dict[str, Any]) -> None:
        start, stop = objects.offsets[row], objects.offsets[row + 1]
        if objects.boxes is not None:
            target["boxes"] = _tensor(objects.boxes[start:stop])
        target["labels"] = _tensor(objects.labels[start:stop])
        target["area"] = _tensor(objects.area[start:stop])
        target["iscrowd"] = _tensor(objects.iscrowd[start:stop])
        if objects.keypoints is not None:
            target["keypoints"] = _tensor(objects.keypoints[start:stop])
        if objects.masks is not None:
            width, height = self.sizes[row].tolist()
            if not width or not height:
                raise DataError(
                    "masks need the image's size, which is not known", sample=self.ids[row].decode()
                )
            target["masks"] = torch.from_numpy(objects.masks.decode(int(start), int(stop), height, width))

    def _columns(self, row: int) -> dict[str, Any]:
        if self._opened is None:  # once in each worker: a view of the shared bytes
            self._opened = pa.ipc.open_stream(pa.py_buffer(self.extra)).read_all()
        return dict(self._opened.slice(row, 1).to_pylist()[0])

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "_opened": None}


def _label_field(dataset: Dataset) -> str | None:
    """The field of objects, or of a class, that a dataset has; null where it has none.

    Raises:
        OptionError: There are several, and none is called ``objects``.
    """
    kinds = (features.Objects, features.Classification)
    found = [
        n
        for n, f in dataset.schema.columns.items()
        if isinstance(f, kinds) and not getattr(f, "multi", False)
    ]
    if "objects" in found or len(found) == 1:
        return "objects" if "objects" in found else found[0]
    if found:
        raise OptionError(f"there are the label fields {', '.join(found)}; say which with field=")
    return None


def _column(table: pa.Table, name: str) -> pa.Array:
    column = table.column(name)
    return column.chunk(0) if column.num_chunks == 1 else pa.array([], column.type)


def _tensor(values: np.ndarray) -> Any:
    return torch.from_numpy(values.copy())


def _packed(table: pa.Table) -> np.ndarray:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return np.frombuffer(sink.getvalue(), np.uint8).copy()


def collate(batch: Sequence[Any]) -> tuple[Any, list[dict[str, Any]]]:
    """A batch of items: images stacked ``(b, 3, h, w)`` where they share a size, else a list; a list of targets.

    Stacked images are channels last in memory, as decoders give them and convolutions like them.

    Args:
        batch: Items of `TorchDataset`; those of one whose image was broken are not there.
    """
    if batch and isinstance(batch[0], dict):
        return None, Targets(batch)
    images = [image for image, _ in batch]
    shapes = {
        image.shape if isinstance(image, torch.Tensor) and image.ndim == 3 else None for image in images
    }
    targets = Targets(target for _, target in batch)
    if len(shapes) != 1 or None in shapes:
        return images, targets
    # In a worker this stacks into shared memory, so that nothing is copied again on the way.
    stacked = torch.utils.data.default_collate([image.permute(1, 2, 0) for image in images])
    return stacked.permute(0, 3, 1, 2), targets


class Targets(list[Any]):
    """The targets of a batch, a list. From a worker they come as one tensor a key: each that is sent costs."""

    def __reduce__(self) -> Any:
        keys = {key for target in self for key in target}
        packed = {
            key: _joined([target[key] for target in self]) for key in keys if all(key in t for t in self)
        }
        rest = [{key: value for key, value in target.items() if key not in packed} for target in self]
        return _targets, (packed, rest, [list(target) for target in self])


def _joined(values: list[Any]) -> tuple[Any, list[int] | None]:
    """Tensors one after the other with their lengths, where that is possible; else as they are."""
    tensors = all(isinstance(value, torch.Tensor) for value in values)
    if not tensors or len({(value.dtype, value.shape[1:], value.ndim) for value in values}) > 1:
        return values, None
    if values[0].ndim == 0:
        return torch.stack(values), []
    return torch.cat(values), [len(value) for value in values]


def _targets(packed: dict[str, Any], rest: list[dict[str, Any]], keys: list[list[str]]) -> Targets:
    columns: dict[str, Any] = {}
    for key, (values, lengths) in packed.items():
        columns[key] = values.split(lengths) if lengths else values
    rows = (
        {**other, **{key: column[row] for key, column in columns.items()}} for row, other in enumerate(rest)
    )
    return Targets({key: row[key] for key in order} for row, order in zip(rows, keys, strict=True))
