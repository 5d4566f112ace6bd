"""Decode a COCO JSON into its skeleton: typed small values, everything else as the text it stands in.

msgspec (https://jcristharif.com/msgspec/) decodes into structs that are made for the file: it refuses
the first key it does not know, the struct gets that key as raw text, and decoding starts again. Real
files name their keys in the first objects, so a retry costs next to nothing, and unknown keys are never
lost. Where a file can be cut it is decoded in pieces; see `smalti.formats.coco.pieces`.
"""

from __future__ import annotations

import gc
import re
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import pyarrow as pa
from msgspec import Raw

from smalti.errors import DataError
from smalti.formats.coco.body import Body, opened
from smalti.formats.coco.faults import not_json, not_utf8
from smalti.formats.coco.keys import (
    ANNOTATION_KEYS,
    IMAGE_EXTRAS,
    IMAGE_KEYS,
    KEYS_MOST,
    STANDARD,
    UNKNOWN,
    Spec,
    file_struct,
)
from smalti.formats.coco.pieces import Found, Pieces, others
from smalti.formats.coco.sections import Gathering, Section

if TYPE_CHECKING:
    from collections.abc import Iterator

    from smalti.storage.location import Location

RETRIES = 16  # decodings of a file before its keys are collected in a pass of their own
BATCH = 4096  # objects decoded at once when keys are collected

# Keys at the top that may stand behind the annotations: not to know them would cost a decoding.
_TOP = ("info", "licenses", "categories", "type", "videos")
_PLACE = re.compile(r"(.*?)(?: - at `(\$.*)`)?", re.DOTALL)


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
    """Let go of the values of a file, which are in columns now, and give its mapped pages back to the system."""
    for section in (decoded.images, decoded.annotations):
        if section is not None:
            section.forget()
            section.values = {}


def decode_file(place: Location, *, results: bool, skip: bool) -> Decoded:
    """Decode one file.

    Args:
        place: The file.
        results: It is a flat array of detections.
        skip: Leave out objects of the wrong form, with an error in their section.

    Raises:
        DataError: It is not JSON, or not of COCO's form; with the place.
    """
    with opened(place) as body:
        try:
            found = _decode(body, results=results, skip=skip)
        except RecursionError as error:
            raise DataError(
                "the JSON is nested too deeply; expected COCO's few levels", file=place.url
            ) from error
        except UnicodeDecodeError as error:
            raise not_utf8(place.url, body.view, body.start) from error
        except DataError as error:
            error.file = error.file or place.url
            raise
        except msgspec.DecodeError as error:
            if "UTF-8" in str(error):
                raise not_utf8(place.url, body.view, body.start) from error
            raise not_json(place.url, body.view, body.start, str(error)) from error
        for section in found.sections.values():
            section.buffer, section.mapped = body.buffer, body.mapped
            for fault in section.faults:
                fault.file = place.url
        images, annotations = found.sections.get("images"), found.sections.get("annotations")
        return Decoded(place.url, images, annotations, found.top, results, body.buffer)


def _decode(body: Body, *, results: bool, skip: bool) -> Found:
    specs = {
        "images": Spec(IMAGE_KEYS | IMAGE_EXTRAS, tuple(IMAGE_KEYS)),
        "annotations": Spec(ANNOTATION_KEYS, ("image_id", "score") if results else STANDARD),
    }
    top = Spec({}, ())
    for name in _TOP:
        top.add(name, required=False)
    pieces = Pieces(body)
    for attempt in range(KEYS_MOST):
        try:
            found = pieces.results(specs["annotations"]) if results else pieces.file(specs, top)
            return found or _at_once(body, specs, top, results=results)
        except msgspec.ValidationError as error:
            complaint = str(error)
        if attempt == RETRIES:
            _collect_keys(body.view, specs, top, results=results)
        elif not _adapt(complaint, specs, top, results=results):
            if not skip:
                raise _misformed(complaint, results=results)
            return _salvage(body, specs, top, results=results)
    raise DataError("the objects' keys change without end; expected objects that share their keys")


def _at_once(body: Body, specs: dict[str, Spec], top: Spec, *, results: bool) -> Found:
    """Decode a file that cannot be cut into pieces."""
    kind: Any = list[specs["annotations"].struct()] if results else file_struct(specs, top)  # type: ignore[misc]  # made here
    whole = msgspec.json.decode(body.view, type=kind)
    found = Found({}, {} if results else others(whole, top))
    for name, spec in specs.items():
        objects = getattr(whole, name, None) if not results else whole if name == "annotations" else None
        if isinstance(objects, list):
            gathered = Gathering(spec)
            gathered.add(objects, body.buffer)
            found.sections[name] = gathered.section()
    return found


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
    if found := UNKNOWN.fullmatch(reason):
        reason = f"found the key {found[1]!r}; expected keys without quotation marks, back slashes and control characters"
    elif place == "$":
        wanted = "an array of detections" if results else "an object with images, annotations, categories"
        reason = f"{reason} at the top; expected {wanted}"
    return DataError(reason[:1].lower() + reason[1:], position=place)


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
        unknown = f"Object contains unknown field `{name}`"
        if name not in specs and name not in top.keys and not top.adapt(unknown, "$"):
            raise _misformed(unknown, results=False)
    found = msgspec.json.decode(body, type=file_struct(specs, top, item=Raw))
    return {name: getattr(found, name) or [] for name in specs}


def _salvage(body: Body, specs: dict[str, Spec], top: Spec, *, results: bool) -> Found:
    """Decode object by object, and leave out those of the wrong form."""
    try:
        raws = _raw_sections(body.view, specs, top, results=results)
        whole = None if results else msgspec.json.decode(body.view, type=file_struct(specs, top, item=Raw))
    except msgspec.ValidationError as error:
        raise _misformed(str(error), results=results) from error
    sections = {
        name: _salvaged(some, specs[name], "$" if results else f"$.{name}", body)
        for name, some in raws.items()
    }
    return Found(sections, {} if whole is None else others(whole, top))


def _salvaged(raws: list[Raw], spec: Spec, here: str, body: Body) -> Section:
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
                faults.append(_misformed(f"{reason} - at `{here}[{row}]{place[1:]}`", results=False))
            else:
                good.append(row)
            break
    gathered = Gathering(spec)
    for start in range(0, len(good), BATCH):
        gathered.add([decoder.decode(raws[row]) for row in good[start : start + BATCH]], body.buffer)
    section = gathered.section()
    section.index, section.faults = np.array(good, np.int64), faults
    return section


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
