"""Everything of a COCO source but its geometry: files found, decoded, joined to samples and label fields."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from smalti.errors import DataError, EmptySourceError
from smalti.formats.coco import classes
from smalti.formats.coco.decode import Decoded, decode_file, forget, quiet
from smalti.formats.coco.faults import malformed
from smalti.formats.coco.fields import File, field_name, fields_of
from smalti.formats.coco.images import ImageFile, Samples, samples
from smalti.formats.coco.layout import Source, dataset_root, is_there, media_folder, sources
from smalti.formats.coco.lvis_images import paths
from smalti.formats.coco.recognise import Content
from smalti.formats.coco.shapes import uncompressed
from smalti.formats.report import Loss, merged
from smalti.schema import features
from smalti.schema.schema import Schema
from smalti.storage.location import Location

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from smalti.formats.coco.labels import Labels
    from smalti.formats.coco.options import FamilyOptions, SourceOptions
    from smalti.schema.features import AnyFeature

RESERVED = ("objects", "captions", "stuff")
PROBED = 4  # images of a file that are looked for in the media folders


@dataclass(slots=True, kw_only=True)
class Loaded:
    """A source without its geometry.

    Attributes:
        schema: Of the batches.
        samples: The rows.
        fields: The label fields, by name.
        repairs: What was mended.
        errors: What was left out.
        objects_skipped: Objects that were left out.
        samples_skipped: Images that were left out.
    """

    schema: Schema
    samples: Samples
    fields: dict[str, Labels]
    repairs: list[Loss]
    errors: list[DataError]
    objects_skipped: int
    samples_skipped: int


def load(root: Location, media: Location | None, options: FamilyOptions, *, skip: bool) -> Loaded:
    """Read the skeletons of all files of a source.

    Args:
        root: A JSON file, or a folder with several.
        media: The media root; null: the dataset's folder.
        options: The format's options.
        skip: Leave out faulty images and annotations instead of raising.

    Raises:
        EmptySourceError: Nothing was found.
        DataError: A file is faulty at one place.
    """
    with decoding() as seen:
        return _loaded(root, media, options, seen, skip=skip)


@contextmanager
def decoding() -> Iterator[list[Decoded]]:
    """Takes the files that are decoded, of which one may have a text that cannot be read: it is named.

    The first pass over a file skips unknown values without looking into their text.
    """
    seen: list[Decoded] = []
    try:
        with quiet():
            yield seen
    except (UnicodeDecodeError, msgspec.DecodeError) as error:
        raise malformed(seen, str(error)) from error


def _loaded(
    root: Location, media: Location | None, options: FamilyOptions, seen: list[Decoded], *, skip: bool
) -> Loaded:
    found, lost = decoded_files(root, options, seen, _not_panoptic, skip=skip)
    ground = [file for file in found if not file.decoded.is_results]
    results = [file for file in found if file.decoded.is_results]
    if not ground:
        raise DataError(
            "this is a flat array of detections; expected images, annotations and categories",
            file=results[0].decoded.url,
            hint="read the ground truth, and pass this file as results=",
        )
    results += [
        File(Source("", "", None, results=name), decode_file(place, results=True, skip=skip), ())
        for name, place in _given_results(root, options)
    ]
    place = media or dataset_root(root)
    for file in ground:
        file.images = image_file(file, root, place, options)
    names = {file.source.results or "" for file in results}
    reserved = {*RESERVED, *names, *(field_name(file, ground) for file in ground)} - {""}
    rows = samples([file.images for file in ground if file.images], reserved, skip=skip)
    fields = fields_of(ground, results, len(rows), skip=skip)
    if not skip:
        for fault in (fault for field in fields.values() for file in field.files for fault in file.faults):
            raise fault
    loaded = _finished(rows, fields, ground, place)
    loaded.errors[:0] = lost
    for file in found + results:
        forget(file.decoded)
        if file.labels is not None:
            file.labels.forget()
    return loaded


def decoded_files(
    root: Location,
    options: SourceOptions,
    seen: list[Decoded],
    check: Callable[[Decoded], None],
    *,
    skip: bool,
) -> tuple[list[File], list[DataError]]:
    """The files, and the errors of those that cannot be read where there are others to go on with.

    Args:
        root: The source.
        options: Its format's options.
        seen: Takes what was decoded.
        check: Raises where a file is one of another format.
        skip: Go on without the files that are at fault.
    """
    files: list[File] = []
    errors: list[DataError] = []
    for source in sources(root, options):
        place = root / source.path if source.path else root
        try:
            decoded = decode_file(place, results=source.results is not None, skip=skip)
            seen.append(decoded)
            if decoded.images is None and not decoded.is_results:
                keys = ", ".join(sorted(decoded.top)) or "nothing else"
                raise EmptySourceError(
                    f"{place.url}: looked for the key 'images' at the top of the file, and found {keys};"
                    " expected images, annotations and categories"
                )
            check(decoded)
            raw = decoded.top.get("categories")
            files.append(File(source, decoded, classes.parse(raw, place.url) if raw is not None else ()))
        except DataError as error:
            if not skip:
                raise
            errors.append(error)
    if errors and not any(not file.decoded.is_results for file in files):
        raise errors[0]
    return files, errors


def _not_panoptic(decoded: Decoded) -> None:
    if decoded.annotations is not None and "segments_info" in decoded.annotations.values:
        raise DataError(
            "this is COCO panoptic, whose annotations are label images; expected boxes, polygons or captions",
            file=decoded.url,
        )


def _given_results(root: Location, options: FamilyOptions) -> list[tuple[str, Location]]:
    """The results files that were asked for, with the names of their fields."""
    match options.results:
        case None:
            given: dict[str, str] = {}
        case str() as path:
            given = {options.results_field: path}
        case tuple() as paths:
            given = {f"{options.results_field}{f'_{n}' if n > 1 else ''}": p for n, p in enumerate(paths, 1)}
        case named:
            given = dict(named)
    folder = root.parent if root.isfile() else root
    return [(name, _place(folder, path)) for name, path in given.items()]


def _place(folder: Location, path: str) -> Location:
    """A path that the user gave: as it is, or beside the source."""
    place = Location.parse(path)
    if not place.exists() and "://" not in path and not path.startswith("/"):
        beside = Location.parse(f"{folder.url}/{path}")
        place = beside if beside.exists() else place
    if not place.exists():
        raise EmptySourceError(f"{place.url}: there is no such results file")
    return place


def image_file(file: File, root: Location, media: Location, options: SourceOptions) -> ImageFile:
    """The images of a file, and where they lie."""
    section = file.decoded.images
    if section is None:
        raise EmptySourceError(f"{file.decoded.url}: there are no images")
    by_url = options.takes[0] is Content.LVIS
    probed = section.take(np.arange(0, section.size, max(1, section.size // PROBED))[:PROBED])
    given = paths(probed, file.source.split)[0] if by_url else probed.pull("file_name")
    some = [name for name in given if isinstance(name, str)]
    prefix, flat = media_folder(file.source, root, media, some), False
    if by_url and not is_there(media, prefix, some):
        base = [name.rpartition("/")[2] for name in some]
        folder = media_folder(file.source, root, media, base)
        flat = is_there(media, folder, base)
        prefix = folder if flat else ""
    return ImageFile(
        url=file.decoded.url,
        split=file.source.split,
        prefix=prefix,
        section=section,
        by_url=by_url,
        flat=flat,
    )


def _finished(rows: Samples, fields: dict[str, Labels], ground: list[File], media: Location) -> Loaded:
    columns: dict[str, AnyFeature] = {
        **{name: rows.features[name] for name in ("id", "image", "split")},
        **{name: field.feature for name, field in fields.items()},
        **{name: feature for name, feature in rows.features.items() if name not in {"id", "image", "split"}},
    }
    schema = Schema(
        columns=columns,
        splits=rows.splits,
        media_root=media.url,
        id_has_split=rows.id_has_split,
        extra={"coco": _extra(rows, fields, ground)},
    )
    held = {id(file): file for field in fields.values() for file in field.files}
    faults = [fault for file in held.values() for fault in file.faults]
    left_out = sum(
        int(np.count_nonzero(f.bad)) + len(f.section.faults if f.section else ()) for f in held.values()
    )
    return Loaded(
        schema=schema,
        samples=rows,
        fields=fields,
        repairs=merged([*rows.repairs, *(loss for field in fields.values() for loss in field.repairs)]),
        errors=[*rows.errors, *faults],
        objects_skipped=left_out,
        samples_skipped=len(rows.errors),
    )


def _extra(rows: Samples, fields: dict[str, Labels], ground: list[File]) -> dict[str, Any]:
    """What the writer needs to give back what no column holds."""
    heads: dict[str, dict[str, Any]] = {}
    urls = {file.url: name for name, field in fields.items() for file in field.files}
    for file in ground:
        name = urls.get(file.decoded.url, "image_info")
        head = {key: msgspec.json.decode(raw) for key, raw in file.decoded.top.items() if key != "categories"}
        feature = fields[name].feature if name in fields else None
        if isinstance(feature, features.Objects):
            own = [category.id for category in file.categories]
            if own != [category.id for category in feature.categories]:
                head["category_ids"] = own
        elif "categories" in file.decoded.top:
            head["categories"] = msgspec.json.decode(file.decoded.top["categories"])
        heads.setdefault(name, {}).setdefault(file.source.split or "", head)
    extra: dict[str, Any] = {"heads": heads}
    nulls = {name: field.nulls for name, field in fields.items() if field.nulls}
    if rows.nulls:
        nulls["images"] = rows.nulls
    if nulls:
        extra["nulls"] = nulls
    results = [name for name, field in fields.items() if field.files and field.files[0].place == "$"]
    if results:
        extra["results"] = results
    forms = {name: form for name, field in fields.items() if (form := uncompressed(field))}
    if forms:
        extra["uncompressed"] = forms
    if zero_based := [name for name, field in fields.items() if field.zero_based]:
        extra["zero_based"] = zero_based
    return extra
