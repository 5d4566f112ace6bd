"""torchvision's tensors, which its transforms keep in step with the picture, where torchvision is there.

https://docs.pytorch.org/vision/stable/tv_tensors.html
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any
from warnings import warn

from smalti._extras import require
from smalti.errors import MissingExtraError

torch = require("torch", "torch")

FORMATS = {"xyxy": "XYXY", "xywh": "XYWH", "cxcywh": "CXCYWH"}


def asked(wanted: bool | None) -> bool:
    """Whether items have torchvision's tensors; null: where torchvision is there.

    Raises:
        MissingExtraError: They are wanted, and torchvision is not there.
    """
    there = wanted is not False and library() is not None
    if wanted and not there:
        raise MissingExtraError(
            "tv_tensors=True needs torchvision, built for this PyTorch: pip install torchvision"
        )
    return there


@cache
def library() -> Any:
    """`torchvision.tv_tensors`; null where torchvision is not there, or cannot work with this PyTorch."""
    if not find_spec("torchvision"):
        return None
    try:
        return import_module("torchvision.tv_tensors")
    except (ImportError, RuntimeError) as error:  # as for builds of another PyTorch, or for GPUs
        warn(f"torchvision is installed but cannot be used: {error}; targets are plain tensors", stacklevel=2)
        return None


def wrapped(
    image: Any, target: dict[str, Any], layout: str, size: tuple[int, int], masks: tuple[str, ...]
) -> Any:
    """The image, with the target's boxes, masks and keypoints as torchvision's tensors.

    Keypoints become ``keypoints`` of x and y alone, beside ``visibility``; `joined` undoes it.

    Args:
        image: A tensor or a Pillow picture.
        target: It is changed.
        layout: That of its boxes.
        size: Height and width of the image.
        masks: The keys of label images.
    """
    tv = library()
    if "boxes" in target:
        target["boxes"] = tv.BoundingBoxes(target["boxes"], format=FORMATS[layout], canvas_size=size)
    for key in (*masks, "masks"):
        if key in target:
            target[key] = tv.Mask(target[key])
    if "keypoints" in target:
        points = target["keypoints"]
        target["keypoints"] = tv.KeyPoints(points[..., :2].contiguous(), canvas_size=size)
        target["visibility"] = points[..., 2]
    return tv.Image(image) if isinstance(image, torch.Tensor) else image


def joined(target: dict[str, Any]) -> None:
    """Let a target's ``keypoints`` be x, y and visibility again, float32 ``(n, points, 3)``."""
    if "visibility" in target:
        points = target["keypoints"].as_subclass(torch.Tensor)
        target["keypoints"] = torch.cat([points, target.pop("visibility")[..., None]], dim=-1)


def knowledge(value: Any) -> tuple[str, dict[str, Any]]:
    """What one of torchvision's tensors is beside its numbers: its class, and how that is made."""
    parts = {name: getattr(value, name) for name in ("format", "canvas_size") if hasattr(value, name)}
    return type(value).__name__, parts


def known(value: Any, what: tuple[str, dict[str, Any]]) -> Any:
    """The numbers with their `knowledge`."""
    name, parts = what
    return getattr(library(), name)(value, **parts)
