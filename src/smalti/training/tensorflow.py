"""A ``tf.data.Dataset`` of pictures and labels (https://www.tensorflow.org/api_docs/python/tf/data/Dataset#from_generator)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from smalti._extras import require
from smalti.training.arrays import to_numpy
from smalti.training.columns import one_array
from smalti.training.images import Images
from smalti.training.options import annotated, label_fields

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from smalti.dataset.dataset import Dataset
    from smalti.training.options import ItemOptions

BY_OBJECT = ("boxes", "labels", "area", "iscrowd", "keypoints")


def to_tf(dataset: Dataset, options: ItemOptions) -> Any:
    """See `smalti.Dataset.to_tf`."""
    tf = require("tensorflow", "tensorflow")
    rows = annotated(dataset, label_fields(dataset, options.fields), options.missing)
    table = rows.to_arrow().combine_chunks()
    arrays = to_numpy(rows, options)
    ids, image = (one_array(table, name) for name in ("id", "image"))
    images = Images(image, ids, dataset.schema.media_root, options)

    def items() -> Iterator[tuple[NDArray[np.uint8], dict[str, Any]]]:
        for row in range(len(ids)):
            yield images.decoded(row)[0], _target(arrays, row)

    target = {"image_id": tf.TensorSpec((), tf.int64)}
    if "label" in arrays:
        target["label"] = tf.TensorSpec((), tf.int64)
    for key in BY_OBJECT:
        if key in arrays:
            target[key] = tf.TensorSpec((None, *arrays[key].shape[1:]), tf.as_dtype(arrays[key].dtype))
    signature = (tf.TensorSpec((None, None, 3), tf.uint8), target)
    return tf.data.Dataset.from_generator(items, output_signature=signature)


def _target(arrays: dict[str, NDArray[Any]], row: int) -> dict[str, Any]:
    target: dict[str, Any] = {"image_id": np.int64(row)}
    if "label" in arrays:
        target["label"] = arrays["label"][row]
    if "offsets" in arrays:
        start, stop = arrays["offsets"][row : row + 2]
        target |= {key: arrays[key][start:stop] for key in BY_OBJECT if key in arrays}
    return target
