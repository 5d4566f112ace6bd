"""Where images and labels lie: every form of data.yaml, both layouts, and what lies outside."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import smalti as sm

if TYPE_CHECKING:
    from pathlib import Path

ROW = "0 0.5 0.5 0.5 0.5\n"
NAMES = "names: [cat, dog]\n"
BY_KIND = {
    "images/train/a.png": (8, 8),
    "images/val/b.png": (8, 8),
    "labels/train/a.txt": ROW,
    "labels/val/b.txt": ROW * 2,
}
BY_SPLIT = {
    "train/images/a.png": (8, 8),
    "valid/images/b.png": (8, 8),
    "train/labels/a.txt": ROW,
    "valid/labels/b.txt": ROW * 2,
}


def read(make: Any, files: dict[str, Any], yaml: str, **options: Any) -> sm.Dataset:
    return sm.read(make({**files, "data.yaml": yaml}), "yolo", **options)


def placed(dataset: sm.Dataset) -> dict[str, tuple[str | None, int | None]]:
    """Split and number of objects by id."""
    return {
        row["id"]: (row.get("split"), None if row["objects"] is None else len(row["objects"]))
        for row in dataset.to_arrow().to_pylist()
    }


TWO = {"a.png": ("train", 1), "b.png": ("val", 2)}


@pytest.mark.parametrize(
    "yaml",
    [
        "train: images/train\nval: images/val\n",
        "path: .\ntrain: images/train\nval: images/val\n",
        "path:\ntrain: images/train\nval: images/val\n",
        "path: ../datasets/mine\ntrain: images/train\nval: images/val\n",
        "path: /home/someone/mine\ntrain: images/train\nval: images/val\n",
        "path: images\ntrain: train\nval: val\n",
        "train: ./images/train/\nval: images/val/\n",
        "train: [images/train]\nval:\n  - images/val\n",
        "train: images/train\nvalidation: images/val\n",
        "train: images/train\nval: images/val\ntest:\n",
        "train: images/train\nval: images/val\ntest: ''\n",
    ],
)
def test_splits__are_found_wherever_the_path_starts(make: Any, yaml: str) -> None:
    assert placed(read(make, BY_KIND, yaml + NAMES)) == TWO


@pytest.mark.parametrize(
    "yaml",
    [
        "train: train/images\nval: valid/images\n",
        "train: ../train/images\nval: ../valid/images\n",
        "train: ../../train/images\nval: ../../valid/images\n",
        "train: /home/someone/export/train/images\nval: /home/someone/export/valid/images\n",
        "train: train\nval: valid\n",
        "train: train/images\nval: val/images\n",
    ],
)
def test_splits__in_folders_of_their_own(make: Any, yaml: str) -> None:
    assert placed(read(make, BY_SPLIT, yaml + NAMES)) == TWO


def test_splits__of_several_folders(make: Any) -> None:
    dataset = read(make, BY_KIND, "train: [images/train, images/val]\nval: images/val\n" + NAMES)
    assert placed(dataset) == {
        "train/a.png": ("train", 1),
        "train/b.png": ("train", 2),
        "val/b.png": ("val", 2),
    }


def test_splits__as_lists_of_images(make: Any) -> None:
    files = {**BY_KIND, "train.txt": "./images/train/a.png\n\n", "val.txt": "/data/mine/images/val/b.png\n"}
    dataset = read(make, files, "train: train.txt\nval: val.txt\n" + NAMES)
    assert {split for split, _ in placed(dataset).values()} == {"train", "val"}
    assert sorted(number for _, number in placed(dataset).values()) == [1, 2]


def test_lists__that_name_no_image_are_errors(make: Any) -> None:
    files = {**BY_KIND, "train.txt": "images/train/a.png\nimages/train/gone.png\n"}
    with pytest.raises(sm.errors.DataError, match=r"train\.txt, line 2: found 'images/train/gone\.png'"):
        read(make, files, "train: train.txt\nval: images/val\n" + NAMES)


def test_splits__that_are_not_there_are_told(make: Any) -> None:
    dataset = read(make, BY_SPLIT, "train: train/images\nval: valid/images\ntest: test/images\n" + NAMES)
    assert placed(dataset) == TWO
    assert [(r.code, r.example) for r in dataset.report.repairs] == [("split.missing", "test: test/images")]


def test_splits__one_place_under_two_keys_is_no_split(make: Any) -> None:
    files = {"images/a.png": (8, 8), "labels/a.txt": ROW}
    assert placed(read(make, files, "train: images\nval: images\n" + NAMES)) == {"a.png": (None, 1)}


def test_splits__share_a_path(make: Any) -> None:
    files = {**BY_KIND, "images/val/a.png": (8, 8)}
    dataset = read(make, files, "train: images/train\nval: images/val\n" + NAMES)
    assert set(placed(dataset)) == {"train/a.png", "val/a.png", "val/b.png"}
    assert dataset.schema.id_has_split


@pytest.mark.parametrize(
    "names",
    [
        "nc: 2\nnames: [cat, dog]\n",
        "names:\n  0: cat\n  1: dog\n",
        "names:\n- cat\n- dog\n",
        "nc: 2\nnames: ['cat', \"dog\"]\n",
    ],
)
def test_names__as_list_or_map(make: Any, names: str) -> None:
    dataset = read(make, BY_KIND, "train: images/train\nval: images/val\n" + names)
    assert dataset.schema.objects().categories.values == ("cat", "dog")


def test_names__stay_text(make: Any) -> None:
    yaml = "train: images/train\nval: images/val\nnames: [no, 1e3, ~, 猫, Ñandú]\n"
    names = read(make, BY_KIND, yaml).schema.objects().categories.values
    assert names == ("no", "1e3", "~", "猫", "Ñandú")


def test_names__missing_are_numbered_as_trainers_do(make: Any) -> None:
    dataset = read(make, BY_KIND, "train: images/train\nval: images/val\nnc: 2\n")
    assert dataset.schema.objects().categories.values == ("class_0", "class_1")


@pytest.mark.parametrize(
    ("yaml", "reason"),
    [
        ("", "expected a list or a map of class names"),
        ("nc: 3\nnames: [cat, dog]\n", "found nc 3 and 2 names"),
        ("nc: two\n", "expected whole numbers"),
        ("names: {a: cat}\n", "expected class numbers"),
        ("names: [[cat]]\n", "expected a class name"),
        ("names: [cat, dog]\nkpt_shape: [3]\n", r"expected \[number, 2 or 3\]"),
        ("names: [cat, dog]\nkpt_shape: [2, 3]\nflip_idx: [1, 1]\n", "each keypoint's number once"),
        ("names: [cat, dog]\nkpt_shape: [2, 3]\nkpt_names: {0: [nose]}\n", "expected 2 names"),
        ("names: [cat, dog]\nkpt_shape: [2, 3]\nkpt_skeleton: {0: [[0, 2]]}\n", "expected numbers below 2"),
        ("names: &a [cat, dog]\nmore: *a\n", "found an alias"),
        ("names: [cat", "no YAML"),
        ("names: [cat, dog]\ntrain: {a: b}\n", "expected a folder, a list file, or a list of them"),
    ],
)
def test_data_yaml__faults_name_the_file(make: Any, yaml: str, reason: str) -> None:
    start = "" if "train:" in yaml else "train: images/train\n"
    with pytest.raises(sm.errors.DataError, match=rf"data\.yaml.*{reason}"):
        read(make, BY_KIND, start + "val: images/val\n" + yaml)


def test_data_yaml__a_download_is_never_run(make: Any, tmp_path: Path) -> None:
    script = f"download: |\n  open({str(tmp_path / 'ran')!r}, 'w').close()\n"
    dataset = read(make, BY_KIND, "train: images/train\nval: images/val\n" + NAMES + script)
    assert placed(dataset) == TWO
    assert not (tmp_path / "ran").exists()


def test_data_yaml__other_keys_come_back(make: Any, tmp_path: Path) -> None:
    yaml = "train: images/train\nval: images/val\n" + NAMES + "roboflow: {license: CC BY 4.0, version: '1'}\n"
    sm.write(read(make, BY_KIND, yaml), tmp_path / "out", "yolo", media="link")
    text = (tmp_path / "out" / "data.yaml").read_text()
    assert "license: CC BY 4.0" in text
    assert "version: '1'" in text


@pytest.mark.parametrize("place", ["../outside", "../../outside/images", "/etc", "images/../../outside"])
def test_traversal__places_outside_are_not_read(make: Any, place: str) -> None:
    make({"images/secret.png": (3, 3), "labels/secret.txt": ROW}, "outside")
    dataset = read(make, BY_KIND, f"train: images/train\nval: {place}\n" + NAMES)
    assert placed(dataset) == {"a.png": ("train", 1)}
    assert [r.code for r in dataset.report.repairs] == ["split.missing"]


@pytest.mark.parametrize("line", ["../outside/images/secret.png", "images/../../outside/images/secret.png"])
def test_traversal__lists_do_not_leave_the_root(make: Any, line: str) -> None:
    make({"images/secret.png": (3, 3)}, "outside")
    with pytest.raises(sm.errors.DataError, match="no such image"):
        read(make, {**BY_KIND, "train.txt": line}, "train: train.txt\nval: images/val\n" + NAMES)


def test_labels__missing_is_not_annotated_and_empty_is_nothing(make: Any) -> None:
    files = {
        "images/empty.png": (8, 8),
        "images/missing.png": (8, 8),
        "images/full.png": (8, 8),
        "labels/empty.txt": "",
        "labels/full.txt": ROW,
    }
    dataset = read(make, files, "train: images\nval: images\n" + NAMES)
    assert placed(dataset) == {"empty.png": (None, 0), "full.png": (None, 1), "missing.png": (None, None)}


def test_labels__without_an_image_are_errors(make: Any) -> None:
    with pytest.raises(sm.errors.DataError, match=r"lost\.txt.*no image belongs to this label file"):
        read(make, {**BY_KIND, "labels/val/lost.txt": ROW}, "train: images/train\nval: images/val\n" + NAMES)


def test_names__of_files_with_other_letters_and_of_two_folders(make: Any) -> None:
    files = {
        "images/train/ünï/猫 1.png": (8, 8),
        "images/train/a/1.png": (8, 8),
        "images/train/b/1.png": (8, 8),
        "images/train/images/x.y.png": (8, 8),
        "labels/train/ünï/猫 1.txt": ROW,
        "labels/train/a/1.txt": ROW * 2,
        "labels/train/b/1.txt": ROW * 3,
        "images/train/labels/x.y.txt": ROW * 4,  # the last "images" of the path is the one that is replaced
    }
    found = placed(read(make, files, "train: images/train\nval: images/train\n" + NAMES))
    assert {key: number for key, (_, number) in found.items()} == {
        "a/1.png": 2,
        "b/1.png": 3,
        "ünï/猫 1.png": 1,
        "images/x.y.png": 4,
    }


def test_images__elsewhere(make: Any) -> None:
    labels = {path: body for path, body in BY_KIND.items() if path.startswith("labels")}
    pictures = make({"train/a.png": (8, 8), "val/b.png": (8, 8), "train/c.png": (8, 8)}, "pictures")
    dataset = read(make, labels, "train: images/train\nval: images/val\n" + NAMES, media=pictures)
    assert placed(dataset) == {**TWO, "c.png": ("train", None)}


def test_images__that_are_none_name_the_file(make: Any) -> None:
    files = {**BY_KIND, "images/val/b.png": "no picture"}
    with pytest.raises(sm.errors.DataError, match=r"images/val/b\.png"):
        read(make, files, "train: images/train\nval: images/val\n" + NAMES)
    dataset = sm.read(make({}), "yolo", on_error="skip")
    assert placed(dataset) == {"a.png": ("train", 1)}
    assert dataset.report.samples_skipped == 1


def test_source__may_be_data_yaml_itself(make: Any) -> None:
    root = make({**BY_KIND, "mine.yaml": "train: images/train\nval: images/val\n" + NAMES})
    assert placed(sm.read(root / "mine.yaml")) == TWO


def test_source__without_images_says_where_it_looked(make: Any) -> None:
    with pytest.raises(sm.errors.EmptySourceError, match="found no image in images/train"):
        read(make, {}, "train: images/train\nval: images/val\n" + NAMES)


def test_source__without_classes_says_what_it_looked_for(make: Any) -> None:
    with pytest.raises(sm.errors.EmptySourceError, match=r"found no data\.yaml and no classes\.txt"):
        sm.read(make(BY_KIND), "yolo")


def test_classes_txt__an_empty_line_between_names_is_an_error(make: Any) -> None:
    with pytest.raises(sm.errors.DataError, match=r"classes\.txt, line 2: found an empty line"):
        sm.read(make({**BY_KIND, "classes.txt": "cat\n\ndog\n"}), "yolo")
