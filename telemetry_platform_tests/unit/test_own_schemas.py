"""A game's own schema files: whatever shape they have, the envelope holds, and none takes the collector down."""

import json
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from telemetry_platform.collector.deciding import Rules
from telemetry_platform.collector.decoding import decode
from telemetry_platform.collector.error_types import EventError
from telemetry_platform.collector.policies import GamePolicy
from telemetry_platform.contracts.catalogue import game_catalogue
from telemetry_platform.contracts.released import Contract, contract_breaks, game_contract
from telemetry_platform.contracts.schemas import ENVELOPE_ID, envelope
from telemetry_platform.errors import ContractError
from telemetry_platform.settings import Limits

BOSS = {"type": "object", "properties": {"boss": {"type": "string"}, "hits": {"type": "integer"}}, "required": ["boss"]}
WHOLE = {"properties": {"properties": BOSS}, "required": ["properties"]}

SHAPES: dict[str, Any] = {
    "properties alone": BOSS,
    "properties alone, a reference at the top": {"$ref": "#/$defs/boss", "$defs": {"boss": BOSS}},
    "properties alone, an anchor at the top": {"$ref": "#b", "$defs": {"boss": {"$anchor": "b", **BOSS}}},
    "properties alone, a reference of a reference": {
        "$ref": "#/$defs/first",
        "$defs": {"first": {"allOf": [{"$ref": "#/$defs/boss"}]}, "boss": BOSS},
    },
    "properties alone, allOf at the top": {"allOf": [{"$ref": "#/definitions/boss"}], "definitions": {"boss": BOSS}},
    "properties alone, that refer to each other": {
        "properties": {
            "count": {"type": "integer"},
            "hits": {"$ref": "#/properties/count"},
            "boss": {"type": "string"},
        },
        "required": ["boss"],
    },
    "the whole event": WHOLE,
    "the whole event, the envelope named": {"$ref": ENVELOPE_ID, **WHOLE},
    "the whole event, the envelope named below": {"allOf": [{"$ref": f"{ENVELOPE_ID}#"}], **WHOLE},
    "the whole event, a reference of its own at the top": {"$ref": "#/$defs/event", "$defs": {"event": WHOLE}},
    "the whole event, a reference of its own and more": {
        "$ref": "#/$defs/event",
        "allOf": [{"required": ["platform"]}],
        "$defs": {"event": WHOLE},
    },
    "the whole event, with an envelope of an earlier day": {
        "$ref": "#/$defs/envelope",
        "$defs": {"envelope": {"$id": ENVELOPE_ID, "type": "object"}},
        **WHOLE,
    },
    "the whole event, that calls itself the envelope": {"$id": ENVELOPE_ID, "$ref": ENVELOPE_ID, **WHOLE},
    "the whole event, of an older dialect": {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "$ref": "#/definitions/event",
        "definitions": {"event": WHOLE},
    },
}


def event(**changes: Any) -> dict[str, Any]:
    return {
        "event_id": "7f0c2a56-4a53-4f0e-9a57-4a1f5f3f7f10",
        "event_name": "boss_beaten",
        "event_version": 1,
        "created_ts": "2026-11-23T11:59:50Z",
        "player_id": "p-1",
        "platform": "ios",
        "properties": {"boss": "Ursa", "hits": 3},
    } | changes


def rules_of(folder: Path, schema: Any) -> Rules:
    file = folder / "boss_beaten" / "1.json"
    file.parent.mkdir(parents=True)
    file.write_text(schema if isinstance(schema, str) else json.dumps(schema))
    return Rules(
        policy=GamePolicy("g", timedelta(days=30), game_catalogue(folder)),
        source="collector",
        received=datetime(2026, 11, 23, 12, tzinfo=UTC),
        start_date=date(2023, 1, 1),
        limits=Limits(),
    )


def without(key: str) -> dict[str, Any]:
    return {name: value for name, value in event().items() if name != key}


@pytest.mark.parametrize("schema", SHAPES.values(), ids=SHAPES.keys())
def test_the_envelope_and_what_the_file_says_both_hold(tmp_path: Path, schema: Any):
    wrong = [
        without("event_id"),
        without("created_ts"),
        without("player_id"),
        event(player_id="a\x1fb"),
        event(surprise=1),
        event(event_id="7"),
        event(created_ts="1970-01-01T00:00:00+01:00"),
        event(properties={"hits": 3}),
        event(properties={"boss": 7}),
        event(properties={"boss": "Ursa", "hits": "three"}),
        event(properties={"boss": "Ursa", "hits": 3.0}),
        without("properties"),
    ]
    decoded = decode(json.dumps({"events": [event(), *wrong]}).encode(), rules_of(tmp_path, schema))
    assert len(decoded.records) == 1
    assert [reject.error_type for reject in decoded.rejects] == [EventError.SCHEMA_VIOLATION] * len(wrong)


def test_a_number_that_may_have_a_fraction_may_have_one(tmp_path: Path):
    rules = rules_of(tmp_path, {"properties": {"share": {"type": ["integer", "number"]}}})
    shares = [event(properties={"share": share}) for share in (1, 1.0, 0.5)]
    assert len(decode(json.dumps({"events": shares}).encode(), rules).records) == 3


def test_a_schema_that_refers_to_itself_holds_at_every_level(tmp_path: Path):
    tree = {"properties": {"name": {"type": "string"}, "child": {"$ref": "#"}}}
    rules = rules_of(tmp_path, tree)
    good, bad = ({"child": {"child": {"name": name}}} for name in ("leaf", 7))
    decoded = decode(json.dumps({"events": [event(properties=good), event(properties=bad)]}).encode(), rules)
    assert [reject.index for reject in decoded.rejects] == [1]


DEFINITIONS = {f"d{level}": {"allOf": [{"$ref": f"#/$defs/d{level + 1}"}] * 10} for level in range(9)} | {"d9": BOSS}


@pytest.mark.parametrize(
    "schema",
    [
        {"properties": {"boss": {"$ref": "#/$defs/d0"}}, "$defs": DEFINITIONS},
        {"$ref": "#/$defs/d0", "$defs": DEFINITIONS},
        '{"not":' * 400 + "{}" + "}" * 400,
        '{"not":' * 100_000 + "{}" + "}" * 100_000,
        {"$ref": "#/$defs/nobody"},
        {"$ref": "#nobody"},
        {"allOf": [{"$ref": "https://elsewhere.example/schema"}]},
        {"allOf": {"$ref": "#"}},
        {"properties": ["boss"]},
        {"properties": {"boss": {"pattern": "((a{1000}){1000}){1000}"}}},
        {"properties": {"boss": {"pattern": "(["}}},
        {"properties": {"boss": 7}},
        {"$defs": 7, "$ref": 7},
    ],
)
def test_a_schema_that_cannot_be_used_is_named_at_once(tmp_path: Path, schema: Any):
    started = time.perf_counter()
    with pytest.raises(ContractError, match="boss_beaten"):
        rules_of(tmp_path, schema)
    assert time.perf_counter() - started < 5


@pytest.mark.parametrize("pattern", ["^(a+)+$", "^(?=a)(a|aa|aaa)*(?!x)$", "^(?=(a+)+$)(a|aa)+\\1$", "(.*a){30}$"])
def test_a_pattern_that_could_take_for_ever_does_not(tmp_path: Path, pattern: str):
    rules = rules_of(tmp_path, {"properties": {"boss": {"pattern": pattern}}})
    events = [event(properties={"boss": "a" * 20_000 + "!"})] * 20
    started = time.perf_counter()
    decoded = decode(json.dumps({"events": events}).encode(), rules)
    assert time.perf_counter() - started < 5
    assert {reject.error_type for reject in decoded.rejects} == {EventError.SCHEMA_VIOLATION}


def test_a_released_contract_from_before_properties_had_a_place_of_their_own_is_kept(tmp_path: Path):
    rules_of(tmp_path, {"properties": {"hits": {"$ref": "#/$defs/count"}}, "$defs": {"count": {"type": "integer"}}})
    before = {
        "$id": "urn:telemetry:boss_beaten:1",
        "$ref": ENVELOPE_ID,
        "$defs": {"count": {"type": "integer"}},
        "properties": {
            "event_name": {"const": "boss_beaten"},
            "event_version": {"const": 1},
            "properties": {"properties": {"hits": {"$ref": "#/$defs/count"}}},
        },
        "required": [],
    }
    released = Contract(envelope(), {("boss_beaten", 1): before})
    assert contract_breaks(released, game_contract(tmp_path)) == []
