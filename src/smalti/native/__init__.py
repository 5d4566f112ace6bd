"""Kernels in C, for what Python does one by one or with the interpreter's lock held; they let it go.

Each has a twin in Python that serves where it was not compiled, and is null here then: see ``docs/design/native.md``.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any


def _compiled(name: str) -> Any:
    try:
        return import_module(f"smalti.native.{name}")
    except ImportError:  # there was no compiler, or the system is not one that it is written for
        return None


json: Any = _compiled("_json")  # objects, numbers, lists
files: Any = _compiled("_files")  # create
