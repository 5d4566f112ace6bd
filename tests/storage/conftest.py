from __future__ import annotations

import io
import zipfile
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from PIL import Image

from smalti.storage.location import Location

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

TREE = {"a.txt": b"one", "b/c.JPG": b"two", "b/d/e.jpg": b"three", "b/ü.txt": b""}


@pytest.fixture
def memory() -> Location:
    """Give a folder of the memory file system that no other test has."""
    return Location.parse(f"memory://{uuid4().hex}")


@pytest.fixture(params=["file", "memory", "zip"])
def tree(request: pytest.FixtureRequest, tmp_path: Path, memory: Location) -> Location:
    """Give the same small tree on three file systems."""
    if request.param == "zip":
        with zipfile.ZipFile(tmp_path / "tree.zip", "w") as archive:
            for name, body in TREE.items():
                archive.writestr(name, body)
        return Location.parse(f"zip://::{tmp_path / 'tree.zip'}")
    root = memory if request.param == "memory" else Location.parse(tmp_path / "tree")
    for name, body in TREE.items():
        (root / name).write_bytes(body)
    return root


@pytest.fixture
def picture() -> Callable[..., bytes]:
    """Make an image file's bytes: picture("JPEG", (20, 10), **save_options)."""

    def make(form: str, size: tuple[int, int], mode: str = "RGB", **options: Any) -> bytes:
        buffer = io.BytesIO()
        Image.effect_noise(size, 60).convert(mode).save(buffer, form, **options)
        return buffer.getvalue()

    return make
