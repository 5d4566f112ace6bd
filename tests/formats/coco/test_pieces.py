"""Files decoded in pieces are what they are decoded at once."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.formats.coco.conftest import GOLDEN

from smalti import native
from smalti.errors import DataError
from smalti.formats.coco import body, decode, pieces, read, scan
from smalti.formats.coco.decode import Decoded, decode_file
from smalti.formats.coco.sections import Places, Section
from smalti.storage.location import Location

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(params=[16, 200, 3000])
def small(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Small pieces, so that small files have many."""
    monkeypatch.setattr(body, "PIECE", request.param)
    monkeypatch.setattr(body, "WIDEST", 64 * 1024)
    monkeypatch.setattr(pieces, "RELEASED", 4096)
    monkeypatch.setattr(scan, "PIECE", request.param)
    monkeypatch.setattr(scan, "WIDEST", 64 * 1024)


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Notes every decoding of a whole file."""
    calls: list[bool] = []
    given_ = decode._at_once

    def noted(*args: Any, **kwargs: Any) -> Any:
        calls.append(True)
        return given_(*args, **kwargs)

    monkeypatch.setattr(decode, "_at_once", noted)
    return calls


def plain(section: Section | None) -> Any:
    """A section as plain values, which tell whether two are the same to the last byte."""
    if section is None:
        return None
    view = memoryview(section.buffer)
    columns: dict[str, Any] = {}
    for key, values in section.values.items():
        if isinstance(values, Places):
            spans = zip(*(array.tolist() for array in values), strict=True)
            columns[key] = [
                (bytes(view[at : at + size]) if at >= 0 else None, *rest) for at, size, *rest in spans
            ]
        else:
            kind = values.type if isinstance(values, pa.Array) else getattr(values, "dtype", list)
            columns[key] = (str(kind), list(section.pull(key)))
    faults = [str(fault) for fault in section.faults]
    return section.size, columns, sorted(section.optional), section.places().tolist(), faults


def same(first: Decoded, second: Decoded) -> None:
    assert plain(first.images) == plain(second.images)
    assert plain(first.annotations) == plain(second.annotations)
    assert {key: bytes(raw) for key, raw in first.top.items()} == {
        key: bytes(raw) for key, raw in second.top.items()
    }


def both(path: Path, monkeypatch: pytest.MonkeyPatch, *, results: bool = False, skip: bool = False) -> None:
    """Decode a file in pieces and at once, and compare."""
    cut = decode_file(Location.parse(path), results=results, skip=skip)
    with monkeypatch.context() as patch:
        patch.setattr(pieces.Pieces, "file", lambda *_: None)
        patch.setattr(pieces.Pieces, "results", lambda *_: None)
        same(cut, decode_file(Location.parse(path), results=results, skip=skip))


def dataset(count: int) -> dict[str, Any]:
    boxes = np.random.default_rng(7).random((count, 4)).round(3).tolist()
    return {
        "info": {"description": 'has "images": [ and "annotations": [{"id": 1}, {"id": 2}] in it'},
        "images": [{"id": n, "file_name": f"é{n}.jpg", "width": 9, "height": 8} for n in range(count)],
        "licenses": [],
        "annotations": [
            {
                "segmentation": [[0, 0, 4.5, 0, 4.5, 3]] if n % 3 else {"counts": "a}, {b", "size": [8, 9]},
                "area": n / 7,
                "iscrowd": 0,
                "image_id": n,
                "bbox": boxes[n],
                "category_id": 1,
                "id": n + 1,
                "attributes": {"parts": [{"segmentation": 1}, {"segmentation": 2}], "note": 'x"}, {"y'},
            }
            for n in range(count)
        ],
        "categories": [{"id": 1, "name": "a"}],
    }


@pytest.mark.parametrize("indent", [None, 1])
@pytest.mark.parametrize(
    "path", sorted(GOLDEN.rglob("*.json")), ids=lambda path: str(path.relative_to(GOLDEN))
)
@pytest.mark.usefixtures("small")
def test_pieces__golden(
    path: Path, indent: int | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = json.loads(path.read_text())
    copy = tmp_path / "copy.json"
    copy.write_text(json.dumps(content, indent=indent))
    both(copy, monkeypatch, results=isinstance(content, list))


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_pieces__borders_in_texts_and_deeper_arrays(
    mark: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at_once: list[bool]
) -> None:
    path = tmp_path / "a.json"
    path.write_text(mark + json.dumps(dataset(40), ensure_ascii=False))
    decode_file(Location.parse(path), results=False, skip=False)
    assert not at_once
    both(path, monkeypatch)


@pytest.mark.usefixtures("small")
def test_pieces__annotations_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = dataset(40)
    path = tmp_path / "a.json"
    path.write_text(json.dumps({key: content[key] for key in ("annotations", "categories", "images")}))
    both(path, monkeypatch)


def test_pieces__only_deeper_arrays_are_called_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.json"
    path.write_text(
        '{"info": {"annotations": [{"id": 1}]}, "images": [], "annotations": [], "categories": []}'
    )
    both(path, monkeypatch)
    decoded = decode_file(Location.parse(path), results=False, skip=False)
    assert decoded.annotations is not None
    assert decoded.annotations.size == 0


def test_pieces__an_array_whose_key_is_written_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.json"
    path.write_text(r'{"im\u0061ges": [], "annotations": [], "categories": []}')
    both(path, monkeypatch)
    assert decode_file(Location.parse(path), results=False, skip=False).images is not None


@pytest.mark.usefixtures("small")
def test_pieces__keys_that_come_late(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = dataset(60)
    content["annotations"][50]["area"] = None
    content["annotations"][55]["new"] = [1]
    del content["annotations"][57]["bbox"]
    content["annotations"][58]["id"] = 2**70
    content["images"][30]["flickr_url"] = "u"
    path = tmp_path / "a.json"
    path.write_text(json.dumps(content))
    both(path, monkeypatch)


@pytest.mark.usefixtures("small")
def test_pieces__numbers_beyond_64_bits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = dataset(60)
    content["annotations"][31]["id"] = 2**70
    path = tmp_path / "a.json"
    path.write_text(json.dumps(content))
    both(path, monkeypatch)
    decoded = decode_file(Location.parse(path), results=False, skip=False)
    assert decoded.annotations is not None
    assert decoded.annotations.pull("id")[30:33] == [31, 2**70, 33]


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("place", ["images.33.width", "annotations.47.image_id"])
def test_pieces__a_fault_has_its_place(place: str, tmp_path: Path) -> None:
    content = dataset(60)
    name, row, key = place.split(".")
    content[name][int(row)][key] = "wide"
    content[name][int(row)]["id"] = []
    path = tmp_path / "a.json"
    path.write_text(json.dumps(content))
    with pytest.raises(DataError, match=rf"\$\.{name}\[{row}\]\.id"):
        decode_file(Location.parse(path), results=False, skip=False)
    decoded = decode_file(Location.parse(path), results=False, skip=True)
    section = decoded.images if name == "images" else decoded.annotations
    assert section is not None
    assert section.size == 59
    assert section.place(int(row)) == int(row) + 1


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("cut", [0.2, 0.5, 0.9, 0.999])
def test_pieces__a_file_that_is_cut_short(cut: float, tmp_path: Path) -> None:
    text = json.dumps(dataset(60))
    path = tmp_path / "a.json"
    path.write_text(text[: int(len(text) * cut)])
    with pytest.raises(DataError, match="not valid JSON"):
        decode_file(Location.parse(path), results=False, skip=False)


def test_pieces__objects_too_large_for_a_piece(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at_once: list[bool]
) -> None:
    monkeypatch.setattr(body, "PIECE", 64)
    monkeypatch.setattr(body, "WIDEST", 128)
    monkeypatch.setattr(scan, "json", None)
    path = tmp_path / "a.json"
    path.write_text(json.dumps(dataset(20)))
    decode_file(Location.parse(path), results=False, skip=False)
    assert at_once
    both(path, monkeypatch)


@pytest.mark.usefixtures("small")
def test_pieces__a_file_that_is_not_on_disk() -> None:
    place = Location.parse("memory://pieces/a.json")
    place.write_bytes(json.dumps(dataset(40)).encode())
    decoded = decode_file(place, results=False, skip=False)
    assert decoded.annotations is not None
    assert decoded.annotations.pull("id") == list(range(1, 41))


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text('{}[],": a\\', max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abid"), inner, max_size=2),
    max_leaves=6,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    extras=st.lists(VALUES, min_size=1, max_size=12),
    order=st.permutations(["images", "annotations", "info", "categories"]),
    blanks=st.sampled_from([(",", ":"), (", ", ": "), (" ,\n", " : ")]),
)
def test_pieces__whatever_stands_in_objects(
    extras: list[Any],
    order: list[str],
    blanks: tuple[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(body, "PIECE", 8)
    monkeypatch.setattr(scan, "PIECE", 8)
    content = dataset(len(extras))
    for note, extra in zip(content["annotations"], extras, strict=True):
        note["extra"] = extra
    path = tmp_path / "a.json"
    path.write_text(json.dumps({key: content[key] for key in order}, separators=blanks))
    both(path, monkeypatch)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    damage=st.lists(
        st.tuples(st.integers(0), st.sampled_from([*'{}[]",:\\ 0159.-eE\n\t\0é', "null", "true", '"x"', ""])),
        max_size=3,
    ),
    skip=st.booleans(),
    blanks=st.sampled_from([(",", ":"), (", ", ": ")]),
)
def test_scan__a_damaged_file_is_what_it_is_without(
    damage: list[tuple[int, str]],
    skip: bool,
    blanks: tuple[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The kernels in C change nothing about what is read, nor about what is refused."""
    monkeypatch.setattr(scan, "PIECE", 100)
    text = json.dumps(dataset(6), separators=blanks)
    for at, instead in damage:
        place = at % len(text)
        text = text[:place] + instead + text[place + 1 :]
    path = tmp_path / "a.json"
    path.write_text(text)
    outcomes = []
    for kernel in (native.json, None):
        with monkeypatch.context() as patch:
            patch.setattr(scan, "json", kernel)
            try:
                found = decode_file(Location.parse(path), results=False, skip=skip)
            except DataError as error:
                outcomes.append(str(error))
            else:
                tops = {key: bytes(raw) for key, raw in found.top.items()}
                outcomes.append((plain(found.images), plain(found.annotations), tops))
    assert outcomes[0] == outcomes[1]


def test_parts__with_much_geometry_have_fewer_samples(
    coco: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.json"
    content = dataset(30)
    for note in content["annotations"]:
        note["segmentation"] = [[0, 0, 4.5, 0, 4.5, 3]]
    content["annotations"][4]["segmentation"] = [[0, 0, 9, 0, 9, 8] * 300]
    path.write_text(json.dumps(content))
    whole = coco.read(path)
    monkeypatch.setattr(read, "BYTES", 200)
    monkeypatch.setattr(read, "SAMPLES", 12)
    parted = coco.read(path)
    sizes = [part.samples for part in parted.plan.parts]
    assert len(whole.plan.parts) == 1
    assert sum(sizes) == 30
    assert max(sizes) <= 12
    assert 1 in sizes  # that with the large polygon stands alone
    assert parted.table.equals(whole.table)
