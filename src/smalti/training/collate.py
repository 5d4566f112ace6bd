"""Batches of items, for ``DataLoader(collate_fn=…)``: detection, segmentation, pose."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from smalti._extras import require
from smalti.errors import OptionError
from smalti.training import tv
from smalti.training.buffers import empty, leaving
from smalti.training.labels import VOID

if TYPE_CHECKING:
    from collections.abc import Sequence

torch = require("torch", "torch")

INLINE = 2**15  # bytes that are written to a worker's pipe; more go through shared memory
NO_LABEL_IMAGES = frozenset({"boxes", "masks", "labels", "area", "iscrowd", "image_id", "label"})


def collate(batch: Sequence[Any]) -> tuple[Any, list[dict[str, Any]]]:
    """A batch for detection: images stacked ``(b, 3, h, w)`` where they share a size, else a list; a list of targets.

    Stacked images are channels last in memory, as decoders give them and convolutions like them.

    Args:
        batch: Items of `TorchDataset`; those of one whose image was broken are not there.
    """
    if batch and isinstance(batch[0], dict):
        return None, Targets(batch)
    return _images([image for image, _ in batch]), Targets(target for _, target in batch)


def collate_pose(batch: Sequence[Any]) -> tuple[Any, dict[str, Any]]:
    """A batch for pose estimation: images as in `collate`, and the objects of all of them one after the other.

    Args:
        batch: Items with ``keypoints``.

    Returns:
        The images, and tensors: ``batch`` (int64 ``(n,)``, the image of each object), ``labels``, ``boxes`` where
        there are any, ``keypoints`` (float32 ``(n, points, 3)``).
    """
    images, targets = collate(batch)
    counts = torch.tensor([len(target["labels"]) for target in targets])
    joined = {"batch": torch.repeat_interleave(torch.arange(len(targets)), counts)}
    for key in ("labels", "boxes", "keypoints"):
        if targets and key in targets[0]:
            joined[key] = torch.cat([_plain(target[key]) for target in targets])
    return images, joined


def collate_segmentation(batch: Sequence[Any]) -> tuple[Any, Any]:
    """A batch for semantic segmentation: smaller pictures are padded at the right and at the bottom.

    Args:
        batch: Items with a label image.

    Returns:
        Images ``(b, 3, h, w)``, padded with 0, and labels ``(b, h, w)`` int64, padded with 255 (void).

    Raises:
        OptionError: The items have no label image, or several.
    """
    keys = [
        key
        for key, value in batch[0][1].items()
        if isinstance(value, torch.Tensor) and value.ndim == 2 and key not in NO_LABEL_IMAGES
    ]
    if len(keys) != 1:
        raise OptionError(f"items have the label images {', '.join(keys) or 'none'}; name one in fields=")
    labels = [_plain(target[keys[0]]) for _, target in batch]
    height, width = (max(label.shape[axis] for label in labels) for axis in (0, 1))
    images = [_padded(_plain(image), height, width, 0) for image, _ in batch]
    labels = [_padded(label, height, width, VOID) for label in labels]
    return leaving(_stacked(images)), leaving(_stacked(labels))


def _padded(values: Any, height: int, width: int, fill: int) -> Any:
    missing = (0, width - values.shape[-1], 0, height - values.shape[-2])
    return torch.nn.functional.pad(values, missing, value=fill) if any(missing) else values


def _plain(values: Any) -> Any:
    """A tensor without torchvision's knowledge."""
    return values.as_subclass(torch.Tensor)


def _images(images: list[Any]) -> Any:
    shapes = {
        image.shape if isinstance(image, torch.Tensor) and image.ndim == 3 else None for image in images
    }
    if len(shapes) != 1 or None in shapes:
        return images
    if (decoded := _side_by_side(images)) is None:
        decoded = _stacked([_plain(image).permute(1, 2, 0) for image in images])
    return leaving(decoded.permute(0, 3, 1, 2))


def _stacked(tensors: list[Any]) -> Any:
    """Tensors of one shape as one; what comes from a transform may be anywhere, and anything."""
    kinds = {(tensor.dtype, tensor.device.type, tensor.requires_grad) for tensor in tensors}
    first = tensors[0]
    if kinds != {(first.dtype, "cpu", False)}:
        return torch.stack(tensors)
    return torch.stack(tensors, out=empty((len(tensors), *first.shape), first.dtype))


def _side_by_side(images: list[Any]) -> Any:
    """The batch ``(b, h, w, 3)`` that pictures were decoded into; null where they were not, or not all of it."""
    first = _plain(images[0])
    shape = (len(images), *first.shape[1:], first.shape[0])
    size = first.numel()
    storage = first.untyped_storage()
    apart = [image.data_ptr() - first.data_ptr() for image in images]
    whole = first.dtype == torch.uint8 and storage.nbytes() == size * len(images)
    if (
        not whole
        or apart != list(range(0, size * len(images), size))
        or not first.permute(1, 2, 0).is_contiguous()
    ):
        return None
    return torch.empty(0, dtype=torch.uint8).set_(storage, 0, shape)


class Targets(list[Any]):
    """The targets of a batch, a list. From a worker they come as one array a key: each tensor that is sent costs."""

    def __reduce__(self) -> Any:
        keys = list(self[0]) if self else []
        if not keys or any(list(target) != keys for target in self):
            return Targets, (list(self),)
        return _unpacked, (keys, [_packed([target[key] for target in self]) for key in keys])


def _packed(values: list[Any]) -> tuple[Any, list[int] | None, list[Any] | None]:
    """Tensors one after the other, their lengths and what torchvision knows of them, where it is possible."""
    tensors = all(isinstance(value, torch.Tensor) for value in values)
    if not tensors or len({(type(v), v.dtype, v.shape[1:], v.ndim) for v in values}) > 1:
        return values, None, None
    known = None if type(values[0]) is torch.Tensor else [tv.knowledge(value) for value in values]
    plain = values if known is None else [_plain(value) for value in values]
    if plain[0].ndim == 0:
        return _small(torch.stack(plain)), None, known
    return _small(torch.cat(plain)), [len(value) for value in plain], known


def _small(values: Any) -> Any:
    """As an array where it is small: a tensor would get shared memory of its own."""
    if values.nbytes <= INLINE:
        with suppress(TypeError):  # numbers that numpy does not know
            return values.numpy()
    return values


def _unpacked(keys: list[str], packed: list[tuple[Any, list[int] | None, list[Any] | None]]) -> Targets:
    columns = []
    for values, lengths, known in packed:
        column = values if isinstance(values, list) else torch.as_tensor(values)
        if not isinstance(column, list):
            column = column.unbind() if lengths is None else column.split(lengths)
        if known is not None:
            column = [tv.known(value, what) for value, what in zip(column, known, strict=True)]
        columns.append(column)
    return Targets(dict(zip(keys, row, strict=True)) for row in zip(*columns, strict=True))
