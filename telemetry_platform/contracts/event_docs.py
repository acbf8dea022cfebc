"""The reference of the events, written from the titles and descriptions of their schemas."""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from telemetry_platform.contracts.examples import Example
from telemetry_platform.contracts.inlining import inlined
from telemetry_platform.contracts.schemas import ENVELOPE_ID, EventType, Schema
from telemetry_platform.contracts.value_kinds import value_types

_SHOWN_CASE = "full"
_LONGEST_LIST = 12
_CODES_A_LINE = 20
_INTRODUCTION = """# Events

What a game client may send. This page is written by `telemetry schemas docs` from the schema files in
`telemetry_platform/contracts/events`; change those. A client can fetch the schemas themselves from
`GET /v1/schemas` and `GET /v1/schemas/{name}/{version}`, and have events checked by `POST /v1/validate`.

Whole numbers are written as such: to JSON Schema 499.0 and 4.99e2 are integers, here they are refused.
A released version only ever grows: it never takes less, and never gives a property another type.
"""


def document_events(envelope: Schema, events: Mapping[EventType, Schema], examples: Iterable[Example]) -> str:
    """Return the page as Markdown: the envelope, then each event by name and version, then the definitions.

    Of an event's passing examples the one called `full` is shown, or else the first.
    """
    shown: dict[EventType, Any] = {}
    for example in examples:
        if example.is_accepted and (example.case == _SHOWN_CASE or example.event not in shown):
            shown[example.event] = example.document
    parts = [_INTRODUCTION, *_envelope_section(envelope)]
    for event, schema in sorted(events.items()):
        parts.extend(_event_section(event, schema, envelope, shown.get(event)))
    parts.extend(_definitions_section(envelope))
    return "\n".join(parts)


def _envelope_section(envelope: Schema) -> Iterator[str]:
    yield f"## {envelope['title']}\n\n{envelope['description']}\n"
    yield _table(envelope, inlined(envelope, envelope))


def _event_section(event: EventType, schema: Schema, envelope: Schema, example: Any) -> Iterator[str]:
    name, version = event
    yield f"## `{name}`, version {version}\n\n{schema.get('description', '')}\n"
    described = schema.get("properties", {}).get("properties", {})
    if described.get("properties"):
        yield _table(described, inlined(schema, envelope)["properties"]["properties"])
    else:
        yield "No properties of its own.\n"
    if example is not None:
        yield f"```json\n{json.dumps(example, indent=2, ensure_ascii=False)}\n```\n"


def _definitions_section(envelope: Schema) -> Iterator[str]:
    yield "## Definitions\n\nWhat several properties have in common.\n"
    for name, schema in sorted(envelope["$defs"].items()):
        yield f"### {name}\n\n{schema.get('description', '')}\n\n{_sentence(schema)}\n"


def _sentence(schema: Schema) -> str:
    listed = schema.get("enum", [])
    if len(listed) <= _LONGEST_LIST:
        return f"{_types(schema).capitalize()}; {_constraints(schema)}."
    rows = (" ".join(listed[start : start + _CODES_A_LINE]) for start in range(0, len(listed), _CODES_A_LINE))
    return "\n".join([f"{_types(schema).capitalize()}; one of:\n", "```text", *rows, "```"])


def _table(described: Schema, whole: Schema) -> str:
    """One row a property; `described` is as written, with the names of definitions, `whole` has them inlined."""
    rows = ["| Property | Type | Required | Constraints | Description |", "| --- | --- | --- | --- | --- |"]
    required = described.get("required", [])
    either = {name for branch in described.get("anyOf", []) for name in branch.get("required", [])}
    for name, written in described["properties"].items():
        schema = whole["properties"][name]
        definition = written.get("$ref", "").removeprefix("#/$defs/").removeprefix(f"{ENVELOPE_ID}#/$defs/")
        limits = f"[{definition}](#{definition})" if definition else _constraints(schema)
        need = "yes" if name in required else "one of them" if name in either else "no"
        cells = (f"`{name}`", _types(schema), need, limits, schema.get("description", ""))
        rows.append(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |")
    return "\n".join(rows) + "\n"


def _types(schema: Schema) -> str:
    return " or ".join(sorted(value_types(schema), reverse=True)) or "any"


def _constraints(schema: Schema) -> str:
    found = [
        _span(schema.get("minimum"), schema.get("maximum"), ""),
        _span(schema.get("exclusiveMinimum"), schema.get("exclusiveMaximum"), " exclusive"),
        _span(schema.get("minLength") or None, schema.get("maxLength"), " characters"),
        f"one of {', '.join(f'`{value}`' for value in schema['enum'])}" if "enum" in schema else "",
        f"always `{schema['const']}`" if "const" in schema else "",
        f"matches `{schema['pattern']}`" if "pattern" in schema else "",
        f"format `{schema['format']}`" if "format" in schema else "",
    ]
    return "; ".join(one for one in found if one) or "none"


def _span(least: int | float | None, most: int | float | None, unit: str) -> str:
    if least is None and most is None:
        return ""
    if most is None:
        return f"at least {least}{unit}"
    return f"at most {most}{unit}" if least is None else f"{least} to {most}{unit}"
