"""smalti: one dataset representation that training, tracking and analysis tools share.

    import smalti as sm

    ds = sm.read("coco/annotations/instances_val2017.json", media="coco/val2017")
    report = ds.write("out/yolo", format="yolo", media="link")
    sm.convert("coco/", "out/yolo", to="yolo")

Names are looked up when they are first used, so that importing smalti costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from smalti import errors, geometry
    from smalti.dataset.dataset import Dataset
    from smalti.dataset.expressions import col
    from smalti.dataset.rows import concat
    from smalti.formats.report import Loss, Report
    from smalti.io import convert, read, write
    from smalti.schema import features
    from smalti.schema.categories import Categories, Category
    from smalti.schema.objects import Objects
    from smalti.schema.sample import Sample
    from smalti.schema.schema import Schema
    from smalti.store.store import Store
    from smalti.training import torch

__version__ = "0.1.0"

_HOMES = {
    "Categories": "smalti.schema.categories",
    "Category": "smalti.schema.categories",
    "Dataset": "smalti.dataset.dataset",
    "Loss": "smalti.formats.report",
    "Objects": "smalti.schema.objects",
    "Report": "smalti.formats.report",
    "Sample": "smalti.schema.sample",
    "Schema": "smalti.schema.schema",
    "Store": "smalti.store.store",
    "col": "smalti.dataset.expressions",
    "concat": "smalti.dataset.rows",
    "convert": "smalti.io",
    "read": "smalti.io",
    "write": "smalti.io",
}
_ROOMS = {
    "errors": "smalti.errors",
    "features": "smalti.schema.features",
    "geometry": "smalti.geometry",
    "torch": "smalti.training.torch",
}

__all__ = [
    "Categories",
    "Category",
    "Dataset",
    "Loss",
    "Objects",
    "Report",
    "Sample",
    "Schema",
    "Store",
    "col",
    "concat",
    "convert",
    "errors",
    "features",
    "geometry",
    "read",
    "torch",
    "write",
]


def __getattr__(name: str) -> object:
    if name in _ROOMS:
        value: object = import_module(_ROOMS[name])
    elif name in _HOMES:
        value = getattr(import_module(_HOMES[name]), name)
    else:
        raise AttributeError(f"module 'smalti' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
