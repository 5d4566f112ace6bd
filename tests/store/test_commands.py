from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import smalti as sm
from smalti.cli import main

if TYPE_CHECKING:
    from collections.abc import Callable

    Make = Callable[..., sm.Dataset]

STREET = Path(__file__).parents[2] / "examples" / "street"


def run(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str]:
    code = 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.argv", ["smalti", *map(str, words)])
        try:
            main()
        except SystemExit as stopped:
            code = int(stopped.code or 0)
    return code, "".join(capsys.readouterr())


@pytest.fixture
def root(store: sm.Store, make: Make) -> str:
    store.write(make(["a", "b"]), message="first", author="ada")
    store.append(make(["c"]), message="[bold]more[/]", author="bob")
    return store.root.local


def test_log__newest_first(root: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "tag", root, "good", 1) == (0, "good is version 1\n")
    code, text = run(capsys, "log", root)
    assert code == 0
    assert text.index("bob") < text.index("ada")
    assert "[bold]more[/]" in text
    code, text = run(capsys, "log", root, "--json")
    told = json.loads(text)
    assert [one["version"] for one in told] == [2, 1]
    assert told[1]["tags"] == ["good"]
    assert told[0]["digest"] == sm.read(root).digest()


def test_diff_restore_compact_prune(root: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert "1 samples added: c" in run(capsys, "diff", root, 1)[1]
    assert "2 files" not in run(capsys, "compact", root)[1]
    assert "version 4: 2 samples, as in version 1" in run(capsys, "restore", root, 1)[1]
    assert "would remove 3 versions" in run(capsys, "prune", root, "--keep", 1)[1]
    assert "removed 3 versions" in run(capsys, "prune", root, "--keep", 1, "--yes")[1]
    assert run(capsys, "tag", root, "x")[0] == 0
    assert run(capsys, "tag", root, "x", "--delete") == (0, "")


def test_check__of_a_store(root: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "check", root)[0] == 0
    file = next((Path(root) / "data").glob("*.parquet"))
    file.write_bytes(file.read_bytes()[:-1])
    code, text = run(capsys, "check", root)
    assert code == 1
    assert "1 problems" in text
    assert file.name in text


def test_convert_and_info__take_stores(root: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "convert", root, tmp_path / "out.json", "--to", "coco", "--version", "1")[0] == 0
    assert "2 samples" in run(capsys, "info", tmp_path / "out.json")[1]
    assert "format smalti" in run(capsys, "info", root)[1]
    code, _ = run(
        capsys, "convert", tmp_path / "out.json", tmp_path / "again", "--to", "smalti", "--message", "m"
    )
    assert code == 0
    assert sm.Store(tmp_path / "again").versions()[0].message == "m"


def test_convert__stores_images(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("convert", STREET, tmp_path / "birds", "--to", "smalti", "--media", "tar")
    assert run(capsys, *words)[0] == 0
    assert len(list((tmp_path / "birds" / "media").glob("*.tar"))) == 1
    code, text = run(capsys, "convert", STREET, tmp_path / "out", "--to", "coco", "--media", "tar")
    assert code == 2
    assert "media='tar'" in text


def test_log__no_store(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, text = run(capsys, "log", tmp_path)
    assert code != 0
    assert "there is no store" in text


def test_delta(root: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert "is version 0 of a Delta table" in run(capsys, "delta", root)[1]
    assert (Path(root) / "_delta_log/00000000000000000000.json").is_file()
