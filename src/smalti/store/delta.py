"""A Delta log beside the data: the newest version's files, for engines that read Delta tables.

No data is copied: the log names the same Parquet files. It is a window for readers, not the store: smalti never
reads samples by it, and what others write to the table is no version.

Source: https://github.com/delta-io/delta/blob/master/PROTOCOL.md
"""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from smalti.errors import DataError, SchemaError
from smalti.storage.commit import put_if_absent
from smalti.storage.durable import make_folder

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from smalti.storage.location import Location
    from smalti.store.history import History, Snapshot

LOG = "_delta_log"
APP = "smalti"  # whose transactions: their versions are those of the store
READER, WRITER = 1, 2  # the oldest protocol: every reader knows it
# Unsigned integers become the next wider signed ones, as Spark itself reads them.
TYPES = {
    pa.string(): "string",
    pa.large_string(): "string",
    pa.binary(): "binary",
    pa.large_binary(): "binary",
    pa.bool_(): "boolean",
    pa.int8(): "byte",
    pa.uint8(): "short",
    pa.int16(): "short",
    pa.uint16(): "integer",
    pa.int32(): "integer",
    pa.uint32(): "long",
    pa.int64(): "long",
    pa.uint64(): "decimal(20,0)",
    pa.float32(): "float",
    pa.float64(): "double",
    pa.date32(): "date",
}


def publish(history: History) -> int:
    """Let the Delta table beside the data have the files of the newest version.

    Returns:
        The table's version, from 0. Nothing is written where it is true already.

    Raises:
        SchemaError: A column's type is none that Delta has: half floats, durations, times of day.
        DataError: The log is not as smalti leaves it: another tool wrote to the table.
    """
    history.prepare()
    folder = history.root / LOG
    make_folder(folder)
    while True:
        snapshot = history.newest()
        schema = _schema(snapshot.schema.storable.arrow)
        told = [*_told(folder)]
        if told and told[-1]["txn"]["version"] == snapshot.number:
            return len(told) - 1
        body = "\n".join(json.dumps(action) for action in _actions(snapshot, schema, told))
        if put_if_absent(_place(folder, len(told)), body.encode(), single_writer=history.single_writer):
            return len(told)


def _actions(snapshot: Snapshot, schema: str, told: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """What a commit says: what changes against those that were told."""
    moment = int(snapshot.manifest.when.timestamp() * 1000)
    manifest = snapshot.manifest
    yield {
        "commitInfo": {
            "timestamp": moment,
            "operation": "WRITE",
            "operationParameters": {},
            "engineInfo": APP,
        }
    }
    if not told:
        yield {"protocol": {"minReaderVersion": READER, "minWriterVersion": WRITER}}
    yield from _metadata(snapshot, schema, [commit["metaData"] for commit in told if "metaData" in commit])
    yield {"txn": {"appId": APP, "version": manifest.version, "lastUpdated": moment}}
    there = _files(told)
    now = {file.path: file for file in snapshot.files}
    for path in there - now.keys():
        yield {"remove": {"path": path, "deletionTimestamp": moment, "dataChange": True}}
    for path in now.keys() - there:
        yield {
            "add": {
                "path": path,
                "partitionValues": {},
                "size": now[path].size,
                "modificationTime": moment,
                "dataChange": True,
                "stats": json.dumps({"numRecords": now[path].rows}),
            }
        }


def _metadata(snapshot: Snapshot, schema: str, before: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The table's description, where it is not what it was."""
    if before and before[-1]["schemaString"] == schema:
        return
    manifest = snapshot.manifest
    yield {
        "metaData": {
            "id": before[0]["id"] if before else str(uuid.uuid4()),
            "description": f"version {manifest.version}, digest {manifest.digest}",
            "format": {"provider": "parquet", "options": {}},
            "schemaString": schema,
            "partitionColumns": [],
            "configuration": {},
            "createdTime": int(manifest.when.timestamp() * 1000),
        }
    }


def _files(told: Iterable[dict[str, Any]]) -> set[str]:
    """The files that the table has after its commits."""
    there: set[str] = set()
    for commit in told:
        there -= commit["removed"]
        there |= commit["added"]
    return there


def _told(folder: Location) -> Iterator[dict[str, Any]]:
    """What the commits say that are there, in their order."""
    if not folder.is_local:
        folder.fs.invalidate_cache()
    for number in range(sum(name.endswith(".json") for name in folder.find())):
        place = _place(folder, number)
        try:
            actions = [json.loads(line) for line in place.read_bytes().splitlines()]
        except (FileNotFoundError, ValueError) as error:
            raise _foreign(place) from error
        said: dict[str, Any] = {"added": set(), "removed": set()}
        for action in actions:
            if "add" in action:
                said["added"].add(action["add"]["path"])
            elif "remove" in action:
                said["removed"].add(action["remove"]["path"])
            else:
                said.update(action)
        if said.get("txn", {}).get("appId") != APP:
            raise _foreign(place)
        yield said


def _foreign(place: Location) -> DataError:
    return DataError(
        "found a log that is not smalti's alone; expected nobody else to write to the table",
        file=place.url,
        hint=f"remove the folder {LOG} and publish again",
    )


def _place(folder: Location, number: int) -> Location:
    return folder / f"{number:020}.json"


def _schema(schema: pa.Schema) -> str:
    return json.dumps(_struct(schema, ""))


def _struct(fields: Iterable[pa.Field], place: str) -> dict[str, Any]:
    told = [
        {"name": one.name, "type": _type(one.type, f"{place}{one.name}"), "nullable": True, "metadata": {}}
        for one in fields
    ]
    return {"type": "struct", "fields": told}


def _type(kind: pa.DataType, place: str) -> str | dict[str, Any]:
    """An Arrow type in the words of the protocol."""
    if isinstance(kind, pa.DictionaryType):
        return _type(kind.value_type, place)
    if isinstance(kind, pa.StructType):
        return _struct(kind, f"{place}.")
    if isinstance(kind, pa.MapType):
        key, value = (_type(one, place) for one in (kind.key_type, kind.item_type))
        return {"type": "map", "keyType": key, "valueType": value, "valueContainsNull": True}
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        return {"type": "array", "elementType": _type(kind.value_type, place), "containsNull": True}
    if isinstance(kind, pa.TimestampType) and kind.tz is not None:
        return "timestamp"
    if isinstance(kind, pa.Decimal128Type):
        return f"decimal({kind.precision},{kind.scale})"
    if kind in TYPES:
        return TYPES[kind]
    raise SchemaError(
        f"column {place!r} is of the type {kind}, which Delta tables do not have; leave it out with select()"
    )
