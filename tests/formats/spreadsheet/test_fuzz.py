"""Whatever a cell holds, reading and checking give a dataset or an error of smalti's."""

from __future__ import annotations

import contextlib
import re
from random import Random
from typing import Any

import pytest

import smalti as sm
from smalti.errors import SmaltiError
from smalti.formats.spreadsheet.check import check

HEAD = "image,label,split,width,height,{sides},score,id,polygon,nose_x,nose_y,nose_v,remark"
ROW = 'a.jpg,cat,train,64,48,{sides},0.5,1,"[[0,0],[1,0],[1,1]]",1,2,2,x'
SHAPES = (
    ("xmin,ymin,xmax,ymax", "1,2,3,4"),
    ("x,y,w,h", "0.5,0.5,0.25,0.25"),
    ("bbox", '"[1,2,3,4]"'),
    (
        "region_shape_attributes,region_attributes",
        '"{""name"":""point"",""cx"":1,""cy"":2}","{""class"":""a""}"',
    ),
)
WORDS = [
    "", "0", "-1", "1e400", "nan", "inf", "[", "[[", "{}", "[]", '"{""x"":1}"', '"[1,2,3,4]"', "TRUE", "x", "ä", "\0", "'",
    "=1", "../x", "C:\\a.jpg", "gs://b/c", '"1,5"', "12:30", "9" * 30, "3-4", '"{""name"":""rect""}"', "[null]", '"',
    "\ufeff", ";", "\n", "\t", '"[1,[2,3]]"', '"[[1,2],[3]]"', '"[""a""]"', "0.5", "100%", "/", "a/../..", ".", "[" * 5000,
]  # fmt: skip


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("names", "sides"), SHAPES, ids=[names for names, _ in SHAPES])
def test_fuzz__errors_are_our_own(make: Any, names: str, sides: str, seed: int) -> None:
    random = Random(f"{names} {seed}")  # noqa: S311  # a mutant is no secret
    lines = [HEAD.format(sides=names), *[ROW.format(sides=sides)] * 3]
    for number in range(25):
        parts = re.split(r"([,\n])", "\n".join(lines))
        for _ in range(random.randint(1, 4)):
            parts[random.randrange(0, len(parts), 2)] = random.choice(WORDS)
        path = make(f"{number}.csv", "".join(parts).encode())
        for call in (
            lambda path=path: sm.read(path, format="spreadsheet", on_error=random.choice(["raise", "skip"])),
            lambda path=path: check(path),
        ):
            with contextlib.suppress(SmaltiError):
                call()
