"""References of a schema replaced by what they stand for, so that a schema can be read from one document."""

from typing import Any

from telemetry_platform.contracts.schemas import ENVELOPE_ID, Schema, referred
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


MOST_NODES = 50_000
"""Subschemas a schema may come to: a few short definitions that refer to each other can stand for millions."""


def inlined(schema: Schema, envelope: Schema) -> Schema:
    """Return `schema` with the definitions it refers to written out in place.

    `envelope` is where references into `urn:telemetry:envelope` lead. The reference to the whole envelope
    stays, for it is compared and documented once, and so does a reference that leads back to itself.
    Raises ContractError for a reference that leads nowhere, and for a schema that is too large written out.
    """
    try:
        return _Inlining(envelope).inline(schema, schema, ())
    except RecursionError:
        raise ContractError("The schema nests too deep to be written out. Make it flatter.") from None


class _Inlining:
    def __init__(self, envelope: Schema) -> None:
        self._envelope = envelope
        self._nodes = 0

    def inline(self, node: Any, root: Schema, under: tuple[tuple[int, str], ...]) -> Any:
        if not isinstance(node, dict):
            return node
        self._nodes += 1
        if self._nodes > MOST_NODES:
            raise ContractError(f"The schema comes to more than {MOST_NODES} subschemas: refer to fewer definitions.")
        if isinstance(node.get("$id"), str):
            # References inside are written from here: it is a resource of its own.
            root = node
        written = {key: self._children(key, value, root, under) for key, value in node.items() if key != "$ref"}
        reference = node.get("$ref")
        if not isinstance(reference, str) or reference == ENVELOPE_ID:
            return node if reference is None and not written else ({"$ref": reference} if reference else {}) | written
        if reference.startswith(f"{ENVELOPE_ID}#"):
            home, place = self._envelope, reference.removeprefix(f"{ENVELOPE_ID}#")
        elif reference.startswith("#"):
            home, place = root, reference.removeprefix("#")
        else:
            return {"$ref": reference} | written
        step = (id(home), place)
        if step in under:
            return {"$ref": reference} | written
        return _merged(self.inline(referred(home, place), home, (*under, step)), written)

    def _children(self, key: str, value: Any, root: Schema, under: tuple[tuple[int, str], ...]) -> Any:
        if key in _MAPS and isinstance(value, dict):
            return {name: self.inline(child, root, under) for name, child in value.items()}
        if key in _LISTS and isinstance(value, list):
            return [self.inline(child, root, under) for child in value]
        return self.inline(value, root, under) if key in _SINGLE else value


def _merged(target: Any, beside: Schema) -> Schema:
    """Put what stands beside a reference over its target: both constrain, the nearer description wins."""
    if isinstance(target, dict) and not (target.keys() & beside.keys()) - ANNOTATIONS:
        return target | beside
    return beside | {"allOf": [target, *beside.get("allOf", [])]}
