"""Samples as tasks of Label Studio, and the labeling configuration that they need.

Specification: https://labelstud.io/guide/task_format and https://labelstud.io/guide/predictions
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import quote

import msgspec

from smalti.formats.label_studio import config
from smalti.formats.label_studio.encode import TAGS, Encoder
from smalti.formats.label_studio.read import LOCAL, OWN, LabelStudioOptions
from smalti.formats.label_studio.regions import REST
from smalti.formats.record_writer import RecordWriter, is_plain, one_loss, plain_values, united_table
from smalti.schema import features
from smalti.schema.categories import Categories

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa

    from smalti.errors import DataError
    from smalti.formats.protocol import PartResult
    from smalti.formats.report import Loss
    from smalti.schema.features import AnyFeature
    from smalti.schema.schema import Schema
    from smalti.storage.folder import Target

NAME = "tasks.json"
ANNOTATED = re.compile(r"objects(?:_\d+)?")
ANNOTATOR = re.compile(r"annotator(?:_\d+)?")
CONTROLS = {"choices": "Choices", "textarea": "TextArea", "rating": "Rating", "number": "Number", "taxonomy": "Taxonomy",
            "datetime": "DateTime", "pairwise": "Pairwise", "ranker": "Ranker"}  # fmt: skip


class LabelStudioWriter(RecordWriter[LabelStudioOptions]):
    """Writes ``tasks.json`` and ``label_config.xml``."""

    title: ClassVar = "Label Studio"
    reasons: ClassVar = {"vector": "Label Studio has no place for it"}

    def __init__(self, schema: Schema, options: LabelStudioOptions, single_file: str | None = None) -> None:
        super().__init__(schema, options, single_file)
        self.own = schema.extra.get(REST, {})
        self.controls: dict[str, list[str]] = self.own.get("controls", {})
        self.key = self.own.get("image_key", "image")
        self.table, self.united = united_table(self.fields)
        self.answers = {n: f for n, f in schema.columns.items() if self._kind(n, f) is not None}
        self.data = {
            n: f
            for n, f in schema.columns.items()
            if n not in {*OWN, *self.answers, self.key} and not ANNOTATOR.fullmatch(n) and is_plain(f)
        }

    def _kind(self, name: str, feature: AnyFeature) -> str | None:
        """Which question a column answers; null where it is none."""
        if isinstance(feature, features.Classification):
            return "choices"
        if isinstance(feature, features.Captions):
            return None if feature.attributes else "textarea"
        known = self.controls.get(name, [""])[0]
        return known if known in CONTROLS and is_plain(feature) else None

    def holds(self, name: str, feature: AnyFeature) -> bool:
        if isinstance(feature, features.Objects):
            return True
        own = name == REST and isinstance(feature, features.Json)
        number = name == "task_id" and feature == features.Value(type=features.Frame().arrow)
        who = ANNOTATOR.fullmatch(name) is not None and is_plain(feature)
        return own or number or who or name in self.answers or name in self.data

    def losses(self) -> list[Loss]:
        return [*self.united, *super().losses()]

    def faults(self, batch: pa.RecordBatch) -> list[DataError]:
        return Encoder.sizeless(batch, list(self.fields))

    def record(self, row: dict[str, Any], number: int, image: str, losses: list[Loss]) -> tuple[bytes, int]:
        rest = msgspec.json.decode(row[REST]) if row.get(REST) else {}
        rest = rest if isinstance(rest, dict) else {}
        path = row["image"]["path"] or ""
        data: dict[str, Any] = {
            self.key: path if "://" in path else self.options.image_prefix + self._quoted(image)
        }
        sides = {side: row["image"][side] for side in ("width", "height") if row["image"][side]}
        data |= {**sides, **({"split": row["split"]} if row.get("split") else {})}
        data |= {**rest.pop("data", {}), **plain_values(row, self.data)}
        task: dict[str, Any] = {
            "id": number + 1 if row.get("task_id") is None else row["task_id"],
            "data": data,
        }
        encoder = Encoder(self, row, losses)
        task["annotations"] = self._annotations(row, rest.pop("annotations", []), encoder) + rest.pop(
            "cancelled", []
        )
        task["predictions"] = self._predictions(row, rest.pop("predictions", {}), encoder)
        task["predictions"] += rest.pop("prediction_ids", [])
        return msgspec.json.encode({**task, **rest}), encoder.count

    def _quoted(self, image: str) -> str:
        return (
            quote(image)
            if self.options.image_prefix == LOCAL or "://" in self.options.image_prefix
            else image
        )

    def _annotations(self, row: dict[str, Any], metas: list[Any], encoder: Encoder) -> list[dict[str, Any]]:
        names = sorted((n for n in self.fields if ANNOTATED.fullmatch(n)), key=lambda n: int(n[8:] or 1))
        found = []
        for place in range(max(len(names), len(metas), 1)):
            suffix = f"_{place + 1}" if place else ""
            field = f"objects{suffix}"
            answers = self._answers(row, suffix, encoder)
            meta = metas[place] if place < len(metas) and isinstance(metas[place], dict) else {}
            if row.get(field) is None and not (
                answers or meta or any(row.get(name) is not None for name in names[place:])
            ):
                continue
            if row.get(field) is None and field in self.fields:
                why = "an annotation that has something else reads as one without objects"
                encoder.losses.append(one_loss("unannotated.merged", field, "change", why, row["id"]))
            who = {} if row.get(f"annotator{suffix}") is None else {"completed_by": self._who(row, suffix)}
            result = [*encoder.regions(field), *answers, *meta.get("result", [])]
            found.append({**{k: v for k, v in meta.items() if k != "result"}, **who, "result": result})
        return found

    def _who(self, row: dict[str, Any], suffix: str) -> Any:
        name = row[f"annotator{suffix}"]
        json = isinstance(self.schema.columns[f"annotator{suffix}"], features.Json)
        found = msgspec.json.decode(name) if json else name
        return {"email": found} if isinstance(found, str) else found

    def _predictions(
        self, row: dict[str, Any], metas: dict[str, Any], encoder: Encoder
    ) -> list[dict[str, Any]]:
        found = []
        for field in self.fields:
            if ANNOTATED.fullmatch(field) or row.get(field) is None:
                continue
            meta = metas.get(field, {})
            result = [
                *encoder.regions(field),
                *self._answers(row, f":{field}", encoder),
                *meta.get("result", []),
            ]
            found.append(
                {"model_version": field, **{k: v for k, v in meta.items() if k != "result"}, "result": result}
            )
        return found

    def _answers(self, row: dict[str, Any], suffix: str, encoder: Encoder) -> list[dict[str, Any]]:
        """The answers about the whole picture that an annotation gives."""
        found: list[dict[str, Any]] = []
        for name, feature in self.answers.items():
            value = row.get(name)
            if value is None or self._suffix(name) != suffix:
                continue
            kind = str(self._kind(name, feature))
            item = {"from_name": name.removesuffix(suffix), "to_name": self._to_name(name), "type": kind}
            if isinstance(feature, features.Classification):
                given = value if feature.multi else [{"category": value, "score": None}]
                if all(one["score"] is None for one in given):
                    found.append({**item, "value": {"choices": [one["category"] for one in given]}})
                else:
                    found += [
                        {**item, "value": {"choices": [o["category"]]}, "score": o["score"]} for o in given
                    ]
            elif isinstance(feature, features.Captions):
                if any(one["id"] is not None for one in value):
                    encoder.losses.append(
                        one_loss("caption.id", name, "change", "texts have no ids", row["id"])
                    )
                found.append({**item, "value": {"text": [one["caption"] for one in value]}})
            else:
                value = msgspec.json.decode(value) if isinstance(feature, features.Json) else value
                found.append({**item, "value": {kind: value}})
        return found

    def _suffix(self, name: str) -> str:
        """The annotation or prediction that a column belongs to, as it stands behind the question's name."""
        ends = (f.removeprefix("objects") if ANNOTATED.fullmatch(f) else f":{f}" for f in self.fields)
        return next((end for end in ends if end and name.endswith(end)), "")

    def _to_name(self, name: str) -> str:
        return self.controls.get(name, ["", "image"])[1]

    def finish(self, target: Target, results: Sequence[PartResult]) -> int:
        target.last = NAME
        self.join(target, NAME, None, results, (b"[\n", b"\n]\n"))
        asked = {name.removesuffix(self._suffix(name)): name for name in self.answers}
        controls: list[tuple[str, str, Sequence[str]]] = [
            (
                CONTROLS[str(self._kind(name, self.schema.columns[name]))],
                short,
                getattr(self.schema.columns[name], "categories", Categories()).values,
            )
            for short, name in asked.items()
        ]
        held = {name for feature in self.fields.values() for name in feature.attributes}
        controls += [
            (CONTROLS[k[0]], n, ())
            for n, k in self.controls.items()
            if n in held and n not in asked and k[0] in CONTROLS
        ]
        target.write(config.NAME, config.written(self.key, self._labels(), self.table, controls))
        target.mkdir("images")
        return 2

    def _labels(self) -> dict[str, str]:
        """The tags of labels and their names, for what the objects' members can be written as."""
        members = {member for feature in self.fields.values() for member in feature.members}
        known = self.own.get("tags", {})
        found = {tag: known.get(kind, [kind])[0] for kind, (tag, needs) in TAGS.items() if needs & members}
        # Points hang on boxes; and classes have to be listed somewhere, used or not.
        box = (
            {}
            if set(found) - {config.POINTS}
            else {TAGS["rectangle"][0]: known.get("rectangle", ["rectangle"])[0]}
        )
        return box | found
