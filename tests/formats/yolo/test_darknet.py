"""Darknet's own layout: obj.data, lists of images, labels beside them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import smalti as sm
from smalti.testing.compare import tree

if TYPE_CHECKING:
    from pathlib import Path

ROW = "0 0.5 0.5 0.5 0.5\n"
FILES = {
    "obj.data": "classes = 2\ntrain = data/train.txt\nvalid = data/valid.txt\nnames = data/obj.names\nbackup = b/\n",
    "obj.names": "cat\ntraffic light\n",
    "train.txt": "data/obj_train_data/a.png\ndata/obj_train_data/sub/猫 1.png\n",
    "valid.txt": "data/obj_valid_data/b.png\n",
    "obj_train_data/a.png": (8, 8),
    "obj_train_data/a.txt": ROW,
    "obj_train_data/sub/猫 1.png": (8, 8),
    "obj_train_data/sub/猫 1.txt": "",
    "obj_valid_data/b.png": (8, 8),
}


def placed(dataset: sm.Dataset) -> dict[str, tuple[str | None, int | None]]:
    return {
        row["id"]: (row["split"], None if row["objects"] is None else len(row["objects"]))
        for row in dataset.to_arrow().to_pylist()
    }


ALL = {"a.png": ("train", 1), "sub/猫 1.png": ("train", 0), "b.png": ("val", None)}


def test_read__lists_name_the_images_of_each_split(make: Any) -> None:
    dataset = sm.read(make(FILES))
    assert dataset.report.source_format == "darknet"
    assert placed(dataset) == ALL
    assert dataset.schema.objects().categories.values == ("cat", "traffic light")


@pytest.mark.parametrize(
    "data", ["", "names=obj.names\r\ntrain = C:\\yolo\\data\\train.txt\r\nvalid=valid.txt\r\n"]
)
def test_read__paths_of_other_machines_and_no_obj_data(make: Any, data: str) -> None:
    files = {**FILES, "obj.data": data, "train.txt": "C:\\yolo\\data\\obj_train_data\\a.png\n"}
    if not data:
        del files["obj.data"]
    assert placed(sm.read(make(files))) == {key: ALL[key] for key in ("a.png", "b.png")}


def test_read__obj_data_itself(make: Any) -> None:
    assert placed(sm.read(make(FILES) / "obj.data", "darknet")) == ALL


def test_read__labels_beside_images_before_labels_in_a_folder(make: Any) -> None:
    files = {
        "obj.names": "cat\n",
        "train.txt": "images/a.png\nimages/b.png\n",
        "images/a.png": (8, 8),
        "images/a.txt": ROW,
        "labels/a.txt": ROW * 2,
        "images/b.png": (8, 8),
        "labels/b.txt": ROW * 3,
    }
    assert placed(sm.read(make(files))) == {"images/a.png": ("train", 1), "images/b.png": ("train", 3)}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"obj.data": "train.txt\n"}, r"obj\.data, line 1: found 'train\.txt', expected key = value"),
        ({"obj.names": "cat\n\ndog\n"}, r"obj\.names, line 2: found an empty line"),
        ({"obj.names": ""}, r"expected one of the 0 classes of obj\.names"),
        ({"train.txt": "data/obj_train_data/gone.png\n"}, r"train\.txt, line 1: found .*gone\.png"),
        ({"obj_train_data/a.txt": "0 0.5 0.5 0.5\n"}, r"a\.txt, line 1: found 4 columns"),
        ({"obj_train_data/a.txt": "0 0.1 0.1 0.5 0.1 0.5 0.5\n"}, r"a\.txt, line 1: found 7 columns"),
    ],
)
def test_read__faults_name_file_and_line(make: Any, change: dict[str, str], reason: str) -> None:
    with pytest.raises(sm.errors.DataError, match=reason):
        sm.read(make({**FILES, **change}), "darknet")


@pytest.mark.parametrize("gone", [["obj.names"], ["train.txt", "valid.txt"]])
def test_read__says_what_is_not_there(make: Any, gone: list[str]) -> None:
    files = {path: body for path, body in FILES.items() if path not in gone}
    with pytest.raises(sm.errors.EmptySourceError, match=r"found no .*(obj\.names|train\.txt)"):
        sm.read(make(files), "darknet")


def test_write__the_layout_that_was_read(make: Any, tmp_path: Path) -> None:
    source = make(FILES)
    report = sm.convert(source, tmp_path / "out", "darknet", media="copy")
    assert report.lossless
    written, before = tree(tmp_path / "out"), tree(source)
    assert written.pop("obj.data").decode().splitlines() == [
        "classes = 2", "train = data/train.txt", "valid = data/valid.txt", "names = data/obj.names",
        "backup = backup/"]  # fmt: skip
    del before["obj.data"]
    names = {path.replace("obj_val_data", "obj_valid_data") for path in written}
    assert names == set(before)
    assert written["obj_train_data/a.txt"] == ROW.encode()
    assert written["train.txt"] == before["train.txt"]
    assert placed(sm.read(tmp_path / "out")) == ALL


def test_write__twice_gives_the_same_bytes(golden: Path, tmp_path: Path) -> None:
    sm.convert(golden / "dm_darknet_strict", tmp_path / "once", "darknet", media="copy", on_loss="error")
    sm.convert(tmp_path / "once", tmp_path / "twice", "darknet", media="copy", on_loss="error")
    assert tree(tmp_path / "once") == tree(tmp_path / "twice")


@pytest.mark.parametrize("name", ["' cat'", '"a\\nb"', "''"])
def test_write__class_names_that_are_no_line_are_refused(make: Any, tmp_path: Path, name: str) -> None:
    yaml = f"train: images\nval: images\nnames: [{name}]\n"
    root = make({"data.yaml": yaml, "images/a.png": (8, 8), "labels/a.txt": ROW})
    with pytest.raises(sm.errors.OptionError, match=r"is no line of obj\.names"):
        sm.convert(root, tmp_path / "out", "darknet")


def test_task__is_detect_alone(make: Any, tmp_path: Path) -> None:
    with pytest.raises(sm.errors.OptionError, match="Darknet's rows are boxes"):
        sm.read(make(FILES), "darknet", task="obb")
    with pytest.raises(sm.errors.OptionError, match="Darknet's rows are boxes"):
        sm.write(sm.read(make(FILES)), tmp_path / "out", "darknet", task="segment")
