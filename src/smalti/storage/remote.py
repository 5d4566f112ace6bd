"""Pictures that lie at an address of their own, not below a dataset's media root."""

from __future__ import annotations

from smalti.errors import UnsafePathError
from smalti.storage.location import Location


def remote(url: str, sample: str) -> Location:
    """The place of a picture's own URL.

    Raises:
        UnsafePathError: It names a file of this machine, which data may not do.
    """
    place = Location.parse(url)
    if place.is_local or place.protocol in {"file", "local"} or "::" in url:
        raise UnsafePathError(
            "found the address of a file of this machine; expected a path below the media root, or the URL"
            " of a bucket or a server",
            file=url,
            sample=sample,
        )
    return place
