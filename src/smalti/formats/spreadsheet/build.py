"""Parsed sheets as one dataset: rows of one image come together, classes and types become a schema."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from smalti.schema import features
from smalti.schema.build import list_column
from smalti.schema.categories import Categories
from smalti.schema.schema import Schema
from smalti.schema.types import WORDS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from smalti.formats.spreadsheet.layout import Parsed

_WHOLE: Final = r"^-?\d{1,18}$"


@dataclass(frozen=True, slots=True)
class Labels:
    """The classes of samples.

    Attributes:
        words: A list of texts a sample; null where nobody has said.
        scores: float64, one a label; null where there are none.
        multi: Whether some have several, or none.
    """

    words: pa.Array
    scores: pa.Array | None
    multi: bool


class Rows:
    """The rows of all sheets, one after the other, and the samples that they make.

    Args:
        parsed: What the sheets hold.
        splits: The split of each sheet that has no column of splits; null where none is known.

    Attributes:
        code: int64 ``(r,)``, the sample of each row.
        first: int64 ``(n,)``, the first row of each sample.
        doubled: Some path stands in two splits.
        torn: Rows that say something else of their image than its first row does, by column.
    """

    def __init__(self, parsed: Sequence[Parsed], splits: Sequence[str | None]) -> None:
        self.parsed = parsed
        whole = len(parsed) == 1 and len(parsed[0].rows) == len(parsed[0].sheet)
        images = [one.image if whole else one.image.cast(pa.string()) for one in parsed]
        self.image = images[0] if whole else pa.concat_arrays(images)
        known = [
            pa.array([split] * len(one.rows), pa.string()) if one.split is None else one.split
            for one, split in zip(parsed, splits, strict=True)
        ]
        self.split = pa.concat_arrays(known)
        self.doubled = False
        self.torn: dict[str, list[int]] = {}
        keys = self.image if whole else self.image.dictionary_encode()
        if self.split.null_count < len(self.split):
            both = pc.binary_join_element_wise(self.split.fill_null(""), self.image.cast(pa.string()), "/")
            joined = both.dictionary_encode()
            self.doubled = len(joined.dictionary) > len(keys.dictionary)
            keys = joined
        self.code = keys.indices.to_numpy().astype(np.int64)
        self.count = len(keys.dictionary)
        self.first = np.empty(self.count, np.int64)
        self.first[self.code[::-1]] = np.arange(len(self.code))[::-1]  # the last written is the first row
        self.starts = np.cumsum([0, *(len(one.rows) for one in parsed)])

    def samples(self) -> dict[str, pa.Array]:
        """Columns id, image and split."""
        first = pa.array(self.first)
        paths, split = self.image.take(first).cast(pa.string()), self.split.take(first)
        size = self._sizes()
        sides = [pa.array(size[:, axis], from_pandas=True).cast(pa.int32()) for axis in range(2)]
        prefixed = pc.binary_join_element_wise(split, paths, "/") if self.doubled else paths
        found: dict[str, pa.Array] = {
            "id": pc.coalesce(prefixed, paths),
            "image": pa.StructArray.from_arrays([paths, *sides], fields=list(features.Image().arrow)),
        }
        if split.null_count < len(split):
            found["split"] = split.dictionary_encode().cast(WORDS)
        return found

    def _sizes(self) -> NDArray[np.float64]:
        """Width and height of each sample: those of its first row that states them."""
        size = np.concatenate([one.size for one in self.parsed])
        return np.stack([size[:, axis][self._said("size", size[:, axis])] for axis in range(2)], axis=1)

    def columns(self, without: str | None) -> dict[str, pa.Array]:
        """What is known of images beyond their classes: the columns of sheets whose rows are images.

        Args:
            without: A column that has another place.
        """
        told = [one for one in self.parsed if one.mapping.rows == "images"]
        names = dict.fromkeys(name for one in told for name in one.attributes if name != without)
        found: dict[str, pa.Array] = {}
        for name in names:
            values = self._of_images(name)
            rows = self._said(name, values.dictionary_encode().indices.to_numpy(zero_copy_only=False))
            found[name] = values.take(pa.array(rows))
        return found

    def _of_images(self, name: str) -> pa.Array:
        """A column of the sheets whose rows are images, one value a row of all sheets."""
        is_told = [one.mapping.rows == "images" for one in self.parsed]
        return _joined(
            [
                (one.attributes.get(name) if told else None, len(one.rows))
                for one, told in zip(self.parsed, is_told, strict=True)
            ]
        )

    def _said(self, name: str, values: NDArray[Any]) -> NDArray[np.int64]:
        """The row that speaks for each sample: its first that says something; rows that say something else are counted.

        Args:
            name: What the values are of.
            values: ``(r,)``, NaN where a row says nothing.
        """
        rows = self.first.copy()
        values = values.astype(np.float64)
        if self.count == len(self.code):
            return rows
        said = np.flatnonzero(np.isfinite(values))
        rows[self.code[said[::-1]]] = said[::-1]
        other = said[values[said] != values[rows[self.code[said]]]]
        if len(other):
            self.torn.setdefault(name, []).extend(other.tolist())
        return rows

    def labels(self) -> Labels | None:
        """The classes of each sample; null where the sheets say nothing of them."""
        lists = [(one.labels, len(one.rows)) for one in self.parsed]
        if all(one is None for one, _ in lists):
            return None
        rows = _joined(lists)
        parent = self.code[pc.list_parent_indices(rows).to_numpy()]
        order = np.argsort(parent, kind="stable")
        words = rows.flatten().take(pa.array(order))
        lengths = np.bincount(parent, minlength=self.count)
        said = np.zeros(self.count, bool)
        said[self.code[rows.is_valid().to_numpy(zero_copy_only=False)]] = True
        listed = any(one.mapping.separator or one.mapping.one_hot for one in self.parsed)
        multi = listed or bool((lengths[said] != 1).any())
        scores = self._scores() if multi else None
        flat = None if scores is None else scores.take(pc.list_parent_indices(rows).take(pa.array(order)))
        return Labels(list_column(words, lengths, ~said), flat, multi=multi)

    def _scores(self) -> pa.Array | None:
        """How sure each row's labels are, where that is a column of numbers."""
        name = self.score_name
        values = None if name is None else self._of_images(name)
        is_number = values is not None and (
            pa.types.is_floating(values.type) or pa.types.is_integer(values.type)
        )
        return values.cast(pa.float64()) if values is not None and is_number else None

    @property
    def score_name(self) -> str | None:
        """The name of the column of scores of sheets whose rows are images."""
        return next((one.score for one in self.parsed if one.score is not None), None)

    def place(self, row: int) -> str:
        """Where a row stands: ``sheet "train", row 7``."""
        which = int(np.searchsorted(self.starts, row, side="right")) - 1
        one = self.parsed[which]
        sheet = f'sheet "{one.sheet.name}", ' if one.sheet.name else ""
        return f"{sheet}row {one.sheet.first + int(one.rows[row - self.starts[which]])}"

    def objects(self) -> tuple[dict[str, pa.Array], list[str], NDArray[np.int64], NDArray[np.bool_]] | None:
        """The objects of all sheets in the order of samples.

        Returns:
            Members and attributes by name; the names of the attributes; how many objects each sample has;
            and which samples no sheet of objects names.
        """
        told = [one.mapping.rows == "objects" for one in self.parsed]
        if not any(told):
            return None
        parents = [one.parent + start for one, start in zip(self.parsed, self.starts, strict=False)]
        code = self.code[np.concatenate(parents)]
        order = None if (np.diff(code) >= 0).all() else pa.array(np.argsort(code, kind="stable"))
        sets = [
            ({**one.members, **one.attributes} if is_told else {}, len(one.parent))
            for one, is_told in zip(self.parsed, told, strict=True)
        ]
        names = dict.fromkeys(name for values, _ in sets for name in values)
        found = {name: _joined([(values.get(name), count) for values, count in sets]) for name in names}
        if order is not None:
            found = {name: value.take(order) for name, value in found.items()}
        missing = np.ones(self.count, bool)
        for one, start, is_told in zip(self.parsed, self.starts, told, strict=False):
            if is_told:
                missing[self.code[start : start + len(one.rows)]] = False
        extra = [name for name in names if name not in features.OBJECT_MEMBERS]
        return found, extra, np.bincount(code, minlength=self.count), missing


def _joined(pieces: Sequence[tuple[pa.Array | None, int]]) -> pa.Array:
    """Arrays of several sheets as one; nulls where a sheet has no such column, text where types differ."""
    kinds = {value.type for value, _ in pieces if value is not None and value.null_count < len(value)}
    kinds = kinds or {value.type for value, _ in pieces if value is not None}
    if len(kinds) == 1:
        kind = kinds.pop()
    else:
        kind = pa.float64() if kinds <= {pa.int64(), pa.float64()} else pa.string()
    return pa.concat_arrays(
        [
            pa.nulls(count, kind) if value is None or value.null_count == len(value) else value.cast(kind)
            for value, count in pieces
        ]
    )


def dataset(
    parsed: Sequence[Parsed],
    splits: Sequence[str | None],
    media_root: str,
    known: Categories | None,
) -> tuple[Schema, pa.RecordBatch, dict[str, list[str]]]:
    """All sheets as one batch with its schema, and the places of rows that contradict others of their image, by column.

    Args:
        parsed: What the sheets hold.
        splits: The split of each sheet that has no column of splits.
        media_root: Where the images lie.
        known: The class table; null: the classes in the order in which they are first met.
    """
    rows = Rows(parsed, splits)
    arrays = rows.samples()
    columns: dict[str, Any] = {"id": features.Value(type=pa.string()), "image": features.Image()}
    if "split" in arrays:
        columns["split"] = features.Split()
    if (objects := rows.objects()) is not None:
        arrays["objects"], columns["objects"] = _objects(objects, known, _point_names(parsed))
    labels = rows.labels()
    if labels is not None:
        arrays["label"], columns["label"] = _labels(labels, known)
    scored = labels is not None and labels.scores is not None
    for name, value in rows.columns(rows.score_name if scored else None).items():
        arrays[name], columns[name] = value, features.Value(type=value.type)
    found = arrays["split"].dictionary.to_pylist() if "split" in arrays else []
    schema = Schema(
        columns=columns, media_root=media_root, splits=tuple(filter(None, found)), id_has_split=rows.doubled
    )
    batch = pa.RecordBatch.from_arrays([arrays[name] for name in columns], schema=schema.arrow)
    return schema, batch, {name: [rows.place(row) for row in torn] for name, torn in rows.torn.items()}


def _point_names(parsed: Sequence[Parsed]) -> tuple[str, ...] | None:
    return next((tuple(one.mapping.keypoints) for one in parsed if one.mapping.keypoints), None)


def _table(words: pa.Array, known: Categories | None, points: tuple[str, ...] | None = None) -> Categories:
    table = known if known is not None else Categories.of(pc.unique(words.drop_null()).to_pylist())
    if points is None:
        return table
    return Categories(tuple(one.model_copy(update={"keypoints": points}) for one in table))


def _encoded(words: pa.Array, table: Categories) -> pa.Array:
    return table.encode(pc.index_in(words, table.dictionary))


def _objects(
    found: tuple[dict[str, pa.Array], list[str], NDArray[np.int64], NDArray[np.bool_]],
    known: Categories | None,
    points: tuple[str, ...] | None,
) -> tuple[pa.Array, features.Objects]:
    values, extra, lengths, missing = found
    ids = [values[name] for name in ("id", "track_id") if name in values]
    whole = all(pc.all(pc.match_substring_regex(one, _WHOLE), min_count=0).as_py() for one in ids)
    table = _table(values["category"], known, points) if "category" in values else Categories()
    feature = features.Objects(
        categories=table,
        members=tuple(name for name in values if name not in extra),
        attributes={name: features.Value(type=values[name].type) for name in extra},
        id_type="int64" if whole else "string",
    )
    columns = [
        _encoded(values[name], table) if name == "category" else values[name].cast(feature.member_type(name))
        for name in feature.names
    ]
    count = int(lengths.sum())
    if columns:
        structs = pa.StructArray.from_arrays(columns, fields=list(feature.struct))
    else:
        structs = pa.array([{}] * count, feature.struct)
    return list_column(structs, lengths, missing), feature


def _labels(found: Labels, known: Categories | None) -> tuple[pa.Array, features.Feature]:
    lists = found.words
    words = lists.flatten()
    feature = features.Classification(categories=_table(words, known), multi=found.multi)
    codes = _encoded(words, feature.categories)
    if not found.multi:
        held = lists.is_valid().to_numpy(zero_copy_only=False)
        place = np.where(held, np.cumsum(held) - 1, 0)
        return codes.take(pa.array(place, mask=~held)), feature
    fields = [pa.field("category", WORDS), pa.field("score", pa.float64())]
    scores = pa.nulls(len(codes), pa.float64()) if found.scores is None else found.scores
    structs = pa.StructArray.from_arrays([codes, scores], fields=fields)
    lengths = pc.list_value_length(lists).fill_null(0).to_numpy()
    return list_column(structs, lengths, lists.is_null().to_numpy(zero_copy_only=False)), feature
