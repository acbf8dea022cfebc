"""The events a game may send, each with its compiled validator."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, NoReturn

import jsonschema_rs

from telemetry_platform.contracts.inlining import inlined
from telemetry_platform.contracts.schemas import (
    ENVELOPE_ID,
    EventType,
    Schema,
    envelope,
    event_schemas,
    own_schemas,
)
from telemetry_platform.contracts.times import FIRST_YEAR, LAST_YEAR, is_moved_out_of_years
from telemetry_platform.errors import ContractError

_MOST_NAMED = 12
# Of a pattern with lookaround or backreferences, for one text: about a millisecond. Others take linear time.
_MOST_BACKTRACKS = 20_000


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong with an event: where (JSON pointer), what was expected, what was got instead."""

    pointer: str
    expected: str
    got: Any
    message: str


@dataclass(frozen=True)
class EventContract:
    """One version of one event: its schema as in the file, and the compiled form.

    `whole_properties` are those that are numbers without a fraction. To JSON Schema 499.0 is an integer;
    to Spark's parser it is none, and the money would be lost silently.
    """

    name: str
    version: int
    schema: Schema
    validator: jsonschema_rs.Validator
    whole_properties: tuple[str, ...]
    is_builtin: bool

    def published(self) -> Schema:
        """Return the schema with the envelope inside, so that it can be used without a further request."""
        return self.schema | {"$defs": {**self.schema.get("$defs", {}), "envelope": envelope()}}

    def accepts(self, document: Mapping[str, Any]) -> bool:
        """Whether an event fits; `problems` says why not."""
        if not self.validator.is_valid(document):
            return False
        if self.whole_properties:
            properties = document.get("properties", {})
            for name in self.whole_properties:
                if type(properties.get(name)) is float:
                    return False
        return not is_moved_out_of_years(document["created_ts"])

    def problems(self, document: Mapping[str, Any]) -> Iterator[Problem]:
        """Everything that keeps an event from fitting."""
        for error in self.validator.iter_errors(document):
            yield from _explain(error)
        yield from _moved_out_of_years(document)
        properties = document.get("properties")
        if not isinstance(properties, dict):
            return
        for name in self.whole_properties:
            if type(properties.get(name)) is float and properties[name].is_integer():
                pointer = f"/properties/{name}"
                message = f"{pointer}: {properties[name]} must be written without a fraction or an exponent"
                yield Problem(pointer, "a number without a fraction or an exponent", properties[name], message)


class Catalogue:
    """Every event one game may send, by name and version."""

    def __init__(self, contracts: Mapping[EventType, EventContract]) -> None:
        self._contracts = dict(sorted(contracts.items()))
        self.get_by_type = self._contracts.get

    def get(self, name: str, version: int) -> EventContract | None:
        """Return the contract of an event, or None for one that is not registered."""
        return self.get_by_type((name, version))

    def __iter__(self) -> Iterator[EventContract]:
        return iter(self._contracts.values())


@cache
def builtin_catalogue() -> Catalogue:
    """Return the events every game has."""
    return Catalogue(_compile_all(event_schemas(), is_builtin=True))


def game_catalogue(folder: Path) -> Catalogue:
    """Return the built-in events and those of a game's events folder; raises ContractError."""
    own = own_schemas(folder)
    for name, version in own:
        if builtin_names() & {name}:
            raise ContractError(
                f"{folder}: {name} version {version}: {name} is a built-in event. Give your own event another name."
            )
    builtin = {(contract.name, contract.version): contract for contract in builtin_catalogue()}
    return Catalogue(builtin | _compile_all(own, is_builtin=False))


@cache
def builtin_names() -> frozenset[str]:
    """Names no game may register itself."""
    return frozenset(name for name, _ in event_schemas())


def _compile_all(schemas: Mapping[EventType, Schema], *, is_builtin: bool) -> dict[EventType, EventContract]:
    registry = jsonschema_rs.Registry([(ENVELOPE_ID, envelope())])
    return {event: _compile(event, schema, registry, is_builtin=is_builtin) for event, schema in schemas.items()}


def _compile(event: EventType, schema: Schema, registry: jsonschema_rs.Registry, *, is_builtin: bool) -> EventContract:
    name, version = event
    try:
        validator = jsonschema_rs.Draft202012Validator(
            schema,
            registry=registry,
            retriever=_refuse_to_fetch,
            validate_formats=True,
            pattern_options=jsonschema_rs.FancyRegexOptions(backtrack_limit=_MOST_BACKTRACKS),
        )
        whole = _whole_properties(inlined(schema, envelope()))
    except (ValueError, RecursionError, jsonschema_rs.ReferencingError, ContractError) as error:
        raise ContractError(f"The schema of {name} version {version} cannot be used: {_first_line(error)}.") from error
    return EventContract(name, version, schema, validator, whole, is_builtin)


def _whole_properties(written_out: Schema) -> tuple[str, ...]:
    """Names of the event's properties that are whole numbers, wherever in the schema they are described."""
    described = [
        (name, child)
        for inner in _described(written_out, "properties")
        for one in _parts(inner)
        for name, child in one.get("properties", {}).items()
    ]
    return tuple(dict.fromkeys(name for name, child in described if any(map(_is_whole, _parts(child)))))


def _described(schema: Any, name: str) -> Iterator[Any]:
    return (one["properties"][name] for one in _parts(schema) if name in one.get("properties", {}))


def _parts(schema: Any) -> Iterator[Schema]:
    """A schema and those that hold beside it in `allOf`, at any depth."""
    if isinstance(schema, dict):
        yield schema
        for one in schema.get("allOf", ()):
            yield from _parts(one)


def _moved_out_of_years(document: Mapping[str, Any]) -> Iterator[Problem]:
    created = document.get("created_ts")
    if isinstance(created, str) and f"{FIRST_YEAR}" <= created[:4] <= f"{LAST_YEAR}" and is_moved_out_of_years(created):
        expected = f"a time within the years {FIRST_YEAR} to {LAST_YEAR}, in UTC too"
        yield Problem("/created_ts", expected, created, f"/created_ts: {created} is not {expected}")


def _explain(error: jsonschema_rs.ValidationError) -> Iterator[Problem]:
    """Say what a validator found; an unexpected key is pointed at itself rather than at what holds it."""
    place, kind = error.instance_path, error.kind
    if kind.name == "additionalProperties" and isinstance(error.instance, dict):
        for key in kind.value:
            pointer = _pointer([*place, key])
            yield Problem(pointer, "no such key", error.instance[key], f"{pointer}: the key is not known here")
        return
    pointer = _pointer(place)
    yield Problem(pointer, f"{kind.name} {_text(kind.value)}", error.instance, f"{pointer}: {error.message}")


def _text(value: Any) -> str:
    if isinstance(value, list):
        shown = ", ".join(str(item) for item in value[:_MOST_NAMED])
        return shown if len(value) <= _MOST_NAMED else f"{shown}, … ({len(value)} in all)"
    return str(value)


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]


def _refuse_to_fetch(uri: str) -> NoReturn:
    raise ValueError(f"{uri} is not one of the schemas here, and none is fetched from elsewhere")


def _is_whole(schema: Schema) -> bool:
    types = schema.get("type", ())
    named = [types] if isinstance(types, str) else types
    return "integer" in named and "number" not in named


def _pointer(path: list[str | int]) -> str:
    """Write a path as RFC 6901 says; the event itself is the empty pointer, shown as `/`."""
    return "/" + "/".join(str(part).replace("~", "~0").replace("/", "~1") for part in path)
