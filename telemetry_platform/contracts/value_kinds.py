"""What a property's values are to whoever reads them, as its schema says."""

from typing import Any, Literal

ValueKind = Literal["text", "timestamp", "integer", "number", "boolean"]


def value_kind(schema: Any) -> ValueKind:
    """Return the kind of a property whose references are inlined.

    What has no kind of its own (objects, lists, and values of more than one type) is text: the JSON as sent.
    """
    types = value_types(schema) - {"null"}
    if types == {"string"}:
        return "timestamp" if schema.get("format") == "date-time" else "text"
    if types == {"boolean"}:
        return "boolean"
    if types == {"integer"}:
        return "integer"
    return "number" if types and types <= {"integer", "number"} else "text"


def value_types(schema: Any) -> set[str]:
    """JSON Schema types the values may have; the empty set where the schema does not say."""
    if not isinstance(schema, dict):
        return set()
    if "type" in schema:
        types = schema["type"]
        return {types} if isinstance(types, str) else set(types)
    listed = [schema["const"]] if "const" in schema else schema.get("enum", [])
    return {_type_of(value) for value in listed}


def _type_of(value: Any) -> str:
    match value:
        case bool():
            return "boolean"
        case int():
            return "integer"
        case float():
            return "number"
        case str():
            return "string"
        case None:
            return "null"
        case list():
            return "array"
        case _:
            return "object"
