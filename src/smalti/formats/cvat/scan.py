"""A first look at a CVAT file: where its images stand, and what its objects have.

The file is streamed once, so that a large one costs little memory; parts then read their own bytes.
Structure: https://docs.cvat.ai/docs/other/xml_format
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from smalti.errors import DataError, at
from smalti.formats import xml_files

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

    from smalti.storage.location import Location

ROOT = "annotations"
SHAPES = frozenset({"box", "polygon", "polyline", "points", "mask", "skeleton", "ellipse", "cuboid"})
DEEPEST = xml_files.DEEPEST
BLOCK = 1 << 20
LAST_FRAME = 1 << 24  # what goes beyond is no video
BOOL, INT, FLOAT = 1, 2, 4  # what a text can be read as
ANY = BOOL | INT | FLOAT
_WHOLE = re.compile(r"[+-]?[0-9]{1,18}")


@dataclass(slots=True)
class ImageSpan:
    """An image element: its attributes, and the bytes it takes with all that it holds; a frame takes none."""

    attributes: dict[str, str]
    number: int
    start: int
    stop: int = 0


@dataclass(slots=True)
class TrackSpan(ImageSpan):
    """A track element, the first and last frame that it speaks of, and those that it is seen in."""

    first: int = LAST_FRAME
    last: int = 0
    low: int = LAST_FRAME
    high: int = 0
    goes_on: bool = False  # its last shape is there until something ends it: the video does


@dataclass(slots=True)
class Scan:
    """What a file holds.

    Attributes:
        images: Its images, in order.
        meta: The element ``meta``; null where there is none.
        shapes: The shapes that there are; a turned box is a ``rotated box``.
        own: The XML attributes that shapes have.
        labels: The labels of objects, in order of appearance.
        tag_labels: As `labels`, of tags.
        kinds: What all values of an attribute can be read as, by its name.
        details: Whether tags have more than a label.
        unknown: Elements of images that are none of CVAT's, with their numbers.
        inner: Attributes of points of skeletons.
        tracks: Its tracks.
    """

    images: list[ImageSpan] = field(default_factory=list)
    meta: Element | None = None
    shapes: set[str] = field(default_factory=set)
    own: set[str] = field(default_factory=set)
    labels: dict[str, None] = field(default_factory=dict)
    tag_labels: dict[str, None] = field(default_factory=dict)
    kinds: dict[str, int] = field(default_factory=dict)
    details: bool = False
    unknown: dict[str, int] = field(default_factory=dict)
    inner: int = 0
    tracks: list[TrackSpan] = field(default_factory=list)


class _Target:
    """Gets the events of the parser."""

    def __init__(self) -> None:
        self.found = Scan()
        self.stack: list[str] = []
        self.meta: list[int] = []
        self.expat: Any = None
        self._texts: list[str] | None = None
        self._name = ""

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        depth = len(self.stack)
        if depth == 0 and tag != ROOT:
            raise DataError(f"found the element {tag!r}, expected {ROOT!r}")
        if depth >= DEEPEST:
            raise DataError(f"found elements nested more than {DEEPEST} deep", position=self._line())
        if depth == 1:
            self._top(tag, attributes)
        elif depth > 1 and self.stack[1] in {"image", "track"}:
            if depth == 2:
                if self.stack[1] == "track":
                    self._frame(attributes)
                self._shape(tag, attributes)
            elif tag == "attribute":
                self._attribute(depth, attributes)
        self.stack.append(tag)

    def _top(self, tag: str, attributes: dict[str, str]) -> None:
        place = self.expat.CurrentByteIndex
        self._close(place)
        if tag == "image":
            self.found.images.append(ImageSpan(attributes, len(self.found.images), place))
        elif tag == "track":
            self.found.tracks.append(TrackSpan(attributes, len(self.found.tracks), place))
            self.found.own.update(attributes)
        elif tag == "meta" and not self.meta:
            self.meta = [place]

    def _close(self, place: int) -> None:
        """Where something new begins, what stood before it ends."""
        for spans in (self.found.images, self.found.tracks):
            if spans and not spans[-1].stop:
                spans[-1].stop = place
        if len(self.meta) == 1:
            self.meta.append(place)

    def _frame(self, attributes: dict[str, str]) -> None:
        """The frame of a track's shape."""
        text = attributes.get("frame", "")
        if not text.isascii() or not text.isdecimal() or len(text) > 8 or int(text) > LAST_FRAME:
            raise DataError(f"frame: found {text[:40]!r}, expected its number", position=self._line())
        track = self.found.tracks[-1]
        number = int(text)
        track.first = min(track.first, number)
        seen = attributes.get("outside") != "1"
        if seen:
            track.low, track.high = min(track.low, number), max(track.high, number)
        if number >= track.last:
            track.last, track.goes_on = number, seen

    def _shape(self, tag: str, attributes: dict[str, str]) -> None:
        found = self.found
        label = attributes.get("label", "")
        if self.stack[1] == "track":
            label = found.tracks[-1].attributes.get("label", "")
        if tag == "tag" and self.stack[1] == "image":
            found.tag_labels[label] = None
            found.details |= bool(attributes.keys() - {"label", "source"}) or (
                attributes.get("source", "manual") != "manual"
            )
        elif tag in SHAPES:
            found.labels[label] = None
            found.own.update(attributes)
            found.shapes.add("rotated box" if tag == "box" and is_turned(attributes) else tag)
        else:
            found.unknown[tag] = found.unknown.get(tag, 0) + 1

    def _attribute(self, depth: int, attributes: dict[str, str]) -> None:
        if depth == 3 and self.stack[2] == "tag":
            self.found.details = True
        elif depth == 3 and self.stack[2] in SHAPES:
            self._name, self._texts = attributes.get("name", ""), []
        elif depth == 4:
            self.found.inner += 1

    def data(self, text: str) -> None:
        if self._texts is not None:
            self._texts.append(text)

    def end(self, tag: str) -> None:
        del tag
        self.stack.pop()
        if self._texts is not None:
            before = self.found.kinds.get(self._name, ANY)
            self.found.kinds[self._name] = before & kind("".join(self._texts))
            self._texts = None
        if not self.stack:
            self._close(self.expat.CurrentByteIndex)

    def _line(self) -> str:
        return f"line {self.expat.CurrentLineNumber}"


def is_turned(attributes: Any) -> bool:
    """Whether a box is turned; what is no number is found out when it is read."""
    rotation = attributes.get("rotation")
    try:
        return rotation is not None and float(rotation) != 0
    except ValueError:
        return True


@lru_cache(4096)
def kind(text: str) -> int:
    """What a text can be read as."""
    words = text.strip()
    if words.lower() in {"true", "false"}:
        return BOOL
    if _WHOLE.fullmatch(words):
        return INT | FLOAT
    try:
        return FLOAT if math.isfinite(float(words)) else 0
    except ValueError:
        return 0


def scan(place: Location) -> Scan:
    """Stream through a file.

    Raises:
        DataError: It is no XML in UTF-8, declares a DTD, is nested too deep, or is another kind of document.
    """
    from defusedxml import DefusedXmlException
    from defusedxml.ElementTree import DefusedXMLParser, ParseError

    target = _Target()
    with at(file=place.url):
        parser = DefusedXMLParser(target=target, encoding="utf-8", forbid_dtd=True)
        target.expat = parser.parser
        target.expat.XmlDeclHandler = _utf8
        try:
            with place.open("rb") as file:
                while block := file.read(BLOCK):
                    parser.feed(block)
            parser.close()
        except ParseError as error:
            line, column = error.position
            raise DataError(f"no XML: {error}", position=f"line {line}, column {column + 1}") from error
        except DefusedXmlException as error:
            raise DataError(
                f"found {type(error).__name__}; expected XML without a DTD or entities"
            ) from error
        found = target.found
        if len(target.meta) == 2:
            found.meta = elements(place, [(target.meta[0], target.meta[1])]).find("meta")
    return found


def _utf8(version: str, encoding: str | None, standalone: int) -> None:
    del version, standalone
    if encoding is not None and encoding.lower() not in {"utf-8", "utf8", "us-ascii", "ascii"}:
        raise DataError(f"found the encoding {encoding!r}, expected UTF-8", hint="save the file as UTF-8")


def elements(place: Location, spans: list[tuple[int, int]]) -> Element:
    """Some spans of a file below one root; each is a whole element.

    Raises:
        DataError: The file is not what it was.
    """
    return xml_files.parse(document(place, spans), ROOT)


def document(place: Location, spans: list[tuple[int, int]]) -> bytes:
    """Some spans of a file as a document of their own."""
    first, last = spans[0][0], spans[-1][1]
    with place.open("rb") as file:
        file.seek(first)
        body = file.read(last - first)
    inner = b"".join(body[start - first : stop - first] for start, stop in spans)
    return b"<%b>%b</%b>" % (ROOT.encode(), inner, ROOT.encode())
