from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from PIL import Image

from smalti.testing import everything, write_images
from smalti.testing.images import image, png

if TYPE_CHECKING:
    from pathlib import Path

ORIENTATION = 0x0112


def test_write_images__every_path_has_an_image_of_its_size(tmp_path: Path) -> None:
    dataset = everything()
    write_images(dataset, tmp_path)
    for row in dataset.to_arrow().column("image").to_pylist():
        with Image.open(tmp_path / row["path"]) as found:
            size = found.size[::-1] if row["exif_orientation"] == 6 else found.size
            assert size == (row["width"], row["height"])
            assert found.getexif().get(ORIENTATION) == row["exif_orientation"]


@pytest.mark.parametrize(("orientation", "stored"), [(1, (7, 5)), (3, (7, 5)), (6, (5, 7)), (8, (5, 7))])
def test_image__lies_on_its_side(tmp_path: Path, orientation: int, stored: tuple[int, int]) -> None:
    (tmp_path / "a.JPG").write_bytes(image("a.JPG", 7, 5, orientation))
    with Image.open(tmp_path / "a.JPG") as found:
        assert (found.format, found.size) == ("JPEG", stored)


def test_png__is_whole_and_always_the_same(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png(3, 2, 77))
    with Image.open(tmp_path / "a.png") as found:
        assert list(found.tobytes()) == [77] * 6
    png.cache_clear()
    assert png(3, 2, 77) == (tmp_path / "a.png").read_bytes()
