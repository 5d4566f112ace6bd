from __future__ import annotations

from typing import TYPE_CHECKING, Any

import openpyxl
import pytest

import smalti as sm

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

CLASSES = ["cat", "dog", "bus"]


def animals(*, ids: bool = True) -> sm.Dataset:
    """Four samples: two objects, one, none, and one that nobody has looked at."""

    def obj(number: int, category: str, x: float) -> dict[str, Any]:
        one: dict[str, Any] = {
            "category": category,
            "bbox": [x, 2.5, 10.0, 20.125],
            "score": 0.1 + number / 3,
            "polygons": [[x, 2.0, x + 5, 2.0, x + 5, 9.0]],
            "occluded": number % 2 == 0,
            "note": "-1+1",
        }
        return {"id": number, **one} if ids else one

    samples = [
        {
            "id": "a",
            "split": "train",
            "objects": [obj(1, "cat", 1.0), obj(2, "dog", 30.0)],
            "weather": "rain",
        },
        {"id": "b", "split": "val", "objects": [obj(3, "cat", 5.0)], "weather": None},
        {"id": "c", "split": "train", "objects": [], "weather": ""},
        {"id": "d", "split": "train", "objects": None, "weather": "sun"},
    ]
    for sample in samples:
        sample["image"] = {"path": f"{sample['id']}.jpg", "width": 64, "height": 48}
    return sm.Dataset.from_samples(samples, categories=CLASSES)


class Sheet:
    """A workbook that a person edits: cells by header, rows by the sample's id."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.book = openpyxl.load_workbook(path)

    def column(self, name: str, header: str) -> int:
        page = self.book[name]
        return next(cell.column for cell in page[1] if cell.value == header)

    def rows(self, name: str, sample: str) -> list[int]:
        page, column = self.book[name], self.column(name, "id")
        return [row for row in range(2, page.max_row + 1) if page.cell(row, column).value == sample]

    def set(self, name: str, row: int, header: str, value: Any) -> Sheet:
        self.book[name].cell(row, self.column(name, header)).value = value
        return self

    def get(self, name: str, row: int, header: str) -> Any:
        return self.book[name].cell(row, self.column(name, header)).value

    def append(self, name: str, **values: Any) -> int:
        page = self.book[name]
        row = page.max_row + 1
        for header, value in values.items():
            page.cell(row, self.column(name, header)).value = value
        return row

    def save(self) -> Path:
        self.book.save(self.path)
        return self.path


@pytest.fixture(name="animals")
def _animals() -> Callable[..., sm.Dataset]:
    return animals


@pytest.fixture
def handed(tmp_path: Path) -> Callable[..., Sheet]:
    """Write a dataset as a workbook, and open it for edits."""

    def write(dataset: sm.Dataset, **options: Any) -> Sheet:
        path = tmp_path / "labels.xlsx"
        dataset.write(path, overwrite=True, progress=False, **{"on_loss": "ignore", **options})
        return Sheet(path)

    return write


@pytest.fixture
def store(tmp_path: Path) -> sm.Store:
    made = sm.Store(tmp_path / "store")
    made.write(animals())
    return made
