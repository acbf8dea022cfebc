"""Input that once got through, crashed a request, or would have been retried for ever."""

import gzip
import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from telemetry_platform.collector.app import schema_page
from telemetry_platform.collector.deciding import Rules
from telemetry_platform.collector.decoding import Decoded, decode
from telemetry_platform.collector.error_types import EventError, RequestError
from telemetry_platform.collector.limits import RefusedRequest, decompress
from telemetry_platform.collector.policies import GamePolicy
from telemetry_platform.contracts import schemas
from telemetry_platform.contracts.catalogue import builtin_catalogue
from telemetry_platform.settings import Limits

PURCHASE = {
    "event_id": "7f0c2a56-4a53-4f0e-9a57-4a1f5f3f7f10",
    "event_name": "purchase",
    "event_version": 1,
    "created_ts": "2026-11-23T11:59:50Z",
    "player_id": "p-1",
}
RULES = Rules(
    policy=GamePolicy("g", timedelta(days=30)),
    source="collector",
    received=datetime(2026, 11, 23, 12, tzinfo=UTC),
    start_date=date(2023, 1, 1),
    limits=Limits(),
)
BOUGHT = {"transaction_id": "t-1", "product_id": "gems", "price_minor": 499, "currency": "USD"}


def decode_text(event: str) -> Decoded:
    return decode(f'{{"events":[{event}]}}'.encode(), RULES)


def purchase(**properties: Any) -> str:
    return json.dumps(PURCHASE | {"properties": BOUGHT | properties})


@pytest.mark.parametrize("written", ["499.0", "4.99e2", "4.99E+2"])
def test_a_price_must_be_written_as_the_integer_it_is(written: str):
    (reject,) = decode_text(purchase().replace("499", written)).rejects
    assert reject.error_type == EventError.SCHEMA_VIOLATION
    assert reject.error_message.startswith("/properties/price_minor: ")


@pytest.mark.parametrize(
    ("price_minor", "currency", "expected"),
    [
        (100_000_000, "USD", None),
        (100_000_001, "USD", EventError.AMOUNT_OUT_OF_RANGE),
        (999_999_999_999, "USD", EventError.AMOUNT_OUT_OF_RANGE),
        (999_999_999_999, "IDR", None),
        (1_000_000_000_000, "IDR", EventError.SCHEMA_VIOLATION),
    ],
)
@pytest.mark.parametrize("event_name", ["purchase", "refund"])
def test_a_single_amount_above_a_million_dollars_is_refused_at_the_edge(
    event_name: str, price_minor: int, currency: str, expected: EventError | None
):
    paid = purchase(price_minor=price_minor, currency=currency).replace('"purchase"', f'"{event_name}"')
    rejects = decode_text(paid).rejects
    assert [reject.error_type for reject in rejects] == ([] if expected is None else [expected])
    assert all(reject.problems[0].pointer == "/properties/price_minor" for reject in rejects)


@pytest.mark.parametrize(
    ("sent_ts", "is_taken"),
    [
        ("1970-01-01T00:00:00Z", True),
        ("2199-12-31T23:59:59.999999Z", True),
        ("1969-12-31T23:59:59Z", False),
        ("1969-12-31T23:30:00-01:00", False),
        ("1970-01-01T00:00:00+01:00", False),
        ("2199-12-31T23:59:59-10:00", False),
        ("2200-01-01T00:30:00+01:00", False),
        ("9999-12-31T23:59:59Z", False),
    ],
)
@pytest.mark.parametrize("source", ["collector", "import"])
def test_a_sent_ts_outside_the_contracts_years_costs_each_event_of_its_batch_and_keeps_it(
    sent_ts: str, is_taken: bool, source: Any
):
    bought = json.loads(purchase()) | {"created_ts": sent_ts if is_taken else "2026-11-23T11:59:50Z"}
    body = json.dumps({"sent_ts": sent_ts, "events": [bought, bought | {"event_name": "nothing"}]}).encode()
    decoded = decode(body, replace(RULES, source=source))
    assert decoded.rejects[-1].error_type == EventError.UNKNOWN_EVENT
    if not is_taken:
        assert decoded.rejects[0].error_type == EventError.SCHEMA_VIOLATION
        assert decoded.rejects[0].problems[0].pointer == "/sent_ts"
        assert json.loads(decoded.rejects[0].raw) == bought
    assert all("/sent_ts" not in reject.error_message for reject in decoded.rejects) == is_taken


@pytest.mark.parametrize("created_ts", ["1970-01-01T00:00:00+01:00", "2199-12-31T23:59:59-10:00"])
def test_a_time_that_its_offset_moves_out_of_the_contracts_years_is_pointed_at(created_ts: str):
    (reject,) = decode_text(json.dumps(PURCHASE | {"created_ts": created_ts, "properties": BOUGHT})).rejects
    assert (reject.error_type, reject.problems[0].pointer) == (EventError.SCHEMA_VIOLATION, "/created_ts")
    assert len(reject.problems) == 1


@pytest.mark.parametrize("sent_ts", ["2026-11-23T12:00:00", "0001-01-01T00:00:00+14:00", "yesterday"])
def test_a_sent_ts_that_is_no_time_with_a_zone_makes_the_body_unreadable(sent_ts: str):
    body = json.dumps({"sent_ts": sent_ts, "events": [PURCHASE]}).encode()
    with pytest.raises(RefusedRequest) as refused:
        decode(body, RULES)
    assert (refused.value.status, refused.value.error_type) == (400, RequestError.UNREADABLE_BODY)


def test_an_unknown_property_may_be_any_number():
    assert len(decode_text(purchase(discount=0.5, share=1.0)).records) == 1


def test_the_text_backslash_u0000_is_no_nul_character():
    assert len(decode_text(purchase(product_id="\\u0000")).records) == 1
    assert decode_text(purchase(product_id="\\\u0000")).rejects[0].error_type == EventError.INVALID_STRING


def test_a_message_does_not_repeat_all_that_was_sent():
    (reject,) = decode_text(json.dumps(PURCHASE | {"event_name": "x" * 30_000})).rejects
    assert len(reject.error_message) <= 500


def test_an_event_that_kafka_could_not_keep_refuses_its_request_instead_of_asking_for_a_retry():
    kept = decode_text(purchase(note="x" * 100_000))
    assert kept.rejects[0].error_type == EventError.EVENT_TOO_LARGE
    with pytest.raises(RefusedRequest) as refused:
        decode_text(purchase(note="x" * Limits().kept_bytes))
    assert (refused.value.status, refused.value.error_type) == (413, RequestError.EVENT_TOO_LARGE)


def test_a_body_of_many_empty_gzip_members_is_refused_before_it_holds_up_the_others():
    member = gzip.compress(b"")
    assert decompress(gzip.compress(b"{") + member + gzip.compress(b"}"), "gzip", 100) == b"{}"
    with pytest.raises(RefusedRequest) as refused:
        decompress(member * 1000, "gzip", 100)
    assert refused.value.status == 400


@pytest.mark.parametrize(
    "tail", ["heartbeat/²", "heartbeat/" + "9" * 5000, "heartbeat", "heartbeat/1/2", "/../x", "x/1"]
)
def test_a_schema_that_is_not_there_is_404(tail: str):
    with pytest.raises(RefusedRequest) as refused:
        schema_page(f"/v1/schemas/{tail}", builtin_catalogue())
    assert refused.value.status == 404


def test_a_published_schema_can_be_used_without_a_further_request():
    validator = jsonschema_rs.validator_for(
        json.loads(schema_page("/v1/schemas/purchase/1", builtin_catalogue()).body), validate_formats=True
    )
    folder = Path(schemas.__file__).parent / "events" / "purchase"
    for example in folder.glob("purchase.*.json"):
        assert validator.is_valid(json.loads(example.read_text())) == example.name.endswith(".pass.json"), example.name
