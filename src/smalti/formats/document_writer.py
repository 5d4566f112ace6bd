"""The base of writers of one document an image; see `smalti.formats.documents` for the readers."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from smalti.errors import OptionError
from smalti.formats.class_table import class_losses
from smalti.formats.free_names import FreeNames, stem_of
from smalti.formats.losses import dropped
from smalti.formats.object_text import has
from smalti.formats.protocol import Options, PartResult, Writer
from smalti.formats.report import Loss, merged
from smalti.formats.splits import splits_of
from smalti.schema import features
from smalti.schema.categories import Categories

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import TypeVar

    from numpy.typing import NDArray

    from smalti.formats.protocol import Cursor
    from smalti.formats.report import LossKind
    from smalti.schema.schema import Schema
    from smalti.storage.folder import Target

    OptionsT = TypeVar("OptionsT", bound=Options)
else:
    from smalti.formats.documents import OptionsT

CLASSES = "labels.txt"
UNLABELLED = "what nobody has annotated reads as having no objects"


def class_list(categories: Categories) -> bytes:
    """A class table as a text file, a name a line."""
    return "".join(f"{name}\n" for name in categories.values).encode()


def listed_classes(text: str) -> Categories:
    """The class table of such a file; LabelMe's two pseudo-classes at its start are none."""
    names = [line.rstrip("\r") for line in text.split("\n")]
    return Categories.of(name for name in names if name and name not in {"__ignore__", "_background_"})


class DocumentWriter(Writer[OptionsT]):
    """Writes a document an image; a format says what is in one (`fragments`, `document`) and where it goes (`places`).

    Attributes:
        title: The format's title, for reasons of losses.
        members: Object members that it can hold.
        held_attributes: Attributes that it can hold, with their features; others are lost.
        held_of_classes: What of a class beside its name it can hold: ``id``, ``color`` …
        held_columns: Columns that it can hold, with their features.
        reasons: Why fields are lost, by member or dotted name.
        needed: Members without one of which an object cannot be written.
        split_folders: Whether the images and documents of a split are in a folder of its name.
        one_file: Whether `finish` puts the documents of a split together: it finds split, stem and body of each
            sample in the results' payloads.
        between: What stands between two fragments.
    """

    title: ClassVar[str]
    members: ClassVar[frozenset[str]]
    held_attributes: ClassVar[dict[str, Any]] = {}
    held_columns: ClassVar[dict[str, Any]] = {}
    held_of_classes: ClassVar[frozenset[str]] = frozenset()
    reasons: ClassVar[dict[str, str]] = {}
    needed: ClassVar[tuple[frozenset[str], ...]] = (frozenset({"category"}), frozenset({"bbox"}))

    split_folders: ClassVar[bool] = False
    one_file: ClassVar[bool] = False
    between: ClassVar[str] = ""

    def __init__(self, schema: Schema, options: OptionsT, single_file: str | None = None) -> None:
        super().__init__(schema, options, single_file)
        self.names = FreeNames()
        self.field = object_field(schema)
        self.feature = features.Objects() if self.field is None else schema.objects(self.field)

    def holds(self, name: str, feature: Any) -> bool:
        """Whether an attribute can be written."""
        return bool(self.held_attributes.get(name) == feature)

    def fragments(self, objects: pa.StructArray) -> pa.Array | None:
        """What documents hold of each object, as text; null: there are objects that need `document`.

        A format has this, or `document`, or both: then this is for what is usual.

        Args:
            objects: Objects that can be written.
        """
        del objects
        return None

    def framed(self, batch: pa.RecordBatch, names: list[str], inner: pa.Array) -> pa.Array:
        """Whole documents as text: the fragments of each sample's objects, with what stands around them.

        Args:
            batch: The samples.
            names: The images' names in the target.
            inner: The fragments, joined.
        """
        del batch, names
        return inner

    def document(
        self, row: dict[str, Any], objects: list[dict[str, Any]], image: str, losses: list[Loss]
    ) -> bytes | None:
        """A document; null: the sample has none.

        Args:
            row: The sample's columns as plain values.
            objects: The objects to write.
            image: The image's name in the target.
            losses: Where what cannot be written as it is goes.
        """
        raise NotImplementedError

    @abstractmethod
    def places(self, image: str) -> tuple[str, str]:
        """The paths of an image and of its document in the target."""

    def _names(self, batch: pa.RecordBatch, losses: list[Loss]) -> list[str]:
        """The images' names in the target, their splits' folders in front where there are any."""
        ids = batch.column("id")
        if not self.split_folders or "split" not in batch.schema.names:
            return self.names.many(ids, losses)
        splits = batch.column("split").dictionary_decode()
        own = pc.replace_substring_regex(ids, "^[^/]*/?", "") if self.schema.id_has_split else ids
        folders = pc.binary_join_element_wise(splits, own, "/")
        return self.names.many(pc.if_else(pc.equal(pc.fill_null(splits, ""), ""), ids, folders), losses)

    def wants(self) -> Schema:
        fields = {"id", "image", "split"}
        fields |= {n for n, f in self.held_columns.items() if self.schema.columns.get(n) == f}
        if self.field is not None:
            fields |= {self.field}
            fields |= {f"{self.field}.{m}" for m in self.feature.members if m in self.members}
            fields |= {f"{self.field}.{n}" for n, f in self.feature.attributes.items() if self.holds(n, f)}
        return self.schema.project(fields)

    def losses(self) -> list[Loss]:
        found = dropped(self.schema, self.wants(), self.title, self.reasons)
        classes = class_losses(self.feature.categories, "detect", CLASSES)
        return [*(c for c in classes if c.code.partition(".")[2] not in self.held_of_classes), *found]

    def write(self, batch: pa.RecordBatch, target: Target, cursor: Cursor) -> PartResult:
        del cursor
        losses: list[Loss] = []
        names = self._names(batch, losses)
        places = [self.places(name) for name in names]
        usual = None if self.one_file else self._by_columns(batch, names, losses)
        bodies, written = self._by_rows(batch, names, losses) if usual is None else usual
        kept = [n for n, body in enumerate(bodies) if body is not None]
        if not self.one_file:
            target.write_many([places[n][1] for n in kept], [bodies[n] or b"" for n in kept])
        stems = [stem_of(name) for name in names]
        held = bodies if self.one_file else [b""] * len(batch)
        images = batch.column("image").field("path").to_pylist()
        return PartResult(
            samples=len(batch),
            objects=written,
            losses=merged(losses),
            media=list(zip(images, (image for image, _ in places), strict=True)),
            files=0 if self.one_file else len(kept),
            payload=list(zip(splits_of(batch), stems, held, strict=True)),
        )

    def _by_columns(
        self, batch: pa.RecordBatch, names: list[str], losses: list[Loss]
    ) -> tuple[Sequence[bytes | None], int] | None:
        """The documents made of whole columns, and how many objects they hold; null where that cannot be."""
        column = (
            batch.column(self.field) if self.field else pa.array([[]] * len(batch), pa.list_(pa.struct([])))
        )
        objects, owner = column.flatten(), pc.list_parent_indices(column).to_numpy()
        some: list[Loss] = []
        keep = self._complete(objects, batch.column("id").take(pa.array(owner)), some)
        if not keep.all():
            objects, owner = objects.filter(pa.array(keep)), owner[keep]
        if (made := self.fragments(objects)) is None:
            return None
        losses += some
        if self.field and (missing := column.null_count):
            first = batch.column("id").filter(column.is_null())[0].as_py()
            loss = one_loss("unannotated.merged", self.field, "change", UNLABELLED, first)
            losses.append(replace(loss, count=missing))
        ends = np.cumsum(np.bincount(owner, minlength=len(batch)))
        offsets = pa.array(np.concatenate([[0], ends]), pa.int32())
        inner = pc.binary_join(pa.ListArray.from_arrays(offsets, made), self.between)
        return self.framed(batch, names, inner).cast(pa.binary()).to_pylist(), len(objects)

    def _complete(self, objects: pa.StructArray, ids: pa.Array, losses: list[Loss]) -> NDArray[np.bool_]:
        """Which objects can be written; others are reported."""
        keep = np.ones(len(objects), bool)
        for some in self.needed:
            lack = keep & ~np.any([has(objects, name) for name in some], axis=0)
            if lack.any():
                loss = _lacking(some, str(self.field), ids[int(lack.argmax())].as_py())
                losses.append(replace(loss, count=int(lack.sum())))
            keep &= ~lack
        return keep

    def _by_rows(
        self, batch: pa.RecordBatch, names: list[str], losses: list[Loss]
    ) -> tuple[Sequence[bytes | None], int]:
        """The documents made one by one, and how many objects they hold."""
        bodies = []
        written = 0
        for row, name in zip(batch.to_pylist(), names, strict=True):
            objects = self._objects(row, losses)
            before = sum(loss.kind == "object" for loss in losses)
            bodies.append(self.document(row, objects, name, losses))
            written += len(objects) - sum(loss.kind == "object" for loss in losses) + before
        return bodies, written

    def _objects(self, row: dict[str, Any], losses: list[Loss]) -> list[dict[str, Any]]:
        """The objects that can be written; others are reported."""
        if self.field is None:
            return []
        given = row[self.field]
        if given is None:
            losses.append(one_loss("unannotated.merged", self.field, "change", UNLABELLED, row["id"]))
            return []
        kept = []
        for item in given:
            lacking = next((some for some in self.needed if all(item.get(m) is None for m in some)), None)
            if lacking is None:
                kept.append(item)
                continue
            losses.append(_lacking(lacking, self.field, row["id"]))
        return kept

    def finish(self, target: Target, results: Sequence[PartResult]) -> int:
        del results
        target.write(CLASSES, class_list(self.feature.categories))
        return 1

    def write_lists(self, target: Target, folder: str, results: Sequence[PartResult]) -> int:
        """Write a list of the samples of each split, by their names without suffix; gives the number of files."""
        lists: dict[str, list[str]] = {split: [] for split in self.schema.splits}
        for result in results:
            for split, stem, _ in result.payload:
                if split is not None:
                    lists.setdefault(split, []).append(stem)
        for split, stems in lists.items():
            target.write(f"{folder}/{split}.txt", "".join(f"{stem}\n" for stem in stems).encode())
        return len(lists)

    def bodies(self, results: Sequence[PartResult]) -> dict[str | None, list[bytes]]:
        """The documents of each split, for formats that put them into one file; of an empty split none."""
        found: dict[str | None, list[bytes]] = {split: [] for split in self.schema.splits} or {None: []}
        for result in results:
            for split, _, body in result.payload:
                found.setdefault(split, []).append(body)
        return found


def object_field(schema: Schema) -> str | None:
    """The field of objects that is written; null where there is none.

    Raises:
        OptionError: There are several, and none is called ``objects``.
    """
    names = schema.of_kind(features.Objects)
    if "objects" in names or len(names) <= 1:
        return "objects" if "objects" in names else names[0] if names else None
    raise OptionError(
        f"which label field to write? There are {', '.join(names)}; select one and rename it to objects"
    )


def _lacking(members: frozenset[str], field: str, sample: str) -> Loss:
    why = f"an object needs {' or '.join(sorted(members))}"
    code = "category.missing" if "category" in members else "geometry.missing"
    return one_loss(code, field, "object", why, sample)


def painted(
    item: dict[str, Any], size: tuple[int, int], field: str | None, sample: str, losses: list[Loss]
) -> None:
    """Report what becomes of an object's outline in a label image.

    Args:
        item: The object.
        size: Height and width of the image in pixels.
        field: The field of objects.
        sample: The sample's id.
        losses: Where it goes.
    """
    mask = item.get("mask")
    if mask is not None and (mask["height"], mask["width"]) != size:
        why = "a mask smaller than its image is read back as one of the image's size"
        losses.append(one_loss("mask.padded", f"{field}.mask", "change", why, sample))
    if item.get("polygons"):
        why = "label images are pixels; polygons are filled, or given up for the object's mask"
        losses.append(one_loss("polygon.as_mask", f"{field}.polygons", "change", why, sample))


def one_loss(code: str, field: str, kind: LossKind, reason: str, example: str) -> Loss:
    """A loss of one thing; those of a part are summed."""
    return Loss(code=code, field=field, kind=kind, count=1, reason=reason, example=example)
