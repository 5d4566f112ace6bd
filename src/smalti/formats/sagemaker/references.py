"""References to images, `s3://bucket/images/a.jpg`: what of them is the path below the media root.

The rest is put in front of paths again in writing. Nothing is ever fetched from a reference.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from smalti.errors import UnsafePathError
from smalti.storage.paths import safe_path

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

HINT = "pass the prefix that all references share, as prefix= (of masks mask_prefix=)"
TRIED = 64  # references that are looked for among the images which are there


def are_urls(refs: Sequence[str]) -> bool:
    """Whether references are URLs, all of them."""
    return bool(refs) and all("://" in ref for ref in refs)


def prefix(refs: Sequence[str], there: Sequence[str], given: str | None) -> str:
    """What stands in front of all paths.

    Args:
        refs: References of images.
        there: Images at hand, relative to the media root: where one is the tail of a reference, the rest is the
            prefix.
        given: What the user says it is.
    """
    if given is not None:
        return given
    if not are_urls(refs):
        return ""
    return _beside(refs, set(there)) or _common(refs)


def mask_prefix(refs: Sequence[str], images: str, there: Sequence[str], given: str | None) -> str:
    """As `prefix`, of masks: they may lie with the images, or in a place of their own."""
    if given is not None:
        return given
    if all(ref.startswith(images) for ref in refs) or not are_urls(refs):
        return images
    return _beside(refs, set(there)) or _common(refs)


def path(ref: str, front: str) -> str:
    """The path of a reference below the prefix.

    Raises:
        UnsafePathError: It leaves the root, or is a URL with another beginning.
    """
    if "://" in (rest := ref.removeprefix(front)):
        raise UnsafePathError(
            f"found {ref[:200]!r}, expected it to begin with {front or 'no URL'!r}", hint=HINT
        )
    return safe_path(rest)


def _beside(refs: Sequence[str], there: Collection[str]) -> str | None:
    """The prefix with which references name images that are there; null: with none."""
    for ref in refs[:TRIED] if there else ():
        front, slash, tail = ref.partition("://")
        front += slash
        while tail:
            if tail in there:
                return front if all(other.startswith(front) for other in refs) else None
            step, slash, tail = tail.partition("/")
            front += step + slash
    return None


def _common(refs: Sequence[str]) -> str:
    """The folder that all are in."""
    low, high = min(refs), max(refs)  # what these two share, all do
    shared = next((n for n, (a, b) in enumerate(zip(low, high, strict=False)) if a != b), len(low))
    return low[: low.rfind("/", 0, shared) + 1]
