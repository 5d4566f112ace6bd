"""Many plain XML documents as columns, without a Python object an element: https://www.w3.org/TR/xml/.

A document is plain when it is well-formed and has no comments, references, CDATA, processing instructions, DTD or
namespaces, and text only in elements without children: what tools write of boxes is. Anything else is left to the
parser (`smalti.formats.xml_files`), which knows all of XML and says what is wrong.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from smalti.storage.location import BOM

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    Whole = NDArray[np.int64]

DEEPEST = 16
LONGEST = 2**31 - 1  # bytes that Arrow's offsets of 32 bits reach
_STRANGE = (b"\xef\xbf\xbe", b"\xef\xbf\xbf")  # what is no character
_GOOD = bytes(code for code in range(256) if code >= 32 or code in b"\t\n\r")
_NAME = rb"[A-Za-z_][A-Za-z0-9_.\-]*"
_VALUE = rb"\s*=\s*\"\""  # values stand by themselves
_TAG = re.compile(rb"<(/?)(" + _NAME + rb")((?:\s+" + _NAME + _VALUE + rb")*)\s*(/?)>")
_ATTRIBUTE = re.compile(rb"(" + _NAME + rb")" + _VALUE)
_DECLARED = re.compile(rb"<\?xml\s+version" + _VALUE + rb"(\s+encoding" + _VALUE + rb")?\s*\?>")
_DECLARABLE = {"1.0", "utf-8", "UTF-8", "us-ascii", "US-ASCII"}
BLANK = 32  # and what is below it, where nothing is that XML forbids
OPEN, CLOSE, BOTH, HEAD = 0, 1, 2, 3  # what a tag is


@dataclass(frozen=True, slots=True)
class Table:
    """The elements of some documents, in their order.

    Attributes:
        document: ``(n,)``, the position of each element's document.
        parent: ``(n,)``, the position of the element that it lies in; -1 for a root.
        paths: Names of elements from the root's, as ``annotation/object/name``.
        leaf: ``(n,)``, whether it has no elements.
    """

    document: Whole
    parent: Whole
    paths: list[str]
    leaf: NDArray[np.bool_]
    _opens: Whole  # (n,), the tags that elements begin and end with
    _closes: Whole
    _tags: Tags
    _groups: list[Whole]  # the positions of the elements of each path

    def of(self, *paths: str) -> Whole:
        """The positions of the elements of some paths, in order."""
        found = [self._groups[self.paths.index(path)] for path in paths if path in self.paths]
        return found[0] if len(found) == 1 else np.sort(np.concatenate([np.empty(0, np.int64), *found]))

    def texts(self, which: Whole) -> pa.Array:
        """The texts of elements without children, without blanks around them."""
        found = self.contents(which)
        return pc.ascii_trim_whitespace(found) if self._tags.ascii else pc.utf8_trim_whitespace(found)

    def contents(self, which: Whole) -> pa.Array:
        """As `texts`, with their blanks."""
        return self._tags.spans.take(pa.array(2 * self._opens[which] + 1)).cast(pa.string())

    def attributes(self, which: Whole) -> Attributes:
        """The attributes of elements."""
        return Attributes(self._tags, self._opens[which])

    def attributed(self, which: Whole) -> NDArray[np.bool_]:
        """Whether elements have attributes."""
        some = np.array([bool(own) for own in self._tags.kinds.attributes])
        return some[self._tags.code[self._opens[which]]]

    def single(self, path: str, owners: Whole) -> pa.Array | None:
        """The text of the one element of a path in each of its owners.

        Args:
            path: The path, of elements without children.
            owners: The positions of the elements that they lie in, in order.

        Returns:
            Null in owners without one; null for all where an owner has several, or one of them has children.
        """
        which = self.of(path)
        if not self.leaf[which].all():
            return None
        above = self.parent[which]
        if np.array_equal(above, owners):
            return self.texts(which)
        place = np.searchsorted(owners, above)
        if (np.diff(place) == 0).any():
            return None
        at = np.full(len(owners), -1)
        at[place] = np.arange(len(which))
        return self.texts(which).take(pa.array(at, mask=at < 0))

    def span(self, which: Whole) -> tuple[Whole, Whole]:
        """Where elements begin and end in the documents, one after the other."""
        begin, end = self._tags.begin, self._tags.end
        return begin[self._opens[which]], end[self._closes[which]] + 1

    def raw(self, position: int) -> bytes:
        """An element as it stands in its document."""
        tags = self._tags
        return tags.body[tags.begin[self._opens[position]] : tags.end[self._closes[position]] + 1]

    def tag(self, position: int) -> bytes:
        """The tag that an element begins with."""
        tags = self._tags
        return tags.body[tags.begin[self._opens[position]] : tags.end[self._opens[position]] + 1]


class Attributes(Mapping[str, pa.Array]):
    """The attributes of elements by name, in the order of their first use; null where an element lacks one.

    Each becomes a column when it is asked for.
    """

    def __init__(self, tags: Tags, which: Whole) -> None:
        self._values, self._every = tags.values, tags.kinds.attributes
        self._which, self._code = which, tags.code[which]
        used = pa.array(self._code).unique().to_pylist()
        self._names = dict.fromkeys(name for code in used for name in self._every[code])

    def __getitem__(self, name: str) -> pa.Array:
        if name not in self._names:
            raise KeyError(name)
        place = np.array([own.index(name) if name in own else -1 for own in self._every])[self._code]
        at = self._values.first[self._which] + place
        return self._values.texts.take(pa.array(at, mask=place < 0)).cast(pa.string())

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


@dataclass(frozen=True, slots=True)
class Values:
    """The values of attributes, of all tags.

    Attributes:
        texts: The values.
        first: ``(t,)``, for each tag the position of its first one.
    """

    texts: pa.Array
    first: Whole


@dataclass(frozen=True, slots=True)
class Tags:
    """The tags of some documents, in their order.

    Attributes:
        body: The documents, one after the other.
        begin: ``(t,)``, where each begins in the body.
        end: ``(t,)``, where it ends.
        spans: By turns a tag, without the values of its attributes, and the text behind it.
        code: ``(t,)``, which of the different tags it is.
        kinds: What those are.
        values: The values of their attributes.
        ascii: Whether all is ASCII.
        solid: How many bytes are no blanks, values of attributes left out.
    """

    body: bytes
    begin: Whole
    end: Whole
    spans: pa.Array
    code: Whole
    kinds: Kinds
    values: Values
    ascii: bool
    solid: int


def parse(bodies: Sequence[bytes]) -> Table | None:
    """Some documents as columns; null where one of them is not plain."""
    bodies = [body.removeprefix(BOM) for body in bodies]
    body = b"".join(bodies)
    if b"\r" in body:  # https://www.w3.org/TR/xml/#sec-line-ends
        bodies = [one.replace(b"\r\n", b"\n").replace(b"\r", b"\n") for one in bodies]
        body = b"".join(bodies)
    if len(body) > LONGEST or not _sound(body) or (tags := _tags(body)) is None:
        return None
    starts = np.cumsum([0, *map(len, bodies)])
    return _table(tags, np.searchsorted(tags.begin, starts))


def _tags(body: bytes) -> Tags | None:
    low, high = _quoted(body)
    # By turns what stands outside of quotes, and inside.
    pieces = _spans(body, np.concatenate([[0], high]), np.concatenate([low, [len(body)]]))
    bare = body if not len(low) else _data(pieces.take(pa.array(np.arange(0, len(pieces), 2)))).tobytes()
    codes = np.frombuffer(bare, np.uint8)
    edges = np.flatnonzero((codes | 2) == 62)  # "<" is 60, ">" is 62
    begin, end = edges[::2], edges[1::2]
    if not len(begin) or len(begin) != len(end) or bare[: begin[0]].strip():
        return None
    if (codes[begin] == 62).any() or (codes[end] == 60).any():
        return None
    spans = _spans(bare, begin, end + 1)
    found = spans.take(pa.array(np.arange(0, 2 * len(begin), 2))).dictionary_encode()
    kinds = _kinds(found.dictionary.to_pylist())
    if kinds is None:
        return None
    code = found.indices.to_numpy()
    counts = first = np.zeros(len(code), np.int64)
    if len(low):
        counts = np.array([len(own) for own in kinds.attributes])[code]
        first = np.cumsum(counts) - counts
    values = Values(pieces.take(pa.array(np.arange(1, 2 * len(low), 2))), first)
    if len(low) and not _sound_values(values, kinds.kind[code] == HEAD, counts):
        return None
    solid = int(np.count_nonzero(codes > BLANK)) - int(np.bincount(code) @ kinds.solid)
    if len(low):
        # From places among tags without values to places in the body.
        removed = np.concatenate([[0], np.cumsum(high - low)])
        begin, end = begin + removed[first], end + removed[first + counts]
    return Tags(body, begin, end, spans, code, kinds, values, body.isascii(), solid)


def _quoted(body: bytes) -> tuple[Whole, Whole]:
    """Where what stands in quotes begins and ends."""
    if b'"' not in body:
        return np.empty(0, np.int64), np.empty(0, np.int64)
    places = np.flatnonzero(np.frombuffer(body, np.uint8) == 34)
    return places[: len(places) // 2 * 2 : 2] + 1, places[1::2]


def _spans(body: bytes, begin: Whole, end: Whole) -> pa.Array:
    """Spans of a text, and by turns what stands between them."""
    edges = np.empty(2 * len(begin) + 1, np.int32)
    edges[0:-1:2], edges[1::2], edges[-1] = begin, end, len(body)
    return pa.Array.from_buffers(pa.binary(), 2 * len(begin), [None, pa.py_buffer(edges), pa.py_buffer(body)])


def _closes(opens: NDArray[np.bool_], closing: NDArray[np.bool_], level: Whole, name: Whole) -> Whole | None:
    """For each opening tag the one that closes it, for others themselves; null where they do not match."""
    closes = np.arange(len(opens))
    leaf = np.flatnonzero(opens[:-1] & closing[1:])  # most elements: nothing but text is between
    closes[leaf] += 1
    rest = opens | closing
    rest[leaf] = rest[leaf + 1] = False
    pairs = np.flatnonzero(rest)
    pairs = pairs[np.argsort(level[pairs].astype(np.int8), kind="stable")]
    opened, closed = pairs[::2], pairs[1::2]
    # Of one level opening and closing tags take turns; those of one element have one name.
    if not (opens[opened].all() and closing[closed].all() and (name[opened] == name[closed]).all()):
        return None
    closes[opened] = closed
    return closes if (name[leaf] == name[leaf + 1]).all() else None


def _data(texts: pa.Array) -> NDArray[np.uint8]:
    """The bytes of some texts, one after the other."""
    _, offsets, data = texts.buffers()
    stop = int(np.frombuffer(offsets, np.int32)[len(texts)]) if data else 0
    return np.frombuffer(data, np.uint8)[:stop] if stop else np.empty(0, np.uint8)


def _sound_values(values: Values, heads: NDArray[np.bool_], counts: Whole) -> bool:
    """Whether all that stands in quotes are values, with nothing that XML forbids or changes there."""
    if int(counts.sum()) != len(values.texts):
        return False
    declared = values.texts.take(pa.array(np.flatnonzero(np.repeat(heads, counts))))
    if not _DECLARABLE.issuperset(pc.unique(declared.cast(pa.string())).to_pylist()):
        return False
    inner = _data(values.texts)
    return not ((inner < BLANK) | (inner == 60)).any()


def _sound(body: bytes) -> bool:
    """Whether a text has nothing that only a parser understands, and nothing that XML forbids."""
    if b"&" in body or (b"]" in body and b"]]>" in body) or body.translate(None, _GOOD):
        return False
    if body.isascii():
        return True
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return not any(word in body for word in _STRANGE)


@dataclass(frozen=True, slots=True)
class Kinds:
    """What each different tag is: open, close or both; the position of its name; its attributes; its length without blanks."""

    kind: NDArray[np.int8]
    name: Whole
    names: list[str]
    attributes: list[list[str]]
    solid: Whole


def _kinds(tags: list[bytes]) -> Kinds | None:
    kinds, codes, attributes = [], [], []
    names: dict[bytes, int] = {}
    for tag in tags:
        found = _TAG.fullmatch(tag)
        if found is None and not _DECLARED.fullmatch(tag):
            return None
        closing, name, words, single = found.groups() if found else (b"", b"", b"", b"")
        own = _ATTRIBUTE.findall(words if found else tag)
        if len(set(own)) < len(own) or b"xmlns" in own or (closing and (own or single)):
            return None
        kinds.append(HEAD if not name else CLOSE if closing else BOTH if single else OPEN)
        codes.append(names.setdefault(name, len(names)))
        attributes.append([word.decode() for word in own])
    solid = [len(tag.translate(None, b" \t\n")) for tag in tags]
    return Kinds(
        np.array(kinds, np.int8), np.array(codes, np.int32), [name.decode() for name in names],
        attributes, np.array(solid, np.int64),
    )  # fmt: skip


def _table(tags: Tags, firsts: Whole) -> Table | None:
    """The elements of tags; null where they are not well-formed documents, each of which begins with the tag `firsts`."""
    kinds, tag = tags.kinds, tags.code
    kind, name = kinds.kind[tag], kinds.name[tag]
    opens, closing = kind == OPEN, kind == CLOSE
    after = np.cumsum(opens.view(np.int8) - closing.view(np.int8), dtype=np.int32)
    element = np.flatnonzero(opens | (kind == BOTH))
    level = after + (kind != OPEN)
    own = level[element]
    # Each document begins and ends outside of all elements, and has one root.
    heads = np.flatnonzero(kind == HEAD)
    counts = np.diff(np.searchsorted(element[own == 1], firsts))
    if (
        after.min() < 0
        or own.max(initial=0) > DEEPEST
        or after[firsts[1:] - 1].any()
        or not (counts == 1).all()
        or not np.isin(heads, firsts).all()
    ):
        return None
    closes = _closes(opens, closing, level, name)
    if closes is None:
        return None
    ends = closes[element]
    leaf = ends <= element + 1
    texts = tags.spans.take(pa.array(2 * element[ends == element + 1] + 1))
    if tags.solid != np.count_nonzero(_data(texts) > BLANK):
        return None  # text beside elements
    parent = _parents(own)
    path, paths = _paths(own, parent, name[element], kinds.names)
    order = np.argsort(path.astype(np.int16), kind="stable")
    groups = np.split(order, np.cumsum(np.bincount(path, minlength=len(paths)))[:-1])
    document = np.repeat(np.arange(len(counts)), np.diff(np.searchsorted(element, firsts)))
    return Table(document, parent, paths, leaf, element, ends, tags, groups)


def _parents(level: Whole) -> Whole:
    """For elements in their order the one above each: the last one before it that is a level higher."""
    found = np.full(len(level), -1)
    order = np.arange(len(level), dtype=np.int32)
    above = level == 1
    for depth in range(2, int(level.max(initial=1)) + 1):
        here = level == depth
        found[here] = np.maximum.accumulate(order * above)[here]
        above = here
    return found


def _paths(level: Whole, parent: Whole, name: Whole, names: list[str]) -> tuple[Whole, list[str]]:
    """The path of each element, as a position among all paths."""
    path = np.zeros(len(level), np.int64)
    paths: list[str] = []
    for depth in range(1, int(level.max(initial=1)) + 1):
        here = np.flatnonzero(level == depth)
        above = path[parent[here]] if depth > 1 else np.zeros(len(here), np.int64)
        key = above * len(names) + name[here]
        used = np.flatnonzero(np.bincount(key))
        place = np.zeros(int(used.max(initial=0)) + 1, np.int64)
        place[used] = np.arange(len(paths), len(paths) + len(used))
        path[here] = place[key]
        before = paths if depth > 1 else [""] * len(names)
        paths = paths + [
            f"{before[one // len(names)]}/{names[one % len(names)]}".removeprefix("/")
            for one in used.tolist()
        ]
    return path, paths
