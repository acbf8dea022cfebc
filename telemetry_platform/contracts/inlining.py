"""References of a schema replaced by what they stand for, so that a schema can be read from one document."""

from typing import Any

from telemetry_platform.contracts.schemas import ENVELOPE_ID, Schema
from telemetry_platform.errors import ContractError

ANNOTATIONS = frozenset(
    {
        *("$id", "$schema", "$defs", "$comment", "$anchor", "title", "description", "default", "examples"),
        *("deprecated", "readOnly", "writeOnly", "contentEncoding", "contentMediaType", "contentSchema"),
    }
)
_MAPS = frozenset({"properties", "patternProperties", "dependentSchemas", "$defs"})
_LISTS = frozenset({"allOf", "anyOf", "oneOf", "prefixItems"})
_SINGLE = frozenset(
    {
        *("additionalProperties", "unevaluatedProperties", "propertyNames", "items", "unevaluatedItems", "contains"),
        *("not", "if", "then", "else"),
    }
)


def inlined(schema: Schema, envelope: Schema) -> Schema:
    """Return `schema` with the definitions it refers to written out in place.

    `envelope` is where references into `urn:telemetry:envelope` lead. The reference to the whole envelope
    stays, for it is compared and documented once, and so does a reference that leads back to itself.
    Raises ContractError for a reference that leads nowhere.
    """
    return _inline(schema, schema, envelope, ())


def _inline(node: Any, root: Schema, envelope: Schema, under: tuple[tuple[int, str], ...]) -> Any:
    if not isinstance(node, dict):
        return node
    written = {key: _children(key, value, root, envelope, under) for key, value in node.items() if key != "$ref"}
    reference = node.get("$ref")
    if not isinstance(reference, str) or reference == ENVELOPE_ID:
        return node if reference is None and not written else ({"$ref": reference} if reference else {}) | written
    if reference.startswith(f"{ENVELOPE_ID}#"):
        home, place = envelope, reference.removeprefix(f"{ENVELOPE_ID}#")
    elif reference.startswith("#"):
        home, place = root, reference.removeprefix("#")
    else:
        return {"$ref": reference} | written
    step = (id(home), place)
    if step in under:
        return {"$ref": reference} | written
    return _merged(_inline(_at(home, place), home, envelope, (*under, step)), written)


def _children(key: str, value: Any, root: Schema, envelope: Schema, under: tuple[tuple[int, str], ...]) -> Any:
    if key in _MAPS and isinstance(value, dict):
        return {name: _inline(child, root, envelope, under) for name, child in value.items()}
    if key in _LISTS and isinstance(value, list):
        return [_inline(child, root, envelope, under) for child in value]
    return _inline(value, root, envelope, under) if key in _SINGLE else value


def _merged(target: Any, beside: Schema) -> Schema:
    """Put what stands beside a reference over its target: both constrain, the nearer description wins."""
    if isinstance(target, dict) and not (target.keys() & beside.keys()) - ANNOTATIONS:
        return target | beside
    return beside | {"allOf": [target, *beside.get("allOf", [])]}


def _at(document: Schema, place: str) -> Any:
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
