"""Spark columns of what clients send, derived from the JSON Schema files that validate it."""

from collections.abc import Iterable, Sequence

from pyspark.sql.types import (
    BooleanType,
    DataType,
    DoubleType,
    IntegerType,
    LongType,
    StringType,
    StructField,
    StructType,
    TimestampType,
)

from telemetry_platform.contracts.inlining import inlined
from telemetry_platform.contracts.schemas import Schema, envelope, event_schemas
from telemetry_platform.contracts.value_kinds import ValueKind, value_kind
from telemetry_platform.errors import ContractError

_TYPES: dict[ValueKind, DataType] = {
    "text": StringType(),
    "timestamp": TimestampType(),
    "integer": LongType(),
    "number": DoubleType(),
    "boolean": BooleanType(),
}


def envelope_columns() -> StructType:
    """Columns of the keys a client sends; `properties` is its JSON text.

    `event_version` is 32 bits wide, as its bounds allow; every other whole number is a LONG, so that a
    wider bound never changes a column.
    """
    columns = _columns(inlined(envelope(), envelope()))
    return StructType(
        [StructField(one.name, IntegerType()) if one.name == "event_version" else one for one in columns.fields]
    )


def properties_columns(event_name: str, version: int) -> StructType:
    """Columns of a built-in event's own properties; those the schema does not name are not among them.

    Raises ContractError for an event that is not built in.
    """
    schema = event_schemas().get((event_name, version))
    if schema is None:
        raise ContractError(f"There is no built-in event {event_name} version {version}.")
    return _columns(inlined(schema, envelope())["properties"]["properties"])


def columns_of_events(event_names: Iterable[str], properties: Sequence[str]) -> StructType:
    """Columns of `properties` over every version of the named built-in events, in that order.

    Raises ContractError for a property that none of them has, or whose type they do not agree on.
    """
    names = set(event_names)
    found: dict[str, set[DataType]] = {name: set() for name in properties}
    for name, version in event_schemas():
        if name in names:
            for column in properties_columns(name, version).fields:
                found.setdefault(column.name, set()).add(column.dataType)
    for name in properties:
        if len(found[name]) != 1:
            kinds = ", ".join(sorted(kind.simpleString() for kind in found[name])) or "no type at all"
            raise ContractError(f"The property {name} of {', '.join(sorted(names))} has not one type but {kinds}.")
    return StructType([StructField(name, found[name].pop()) for name in properties])


def _columns(schema: Schema) -> StructType:
    described = schema.get("properties", {})
    return StructType([StructField(name, _TYPES[value_kind(value)]) for name, value in described.items()])
