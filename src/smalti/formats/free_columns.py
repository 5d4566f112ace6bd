"""Columns that a source names as it likes: their types from the JSON values they hold, and back.

https://www.rfc-editor.org/rfc/rfc8259: a column of texts, numbers or flags is one of that type; any other mix is
kept as JSON text.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import pyarrow as pa

from smalti.formats import json_files
from smalti.formats.report import Loss
from smalti.schema import features

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from smalti.schema.features import AnyFeature

INT = (-(2**63), 2**63)
_TYPES = {
    frozenset({"bool"}): pa.bool_(),
    frozenset({"int"}): pa.int64(),
    frozenset({"float"}): pa.float64(),
    frozenset({"int", "float"}): pa.float64(),
    frozenset({"str"}): pa.string(),
}
PLAIN = (pa.types.is_boolean, pa.types.is_integer, pa.types.is_floating, pa.types.is_string)


class Kinds:
    """The kinds of the values that were seen, by key, in the order of appearance."""

    def __init__(self) -> None:
        self.seen: dict[str, set[str]] = {}

    def add(self, values: Mapping[str, Any]) -> None:
        """Look at the values of one sample, or of one object."""
        for key, value in values.items():
            kinds = self.seen.setdefault(key, set())
            if value is not None:
                large = type(value) is int and not INT[0] <= value < INT[1]
                kinds.add("large" if large else type(value).__name__)

    def features(self) -> dict[str, features.Value | features.Json]:
        """A feature for every key that has a value."""
        return {
            key: features.Value(type=_TYPES[frozenset(kinds)])
            if frozenset(kinds) in _TYPES
            else features.Json()
            for key, kinds in self.seen.items()
            if kinds
        }


def array(values: Sequence[Any], feature: features.Value | features.Json) -> pa.Array:
    """A column of JSON values."""
    if isinstance(feature, features.Json):
        return pa.array([None if value is None else json_files.text(value) for value in values], pa.string())
    if pa.types.is_floating(feature.arrow):
        return pa.array([None if value is None else float(value) for value in values], feature.arrow)
    return pa.array(values, feature.arrow)


def is_plain(feature: AnyFeature) -> bool:
    """Whether a column's values are texts, numbers, flags or JSON, so that they can be written as JSON."""
    if isinstance(feature, features.Value | features.Scalar):
        return any(is_(feature.arrow) for is_ in PLAIN)
    return isinstance(feature, features.Json | features.Text)


def value(given: Any, feature: AnyFeature) -> Any:
    """A value of a plain column as it is written; null stays null."""
    return msgspec.json.decode(given) if isinstance(feature, features.Json) and given is not None else given


def retyped(values: Iterable[tuple[str, Any]], field: str) -> list[Loss]:
    """The loss of JSON that reads as something else: texts, numbers and flags in a column of JSON.

    Args:
        values: Samples' ids, each with a value as it is written.
        field: The dotted name of the column.
    """
    plain = [key for key, given in values if given is not None and not isinstance(given, dict | list)]
    if not plain:
        return []
    why = "a text, number or flag in a column of JSON reads as a plain one"
    return [
        Loss(code="json.plain", field=field, kind="change", count=len(plain), reason=why, example=plain[0])
    ]
