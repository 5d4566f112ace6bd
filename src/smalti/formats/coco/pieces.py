"""Decode a file a piece at a time, so that never more than one piece of it is Python objects.

A piece is what stands between two places in an array that look like the end of one object and the start of the next.
Such a place may lie in a text or in a deeper array; but then the piece is no JSON by itself. If it begins where an object
of the array begins, and is a list of objects, then it ends where one ends (https://www.rfc-editor.org/rfc/rfc8259): that
every piece decodes is the proof that all were cut at the right places. A file that is not cut so easily, or that is at
fault, is left to the caller, who decodes it at once.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec
import pyarrow as pa
from msgspec import Raw

from smalti.formats.coco.body import Piece
from smalti.formats.coco.keys import file_struct
from smalti.formats.coco.scan import scan
from smalti.formats.coco.sections import Gathering, Section

if TYPE_CHECKING:
    from collections.abc import Iterator

    from smalti.formats.coco.body import Body
    from smalti.formats.coco.keys import Spec
    from smalti.formats.coco.scan import Columns

TRIES = 8  # places at which a piece may end that are tried
STRAY = 8  # words that look like the key of an array and are none
RELEASED = 1 << 25  # bytes after which the mapped pages are given back
REST_MOST = 1 << 26  # bytes around the arrays: they are copied

_ARRAY = re.compile(rb'"(images|annotations)"\s*:\s*\[')
_FIRST_KEY = re.compile(rb'\s*\{\s*("(?:[^"\\]|\\.)*")')
_OPEN = re.compile(rb"\s*\[")
_OBJECT = re.compile(r"(.*) - at `\$\[(\d+)\](.*)`", re.DOTALL)
_TRAILING = re.compile(r"trailing characters \(byte (\d+)\)")
_AFTER = b'{"images":null'  # stands for what was decoded already, before what follows an array


@dataclass(slots=True)
class Found:
    """What a file holds: its arrays that are any, and the other keys at its top as raw texts."""

    sections: dict[str, Section]
    top: dict[str, Raw]


class Pieces:
    """Decodes one file, again and again while its keys become known; arrays whose keys stay are kept."""

    def __init__(self, body: Body) -> None:
        self.body = body
        self._done: dict[int, tuple[Columns | Gathering, int]] = {}

    def results(self, spec: Spec) -> Found | None:
        """Decode a flat array of detections; null where it cannot be cut. Raises as `file` does."""
        view = self.body.view
        opened = _OPEN.match(view)
        done = self._array(opened.end(), spec, "$") if opened else None
        if done is None or bytes(view[done[1] : done[1] + REST_MOST]).strip():
            return None
        return Found({"annotations": done[0].section()}, {})

    def file(self, specs: dict[str, Spec], top: Spec) -> Found | None:
        """Decode a file with images and annotations; null where it cannot be cut.

        Raises:
            msgspec.ValidationError: Something is not of the form of `specs` and `top`; with its place in the file.
        """
        view = self.body.view
        arrays: dict[str, Columns | Gathering] = {}
        found: dict[str, Raw] = {}
        around = file_struct(specs, top, item=type(None))
        before, done, look, strays = b"", 0, 0, 0
        while array := _ARRAY.search(view, look):
            name, look = array[1].decode(), array.end()
            if look - done > REST_MOST:
                return None
            head = _decoded(before + view[done:look] + b"null]}", around)
            if head is None or _lists(head, specs) != {name: [None]}:
                strays += 1
                if strays == STRAY:
                    return None
                continue
            taken = self._array(look, specs[name], f"$.{name}")
            if taken is None:
                return None
            arrays[name], done = taken
            look = done
            found |= others(head, top)
            before = _AFTER
        if not before or len(view) - done > REST_MOST:
            return None
        rest = _decoded(before + view[done:], around)
        if rest is None or _lists(rest, specs):
            return None
        found |= others(rest, top)
        return Found({name: gathered.section() for name, gathered in arrays.items()}, found)

    def _array(self, start: int, spec: Spec, place: str) -> tuple[Columns | Gathering, int] | None:
        """Decode the objects of an array; gives them, and where it ends; null where it cannot be cut."""
        done = self._done.get(start)
        if done is not None and done[0].fields == spec.fields():
            return done
        scanned = scan(self.body, start, _border(self.body.view, start), spec)
        if scanned is not None:
            self._done[start] = scanned
            return scanned
        gathered, released, end = Gathering(spec), start, start
        try:
            for objects, piece in _read(self.body, start, spec):
                if piece is None:
                    return None
                gathered.add(objects, pa.py_buffer(piece.text), piece.first - 1)
                end = piece.first - 1 + len(piece.text)
                if piece.first - released > RELEASED:
                    self.body.release(released, piece.first)
                    released = piece.first
        except msgspec.ValidationError as error:
            raise _moved(error, place, gathered.size) from error
        self._done[start] = gathered, end
        return self._done[start]


def _read(body: Body, at: int, spec: Spec) -> Iterator[tuple[list[Any], Piece | None]]:
    """The objects of an array piece by piece, with where they stand; null where no end of a piece is found."""
    border = _border(body.view, at)
    decoder = msgspec.json.Decoder(list[spec.struct()])  # type: ignore[misc]  # made here
    while True:
        for given in body.pieces(at, border):
            objects, piece = _objects(body, given, border, decoder)
            yield objects, piece
            if piece is None or piece.cut is None:
                return
            at = piece.cut.end()
            if piece is not given:
                break  # the next begins elsewhere than it seemed to


def _objects(
    body: Body, piece: Piece, border: re.Pattern[bytes], decoder: msgspec.json.Decoder[Any]
) -> tuple[list[Any], Piece | None]:
    """The objects of a piece, or of one that begins there and ends elsewhere; null where none is a list of objects."""
    for _ in range(TRIES):
        try:
            return decoder.decode(piece.text), piece
        except msgspec.ValidationError:
            raise
        except msgspec.DecodeError as error:
            end = _TRAILING.search(str(error))
        if end:  # the array ends in the text
            piece = Piece(piece.first, None, piece.text[: int(end[1]) - 1])
        elif piece.cut is None:
            break
        else:
            piece = body.piece(piece.first, body.cut(piece.first, border, piece.cut.end()))
    return [], None


def _border(view: memoryview, start: int) -> re.Pattern[bytes]:
    """Finds what looks like the end of an object and the start of the next, which begins as the first one does."""
    first = _FIRST_KEY.match(view, start)
    return re.compile(rb"\}\s*,\s*(?=\{\s*%b)" % (re.escape(first[1]) if first else b""))


def _decoded(text: bytes, kind: Any) -> Any:
    """What stands around the arrays; null where this is not what it is."""
    try:
        return msgspec.json.decode(text, type=kind)
    except msgspec.ValidationError as error:
        if "$." in str(error):
            return None  # an array is not where it seemed to be
        raise
    except msgspec.DecodeError:
        return None


def _lists(around: Any, specs: dict[str, Spec]) -> dict[str, list[Any]]:
    """The arrays that stand there."""
    return {name: found for name in specs if isinstance(found := getattr(around, name), list)}


def others(around: Any, top: Spec) -> dict[str, Raw]:
    """The other keys at the top, apart from the text that they were decoded from."""
    values = {name: getattr(around, key.attribute) for name, key in top.keys.items()}
    return {name: value.copy() for name, value in values.items() if value is not msgspec.UNSET}


def _moved(error: msgspec.ValidationError, place: str, before: int) -> msgspec.ValidationError:
    """The complaint about an object of a piece, with its place in the file."""
    found = _OBJECT.fullmatch(str(error))
    if found is None:
        return error
    return msgspec.ValidationError(f"{found[1]} - at `{place}[{int(found[2]) + before}]{found[3]}`")
