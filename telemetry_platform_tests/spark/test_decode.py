import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyspark.sql import DataFrame, Row, SparkSession
from pyspark.sql import functions as sf

from telemetry_platform.contracts.signature import SIGNATURE_HEADER, Signer
from telemetry_platform.transforms.decode import is_signed, to_bronze

REJECTED = "telemetry.rejected.v1"
RECEIVED = datetime(2026, 11, 23, 12, tzinfo=UTC)
RECORD_SCHEMA = (
    "key binary, value binary, topic string, partition int, offset bigint, timestamp timestamp, "
    "headers array<struct<key: string, value: binary>>"
)
ENVELOPE = {
    "event_id": "e-1",
    "event_name": "level_started",
    "event_version": 1,
    "created_ts": "2026-11-23T11:00:00.5Z",
    "player_id": "p-1",
    "game_id": "g",
    "properties": {"level": "L1", "nested": {"a": [1, 2]}},
}
STAMPED = {
    **ENVELOPE,
    "received_ts": "2026-11-23T12:00:00.123456Z",
    "event_ts": "2026-11-23T11:00:00.654321Z",
    "source": "collector",
}
KEY = b"k" * 32

Header = tuple[str, bytes | None]


def record(
    value: bytes | None, *, topic: str = "telemetry.events.v1", headers: Sequence[Header] | None = None
) -> tuple[Any, ...]:
    return (b"g:p-1", value, topic, 2, 7, RECEIVED, headers)


def records(spark: SparkSession, *rows: tuple[Any, ...]) -> DataFrame:
    return spark.createDataFrame(list(rows), RECORD_SCHEMA)


def decode(spark: SparkSession, *rows: tuple[Any, ...]) -> list[Row]:
    return to_bronze(records(spark, *rows), sf.col("topic") == REJECTED).collect()


def test_a_stamped_event_keeps_the_collectors_times_and_its_properties_as_text(spark: SparkSession):
    (row,) = decode(spark, record(json.dumps(STAMPED).encode()))
    assert row.error_type is None
    assert row.raw_value is None
    assert (row.received_ts, row.event_ts) == (
        datetime(2026, 11, 23, 12, 0, 0, 123456),
        datetime(2026, 11, 23, 11, 0, 0, 654321),
    )
    assert (row.received_date.isoformat(), row.event_date.isoformat(), row.arrival) == (
        "2026-11-23",
        "2026-11-23",
        "on_time",
    )
    assert json.loads(row.properties) == ENVELOPE["properties"]
    assert (row.kafka_topic, row.kafka_partition, row.kafka_offset) == ("telemetry.events.v1", 2, 7)


@pytest.mark.parametrize(
    ("event_ts", "arrival"),
    [
        ("2026-11-22T00:00:00Z", "on_time"),
        ("2026-11-21T23:59:59.999999Z", "late"),
    ],
)
def test_an_event_older_than_yesterday_is_late(spark: SparkSession, event_ts: str, arrival: str):
    (row,) = decode(spark, record(json.dumps(STAMPED | {"event_ts": event_ts}).encode()))
    assert row.arrival == arrival


def test_an_imported_event_is_kept_apart_whatever_its_day(spark: SparkSession):
    (row,) = decode(spark, record(json.dumps(STAMPED | {"source": "import"}).encode()))
    assert (row.arrival, row.source) == ("imported", "import")


ALL_MISSING = "event_id, event_name, event_version, game_id, created_ts, event_ts, source, player_id or device_id"


@pytest.mark.parametrize(
    ("value", "missing"),
    [
        (b"not json \xff", ALL_MISSING),
        (None, ALL_MISSING),
        (json.dumps(STAMPED | {"event_version": "one"}).encode(), "event_version"),
        (json.dumps(STAMPED | {"player_id": None}).encode(), "player_id or device_id"),
        (json.dumps({k: v for k, v in STAMPED.items() if k != "event_ts"}).encode(), "event_ts"),
        (json.dumps(STAMPED | {"created_ts": "0001-01-01T00:00:00+01:00"}).encode(), "created_ts"),
        (json.dumps(STAMPED | {"event_ts": "2200-01-01T00:00:00Z"}).encode(), "event_ts"),
        (json.dumps(STAMPED | {"source": "anybody"}).encode(), "source"),
    ],
)
def test_a_record_that_cannot_be_decoded_keeps_its_bytes_and_says_why(
    spark: SparkSession, value: bytes | None, missing: str
):
    (row,) = decode(spark, record(value))
    assert row.error_type == "undecodable"
    assert row.error_message == f"missing or unreadable: {missing}"
    assert (row.raw_value, row.event_date) == (None if value is None else bytearray(value), None)
    assert row.received_date.isoformat() == "2026-11-23"


REASON: list[Header] = [
    ("game_id", b"g"),
    ("received_ts", b"2026-11-23T11:59:59.000001Z"),
    ("error_type", b"schema"),
    ("error_message", b"price_minor is negative"),
    ("source", b"collector"),
]


def test_a_reject_carries_the_collectors_reason_and_the_original_bytes(spark: SparkSession):
    (row,) = decode(spark, record(b'{"broken', topic=REJECTED, headers=REASON))
    assert (row.game_id, row.error_type, row.error_message) == ("g", "schema", "price_minor is negative")
    assert (row.raw_value, row.event_date, row.source) == (bytearray(b'{"broken'), None, "collector")
    assert row.received_ts == datetime(2026, 11, 23, 11, 59, 59, 1)


def test_of_a_header_that_a_proxy_added_a_second_time_the_first_counts(spark: SparkSession):
    doubled: list[Header] = [*REASON, ("game_id", b"other"), ("traceparent", b"1"), ("traceparent", b"2")]
    (row,) = decode(spark, record(b"{}", topic=REJECTED, headers=doubled))
    assert (row.game_id, row.error_type) == ("g", "schema")


@pytest.mark.parametrize(
    "stamp", [b"yesterday", b"0001-01-01T00:00:00+01:00", b"+294247-01-10T04:00:54.775Z", b"", None]
)
def test_a_reject_whose_received_time_is_none_that_a_contract_takes_has_kafkas(
    spark: SparkSession, stamp: bytes | None
):
    (row,) = decode(spark, record(b"{}", topic=REJECTED, headers=[("received_ts", stamp)]))
    assert (row.error_type, row.received_ts) == ("unknown", datetime(2026, 11, 23, 12))


header = st.tuples(
    st.one_of(st.sampled_from([name for name, _ in REASON]), st.text(max_size=5)),
    st.one_of(st.none(), st.binary(max_size=30), st.sampled_from([value for _, value in REASON])),
)
value = st.one_of(
    st.none(),
    st.binary(max_size=60),
    st.dictionaries(
        st.sampled_from([*STAMPED, "sent_ts", "clock_corrected"]),
        st.one_of(
            st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8), st.lists(st.integers()),
            st.sampled_from(["0001-01-01T00:00:00+01:00", "9999-12-31T23:59:59-18:00", "+300000-01-01T00:00:00Z"]),
        ),
    ).map(lambda changes: json.dumps(STAMPED | changes).encode()),
)  # fmt: skip
moment = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=st.just(UTC))
any_record = st.tuples(value, st.sampled_from(["telemetry.events.v1", REJECTED]), moment, st.lists(header, max_size=8))


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(any_record, min_size=20, max_size=60))
def test_any_kafka_record_gives_one_row_with_a_day_and_text_that_can_be_read(spark: SparkSession, drawn: list[tuple]):
    rows = [
        (b"k", value, topic, 0, offset, when, headers) for offset, (value, topic, when, headers) in enumerate(drawn)
    ]
    decoded = to_bronze(records(spark, *rows), sf.col("topic") == REJECTED)
    found = decoded.select(
        "kafka_offset", "received_date", "error_type", "event_date", "game_id", "error_message"
    ).collect()
    assert sorted(row.kafka_offset for row in found) == list(range(len(rows)))
    assert all(row.received_date.year >= 1970 for row in found)
    assert all((row.error_type is None) == (row.event_date is not None) for row in found)


def test_only_what_was_signed_with_the_key_and_not_changed_since_is_trusted(spark: SparkSession):
    signed, value = Signer(KEY).sign(b'{"a":1}'), b'{"a":1}'
    cases = [
        record(value, headers=[("traceparent", b"x"), (SIGNATURE_HEADER, signed)]),
        record(b'{"a":2}', headers=[(SIGNATURE_HEADER, signed)]),
        record(value, headers=[(SIGNATURE_HEADER, Signer(b"l" * 32).sign(value))]),
        record(value, headers=[(SIGNATURE_HEADER, None)]),
        record(value, headers=[("other", signed)]),
        record(value, headers=None),
        record(None, headers=[(SIGNATURE_HEADER, signed)]),
        record("ü".encode() * 300, headers=[(SIGNATURE_HEADER, Signer(KEY).sign("ü".encode() * 300))]),
    ]
    frame = records(spark, *cases).select(is_signed(KEY).alias("is_signed"))
    assert [row.is_signed for row in frame.collect()] == [True, False, False, False, False, False, False, True]
