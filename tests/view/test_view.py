"""Colours, contact sheets, what `show` picks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

import smalti as sm
from smalti.view import palette
from smalti.view.marks import NO_CLASS
from smalti.view.paper import contact_sheet
from smalti.view.sheet import save_sheet

if TYPE_CHECKING:
    from pathlib import Path

GREY = (128, 128, 128)


def grey(width: int = 120, height: int = 80) -> Image.Image:
    return Image.new("RGB", (width, height), GREY)


def test_colours__are_stable_and_apart() -> None:
    first = [palette.colour(code) for code in range(20)]
    assert first == [palette.colour(code) for code in range(20)]
    assert len(set(first)) == 20
    for colour in first:
        one, other = (
            sum(c * w for c, w in zip(side, (0.3, 0.6, 0.1), strict=True))
            for side in (colour, palette.ink(colour))
        )
        assert abs(one - other) > 90, "the text on it is readable"


# Machado, Oliveira and Fernandes 2009, at full severity, on linear light.
EYES = {
    "most": np.eye(3),
    "protan": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deutan": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritan": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}


def lab(linear: np.ndarray) -> np.ndarray:
    """CIE L*a*b* of linear RGB."""
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    xyz = linear @ to_xyz.T / np.array([0.9505, 1, 1.089])
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.stack([116 * f[:, 1] - 16, 500 * (f[:, 0] - f[:, 1]), 200 * (f[:, 1] - f[:, 2])], axis=1)


@pytest.mark.parametrize("eyes", EYES)
def test_colours__are_apart_for_all_eyes(eyes: str) -> None:
    """Twenty classes, and no class: the difference that is just noticed is 2.3."""
    rgb = np.array([*(palette.colour(code) for code in range(20)), NO_CLASS]) / 255
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    places = lab(np.clip(linear @ np.array(EYES[eyes]).T, 0, 1))
    far = np.linalg.norm(places[:, None] - places[None], axis=2)
    assert far[np.triu_indices(len(far), 1)].min() > 11


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


def many(tmp_path: Path, count: int = 40) -> sm.Dataset:
    grey().save(tmp_path / "a.png")
    samples = [
        {
            "id": f"{n:03}",
            "image": {"path": "a.png", "width": 120, "height": 80},
            "split": "val" if n % 2 else "train",
            "objects": [{"category": "car", "bbox": [10, 10, 40, 30]}],
        }
        for n in range(count)
    ]
    return sm.Dataset.from_samples(samples, media_root=str(tmp_path))


def test_glance__is_even_over_a_dataset(tmp_path: Path) -> None:
    ds = many(tmp_path)
    assert [s.id for s in ds.glance(4)] == ["000", "013", "026", "039"]
    assert len(ds.glance(100)) == 40
    assert ds[:0].glance() == []


def test_glance__of_files_reads_what_is_there(tmp_path: Path) -> None:
    ds = many(tmp_path)
    ds.write(tmp_path / "store", progress=False)
    sm.Store(tmp_path / "store").append(many(tmp_path, 60)[40:])
    lazy = sm.read(tmp_path / "store")
    found = [s.id for s in lazy.glance(8)]
    assert len(set(found)) == 8
    assert {i < "040" for i in found} == {True, False}, "of both files"
    val = lazy.filter(sm.col("split") == "val").glance(5)
    assert {s.split for s in val} == {"val"}
    assert len(val) == 5
    assert lazy.select(["image"]).glance(3)[0].image.path == "a.png"
    assert len(lazy.glance(1000)) <= 60


def test_show__only_samples_for_which_something_holds(tmp_path: Path) -> None:
    ds = many(tmp_path)
    whole, some = ds.show(n=8), ds.show(n=8, where=sm.col("id") < "003")
    assert some.width < whole.width
    assert some.height < whole.height
    assert np.array_equal(np.asarray(ds.show(n=8)), np.asarray(whole)), "the same every time"
    with pytest.raises(sm.errors.SchemaError, match="'labels' is no field"):
        ds.show(field="labels")
    with pytest.raises(sm.errors.OptionError, match="n=0"):
        ds.show(n=0)


def test_show__enlarges_tiny_pictures(tmp_path: Path) -> None:
    grey(16, 16).save(tmp_path / "a.png")
    ds = sm.Dataset.from_samples([{"id": "a.png", "objects": []}], media_root=str(tmp_path))
    sheet = np.asarray(ds.show(), int)
    found = (np.abs(sheet - 128) < 2).all(axis=2).sum()
    assert 160 * 160 <= found < 161 * 160


def test_save__refuses_what_is_no_picture(tmp_path: Path) -> None:
    with pytest.raises(sm.errors.OptionError, match=r"\*\.txt is no picture"):
        save_sheet(many(tmp_path), str(tmp_path / "sheet.txt"))
