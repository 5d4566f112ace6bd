"""Decode a COCO JSON into its skeleton: typed small values, everything else as the text it stands in.

msgspec (https://jcristharif.com/msgspec/) decodes into structs that are made for the file: it refuses
the first key it does not know, the struct gets that key as raw text, and decoding starts again. Real
files name their keys in the first objects, so a retry costs next to nothing, and unknown keys are never
lost.
"""

from __future__ import annotations

import gc
import mmap as mapping
import re
from contextlib import contextmanager
from dataclasses import dataclass, field
from mmap import mmap
from typing import TYPE_CHECKING, Any

import msgspec
import pyarrow as pa
from msgspec import UNSET, Raw, UnsetType

from smalti.errors import DataError
from smalti.formats.coco.faults import not_json, not_utf8
from smalti.formats.coco.keys import ANNOTATION_KEYS, IMAGE_EXTRAS, IMAGE_KEYS, KEYS_MOST, STANDARD, Spec
from smalti.storage.location import BOM

if TYPE_CHECKING:
    from collections.abc import Iterator

    from smalti.storage.location import Location

RETRIES = 16  # decodings of a file before its keys are collected in a pass of their own
BATCH = 4096  # objects decoded at once when keys are collected

# Keys at the top that may stand behind the annotations: not to know them would cost a decoding.
_TOP = ("info", "licenses", "categories", "type", "videos")
_PLACE = re.compile(r"(.*?)(?: - at `(\$.*)`)?", re.DOTALL)


@dataclass(slots=True)
class Section:
    """The images, or the annotations, of one file.

    Attributes:
        objects: Structs; `keys` names their attributes.
        keys: The attribute of each key.
        optional: Keys that some objects may lack (their value is then UNSET).
        types: The type of each key's values, as msgspec was told; Raw for raw texts.
        index: The position of each object in the file's array; null: its position in `objects`.
        faults: Objects that were left out.
        buffer: The file's bytes.
        mapped: The mapping that they are in; null where the file is no local one.
        resident: Its pages have not been given back since they were decoded.
    """

    objects: list[Any]
    keys: dict[str, str]
    optional: frozenset[str]
    types: dict[str, Any]
    index: list[int] | None = None
    faults: list[DataError] = field(default_factory=list)
    buffer: pa.Buffer = field(default_factory=lambda: pa.py_buffer(b""))
    mapped: mmap | None = None
    resident: bool = True

    def has(self, key: str, kind: Any) -> bool:
        """Whether every object has a value of exactly that type."""
        return self.types.get(key) is kind and key not in self.optional

    def place(self, row: int) -> int:
        """The position in the file's array."""
        return row if self.index is None else self.index[row]

    def forget(self) -> None:
        """Give the mapped pages back to the system; they come again from its cache when they are read."""
        if self.mapped is not None and hasattr(self.mapped, "madvise"):
            self.mapped.madvise(mapping.MADV_DONTNEED)
        self.resident = False


@dataclass(slots=True)
class Decoded:
    """One file's skeleton; `top` holds every other key of the file as raw text."""

    url: str
    images: Section | None
    annotations: Section | None
    top: dict[str, Raw]
    is_results: bool = False
    buffer: pa.Buffer = field(default_factory=lambda: pa.py_buffer(b""))


def forget(decoded: Decoded) -> None:
    """Give a file's mapped pages back to the system."""
    for section in (decoded.images, decoded.annotations):
        if section is not None:
            section.forget()


def decode_file(place: Location, *, results: bool, skip: bool) -> Decoded:
    """Decode one file.

    Args:
        place: The file.
        results: It is a flat array of detections.
        skip: Leave out objects of the wrong form, with an error in their section.

    Raises:
        DataError: It is not JSON, or not of COCO's form; with the place.
    """
    with place.mmap() as view:
        start = len(BOM) if view[:3] == BOM else 0
        body = view[start:]
        try:
            decoded = _decode(place.url, body, results=results, skip=skip)
        except RecursionError as error:
            raise DataError(
                "the JSON is nested too deeply; expected COCO's few levels", file=place.url
            ) from error
        except UnicodeDecodeError as error:
            raise not_utf8(place.url, body, start) from error
        except DataError as error:
            error.file = error.file or place.url
            raise
        except msgspec.DecodeError as error:
            if "UTF-8" in str(error):
                raise not_utf8(place.url, body, start) from error
            raise not_json(place.url, body, start, str(error)) from error
        decoded.buffer = pa.py_buffer(body)
        for section in (decoded.images, decoded.annotations):
            if section is not None:
                section.buffer = decoded.buffer
                section.mapped = view.obj if isinstance(view.obj, mmap) else None
        return decoded


def _decode(url: str, body: memoryview, *, results: bool, skip: bool) -> Decoded:
    specs = {
        "images": Spec(IMAGE_KEYS | IMAGE_EXTRAS, tuple(IMAGE_KEYS)),
        "annotations": Spec(ANNOTATION_KEYS, ("image_id", "score") if results else STANDARD),
    }
    top = Spec({}, ())
    for name in _TOP:
        top.add(name, required=False)
    for attempt in range(KEYS_MOST):
        found, complaint = _attempt(body, _whole(specs, top, results=results))
        if complaint is None:
            return _decoded(url, found, specs, top, results=results)
        if attempt == RETRIES:
            _collect_keys(body, specs, top, results=results)
        elif not _adapt(complaint, specs, top, results=results):
            if not skip:
                raise _misformed(complaint, results=results)
            return _salvage(url, body, specs, top, results=results)
    raise DataError("the objects' keys change without end; expected objects that share their keys")


def _attempt(body: memoryview | Raw, kind: Any) -> tuple[Any, str | None]:
    """The decoded value, or msgspec's complaint about its form."""
    try:
        return msgspec.json.decode(body, type=kind), None
    except msgspec.ValidationError as error:
        return None, str(error)


def _whole(specs: dict[str, Spec], top: Spec, *, results: bool, item: Any = None) -> Any:
    types = {name: list[item or spec.struct()] for name, spec in specs.items()}  # type: ignore[misc]  # made here
    if results:
        return types["annotations"]
    return msgspec.defstruct(
        "File",
        [(name, types[name] | None | UnsetType, UNSET) for name in types]
        + [(key.attribute, Raw | UnsetType, UNSET) for key in top.keys.values()],
        rename={key.attribute: name for name, key in top.keys.items()},
        forbid_unknown_fields=True,
        gc=False,
    )


def _adapt(message: str, specs: dict[str, Spec], top: Spec, *, results: bool) -> bool:
    reason, place = _split(message)
    if results:
        return place.startswith("$[") and specs["annotations"].adapt(reason, place)
    for name, spec in specs.items():
        if place.startswith(f"$.{name}["):
            return spec.adapt(reason, place)
    return place == "$" and top.adapt(reason, place)


def _split(message: str) -> tuple[str, str]:
    found = _PLACE.fullmatch(message)
    return (found[1], found[2] or "$") if found else (message, "$")


def _misformed(message: str, *, results: bool) -> DataError:
    reason, place = _split(message)
    hint = None
    if place == "$":
        wanted = "an array of detections" if results else "an object with images, annotations, categories"
        reason, hint = f"{reason} at the top; expected {wanted}", None
    return DataError(reason[:1].lower() + reason[1:], position=place, hint=hint)


def _collect_keys(body: memoryview, specs: dict[str, Spec], top: Spec, *, results: bool) -> None:
    """Take every key of every object, each of them optional: the way for files with very many keys."""
    for name, raws in _raw_sections(body, specs, top, results=results).items():
        spec = specs[name]
        for key in spec.keys.values():
            spec.optional(key)
        for start in range(0, len(raws), BATCH):
            text = b"[" + b",".join(raws[start : start + BATCH]) + b"]"
            for item in msgspec.json.decode(text, type=list[dict[str, Raw]]):
                for key_name in item.keys() - spec.keys.keys():
                    spec.adapt(f"Object contains unknown field `{key_name}`", f"$.{name}")


def _raw_sections(
    body: memoryview, specs: dict[str, Spec], top: Spec, *, results: bool
) -> dict[str, list[Raw]]:
    if results:
        return {"annotations": msgspec.json.decode(body, type=list[Raw])}
    for name in msgspec.json.decode(body, type=dict[str, Raw]):
        if name not in specs and name not in top.keys:
            top.add(name, required=False)
    found = msgspec.json.decode(body, type=_whole(specs, top, results=False, item=Raw))
    return {name: getattr(found, name) or [] for name in specs}


def _salvage(url: str, body: memoryview, specs: dict[str, Spec], top: Spec, *, results: bool) -> Decoded:
    """Decode object by object, and leave out those of the wrong form."""
    try:
        sections = _raw_sections(body, specs, top, results=results)
        found = (
            None if results else msgspec.json.decode(body, type=_whole(specs, top, results=False, item=Raw))
        )
    except msgspec.ValidationError as error:
        raise _misformed(str(error), results=results) from error
    decoded = Decoded(url, None, None, {}, is_results=results)
    for name, raws in sections.items():
        here = "$" if results else f"$.{name}"
        section = _salvaged(raws, specs[name], here)
        for fault in section.faults:
            fault.file = url
        if name == "images":
            decoded.images = section
        else:
            decoded.annotations = section
    if found is not None:
        decoded.top = _top(found, top)
    return decoded


def _salvaged(raws: list[Raw], spec: Spec, here: str) -> Section:
    decoder = msgspec.json.Decoder(spec.struct())
    faults: list[DataError] = []
    good = []
    for row, raw in enumerate(raws):
        while True:
            try:
                decoder.decode(raw)
            except msgspec.ValidationError as error:
                reason, place = _split(str(error))
                if spec.adapt(reason, place):
                    decoder = msgspec.json.Decoder(spec.struct())
                    continue
                faults.append(
                    DataError(reason[:1].lower() + reason[1:], position=f"{here}[{row}]{place[1:]}")
                )
            else:
                good.append(row)
            break
    decode = decoder.decode
    section = _section([decode(raws[row]) for row in good], spec)
    section.index, section.faults = good, faults
    return section


def _decoded(url: str, found: Any, specs: dict[str, Spec], top: Spec, *, results: bool) -> Decoded:
    if results:
        return Decoded(url, None, _section(found, specs["annotations"]), {}, is_results=True)
    made = {}
    for name, spec in specs.items():
        objects = getattr(found, name)
        made[name] = _section(objects, spec) if isinstance(objects, list) else None
    return Decoded(url, made["images"], made["annotations"], _top(found, top))


def _section(objects: list[Any], spec: Spec) -> Section:
    keys = {
        name: key
        for name, key in spec.keys.items()
        if key.required or any(getattr(item, key.attribute) is not UNSET for item in objects)
    }
    return Section(
        objects,
        {name: key.attribute for name, key in keys.items()},
        frozenset(name for name, key in keys.items() if not key.required),
        {name: key.type for name, key in keys.items()},
    )


def _top(found: Any, top: Spec) -> dict[str, Raw]:
    values = {name: getattr(found, key.attribute) for name, key in top.keys.items()}
    return {name: value for name, value in values.items() if value is not UNSET}


@contextmanager
def quiet() -> Iterator[None]:
    """Without the cycle collector, which would walk the growing pile of objects again and again."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()
