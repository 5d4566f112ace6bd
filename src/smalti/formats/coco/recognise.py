"""Recognise COCO from a bounded look: the keys at the head and at the tail of a JSON file.

Key order differs in the wild: ``annotations`` may come first and be huge, so both ends are looked at.
"""

from __future__ import annotations

import re
from enum import Enum
from typing import TYPE_CHECKING

from smalti.formats.probe import HEAD
from smalti.formats.protocol import Grade, Match
from smalti.storage.location import BOM

if TYPE_CHECKING:
    from smalti.formats.probe import Probe
    from smalti.storage.location import Location

LOOKS = 64  # files that are looked into
_RESULT = re.compile(rb'\s*\[\s*\{.*?"image_id"\s*:', re.DOTALL)
_SECTIONS = re.compile(rb'"(images|annotations|categories)"\s*:\s*(?:\[|null)')
_LVIS = re.compile(rb'"(?:neg_category_ids|not_exhaustive_category_ids|synset)"\s*:')
_ANNOTATION = re.compile(rb'"(?:image_id|file_name)"\s*:')
_PANOPTIC = b'"segments_info"'


class Content(Enum):
    """What a JSON file looks like."""

    COCO = "images, annotations, categories"
    LVIS = "LVIS' keys"
    RESULTS = "a flat array of detections"
    PANOPTIC = "segments_info"
    OTHER = "something else"


def content_of(place: Location) -> Content:
    """What a JSON file looks like, by its first and last bytes."""
    size = place.size()
    with place.open("rb") as file:
        head = file.read(HEAD).removeprefix(BOM)
        tail = b""
        if size > HEAD:
            file.seek(max(HEAD, size - HEAD))
            tail = file.read(HEAD)
    return _content(head, tail)


def _content(head: bytes, tail: bytes) -> Content:
    if _RESULT.match(head) and (b'"score"' in head or b'"category_id"' in head):
        return Content.RESULTS
    if not head.lstrip().startswith(b"{"):
        return Content.OTHER
    text = head + tail
    if _PANOPTIC in text:
        return Content.PANOPTIC
    sections = {found[1] for found in _SECTIONS.finditer(text)}
    if b"images" not in sections and not (
        {b"annotations", b"categories"} <= sections and _ANNOTATION.search(text)
    ):
        # A huge `annotations` first, a huge `images` in the middle: what is left is annotations' own keys.
        if b"annotations" not in sections or b'"image_id"' not in text:
            return Content.OTHER
    elif not _ANNOTATION.search(text) and len(sections) < 2:
        return Content.OTHER
    return Content.LVIS if _LVIS.search(text) else Content.COCO


def sniff(probe: Probe) -> Match | None:
    """Whether a source is COCO."""
    if probe.is_file:
        if probe.root.suffix.lower() != ".json":
            return None
        return _match({content_of(probe.root)}, probe.root.name)
    found = [path for path in probe.matching("*.json") if path.count("/") < 3]
    # The likeliest first, so that a folder of many JSON files of other kinds is not looked into in full.
    found.sort(key=lambda path: ("annotations" not in path and "labels" not in path, path.count("/"), path))
    return _match({content_of(probe.root / path) for path in found[:LOOKS]}, "its JSON files")


def _match(contents: set[Content], where: str) -> Match | None:
    if Content.COCO in contents:
        return Match(Grade.LIKELY, f"{where}: images, annotations and categories at the top")
    if Content.LVIS in contents:
        return Match(Grade.POSSIBLE, f"{where}: COCO's keys with those of LVIS")
    if Content.RESULTS in contents:
        return Match(Grade.POSSIBLE, f"{where}: a flat array of detections with image_id")
    return None
