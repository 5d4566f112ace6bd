from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import smalti as sm

ROOT = Path(__file__).parents[2]


@pytest.fixture
def golden() -> Path:
    return ROOT / "golden" / "yolo"


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., Path]:
    """Makes a source: text by path; a pair is the size of an image."""

    def made(files: Mapping[str, str | tuple[int, int]], name: str = "source") -> Path:
        root = tmp_path / name
        for path, body in files.items():
            place = root / path
            place.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(body, str):
                place.write_text(body, encoding="utf-8")
            else:
                Image.new("L", body).save(place)
        return root

    return made


@pytest.fixture
def rows() -> Callable[..., dict[str, Any]]:
    """The objects of each sample by its id."""

    def found(dataset: sm.Dataset, column: str = "objects") -> dict[str, Any]:
        return {row["id"]: row[column] for row in dataset.to_arrow().to_pylist()}

    return found


@pytest.fixture
def judged() -> Callable[[Path, str], dict[str, Any]]:
    """What Ultralytics itself makes of an export; a variable names the environment that has it."""

    def found(folder: Path, task: str) -> dict[str, Any]:
        judge = ROOT / "judges" / "yolo_judge.py"
        done = subprocess.run(
            [os.environ["SMALTI_JUDGE_PYTHON"], str(judge), str(folder), task],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return answer

    return found


@pytest.fixture
def counts() -> Callable[[sm.Report], dict[str, int]]:
    """What a report says is lost: number by code and field."""

    def found(report: sm.Report) -> dict[str, int]:
        return {f"{loss.code} {loss.field}": loss.count or 0 for loss in report.losses}

    return found
