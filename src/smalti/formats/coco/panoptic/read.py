"""Read COCO panoptic: the JSON once, the PNGs part by part and one at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from smalti.formats.coco.panoptic.load import COLUMN, Loaded, load
from smalti.formats.coco.panoptic.look import Look, Looked
from smalti.formats.coco.panoptic.options import PanopticOptions
from smalti.formats.coco.panoptic.segments import Segments, feature_of, segments
from smalti.formats.losses import Tally
from smalti.formats.protocol import Part, PartRead, Plan, Reader
from smalti.formats.report import Loss
from smalti.schema import features
from smalti.schema.build import list_column
from smalti.schema.categories import Categories
from smalti.schema.project import project
from smalti.schema.schema import Schema
from smalti.schema.types import BBOX, MASK

if TYPE_CHECKING:
    from numpy.typing import NDArray

PART = 256  # images
OBJECTS, SEGMENT_ID = "objects", "segment_id"
UNSEEN = {"height": 0, "width": 0, "counts": b""}  # stands for a mask that is only counted


class PanopticReader(Reader[PanopticOptions]):
    """Reads panoptic JSON files with their PNGs; see `smalti.formats.coco.panoptic`."""

    _loaded: Loaded | None = None

    def __getstate__(self) -> dict[str, Any]:
        """Without what was read: a worker reads its own."""
        return {**self.__dict__, "_loaded": None}

    def _load(self) -> Loaded:
        if self._loaded is None:
            self._loaded = load(self.root, self.media, self.options, skip=self.on_error == "skip")
        return self._loaded

    def plan(self) -> Plan:
        loaded = self._load()
        count = len(loaded.samples)
        return Plan(
            schema=self._schema(loaded),
            parts=[
                Part(key=(start, min(start + PART, count)), samples=min(PART, count - start))
                for start in range(0, count, PART)
            ],
            repairs=loaded.repairs,
            errors=loaded.errors,
            samples_skipped=len(loaded.samples.errors),
        )

    @property
    def _name(self) -> str:
        """The column that segments become."""
        return COLUMN if self.options.objects is None else OBJECTS

    def _attributes(self, loaded: Loaded) -> dict[str, str]:
        """The attribute of each further key of segments."""
        taken = (
            {*features.OBJECT_MEMBERS, SEGMENT_ID} if self._name == OBJECTS else {*features.SEGMENT_MEMBERS}
        )
        return {key: f"coco_{key}" if key in taken else key for key in loaded.lists.attributes}

    def _schema(self, loaded: Loaded) -> Schema:
        rows, more = loaded.samples, feature_of(loaded.lists, self._attributes(loaded))
        label: Any = features.Panoptic(categories=loaded.categories, attributes=more)
        if self._name == OBJECTS:
            things = self.options.objects == "things"
            kept = [c for c in loaded.categories if not things or c.attributes.get("isthing") != 0]
            label = features.Objects(
                categories=Categories(tuple(kept)),
                members=("category", "bbox", "mask", "area", "iscrowd"),
                attributes={SEGMENT_ID: features.Value(type=pa.int64()), **more},
            )
        first = ("id", "image", "split")
        extra = {
            "heads": loaded.heads,
            "folders": [folder.prefix for folder in loaded.folders if folder.prefix],
            "keys": list(loaded.notes.more),
            "nulls": rows.nulls,
        }
        return Schema(
            columns={
                **{key: rows.features[key] for key in first},
                self._name: label,
                **{key: value for key, value in rows.features.items() if key not in first},
                **{key: feature for key, (_, feature) in loaded.notes.more.items()},
            },
            splits=rows.splits,
            media_root=loaded.media.url,
            id_has_split=rows.id_has_split,
            extra={"coco_panoptic": {key: value for key, value in extra.items() if value}},
        )

    def read(self, part: Part, schema: Schema) -> PartRead:
        loaded = self._load()
        whole = self._schema(loaded)
        start, stop = part.key
        notes = loaded.of_sample[start:stop]
        there = np.flatnonzero(notes >= 0)
        arrays = {name: v.slice(start, stop - start) for name, v in loaded.samples.columns.items()}
        for name, (values, _) in loaded.notes.more.items():
            arrays[name] = values.take(pa.array(np.where(notes >= 0, notes, 0), mask=notes < 0))
        found = segments(loaded.lists, [loaded.notes.raws[n] for n in notes[there].tolist()], loaded.ids)
        looked = self._look(loaded, found, notes[there], there, (arrays["id"], arrays["image"]), schema)
        if looked.faults and self.on_error == "raise":
            raise looked.faults[min(looked.faults)]
        lengths, missing = np.zeros(stop - start, np.int64), notes < 0
        lengths[there] = found.lengths
        build = self._panoptic if self._name == COLUMN else self._objects
        arrays[self._name], left = build(loaded, whole, found, looked, lengths, missing)
        batch = pa.RecordBatch.from_arrays([arrays[key] for key in whole.columns], schema=whole.arrow)
        if looked.faults:
            keep = np.ones(len(batch), np.bool_)
            keep[list(looked.faults)] = False
            batch = batch.filter(pa.array(keep))
        tally = Tally(
            {*whole.fields(), *whole.of_kind(features.Objects)} - {*schema.fields(), *schema.columns}
        )
        tally.add(PartRead(batch=batch))
        return PartRead(
            batch=project(batch, schema),
            counts=tally.counts,
            examples=tally.examples,
            repairs=[*left, *self._differing(looked)],
            errors=[looked.faults[row] for row in sorted(looked.faults)],
            samples_skipped=len(looked.faults),
        )

    def _look(
        self,
        loaded: Loaded,
        found: Segments,
        notes: NDArray[np.int64],
        there: NDArray[np.int64],
        samples: tuple[pa.Array, pa.StructArray],
        schema: Schema,
    ) -> Looked:
        """Look at the PNGs as far as the label is wanted; where faults leave samples out, always."""
        wanted = schema.columns.get(self._name)
        measured = (
            {"mask", "bbox", "area"} & set(wanted.names) if isinstance(wanted, features.Objects) else ()
        )
        files = wanted is not None or self.on_error == "skip"
        deep = self.options.check == "pixels" or bool(measured)
        return Look(loaded, found, notes, there, samples).at(files=files, deep=deep, masks=bool(measured))

    def _differing(self, looked: Looked) -> list[Loss]:
        if not looked.differing:
            return []
        return [
            Loss(
                code="area.differs",
                field=self._name if self._name == COLUMN else f"{OBJECTS}.area",
                kind="change",
                reason="the stated area of a segment is not the number of its pixels; it is kept as stated",
                count=looked.differing,
                example=looked.example,
            )
        ]

    def _panoptic(
        self,
        loaded: Loaded,
        whole: Schema,
        found: Segments,
        looked: Looked,
        lengths: NDArray[np.int64],
        missing: NDArray[np.bool_],
    ) -> tuple[pa.Array, list[Loss]]:
        """The column of label images with their segments."""
        feature = whole.columns[COLUMN]
        names = self._attributes(loaded)
        arrays = {names.get(key, key): values for key, values in found.columns.items()}
        arrays["id"] = pa.array(found.ids)
        codes = pa.array(found.codes.astype(np.int32), mask=found.codes < 0)
        arrays["category"] = loaded.categories.encode(codes)
        kind = feature.struct if isinstance(feature, features.Panoptic) else pa.struct([])
        struct = pa.StructArray.from_arrays([arrays[member.name] for member in kind], fields=list(kind))
        values = [looked.values.get(row, (None, None)) for row in range(len(lengths))]
        children = [
            pa.array([path for path, _ in values], pa.string()),
            pa.array([body for _, body in values], pa.binary()),
            list_column(struct, lengths, missing),
        ]
        mask = pa.array(missing)
        return pa.StructArray.from_arrays(children, fields=list(feature.arrow), mask=mask), []

    def _objects(
        self,
        loaded: Loaded,
        whole: Schema,
        found: Segments,
        looked: Looked,
        lengths: NDArray[np.int64],
        missing: NDArray[np.bool_],
    ) -> tuple[pa.Array, list[Loss]]:
        """The column of objects; segments of classes that are not read are left out, and counted."""
        feature = whole.objects(OBJECTS)
        names = self._attributes(loaded)
        arrays = {names.get(key, key): values for key, values in found.columns.items()}
        sides = [pa.array(np.ascontiguousarray(looked.boxes[:, axis])) for axis in range(4)]
        boxes = pa.StructArray.from_arrays(sides, fields=list(BBOX))
        places = {category.id: n for n, category in enumerate(feature.categories)}
        codes = np.array([*(places.get(c.id, -1) for c in loaded.categories), -1], np.int64)[found.codes]
        arrays |= {
            "bbox": pc.if_else(arrays["bbox"].is_null(), boxes, arrays["bbox"]),
            "area": pc.coalesce(arrays["area"], pa.array(looked.areas.astype(np.float64))),
            "mask": pa.array([mask or UNSEEN for mask in looked.masks], MASK),
            SEGMENT_ID: pa.array(found.ids),
            "category": feature.categories.encode(pa.array(codes.astype(np.int32), mask=codes < 0)),
        }
        struct = pa.StructArray.from_arrays(
            [arrays[name] for name in feature.names], fields=list(feature.struct)
        )
        left = (codes < 0) & (found.codes >= 0)
        if not left.any():
            return list_column(struct, lengths, missing), []
        owner = np.repeat(np.arange(len(lengths)), lengths)
        kept = lengths - np.bincount(owner[left], minlength=len(lengths))
        skipped = Loss(
            code="stuff.skipped",
            field=OBJECTS,
            kind="change",
            reason="a segment of stuff is no thing; objects='all' reads both",
            count=int(left.sum()),
            example=loaded.categories.values[int(found.codes[int(left.argmax())])],
        )
        return list_column(struct.filter(pa.array(~left)), kept, missing), [skipped]
