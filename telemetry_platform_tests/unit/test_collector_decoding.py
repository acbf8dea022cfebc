import gzip
import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import zstandard

from telemetry_platform.collector.deciding import Reject, Rules, decide_one
from telemetry_platform.collector.decoding import Decoded, decode
from telemetry_platform.collector.error_types import EventError, RequestError
from telemetry_platform.collector.limits import RefusedRequest, decompress, depth_of
from telemetry_platform.collector.policies import GamePolicy
from telemetry_platform.collector.privacy import Redactor
from telemetry_platform.settings import Limits

RECEIVED = datetime(2026, 11, 23, 12, tzinfo=UTC)
EVENT = {
    "event_id": "7f0c2a56-4a53-4f0e-9a57-4a1f5f3f7f10",
    "event_name": "level_started",
    "event_version": 1,
    "created_ts": "2026-11-23T11:59:50Z",
    "player_id": "p-1",
    "properties": {"level": "L1", "unknown": [1, {"kept": True}]},
}


def rules(source: Any = "collector", limits: Limits | None = None) -> Rules:
    return Rules(
        policy=GamePolicy("g", timedelta(days=30)),
        source=source,
        received=RECEIVED,
        start_date=date(2023, 1, 1),
        limits=limits or Limits(),
    )


def decode_events(*events: Any, source: Any = "collector", limits: Limits | None = None) -> Decoded:
    body = {"sent_ts": "2026-11-23T11:59:55Z", "events": list(events)}
    return decode(json.dumps(body).encode(), rules(source, limits))


def test_an_accepted_event_is_stamped_and_keeps_all_it_said():
    ((key, value),) = decode_events(EVENT).records
    assert key == "g:p-1"
    assert json.loads(value) == EVENT | {
        "sent_ts": "2026-11-23T11:59:55Z",
        "game_id": "g",
        "received_ts": "2026-11-23T12:00:00Z",
        "event_ts": "2026-11-23T11:59:55Z",
        "source": "collector",
    }


def test_an_event_id_in_capitals_is_the_same_id_in_records_and_rejects():
    capitals = EVENT | {"event_id": EVENT["event_id"].upper()}
    decoded = decode_events(capitals, capitals | {"event_name": "teleported"})
    ((_, value),), (reject,) = decoded.records, decoded.rejects
    assert json.loads(value)["event_id"] == reject.event_id == EVENT["event_id"]
    assert json.loads(reject.raw)["event_id"] == EVENT["event_id"].upper(), "the bytes are kept as they were sent"


@pytest.mark.parametrize(
    ("created", "sent", "expected"),
    [
        ("2022-12-31T23:59:59Z", "2026-11-23T12:00:00Z", EventError.BEFORE_START_DATE),
        ("2023-01-01T00:00:00Z", "2026-11-23T12:00:00Z", None),
        ("2022-12-31T23:59:59Z", None, EventError.BEFORE_START_DATE),
        ("1999-01-01T00:00:00Z", "1999-01-01T00:00:05Z", None),
    ],
)
def test_a_live_event_from_before_the_first_partition_is_refused_by_its_time_on_the_servers_clock(
    created: str, sent: str | None, expected: EventError | None
):
    old = replace(rules(), policy=GamePolicy("g", timedelta(days=3650)))
    decoded = decode(json.dumps({"sent_ts": sent, "events": [EVENT | {"created_ts": created}]}).encode(), old)
    assert [reject.error_type for reject in decoded.rejects] == ([] if expected is None else [expected])


def test_an_event_the_code_fails_on_is_kept_alone_and_the_log_says_where_without_its_payload(
    caplog: pytest.LogCaptureFixture,
):
    no_key: Any = "no bytes"
    failing = GamePolicy("g", timedelta(days=30), redactor=Redactor({"secret": "hash"}, no_key))
    events = [EVENT, EVENT | {"properties": {"level": "L1", "secret": "Ada"}}, EVENT]
    decoded = decode(json.dumps({"events": events}).encode(), replace(rules(), policy=failing))
    (reject,) = decoded.rejects
    assert (reject.index, reject.error_type, len(decoded.records)) == (1, EventError.UNDECIDABLE, 2)
    assert (reject.event_id, reject.event_name) == (EVENT["event_id"], "level_started")
    assert b"Ada" not in reject.raw
    assert "privacy.py" in caplog.text
    assert "Ada" not in caplog.text + reject.error_message


def test_one_event_alone_is_decided_about_as_in_a_batch_with_a_time_of_its_own():
    raw = json.dumps(EVENT).encode()
    ((key, value),) = decode_events(EVENT).records
    sent = datetime(2026, 11, 23, 11, 59, 55, tzinfo=UTC)
    assert decide_one(raw, rules(), sent) == (key, value)
    direct = decide_one(raw, replace(rules("direct"), received=RECEIVED + timedelta(seconds=1)), sent)
    assert isinstance(direct, tuple)
    assert json.loads(direct[1])["source"] == "direct"
    assert json.loads(direct[1])["event_ts"] == "2026-11-23T11:59:56Z"


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"", EventError.UNREADABLE_EVENT),
        (b"[]", EventError.UNREADABLE_EVENT),
        (b'{"a": "' + b"x" * 40_000 + b'"}', EventError.EVENT_TOO_LARGE),
        (b'{"a": "\\u0000"}', EventError.INVALID_STRING),
        (b'{"a": ' + b"[" * 500 + b"]" * 500 + b"}", EventError.TOO_DEEP),
        (b'{"a": 1e999}', EventError.NUMBER_NOT_FINITE),
        (b"{}", EventError.UNKNOWN_EVENT),
    ],
)
def test_one_event_alone_meets_every_check(raw: bytes, expected: EventError):
    decided = decide_one(raw, rules("direct"), None)
    assert isinstance(decided, Reject)
    assert (decided.error_type, decided.raw) == (expected, raw)


def test_a_device_is_the_key_of_a_player_without_a_name_and_missing_properties_are_empty():
    event = {name: value for name, value in EVENT.items() if name not in {"player_id", "properties"}}
    ((key, value),) = decode_events(event | {"device_id": "d-1", "event_name": "heartbeat"}).records
    assert (key, json.loads(value)["properties"]) == ("g:d-1", {})


def test_a_broken_event_is_kept_with_its_place_its_reason_and_its_bytes_and_the_others_go_on():
    broken = EVENT | {"properties": {"level": []}}
    decoded = decode_events(EVENT, broken, EVENT)
    assert len(decoded.records) == 2
    (reject,) = decoded.rejects
    assert (reject.index, reject.error_type) == (1, EventError.SCHEMA_VIOLATION)
    assert reject.error_message.startswith("/properties/level: ")
    assert json.loads(reject.raw) == broken
    assert (reject.event_id, reject.event_name) == (EVENT["event_id"], "level_started")


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"event_name": "teleported"}, EventError.UNKNOWN_EVENT),
        ({"event_version": 99}, EventError.UNKNOWN_EVENT),
        ({"event_version": True}, EventError.UNKNOWN_EVENT),
        ({"game_id": "someone_elses"}, EventError.SCHEMA_VIOLATION),
        ({"received_ts": "2020-01-01T00:00:00Z"}, EventError.SCHEMA_VIOLATION),
        ({"created_ts": "2026-11-23T11:59:50"}, EventError.SCHEMA_VIOLATION),
        ({"created_ts": 1_763_899_190}, EventError.SCHEMA_VIOLATION),
        ({"player_id": None}, EventError.SCHEMA_VIOLATION),
        ({"created_ts": "2026-10-01T00:00:00Z"}, EventError.TOO_LATE),
        ({"properties": {"level": "a\u0000b"}}, EventError.INVALID_STRING),
        ({"properties": {"level": "x" * 40_000}}, EventError.EVENT_TOO_LARGE),
        ({"properties": {"level": "L1", "deep": [[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]}}, EventError.TOO_DEEP),
    ],
)
def test_an_event_is_refused_for_one_named_reason(change: dict, expected: EventError):
    (reject,) = decode_events(EVENT | change).rejects
    assert reject.error_type == expected


@pytest.mark.parametrize(
    ("broken", "expected"),
    [
        (b"7", EventError.UNREADABLE_EVENT),
        (b'"text"', EventError.UNREADABLE_EVENT),
        (b"null", EventError.UNREADABLE_EVENT),
        (b"[1]", EventError.UNREADABLE_EVENT),
        (b'{"a": NaN}', EventError.NUMBER_NOT_FINITE),
        (b'{"a": -Infinity}', EventError.NUMBER_NOT_FINITE),
        (b'{"a": 1e999}', EventError.NUMBER_NOT_FINITE),
        (b'{"a": ' + b"9" * 5000 + b"}", EventError.NUMBER_NOT_FINITE),
        (b'{"a": "\\ud800"}', EventError.INVALID_STRING),
        (b'{"\\udc00": 1}', EventError.INVALID_STRING),
        (b'{"a": "\xff"}', EventError.INVALID_STRING),
        (b'{"a": "\xed\xa0\x80"}', EventError.INVALID_STRING),
        (b'{"a": "\\u0000"}', EventError.INVALID_STRING),
        (b'{"a": "\x01"}', EventError.UNREADABLE_EVENT),
        (b'{"a": ["]\\"", ' + b"[" * 10_000 + b"]" * 10_000 + b"]}", EventError.TOO_DEEP),
        (b'{"a": ' * 5_000 + b'"}"' + b"}" * 5_000, EventError.EVENT_TOO_LARGE),
    ],
)
def test_a_broken_event_costs_neither_its_neighbours_nor_its_bytes(broken: bytes, expected: EventError):
    good = json.dumps(EVENT).encode()
    decoded = decode(b'{"events" : [' + b", ".join([good, broken, good]) + b'], "sent_ts": null}', rules())
    assert len(decoded.records) == 2
    assert [(reject.index, reject.error_type, reject.raw) for reject in decoded.rejects] == [(1, expected, broken)]


@pytest.mark.parametrize(
    ("created", "expected"),
    [
        ("2026-11-23T12:00:01Z", EventError.CREATED_IN_FUTURE),
        ("2022-12-31T23:59:59Z", EventError.BEFORE_START_DATE),
    ],
)
def test_history_is_refused_outside_the_partitions_there_are(created: str, expected: EventError):
    (reject,) = decode_events(EVENT | {"created_ts": created}, source="import").rejects
    assert reject.error_type == expected


def test_history_is_believed_whatever_its_age():
    ((_, value),) = decode_events(EVENT | {"created_ts": "2023-01-01T02:00:00+02:00"}, source="import").records
    assert json.loads(value)["event_ts"] == "2023-01-01T00:00:00Z"


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b'{"events": 7}', b'{"events": [], "extra": 1}', b"\xff", b'{"events": [' + b"[" * 10_000],
)
def test_a_body_that_cannot_be_read_is_refused_as_a_whole(body: bytes):
    with pytest.raises(RefusedRequest) as refused:
        decode(body, rules())
    assert (refused.value.status, refused.value.error_type) == (400, RequestError.UNREADABLE_BODY)


def test_too_many_events_are_refused_before_they_are_looked_at():
    with pytest.raises(RefusedRequest) as refused:
        decode_events(*([EVENT] * 3), limits=Limits(events=2))
    assert (refused.value.status, refused.value.error_type) == (413, RequestError.TOO_MANY_EVENTS)


@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
def test_a_small_body_that_stands_for_a_huge_one_is_refused_while_it_unfolds(encoding: str):
    huge = bytes(5_000_000)
    body = gzip.compress(huge) if encoding == "gzip" else zstandard.compress(huge)
    assert decompress(body, encoding, len(huge)) == huge
    with pytest.raises(RefusedRequest) as refused:
        decompress(body, encoding, 1000)
    assert (refused.value.status, refused.value.error_type) == (413, RequestError.DECOMPRESSED_TOO_LARGE)


@pytest.mark.parametrize(("body", "encoding"), [(b"no gzip", "gzip"), (gzip.compress(b"x" * 100)[:-9], "gzip")])
def test_a_broken_encoding_is_an_unreadable_body(body: bytes, encoding: str):
    with pytest.raises(RefusedRequest) as refused:
        decompress(body, encoding, 1000)
    assert refused.value.status == 400


def test_an_unknown_encoding_is_named():
    with pytest.raises(RefusedRequest, match="'br'") as refused:
        decompress(b"", "br", 1000)
    assert refused.value.status == 415


def test_depth_counts_objects_and_arrays():
    assert [depth_of(document) for document in (1, {}, {"a": 1}, {"a": [{}]})] == [0, 1, 1, 3]


@pytest.mark.parametrize("name", ["a\x1fb", "a\tb", "a\x85b", "\x7f"])
def test_a_control_character_in_a_name_is_refused_live_and_kept_in_history(name: str):
    event = EVENT | {"player_id": name, "properties": {"level": name}}
    (reject,) = decode_events(event).rejects
    assert reject.error_type == EventError.SCHEMA_VIOLATION
    ((key, value),) = decode_events(event, source="import").records
    assert (key, json.loads(value)["properties"]["level"]) == (f"g:{name}", name)
    for fault in ({"player_id": name * 200}, {"surprise": name}, {"created_ts": f"2026-11-23T11:59:50Z{name}"}):
        assert decode_events(event | fault, source="import").records == []
