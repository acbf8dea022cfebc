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
def validators() -> dict[EventType, jsonschema_rs.Validator]:
    """Compiled validator of each built-in event, envelope included."""
    registry = jsonschema_rs.Registry([(str(envelope()["$id"]), envelope())])
    return {
        event: jsonschema_rs.validator_for(schema, registry=registry, validate_formats=True)
        for event, schema in event_schemas().items()
    }


def _folder() -> Traversable:
    return files("telemetry_platform.contracts") / "events"


def _read(file: Traversable) -> Schema:
    return json.loads(file.read_text(encoding="utf-8"))
