"""The event schemas as their files say, built in and a game's own."""

import json
import re
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from telemetry_platform.errors import ContractError

Schema = dict[str, Any]
EventType = tuple[str, int]

ENVELOPE_ID = "urn:telemetry:envelope"
_WHOLE_ENVELOPE = (ENVELOPE_ID, f"{ENVELOPE_ID}#")
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
        try:
            found[name, version] = _whole_event(_without_envelope(_read(path)), name, version)
        except ContractError as error:
            raise ContractError(f"{path}: {error}") from error
    return found


def schema_files(folder: Path) -> list[Path]:
    """Return the files under a game's events folder that hold a schema; examples and other files do not count."""
    nested = [path for path in folder.glob("*/*.json") if _VERSION_FILE.fullmatch(path.name)]
    return sorted(nested + [path for path in folder.glob("*.json") if _FLAT_FILE.fullmatch(path.name)])


def builtin_folder() -> Traversable:
    """Folder of the built-in schemas and their examples."""
    return files("telemetry_platform.contracts") / "events"


def _without_envelope(schema: Schema) -> Schema:
    """Put a reference in the place of each copy of the envelope among a file's definitions.

    A schema that a client fetched from the collector holds one. It would stand in for the envelope there is,
    which may have grown since, or hide it.
    """
    definitions = schema.get("$defs")
    if not isinstance(definitions, dict):
        return schema
    kept = {
        name: {"$ref": ENVELOPE_ID} if isinstance(one, dict) and one.get("$id") == ENVELOPE_ID else one
        for name, one in definitions.items()
    }
    return schema | {"$defs": kept}


def _whole_event(schema: Schema, name: str, version: int) -> Schema:
    """Put the envelope around a file's schema, which may describe the whole event or its properties alone.

    The envelope and a reference of the file's own both hold: of two `$ref` in one object only one would.
    """
    identity = {"event_name": {"const": name}, "event_version": {"const": version}}
    if describes_whole_event(schema):
        described = schema.get("properties", {})
        # Its own reference moves; a file that calls itself the envelope would hide the envelope.
        gone = {"$ref", "$id"} if str(schema.get("$id", "")).startswith(ENVELOPE_ID) else {"$ref"}
        whole = {key: value for key, value in schema.items() if key not in gone}
        own = schema.get("$ref", ENVELOPE_ID)
        if own not in _WHOLE_ENVELOPE:
            whole["allOf"] = [{"$ref": own}, *schema.get("allOf", [])]
        return {"$ref": ENVELOPE_ID, **whole, "properties": {**described, **identity}}
    # A resource of its own, so that references written from the file's top still start there.
    inner = {key: value for key, value in schema.items() if key != "$schema"}
    inner["$id"] = f"urn:telemetry:{name}:{version}:properties"
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:telemetry:{name}:{version}",
        "title": schema.get("title", name),
        "description": schema.get("description", ""),
        "$ref": ENVELOPE_ID,
        "properties": {**identity, "properties": inner},
        "required": ["properties"] if _requires_something(schema) else [],
    }


def describes_whole_event(schema: Schema) -> bool:
    """Whether a file's schema is about the whole event: it takes up the envelope, or describes keys of it.

    What it says at its top counts wherever it says it, in references to its own definitions too.
    """
    return any(
        one.get("$ref") in _WHOLE_ENVELOPE or {"event_name", "properties"} & one.get("properties", {}).keys()
        for one in _said_of_the_top(schema)
    )


def _requires_something(schema: Schema) -> bool:
    return any(one.get("required") for one in _said_of_the_top(schema))


def _said_of_the_top(schema: Schema) -> Iterator[Schema]:
    """Every subschema that is about the same value as `schema` itself, through `allOf` and local references."""
    waiting: list[Any] = [schema]
    seen: set[int] = set()
    while waiting:
        one = waiting.pop()
        if not isinstance(one, dict) or id(one) in seen:
            continue
        seen.add(id(one))
        yield one if isinstance(one.get("properties", {}), dict) else one | {"properties": {}}
        branches = one.get("allOf", [])
        waiting.extend(branches if isinstance(branches, list) else [])
        reference = one.get("$ref")
        if isinstance(reference, str) and reference.startswith("#"):
            waiting.append(referred(schema, reference.removeprefix("#")))


def referred(document: Schema, place: str) -> Any:
    """Return what a reference's fragment leads to in `document`: a JSON pointer or an anchor.

    Raises ContractError where it leads nowhere.
    """
    place = unquote(place)
    if place and not place.startswith("/"):
        return _anchored(document, place)
    found: Any = document
    for part in place.split("/")[1:]:
        key = part.replace("~1", "/").replace("~0", "~")
        if isinstance(found, list) and key.isdigit() and int(key) < len(found):
            found = found[int(key)]
        elif isinstance(found, dict) and key in found:
            found = found[key]
        else:
            raise ContractError(f"The reference #{place} leads nowhere. Define it, or correct its spelling.")
    return found


def _anchored(document: Schema, anchor: str) -> Any:
    waiting: list[Any] = [document]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            if anchor in (one.get("$anchor"), one.get("$dynamicAnchor")):
                return one
            waiting.extend(one.values())
        elif isinstance(one, list):
            waiting.extend(one)
    raise ContractError(f"The reference #{anchor} leads nowhere. Define it, or correct its spelling.")


def _read(file: Traversable | Path) -> Schema:
    try:
        schema = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ContractError(f"{file} cannot be read as JSON: {error}.") from error
    if not isinstance(schema, dict):
        raise ContractError(f"{file} must hold a JSON object, the schema.")
    return schema
