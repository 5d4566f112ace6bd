"""The labels of a whole dataset as flat numpy arrays, for tools that take nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow.compute as pc

from smalti.errors import OptionError
from smalti.schema import features
from smalti.training.columns import ObjectColumns, label_codes, one_array
from smalti.training.options import label_fields

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

    from smalti.dataset.dataset import Dataset
    from smalti.training.options import ItemOptions


def to_numpy(dataset: Dataset, options: ItemOptions) -> dict[str, NDArray[Any]]:
    """See `smalti.Dataset.to_numpy`."""
    names = label_fields(dataset, options.fields)
    if len(names) > 1:
        raise OptionError(f"arrays hold one label field; name one of {', '.join(names)} in fields=")
    table = dataset.to_arrow().combine_chunks()
    found: dict[str, NDArray[Any]] = {"ids": np.asarray(table.column("id").to_numpy(), np.str_)}
    if "image" in table.column_names:
        image = table.column("image")
        for side in ("width", "height"):
            values = pc.fill_null(pc.struct_field(image, side), 0)
            found[side] = values.to_numpy().astype(np.int64)
    if names:
        found |= _labels(one_array(table, names[0]), dataset.schema.columns[names[0]], options)
    return found


def _labels(column: pa.Array, feature: Any, options: ItemOptions) -> dict[str, NDArray[Any]]:
    if isinstance(feature, features.Classification) and not feature.multi:
        codes = column.indices.fill_null(-1).to_numpy(zero_copy_only=False)
        return {"label": label_codes(feature, options.target_categories)[codes]}
    if not isinstance(feature, features.Objects):
        raise OptionError(f"arrays hold objects or a class, no {feature.kind}")
    objects = ObjectColumns(
        column,
        feature,
        layout=options.boxes,
        classes=options.target_categories,
        first_label=options.first_label,
        masks=False,
    )
    lengths = np.diff(objects.offsets)
    found = {
        "offsets": objects.offsets,
        "sample": np.repeat(np.arange(len(lengths)), lengths),
        "annotated": ~np.asarray(column.is_null().to_numpy(zero_copy_only=False)),
        "labels": objects.labels,
        "area": objects.area,
        "iscrowd": objects.iscrowd,
    }
    further = {"boxes": objects.boxes, "keypoints": objects.keypoints}
    return found | {name: values for name, values in further.items() if values is not None}
