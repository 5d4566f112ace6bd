"""Write manifests: a line a sample, a file a split."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING, Any

import msgspec

from smalti.errors import OptionError
from smalti.formats import free_columns
from smalti.formats.class_table import class_losses
from smalti.formats.losses import dropped
from smalti.formats.protocol import PartResult, Writer
from smalti.formats.report import Loss, merged
from smalti.formats.sagemaker.encode import Encoder
from smalti.formats.sagemaker.options import (
    METADATA,
    NAME,
    REFERENCE,
    SUFFIX,
    SageMakerOptions,
)
from smalti.schema import features

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa

    from smalti.formats.protocol import Cursor
    from smalti.schema.features import AnyFeature
    from smalti.schema.schema import Schema
    from smalti.storage.folder import Target

LABELS = (features.Objects, features.Classification, features.Mask)
REASONS = {"id": "annotations have no ids", "iscrowd": "annotations have no crowd flag"}
HELD = frozenset({"color"})  # of a mask's classes


class SageMakerWriter(Writer[SageMakerOptions]):
    """Writes a manifest a split, or one file."""

    def __init__(self, schema: Schema, options: SageMakerOptions, single_file: str | None = None) -> None:
        super().__init__(schema, options, single_file)
        self.ours = schema.extra.get("sagemaker")
        self.front = self._front("prefix", "")
        masks = self._front("mask_prefix", self.front)
        self.encoders = [
            Encoder(name, self._key(name, f), f, schema, masks, options.confidence)
            for name, f in schema.columns.items()
            if isinstance(f, LABELS)
        ]
        taken = {REFERENCE, *(encoder.key for encoder in self.encoders)}
        used = {name for encoder in self.encoders for name in encoder.fields}
        self.others = {
            name: (feature, key)
            for name, feature in schema.columns.items()
            if name not in {"id", "image", "split", *used}
            and free_columns.is_plain(feature)
            and (key := self._key(name, feature)) not in taken
            and not (key.endswith(METADATA) and key.removesuffix(METADATA) in taken)
        }
        self.goals: dict[str, str] = {}
        if "output" in schema.splits:
            raise OptionError(
                f"a split called 'output' would be {NAME}, which is of no split; rename it first"
            )

    def _key(self, name: str, feature: AnyFeature) -> str:
        return (feature.source if self.ours is not None else None) or name

    def _front(self, name: str, otherwise: str) -> str:
        given = getattr(self.options, name)
        if given is None and self.options.prefix is None:
            given = (self.ours or {}).get(name)
        return otherwise if given is None else str(given)

    def wants(self) -> Schema:
        fields = {"id", "image", "split", *self.others}
        for encoder in self.encoders:
            fields |= encoder.fields
        return self.schema.project(fields & {*self.schema.fields(), *self.schema.columns})

    def losses(self) -> list[Loss]:
        found = dropped(self.schema, self.wants(), "a manifest", REASONS)
        for encoder in self.encoders:
            held = HELD if isinstance(encoder.feature, features.Mask) else frozenset()
            for loss in class_losses(encoder.feature.categories, "detect", "a class-map"):
                if loss.code.partition(".")[2] not in {"id", *held}:
                    found.append(loss)
            found += encoder.losses()
        if self.single_file is not None and self.schema.splits:
            why = "one manifest is one split; write to a folder"
            found.append(Loss(code="split.dropped", field="split", reason=why))
        return merged(found)

    def write(self, batch: pa.RecordBatch, target: Target, cursor: Cursor) -> PartResult:
        del cursor
        losses: list[Loss] = []
        media: list[tuple[str, str]] = []
        lines: dict[str | None, list[bytes]] = {}
        first: dict[str | None, bytes] = {}
        masks: dict[str, bytes] = {}
        rows = batch.to_pylist()
        written = 0
        for row in rows:
            goal = self._goal(row, losses)
            media.append((row["image"]["path"], goal))
            entry: dict[str, Any] = {REFERENCE: f"{self.front}{goal}"}
            for encoder in self.encoders:
                written += encoder.add(entry, row, losses)
                media += encoder.media(row)
                masks |= encoder.files(row)
            entry |= {
                key: free_columns.value(row[name], f)
                for name, (f, key) in self.others.items()
                if row[name] is not None
            }
            split = None if self.single_file is not None else row.get("split")
            if split not in first:
                first[split] = self._naming_all(entry)
            lines.setdefault(split, []).append(msgspec.json.encode(entry))
        for name, (feature, _) in self.others.items():
            if isinstance(feature, features.Json):
                values = ((row["id"], free_columns.value(row[name], feature)) for row in rows)
                losses += free_columns.retyped(values, name)
        target.write_many(list(masks), list(masks.values()))
        return PartResult(
            samples=len(batch),
            objects=written,
            losses=merged(losses),
            media=[] if self.single_file is not None else list(dict.fromkeys(media)),
            files=len(masks),
            payload=(first, lines),
        )

    def _naming_all(self, entry: dict[str, Any]) -> bytes:
        """The line as the first of a file, which names all classes."""
        whole = dict(entry)
        for encoder in self.encoders:
            encoder.name_all(whole)
        return msgspec.json.encode(whole)

    def _goal(self, row: dict[str, Any], losses: list[Loss]) -> str:
        """Where the image goes, which is what the reference names."""
        path, key, split = row["image"]["path"], row["id"], row.get("split")
        own = key.partition("/")[2] if self.schema.id_has_split else key
        name = path if path == own else f"{split}/{own}" if split else own
        stem, dot, suffix = name.rpartition(".")
        number, goal = 1, name
        while self.goals.setdefault(_form(goal), path) != path:
            number += 1
            goal = f"{stem}_{number}{dot}{suffix}"
        if goal != name:
            why, example = "two images would have one name", f"{name} -> {goal}"
            losses.append(
                Loss(code="image.renamed", field="id", kind="change", count=1, reason=why, example=example)
            )
        return goal

    def finish(self, target: Target, results: Sequence[PartResult]) -> int:
        files: dict[str | None, list[bytes]] = {split: [] for split in self.schema.splits}
        if self.single_file is not None:
            files = {}
        for result in results:
            first, lines = result.payload
            for split, some in lines.items():
                known = files.setdefault(split, [])
                # The first line of a file names all classes, so that unused ones and their order are kept.
                known += some if known else [first[split], *some[1:]]
        for split, some in (files or {None: []}).items():
            name = self.single_file or (f"{split}{SUFFIX}" if split else NAME)
            target.write(name, b"".join(line + b"\n" for line in some))
        return len(files or [None])

    def details(self) -> dict[str, Any]:
        return {"class_map": {e.key: e.class_map() for e in self.encoders}}


def _form(path: str) -> str:
    """One form of paths that some file system takes for the same."""
    return unicodedata.normalize("NFC", path).lower()
