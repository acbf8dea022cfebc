import json
from datetime import UTC, datetime

import pytest
from pyspark.sql import DataFrame, Row, SparkSession

from telemetry_platform.transforms.decode import to_bronze

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


def record(value: bytes | None, *, topic: str = "telemetry.events.v1", headers: list | None = None) -> tuple:
    return (b"g:p-1", value, topic, 2, 7, RECEIVED, headers)


def decode(spark: SparkSession, *records: tuple) -> list[Row]:
    frame: DataFrame = spark.createDataFrame(list(records), RECORD_SCHEMA)
    return to_bronze(frame, rejected_topic="telemetry.rejected.v1", lateness_horizon_days=30).collect()


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


def test_a_direct_record_takes_kafkas_time_as_received_and_corrects_the_clock_by_sent_ts(spark: SparkSession):
    # The device is two hours ahead; the event happened ten minutes before it was sent.
    direct = ENVELOPE | {"created_ts": "2026-11-23T13:50:00Z", "sent_ts": "2026-11-23T14:00:00Z"}
    (row,) = decode(spark, record(json.dumps(direct).encode()))
    assert (row.source, row.received_ts) == ("direct", datetime(2026, 11, 23, 12))
    assert row.event_ts == datetime(2026, 11, 23, 11, 50)


@pytest.mark.parametrize("created", ["2026-11-23T12:00:01Z", "2026-10-01T00:00:00Z"])
def test_a_direct_record_whose_created_time_cannot_be_believed_falls_back_to_the_received_time(
    spark: SparkSession, created: str
):
    (row,) = decode(spark, record(json.dumps(ENVELOPE | {"created_ts": created}).encode()))
    assert (row.event_ts, row.clock_corrected) == (datetime(2026, 11, 23, 12), True)


@pytest.mark.parametrize(
    ("value", "missing"),
    [
        (b"not json \xff", "event_id, event_name, event_version, game_id, created_ts, player_id or device_id"),
        (None, "event_id, event_name, event_version, game_id, created_ts, player_id or device_id"),
        (json.dumps(STAMPED | {"event_version": "one"}).encode(), "event_version"),
        (json.dumps(STAMPED | {"player_id": None}).encode(), "player_id or device_id"),
        (json.dumps({k: v for k, v in STAMPED.items() if k != "event_ts"}).encode(), "event_ts"),
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


def test_a_reject_carries_the_collectors_reason_and_the_original_bytes(spark: SparkSession):
    headers = [
        ("game_id", b"g"),
        ("received_ts", b"2026-11-23T11:59:59.000001Z"),
        ("error_type", b"schema"),
        ("error_message", b"price_minor is negative"),
        ("source", b"collector"),
    ]
    (row,) = decode(spark, record(b'{"broken', topic="telemetry.rejected.v1", headers=headers))
    assert (row.game_id, row.error_type, row.error_message) == ("g", "schema", "price_minor is negative")
    assert (row.raw_value, row.event_date, row.source) == (bytearray(b'{"broken'), None, "collector")
    assert row.received_ts == datetime(2026, 11, 23, 11, 59, 59, 1)
