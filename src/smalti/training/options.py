"""What a training item is to be: the arguments of `Dataset.to_torch`, checked once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import pyarrow as pa
import pyarrow.compute as pc

from smalti.errors import OptionError, SchemaError
from smalti.schema import features

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from smalti.dataset.dataset import Dataset
    from smalti.geometry.boxes import Layout
    from smalti.training.decode import Decode, Decoder

Missing = Literal["error", "drop"]
OnError = Literal["raise", "skip"]

LABELS = (features.Objects, features.Classification, features.Mask, features.Captions)


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemOptions:
    """See `smalti.Dataset.to_torch` for each.

    Raises:
        OptionError: A value is none of those that there are.
    """

    fields: str | Sequence[str] | None = None
    columns: Sequence[str] = ()
    transform: Callable[[Any, dict[str, Any]], tuple[Any, dict[str, Any]]] | None = None
    decode: Decode | Callable[[bytes], Any] | None = "array"
    decoder: Decoder = "auto"
    min_size: int | tuple[int, int] | None = None
    boxes: Layout = "xyxy"
    masks: bool = False
    target_categories: Sequence[str] | None = None
    first_label: int = 0
    missing: Missing = "error"
    on_error: OnError = "raise"
    tv_tensors: bool | None = None
    cache: str | None = None
    cache_bytes: int = 10 * 2**30

    def __post_init__(self) -> None:
        if not callable(self.decode):
            _among("decode", self.decode, ("array", "pil", None))
        _among("decoder", self.decoder, ("auto", "pillow", "simplejpeg", "torchvision"))
        _among("boxes", self.boxes, ("xyxy", "xywh", "cxcywh"))
        _among("missing", self.missing, ("error", "drop"))
        _among("on_error", self.on_error, ("raise", "skip"))


def _among(name: str, value: object, known: tuple[object, ...]) -> None:
    if value not in known:
        words = ", ".join(str(word) for word in known)
        raise OptionError(f"{name}={value!r} is unknown; there are {words}")


def label_fields(dataset: Dataset, wanted: str | Sequence[str] | None) -> list[str]:
    """The label fields that items have.

    Args:
        dataset: The dataset.
        wanted: Their names; null: ``objects``, or the only label field, or none where there is none.

    Raises:
        OptionError: A name is no label field, or there are several and none is called ``objects``.
    """
    there = [name for name, feature in dataset.schema.columns.items() if isinstance(feature, LABELS)]
    if wanted is not None:
        names = [wanted] if isinstance(wanted, str) else list(wanted)
        if unknown := [name for name in names if name not in there]:
            raise OptionError(
                f"fields: {unknown[0]!r} is no field of objects, classes, captions or masks;"
                f" there are {', '.join(there) or 'none'}"
            )
        return names
    if "objects" in there or len(there) <= 1:
        return ["objects"] if "objects" in there else there
    raise OptionError(f"there are the label fields {', '.join(there)}; say which with fields=")


def annotated(dataset: Dataset, names: list[str], missing: Missing) -> Dataset:
    """The dataset without samples that nobody has annotated: they are no background.

    Raises:
        SchemaError: There are such samples, and `missing` is ``error``.
    """
    table = dataset.to_arrow()
    for name in names:
        column = table.column(name)
        if not column.null_count:
            continue
        if missing == "error":
            row = pc.index(column.is_null(), pa.scalar(True)).as_py()  # Arrow's own
            raise SchemaError(
                f"{column.null_count:,} samples are not annotated, such as {table.column('id')[row].as_py()!r};"
                " training would take them for background: annotate them, or pass missing='drop'"
            )
        dataset = dataset.filter(pc.field(name).is_valid())
    return dataset
