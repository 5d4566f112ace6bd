"""Write CVAT: one file, image by image, or of a video track by track."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field

from smalti.errors import DataError
from smalti.formats import part_files, xml_files
from smalti.formats.cvat.encode import GEOMETRY, Encoder, element_lines, quoted
from smalti.formats.cvat.labels import FIGURES, KEPT, OWN, PREFIX, label_values
from smalti.formats.cvat.lines import image_lines
from smalti.formats.cvat.read import NAME
from smalti.formats.cvat.survey import NUMBERS
from smalti.formats.cvat.write_video import VideoEnd, VideoPart, frame_faults, is_video
from smalti.formats.document_writer import UNLABELLED, object_field
from smalti.formats.losses import dropped
from smalti.formats.protocol import Options, PartResult, Writer
from smalti.formats.report import Loss, merged
from smalti.formats.splits import splits_of
from smalti.schema import features
from smalti.schema.categories import Categories

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from smalti.formats.protocol import Cursor
    from smalti.schema.schema import Schema
    from smalti.storage.folder import Target

HEAD = b'<?xml version="1.0" encoding="utf-8"?>\n<annotations>\n  <version>1.1</version>\n'
END = b"</annotations>\n"
KEYFRAME = "keyframe"
REASONS = {
    "id": "CVAT for images has no ids of objects",
    "image_id": "CVAT numbers images in their order",
    "iscrowd": "CVAT's shapes have no crowd flag",
    "track_id": "CVAT for images has no tracks",
    "score": "CVAT's shapes have no scores",
    "area": "CVAT's shapes have no area",
}
VIDEO_REASONS = {
    "id": "CVAT for video has no ids of objects but those of tracks",
    "split": "CVAT for video has no subsets",
    "tags": "CVAT for video has no tags of frames",
    **{name: REASONS[name] for name in ("iscrowd", "score", "area")},
}
KEPT_OWN: dict[str, Any] = {
    "occluded": pa.types.is_boolean,
    "z_order": pa.types.is_integer,
    "group_id": pa.types.is_integer,
    "source": pa.types.is_string,
}
PLAIN = (pa.types.is_boolean, pa.types.is_integer, pa.types.is_floating, pa.types.is_string)


class CvatOptions(Options):
    """Options of CVAT."""

    geometry: Literal["polygons", "mask", "keypoints", "quad", "polyline", "bbox"] | None = Field(
        None,
        description="what an object that has several geometries is written as; null: the first it has of"
        " polygons, mask, keypoints, quad, polyline, bbox",
        json_schema_extra={"side": "write"},
    )
    kind: Literal["images", "video"] | None = Field(
        None,
        description="CVAT for images, or for video: tracks of keyframes, for which samples are frames. Null: video where"
        " the dataset was read from CVAT's video, else images.",
        json_schema_extra={"side": "write"},
    )


class CvatWriter(Writer[CvatOptions]):
    """Writes ``annotations.xml``: parts wait in files of their own until their number is known."""

    title: ClassVar = "CVAT"

    def __init__(self, schema: Schema, options: CvatOptions, single_file: str | None = None) -> None:
        super().__init__(schema, options, single_file)
        self.field = object_field(schema)
        self.feature = features.Objects() if self.field is None else schema.objects(self.field)
        self.video = is_video(schema, options.kind)
        self.attributes = {
            n: f
            for n, f in self.feature.attributes.items()
            if _is_attribute(n, f) and not (self.video and n == KEYFRAME)
        }
        self.own = [n for n, f in self.feature.attributes.items() if _is_own(n, f)]
        tags = schema.columns.get("tags")
        self.tags = tags if isinstance(tags, features.Classification) and not self.video else None
        self._late: list[Loss] = []

    def wants(self) -> Schema:
        fields = {"id", "image", "video", "frame"} if self.video else {"id", "image", "split"}
        if self.tags is not None:
            fields |= {"tags"}
        if "cvat" in self.schema.extra and not self.video:
            fields |= {"tag_details", *NUMBERS}
        if self.field is not None:
            of_tracks = {"track_id", KEYFRAME} if self.video else set()
            members = {"category", "angle", *GEOMETRY, *of_tracks} & set(self.feature.names)
            fields |= {self.field, *(f"{self.field}.{n}" for n in (*members, *self.attributes, *self.own))}
        return self.schema.project(fields & {*self.schema.fields(), *self.schema.columns})

    def losses(self) -> list[Loss]:
        found = dropped(self.schema, self.wants(), "CVAT", VIDEO_REASONS if self.video else REASONS)
        return [*_class_losses(self.feature.categories), *self._as_text(), *found]

    def _as_text(self) -> list[Loss]:
        """Attributes that CVAT holds as text alone."""
        why = "CVAT has texts, numbers and check boxes; anything else is written as text"
        return [
            Loss(code="attribute.as_text", field=f"{self.field}.{name}", kind="change", reason=why)
            for name, feature in self.attributes.items()
            if isinstance(feature, features.Json) or not any(is_(feature.arrow) for is_ in PLAIN)
        ]

    def faults(self, batch: pa.RecordBatch) -> list[DataError]:
        found = frame_faults(batch) if self.video else []
        if self.field is None or "mask" not in self.feature.members:
            return found
        column = batch.column(self.field)
        owner = pc.list_parent_indices(column)
        mask = pc.struct_field(column.flatten(), "mask")
        image = batch.column("image").take(owner)
        fits = [
            pc.less_equal(pc.struct_field(mask, s), pc.struct_field(image, s)) for s in ("width", "height")
        ]
        odd = pc.and_(mask.is_valid(), pc.invert(pc.fill_null(pc.and_(*fits), fill_value=False)))
        ids = pc.unique(batch.column("id").take(owner.filter(odd))).to_pylist()
        hint = "read the dataset with media= so that sizes can be taken from the images"
        return found + [
            DataError("a mask is larger than its image, or that has no known size", sample=sample, hint=hint)
            for sample in ids
        ]

    def write(self, batch: pa.RecordBatch, target: Target, cursor: Cursor) -> PartResult:
        if self.video:
            part_ = VideoPart(self, batch, cursor)
            seen = part_.run(target)
            return PartResult(
                samples=len(batch),
                objects=part_.written,
                losses=merged(part_.encoder.losses),
                media=[] if self.single_file else part_.media,
                payload=seen,
            )
        encoder = self.encoder()
        ids = batch.column("id")
        names = (
            pc.replace_substring_regex(ids, "^[^/]*/?", "") if self.schema.id_has_split else ids
        ).to_pylist()
        usual = image_lines(self, batch, names, cursor.samples, encoder)
        lines, written = self._by_rows(batch, names, cursor.samples, encoder) if usual is None else usual
        paths = batch.column("image").field("path").to_pylist()
        media = [
            (path, f"images/{split}/{name}" if split else f"images/{name}")
            for path, split, name in zip(paths, splits_of(batch), names, strict=True)
        ]
        part = part_files.piece_name("images", cursor.index)
        target.write(part, b"".join(lines))
        return PartResult(
            samples=len(batch),
            objects=written,
            losses=merged(encoder.losses),
            media=[] if self.single_file else media,
            payload=(part, len(batch)),
        )

    def _by_rows(
        self, batch: pa.RecordBatch, names: list[str], start: int, encoder: Encoder
    ) -> tuple[list[bytes], int]:
        """The lines of images made one by one, and how many objects they have."""
        lines: list[str] = []
        written = 0
        for number, (row, name) in enumerate(zip(batch.to_pylist(), names, strict=True), start):
            shapes = encoder.objects(row["id"], row["image"], self.objects_of(row, encoder))
            written += sum(line.startswith("    </") for line in shapes)
            inner = [*shapes, *self._tags(row, encoder)]
            lines += element_lines("image", self._image(row, number, name), inner, "  ")
        return ["".join(lines).encode()], written

    def encoder(self) -> Encoder:
        """What makes elements of objects."""
        first = self.options.geometry
        order = GEOMETRY if first is None else (first, *(name for name in GEOMETRY if name != first))
        table = self.feature.categories
        points = {
            value: category.keypoints or () for value, category in zip(table.values, table, strict=True)
        }
        return Encoder(self.field or "objects", points, order, tuple(self.attributes))

    def objects_of(self, row: dict[str, Any], encoder: Encoder) -> list[dict[str, Any]]:
        """The objects of a sample; one that nobody has annotated is reported."""
        if self.field is None:
            return []
        if row[self.field] is None:
            encoder.lose("unannotated.merged", "", "change", UNLABELLED, row["id"])
        return row[self.field] or []

    def _image(self, row: dict[str, Any], number: int, name: str) -> dict[str, str]:
        numbers = {key: row.get(column) for column, key in NUMBERS.items()}
        found: dict[str, Any] = {"id": number if numbers["id"] is None else numbers["id"], "name": name}
        found["subset"] = row.get("split")
        found["task_id"] = numbers["task_id"]
        found |= {side: row["image"][side] for side in ("width", "height")}
        return {key: str(value) for key, value in found.items() if value is not None}

    def _tags(self, row: dict[str, Any], encoder: Encoder) -> list[str]:
        given = row.get("tags") if self.tags is not None else None
        if given is None:
            return []
        tags = given if isinstance(given, list) else [{"category": given, "score": None}]
        if any(tag["score"] is not None for tag in tags):
            encoder.losses.append(_tag_loss("score.dropped", "tags have no scores", row["id"]))
        details = msgspec.json.decode(row["tag_details"]) if row.get("tag_details") else []
        if len(details) != len(tags):
            details = [{}] * len(tags)
        lines = []
        for tag, detail in zip(tags, details, strict=True):
            more = {key: str(value) for key, value in detail.items() if key != "attributes"}
            inner = [
                f"      <attribute name={quoted(key)}>{xml_files.escaped(str(value))}</attribute>\n"
                for key, value in detail.get("attributes", {}).items()
            ]
            head = {"label": tag["category"] or "", "source": "manual", **more}
            lines += element_lines("tag", head, inner, "    ")
        return lines

    def finish(self, target: Target, results: Sequence[PartResult]) -> int:
        name = self.single_file or NAME
        target.last = name
        if self.video:
            end = VideoEnd(self, results)
            pieces = [end.write_tracks(target)]
            self._late = merged(end.losses)
            meta = end.meta(self._meta(len(end.numbers), end.varied))
        else:
            pieces = [result.payload[0] for result in results]
            meta = self._meta(sum(result.payload[1] for result in results))
        with target.open(name) as file:
            file.write(HEAD)
            file.write(xml_files.element("meta", meta, "  ").replace("\t", "  ").encode())
            part_files.append(target, file, pieces)
            file.write(END)
        part_files.remove(target)
        if self.single_file is None:
            target.mkdir("images")
        return 1

    def late_losses(self) -> list[Loss]:
        return self._late

    def _meta(self, count: int, varied: Collection[str] = ()) -> dict[str, Any]:
        kept = self.schema.extra.get("cvat", {}).get("meta")
        meta = dict(kept) if isinstance(kept, dict) else {}
        root = next((name for name in ("project", "task", "job") if isinstance(meta.get(name), dict)), None)
        if root is None:
            root = "task"  # some readers refuse projects
            mode = "interpolation" if self.video else "annotation"
            meta = {root: {"name": "smalti", "size": count, "mode": mode}, **meta}
        tags = Categories() if self.tags is None else self.tags.categories
        named = {n.removeprefix(PREFIX): f for n, f in self.attributes.items()}
        mutable = {n.removeprefix(PREFIX) for n in varied}
        labels = label_values(self.feature.categories, tags, named, mutable)
        own = {key: value for key, value in meta[root].items() if key not in {"labels", "subsets"}}
        own |= {"size": count} if "size" in own else {}
        there = self.schema.splits and not self.video
        subsets = {"subsets": "\n".join(self.schema.splits)} if there else {}
        return {**meta, root: {**own, **subsets, "labels": {"label": labels} if labels else ""}}


def _is_own(name: str, feature: features.Value | features.Json) -> bool:
    """Whether an attribute of ours is an XML attribute of shapes, or a shape."""
    if name in FIGURES:
        return isinstance(feature, features.Json)
    return name in OWN and isinstance(feature, features.Value) and KEPT_OWN[name](feature.arrow)


def _is_attribute(name: str, feature: features.Value | features.Json) -> bool:
    """Whether it becomes an attribute element: plain values do, but for names that have another meaning."""
    nested = pa.types.is_nested(feature.arrow) or pa.types.is_binary(feature.arrow)
    return not nested and name not in OWN and name not in FIGURES


def _class_losses(categories: Categories) -> list[Loss]:
    reasons = {
        "id": "CVAT's file has no ids of labels",
        "supercategory": "labels have no super-categories",
        "flip_idx": "skeletons have no mirrored points",
        "attributes": "labels have no further keys",
    }
    found = []
    for member, reason in reasons.items():
        values = [(category.name, getattr(category, member)) for category in categories]
        if member == "attributes":
            values = [(name, {k: v for k, v in value.items() if k not in KEPT}) for name, value in values]
        some = [name for name, value in values if value not in (None, (), {})]
        if some:
            found.append(
                Loss(
                    code=f"category.{member}",
                    field="categories",
                    count=len(some),
                    reason=reason,
                    example=some[0],
                )
            )
    return found


def _tag_loss(code: str, reason: str, sample: str) -> Loss:
    return Loss(code=code, field="tags", kind="change", reason=reason, count=1, example=sample)
