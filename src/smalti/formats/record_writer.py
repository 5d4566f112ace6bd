"""The base of writers of records: one file, or one a split, with a record a sample; see `smalti.formats.records`."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import msgspec

from smalti.formats.losses import dropped
from smalti.formats.protocol import Options, PartResult, Writer
from smalti.formats.report import Loss, merged
from smalti.schema import features
from smalti.schema.categories import Categories

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa

    from smalti.formats.protocol import Cursor
    from smalti.formats.report import LossKind
    from smalti.schema.features import AnyFeature
    from smalti.schema.schema import Schema
    from smalti.storage.folder import Target

OptionsT = TypeVar("OptionsT", bound=Options)
PLAIN = frozenset({"string", "int64", "double", "bool"})  # Arrow types that JSON gives back as they were


class RecordWriter(Writer[OptionsT]):
    """Writes a record a sample; a format says what is in one (`record`) and what stands around them (`finish`).

    Attributes:
        title: The format's title, for reasons of losses.
        members: Object members that it can hold.
        reasons: Why fields are lost, by member or dotted name.
    """

    title: ClassVar[str]
    members: ClassVar[frozenset[str]] = frozenset(features.OBJECT_MEMBERS)
    reasons: ClassVar[dict[str, str]] = {}

    def __init__(self, schema: Schema, options: OptionsT, single_file: str | None = None) -> None:
        super().__init__(schema, options, single_file)
        self.fields = {name: schema.objects(name) for name in schema.of_kind(features.Objects)}

    @abstractmethod
    def holds(self, name: str, feature: AnyFeature) -> bool:
        """Whether a column can be written."""

    def holds_member(self, name: str) -> bool:
        """Whether a member of objects can be written."""
        return name in self.members

    def holds_attribute(self, name: str, feature: features.Value | features.Json) -> bool:
        """Whether an attribute of objects can be written."""
        del name
        return is_plain(feature)

    @abstractmethod
    def record(self, row: dict[str, Any], number: int, image: str, losses: list[Loss]) -> tuple[bytes, int]:
        """A record, and the number of objects in it.

        Args:
            row: The sample's columns as plain values.
            number: The sample's position in the dataset.
            image: The image's path in the target.
            losses: Where what cannot be written as it is goes.
        """

    def image(self, row: dict[str, Any]) -> str:
        """The image's path in the target."""
        name = self.name(row)
        return f"images/{row['split']}/{name}" if row.get("split") else f"images/{name}"

    def name(self, row: dict[str, Any]) -> str:
        """The sample's id without its split."""
        return (
            str(row["id"]).partition("/")[2]
            if self.schema.id_has_split and row.get("split")
            else str(row["id"])
        )

    def wants(self) -> Schema:
        wanted = {"id", "image", "split"}
        for name, feature in self.schema.columns.items():
            if isinstance(feature, features.Objects):
                held = [member for member in feature.members if self.holds_member(member)]
                held += [n for n, f in feature.attributes.items() if self.holds_attribute(n, f)]
                wanted |= (
                    {name, *(f"{name}.{member}" for member in held)} if self.holds(name, feature) else set()
                )
            elif self.holds(name, feature):
                wanted.add(name)
        return self.schema.project(wanted)

    def losses(self) -> list[Loss]:
        return dropped(self.schema, self.wants(), self.title, self.reasons)

    def write(self, batch: pa.RecordBatch, target: Target, cursor: Cursor) -> PartResult:
        losses: list[Loss] = []
        bodies: dict[str | None, list[bytes]] = {}
        media = []
        objects = 0
        for number, row in enumerate(batch.to_pylist(), cursor.samples):
            image = self.image(row)
            body, count = self.record(row, number, image, losses)
            objects += count
            bodies.setdefault(self.file_of(row), []).append(body)
            if "://" not in (row["image"]["path"] or ""):
                media.append((row["image"]["path"], image))
        parts = []
        for place, (key, found) in enumerate(bodies.items()):
            name = f"part-{cursor.index:05}-{place}.json"
            target.write(name, b",\n".join(found))
            parts.append((key, name))
        return PartResult(
            samples=len(batch), objects=objects, losses=merged(losses), media=media, payload=parts
        )

    def file_of(self, row: dict[str, Any]) -> str | None:
        """Which file the record goes to, a split or null for the one."""
        del row
        return None

    def join(
        self,
        target: Target,
        name: str,
        key: str | None,
        results: Sequence[PartResult],
        ends: tuple[bytes, bytes],
    ) -> None:
        """Put the records of a file together.

        Args:
            target: Where.
            name: The file.
            key: Which of the files, as `file_of` says.
            results: All parts.
            ends: What stands before the records, and behind.
        """
        parts = [part for result in results for of, part in result.payload if of == key]
        with target.open(name) as file:
            file.write(ends[0])
            for number, part in enumerate([] if target.dry else parts):
                place = target.location / part
                file.write((b",\n" if number else b"") + place.read_bytes())
                place.fs.rm_file(place.path)
            file.write(ends[1])


def is_plain(feature: AnyFeature) -> bool:
    """Whether JSON gives values back as they were."""
    if isinstance(feature, features.Json | features.Text | features.Video | features.Frame):
        return True
    return isinstance(feature, features.Value | features.Scalar) and str(feature.arrow) in PLAIN


def plain_values(row: dict[str, Any], fields: dict[str, Any]) -> dict[str, Any]:
    """What of a row is not null, JSON parsed.

    Args:
        row: The row.
        fields: Features of the columns that are wanted.
    """
    return {
        name: msgspec.json.decode(row[name]) if isinstance(feature, features.Json) else row[name]
        for name, feature in fields.items()
        if row.get(name) is not None
    }


def united_table(fields: dict[str, features.Objects]) -> tuple[Categories, list[Loss]]:
    """The one class table of several fields, and what is lost by that."""
    tables = [feature.categories for feature in fields.values()]
    if not tables:
        return Categories(), []
    first = tables[0]
    more = dict.fromkeys(
        c
        for table in tables[1:]
        for c, v in zip(table.values, table.values, strict=True)
        if v not in first.codes
    )
    united = Categories((*first, *Categories.of(more)))
    others = [name for name, feature in fields.items() if feature.categories.values != united.values]
    why = "the fields of objects share one class table here"
    return united, [
        Loss(code="categories.united", field=name, kind="change", count=1, reason=why, example=name)
        for name in others
    ]


def object_field(schema: Schema) -> str | None:
    """The field of objects that is written where there is a place for one: ``objects``, or the only one; else null."""
    names = schema.of_kind(features.Objects)
    return "objects" if "objects" in names else names[0] if len(names) == 1 else None


def one_loss(code: str, field: str, kind: LossKind, reason: str, example: str) -> Loss:
    """A loss of one thing; those of a part are summed."""
    return Loss(code=code, field=field, kind=kind, count=1, reason=reason, example=example)
