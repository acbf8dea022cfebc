"""The event schemas as their files say, built in and a game's own."""

import json
import re
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from telemetry_platform.errors import ContractError

Schema = dict[str, Any]
EventType = tuple[str, int]

ENVELOPE_ID = "urn:telemetry:envelope"
_VERSION_FILE = re.compile(r"(?P<version>[1-9]\d{0,8})\.json")
_FLAT_FILE = re.compile(r"(?P<name>[a-z][a-z0-9_]{0,63})\.(?P<version>[1-9]\d{0,8})\.json")
_EVENT_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")


@cache
def envelope() -> Schema:
    """Schema of what every event has in common."""
    return _read(builtin_folder() / "envelope.json")


@cache
def event_schemas() -> dict[EventType, Schema]:
    """Schema of each built-in event by name and version."""
    return {
        (folder.name, int(found["version"])): _read(file)
        for folder in builtin_folder().iterdir()
        if folder.is_dir()
        for file in folder.iterdir()
        if (found := _VERSION_FILE.fullmatch(file.name))
    }


def own_schemas(folder: Path) -> dict[EventType, Schema]:
    """Schemas a game registered: `<event>/<version>.json` or `<event>.<version>.json` in its events folder.

    A file may describe the whole event, as the built-in ones do, or its `properties` alone; both are
    returned as schemas of the whole event. Raises ContractError for a file that cannot be used.
    """
    found: dict[EventType, Schema] = {}
    for path in schema_files(folder):
        flat = _FLAT_FILE.fullmatch(path.name)
        name = flat["name"] if flat else path.parent.name
        version = int(flat["version"] if flat else path.stem)
        if not _EVENT_NAME.fullmatch(name):
            raise ContractError(f"{path}: {name!r} is no event name: use lower-case letters, digits and `_`.")
        if (name, version) in found:
            raise ContractError(f"{path}: {name} version {version} is there twice. Remove one of the files.")
        found[name, version] = _whole_event(_read(path), name, version)
    return found


def schema_files(folder: Path) -> list[Path]:
    """Return the files under a game's events folder that hold a schema; examples and other files do not count."""
    nested = [path for path in folder.glob("*/*.json") if _VERSION_FILE.fullmatch(path.name)]
    return sorted(nested + [path for path in folder.glob("*.json") if _FLAT_FILE.fullmatch(path.name)])


def builtin_folder() -> Traversable:
    """Folder of the built-in schemas and their examples."""
    return files("telemetry_platform.contracts") / "events"


def _whole_event(schema: Schema, name: str, version: int) -> Schema:
    """Put the envelope around a schema that describes the properties alone."""
    described = schema.get("properties", {})
    identity = {"event_name": {"const": name}, "event_version": {"const": version}}
    if "$ref" in schema or "allOf" in schema or "event_name" in described or "properties" in described:
        return {"$ref": ENVELOPE_ID, **schema, "properties": {**described, **identity}}
    title = schema.get("title", name)
    whole: Schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:telemetry:{name}:{version}",
    }
    inner = {key: value for key, value in schema.items() if key not in {"$schema", "$id", "$defs"}}
    if "$defs" in schema:
        # References are written from the file's top, which is the whole event's from here on.
        whole["$defs"] = schema["$defs"]
    needs = ["properties"] if inner.get("required") else []
    return whole | {
        "title": title,
        "description": schema.get("description", ""),
        "$ref": ENVELOPE_ID,
        "properties": {**identity, "properties": inner},
        "required": needs,
    }


def _read(file: Traversable | Path) -> Schema:
    try:
        schema = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ContractError(f"{file} cannot be read as JSON: {error}.") from error
    if not isinstance(schema, dict):
        raise ContractError(f"{file} must hold a JSON object, the schema.")
    return schema
