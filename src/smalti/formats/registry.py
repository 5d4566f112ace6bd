"""The table of formats: built-in ones by import string, others by the entry-point group.

A distribution adds a format with an entry point in the group ``smalti.formats`` that names a
`smalti.formats.protocol.Format` value. Nothing is imported until a format is asked for.
"""

from __future__ import annotations

import difflib
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from types import MappingProxyType
from typing import TYPE_CHECKING

from smalti.errors import (
    AmbiguousFormatError,
    EmptySourceError,
    OptionError,
    SmaltiError,
    UnknownFormatError,
    listed,
)
from smalti.formats.probe import Probe
from smalti.formats.protocol import Format, Match

if TYPE_CHECKING:
    from smalti.storage.location import Location

GROUP = "smalti.formats"

BUILT_IN = MappingProxyType(
    {
        "cityscapes": "smalti.formats.cityscapes:FORMAT",
        "coco": "smalti.formats.coco:FORMAT",
        "coco_panoptic": "smalti.formats.coco.panoptic:FORMAT",
        "createml": "smalti.formats.createml:FORMAT",
        "cvat": "smalti.formats.cvat:FORMAT",
        "darknet": "smalti.formats.yolo.darknet:FORMAT",
        "datumaro": "smalti.formats.datumaro:FORMAT",
        "dota": "smalti.formats.dota:FORMAT",
        "fiftyone": "smalti.formats.fiftyone:FORMAT",
        "hf_imagefolder": "smalti.formats.hf_imagefolder:FORMAT",
        "imagefolder": "smalti.formats.imagefolder:FORMAT",
        "kitti": "smalti.formats.kitti:FORMAT",
        "kitti_tracking": "smalti.formats.kitti.tracking:FORMAT",
        "label_studio": "smalti.formats.label_studio:FORMAT",
        "labelme": "smalti.formats.labelme:FORMAT",
        "lvis": "smalti.formats.coco.lvis:FORMAT",
        "mask_pairs": "smalti.formats.mask_pairs:FORMAT",
        "mot": "smalti.formats.mot:FORMAT",
        "mots": "smalti.formats.mots:FORMAT",
        "open_images": "smalti.formats.open_images:FORMAT",
        "parquet": "smalti.formats.parquet:FORMAT",
        "pascal_voc": "smalti.formats.pascal_voc:FORMAT",
        "sagemaker": "smalti.formats.sagemaker:FORMAT",
        "spreadsheet": "smalti.formats.spreadsheet:FORMAT",
        "supervisely": "smalti.formats.supervisely:FORMAT",
        "via": "smalti.formats.via:FORMAT",
        "yolo": "smalti.formats.yolo:FORMAT",
    }
)


@cache
def table() -> MappingProxyType[str, str]:
    """Import strings by format name, sorted: the built-in ones, then those of other distributions.

    Raises:
        SmaltiError: Two distributions bring a format of one name, or one shadows a built-in format.
    """
    found = dict(BUILT_IN)
    for point in entry_points(group=GROUP):
        if point.name in found and found[point.name] != point.value:
            raise SmaltiError(
                f"format {point.name!r} is brought by {found[point.name]} and by {point.value};"
                " uninstall one of them"
            )
        found[point.name] = point.value
    return MappingProxyType(dict(sorted(found.items())))


@cache
def get(name: str) -> Format:
    """The format of that name.

    Raises:
        UnknownFormatError: There is none; the message names those there are.
    """
    if name not in table():
        near = difflib.get_close_matches(name, table(), n=1)
        meant = f"; did you mean {near[0]!r}?" if near else ""
        raise UnknownFormatError(f"no format is called {name!r}{meant}; there are {', '.join(table())}")
    module, _, attribute = table()[name].partition(":")
    value = getattr(import_module(module), attribute)
    if not isinstance(value, Format) or value.info.name != name:
        raise SmaltiError(f"format {name!r}: {table()[name]} is no smalti Format of that name")
    return value


def names() -> list[str]:
    """The names of all formats, sorted."""
    return list(table())


def recognise(root: Location) -> tuple[Format, Match]:
    """Find the format of a source from a bounded look at it.

    Raises:
        EmptySourceError: There is nothing at that place.
        UnknownFormatError: No format claims it.
        AmbiguousFormatError: Several claim it equally well.
    """
    if not root.exists():
        raise EmptySourceError(f"{root.url}: nothing is there; check the path")
    probe = Probe(root)
    if not probe.files:
        raise EmptySourceError(f"{root.url}: the folder holds no file")
    claims = [(get(name), match) for name in names() if (match := get(name).sniff(probe))]
    if not claims:
        raise UnknownFormatError(
            f"{root.url}: no format recognises it; tried {', '.join(names())};"
            f" found files like {listed(probe.files, 4)}; name the format yourself"
        )
    best = max(match.grade for _, match in claims)
    top = [(format_, match) for format_, match in claims if match.grade == best]
    if len(top) > 1:
        reasons = "; ".join(f"{format_.info.name} ({match.reason})" for format_, match in top)
        raise AmbiguousFormatError(f"{root.url}: several formats recognise it: {reasons}; name one of them")
    return top[0]


def target_format(name: str | None, target: Location) -> Format:
    """The format to write a target in: the one named, or the one that the target's suffix belongs to.

    Raises:
        OptionError: No name was given and the suffix belongs to none, or to several.
    """
    if name is not None:
        return get(name)
    fits = [get(n) for n in names() if target.suffix and target.suffix in get(n).info.file_suffixes]
    if len(fits) != 1:
        raise OptionError(f"{target.url}: say which format to write; there are {', '.join(names())}")
    return fits[0]
