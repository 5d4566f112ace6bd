"""What LVIS says of images in its own way: their paths, and which classes were looked for.

A path is what ``coco_url`` says below the host: ``http://images.cocodataset.org/train2017/000000391895.jpg``. Images of
the val split lie in train2017 too, so the folder is part of it. LVIS v0.5 has a ``file_name`` beside it that names the
picture as COCO 2014 did; the URL tells where it lies (https://www.lvisdataset.org/dataset).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import msgspec
from msgspec import UNSET, Raw

from smalti.formats.coco.columns import pull

if TYPE_CHECKING:
    from smalti.formats.coco.sections import Section

NEGATIVE, PARTIAL = "neg_category_ids", "not_exhaustive_category_ids"
BASE = "http://images.cocodataset.org/"


def made(path: str, split: str | None) -> str:
    """The URL that LVIS' tools take for the path of an image of another data set."""
    return f"{BASE}{split}/{path}" if split else f"{BASE}{path}"


def tail(url: str) -> str | None:
    """The path in a URL below its host; null where there is none."""
    if url.startswith(BASE):
        return url[len(BASE) :] or None
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    return parts.path.lstrip("/") or None if parts.scheme in {"http", "https"} else None


def paths(section: Section, split: str | None) -> tuple[list[Any], frozenset[str]]:
    """The paths of a file's images, UNSET where nothing tells one; and the keys that only repeat them."""
    names, links = pull([section], "file_name"), pull([section], "coco_url")
    if "coco_url" not in section.values:
        return names, frozenset({"file_name"})
    found: list[Any] = []
    others = own = 0  # file names that are not the path; URLs that say more than it
    for name, link in zip(names, links, strict=True):
        repeats = isinstance(name, str) and link == made(name, split)
        path = tail(link) if isinstance(link, str) and not repeats else None
        found.append(name if path is None else path)
        own += not repeats and link is not UNSET
        others += name is not UNSET and name != found[-1]
    return found, frozenset({*(["file_name"] if not others else []), *(["coco_url"] if not own else [])})


def bad_lists(section: Section, key: str) -> list[int]:
    """The images whose list of category ids is none: numbers, or texts in all of a file."""
    raws = [value if isinstance(value, Raw) else b"null" for value in pull([section], key)]
    if any(_are_lists(raws, kind) for kind in (int, str)):
        return []
    return [row for row, raw in enumerate(raws) if not _are_lists([raw], int)]


def _are_lists(raws: list[Raw | bytes], kind: type) -> bool:
    try:
        msgspec.json.decode(b"[" + b",".join(raws) + b"]", type=list[list[kind] | None])  # type: ignore[valid-type]  # given here
    except msgspec.ValidationError:
        return False
    return True
