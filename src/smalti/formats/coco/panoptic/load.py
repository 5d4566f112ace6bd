"""Everything of a panoptic source but its segments and pixels: files, images, and the annotation of each."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
from msgspec import UNSET, Raw

from smalti.errors import DataError, listed
from smalti.formats import label_images
from smalti.formats.coco import classes
from smalti.formats.coco.columns import Ids, column, id_column, ids, lookup, pull
from smalti.formats.coco.images import ImageFile, Samples, samples
from smalti.formats.coco.layout import dataset_root
from smalti.formats.coco.load import decoded_files, decoding, image_file
from smalti.formats.coco.panoptic.folders import Folder, find_folder
from smalti.formats.coco.panoptic.segments import Lists
from smalti.schema.categories import Categories, Category
from smalti.storage.paths import unsafe_paths

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa
    from numpy.typing import NDArray

    from smalti.formats.coco.decode import Decoded
    from smalti.formats.coco.fields import File
    from smalti.formats.coco.panoptic.options import PanopticOptions
    from smalti.formats.report import Loss
    from smalti.schema.features import AnyFeature
    from smalti.storage.location import Location

OWN = {"image_id", "file_name", "segments_info"}  # keys of an annotation that columns of their own have
COLUMN = "panoptic"


@dataclass(slots=True)
class Notes:
    """The annotations of all files; n of them.

    Attributes:
        raws: The text of ``segments_info`` of each.
        names: Its PNG, below the folder of its file.
        file: int64, its file.
        index: Its place in the file's array.
        faults: What is wrong with some.
        more: Further keys, as columns, by the names of columns.
    """

    raws: list[Raw] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    file: list[int] = field(default_factory=list)
    index: list[int] = field(default_factory=list)
    faults: dict[int, DataError] = field(default_factory=dict)
    more: dict[str, tuple[pa.Array, AnyFeature]] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class Loaded:
    """A source without segments and pixels.

    Attributes:
        samples: The rows.
        notes: The annotations.
        of_sample: int64 ``(samples,)``, the annotation of each; -1: nobody has annotated it.
        lists: Knows the keys of segments.
        categories: The class table.
        ids: Its ids.
        urls: The files.
        folders: Where the PNGs of each file are.
        heads: What stands at the top of each file, by split.
        media: The media root.
        repairs: What was mended.
        errors: What was left out with no sample of its own.
    """

    samples: Samples
    notes: Notes
    of_sample: NDArray[np.int64]
    lists: Lists
    categories: Categories
    ids: Ids
    urls: list[str]
    folders: list[Folder]
    heads: dict[str, dict[str, Any]]
    media: Location
    repairs: list[Loss]
    errors: list[DataError]


def load(root: Location, media: Location | None, options: PanopticOptions, *, skip: bool) -> Loaded:
    """Read the JSON files of a source.

    Raises:
        EmptySourceError: Nothing was found.
        DataError: A file is faulty at one place.
    """
    with decoding() as seen:
        return _loaded(root, media, options, seen, skip=skip)


def _loaded(
    root: Location, media: Location | None, options: PanopticOptions, seen: list[Decoded], *, skip: bool
) -> Loaded:
    place = media or dataset_root(root)
    files, errors = decoded_files(root, options, seen, _panoptic, skip=skip)
    table, repairs = classes.united((file.decoded.url, file.categories) for file in files)
    images = [image_file(file, root, place, options) for file in files]
    rows = samples(images, (COLUMN, "objects"), skip=skip)
    notes = Notes()
    of_sample = np.full(len(rows), -1, np.int64)
    for number, (file, image) in enumerate(zip(files, images, strict=True)):
        errors += _take(notes, number, file, image, of_sample, skip=skip)
    _take_more(notes, files, rows)
    lists = Lists()
    lists.learn(notes.raws)
    folders = [
        find_folder(root, file.source, place, media is None, _of_file(notes, number), options)
        for number, file in enumerate(files)
    ]
    return Loaded(
        samples=rows,
        notes=notes,
        of_sample=of_sample,
        lists=lists,
        categories=Categories(tuple(map(_coloured, classes.rebased(table, -classes.skeleton_base(table))))),
        ids=ids([category.id for category in table]),
        urls=[file.decoded.url for file in files],
        folders=folders,
        heads={file.source.split or "": _head(file) for file in files},
        media=place,
        repairs=[*rows.repairs, *repairs],
        errors=[*rows.errors, *errors],
    )


def _panoptic(decoded: Decoded) -> None:
    section = decoded.annotations
    if section is not None and section.size and "segments_info" not in section.values:
        raise DataError(
            "the annotations have no segments_info; expected COCO panoptic",
            file=decoded.url,
            position="$.annotations",
            hint="read it as format 'coco'",
        )


def _head(file: File) -> dict[str, Any]:
    """What stands at the top of a file beside images, annotations and categories."""
    return {key: msgspec.json.decode(raw) for key, raw in file.decoded.top.items() if key != "categories"}


def _coloured(category: Category) -> Category:
    """The category with its colour, which panoptic JSON has as three numbers, as ``#rrggbb``."""
    given: Any = category.attributes.get("color")
    sound = (
        isinstance(given, list) and len(given) == 3 and all(type(c) is int and 0 <= c <= 255 for c in given)
    )
    if not sound:
        return category
    rest = {key: value for key, value in category.attributes.items() if key != "color"}
    return category.model_copy(update={"color": label_images.as_hex(given), "attributes": rest})


def _take(
    notes: Notes, number: int, file: File, image: ImageFile, of_sample: NDArray[np.int64], *, skip: bool
) -> list[DataError]:
    """Take the annotations of one file; gives the errors of those that are of no image."""
    section = file.decoded.annotations
    if section is None:
        return []
    first, count = len(notes.raws), section.size
    notes.raws += [raw if isinstance(raw, Raw) else Raw(b"null") for raw in pull([section], "segments_info")]
    names = [_text(value) for value in pull([section], "file_name")]
    notes.names += [name or "" for name in names]
    notes.file += [number] * count
    notes.index += section.places().tolist()
    wanted = id_column([section], "image_id")
    found = lookup(wanted, image.ids)
    errors = [*section.faults]
    unsafe = set(unsafe_paths([name or "?" for name in names]))
    for row in range(count):
        position = f"$.annotations[{section.place(row)}]"
        if found[row] < 0:
            reason = f"found {wanted.array[row].as_py()}; expected the id of an image of this file: "
            reason += listed(image.ids.array.to_pylist())
            errors.append(DataError(reason, file=file.decoded.url, position=f"{position}.image_id"))
            continue
        sample = int(image.rows[found[row]])
        if sample < 0:
            continue  # the image was left out
        if names[row] is None or row in unsafe:
            reason = f"found {names[row]!r}; expected the path of the image's PNG"
            fault = DataError(reason, file=file.decoded.url, position=f"{position}.file_name")
            notes.faults[first + row] = fault
        if of_sample[sample] >= 0:
            reason = "the image has two annotations; expected one with all of its segments"
            notes.faults[int(of_sample[sample])] = DataError(reason, file=file.decoded.url, position=position)
            continue
        of_sample[sample] = first + row
    if not skip and (errors or notes.faults):
        raise errors[0] if errors else next(iter(notes.faults.values()))
    return errors


def _text(value: Any) -> str | None:
    if not isinstance(value, Raw):
        return value if isinstance(value, str) else None
    try:
        return str(msgspec.json.decode(value, type=str))
    except msgspec.ValidationError:
        return None


def _take_more(notes: Notes, files: Sequence[File], rows: Samples) -> None:
    """The further keys of annotations as columns."""
    sections = [file.decoded.annotations for file in files if file.decoded.annotations is not None]
    for key in dict.fromkeys(key for section in sections for key in section.values if key not in OWN):
        if all(value is UNSET for value in pull(sections, key)):
            continue
        name = f"{COLUMN}_{key}"
        while name in rows.columns:
            name += "_"
        made = column(sections, key, source=key)
        notes.more[name] = (made.array, made.feature)


def _of_file(notes: Notes, number: int) -> list[str]:
    return [name for name, file in zip(notes.names, notes.file, strict=True) if file == number and name]
