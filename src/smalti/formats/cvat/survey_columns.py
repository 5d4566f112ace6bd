"""The first look at a CVAT file of images, block by block as columns: what `smalti.formats.cvat.scan` sees element by element."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from smalti.formats import xml_table
from smalti.formats.cvat.scan import ANY, ROOT, SHAPES, ImageSpan, Scan, elements, is_turned, kind
from smalti.storage.location import BOM

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from smalti.formats.xml_table import Table
    from smalti.storage.location import Location

BLOCK = 1 << 21
IMAGE, META = f"{ROOT}/image", f"{ROOT}/meta"
OPENING, MARK, END = f"<{ROOT}>".encode(), b"<image ", f"</{ROOT}>".encode()


def scan(place: Location) -> Scan | None:
    """Look through a file; null where it is not plain, has tracks, or anything is wrong with it."""
    found = Scan()
    meta: tuple[int, int] | None = None
    for start, body in _blocks(place):
        # What normalises ends of lines, or takes away a mark, moves all places.
        table = None if b"\r" in body or body.startswith(BOM) else xml_table.parse([body])
        if table is None or table.paths[0] != ROOT or f"{ROOT}/track" in table.paths:
            return None
        if any("/attribute/" in path for path in table.paths):
            return None
        metas = table.of(META)
        if len(metas) and meta is None:
            low, high = table.span(metas[:1])
            meta = start + int(low[0]), start + int(high[0])
        _images(found, table, start)
        _shapes(found, table)
    if meta is not None:
        found.meta = elements(place, [meta]).find("meta")
    return found


def _blocks(place: Location) -> Iterator[tuple[int, bytes]]:
    """Whole images, each block as a document, with its place in the file (that of what was put in front is before it)."""
    rest, start, front = b"", 0, b""
    with place.open("rb") as file:
        while block := file.read(BLOCK):
            rest += block
            cut = rest.rfind(MARK)
            if cut > 0:
                yield start - len(front), front + rest[:cut] + END
                rest, start, front = rest[cut:], start + cut, OPENING
    yield start - len(front), front + rest


def _images(found: Scan, table: Table, start: int) -> None:
    which = table.of(IMAGE)
    columns = {name: words.to_pylist() for name, words in table.attributes(which).items()}
    low, high = table.span(which)
    rows = zip(*columns.values(), strict=True) if columns else ((),) * len(which)
    for row, begin, end in zip(rows, (low + start).tolist(), (high + start).tolist(), strict=True):
        said = dict(zip(columns, row, strict=True))
        if None in row:
            said = {name: word for name, word in said.items() if word is not None}
        found.images.append(ImageSpan(said, len(found.images), begin, end))


def _shapes(found: Scan, table: Table) -> None:
    """What the shapes and tags of some images have."""
    named: list[tuple[NDArray[np.int64], pa.Array]] = []
    for path in table.paths:
        shape = path.removeprefix(f"{IMAGE}/")
        if "/" in shape or shape in {path, "tag"}:
            continue
        which = table.of(path)
        if shape not in SHAPES:
            found.unknown[shape] = found.unknown.get(shape, 0) + len(which)
            continue
        said = table.attributes(which)
        found.own.update(said)
        turned = (
            _turned(said["rotation"]) if shape == "box" and "rotation" in said else np.zeros(len(which), bool)
        )
        found.shapes |= ({"rotated box"} if turned.any() else set()) | (
            {shape} if not turned.all() else set()
        )
        named.append((which, said.get("label", pa.nulls(len(which), pa.string()))))
    found.labels |= _labels(named)
    _attributes(found, table)
    tags = table.of(f"{IMAGE}/tag")
    said = table.attributes(tags)
    found.tag_labels |= _labels([(tags, said.get("label", pa.nulls(len(tags), pa.string())))])
    other = said.keys() - {"label", "source"} or f"{IMAGE}/tag/attribute" in table.paths
    found.details |= bool(other) or not {*said.get("source", pa.array([])).unique().to_pylist()} <= {
        None,
        "manual",
    }


def _turned(words: pa.Array) -> NDArray[np.bool_]:
    encoded = words.fill_null("0").dictionary_encode()
    known = np.array([is_turned({"rotation": word}) for word in encoded.dictionary.to_pylist()], bool)
    return known[encoded.indices.to_numpy()]


def _labels(named: list[tuple[NDArray[np.int64], pa.Array]]) -> dict[str, None]:
    """The labels of elements, in the elements' order."""
    if not named:
        return {}
    order = np.argsort(np.concatenate([which for which, _ in named]))
    words = pa.chunked_array([labels for _, labels in named], pa.string()).combine_chunks()
    return dict.fromkeys(words.fill_null("").take(pa.array(order)).unique().to_pylist())


def _attributes(found: Scan, table: Table) -> None:
    """What the values of attributes can be read as, and how many attributes points of skeletons have."""
    deep = [path for path in table.paths if path.count("/") == 4 and path.endswith("/attribute")]
    found.inner += len(table.of(*deep))
    which = table.of(*(f"{IMAGE}/{shape}/attribute" for shape in SHAPES))
    if not len(which):
        return
    names = table.attributes(which).get("name", pa.nulls(len(which), pa.string())).fill_null("")
    pairs = pa.table([names, table.contents(which)], ["name", "text"])
    pairs = pairs.group_by(["name", "text"], use_threads=False).aggregate([])
    for name, text in zip(pairs["name"].to_pylist(), pairs["text"].to_pylist(), strict=True):
        found.kinds[name] = found.kinds.get(name, ANY) & kind(text)
