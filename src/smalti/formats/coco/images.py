"""The samples of a COCO source: its files' ``images``, joined by path within each split."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from msgspec import UNSET, Raw

from smalti.errors import DataError, UnsafePathError
from smalti.formats.coco import lvis_images
from smalti.formats.coco.columns import Ids, column, id_column, pull, whole
from smalti.formats.coco.keys import IMAGE_KEYS
from smalti.formats.report import Loss
from smalti.schema import features
from smalti.storage.paths import is_plain, safe_path, safe_paths, unsafe_paths

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from numpy.typing import NDArray

    from smalti.formats.coco.sections import Section
    from smalti.schema.features import AnyFeature

_PIXELS_MOST = 2**31 - 1
_NO_IDS = Ids(pa.nulls(0, pa.int64()), "int64")


@dataclass(slots=True, kw_only=True)
class ImageFile:
    """The images of one file.

    Attributes:
        url: The file.
        split: Its split.
        prefix: The folder of its images below the media root, with a slash; or empty.
        section: Its ``images``.
        by_url: Their paths are those of their ``coco_url``, as LVIS has it.
        flat: They lie in `prefix` without the folders of their paths.
        unsaid: Keys that only repeat the path.
        ids: Their ids.
        rows: The sample row of each image; -1 for one that was left out.
    """

    url: str
    split: str | None
    prefix: str
    section: Section
    by_url: bool = False
    flat: bool = False
    unsaid: frozenset[str] = frozenset({"file_name"})
    ids: Ids = _NO_IDS
    rows: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))


@dataclass(slots=True, kw_only=True)
class Samples:
    """The rows of the dataset, without their labels.

    Attributes:
        columns: Arrow arrays by column name.
        features: Their features.
        splits: The splits, in the files' order.
        id_has_split: Ids carry their split in front.
        nulls: Source keys whose null stands for an explicit null.
        repairs: What was mended.
        errors: Images that were left out.
    """

    columns: dict[str, pa.Array]
    features: dict[str, AnyFeature]
    splits: tuple[str, ...]
    id_has_split: bool
    nulls: list[str]
    repairs: list[Loss]
    errors: list[DataError]

    def __len__(self) -> int:
        return len(self.columns["id"])


@dataclass(slots=True)
class _Rows:
    """The samples found so far, file by file."""

    by_path: dict[str | None, dict[str, int]] = field(default_factory=dict)
    sections: list[Section] = field(default_factory=list)  # each with its new images alone
    places: list[str] = field(default_factory=list)


def samples(files: Sequence[ImageFile], reserved: Collection[str], *, skip: bool) -> Samples:
    """Join the images of all files to samples; fills in each file's `ids` and `rows`.

    Args:
        files: The files, those of one split together.
        reserved: Names of label fields, which no other column may have.
        skip: Leave out faulty images instead of raising.

    Raises:
        DataError: An image is faulty; `UnsafePathError` where its path leaves the media folder.
    """
    rows = _Rows()
    errors: list[DataError] = []
    repairs: list[Loss] = []
    for file in files:
        names, good, faults = _checked(file, repairs)
        if faults and not skip:
            raise faults[0]
        errors += [*file.section.faults, *faults]
        _enter(file, names, good, rows, repairs)
    shared = _shared(rows.by_path)
    columns, described = _columns(rows, shared, repairs)
    splits = tuple(split for split in rows.by_path if split is not None)
    columns["split"] = _split_column(rows.by_path, splits)
    told = (frozenset(IMAGE_KEYS) - {"file_name"}) | frozenset.intersection(*(file.unsaid for file in files))
    nulls = _extras(rows.sections, told, reserved, columns, described)
    return Samples(
        columns=columns,
        features=described,
        splits=splits,
        id_has_split=shared,
        nulls=nulls,
        repairs=repairs,
        errors=errors,
    )


class _Faults:
    """The faults of one file's images: of each the first."""

    def __init__(self, file: ImageFile) -> None:
        self.file = file
        self.found: dict[int, DataError] = {}

    def add(
        self, row: int, key: str, reason: str, hint: str | None = None, kind: type[DataError] = DataError
    ) -> None:
        """Note the fault of an image."""
        place = f"$.images[{self.file.section.place(row)}].{key}"
        self.found.setdefault(row, kind(reason, file=self.file.url, position=place, hint=hint))


def _checked(file: ImageFile, repairs: list[Loss]) -> tuple[list[str], NDArray[np.int64], list[DataError]]:
    """The clean paths of a file's good images, their positions, and the faults of the others."""
    section = file.section
    file.ids = id_column([section], "id")
    faults = _Faults(file)
    names, plain = _names(file, faults)
    for row in np.flatnonzero(file.ids.array.is_null().to_numpy(zero_copy_only=False)).tolist():
        faults.add(row, "id", "there is none; expected the image's id")
    for key in ("width", "height"):
        bad = whole([section], key, 0, _PIXELS_MOST)[1]
        given = section.pull(key) if bad else []
        for row in bad:
            faults.add(row, key, f"found {given[row]}; expected a number of pixels")
    for key in (lvis_images.NEGATIVE, lvis_images.PARTIAL) if file.by_url else ():
        for row in lvis_images.bad_lists(section, key):
            faults.add(row, key, "this is no list of category ids")
    for row, value in _repeated(file.ids.array.to_pylist()) if _repeats(file.ids.array) else ():
        faults.add(row, "id", f"the id {value!r} is used twice; expected each image's id once")
    good = np.delete(np.arange(len(names)), list(faults.found))
    clean = names if not faults.found else [names[row] for row in good.tolist()]
    if not plain:
        clean = _clean(clean, repairs)
    if len(set(clean)) < len(clean):
        for at, name in _repeated(clean):
            reason = f"the path {name!r} is used twice; expected each image once"
            faults.add(int(good[at]), "file_name", reason)
        keep = [at for at, row in enumerate(good.tolist()) if row not in faults.found]
        good, clean = good[keep], [clean[at] for at in keep]
    return clean, good, [faults.found[row] for row in sorted(faults.found)]


def _names(file: ImageFile, faults: _Faults) -> tuple[list[str], bool]:
    """The images' paths as they stand there, and whether all are in plain form; missing and unsafe ones are noted."""
    if file.by_url:
        names, file.unsaid = lvis_images.paths(file.section, file.split)
    else:
        names = pull([file.section], "file_name")
    if UNSET in names:
        hint = None if file.by_url else "LVIS names its images by coco_url: read it as format 'lvis'"
        for row in (row for row, name in enumerate(names) if name is UNSET):
            faults.add(row, "file_name", "there is none; expected the image's path", hint)
        names = ["?" if name is UNSET else name for name in names]
    plain = is_plain(names)
    for row in () if plain else unsafe_paths(names):
        refusal = _refusal(names[row])
        faults.add(row, "file_name", refusal.reason, refusal.hint, UnsafePathError)
    return names, plain


def _clean(given: list[str], repairs: list[Loss]) -> list[str]:
    """The paths in their plain form; a change is noted."""
    clean = safe_paths(given)
    changed = [] if clean == given else [a for a, b in zip(given, clean, strict=True) if a != b]
    if changed:
        repairs.append(
            Loss(
                code="path.normalised",
                field="image",
                kind="change",
                reason="file_name has back slashes, ./ or the like; the path is kept in its plain form",
                count=len(changed),
                example=changed[0],
            )
        )
    return clean


def _refusal(path: str) -> UnsafePathError:
    try:
        safe_path(path)
    except UnsafePathError as error:
        return error
    return UnsafePathError(f"the path {path!r} is unsafe")


def _repeats(array: pa.Array) -> bool:
    return len(pc.unique(array)) < len(array)


def _repeated(values: Sequence[Any]) -> list[tuple[int, Any]]:
    """Positions and values of what stood before already; null is nothing."""
    seen: set[Any] = set()
    found = []
    for position, value in enumerate(values):
        if value in seen:
            found.append((position, value))
        elif value is not None:
            seen.add(value)
    return found


def _enter(
    file: ImageFile, names: list[str], good: NDArray[np.int64], rows: _Rows, repairs: list[Loss]
) -> None:
    """Give every good image its row; those of a path that the split has already share its row."""
    known = rows.by_path.setdefault(file.split, {})
    start, section = len(rows.places), file.section
    file.rows = np.full(section.size, -1, np.int64)
    if not known and len(good) == section.size:  # most files: the first of its split, without a fault
        fresh = names
        file.rows[:] = np.arange(start, start + len(names))
        new = section
    else:
        some = [at for at, name in enumerate(names) if name not in known]
        fresh, new = [names[at] for at in some], section.take(good[some])
    known.update(zip(fresh, range(start, start + len(fresh)), strict=True))
    if len(fresh) < len(names):
        file.rows[good] = np.fromiter((known[name] for name in names), np.int64, len(names))
        repairs += _differences(file, np.flatnonzero((file.rows >= 0) & (file.rows < start)), rows)
    elif new is not section:
        file.rows[good] = np.arange(start, start + len(fresh))
    rows.sections.append(new)
    places = [name.rpartition("/")[2] for name in fresh] if file.flat else fresh
    rows.places += [file.prefix + place for place in places] if file.prefix else places


def _differences(file: ImageFile, again: NDArray[np.int64], rows: _Rows) -> list[Loss]:
    """Keys in which a file describes images, at some positions, otherwise than an earlier file of the split."""
    losses = []
    first = file.rows[again].tolist()
    for key in file.section.values:
        mine, theirs = file.section.pull(key), pull(rows.sections, key)
        pairs = [
            (_plain(mine[at]), _plain(theirs[row])) for at, row in zip(again.tolist(), first, strict=True)
        ]
        count = sum(a != b for a, b in pairs)
        if not count:
            continue
        losses.append(
            Loss(
                code="image.differs",
                field=key,
                kind="change",
                reason="files of one split describe an image differently; the first description is kept",
                count=count,
                example=f"{file.url}: {key}",
            )
        )
    return losses


def _plain(value: Any) -> Any:
    return bytes(value) if isinstance(value, Raw) else value


def _shared(by_path: dict[str | None, dict[str, int]]) -> bool:
    """Whether two splits have a path in common."""
    if len(by_path) < 2:
        return False
    return len(set().union(*by_path.values())) < sum(map(len, by_path.values()))


def _columns(
    rows: _Rows, shared: bool, repairs: list[Loss]
) -> tuple[dict[str, pa.Array], dict[str, AnyFeature]]:
    names = [
        f"{split}/{name}" if shared and split else name
        for split, known in rows.by_path.items()
        for name in known
    ]
    order = np.fromiter(
        (row for known in rows.by_path.values() for row in known.values()), np.int64, len(names)
    )
    if not (np.diff(order) == 1).all():  # a later file added images to an earlier split
        names = [names[at] for at in np.argsort(order).tolist()]
    sizes = {key: _size(rows, key, repairs) for key in ("width", "height")}
    image = pa.StructArray.from_arrays(
        [pa.array(rows.places, pa.string()), sizes["width"], sizes["height"]],
        fields=list(features.Image().arrow),
    )
    found = id_column(rows.sections, "id")
    columns = {"id": pa.array(names, pa.string()), "image": image, "split": None, "image_id": found.array}
    number: AnyFeature = (
        features.Json(source="id")
        if found.type == "json"
        else features.Value(type=found.array.type, source="id")
    )
    described: dict[str, AnyFeature] = {
        "id": features.Value(type=pa.string()),
        "image": features.Image(),
        "split": features.Split(),
        "image_id": number,
    }
    return columns, described


def _size(rows: _Rows, key: str, repairs: list[Loss]) -> pa.Array:
    pixels, _ = whole(rows.sections, key, 0, _PIXELS_MOST)
    unknown = pc.equal(pixels, 0)
    if count := pc.sum(unknown).as_py():
        repairs.append(
            Loss(
                code="size.zero",
                field="image",
                kind="change",
                reason="a width or height of 0 stands for an unknown one, and is null here",
                count=count,
            )
        )
        pixels = pc.if_else(unknown, pa.scalar(None, pa.int64()), pixels)
    return pixels.cast(pa.int32())


def _split_column(by_path: dict[str | None, dict[str, int]], splits: tuple[str, ...]) -> pa.Array:
    total = sum(map(len, by_path.values()))
    codes = np.full(total, -1, np.int32)
    for split, known in by_path.items():
        if split is not None:
            codes[np.fromiter(known.values(), np.int64, len(known))] = splits.index(split)
    return pa.DictionaryArray.from_arrays(pa.array(codes, mask=codes < 0), pa.array(splits, pa.string()))


def _extras(
    sections: list[Section],
    told: Collection[str],
    reserved: Collection[str],
    columns: dict[str, pa.Array],
    described: dict[str, AnyFeature],
) -> list[str]:
    """Add a column for every further key; gives the keys whose null is an explicit one."""
    nulls = []
    for key in dict.fromkeys(key for section in sections for key in section.values):
        if key in told:
            continue
        name = f"coco_{key}" if key in columns or key in reserved else key
        found = column(sections, key, source=None if name == key else key)
        columns[name], described[name] = found.array, found.feature
        if found.nulls:
            nulls.append(key)
    return nulls
