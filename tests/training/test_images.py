"""Where pictures come from, and what becomes of them."""

from __future__ import annotations

import io
import zipfile
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import fsspec
import numpy as np
import pyarrow as pa
import pytest
import torch
from PIL import Image, ImageOps

import smalti as sm
from smalti.storage.cache import FileCache
from smalti.storage.location import Location
from smalti.training import decode

if TYPE_CHECKING:
    from pathlib import Path

BOX = {"category": "cat", "bbox": [40, 20, 80, 40], "keypoints": [[40, 20, 2]], "area": 3200,
       "polygons": [[40, 20, 120, 20, 120, 60, 40, 60]]}  # fmt: skip


def photo(width: int = 160, height: int = 80, mode: str = "RGB", kind: str = "JPEG", **options: Any) -> bytes:
    coarse = np.random.default_rng(0).integers(0, 256, (height // 8, width // 8, 3), np.uint8)
    picture = Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC).convert(mode)
    body = io.BytesIO()
    picture.save(body, kind, **options)
    return body.getvalue()


def exif(orientation: int) -> Image.Exif:
    found = Image.Exif()
    found[0x0112] = orientation
    return found


def one(root: str | None, image: dict[str, Any] | None = None) -> sm.Dataset:
    image = {"path": "a.jpg", "width": 160, "height": 80, **(image or {})}
    return sm.Dataset.from_samples([{"id": "a.jpg", "image": image, "objects": [BOX]}], media_root=root)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("size", [None, (160, 80), (80, 160)])
def test_decoders__agree_on_turned_pictures(orientation: int, size: tuple[int, int] | None) -> None:
    body = photo(exif=exif(orientation), quality=90)
    fast, whole = decode.array(body, size, "simplejpeg", None)
    slow, same = decode.array(body, size, "pillow", None)
    assert fast.shape == slow.shape
    assert whole == same == (fast.shape[1], fast.shape[0])
    assert np.array_equal(fast, slow)
    if size is None:
        assert np.array_equal(fast, np.array(ImageOps.exif_transpose(Image.open(io.BytesIO(body)))))
    elif orientation > 4:
        assert whole == size  # labels of either frame get theirs


@pytest.mark.parametrize(
    ("mode", "kind"), [("L", "JPEG"), ("CMYK", "JPEG"), ("RGB", "PNG"), ("L", "PNG"), ("P", "PNG"), ("RGBA", "PNG"), ("RGB", "WEBP")]
)  # fmt: skip
def test_decoders__give_three_channels(mode: str, kind: str) -> None:
    body = photo(mode=mode, kind=kind)
    expected = np.array(Image.open(io.BytesIO(body)).convert("RGB"))
    for decoder in ("pillow", "simplejpeg"):
        assert np.array_equal(decode.array(body, None, decoder, None)[0], expected)


def test_decoder__auto_is_the_fast_one_where_it_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    assert decode.chosen("auto") == "simplejpeg"
    monkeypatch.setattr(decode, "find_spec", lambda _: None)
    assert decode.chosen("auto") == "pillow"
    with pytest.raises(sm.errors.OptionError, match="simplejpeg is not installed; pip install simplejpeg"):
        decode.chosen("simplejpeg")
    with pytest.raises(sm.errors.OptionError, match="decoder='jpeglib' is unknown; there are auto, pillow"):
        one(None).to_torch(decoder="jpeglib")


@pytest.mark.parametrize("decoder", ["pillow", "simplejpeg"])
@pytest.mark.parametrize("orientation", [1, 6])
def test_min_size__shrinks_picture_and_labels_alike(tmp_path: Path, decoder: Any, orientation: int) -> None:
    lying = (1280, 640) if orientation == 1 else (640, 1280)
    (tmp_path / "a.jpg").write_bytes(photo(*lying, exif=exif(orientation)))
    ds = one(str(tmp_path), {"width": 1280, "height": 640})
    image, target = ds.to_torch(min_size=(300, 150), decoder=decoder, masks=True)[0]
    assert image.shape == (3, 160, 320)
    assert target["boxes"].tolist() == [[10, 5, 30, 15]]
    assert target["keypoints"].tolist() == [[[10, 5, 2]]]
    assert target["area"].item() == 200
    assert target["masks"].shape == (1, 160, 320)
    assert target["masks"][0, 5:15, 10:30].all()
    assert target["masks"].sum() == 200
    whole, _ = ds.to_torch(decoder=decoder)[0]
    small = torch.nn.functional.interpolate(whole[None].float(), size=(160, 320), mode="area")[0]
    assert (small - image).abs().mean() < 4
    assert ds.to_torch(min_size=700, decoder=decoder)[0][0].shape == (3, 640, 1280)


def test_min_size__goes_for_pillow_pictures_too(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(photo(1280, 640))
    image, target = one(str(tmp_path), {"width": 1280, "height": 640}).to_torch(decode="pil", min_size=300)[0]
    assert image.size == (640, 320)
    assert target["boxes"].tolist() == [[20, 10, 60, 30]]


def test_source__bytes_in_the_table() -> None:
    ds = one(None)
    feature = sm.features.Image(members=("path", "width", "height", "bytes"))
    column = pa.array([{"path": "a.jpg", "width": 160, "height": 80, "bytes": photo()}], feature.arrow)
    image, _ = ds.with_column("image", column, feature).to_torch()[0]
    assert image.shape == (3, 80, 160)
    with pytest.raises(sm.errors.DataError, match="where the images are is not known"):
        ds.to_torch()[0]


def test_source__member_of_a_shard(tmp_path: Path) -> None:
    body = photo()
    (tmp_path / "shard.tar").write_bytes(b"x" * 512 + body + b"y" * 100)
    feature = sm.features.Image(members=("path", "width", "height", "offset", "size"))
    row = {"path": "shard.tar", "width": 160, "height": 80, "offset": 512, "size": len(body)}
    ds = one(str(tmp_path)).with_column("image", pa.array([row], feature.arrow), feature)
    assert np.array_equal(ds.to_torch()[0][0].permute(1, 2, 0), decode.array(body, None, "pillow", None)[0])


def test_source__zip_archive_with_workers(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "images.zip", "w") as archive:
        archive.writestr("a.jpg", photo())
    ds = one(f"zip://::{tmp_path / 'images.zip'}")
    expected = ds.to_torch()[0][0]
    loader = torch.utils.data.DataLoader(ds.to_torch(), num_workers=2, collate_fn=sm.torch.collate)
    ((images, _),) = loader
    assert torch.equal(images[0], expected)


def test_source__remote_with_a_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fs = fsspec.filesystem("memory")
    fs.pipe_file("/training-cache/a.jpg", photo())
    items = one("memory://training-cache").to_torch(cache=str(tmp_path / "cache"))
    first, _ = items[0]
    fs.rm("/training-cache", recursive=True)
    assert torch.equal(items[0][0], first)
    monkeypatch.undo()
    with pytest.raises(sm.errors.DataError, match=r"a\.jpg.*cannot be read as a picture"):
        one("memory://training-cache").to_torch()[0]


def test_source__data_cannot_name_files_of_this_machine(tmp_path: Path) -> None:
    (tmp_path / "secret.jpg").write_bytes(photo())
    for path in (f"file://{tmp_path}/secret.jpg", f"local://{tmp_path}/secret.jpg", "../secret.jpg", str(tmp_path / "secret.jpg"), f"simplecache::file://{tmp_path}/secret.jpg"):  # fmt: skip
        with pytest.raises(sm.errors.UnsafePathError):
            one(str(tmp_path / "root"), {"path": path}).to_torch()[0]


def test_cache__stays_below_its_bound_and_keeps_what_is_used(tmp_path: Path) -> None:
    fs = fsspec.filesystem("memory")
    for number in range(12):
        fs.pipe_file(f"/bounded/{number}", bytes(100))
    cache = FileCache(str(tmp_path), 1000)
    root = Location.parse("memory://bounded")
    sizes = []
    for number in range(12):
        assert cache.read(root / str(number)) == bytes(100)
        cache.read(root / "0")
        sizes.append(sum(file.stat().st_size for file in tmp_path.iterdir()))
    assert max(sizes) <= 1000
    assert all(a <= b for a, b in pairwise(sizes[:10]))
    fs.rm("/bounded", recursive=True)
    assert cache.read(root / "0") == bytes(100)
    with pytest.raises(FileNotFoundError):
        cache.read(root / "1")
    fs.pipe_file("/bounded/large", bytes(1001))
    assert len(cache.read(root / "large")) == 1001
    assert not [file for file in tmp_path.iterdir() if file.stat().st_size > 100]
    with pytest.raises(sm.errors.OptionError, match="a cache of 0 bytes holds nothing"):
        FileCache(str(tmp_path), 0)
