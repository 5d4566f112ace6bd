"""Drawing, to the pixel and as a whole: each type of label, at borders, on turned and tiny pictures."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

import smalti as sm
from smalti.geometry import rle
from smalti.schema import features
from smalti.view.palette import colour
from smalti.view.picture import opened

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

GREY = (128, 128, 128)
SIZE = (240, 160)
PERSON = sm.Category(
    name="person", id=1, keypoints=("head", "hand", "hip", "foot"), skeleton=((0, 1), (0, 2), (2, 3))
)
CLASSES = sm.Categories((PERSON, sm.Category(name="car", id=7), sm.Category(name="tree", id=9)))


def grey(size: tuple[int, int] = SIZE) -> bytes:
    sink = io.BytesIO()
    Image.new("RGB", size, GREY).save(sink, "PNG")
    return sink.getvalue()


def scenery(size: tuple[int, int] = SIZE) -> bytes:
    """Light and dark, and colours: marks have to be seen on all of them."""
    across, down = np.meshgrid(np.linspace(0, 1, size[0]), np.linspace(0, 1, size[1]))
    pixels = np.stack([255 * across, 255 * down, 255 * (1 - across) * (1 - down)], axis=2)
    pixels[:, ::40] = 255
    sink = io.BytesIO()
    Image.fromarray(pixels.astype(np.uint8)).save(sink, "PNG")
    return sink.getvalue()


def sample(
    objects: list[dict[str, Any]] | None,
    size: tuple[int, int] = SIZE,
    body: bytes | None = None,
    **columns: Any,
) -> sm.Sample:
    image = {"width": size[0], "height": size[1], "bytes": body or grey(size)}
    ds = sm.Dataset.from_samples(
        [{"id": "a", "image": image, "objects": objects, **columns}],
        categories=CLASSES if objects else None,
    )
    return ds[0]


def changed(image: Image.Image) -> NDArray[np.bool_]:
    return (np.abs(np.asarray(image, int) - 128) > 3).any(axis=2)


def coded(mask: NDArray[np.bool_]) -> dict[str, Any]:
    flat = mask.T.ravel().astype(int)
    starts = np.flatnonzero(np.diff(flat)) + 1
    runs = np.diff(np.concatenate([[0], starts, [flat.size]]))
    runs = np.concatenate([[0], runs]) if flat[0] else runs
    text, _ = rle.encode_text(runs.astype(np.int64), np.array([0, len(runs)]))
    return {"height": mask.shape[0], "width": mask.shape[1], "counts": text.tobytes()}


def ring_mask() -> NDArray[np.bool_]:
    rows, columns = np.indices((SIZE[1], SIZE[0]))
    far = np.hypot(rows - 80, columns - 120)
    mask = (far < 60) & (far > 25)
    mask[5, 5] = True  # a pixel alone
    mask[100:, 239] = True  # at the border
    return mask


def test_masks__are_drawn_exactly() -> None:
    mask = ring_mask()
    drawn = sample([{"category": "car", "mask": coded(mask)}]).draw(labels=False)
    assert (changed(drawn) == mask).all()


def test_masks__of_single_pixels_keep_their_colour() -> None:
    mask = ring_mask()
    drawn = sample([{"category": "car", "mask": coded(mask)}]).draw(labels=False)
    assert drawn.getpixel((5, 5)) == colour(1)
    assert drawn.getpixel((239, 130)) == colour(1)
    assert drawn.getpixel((120 + 59, 80)) != colour(1), "a dark edge"


def test_masks__of_random_pixels_are_drawn_exactly() -> None:
    rng = np.random.default_rng(0)
    for share in (0.01, 0.5, 0.99):
        mask = rng.random((SIZE[1], SIZE[0])) < share
        drawn = sample([{"category": "tree", "mask": coded(mask)}]).draw(labels=False)
        assert (changed(drawn) == mask).all()


def test_masks__of_a_larger_picture_lie_where_their_pixels_lie() -> None:
    mask = ring_mask()
    drawn = sample([{"category": "car", "mask": coded(mask)}], body=grey((480, 320))).draw(labels=False)
    assert (changed(drawn) == mask.repeat(2, axis=0).repeat(2, axis=1)).all()


def test_polygons__holes_stay_holes() -> None:
    outer = [20, 20, 200, 20, 200, 140, 20, 140]
    hole = [80, 60, 150, 60, 150, 110, 80, 110]
    drawn = changed(sample([{"category": "car", "polygons": [outer, hole]}]).draw(labels=False))
    assert drawn[30:50, 30:190].all()
    assert not drawn[66:104, 86:144].any()
    assert not drawn[:15].any()
    assert not drawn[146:].any()


def test_polygons__parts_are_all_filled() -> None:
    parts = [[10, 10, 60, 10, 60, 60, 10, 60], [150, 90, 220, 90, 220, 150, 150, 150]]
    drawn = changed(sample([{"category": "car", "polygons": parts}]).draw(labels=False))
    assert drawn[15:55, 15:55].all()
    assert drawn[95:145, 155:215].all()
    assert not drawn[70:85].any()


@pytest.mark.parametrize("boxed", ["bbox", "second"])
@pytest.mark.parametrize(
    "box", [[0, 0, 240, 160], [-50, -50, 400, 300], [0, 0, 120, 160], [120, 0, 120, 160]]
)
def test_boxes__at_the_border_are_seen(box: list[float], boxed: str) -> None:
    one = [{"category": "car", "bbox": box}]
    given = sample([], predictions=sm.Objects.from_list(one)) if boxed == "second" else sample(one)
    drawn = changed(given.draw(labels=False))
    left, right = max(0, int(box[0])), min(240, int(box[0] + box[2])) - 1
    share = 0.35 if boxed == "second" else 0.9  # dashes
    assert drawn[:, left : left + 2].any(axis=1).mean() > share
    assert drawn[:, right - 1 : right + 1].any(axis=1).mean() > share
    assert drawn[:2, left:right].any(axis=0).mean() > share
    assert drawn[-2:, left:right].any(axis=0).mean() > share


def test_boxes__lie_on_their_pixels_and_are_not_filled() -> None:
    drawn = changed(sample([{"category": "car", "bbox": [30, 20, 100, 80]}]).draw(labels=False))
    rows, columns = np.flatnonzero(drawn.any(axis=1)), np.flatnonzero(drawn.any(axis=0))
    assert abs(rows[0] - 20) <= 1
    assert abs(rows[-1] - 99) <= 1
    assert abs(columns[0] - 30) <= 1
    assert abs(columns[-1] - 129) <= 1
    assert not drawn[28:92, 38:122].any()


@pytest.mark.parametrize(
    "box", [[240, 0, 10, 10], [-20, 10, 20, 10], [0, 400, 10, 10], [50, 50, 0, 0], [50, 50, 0.2, 90]]
)
def test_boxes__outside_or_without_extent_do_not_fail(box: list[float]) -> None:
    drawn = changed(sample([{"category": "car", "bbox": box}]).draw())
    assert drawn.any() == (box[0] == 50)


def test_boxes__stand_for_objects_that_have_nothing_finer() -> None:
    objects = [
        {"category": "car", "bbox": [10, 10, 60, 60], "polygons": [[20, 20, 60, 20, 60, 60]]},
        {"category": "car", "bbox": [120, 10, 60, 60]},
    ]
    fine = changed(sample(objects).draw(labels=False))
    assert not fine[40, 8:13].any()
    assert fine[40, 118:123].any()
    assert changed(sample(objects).draw(labels=False, boxes=True))[40, 8:13].any()
    assert not changed(sample(objects).draw(labels=False, boxes=False))[40, 118:123].any()


def test_quads__follow_their_corners() -> None:
    drawn = changed(
        sample([{"category": "car", "quad": [60, 30, 180, 70, 160, 130, 40, 90]}]).draw(labels=False)
    )
    for x, y in ((120, 50), (170, 100), (100, 110), (50, 60)):
        assert drawn[y - 1 : y + 2, x - 1 : x + 2].any()
    assert not drawn[75:85, 90:130].any()
    assert not drawn[:26].any()


def test_polylines__stay_open() -> None:
    drawn = changed(sample([{"category": "car", "polyline": [20, 20, 200, 20, 200, 140]}]).draw(labels=False))
    assert drawn[20, 30:190].all()
    assert drawn[30:130, 200].all()
    assert not drawn[75:85, 100:120].any()


def pose(*points: tuple[float, float, int]) -> list[dict[str, float]]:
    return [dict(zip(("x", "y", "visibility"), point, strict=True)) for point in points]


def test_keypoints__what_is_not_labelled_is_not_drawn() -> None:
    given = sample(
        [{"category": "person", "keypoints": pose((60, 30, 2), (200, 30, 0), (60, 80, 1), (60, 140, 2))}]
    )
    drawn = given.draw(labels=False)
    found = changed(drawn)
    assert found[30, 60]
    assert found[50, 60], "a bone"
    assert not found[:, 180:].any()
    assert min(drawn.getpixel((60, 80))) > 150, "hidden ones are hollow"
    assert drawn.getpixel((60, 30)) == colour(0)


def test_second_field__is_dashed_and_not_filled() -> None:
    square = [[60, 40, 180, 40, 180, 120, 60, 120]]
    truth = [{"category": "car", "polygons": square}]
    guess = sm.Objects.from_list([{"category": "car", "polygons": square, "score": 0.5}])
    both = sample([], predictions=guess)
    alone = changed(sample(truth).draw(labels=False))
    dashed = changed(both.draw(labels=False))
    assert alone[80, 120]
    assert not dashed[80, 120]
    border = dashed[39:42, 60:180].any(axis=0)
    assert 0.3 < border.mean() < 0.9


def test_beside__each_field_has_its_picture() -> None:
    guess = sm.Objects.from_list([{"category": "car", "bbox": [20, 20, 50, 50], "score": 0.5}])
    drawn = sample([{"category": "tree", "bbox": [150, 90, 50, 50]}], predictions=guess).draw(beside=True)
    assert drawn.width > 2 * SIZE[0]
    assert drawn.height > SIZE[1]


def test_fields__are_chosen_by_name() -> None:
    guess = sm.Objects.from_list([{"category": "car", "bbox": [20, 20, 50, 50]}])
    given = sample([{"category": "tree", "bbox": [150, 90, 50, 50]}], predictions=guess)
    assert not changed(given.draw("objects", labels=False))[:85].any()
    assert not changed(given.draw(["predictions"], labels=False))[85:].any()
    with pytest.raises(sm.errors.SchemaError, match=r"'labels' is no field .* 'objects', 'predictions'"):
        given.draw("labels")
    with pytest.raises(sm.errors.OptionError, match="colours='score'"):
        given.draw(colours="score")


def test_colours__are_those_of_the_class_whatever_else_is_there() -> None:
    for others in ([], [{"category": "person", "bbox": [1, 1, 5, 5]}]):
        drawn = sample([*others, {"category": "tree", "bbox": [100, 60, 60, 60]}]).draw(labels=False)
        assert drawn.getpixel((100, 90)) == colour(2)


def test_colours__of_tracks() -> None:
    objects = [{"category": "car", "bbox": [10 + 100 * n, 60, 60, 60], "track_id": n} for n in (0, 1)]
    same, apart = sample(objects).draw(labels=False), sample(objects).draw(labels=False, colours="track")
    assert same.getpixel((10, 90)) == same.getpixel((110, 90))
    assert apart.getpixel((10, 90)) != apart.getpixel((110, 90))


def test_tails__go_through_the_frames_before() -> None:
    frames = [
        sample([{"category": "car", "bbox": [20 + 40 * n, 100 - 20 * n, 20, 20], "track_id": 3}])
        for n in range(5)
    ]
    drawn = changed(frames[-1].draw(labels=False, history=frames[:-1]))
    assert drawn[110, 30]
    assert drawn[70, 110]
    assert not changed(frames[-1].draw(labels=False))[70, 110]


def turned(orientation: int) -> tuple[bytes, Image.Image]:
    """A picture stored in an orientation, and how it is seen."""
    upright = Image.new("RGB", (120, 80), GREY)
    upright.paste((255, 255, 255), (10, 10, 40, 30))
    flips = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    stored = upright.transpose(flips[orientation]) if orientation > 1 else upright
    exif = Image.Exif()
    exif[0x0112] = orientation
    sink = io.BytesIO()
    stored.save(sink, "PNG", exif=exif)
    return sink.getvalue(), upright


@pytest.mark.parametrize("orientation", range(1, 9))
def test_turned__labels_of_the_upright_picture(orientation: int) -> None:
    body, upright = turned(orientation)
    given = sample([{"category": "car", "bbox": [10, 10, 30, 20]}], upright.size, body)
    picture = opened(given, None)
    assert np.array_equal(np.asarray(picture.image), np.asarray(upright))
    assert picture.boxes(given.objects.bbox).tolist() == [[10, 10, 40, 30]]


@pytest.mark.parametrize("orientation", [5, 6, 7, 8])
def test_turned__labels_of_the_stored_picture_turn_with_it(orientation: int) -> None:
    body, upright = turned(orientation)
    white = np.asarray(Image.open(io.BytesIO(body))).min(axis=2) == 255
    rows, columns = np.flatnonzero(white.any(axis=1)), np.flatnonzero(white.any(axis=0))
    x, y = float(columns[0]), float(rows[0])
    box = [x, y, float(len(columns)), float(len(rows))]
    given = sample(
        [{"category": "car", "bbox": box, "mask": coded(white)}], (upright.height, upright.width), body
    )
    picture = opened(given, None)
    assert picture.image.size == upright.size
    assert picture.boxes(given.objects.bbox).tolist() == [[10, 10, 40, 30]]
    seen = np.asarray(upright).min(axis=2) == 255
    assert np.array_equal(picture.pixels(white), seen)


def test_size__small_drawings_keep_their_labels_in_place() -> None:
    objects = [{"category": "car", "bbox": [400, 200, 400, 200]}]
    given = sample(objects, (1600, 800))
    drawn = changed(given.draw(size=400, labels=False))
    assert drawn.shape == (200, 400)
    assert drawn[75, 99:102].any()
    assert drawn[75, 198:201].any()
    assert given.draw(size=(300, 100), labels=False).size == (200, 100)
    assert given.draw(size=5000, labels=False).size == (1600, 800)


@pytest.mark.parametrize("size", [(1, 1), (3, 200), (28, 28), (4000, 30)])
def test_size__any(size: tuple[int, int]) -> None:
    objects = [{"category": "person", "bbox": [0, 0, *size], "keypoints": pose((0.5, 0.5, 2)), "score": 0.25}]
    assert sample(objects, size).draw().size == size


def test_sizes_of_lines__grow_with_the_picture() -> None:
    def thick(size: tuple[int, int]) -> int:
        box = [size[0] // 4, size[1] // 4, size[0] // 2, size[1] // 2]
        drawn = changed(sample([{"category": "car", "bbox": box}], size).draw(labels=False))
        return int(drawn[size[1] // 2, : size[0] // 2].sum())

    assert thick((200, 150)) < thick((1200, 900)) < thick((3000, 2250))


def test_names__in_any_letters() -> None:
    for name in ("Straße", "猫", "a" * 300, "a\nb\t\0c", "<b>", "\N{RIGHT-TO-LEFT OVERRIDE}evil"):
        ds = sm.Dataset.from_samples(
            [
                {
                    "id": "a",
                    "image": {"bytes": grey()},
                    "objects": [{"category": name, "bbox": [30, 40, 50, 60]}],
                }
            ]
        )
        assert ds[0].draw().size == SIZE


def label_image(numbers: NDArray[Any], mode: str = "L") -> bytes:
    sink = io.BytesIO()
    Image.fromarray(numbers.astype(np.uint8), mode if numbers.ndim == 2 else None).save(sink, "PNG")
    return sink.getvalue()


def with_column(feature: Any, value: Any, body: bytes | None = None) -> sm.Sample:
    ds = sm.Dataset.from_samples([{"id": "a", "image": {"bytes": body or grey()}}])
    return ds.with_column("label", pa.array([value], feature.arrow), feature)[0]


def test_label_images__each_class_by_its_id() -> None:
    numbers = np.zeros((SIZE[1], SIZE[0]))
    numbers[20:80, 30:100] = 7
    numbers[90:150, 120:200] = 9
    numbers[0:10, 200:240] = 255
    drawn = with_column(
        features.Mask(categories=CLASSES), {"path": None, "bytes": label_image(numbers)}
    ).draw(labels=False)
    assert (changed(drawn) == np.isin(numbers, (7, 9))).all()
    assert drawn.getpixel((31, 50)) == colour(1)
    assert drawn.getpixel((121, 120)) == colour(2)


def test_panoptic__segments_by_their_colours() -> None:
    numbers = np.zeros((SIZE[1], SIZE[0], 3))
    numbers[20:80, 30:100] = (1, 2, 0)
    numbers[90:150, 120:200] = (3, 0, 1)
    segments = [{"id": 1 + 512, "category": "person"}, {"id": 3 + 65536, "category": "tree"}]
    codes = pa.array(
        [[{**item, "bbox": None, "area": None, "iscrowd": item["category"] == "tree"} for item in segments]]
    )
    value = {"path": None, "bytes": label_image(numbers), "segments": codes[0].as_py()}
    drawn = with_column(features.Panoptic(categories=CLASSES), value).draw(labels=False)
    assert (changed(drawn) == numbers.any(axis=2)).all()
    assert drawn.getpixel((31, 50)) == colour(0)


@pytest.mark.parametrize("body", [b"", b"no picture", b"\x89PNG\r\n\x1a\n" + b"\0" * 40])
def test_broken__pictures_are_named(body: bytes) -> None:
    broken = sm.Sample(id="a", image={"path": "a.png", "bytes": body})
    error = sm.errors.DataError if body else sm.errors.OptionError
    with pytest.raises(error, match=r"a\.png|needs the images"):
        broken.draw()


def test_broken__masks_are_refused() -> None:
    with pytest.raises(sm.errors.DataError, match="run-length"):
        sample([{"category": "car", "mask": {"height": 4, "width": 4, "counts": b"\x01"}}]).draw()
    with pytest.raises(sm.errors.DataError, match="too large"):
        sample([{"category": "car", "mask": {"height": 10**6, "width": 10**6, "counts": b"0"}}]).draw()


def test_ellipses__as_formats_keep_them() -> None:
    cvat = {"category": "car", "ellipse": '{"cx": 120, "cy": 80, "rx": 80, "ry": 30}'}
    turned_ = {"category": "car", "ellipse": '{"cx": 120, "cy": 80, "rx": 70, "ry": 20, "rotation": 90}'}
    datumaro = {"category": "car", "bbox": [40, 50, 160, 60], "ellipse": "[40, 50, 200, 110]"}
    rows, columns = np.indices((SIZE[1], SIZE[0])) + 0.5
    flat = ((columns - 120) / 80) ** 2 + ((rows - 80) / 30) ** 2
    for given in (cvat, datumaro):
        found = changed(with_shape(given).draw(labels=False))
        assert found[flat < 0.8].all()
        assert not found[flat > 1.35].any()
    upright = changed(with_shape(turned_).draw(labels=False))
    assert upright[15:145, 120].all()
    assert not upright[80, :95].any()


def with_shape(item: dict[str, Any]) -> sm.Sample:
    """An object whose attributes are JSON, as readers keep shapes that no member is."""
    names = [name for name in item if name in {"ellipse", "cuboid", "cuboid_2d"}]
    feature = features.Objects(
        categories=CLASSES,
        members=("category", "bbox", "box3d"),
        attributes={name: features.Json() for name in names},
    )
    found = sm.Objects.from_list([item], feature)
    return sm.Sample(id="a", image={"width": SIZE[0], "height": SIZE[1], "bytes": grey()}, objects=found)


CUBOID = {"tl1": (40, 60), "bl1": (40, 130), "tr1": (130, 60), "br1": (130, 130)}
BACK = {"tl": (90, 20), "bl": (90, 90), "tr": (180, 20), "br": (180, 90)}


@pytest.mark.parametrize("kind", ["cvat", "mirrored", "datumaro"])
def test_cuboids__faces_and_the_edges_between_them(kind: str) -> None:
    back = {f"{corner}2": BACK[corner] for corner in BACK}
    if kind == "mirrored":  # as CVAT writes them
        back = {f"{c}2": BACK[c.translate(str.maketrans("lr", "rl"))] for c in BACK}
    corners = {**CUBOID, **back}
    numbers = {
        f"{axis}{name}": place for name, at in corners.items() for axis, place in zip("xy", at, strict=True)
    }
    ring = ["tl1", "tr1", "br1", "bl1", "tl2", "tr2", "br2", "bl2"]
    item: dict[str, Any] = {"category": "car"}
    if kind == "datumaro":
        item["cuboid_2d"] = json.dumps([list(corners[name]) for name in ring])
    else:
        item["cuboid"] = json.dumps(numbers)
    found = changed(with_shape(item).draw(labels=False))
    for x, y in ((85, 60), (40, 95), (135, 20), (180, 55), (65, 40), (155, 40), (155, 110), (65, 110)):
        assert found[y - 2 : y + 3, x - 2 : x + 3].any(), (x, y)
    assert not found[:, 190:].any()
    assert not found[70:85, 50:80].any(), "no line crosses a face"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "{",
        "[1, 2]",
        '{"cx": 1}',
        '{"cx": "a", "cy": 1, "rx": 1, "ry": 1}',
        "[true, 1, 2, 3]",
        "[" * 5000,
    ],
)
def test_shapes__that_are_none_are_said_not_to_be_drawn(text: str) -> None:
    given = with_shape({"category": "car", "ellipse": text})
    assert not changed(given.draw(labels=False)).any()
    assert given.draw().height > SIZE[1]


def test_placeless__objects_are_said_not_to_be_drawn() -> None:
    space = {"x": 1.0, "y": 1, "z": 9, "height": 2, "width": 2, "length": 4, "rotation_y": 0}
    alone = with_shape({"category": "car", "box3d": space})
    assert alone.draw(labels=False).size == SIZE
    assert alone.draw().height > SIZE[1]
    both = with_shape({"category": "car", "bbox": [10, 10, 60, 60], "box3d": space})
    assert both.draw().size == SIZE


def everything() -> dict[str, sm.Sample]:
    """A sample for each type of label."""
    square, hole = [30, 30, 140, 20, 150, 120, 40, 130], [70, 55, 110, 50, 112, 90, 72, 95]
    scored = [{"category": "car", "bbox": [40, 40, 90, 70], "score": 0.87}]
    guess = sm.Objects.from_list(
        [
            {"category": "car", "bbox": [48, 46, 90, 70], "score": 0.61},
            {"category": "tree", "polygons": [[170, 30, 230, 50, 190, 140]], "score": 0.4},
        ]
    )
    person = pose((60, 30, 2), (30, 80, 1), (66, 90, 2), (90, 145, 2))
    body = scenery()
    numbers = np.zeros((SIZE[1], SIZE[0]))
    numbers[20:80, 30:120] = 7
    numbers[70:150, 130:220] = 9
    shapes = sm.Objects.from_list(
        [
            {"category": "car", "ellipse": '{"cx": 70, "cy": 80, "rx": 50, "ry": 25, "rotation": 30}'},
            {
                "category": "tree",
                "cuboid_2d": "[[140,60],[190,60],[190,130],[140,130],[170,30],[220,30],[220,100],[170,100]]",
            },
        ],
        features.Objects(
            categories=CLASSES,
            members=("category",),
            attributes={"ellipse": features.Json(), "cuboid_2d": features.Json()},
        ),
    )
    stuff = [
        {"id": 7, "category": "car", "bbox": None, "area": None, "iscrowd": False},
        {"id": 9, "category": "person", "bbox": None, "area": None, "iscrowd": True},
    ]
    shown, upright = turned(6)
    lying = sample(
        [
            {"category": "car", "bbox": [10, 80, 20, 30]},
            {"category": "tree", "polygons": [[40, 20, 70, 30, 50, 60]]},
        ],
        (upright.height, upright.width),
        shown,
    )
    return {
        "exif": lying,
        "figures": sm.Sample(
            id="a", image={"width": SIZE[0], "height": SIZE[1], "bytes": body}, objects=shapes
        ),
        "panoptic": with_column(
            features.Panoptic(categories=CLASSES),
            {"path": None, "bytes": label_image(numbers), "segments": stuff},
            body,
        ),
        "boxes": sample(
            [
                {"category": "car", "bbox": [0, 0, 240, 160]},
                {"category": "tree", "bbox": [20, 60, 80, 70]},
                {"category": "person", "bbox": [180, 90, 60, 70]},
            ],
            body=body,
        ),
        "scores": sample(scored, body=body),
        "oriented": sample([{"category": "car", "quad": [60, 30, 180, 70, 160, 130, 40, 90]}], body=body),
        "polygons": sample([{"category": "car", "polygons": [square, hole]}], body=body),
        "masks": sample([{"category": "tree", "mask": coded(ring_mask())}], body=body),
        "keypoints": sample([{"category": "person", "keypoints": person}], body=body),
        "polylines": sample(
            [{"category": "car", "polyline": [20, 140, 90, 60, 150, 110, 220, 20]}], body=body
        ),
        "crowd": sample([{"category": "person", "bbox": [20, 20, 180, 90], "iscrowd": True}], body=body),
        "fields": sample([{"category": "car", "bbox": [40, 40, 90, 70]}], body=body, predictions=guess),
        "label_image": with_column(
            features.Mask(categories=CLASSES), {"path": None, "bytes": label_image(numbers)}, body
        ),
        "captions": with_column(
            features.Captions(),
            [
                {
                    "id": 1,
                    "caption": "A street without anybody, on a day that has more colours than most days.",
                },
                {"id": 2, "caption": "Lines."},
            ],
            body,
        ),
        "classes": with_column(
            features.Classification(categories=CLASSES, multi=True),
            [{"category": "car", "score": 0.9}, {"category": "tree", "score": None}],
            body,
        ),
    }


@pytest.mark.usefixtures("plain_font")
@pytest.mark.parametrize("name", sorted(everything()))
def test_golden__every_type_of_label(name: str, golden: Callable[..., None]) -> None:
    golden(everything()[name].draw(), f"draw_{name}", tolerance=1.5, worst=40)


@pytest.mark.usefixtures("plain_font")
def test_golden__tracks_with_tails(golden: Callable[..., None]) -> None:
    frames = [
        sample(
            [
                {"category": "car", "bbox": [20 + 15 * n, 30 + 8 * n, 50, 30], "track_id": 3},
                {"category": "person", "bbox": [190 - 10 * n, 90, 20, 50], "track_id": 12},
            ],
            body=scenery(),
        )
        for n in range(8)
    ]
    golden(frames[-1].draw(history=frames[:-1], colours="track"), "draw_tracks", tolerance=1.5, worst=40)


@pytest.mark.usefixtures("plain_font")
def test_golden__beside(golden: Callable[..., None]) -> None:
    golden(everything()["fields"].draw(beside=True), "draw_beside", tolerance=1.5, worst=40)
