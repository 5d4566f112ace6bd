from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

import smalti as sm
from smalti.storage.location import Location
from smalti.view import palette
from smalti.view.draw import contact_sheet, draw_objects
from smalti.view.sheet import draw_sample, save_sheet

if TYPE_CHECKING:
    from pathlib import Path

GREY = (128, 128, 128)


def grey(width: int = 120, height: int = 80) -> Image.Image:
    return Image.new("RGB", (width, height), GREY)


def changed(image: Image.Image) -> np.ndarray:
    return (np.abs(np.asarray(image, int) - 128) > 12).any(axis=2)


def test_boxes__are_drawn_at_their_borders_and_nowhere_else() -> None:
    drawn = changed(draw_objects(grey(), codes=[0], names=[None], boxes=np.array([[30.0, 20, 40, 30]])))
    for x, y in ((30, 35), (70, 35), (50, 20), (50, 50)):
        assert drawn[y - 1 : y + 2, x - 1 : x + 2].any(), (x, y)
    assert not drawn[:10].any()
    assert not drawn[:, 90:].any()


def test_boxes__at_the_border_of_the_image_are_seen() -> None:
    drawn = changed(draw_objects(grey(), codes=[1], names=[None], boxes=np.array([[0.0, 0, 120, 80]])))
    assert drawn[40, :3].any()
    assert drawn[40, -3:].any()
    assert drawn[:3, 60].any()
    assert drawn[-3:, 60].any()


def test_outlines__keep_their_holes() -> None:
    outer = np.array([[20.0, 10], [100, 10], [100, 70], [20, 70]])
    hole = np.array([[45.0, 30], [75, 30], [75, 50], [45, 50]])
    drawn = changed(draw_objects(grey(), codes=[0], names=[None], outlines=[[outer, hole]]))
    assert drawn[20, 60], "the ring is filled"
    assert not drawn[38:42, 55:65].any(), "the hole is not"


def test_keypoints__those_without_a_label_are_not_drawn() -> None:
    points = np.array([[20.0, 20, 2], [100, 60, 0], [60, 40, 1]])
    drawn = changed(
        draw_objects(grey(), codes=[0], names=[None], keypoints=[points], skeletons=[[(0, 2), (0, 1)]])
    )
    assert drawn[20, 20]
    assert drawn[40, 60]
    assert drawn[30, 40], "a bone"
    assert not drawn[55:65, 95:105].any()


def test_names__in_any_letters() -> None:
    for name in ("car", "Straße", "猫", "a" * 200, ""):
        drawn = draw_objects(grey(), codes=[0], names=[name], boxes=np.array([[30.0, 40, 40, 30]]))
        assert drawn.size == (120, 80)


def test_colours__are_stable_and_apart() -> None:
    first = [palette.colour(code) for code in range(8)]
    assert first == [palette.colour(code) for code in range(8)]
    assert len(set(first)) == 8
    for colour in first:
        one, other = (
            sum(c * w for c, w in zip(side, (0.3, 0.6, 0.1), strict=True))
            for side in (colour, palette.ink(colour))
        )
        assert abs(one - other) > 90, "the text on it is readable"


def test_sample__turned_images_are_upright(tmp_path: Path) -> None:
    lying = Image.new("RGB", (60, 40), GREY)
    lying.paste((255, 255, 255), (0, 0, 20, 40))  # upright, the white third is at the top
    exif = Image.Exif()
    exif[0x0112] = 6
    lying.save(tmp_path / "turned.png", exif=exif)
    objects = [{"category": "sky", "bbox": [0, 0, 40, 20]}]
    ds = sm.Dataset.from_samples(
        [{"id": "turned.png", "image": {"width": 40, "height": 60}, "objects": objects}]
    )
    picture = draw_sample(ds[0], Location.parse(tmp_path))
    pixels = np.asarray(picture, int)
    assert picture.size == (40, 60)
    assert pixels[14, 30].tolist() == [255, 255, 255]
    assert pixels[50, 30].tolist() == list(GREY)


def test_sheet__is_bounded(tmp_path: Path) -> None:
    grey(300, 200).save(tmp_path / "a.png")
    samples = [
        {"id": f"{n}.png", "image": {"path": "a.png", "width": 300, "height": 200}, "objects": []}
        for n in range(50)
    ]
    ds = sm.Dataset.from_samples(samples, media_root=str(tmp_path))
    save_sheet(ds, str(tmp_path / "sheet.png"))
    save_sheet(ds[:1], str(tmp_path / "one.jpg"))
    with Image.open(tmp_path / "sheet.png") as sheet, Image.open(tmp_path / "one.jpg") as one:
        assert sheet.width < 2000
        assert sheet.height < 2000
        assert one.format == "JPEG"
        assert one.width < sheet.width


def test_sheet__needs_the_images(tmp_path: Path) -> None:
    ds = sm.Dataset.from_samples([{"id": "a.png"}])
    with pytest.raises(sm.errors.OptionError, match="needs the images"):
        save_sheet(ds, str(tmp_path / "sheet.png"))
    with pytest.raises(OSError, match=r"a\.png"):
        save_sheet(
            sm.Dataset.from_samples([{"id": "a.png"}], media_root=str(tmp_path)), str(tmp_path / "sheet.png")
        )
    assert list(tmp_path.iterdir()) == []


def test_contact_sheet__of_nothing_is_a_picture() -> None:
    assert contact_sheet([], []).width > 0
