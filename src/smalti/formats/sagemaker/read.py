"""Read manifests: one look at every line for the schema, then lines part by part."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from smalti.errors import DataError, EmptySourceError, at
from smalti.formats.losses import part_read
from smalti.formats.protocol import Part, PartRead, Plan, Reader
from smalti.formats.sagemaker import references
from smalti.formats.sagemaker.line import Line, parse
from smalti.formats.sagemaker.options import MASK, NAME, SUFFIX, SageMakerOptions
from smalti.formats.sagemaker.table import Survey, arrays
from smalti.formats.splits import KNOWN
from smalti.schema import features
from smalti.schema.schema import Schema
from smalti.storage.location import BOM
from smalti.storage.media import IMAGE_SUFFIXES, ImageHeader, read_headers

if TYPE_CHECKING:
    from collections.abc import Iterator

    from smalti.storage.location import Location

PART = 1000  # lines
LONGEST = 64 << 20  # bytes of a line


@dataclass(slots=True)
class Entry:
    """A line that becomes a sample: where it stands, and what names its image."""

    number: int
    start: int
    stop: int
    ref: str
    masks: tuple[str, ...] = ()
    path: str = ""
    key: str = ""


@dataclass(slots=True)
class Manifest:
    """A file of lines."""

    file: Location
    split: str | None
    entries: list[Entry] = field(default_factory=list)


class SageMakerReader(Reader[SageMakerOptions]):
    """Reads one manifest, or those of a folder, each a split."""

    _survey: Survey
    _schema: Schema

    def plan(self) -> Plan:
        self._survey = Survey()
        self._errors: list[DataError] = []
        self._objects_skipped = 0
        manifests = self._manifests()
        for manifest in manifests:
            self._look(manifest)
        media = self.media or (self.root.parent if self.root.isfile() else self.root)
        self._name(manifests, media)
        if not any(manifest.entries for manifest in manifests) and not self._errors:
            raise EmptySourceError(f"{self.root.url}: looked for lines with a source-ref, and found none")
        self._schema = self._make_schema(manifests, media)
        parts = [
            Part(key=(m.file, m.split, tuple(m.entries[n : n + PART])), samples=len(m.entries[n : n + PART]))
            for m in manifests
            for n in range(0, len(m.entries), PART)
        ]
        return Plan(
            schema=self._schema,
            parts=parts,
            errors=self._errors,
            objects_skipped=self._objects_skipped,
            samples_skipped=len(self._errors) - self._objects_skipped,
        )

    def _manifests(self) -> list[Manifest]:
        if self.root.isfile():
            return [Manifest(self.root, KNOWN.get(self.root.stem))]
        names = self.root.find((SUFFIX,))
        if not names:
            raise EmptySourceError(f"{self.root.url}: looked for {NAME} or other *{SUFFIX}, and found none")
        found = []
        for name in names:
            stem = name.rpartition("/")[2].removesuffix(SUFFIX)
            other = stem if len(names) > 1 and stem != "output" else None
            found.append(Manifest(self.root / name, KNOWN.get(stem, other)))
        return found

    def _look(self, manifest: Manifest) -> None:
        """Parse every line for what the schema needs, and note where the sound ones stand."""
        for number, start, body in _lines(manifest.file):
            try:
                with at(file=manifest.file.url, position=f"line {number}"):
                    line = self._parse(body)
                    self._survey.add(line, f"{manifest.file.name}, line {number}")
                faults = [fault for label in line.labels.values() for fault in label.faults]
                for fault in faults:
                    fault.file, fault.position = manifest.file.url, f"line {number}, {fault.position}"
                self._errors += faults
                self._objects_skipped += len(faults)
                masks = tuple(m.value for m in line.labels.values() if m.kind == MASK and m.value is not None)
                manifest.entries.append(Entry(number, start, start + len(body), line.ref, masks))
            except DataError as error:
                self._fail(error)

    def _parse(self, body: bytes) -> Line:
        try:
            return parse(body, skip=self.on_error == "skip")
        except DataError as error:
            error.reason = f"{error.position}: {error.reason}" if error.position else error.reason
            error.position = None  # the line stands there
            raise

    def _fail(self, error: DataError) -> None:
        if self.on_error == "raise":
            raise error
        self._errors.append(error)

    def _name(self, manifests: list[Manifest], media: Location) -> None:
        """Give every entry the path and the id of its image."""
        refs = [entry.ref for manifest in manifests for entry in manifest.entries]
        local = media.find(IMAGE_SUFFIXES) if media.exists() and references.are_urls(refs) else []
        self._survey.prefix = prefix = references.prefix(refs, local, self.options.prefix)
        masks = [mask for manifest in manifests for entry in manifest.entries for mask in entry.masks]
        given = self.options.mask_prefix
        self._survey.mask_prefix = references.mask_prefix(masks, prefix, local, given) if masks else prefix
        for manifest in manifests:
            seen: dict[str, int] = {}
            sound = []
            for entry in manifest.entries:
                try:
                    with at(file=manifest.file.url, position=f"line {entry.number}"):
                        entry.path = references.path(entry.ref, prefix)
                        for mask in entry.masks:
                            references.path(mask, self._survey.mask_prefix)
                        _once(entry, seen)
                    entry.key = entry.path.removeprefix(f"{manifest.split}/")
                    sound.append(entry)
                except DataError as error:
                    self._fail(error)
            manifest.entries = sound
        keys = [entry.key for manifest in manifests for entry in manifest.entries]
        self._shared = len(set(keys)) < len(keys)
        for manifest in manifests if self._shared else ():
            for entry in manifest.entries:
                entry.key = f"{manifest.split}/{entry.key}" if manifest.split else entry.key

    def _make_schema(self, manifests: list[Manifest], media: Location) -> Schema:
        splits = tuple(dict.fromkeys(manifest.split for manifest in manifests if manifest.split))
        columns: dict[str, Any] = {
            "id": features.Value(type=pa.string()),
            "image": features.Image(),
            **({"split": features.Split()} if splits else {}),
            **self._survey.columns(),
        }
        extra = {"prefix": self._survey.prefix, "mask_prefix": self._survey.mask_prefix}
        return Schema(
            columns=columns,
            splits=splits,
            media_root=media.url,
            id_has_split=self._shared,
            extra={"sagemaker": extra},
        )

    def read(self, part: Part, schema: Schema) -> PartRead:
        file, split, entries = part.key
        start = entries[0].start
        with file.open("rb") as stream:
            stream.seek(start)
            block = stream.read(entries[-1].stop - start)
        lines = [self._parse(block[entry.start - start : entry.stop - start]) for entry in entries]
        found: dict[str, pa.Array] = {
            "id": pa.array([entry.key for entry in entries], pa.string()),
            "image": self._images(entries, lines),
            **arrays(self._survey, lines),
        }
        if "split" in self._schema.columns:
            words = pa.array([split] * len(entries), pa.string())
            found["split"] = words.dictionary_encode().cast(features.Split().arrow)
        whole = self._schema
        batch = pa.RecordBatch.from_arrays([found[name] for name in whole.columns], schema=whole.arrow)
        return part_read(batch, whole, schema)

    def _images(self, entries: tuple[Entry, ...], lines: list[Line]) -> pa.Array:
        """Paths and sizes; a size that no label says is that of the image, where it is there."""
        sizes = [list(line.size[:2]) for line in lines]
        unknown = [n for n, size in enumerate(sizes) if None in size]
        place = self.media or (self.root.parent if self.root.isfile() else self.root)
        headers = read_headers(place, [entries[n].path for n in unknown])
        for n, header in zip(unknown, headers, strict=True):
            sizes[n] = list(header.upright) if isinstance(header, ImageHeader) else [None, None]
        sides = [pa.array([size[n] for size in sizes], pa.int32()) for n in (0, 1)]
        paths = pa.array([entry.path for entry in entries], pa.string())
        return pa.StructArray.from_arrays([paths, *sides], fields=list(features.Image().arrow))


def _once(entry: Entry, seen: dict[str, int]) -> None:
    """Refuse a second line for an image."""
    if (other := seen.setdefault(entry.path, entry.number)) != entry.number:
        raise DataError(f"{entry.ref!r} is the image of line {other}, too; expected it once")


def _lines(file: Location) -> Iterator[tuple[int, int, bytes]]:
    """The lines of a file that hold something: number, the place of the first byte, the text.

    Raises:
        DataError: A line has more than 64 MB: this is no file of lines.
    """
    start = 0
    with file.open("rb") as stream:
        for number, line in enumerate(iter(lambda: stream.readline(LONGEST), b""), 1):
            if len(line) == LONGEST:
                raise DataError("found a line of more than 64 MB", file=file.url, position=f"line {number}")
            body = line.removeprefix(BOM) if number == 1 else line
            if body.strip():
                yield number, start + len(line) - len(body), body.rstrip(b"\r\n")
            start += len(line)
