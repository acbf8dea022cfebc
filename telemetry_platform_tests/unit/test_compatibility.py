"""What counts as a break of a released schema, and what is the way a version grows."""

from typing import Any

import pytest

from telemetry_platform.contracts.compatibility import Break, breaking_changes

TEXT = {"type": "string"}
WHOLE = {"type": "integer"}


def of(**properties: Any) -> dict[str, Any]:
    """Return an open object with these properties."""
    return {"type": "object", "properties": properties}


def found(released: Any, present: Any) -> list[tuple[str, str]]:
    return [(one.pointer, one.problem) for one in breaking_changes(released, present)]


@pytest.mark.parametrize(
    ("was", "now", "keyword"),
    [
        (TEXT, WHOLE, "type"),
        ({"type": ["string", "integer"]}, TEXT, "type"),
        ({"type": "number"}, WHOLE, "type"),
        ({}, TEXT, "type"),
        ({"enum": ["a", "b"]}, {"enum": ["a"]}, "enum"),
        (TEXT, TEXT | {"enum": ["a"]}, "enum"),
        ({"const": 1}, {"const": 2}, "const"),
        (WHOLE, WHOLE | {"minimum": 0}, "minimum"),
        (WHOLE | {"minimum": 0}, WHOLE | {"minimum": 1}, "minimum"),
        (WHOLE | {"maximum": 9}, WHOLE | {"maximum": 8}, "maximum"),
        ({"type": "number", "minimum": 0}, {"type": "number", "minimum": 0, "exclusiveMinimum": 0}, "exclusiveMinimum"),
        ({"type": "number"}, {"type": "number", "exclusiveMaximum": 1}, "exclusiveMaximum"),
        (WHOLE | {"multipleOf": 2}, WHOLE | {"multipleOf": 4}, "multipleOf"),
        (TEXT, TEXT | {"minLength": 1}, "minLength"),
        (TEXT | {"maxLength": 9}, TEXT | {"maxLength": 8}, "maxLength"),
        (TEXT, TEXT | {"pattern": "^a"}, "pattern"),
        (TEXT | {"pattern": "^[ab]"}, TEXT | {"pattern": "^a"}, "pattern"),
        (TEXT, TEXT | {"format": "date"}, "format"),
        (TEXT | {"format": "date"}, TEXT | {"format": "uuid"}, "format"),
        ({"type": "array"}, {"type": "array", "maxItems": 3}, "maxItems"),
        ({"type": "array"}, {"type": "array", "uniqueItems": True}, "uniqueItems"),
        ({"type": "object"}, {"type": "object", "maxProperties": 3}, "maxProperties"),
        ({"type": "object"}, {"type": "object", "propertyNames": {"maxLength": 3}}, "propertyNames"),
        ({"type": "object"}, {"type": "object", "dependentRequired": {"a": ["b"]}}, "dependentRequired"),
        (TEXT, TEXT | {"not": {"const": "a"}}, "not"),
        (TEXT, TEXT | {"allOf": [{"minLength": 1}]}, "allOf"),
        ({"anyOf": [TEXT, WHOLE]}, {"anyOf": [TEXT]}, "anyOf"),
    ],
)
def test_a_property_that_takes_less_is_a_break_and_the_keyword_is_named(was, now, keyword):
    assert [pointer for pointer, _ in found(of(p=was), of(p=now))] == [f"/properties/p/{keyword}"]


@pytest.mark.parametrize(
    ("was", "now"),
    [
        ({"enum": ["a"]}, {"enum": ["a", "b"]}),
        ({"enum": ["a"]}, {"type": "string", "enum": ["a"]}),
        ({"enum": ["EUR"]}, TEXT | {"pattern": "^[A-Z]{3}$"}),
        (WHOLE | {"minimum": 1}, WHOLE | {"minimum": 0}),
        (WHOLE | {"minimum": 1}, WHOLE | {"exclusiveMinimum": 0}),
        (WHOLE | {"maximum": 8}, WHOLE),
        (WHOLE | {"multipleOf": 4}, WHOLE | {"multipleOf": 2}),
        (TEXT | {"maxLength": 8}, TEXT | {"maxLength": 9}),
        (TEXT | {"pattern": "^a", "maxLength": 8}, TEXT | {"maxLength": 8}),
        (TEXT | {"format": "uuid"}, TEXT),
        (TEXT, TEXT | {"minimum": 5}),
        (TEXT, TEXT | {"description": "other words", "title": "t", "examples": ["x"]}),
        ({"anyOf": [TEXT, WHOLE]}, {"anyOf": [WHOLE, TEXT]}),
        (TEXT, {"type": ["string", "integer"]}),
        (True, True),
    ],
)
def test_a_property_that_takes_as_much_or_more_is_no_break(was, now):
    assert found(of(p=was), of(p=now)) == []


def test_a_removed_property_is_a_break_although_its_values_would_still_be_kept():
    assert breaking_changes(of(p=TEXT, q=TEXT), of(q=TEXT)) == [Break("/properties/p", "property removed", TEXT, None)]


def test_a_further_optional_property_is_no_break():
    assert found(of(p=TEXT), of(p=TEXT, q=WHOLE)) == []


def test_a_further_property_of_a_closed_object_is_no_break():
    closed = {"additionalProperties": False}
    assert found(of(p=TEXT) | closed, of(p=TEXT, q=WHOLE) | closed) == []


def test_a_new_required_property_is_a_break():
    was, now = of(p=TEXT) | {"required": ["p"]}, of(p=TEXT, q=TEXT) | {"required": ["p", "q"]}
    assert breaking_changes(was, now) == [Break("/required", "takes less", ["p"], ["p", "q"])]


def test_a_new_required_property_of_a_closed_object_is_a_break():
    closed = {"additionalProperties": False}
    assert found(of(p=TEXT) | closed, of(p=TEXT) | closed | {"required": ["p"]}) == [("/required", "constraint added")]


def test_a_property_that_is_no_longer_required_is_no_break():
    assert found(of(p=TEXT) | {"required": ["p"]}, of(p=TEXT)) == []


def test_closing_an_open_object_is_a_break_and_opening_a_closed_one_is_none():
    assert found(of(p=TEXT), of(p=TEXT) | {"additionalProperties": False}) == [
        ("/additionalProperties", "constraint added")
    ]
    assert found(of(p=TEXT) | {"additionalProperties": False}, of(p=TEXT)) == []


def test_narrowing_what_unknown_properties_may_be_is_a_break():
    was, now = {"additionalProperties": {"type": ["string", "integer"]}}, {"additionalProperties": TEXT}
    assert found(was, now) == [("/additionalProperties/type", "takes less")]


@pytest.mark.parametrize(
    ("was", "now"),
    [
        (WHOLE, {"type": "number"}),
        (WHOLE, {"type": ["integer", "string"]}),
        ({"type": "boolean"}, {"type": ["boolean", "string"]}),
        (TEXT | {"format": "date-time"}, TEXT),
        (WHOLE, {}),
    ],
)
def test_a_property_whose_column_would_change_its_type_is_a_break(was, now):
    (only,) = breaking_changes(of(p=was), of(p=now))
    assert only.pointer == "/properties/p"
    assert "its column changes from" in only.problem


def test_breaks_are_found_at_any_depth_and_pointers_are_escaped():
    was = of(**{"a/b~c": {"type": "array", "items": of(q=WHOLE | {"maximum": 5})}})
    now = of(**{"a/b~c": {"type": "array", "items": of(q=WHOLE | {"maximum": 4})}})
    assert breaking_changes(was, now) == [
        Break("/properties/a~1b~0c/items/properties/q/maximum", "takes less", 5, 4),
    ]


def test_every_break_is_reported():
    was, now = of(p=TEXT, q=WHOLE, r=TEXT), of(p=TEXT | {"minLength": 1, "maxLength": 5}, q=TEXT)
    assert [pointer for pointer, _ in found(was, now)] == [
        "/properties/p/minLength",
        "/properties/p/maxLength",
        "/properties/q/type",
        "/properties/r",
    ]


def test_keywords_that_only_together_take_less_are_all_named():
    was = {"type": "number", "minimum": 0, "exclusiveMaximum": 10}
    now = {"type": "number", "if": {"minimum": 5}, "then": {"maximum": 6}, "minimum": 0, "exclusiveMaximum": 10}
    assert {pointer for pointer, _ in found(was, now)} == {"/if", "/then"}


def test_a_schema_that_refuses_everything_is_a_break():
    assert found(of(p=True), of(p=False)) == [("/properties/p", "takes less")]
    assert found(of(p=False), of(p=True)) == []


def test_what_cannot_be_decided_counts_as_a_break():
    was, now = TEXT | {"pattern": "^a"}, TEXT | {"pattern": "^[ab]"}
    assert found(was, now) == [("/pattern", "takes less")]


def test_a_reference_to_the_envelope_that_is_new_is_a_break():
    assert found({}, {"$ref": "urn:telemetry:envelope"}) == [("/$ref", "constraint added")]
    assert found({"$ref": "urn:telemetry:envelope"}, {}) == []
