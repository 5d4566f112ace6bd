from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest

from smalti.formats.report import Loss
from smalti.schema import features
from smalti.schema.categories import Categories, Category
from smalti.schema.schema import Schema
from smalti.testing import build, differences, tree
from smalti.testing.compare import same

if TYPE_CHECKING:
    from pathlib import Path

CLASSES = Categories((Category(name="cat", id=3), Category(name="dog", id=1, supercategory="pet")))


def _dataset(*samples: Any, classes: Categories = CLASSES, note: str | None = None) -> Any:
    columns = {
        "id": features.Value(type=pa.string()),
        "image": features.Image(),
        "objects": features.Objects(
            categories=classes, members=("category", "score"), attributes={"any": features.Json()}
        ),
        "note": features.Value(type=pa.string()),
    }
    rows = [
        {"id": f"{n}.png", "image": {"path": "x", "width": 4, "height": 3}, "objects": objects, "note": note}
        for n, objects in enumerate(samples)
    ]
    return build(Schema(columns=columns), rows)


def _object(category: int = 0, score: float = 0.5, text: str | None = None) -> dict[str, Any]:
    return {"category": category, "score": score, "any": text}


def _loss(field: str, kind: Any = "value") -> list[Loss]:
    return [Loss(code="x", field=field, reason="y", kind=kind, count=1)]


def test_differences__none_between_equals() -> None:
    one = _dataset([_object(text='{"a": 1, "b": 2}')], None, [])
    assert differences(one, _dataset([_object(text='{"b":2,"a":1}')], None, [])) == []


@pytest.mark.parametrize(
    ("other", "field", "text"),
    [
        (_dataset([_object(score=0.25)], None), "objects.score", "0.25"),
        (_dataset([_object(1)], None), "objects.category", "dog"),
        (_dataset([_object()], []), "objects", "expected no labels, found 0 objects"),
        (_dataset([_object()], None, note="new"), "note", "expected None, found 'new'"),
        (
            _dataset([_object()], None, classes=Categories((CLASSES[0], Category(name="dog", id=2)))),
            "categories",
            "expected id 1, found 2",
        ),
    ],
)
def test_differences__are_named_unless_they_are_a_loss(other: Any, field: str, text: str) -> None:
    one = _dataset([_object()], None)
    assert text in "; ".join(differences(one, other))
    assert differences(one, other, losses=_loss(field)) == []


def test_differences__class_names_and_their_order_are_never_excused() -> None:
    other = _dataset([_object(1)], classes=Categories((CLASSES[1], CLASSES[0])))
    assert "classes:" in differences(_dataset([_object()]), other, losses=_loss("categories"))[0]


def test_differences__missing_objects_are_excused_only_as_lost_objects() -> None:
    one, other = _dataset([_object(), _object(1), _object(0, 0.25)]), _dataset([_object(), _object(0, 0.25)])
    assert differences(one, other)
    assert differences(one, other, losses=_loss("objects.score"))
    assert differences(one, other, losses=_loss("objects.iscrowd", "object")) == []


def test_differences__objects_that_are_left_stay_in_order() -> None:
    one, other = _dataset([_object(), _object(1)]), _dataset([_object(1), _object()])
    assert "was not there" in differences(one, other, losses=_loss("objects", "object"))[0]


def test_differences__missing_samples_are_excused_only_as_lost_samples() -> None:
    assert "samples: expected" in differences(_dataset([], []), _dataset([]))[0]
    assert differences(_dataset([], []), _dataset([]), losses=_loss("image", "sample")) == []


@pytest.mark.parametrize(
    ("one", "other", "tolerance", "expected"),
    [
        (1.0, 1.0001, 0.0, False),
        (1.0, 1.0001, 0.001, True),
        ([1.0, {"a": 2.0}], [1.0, {"a": 2.1}], 0.001, False),
        ({"a": None}, {}, 0.0, True),
        (float("nan"), float("nan"), 0.0, True),
        ("a", "b", 9.0, False),
    ],
)
def test_same__values(one: Any, other: Any, tolerance: float, expected: bool) -> None:
    assert same(one, other, tolerance) is expected


def test_tree__of_a_folder_and_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b.txt").write_bytes(b"1")
    assert tree(tmp_path) == {"a/b.txt": b"1"}
    assert tree(tmp_path / "a" / "b.txt") == {"b.txt": b"1"}
