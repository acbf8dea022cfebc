"""References replaced by what they stand for."""

import pytest

from telemetry_platform.contracts.inlining import inlined
from telemetry_platform.errors import ContractError

ENVELOPE = {
    "$defs": {"id": {"type": "string", "description": "an id"}, "other": {"$ref": "#/$defs/id"}},
    "properties": {"player_id": {"$ref": "#/$defs/id"}},
}


def test_a_reference_into_the_envelope_is_written_out_and_the_nearer_description_wins():
    schema = {"properties": {"p": {"$ref": "urn:telemetry:envelope#/$defs/id", "description": "mine"}}}
    assert inlined(schema, ENVELOPE) == {"properties": {"p": {"type": "string", "description": "mine"}}}


def test_a_reference_of_a_reference_is_followed_in_its_own_document():
    schema = {"$ref": "urn:telemetry:envelope#/$defs/other", "$defs": {"id": {"type": "integer"}}}
    assert inlined(schema, ENVELOPE)["type"] == "string"


def test_the_whole_envelope_stays_a_reference():
    schema = {"$ref": "urn:telemetry:envelope", "required": ["properties"]}
    assert inlined(schema, ENVELOPE) == schema


def test_constraints_on_both_sides_of_a_reference_both_hold():
    schema = {"$defs": {"a": {"maxLength": 5}}, "items": {"$ref": "#/$defs/a", "maxLength": 3}}
    assert inlined(schema, ENVELOPE)["items"] == {"maxLength": 3, "allOf": [{"maxLength": 5}]}


def test_a_reference_that_leads_back_to_itself_stays():
    schema = {"$defs": {"tree": {"items": {"$ref": "#/$defs/tree"}}}, "properties": {"p": {"$ref": "#/$defs/tree"}}}
    assert inlined(schema, ENVELOPE)["properties"]["p"] == {"items": {"$ref": "#/$defs/tree"}}


def test_values_that_look_like_schemas_are_left_alone():
    schema = {"const": {"$ref": "#/nowhere"}, "properties": {"enum": {"enum": [{"$ref": "x"}]}}}
    assert inlined(schema, ENVELOPE) == schema


def test_a_reference_that_leads_nowhere_is_an_error():
    with pytest.raises(ContractError, match="leads nowhere"):
        inlined({"$ref": "#/$defs/nobody"}, ENVELOPE)
