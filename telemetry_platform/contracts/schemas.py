"""The event schemas, loaded from their files and compiled."""

import json
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

import jsonschema_rs

Schema = dict[str, Any]
EventType = tuple[str, int]


@cache
def envelope() -> Schema:
    """Schema of what every event has in common."""
    return _read(_folder() / "envelope.json")


@cache
def event_schemas() -> dict[EventType, Schema]:
    """Schema of each built-in event by name and version."""
    return {
        (folder.name, int(file.name.removesuffix(".json"))): _read(file)
        for folder in _folder().iterdir()
        if folder.is_dir()
        for file in folder.iterdir()
        if file.name.removesuffix(".json").isdigit()
    }


@cache
def published_schema(event: EventType) -> Schema:
    """Return an event's schema with the envelope inside, so that it can be used without a further request."""
    return event_schemas()[event] | {"$defs": {"envelope": envelope()}}


@cache
def whole_properties() -> dict[EventType, frozenset[str]]:
    """Properties of each event that are numbers without a fraction.

    To JSON Schema 499.0 is an integer; to Spark's parser it is none, and the money would be lost silently.
    """
    return {
        event: frozenset(
            name
            for name, schema in event_schema["properties"]["properties"].get("properties", {}).items()
            if _is_whole(schema)
        )
        for event, event_schema in event_schemas().items()
    }


@cache
def validators() -> dict[EventType, jsonschema_rs.Validator]:
    """Compiled validator of each built-in event, envelope included."""
    registry = jsonschema_rs.Registry([(str(envelope()["$id"]), envelope())])
    return {
        event: jsonschema_rs.validator_for(schema, registry=registry, validate_formats=True)
        for event, schema in event_schemas().items()
    }


def _is_whole(schema: Schema) -> bool:
    if "$ref" in schema:
        schema = envelope()["$defs"][schema["$ref"].rpartition("/")[2]]
    types = schema.get("type", ())
    return "integer" in ([types] if isinstance(types, str) else types)


def _folder() -> Traversable:
    return files("telemetry_platform.contracts") / "events"


def _read(file: Traversable) -> Schema:
    return json.loads(file.read_text(encoding="utf-8"))
