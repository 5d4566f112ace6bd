"""The JSON files of a COCO export: where they go, and how they are put together from their parts."""

from __future__ import annotations

import json
from dataclasses import dataclass
from types import MappingProxyType
from typing import IO, TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from smalti.errors import DataError, UnsafePathError, listed
from smalti.formats.coco.layout import FIFTYONE, ROBOFLOW
from smalti.formats.part_files import append, piece_name
from smalti.storage.paths import safe_path, unsafe_paths

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from smalti.schema.schema import Schema
    from smalti.storage.folder import Target

_STEMS = MappingProxyType({"objects": "instances"})
_SEPARATOR = 1  # the comma in front of every text; the first of a list goes without


@dataclass(frozen=True, slots=True)
class FileKey:
    """One file of an export: a label field (or `IMAGE_INFO`) of one split."""

    field: str
    split: str | None


@dataclass(slots=True, kw_only=True)
class Piece:
    """What one part gave to one file.

    Attributes:
        images: Images written.
        annotations: Annotations written; null where the file has none at all.
        image_ids: Their ids, as an array of numbers or texts.
        ids: The annotations' ids, likewise; null where they have none.
        nameless: Annotations whose id is null.
    """

    images: int = 0
    annotations: int | None = None
    image_ids: Any = None
    ids: Any = None
    nameless: int = 0


def file_name(key: FileKey, layout: str, stems: Mapping[str, str] = _STEMS) -> str:
    """The path of a file in the target; `stems` names the files of fields."""
    if layout == "fiftyone":
        return FIFTYONE
    if layout == "roboflow":
        return f"{key.split}/{ROBOFLOW}" if key.split else ROBOFLOW
    stem = stems.get(key.field, key.field)
    return f"annotations/{stem}_{key.split}.json" if key.split else f"annotations/{stem}.json"


def image_folder(split: str | None, layout: str) -> str:
    """The folder of a split's images in the target, with its slash."""
    if layout == "fiftyone":
        return "data/"
    if layout == "roboflow":
        return f"{split}/" if split else ""
    return f"images/{split}/" if split else "images/"


def part_name(key: FileKey, index: int, section: str) -> str:
    """The path of one part's texts, until the file is put together."""
    return piece_name(f"{key.field}/{key.split or ''}/{section}", index)


def check_ids(key: FileKey, pieces: Sequence[Piece], name: str) -> None:
    """Refuse ids that are missing or used twice.

    Raises:
        DataError: It says what to do.
    """
    hint = "write with ids='renumber'"
    if missing := sum(piece.nameless for piece in pieces):
        raise DataError(
            f"{missing} objects of {key.field!r} have no id; expected one each", file=name, hint=hint
        )
    for what, found in (
        ("image", [piece.image_ids for piece in pieces if piece.image_ids is not None]),
        ("annotation", [piece.ids for piece in pieces if piece.ids is not None]),
    ):
        if not found:
            continue
        values, counts = np.unique(np.concatenate(found), return_counts=True)
        if len(again := values[counts > 1]):
            raise DataError(
                f"{what} ids are used twice: {listed(again[:100].tolist())}; expected each id once in a file",
                file=name,
                hint=hint,
            )


def assemble(
    target: Target,
    key: FileKey,
    name: str,
    head: dict[str, Any],
    pieces: Sequence[tuple[int, Piece]],
    categories: list[dict[str, Any]] | None,
) -> None:
    """Put a file together: the head, the parts' images and annotations, the categories."""
    with target.open(name) as file:
        file.write(b"{")
        for name_, value in head.items():
            file.write(f"{json.dumps(name_)}:{json.dumps(value)},\n".encode())
        file.write(b'"images":[')
        _copy(target, file, [part_name(key, index, "images") for index, part in pieces if part.images])
        file.write(b"\n]")
        if any(part.annotations is not None for _, part in pieces):
            file.write(b',\n"annotations":[')
            _copy(
                target,
                file,
                [part_name(key, index, "annotations") for index, part in pieces if part.annotations],
            )
            file.write(b"\n]")
        if categories is not None:
            file.write(b',\n"categories":[')
            file.write(",".join(f"\n{json.dumps(row)}" for row in categories).encode())
            file.write(b"\n]")
        file.write(b"}\n")


def assemble_results(target: Target, key: FileKey, name: str, pieces: Sequence[tuple[int, Piece]]) -> None:
    """Put a flat array of detections together."""
    with target.open(name) as file:
        file.write(b"[")
        _copy(
            target,
            file,
            [part_name(key, index, "annotations") for index, part in pieces if part.annotations],
        )
        file.write(b"\n]\n")


def _copy(target: Target, file: IO[bytes], names: Sequence[str]) -> None:
    """Append texts; the first goes without its comma."""
    append(target, file, names, skip=_SEPARATOR)


def own_paths(batch: pa.RecordBatch, schema: Schema, *, splits: bool) -> tuple[list[str], list[str | None]]:
    """Each sample's path below its split's folder, and its split; one file for all knows no splits."""
    names = batch.column("id").to_pylist()
    words: list[str | None] = [None] * len(names)
    if not splits:
        return names, words
    if "split" in batch.schema.names:
        words = batch.column("split").cast(pa.string()).to_pylist()
    if schema.id_has_split:
        names = [
            name.removeprefix(f"{split}/") if split else name
            for name, split in zip(names, words, strict=True)
        ]
    return names, words


def refused(names: list[str], ids: list[str]) -> dict[int, DataError]:
    """The errors of paths that leave the target."""
    found: dict[int, DataError] = {}
    for row in unsafe_paths(names):
        reason, hint = f"the path {names[row]!r} is unsafe", None
        try:
            safe_path(names[row])
        except UnsafePathError as error:
            reason, hint = error.reason, error.hint
        found[row] = UnsafePathError(reason, sample=ids[row], hint=hint)
    return found
