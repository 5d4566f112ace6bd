from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import smalti as sm

GOLDEN = Path(__file__).parents[1] / "golden" / "mask_pairs"
META = {"label_map": {"0": "nothing", "1": "cat", "7": "dog"}, "background_label": "0"}
LABEL = np.array([[0, 1, 1], [7, 7, 255]], np.uint8)


def picture(path: Path, pixels: Any, palette: Any = None, mode: str | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(np.array(pixels, np.uint8))
    if palette is not None:
        image.putpalette(palette)
    (image.convert(mode) if mode else image).save(path)
    return path


def source(root: Path, label: Any = LABEL, meta: Any = META, name: str = "a", **more: Any) -> Path:
    picture(root / "images" / f"{name}.jpg", np.zeros((*np.shape(label)[:2], 3)))
    picture(root / "masks" / f"{name}.png", label, **more)
    if meta is not None:
        (root / "dataset_meta.json").write_text(json.dumps(meta), "utf-8")
    return root


def label(ds: sm.Dataset, row: int = 0) -> list[list[int]]:
    mask = ds.to_arrow()["mask"][row].as_py()
    body = mask["bytes"] or (Path(ds.schema.media_root) / mask["path"]).read_bytes()
    return np.array(Image.open(io.BytesIO(body))).tolist()


def test_read__a_mask_stays_where_it_is(tmp_path: Path) -> None:
    ds = sm.read(source(tmp_path))
    assert ds.report.source_format == "mask_pairs"
    assert ds.columns == ["id", "image", "mask"]
    row = ds.to_arrow().to_pylist()[0]
    assert row["id"] == "a.jpg"
    assert row["image"] == {"path": "images/a.jpg", "width": 3, "height": 2}
    assert row["mask"] == {"path": "masks/a.png", "bytes": None}
    table = ds.schema.columns["mask"].categories
    assert [(c.name, c.id) for c in table] == [("nothing", 0), ("cat", 1), ("dog", 7)]


def test_read__colours_become_the_numbers_of_classes() -> None:
    ds = sm.read(GOLDEN / "dm_common_semseg")
    assert ds.report.source_format == "mask_pairs"
    table = ds.schema.columns["mask"].categories
    assert [c.name for c in table] == ["Void", "Animal", "Archway", "Bicyclist", "Child", "Road"]
    assert table[1].color == "#408040"
    assert table[0].attributes == {"background": True}
    raw = np.array(Image.open(GOLDEN / "dm_common_semseg" / "masks" / "0001.png"))
    colours = {tuple(int(f"0x{c.color[n : n + 2]}", 16) for n in (1, 3, 5)): n for n, c in enumerate(table)}
    assert label(ds) == [[colours[tuple(pixel)] for pixel in row] for row in raw.tolist()]


def test_read__camvid_has_classes_of_its_own() -> None:
    ds = sm.read(GOLDEN / "dm_camvid")
    assert ds.splits == {"test": 2, "train": 1, "val": 1}
    table = ds.schema.columns["mask"].categories
    assert len(table) == 32
    assert table[table.codes["Pedestrian"]].color == "#404000"
    objects = sm.read(GOLDEN / "dm_camvid", as_objects=True)
    (row,) = [s for s in objects if s.id == "0001TP_006690.png"]
    assert [o["category"] for o in row.objects] == ["Bicyclist", "Road"]


def test_read__as_objects(tmp_path: Path) -> None:
    ds = sm.read(source(tmp_path), as_objects=True)
    assert [c.name for c in ds.categories] == ["cat", "dog"]
    objects = ds.to_arrow()["objects"][0].as_py()
    assert [(o["category"], o["bbox"], o["area"]) for o in objects] == [
        ("cat", {"x": 1, "y": 0, "w": 2, "h": 1}, 2),
        ("dog", {"x": 0, "y": 1, "w": 2, "h": 1}, 2),
    ]  # 0 is the background, 255 of no class


def test_read__a_hole_stays_one(tmp_path: Path) -> None:
    ring = np.pad(np.zeros((2, 2), np.uint8), 2, constant_values=1)
    ds = sm.read(source(tmp_path / "in", ring), as_objects=True)
    mask = ds.to_arrow()["objects"][0].as_py()[0]["mask"]
    assert ds.to_arrow()["objects"][0].as_py()[0]["area"] == 32
    ds.write(tmp_path / "out", format="mask_pairs", media="copy", on_loss="ignore")
    again = sm.read(tmp_path / "out", as_objects=True)
    assert again.to_arrow()["objects"][0].as_py()[0]["mask"] == mask
    assert label(sm.read(tmp_path / "out")) == ring.tolist()


@pytest.mark.parametrize(
    ("paths", "key", "split"),
    [
        (("train/images/a.jpg", "train/masks/a.png"), "a.jpg", "train"),
        (("img_dir/val/c/a.jpg", "ann_dir/val/c/a.png"), "c/a.jpg", "val"),
        (("valid/a.jpg", "valid/a_mask.png"), "a.jpg", "val"),
        (("train/a.png", "train_labels/a_L.png"), "a.png", "train"),
        (("JPEGImages/a.jpg", "labels/a.png"), "a.jpg", None),
    ],
)
def test_read__layouts(tmp_path: Path, paths: tuple[str, str], key: str, split: str | None) -> None:
    picture(tmp_path / paths[0], np.zeros((2, 3, 3)))
    picture(tmp_path / paths[1], LABEL)
    ds = sm.read(tmp_path)
    assert ds.report.source_format == "mask_pairs"
    assert [(s.id, s.split if split else None) for s in ds] == [(key, split)]
    assert ds.to_arrow()["mask"][0].as_py()["path"] == paths[1]
    assert [c.name for c in ds.schema.columns["mask"].categories] == ["0", "1", "7", "255"]


def test_read__folders_of_other_names(tmp_path: Path) -> None:
    picture(tmp_path / "rgb" / "a.png", np.zeros((2, 3, 3)))
    picture(tmp_path / "classes" / "a.png", LABEL)
    with pytest.raises(sm.errors.SmaltiError):
        sm.read(tmp_path, "mask_pairs")
    assert len(sm.read(tmp_path, "mask_pairs", images="rgb", masks="classes")) == 1


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("label_colors.txt", "0 0 0 void\n1 2 3\tbig cat\n", [("void", "#000000"), ("big cat", "#010203")]),
        ("labelmap.txt", "# label:color\nvoid:0,0,0::\ncat:1,2,3::\n", [("void", "#000000"), ("cat", "#010203")]),
        ("class_dict.csv", "name,r,g,b\nvoid,0,0,0\ncat,1,2,3\n", [("void", "#000000"), ("cat", "#010203")]),
        ("classes.txt", "void\ncat\n", [("void", None), ("cat", None)]),
        ("id2label.json", '{"0": "void", "1": "cat"}', [("void", None), ("cat", None)]),
        ("_classes.csv", "Pixel Value, Class\n0, void\n1, cat\n", [("void", None), ("cat", None)]),
    ],
)  # fmt: skip
def test_read__tables_of_classes(tmp_path: Path, name: str, text: str, expected: list[Any]) -> None:
    source(tmp_path, meta=None)
    (tmp_path / name).write_text(text, "utf-8")
    table = sm.read(tmp_path).schema.columns["mask"].categories
    assert [(c.name, c.color) for c in table] == expected


@pytest.mark.parametrize(
    ("name", "text", "match"),
    [
        ("label_colors.txt", "0 0 void\n", "line 1"),
        ("labelmap.txt", "cat:1,2::\n", "line 1"),
        ("class_dict.csv", "name,r,g,b\ncat,1,2\n", "line 2"),
        ("_classes.csv", "v,c\nx,cat\n", "line 2"),
        ("id2label.json", '{"x": "void"}', "expected a whole number"),
        ("dataset_meta.json", '{"label_map": {"0": "a"}, "segmentation_colors": []}x', "no JSON"),
        ("dataset_meta.json", '{"label_map": {"0": "a"}, "segmentation_colors": [[1, 2]]}', "three numbers"),
        ("dataset_meta.json", '{"label_map": {"0": "a", "00": "b"}}', "two classes have one id"),
    ],
)
def test_read__faulty_tables_are_named(tmp_path: Path, name: str, text: str, match: str) -> None:
    source(tmp_path, meta=None)
    (tmp_path / name).write_text(text, "utf-8")
    with pytest.raises(sm.errors.DataError, match=match) as caught:
        sm.read(tmp_path, "mask_pairs")
    assert name in str(caught.value)


def test_read__a_palette_counts_by_position(tmp_path: Path) -> None:
    ds = sm.read(source(tmp_path, [[0, 1, 2], [2, 2, 2]], meta=None, palette=[0, 0, 0, 9, 9, 9, 200, 0, 0]))
    assert label(ds) == [[0, 1, 2], [2, 2, 2]]
    assert [c.color for c in ds.schema.columns["mask"].categories] == ["#000000", "#090909", "#c80000"]


def test_read__grey_colours_are_numbers(tmp_path: Path) -> None:
    ds = sm.read(source(tmp_path, LABEL, mode="RGB"))
    assert label(ds) == LABEL.tolist()


def test_read__an_unknown_colour_is_an_error(tmp_path: Path) -> None:
    meta = {"label_map": {"0": "a"}, "segmentation_colors": [[0, 0, 0]]}
    source(tmp_path, np.full((2, 3, 3), (1, 2, 3)), meta)
    with pytest.raises(sm.errors.DataError, match=r"#010203.*none of the 1 classes"):
        sm.read(tmp_path)
    found = sm.read(source(tmp_path, np.zeros((2, 3, 3)), meta, name="b"), on_error="skip")
    assert [s.id for s in found] == ["b.jpg"]
    assert found.report.samples_skipped == 1


def test_read__masks_elsewhere_than_images(tmp_path: Path) -> None:
    source(tmp_path / "all")
    (tmp_path / "all" / "images").rename(tmp_path / "images")
    (tmp_path / "pictures").mkdir()
    (tmp_path / "images").rename(tmp_path / "pictures" / "images")
    ds = sm.read(tmp_path / "all", "mask_pairs", media=tmp_path / "pictures")
    assert label(ds) == LABEL.tolist()
    assert ds[0].image.path == "images/a.jpg"


def test_read__image_or_mask_alone(tmp_path: Path) -> None:
    source(tmp_path)
    picture(tmp_path / "images" / "b.jpg", np.zeros((4, 5, 3)))
    picture(tmp_path / "masks" / "c.png", np.zeros((6, 7)))
    rows = {row["id"]: row for row in sm.read(tmp_path).to_arrow().to_pylist()}
    assert rows["b.jpg"]["mask"] is None
    assert (rows["c.png"]["image"]["width"], rows["c.png"]["image"]["height"]) == (7, 6)


@pytest.mark.parametrize("pixels", ["index", "palette", "color"])
@pytest.mark.parametrize("layout", ["folders", "camvid"])
def test_write__label_images_in_each_kind(tmp_path: Path, pixels: str, layout: str) -> None:
    inside = LABEL.copy()
    inside[inside == 255] = 1
    ds = sm.read(source(tmp_path / "in", inside))
    report = ds.write(tmp_path / "out", format="mask_pairs", media="copy", pixels=pixels, layout=layout)
    assert report.lossless
    folder = "defaultannot" if layout == "camvid" else "masks"
    mode = {"index": "L", "palette": "P", "color": "RGB"}[pixels]
    with Image.open(tmp_path / "out" / folder / "a.png") as mask:
        assert mask.mode == mode
    back = sm.read(tmp_path / "out")
    assert label(back) == inside.tolist()
    assert [(c.name, c.id) for c in back.schema.columns["mask"].categories] == [
        ("nothing", 0),
        ("cat", 1),
        ("dog", 7),
    ]


def test_write__numbers_are_copied_byte_for_byte(tmp_path: Path) -> None:
    sm.read(source(tmp_path / "in")).write(tmp_path / "out", format="mask_pairs", media="copy")
    mask = Path("masks") / "a.png"
    assert (tmp_path / "out" / mask).read_bytes() == (tmp_path / "in" / mask).read_bytes()


def test_write__a_value_of_no_class_has_no_colour(tmp_path: Path) -> None:
    ds = sm.read(source(tmp_path / "in"))
    with pytest.raises(sm.errors.DataError, match="value 255 is of no class"):
        ds.write(tmp_path / "out", format="mask_pairs", pixels="color", media="none")


def test_write__large_numbers_take_16_bits(tmp_path: Path) -> None:
    square = [1.0, 1.0, 4.0, 1.0, 4.0, 4.0, 1.0, 4.0]
    sample = {
        "id": "a.png",
        "image": {"path": "a.png", "width": 6, "height": 5},
        "objects": [{"category": "cat", "polygons": [square]}],
    }
    table = sm.Categories((sm.Category(name="cat", id=300),))
    ds = sm.Dataset.from_samples([sample], categories=table)
    report = ds.write(tmp_path / "out", format="mask_pairs", media="none", on_loss="ignore")
    pixels = np.array(Image.open(tmp_path / "out" / "masks" / "a.png"))
    assert set(np.unique(pixels)) == {0, 300}
    assert (pixels == 300).sum() == 9
    assert {loss.code for loss in report.losses} == {"polygon.as_mask"}


def box(x: float, y: float, size: float) -> list[list[float]]:
    return [[x, y, x + size, y, x + size, y + size, x, y + size]]


def test_write__later_objects_cover_earlier_ones(tmp_path: Path) -> None:
    objects = [
        {"category": "cat", "polygons": box(0, 0, 6)},
        {"category": "dog", "polygons": box(1, 1, 2)},
        {"category": "cat", "polygons": box(4, 4, 2)},
        {"category": "bird", "polygons": box(7, 7, 1)},
        {"category": "dog", "polygons": box(7, 7, 1)},
        {"category": "dog"},
        {"category": None, "polygons": box(0, 0, 1)},
    ]
    sample = {"id": "a.png", "image": {"path": "a.png", "width": 8, "height": 8}, "objects": objects}
    ds = sm.Dataset.from_samples([sample], categories=["cat", "dog", "bird"])
    report = ds.write(tmp_path / "out", format="mask_pairs", media="none", on_loss="ignore")
    counts = {loss.code: loss.count for loss in report.losses}
    assert counts == {
        "category.missing": 1,
        "geometry.missing": 1,
        "mask.covered": 2,
        "mask.merged": 2,
        "object.covered": 1,
        "object.merged": 2,
        "polygon.as_mask": 5,
    }
    pixels = np.array(Image.open(tmp_path / "out" / "masks" / "a.png"))
    assert [(pixels == value).sum() for value in (1, 2, 3)] == [32, 5, 0]
    assert report.objects_written == 2


def test_write__needs_labels_and_sizes(tmp_path: Path) -> None:
    with pytest.raises(sm.errors.OptionError, match="there are none"):
        sm.Dataset.from_samples([{"id": "a"}]).write(tmp_path / "out", format="mask_pairs", media="none")
    ds = sm.Dataset.from_samples([{"id": "a", "objects": [{"category": "b", "polygons": box(0, 0, 1)}]}])
    with pytest.raises(sm.errors.DataError, match="size of the image is not known"):
        ds.write(tmp_path / "out", format="mask_pairs", media="none", on_loss="ignore")
    with pytest.raises(sm.errors.OptionError, match="field='x' is no column"):
        ds.write(tmp_path / "out", format="mask_pairs", media="none", field="x")


def test_write__a_mask_that_is_gone_is_named(tmp_path: Path) -> None:
    ds = sm.read(source(tmp_path / "in"))
    (tmp_path / "in" / "masks" / "a.png").unlink()
    with pytest.raises(sm.errors.DataError, match="the mask is not there"):
        ds.write(tmp_path / "out", format="mask_pairs", media="none")


def test_convert__classes_become_objects_of_coco(tmp_path: Path) -> None:
    report = sm.convert(
        GOLDEN / "dm_camvid", tmp_path / "coco", to="coco", as_objects=True, media="copy", on_loss="ignore"
    )
    assert report.objects_written == 10
    assert len(sm.read(tmp_path / "coco")) == 4
