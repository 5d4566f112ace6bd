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
_LVIS = re.compile(rb'"(?:neg_category_ids|not_exhaustive_category_ids)"\s*:')
_LVIS_CLASSES = (b'"frequency"', b'"instance_count"')  # at the end of a file whose annotations come first
_ANNOTATION = re.compile(rb'"(?:image_id|file_name)"\s*:')
_PANOPTIC, _THING = b'"segments_info"', b'"isthing"'
_NOTHING = re.compile(rb'"annotations"\s*:\s*\[\s*\]')  # of no image: what kind it is, only classes tell


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
    found = _content(head, tail)
    return Content.LVIS if found is Content.COCO and place.name.startswith("lvis_v") else found


def _content(head: bytes, tail: bytes) -> Content:
    if _RESULT.match(head) and (b'"score"' in head or b'"category_id"' in head):
        return Content.RESULTS
    if not head.lstrip().startswith(b"{"):
        return Content.OTHER
    text = head + tail
    if _PANOPTIC in text or (_THING in text and _NOTHING.search(text)):
        return Content.PANOPTIC
    if _LVIS.search(text) or all(key in text for key in _LVIS_CLASSES):
        return Content.LVIS
    sections = {found[1] for found in _SECTIONS.finditer(text)}
    if b"images" not in sections and not (
        {b"annotations", b"categories"} <= sections and _ANNOTATION.search(text)
    ):
        # A huge `annotations` first, a huge `images` in the middle: what is left is annotations' own keys.
        if b"annotations" not in sections or b'"image_id"' not in text:
            return Content.OTHER
    elif not _ANNOTATION.search(text) and len(sections) < 2:
        return Content.OTHER
    return Content.COCO


def contents(probe: Probe) -> tuple[set[Content], str]:
    """What the JSON files of a source look like, and what they are called."""
    if probe.is_file:
        found = {content_of(probe.root)} if probe.root.suffix.lower() == ".json" else set()
        return found, probe.root.name
    paths = [path for path in probe.matching("*.json") if path.count("/") < 3]
    # The likeliest first, so that a folder of many JSON files of other kinds is not looked into in full.
    paths.sort(key=lambda path: ("annotations" not in path and "labels" not in path, path.count("/"), path))
    return {content_of(probe.root / path) for path in paths[:LOOKS]}, "its JSON files"


def sniff(probe: Probe) -> Match | None:
    """Whether a source is COCO."""
    found, where = contents(probe)
    if Content.COCO in found:
        return Match(Grade.LIKELY, f"{where}: images, annotations and categories at the top")
    if Content.LVIS in found:
        return Match(Grade.POSSIBLE, f"{where}: COCO's keys with those of LVIS")
    if Content.RESULTS in found:
        return Match(Grade.POSSIBLE, f"{where}: a flat array of detections with image_id")
    return None
