"""What a table says of itself: which row is which object, and the schema that its cells have.

The last column, hidden in workbooks, holds a key a row: the sample's id, the object's number in the sample, and a
digest of the row's cells as they were written: ``["a.jpg", 0, "5f0c81d2a94be637"]``. The number is null where nobody
has annotated the sample, and ``empty`` where there is nothing in it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import zlib
from typing import TYPE_CHECKING, Any, Final

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from smalti.errors import DataError
from smalti.formats.spreadsheet.own.columns import KEY

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

EMPTY: Final = "empty"
VERSION: Final = 1  # of what a table says of itself
HEADER_MOST: Final = 30_000  # characters of a header that carries the schema; a cell of Excel holds 32,767
_BOMB: Final = 64 << 20  # bytes that a header may unpack to
_BETWEEN: Final = "\x1f"


class Key(msgspec.Struct, frozen=True, array_like=True):
    """Which object a row is.

    Attributes:
        sample: The sample's id.
        number: The object's number in it; ``empty``: there is none; null: nobody has looked.
        digest: Of the cells as they were handed out.
    """

    sample: str
    number: int | str | None
    digest: str


class About(msgspec.Struct, frozen=True, kw_only=True):
    """What a table says of itself.

    Attributes:
        version: Of this description.
        schema: The schema of what the table holds, as JSON; empty where it does not fit into a header.
        field: The object field whose objects are the rows; null: rows are samples.
        guarded: Whether texts that a spreadsheet would take for formulas have an apostrophe before them.
        origin: What was handed out: ``digest``, and where it is of a store ``store`` and ``version``.
        samples: The ids of the samples that were; null where they do not fit into a header.
    """

    version: int = VERSION
    schema: str = ""
    field: str | None = None
    guarded: bool = False
    origin: dict[str, Any] = {}
    samples: list[str] | None = None


def digests(cells: Sequence[pa.Array]) -> list[str]:
    """A digest of each row's cells, 16 hexadecimal digits."""
    joined = pc.binary_join_element_wise(*cells, _BETWEEN, null_handling="replace", null_replacement="\x00")
    return [hashlib.blake2b(row.encode(), digest_size=8).hexdigest() for row in joined.to_pylist()]


def made(ids: pa.Array, numbers: Iterable[int | str | None], told: Iterable[str]) -> pa.Array:
    """The keys of rows as texts."""
    encode = json.dumps
    rows = zip(ids.to_pylist(), numbers, told, strict=True)
    return pa.array([encode(row, separators=(",", ":")) for row in rows], pa.string())


def parsed(cells: pa.Array, place: Any) -> list[Key | None]:
    """The keys of a table's rows; null for a row that somebody added.

    Args:
        cells: The key column.
        place: A function of a row that gives file and position for errors.

    Raises:
        DataError: A key is damaged.
    """
    found: list[Key | None] = []
    decoder = msgspec.json.Decoder(Key)
    for row, cell in enumerate(cells.to_pylist()):
        try:
            found.append(None if cell is None or not cell.strip() else decoder.decode(cell))
        except msgspec.MsgspecError as error:
            file, position = place(row)
            raise DataError(
                f"found the key {cell[:60]!r}, which smalti did not write",
                file=file,
                position=position,
                hint="clear the cell for a new row, or restore what stood there",
            ) from error
    return found


def header(about: About) -> str:
    """The header of the key column of a text file: it carries what the table says of itself."""
    for less in ({}, {"samples": None}, {"samples": None, "schema": ""}):
        packed = _packed(msgspec.structs.replace(about, **less))
        if len(packed) <= HEADER_MOST:
            break
    return f"{KEY} {packed}"


def about_of(titles: Sequence[str]) -> About | None:
    """What a table says of itself in the header of its key column; null: nothing."""
    for title in titles:
        name, _, packed = title.strip().partition(" ")
        if name == KEY and packed:
            return _unpacked(packed)
    return None


def key_column(titles: Sequence[str]) -> int | None:
    """The position of the key column; null: there is none."""
    named = [column for column, title in enumerate(titles) if title.strip().partition(" ")[0] == KEY]
    return named[0] if named else None


def _packed(about: About) -> str:
    return base64.b64encode(zlib.compress(msgspec.json.encode(about), 9)).decode()


def _unpacked(text: str) -> About | None:
    try:
        unpacker = zlib.decompressobj()
        body = unpacker.decompress(base64.b64decode(text, validate=True), _BOMB)
        return None if unpacker.unconsumed_tail else msgspec.json.decode(body, type=About)
    except (binascii.Error, zlib.error, msgspec.MsgspecError):
        return None
