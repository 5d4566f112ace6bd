"""The laws of formats for tables that smalti writes."""

from __future__ import annotations

from typing import ClassVar

from smalti.schema import features
from smalti.testing import FormatSuite
from smalti.testing.strategies import ATTRIBUTES, Shape

EVERY = Shape(
    members=tuple(features.OBJECT_MEMBERS),
    attributes=ATTRIBUTES,
    nullable=frozenset(features.OBJECT_MEMBERS),
    columns={"note": ATTRIBUTES["note"], "rest": ATTRIBUTES["any of it"], "level": ATTRIBUTES["level"]},
)


class TestWorkbook(FormatSuite):
    """Excel, with everything that objects can have."""

    format = "spreadsheet"
    target = "labels.xlsx"
    shape = EVERY
    holds_images = False
    ordered = False  # a sheet a split


class TestOneSheet(FormatSuite):
    """Excel, all splits on one sheet: samples keep their order."""

    format = "spreadsheet"
    target = "labels.xlsx"
    shape = EVERY
    options: ClassVar = {"layout": "one"}
    holds_images = False


class TestText(FormatSuite):
    """CSV."""

    format = "spreadsheet"
    target = "labels.csv"
    shape = EVERY
    holds_images = False
    # A row's last number is the digest of its cells: another one says that they were edited.
    outcomes: ClassVar = {
        "utf-16": "tame",
        **dict.fromkeys(
            (
                "text-in-row",
                "nan-in-row",
                "infinity-in-row",
                "too-large-float-in-row",
                "endless-number-in-row",
            ),
            "tame",
        ),
    }
