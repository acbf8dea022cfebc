"""What may change in a schema that has been released: it may take more, never less, and never something else."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import jsonschema_rs
from jsonschema_rs.canonical import CanonicalizationError, Containment

from telemetry_platform.contracts.inlining import ANNOTATIONS
from telemetry_platform.contracts.schemas import Schema
from telemetry_platform.contracts.value_kinds import value_kind

# Keywords whose subschemas are compared one by one, so that a break names the place it is at.
_DESCENDED = ("items", "additionalProperties", "propertyNames", "unevaluatedProperties")


@dataclass(frozen=True)
class Break:
    """One change that turns away what used to be accepted, or that readers would stumble over.

    `pointer` is a JSON pointer into the schema; `was` and `now` are what stands there, None for nothing.
    """

    pointer: str
    problem: str
    was: Any
    now: Any


def breaking_changes(released: Schema, present: Schema) -> list[Break]:
    """Compare two schemas of one event version, their references inlined.

    A break is a property that was removed (its column would go empty), a constraint that no longer takes
    everything it took, and a property whose values become another kind (its column would change type). To
    describe a further optional property is the way a version grows and is none, although values that were
    kept unseen under that name are checked from then on. Whether a constraint is narrower is decided by the
    validator's own algebra of schemas; what it cannot decide counts as narrower.
    """
    return list(_compare(released, present, ""))


def _compare(was: Any, now: Any, pointer: str) -> Iterator[Break]:
    if _constraints(was) == _constraints(now):
        return
    if not isinstance(was, dict) or not isinstance(now, dict):
        if not _covers(was, now):
            yield Break(pointer, "takes less", was, now)
        return
    had, has = was.get("properties", {}), now.get("properties", {})
    for name in had:
        place = f"{pointer}/properties/{_escaped(name)}"
        if name in has:
            yield from _compare(had[name], has[name], place)
        else:
            yield Break(place, "property removed", had[name], None)
    shared = [key for key in _DESCENDED if isinstance(was.get(key), dict) and isinstance(now.get(key), dict)]
    for key in shared:
        yield from _compare(was[key], now[key], f"{pointer}/{key}")
    narrowed = list(_narrowed(_own(was, had, shared), _own(now, had.keys() | has.keys(), shared), pointer))
    yield from narrowed
    if not narrowed and value_kind(was) != value_kind(now):
        kinds = f"its column changes from {value_kind(was)} to {value_kind(now)}"
        yield Break(pointer, kinds, was.get("type", was.get("enum")), now.get("type", now.get("enum")))


def _own(schema: Schema, names: Any, shared: list[str]) -> Schema:
    """Return what a schema says itself: subschemas that are compared on their own take anything here."""
    own: Schema = {key: value for key, value in schema.items() if key not in ANNOTATIONS}
    if "properties" in own or names:
        own["properties"] = dict.fromkeys(names, True)
    return own | dict.fromkeys(shared, True)


def _narrowed(was: Schema, now: Schema, pointer: str) -> Iterator[Break]:
    """Name the keywords that make `now` take less than `was`."""
    if was.get("$ref") != now.get("$ref") and "$ref" in now:
        yield Break(f"{pointer}/$ref", "constraint added", was.get("$ref"), now["$ref"])
    was, now = ({key: value for key, value in one.items() if key != "$ref"} for one in (was, now))
    if was == now or _covers(was, now):
        return
    changed = [key for key in now if key != "properties" and was.get(key) != now[key]]
    alone = [key for key in changed if not _covers(was, was | {key: now[key]})]
    for key in alone or changed:
        yield Break(f"{pointer}/{key}", "takes less" if key in was else "constraint added", was.get(key), now[key])
    if not changed:
        yield Break(pointer, "takes less", was, now)


def _covers(was: Any, now: Any) -> bool:
    """Whether everything `was` accepts is accepted by `now`; what cannot be decided is no."""
    try:
        before, after = (
            jsonschema_rs.canonicalize(one, draft=jsonschema_rs.Draft202012, validate_formats=True, offline=True)
            for one in (was, now)
        )
        return after.covers(before) is Containment.YES
    except (CanonicalizationError, jsonschema_rs.ReferencingError, ValueError):
        return False


def _constraints(schema: Any) -> Any:
    if not isinstance(schema, dict):
        return schema
    return {key: value for key, value in schema.items() if key not in ANNOTATIONS}


def _escaped(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")
