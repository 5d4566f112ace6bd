"""What each kind of label field puts into a training target. A field is cut to one sample by its position."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from smalti._extras import require
from smalti.errors import DataError, OptionError, SchemaError
from smalti.schema import features
from smalti.training.columns import ObjectColumns, Texts, label_codes, offsets_of, one_array
from smalti.training.images import Images
from smalti.training.shared import Shared

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

    from smalti.dataset.dataset import Dataset
    from smalti.training.decode import Size
    from smalti.training.options import ItemOptions

torch = require("torch", "torch")

VOID = 255  # of label images: pixels that no class has; what losses take as ignore_index


class Labels(Shared):
    """One label field of all samples."""

    def add(self, row: int, target: dict[str, Any], size: Size | None) -> None:
        """Put a sample's labels into its target; the size is that of the frame they refer to."""
        raise NotImplementedError

    def shrink(self, target: dict[str, Any], x: float, y: float, shape: tuple[int, int]) -> None:
        """Let a target's labels refer to a smaller picture: its width and height by the frame's, and its shape."""


def labels_of(dataset: Dataset, table: pa.Table, names: list[str], options: ItemOptions) -> list[Labels]:
    """The label fields of items, in the order that was asked for.

    Raises:
        OptionError: Two fields of objects, or two of one class each: their keys would be the same.
        SchemaError: Objects or samples have no label.
    """
    kinds = [type(dataset.schema.columns[name]) for name in names]
    for kind in (features.Objects, features.Classification):
        if kinds.count(kind) > 1:
            raise OptionError(
                f"an item has room for one field of {kind.__name__.lower()}; name one in fields="
            )
    return [_field(dataset, table, name, options) for name in names]


def _field(dataset: Dataset, table: pa.Table, name: str, options: ItemOptions) -> Labels:
    feature: Any = dataset.schema.columns[name]
    column = one_array(table, name)
    if isinstance(feature, features.Objects):
        return Detection(column, feature, options)
    if isinstance(feature, features.Classification):
        return ManyClasses(column, feature, options) if feature.multi else OneClass(column, feature, options)
    if isinstance(feature, features.Captions):
        return Sentences(column, name)
    return LabelImages(column, table, feature, name, dataset.schema.media_root, options)


class Detection(Labels):
    """Objects: ``boxes``, ``labels``, ``area``, ``iscrowd``, and ``keypoints`` and ``masks`` where they are."""

    def __init__(self, column: pa.ListArray, feature: features.Objects, options: ItemOptions) -> None:
        self.columns = ObjectColumns(
            column,
            feature,
            layout=options.boxes,
            classes=options.target_categories,
            first_label=options.first_label,
            masks=options.masks,
        )

    def add(self, row: int, target: dict[str, Any], size: Size | None) -> None:
        objects = self.columns
        start, stop = objects.offsets[row], objects.offsets[row + 1]
        if objects.boxes is not None:
            target["boxes"] = _tensor(objects.boxes[start:stop])
        target["labels"] = _tensor(objects.labels[start:stop])
        target["area"] = _tensor(objects.area[start:stop])
        target["iscrowd"] = _tensor(objects.iscrowd[start:stop])
        if objects.keypoints is not None:
            target["keypoints"] = _tensor(objects.keypoints[start:stop])
        if objects.masks is not None:
            if size is None:
                raise DataError("masks need the image's size, which is not known")
            width, height = size
            target["masks"] = torch.from_numpy(objects.masks.decode(int(start), int(stop), height, width))

    def shrink(self, target: dict[str, Any], x: float, y: float, shape: tuple[int, int]) -> None:
        if "boxes" in target:
            target["boxes"] *= torch.tensor([x, y, x, y])
        target["area"] *= x * y
        if "keypoints" in target:
            target["keypoints"] *= torch.tensor([x, y, 1])
        if "masks" in target:
            target["masks"] = _smaller(target["masks"], shape)


class OneClass(Labels):
    """A class of the sample: ``label``, int64."""

    def __init__(
        self, column: pa.DictionaryArray, feature: features.Classification, options: ItemOptions
    ) -> None:
        codes = column.indices.to_numpy(zero_copy_only=False)
        self.label = _known(codes, feature, options) + options.first_label

    def add(self, row: int, target: dict[str, Any], size: Size | None) -> None:
        target["label"] = _tensor(self.label[row : row + 1])[0]


class ManyClasses(Labels):
    """Any number of classes of the sample: ``label``, float32 ``(classes,)``, 1 for each that it has."""

    def __init__(self, column: pa.ListArray, feature: features.Classification, options: ItemOptions) -> None:
        self.classes = len(options.target_categories or feature.categories)
        self.offsets = offsets_of(column)
        codes = column.flatten().field("category").indices.fill_null(-1).to_numpy(zero_copy_only=False)
        self.label = _known(codes, feature, options)

    def add(self, row: int, target: dict[str, Any], size: Size | None) -> None:
        label = torch.zeros(self.classes)
        label[_tensor(self.label[self.offsets[row] : self.offsets[row + 1]])] = 1
        target["label"] = label


class Sentences(Labels):
    """Captions: a list of text under the field's name."""

    def __init__(self, column: pa.ListArray, name: str) -> None:
        self.name = name
        self.offsets = offsets_of(column)
        self.texts = Texts(column.flatten().field("caption"))

    def add(self, row: int, target: dict[str, Any], size: Size | None) -> None:
        bounds = range(int(self.offsets[row]), int(self.offsets[row + 1]))
        target[self.name] = [self.texts[place].decode() for place in bounds]


class LabelImages(Labels):
    """A label image: the label of each pixel, int64 ``(height, width)``, under the field's name; 255 is void."""

    def __init__(
        self,
        column: pa.StructArray,
        table: pa.Table,
        feature: features.Mask,
        name: str,
        root: str | None,
        options: ItemOptions,
    ) -> None:
        self.name = name
        self.images = Images(column, one_array(table, "id"), root, options)
        self.labels = np.full(65_536, VOID, np.int64)
        codes = label_codes(feature, options.target_categories)
        for position, category in enumerate(feature.categories):
            number = position if category.id is None else int(category.id)
            if codes[position] >= 0:
                self.labels[number] = codes[position] + options.first_label

    def add(self, row: int, target: dict[str, Any], size: Size | None) -> None:
        target[self.name] = torch.from_numpy(self.labels[self.images.pixels(row)])

    def shrink(self, target: dict[str, Any], x: float, y: float, shape: tuple[int, int]) -> None:
        target[self.name] = _smaller(target[self.name], shape)


def _known(
    codes: NDArray[np.int32], feature: features.Classification, options: ItemOptions
) -> NDArray[np.int64]:
    """The labels of samples that all have one."""
    labels = label_codes(feature, options.target_categories)[codes]
    if (labels < 0).any():
        raise SchemaError("samples have a class that target_categories does not have; filter them out")
    return labels


def _tensor(values: np.ndarray) -> Any:
    return torch.from_numpy(values.copy())


def _smaller(masks: Any, shape: tuple[int, int]) -> Any:
    """The pixels of masks ``(…, height, width)`` that lie at the centres of a smaller picture's."""
    rows, columns = (_nearest(shape[axis], masks.shape[axis - 2]) for axis in (0, 1))
    return masks[..., rows, :][..., columns]


def _nearest(count: int, of: int) -> Any:
    """Which of so many pixels lies at the centre of each of fewer."""
    return ((torch.arange(count) + 0.5) * (of / count)).long()
