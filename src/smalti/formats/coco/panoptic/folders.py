"""Where the PNGs of a panoptic JSON are: in a folder of its name, beside it or beside its folder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from smalti.formats.coco.layout import dataset_root
from smalti.storage.paths import safe_path

if TYPE_CHECKING:
    from collections.abc import Sequence

    from smalti.formats.coco.layout import Source
    from smalti.formats.coco.panoptic.options import PanopticOptions
    from smalti.storage.location import Location

PROBED = 4  # PNGs that are looked for in a folder


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder of PNGs.

    Attributes:
        location: It.
        prefix: The same below the media root, with its slash; null where it is not below that.
    """

    location: Location
    prefix: str | None

    def place(self, name: str) -> Location:
        """Where a PNG is."""
        return self.location / safe_path(name)

    def path(self, name: str) -> str | None:
        """A PNG's path below the media root."""
        return None if self.prefix is None else f"{self.prefix}{safe_path(name)}"


def find_folder(
    root: Location,
    source: Source,
    media: Location,
    own_media: bool,
    names: Sequence[str],
    options: PanopticOptions,
) -> Folder:
    """The folder of a file's PNGs: one in which some of them are, else the one that has the file's name.

    Args:
        root: The source.
        source: The file.
        media: The media root.
        own_media: The media root is the dataset's folder.
        names: The PNGs of the file.
        options: The format's options.
    """
    base = dataset_root(root)
    here = f"{source.folder}/" if source.folder else ""
    if root.isfile():
        here = "annotations/" if root.parent.url != base.url else ""
    elif root.url != base.url:
        here = f"annotations/{here}"
    stem = (root.name if root.isfile() else source.path.rpartition("/")[2]).removesuffix(".json")
    up = here.removesuffix("annotations/")
    folders = [
        f"{here}{stem}",
        f"{up}{stem}",
        f"{here}{stem}/{stem}",
        f"{up}{stem}/{stem}",
        f"{up}masks/{stem}",
    ]
    if source.split:
        folders += [f"{up}panoptic/{source.split}{source.year}", f"{up}panoptic_{source.split}"]
    if options.masks is not None:
        folders = [safe_path(options.masks)]
    folders += [here.removesuffix("/"), up.removesuffix("/")]
    some = names[:: max(1, len(names) // PROBED)][:PROBED]
    for folder in dict.fromkeys(folders):
        place = base / folder if folder else base
        if any(_is_there(place, name) for name in some):
            return _folder(place, folder, base, media, own=own_media)
    return _folder(base / folders[0], folders[0], base, media, own=own_media)


def _is_there(place: Location, name: str) -> bool:
    try:
        return (place / safe_path(name)).isfile()
    except ValueError:
        return False


def _folder(place: Location, folder: str, base: Location, media: Location, *, own: bool) -> Folder:
    inside = own or base.url == media.url
    return Folder(place, (f"{folder}/" if folder else "") if inside else None)
